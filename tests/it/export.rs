//! How spans leave the sidecar, as whoever receives them sees it.

use std::time::{Duration, Instant};

use meshtap_tests::client::HOST;
use meshtap_tests::envoy::{Envoy, Filter, Listener};
use meshtap_tests::http;
use meshtap_tests::receiver::{Export, Receiver};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::standin::{self, Standin};
use meshtap_tests::wait;
use meshtap_tests::workload::Workload;
use serde_json::json;

const OBSERVED: &str = "observed";

/// One Envoy whose spans go to a receiver of the test's own.
pub(super) struct Rig {
    _sandbox: Sandbox,
    _standin: Standin,
    pub(super) receiver: Receiver,
    pub(super) envoy: Envoy,
}

impl Rig {
    pub(super) fn start(name: &str, filter: impl FnOnce(Filter) -> Filter) -> Self {
        let sandbox = Sandbox::new(name);
        let standin = Standin::start();
        let receiver = Receiver::start();
        let filter = filter(Filter::exporting_to(receiver.address()));
        let listener = Listener::new(OBSERVED, standin.address()).filter(filter);
        let envoy = Envoy::start(&sandbox, &Workload::new(name, "export"), &[listener]);
        Self { _sandbox: sandbox, _standin: standin, receiver, envoy }
    }

    /// One chat, with these request headers.
    #[track_caller]
    pub(super) fn call(&self, headers: &[(&str, &str)]) {
        let mut all =
            vec![("host", HOST), ("content-type", "application/json"), (standin::CALL, "export@it")];
        all.extend(headers);
        let body = br#"{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}"#;
        let reply = http::post(self.envoy.address(OBSERVED), "/v1/chat/completions", &all, body);
        assert_eq!(reply.map(|reply| reply.status).ok(), Some(200));
    }

    /// The exports that carry LLM calls, once there are as many calls.
    #[track_caller]
    pub(super) fn wait_for_calls(&self, count: usize) -> Vec<Export> {
        wait::until(&format!("{count} calls at the receiver"), || {
            let mut exports = self.receiver.exports();
            exports.retain(|export| export.spans().next().is_some());
            (exports.iter().flat_map(Export::spans).count() >= count).then_some(exports)
        })
    }
}

#[test]
fn a_full_batch_leaves_at_once() {
    const ROUNDS: usize = 5;
    let rig = Rig::start("full-batches", |filter| {
        filter.set("/batch/max_age_ms", 10_000.into()).set("/batch/max_spans", 2.into())
    });
    let started = Instant::now();
    for round in 1..=ROUNDS {
        rig.call(&[]);
        rig.call(&[]);
        let exports = rig.wait_for_calls(2 * round);
        assert_eq!(exports.len(), round, "no batch leaves before it is full");
    }
    // With every batch the answer comes back to the filter, not only the call to the receiver.
    rig.envoy.wait_for_counters("every span to be accepted", |counters| {
        (counters.get("meshtap_spans_exported_total") == 2 * ROUNDS as u64).then_some(())
    });
    assert_eq!(rig.envoy.counters().get("meshtap_queue_spans"), 0);
    assert!(started.elapsed() < Duration::from_secs(30), "five ticks take longer");
}

#[test]
fn headers_go_with_every_call() {
    let headers = json!({"authorization": "Bearer s3cret-token", "x-scope-orgid": "team-a", "grpc-timeout": "s3cret-mistake"});
    let rig = Rig::start("headers", |filter| filter.set("/collector/headers", headers));
    rig.call(&[]);
    rig.wait_for_calls(1);
    let exports = rig.receiver.exports();
    assert!(exports.len() >= 2, "the probe, then the batch");
    for export in exports {
        assert_eq!(export.metadata("authorization"), ["Bearer s3cret-token"], "{:?}", export.metadata);
        assert_eq!(export.metadata("x-scope-orgid"), ["team-a"]);
        assert_ne!(export.metadata("grpc-timeout"), ["s3cret-mistake"]);
    }
    let log = rig.envoy.log();
    assert!(log.contains("collector.headers.grpc-timeout"), "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}
