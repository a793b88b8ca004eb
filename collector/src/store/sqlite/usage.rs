//! Sums over model calls: from a rollup where one knows all that is asked for, from rows elsewhere.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::query::{Conditions, collect};
use super::rollup::{COUNTS, LATENCY, MEASURES, USAGE, USERS};
use crate::model::{Dimension, MAX_UNIX_NANOS};
use crate::store::histogram::{Histogram, bucket};
use crate::store::plan::{Plan, Rollup};
use crate::store::{LatencyRow, UsageQuery, UsageRow};

/// Where the calls of a query are read: SQL and its values.
struct Source {
    sql: String,
    values: Vec<Value>,
}

pub(super) fn usage(db: &Connection, query: &UsageQuery) -> rusqlite::Result<Vec<UsageRow>> {
    let answers = |rollup: &Rollup| rollup.answers(&query.group_by, &query.filter, query.interval_nanos);
    let sources = if answers(&USAGE) {
        let from = "usage_1m AS u CROSS JOIN keys AS k ON k.id = u.key";
        with_rollup(query, &USAGE, from, "u.minute", in_keys, &halves_of_sums())
    } else if answers(&USERS) {
        with_rollup(query, &USERS, "usage_users_1d AS u", "u.day", in_users, &halves_of_sums())
    } else {
        vec![rows(query, None, &halves_of_row())]
    };
    let mut sums = "sum(calls) AS total, sum(calls * is_error), sum(calls_with_usage)".to_owned();
    for name in COUNTS {
        let _ = write!(sums, ", sum({name}_high), sum({name}_low)");
    }
    let (sql, values) = statement(query, sources, &sums);
    let width = query.group_by.len();
    collect(db, &sql, values, |row| read_usage(row, width, query.interval_nanos.is_some()))
}

fn read_usage(row: &Row<'_>, width: usize, timed: bool) -> rusqlite::Result<UsageRow> {
    let (start_unix_nanos, group) = read_group(row, width, timed)?;
    let count = |column: usize| row.get::<_, i64>(width + 1 + column).map(i64::cast_unsigned);
    let sum = |position: usize| -> rusqlite::Result<Option<u64>> {
        let high: Option<i64> = row.get(width + 4 + 2 * position)?;
        let low: Option<i64> = row.get(width + 5 + 2 * position)?;
        Ok(high.zip(low).map(|(high, low)| joined(high, low)))
    };
    Ok(UsageRow {
        start_unix_nanos,
        group,
        calls: count(0)?,
        errors: count(1)?,
        calls_with_usage: count(2)?,
        input_tokens: sum(0)?,
        output_tokens: sum(1)?,
        cache_read_input_tokens: sum(2)?,
        cache_creation_input_tokens: sum(3)?,
        reasoning_output_tokens: sum(4)?,
    })
}

type Group = (Option<u64>, Vec<Option<String>>);

fn read_group(row: &Row<'_>, width: usize, timed: bool) -> rusqlite::Result<Group> {
    let start = row.get::<_, i64>(0)?.cast_unsigned();
    let group = (1..=width).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?;
    Ok((timed.then_some(start), group))
}

fn joined(high: i64, low: i64) -> u64 {
    let sum = (i128::from(high) << 32) + i128::from(low);
    u64::try_from(sum).unwrap_or(u64::MAX)
}

/// Halves, because sqlite's own sum fails beyond 63 bits.
fn halves_of_row() -> String {
    let columns = [
        "s.input_tokens",
        "s.output_tokens",
        "s.cache_read_input_tokens",
        "s.cache_creation_input_tokens",
        "s.reasoning_output_tokens",
    ];
    let mut sql = "1 AS calls, s.input_tokens IS NOT NULL OR s.output_tokens IS NOT NULL AS calls_with_usage"
        .to_owned();
    for (column, name) in columns.iter().zip(COUNTS) {
        let _ = write!(sql, ", {column} >> 32 AS {name}_high, {column} & 0xffffffff AS {name}_low");
    }
    sql
}

fn halves_of_sums() -> String {
    let mut sql = "u.calls, u.calls_with_usage".to_owned();
    for name in COUNTS {
        let _ = write!(sql, ", u.{name}_high, u.{name}_low");
    }
    sql
}

/// Histograms are put together here: one row for each group, measure and bucket would be more than the limit bounds.
pub(super) fn latency(db: &Connection, query: &UsageQuery) -> rusqlite::Result<Vec<LatencyRow>> {
    let groups = latency_groups(db, query)?;
    let mut positions: HashMap<Group, usize> = HashMap::new();
    let mut rows = Vec::with_capacity(groups.len());
    for (group, calls) in groups {
        positions.insert(group.clone(), rows.len());
        let (start_unix_nanos, group) = group;
        rows.push(LatencyRow { start_unix_nanos, group, calls, ..LatencyRow::default() });
    }
    let sums = "sum(calls), measure, bucket";
    let (sql, values) = grouped(query, latency_sources(query), sums, ", measure, bucket", "", None);
    let width = query.group_by.len();
    let timed = query.interval_nanos.is_some();
    let mut statement = db.prepare_cached(&sql)?;
    let mut found = statement.query(rusqlite::params_from_iter(values))?;
    while let Some(row) = found.next()? {
        let Entry::Occupied(position) = positions.entry(read_group(row, width, timed)?) else { continue };
        let calls = row.get::<_, i64>(width + 1)?.cast_unsigned();
        let measure: i64 = row.get(width + 2)?;
        if let Some(found) = rows.get_mut(*position.get()) {
            let histogram: &mut Histogram =
                if measure == MEASURES[0] { &mut found.duration } else { &mut found.time_to_first_chunk };
            histogram.add(row.get(width + 3)?, calls);
        }
    }
    Ok(rows)
}

/// The groups that are shown, with their calls: every call has a duration.
fn latency_groups(db: &Connection, query: &UsageQuery) -> rusqlite::Result<Vec<(Group, u64)>> {
    let sums = format!("sum(calls) FILTER (WHERE measure = {}) AS total", MEASURES[0]);
    let (sql, values) = statement(query, latency_sources(query), &sums);
    let width = query.group_by.len();
    collect(db, &sql, values, |row| {
        let group = read_group(row, width, query.interval_nanos.is_some())?;
        Ok((group, row.get::<_, i64>(width + 1)?.cast_unsigned()))
    })
}

fn latency_sources(query: &UsageQuery) -> Vec<Source> {
    let durations = format!("1 AS calls, {} AS measure, bucket(s.duration_nanos) AS bucket", MEASURES[0]);
    let chunks =
        format!("1 AS calls, {} AS measure, bucket(s.time_to_first_chunk_nanos) AS bucket", MEASURES[1]);
    let from_rows = |plan: Option<&Plan>| {
        let mut first_chunks = rows(query, plan, &chunks);
        first_chunks.sql.push_str(" AND s.time_to_first_chunk_nanos IS NOT NULL");
        [rows(query, plan, &durations), first_chunks]
    };
    if !LATENCY.answers(&query.group_by, &query.filter, query.interval_nanos) {
        return from_rows(None).into();
    }
    let plan = LATENCY.plan(query.filter.time);
    let mut sources: Vec<Source> =
        if plan.rows.is_empty() { Vec::new() } else { from_rows(Some(&plan)).into() };
    let from = "latency_5m AS u CROSS JOIN keys AS k ON k.id = u.key";
    let columns = "u.calls, u.measure, u.bucket";
    sources.extend(sums(query, &plan, &LATENCY, from, "u.five_minutes", in_keys, columns));
    sources
}

type Expression = fn(Dimension) -> &'static str;

/// A dimension, `call_side` and `is_error` by the key of a row or a rollup.
const fn in_keys(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Model => "coalesce(k.request_model, k.response_model)",
        Dimension::Provider => "k.provider_name",
        Dimension::Service => "k.service_name",
        Dimension::Workload => "k.workload",
        Dimension::Namespace => "k.namespace",
        Dimension::Operation => "k.operation_name",
        Dimension::User => "s.user_id",
        Dimension::Session => "s.session_id",
    }
}

/// In the sums by user, which know these two only.
const fn in_users(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Namespace => "nullif(u.namespace, '')",
        _ => "nullif(u.user_id, '')",
    }
}

fn with_rollup(
    query: &UsageQuery,
    rollup: &Rollup,
    from: &str,
    time: &str,
    expression: Expression,
    columns: &str,
) -> Vec<Source> {
    let plan = rollup.plan(query.filter.time);
    let mut sources = Vec::new();
    if !plan.rows.is_empty() {
        sources.push(rows(query, Some(&plan), &halves_of_row()));
    }
    sources.extend(sums(query, &plan, rollup, from, time, expression, columns));
    sources
}

/// From rows: all that match, or those that a plan leaves to rows.
fn rows(query: &UsageQuery, plan: Option<&Plan>, columns: &str) -> Source {
    let mut conditions = Conditions::of_calls(&query.filter, query.side);
    match plan {
        None => conditions.add_time(&[query.filter.time]),
        Some(plan) => conditions.add_time(&plan.rows),
    }
    let start = interval(query, "s.start_unix_nanos");
    Source {
        sql: format!(
            "SELECT {start} AS start, {}k.is_error AS is_error, {columns} \
             FROM spans AS s CROSS JOIN keys AS k ON k.id = s.key WHERE {}",
            dimensions(query, in_keys),
            conditions.sql
        ),
        values: conditions.values,
    }
}

/// From whole buckets of a rollup.
fn sums(
    query: &UsageQuery,
    plan: &Plan,
    rollup: &Rollup,
    from: &str,
    time: &str,
    expression: Expression,
    columns: &str,
) -> Option<Source> {
    if plan.buckets.is_empty() {
        return None;
    }
    let table = if from.contains(" keys ") { "k" } else { "u" };
    let mut values = vec![Value::Text(query.side.as_str().to_owned())];
    let mut sql = format!(
        "SELECT {} AS start, {}{table}.is_error AS is_error, {columns} FROM {from} \
         WHERE {table}.call_side = ? AND {time} >= {} AND {time} < {}",
        interval(query, &format!("{time} * {}", rollup.bucket_nanos)),
        dimensions(query, expression),
        plan.buckets.start,
        plan.buckets.end.min(MAX_UNIX_NANOS / rollup.bucket_nanos + 1),
    );
    for (dimension, value) in &query.filter.equals {
        let _ = write!(sql, " AND {} = ?", expression(*dimension));
        values.push(Value::Text(value.clone()));
    }
    if let Some(error) = query.filter.error {
        let _ = write!(sql, " AND {table}.is_error = {}", u8::from(error));
    }
    Some(Source { sql, values })
}

fn dimensions(query: &UsageQuery, expression: Expression) -> String {
    (0..).zip(&query.group_by).fold(String::new(), |mut sql, (position, dimension): (usize, _)| {
        let _ = write!(sql, "{} AS group_{position}, ", expression(*dimension));
        sql
    })
}

fn interval(query: &UsageQuery, nanos: &str) -> String {
    match query.interval_nanos {
        Some(interval) => format!("{nanos} / {interval} * {interval}"),
        None => "0".to_owned(),
    }
}

/// In the order of a report, where `sums` names the calls `total`; one row more than it holds.
fn statement(query: &UsageQuery, sources: Vec<Source>, sums: &str) -> (String, Vec<Value>) {
    let mut order = " ORDER BY start, total DESC".to_owned();
    for position in 0..query.group_by.len() {
        let _ = write!(order, ", group_{position} IS NULL, group_{position}");
    }
    grouped(query, sources, sums, "", &order, Some(query.limit.saturating_add(1)))
}

fn grouped(
    query: &UsageQuery,
    sources: Vec<Source>,
    sums: &str,
    also_by: &str,
    order: &str,
    limit: Option<usize>,
) -> (String, Vec<Value>) {
    let groups = (0..query.group_by.len()).fold(String::new(), |mut sql, position| {
        let _ = write!(sql, ", group_{position}");
        sql
    });
    let limit = limit.map_or_else(String::new, |limit| format!(" LIMIT {limit}"));
    let (parts, values): (Vec<String>, Vec<Vec<Value>>) =
        sources.into_iter().map(|source| (source.sql, source.values)).unzip();
    let sql = format!(
        "SELECT start{groups}, {sums} FROM ({}) GROUP BY start{groups}{also_by}{order}{limit}",
        parts.join(" UNION ALL ")
    );
    (sql, values.concat())
}

/// Has queries tell the bucket of a duration.
pub(super) fn register(db: &Connection) -> rusqlite::Result<()> {
    use rusqlite::functions::FunctionFlags;
    db.create_scalar_function(
        "bucket",
        1,
        FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_UTF8,
        |context| Ok(context.get::<Option<i64>>(0)?.map(|nanos| bucket(nanos.cast_unsigned()))),
    )
}
