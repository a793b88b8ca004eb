//! One batch, one insert, with a token that makes it safe to send again.

use std::time::{SystemTime, UNIX_EPOCH};

use clickhouse::Client;
use sha2::{Digest as _, Sha256};

use super::error::failed;
use super::row::SpanRow;
use crate::hex::Hex;
use crate::model::SpanRecord;
use crate::store::StoreError;

pub(super) async fn insert(client: &Client, spans: &[&SpanRecord]) -> Result<(), StoreError> {
    let failed = |error| failed("inserting a batch", error);
    let version = version();
    let mut insert = client
        .insert::<SpanRow>("spans")
        .await
        .map_err(failed)?
        .with_setting("insert_deduplicate", "1")
        .with_setting("insert_deduplication_token", token(spans))
        .with_setting("deduplicate_blocks_in_dependent_materialized_views", "1")
        // Spans of many days may come together, when old exchanges are replayed.
        .with_setting("max_partitions_per_insert_block", "0");
    for span in spans {
        insert.write(&SpanRow::new(span, version)).await.map_err(failed)?;
    }
    insert.end().await.map_err(failed)
}

/// Falls with time: of two rows for one span, the table keeps the one with the largest version, the first one stored.
fn version() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::MAX - u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The same for the same spans in the same order.
fn token(spans: &[&SpanRecord]) -> String {
    let mut digest = Sha256::new();
    for span in spans {
        digest.update(span.trace_id.0);
        digest.update(span.span_id.0);
    }
    Hex(&digest.finalize()).to_string()
}
