//! Several exchanges on one connection: each has its span, and nothing of another's.

use std::sync::Arc;

use meshtap_tests::mesh::{self, PARENT_SPAN};
use meshtap_tests::standin;
use meshtap_tests::wire::{Answer, Http1, Next, Reply, ReplyEnd, Request, http2};
use tokio::sync::Barrier;

use super::case::{assert_same_reply, chat, finished};
use super::sidecar::{Door, ROUTE, Sidecar, sidecar};

/// An answer whose counts are its call's own.
fn answer(n: u64) -> Answer {
    Answer::json(
        200,
        &format!(r#"{{"id":"chatcmpl-{n}","usage":{{"prompt_tokens":{n},"completion_tokens":{n}}}}}"#),
    )
}

/// The call of number `n`.
fn request(name: &str, n: usize, via: &str, trace: &str) -> Request {
    chat(name, Answer::nothing())
        .request
        .header("traceparent", &format!("00-{trace}-{PARENT_SPAN}-01"))
        .header(standin::CALL, &format!("{name}-{n}@{via}"))
}

/// Makes calls on one connection, without the filter and with it, as `talk` does.
#[track_caller]
fn several(name: &str, answers: &[Answer], talk: impl Fn(&Sidecar, &str, &[Request]) -> Vec<Reply>) {
    let sidecar = sidecar();
    let traces: Vec<String> = answers.iter().map(|_| mesh::new_trace_id()).collect();
    let before = sidecar.envoy.counters();
    let [bare, observed] = Door::Usual.ways().map(|via| {
        let requests: Vec<Request> =
            traces.iter().enumerate().map(|(n, trace)| request(name, n, via, trace)).collect();
        for (n, answer) in answers.iter().enumerate() {
            sidecar.upstream.will_answer(&format!("{name}-{n}@{via}"), std::slice::from_ref(answer));
        }
        talk(&sidecar, via, &requests)
    });
    assert_eq!(observed.len(), answers.len());
    for (observed, bare) in observed.iter().zip(&bare) {
        assert_eq!(observed.end, ReplyEnd::Whole);
        assert_same_reply(observed, bare);
    }
    for (n, trace) in (1_u64..).zip(&traces) {
        let span = sidecar.collector.wait_for_span(&format!("trace_id={trace}"));
        assert_eq!(span.end.as_deref(), Some("complete"), "{span:#?}");
        assert_eq!(span.response_id, Some(format!("chatcmpl-{n}")));
        assert_eq!((span.usage.input_tokens, span.usage.output_tokens), (Some(n), Some(n)), "{span:#?}");
        assert_eq!(span.usage.source.as_deref(), Some("provider"));
    }
    finished(&sidecar, &before, answers.len() as u64);
}

fn stay(_: &Reply) -> Next {
    Next::Stay
}

#[test]
fn two_exchanges_one_after_the_other() {
    several("keep-alive", &[answer(1), answer(2)], |sidecar, via, requests| {
        let mut client = Http1::connect(sidecar.envoy.address(via));
        let exchange = |request: &Request| {
            client.send(request);
            client.reply(request, &mut stay)
        };
        requests.iter().map(exchange).collect()
    });
}

#[test]
fn pipelined_requests() {
    several("pipelined", &[answer(1), answer(2), answer(3)], |sidecar, via, requests| {
        let mut client = Http1::connect(sidecar.envoy.address(via));
        for request in requests {
            client.send(request);
        }
        requests.iter().map(|request| client.reply(request, &mut stay)).collect()
    });
}

#[test]
fn interleaved_event_streams_over_http2() {
    const STREAMS: u64 = 4;
    // No stream goes on before all have come as far.
    let turn = Arc::new(Barrier::new(4));
    let answers: Vec<Answer> = (1..=STREAMS).map(|n| interleaved(n, &turn)).collect();
    several("interleaved", &answers, |sidecar, via, requests| {
        let requests: Vec<Request> =
            requests.iter().map(|request| request.clone().header(ROUTE, "http2")).collect();
        http2(sidecar.envoy.address(via), &requests, |_, reply| stay(reply))
    });
}

/// The events of stream `n`, cut in the middle of each.
fn interleaved(n: u64, turn: &Arc<Barrier>) -> Answer {
    let id = format!(r#""id":"chatcmpl-{n}""#);
    let events = [
        format!(r#"data: {{{id},"choices":[{{"index":0,"delta":{{"content":"Hi"}}}}]}}"#),
        format!(r#"data: {{{id},"choices":[{{"index":0,"delta":{{}},"finish_reason":"stop"}}]}}"#),
        format!(r#"data: {{{id},"choices":[],"usage":{{"prompt_tokens":{n},"completion_tokens":{n}}}}}"#),
        "data: [DONE]".to_owned(),
    ];
    events.iter().fold(Answer::events(), |answer, event| {
        let (first, second) = event.split_at(event.len() / 2);
        answer.meet(turn).body(first).meet(turn).body(format!("{second}\n\n"))
    })
}
