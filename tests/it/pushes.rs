//! Plugin configurations and modules that are pushed while Envoy runs, and a plugin that is taken away.

use std::collections::BTreeSet;

use meshtap_tests::envoy::{Envoy, Filter, Listener, Pushed, Settings};
use meshtap_tests::http;
use meshtap_tests::ports;
use meshtap_tests::receiver::{Export, Receiver};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::standin::{self, Standin};
use meshtap_tests::wait;
use meshtap_tests::workload::Workload;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::export::attribute;

const OBSERVED: &str = "observed";
/// Each with a VM of its own; the main thread has one, too.
const WORKERS: u32 = 4;

/// One Envoy that is told of its filter while it runs.
pub(super) struct Rig {
    sandbox: Sandbox,
    _standin: Standin,
    pub(super) pushed: Pushed,
    pub(super) envoy: Envoy,
}

impl Rig {
    pub(super) fn start(name: &str, filter: &Filter) -> Self {
        Self::start_on(&Workload::new(name, "push"), filter)
    }

    fn start_on(workload: &Workload, filter: &Filter) -> Self {
        let name = &workload.name;
        let sandbox = Sandbox::new(name);
        let standin = Standin::start();
        let pushed = Pushed::new(&sandbox, "meshtap", filter);
        let settings = Settings {
            before: vec![pushed.filter()],
            clusters: vec![filter.collector_cluster()],
            ..Settings::default()
        };
        let listener = Listener::new(OBSERVED, standin.address()).settings(&settings);
        let envoy = Envoy::start(&sandbox, workload, &[listener]);
        Self { sandbox, _standin: standin, pushed, envoy }
    }

    #[track_caller]
    pub(super) fn call(&self) {
        self.call_as("call");
    }

    #[track_caller]
    fn call_as(&self, id: &str) {
        let headers = [
            ("host", "api.openai.com"),
            ("content-type", "application/json"),
            ("x-correlation-id", id),
            (standin::CALL, "push@it"),
        ];
        let body = br#"{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}"#;
        let reply = http::post(self.envoy.address(OBSERVED), "/v1/chat/completions", &headers, body);
        assert_eq!(reply.map(|reply| reply.status).ok(), Some(200));
    }

    /// By the VMs of a module that was pushed, for the `times`th time: more than once where who took something ended, too.
    #[track_caller]
    fn all_taken_over(&self, times: u64, spans: u64) {
        self.envoy.wait_for_counters("all to be taken over", |counters| {
            let [left, taken_over, waiting] = ["spans_left_total", "spans_taken_over_total", "queue_spans"]
                .map(|name| counters.get(&format!("meshtap_{name}")));
            (left >= spans * times && left == taken_over && waiting == spans).then_some(())
        });
    }

    #[track_caller]
    fn counted(&self, name: &str, count: u64) {
        self.envoy.wait_for_counters(&format!("{name} to be {count}"), |counters| {
            (counters.get(name) == count).then_some(())
        });
    }
}

/// Each worker and the main thread say which configuration they run on.
#[track_caller]
fn in_force_everywhere(receiver: &Receiver, mistakes: u64) {
    let from = receiver.exports().len();
    let says = format!("IntValue({mistakes})");
    wait::until(&format!("heartbeats of all with {mistakes} mistakes"), || {
        let exports = receiver.exports();
        let beats = exports.iter().skip(from).flat_map(Export::spans);
        let newest = beats.filter_map(|beat| {
            let vm = attribute(beat, "meshtap.vm.id")?;
            (attribute(beat, "meshtap.config.problems")? == says).then_some(vm)
        });
        let vms: BTreeSet<String> = newest.collect();
        (vms.len() == WORKERS as usize + 1).then_some(())
    });
}

#[test]
fn a_configuration_that_is_broken_again_is_reported_again() {
    let receiver = Receiver::start();
    let good = Filter::exporting_to(receiver.address()).set("/heartbeat/interval_ms", 100.into());
    let bad = good.clone().set("/batch/max_spams", 1.into());
    let rig = Rig::start_on(&Workload::new("broken-again", "push").concurrency(WORKERS), &bad);
    for times in 1..=3 {
        in_force_everywhere(&receiver, 1);
        rig.counted("meshtap_config_problems_total", times);
        let log = rig.envoy.log();
        assert_eq!(log.matches("batch.max_spams").count() as u64, times, "{log}");
        rig.pushed.push(&good);
        in_force_everywhere(&receiver, 0);
        rig.pushed.push(&bad);
    }
}

#[test]
fn what_the_last_vm_leaves_is_said_and_taken_over() {
    const CALLS: u64 = 3;
    let nobody = ports::free_address();
    let filter = Filter::exporting_to(nobody);
    let rig = Rig::start("left", &filter);
    (0..CALLS).for_each(|_| rig.call());
    rig.counted("meshtap_queue_spans", CALLS);
    rig.pushed.push(&filter.other_module(&rig.sandbox, "next"));
    rig.all_taken_over(1, CALLS);
    // Envoy forgets the counters of a plugin, and what it left, with its last VM: the log remains.
    let says = || rig.envoy.log().matches(&format!("{CALLS} spans wait for another")).count();
    let before = says();
    assert!(before > 0);
    rig.pushed.remove();
    wait::until("the log to say it again", || (says() > before).then_some(()));
    assert_eq!(rig.envoy.complaints(), Vec::<String>::new());
}

/// They end together, as others begin.
#[test]
fn workers_that_end_at_once_leave_all_that_they_have() {
    const CALLS: u64 = 64;
    const TIMES: u64 = 5;
    let collector = ports::free_address();
    let filter = Filter::exporting_to(collector);
    let rig = Rig::start_on(&Workload::new("left-by-workers", "push").concurrency(WORKERS), &filter);
    // Each comes by a connection of its own, which the kernel gives to any worker.
    (0..CALLS).for_each(|call| rig.call_as(&call.to_string()));
    rig.counted("meshtap_queue_spans", CALLS);
    for time in 1..=TIMES {
        let name = format!("module-{time}");
        rig.pushed.push(&filter.clone().other_module(&rig.sandbox, &name));
        rig.all_taken_over(time, CALLS);
    }
    let log = rig.envoy.log();
    let who_left = log.matches("spans wait for another").count() as u64;
    assert!(who_left > TIMES, "more than one worker had something to leave: {log}");
    let receiver = Receiver::start_at(collector);
    let ids = wait::until("all spans to arrive", || {
        let exports = receiver.exports();
        let spans = exports.iter().flat_map(Export::spans);
        let ids: Vec<_> = spans.filter_map(|span| attribute(span, "meshtap.correlation.id")).collect();
        (ids.len() as u64 >= CALLS).then_some(ids)
    });
    let different: BTreeSet<_> = ids.iter().collect();
    assert_eq!((ids.len() as u64, different.len() as u64), (CALLS, CALLS));
    assert_eq!(rig.envoy.complaints(), Vec::<String>::new());
}

#[test]
fn a_second_plugin_that_comes_to_a_running_proxy_makes_no_spans() {
    comes_beside("comes-beside-other", "other");
}

/// Envoy gives what is configured in the same way one root context, which hears nothing of it.
#[test]
fn the_same_plugin_that_comes_a_second_time_makes_no_spans() {
    comes_beside("comes-beside-same", "meshtap");
}

/// A plugin named `second` comes behind one that has long been there.
#[track_caller]
fn comes_beside(test: &str, second: &str) {
    const CALLS: u64 = 40;
    let receiver = Receiver::start();
    let filter = Filter::exporting_to(receiver.address());
    let sandbox = Sandbox::new(test);
    let standin = Standin::start();
    let pushed = Pushed::new(&sandbox, "meshtap", &filter);
    let place = Pushed::new(&sandbox, "second", &filter);
    place.remove();
    let settings = Settings {
        before: vec![pushed.filter(), place.filter()],
        clusters: vec![filter.collector_cluster()],
        ..Settings::default()
    };
    let listener = Listener::new(OBSERVED, standin.address()).settings(&settings);
    let envoy = Envoy::start(&sandbox, &Workload::new(test, "push").concurrency(WORKERS), &[listener]);
    let rig = Rig { sandbox, _standin: standin, pushed, envoy };
    (0..CALLS).for_each(|_| rig.call());
    rig.counted("meshtap_spans_finished_total", CALLS);
    place.push(&filter.name(second));
    wait::until("the second plugin to be met", || {
        rig.call();
        (rig.envoy.counters().get("meshtap_exchanges_seen_twice_total") > 0).then_some(())
    });
    let twice = rig.envoy.counters().get("meshtap_exchanges_seen_twice_total");
    (0..CALLS).for_each(|_| rig.call_as("then"));
    rig.call_as("last");
    let spans = |id: &str| {
        let is_its = |span: &Span| attribute(span, "meshtap.correlation.id").as_deref() == Some(id);
        receiver.exports().iter().flat_map(Export::spans).filter(|span| is_its(span)).count()
    };
    // Each worker sends its own.
    wait::until("all calls", || (spans("last") > 0 && spans("then") as u64 >= CALLS).then_some(()));
    rig.envoy.wait_for_counters("each call to be seen twice", |counters| {
        let since = counters.get("meshtap_exchanges_seen_twice_total").saturating_sub(twice);
        (since > CALLS && counters.get("meshtap_queue_spans") == 0).then_some(())
    });
    assert_eq!(spans("then") as u64, CALLS);
}
