//! What strings say: what stands for what behind their backslashes. RFC 8259, section 7.

use crate::wire::find;

/// What a text says without its escapes.
#[derive(Debug, PartialEq, Eq)]
pub struct Unescaped {
    pub text: String,
    /// Every backslash begins an escape, every surrogate has its pair.
    pub is_json: bool,
}

/// A text with its escapes replaced by what they stand for, half a surrogate pair by U+FFFD; nothing without a backslash.
/// Half an escape at its end is left out when it `is_cut`.
pub fn unescaped(text: &str, is_cut: bool) -> Option<Unescaped> {
    find(b'\\', text.as_bytes())?;
    let mut said = Unescaped { text: String::with_capacity(text.len()), is_json: true };
    let mut rest = text;
    while let Some((plain, behind)) = rest.split_once('\\') {
        said.text.push_str(plain);
        if is_cut && is_half(behind.as_bytes()) {
            rest = "";
            break;
        }
        let (character, length, is_json) = escape(behind.as_bytes());
        said.is_json &= is_json;
        said.text.push(character);
        rest = behind.get(length..).unwrap_or_default();
    }
    said.text.push_str(rest);
    Some(said)
}

/// What a backslash stands for with what follows it, how much of that is part of it, and whether JSON has it so. Of what
/// JSON does not escape a sign or a space stands for itself, as in a shell or in Markdown; before anything else the
/// backslash does.
fn escape(behind: &[u8]) -> (char, usize, bool) {
    let character = match behind.first() {
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'u') => {
            let Some(first) = code_unit(behind, 1) else { return ('\\', 0, false) };
            let second = code_unit(behind, 7).filter(|_| behind.get(5..7) == Some(br"\u"));
            return match (second.and_then(|second| joined(first, second)), char::from_u32(first)) {
                (Some(character), _) => (character, 11, true),
                (None, Some(character)) => (character, 5, true),
                (None, None) => (char::REPLACEMENT_CHARACTER, 5, false),
            };
        }
        Some(sign) if sign.is_ascii_punctuation() || *sign == b' ' => {
            return (char::from(*sign), 1, matches!(sign, b'"' | b'\\' | b'/'));
        }
        _ => return ('\\', 0, false),
    };
    (character, 1, true)
}

/// The four hexadecimal digits at a place.
fn code_unit(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..)?.get(..4)?;
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    digits.iter().try_fold(0, |unit: u32, byte| Some(unit.wrapping_mul(16) | digit(byte)?))
}

/// What two halves of a surrogate pair stand for; nothing where they are none.
pub(super) fn joined(high: u32, low: u32) -> Option<char> {
    if !matches!((high, low), (0xD800..0xDC00, 0xDC00..0xE000)) {
        return None;
    }
    let bits = (high & 0x3FF).wrapping_mul(0x400) | (low & 0x3FF);
    char::from_u32(bits.wrapping_add(0x1_0000))
}

/// Whether what follows a backslash is the beginning of an escape, or of a pair of them.
fn is_half(behind: &[u8]) -> bool {
    match behind.split_first() {
        None => true,
        Some((b'u', digits)) => match digits.split_at_checked(4) {
            None => digits.iter().all(u8::is_ascii_hexdigit),
            Some((_, rest)) => {
                escape(behind) == (char::REPLACEMENT_CHARACTER, 5, false)
                    && rest
                        .strip_prefix(b"\\")
                        .map_or(rest.is_empty(), |rest| rest.len() < 5 && is_half(rest))
            }
        },
        Some(_) => false,
    }
}

/// Where in a text stands what it says.
#[derive(Debug)]
pub struct Places<'t> {
    text: &'t [u8],
    /// So far: in the text, and in what it says.
    at: usize,
    said: usize,
}

impl<'t> Places<'t> {
    pub fn new(text: &'t str) -> Self {
        Self { text: text.as_bytes(), at: 0, said: 0 }
    }

    /// Where that stands which is said at a place; asked for in order, places between characters.
    pub fn of(&mut self, place: usize) -> usize {
        loop {
            let rest = self.text.get(self.at..).unwrap_or_default();
            let wanted = place.saturating_sub(self.said).min(rest.len());
            let plain = rest.iter().take(wanted).position(|byte| *byte == b'\\');
            let step = plain.unwrap_or(wanted);
            self.at = self.at.saturating_add(step);
            self.said = self.said.saturating_add(step);
            if plain.is_none() {
                return self.at;
            }
            let behind = self.at.saturating_add(1);
            let (character, length, _) = escape(self.text.get(behind..).unwrap_or_default());
            self.at = behind.saturating_add(length);
            self.said = self.said.saturating_add(character.len_utf8());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_what_json_says() {
        for (escaped, plain) in [
            (r#"\"\\\/\b\f\n\r\t"#, Some("\"\\/\u{8}\u{c}\n\r\t")),
            (r"\u00e9\ud83d\ude00x", Some("é😀x")),
            (r"\u0041\u0042", Some("AB")),
            (r"\ud83d\u0041", None),
            (r"\ud83d", None),
            (r"\u12", None),
            (r"\u+123", None),
            (r"\q", None),
            (r"\", None),
        ] {
            let said = unescaped(escaped, false).expect("escapes");
            assert_eq!(said.is_json.then_some(said.text.as_str()), plain, "{escaped}");
        }
    }

    #[test]
    fn half_an_escape_is_left_out() {
        for half in [r"\", r"\u", r"\u1", r"\u12f", r"\ud83d", r"\ud83d\", r"\uD83D\ude0"] {
            let cut = format!("a{half}");
            assert_eq!(unescaped(&cut, true).expect("escapes").text, "a", "{half}");
            assert!(unescaped(&cut, false).expect("escapes").text.len() > 1, "{half}");
        }
        for whole in [r"a\\", r"a\q", r"a\_", r"a\n", r"a\uxyz", r"a\ud83dx", r"a\u12fx", r"a\ud83d\n"] {
            let said = |is_cut| unescaped(whole, is_cut).expect("escapes");
            assert_eq!(said(true), said(false), "{whole}");
        }
        assert_eq!(unescaped("plain é", true), None);
        assert_eq!(unescaped(r"a\_b\d\-", true).expect("escapes").text, r"a_b\d-");
    }

    proptest! {
        #[test]
        fn what_is_said_is_found_in_its_place(pieces in prop::collection::vec(prop::sample::select(vec![
            "a", "é", "😀", r"\n", r"\\", r"\u00e9", r"\_", r"\.", r"\ud83d\ude00", r"\ud83d", r"\q", r"\u12", "\"",
        ]), 0..20)) {
            let text = pieces.concat();
            let Some(said) = unescaped(&text, false) else { return Ok(()) };
            let mut places = Places::new(&text);
            let mut from = 0;
            for (at, character) in said.text.char_indices() {
                let (start, end) = (places.of(at), places.of(at + character.len_utf8()));
                prop_assert_eq!(start, from, "{} {}", text, at);
                let piece = text.get(start..end).expect("whole characters");
                let again = unescaped(piece, false).map_or_else(|| piece.to_owned(), |said| said.text);
                prop_assert_eq!(again, character.to_string(), "{}", text);
                from = end;
            }
            prop_assert_eq!(from, text.len());
        }
    }
}
