//! The second reading of a body, for its content. Where content is off there is no scanner and nothing is read.

use crate::content::Transcript;
use crate::provider::{Adapter, Field};
use crate::wire::json::{Node, Scanner};

#[derive(Debug)]
pub(super) struct ContentReader {
    /// `None` for an API whose content is not known.
    root: Option<&'static Node<Field>>,
    /// How documents after the first are read.
    next: Option<&'static Node<Field>>,
    is_answer: bool,
    scanner: Option<Box<Scanner<Field>>>,
}

impl ContentReader {
    pub(super) fn request(adapter: &Adapter) -> Self {
        let root = adapter.content.map(|shape| shape.request);
        Self { root, next: root, is_answer: false, scanner: None }
    }

    pub(super) fn answer(adapter: &Adapter) -> Self {
        let root = adapter.content.map(|shape| shape.response);
        Self { root, ..Self::events(adapter) }
    }

    /// The documents of a stream.
    pub(super) fn events(adapter: &Adapter) -> Self {
        let next = adapter.content.map(|shape| shape.event);
        Self { root: next, next, is_answer: true, scanner: None }
    }

    pub(super) fn feed(&mut self, bytes: &[u8], transcript: &mut Option<Box<Transcript>>) {
        let (Some(transcript), Some(root)) = (transcript, self.root) else { return };
        let max_text_bytes = transcript.max_text_bytes();
        let scanner = self.scanner.get_or_insert_with(|| Box::new(Scanner::bounded(root, max_text_bytes)));
        scanner.feed(bytes, &mut transcript.collector(self.is_answer));
    }

    /// A document is over. What was read of it counts when it was whole, or when it `may_break_off`.
    pub(super) fn end_document(&mut self, may_break_off: bool, transcript: &mut Option<Box<Transcript>>) {
        if let (Some(transcript), Some(scanner)) = (transcript, &mut self.scanner) {
            let mut collector = transcript.collector(self.is_answer);
            let is_whole = scanner.finish(&mut collector).is_ok();
            collector.end_document(is_whole || may_break_off);
            scanner.reset();
        }
    }

    /// The document is over, and another one follows it.
    pub(super) fn next_document(&mut self, transcript: &mut Option<Box<Transcript>>) {
        self.end_document(true, transcript);
        self.root = self.next;
        self.scanner = None;
    }
}
