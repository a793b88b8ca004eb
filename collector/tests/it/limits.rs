use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meshtap_collector::config::Config;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use prost::Message as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic_types::StatusExt as _;

use crate::otlp::{call, request, span, text};
use crate::running::Running;
use crate::{http, llmtrace};

#[tokio::test]
async fn a_bad_span_is_rejected_alone() {
    let collector = Running::with(|config| config.receive.limits.max_attributes_per_span = 3).await;
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

/// An empty event is two bytes on the wire, and more than a kilobyte when it is read.
#[tokio::test]
async fn what_a_batch_takes_when_it_is_decoded_has_a_bound() {
    let collector = Running::with(|config| config.receive.limits.max_message_bytes = 20_000).await;
    let events = vec![Event::default(); 128];
    let spans = (1..=8).map(|id| Span { events: events.clone(), ..span(id) });
    let partial = collector.export(request(spans.collect())).await.unwrap().partial_success.unwrap();
    assert!((1..8).contains(&partial.rejected_spans), "{partial:?}");
    assert!(partial.error_message.contains("32 times receive.limits.max_message_bytes"), "{partial:?}");
    #[expect(clippy::cast_precision_loss, reason = "a few")]
    let rejected = partial.rejected_spans as f64;
    let sample = "meshtap_spans_rejected_total{reason=\"decoded_too_large\"}";
    assert_eq!(collector.metric(sample).await, Some(rejected));
    assert_eq!(collector.metric("meshtap_spans_stored_total").await, Some(8.0 - rejected));
}

/// One that the store would delete unseen is refused, and so is one from a clock that is wrong.
#[tokio::test]
async fn spans_of_other_times_are_refused_whatever_they_come_as() {
    let collector = Running::with(|config| {
        config.store.retention = Some(Duration::from_hours(24 * 30));
        config.receive.llmtrace.listen = Some("127.0.0.1:0".to_owned());
    })
    .await;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let at = |id, days: i64| {
        let nanos = i64::try_from(now.as_nanos()).unwrap() + days * 86_400_000_000_000;
        let nanos = u64::try_from(nanos).unwrap();
        Span { start_time_unix_nano: nanos, end_time_unix_nano: nanos, ..span(id) }
    };
    let spans = vec![at(1, 0), at(2, -31), at(3, 2), at(4, -29), span(5)];
    let partial = collector.export(request(spans.clone())).await.unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 3);
    for part in ["2 spans too_old: ", "store.retention", "1 span in_the_future: ", "max_clock_skew"] {
        assert!(partial.error_message.contains(part), "{}", partial.error_message);
    }
    let body = request(spans).encode_to_vec();
    let (_, _, body) = collector.post(&[("content-type", "application/x-protobuf")], &body).await;
    assert_eq!(
        ExportTraceServiceResponse::decode(&*body).unwrap().partial_success.unwrap().rejected_spans,
        3
    );
    let (_, _, body) =
        collector.post(&[("content-type", "application/json")], http::in_json(6).as_bytes()).await;
    assert!(String::from_utf8(body).unwrap().contains("1 span too_old"));
    let answer = llmtrace::Client::of(&collector).await.ingest(vec![llmtrace::call(7)]).await.unwrap();
    assert!(answer.rejected_spans == 1 && answer.error_message.contains("too_old"), "{answer:?}");
    assert_eq!(collector.metric("meshtap_spans_rejected_total{reason=\"too_old\"}").await, Some(6.0));
    assert_eq!(collector.metric("meshtap_spans_rejected_total{reason=\"in_the_future\"}").await, Some(2.0));
}

/// Each day is a partition of the store.
#[tokio::test]
async fn the_days_of_a_batch_have_a_bound() {
    let collector = Running::with(|config| config.receive.limits.max_days_per_batch = 3).await;
    let on = |day: u8| {
        let start = span(day).start_time_unix_nano + u64::from(day) * 86_400_000_000_000;
        Span { start_time_unix_nano: start, end_time_unix_nano: start + 1, ..span(day) }
    };
    let spans = [1, 2, 1, 3, 4, 2, 5].map(on).into_iter().enumerate();
    let spans = spans.map(|(n, span)| Span { span_id: vec![u8::try_from(n).unwrap() + 1; 8], ..span });
    let partial = collector.export(request(spans.collect())).await.unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 2);
    assert!(partial.error_message.contains("2 spans too_many_days: "), "{partial:?}");
    assert_eq!(collector.metric("meshtap_spans_stored_total").await, Some(5.0));
}

#[tokio::test]
async fn a_message_beyond_the_bound_is_refused_for_good() {
    let collector = Running::with(|config| config.receive.limits.max_message_bytes = 10_000).await;
    let large = Span { name: "x".repeat(20_000), ..span(1) };
    let status = collector.export(request(vec![large.clone()])).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("receive.limits.max_message_bytes"), "{status}");

    // A few bytes on the wire, as many as before when unpacked.
    let mut zipping = collector.client().await.send_compressed(CompressionEncoding::Gzip);
    assert_eq!(zipping.export(request(vec![large])).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(collector.metric("meshtap_batches_failed_total{reason=\"too_large\"}").await, Some(2.0));
    zipping.export(request(vec![span(1)])).await.unwrap();
}

#[tokio::test]
async fn connections_have_a_bound() {
    let collector = Running::with(|config| config.receive.max_connections = 1).await;
    let mut client = collector.client().await;
    client.export(request(vec![span(1)])).await.unwrap();
    let mut refused = TcpStream::connect(collector.grpc()).await.unwrap();
    assert_eq!(refused.read(&mut [0; 100]).await.unwrap_or(0), 0);
    assert_eq!(collector.metric("meshtap_connections_refused_total{listener=\"grpc\"}").await, Some(1.0));
    drop(client);
    let free_again = async {
        loop {
            let answer = match TraceServiceClient::connect(format!("http://{}", collector.grpc())).await {
                Ok(mut client) => client.export(request(vec![span(2)])).await.ok(),
                Err(_) => None,
            };
            if answer.is_some() {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_mins(1), free_again).await.unwrap();
}

/// Connections that have begun and bring nothing are kept as long as there is room.
#[tokio::test]
async fn one_that_opens_all_connections_keeps_out_nobody_else() {
    let collector = Running::with(|config| config.receive.max_connections = 3).await;
    let mut idle = Vec::new();
    for _ in 0..3 {
        idle.push(collector.client().await);
    }
    for client in &mut idle {
        client.export(request(vec![span(1)])).await.unwrap();
    }
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = socket.connect(collector.grpc()).await.unwrap();
    // The settings that a server of HTTP/2 begins with.
    other.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut settings = [0; 9];
    other.read_exact(&mut settings).await.unwrap();
    assert_eq!(settings[3], 4);
    let displaced = "meshtap_connections_displaced_total{listener=\"grpc\"}";
    assert_eq!(collector.metric(displaced).await, Some(1.0));
    // The ones that were there first stay.
    for (nth, client) in idle.iter_mut().enumerate().take(2) {
        client.export(request(vec![span(2)])).await.unwrap_or_else(|error| panic!("{nth}: {error}"));
    }
}

#[tokio::test]
async fn what_is_no_otlp_is_refused_for_good() {
    let collector = Running::start().await;
    let post = |body: &'static [u8]| collector.post(&[("content-type", "application/x-protobuf")], body);
    let (status, _, _) = post(b"\x0a\xff").await;
    assert_eq!(status, 400);
    assert_eq!(collector.metric("meshtap_batches_failed_total{reason=\"malformed\"}").await, Some(1.0));
    // A span that is none, in a request that is one, is refused alone.
    let mut bytes = request(vec![span(1), Span { name: "xx".to_owned(), ..span(2) }]).encode_to_vec();
    let at = bytes.windows(2).position(|pair| pair == b"xx").unwrap();
    bytes[at] = 0xff;
    let (status, _, body) = collector.post(&[("content-type", "application/x-protobuf")], &bytes).await;
    assert_eq!(status, 200);
    let partial = ExportTraceServiceResponse::decode(&*body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 1);
    assert!(partial.error_message.contains("1 span malformed: a string is not UTF-8"), "{partial:?}");
    collector.drained().await;
    assert_eq!(collector.metric("meshtap_spans_stored_total").await, Some(1.0));
}

#[tokio::test]
async fn a_store_that_is_away_holds_nobody_up() {
    let collector = Running::start().await;
    collector.store.fail_transiently();
    collector.send(request(vec![call(1, "m")])).await.unwrap();
    collector.until_it("meshtap_pump_attempts_total{outcome=\"unavailable\"}", |tries| tries > 1.0).await;
    assert_eq!(collector.metric("meshtap_queue_waiting_entries{cursor=\"store\"}").await, Some(1.0));
    assert_eq!(collector.metric("meshtap_spans_stored_total").await, Some(0.0));
    assert_eq!(collector.metric("meshtap_queue_spans_in_total").await, Some(1.0));
    let (status, health) = collector.json("/health/ready").await;
    assert_eq!((status, health["status"].as_str()), (200, Some("degraded")), "{health}");
    collector.store.recover();
    collector.drained().await;
    assert_eq!(collector.json("/api/v1/usage").await.1["rows"][0]["calls"], 1);
    // Counted after the acknowledgement, which is what drains.
    collector.until("meshtap_queue_spans_out_total{cursor=\"store\"}", 1.0).await;
}

#[tokio::test]
async fn what_the_store_refuses_is_parked_and_can_be_tried_again() {
    let collector = Running::start().await;
    collector.store.fail_permanently();
    collector.send(request(vec![call(1, "m")])).await.unwrap();
    collector.until("meshtap_queue_parked", 1.0).await;
    collector.drained().await;
    assert_eq!(collector.metric("meshtap_queue_spans_parked_total").await, Some(1.0));
    collector.store.recover();
    let folder = collector.folder.0.display().to_string();
    let shown = queue(&folder, &["show", "1"]);
    assert!(shown.contains("no such table") && shown.contains("\"request_model\":\"m\""), "{shown}");
    assert!(queue(&folder, &["ls"]).contains("parked    1  1 spans"));
    queue(&folder, &["retry", "1"]);
    collector.until("meshtap_queue_entries_retried_total", 1.0).await;
    collector.drained().await;
    assert_eq!(collector.json("/api/v1/usage").await.1["rows"][0]["calls"], 1);
    collector.until("meshtap_queue_parked", 0.0).await;
}

#[tokio::test]
async fn parked_entries_can_be_dropped_with_no_collector_running() {
    let collector = Running::start().await;
    collector.store.fail_permanently();
    collector.send(request(vec![call(1, "m")])).await.unwrap();
    collector.until("meshtap_queue_parked", 1.0).await;
    collector.drained().await;
    let (folder, store) = (Arc::clone(&collector.folder), Arc::clone(&collector.store));
    collector.ended().await.unwrap();
    let path = folder.0.display().to_string();
    assert_eq!(queue(&path, &["drop", "--all"]), "1 is deleted\n");
    let listed = queue(&path, &["ls"]);
    assert!(!listed.contains("parked") && listed.contains("store: acknowledged up to 1"), "{listed}");
    store.recover();
    let collector = Running::over(folder, store, |_| {}).await;
    collector.export(request(vec![call(2, "m")])).await.unwrap();
    assert_eq!(collector.json("/api/v1/usage").await.1["rows"][0]["calls"], 1);
}

/// The queue is full while the store is away, and says so to senders and to probes.
#[tokio::test]
async fn a_full_queue_asks_senders_to_come_back_and_loses_nothing() {
    let collector = Running::with(|config| {
        (config.queue.max_bytes, config.queue.segment_bytes) = (2_000, 500);
    })
    .await;
    collector.store.fail_transiently();
    let mut accepted = 0;
    let status = loop {
        match collector.send(request(vec![span(accepted + 1)])).await {
            Ok(_) => accepted += 1,
            Err(status) => break status,
        }
    };
    assert!(accepted > 3, "{accepted}");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("queue.max_bytes"), "{status}");
    assert!(status.get_details_retry_info().and_then(|info| info.retry_delay).is_some());
    let body = request(vec![span(99)]).encode_to_vec();
    let (code, head, _) = collector.post(&[("content-type", "application/x-protobuf")], &body).await;
    assert_eq!((code, head.contains("retry-after: 1")), (429, true), "{head}");
    assert_eq!(collector.metric("meshtap_spans_failed_total{reason=\"queue_full\"}").await, Some(2.0));
    let (status, health) = collector.json("/health/ready").await;
    assert_eq!((status, health["checks"][1]["name"].as_str()), (503, Some("queue")), "{health}");

    collector.store.recover();
    collector.drained().await;
    assert_eq!(collector.metric("meshtap_spans_stored_total").await, Some(f64::from(accepted)));
    collector.export(request(vec![span(99)])).await.unwrap();
    assert_eq!(collector.json("/health/ready").await.0, 200);
}

/// Who restarts it then keeps it from draining.
#[tokio::test]
async fn a_full_queue_at_the_start_is_no_reason_to_be_killed() {
    let small = |config: &mut Config| (config.queue.max_bytes, config.queue.segment_bytes) = (2_000, 500);
    let collector = Running::with(small).await;
    collector.store.fail_transiently();
    let mut accepted = 0;
    while collector.send(request(vec![span(accepted + 1)])).await.is_ok() {
        accepted += 1;
    }
    let (mut folder, mut store) = (Arc::clone(&collector.folder), Arc::clone(&collector.store));
    drop(collector.ended().await);
    let lower = |config: &mut Config| (config.queue.max_bytes, config.queue.segment_bytes) = (1_000, 500);
    for change in [small as fn(&mut Config), lower] {
        let collector = Running::over(folder, store, change).await;
        // A sender that is there before the first probe.
        let status = collector.send(request(vec![span(99)])).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert_eq!(collector.json("/health/startup").await, (200, json!({"status": "ok", "checks": []})));
        assert_eq!(collector.get("/health/live").await.0, 200);
        assert_eq!(collector.get("/health/ready").await.0, 503);
        (folder, store) = (Arc::clone(&collector.folder), Arc::clone(&collector.store));
        drop(collector.ended().await);
    }
    let collector = Running::over(folder, store, lower).await;
    collector.store.recover();
    collector.drained().await;
    assert_eq!(collector.metric("meshtap_spans_stored_total").await, Some(f64::from(accepted)));
    assert_eq!(collector.get("/health/ready").await.0, 200);
}

fn queue(folder: &str, arguments: &[&str]) -> String {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_meshtap"));
    let output = command.args(["queue", "--path", folder]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
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
