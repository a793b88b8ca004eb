//! `GET /api/v1/traces/{trace_id}`: the spans of one trace, earliest first.

use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Serialize;

use super::bounded::Spans;
use super::error::ApiError;
use super::params::Params;
use super::router::Api;
use crate::model::TraceId;

/// What stands behind the spans of an answer.
#[derive(Debug, Serialize)]
struct Trace {
    trace_id: String,
    /// Whether the trace has more than an answer may hold (`http.max_trace_spans`, `http.max_response_bytes`).
    truncated: bool,
}

pub(super) async fn get(
    State(api): State<Api>,
    Path(trace_id): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    Params::new(query, &[&[]])?;
    let trace_id = TraceId::from_hex(&trace_id).ok_or_else(|| {
        ApiError::invalid("trace_id", "trace_id must be 32 hexadecimal digits, not all of them 0")
    })?;
    let found = api.store.trace(trace_id, api.max_trace_spans).await?;
    if found.spans.is_empty() {
        return Err(ApiError::NotFound { message: format!("no span of trace {trace_id} is stored") });
    }
    let spans = Spans::new(found.spans, api.max_response_bytes)?;
    let truncated = found.truncated || spans.cut;
    if truncated {
        api.metrics.query_result_cut("trace");
    }
    spans.into_response(&Trace { trace_id: trace_id.to_string(), truncated })
}
