use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span as Decoded;
use prost::Message;

use super::*;
use crate::caller::Caller;
use crate::ending::{End, ErrorType};
use crate::provider::Facts;
use crate::span::{EnvoyFacts, Http, StreamTimes};
use crate::trace_context::SpanContext;
use crate::usage::{Usage, UsageSource};

pub(crate) fn span() -> Span {
    Span {
        context: SpanContext {
            trace_id: [1; 16],
            span_id: [2; 8],
            parent_span_id: Some([3; 8]),
            flags: 1,
            trace_state: "vendor=1".into(),
        },
        kind: Kind::Client,
        start: 1_700_000_000_000_000_000,
        end: 1_700_000_002_000_000_000,
        operation: Operation::Chat,
        api: "openai.chat",
        provider_name: "openai".into(),
        facts: Facts {
            request_model: Some("gpt-4o".into()),
            stream: Some(true),
            temperature: Some(0.25),
            choice_count: Some(1),
            stop_sequences: vec!["a".into(), "b".into()],
            request_service_tier: Some("auto".into()),
            output_format: Some("json_object".into()),
            finish_reasons: vec![(0, "stop".into()), (1, "length".into())],
            raw_usage: Some("{}".into()),
            ..Facts::default()
        },
        usage: Usage { input_tokens: Some(0), output_tokens: Some(7), ..Usage::default() },
        usage_source: UsageSource::Provider,
        usage_absent_reason: None,
        stream: StreamTimes {
            first_chunk: Some(1_700_000_000_500_000_000),
            first_content: Some(1_700_000_001_000_000_000),
            last_content: Some(1_700_000_001_500_000_000),
            output_chunks: 3,
            longest_gap_nanos: 400_000_000,
        },
        http: Http {
            method: "POST".into(),
            server_address: "api.openai.com".into(),
            server_port: Some(80),
            path: "/v1/chat/completions".into(),
            status: Some(200),
            request_bytes: 300,
            response_unread: Some(Unread::Truncated),
            ..Http::default()
        },
        ending: End::UpstreamReset,
        error_type: Some(ErrorType::UpstreamReset),
        envoy: EnvoyFacts { cluster: Some("outbound|80||api.openai.com".into()), ..EnvoyFacts::default() },
        caller: Caller { session_id: Some("session-1".into()), ..Caller::default() },
        content: None,
    }
}

fn decode(spans: &[Span]) -> ExportTraceServiceRequest {
    let resource = encode_resource(&[("service.name", "checkout".into())]);
    let spans: Vec<EncodedSpan> = spans.iter().map(encode_span).collect();
    let message = encode_request(&resource, spans.iter());
    ExportTraceServiceRequest::decode(message.as_slice()).expect("valid OTLP")
}

fn attribute(span: &Decoded, name: &str) -> Option<Any> {
    let mut found = span.attributes.iter().filter(|attribute| attribute.key == name);
    let first = found.next()?.value.clone()?.value;
    assert!(found.next().is_none(), "{name} is there twice");
    first
}

#[test]
fn a_heartbeat_is_a_span_of_no_length_that_is_no_call() {
    let problems: Vec<Problem> = (0..20)
        .map(|index| Problem { path: format!("exclude[{}]", index / 2), message: "unknown".into() })
        .collect();
    let heartbeat = Heartbeat {
        vm_id: "0123456789abcdef",
        config_sha256: "ab",
        problems: &problems,
        spans_finished: 7,
        spans_dropped: 0,
    };
    let bytes = encode_heartbeat(&heartbeat, &SpanContext::new(None, None, &mut || 5), 1_000);
    let span = Decoded::decode(bytes.as_slice()).expect("valid OTLP");
    assert_eq!((span.name.as_str(), span.kind), ("meshtap.heartbeat", 1));
    assert_eq!((span.start_time_unix_nano, span.end_time_unix_nano), (1_000, 1_000));
    assert_eq!((span.trace_id.len(), span.span_id.len(), span.parent_span_id.len()), (16, 8, 0));
    let text = |value: &str| Some(Any::StringValue(value.into()));
    assert_eq!(attribute(&span, names::MESHTAP_VM_ID), text("0123456789abcdef"));
    assert_eq!(attribute(&span, names::MESHTAP_MODULE_VERSION), text(env!("CARGO_PKG_VERSION")));
    assert_eq!(attribute(&span, names::MESHTAP_CONFIG_PROBLEMS), Some(Any::IntValue(20)));
    let paths = attribute(&span, names::MESHTAP_CONFIG_PROBLEM_PATHS);
    let Some(Any::ArrayValue(paths)) = paths else { panic!("{paths:?}") };
    let paths: Vec<_> = paths.values.into_iter().map(|path| path.value).collect();
    let each_once: Vec<_> = (0..8).map(|index| text(&format!("exclude[{index}]"))).collect();
    assert_eq!(paths, each_once);
    assert_eq!(attribute(&span, names::MESHTAP_SPANS_FINISHED), Some(Any::IntValue(7)));
    assert_eq!(attribute(&span, names::MESHTAP_SPANS_DROPPED), Some(Any::IntValue(0)));
    assert!(span.attributes.iter().all(|attribute| attribute.key.starts_with("meshtap.")));
}

#[test]
fn another_implementation_reads_what_is_written() {
    let request = decode(&[span(), span()]);
    let [resource_spans] = request.resource_spans.as_slice() else { panic!("one resource") };
    assert_eq!(resource_spans.schema_url, names::SCHEMA_URL);
    let resource = resource_spans.resource.as_ref().unwrap();
    assert_eq!(resource.attributes[0].key, "service.name");
    let [scope_spans] = resource_spans.scope_spans.as_slice() else { panic!("one scope") };
    assert_eq!(scope_spans.scope.as_ref().unwrap().name, names::SCOPE_NAME);
    assert_eq!(scope_spans.spans.len(), 2);

    let span = &scope_spans.spans[0];
    assert_eq!((span.trace_id.as_slice(), span.span_id.as_slice()), (&[1; 16][..], &[2; 8][..]));
    assert_eq!((span.parent_span_id.as_slice(), span.trace_state.as_str()), (&[3; 8][..], "vendor=1"));
    assert_eq!((span.name.as_str(), span.kind, span.flags), ("chat gpt-4o", 3, 0x301));
    assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 2_000_000_000);
    assert_eq!(span.status.as_ref().unwrap().code, 2);

    let text = |value: &str| Some(Any::StringValue(value.into()));
    assert_eq!(attribute(span, names::GEN_AI_OPERATION_NAME), text("chat"));
    assert_eq!(attribute(span, names::MESHTAP_SESSION_ID), text("session-1"));
    assert_eq!(attribute(span, names::MESHTAP_TENANT_ID), None);
    assert_eq!(attribute(span, names::GEN_AI_REQUEST_STREAM), Some(Any::BoolValue(true)));
    assert_eq!(attribute(span, names::GEN_AI_REQUEST_TEMPERATURE), Some(Any::DoubleValue(0.25)));
    assert_eq!(
        attribute(span, names::GEN_AI_USAGE_INPUT_TOKENS),
        Some(Any::IntValue(0)),
        "zero is not absent"
    );
    assert_eq!(attribute(span, names::GEN_AI_USAGE_OUTPUT_TOKENS), Some(Any::IntValue(7)));
    assert_eq!(attribute(span, names::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS), None, "absent is not zero");
    assert_eq!(attribute(span, names::GEN_AI_REQUEST_CHOICE_COUNT), None, "one choice is the usual");
    assert_eq!(attribute(span, names::OPENAI_REQUEST_SERVICE_TIER), None, "auto is the usual");
    assert_eq!(attribute(span, names::GEN_AI_OUTPUT_TYPE), text("json"));
    assert_eq!(attribute(span, names::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK), Some(Any::DoubleValue(0.5)));
    assert_eq!(attribute(span, names::MESHTAP_TIME_TO_FIRST_CONTENT), Some(Any::DoubleValue(1.0)));
    assert_eq!(attribute(span, names::MESHTAP_OUTPUT_CHUNK_GAP_MEAN), Some(Any::DoubleValue(0.25)));
    assert_eq!(attribute(span, names::MESHTAP_OUTPUT_CHUNK_GAP_MAX), Some(Any::DoubleValue(0.4)));
    assert_eq!(attribute(span, names::MESHTAP_RESPONSE_UNREAD), text("truncated"));
    assert_eq!(attribute(span, names::MESHTAP_END), text("upstream_reset"));
    assert_eq!(attribute(span, names::ERROR_TYPE), text("upstream_reset"));
    let Some(Any::ArrayValue(reasons)) = attribute(span, names::GEN_AI_RESPONSE_FINISH_REASONS) else {
        panic!("an array")
    };
    let reasons: Vec<_> = reasons.values.into_iter().filter_map(|value| value.value).collect();
    assert_eq!(reasons, [Any::StringValue("stop".into()), Any::StringValue("length".into())]);
}

#[test]
fn a_root_without_a_model() {
    let mut bare = span();
    bare.context.parent_span_id = None;
    bare.facts = Facts::default();
    bare.error_type = None;
    bare.stream = StreamTimes::default();
    let request = decode(&[bare]);
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!((span.name.as_str(), span.parent_span_id.len(), span.flags), ("chat", 0, 0x101));
    assert_eq!(span.status, None);
    assert_eq!(attribute(span, names::MESHTAP_OUTPUT_CHUNKS), None);
}

#[test]
fn long_messages_keep_their_framing() {
    let mut long = span();
    long.facts.response_id = Some("x".repeat(5_000));
    let spans: Vec<Span> = (0..100).map(|_| long.clone()).collect();
    assert_eq!(decode(&spans).resource_spans[0].scope_spans[0].spans.len(), 100);
}

fn redactions() -> crate::redact::Found {
    let (redactor, mut found) = (crate::config::Config::default().redactor, crate::redact::Found::default());
    redactor.redact("ann@example.com, bob@example.com, 192.0.2.1", false, &mut found);
    found
}

fn content() -> Content {
    Content {
        mode: "full",
        system_instructions: Some("[1]".into()),
        input_messages: Some("[2]".repeat(5_000)),
        output_messages: Some("[3]".into()),
        tool_definitions: None,
        truncated: true,
        dropped_messages: 3,
        redactions: redactions(),
    }
}

#[test]
fn content_is_a_tail_that_may_be_left_out() {
    let full = Span { content: Some(content()), ..span() };
    let request = decode(std::slice::from_ref(&full));
    let decoded = &request.resource_spans[0].scope_spans[0].spans[0];
    let text = |value: &str| Some(Any::StringValue(value.into()));
    assert_eq!(attribute(decoded, names::GEN_AI_SYSTEM_INSTRUCTIONS), text("[1]"));
    assert_eq!(attribute(decoded, names::GEN_AI_INPUT_MESSAGES), text(&"[2]".repeat(5_000)));
    assert_eq!(attribute(decoded, names::GEN_AI_OUTPUT_MESSAGES), text("[3]"));
    assert_eq!(attribute(decoded, names::GEN_AI_TOOL_DEFINITIONS), None);
    assert_eq!(attribute(decoded, names::MESHTAP_CONTENT_MODE), text("full"));
    assert_eq!(attribute(decoded, names::MESHTAP_CONTENT_TRUNCATED), Some(Any::BoolValue(true)));
    assert_eq!(attribute(decoded, names::MESHTAP_CONTENT_DROPPED_MESSAGES), Some(Any::IntValue(3)));

    let Some(Any::ArrayValue(kinds)) = attribute(decoded, names::MESHTAP_CONTENT_REDACTIONS) else {
        panic!()
    };
    let kinds: Vec<_> = kinds.values.into_iter().map(|value| value.value).collect();
    assert_eq!(kinds, [text("email:2"), text("ip_address:1")]);

    let mut encoded = encode_span(&full);
    assert!(encoded.has_content());
    assert!(encoded.drop_content() > 15_000);
    assert_eq!(encoded, encode_span(&span()), "all else is as it was");
}

#[test]
fn content_is_taken_out_of_a_request() {
    let resource = encode_resource(&[("service.name", "checkout".into())]);
    let request = |spans: &[Span]| {
        let spans: Vec<EncodedSpan> = spans.iter().map(encode_span).collect();
        encode_request(&resource, spans.iter())
    };
    let full = Span { content: Some(content()), ..span() };
    let seen = without_content(&request(&[full.clone(), span(), full]));
    assert_eq!(seen, Some(request(&[span(), span(), span()])));
    assert_eq!(without_content(b"garbage"), None);
}

#[test]
fn rejected_spans_are_read_from_a_partial_success() {
    use opentelemetry_proto::tonic::collector::trace::v1::{
        ExportTracePartialSuccess, ExportTraceServiceResponse,
    };
    let response = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess {
            rejected_spans: 3,
            error_message: "too long".into(),
        }),
    };
    assert_eq!(rejected_spans(&response.encode_to_vec()), 3);
    assert_eq!(rejected_spans(&[]), 0);
    assert_eq!(rejected_spans(b"garbage"), 0);
}

#[test]
fn a_grpc_service_longer_than_one_varint_byte() {
    let cluster = format!("outbound|4317||{}", "x".repeat(150));
    let bytes = encode_grpc_service(&cluster, "authority:4317");
    let mut message = bytes.as_slice();
    let Some((1, Value::Bytes(mut envoy_grpc))) = protobuf::next_field(&mut message) else {
        panic!("envoy_grpc")
    };
    assert_eq!(protobuf::next_field(&mut envoy_grpc), Some((1, Value::Bytes(cluster.as_bytes()))));
    assert_eq!(protobuf::next_field(&mut envoy_grpc), Some((2, Value::Bytes(b"authority:4317"))));
}

#[test]
fn kinds_of_output_in_the_words_of_the_conventions() {
    for (operation, format, expected) in [
        (Operation::Chat, "json_schema", "json"),
        (Operation::GenerateContent, "application/json", "json"),
        (Operation::GenerateContent, "text/plain", "text"),
        (Operation::GenerateContent, "IMAGE", "image"),
        (Operation::Chat, "audio", "speech"),
        (Operation::Transcription, "verbose_json", "json"),
        (Operation::Transcription, "srt", "text"),
        (Operation::ImageGeneration, "b64_json", "image"),
        (Operation::Speech, "mp3", "speech"),
        (Operation::Chat, "grammar", "grammar"),
    ] {
        let span = Span {
            operation,
            facts: Facts { output_format: Some(format.into()), ..Facts::default() },
            ..span()
        };
        let message = decode(&[span]);
        let decoded = &message.resource_spans[0].scope_spans[0].spans[0];
        let seen = attribute(decoded, names::GEN_AI_OUTPUT_TYPE);
        assert_eq!(seen, Some(Any::StringValue(expected.into())), "{format}");
    }
}
