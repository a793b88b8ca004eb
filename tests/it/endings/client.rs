//! The client is gone.

use meshtap_tests::wire::{Answer, ReplyEnd};

use super::bodies::{AFTER_USAGE, OPENAI, anthropic_beginning, anthropic_events, openai, openai_events};
use super::case::{Case, chat, messages};

#[track_caller]
fn before_headers(case: Case, details: &str, flags: &[&str]) {
    case.leaves_when_asked()
        .observe()
        .failed("client_cancelled", "cancelled")
        .because(details, flags)
        .status(0)
        .no_tokens("no_response")
        .reply_is(ReplyEnd::Left);
}

#[test]
fn gone_before_headers() {
    let case = chat("gone-before", Answer::nothing().hang());
    before_headers(case, "downstream_remote_disconnect", &["DC"]);
}

#[test]
fn gone_before_headers_over_http2() {
    let case = chat("gone-before-http2", Answer::nothing().hang()).http2();
    before_headers(case, "http2.remote_reset", &["DR"]);
}

#[test]
fn gone_before_headers_from_an_http2_upstream() {
    let case = chat("gone-before-http2-upstream", Answer::nothing().hang()).route("http2");
    before_headers(case, "downstream_remote_disconnect", &["DC"]);
}

#[test]
fn gone_before_the_request_is_whole() {
    let mut case = chat("gone-in-request", openai());
    case.request.is_unfinished = true;
    case.leaves_at_once()
        .observe()
        .failed("client_cancelled", "cancelled")
        .because("downstream_remote_disconnect", &["DC"])
        .status(0)
        .no_tokens("no_response")
        .no_attribute("meshtap.request.unread");
}

#[track_caller]
fn mid_stream(case: Case, details: &str, flags: &[&str]) {
    case.leaves_after("text_delta")
        .observe()
        .failed("client_cancelled", "cancelled")
        .because(details, flags)
        .status(200)
        .tokens(25, 1, "provider_partial")
        .reply_is(ReplyEnd::Left);
}

#[test]
fn gone_mid_stream() {
    let case = messages("gone-mid", anthropic_beginning(3).hang());
    mid_stream(case, "downstream_remote_disconnect", &["DC"]);
}

#[test]
fn gone_mid_stream_over_http2() {
    let case = messages("gone-mid-http2", anthropic_beginning(3).hang()).http2();
    mid_stream(case, "http2.remote_reset", &["DR"]);
}

#[test]
fn gone_mid_stream_over_http2_on_both_sides() {
    let case = messages("gone-mid-both", anthropic_beginning(3).hang()).route("http2").http2();
    mid_stream(case, "http2.remote_reset", &["DR"]);
}

#[test]
fn gone_mid_stream_before_any_count() {
    let first = "data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n";
    chat("gone-mid-uncounted", Answer::events().body(first).hang())
        .leaves_after("Hi")
        .observe()
        .failed("client_cancelled", "cancelled")
        .because("downstream_remote_disconnect", &["DC"])
        .status(200)
        .no_tokens("cut_off");
}

#[test]
fn gone_mid_json_after_its_counts() {
    let (before, after) = OPENAI.split_at(OPENAI.find(AFTER_USAGE).unwrap() + AFTER_USAGE.len());
    let length = (before.len() + after.len()).to_string();
    let head = [("content-type", "application/json"), ("content-length", &*length)];
    chat("gone-mid-json", Answer::nothing().head(200, &head).body(before).hang())
        .leaves_after("total_tokens")
        .observe()
        .failed("client_cancelled", "cancelled")
        .because("downstream_remote_disconnect", &["DC"])
        .tokens(19, 10, "provider_partial");
}

#[test]
fn gone_right_after_done() {
    chat("gone-done", openai_events().hang())
        .leaves_after("[DONE]")
        .observe()
        .complete()
        .because("downstream_remote_disconnect", &["DC"])
        .status(200)
        .tokens(19, 10, "provider");
}

#[test]
fn gone_right_after_message_stop() {
    for (name, is_http2, details, flag) in [
        ("gone-stop", false, "downstream_remote_disconnect", "DC"),
        ("gone-stop-http2", true, "http2.remote_reset", "DR"),
    ] {
        let case = messages(name, anthropic_events().hang()).leaves_after("message_stop");
        let case = if is_http2 { case.http2() } else { case };
        case.observe().complete().because(details, &[flag]).status(200).tokens(25, 15, "provider");
    }
}
