//! The columns of the `spans` table, each beside the value it takes from a record, and the way back.

use std::sync::Arc;

use rusqlite::Row;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use serde_json::Value as Json;

use crate::model::{
    Attributes, CallSide, GenAi, Origin, SpanId, SpanKind, SpanRecord, StatusCode, TraceId, Usage,
};
use crate::store::encode::{from_json_text, json_text};

type Take = fn(&SpanRecord) -> ToSqlOutput<'_>;

pub(super) const COLUMNS: &[(&str, Take)] = &[
    ("trace_id", |s| blob(&s.trace_id.0)),
    ("span_id", |s| blob(&s.span_id.0)),
    ("parent_span_id", |s| s.parent_span_id.as_ref().map_or(NULL, |id| blob(&id.0))),
    ("name", |s| text(&s.name)),
    ("kind", |s| text(s.kind.as_str())),
    ("start_unix_nanos", |s| integer(s.start_unix_nanos)),
    ("end_unix_nanos", |s| integer(s.end_unix_nanos)),
    ("status", |s| text(s.status.as_str())),
    ("status_message", |s| optional_text(s.status_message.as_deref())),
    ("trace_state", |s| optional_text(s.trace_state.as_deref())),
    ("scope_name", |s| optional_text(s.scope_name.as_deref())),
    ("scope_version", |s| optional_text(s.scope_version.as_deref())),
    ("service_name", |s| optional_text(s.origin.service_name.as_deref())),
    ("service_namespace", |s| optional_text(s.origin.service_namespace.as_deref())),
    ("namespace", |s| optional_text(s.origin.namespace.as_deref())),
    ("workload", |s| optional_text(s.origin.workload.as_deref())),
    ("pod", |s| optional_text(s.origin.pod.as_deref())),
    ("call_side", |s| optional_text(s.call_side().map(CallSide::as_str))),
    ("operation_name", |s| optional_text(s.gen_ai.operation_name.as_deref())),
    ("provider_name", |s| optional_text(s.gen_ai.provider_name.as_deref())),
    ("request_model", |s| optional_text(s.gen_ai.request_model.as_deref())),
    ("response_model", |s| optional_text(s.gen_ai.response_model.as_deref())),
    ("response_id", |s| optional_text(s.gen_ai.response_id.as_deref())),
    ("finish_reasons", |s| owned_text(json_text(&s.gen_ai.finish_reasons))),
    ("stream", |s| optional_integer(s.gen_ai.stream.map(u64::from))),
    ("input_tokens", |s| optional_integer(s.gen_ai.usage.input_tokens)),
    ("output_tokens", |s| optional_integer(s.gen_ai.usage.output_tokens)),
    ("cache_read_input_tokens", |s| optional_integer(s.gen_ai.usage.cache_read_input_tokens)),
    ("cache_creation_input_tokens", |s| optional_integer(s.gen_ai.usage.cache_creation_input_tokens)),
    ("reasoning_output_tokens", |s| optional_integer(s.gen_ai.usage.reasoning_output_tokens)),
    ("usage_source", |s| optional_text(s.gen_ai.usage.source.as_deref())),
    ("time_to_first_chunk_nanos", |s| optional_integer(s.gen_ai.time_to_first_chunk_nanos)),
    ("time_to_first_content_nanos", |s| optional_integer(s.gen_ai.time_to_first_content_nanos)),
    ("end_cause", |s| optional_text(s.gen_ai.end.as_deref())),
    ("error_type", |s| optional_text(s.error_type.as_deref())),
    ("http_status_code", |s| optional_integer(s.http_status_code.map(u64::from))),
    ("attributes", |s| owned_text(json_text(&s.attributes))),
    ("resource", |s| owned_text(json_text(&*s.resource))),
    ("events", |s| owned_text(json_text(&s.events))),
    ("links", |s| owned_text(json_text(&s.links))),
];

const NULL: ToSqlOutput<'static> = ToSqlOutput::Borrowed(ValueRef::Null);

fn blob(bytes: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Blob(bytes))
}

fn text(text: &str) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes()))
}

fn owned_text(text: String) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Text(text))
}

fn optional_text(value: Option<&str>) -> ToSqlOutput<'_> {
    value.map_or(NULL, text)
}

/// The model keeps times and counts within a signed 64-bit integer.
fn integer(value: u64) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Integer(value.cast_signed()))
}

fn optional_integer(value: Option<u64>) -> ToSqlOutput<'static> {
    value.map_or(NULL, integer)
}

pub(super) fn insert_statement() -> String {
    let marks = vec!["?"; COLUMNS.len()].join(", ");
    format!("INSERT INTO spans ({}) VALUES ({marks}) ON CONFLICT DO NOTHING", column_list())
}

pub(super) fn column_list() -> String {
    COLUMNS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

pub(super) fn read(row: &Row<'_>) -> rusqlite::Result<SpanRecord> {
    Ok(SpanRecord {
        trace_id: TraceId(row.get("trace_id")?),
        span_id: SpanId(row.get("span_id")?),
        parent_span_id: row.get::<_, Option<[u8; 8]>>("parent_span_id")?.map(SpanId),
        name: row.get("name")?,
        kind: word(row, "kind", SpanKind::from_word)?,
        start_unix_nanos: read_integer(row, "start_unix_nanos")?,
        end_unix_nanos: read_integer(row, "end_unix_nanos")?,
        status: word(row, "status", StatusCode::from_word)?,
        status_message: row.get("status_message")?,
        trace_state: row.get("trace_state")?,
        scope_name: row.get("scope_name")?,
        scope_version: row.get("scope_version")?,
        origin: read_origin(row)?,
        gen_ai: read_gen_ai(row)?,
        error_type: row.get("error_type")?,
        http_status_code: row.get("http_status_code")?,
        attributes: json::<Attributes>(row, "attributes")?,
        resource: Arc::new(json::<Attributes>(row, "resource")?),
        events: json::<Vec<Json>>(row, "events")?,
        links: json::<Vec<Json>>(row, "links")?,
    })
}

fn read_origin(row: &Row<'_>) -> rusqlite::Result<Origin> {
    Ok(Origin {
        service_name: row.get("service_name")?,
        service_namespace: row.get("service_namespace")?,
        namespace: row.get("namespace")?,
        workload: row.get("workload")?,
        pod: row.get("pod")?,
    })
}

fn read_gen_ai(row: &Row<'_>) -> rusqlite::Result<GenAi> {
    Ok(GenAi {
        operation_name: row.get("operation_name")?,
        provider_name: row.get("provider_name")?,
        request_model: row.get("request_model")?,
        response_model: row.get("response_model")?,
        response_id: row.get("response_id")?,
        finish_reasons: json::<Vec<String>>(row, "finish_reasons")?,
        stream: row.get("stream")?,
        usage: Usage {
            input_tokens: read_optional_integer(row, "input_tokens")?,
            output_tokens: read_optional_integer(row, "output_tokens")?,
            cache_read_input_tokens: read_optional_integer(row, "cache_read_input_tokens")?,
            cache_creation_input_tokens: read_optional_integer(row, "cache_creation_input_tokens")?,
            reasoning_output_tokens: read_optional_integer(row, "reasoning_output_tokens")?,
            source: row.get("usage_source")?,
        },
        time_to_first_chunk_nanos: read_optional_integer(row, "time_to_first_chunk_nanos")?,
        time_to_first_content_nanos: read_optional_integer(row, "time_to_first_content_nanos")?,
        end: row.get("end_cause")?,
    })
}

fn read_integer(row: &Row<'_>, column: &str) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn read_optional_integer(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<u64>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned))
}

fn word<T>(row: &Row<'_>, column: &str, read: fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    read(&text).ok_or_else(|| conversion(row, column, format!("unknown word {text:?}").into()))
}

fn json<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    from_json_text(&text).map_err(|error| conversion(row, column, error.into()))
}

fn conversion(
    row: &Row<'_>,
    column: &str,
    error: Box<dyn std::error::Error + Send + Sync>,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error)
}
