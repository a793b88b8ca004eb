//! Nothing goes wrong, in either version of HTTP on either side.

use meshtap_tests::wire::ReplyEnd;

use super::bodies::{OPENAI, anthropic_events, openai, openai_events};
use super::case::{Case, chat, messages};

#[track_caller]
fn all_is_well(case: Case, input: u64, output: u64) {
    case.observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(input, output, "provider")
        .attempts(1)
        .reply_is(ReplyEnd::Whole)
        .no_attribute("meshtap.response.unread");
}

#[test]
fn json() {
    all_is_well(chat("json", openai()), 19, 10);
}

#[test]
fn json_for_an_http2_client() {
    all_is_well(chat("json-http2-client", openai()).http2(), 19, 10);
}

#[test]
fn json_from_an_http2_upstream() {
    all_is_well(chat("json-http2-upstream", openai()).route("http2"), 19, 10);
}

#[test]
fn json_over_http2_on_both_sides() {
    all_is_well(chat("json-http2", openai()).route("http2").http2(), 19, 10);
}

#[test]
fn events() {
    all_is_well(chat("events", openai_events()), 19, 10);
    all_is_well(messages("events-anthropic", anthropic_events()), 25, 15);
}

#[test]
fn events_for_an_http2_client() {
    all_is_well(chat("events-http2-client", openai_events()).http2(), 19, 10);
}

#[test]
fn events_from_an_http2_upstream() {
    all_is_well(chat("events-http2-upstream", openai_events()).route("http2"), 19, 10);
}

#[test]
fn events_over_http2_on_both_sides() {
    all_is_well(messages("events-http2", anthropic_events()).route("http2").http2(), 25, 15);
}

#[test]
fn json_until_the_upstream_closes() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    let answer = meshtap_tests::wire::Answer::nothing().raw(head).raw(OPENAI).close();
    all_is_well(chat("json-until-close", answer), 19, 10);
}
