//! Configuration: one YAML file and `MESHTAP_*` variables become a validated [`Config`].
//!
//! Every key exists under both names; a variable wins over the file. All mistakes are reported together, each with its
//! path and a fix. Secrets do not show in `Debug` nor in messages.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::Level;

use self::mistakes::Mistakes;
use self::raw::Settings;
use self::read::Reader;
pub use self::wasm::Wasm;

pub mod mistakes;
pub mod raw;
mod read;
#[cfg(test)]
mod tests;
pub mod units;
mod wasm;

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub receive: Receive,
    pub http: Http,
    pub store: Store,
    pub metrics: Metrics,
    pub wasm: Wasm,
    pub log: Log,
    pub shutdown: Shutdown,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Receive {
    pub grpc: Grpc,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Grpc {
    /// `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Of one request, after decompression.
    pub max_message_bytes: usize,
    /// Requests beyond it are answered with RESOURCE_EXHAUSTED.
    pub max_concurrent_batches: usize,
    pub max_spans_per_batch: usize,
    /// Also bounds a resource's, an event's and a link's attributes.
    pub max_attributes_per_span: usize,
    pub max_events_per_span: usize,
    pub max_links_per_span: usize,
    /// Also bounds names and status messages.
    pub max_attribute_value_bytes: usize,
    /// All names and values of a span, its events and its links together.
    pub max_span_bytes: usize,
    /// All names and values of a resource together.
    pub max_resource_bytes: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Http {
    /// `host:port` of the API, `/metrics` and `/health`; port 0 takes a free one.
    pub listen: String,
    /// The largest `limit` of a query.
    pub max_limit: usize,
    /// Spans of one trace in an answer; more are cut, and the answer says so.
    pub max_trace_spans: usize,
    /// Queries at the same time; more are answered with 503.
    pub max_concurrent_queries: usize,
    /// How long a query may take.
    pub query_timeout: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    Sqlite,
    ClickHouse,
    Memory,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Store {
    pub kind: StoreKind,
    pub sqlite: Sqlite,
    pub clickhouse: ClickHouse,
    pub memory: Memory,
    /// How long spans are kept, from their start; `None` for ever.
    pub retention: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sqlite {
    pub path: PathBuf,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClickHouse {
    pub url: String,
    pub database: String,
    pub user: String,
    pub password: Secret,
    /// For one insert or one query.
    pub timeout: Duration,
    /// How many of the latest spans are remembered, to recognize those that come again.
    pub remembered_spans: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The oldest make room for more.
    pub max_spans: usize,
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
    "receive.grpc.max_message_bytes",
    "receive.grpc.max_concurrent_batches",
    "receive.grpc.max_spans_per_batch",
    "receive.grpc.max_attributes_per_span",
    "receive.grpc.max_events_per_span",
    "receive.grpc.max_links_per_span",
    "receive.grpc.max_attribute_value_bytes",
    "receive.grpc.max_span_bytes",
    "receive.grpc.max_resource_bytes",
    "http.listen",
    "http.max_limit",
    "http.max_trace_spans",
    "http.max_concurrent_queries",
    "http.query_timeout",
    "store.kind",
    "store.sqlite.path",
    "store.clickhouse.url",
    "store.clickhouse.database",
    "store.clickhouse.user",
    "store.clickhouse.password",
    "store.clickhouse.timeout",
    "store.clickhouse.remembered_spans",
    "store.memory.max_spans",
    "store.retention",
    "metrics.max_label_values",
    "metrics.max_label_combinations",
    "wasm.module",
    "wasm.archive",
    "wasm.archive_modules",
    "log.level",
    "log.format",
    "shutdown.deadline",
];

/// One request may hold this much at most, whatever is configured.
const MAX_MESSAGE_BYTES: usize = 256 << 20;
/// ClickHouse's dates of expiry end in 2106.
const MAX_RETENTION: Duration = Duration::from_hours(3_650 * 24);

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
        receive: Receive { grpc: read_grpc(reader) },
        http: read_http(reader),
        store: read_store(reader),
        metrics: Metrics {
            max_label_values: reader.count("metrics.max_label_values", 200),
            max_label_combinations: reader.count("metrics.max_label_combinations", 10_000),
        },
        wasm: Wasm::read(reader),
        log: read_log(reader),
        shutdown: Shutdown { deadline: reader.duration("shutdown.deadline", "20s") },
    }
}

fn read_grpc(reader: &mut Reader) -> Grpc {
    Grpc {
        listen: reader.listen("receive.grpc.listen", "127.0.0.1:4317"),
        max_message_bytes: reader.size("receive.grpc.max_message_bytes", "4MiB", MAX_MESSAGE_BYTES),
        max_concurrent_batches: reader.count("receive.grpc.max_concurrent_batches", 64),
        max_spans_per_batch: reader.count("receive.grpc.max_spans_per_batch", 10_000),
        max_attributes_per_span: reader.count("receive.grpc.max_attributes_per_span", 256),
        max_events_per_span: reader.count("receive.grpc.max_events_per_span", 128),
        max_links_per_span: reader.count("receive.grpc.max_links_per_span", 128),
        max_attribute_value_bytes: reader.size(
            "receive.grpc.max_attribute_value_bytes",
            "64KiB",
            MAX_MESSAGE_BYTES,
        ),
        max_span_bytes: reader.size("receive.grpc.max_span_bytes", "256KiB", MAX_MESSAGE_BYTES),
        max_resource_bytes: reader.size("receive.grpc.max_resource_bytes", "16KiB", MAX_MESSAGE_BYTES),
    }
}

fn read_http(reader: &mut Reader) -> Http {
    Http {
        listen: reader.listen("http.listen", "127.0.0.1:8080"),
        max_limit: reader.count("http.max_limit", 1_000),
        max_trace_spans: reader.count("http.max_trace_spans", 10_000),
        max_concurrent_queries: reader.count("http.max_concurrent_queries", 32),
        query_timeout: reader.duration("http.query_timeout", "30s"),
    }
}

fn read_store(reader: &mut Reader) -> Store {
    let kinds =
        [("sqlite", StoreKind::Sqlite), ("clickhouse", StoreKind::ClickHouse), ("memory", StoreKind::Memory)];
    Store {
        kind: reader.word("store.kind", StoreKind::Sqlite, &kinds),
        sqlite: Sqlite { path: PathBuf::from(reader.text("store.sqlite.path", "meshtap.db")) },
        clickhouse: ClickHouse {
            url: reader.text("store.clickhouse.url", "http://127.0.0.1:8123"),
            database: reader.text("store.clickhouse.database", "meshtap"),
            user: reader.text("store.clickhouse.user", "default"),
            password: Secret::new(reader.text("store.clickhouse.password", "")),
            timeout: reader.duration("store.clickhouse.timeout", "30s"),
            remembered_spans: reader.count("store.clickhouse.remembered_spans", 200_000),
        },
        memory: Memory { max_spans: reader.count("store.memory.max_spans", 100_000) },
        retention: reader.duration_or("store.retention", "30d", "forever"),
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
    let (grpc, http) = (&config.receive.grpc.listen, &config.http.listen);
    if grpc == http && !grpc.ends_with(":0") {
        mistakes.add(
            "http.listen",
            format!("is {http}, like receive.grpc.listen"),
            "give one of them another port",
        );
    }
    if config.store.sqlite.path.as_os_str().is_empty() {
        mistakes.add("store.sqlite.path", "is empty", "name a file, such as meshtap.db");
    }
    if config.store.retention.is_some_and(|retention| retention > MAX_RETENTION) {
        mistakes.add("store.retention", "is more than 3650d", "write forever to keep all spans");
    }
    check_clickhouse(&config.store.clickhouse, mistakes);
    config.wasm.check(mistakes);
}

fn check_clickhouse(config: &ClickHouse, mistakes: &mut Mistakes) {
    let path = "store.clickhouse.url";
    match config.url.parse::<axum::http::Uri>() {
        Ok(uri) if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) => {
            mistakes.add(
                path,
                "holds a user or password",
                "set store.clickhouse.user and store.clickhouse.password",
            );
        }
        Ok(uri)
            if matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.path() == "/"
                && uri.query().is_none() => {}
        _ => mistakes.add(
            path,
            format!("is not an http or https URL of a server: {:?}", config.url),
            "write it as http://host:8123",
        ),
    }
    let is_name = |name: &str| {
        name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
    };
    if !is_name(&config.database) {
        mistakes.add(
            "store.clickhouse.database",
            format!("is not a name of a database: {:?}", config.database),
            "use letters, digits and underscores",
        );
    }
}
