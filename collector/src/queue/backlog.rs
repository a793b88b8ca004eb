//! What waits for each cursor, in entries, bytes and time, and what a cursor loses that has a bound of its own.

use super::Position;
use super::disk;
use super::log::{Log, Segment, State};
use super::segment::{FRAME_BYTES, Frame};
use crate::telemetry::queue::Loss;

#[derive(Debug)]
pub(super) struct CursorState {
    pub(super) name: String,
    pub(super) acked: u64,
    /// Behind the last acknowledged frame.
    pub(super) position: Position,
    /// A cursor with a bound of its own loses its oldest entries beyond it; one without holds up the queue.
    pub(super) max_backlog_bytes: Option<u64>,
    /// It starts no earlier than here.
    pub(super) floor: u64,
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
    /// How every cursor stands, and the bytes of all segments.
    pub fn backlogs(&self) -> (Vec<Backlog>, u64) {
        let state = self.state();
        let total = state.segments.iter().map(|segment| segment.bytes).sum();
        let backlogs = state.cursors.iter().map(|cursor| state.backlog(cursor)).collect();
        (backlogs, total)
    }

    /// Moves cursors that are behind more than they may be to a later segment.
    pub(super) fn enforce_bounds(&self, state: &mut State) {
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
}

impl State {
    /// What the cursors that must not lose anything hold on the disk.
    pub(super) fn held_bytes(&self) -> u64 {
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
            oldest_unix_nanos: (entries > 0).then(|| self.received_at(position)),
        }
    }

    /// From the header of the frame at a position, or else at the start of a segment behind it. Where none of them is good
    /// it is not known, and what waits counts as old: as the queue is open.
    fn received_at(&self, position: Position) -> u64 {
        let here = self.segments.iter().filter(|segment| segment.first == position.segment);
        let here = here.map(|segment| (segment, position.offset.max(segment.start)));
        let behind = self.segments.iter().filter(|segment| segment.first > position.segment);
        let mut places = here.chain(behind.map(|segment| (segment, segment.start)));
        places.find_map(|(segment, offset)| received_of(segment, offset)).unwrap_or(self.opened_unix_nanos)
    }
}

fn received_of(segment: &Segment, offset: u64) -> Option<u64> {
    if offset >= segment.bytes {
        return None;
    }
    let head = disk::read_exact(&*segment.file, FRAME_BYTES, offset).ok()??;
    Frame::decode(&head, segment.key).map(|frame| frame.received_unix_nanos)
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
