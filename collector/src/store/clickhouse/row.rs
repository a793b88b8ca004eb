//! The columns of the tables `spans` and `span_content`: names and types in one struct each, which inserts and reads
//! share. The client checks them against the tables.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{
    Attributes, CallSide, Dimension, GenAi, Origin, SpanId, SpanKind, SpanRecord, StatusCode, TraceId, Usage,
};
use crate::store::StoreError;
use crate::store::content::{Content, OtherAttributes, PROMOTED, content_of, has_content, plain_events};
use crate::store::encode::{from_json_text, json_text};
use crate::store::plan::NANOS_PER_HOUR;

#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct SpanRow {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_span_id: Option<[u8; 8]>,
    name: String,
    kind: String,
    /// Nanoseconds since 1970; the model keeps times within a signed 64-bit integer.
    start_time: i64,
    duration_nanos: u64,
    status: String,
    status_message: Option<String>,
    trace_state: Option<String>,
    scope_name: Option<String>,
    scope_version: Option<String>,
    service_name: Option<String>,
    service_namespace: Option<String>,
    namespace: Option<String>,
    workload: Option<String>,
    pod: Option<String>,
    call_side: Option<String>,
    operation_name: Option<String>,
    provider_name: Option<String>,
    request_model: Option<String>,
    response_model: Option<String>,
    response_id: Option<String>,
    finish_reasons: Vec<String>,
    stream: Option<bool>,
    user_id: Option<String>,
    session_id: Option<String>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    reasoning_output_tokens: Option<u64>,
    usage_source: Option<String>,
    time_to_first_chunk_nanos: Option<u64>,
    time_to_first_content_nanos: Option<u64>,
    end_cause: Option<String>,
    error_type: Option<String>,
    http_status_code: Option<u16>,
    attributes: String,
    resource: String,
    events: String,
    links: String,
    has_content: bool,
    version: u64,
}

/// What the messages of one span say: the columns of `span_content`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct ContentRow {
    pub(super) trace_id: [u8; 16],
    pub(super) span_id: [u8; 8],
    start_time: i64,
    attributes: String,
    events: String,
    version: u64,
}

impl ContentRow {
    /// `None` for a span without content.
    pub(super) fn new(span: &SpanRecord, version: u64) -> Option<Self> {
        let content = content_of(span)?;
        Some(Self {
            trace_id: span.trace_id.0,
            span_id: span.span_id.0,
            start_time: span.start_unix_nanos.cast_signed(),
            attributes: json_text(&content.attributes),
            events: json_text(&content.events),
            version,
        })
    }
}

impl TryFrom<ContentRow> for Content {
    type Error = StoreError;

    fn try_from(row: ContentRow) -> Result<Self, StoreError> {
        Ok(Self { attributes: from_json_text(&row.attributes)?, events: from_json_text(&row.events)? })
    }
}

impl SpanRow {
    pub(super) const fn has_content(&self) -> bool {
        self.has_content
    }

    pub(super) const fn id(&self) -> ([u8; 16], [u8; 8]) {
        (self.trace_id, self.span_id)
    }

    pub(super) const fn hour(&self) -> u64 {
        self.start_time.cast_unsigned() / NANOS_PER_HOUR
    }

    /// `resource` is the span's resource as JSON text.
    pub(super) fn new(span: &SpanRecord, resource: &str, version: u64) -> Self {
        let (origin, gen_ai) = (span.origin.clone(), span.gen_ai.clone());
        let usage = gen_ai.usage;
        Self {
            trace_id: span.trace_id.0,
            span_id: span.span_id.0,
            parent_span_id: span.parent_span_id.map(|id| id.0),
            name: span.name.clone(),
            kind: span.kind.as_str().to_owned(),
            start_time: span.start_unix_nanos.cast_signed(),
            duration_nanos: span.duration_nanos(),
            status: span.status.as_str().to_owned(),
            status_message: span.status_message.clone(),
            trace_state: span.trace_state.clone(),
            scope_name: span.scope_name.clone(),
            scope_version: span.scope_version.clone(),
            service_name: origin.service_name,
            service_namespace: origin.service_namespace,
            namespace: origin.namespace,
            workload: origin.workload,
            pod: origin.pod,
            call_side: span.call_side().map(|side: CallSide| side.as_str().to_owned()),
            operation_name: gen_ai.operation_name,
            provider_name: gen_ai.provider_name,
            request_model: gen_ai.request_model,
            response_model: gen_ai.response_model,
            response_id: gen_ai.response_id,
            finish_reasons: gen_ai.finish_reasons,
            stream: gen_ai.stream,
            user_id: span.dimension(Dimension::User).map(str::to_owned),
            session_id: span.dimension(Dimension::Session).map(str::to_owned),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_input_tokens: usage.cache_read_input_tokens,
            cache_creation_input_tokens: usage.cache_creation_input_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens,
            usage_source: usage.source,
            time_to_first_chunk_nanos: gen_ai.time_to_first_chunk_nanos,
            time_to_first_content_nanos: gen_ai.time_to_first_content_nanos,
            end_cause: gen_ai.end,
            error_type: span.error_type.clone(),
            http_status_code: span.http_status_code,
            attributes: json_text(&OtherAttributes::of(span)),
            resource: resource.to_owned(),
            events: json_text(plain_events(span)),
            links: json_text(&span.links),
            has_content: has_content(span),
            version,
        }
    }
}

impl TryFrom<SpanRow> for SpanRecord {
    type Error = StoreError;

    fn try_from(row: SpanRow) -> Result<Self, StoreError> {
        let mut attributes: Attributes = from_json_text(&row.attributes)?;
        for (value, (name, _)) in [row.user_id, row.session_id].into_iter().zip(PROMOTED) {
            attributes.extend(value.map(|value| (name.to_owned(), Value::String(value))));
        }
        Ok(Self {
            trace_id: TraceId(row.trace_id),
            span_id: SpanId(row.span_id),
            parent_span_id: row.parent_span_id.map(SpanId),
            name: row.name,
            kind: known("kind", &row.kind, SpanKind::from_word)?,
            start_unix_nanos: row.start_time.cast_unsigned(),
            end_unix_nanos: row.start_time.cast_unsigned().saturating_add(row.duration_nanos),
            status: known("status", &row.status, StatusCode::from_word)?,
            status_message: row.status_message,
            trace_state: row.trace_state,
            scope_name: row.scope_name,
            scope_version: row.scope_version,
            origin: Origin {
                service_name: row.service_name,
                service_namespace: row.service_namespace,
                namespace: row.namespace,
                workload: row.workload,
                pod: row.pod,
            },
            gen_ai: GenAi {
                operation_name: row.operation_name,
                provider_name: row.provider_name,
                request_model: row.request_model,
                response_model: row.response_model,
                response_id: row.response_id,
                finish_reasons: row.finish_reasons,
                stream: row.stream,
                usage: Usage {
                    input_tokens: row.input_tokens,
                    output_tokens: row.output_tokens,
                    cache_read_input_tokens: row.cache_read_input_tokens,
                    cache_creation_input_tokens: row.cache_creation_input_tokens,
                    reasoning_output_tokens: row.reasoning_output_tokens,
                    source: row.usage_source,
                },
                time_to_first_chunk_nanos: row.time_to_first_chunk_nanos,
                time_to_first_content_nanos: row.time_to_first_content_nanos,
                end: row.end_cause,
            },
            error_type: row.error_type,
            http_status_code: row.http_status_code,
            attributes,
            resource: std::sync::Arc::new(from_json_text(&row.resource)?),
            events: from_json_text(&row.events)?,
            links: from_json_text(&row.links)?,
        })
    }
}

fn known<T>(column: &str, word: &str, read: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    read(word).ok_or_else(|| {
        StoreError::permanent(format!("clickhouse: unknown {column} {word:?} in a stored span"))
    })
}
