//! One reader of the queue with a durable place of its own. Several read the same queue, each at its own pace.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::disk::Disk;
use super::ledger::{Ledger, Plan};
use super::log::Log;
use super::parked::{self, Note};
use super::reader::{Read, Reader};
use super::{OpenError, Position};
use crate::telemetry::queue::Operation;
use crate::time::rfc3339;

/// What one cursor has read, planned and acknowledged.
#[derive(Debug)]
pub struct Cursor {
    log: Arc<Log>,
    name: String,
    ledger: Ledger,
    position: Position,
    /// Of parked files, as far as they were counted; an operator may have made it less since.
    parked_bytes: Option<u64>,
}

impl Cursor {
    /// Goes on where the cursor of this name stopped; a new one starts at the oldest entry.
    pub fn open(log: &Arc<Log>, name: &str, max_backlog_bytes: Option<u64>) -> Result<Self, OpenError> {
        let (ledger, lost) = Ledger::open(&**log.disk(), name)?;
        if lost {
            log.metrics.failed(Operation::Ledger);
        }
        let acked = ledger.state().acked;
        let given = ledger.state().plan.as_ref().map_or(acked, |plan| plan.last);
        log.not_before(given);
        let first = log.segment_of(acked + 1).map_or(0, |(segment, _)| segment.first);
        let position = Position { segment: first, offset: 0 };
        log.metrics.cursor(name);
        log.register(name, acked, position, max_backlog_bytes);
        Ok(Self { log: Arc::clone(log), name: name.to_owned(), ledger, position, parked_bytes: None })
    }

    /// Reads from behind what is acknowledged.
    pub fn reader(&self) -> Reader {
        Reader::behind(Arc::clone(&self.log), &self.name, self.ledger.state().acked)
    }

    pub fn acked(&self) -> u64 {
        self.ledger.state().acked
    }

    /// The batch that was fixed and is not acknowledged: it may have been sent.
    pub fn planned(&self) -> Option<&Plan> {
        self.ledger.state().plan.as_ref()
    }

    /// Fixes the next batch, durably; the one that is fixed already stays.
    pub fn plan(&mut self, first: u64, last: u64) -> io::Result<Plan> {
        if let Some(plan) = self.planned().filter(|plan| (plan.first, plan.last) == (first, last)) {
            return Ok(plan.clone());
        }
        self.ledger.plan(first, last).inspect_err(|_| self.log.metrics.failed(Operation::Ledger))
    }

    /// Fixes a piece of the batch that is fixed, durably: its token is that of the batch with the piece behind it.
    pub fn plan_piece(&mut self, piece: &str) -> io::Result<Plan> {
        let plan = self.planned().ok_or_else(|| io::Error::other("no batch is fixed"))?;
        if plan.piece() == Some(piece) {
            return Ok(plan.clone());
        }
        self.ledger.plan_piece(piece).inspect_err(|_| self.log.metrics.failed(Operation::Ledger))
    }

    /// Everything up to `last` is where it belongs, or lost; `end` is behind it.
    pub fn ack(&mut self, last: u64, end: Position) -> io::Result<()> {
        self.ledger.ack(last).inspect_err(|_| self.log.metrics.failed(Operation::Ledger))?;
        self.position = end;
        self.log.acked(&self.name, last, end);
        Ok(())
    }

    /// Puts the entry aside with the reason, if it still is in the queue; its number has to be acknowledged then.
    ///
    /// # Errors
    /// Also when `max_bytes` are parked already.
    pub fn park(&mut self, sequence: u64, error: &str, max_bytes: u64) -> io::Result<()> {
        let mut reader = Reader::behind(Arc::clone(&self.log), "", sequence - 1);
        let Read::Entry(entry) = reader.read()? else { return Ok(()) };
        let bytes = self.parked_bytes(max_bytes)?;
        if bytes >= max_bytes {
            return Err(io::Error::other("queue.max_parked_bytes is reached"));
        }
        let note = Note {
            id: sequence,
            spans: entry.packed.spans,
            received: rfc3339(entry.received_unix_nanos),
            parked: rfc3339(super::writer::now()),
            error: error.to_owned(),
        };
        let written = parked::park(self.disk(), &entry, &note)
            .inspect_err(|_| self.log.metrics.failed(Operation::Park))?;
        self.parked_bytes = Some(bytes + written);
        self.log.metrics.parked(entry.packed.spans);
        Ok(())
    }

    /// Counted again only where it decides: there may be many files.
    fn parked_bytes(&self, max_bytes: u64) -> io::Result<u64> {
        match self.parked_bytes.filter(|bytes| *bytes < max_bytes) {
            Some(bytes) => Ok(bytes),
            None => Ok(parked::total(self.disk())?.1),
        }
    }

    pub fn disk(&self) -> &dyn Disk {
        &**self.log.disk()
    }
}

/// A cursor for a task: what it does with the disk it does where blocking is allowed.
#[derive(Clone, Debug)]
pub struct SharedCursor(Arc<Mutex<Cursor>>);

impl SharedCursor {
    pub fn new(cursor: Cursor) -> Self {
        Self(Arc::new(Mutex::new(cursor)))
    }

    pub async fn with<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Cursor) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let cursor = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || {
            run(&mut cursor.lock().unwrap_or_else(PoisonError::into_inner))
        });
        done.await.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
