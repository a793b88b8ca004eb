//! The senders: OTLP/gRPC over a few connections, each with a bounded number of requests in flight. A request that is
//! answered with anything but OK, or not at all, is sent again until it is taken.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf as _, Bytes, BytesMut};
use fastrand::Rng;
use h2::client::SendRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message as _;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tonic::codegen::http::{HeaderMap, Request};

use super::spans::{self, Requests};

/// What a receiver may send without being asked to go on.
const WINDOW_BYTES: u32 = 1 << 20;
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
const PREFIX_BYTES: usize = 5;

type Failure = Box<dyn Error + Send + Sync>;

#[derive(Clone, Copy, Debug)]
pub struct Load {
    pub to: SocketAddr,
    pub connections: usize,
    /// Requests under way on each of them.
    pub in_flight: usize,
    pub batches: u64,
    /// As fast as answers come, if none is said. Otherwise latencies count from when a request was due.
    pub spans_per_second: Option<u32>,
}

/// What was sent, and how it was answered.
#[derive(Debug)]
pub struct Sent {
    pub spans: u64,
    /// Attempts that failed.
    pub repeated: u64,
    pub started: Instant,
    pub answered: Instant,
    /// From a request to its answer, in ascending order.
    pub latencies: Vec<Duration>,
}

impl Sent {
    /// The latency that so many of a hundred requests stay below.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100);
        self.latencies.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }
}

struct Shared {
    load: Load,
    requests: Arc<Requests>,
    started: Instant,
    begun: AtomicU64,
    repeated: AtomicU64,
}

impl Load {
    /// Returns when everything is answered.
    pub async fn run(self, requests: &Arc<Requests>) -> Sent {
        let shared = Arc::new(Shared {
            load: self,
            requests: Arc::clone(requests),
            started: Instant::now(),
            begun: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
        });
        let mut senders = JoinSet::new();
        for _ in 0..self.connections {
            let connection = Arc::new(Connection { to: self.to, sender: Mutex::new(None) });
            for _ in 0..self.in_flight {
                senders.spawn(Arc::clone(&shared).send(Arc::clone(&connection)));
            }
        }
        let mut latencies: Vec<Duration> = senders.join_all().await.into_iter().flatten().collect();
        latencies.sort_unstable();
        Sent {
            spans: self.batches * spans::SPANS as u64,
            repeated: shared.repeated.load(Ordering::Relaxed),
            started: shared.started,
            answered: Instant::now(),
            latencies,
        }
    }
}

impl Shared {
    async fn send(self: Arc<Self>, connection: Arc<Connection>) -> Vec<Duration> {
        let mut random = Rng::new();
        let mut latencies = Vec::new();
        loop {
            let number = self.begun.fetch_add(1, Ordering::Relaxed);
            if number >= self.load.batches {
                return latencies;
            }
            let due = self.due(number).await;
            let message = self.requests.next(&mut random);
            while !connection.is_taken(&message).await {
                self.repeated.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(PAUSE).await;
            }
            latencies.push(due.elapsed());
        }
    }

    async fn due(&self, number: u64) -> Instant {
        let Some(rate) = self.load.spans_per_second else { return Instant::now() };
        let nanos = number * spans::SPANS as u64 * 1_000_000_000 / u64::from(rate.max(1));
        let due = self.started + Duration::from_nanos(nanos);
        tokio::time::sleep_until(due.into()).await;
        due
    }
}

struct Connection {
    to: SocketAddr,
    sender: Mutex<Option<SendRequest<Bytes>>>,
}

impl Connection {
    async fn is_taken(&self, message: &Bytes) -> bool {
        let Ok(is_taken) = self.export(message.clone()).await else {
            *self.sender.lock().await = None;
            return false;
        };
        is_taken
    }

    async fn sender(&self) -> Result<SendRequest<Bytes>, Failure> {
        let mut sender = self.sender.lock().await;
        if let Some(sender) = &*sender {
            return Ok(sender.clone());
        }
        let stream = TcpStream::connect(self.to).await?;
        stream.set_nodelay(true)?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(WINDOW_BYTES).max_send_buffer_size(WINDOW_BYTES as usize);
        let (opened, connection) = builder.handshake(stream).await?;
        tokio::spawn(connection);
        Ok(sender.insert(opened).clone())
    }

    /// Whether the request was answered with OK.
    async fn export(&self, message: Bytes) -> Result<bool, Failure> {
        let path = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
        let request = Request::post(format!("http://{}{path}", self.to))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())?;
        let mut sender = self.sender().await?.ready().await?;
        let (answer, mut stream) = sender.send_request(request, false)?;
        stream.send_data(message, true)?;
        let (head, mut body) = answer.await?.into_parts();
        let mut received = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk?;
            body.flow_control().release_capacity(chunk.len())?;
            received.extend_from_slice(&chunk);
        }
        let trailers = body.trailers().await?.unwrap_or_default();
        let is_ok = is_ok(&head.headers) || is_ok(&trailers);
        if is_ok {
            assert_is_whole(received.freeze());
        }
        Ok(is_ok)
    }
}

fn is_ok(headers: &HeaderMap) -> bool {
    headers.get("grpc-status").is_some_and(|status| status == "0")
}

/// A span that is refused would be missing in the end.
fn assert_is_whole(mut answer: Bytes) {
    answer.advance(answer.len().min(PREFIX_BYTES));
    let answer = ExportTraceServiceResponse::decode(answer).expect("an answer in OTLP");
    let refused = answer.partial_success.filter(|partial| partial.rejected_spans > 0);
    assert!(refused.is_none(), "spans are refused: {refused:?}");
}
