//! What passes of a stream, kept as it came until it is read together with more.
//!
//! A proxy calls for every piece, and does work of its own in between: each time the code that reads, and what it reads
//! by, must come back into the processor's caches, which takes longer than the reading. So pieces are kept, within
//! bounds, and the [`Exchange`] gets them in a row: all of a small exchange after it has ended, together with others that
//! have; a long one a few KiB at a time. What it finds is the same, and so are the times, which are kept with the pieces.

use std::cell::Cell;
use std::rc::Rc;

use crate::caller::{self, LastKey};
use crate::config::Config;
use crate::detect::Detected;
use crate::ending::StreamLog;
use crate::exchange::{Exchange, Headers};
use crate::span::{EnvoyFacts, Kind, Span, UnixNanos};

/// What a recording keeps at most before it is read.
const MAX_STREAM_BYTES: usize = 16 << 10;
/// Pieces after which it is read, however small they are.
const MAX_PIECES: usize = 32;

/// The bytes that all recordings of a VM keep.
#[derive(Debug, Clone, Default)]
pub struct Held(Rc<Cell<usize>>);

impl Held {
    fn add(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_add(bytes));
    }

    fn remove(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_sub(bytes));
    }
}

/// What reading takes beside the pieces.
pub struct Means<'a> {
    pub config: &'a Config,
    pub random: &'a mut dyn FnMut() -> u64,
    pub last_key: &'a mut LastKey,
}

/// One exchange whose headers and bodies are not all read yet.
#[derive(Debug)]
pub struct Recording<H> {
    /// `None` until it is read for the first time.
    exchange: Option<Box<Exchange>>,
    pieces: Vec<Piece<H>>,
    bytes: usize,
    held: Held,
}

#[derive(Debug)]
enum Piece<H> {
    Request(H, Rc<Detected>, UnixNanos),
    RequestBody(Vec<u8>),
    Response(H, UnixNanos),
    ResponseBody(Vec<u8>, UnixNanos),
}

impl<H: Headers> Recording<H> {
    /// Of an exchange that is looked at, as what [`Exchange::detect`] says.
    pub fn begin(request: H, detected: impl Into<Rc<Detected>>, now: UnixNanos, held: Held) -> Self {
        const USUAL_PIECES: usize = 4;
        let pieces = Vec::with_capacity(USUAL_PIECES);
        let mut recording = Self { exchange: None, pieces, bytes: 0, held };
        let detected = detected.into();
        let bytes = request.bytes().saturating_add(detected.bytes());
        recording.keep(bytes, Piece::Request(request, detected, now));
        recording
    }

    pub fn request_body(&mut self, chunk: Vec<u8>) {
        self.keep(chunk.len(), Piece::RequestBody(chunk));
    }

    pub fn response_headers(&mut self, headers: H, now: UnixNanos) {
        self.keep(headers.bytes(), Piece::Response(headers, now));
    }

    pub fn response_body(&mut self, chunk: Vec<u8>, now: UnixNanos) {
        self.keep(chunk.len(), Piece::ResponseBody(chunk, now));
    }

    /// Counts bytes of the request, where nobody looks at them; `false` where somebody may.
    pub fn skip_request_body(&mut self, bytes: usize) -> bool {
        self.skip(|exchange| !exchange.reads_request(), |exchange| exchange.skip_request_body(bytes))
    }

    /// Counts bytes of the answer, where nobody looks at them; `false` where somebody may.
    pub fn skip_response_body(&mut self, bytes: usize) -> bool {
        self.skip(|exchange| !exchange.reads_response(), |exchange| exchange.skip_response_body(bytes))
    }

    /// What is kept says whether more is read, so that nothing is skipped before that is.
    fn skip(&mut self, can: impl FnOnce(&Exchange) -> bool, skip: impl FnOnce(&mut Exchange)) -> bool {
        let exchange = self.exchange.as_mut().filter(|exchange| self.pieces.is_empty() && can(exchange));
        exchange.map(|exchange| skip(exchange)).is_some()
    }

    /// Whether it must be read before more is kept. `max_held_bytes` is for all recordings together.
    pub fn is_full(&self, max_held_bytes: usize) -> bool {
        self.bytes >= MAX_STREAM_BYTES
            || self.pieces.len() >= MAX_PIECES
            || self.held.0.get() > max_held_bytes
    }

    /// Whether it has been read before.
    pub fn is_begun(&self) -> bool {
        self.exchange.is_some()
    }

    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reads what is kept. `kind` must be the same each time.
    pub fn read(&mut self, kind: Kind, means: &mut Means<'_>) {
        for piece in self.pieces.drain(..) {
            match (piece, &mut self.exchange) {
                (Piece::Request(headers, detected, now), _) => {
                    self.exchange = Some(start(detected, &headers, kind, now, means));
                }
                (Piece::RequestBody(chunk), Some(exchange)) => exchange.request_body(&chunk),
                (Piece::Response(headers, now), Some(exchange)) => exchange.response_headers(&headers, now),
                (Piece::ResponseBody(chunk, now), Some(exchange)) => exchange.response_body(&chunk, now),
                (_, None) => {}
            }
        }
        self.held.remove(std::mem::take(&mut self.bytes));
    }

    /// Reads the rest of an exchange that is over.
    pub fn finish(
        mut self,
        kind: Kind,
        log: StreamLog,
        envoy: EnvoyFacts,
        now: UnixNanos,
        means: &mut Means<'_>,
    ) -> Option<Span> {
        self.read(kind, means);
        Some(self.exchange.take()?.finish(log, envoy, now))
    }

    fn keep(&mut self, bytes: usize, piece: Piece<H>) {
        self.bytes = self.bytes.saturating_add(bytes);
        self.held.add(bytes);
        self.pieces.push(piece);
    }
}

/// A stream may go without having been logged.
impl<H> Drop for Recording<H> {
    fn drop(&mut self) {
        self.held.remove(self.bytes);
    }
}

fn start(
    detected: Rc<Detected>,
    headers: &dyn Headers,
    kind: Kind,
    now: UnixNanos,
    means: &mut Means<'_>,
) -> Box<Exchange> {
    let mut exchange = Exchange::start(detected, means.config, headers, kind, now, means.random);
    exchange.made_by(caller::read(means.config, headers, kind, means.last_key));
    Box::new(exchange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Map, headers};

    const REQUEST: &str =
        r#"{"model":"gpt-4o","stream":true,"messages":[{"role":"user","content":"Hello"}]}"#;
    const EVENTS: &str = "data: {\"id\":\"c1\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":10}}\n\n\
        data: [DONE]\n\n";

    fn request() -> Map {
        let line = [(":method", "POST"), (":authority", "api.openai.com"), (":path", "/v1/chat/completions")];
        headers(&[&line[..], &[("content-type", "application/json"), ("x-user-id", "u1")]].concat())
    }

    fn detected() -> Detected {
        Exchange::detect(&Config::default(), &request()).expect("a call")
    }

    fn answer() -> Map {
        headers(&[(":status", "200"), ("content-type", "text/event-stream")])
    }

    fn log() -> StreamLog {
        StreamLog { code_details: "via_upstream".to_owned(), ..StreamLog::default() }
    }

    /// The span of a streamed call whose bodies come in pieces of `size`, read whenever `is_time` says so.
    fn span(size: usize, held: &Held, is_time: impl Fn(&Recording<Map>) -> bool) -> Option<Span> {
        let (config, mut last_key) = (Config::default(), LastKey::default());
        let mut means = Means { config: &config, random: &mut || 7, last_key: &mut last_key };
        let mut recording = Recording::begin(request(), detected(), 100, held.clone());
        let mut then = |recording: &mut Recording<Map>| {
            if is_time(recording) {
                recording.read(Kind::Client, &mut means);
            }
        };
        for piece in REQUEST.as_bytes().chunks(size) {
            recording.request_body(piece.to_vec());
            then(&mut recording);
        }
        recording.response_headers(answer(), 200);
        for (piece, now) in EVENTS.as_bytes().chunks(size).zip(300..) {
            recording.response_body(piece.to_vec(), now);
            then(&mut recording);
        }
        recording.finish(Kind::Client, log(), EnvoyFacts::default(), 900, &mut means)
    }

    #[test]
    fn when_it_is_read_changes_nothing() {
        for size in [1, 7, 64, 4_096] {
            let held = Held::default();
            let at_the_end = span(size, &held, |_| false).expect("a call");
            assert_eq!((at_the_end.usage.input_tokens, at_the_end.start), (Some(19), 100));
            assert_eq!(at_the_end.facts.user_id.as_deref(), Some("u1"));
            assert_eq!(span(size, &held, |_| true).as_ref(), Some(&at_the_end), "each piece");
            assert_eq!(
                span(size, &held, |it| it.is_full(usize::MAX)).as_ref(),
                Some(&at_the_end),
                "when full"
            );
            assert_eq!(held.0.get(), 0);
        }
    }

    #[test]
    fn bounds() {
        let held = Held::default();
        let mut recording = Recording::begin(request(), detected(), 1, held.clone());
        assert!(!recording.is_full(1 << 20));
        assert!(recording.is_full(recording.bytes() - 1), "what all hold");
        recording.request_body(vec![b' '; MAX_STREAM_BYTES]);
        assert!(recording.is_full(1 << 20), "its own bytes");
        assert_eq!(held.0.get(), recording.bytes());
        drop(recording);
        assert_eq!(held.0.get(), 0, "a stream that is never logged");

        let mut recording = Recording::begin(request(), detected(), 1, held);
        (1..MAX_PIECES).for_each(|_| recording.request_body(vec![b' ']));
        assert!(recording.is_full(1 << 20), "its pieces");
    }

    #[test]
    fn only_what_nobody_reads_is_skipped() {
        let (config, mut last_key) = (Config::default(), LastKey::default());
        let mut means = Means { config: &config, random: &mut || 7, last_key: &mut last_key };
        let mut recording = Recording::begin(request(), detected(), 1, Held::default());
        recording.response_headers(headers(&[(":status", "101")]), 2);
        assert!(!recording.skip_response_body(5), "the headers are not read yet");
        recording.read(Kind::Client, &mut means);
        assert!(recording.skip_response_body(5));
        assert!(recording.skip_request_body(7), "a tunnel");
        let span = recording.finish(Kind::Client, log(), EnvoyFacts::default(), 9, &mut means);
        let http = span.expect("a call").http;
        assert_eq!((http.request_bytes, http.response_bytes), (7, 5));
    }
}
