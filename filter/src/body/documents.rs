//! JSON: one document, or one a line.

use crate::provider::{Adapter, Field};
use crate::span::Unread;
use crate::wire::json::{JsonError, Node, Scanner};
use crate::wire::lines::{Lines, Splitter};

use super::Reading;
use super::content::ContentReader;

/// One JSON document; or several of a stream, one after the other, from servers that do not say so.
#[derive(Debug)]
pub(super) struct Document {
    scanner: Scanner<Field>,
    /// How documents after the first are read.
    next: &'static Node<Field>,
    is_answer: bool,
    is_stream: bool,
    /// The observer knows that the current document is complete.
    has_ended: bool,
    content: ContentReader,
}

impl Document {
    pub(super) fn request(adapter: &'static Adapter) -> Self {
        Self::new(adapter.request, adapter.request, false, ContentReader::request(adapter))
    }

    pub(super) fn answer(adapter: &'static Adapter) -> Self {
        Self::new(adapter.response, adapter.event, true, ContentReader::answer(adapter))
    }

    fn new(
        first: &'static Node<Field>,
        next: &'static Node<Field>,
        is_answer: bool,
        content: ContentReader,
    ) -> Self {
        let scanner = Scanner::new(first);
        Self { scanner, next, is_answer, is_stream: false, has_ended: false, content }
    }

    /// Whether this is one answer, whose counts are final once read.
    pub(super) fn is_single(&self) -> bool {
        !self.is_stream
    }

    /// Whether this is one answer, and all of it has come.
    pub(super) fn is_done(&self, reading: &Reading) -> bool {
        self.is_single() && self.scanner.is_done() && !reading.observer.expects_more()
    }

    pub(super) fn feed(&mut self, bytes: &[u8], reading: &mut Reading) {
        let mut rest = bytes;
        loop {
            let used = self.scanner.feed_one(rest, &mut reading.observer);
            self.content.feed(rest.get(..used).unwrap_or(rest), &mut reading.content);
            rest = rest.get(used..).unwrap_or_default();
            if self.is_stream {
                self.end_document(reading);
            }
            if !rest.starts_with(b"{") {
                break;
            }
            self.end_document(reading);
            self.content.next_document(&mut reading.content);
            self.scanner = Scanner::new(self.next);
            self.is_stream = true;
            self.has_ended = false;
        }
        self.scanner.feed(rest, &mut reading.observer);
    }

    fn end_document(&mut self, reading: &mut Reading) {
        if self.scanner.is_done() && !std::mem::replace(&mut self.has_ended, true) {
            reading.observer.end_document();
        }
    }

    pub(super) fn finish(&mut self, cut: bool, reading: &mut Reading) -> Option<Unread> {
        self.content.end_document(true, &mut reading.content);
        match self.scanner.finish(&mut reading.observer) {
            Ok(()) => {
                if self.is_stream {
                    self.end_document(reading);
                }
                let is_part = self.is_answer && reading.observer.expects_more();
                (!cut && is_part).then_some(Unread::Truncated)
            }
            Err(JsonError::Truncated) => (!cut).then_some(Unread::Truncated),
            Err(JsonError::Malformed) => Some(Unread::Malformed),
        }
    }
}

/// A JSON document a line.
#[derive(Debug)]
pub(super) struct JsonLines {
    splitter: Splitter,
    scanner: Scanner<Field>,
    content: ContentReader,
    malformed: bool,
}

impl JsonLines {
    pub(super) fn new(adapter: &'static Adapter) -> Self {
        Self {
            splitter: Splitter::default(),
            scanner: Scanner::new(adapter.event),
            content: ContentReader::events(adapter),
            malformed: false,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], reading: &mut Reading) {
        let Self { splitter, scanner, content, malformed } = self;
        splitter.feed(bytes, &mut Line { scanner, content, malformed, reading });
    }

    pub(super) fn finish(&mut self, cut: bool, reading: &mut Reading) -> Option<Unread> {
        if self.malformed {
            return Some(Unread::Malformed);
        }
        let Self { splitter, scanner, content, malformed } = self;
        splitter.finish(&mut Line { scanner, content, malformed, reading });
        // The last line had no ending and is not JSON: it is only a part of one.
        (!cut && (self.malformed || reading.observer.expects_more())).then_some(Unread::Truncated)
    }
}

/// The lines of one chunk on their way to the scanner.
struct Line<'a> {
    scanner: &'a mut Scanner<Field>,
    content: &'a mut ContentReader,
    malformed: &'a mut bool,
    reading: &'a mut Reading,
}

impl Lines for Line<'_> {
    fn data(&mut self, bytes: &[u8]) {
        self.scanner.feed(bytes, &mut self.reading.observer);
        self.content.feed(bytes, &mut self.reading.content);
    }

    fn end(&mut self) {
        self.content.end_document(false, &mut self.reading.content);
        let observer = &mut self.reading.observer;
        if self.scanner.finish(observer).is_ok() {
            observer.end_document();
        } else if !self.scanner.is_empty() {
            observer.abandon_document();
            *self.malformed = true;
        }
        self.scanner.reset();
    }
}
