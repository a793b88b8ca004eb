//! Reads: a filter becomes conditions with server-side parameters; no text of a request ever becomes SQL.
//!
//! A list is read in two steps: the keys of a page from narrow columns, in bounded memory however much is stored, then
//! the rows of those keys.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use clickhouse::query::Query;
use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::failed;
use super::rollup;
use super::row::{ContentRow, SpanRow};
use crate::model::{Dimension, MAX_UNIX_NANOS, SpanId, SpanKey, SpanRecord, TimeRange, TraceId};
use crate::store::content::Content;
use crate::store::plan::NANOS_PER_HOUR;
use crate::store::{Order, Page, SpanFilter, StoreError, UsageQuery};

const IS_ERROR: &str = "(status = 'error' OR error_type IS NOT NULL)";

#[derive(Row, Deserialize)]
struct KeyRow {
    start_time: i64,
    trace_id: [u8; 16],
    span_id: [u8; 8],
}

impl From<KeyRow> for SpanKey {
    fn from(row: KeyRow) -> Self {
        Self {
            start_unix_nanos: row.start_time.cast_unsigned(),
            trace_id: TraceId(row.trace_id),
            span_id: SpanId(row.span_id),
        }
    }
}

/// One row more than the page holds, if there is one.
///
/// What comes again with another model may match where the first one, which counts, does not: the filter is put to the
/// first one too, and more keys are read where it fails.
pub(super) async fn spans(
    client: &Client,
    filter: &SpanFilter,
    page: &Page,
) -> Result<Vec<SpanRecord>, StoreError> {
    let wanted = page.limit.saturating_add(1);
    let (mut found, mut after, mut chunk) = (Vec::new(), page.after, wanted);
    loop {
        let mut keys = key_rows(client, filter, page.order, after, chunk).await?;
        let is_last = keys.len() < chunk;
        after = keys.last().copied();
        // Rows of one span come next to each other.
        keys.dedup();
        let first = first_stored(client, keys, page.order).await?;
        found.extend(first.into_iter().filter(|record| filter.matches(record)));
        if is_last || found.len() >= wanted {
            found.truncate(wanted);
            return Ok(found);
        }
        chunk = chunk.saturating_mul(2).min(MOST_KEYS.max(wanted));
    }
}

/// Keys that are looked up at once, unless a page has more.
const MOST_KEYS: usize = 1_000;

/// The spans with these keys, as they were stored first.
async fn first_stored(
    client: &Client,
    keys: Vec<SpanKey>,
    order: Order,
) -> Result<Vec<SpanRecord>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let direction = direction(order);
    let sql = format!(
        "SELECT ?fields FROM spans WHERE hour IN {{hours:Array(UInt32)}} AND {IDS_CONDITION} \
         ORDER BY start_time {direction}, trace_id {direction}, span_id {direction}, version DESC \
         LIMIT 1 BY start_time, trace_id, span_id"
    );
    let hours: HashSet<u64> = keys.iter().map(|key| key.start_unix_nanos / NANOS_PER_HOUR).collect();
    let hours: Vec<u64> = hours.into_iter().collect();
    let query = client.query(&sql).param("ids", ids(&keys)).param("hours", hours);
    let mut records = records(client, query, "reading spans").await?;
    // The same ids may stand in one of the hours with another start.
    let keys: HashSet<SpanKey> = keys.into_iter().collect();
    records.retain(|record| keys.contains(&record.key()));
    Ok(records)
}

async fn key_rows(
    client: &Client,
    filter: &SpanFilter,
    order: Order,
    after: Option<SpanKey>,
    limit: usize,
) -> Result<Vec<SpanKey>, StoreError> {
    let mut conditions = Conditions::of(filter);
    if let Some(after) = after {
        conditions.add_after(order, &after);
    }
    let direction = direction(order);
    let sql = format!(
        "SELECT ?fields FROM spans WHERE {} \
         ORDER BY start_time {direction}, trace_id {direction}, span_id {direction} LIMIT {limit}",
        conditions.sql,
    );
    let rows: Vec<KeyRow> = conditions
        .bind(client.query(&sql))
        .fetch_all()
        .await
        .map_err(|error| failed("reading the keys of spans", error))?;
    Ok(rows.into_iter().map(SpanKey::from).collect())
}

/// Which of these keys have a row in the table, all of them within a time.
pub(super) async fn stored(
    client: &Client,
    table: &str,
    keys: &[SpanKey],
    times: TimeRange,
) -> Result<HashSet<SpanKey>, StoreError> {
    let sql =
        format!("SELECT DISTINCT ?fields FROM {table} WHERE {} AND {IDS_CONDITION}", time_condition(times));
    let rows = client.query(&sql).param("ids", ids(keys)).fetch_all::<KeyRow>().await;
    let rows = rows.map_err(|error| failed("looking for the spans of a batch", error))?;
    Ok(rows.into_iter().map(SpanKey::from).collect())
}

pub(super) async fn trace(
    client: &Client,
    trace_id: TraceId,
    limit: usize,
) -> Result<Vec<SpanRecord>, StoreError> {
    let sql = format!(
        "SELECT ?fields FROM spans WHERE {TRACE_CONDITION} \
         ORDER BY start_time, span_id, version DESC LIMIT 1 BY start_time, span_id LIMIT {}",
        limit.saturating_add(1),
    );
    let query = client.query(&sql).param("trace_id", trace_id.to_string());
    records(client, query, "reading a trace").await
}

/// The records of the rows, with their content where it is still kept.
async fn records(client: &Client, query: Query, doing: &str) -> Result<Vec<SpanRecord>, StoreError> {
    let failed = |error| failed(doing, error);
    let mut rows = query.fetch::<SpanRow<'_>>().map_err(failed)?;
    let (mut records, mut with_content) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next().await.map_err(failed)? {
        let has_content = row.has_content();
        let record = SpanRecord::try_from(row)?;
        if has_content {
            with_content.push(record.key());
        }
        records.push(record);
    }
    let mut contents = contents(client, &with_content).await?;
    for record in &mut records {
        if let Some(content) = contents.remove(&record.key()) {
            Content::try_from(content)?.restore(record);
        }
    }
    Ok(records)
}

/// On the trace alone too: that is what indexes know.
const IDS_CONDITION: &str = "trace_id IN (SELECT toFixedString(substring(unhex(arrayJoin({ids:Array(String)})), 1, 16), 16)) \
     AND concat(trace_id, span_id) IN (SELECT unhex(arrayJoin({ids:Array(String)})))";

/// As [`IDS_CONDITION`] compares them.
fn ids(keys: &[SpanKey]) -> Vec<String> {
    keys.iter().map(|key| format!("{}{}", key.trace_id, key.span_id)).collect()
}

async fn contents(client: &Client, keys: &[SpanKey]) -> Result<HashMap<SpanKey, ContentRow>, StoreError> {
    let hours: HashSet<u64> = keys.iter().map(|key| key.start_unix_nanos / NANOS_PER_HOUR).collect();
    if hours.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = format!(
        "SELECT ?fields FROM span_content WHERE hour IN {{hours:Array(UInt32)}} AND {IDS_CONDITION} \
         ORDER BY version DESC LIMIT 1 BY trace_id, span_id, start_time"
    );
    let hours: Vec<u64> = hours.into_iter().collect();
    let query = client.query(&sql).param("ids", ids(keys)).param("hours", hours);
    let rows: Vec<ContentRow> =
        query.fetch_all().await.map_err(|error| failed("reading the content of spans", error))?;
    Ok(rows.into_iter().map(|row| (row.key(), row)).collect())
}

const fn direction(order: Order) -> &'static str {
    match order {
        Order::NewestFirst => "DESC",
        Order::OldestFirst => "ASC",
    }
}

/// What a filter compares. Columns of the table's key stand alone: of `namespace` the server concludes what the key's
/// `ifNull(namespace, '')` is, of the key's own expression it does not.
const fn expression(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Model => "coalesce(request_model, response_model)",
        Dimension::Provider => "provider_name",
        Dimension::Service => "service_name",
        Dimension::Workload => "workload",
        Dimension::Namespace => "namespace",
        Dimension::Operation => "operation_name",
        Dimension::User => "user_id",
        Dimension::Session => "session_id",
    }
}

const TRACE_CONDITION: &str = "trace_id = toFixedString(unhex({trace_id:String}), 16)";

/// A condition on the time of rows, on the hour too, which is what the table is sorted by.
pub(super) fn time_condition(range: TimeRange) -> String {
    let from = range.from_unix_nanos.unwrap_or(0).min(MAX_UNIX_NANOS);
    let mut sql = format!("(hour >= {} AND start_time >= {}", from / NANOS_PER_HOUR, literal(from));
    if let Some(to) = range.to_unix_nanos.filter(|to| *to <= MAX_UNIX_NANOS) {
        let _ = write!(sql, " AND hour <= {} AND start_time < {}", to / NANOS_PER_HOUR, literal(to));
    }
    sql.push(')');
    sql
}

fn literal(unix_nanos: u64) -> String {
    format!("fromUnixTimestamp64Nano(toInt64({unix_nanos}), 'UTC')")
}

pub(super) struct Conditions {
    pub(super) sql: String,
    params: Vec<(String, String)>,
}

impl Conditions {
    fn of(filter: &SpanFilter) -> Self {
        let mut conditions = Self::untimed(filter);
        if filter.time != TimeRange::default() {
            conditions.add_plain(&time_condition(filter.time));
        }
        conditions
    }

    /// On the rows of model calls, whenever they were.
    pub(super) fn of_calls(query: &UsageQuery) -> Self {
        let mut conditions = Self::untimed(&query.filter);
        conditions.add("call_side = {side:String}", "side", query.side.as_str());
        conditions
    }

    /// On a rollup that answers the query, whenever; the parameters are those of [`Self::of_calls`].
    pub(super) fn of_rollup(query: &UsageQuery) -> String {
        let mut sql = "call_side = {side:String}".to_owned();
        for (dimension, _) in &query.filter.equals {
            let _ = write!(sql, " AND {} = {{{}:String}}", rollup::column(*dimension), dimension.as_str());
        }
        match query.filter.error {
            Some(true) => sql.push_str(" AND is_error"),
            Some(false) => sql.push_str(" AND NOT is_error"),
            None => {}
        }
        sql
    }

    fn untimed(filter: &SpanFilter) -> Self {
        let mut conditions = Self { sql: "1".to_owned(), params: Vec::new() };
        if let Some(trace_id) = filter.trace_id {
            conditions.add(TRACE_CONDITION, "trace_id", trace_id.to_string());
        }
        for (dimension, value) in &filter.equals {
            let name = dimension.as_str();
            conditions.add(&format!("{} = {{{name}:String}}", expression(*dimension)), name, value.as_str());
        }
        match filter.error {
            Some(true) => conditions.add_plain(IS_ERROR),
            Some(false) => conditions.add_plain(&format!("NOT {IS_ERROR}")),
            None => {}
        }
        if let Some(end) = &filter.end {
            conditions.add("end_cause = {end:String}", "end", end.as_str());
        }
        conditions
    }

    fn add_plain(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    fn add(&mut self, condition: &str, name: &str, value: impl Into<String>) {
        self.add_plain(condition);
        self.params.push((name.to_owned(), value.into()));
    }

    fn add_after(&mut self, order: Order, after: &SpanKey) {
        let relation = match order {
            Order::NewestFirst => "<",
            Order::OldestFirst => ">",
        };
        let hours = after.start_unix_nanos / NANOS_PER_HOUR;
        self.add_plain(&format!("hour {relation}= {hours}"));
        self.add(
            &format!(
                "(start_time, trace_id, span_id) {relation} ({}, \
                 toFixedString(unhex({{after_trace:String}}), 16), toFixedString(unhex({{after_span:String}}), 8))",
                literal(after.start_unix_nanos.min(MAX_UNIX_NANOS))
            ),
            "after_trace",
            after.trace_id.to_string(),
        );
        self.params.push(("after_span".to_owned(), after.span_id.to_string()));
    }

    pub(super) fn bind(self, query: Query) -> Query {
        self.params.into_iter().fold(query, |query, (name, value)| query.param(&name, value))
    }
}
