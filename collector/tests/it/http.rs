//! OTLP/HTTP as the specification has it.

use std::io::Write as _;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::{Value, json};

use crate::otlp::{call, request, span};
use crate::running::Running;

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn in_json(id: u8) -> String {
    let hex = |bytes: usize| format!("{id:02x}").repeat(bytes);
    json!({"resourceSpans": [{"scopeSpans": [{"spans": [{
        "traceId": hex(16), "spanId": hex(8), "name": "in json", "kind": 3,
        "startTimeUnixNano": "1700000000000000000", "endTimeUnixNano": 1_700_000_000_500_000_000_u64,
        "attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt"}},
            {"key": "gen_ai.operation.name", "value": {"stringValue": "chat"}},
            {"key": "gen_ai.usage.input_tokens", "value": {"intValue": "7"}}],
    }]}]}]})
    .to_string()
}

#[tokio::test]
async fn every_format_and_coding_is_read() {
    let collector = Running::start().await;
    let protobuf = |id| request(vec![call(id, "gpt")]).encode_to_vec();
    let (gzipped, zstd) = (("content-encoding", "gzip"), ("content-encoding", "zstd"));
    for (headers, body) in [
        (vec![PROTOBUF], protobuf(1)),
        (vec![PROTOBUF, gzipped], gzip(&protobuf(2))),
        (vec![PROTOBUF, zstd], zstd::bulk::compress(&protobuf(3), 1).unwrap()),
        (vec![JSON], in_json(4).into_bytes()),
        (vec![JSON, gzipped], gzip(in_json(5).as_bytes())),
        (vec![JSON, zstd], zstd::bulk::compress(in_json(6).as_bytes(), 1).unwrap()),
    ] {
        let (status, head, body) = collector.post(&headers, &body).await;
        assert_eq!(status, 200, "{headers:?}: {head}");
        let is_json = headers[0] == JSON;
        assert!(head.contains(if is_json { "application/json" } else { PROTOBUF.1 }), "{head}");
        assert_eq!(body, if is_json { b"{}".to_vec() } else { Vec::new() });
    }
    collector.drained().await;
    let (_, usage) = collector.json("/api/v1/usage?group_by=model").await;
    assert_eq!((&usage["rows"][0]["model"], &usage["rows"][0]["calls"]), (&json!("gpt"), &json!(6)));
    assert_eq!(usage["rows"][0]["input_tokens"], 3 * 12 + 3 * 7);
}

#[tokio::test]
async fn a_bad_span_is_rejected_alone() {
    let collector = Running::start().await;
    let spans = vec![span(1), Span { trace_id: Vec::new(), ..span(2) }];
    let (status, _, body) = collector.post(&[PROTOBUF], &request(spans).encode_to_vec()).await;
    let partial = ExportTraceServiceResponse::decode(&*body).unwrap().partial_success.unwrap();
    assert_eq!((status, partial.rejected_spans), (200, 1));
    let bad = in_json(3).replace(&"03".repeat(16), "");
    let (status, _, body) = collector.post(&[JSON], bad.as_bytes()).await;
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &answer["partialSuccess"]["rejectedSpans"]), (200, &json!("1")));
    let message = answer["partialSuccess"]["errorMessage"].as_str().unwrap();
    assert!(message.contains("invalid_trace_id"), "{message}");
}

/// The same bounds as in protobuf, with the same reasons.
#[tokio::test]
async fn limits_hold_in_json() {
    let collector = Running::with(|config| {
        config.receive.limits.max_attribute_value_bytes = 1_000;
        config.receive.limits.max_value_depth = 3;
        config.receive.limits.max_spans_per_batch = 100;
    })
    .await;
    let many = |item: &str| vec![item; 1_000].join(",");
    let one = |member: &str, list: &str| format!(r#""{member}":[{list}]"#);
    let value = |value: &str| one("attributes", &format!(r#"{{"key":"a","value":{value}}}"#));
    let deep = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(60), "]}}".repeat(60));
    for (members, reason) in [
        (one("attributes", &many("{}")), "too_many_attributes"),
        (one("events", &many("{}")), "too_many_events"),
        (one("links", &many("{}")), "too_many_links"),
        (one("links", r#"{"traceId":"00"}"#), "invalid_link"),
        (value(&format!(r#"{{"arrayValue":{{"values":[{}]}}}}"#, many("{}"))), "value_too_long"),
        (value(&format!(r#"{{"kvlistValue":{{"values":[{}]}}}}"#, many("{}"))), "value_too_long"),
        (value(&deep), "value_too_deep"),
    ] {
        let body = in_json(1)
            .replace(r#""kind":3"#, &members)
            .replace(r#""attributes":[{"key":"gen"#, r#""x":[{"key":"gen"#);
        let (status, _, body) = collector.post(&[JSON], body.as_bytes()).await;
        let body = String::from_utf8(body).unwrap();
        assert!(status == 200 && body.contains(&format!("1 span {reason}: ")), "{reason}: {body}");
        let sample = format!("meshtap_spans_rejected_total{{reason=\"{reason}\"}}");
        assert!(collector.metric(&sample).await > Some(0.0), "{reason}");
    }
    let body = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, many("{}"));
    let (_, _, body) = collector.post(&[JSON], body.as_bytes()).await;
    let body = String::from_utf8(body).unwrap();
    assert!(
        body.contains("900 spans too_many_spans") && body.contains("100 spans invalid_trace_id"),
        "{body}"
    );
}

#[tokio::test]
async fn errors_have_the_status_and_the_body_of_the_specification() {
    let collector = Running::with(|config| config.receive.limits.max_message_bytes = 10_000).await;
    let large = request(vec![Span { name: "x".repeat(20_000), ..span(1) }]).encode_to_vec();
    let gzipped = ("content-encoding", "gzip");
    let zstd = ("content-encoding", "zstd");
    for (headers, body, expected, part) in [
        (vec![PROTOBUF], large.clone(), 413, "receive.limits.max_message_bytes"),
        // A few bytes on the wire, as many as before when unpacked.
        (vec![PROTOBUF, gzipped], gzip(&large), 413, "receive.limits.max_message_bytes"),
        (
            vec![PROTOBUF, zstd],
            zstd::bulk::compress(&large, 1).unwrap(),
            413,
            "receive.limits.max_message_bytes",
        ),
        (vec![PROTOBUF, gzipped], b"no gzip".to_vec(), 400, "cannot be decompressed"),
        (vec![PROTOBUF, zstd], b"no zstd".to_vec(), 400, "cannot be decompressed"),
        (vec![PROTOBUF], b"\xff".to_vec(), 400, "no OTLP"),
        (vec![JSON], b"{".to_vec(), 400, "EOF"),
        (vec![JSON], b"{\"resourceSpans\":7}".to_vec(), 400, "a list of objects"),
        (vec![("content-type", "text/plain")], Vec::new(), 415, "text/plain"),
        (vec![], Vec::new(), 415, "application/x-protobuf"),
        (vec![PROTOBUF, ("content-encoding", "br")], Vec::new(), 415, "send gzip or zstd"),
    ] {
        let (status, head, body) = collector.post(&headers, &body).await;
        assert_eq!(status, expected, "{headers:?}: {head}");
        let message = if headers.first() == Some(&JSON) {
            serde_json::from_slice::<Value>(&body).unwrap()["message"].as_str().unwrap().to_owned()
        } else {
            tonic_types::Status::decode(&*body).unwrap().message
        };
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(collector.metric("meshtap_batches_failed_total{reason=\"too_large\"}").await, Some(3.0));
    assert_eq!(collector.metric("meshtap_spans_received_total").await, Some(0.0));
}

/// What has more spans than a batch may have is cut, not decoded.
#[tokio::test]
async fn the_spans_beyond_the_bound_are_counted_and_left_out() {
    let collector = Running::with(|config| config.receive.limits.max_spans_per_batch = 2).await;
    let body = request((1..=5).map(span).collect()).encode_to_vec();
    let (status, _, body) = collector.post(&[PROTOBUF], &body).await;
    let partial = ExportTraceServiceResponse::decode(&*body).unwrap().partial_success.unwrap();
    assert_eq!((status, partial.rejected_spans), (200, 3));
    assert!(partial.error_message.contains("receive.limits.max_spans_per_batch"), "{partial:?}");
    collector.drained().await;
    assert_eq!(collector.metric("meshtap_spans_stored_total").await, Some(2.0));
    let rejected = collector.metric("meshtap_spans_rejected_total{reason=\"too_many_spans\"}").await;
    assert_eq!(rejected, Some(3.0));
}
