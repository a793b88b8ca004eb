//! Where spans are kept, and for how long.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use super::export::ClientTls;
use super::mistakes::Mistakes;
use super::read::Reader;
use crate::export::tls;

/// ClickHouse's dates of expiry end in 2106.
const MAX_RETENTION: Duration = Duration::from_hours(3_650 * 24);

/// Of spans in memory: as many take gigabytes.
const MAX_SPANS: usize = 100_000_000;

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
    /// How long the content of their messages is kept, which goes with its span at the latest.
    pub content_retention: Option<Duration>,
    /// How long the sums for usage and latency are kept.
    pub rollup_retention: Option<Duration>,
}

/// How long each kind of data is kept, from its start; `None` for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    pub spans: Option<Duration>,
    pub content: Option<Duration>,
    pub rollups: Option<Duration>,
}

impl Store {
    pub fn retention(&self) -> Retention {
        let content = match (self.retention, self.content_retention) {
            (Some(spans), Some(content)) => Some(spans.min(content)),
            (spans, content) => content.or(spans),
        };
        Retention { spans: self.retention, content, rollups: self.rollup_retention }
    }

    /// What is left for the collector to delete: ClickHouse does it by itself.
    pub fn retention_without_ttl(&self) -> Retention {
        match self.kind {
            StoreKind::ClickHouse => Retention::default(),
            StoreKind::Sqlite | StoreKind::Memory => self.retention(),
        }
    }
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
    /// Who signs the certificate of an https server; without it those that the system trusts.
    pub ca: Option<PathBuf>,
    /// For one insert or one query.
    pub timeout: Duration,
    /// How many of the latest spans are remembered, to recognize those that come again.
    pub remembered_spans: usize,
    /// The name of a cluster in the server's configuration; `None` for one server.
    pub cluster: Option<String>,
    /// Whether the tables of a cluster are replicated.
    pub replicated: bool,
    /// Whether the schema is applied at the start, or only checked.
    pub migrate: bool,
}

impl ClickHouse {
    /// `None` where the system says whom to trust.
    pub fn client_tls(&self) -> Option<ClientTls> {
        let ca = self.ca.clone()?;
        let section = "store.clickhouse".to_owned();
        Some(ClientTls { section, ca: Some(ca), ..ClientTls::default() })
    }
}

impl Default for ClickHouse {
    fn default() -> Self {
        super::Config::default().store.clickhouse
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// The oldest make room for more.
    pub max_spans: usize,
}

const CA: &str = "store.clickhouse.ca";

const YES_NO: [(&str, bool); 2] = [("true", true), ("false", false)];

pub(super) fn read(reader: &mut Reader) -> Store {
    let kinds =
        [("sqlite", StoreKind::Sqlite), ("clickhouse", StoreKind::ClickHouse), ("memory", StoreKind::Memory)];
    Store {
        kind: reader.word("store.kind", StoreKind::Sqlite, &kinds),
        sqlite: Sqlite { path: PathBuf::from(reader.text("store.sqlite.path", "meshtap.db")) },
        clickhouse: read_clickhouse(reader),
        memory: Memory { max_spans: reader.count_up_to("store.memory.max_spans", 100_000, MAX_SPANS) },
        retention: reader.duration_or("store.retention", "30d", "forever"),
        content_retention: reader.duration_or("store.content_retention", "7d", "forever"),
        rollup_retention: reader.duration_or("store.rollup_retention", "90d", "forever"),
    }
}

fn read_clickhouse(reader: &mut Reader) -> ClickHouse {
    ClickHouse {
        url: reader.text("store.clickhouse.url", "http://127.0.0.1:8123"),
        database: reader.text("store.clickhouse.database", "meshtap"),
        user: reader.text("store.clickhouse.user", "default"),
        password: Secret::new(reader.text("store.clickhouse.password", "")),
        ca: Some(reader.text(CA, "")).filter(|path| !path.is_empty()).map(PathBuf::from),
        timeout: reader.duration("store.clickhouse.timeout", "30s"),
        remembered_spans: reader.count_up_to("store.clickhouse.remembered_spans", 200_000, MAX_SPANS),
        cluster: Some(reader.text("store.clickhouse.cluster", "")).filter(|name| !name.is_empty()),
        replicated: reader.word("store.clickhouse.replicated", true, &YES_NO),
        migrate: reader.word("store.clickhouse.migrate", true, &YES_NO),
    }
}

pub(super) fn check(store: &Store, mistakes: &mut Mistakes) {
    if store.sqlite.path.as_os_str().is_empty() {
        mistakes.add("store.sqlite.path", "is empty", "name a file, such as meshtap.db");
    }
    for (path, retention) in [
        ("store.retention", store.retention),
        ("store.content_retention", store.content_retention),
        ("store.rollup_retention", store.rollup_retention),
    ] {
        if retention.is_some_and(|retention| retention > MAX_RETENTION) {
            mistakes.add(path, "is more than 3650d", "write forever to keep all");
        }
    }
    check_clickhouse(&store.clickhouse, mistakes);
}

fn check_clickhouse(config: &ClickHouse, mistakes: &mut Mistakes) {
    let path = "store.clickhouse.url";
    match config.url.parse::<http::Uri>() {
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
            format!("is not an http or https URL of a server: {}", shown(&config.url)),
            "write it as http://host:8123",
        ),
    }
    if let Some(Err(error)) = config.client_tls().as_ref().map(tls::config) {
        mistakes.add(&error.key, error.problem, error.fix);
    }
    if config.ca.is_some() && config.url.starts_with("http:") {
        mistakes.add(
            CA,
            "is set, and store.clickhouse.url is not https",
            "write the URL as https://host:8443",
        );
    }
    if !is_name(&config.database, "_") {
        mistakes.add(
            "store.clickhouse.database",
            format!("is not a name of a database: {:?}", config.database),
            "use letters, digits and underscores",
        );
    }
    if let Some(cluster) = config.cluster.as_deref().filter(|cluster| !is_name(cluster, "_-.{}")) {
        mistakes.add(
            "store.clickhouse.cluster",
            format!("is not a name of a cluster: {cluster:?}"),
            "use a name of system.clusters, or leave it empty for one server",
        );
    }
}

/// What stands before an `@` may be a password.
fn shown(url: &str) -> String {
    if url.contains('@') { "(not shown)".to_owned() } else { format!("{url:?}") }
}

fn is_name(name: &str, others: &str) -> bool {
    name.chars().all(|letter| letter.is_ascii_alphanumeric() || others.contains(letter))
        && name
            .starts_with(|first: char| first.is_ascii_alphabetic() || first == '_' || others.contains(first))
}
