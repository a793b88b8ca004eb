//! What a chunk of a model's answer is wrapped in: a JSON object with the document as base64 in its member `bytes`.
//!
//! The document is handed on as it comes, so that one of any size costs nothing. Anything else in the object is passed
//! over. Invariant: the bytes of all calls are the same however the input is cut.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wire::find_either;

const KEY: &[u8] = b"bytes";
/// Base64 is decoded in pieces of this many characters; a multiple of four.
const PIECE: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Between strings.
    Outside,
    /// In a key of the object that is `KEY` so far, this many bytes into it.
    Key(usize),
    /// In any other string.
    Text,
    TextEscape,
    /// In the document.
    Document,
    DocumentEscape,
    DocumentUnicode {
        digits: u8,
        code: u32,
    },
    /// Behind the object.
    Done,
}

#[derive(Debug)]
pub(super) struct Envelope {
    state: State,
    depth: usize,
    /// Whether a string at the outermost level would be a key.
    at_key: bool,
    /// Whether the latest key was `KEY`.
    is_document: bool,
    is_valid: bool,
    encoded: [u8; PIECE],
    encoded_bytes: usize,
}

impl Default for Envelope {
    fn default() -> Self {
        Self {
            state: State::Outside,
            depth: 0,
            at_key: false,
            is_document: false,
            is_valid: true,
            encoded: [0; PIECE],
            encoded_bytes: 0,
        }
    }
}

impl Envelope {
    /// Gives the bytes of the document to `out`.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut dyn FnMut(&[u8])) {
        let mut rest = bytes;
        while let Some((&byte, tail)) = rest.split_first() {
            if matches!(self.state, State::Text | State::Document) {
                let end = find_either(b'"', b'\\', rest).unwrap_or(rest.len());
                let (plain, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
                if self.state == State::Document {
                    self.decode(plain, out);
                }
                rest = tail;
                if let Some((&byte, tail)) = rest.split_first() {
                    self.end_of_plain(byte, out);
                    rest = tail;
                }
                continue;
            }
            rest = tail;
            match self.state {
                State::Outside => self.outside(byte),
                State::Key(matched) => self.key(byte, matched),
                State::TextEscape => self.state = State::Text,
                State::DocumentEscape if byte == b'u' => {
                    self.state = State::DocumentUnicode { digits: 0, code: 0 };
                }
                State::DocumentEscape => {
                    self.state = State::Document;
                    self.decode(&[byte], out);
                }
                State::DocumentUnicode { digits, code } => {
                    let digit = char::from(byte).to_digit(16);
                    self.is_valid &= digit.is_some();
                    let code = (code << 4) | digit.unwrap_or(0);
                    if digits < 3 {
                        self.state = State::DocumentUnicode { digits: digits.saturating_add(1), code };
                    } else {
                        self.state = State::Document;
                        // What is no ASCII is no base64 either.
                        self.decode(&[u8::try_from(code).unwrap_or(u8::MAX)], out);
                    }
                }
                State::Text | State::Document => {}
                State::Done => self.is_valid &= byte.is_ascii_whitespace(),
            }
        }
    }

    /// Says whether it was whole and sound, and starts over.
    pub(super) fn finish(&mut self) -> bool {
        let is_whole = self.state == State::Done && self.is_valid;
        *self = Self::default();
        is_whole
    }

    fn outside(&mut self, byte: u8) {
        match (byte, self.depth) {
            (b'"', 1) if self.at_key => self.state = State::Key(0),
            (b'"', 1) if self.is_document => self.state = State::Document,
            (b'"', 1..) => self.state = State::Text,
            (b'{', 0) => {
                self.depth = 1;
                self.at_key = true;
            }
            (b'{' | b'[', 1..) => self.depth = self.depth.saturating_add(1),
            (b'}' | b']', 1..) => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.state = State::Done;
                }
            }
            (b',', 1) => {
                self.at_key = true;
                self.is_document = false;
            }
            (b':', 1) => self.at_key = false,
            (_, 0) => self.is_valid &= byte.is_ascii_whitespace(),
            _ => {}
        }
    }

    fn key(&mut self, byte: u8, matched: usize) {
        self.state = match byte {
            b'"' => {
                self.is_document = matched == KEY.len();
                State::Outside
            }
            b'\\' => State::TextEscape,
            _ if KEY.get(matched) == Some(&byte) => State::Key(matched.saturating_add(1)),
            _ => State::Text,
        };
    }

    /// A quotation mark or a backslash.
    fn end_of_plain(&mut self, byte: u8, out: &mut dyn FnMut(&[u8])) {
        let in_document = self.state == State::Document;
        self.state = match (byte, in_document) {
            (b'"', true) => {
                self.decode_piece(out);
                State::Outside
            }
            (b'"', false) => State::Outside,
            (_, true) => State::DocumentEscape,
            (_, false) => State::TextEscape,
        };
    }

    fn decode(&mut self, mut encoded: &[u8], out: &mut dyn FnMut(&[u8])) {
        while !encoded.is_empty() {
            let room = self.encoded.get_mut(self.encoded_bytes..).unwrap_or_default();
            let (now, later) = encoded.split_at_checked(room.len()).unwrap_or((encoded, &[]));
            for (slot, byte) in room.iter_mut().zip(now) {
                *slot = *byte;
            }
            self.encoded_bytes = self.encoded_bytes.saturating_add(now.len());
            if self.encoded_bytes == PIECE {
                self.decode_piece(out);
            }
            encoded = later;
        }
    }

    fn decode_piece(&mut self, out: &mut dyn FnMut(&[u8])) {
        let mut decoded = [0; PIECE];
        let encoded = self.encoded.get(..self.encoded_bytes).unwrap_or_default();
        match STANDARD.decode_slice(encoded, &mut decoded) {
            Ok(length) => out(decoded.get(..length).unwrap_or_default()),
            Err(_) => self.is_valid = false,
        }
        self.encoded_bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&[u8]]) -> (String, bool) {
        let mut envelope = Envelope::default();
        let mut document = Vec::new();
        for piece in pieces {
            envelope.feed(piece, &mut |bytes| document.extend_from_slice(bytes));
        }
        (String::from_utf8(document).unwrap(), envelope.finish())
    }

    fn check(input: &str, document: &str, is_sound: bool) {
        let input = input.as_bytes();
        let expected = (document.to_owned(), is_sound);
        assert_eq!(read(&[input]), expected, "{}", String::from_utf8_lossy(input));
        for cut in 0..input.len() {
            let (head, tail) = input.split_at(cut);
            assert_eq!(read(&[head, tail]), expected, "cut at {cut}");
        }
        assert_eq!(read(&input.chunks(1).collect::<Vec<_>>()), expected, "byte by byte");
    }

    #[test]
    fn the_document_is_decoded() {
        check(r#"{"bytes":"e30="}"#, "{}", true);
        check(" {\"p\" : \"ab\\\"c\" ,\n \"bytes\" : \"e30=\" } ", "{}", true);
        check(r#"{"bytes":"e30=","p":"bytes"}"#, "{}", true);
        check(r#"{"bytes":""}"#, "", true);
        check(r#"{"bytes":"e30\u003d"}"#, "{}", true);
        check(r#"{"bytes":"Pz8\/"}"#, "???", true);
        let long = "long enough for several pieces, ".repeat(20);
        check(&format!(r#"{{"bytes":"{}"}}"#, STANDARD.encode(&long)), &long, true);
    }

    #[test]
    fn only_its_own_member_counts() {
        for other in [
            r#"{"byte":"e30="}"#,
            r#"{"bytess":"e30="}"#,
            r#"{"x":{"bytes":"e30="}}"#,
            r#"{"x":["bytes","e30="]}"#,
            r#"{"x":"bytes","y":"e30="}"#,
            r#"{"bytes":{"x":"e30="},"y":"e30="}"#,
            r#"{"bytes":[1,null,"e30="]}"#,
            r#"{"bytes":null}"#,
        ] {
            check(other, "", true);
        }
    }

    #[test]
    fn what_is_not_sound_is_said() {
        for (broken, document) in [
            (r#"{"bytes":"e30=""#, "{}"),
            (r#"{"bytes":"e30="#, ""),
            (r#"{"bytes":"*"}"#, ""),
            (r#"{"bytes":"e30"}"#, ""),
            (r#"{"bytes":"e30\u00fd"}"#, ""),
            (r#"{"bytes":"e30="}}"#, "{}"),
            ("garbage", ""),
            ("", ""),
        ] {
            check(broken, document, false);
        }
    }
}
