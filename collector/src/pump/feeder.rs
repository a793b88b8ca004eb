//! Reads entries, works out what they mean, and makes batches of them, one ahead of the one that is being sent.
//!
//! It runs where blocking is allowed, because reading and decoding are. A batch is full at `pump.max_batch_spans` or
//! `pump.max_batch_bytes`, and complete when its oldest entry has waited `pump.max_batch_age`. The batch that was fixed
//! before the last stop is made again exactly, whatever these say now.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::config;
use crate::model::SpanRecord;
use crate::normalize;
use crate::queue::Position;
use crate::queue::reader::{Entry, Reader};
use crate::queue::tail::{Next, PAUSE, Tail};
use crate::queue::writer::now;
use crate::stage::caught;
use crate::telemetry::metrics::Metrics;

/// A batch of more grows as it comes.
const USUAL_SPANS: usize = 10_000;

/// The spans of some entries, in their order.
#[derive(Debug)]
pub(super) struct Fed {
    pub(super) spans: Arc<[SpanRecord]>,
    pub(super) parts: Vec<Part>,
    /// The last number that the batch covers; numbers without a part are lost.
    pub(super) last: u64,
    pub(super) end: Position,
    /// The entry behind it that no one can decode, with the reason.
    pub(super) unreadable: Option<Unreadable>,
}

/// One entry of a batch.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) sequence: u64,
    pub(super) spans: Range<usize>,
    pub(super) end: Position,
}

#[derive(Clone, Debug)]
pub(super) struct Unreadable {
    pub(super) sequence: u64,
    pub(super) end: Position,
    pub(super) error: String,
}

#[derive(Debug)]
pub(super) struct Feeder {
    tail: Tail,
    metrics: Arc<Metrics>,
    config: config::Pump,
    /// The last number of the batch that is fixed already.
    fixed: Option<u64>,
    /// Read, and not in a batch yet.
    held: Option<Entry>,
}

#[derive(Default)]
struct Filling {
    spans: Vec<SpanRecord>,
    parts: Vec<Part>,
    bytes: usize,
    last: u64,
    end: Position,
    /// When its first entry must go.
    due: Option<Instant>,
}

enum Outcome {
    Added,
    Full,
    Unreadable(String),
}

impl Feeder {
    pub(super) fn new(
        reader: Reader,
        fixed: Option<u64>,
        config: config::Pump,
        metrics: Arc<Metrics>,
    ) -> Self {
        let tail = Tail::new(reader, super::CURSOR, Arc::clone(metrics.queue()));
        Self { tail, metrics, config, fixed, held: None }
    }

    /// Until the queue is closed and read to its end, or nobody takes batches any more. A batch is begun when there is
    /// room for it, so that no more than two are held: the one that is being sent and the next.
    pub(super) fn run(mut self, batches: &mpsc::Sender<Fed>) {
        let runtime = Handle::current();
        while let Ok(place) = runtime.block_on(batches.reserve())
            && let Some(batch) = self.next(batches)
        {
            place.send(batch);
        }
    }

    fn next(&mut self, batches: &mpsc::Sender<Fed>) -> Option<Fed> {
        let mut filling = Filling::default();
        loop {
            if self.fixed.is_some_and(|fixed| filling.last >= fixed) {
                self.fixed = None;
                return Some(filling.into_batch(None));
            }
            let entry = match self.held.take().map_or_else(|| self.tail.take(), Next::Entry) {
                Next::Entry(entry) => entry,
                Next::Lost { last, end } => {
                    (filling.last, filling.end) = (last, end);
                    continue;
                }
                Next::Nothing if filling.last > 0 && self.is_due(&filling) => {
                    return Some(filling.into_batch(None));
                }
                Next::Nothing if batches.is_closed() => return None,
                Next::Nothing => {
                    self.tail.wait(Self::patience(&filling));
                    continue;
                }
                Next::Over => return (filling.last > 0).then(|| filling.into_batch(None)),
            };
            match self.add(&entry, &mut filling) {
                Outcome::Added => {}
                Outcome::Full => {
                    self.held = Some(entry);
                    return Some(filling.into_batch(None));
                }
                Outcome::Unreadable(error) => {
                    let unreadable = Unreadable { sequence: entry.sequence, end: entry.end, error };
                    return Some(filling.into_batch(Some(unreadable)));
                }
            }
        }
    }

    fn is_due(&self, filling: &Filling) -> bool {
        self.fixed.is_none() && Self::patience(filling).is_zero()
    }

    /// How long the oldest entry of the batch may still wait.
    fn patience(filling: &Filling) -> Duration {
        match filling.due {
            Some(due) => due.saturating_duration_since(Instant::now()),
            None if filling.last > 0 => Duration::ZERO,
            None => PAUSE,
        }
    }

    /// When an entry that came then must go. A clock that was set back since makes it wait no longer than one that has
    /// just come.
    fn due(&self, received_unix_nanos: u64) -> Instant {
        let waited = Duration::from_nanos(now().saturating_sub(received_unix_nanos));
        Instant::now() + self.config.max_batch_age.saturating_sub(waited)
    }

    fn add(&self, entry: &Entry, filling: &mut Filling) -> Outcome {
        let bytes = entry.packed.request_bytes as usize;
        let spans = filling.spans.len() + entry.packed.spans as usize;
        let full = spans > self.config.max_batch_spans || filling.bytes + bytes > self.config.max_batch_bytes;
        if full && !filling.parts.is_empty() && self.fixed.is_none() {
            return Outcome::Full;
        }
        let Some(request) = entry.packed.request() else {
            return Outcome::Unreadable("the request cannot be decompressed".to_owned());
        };
        if filling.spans.is_empty() {
            let expected = self.config.max_batch_spans.min(USUAL_SPANS);
            filling.spans.reserve(expected.max(entry.packed.spans as usize));
        }
        let start = filling.spans.len();
        if let Err(why) = self.normalize(&request, &mut filling.spans) {
            filling.spans.truncate(start);
            return Outcome::Unreadable(format!("the request cannot be decoded: {why}"));
        }
        let range = start..filling.spans.len();
        filling.parts.push(Part { sequence: entry.sequence, spans: range, end: entry.end });
        filling.bytes += bytes;
        (filling.last, filling.end) = (entry.sequence, entry.end);
        filling.due.get_or_insert_with(|| self.due(entry.received_unix_nanos));
        Outcome::Added
    }

    /// A panic is taken for a request that cannot be decoded: it would come again with every start.
    fn normalize(&self, request: &[u8], spans: &mut Vec<SpanRecord>) -> Result<(), String> {
        let normalized = caught(|| {
            normalize::request(request, |(record, invalid)| {
                for attribute in invalid {
                    self.metrics.attribute_invalid(attribute);
                }
                spans.push(record);
            })
        });
        match normalized {
            Ok(outcome) => outcome.map_err(|malformed| malformed.to_string()),
            Err(why) => Err(format!("meshtap panicked: {why}")),
        }
    }
}

impl Filling {
    fn into_batch(self, unreadable: Option<Unreadable>) -> Fed {
        Fed { spans: self.spans.into(), parts: self.parts, last: self.last, end: self.end, unreadable }
    }
}
