//! The pump over a store that refuses, fails and comes back, and a queue in a folder of the test's own.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tokio::sync::Notify;

use super::*;
use crate::config::Config;
use crate::model::TraceId;
use crate::queue::{
    Opened, Queue,
    parked::{self, PARKED},
};
use crate::store::{
    Batch, Cutoffs, Expired, LatencyReport, Page, SpanFilter, SpanPage, SpanReader, SpanWriter, StoreError,
    TraceSpans, UsageQuery, UsageReport, Written,
};

/// What a store makes of a batch.
enum Answer {
    Takes,
    IsAway,
    /// Refuses batches that hold this span.
    Refuses(u8),
    RefusesAll,
    /// Cannot take more spans than this at once.
    TakesAtMost(usize),
    /// Has not enough memory for batches that hold this span.
    ChokesOn(u8),
    /// Panics at batches that hold this span.
    PanicsOn(u8),
}

/// Remembers every batch that it was sent, as token and span numbers.
struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    usual: Mutex<Answer>,
    sent: Mutex<Vec<(String, Vec<u8>)>>,
    /// Whether it was told, for each of them, that it was sent before.
    again: Mutex<Vec<bool>>,
    stored: Mutex<Vec<u8>>,
    reachable: bool,
    changed: Notify,
}

impl Scripted {
    fn new(usual: Answer, first: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self {
            answers: Mutex::new(first.into_iter().collect()),
            usual: Mutex::new(usual),
            sent: Mutex::default(),
            again: Mutex::default(),
            stored: Mutex::default(),
            reachable: true,
            changed: Notify::new(),
        })
    }

    fn stored(&self) -> Vec<u8> {
        self.stored.lock().unwrap().clone()
    }

    fn sent(&self) -> Vec<(String, Vec<u8>)> {
        self.sent.lock().unwrap().clone()
    }

    fn again(&self) -> Vec<bool> {
        self.again.lock().unwrap().clone()
    }

    async fn until(&self, condition: impl Fn(&Self) -> bool) {
        let met = async {
            loop {
                let changed = self.changed.notified();
                if condition(self) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), met).await.expect("it happens in time");
    }
}

#[async_trait]
impl SpanWriter for Scripted {
    async fn write(&self, batch: Batch) -> Result<Written, StoreError> {
        let spans: Vec<u8> = batch.spans.iter().map(|span| span.span_id.0[0]).collect();
        self.sent.lock().unwrap().push((batch.token.to_string(), spans.clone()));
        self.again.lock().unwrap().push(batch.again);
        let panics = matches!(&*self.usual.lock().unwrap(), Answer::PanicsOn(span) if spans.contains(span));
        assert!(!panics, "a panic of the test");
        let scripted = self.answers.lock().unwrap().pop_front();
        let usual = self.usual.lock().unwrap();
        let outcome = match scripted.as_ref().unwrap_or(&usual) {
            Answer::IsAway => Err(StoreError::transient("connection refused")),
            Answer::RefusesAll => Err(StoreError::permanent("readonly")),
            Answer::Refuses(span) if spans.contains(span) => Err(StoreError::permanent("no such column")),
            Answer::TakesAtMost(most) if spans.len() > *most => Err(StoreError::overloaded("memory limit")),
            Answer::ChokesOn(span) if spans.contains(span) => Err(StoreError::overloaded("memory limit")),
            Answer::Takes
            | Answer::Refuses(_)
            | Answer::TakesAtMost(_)
            | Answer::ChokesOn(_)
            | Answer::PanicsOn(_) => {
                self.stored.lock().unwrap().extend(spans);
                Ok(Written::default())
            }
        };
        self.changed.notify_one();
        outcome
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if self.reachable { Ok(()) } else { Err(StoreError::transient("no route")) }
    }

    async fn expire(&self, _: Cutoffs) -> Result<Expired, StoreError> {
        Ok(Expired::default())
    }

    async fn close(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl SpanReader for Scripted {
    async fn spans(&self, _: &SpanFilter, _: &Page) -> Result<SpanPage, StoreError> {
        Ok(SpanPage::default())
    }

    async fn trace(&self, _: TraceId, _: usize) -> Result<TraceSpans, StoreError> {
        Ok(TraceSpans::default())
    }

    async fn usage(&self, _: &UsageQuery) -> Result<UsageReport, StoreError> {
        Ok(UsageReport::default())
    }

    async fn latency(&self, _: &UsageQuery) -> Result<LatencyReport, StoreError> {
        Ok(LatencyReport::default())
    }
}

struct Rig {
    folder: PathBuf,
    config: Config,
}

impl Rig {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("meshtap-pump-{}-{name}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        let mut config = Config::default();
        config.pump.max_batch_age = Duration::from_millis(1);
        config.pump.max_attempts = 3;
        (config.pump.min_backoff, config.pump.max_backoff) =
            (Duration::from_millis(1), Duration::from_millis(2));
        Self { folder, config }
    }

    fn start(&self, store: &Arc<Scripted>) -> (Queue, Drain) {
        let metrics = Arc::new(Metrics::new(&self.config.metrics));
        let opened =
            Opened::in_folder(&self.folder, &self.config.queue, Arc::clone(metrics.queue())).unwrap();
        let cursor = opened.cursor(CURSOR, None).unwrap();
        let queue = opened.start().unwrap();
        let max_parked = self.config.queue.max_parked_bytes as u64;
        let store = Arc::clone(store) as Arc<dyn Store>;
        let failures = Failures::new(metrics.tasks().clone());
        let pump = start(&self.config.pump, max_parked, cursor, store, metrics, &failures);
        (queue, pump)
    }

    fn parked(&self) -> Vec<u64> {
        let disk = crate::queue::disk::Folder::look(&self.folder).unwrap();
        parked::ids(&disk, PARKED).unwrap()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

fn request(ids: &[u8]) -> Bytes {
    let span = |id: &u8| Span {
        trace_id: vec![*id; 16],
        span_id: vec![*id; 8],
        start_time_unix_nano: 1,
        end_time_unix_nano: 2,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { spans: ids.iter().map(span).collect(), ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
}

async fn append(queue: &Queue, requests: &[&[u8]]) {
    for ids in requests {
        queue.appender().append(u32::try_from(ids.len()).unwrap(), request(ids)).await.unwrap();
    }
}

async fn stop((mut queue, mut pump): (Queue, Drain)) {
    queue.close().await;
    tokio::time::timeout(Duration::from_mins(1), pump.finish()).await.unwrap();
}

#[tokio::test]
async fn everything_arrives_in_order_and_a_stop_drains() {
    let rig = Rig::new("order");
    let store = Scripted::new(Answer::Takes, []);
    let running = rig.start(&store);
    append(&running.0, &[&[1, 2], &[3], &[4, 5, 6]]).await;
    stop(running).await;
    assert_eq!(store.stored(), [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn a_batch_comes_again_with_its_token_until_it_is_taken() {
    let rig = Rig::new("again");
    let store = Scripted::new(Answer::Takes, [Answer::IsAway, Answer::IsAway, Answer::IsAway]);
    let running = rig.start(&store);
    append(&running.0, &[&[1], &[2]]).await;
    store.until(|store| store.stored().len() == 2).await;
    stop(running).await;
    let sent = store.sent();
    assert!(sent[..4].iter().all(|attempt| *attempt == sent[0]), "{sent:?}");
    assert_eq!(store.again()[..4], [false, true, true, true]);
    assert_eq!(store.stored(), [1, 2]);
    assert!(rig.parked().is_empty());
}

#[tokio::test]
async fn what_the_store_did_not_take_stays_and_is_the_same_batch_at_the_next_start() {
    let rig = Rig::new("stays");
    let away = Scripted::new(Answer::IsAway, []);
    let running = rig.start(&away);
    append(&running.0, &[&[1], &[2], &[3]]).await;
    away.until(|store| store.sent().len() > 2).await;
    stop(running).await;
    assert!(away.stored().is_empty());

    let back = Scripted::new(Answer::Takes, []);
    let running = rig.start(&back);
    append(&running.0, &[&[4]]).await;
    back.until(|store| store.stored().len() == 4).await;
    stop(running).await;
    let again = back.again();
    assert!(again[0] && !again[1..].contains(&true), "{again:?}");
    assert_eq!(back.stored(), [1, 2, 3, 4]);
    assert_eq!(
        back.sent()[0],
        away.sent()[0],
        "the batch that may have been stored comes first, and as it was"
    );
}

#[tokio::test]
async fn the_poison_is_parked_alone_and_the_rest_goes_on() {
    let mut rig = Rig::new("poison");
    rig.config.pump.max_batch_age = Duration::from_millis(50);
    let store = Scripted::new(Answer::Refuses(5), []);
    let running = rig.start(&store);
    append(&running.0, &[&[1], &[2], &[3], &[4], &[5], &[6], &[7], &[8]]).await;
    store.until(|store| store.stored().len() == 7).await;
    stop(running).await;
    assert_eq!(store.stored(), [1, 2, 3, 4, 6, 7, 8]);
    assert_eq!(rig.parked(), [5]);
    let disk = crate::queue::disk::Folder::look(&rig.folder).unwrap();
    let parked = parked::read(&disk, &parked::name(5, PARKED)).unwrap();
    assert_eq!((&*parked.note.error, parked.packed.request()), ("no such column", Some(request(&[5]))));
}

#[tokio::test]
async fn a_request_that_cannot_be_decoded_is_parked() {
    let rig = Rig::new("unreadable");
    let store = Scripted::new(Answer::Takes, []);
    let running = rig.start(&store);
    append(&running.0, &[&[1]]).await;
    running.0.appender().append(1, Bytes::from_static(b"\x0a\xff")).await.unwrap();
    append(&running.0, &[&[3]]).await;
    stop(running).await;
    assert_eq!((store.stored(), rig.parked()), (vec![1, 3], vec![2]));
}

#[tokio::test]
async fn parked_entries_have_a_bound_and_beyond_it_hold_up_the_queue() {
    let mut rig = Rig::new("bound");
    rig.config.queue.max_parked_bytes = 1;
    rig.config.pump.max_batch_spans = 1;
    let store = Scripted::new(Answer::RefusesAll, []);
    let running = rig.start(&store);
    append(&running.0, &[&[1], &[2], &[3]]).await;
    store.until(|store| store.sent().iter().any(|(_, spans)| *spans == [2])).await;
    *store.usual.lock().unwrap() = Answer::Takes;
    stop(running).await;
    assert_eq!(rig.parked(), [1], "the second is over the bound");
    let running = rig.start(&store);
    store.until(|store| store.stored() == [2, 3]).await;
    stop(running).await;
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_refuses_nothing() {
    let rig = Rig::new("unreachable");
    let mut store = Scripted::new(Answer::Takes, [Answer::RefusesAll, Answer::RefusesAll]);
    Arc::get_mut(&mut store).unwrap().reachable = false;
    let running = rig.start(&store);
    append(&running.0, &[&[1]]).await;
    store.until(|store| store.stored() == [1]).await;
    stop(running).await;
    assert!(rig.parked().is_empty());
    assert_eq!(store.sent().len(), 3);
}

#[tokio::test]
async fn a_store_that_refuses_one_after_the_other_is_given_time() {
    let mut rig = Rig::new("broken");
    rig.config.pump.max_batch_spans = 1;
    let store = Scripted::new(Answer::RefusesAll, []);
    let running = rig.start(&store);
    append(&running.0, &[&[1], &[2], &[3], &[4], &[5]]).await;
    let tries = |store: &Scripted, id: u8| store.sent().iter().filter(|(_, spans)| *spans == [id]).count();
    store.until(|store| tries(store, 5) == 2).await;
    stop(running).await;
    let tries: Vec<usize> = (1..=5).map(|id| tries(&store, id)).collect();
    assert_eq!(tries, [1, 1, 1, 2, 2]);
}

#[tokio::test]
async fn a_batch_that_is_too_much_is_halved_and_nothing_is_parked() {
    let rig = Rig::new("too-much");
    // What waits behind a batch that is fixed becomes one batch: several entries, and one that is too much by itself.
    let away = Scripted::new(Answer::IsAway, []);
    let running = rig.start(&away);
    append(&running.0, &[&[20]]).await;
    away.until(|store| !store.sent().is_empty()).await;
    append(&running.0, &[&[1], &[2], &[3, 4, 5, 6, 7], &[8]]).await;
    stop(running).await;

    let store = Scripted::new(Answer::TakesAtMost(2), []);
    let running = rig.start(&store);
    store.until(|store| store.stored().len() == 9).await;
    append(&running.0, &[&[9, 10, 11, 12]]).await;
    store.until(|store| store.stored().len() == 13).await;
    stop(running).await;
    assert_eq!(store.stored(), [&[20], &(1..=12).collect::<Vec<u8>>()[..]].concat());
    assert!(rig.parked().is_empty());
    let sent = store.sent();
    let tokens = |spans: &[u8]| -> Vec<String> {
        sent.iter().filter(|(_, sent)| sent == spans).map(|(token, _)| token.clone()).collect()
    };
    let whole = tokens(&[1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(whole.len() == 3 && whole.iter().all(|token| *token == whole[0]), "max_attempts: {sent:?}");
    let mut taken: Vec<&String> =
        sent.iter().filter(|(_, spans)| spans.len() <= 2).map(|(token, _)| token).collect();
    let all = taken.len();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), all, "each batch has its own token: {sent:?}");
    assert_eq!(tokens(&[9, 10, 11, 12]).len(), 0, "what was learned holds: {sent:?}");
}

#[tokio::test]
async fn a_span_that_is_always_too_much_is_parked_with_its_entry_and_the_rest_goes_on() {
    let mut rig = Rig::new("chokes");
    rig.config.pump.max_batch_age = Duration::from_millis(50);
    let store = Scripted::new(Answer::ChokesOn(5), []);
    let running = rig.start(&store);
    append(&running.0, &[&[1, 2], &[3, 4, 5, 6], &[7, 8]]).await;
    store.until(|store| store.stored().ends_with(&[7, 8])).await;
    stop(running).await;
    assert_eq!(store.stored(), [1, 2, 3, 4, 7, 8]);
    assert_eq!(rig.parked(), [2]);
    let disk = crate::queue::disk::Folder::look(&rig.folder).unwrap();
    let parked = parked::read(&disk, &parked::name(2, PARKED)).unwrap();
    assert_eq!((&*parked.note.error, parked.packed.spans), ("memory limit", 4));
    let alone = store.sent().iter().filter(|(_, spans)| *spans == [5]).count();
    assert_eq!(alone, 3, "pump.max_attempts at the span alone");
}

#[tokio::test]
async fn an_error_of_the_whole_store_is_waited_out_and_halves_nothing() {
    let rig = Rig::new("store-wide");
    let away = (0..10).map(|_| Answer::IsAway);
    let store = Scripted::new(Answer::Takes, away);
    let running = rig.start(&store);
    append(&running.0, &[&[1, 2, 3, 4]]).await;
    store.until(|store| store.stored().len() == 4).await;
    stop(running).await;
    let sent = store.sent();
    assert!(sent.len() == 11 && sent.iter().all(|attempt| *attempt == sent[0]), "{sent:?}");
}

#[tokio::test]
async fn a_store_that_cannot_be_reached_is_not_overloaded() {
    let rig = Rig::new("unreachable-load");
    let chokes = (0..10).map(|_| Answer::ChokesOn(1));
    let mut store = Scripted::new(Answer::Takes, chokes);
    Arc::get_mut(&mut store).unwrap().reachable = false;
    let running = rig.start(&store);
    append(&running.0, &[&[1, 2]]).await;
    store.until(|store| store.stored() == [1, 2]).await;
    stop(running).await;
    assert!(store.sent().iter().all(|(_, spans)| *spans == [1, 2]));
}

#[tokio::test]
async fn a_piece_is_the_same_piece_at_the_next_start() {
    let rig = Rig::new("piece");
    // The whole three times, a half, a quarter, the next one: there the store goes away.
    let first = (0..6).map(|_| Answer::TakesAtMost(1));
    let away = Scripted::new(Answer::IsAway, first);
    let running = rig.start(&away);
    append(&running.0, &[&[1, 2, 3, 4]]).await;
    away.until(|store| store.sent().len() > 8).await;
    stop(running).await;
    assert_eq!(away.stored(), [1, 2]);
    let last = away.sent().pop().unwrap();
    assert_eq!(last.1, [3]);

    let back = Scripted::new(Answer::Takes, []);
    let running = rig.start(&back);
    back.until(|store| store.stored().len() == 2).await;
    append(&running.0, &[&[5]]).await;
    back.until(|store| store.stored().len() == 3).await;
    stop(running).await;
    assert_eq!(back.sent()[0], last, "with its token");
    assert_eq!(back.stored(), [3, 4, 5]);
}

#[tokio::test]
async fn a_batch_that_makes_the_store_panic_is_parked() {
    let rig = Rig::new("panic");
    let store = Scripted::new(Answer::PanicsOn(2), []);
    let running = rig.start(&store);
    append(&running.0, &[&[1], &[2], &[3]]).await;
    store.until(|store| store.stored() == [1, 3]).await;
    stop(running).await;
    assert_eq!(rig.parked(), [2]);
    let disk = crate::queue::disk::Folder::look(&rig.folder).unwrap();
    let parked = parked::read(&disk, &parked::name(2, PARKED)).unwrap();
    assert_eq!(parked.note.error, "the store panicked: a panic of the test");
}

#[tokio::test]
async fn batches_have_a_size_and_large_requests_are_their_own() {
    let mut rig = Rig::new("sizes");
    rig.config.pump.max_batch_spans = 3;
    rig.config.pump.max_batch_age = Duration::from_mins(1);
    let store = Scripted::new(Answer::Takes, []);
    let running = rig.start(&store);
    append(&running.0, &[&[1], &[2, 3], &[4], &[5, 6, 7, 8], &[9]]).await;
    stop(running).await;
    let sizes: Vec<usize> = store.sent().iter().map(|(_, spans)| spans.len()).collect();
    assert_eq!(sizes, [3, 1, 4, 1]);
}

#[tokio::test]
async fn parked_entries_that_are_marked_come_back() {
    let rig = Rig::new("retry");
    let store = Scripted::new(Answer::Refuses(1), []);
    let (queue, pump) = rig.start(&store);
    append(&queue, &[&[1]]).await;
    let parked = async {
        while rig.parked().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), parked).await.unwrap();
    *store.usual.lock().unwrap() = Answer::Takes;
    let from = rig.folder.join(parked::name(1, PARKED));
    std::fs::rename(from, rig.folder.join(parked::name(1, parked::RETRY))).unwrap();
    let stopped = CancellationToken::new();
    let retrier = tokio::spawn(retry::Retrier::new(&queue).run(stopped.clone()));
    store.until(|store| store.stored() == [1]).await;
    stopped.cancel();
    retrier.await.unwrap();
    stop((queue, pump)).await;
    let left = std::fs::read_dir(&rig.folder)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok());
    assert!(left.into_iter().all(|name| !name.contains("retry") && !name.contains("parked")));
}
