//! One HTTP stream: forwards what passes to its [`Exchange`] and always lets it continue.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use super::host;
use super::root::Shared;
use super::uncalled;
use crate::caller;
use crate::ending::StreamLog;
use crate::exchange::Exchange;
use crate::otlp;
use crate::span::{EnvoyFacts, Kind, Principals};
use crate::stats::Metric;

/// Bodies are copied in pieces of at most this size, however much the proxy hands over at once: with a window of gzip
/// beside it, an exchange stays within two pages of memory.
const SLICE_BYTES: usize = 16 << 10;

/// The note on a stream whose span another plugin of this proxy will make: two resources selected the same pod.
const SEEN: &str = "meshtap_seen";

pub(super) struct Stream {
    shared: Rc<RefCell<Shared>>,
    /// `None` for traffic that is not looked at.
    exchange: Option<Box<Exchange>>,
    /// The request came by.
    was_asked: bool,
}

impl Stream {
    pub(super) fn new(shared: Rc<RefCell<Shared>>) -> Self {
        Self { shared, exchange: None, was_asked: false }
    }

    fn request_headers(&mut self, started: Option<u64>) -> Option<()> {
        let headers =
            host::header_map(MapType::HttpRequestHeaders).map_err(|_| self.count_host_error()).ok()?;
        let mut shared = self.shared.try_borrow_mut().ok()?;
        let shared = &mut *shared;
        let detected = Exchange::detect(&shared.config, &headers)?;
        if host::property(&[SEEN]).is_some() {
            shared.stats.add(Metric::ExchangesSeenTwice, 1);
            return None;
        }
        host::note(SEEN);
        let inbound = shared.properties.path(&["listener_direction"]);
        let kind = if host::property_integer(&inbound) == Some(1) { Kind::Server } else { Kind::Client };
        let random = &mut || shared.random.next();
        let started = started.unwrap_or_else(host::now);
        let mut exchange = Exchange::start(detected, &shared.config, &headers, kind, started, random);
        exchange.made_by(caller::read(&shared.config, &headers, kind, &mut shared.last_key));
        self.exchange = Some(Box::new(exchange));
        Some(())
    }

    /// A call that was answered before it came by: by a filter in front of ours. Its headers are there once it is logged,
    /// unless they were what was wrong with it.
    fn headers_in_hindsight(&mut self) {
        let started = host::property_integer(&["request", "time"]).and_then(|time| u64::try_from(time).ok());
        let _ = self.request_headers(started);
        self.response_headers();
    }

    fn response_headers(&mut self) {
        if let Some(exchange) = &mut self.exchange {
            match host::header_map(MapType::HttpResponseHeaders) {
                Ok(headers) => exchange.response_headers(&headers, host::now()),
                Err(_) => self.count_host_error(),
            }
        }
    }

    /// Something of a call is lost because the host does not hand it over.
    fn count_host_error(&self) {
        if let Ok(mut shared) = self.shared.try_borrow_mut() {
            shared.stats.add(Metric::HostErrors, 1);
        }
    }

    fn facts(&self, kind: Kind) -> Option<(StreamLog, EnvoyFacts)> {
        let (properties, wants_principals) = {
            let shared = self.shared.try_borrow().ok()?;
            (shared.properties, shared.config.identity.principals)
        };
        let log = StreamLog {
            code_details: host::property_text(&["response", "code_details"]).unwrap_or_default(),
            flags: host::property_integer(&["response", "flags"])
                .and_then(|flags| u64::try_from(flags).ok())
                .unwrap_or_default(),
        };
        let facts = EnvoyFacts {
            cluster: host::property_text(&properties.path(&["cluster_name"])),
            route: host::property_text(&properties.path(&["route_name"])),
            attempts: host::property_integer(&["upstream", "request_attempt_count"])
                .and_then(|attempts| u64::try_from(attempts).ok()),
            principals: if wants_principals { principals(kind) } else { Principals::default() },
            ..EnvoyFacts::default()
        };
        Some((log, facts))
    }
}

/// The URIs in the certificates of the connection to the other workload.
fn principals(kind: Kind) -> Principals {
    let side = if kind == Kind::Server { "connection" } else { "upstream" };
    let peer = host::property_text(&[side, "uri_san_peer_certificate"]);
    let local = host::property_text(&[side, "uri_san_local_certificate"]);
    match kind {
        Kind::Client => Principals { source: local, destination: peer },
        Kind::Server => Principals { source: peer, destination: local },
    }
}

/// Hands a body over in slices; `false` when the host did not give all of it.
fn for_each_slice(kind: BufferType, size: usize, mut take: impl FnMut(&[u8])) -> bool {
    let mut at = 0_usize;
    while at < size {
        let Ok(slice) = host::buffer(kind, at, size.saturating_sub(at).min(SLICE_BYTES)) else {
            return false;
        };
        if slice.is_empty() {
            return false;
        }
        take(&slice);
        at = at.saturating_add(slice.len());
    }
    true
}

impl Context for Stream {
    uncalled::of_context!();
}

impl HttpContext for Stream {
    uncalled::of_http_context!();

    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.was_asked = true;
        // `None` says that nothing is looked at; the stream goes on either way.
        let _ = self.request_headers(None);
        Action::Continue
    }

    fn on_http_request_body(&mut self, size: usize, _end_of_stream: bool) -> Action {
        let whole = match &mut self.exchange {
            Some(exchange) if exchange.reads_request() => {
                for_each_slice(BufferType::HttpRequestBody, size, |slice| exchange.request_body(slice))
            }
            Some(exchange) => {
                exchange.skip_request_body(size);
                true
            }
            None => true,
        };
        if !whole {
            self.count_host_error();
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.response_headers();
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, _end_of_stream: bool) -> Action {
        let whole = match &mut self.exchange {
            Some(exchange) if size > 0 && exchange.reads_response() => {
                let now = host::now();
                for_each_slice(BufferType::HttpResponseBody, size, |slice| exchange.response_body(slice, now))
            }
            Some(exchange) => {
                exchange.skip_response_body(size);
                true
            }
            None => true,
        };
        if !whole {
            self.count_host_error();
        }
        Action::Continue
    }

    /// The only place where an exchange is over: an end of stream may never come.
    fn on_log(&mut self) {
        if !self.was_asked {
            self.headers_in_hindsight();
        }
        let Some(exchange) = self.exchange.take() else {
            return;
        };
        let Some((log, envoy)) = self.facts(exchange.kind()) else { return };
        if log.goes_on() {
            return;
        }
        let now = host::now();
        let span = exchange.finish(log, envoy, now);
        let Ok(mut borrowed) = self.shared.try_borrow_mut() else {
            return;
        };
        let shared = &mut *borrowed;
        shared.stats.span(&span);
        shared.exporter.push(otlp::encode_span(&span), &mut shared.stats);
        let root_to_wake = shared.root_to_wake(now);
        drop(borrowed);
        if let Some(root_id) = root_to_wake {
            // A host that refuses leaves it to the tick.
            let _ = host::wake_root(root_id);
        }
    }
}
