//! Credentials that a name before them gives away: `password=…`, `"api_key": "…"`. Also telephone numbers behind `phone:`,
//! which may lack any form of their own.

use super::bytes::{ALNUM, Bytes, DIGIT, DOTTED, LETTER, QUOTE, TOKEN68, VALUE_END, WORD, is};
use super::placeholder::{
    begins_template, end_of_mask, is_code, is_folder, is_mask, is_placeholder, is_plain_template, is_prose,
    is_template, is_variable,
};
use super::scan::Scan;
use super::{Kind, MARKER, MAX_CUT_REST, MAX_JUDGED, authorization, keys, marker_length, number, work};
use crate::wire::holds;

/// What a value must be like to count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// Anything but a placeholder.
    Any,
    /// The same, and no folder, which `pwd` is as often.
    NoFolder,
    /// So many characters at least, random to look at: letters and digits, or cases mixed.
    Random(u8),
    /// One run of letters and digits that no word has, [`is_key`]: `key` stands before much else.
    Key,
    /// A scheme and a credential.
    Authorization,
    Phone,
}

impl Value {
    pub(super) fn may_be_text(self) -> bool {
        matches!(self, Self::Any | Self::NoFolder)
    }

    pub(super) fn has_form(self) -> bool {
        matches!(self, Self::Authorization | Self::Phone)
    }
}

/// The ends of names, in lower case and without `_`, `-`, `.` and spaces; the first that fits counts.
const NAMES: &[(&str, Value)] = &[
    ("password", Value::Any),
    ("passwd", Value::Any),
    ("passphrase", Value::Any),
    ("passwort", Value::Any),
    ("kennwort", Value::Any),
    ("pwd", Value::NoFolder),
    ("pass", Value::Random(6)),
    ("secret", Value::Random(8)),
    ("apikey", Value::Random(8)),
    ("apitoken", Value::Random(8)),
    ("accesskey", Value::Random(8)),
    ("secretkey", Value::Random(8)),
    ("privatekey", Value::Random(16)),
    ("authkey", Value::Random(8)),
    ("signingkey", Value::Random(8)),
    ("encryptionkey", Value::Random(8)),
    ("masterkey", Value::Random(8)),
    ("accountkey", Value::Random(16)),
    ("subscriptionkey", Value::Random(16)),
    ("key", Value::Key),
    ("accesstoken", Value::Random(8)),
    ("refreshtoken", Value::Random(8)),
    ("authtoken", Value::Random(8)),
    ("auth", Value::Key),
    ("sessiontoken", Value::Random(8)),
    ("bearertoken", Value::Random(8)),
    ("token", Value::Random(16)),
    ("credential", Value::Random(8)),
    ("credentials", Value::Random(8)),
    ("sessionid", Value::Random(16)),
    ("signature", Value::Random(32)),
    ("sig", Value::Random(32)),
    ("authorization", Value::Authorization),
    ("phone", Value::Phone),
    ("phonenumber", Value::Phone),
    ("telephone", Value::Phone),
    ("mobile", Value::Phone),
    ("mobilenumber", Value::Phone),
    ("tel", Value::Phone),
    ("fax", Value::Phone),
    ("msisdn", Value::Phone),
    ("whatsapp", Value::Phone),
];
const MAX_NAME: usize = 16;
/// No name is looked at further back from its end, with all that may stand in it and around it.
pub(super) const MAX_LOOK_BACK: usize = 4 * MAX_NAME;

/// At `:` or `=`.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let bytes = scan.bytes;
    let sign = bytes.at(at);
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
    credential(scan, start, end_within(usize::MAX))
}

/// The same of a text that goes to `end`.
pub(super) fn find_text(scan: &mut Scan<'_>, kind: Value, start: usize, end: usize) -> Option<usize> {
    wanted(scan, kind)?;
    let value = scan.bytes.span(start, end);
    if is_value(kind, value) && !is_variable(value) { credential(scan, start, end) } else { None }
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

/// What says itself what it is goes as that.
fn credential(scan: &mut Scan<'_>, start: usize, end: usize) -> Option<usize> {
    if scan.bytes.starts_with(start, b"-----BEGIN ") {
        return None;
    }
    if scan.bytes.starts_with(start, b"eyJ")
        && let Some(end) = keys::find_jwt(scan, start.wrapping_add(2))
    {
        return Some(end);
    }
    scan.found(Kind::ApiKey, start, end)
}

/// The next that is none, within a few.
pub(super) fn behind_spaces(bytes: Bytes<'_>, start: usize) -> usize {
    let is_space = |byte: &&u8| matches!(byte, b' ' | b'\t');
    start.wrapping_add(bytes.from(start).iter().take(32).take_while(is_space).count())
}

/// Where a text in quotes begins, the quote, and how many backslashes are before it.
pub(super) fn behind_quote(bytes: Bytes<'_>, start: usize) -> Option<(usize, u8, usize)> {
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

/// Whether the quote before `start` closes a text of a few words that ends at `at`: `"Your password: ")`.
fn is_closed(bytes: Bytes<'_>, at: usize, start: usize, quote: u8) -> bool {
    let before = bytes.span(at.saturating_sub(2 * MAX_NAME), at);
    let is_word = |byte: &u8| is(*byte, LETTER) || *byte == b' ';
    let opened = before.iter().rposition(|byte| !is_word(byte));
    let words = opened.and_then(|at| before.get(at..)).unwrap_or_default();
    matches!(bytes.at(start), b' ' | b',' | b';' | b')' | b']' | b'}' | b'>' | b'+')
        && matches!(words, [opening, first, ..] if *opening == quote && *first != b' ')
}

/// What the name that ends here says of its value.
pub(super) fn kind_of_name(bytes: Bytes<'_>, at: usize) -> Option<Value> {
    // Not line breaks: a heading of Markdown is underlined with `=`.
    let front = bytes.span(at.saturating_sub(8), at).iter().rev();
    let spaces = front.take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let mut end = at.saturating_sub(spaces);
    if bytes.before(end, 1) == b']' {
        end = end.saturating_sub(1);
        if !is(bytes.before(end, 1), QUOTE) {
            // `user[name]`, `name[]`; a marker has a colon there.
            let start = bytes.run_back(end, WORD, 2 * MAX_NAME);
            (bytes.before(start, 1) == b'[').then_some(())?;
            end = if start == end { start.saturating_sub(1) } else { end };
        }
    }
    if is(bytes.before(end, 1), QUOTE) {
        // `"name"`, `\"name\"`, `["name"]`, `""name""`.
        let is_doubled = bytes.before(end, 1) == bytes.before(end, 2);
        end = end.saturating_sub(if is_doubled { 2 } else { 1 });
        end = end.saturating_sub(
            bytes.span(end.saturating_sub(3), end).iter().rev().take_while(|byte| **byte == b'\\').count(),
        );
    } else if bytes.before(end, 1) == b'*' && bytes.before(end, 2) == b'*' {
        end = end.saturating_sub(2);
    }
    // `password2`.
    end = bytes.run_back(end, DIGIT, 2);
    let mut name = [0; MAX_NAME];
    let mut unused = MAX_NAME;
    let mut start = end;
    let front = bytes.span(end.saturating_sub(2 * MAX_NAME), end);
    for byte in front.iter().rev() {
        if !is(*byte, DOTTED) && *byte != b' ' {
            break;
        }
        start = start.saturating_sub(1);
        if !is(*byte, ALNUM) {
            continue;
        }
        if unused == MAX_NAME {
            end = start.wrapping_add(1);
        }
        let Some(place) = unused.checked_sub(1).and_then(|at| name.get_mut(at)) else { break };
        *place = byte.to_ascii_lowercase();
        unused = unused.saturating_sub(1);
    }
    work(NAMES.len());
    let (word, kind) = NAMES
        .iter()
        .find(|(word, _)| word.as_bytes().last() == name.last() && name.ends_with(word.as_bytes()))?;
    // Short ones also end other words: `hotel`, `compass`; not `smtpPass`.
    let first = end.saturating_sub(word.len());
    let is_within = is(bytes.before(first, 1), LETTER)
        && bytes.escape_before(first).is_none()
        && (bytes.at(first).is_ascii_lowercase() || bytes.before(first, 1).is_ascii_uppercase());
    (word.len() > 4 || !is_within).then_some(*kind)
}

/// Up to the quote that closes: one that is escaped no more than the one that opened.
fn end_of_quoted(bytes: Bytes<'_>, start: usize, quote: u8, escapes: usize, most: usize) -> usize {
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
fn end_of_plain(bytes: Bytes<'_>, start: usize, most: usize) -> usize {
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

pub(super) fn is_random(value: &[u8]) -> bool {
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

/// Whether a whole text is a credential, for the name that stands before it says so.
pub(super) fn is_credential(name: &str, text: &str) -> bool {
    const BEGIN: &str = "-----BEGIN ";
    // These say themselves what they are, to their end.
    let is_token = text.starts_with("eyJ") && text.bytes().all(|byte| is(byte, DOTTED));
    let is_block = text.strip_prefix(BEGIN).is_some_and(|rest| !holds(rest, BEGIN))
        && text.trim_end().ends_with(" PRIVATE KEY-----");
    let kind = kind_of_name(Bytes::new(name), name.len());
    let is_credential = kind.is_some_and(|kind| is_value(kind, text.as_bytes()));
    is_credential && !text.is_empty() && !is_token && !is_block
}

/// Whether it is like what stands behind names of this kind.
fn is_value(kind: Value, value: &[u8]) -> bool {
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
