//! One string or number while it is read: what its escapes stand for, within a bound.

use super::escapes::joined;
use super::plain::{split_plain, stops};

/// As many bytes of a string with escapes have room from the start.
const FIRST_BYTES: usize = 512;

#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) bytes: Vec<u8>,
    /// There was more of it than its bound.
    pub(super) truncated: bool,
    /// First half of a surrogate pair, until its second half shows.
    high_surrogate: Option<u16>,
}

impl Text {
    /// Starts over; keeps the buffer.
    pub(super) fn begin(&mut self) {
        self.bytes.clear();
        self.truncated = false;
        self.high_surrogate = None;
    }

    pub(super) fn push(&mut self, bytes: &[u8], max_bytes: usize) {
        if !bytes.is_empty() {
            self.end(max_bytes);
            self.push_bounded(bytes, max_bytes);
        }
    }

    /// All up to a quote or backslash; answers which of the two it is, and what comes behind it.
    pub(super) fn push_plain<'a>(&mut self, mut rest: &'a [u8], max_bytes: usize) -> Option<(u8, &'a [u8])> {
        if self.bytes.is_empty() {
            self.bytes.reserve(rest.len().min(max_bytes).min(FIRST_BYTES));
        }
        // Where there is one escape there are more: it is copied as it is looked through.
        while let Some((block, behind)) = rest.split_first_chunk() {
            let at = self.bytes.len();
            if self.high_surrogate.is_some() || at.saturating_add(block.len()) > max_bytes {
                break;
            }
            self.bytes.extend_from_slice(block);
            let stops = stops(block);
            if stops != 0 {
                let length = stops.trailing_zeros() as usize;
                self.bytes.truncate(at.saturating_add(length));
                let (stop, behind) = rest.get(length..)?.split_first()?;
                return Some((*stop, behind));
            }
            rest = behind;
        }
        let Some((plain, stop, behind)) = split_plain(rest) else {
            self.push(rest, max_bytes);
            return None;
        };
        self.push(plain, max_bytes);
        Some((stop, behind))
    }

    pub(super) fn push_byte(&mut self, byte: u8, max_bytes: usize) {
        self.end(max_bytes);
        if self.bytes.len() < max_bytes {
            self.bytes.push(byte);
        } else {
            self.truncated = true;
        }
    }

    /// Of `\u`. Joins surrogate pairs; half a pair becomes U+FFFD.
    pub(super) fn push_code_unit(&mut self, code: u16, max_bytes: usize) {
        match self.high_surrogate.take() {
            Some(high) => {
                if let Some(character) = joined(high.into(), code.into()) {
                    self.push_character(character, max_bytes);
                } else {
                    self.push_character(char::REPLACEMENT_CHARACTER, max_bytes);
                    // It may itself begin a pair.
                    self.push_code_unit(code, max_bytes);
                }
            }
            None if (0xD800..0xDC00).contains(&code) => self.high_surrogate = Some(code),
            None => {
                let character = char::from_u32(code.into()).unwrap_or(char::REPLACEMENT_CHARACTER);
                self.push_character(character, max_bytes);
            }
        }
    }

    /// Nothing follows half a surrogate pair.
    pub(super) fn end(&mut self, max_bytes: usize) {
        if self.high_surrogate.take().is_some() {
            self.push_character(char::REPLACEMENT_CHARACTER, max_bytes);
        }
    }

    fn push_character(&mut self, character: char, max_bytes: usize) {
        let mut buffer = [0; 4];
        let encoded = character.encode_utf8(&mut buffer).as_bytes();
        self.push_bounded(encoded, max_bytes);
    }

    fn push_bounded(&mut self, bytes: &[u8], max_bytes: usize) {
        let room = max_bytes.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.truncated |= bytes.len() > room;
    }
}
