//! Appends entries and makes them durable, a group at a time: everything that waits is written with one write and one
//! `fdatasync`, and only then are its senders answered.
//!
//! What fails leaves nothing behind that counts:
//! - A write that fails, because the disk is full or for another reason, is taken back: the segment is cut to what is
//!   durable. Where even that fails the segment is left, and the next group starts another one.
//! - A sync that fails is not repeated, because the kernel may have dropped what it could not write: the segment is
//!   left as far as it was durable before, and the next group starts another one.
//!
//! Numbers are given to entries when they are durable, so a group that failed leaves no hole.

use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info};

use super::disk::{Disk, File};
use super::log::{Log, MAX_NUMBER, Segment, segment_name};
use super::segment::{self, Frame, HEADER_BYTES, Key, Packed};
use super::{AppendError, Appended};
use crate::telemetry::queue::Operation;

/// One write holds this much at most, and one entry more.
const MAX_GROUP_BYTES: u64 = 8 << 20;
/// What the writer keeps of its memory behind a large group.
const KEPT_BUFFER_BYTES: usize = 2 << 20;

#[derive(Debug)]
pub struct Writer {
    log: Arc<Log>,
    segment_bytes: u64,
    /// The segment that the next group goes to, as far as it is durable.
    active: Option<Segment>,
    next: u64,
    buffer: Vec<u8>,
    /// The size of the group that could not be written last; 0 when the last one could.
    refused_bytes: usize,
}

impl Writer {
    /// Never goes on in a segment that was there before: how it ends was decided when the queue was opened.
    pub fn new(log: Arc<Log>, segment_bytes: u64) -> Self {
        let next = log.last().saturating_add(1);
        Self { log, segment_bytes, active: None, next, buffer: Vec::new(), refused_bytes: 0 }
    }

    /// Returns when all are durable, or none counts.
    pub fn append(&mut self, group: &[&Packed]) -> Result<Appended, AppendError> {
        let started = Instant::now();
        let received = now();
        let last = self.last_of(group)?;
        let (mut segment, is_new) = self.segment()?;
        self.buffer.clear();
        for (packed, sequence) in group.iter().zip(self.next..) {
            self.buffer.extend_from_slice(&Frame::of(packed, sequence, received).encode(segment.key));
            self.buffer.extend_from_slice(&packed.payload);
        }
        if let Err(error) = segment.file.write_all_at(&self.buffer, segment.bytes) {
            if error.kind() == io::ErrorKind::FileTooLarge {
                // It stays so for this file, and not for the next one.
                self.leave(&segment, is_new);
            } else {
                self.take_back(&segment, is_new);
            }
            self.refused_bytes = self.buffer.len();
            return Err(self.failed(Operation::Write, &error));
        }
        let synced = segment.file.sync().and_then(|()| self.sync_folder(is_new));
        if let Err(error) = synced {
            self.leave(&segment, is_new);
            return Err(self.failed(Operation::Sync, &error));
        }
        segment.bytes += self.buffer.len() as u64;
        self.refused_bytes = 0;
        let first = self.next;
        self.next = last + 1;
        self.log.appended(&segment, last);
        self.active = Some(segment).filter(|segment| segment.bytes < self.segment_bytes);
        self.buffer.shrink_to(KEPT_BUFFER_BYTES);
        self.log.metrics.group(group, started.elapsed());
        Ok(Appended { first, last })
    }

    /// Whether a write would succeed now: after one that failed, with as many bytes as it had.
    pub fn probe(&mut self) -> Result<(), AppendError> {
        let (segment, is_new) = self.segment()?;
        let written = segment.file.write_all_at(&vec![0; self.refused_bytes], segment.bytes);
        self.take_back(&segment, is_new);
        written.map_err(|error| self.failed(Operation::Write, &error))?;
        let (segment, is_new) = self.segment()?;
        let synced = segment.file.sync().and_then(|()| self.sync_folder(is_new));
        if is_new {
            self.leave(&segment, true);
        }
        synced.map_err(|error| self.failed(Operation::Sync, &error))
    }

    /// The number that the group ends with.
    fn last_of(&self, group: &[&Packed]) -> Result<u64, AppendError> {
        let last = self.next.checked_add(group.len() as u64).map(|next| next - 1);
        last.filter(|last| *last <= MAX_NUMBER)
            .ok_or_else(|| AppendError::Failed(Arc::from("its numbers are used up; start an empty queue")))
    }

    /// The segment to write to, and whether nothing is durable in it yet.
    fn segment(&mut self) -> Result<(Segment, bool), AppendError> {
        if let Some(segment) = &self.active {
            return Ok((segment.clone(), false));
        }
        let name = segment_name(self.next);
        let key = Key::random();
        let created = create(&**self.log.disk(), &name, segment::header(self.next, key));
        let file = created.map_err(|error| {
            drop(self.log.disk().remove(&name));
            self.failed(Operation::Create, &error)
        })?;
        let start = HEADER_BYTES as u64;
        Ok((Segment { first: self.next, bytes: start, file, key, start }, true))
    }

    fn sync_folder(&self, is_new: bool) -> io::Result<()> {
        if is_new { self.log.disk().sync() } else { Ok(()) }
    }

    /// Cuts what may have been written of a group.
    fn take_back(&mut self, segment: &Segment, is_new: bool) {
        if is_new || segment.file.truncate(segment.bytes).is_err() {
            self.leave(segment, is_new);
        }
    }

    /// Does not write to the segment any more.
    fn leave(&mut self, segment: &Segment, is_new: bool) {
        self.active = None;
        let name = segment_name(segment.first);
        // Either may fail on such a disk: a later segment then says where this one ends.
        if is_new {
            drop(self.log.disk().remove(&name));
        } else {
            drop(segment.file.truncate(segment.bytes));
        }
    }

    fn failed(&self, operation: Operation, error: &io::Error) -> AppendError {
        self.log.metrics.failed(operation);
        debug!(operation = operation.as_str(), %error, "a write to the queue failed; nothing was accepted");
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                AppendError::DiskFull
            }
            _ => AppendError::Failed(Arc::from(format!("{}: {error}", operation.as_str()))),
        }
    }
}

fn create(disk: &dyn Disk, name: &str, header: [u8; HEADER_BYTES]) -> io::Result<Arc<dyn File>> {
    // One that was left before anything in it was durable.
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = disk.create(name)?;
    file.write_all_at(&header, 0)?;
    Ok(file)
}

pub fn now() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX)
}

/// What the writer's thread is asked to do.
#[derive(Debug)]
pub enum Command {
    Append(Packed, oneshot::Sender<Result<u64, AppendError>>),
    Probe(oneshot::Sender<Result<(), AppendError>>),
    Close,
}

/// The writer's thread: until it is told to close, or nobody is left who could tell it.
pub fn run(mut writer: Writer, mut inbox: mpsc::Receiver<Command>) {
    let _closing = Closing(Arc::clone(&writer.log));
    let mut failing = false;
    while let Some(command) = inbox.blocking_recv() {
        let mut group = Group::default();
        let mut closing = group.take(command, &writer.log);
        while !closing
            && group.bytes < MAX_GROUP_BYTES
            && let Ok(command) = inbox.try_recv()
        {
            closing = group.take(command, &writer.log);
        }
        if let Some(outcome) = group.commit(&mut writer) {
            report(failing, &outcome);
            failing = outcome.is_err();
        }
        if closing {
            inbox.close();
        }
    }
}

/// Tells those that wait for more that there is none, however the thread ends.
struct Closing(Arc<Log>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Once when it begins and once when it is over: senders repeat what fails many times a second.
fn report(failing: bool, outcome: &Result<(), AppendError>) {
    match outcome {
        Err(error) if !failing => {
            error!(%error, "the queue cannot be written to; senders are asked to come back");
        }
        Ok(()) if failing => info!("the queue can be written to again"),
        _ => {}
    }
}

#[derive(Debug, Default)]
struct Group {
    entries: Vec<Packed>,
    answers: Vec<oneshot::Sender<Result<u64, AppendError>>>,
    probes: Vec<oneshot::Sender<Result<(), AppendError>>>,
    bytes: u64,
}

impl Group {
    /// Says whether that was the end.
    fn take(&mut self, command: Command, log: &Log) -> bool {
        match command {
            Command::Append(packed, answer) => {
                let bytes = packed.frame_bytes();
                // Nobody listens to the answer of a sender that has gone.
                if log.has_room(self.bytes + bytes) {
                    self.bytes += bytes;
                    self.entries.push(packed);
                    self.answers.push(answer);
                } else {
                    drop(answer.send(Err(AppendError::Full)));
                }
                false
            }
            Command::Probe(answer) => {
                if log.is_full() {
                    drop(answer.send(Err(AppendError::Full)));
                } else {
                    self.probes.push(answer);
                }
                false
            }
            Command::Close => true,
        }
    }

    /// How the last thing on the disk went; `None` when there was nothing to do.
    fn commit(self, writer: &mut Writer) -> Option<Result<(), AppendError>> {
        let mut outcome = None;
        if !self.entries.is_empty() {
            let entries: Vec<&Packed> = self.entries.iter().collect();
            let appended = writer.append(&entries);
            outcome = Some(appended.clone().map(drop));
            for (answer, nth) in self.answers.into_iter().zip(0..) {
                drop(answer.send(appended.clone().map(|appended| appended.first + nth)));
            }
        }
        if !self.probes.is_empty() {
            let probed = writer.probe();
            outcome = Some(probed.clone());
            for probe in self.probes {
                drop(probe.send(probed.clone()));
            }
        }
        outcome
    }
}
