//! OTLP spans become [`SpanRecord`]s; OTLP types and old attribute names end here.
//!
//! Attributes that the model has fields for are taken out of the map, if their values make sense. One that does not
//! (wrong type, negative count, empty string) stays in the map as it came, reads as absent, and is reported to be
//! counted. Spans without GenAI attributes become plain records. Ids and times have been checked by
//! `receive::limits`.

use std::sync::Arc;

use meshtap_filter::semconv;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1 as otlp_resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{Span, status};
use serde_json::{Value, json};

use self::attributes::attributes;
use self::take::Taker;
use crate::model::{Attributes, GenAi, Origin, SpanId, SpanKind, SpanRecord, StatusCode, TraceId, Usage};
use crate::time::rfc3339;

mod attributes;
mod old_names;
mod take;
#[cfg(test)]
mod tests;

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
pub fn record(resource: &Resource, scope: &Scope, span: Span) -> (SpanRecord, Vec<&'static str>) {
    let mut attributes = attributes(span.attributes);
    old_names::rename(&mut attributes);
    let mut taker = Taker::new(&mut attributes);
    let gen_ai = gen_ai(&mut taker);
    let error_type = taker.text(semconv::ERROR_TYPE);
    let http_status_code = taker.http_status(semconv::HTTP_RESPONSE_STATUS_CODE);
    let invalid = taker.invalid();
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

fn gen_ai(taker: &mut Taker<'_>) -> GenAi {
    GenAi {
        operation_name: taker.text(semconv::GEN_AI_OPERATION_NAME),
        provider_name: taker.text(semconv::GEN_AI_PROVIDER_NAME).map(old_names::provider),
        request_model: taker.text(semconv::GEN_AI_REQUEST_MODEL),
        response_model: taker.text(semconv::GEN_AI_RESPONSE_MODEL),
        response_id: taker.text(semconv::GEN_AI_RESPONSE_ID),
        finish_reasons: taker.texts(semconv::GEN_AI_RESPONSE_FINISH_REASONS),
        stream: taker.flag(semconv::GEN_AI_REQUEST_STREAM),
        usage: Usage {
            input_tokens: taker.count(semconv::GEN_AI_USAGE_INPUT_TOKENS),
            output_tokens: taker.count(semconv::GEN_AI_USAGE_OUTPUT_TOKENS),
            cache_read_input_tokens: taker.count(semconv::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS),
            cache_creation_input_tokens: taker.count(semconv::GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS),
            reasoning_output_tokens: taker.count(semconv::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS),
            source: taker.text(semconv::MESHTAP_USAGE_SOURCE),
        },
        time_to_first_chunk_nanos: taker.seconds(semconv::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK),
        time_to_first_content_nanos: taker.seconds(semconv::MESHTAP_TIME_TO_FIRST_CONTENT),
        end: taker.text(semconv::MESHTAP_END),
    }
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
