//! `multipart/form-data` (RFC 7578): the values of short fields; files pass through unread.
//!
//! Invariant: what is reported does not depend on how the input is cut.

use super::{holds, trimmed};

/// Longest head of a part, and longest value, that is kept.
const MAX_HEAD_BYTES: usize = 1_024;
const MAX_VALUE_BYTES: usize = 512;
/// Longest boundary that RFC 2046 allows.
const MAX_BOUNDARY_BYTES: usize = 70;

/// Receives the fields that are no files.
pub trait Fields {
    fn field(&mut self, name: &str, value: &[u8]);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary, or in the value of a part.
    Value,
    /// Right after a boundary: `--` ends the form, a line ending begins a part.
    AfterBoundary,
    Head,
    Done,
}

/// The incremental reader.
#[derive(Debug)]
pub struct Reader {
    /// CR LF, two dashes, the boundary.
    delimiter: Vec<u8>,
    matched: usize,
    state: State,
    head: Vec<u8>,
    /// The last four bytes of the head, however long it is.
    head_end: u32,
    value: Vec<u8>,
    /// Whether the value is of a field that is kept.
    name: Option<String>,
    overlong: bool,
    dashes: u8,
}

impl Reader {
    /// From the value of a content type. `None` when it names no boundary.
    pub fn new(content_type: &[u8]) -> Option<Self> {
        let parameters = std::str::from_utf8(content_type).ok()?;
        let boundary = parameters.split(';').skip(1).find_map(|parameter| {
            let (name, value) = parameter.split_once('=')?;
            trimmed(name).eq_ignore_ascii_case("boundary").then(|| unquoted(value))
        })?;
        let fits = !boundary.is_empty() && boundary.len() <= MAX_BOUNDARY_BYTES;
        fits.then(|| Self {
            delimiter: [b"\r\n--", boundary.as_bytes()].concat(),
            // The first boundary needs no line before it.
            matched: 2,
            state: State::Value,
            head: Vec::new(),
            head_end: 0,
            value: Vec::new(),
            name: None,
            overlong: false,
            dashes: 0,
        })
    }

    pub fn feed(&mut self, bytes: &[u8], fields: &mut dyn Fields) {
        for &byte in bytes {
            match self.state {
                State::Value => self.value_byte(byte, fields),
                State::AfterBoundary => self.after_boundary(byte),
                State::Head => self.head_byte(byte),
                State::Done => return,
            }
        }
    }

    /// Whether the boundary came that ends the form.
    pub fn is_complete(&self) -> bool {
        self.state == State::Done
    }

    fn value_byte(&mut self, byte: u8, fields: &mut dyn Fields) {
        if self.delimiter.get(self.matched) != Some(&byte) {
            // A CR stands only at the start of the delimiter, so that no other overlap is possible.
            let missed = std::mem::take(&mut self.matched);
            for at in 0..missed {
                let byte = self.delimiter.get(at).copied().unwrap_or_default();
                self.keep(byte);
            }
            if self.delimiter.first() != Some(&byte) {
                self.keep(byte);
                return;
            }
        }
        self.matched = self.matched.saturating_add(1);
        if self.matched == self.delimiter.len() {
            self.matched = 0;
            if let Some(name) = self.name.take().filter(|_| !self.overlong) {
                fields.field(&name, &self.value);
            }
            self.value.clear();
            self.overlong = false;
            self.dashes = 0;
            self.state = State::AfterBoundary;
        }
    }

    fn keep(&mut self, byte: u8) {
        if self.name.is_none() {
            return;
        }
        if self.value.len() < MAX_VALUE_BYTES { self.value.push(byte) } else { self.overlong = true }
    }

    fn after_boundary(&mut self, byte: u8) {
        match byte {
            b'-' if self.dashes == 1 => self.state = State::Done,
            b'-' => self.dashes = 1,
            b'\n' => {
                self.head.clear();
                self.head_end = 0;
                self.state = State::Head;
            }
            _ => {}
        }
    }

    fn head_byte(&mut self, byte: u8) {
        if self.head.len() < MAX_HEAD_BYTES {
            self.head.push(byte);
        }
        self.head_end = (self.head_end << 8) | u32::from(byte);
        if self.head_end == u32::from_be_bytes(*b"\r\n\r\n") || self.head == b"\r\n" {
            self.name = field_name(&self.head);
            self.state = State::Value;
        }
    }
}

/// The name in `Content-Disposition: form-data; name="model"`, unless it is a file.
fn field_name(head: &[u8]) -> Option<String> {
    let head = std::str::from_utf8(head).ok()?;
    let line = head.lines().find(|line| {
        line.split_once(':')
            .is_some_and(|(name, _)| trimmed(name).eq_ignore_ascii_case("content-disposition"))
    })?;
    if holds(&line.to_ascii_lowercase(), "filename") {
        return None;
    }
    line.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        trimmed(name).eq_ignore_ascii_case("name").then(|| unquoted(value).to_owned())
    })
}

/// A value of a parameter without spaces and quotes around it.
#[inline(never)]
fn unquoted(value: &str) -> &str {
    let value = trimmed(value);
    let value = value.strip_prefix('"').unwrap_or(value);
    value.strip_suffix('"').unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log(Vec<String>);

    impl Fields for Log {
        fn field(&mut self, name: &str, value: &[u8]) {
            self.0.push(format!("{name}={}", String::from_utf8_lossy(value)));
        }
    }

    fn read(pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let mut log = Log::default();
        let mut reader = Reader::new(b"multipart/form-data; boundary=\"x-y\"").unwrap();
        for piece in pieces {
            reader.feed(piece, &mut log);
        }
        (log.0, reader.is_complete())
    }

    fn check(input: &str, expected: &[&str], complete: bool) {
        let expected = (expected.iter().map(ToString::to_string).collect::<Vec<_>>(), complete);
        let input = input.as_bytes();
        for cut in 0..=input.len() {
            let (head, tail) = input.split_at(cut);
            assert_eq!(read(&[head, tail]), expected, "cut at {cut}");
        }
        assert_eq!(read(&input.chunks(1).collect::<Vec<_>>()), expected);
    }

    const FORM: &str = "--x-y\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--x-y\r\n\
        content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: audio/wav\r\n\r\n\r\n\r\r\n--x-\r\n\
        --x-y\r\nContent-Disposition: form-data; name=stream\r\n\r\ntrue\r\n--x-y--\r\n";

    #[test]
    fn fields_and_files() {
        check(FORM, &["model=whisper-1", "stream=true"], true);
        check("--x-y--\r\n", &[], true);
    }

    #[test]
    fn broken_forms() {
        check(FORM.get(..60).unwrap(), &[], false);
        check("no form at all", &[], false);
        check("--x-y\r\n\r\nvalue\r\n--x-y--", &[], true);
        let long =
            format!("--x-y\r\nContent-Disposition: form-data; name=a\r\n\r\n{}\r\n--x-y--", "v".repeat(600));
        check(&long, &[], true);
        let long_head = format!(
            "--x-y\r\nContent-Disposition: form-data; name=a\r\nX: {}\r\n\r\nvalue\r\n--x-y--",
            "h".repeat(2_000)
        );
        check(&long_head, &["a=value"], true);
        assert!(Reader::new(b"multipart/form-data").is_none());
    }
}
