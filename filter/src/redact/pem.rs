//! Private keys in PEM: RFC 7468, OpenSSH's `PROTOCOL.key`, RFC 4880 (`PGP PRIVATE KEY BLOCK`).
//!
//! Line breaks may be `\n` as two characters, as in JSON.

use super::bytes::{BASE64, Bytes, SPACE, WORD, is};
use super::scan::Scan;
use super::{Kind, work};
use crate::wire;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const MAX_LABEL: usize = 64;
/// The shortest run of base64 that is taken for a line of a key whose end is missing.
const MIN_LINE: usize = 24;

/// At a `-`.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::PrivateKey)?;
    let bytes = scan.bytes;
    if !bytes.starts_with(at, BEGIN) {
        return None;
    }
    let label = at.wrapping_add(BEGIN.len());
    let body = end_of_label(bytes, label)?;
    let is_private = [b"PRIVATE KEY-----" as &[u8], b"PRIVATE KEY BLOCK-----"]
        .iter()
        .any(|end| bytes.span(label, body).ends_with(end));
    if !is_private {
        return None;
    }
    let end = match next_boundary(bytes, body) {
        Some(next) if bytes.starts_with(next, END) => {
            let label = next.wrapping_add(END.len());
            let is_open = scan.is_at_cut(label.wrapping_add(MAX_LABEL));
            end_of_label(bytes, label).unwrap_or(if is_open { bytes.len() } else { label })
        }
        // Cut, or an end that is missing.
        None if scan.is_cut => bytes.len(),
        other => end_of_lines(bytes, behind_headers(bytes, body), other.unwrap_or(bytes.len()))?,
    };
    scan.found(Kind::PrivateKey, at, end)
}

/// Behind the dashes that end a label.
fn end_of_label(bytes: Bytes<'_>, start: usize) -> Option<usize> {
    let front = bytes.span(start, start.wrapping_add(MAX_LABEL));
    let length = front.windows(DASHES.len()).position(|window| window == DASHES)?;
    let label = front.get(..length)?;
    let end = start.wrapping_add(length).wrapping_add(DASHES.len());
    label
        .iter()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ')
        .then_some(end)
}

/// The next `-----BEGIN` or `-----END`: each block is searched once, up to the next.
fn next_boundary(bytes: Bytes<'_>, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let rest = bytes.from(at);
        let step = wire::find(b'-', rest);
        work(step.unwrap_or(rest.len()));
        at = at.wrapping_add(step?);
        if bytes.starts_with(at, END) || bytes.starts_with(at, BEGIN) {
            return Some(at);
        }
        at = at.wrapping_add(1);
    }
}

/// Behind `Proc-Type: 4,ENCRYPTED` and the like, which some keys begin with.
fn behind_headers(bytes: Bytes<'_>, start: usize) -> usize {
    const MAX_HEADERS: usize = 8;
    const MAX_NAME: usize = 32;
    const MAX_VALUE: usize = 256;
    let mut at = start;
    for _ in 0..MAX_HEADERS {
        let name = behind_breaks(bytes, at);
        let end = bytes.run_within(name, WORD, MAX_NAME);
        if end == name || !bytes.starts_with(end, b": ") {
            break;
        }
        let value = bytes.span(end, end.wrapping_add(MAX_VALUE));
        work(value.len());
        let Some(length) = value.iter().position(|byte| matches!(byte, b'\n' | b'\r' | b'\\')) else { break };
        at = end.wrapping_add(length);
    }
    at
}

/// Behind white space, and line breaks as JSON writes them.
fn behind_breaks(bytes: Bytes<'_>, start: usize) -> usize {
    let mut at = start;
    loop {
        let before = at;
        while is(bytes.at(at), SPACE) {
            at = at.wrapping_add(1);
        }
        if bytes.at(at) == b'\\' && matches!(bytes.at(at.wrapping_add(1)), b'n' | b'r') {
            at = at.wrapping_add(2);
        }
        if at == before {
            return at;
        }
    }
}

/// The end of the lines of base64, the last of which may be short; nothing without such a line.
fn end_of_lines(bytes: Bytes<'_>, start: usize, limit: usize) -> Option<usize> {
    let mut found = None;
    let mut at = start;
    loop {
        at = behind_breaks(bytes, at);
        let end = bytes.run(at, BASE64).min(limit);
        let is_line = end.saturating_sub(at) >= MIN_LINE;
        if is_line || (found.is_some() && end > at) {
            found = Some(end);
        }
        if !is_line {
            return found;
        }
        at = end;
    }
}
