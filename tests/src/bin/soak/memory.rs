//! A million good exchanges, and what becomes of Envoy's memory.

use std::thread::sleep;
use std::time::{Duration, Instant};

use meshtap_tests::overhead::Rig;
use meshtap_tests::overhead::cost::Memory;
use meshtap_tests::overhead::sides::{Running, Side};
use meshtap_tests::overhead::traffic::Kind;
use meshtap_tests::overhead::trend::Trend;
use meshtap_tests::sandbox::Sandbox;

const CONNECTIONS: usize = 16;
const PAUSE: Duration = Duration::from_millis(50);
const SAMPLES: u64 = 200;
const ROWS: u64 = 20;

/// Small answers, whole, compressed and streamed, and traffic that is no call.
static MIX: [Kind; 8] =
    [Kind::Json, Kind::Json, Kind::Json, Kind::Gzip, Kind::Gzip, Kind::Burst, Kind::Other, Kind::Other];

/// What was wrong at the end.
pub(super) fn watch(rig: &Rig, requests: u64) -> Vec<String> {
    let sandbox = Sandbox::new("soak");
    let mut running = Running::start(Side::Meshtap, rig, &sandbox);
    let process = running.envoy.process().id();
    let started = Instant::now();
    let load = running.bounded_load(rig, &MIX, CONNECTIONS, requests);
    println!("\n  {:>10}{:>10}{:>10}", "exchanges", "seconds", "RSS MiB");
    let mut samples = Vec::new();
    while !load.is_over() {
        sleep(PAUSE);
        let due = samples.len() as u64 * requests / SAMPLES;
        if load.exchanges() < due {
            continue;
        }
        let sample = (load.exchanges(), Memory::of(process).mib());
        if (samples.len() as u64).is_multiple_of(SAMPLES / ROWS) {
            println!("  {:>10}{:>10.1}{:>10.2}", sample.0, started.elapsed().as_secs_f64(), sample.1);
        }
        samples.push(sample);
    }
    running.note(load.finish(rig.runtime().handle()));
    let mut mistakes = Vec::new();
    let Some(account) = running.account() else { return vec!["no side with spans".to_owned()] };
    println!("\n  {account:?}, lost {}", account.lost());
    if account.lost() != 0 {
        mistakes.push(format!("{} spans lost", account.lost()));
    }
    let last = samples.len() * 3 / 4;
    let trend = Trend::of(samples.get(last..).unwrap_or_default());
    println!(
        "  last quarter: {:+.3} MiB from its first sample to its last on the fitted line, {:.3} MiB of spread around it",
        trend.growth, trend.spread
    );
    if trend.rises() {
        mistakes.push(format!("memory still grows: {:.3} MiB in the last quarter", trend.growth));
    }
    mistakes
}
