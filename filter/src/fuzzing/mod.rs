//! What the fuzz targets of `filter/fuzz` run, and what [`tests`] runs over their corpus: one function per target, which
//! panics when anything but the bytes that it is given is at fault.
//!
//! Each checks that the bytes mean the same however they are cut, and that every bound holds. Nothing of this is in the
//! module that Envoy gets.

#![expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "what is wrong here fails a test"
)]

mod choices;
mod exchanges;

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::choices::{Choices, however_cut};
use crate::config::{self, Config, Detect, MAX_ATTRIBUTE_BYTES, MAX_RAW_USAGE_BYTES};
use crate::detect::{self, Detected, Verdicts};
use crate::provider::{Adapter, Field};
use crate::rules::Rules;
use crate::trace_context::SpanContext;
use crate::wire::aws_event_stream::{FrameError, Framer, Frames, Headers};
use crate::wire::encoding::{Bounds, Decoder, held_bytes};
use crate::wire::json::{JsonError, Scalar, Scanner, Sink};
use crate::wire::lines::{Lines, Splitter};
use crate::wire::multipart::{Fields, Reader};
use crate::wire::{CRC, sse};

pub use self::exchanges::{adapters, exchange};

/// One fuzz target.
pub type Target = fn(&[u8]);

/// Every target, by the name of its file in `filter/fuzz/fuzz_targets` and of its folder in `filter/fuzz/corpus`.
pub const TARGETS: [(&str, Target); 11] = [
    ("json", json),
    ("sse", sse),
    ("lines", lines),
    ("aws_event_stream", aws_event_stream),
    ("multipart", multipart),
    ("encodings", encodings),
    ("detect", detect),
    ("config", config),
    ("trace_context", trace_context),
    ("adapters", adapters),
    ("exchange", exchange),
];

static ADAPTERS: LazyLock<Vec<&'static Adapter>> = LazyLock::new(detect::adapters);

/// What a scanner reported.
#[derive(Debug, Clone, PartialEq)]
enum Call {
    Open(Field),
    Close(Field),
    String(Field, Vec<u8>, bool),
    Other(Field, String),
    Verbatim(Field, Option<Vec<u8>>),
}

#[derive(Default)]
struct Calls(Vec<Call>);

impl Sink<Field> for Calls {
    fn open(&mut self, tag: Field) {
        self.0.push(Call::Open(tag));
    }

    fn close(&mut self, tag: Field) {
        self.0.push(Call::Close(tag));
    }

    fn scalar(&mut self, tag: Field, value: Scalar<'_>) {
        self.0.push(match value {
            Scalar::String { bytes, truncated } => {
                assert!(bytes.len() <= MAX_ATTRIBUTE_BYTES);
                Call::String(tag, bytes.to_owned(), truncated)
            }
            Scalar::Number(digits) => {
                assert!(digits.parse::<f64>().is_ok(), "{digits}");
                Call::Other(tag, digits.to_owned())
            }
            other => Call::Other(tag, format!("{other:?}")),
        });
    }

    fn verbatim(&mut self, tag: Field, json: Option<&[u8]>) {
        assert!(json.is_none_or(|json| json.len() <= MAX_RAW_USAGE_BYTES));
        self.0.push(Call::Verbatim(tag, json.map(<[u8]>::to_owned)));
    }
}

/// One document, read for what some adapter looks for in it.
pub fn json(data: &[u8]) {
    let mut choices = Choices(data);
    let (cuts, which) = (choices.byte(), choices.byte());
    let adapter = adapter(which);
    let root = [adapter.response, adapter.event, adapter.request][usize::from(which) / ADAPTERS.len() % 3];
    let body = choices.rest();
    let (calls, end) = however_cut(body.len(), cuts, |cuts| {
        let mut scanner = Scanner::new(root);
        let first = scan(&mut scanner, &cuts.pieces(body));
        scanner.reset();
        assert_eq!(scan(&mut scanner, &cuts.pieces(body)), first, "a scanner that is used again");
        first
    });
    let mut open = Vec::new();
    for call in &calls {
        match call {
            Call::Open(tag) => open.push(*tag),
            Call::Close(tag) => assert_eq!(open.pop(), Some(*tag)),
            _ => {}
        }
    }
    assert!(end.is_err() || open.is_empty(), "{open:?}");
    if serde_json::from_slice::<serde_json::Value>(body).is_ok() {
        assert_eq!(end, Ok(()), "JSON to others");
    }
}

fn scan(scanner: &mut Scanner<Field>, pieces: &[&[u8]]) -> (Vec<Call>, Result<(), JsonError>) {
    let mut calls = Calls::default();
    for piece in pieces {
        scanner.feed(piece, &mut calls);
    }
    let end = scanner.finish(&mut calls);
    (calls.0, end)
}

/// Events by type and data, the data of the current one, and whether it is in an error.
#[derive(Default)]
struct Events(Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>, bool);

impl sse::Events for Events {
    fn data(&mut self, bytes: &[u8]) {
        self.1.extend_from_slice(bytes);
    }

    fn error_begins(&mut self) {
        assert!(!self.2, "an error inside an error");
        self.2 = true;
    }

    fn error_ends(&mut self) {
        assert!(self.2, "the end of no error");
        self.2 = false;
    }

    fn dispatch(&mut self, event_type: &[u8]) {
        assert!(!self.2, "an error that goes on behind its event");
        assert!(event_type.len() <= 64);
        self.0.push((event_type.to_owned(), std::mem::take(&mut self.1)));
    }
}

/// A stream of events: framed, and as the answer of some API.
pub fn sse(data: &[u8]) {
    let mut choices = Choices(data);
    let (cuts, adapter) = (choices.byte(), adapter(choices.byte()));
    let body = choices.rest();
    let (events, left) = however_cut(body.len(), cuts, |cuts| {
        let mut events = Events::default();
        let mut framer = sse::Framer::default();
        for piece in cuts.pieces(body) {
            framer.feed(piece, &mut events);
        }
        framer.finish(&mut events);
        (events.0, events.1)
    });
    assert!(left.is_empty(), "data that belongs to no event");
    assert!(events.iter().map(|(_, data)| data.len() + 1).sum::<usize>() <= body.len());
    exchanges::answer(adapter, "text/event-stream", cuts, body);
}

/// Every adapter, over and over.
fn adapter(choice: u8) -> &'static Adapter {
    ADAPTERS[usize::from(choice) % ADAPTERS.len()]
}

#[derive(Default)]
struct Documents(Vec<Vec<u8>>, Vec<u8>);

impl Lines for Documents {
    fn data(&mut self, bytes: &[u8]) {
        self.1.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        self.0.push(std::mem::take(&mut self.1));
    }
}

/// Documents one a line, or in an array: split, and as the answer of some API.
pub fn lines(data: &[u8]) {
    let mut choices = Choices(data);
    let (cuts, adapter) = (choices.byte(), adapter(choices.byte()));
    let body = choices.rest();
    let documents = however_cut(body.len(), cuts, |cuts| {
        let mut documents = Documents::default();
        let mut splitter = Splitter::default();
        for piece in cuts.pieces(body) {
            splitter.feed(piece, &mut documents);
        }
        splitter.finish(&mut documents);
        documents.0
    });
    let expected: Vec<_> = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
    assert_eq!(documents, expected);
    for content_type in ["application/x-ndjson", "application/json"] {
        exchanges::answer(adapter, content_type, cuts, body);
    }
}

struct Log {
    frames: Vec<(Option<Vec<u8>>, Vec<u8>)>,
    begun: (Option<Vec<u8>>, Vec<u8>),
    is_checked: bool,
    max_bytes: usize,
}

impl Frames for Log {
    fn begin(&mut self, headers: Headers<'_>, is_checked: bool) {
        self.begun = (headers.text(":event-type").map(<[u8]>::to_owned), Vec::new());
        self.is_checked = is_checked;
    }

    fn payload(&mut self, bytes: &[u8]) {
        self.begun.1.extend_from_slice(bytes);
    }

    fn end(&mut self) {
        assert!(!self.is_checked || self.begun.1.len() <= self.max_bytes);
        self.frames.push(std::mem::take(&mut self.begun));
    }
}

/// Frames: as they are, or with checksums that hold.
pub fn aws_event_stream(data: &[u8]) {
    let mut choices = Choices(data);
    let (cuts, how, adapter) = (choices.byte(), choices.byte(), adapter(choices.byte()));
    let max_bytes = [32 << 10, 1 << 10, 100, 16][usize::from(how >> 6)];
    let body = if how & 1 == 0 { choices.rest().to_owned() } else { framed(choices, how) };
    let (_, _, end) = however_cut(body.len(), cuts, |cuts| {
        let mut log = Log { frames: Vec::new(), begun: (None, Vec::new()), is_checked: true, max_bytes };
        let mut framer = Framer::new(max_bytes);
        for piece in cuts.pieces(&body) {
            framer.feed(piece, &mut log);
        }
        (log.frames, log.begun, framer.finish())
    });
    assert!(how & 3 != 1 || !matches!(end, Err(FrameError::Checksum | FrameError::Truncated)), "{end:?}");
    exchanges::answer(adapter, "application/vnd.amazon.eventstream", cuts, &body);
}

/// Frames whose types and payloads are chosen; some with damage.
fn framed(mut choices: Choices<'_>, how: u8) -> Vec<u8> {
    const TYPES: [&str; 6] =
        ["chunk", "metadata", "messageStop", "contentBlockDelta", "messageStart", "trace"];
    let mut body = Vec::new();
    while !choices.is_empty() {
        let kind = choices.byte();
        let name = if kind & 0x40 == 0 { ":event-type" } else { ":exception-type" };
        let payload = choices.text();
        if kind & 0x80 == 0 {
            frame(&mut body, name, TYPES[usize::from(kind & 0x3f) % TYPES.len()], payload);
        } else {
            let mut encoded = vec![0; payload.len() * 4 / 3 + 4];
            let length = STANDARD.encode_slice(payload, &mut encoded).unwrap_or_default();
            encoded.truncate(length);
            frame(&mut body, name, "chunk", &[br#"{"bytes":""#, encoded.as_slice(), br#""}"#].concat());
        }
    }
    if how & 2 == 2 && !body.is_empty() {
        let at = usize::from(how) * 7 % body.len();
        body[at] ^= how;
    }
    body
}

pub(crate) fn frame(out: &mut Vec<u8>, name: &str, value: &str, payload: &[u8]) {
    let short = |length: usize| u8::try_from(length).unwrap_or(u8::MAX);
    let word = |length: usize| u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    let head =
        [&[short(name.len())], name.as_bytes(), &[7, 0, short(value.len())], value.as_bytes()].concat();
    let mut frame = [word(16 + head.len() + payload.len()), word(head.len())].concat();
    frame.extend_from_slice(&CRC.checksum(&frame).to_be_bytes());
    frame.extend_from_slice(&head);
    frame.extend_from_slice(payload);
    frame.extend_from_slice(&CRC.checksum(&frame).to_be_bytes());
    out.extend_from_slice(&frame);
}

#[derive(Debug, Default, PartialEq)]
struct Form(Vec<(String, Vec<u8>)>);

impl Fields for Form {
    fn field(&mut self, name: &str, value: &[u8]) {
        assert!(name.len() <= 1_024 && value.len() <= 512);
        self.0.push((name.to_owned(), value.to_owned()));
    }
}

/// A content type in the first line, a form below.
pub fn multipart(data: &[u8]) {
    let mut choices = Choices(data);
    let cuts = choices.byte();
    let content_type = choices.until(b'\n');
    let body = choices.rest();
    however_cut(body.len(), cuts, |cuts| {
        let mut reader = Reader::new(content_type)?;
        let mut form = Form::default();
        for piece in cuts.pieces(body) {
            reader.feed(piece, &mut form);
        }
        Some((form, reader.is_complete()))
    });
}

/// One coding or several.
pub fn encodings(data: &[u8]) {
    const HEADERS: [&str; 8] =
        ["gzip", "deflate", "br", "zstd", "br, gzip", "gzip, zstd", "zstd, deflate", "gzip, gzip, br, zstd"];
    let mut choices = Choices(data);
    let (cuts, how) = (choices.byte(), choices.byte());
    let header = HEADERS[usize::from(how & 7)];
    let bounds = Bounds {
        window_bytes: if how & 8 == 0 { 8 << 20 } else { 128 << 10 },
        vm_bytes: if how & 16 == 0 { 64 << 20 } else { 1 << 20 },
        expansion: if how & 32 == 0 { 2 } else { 256 },
    };
    let body = choices.rest();
    however_cut(body.len(), cuts, |cuts| {
        let mut decoder = Decoder::new(header.as_bytes(), &bounds);
        let (mut length, mut hash) = (0_u64, 0xcbf2_9ce4_8422_2325_u64);
        for piece in cuts.pieces(body) {
            let Some(decoder) = &mut decoder else { break };
            decoder.feed(piece, &mut |bytes| {
                length += bytes.len() as u64;
                for byte in bytes {
                    hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
                }
            });
        }
        assert!(length <= (1 << 20) + bounds.expansion * (body.len() as u64 + 1_024));
        assert!(held_bytes() <= bounds.vm_bytes + (4 << 20));
        (length, hash, decoder.map(|decoder| decoder.finish()))
    });
    assert_eq!(held_bytes(), 0, "memory that was not given back");
}

/// Method, authority and path, one a line.
pub fn detect(data: &[u8]) {
    let mut choices = Choices(data);
    let (method, authority, path) = (choices.until(b'\n'), choices.until(b'\n'), choices.rest());
    let heuristic = detect::detect(method, authority, path, Detect::Heuristic, &Rules::default());
    let known = detect::detect(method, authority, path, Detect::Known, &Rules::default());
    // HEAD asks about a call, and sessions begin with GET.
    assert!(matches!(method, b"POST" | b"HEAD" | b"GET") || heuristic.is_none());
    let what = |detected: &Detected| {
        (detected.provider_name.clone(), detected.adapter.name, detected.model.clone(), detected.streams)
    };
    if let Some(known) = &known {
        assert_eq!(heuristic.as_ref().map(what), Some(what(known)), "a known host is looked at in any case");
    }
    let upper = authority.to_ascii_uppercase();
    let in_upper_case = detect::detect(method, &upper, path, Detect::Heuristic, &Rules::default());
    assert_eq!(in_upper_case.as_ref().map(what), heuristic.as_ref().map(what));
    let mut verdicts = Verdicts::default();
    let bare = path.split(|byte| *byte == b'?').next().unwrap_or_default();
    for path in [path, bare, path, bare] {
        let remembered = verdicts.detect(method, authority, path, Detect::Heuristic, &Rules::default());
        let found = detect::detect(method, authority, path, Detect::Heuristic, &Rules::default());
        assert_eq!(remembered.as_deref().map(what), found.as_ref().map(what), "whatever came before");
    }
    let model = heuristic.and_then(|detected| detected.model).unwrap_or_default();
    assert!(model.len() <= path.len());
}

/// A plugin configuration.
pub fn config(data: &[u8]) {
    let (Config { collector, batch, queue, retry, limits, .. }, problems) = config::parse(data);
    let is_text = |text: &str| (1..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    assert!(is_text(&collector.cluster) && is_text(&collector.authority));
    assert!((100..=60_000).contains(&collector.timeout_ms));
    assert!((1..=4_096).contains(&batch.max_spans) && (4_096..=1 << 20).contains(&batch.max_bytes));
    assert!((20..=10_000).contains(&batch.max_age_ms));
    assert!((64 << 10..=64 << 20).contains(&queue.max_bytes) && (1..=16).contains(&queue.max_in_flight));
    assert!((20..=60_000).contains(&retry.initial_backoff_ms));
    assert!((20..=300_000).contains(&retry.max_backoff_ms));
    assert!((64..=MAX_ATTRIBUTE_BYTES).contains(&limits.max_attribute_bytes));
    assert!((0..=MAX_RAW_USAGE_BYTES).contains(&limits.max_raw_usage_bytes));
    assert!((1 << 10..=1 << 20).contains(&limits.max_frame_bytes));
    assert!((32 << 10..=64 << 20).contains(&limits.max_window_bytes));
    assert!((64 << 10..=config::MAX_DECODER_BYTES).contains(&limits.max_decoder_bytes));
    assert!((2..=10_000).contains(&limits.max_expansion_ratio));
    for problem in &problems {
        assert!(problem.message.len() <= 1_024 && problem.path.len() <= 512, "{problem:?}");
    }
}

/// `traceparent` and `tracestate`, one a line.
pub fn trace_context(data: &[u8]) {
    let mut choices = Choices(data);
    let (parent, state) = (choices.until(b'\n'), choices.rest());
    let context = SpanContext::new(Some(parent), Some(state), &mut || 0);
    assert!(context.trace_id != [0; 16] && context.span_id != [0; 8]);
    assert!(context.trace_state.len() <= 512);
    let Some(parent_id) = context.parent_span_id else {
        assert_eq!((context.flags, context.trace_state.as_str()), (1, ""));
        return;
    };
    let (trace_id, parent_id) = (u128::from_be_bytes(context.trace_id), u64::from_be_bytes(parent_id));
    let again = format!("00-{trace_id:032x}-{parent_id:016x}-{:02x}", context.flags);
    assert_eq!(SpanContext::new(Some(again.as_bytes()), Some(state), &mut || 0), context);
    assert_ne!(parent_id, 0);
}

#[cfg(test)]
mod tests;
