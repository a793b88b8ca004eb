//! The settings of the durable queue and of what takes batches out of it.

use std::path::PathBuf;
use std::time::Duration;

use super::mistakes::Mistakes;
use super::read::Reader;

#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// The folder; it belongs to one collector.
    pub path: PathBuf,
    /// Segments that the store has not taken yet; beyond it senders are asked to come back.
    pub max_bytes: usize,
    /// A segment that has reached it is closed, and deleted as a whole.
    pub segment_bytes: usize,
    /// Entries that were refused for good; beyond it they are not parked but tried again, and hold up the rest.
    pub max_parked_bytes: usize,
    /// Requests that wait for the disk at the same time.
    pub max_waiting: usize,
}

/// How entries become batches of the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Pump {
    /// Spans of one batch; a request with more is a batch of its own.
    pub max_batch_spans: usize,
    /// Bytes of OTLP in one batch; a request with more is a batch of its own.
    pub max_batch_bytes: usize,
    /// How long an entry may wait for others to be written with.
    pub max_batch_age: Duration,
    /// At a batch that fails in a store that can be reached, with an error that may lie in the batch; then it is halved.
    pub max_attempts: usize,
    /// Between attempts at a store that is away, at first; it doubles each time.
    pub min_backoff: Duration,
    pub max_backoff: Duration,
}

/// One segment at most: positions in it have to fit anything.
const MAX_SEGMENT_BYTES: usize = 1 << 30;
const MAX_BATCH_BYTES: usize = 1 << 30;
/// ClickHouse takes up to 1,048,449 rows for one block, and gives a token to each block.
const MAX_BATCH_SPANS: usize = 1_000_000;
const MAX_ATTEMPTS: usize = 1_000;
const MAX_WAITING: usize = 1_000_000;
/// So that the queue shrinks while it is drained.
const SEGMENTS: usize = 4;

pub(super) fn read_queue(reader: &mut Reader) -> Queue {
    let at_least =
        format!("write a size with its unit, such as 4GiB, of at least {SEGMENTS} times queue.segment_bytes");
    Queue {
        path: PathBuf::from(reader.text("queue.path", "meshtap-queue")),
        max_bytes: reader.size_with("queue.max_bytes", "4GiB", isize::MAX.unsigned_abs(), &at_least),
        segment_bytes: reader.size("queue.segment_bytes", "64MiB", MAX_SEGMENT_BYTES),
        max_parked_bytes: reader.size("queue.max_parked_bytes", "256MiB", isize::MAX.unsigned_abs()),
        max_waiting: reader.count_up_to("queue.max_waiting", 1_024, MAX_WAITING),
    }
}

pub(super) fn read_pump(reader: &mut Reader) -> Pump {
    Pump {
        max_batch_spans: reader.count_up_to("pump.max_batch_spans", 10_000, MAX_BATCH_SPANS),
        max_batch_bytes: reader.size("pump.max_batch_bytes", "16MiB", MAX_BATCH_BYTES),
        max_batch_age: reader.duration("pump.max_batch_age", "200ms"),
        max_attempts: reader.count_up_to("pump.max_attempts", 10, MAX_ATTEMPTS),
        min_backoff: reader.duration("pump.min_backoff", "100ms"),
        max_backoff: reader.duration("pump.max_backoff", "30s"),
    }
}

pub(super) fn check(queue: &Queue, pump: &Pump, mistakes: &mut Mistakes) {
    if queue.path.as_os_str().is_empty() {
        mistakes.add("queue.path", "is empty", "name a folder, such as meshtap-queue");
    }
    if queue.max_bytes / SEGMENTS < queue.segment_bytes {
        mistakes.add(
            "queue.max_bytes",
            format!("is less than {SEGMENTS} times queue.segment_bytes"),
            format!(
                "write at least {} bytes, or make queue.segment_bytes smaller",
                SEGMENTS * queue.segment_bytes
            ),
        );
    }
    if pump.max_backoff < pump.min_backoff {
        mistakes.add("pump.max_backoff", "is less than pump.min_backoff", "swap them");
    }
}
