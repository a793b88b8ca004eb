//! Requests as a sender builds them.

use meshtap_filter::semconv;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};

pub(crate) const START: u64 = 1_700_000_000_123_456_789;

pub(crate) fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Value::StringValue(value.to_owned()))
}

pub(crate) fn int(key: &str, value: i64) -> KeyValue {
    pair(key, Value::IntValue(value))
}

pub(crate) fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

/// A plain span of one second in trace `id`.
pub(crate) fn span(id: u8) -> Span {
    Span {
        trace_id: vec![id; 16],
        span_id: vec![id; 8],
        name: format!("span {id}"),
        kind: 1,
        start_time_unix_nano: START + u64::from(id),
        end_time_unix_nano: START + u64::from(id) + 1_000_000_000,
        ..Span::default()
    }
}

/// A model call that took 12 tokens in and 34 out.
pub(crate) fn call(id: u8, model: &str) -> Span {
    Span {
        name: format!("chat {model}"),
        kind: 3,
        attributes: vec![
            text(semconv::GEN_AI_OPERATION_NAME, "chat"),
            text(semconv::GEN_AI_PROVIDER_NAME, "openai"),
            text(semconv::GEN_AI_REQUEST_MODEL, model),
            int(semconv::GEN_AI_USAGE_INPUT_TOKENS, 12),
            int(semconv::GEN_AI_USAGE_OUTPUT_TOKENS, 34),
            pair(semconv::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, Value::DoubleValue(0.25)),
            text(semconv::MESHTAP_USAGE_SOURCE, "provider"),
            text(semconv::MESHTAP_END, "complete"),
            text("custom", "kept"),
        ],
        ..span(id)
    }
}

pub(crate) fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let resource = Resource {
        attributes: vec![
            text(semconv::SERVICE_NAME, "shop"),
            text(semconv::K8S_NAMESPACE_NAME, "prod"),
            text(semconv::K8S_POD_NAME, "shop-1"),
        ],
        ..Resource::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![ScopeSpans { spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}
