//! `make chaos`: rounds of load in which the collector and its store are killed, and what is left of the spans.
//!
//! ```text
//! chaos [ROUNDS] [SEED]
//! ```
//!
//! Prints a line for each round and at the end `N passed, N failed`, which together are the rounds that were asked for;
//! the exit code is 1 when one failed, 2 for wrong arguments. A round depends on its seed and on the machine's timing:
//! the same seed makes the same load and the same pauses. A round that cannot be brought to its end has failed; the next
//! one starts afresh.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![expect(clippy::print_stderr, reason = "wrong arguments are said there")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use meshtap_tests::chaos::{Chaos, Report};

const ROUNDS: usize = 20;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (rounds, seed) = (arguments.next(), arguments.next());
    let rounds = rounds.map_or(Some(ROUNDS), |text| text.parse().ok().filter(|rounds| *rounds > 0));
    let seed = seed.map_or_else(|| Some(fastrand::u64(..1 << 32)), |text| text.parse().ok());
    let (Some(rounds), Some(seed)) = (rounds, seed) else {
        eprintln!("chaos: ROUNDS is a number from 1 up, SEED a number");
        return ExitCode::from(2);
    };
    println!(
        "round  store       seed        kills: collector, store  answered  repeated  stored  corrected  excess"
    );
    let mut failed = 0;
    let mut running = None;
    for number in 0..rounds {
        let seed = seed.wrapping_add(number as u64);
        let round = || running.get_or_insert_with(|| Chaos::start("chaos")).round(number, seed);
        if let Ok(report) = catch_unwind(AssertUnwindSafe(round)) {
            failed += usize::from(!report.mistakes.is_empty());
            show(number, &report);
        } else {
            failed += 1;
            running = None;
            println!("{number:>5}  {:<10}  {seed:<10}  did not come to its end, see above", "");
        }
    }
    println!("{} passed, {failed} failed", rounds - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn show(number: usize, report: &Report) {
    println!(
        "{number:>5}  {:<10}  {:<10}  {:>16}  {:>5}  {:>8}  {:>8}  {:>6}  {:>9}  {:>6}  {}",
        report.store,
        report.seed,
        report.collector_kills,
        report.store_kills,
        report.answered,
        report.repeated,
        report.stored,
        report.corrected,
        report.excess,
        if report.mistakes.is_empty() { "passed".to_owned() } else { report.mistakes.join("; ") },
    );
}
