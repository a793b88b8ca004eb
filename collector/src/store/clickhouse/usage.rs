//! Sums over model calls: from the settled part of a rollup where one knows all that is asked for, from rows elsewhere.

use std::fmt::Write as _;
use std::ops::Range;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::failed;
use super::query::{Conditions, time_condition};
use super::rollup::{self, HISTOGRAMS, Rows, SUMS, Table};
use crate::config::Retention;
use crate::model::{MAX_UNIX_NANOS, TimeRange};
use crate::store::histogram::Histogram;
use crate::store::{LatencyRow, StoreError, UsageQuery, UsageRow};

/// The five token counts of a row: their names in [`SUMS`].
const COUNTS: [&str; 5] = ["input", "output", "cache_read", "cache_creation", "reasoning"];

const CALLS: &str = "toUInt64(greatest(sum(calls), 0)) AS total_calls";

#[derive(Row, Deserialize)]
struct UsageSums {
    start: u64,
    groups: Vec<Option<String>>,
    total_calls: u64,
    errors: u64,
    with_usage: u64,
    input_sum: Option<u64>,
    output_sum: Option<u64>,
    cache_read_sum: Option<u64>,
    cache_creation_sum: Option<u64>,
    reasoning_sum: Option<u64>,
}

pub(super) async fn usage(
    client: &Client,
    retention: Retention,
    query: &UsageQuery,
) -> Result<Vec<UsageRow>, StoreError> {
    let mut outer = String::new();
    for name in COUNTS {
        // In 128 bits, because the sum of 64-bit values wraps. Without a call that had the count it is NULL.
        let _ = write!(
            outer,
            ", if(sum({name}_calls) > 0, \
             toUInt64(least(greatest(sum({name}_tokens), 0), toInt128('{}'))), NULL) AS {name}_sum",
            u64::MAX
        );
    }
    let select = format!(
        "{CALLS}, toUInt64(greatest(sumIf(calls, is_error), 0)) AS errors, \
         toUInt64(greatest(sum(calls_with_usage), 0)) AS with_usage{outer}"
    );
    let sources = Sources::of(client, retention, query, rollup::table_for(query, false)).await?;
    let (sql, conditions) = statement(query, &sources, &SUMS, &select);
    let rows: Vec<UsageSums> = conditions
        .bind(client.query(&sql))
        .fetch_all()
        .await
        .map_err(|error| failed("summing usage", error))?;
    Ok(rows.into_iter().map(|row| row.shown(query)).collect())
}

impl UsageSums {
    fn shown(self, query: &UsageQuery) -> UsageRow {
        UsageRow {
            start_unix_nanos: query.interval_nanos.map(|_| self.start),
            group: self.groups,
            calls: self.total_calls,
            errors: self.errors,
            calls_with_usage: self.with_usage,
            input_tokens: self.input_sum,
            output_tokens: self.output_sum,
            cache_read_input_tokens: self.cache_read_sum,
            cache_creation_input_tokens: self.cache_creation_sum,
            reasoning_output_tokens: self.reasoning_sum,
        }
    }
}

#[derive(Row, Deserialize)]
struct LatencySums {
    start: u64,
    groups: Vec<Option<String>>,
    total_calls: u64,
    durations: Vec<(u16, i64)>,
    first_chunks: Vec<(u16, i64)>,
}

pub(super) async fn latency(
    client: &Client,
    retention: Retention,
    query: &UsageQuery,
) -> Result<Vec<LatencyRow>, StoreError> {
    let select =
        format!("{CALLS}, sumMap(duration) AS durations, sumMap(time_to_first_chunk) AS first_chunks");
    let sources = Sources::of(client, retention, query, rollup::table_for(query, true)).await?;
    let columns = ["calls", HISTOGRAMS[0], HISTOGRAMS[1]];
    let (sql, conditions) = statement(query, &sources, &columns, &select);
    let rows: Vec<LatencySums> = conditions
        .bind(client.query(&sql))
        .fetch_all()
        .await
        .map_err(|error| failed("summing latencies", error))?;
    Ok(rows.into_iter().map(|row| row.shown(query)).collect())
}

impl LatencySums {
    fn shown(self, query: &UsageQuery) -> LatencyRow {
        LatencyRow {
            start_unix_nanos: query.interval_nanos.map(|_| self.start),
            group: self.groups,
            calls: self.total_calls,
            duration: histogram(self.durations),
            time_to_first_chunk: histogram(self.first_chunks),
        }
    }
}

fn histogram(counts: Vec<(u16, i64)>) -> Histogram {
    counts.into_iter().map(|(bucket, count)| (bucket, u64::try_from(count).unwrap_or(0))).collect()
}

/// Where the calls of a query are read.
struct Sources {
    rows: Vec<TimeRange>,
    rollup: Option<(&'static Table, Vec<Range<u64>>)>,
}

impl Sources {
    async fn of(
        client: &Client,
        retention: Retention,
        query: &UsageQuery,
        table: Option<&'static Table>,
    ) -> Result<Self, StoreError> {
        let Some(table) = table else { return Ok(Self { rows: vec![query.filter.time], rollup: None }) };
        let mut plan = table.rollup.plan(query.filter.time);
        plan.buckets.end = plan.buckets.end.min(MAX_UNIX_NANOS / table.rollup.bucket_nanos + 1);
        if plan.buckets.is_empty() {
            return Ok(Self { rows: plan.rows, rollup: None });
        }
        let settled = rollup::settled(client, table, &plan.buckets, retention).await?;
        let mut rows = plan.rows;
        rows.extend(rollup::unsettled(table, &plan.buckets, &settled));
        let rollup = (!settled.is_empty()).then_some((table, settled));
        Ok(Self { rows, rollup })
    }
}

/// Sums of the named columns over all sources, by interval and group.
fn statement(query: &UsageQuery, sources: &Sources, columns: &[&str], select: &str) -> (String, Conditions) {
    let groups: Vec<String> = (0..query.group_by.len()).map(|position| format!("group_{position}")).collect();
    let mut dimensions = String::new();
    for (name, dimension) in groups.iter().zip(&query.group_by) {
        let column = rollup::column(*dimension);
        let _ = write!(dimensions, "CAST(nullIf({column}, '') AS Nullable(String)) AS {name}, ");
    }
    let columns = format!("{dimensions}is_error, {}", columns.join(", "));

    let conditions = Conditions::of_calls(query);
    let mut parts = Vec::new();
    if !sources.rows.is_empty() {
        let times: Vec<String> = sources.rows.iter().map(|range| time_condition(*range)).collect();
        let times = format!("({})", times.join(" OR "));
        let rows = Rows { times: &times, conditions: Some(&conditions.sql) };
        parts.push(format!(
            "SELECT {} AS start, {columns} FROM ({})",
            interval(query, "at"),
            rollup::calls(&rows)
        ));
    }
    if let Some((table, settled)) = &sources.rollup {
        parts.push(rollup_part(query, table, settled, &columns));
    }
    let order = groups.iter().fold(String::new(), |mut order, group| {
        let _ = write!(order, ", {group} IS NULL, {group}");
        order
    });
    let by = [&["start".to_owned()], &groups[..]].concat().join(", ");
    let groups = if groups.is_empty() {
        "CAST([] AS Array(Nullable(String)))".to_owned()
    } else {
        format!("[{}]", groups.join(", "))
    };
    let sql = format!(
        "SELECT start, {groups} AS groups, {select} FROM ({}) GROUP BY {by} HAVING total_calls > 0 \
         ORDER BY start, total_calls DESC{order} LIMIT {}",
        parts.join(" UNION ALL "),
        query.limit.saturating_add(1),
    );
    (sql, conditions)
}

fn rollup_part(query: &UsageQuery, table: &Table, settled: &[Range<u64>], columns: &str) -> String {
    let Table { name, time, .. } = table;
    let start = interval(query, &format!("toUInt64({time}) * {}", table.rollup.bucket_nanos));
    let ranges: Vec<String> = settled
        .iter()
        .map(|range| format!("({time} >= {} AND {time} < {})", range.start, range.end))
        .collect();
    format!(
        "SELECT {start} AS start, {columns} FROM {name} WHERE {} AND ({})",
        Conditions::of_rollup(query),
        ranges.join(" OR ")
    )
}

fn interval(query: &UsageQuery, nanos: &str) -> String {
    match query.interval_nanos {
        Some(interval) => format!("toUInt64(intDiv({nanos}, {interval}) * {interval})"),
        None => "toUInt64(0)".to_owned(),
    }
}
