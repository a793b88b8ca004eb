//! The reference implementation: spans in memory, gone with the process. For tests and for trying things out.
//!
//! Holds at most a configured number of spans; beyond it the oldest make room, and are counted.

use std::cmp::Reverse;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::histogram::bucket;
use super::{
    Batch, Cutoffs, Expired, LatencyReport, LatencyRow, Order, Page, SpanFilter, SpanPage, SpanReader,
    SpanWriter, StoreError, TraceSpans, UsageQuery, UsageReport, UsageRow, Written, content,
};
use crate::model::{SpanKey, SpanRecord, TraceId};

#[derive(Debug)]
pub struct MemoryStore {
    max_spans: usize,
    spans: Mutex<Spans>,
}

#[derive(Debug, Default)]
struct Spans {
    by_key: BTreeMap<SpanKey, SpanRecord>,
}

impl MemoryStore {
    pub fn new(max_spans: usize) -> Self {
        Self { max_spans, spans: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Spans {
    /// Whether the span is new.
    fn insert(&mut self, span: &SpanRecord) -> bool {
        let Entry::Vacant(entry) = self.by_key.entry(span.key()) else { return false };
        entry.insert(span.clone());
        true
    }

    fn forget_content(&mut self, before_unix_nanos: u64) {
        let older = self.by_key.iter_mut().take_while(|(key, _)| key.start_unix_nanos < before_unix_nanos);
        for (_, span) in older.filter(|(_, span)| content::has_content(span)) {
            span.events = content::plain_events(span).to_vec();
            span.attributes.retain(|name, _| !content::is_content(name));
        }
    }

    /// The calls that match, with their interval and group.
    fn calls<'a>(&'a self, query: &'a UsageQuery) -> impl Iterator<Item = (Group<'a>, &'a SpanRecord)> {
        let matches = |span: &&SpanRecord| span.call_side() == Some(query.side) && query.filter.matches(span);
        self.by_key.values().filter(matches).map(|span| {
            let group = query.group_by.iter().map(|dimension| span.dimension(*dimension)).collect();
            ((query.interval_start(span.start_unix_nanos), group), span)
        })
    }

    fn evict_oldest(&mut self) {
        drop(self.by_key.pop_first());
    }
}

#[async_trait]
impl SpanWriter for MemoryStore {
    async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        let mut spans = self.lock();
        let mut written = Written::default();
        for (position, span) in batch.spans.iter().enumerate() {
            if !spans.insert(span) {
                written.duplicates.push(position);
            }
            if spans.by_key.len() > self.max_spans {
                spans.evict_oldest();
                written.evicted += 1;
            }
        }
        Ok(written)
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// There are no rollups: what spans no longer say, usage does not say either.
    async fn expire(&self, cutoffs: Cutoffs) -> Result<Expired, StoreError> {
        let mut spans = self.lock();
        let mut expired = Expired::default();
        let before = cutoffs.spans_unix_nanos.unwrap_or(0);
        while spans.by_key.first_key_value().is_some_and(|(key, _)| key.start_unix_nanos < before) {
            spans.evict_oldest();
            expired.spans += 1;
        }
        spans.forget_content(cutoffs.content_unix_nanos.unwrap_or(0));
        Ok(expired)
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl SpanReader for MemoryStore {
    async fn spans(&self, filter: &SpanFilter, page: &Page) -> Result<SpanPage, StoreError> {
        let spans = self.lock();
        let wanted = |span: &&SpanRecord| page.admits(&span.key()) && filter.matches(span);
        let found: Vec<SpanRecord> = match page.order {
            Order::NewestFirst => {
                spans.by_key.values().rev().filter(wanted).take(page.limit + 1).cloned().collect()
            }
            Order::OldestFirst => {
                spans.by_key.values().filter(wanted).take(page.limit + 1).cloned().collect()
            }
        };
        Ok(SpanPage::from_lookahead(found, page.limit))
    }

    async fn trace(&self, trace_id: TraceId, limit: usize) -> Result<TraceSpans, StoreError> {
        let spans = self.lock();
        let of_trace = spans.by_key.values().filter(|span| span.trace_id == trace_id);
        Ok(TraceSpans::from_lookahead(of_trace.take(limit + 1).cloned().collect(), limit))
    }

    async fn usage(&self, query: &UsageQuery) -> Result<UsageReport, StoreError> {
        let spans = self.lock();
        let mut groups: HashMap<Group<'_>, UsageRow> = HashMap::new();
        for (group, span) in spans.calls(query) {
            add(groups.entry(group).or_default(), span);
        }
        let mut rows: Vec<UsageRow> = groups
            .into_iter()
            .map(|((start_unix_nanos, group), row)| UsageRow {
                start_unix_nanos,
                group: owned(&group),
                ..row
            })
            .collect();
        rows.sort_by_key(|row| rank(row.start_unix_nanos, row.calls, &row.group));
        Ok(UsageReport::from_lookahead(rows, query.limit))
    }

    async fn latency(&self, query: &UsageQuery) -> Result<LatencyReport, StoreError> {
        let spans = self.lock();
        let mut groups: HashMap<Group<'_>, LatencyRow> = HashMap::new();
        for (group, span) in spans.calls(query) {
            let row = groups.entry(group).or_default();
            row.calls += 1;
            row.duration.add(bucket(span.duration_nanos()), 1);
            if let Some(nanos) = span.gen_ai.time_to_first_chunk_nanos {
                row.time_to_first_chunk.add(bucket(nanos), 1);
            }
        }
        let mut rows: Vec<LatencyRow> = groups
            .into_iter()
            .map(|((start_unix_nanos, group), row)| LatencyRow {
                start_unix_nanos,
                group: owned(&group),
                ..row
            })
            .collect();
        rows.sort_by_key(|row| rank(row.start_unix_nanos, row.calls, &row.group));
        Ok(LatencyReport::from_lookahead(rows, query.limit))
    }
}

/// The start of an interval, and one value for each dimension.
type Group<'a> = (Option<u64>, Vec<Option<&'a str>>);

fn owned(group: &[Option<&str>]) -> Vec<Option<String>> {
    group.iter().map(|value| value.map(str::to_owned)).collect()
}

type Rank = (Option<u64>, Reverse<u64>, Vec<(bool, Option<String>)>);

/// Earliest first, then most calls, then by group with the absent value last.
fn rank(start_unix_nanos: Option<u64>, calls: u64, group: &[Option<String>]) -> Rank {
    let absent_last = group.iter().map(|value| (value.is_none(), value.clone())).collect();
    (start_unix_nanos, Reverse(calls), absent_last)
}

fn add(row: &mut UsageRow, span: &SpanRecord) {
    let usage = &span.gen_ai.usage;
    row.calls += 1;
    row.errors += u64::from(span.is_error());
    row.calls_with_usage += u64::from(usage.is_known());
    add_count(&mut row.input_tokens, usage.input_tokens);
    add_count(&mut row.output_tokens, usage.output_tokens);
    add_count(&mut row.cache_read_input_tokens, usage.cache_read_input_tokens);
    add_count(&mut row.cache_creation_input_tokens, usage.cache_creation_input_tokens);
    add_count(&mut row.reasoning_output_tokens, usage.reasoning_output_tokens);
}

fn add_count(sum: &mut Option<u64>, count: Option<u64>) {
    if let Some(count) = count {
        *sum = Some(sum.unwrap_or(0).saturating_add(count));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::conformance;

    #[tokio::test]
    async fn conforms() {
        conformance::run(&MemoryStore::new(1_000_000)).await.unwrap();
    }

    #[tokio::test]
    async fn beyond_its_capacity_the_oldest_make_room_and_are_counted() {
        let store = MemoryStore::new(2);
        let batch: Vec<SpanRecord> = (1..=3).map(|n| conformance::plain_span(n, u64::from(n))).collect();
        assert_eq!(store.write(Batch::of(batch)).await.unwrap().evicted, 1);
        let page = Page { limit: 10, after: None, order: Order::OldestFirst };
        let starts: Vec<u64> = store
            .spans(&SpanFilter::default(), &page)
            .await
            .unwrap()
            .spans
            .iter()
            .map(|span| span.start_unix_nanos)
            .collect();
        assert_eq!(starts, [2, 3]);
        let cutoffs = Cutoffs { spans_unix_nanos: Some(3), ..Cutoffs::default() };
        assert_eq!(store.expire(cutoffs).await.unwrap(), Expired { spans: 1, more: false });
    }
}
