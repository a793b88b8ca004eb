//! Builds the stages and stops them, from the source to the sink.
//!
//! On a stop: not ready any more; no new connections for spans, and the calls under way are answered; the queue is
//! closed, and what is in it is sent to the store, and onward, as long as they take it; no more HTTP; the store is
//! closed. What takes longer than `shutdown.deadline` is given up, and said. What is left in the queue stays on disk.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::join_all;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tonic::transport::Server;
use tracing::{error, info};

use crate::admin::{self, Admin, Lifecycle};
use crate::config::{self, Config, StoreKind};
use crate::export::{self, Exporter};
use crate::late_store::LateStore;
use crate::pump;
use crate::pump::retry::Retrier;
use crate::query::router::{self, Api};
use crate::queue::{self, Cursor, Queue};
use crate::receive::grpc::TraceService;
use crate::receive::http as otlp_http;
use crate::receive::http1::{self, Serving};
use crate::receive::intake::Intake;
use crate::receive::listener::BoundedListener;
use crate::receive::llmtrace::Ingestion;
use crate::receive::service::Served;
use crate::receive::tls::{HTTP1, HTTP2, SecureListener};
use crate::stage::{Drain, Stage};
use crate::store::clickhouse::ClickHouseStore;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::tls::{Certificates, TlsError};
use crate::upkeep::Upkeep;
use crate::wasm_module::{Modules, WasmModule};

/// Dead peers are noticed by it; a sender's idle connection is kept.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// A call that takes longer, its message included, is cut.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the collector could not start. The messages hold their causes.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{key}: cannot listen on {address}: {cause}; free the port or set {key} to another address")]
    Listen { key: &'static str, address: String, cause: std::io::Error },
    #[error("wasm.module: cannot serve {path}: {cause}")]
    Module { path: String, cause: std::io::Error },
    #[error("wasm.archive: cannot use {path}: {cause}")]
    Archive { path: String, cause: std::io::Error },
    #[error("the store cannot be opened: {chain}")]
    Store { chain: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("queue.path: the queue in {path} cannot be opened: {cause}")]
    Queue { path: String, cause: queue::OpenError },
    #[error(transparent)]
    Export(#[from] export::ExportError),
    #[error("a thread cannot be started: {0}")]
    Thread(std::io::Error),
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store { chain: error.chain() }
    }
}

/// The listeners as they were bound, and everything behind them.
pub struct App {
    config: Config,
    queue: OpenQueue,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    modules: Modules,
    listeners: Listeners,
    certificates: AllCertificates,
}

/// Of the listeners that have some.
struct AllCertificates {
    grpc: Option<Certificates>,
    otlp_http: Option<Certificates>,
}

/// The queue with everyone who reads it.
struct OpenQueue {
    queue: Queue,
    cursor: Cursor,
    exporters: Vec<Exporter>,
}

struct Listener {
    name: &'static str,
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    fn bounded(self, config: &Config, metrics: &Arc<Metrics>) -> BoundedListener {
        let config::Receive { max_connections, idle_timeout, .. } = config.receive;
        BoundedListener::new(self.name, self.socket, max_connections, idle_timeout, Arc::clone(metrics))
    }

    fn secure(
        self,
        config: &Config,
        certificates: Option<Certificates>,
        metrics: &Arc<Metrics>,
    ) -> SecureListener<BoundedListener> {
        let name = self.name;
        SecureListener::new(name, self.bounded(config, metrics), certificates, Arc::clone(metrics))
    }
}

struct Listeners {
    grpc: Listener,
    otlp_http: Listener,
    llmtrace: Option<Listener>,
    http: Listener,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            grpc: bind("grpc", "receive.grpc.listen", &config.receive.grpc.listen).await?,
            otlp_http: bind("otlp_http", "receive.http.listen", &config.receive.http.listen).await?,
            llmtrace: match &config.receive.llmtrace.listen {
                Some(address) => Some(bind("llmtrace", "receive.llmtrace.listen", address).await?),
                None => None,
            },
            http: bind("http", "http.listen", &config.http.listen).await?,
        })
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("grpc", &self.listeners.grpc.address)
            .field("otlp_http", &self.listeners.otlp_http.address)
            .field("http", &self.listeners.http.address)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Binds the listeners, opens the queue and the store; nothing is answered yet.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let listeners = Listeners::bind(&config).await?;
        let store = open_store(&config.store).await?;
        Self::assemble(config, listeners, store)
    }

    /// The same over a store that is open already.
    pub async fn with_store(config: Config, store: Arc<dyn Store>) -> Result<Self, StartError> {
        let listeners = Listeners::bind(&config).await?;
        Self::assemble(config, listeners, store)
    }

    fn assemble(config: Config, listeners: Listeners, store: Arc<dyn Store>) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new(&config.metrics));
        let modules = open_modules(&config.wasm)?;
        let queue = open_queue(&config, &metrics)?;
        let certificates = AllCertificates {
            grpc: load_certificates(config.receive.grpc.tls.as_ref(), HTTP2, &metrics)?,
            otlp_http: load_certificates(config.receive.http.tls.as_ref(), HTTP1, &metrics)?,
        };
        let Listeners { grpc, otlp_http, llmtrace, http } = &listeners;
        for Listener { name, address, .. } in [grpc, otlp_http, http].into_iter().chain(llmtrace) {
            info!(listener = name, %address, "listening");
        }
        Ok(Self { config, queue, store, metrics, modules, listeners, certificates })
    }

    pub const fn grpc_address(&self) -> SocketAddr {
        self.listeners.grpc.address
    }

    pub const fn otlp_http_address(&self) -> SocketAddr {
        self.listeners.otlp_http.address
    }

    /// `None` where LLMTrace's ingestion is off.
    pub fn llmtrace_address(&self) -> Option<SocketAddr> {
        self.listeners.llmtrace.as_ref().map(|listener| listener.address)
    }

    pub const fn http_address(&self) -> SocketAddr {
        self.listeners.http.address
    }

    /// Serves until `stop` is done, then stops. `Err` says what was given up.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), Unfinished> {
        let Self { config, queue, store, metrics, modules, listeners, certificates } = self;
        let OpenQueue { mut queue, cursor, exporters } = queue;
        let Listeners { grpc, otlp_http, llmtrace, http } = listeners;
        let lifecycle = Arc::new(Lifecycle::default());
        let sidecars = metrics.sidecars();
        sidecars.know_modules(modules.by_build());
        let intake =
            Intake::new(config.receive.limits, queue.appender(), Arc::clone(&sidecars), Arc::clone(&metrics));
        let api = Api::new(&config.http, Arc::clone(&store), sidecars, Arc::clone(&metrics));
        let backends = exporters.iter().map(Exporter::status).collect();
        let (store_of_admin, metrics_of_admin) = (Arc::clone(&store), Arc::clone(&metrics));
        let admin =
            Admin::new(store_of_admin, backends, &queue, metrics_of_admin, Arc::clone(&lifecycle), modules);
        let routes = admin::finish(router::routes(api).merge(admin::routes(admin)), Arc::clone(&metrics));

        let upkeep = Upkeep {
            store: Arc::clone(&store),
            retention: config.store.retention(),
            metrics: Arc::clone(&metrics),
        };
        let max_parked_bytes = config.queue.max_parked_bytes as u64;
        let stored = (Arc::clone(&store), Arc::clone(&metrics));
        let pump = pump::start(&config.pump, max_parked_bytes, &queue, cursor, stored.0, stored.1);
        let exporters = exporters.into_iter().map(|exporter| exporter.start(&metrics));
        let mut drains: Vec<Drain> = [pump].into_iter().chain(exporters).collect();
        let retrier = Retrier::new(&queue);
        let llmtrace =
            llmtrace.map(|listener| serve_llmtrace(listener.bounded(&config, &metrics), intake.clone()));
        let idle_timeout = config.receive.idle_timeout;
        let serving = |name| Serving { name, idle_timeout, metrics: Arc::clone(&metrics) };
        let mut stages = vec![
            Stage::spawn("upkeep", |stop| upkeep.run(stop)),
            Stage::spawn("retry", |stop| retrier.run(stop)),
            serve_grpc(grpc.secure(&config, certificates.grpc, &metrics), intake.clone()),
            serve_http(
                serving("otlp_http"),
                otlp_http.secure(&config, certificates.otlp_http, &metrics),
                otlp_http::routes(intake),
            ),
        ];
        stages.extend(llmtrace);
        let mut http = serve_http(serving("http"), http.bounded(&config, &metrics), routes);

        stop.await;
        info!(deadline_ms = config.shutdown.deadline.as_millis(), "stopping");
        lifecycle.stop();
        let deadline = Instant::now() + config.shutdown.deadline;
        let mut received = Ok(());
        for stage in &mut stages {
            received = received.and(tokio::time::timeout_at(deadline, stage.stop()).await);
            stage.stop_within(GRACE).await;
        }
        let drained = async {
            queue.close().await;
            join_all(drains.iter_mut().map(Drain::finish)).await;
        };
        if tokio::time::timeout_at(deadline, drained).await.is_err() {
            // Who starts next finds the queue free.
            drop(tokio::time::timeout(GRACE, join_all(drains.iter_mut().map(Drain::abort))).await);
        }
        report_left(&queue);
        http.stop_within(GRACE).await;
        close(&*store).await;
        received.map_err(|_| Unfinished { deadline: config.shutdown.deadline })?;
        info!("stopped");
        Ok(())
    }
}

fn report_left(queue: &Queue) {
    let (backlogs, bytes) = queue.backlogs();
    for backlog in backlogs.iter().filter(|backlog| backlog.entries > 0) {
        let queue::log::Backlog { cursor, entries, .. } = backlog;
        info!(cursor, entries, bytes, "what is left in the queue is sent at the next start");
    }
}

/// What each later stage gets, once no more batches come.
const GRACE: Duration = Duration::from_secs(2);

async fn close(store: &dyn Store) {
    match tokio::time::timeout(GRACE, store.close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => error!(error = error.chain(), "closing the store failed"),
        Err(_) => error!("closing the store did not end in time"),
    }
}

/// Batches were still on their way to the store at the deadline; their senders were asked to send them again.
#[derive(Debug, thiserror::Error)]
#[error(
    "batches were not stored within shutdown.deadline ({deadline:?}); their senders were asked to send them again"
)]
pub struct Unfinished {
    deadline: Duration,
}

fn read_module(path: &std::path::Path) -> Result<WasmModule, StartError> {
    WasmModule::read(path).map_err(|cause| StartError::Module { path: path.display().to_string(), cause })
}

fn open_modules(config: &config::Wasm) -> Result<Modules, StartError> {
    let current = config.module.as_deref().map(read_module).transpose()?;
    Modules::open(current, config.archive.as_deref(), config.archive_modules).map_err(|cause| {
        let path = config.archive.as_deref().unwrap_or(std::path::Path::new("")).display().to_string();
        StartError::Archive { path, cause }
    })
}

async fn bind(name: &'static str, key: &'static str, address: &str) -> Result<Listener, StartError> {
    let listen_error = |cause| StartError::Listen { key, address: address.to_owned(), cause };
    let socket = TcpListener::bind(address).await.map_err(listen_error)?;
    let address = socket.local_addr().map_err(listen_error)?;
    Ok(Listener { name, socket, address })
}

/// A file that cannot be opened ends the start; a server may come later.
async fn open_store(config: &config::Store) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match config.kind {
        StoreKind::Sqlite => Arc::new(SqliteStore::open(&config.sqlite.path).await?),
        StoreKind::ClickHouse => Arc::new(open_clickhouse(config).await?),
        StoreKind::Memory => Arc::new(MemoryStore::new(config.memory.max_spans)),
    })
}

async fn open_clickhouse(config: &config::Store) -> Result<LateStore, StoreError> {
    let (settings, retention) = (config.clickhouse.clone(), config.retention());
    let open = move || {
        let settings = settings.clone();
        async move {
            let store: Arc<dyn Store> = Arc::new(ClickHouseStore::open(&settings, retention).await?);
            Ok(store)
        }
    };
    LateStore::open(open).await
}

fn open_queue(config: &Config, metrics: &Arc<Metrics>) -> Result<OpenQueue, StartError> {
    let path = &config.queue.path;
    let failed = |cause| StartError::Queue { path: path.display().to_string(), cause };
    let metrics = Arc::clone(metrics.queue());
    let opened = queue::Opened::in_folder(path, &config.queue, metrics).map_err(failed)?;
    let cursor = opened.cursor(pump::CURSOR, None).map_err(failed)?;
    let exporters = config.export.iter().map(|settings| Exporter::open(settings, &opened));
    let exporters = exporters.collect::<Result<_, _>>()?;
    Ok(OpenQueue { queue: opened.start().map_err(StartError::Thread)?, cursor, exporters })
}

fn load_certificates(
    tls: Option<&config::Tls>,
    protocols: &'static [&'static [u8]],
    metrics: &Arc<Metrics>,
) -> Result<Option<Certificates>, TlsError> {
    tls.map(|tls| Certificates::load(tls.clone(), protocols, Arc::clone(metrics))).transpose()
}

fn serve_grpc(listener: SecureListener<BoundedListener>, intake: Intake) -> Stage {
    let max_calls = u32::try_from(intake.limits.max_concurrent_batches).unwrap_or(u32::MAX);
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .max_concurrent_streams(max_calls)
        .timeout(CALL_TIMEOUT)
        .add_service(Served(TraceService::new(intake)));
    Stage::spawn("grpc", |stop| async move {
        let served =
            router.serve_with_incoming_shutdown(listener.into_stream(), stop.cancelled_owned()).await;
        if let Err(error) = served {
            error!(error = %error, "the grpc listener failed");
        }
    })
}

fn serve_llmtrace(listener: BoundedListener, intake: Intake) -> Stage {
    let max_calls = u32::try_from(intake.limits.max_concurrent_batches).unwrap_or(u32::MAX);
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .max_concurrent_streams(max_calls)
        .add_service(Served(Ingestion::new(intake)));
    Stage::spawn("llmtrace", |stop| async move {
        let served = router.serve_with_incoming_shutdown(listener, stop.cancelled_owned()).await;
        if let Err(error) = served {
            error!(error = %error, "the llmtrace listener failed");
        }
    })
}

fn serve_http(
    serving: Serving,
    listener: impl axum::serve::Listener<Addr = SocketAddr>,
    routes: Router,
) -> Stage {
    Stage::spawn(serving.name, |stop| http1::serve(serving, listener, routes, stop))
}
