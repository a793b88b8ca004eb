//! Sums and percentiles: whatever is asked, a store answers what the reference implementation answers over the same
//! spans. Many calls over some days, some of them sent again in other batches; questions with ends inside of buckets of
//! rollups; before the rollups are checked, after it, and after more has come.

use meshtap_filter::semconv;
use serde_json::json;

use super::{Outcome, Suite, check, failure};
use crate::model::{CallSide, Dimension, SpanId, SpanKind, SpanRecord, TimeRange, TraceId};
use crate::store::memory::MemoryStore;
use crate::store::{Batch, RollupCheck, SpanFilter, SpanReader as _, SpanWriter as _, UsageQuery};

const MINUTE: u64 = 60_000_000_000;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
/// Over so many days before now do the calls lie.
const DAYS: u64 = 3;
const CALLS: usize = 400;
const QUESTIONS: usize = 10;

const GROUPS: [&[Dimension]; 7] = [
    &[Dimension::Model],
    &[Dimension::Workload, Dimension::Model],
    &[Dimension::Provider],
    &[Dimension::User],
    &[Dimension::Namespace],
    &[Dimension::Operation, Dimension::Service],
    &[Dimension::Session],
];
const INTERVALS: [Option<u64>; 6] = [None, None, Some(MINUTE), Some(15 * MINUTE), Some(HOUR), Some(DAY)];
const LIMITS: [usize; 3] = [2, 50, 10_000];

impl Suite<'_> {
    pub(super) async fn sums_are_those_of_the_reference(&self) -> Outcome {
        let reference = MemoryStore::new(1_000_000);
        let mut random = fastrand::Rng::with_seed(self.base);
        let spans: Vec<SpanRecord> = (0..CALLS).map(|_| self.random_call(&mut random)).collect();

        self.write_both(&reference, &spans[..CALLS / 2]).await?;
        self.same_answers(&reference, &mut random, "after the first batches").await?;
        self.store.check_rollups().await.map_err(failure)?;
        self.same_answers(&reference, &mut random, "after a check").await?;

        // What came already comes again in other batches, with what is new.
        self.write_both(&reference, &spans[CALLS / 4..CALLS * 3 / 4]).await?;
        self.write_both(&reference, &spans[CALLS / 8..CALLS / 3]).await?;
        self.same_answers(&reference, &mut random, "after spans came again").await?;
        let checked = self.store.check_rollups().await.map_err(failure)?;
        self.same_answers(&reference, &mut random, "after a second check").await?;
        let again = self.store.check_rollups().await.map_err(failure)?;
        check("what is left to check", &again, &RollupCheck::default())?;

        self.write_both(&reference, &spans[CALLS * 3 / 4..]).await?;
        self.same_answers(&reference, &mut random, &format!("after all, {checked:?}")).await
    }

    async fn write_both(&self, reference: &MemoryStore, spans: &[SpanRecord]) -> Outcome {
        for batch in spans.chunks(70) {
            reference.write(Batch::of(batch)).await.map_err(failure)?;
            self.write(batch).await?;
        }
        Ok(())
    }

    async fn same_answers(&self, reference: &MemoryStore, random: &mut fastrand::Rng, when: &str) -> Outcome {
        for _ in 0..QUESTIONS {
            let query = self.random_question(random);
            let found = self.store.usage(&query).await.map_err(failure)?;
            let expected = reference.usage(&query).await.map_err(failure)?;
            check(&format!("usage {when}, {query:?}"), &found, &expected)?;
            let found = self.store.latency(&query).await.map_err(failure)?;
            let expected = reference.latency(&query).await.map_err(failure)?;
            check(&format!("latency {when}, {query:?}"), &found, &expected)?;
        }
        Ok(())
    }

    /// A namespace of its own, because both kinds of rollups know it.
    fn sums_namespace(&self) -> String {
        format!("conformance-{}", self.base)
    }

    fn random_call(&self, random: &mut fastrand::Rng) -> SpanRecord {
        let mut span = self.call(20, 0, None);
        span.trace_id = TraceId(random.u128(1..).to_be_bytes());
        span.span_id = SpanId(random.u64(1..).to_be_bytes());
        // Half of them within the last hours, where edges of buckets are near.
        let ago = if random.bool() { random.u64(..DAYS * DAY) } else { random.u64(..4 * HOUR) };
        span.start_unix_nanos = self.base - ago;
        // Powers of two are edges of buckets.
        let duration = if random.u8(..4) == 0 { 1 << random.u32(..40) } else { random.u64(..10_000_000_000) };
        span.end_unix_nanos = span.start_unix_nanos + duration;
        span.kind = if random.u8(..5) == 0 { SpanKind::Server } else { SpanKind::Client };
        span.origin.namespace = Some(self.sums_namespace());
        span.origin.workload = pick(random, &["w1", "w2", "w3"]);
        span.gen_ai.provider_name = pick(random, &["openai", "anthropic"]);
        span.gen_ai.request_model = pick(random, &["m1", "m2"]);
        span.gen_ai.response_model = pick(random, &["m1-2026", "m3"]);
        span.gen_ai.operation_name = pick(random, &["chat", "embeddings", "invoke_agent"]);
        span.gen_ai.time_to_first_chunk_nanos = random.bool().then(|| random.u64(..5_000_000_000));
        let usage = &mut span.gen_ai.usage;
        for count in [
            &mut usage.input_tokens,
            &mut usage.output_tokens,
            &mut usage.cache_read_input_tokens,
            &mut usage.cache_creation_input_tokens,
            &mut usage.reasoning_output_tokens,
        ] {
            let largest = 1 << random.u32(1..40);
            *count = random.bool().then(|| random.u64(..largest));
        }
        if random.u8(..6) == 0 {
            span.error_type = Some("timeout".to_owned());
        }
        span.gen_ai.end = pick(random, &["complete", "timeout"]);
        for (name, value) in [
            (semconv::MESHTAP_USER_ID, pick(random, &["ann", "bob"])),
            (semconv::MESHTAP_SESSION_ID, pick(random, &["s1"])),
        ] {
            span.attributes.extend(value.map(|value| (name.to_owned(), json!(value))));
        }
        span
    }

    fn random_question(&self, random: &mut fastrand::Rng) -> UsageQuery {
        let mut equals = vec![(Dimension::Namespace, self.sums_namespace())];
        match random.u8(..6) {
            0 => equals.push((Dimension::Model, "m1".to_owned())),
            1 => equals.push((Dimension::User, "ann".to_owned())),
            _ => {}
        }
        UsageQuery {
            group_by: GROUPS[random.usize(..GROUPS.len())].to_vec(),
            filter: SpanFilter {
                time: self.random_time(random),
                equals,
                error: [None, None, Some(true), Some(false)][random.usize(..4)],
                end: (random.u8(..8) == 0).then(|| "timeout".to_owned()),
                ..SpanFilter::default()
            },
            side: if random.u8(..4) == 0 { CallSide::Inbound } else { CallSide::Outbound },
            interval_nanos: INTERVALS[random.usize(..INTERVALS.len())],
            limit: LIMITS[random.usize(..LIMITS.len())],
        }
    }

    fn random_time(&self, random: &mut fastrand::Rng) -> TimeRange {
        let mut instant = |unit: u64| {
            let at = self.base - random.u64(..(DAYS + 1) * DAY);
            at - at % unit
        };
        let unit = [1, MINUTE, HOUR, DAY];
        let (a, b) = (instant(unit[(self.base % 4) as usize]), instant(1));
        let c = instant(HOUR);
        match random.u8(..5) {
            0 => TimeRange::default(),
            1 => TimeRange { from_unix_nanos: Some(a.min(b)), to_unix_nanos: None },
            2 => TimeRange { from_unix_nanos: Some(a.min(b)), to_unix_nanos: Some(a.max(b)) },
            3 => TimeRange { from_unix_nanos: Some(c), to_unix_nanos: Some(c + HOUR) },
            _ => TimeRange { from_unix_nanos: Some(a.min(c)), to_unix_nanos: Some(a.max(c)) },
        }
    }
}

/// One of the texts, or none.
fn pick(random: &mut fastrand::Rng, texts: &[&str]) -> Option<String> {
    texts.get(random.usize(..=texts.len())).map(|text| (*text).to_owned())
}
