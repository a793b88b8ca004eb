//! A child process that ends with the test, whatever ends the test, and shows its log when something fails.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::param::clock_ticks_per_second;
use rustix::process::{
    Pid, Signal, getppid, kill_process, kill_process_group, set_parent_process_death_signal,
};

use crate::sandbox::Sandbox;
use crate::wait;

const TAIL_LINES: usize = 40;

/// A running child in a process group of its own. Dropping it kills and reaps the group.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Mutex<Child>,
    pid: Pid,
    log: PathBuf,
    /// Whether the log has been asked for already; once is enough.
    shown: AtomicBool,
}

impl Process {
    /// Starts `command`; standard output and error go to `NAME.log` in the sandbox, after what is there.
    pub fn spawn(name: &str, mut command: Command, sandbox: &Sandbox) -> Self {
        let log = sandbox.path(&format!("{name}.log"));
        command.stdout(open_log(&log)).stderr(open_log(&log));
        Self::start(name, command, log)
    }

    /// Starts `command` with pipes to its standard input and output; standard error goes to the log.
    pub fn spawn_piped(
        name: &str,
        mut command: Command,
        sandbox: &Sandbox,
    ) -> (Self, ChildStdin, ChildStdout) {
        let log = sandbox.path(&format!("{name}.log"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(open_log(&log));
        let process = Self::start(name, command, log);
        let mut child = process.child.lock().unwrap_or_else(PoisonError::into_inner);
        let input = child.stdin.take().expect("standard input was asked for");
        let output = child.stdout.take().expect("standard output was asked for");
        drop(child);
        (process, input, output)
    }

    fn start(name: &str, mut command: Command, log: PathBuf) -> Self {
        command.process_group(0);
        die_with_us(&mut command);
        let child = spawn_from_lasting_thread(command).unwrap_or_else(|e| panic!("cannot start {name}: {e}"));
        let pid = Pid::from_child(&child);
        Self { name: name.to_owned(), child: Mutex::new(child), pid, log, shown: AtomicBool::new(false) }
    }

    /// Waits until `ready` answers. Panics with the log when the process ends before that, or takes too long.
    #[track_caller]
    pub fn wait_ready<T>(&self, mut ready: impl FnMut() -> Option<T>) -> T {
        let answer = wait::poll(|| match self.exit_status() {
            Some(status) => Some(Err(status)),
            None => ready().map(Ok),
        });
        match answer {
            Some(Ok(value)) => value,
            Some(Err(status)) => {
                panic!("{} ended before it was ready: {status}\n{}", self.name, self.log_tail())
            }
            None => panic!("{} was not ready in time\n{}", self.name, self.log_tail()),
        }
    }

    /// The status it ended with, if it has ended.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.child().try_wait().unwrap_or(Some(ExitStatus::from_raw(0)))
    }

    /// Panics with the log when it has ended.
    #[track_caller]
    pub fn assert_runs(&self) {
        if let Some(status) = self.exit_status() {
            panic!("{} ended: {status}\n{}", self.name, self.log_tail());
        }
    }

    pub fn id(&self) -> Pid {
        self.pid
    }

    /// What all its threads have taken of the processors so far, in user and system mode.
    #[track_caller]
    pub fn cpu_time(&self) -> Duration {
        let stat =
            fs::read_to_string(format!("/proc/{}/stat", self.pid.as_raw_nonzero())).unwrap_or_default();
        // The second field is the program's name in brackets and may hold anything; `utime` and `stime` are 14 and 15.
        let fields = stat.rsplit_once(')').map(|(_, fields)| fields.split_ascii_whitespace());
        let ticks: Vec<u64> =
            fields.into_iter().flatten().skip(11).take(2).filter_map(|field| field.parse().ok()).collect();
        assert_eq!(ticks.len(), 2, "{} has ended", self.name);
        Duration::from_secs(ticks.iter().sum()) / u32::try_from(clock_ticks_per_second()).unwrap_or(100)
    }

    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid, signal);
    }

    /// Asks it to end, as Kubernetes does, and waits for that.
    #[track_caller]
    pub fn terminate(&self) -> ExitStatus {
        self.signal(Signal::TERM);
        match wait::poll(|| self.exit_status()) {
            Some(status) => status,
            None => panic!("{} did not end after SIGTERM\n{}", self.name, self.log_tail()),
        }
    }

    pub fn log(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The end of the log, under a heading.
    pub fn log_tail(&self) -> String {
        self.shown.store(true, Ordering::Relaxed);
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
        format!("--- {}: last lines of {}\n{}\n", self.name, self.log.display(), tail.join("\n"))
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() && !self.shown.load(Ordering::Relaxed) {
            eprint!("{}", self.log_tail());
        }
        let _ = kill_process_group(self.pid, Signal::KILL);
        let _ = self.child().wait();
    }
}

fn open_log(path: &Path) -> File {
    let opened = OpenOptions::new().create(true).append(true).open(path);
    opened.unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Has the kernel kill the child when we end, however we end.
#[expect(
    unsafe_code,
    reason = "between fork and exec only two system calls are made, and nothing is allocated"
)]
fn die_with_us(command: &mut Command) {
    let parent = rustix::process::getpid();
    let ask = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        if getppid() == Some(parent) { Ok(()) } else { Err(rustix::io::Errno::SRCH.into()) }
    };
    // SAFETY: `ask` only makes system calls that are safe after fork.
    unsafe {
        command.pre_exec(ask);
    }
}

type Spawned = std::io::Result<Child>;
type Order = (Command, Sender<Spawned>);

/// The kernel ends the child with the *thread* that started it, and a test's thread ends before the parts that tests
/// share: so one thread that lasts starts them all.
fn spawn_from_lasting_thread(command: Command) -> Spawned {
    static SPAWNER: LazyLock<Mutex<Sender<Order>>> = LazyLock::new(|| {
        let (orders, inbox) = channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(command.spawn());
            }
        });
        Mutex::new(orders)
    });
    let (reply, spawned) = channel();
    let sent = SPAWNER.lock().unwrap_or_else(PoisonError::into_inner).send((command, reply));
    sent.expect("the spawning thread lasts");
    spawned.recv().expect("the spawning thread answers")
}
