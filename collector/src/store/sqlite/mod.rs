//! The default store: one SQLite file, no server.
//!
//! One thread writes (`writer`), a few read-only connections read (`readers`). Write-ahead log with
//! `synchronous=FULL`: what was answered survives a crash of the process and of the machine. Rollups change in the
//! transaction that stores spans (`rollup`), what many spans share is stored once (`intern`), and JSON is compressed
//! (`pack`).

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use self::error::{cause, failed};
use self::readers::Readers;
use self::writer::Writer;
use super::{
    Batch, Cause, Cutoffs, Expired, LatencyReport, Page, SpanFilter, SpanPage, SpanReader, SpanWriter,
    StoreError, TraceSpans, UsageQuery, UsageReport, Written,
};
use crate::model::TraceId;
use crate::private;

mod error;
mod expire;
mod intern;
mod pack;
mod query;
mod readers;
mod rollup;
mod row;
mod schema;
mod usage;
mod writer;

/// How long to wait for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `page_size` and `auto_vacuum` only have an effect before the first table exists, and before the journal mode is set.
/// The log is written back every 64 MiB, so that a page that changes often is written back once; the cache is as large.
const PRAGMAS: &str = "
    PRAGMA page_size = 8192;
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA wal_autocheckpoint = 8192;
    PRAGMA journal_size_limit = 67108864;
    PRAGMA cache_size = -65536;
    PRAGMA temp_store = MEMORY;";

#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
    /// With what the file's packed columns are compressed.
    dictionary: Arc<[u8]>,
    /// Locked as long as the store is open: the file has one collector.
    lock: File,
}

impl SqliteStore {
    /// Opens the file, and makes it and its folder when they are missing.
    ///
    /// # Errors
    /// The message names the path and what to change.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_waiting(path, BUSY_TIMEOUT).await
    }

    /// Brings the schema of the file to the newest version, and says which it had and has.
    pub async fn migrate(path: &Path) -> Result<(i64, i64), StoreError> {
        let path = path.to_owned();
        let migrate = move || {
            create_folder(&path)?;
            let _lock = take_lock(&path)?;
            let mut db = open_for_writing(&path, BUSY_TIMEOUT).map_err(|error| explain(&path, error))?;
            schema::migrate(&mut db)
        };
        tokio::task::spawn_blocking(migrate)
            .await
            .map_err(|error| StoreError::permanent("sqlite: applying the schema").with_source(error))?
    }

    async fn open_waiting(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || open(&path, busy_timeout))
            .await
            .map_err(|error| StoreError::permanent("sqlite: opening the store").with_source(error))?
    }
}

fn open(path: &Path, busy_timeout: Duration) -> Result<SqliteStore, StoreError> {
    create_folder(path)?;
    let lock = take_lock(path)?;
    let mut db = open_for_writing(path, busy_timeout).map_err(|error| explain(path, error))?;
    schema::migrate(&mut db)?;
    let dictionary: Arc<[u8]> =
        pack::dictionary(&db).map_err(|error| failed("reading the dictionary", error))?.into();
    let readers = Readers::open(path, busy_timeout)?;
    Ok(SqliteStore { writer: Writer::start(db, &dictionary)?, readers, dictionary, lock })
}

/// The lock ends with the process, however it ends; the empty file beside the database stays.
fn take_lock(path: &Path) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let failed = |error: std::io::Error| {
        let message = format!(
            "sqlite: cannot write beside {}; set store.sqlite.path to a place that can be written",
            path.display()
        );
        of_io(message, error)
    };
    let lock = private::options().create(true).truncate(false).write(true).open(&name).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::permanent(format!(
            "sqlite: another collector has {} open; stop it, or set store.sqlite.path to another file",
            path.display()
        ))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn create_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    private::create_folders(folder).map_err(|error| {
        let message = format!(
            "sqlite: cannot create the folder {}; set store.sqlite.path to a place that can be written",
            folder.display()
        );
        of_io(message, error)
    })
}

/// A disk that is full now may have room later; a place that cannot be written is a mistake.
fn of_io(message: String, error: std::io::Error) -> StoreError {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let cause =
        if matches!(error.kind(), StorageFull | QuotaExceeded) { Cause::Store } else { Cause::Request };
    StoreError::new(cause, message).with_source(error)
}

fn open_for_writing(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
    // SQLite gives its other files the mode of this one. Where that fails, SQLite says why.
    drop(private::create_file(path));
    let db = Connection::open(path)?;
    db.busy_timeout(busy_timeout)?;
    db.execute_batch(PRAGMAS)?;
    Ok(db)
}

fn explain(path: &Path, error: rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => "the file is not a SQLite database",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process holds the database locked"
        }
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            "the file or its folder cannot be written"
        }
        _ => "the database cannot be opened",
    };
    let doing = format!("{}: {advice}; see store.sqlite.path", path.display());
    match cause(&error) {
        // A file that is full or locked may be opened later.
        Cause::Store if !is_of_the_place(&error) => failed(&doing, error),
        _ => StoreError::permanent(format!("sqlite: {doing}")).with_source(error),
    }
}

/// While we run, another process may undo it; at a start it is a mistake of the configuration.
fn is_of_the_place(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | PermissionDenied | ReadOnly))
}

#[async_trait]
impl SpanWriter for SqliteStore {
    async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        self.writer.write(batch).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.ping().await
    }

    async fn expire(&self, cutoffs: Cutoffs) -> Result<Expired, StoreError> {
        self.writer.expire(cutoffs).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.readers.close().await;
        self.writer.close().await?;
        self.lock
            .unlock()
            .map_err(|error| StoreError::transient("sqlite: letting go of the database").with_source(error))
    }
}

#[async_trait]
impl SpanReader for SqliteStore {
    async fn spans(&self, filter: &SpanFilter, page: &Page) -> Result<SpanPage, StoreError> {
        let (filter, page) = (filter.clone(), *page);
        let dictionary = Arc::clone(&self.dictionary);
        let spans = self.readers.run(move |db| query::spans(db, &dictionary, &filter, &page)).await?;
        Ok(SpanPage::from_lookahead(spans, page.limit))
    }

    async fn trace(&self, trace_id: TraceId, limit: usize) -> Result<TraceSpans, StoreError> {
        let dictionary = Arc::clone(&self.dictionary);
        let spans = self.readers.run(move |db| query::trace(db, &dictionary, trace_id, limit)).await?;
        Ok(TraceSpans::from_lookahead(spans, limit))
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        let limit = query.limit;
        let query = query.clone();
        let rows = self.readers.run(move |db| usage::usage(db, &query)).await?;
        Ok(UsageReport::from_lookahead(rows, limit))
    }

    async fn latency(&self, query: &UsageQuery) -> Result<LatencyReport, StoreError> {
        let limit = query.limit;
        let query = query.clone();
        let rows = self.readers.run(move |db| usage::latency(db, &query)).await?;
        Ok(LatencyReport::from_lookahead(rows, limit))
    }
}

#[cfg(test)]
mod tests;
