//! Names that give away what stands behind them.

use super::super::bytes::{ALNUM, Bytes, DIGIT, DOTTED, LETTER, QUOTE, WORD, is};
use super::super::work;
use super::value::{behind_quote, behind_spaces};

/// What a value must be like to count.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::redact) enum Value {
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
    pub(in crate::redact) fn may_be_text(self) -> bool {
        matches!(self, Self::Any | Self::NoFolder)
    }

    pub(in crate::redact) fn has_form(self) -> bool {
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
/// The longest of them.
pub(super) const MAX_NAME: usize = 16;
/// No name is looked at further back from its end, with all that may stand in it and around it.
pub(in crate::redact) const MAX_LOOK_BACK: usize = 4 * MAX_NAME;

/// Where the name ends that has its type behind it: `password: string = "…"`, `password string = "…"`. Without quotes it is
/// code that follows.
fn before_type(bytes: Bytes<'_>, end: usize, sign: usize) -> usize {
    let start = bytes.run_back(end, LETTER, 7);
    let is_type = matches!(bytes.span(start, end), b"string" | b"String" | b"str");
    if !is_type || behind_quote(bytes, behind_spaces(bytes, sign.wrapping_add(1))).is_none() {
        return end;
    }
    let between = bytes.span(start.saturating_sub(4), start).iter().rev();
    match between.take_while(|byte| matches!(byte, b' ' | b':' | b'&')).count() {
        0 => end,
        count => start.saturating_sub(count),
    }
}

/// What the name that ends here says of its value.
pub(in crate::redact) fn kind_of_name(bytes: Bytes<'_>, at: usize) -> Option<Value> {
    // Not line breaks: a heading of Markdown is underlined with `=`.
    let front = bytes.span(at.saturating_sub(8), at).iter().rev();
    let spaces = front.take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let mut end = at.saturating_sub(spaces);
    if bytes.at(at) == b'=' {
        end = before_type(bytes, end, at);
    }
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
