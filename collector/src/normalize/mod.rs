//! OTLP spans become [`SpanRecord`]s; OTLP and other vocabularies than the conventions' end here.
//!
//! A request is read where it lies (`span`, `attributes`), and only what a record keeps is copied.
//!
//! `table` says which names there are for what, `values` which words. `sift` sorts a span's attributes by it. Those that
//! the model has fields for are taken out of the map, if their values make sense. One that does not (wrong type, negative
//! count, empty string) stays in the map as it came, reads as absent, and is reported to be counted. Other attributes of a
//! GenAI span get the names of the conventions 1.41, `messages` puts what was said together, and `counting` sees to it
//! that counts mean the same whoever counted. Spans without GenAI attributes become plain records, and keep what they have
//! as it came. Ids and times have been checked by `receive::limits`.

use std::sync::Arc;

use meshtap_filter::semconv;
use serde_json::{Value, json};

use self::attributes::attributes;
use self::given::Given;
use self::sift::Sifted;
use self::span::{EventMessage, LinkMessage, SpanMessage};
use self::table::{FIRST_CHUNK_EVENTS, Field};
use crate::model::{Attributes, GenAi, Origin, SpanId, SpanKind, SpanRecord, StatusCode, TraceId, Usage};
use crate::time::rfc3339;
use crate::wire::{Malformed, RESOURCE, RESOURCE_SPANS, SCOPE, SCOPE_SPANS, SPANS, fields, messages as each};

mod attributes;
mod counting;
#[cfg(test)]
mod documented;
mod given;
mod messages;
mod read;
#[cfg(test)]
mod recorded;
mod sift;
mod span;
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
    /// Of a message that may come in several parts.
    pub fn read(parts: &[&[u8]]) -> Result<Self, Malformed> {
        let mut pairs = Vec::new();
        for part in parts {
            for pair in each(part, 1) {
                pairs.push(pair?);
            }
        }
        Ok(Self::of(attributes(pairs)?))
    }

    fn of(attributes: Attributes) -> Self {
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
    /// Of a message that may come in several parts.
    pub fn read(parts: &[&[u8]]) -> Result<Self, Malformed> {
        let (mut name, mut version) = ("", "");
        for field in parts.iter().flat_map(|part| fields(part)) {
            let field = field?;
            match field.number {
                1 => name = field.text()?,
                2 => version = field.text()?,
                _ => {}
            }
        }
        Ok(Self { name: present(name), version: present(version) })
    }
}

/// A record, and the names of the known attributes whose values made no sense.
pub type Normalized = (SpanRecord, Vec<&'static str>);

/// The records of a request's spans, one after the other.
pub fn request(request: &[u8], mut take: impl FnMut(Normalized)) -> Result<(), Malformed> {
    for resource_spans in each(request, RESOURCE_SPANS) {
        let resource_spans = resource_spans?;
        let resource = Resource::read(&parts(resource_spans, RESOURCE)?)?;
        for scope_spans in each(resource_spans, SCOPE_SPANS) {
            let scope_spans = scope_spans?;
            let scope = Scope::read(&parts(scope_spans, SCOPE)?)?;
            for span in each(scope_spans, SPANS) {
                take(record(&resource, &scope, span?)?);
            }
        }
    }
    Ok(())
}

fn parts(message: &[u8], number: u32) -> Result<Vec<&[u8]>, Malformed> {
    each(message, number).collect()
}

/// The record of one span.
pub fn record(resource: &Resource, scope: &Scope, span: &[u8]) -> Result<Normalized, Malformed> {
    let mut span = SpanMessage::read(span)?;
    let mut sifted = std::mem::take(&mut span.attributes);
    let gen_ai = gen_ai(&mut sifted, &span);
    let error_type = sifted.field(Field::ErrorType, read::text);
    let http_status_code = sifted.field(Field::HttpStatusCode, read::http_status);
    if gen_ai.is_present() {
        sifted.rename();
        sifted.gather_messages();
    }
    let (attributes, invalid) = sifted.finish();
    let record = SpanRecord {
        trace_id: TraceId(id(span.trace_id)),
        span_id: SpanId(id(span.span_id)),
        parent_span_id: Some(id(span.parent_span_id)).filter(|id| *id != [0; 8]).map(SpanId),
        name: span.name.to_owned(),
        kind: kind(span.kind),
        start_unix_nanos: span.start_unix_nanos,
        end_unix_nanos: span.end_unix_nanos,
        status: status(span.status_code),
        status_message: present(span.status_message),
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
    Ok((record, invalid))
}

/// Nothing for a span that its sender says is none of the conventions' operations.
fn gen_ai(sifted: &mut Sifted<'_>, span: &SpanMessage<'_>) -> GenAi {
    let operation = sifted.field(Field::Operation, |value| match value {
        Given::Json(Value::Null) => Some(None),
        _ => read::text(value).map(Some),
    });
    if operation == Some(None) {
        return GenAi::default();
    }
    GenAi {
        operation_name: operation
            .flatten()
            .map(|operation| values::operation(operation, span.name, sifted.has_prompts())),
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
            .or_else(|| first_chunk(&span.events)?.checked_sub(span.start_unix_nanos)),
        time_to_first_content_nanos: sifted.field(Field::TimeToFirstContent, read::seconds),
        end: sifted.field(Field::End, read::text),
    }
}

fn usage(sifted: &mut Sifted<'_>) -> Usage {
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

fn first_chunk(events: &[EventMessage<'_>]) -> Option<u64> {
    let chunks = events.iter().filter(|event| FIRST_CHUNK_EVENTS.contains(&event.name));
    chunks.map(|event| event.unix_nanos).min()
}

fn present(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// All zero when the length is wrong, which only an absent parent's is.
fn id<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().unwrap_or([0; N])
}

const fn kind(kind: u64) -> SpanKind {
    match kind {
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        _ => SpanKind::Unspecified,
    }
}

const fn status(code: u64) -> StatusCode {
    match code {
        1 => StatusCode::Ok,
        2 => StatusCode::Error,
        _ => StatusCode::Unset,
    }
}

fn event(event: EventMessage<'_>) -> Value {
    json!({
        "name": event.name,
        "time": rfc3339(event.unix_nanos),
        "attributes": Value::from(event.attributes),
    })
}

fn link(link: LinkMessage<'_>) -> Value {
    json!({
        "trace_id": TraceId(id(link.trace_id)).to_string(),
        "span_id": SpanId(id(link.span_id)).to_string(),
        "trace_state": present(link.trace_state),
        "attributes": Value::from(link.attributes),
    })
}
