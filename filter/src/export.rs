//! Finished spans on their way to the collector: one bounded queue, batches, calls in flight, retries, drops.
//!
//! No host and no clock: whoever owns the exporter asks for the [`Exporter::next_batch`], makes the call and reports
//! how it went. Every span that is taken in ends in exactly one counter: exported, rejected, or dropped with a reason.
//!
//! Delivery is at least once: a call that timed out may have arrived. The receiver drops a span id it has seen.

use std::collections::VecDeque;

use crate::config::Config;
use crate::otlp::{self, EncodedSpan};
use crate::stats::{Metric, Stats};
use crate::steady::SteadyNanos;

/// Spans that travel together, encoded as one request.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    pub message: Vec<u8>,
    spans: u64,
    /// How many of them have their content with them.
    contents: u64,
    /// By age among the batches of one exporter; those that it took over are older than its own.
    order: u64,
}

impl Batch {
    pub const fn spans(&self) -> u64 {
        self.spans
    }
}

/// Batches as bytes, for a VM that holds other code: for each the counts, the length and the message.
pub fn packed(batches: &[Batch]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for Batch { message, spans, contents, .. } in batches {
        for number in [*spans, *contents, message.len() as u64] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(message);
    }
    bytes
}

/// The batches in `bytes`, up to what is not one.
pub fn unpacked(mut bytes: &[u8]) -> Vec<Batch> {
    let mut batches = Vec::new();
    while let Some((batch, rest)) = first_batch(bytes) {
        batches.push(batch);
        bytes = rest;
    }
    batches
}

fn first_batch(bytes: &[u8]) -> Option<(Batch, &[u8])> {
    let (spans, rest) = number(bytes)?;
    let (contents, rest) = number(rest)?;
    let (size, rest) = number(rest)?;
    let (message, rest) = rest.split_at_checked(usize::try_from(size).ok()?)?;
    Some((Batch { message: message.to_vec(), spans, contents, order: 0 }, rest))
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*number), rest))
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The collector answered OK; it may have rejected some of the spans.
    Accepted { rejected_spans: u64 },
    /// A gRPC status other than OK.
    Status(u32),
    /// The call could not be made at all, as when Envoy has no such cluster.
    NotSent,
}

impl Outcome {
    /// Statuses after which OTLP wants the batch sent again.
    /// <https://opentelemetry.io/docs/specs/otlp/#failures>
    fn is_retryable(self) -> bool {
        const CANCELLED: u32 = 1;
        const DEADLINE_EXCEEDED: u32 = 4;
        const RESOURCE_EXHAUSTED: u32 = 8;
        const ABORTED: u32 = 10;
        const OUT_OF_RANGE: u32 = 11;
        const UNAVAILABLE: u32 = 14;
        const DATA_LOSS: u32 = 15;
        match self {
            Self::Accepted { .. } => false,
            Self::NotSent => true,
            Self::Status(status) => matches!(
                status,
                CANCELLED
                    | DEADLINE_EXCEEDED
                    | RESOURCE_EXHAUSTED
                    | ABORTED
                    | OUT_OF_RANGE
                    | UNAVAILABLE
                    | DATA_LOSS
            ),
        }
    }
}

#[derive(Debug)]
struct InFlight {
    token: u32,
    batch: Batch,
    lost_after: SteadyNanos,
}

#[derive(Debug)]
pub struct Exporter {
    config: Config,
    resource: Vec<u8>,
    waiting: VecDeque<EncodedSpan>,
    waiting_bytes: usize,
    /// The oldest so many of those have no content, or no more.
    bare: usize,
    /// Batches that were sent and must be sent again, oldest first.
    again: VecDeque<Batch>,
    again_bytes: usize,
    in_flight: Vec<InFlight>,
    in_flight_bytes: usize,
    failures_in_a_row: u32,
    /// Batches that were cut so far.
    cut: u64,
    paused_until: SteadyNanos,
}

const NANOS_PER_MILLI: u64 = 1_000_000;

impl Exporter {
    pub fn new(config: Config, resource: Vec<u8>) -> Self {
        Self {
            config,
            resource,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            bare: 0,
            again: VecDeque::new(),
            again_bytes: 0,
            in_flight: Vec::new(),
            in_flight_bytes: 0,
            failures_in_a_row: 0,
            cut: 0,
            paused_until: 0,
        }
    }

    /// Takes in an encoded span.
    pub fn push(&mut self, span: impl Into<EncodedSpan>, stats: &mut Stats) {
        let mut span = span.into();
        // Where a batch is full already the span stays for longer, and there may be many of them.
        if self.has_full_batch() {
            span.shrink();
        }
        stats.add(Metric::QueueSpans, 1);
        stats.add(Metric::QueueBytes, span.bytes());
        self.waiting_bytes = self.waiting_bytes.saturating_add(span.bytes());
        self.waiting.push_back(span);
        self.make_room(stats);
    }

    /// Takes in batches that another exporter of this VM left behind.
    pub fn adopt(&mut self, batches: Vec<Batch>, stats: &mut Stats) {
        for batch in batches {
            stats.add(Metric::QueueSpans, batch.spans);
            stats.add(Metric::QueueBytes, batch.message.len());
            self.keep(Batch { order: 0, ..batch });
        }
        self.make_room(stats);
    }

    /// Gives up everything, in order of age, for another exporter to adopt.
    pub fn abandon(&mut self, stats: &mut Stats) -> Vec<Batch> {
        let mut batches: Vec<Batch> = std::mem::take(&mut self.in_flight)
            .into_iter()
            .map(|call| call.batch)
            .chain(std::mem::take(&mut self.again))
            .collect();
        self.again_bytes = 0;
        self.in_flight_bytes = 0;
        while let Some(batch) = self.cut_batch(stats) {
            batches.push(batch);
        }
        for batch in &batches {
            stats.subtract(Metric::QueueSpans, batch.spans);
            stats.subtract(Metric::QueueBytes, batch.message.len());
        }
        batches
    }

    /// Whether a batch may leave that is as large as it gets, or that was sent before: neither waits for the tick.
    pub fn is_due(&self, now: SteadyNanos) -> bool {
        (self.has_full_batch() || !self.again.is_empty()) && self.may_send(now)
    }

    fn has_full_batch(&self) -> bool {
        let limits = &self.config.batch;
        self.waiting.len() >= limits.max_spans || self.waiting_bytes >= limits.max_bytes
    }

    /// While calls fail, one at a time is enough to learn that they no longer do.
    fn may_send(&self, now: SteadyNanos) -> bool {
        let most = if self.failures_in_a_row > 0 { 1 } else { self.config.queue.max_in_flight };
        now >= self.paused_until && self.in_flight.len() < most
    }

    /// The next batch that may leave now. Whoever takes it reports `sent` or `not_sent`.
    pub fn next_batch(&mut self, now: SteadyNanos, stats: &mut Stats) -> Option<Batch> {
        if !self.may_send(now) {
            return None;
        }
        if let Some(batch) = self.again.pop_front() {
            self.again_bytes = self.again_bytes.saturating_sub(batch.message.len());
            return Some(batch);
        }
        self.cut_batch(stats)
    }

    /// The call was made; its answer comes under `token`.
    pub fn sent(&mut self, token: u32, batch: Batch, now: SteadyNanos, stats: &mut Stats) {
        stats.add(Metric::ExportCalls, 1);
        stats.add(Metric::ExportBytes, batch.message.len());
        self.in_flight_bytes = self.in_flight_bytes.saturating_add(batch.message.len());
        let patience = u64::from(self.config.collector.timeout_ms).saturating_mul(2 * NANOS_PER_MILLI);
        self.in_flight.push(InFlight { token, batch, lost_after: now.saturating_add(patience) });
    }

    /// The call could not be made.
    pub fn not_sent(&mut self, batch: Batch, now: SteadyNanos, random: u64, stats: &mut Stats) {
        self.settle(batch, Outcome::NotSent, now, random, stats);
    }

    /// An answer came. `false` when nobody waits for it.
    pub fn answered(
        &mut self,
        token: u32,
        outcome: Outcome,
        now: SteadyNanos,
        random: u64,
        stats: &mut Stats,
    ) -> bool {
        let Some(at) = self.in_flight.iter().position(|call| call.token == token) else {
            return false;
        };
        let batch = self.in_flight.remove(at).batch;
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(batch.message.len());
        self.settle(batch, outcome, now, random, stats);
        true
    }

    /// Gives up on answers that are long past their deadline: the host lost them.
    pub fn expire(&mut self, now: SteadyNanos, random: u64, stats: &mut Stats) {
        const DEADLINE_EXCEEDED: u32 = 4;
        while let Some(token) =
            self.in_flight.iter().find(|call| call.lost_after < now).map(|call| call.token)
        {
            self.answered(token, Outcome::Status(DEADLINE_EXCEEDED), now, random, stats);
        }
    }

    fn settle(&mut self, batch: Batch, outcome: Outcome, now: SteadyNanos, random: u64, stats: &mut Stats) {
        if outcome.is_retryable() {
            stats.add(Metric::ExportRetries, 1);
            self.back_off(now, random);
            self.keep(batch);
            self.make_room(stats);
            return;
        }
        self.failures_in_a_row = 0;
        self.paused_until = 0;
        stats.subtract(Metric::QueueSpans, batch.spans);
        stats.subtract(Metric::QueueBytes, batch.message.len());
        match outcome {
            Outcome::Accepted { rejected_spans } => {
                let rejected = rejected_spans.min(batch.spans);
                stats.add(Metric::SpansRejected, rejected);
                stats.add(Metric::SpansExported, batch.spans.saturating_sub(rejected));
            }
            _ => stats.add(Metric::SpansDroppedRefused, batch.spans),
        }
    }

    /// Until it is sent again, in its place by age.
    fn keep(&mut self, batch: Batch) {
        self.again_bytes = self.again_bytes.saturating_add(batch.message.len());
        let younger = self.again.iter().rev().take_while(|other| other.order > batch.order).count();
        self.again.push_back(batch);
        let last = self.again.len().saturating_sub(1);
        for at in (0..last).rev().take(younger) {
            self.again.swap(at, at.saturating_add(1));
        }
    }

    /// Doubles with every failure in a row; jitter takes up to half of it away, so that pods do not come back at once.
    /// Calls that were under way together and fail together are one failure.
    fn back_off(&mut self, now: SteadyNanos, random: u64) {
        if now < self.paused_until {
            return;
        }
        let retry = &self.config.retry;
        let initial = u64::from(retry.initial_backoff_ms).saturating_mul(NANOS_PER_MILLI);
        let longest = u64::from(retry.max_backoff_ms).saturating_mul(NANOS_PER_MILLI);
        let doubled = initial.saturating_mul(1_u64.checked_shl(self.failures_in_a_row).unwrap_or(u64::MAX));
        let backoff = doubled.min(longest);
        let jitter = random.checked_rem((backoff / 2).max(1)).unwrap_or(0);
        self.paused_until = now.saturating_add(backoff.saturating_sub(jitter));
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
    }

    fn cut_batch(&mut self, stats: &mut Stats) -> Option<Batch> {
        let limits = &self.config.batch;
        let mut bytes = 0_usize;
        let mut spans = 0_usize;
        for span in self.waiting.iter().take(limits.max_spans) {
            let more = bytes.saturating_add(span.bytes());
            if spans > 0 && more > limits.max_bytes {
                break;
            }
            bytes = more;
            spans = spans.saturating_add(1);
        }
        if spans == 0 {
            return None;
        }
        let cut: Vec<EncodedSpan> = self.waiting.drain(..spans).collect();
        self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        self.bare = self.bare.saturating_sub(spans);
        let contents = cut.iter().filter(|span| span.has_content()).count();
        let message = otlp::encode_request(&self.resource, cut.iter());
        // The resource and the framing are held from now on too.
        stats.add(Metric::QueueBytes, message.len().saturating_sub(bytes));
        self.cut = self.cut.saturating_add(1);
        Some(Batch { message, spans: spans as u64, contents: contents as u64, order: self.cut })
    }

    /// Drops the oldest content, then the oldest spans, until what is held fits its bound; what is in flight cannot be
    /// dropped.
    fn make_room(&mut self, stats: &mut Stats) {
        let held = |this: &Self| {
            this.waiting_bytes.saturating_add(this.again_bytes).saturating_add(this.in_flight_bytes)
        };
        while held(self) > self.config.queue.max_bytes {
            if self.drop_oldest_content(stats) {
                continue;
            }
            let (bytes, spans) = if let Some(batch) = self.again.pop_front() {
                self.again_bytes = self.again_bytes.saturating_sub(batch.message.len());
                (batch.message.len(), batch.spans)
            } else if let Some(span) = self.waiting.pop_front() {
                self.waiting_bytes = self.waiting_bytes.saturating_sub(span.bytes());
                self.bare = self.bare.saturating_sub(1);
                (span.bytes(), 1)
            } else {
                return;
            };
            stats.subtract(Metric::QueueBytes, bytes);
            stats.subtract(Metric::QueueSpans, spans);
            stats.add(Metric::SpansDroppedQueueFull, spans);
        }
    }

    /// `false` when there is no content left.
    fn drop_oldest_content(&mut self, stats: &mut Stats) -> bool {
        if let Some(batch) = self.again.iter_mut().find(|batch| batch.contents > 0) {
            let contents = std::mem::take(&mut batch.contents);
            let before = batch.message.len();
            if let Some(message) = otlp::without_content(&batch.message) {
                batch.message = message;
            }
            let saved = before.saturating_sub(batch.message.len());
            self.again_bytes = self.again_bytes.saturating_sub(saved);
            stats.subtract(Metric::QueueBytes, saved);
            stats.add(Metric::ContentDroppedQueueFull, contents);
            return true;
        }
        for span in self.waiting.iter_mut().skip(self.bare) {
            self.bare = self.bare.saturating_add(1);
            if span.has_content() {
                let saved = span.drop_content();
                self.waiting_bytes = self.waiting_bytes.saturating_sub(saved);
                stats.subtract(Metric::QueueBytes, saved);
                stats.add(Metric::ContentDroppedQueueFull, 1);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests;
