//! Spans that are in no row although the server took their batch for one that it has.
//!
//! A table of one server writes the token of an insert into its log of deduplication before the part of the insert is in
//! its place. A kill in between leaves the token alone, and the next attempt is dropped as a copy. So after an attempt
//! that was not the first one the rows are looked for. Replicated tables need none of this: Keeper takes the token and
//! the part together.

use std::collections::HashSet;

use clickhouse::Client;

use super::query;
use crate::model::{SpanKey, SpanRecord, TimeRange};
use crate::store::StoreError;

/// Spans that are looked for at once.
const CHUNK: usize = 1_000;

/// Those of the spans that have no row in the table.
pub(super) async fn from<'a>(
    client: &Client,
    table: &str,
    spans: impl Iterator<Item = &'a SpanRecord>,
) -> Result<Vec<&'a SpanRecord>, StoreError> {
    let mut wanted: Vec<&SpanRecord> = spans.collect();
    // Next to each other in time, each chunk reads little.
    wanted.sort_unstable_by_key(|span| span.key());
    let mut missing = Vec::new();
    for chunk in wanted.chunks(CHUNK) {
        let keys: Vec<SpanKey> = chunk.iter().map(|span| span.key()).collect();
        let found: HashSet<SpanKey> = query::stored(client, table, &keys, times(&keys)).await?;
        missing.extend(chunk.iter().filter(|span| !found.contains(&span.key())));
    }
    Ok(missing)
}

/// Of sorted keys.
fn times(keys: &[SpanKey]) -> TimeRange {
    let start = |key: &SpanKey| key.start_unix_nanos;
    TimeRange {
        from_unix_nanos: keys.first().map(start),
        to_unix_nanos: keys.last().map(|key| start(key).saturating_add(1)),
    }
}
