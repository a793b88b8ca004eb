//! Errors in the words of each server.

use super::*;

/// The type of the error, and its code.
fn check(status: &'static str, url: &str, body: &str, kind: Option<&str>, code: Option<&str>) {
    let mut call = Call::json(url, r#"{"model":"m"}"#, body);
    call.status = Some(status);
    let span = call.span();
    assert!(span.error_type.is_some(), "{url}");
    let seen = (span.facts.error_type.as_deref(), span.facts.error_code.as_deref());
    assert_eq!(seen, (kind, code), "{url} {body}");
    assert_eq!(span.usage_absent_reason, Some("error_response"), "{url}");
}

#[test]
fn watsonx_lists_its_errors() {
    let body = r#"{"errors":[{"code":"model_not_supported","message":"é","more_info":"https://x"}],"trace":"t","status_code":404}"#;
    for path in ["text/generation", "text/chat", "text/embeddings", "text/rerank", "text/chat_stream"] {
        let url = format!("us-south.ml.cloud.ibm.com/ml/v1/{path}?version=2024-10-08");
        check("404", &url, body, None, Some("model_not_supported"));
    }
}

#[test]
fn text_generation_servers_name_the_type_beside_the_error() {
    let body = r#"{"error":"Input validation error","error_type":"validation"}"#;
    for path in ["generate", "v1/chat/completions", "v1/completions", "v1/embeddings", "embed", "rerank"] {
        check("422", &format!("tgi.models/{path}"), body, Some("validation"), None);
    }
    let events = [r#"data: {"error":"failed during generation","error_type":"generation"}"#];
    let span = Call::sse("tgi.models/v1/chat/completions", r#"{"stream":true}"#, &events).whole();
    assert_eq!(span.facts.error_type.as_deref(), Some("generation"));
    assert!(span.error_type.is_some());
}

#[test]
fn vllm_has_no_object_around_its_errors() {
    let body = r#"{"object":"error","message":"é","type":"BadRequestError","param":null,"code":400}"#;
    for path in
        ["v1/chat/completions", "v1/completions", "v1/responses", "v1/embeddings", "v1/rerank", "pooling"]
    {
        check("400", &format!("vllm.models/{path}"), body, Some("BadRequestError"), Some("400"));
    }
    check("400", "vllm.models/v2/rerank", body, Some("BadRequestError"), None);
}

#[test]
fn fastapi_lists_what_is_wrong() {
    let list = r#"{"detail":[{"type":"missing","loc":["body","messages"],"msg":"é","input":{"type":"no"}}]}"#;
    for path in ["v1/chat/completions", "v1/completions", "v1/responses", "v1/embeddings", "v1/rerank"] {
        check("422", &format!("vllm.models/{path}"), list, Some("missing"), None);
        check("401", &format!("vllm.models/{path}"), r#"{"detail":"Invalid API Key"}"#, None, None);
    }
    let nested = r#"{"object":"error","message":{"detail":[{"type":"missing","loc":["body"]}]},"type":"invalid_request_error","code":null}"#;
    check("422", "api.mistral.ai/v1/chat/completions", nested, Some("invalid_request_error"), None);
}

#[test]
fn databricks_names_a_code() {
    let body = r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"é"}"#;
    let url = "adb-1.azuredatabricks.net/serving-endpoints/e/invocations";
    check("400", url, body, None, Some("INVALID_PARAMETER_VALUE"));
}

#[test]
fn errors_come_in_streams_that_began_well() {
    let chunk = r#"data: {"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let of = |url, events: &[&str]| {
        let span = Call::sse(url, r#"{"stream":true}"#, events).whole();
        assert!(span.error_type.is_some(), "{url} {events:?}");
        (span.facts.error_type.unwrap_or_default(), span.facts.error_code.unwrap_or_default())
    };
    let watsonx =
        r#"data: {"errors":[{"code":"invalid_input_argument","message":"é"}],"trace":"t","status_code":400}"#;
    let url = "us-south.ml.cloud.ibm.com/ml/v1/text/chat_stream?version=2024-10-08";
    assert_eq!(of(url, &[watsonx]), (String::new(), "invalid_input_argument".into()));
    // llama.cpp until September 2025, alone and behind a chunk.
    let llama = r#"error: {"code":500,"message":"é","type":"server_error"}"#;
    for url in ["llama.models/v1/chat/completions", "llama.models/completion"] {
        assert_eq!(of(url, &[llama]), ("server_error".into(), "500".into()));
        assert_eq!(of(url, &[chunk, llama]), ("server_error".into(), "500".into()));
    }
    let mistral = r#"event: conversation.response.error
data: {"type":"conversation.response.error","message":"boom","code":3000}"#;
    assert_eq!(of("api.mistral.ai/v1/conversations", &[mistral]), (String::new(), "3000".into()));
}

#[test]
fn what_an_error_says_of_itself_counts_whatever_stands_beside_it() {
    for body in [
        r#"{"error":{"message":"é","type":"invalid_request_error"},"type":"error"}"#,
        r#"{"type":"error","error":{"message":"é","type":"invalid_request_error"}}"#,
        r#"{"error":{"message":"é","type":null},"type":"invalid_request_error"}"#,
    ] {
        check("400", "gateway.models/v1/chat/completions", body, Some("invalid_request_error"), None);
    }
}
