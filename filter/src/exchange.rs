//! One HTTP exchange as a state machine: bytes go in as they pass, one [`Span`] comes out at the end.
//!
//! No host, no clock, no randomness: what it needs is handed in. It may be finished at any moment and then says what was
//! certain so far. It holds a bounded amount of memory whatever the bodies.

use std::rc::Rc;

use crate::body::{Body, Reading};
use crate::caller::Caller;
use crate::config::{Config, Limits};
use crate::content::Capture;
use crate::detect::{self, Detected};
use crate::ending::{End, ErrorType, StreamLog};
use crate::provider::Observer;
use crate::redact;
use crate::span::{EnvoyFacts, Http, Kind, Principals, Span, StreamTimes, UnixNanos, Unread};
use crate::trace_context::SpanContext;
use crate::usage::{Usage, UsageSource};
use crate::wire::holds;

const SWITCHING_PROTOCOLS: u16 = 101;

/// Header names and values as they came, names in lower case.
pub trait Headers {
    fn get(&self, name: &str) -> Option<&[u8]>;

    /// About how much memory they take.
    fn bytes(&self) -> usize;
}

/// An exchange in progress.
#[derive(Debug)]
pub struct Exchange {
    detected: Rc<Detected>,
    context: SpanContext,
    kind: Kind,
    start: UnixNanos,
    http: Http,
    request: Body,
    response: Body,
    reading: Reading,
    /// What becomes of the content that `reading` collects.
    capture: Option<Capture>,
    limits: Limits,
    caller: Caller,
}

impl Exchange {
    /// `None` when the exchange is not an LLM call that is looked at.
    pub fn detect(config: &Config, headers: &dyn Headers) -> Option<Detected> {
        let method = headers.get(":method")?;
        let authority = headers.get(":authority").unwrap_or_default();
        detect::detect(method, authority, headers.get(":path")?, config.detect, &config.rules)
    }

    pub fn start(
        detected: impl Into<Rc<Detected>>,
        config: &Config,
        headers: &dyn Headers,
        kind: Kind,
        now: UnixNanos,
        random: &mut dyn FnMut() -> u64,
    ) -> Self {
        let mut detected = detected.into();
        let mut observer = Observer::new(detected.adapter, &config.limits);
        let facts = observer.facts_mut();
        let max_bytes = config.limits.max_attribute_bytes;
        let is_long = |name: &Option<String>| name.as_ref().is_some_and(|name| name.len() > max_bytes);
        if is_long(&detected.model) || is_long(&detected.conversation) {
            let Detected { model, conversation, .. } = Rc::make_mut(&mut detected);
            for named in [model, conversation].into_iter().flatten() {
                cut(named, max_bytes, &mut facts.truncated);
            }
        }
        facts.request_model.clone_from(&detected.model);
        facts.stream = detected.streams;
        facts.conversation_id.clone_from(&detected.conversation);
        let context = SpanContext::new(headers.get("traceparent"), headers.get("tracestate"), random);
        let (capture, transcript) = Capture::begin(config, &detected, &context.trace_id).unzip();
        Self {
            context,
            kind,
            start: now,
            http: request_line(headers, config.limits.max_attribute_bytes),
            request: Body::of_request(headers, detected.adapter, &config.limits),
            response: Body::default(),
            reading: Reading { observer, content: transcript, times: StreamTimes::default(), now },
            capture,
            limits: config.limits.clone(),
            detected,
            caller: Caller::default(),
        }
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the headers of the request said of who makes the call.
    pub fn made_by(&mut self, caller: Caller) {
        self.caller = caller;
    }

    pub fn request_body(&mut self, chunk: &[u8]) {
        self.http.request_bytes = self.http.request_bytes.saturating_add(length(chunk));
        self.request.feed(chunk, &mut self.reading);
    }

    /// Whether anyone looks at the bytes of the request; if not, only their number matters.
    pub fn reads_request(&self) -> bool {
        self.request.is_read()
    }

    /// Counts bytes of the request that nobody looks at.
    pub fn skip_request_body(&mut self, bytes: usize) {
        self.http.request_bytes = self.http.request_bytes.saturating_add(bytes.try_into().unwrap_or(0));
    }

    /// May come more than once: after a retry the headers of the last attempt count.
    pub fn response_headers(&mut self, headers: &dyn Headers, now: UnixNanos) {
        self.reading.now = self.reading.now.max(now);
        self.http.status = headers
            .get(":status")
            .and_then(|status| std::str::from_utf8(status).ok())
            .and_then(|status| status.parse().ok());
        self.reading.observer.response_headers(headers);
        if self.http.status == Some(SWITCHING_PROTOCOLS) {
            // What passes from now on, either way, is not HTTP.
            self.request = Body::default();
            self.response = Body::default();
        } else {
            self.response = Body::of_response(headers, self.detected.adapter, &self.limits);
        }
    }

    pub fn response_body(&mut self, chunk: &[u8], now: UnixNanos) {
        self.reading.now = self.reading.now.max(now);
        self.http.response_bytes = self.http.response_bytes.saturating_add(length(chunk));
        self.response.feed(chunk, &mut self.reading);
    }

    /// Whether anyone looks at the bytes of the answer; if not, only their number matters.
    pub fn reads_response(&self) -> bool {
        self.response.is_read()
    }

    /// Counts bytes of the answer that nobody looks at.
    pub fn skip_response_body(&mut self, bytes: usize) {
        self.http.response_bytes = self.http.response_bytes.saturating_add(bytes.try_into().unwrap_or(0));
    }

    /// The exchange is over.
    pub fn finish(mut self, log: StreamLog, envoy: EnvoyFacts, now: UnixNanos) -> Span {
        let ending = self.ending(&log);
        if ending != End::Complete {
            // A filter in front of this one may have replaced the answer, or the proxy when its time was up.
            self.http.status = log.status.or(self.http.status);
        }
        self.finish_bodies(ending);
        let is_usage_interrupted = self.reading.observer.is_usage_interrupted();
        let facts = self.reading.observer.facts();
        let adapter = self.detected.adapter;
        let operation =
            adapter.other_operation.filter(|_| facts.other_operation).unwrap_or(adapter.operation);
        let unread = self.http.response_unread;
        // A stream that ends with an error has not come to its end.
        let is_whole = ending == End::Complete && unread.is_none() && !facts.error;
        let is_failed_stream = facts.error && facts.stream == Some(true);
        let is_final = is_whole || (self.response.is_final(&self.reading) && !is_failed_stream);
        // What comes later may have said otherwise.
        let is_lost = !is_final && (unread.is_some_and(Unread::is_bound) || is_usage_interrupted);
        let usage = if is_lost {
            Usage::default()
        } else {
            (adapter.usage)(facts.reported.or(facts.metrics)).certain()
        };
        let usage_source = match (usage.is_absent(), is_final && !self.reading.observer.is_usage_old()) {
            (true, _) => UsageSource::Absent,
            (false, true) => UsageSource::Provider,
            (false, false) => UsageSource::ProviderPartial,
        };
        let error_type = log.error_type(ending, self.http.status).or_else(|| self.error_in_body());
        let usage_absent_reason = usage.is_absent().then(|| self.absent_reason(ending));
        let mut facts = self.reading.observer.into_facts();
        facts.truncated = facts.truncated.saturating_add(self.caller.truncated);
        // Who sets a header for it means it; the field of a body is as often the provider's pseudonym.
        facts.user_id = self.caller.user_id.take().or(facts.user_id);
        let mut envoy =
            EnvoyFacts { response_code_details: log.code_details, response_flags: log.flags, ..envoy };
        let forwarded = std::mem::take(&mut self.caller.principals);
        envoy.principals.source = envoy.principals.source.or(forwarded.source);
        envoy.principals.destination = envoy.principals.destination.or(forwarded.destination);
        let Principals { source, destination } = &mut envoy.principals;
        let names = [&mut envoy.cluster, &mut envoy.route, source, destination].into_iter().flatten();
        for said in names.chain([&mut envoy.response_code_details]) {
            cut(said, self.limits.max_attribute_bytes, &mut facts.truncated);
        }
        let content = self.capture.zip(self.reading.content).and_then(|(capture, transcript)| {
            capture.finish(*transcript, &facts, error_type.is_some(), is_final)
        });
        Span {
            content,
            usage,
            usage_source,
            usage_absent_reason,
            kind: self.kind,
            start: self.start,
            end: now.max(self.reading.now),
            operation,
            api: self.detected.adapter.name,
            provider_name: self.detected.provider_name.clone(),
            context: self.context,
            facts,
            stream: self.reading.times,
            http: self.http,
            ending,
            error_type,
            envoy,
            caller: self.caller,
        }
    }

    /// SDKs hang up as soon as they have read what ends an answer: nothing was cancelled then. A connection that is no
    /// longer HTTP has no other end than that one side closes it.
    fn ending(&self, log: &StreamLog) -> End {
        let is_tunnel = self.http.status == Some(SWITCHING_PROTOCOLS);
        let end = log.end(self.http.status);
        let is_downstream = end == End::ClientCancelled || (end == End::LocalReply && log.is_hung_up());
        if (is_downstream && self.response.is_final(&self.reading))
            || ((is_downstream || end == End::UpstreamReset) && is_tunnel)
        {
            return End::Complete;
        }
        end
    }

    /// A body that was cut off is no news: how the exchange ended says so already.
    fn finish_bodies(&mut self, ending: End) {
        if self.http.request_bytes > 0 {
            let cut = self.http.status.is_none() || ending != End::Complete;
            self.http.request_unread = self.request.finish(cut, &mut self.reading);
        }
        if self.detected.url_decides {
            let facts = self.reading.observer.facts_mut();
            facts.request_model.clone_from(&self.detected.model);
            facts.stream = self.detected.streams;
        }
        if self.http.response_bytes > 0 {
            self.http.response_unread = self.response.finish(ending != End::Complete, &mut self.reading);
        }
        if self.http.status.is_some_and(|status| status >= 400) {
            if ending != End::Complete {
                // The proxy's own words: nobody's answer is lost with them.
                self.http.response_unread = None;
            }
            // What some send along with an error names the request, not an answer.
            self.reading.observer.facts_mut().response_id = None;
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
            (_, Some(SWITCHING_PROTOCOLS)) => "upgraded",
            (End::Complete, _) if self.reading.observer.facts().error => "error_response",
            (End::Complete, _) if self.reading.observer.facts().invalid_count => "invalid",
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
            kind if holds(kind, "rate_limit") || kind == "429" => ErrorType::RateLimited,
            kind if holds(kind, "invalid_request") || kind == "400" => ErrorType::InvalidRequest,
            "server_error" | "internal_error" | "internal_server_error" | "500" => ErrorType::Internal,
            _ => ErrorType::Other,
        })
    }
}

fn length(chunk: &[u8]) -> u64 {
    chunk.len().try_into().unwrap_or(u64::MAX)
}

fn request_line(headers: &dyn Headers, max_bytes: usize) -> Http {
    let text = |bytes: &[u8]| header_text(bytes, max_bytes);
    let path = headers.get(":path").unwrap_or_default();
    let path = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    let (host, server_port) = detect::split_authority(headers.get(":authority").unwrap_or_default());
    Http {
        method: text(headers.get(":method").unwrap_or_default()),
        server_address: text(host),
        server_port,
        path: without_credentials(text(path), path.len() > max_bytes),
        user_agent: headers.get("user-agent").map(text),
        ..Http::default()
    }
}

/// Some put a key where a router strips it off again.
fn without_credentials(path: String, is_cut: bool) -> String {
    /// The path of most calls. One with a key before it is longer, however short both are.
    const MAX_TOO_SHORT: usize = "/v1/chat/completions".len();
    if path.len() <= MAX_TOO_SHORT {
        return path;
    }
    redact::without_credentials(&path, is_cut).unwrap_or(path)
}

/// Cuts between characters, and counts it.
pub(crate) fn cut(text: &mut String, max_bytes: usize, truncated: &mut u32) {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        // Headers of tens of KB are held until the answer has come.
        text.shrink_to_fit();
        *truncated = truncated.saturating_add(1);
    }
}

fn header_text(bytes: &[u8], max_bytes: usize) -> String {
    let bytes = bytes.get(..max_bytes).unwrap_or(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.to_owned();
    }
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
    }
    text
}

#[cfg(test)]
mod tests;
