use super::*;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue};

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
    record(&Resource::default(), &Scope::default(), span)
}

#[test]
fn a_plain_span_keeps_everything_and_gains_nothing() {
    let (span, invalid) = normalized(vec![text("http.route", "/x")]);
    assert_eq!(span.gen_ai, GenAi::default());
    assert_eq!(Value::Object(span.attributes.clone()), json!({"http.route": "/x"}));
    assert_eq!((span.call_side(), span.parent_span_id, span.kind), (None, None, SpanKind::Unspecified));
    assert!(invalid.is_empty());
}

#[test]
fn the_resource_says_who_sent_it() {
    let resource = |attributes| {
        Resource::new(Some(otlp_resource::Resource { attributes, ..otlp_resource::Resource::default() }))
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
    assert_eq!(Value::Object(span.attributes), json!({"other": "kept"}));
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
    assert_eq!(Value::Object(span.attributes), json!({ semconv::GEN_AI_REQUEST_SEED: 7 }));
}

#[test]
fn the_current_name_wins_over_the_old_one() {
    let (span, _) =
        normalized(vec![text("gen_ai.system", "old"), text(semconv::GEN_AI_PROVIDER_NAME, "anthropic")]);
    assert_eq!(span.gen_ai.provider_name.as_deref(), Some("anthropic"));
    assert_eq!(Value::Object(span.attributes), json!({"gen_ai.system": "old"}));
}
