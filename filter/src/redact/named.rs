//! Credentials that a name before them gives away: `password=…`, `"api_key": "…"`. Also telephone numbers behind `phone:`,
//! which may lack any form of their own.

mod name;
mod value;

use self::name::MAX_NAME;
pub(super) use self::name::{MAX_LOOK_BACK, Value, kind_of_name};
pub(super) use self::value::{behind_quote, behind_spaces, is_random};
use self::value::{end_of_plain, end_of_quoted, is_value};
use super::bytes::{Bytes, DOTTED, LETTER, QUOTE, is};
use super::placeholder::{
    begins_template, end_of_mask, is_code, is_mask, is_plain_template, is_prose, is_variable,
};
use super::scan::Scan;
use super::{Kind, MARKER, MAX_CUT_REST, MAX_JUDGED, authorization, keys, number};
use crate::wire::{holds, trimmed};

/// At `:` or `=`.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let bytes = scan.bytes;
    let sign = bytes.at(at);
    // A test of Go that has passed.
    if bytes.span(at.saturating_sub(8), at) == b"--- PASS" && bytes.starts_with(at, b": Test") {
        return None;
    }
    // A path of a language.
    if sign == b':' && bytes.at(at.wrapping_add(1)) == b':' {
        return None;
    }
    let kind = kind_of_name(bytes, at)?;
    wanted(scan, kind)?;
    let mut start = at.wrapping_add(1);
    // `:=`, `==`, `=>`, `**name:** value`.
    for more in [b"=>".as_slice(), b"**"] {
        let limit = start.wrapping_add(2);
        while start < limit && more.contains(&bytes.at(start)) {
            start = start.wrapping_add(1);
        }
    }
    let is_spaced = matches!(bytes.at(start), b' ' | b'\t');
    start = behind_spaces(bytes, start);
    let first = start.wrapping_add(1);
    let is_list = bytes.at(start) == b'[' && !bytes.starts_with(start, MARKER);
    // Of a list the first.
    if is_list && (kind == Value::Authorization || is(bytes.at(first), QUOTE) || bytes.at(first) == b'\\') {
        start = first;
    }
    let (quote, escapes);
    (start, quote, escapes) = behind_quote(bytes, start).unwrap_or((start, 0, 0));
    let is_quoted = quote != 0;
    let is_doubled = bytes.before(at, 1) == quote && bytes.before(at, 2) == quote;
    // JSON in a table whose fields are in quotes: `""name"":""value""`.
    if is_quoted && is_doubled && bytes.at(start) == quote && bytes.before(start, 2) != quote {
        start = start.wrapping_add(1);
    }
    if is_quoted && !kind.has_form() && is_closed(bytes, at, start, quote) {
        return None;
    }
    let may_be_variable = !is_quoted || (quote == b'"' && escapes == 0 && sign == b'=' && !is_spaced);
    let value = Written { start, quote, escapes, may_be_variable, is_spaced: is_spaced && sign == b':' };
    find_value(scan, kind, &value)
}

/// The same of the first word in an element, or of all between quotes where it is no password.
pub(super) fn find_word(scan: &mut Scan<'_>, kind: Value, start: usize) -> Option<usize> {
    wanted(scan, kind)?;
    let quoted = behind_quote(scan.bytes, start).filter(|_| !kind.may_be_text());
    let (start, quote, escapes) = quoted.unwrap_or((start, 0, 0));
    find_value(scan, kind, &Written { start, quote, escapes, may_be_variable: true, is_spaced: false })
}

/// How a value is written.
struct Written {
    start: usize,
    /// 0 without any.
    quote: u8,
    /// How many backslashes are before the quote.
    escapes: usize,
    /// A shell puts its value in the place of a name, in quotes, too.
    may_be_variable: bool,
    /// As a sentence has it.
    is_spaced: bool,
}

fn find_value(scan: &mut Scan<'_>, kind: Value, written: &Written) -> Option<usize> {
    let bytes = scan.bytes;
    let Written { start, quote, escapes, .. } = *written;
    let is_quoted = quote != 0;
    if kind.has_form() {
        return find_form(scan, kind, start);
    }
    let end_within = |most| {
        if is_quoted {
            end_of_quoted(bytes, start, quote, escapes, most)
        } else {
            end_of_plain(bytes, start, most)
        }
    };
    let mut end = end_within(if kind == Value::Key { 2 * MAX_JUDGED } else { MAX_JUDGED });
    // One of these only to its end; no name stands in a mask.
    if is_mask(bytes.span(start, end)) {
        end = end_within(end_of_mask(bytes.from(start)).saturating_add(MAX_JUDGED));
    } else if is_quoted && begins_template(bytes.from(start)) {
        end = end_within(usize::MAX);
    }
    if end == start || bytes.starts_with(start, MARKER) {
        return None;
    }
    let value = bytes.span(start, end);
    let next = bytes.at(end);
    let is_none = (!is_quoted && (is_code(value, next) || is_plain_template(value, next)))
        || (written.may_be_variable && is_variable(value));
    let is_word = kind.may_be_text() && !is_quoted && is_prose(bytes, start, end, written.is_spaced);
    let counts = !is_none && !is_word && is_value(kind, value);
    // A beginning of a value may yet become random; short ones are left, as everywhere.
    let is_beginning = scan.is_at_cut(end) && value.len() > MAX_CUT_REST;
    if !(counts || is_beginning) {
        return None;
    }
    credential(scan, start, &|| end_within(usize::MAX))
}

/// The same of a text that goes to `end`.
pub(super) fn find_text(scan: &mut Scan<'_>, kind: Value, start: usize, end: usize) -> Option<usize> {
    wanted(scan, kind)?;
    let value = scan.bytes.span(start, end);
    if is_value(kind, value) && !is_variable(value) { credential(scan, start, &|| end) } else { None }
}

fn wanted(scan: &Scan<'_>, kind: Value) -> Option<()> {
    scan.wants(if kind == Value::Phone { Kind::Phone } else { Kind::ApiKey })
}

/// What shows its own end.
fn find_form(scan: &mut Scan<'_>, kind: Value, start: usize) -> Option<usize> {
    let bytes = scan.bytes;
    if kind == Value::Authorization {
        return authorization::find(scan, start);
    }
    let digits = start.wrapping_add(usize::from(matches!(bytes.at(start), b'+' | b'(')));
    let end = number::end_of_named_phone(scan, digits)?;
    scan.found(Kind::Phone, start, end)
}

/// What says itself what it is goes as that; how far another goes is not looked for then.
fn credential(scan: &mut Scan<'_>, start: usize, end: &dyn Fn() -> usize) -> Option<usize> {
    if scan.bytes.starts_with(start, b"-----BEGIN ") {
        return None;
    }
    if scan.bytes.starts_with(start, b"eyJ")
        && let Some(end) = keys::find_jwt(scan, start.wrapping_add(2))
    {
        return Some(end);
    }
    scan.found(Kind::ApiKey, start, end())
}

/// Whether the quote before `start` closes a text of a few words that ends at `at`: `"Your password: ")`.
fn is_closed(bytes: Bytes<'_>, at: usize, start: usize, quote: u8) -> bool {
    let before = bytes.span(at.saturating_sub(2 * MAX_NAME), at);
    let is_word = |byte: &u8| is(*byte, LETTER) || *byte == b' ';
    let opened = before.iter().rposition(|byte| !is_word(byte));
    let words = opened.and_then(|at| before.get(at..)).unwrap_or_default();
    matches!(bytes.at(start), b' ' | b',' | b';' | b')' | b']' | b'}' | b'>' | b'+')
        && matches!(words, [opening, first, ..] if *opening == quote && *first != b' ')
}

/// Whether a whole text is a credential, for the name that stands before it says so.
pub(super) fn is_credential(name: &str, text: &str) -> bool {
    const BEGIN: &str = "-----BEGIN ";
    // These say themselves what they are, to their end.
    let is_token = text.starts_with("eyJ") && text.bytes().all(|byte| is(byte, DOTTED));
    let is_block = text.strip_prefix(BEGIN).is_some_and(|rest| !holds(rest, BEGIN))
        && trimmed(text).ends_with(" PRIVATE KEY-----");
    let kind = kind_of_name(Bytes::new(name), name.len());
    let is_credential = kind.is_some_and(|kind| is_value(kind, text.as_bytes()));
    is_credential && !text.is_empty() && !is_token && !is_block
}
