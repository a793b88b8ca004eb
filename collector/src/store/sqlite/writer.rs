//! The one thread that writes. It takes everything that waits, up to a bound, stores it in one transaction, and answers
//! each batch after the commit, so that one `fdatasync` serves many senders.
//!
//! Invariants: an answer `Ok` comes after a commit with `synchronous=FULL`; a batch that SQLite refuses fails alone, not
//! those that shared its transaction; the thread ends only when told to close or when the store is dropped, after
//! everything it was given.

use std::thread::{self, JoinHandle};

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::error::{failed, is_transient};
use super::row;
use crate::model::SpanRecord;
use crate::store::{Batch, StoreError, Written};

/// Commands that may wait for the thread. Senders beyond it wait for room: the receiver bounds how many there are.
const QUEUE_CAPACITY: usize = 256;
/// Spans after which a transaction takes no further batch.
const GROUP_SPANS: usize = 8_192;
/// Spans that one `expire` deletes, so that writes do not wait long behind it.
const EXPIRE_CHUNK: i64 = 5_000;

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

enum Command {
    Write(WriteCommand),
    Expire { before_unix_nanos: u64, reply: Reply<u64> },
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
    pub(super) fn start(db: Connection) -> Result<Self, StoreError> {
        let (commands, queue) = mpsc::channel(QUEUE_CAPACITY);
        let thread =
            thread::Builder::new().name("sqlite-writer".to_owned()).spawn(move || serve(db, queue)).map_err(
                |error| StoreError::permanent("sqlite: starting the writer thread").with_source(error),
            )?;
        Ok(Self { commands, _thread: thread })
    }

    pub(super) async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        self.ask(|reply| Command::Write(WriteCommand { batch, reply })).await
    }

    pub(super) async fn expire(&self, before_unix_nanos: u64) -> Result<u64, StoreError> {
        self.ask(|reply| Command::Expire { before_unix_nanos, reply }).await
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
        answer.await.map_err(|_| closed())?
    }
}

fn closed() -> StoreError {
    StoreError::transient("sqlite: the store is closed")
}

/// The answer to a close goes out after the file has been let go.
fn serve(mut db: Connection, mut queue: mpsc::Receiver<Command>) {
    let Some((reply, outcome)) = work(&mut db, &mut queue) else { return };
    let outcome = outcome.and_then(|()| db.close().map_err(|(_, error)| failed("closing", error)));
    answer(reply, outcome);
}

/// Works until told to close; `None` when the store has been dropped.
fn work(
    db: &mut Connection,
    queue: &mut mpsc::Receiver<Command>,
) -> Option<(Reply<()>, Result<(), StoreError>)> {
    let mut next = queue.blocking_recv();
    while let Some(command) = next {
        next = match command {
            Command::Write(first) => {
                let (group, other) = take_group(first, queue);
                store_group(db, group);
                other
            }
            Command::Expire { before_unix_nanos, reply } => {
                answer(reply, expire(db, before_unix_nanos));
                None
            }
            Command::Ping { reply } => {
                answer(reply, ping(db));
                None
            }
            Command::Close { reply } => {
                queue.close();
                drain(db, queue);
                return Some((reply, checkpoint(db)));
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

fn drain(db: &mut Connection, queue: &mut mpsc::Receiver<Command>) {
    while let Some(command) = queue.blocking_recv() {
        match command {
            Command::Write(write) => store_group(db, vec![write]),
            Command::Expire { reply, .. } => answer(reply, Err(closed())),
            Command::Ping { reply } | Command::Close { reply } => answer(reply, Err(closed())),
        }
    }
}

fn store_group(db: &mut Connection, group: Vec<WriteCommand>) {
    if group.len() == 1 {
        return group.into_iter().for_each(|write| store_alone(db, write));
    }
    let batches: Vec<&[SpanRecord]> = group.iter().map(|write| &*write.batch.spans).collect();
    match insert(db, &batches) {
        Ok(written) => {
            for (write, written) in group.into_iter().zip(written) {
                answer(write.reply, Ok(written));
            }
        }
        // The next one would meet the same, after the same wait.
        Err(error) if is_transient(&error) => {
            for write in group {
                answer(write.reply, Err(StoreError::transient(format!("sqlite: writing a batch: {error}"))));
            }
        }
        Err(_) => group.into_iter().for_each(|write| store_alone(db, write)),
    }
}

/// In a transaction of its own.
fn store_alone(db: &mut Connection, write: WriteCommand) {
    let written = insert(db, &[&*write.batch.spans]).map(|mut written| written.pop().unwrap_or_default());
    answer(write.reply, written.map_err(|error| failed("writing a batch", error)));
}

fn insert(db: &mut Connection, batches: &[&[SpanRecord]]) -> rusqlite::Result<Vec<Written>> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut written = Vec::with_capacity(batches.len());
    {
        let mut statement = transaction.prepare_cached(&row::insert_statement())?;
        for batch in batches {
            let mut duplicates = Vec::new();
            for (position, span) in batch.iter().enumerate() {
                let values = row::COLUMNS.iter().map(|(_, take)| take(span));
                if statement.execute(rusqlite::params_from_iter(values))? == 0 {
                    duplicates.push(position);
                }
            }
            written.push(Written { duplicates, evicted: 0 });
        }
    }
    transaction.commit()?;
    Ok(written)
}

fn expire(db: &Connection, before_unix_nanos: u64) -> Result<u64, StoreError> {
    let failed = |error| failed("deleting expired spans", error);
    let deleted = db
        .execute(
            "DELETE FROM spans WHERE rowid IN
             (SELECT rowid FROM spans WHERE start_unix_nanos < ? ORDER BY start_unix_nanos LIMIT ?)",
            (before_unix_nanos.cast_signed(), EXPIRE_CHUNK),
        )
        .map_err(failed)?;
    db.execute_batch("PRAGMA incremental_vacuum(1000)").map_err(failed)?;
    Ok(deleted as u64)
}

/// Takes the write lock, which a read-only or locked file refuses, and lets go of it.
fn ping(db: &mut Connection) -> Result<(), StoreError> {
    db.transaction_with_behavior(TransactionBehavior::Immediate)
        .and_then(rusqlite::Transaction::rollback)
        .map_err(|error| failed("locking the database for writing", error))
}

fn checkpoint(db: &Connection) -> Result<(), StoreError> {
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .map_err(|error| failed("writing the log back at the end", error))
}
