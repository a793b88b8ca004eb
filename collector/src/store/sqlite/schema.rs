//! Numbered migrations, each applied once, in one transaction with its entry in `schema_migrations`.
//!
//! Refuses a database that a newer version of meshtap has written.

use rusqlite::{Connection, TransactionBehavior};

use super::error::failed;
use crate::store::StoreError;

const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "0001_spans_and_rollups", include_str!("../../../migrations/sqlite/0001_spans_and_rollups.sql")),
    (2, "0002_spans_by_start", include_str!("../../../migrations/sqlite/0002_spans_by_start.sql")),
];

const CREATE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations (
    version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL) STRICT";

/// Brings the database to the newest schema, and says which it had and has. Safe to call by several processes at once.
pub(super) fn migrate(db: &mut Connection) -> Result<(i64, i64), StoreError> {
    let failed = |error| failed("applying the schema", error);
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    transaction.execute(CREATE_LEDGER, []).map_err(failed)?;
    let entries: Vec<(i64, String)> = transaction
        .prepare("SELECT version, name FROM schema_migrations ORDER BY version")
        .and_then(|mut statement| statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(failed)?;
    let applied = judge(&entries)?;
    for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > applied) {
        transaction.execute_batch(sql).map_err(failed)?;
        transaction
            .execute(
                "INSERT INTO schema_migrations (version, name, applied_at) VALUES (?, ?, datetime('now'))",
                (version, name),
            )
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    Ok((applied, newest()))
}

fn newest() -> i64 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

/// The version of a schema with these migrations, if they are ours.
fn judge(applied: &[(i64, String)]) -> Result<i64, StoreError> {
    let version = applied.last().map_or(0, |(version, _)| *version);
    if version > newest() {
        return Err(StoreError::permanent(format!(
            "sqlite: the database has schema {version}, this meshtap knows schemas up to {}; \
             run the version of meshtap that wrote it, or set store.sqlite.path to another file",
            newest()
        )));
    }
    let ours = |(version, name): &&(i64, String)| {
        MIGRATIONS.iter().any(|(known, its, _)| known == version && its == name)
    };
    match applied.iter().find(|migration| !ours(migration)) {
        None => Ok(version),
        Some((version, name)) => Err(StoreError::permanent(format!(
            "sqlite: the database has a migration {version} named {name}, which no released meshtap has; \
             set store.sqlite.path to another file"
        ))),
    }
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
        assert_eq!(migrate(&mut db).unwrap(), (0, newest()));
        assert_eq!(migrate(&mut db).unwrap(), (newest(), newest()));
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
        let stranger = judge(&[(1, "0001_spans".to_owned())]).unwrap_err();
        assert!(stranger.to_string().contains("named 0001_spans"), "{stranger}");
    }
}
