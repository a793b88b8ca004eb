//! What an Envoy has taken of processor and memory, from `/proc`; and which core is whose.

use std::fs;
use std::path::PathBuf;
use std::str::FromStr;

use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// What a process has taken of the processors since it began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cpu {
    /// In nanoseconds, as the scheduler counts it; of threads that still run.
    pub nanos: u64,
    /// In ticks of the kernel, user mode alone.
    pub user_ticks: u64,
}

impl Cpu {
    pub fn of(process: Pid) -> Self {
        let nanos = threads(process).into_iter().filter_map(|thread| {
            let text = fs::read_to_string(thread.join("schedstat")).ok()?;
            number::<u64>(text.split_ascii_whitespace().next()?)
        });
        let stat = fs::read_to_string(folder(process).join("stat")).unwrap_or_default();
        // After the name in brackets; `utime` is field 14.
        let user = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_ascii_whitespace().nth(11));
        Self { nanos: nanos.sum(), user_ticks: user.and_then(number).unwrap_or_default() }
    }

    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(before.nanos),
            user_ticks: self.user_ticks.saturating_sub(before.user_ticks),
        }
    }
}

/// Memory of a process that is in RAM, in KiB.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Memory {
    pub now_kib: u64,
    /// The most since [`forget_peak`].
    pub peak_kib: u64,
}

impl Memory {
    pub fn of(process: Pid) -> Self {
        let status = fs::read_to_string(folder(process).join("status")).unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            number(line.split_ascii_whitespace().next()?)
        };
        Self { now_kib: field("VmRSS").unwrap_or_default(), peak_kib: field("VmHWM").unwrap_or_default() }
    }
}

impl Memory {
    pub fn mib(self) -> f64 {
        mib(self.now_kib)
    }

    pub fn peak_mib(self) -> f64 {
        mib(self.peak_kib)
    }
}

#[expect(clippy::cast_precision_loss, reason = "no process has 2^53 KiB")]
pub(super) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// From here on the peak counts anew.
pub fn forget_peak(process: Pid) {
    let path = folder(process).join("clear_refs");
    fs::write(&path, "5").unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Gives the process the first core that there is, all its threads.
pub fn pin_envoy(process: Pid) {
    let core = cores().first().copied().unwrap_or_default();
    for thread in threads(process) {
        let id = thread.file_name().and_then(|name| number::<i32>(name.to_str()?)).and_then(Pid::from_raw);
        // A thread that has just ended needs no core.
        let _ = id.map(|id| sched_setaffinity(Some(id), &only(core)));
    }
}

/// Gives this thread the second core.
pub(super) fn pin_thread() {
    let core = cores().get(1).copied().unwrap_or_default();
    sched_setaffinity(None, &only(core)).expect("a core that is ours");
}

/// Those that this program may use when it starts.
fn cores() -> &'static [usize] {
    static CORES: std::sync::OnceLock<Vec<usize>> = std::sync::OnceLock::new();
    CORES.get_or_init(|| {
        let set = sched_getaffinity(None).unwrap_or_default();
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    })
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    set.set(core);
    set
}

fn threads(process: Pid) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(process).join("task")).into_iter().flatten();
    entries.flatten().map(|entry| entry.path()).collect()
}

fn folder(process: Pid) -> PathBuf {
    PathBuf::from(format!("/proc/{}", process.as_raw_nonzero()))
}

fn number<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}
