//! Numbered migrations, each applied once, in one transaction with its entry in `schema_migrations`.
//!
//! Refuses a database that a newer version of meshtap has written.

use rusqlite::{Connection, TransactionBehavior};

use super::error::failed;
use crate::store::StoreError;

const MIGRATIONS: &[(i64, &str, &str)] =
    &[(1, "0001_spans", include_str!("../../../migrations/sqlite/0001_spans.sql"))];

const CREATE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT";

/// Brings the database to the newest schema. Safe to call by several processes at once.
pub(super) fn migrate(db: &mut Connection) -> Result<(), StoreError> {
    let failed = |error| failed("applying the schema", error);
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    transaction.execute(CREATE_LEDGER, []).map_err(failed)?;
    let applied: i64 = transaction
        .query_row("SELECT coalesce(max(version), 0) FROM schema_migrations", [], |row| row.get(0))
        .map_err(failed)?;
    refuse_newer(applied)?;
    for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > applied) {
        transaction.execute_batch(sql).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, datetime('now'))",
                (version, name),
            )
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)
}

fn refuse_newer(applied: i64) -> Result<(), StoreError> {
    let newest = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    if applied <= newest {
        return Ok(());
    }
    Err(StoreError::permanent(format!(
        "sqlite: the database has schema {applied}, this meshtap knows schemas up to {newest}; \
         run the version of meshtap that wrote it, or set store.sqlite.path to another file"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps_and_apply_twice_without_harm() {
        for (position, (version, name, _)) in (1..).zip(MIGRATIONS) {
            assert_eq!(*version, position);
            assert!(name.starts_with(&format!("{version:04}_")), "{name}");
        }
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        migrate(&mut db).unwrap();
        let rows: i64 = db.query_row("SELECT count(*) FROM schema_migrations", [], |row| row.get(0)).unwrap();
        assert_eq!(usize::try_from(rows).unwrap(), MIGRATIONS.len());
    }

    #[test]
    fn a_database_of_a_newer_version_is_refused() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        db.execute("INSERT INTO schema_migrations VALUES (99, 'future', '')", []).unwrap();
        let error = migrate(&mut db).unwrap_err();
        assert!(!error.is_transient());
        assert!(error.to_string().contains("schema 99"), "{error}");
    }
}
