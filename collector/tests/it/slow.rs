//! Senders that are slow, or do not come to an end.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body_util::StreamBody;
use http_body_util::combinators::BoxBody;
use hyper::body::Frame;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use tower::Service as _;

use crate::llmtrace;
use crate::otlp::{request, span};
use crate::running::Running;

const EXPORT: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const STREAM: &str = "/llmtrace.ingest.v1.TraceIngestionService/StreamTraces";
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Starts a request of OTLP/HTTP that says it has so many bytes, and sends so many.
async fn post(collector: &Running, length: usize, sent: usize) -> TcpStream {
    let mut slow = TcpStream::connect(collector.otlp_http).await.unwrap();
    let head = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: test\r\ncontent-type: application/x-protobuf\r\ncontent-length: {length}\r\n\r\n"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    slow.write_all(&vec![0; sent]).await.unwrap();
    slow
}

async fn answer(mut connection: TcpStream) -> String {
    let mut answer = [0; 1024];
    let length = tokio::time::timeout(PATIENCE, connection.read(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer[..length]).into_owned()
}

/// Starts a gRPC call that sends these bytes, and no end.
async fn call(address: SocketAddr, path: &str, bytes: &'static [u8]) -> JoinHandle<Status> {
    let mut channel = Endpoint::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
    let frames = futures_util::stream::iter([Ok::<_, Status>(Frame::data(Bytes::from_static(bytes)))]);
    let body = StreamBody::new(frames.chain(futures_util::stream::pending()));
    let request = http::Request::post(format!("http://{address}{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Body::new(BoxBody::new(body)))
        .unwrap();
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let answer = channel.call(request);
    tokio::spawn(async move {
        let response = answer.await.unwrap();
        drop(channel);
        Status::from_header_map(response.headers()).unwrap()
    })
}

async fn status(call: JoinHandle<Status>) -> Status {
    tokio::time::timeout(PATIENCE, call).await.unwrap().unwrap()
}

fn failed(reason: &str) -> String {
    format!("meshtap_batches_failed_total{{reason=\"{reason}\"}}")
}

/// A place among the requests that are worked on is for those that are there.
#[tokio::test]
async fn senders_that_do_not_come_to_an_end_take_no_place_of_others() {
    let collector = Running::with(|config| {
        config.receive.limits.max_concurrent_batches = 1;
        config.receive.llmtrace.listen = Some("127.0.0.1:0".to_owned());
    })
    .await;
    let mut slow = Vec::new();
    for _ in 0..5 {
        slow.push(post(&collector, 1_000, 999).await);
    }
    let calls = [
        call(collector.grpc(), EXPORT, b"\0\0\0\x03\xe8half").await,
        call(collector.llmtrace().unwrap(), STREAM, b"\0\0\0\x03\xe8half").await,
    ];
    for id in 1..20 {
        collector.send(request(vec![span(id)])).await.unwrap();
        llmtrace::Client::of(&collector).await.ingest(vec![llmtrace::call(id)]).await.unwrap();
    }
    assert_eq!(collector.metric(&failed("overloaded")).await, Some(0.0));
    calls.iter().for_each(JoinHandle::abort);
}

#[tokio::test]
async fn what_comes_in_of_all_requests_has_a_bound() {
    let collector = Running::with(|config| {
        config.receive.limits.max_message_bytes = 10_000;
        config.receive.limits.max_incoming_bytes = 10_000;
        config.receive.stall_timeout = Duration::from_hours(1);
    })
    .await;
    let waiting = post(&collector, 9_900, 9_899).await;
    let body = request(vec![span(1)]).encode_to_vec();
    assert!(body.len() > 100);
    let (head, _) = loop {
        // Until the bytes of the other one have come.
        let (status, head, body) = collector.post(&[("content-type", "application/x-protobuf")], &body).await;
        if status != 200 {
            assert_eq!(status, 429);
            break (head, body);
        }
    };
    assert!(head.contains("retry-after: 1"), "{head}");
    let status = collector.send(request(vec![span(2)])).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert!(status.message().contains("receive.limits.max_incoming_bytes"), "{status}");
    assert!(status.get_details_retry_info().and_then(|info| info.retry_delay).is_some());
    assert_eq!(collector.metric(&failed("overloaded")).await, Some(2.0));
    drop(waiting);
    let room_again = async { while collector.send(request(vec![span(2)])).await.is_err() {} };
    tokio::time::timeout(PATIENCE, room_again).await.unwrap();
}

/// For as long as `receive.body_timeout`, again and again.
#[tokio::test]
async fn senders_that_stall_do_not_keep_others_out() {
    let collector = Running::with(|config| {
        config.receive.limits.max_message_bytes = 10_000;
        config.receive.limits.max_incoming_bytes = 30_000;
        config.receive.stall_timeout = Duration::from_millis(1);
        config.receive.body_timeout = Duration::from_hours(1);
    })
    .await;
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(post(&collector, 9_999, 9_998).await);
    }
    let others_get_in = async {
        let mut sent = 0;
        while sent < 20 || collector.metric(&failed("too_slow")).await.is_none_or(|slow| slow < 1.0) {
            sent += u32::from(collector.send(request(vec![span(1)])).await.is_ok());
        }
    };
    tokio::time::timeout(PATIENCE, others_get_in).await.unwrap();
    let answers = stalled.into_iter().map(|stalled| Box::pin(answer(stalled)));
    let (first, ..) = futures_util::future::select_all(answers).await;
    assert!(first.starts_with("HTTP/1.1 429") && first.contains("retry-after: 1"), "{first}");
    assert!(first.contains("more slowly than others"), "{first}");
}

#[tokio::test]
async fn a_body_has_its_time() {
    let collector = Running::with(|config| {
        config.receive.body_timeout = Duration::from_millis(200);
        config.receive.llmtrace.listen = Some("127.0.0.1:0".to_owned());
    })
    .await;
    let late = answer(post(&collector, 1_000, 999).await).await;
    assert!(late.starts_with("HTTP/1.1 503") && late.contains("retry-after: 1"), "{late}");
    assert!(late.contains("receive.body_timeout"), "{late}");
    for (address, path) in [(collector.grpc(), EXPORT), (collector.llmtrace().unwrap(), STREAM)] {
        let status = status(call(address, path, b"\0\0\0\x03\xe8half").await).await;
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains("receive.body_timeout"), "{status}");
        assert!(status.get_details_retry_info().and_then(|info| info.retry_delay).is_some());
    }
    assert_eq!(collector.metric(&failed("timeout")).await, Some(3.0));
}

/// Whoever is slow must not take the time that what is in the queue needs to get to the store.
#[tokio::test]
async fn a_stop_does_not_wait_for_slow_senders() {
    let mut collector = Running::with(|config| {
        config.shutdown.deadline = Duration::from_hours(1);
        config.receive.body_timeout = Duration::from_hours(1);
        config.receive.idle_timeout = Duration::from_hours(1);
        config.receive.drain_timeout = Duration::from_millis(100);
        config.receive.llmtrace.listen = Some("127.0.0.1:0".to_owned());
    })
    .await;
    let slow = post(&collector, 1_000, 999).await;
    let calls = [
        call(collector.grpc(), EXPORT, b"\0\0\0\x03\xe8half").await,
        call(collector.llmtrace().unwrap(), STREAM, b"\0\0\0\x03\xe8half").await,
        // Between two messages.
        call(collector.llmtrace().unwrap(), STREAM, b"\0\0\0\0\0").await,
    ];
    // Not even begun.
    let silent = TcpStream::connect(collector.grpc()).await.unwrap();
    let mut half = TcpStream::connect(collector.grpc()).await.unwrap();
    half.write_all(b"PRI * HTTP").await.unwrap();
    let mut head = TcpStream::connect(collector.otlp_http).await.unwrap();
    head.write_all(b"POST /v1/tra").await.unwrap();
    collector.send(request(vec![span(1)])).await.unwrap();

    collector.stop();
    let answered = answer(slow).await;
    assert!(answered.starts_with("HTTP/1.1 503") && answered.contains("retry-after: 1"), "{answered}");
    for call in calls {
        let status = status(call).await;
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert!(status.message().contains("stopping"), "{status}");
        assert!(status.get_details_retry_info().and_then(|info| info.retry_delay).is_some());
    }
    collector.ended().await.unwrap();
    drop((silent, half, head));
}
