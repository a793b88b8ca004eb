//! One call, made every way: without the filter, with it into SQLite, with it into ClickHouse.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::clickhouse::ClickHouse;
use crate::client::{Call, OpenAiClient, Outcome};
use crate::collector::{Collector, Store};
use crate::envoy::{Envoy, Filter, Listener};
use crate::process::Process;
use crate::sandbox::Sandbox;
use crate::spans::Span;
use crate::standin::Standin;
use crate::standin::record::{End, Exchange, Headers};
use crate::workload::Workload;

/// The listener without the filter.
pub const BARE: &str = "bare";
/// The listeners with the filter, by the store behind their collector.
pub const STORES: [&str; 2] = ["sqlite", "clickhouse"];
/// The span that calls are made children of.
pub const PARENT_SPAN: &str = "00f067aa0ba902b7";

/// Everything at once: a provider, an Envoy with three listeners, two collectors with a store each, a client.
pub struct Mesh {
    _sandbox: Sandbox,
    pub standin: Standin,
    pub clickhouse: ClickHouse,
    collectors: [Collector; 2],
    pub envoy: Envoy,
    pub client: &'static OpenAiClient,
}

static SHARED: LazyLock<Mesh> = LazyLock::new(Mesh::start);

/// The mesh that tests share. Calls are told apart by their case's name and by their trace.
pub fn shared() -> Shared {
    Shared(&SHARED)
}

/// Shows the logs of all parts when the test that holds it fails.
pub struct Shared(&'static Mesh);

impl Deref for Shared {
    type Target = Mesh;

    fn deref(&self) -> &Mesh {
        self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if thread::panicking() {
            for part in self.0.parts() {
                eprint!("{}", part.log_tail());
            }
        }
    }
}

impl Mesh {
    fn start() -> Self {
        let sandbox = Sandbox::new("mesh");
        let standin = Standin::start();
        let clickhouse = ClickHouse::start(&sandbox);
        let in_clickhouse =
            Store::ClickHouse { url: clickhouse.url(), database: clickhouse.database("shared_mesh") };
        let collectors = [
            Collector::start(&sandbox, "collector-sqlite", &Store::Sqlite),
            Collector::start(&sandbox, "collector-clickhouse", &in_clickhouse),
        ];
        let mut listeners = vec![Listener::new(BARE, standin.address())];
        for (store, collector) in STORES.iter().zip(&collectors) {
            let filter = Filter::exporting_to(collector.grpc());
            listeners.push(Listener::new(store, standin.address()).filter(filter));
        }
        let envoy = Envoy::start(&sandbox, &Workload::new("checkout", "shop"), &listeners);
        Self { _sandbox: sandbox, standin, clickhouse, collectors, envoy, client: OpenAiClient::shared() }
    }

    /// Makes the call once each way, as a child of a span of a new trace, and waits for its spans.
    #[track_caller]
    pub fn observe(&self, call: &Call) -> Seen {
        let trace = new_trace_id();
        let call = call.clone().header("traceparent", &format!("00-{trace}-{PARENT_SPAN}-01"));
        let [bare, sqlite, clickhouse] = self.every_way(&call);
        let query = format!("trace_id={trace}");
        let spans = self.collectors.iter().map(|collector| collector.wait_for_span(&query));
        let observed = STORES.into_iter().zip([sqlite, clickhouse]).zip(spans);
        let observed = observed.map(|((store, side), span)| Observed { store, side, span }).collect();
        Seen { trace, bare, observed }
    }

    /// The collector in front of this store.
    #[track_caller]
    pub fn collector(&self, store: &str) -> &Collector {
        let place = STORES.iter().position(|name| *name == store);
        &self.collectors[place.unwrap_or_else(|| panic!("no store {store}"))]
    }

    /// Makes the call once through one listener.
    #[track_caller]
    pub fn one_way(&self, call: &Call, via: &str) -> Side {
        one_way(self.client, &self.standin, self.envoy.address(via), via, call)
    }

    fn every_way(&self, call: &Call) -> [Side; 3] {
        thread::scope(|scope| {
            let ways = [BARE, STORES[0], STORES[1]].map(|via| scope.spawn(move || self.one_way(call, via)));
            ways.map(|way| way.join().expect("the call was made"))
        })
    }

    fn parts(&self) -> impl Iterator<Item = &Process> {
        let collectors = self.collectors.iter().filter_map(Collector::process);
        collectors.chain([self.envoy.process(), self.client.process()])
    }
}

/// Makes a call through any Envoy and keeps both ends of it.
#[track_caller]
pub fn one_way(
    client: &OpenAiClient,
    standin: &Standin,
    address: SocketAddr,
    via: &str,
    call: &Call,
) -> Side {
    let outcome = client.call(address, via, call);
    let exchange = standin.exchange(&call.name(via));
    Side { outcome, exchange }
}

/// A trace that nobody else uses.
pub fn new_trace_id() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    let high = u64::try_from(now & u128::from(u64::MAX)).unwrap_or_default();
    format!("{high:016x}{:08x}{count:08x}", std::process::id())
}

/// One call as both ends saw it.
#[derive(Clone, Debug)]
pub struct Side {
    pub outcome: Outcome,
    pub exchange: Exchange,
}

/// One call made through the filter.
pub struct Observed {
    pub store: &'static str,
    pub side: Side,
    pub span: Span,
}

/// One call made every way.
pub struct Seen {
    pub trace: String,
    pub bare: Side,
    pub observed: Vec<Observed>,
}

impl Seen {
    /// The first invariant: with the filter, both ends see what they see without it.
    #[track_caller]
    pub fn assert_untouched(&self) {
        self.bare.assert_faithful(BARE);
        for Observed { store, side, .. } in &self.observed {
            side.assert_faithful(store);
            side.assert_same_as(&self.bare, store);
        }
    }
}

/// Differ from call to call by themselves.
const VARYING_REQUEST_HEADERS: [&str; 2] = ["x-request-id", crate::standin::CALL];
const VARYING_RESPONSE_HEADERS: [&str; 2] = ["x-envoy-upstream-service-time", "date"];
/// Added by Envoy on the way back, or a matter of one connection.
const HOP_HEADERS: [&str; 3] = ["x-envoy-upstream-service-time", "transfer-encoding", "connection"];

impl Side {
    /// What one end sent is what the other got.
    #[track_caller]
    pub fn assert_faithful(&self, via: &str) {
        let Self { outcome, exchange } = self;
        assert_same_bytes(&outcome.request_body, &exchange.request_body, &format!("{via}: request body"));
        if exchange.status == 0 {
            return; // the provider never answered; the reply is Envoy's own
        }
        assert_eq!(outcome.status, exchange.status, "{via}: status");
        assert_eq!(
            sorted(without(&outcome.headers, &HOP_HEADERS)),
            sorted(exchange.response_headers.clone()),
            "{via}: response headers"
        );
        if exchange.end == Some(End::Complete) {
            assert_same_bytes(&outcome.body, &exchange.sent, &format!("{via}: response body"));
        } else {
            let sent = exchange.sent.get(..outcome.body.len()).unwrap_or(&exchange.sent);
            assert_same_bytes(&outcome.body, sent, &format!("{via}: beginning of the response body"));
        }
    }

    /// Both ends saw what they saw in `other`.
    #[track_caller]
    fn assert_same_as(&self, other: &Self, via: &str) {
        assert_eq!(
            masked(&self.exchange.request_headers, &VARYING_REQUEST_HEADERS),
            masked(&other.exchange.request_headers, &VARYING_REQUEST_HEADERS),
            "{via}: request headers at the provider"
        );
        assert_eq!(
            masked(&self.outcome.headers, &VARYING_RESPONSE_HEADERS),
            masked(&other.outcome.headers, &VARYING_RESPONSE_HEADERS),
            "{via}: response headers at the client"
        );
        assert_eq!(self.outcome.status, other.outcome.status, "{via}: status");
        assert_eq!(self.outcome.error_class(), other.outcome.error_class(), "{via}: the SDK's exception");
        assert_eq!(self.outcome.parsed, other.outcome.parsed, "{via}: what the SDK returned");
        assert_eq!(self.outcome.chunks, other.outcome.chunks, "{via}: what the SDK's stream yielded");
        if self.exchange.end == Some(End::Complete) {
            assert_same_bytes(&self.outcome.body, &other.outcome.body, &format!("{via}: response body"));
        }
    }
}

/// Like `assert_eq`, without printing megabytes.
#[track_caller]
pub fn assert_same_bytes(got: &[u8], expected: &[u8], what: &str) {
    if got == expected {
        return;
    }
    let differs = got.iter().zip(expected).position(|(a, b)| a != b).unwrap_or(got.len().min(expected.len()));
    let from = differs.saturating_sub(40);
    let around = |bytes: &[u8]| {
        let end = bytes.len().min(differs + 40);
        bytes.get(from..end).map(|part| String::from_utf8_lossy(part).into_owned())
    };
    panic!(
        "{what}: {} bytes instead of {}, first difference at {differs}: {:?} instead of {:?}",
        got.len(),
        expected.len(),
        around(got),
        around(expected)
    );
}

fn without(headers: &Headers, names: &[&str]) -> Headers {
    headers.iter().filter(|(name, _)| !names.contains(&name.as_str())).cloned().collect()
}

/// The headers in their order, with the values hidden that vary by themselves.
fn masked(headers: &Headers, names: &[&str]) -> Headers {
    let value = |name: &String, value: &String| {
        if names.contains(&name.as_str()) { String::new() } else { value.clone() }
    };
    headers.iter().map(|(name, text)| (name.clone(), value(name, text))).collect()
}

fn sorted(mut headers: Headers) -> Headers {
    headers.sort();
    headers
}
