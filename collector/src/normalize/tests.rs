use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1 as otlp_resource;
use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;

use super::*;

fn pair(key: &str, value: Otlp) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(key: &str, value: &str) -> KeyValue {
    pair(key, Otlp::StringValue(value.to_owned()))
}

fn normalized(attributes: Vec<KeyValue>) -> (SpanRecord, Vec<&'static str>) {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: 5,
        end_time_unix_nano: 9,
        attributes,
        ..Span::default()
    };
    record(&Resource::default(), &Scope::default(), &span.encode_to_vec()).unwrap()
}

#[test]
fn a_plain_span_keeps_everything_and_gains_nothing() {
    let (span, invalid) = normalized(vec![text("http.route", "/x")]);
    assert_eq!(span.gen_ai, GenAi::default());
    assert_eq!(Value::from(span.attributes.clone()), json!({"http.route": "/x"}));
    assert_eq!((span.call_side(), span.parent_span_id, span.kind), (None, None, SpanKind::Unspecified));
    assert!(invalid.is_empty());
}

#[test]
fn a_request_is_read_whole() {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        trace_state: "a=b".to_owned(),
        parent_span_id: vec![3; 8],
        flags: 1,
        name: "called".to_owned(),
        kind: 2,
        start_time_unix_nano: 5,
        end_time_unix_nano: 9,
        attributes: vec![text("twice", "first"), text("twice", "second"), KeyValue::default()],
        dropped_attributes_count: 1,
        events: vec![Event {
            time_unix_nano: 1_000_000_000,
            name: "happened".to_owned(),
            attributes: vec![text("a", "b")],
            dropped_attributes_count: 1,
        }],
        dropped_events_count: 1,
        links: vec![Link {
            trace_id: vec![4; 16],
            span_id: vec![5; 8],
            trace_state: "c=d".to_owned(),
            attributes: vec![text("e", "f")],
            dropped_attributes_count: 1,
            flags: 1,
        }],
        dropped_links_count: 1,
        status: Some(Status { message: "wrong".to_owned(), code: 2 }),
    };
    let scope = InstrumentationScope {
        name: "tracer".to_owned(),
        version: "1".to_owned(),
        ..InstrumentationScope::default()
    };
    let spans = vec![span.clone(), Span { name: "again".to_owned(), ..span }];
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, schema_url: "s".to_owned() }];
    let resource =
        otlp_resource::Resource { attributes: vec![text("host", "h")], ..otlp_resource::Resource::default() };
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), scope_spans, schema_url: "s".to_owned() }];
    let message = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
    let mut records = Vec::new();
    request(&message, |(record, _)| records.push(record)).unwrap();
    assert_eq!(records.len(), 2);
    let record = &records[0];
    assert_eq!((record.name.as_str(), records[1].name.as_str()), ("called", "again"));
    assert_eq!(record.trace_id, TraceId([1; 16]));
    assert_eq!((record.span_id, record.parent_span_id), (SpanId([2; 8]), Some(SpanId([3; 8]))));
    assert_eq!((record.kind, record.start_unix_nanos, record.end_unix_nanos), (SpanKind::Server, 5, 9));
    assert_eq!((record.status, record.status_message.as_deref()), (StatusCode::Error, Some("wrong")));
    assert_eq!(record.trace_state.as_deref(), Some("a=b"));
    assert_eq!((record.scope_name.as_deref(), record.scope_version.as_deref()), (Some("tracer"), Some("1")));
    assert_eq!(Value::from(record.attributes.clone()), json!({"": null, "twice": "second"}));
    assert_eq!(Value::from((*record.resource).clone()), json!({"host": "h"}));
    let event =
        json!({"name": "happened", "time": "1970-01-01T00:00:01.000000000Z", "attributes": {"a": "b"}});
    assert_eq!(record.events, [event]);
    let link = json!({
        "trace_id": "04".repeat(16), "span_id": "05".repeat(8), "trace_state": "c=d", "attributes": {"e": "f"},
    });
    assert_eq!(record.links, [link]);
    for cut in [1, message.len() / 2, message.len() - 1] {
        assert!(request(&message[..cut], |_| ()).is_err(), "{cut}");
    }
}

#[test]
fn the_resource_says_who_sent_it() {
    let resource = |attributes| {
        let resource = otlp_resource::Resource { attributes, ..otlp_resource::Resource::default() };
        Resource::read(&[&resource.encode_to_vec()]).unwrap()
    };
    let named = resource(vec![
        text(semconv::SERVICE_NAME, "shop"),
        text(semconv::K8S_DEPLOYMENT_NAME, "shop-v2"),
        text(semconv::K8S_NAMESPACE_NAME, "prod"),
        text(semconv::K8S_POD_NAME, "shop-v2-abc"),
    ]);
    assert_eq!(named.origin.service_name.as_deref(), Some("shop"));
    assert_eq!(named.origin.workload.as_deref(), Some("shop-v2"));
    assert_eq!(named.origin.namespace.as_deref(), Some("prod"));
    assert_eq!(named.origin.pod.as_deref(), Some("shop-v2-abc"));
    assert_eq!(named.attributes.len(), 4);
    assert_eq!(resource(vec![text(semconv::SERVICE_NAME, "shop")]).origin.workload.as_deref(), Some("shop"));
    assert_eq!(resource(vec![text(semconv::SERVICE_NAME, "")]).origin, Origin::default());
}

#[test]
fn known_attributes_become_fields_and_leave_the_map() {
    let reasons = ArrayValue { values: vec![AnyValue { value: Some(Otlp::StringValue("stop".to_owned())) }] };
    let (span, invalid) = normalized(vec![
        text(semconv::GEN_AI_OPERATION_NAME, "chat"),
        text(semconv::GEN_AI_REQUEST_MODEL, "gpt"),
        pair(semconv::GEN_AI_REQUEST_STREAM, Otlp::BoolValue(true)),
        pair(semconv::GEN_AI_RESPONSE_FINISH_REASONS, Otlp::ArrayValue(reasons)),
        pair(semconv::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, Otlp::DoubleValue(0.25)),
        pair(semconv::HTTP_RESPONSE_STATUS_CODE, Otlp::IntValue(429)),
        text(semconv::ERROR_TYPE, "429"),
        text("other", "kept"),
    ]);
    assert_eq!(span.gen_ai.operation_name.as_deref(), Some("chat"));
    assert_eq!(span.gen_ai.stream, Some(true));
    assert_eq!(span.gen_ai.finish_reasons, ["stop"]);
    assert_eq!(span.gen_ai.time_to_first_chunk_nanos, Some(250_000_000));
    assert_eq!((span.http_status_code, span.error_type.as_deref()), (Some(429), Some("429")));
    assert_eq!(Value::from(span.attributes), json!({"other": "kept"}));
    assert!(invalid.is_empty());
}

fn check_count(value: Otlp, expected: Option<u64>) {
    let name = semconv::GEN_AI_USAGE_INPUT_TOKENS;
    let (span, invalid) = normalized(vec![pair(name, value)]);
    assert_eq!(span.gen_ai.usage.input_tokens, expected);
    assert_eq!(invalid.is_empty(), expected.is_some());
    assert_eq!(span.attributes.contains_key(name), expected.is_none(), "a bad value stays as it came");
}

#[test]
fn counts_are_non_negative_integers_or_absent() {
    check_count(Otlp::IntValue(0), Some(0));
    check_count(Otlp::IntValue(i64::MAX), Some(i64::MAX.unsigned_abs()));
    check_count(Otlp::DoubleValue(12.0), Some(12));
    check_count(Otlp::StringValue("34".to_owned()), Some(34));
    check_count(Otlp::IntValue(-1), None);
    check_count(Otlp::DoubleValue(1.5), None);
    check_count(Otlp::DoubleValue(-1.0), None);
    check_count(Otlp::DoubleValue(f64::NAN), None);
    check_count(Otlp::DoubleValue(1e300), None);
    check_count(Otlp::StringValue(u64::MAX.to_string()), None);
    check_count(Otlp::StringValue(String::new()), None);
    check_count(Otlp::StringValue("+5".to_owned()), None);
    check_count(Otlp::BoolValue(true), None);
}

#[test]
fn old_names_are_read_as_the_current_ones() {
    let (span, _) = normalized(vec![
        text("gen_ai.system", "vertex_ai"),
        pair("gen_ai.usage.prompt_tokens", Otlp::IntValue(3)),
        pair("gen_ai.usage.completion_tokens", Otlp::IntValue(4)),
        pair("gen_ai.openai.request.seed", Otlp::IntValue(7)),
    ]);
    assert_eq!(span.gen_ai.provider_name.as_deref(), Some("gcp.vertex_ai"));
    assert_eq!((span.gen_ai.usage.input_tokens, span.gen_ai.usage.output_tokens), (Some(3), Some(4)));
    assert_eq!(Value::from(span.attributes), json!({ semconv::GEN_AI_REQUEST_SEED: 7 }));
}

#[test]
fn the_current_name_wins_over_the_old_one() {
    let (span, _) =
        normalized(vec![text("gen_ai.system", "old"), text(semconv::GEN_AI_PROVIDER_NAME, "anthropic")]);
    assert_eq!(span.gen_ai.provider_name.as_deref(), Some("anthropic"));
    assert_eq!(Value::from(span.attributes), json!({"gen_ai.system": "old"}));
}
