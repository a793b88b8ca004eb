//! What stands behind a name and is no value: what documentation, schemas, templates and programs write in its place, and
//! the next word of a sentence.

use super::bytes::{Bytes, DOTTED, QUOTE, is};
use super::{marker_length, work};

/// What stands for a value in documentation and schemas.
const PLACEHOLDERS: &[&str] = &[
    "null",
    "none",
    "nil",
    "true",
    "false",
    "undefined",
    "string",
    "str",
    "text",
    "required",
    "optional",
    "optional[str",
    "any",
    "bytes",
    "secretstr",
];

pub(super) fn is_placeholder(value: &[u8]) -> bool {
    PLACEHOLDERS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes())) || is_mask(value)
}

pub(super) fn is_mask(value: &[u8]) -> bool {
    end_of_mask(value) == value.len()
}

/// How many characters of a mask a text begins with.
pub(super) fn end_of_mask(text: &[u8]) -> usize {
    let is_other = |byte: &u8| !matches!(byte, b'*' | b'=' | b'.' | b'-' | b'_' | b'?' | b'x' | b'X');
    let length = text.iter().position(is_other).unwrap_or(text.len());
    work(length);
    length
}

/// How the name of a value begins and ends where one stands for it: `${{ name }}`, `{{ name }}`, `$(command)`.
const TEMPLATES: &[(&[u8], &[u8])] = &[(b"${{", b"}}"), (b"{{", b"}}"), (b"$(", b")"), (b"${", b"}")];

pub(super) fn begins_template(value: &[u8]) -> bool {
    TEMPLATES.iter().any(|(open, _)| value.starts_with(open))
}

/// `${NAME}`, `{{ name }}`, `<your key>`: names a value, and says no more. So does a marker.
pub(super) fn is_template(value: &[u8]) -> bool {
    work(value.len());
    let is_of = |(open, close): &(&[u8], &[u8])| {
        let inner = value.strip_prefix(*open).and_then(|rest| rest.strip_suffix(*close));
        inner.is_some_and(|inner| {
            let is_closed_before = inner.windows(close.len()).any(|window| window == *close);
            !is_closed_before && (*open != b"${" || is_name(inner))
        })
    };
    TEMPLATES.iter().any(is_of)
        || matches!(value, [b'<', .., b'>'])
        || marker_length(value) == Some(value.len())
}

/// `$NAME`, as a shell has it; what is not in capitals may be a password.
pub(super) fn is_variable(value: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    matches!(value, [b'$', b'A'..=b'Z' | b'_', rest @ ..] if rest.iter().all(is_part))
}

/// A folder that somebody works in; a password may begin with `/`.
pub(super) fn is_folder(value: &[u8]) -> bool {
    const FOLDERS: [&str; 11] = [
        "/home/",
        "/Users/",
        "/root",
        "/tmp",
        "/usr/",
        "/var/",
        "/opt/",
        "/app",
        "/srv",
        "/mnt/",
        "/workspace",
    ];
    FOLDERS.iter().any(|folder| value.starts_with(folder.as_bytes()))
}

/// The same of what ends where a value without quotes does, before `next`.
pub(super) fn is_plain_template(value: &[u8], next: u8) -> bool {
    match value.strip_prefix(b"${") {
        Some(b"{") => next == b' ',
        Some(name) => next == b'}' && is_name(name),
        None => value.starts_with(b"$(") && matches!(next, b' ' | b')'),
    }
}

/// A default behind it, `${NAME:-hunter2}`, is a value.
fn is_name(text: &[u8]) -> bool {
    text.iter().all(|byte| is(*byte, DOTTED) || *byte == b' ')
}

/// An object, a list, `getpass.getpass(`, `settings.secret`, `Token::new(`, and, where a quote is `next`, `$_POST[`.
pub(super) fn is_code(value: &[u8], next: u8) -> bool {
    work(value.len());
    let is_part = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'.');
    // Of colons two by two: nothing is between them.
    let is_name = |name: &[u8]| {
        let parts = name.split(|byte| *byte == b':').enumerate();
        parts.into_iter().all(|(at, part)| part.iter().all(is_part) && (at % 2 == 0 || part.is_empty()))
    };
    let mut parts = value.splitn(2, |byte| *byte == b'(');
    let called = parts.next().unwrap_or_default();
    let is_called = is_name(called)
        && (parts.next().is_some() || value.contains(&b'.') || value.windows(2).any(|two| two == b"::"));
    let indexed = value.strip_suffix(b"[").filter(|_| is(next, QUOTE));
    let is_indexed =
        indexed.is_some_and(|name| name.len() > 1 && is_name(name.strip_prefix(b"$").unwrap_or(name)));
    matches!(value, [b'{' | b'[', ..]) || is_called || is_indexed
}

/// Whether a value without quotes is rather the next word of a sentence: `password: click here`.
pub(super) fn is_prose(bytes: Bytes<'_>, start: usize, end: usize, is_spaced: bool) -> bool {
    let value = bytes.span(start, end);
    let is_plain_word = value.iter().skip(1).all(u8::is_ascii_lowercase);
    let is_last = matches!(bytes.at(end), 0 | b'\n' | b'\r' | b'\\' | b'<' | b'"' | b'&' | b';');
    value.len() < 3 || (is_spaced && is_plain_word && !is_last)
}
