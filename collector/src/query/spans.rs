//! `GET /api/v1/spans`: spans that match, newest first, page by page. Also how one span looks in any answer.

use axum::extract::{Query, State};
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;

use super::bounded::Spans;
use super::error::ApiError;
use super::params::{FILTERS, Params, write_cursor};
use super::router::Api;
use crate::model::{Attributes, CallSide, SpanRecord};
use crate::store::Page;
use crate::time::rfc3339;

const DEFAULT_LIMIT: usize = 50;

/// What stands behind the spans of an answer.
#[derive(Debug, Serialize)]
struct Next {
    next_cursor: Option<String>,
}

pub(super) async fn list(
    State(api): State<Api>,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response, ApiError> {
    let params = Params::new(query, &[&["limit", "cursor", "order"], FILTERS])?;
    let page = Page {
        limit: params.limit(DEFAULT_LIMIT, api.max_limit)?,
        after: params.cursor()?,
        order: params.order()?,
    };
    let found = api.store.spans(&params.filter()?, &page).await?;
    let spans = Spans::new(found.spans, api.max_response_bytes)?;
    if spans.cut {
        api.metrics.query_result_cut("spans");
    }
    let next = if spans.cut { spans.last } else { found.next };
    spans.into_response(&Next { next_cursor: next.as_ref().map(write_cursor) })
}

/// A span as clients see it. What is unknown is `null`.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "these are the names in the answer")]
pub(crate) struct Span {
    trace_id: String,
    span_id: String,
    parent_span_id: Option<String>,
    name: String,
    kind: &'static str,
    side: Option<&'static str>,
    start_time: String,
    end_time: String,
    duration_ms: f64,
    status: &'static str,
    status_message: Option<String>,
    service: Option<String>,
    service_namespace: Option<String>,
    namespace: Option<String>,
    workload: Option<String>,
    pod: Option<String>,
    operation_name: Option<String>,
    provider_name: Option<String>,
    request_model: Option<String>,
    response_model: Option<String>,
    response_id: Option<String>,
    stream: Option<bool>,
    finish_reasons: Option<Vec<String>>,
    usage: Usage,
    time_to_first_chunk_ms: Option<f64>,
    time_to_first_content_ms: Option<f64>,
    end: Option<String>,
    error_type: Option<String>,
    http_status_code: Option<u16>,
    trace_state: Option<String>,
    scope: Scope,
    attributes: Attributes,
    resource: Attributes,
    events: Vec<Value>,
    links: Vec<Value>,
}

#[derive(Debug, Serialize)]
struct Usage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    reasoning_output_tokens: Option<u64>,
    source: Option<String>,
}

#[derive(Debug, Serialize)]
struct Scope {
    name: Option<String>,
    version: Option<String>,
}

impl From<SpanRecord> for Span {
    fn from(record: SpanRecord) -> Self {
        let side = record.call_side().map(CallSide::as_str);
        let duration_ms = millis(record.duration_nanos());
        let gen_ai = record.gen_ai;
        Self {
            trace_id: record.trace_id.to_string(),
            span_id: record.span_id.to_string(),
            parent_span_id: record.parent_span_id.map(|id| id.to_string()),
            name: record.name,
            kind: record.kind.as_str(),
            side,
            start_time: rfc3339(record.start_unix_nanos),
            end_time: rfc3339(record.end_unix_nanos),
            duration_ms,
            status: record.status.as_str(),
            status_message: record.status_message,
            service: record.origin.service_name,
            service_namespace: record.origin.service_namespace,
            namespace: record.origin.namespace,
            workload: record.origin.workload,
            pod: record.origin.pod,
            operation_name: gen_ai.operation_name,
            provider_name: gen_ai.provider_name,
            request_model: gen_ai.request_model,
            response_model: gen_ai.response_model,
            response_id: gen_ai.response_id,
            stream: gen_ai.stream,
            finish_reasons: Some(gen_ai.finish_reasons).filter(|reasons| !reasons.is_empty()),
            usage: Usage {
                input_tokens: gen_ai.usage.input_tokens,
                output_tokens: gen_ai.usage.output_tokens,
                cache_read_input_tokens: gen_ai.usage.cache_read_input_tokens,
                cache_creation_input_tokens: gen_ai.usage.cache_creation_input_tokens,
                reasoning_output_tokens: gen_ai.usage.reasoning_output_tokens,
                source: gen_ai.usage.source,
            },
            time_to_first_chunk_ms: gen_ai.time_to_first_chunk_nanos.map(millis),
            time_to_first_content_ms: gen_ai.time_to_first_content_nanos.map(millis),
            end: gen_ai.end,
            error_type: record.error_type,
            http_status_code: record.http_status_code,
            trace_state: record.trace_state,
            scope: Scope { name: record.scope_name, version: record.scope_version },
            attributes: record.attributes,
            resource: std::sync::Arc::unwrap_or_clone(record.resource),
            events: record.events,
            links: record.links,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds are exact up to 285 years")]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}
