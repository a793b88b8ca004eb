//! Where answers begin and end: what is whole is not called truncated, and what is not is. Each exchange runs whole and
//! byte by byte ([`Call::whole`]).

use super::*;
use crate::span::Unread;

const GEMINI: &str = "generativelanguage.googleapis.com/v1beta/models/g:streamGenerateContent?alt=sse";
const OLLAMA: &str = "ollama:11434/api/chat";

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
