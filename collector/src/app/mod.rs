//! Builds the stages and stops them, from the source to the sink.
//!
//! [`App::start`] opens what is needed (`open`, `listeners`), [`App::run`] starts every task (`running`) and stops them in
//! order. A task that fails stops the collector as a signal does, with [`RunError::Failed`]: whoever runs it starts it
//! again, and what is in the queue is there.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::select;
use tracing::info;

use self::listeners::{Listener, Listeners};
pub use self::open::StartError;
use self::open::{AllCertificates, OpenQueue};
pub use self::running::RunError;
use self::running::Running;
use crate::config::Config;
use crate::receive::tls::{HTTP1, HTTP2};
use crate::store::Store;
use crate::telemetry::metrics::Metrics;
use crate::wasm_module::Modules;

mod listeners;
mod open;
mod running;
mod serve;

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
        let store = open::open_store(&config.store).await?;
        Self::assemble(config, listeners, store)
    }

    /// The same over a store that is open already.
    pub async fn with_store(config: Config, store: Arc<dyn Store>) -> Result<Self, StartError> {
        let listeners = Listeners::bind(&config).await?;
        Self::assemble(config, listeners, store)
    }

    fn assemble(config: Config, listeners: Listeners, store: Arc<dyn Store>) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new(&config.metrics));
        let modules = open::open_modules(&config.wasm)?;
        let queue = open::open_queue(&config, &metrics)?;
        let certificates = AllCertificates {
            grpc: open::load_certificates(config.receive.grpc.tls.as_ref(), HTTP2, &metrics)?,
            otlp_http: open::load_certificates(config.receive.http.tls.as_ref(), HTTP1, &metrics)?,
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

    /// Serves until `stop` is done or a task fails, then stops. `Err` says what failed or was given up.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), RunError> {
        let deadline = self.config.shutdown.deadline;
        let running = Running::start(self);
        select! {
            () = stop => {}
            _ = running.failures.first() => {}
        }
        info!(deadline_ms = deadline.as_millis(), "stopping");
        running.stop(deadline).await?;
        info!("stopped");
        Ok(())
    }
}
