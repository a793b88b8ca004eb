//! One HTTP exchange as a state machine: bytes go in as they pass, one [`Span`] comes out at the end.
//!
//! No host, no clock, no randomness: what it needs is handed in. It may be finished at any moment and then says what was
//! certain so far. It holds a bounded amount of memory whatever the bodies.

use crate::config::Config;
use crate::detect::{self, Detected};
use crate::ending::{End, ErrorType, StreamLog};
use crate::provider::{Adapter, Field, Observer};
use crate::span::{EnvoyFacts, Http, Kind, Span, StreamTimes, UnixNanos, Unread};
use crate::trace_context::SpanContext;
use crate::usage::UsageSource;
use crate::wire::json::{JsonError, Scanner};
use crate::wire::sse;

/// Header names and values as they came, names in lower case.
pub trait Headers {
    fn get(&self, name: &str) -> Option<&[u8]>;
}

/// An exchange in progress.
#[derive(Debug)]
pub struct Exchange {
    detected: Detected,
    context: SpanContext,
    kind: Kind,
    start: UnixNanos,
    http: Http,
    request: Body,
    response: Body,
    reading: Reading,
}

/// What the bodies said so far, and when.
#[derive(Debug)]
struct Reading {
    observer: Observer,
    times: StreamTimes,
    /// The latest time that was handed in; it never goes back.
    now: UnixNanos,
}

impl Exchange {
    /// `None` when the exchange is not an LLM call that is looked at.
    pub fn detect(config: &Config, headers: &dyn Headers) -> Option<Detected> {
        let method = headers.get(":method")?;
        let authority = headers.get(":authority").unwrap_or_default();
        detect::detect(method, authority, headers.get(":path")?, config.detect)
    }

    pub fn start(
        detected: Detected,
        config: &Config,
        headers: &dyn Headers,
        kind: Kind,
        now: UnixNanos,
        random: &mut dyn FnMut() -> u64,
    ) -> Self {
        Self {
            detected,
            context: SpanContext::new(headers.get("traceparent"), headers.get("tracestate"), random),
            kind,
            start: now,
            http: request_line(headers, config.limits.max_attribute_bytes),
            request: Body::of_request(headers, detected.adapter),
            response: Body::Nothing,
            reading: Reading { observer: Observer::new(&config.limits), times: StreamTimes::default(), now },
        }
    }

    pub fn request_body(&mut self, chunk: &[u8]) {
        self.http.request_bytes = self.http.request_bytes.saturating_add(length(chunk));
        self.request.feed(chunk, &mut self.reading);
    }

    /// May come more than once: after a retry the headers of the last attempt count.
    pub fn response_headers(&mut self, headers: &dyn Headers, now: UnixNanos) {
        self.reading.now = self.reading.now.max(now);
        self.http.status = headers
            .get(":status")
            .and_then(|status| std::str::from_utf8(status).ok())
            .and_then(|status| status.parse().ok());
        self.response = Body::of_response(headers, self.detected.adapter);
    }

    pub fn response_body(&mut self, chunk: &[u8], now: UnixNanos) {
        self.reading.now = self.reading.now.max(now);
        self.http.response_bytes = self.http.response_bytes.saturating_add(length(chunk));
        self.response.feed(chunk, &mut self.reading);
    }

    /// Whether anyone looks at the bytes of the answer; if not, only their number matters.
    pub fn reads_response(&self) -> bool {
        matches!(self.response, Body::Json(_) | Body::Events(_))
    }

    /// Counts bytes of the answer that nobody looks at.
    pub fn skip_response_body(&mut self, bytes: usize) {
        self.http.response_bytes = self.http.response_bytes.saturating_add(bytes.try_into().unwrap_or(0));
    }

    /// The exchange is over.
    pub fn finish(mut self, log: StreamLog, envoy: EnvoyFacts, now: UnixNanos) -> Span {
        let ending = self.ending(&log);
        self.finish_bodies(ending);
        let usage = (self.detected.adapter.usage)(self.reading.observer.facts().reported);
        let is_final = ending == End::Complete || self.response.is_final();
        let usage_source = match (usage.is_absent(), is_final) {
            (true, _) => UsageSource::Absent,
            (false, true) => UsageSource::Provider,
            (false, false) => UsageSource::ProviderPartial,
        };
        let error_type = log.error_type(ending, self.http.status).or_else(|| self.error_in_body());
        Span {
            usage,
            usage_source,
            usage_absent_reason: usage.is_absent().then(|| self.absent_reason(ending)),
            kind: self.kind,
            start: self.start,
            end: now.max(self.reading.now),
            operation_name: self.detected.adapter.operation_name,
            provider_name: self.detected.provider_name,
            openai_api_type: self.detected.adapter.openai_api_type,
            context: self.context,
            facts: self.reading.observer.into_facts(),
            stream: self.reading.times,
            http: self.http,
            ending,
            error_type,
            envoy: EnvoyFacts { response_code_details: log.code_details, response_flags: log.flags, ..envoy },
        }
    }

    /// SDKs hang up as soon as they have read what ends an answer: nothing was cancelled then.
    fn ending(&self, log: &StreamLog) -> End {
        match log.end(self.http.status.is_some()) {
            End::ClientCancelled if self.response.is_whole() => End::Complete,
            end => end,
        }
    }

    /// A body that was cut off is no news: how the exchange ended says so already.
    fn finish_bodies(&mut self, ending: End) {
        if self.http.request_bytes > 0 {
            let cut = self.http.status.is_none() || ending != End::Complete;
            self.http.request_unread = self.request.finish(cut, &mut self.reading);
        }
        if self.http.response_bytes > 0 {
            self.http.response_unread = self.response.finish(ending != End::Complete, &mut self.reading);
        }
    }

    /// Why there are no counts, from the most specific reason to the least.
    fn absent_reason(&self, ending: End) -> &'static str {
        if let Some(unread) = self.http.response_unread {
            return unread.name();
        }
        match (ending, self.http.status) {
            (_, None) => "no_response",
            (_, Some(400..)) => "error_response",
            (End::Complete, _) if self.reading.observer.facts().error => "error_response",
            (End::Complete, _) => "not_sent",
            _ => "cut_off",
        }
    }

    /// An error object inside an answer that began well.
    fn error_in_body(&self) -> Option<ErrorType> {
        let facts = self.reading.observer.facts();
        if !facts.error {
            return None;
        }
        let kind = facts.error_type.as_deref().or(facts.error_code.as_deref());
        Some(match kind.unwrap_or_default() {
            kind if kind.contains("rate_limit") || kind == "429" => ErrorType::RateLimited,
            kind if kind.contains("invalid_request") || kind == "400" => ErrorType::InvalidRequest,
            "server_error" | "internal_error" | "internal_server_error" | "500" => ErrorType::Internal,
            _ => ErrorType::Other,
        })
    }
}

/// What is done with the bytes of one body.
#[derive(Debug)]
enum Body {
    /// There is none, or not yet.
    Nothing,
    Unread(Unread),
    Json(Box<Scanner<Field>>),
    Events(Box<EventReader>),
}

impl Body {
    fn of_request(headers: &dyn Headers, adapter: &'static Adapter) -> Self {
        if is_encoded(headers) {
            return Self::Unread(Unread::ContentEncoding);
        }
        match headers.get("content-type") {
            // curl and some SDKs leave it out or send their own default.
            None => Self::json(adapter.request),
            Some(value) if media_type(value).is_some_and(is_json) => Self::json(adapter.request),
            Some(_) => Self::Unread(Unread::ContentType),
        }
    }

    fn of_response(headers: &dyn Headers, adapter: &'static Adapter) -> Self {
        if is_encoded(headers) {
            return Self::Unread(Unread::ContentEncoding);
        }
        match headers.get("content-type").and_then(media_type) {
            Some(kind) if kind.eq_ignore_ascii_case("text/event-stream") => {
                Self::Events(Box::new(EventReader::new(adapter)))
            }
            Some(kind) if is_json(kind) => Self::json(adapter.response),
            _ => Self::Unread(Unread::ContentType),
        }
    }

    fn json(fields: &'static crate::wire::json::Node<Field>) -> Self {
        Self::Json(Box::new(Scanner::new(fields)))
    }

    /// Whether all of it that means anything has come.
    fn is_whole(&self) -> bool {
        match self {
            Self::Json(scanner) => scanner.is_done(),
            Self::Events(reader) => reader.ended,
            Self::Nothing | Self::Unread(_) => false,
        }
    }

    /// Whether counts read from it cannot change any more, even if the rest never came.
    fn is_final(&self) -> bool {
        match self {
            Self::Json(_) => true,
            Self::Events(reader) => reader.ended,
            Self::Nothing | Self::Unread(_) => false,
        }
    }

    fn feed(&mut self, chunk: &[u8], reading: &mut Reading) {
        match self {
            Self::Nothing | Self::Unread(_) => {}
            Self::Json(scanner) => scanner.feed(chunk, &mut reading.observer),
            Self::Events(reader) => reader.feed(chunk, reading),
        }
    }

    /// Why it could not be read, if so. A body that was `cut` is not expected to be whole.
    fn finish(&mut self, cut: bool, reading: &mut Reading) -> Option<Unread> {
        match self {
            Self::Nothing => None,
            Self::Unread(reason) => Some(*reason),
            Self::Json(scanner) => match scanner.finish(&mut reading.observer) {
                Ok(()) => None,
                Err(JsonError::Truncated) => (!cut).then_some(Unread::Truncated),
                Err(JsonError::Malformed) => Some(Unread::Malformed),
            },
            Self::Events(reader) => reader.finish(cut, reading),
        }
    }
}

/// Reads a stream of server-sent events, each of which carries one JSON document.
#[derive(Debug)]
struct EventReader {
    framer: sse::Framer,
    scanner: Scanner<Field>,
    last_event: &'static [u8],
    /// The event after which nothing comes has come.
    ended: bool,
    /// The first bytes of the current event, enough to tell the last one, and how many it has.
    head: [u8; 8],
    bytes: usize,
    /// Some event was not JSON.
    malformed: bool,
}

impl EventReader {
    fn new(adapter: &'static Adapter) -> Self {
        Self {
            framer: sse::Framer::default(),
            scanner: Scanner::new(adapter.event),
            last_event: adapter.last_event,
            ended: false,
            head: [0; 8],
            bytes: 0,
            malformed: false,
        }
    }

    fn feed(&mut self, chunk: &[u8], reading: &mut Reading) {
        // The framer is taken out so that it can call back into the rest.
        let mut framer = std::mem::take(&mut self.framer);
        framer.feed(chunk, &mut Event { reader: self, reading });
        self.framer = framer;
    }

    fn finish(&mut self, cut: bool, reading: &mut Reading) -> Option<Unread> {
        if self.malformed {
            return Some(Unread::Malformed);
        }
        let mut framer = std::mem::take(&mut self.framer);
        framer.finish(&mut Event { reader: self, reading });
        let facts = reading.observer.facts();
        let has_end = self.ended || !facts.finish_reasons.is_empty() || facts.error;
        // The last event had no blank line and is not JSON: it is only a part of one.
        let in_event = self.malformed;
        (!cut && (in_event || !has_end)).then_some(Unread::Truncated)
    }

    fn is_last_event(&self) -> bool {
        self.bytes == self.last_event.len() && self.head.get(..self.bytes) == Some(self.last_event)
    }
}

/// The events of one chunk on their way to the scanner.
struct Event<'a> {
    reader: &'a mut EventReader,
    reading: &'a mut Reading,
}

impl sse::Events for Event<'_> {
    fn data(&mut self, bytes: &[u8]) {
        let reader = &mut *self.reader;
        if let Some(room) = reader.head.get_mut(reader.bytes..) {
            for (slot, byte) in room.iter_mut().zip(bytes) {
                *slot = *byte;
            }
        }
        reader.bytes = reader.bytes.saturating_add(bytes.len());
        reader.scanner.feed(bytes, &mut self.reading.observer);
    }

    fn dispatch(&mut self, _event_type: &[u8]) {
        let reader = &mut *self.reader;
        let Reading { observer, times, now } = &mut *self.reading;
        if reader.is_last_event() {
            reader.ended = true;
        } else if reader.scanner.finish(observer).is_ok() {
            times.chunk(*now);
            if observer.take_output() {
                times.content(*now);
            }
        } else if reader.bytes > 0 {
            reader.malformed = true;
        }
        reader.scanner.reset();
        reader.bytes = 0;
    }
}

fn length(chunk: &[u8]) -> u64 {
    chunk.len().try_into().unwrap_or(u64::MAX)
}

fn is_encoded(headers: &dyn Headers) -> bool {
    headers.get("content-encoding").is_some_and(|encoding| {
        let encoding = encoding.trim_ascii();
        !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity")
    })
}

/// The media type without its parameters.
fn media_type(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    std::str::from_utf8(value.get(..end)?).ok().map(str::trim)
}

fn is_json(media_type: &str) -> bool {
    let kind = media_type.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn request_line(headers: &dyn Headers, max_bytes: usize) -> Http {
    let text = |bytes: &[u8]| header_text(bytes, max_bytes);
    let path = headers.get(":path").unwrap_or_default();
    let (host, server_port) = detect::split_authority(headers.get(":authority").unwrap_or_default());
    Http {
        method: text(headers.get(":method").unwrap_or_default()),
        server_address: text(host),
        server_port,
        path: text(path.split(|byte| *byte == b'?').next().unwrap_or_default()),
        user_agent: headers.get("user-agent").map(text),
        ..Http::default()
    }
}

fn header_text(bytes: &[u8], max_bytes: usize) -> String {
    let mut text = String::new();
    for chunk in bytes.get(..max_bytes).unwrap_or(bytes).utf8_chunks() {
        text.push_str(chunk.valid());
    }
    text
}

#[cfg(test)]
mod tests;
