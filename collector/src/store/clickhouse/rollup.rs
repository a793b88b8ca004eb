//! The tables of sums, `usage_1m` and `usage_users_1d`: what they hold, and which part of them may be read.
//!
//! They are filled by materialized views, which count a span twice that is inserted twice, unless the server knows the
//! insert by its token. So a part of a rollup is *settled* when `check` has found it equal to a recount from rows and
//! it has as many calls as then; only what is settled is read, and rows in place of the rest. What is older than the
//! rows are kept counts as settled.

use std::cmp::Reverse;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::failed;
use crate::config::Retention;
use crate::model::{Dimension, MAX_UNIX_NANOS, TimeRange};
use crate::store::histogram::FRACTIONS;
use crate::store::plan::{NANOS_PER_DAY, NANOS_PER_HOUR, NANOS_PER_MINUTE, Rollup};
use crate::store::{StoreError, UsageQuery};

/// One of the tables.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: &'static str,
    /// The column of time: buckets since 1970.
    pub(super) time: &'static str,
    /// The columns that tell rows apart besides time.
    pub(super) keys: &'static [&'static str],
    pub(super) histograms: bool,
    pub(super) rollup: Rollup,
    /// What is checked at once.
    pub(super) check_nanos: u64,
}

pub(super) const TABLES: [&Table; 2] = [&USAGE, &USERS];

const USAGE: Table = Table {
    name: "usage_1m",
    time: "minute",
    keys: &[
        "call_side",
        "is_error",
        "namespace",
        "workload",
        "service_name",
        "provider_name",
        "model",
        "operation_name",
    ],
    histograms: true,
    rollup: Rollup {
        bucket_nanos: NANOS_PER_MINUTE,
        dimensions: &[
            Dimension::Model,
            Dimension::Provider,
            Dimension::Service,
            Dimension::Workload,
            Dimension::Namespace,
            Dimension::Operation,
        ],
    },
    check_nanos: NANOS_PER_HOUR,
};

const USERS: Table = Table {
    name: "usage_users_1d",
    time: "day",
    keys: &["call_side", "is_error", "namespace", "user_id"],
    histograms: false,
    rollup: Rollup { bucket_nanos: NANOS_PER_DAY, dimensions: &[Dimension::Namespace, Dimension::User] },
    check_nanos: NANOS_PER_DAY,
};

/// The sums that both tables hold, in the order of a usage row.
pub(super) const SUMS: [&str; 12] = [
    "calls",
    "calls_with_usage",
    "input_calls",
    "input_tokens",
    "output_calls",
    "output_tokens",
    "cache_read_calls",
    "cache_read_tokens",
    "cache_creation_calls",
    "cache_creation_tokens",
    "reasoning_calls",
    "reasoning_tokens",
];
pub(super) const HISTOGRAMS: [&str; 2] = ["duration", "time_to_first_chunk"];

/// The first table that knows all that is asked for.
pub(super) fn table_for(query: &UsageQuery, histograms: bool) -> Option<&'static Table> {
    TABLES.into_iter().find(|table| {
        table.rollup.answers(&query.group_by, &query.filter, query.interval_nanos)
            && (table.histograms || !histograms)
    })
}

impl Table {
    /// How many buckets are checked at once.
    pub(super) const fn buckets_per_check(&self) -> u64 {
        self.check_nanos / self.rollup.bucket_nanos
    }
}

/// The column of a rollup, or of [`calls`], that holds a dimension; '' where it is absent.
pub(super) const fn column(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Model => "model",
        Dimension::Provider => "provider_name",
        Dimension::Service => "service_name",
        Dimension::Workload => "workload",
        Dimension::Namespace => "namespace",
        Dimension::Operation => "operation_name",
        Dimension::User => "user_id",
        Dimension::Session => "session_id",
    }
}

/// Rows of model calls.
pub(super) struct Rows<'a> {
    pub(super) times: &'a str,
    /// What else must hold, of the first copy of a span.
    pub(super) conditions: Option<&'a str>,
}

impl Rows<'_> {
    /// Each span once, as it was stored first, which has the largest version. A copy that says another namespace, workload
    /// or model stays in the table beside it. Only what is asked for is read whole: of the others in the same time, the
    /// ids.
    fn first_stored(&self) -> String {
        let times = self.times;
        let wanted = self.conditions.map_or_else(|| times.to_owned(), |also| format!("{times} AND {also}"));
        let of_wanted = self.conditions.map_or_else(String::new, |_| {
            format!(" AND trace_id GLOBAL IN (SELECT trace_id FROM spans WHERE {wanted})")
        });
        format!(
            "SELECT {ROW_COLUMNS} FROM (SELECT trace_id, span_id, version, {ROW_COLUMNS} FROM spans \
             WHERE call_side IS NOT NULL AND {wanted}) AS found \
             GLOBAL ANY LEFT JOIN (SELECT trace_id, span_id, start_time, max(version) AS first FROM spans \
             WHERE {times}{of_wanted} GROUP BY trace_id, span_id, start_time HAVING count() > 1) AS copies \
             USING (trace_id, span_id, start_time) WHERE ifNull(first, 0) IN (0, version)"
        )
    }
}

/// Model calls from rows, each span once, with the columns of a rollup for one call and its start `at`.
pub(super) fn calls(rows: &Rows<'_>) -> String {
    let sums = [
        ("input", "input_tokens"),
        ("output", "output_tokens"),
        ("cache_read", "cache_read_input_tokens"),
        ("cache_creation", "cache_creation_input_tokens"),
        ("reasoning", "reasoning_output_tokens"),
    ]
    .map(|(name, column)| {
        format!(
            "toInt64(s.{column} IS NOT NULL) AS {name}_calls, toInt128(ifNull(s.{column}, 0)) AS {name}_tokens"
        )
    })
    .join(", ");
    format!(
        "SELECT toUInt64(toUnixTimestamp64Nano(s.start_time)) AS at, \
         CAST(assumeNotNull(s.call_side) AS LowCardinality(String)) AS call_side, \
         CAST(s.status = 'error' OR s.error_type IS NOT NULL AS Bool) AS is_error, {TEXTS}, \
         toInt64(1) AS calls, \
         toInt64(s.input_tokens IS NOT NULL OR s.output_tokens IS NOT NULL) AS calls_with_usage, {sums}, \
         map({duration}, toInt64(1)) AS duration, \
         if(s.time_to_first_chunk_nanos IS NULL, CAST(map() AS Map(UInt16, Int64)), map({chunk}, toInt64(1))) \
         AS time_to_first_chunk \
         FROM ({rows}) AS s",
        rows = rows.first_stored(),
        duration = bucket("s.duration_nanos"),
        chunk = bucket("ifNull(s.time_to_first_chunk_nanos, 0)"),
    )
}

const ROW_COLUMNS: &str = "start_time, duration_nanos, call_side, status, error_type, namespace, workload, \
    service_name, provider_name, request_model, response_model, operation_name, user_id, session_id, \
    input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens, reasoning_output_tokens, \
    time_to_first_chunk_nanos";

const TEXTS: &str = "CAST(ifNull(s.namespace, '') AS LowCardinality(String)) AS namespace, \
    CAST(ifNull(s.workload, '') AS LowCardinality(String)) AS workload, \
    CAST(ifNull(s.service_name, '') AS LowCardinality(String)) AS service_name, \
    CAST(ifNull(s.provider_name, '') AS LowCardinality(String)) AS provider_name, \
    CAST(coalesce(s.request_model, s.response_model, '') AS LowCardinality(String)) AS model, \
    CAST(ifNull(s.operation_name, '') AS LowCardinality(String)) AS operation_name, \
    ifNull(s.user_id, '') AS user_id, ifNull(s.session_id, '') AS session_id";

/// `histogram::bucket` in SQL.
fn bucket(nanos: &str) -> String {
    let bits = format!("reinterpretAsUInt64(toFloat64(greatest({nanos}, 1)))");
    let eighths = FRACTIONS.map(|bound| format!("(bitAnd({bits}, 4503599627370495) > {bound})")).join(" + ");
    format!("toUInt16((bitShiftRight({bits}, 52) - 1023) * 8 + {eighths})")
}

/// Ranges of buckets of a rollup that may be read, in order and apart from each other.
pub(super) async fn settled(
    client: &Client,
    table: &Table,
    buckets: &Range<u64>,
    retention: Retention,
) -> Result<Vec<Range<u64>>, StoreError> {
    let size = table.buckets_per_check();
    let last = MAX_UNIX_NANOS / table.check_nanos;
    let checks = (buckets.start / size)..(buckets.end.div_ceil(size)).min(last + 1);
    let gone = rows_gone_before(retention) / table.check_nanos;
    let mut settled: Vec<Range<u64>> = Vec::new();
    if gone > checks.start {
        settled.push(checks.start..gone.min(checks.end));
    }
    for check in checked(client, table, &checks).await? {
        match settled.last_mut() {
            Some(range) if range.contains(&check) => {}
            Some(range) if range.end == check => range.end += 1,
            _ => settled.push(check..check + 1),
        }
    }
    let clip =
        |range: Range<u64>| (range.start * size).max(buckets.start)..(range.end * size).min(buckets.end);
    let settled = settled.into_iter().map(clip).filter(|range| !range.is_empty()).collect();
    Ok(longest(settled, MOST_RANGES))
}

/// So that a query does not outgrow the server's bound (`max_query_size`): the others are read from rows.
const MOST_RANGES: usize = 200;

/// The longest of the ranges, in their order.
fn longest(mut ranges: Vec<Range<u64>>, most: usize) -> Vec<Range<u64>> {
    if ranges.len() > most {
        ranges.sort_by_key(|range| Reverse(range.end - range.start));
        ranges.truncate(most);
        ranges.sort_by_key(|range| range.start);
    }
    ranges
}

#[derive(Row, Deserialize)]
struct Check {
    bucket: u32,
}

/// The checks, in order, that found a part of the table equal to its rows, and since which it has not changed.
async fn checked(client: &Client, table: &Table, checks: &Range<u64>) -> Result<Vec<u64>, StoreError> {
    let Table { name, time, .. } = table;
    let size = table.buckets_per_check();
    let sql = format!(
        "SELECT bucket FROM (SELECT intDiv({time}, {size}) AS bucket, sum(calls) AS calls FROM {name} \
         WHERE {time} >= {from} AND {time} < {to} GROUP BY bucket) AS found \
         INNER JOIN (SELECT bucket, argMax(calls, checked_at) AS calls FROM rollup_checks \
         WHERE rollup = '{name}' AND bucket >= {first} AND bucket < {end} GROUP BY bucket) AS checked \
         ON found.bucket = checked.bucket AND found.calls = checked.calls ORDER BY bucket",
        from = checks.start * size,
        to = checks.end * size,
        first = checks.start,
        end = checks.end,
    );
    let found: Vec<Check> = client
        .query(&sql)
        .fetch_all()
        .await
        .map_err(|error| failed("reading which sums have been checked", error))?;
    Ok(found.into_iter().map(|check| u64::from(check.bucket)).collect())
}

/// Rows that started before it may have been deleted.
pub(super) fn rows_gone_before(retention: Retention) -> u64 {
    let Some(retention) = retention.spans else { return 0 };
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.saturating_sub(retention).as_nanos()).unwrap_or(0)
}

/// What of the buckets is not settled, as time.
pub(super) fn unsettled(table: &Table, buckets: &Range<u64>, settled: &[Range<u64>]) -> Vec<TimeRange> {
    let size = table.rollup.bucket_nanos;
    let mut rest = Vec::new();
    let mut next = buckets.start;
    let end = std::iter::once(buckets.end..buckets.end);
    for range in settled.iter().cloned().chain(end) {
        if next < range.start {
            rest.push(TimeRange {
                from_unix_nanos: Some(next * size),
                to_unix_nanos: range.start.checked_mul(size).filter(|to| *to <= MAX_UNIX_NANOS),
            });
        }
        next = range.end;
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(from: u64, to: Option<u64>) -> TimeRange {
        TimeRange {
            from_unix_nanos: Some(from * NANOS_PER_MINUTE),
            to_unix_nanos: to.map(|to| to * NANOS_PER_MINUTE),
        }
    }

    #[test]
    fn what_is_not_settled_is_read_from_rows() {
        assert_eq!(unsettled(&USAGE, &(3..9), &[]), [time(3, Some(9))]);
        assert_eq!(unsettled(&USAGE, &(3..9), &[4..5, 7..9]), [time(3, Some(4)), time(5, Some(7))]);
        let open = u64::MAX / NANOS_PER_MINUTE;
        assert_eq!(unsettled(&USAGE, &(3..open), &[3..4, 4..5]), [time(5, None)]);
        assert_eq!(unsettled(&USAGE, &(3..9), &[3..4, 4..9]), []);
    }

    #[test]
    fn the_longest_ranges_are_kept_in_order() {
        let ranges = vec![0..1, 2..5, 6..7, 8..12];
        assert_eq!(longest(ranges.clone(), 4), ranges);
        assert_eq!(longest(ranges, 2), [2..5, 8..12]);
    }

    /// The view of the migration and a recount must decide alike.
    #[test]
    fn buckets_are_those_of_the_migration() {
        let migration = include_str!("../../../migrations/clickhouse/0002_rollups.sql");
        for fraction in FRACTIONS {
            assert_eq!(migration.matches(&format!("_part > {fraction})")).count(), 2, "{fraction}");
        }
    }
}
