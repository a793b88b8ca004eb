//! `make soak`: a million exchanges through the filter, its Envoy's memory watched, every span accounted for.
//!
//! `SOAK_REQUESTS` is how many exchanges. With `SOAK_MINUTES` it is a storm of that length instead: broken traffic from
//! both sides, after which the filter must still be alive and every call that Envoy saw a span. Fails when memory still
//! grows at the end, when a span is missing, or when the filter is dead.
#![expect(clippy::print_stdout, reason = "a program that shows things")]

mod memory;
mod weather;

use std::env;
use std::process::ExitCode;
use std::str::FromStr;

use meshtap_tests::bench;
use meshtap_tests::overhead::Rig;

const REQUESTS: u64 = 1_000_000;

fn main() -> ExitCode {
    let rig = Rig::start();
    let mistakes = if let Some(minutes) = setting::<f64>("SOAK_MINUTES") {
        println!("soak: broken traffic for {minutes} minutes on {}", bench::machine());
        weather::storm(&rig, minutes)
    } else {
        let requests = setting("SOAK_REQUESTS").unwrap_or(REQUESTS);
        println!("soak: {requests} exchanges on {}", bench::machine());
        memory::watch(&rig, requests)
    };
    for mistake in &mistakes {
        println!("soak: {mistake}");
    }
    if mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn setting<T: FromStr>(variable: &str) -> Option<T> {
    env::var(variable).ok()?.parse().ok()
}
