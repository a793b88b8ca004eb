//! Calls of every workload at once, with a line that says how far they are.

use std::io::{IsTerminal, Write, stdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use meshtap_tests::collector::Collector;

use super::interrupt::Interrupt;
use super::{Demo, LISTENER, Sidecar};

const BAR_WIDTH: usize = 30;
/// Between two progress lines, on a terminal that overwrites them and elsewhere.
const TERMINAL_PAUSE: Duration = Duration::from_millis(250);
const FILE_PAUSE: Duration = Duration::from_secs(5);

/// Makes calls for as long as `length`, or until interrupted. Returns how many.
pub(super) fn run(demo: &Demo, length: Duration, interrupt: &Interrupt) -> u64 {
    let made = AtomicU64::new(0);
    let started = Instant::now();
    let goes_on = || started.elapsed() < length && !interrupt.is_raised();
    thread::scope(|scope| {
        for sidecar in &demo.sidecars {
            scope.spawn(|| keep_calling(sidecar, &made, goes_on));
        }
        scope.spawn(|| show_progress(demo, &made, started, length, goes_on));
    });
    made.load(Ordering::Relaxed)
}

/// Spans of calls in the collector's store.
pub(super) fn stored(collector: &Collector) -> u64 {
    collector.usage("workload").iter().filter_map(|row| row["calls"].as_u64()).sum()
}

fn keep_calling(sidecar: &Sidecar, made: &AtomicU64, goes_on: impl Fn() -> bool) {
    let address = sidecar.envoy.address(LISTENER);
    let mut n = 0;
    while goes_on() {
        sidecar.client.call(address, "demo", &sidecar.profile.call(n));
        made.fetch_add(1, Ordering::Relaxed);
        n += 1;
    }
}

fn show_progress(
    demo: &Demo,
    made: &AtomicU64,
    started: Instant,
    length: Duration,
    goes_on: impl Fn() -> bool,
) {
    let terminal = stdout().is_terminal();
    let pause = if terminal { TERMINAL_PAUSE } else { FILE_PAUSE };
    let mut next = Duration::ZERO;
    loop {
        demo.assert_parts_run();
        let last = !goes_on();
        if last || started.elapsed() >= next {
            let line = line(
                started.elapsed().min(length),
                length,
                made.load(Ordering::Relaxed),
                stored(&demo.collector),
            );
            let end = if terminal && !last { "" } else { "\n" };
            print!("{}{line}{end}", if terminal { "\r" } else { "" });
            let _ = stdout().flush();
            next = started.elapsed() + pause;
        }
        if last {
            return;
        }
        thread::park_timeout(TERMINAL_PAUSE);
    }
}

fn line(elapsed: Duration, length: Duration, calls: u64, spans: u64) -> String {
    let (elapsed, length) = (elapsed.as_secs(), length.as_secs());
    let filled =
        BAR_WIDTH.min(usize::try_from(elapsed * BAR_WIDTH as u64 / length.max(1)).unwrap_or(BAR_WIDTH));
    let bar = format!("{}{}", "#".repeat(filled), ".".repeat(BAR_WIDTH - filled));
    format!("[{bar}] {elapsed:>2} of {length} s  {calls:>4} calls  {spans:>4} spans stored")
}
