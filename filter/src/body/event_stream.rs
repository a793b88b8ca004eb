//! A stream of server-sent events, each of which carries one JSON document.

use crate::provider::{Adapter, Field};
use crate::span::Unread;
use crate::wire::json::Scanner;
use crate::wire::sse;

use super::Reading;
use super::content::ContentReader;

/// What ends the streams of OpenAI and of all who follow it.
const DONE: &[u8] = b"[DONE]";

#[derive(Debug)]
pub(super) struct EventStream {
    framer: sse::Framer,
    event: EventReader,
}

#[derive(Debug)]
struct EventReader {
    scanner: Scanner<Field>,
    content: ContentReader,
    /// The first bytes of the current event, enough to tell the last one, and how many it has.
    head: [u8; 8],
    bytes: usize,
    /// Some event was not JSON.
    malformed: bool,
}

impl EventStream {
    pub(super) fn new(adapter: &'static Adapter) -> Self {
        let event = EventReader {
            scanner: Scanner::new(adapter.event),
            content: ContentReader::events(adapter),
            head: [0; 8],
            bytes: 0,
            malformed: false,
        };
        Self { framer: sse::Framer::default(), event }
    }

    pub(super) fn feed(&mut self, chunk: &[u8], reading: &mut Reading) {
        let Self { framer, event } = self;
        framer.feed(chunk, &mut Event { event, reading });
    }

    pub(super) fn finish(&mut self, cut: bool, reading: &mut Reading) -> Option<Unread> {
        let Self { framer, event } = self;
        if event.malformed {
            return Some(Unread::Malformed);
        }
        framer.finish(&mut Event { event, reading });
        // The last event had no blank line and is not JSON: it is only a part of one.
        let in_event = self.event.malformed;
        (!cut && (in_event || !reading.observer.saw_end())).then_some(Unread::Truncated)
    }
}

/// The events of one chunk on their way to the scanner.
struct Event<'a> {
    event: &'a mut EventReader,
    reading: &'a mut Reading,
}

impl sse::Events for Event<'_> {
    fn data(&mut self, bytes: &[u8]) {
        let event = &mut *self.event;
        if let Some(room) = event.head.get_mut(event.bytes..) {
            for (slot, byte) in room.iter_mut().zip(bytes) {
                *slot = *byte;
            }
        }
        event.bytes = event.bytes.saturating_add(bytes.len());
        event.scanner.feed(bytes, &mut self.reading.observer);
        event.content.feed(bytes, &mut self.reading.content);
    }

    /// Servers of llama.cpp before September 2025: what comes is the error object itself.
    fn error_begins(&mut self) {
        self.data(b"{\"error\":");
    }

    fn error_ends(&mut self) {
        self.data(b"}");
    }

    fn dispatch(&mut self, event_type: &[u8]) {
        let event = &mut *self.event;
        let observer = &mut self.reading.observer;
        if event.head.get(..event.bytes).is_some_and(|data| data.trim_ascii() == DONE) {
            observer.last_event();
        } else if event.scanner.finish(observer).is_ok() {
            observer.event_name(event_type);
            observer.end_document();
        } else if !event.scanner.is_empty() {
            observer.abandon_document();
            event.malformed = true;
        }
        event.scanner.reset();
        event.content.end_document(false, &mut self.reading.content);
        event.bytes = 0;
    }
}
