//! `GET /api/v1/usage`: calls and tokens, summed by group.
//!
//! A call is a GenAI span whose usage is its own (an agent's repeats that of the calls inside it, and a batch says its
//! own each time it is looked at). Calls that workloads made are counted; those that they served are, with
//! `side=inbound`. Both ends of one call may have reported it, so the two are never added up. The group `model` is the
//! requested model, or the answering one where no request named one.

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::ApiError;
use super::params::{FILTERS, Params, SUMMING};
use super::router::Api;
use crate::model::Dimension;
use crate::store::UsageRow;
use crate::time::rfc3339;

#[derive(Debug, Serialize)]
pub(super) struct Usage {
    group_by: Vec<&'static str>,
    side: &'static str,
    from: Option<String>,
    to: Option<String>,
    rows: Vec<Row>,
    /// Whether there are more groups than `limit`.
    truncated: bool,
}

#[derive(Debug, Serialize)]
struct Row {
    /// Where the interval starts, when one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    start: Option<String>,
    /// Each dimension with its value; `null` collects the calls that lack it.
    #[serde(flatten)]
    group: Map<String, Value>,
    calls: u64,
    errors: u64,
    calls_with_usage: u64,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    reasoning_output_tokens: Option<u64>,
}

pub(super) async fn get(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Usage>, ApiError> {
    let query = Params::new(query, &[SUMMING, FILTERS])?.sums(api.max_limit)?;
    let report = api.store.usage(&query).await?;
    if report.truncated {
        api.metrics.query_result_cut("usage");
    }
    Ok(Json(Usage {
        group_by: query.group_by.iter().map(|dimension| dimension.as_str()).collect(),
        side: query.side.as_str(),
        from: query.filter.time.from_unix_nanos.map(rfc3339),
        to: query.filter.time.to_unix_nanos.map(rfc3339),
        rows: report.rows.into_iter().map(|row| shown(&query.group_by, row)).collect(),
        truncated: report.truncated,
    }))
}

fn shown(group_by: &[Dimension], row: UsageRow) -> Row {
    Row {
        start: row.start_unix_nanos.map(rfc3339),
        group: group_values(group_by, row.group),
        calls: row.calls,
        errors: row.errors,
        calls_with_usage: row.calls_with_usage,
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        cache_read_input_tokens: row.cache_read_input_tokens,
        cache_creation_input_tokens: row.cache_creation_input_tokens,
        reasoning_output_tokens: row.reasoning_output_tokens,
    }
}

/// Each dimension with its value.
pub(super) fn group_values(group_by: &[Dimension], values: Vec<Option<String>>) -> Map<String, Value> {
    let names = group_by.iter().map(|dimension| dimension.as_str().to_owned());
    names.zip(values.into_iter().map(Value::from)).collect()
}
