//! The durable queue between `receive` and everything behind it: admitted requests, on disk, until each cursor has
//! taken them.
//!
//! # Guarantees
//!
//! 1. [`Appender::append`] answers `Ok` after the entry, the segment that holds it and the segment's name are synced.
//! 2. Each cursor gets every entry in the order of their numbers, at least once, until it has acknowledged it. A batch
//!    is fixed (first number, last number, token) and synced before it is sent the first time; after a crash the same
//!    batch comes again, from the same bytes and with the same token.
//! 3. An entry leaves the disk when every cursor has acknowledged it. A cursor with a bound of its own loses its oldest
//!    entries beyond it; the queue's bound ([`AppendError::Full`]) counts only those without one.
//! 4. What is lost all the same, because a disk changed its bytes, is counted by entry and reason, and the rest goes on.
//!
//! # On disk
//!
//! One folder, used by one process at a time (`lock`):
//!
//! | file | what | written by |
//! |---|---|---|
//! | `NUMBER.segment` | entries from NUMBER on: [`segment`] | the [`writer`], at its end alone; deleted by the [`log`] |
//! | `NAME.cursor` | acknowledged number, fixed batch: [`ledger`] | that cursor |
//! | `NUMBER.parked` | an entry that the store refused, and why: [`parked`] | the store's cursor |
//! | `NUMBER.retry` | the same, on its way back | `meshtap queue retry`; taken by the running collector |
//! | `NUMBER.damaged` | the same, which could not be taken back | the running collector |
//!
//! Numbers go up by one, and none is given twice, be it only a parked entry that has it. A segment is closed when it has reached its size, when a write to it failed, and when the
//! process ends. Requests are kept as they were admitted, in OTLP, compressed with zstd: what they mean is worked out
//! behind the queue, so that a refused entry can be tried again with a newer meshtap.
//!
//! # Faults
//!
//! | fault | outcome |
//! |---|---|
//! | the process dies in a write | what was not answered is cut at the next start (`meshtap_queue_torn_bytes_total`) |
//! | bits flip in a segment | that entry is lost and counted (`reason="damaged"`); reading goes on behind it |
//! | bits flip in a segment's header | the other copy counts; without one its entries are lost and counted (`reason="damaged"`) |
//! | a sector cannot be read | it is tried again for half a minute, then as if its bits had flipped; at a start, an error that names the file |
//! | a segment is missing | its entries are lost and counted (`reason="missing_segment"`) |
//! | bits flip in a cursor's file | the slot before it counts; without one, everything that is there is sent again |
//! | a segment or a cursor's file is of a newer format | the start ends with [`OpenError::Newer`]; nothing is changed |
//! | the disk is full | senders are asked to come back ([`AppendError::DiskFull`]); nothing of the group counts |
//! | the disk is read-only, or a sync fails | senders are asked to come back ([`AppendError::Failed`]), the segment is left, the next group tries another one; not ready until that works |
//! | a batch cannot be stored by anyone | its entries are parked, one by one, and the rest goes on |
//!
//! Damage to the last frame of the last segment looks like a write that was cut short, and is cut.
//!
//! The writer is a thread of its own. Readers, cursors and parked files are used from one thread each.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use self::backlog::Backlog;
use self::disk::{Disk, Folder};
use self::log::Log;
use self::segment::Packed;
use self::writer::{Command, Writer};
use crate::config;
use crate::telemetry::queue::QueueMetrics;

pub mod backlog;
pub mod command;
pub mod cursor;
pub mod disk;
pub mod ledger;
pub mod log;
#[cfg(test)]
mod model;
pub mod parked;
pub mod reader;
mod recovery;
pub mod segment;
#[cfg(test)]
pub mod simulated;
pub mod tail;
#[cfg(test)]
mod tests;
pub mod writer;

pub use self::cursor::Cursor;

/// A place between two frames: the segment, by its first number, and the offset in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub segment: u64,
    pub offset: u64,
}

/// The numbers that a group got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first: u64,
    pub last: u64,
}

/// Nothing was accepted; every variant may pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    #[error("the queue is full (queue.max_bytes); try again later")]
    Full,
    #[error("the disk of the queue is full; try again later")]
    DiskFull,
    #[error("the queue cannot be written to: {0}; try again later")]
    Failed(Arc<str>),
    #[error("the collector is stopping; try again")]
    Closed,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error(
        "{name} has format {version}, which only a newer meshtap reads; run that one, or set queue.path to another folder"
    )]
    Newer { name: String, version: u32 },
}

/// The running queue.
#[derive(Debug)]
pub struct Queue {
    log: Arc<Log>,
    appender: Appender,
    writer: Option<JoinHandle<()>>,
    /// Says when the writer's thread has ended.
    ended: Option<oneshot::Receiver<()>>,
}

/// Everything that is opened before anyone may append.
#[derive(Debug)]
pub struct Opened {
    log: Arc<Log>,
    segment_bytes: u64,
    waiting: usize,
}

impl Opened {
    pub fn in_folder(
        path: &Path,
        config: &config::Queue,
        metrics: Arc<QueueMetrics>,
    ) -> Result<Self, OpenError> {
        Self::on(Arc::new(Folder::lock(path)?), config, metrics)
    }

    pub fn on(
        disk: Arc<dyn Disk>,
        config: &config::Queue,
        metrics: Arc<QueueMetrics>,
    ) -> Result<Self, OpenError> {
        let log = Arc::new(Log::open(disk, config.max_bytes as u64, metrics)?);
        Ok(Self { log, segment_bytes: config.segment_bytes as u64, waiting: config.max_waiting })
    }

    /// All cursors have to be opened before the queue starts: what none holds is deleted.
    pub fn cursor(&self, name: &str, max_backlog_bytes: Option<u64>) -> Result<Cursor, OpenError> {
        Cursor::open(&self.log, name, max_backlog_bytes)
    }

    /// Starts the writer's thread.
    pub fn start(self) -> io::Result<Queue> {
        let (commands, inbox) = mpsc::channel(self.waiting);
        let writer = Writer::new(Arc::clone(&self.log), self.segment_bytes);
        let thread = std::thread::Builder::new().name("queue".to_owned());
        let (running, ended) = oneshot::channel();
        let writer = thread.spawn(move || {
            let _running: oneshot::Sender<()> = running;
            writer::run(writer, inbox);
        })?;
        let appender = Appender { commands };
        Ok(Queue { log: self.log, appender, writer: Some(writer), ended: Some(ended) })
    }
}

impl Queue {
    pub fn appender(&self) -> Appender {
        self.appender.clone()
    }

    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// How every cursor stands, and the bytes on disk.
    pub fn backlogs(&self) -> (Vec<Backlog>, u64) {
        self.log.backlogs()
    }

    /// Done when nothing can be appended any more: after [`Self::close`], or when the writer's thread has failed.
    pub fn ended(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let ended = self.ended.take();
        async move {
            if let Some(ended) = ended {
                drop(ended.await);
            }
        }
    }

    /// Finishes what was handed over; nothing may be appended afterwards.
    pub async fn close(&mut self) {
        drop(self.appender.commands.send(Command::Close).await);
        if let Some(writer) = self.writer.take() {
            drop(tokio::task::spawn_blocking(|| writer.join()).await);
        }
    }
}

/// Puts requests into the queue.
#[derive(Clone, Debug)]
pub struct Appender {
    commands: mpsc::Sender<Command>,
}

impl Appender {
    /// Returns when the request is durable, with its number. Once it is handed to the writer it goes into the queue
    /// even if nobody waits for the answer.
    pub async fn append(&self, spans: u32, request: Bytes) -> Result<u64, AppendError> {
        self.append_packed(Packed::new(spans, request)).await
    }

    pub async fn append_packed(&self, packed: Packed) -> Result<u64, AppendError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Append(packed, answer)).await;
        sent.map_err(|_| AppendError::Closed)?;
        answered.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Whether an append would succeed now.
    pub async fn probe(&self) -> Result<(), AppendError> {
        let (answer, answered) = oneshot::channel();
        let sent = self.commands.send(Command::Probe(answer)).await;
        sent.map_err(|_| AppendError::Closed)?;
        answered.await.unwrap_or(Err(AppendError::Closed))
    }
}
