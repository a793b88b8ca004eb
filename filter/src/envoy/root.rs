//! The root context: one for each plugin configuration and worker. Configures, ticks, exports.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel, MetricType};

use super::host;
use super::stream::Stream;
use super::uncalled;
use crate::config::{self, Config, Problem};
use crate::export::{Batch, Exporter, Outcome};
use crate::fingerprint::Key;
use crate::identity::{self, PropertyRoot};
use crate::otlp;
use crate::stats::{Metric, Stats};

/// What the streams of a root context share with it.
pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) exporter: Exporter,
    pub(super) stats: Stats,
    pub(super) random: host::Random,
    pub(super) properties: PropertyRoot,
    /// By [`Metric`], as the host knows them; `None` where it refused one.
    metric_ids: Vec<Option<u32>>,
    grpc_service: Vec<u8>,
    calls: Calls,
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
}

/// Of one configuration; the counter tells how many there are.
const MAX_LOGGED_PROBLEMS: usize = 32;

pub(super) struct Root {
    shared: Rc<RefCell<Shared>>,
}

impl Root {
    pub(super) fn new() -> Self {
        let config = Config::default();
        let shared = Shared {
            exporter: Exporter::new(config.clone(), Vec::new()),
            config,
            stats: Stats::default(),
            random: host::Random::new(),
            properties: PropertyRoot::Xds,
            metric_ids: Vec::new(),
            grpc_service: Vec::new(),
            calls: Calls::Untried,
        };
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

    /// The last streams of this configuration are over: whoever comes next in this VM sends what is left.
    fn on_done(&mut self) -> bool {
        self.with(|shared| {
            let batches = shared.exporter.abandon(&mut shared.stats);
            LEFT_BEHIND.with_borrow_mut(|left| left.extend(batches));
            shared.report_stats();
        });
        true
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

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(Rc::clone(&self.shared))))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Shared {
    fn configure(&mut self, document: &[u8]) {
        let (mut config, problems) = config::parse(document);
        config.fingerprint.key.get_or_insert_with(|| Key::random(&mut || self.random.next()));
        self.metric_ids = Metric::ALL.iter().map(|metric| define(*metric)).collect();
        self.report_problems(document, &problems);
        self.properties = PropertyRoot::probe(&mut host::property);
        let resource = identity::resource_attributes(self.properties, &mut host::property);
        let resource = otlp::encode_resource(&resource);
        self.grpc_service = otlp::encode_grpc_service(&config.collector.cluster, &config.collector.authority);
        self.calls = Calls::Untried;
        if host::set_tick_period(config.batch.max_age_ms).is_err() {
            self.stats.add(Metric::HostErrors, 1);
            host::log(LogLevel::Error, "meshtap: the proxy refuses a timer, so no span can be sent");
        }
        let left = self.exporter.abandon(&mut self.stats);
        self.exporter = Exporter::new(config.clone(), resource);
        self.exporter.adopt(left, &mut self.stats);
        self.config = config;
        self.report_stats();
    }

    /// Once for each configuration, not once for each of the VMs that get it.
    fn report_problems(&mut self, document: &[u8], problems: &[Problem]) {
        if problems.is_empty() || !host::claim(&format!("meshtap.config.{:016x}", fingerprint(document))) {
            return;
        }
        self.stats.add(Metric::ConfigProblems, problems.len());
        for Problem { path, message } in problems.iter().take(MAX_LOGGED_PROBLEMS) {
            let path = if path.is_empty() { "(document)" } else { path };
            host::log(LogLevel::Warn, &format!("meshtap: plugin configuration: {path}: {message}"));
        }
        let more = problems.len().saturating_sub(MAX_LOGGED_PROBLEMS);
        if more > 0 {
            host::log(LogLevel::Warn, &format!("meshtap: plugin configuration: {more} more mistakes"));
        }
    }

    fn tick(&mut self) {
        let now = host::now();
        let left = LEFT_BEHIND.with_borrow_mut(std::mem::take);
        if !left.is_empty() {
            self.exporter.adopt(left, &mut self.stats);
        }
        let random = self.random.next();
        self.exporter.expire(now, random, &mut self.stats);
        while self.calls != Calls::Refused {
            let Some(batch) = self.exporter.next_batch(now, &mut self.stats) else { break };
            self.send(batch, now);
        }
        self.report_stats();
    }

    fn send(&mut self, batch: Batch, now: u64) {
        let timeout = self.config.collector.timeout_ms;
        let call = self.probe().and_then(|()| {
            host::grpc_call(&self.grpc_service, otlp::SERVICE, otlp::METHOD, &batch.message, timeout)
        });
        match call {
            Ok(token) => self.exporter.sent(token, batch, now, &mut self.stats),
            Err(status) => {
                let random = self.random.next();
                self.exporter.not_sent(batch, now, random, &mut self.stats);
                self.log_failure(&format!(
                    "the call cannot be made ({status:?}); is there a cluster of this name?"
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
        let probed = host::grpc_probe(&self.grpc_service, otlp::SERVICE, otlp::METHOD, timeout);
        self.calls = match probed {
            Ok(()) => Calls::Taken,
            Err(status) if status.is_call_failure() => Calls::Untried,
            Err(status) => {
                self.stats.add(Metric::HostErrors, 1);
                let cluster = &self.config.collector.cluster;
                let message =
                    format!("meshtap: the proxy refuses calls to {cluster:?} ({status:?}): nothing is sent");
                host::log(LogLevel::Error, &message);
                Calls::Refused
            }
        };
        probed
    }

    fn answered(&mut self, token: u32, status: u32, response_size: usize) {
        let failing_before = self.exporter.failures_in_a_row() > 0;
        let outcome = if status == 0 {
            let response = host::buffer(BufferType::GrpcReceiveBuffer, 0, response_size).unwrap_or_default();
            Outcome::Accepted { rejected_spans: otlp::rejected_spans(&response) }
        } else {
            Outcome::Status(status)
        };
        let random = self.random.next();
        if !self.exporter.answered(token, outcome, host::now(), random, &mut self.stats) {
            return;
        }
        match outcome {
            Outcome::Accepted { .. } if failing_before => {
                host::log(LogLevel::Info, "meshtap: the collector takes spans again");
            }
            Outcome::Status(status) => {
                self.log_failure(&format!("gRPC status {status} {}", host::grpc_status_message()));
            }
            _ => {}
        }
        self.report_stats();
    }

    /// Only the first of a row of failures: the counters tell the rest.
    fn log_failure(&self, reason: &str) {
        if self.exporter.failures_in_a_row() <= 1 {
            let cluster = &self.config.collector.cluster;
            host::log(LogLevel::Warn, &format!("meshtap: export to {cluster:?} failed: {reason}"));
        }
    }

    fn report_stats(&mut self) {
        let ids = &self.metric_ids;
        self.stats.take(|metric, change| {
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
    document
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
