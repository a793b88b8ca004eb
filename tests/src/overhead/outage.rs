//! A collector that fails while calls go on as fast as they can: traffic goes on, memory stays, and every span either
//! arrives or is counted as dropped.

use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tonic::Code;

use super::Rig;
use super::cost::{self, Memory};
use super::load::Load;
use super::sink::{Manner, Sink};
use super::traffic::Kind;
use super::trend::Trend;
use crate::envoy::{Counters, Envoy, Filter, Listener};
use crate::ports;
use crate::sandbox::Sandbox;
use crate::wait;
use crate::workload::Workload;

const LISTENER: &str = "egress";
const CONNECTIONS: usize = 16;
const PAUSE: Duration = Duration::from_millis(100);

/// What is wrong with the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nobody listens.
    Down,
    /// It takes a second for each batch.
    Slow,
    /// It never answers.
    Hung,
    /// It has no room: RESOURCE_EXHAUSTED.
    Overloaded,
    /// It cannot do its work: UNAVAILABLE.
    Unavailable,
    /// It wants nothing of this sender: PERMISSION_DENIED, after which nothing is sent again.
    Refusing,
    /// It has a bug: INTERNAL, after which nothing is sent again either.
    Broken,
}

impl Fault {
    pub const ALL: [Self; 7] = [
        Self::Down,
        Self::Slow,
        Self::Hung,
        Self::Overloaded,
        Self::Unavailable,
        Self::Refusing,
        Self::Broken,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Slow => "slow",
            Self::Hung => "hung",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
            Self::Refusing => "refusing",
            Self::Broken => "broken",
        }
    }

    fn manner(self) -> Manner {
        match self {
            Self::Down => Manner::Accepts,
            Self::Slow => Manner::AcceptsAfter(Duration::from_secs(1)),
            Self::Hung => Manner::NeverAnswers,
            Self::Overloaded => Manner::Fails(Code::ResourceExhausted),
            Self::Unavailable => Manner::Fails(Code::Unavailable),
            Self::Refusing => Manner::Fails(Code::PermissionDenied),
            Self::Broken => Manner::Fails(Code::Internal),
        }
    }
}

/// How long each part lasts, and how much the filter may keep.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub before: Duration,
    pub during: Duration,
    pub after: Duration,
    pub queue_bytes: usize,
}

/// What is certain at the end.
#[derive(Debug, Clone)]
pub struct Books {
    /// Calls of a model. Each was answered as it is without a filter.
    pub calls: u64,
    /// Calls that the filter finished, and spans that arrived, each once.
    pub finished: u64,
    pub arrived: u64,
    /// Spans dropped because the queue was full, and because the collector refused them for good.
    pub dropped_queue_full: u64,
    pub dropped_refused: u64,
    pub retries: u64,
    /// Exchanges a second, before the fault and under it.
    pub rates: [f64; 2],
    /// MiB of Envoy in the second half of the fault.
    pub memory: Trend,
    pub mib: f64,
}

impl Books {
    /// Each thing that is wrong.
    pub fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let mut check = |holds: bool, mistake: String| {
            if !holds {
                mistakes.push(mistake);
            }
        };
        check(self.calls == self.finished, format!("{} calls, {} finished", self.calls, self.finished));
        let known = self.arrived + self.dropped_queue_full + self.dropped_refused;
        check(known == self.finished, format!("{} finished, {known} arrived or dropped", self.finished));
        check(!self.memory.rises(), format!("memory grows: {:?}", self.memory));
        mistakes
    }
}

/// Loads an Envoy of its own, and breaks its collector in the middle.
#[track_caller]
pub fn run(rig: &Rig, sandbox: &Sandbox, fault: Fault, plan: Plan) -> Books {
    static MIX: [Kind; 4] = [Kind::Json, Kind::Json, Kind::Gzip, Kind::Other];
    let mut collector = Collector::start();
    let filter = Filter::exporting_to(collector.sink.address())
        .set("/batch", json!({}))
        .set("/retry", json!({"max_backoff_ms": 1000}))
        .set("/queue", json!({"max_bytes": plan.queue_bytes}));
    let listener = Listener::new(LISTENER, rig.upstream()).filter(filter);
    let envoy = Envoy::start(sandbox, &Workload::new(fault.name(), "outage"), &[listener]);
    cost::pin_envoy(envoy.process().id());

    let load = Load::start(rig.runtime().handle(), envoy.address(LISTENER), &MIX, CONNECTIONS);
    let before = watch(&envoy, &load, plan.before);
    collector.fail(fault);
    let during = watch(&envoy, &load, plan.during);
    collector.recover();
    watch(&envoy, &load, plan.after);
    let calls = load.stop(rig.runtime().handle()).calls;

    let counters = settled(&envoy, calls);
    let half = during.memory.len() / 2;
    Books {
        calls,
        finished: counters.get("meshtap_spans_finished_total"),
        arrived: collector.sink.spans(),
        dropped_queue_full: counters.get("meshtap_spans_dropped_queue_full_total"),
        dropped_refused: counters.get("meshtap_spans_dropped_refused_total"),
        retries: counters.get("meshtap_export_retries_total"),
        rates: [before.rate, during.rate],
        memory: Trend::of(during.memory.get(half..).unwrap_or_default()),
        mib: during.memory.last().map_or(0.0, |(_, mib)| *mib),
    }
}

/// Waits until the filter holds no span any more.
fn settled(envoy: &Envoy, calls: u64) -> Counters {
    wait::until("the last span", || {
        let counters = envoy.counters();
        let settled =
            counters.get("meshtap_spans_finished_total") >= calls && counters.get("meshtap_queue_spans") == 0;
        settled.then_some(counters)
    })
}

struct Watched {
    rate: f64,
    /// By milliseconds.
    memory: Vec<(u64, f64)>,
}

#[expect(clippy::cast_precision_loss, reason = "no count here comes near 2^53")]
fn watch(envoy: &Envoy, load: &Load, length: Duration) -> Watched {
    let (started, before) = (Instant::now(), load.exchanges());
    let mut memory = Vec::new();
    while started.elapsed() < length {
        sleep(PAUSE);
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        memory.push((millis, Memory::of(envoy.process().id()).mib()));
    }
    let rate = (load.exchanges() - before) as f64 / started.elapsed().as_secs_f64();
    Watched { rate, memory }
}

/// On a runtime of its own, with which it can go.
struct Collector {
    sink: Sink,
    runtime: Option<Runtime>,
}

impl Collector {
    fn start() -> Self {
        let runtime = runtime();
        let sink = Sink::start_at(runtime.handle(), ports::free_address());
        Self { sink, runtime: Some(runtime) }
    }

    fn fail(&mut self, fault: Fault) {
        self.sink.behave(fault.manner());
        if fault == Fault::Down
            && let Some(runtime) = self.runtime.take()
        {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }

    fn recover(&mut self) {
        self.sink.behave(Manner::Accepts);
        if self.runtime.is_none() {
            let runtime = runtime();
            self.sink.start_again(runtime.handle());
            self.runtime = Some(runtime);
        }
    }
}

fn runtime() -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).on_thread_start(cost::pin_thread).enable_all().build();
    runtime.expect("the runtime starts")
}
