//! The upstream breaks off.

use meshtap_tests::wire::{Answer, ReplyEnd};

use super::bodies::{AFTER_USAGE, OPENAI, anthropic_beginning, anthropic_events, openai};
use super::case::{Case, chat, messages};

#[test]
fn connection_refused() {
    chat("refused", openai())
        .route("nobody-listens")
        .observe()
        .failed("upstream_reset", "connection_failure")
        .because("upstream_reset_before_response_started{remote_connection_failure", &["UF"])
        .status(503)
        .no_tokens("error_response")
        .attribute("meshtap.envoy.attempts", "1");
}

#[track_caller]
fn before_headers(case: Case, details: &str, flags: &[&str]) {
    case.observe()
        .failed("upstream_reset", "upstream_reset")
        .because(details, flags)
        .status(503)
        .no_tokens("error_response")
        .attempts(1)
        .reply_is(ReplyEnd::Whole);
}

#[test]
fn connection_reset_before_headers() {
    let case = chat("reset-before", Answer::nothing().reset());
    before_headers(case, "upstream_reset_before_response_started{connection_termination", &["UC"]);
}

#[test]
fn connection_closed_before_headers() {
    let case = chat("closed-before", Answer::nothing().close());
    before_headers(case, "upstream_reset_before_response_started{connection_termination", &["UC"]);
}

#[test]
fn http2_stream_reset_before_headers() {
    let case = chat("reset-before-http2", Answer::nothing().reset()).route("http2");
    before_headers(case, "upstream_reset_before_response_started{remote_reset", &["UR"]);
}

#[test]
fn http2_connection_closed_before_headers() {
    let case = chat("closed-before-http2", Answer::nothing().close()).route("http2");
    before_headers(case, "upstream_reset_before_response_started{connection_termination", &["UC"]);
}

#[track_caller]
fn mid_stream(case: Case, details: &str, flags: &[&str]) {
    case.observe()
        .failed("upstream_reset", "upstream_reset")
        .because(details, flags)
        .status(200)
        .tokens(25, 1, "provider_partial")
        .attempts(1)
        .reply_is(ReplyEnd::Broken);
}

#[test]
fn connection_reset_mid_stream() {
    let case = messages("reset-mid", anthropic_beginning(3).seen().reset());
    mid_stream(case, "upstream_reset_after_response_started{protocol_error", &["UPE"]);
}

#[test]
fn chunked_body_broken_off() {
    let case = messages("closed-mid", anthropic_beginning(3).seen().close());
    mid_stream(case, "upstream_reset_after_response_started{protocol_error", &["UPE"]);
}

#[test]
fn chunk_that_is_none() {
    let case = messages("chunk-mid", anthropic_beginning(3).seen().raw("no chunk\r\n").hang());
    mid_stream(case, "upstream_reset_after_response_started{protocol_error", &["UPE"]);
}

#[test]
fn http2_stream_reset_mid_stream() {
    let case = messages("reset-mid-http2", anthropic_beginning(3).seen().reset()).route("http2");
    mid_stream(case, "upstream_reset_after_response_started{remote_reset", &["UR"]);
}

#[test]
fn http2_stream_reset_mid_stream_for_an_http2_client() {
    let case = messages("reset-mid-both", anthropic_beginning(3).seen().reset()).route("http2").http2();
    mid_stream(case, "upstream_reset_after_response_started{remote_reset", &["UR"]);
}

#[test]
fn http2_connection_closed_mid_stream() {
    let case = messages("closed-mid-http2", anthropic_beginning(3).seen().close()).route("http2");
    mid_stream(case, "upstream_reset_after_response_started{connection_termination", &["UC"]);
}

#[test]
fn reset_after_the_last_event() {
    messages("reset-last", anthropic_events().seen().reset())
        .observe()
        .failed("upstream_reset", "upstream_reset")
        .because("upstream_reset_after_response_started{protocol_error", &["UPE"])
        .status(200)
        .tokens(25, 15, "provider")
        .reply_is(ReplyEnd::Broken);
}

/// A document of which the upstream sends no more than `part`.
fn cut_short(part: &str) -> Answer {
    let length = OPENAI.len().to_string();
    let head = [("content-type", "application/json"), ("content-length", &*length)];
    Answer::nothing().head(200, &head).body(part).seen().close()
}

#[test]
fn length_not_reached_before_the_counts() {
    let part = &OPENAI[..OPENAI.find("usage").unwrap()];
    chat("short-before", cut_short(part))
        .observe()
        .failed("upstream_reset", "upstream_reset")
        .because("upstream_reset_after_response_started{protocol_error", &["UPE"])
        .status(200)
        .no_tokens("cut_off")
        .reply_is(ReplyEnd::Broken);
}

#[test]
fn length_not_reached_after_the_counts() {
    let part = &OPENAI[..OPENAI.find(AFTER_USAGE).unwrap() + AFTER_USAGE.len()];
    chat("short-after", cut_short(part))
        .observe()
        .failed("upstream_reset", "upstream_reset")
        .because("upstream_reset_after_response_started{protocol_error", &["UPE"])
        .status(200)
        .tokens(19, 10, "provider_partial")
        .reply_is(ReplyEnd::Broken);
}

#[test]
fn answer_before_the_request_is_whole() {
    let answer = Answer::json(401, r#"{"error":{"code":"invalid_api_key"}}"#).early();
    let mut case = chat("early", answer);
    case.request.is_unfinished = true;
    case.observe()
        .failed("complete", "401")
        .because("via_upstream", &[])
        .status(401)
        .no_tokens("error_response")
        .attribute("meshtap.error.code", "invalid_api_key")
        .no_attribute("meshtap.request.unread")
        .reply_is(ReplyEnd::Whole);
}
