//! What comes next for whoever takes entries out of the queue, from a thread that may block.
//!
//! Losses are said and counted here, and a disk that cannot be read is waited out.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::Position;
use super::reader::{Entry, Read, Reader};
use crate::telemetry::queue::{Operation, QueueMetrics};

/// How long to wait at a time where nothing comes, or after the disk failed.
pub const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct Tail {
    reader: Reader,
    cursor: String,
    metrics: Arc<QueueMetrics>,
    /// Whether more may come.
    open: bool,
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
        Self { reader, cursor: cursor.to_owned(), metrics, open: true }
    }

    pub fn take(&mut self) -> Next {
        match self.reader.read() {
            Ok(Read::Entry(entry)) => Next::Entry(entry),
            Ok(Read::End) if self.open => Next::Nothing,
            Ok(Read::End) => Next::Over,
            Ok(Read::Gap { first, last, reason, spans, end }) => {
                let cursor = &*self.cursor;
                error!(cursor, first, last, reason = reason.as_str(), "entries of the queue are lost");
                self.metrics.lost(cursor, reason, last + 1 - first, spans);
                Next::Lost { last, end }
            }
            Err(error) => {
                self.metrics.failed(Operation::Read);
                warn!(cursor = self.cursor, %error, "the queue cannot be read; it is tried again");
                std::thread::park_timeout(PAUSE);
                Next::Nothing
            }
        }
    }

    /// Until there may be an entry, or the time is over.
    pub fn wait(&mut self, time: Duration) {
        self.open = self.reader.wait(time);
    }
}
