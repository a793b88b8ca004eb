//! A span that comes again and says something else, as when its sender's resource is enriched between two tries: the
//! first one counts, whatever is asked, and what only the others say finds nothing.

use serde_json::json;

use super::{Outcome, Suite, check, failure};
use crate::model::{CallSide, Dimension, SpanRecord, StatusCode};
use crate::store::{Order, Page, SpanFilter, UsageQuery};

const HOUR: u64 = 3_600_000_000_000;
const FIRST: &str = "m";
/// Before and behind the first one in the order of a table that is sorted by what they say.
const OTHERS: [&str; 2] = ["a", "z"];

impl Suite<'_> {
    pub(super) async fn copies_that_say_something_else(&self) -> Outcome {
        // One is in an hour that can be checked, the other in one that goes on.
        let starts = [self.base - 3 * HOUR, self.base];
        let spans: Vec<SpanRecord> =
            (1..).zip(starts).map(|(number, start)| self.saying(number, start, FIRST)).collect();
        self.write(&spans).await?;
        for other in OTHERS {
            // So that a store with a small memory has forgotten them.
            self.write(&[self.span(51, u16::from(other.as_bytes()[0]), 0)]).await?;
            let again: Vec<SpanRecord> =
                (1..).zip(starts).map(|(number, start)| self.saying(number, start, other)).collect();
            self.write(&again).await?;
        }
        check("the trace", &self.trace(spans[0].trace_id).await?, &spans)?;
        self.first_counts(&spans, "at once").await?;
        self.store.check_rollups().await.map_err(failure)?;
        self.first_counts(&spans, "after a check").await
    }

    /// A failed call where it is not the first one.
    fn saying(&self, number: u16, start: u64, word: &str) -> SpanRecord {
        let mut span = self.call(50, number, Some(word));
        span.start_unix_nanos = start;
        span.end_unix_nanos = start + 1;
        span.origin.namespace = Some(self.own(word));
        span.origin.workload = Some(word.to_owned());
        span.gen_ai.provider_name = Some(word.to_owned());
        span.gen_ai.usage.input_tokens = Some(if word == FIRST { 1 } else { 100 });
        span.attributes.insert("meshtap.user.id".to_owned(), json!(word));
        span.attributes.insert("meshtap.session.id".to_owned(), json!(word));
        span.attributes.insert("gen_ai.input.messages".to_owned(), json!([{"role": word}]));
        if word != FIRST {
            span.status = StatusCode::Error;
            span.gen_ai.end = Some("timeout".to_owned());
        }
        span
    }

    fn own(&self, word: &str) -> String {
        format!("{}-{word}", self.service(50))
    }

    async fn first_counts(&self, spans: &[SpanRecord], when: &str) -> Outcome {
        let all = self.filter(50);
        self.found_and_counted(&format!("all {when}"), &all, spans).await?;
        let error = |error| SpanFilter { error: Some(error), ..self.filter(50) };
        self.found_and_counted(&format!("errors {when}"), &error(true), &[]).await?;
        self.found_and_counted(&format!("no errors {when}"), &error(false), spans).await?;
        let end = SpanFilter { end: Some("timeout".to_owned()), ..self.filter(50) };
        self.found_and_counted(&format!("an end {when}"), &end, &[]).await?;
        for word in [FIRST, OTHERS[0], OTHERS[1]] {
            let expected = if word == FIRST { spans } else { &[] };
            // By the namespace alone, which is of this run, a rollup may be asked.
            let namespace = (Dimension::Namespace, self.own(word));
            let filter = SpanFilter { equals: vec![namespace], ..SpanFilter::default() };
            self.found_and_counted(&format!("the namespace {word} {when}"), &filter, expected).await?;
            for dimension in [Dimension::Model, Dimension::Workload, Dimension::Session] {
                let mut filter = self.filter(50);
                filter.equals.push((dimension, word.to_owned()));
                self.found_and_counted(&format!("{dimension:?} {word} {when}"), &filter, expected).await?;
            }
        }
        Ok(())
    }

    async fn found_and_counted(&self, what: &str, filter: &SpanFilter, expected: &[SpanRecord]) -> Outcome {
        check(&format!("listed: {what}"), &self.list(filter).await?, &expected.to_vec())?;
        let page = Page { limit: 1, after: None, order: Order::NewestFirst };
        let newest = self.store.spans(filter, &page).await.map_err(failure)?;
        check(&format!("the newest: {what}"), &newest.spans.first(), &expected.last())?;
        check(&format!("more: {what}"), &newest.next.is_some(), &(expected.len() > 1))?;
        self.sums_are(what, filter, expected.len() as u64).await
    }

    /// By the model a rollup may be asked, by the session it is rows.
    async fn sums_are(&self, what: &str, filter: &SpanFilter, calls: u64) -> Outcome {
        let expected: Vec<_> = (calls > 0).then_some((Some(FIRST), calls, Some(calls))).into_iter().collect();
        for dimension in [Dimension::Model, Dimension::Session] {
            let query = UsageQuery {
                group_by: vec![dimension],
                filter: filter.clone(),
                side: CallSide::Outbound,
                interval_nanos: None,
                limit: 10,
            };
            let usage = self.store.usage(&query).await.map_err(failure)?;
            let found: Vec<_> =
                usage.rows.iter().map(|row| (row.group[0].as_deref(), row.calls, row.input_tokens)).collect();
            check(&format!("counted by {dimension:?}: {what}"), &found, &expected)?;
        }
        Ok(())
    }
}
