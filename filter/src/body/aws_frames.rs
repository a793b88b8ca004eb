//! `application/vnd.amazon.eventstream` as Bedrock uses it: a JSON document in each frame, either bare or, through
//! InvokeModelWithResponseStream, as base64 in a member called `bytes`. What an agent sends there is bare text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::content::Transcript;
use crate::provider::{Adapter, Field, Operation};
use crate::span::Unread;
use crate::wire::aws_event_stream::{Frame, FrameError, Framer, Frames};
use crate::wire::json::{Node, Scalar, Scanner, Sink};

use super::Reading;
use super::content::ContentReader;

/// Base64 is decoded in pieces of this many characters; a multiple of four.
const BASE64_PIECE: usize = 1_024;

#[derive(Debug)]
pub(super) struct AwsFrames {
    framer: Framer,
    reader: FrameReader,
}

#[derive(Debug)]
struct FrameReader {
    envelope: Scanner<Field>,
    scanner: Scanner<Field>,
    content: ContentReader,
    /// Whether chunks hold documents, and not bare text.
    chunks_are_documents: bool,
    malformed: bool,
}

impl AwsFrames {
    pub(super) fn new(adapter: &'static Adapter, max_frame_bytes: usize) -> Self {
        Self {
            framer: Framer::new(max_frame_bytes),
            reader: FrameReader {
                envelope: Scanner::new(&ENVELOPE),
                scanner: Scanner::new(adapter.event),
                content: ContentReader::events(adapter),
                chunks_are_documents: adapter.operation != Operation::InvokeAgent,
                malformed: false,
            },
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8], reading: &mut Reading) {
        let Self { framer, reader } = self;
        framer.feed(chunk, &mut Documents { reader, reading });
    }

    pub(super) fn finish(&self, cut: bool) -> Option<Unread> {
        match self.framer.finish() {
            Err(FrameError::Checksum) => Some(Unread::Checksum),
            Err(FrameError::Malformed) => Some(Unread::Malformed),
            Err(FrameError::Oversized) => Some(Unread::Oversized),
            Err(FrameError::Truncated) if !cut => Some(Unread::Truncated),
            _ if self.reader.malformed => Some(Unread::Malformed),
            _ => None,
        }
    }
}

/// Its only tag tells nothing. It is of the same type as those of the documents, because the scanner is compiled once
/// for each type of tags: 6 KB.
static ENVELOPE: Node<Field> = Node::object(&[("bytes", Node::scalar(Field::OutputText, usize::MAX))]);

struct Documents<'a> {
    reader: &'a mut FrameReader,
    reading: &'a mut Reading,
}

impl Frames for Documents<'_> {
    fn frame(&mut self, frame: Frame<'_>) {
        let Reading { observer, content: transcript, .. } = &mut *self.reading;
        if let Some(exception) = frame.header(":exception-type").or_else(|| frame.header(":error-code")) {
            observer.facts_mut().error = true;
            observer.scalar(Field::ErrorType, Scalar::String { bytes: exception, truncated: false });
        }
        let event_type = frame.header(":event-type");
        let is_chunk = event_type == Some(b"chunk");
        let FrameReader { envelope, scanner, content, chunks_are_documents, malformed } = &mut *self.reader;
        // Parts of what an endpoint of SageMaker sends are cut anywhere.
        if event_type == Some(b"PayloadPart") || (is_chunk && !*chunks_are_documents) {
            observer.open(Field::OutputText);
            observer.end_document();
            return;
        }
        if is_chunk {
            let mut inner = Inner { scanner, content, observer, transcript, valid: true };
            envelope.feed(frame.payload, &mut inner);
            *malformed |= !inner.valid || envelope.finish(&mut inner).is_err();
            envelope.reset();
        } else {
            scanner.feed(frame.payload, observer);
            content.feed(frame.payload, transcript);
        }
        if scanner.finish(observer).is_ok() {
            observer.end_document();
        } else if !scanner.is_empty() {
            observer.abandon_document();
            *malformed = true;
        }
        scanner.reset();
        content.end_document(false, transcript);
        if matches!(event_type, Some(b"metadata" | b"messageStop")) {
            observer.last_event();
        }
    }
}

/// Decodes the document inside `bytes`.
struct Inner<'a> {
    scanner: &'a mut Scanner<Field>,
    content: &'a mut ContentReader,
    observer: &'a mut crate::provider::Observer,
    transcript: &'a mut Option<Box<Transcript>>,
    valid: bool,
}

impl Sink<Field> for Inner<'_> {
    fn open(&mut self, _: Field) {}
    fn close(&mut self, _: Field) {}
    fn verbatim(&mut self, _: Field, _json: Option<&[u8]>) {}

    fn scalar(&mut self, _: Field, value: Scalar<'_>) {
        let Scalar::String { bytes, .. } = value else { return };
        let mut decoded = [0; BASE64_PIECE];
        for piece in bytes.chunks(BASE64_PIECE) {
            match STANDARD.decode_slice(piece, &mut decoded) {
                Ok(length) => {
                    let document = decoded.get(..length).unwrap_or_default();
                    self.scanner.feed(document, self.observer);
                    self.content.feed(document, self.transcript);
                }
                Err(_) => self.valid = false,
            }
        }
    }
}
