//! The metrics of the queue and of what takes entries out of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::metrics::{Declare, reasons};
use crate::queue::backlog::Backlog;
use crate::queue::segment::Packed;

/// From a fast disk to one that hangs.
const SYNC_BUCKETS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1., 5.];

reasons! {
    /// Why entries of the queue can never be read.
    Loss {
        Damaged = "damaged",
        MissingSegment = "missing_segment",
        Skipped = "skipped",
    }
}

reasons! {
    /// What of the queue's disk failed.
    Operation {
        Create = "create",
        Write = "write",
        Sync = "sync",
        Read = "read",
        Delete = "delete",
        Ledger = "ledger",
        Park = "park",
        Retry = "retry",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OperationLabels {
    operation: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CursorLabels {
    cursor: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LossLabels {
    cursor: String,
    reason: &'static str,
}

impl LossLabels {
    fn new(cursor: &str, reason: Loss) -> Self {
        Self { cursor: cursor.to_owned(), reason: reason.as_str() }
    }
}

#[derive(Debug)]
pub struct QueueMetrics {
    entries_in: Counter,
    spans_in: Counter,
    spans_out: Family<CursorLabels, Counter>,
    entries_lost: Family<LossLabels, Counter>,
    spans_lost: Family<LossLabels, Counter>,
    entries_parked: Counter,
    spans_parked: Counter,
    entries_retried: Counter,
    failures: Family<OperationLabels, Counter>,
    torn_bytes: Counter,
    sync_seconds: Histogram,
    bytes: Gauge,
    parked_now: Gauge,
    waiting_entries: Family<CursorLabels, Gauge>,
    waiting_bytes: Family<CursorLabels, Gauge>,
    oldest_seconds: Family<CursorLabels, Gauge>,
}

impl QueueMetrics {
    pub fn new(registry: &mut Registry) -> Self {
        let mut add = Declare(registry);
        let failures: Family<OperationLabels, Counter> = add.metric(
            "meshtap_queue_failures",
            "Operations on the queue's disk that failed; those that may be are repeated",
        );
        for operation in Operation::ALL {
            drop(failures.get_or_create(&OperationLabels { operation: operation.as_str() }));
        }
        let sync_seconds = Histogram::new(SYNC_BUCKETS);
        add.register(
            "meshtap_queue_sync_duration_seconds",
            "From the start of a group's write to its being durable",
            sync_seconds.clone(),
        );
        Self {
            entries_in: add.metric("meshtap_queue_entries_in", "Requests that became durable in the queue"),
            spans_in: add.metric("meshtap_queue_spans_in", "Spans of the requests that became durable"),
            spans_out: add.metric("meshtap_queue_spans_out", "Spans that a cursor has acknowledged"),
            entries_lost: add.metric(
                "meshtap_queue_entries_lost",
                "Entries that a cursor cannot read any more, or has skipped for its bound",
            ),
            spans_lost: add
                .metric("meshtap_queue_spans_lost", "Spans of the lost entries, where their number is known"),
            entries_parked: add.metric("meshtap_queue_entries_parked", "Entries put aside with their error"),
            spans_parked: add.metric("meshtap_queue_spans_parked", "Spans of the entries put aside"),
            entries_retried: add.metric("meshtap_queue_entries_retried", "Parked entries taken back"),
            failures,
            torn_bytes: add
                .metric("meshtap_queue_torn_bytes", "Bytes behind the last good frame, cut at the start"),
            sync_seconds,
            bytes: add.metric("meshtap_queue_bytes", "Bytes of all segments on the disk"),
            parked_now: add.metric("meshtap_queue_parked", "Entries that are parked now"),
            waiting_entries: add
                .metric("meshtap_queue_waiting_entries", "Entries that a cursor has not acknowledged"),
            waiting_bytes: add.metric("meshtap_queue_waiting_bytes", "Bytes of these entries"),
            oldest_seconds: add
                .metric("meshtap_queue_oldest_seconds", "Time since the oldest of these entries came in"),
        }
    }

    pub fn group(&self, group: &[&Packed], took: Duration) {
        self.entries_in.inc_by(group.len() as u64);
        self.spans_in.inc_by(group.iter().map(|packed| u64::from(packed.spans)).sum());
        self.sync_seconds.observe(took.as_secs_f64());
    }

    pub fn taken(&self, cursor: &str, spans: u64) {
        self.spans_out.get_or_create(&CursorLabels { cursor: cursor.to_owned() }).inc_by(spans);
    }

    /// A cursor shows every reason from its start, so that an alert need not wait for the first one.
    pub fn cursor(&self, cursor: &str) {
        for reason in Loss::ALL {
            self.lost(cursor, *reason, 0, None);
        }
        self.taken(cursor, 0);
    }

    pub fn lost(&self, cursor: &str, reason: Loss, entries: u64, spans: Option<u32>) {
        let labels = LossLabels::new(cursor, reason);
        self.entries_lost.get_or_create(&labels).inc_by(entries);
        self.spans_lost.get_or_create(&labels).inc_by(spans.unwrap_or(0).into());
    }

    pub fn parked(&self, spans: u32) {
        self.entries_parked.inc();
        self.spans_parked.inc_by(spans.into());
    }

    pub fn retried(&self) {
        self.entries_retried.inc();
    }

    pub fn failed(&self, operation: Operation) {
        self.failures.get_or_create(&OperationLabels { operation: operation.as_str() }).inc();
    }

    pub fn torn(&self, bytes: u64) {
        self.torn_bytes.inc_by(bytes);
    }

    /// How things stand, for the scrape that comes next.
    pub fn observe(&self, backlogs: Vec<Backlog>, bytes: u64, parked: u64) {
        self.bytes.set(signed(bytes));
        self.parked_now.set(signed(parked));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for Backlog { cursor, entries, bytes, oldest_unix_nanos } in backlogs {
            let labels = CursorLabels { cursor };
            let age = oldest_unix_nanos
                .map_or(0, |received| now.saturating_sub(Duration::from_nanos(received)).as_secs());
            self.waiting_entries.get_or_create(&labels).set(signed(entries));
            self.waiting_bytes.get_or_create(&labels).set(signed(bytes));
            self.oldest_seconds.get_or_create(&labels).set(signed(age));
        }
    }

    #[cfg(test)]
    pub fn losses(&self, cursor: &str, reason: Loss) -> u64 {
        self.entries_lost.get_or_create(&LossLabels::new(cursor, reason)).get()
    }

    #[cfg(test)]
    pub fn failures(&self, operation: Operation) -> u64 {
        self.failures.get_or_create(&OperationLabels { operation: operation.as_str() }).get()
    }

    #[cfg(test)]
    pub fn torn_bytes(&self) -> u64 {
        self.torn_bytes.get()
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
