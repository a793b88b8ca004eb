use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic_types::StatusExt as _;

use crate::otlp::{call, request, span, text};
use crate::running::Running;

#[tokio::test]
async fn a_bad_span_is_rejected_alone() {
    let collector = Running::with(|config| config.receive.grpc.max_attributes_per_span = 3).await;
    let no_trace = Span { trace_id: vec![0; 16], ..span(1) };
    let beyond = Span { end_time_unix_nano: u64::MAX, ..span(2) };
    let many = Span { attributes: (0..4).map(|n| text(&n.to_string(), "")).collect(), ..span(3) };
    let answer =
        collector.export(request(vec![no_trace.clone(), span(4), beyond, many, no_trace])).await.unwrap();
    let partial = answer.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 4);
    for part in
        ["4 spans rejected", "2 spans invalid_trace_id: ", "1 span invalid_time: ", "max_attributes_per_span"]
    {
        assert!(partial.error_message.contains(part), "{}", partial.error_message);
    }
    assert_eq!(collector.json("/api/v1/spans").await.1["spans"].as_array().unwrap().len(), 1);
    for (reason, spans) in [("invalid_trace_id", 2.0), ("invalid_time", 1.0), ("too_many_attributes", 1.0)] {
        let sample = format!("meshtap_spans_rejected_total{{reason=\"{reason}\"}}");
        assert_eq!(collector.metric(&sample).await, Some(spans), "{reason}");
    }
}

#[tokio::test]
async fn a_message_beyond_the_bound_is_refused_for_good() {
    let collector = Running::with(|config| config.receive.grpc.max_message_bytes = 10_000).await;
    let large = Span { name: "x".repeat(20_000), ..span(1) };
    let status = collector.export(request(vec![large.clone()])).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("receive.grpc.max_message_bytes"), "{status}");

    // A few bytes on the wire, as many as before when unpacked.
    let mut zipping = collector.client().await.send_compressed(CompressionEncoding::Gzip);
    assert_eq!(zipping.export(request(vec![large])).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(collector.metric("meshtap_batches_failed_total{reason=\"too_large\"}").await, Some(2.0));
    zipping.export(request(vec![span(1)])).await.unwrap();
}

#[tokio::test]
async fn beyond_the_bound_on_batches_senders_are_asked_to_come_back() {
    let collector = Running::with(|config| config.receive.grpc.max_concurrent_batches = 1).await;
    collector.store.hold();
    let mut client = collector.client().await;
    let first = tokio::spawn(async move { client.export(request(vec![span(1)])).await });
    collector.store.arrivals(1).await;

    let status = collector.export(request(vec![span(2)])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.get_details_retry_info().and_then(|info| info.retry_delay).is_some());
    assert_eq!(collector.metric("meshtap_batches_failed_total{reason=\"overloaded\"}").await, Some(1.0));
    assert_eq!(collector.metric("meshtap_batches_in_flight").await, Some(1.0));

    collector.store.release();
    first.await.unwrap().unwrap();
    collector.export(request(vec![span(2)])).await.unwrap();
}

#[tokio::test]
async fn a_failing_store_is_never_answered_with_ok() {
    let collector = Running::start().await;
    collector.store.fail_transiently();
    let status = collector.export(request(vec![call(1, "m")])).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    collector.store.fail_permanently();
    let status = collector.export(request(vec![call(1, "m")])).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("no such table"), "{status}");
    collector.store.recover();
    for (reason, spans) in [("store_unavailable", 1.0), ("store_refused", 1.0)] {
        let sample = format!("meshtap_spans_failed_total{{reason=\"{reason}\"}}");
        assert_eq!(collector.metric(&sample).await, Some(spans), "{reason}");
    }
    assert_eq!(collector.metric("meshtap_spans_stored_total").await, Some(0.0));
    collector.export(request(vec![call(1, "m")])).await.unwrap();
    assert_eq!(collector.json("/api/v1/usage").await.1["rows"][0]["calls"], 1);
}

#[tokio::test]
async fn an_empty_request_is_fine() {
    let collector = Running::start().await;
    assert_eq!(collector.export(request(Vec::new())).await.unwrap().partial_success, None);
    assert_eq!(collector.export(ExportTraceServiceRequest::default()).await.unwrap().partial_success, None);
}

#[tokio::test]
async fn label_values_are_bounded() {
    let collector = Running::with(|config| config.metrics.max_label_values = 2).await;
    collector.export(request((1..=5).map(|id| call(id, &format!("model-{id}"))).collect())).await.unwrap();
    let (_, text) = collector.get("/metrics").await;
    assert!(text.contains("gen_ai_request_model=\"model-2\"") && !text.contains("model-3"), "{text}");
    assert!(text.contains("gen_ai_request_model=\"_OTHER\""), "{text}");
    let overflows =
        collector.metric("meshtap_metric_label_overflows_total{label=\"gen_ai_request_model\"}").await;
    assert!(overflows.unwrap() >= 3.0);
}
