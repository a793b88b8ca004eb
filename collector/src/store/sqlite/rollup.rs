//! Sums over model calls, gathered while a transaction inserts spans and added to the tables before it commits: they
//! are always equal to a recount from rows.

use std::collections::HashMap;
use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Transaction, params_from_iter};

use crate::model::{CallSide, Dimension, SpanRecord};
use crate::store::histogram::bucket;
use crate::store::plan::{NANOS_PER_DAY, NANOS_PER_MINUTE, Rollup};

pub(super) const USAGE: Rollup = Rollup {
    bucket_nanos: NANOS_PER_MINUTE,
    dimensions: &[
        Dimension::Model,
        Dimension::Provider,
        Dimension::Service,
        Dimension::Workload,
        Dimension::Namespace,
        Dimension::Operation,
    ],
};
pub(super) const LATENCY: Rollup =
    Rollup { bucket_nanos: 5 * NANOS_PER_MINUTE, dimensions: USAGE.dimensions };
pub(super) const USERS: Rollup =
    Rollup { bucket_nanos: NANOS_PER_DAY, dimensions: &[Dimension::Namespace, Dimension::User] };

/// The token counts of a call, in the order of a usage row, by the names that their two halves have in the tables.
pub(super) const COUNTS: [&str; 5] = ["input", "output", "cache_read", "cache_creation", "reasoning"];
/// `measure` of a duration and of a time to the first chunk.
pub(super) const MEASURES: [i64; 2] = [0, 1];

#[derive(Default)]
pub(super) struct Sums {
    usage: HashMap<(u64, i64), Row>,
    users: HashMap<UserKey, Row>,
    latency: HashMap<(u64, i64, i64, u16), u64>,
}

#[derive(PartialEq, Eq, Hash)]
struct UserKey {
    day: u64,
    namespace: String,
    user_id: String,
    side: CallSide,
    is_error: bool,
}

#[derive(Default)]
struct Row {
    calls: u64,
    calls_with_usage: u64,
    tokens: [Option<u128>; COUNTS.len()],
}

impl Row {
    fn add(&mut self, span: &SpanRecord) {
        let usage = &span.gen_ai.usage;
        self.calls += 1;
        self.calls_with_usage += u64::from(usage.is_known());
        let counts = [
            usage.input_tokens,
            usage.output_tokens,
            usage.cache_read_input_tokens,
            usage.cache_creation_input_tokens,
            usage.reasoning_output_tokens,
        ];
        for (sum, count) in self.tokens.iter_mut().zip(counts) {
            if let Some(count) = count {
                *sum = Some(sum.unwrap_or(0) + u128::from(count));
            }
        }
    }

    fn values(&self) -> impl Iterator<Item = Value> {
        let halves = self.tokens.iter().flat_map(|sum| match sum {
            None => [Value::Null, Value::Null],
            Some(sum) => [half(sum >> 32), half(sum & 0xffff_ffff)],
        });
        [integer(self.calls), integer(self.calls_with_usage)].into_iter().chain(halves)
    }
}

fn half(half: u128) -> Value {
    Value::Integer(i64::try_from(half).unwrap_or(i64::MAX))
}

fn integer(value: u64) -> Value {
    Value::Integer(value.cast_signed())
}

impl Sums {
    /// The span has been stored, with this key.
    pub(super) fn add(&mut self, span: &SpanRecord, key: i64) {
        let Some(side) = span.call_side() else { return };
        let start = span.start_unix_nanos;
        self.usage.entry((start / USAGE.bucket_nanos, key)).or_default().add(span);
        let text = |dimension| span.dimension(dimension).unwrap_or_default().to_owned();
        let user = UserKey {
            day: start / USERS.bucket_nanos,
            namespace: text(Dimension::Namespace),
            user_id: text(Dimension::User),
            side,
            is_error: span.is_error(),
        };
        self.users.entry(user).or_default().add(span);
        let durations = [Some(span.duration_nanos()), span.gen_ai.time_to_first_chunk_nanos];
        for (measure, nanos) in MEASURES.into_iter().zip(durations) {
            if let Some(nanos) = nanos {
                let histogram = (start / LATENCY.bucket_nanos, key, measure, bucket(nanos));
                *self.latency.entry(histogram).or_default() += 1;
            }
        }
    }

    pub(super) fn store(self, db: &Transaction<'_>) -> rusqlite::Result<()> {
        let mut statement = db.prepare_cached(&upsert("usage_1m", &["minute", "key"]))?;
        for ((minute, key), row) in &self.usage {
            let values = [integer(*minute), Value::Integer(*key)].into_iter().chain(row.values());
            statement.execute(params_from_iter(values))?;
        }
        let keys = ["day", "namespace", "user_id", "call_side", "is_error"];
        let mut statement = db.prepare_cached(&upsert("usage_users_1d", &keys))?;
        for (user, row) in &self.users {
            let key = [
                integer(user.day),
                Value::Text(user.namespace.clone()),
                Value::Text(user.user_id.clone()),
                Value::Text(user.side.as_str().to_owned()),
                integer(u64::from(user.is_error)),
            ];
            statement.execute(params_from_iter(key.into_iter().chain(row.values())))?;
        }
        let mut statement = db.prepare_cached(
            "INSERT INTO latency_5m VALUES (?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET calls = calls + excluded.calls",
        )?;
        for ((five_minutes, key, measure, bucket), calls) in &self.latency {
            statement.execute((five_minutes.cast_signed(), key, measure, bucket, calls.cast_signed()))?;
        }
        Ok(())
    }
}

/// Adds a row to the one with the same key. The sum of what is unknown and a number is the number.
fn upsert(table: &str, keys: &[&str]) -> String {
    let halves: Vec<String> =
        COUNTS.iter().flat_map(|name| [format!("{name}_high"), format!("{name}_low")]).collect();
    let marks = vec!["?"; keys.len() + 2 + halves.len()].join(", ");
    let sums = halves.iter().fold(String::new(), |mut sql, half| {
        let _ = write!(sql, ", {half} = coalesce({half} + excluded.{half}, {half}, excluded.{half})");
        sql
    });
    format!(
        "INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({}) DO UPDATE SET calls = calls + excluded.calls, \
         calls_with_usage = calls_with_usage + excluded.calls_with_usage{sums}",
        keys.join(", ")
    )
}
