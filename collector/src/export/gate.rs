//! When the next request may go to a backend that failed: after a pause that all its requests share.
//!
//! The pause grows with each failure ([`Backoff`]), and is as long as the backend asks for when that is longer, up to
//! [`MAX_ASKED`]. Requests that were under way together and fail together count as one failure.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;

/// The longest pause that a backend may ask for.
const MAX_ASKED: Duration = Duration::from_mins(10);

/// The collector stops and the backend takes no more.
#[derive(Debug)]
pub(super) struct Stopped;

pub(super) struct Gate {
    state: Mutex<State>,
    draining: CancellationToken,
}

struct State {
    backoff: Backoff,
    opens: Instant,
    /// When the last failure was counted.
    failed: Instant,
}

impl Gate {
    pub(super) fn new(min: Duration, max: Duration, draining: CancellationToken) -> Self {
        let now = Instant::now();
        let state = State { backoff: Backoff::new(min, max), opens: now, failed: now };
        Self { state: Mutex::new(state), draining }
    }

    /// Waits until an attempt may be made. A stop ends the wait: what is under way gets one more attempt.
    pub(super) async fn pass(&self) {
        let opens = self.state().opens;
        let _woken = tokio::time::timeout_at(opens, self.draining.cancelled()).await;
    }

    /// The attempt failed. `Err` when there is to be no other.
    pub(super) fn failed(&self, attempt: Instant, asked: Option<Duration>) -> Result<(), Stopped> {
        if self.draining.is_cancelled() {
            return Err(Stopped);
        }
        let mut state = self.state();
        let now = Instant::now();
        let asked = asked.unwrap_or_default().min(MAX_ASKED);
        if attempt >= state.failed {
            let pause = state.backoff.next_pause().max(asked);
            (state.opens, state.failed) = (now + pause, now);
        } else {
            state.opens = state.opens.max(now + asked);
        }
        Ok(())
    }

    pub(super) fn succeeded(&self) {
        self.state().backoff.reset();
    }

    /// Before something of our own is tried again.
    pub(super) async fn pause(&self) -> Result<(), Stopped> {
        self.failed(Instant::now(), None)?;
        self.pass().await;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate() -> Gate {
        Gate::new(Duration::from_secs(1), Duration::from_secs(8), CancellationToken::new())
    }

    async fn waited(gate: &Gate) -> Duration {
        let started = Instant::now();
        gate.pass().await;
        started.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn failures_of_one_time_are_one_pause() {
        let gate = gate();
        let attempts = [Instant::now(), Instant::now(), Instant::now()];
        tokio::time::advance(Duration::from_millis(1)).await;
        for attempt in attempts {
            gate.failed(attempt, None).unwrap();
        }
        assert!((500..=1_000).contains(&waited(&gate).await.as_millis()));
        gate.failed(Instant::now(), None).unwrap();
        assert!((1_000..=2_000).contains(&waited(&gate).await.as_millis()));
        gate.succeeded();
        gate.failed(Instant::now(), None).unwrap();
        assert!((500..=1_000).contains(&waited(&gate).await.as_millis()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_backend_may_ask_for_more_and_not_for_ever() {
        let gate = gate();
        gate.failed(Instant::now(), Some(Duration::from_secs(30))).unwrap();
        assert_eq!(waited(&gate).await.as_secs(), 30);
        gate.failed(Instant::now(), Some(Duration::MAX)).unwrap();
        assert_eq!(waited(&gate).await, MAX_ASKED);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_pause_and_leaves_one_attempt() {
        let gate = gate();
        gate.failed(Instant::now(), Some(Duration::from_secs(30))).unwrap();
        gate.draining.cancel();
        assert_eq!(waited(&gate).await, Duration::ZERO);
        assert!(gate.failed(Instant::now(), None).is_err());
    }
}
