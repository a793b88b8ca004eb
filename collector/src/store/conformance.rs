//! The suite that every store passes, against whatever implementation it is given.
//!
//! It writes spans with ids and service names of its own, with times around now, so that a store may hold other spans
//! and may expire old ones. A failure names the case and what differed.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Batch, Order, Page, SpanFilter, Store, StoreError, UsageQuery, UsageReport, UsageRow, Written};
use crate::model::{
    Attributes, CallSide, Dimension, GenAi, MAX_COUNT, MAX_UNIX_NANOS, Origin, SpanId, SpanKind, SpanRecord,
    StatusCode, TimeRange, TraceId, Usage,
};

/// Runs every case.
///
/// # Errors
/// The first case that fails, with its name.
pub async fn run(store: &dyn Store) -> Result<(), String> {
    let suite = Suite { store, base: now() };
    suite.named("empty batch", suite.empty_batch().await)?;
    suite.named("round trip", suite.round_trip().await)?;
    suite.named("absent is not zero", suite.absent_is_not_zero().await)?;
    suite.named("largest values", suite.largest_values().await)?;
    suite.named("awkward strings", suite.awkward_strings().await)?;
    suite.named("odd attributes", suite.odd_attributes().await)?;
    suite.named("duplicates in a batch", suite.duplicates_in_a_batch().await)?;
    suite.named("duplicates across batches", suite.duplicates_across_batches().await)?;
    suite.named("duplicates do not count twice", suite.duplicates_do_not_count_twice().await)?;
    suite.named("copies that say something else", suite.copies_that_say_something_else().await)?;
    suite.named("the same ids with another start", suite.same_ids_with_another_start().await)?;
    suite.named("pages", suite.pages(Order::NewestFirst).await)?;
    suite.named("pages, oldest first", suite.pages(Order::OldestFirst).await)?;
    suite.named("pages under inserts", suite.pages_under_inserts().await)?;
    suite.named("filters", suite.filters().await)?;
    suite.named("time ranges", suite.time_ranges().await)?;
    suite.named("traces", suite.traces().await)?;
    suite.named("usage", suite.usage().await)?;
    suite.named("usage by two dimensions", suite.usage_by_two().await)?;
    suite.named("usage sums beyond 64 bits", suite.usage_saturates().await)?;
    suite.named("usage by time", suite.usage_by_time().await)?;
    suite.named("latency", suite.latency().await)?;
    suite.named("sums", suite.sums_are_those_of_the_reference().await)?;
    suite.named("ping", store.ping().await.map_err(failure))
}

/// A plain span with the given id and start.
pub fn plain_span(id: u8, start_unix_nanos: u64) -> SpanRecord {
    SpanRecord {
        trace_id: TraceId([id; 16]),
        span_id: SpanId([id; 8]),
        parent_span_id: None,
        name: format!("span {id}"),
        kind: SpanKind::Internal,
        start_unix_nanos,
        end_unix_nanos: start_unix_nanos + 1,
        status: StatusCode::Unset,
        status_message: None,
        trace_state: None,
        scope_name: None,
        scope_version: None,
        origin: Origin::default(),
        gen_ai: GenAi::default(),
        error_type: None,
        http_status_code: None,
        attributes: Attributes::new(),
        resource: Arc::default(),
        events: Vec::new(),
        links: Vec::new(),
    }
}

mod copies;
mod sums;

type Outcome = Result<(), String>;

#[expect(clippy::needless_pass_by_value, reason = "fits `map_err`")]
fn failure(error: StoreError) -> String {
    error.chain()
}

fn check<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(format!("{what}\n   found: {found:?}\nexpected: {expected:?}"))
}

/// Nanoseconds since the epoch; ids below are derived from it, so that runs do not meet.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(MAX_UNIX_NANOS / 2)
}

struct Suite<'a> {
    store: &'a dyn Store,
    base: u64,
}

impl Suite<'_> {
    #[expect(clippy::unused_self, reason = "reads as one list in `run`")]
    fn named(&self, case: &str, outcome: Outcome) -> Outcome {
        outcome.map_err(|error| format!("store conformance, {case}: {error}"))
    }

    /// A span of its own service, `offset` nanoseconds after the base, whose trace is that of the case.
    fn span(&self, case: u16, number: u16, offset: u64) -> SpanRecord {
        let mut trace_id = [0; 16];
        trace_id[..8].copy_from_slice(&self.base.to_be_bytes());
        trace_id[14..].copy_from_slice(&case.to_be_bytes());
        let mut span_id = [0xab; 8];
        span_id[6..].copy_from_slice(&number.to_be_bytes());
        let start = self.base + offset;
        SpanRecord {
            trace_id: TraceId(trace_id),
            span_id: SpanId(span_id),
            origin: Origin { service_name: Some(self.service(case)), ..Origin::default() },
            ..plain_span(0, start)
        }
    }

    /// A model call from outside, by the given model.
    fn call(&self, case: u16, number: u16, model: Option<&str>) -> SpanRecord {
        let mut span = self.span(case, number, u64::from(number));
        span.kind = SpanKind::Client;
        span.gen_ai.operation_name = Some("chat".to_owned());
        span.gen_ai.request_model = model.map(str::to_owned);
        span
    }

    fn service(&self, case: u16) -> String {
        format!("conformance-{}-{case}", self.base)
    }

    fn filter(&self, case: u16) -> SpanFilter {
        SpanFilter { equals: vec![(Dimension::Service, self.service(case))], ..SpanFilter::default() }
    }

    async fn write(&self, spans: &[SpanRecord]) -> Result<Written, String> {
        self.store.write(Batch::of(spans)).await.map_err(failure)
    }

    async fn trace(&self, trace_id: TraceId) -> Result<Vec<SpanRecord>, String> {
        Ok(self.store.trace(trace_id, 1000).await.map_err(failure)?.spans)
    }

    async fn list(&self, filter: &SpanFilter) -> Result<Vec<SpanRecord>, String> {
        let page = Page { limit: 1000, after: None, order: Order::OldestFirst };
        Ok(self.store.spans(filter, &page).await.map_err(failure)?.spans)
    }

    async fn usage_of(&self, case: u16, group_by: &[Dimension], limit: usize) -> Result<UsageReport, String> {
        let query = UsageQuery {
            group_by: group_by.to_vec(),
            filter: self.filter(case),
            side: CallSide::Outbound,
            interval_nanos: None,
            limit,
        };
        self.store.usage(&query).await.map_err(failure)
    }

    async fn stored_as_given(&self, spans: &[SpanRecord]) -> Outcome {
        self.write(spans).await?;
        for span in spans {
            let found = self.trace(span.trace_id).await?;
            let found = found.iter().find(|found| found.span_id == span.span_id);
            check("the span read from its trace", &found, &Some(span))?;
        }
        Ok(())
    }

    async fn empty_batch(&self) -> Outcome {
        check("written", &self.write(&[]).await?, &Written::default())
    }

    async fn round_trip(&self) -> Outcome {
        let span = full_span(self.span(1, 1, 0));
        self.stored_as_given(std::slice::from_ref(&span)).await?;
        check("the span read from a list", &self.list(&self.filter(1)).await?, &vec![span])
    }

    async fn absent_is_not_zero(&self) -> Outcome {
        let absent = self.call(2, 1, None);
        let mut zero = self.call(2, 2, None);
        zero.gen_ai.usage.input_tokens = Some(0);
        zero.gen_ai.usage.reasoning_output_tokens = Some(0);
        zero.gen_ai.time_to_first_chunk_nanos = Some(0);
        zero.gen_ai.stream = Some(false);
        self.stored_as_given(&[absent, zero]).await
    }

    async fn largest_values(&self) -> Outcome {
        let mut span = self.span(3, 1, 0);
        span.end_unix_nanos = MAX_UNIX_NANOS;
        span.gen_ai.usage.input_tokens = Some(MAX_COUNT);
        span.gen_ai.usage.output_tokens = Some(u64::from(u32::MAX) + 1);
        span.gen_ai.time_to_first_content_nanos = Some(MAX_COUNT);
        span.http_status_code = Some(599);
        span.attributes.insert("int".to_owned(), json!(i64::MIN));
        let mut far = self.span(3, 2, 0);
        far.start_unix_nanos = MAX_UNIX_NANOS;
        far.end_unix_nanos = MAX_UNIX_NANOS;
        self.stored_as_given(&[span.clone(), far.clone()]).await?;
        check("both in the list", &self.list(&self.filter(3)).await?, &vec![span, far.clone()])?;
        let time = TimeRange { from_unix_nanos: Some(MAX_UNIX_NANOS), to_unix_nanos: Some(u64::MAX) };
        check("the last one by time", &self.list(&SpanFilter { time, ..self.filter(3) }).await?, &vec![far])
    }

    async fn awkward_strings(&self) -> Outcome {
        let long = "é".repeat(30_000);
        let strings = [
            "'; DROP TABLE spans; --",
            "\"double\" `back` \\ back\\slash \\N \\0",
            "line\nfeed\r\ttab",
            "nul\0inside",
            "🦀 e\u{301} \u{202e}rtl \u{feff}",
            " {x:String} ?fields ? % _ ",
            long.as_str(),
        ];
        for (number, text) in (1..).zip(strings) {
            let mut span = self.call(4, number, Some(text));
            span.name = text.to_owned();
            span.status_message = Some(text.to_owned());
            span.gen_ai.finish_reasons = vec![text.to_owned(), text.to_owned()];
            span.attributes.insert(text.to_owned(), json!(text));
            self.stored_as_given(std::slice::from_ref(&span)).await?;
            let mut filter = self.filter(4);
            filter.equals.push((Dimension::Model, text.to_owned()));
            check("found by its model", &self.list(&filter).await?, &vec![span])?;
        }
        let groups = self.usage_of(4, &[Dimension::Model], 100).await?.rows.len();
        check("groups by model", &groups, &strings.len())
    }

    /// What is promoted or kept apart comes back where it was, whatever it holds.
    async fn odd_attributes(&self) -> Outcome {
        let mut span = self.span(17, 1, 1);
        span.attributes = object(json!({
            "meshtap.user.id": 5, "meshtap.session.id": "", "gen_ai.input.messages": null,
        }));
        span.events = vec![json!({"name": "exception"}), json!({"name": "gen_ai.choice", "attributes": {}})];
        let mut only_events = self.span(17, 2, 2);
        only_events.events = vec![json!({"name": "gen_ai.user.message", "attributes": {"content": "hi"}})];
        let mut long = self.span(17, 3, 3);
        long.attributes.insert("gen_ai.output.messages".to_owned(), json!("é".repeat(100_000)));
        let spans = [span, only_events, long];
        self.stored_as_given(&spans).await?;
        check("in a list", &self.list(&self.filter(17)).await?, &spans.to_vec())
    }

    async fn duplicates_in_a_batch(&self) -> Outcome {
        let (one, two) = (self.span(5, 1, 1), self.span(5, 2, 2));
        let mut changed = one.clone();
        "the same id again".clone_into(&mut changed.name);
        let written = self.write(&[one.clone(), two.clone(), one.clone(), changed]).await?;
        check("duplicates", &written.duplicates, &vec![2, 3])?;
        self.shown_once(5, &[one, two]).await
    }

    async fn duplicates_across_batches(&self) -> Outcome {
        let spans: Vec<SpanRecord> = (1..=4).map(|number| self.span(6, number, u64::from(number))).collect();
        self.write(&spans[..2]).await?;
        self.write(&spans[..2]).await?;
        self.write(&[spans[1].clone(), spans[2].clone()]).await?;
        let mut changed = spans[2].clone();
        "the same id again".clone_into(&mut changed.name);
        self.write(&[spans[3].clone(), changed, spans[0].clone()]).await?;
        self.shown_once(6, &spans).await
    }

    async fn shown_once(&self, case: u16, expected: &[SpanRecord]) -> Outcome {
        check("the list", &self.list(&self.filter(case)).await?, &expected.to_vec())?;
        check("the trace", &self.trace(expected[0].trace_id).await?, &expected.to_vec())
    }

    async fn duplicates_do_not_count_twice(&self) -> Outcome {
        let mut span = self.call(7, 1, Some("m"));
        span.gen_ai.usage.input_tokens = Some(5);
        let other = self.call(7, 2, Some("m"));
        self.write(std::slice::from_ref(&span)).await?;
        self.write(&[other, span.clone()]).await?;
        self.write(&[span]).await?;
        let row = UsageRow {
            group: vec![Some("m".to_owned())],
            calls: 2,
            calls_with_usage: 1,
            input_tokens: Some(5),
            ..UsageRow::default()
        };
        check("usage", &self.usage_of(7, &[Dimension::Model], 10).await?.rows, &vec![row])
    }

    /// Both were answered, so both are there; each of them once, however it came. One is in the same hour, as far as the
    /// time of the run allows, and one in another.
    async fn same_ids_with_another_start(&self) -> Outcome {
        let first = full_span(self.call(40, 1, Some("m")));
        let again = |offset: u64| {
            let mut span = full_span(self.call(40, 1, Some("m")));
            span.start_unix_nanos += offset;
            span.end_unix_nanos += offset;
            span.attributes
                .insert("gen_ai.output.messages".to_owned(), json!([{"role": offset.to_string()}]));
            span
        };
        let (near, far) = (again(1), again(3 * 3_600_000_000_000));
        self.write(&[first.clone(), near.clone()]).await?;
        self.write(std::slice::from_ref(&far)).await?;
        self.write(&[far.clone(), first.clone()]).await?;
        let expected = [first.clone(), near, far];
        self.shown_once(40, &expected).await?;
        for limit in 1..=4 {
            for order in [Order::OldestFirst, Order::NewestFirst] {
                let found = self.all_pages(40, order, limit).await?;
                check(&format!("{order:?} in pages of {limit}"), &found, &vec![first.span_id; 3])?;
            }
        }
        let calls = self.usage_of(40, &[], 10).await?.rows.first().map(|row| row.calls);
        check("calls", &calls, &Some(3))
    }

    /// Several spans share a start: the ids decide between them.
    async fn pages(&self, order: Order) -> Outcome {
        let case = if order == Order::NewestFirst { 8 } else { 9 };
        let spans: Vec<SpanRecord> =
            (1..=7).map(|number| self.span(case, number, u64::from(number / 3))).collect();
        self.write(&spans).await?;
        let mut expected: Vec<SpanId> = spans.iter().map(|span| span.span_id).collect();
        if order == Order::NewestFirst {
            expected.reverse();
        }
        for limit in 1..=8 {
            let found = self.all_pages(case, order, limit).await?;
            check(&format!("pages of {limit}"), &found, &expected)?;
        }
        Ok(())
    }

    async fn all_pages(&self, case: u16, order: Order, limit: usize) -> Result<Vec<SpanId>, String> {
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = Page { limit, after, order };
            let spans = self.store.spans(&self.filter(case), &page).await.map_err(failure)?;
            if spans.spans.len() > limit || (spans.next.is_some() && spans.spans.len() < limit) {
                return Err(format!("a page of {limit} has {} spans", spans.spans.len()));
            }
            found.extend(spans.spans.iter().map(|span| span.span_id));
            after = spans.next;
            if after.is_none() {
                return Ok(found);
            }
        }
    }

    async fn pages_under_inserts(&self) -> Outcome {
        let spans: Vec<SpanRecord> = (1..=4).map(|number| self.span(10, number, u64::from(number))).collect();
        self.write(&spans).await?;
        let page = Page { limit: 2, after: None, order: Order::NewestFirst };
        let first = self.store.spans(&self.filter(10), &page).await.map_err(failure)?;
        self.write(&[self.span(10, 9, 9)]).await?;
        let page = Page { after: first.next, ..page };
        let second = self.store.spans(&self.filter(10), &page).await.map_err(failure)?;
        check("the second page", &second.spans, &vec![spans[1].clone(), spans[0].clone()])
    }

    async fn filters(&self) -> Outcome {
        let full = full_span(self.call(11, 1, Some("big")));
        let mut by_response = self.call(11, 2, None);
        by_response.gen_ai.response_model = Some("small".to_owned());
        let mut failed = self.span(11, 3, 3);
        failed.status = StatusCode::Error;
        self.write(&[full.clone(), by_response.clone(), failed.clone()]).await?;

        for (dimension, value, expected) in [
            (Dimension::Model, "the-model", vec![&full]),
            (Dimension::Model, "small", vec![&by_response]),
            (Dimension::Model, "SMALL", vec![]),
            (Dimension::Provider, "openai", vec![&full]),
            (Dimension::Workload, "the-workload", vec![&full]),
            (Dimension::Namespace, "the-namespace", vec![&full]),
            (Dimension::Operation, "chat", vec![&full, &by_response]),
            (Dimension::User, "the-user", vec![&full]),
            (Dimension::Session, "the-session", vec![&full]),
        ] {
            let mut filter = self.filter(11);
            filter.equals.push((dimension, value.to_owned()));
            self.finds(&format!("{dimension:?} = {value}"), &filter, &expected).await?;
        }
        let error = |error| SpanFilter { error: Some(error), ..self.filter(11) };
        self.finds("errors", &error(true), &[&full, &failed]).await?;
        self.finds("no errors", &error(false), &[&by_response]).await?;
        let end = SpanFilter { end: Some("client_cancelled".to_owned()), ..self.filter(11) };
        self.finds("end", &end, &[&full]).await?;
        let trace = SpanFilter { trace_id: Some(full.trace_id), ..SpanFilter::default() };
        self.finds("trace id", &trace, &[&full, &by_response, &failed]).await
    }

    async fn finds(&self, what: &str, filter: &SpanFilter, expected: &[&SpanRecord]) -> Outcome {
        let found: Vec<SpanId> = self.list(filter).await?.iter().map(|span| span.span_id).collect();
        check(what, &found, &expected.iter().map(|span| span.span_id).collect())
    }

    async fn time_ranges(&self) -> Outcome {
        let hour = 3_600_000_000_000;
        let spans: Vec<SpanRecord> =
            (0..4).map(|number| self.span(12, number + 1, u64::from(number) * hour)).collect();
        self.write(&spans).await?;
        let at = |index: usize| spans[index].start_unix_nanos;
        let range = |from, to| SpanFilter {
            time: TimeRange { from_unix_nanos: from, to_unix_nanos: to },
            ..self.filter(12)
        };
        let (a, b, c, d) = (&spans[0], &spans[1], &spans[2], &spans[3]);
        self.finds("the start is included", &range(Some(at(1)), None), &[b, c, d]).await?;
        self.finds("a nanosecond later", &range(Some(at(1) + 1), None), &[c, d]).await?;
        self.finds("the end is excluded", &range(None, Some(at(2))), &[a, b]).await?;
        self.finds("a nanosecond later", &range(None, Some(at(2) + 1)), &[a, b, c]).await?;
        self.finds("both", &range(Some(at(1)), Some(at(3))), &[b, c]).await?;
        self.finds("nothing", &range(Some(at(2)), Some(at(2))), &[]).await?;
        self.finds("everything", &range(Some(0), Some(u64::MAX)), &[a, b, c, d]).await
    }

    async fn traces(&self) -> Outcome {
        let mut spans: Vec<SpanRecord> =
            (1..=3).map(|number| self.span(13, number, u64::from(10 - number))).collect();
        self.write(&spans).await?;
        spans.reverse();
        check("by start", &self.trace(spans[0].trace_id).await?, &spans)?;
        let cut = self.store.trace(spans[0].trace_id, 2).await.map_err(failure)?;
        check("a cut trace", &(cut.spans.as_slice(), cut.truncated), &(&spans[..2], true))?;
        let exact = self.store.trace(spans[0].trace_id, 3).await.map_err(failure)?;
        check("an uncut trace", &exact.truncated, &false)?;
        check("an unknown trace", &self.trace(self.span(99, 1, 0).trace_id).await?, &Vec::new())
    }

    async fn usage(&self) -> Outcome {
        let mut counted = self.call(14, 1, Some("a"));
        counted.gen_ai.usage = Usage {
            input_tokens: Some(10),
            output_tokens: Some(0),
            cache_read_input_tokens: Some(4),
            cache_creation_input_tokens: None,
            reasoning_output_tokens: None,
            source: Some("provider".to_owned()),
        };
        let mut failed = self.call(14, 2, Some("a"));
        failed.error_type = Some("429".to_owned());
        let mut again = self.call(14, 3, Some("a"));
        again.gen_ai.usage.input_tokens = Some(7);
        let mut answered = self.call(14, 4, None);
        answered.gen_ai.response_model = Some("b".to_owned());
        let unknown = self.call(14, 5, None);
        let mut inbound = self.call(14, 6, Some("a"));
        inbound.kind = SpanKind::Server;
        let mut agent = self.call(14, 7, Some("a"));
        agent.gen_ai.operation_name = Some("invoke_agent".to_owned());
        let plain = self.span(14, 8, 8);
        self.write(&[counted, failed, again, answered, unknown, inbound, agent, plain]).await?;

        let a = UsageRow {
            group: vec![Some("a".to_owned())],
            calls: 3,
            errors: 1,
            calls_with_usage: 2,
            input_tokens: Some(17),
            output_tokens: Some(0),
            cache_read_input_tokens: Some(4),
            ..UsageRow::default()
        };
        let b = UsageRow { group: vec![Some("b".to_owned())], calls: 1, ..UsageRow::default() };
        let absent = UsageRow { group: vec![None], calls: 1, ..UsageRow::default() };
        let all = UsageReport { rows: vec![a.clone(), b.clone(), absent], truncated: false };
        check("by model", &self.usage_of(14, &[Dimension::Model], 3).await?, &all)?;
        let cut = UsageReport { rows: vec![a, b], truncated: true };
        check("cut", &self.usage_of(14, &[Dimension::Model], 2).await?, &cut)?;

        let query = UsageQuery {
            group_by: vec![Dimension::Model],
            filter: self.filter(14),
            side: CallSide::Inbound,
            interval_nanos: None,
            limit: 10,
        };
        let inbound = self.store.usage(&query).await.map_err(failure)?;
        check("inbound calls", &inbound.rows.iter().map(|row| row.calls).collect(), &vec![1])?;
        check("no calls", &self.usage_of(98, &[Dimension::Model], 10).await?, &UsageReport::default())
    }

    async fn usage_by_two(&self) -> Outcome {
        let mut spans = Vec::new();
        for (number, provider, model) in
            [(1, "x", "m"), (2, "x", "m"), (3, "y", "m"), (4, "x", "n"), (5, "y", "m"), (6, "y", "m")]
        {
            let mut span = self.call(15, number, Some(model));
            span.gen_ai.provider_name = Some(provider.to_owned());
            spans.push(span);
        }
        self.write(&spans).await?;
        let report = self.usage_of(15, &[Dimension::Provider, Dimension::Model], 10).await?;
        let found: Vec<(Vec<Option<&str>>, u64)> = report
            .rows
            .iter()
            .map(|row| (row.group.iter().map(Option::as_deref).collect(), row.calls))
            .collect();
        let group = |provider, model| vec![Some(provider), Some(model)];
        check("rows", &found, &vec![(group("y", "m"), 3), (group("x", "m"), 2), (group("x", "n"), 1)])
    }

    async fn usage_saturates(&self) -> Outcome {
        let spans: Vec<SpanRecord> = (1..=3)
            .map(|number| {
                let mut span = self.call(16, number, Some("m"));
                span.gen_ai.usage.output_tokens = Some(MAX_COUNT);
                span.gen_ai.usage.input_tokens = Some(u64::from(number));
                span
            })
            .collect();
        self.write(&spans).await?;
        let report = self.usage_of(16, &[Dimension::Model], 10).await?;
        let sums: Vec<_> = report.rows.iter().map(|row| (row.input_tokens, row.output_tokens)).collect();
        check("sums", &sums, &vec![(Some(6), Some(u64::MAX))])
    }

    async fn usage_by_time(&self) -> Outcome {
        let minute = 60_000_000_000;
        let first = self.base - self.base % minute;
        let spans: Vec<SpanRecord> = [0, 1, minute - 1, minute, 5 * minute]
            .into_iter()
            .zip(1..)
            .map(|(offset, number)| {
                let mut span = self.call(18, number, Some("m"));
                span.start_unix_nanos = first + offset;
                span.end_unix_nanos = first + offset;
                span
            })
            .collect();
        self.write(&spans).await?;
        let query = UsageQuery {
            group_by: vec![Dimension::Model],
            filter: self.filter(18),
            side: CallSide::Outbound,
            interval_nanos: Some(minute),
            limit: 10,
        };
        let report = self.store.usage(&query).await.map_err(failure)?;
        let found: Vec<_> = report.rows.iter().map(|row| (row.start_unix_nanos, row.calls)).collect();
        let expected =
            [(0, 3), (1, 1), (5, 1)].map(|(minutes, calls)| (Some(first + minutes * minute), calls));
        check("calls by minute", &found, &expected.to_vec())
    }

    async fn latency(&self) -> Outcome {
        let spans: Vec<SpanRecord> = (1..=100)
            .map(|number| {
                let mut span = self.call(19, number, Some("m"));
                span.end_unix_nanos = span.start_unix_nanos + u64::from(number) * 10_000_000;
                span.gen_ai.time_to_first_chunk_nanos = (number > 50).then_some(1 << 30);
                span
            })
            .collect();
        self.write(&spans).await?;
        let query = UsageQuery {
            group_by: vec![Dimension::Model],
            filter: self.filter(19),
            side: CallSide::Outbound,
            interval_nanos: None,
            limit: 10,
        };
        let report = self.store.latency(&query).await.map_err(failure)?;
        let [row] = report.rows.as_slice() else { return Err(format!("not one group: {report:?}")) };
        check(
            "counts",
            &(row.calls, row.duration.count(), row.time_to_first_chunk.count()),
            &(100, 100, 50),
        )?;
        for (share, exact) in [(0.5, 0.5e9), (0.95, 0.95e9), (0.99, 0.99e9)] {
            let found = row.duration.percentile(share).unwrap_or_default();
            check(&format!("{found} is near {exact}"), &((found / exact - 1.0).abs() < 0.091), &true)?;
        }
        let edge = row.time_to_first_chunk.percentile(1.0);
        check("the largest of a bucket", &edge, &Some(f64::from(1 << 30)))
    }
}

/// The given span with a value in every field.
fn full_span(span: SpanRecord) -> SpanRecord {
    let attributes = json!({
        "string": "s", "empty": "", "int": -5, "large": u64::MAX, "double": 1.0, "precise": 0.1 + 0.2,
        "tiny": f64::MIN_POSITIVE, "bool": false, "null": null, "array": [1, "two", [3.0]],
        "map": {"a.b": {"c": true}}, "bytes": {"bytesValue": "AAH/"},
        "meshtap.user.id": "the-user", "meshtap.session.id": "the-session",
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}],
        "gen_ai.output.messages": "[\"as text\"]",
        "input.value": "hi", "traceloop.entity.output": "hi", "llm.input_messages.0.message.content": "hi",
    });
    SpanRecord {
        parent_span_id: Some(SpanId([7; 8])),
        name: "chat the-model".to_owned(),
        kind: SpanKind::Client,
        end_unix_nanos: span.start_unix_nanos + 1_234_567_891,
        status: StatusCode::Error,
        status_message: Some("it broke".to_owned()),
        trace_state: Some("a=b".to_owned()),
        scope_name: Some("scope".to_owned()),
        scope_version: Some("1.2".to_owned()),
        origin: Origin {
            service_namespace: Some("shop".to_owned()),
            namespace: Some("the-namespace".to_owned()),
            workload: Some("the-workload".to_owned()),
            pod: Some("the-pod".to_owned()),
            ..span.origin
        },
        gen_ai: full_gen_ai(),
        error_type: Some("timeout".to_owned()),
        http_status_code: Some(504),
        attributes: object(attributes),
        resource: Arc::new(object(json!({"k8s.node.name": "node", "n": 1}))),
        events: vec![json!({"name": "exception", "time_unix_nano": 5, "attributes": {"x": 1.0}})],
        links: vec![json!({"trace_id": "00", "attributes": {}}), json!({})],
        ..span
    }
}

fn full_gen_ai() -> GenAi {
    GenAi {
        operation_name: Some("chat".to_owned()),
        provider_name: Some("openai".to_owned()),
        request_model: Some("the-model".to_owned()),
        response_model: Some("the-model-2026".to_owned()),
        response_id: Some("resp-1".to_owned()),
        finish_reasons: vec!["stop".to_owned(), "length".to_owned()],
        stream: Some(true),
        usage: Usage {
            input_tokens: Some(1),
            output_tokens: Some(2),
            cache_read_input_tokens: Some(3),
            cache_creation_input_tokens: Some(4),
            reasoning_output_tokens: Some(5),
            source: Some("provider".to_owned()),
        },
        time_to_first_chunk_nanos: Some(6),
        time_to_first_content_nanos: Some(7),
        end: Some("client_cancelled".to_owned()),
    }
}

fn object(value: Value) -> Attributes {
    match value {
        Value::Object(attributes) => attributes.into(),
        _ => Attributes::new(),
    }
}
