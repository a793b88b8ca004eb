//! What the writer and the readers of a queue share: which segments there are, how far they are durable, and how far
//! each cursor is. Segments that every cursor has passed are deleted here. `recovery` finds the segments at the start,
//! `backlog` says what waits for each cursor.
//!
//! A segment ends where the next one begins: a frame whose number the next segment starts with, or a later one, was
//! never answered and is not part of the queue.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::error;

use super::Position;
use super::backlog::CursorState;
use super::disk::{Disk, File};
use super::segment::{FRAME_BYTES, Key};
use crate::telemetry::queue::{Loss, Operation, QueueMetrics};

pub const SEGMENT_SUFFIX: &str = ".segment";

/// No entry gets a larger number, so that one can be added to any.
pub const MAX_NUMBER: u64 = u64::MAX >> 1;

/// The first frame's number in 20 digits, so that names sort like numbers.
pub fn segment_name(first: u64) -> String {
    format!("{first:020}{SEGMENT_SUFFIX}")
}

pub fn first_of(name: &str) -> Option<u64> {
    number_of(name, SEGMENT_SUFFIX)
}

/// A file with a number that the queue does not give is not the queue's.
pub fn number_of(name: &str, suffix: &str) -> Option<u64> {
    name.strip_suffix(suffix)?.parse().ok().filter(|number| (1..=MAX_NUMBER).contains(number))
}

#[derive(Clone, Debug)]
pub struct Segment {
    /// The number of its first frame.
    pub first: u64,
    /// How much of it is durable.
    pub bytes: u64,
    pub file: Arc<dyn File>,
    /// Of its frames; one that none has where the header is damaged.
    pub key: Key,
    /// Where the first frame stands.
    pub start: u64,
}

impl Segment {
    /// One number behind those that can stand in it.
    pub fn bound(&self) -> u64 {
        self.first.saturating_add(self.bytes / FRAME_BYTES as u64)
    }
}

#[derive(Debug)]
pub struct Log {
    pub(super) disk: Arc<dyn Disk>,
    state: Mutex<State>,
    changed: Condvar,
    max_bytes: u64,
    pub metrics: Arc<QueueMetrics>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// Oldest first.
    pub(super) segments: VecDeque<Segment>,
    /// The number of the last durable frame; 0 before the first.
    pub(super) last: u64,
    pub(super) cursors: Vec<CursorState>,
    closed: bool,
    /// The size of the last entry that there was no room for.
    refused_bytes: u64,
    pub(super) opened_unix_nanos: u64,
}

impl Log {
    /// Over these segments. How the last one ends is not known yet.
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        segments: VecDeque<Segment>,
        max_bytes: u64,
        metrics: Arc<QueueMetrics>,
    ) -> Self {
        let opened_unix_nanos = super::writer::now();
        let state = Mutex::new(State { segments, opened_unix_nanos, ..State::default() });
        Self { disk, state, changed: Condvar::new(), max_bytes, metrics }
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

    pub(super) fn delete_passed(&self, state: &mut State) {
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
