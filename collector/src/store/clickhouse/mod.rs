//! The store for production: a ClickHouse server, by URL.
//!
//! An insert is synchronous (`async_insert=0`) and carries a token made of the batch's ids, so that a batch sent again
//! after a lost answer is stored once. Spans that come again in another batch are recognized from memory (`remembered`)
//! or fall together in a merge; until then, reads show them once (`LIMIT 1 BY`).
//!
//! The server may be away when the collector starts: the schema is then applied with the first operation that reaches
//! it. ClickHouse expires spans by itself, by a TTL.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use clickhouse::Client;
use tokio::sync::OnceCell;
use tracing::warn;

use self::error::failed;
use self::remembered::Remembered;
use super::{
    Batch, Page, SpanFilter, SpanPage, SpanReader, SpanWriter, StoreError, TraceSpans, UsageQuery,
    UsageReport, Written,
};
use crate::config;
use crate::model::TraceId;

mod error;
mod insert;
mod migrate;
mod query;
mod remembered;
mod row;

pub struct ClickHouseStore {
    /// Names no database: to make it.
    server: Client,
    /// For the database. It remembers the table's columns, for inserts.
    client: Client,
    database: String,
    timeout: Duration,
    retention: Option<Duration>,
    schema: OnceCell<()>,
    remembered: Mutex<Remembered>,
}

impl ClickHouseStore {
    /// Applies the schema if the server can be reached.
    ///
    /// # Errors
    /// Only what will not pass by itself: wrong credentials, missing rights, a schema newer than this version's.
    pub async fn open(config: &config::ClickHouse, retention: Option<Duration>) -> Result<Self, StoreError> {
        let server = client(config);
        let store = Self {
            client: server.clone().with_database(&config.database),
            server,
            database: config.database.clone(),
            timeout: config.timeout,
            retention,
            schema: OnceCell::new(),
            remembered: Mutex::new(Remembered::new(config.remembered_spans)),
        };
        match store.client().await {
            Err(error) if error.is_transient() => {
                warn!(error = error.chain(), "clickhouse cannot be reached yet; it is tried again");
            }
            outcome => {
                outcome?;
            }
        }
        Ok(store)
    }

    /// The client for the database, once the schema is in place.
    async fn client(&self) -> Result<&Client, StoreError> {
        let migrate = || migrate::migrate(&self.server, &self.client, &self.database, self.retention);
        self.in_time("applying the schema", self.schema.get_or_try_init(migrate)).await?;
        Ok(&self.client)
    }

    async fn in_time<T>(
        &self,
        doing: &str,
        work: impl Future<Output = Result<T, StoreError>> + Send,
    ) -> Result<T, StoreError> {
        tokio::time::timeout(self.timeout, work).await.unwrap_or_else(|_| {
            let millis = self.timeout.as_millis();
            Err(StoreError::transient(format!(
                "clickhouse: {doing}: no answer within {millis} ms (store.clickhouse.timeout)"
            )))
        })
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn client(config: &config::ClickHouse) -> Client {
    Client::default()
        .with_url(&config.url)
        .with_user(&config.user)
        .with_password(config.password.expose())
        .with_product_info("meshtap", env!("CARGO_PKG_VERSION"))
        .with_setting("async_insert", "0")
}

#[async_trait]
impl SpanWriter for ClickHouseStore {
    async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        let (fresh, duplicates) = self.remembered().split(&batch.spans);
        if !fresh.is_empty() {
            let client = self.client().await?;
            self.in_time("inserting a batch", insert::insert(client, &fresh)).await?;
            self.remembered().add(&fresh);
        }
        Ok(Written { duplicates, evicted: 0 })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let client = self.client().await?;
        let ping = async {
            client.query("SELECT 1").execute().await.map_err(|error| failed("answering a ping", error))
        };
        self.in_time("answering a ping", ping).await
    }

    async fn expire(&self, _before_unix_nanos: u64) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl SpanReader for ClickHouseStore {
    async fn spans(&self, filter: &SpanFilter, page: &Page) -> Result<SpanPage, StoreError> {
        let client = self.client().await?;
        let spans = self.in_time("reading spans", query::spans(client, filter, page)).await?;
        Ok(SpanPage::from_lookahead(spans, page.limit))
    }

    async fn trace(&self, trace_id: TraceId, limit: usize) -> Result<TraceSpans, StoreError> {
        let client = self.client().await?;
        let spans = self.in_time("reading a trace", query::trace(client, trace_id, limit)).await?;
        Ok(TraceSpans::from_lookahead(spans, limit))
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        let client = self.client().await?;
        let rows = self.in_time("summing usage", query::usage(client, query)).await?;
        Ok(UsageReport::from_lookahead(rows, query.limit))
    }
}

#[cfg(test)]
mod tests;
