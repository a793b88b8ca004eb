//! What is opened before anything runs: store, queue, certificates, filter modules.

use std::path::Path;
use std::sync::Arc;

use crate::config::{self, Config, StoreKind};
use crate::export::{self, Exporter};
use crate::late_store::LateStore;
use crate::pump;
use crate::queue::{self, Cursor, Queue};
use crate::store::clickhouse::ClickHouseStore;
use crate::store::memory::MemoryStore;
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use crate::telemetry::metrics::Metrics;
use crate::tls::{Certificates, TlsError};
use crate::wasm_module::{Modules, WasmModule};

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

/// Of the listeners that have some.
pub(super) struct AllCertificates {
    pub(super) grpc: Option<Certificates>,
    pub(super) otlp_http: Option<Certificates>,
}

/// The queue with everyone who reads it.
pub(super) struct OpenQueue {
    pub(super) queue: Queue,
    pub(super) cursor: Cursor,
    pub(super) exporters: Vec<Exporter>,
}

fn read_module(path: &Path) -> Result<WasmModule, StartError> {
    WasmModule::read(path).map_err(|cause| StartError::Module { path: path.display().to_string(), cause })
}

pub(super) fn open_modules(config: &config::Wasm) -> Result<Modules, StartError> {
    let current = config.module.as_deref().map(read_module).transpose()?;
    Modules::open(current, config.archive.as_deref(), config.archive_modules).map_err(|cause| {
        let path = config.archive.as_deref().unwrap_or(Path::new("")).display().to_string();
        StartError::Archive { path, cause }
    })
}

/// A server may come later, and a file too: while its disk is full or another process has it locked, the queue takes
/// what comes. One that can never be opened ends the start.
pub(super) async fn open_store(config: &config::Store) -> Result<Arc<dyn Store>, StoreError> {
    Ok(match config.kind {
        StoreKind::Sqlite => Arc::new(open_sqlite(config).await?),
        StoreKind::ClickHouse => Arc::new(open_clickhouse(config).await?),
        StoreKind::Memory => Arc::new(MemoryStore::new(config.memory.max_spans)),
    })
}

async fn open_sqlite(config: &config::Store) -> Result<LateStore, StoreError> {
    let path = config.sqlite.path.clone();
    let open = move || {
        let path = path.clone();
        async move { Ok(Arc::new(SqliteStore::open(&path).await?) as Arc<dyn Store>) }
    };
    LateStore::open(open).await
}

async fn open_clickhouse(config: &config::Store) -> Result<LateStore, StoreError> {
    let store = Arc::new(ClickHouseStore::new(&config.clickhouse, config.retention())?);
    let open = move || {
        let store = Arc::clone(&store);
        async move {
            store.prepare().await?;
            Ok(store as Arc<dyn Store>)
        }
    };
    LateStore::open(open).await
}

pub(super) fn open_queue(config: &Config, metrics: &Arc<Metrics>) -> Result<OpenQueue, StartError> {
    let path = &config.queue.path;
    let failed = |cause| StartError::Queue { path: path.display().to_string(), cause };
    let metrics = Arc::clone(metrics.queue());
    let opened = queue::Opened::in_folder(path, &config.queue, metrics).map_err(failed)?;
    let cursor = opened.cursor(pump::CURSOR, None).map_err(failed)?;
    let exporters = config.export.iter().map(|settings| Exporter::open(settings, &opened));
    let exporters = exporters.collect::<Result<_, _>>()?;
    Ok(OpenQueue { queue: opened.start().map_err(StartError::Thread)?, cursor, exporters })
}

pub(super) fn load_certificates(
    tls: Option<&config::Tls>,
    protocols: &'static [&'static [u8]],
    metrics: &Arc<Metrics>,
) -> Result<Option<Certificates>, TlsError> {
    tls.map(|tls| Certificates::load(tls.clone(), protocols, Arc::clone(metrics))).transpose()
}
