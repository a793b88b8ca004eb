use std::collections::HashMap;

use super::*;

const SECOND: u64 = 1_000_000_000;

struct Rig {
    exporter: Exporter,
    stats: Stats,
    totals: HashMap<&'static str, i64>,
    tokens: u32,
}

impl Rig {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        Self {
            exporter: Exporter::new(config, b"resource".to_vec()),
            stats: Stats::default(),
            totals: HashMap::new(),
            tokens: 0,
        }
    }

    fn push(&mut self, spans: usize, bytes: usize) {
        for _ in 0..spans {
            self.exporter.push(vec![7; bytes], &mut self.stats);
        }
    }

    /// Sends the next batch; its token.
    fn send(&mut self, now: u64) -> Option<u32> {
        let batch = self.exporter.next_batch(now, &mut self.stats)?;
        self.tokens += 1;
        self.exporter.sent(self.tokens, batch, now, &mut self.stats);
        Some(self.tokens)
    }

    fn answer(&mut self, token: u32, outcome: Outcome, now: u64) -> bool {
        self.exporter.answered(token, outcome, now, 0, &mut self.stats)
    }

    fn total(&mut self, metric: Metric) -> i64 {
        let totals = &mut self.totals;
        self.stats.take(|metric, change| *totals.entry(metric.name()).or_default() += change);
        *self.totals.get(metric.name()).unwrap_or(&0)
    }

    /// Every span is in one counter or in the queue, and the gauges say what is held.
    fn check_books(&mut self, pushed: i64) {
        let ended = [
            Metric::SpansExported,
            Metric::SpansRejected,
            Metric::SpansDroppedQueueFull,
            Metric::SpansDroppedRefused,
            Metric::QueueSpans,
        ];
        let sum: i64 = ended.iter().map(|metric| self.total(*metric)).sum();
        assert_eq!(sum, pushed);
        let held = self.exporter.waiting_bytes + self.exporter.again_bytes + self.exporter.in_flight_bytes;
        assert_eq!(self.total(Metric::QueueBytes), i64::try_from(held).unwrap());
    }
}

const OK: Outcome = Outcome::Accepted { rejected_spans: 0 };
const UNAVAILABLE: Outcome = Outcome::Status(14);

#[test]
fn batches_are_cut_by_spans_and_by_bytes() {
    let mut rig = Rig::new(|config| config.batch.max_spans = 10);
    rig.push(25, 100);
    for spans in [10, 10, 5] {
        assert_eq!(rig.exporter.next_batch(0, &mut rig.stats).map(|batch| batch.spans), Some(spans));
    }
    assert_eq!(rig.exporter.next_batch(0, &mut rig.stats), None);

    let mut rig = Rig::new(|config| config.batch.max_bytes = 4_096);
    rig.push(3, 2_000);
    rig.push(1, 10_000);
    for spans in [2, 1, 1] {
        assert_eq!(rig.exporter.next_batch(0, &mut rig.stats).map(|batch| batch.spans), Some(spans));
    }
}

#[test]
fn what_waits_takes_no_more_memory_than_it_counts() {
    let mut rig = Rig::new(|config| config.batch.max_spans = 4);
    for _ in 0..100 {
        let mut span = Vec::with_capacity(2_048);
        span.resize(400, 7);
        rig.exporter.push(span, &mut rig.stats);
    }
    let taken: usize = rig.exporter.waiting.iter().map(EncodedSpan::capacity).sum();
    assert_eq!((rig.exporter.waiting_bytes, taken), (100 * 400, 4 * 2_048 + 96 * 400));
}

#[test]
fn calls_in_flight_are_limited() {
    let mut rig = Rig::new(|config| {
        config.batch.max_spans = 1;
        config.queue.max_in_flight = 2;
    });
    rig.push(3, 10);
    let first = rig.send(0).unwrap();
    rig.send(0).unwrap();
    assert_eq!(rig.send(0), None);
    assert!(rig.answer(first, OK, 0));
    assert!(rig.send(0).is_some());
    rig.check_books(3);
}

#[test]
fn a_full_batch_does_not_wait() {
    let mut rig = Rig::new(|config| {
        config.batch.max_spans = 3;
        config.batch.max_bytes = 4_096;
        config.queue.max_in_flight = 2;
    });
    rig.push(2, 10);
    assert!(!rig.exporter.is_due(0));
    rig.push(1, 10);
    assert!(rig.exporter.is_due(0), "by number");
    let first = rig.send(0).unwrap();
    assert!(!rig.exporter.is_due(0));
    rig.push(1, 4_096);
    assert!(rig.exporter.is_due(0), "by bytes");
    let second = rig.send(0).unwrap();
    rig.push(3, 10);
    assert!(!rig.exporter.is_due(0), "no call is free");
    rig.answer(first, OK, 0);
    assert!(rig.exporter.is_due(0));
    rig.answer(second, UNAVAILABLE, 0);
    let pause = 500 * NANOS_PER_MILLI;
    assert!(!rig.exporter.is_due(pause - 1), "paused");
    let again = rig.send(pause).unwrap();
    assert!(!rig.exporter.is_due(pause), "a call is under way that will tell");
    rig.answer(again, OK, pause);
    assert!(rig.exporter.is_due(pause));
    rig.check_books(7);
}

#[test]
fn what_comes_again_does_not_wait_for_the_tick() {
    let mut rig = Rig::new(|_| {});
    rig.push(1, 10);
    let token = rig.send(0).unwrap();
    rig.answer(token, UNAVAILABLE, 0);
    assert!(!rig.exporter.is_due(0));
    assert!(rig.exporter.is_due(SECOND));
}

#[test]
fn calls_that_fail_together_are_one_failure() {
    let mut rig = Rig::new(|config| config.batch.max_spans = 1);
    rig.push(4, 10);
    let tokens: Vec<u32> = (0..4).map(|_| rig.send(0).unwrap()).collect();
    for token in tokens {
        rig.answer(token, UNAVAILABLE, 0);
    }
    let pause = 500 * NANOS_PER_MILLI;
    assert_eq!((rig.exporter.failures_in_a_row, rig.exporter.paused_until), (1, pause));
    let only = rig.send(pause).expect("the pause is over");
    assert_eq!(rig.send(pause), None, "one asks, the others wait");
    rig.answer(only, OK, pause);
    assert!((0..3).all(|_| rig.send(pause).is_some()));
    rig.check_books(4);
}

#[test]
fn accepted_and_rejected_spans_are_told_apart() {
    let mut rig = Rig::new(|_| {});
    rig.push(5, 10);
    let token = rig.send(0).unwrap();
    rig.answer(token, Outcome::Accepted { rejected_spans: 2 }, 0);
    assert_eq!((rig.total(Metric::SpansExported), rig.total(Metric::SpansRejected)), (3, 2));
    rig.push(1, 10);
    let token = rig.send(0).unwrap();
    rig.answer(token, Outcome::Accepted { rejected_spans: u64::MAX }, 0);
    assert_eq!(rig.total(Metric::SpansRejected), 3, "not more than there were");
    rig.check_books(6);
}

#[test]
fn a_failed_batch_goes_again_after_a_growing_pause() {
    let mut rig = Rig::new(|_| {});
    rig.push(4, 10);
    let mut now = 0;
    for pause_ms in [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000] {
        let token = rig.send(now).expect("it may leave");
        rig.answer(token, UNAVAILABLE, now);
        assert_eq!(rig.send(now + pause_ms * NANOS_PER_MILLI - 1), None, "{pause_ms}");
        now += pause_ms * NANOS_PER_MILLI;
    }
    let token = rig.send(now).unwrap();
    rig.answer(token, OK, now);
    assert_eq!(rig.total(Metric::SpansExported), 4);
    assert_eq!(rig.total(Metric::ExportRetries), 7);
    rig.push(1, 10);
    assert!(rig.send(now).is_some(), "success ends the pause");
    rig.check_books(5);
}

#[test]
fn jitter_shortens_the_pause_by_up_to_half() {
    let mut rig = Rig::new(|_| {});
    rig.push(1, 10);
    let token = rig.send(0).unwrap();
    let random = 250 * NANOS_PER_MILLI - 1;
    rig.exporter.answered(token, UNAVAILABLE, 0, random, &mut rig.stats);
    assert_eq!(rig.exporter.paused_until, 250 * NANOS_PER_MILLI + 1);
}

#[test]
fn a_call_that_cannot_be_made_is_retried() {
    let mut rig = Rig::new(|_| {});
    rig.push(2, 10);
    let batch = rig.exporter.next_batch(0, &mut rig.stats).unwrap();
    rig.exporter.not_sent(batch, 0, 0, &mut rig.stats);
    assert_eq!(rig.send(0), None);
    assert!(rig.send(SECOND).is_some());
    rig.check_books(2);
}

#[test]
fn a_refused_batch_is_dropped_and_counted() {
    for status in [2, 3, 5, 7, 12, 13, 16] {
        let mut rig = Rig::new(|_| {});
        rig.push(2, 10);
        let token = rig.send(0).unwrap();
        rig.answer(token, Outcome::Status(status), 0);
        assert_eq!(rig.total(Metric::SpansDroppedRefused), 2, "{status}");
        rig.check_books(2);
    }
}

#[test]
fn what_fails_keeps_its_place() {
    let mut rig = Rig::new(|config| config.batch.max_spans = 1);
    let again =
        |rig: &Rig| -> Vec<usize> { rig.exporter.again.iter().map(|batch| batch.message.len()).collect() };
    // All at once, and once more alone.
    (11..14).for_each(|bytes| rig.push(1, bytes));
    let tokens: Vec<u32> = (0..3).map(|_| rig.send(0).unwrap()).collect();
    for token in tokens {
        rig.answer(token, UNAVAILABLE, 0);
    }
    let now = rig.exporter.paused_until;
    let only = rig.send(now).unwrap();
    rig.answer(only, UNAVAILABLE, now);
    assert!(again(&rig).is_sorted() && again(&rig).len() == 3, "{:?}", again(&rig));
    rig.check_books(3);

    // One after the other, each when the pause is over, and in whatever order.
    for order in [[0, 1, 2, 3], [3, 1, 0, 2]] {
        let mut rig = Rig::new(|config| config.batch.max_spans = 1);
        (11..15).for_each(|bytes| rig.push(1, bytes));
        let tokens: Vec<u32> = (0..4).map(|_| rig.send(0).unwrap()).collect();
        for at in order {
            rig.answer(tokens[at], UNAVAILABLE, rig.exporter.paused_until);
        }
        assert!(again(&rig).is_sorted() && again(&rig).len() == 4, "{:?}", again(&rig));
        let taken_over = Batch { message: vec![0; 9], spans: 1, contents: 0, order: 7 };
        rig.exporter.adopt(vec![taken_over], &mut rig.stats);
        assert_eq!(again(&rig).first(), Some(&9), "it is older");
        rig.check_books(5);
    }
}

#[test]
fn a_full_queue_drops_the_oldest() {
    let mut rig = Rig::new(|config| config.queue.max_bytes = 64 << 10);
    rig.push(50, 1_000);
    let token = rig.send(0).unwrap();
    rig.answer(token, UNAVAILABLE, 0);
    rig.push(10, 1_000);
    assert_eq!(rig.total(Metric::SpansDroppedQueueFull), 0);
    rig.push(10, 1_000);
    assert_eq!(rig.total(Metric::SpansDroppedQueueFull), 50, "the batch that waits longest");
    rig.push(100, 1_000);
    assert!(rig.total(Metric::QueueBytes) <= 64 << 10);
    rig.check_books(170);
}

/// A span with content, as the encoder makes them.
fn with_content(bytes: usize) -> EncodedSpan {
    let content = crate::content::Content {
        mode: "full",
        input_messages: Some("x".repeat(bytes)),
        ..crate::content::Content::default()
    };
    otlp::encode_span(&crate::span::Span { content: Some(content), ..otlp::tests::span() })
}

#[test]
fn a_full_queue_drops_the_oldest_content_before_any_span() {
    let mut rig = Rig::new(|config| config.queue.max_bytes = 64 << 10);
    let span = otlp::encode_span(&otlp::tests::span()).bytes();
    for _ in 0..12 {
        rig.exporter.push(with_content(5_000), &mut rig.stats);
    }
    let most = (64 << 10) / (span + 5_000);
    let dropped = rig.total(Metric::ContentDroppedQueueFull);
    assert!((1..=12).contains(&dropped), "{dropped} of 12, where {most} have room");
    assert_eq!(rig.total(Metric::SpansDroppedQueueFull), 0);
    let kept: Vec<bool> = rig.exporter.waiting.iter().map(EncodedSpan::has_content).collect();
    assert_eq!(kept, (0..12).map(|at| at >= dropped).collect::<Vec<_>>(), "the oldest");
    rig.check_books(12);

    // What was sent and comes back loses its content too, before spans that wait behind it.
    let token = rig.send(0).unwrap();
    rig.answer(token, UNAVAILABLE, 0);
    for _ in 0..20 {
        rig.exporter.push(with_content(5_000), &mut rig.stats);
    }
    assert_eq!(rig.total(Metric::SpansDroppedQueueFull), 0);
    assert!(rig.exporter.again.iter().all(|batch| batch.contents == 0));
    assert!(rig.exporter.waiting.back().is_some_and(EncodedSpan::has_content), "the newest");
    rig.check_books(32);

    // Without content left, spans go.
    rig.push(200, 1_000);
    assert!(rig.total(Metric::SpansDroppedQueueFull) > 0);
    assert!(!rig.exporter.waiting.iter().any(EncodedSpan::has_content));
    assert_eq!(rig.total(Metric::ContentDroppedQueueFull), 32, "each is counted once");
    rig.check_books(232);
}

#[test]
fn batches_count_content_too() {
    let mut rig = Rig::new(|config| config.batch.max_bytes = 16 << 10);
    for _ in 0..4 {
        rig.exporter.push(with_content(6_000), &mut rig.stats);
    }
    assert_eq!(rig.exporter.next_batch(0, &mut rig.stats).map(|batch| batch.spans), Some(2));
}

#[test]
fn memory_is_bounded_while_calls_hang() {
    let mut rig = Rig::new(|config| config.queue.max_bytes = 64 << 10);
    for _ in 0..1_000 {
        rig.push(10, 1_000);
        rig.send(0);
        assert!(rig.total(Metric::QueueBytes) <= 64 << 10);
    }
    rig.check_books(10_000);
}

#[test]
fn an_answer_that_never_comes_is_given_up() {
    let mut rig = Rig::new(|config| config.collector.timeout_ms = 1_000);
    rig.push(3, 10);
    let token = rig.send(0).unwrap();
    rig.exporter.expire(2 * SECOND, 0, &mut rig.stats);
    assert_eq!(rig.total(Metric::ExportRetries), 0);
    rig.exporter.expire(2 * SECOND + 1, 0, &mut rig.stats);
    assert_eq!(rig.total(Metric::ExportRetries), 1);
    assert!(!rig.answer(token, OK, 3 * SECOND), "too late: it goes again");
    assert!(rig.send(10 * SECOND).is_some());
    rig.check_books(3);
}

#[test]
fn what_one_exporter_leaves_another_sends() {
    let mut old = Rig::new(|config| config.batch.max_spans = 2);
    old.push(5, 10);
    old.send(0).unwrap();
    let token = old.send(0).unwrap();
    old.answer(token, UNAVAILABLE, 0);
    let left = old.exporter.abandon(&mut old.stats);
    assert_eq!(left.iter().map(|batch| batch.spans).collect::<Vec<_>>(), [2, 2, 1]);
    assert_eq!((old.total(Metric::QueueSpans), old.total(Metric::QueueBytes)), (0, 0));

    let mut new = Rig::new(|_| {});
    new.exporter.adopt(left, &mut new.stats);
    for _ in 0..3 {
        let token = new.send(0).unwrap();
        new.answer(token, OK, 0);
    }
    assert_eq!(new.total(Metric::SpansExported), 5);
    new.check_books(5);
}

#[test]
fn an_empty_tick_does_nothing() {
    let mut rig = Rig::new(|_| {});
    assert_eq!(rig.exporter.next_batch(0, &mut rig.stats), None);
    rig.check_books(0);
}

#[test]
fn batches_are_unpacked_as_they_were_packed() {
    let batches = [
        Batch { message: vec![1, 2, 3], spans: 2, contents: 1, order: 0 },
        Batch { message: Vec::new(), spans: 0, contents: 0, order: 0 },
        Batch { message: vec![0; 300], spans: 7, contents: 0, order: 0 },
    ];
    let parts = |batches: &[Batch]| -> Vec<_> {
        batches.iter().map(|batch| (batch.message.clone(), batch.spans, batch.contents)).collect()
    };
    let bytes = packed(&batches);
    assert_eq!(parts(&unpacked(&bytes)), parts(&batches));
    for end in 0..bytes.len() {
        let cut = unpacked(&bytes[..end]);
        assert_eq!(parts(&cut), parts(&batches[..cut.len()]), "cut at {end}");
    }
    assert!(unpacked(&[0xff; 40]).is_empty());
}
