//! What comes next for whoever takes entries out of the queue, from a thread that may block.
//!
//! Losses are said and counted here. A disk that cannot be read is waited out for a while; then what cannot be read is
//! lost, and reading goes on behind it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::Position;
use super::log::segment_name;
use super::reader::{Entry, Read, Reader};
use crate::telemetry::queue::{Operation, QueueMetrics};

/// How long to wait at a time where nothing comes, or after the disk failed.
pub const PAUSE: Duration = Duration::from_secs(1);

/// At one place, a [`PAUSE`] apart: a disk that comes back after half a minute loses nothing.
const READ_ATTEMPTS: u32 = 30;

#[derive(Debug)]
pub struct Tail {
    reader: Reader,
    cursor: String,
    metrics: Arc<QueueMetrics>,
    /// Whether more may come.
    open: bool,
    /// Reads that failed, one after the other.
    failed: u32,
}

#[derive(Debug)]
pub enum Next {
    Entry(Entry),
    /// Entries up to this number, and this place, are lost.
    Lost {
        last: u64,
        end: Position,
    },
    /// There is nothing now.
    Nothing,
    /// The queue is closed and read to its end.
    Over,
}

impl Tail {
    pub fn new(reader: Reader, cursor: &str, metrics: Arc<QueueMetrics>) -> Self {
        Self { reader, cursor: cursor.to_owned(), metrics, open: true, failed: 0 }
    }

    pub fn take(&mut self) -> Next {
        let read = self.reader.read();
        if read.is_ok() {
            self.failed = 0;
        }
        match read {
            Ok(Read::Entry(entry)) => Next::Entry(entry),
            Ok(Read::End) if self.open => Next::Nothing,
            Ok(Read::End) => Next::Over,
            Ok(Read::Gap { first, last, reason, spans, end }) => {
                let cursor = &*self.cursor;
                let segment = self.segment();
                error!(
                    cursor,
                    segment,
                    first,
                    last,
                    reason = reason.as_str(),
                    "entries of the queue are lost"
                );
                self.metrics.lost(cursor, reason, last + 1 - first, spans);
                Next::Lost { last, end }
            }
            Err(error) => {
                self.wait_out(&error);
                Next::Nothing
            }
        }
    }

    fn wait_out(&mut self, error: &io::Error) {
        self.metrics.failed(Operation::Read);
        let (cursor, segment) = (&*self.cursor, self.segment());
        self.failed += 1;
        if self.failed < READ_ATTEMPTS {
            warn!(cursor, segment, %error, "the queue cannot be read; it is tried again");
            std::thread::park_timeout(PAUSE);
        } else {
            error!(cursor, segment, %error, "the queue cannot be read; what stands there is given up");
            self.reader.give_up();
        }
    }

    fn segment(&self) -> String {
        segment_name(self.reader.position().segment)
    }

    /// Until there may be an entry, or the time is over.
    pub fn wait(&mut self, time: Duration) {
        self.open = self.reader.wait(time);
    }
}
