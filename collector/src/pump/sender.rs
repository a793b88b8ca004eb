//! Sends batches one after the other, and what is left of them in smaller ones where the store does not take them whole.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info};

use super::attempt::Outcome;
use super::feeder::Fed;
use super::piece::Piece;
use super::portion::Portion;
use crate::backoff::Backoff;
use crate::config;
use crate::model::SpanRecord;
use crate::queue::cursor::SharedCursor;
use crate::queue::ledger::Plan;
use crate::queue::{Cursor, Position};
use crate::store::{Batch, Store};
use crate::telemetry::metrics::Metrics;

pub(super) struct Sender {
    pub(super) cursor: SharedCursor,
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) draining: CancellationToken,
    pub(super) backoff: Backoff,
    pub(super) max_attempts: u32,
    pub(super) max_parked_bytes: u64,
    pub(super) parked_in_a_row: u32,
    /// The token that was sent last, by this collector or the one before it.
    pub(super) sent: Option<Arc<str>>,
    portion: Portion,
}

/// The collector stops and the store takes no more.
pub(super) struct Stopped;

impl Sender {
    pub(super) fn new(
        config: &config::Pump,
        max_parked_bytes: u64,
        cursor: Cursor,
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
        draining: CancellationToken,
    ) -> Self {
        Self {
            sent: cursor.planned().map(Piece::token),
            cursor: SharedCursor::new(cursor),
            store,
            metrics,
            draining,
            backoff: Backoff::new(config.min_backoff, config.max_backoff),
            max_attempts: u32::try_from(config.max_attempts).unwrap_or(u32::MAX),
            max_parked_bytes,
            parked_in_a_row: 0,
            portion: Portion::default(),
        }
    }

    pub(super) async fn run(mut self, mut batches: mpsc::Receiver<Fed>) {
        while let Some(batch) = batches.recv().await {
            if self.deliver(batch).await.is_err() {
                info!("the store takes no more; what is left is sent at the next start");
                return;
            }
        }
    }

    async fn deliver(&mut self, batch: Fed) -> Result<(), Stopped> {
        let before = self.portion;
        let mut rest = &batch.parts[..];
        // How many entries are sent together: fewer while the one is looked for that the store refuses.
        let mut together = rest.len();
        // A batch that was too much once is not waited for at each smaller size.
        let mut attempts = self.max_attempts;
        while let Some((now, later)) = rest.split_at_checked(self.portion.entries(rest).min(together))
            && let (Some(first), Some(last)) = (now.first(), now.last())
        {
            let (number, end) =
                if later.is_empty() { (batch.last, batch.end) } else { (last.sequence, last.end) };
            let range = first.spans.start..last.spans.end;
            let spans = range.len();
            let plan = self.plan(number).await?;
            let piece = Piece::recorded(&plan, spans).or_else(|| self.portion.piece(spans));
            let outcome = if let Some(piece) = piece {
                self.write_in_pieces(&batch, range, piece).await?
            } else {
                let attempts = if spans > 1 { attempts } else { self.max_attempts };
                self.write(Batch::new(plan.token, batch.of(range)), attempts).await?
            };
            match outcome {
                Outcome::Stored => {
                    self.parked_in_a_row = 0;
                    self.portion.stored();
                    self.ack(number, end, spans).await?;
                    (rest, together) = (later, together.saturating_mul(2));
                }
                Outcome::TooMuch(error) if spans > 1 && piece.is_none() => {
                    info!(spans, error = error.chain(), "a batch is too much for the store, and is halved");
                    self.portion.too_much(spans);
                    attempts = 1;
                }
                Outcome::TooMuch(error) => {
                    // It was not the size.
                    self.portion = before;
                    self.set_aside(last, &batch, &error).await?;
                    self.ack(number, end, 0).await?;
                    rest = later;
                }
                Outcome::Refused(_) if now.len() > 1 => together = now.len() / 2,
                Outcome::Refused(error) => {
                    self.refused(last, &batch, error).await?;
                    self.ack(number, end, 0).await?;
                    rest = later;
                }
            }
        }
        self.finish(batch).await
    }

    /// One entry, which is too much at once. Each piece is recorded before it is sent for the first time; the entry is
    /// acknowledged after the last one. Stops at a single span that is too much, and at a refusal.
    async fn write_in_pieces(
        &mut self,
        batch: &Fed,
        range: Range<usize>,
        mut piece: Piece,
    ) -> Result<Outcome, Stopped> {
        while let Some(part) = piece.range(&range) {
            let spans = part.len();
            let token = self.plan_piece(piece).await?;
            let attempts = if spans > 1 { 1 } else { self.max_attempts };
            match self.write(Batch::new(token, batch.of(part)), attempts).await? {
                Outcome::Stored => piece = piece.next(),
                Outcome::TooMuch(_) if spans > 1 => {
                    self.portion.too_much(spans);
                    piece = piece.halved();
                }
                outcome => return Ok(outcome),
            }
        }
        Ok(Outcome::Stored)
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

    /// The batch behind what is acknowledged, up to this number, with its token.
    pub(super) async fn plan(&mut self, last: u64) -> Result<Plan, Stopped> {
        loop {
            match self.cursor.with(move |cursor| cursor.plan(cursor.acked() + 1, last)).await {
                Ok(plan) => return Ok(plan),
                Err(error) => self.ledger_failed(&error).await?,
            }
        }
    }

    /// The token of a piece of the batch that is fixed.
    async fn plan_piece(&mut self, piece: Piece) -> Result<Arc<str>, Stopped> {
        loop {
            match self.cursor.with(move |cursor| cursor.plan_piece(&piece.to_string())).await {
                Ok(plan) => return Ok(Piece::token(&plan)),
                Err(error) => self.ledger_failed(&error).await?,
            }
        }
    }

    async fn ack(&mut self, last: u64, end: Position, spans: usize) -> Result<(), Stopped> {
        loop {
            match self.cursor.with(move |cursor| cursor.ack(last, end)).await {
                Ok(()) => {
                    self.metrics.queue().taken(super::CURSOR, spans as u64);
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
}

impl Fed {
    /// Some of its spans, without copying them when it is all.
    pub(super) fn of(&self, range: Range<usize>) -> Arc<[SpanRecord]> {
        if range.len() == self.spans.len() {
            return Arc::clone(&self.spans);
        }
        self.spans.get(range).unwrap_or_default().into()
    }
}
