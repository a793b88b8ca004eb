//! `GET /api/v1/traces/{trace_id}`: the spans of one trace, earliest first.

use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Serialize;

use super::error::ApiError;
use super::params::Params;
use super::router::Api;
use super::spans::Span;
use crate::model::TraceId;

#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the names in the answer")]
pub(super) struct Trace {
    trace_id: String,
    spans: Vec<Span>,
    /// Whether the trace has more spans than an answer may hold (`http.max_trace_spans`).
    truncated: bool,
}

pub(super) async fn get(
    State(api): State<Api>,
    Path(trace_id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Json<Trace>, ApiError> {
    Params::new(query, &[&[]])?;
    let trace_id = TraceId::from_hex(&trace_id).ok_or_else(|| {
        ApiError::invalid("trace_id", "trace_id must be 32 hexadecimal digits, not all of them 0")
    })?;
    let found = api.store.trace(trace_id, api.max_trace_spans).await?;
    if found.spans.is_empty() {
        return Err(ApiError::NotFound { message: format!("no span of trace {trace_id} is stored") });
    }
    if found.truncated {
        api.metrics.query_result_cut("trace");
    }
    Ok(Json(Trace {
        trace_id: trace_id.to_string(),
        spans: found.spans.into_iter().map(Span::from).collect(),
        truncated: found.truncated,
    }))
}
