//! Where answers begin and end: what is whole is not called truncated, and what is not is. Each exchange runs whole and
//! byte by byte ([`Call::whole`]).

use super::*;
use crate::span::Unread;

const CHAT: &str = "api.openai.com/v1/chat/completions";
const GEMINI: &str = "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent?alt=sse";
const OLLAMA: &str = "ollama:11434/api/chat";
const TRANSCRIPTIONS: &str = "api.openai.com/v1/audio/transcriptions";

/// How it was read: whole, or why not; and how certain the counts are.
fn end(call: &Call) -> (Option<Unread>, UsageSource) {
    let span = call.whole();
    (span.http.response_unread, span.usage_source)
}

#[test]
fn the_last_event_may_be_named_in_its_data_alone() {
    let usage = r#""usage":{"input_tokens":1,"output_tokens":2}"#;
    for kind in ["completed", "incomplete", "failed"] {
        for event in [
            format!(r#"data: {{"type":"response.{kind}","response":{{"status":"{kind}",{usage}}}}}"#),
            format!(r#"data: {{"response":{{"status":"{kind}",{usage}}},"type":"response.{kind}"}}"#),
        ] {
            let mut call = Call::sse("api.openai.com/v1/responses", r#"{"stream":true}"#, &[&event]);
            assert_eq!(end(&call), (None, UsageSource::Provider), "{event}");
            // Also where the client hangs up right after it.
            call.ended = "downstream_remote_disconnect";
            assert_eq!(end(&call), (None, UsageSource::Provider), "{event}");
            call.response.truncate(call.response.len() - 4);
            assert_eq!(end(&call), (None, UsageSource::ProviderPartial), "{event}");
        }
    }
    let created = r#"data: {"type":"response.created","response":{"status":"in_progress"}}"#;
    let call = Call::sse("api.openai.com/v1/responses", "{}", &[created]);
    assert_eq!(end(&call), (Some(Unread::Truncated), UsageSource::Absent));

    let stop = r#"data: {"type":"message_stop"}"#;
    let start = r#"data: {"type":"message_start","message":{"usage":{"input_tokens":1}}}"#;
    let call = Call::sse("api.anthropic.com/v1/messages", "{}", &[start, stop]);
    assert_eq!(end(&call), (None, UsageSource::Provider));
}

/// vLLM says `[DONE]` behind an error, too; Gemini ends its list.
#[test]
fn an_error_is_no_end_whatever_comes_behind_it() {
    let part = r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":5,"completion_tokens":2}}"#;
    let error = r#"{"error":{"message":"x","type":"InternalServerError","code":500}}"#;
    let events = [part, error, "[DONE]"].map(|data| format!("data: {data}"));
    let events = events.each_ref().map(String::as_str);
    let call = Call::sse("vllm.local/v1/chat/completions", r#"{"stream":true}"#, &events);
    assert_eq!(end(&call).1, UsageSource::ProviderPartial);
    let part =
        r#"{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":5}}"#;
    let url = "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent";
    let call = Call::json(url, "{}", &format!("[{part},{error}]"));
    assert_eq!(end(&call).1, UsageSource::ProviderPartial);
}

#[test]
fn what_says_that_more_comes_is_no_end() {
    let event = r#"data: {"results":[{"generated_text":"a","generated_token_count":2,"input_token_count":13,"stop_reason":"not_finished"}]}"#;
    let last = event.replace("not_finished", "eos_token");
    let url = "us-south.ml.cloud.ibm.com/ml/v1/text/generation_stream?version=1";
    let call = Call::sse(url, "{}", &[event]);
    assert_eq!(end(&call), (Some(Unread::Truncated), UsageSource::ProviderPartial));
    assert_eq!(end(&Call::sse(url, "{}", &[event, &last])), (None, UsageSource::Provider));
    let created =
        r#"data: {"interaction":{"id":"i","status":"in_progress"},"event_type":"interaction.created"}"#;
    let call = Call::sse("generativelanguage.googleapis.com/v1beta/interactions", "{}", &[created]);
    assert_eq!(end(&call), (Some(Unread::Truncated), UsageSource::Absent));
}

#[test]
fn a_refused_prompt_is_a_whole_answer() {
    let refused = |reason| {
        format!(
            r#"data: {{"promptFeedback":{{"blockReason":{reason}}},"usageMetadata":{{"promptTokenCount":7,"totalTokenCount":7}}}}"#
        )
    };
    for reason in [r#""PROHIBITED_CONTENT""#, "4"] {
        let event = refused(reason);
        let span = Call::sse(GEMINI, "{}", &[&event]).counts("in=7 out=- read=- write=- think=- total=7");
        assert_eq!(span.facts.finish_reasons, []);
    }
    for nothing in [refused("null"), r#"data: {"promptFeedback":{}}"#.into()] {
        assert_eq!(end(&Call::sse(GEMINI, "{}", &[&nothing])).0, Some(Unread::Truncated), "{nothing}");
    }
}

#[test]
fn a_transcript_in_plain_text_is_no_broken_json() {
    for (content_type, text) in [
        ("text/plain; charset=utf-8", "Hello there."),
        ("text/plain", "data: that is what he said"),
        ("text/vtt", "WEBVTT\n\n00:00.000 --> 00:01.000\nHello"),
        ("application/x-subrip", "1\n00:00:00,000 --> 00:00:01,000\nHello\n"),
        ("text/plain", ""),
    ] {
        let span = Call::new(TRANSCRIPTIONS, "{}", content_type, text).span();
        assert_eq!(span.usage_absent_reason, Some("not_sent"), "{text}");
    }
    let counted =
        r#"{"text":"a","usage":{"type":"tokens","input_tokens":1,"output_tokens":2,"total_tokens":3}}"#;
    let call = Call::new(TRANSCRIPTIONS, "{}", "text/plain", counted);
    call.counts("in=1 out=2 read=- write=- think=- total=3");
    let done = r#"data: {"type":"transcript.text.done","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let call = Call::new(TRANSCRIPTIONS, r#"{"stream":true}"#, "text/plain", format!("{done}\n\n"));
    call.counts("in=1 out=2 read=- write=- think=- total=-");
    let call = Call::new(TRANSCRIPTIONS, "{}", "application/json", "Hello");
    assert_eq!(end(&call).0, Some(Unread::Malformed));
}

#[test]
fn lines_without_their_last_one_are_truncated() {
    let part = r#"{"model":"m","message":{"content":"a"},"done":false}"#;
    let last =
        r#"{"model":"m","message":{},"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":2}"#;
    for content_type in ["application/x-ndjson", "application/json"] {
        let call =
            |lines: &[&str]| Call::new(OLLAMA, r#"{"model":"m"}"#, content_type, lines.join("\n") + "\n");
        let truncated = (Some(Unread::Truncated), UsageSource::Absent);
        assert_eq!(end(&call(&[part])), truncated, "{content_type}");
        assert_eq!(end(&call(&[part, part])), truncated, "{content_type}");
        assert_eq!(end(&call(&[part, last])), (None, UsageSource::Provider), "{content_type}");
        assert_eq!(end(&call(&[last])), (None, UsageSource::Provider), "{content_type}");
        assert_eq!(end(&call(&[part, r#"{"error":"out of memory"}"#])).0, None, "{content_type}");

        let mut cancelled = call(&[part, last]);
        cancelled.ended = "downstream_remote_disconnect";
        assert_eq!(end(&cancelled), (None, UsageSource::Provider), "{content_type}");
        // `done` is there, and not all counts.
        cancelled.response.truncate(cancelled.response.len() - 10);
        let span = cancelled.whole();
        assert_eq!(span.usage_source, UsageSource::ProviderPartial, "{content_type}");
    }
    let call = Call::json(OLLAMA, r#"{"model":"m"}"#, part);
    assert_eq!(call.whole().http.request_unread, None);
}

#[test]
fn a_byte_order_mark_is_passed_over() {
    let mark = "\u{feff}";
    let answer = r#"{"id":"a","usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    let counted = "in=1 out=2 read=- write=- think=- total=-";
    for content_type in ["application/json", "text/plain", "application/octet-stream", "application/x-ndjson"]
    {
        let mut call = Call::new(CHAT, "", content_type, format!("{mark}{answer}"));
        call.request = format!("{mark} {{\"model\":\"m\"}}").into_bytes();
        let span = call.counts(counted);
        assert_eq!(span.facts.request_model.as_deref(), Some("m"), "{content_type}");
    }
    let event = format!("{mark}data: {answer}\n\ndata: [DONE]\n\n");
    Call::new(CHAT, "{}", "text/event-stream", event).counts(counted);
    // What only looks like one.
    let call = Call::new(CHAT, "{}", "application/json", [b"\xef\xbb", answer.as_bytes()].concat());
    assert_eq!(end(&call).0, Some(Unread::Malformed));
    let call = Call::new(CHAT, "{}", "application/json", "\u{feff}\u{feff}{}");
    assert_eq!(end(&call).0, Some(Unread::Malformed));
}

#[test]
fn a_stream_of_events_may_begin_with_any_field() {
    let event =
        r#"data: {"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}"#;
    for first in ["custom: a", "x-request-id: 1", "id: 1", "retry: 100", ": comment", "\"a\"", "data", "1"] {
        for gap in ["\n", "\n\n", "\r\n\r\n"] {
            let body = format!("{first}{gap}{event}\n\ndata: [DONE]\n\n");
            Call::new(CHAT, "{}", "text/event-stream", body)
                .counts("in=1 out=2 read=- write=- think=- total=-");
        }
    }
    let error = Call::new(CHAT, "{}", "text/event-stream", r#"{"error":{"type":"t","message":"no"}}"#).span();
    assert_eq!(error.facts.error_type.as_deref(), Some("t"));
}
