//! A few read-only connections, lent to one query at a time on the blocking pool. A query whose asker has gone away
//! is interrupted.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, InterruptHandle, OpenFlags};
use tokio::sync::Semaphore;

use super::error::failed;
use super::usage;
use crate::store::StoreError;

/// How many queries run at the same time; the next one waits.
const CONNECTIONS: usize = 4;

#[derive(Debug)]
pub(super) struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn open(path: &Path, busy_timeout: Duration) -> Result<Self, StoreError> {
        let connections =
            (0..CONNECTIONS).map(|_| open_one(path, busy_timeout)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { idle: Arc::new(Mutex::new(connections)), permits: Arc::new(Semaphore::new(CONNECTIONS)) })
    }

    pub(super) async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| closed())?;
        let idle = Arc::clone(&self.idle);
        let db = idle.lock().unwrap_or_else(PoisonError::into_inner).pop().ok_or_else(closed)?;
        let interrupt = InterruptOnDrop(Some(db.get_interrupt_handle()));
        let result = tokio::task::spawn_blocking(move || {
            let result = query(&db);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            drop(permit);
            result
        })
        .await;
        interrupt.disarm();
        result
            .map_err(|error| StoreError::transient("sqlite: the query did not finish").with_source(error))?
            .map_err(|error| failed("reading", error))
    }

    /// Waits for the queries that run and closes the connections; later queries fail.
    pub(super) async fn close(&self) {
        if let Ok(_all) = self.permits.acquire_many(u32::try_from(CONNECTIONS).unwrap_or(u32::MAX)).await {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        self.permits.close();
    }
}

fn open_one(path: &Path, busy_timeout: Duration) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(busy_timeout)?;
        db.pragma_update(None, "temp_store", "MEMORY")?;
        usage::register(&db)?;
        Ok(db)
    };
    open().map_err(|error| failed("opening a connection for reading", error))
}

fn closed() -> StoreError {
    StoreError::transient("sqlite: the store is closed")
}

struct InterruptOnDrop(Option<InterruptHandle>);

impl InterruptOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.interrupt();
        }
    }
}
