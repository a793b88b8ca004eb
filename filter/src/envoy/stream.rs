//! One HTTP stream: copies what passes into a [`Recording`] and always lets it continue.

use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, BufferType, MapType};

use super::host::{self, HeaderMap};
use super::root::{Ended, Shared};
use super::uncalled;
use crate::ending::StreamLog;
use crate::exchange::Headers as _;
use crate::identity::{self, PropertyRoot};
use crate::recording::Recording;
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
    recording: Option<Recording<HeaderMap>>,
    /// Once it had to be known.
    kind: Option<Kind>,
    /// The request came by.
    was_asked: bool,
    /// The answer has a status of success.
    succeeded: bool,
}

impl Stream {
    pub(super) fn new(shared: Rc<RefCell<Shared>>) -> Self {
        Self { shared, recording: None, kind: None, was_asked: false, succeeded: false }
    }

    fn request_headers(&mut self, started: Option<u64>) -> Option<()> {
        let headers =
            host::header_map(MapType::HttpRequestHeaders).map_err(|_| self.count_host_error()).ok()?;
        let mut shared = self.shared.try_borrow_mut().ok()?;
        let detected = shared.detect(&headers)?;
        if shared.beside.is_watching() {
            if host::property_text(SEEN).is_some() {
                shared.beside.meet();
                shared.stats.add(Metric::ExchangesSeenTwice, 1);
                return None;
            }
            host::note(SEEN);
        }
        let started = started.unwrap_or_else(host::now);
        self.recording = Some(Recording::begin(headers, detected, started, shared.held.clone()));
        drop(shared);
        self.read_if_full();
        Some(())
    }

    /// A call that was answered before it came by: by a filter in front of ours. Its headers are there once it is logged,
    /// unless they were what was wrong with it.
    fn headers_in_hindsight(&mut self) {
        let started = host::property_integer("request\0time").and_then(|time| u64::try_from(time).ok());
        let _ = self.request_headers(started);
        self.response_headers();
    }

    fn response_headers(&mut self) {
        if let Some(recording) = &mut self.recording {
            match host::header_map(MapType::HttpResponseHeaders) {
                Ok(headers) => {
                    self.succeeded = headers.get(":status").is_some_and(|status| status.starts_with(b"2"));
                    recording.response_headers(headers, host::now());
                }
                Err(_) => self.count_host_error(),
            }
            self.read_if_full();
        }
    }

    /// Takes in `size` bytes of a body with `keep`, in slices.
    fn body(&mut self, kind: BufferType, size: usize, keep: impl Fn(&mut Recording<HeaderMap>, Vec<u8>)) {
        let mut at = 0_usize;
        while at < size {
            let slice = host::buffer(kind, at, size.saturating_sub(at).min(SLICE_BYTES));
            let Some(slice) = slice.ok().filter(|slice| !slice.is_empty()) else {
                return self.count_host_error();
            };
            at = at.saturating_add(slice.len());
            let Some(recording) = &mut self.recording else { return };
            keep(recording, slice);
            self.read_if_full();
        }
    }

    fn read_if_full(&mut self) {
        let Ok(mut shared) = self.shared.try_borrow_mut() else { return };
        let Some(recording) = &mut self.recording else { return };
        if recording.is_full(shared.config.limits.max_unread_bytes) {
            let kind = *self.kind.get_or_insert_with(|| kind(shared.properties));
            shared.read(recording, kind);
        }
    }

    /// Something of a call is lost because the host does not hand it over.
    fn count_host_error(&self) {
        if let Ok(mut shared) = self.shared.try_borrow_mut() {
            shared.stats.add(Metric::HostErrors, 1);
        }
    }

    /// What the host knows once the stream is over.
    fn facts(&self) -> Option<(Kind, StreamLog, EnvoyFacts)> {
        let (properties, wants_principals, is_sidecar) = {
            let shared = self.shared.try_borrow().ok()?;
            (shared.properties, shared.config.identity.principals, shared.is_sidecar)
        };
        let code_details = host::property_text("response\0code_details").unwrap_or_default();
        // A call to the host costs as much as reading a body: none for what cannot be.
        let has_flags = !(self.succeeded && code_details == "via_upstream");
        let number = |name| has_flags.then(|| host::property_integer(name)).flatten();
        let flags = number("response\0flags").and_then(|flags| u64::try_from(flags).ok());
        let status = number("response\0code").and_then(|status| u16::try_from(status).ok());
        let status = status.filter(|status| *status > 0);
        let log = StreamLog { code_details, flags: flags.unwrap_or_default(), status };
        let cluster = host::property_text(properties.joined("xds\0cluster_name"));
        let kind = self.kind.unwrap_or_else(|| {
            cluster.as_deref().and_then(identity::kind_at_cluster).unwrap_or_else(|| kind(properties))
        });
        let facts = EnvoyFacts {
            cluster,
            route: host::property_text(properties.joined("xds\0route_name")),
            attempts: host::property_integer("upstream\0request_attempt_count")
                .and_then(|attempts| u64::try_from(attempts).ok()),
            principals: if wants_principals { principals(kind, is_sidecar) } else { Principals::default() },
            ..EnvoyFacts::default()
        };
        Some((kind, log, facts))
    }
}

/// Which side of the workload the stream is on.
fn kind(properties: PropertyRoot) -> Kind {
    let direction = host::property_integer(properties.joined("xds\0listener_direction"));
    if direction == Some(1) { Kind::Server } else { Kind::Client }
}

/// The URIs in the certificates of the connection to the other workload. In a gateway the caller is whose connection the
/// call came in by; an application has none with its own sidecar.
fn principals(kind: Kind, is_sidecar: bool) -> Principals {
    match kind {
        Kind::Client => {
            let destination = host::property_text("upstream\0uri_san_peer_certificate");
            let caller = || host::property_text("connection\0uri_san_peer_certificate");
            // A sidecar shows its own only to who shows one.
            let own = || {
                destination.as_ref().and_then(|_| host::property_text("upstream\0uri_san_local_certificate"))
            };
            let source = if is_sidecar { own() } else { caller().or_else(own) };
            Principals { source, destination }
        }
        Kind::Server => Principals {
            source: host::property_text("connection\0uri_san_peer_certificate"),
            destination: host::property_text("connection\0uri_san_local_certificate"),
        },
    }
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
        if let Some(recording) = &mut self.recording
            && !recording.skip_request_body(size)
        {
            self.body(BufferType::HttpRequestBody, size, Recording::request_body);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        self.response_headers();
        Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, _end_of_stream: bool) -> Action {
        if size > 0
            && let Some(recording) = &mut self.recording
            && !recording.skip_response_body(size)
        {
            let now = host::now();
            self.body(BufferType::HttpResponseBody, size, |recording, slice| {
                recording.response_body(slice, now);
            });
        }
        Action::Continue
    }

    /// The only place where an exchange is over: an end of stream may never come.
    fn on_log(&mut self) {
        if !self.was_asked {
            self.headers_in_hindsight();
        }
        let Some(recording) = self.recording.take() else {
            return;
        };
        let Some((kind, log, envoy)) = self.facts() else { return };
        if log.goes_on() {
            return;
        }
        let Ok(mut shared) = self.shared.try_borrow_mut() else {
            return;
        };
        let root_to_wake = shared.ended(Ended { recording, kind, log, envoy, at: host::now() });
        drop(shared);
        if let Some(root_id) = root_to_wake {
            // A host that refuses leaves it to the tick.
            let _ = host::wake_root(root_id);
        }
    }
}
