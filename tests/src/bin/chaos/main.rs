//! `make chaos`: rounds of load in which the collector and its store are killed, and what is left of the spans.
//!
//! ```text
//! chaos [ROUNDS] [SEED]
//! ```
//!
//! Prints a line for each round and at the end `N passed, N failed`; the exit code is 1 when one failed. A round depends
//! on its seed and on the machine's timing: the same seed makes the same load and the same pauses.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::process::ExitCode;

use meshtap_tests::chaos::Chaos;

const ROUNDS: usize = 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let rounds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let seed =
        arguments.next().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..1 << 32));
    let mut chaos = Chaos::start("chaos");
    println!("round  store       seed        kills: collector, store  answered  repeated  stored");
    let mut failed = 0;
    for number in 0..rounds {
        let report = chaos.round(number, seed + number as u64);
        println!(
            "{number:>5}  {:<10}  {:<10}  {:>16}  {:>5}  {:>8}  {:>8}  {:>6}  {}",
            report.store,
            report.seed,
            report.collector_kills,
            report.store_kills,
            report.answered,
            report.repeated,
            report.stored,
            if report.mistakes.is_empty() { "passed".to_owned() } else { report.mistakes.join("; ") },
        );
        failed += usize::from(!report.mistakes.is_empty());
    }
    println!("{} passed, {failed} failed", rounds - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
