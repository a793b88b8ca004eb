//! `make outage`: the filter at full load while its collector fails, in each of the ways in which one can.
//!
//! `OUTAGE_SECONDS` is how long each fault lasts, `OUTAGE_FAULTS` some of them (`down,slow,hung,overloaded,unavailable,
//! refusing,broken`). Fails when a span neither arrived nor was counted, or when memory grows.
#![expect(clippy::print_stdout, reason = "a program that shows things")]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use meshtap_tests::bench;
use meshtap_tests::overhead::Rig;
use meshtap_tests::overhead::outage::{self, Books, Fault, Plan};
use meshtap_tests::sandbox::Sandbox;

const SECONDS: u64 = 600;
/// The filter's default.
const QUEUE_BYTES: usize = 8 << 20;

fn main() -> ExitCode {
    let seconds = env::var("OUTAGE_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let plan = Plan {
        before: Duration::from_secs(10),
        during: Duration::from_secs(seconds),
        after: Duration::from_secs(5),
        queue_bytes: QUEUE_BYTES,
    };
    println!("outage: {seconds} s of each fault on {}\n", bench::machine());
    println!(
        "  {:<12}{:>10}{:>10}{:>12}{:>10}{:>9}{:>9}{:>9}{:>9}{:>9}",
        "collector",
        "calls",
        "arrived",
        "queue full",
        "refused",
        "retries",
        "MiB",
        "growth",
        "per s",
        "before"
    );
    let rig = Rig::start();
    let mut is_good = true;
    for fault in Fault::ALL.into_iter().filter(|fault| is_wanted(*fault)) {
        let sandbox = Sandbox::new("outage");
        let books = outage::run(&rig, &sandbox, fault, plan);
        print(fault, &books);
        for mistake in books.mistakes() {
            println!("outage: {}: {mistake}", fault.name());
            is_good = false;
        }
    }
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_wanted(fault: Fault) -> bool {
    env::var("OUTAGE_FAULTS").map_or(true, |wanted| wanted.split(',').any(|wanted| wanted == fault.name()))
}

fn print(fault: Fault, books: &Books) {
    println!(
        "  {:<12}{:>10}{:>10}{:>12}{:>10}{:>9}{:>9.1}{:>+9.2}{:>9.0}{:>9.0}",
        fault.name(),
        books.calls,
        books.arrived,
        books.dropped_queue_full,
        books.dropped_refused,
        books.retries,
        books.mib,
        books.memory.growth,
        books.rates[1],
        books.rates[0],
    );
}
