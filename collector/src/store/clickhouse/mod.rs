//! The store for production: a ClickHouse server, by URL.
//!
//! An insert is synchronous (`async_insert=0`) and carries the batch's token, so that a batch sent again after a lost
//! answer is stored once, in rows and in rollups. Spans that come again in another batch are recognized from memory
//! (`remembered`) or stored once more: a merge removes what has the same sorting key, and every read looks only at the
//! first copy (`query`, `rollup`). Rollups, which count both, are corrected (`check`), and not read before that.
//!
//! ClickHouse expires spans by itself, by a TTL.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clickhouse::Client;

use self::error::failed;
use self::insert::Inserter;
use self::layout::Layout;
use self::migrate::Migrator;
pub use self::migrate::Version;
use self::remembered::Remembered;
use super::{
    Batch, Cutoffs, Expired, LatencyReport, Page, RollupCheck, SpanFilter, SpanPage, SpanReader, SpanWriter,
    StoreError, TraceSpans, UsageQuery, UsageReport, Written,
};
use crate::config::{self, Retention};
use crate::model::TraceId;

mod check;
mod connection;
mod error;
mod insert;
mod layout;
mod migrate;
mod missing;
mod query;
mod remembered;
mod rollup;
mod row;
mod usage;

pub struct ClickHouseStore {
    /// Names no database: to make it.
    server: Client,
    /// For the database. It remembers the table's columns, for inserts.
    client: Client,
    database: String,
    layout: Layout,
    timeout: Duration,
    retention: Retention,
    /// Whether the schema is ours to change.
    migrate: bool,
    /// Under which name the schema is locked.
    holder: String,
    remembered: Mutex<Remembered>,
}

impl ClickHouseStore {
    /// With the schema in place.
    ///
    /// # Errors
    /// Those of [`Self::new`] and [`Self::prepare`].
    pub async fn open(config: &config::ClickHouse, retention: Retention) -> Result<Self, StoreError> {
        let store = Self::new(config, retention)?;
        store.prepare().await?;
        Ok(store)
    }

    /// Speaks to nobody yet.
    ///
    /// # Errors
    /// Permanent: a certificate that cannot be read.
    pub fn new(config: &config::ClickHouse, retention: Retention) -> Result<Self, StoreError> {
        let server = connection::client(config)?;
        Ok(Self {
            client: server.clone().with_database(&config.database),
            server,
            database: config.database.clone(),
            layout: Layout::of(config),
            timeout: config.timeout,
            retention,
            migrate: config.migrate,
            holder: format!("{:032x}", fastrand::u128(..)),
            remembered: Mutex::new(Remembered::new(config.remembered_spans)),
        })
    }

    /// Brings the schema to the newest version, however long it takes.
    pub async fn migrate(config: &config::ClickHouse, retention: Retention) -> Result<Version, StoreError> {
        Self::new(config, retention)?.migrator().migrate().await
    }

    /// The statements that make the schema, for whoever applies them in another way.
    pub fn schema(config: &config::ClickHouse) -> Vec<String> {
        migrate::script(&Layout::of(config))
    }

    fn migrator(&self) -> Migrator<'_> {
        Migrator {
            server: &self.server,
            client: &self.client,
            database: &self.database,
            layout: &self.layout,
            retention: self.retention,
            holder: &self.holder,
        }
    }

    /// Applies the schema, or finds that it is there. May be tried again: an attempt that was cut short has left its lock
    /// to this store.
    ///
    /// # Errors
    /// Transient while the server is away; others for wrong credentials, missing rights, a schema newer than this
    /// version's.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        let migrator = self.migrator();
        let prepared =
            async { if self.migrate { migrator.migrate().await.map(drop) } else { migrator.check().await } };
        self.in_time("applying the schema", prepared).await
    }

    async fn in_time<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| {
            let millis = self.timeout.as_millis();
            Err(StoreError::overloaded(format!(
                "clickhouse: {doing}: no answer within {millis} ms (store.clickhouse.timeout)"
            )))
        })
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl SpanWriter for ClickHouseStore {
    async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        let (fresh, duplicates) = self.remembered().split(&batch.spans);
        if !fresh.is_empty() {
            let client = &self.client;
            let inserter = Inserter { client, distributed: self.layout.is_cluster() };
            self.in_time("inserting a batch", inserter.insert(&batch.token, &fresh)).await?;
            if batch.again && !self.layout.is_replicated() {
                self.in_time("completing a batch", inserter.complete(&batch.token, &fresh)).await?;
            }
            self.remembered().add(&fresh);
        }
        Ok(Written { duplicates, evicted: 0 })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let client = &self.client;
        let ping = async {
            client.query("SELECT 1").execute().await.map_err(|error| failed("answering a ping", error))
        };
        self.in_time("answering a ping", ping).await
    }

    async fn expire(&self, _: Cutoffs) -> Result<Expired, StoreError> {
        Ok(Expired::default())
    }

    async fn check_rollups(&self) -> Result<RollupCheck, StoreError> {
        let client = &self.client;
        check::check(client, self.retention, self.layout.is_cluster()).await
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl SpanReader for ClickHouseStore {
    async fn spans(&self, filter: &SpanFilter, page: &Page) -> Result<SpanPage, StoreError> {
        let client = &self.client;
        let spans = self.in_time("reading spans", query::spans(client, filter, page)).await?;
        Ok(SpanPage::from_lookahead(spans, page.limit))
    }

    async fn trace(&self, trace_id: TraceId, limit: usize) -> Result<TraceSpans, StoreError> {
        let client = &self.client;
        let spans = self.in_time("reading a trace", query::trace(client, trace_id, limit)).await?;
        Ok(TraceSpans::from_lookahead(spans, limit))
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        let client = &self.client;
        let rows = self.in_time("summing usage", usage::usage(client, self.retention, query)).await?;
        Ok(UsageReport::from_lookahead(rows, query.limit))
    }

    async fn latency(&self, query: &UsageQuery) -> Result<LatencyReport, StoreError> {
        let client = &self.client;
        let rows = self.in_time("summing latencies", usage::latency(client, self.retention, query)).await?;
        Ok(LatencyReport::from_lookahead(rows, query.limit))
    }
}

#[cfg(test)]
mod tests;
