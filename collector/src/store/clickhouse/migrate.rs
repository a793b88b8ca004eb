//! Numbered migrations, recorded in `schema_migrations`, and the TTLs.
//!
//! ClickHouse has no transactions over DDL: every statement of a migration is idempotent, and the entry is written
//! last, so that an interrupted migration is simply done again. Refuses a database that a newer version has written.
//!
//! Of several collectors that start at the same time one holds `schema_lock` and the others wait: creating a table that
//! exists fails, which is the one thing that ClickHouse decides for all. A lock whose holder has gone is taken after
//! [`LOCK_EXPIRY`]. In a cluster the lock is that of the server spoken to; collectors at different servers may then
//! apply the same statements, which does no harm.

use std::time::Duration;

use clickhouse::{Client, Row};
use serde::Deserialize;

use super::error::{failed, number};
use super::layout::Layout;
use crate::config::Retention;
use crate::store::StoreError;

const MIGRATIONS: &[(u32, &str, &str)] = &[
    (1, "0001_spans_and_content", include_str!("../../../migrations/clickhouse/0001_spans_and_content.sql")),
    (2, "0002_rollups", include_str!("../../../migrations/clickhouse/0002_rollups.sql")),
    (3, "0003_content_by_start", include_str!("../../../migrations/clickhouse/0003_content_by_start.sql")),
];

const CREATE_LEDGER: &str = "CREATE TABLE IF NOT EXISTS schema_migrations{on_cluster} \
    (version UInt32, name String, applied_at DateTime DEFAULT now()) \
    ENGINE = {replicated}ReplacingMergeTree({everywhere,}applied_at) ORDER BY version;\n";

/// Longer than a statement of a migration takes.
const LOCK_EXPIRY: Duration = Duration::from_mins(2);
const LOCK_RETRY: Duration = Duration::from_millis(200);
const TABLE_ALREADY_EXISTS: u32 = 57;

/// By table: when a row is old. A DateTime ends in 2106, so later rows expire as those of 2090.
const AGES: [(&str, &str); 4] = [
    ("spans", "toDateTime(least(start_time, toDateTime64('2090-01-01 00:00:00', 9, 'UTC')))"),
    ("span_content", "toDateTime(least(start_time, toDateTime64('2090-01-01 00:00:00', 9, 'UTC')))"),
    ("usage_1m", "toDateTime(least(minute, 63115200) * 60, 'UTC')"),
    ("usage_users_1d", "toDateTime(least(day, 43829) * 86400, 'UTC')"),
];

/// How far the schema is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    pub before: u32,
    pub now: u32,
}

pub(super) struct Migrator<'a> {
    /// A client without a database.
    pub(super) server: &'a Client,
    /// One for the database to be made.
    pub(super) client: &'a Client,
    pub(super) database: &'a str,
    pub(super) layout: &'a Layout,
    pub(super) retention: Retention,
    /// Who holds the lock.
    pub(super) holder: &'a str,
}

impl Migrator<'_> {
    /// Brings the schema to the newest version, and the TTLs to what is configured.
    pub(super) async fn migrate(&self) -> Result<Version, StoreError> {
        self.create_database().await?;
        let before = self.version().await?;
        let changes = self.ttl_changes().await?;
        if before == newest() && changes.is_empty() {
            return Ok(Version { before, now: before });
        }
        self.lock().await?;
        let outcome = self.apply().await;
        self.unlock().await?;
        outcome?;
        Ok(Version { before, now: newest() })
    }

    /// Fails when the schema is not the one that this version writes.
    pub(super) async fn check(&self) -> Result<(), StoreError> {
        let found = self.version().await?;
        if found == newest() {
            return Ok(());
        }
        Err(StoreError::permanent(format!(
            "clickhouse: the database {} has schema {found}, this meshtap writes schema {}; run `meshtap migrate` \
             as a user who may change tables, or set store.clickhouse.migrate to true",
            self.database,
            newest()
        )))
    }

    /// A user without the right to create databases can use one that exists. The name has been checked with the
    /// configuration.
    async fn create_database(&self) -> Result<(), StoreError> {
        let exists: u64 = self
            .server
            .query("SELECT count() FROM system.databases WHERE name = {name:String}")
            .param("name", self.database)
            .fetch_one()
            .await
            .map_err(|error| failed("looking for the database", error))?;
        if exists == 0 {
            execute(self.server, &self.layout.create_database()).await?;
        }
        Ok(())
    }

    /// 0 for a database without a schema.
    async fn version(&self) -> Result<u32, StoreError> {
        if !self.tables().await?.iter().any(|table| table.name == "schema_migrations") {
            return Ok(0);
        }
        let applied: Vec<(u32, String)> = self
            .client
            .query("SELECT version, name FROM schema_migrations FINAL ORDER BY version")
            .fetch_all()
            .await
            .map_err(|error| failed("reading the schema's version", error))?;
        judge(&applied)
    }

    async fn apply(&self) -> Result<(), StoreError> {
        for statement in self.layout.statements(CREATE_LEDGER) {
            execute(self.client, &statement).await?;
        }
        // Another collector may have been quicker.
        let applied = self.version().await?;
        for (version, name, sql) in MIGRATIONS.iter().filter(|(version, ..)| *version > applied) {
            for statement in self.layout.statements(sql) {
                execute(self.client, &statement).await?;
            }
            if *version == newest() {
                self.create_distributed().await?;
            }
            execute(
                self.client,
                &format!("INSERT INTO schema_migrations (version, name) VALUES ({version}, '{name}')"),
            )
            .await?;
        }
        for statement in self.ttl_changes().await? {
            execute(self.client, &statement).await?;
        }
        Ok(())
    }

    async fn create_distributed(&self) -> Result<(), StoreError> {
        for statement in self.layout.distributed() {
            execute(self.client, &statement).await?;
        }
        Ok(())
    }

    /// What has to be changed: a change rewrites what is stored.
    async fn ttl_changes(&self) -> Result<Vec<String>, StoreError> {
        let tables = self.tables().await?;
        let changes = AGES.iter().filter_map(|(name, age)| {
            let local = self.layout.local(name);
            let table = tables.iter().find(|table| table.name == local)?;
            let retention = match *name {
                "spans" => self.retention.spans,
                "span_content" => self.retention.content,
                _ => self.retention.rollups,
            };
            let change = ttl_change(&table.create_table_query, age, retention)?;
            Some(format!("ALTER TABLE {local}{} {change}", self.layout.on_cluster()))
        });
        Ok(changes.collect())
    }

    async fn tables(&self) -> Result<Vec<Table>, StoreError> {
        self.server
            .query(
                "SELECT name, create_table_query, comment, \
                 toUInt64(greatest(0, now() - metadata_modification_time)) AS age_seconds \
                 FROM system.tables WHERE database = {database:String}",
            )
            .param("database", self.database)
            .fetch_all()
            .await
            .map_err(|error| failed("reading the tables", error))
    }

    async fn lock(&self) -> Result<(), StoreError> {
        let create =
            format!("CREATE TABLE schema_lock (holder String) ENGINE = Memory COMMENT '{}'", self.holder);
        loop {
            match self.client.query_raw(&create).execute().await {
                Ok(()) => return Ok(()),
                Err(error) if number(&error) == Some(TABLE_ALREADY_EXISTS) => {}
                Err(error) => return Err(failed("locking the schema", error)),
            }
            let tables = self.tables().await?;
            match tables.iter().find(|table| table.name == "schema_lock") {
                // Left by an attempt of ours that was cut short.
                Some(lock) if lock.comment == self.holder => return Ok(()),
                Some(lock) if Duration::from_secs(lock.age_seconds) > LOCK_EXPIRY => self.unlock().await?,
                Some(_) => tokio::time::sleep(LOCK_RETRY).await,
                None => {}
            }
        }
    }

    async fn unlock(&self) -> Result<(), StoreError> {
        execute(self.client, "DROP TABLE IF EXISTS schema_lock SYNC").await
    }
}

#[derive(Row, Deserialize)]
struct Table {
    name: String,
    create_table_query: String,
    comment: String,
    age_seconds: u64,
}

/// Every statement that makes the schema, as it is sent.
pub(super) fn script(layout: &Layout) -> Vec<String> {
    let mut statements = vec![layout.create_database()];
    statements.extend(layout.statements(CREATE_LEDGER));
    for (version, name, sql) in MIGRATIONS {
        statements.extend(layout.statements(sql));
        if *version == newest() {
            statements.extend(layout.distributed());
        }
        statements
            .push(format!("INSERT INTO schema_migrations (version, name) VALUES ({version}, '{name}')"));
    }
    statements
}

fn newest() -> u32 {
    MIGRATIONS.last().map_or(0, |(version, ..)| *version)
}

/// The version of a schema with these migrations, if they are ours.
fn judge(applied: &[(u32, String)]) -> Result<u32, StoreError> {
    let version = applied.last().map_or(0, |(version, _)| *version);
    let ours = |(version, name): &(u32, String)| {
        MIGRATIONS.iter().any(|(known, its, _)| known == version && its == name)
    };
    if version > newest() {
        return Err(StoreError::permanent(format!(
            "clickhouse: the database has schema {version}, this meshtap knows schemas up to {}; \
             run the version of meshtap that wrote it, or set store.clickhouse.database to another one",
            newest()
        )));
    }
    match applied.iter().find(|migration| !ours(migration)) {
        None => Ok(version),
        Some((version, name)) => Err(StoreError::permanent(format!(
            "clickhouse: the database has a migration {version} named {name}, which no released meshtap has; \
             set store.clickhouse.database to another one"
        ))),
    }
}

fn ttl_change(create_table: &str, age: &str, retention: Option<Duration>) -> Option<String> {
    let Some(retention) = retention else {
        return create_table.contains(" TTL ").then(|| "REMOVE TTL".to_owned());
    };
    let interval = format!("toIntervalSecond({})", retention.as_secs().max(1));
    (!create_table.contains(&interval)).then(|| format!("MODIFY TTL {age} + {interval}"))
}

async fn execute(client: &Client, sql: &str) -> Result<(), StoreError> {
    client.query_raw(sql).execute().await.map_err(|error| failed("applying the schema", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_numbered_without_gaps_and_may_be_repeated() {
        let layout = Layout::of(&crate::config::ClickHouse::default());
        for (position, (version, name, sql)) in (1..).zip(MIGRATIONS) {
            assert_eq!(*version, position);
            assert!(name.starts_with(&format!("{version:04}_")), "{name}");
            for statement in layout.statements(sql) {
                assert!(statement.contains("IF NOT EXISTS") && !statement.contains('{'), "{statement}");
            }
        }
    }

    #[test]
    fn only_our_own_schemas_are_used() {
        let entry = |version, name: &str| (version, name.to_owned());
        assert_eq!(judge(&[]).unwrap(), 0);
        assert_eq!(judge(&[entry(1, MIGRATIONS[0].1)]).unwrap(), 1);
        assert!(judge(&[entry(1, "0001_spans")]).unwrap_err().to_string().contains("named 0001_spans"));
        let newer = judge(&[entry(99, "0099_future")]).unwrap_err();
        assert!(!newer.is_transient() && newer.to_string().contains("schema 99"), "{newer}");
    }

    #[test]
    fn a_ttl_is_changed_only_when_it_is_another() {
        let day = Some(Duration::from_hours(24));
        assert_eq!(ttl_change("CREATE …", "t", None), None);
        assert_eq!(ttl_change("… TTL t + toIntervalSecond(5)", "t", None).unwrap(), "REMOVE TTL");
        assert_eq!(ttl_change("CREATE …", "t", day).unwrap(), "MODIFY TTL t + toIntervalSecond(86400)");
        assert_eq!(ttl_change("… TTL t + toIntervalSecond(86400)", "t", day), None);
    }
}
