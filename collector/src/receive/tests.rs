//! What transports do with requests that meet a full house, and with callers that go away.

use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, SystemTime};

use axum::body::Body as HttpBody;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use meshtap_filter::semconv;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::Service as _;

use super::account::Account;
use super::admission::Admission;
use super::grpc::{EXPORT_PATH, TraceService};
use super::intake::{ExportError, Intake};
use super::llmtrace::Ingestion;
use super::service::Answer;
use crate::config::Config;
use crate::queue::{Opened, Queue};
use crate::telemetry::metrics::Metrics;

/// An intake with a queue of its own.
struct Fixture {
    folder: PathBuf,
    intake: Intake,
    metrics: Arc<Metrics>,
    _queue: Queue,
}

impl Fixture {
    fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("meshtap-receive-{test}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        let mut config = Config::default();
        config.receive.limits.max_concurrent_batches = 3;
        config.store.retention = None;
        let metrics = Arc::new(Metrics::new(&config.metrics));
        let opened = Opened::in_folder(&folder, &config.queue, Arc::clone(metrics.queue())).unwrap();
        let queue = opened.start().unwrap();
        let intake = Intake::new(&config, queue.appender(), metrics.sidecars(), Arc::clone(&metrics));
        Self { folder, intake, metrics, _queue: queue }
    }

    fn sample(&self, name: &str) -> u64 {
        let (_, text) = self.metrics.render("").unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

/// A good span and a bad one.
fn request() -> Bytes {
    let good = Span {
        trace_id: vec![1; 16],
        span_id: vec![1; 8],
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: vec![good, Span::default()], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], length.as_slice(), message].concat().into()
}

fn call(path: &str, body: Bytes) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/grpc");
    request.body(Body::new(Full::new(body))).unwrap()
}

/// Of an answer, by its head or by its trailers.
async fn status(service: impl Answer, request: Request<Body>) -> Status {
    let response = service.answer(request).await;
    let mut headers: HeaderMap = response.headers().clone();
    headers.extend(response.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default());
    Status::from_header_map(&headers).unwrap()
}

const INGEST: &str = "/llmtrace.ingest.v1.TraceIngestionService/IngestTraces";
const STREAM: &str = "/llmtrace.ingest.v1.TraceIngestionService/StreamTraces";

#[tokio::test]
async fn beyond_the_bound_on_batches_nothing_is_read_and_senders_are_asked_to_come_back() {
    let fixture = Fixture::new("full");
    let intake = &fixture.intake;
    let mut slots: Vec<_> = (0..3).map(|_| intake.slot().unwrap()).collect();
    assert!(!intake.is_idle());
    let otlp = || call(EXPORT_PATH, framed(&request()));
    // What would be told to be no batch, and counted.
    let batch = |path| call(path, framed(b"\xff"));
    for status in [
        status(TraceService::new(intake.clone()), otlp()).await,
        status(Ingestion::new(intake.clone()), batch(INGEST)).await,
        status(Ingestion::new(intake.clone()), batch(STREAM)).await,
    ] {
        assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
        assert!(status.message().contains("receive.limits.max_concurrent_batches"), "{status}");
        assert!(status.get_details_retry_info().and_then(|info| info.retry_delay).is_some());
    }
    let post = || {
        let request = Request::post("/v1/traces").header("content-type", "application/json");
        request.body(HttpBody::from("{")).unwrap()
    };
    let response = super::http::routes(intake.clone()).call(post()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"1".parse().unwrap())
    );
    assert_eq!(fixture.sample("meshtap_batches_failed_total{reason=\"overloaded\"}"), 4);
    assert_eq!(fixture.sample("meshtap_batches_failed_total{reason=\"malformed\"}"), 0);

    slots.pop();
    assert_eq!(status(TraceService::new(intake.clone()), otlp()).await.code(), Code::Ok);
    assert_eq!(status(Ingestion::new(intake.clone()), batch(INGEST)).await.code(), Code::InvalidArgument);
    let response = super::http::routes(intake.clone()).call(post()).await.unwrap();
    assert_eq!(response.status().as_u16(), 400);
    drop(slots);
    assert!(intake.is_idle());
}

/// Every span that is received ends where it is counted, also when nobody waits for the answer.
#[tokio::test]
async fn a_call_that_is_given_up_is_counted_to_its_end() {
    let fixture = Fixture::new("given-up");
    for _ in 0..3 {
        let slot = fixture.intake.slot().unwrap();
        let mut call = pin!(fixture.intake.export(slot, request()));
        poll_fn(|context| {
            drop(call.as_mut().poll(context));
            Poll::Ready(())
        })
        .await;
    }
    let all_counted = async {
        while fixture.sample("meshtap_spans_received_total") < 6 || !fixture.intake.is_idle() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), all_counted).await.unwrap();
    assert_eq!(fixture.sample("meshtap_queue_spans_in_total"), 3);
    assert_eq!(fixture.sample("meshtap_spans_rejected_total{reason=\"invalid_trace_id\"}"), 3);
    assert_eq!(fixture.sample("meshtap_batches_in_flight"), 0);
}

/// Its spans are counted, and its sender does not come again with what would panic again.
#[tokio::test]
async fn a_request_that_panics_is_counted_and_not_asked_for_again() {
    let fixture = Fixture::new("panic");
    let intake = &fixture.intake;
    let received = |spans, ended| {
        move |mut account: Account| async move {
            account.received(spans);
            account.ended(ended);
            panic!("a panic of the test")
        }
    };
    for (spans, ended) in [(5, 0), (5, 3), (0, 0)] {
        let answer = intake.to_its_end(intake.slot().unwrap(), received(spans, ended)).await;
        assert_eq!(answer, Err(ExportError::Internal));
    }
    assert_eq!(fixture.sample("meshtap_batches_failed_total{reason=\"internal\"}"), 3);
    assert_eq!(fixture.sample("meshtap_spans_failed_total{reason=\"internal\"}"), 7);
    assert_eq!(fixture.sample("meshtap_batches_failed_total{reason=\"stopping\"}"), 0);
    assert!(intake.is_idle());
    // One that does not panic is not counted as one.
    intake.export(intake.slot().unwrap(), request()).await.unwrap();
    assert_eq!(fixture.sample("meshtap_batches_failed_total{reason=\"internal\"}"), 3);
}

#[tokio::test]
async fn calls_that_are_none_are_told_why() {
    let fixture = Fixture::new("framing");
    let whole = framed(&request());
    let twice = [whole.clone(), whole.clone()].concat();
    let compressed = [&[1], &whole[1..]].concat();
    let mut long = whole.to_vec();
    long[1..5].copy_from_slice(&u32::MAX.to_be_bytes());
    for (body, expected) in [
        (Bytes::new(), "the call has no message"),
        (whole.slice(..3), "the call ends within a message"),
        (whole.slice(..20), "the call ends within a message"),
        (twice.into(), "the call has more than one message"),
        (compressed.into(), "grpc-encoding does not say how"),
        (long.into(), "receive.limits.max_message_bytes"),
    ] {
        let status = status(TraceService::new(fixture.intake.clone()), call(EXPORT_PATH, body)).await;
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
        assert!(status.message().contains(expected), "{status}");
    }
    assert_eq!(fixture.sample("meshtap_batches_failed_total{reason=\"malformed\"}"), 5);
    assert_eq!(fixture.sample("meshtap_batches_failed_total{reason=\"too_large\"}"), 1);
    assert_eq!(fixture.sample("meshtap_queue_spans_in_total"), 0);

    let mut foreign = call(EXPORT_PATH, whole.clone());
    foreign.headers_mut().insert("grpc-encoding", "br".parse().unwrap());
    let status = status(TraceService::new(fixture.intake.clone()), foreign).await;
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.metadata().contains_key("grpc-accept-encoding"), "{status}");
    let mut plain = call(EXPORT_PATH, whole);
    plain.headers_mut().insert("content-type", "application/json".parse().unwrap());
    let response = TraceService::new(fixture.intake.clone()).answer(plain).await;
    assert_eq!(response.status().as_u16(), 415);
}

/// They share it, and it may be as large as a resource may be.
#[test]
fn a_resource_is_read_once_for_all_its_heartbeats() {
    let allocations = |attributes: usize| {
        let limits = Config::default().limits();
        let request = heartbeats(attributes, 200);
        let measured = allocation_counter::measure(|| {
            let mut admission = Admission::new(&limits, SystemTime::now());
            admission.request(&request).unwrap();
            assert_eq!((admission.heartbeats.len(), admission.cut.len()), (200, 200));
        });
        measured.count_total
    };
    let (small, large) = (allocations(1), allocations(200));
    assert!(large < small + 5_000, "{small} allocations, {large} with a large resource");
}

fn heartbeats(attributes: usize, spans: u8) -> Vec<u8> {
    let pair = |key: String| {
        let value = Some(any_value::Value::StringValue("x".repeat(20)));
        KeyValue { key, value: Some(AnyValue { value }), ..KeyValue::default() }
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let now = u64::try_from(now).unwrap();
    let span = |id: u8| Span {
        trace_id: vec![1; 16],
        span_id: vec![id + 1; 8],
        name: semconv::HEARTBEAT.to_owned(),
        start_time_unix_nano: now,
        end_time_unix_nano: now,
        attributes: vec![pair(semconv::MESHTAP_VM_ID.to_owned())],
        ..Span::default()
    };
    let scope =
        InstrumentationScope { name: semconv::SCOPE_NAME.to_owned(), ..InstrumentationScope::default() };
    let scope_spans =
        ScopeSpans { scope: Some(scope), spans: (0..spans).map(span).collect(), ..ScopeSpans::default() };
    let attributes = (0..attributes).map(|n| pair(format!("key.{n}"))).collect();
    let resource = Some(Resource { attributes, ..Resource::default() });
    let resource_spans =
        vec![ResourceSpans { resource, scope_spans: vec![scope_spans], ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}
