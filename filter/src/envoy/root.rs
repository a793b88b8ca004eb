//! The root context: one for each plugin configuration and worker. Configures, ticks, exports.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel, MetricType};

use super::host::{self, HeaderMap};
use super::stream::Stream;
use super::uncalled;
use crate::beside::{self, Beside};
use crate::caller::LastKey;
use crate::config::{self, Config, Problem};
use crate::detect::{Detected, Verdicts};
use crate::ending::StreamLog;
use crate::exchange::Exchange;
use crate::export::{self, Batch, Exporter, Outcome};
use crate::fingerprint::Key;
use crate::identity::{self, PropertyRoot};
use crate::otlp;
use crate::push::{self, Running};
use crate::recording::{Held, Means, Recording};
use crate::span::{EnvoyFacts, Kind, UnixNanos};
use crate::stats::{Metric, Stats};
use crate::steady::{SteadyClock, SteadyNanos};
use crate::trace_context::SpanContext;

/// What the streams of a root context share with it.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) exporter: Exporter,
    pub(super) stats: Stats,
    pub(super) random: host::Random,
    pub(super) properties: PropertyRoot,
    pub(super) is_sidecar: bool,
    pub(super) held: Held,
    pub(super) beside: Beside,
    verdicts: Verdicts,
    last_key: LastKey,
    ended: Vec<Ended>,
    ended_bytes: usize,
    /// By [`Metric`], as the host knows them; `None` where it refused one.
    metric_ids: Vec<Option<u32>>,
    grpc_service: Vec<u8>,
    metadata: Vec<u8>,
    calls: Calls,
    /// The last call that ended failed, which the log says.
    is_failing: bool,
    heartbeat: Heartbeat,
    clock: SteadyClock,
    /// The hash of the document that the configuration was read from.
    document: Option<u64>,
    /// This root context, until the host is done with it.
    root_id: Option<u32>,
}

/// An exchange that is over and not read to its end yet.
pub(super) struct Ended {
    pub(super) recording: Recording<HeaderMap>,
    pub(super) kind: Kind,
    pub(super) log: StreamLog,
    pub(super) envoy: EnvoyFacts,
    pub(super) at: u64,
}

/// What the next heartbeat says.
#[derive(Default)]
struct Heartbeat {
    vm_id: String,
    config_sha256: String,
    problems: Vec<Problem>,
    spans_finished: u64,
    spans_dropped: u64,
    /// Zero until the first.
    due_at: SteadyNanos,
}

/// Whether the host takes calls to the configured service.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    Untried,
    Taken,
    /// It refuses them in a way that no waiting mends.
    Refused,
}

thread_local! {
    /// What root contexts of this VM left behind when a new configuration replaced them.
    static LEFT_BEHIND: RefCell<Vec<Batch>> = const { RefCell::new(Vec::new()) };
    /// Root contexts of this VM that are not done.
    static ROOTS: Cell<usize> = const { Cell::new(0) };
    /// What they run on.
    static RUNNING: RefCell<Running> = const { RefCell::new(Running::none()) };
    /// Tells this VM from the others of the process, once it had to.
    static VM: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Exchanges that are read in a row: many more hold up the proxy, few save little.
const MAX_ENDED: usize = 32;
const MAX_ENDED_BYTES: usize = 256 << 10;

/// Where the plugins of a proxy sign.
const SIGNED: &str = "meshtap.plugins";

/// Where a VM that ends leaves its batches for one that runs other code.
const LEFT_BY_VM: &str = "meshtap.left";

/// Of one configuration; the counter tells how many there are.
const MAX_LOGGED_PROBLEMS: usize = 32;

pub(super) struct Root {
    shared: Rc<RefCell<Shared>>,
}

impl Root {
    pub(super) fn new(id: u32) -> Self {
        let config = Config::default();
        let shared = Shared {
            exporter: Exporter::new(config.clone(), Vec::new()),
            config,
            stats: Stats::default(),
            random: host::Random::new(),
            properties: PropertyRoot::Xds,
            is_sidecar: false,
            held: Held::default(),
            beside: Beside::default(),
            verdicts: Verdicts::default(),
            last_key: LastKey::default(),
            ended: Vec::new(),
            ended_bytes: 0,
            metric_ids: Vec::new(),
            grpc_service: Vec::new(),
            metadata: Vec::new(),
            calls: Calls::Untried,
            is_failing: false,
            heartbeat: Heartbeat::default(),
            clock: SteadyClock::default(),
            document: None,
            root_id: Some(id),
        };
        ROOTS.set(ROOTS.get().saturating_add(1));
        Self { shared: Rc::new(RefCell::new(shared)) }
    }

    /// Runs `act` on what is shared. It is never borrowed while the host calls in; should it ever be, nothing happens
    /// rather than a panic.
    fn with<T: Default>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        self.shared.try_borrow_mut().map(|mut shared| act(&mut shared)).unwrap_or_default()
    }
}

impl Context for Root {
    uncalled::of_context!();

    fn on_grpc_call_response(&mut self, token: u32, status: u32, response_size: usize) {
        self.with(|shared| shared.answered(token, status, response_size));
    }
}

/// The last streams of this configuration are over: whoever comes next in this VM sends what is left.
impl Drop for Root {
    fn drop(&mut self) {
        self.with(|shared| {
            shared.root_id = None;
            shared.runs_on(None);
            shared.read_ended();
            let batches = shared.exporter.abandon(&mut shared.stats);
            LEFT_BEHIND.with_borrow_mut(|left| left.extend(batches));
            ROOTS.set(ROOTS.get().saturating_sub(1));
            if ROOTS.get() == 0 {
                shared.leave_to_another_vm();
            }
            shared.report_stats();
        });
    }
}

impl RootContext for Root {
    uncalled::of_root_context!();

    /// Always succeeds: a refusal would take the proxy down.
    fn on_configure(&mut self, size: usize) -> bool {
        let document =
            if size == 0 { Ok(Vec::new()) } else { host::buffer(BufferType::PluginConfiguration, 0, size) };
        self.with(|shared| shared.configure(document.as_deref().unwrap_or_default()));
        true
    }

    fn on_tick(&mut self) {
        self.with(Shared::tick);
    }

    /// Not for a queue of the host's: a stream found a batch that need not wait for the tick. See [`host::wake_root`].
    fn on_queue_ready(&mut self, _queue_id: u32) {
        self.with(|shared| {
            let now = shared.clock.at(host::now());
            shared.send_what_is_due(now);
            shared.report_stats();
        });
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(Rc::clone(&self.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Shared {
    fn configure(&mut self, document: &[u8]) {
        self.read_ended();
        let (mut config, problems, config_sha256) = config::parse_and_hash(document);
        if config.api_key.fingerprint_key.is_none() {
            config.api_key.fingerprint_key = self.own_key();
        }
        // Two workers that both find no such place would each take it for the first.
        host::leave(LEFT_BY_VM, &[], usize::MAX);
        self.metric_ids = Metric::ALL.iter().map(|metric| define(*metric)).collect();
        self.report_problems(document, &problems);
        let vm_id = format!("{:016x}", self.random.next());
        self.heartbeat = Heartbeat { vm_id, config_sha256, problems, ..Heartbeat::default() };
        self.properties = PropertyRoot::probe(&mut host::node_property);
        let node_id = host::property(self.properties.joined("xds\0node\0id"));
        self.is_sidecar = identity::is_sidecar(&node_id.unwrap_or_default());
        let resource =
            identity::resource_attributes(self.properties, &mut host::node_property, &mut |name| {
                std::env::var(name).ok()
            });
        let resource = otlp::encode_resource(&resource);
        self.grpc_service = otlp::encode_grpc_service(&config.collector.cluster, &config.collector.authority);
        self.metadata = host::metadata(&config.collector.headers);
        self.calls = Calls::Untried;
        self.is_failing = false;
        self.clock.tick_every(config.batch.max_age_ms);
        if host::set_tick_period(config.batch.max_age_ms).is_err() {
            self.stats.add(Metric::HostErrors, 1);
            host::log(LogLevel::Error, "meshtap: the proxy refuses a timer, so no span can be sent");
        }
        let left = self.exporter.abandon(&mut self.stats);
        self.exporter = Exporter::new(config.clone(), resource);
        self.exporter.adopt(left, &mut self.stats);
        self.config = config;
        self.verdicts = Verdicts::default();
        self.last_key = LastKey::default();
        self.beside = Beside::new(signature(document));
        let now = self.clock.at(host::now());
        self.look_beside(now);
        self.report_stats();
    }

    /// Signs, and looks who else has.
    #[cold]
    fn look_beside(&mut self, now: SteadyNanos) {
        if let Some(signature) = self.beside.signs(now) {
            host::change(SIGNED, |signed| ((), beside::sign(signed, signature, host::now())));
        }
        self.beside.read(&host::shared(SIGNED), now);
    }

    /// Of this proxy, until it ends. `None` where it would be none that nobody can foretell.
    #[cold]
    fn own_key(&mut self) -> Option<Key> {
        let mut next = || self.random.next();
        let own = format!("{:x} {:x} {:x} {:x}", next(), next(), next(), next());
        if self.random.can_be_foretold() {
            host::log(
                LogLevel::Warn,
                "meshtap: the proxy has no random numbers, so there are no fingerprints without api_key.fingerprint_key",
            );
            return None;
        }
        let shared = host::share("meshtap.fingerprint_key", own.as_bytes());
        if shared.is_none() {
            host::log(
                LogLevel::Warn,
                "meshtap: without api_key.fingerprint_key, fingerprints differ from proxy to proxy",
            );
        }
        let shared = shared.and_then(|bytes| String::from_utf8(bytes).ok());
        Some(Key::from_text(&shared.unwrap_or(own)))
    }

    /// Once for each push, not once for each of the VMs that get it.
    fn report_problems(&mut self, document: &[u8], problems: &[Problem]) {
        let document = fingerprint(document);
        let is_first = self.runs_on(Some(document));
        if problems.is_empty() || !is_first || !self.takes_first(document) {
            return;
        }
        self.stats.add(Metric::ConfigProblems, problems.len());
        for Problem { path, message } in problems.iter().take(MAX_LOGGED_PROBLEMS) {
            host::log(LogLevel::Warn, &format!("meshtap: plugin configuration: {path}: {message}"));
        }
        let more = problems.len().saturating_sub(MAX_LOGGED_PROBLEMS);
        if more > 0 {
            host::log(LogLevel::Warn, &format!("meshtap: plugin configuration: {more} more mistakes"));
        }
    }

    /// What this root context runs on from now on. Whether no other of this VM does.
    fn runs_on(&mut self, document: Option<u64>) -> bool {
        let before = std::mem::replace(&mut self.document, document);
        RUNNING.with_borrow_mut(|running| {
            if let Some(before) = before {
                running.end(before);
            }
            document.is_some_and(|document| running.begin(document))
        })
    }

    /// Whether this VM is the first of the process to get this push of a configuration. Where the host shares nothing
    /// each is: things are said by all rather than by none.
    fn takes_first(&mut self, document: u64) -> bool {
        let vm = VM.get().unwrap_or_else(|| self.random.next());
        VM.set(Some(vm));
        // Another module has VMs of its own, and reads a document in its own way.
        let build = option_env!("MESHTAP_BUILD").unwrap_or_default();
        let key = format!("meshtap.config.{build}.{document:016x}");
        host::change(&key, |taken| push::take(taken, vm))
    }

    fn tick(&mut self) {
        self.read_ended();
        let now = host::now();
        let time = self.clock.at(now);
        let mut left = LEFT_BEHIND.with_borrow_mut(std::mem::take);
        let taken_over = export::unpacked(&host::take_left(LEFT_BY_VM));
        self.stats.add(Metric::SpansTakenOver, taken_over.iter().map(Batch::spans).sum::<u64>());
        left.extend(taken_over);
        if !left.is_empty() {
            self.exporter.adopt(left, &mut self.stats);
        }
        let random = self.random.next();
        self.exporter.expire(time, random, &mut self.stats);
        self.look_beside(time);
        self.beat(now, time);
        while self.send_next(time) {}
        self.report_stats();
    }

    /// Nobody comes next in this VM: a module of other bytes has one of its own. If none comes, what is left and the
    /// counters end with the last VM of the process, and the log alone tells what is lost.
    fn leave_to_another_vm(&mut self) {
        let mut left = 0_u64;
        for batch in LEFT_BEHIND.with_borrow_mut(std::mem::take) {
            let packed = export::packed(std::slice::from_ref(&batch));
            if host::leave(LEFT_BY_VM, &packed, self.config.queue.max_bytes) {
                left = left.saturating_add(batch.spans());
            } else {
                self.stats.add(Metric::SpansDroppedQueueFull, batch.spans());
            }
        }
        self.stats.add(Metric::SpansLeft, left);
        if left > 0 {
            let message = format!(
                "meshtap: the last VM of this module ends: {left} spans wait for another, or are lost"
            );
            host::log(LogLevel::Warn, &message);
        }
    }

    fn beat(&mut self, now: UnixNanos, time: SteadyNanos) {
        const NANOS_PER_MILLI: u64 = 1_000_000;
        let interval = self.config.heartbeat.interval_ms;
        if interval == 0 || time < self.heartbeat.due_at {
            return;
        }
        self.report_stats();
        let Heartbeat { vm_id, config_sha256, problems, spans_finished, spans_dropped, due_at } =
            &mut self.heartbeat;
        *due_at = time.saturating_add(u64::from(interval).saturating_mul(NANOS_PER_MILLI));
        let heartbeat = otlp::Heartbeat {
            vm_id,
            config_sha256,
            problems,
            spans_finished: *spans_finished,
            spans_dropped: *spans_dropped,
        };
        let context = SpanContext::new(None, None, &mut || self.random.next());
        self.stats.add(Metric::Heartbeats, 1);
        self.exporter.push(otlp::encode_heartbeat(&heartbeat, &context, now), &mut self.stats);
    }

    /// As what a request is looked at, if it is.
    pub(super) fn detect(&mut self, headers: &HeaderMap) -> Option<Rc<Detected>> {
        let Self { config, verdicts, .. } = self;
        match headers.request_line() {
            [[], ..] | [_, [], _] | [.., []] => Exchange::detect(config, headers).map(Rc::new),
            [method, authority, path] => {
                verdicts.detect(method, authority, path, config.detect, &config.rules)
            }
        }
    }

    /// Reads what a recording keeps.
    pub(super) fn read(&mut self, recording: &mut Recording<HeaderMap>, kind: Kind) {
        let Self { config, random, last_key, .. } = self;
        recording.read(kind, &mut Means { config, random: &mut || random.next(), last_key });
    }

    /// Takes in an exchange, and says which root context to wake when a batch need not wait for the tick.
    pub(super) fn ended(&mut self, ended: Ended) -> Option<u32> {
        let now = self.clock.at(ended.at);
        self.ended_bytes = self.ended_bytes.saturating_add(ended.recording.bytes());
        // One that has been read in part may hold a decoder, which others wait for.
        let holds_much = ended.recording.is_begun();
        self.ended.push(ended);
        let is_enough = holds_much
            || self.ended.len() >= MAX_ENDED.min(self.config.batch.max_spans)
            || self.ended_bytes >= MAX_ENDED_BYTES.min(self.config.limits.max_unread_bytes);
        if is_enough {
            self.read_ended();
            return self.root_to_wake(now);
        }
        None
    }

    /// Makes spans of the exchanges that are over.
    fn read_ended(&mut self) {
        let Self { config, random, last_key, stats, exporter, ended, ended_bytes, .. } = self;
        let mut means = Means { config, random: &mut || random.next(), last_key };
        for Ended { recording, kind, log, envoy, at } in ended.drain(..) {
            if let Some(span) = recording.finish(kind, log, envoy, at, &mut means) {
                stats.span(&span);
                exporter.push(otlp::encode_span(&span), stats);
            }
        }
        *ended_bytes = 0;
    }

    /// The root context to wake when a batch need not wait for the tick.
    fn root_to_wake(&self, now: SteadyNanos) -> Option<u32> {
        self.root_id.filter(|_| self.calls != Calls::Refused && self.exporter.is_due(now))
    }

    fn send_what_is_due(&mut self, now: SteadyNanos) {
        while self.exporter.is_due(now) && self.send_next(now) {}
    }

    /// `false` when there is nothing that may be sent.
    fn send_next(&mut self, now: SteadyNanos) -> bool {
        if self.calls == Calls::Refused {
            return false;
        }
        let batch = self.exporter.next_batch(now, &mut self.stats);
        batch.map(|batch| self.send(batch, now)).is_some()
    }

    fn send(&mut self, batch: Batch, now: SteadyNanos) {
        let timeout = self.config.collector.timeout_ms;
        let call = self.probe().and_then(|()| {
            let headers = &self.config.collector.headers;
            host::grpc_call(&self.grpc_service, otlp::SERVICE, otlp::METHOD, headers, &batch.message, timeout)
        });
        match call {
            Ok(token) => self.exporter.sent(token, batch, now, &mut self.stats),
            Err(status) => {
                let random = self.random.next();
                self.exporter.not_sent(batch, now, random, &mut self.stats);
                self.log_failure(&format!(
                    "the call cannot be made (status {}); is there a cluster of this name?",
                    status.number()
                ));
            }
        }
    }

    /// Before the first call: see [`host::grpc_call`].
    fn probe(&mut self) -> Result<(), host::Status> {
        if self.calls == Calls::Taken {
            return Ok(());
        }
        let timeout = self.config.collector.timeout_ms;
        let probed =
            host::grpc_probe(&self.grpc_service, otlp::SERVICE, otlp::METHOD, &self.metadata, timeout);
        self.calls = match probed {
            Ok(()) => Calls::Taken,
            Err(status) if status.is_call_failure() => Calls::Untried,
            Err(status) => {
                self.stats.add(Metric::HostErrors, 1);
                let cluster = &self.config.collector.cluster;
                let message = format!(
                    "meshtap: the proxy refuses calls to {cluster:?} (status {}): nothing is sent",
                    status.number()
                );
                host::log(LogLevel::Error, &message);
                Calls::Refused
            }
        };
        probed
    }

    fn answered(&mut self, token: u32, status: u32, response_size: usize) {
        let said = if status == 0 { String::new() } else { host::grpc_status_message() };
        let outcome = if status == 0 {
            let response = host::buffer(BufferType::GrpcReceiveBuffer, 0, response_size).unwrap_or_default();
            Outcome::Accepted { rejected_spans: otlp::rejected_spans(&response) }
        } else if said.starts_with("upstream_reset") {
            // A connection that broke within the answer, which Envoy calls an internal error.
            Outcome::NotSent
        } else {
            Outcome::Status(status)
        };
        let (random, now) = (self.random.next(), self.clock.at(host::now()));
        if !self.exporter.answered(token, outcome, now, random, &mut self.stats) {
            return;
        }
        match outcome {
            Outcome::Accepted { .. } if std::mem::take(&mut self.is_failing) => {
                host::log(LogLevel::Info, "meshtap: the collector takes spans again");
            }
            Outcome::Accepted { .. } => {}
            _ => self.log_failure(&format!("gRPC status {status} {said}")),
        }
        self.send_what_is_due(now);
        self.report_stats();
    }

    /// Only the first of a row of failures: the counters tell the rest.
    fn log_failure(&mut self, reason: &str) {
        if !std::mem::replace(&mut self.is_failing, true) {
            let cluster = &self.config.collector.cluster;
            host::log(LogLevel::Warn, &format!("meshtap: export to {cluster:?} failed: {reason}"));
        }
    }

    fn report_stats(&mut self) {
        let ids = &self.metric_ids;
        let heartbeat = &mut self.heartbeat;
        self.stats.take(|metric, change| {
            let total = match metric {
                Metric::SpansFinished => Some(&mut heartbeat.spans_finished),
                Metric::SpansDroppedQueueFull | Metric::SpansDroppedRefused | Metric::SpansRejected => {
                    Some(&mut heartbeat.spans_dropped)
                }
                _ => None,
            };
            if let Some(total) = total {
                *total = total.saturating_add_signed(change);
            }
            if let Some(Some(id)) = ids.get(metric as usize) {
                // A metric that the host refuses is lost; there is no one to tell.
                let _ = host::increment_metric(*id, change);
            }
        });
    }
}

fn define(metric: Metric) -> Option<u32> {
    let kind = if metric.is_gauge() { MetricType::Gauge } else { MetricType::Counter };
    host::define_metric(kind, metric.name()).ok()
}

/// FNV-1a: tells configurations apart, nothing more.
fn fingerprint(document: &[u8]) -> u64 {
    fingerprint_of([document])
}

fn fingerprint_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    parts
        .into_iter()
        .flatten()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Of this plugin, whatever the listener and the worker: its name in the proxy, the module, and the configuration.
fn signature(document: &[u8]) -> u64 {
    let name = host::property("plugin_name").unwrap_or_default();
    let build = option_env!("MESHTAP_BUILD").unwrap_or_default();
    fingerprint_of([&name, build.as_bytes(), document])
}
