//! The storm.

use std::thread::sleep;
use std::time::{Duration, Instant};

use meshtap_tests::overhead::Rig;
use meshtap_tests::overhead::cost::{self, Memory};
use meshtap_tests::sandbox::Sandbox;
use meshtap_tests::storm::{Books, Storm};

const CLIENTS: usize = 128;
const REPORTS: u32 = 10;

/// What was wrong at the end.
pub(super) fn storm(rig: &Rig, minutes: f64) -> Vec<String> {
    let sandbox = Sandbox::new("storm");
    let length = Duration::from_secs_f64(minutes * 60.0);
    let storm = Storm::start(rig.runtime().handle(), &sandbox, CLIENTS);
    let process = storm.envoy.process().id();
    cost::pin_envoy(process);
    println!("\n  {:>8}{:>12}{:>12}{:>10}", "minute", "attempts", "spans", "RSS MiB");
    let started = Instant::now();
    for report in 1..=REPORTS {
        sleep((length * report / REPORTS).saturating_sub(started.elapsed()));
        storm.envoy.process().assert_runs();
        println!(
            "  {:>8.1}{:>12}{:>12}{:>10.1}",
            started.elapsed().as_secs_f64() / 60.0,
            storm.attempts(),
            storm.spans(),
            Memory::of(process).mib()
        );
    }
    let books = storm.end();
    print(&books);
    books.mistakes()
}

fn print(books: &Books) {
    println!("\n  {:>10}  how Envoy says that streams ended", "streams");
    let mut endings: Vec<_> = books.endings.iter().collect();
    endings.sort_by(|a, b| b.1.cmp(a.1));
    for (ending, count) in endings {
        println!("  {count:>10}  {ending}");
    }
    println!("\n  {:>10}  the filter's counters", "");
    for (name, value) in &books.counters {
        println!("  {value:>10}  {name}");
    }
    println!(
        "\n  calls logged by Envoy {}, finished {}, spans arrived {}, dropped {}",
        books.calls, books.finished, books.arrived, books.dropped
    );
    println!("  virtual machines before and after: {:?}, {:?}", books.machines_before, books.machines_after);
    println!("  counters of Envoy's about Wasm that moved: {:?}", books.troubles);
    println!("  a normal call at the end became a span: {}", books.calm);
}
