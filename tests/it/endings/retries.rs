//! The proxy tries again: one span, and only the final answer counts.

use meshtap_tests::wire::Answer;

use super::bodies::{CHAT, OPENAI, openai, openai_events};
use super::case::{chat, messages};

const BUSY: &str = r#"{"error":{"message":"Busy","type":"server_error","code":"overloaded"},"usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

#[test]
fn success_after_two_failures() {
    let seen = chat("retry", Answer::json(503, BUSY))
        .then(Answer::json(503, BUSY))
        .then(openai())
        .route("retry")
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(19, 10, "provider")
        .attempts(3)
        .no_attribute("meshtap.error.code")
        .attribute("meshtap.response.bytes", &OPENAI.len().to_string());
    assert_eq!(seen.span.response_id.as_deref(), Some("chatcmpl-1"));
}

#[test]
fn success_after_a_reset() {
    messages("retry-reset", Answer::nothing().reset())
        .then(super::bodies::anthropic_events())
        .route("retry")
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(25, 15, "provider")
        .attempts(2);
}

#[test]
fn all_attempts_fail() {
    chat("retry-in-vain", Answer::json(503, BUSY))
        .route("retry")
        .observe()
        .failed("complete", "503")
        .because("via_upstream", &["URX"])
        .status(503)
        .tokens(1, 1, "provider")
        .attempts(3)
        .attribute("meshtap.error.code", "overloaded");
}

#[test]
fn all_attempts_are_reset() {
    chat("retry-reset-in-vain", Answer::nothing().reset())
        .route("retry")
        .observe()
        .failed("upstream_reset", "upstream_reset")
        .because("upstream_reset_before_response_started{connection_termination", &["UC", "URX"])
        .status(503)
        .no_tokens("error_response")
        .attempts(3);
}

#[test]
fn no_retry_once_the_answer_has_begun() {
    messages("retry-not", super::bodies::anthropic_beginning(3).seen().reset())
        .then(openai_events())
        .route("retry")
        .observe()
        .failed("upstream_reset", "upstream_reset")
        .because("upstream_reset_after_response_started{protocol_error", &["UPE"])
        .status(200)
        .tokens(25, 1, "provider_partial")
        .attempts(1);
}

#[test]
fn internal_redirect() {
    let moved = [("location", "http://api.openai.com/v1/chat/completions?again"), ("content-length", "0")];
    let seen = chat("redirect", Answer::nothing().head(307, &moved))
        .then(openai())
        .route("redirect")
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(19, 10, "provider")
        .attribute("meshtap.request.bytes", &CHAT.len().to_string())
        .attribute("meshtap.response.bytes", &OPENAI.len().to_string());
    assert_eq!(seen.asked.len(), 2);
}

#[test]
fn internal_redirect_to_nowhere() {
    let moved = [("location", "not a place"), ("content-length", "0")];
    chat("redirect-nowhere", Answer::nothing().head(307, &moved))
        .route("redirect")
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(307)
        .no_tokens("not_sent")
        .attempts(1);
}
