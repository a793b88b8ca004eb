//! One batch: its content, then its spans, each in one insert with the batch's token, which makes them safe to send
//! again. A span that can be seen has its content.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use clickhouse::Client;
use clickhouse::insert::Insert;
use tracing::warn;

use super::error::failed;
use super::missing;
use super::row::{ContentRow, SpanRow, Texts};
use crate::model::{Attributes, SpanRecord};
use crate::store::StoreError;
use crate::store::content::has_content;
use crate::store::encode::json_text;

/// How batches are sent.
pub(super) struct Inserter<'a> {
    pub(super) client: &'a Client,
    /// Into tables over several shards: the answer comes when all of them have their rows.
    pub(super) distributed: bool,
}

impl Inserter<'_> {
    /// `spans` may leave out some of the batch, which are stored already: the token stands for the batch all the same.
    /// A server that has seen it drops what comes; one that has not takes what is missing.
    pub(super) async fn insert(&self, token: &str, spans: &[&SpanRecord]) -> Result<(), StoreError> {
        let version = version();
        self.insert_content(token, spans, version).await?;
        self.insert_spans(token, spans, version).await
    }

    /// What the server has dropped as a copy, and has not: see [`missing`]; almost always nothing. Sums that had it count
    /// it twice until they are checked.
    pub(super) async fn complete(&self, token: &str, spans: &[&SpanRecord]) -> Result<(), StoreError> {
        let version = version();
        let own_token = format!("{token}-{version:x}");
        let with_content = spans.iter().copied().filter(|span| has_content(span));
        let without_content = missing::from(self.client, "span_content", with_content).await?;
        self.insert_content(&own_token, &without_content, version).await?;
        let without_row = missing::from(self.client, "spans", spans.iter().copied()).await?;
        if !without_row.is_empty() {
            let missing = without_row.len();
            warn!(
                token,
                missing, "ClickHouse took a batch for a copy and had not all of it; the rest is sent again"
            );
            self.insert_spans(&own_token, &without_row, version).await?;
        }
        Ok(())
    }

    async fn insert_spans(&self, token: &str, spans: &[&SpanRecord], version: u64) -> Result<(), StoreError> {
        let failed = |error| failed("inserting a batch", error);
        let insert = self.client.insert::<SpanRow<'_>>("spans").await.map_err(failed)?;
        let mut insert = self.settings(insert, token);
        let (mut resource, mut texts) = (ResourceText::default(), Texts::default());
        for span in spans {
            let row = SpanRow::new(span, resource.of(&span.resource), &mut texts, version);
            insert.write(&row).await.map_err(failed)?;
        }
        insert.end().await.map_err(failed)
    }

    async fn insert_content(
        &self,
        token: &str,
        spans: &[&SpanRecord],
        version: u64,
    ) -> Result<(), StoreError> {
        if !spans.iter().any(|span| has_content(span)) {
            return Ok(());
        }
        let failed = |error| failed("inserting the content of a batch", error);
        let insert = self.client.insert::<ContentRow>("span_content").await.map_err(failed)?;
        let mut insert = self.settings(insert, token);
        for span in spans {
            if let Some(row) = ContentRow::new(span, version) {
                insert.write(&row).await.map_err(failed)?;
            }
        }
        insert.end().await.map_err(failed)
    }

    fn settings<T>(&self, insert: Insert<T>, token: &str) -> Insert<T> {
        let insert = insert
            .with_setting("insert_deduplicate", "1")
            .with_setting("insert_deduplication_token", token)
            .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
            // Spans of many days may come together, when old exchanges are replayed.
            .with_setting("max_partitions_per_insert_block", "0");
        if self.distributed { insert.with_setting("distributed_foreground_insert", "1") } else { insert }
    }
}

/// The JSON text of the resource that was asked for last: spans of one resource come together.
#[derive(Default)]
struct ResourceText {
    last: Option<(Arc<Attributes>, String)>,
}

impl ResourceText {
    fn of(&mut self, resource: &Arc<Attributes>) -> &str {
        if self.last.as_ref().is_none_or(|(last, _)| !Arc::ptr_eq(last, resource)) {
            self.last = Some((Arc::clone(resource), json_text(&**resource)));
        }
        self.last.as_ref().map_or("{}", |(_, text)| text)
    }
}

/// Falls with time: of two rows for one span, the table keeps the one with the largest version, the first one stored.
fn version() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::MAX - u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
