//! What the store needs now and then: old data deleted, rollups compared with their rows.
//!
//! Nothing is deleted by a clock that cannot be believed (`clock`).

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::clock::{Clock, Reading};
use crate::config::Retention;
use crate::model::TimeRange;
use crate::store::{Cutoffs, Order, Page, SpanFilter, Store, StoreError};
use crate::telemetry::metrics::{Expiry, Metrics};

mod clock;

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
        let (started, mut clock) = (Instant::now(), Clock::default());
        let mut ticks = tokio::time::interval(shortest.map_or(INTERVAL, |shortest| shortest.min(INTERVAL)));
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let now = Reading { since_1970, uptime: started.elapsed() };
            if let Err(error) = self.expire(&mut clock, now, &stop).await {
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

    /// Waits while the clock cannot be believed.
    async fn expire(
        &self,
        clock: &mut Clock,
        now: Reading,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        if self.retention == Retention::default() {
            return Ok(());
        }
        let newest = if clock.is_unknown() { self.newest_span(now.since_1970).await? } else { None };
        if let Err(ahead) = clock.judge(now, newest) {
            self.metrics.tasks().expiry_postponed();
            warn!(
                ahead_seconds = ahead.as_secs(),
                "the clock is far ahead of what is known; nothing is deleted for its age until it agrees, or has \
                 kept it up for a day"
            );
            return Ok(());
        }
        let cutoffs = cutoffs(self.retention, now.since_1970);
        while !stop.is_cancelled() {
            let expired = self.store.expire(cutoffs).await?;
            self.metrics.spans_expired(Expiry::Retention, expired.spans);
            if !expired.more {
                break;
            }
        }
        Ok(())
    }

    /// When the newest span started. One that is further ahead than a clock may be says nothing about it.
    async fn newest_span(&self, now: Duration) -> Result<Option<Duration>, StoreError> {
        let to_unix_nanos = Some(nanos(now.saturating_add(clock::MAX_LEAP)));
        let time = TimeRange { from_unix_nanos: None, to_unix_nanos };
        let filter = SpanFilter { time, ..SpanFilter::default() };
        let page = Page { limit: 1, after: None, order: Order::NewestFirst };
        let newest = self.store.spans(&filter, &page).await?.spans;
        Ok(newest.first().map(|span| Duration::from_nanos(span.start_unix_nanos)))
    }
}

fn cutoffs(retention: Retention, now: Duration) -> Cutoffs {
    let before = |retention: Option<Duration>| Some(nanos(now.saturating_sub(retention?)));
    Cutoffs {
        spans_unix_nanos: before(retention.spans),
        content_unix_nanos: before(retention.content),
        rollups_unix_nanos: before(retention.rollups),
    }
}

fn nanos(since_1970: Duration) -> u64 {
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance::plain_span;
    use crate::store::memory::MemoryStore;
    use crate::store::{Batch, SpanWriter as _};

    const DAY: Duration = Duration::from_hours(24);
    const NOW: Duration = Duration::from_hours(20_000 * 24);

    async fn upkeep() -> Upkeep {
        let store = MemoryStore::new(10);
        let spans = [(1, NOW.saturating_sub(40 * DAY)), (2, NOW.saturating_sub(2 * DAY)), (3, NOW)];
        let spans = spans.map(|(id, start)| plain_span(id, nanos(start)));
        store.write(Batch::of(spans)).await.unwrap();
        let month = Some(30 * DAY);
        let retention = Retention { spans: month, content: month, rollups: month };
        Upkeep {
            store: Arc::new(store),
            retention,
            metrics: Arc::new(Metrics::new(&crate::config::Config::default().metrics)),
        }
    }

    async fn left(upkeep: &Upkeep, clock: &mut Clock, since_1970: Duration, uptime: Duration) -> usize {
        let stop = CancellationToken::new();
        upkeep.expire(clock, Reading { since_1970, uptime }, &stop).await.unwrap();
        let page = Page { limit: 10, after: None, order: Order::OldestFirst };
        upkeep.store.spans(&SpanFilter::default(), &page).await.unwrap().spans.len()
    }

    #[tokio::test]
    async fn a_clock_that_jumps_deletes_nothing() {
        let upkeep = upkeep().await;
        let jumped = NOW + 365 * DAY;
        let mut clock = Clock::default();
        let minute = Duration::from_mins(1);
        assert_eq!(left(&upkeep, &mut clock, jumped, minute).await, 3, "wrong from the start");
        assert_eq!(left(&upkeep, &mut clock, NOW, 2 * minute).await, 2, "right: the oldest goes");
        assert_eq!(left(&upkeep, &mut clock, jumped, 3 * minute).await, 2, "it jumps");
        // As when the senders' clocks jump with it.
        upkeep.store.write(Batch::of([plain_span(4, nanos(jumped))])).await.unwrap();
        assert_eq!(left(&upkeep, &mut clock, jumped, 4 * minute).await, 3);
        let (_, text) = upkeep.metrics.render("").unwrap();
        assert!(text.contains("meshtap_expiry_postponed_total 3"), "{text}");
        assert_eq!(
            left(&upkeep, &mut clock, jumped + DAY, DAY + 4 * minute).await,
            1,
            "a day later it is believed"
        );
    }
}
