//! Deletes what is older than it is to be kept, a chunk of each table at a time, so that writes do not wait long, and
//! gives the room back to the file system.

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::failed;
use crate::store::plan::{NANOS_PER_DAY, NANOS_PER_MINUTE};
use crate::store::{Cutoffs, Expired, StoreError};

/// Rows of one table that one call deletes.
const CHUNK: usize = 5_000;
/// Pages that one call gives back.
const VACUUM: &str = "PRAGMA incremental_vacuum(1000)";

pub(super) fn expire(db: &mut Connection, cutoffs: Cutoffs) -> Result<Expired, StoreError> {
    let failed = |error| failed("deleting what has expired", error);
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let expired = delete(&transaction, cutoffs).map_err(failed)?;
    transaction.commit().map_err(failed)?;
    vacuum(db).map_err(failed)?;
    Ok(expired)
}

/// Each step gives back one page.
fn vacuum(db: &Connection) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached(VACUUM)?;
    let mut steps = statement.query([])?;
    while steps.next()?.is_some() {}
    Ok(())
}

fn delete(db: &Transaction<'_>, cutoffs: Cutoffs) -> rusqlite::Result<Expired> {
    let spans = cutoffs.spans_unix_nanos.unwrap_or(0);
    // Before its span, whose number may be given to another.
    let content = cutoffs.content_unix_nanos.unwrap_or(0).max(spans);
    let contents = rows(db, "content", "span", "start_unix_nanos < ?1 ORDER BY start_unix_nanos", content)?;
    let spans = if contents < CHUNK {
        rows(db, "spans", "id", "start_unix_nanos < ?1 ORDER BY start_unix_nanos", spans)?
    } else {
        0
    };
    let rollups = cutoffs.rollups_unix_nanos.unwrap_or(0);
    let minutes = buckets(db, "usage_1m", "minute", "key", rollups / NANOS_PER_MINUTE)?;
    let five_minutes = rollups / (5 * NANOS_PER_MINUTE);
    let latencies = buckets(db, "latency_5m", "five_minutes", "key, measure, bucket", five_minutes)?;
    let user_key = "namespace, user_id, call_side, is_error";
    let users = buckets(db, "usage_users_1d", "day", user_key, rollups / NANOS_PER_DAY)?;
    let more = [contents, spans, minutes, latencies, users].contains(&CHUNK) || contents >= CHUNK;
    if !more {
        unneeded(db, cutoffs)?;
    }
    Ok(Expired { spans: spans as u64, more })
}

fn rows(db: &Transaction<'_>, table: &str, id: &str, old: &str, before: u64) -> rusqlite::Result<usize> {
    db.execute(
        &format!("DELETE FROM {table} WHERE {id} IN (SELECT {id} FROM {table} WHERE {old} LIMIT {CHUNK})"),
        [before.cast_signed()],
    )
}

fn buckets(
    db: &Transaction<'_>,
    table: &str,
    time: &str,
    others: &str,
    before: u64,
) -> rusqlite::Result<usize> {
    let key = format!("{time}, {others}");
    db.execute(
        &format!(
            "DELETE FROM {table} WHERE ({key}) IN \
             (SELECT {key} FROM {table} WHERE {time} < ?1 ORDER BY {time} LIMIT {CHUNK})"
        ),
        [before.cast_signed()],
    )
}

/// Senders and keys that neither a span nor a rollup refers to any more.
fn unneeded(db: &Transaction<'_>, cutoffs: Cutoffs) -> rusqlite::Result<()> {
    let Some(spans) = cutoffs.spans_unix_nanos else { return Ok(()) };
    db.execute("DELETE FROM sources WHERE last_day < ?", [(spans / NANOS_PER_DAY).cast_signed()])?;
    let Some(rollups) = cutoffs.rollups_unix_nanos else { return Ok(()) };
    db.execute("DELETE FROM keys WHERE last_day < ?", [(spans.min(rollups) / NANOS_PER_DAY).cast_signed()])?;
    Ok(())
}
