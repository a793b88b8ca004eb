//! The columns of the `spans` table, each beside the value it takes from a record, and the way back from a row that is
//! joined with its sender, its key and its content.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use rusqlite::Row;
use rusqlite::types::{ToSqlOutput, Type, Value, ValueRef};
use serde_json::Value as Json;

use super::pack::{Packer, Unpacker};
use crate::model::{
    Attributes, Dimension, GenAi, Origin, SpanId, SpanKind, SpanRecord, StatusCode, TraceId, Usage,
};
use crate::store::StoreError;
use crate::store::content::{self, Content};
use crate::store::encode::{from_json_text, json_text};

type Take = fn(&SpanRecord) -> ToSqlOutput<'_>;

/// The columns that a record alone fills.
pub(super) const COLUMNS: &[(&str, Take)] = &[
    ("trace_id", |s| blob(&s.trace_id.0)),
    ("span_id", |s| blob(&s.span_id.0)),
    ("parent_span_id", |s| s.parent_span_id.as_ref().map_or(NULL, |id| blob(&id.0))),
    ("start_unix_nanos", |s| integer(s.start_unix_nanos)),
    ("duration_nanos", |s| integer(s.duration_nanos())),
    ("name", |s| text(&s.name)),
    ("kind", |s| text(s.kind.as_str())),
    ("status", |s| text(s.status.as_str())),
    ("status_message", |s| optional_text(s.status_message.as_deref())),
    ("trace_state", |s| optional_text(s.trace_state.as_deref())),
    ("response_id", |s| optional_text(s.gen_ai.response_id.as_deref())),
    ("finish_reasons", |s| {
        let reasons = &s.gen_ai.finish_reasons;
        if reasons.is_empty() { NULL } else { owned_text(json_text(reasons)) }
    }),
    ("stream", |s| optional_integer(s.gen_ai.stream.map(u64::from))),
    ("user_id", |s| optional_text(s.dimension(Dimension::User))),
    ("session_id", |s| optional_text(s.dimension(Dimension::Session))),
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
];

/// The columns after those.
const OTHER_COLUMNS: [&str; 5] = ["source", "key", "attributes", "events", "links"];

const NULL: ToSqlOutput<'static> = ToSqlOutput::Borrowed(ValueRef::Null);

/// The names of the columns of [`content::PROMOTED`], in its order.
const PROMOTED: [&str; 2] = ["user_id", "session_id"];

/// Attributes, events and links without content, packed; NULL for none.
pub(super) fn packed(span: &SpanRecord, packer: &mut Packer) -> [ToSqlOutput<'static>; 3] {
    let attributes = content::OtherAttributes::of(span);
    [
        if attributes.is_empty() { NULL } else { owned_blob(packer.pack(&attributes)) },
        packed_list(content::plain_events(span), packer),
        packed_list(&span.links, packer),
    ]
}

/// The content of a span that has some, packed: attributes and events.
pub(super) fn packed_content(span: &SpanRecord, packer: &mut Packer) -> Option<[ToSqlOutput<'static>; 2]> {
    let content = content::content_of(span)?;
    let attributes =
        if content.attributes.is_empty() { NULL } else { owned_blob(packer.pack(&content.attributes)) };
    Some([attributes, packed_list(&content.events, packer)])
}

fn packed_list(list: &[Json], packer: &mut Packer) -> ToSqlOutput<'static> {
    if list.is_empty() { NULL } else { owned_blob(packer.pack(list)) }
}

fn owned_blob(bytes: Vec<u8>) -> ToSqlOutput<'static> {
    ToSqlOutput::Owned(Value::Blob(bytes))
}

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

pub(super) fn insert_statement() -> &'static str {
    static STATEMENT: LazyLock<String> = LazyLock::new(|| {
        let columns: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).chain(OTHER_COLUMNS).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        format!(
            "INSERT INTO spans ({}) VALUES ({marks}) ON CONFLICT (trace_id, span_id, start_unix_nanos) DO NOTHING",
            columns.join(", ")
        )
    });
    &STATEMENT
}

/// What [`read`] needs, from `spans AS s`, with what it refers to.
pub(super) const SELECT: &str = "SELECT s.*, o.resource, o.pod, o.scope_name, o.scope_version, k.service_name, \
    k.service_namespace, k.namespace, k.workload, k.operation_name, k.provider_name, k.request_model, \
    k.response_model, c.attributes AS content_attributes, c.events AS content_events \
    FROM spans AS s CROSS JOIN sources AS o ON o.id = s.source CROSS JOIN keys AS k ON k.id = s.key \
    LEFT JOIN content AS c ON c.span = s.id";

/// Resources that were read already, by the id of their sender.
pub(super) type Resources = HashMap<i64, Arc<Attributes>>;

pub(super) fn read(
    row: &Row<'_>,
    unpacker: &mut Unpacker,
    resources: &mut Resources,
) -> rusqlite::Result<SpanRecord> {
    let start_unix_nanos = read_integer(row, "start_unix_nanos")?;
    let mut attributes: Attributes = unpack(row, "attributes", unpacker)?;
    for (column, (name, _)) in PROMOTED.into_iter().zip(content::PROMOTED) {
        let value: Option<String> = row.get(column)?;
        attributes.extend(value.map(|value| (name.to_owned(), Json::String(value))));
    }
    let mut record = SpanRecord {
        trace_id: TraceId(row.get("trace_id")?),
        span_id: SpanId(row.get("span_id")?),
        parent_span_id: row.get::<_, Option<[u8; 8]>>("parent_span_id")?.map(SpanId),
        name: row.get("name")?,
        kind: word(row, "kind", SpanKind::from_word)?,
        start_unix_nanos,
        end_unix_nanos: start_unix_nanos.saturating_add(read_integer(row, "duration_nanos")?),
        status: word(row, "status", StatusCode::from_word)?,
        status_message: row.get("status_message")?,
        trace_state: row.get("trace_state")?,
        scope_name: row.get("scope_name")?,
        scope_version: row.get("scope_version")?,
        origin: read_origin(row)?,
        gen_ai: read_gen_ai(row)?,
        error_type: row.get("error_type")?,
        http_status_code: row.get("http_status_code")?,
        attributes,
        resource: read_resource(row, resources)?,
        events: unpack(row, "events", unpacker)?,
        links: unpack(row, "links", unpacker)?,
    };
    let content = Content {
        attributes: unpack(row, "content_attributes", unpacker)?,
        events: unpack(row, "content_events", unpacker)?,
    };
    content.restore(&mut record);
    Ok(record)
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

fn read_resource(row: &Row<'_>, resources: &mut Resources) -> rusqlite::Result<Arc<Attributes>> {
    let source: i64 = row.get("source")?;
    if let Some(resource) = resources.get(&source) {
        return Ok(Arc::clone(resource));
    }
    let resource = Arc::new(json::<Attributes>(row, "resource")?);
    resources.insert(source, Arc::clone(&resource));
    Ok(resource)
}

fn read_gen_ai(row: &Row<'_>) -> rusqlite::Result<GenAi> {
    let finish_reasons = match row.get_ref("finish_reasons")? {
        ValueRef::Null => Vec::new(),
        _ => json::<Vec<String>>(row, "finish_reasons")?,
    };
    Ok(GenAi {
        operation_name: row.get("operation_name")?,
        provider_name: row.get("provider_name")?,
        request_model: row.get("request_model")?,
        response_model: row.get("response_model")?,
        response_id: row.get("response_id")?,
        finish_reasons,
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

fn unpack<T: serde::de::DeserializeOwned + Default>(
    row: &Row<'_>,
    column: &str,
    unpacker: &mut Unpacker,
) -> rusqlite::Result<T> {
    let packed = row.get_ref(column)?.as_blob_or_null()?;
    unpacker.unpack(packed).map_err(|error: StoreError| conversion(row, column, error.into()))
}

fn conversion(
    row: &Row<'_>,
    column: &str,
    error: Box<dyn std::error::Error + Send + Sync>,
) -> rusqlite::Error {
    let index = row.as_ref().column_index(column).unwrap_or_default();
    rusqlite::Error::FromSqlConversionFailure(index, Type::Text, error)
}
