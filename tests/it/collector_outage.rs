//! The collector is down or hangs: traffic goes on unharmed, and its spans arrive once it is back, once each.

use meshtap_tests::client::Call;
use meshtap_tests::collector::{Collector, Store};
use meshtap_tests::envoy::{Envoy, Filter, Listener};
use meshtap_tests::mesh::{self, PARENT_SPAN, STORES, Shared};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::workload::Workload;

/// An Envoy and collectors of the test's own; client, provider and ClickHouse are shared.
struct Outage {
    name: &'static str,
    collectors: Vec<Collector>,
    envoy: Envoy,
    mesh: Shared,
    sandbox: Sandbox,
    traces: Vec<String>,
}

impl Outage {
    fn prepare(name: &'static str) -> Self {
        let mesh = mesh::shared();
        let sandbox = Sandbox::new(name);
        let database = mesh.clickhouse.database(&format!("outage_{name}"));
        let in_clickhouse = Store::ClickHouse { url: mesh.clickhouse.url(), database };
        let collectors = vec![
            Collector::start(&sandbox, "collector-sqlite", &Store::Sqlite),
            Collector::start(&sandbox, "collector-clickhouse", &in_clickhouse),
        ];
        let listeners: Vec<Listener> = STORES
            .iter()
            .zip(&collectors)
            .map(|(store, collector)| {
                // An answer that does not come is soon given up, so that the test sees retries without waiting long.
                let filter = Filter::exporting_to(collector.grpc()).set("/collector/timeout_ms", 200.into());
                Listener::new(store, mesh.standin.address()).filter(filter)
            })
            .collect();
        let envoy = Envoy::start(&sandbox, &Workload::new(name, "outage"), &listeners);
        Self { name, collectors, envoy, mesh, sandbox, traces: Vec::new() }
    }

    /// Three calls into each store, each checked at both ends.
    fn calls(&mut self, when: &str) {
        for n in 0..3 {
            let trace = mesh::new_trace_id();
            let call = Call::chat(&format!("outage-{}-{when}-{n}", self.name), "gpt-4o")
                .streamed()
                .with_usage()
                .header("traceparent", &format!("00-{trace}-{PARENT_SPAN}-01"));
            for store in STORES {
                let address = self.envoy.address(store);
                let side = mesh::one_way(self.mesh.client, &self.mesh.standin, address, store, &call);
                side.assert_faithful(store);
                assert_eq!(side.outcome.error_class(), "", "{store}");
            }
            self.traces.push(trace);
        }
    }

    /// Every call in every store, and none twice.
    fn every_span_arrives_once(&self) {
        for collector in &self.collectors {
            for trace in &self.traces {
                collector.wait_for_span(&format!("trace_id={trace}"));
            }
        }
        // Retries may still be on their way; what they carry must not show a second time.
        self.envoy.wait_for_counters("the filter's queue to drain", |counters| {
            (counters.get("meshtap_queue_spans") == 0).then_some(())
        });
        for collector in &self.collectors {
            assert_eq!(collector.spans("limit=100").len(), self.traces.len());
        }
        let counters = self.envoy.counters();
        let finished = u64::try_from(self.traces.len() * self.collectors.len()).unwrap_or_default();
        assert_eq!(counters.get("meshtap_spans_finished_total"), finished);
        assert_eq!(counters.get("meshtap_spans_dropped_queue_full_total"), 0);
        assert_eq!(counters.get("meshtap_spans_dropped_refused_total"), 0);
    }

    fn wait_for_retries(&self) {
        self.envoy.wait_for_counters("the filter to send a batch again", |counters| {
            (counters.get("meshtap_export_retries_total") >= 2).then_some(())
        });
    }
}

#[test]
fn collector_is_down_for_a_while() {
    let mut outage = Outage::prepare("down");
    outage.calls("before");
    outage.collectors.iter_mut().for_each(Collector::stop);
    outage.calls("during");
    outage.wait_for_retries();
    for collector in &mut outage.collectors {
        collector.start_again(&outage.sandbox);
    }
    outage.calls("after");
    outage.every_span_arrives_once();
}

#[test]
fn collector_hangs_for_a_while() {
    let mut outage = Outage::prepare("hung");
    outage.calls("before");
    outage.collectors.iter().for_each(Collector::hang);
    outage.calls("during");
    outage.wait_for_retries();
    outage.collectors.iter().for_each(Collector::wake);
    outage.calls("after");
    outage.every_span_arrives_once();
}
