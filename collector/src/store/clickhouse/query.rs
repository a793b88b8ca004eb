//! Reads: a filter becomes conditions with server-side parameters; no text of a request ever becomes SQL.
//!
//! A list is read in two steps: the keys of a page from narrow columns, in bounded memory however much is stored, then
//! the rows of those keys.

use std::collections::HashSet;
use std::fmt::Write as _;

use clickhouse::query::Query;
use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::failed;
use super::row::SpanRow;
use crate::model::{Dimension, MAX_UNIX_NANOS, SpanId, SpanKey, SpanRecord, TraceId};
use crate::store::{Order, Page, SpanFilter, StoreError, UsageQuery, UsageRow};

const NANOS_PER_HOUR: u64 = 3_600_000_000_000;
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
pub(super) async fn spans(
    client: &Client,
    filter: &SpanFilter,
    page: &Page,
) -> Result<Vec<SpanRecord>, StoreError> {
    let keys = page_keys(client, filter, page).await?;
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let direction = direction(page.order);
    let sql = format!(
        "SELECT ?fields FROM spans \
         WHERE hour IN {{hours:Array(UInt32)}} \
         AND concat(trace_id, span_id) IN (SELECT unhex(arrayJoin({{ids:Array(String)}}))) \
         ORDER BY start_time {direction}, trace_id {direction}, span_id {direction}, version DESC \
         LIMIT 1 BY trace_id, span_id"
    );
    let ids: Vec<String> = keys.iter().map(|key| format!("{}{}", key.trace_id, key.span_id)).collect();
    let hours: HashSet<u64> = keys.iter().map(|key| key.start_unix_nanos / NANOS_PER_HOUR).collect();
    let hours: Vec<u64> = hours.into_iter().collect();
    let query = client.query(&sql).param("ids", ids).param("hours", hours);
    records(query.fetch_all().await.map_err(|error| failed("reading spans", error))?)
}

/// The keys of a page and of one span more, each once. Rows that a merge has not yet joined come next to each other.
async fn page_keys(client: &Client, filter: &SpanFilter, page: &Page) -> Result<Vec<SpanKey>, StoreError> {
    let wanted = page.limit.saturating_add(1);
    let mut keys: Vec<SpanKey> = Vec::with_capacity(wanted);
    let mut seen = HashSet::with_capacity(wanted);
    let mut after = page.after;
    while keys.len() < wanted {
        let rows = key_rows(client, filter, page.order, after, wanted).await?;
        let more = rows.len() == wanted;
        after = rows.last().copied();
        keys.extend(rows.into_iter().filter(|key| seen.insert((key.trace_id, key.span_id))));
        if !more {
            break;
        }
    }
    keys.truncate(wanted);
    Ok(keys)
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

pub(super) async fn trace(
    client: &Client,
    trace_id: TraceId,
    limit: usize,
) -> Result<Vec<SpanRecord>, StoreError> {
    let sql = format!(
        "SELECT ?fields FROM spans WHERE {TRACE_CONDITION} \
         ORDER BY start_time, span_id, version DESC LIMIT 1 BY span_id LIMIT {}",
        limit.saturating_add(1),
    );
    let query = client.query(&sql).param("trace_id", trace_id.to_string());
    records(query.fetch_all().await.map_err(|error| failed("reading a trace", error))?)
}

fn records(rows: Vec<SpanRow>) -> Result<Vec<SpanRecord>, StoreError> {
    rows.into_iter().map(SpanRecord::try_from).collect()
}

#[derive(Row, Deserialize)]
struct UsageSums {
    groups: Vec<Option<String>>,
    calls: u64,
    errors: u64,
    calls_with_usage: u64,
    input_sum: Option<u64>,
    output_sum: Option<u64>,
    cache_read_sum: Option<u64>,
    cache_creation_sum: Option<u64>,
    reasoning_sum: Option<u64>,
}

const SUMS: [(&str, &str); 5] = [
    ("input_tokens", "input_sum"),
    ("output_tokens", "output_sum"),
    ("cache_read_input_tokens", "cache_read_sum"),
    ("cache_creation_input_tokens", "cache_creation_sum"),
    ("reasoning_output_tokens", "reasoning_sum"),
];

pub(super) async fn usage(client: &Client, query: &UsageQuery) -> Result<Vec<UsageRow>, StoreError> {
    let mut conditions = Conditions::of(&query.filter);
    conditions.add("call_side = {side:String}", "side", query.side.as_str());
    let sql = usage_statement(query, &conditions.sql);
    let rows: Vec<UsageSums> = conditions
        .bind(client.query(&sql))
        .fetch_all()
        .await
        .map_err(|error| failed("summing usage", error))?;
    Ok(rows.into_iter().map(UsageRow::from).collect())
}

/// Sums over the spans that match, each taken once.
fn usage_statement(query: &UsageQuery, conditions: &str) -> String {
    let groups: Vec<String> = (0..query.group_by.len()).map(|position| format!("group_{position}")).collect();
    let mut inner = String::new();
    for (name, dimension) in groups.iter().zip(&query.group_by) {
        let _ = write!(inner, "CAST({} AS Nullable(String)) AS {name}, ", expression(*dimension));
    }
    let mut outer =
        format!("[{}] AS groups, count() AS calls, countIf(is_error) AS errors, ", groups.join(", "));
    outer.push_str("countIf(input_tokens IS NOT NULL OR output_tokens IS NOT NULL) AS calls_with_usage");
    let mut columns = String::new();
    for (column, sum) in SUMS {
        let _ = write!(columns, "{column}, ");
        // In 128 bits, because the sum of 64-bit values wraps. Without a value it stays NULL.
        let total = format!("sum(toUInt128({column}))");
        let max = u64::MAX;
        let _ = write!(outer, ", CAST(if({total} > {max}, {max}, {total}) AS Nullable(UInt64)) AS {sum}");
    }
    let order = groups.iter().fold(String::new(), |mut order, group| {
        let _ = write!(order, ", {group} IS NULL, {group}");
        order
    });
    format!(
        "SELECT {outer} FROM (SELECT {inner}{columns}{IS_ERROR} AS is_error FROM spans WHERE {conditions} \
         LIMIT 1 BY trace_id, span_id) GROUP BY {} ORDER BY calls DESC{order} LIMIT {}",
        groups.join(", "),
        query.limit.saturating_add(1),
    )
}

impl From<UsageSums> for UsageRow {
    fn from(sums: UsageSums) -> Self {
        Self {
            group: sums.groups,
            calls: sums.calls,
            errors: sums.errors,
            calls_with_usage: sums.calls_with_usage,
            input_tokens: sums.input_sum,
            output_tokens: sums.output_sum,
            cache_read_input_tokens: sums.cache_read_sum,
            cache_creation_input_tokens: sums.cache_creation_sum,
            reasoning_output_tokens: sums.reasoning_sum,
        }
    }
}

const fn direction(order: Order) -> &'static str {
    match order {
        Order::NewestFirst => "DESC",
        Order::OldestFirst => "ASC",
    }
}

/// What a filter compares. Columns of the table's key are written the way the key has them, so that it is used; the
/// model has no empty values.
const fn compared(dimension: Dimension) -> &'static str {
    match dimension {
        Dimension::Workload => "ifNull(workload, '')",
        Dimension::Namespace => "ifNull(namespace, '')",
        other => expression(other),
    }
}

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

const TRACE_CONDITION: &str = "trace_id = toFixedString(unhex({trace_id:String}), 16)";

struct Conditions {
    sql: String,
    params: Vec<(String, String)>,
}

impl Conditions {
    fn of(filter: &SpanFilter) -> Self {
        let mut conditions = Self { sql: "1".to_owned(), params: Vec::new() };
        if let Some(from) = filter.time.from_unix_nanos {
            conditions.add_time(">=", "from", from);
        }
        if let Some(to) = filter.time.to_unix_nanos.filter(|to| *to <= MAX_UNIX_NANOS) {
            conditions.add_time("<", "to", to);
        }
        if let Some(trace_id) = filter.trace_id {
            conditions.add(TRACE_CONDITION, "trace_id", trace_id.to_string());
        }
        for (dimension, value) in &filter.equals {
            let name = dimension.as_str();
            conditions.add(&format!("{} = {{{name}:String}}", compared(*dimension)), name, value.as_str());
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

    /// On the hour too, which is what the table is sorted by.
    fn add_time(&mut self, relation: &str, name: &str, unix_nanos: u64) {
        let unix_nanos = unix_nanos.min(MAX_UNIX_NANOS);
        let hours = unix_nanos / NANOS_PER_HOUR;
        let hour_relation = if relation.starts_with('<') { "<=" } else { ">=" };
        self.add_plain(&format!("hour {hour_relation} {hours}"));
        self.add(&format!("start_time {relation} {}", time(name)), name, unix_nanos.to_string());
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
                time("after")
            ),
            "after",
            after.start_unix_nanos.min(MAX_UNIX_NANOS).to_string(),
        );
        self.params.push(("after_trace".to_owned(), after.trace_id.to_string()));
        self.params.push(("after_span".to_owned(), after.span_id.to_string()));
    }

    fn bind(self, query: Query) -> Query {
        self.params.into_iter().fold(query, |query, (name, value)| query.param(&name, value))
    }
}

fn time(name: &str) -> String {
    format!("fromUnixTimestamp64Nano({{{name}:Int64}}, 'UTC')")
}
