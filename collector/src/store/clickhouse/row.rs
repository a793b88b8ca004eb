//! The columns of the tables `spans` and `span_content`: names and types in one struct each, which inserts and reads
//! share. The client checks them against the tables.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::{
    Attributes, CallSide, Dimension, GenAi, Origin, SpanId, SpanKey, SpanKind, SpanRecord, StatusCode,
    TraceId, Usage,
};
use crate::store::StoreError;
use crate::store::content::{Content, OtherAttributes, PROMOTED, content_of, has_content, plain_events};
use crate::store::encode::{from_json_text, json_text, write_json_text};

/// Texts are those of the record that is written, or of the answer that is read.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct SpanRow<'a> {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    parent_span_id: Option<[u8; 8]>,
    name: &'a str,
    kind: &'a str,
    /// Nanoseconds since 1970; the model keeps times within a signed 64-bit integer.
    start_time: i64,
    duration_nanos: u64,
    status: &'a str,
    status_message: Option<&'a str>,
    trace_state: Option<&'a str>,
    scope_name: Option<&'a str>,
    scope_version: Option<&'a str>,
    service_name: Option<&'a str>,
    service_namespace: Option<&'a str>,
    namespace: Option<&'a str>,
    workload: Option<&'a str>,
    pod: Option<&'a str>,
    call_side: Option<&'a str>,
    operation_name: Option<&'a str>,
    provider_name: Option<&'a str>,
    request_model: Option<&'a str>,
    response_model: Option<&'a str>,
    response_id: Option<&'a str>,
    finish_reasons: Vec<&'a str>,
    stream: Option<bool>,
    user_id: Option<&'a str>,
    session_id: Option<&'a str>,
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    reasoning_output_tokens: Option<u64>,
    usage_source: Option<&'a str>,
    time_to_first_chunk_nanos: Option<u64>,
    time_to_first_content_nanos: Option<u64>,
    end_cause: Option<&'a str>,
    error_type: Option<&'a str>,
    http_status_code: Option<u16>,
    attributes: &'a str,
    resource: &'a str,
    events: &'a str,
    links: &'a str,
    has_content: bool,
    version: u64,
}

/// The parts of a row that are written as JSON, in memory that is used again for the next row.
#[derive(Debug, Default)]
pub(super) struct Texts {
    attributes: Vec<u8>,
    events: Vec<u8>,
    links: Vec<u8>,
}

impl Texts {
    fn write(&mut self, span: &SpanRecord) {
        write_json_text(&mut self.attributes, &OtherAttributes::of(span));
        write_json_text(&mut self.events, plain_events(span));
        write_json_text(&mut self.links, &span.links);
    }
}

/// What the messages of one span say: the columns of `span_content`.
#[derive(Clone, Debug, Row, Serialize, Deserialize)]
pub(super) struct ContentRow {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    start_time: i64,
    /// The same, for the sorting key; 0 in old rows.
    start_nanos: i64,
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
            start_nanos: span.start_unix_nanos.cast_signed(),
            attributes: json_text(&content.attributes),
            events: json_text(&content.events),
            version,
        })
    }
}

impl ContentRow {
    /// Of the span that it belongs to.
    pub(super) const fn key(&self) -> SpanKey {
        SpanKey {
            start_unix_nanos: self.start_time.cast_unsigned(),
            trace_id: TraceId(self.trace_id),
            span_id: SpanId(self.span_id),
        }
    }
}

impl TryFrom<ContentRow> for Content {
    type Error = StoreError;

    fn try_from(row: ContentRow) -> Result<Self, StoreError> {
        Ok(Self { attributes: from_json_text(&row.attributes)?, events: from_json_text(&row.events)? })
    }
}

impl<'a> SpanRow<'a> {
    pub(super) const fn has_content(&self) -> bool {
        self.has_content
    }

    /// `resource` is the span's resource as JSON text.
    pub(super) fn new(span: &'a SpanRecord, resource: &'a str, texts: &'a mut Texts, version: u64) -> Self {
        texts.write(span);
        let (origin, gen_ai) = (&span.origin, &span.gen_ai);
        let usage = &gen_ai.usage;
        Self {
            trace_id: span.trace_id.0,
            span_id: span.span_id.0,
            parent_span_id: span.parent_span_id.map(|id| id.0),
            name: &span.name,
            kind: span.kind.as_str(),
            start_time: span.start_unix_nanos.cast_signed(),
            duration_nanos: span.duration_nanos(),
            status: span.status.as_str(),
            status_message: span.status_message.as_deref(),
            trace_state: span.trace_state.as_deref(),
            scope_name: span.scope_name.as_deref(),
            scope_version: span.scope_version.as_deref(),
            service_name: origin.service_name.as_deref(),
            service_namespace: origin.service_namespace.as_deref(),
            namespace: origin.namespace.as_deref(),
            workload: origin.workload.as_deref(),
            pod: origin.pod.as_deref(),
            call_side: span.call_side().map(CallSide::as_str),
            operation_name: gen_ai.operation_name.as_deref(),
            provider_name: gen_ai.provider_name.as_deref(),
            request_model: gen_ai.request_model.as_deref(),
            response_model: gen_ai.response_model.as_deref(),
            response_id: gen_ai.response_id.as_deref(),
            finish_reasons: gen_ai.finish_reasons.iter().map(String::as_str).collect(),
            stream: gen_ai.stream,
            user_id: span.dimension(Dimension::User),
            session_id: span.dimension(Dimension::Session),
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cache_read_input_tokens: usage.cache_read_input_tokens,
            cache_creation_input_tokens: usage.cache_creation_input_tokens,
            reasoning_output_tokens: usage.reasoning_output_tokens,
            usage_source: usage.source.as_deref(),
            time_to_first_chunk_nanos: gen_ai.time_to_first_chunk_nanos,
            time_to_first_content_nanos: gen_ai.time_to_first_content_nanos,
            end_cause: gen_ai.end.as_deref(),
            error_type: span.error_type.as_deref(),
            http_status_code: span.http_status_code,
            attributes: text(&texts.attributes),
            resource,
            events: text(&texts.events),
            links: text(&texts.links),
            has_content: has_content(span),
            version,
        }
    }
}

/// JSON is UTF-8.
fn text(json: &[u8]) -> &str {
    std::str::from_utf8(json).unwrap_or_default()
}

impl TryFrom<SpanRow<'_>> for SpanRecord {
    type Error = StoreError;

    fn try_from(row: SpanRow<'_>) -> Result<Self, StoreError> {
        let mut attributes: Attributes = from_json_text(row.attributes)?;
        for (value, (name, _)) in [row.user_id, row.session_id].into_iter().zip(PROMOTED) {
            attributes.extend(value.map(|value| (name, Value::from(value))));
        }
        Ok(Self {
            trace_id: TraceId(row.trace_id),
            span_id: SpanId(row.span_id),
            parent_span_id: row.parent_span_id.map(SpanId),
            name: row.name.to_owned(),
            kind: known("kind", row.kind, SpanKind::from_word)?,
            start_unix_nanos: row.start_time.cast_unsigned(),
            end_unix_nanos: row.start_time.cast_unsigned().saturating_add(row.duration_nanos),
            status: known("status", row.status, StatusCode::from_word)?,
            status_message: owned(row.status_message),
            trace_state: owned(row.trace_state),
            scope_name: owned(row.scope_name),
            scope_version: owned(row.scope_version),
            origin: Origin {
                service_name: owned(row.service_name),
                service_namespace: owned(row.service_namespace),
                namespace: owned(row.namespace),
                workload: owned(row.workload),
                pod: owned(row.pod),
            },
            gen_ai: GenAi {
                operation_name: owned(row.operation_name),
                provider_name: owned(row.provider_name),
                request_model: owned(row.request_model),
                response_model: owned(row.response_model),
                response_id: owned(row.response_id),
                finish_reasons: row.finish_reasons.into_iter().map(str::to_owned).collect(),
                stream: row.stream,
                usage: Usage {
                    input_tokens: row.input_tokens,
                    output_tokens: row.output_tokens,
                    cache_read_input_tokens: row.cache_read_input_tokens,
                    cache_creation_input_tokens: row.cache_creation_input_tokens,
                    reasoning_output_tokens: row.reasoning_output_tokens,
                    source: owned(row.usage_source),
                },
                time_to_first_chunk_nanos: row.time_to_first_chunk_nanos,
                time_to_first_content_nanos: row.time_to_first_content_nanos,
                end: owned(row.end_cause),
            },
            error_type: owned(row.error_type),
            http_status_code: row.http_status_code,
            attributes,
            resource: std::sync::Arc::new(from_json_text(row.resource)?),
            events: from_json_text(row.events)?,
            links: from_json_text(row.links)?,
        })
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(str::to_owned)
}

fn known<T>(column: &str, word: &str, read: fn(&str) -> Option<T>) -> Result<T, StoreError> {
    read(word).ok_or_else(|| {
        StoreError::permanent(format!("clickhouse: unknown {column} {word:?} in a stored span"))
    })
}
