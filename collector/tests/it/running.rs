//! A collector on free ports, with a store that can be held back and made to fail.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use meshtap_collector::app::{App, RunError};
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
    /// Its queue's.
    pub(crate) folder: Arc<Folder>,
    grpc: SocketAddr,
    pub(crate) otlp_http: SocketAddr,
    llmtrace: Option<SocketAddr>,
    pub(crate) http: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), RunError>>,
}

/// A folder of a test's own, removed at the end.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("meshtap-it-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        drop(std::fs::remove_dir_all(&path));
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

impl Running {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(Arc::new(Folder::new()), Arc::new(Valve::default()), change).await
    }

    /// With the queue and the store of one that has stopped.
    pub(crate) async fn over(
        folder: Arc<Folder>,
        store: Arc<Valve>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config::default();
        for listen in
            [&mut config.receive.grpc.listen, &mut config.receive.http.listen, &mut config.http.listen]
        {
            "127.0.0.1:0".clone_into(listen);
        }
        config.store.retention = None;
        config.queue.path.clone_from(&folder.0);
        config.pump.max_batch_age = Duration::from_millis(1);
        (config.pump.min_backoff, config.pump.max_backoff) =
            (Duration::from_millis(1), Duration::from_millis(10));
        change(&mut config);
        let app = App::with_store(config, Arc::clone(&store) as Arc<_>).await.unwrap();
        let (grpc, otlp_http, http) = (app.grpc_address(), app.otlp_http_address(), app.http_address());
        let llmtrace = app.llmtrace_address();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(app.run(async {
            let _ = stopped.await;
        }));
        Self { store, folder, grpc, otlp_http, llmtrace, http, stop: Some(stop), task }
    }

    pub(crate) const fn grpc(&self) -> SocketAddr {
        self.grpc
    }

    pub(crate) const fn llmtrace(&self) -> Option<SocketAddr> {
        self.llmtrace
    }

    /// A connection of its own.
    pub(crate) async fn client(&self) -> TraceServiceClient<Channel> {
        TraceServiceClient::connect(format!("http://{}", self.grpc)).await.unwrap()
    }

    /// Returns when what was accepted is in the store too.
    pub(crate) async fn export(
        &self,
        request: ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Status> {
        let answer = self.send(request).await?;
        self.drained().await;
        Ok(answer)
    }

    /// Returns when the request is answered.
    pub(crate) async fn send(
        &self,
        request: ExportTraceServiceRequest,
    ) -> Result<ExportTraceServiceResponse, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.client().await.export(request)).await.unwrap();
        answer.map(tonic::Response::into_inner)
    }

    /// Waits until nothing waits for the store any more.
    pub(crate) async fn drained(&self) {
        self.until("meshtap_queue_waiting_entries{cursor=\"store\"}", 0.0).await;
    }

    /// Waits until a sample has this value.
    pub(crate) async fn until(&self, sample: &str, value: f64) {
        self.until_it(sample, |found| (found - value).abs() < 0.5).await;
    }

    pub(crate) async fn until_it(&self, sample: &str, is_right: impl Fn(f64) -> bool) {
        let met = async {
            while !self.metric(sample).await.is_some_and(&is_right) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, met).await.unwrap_or_else(|_| panic!("{sample} is never right"));
    }

    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    pub(crate) async fn ended(self) -> Result<(), RunError> {
        drop(self.stop);
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap()
    }

    /// Waits until it ends by itself, with an error.
    pub(crate) async fn failed(self) -> RunError {
        let Self { task, stop: _running, .. } = self;
        tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap().unwrap_err()
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path).await
    }

    pub(crate) async fn json(&self, path: &str) -> (u16, Value) {
        let (status, body) = self.get(path).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    pub(crate) async fn request(&self, method: &str, path: &str) -> (u16, String) {
        let head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        let (status, _, body) = exchange(self.http, head.as_bytes()).await;
        (status, String::from_utf8(body).unwrap())
    }

    /// Posts OTLP/HTTP. Returns the status, the head and the body of the answer.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> (u16, String, Vec<u8>) {
        let mut request = format!(
            "POST /v1/traces HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n",
            body.len()
        );
        for (name, value) in headers {
            for part in [name, ": ", value, "\r\n"] {
                request.push_str(part);
            }
        }
        request.push_str("\r\n");
        exchange(self.otlp_http, &[request.as_bytes(), body].concat()).await
    }

    /// The value of one sample, by its name and labels as they are written out.
    pub(crate) async fn metric(&self, sample: &str) -> Option<f64> {
        let (_, text) = self.get("/metrics").await;
        let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '))?;
        Some(line.parse().unwrap())
    }
}

async fn exchange(address: SocketAddr, request: &[u8]) -> (u16, String, Vec<u8>) {
    let answer = async {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap();
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head, answer[end + 4..].to_vec())
}

/// What writes meet.
const OPEN: u8 = 0;
const UNAVAILABLE: u8 = 1;
const BROKEN: u8 = 2;
/// Refuses what it is sent, and panics when it is asked how it is.
const PANICS: u8 = 3;

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

    pub(crate) fn panic_at_pings(&self) {
        self.state.store(PANICS, Ordering::Relaxed);
    }

    pub(crate) fn recover(&self) {
        self.state.store(OPEN, Ordering::Relaxed);
    }

    fn outcome(&self) -> Result<(), StoreError> {
        match self.state.load(Ordering::Relaxed) {
            UNAVAILABLE => Err(StoreError::transient("the disk is full")),
            BROKEN | PANICS => Err(StoreError::permanent("no such table")),
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

    /// One that refuses batches can be reached.
    async fn ping(&self) -> Result<(), StoreError> {
        match self.state.load(Ordering::Relaxed) {
            BROKEN => Ok(()),
            PANICS => panic!("a panic of the test"),
            _ => self.outcome(),
        }
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
