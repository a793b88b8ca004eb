//! Credentials as HTTP sends them: behind a scheme, RFC 9110, section 11.4.

use super::bytes::{Bytes, TOKEN68, WORD, is};
use super::placeholder::{is_placeholder, is_prose};
use super::scan::Scan;
use super::{Kind, MARKER, MAX_CUT_REST, MAX_JUDGED, keys, named};

/// What stands before a credential: <https://www.iana.org/assignments/http-authschemes>, and what APIs use beside it.
const SCHEMES: &[&[u8]] = &[
    b"basic",
    b"bearer",
    b"token",
    b"key",
    b"apikey",
    b"api-key",
    b"bot",
    b"dpop",
    b"negotiate",
    b"genie-key",
];
const MAX_SCHEME: usize = 32;

/// What a credential behind a scheme must be like.
#[derive(Clone, Copy)]
enum Like {
    /// Anything but a placeholder.
    Any,
    Random,
}

/// Behind `Authorization:`: a scheme and its credential, or a credential alone.
pub(super) fn find(scan: &mut Scan<'_>, start: usize) -> Option<usize> {
    let bytes = scan.bytes;
    let end = bytes.run_within(start, WORD, MAX_SCHEME);
    let is_scheme = end > start && matches!(bytes.at(end), b' ' | b'\t');
    let is_known = SCHEMES.iter().any(|scheme| bytes.span(start, end).eq_ignore_ascii_case(scheme));
    if !is_scheme {
        return find_credential(scan, start, 6, Like::Random);
    }
    let start = named::behind_spaces(bytes, end);
    if !is_known {
        return find_credential(scan, start, 6, Like::Random);
    }
    let start = named::behind_quote(bytes, start).map_or(start, |(start, ..)| start);
    find_credential(scan, start, 6, Like::Any)
}

/// At the `B` of `Bearer …`: RFC 6750.
pub(super) fn find_bearer(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    const BEARER: &[u8] = b"Bearer ";
    if !scan.bytes.starts_with(at, BEARER) {
        return None;
    }
    find_credential(scan, at.wrapping_add(BEARER.len()), 16, Like::Random)
}

fn find_credential(scan: &mut Scan<'_>, start: usize, min: usize, like: Like) -> Option<usize> {
    scan.wants(Kind::ApiKey)?;
    let bytes = scan.bytes;
    // One that is refused is looked at no further than that.
    let mut end = bytes.run_within(start, TOKEN68, MAX_JUDGED);
    let is_word = || bytes.at(end) != b':' && is_prose(bytes, start, end, true);
    if matches!(like, Like::Any) && (is_word() || is_parameter(bytes, end)) {
        return None;
    }
    let counts = |value: &[u8]| match like {
        Like::Any => !is_placeholder(value),
        Like::Random => named::is_random(value),
    };
    if counts(bytes.span(start, end)) {
        end = bytes.run(end, TOKEN68);
        // `user:password` that nobody has encoded.
        while matches!(like, Like::Any) && bytes.at(end) == b':' && is(bytes.at(end.wrapping_add(1)), TOKEN68)
        {
            end = bytes.run(end.wrapping_add(1), TOKEN68);
        }
    }
    let is_beginning = scan.is_at_cut(end) && end.saturating_sub(start) > MAX_CUT_REST;
    if bytes.before(end, 1) == b'.' && end > start {
        end = end.saturating_sub(1);
    }
    let value = bytes.span(start, end);
    if !is_beginning && (value.len() < min || !counts(value)) {
        return None;
    }
    if bytes.starts_with(start, b"eyJ")
        && let Some(end) = keys::find_jwt(scan, start.wrapping_add(2))
    {
        return Some(end);
    }
    scan.found(Kind::ApiKey, start, end)
}

/// Whether a name ends here, and what it names begins: the `=` of `token="…"`, not of `dG9rZW4=", "…`.
fn is_parameter(bytes: Bytes<'_>, end: usize) -> bool {
    let value = named::behind_quote(bytes, end).filter(|_| bytes.before(end, 1) == b'=');
    value.is_some_and(|(start, ..)| is(bytes.at(start), TOKEN68) || bytes.starts_with(start, MARKER))
}
