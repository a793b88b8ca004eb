//! `make bench-filter`: what the filter costs Envoy, beside nothing, a module that does nothing, and Envoy's own filter.
//!
//! Two parts. In the first each round sends answers of 16 MB: start and memory. In the second all sides run side by side and
//! are loaded one at a time, in turns: processor time. Each round starts every side anew, since two processes of the same
//! side differ by as much as some sides do. In every round the sides come in another random order, and what is compared
//! was measured in the same round.
//!
//! Prints tables and writes `target/bench/filter.json`. `MESHTAP_BENCH_ROUNDS` is the number of rounds,
//! `MESHTAP_BENCH_SECONDS` how long one side is measured under one load, `MESHTAP_BENCH_LOADS` some of the loads
//! (`memory,json,burst,paced,other`), `MESHTAP_BENCH_CONTENT` the mode of content (`redacted`). Fails when a span was lost, or came twice, and when the filter was left out.
#![expect(clippy::print_stdout, reason = "a program that shows things")]

mod report;
mod results;

use std::collections::BTreeMap;
use std::env;
use std::process::ExitCode;
use std::time::Duration;

use meshtap_tests::bench;
use meshtap_tests::overhead::Rig;
use meshtap_tests::overhead::measure::{self, Sample, Shape, Window};
use meshtap_tests::overhead::sides::{self, Running, Side};
use meshtap_tests::overhead::traffic::Kind;
use meshtap_tests::sandbox::Sandbox;

use self::results::Results;

const SECONDS: f64 = 1.5;

/// One load of the second part.
struct Load {
    /// What `MESHTAP_BENCH_LOADS` calls it.
    name: &'static str,
    shape: Shape,
    /// How often each side has its turn in a round, each time for its part of the seconds. The machine is fast at one time
    /// and slow at another: the shorter the turns, the more those that are compared have in common. A slow stream takes
    /// long to come to its middle.
    turns: u32,
}

const LOADS: [Load; 4] = [
    Load { name: "json", shape: Shape { kind: Kind::Json, connections: 16 }, turns: 30 },
    Load { name: "burst", shape: Shape { kind: Kind::Burst, connections: 16 }, turns: 30 },
    Load { name: "paced", shape: Shape { kind: Kind::Paced, connections: 64 }, turns: 10 },
    Load { name: "other", shape: Shape { kind: Kind::Other, connections: 16 }, turns: 30 },
];

impl Load {
    fn window(&self, seconds: f64) -> Window {
        let measured = Duration::from_secs_f64(seconds) / self.turns;
        Window { warm_up: measured / 3, measured }
    }
}

/// Exchanges of the first part: small ones to warm up, large ones alone, large ones together.
const SMALL: u64 = 500;
const ALONE: u64 = 3;
const TOGETHER: u64 = 16;

fn main() -> ExitCode {
    let seconds =
        env::var("MESHTAP_BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SECONDS);
    let rounds = bench::rounds();
    println!("bench-filter: {rounds} rounds on {}, content {}", bench::machine(), sides::content_mode());
    let rig = Rig::start();
    let mut results = Results::default();
    let sides = if is_wanted("memory") { memory(&rig, rounds, &mut results) } else { Side::ALL.to_vec() };
    processor(&rig, &sides, rounds, seconds, &mut results);
    report::print(&results, &sides);
    println!("\nWritten to {}", bench::write("filter", rounds, &report::figures(&results)).display());
    // A module that does not know its configuration is left out, which is no success.
    let is_measured = results.accounts.contains_key(&Side::Meshtap);
    if is_measured && results.lost() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn is_wanted(load: &str) -> bool {
    env::var("MESHTAP_BENCH_LOADS").map_or(true, |wanted| wanted.split(',').any(|wanted| wanted == load))
}

/// The first part. The sides that can be measured with this module.
fn memory(rig: &Rig, rounds: usize, results: &mut Results) -> Vec<Side> {
    let mut sides = Side::ALL.to_vec();
    for round in 1..=rounds {
        println!("  start and memory, round {round}");
        fastrand::shuffle(&mut sides);
        for side in sides.clone() {
            let sandbox = Sandbox::new("bench");
            let mut running = Running::start(side, rig, &sandbox);
            if !running.understands_its_configuration() {
                println!(
                    "  {}: left out, this module does not know the configuration that asks for it",
                    side.name()
                );
                sides.retain(|other| *other != side);
                continue;
            }
            results.starts.entry(side).or_default().push(running.start_cpu.as_secs_f64());
            let growth = measure::growth(rig, &mut running, SMALL, ALONE, TOGETHER);
            results.growths.entry(side).or_default().push(growth);
            results.settle(&running);
        }
    }
    sides.sort_unstable();
    sides
}

/// The second part.
fn processor(rig: &Rig, sides: &[Side], rounds: usize, seconds: f64, results: &mut Results) {
    for round in 1..=rounds {
        println!("  processor, round {round}");
        let sandbox = Sandbox::new("bench");
        let mut running: Vec<Running> =
            sides.iter().map(|side| Running::start(*side, rig, &sandbox)).collect();
        running.retain(Running::understands_its_configuration);
        for load in LOADS.iter().filter(|load| is_wanted(load.name)) {
            let mut turns: BTreeMap<Side, Vec<Sample>> = BTreeMap::new();
            for _ in 0..load.turns {
                fastrand::shuffle(&mut running);
                for side in &mut running {
                    let sample = measure::sample(rig, side, load.shape, load.window(seconds));
                    turns.entry(side.side).or_default().push(sample);
                }
            }
            results.add(load.shape.kind, &turns);
        }
        for side in &running {
            results.settle(side);
        }
    }
}
