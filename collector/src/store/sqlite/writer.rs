//! The one thread that writes. It takes everything that waits, up to a bound, stores it in one transaction, and answers
//! each batch after the commit, so that one `fdatasync` serves many senders.
//!
//! Invariants: an answer `Ok` comes after a commit with `synchronous=FULL`; a batch that SQLite refuses fails alone, not
//! those that shared its transaction; the thread ends only when told to close or when the store is dropped, after
//! everything it was given.

use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior, params_from_iter};
use tokio::sync::{mpsc, oneshot};
use tracing::error;

use super::error::{cause, failed, is_of_the_disk};
use super::expire::expire;
use super::intern::Interner;
use super::pack::Packer;
use super::rollup::Sums;
use super::row;
use crate::model::SpanRecord;
use crate::stage::caught;
use crate::store::{Batch, Cause, Cutoffs, Expired, StoreError, Written};

/// Commands that may wait for the thread. Senders beyond it wait for room: the receiver bounds how many there are.
const QUEUE_CAPACITY: usize = 256;
/// Spans after which a transaction takes no further batch.
const GROUP_SPANS: usize = 8_192;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Command {
    Write(WriteCommand),
    Expire { cutoffs: Cutoffs, reply: Reply<Expired> },
    Ping { reply: Reply<()> },
    Close { reply: Reply<()> },
}

struct WriteCommand {
    batch: Batch,
    reply: Reply<Written>,
}

#[derive(Debug)]
pub(super) struct Writer {
    commands: mpsc::Sender<Command>,
    _thread: JoinHandle<()>,
}

impl Writer {
    pub(super) fn start(db: Connection, dictionary: &[u8]) -> Result<Self, StoreError> {
        let (packer, interner) = (Packer::new(dictionary), Interner::default());
        let file = File { db, packer, interner, no_room: None };
        let (commands, queue) = mpsc::channel(QUEUE_CAPACITY);
        let thread = thread::Builder::new()
            .name("sqlite-writer".to_owned())
            .spawn(move || serve(file, queue))
            .map_err(|error| {
                StoreError::permanent("sqlite: starting the writer thread").with_source(error)
            })?;
        Ok(Self { commands, _thread: thread })
    }

    pub(super) async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        self.ask(|reply| Command::Write(WriteCommand { batch, reply })).await
    }

    pub(super) async fn expire(&self, cutoffs: Cutoffs) -> Result<Expired, StoreError> {
        self.ask(|reply| Command::Expire { cutoffs, reply }).await
    }

    pub(super) async fn ping(&self) -> Result<(), StoreError> {
        self.ask(|reply| Command::Ping { reply }).await
    }

    pub(super) async fn close(&self) -> Result<(), StoreError> {
        self.ask(|reply| Command::Close { reply }).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| closed())?;
        // The thread drops what it panics at, and what it has not taken when it ends.
        answer.await.map_err(|_| if self.commands.is_closed() { closed() } else { panicked() })?
    }
}

fn closed() -> StoreError {
    StoreError::transient("sqlite: the store is closed")
}

fn panicked() -> StoreError {
    StoreError::permanent("sqlite: the writer panicked at it, see standard error")
}

/// What the thread writes with.
struct File {
    db: Connection,
    packer: Packer,
    interner: Interner,
    /// Why the last write failed, where it was the disk: it takes a lock all the same.
    no_room: Option<String>,
}

/// The answer to a close goes out after the file has been let go. A panic ends what was asked, with the transaction that
/// it had open, and not the thread.
fn serve(mut file: File, mut queue: mpsc::Receiver<Command>) {
    let told = loop {
        match caught(|| work(&mut file, &mut queue)) {
            Ok(told) => break told,
            Err(why) => {
                error!(why, "the writer of SQLite panicked");
                file.interner.forget();
            }
        }
    };
    let Some((reply, outcome)) = told else { return };
    let outcome = outcome.and_then(|()| file.db.close().map_err(|(_, error)| failed("closing", error)));
    answer(reply, outcome);
}

/// Works until told to close; `None` when the store has been dropped.
fn work(file: &mut File, queue: &mut mpsc::Receiver<Command>) -> Option<(Reply<()>, Result<(), StoreError>)> {
    let mut next = queue.blocking_recv();
    while let Some(command) = next {
        next = match command {
            Command::Write(first) => {
                let (group, other) = take_group(first, queue);
                store_group(file, group);
                other
            }
            Command::Expire { cutoffs, reply } => {
                // Rows whose ids are remembered may go.
                file.interner.forget();
                answer(reply, expire(&mut file.db, cutoffs));
                None
            }
            Command::Ping { reply } => {
                answer(reply, file.ping());
                None
            }
            Command::Close { reply } => {
                queue.close();
                drain(file, queue);
                return Some((reply, checkpoint(&file.db)));
            }
        }
        .or_else(|| queue.blocking_recv());
    }
    None
}

/// A sender that has gone away (its call was cancelled) needs no answer; its spans are stored all the same.
fn answer<T>(reply: Reply<T>, result: Result<T, StoreError>) {
    drop(reply.send(result));
}

/// The first batch with those that wait behind it, and the command that ended the group.
fn take_group(
    first: WriteCommand,
    queue: &mut mpsc::Receiver<Command>,
) -> (Vec<WriteCommand>, Option<Command>) {
    let mut spans = first.batch.spans.len();
    let mut group = vec![first];
    while spans < GROUP_SPANS {
        match queue.try_recv() {
            Ok(Command::Write(write)) => {
                spans += write.batch.spans.len();
                group.push(write);
            }
            Ok(other) => return (group, Some(other)),
            Err(_) => break,
        }
    }
    (group, None)
}

fn drain(file: &mut File, queue: &mut mpsc::Receiver<Command>) {
    while let Some(command) = queue.blocking_recv() {
        match command {
            Command::Write(write) => store_group(file, vec![write]),
            Command::Expire { reply, .. } => answer(reply, Err(closed())),
            Command::Ping { reply } | Command::Close { reply } => answer(reply, Err(closed())),
        }
    }
}

fn store_group(file: &mut File, group: Vec<WriteCommand>) {
    if group.len() == 1 {
        return group.into_iter().for_each(|write| store_alone(file, write));
    }
    let batches: Vec<&[SpanRecord]> = group.iter().map(|write| &*write.batch.spans).collect();
    match file.insert(&batches) {
        Ok(written) => {
            for (write, written) in group.into_iter().zip(written) {
                answer(write.reply, Ok(written));
            }
        }
        // The next one would meet the same, after the same wait.
        Err(error) if cause(&error) == Cause::Store => {
            for write in group {
                answer(write.reply, Err(StoreError::transient(format!("sqlite: writing a batch: {error}"))));
            }
        }
        Err(_) => group.into_iter().for_each(|write| store_alone(file, write)),
    }
}

/// In a transaction of its own.
fn store_alone(file: &mut File, write: WriteCommand) {
    let written = file.insert(&[&*write.batch.spans]).map(|mut written| written.pop().unwrap_or_default());
    answer(write.reply, written.map_err(|error| failed("writing a batch", error)));
}

impl File {
    /// All batches in one transaction, with what they add to the rollups.
    fn insert(&mut self, batches: &[&[SpanRecord]]) -> rusqlite::Result<Vec<Written>> {
        let Self { db, packer, interner, no_room } = self;
        let outcome = insert(db, packer, interner, batches);
        if outcome.is_err() {
            // What they remember of the transaction is not in the file.
            interner.forget();
        }
        *no_room = outcome.as_ref().err().filter(|error| is_of_the_disk(error)).map(ToString::to_string);
        outcome
    }

    /// As the last write found the disk: that one is tried again, and says when there is room.
    fn ping(&mut self) -> Result<(), StoreError> {
        match &self.no_room {
            Some(why) => Err(StoreError::transient(format!("sqlite: the last batch was not written: {why}"))),
            None => ping(&mut self.db),
        }
    }
}

fn insert(
    db: &mut Connection,
    packer: &mut Packer,
    interner: &mut Interner,
    batches: &[&[SpanRecord]],
) -> rusqlite::Result<Vec<Written>> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut sums = Sums::default();
    let mut written = Vec::with_capacity(batches.len());
    for batch in batches {
        let mut duplicates = Vec::new();
        for (position, span) in batch.iter().enumerate() {
            let key = interner.key(&transaction, span)?;
            let source = interner.source(&transaction, span)?;
            if insert_span(&transaction, packer, span, source, key)? {
                sums.add(span, key);
            } else {
                duplicates.push(position);
            }
        }
        written.push(Written { duplicates, evicted: 0 });
    }
    sums.store(&transaction)?;
    transaction.commit()?;
    Ok(written)
}

/// Whether the span is new.
fn insert_span(
    db: &Transaction<'_>,
    packer: &mut Packer,
    span: &SpanRecord,
    source: i64,
    key: i64,
) -> rusqlite::Result<bool> {
    let values = row::COLUMNS
        .iter()
        .map(|(_, take)| take(span))
        .chain([source.into(), key.into()])
        .chain(row::packed(span, packer));
    if db.prepare_cached(row::insert_statement())?.execute(params_from_iter(values))? == 0 {
        return Ok(false);
    }
    if let Some([attributes, events]) = row::packed_content(span, packer) {
        let start = span.start_unix_nanos.cast_signed();
        db.prepare_cached(
            "INSERT INTO content (span, start_unix_nanos, attributes, events) VALUES (?, ?, ?, ?)",
        )?
        .execute((db.last_insert_rowid(), start, attributes, events))?;
    }
    Ok(true)
}

/// Takes the write lock, which a read-only or locked file refuses, and lets go of it.
fn ping(db: &mut Connection) -> Result<(), StoreError> {
    db.transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(Transaction::rollback)
        .map_err(|error| failed("locking the database for writing", error))
}

fn checkpoint(db: &Connection) -> Result<(), StoreError> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(|error| failed("writing the log back at the end", error))
}
