//! What senders send: requests of 512 spans of model calls, with 30 attributes each and 9 of the resource.
//!
//! Requests are encoded beforehand, a few different ones, as those of as many pods. What differs from request to request
//! (ids and times) is written into a copy, so that making one costs little beside what is measured.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fastrand::Rng;
use meshtap_filter::semconv as names;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

pub const SPANS: usize = 512;
const PODS: usize = 8;
const SPANS_PER_TRACE: usize = 4;
/// Before a gRPC message: not compressed, and its length.
const PREFIX_BYTES: usize = 5;

const MODELS: [(&str, &str); 6] = [
    ("openai", "gpt-4o"),
    ("openai", "gpt-4o-mini"),
    ("anthropic", "claude-sonnet-4-5"),
    ("gcp.gemini", "gemini-2.5-flash"),
    ("aws.bedrock", "amazon.nova-pro-v1:0"),
    ("mistral_ai", "mistral-large-latest"),
];

/// Requests to take turns with.
pub struct Requests {
    templates: Vec<Template>,
}

/// An encoded request, and where in it each of its spans stands.
struct Template {
    message: Vec<u8>,
    spans: Vec<Place>,
}

/// Offsets of the values in a span that change.
#[derive(Clone, Copy)]
struct Place {
    trace_id: usize,
    span_id: usize,
    parent_span_id: usize,
    start: usize,
    end: usize,
    duration_nanos: u64,
}

impl Requests {
    pub fn new(seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        Self { templates: (0..PODS).map(|pod| Template::new(pod, &mut random)).collect() }
    }

    /// One request as a gRPC message, with new ids and the time of now.
    pub fn next(&self, random: &mut Rng) -> Bytes {
        let template = &self.templates[random.usize(..self.templates.len())];
        let mut message = template.message.clone();
        let now = unix_nanos();
        let (mut trace_id, mut parent) = ([0; 16], [0; 8]);
        for (number, place) in template.spans.iter().enumerate() {
            if number % SPANS_PER_TRACE == 0 {
                trace_id = random.u128(1..).to_be_bytes();
                parent = random.u64(1..).to_be_bytes();
            }
            let span_id = random.u64(1..).to_be_bytes();
            let start = now - place.duration_nanos;
            put(&mut message, place.trace_id, &trace_id);
            put(&mut message, place.span_id, &span_id);
            put(&mut message, place.parent_span_id, &parent);
            put(&mut message, place.start, &start.to_le_bytes());
            put(&mut message, place.end, &now.to_le_bytes());
            parent = span_id;
        }
        message.into()
    }

    /// Of a span, in the mean, as it is sent.
    pub fn bytes_per_span(&self) -> usize {
        let bytes: usize = self.templates.iter().map(|template| template.message.len()).sum();
        bytes / (self.templates.len() * SPANS)
    }
}

fn put(message: &mut [u8], at: usize, value: &[u8]) {
    message[at..at + value.len()].copy_from_slice(value);
}

fn unix_nanos() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or_default()
}

impl Template {
    fn new(pod: usize, random: &mut Rng) -> Self {
        let durations: Vec<u64> = (0..SPANS).map(|_| random.u64(200_000_000..9_000_000_000)).collect();
        let spans = (0..SPANS).map(|number| span(number, random)).collect();
        let scope = InstrumentationScope {
            name: "bench".to_owned(),
            version: "0.1.0".to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let resource = Some(Resource { attributes: resource(pod), ..Resource::default() });
        let resource_spans = vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        let request = ExportTraceServiceRequest { resource_spans };
        let length = request.encoded_len();
        let mut message = Vec::with_capacity(PREFIX_BYTES + length);
        message.push(0);
        message.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
        request.encode(&mut message).expect("a vector has room");
        let spans = places(&message, &durations);
        Self { message, spans }
    }
}

/// Finds the markers that [`span`] leaves.
fn places(message: &[u8], durations: &[u64]) -> Vec<Place> {
    let mut from = 0;
    let place = |(number, duration): (usize, &u64)| {
        let trace_id = from + find(&message[from..], &trace_marker(number));
        let start = trace_id + find(&message[trace_id..], &time_marker(number).to_le_bytes());
        from = start;
        // Between them are the tag and the length of the next field.
        let span_id = trace_id + 16 + 2;
        Place {
            trace_id,
            span_id,
            parent_span_id: span_id + 8 + 2,
            start,
            end: start + 8 + 1,
            duration_nanos: *duration,
        }
    };
    durations.iter().enumerate().map(place).collect()
}

fn find(text: &[u8], part: &[u8]) -> usize {
    text.windows(part.len()).position(|window| window == part).expect("a span has its marker")
}

fn trace_marker(number: usize) -> [u8; 16] {
    let mut marker = *b"trace id........";
    marker[8..].copy_from_slice(&(number as u64).to_be_bytes());
    marker
}

fn time_marker(number: usize) -> u64 {
    0x7e57_7e57_0000_0000 | number as u64
}

fn span(number: usize, random: &mut Rng) -> Span {
    let (provider, model) = MODELS[random.usize(..MODELS.len())];
    Span {
        trace_id: trace_marker(number).to_vec(),
        span_id: vec![1; 8],
        parent_span_id: vec![2; 8],
        name: format!("chat {model}"),
        kind: 3,
        start_time_unix_nano: time_marker(number),
        end_time_unix_nano: u64::MAX,
        attributes: attributes(provider, model, random),
        ..Span::default()
    }
}

fn attributes(provider: &str, model: &str, random: &mut Rng) -> Vec<KeyValue> {
    let input = random.i64(20..6_000);
    let output = random.i64(1..900);
    vec![
        text(names::GEN_AI_OPERATION_NAME, "chat"),
        text(names::GEN_AI_PROVIDER_NAME, provider),
        text(names::GEN_AI_REQUEST_MODEL, model),
        text(names::GEN_AI_RESPONSE_MODEL, format!("{model}-2026-01-01")),
        text(names::GEN_AI_RESPONSE_ID, format!("chatcmpl-{:024x}", random.u128(..) >> 32)),
        texts(names::GEN_AI_RESPONSE_FINISH_REASONS, "stop"),
        int(names::GEN_AI_USAGE_INPUT_TOKENS, input),
        int(names::GEN_AI_USAGE_OUTPUT_TOKENS, output),
        int(names::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, input / 4),
        int(names::GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, output / 3),
        double(names::GEN_AI_REQUEST_TEMPERATURE, f64::from(random.u8(..11)) / 10.0),
        int(names::GEN_AI_REQUEST_MAX_TOKENS, 256 << random.u8(..5)),
        double(names::GEN_AI_REQUEST_TOP_P, 0.95),
        pair(names::GEN_AI_REQUEST_STREAM, Value::BoolValue(true)),
        double(names::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, f64::from(random.u32(80_000..2_000_000)) / 1e6),
        text(names::SERVER_ADDRESS, format!("api.{provider}.com")),
        int(names::SERVER_PORT, 443),
        text(names::URL_PATH, "/v1/chat/completions"),
        text(names::HTTP_REQUEST_METHOD, "POST"),
        int(names::HTTP_RESPONSE_STATUS_CODE, 200),
        text(names::USER_AGENT_ORIGINAL, "OpenAI/Python 3.52.0"),
        text(names::MESHTAP_USER_ID, format!("user-{}", random.u16(..5_000))),
        text(names::MESHTAP_SESSION_ID, format!("{:016x}", random.u64(..))),
        text(names::MESHTAP_END, "complete"),
        text(names::MESHTAP_USAGE_SOURCE, "provider"),
        int(names::MESHTAP_REQUEST_BYTES, random.i64(500..40_000)),
        int(names::MESHTAP_RESPONSE_BYTES, random.i64(500..9_000)),
        int(names::MESHTAP_OUTPUT_CHUNKS, output),
        text(names::MESHTAP_ENVOY_CLUSTER, format!("outbound|443||api.{provider}.com")),
        text("network.protocol.version", "2"),
    ]
}

fn resource(pod: usize) -> Vec<KeyValue> {
    let workload = format!("shop-worker-{}", pod % 3);
    vec![
        text(names::SERVICE_NAME, workload.as_str()),
        text(names::SERVICE_VERSION, "1.4.2"),
        text(names::SERVICE_NAMESPACE, "shop"),
        text(names::K8S_NAMESPACE_NAME, "shop"),
        text(names::K8S_DEPLOYMENT_NAME, workload.as_str()),
        text(names::K8S_POD_NAME, format!("{workload}-6d8f9c7b5-{pod:05x}")),
        text(names::K8S_NODE_NAME, format!("node-{}", pod % 4)),
        text(names::K8S_CLUSTER_NAME, "production"),
        text("telemetry.sdk.language", "rust"),
    ]
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    pair(key, Value::StringValue(value.into()))
}

fn texts(key: &str, one: &str) -> KeyValue {
    let one = AnyValue { value: Some(Value::StringValue(one.to_owned())) };
    pair(key, Value::ArrayValue(ArrayValue { values: vec![one] }))
}

fn int(key: &str, value: i64) -> KeyValue {
    pair(key, Value::IntValue(value))
}

fn double(key: &str, value: f64) -> KeyValue {
    pair(key, Value::DoubleValue(value))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_request_is_new_and_what_it_should_be() {
        let (requests, mut random) = (Requests::new(1), Rng::with_seed(2));
        let mut ids = HashSet::new();
        for _ in 0..3 {
            let message = requests.next(&mut random);
            let mut request = ExportTraceServiceRequest::decode(&message[PREFIX_BYTES..]).unwrap();
            let resource_spans = request.resource_spans.pop().unwrap();
            assert_eq!(resource_spans.resource.unwrap().attributes.len(), 9);
            let spans = &resource_spans.scope_spans[0].spans;
            assert_eq!(spans.len(), SPANS);
            for (number, span) in spans.iter().enumerate() {
                assert_eq!((span.trace_id.len(), span.attributes.len()), (16, 30));
                assert!(ids.insert(span.span_id.clone()), "an id comes twice");
                assert!(span.start_time_unix_nano < span.end_time_unix_nano);
                assert!(span.end_time_unix_nano <= unix_nanos());
                if number % SPANS_PER_TRACE > 0 {
                    let before = &spans[number - 1];
                    assert_eq!((&span.parent_span_id, &span.trace_id), (&before.span_id, &before.trace_id));
                }
            }
        }
        assert!((1_000..1_400).contains(&requests.bytes_per_span()), "{}", requests.bytes_per_span());
    }
}
