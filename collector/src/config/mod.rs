//! Configuration: one YAML file and `MESHTAP_*` variables become a validated [`Config`].
//!
//! Every key exists under both names; a variable wins over the file. All mistakes are reported together, each with its
//! path and a fix. Secrets do not show in `Debug` nor in messages.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::Level;

pub use self::export::{ClientTls, Compression, Exporter, Protocol};
pub use self::llmtrace::LlmTrace;
use self::mistakes::Mistakes;
pub use self::queue::{Pump, Queue};
use self::raw::Settings;
use self::read::Reader;
pub use self::receive::{Limits, Receive, SpanAge};
pub use self::store::{ClickHouse, Memory, Retention, Sqlite, Store, StoreKind};
pub use self::tls::{Tls, TlsKeys};
pub use self::wasm::Wasm;

mod export;
mod listeners;
mod llmtrace;
pub mod mistakes;
mod queue;
pub mod raw;
mod read;
mod receive;
pub mod store;
#[cfg(test)]
mod tests;
mod tls;
pub mod units;
mod wasm;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub receive: Receive,
    pub queue: Queue,
    pub pump: Pump,
    pub export: Vec<Exporter>,
    pub http: Http,
    pub store: Store,
    pub metrics: Metrics,
    pub wasm: Wasm,
    pub log: Log,
    pub shutdown: Shutdown,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// `host:port` of the API, `/metrics` and `/health`; port 0 takes a free one.
    pub listen: String,
    /// The largest `limit` of a query.
    pub max_limit: usize,
    /// Spans of one trace in an answer; more are cut, and the answer says so.
    pub max_trace_spans: usize,
    /// Bytes of the spans in an answer; more are cut, and the answer says where to go on.
    pub max_response_bytes: usize,
    /// Queries at the same time, each until its answer has been taken; more are answered with 503.
    pub max_concurrent_queries: usize,
    /// How long a query may take.
    pub query_timeout: Duration,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Metrics {
    /// Values per label; others become `_OTHER`.
    pub max_label_values: usize,
    /// Combinations of label values; others become `_OTHER` throughout.
    pub max_label_combinations: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    pub level: Level,
    pub format: LogFormat,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Shutdown {
    /// How long what is under way may take to finish.
    pub deadline: Duration,
}

/// Text that is not shown.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(empty)" } else { "(redacted)" })
    }
}

/// Every key there is.
pub const KEYS: &[&str] = &[
    "receive.grpc.listen",
    "receive.grpc.tls.cert",
    "receive.grpc.tls.key",
    "receive.grpc.tls.client_ca",
    "receive.grpc.tls.reload_interval",
    "receive.http.listen",
    "receive.http.tls.cert",
    "receive.http.tls.key",
    "receive.http.tls.client_ca",
    "receive.http.tls.reload_interval",
    "receive.llmtrace.listen",
    "receive.max_connections",
    "receive.idle_timeout",
    "receive.handshake_timeout",
    "receive.write_timeout",
    "receive.body_timeout",
    "receive.stall_timeout",
    "receive.drain_timeout",
    "receive.limits.max_message_bytes",
    "receive.limits.max_incoming_bytes",
    "receive.limits.max_concurrent_batches",
    "receive.limits.max_spans_per_batch",
    "receive.limits.max_attributes_per_span",
    "receive.limits.max_events_per_span",
    "receive.limits.max_links_per_span",
    "receive.limits.max_attribute_value_bytes",
    "receive.limits.max_value_depth",
    "receive.limits.max_span_bytes",
    "receive.limits.max_resource_bytes",
    "receive.limits.max_span_age",
    "receive.limits.max_clock_skew",
    "receive.limits.max_days_per_batch",
    "queue.path",
    "queue.max_bytes",
    "queue.segment_bytes",
    "queue.max_parked_bytes",
    "queue.max_waiting",
    "pump.max_batch_spans",
    "pump.max_batch_bytes",
    "pump.max_batch_age",
    "pump.max_attempts",
    "pump.min_backoff",
    "pump.max_backoff",
    "export.*.endpoint",
    "export.*.protocol",
    "export.*.headers",
    "export.*.compression",
    "export.*.timeout",
    "export.*.max_backlog_bytes",
    "export.*.max_in_flight",
    "export.*.min_backoff",
    "export.*.max_backoff",
    "export.*.tls.ca",
    "export.*.tls.cert",
    "export.*.tls.key",
    "export.*.tls.reload_interval",
    "http.listen",
    "http.max_limit",
    "http.max_trace_spans",
    "http.max_response_bytes",
    "http.max_concurrent_queries",
    "http.query_timeout",
    "store.kind",
    "store.sqlite.path",
    "store.clickhouse.url",
    "store.clickhouse.database",
    "store.clickhouse.user",
    "store.clickhouse.password",
    "store.clickhouse.ca",
    "store.clickhouse.timeout",
    "store.clickhouse.remembered_spans",
    "store.clickhouse.cluster",
    "store.clickhouse.replicated",
    "store.clickhouse.migrate",
    "store.memory.max_spans",
    "store.retention",
    "store.content_retention",
    "store.rollup_retention",
    "metrics.max_label_values",
    "metrics.max_label_combinations",
    "wasm.module",
    "wasm.archive",
    "wasm.archive_modules",
    "log.level",
    "log.format",
    "shutdown.deadline",
];

impl Config {
    /// Reads the file, if one is named by the argument or by `MESHTAP_CONFIG`, and the environment.
    pub fn load(file: Option<&Path>) -> Result<Self, Mistakes> {
        let file =
            file.map(Path::to_owned).or_else(|| std::env::var_os(raw::CONFIG_VARIABLE).map(PathBuf::from));
        let mut mistakes = Mistakes::default();
        let text = file.map_or_else(String::new, |file| {
            std::fs::read_to_string(&file).unwrap_or_else(|error| {
                let path = file.display().to_string();
                mistakes.add(
                    &path,
                    format!("cannot be read: {error}"),
                    "check the path given by --config or MESHTAP_CONFIG",
                );
                String::new()
            })
        });
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.to_string_lossy().into_owned()))
        });
        Self::parse(&text, variables, mistakes)
    }

    /// What is taken in, with regard to how long it is kept.
    pub fn limits(&self) -> Limits {
        let max_span_age = match (self.receive.limits.max_span_age, self.store.retention) {
            (SpanAge::Retention, Some(retention)) => SpanAge::Within(retention),
            (SpanAge::Retention, None) => SpanAge::Unlimited,
            (age, _) => age,
        };
        Limits { max_span_age, ..self.receive.limits }
    }

    fn parse(
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
        mut mistakes: Mistakes,
    ) -> Result<Self, Mistakes> {
        let mut settings = Settings::default();
        settings.read_file(text, KEYS, &mut mistakes);
        settings.read_environment(variables, KEYS, &mut mistakes);
        let mut reader = Reader { settings, mistakes };
        let config = read(&mut reader);
        check(&config, &mut reader.mistakes);
        if reader.mistakes.is_empty() { Ok(config) } else { Err(reader.mistakes) }
    }
}

/// What holds where nothing is configured.
impl Default for Config {
    fn default() -> Self {
        read(&mut Reader { settings: Settings::default(), mistakes: Mistakes::default() })
    }
}

fn read(reader: &mut Reader) -> Config {
    Config {
        receive: receive::read(reader),
        queue: queue::read_queue(reader),
        pump: queue::read_pump(reader),
        export: export::read(reader),
        http: read_http(reader),
        store: store::read(reader),
        metrics: Metrics {
            max_label_values: reader.count_up_to("metrics.max_label_values", 200, 1_000_000),
            max_label_combinations: reader.count_up_to("metrics.max_label_combinations", 10_000, 1_000_000),
        },
        wasm: Wasm::read(reader),
        log: read_log(reader),
        shutdown: Shutdown { deadline: reader.duration("shutdown.deadline", "20s") },
    }
}

/// An answer is put together in memory.
const MAX_RESPONSE_BYTES: usize = 1 << 30;

fn read_http(reader: &mut Reader) -> Http {
    Http {
        listen: reader.listen("http.listen", "127.0.0.1:8080"),
        max_limit: reader.count_up_to("http.max_limit", 1_000, 1_000_000),
        max_trace_spans: reader.count_up_to("http.max_trace_spans", 10_000, 1_000_000),
        max_response_bytes: reader.size("http.max_response_bytes", "16MiB", MAX_RESPONSE_BYTES),
        max_concurrent_queries: reader.count_up_to("http.max_concurrent_queries", 32, 100_000),
        query_timeout: reader.duration("http.query_timeout", "30s"),
    }
}

fn read_log(reader: &mut Reader) -> Log {
    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    Log {
        level: reader.word("log.level", Level::INFO, &levels),
        format: reader.word(
            "log.format",
            LogFormat::Text,
            &[("text", LogFormat::Text), ("json", LogFormat::Json)],
        ),
    }
}

/// What one value alone cannot show.
fn check(config: &Config, mistakes: &mut Mistakes) {
    listeners::check(config, mistakes);
    receive::check(&config.receive, mistakes);
    store::check(&config.store, mistakes);
    queue::check(&config.queue, &config.pump, mistakes);
    export::check(&config.export, &config.queue, mistakes);
    config.wasm.check(mistakes);
}
