//! The default store: one SQLite file, no server.
//!
//! One thread writes (`writer`), a few read-only connections read (`readers`). Write-ahead log with
//! `synchronous=FULL`: what was answered survives a crash of the process and of the machine.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use self::error::failed;
use self::readers::Readers;
use self::writer::Writer;
use super::{
    Batch, Page, SpanFilter, SpanPage, SpanReader, SpanWriter, StoreError, TraceSpans, UsageQuery,
    UsageReport, Written,
};
use crate::model::TraceId;

mod error;
mod query;
mod readers;
mod row;
mod schema;
mod writer;

/// How long to wait for a lock that another process holds.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `auto_vacuum` only has an effect before the first table exists, and before the journal mode is set.
const PRAGMAS: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    PRAGMA temp_store = MEMORY;";

#[derive(Debug)]
pub struct SqliteStore {
    writer: Writer,
    readers: Readers,
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
    let readers = Readers::open(path, busy_timeout)?;
    Ok(SqliteStore { writer: Writer::start(db)?, readers, lock })
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
        StoreError::permanent(message).with_source(error)
    };
    let lock = File::create(&name).map_err(failed)?;
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
    std::fs::create_dir_all(folder).map_err(|error| {
        StoreError::permanent(format!(
            "sqlite: cannot create the folder {}; set store.sqlite.path to a place that can be written",
            folder.display()
        ))
        .with_source(error)
    })
}

fn open_for_writing(path: &Path, busy_timeout: Duration) -> rusqlite::Result<Connection> {
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
    failed(&format!("{}: {advice}; see store.sqlite.path", path.display()), error)
}

#[async_trait]
impl SpanWriter for SqliteStore {
    async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        self.writer.write(batch).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.writer.ping().await
    }

    async fn expire(&self, before_unix_nanos: u64) -> Result<u64, StoreError> {
        self.writer.expire(before_unix_nanos).await
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
        let spans = self.readers.run(move |db| query::spans(db, &filter, &page)).await?;
        Ok(SpanPage::from_lookahead(spans, page.limit))
    }

    async fn trace(&self, trace_id: TraceId, limit: usize) -> Result<TraceSpans, StoreError> {
        let spans = self.readers.run(move |db| query::trace(db, trace_id, limit)).await?;
        Ok(TraceSpans::from_lookahead(spans, limit))
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        let limit = query.limit;
        let query = query.clone();
        let rows = self.readers.run(move |db| query::usage(db, &query)).await?;
        Ok(UsageReport::from_lookahead(rows, limit))
    }
}

#[cfg(test)]
mod tests;
