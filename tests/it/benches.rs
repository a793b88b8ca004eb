//! The parts of the benchmarks work; what they measure is not asserted here.

use std::time::Duration;

use meshtap_tests::collectorbench::{self, report, spans};
use meshtap_tests::envoy::{Envoy, Listener};
use meshtap_tests::overhead::Rig;
use meshtap_tests::overhead::cost::Memory;
use meshtap_tests::overhead::load::Load;
use meshtap_tests::overhead::measure::{self, Shape, Window};
use meshtap_tests::overhead::outage::{self, Fault, Plan};
use meshtap_tests::overhead::sides::{self, Running, Side};
use meshtap_tests::overhead::traffic::Kind;
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::storm::Storm;
use meshtap_tests::wait;
use meshtap_tests::workload::Workload;

const SHORT: Window = Window { warm_up: Duration::from_millis(20), measured: Duration::from_millis(100) };

#[test]
fn every_side_carries_every_load_and_no_span_is_lost() {
    let sandbox = Sandbox::new("bench-sides");
    let rig = Rig::start();
    for side in [Side::Bare, Side::Noop, Side::Asking, Side::Native, Side::Meshtap] {
        let mut running = Running::start(side, &rig, &sandbox);
        assert!(running.understands_its_configuration(), "{side:?}");
        for kind in [Kind::Json, Kind::Gzip, Kind::Burst, Kind::Paced, Kind::Other] {
            let sample = measure::sample(&rig, &mut running, Shape { kind, connections: 2 }, SHORT);
            assert!(sample.cpu_us > 0.0 && sample.per_second > 0.0, "{side:?}, {kind:?}: {sample:?}");
        }
        let growth = measure::growth(&rig, &mut running, 2, 1, 2);
        assert!(growth.peak_mib >= growth.before_mib, "{side:?}: {growth:?}");
        assert!(Memory::of(running.envoy.process().id()).now_kib > 0);
        assert_eq!(running.envoy.machines().active > 0, side.is_module(), "{side:?}");
        let troubles = running.envoy.wasm_troubles();
        assert!(troubles.values().all(|count| *count == 0), "{side:?}: {troubles:?}");
        match running.account() {
            None => assert!(!side.exports()),
            Some(account) => {
                assert!(account.calls > 10, "{side:?}: {account:?}");
                assert_eq!((account.lost(), account.dropped), (0, 0), "{side:?}: {account:?}");
            }
        }
    }
}

/// What the side costs that asks for each path means nothing if it does not get them.
#[test]
fn the_no_op_gets_every_path_it_is_told_to_ask_for() {
    const REQUESTS: u64 = 20;
    let sandbox = Sandbox::new("bench-noop");
    let rig = Rig::start();
    let listener = Listener::new("egress", rig.upstream()).settings(&sides::noop("asks and counts"));
    let envoy = Envoy::start(&sandbox, &Workload::new("noop", "bench"), &[listener]);
    let load =
        Load::bounded(rig.runtime().handle(), envoy.address("egress"), Kind::Other.alone(), 2, REQUESTS);
    assert_eq!(load.finish(rig.runtime().handle()).exchanges, REQUESTS);
    envoy.wait_for_counters("the last path", |counters| {
        (counters.get("noop_paths_total") == REQUESTS).then_some(())
    });
}

#[test]
fn after_a_storm_every_call_is_a_span() {
    let sandbox = Sandbox::new("storm");
    let rig = Rig::start();
    let storm = Storm::start(rig.runtime().handle(), &sandbox, 8);
    wait::until("many calls", || (storm.attempts() >= 60).then_some(()));
    let books = storm.end();
    assert!(books.calls > 10, "{books:#?}");
    assert_eq!(books.mistakes(), Vec::<String>::new(), "{books:#?}");
}

#[test]
fn whatever_the_collector_does_every_span_arrives_or_is_counted() {
    let rig = Rig::start();
    let short = Duration::from_millis(300);
    let plan = Plan { before: short, during: 5 * short, after: short, queue_bytes: 256 << 10 };
    for fault in Fault::ALL {
        let sandbox = Sandbox::new("outage");
        let books = outage::run(&rig, &sandbox, fault, plan);
        let dropped = books.dropped_queue_full + books.dropped_refused;
        assert!(books.calls > 10, "{fault:?}: {books:#?}");
        assert_eq!(books.finished, books.calls, "{fault:?}: {books:#?}");
        assert_eq!(books.arrived + dropped, books.calls, "{fault:?}: {books:#?}");
        assert!(books.arrived > 0, "{fault:?}: {books:#?}");
        let is_final = matches!(fault, Fault::Refusing | Fault::Broken);
        assert_eq!(books.dropped_refused > 0, is_final, "{fault:?}: {books:#?}");
    }
}

#[test]
fn every_span_passes_the_collector_once() {
    let (mut rig, side) =
        (collectorbench::Rig::start("bench-collector"), collectorbench::sides::Side::Meshtap);
    let passage = rig.pass(side, 20);
    assert_eq!(passage.spans, 20 * spans::SPANS as u64);
    assert_eq!(report::mistake(&passage), None, "{passage:?}");
    let sent = rig.steady(side, 2_000, Duration::from_secs(1));
    assert_eq!(sent.latencies.len(), 3);
    let away = rig.away(side, 2_000, Duration::from_secs(1));
    assert!(away.peak_mib() > 0.0, "{away:?}");
}
