//! What a call asks for: model, sampling, tools, structure, who asks and in which conversation.

use super::*;
use crate::provider::Facts;

fn facts(url: &str, request: &str) -> Facts {
    Call::json(url, request, "{}").whole().facts
}

fn model(url: &str, request: &str) -> String {
    facts(url, request).request_model.unwrap_or_default()
}

#[test]
fn models_from_the_body_or_the_url() {
    let azure = "x.openai.azure.com/openai/deployments";
    assert_eq!(model(&format!("{azure}/my%20gpt%2F4/chat/completions?api-version=1"), "{}"), "my gpt/4");
    assert_eq!(
        model(&format!("{azure}/d/chat/completions"), r#"{"model":"gpt-4o"}"#),
        "gpt-4o",
        "the body says more"
    );
    assert_eq!(model("x.openai.azure.com/openai/v1/responses", r#"{"model":"d"}"#), "d");
    assert_eq!(model("api.openai.com/v1/engines/davinci/completions", "{}"), "davinci");
    let gemini = "generativelanguage.googleapis.com/v1beta";
    assert_eq!(model(&format!("{gemini}/models/gemini%2D2.5:generateContent"), "{}"), "gemini-2.5");
    assert_eq!(
        model(&format!("{gemini}/tunedModels/t:generateContent"), r#"{"model":"no"}"#),
        "t",
        "the URL decides"
    );
    let vertex = "us-east5-aiplatform.googleapis.com/v1beta1/projects/p/locations/l";
    assert_eq!(model(&format!("{vertex}/endpoints/123:streamGenerateContent"), "{}"), "123");
    assert_eq!(model(&format!("{vertex}/publishers/anthropic/models/claude@1:rawPredict"), "{}"), "claude@1");
    assert_eq!(model("us-south.ml.cloud.ibm.com/ml/v1/deployments/d/text/chat?version=1", "{}"), "d");
    assert_eq!(model("api-inference.huggingface.co/models/org/name", "{}"), "org/name");
    assert_eq!(model("adb-1.azuredatabricks.net/serving-endpoints/e/invocations", "{}"), "e");
    assert_eq!(
        model("api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/meta/llama", "{}"),
        "@cf/meta/llama"
    );
}

#[test]
fn bedrock_arns() {
    let arn = |resource: &str| format!("arn:aws:bedrock:us-east-1:123456789012:{resource}");
    for (resource, api) in [
        ("inference-profile/us.anthropic.claude-sonnet-4-20250514-v1:0", "anthropic.messages"),
        ("foundation-model/amazon.nova-lite-v1:0", "bedrock.nova"),
        ("application-inference-profile/abc123", "bedrock.invoke"),
        ("provisioned-model/abc123", "bedrock.invoke"),
        ("imported-model/abc123", "bedrock.invoke"),
        ("custom-model-deployment/abc123", "bedrock.invoke"),
    ] {
        let arn = arn(resource);
        let escaped = arn.replace(':', "%3A").replace('/', "%2F");
        // Escaped or not, and behind the path of a gateway.
        for id in [&escaped, &arn] {
            for prefix in ["", "/bedrock"] {
                let span = Call::json(
                    &format!("bedrock-runtime.us-east-1.amazonaws.com{prefix}/model/{id}/invoke"),
                    "{}",
                    "{}",
                )
                .whole();
                assert_eq!(span.facts.request_model.as_ref(), Some(&arn));
                assert_eq!((span.api, span.provider_name.as_ref()), (api, "aws.bedrock"), "{arn}");
            }
        }
        let span = Call::json(&format!("{BEDROCK}/{escaped}/converse"), "{}", "{}").whole();
        assert_eq!((span.facts.request_model, span.api), (Some(arn), "bedrock.converse"));
    }
}

/// What an ARN does not say, the body shows.
#[test]
fn bedrock_arns_of_any_family() {
    let url = format!("{BEDROCK}/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aimported-model%2Fx/invoke");
    let check = |body: &str, expected: &str| {
        Call::json(&url, "{}", body).counts(expected);
    };
    check(
        r#"{"generation":"a","prompt_token_count":5,"generation_token_count":6,"stop_reason":"stop"}"#,
        "in=5 out=6 read=- write=- think=- total=-",
    );
    check(
        r#"{"id":"m","content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":7,"output_tokens":6}}"#,
        "in=12 out=6 read=7 write=- think=- total=-",
    );
    check(
        r#"{"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4}}}"#,
        "in=5 out=6 read=- write=- think=- total=11",
    );
}

#[test]
fn sampling_parameters() {
    let seen = facts(
        "api.openai.com/v1/chat/completions",
        r#"{"max_completion_tokens":64,"temperature":0.5,"top_p":0.9,"frequency_penalty":0.1,"presence_penalty":0.2,"seed":7,"n":2,"stop":["a","b"],"service_tier":"flex","reasoning_effort":"low"}"#,
    );
    assert_eq!((seen.max_tokens, seen.seed, seen.choice_count), (Some(64), Some(7), Some(2)));
    assert_eq!((seen.temperature, seen.top_p), (Some(0.5), Some(0.9)));
    assert_eq!((seen.frequency_penalty, seen.presence_penalty), (Some(0.1), Some(0.2)));
    assert_eq!((seen.stop_sequences.len(), seen.request_service_tier.as_deref()), (2, Some("flex")));
    assert_eq!(seen.reasoning_level.as_deref(), Some("low"));

    let all = |url: &str, request: &str| {
        let seen = facts(url, request);
        assert_eq!(
            (seen.max_tokens, seen.temperature, seen.top_p),
            (Some(64), Some(0.5), Some(0.9)),
            "{url}"
        );
        seen
    };
    let gemini = "generativelanguage.googleapis.com/v1beta/models/g:generateContent";
    let camel = r#"{"generationConfig":{"maxOutputTokens":64,"temperature":0.5,"topP":0.9,"topK":40,"stopSequences":["a"],"thinkingConfig":{"thinkingLevel":"high"}}}"#;
    let seen = all(gemini, camel);
    assert_eq!((seen.top_k, seen.reasoning_level.as_deref()), (Some(40.0), Some("high")));
    all(gemini, r#"{"generation_config":{"max_output_tokens":64,"temperature":0.5,"top_p":0.9}}"#);
    all("api.anthropic.com/v1/messages", r#"{"max_tokens":64,"temperature":0.5,"top_p":0.9,"top_k":5}"#);
    all(
        &format!("{BEDROCK}/m/converse"),
        r#"{"inferenceConfig":{"maxTokens":64,"temperature":0.5,"topP":0.9}}"#,
    );
    all("api.cohere.com/v2/chat", r#"{"max_tokens":64,"temperature":0.5,"p":0.9}"#);
    all("ollama:11434/api/chat", r#"{"options":{"num_predict":64,"temperature":0.5,"top_p":0.9}}"#);
    all(
        "tgi.models/generate",
        r#"{"inputs":"a","parameters":{"max_new_tokens":64,"temperature":0.5,"top_p":0.9}}"#,
    );
    all("llama.models/completion", r#"{"prompt":"a","n_predict":64,"temperature":0.5,"top_p":0.9}"#);
    all("us-south.ml.cloud.ibm.com/ml/v1/text/chat", r#"{"max_tokens":64,"temperature":0.5,"top_p":0.9}"#);
    all("api.replicate.com/v1/predictions", r#"{"input":{"max_tokens":64,"temperature":0.5,"top_p":0.9}}"#);
    all(
        "api.mistral.ai/v1/conversations",
        r#"{"completion_args":{"max_tokens":64,"temperature":0.5,"top_p":0.9}}"#,
    );
    all("api.aleph-alpha.com/complete", r#"{"maximum_tokens":64,"temperature":0.5,"top_p":0.9}"#);
}

#[test]
fn tools_offered() {
    let tools = |url: &str, request: &str| assert_eq!(facts(url, request).offered_tools, 2, "{url}");
    tools(
        "api.openai.com/v1/chat/completions",
        r#"{"tools":[{"type":"function","function":{"parameters":{"tools":[1]}}},{"type":"custom"}]}"#,
    );
    tools("api.openai.com/v1/responses", r#"{"tools":[{"type":"web_search"},{"type":"function"}]}"#);
    tools("api.anthropic.com/v1/messages", r#"{"tools":[{"name":"a"},{"type":"web_search_20250305"}]}"#);
    tools(
        "generativelanguage.googleapis.com/v1beta/models/g:generateContent",
        r#"{"tools":[{"functionDeclarations":[{"name":"a"},{"name":"b"}]}]}"#,
    );
    tools(&format!("{BEDROCK}/m/converse"), r#"{"toolConfig":{"tools":[{"toolSpec":{}},{"toolSpec":{}}]}}"#);
    tools("api.cohere.com/v2/chat", r#"{"tools":[{},{}]}"#);
    tools("ollama:11434/api/chat", r#"{"tools":[{},{}]}"#);
    tools("api.mistral.ai/v1/conversations", r#"{"tools":[{"type":"web_search"},{"type":"function"}]}"#);
}

#[test]
fn structured_output() {
    let format = |url: &str, request: &str, expected: &str| {
        assert_eq!(facts(url, request).output_format.as_deref(), Some(expected), "{url}");
    };
    let schema = r#"{"response_format":{"type":"json_schema","json_schema":{"schema":{"type":"object"}}}}"#;
    format("api.openai.com/v1/chat/completions", schema, "json_schema");
    format("api.mistral.ai/v1/chat/completions", schema, "json_schema");
    format("api.mistral.ai/v1/conversations", &format!(r#"{{"completion_args":{schema}}}"#), "json_schema");
    format("us-south.ml.cloud.ibm.com/ml/v1/text/chat", schema, "json_schema");
    format(
        "api.cohere.com/v2/chat",
        r#"{"response_format":{"type":"json_object","schema":{"type":"object"}}}"#,
        "json_object",
    );
    format(
        "api.openai.com/v1/responses",
        r#"{"text":{"format":{"type":"json_schema","schema":{"type":"object"}}}}"#,
        "json_schema",
    );
    let gemini = "generativelanguage.googleapis.com/v1beta/models/g:generateContent";
    format(
        gemini,
        r#"{"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT"}}}"#,
        "json_schema",
    );
    format(gemini, r#"{"generationConfig":{"response_mime_type":"application/json"}}"#, "application/json");
    let anthropic = "api.anthropic.com/v1/messages";
    format(
        anthropic,
        r#"{"output_format":{"type":"json_schema","schema":{"type":"object"}}}"#,
        "json_schema",
    );
    format(
        anthropic,
        r#"{"output_config":{"effort":"low","format":{"type":"json_schema","schema":{}}}}"#,
        "json_schema",
    );
    format("ollama:11434/api/chat", r#"{"format":"json"}"#, "json");
    format("ollama:11434/api/chat", r#"{"format":{"type":"object","properties":{}}}"#, "json_schema");
}

#[test]
fn users_and_conversations() {
    let user =
        |url: &str, request: &str| assert_eq!(facts(url, request).user_id.as_deref(), Some("u"), "{url}");
    user("api.openai.com/v1/chat/completions", r#"{"user":"u"}"#);
    user("api.openai.com/v1/chat/completions", r#"{"safety_identifier":"u","user":null}"#);
    user("api.openai.com/v1/responses", r#"{"safety_identifier":"u"}"#);
    user("api.openai.com/v1/embeddings", r#"{"user":"u"}"#);
    user("api.anthropic.com/v1/messages", r#"{"metadata":{"user_id":"u"}}"#);

    let conversation = |url: &str, request: &str, answer: &str| {
        let span = Call::json(url, request, answer).whole();
        assert_eq!(span.facts.conversation_id.as_deref(), Some("conv_1"), "{url}");
    };
    conversation("api.openai.com/v1/responses", r#"{"conversation":"conv_1"}"#, "{}");
    conversation("api.openai.com/v1/responses", r#"{"conversation":{"id":"conv_1"}}"#, "{}");
    conversation("api.cohere.com/v1/chat", r#"{"conversation_id":"conv_1"}"#, "{}");
    conversation("api.mistral.ai/v1/conversations", "{}", r#"{"conversation_id":"conv_1","outputs":[]}"#);
    conversation("api.mistral.ai/v1/conversations/conv%5F1", "{}", r#"{"outputs":[]}"#);
    conversation(
        "bedrock-agent-runtime.us-east-1.amazonaws.com/agents/A/agentAliases/B/sessions/conv_1/text",
        "{}",
        "",
    );
    // The answer that a request goes on from is no conversation: each has another.
    let seen = facts("api.openai.com/v1/responses", r#"{"previous_response_id":"resp_1"}"#);
    assert_eq!((seen.previous_response_id.as_deref(), seen.conversation_id), (Some("resp_1"), None));
}

#[test]
fn streams_asked_for() {
    let stream = |url: &str, request: &str| facts(url, request).stream;
    assert_eq!(stream("api.openai.com/v1/chat/completions", "{}"), None);
    assert_eq!(stream("api.openai.com/v1/chat/completions", r#"{"stream":false}"#), Some(false));
    assert_eq!(stream("ollama:11434/api/chat", "{}"), Some(true), "unless it says otherwise");
    assert_eq!(stream("tgi.models/generate_stream", "{}"), Some(true));
    assert_eq!(stream("us-south.ml.cloud.ibm.com/ml/v1/text/chat_stream", "{}"), Some(true));
    assert_eq!(
        stream("api.replicate.com/v1/models/o/n/predictions", r#"{"input":{},"stream":true}"#),
        Some(true)
    );
    let sagemaker = "runtime.sagemaker.us-east-1.amazonaws.com/endpoints/e/invocations-response-stream";
    assert_eq!(stream(sagemaker, "{}"), Some(true));
}
