//! The reference implementation: spans in memory, gone with the process. For tests and for trying things out.
//!
//! Holds at most a configured number of spans; beyond it the oldest make room, and are counted.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Batch, Order, Page, SpanFilter, SpanPage, SpanReader, SpanWriter, StoreError, TraceSpans, UsageQuery,
    UsageReport, UsageRow, Written,
};
use crate::model::{SpanId, SpanKey, SpanRecord, TraceId};

#[derive(Debug)]
pub struct MemoryStore {
    max_spans: usize,
    spans: Mutex<Spans>,
}

#[derive(Debug, Default)]
struct Spans {
    by_key: BTreeMap<SpanKey, SpanRecord>,
    starts: HashMap<(TraceId, SpanId), u64>,
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
        let Entry::Vacant(entry) = self.starts.entry((span.trace_id, span.span_id)) else { return false };
        entry.insert(span.start_unix_nanos);
        self.by_key.insert(span.key(), span.clone());
        true
    }

    fn evict_oldest(&mut self) {
        if let Some((key, _)) = self.by_key.pop_first() {
            self.starts.remove(&(key.trace_id, key.span_id));
        }
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

    async fn expire(&self, before_unix_nanos: u64) -> Result<u64, StoreError> {
        let mut spans = self.lock();
        let mut expired = 0;
        while spans.by_key.first_key_value().is_some_and(|(key, _)| key.start_unix_nanos < before_unix_nanos)
        {
            spans.evict_oldest();
            expired += 1;
        }
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
        let mut groups: HashMap<Vec<Option<&str>>, UsageRow> = HashMap::new();
        let calls = spans
            .by_key
            .values()
            .filter(|span| span.call_side() == Some(query.side) && query.filter.matches(span));
        for span in calls {
            let group = query.group_by.iter().map(|dimension| span.dimension(*dimension)).collect();
            add(groups.entry(group).or_default(), span);
        }
        let mut rows: Vec<UsageRow> =
            groups.into_iter().map(|(group, row)| UsageRow { group: owned(&group), ..row }).collect();
        rows.sort_by(most_calls_first);
        Ok(UsageReport::from_lookahead(rows, query.limit))
    }
}

fn owned(group: &[Option<&str>]) -> Vec<Option<String>> {
    group.iter().map(|value| value.map(str::to_owned)).collect()
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

fn most_calls_first(a: &UsageRow, b: &UsageRow) -> Ordering {
    let absent_last = |row: &UsageRow| -> Vec<(bool, Option<String>)> {
        row.group.iter().map(|value| (value.is_none(), value.clone())).collect()
    };
    b.calls.cmp(&a.calls).then_with(|| absent_last(a).cmp(&absent_last(b)))
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
        assert_eq!(store.expire(3).await.unwrap(), 1);
    }
}
