//! What the stores take of a machine: spans a second and bytes a span, for traffic of one shape ([`shape`]).
//!
//! Spans are made beforehand, a part at a time, and only the stores' own work is timed. Every batch is durable when it is
//! answered, and the next one is written after that.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use meshtap_collector::config::{self, Retention};
use meshtap_collector::store::clickhouse::ClickHouseStore;
use meshtap_collector::store::sqlite::SqliteStore;
use meshtap_collector::store::{Batch, SpanWriter, StoreError};

use crate::bench::Figure;
use crate::clickhouse::ClickHouse;
use crate::sandbox::Sandbox;

use self::shape::Shape;

pub mod shape;

/// Spans of one batch into SQLite, as senders have them, and into ClickHouse, as a pump gathers them.
const SQLITE_BATCH: usize = 512;
const CLICKHOUSE_BATCH: usize = 20_000;
/// Spans that are made before they are timed.
const PART: usize = 20_480;

/// What a store took.
#[derive(Clone, Debug)]
pub struct Taken {
    pub spans: u64,
    pub writing: Duration,
    /// On disk, by table; of ClickHouse after its merges.
    pub bytes: Vec<(String, u64)>,
}

impl Taken {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn spans_per_second(&self) -> f64 {
        self.spans as f64 / self.writing.as_secs_f64()
    }

    /// Of the tables whose names start so.
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    pub fn bytes_per_span(&self, table: &str) -> f64 {
        let bytes: u64 =
            self.bytes.iter().filter(|(name, _)| name.starts_with(table)).map(|(_, bytes)| bytes).sum();
        bytes as f64 / self.spans as f64
    }
}

/// The keys of `target/bench/collector.json` that are the stores'.
pub fn figures(sqlite: &Taken, clickhouse: &Taken) -> Vec<(&'static str, Figure)> {
    let rounded = |value: f64| (value * 10.0).round() / 10.0;
    vec![
        ("sqlite_spans_per_s", Figure::new(rounded(sqlite.spans_per_second()), "1/s")),
        ("sqlite_bytes_per_span", Figure::new(rounded(sqlite.bytes_per_span("")), "By")),
        ("clickhouse_rows_per_s", Figure::new(rounded(clickhouse.spans_per_second()), "1/s")),
        ("bytes_per_span", Figure::new(rounded(clickhouse.bytes_per_span("spans")), "By")),
        ("rollup_bytes_per_span", Figure::new(rounded(clickhouse.bytes_per_span("usage_")), "By")),
    ]
}

/// So many spans into a new file, in batches of 512.
pub async fn sqlite(spans: usize) -> Result<Taken, StoreError> {
    let sandbox = Sandbox::new("bench-sqlite");
    let path = sandbox.path("spans.db");
    let store = SqliteStore::open(&path).await?;
    let writing = write(&store, spans, SQLITE_BATCH).await?;
    store.close().await?;
    let bytes = fs::metadata(&path).map_or(0, |file| file.len());
    Ok(Taken { spans: spans as u64, writing, bytes: vec![(file_name(&path), bytes)] })
}

fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// So many spans into a server of its own, in batches of 20,000, and merged.
pub async fn clickhouse(spans: usize) -> Result<Taken, StoreError> {
    let sandbox = Sandbox::new("bench-clickhouse");
    let server = ClickHouse::start(&sandbox);
    let settings = config::ClickHouse {
        url: server.url(),
        database: server.database("bench"),
        timeout: Duration::from_mins(5),
        ..config::ClickHouse::default()
    };
    let store = ClickHouseStore::open(&settings, Retention::default()).await?;
    let writing = write(&store, spans, CLICKHOUSE_BATCH).await?;
    for table in ["spans", "usage_1m", "usage_users_1d"] {
        server.query(&format!("OPTIMIZE TABLE bench.{table} FINAL"));
    }
    let parts = server.query(
        "SELECT table, sum(bytes_on_disk), sum(rows) FROM system.parts \
         WHERE database = 'bench' AND active GROUP BY table ORDER BY table",
    );
    let bytes = parts.lines().filter_map(|line| {
        let mut fields = line.split('\t');
        Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
    });
    Ok(Taken { spans: spans as u64, writing, bytes: bytes.collect() })
}

/// How long the store took.
async fn write(store: &dyn SpanWriter, spans: usize, batch: usize) -> Result<Duration, StoreError> {
    let mut shape = Shape::new(spans);
    let mut took = Duration::ZERO;
    let mut left = spans;
    while left > 0 {
        let part = shape.next(left.min(PART));
        left -= part.len();
        let batches: Vec<Batch> = part.chunks(batch).map(Batch::of).collect();
        let started = Instant::now();
        for batch in batches {
            store.write(batch).await?;
        }
        took += started.elapsed();
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_per_span() {
        let taken = Taken {
            spans: 1000,
            writing: Duration::from_millis(500),
            bytes: vec![("spans".to_owned(), 72_000), ("usage_1m".to_owned(), 3_000)],
        };
        let figures = serde_json::to_value(figures(&taken, &taken).into_iter().collect::<Vec<_>>()).unwrap();
        assert_eq!(figures[0][1]["value"], 2000.0);
        assert_eq!(figures[3][0], "bytes_per_span");
        assert_eq!(figures[3][1]["value"], 72.0);
        assert_eq!(figures[4][1]["value"], 3.0);
    }
}
