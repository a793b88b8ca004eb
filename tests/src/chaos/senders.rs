//! Senders that repeat a batch until it is answered with success, and the books of what they were told.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use meshtap_filter::semconv;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;

use crate::http;

pub(super) const SENDERS: usize = 4;
pub(super) const MAX_BATCH: usize = 60;
const MODELS: [&str; 3] = ["gpt-4o", "claude-sonnet-4-5", "gemini-2.5-flash"];
const USERS: u8 = 5;
const ERROR: i32 = 2;
/// More than two days ago, and less than three.
const ENDED_SECONDS: std::ops::Range<u64> = 49 * 3600..71 * 3600;
/// Between two attempts: a collector that is down refuses at once.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two batches, so that a round has thousands of spans and not a million.
const BREATH: Duration = Duration::from_millis(4);

/// By span id, in hexadecimal.
#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) answered: HashSet<String>,
    pub(super) sent: HashSet<String>,
    pub(super) repeated: usize,
}

pub(super) struct Load {
    stop: Arc<AtomicBool>,
    /// Nobody asks for the last answers any more.
    given_up: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Books>>,
}

impl Load {
    pub(super) fn start(address: SocketAddr, service: &str, random: &mut Rng) -> Self {
        let (stop, given_up) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let ids = Arc::new(AtomicU64::new(random.u64(1..u64::MAX / 2)));
        let senders = (0..SENDERS)
            .map(|_| {
                let (stop, given_up, ids) = (Arc::clone(&stop), Arc::clone(&given_up), Arc::clone(&ids));
                let (service, mut random) = (service.to_owned(), Rng::with_seed(random.u64(..)));
                thread::spawn(move || send(address, &service, [&stop, &given_up], &ids, &mut random))
            })
            .collect();
        Self { stop, given_up, senders }
    }

    /// Every sender gets its last batch answered. The collector has to run.
    #[track_caller]
    pub(super) fn end(mut self) -> Books {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Books::default();
        for sender in self.senders.drain(..) {
            let books = sender.join().expect("a sender that lives");
            all.answered.extend(books.answered);
            all.sent.extend(books.sent);
            all.repeated += books.repeated;
        }
        all
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.given_up.store(true, Ordering::Relaxed);
    }
}

fn send(
    address: SocketAddr,
    service: &str,
    [stop, given_up]: [&AtomicBool; 2],
    ids: &AtomicU64,
    random: &mut Rng,
) -> Books {
    let mut books = Books::default();
    while !stop.load(Ordering::Relaxed) {
        let spans: Vec<Span> = (0..random.usize(1..=MAX_BATCH))
            .map(|_| span(service, ids.fetch_add(1, Ordering::Relaxed), random))
            .collect();
        let names: Vec<String> = spans.iter().map(|span| hex(&span.span_id)).collect();
        books.sent.extend(names.iter().cloned());
        let body = request(service, spans);
        while !is_answered(address, &body) {
            if given_up.load(Ordering::Relaxed) {
                return books;
            }
            books.repeated += 1;
            thread::park_timeout(PAUSE);
        }
        books.answered.extend(names);
        // An answer that gets lost on its way makes a sender repeat what was taken.
        if random.u8(..) < 8 {
            is_answered(address, &body);
        }
        thread::park_timeout(BREATH);
    }
    books
}

fn is_answered(address: SocketAddr, body: &[u8]) -> bool {
    let answer = http::post(address, "/v1/traces", &[("content-type", "application/x-protobuf")], body);
    answer.is_ok_and(|reply| reply.status == 200 && reply.broken.is_none())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn request(service: &str, spans: Vec<Span>) -> Vec<u8> {
    let attributes = vec![pair(semconv::SERVICE_NAME, Value::StringValue(service.to_owned()))];
    let resource = Resource { attributes, ..Resource::default() };
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

/// Every other call is of a day that has ended, which the store's check of its rollups looks at.
fn span(service: &str, id: u64, random: &mut Rng) -> Span {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let ago = if random.bool() { Duration::from_secs(random.u64(ENDED_SECONDS)) } else { Duration::ZERO };
    let start = u64::try_from(since_epoch.saturating_sub(ago).as_nanos()).unwrap_or_default();
    let model = MODELS[random.usize(..MODELS.len())];
    let bytes = id.to_be_bytes();
    let mut attributes = vec![
        pair(semconv::GEN_AI_OPERATION_NAME, Value::StringValue("chat".to_owned())),
        pair(semconv::GEN_AI_REQUEST_MODEL, Value::StringValue(model.to_owned())),
        pair(semconv::MESHTAP_USER_ID, Value::StringValue(format!("{service}/{}", random.u8(..USERS)))),
    ];
    if random.u8(..) < 200 {
        for name in [semconv::GEN_AI_USAGE_INPUT_TOKENS, semconv::GEN_AI_USAGE_OUTPUT_TOKENS] {
            attributes.push(pair(name, Value::IntValue(random.i64(1..1000))));
        }
    }
    if random.bool() {
        let seconds = Value::DoubleValue(f64::from(random.u32(1..1000)) / 1000.0);
        attributes.push(pair(semconv::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, seconds));
    }
    let status = Status { code: if random.u8(..) < 20 { ERROR } else { 0 }, ..Status::default() };
    Span {
        trace_id: [bytes, bytes].concat(),
        span_id: bytes.to_vec(),
        name: format!("chat {model}"),
        kind: 3,
        start_time_unix_nano: start,
        end_time_unix_nano: start + random.u64(1_000_000..1_000_000_000),
        attributes,
        status: Some(status),
        ..Span::default()
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
