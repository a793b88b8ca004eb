//! Server-sent events framed over bytes, as the WHATWG HTML standard section 9.2.6 interprets an event stream.
//!
//! LF, CRLF and CR end lines; comments, unknown fields and `id`/`retry` are passed over; data is handed on as it comes,
//! never collected, so that an event of any size costs nothing. Data lines of one event are joined by LF. A byte order
//! mark is not expected here: whoever reads a body passes over it.
//!
//! Invariant: the bytes of all `data` calls between two `dispatch` calls are the same however the input is cut.

/// Longest event type that is kept; the rest of a longer one is cut off.
const MAX_EVENT_TYPE_BYTES: usize = 64;
/// Longest field name that means something (`event`, `retry`), and one byte more.
const MAX_FIELD_BYTES: usize = 6;

/// Receives the parts of events in the order of the stream.
pub trait Events {
    /// The next bytes of the current event's data.
    fn data(&mut self, bytes: &[u8]);
    /// The next bytes of data stand in a field `error`, which no standard knows.
    fn error_begins(&mut self);
    /// They did.
    fn error_ends(&mut self);
    /// The current event is complete. Only called when it had at least one data line.
    fn dispatch(&mut self, event_type: &[u8]);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of a line or inside its field name.
    Field,
    /// Right after the colon, where one space is dropped.
    AfterColon,
    Value,
    /// In a line that means nothing to us.
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Data,
    /// Servers of llama.cpp put an error into a field of its own.
    Error,
    EventType,
    Other,
}

/// The incremental framer.
#[derive(Debug)]
pub struct Framer {
    state: State,
    name: [u8; MAX_FIELD_BYTES],
    name_bytes: usize,
    field: Field,
    event_type: Vec<u8>,
    has_data: bool,
    in_error: bool,
    /// The last byte was a CR: a LF right after it belongs to the same line ending.
    after_cr: bool,
}

impl Default for Framer {
    fn default() -> Self {
        Self {
            state: State::Field,
            name: [0; MAX_FIELD_BYTES],
            name_bytes: 0,
            field: Field::Other,
            event_type: Vec::new(),
            has_data: false,
            in_error: false,
            after_cr: false,
        }
    }
}

impl Framer {
    pub fn feed(&mut self, bytes: &[u8], events: &mut dyn Events) {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                rest = tail;
                continue;
            }
            match self.state {
                State::Field => {
                    let behind = rest.strip_prefix(b"data:").filter(|_| self.name_bytes == 0);
                    if let Some(behind) = behind {
                        self.begin_field(Field::Data, events);
                        self.state = State::AfterColon;
                        rest = behind;
                    } else {
                        self.field_byte(byte, events);
                        rest = tail;
                    }
                }
                State::AfterColon => {
                    self.state = if self.field == Field::Other { State::Ignore } else { State::Value };
                    if byte == b' ' {
                        rest = tail;
                    }
                }
                State::Value | State::Ignore => rest = self.value(rest, events),
            }
        }
    }

    /// Ends the last event although its blank line never came. Browsers drop such an event; the official LLM SDKs use
    /// it, and so do we.
    pub fn finish(&mut self, events: &mut dyn Events) {
        self.blank_line(events);
    }

    fn field_byte(&mut self, byte: u8, events: &mut dyn Events) {
        match byte {
            b'\n' | b'\r' => {
                self.after_cr = byte == b'\r';
                if self.name_bytes == 0 {
                    self.blank_line(events);
                } else {
                    // A field without a colon has an empty value.
                    self.begin_value(events);
                    self.end_line(events);
                }
            }
            b':' if self.name_bytes == 0 => self.state = State::Ignore,
            b':' => {
                self.begin_value(events);
                self.state = State::AfterColon;
            }
            _ => match self.name.get_mut(self.name_bytes) {
                Some(slot) => {
                    *slot = byte;
                    self.name_bytes = self.name_bytes.saturating_add(1);
                }
                None => self.state = State::Ignore,
            },
        }
    }

    fn begin_value(&mut self, events: &mut dyn Events) {
        let field = match self.name.get(..self.name_bytes) {
            Some(b"data") => Field::Data,
            Some(b"event") => Field::EventType,
            Some(b"error") => Field::Error,
            _ => Field::Other,
        };
        self.begin_field(field, events);
    }

    fn begin_field(&mut self, field: Field, events: &mut dyn Events) {
        self.field = field;
        match field {
            Field::Data | Field::Error => {
                if self.has_data {
                    events.data(b"\n");
                }
                self.has_data = true;
                self.in_error = self.field == Field::Error;
                if self.in_error {
                    events.error_begins();
                }
            }
            Field::EventType => self.event_type.clear(),
            Field::Other => {}
        }
    }

    fn value<'a>(&mut self, rest: &'a [u8], events: &mut dyn Events) -> &'a [u8] {
        let end = super::find_either(b'\n', b'\r', rest);
        let value = end.map_or(rest, |end| rest.get(..end).unwrap_or_default());
        if self.state == State::Value && !value.is_empty() {
            match self.field {
                Field::Data | Field::Error => events.data(value),
                Field::EventType => {
                    let room = MAX_EVENT_TYPE_BYTES.saturating_sub(self.event_type.len());
                    self.event_type.extend_from_slice(value.get(..room).unwrap_or(value));
                }
                Field::Other => {}
            }
        }
        let Some(end) = end else { return &[] };
        self.after_cr = rest.get(end) == Some(&b'\r');
        self.end_line(events);
        rest.get(end.saturating_add(1)..).unwrap_or_default()
    }

    fn end_line(&mut self, events: &mut dyn Events) {
        self.end_error(events);
        self.name_bytes = 0;
        self.state = State::Field;
    }

    fn end_error(&mut self, events: &mut dyn Events) {
        if std::mem::take(&mut self.in_error) {
            events.error_ends();
        }
    }

    fn blank_line(&mut self, events: &mut dyn Events) {
        self.end_error(events);
        if self.has_data {
            events.dispatch(&self.event_type);
        }
        self.has_data = false;
        self.event_type.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log {
        data: Vec<u8>,
        events: Vec<String>,
    }

    impl Events for Log {
        fn data(&mut self, bytes: &[u8]) {
            self.data.extend_from_slice(bytes);
        }
        fn error_begins(&mut self) {
            self.data.push(b'<');
        }
        fn error_ends(&mut self) {
            self.data.push(b'>');
        }
        fn dispatch(&mut self, event_type: &[u8]) {
            let data = String::from_utf8_lossy(&self.data).into_owned();
            self.events.push(format!("{}|{data}", String::from_utf8_lossy(event_type)));
            self.data.clear();
        }
    }

    fn read(pieces: &[&[u8]]) -> Vec<String> {
        let mut log = Log::default();
        let mut framer = Framer::default();
        for piece in pieces {
            framer.feed(piece, &mut log);
        }
        framer.finish(&mut log);
        log.events
    }

    fn check(input: impl AsRef<[u8]>, expected: &[&str]) {
        let input = input.as_ref();
        assert_eq!(read(&[input]), expected, "whole");
        for cut in 0..input.len() {
            let (head, tail) = input.split_at(cut);
            assert_eq!(read(&[head, tail]), expected, "cut at {cut}");
        }
        assert_eq!(read(&input.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
    }

    #[test]
    fn events_end_at_blank_lines() {
        check("data: a\n\ndata: b\n\n", &["|a", "|b"]);
        check("event: ping\ndata: {}\n\ndata: x\n\n", &["ping|{}", "|x"]);
        check("event: ping\n\ndata: x\n\n", &["|x"]);
    }

    #[test]
    fn every_line_ending() {
        check("data: a\r\n\r\ndata: b\r\n\r\n", &["|a", "|b"]);
        check("data: a\r\rdata: b\r\r", &["|a", "|b"]);
        check("data: a\r\n\ndata: b\n\r\n", &["|a", "|b"]);
    }

    #[test]
    fn one_space_after_the_colon_is_dropped() {
        check("data:a\n\ndata: b\n\ndata:  c\n\n", &["|a", "|b", "| c"]);
    }

    #[test]
    fn data_lines_are_joined() {
        check("data: a\ndata: b\ndata\ndata: c\n\n", &["|a\nb\n\nc"]);
        check("data\n\n", &["|"]);
        check("data:\n\n", &["|"]);
    }

    #[test]
    fn comments_and_other_fields_are_passed_over() {
        check(": ping\n\nid: 1\nretry: 3\ndata: a\nfoo: b\ndatabase: c\n\n", &["|a"]);
        check(":\n: x\n\n", &[]);
    }

    #[test]
    fn the_last_event_counts_without_its_blank_line() {
        check("data: a\n\ndata: b", &["|a", "|b"]);
        check("data: a\n\ndata: b\n", &["|a", "|b"]);
        check("data: a\n\n\n\n", &["|a"]);
    }

    #[test]
    fn an_error_may_have_a_field_of_its_own() {
        check("error: {\"code\":500}\n\ndata: a\n\n", &["|<{\"code\":500}>", "|a"]);
        check("data: a\nerror:b", &["|a\n<b>"]);
        check("errors: x\nerror\n\n", &["|<>"]);
    }

    #[test]
    fn characters_survive_cuts() {
        check("data: é😀\n\n", &["|é😀"]);
    }
}
