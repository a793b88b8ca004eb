//! Where spans go and come from: two small traits, one for each direction, and what they speak.
//!
//! Every store promises what `conformance` checks, above all: a write that answers `Ok` is durable, and a span stored
//! twice (same trace id, span id and start) is shown once, in lists, in traces and in sums. The first one stored wins.
//! The start is part of it because a span that is sent again has the same, and one that has another was answered as well:
//! tracers whose client and server share a span id send two.
//!
//! This module knows no SQL, no HTTP and no OTLP.

use std::sync::Arc;

use async_trait::async_trait;
use sha2::{Digest as _, Sha256};

pub use self::error::{Cause, StoreError};
use self::histogram::Histogram;
use crate::hex::Hex;
use crate::model::{CallSide, Dimension, SpanKey, SpanRecord, TimeRange, TraceId};

pub mod clickhouse;
pub mod conformance;
pub mod content;
mod encode;
mod error;
pub mod histogram;
pub mod memory;
mod plan;
pub mod sqlite;

#[async_trait]
pub trait SpanWriter: Send + Sync {
    /// Answers when the batch is durable.
    ///
    /// # Errors
    /// Nothing of the batch may be taken as stored. [`StoreError::cause`] says whether the same batch may succeed
    /// later, or less of it; sending it again is always safe.
    async fn write(&self, batch: Batch) -> Result<Written, StoreError>;

    /// Succeeds when a write could succeed now.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Deletes some of what is older than the cutoffs. To be called until there is no more. Stores that expire on
    /// their own have nothing to do.
    async fn expire(&self, cutoffs: Cutoffs) -> Result<Expired, StoreError>;

    /// Compares rollups with a recount from rows and corrects what differs; to be called now and then. Reads are right
    /// before it too, and faster after it. Stores whose rollups cannot differ have nothing to do.
    async fn check_rollups(&self) -> Result<RollupCheck, StoreError> {
        Ok(RollupCheck::default())
    }

    /// Finishes what was accepted and releases the store. Nothing may be written afterwards.
    async fn close(&self) -> Result<(), StoreError>;
}

#[async_trait]
pub trait SpanReader: Send + Sync {
    async fn spans(&self, filter: &SpanFilter, page: &Page) -> Result<SpanPage, StoreError>;

    /// The spans of one trace, earliest first; none when the trace is unknown.
    async fn trace(&self, trace_id: TraceId, limit: usize) -> Result<TraceSpans, StoreError>;

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError>;

    /// How long the calls of each group took.
    async fn latency(&self, query: &UsageQuery) -> Result<LatencyReport, StoreError>;
}

pub trait Store: SpanWriter + SpanReader {}

impl<T: SpanWriter + SpanReader> Store for T {}

/// Spans that are written together. The same batch, resent after an error that left its outcome open, has the same
/// token and the same spans in the same order.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Says to a store with a memory for it that this batch was sent before.
    pub token: Arc<str>,
    pub spans: Arc<[SpanRecord]>,
    /// It was sent before, by this collector or the one before it, and may be stored, in whole or in part.
    pub again: bool,
}

impl Batch {
    /// One that was not sent before.
    pub fn new(token: impl Into<Arc<str>>, spans: impl Into<Arc<[SpanRecord]>>) -> Self {
        Self { token: token.into(), spans: spans.into(), again: false }
    }

    /// With a token made of the spans' ids.
    pub fn of(spans: impl Into<Arc<[SpanRecord]>>) -> Self {
        let spans = spans.into();
        let mut hash = Sha256::new();
        for span in spans.iter() {
            hash.update(span.trace_id.0);
            hash.update(span.span_id.0);
        }
        Self::new(Hex(&hash.finalize()).to_string(), spans)
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Positions in the batch of the spans that the store knew to have already. A store may miss some: they are then
    /// still shown once.
    pub duplicates: Vec<usize>,
    /// Older spans that made room for this batch; only a store with a fixed capacity has any.
    pub evicted: u64,
}

/// What is older goes, by the start of the span or of the bucket; `None` keeps all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cutoffs {
    pub spans_unix_nanos: Option<u64>,
    /// Of the content of messages; never later than with its span.
    pub content_unix_nanos: Option<u64>,
    /// Of the sums for usage and latency, which may outlive the spans.
    pub rollups_unix_nanos: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    pub spans: u64,
    /// Whether there may be more to delete.
    pub more: bool,
}

/// Buckets of time (hours or days) of rollups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RollupCheck {
    /// Found equal to a recount.
    pub equal: u64,
    /// Found different, and corrected.
    pub corrected: u64,
}

/// Which spans; every part that is set must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanFilter {
    pub time: TimeRange,
    pub trace_id: Option<TraceId>,
    pub equals: Vec<(Dimension, String)>,
    pub error: Option<bool>,
    pub end: Option<String>,
}

impl SpanFilter {
    pub fn matches(&self, span: &SpanRecord) -> bool {
        self.time.contains(span.start_unix_nanos)
            && self.trace_id.is_none_or(|id| id == span.trace_id)
            && self.equals.iter().all(|(dimension, value)| span.dimension(*dimension) == Some(value))
            && self.error.is_none_or(|error| error == span.is_error())
            && self.end.as_ref().is_none_or(|end| span.gen_ai.end.as_ref() == Some(end))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// At least 1.
    pub limit: usize,
    /// The page starts behind this position.
    pub after: Option<SpanKey>,
    pub order: Order,
}

impl Page {
    /// Whether the page may contain this position.
    pub fn admits(&self, key: &SpanKey) -> bool {
        self.after.is_none_or(|after| match self.order {
            Order::NewestFirst => *key < after,
            Order::OldestFirst => *key > after,
        })
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanPage {
    pub spans: Vec<SpanRecord>,
    /// Where the next page starts; `None` on the last one.
    pub next: Option<SpanKey>,
}

impl SpanPage {
    /// From one span more than asked for, if there is one.
    pub fn from_lookahead(mut spans: Vec<SpanRecord>, limit: usize) -> Self {
        let more = spans.len() > limit;
        spans.truncate(limit);
        let next = if more { spans.last().map(SpanRecord::key) } else { None };
        Self { spans, next }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct TraceSpans {
    pub spans: Vec<SpanRecord>,
    /// Whether the trace has more spans than the limit.
    pub truncated: bool,
}

impl TraceSpans {
    /// From one span more than asked for, if there is one.
    pub fn from_lookahead(mut spans: Vec<SpanRecord>, limit: usize) -> Self {
        let truncated = spans.len() > limit;
        spans.truncate(limit);
        Self { spans, truncated }
    }
}

/// Which calls are summed up, and for what they are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageQuery {
    pub group_by: Vec<Dimension>,
    pub filter: SpanFilter,
    pub side: CallSide,
    /// Also by the time they started, in steps of so many nanoseconds since 1970; at least 1.
    pub interval_nanos: Option<u64>,
    pub limit: usize,
}

impl UsageQuery {
    /// The start of the interval that a call belongs to.
    fn interval_start(&self, unix_nanos: u64) -> Option<u64> {
        self.interval_nanos.map(|interval| unix_nanos - unix_nanos % interval.max(1))
    }
}

/// Sums over the calls of one group. A sum is `None` when no call of the group had that count; a sum beyond 64 bits
/// stays at the largest value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageRow {
    /// Where the interval starts, when one was asked for.
    pub start_unix_nanos: Option<u64>,
    /// One value for each dimension asked for, in that order; `None` collects the calls that lack it.
    pub group: Vec<Option<String>>,
    pub calls: u64,
    pub errors: u64,
    /// Calls that reported how many tokens went in or came out.
    pub calls_with_usage: u64,
    pub input_tokens: Option<u64>,
    pub output_tokens: Option<u64>,
    pub cache_read_input_tokens: Option<u64>,
    pub cache_creation_input_tokens: Option<u64>,
    pub reasoning_output_tokens: Option<u64>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UsageReport {
    /// Earliest interval first; then most calls; then by group value, the absent one last.
    pub rows: Vec<UsageRow>,
    pub truncated: bool,
}

impl UsageReport {
    /// From one row more than asked for, if there is one.
    pub fn from_lookahead(mut rows: Vec<UsageRow>, limit: usize) -> Self {
        let truncated = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, truncated }
    }
}

/// How long the calls of one group took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyRow {
    pub start_unix_nanos: Option<u64>,
    pub group: Vec<Option<String>>,
    pub calls: u64,
    pub duration: Histogram,
    /// Of the calls that said it.
    pub time_to_first_chunk: Histogram,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LatencyReport {
    /// In the order of a [`UsageReport`].
    pub rows: Vec<LatencyRow>,
    pub truncated: bool,
}

impl LatencyReport {
    /// From one row more than asked for, if there is one.
    pub fn from_lookahead(mut rows: Vec<LatencyRow>, limit: usize) -> Self {
        let truncated = rows.len() > limit;
        rows.truncate(limit);
        Self { rows, truncated }
    }
}
