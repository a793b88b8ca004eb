//! OpenAI's embeddings and responses, answered in one piece.

use serde_json::{Value, json};

use super::openai::{Request, TEXT, complete, dated, failure, identifier};
use super::record::Usage;
use super::script::Script;

pub(super) fn embeddings(request: &Request) -> Script {
    answered(request, |asked| {
        let usage = Usage { input: 5, ..Usage::default() };
        let model = asked["model"].as_str()?.to_owned();
        // The SDK asks for base64: three numbers of four bytes.
        let embedding = if asked["encoding_format"] == "base64" {
            json!("zczMPc3MTD6amZk+")
        } else {
            json!([0.1, 0.2, 0.3])
        };
        let body = json!({
            "object": "list", "data": [{"object": "embedding", "index": 0, "embedding": embedding}],
            "model": model, "usage": {"prompt_tokens": usage.input, "total_tokens": usage.input},
        });
        Some(Answer { id: String::new(), model, usage, body })
    })
}

pub(super) fn responses(request: &Request) -> Script {
    answered(request, |asked| {
        let usage =
            Usage { input: 24, output: 81, cached_input: 12, reasoning_output: 64, ..Usage::default() };
        let model = dated(asked["model"].as_str()?);
        let id = format!("resp_{}", identifier(&request.case, 32));
        let message = json!({
            "type": "message", "id": format!("msg_{}", identifier(&request.case, 32)), "status": "completed",
            "role": "assistant", "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
        });
        let body = json!({
            "id": id, "object": "response", "created_at": 1_770_000_000, "status": "completed", "error": null,
            "incomplete_details": null, "instructions": null, "metadata": {}, "model": model, "output": [message],
            "parallel_tool_calls": true, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
            "service_tier": "default", "text": {"format": {"type": "text"}},
            "usage": {
                "input_tokens": usage.input, "input_tokens_details": {"cached_tokens": usage.cached_input},
                "output_tokens": usage.output,
                "output_tokens_details": {"reasoning_tokens": usage.reasoning_output},
                "total_tokens": usage.input + usage.output,
            },
        });
        Some(Answer { id, model, usage, body })
    })
}

struct Answer {
    id: String,
    model: String,
    usage: Usage,
    body: Value,
}

fn answered(request: &Request, answer: impl FnOnce(&Value) -> Option<Answer>) -> Script {
    let asked = serde_json::from_slice(&request.body).unwrap_or_default();
    let Some(answer) = answer(&asked) else {
        let error = json!({"error": {"message": "you must provide a model parameter", "type": "invalid_request_error"}});
        return failure(request, 400, &error.to_string(), Vec::new());
    };
    let body = answer.body.to_string().into_bytes();
    let mut script = complete(request, 200, "application/json", body, Vec::new());
    script.response_id = answer.id;
    script.response_model = answer.model;
    script.usage = Some(answer.usage);
    script
}
