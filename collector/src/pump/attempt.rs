//! Attempts at storing one batch, until its outcome is known.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use tracing::warn;

use super::sender::{Sender, Stopped};
use crate::store::{Batch, Cause, StoreError, Written};
use crate::telemetry::metrics::Attempt;

pub(super) enum Outcome {
    Stored,
    /// It fails again and again in a store that can be reached, and may not when there is less of it.
    TooMuch(StoreError),
    Refused(StoreError),
}

impl Sender {
    /// Sends the batch until its outcome is known: `attempts` times at most where what fails may lie in the batch, and
    /// as often as it takes where it lies in the store.
    pub(super) async fn write(&mut self, batch: Batch, attempts: u32) -> Result<Outcome, Stopped> {
        if batch.spans.is_empty() {
            return Ok(Outcome::Stored);
        }
        let mut left = attempts;
        loop {
            let error = match self.attempt(&batch).await {
                Ok(()) => return Ok(Outcome::Stored),
                Err(error) => error,
            };
            let cause = match error.cause() {
                // It would say the same of anything.
                Cause::Load | Cause::Request if self.store.ping().await.is_err() => Cause::Store,
                cause => cause,
            };
            self.say(&batch, &error, cause);
            match cause {
                Cause::Request => return Ok(Outcome::Refused(error)),
                Cause::Load => left = left.saturating_sub(1),
                Cause::Store => {}
            }
            if left == 0 && !self.draining.is_cancelled() {
                return Ok(Outcome::TooMuch(error));
            }
            self.pause().await?;
        }
    }

    async fn attempt(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let started = Instant::now();
        let again = self.sent.as_ref() == Some(&batch.token);
        self.sent = Some(Arc::clone(&batch.token));
        let write = self.store.write(Batch { again, ..batch.clone() });
        let outcome = AssertUnwindSafe(write).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|panic| Err(panicked(&*panic)));
        self.metrics.store_write(started.elapsed(), outcome.is_ok());
        let written: Written = outcome?;
        self.metrics.attempt(Attempt::Stored);
        self.metrics.batch_stored(&batch.spans, &written);
        self.backoff.reset();
        Ok(())
    }

    fn say(&self, batch: &Batch, error: &StoreError, cause: Cause) {
        self.metrics.attempt(match cause {
            Cause::Store => Attempt::Unavailable,
            Cause::Load => Attempt::Overloaded,
            Cause::Request => Attempt::Refused,
        });
        let (spans, token) = (batch.spans.len(), &*batch.token);
        let trace_id = batch.spans.first().map(|span| span.trace_id.to_string());
        warn!(spans, token, trace_id, ?cause, error = error.chain(), "a batch was not stored");
    }

    /// Before another attempt. While the collector stops there is none but the one that a stop wakes.
    pub(super) async fn pause(&mut self) -> Result<(), Stopped> {
        if self.draining.is_cancelled() {
            return Err(Stopped);
        }
        let time: Duration = self.backoff.next_pause();
        let _woken = tokio::time::timeout(time, self.draining.cancelled()).await;
        Ok(())
    }
}

/// The same batch would meet it again.
fn panicked(panic: &(dyn Any + Send)) -> StoreError {
    StoreError::permanent(format!("the store panicked: {}", crate::stage::panic_message(panic)))
}
