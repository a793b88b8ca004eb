//! What a collector exports onward, to a second one: while that is away, hangs or dies, and when the first one does.

use std::net::SocketAddr;

use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::wait;
use serde_json::{Value, json};

/// A collector that exports to two ports of the second one, by each protocol.
struct Chain {
    first: Collector,
    second: Collector,
    sandbox: Sandbox,
    sent: usize,
}

impl Chain {
    /// Neither runs yet.
    fn prepare(name: &str) -> Self {
        let sandbox = Sandbox::new(name);
        let second = Collector::configured(&sandbox, "second", &Store::Sqlite, &Value::Null);
        let to = |address: SocketAddr, protocol: &str| {
            json!({
                "endpoint": format!("http://{address}"),
                "protocol": protocol,
                "min_backoff": "20ms",
                "max_backoff": "200ms",
                "timeout": "1s",
            })
        };
        let export = json!({
            "by_grpc": to(second.grpc(), "grpc"),
            "by_http": to(second.otlp_http(), "http/protobuf"),
        });
        let first = Collector::configured(&sandbox, "first", &Store::Sqlite, &json!({"export": export}));
        Self { first, second, sandbox, sent: 0 }
    }

    fn send(&mut self, requests: usize) {
        for _ in 0..requests {
            self.sent += 1;
            let answer = self.first.post_span(self.sent as u64, 1_000);
            let answer = answer.unwrap_or_else(|error| panic!("no answer: {error}"));
            assert_eq!(answer.status, 200, "{}", answer.text());
        }
    }

    fn until_nothing_waits_for(&self, cursor: &str) {
        let sample = format!("meshtap_queue_waiting_entries{{cursor=\"{cursor}\"}}");
        wait::until(&sample, || (self.first.metric(&sample) == 0).then_some(()));
    }

    fn until_attempts_failed(&self) {
        for exporter in ["by_grpc", "by_http"] {
            let sample =
                format!("meshtap_exporter_attempts_total{{exporter=\"{exporter}\",outcome=\"unavailable\"}}");
            wait::until(&sample, || (self.first.metric(&sample) >= 2).then_some(()));
        }
    }

    /// Everything that was sent shows once in both stores; each exporter has brought all of it.
    fn everything_is_there(&self) {
        for cursor in ["store", "export-by_grpc", "export-by_http"] {
            self.until_nothing_waits_for(cursor);
        }
        wait::until("the second collector to store it", || {
            let waiting = "meshtap_queue_waiting_entries{cursor=\"store\"} 0";
            self.second.get("/metrics").text().lines().any(|line| line == waiting).then_some(())
        });
        for collector in [&self.first, &self.second] {
            assert_eq!(collector.spans("limit=1000").len(), self.sent);
        }
    }
}

#[test]
fn a_backend_that_is_away_gets_everything_when_it_comes_also_after_a_restart() {
    let mut chain = Chain::prepare("export-away");
    chain.first.start_again(&chain.sandbox);
    chain.send(20);
    chain.until_attempts_failed();
    chain.until_nothing_waits_for("store");
    chain.first.stop();
    chain.first.start_again(&chain.sandbox);
    chain.send(20);
    chain.second.start_again(&chain.sandbox);
    chain.everything_is_there();
    assert_eq!(chain.first.metric("meshtap_exporter_spans_sent_total{exporter=\"by_grpc\"}"), 40);
    chain.second.stop();
    chain.send(20);
    chain.until_attempts_failed();
    chain.first.kill();
    chain.second.start_again(&chain.sandbox);
    chain.first.start_again(&chain.sandbox);
    chain.everything_is_there();
}

#[test]
fn a_backend_that_hangs_holds_up_nobody() {
    let mut chain = Chain::prepare("export-hangs");
    chain.second.start_again(&chain.sandbox);
    chain.first.start_again(&chain.sandbox);
    chain.send(5);
    chain.everything_is_there();
    chain.second.hang();
    chain.send(100);
    chain.until_nothing_waits_for("store");
    assert_eq!(chain.first.spans("limit=1000").len(), 105);
    chain.until_attempts_failed();
    let ready = chain.first.get("/health/ready");
    assert_eq!((ready.status, &ready.json()["status"]), (200, &Value::from("degraded")));
    chain.second.wake();
    chain.everything_is_there();
    assert_eq!(chain.first.get("/health/ready").json()["status"], "ok");
    // What is left is sent before the end.
    chain.send(20);
    chain.first.stop();
    chain.first.start_again(&chain.sandbox);
    chain.everything_is_there();
}
