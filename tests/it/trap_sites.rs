//! What has made modules trap, tried against ours under the real Envoy: after each the same VMs live, Envoy has nothing to
//! complain of, and a call becomes a span.
//!
//! | what makes a module trap | where it is tried |
//! |---|---|
//! | a configuration that cannot be read | [`configurations_that_nobody_should_write`] |
//! | a cluster that takes no calls; a status of the host's that is not expected | [`clusters_that_take_no_calls`] |
//! | an answer to a context that is gone | [`an_answer_that_comes_after_a_push`] |
//! | text that is no UTF-8 | [`headers_that_are_no_text`] |
//! | headers asked for where there are none any more, or none at all | `endings::local_replies`, `endings::malformed` |
//! | the client gone while headers are read, or when the stream is logged | `endings::client` |
//! | a body callback without bytes | `endings::bodiless`, `endings::complete` |
//! | a megabyte and more in one callback | `bad_input` |
//! | properties that are not set | `endings::local_replies`: no route, no cluster, no attempt |
//! | a collector that hangs, refuses or answers with errors | `benches`: each fault of the outage |
//! | memory | `benches`: the storm, `make soak` |
//! | a call from a stream's own context | `export::a_full_batch_leaves_at_once` |
//!
//! Not under Envoy, for it never does so: other statuses of the host's (`replay`: a host that has hardly anything), a clock
//! that is set back ([`a_clock_that_is_set_back_holds_nothing_up`], in the same module on wasmtime), answers of a collector
//! that are no protobuf (unit tests of `otlp`), an allocation that fails.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use meshtap_collector::wasm::host::FilterModule;
use meshtap_tests::envoy::Filter;
use meshtap_tests::http;
use meshtap_tests::receiver::Receiver;
use meshtap_tests::tools;
use meshtap_tests::wait;

use crate::pushes::Rig;

/// Pushes that Envoy has taken.
fn pushes(rig: &Rig) -> u64 {
    let page = http::get(rig.envoy.admin(), "/stats?filter=config_reload$").map(|reply| reply.text());
    let page = page.unwrap_or_default();
    page.lines().filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum()
}

#[track_caller]
fn push(rig: &Rig, filter: &Filter) {
    let before = pushes(rig);
    rig.pushed.push(filter);
    wait::until("Envoy to take a push", || (pushes(rig) > before).then_some(()));
}

fn spans(receiver: &Receiver) -> usize {
    receiver.exports().iter().map(|export| export.spans().count()).sum()
}

/// Calls become spans, and nothing has died since the start: a push would revive a VM, but not clear the log.
#[track_caller]
fn lives(rig: &Rig, receiver: &Receiver) {
    let before = spans(receiver);
    wait::until("a span of a call", || {
        rig.call();
        (spans(receiver) > before).then_some(())
    });
    assert_eq!(rig.envoy.complaints(), Vec::<String>::new());
    assert!(rig.envoy.wasm_troubles().values().all(|count| *count == 0), "{:?}", rig.envoy.wasm_troubles());
}

#[test]
fn configurations_that_nobody_should_write() {
    let receiver = Receiver::start();
    let good = Filter::exporting_to(receiver.address());
    let rig = Rig::start("trap-configurations", &good);
    let documents = [
        String::new(),
        "null".to_owned(),
        "[]".to_owned(),
        "{".to_owned(),
        "\u{0}\u{feff}{}".to_owned(),
        "[".repeat(100_000),
        format!("{{\"batch\": {}1{}}}", "{\"a\":".repeat(20_000), "}".repeat(20_000)),
        r#"{"batch": {"max_spans": 1e999, "max_bytes": -1, "max_age_ms": 0.5}}"#.to_owned(),
        r#"{"batch": 1, "batch": [], "batch": {"max_spans": null}}"#.to_owned(),
        format!(r#"{{"redaction": {{"patterns": ["{}", "[z-a]", "(((("]}}}}"#, "(a*)*".repeat(2_000)),
        format!(r#"{{"rules": [{}{{}}]}}"#, r#"{"host": "*é*", "path": "\ud800"},"#.repeat(500)),
        format!(r#"{{"collector": {{"cluster": "{}"}}}}"#, "x".repeat(1 << 20)),
    ];
    for document in &documents {
        push(&rig, &good.clone().configuration(document));
        rig.call();
    }
    push(&rig, &good);
    lives(&rig, &receiver);
}

#[test]
fn clusters_that_take_no_calls() {
    let receiver = Receiver::start();
    let good = Filter::exporting_to(receiver.address());
    let rig = Rig::start("trap-clusters", &good);
    let long = "x".repeat(512);
    let names = ["absent", "outbound|4317||svc.ns.svc.cluster.local", &long, "provider-observed", "~", "{}"];
    for name in names {
        for authority in ["a", "outbound|4317||svc", "[::1]:99999999", "@:/?#"] {
            let collector = serde_json::json!({"cluster": name, "authority": authority, "timeout_ms": 100});
            push(&rig, &good.clone().set("/collector", collector));
            rig.call();
        }
    }
    push(&rig, &good);
    lives(&rig, &receiver);
}

/// The call's time runs out when the root context that made it is no longer that of any stream.
#[test]
fn an_answer_that_comes_after_a_push() {
    let receiver = Receiver::start();
    let good = Filter::exporting_to(receiver.address());
    let rig = Rig::start("trap-late-answers", &good);
    for timeout_ms in [100, 150, 200] {
        // The provider speaks no HTTP/2: what comes of the call comes when the timeout says so, at the latest.
        let collector =
            serde_json::json!({"cluster": "provider-observed", "authority": "a", "timeout_ms": timeout_ms});
        push(&rig, &good.clone().set("/collector", collector).set("/batch/max_age_ms", 20.into()));
        for _ in 0..5 {
            rig.call();
        }
        push(&rig, &good.clone().set("/batch/max_age_ms", (20 + timeout_ms).into()));
        rig.call();
    }
    push(&rig, &good);
    lives(&rig, &receiver);
}

#[test]
fn headers_that_are_no_text() {
    let receiver = Receiver::start();
    let good =
        Filter::exporting_to(receiver.address()).set("/identity", serde_json::json!({"principals": true}));
    let rig = Rig::start("trap-headers", &good);
    let names = [
        "traceparent",
        "tracestate",
        "user-agent",
        "authorization",
        "x-api-key",
        "content-type",
        "content-encoding",
        "x-user-id",
        "x-request-id",
        "x-forwarded-client-cert",
        "openai-organization",
    ];
    let values: [&[u8]; 4] = [b"\xff\xfe\x80", b"\xc3", b"", &[0xe9; 8_000]];
    for name in names {
        for value in values {
            let head =
                format!("POST /v1/chat/completions?m=%ff HTTP/1.1\r\nhost: api.openai.com\r\n{name}: ");
            let rest = b"\r\nx-standin-call: trap@it\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}";
            say(&rig, &[head.as_bytes(), value, rest].concat());
        }
    }
    lives(&rig, &receiver);
}

/// Whatever comes back.
fn say(rig: &Rig, request: &[u8]) {
    let mut reply = Vec::new();
    // Envoy may close the connection before it has read all of it.
    if let Ok(mut connection) = TcpStream::connect(rig.envoy.address("observed")) {
        let _ = connection.write_all(request);
        let _ = connection.read_to_end(&mut reply);
    }
    assert!(reply.starts_with(b"HTTP/1.1 "), "{}", String::from_utf8_lossy(&reply));
}

#[test]
fn a_clock_that_is_set_back_holds_nothing_up() {
    const SECOND: u64 = 1_000_000_000;
    const NOON: u64 = 1_800_000_000 * SECOND;
    let module = FilterModule::compile(&std::fs::read(tools::filter()).unwrap()).unwrap();
    let mut filter = module.start(br#"{"heartbeat": {"interval_ms": 1000}}"#).unwrap();
    let mut beats = |time: u64| {
        filter.set_time(time);
        filter.flush().unwrap().len()
    };
    assert_eq!(beats(NOON), 1, "the first");
    assert_eq!(beats(NOON + SECOND / 2), 0, "not yet");
    // An hour back: a second later it is due, not an hour later.
    assert_eq!(beats(NOON - 3_600 * SECOND), 0);
    assert_eq!(beats(NOON - 3_599 * SECOND), 1);
}
