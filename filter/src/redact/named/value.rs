//! Where the values of names begin and end, and what they are like.

use super::super::bytes::{ALNUM, Bytes, QUOTE, TOKEN68, VALUE_END, WORD, is};
use super::super::placeholder::{is_folder, is_placeholder, is_template};
use super::super::{MARKER, keys, marker_length, work};
use super::name::Value;

/// The next that is none, within a few.
pub(in crate::redact) fn behind_spaces(bytes: Bytes<'_>, start: usize) -> usize {
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t');
    start.wrapping_add(bytes.from(start).iter().take(32).take_while(is_space).count())
}

/// Where a text in quotes begins, the quote, and how many backslashes are before it.
pub(in crate::redact) fn behind_quote(bytes: Bytes<'_>, start: usize) -> Option<(usize, u8, usize)> {
    let start = start.wrapping_add(prefix_of_quote(bytes, start));
    let escapes = bytes.from(start).iter().take(3).take_while(|byte| **byte == b'\\').count();
    let at = start.wrapping_add(escapes);
    let quote = bytes.at(at);
    is(quote, QUOTE).then_some(())?;
    let text = at.wrapping_add(1);
    let is_tripled = bytes.at(text) == quote && bytes.at(text.wrapping_add(1)) == quote;
    Some((text.wrapping_add(if is_tripled { 2 } else { 0 }), quote, escapes))
}

/// The length of what languages write before a quote: `b"…"`, `r'…'`, `@"…"`, `$'…'`. Not of templates, `f"{…}"`.
fn prefix_of_quote(bytes: Bytes<'_>, start: usize) -> usize {
    let is_letter = |byte: u8| matches!(byte.to_ascii_lowercase(), b'b' | b'r' | b'u');
    match [bytes.at(start), bytes.at(start.wrapping_add(1)), bytes.at(start.wrapping_add(2))] {
        [b'$', b'\'', _] => 1,
        [b'@', quote, _] if is(quote, QUOTE) => 1,
        [letter, quote, _] if is_letter(letter) && is(quote, QUOTE) => 1,
        [one, two, quote] if is_letter(one) && is_letter(two) && is(quote, QUOTE) => 2,
        _ => 0,
    }
}

/// Up to the quote that closes: one that is escaped no more than the one that opened.
pub(super) fn end_of_quoted(bytes: Bytes<'_>, start: usize, quote: u8, escapes: usize, most: usize) -> usize {
    let mut backslashes: usize = 0;
    let mut end = start;
    for byte in bytes.from(start).iter().take(most) {
        work(1);
        if *byte == b'\n' {
            return end;
        }
        if *byte == quote && (backslashes <= escapes || (escapes == 0 && backslashes.is_multiple_of(2))) {
            return end.saturating_sub(escapes.min(backslashes));
        }
        backslashes = if *byte == b'\\' { backslashes.wrapping_add(1) } else { 0 };
        end = end.wrapping_add(1);
    }
    whole_character(bytes, end)
}

/// Up to a space, a quote, a bracket, or what separates fields, unless a shell has it escaped.
pub(super) fn end_of_plain(bytes: Bytes<'_>, start: usize, most: usize) -> usize {
    let rest = bytes.from(start);
    let rest = rest.get(..most).unwrap_or(rest);
    // Bytes that belong to the value, whatever they are.
    let mut inner: usize = 0;
    let is_end = |(at, byte): (usize, &u8)| {
        if inner > 0 {
            inner = inner.saturating_sub(1);
            return false;
        }
        let behind = rest.get(at.wrapping_add(1)..).unwrap_or_default();
        inner = match byte {
            // At the beginning it may be all that is a placeholder.
            b'\\' => usize::from(at > 0 && behind.first().is_some_and(|sign| is_escapable(*sign))),
            b'[' => marker_length(rest.get(at..).unwrap_or_default()).unwrap_or_default().saturating_sub(1),
            _ => 0,
        };
        inner == 0 && (is(*byte, VALUE_END) || *byte == b'\\')
    };
    let length = rest.iter().enumerate().position(is_end).unwrap_or(rest.len());
    let end = whole_character(bytes, start.wrapping_add(length));
    // The end of a sentence.
    if length > 1 && bytes.before(end, 1) == b'.' { end.saturating_sub(1) } else { end }
}

/// What a shell escapes. A quote that is escaped may be the end of a string of JSON, and braces those of a template.
fn is_escapable(byte: u8) -> bool {
    byte.is_ascii_punctuation() && !matches!(byte, b'"' | b'\\' | b'{' | b'}') || byte == b' '
}

/// Back to where a character begins.
fn whole_character(bytes: Bytes<'_>, mut end: usize) -> usize {
    while bytes.at(end) & 0xC0 == 0x80 {
        end = end.saturating_sub(1);
    }
    end
}

/// Whether it is like what stands behind names of this kind.
pub(super) fn is_value(kind: Value, value: &[u8]) -> bool {
    !is_template(value)
        && match kind {
            Value::Any => !is_placeholder(value),
            Value::NoFolder => !is_placeholder(value) && !is_folder(value),
            Value::Random(min) => {
                // Letters of both cases that redaction itself has written say nothing.
                let has_marker = value.windows(MARKER.len()).any(|part| part == MARKER);
                let is_sure = value.iter().any(u8::is_ascii_digit) || !has_marker;
                value.len() >= usize::from(min) && is_sure && is_random(value)
            }
            Value::Key => is_key(value),
            Value::Authorization | Value::Phone => false,
        }
}

pub(in crate::redact) fn is_random(value: &[u8]) -> bool {
    work(value.len());
    let has = |class: fn(&u8) -> bool| value.iter().any(class);
    let is_mixed = value.len() >= 16 && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    has(u8::is_ascii_alphabetic) && (has(u8::is_ascii_digit) || is_mixed)
}

/// No path, no sentence, no name of parts, whether with `-` between or in `CamelCase`.
fn is_key(value: &[u8]) -> bool {
    const MIN: usize = 24;
    const MIN_RUN: usize = 16;
    // Laravel's.
    let value = value.strip_prefix(b"base64:").unwrap_or(value);
    // Base64 that is padded; other is not told from a path.
    let is_padded = value.ends_with(b"=");
    let is_part = |byte: &u8| is(*byte, if is_padded { TOKEN68 } else { WORD });
    let is_run = |run: &[u8]| run.len() >= MIN_RUN && keys::is_mixed(run);
    value.len() >= MIN
        && value.iter().all(is_part)
        && if is_padded { is_run(value) } else { value.split(|byte| !is(*byte, ALNUM)).any(is_run) }
}
