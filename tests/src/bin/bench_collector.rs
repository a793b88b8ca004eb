//! `make bench-collector`: what the collector takes from senders to the store, beside rotel; and what the stores take.
//!
//! Prints tables, says which bounds are missed, and writes `target/bench/collector.json`.
//!
//! | variable | default | |
//! |---|---|---|
//! | `MESHTAP_BENCH_PARTS` | all | some of `throughput`, `latency`, `away`, `stores`, with commas between them |
//! | `MESHTAP_BENCH_ROUNDS` | 5 | of full load, the sides in turn |
//! | `MESHTAP_BENCH_SPANS` | 1000000 | of one round, and of the stores |
//! | `MESHTAP_BENCH_SECONDS` | 30 | of the steady rate |
//! | `MESHTAP_BENCH_AWAY_MINUTES` | 2 | with the store away |
//! | `MESHTAP_BENCH_AWAY_SECONDS` | | the same, for shorter ones |
#![expect(clippy::print_stdout, reason = "a program that shows things")]

use std::env;
use std::process::ExitCode;
use std::time::Duration;

use meshtap_tests::bench::{self, Figure};
use meshtap_tests::collectorbench::report::{self, Passages, Wanted};
use meshtap_tests::collectorbench::sides::Side;
use meshtap_tests::collectorbench::{Passage, Rig, spans};
use meshtap_tests::{storebench, tools};

const STEADY_RATE: u32 = 20_000;
const AWAY_RATE: u32 = 5_000;

struct Bench {
    rig: Rig,
    rounds: usize,
    spans: u64,
    /// Of rotel at full load, when it has been measured.
    rotel: Vec<Passage>,
    figures: Vec<(&'static str, Figure)>,
    wanted: Vec<Wanted>,
    mistakes: Vec<String>,
}

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut bench = Bench {
        rig: Rig::start("bench-collector"),
        rounds: bench::rounds(),
        spans: number("MESHTAP_BENCH_SPANS", 1_000_000),
        rotel: Vec::new(),
        figures: Vec::new(),
        wanted: Vec::new(),
        mistakes: Vec::new(),
    };
    println!("bench-collector on {}", bench::machine());
    println!("{} bytes a span as it is sent, {} spans a request\n", bench.rig.bytes_per_span(), spans::SPANS);
    let parts = env::var("MESHTAP_BENCH_PARTS").unwrap_or_default();
    let is_asked = |part: &str| parts.is_empty() || parts.split(',').any(|asked| asked.trim() == part);
    if is_asked("throughput") {
        bench.throughput();
    }
    if is_asked("latency") {
        bench.latency();
    }
    if is_asked("away") {
        bench.away();
    }
    if is_asked("stores") {
        bench.stores()?;
    }
    Ok(bench.finish())
}

fn number(variable: &str, default: u64) -> u64 {
    env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

impl Bench {
    /// The sides take turns; who begins does too.
    fn throughput(&mut self) {
        let mut sides = vec![Side::Meshtap];
        if tools::rotel().is_some() {
            sides.push(Side::Rotel);
        } else {
            println!(
                "rotel is not installed (tests/tools/rotel.sh says why): there is nothing to compare with"
            );
        }
        println!(
            "full load, {} rounds of {} spans; medians and ranges\n{}",
            self.rounds,
            self.spans,
            report::head()
        );
        let mut passages: Vec<Vec<Passage>> = vec![Vec::new(); 2];
        for _ in 0..self.rounds {
            for side in &sides {
                let passage = self.rig.pass(*side, self.spans.div_ceil(spans::SPANS as u64));
                if let Some(mistake) = report::mistake(&passage) {
                    self.mistakes.push(format!("{}: {mistake}", side.name()));
                }
                passages[*side as usize].push(passage);
            }
            sides.reverse();
        }
        let meshtap = Passages { side: Side::Meshtap, all: &passages[Side::Meshtap as usize] };
        let rotel = Passages { side: Side::Rotel, all: &passages[Side::Rotel as usize] };
        for passages in [&meshtap, &rotel] {
            if !passages.all.is_empty() {
                println!("{}", passages.line());
            }
        }
        self.add(report::throughput(&meshtap, &rotel));
        self.rotel = passages.swap_remove(Side::Rotel as usize);
    }

    fn latency(&mut self) {
        let time = Duration::from_secs(number("MESHTAP_BENCH_SECONDS", 30));
        let sent = self.rig.steady(Side::Meshtap, STEADY_RATE, time);
        println!(
            "\n{STEADY_RATE} spans/s for {} s: answered after p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
            time.as_secs(),
            sent.percentile(50).as_secs_f64() * 1e3,
            sent.percentile(99).as_secs_f64() * 1e3,
            sent.percentile(100).as_secs_f64() * 1e3,
        );
        self.add(report::latency(&sent));
    }

    fn away(&mut self) {
        let minutes = number("MESHTAP_BENCH_AWAY_MINUTES", 2);
        let time = Duration::from_secs(number("MESHTAP_BENCH_AWAY_SECONDS", minutes.saturating_mul(60)));
        let away = self.rig.away(Side::Meshtap, AWAY_RATE, time);
        println!(
            "\nstore away, {AWAY_RATE} spans/s for {} s ({} spans): at most {:.0} MiB, grown by {:.1} MiB in the last third, \
             by {:+.1} MiB/h over the last half",
            time.as_secs(),
            away.spans,
            away.peak_mib(),
            away.growth_mib(),
            away.slope_mib_per_hour(),
        );
        self.add(report::away(&away));
    }

    fn stores(&mut self) -> Result<(), Box<dyn std::error::Error>> {
        let spans = usize::try_from(self.spans)?;
        let runtime = tokio::runtime::Runtime::new()?;
        let sqlite = runtime.block_on(storebench::sqlite(spans))?;
        let clickhouse = runtime.block_on(storebench::clickhouse(spans))?;
        println!("\nthe stores alone, {spans} spans");
        for (name, taken, table) in [("SQLite", &sqlite, ""), ("ClickHouse", &clickhouse, "spans")] {
            let (rate, bytes) = (taken.spans_per_second(), taken.bytes_per_span(table));
            println!("{name:<10}  {rate:>8.0} spans/s  {bytes:>6.1} B/span");
        }
        self.add((storebench::figures(&sqlite, &clickhouse), report::stores(&sqlite, &clickhouse)));
        let rotel = Passages { side: Side::Rotel, all: &self.rotel };
        if let Some((figure, wanted)) = report::beside_rotel(&sqlite, &rotel) {
            println!("SQLite takes {:.2} of what rotel takes, wanted {}", wanted.found, wanted.bound);
            self.add((vec![("sqlite_to_rotel", figure)], vec![wanted]));
        } else {
            println!("SQLite beside rotel: not measured, rotel was not run (part throughput)");
        }
        Ok(())
    }

    fn add(&mut self, (figures, wanted): (Vec<(&'static str, Figure)>, Vec<Wanted>)) {
        self.figures.extend(figures);
        self.wanted.extend(wanted);
    }

    /// A bound that is missed is said; a span that is lost fails.
    fn finish(self) -> ExitCode {
        println!();
        for Wanted { what, bound, found, is_met } in &self.wanted {
            println!("{:<7} {what}: {found:.2}, wanted {bound}", if *is_met { "met" } else { "MISSED" });
        }
        for mistake in &self.mistakes {
            println!("WRONG   {mistake}");
        }
        println!("\nWritten to {}", bench::write("collector", self.rounds, &self.figures).display());
        if self.mistakes.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
