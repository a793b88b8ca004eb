//! A text as detectors see it: bytes, their classes, and steps that cannot leave it.

use super::work;
use crate::wire::ascii_set::AsciiSet;

pub(super) type Class = u16;

pub(super) const DIGIT: Class = 1;
pub(super) const LETTER: Class = 1 << 1;
pub(super) const ALNUM: Class = DIGIT | LETTER;
pub(super) const HEX: Class = 1 << 2;
/// Upper-case letters and digits.
pub(super) const UPPER: Class = 1 << 3;
/// The alphabet of base64url, which most keys use.
pub(super) const WORD: Class = 1 << 4;
/// `WORD` and `.`.
pub(super) const DOTTED: Class = 1 << 5;
/// The alphabet of base64, with its padding.
pub(super) const BASE64: Class = 1 << 6;
/// RFC 9110's token68, what stands behind `Bearer`.
pub(super) const TOKEN68: Class = 1 << 7;
/// Before the `@` of an address: RFC 5322's atoms without what is rather markup or URL around one (`= ? / { | } ^`).
pub(super) const LOCAL: Class = 1 << 8;
/// Letters, digits, `-`, `.`.
pub(super) const DOMAIN: Class = 1 << 9;
/// Hexadecimal digits, `:` and `.`.
pub(super) const IPV6: Class = 1 << 10;
/// Ends a value without quotes.
pub(super) const VALUE_END: Class = 1 << 11;
/// Space and tab, line breaks too.
pub(super) const SPACE: Class = 1 << 12;
/// May stand within a telephone or card number; also the bytes of wide separators.
pub(super) const NUMBER: Class = 1 << 13;
pub(super) const QUOTE: Class = 1 << 14;

/// Where the scan looks closer: the signs, what begins a JWT and a bearer token, and the anchors of the key table.
static TRIGGERS: AsciiSet = AsciiSet::of(b"0123456789:=>@\\JB").and(&super::keys::ANCHORS);

static CLASSES: [Class; 256] = classes();

#[expect(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler"
)]
const fn classes() -> [Class; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        let mut class = 0;
        if byte.is_ascii_digit() {
            class |= DIGIT | NUMBER;
        }
        if byte.is_ascii_alphabetic() {
            class |= LETTER;
        }
        if byte.is_ascii_uppercase() || byte.is_ascii_digit() {
            class |= UPPER;
        }
        if byte.is_ascii_hexdigit() {
            class |= HEX | IPV6;
        }
        if byte.is_ascii_alphanumeric() {
            class |= WORD | DOTTED | BASE64 | TOKEN68 | LOCAL | DOMAIN;
        }
        class |= match byte {
            b'-' => WORD | DOTTED | TOKEN68 | LOCAL | DOMAIN | NUMBER,
            b'_' => WORD | DOTTED | TOKEN68 | LOCAL,
            b'.' => DOTTED | TOKEN68 | LOCAL | DOMAIN | IPV6 | NUMBER,
            b':' => IPV6,
            b'+' => BASE64 | TOKEN68 | LOCAL | NUMBER,
            b'/' => BASE64 | TOKEN68 | NUMBER,
            b'=' => BASE64 | TOKEN68,
            b'~' => TOKEN68 | LOCAL,
            b'%' | b'#' | b'$' | b'!' | b'*' => LOCAL,
            b'\'' => LOCAL | VALUE_END | QUOTE,
            b'"' | b'`' => VALUE_END | QUOTE,
            b'&' => LOCAL | VALUE_END,
            b'<' | b'>' | b',' | b';' | b'|' | b']' | b'}' => VALUE_END,
            b')' => NUMBER | VALUE_END,
            b' ' => SPACE | VALUE_END | NUMBER,
            b'\t' | b'\n' | b'\r' => SPACE | VALUE_END,
            b'(' | 0xC2 | 0xE2 | 0x80 | 0x87 | 0x89 | 0x90..=0x93 | 0xA0 | 0xAF => NUMBER,
            _ => 0,
        };
        table[at] = class;
        at += 1;
    }
    table
}

#[cfg_attr(target_arch = "wasm32", inline(never))]
pub(super) fn is(byte: u8, class: Class) -> bool {
    work(1);
    CLASSES.get(usize::from(byte)).is_some_and(|of| of & class != 0)
}

/// A byte outside is 0, which is in no class, and a span ends with the text: no position is too large or too small.
///
/// The steps are not inlined in the module: detectors consist of little else, and it has a budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bytes<'t>(&'t [u8]);

impl<'t> Bytes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self(text.as_bytes())
    }

    pub(super) fn len(self) -> usize {
        self.0.len()
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn at(self, at: usize) -> u8 {
        work(1);
        self.0.get(at).copied().unwrap_or_default()
    }

    /// The byte that ends `back` bytes before a position: `before(at, 1)` is the neighbour.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn before(self, at: usize, back: usize) -> u8 {
        at.checked_sub(back).map_or(0, |at| self.at(at))
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn from(self, at: usize) -> &'t [u8] {
        self.0.get(at..).unwrap_or_default()
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn span(self, start: usize, end: usize) -> &'t [u8] {
        self.0.get(start..end.min(self.0.len())).unwrap_or_default()
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn starts_with(self, at: usize, prefix: &[u8]) -> bool {
        work(prefix.len());
        self.from(at).starts_with(prefix)
    }

    /// As `starts_with`, for a lower-case prefix and a text in any case.
    pub(super) fn starts_with_in_any_case(self, at: usize, prefix: &[u8]) -> bool {
        self.span(at, at.wrapping_add(prefix.len())).eq_ignore_ascii_case(prefix)
    }

    /// The end of the run of a class that starts here.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    pub(super) fn run(self, at: usize, class: Class) -> usize {
        let rest = self.from(at);
        at.wrapping_add(rest.iter().position(|byte| !is(*byte, class)).unwrap_or(rest.len()))
    }

    /// As `run`, looking at `most` bytes.
    pub(super) fn run_within(self, at: usize, class: Class, most: usize) -> usize {
        Self(self.0.get(..at.saturating_add(most)).unwrap_or(self.0)).run(at, class)
    }

    /// The start of the run of a class that ends here, looking back `most` bytes.
    pub(super) fn run_back(self, end: usize, class: Class, most: usize) -> usize {
        let front = self.span(end.saturating_sub(most), end);
        end.saturating_sub(front.iter().rev().position(|byte| !is(*byte, class)).unwrap_or(front.len()))
    }

    /// The next position where the scan looks closer.
    pub(super) fn next_trigger(self, at: usize) -> Option<usize> {
        let step = TRIGGERS.find(self.0.get(at..)?)?;
        work(step);
        Some(at.wrapping_add(step))
    }

    pub(super) fn has(self, start: usize, end: usize, class: Class) -> bool {
        self.span(start, end).iter().any(|byte| is(*byte, class))
    }

    /// The length of the JSON escape that ends right before a position: `\n` or `\u00e9`.
    pub(super) fn escape_before(self, at: usize) -> Option<usize> {
        if self.before(at, 2) == b'\\' && matches!(self.before(at, 1), b'n' | b'r' | b't' | b'b' | b'f') {
            return Some(2);
        }
        let is_unicode = self.before(at, 6) == b'\\'
            && self.before(at, 5) == b'u'
            && self.run_back(at, HEX, 4) == at.saturating_sub(4);
        is_unicode.then_some(6)
    }

    /// Whether no letter or digit stands before; an escape is none.
    pub(super) fn is_word_start(self, at: usize) -> bool {
        !is(self.before(at, 1), ALNUM) || self.escape_before(at).is_some()
    }

    /// The start without the letters of a JSON escape that it took for its own: the `n` of `\nme@…`.
    pub(super) fn behind_escape(self, start: usize) -> usize {
        if self.before(start, 1) != b'\\' {
            return start;
        }
        match self.at(start) {
            b'n' | b'r' | b't' | b'b' | b'f' => start.wrapping_add(1),
            b'u' => {
                let end = start.wrapping_add(5);
                let digits = self.span(start.wrapping_add(1), end);
                if digits.len() == 4 && digits.iter().all(u8::is_ascii_hexdigit) { end } else { start }
            }
            _ => start,
        }
    }

    /// A space or hyphen that typography made longer, as models write them in numbers: its length and the byte it
    /// stands for.
    pub(super) fn wide_separator(self, at: usize) -> Option<(usize, u8)> {
        match self.span(at, at.wrapping_add(3)) {
            [0xC2, 0xA0, ..] => Some((2, b' ')),                 // no-break space
            [0xE2, 0x80, 0x87 | 0x89 | 0xAF] => Some((3, b' ')), // figure, thin, narrow no-break space
            [0xE2, 0x80, 0x90..=0x93] => Some((3, b'-')),        // hyphens, figure dash, en dash
            [b'\\', ..] if self.starts_with_in_any_case(at, b"\\u00a0") => Some((6, b' ')),
            _ => None,
        }
    }
}
