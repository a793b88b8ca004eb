//! Trailers, after which no end of stream comes with a body.

use meshtap_tests::wire::{Answer, ReplyEnd, headers};

use super::bodies::{OPENAI, anthropic_events, openai, openai_events};
use super::case::{Case, Seen, chat, messages};
use super::sidecar::Door;

const TRAILERS: [(&str, &str); 2] = [("x-checksum", "abc"), ("x-cost", "1")];

#[track_caller]
fn complete(case: Case, input: u64, output: u64) -> Seen {
    case.observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .tokens(input, output, "provider")
        .reply_is(ReplyEnd::Whole)
}

fn chunked_json() -> Answer {
    Answer::nothing().head(200, &[("content-type", "application/json")]).body(OPENAI)
}

#[test]
fn http2_response_trailers() {
    let case = chat("trailers-http2", openai_events().trailers(&TRAILERS)).route("http2").http2();
    let seen = complete(case, 19, 10);
    assert_eq!(seen.reply.trailers, headers(&TRAILERS));
}

#[test]
fn http2_response_trailers_for_an_http1_client() {
    let case = messages("trailers-http2-http1", anthropic_events().trailers(&TRAILERS)).route("http2");
    let seen = complete(case, 25, 15);
    assert_eq!(seen.reply.trailers, headers(&TRAILERS));
}

#[test]
fn http1_chunked_trailers() {
    let seen = complete(chat("trailers-http1", chunked_json().trailers(&TRAILERS)).route("http1"), 19, 10);
    assert_eq!(seen.reply.trailers, headers(&TRAILERS));
}

#[test]
fn http1_chunked_trailers_that_the_proxy_drops() {
    let case = chat("trailers-dropped", chunked_json().trailers(&TRAILERS)).door(Door::Hasty);
    assert_eq!(complete(case, 19, 10).reply.trailers, []);
}

#[test]
fn request_trailers() {
    for (name, is_http2) in [("trailers-request", false), ("trailers-request-http2", true)] {
        let mut case = chat(name, openai());
        case.request.trailers = headers(&TRAILERS);
        case = if is_http2 { case.route("http2").http2() } else { case.route("http1") };
        let seen = complete(case, 19, 10);
        assert_eq!(seen.asked[0].trailers, headers(&TRAILERS));
        assert_eq!(seen.span.request_model.as_deref(), Some("gpt-4o"));
    }
}

#[test]
fn grpc() {
    let frame = b"\0\0\0\0\x05hello";
    let answer = Answer::nothing()
        .head(200, &[("content-type", "application/grpc")])
        .body(frame)
        .trailers(&[("grpc-status", "14"), ("grpc-message", "busy")]);
    let mut case = Case::new("grpc", "POST", "api.openai.com", "/v1/chat/completions", "", answer);
    case.request.body = frame.to_vec();
    case.header("content-type", "application/grpc")
        .header("te", "trailers")
        .route("http2")
        .http2()
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .no_tokens("content_type")
        .attribute("meshtap.request.unread", "content_type")
        .attribute("meshtap.response.unread", "content_type");
}

#[test]
fn grpc_without_a_message() {
    let status = [("content-type", "application/grpc"), ("grpc-status", "7")];
    let mut case = Case::new(
        "grpc-only",
        "POST",
        "api.openai.com",
        "/v1/chat/completions",
        "",
        Answer::nothing().head(200, &status),
    );
    case.request.body = b"\0\0\0\0\x05hello".to_vec();
    case.header("content-type", "application/grpc")
        .header("te", "trailers")
        .route("http2")
        .http2()
        .observe()
        .complete()
        .because("via_upstream", &[])
        .status(200)
        .no_tokens("not_sent")
        .no_attribute("meshtap.response.unread");
}
