//! The bytes of one body on their way to what they mean: content coding, framing, JSON, fields.
//!
//! Which framing it is, the content type says; where it says nothing usable, the first bytes do. A byte order mark at the
//! start means nothing in any of them.

mod aws_frames;
mod content;
mod documents;
mod event_stream;
mod form;

use std::borrow::Cow;

use crate::config::Limits;
use crate::content::Transcript;
use crate::exchange::Headers;
use crate::provider::{Adapter, Observer, Operation};
use crate::span::{StreamTimes, UnixNanos, Unread};
use crate::wire::encoding::{Bounds, DecodeError, Decoder};
use crate::wire::{lower_case, trimmed};

use self::aws_frames::AwsFrames;
use self::documents::{Document, JsonLines};
use self::event_stream::EventStream;
use self::form::Form;

/// What the bodies of an exchange said so far, and when.
#[derive(Debug)]
pub struct Reading {
    pub observer: Observer,
    /// Only where content is switched on and collected for this exchange.
    pub content: Option<Box<Transcript>>,
    pub times: StreamTimes,
    /// The latest time that was handed in; it never goes back.
    pub now: UnixNanos,
}

impl Reading {
    fn note_progress(&mut self) {
        let (documents, with_output) = self.observer.take_progress();
        if documents > 0 {
            self.times.chunk(self.now);
        }
        for _ in 0..with_output {
            self.times.content(self.now);
        }
    }
}

/// One body.
#[derive(Debug, Default)]
pub struct Body {
    decoder: Option<Box<Decoder>>,
    mark: Mark,
    reader: Reader,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// How many bytes of a byte order mark the body begins with; all of them also once it is known to have none.
#[derive(Debug, Default)]
struct Mark(usize);

/// What an answer is said to be, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Anything,
    JsonLines,
    Events,
    /// For people.
    Text,
}

#[derive(Debug, Default)]
enum Reader {
    /// There is no body, or not yet.
    #[default]
    Nothing,
    Unread(Unread),
    /// Until its first bytes show what it is: an error may come as JSON under the content type of the stream that was
    /// asked for, and some servers never say what they send.
    Unknown {
        adapter: &'static Adapter,
        said: Said,
        max_frame_bytes: usize,
    },
    /// JSON of a request whose type says something else, or nothing to us, until the first byte tells.
    UnknownRequest(&'static Adapter),
    /// The same of an answer.
    UnknownAnswer(&'static Adapter),
    Document(Box<Document>),
    JsonLines(Box<JsonLines>),
    EventStream(Box<EventStream>),
    AwsFrames(Box<AwsFrames>),
    Form(Box<Form>),
}

impl Body {
    pub fn of_request(headers: &dyn Headers, adapter: &'static Adapter, limits: &Limits) -> Self {
        if adapter.operation == Operation::FileUpload {
            return Self::default();
        }
        let reader = match media_type(headers) {
            // curl and some SDKs leave it out.
            None => Reader::Document(Box::new(Document::request(adapter))),
            Some(kind) if is_json(&kind) => Reader::Document(Box::new(Document::request(adapter))),
            Some(_) => match headers.get("content-type").and_then(Form::new) {
                Some(form) => Reader::Form(Box::new(form)),
                // curl calls everything a form unless told otherwise, recorders blot headers out.
                None => Reader::UnknownRequest(adapter),
            },
        };
        Self { decoder: decoder(headers, limits), mark: Mark::default(), reader }
    }

    pub fn of_response(headers: &dyn Headers, adapter: &'static Adapter, limits: &Limits) -> Self {
        let reader = match media_type(headers).as_deref() {
            Some(kind) if is_opaque(kind) => Reader::UnknownAnswer(adapter),
            kind => Reader::Unknown {
                adapter,
                said: kind.map_or(Said::Anything, said),
                max_frame_bytes: limits.max_frame_bytes,
            },
        };
        Self { decoder: decoder(headers, limits), mark: Mark::default(), reader }
    }

    /// Whether anyone looks at the bytes; if not, only their number matters.
    pub fn is_read(&self) -> bool {
        !matches!(self.reader, Reader::Nothing | Reader::Unread(_))
    }

    /// Whether all of it that means anything has come: what was read from it cannot change any more.
    pub fn is_final(&self, reading: &Reading) -> bool {
        match &self.reader {
            Reader::Document(document) if document.is_single() => document.is_done(reading),
            Reader::Document(_) | Reader::JsonLines(_) | Reader::EventStream(_) | Reader::AwsFrames(_) => {
                reading.observer.saw_last_event()
            }
            _ => false,
        }
    }

    pub fn feed(&mut self, chunk: &[u8], reading: &mut Reading) {
        let Self { decoder, mark, reader } = self;
        match decoder {
            Some(decoder) => {
                decoder.feed(chunk, &mut |bytes| mark.feed(bytes, reader, reading));
                if decoder.is_late() {
                    // When its events came is not known: better no times than wrong ones.
                    reading.observer.take_progress();
                }
            }
            None => mark.feed(chunk, reader, reading),
        }
        reading.note_progress();
    }

    /// Why it could not be read, if so. A body that was `cut` is not expected to be whole.
    pub fn finish(&mut self, cut: bool, reading: &mut Reading) -> Option<Unread> {
        let decoded = self.decoder.as_ref().map_or(Ok(true), |decoder| decoder.finish());
        let read = self.reader.finish(cut || decoded != Ok(true), reading);
        if self.decoder.as_ref().is_some_and(|decoder| decoder.is_late()) {
            reading.observer.take_progress();
        }
        reading.note_progress();
        match decoded {
            // Its bytes were not even looked at to their end.
            _ if matches!(self.reader, Reader::Unread(_)) => read,
            Err(DecodeError::Unknown) => Some(Unread::ContentEncoding),
            Err(DecodeError::Corrupt) => Some(Unread::EncodingCorrupt),
            Err(DecodeError::Memory) => Some(Unread::EncodingMemory),
            Err(DecodeError::VmMemory) => Some(Unread::EncodingVmMemory),
            Err(DecodeError::Expansion) => Some(Unread::EncodingExpansion),
            Ok(false) if !cut => Some(Unread::Truncated),
            Ok(_) => read,
        }
    }
}

impl Mark {
    /// Hands the bytes behind it on.
    fn feed(&mut self, mut bytes: &[u8], reader: &mut Reader, reading: &mut Reading) {
        while let (Some(expected), Some((byte, rest))) = (BYTE_ORDER_MARK.get(self.0), bytes.split_first()) {
            if byte == expected {
                self.0 = self.0.saturating_add(1);
                bytes = rest;
            } else {
                let no_mark = BYTE_ORDER_MARK.get(..self.0).unwrap_or_default();
                self.0 = BYTE_ORDER_MARK.len();
                reader.feed(no_mark, reading);
            }
        }
        reader.feed(bytes, reading);
    }
}

impl Reader {
    fn by_first_byte(
        first: u8,
        adapter: &'static Adapter,
        said: Said,
        max_frame_bytes: usize,
        reading: &Reading,
    ) -> Self {
        let is_json = matches!(first, b'{' | b'[');
        // Nobody asked for JSON: a transcript comes as text or subtitles too.
        let is_transcript = said == Said::Text
            && adapter.operation == Operation::Transcription
            && reading.observer.facts().stream != Some(true);
        // `data:`, `event:`, `id:`, `retry:`, a comment; any field where events are promised.
        let is_field =
            matches!(first, b'd' | b'e' | b'i' | b'r' | b':') || (said == Said::Events && !is_json);
        match first {
            // The length of a frame below 16 MiB.
            0 => Self::AwsFrames(Box::new(AwsFrames::new(adapter, max_frame_bytes))),
            _ if is_transcript && !is_json => Self::Nothing,
            _ if is_field => Self::EventStream(Box::new(EventStream::new(adapter))),
            _ if said == Said::JsonLines => Self::JsonLines(Box::new(JsonLines::new(adapter))),
            _ => Self::Document(Box::new(Document::answer(adapter))),
        }
    }

    fn feed(&mut self, mut bytes: &[u8], reading: &mut Reading) {
        if let Self::Unknown { adapter, said, max_frame_bytes } = *self {
            // White space at the start means nothing in any of the formats.
            bytes = bytes.trim_ascii_start();
            match bytes.first() {
                Some(first) => *self = Self::by_first_byte(*first, adapter, said, max_frame_bytes, reading),
                None => return,
            }
        }
        if let Self::UnknownRequest(adapter) | Self::UnknownAnswer(adapter) = *self {
            let document =
                if matches!(self, Self::UnknownRequest(_)) { Document::request } else { Document::answer };
            bytes = bytes.trim_ascii_start();
            *self = match bytes.first() {
                Some(b'{' | b'[') => Self::Document(Box::new(document(adapter))),
                Some(_) => Self::Unread(Unread::ContentType),
                None => return,
            }
        }
        match self {
            Self::Nothing
            | Self::Unread(_)
            | Self::Unknown { .. }
            | Self::UnknownRequest(_)
            | Self::UnknownAnswer(_) => {}
            Self::Document(document) => document.feed(bytes, reading),
            Self::JsonLines(lines) => lines.feed(bytes, reading),
            Self::EventStream(stream) => stream.feed(bytes, reading),
            Self::AwsFrames(frames) => frames.feed(bytes, reading),
            Self::Form(form) => form.feed(bytes, reading),
        }
    }

    fn finish(&mut self, cut: bool, reading: &mut Reading) -> Option<Unread> {
        match self {
            Self::Nothing | Self::Unknown { .. } | Self::UnknownRequest(_) | Self::UnknownAnswer(_) => None,
            Self::Unread(reason) => Some(*reason),
            Self::Document(document) => document.finish(cut, reading),
            Self::JsonLines(lines) => lines.finish(cut, reading),
            Self::EventStream(stream) => stream.finish(cut, reading),
            Self::AwsFrames(frames) => frames.finish(cut, &reading.observer),
            Self::Form(form) => form.finish(cut),
        }
    }
}

fn decoder(headers: &dyn Headers, limits: &Limits) -> Option<Box<Decoder>> {
    let codings = headers.get("content-encoding")?;
    let bounds = Bounds {
        window_bytes: limits.max_window_bytes,
        vm_bytes: limits.max_decoder_bytes,
        expansion: limits.max_expansion_ratio,
    };
    Decoder::new(codings, &bounds).map(Box::new)
}

/// The media type without its parameters, in lower case.
fn media_type(headers: &dyn Headers) -> Option<Cow<'_, str>> {
    let value = headers.get("content-type")?;
    let end = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    let kind = lower_case(trimmed(std::str::from_utf8(value.get(..end)?).ok()?));
    (!kind.is_empty()).then_some(kind)
}

fn is_json(kind: &str) -> bool {
    kind == "application/json" || kind == "text/json" || kind.ends_with("+json")
}

fn said(kind: &str) -> Said {
    match kind {
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines"
        | "application/json-lines"
        | "application/stream+json" => Said::JsonLines,
        "text/event-stream" => Said::Events,
        "text/json" => Said::Anything,
        "application/x-subrip" => Said::Text,
        _ if kind.starts_with("text/") => Said::Text,
        _ => Said::Anything,
    }
}

/// What holds no answer of ours, unless its bytes are JSON.
fn is_opaque(kind: &str) -> bool {
    let family = kind.split('/').next().unwrap_or_default();
    matches!(family, "audio" | "image" | "video" | "font" | "multipart")
        || matches!(kind, "text/html" | "application/octet-stream" | "application/grpc")
}
