//! From the queue to the store: batches, each sent until it is stored, in the order of the queue.
//!
//! - A batch is fixed in the cursor's file, with its token, before it is sent; only when the store has committed it is it
//!   acknowledged. There is one batch under way, so one whose outcome is unknown comes again before any other.
//! - An error that may pass ([`StoreError::is_transient`]) is waited out, with growing pauses; nothing but one batch
//!   and the next is held in memory meanwhile.
//! - A batch that the store refuses for good is cut in half until the entry is found that it refuses; that one is parked
//!   with the error, and the rest goes on. A store that refuses one after the other is taken for broken: from the
//!   fourth in a row on each entry waits for a growing pause and another attempt before it is parked. A store that
//!   cannot be reached at all ([`SpanWriter::ping`]) refuses nothing.
//! - When parked entries have reached `queue.max_parked_bytes` nothing more is parked: the entry is tried again and
//!   holds up the rest, and the queue fills.
//! - On a stop everything that is in the queue is sent, until the first attempt that fails; what is left stays on disk.
//!
//! [`SpanWriter::ping`]: crate::store::SpanWriter::ping

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use self::feeder::{Fed, Feeder, Part};
use crate::backoff::Backoff;
use crate::config;
use crate::queue::cursor::SharedCursor;
use crate::queue::{Cursor, Position, Queue, parked};
use crate::stage::Drain;
use crate::store::{Batch, Store, StoreError};
use crate::telemetry::metrics::{Attempt, Metrics};

mod feeder;
pub mod retry;
#[cfg(test)]
mod tests;

/// The store's cursor of the queue.
pub const CURSOR: &str = "store";

/// Entries in a row that are parked without a pause.
const FREE_PARKS: u32 = 3;

pub fn start(
    config: &config::Pump,
    max_parked_bytes: u64,
    queue: &Queue,
    cursor: Cursor,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
) -> Drain {
    let draining = CancellationToken::new();
    let fixed = cursor.planned().map(|plan| plan.last);
    let log = Arc::clone(queue.log());
    let feeder = Feeder::new(cursor.reader(), fixed, log, config.clone(), Arc::clone(&metrics));
    let sender = Sender {
        cursor: SharedCursor::new(cursor),
        store,
        metrics,
        draining: draining.clone(),
        backoff: Backoff::new(config.min_backoff, config.max_backoff),
        max_parked_bytes,
        parked_in_a_row: 0,
    };
    let (batches, inbox) = mpsc::channel(1);
    let feeder = tokio::task::spawn_blocking(move || feeder.run(&batches));
    let sender = tokio::spawn(sender.run(inbox));
    Drain::new("pump", draining, sender, feeder)
}

struct Sender {
    cursor: SharedCursor,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    draining: CancellationToken,
    backoff: Backoff,
    max_parked_bytes: u64,
    parked_in_a_row: u32,
}

/// The collector stops and the store takes no more.
struct Stopped;

enum Outcome {
    Stored,
    Refused(StoreError),
}

impl Sender {
    async fn run(mut self, mut batches: mpsc::Receiver<Fed>) {
        while let Some(batch) = batches.recv().await {
            if self.deliver(batch).await.is_err() {
                info!("the store takes no more; what is left is sent at the next start");
                return;
            }
        }
    }

    async fn deliver(&mut self, batch: Fed) -> Result<(), Stopped> {
        let mut rest = &batch.parts[..];
        let mut size = rest.len();
        while let Some((now, later)) = rest.split_at_checked(size.min(rest.len()))
            && let (Some(first), Some(last)) = (now.first(), now.last())
        {
            let (number, end) =
                if later.is_empty() { (batch.last, batch.end) } else { (last.sequence, last.end) };
            let spans = first.spans.start..last.spans.end;
            let is_whole = spans.len() == batch.spans.len();
            let spans = if is_whole { Arc::clone(&batch.spans) } else { Arc::from(&batch.spans[spans]) };
            let token = self.plan(number).await?;
            match self.write(Batch { token, spans }).await? {
                Outcome::Stored => {
                    self.parked_in_a_row = 0;
                    self.ack(number, end, last.spans.end - first.spans.start).await?;
                    (rest, size) = (later, size.saturating_mul(2));
                }
                Outcome::Refused(_) if now.len() > 1 => size = now.len() / 2,
                Outcome::Refused(error) => {
                    self.refused(last, &batch, error).await?;
                    self.ack(number, end, 0).await?;
                    rest = later;
                }
            }
        }
        self.finish(batch).await
    }

    /// What of a batch has no spans: lost numbers, and an entry that cannot be decoded.
    async fn finish(&mut self, batch: Fed) -> Result<(), Stopped> {
        if batch.parts.is_empty() && batch.last > 0 {
            self.ack(batch.last, batch.end, 0).await?;
        }
        let Some(unreadable) = batch.unreadable else { return Ok(()) };
        self.park(unreadable.sequence, unreadable.error).await?;
        self.ack(unreadable.sequence, unreadable.end, 0).await
    }

    /// Sends the batch until its outcome is known.
    async fn write(&mut self, batch: Batch) -> Result<Outcome, Stopped> {
        if batch.spans.is_empty() {
            return Ok(Outcome::Stored);
        }
        loop {
            let started = Instant::now();
            let outcome = self.store.write(batch.clone()).await;
            self.metrics.store_write(started.elapsed(), outcome.is_ok());
            let error = match outcome {
                Ok(written) => {
                    self.metrics.attempt(Attempt::Stored);
                    self.metrics.batch_stored(&batch.spans, &written);
                    self.backoff.reset();
                    return Ok(Outcome::Stored);
                }
                Err(error) => error,
            };
            let passes = error.is_transient() || self.store.ping().await.is_err();
            self.metrics.attempt(if passes { Attempt::Unavailable } else { Attempt::Refused });
            let (spans, token) = (batch.spans.len(), &*batch.token);
            let trace_id = batch.spans.first().map(|span| span.trace_id.to_string());
            warn!(
                spans,
                token,
                trace_id,
                transient = passes,
                error = error.chain(),
                "a batch was not stored"
            );
            if !passes {
                return Ok(Outcome::Refused(error));
            }
            self.pause().await?;
        }
    }

    /// The store has refused this entry alone. Returns when it is parked, or stored after all.
    async fn refused(&mut self, part: &Part, batch: &Fed, mut error: StoreError) -> Result<(), Stopped> {
        if self.parked_in_a_row >= FREE_PARKS {
            self.pause().await?;
            let spans = Arc::from(&batch.spans[part.spans.clone()]);
            let token = self.plan(part.sequence).await?;
            match self.write(Batch { token, spans }).await? {
                Outcome::Stored => {
                    self.parked_in_a_row = 0;
                    return Ok(());
                }
                Outcome::Refused(again) => error = again,
            }
        }
        self.parked_in_a_row = self.parked_in_a_row.saturating_add(1);
        let trace_id = batch.spans.get(part.spans.start).map(|span| span.trace_id.to_string());
        error!(entry = part.sequence, trace_id, error = error.chain(), "the store refuses an entry for good");
        self.park(part.sequence, error.chain()).await
    }

    /// Returns when the entry is parked.
    async fn park(&mut self, sequence: u64, reason: String) -> Result<(), Stopped> {
        loop {
            let (max, why) = (self.max_parked_bytes, reason.clone());
            let parked = self
                .cursor
                .with(move |cursor| {
                    if parked::total(cursor.disk())?.1 >= max {
                        return Err(io::Error::other("queue.max_parked_bytes is reached"));
                    }
                    cursor.park(sequence, &why)
                })
                .await;
            match parked {
                Ok(()) => {
                    error!(entry = sequence, reason, "an entry is parked; see meshtap queue show {sequence}");
                    return Ok(());
                }
                Err(problem) => {
                    error!(entry = sequence, reason, %problem, "an entry cannot be parked and holds up the queue");
                    self.pause().await?;
                }
            }
        }
    }

    /// The token of the batch behind what is acknowledged, up to this number.
    async fn plan(&mut self, last: u64) -> Result<Arc<str>, Stopped> {
        loop {
            let planned = self.cursor.with(move |cursor| cursor.plan(cursor.acked() + 1, last)).await;
            match planned {
                Ok(plan) => return Ok(plan.token),
                Err(error) => self.ledger_failed(&error).await?,
            }
        }
    }

    async fn ack(&mut self, last: u64, end: Position, spans: usize) -> Result<(), Stopped> {
        loop {
            match self.cursor.with(move |cursor| cursor.ack(last, end)).await {
                Ok(()) => {
                    self.metrics.queue().taken(CURSOR, spans as u64);
                    debug!(last, spans, "a batch is acknowledged");
                    return Ok(());
                }
                Err(error) => self.ledger_failed(&error).await?,
            }
        }
    }

    async fn ledger_failed(&mut self, error: &io::Error) -> Result<(), Stopped> {
        error!(%error, "the cursor's file cannot be written; it is tried again");
        self.pause().await
    }

    /// Before another attempt. While the collector stops there is none but the one that a stop wakes.
    async fn pause(&mut self) -> Result<(), Stopped> {
        if self.draining.is_cancelled() {
            return Err(Stopped);
        }
        let time: Duration = self.backoff.next_pause();
        let _woken = tokio::time::timeout(time, self.draining.cancelled()).await;
        Ok(())
    }
}
