//! Answers without a body, answers before the answer, and methods that carry no call.

use meshtap_tests::wire::{Answer, ReplyEnd};

use super::bodies::{CHAT, OPENAI, openai};
use super::case::{Case, chat};
use super::sidecar::Door;

#[track_caller]
fn empty(case: Case, status: u16) {
    let seen = case
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(status)
        .no_tokens("not_sent")
        .no_attribute("meshtap.response.unread")
        .attribute("meshtap.response.bytes", "0")
        .reply_is(ReplyEnd::Whole);
    assert_eq!(seen.reply.body, b"");
}

#[test]
fn no_content() {
    empty(chat("no-content", Answer::status(204)), 204);
    empty(chat("no-content-http2", Answer::status(204)).route("http2").http2(), 204);
}

#[test]
fn not_modified() {
    let answer = Answer::nothing().head(304, &[("content-type", "application/json"), ("etag", "\"1\"")]);
    empty(chat("not-modified", answer), 304);
}

#[test]
fn length_of_zero() {
    empty(chat("length-zero", Answer::json(200, "")), 200);
}

#[test]
fn chunked_and_empty() {
    empty(chat("chunked-empty", Answer::events()), 200);
}

#[test]
fn empty_request() {
    let seen = Case::new("empty-request", "POST", "api.openai.com", "/v1/chat/completions", "", openai())
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(19, 10, "provider")
        .no_attribute("meshtap.request.unread");
    assert_eq!(seen.span.request_model, None);
}

#[test]
fn head_of_a_path_that_is_called() {
    for (name, is_http2) in [("head", false), ("head-http2", true)] {
        let answer =
            Answer::nothing().head(200, &[("content-length", "321"), ("content-type", "application/json")]);
        let case = Case::new(name, "HEAD", "api.openai.com", "/v1/chat/completions", "", answer);
        empty(if is_http2 { case.route("http2").http2() } else { case }, 200);
    }
}

#[test]
fn head_of_a_path_that_is_no_call() {
    let answer = Answer::nothing().head(200, &[("content-length", "321")]);
    let unseen =
        Case::new("head-other", "HEAD", "api.openai.com", "/v1/models", "", answer).observe_nothing();
    assert_eq!((unseen.reply.status, unseen.asked.len()), (200, 1));
}

#[test]
fn get_of_a_path_that_is_called() {
    let unseen =
        Case::new("get", "GET", "api.openai.com", "/v1/chat/completions", "", Answer::json(405, "{}"))
            .observe_nothing();
    assert_eq!((unseen.reply.status, unseen.asked.len()), (405, 1));
}

#[test]
fn get_of_a_batch() {
    let batch = r#"{"id":"batch_1","object":"batch","status":"completed","request_counts":{"total":2}}"#;
    Case::new("get-batch", "GET", "api.openai.com", "/v1/batches/batch_1", "", Answer::json(200, batch))
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .no_tokens("not_sent");
}

#[test]
fn continue_that_the_proxy_says() {
    let seen = chat("continue", openai())
        .header("expect", "100-continue")
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(19, 10, "provider");
    assert_eq!(seen.reply.informational, [100]);
    assert_eq!(seen.asked[0].body, CHAT.as_bytes());
}

#[test]
fn continue_that_the_upstream_says() {
    let answer = Answer::status(100).head(200, &[("content-type", "application/json")]).body(OPENAI);
    let seen = chat("continue-upstream", answer)
        .header("expect", "100-continue")
        .door(Door::Hasty)
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(19, 10, "provider");
    assert_eq!(seen.reply.informational, [100]);
}

#[test]
fn early_hints() {
    for (name, is_http2) in [("hints", false), ("hints-http2", true)] {
        let hints = [("link", "</style.css>; rel=preload"), ("content-type", "text/html")];
        let answer = Answer::nothing().head(103, &hints).head(200, &[("content-type", "application/json")]);
        let case = chat(name, answer.body(OPENAI));
        let case = if is_http2 { case.route("http2").http2() } else { case };
        case.observe()
            .complete()
            .because("via_upstream", &[])
            .status(200)
            .tokens(19, 10, "provider")
            .reply_is(ReplyEnd::Whole);
    }
}
