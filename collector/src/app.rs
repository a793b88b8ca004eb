//! Builds the stages and stops them, from the source to the sink.
//!
//! On a stop: not ready any more; no new gRPC connections, and the calls under way are answered; every batch that was
//! handed to the store has its outcome; no more HTTP; the store is closed. What takes longer than
//! `shutdown.deadline` is given up, and said.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::TraceServiceServer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::codec::CompressionEncoding;
use tonic::transport::Server;
use tracing::{error, info, warn};

use crate::admin::{self, Admin, Lifecycle};
use crate::config::{self, Config, StoreKind};
use crate::query::router::{self, Api};
use crate::receive::grpc::Receiver;
use crate::receive::watch::WatchLayer;
use crate::store::clickhouse::ClickHouseStore;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::{Expiry, Metrics};
use crate::wasm_module::{Modules, WasmModule};

/// Dead peers are noticed by it; a sender's idle connection is kept.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// How often expired spans are looked for.
const SWEEP_INTERVAL: Duration = Duration::from_mins(10);

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
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> Self {
        Self::Store { chain: error.chain() }
    }
}

/// The listeners as they were bound, and everything behind them.
pub struct App {
    config: Config,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    modules: Modules,
    grpc: Listener,
    http: Listener,
}

struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

struct Listeners {
    grpc: Listener,
    http: Listener,
}

impl Listeners {
    async fn bind(config: &Config) -> Result<Self, StartError> {
        Ok(Self {
            grpc: bind("receive.grpc.listen", &config.receive.grpc.listen).await?,
            http: bind("http.listen", &config.http.listen).await?,
        })
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("grpc", &self.grpc.address)
            .field("http", &self.http.address)
            .finish_non_exhaustive()
    }
}

impl App {
    /// Binds the listeners and opens the store; nothing is answered yet.
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
        let Listeners { grpc, http } = listeners;
        for (listener, bound) in [("grpc", &grpc), ("http", &http)] {
            info!(listener, address = %bound.address, "listening");
        }
        Ok(Self { config, store, metrics, modules, grpc, http })
    }

    pub const fn grpc_address(&self) -> SocketAddr {
        self.grpc.address
    }

    pub const fn http_address(&self) -> SocketAddr {
        self.http.address
    }

    /// Serves until `stop` is done, then stops. `Err` says what was given up.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), Unfinished> {
        let Self { config, store, metrics, modules, grpc, http } = self;
        let lifecycle = Arc::new(Lifecycle::default());
        let sidecars = metrics.sidecars();
        let receiver = Receiver::new(
            &config.receive.grpc,
            Arc::clone(&store),
            Arc::clone(&sidecars),
            Arc::clone(&metrics),
        );
        let api = Api::new(&config.http, Arc::clone(&store), sidecars, Arc::clone(&metrics));
        let admin = Admin::new(Arc::clone(&store), Arc::clone(&metrics), Arc::clone(&lifecycle), modules);
        let routes = admin::finish(router::routes(api).merge(admin::routes(admin)), Arc::clone(&metrics));

        let mut grpc = serve_grpc(&config.receive.grpc, grpc, receiver.clone(), Arc::clone(&metrics));
        let mut http = serve_http(http, routes);
        let mut sweep = keep_sweeping(config.store.retention, Arc::clone(&store), metrics);

        stop.await;
        info!(deadline_ms = config.shutdown.deadline.as_millis(), "stopping");
        lifecycle.stop();
        let drain = async {
            sweep.stop().await;
            grpc.stop().await;
            receiver.drained().await;
        };
        let drained = tokio::time::timeout(config.shutdown.deadline, drain).await;
        receiver.give_up();
        grpc.stop_within(GRACE).await;
        http.stop_within(GRACE).await;
        close(&*store).await;
        drained.map_err(|_| Unfinished { deadline: config.shutdown.deadline })?;
        info!("stopped");
        Ok(())
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

async fn bind(key: &'static str, address: &str) -> Result<Listener, StartError> {
    let listen_error = |cause| StartError::Listen { key, address: address.to_owned(), cause };
    let socket = TcpListener::bind(address).await.map_err(listen_error)?;
    let address = socket.local_addr().map_err(listen_error)?;
    Ok(Listener { socket, address })
}

async fn open_store(config: &config::Store) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match config.kind {
        StoreKind::Sqlite => Arc::new(SqliteStore::open(&config.sqlite.path).await?),
        StoreKind::ClickHouse => Arc::new(ClickHouseStore::open(&config.clickhouse, config.retention).await?),
        StoreKind::Memory => Arc::new(MemoryStore::new(config.memory.max_spans)),
    })
}

/// A task with the means to end it.
struct Stage {
    name: &'static str,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Stage {
    fn spawn<F: Future<Output = ()> + Send + 'static>(
        name: &'static str,
        run: impl FnOnce(CancellationToken) -> F,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(stop.clone()));
        Self { name, stop, task: Some(task) }
    }

    /// Asks the task to end, and waits for it. May be dropped and called again.
    async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(task) = &mut self.task {
            if let Err(error) = task.await
                && error.is_panic()
            {
                error!(stage = self.name, "the stage failed");
            }
            self.task = None;
        }
    }

    async fn stop_within(&mut self, time: Duration) {
        if tokio::time::timeout(time, self.stop()).await.is_err() {
            warn!(stage = self.name, "the stage did not end in time");
            self.abort();
        }
    }

    fn abort(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

fn serve_grpc(config: &config::Grpc, listener: Listener, receiver: Receiver, metrics: Arc<Metrics>) -> Stage {
    let service = TraceServiceServer::new(receiver)
        .accept_compressed(CompressionEncoding::Gzip)
        .max_decoding_message_size(config.max_message_bytes);
    let router = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .tcp_nodelay(true)
        .layer(WatchLayer { metrics, max_message_bytes: config.max_message_bytes })
        .add_service(service);
    Stage::spawn("grpc", |stop| async move {
        let incoming = TcpListenerStream::new(listener.socket);
        let served = router.serve_with_incoming_shutdown(incoming, stop.cancelled_owned()).await;
        if let Err(error) = served {
            error!(error = %error, "the grpc listener failed");
        }
    })
}

fn serve_http(listener: Listener, routes: Router) -> Stage {
    Stage::spawn("http", |stop| async move {
        let served =
            axum::serve(listener.socket, routes).with_graceful_shutdown(stop.cancelled_owned()).await;
        if let Err(error) = served {
            error!(error = %error, "the http listener failed");
        }
    })
}

fn keep_sweeping(retention: Option<Duration>, store: Arc<dyn Store>, metrics: Arc<Metrics>) -> Stage {
    Stage::spawn("retention", |stop| async move {
        let Some(retention) = retention else { return };
        let mut ticks = tokio::time::interval(SWEEP_INTERVAL.min(retention));
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = sweep(retention, &*store, &metrics, &stop).await {
                warn!(error = error.chain(), "deleting expired spans failed; it is tried again");
            }
        }
    })
}

async fn sweep(
    retention: Duration,
    store: &dyn Store,
    metrics: &Metrics,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = u64::try_from(since.saturating_sub(retention).as_nanos()).unwrap_or(0);
    while !stop.is_cancelled() {
        let expired = store.expire(before).await?;
        if expired == 0 {
            break;
        }
        metrics.spans_expired(Expiry::Retention, expired);
    }
    Ok(())
}
