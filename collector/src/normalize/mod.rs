//! OTLP spans become [`SpanRecord`]s; OTLP types and other vocabularies than the conventions' end here.
//!
//! `table` says which names there are for what, `values` which words. `sift` sorts a span's attributes by it. Those that
//! the model has fields for are taken out of the map, if their values make sense. One that does not (wrong type, negative
//! count, empty string) stays in the map as it came, reads as absent, and is reported to be counted. Other attributes of a
//! GenAI span get the names of the conventions 1.41, `messages` puts what was said together, and `counting` sees to it
//! that counts mean the same whoever counted. Spans without GenAI attributes become plain records, and keep what they have
//! as it came. Ids and times have been checked by `receive::limits`.

use std::sync::Arc;

use meshtap_filter::semconv;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1 as otlp_resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, status};
use serde_json::{Value, json};

use self::attributes::attributes;
use self::sift::Sifted;
use self::table::{FIRST_CHUNK_EVENTS, Field};
use crate::model::{Attributes, GenAi, Origin, SpanId, SpanKind, SpanRecord, StatusCode, TraceId, Usage};
use crate::time::rfc3339;

mod attributes;
mod counting;
#[cfg(test)]
mod documented;
mod messages;
mod read;
#[cfg(test)]
mod recorded;
mod sift;
mod table;
#[cfg(test)]
mod tests;
mod values;

/// What the spans of one resource share.
#[derive(Clone, Debug, Default)]
pub struct Resource {
    origin: Origin,
    attributes: Arc<Attributes>,
}

impl Resource {
    pub fn new(resource: Option<otlp_resource::Resource>) -> Self {
        let attributes = attributes(resource.map_or(Vec::new(), |resource| resource.attributes));
        let text = |name: &str| {
            attributes.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let service_name = text(semconv::SERVICE_NAME);
        let origin = Origin {
            service_namespace: text(semconv::SERVICE_NAMESPACE),
            namespace: text(semconv::K8S_NAMESPACE_NAME),
            workload: text(semconv::K8S_DEPLOYMENT_NAME).or_else(|| service_name.clone()),
            pod: text(semconv::K8S_POD_NAME),
            service_name,
        };
        Self { origin, attributes: Arc::new(attributes) }
    }
}

/// What the spans of one instrumentation scope share.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    name: Option<String>,
    version: Option<String>,
}

impl Scope {
    pub fn new(scope: Option<InstrumentationScope>) -> Self {
        let scope = scope.unwrap_or_default();
        Self { name: present(scope.name), version: present(scope.version) }
    }
}

/// The record of a span, and the names of the known attributes whose values made no sense.
pub fn record(resource: &Resource, scope: &Scope, mut span: Span) -> (SpanRecord, Vec<&'static str>) {
    let mut sifted = Sifted::new(std::mem::take(&mut span.attributes));
    let gen_ai = gen_ai(&mut sifted, &span);
    let error_type = sifted.field(Field::ErrorType, read::text);
    let http_status_code = sifted.field(Field::HttpStatusCode, read::http_status);
    if gen_ai.is_present() {
        sifted.rename();
        sifted.gather_messages();
    }
    let (attributes, invalid) = sifted.finish();
    let (status, status_message) = status(span.status);
    let record = SpanRecord {
        trace_id: TraceId(id(&span.trace_id)),
        span_id: SpanId(id(&span.span_id)),
        parent_span_id: Some(id(&span.parent_span_id)).filter(|id| *id != [0; 8]).map(SpanId),
        name: span.name,
        kind: kind(span.kind),
        start_unix_nanos: span.start_time_unix_nano,
        end_unix_nanos: span.end_time_unix_nano,
        status,
        status_message,
        trace_state: present(span.trace_state),
        scope_name: scope.name.clone(),
        scope_version: scope.version.clone(),
        origin: resource.origin.clone(),
        gen_ai,
        error_type,
        http_status_code,
        attributes,
        resource: Arc::clone(&resource.attributes),
        events: span.events.into_iter().map(event).collect(),
        links: span.links.into_iter().map(link).collect(),
    };
    (record, invalid)
}

/// Nothing for a span that its sender says is none of the conventions' operations.
fn gen_ai(sifted: &mut Sifted, span: &Span) -> GenAi {
    let operation = sifted.field(Field::Operation, |value| match value {
        Value::Null => Some(None),
        _ => read::text(value).map(Some),
    });
    if operation == Some(None) {
        return GenAi::default();
    }
    GenAi {
        operation_name: operation
            .flatten()
            .map(|operation| values::operation(operation, &span.name, sifted.has_prompts())),
        provider_name: sifted.field(Field::Provider, |value| Some(values::provider(&read::text(value)?))),
        request_model: sifted.field(Field::RequestModel, read::text),
        response_model: sifted.field(Field::ResponseModel, read::text),
        response_id: sifted.field(Field::ResponseId, read::text),
        finish_reasons: sifted
            .field(Field::FinishReasons, read::texts)
            .unwrap_or_else(|| sifted.finish_reasons()),
        stream: sifted.field(Field::Stream, read::flag),
        usage: usage(sifted),
        time_to_first_chunk_nanos: sifted
            .field(Field::TimeToFirstChunk, read::seconds)
            .or_else(|| first_chunk(&span.events)?.checked_sub(span.start_time_unix_nano)),
        time_to_first_content_nanos: sifted.field(Field::TimeToFirstContent, read::seconds),
        end: sifted.field(Field::End, read::text),
    }
}

fn usage(sifted: &mut Sifted) -> Usage {
    let mut usage = Usage {
        input_tokens: sifted.field(Field::InputTokens, read::count),
        output_tokens: sifted.field(Field::OutputTokens, read::count),
        cache_read_input_tokens: sifted.field(Field::CacheReadInputTokens, read::count),
        cache_creation_input_tokens: sifted.field(Field::CacheCreationInputTokens, read::count),
        reasoning_output_tokens: sifted.field(Field::ReasoningOutputTokens, read::count),
        source: sifted.field(Field::UsageSource, read::text),
    };
    counting::complete(&mut usage, sifted.field(Field::UncachedInputTokens, read::count));
    usage
}

fn first_chunk(events: &[Event]) -> Option<u64> {
    let chunks = events.iter().filter(|event| FIRST_CHUNK_EVENTS.contains(&event.name.as_str()));
    chunks.map(|event| event.time_unix_nano).min()
}

fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// All zero when the length is wrong, which only an absent parent's is.
fn id<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

const fn kind(kind: i32) -> SpanKind {
    match kind {
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

fn status(status: Option<opentelemetry_proto::tonic::trace::v1::Status>) -> (StatusCode, Option<String>) {
    let Some(status) = status else { return (StatusCode::Unset, None) };
    let code = match status.code() {
        status::StatusCode::Unset => StatusCode::Unset,
        status::StatusCode::Ok => StatusCode::Ok,
        status::StatusCode::Error => StatusCode::Error,
    };
    (code, present(status.message))
}

fn event(event: Event) -> Value {
    json!({
        "name": event.name,
        "time": rfc3339(event.time_unix_nano),
        "attributes": attributes(event.attributes),
    })
}

fn link(link: Link) -> Value {
    json!({
        "trace_id": TraceId(id(&link.trace_id)).to_string(),
        "span_id": SpanId(id(&link.span_id)).to_string(),
        "trace_state": present(link.trace_state),
        "attributes": attributes(link.attributes),
    })
}
