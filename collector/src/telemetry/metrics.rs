//! Every metric of the collector, declared once.
//!
//! Two families: `meshtap_*` about the collector, `gen_ai_*` about the calls it has seen, named and bucketed after the
//! GenAI conventions 1.41. The latter count a span after the store has committed it, and only once.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::connections::ConnectionMetrics;
use super::export::{ExportMetrics, ExporterMetrics};
use super::exposition;
use super::labels::LabelRegistry;
use super::llmtrace::LlmTraceMetrics;
use super::queue::QueueMetrics;
use super::sidecar_configs::SidecarConfigs;
use super::tasks::TaskMetrics;
use super::tls::TlsMetrics;
use crate::config;
use crate::model::{SpanKind, SpanRecord};
use crate::sidecars::Sidecars;
use crate::store::{RollupCheck, Written};

/// The convention's boundaries for `gen_ai.client.token.usage`.
const TOKEN_BUCKETS: [f64; 14] = [
    1.,
    4.,
    16.,
    64.,
    256.,
    1024.,
    4096.,
    16384.,
    65536.,
    262_144.,
    1_048_576.,
    4_194_304.,
    16_777_216.,
    67_108_864.,
];
/// The convention's boundaries for durations.
const SECONDS_BUCKETS: [f64; 14] =
    [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/// From a commit on a fast disk to a store that is about to time out.
const WRITE_BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1., 5., 30.];

/// Declares an enum together with the one word that each variant has as a label's value.
macro_rules! reasons {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($variant),+ }

        impl $name {
            pub(super) const ALL: &'static [Self] = &[$(Self::$variant),+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}
pub(super) use reasons;

reasons! {
    /// Why a single span was refused. The sender is told, and must not send it again.
    Rejection {
        InvalidTraceId = "invalid_trace_id",
        InvalidSpanId = "invalid_span_id",
        InvalidParentSpanId = "invalid_parent_span_id",
        InvalidLink = "invalid_link",
        InvalidTime = "invalid_time",
        TooOld = "too_old",
        InTheFuture = "in_the_future",
        TooManyDays = "too_many_days",
        TooManySpans = "too_many_spans",
        TooManyAttributes = "too_many_attributes",
        TooManyEvents = "too_many_events",
        TooManyLinks = "too_many_links",
        SpanTooLarge = "span_too_large",
        ValueTooLong = "value_too_long",
        ValueTooDeep = "value_too_deep",
        ResourceTooLarge = "resource_too_large",
        DecodedTooLarge = "decoded_too_large",
        Malformed = "malformed",
    }
}

reasons! {
    /// Why a whole batch was answered with an error.
    BatchFailure {
        Overloaded = "overloaded",
        TooSlow = "too_slow",
        Timeout = "timeout",
        Interrupted = "interrupted",
        TooLarge = "too_large",
        Malformed = "malformed",
        Internal = "internal",
        QueueFull = "queue_full",
        DiskFull = "disk_full",
        QueueUnavailable = "queue_unavailable",
        Stopping = "stopping",
    }
}

impl BatchFailure {
    /// Those of requests that could be read.
    const OF_SPANS: [Self; 5] =
        [Self::Internal, Self::QueueFull, Self::DiskFull, Self::QueueUnavailable, Self::Stopping];
}

reasons! {
    /// How an attempt at storing a batch ended.
    Attempt {
        Stored = "stored",
        Unavailable = "unavailable",
        Overloaded = "overloaded",
        Refused = "refused",
    }
}

reasons! {
    /// Why stored spans are gone.
    Expiry { Retention = "retention", Capacity = "capacity" }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttributeLabels {
    attribute: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HttpLabels {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    gen_ai_operation_name: String,
    gen_ai_provider_name: String,
    gen_ai_request_model: String,
    service_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TokenLabels {
    gen_ai_operation_name: String,
    gen_ai_provider_name: String,
    gen_ai_request_model: String,
    service_name: String,
    gen_ai_token_type: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    gen_ai_operation_name: String,
    gen_ai_provider_name: String,
    gen_ai_request_model: String,
    service_name: String,
    error_type: String,
}

impl CallLabels {
    fn of_tokens(&self, gen_ai_token_type: &'static str) -> TokenLabels {
        let labels = self.clone();
        TokenLabels {
            gen_ai_operation_name: labels.gen_ai_operation_name,
            gen_ai_provider_name: labels.gen_ai_provider_name,
            gen_ai_request_model: labels.gen_ai_request_model,
            service_name: labels.service_name,
            gen_ai_token_type,
        }
    }
}

/// The histograms of a batch's calls by what their labels are made of: many calls have the same.
type Calls<'a> = HashMap<CallValues<'a>, CallHistograms, RandomState>;
type CallValues<'a> = (SpanKind, [Option<&'a str>; 4], Option<&'a str>);

struct CallHistograms {
    duration: Histogram,
    /// Of a client's call.
    labels: CallLabels,
    first_chunk: Option<Histogram>,
    /// Input and output.
    tokens: [Option<Histogram>; 2],
}

type HistogramFamily<L> = Family<L, Histogram, fn() -> Histogram>;

#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    labels: LabelRegistry,
    sidecars: Arc<Sidecars>,

    batches_received: Counter,
    batches_failed: Family<ReasonLabels, Counter>,
    batches_in_flight: Gauge,
    spans_received: Counter,
    heartbeats_received: Counter,
    spans_stored: Counter,
    spans_duplicate: Counter,
    spans_rejected: Family<ReasonLabels, Counter>,
    spans_failed: Family<ReasonLabels, Counter>,
    spans_expired: Family<ReasonLabels, Counter>,
    rollups_checked: Family<WriteLabels, Counter>,
    attributes_invalid: Family<AttributeLabels, Counter>,
    attempts: Family<WriteLabels, Counter>,
    store_write_seconds: HistogramFamily<WriteLabels>,
    http_requests: Family<HttpLabels, Counter>,
    query_results_cut: Family<ResultLabels, Counter>,
    queue: Arc<QueueMetrics>,
    tasks: TaskMetrics,
    tls: TlsMetrics,
    llmtrace: LlmTraceMetrics,
    export: ExportMetrics,
    connections: ConnectionMetrics,

    token_usage: HistogramFamily<TokenLabels>,
    operation_seconds: HistogramFamily<DurationLabels>,
    first_chunk_seconds: HistogramFamily<CallLabels>,
    server_request_seconds: HistogramFamily<DurationLabels>,
}

impl Metrics {
    pub fn new(config: &config::Metrics) -> Self {
        let mut registry = Registry::default();
        let labels =
            LabelRegistry::new(config.max_label_values, config.max_label_combinations, &mut registry);
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        let sidecars = Arc::<Sidecars>::default();
        registry.register_collector(Box::new(SidecarConfigs(Arc::clone(&sidecars))));
        registry.register("meshtap_build", "The version of meshtap that runs", build);
        let queue = Arc::new(QueueMetrics::new(&mut registry));
        let tasks = TaskMetrics::new(&mut registry);
        let tls = TlsMetrics::new(&mut registry);
        let llmtrace = LlmTraceMetrics::new(&mut registry);
        let export = ExportMetrics::new(&mut registry);
        let connections = ConnectionMetrics::new(&mut registry);
        let mut add = Declare(&mut registry);
        let seconds = || Histogram::new(SECONDS_BUCKETS);
        Self {
            batches_received: add.metric("meshtap_batches_received", "Export requests that could be read"),
            batches_failed: add.reasons(
                "meshtap_batches_failed",
                "Export requests answered with an error",
                BatchFailure::ALL.iter().map(|reason| reason.as_str()),
            ),
            batches_in_flight: add.metric("meshtap_batches_in_flight", "Export requests not yet answered"),
            spans_received: add.metric("meshtap_spans_received", "Spans in the requests that could be read"),
            heartbeats_received: add.metric(
                "meshtap_heartbeats_received",
                "Spans that were heartbeats of the filter, not stored",
            ),
            spans_stored: add.metric("meshtap_spans_stored", "Spans committed to the store"),
            spans_duplicate: add
                .metric("meshtap_spans_duplicate", "Spans that were stored already when they came again"),
            spans_rejected: add.reasons(
                "meshtap_spans_rejected",
                "Spans refused one by one, and reported to the sender as partial success",
                Rejection::ALL.iter().map(|reason| reason.as_str()),
            ),
            spans_failed: add.reasons(
                "meshtap_spans_failed",
                "Spans of requests that were answered with an error; the sender still has them",
                BatchFailure::OF_SPANS.iter().map(|reason| reason.as_str()),
            ),
            spans_expired: add.reasons(
                "meshtap_spans_expired",
                "Stored spans deleted by meshtap; ClickHouse deletes by itself and is not counted here",
                Expiry::ALL.iter().map(|reason| reason.as_str()),
            ),
            rollups_checked: add.metric(
                "meshtap_rollups_checked",
                "Hours and days of rollups compared with their rows: equal, or corrected before they were",
            ),
            attributes_invalid: add.metric(
                "meshtap_attributes_invalid",
                "Known attributes with a value of the wrong type or range: kept as they came, read as absent",
            ),
            attempts: add.attempts(),
            store_write_seconds: add.histogram(
                "meshtap_store_write_duration_seconds",
                "From handing a batch to the store to its answer",
                || Histogram::new(WRITE_BUCKETS),
            ),
            http_requests: add.metric("meshtap_http_requests", "HTTP requests answered, by route and status"),
            query_results_cut: add
                .metric("meshtap_query_results_cut", "Query results that reached a bound and were cut"),
            tasks,
            tls,
            llmtrace,
            export,
            connections,
            token_usage: add.histogram(
                "gen_ai_client_token_usage",
                "Tokens of a model call, as the caller saw them",
                || Histogram::new(TOKEN_BUCKETS),
            ),
            operation_seconds: add.histogram(
                "gen_ai_client_operation_duration_seconds",
                "Duration of a model call, as the caller saw it",
                seconds,
            ),
            first_chunk_seconds: add.histogram(
                "gen_ai_client_operation_time_to_first_chunk_seconds",
                "From the start of a streamed model call to its first chunk",
                seconds,
            ),
            server_request_seconds: add.histogram(
                "gen_ai_server_request_duration_seconds",
                "Duration of a model call, as the model server saw it",
                seconds,
            ),
            queue,
            labels,
            sidecars,
            registry,
        }
    }

    pub const fn queue(&self) -> &Arc<QueueMetrics> {
        &self.queue
    }

    pub const fn tasks(&self) -> &TaskMetrics {
        &self.tasks
    }

    pub const fn llmtrace(&self) -> &LlmTraceMetrics {
        &self.llmtrace
    }

    pub const fn tls(&self) -> &TlsMetrics {
        &self.tls
    }

    pub const fn connections(&self) -> &ConnectionMetrics {
        &self.connections
    }

    /// Of the backend of this name.
    pub fn exporter(&self, name: &str) -> ExporterMetrics {
        self.export.of(name)
    }

    /// What heartbeats told, to be written by who receives them.
    pub fn sidecars(&self) -> Arc<Sidecars> {
        Arc::clone(&self.sidecars)
    }

    /// The content type and the text for a scrape.
    pub fn render(&self, accept: &str) -> Result<(&'static str, String), std::fmt::Error> {
        exposition::render(&self.registry, accept)
    }

    /// A request that could be read and is now being worked on, until the guard is dropped.
    pub fn batch_received(&self, spans: usize) -> InFlight<'_> {
        self.batches_received.inc();
        self.spans_received.inc_by(spans as u64);
        self.batches_in_flight.inc();
        InFlight(&self.batches_in_flight)
    }

    /// `spans` are those of the request, when it could be read.
    pub fn batch_failed(&self, reason: BatchFailure, spans: usize) {
        let labels = ReasonLabels { reason: reason.as_str() };
        self.batches_failed.get_or_create(&labels).inc();
        if spans > 0 {
            self.spans_failed.get_or_create(&labels).inc_by(spans as u64);
        }
    }

    pub fn spans_rejected(&self, reason: Rejection, spans: usize) {
        let labels = ReasonLabels { reason: reason.as_str() };
        self.spans_rejected.get_or_create(&labels).inc_by(spans as u64);
    }

    pub fn attempt(&self, outcome: Attempt) {
        self.attempts.get_or_create(&WriteLabels { outcome: outcome.as_str() }).inc();
    }

    pub fn heartbeat_received(&self) {
        self.heartbeats_received.inc();
    }

    pub fn attribute_invalid(&self, attribute: &'static str) {
        self.attributes_invalid.get_or_create(&AttributeLabels { attribute }).inc();
    }

    pub fn spans_expired(&self, reason: Expiry, spans: u64) {
        self.spans_expired.get_or_create(&ReasonLabels { reason: reason.as_str() }).inc_by(spans);
    }

    pub fn rollups_checked(&self, check: RollupCheck) {
        for (outcome, parts) in [("equal", check.equal), ("corrected", check.corrected)] {
            self.rollups_checked.get_or_create(&WriteLabels { outcome }).inc_by(parts);
        }
    }

    pub fn store_write(&self, took: Duration, ok: bool) {
        let outcome = if ok { "ok" } else { "error" };
        self.store_write_seconds.get_or_create(&WriteLabels { outcome }).observe(took.as_secs_f64());
    }

    /// The store has committed the batch.
    pub fn batch_stored(&self, batch: &[SpanRecord], written: &Written) {
        let duplicates = written.duplicates.len();
        self.spans_duplicate.inc_by(duplicates as u64);
        self.spans_stored.inc_by(batch.len().saturating_sub(duplicates) as u64);
        if written.evicted > 0 {
            self.spans_expired(Expiry::Capacity, written.evicted);
        }
        let mut duplicates = written.duplicates.iter().peekable();
        let mut calls = Calls::default();
        for (position, span) in batch.iter().enumerate() {
            if duplicates.next_if(|duplicate| **duplicate == position).is_none() {
                self.observe_call(&mut calls, span);
            }
        }
    }

    pub fn http_request(&self, route: &str, status: u16) {
        self.http_requests.get_or_create(&HttpLabels { route: route.to_owned(), status }).inc();
    }

    pub fn query_result_cut(&self, result: &'static str) {
        self.query_results_cut.get_or_create(&ResultLabels { result }).inc();
    }

    fn observe_call<'a>(&self, calls: &mut Calls<'a>, span: &'a SpanRecord) {
        if span.call_side().is_none() {
            return;
        }
        let values = (span.kind, call_values(span).map(|(_, value)| value), span.error_type.as_deref());
        match span.kind {
            SpanKind::Client => {
                self.observe_client(calls.entry(values).or_insert_with(|| self.client(span)), span);
            }
            SpanKind::Server => {
                let histograms = calls.entry(values).or_insert_with(|| self.server(span));
                histograms.duration.observe(seconds(span.duration_nanos()));
            }
            _ => {}
        }
    }

    fn client(&self, span: &SpanRecord) -> CallHistograms {
        let duration = self.operation_seconds.get_or_create(&self.duration_labels(span)).clone();
        CallHistograms { duration, labels: self.call_labels(span), first_chunk: None, tokens: [None, None] }
    }

    fn server(&self, span: &SpanRecord) -> CallHistograms {
        let duration = self.server_request_seconds.get_or_create(&self.duration_labels(span)).clone();
        CallHistograms { duration, labels: CallLabels::default(), first_chunk: None, tokens: [None, None] }
    }

    fn observe_client(&self, histograms: &mut CallHistograms, span: &SpanRecord) {
        let CallHistograms { duration, labels, first_chunk, tokens } = histograms;
        duration.observe(seconds(span.duration_nanos()));
        if let Some(nanos) = span.gen_ai.time_to_first_chunk_nanos {
            let of_labels = || self.first_chunk_seconds.get_or_create(labels).clone();
            first_chunk.get_or_insert_with(of_labels).observe(seconds(nanos));
        }
        let usage = &span.gen_ai.usage;
        let counts = [("input", usage.input_tokens), ("output", usage.output_tokens)];
        for (histogram, (gen_ai_token_type, count)) in tokens.iter_mut().zip(counts) {
            let Some(count) = count else { continue };
            let of_labels = || self.token_usage.get_or_create(&labels.of_tokens(gen_ai_token_type)).clone();
            histogram.get_or_insert_with(of_labels).observe(approximate(count));
        }
    }

    fn call_labels(&self, span: &SpanRecord) -> CallLabels {
        let [gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, service_name] =
            self.labels.admit(call_values(span));
        CallLabels { gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, service_name }
    }

    fn duration_labels(&self, span: &SpanRecord) -> DurationLabels {
        let [operation, provider, model, service] = call_values(span);
        let error = ("error_type", span.error_type.as_deref());
        let [gen_ai_operation_name, gen_ai_provider_name, gen_ai_request_model, service_name, error_type] =
            self.labels.admit([operation, provider, model, service, error]);
        DurationLabels {
            gen_ai_operation_name,
            gen_ai_provider_name,
            gen_ai_request_model,
            service_name,
            error_type,
        }
    }
}

fn call_values(span: &SpanRecord) -> [(&'static str, Option<&str>); 4] {
    [
        ("gen_ai_operation_name", span.gen_ai.operation_name.as_deref()),
        ("gen_ai_provider_name", span.gen_ai.provider_name.as_deref()),
        ("gen_ai_request_model", span.gen_ai.request_model.as_deref()),
        ("service_name", span.origin.service_name.as_deref()),
    ]
}

fn seconds(nanos: u64) -> f64 {
    Duration::from_nanos(nanos).as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a histogram keeps no more precision")]
fn approximate(count: u64) -> f64 {
    count as f64
}

/// Counts one batch as in flight until dropped.
#[derive(Debug)]
pub struct InFlight<'a>(&'a Gauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Registers each metric where it is declared. Counters get their `_total` when they are written out.
pub(super) struct Declare<'a>(pub(super) &'a mut Registry);

impl Declare<'_> {
    /// Every outcome is there from the start.
    fn attempts(&mut self) -> Family<WriteLabels, Counter> {
        let attempts: Family<WriteLabels, Counter> =
            self.metric("meshtap_pump_attempts", "Attempts at storing a batch, by how they ended");
        for outcome in Attempt::ALL {
            drop(attempts.get_or_create(&WriteLabels { outcome: outcome.as_str() }));
        }
        attempts
    }

    pub(super) fn metric<M>(&mut self, name: &str, help: &str) -> M
    where
        M: prometheus_client::registry::Metric + Clone + Default,
    {
        let metric = M::default();
        self.0.register(name, help, metric.clone());
        metric
    }

    pub(super) fn register(
        &mut self,
        name: &str,
        help: &str,
        metric: impl prometheus_client::registry::Metric,
    ) {
        self.0.register(name, help, metric);
    }

    /// A counter that shows every reason from the start, so that an alert need not wait for the first one.
    pub(super) fn reasons(
        &mut self,
        name: &str,
        help: &str,
        reasons: impl Iterator<Item = &'static str>,
    ) -> Family<ReasonLabels, Counter> {
        let family: Family<ReasonLabels, Counter> = self.metric(name, help);
        for reason in reasons {
            drop(family.get_or_create(&ReasonLabels { reason }));
        }
        family
    }

    pub(super) fn histogram<L>(
        &mut self,
        name: &str,
        help: &str,
        make: fn() -> Histogram,
    ) -> HistogramFamily<L>
    where
        L: EncodeLabelSet + Clone + std::hash::Hash + Eq + Send + Sync + std::fmt::Debug + 'static,
    {
        let family = Family::new_with_constructor(make);
        self.0.register(name, help, family.clone());
        family
    }
}
