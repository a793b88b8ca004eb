//! What the store needs now and then: old data deleted, rollups compared with their rows.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::config::Retention;
use crate::store::{Cutoffs, Store, StoreError};
use crate::telemetry::metrics::{Expiry, Metrics};

const INTERVAL: Duration = Duration::from_mins(10);

pub(crate) struct Upkeep {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) retention: Retention,
    pub(crate) metrics: Arc<Metrics>,
}

impl Upkeep {
    pub(crate) async fn run(self, stop: CancellationToken) {
        let Retention { spans, content, rollups } = self.retention;
        let shortest = [spans, content, rollups].into_iter().flatten().min();
        let mut ticks = tokio::time::interval(shortest.map_or(INTERVAL, |shortest| shortest.min(INTERVAL)));
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Err(error) = self.expire(&stop).await {
                warn!(error = error.chain(), "deleting what has expired failed; it is tried again");
            }
            match stop.run_until_cancelled(self.store.check_rollups()).await {
                Some(Ok(check)) => self.metrics.rollups_checked(check),
                Some(Err(error)) => {
                    warn!(error = error.chain(), "checking the rollups failed; it is tried again");
                }
                None => return,
            }
        }
    }

    async fn expire(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let cutoffs = cutoffs(self.retention);
        while !stop.is_cancelled() {
            let expired = self.store.expire(cutoffs).await?;
            self.metrics.spans_expired(Expiry::Retention, expired.spans);
            if !expired.more {
                break;
            }
        }
        Ok(())
    }
}

fn cutoffs(retention: Retention) -> Cutoffs {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let before = |retention: Option<Duration>| {
        Some(u64::try_from(now.saturating_sub(retention?).as_nanos()).unwrap_or(0))
    };
    Cutoffs {
        spans_unix_nanos: before(retention.spans),
        content_unix_nanos: before(retention.content),
        rollups_unix_nanos: before(retention.rollups),
    }
}
