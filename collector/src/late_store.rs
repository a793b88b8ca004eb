//! A store that may be opened after the start: while it cannot be reached, the queue takes what comes.
//!
//! The first attempt decides about a store that will never open, such as one that refuses our password: that ends the
//! start, if it is said within `PATIENCE`. Otherwise the store is tried again, with pauses, whatever it says, and until
//! it opens every operation fails as one that may pass.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::model::TraceId;
use crate::stage::panic_message;
use crate::store::{
    Batch, Cutoffs, Expired, LatencyReport, Page, RollupCheck, SpanFilter, SpanPage, SpanReader, SpanWriter,
    Store, StoreError, TraceSpans, UsageQuery, UsageReport, Written,
};

/// A start waits so long for the store, and goes on without it then.
const PATIENCE: Duration = Duration::from_secs(5);
const MIN_PAUSE: Duration = Duration::from_millis(100);
const MAX_PAUSE: Duration = Duration::from_secs(10);

pub struct LateStore {
    store: Arc<OnceLock<Arc<dyn Store>>>,
    /// Why the last attempt at opening it failed.
    failure: Arc<Mutex<Option<String>>>,
    opening: JoinHandle<()>,
}

impl LateStore {
    /// # Errors
    /// The first attempt's, when it will not pass.
    pub async fn open<F>(mut open: impl FnMut() -> F + Send + 'static) -> Result<Self, StoreError>
    where
        F: Future<Output = Result<Arc<dyn Store>, StoreError>> + Send,
    {
        let (store, failure) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(None)));
        let (place, failed) = (Arc::clone(&store), Arc::clone(&failure));
        let (first, mut decided) = oneshot::channel();
        let opening = tokio::spawn(async move {
            let mut first = Some(first);
            let mut pause = MIN_PAUSE;
            loop {
                match attempt(open()).await {
                    Ok(store) => {
                        drop(place.set(store));
                        info!("the store is open");
                        return;
                    }
                    Err(error) => {
                        let (why, ends) = (error.chain(), !error.is_transient());
                        // A start that has lost its patience does not hear of it, and goes on without the store.
                        let is_heard = first.take().is_some_and(|first| first.send(error).is_ok());
                        if ends && is_heard {
                            return;
                        }
                        warn!(error = why, "the store cannot be opened; it is tried again");
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                    }
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_PAUSE);
            }
        });
        let decision = if let Ok(decision) = tokio::time::timeout(PATIENCE, &mut decided).await {
            decision.ok()
        } else {
            decided.close();
            decided.try_recv().ok()
        };
        match decision {
            Some(error) if !error.is_transient() => Err(error),
            _ => Ok(Self { store, failure, opening }),
        }
    }

    fn store(&self) -> Result<&dyn Store, StoreError> {
        self.store.get().map(|store| &**store).ok_or_else(|| self.not_open())
    }

    fn not_open(&self) -> StoreError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        StoreError::transient(match &*failure {
            Some(why) => format!("the store is not open yet: {why}"),
            None => "the store is not open yet".to_owned(),
        })
    }
}

/// A panic is a failure like others: it is said, and another attempt is made.
async fn attempt<T>(open: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let opened = AssertUnwindSafe(open).catch_unwind().await;
    opened.unwrap_or_else(|panic| {
        Err(StoreError::transient(format!("opening the store panicked: {}", panic_message(&*panic))))
    })
}

impl Drop for LateStore {
    fn drop(&mut self) {
        self.opening.abort();
    }
}

#[async_trait]
impl SpanWriter for LateStore {
    async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        self.store()?.write(batch).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.store()?.ping().await
    }

    async fn expire(&self, cutoffs: Cutoffs) -> Result<Expired, StoreError> {
        self.store()?.expire(cutoffs).await
    }

    async fn check_rollups(&self) -> Result<RollupCheck, StoreError> {
        self.store()?.check_rollups().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.opening.abort();
        match self.store.get() {
            Some(store) => store.close().await,
            None => Ok(()),
        }
    }
}

#[async_trait]
impl SpanReader for LateStore {
    async fn spans(&self, filter: &SpanFilter, page: &Page) -> Result<SpanPage, StoreError> {
        self.store()?.spans(filter, page).await
    }

    async fn trace(&self, trace_id: TraceId, limit: usize) -> Result<TraceSpans, StoreError> {
        self.store()?.trace(trace_id, limit).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        self.store()?.usage(query).await
    }

    async fn latency(&self, query: &UsageQuery) -> Result<LatencyReport, StoreError> {
        self.store()?.latency(query).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::store::memory::MemoryStore;

    #[tokio::test(start_paused = true)]
    async fn it_opens_when_the_store_comes() {
        let attempts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&attempts);
        let store = LateStore::open(move || {
            let attempt = count.fetch_add(1, Ordering::Relaxed);
            async move {
                assert!(attempt != 1, "a panic of the test");
                if attempt < 3 {
                    return Err(StoreError::transient("connection refused"));
                }
                Ok(Arc::new(MemoryStore::new(10)) as Arc<dyn Store>)
            }
        })
        .await
        .unwrap();
        let error = store.ping().await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(error.to_string(), "the store is not open yet: connection refused");
        while store.ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(attempts.load(Ordering::Relaxed), 4);
    }

    #[tokio::test]
    async fn one_that_will_never_open_ends_the_start() {
        let opened = LateStore::open(|| async { Err(StoreError::permanent("no such folder")) }).await;
        assert!(opened.is_err_and(|error| error.to_string() == "no such folder"));
    }

    /// Nobody hears a refusal that comes after the start.
    #[tokio::test(start_paused = true)]
    async fn one_that_refuses_late_is_tried_again() {
        let attempts = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&attempts);
        let store = LateStore::open(move || {
            let attempt = count.fetch_add(1, Ordering::Relaxed);
            async move {
                if attempt == 0 {
                    tokio::time::sleep(PATIENCE + Duration::from_secs(1)).await;
                    return Err(StoreError::permanent("wrong password"));
                }
                Ok(Arc::new(MemoryStore::new(10)) as Arc<dyn Store>)
            }
        })
        .await
        .unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
        store.ping().await.unwrap();
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_does_not_hold_the_start() {
        let store = LateStore::open(std::future::pending).await.unwrap();
        assert!(store.ping().await.unwrap_err().is_transient());
        store.close().await.unwrap();
    }
}
