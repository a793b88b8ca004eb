//! What the writer and the readers of a queue share: which segments there are, how far they are durable, and how far
//! each cursor is. Segments that every cursor has passed are deleted here.
//!
//! A segment ends where the next one begins: a frame whose number the next segment starts with, or a later one, was
//! never answered and is not part of the queue.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::{error, warn};

use super::disk::{self, Disk, File};
use super::reader::{self, Step};
use super::segment::{self, FRAME_BYTES, Frame, HEADER_BYTES, Header};
use super::{OpenError, Position, parked};
use crate::telemetry::queue::{Loss, Operation, QueueMetrics};

pub const SEGMENT_SUFFIX: &str = ".segment";

/// The first frame's number in 20 digits, so that names sort like numbers.
pub fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT_SUFFIX}")
}

#[derive(Clone, Debug)]
pub struct Segment {
    /// The number of its first frame.
    pub first: u64,
    /// How much of it is durable.
    pub bytes: u64,
    pub file: Arc<dyn File>,
}

#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    state: Mutex<State>,
    changed: Condvar,
    max_bytes: u64,
    pub metrics: Arc<QueueMetrics>,
}

#[derive(Debug, Default)]
struct State {
    /// Oldest first.
    segments: VecDeque<Segment>,
    /// The number of the last durable frame; 0 before the first.
    last: u64,
    cursors: Vec<CursorState>,
    closed: bool,
    /// The size of the last entry that there was no room for.
    refused_bytes: u64,
}

#[derive(Debug)]
struct CursorState {
    name: String,
    acked: u64,
    /// Behind the last acknowledged frame.
    position: Position,
    /// A cursor with a bound of its own loses its oldest entries beyond it; one without holds up the queue.
    max_backlog_bytes: Option<u64>,
    /// It starts no earlier than here.
    floor: u64,
}

/// How a cursor stands, for whoever looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    pub cursor: String,
    pub entries: u64,
    pub bytes: u64,
    /// When the oldest entry that waits was received.
    pub oldest_unix_nanos: Option<u64>,
}

impl Log {
    /// Finds the segments, and cuts what a crash left behind the last good frame.
    pub fn open(disk: Arc<dyn Disk>, max_bytes: u64, metrics: Arc<QueueMetrics>) -> Result<Self, OpenError> {
        let mut firsts: Vec<u64> = disk.list()?.iter().filter_map(|name| first_of(name)).collect();
        firsts.sort_unstable();
        let mut state = State::default();
        for first in firsts {
            let name = segment_name(first);
            let file = disk.open(&name)?;
            let bytes = file.bytes()?;
            let head = disk::read_exact(&*file, HEADER_BYTES, 0)?.unwrap_or_default();
            match segment::read_header(&head) {
                Header::Newer(version) => return Err(OpenError::Newer { name, version }),
                // Its frames have numbers of their own.
                Header::Damaged => warn!(segment = name, "the header of a segment is damaged"),
                Header::First(_) => {}
            }
            state.segments.push_back(Segment { first, bytes, file });
        }
        let log = Self { disk, state: Mutex::new(state), changed: Condvar::new(), max_bytes, metrics };
        log.recover_tail()?;
        log.not_before(parked::last_number(&*log.disk)?);
        Ok(log)
    }

    /// The last segment may end in the middle of a write that nobody was told had succeeded.
    fn recover_tail(&self) -> io::Result<()> {
        let mut state = self.state();
        let Some(segment) = state.segments.back().cloned() else { return Ok(()) };
        let (mut last, mut end, mut offset) = (segment.first - 1, HEADER_BYTES as u64, HEADER_BYTES as u64);
        loop {
            match reader::step(&segment, offset, last + 1, u64::MAX)? {
                Step::Frame { frame, end: frame_end, .. } => {
                    (last, end, offset) = (frame.sequence, frame_end, frame_end);
                }
                Step::Damaged { end: damage_end, .. } => offset = damage_end,
                Step::Skipped { end: skipped_end } => offset = skipped_end,
                Step::End => break,
            }
        }
        if segment.bytes > end {
            let torn = segment.bytes - end;
            warn!(segment = segment_name(segment.first), torn, "cutting what was not written to its end");
            segment.file.truncate(end)?;
            self.metrics.torn(torn);
        }
        // What a process that died has written may not be durable yet; from here on it counts.
        segment.file.sync()?;
        self.disk.sync()?;
        if last < segment.first {
            self.disk.remove(&segment_name(segment.first))?;
            state.segments.pop_back();
        } else if let Some(segment) = state.segments.back_mut() {
            segment.bytes = end;
        }
        state.last = last;
        Ok(())
    }

    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The number of the last durable entry.
    pub fn last(&self) -> u64 {
        self.state().last
    }

    /// Numbers up to this one were given away, whatever is left of them.
    pub fn not_before(&self, given: u64) {
        let mut state = self.state();
        state.last = state.last.max(given);
    }

    pub fn register(&self, name: &str, acked: u64, position: Position, max_backlog_bytes: Option<u64>) {
        let mut state = self.state();
        let oldest = state.segments.front().map_or(0, |segment| segment.first);
        // What went while it was not there is not missing from the disk: for a new one it never counted.
        let floor = if max_backlog_bytes.is_some() { oldest } else { 0 };
        if acked > 0 && floor > acked + 1 {
            self.metrics.lost(name, Loss::Skipped, floor - (acked + 1), None);
        }
        let name = name.to_owned();
        state.cursors.push(CursorState { name, acked, position, max_backlog_bytes, floor });
    }

    /// Whether so many bytes more fit, by the backlog of the cursors that must not lose anything.
    pub fn has_room(&self, bytes: u64) -> bool {
        let mut state = self.state();
        let fits = state.held_bytes().saturating_add(bytes) <= self.max_bytes;
        if !fits {
            state.refused_bytes = bytes;
        }
        fits
    }

    /// Whether there still is no room for what was refused last.
    pub fn is_full(&self) -> bool {
        let bytes = self.state().refused_bytes;
        !self.has_room(bytes)
    }

    /// The writer has made frames durable; `segment` is the one it writes to.
    pub fn appended(&self, segment: &Segment, last: u64) {
        let mut state = self.state();
        match state.segments.back_mut().filter(|newest| newest.first == segment.first) {
            Some(newest) => newest.bytes = segment.bytes,
            None => state.segments.push_back(segment.clone()),
        }
        state.last = last;
        self.enforce_bounds(&mut state);
        self.changed.notify_all();
    }

    /// No more frames will come.
    pub fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Wakes those that wait, so that they look again.
    pub fn wake(&self) {
        drop(self.state());
        self.changed.notify_all();
    }

    /// Waits until the entry is there, something else changes, or the time is over. Says whether more may come.
    pub fn wait_for(&self, sequence: u64, time: Duration) -> bool {
        let state = self.state();
        if state.last >= sequence || state.closed {
            return !state.closed;
        }
        let (state, _) = self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner);
        !state.closed
    }

    /// The segment that an entry is in, if it is anywhere, and the number that the next segment starts with.
    pub fn segment_of(&self, sequence: u64) -> Option<(Segment, u64)> {
        let state = self.state();
        let index = state.segments.partition_point(|segment| segment.first <= sequence).saturating_sub(1);
        let next = state.segments.get(index + 1).map_or(state.last + 1, |next| next.first);
        state.segments.get(index).map(|segment| (segment.clone(), next))
    }

    /// Where a cursor has to go on at least: what came before was given up for its bound.
    pub fn floor(&self, cursor: &str) -> u64 {
        self.state().cursors.iter().find(|known| known.name == cursor).map_or(0, |known| known.floor)
    }

    /// A cursor's acknowledgement is durable: what all have passed may go.
    pub fn acked(&self, cursor: &str, acked: u64, position: Position) {
        let mut state = self.state();
        if let Some(known) = state.cursors.iter_mut().find(|known| known.name == cursor) {
            (known.acked, known.position) = (acked, position);
        }
        self.delete_passed(&mut state);
    }

    /// Moves cursors that are behind more than they may be to a later segment.
    fn enforce_bounds(&self, state: &mut State) {
        let State { segments, cursors, .. } = &mut *state;
        for cursor in cursors {
            let Some(bound) = cursor.max_backlog_bytes else { continue };
            let start = cursor.start().segment;
            let held = || segments.iter().skip_while(|segment| segment.first < start);
            let mut behind: u64 = held().map(|segment| segment.bytes).sum();
            for (segment, next) in held().zip(held().skip(1)) {
                if behind <= bound {
                    break;
                }
                behind -= segment.bytes;
                let start = cursor.floor.max(cursor.acked + 1);
                if next.first > start {
                    self.metrics.lost(&cursor.name, Loss::Skipped, next.first - start, None);
                    cursor.floor = next.first;
                }
            }
        }
        self.delete_passed(state);
    }

    fn delete_passed(&self, state: &mut State) {
        let passed =
            state.cursors.iter().map(|cursor| cursor.acked.max(cursor.floor.saturating_sub(1))).min();
        let Some(passed) = passed else { return };
        while let [_, next, ..] = state.segments.make_contiguous()
            && next.first <= passed + 1
            && let Some(segment) = state.segments.pop_front()
        {
            if let Err(error) = self.disk.remove(&segment_name(segment.first)) {
                self.metrics.failed(Operation::Delete);
                error!(segment = segment_name(segment.first), %error, "a segment cannot be deleted");
            }
        }
    }

    /// How every cursor stands, and the bytes of all segments.
    pub fn backlogs(&self) -> (Vec<Backlog>, u64) {
        let state = self.state();
        let total = state.segments.iter().map(|segment| segment.bytes).sum();
        let backlogs = state.cursors.iter().map(|cursor| state.backlog(cursor)).collect();
        (backlogs, total)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What the cursors that must not lose anything hold on the disk.
    fn held_bytes(&self) -> u64 {
        let oldest = self.cursors.iter().filter(|cursor| cursor.max_backlog_bytes.is_none());
        let oldest = oldest.map(|cursor| cursor.position.segment).min().unwrap_or(0);
        let held = self.segments.iter().filter(|segment| segment.first >= oldest);
        held.map(|segment| segment.bytes).sum()
    }

    fn backlog(&self, cursor: &CursorState) -> Backlog {
        let position = cursor.start();
        let waiting = self.segments.iter().filter(|segment| segment.first >= position.segment);
        let bytes: u64 = waiting.map(|segment| segment.bytes).sum();
        let entries = self.last.saturating_sub(cursor.acked.max(cursor.floor.saturating_sub(1)));
        Backlog {
            cursor: cursor.name.clone(),
            entries,
            bytes: if entries == 0 { 0 } else { bytes.saturating_sub(position.offset) },
            oldest_unix_nanos: if entries == 0 { None } else { self.received_at(position) },
        }
    }

    /// From the header of the frame at a position, or at the start of the next segment.
    fn received_at(&self, position: Position) -> Option<u64> {
        let next = self.segments.iter().find(|segment| segment.first > position.segment);
        let here = self.segments.iter().find(|segment| segment.first == position.segment);
        let offset = position.offset.max(HEADER_BYTES as u64);
        let here = here.filter(|segment| offset < segment.bytes).map(|segment| (segment, offset));
        let (segment, offset) = here.or(next.map(|segment| (segment, HEADER_BYTES as u64)))?;
        let head = disk::read_exact(&*segment.file, FRAME_BYTES, offset).ok()??;
        Frame::decode(&head).map(|frame| frame.received_unix_nanos)
    }
}

impl CursorState {
    /// Behind what it has acknowledged, or where it goes on for its bound.
    fn start(&self) -> Position {
        if self.position.segment >= self.floor {
            self.position
        } else {
            Position { segment: self.floor, offset: 0 }
        }
    }
}

pub fn first_of(name: &str) -> Option<u64> {
    name.strip_suffix(SEGMENT_SUFFIX)?.parse().ok().filter(|first| *first > 0)
}
