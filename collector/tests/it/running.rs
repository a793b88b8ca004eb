//! A collector on free ports, with a store that can be held back and made to fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use meshtap_collector::app::{App, Unfinished};
use meshtap_collector::config::Config;
use meshtap_collector::model::TraceId;
use meshtap_collector::store::memory::MemoryStore;
use meshtap_collector::store::{
    Batch, Cutoffs, Expired, LatencyReport, Page, SpanFilter, SpanPage, SpanReader, SpanWriter, StoreError,
    TraceSpans, UsageQuery, UsageReport, Written,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::transport::Channel;

/// Long enough for a busy machine, short enough to end a test that hangs.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Running {
    pub(crate) store: Arc<Valve>,
    grpc: SocketAddr,
    http: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), Unfinished>>,
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        "127.0.0.1:0".clone_into(&mut config.receive.grpc.listen);
        "127.0.0.1:0".clone_into(&mut config.http.listen);
        config.store.retention = None;
        change(&mut config);
        let store = Arc::new(Valve::default());
        let app = App::with_store(config, Arc::clone(&store) as Arc<_>).await.unwrap();
        let (grpc, http) = (app.grpc_address(), app.http_address());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(app.run(async {
            let _ = stopped.await;
        }));
        Self { store, grpc, http, stop: Some(stop), task }
    }

    /// A connection of its own.
    pub(crate) async fn client(&self) -> TraceServiceClient<Channel> {
        TraceServiceClient::connect(format!("http://{}", self.grpc)).await.unwrap()
    }

    pub(crate) async fn export(
        &self,
        request: ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.client().await.export(request)).await.unwrap();
        answer.map(tonic::Response::into_inner)
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn ended(self) -> Result<(), Unfinished> {
        drop(self.stop);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path).await
    }

    pub(crate) async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    pub(crate) async fn request(&self, method: &str, path: &str) -> (u16, String) {
        let answer = async {
            let mut connection = TcpStream::connect(self.http).await.unwrap();
            let request = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
            connection.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            connection.read_to_string(&mut answer).await.unwrap();
            answer
        };
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// The value of one sample, by its name and labels as they are written out.
    pub(crate) async fn metric(&self, sample: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    }
}

/// What writes meet.
const OPEN: u8 = 0;
const UNAVAILABLE: u8 = 1;
const BROKEN: u8 = 2;

/// The memory store behind a valve.
#[derive(Debug)]
pub(crate) struct Valve {
    inner: MemoryStore,
    state: AtomicU8,
    /// One permit for each write that may go on.
    pass: Semaphore,
    /// One permit for each write that has arrived.
    arrived: Semaphore,
}

impl Default for Valve {
    fn default() -> Self {
        Self {
            inner: MemoryStore::new(10_000),
            state: AtomicU8::new(OPEN),
            pass: Semaphore::new(Semaphore::MAX_PERMITS),
            arrived: Semaphore::new(0),
        }
    }
}

impl Valve {
    /// Writes wait from here on.
    pub(crate) fn hold(&self) {
        self.pass.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn release(&self) {
        self.pass.add_permits(1_000);
    }

    /// Waits until so many writes more have come in.
    pub(crate) async fn arrivals(&self, writes: u32) {
        let arrivals = tokio::time::timeout(PATIENCE, self.arrived.acquire_many(writes)).await;
        arrivals.unwrap().unwrap().forget();
    }

    pub(crate) fn fail_transiently(&self) {
        self.state.store(UNAVAILABLE, Ordering::Relaxed);
    }

    pub(crate) fn fail_permanently(&self) {
        self.state.store(BROKEN, Ordering::Relaxed);
    }

    pub(crate) fn recover(&self) {
        self.state.store(OPEN, Ordering::Relaxed);
    }

    fn outcome(&self) -> Result<(), StoreError> {
        match self.state.load(Ordering::Relaxed) {
            UNAVAILABLE => Err(StoreError::transient("the disk is full")),
            BROKEN => Err(StoreError::permanent("no such table")),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl SpanWriter for Valve {
    async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        self.arrived.add_permits(1);
        self.pass.acquire().await.unwrap().forget();
        self.outcome()?;
        self.inner.write(batch).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.outcome()
    }

    async fn expire(&self, cutoffs: Cutoffs) -> Result<Expired, StoreError> {
        self.inner.expire(cutoffs).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}

#[async_trait]
impl SpanReader for Valve {
    async fn spans(&self, filter: &SpanFilter, page: &Page) -> Result<SpanPage, StoreError> {
        self.outcome()?;
        self.inner.spans(filter, page).await
    }

    async fn trace(&self, trace_id: TraceId, limit: usize) -> Result<TraceSpans, StoreError> {
        self.outcome()?;
        self.inner.trace(trace_id, limit).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        self.outcome()?;
        self.inner.usage(query).await
    }

    async fn latency(&self, query: &UsageQuery) -> Result<LatencyReport, StoreError> {
        self.outcome()?;
        self.inner.latency(query).await
    }
}
