//! What is no HTTP.

use meshtap_tests::wire::{Answer, Http1, Next, ReplyEnd};

use super::bodies::{anthropic_beginning, openai};
use super::case::{Case, assert_same_reply, chat, finished, messages};
use super::sidecar::{Door, sidecar};

#[track_caller]
fn refused(case: Case) {
    case.observe()
        .failed("upstream_reset", "upstream_reset")
        .because("upstream_reset_before_response_started{protocol_error", &["UPE"])
        .status(502)
        .no_tokens("error_response")
        .attempts(1)
        .reply_is(ReplyEnd::Whole);
}

#[test]
fn status_line_that_is_none() {
    refused(chat("no-status", Answer::nothing().raw("I am not HTTP\r\n\r\n").hang()));
}

#[test]
fn response_header_that_is_none() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nno colon\r\n\r\n{}";
    refused(chat("no-header", Answer::nothing().raw(head).hang()));
}

#[test]
fn two_lengths() {
    let head = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}";
    refused(chat("two-lengths", Answer::nothing().raw(head).hang()));
}

/// What a client sends that the proxy refuses before our filter hears of it.
#[track_caller]
fn unheard(name: &str, bytes: &str) {
    let sidecar = sidecar();
    let before = sidecar.envoy.counters();
    let [bare, observed] = Door::Usual.ways().map(|via| {
        let mut client = Http1::connect(sidecar.envoy.address(via));
        client.send_bytes(bytes.as_bytes());
        client.reply(&chat(name, openai()).request, &mut |_| Next::Stay)
    });
    assert_eq!(observed.status, 400);
    assert_same_reply(&observed, &bare);
    // The filter goes on, and has counted nothing but this.
    chat(&format!("{name}-after"), openai()).observe_by(&sidecar).complete().tokens(19, 10, "provider");
    finished(&sidecar, &before, 1);
}

#[test]
fn request_line_that_is_none() {
    unheard("no-request", "I am not HTTP\r\n\r\n");
}

#[test]
fn request_without_a_host() {
    unheard("no-host", "POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}");
}

#[test]
fn request_header_that_is_none() {
    unheard(
        "no-request-header",
        "POST /v1/chat/completions HTTP/1.1\r\nhost: api.openai.com\r\nno colon\r\n\r\n",
    );
}

#[test]
fn request_chunk_that_is_none() {
    let mut case = chat("no-request-chunk", Answer::nothing().hang());
    case.request.is_unfinished = true;
    case.says_more("no chunk\r\n")
        .observe()
        .failed("local_reply", "400")
        .because("http1.codec_error", &["DPE"])
        .status(400)
        .no_tokens("error_response");
}

#[test]
fn request_chunk_that_is_none_once_the_answer_has_begun() {
    let mut case = messages("no-request-chunk-mid", anthropic_beginning(3).hang().early());
    case.request.is_unfinished = true;
    case.says_after("text_delta", "no chunk\r\n")
        .observe()
        .failed("client_cancelled", "cancelled")
        .because("http1.codec_error", &["DPE"])
        .status(200)
        .tokens(25, 1, "provider_partial")
        .reply_is(ReplyEnd::Broken);
}
