//! Reads: a filter becomes conditions with bound values; no text of a request ever becomes SQL.

use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::row;
use crate::model::{Dimension, MAX_UNIX_NANOS, SpanRecord, TraceId};
use crate::store::{Order, Page, SpanFilter, UsageQuery, UsageRow};

/// One row more than the page holds, if there is one.
pub(super) fn spans(db: &Connection, filter: &SpanFilter, page: &Page) -> rusqlite::Result<Vec<SpanRecord>> {
    let mut conditions = Conditions::of(filter);
    let (direction, beyond) = match page.order {
        Order::NewestFirst => ("DESC", "<"),
        Order::OldestFirst => ("ASC", ">"),
    };
    if let Some(after) = page.after {
        conditions.add(
            &format!("(start_unix_nanos, trace_id, span_id) {beyond} (?, ?, ?)"),
            [
                integer(after.start_unix_nanos),
                Value::Blob(after.trace_id.0.to_vec()),
                Value::Blob(after.span_id.0.to_vec()),
            ],
        );
    }
    let sql = format!(
        "SELECT {} FROM spans WHERE {} \
         ORDER BY start_unix_nanos {direction}, trace_id {direction}, span_id {direction} LIMIT {}",
        row::column_list(),
        conditions.sql,
        page.limit.saturating_add(1),
    );
    collect(db, &sql, conditions.values, row::read)
}

pub(super) fn trace(db: &Connection, trace_id: TraceId, limit: usize) -> rusqlite::Result<Vec<SpanRecord>> {
    let sql = format!(
        "SELECT {} FROM spans WHERE trace_id = ? ORDER BY start_unix_nanos, trace_id, span_id LIMIT {}",
        row::column_list(),
        limit.saturating_add(1),
    );
    collect(db, &sql, vec![Value::Blob(trace_id.0.to_vec())], row::read)
}

/// Token columns whose sums a report carries, in the order in which `read_usage` takes them.
const SUMMED: [&str; 5] = [
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_output_tokens",
];

pub(super) fn usage(db: &Connection, query: &UsageQuery) -> rusqlite::Result<Vec<UsageRow>> {
    let mut conditions = Conditions::of(&query.filter);
    conditions.add("call_side = ?", [text(query.side.as_str())]);
    let groups: Vec<&str> = query.group_by.iter().map(|dimension| expression(*dimension)).collect();
    let mut columns = groups.join(", ");
    columns.push_str(", count(*)");
    let _ = write!(columns, ", sum({IS_ERROR})");
    columns.push_str(", sum(input_tokens IS NOT NULL OR output_tokens IS NOT NULL)");
    for column in SUMMED {
        // Halves, because sqlite's own sum fails beyond 63 bits.
        let _ = write!(columns, ", sum({column} >> 32), sum({column} & 0xffffffff)");
    }
    let order: String = groups.iter().fold(String::new(), |mut order, group| {
        let _ = write!(order, ", {group} IS NULL, {group}");
        order
    });
    let sql = format!(
        "SELECT {columns} FROM spans WHERE {} GROUP BY {} ORDER BY count(*) DESC{order} LIMIT {}",
        conditions.sql,
        groups.join(", "),
        query.limit.saturating_add(1),
    );
    let width = groups.len();
    collect(db, &sql, conditions.values, |row| read_usage(row, width))
}

fn read_usage(row: &Row<'_>, width: usize) -> rusqlite::Result<UsageRow> {
    let group = (0..width).map(|column| row.get(column)).collect::<rusqlite::Result<_>>()?;
    let count = |column: usize| row.get::<_, i64>(width + column).map(i64::cast_unsigned);
    let sum = |position: usize| -> rusqlite::Result<Option<u64>> {
        let high: Option<i64> = row.get(width + 3 + 2 * position)?;
        let low: Option<i64> = row.get(width + 4 + 2 * position)?;
        Ok(high.zip(low).map(|(high, low)| joined(high, low)))
    };
    Ok(UsageRow {
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

fn joined(high: i64, low: i64) -> u64 {
    let sum = (i128::from(high) << 32) + i128::from(low);
    u64::try_from(sum).unwrap_or(u64::MAX)
}

const IS_ERROR: &str = "(status = 'error' OR error_type IS NOT NULL)";

const fn expression(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Model => "coalesce(request_model, response_model)",
        Dimension::Provider => "provider_name",
        Dimension::Service => "service_name",
        Dimension::Workload => "workload",
        Dimension::Namespace => "namespace",
        Dimension::Operation => "operation_name",
    }
}

struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn of(filter: &SpanFilter) -> Self {
        let mut conditions = Self { sql: "1".to_owned(), values: Vec::new() };
        if let Some(from) = filter.time.from_unix_nanos {
            conditions.add("start_unix_nanos >= ?", [integer(from)]);
        }
        if let Some(to) = filter.time.to_unix_nanos.filter(|to| *to <= MAX_UNIX_NANOS) {
            conditions.add("start_unix_nanos < ?", [integer(to)]);
        }
        if let Some(trace_id) = filter.trace_id {
            conditions.add("trace_id = ?", [Value::Blob(trace_id.0.to_vec())]);
        }
        for (dimension, value) in &filter.equals {
            conditions.add(&format!("{} = ?", expression(*dimension)), [text(value)]);
        }
        match filter.error {
            Some(true) => conditions.add(IS_ERROR, []),
            Some(false) => conditions.add(&format!("NOT {IS_ERROR}"), []),
            None => {}
        }
        if let Some(end) = &filter.end {
            conditions.add("end_cause = ?", [text(end)]);
        }
        conditions
    }

    fn add<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.values.extend(values);
    }
}

/// A bound of a range may lie beyond what a span can have; it then means the same as the largest value.
fn integer(value: u64) -> Value {
    Value::Integer(i64::try_from(value).unwrap_or(i64::MAX))
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn collect<T>(
    db: &Connection,
    sql: &str,
    values: Vec<Value>,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(rusqlite::params_from_iter(values), read)?.collect()
}
