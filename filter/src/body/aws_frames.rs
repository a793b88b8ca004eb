//! `application/vnd.amazon.eventstream` as Bedrock uses it: a JSON document in each frame, either bare or, through
//! InvokeModelWithResponseStream, as base64 in a member called `bytes`. What an agent sends there is bare text.
//!
//! A frame that is too long to be collected is read as it comes, and only then turns out to be sound. When it does not,
//! nobody knows any more which part of the answer is: all of it counts for nothing.

mod envelope;

use crate::provider::{Adapter, Field, Observer, Operation};
use crate::span::Unread;
use crate::wire::aws_event_stream::{FrameError, Framer, Frames, Headers};
use crate::wire::json::{Scalar, Scanner, Sink as _};

use self::envelope::Envelope;
use super::Reading;
use super::content::ContentReader;

#[derive(Debug)]
pub(super) struct AwsFrames {
    framer: Framer,
    reader: FrameReader,
}

#[derive(Debug)]
struct FrameReader {
    frame: FrameKind,
    envelope: Envelope,
    scanner: Scanner<Field>,
    content: ContentReader,
    /// Whether chunks hold documents, and not bare text.
    chunks_are_documents: bool,
    malformed: bool,
    /// The frame that is read is not yet checked.
    in_doubt: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FrameKind {
    Document,
    /// A document of which no more are needed.
    LastDocument,
    /// A document in an envelope.
    Chunk,
    /// Output that is no document.
    Text,
}

impl AwsFrames {
    pub(super) fn new(adapter: &'static Adapter, max_frame_bytes: usize) -> Self {
        Self {
            framer: Framer::new(max_frame_bytes),
            reader: FrameReader {
                frame: FrameKind::Document,
                envelope: Envelope::default(),
                scanner: Scanner::new(adapter.event),
                content: ContentReader::events(adapter),
                chunks_are_documents: adapter.operation != Operation::InvokeAgent,
                malformed: false,
                in_doubt: false,
            },
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8], reading: &mut Reading) {
        let Self { framer, reader } = self;
        framer.feed(chunk, &mut Documents { reader, reading });
        if framer.has_failed() && std::mem::take(&mut reader.in_doubt) {
            reading.observer.forget_answer();
            if let Some(transcript) = &mut reading.content {
                transcript.forget_answer();
            }
        }
    }

    pub(super) fn finish(&self, cut: bool, observer: &Observer) -> Option<Unread> {
        let FrameReader { frame, chunks_are_documents, malformed, .. } = &self.reader;
        // Bare text has no end of its own, and an agent says none.
        let has_end = *frame == FrameKind::Text || !chunks_are_documents || observer.saw_end();
        match self.framer.finish() {
            Err(FrameError::Checksum) => Some(Unread::Checksum),
            Err(FrameError::Malformed) => Some(Unread::Malformed),
            Err(FrameError::Oversized) => Some(Unread::Oversized),
            Err(FrameError::Truncated) if !cut => Some(Unread::Truncated),
            _ if *malformed => Some(Unread::Malformed),
            _ if !cut && !has_end => Some(Unread::Truncated),
            _ => None,
        }
    }
}

struct Documents<'a> {
    reader: &'a mut FrameReader,
    reading: &'a mut Reading,
}

impl Frames for Documents<'_> {
    fn begin(&mut self, headers: Headers<'_>, is_checked: bool) {
        let Self { reader, reading } = self;
        let observer = &mut reading.observer;
        reader.in_doubt = !is_checked;
        if let Some(exception) = headers.text(":exception-type").or_else(|| headers.text(":error-code")) {
            observer.facts_mut().error = true;
            observer.scalar(Field::ErrorType, Scalar::String { bytes: exception, truncated: false });
        }
        reader.frame = match headers.text(":event-type") {
            // Parts of what an endpoint of SageMaker sends are cut anywhere.
            Some(b"PayloadPart") => FrameKind::Text,
            Some(b"chunk") if !reader.chunks_are_documents => FrameKind::Text,
            Some(b"chunk") => FrameKind::Chunk,
            // The counts of Converse, which come after `messageStop`.
            Some(b"metadata") => FrameKind::LastDocument,
            _ => FrameKind::Document,
        };
    }

    fn payload(&mut self, bytes: &[u8]) {
        let FrameReader { frame, envelope, scanner, content, .. } = &mut *self.reader;
        let Reading { observer, content: transcript, .. } = &mut *self.reading;
        let mut document = |bytes: &[u8]| {
            scanner.feed(bytes, observer);
            content.feed(bytes, transcript);
        };
        match frame {
            FrameKind::Document | FrameKind::LastDocument => document(bytes),
            FrameKind::Chunk => envelope.feed(bytes, &mut document),
            FrameKind::Text => {}
        }
    }

    fn end(&mut self) {
        let FrameReader { frame, envelope, scanner, content, malformed, in_doubt, .. } = &mut *self.reader;
        let Reading { observer, content: transcript, .. } = &mut *self.reading;
        *in_doubt = false;
        if *frame == FrameKind::Text {
            observer.open(Field::OutputText);
            observer.end_document();
            return;
        }
        if *frame == FrameKind::Chunk {
            *malformed |= !envelope.finish();
        }
        if scanner.finish(observer).is_ok() {
            observer.end_document();
        } else if !scanner.is_empty() {
            observer.abandon_document();
            *malformed = true;
        }
        scanner.reset();
        content.end_document(false, transcript);
        let has_metrics = observer.facts().metrics.output_tokens.is_some();
        // Those of InvokeModel stand on the last chunk.
        if *frame == FrameKind::LastDocument || (*frame == FrameKind::Chunk && has_metrics) {
            observer.last_event();
        }
    }
}
