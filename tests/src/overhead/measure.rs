//! What one side takes under one load.

use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::param::clock_ticks_per_second;

use super::Rig;
use super::cost::{self, Memory};
use super::sides::Running;
use super::traffic::{EVENTS, Kind};

/// How a load is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Shape {
    pub kind: Kind,
    pub connections: usize,
}

/// Before what counts, and what counts.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub warm_up: Duration,
    pub measured: Duration,
}

/// What Envoy took for one exchange, or for one event of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    pub cpu_us: f64,
    /// In user mode alone, by the kernel's ticks: coarser.
    pub user_us: f64,
    pub per_second: f64,
    /// How much of a core Envoy took.
    pub busy: f64,
}

pub fn sample(rig: &Rig, running: &mut Running, shape: Shape, window: Window) -> Sample {
    let Shape { kind, connections } = shape;
    let load = running.load(rig, kind.alone(), connections);
    let units = || match kind {
        Kind::Paced => rig.events(),
        Kind::Burst => load.exchanges() * EVENTS,
        Kind::Json | Kind::Gzip | Kind::Other | Kind::Large => load.exchanges(),
    };
    sleep(window.warm_up);
    let (started, units_before, cpu_before) = (Instant::now(), units(), running.cpu());
    sleep(window.measured);
    let (wall, units, cpu) = (started.elapsed(), units() - units_before, running.cpu().since(cpu_before));
    running.note(load.stop(rig.runtime().handle()));
    let (units, wall) = (real(units.max(1)), wall.as_secs_f64());
    let user_seconds = real(cpu.user_ticks) / real(clock_ticks_per_second());
    Sample {
        cpu_us: real(cpu.nanos) / 1e3 / units,
        user_us: user_seconds * 1e6 / units,
        per_second: units / wall,
        busy: real(cpu.nanos) / 1e9 / wall,
    }
}

/// What answers of 16 MB took of a side that has just started.
#[derive(Debug, Clone, Copy)]
pub struct Growth {
    /// Processor time for one of them, one at a time and eight at a time.
    pub alone_ms: f64,
    pub together_ms: f64,
    /// Memory before, after those alone, and after those together.
    pub before_mib: f64,
    pub after_alone_mib: f64,
    pub after_together_mib: f64,
    /// The most it ever had meanwhile.
    pub peak_mib: f64,
}

impl Growth {
    pub fn mib(&self) -> f64 {
        self.after_together_mib - self.before_mib
    }
}

const TOGETHER: usize = 8;

/// Small answers first, so that what they set up is not counted; then large ones, `alone` and `together` of them.
pub fn growth(rig: &Rig, running: &mut Running, small: u64, alone: u64, together: u64) -> Growth {
    running.make(rig, Kind::Json.alone(), TOGETHER, small);
    // Until the spans of those have gone.
    let _ = running.account();
    let process = running.envoy.process().id();
    cost::forget_peak(process);
    let memory = || Memory::of(process);
    let before = memory();
    let alone_ms = cpu_ms(rig, running, 1, alone);
    let after_alone = memory();
    let together_ms = cpu_ms(rig, running, TOGETHER, together);
    let after = memory();
    Growth {
        alone_ms,
        together_ms,
        before_mib: before.mib(),
        after_alone_mib: after_alone.mib(),
        after_together_mib: after.mib(),
        peak_mib: cost::mib(after.peak_kib),
    }
}

fn cpu_ms(rig: &Rig, running: &mut Running, connections: usize, count: u64) -> f64 {
    let before = running.cpu();
    running.make(rig, Kind::Large.alone(), connections, count);
    real(running.cpu().since(before).nanos) / 1e6 / real(count.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
fn real(count: u64) -> f64 {
    count as f64
}
