//! Reads: a filter becomes conditions with bound values; no text of a request ever becomes SQL.

use std::fmt::Write as _;

use rusqlite::types::Value;
use rusqlite::{Connection, Row};

use super::pack::Unpacker;
use super::row::{self, Resources};
use crate::model::{CallSide, Dimension, MAX_UNIX_NANOS, SpanRecord, TimeRange, TraceId};
use crate::store::{Order, Page, SpanFilter};

/// One row more than the page holds, if there is one.
pub(super) fn spans(
    db: &Connection,
    dictionary: &[u8],
    filter: &SpanFilter,
    page: &Page,
) -> rusqlite::Result<Vec<SpanRecord>> {
    let mut conditions = Conditions::of(filter);
    let (direction, beyond) = match page.order {
        Order::NewestFirst => ("DESC", "<"),
        Order::OldestFirst => ("ASC", ">"),
    };
    if let Some(after) = page.after {
        conditions.add(
            &format!("(s.start_unix_nanos, s.trace_id, s.span_id) {beyond} (?, ?, ?)"),
            [
                integer(after.start_unix_nanos),
                Value::Blob(after.trace_id.0.to_vec()),
                Value::Blob(after.span_id.0.to_vec()),
            ],
        );
    }
    let sql = format!(
        "{} WHERE {} ORDER BY s.start_unix_nanos {direction}, s.trace_id {direction}, s.span_id {direction} LIMIT {}",
        row::SELECT,
        conditions.sql,
        page.limit.saturating_add(1),
    );
    records(db, dictionary, &sql, conditions.values)
}

pub(super) fn trace(
    db: &Connection,
    dictionary: &[u8],
    trace_id: TraceId,
    limit: usize,
) -> rusqlite::Result<Vec<SpanRecord>> {
    let sql = format!(
        "{} WHERE s.trace_id = ? ORDER BY s.start_unix_nanos, s.trace_id, s.span_id LIMIT {}",
        row::SELECT,
        limit.saturating_add(1),
    );
    records(db, dictionary, &sql, vec![Value::Blob(trace_id.0.to_vec())])
}

fn records(
    db: &Connection,
    dictionary: &[u8],
    sql: &str,
    values: Vec<Value>,
) -> rusqlite::Result<Vec<SpanRecord>> {
    let (mut unpacker, mut resources) = (Unpacker::new(dictionary), Resources::new());
    collect(db, sql, values, |row| row::read(row, &mut unpacker, &mut resources))
}

const fn by_key(dimension: Dimension) -> Option<&'static str> {
    match dimension {
        Dimension::Model => Some("coalesce(request_model, response_model)"),
        Dimension::Provider => Some("provider_name"),
        Dimension::Service => Some("service_name"),
        Dimension::Workload => Some("workload"),
        Dimension::Namespace => Some("namespace"),
        Dimension::Operation => Some("operation_name"),
        Dimension::User | Dimension::Session => None,
    }
}

/// Conditions on `spans AS s`.
pub(super) struct Conditions {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    fn of(filter: &SpanFilter) -> Self {
        let mut conditions = Self::untimed(filter, None);
        conditions.add_time(&[filter.time]);
        conditions
    }

    /// Model calls seen from that side, whenever they were.
    pub(super) fn of_calls(filter: &SpanFilter, side: CallSide) -> Self {
        Self::untimed(filter, Some(side))
    }

    fn untimed(filter: &SpanFilter, side: Option<CallSide>) -> Self {
        let mut conditions = Self { sql: "1".to_owned(), values: Vec::new() };
        if let Some(trace_id) = filter.trace_id {
            conditions.add("s.trace_id = ?", [Value::Blob(trace_id.0.to_vec())]);
        }
        conditions.add_keys(filter, side);
        for (dimension, value) in &filter.equals {
            match dimension {
                Dimension::User => conditions.add("s.user_id = ?", [text(value)]),
                Dimension::Session => conditions.add("s.session_id = ?", [text(value)]),
                _ => {}
            }
        }
        if let Some(end) = &filter.end {
            conditions.add("s.end_cause = ?", [text(end)]);
        }
        conditions
    }

    /// What the key of a span says, as one list of keys.
    fn add_keys(&mut self, filter: &SpanFilter, side: Option<CallSide>) {
        let mut keys = Self { sql: "1".to_owned(), values: Vec::new() };
        if let Some(side) = side {
            keys.add("call_side = ?", [text(side.as_str())]);
        }
        for (dimension, value) in &filter.equals {
            if let Some(column) = by_key(*dimension) {
                keys.add(&format!("{column} = ?"), [text(value)]);
            }
        }
        if let Some(error) = filter.error {
            keys.add("is_error = ?", [Value::Integer(i64::from(error))]);
        }
        if !keys.values.is_empty() {
            let _ = write!(self.sql, " AND s.key IN (SELECT id FROM keys WHERE {})", keys.sql);
            self.values.extend(keys.values);
        }
    }

    /// In one of the ranges.
    pub(super) fn add_time(&mut self, ranges: &[TimeRange]) {
        let mut any = Vec::new();
        for range in ranges {
            let mut sql =
                format!("s.start_unix_nanos >= {}", range.from_unix_nanos.unwrap_or(0).min(MAX_UNIX_NANOS));
            if let Some(to) = range.to_unix_nanos.filter(|to| *to <= MAX_UNIX_NANOS) {
                let _ = write!(sql, " AND s.start_unix_nanos < {to}");
            }
            any.push(format!("({sql})"));
        }
        let _ = write!(self.sql, " AND ({})", any.join(" OR "));
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

pub(super) fn collect<T>(
    db: &Connection,
    sql: &str,
    values: Vec<Value>,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    db.prepare_cached(sql)?.query_map(rusqlite::params_from_iter(values), read)?.collect()
}
