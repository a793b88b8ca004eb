//! Counts that are not certain are not given as if they were; errors that are none are not counted, and those that hide
//! in a good answer are. Each exchange runs whole and byte by byte ([`Call::whole`]).

use super::*;
use crate::span::Unread;

const CHAT: &str = "api.openai.com/v1/chat/completions";
const MESSAGES: &str = "api.anthropic.com/v1/messages";
const USAGE: &str = r#""usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}"#;
const COUNTED: &str = "in=10 out=5 read=- write=- think=- total=15";

fn chat(response: &str) -> Call<'static> {
    Call::json(CHAT, r#"{"model":"m"}"#, response)
}

fn error_of(call: &Call) -> Option<(Option<String>, Option<String>)> {
    let span = call.whole();
    span.error_type?;
    let facts = span.facts;
    Some((facts.error_type.or(facts.error_status), facts.error_code))
}

/// curl, fetch, and recorders that blot headers out.
#[test]
fn a_request_is_read_whatever_its_type_says() {
    for content_type in ["application/x-www-form-urlencoded", "text/plain;charset=UTF-8", "**REDACTED**"] {
        let mut call = chat(&format!("{{{USAGE}}}"));
        call.request = br#" {"model":"gpt","stream":false}"#.to_vec();
        call.request_headers = vec![("content-type", content_type)];
        let span = call.span();
        assert_eq!(span.facts.request_model.as_deref(), Some("gpt"), "{content_type}");
        assert_eq!(span.facts.stream, Some(false), "{content_type}");
        call.request = b"model=gpt".to_vec();
        assert_eq!(call.whole().http.request_unread, Some(Unread::ContentType), "{content_type}");
    }
}

#[test]
fn json_is_read_whatever_its_type_says() {
    for content_type in ["application/octet-stream", "text/html"] {
        let call = Call::new(CHAT, "{}", content_type, format!("{{{USAGE}}}"));
        call.counts(COUNTED);
        let call = Call::new(CHAT, "{}", content_type, "\x01");
        assert_eq!(call.whole().http.response_unread, Some(Unread::ContentType));
    }
}

#[test]
fn counts_of_a_body_that_breaks_off_are_partial() {
    let span = chat(&format!("{{{USAGE},")).whole();
    assert_eq!((counts(&span).as_str(), span.usage_source), (COUNTED, UsageSource::ProviderPartial));

    let start = r#"data: {"type":"message_start","message":{"usage":{"input_tokens":10,"output_tokens":1}}}"#;
    let span = Call::sse(MESSAGES, "{}", &[&format!("event: message_start\n{start}")]).whole();
    assert_eq!(span.usage_source, UsageSource::ProviderPartial);
    assert_eq!(span.usage.input_tokens, Some(10));
}

#[test]
fn half_a_usage_object_says_nothing() {
    chat(r#"{"id":"a","usage":{"prompt_tokens":10,"completion_tok"#).no_counts("truncated");
    let half = r#"{"usage":{"input_tokens":10,"cache_read_inp"#;
    Call::json(MESSAGES, "{}", half).no_counts("truncated");
    let cohere = r#"{"usage":{"tokens":{"input_tokens":500},"billed_un"#;
    Call::json("api.cohere.com/v2/chat", "{}", cohere).no_counts("truncated");
}

#[test]
fn half_a_usage_object_takes_nothing_away() {
    let start = r#"data: {"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":4,"output_tokens":1}}}"#;
    let half = r#"data: {"type":"message_delta","usage":{"output_tokens":50,"x"#;
    let span = Call::sse(MESSAGES, "{}", &[start, half]).whole();
    assert_eq!(span.usage_source, UsageSource::ProviderPartial);
    assert_eq!(counts(&span), "in=14 out=1 read=4 write=- think=- total=-");
    assert!(span.facts.raw_usage.unwrap().contains("cache_read_input_tokens"));

    let whole = format!("data: {{\"choices\":[],{USAGE}}}");
    let half = r#"data: {"choices":[],"usage":{"prompt_tokens":10,"compl"#;
    for events in [&[whole.as_str(), half][..], &[&whole, half, "data: [DONE]"]] {
        let span = Call::sse(CHAT, r#"{"stream":true}"#, events).whole();
        assert_eq!((counts(&span).as_str(), span.usage_source), (COUNTED, UsageSource::ProviderPartial));
    }
    let span = Call::sse(CHAT, r#"{"stream":true}"#, &[half, &whole, "data: [DONE]"]).whole();
    assert_eq!((counts(&span).as_str(), span.usage_source), (COUNTED, UsageSource::Provider));
}

#[test]
fn counts_before_a_bound_are_not_given() {
    use std::io::Write as _;
    let filler = " ".repeat(8 << 20);
    let body = format!(r#"{{"usage":{{"prompt_tokens":1,"completion_tokens":2}},{filler}{USAGE}}}"#);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body.as_bytes()).unwrap();
    let mut call = chat("");
    call.response = encoder.finish().unwrap();
    call.headers.push(("content-encoding", "gzip"));
    call.no_counts("encoding_expansion");
}

#[test]
fn a_sum_with_an_impossible_part_is_absent() {
    for impossible in ["-5", "1.5", "99999999999999999999"] {
        let usage = format!(
            r#"{{"usage":{{"input_tokens":10,"cache_read_input_tokens":{impossible},"output_tokens":2}}}}"#
        );
        Call::json(MESSAGES, "{}", &usage).counts("in=- out=2 read=- write=- think=- total=-");
    }
}

#[test]
fn a_later_usage_object_without_counts_takes_nothing_away() {
    for empty in ["{}", r#"{"prompt_tokens":null,"completion_tokens":null}"#] {
        let usage = format!(r#"data: {{"choices":[],{USAGE}}}"#);
        let later = format!(r#"data: {{"choices":[],"usage":{empty}}}"#);
        let span = Call::sse(CHAT, r#"{"stream":true}"#, &[&usage, &later, "data: [DONE]"]).counts(COUNTED);
        assert!(span.facts.raw_usage.unwrap().contains("15"));
    }
}

#[test]
fn cached_tokens_in_headers_are_counted() {
    let mut call = Call::json(
        "bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fx/invoke",
        "{}",
        "{}",
    );
    call.headers.extend([
        ("x-amzn-bedrock-input-token-count", "10"),
        ("x-amzn-bedrock-output-token-count", "5"),
        ("x-amzn-bedrock-cache-read-input-token-count", "80"),
        ("x-amzn-bedrock-cache-write-input-token-count", "20"),
    ]);
    call.counts("in=110 out=5 read=80 write=20 think=- total=-");
}

#[test]
fn an_opaque_arn_may_be_any_family() {
    let url = "bedrock-runtime.us-east-1.amazonaws.com/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aimported-model%2Fx/invoke";
    let seen = |response: &str| {
        let span = Call::json(url, "{}", response).span();
        let reasons: Vec<_> = span.facts.finish_reasons.iter().map(|(_, reason)| reason.clone()).collect();
        format!("{} [{}] calls[{}]", counts(&span), reasons.join(","), span.facts.tool_calls.join(","))
    };
    let nova = r#"{"output":{"message":{"content":[{"toolUse":{"name":"f","toolUseId":"1","input":{}}}]}},"stopReason":"tool_use",
        "usage":{"inputTokens":10,"outputTokens":5,"totalTokens":115,"cacheReadInputTokenCount":80,"cacheWriteInputTokenCount":20}}"#;
    assert_eq!(seen(nova), "in=110 out=5 read=80 write=20 think=- total=115 [tool_use] calls[f]");
    let titan = r#"{"inputTextTokenCount":3,"results":[{"tokenCount":4,"outputText":"a","completionReason":"FINISH"}]}"#;
    assert_eq!(seen(titan), "in=3 out=4 read=- write=- think=- total=- [FINISH] calls[]");
    let mistral = r#"{"outputs":[{"text":"a","stop_reason":"stop"}]}"#;
    assert_eq!(seen(mistral), "in=- out=- read=- write=- think=- total=- [stop] calls[]");
    let claude = r#"{"content":[{"type":"mcp_tool_use","name":"theirs"},{"type":"tool_use","name":"ours"}],"stop_reason":"tool_use"}"#;
    assert_eq!(seen(claude), "in=- out=- read=- write=- think=- total=- [tool_use] calls[ours]");
}

#[test]
fn an_error_that_says_nothing_is_none() {
    for nothing in [r#""""#, "{}", "null", "false", r#"{"code":null,"message":null}"#] {
        let call = chat(&format!(r#"{{"error":{nothing},{USAGE}}}"#));
        assert_eq!(error_of(&call), None, "{nothing}");
    }
}

#[test]
fn errors_of_google_come_in_an_array() {
    let body = r#"[{"error":{"code":400,"message":"no","status":"INVALID_ARGUMENT"}}]"#;
    for url in [
        "generativelanguage.googleapis.com/v1beta/openai/chat/completions",
        "generativelanguage.googleapis.com/v1beta/openai/embeddings",
        "us-east5-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/anthropic/models/claude:streamRawPredict",
    ] {
        let mut call = Call::json(url, "{}", body);
        call.status = Some("400");
        assert_eq!(error_of(&call).unwrap().0.as_deref(), Some("INVALID_ARGUMENT"), "{url}");
    }
}

#[test]
fn errors_in_a_good_answer_are_errors() {
    let flat = r#"data: {"type":"error","code":"rate_limit_exceeded","message":"slow down"}"#;
    let call = Call::sse("api.openai.com/v1/responses", "{}", &[&format!("event: error\n{flat}")]);
    assert_eq!(error_of(&call).unwrap().1.as_deref(), Some("rate_limit_exceeded"));

    let vllm = r#"data: {"object":"error","message":"no","type":"InternalServerError","code":500}"#;
    let call = Call::sse(CHAT, "{}", &[vllm, "data: [DONE]"]);
    assert_eq!(error_of(&call).unwrap().0.as_deref(), Some("InternalServerError"));

    let openrouter = r#"{"choices":[{"error":{"code":502,"message":"provider down"}}]}"#;
    assert_eq!(error_of(&chat(openrouter)).unwrap().1.as_deref(), Some("502"));

    let end = r#"data: {"type":"message-end","delta":{"finish_reason":"ERROR","error":"it broke"}}"#;
    let call = Call::sse("api.cohere.com/v2/chat", "{}", &[&format!("event: message-end\n{end}")]);
    assert!(error_of(&call).is_some());
}

/// Gateways pass on what the provider behind them says, beside their own name for it.
#[test]
fn a_cached_count_of_zero_hides_no_other() {
    let usage = |inner: &str| format!(r#"{{"usage":{{"prompt_tokens":110,"completion_tokens":5,{inner}}}}}"#);
    let mut fields = [
        r#""cache_read_input_tokens":80"#,
        r#""cached_tokens":0"#,
        r#""prompt_tokens_details":{"cached_tokens":0}"#,
    ];
    for _ in 0..fields.len() {
        fields.rotate_left(1);
        chat(&usage(&fields.join(","))).counts("in=110 out=5 read=80 write=- think=- total=-");
    }
    let mut fields =
        [r#""cache_creation_input_tokens":20"#, r#""prompt_tokens_details":{"cache_write_tokens":0}"#];
    for _ in 0..fields.len() {
        fields.rotate_left(1);
        chat(&usage(&fields.join(","))).counts("in=110 out=5 read=- write=20 think=- total=-");
    }
    chat(&usage(r#""cached_tokens":0,"cache_read_input_tokens":0"#))
        .counts("in=110 out=5 read=0 write=- think=- total=-");
}

#[test]
fn a_later_usage_object_may_say_that_nothing_was_cached() {
    let event = |cached: u32| {
        let usage =
            format!(r#""usage":{{"prompt_tokens":10,"completion_tokens":5,"cached_tokens":{cached}}}"#);
        format!(r#"data: {{"choices":[],{usage}}}"#)
    };
    Call::sse(CHAT, "{}", &[&event(8), &event(0), "data: [DONE]"])
        .counts("in=10 out=5 read=0 write=- think=- total=-");

    let start = r#"data: {"type":"message_start","message":{"usage":{"input_tokens":10,"cache_read_input_tokens":8}}}"#;
    let delta = r#"data: {"type":"message_delta","usage":{"cache_read_input_tokens":0,"output_tokens":5}}"#;
    Call::sse(MESSAGES, "{}", &[start, delta, r#"data: {"type":"message_stop"}"#])
        .counts("in=10 out=5 read=0 write=- think=- total=-");
}
