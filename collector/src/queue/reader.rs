//! Reads entries in the order of their numbers, up to what is durable, and says which are missing.
//!
//! A damaged payload costs its entry. Behind a damaged header the segment is searched for the next good frame of its key
//! whose number can be reached from there; a frame that does not end within the segment is not searched, because what
//! stands in it is a sender's. A number that is nowhere, because its frame is damaged or its segment is gone, is a gap: it is said once, with the reason,
//! and reading goes on behind it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::Position;
use super::disk::{self, ZeroedWhereUnreadable};
use super::log::{Log, Segment};
use super::segment::{FRAME_BYTES, Frame, Packed};
use crate::telemetry::queue::Loss;

/// How much is read at a time in search of a good frame.
const SEARCH_BYTES: usize = 1 << 20;

/// One admitted request, with its place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub sequence: u64,
    pub received_unix_nanos: u64,
    pub packed: Packed,
    /// Behind it.
    pub end: Position,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    Entry(Entry),
    /// These entries cannot be read, ever.
    Gap {
        first: u64,
        last: u64,
        reason: Loss,
        /// Where that is known.
        spans: Option<u32>,
        /// Behind it.
        end: Position,
    },
    /// There is no more now.
    End,
}

/// Where one cursor reads.
#[derive(Debug)]
pub struct Reader {
    log: Arc<Log>,
    cursor: String,
    next: u64,
    segment: Option<Segment>,
    offset: u64,
    /// Whether damage was passed in this segment since the last good frame.
    damaged: bool,
    /// Whether the next read takes what cannot be read for damaged.
    past_errors: bool,
}

impl Reader {
    /// Starts behind the acknowledged entry.
    pub fn behind(log: Arc<Log>, cursor: &str, acked: u64) -> Self {
        let (cursor, next) = (cursor.to_owned(), acked + 1);
        Self { log, cursor, next, segment: None, offset: 0, damaged: false, past_errors: false }
    }

    /// The number of the entry that comes next.
    pub const fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Where that entry starts, or will.
    pub fn position(&self) -> Position {
        let segment = self.segment.as_ref().map_or(0, |segment| segment.first);
        Position { segment, offset: self.offset }
    }

    /// Waits for the next entry. Says whether more may come after the queue's end.
    pub fn wait(&self, time: Duration) -> bool {
        self.log.wait_for(self.next, time)
    }

    /// What cannot be read at this place is damaged from now on.
    pub fn give_up(&mut self) {
        self.past_errors = true;
    }

    /// # Errors
    /// The disk's. Reading again goes on at the same place.
    pub fn read(&mut self) -> io::Result<Read> {
        let read = self.read_on()?;
        self.past_errors = false;
        Ok(read)
    }

    fn read_on(&mut self) -> io::Result<Read> {
        self.next = self.next.max(self.log.floor(&self.cursor));
        loop {
            if self.next > self.log.last() {
                return Ok(Read::End);
            }
            let Some((mut segment, bound)) = self.log.segment_of(self.next) else {
                return Ok(self.gap(self.log.last(), Loss::MissingSegment, None));
            };
            self.enter(&segment);
            if self.past_errors {
                segment.file = Arc::new(ZeroedWhereUnreadable(segment.file));
            }
            if self.next < segment.first {
                return Ok(self.gap(segment.first - 1, Loss::MissingSegment, None));
            }
            match step(&segment, self.offset, self.next, bound)? {
                Step::Skipped { end } => self.offset = end,
                Step::Damaged { end, frame } => {
                    if let Some(frame) = frame.filter(|frame| frame.sequence > self.next) {
                        return Ok(self.gap(frame.sequence - 1, self.reason(), None));
                    }
                    self.offset = end;
                    match frame.filter(|frame| frame.sequence == self.next) {
                        Some(frame) => return Ok(self.gap(frame.sequence, Loss::Damaged, Some(frame.spans))),
                        None => self.damaged = true,
                    }
                }
                Step::Frame { frame, packed, end } => {
                    if frame.sequence > self.next {
                        return Ok(self.gap(frame.sequence - 1, self.reason(), None));
                    }
                    self.damaged = false;
                    self.offset = end;
                    self.next = frame.sequence + 1;
                    return Ok(Read::Entry(Entry {
                        sequence: frame.sequence,
                        received_unix_nanos: frame.received_unix_nanos,
                        packed,
                        end: self.position(),
                    }));
                }
                Step::End => return Ok(self.gap(bound - 1, self.reason(), None)),
            }
        }
    }

    /// Goes to the segment, unless it is there; keeps up with one that grows.
    fn enter(&mut self, segment: &Segment) {
        if self.segment.as_ref().is_none_or(|here| here.first != segment.first) {
            self.offset = segment.start;
            self.damaged = false;
        }
        self.segment = Some(segment.clone());
    }

    const fn reason(&self) -> Loss {
        if self.damaged { Loss::Damaged } else { Loss::MissingSegment }
    }

    fn gap(&mut self, last: u64, reason: Loss, spans: Option<u32>) -> Read {
        let first = self.next;
        self.next = last + 1;
        Read::Gap { first, last, reason, spans, end: self.position() }
    }
}

/// What stands at an offset of a segment.
pub enum Step {
    Frame {
        frame: Frame,
        packed: Packed,
        end: u64,
    },
    /// A frame before the one that is looked for.
    Skipped {
        end: u64,
    },
    Damaged {
        /// Where a good frame may start.
        end: u64,
        /// Where its header is good.
        frame: Option<Frame>,
    },
    End,
}

/// Looks at `offset` for a frame with a number from `next` up and below `bound`.
pub fn step(segment: &Segment, offset: u64, next: u64, bound: u64) -> io::Result<Step> {
    if offset >= segment.bytes {
        return Ok(Step::End);
    }
    let Some(frame) = frame_at(segment, offset)? else {
        return Ok(Step::Damaged { end: search(segment, offset + 1, next, bound)?, frame: None });
    };
    let end = offset + frame.bytes();
    if frame.sequence >= bound {
        return Ok(Step::End);
    }
    if end > segment.bytes {
        return Ok(Step::Damaged { end: segment.bytes, frame: Some(frame) });
    }
    if frame.sequence < next {
        return Ok(Step::Skipped { end });
    }
    let payload =
        disk::read_exact(&*segment.file, frame.payload_bytes as usize, offset + FRAME_BYTES as u64)?;
    Ok(match payload.and_then(|payload| frame.packed(payload)) {
        Some(packed) => Step::Frame { frame, packed, end },
        None => Step::Damaged { end, frame: Some(frame) },
    })
}

/// A good header.
fn frame_at(segment: &Segment, offset: u64) -> io::Result<Option<Frame>> {
    if offset + FRAME_BYTES as u64 > segment.bytes {
        return Ok(None);
    }
    let head = disk::read_exact(&*segment.file, FRAME_BYTES, offset)?;
    Ok(head.and_then(|head| Frame::decode(&head, segment.key)))
}

/// The offset of the next frame with a good header and a number that can be there, or the segment's end.
fn search(segment: &Segment, from: u64, next: u64, bound: u64) -> io::Result<u64> {
    let mut start = from;
    let mut buffer = vec![0; SEARCH_BYTES];
    while start < segment.bytes {
        let read = segment.file.read_at(&mut buffer, start)?;
        let found = buffer.get(..read).unwrap_or_default();
        for at in memchr::memmem::find_iter(found, &segment.key.mark) {
            let offset = start + at as u64;
            let reachable = next.saturating_add((offset - from) / FRAME_BYTES as u64 + 1);
            let numbers = next..=reachable.min(bound - 1);
            if frame_at(segment, offset)?.is_some_and(|frame| numbers.contains(&frame.sequence)) {
                return Ok(offset);
            }
        }
        if read < buffer.len() {
            break;
        }
        // The magic may stand across the border.
        start += (read - (segment.key.mark.len() - 1)) as u64;
    }
    Ok(segment.bytes)
}
