//! Anthropic's messages, with members in the order of the real API. Cached tokens are counted apart from the input, as
//! that API does.

use serde_json::{Value, json};

use super::openai::{Request, TEXT, complete, failure, headers, identifier};
use super::record::Usage;
use super::script::{Script, Step};

/// Tokens that every answer says were read from the cache, and written to it.
const CACHE_READ: u64 = 8;
const CACHE_CREATION: u64 = 4;

pub(super) fn script(request: &Request) -> Script {
    let Some(message) = Message::answering(request) else {
        let error = json!({"type": "invalid_request_error", "message": "messages: Field required"});
        return failure(request, 400, &json!({"type": "error", "error": error}).to_string(), Vec::new());
    };
    let mut script = if message.streamed {
        let headers = headers(request, "text/event-stream; charset=utf-8");
        let pauses = |event: Vec<u8>| [Step::Pause(request.chunk_pause), Step::Send(event.into())];
        Script::new(200, headers, message.events().into_iter().flat_map(pauses).collect())
    } else {
        complete(request, 200, "application/json", message.body().to_string().into_bytes(), Vec::new())
    };
    script.usage = Some(message.usage);
    script.response_id = message.id;
    script.response_model = message.model;
    script
}

struct Message {
    id: String,
    model: String,
    streamed: bool,
    /// As every part of meshtap counts: input with its cached tokens.
    usage: Usage,
}

impl Message {
    fn answering(request: &Request) -> Option<Self> {
        let body: Value = serde_json::from_slice(&request.body).ok()?;
        let uncached = 7 + body["messages"].as_array()?.len() as u64;
        Some(Self {
            id: format!("msg_{}", identifier(&request.case, 24)),
            model: body["model"].as_str()?.to_owned(),
            streamed: body["stream"] == true,
            usage: Usage {
                input: uncached + CACHE_READ + CACHE_CREATION,
                output: 17,
                cached_input: CACHE_READ,
                cache_creation_input: CACHE_CREATION,
                reasoning_output: 0,
            },
        })
    }

    fn body(&self) -> Value {
        let content = json!([{"type": "text", "text": TEXT}]);
        self.head(&content, Some("end_turn"), self.usage.output)
    }

    fn head(&self, content: &Value, stop_reason: Option<&str>, output: u64) -> Value {
        let Usage { input, cached_input, cache_creation_input, .. } = self.usage;
        json!({
            "id": self.id, "type": "message", "role": "assistant", "model": self.model, "content": content,
            "stop_reason": stop_reason, "stop_sequence": null,
            "usage": {
                "input_tokens": input - cached_input - cache_creation_input,
                "cache_creation_input_tokens": cache_creation_input,
                "cache_read_input_tokens": cached_input,
                "output_tokens": output,
            },
        })
    }

    fn events(&self) -> Vec<Vec<u8>> {
        let mut events = vec![
            json!({"type": "message_start", "message": self.head(&json!([]), None, 1)}),
            json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
            json!({"type": "ping"}),
        ];
        events.extend(TEXT.split_inclusive(' ').map(|word| {
            json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}})
        }));
        events.extend([
            json!({"type": "content_block_stop", "index": 0}),
            json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
                "usage": {"output_tokens": self.usage.output}}),
            json!({"type": "message_stop"}),
        ]);
        let line = |event: &Value| {
            format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap_or_default()).into_bytes()
        };
        events.iter().map(line).collect()
    }
}
