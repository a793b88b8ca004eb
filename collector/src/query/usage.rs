//! `GET /api/v1/usage`: calls and tokens, summed by group.
//!
//! A call is a GenAI span whose usage is its own (an agent's repeats that of the calls inside it, and a batch says its
//! own each time it is looked at). Calls that workloads made are counted; those that they served are, with
//! `side=inbound`. Both ends of one call may have reported it, so the two are never added up. The group `model` is the
//! requested model, or the answering one where no request named one.

use axum::Json;
use axum::extract::{Query, State};
use serde::Serialize;

use super::error::ApiError;
use super::params::{FILTERS, Params, SUMMING};
use super::router::Api;
use super::sums::{Group, Sums};
use crate::store::UsageRow;

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the names in the answer")]
pub(super) struct Usage {
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
) -> Result<Json<Sums<Usage>>, ApiError> {
    let query = Params::new(query, &[SUMMING, FILTERS])?.sums(api.max_limit)?;
    let report = api.store.usage(&query).await?;
    let rows = report.rows.into_iter().map(shown);
    Ok(Json(Sums::new(&api, "usage", &query, rows, report.truncated)))
}

fn shown(row: UsageRow) -> (Group, Usage) {
    let usage = Usage {
        calls: row.calls,
        errors: row.errors,
        calls_with_usage: row.calls_with_usage,
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        cache_read_input_tokens: row.cache_read_input_tokens,
        cache_creation_input_tokens: row.cache_creation_input_tokens,
        reasoning_output_tokens: row.reasoning_output_tokens,
    };
    ((row.start_unix_nanos, row.group), usage)
}
