//! What a start finds: the segments, and behind the last good frame what a crash left of a write, which is cut.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use tracing::warn;

use super::disk::Disk;
use super::log::{Log, Segment, State, first_of, segment_name};
use super::reader::{self, Step};
use super::segment::{self, HEADER_BYTES, Header, Key};
use super::{OpenError, parked};
use crate::telemetry::queue::QueueMetrics;

impl Log {
    /// Finds the segments, and cuts what a crash left behind the last good frame.
    pub fn open(disk: Arc<dyn Disk>, max_bytes: u64, metrics: Arc<QueueMetrics>) -> Result<Self, OpenError> {
        let mut firsts: Vec<u64> = disk.list()?.iter().filter_map(|name| first_of(name)).collect();
        firsts.sort_unstable();
        let mut segments = VecDeque::new();
        for first in firsts {
            let name = segment_name(first);
            let file = disk.open(&name).map_err(|error| named(&name, &error))?;
            let bytes = file.bytes().map_err(|error| named(&name, &error))?;
            let mut head = [0; HEADER_BYTES];
            file.read_at(&mut head, 0).map_err(|error| named(&name, &error))?;
            let (key, start) = match segment::read_header(&head) {
                Header::Newer(version) => return Err(OpenError::Newer { name, version }),
                Header::Damaged => {
                    warn!(segment = name, "the header of a segment is damaged; nothing in it can be read");
                    (Key::random(), HEADER_BYTES as u64)
                }
                Header::Good { key, start, .. } => (key, start),
            };
            segments.push_back(Segment { first, bytes, file, key, start });
        }
        let log = Self::new(disk, segments, max_bytes, metrics);
        log.recover_last()?;
        log.not_before(parked::last_number(&*log.disk)?);
        Ok(log)
    }

    fn recover_last(&self) -> io::Result<()> {
        let mut state = self.state();
        let Some(segment) = state.segments.back().cloned() else { return Ok(()) };
        let recovered = self.recover_tail(&mut state, &segment);
        recovered.map_err(|error| named(&segment_name(segment.first), &error))
    }

    /// The last segment may end in the middle of a write that nobody was told had succeeded.
    fn recover_tail(&self, state: &mut State, segment: &Segment) -> io::Result<()> {
        let (mut last, mut end, mut offset) = (segment.first - 1, segment.start, segment.start);
        let mut next = segment.first;
        loop {
            match reader::step(segment, offset, next, segment.bound())? {
                Step::Frame { frame, end: frame_end, .. } => {
                    (last, end, offset) = (frame.sequence, frame_end, frame_end);
                    next = last + 1;
                }
                Step::Damaged { end: damage_end, frame } => {
                    offset = damage_end;
                    next = frame.map_or(next, |frame| next.max(frame.sequence + 1));
                }
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
}

/// Which file it is that fails, and what an operator can do about it.
fn named(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(
        error.kind(),
        format!("{name}: {error}; mend the disk, or move the file away and lose its entries"),
    )
}
