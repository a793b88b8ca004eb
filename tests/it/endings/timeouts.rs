//! Something took too long for the proxy.

use meshtap_tests::wire::{Answer, ReplyEnd};

use super::bodies::{anthropic_beginning, openai};
use super::case::{Case, chat, messages};
use super::sidecar::Door;

#[track_caller]
fn before_headers(case: Case, status: u16, details: &str, flags: &[&str]) {
    case.observe()
        .failed("timeout", "timeout")
        .because(details, flags)
        .status(status)
        .no_tokens("error_response")
        .attempts(1)
        .reply_is(ReplyEnd::Whole);
}

#[track_caller]
fn mid_stream(case: Case, details: &str, flags: &[&str]) {
    case.observe()
        .failed("timeout", "timeout")
        .because(details, flags)
        .status(200)
        .tokens(25, 1, "provider_partial")
        .attempts(1)
        .reply_is(ReplyEnd::Broken);
}

#[test]
fn route_timeout_before_headers() {
    let case = chat("timeout-before", Answer::nothing().hang()).route("timeout-1s");
    before_headers(case, 504, "response_timeout", &["UT"]);
}

#[test]
fn route_timeout_mid_stream() {
    let case = messages("timeout-mid", anthropic_beginning(3).hang()).route("timeout-1s");
    mid_stream(case, "response_timeout", &["UT"]);
}

#[test]
fn route_timeout_mid_stream_over_http2() {
    let case = messages("timeout-mid-http2", anthropic_beginning(3).hang()).route("http2-timeout-1s").http2();
    mid_stream(case, "response_timeout", &["UT"]);
}

#[test]
fn per_try_timeout() {
    chat("timeout-try", Answer::nothing().hang())
        .route("try-timeout-1s")
        .observe()
        .failed("timeout", "timeout")
        .because("upstream_per_try_timeout", &["UT", "URX"])
        .status(504)
        .no_tokens("error_response")
        .attempts(3);
}

#[test]
fn per_try_timeout_and_then_an_answer() {
    chat("timeout-try-again", Answer::nothing().hang())
        .then(openai())
        .route("try-timeout-1s")
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(19, 10, "provider")
        .attempts(2);
}

#[test]
fn stream_idle_timeout_before_headers() {
    let case = chat("idle-before", Answer::nothing().hang()).route("idle-timeout-1s");
    before_headers(case, 504, "stream_idle_timeout", &["SI"]);
}

#[test]
fn stream_idle_timeout_mid_stream() {
    let case = messages("idle-mid", anthropic_beginning(3).hang()).route("idle-timeout-1s");
    mid_stream(case, "stream_idle_timeout", &["SI"]);
}

#[test]
fn stream_idle_timeout_in_the_request() {
    let mut case = chat("idle-request", openai()).route("idle-timeout-0.3s");
    case.request.is_unfinished = true;
    case.observe()
        .failed("timeout", "timeout")
        .because("stream_idle_timeout", &["SI"])
        .status(408)
        .no_tokens("error_response");
}

#[test]
fn max_stream_duration_before_headers() {
    let case = chat("duration-before", Answer::nothing().hang()).route("max-duration-1s");
    before_headers(case, 504, "max_duration_timeout", &[]);
}

#[test]
fn max_stream_duration_mid_stream() {
    let case = messages("duration-mid", anthropic_beginning(3).hang()).route("max-duration-1s");
    mid_stream(case, "max_duration_timeout", &[]);
}

#[test]
fn max_duration_at_the_upstream() {
    let case = messages("duration-upstream", anthropic_beginning(3).hang()).route("max-upstream-duration-1s");
    mid_stream(case, "upstream_max_stream_duration_reached", &["UMSDR"]);
}

#[test]
fn request_timeout() {
    let mut case = chat("request-timeout", openai()).door(Door::Hasty);
    case.request.is_unfinished = true;
    case.observe()
        .failed("timeout", "timeout")
        .because("request_overall_timeout", &[])
        .status(408)
        .no_tokens("error_response");
}

#[test]
fn connect_timeout() {
    chat("connect-timeout", openai())
        .route("unreachable")
        .observe()
        .failed("upstream_reset", "connection_failure")
        .because("upstream_reset_before_response_started{connection_timeout", &["UF"])
        .status(503)
        .no_tokens("error_response");
}
