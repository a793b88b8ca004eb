//! Numbered migrations, recorded in `schema_migrations`, and the TTL.
//!
//! ClickHouse has no transactions over DDL: every statement of a migration is idempotent, and the entry is written
//! last, so that an interrupted migration is simply done again. Refuses a database that a newer version has written.

use std::time::Duration;

use clickhouse::Client;

use super::error::failed;
use crate::store::StoreError;

const MIGRATIONS: &[(u32, &str, &str)] =
    &[(1, "0001_spans", include_str!("../../../migrations/clickhouse/0001_spans.sql"))];

const CREATE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations
    (version UInt32, name String, applied_at DateTime DEFAULT now())
    ENGINE = ReplacingMergeTree ORDER BY version";

/// `server` is a client without a database, `client` one for the database to be made.
pub(super) async fn migrate(
    server: &Client,
    client: &Client,
    database: &str,
    retention: Option<Duration>,
) -> Result<(), StoreError> {
    create_database(server, database).await?;
    execute(client, CREATE_LEDGER).await?;
    let applied: u32 = client
        .query("SELECT max(version) FROM schema_migrations")
        .fetch_one()
        .await
        .map_err(|error| failed("reading the schema's version", error))?;
    refuse_newer(applied)?;
    for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > applied) {
        for statement in statements(sql) {
            execute(client, statement).await?;
        }
        execute(
            client,
            &format!("INSERT INTO schema_migrations (version, name) VALUES ({version}, '{name}')"),
        )
        .await?;
    }
    apply_retention(client, database, retention).await
}

/// A user without the right to create databases can use one that exists. The name has been checked with the
/// configuration.
async fn create_database(server: &Client, database: &str) -> Result<(), StoreError> {
    let exists: u64 = server
        .query("SELECT count() FROM system.databases WHERE name = {name:String}")
        .param("name", database)
        .fetch_one()
        .await
        .map_err(|error| failed("looking for the database", error))?;
    if exists == 0 {
        execute(server, &format!("CREATE DATABASE IF NOT EXISTS `{database}`")).await?;
    }
    Ok(())
}

fn refuse_newer(applied: u32) -> Result<(), StoreError> {
    let newest = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    if applied <= newest {
        return Ok(());
    }
    Err(StoreError::permanent(format!(
        "clickhouse: the database has schema {applied}, this meshtap knows schemas up to {newest}; \
         run the version of meshtap that wrote it, or set store.clickhouse.database to another one"
    )))
}

/// Changes the table only when its TTL is another one: the change rewrites what is stored.
async fn apply_retention(
    client: &Client,
    database: &str,
    retention: Option<Duration>,
) -> Result<(), StoreError> {
    let table: String = client
        .query("SELECT create_table_query FROM system.tables WHERE database = {database:String} AND name = 'spans'")
        .param("database", database)
        .fetch_one()
        .await
        .map_err(|error| failed("reading the table's TTL", error))?;
    let Some(retention) = retention else {
        return if table.contains(" TTL ") {
            execute(client, "ALTER TABLE spans REMOVE TTL").await
        } else {
            Ok(())
        };
    };
    let interval = format!("toIntervalSecond({})", retention.as_secs().max(1));
    if table.contains(&interval) {
        return Ok(());
    }
    // A DateTime ends in 2106: later spans expire as those of 2090.
    let ttl =
        format!("toDateTime(least(start_time, toDateTime64('2090-01-01 00:00:00', 9, 'UTC'))) + {interval}");
    execute(client, &format!("ALTER TABLE spans MODIFY TTL {ttl}")).await
}

async fn execute(client: &Client, sql: &str) -> Result<(), StoreError> {
    client.query_raw(sql).execute().await.map_err(|error| failed("applying the schema", error))
}

/// The statements of a file; each ends with a semicolon at the end of a line.
fn statements(sql: &str) -> impl Iterator<Item = &str> {
    sql.split(";\n").map(str::trim).filter(|statement| !statement.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps() {
        for (position, (version, name, sql)) in (1..).zip(MIGRATIONS) {
            assert_eq!(*version, position);
            assert!(name.starts_with(&format!("{version:04}_")), "{name}");
            assert!(statements(sql).all(|statement| statement.contains("IF NOT EXISTS")));
        }
        assert_eq!(statements("a;\nb ; c;\n\n").collect::<Vec<_>>(), ["a", "b ; c"]);
        assert!(!refuse_newer(99).unwrap_err().is_transient());
    }
}
