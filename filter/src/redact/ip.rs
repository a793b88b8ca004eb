//! IP addresses, as `core::net` reads them.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::Kind;
use super::bytes::{ALNUM, Bytes, DIGIT, HEX, IPV6, LETTER, SPACE, is};
use super::scan::Scan;

/// The longest IPv6 address, with an IPv4 address at its end.
const MAX_LENGTH: usize = 45;
const VERSION: &[u8] = b"version";

/// At a digit. Four numbers below 256 between dots, and no fifth; not behind what says that it is a version.
pub(super) fn find_v4(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::IpAddress)?;
    let bytes = scan.bytes;
    if is(bytes.before(at, 1), DIGIT) || !is_start(bytes, at) {
        return None;
    }
    let mut end = at;
    for part in 0..4 {
        if part > 0 {
            (bytes.at(end) == b'.').then_some(())?;
            end = end.wrapping_add(1);
        }
        let next = bytes.run(end, DIGIT);
        if next.saturating_sub(end) > 3 {
            return None;
        }
        end = next;
    }
    let next = bytes.at(end);
    let goes_on =
        is(next, ALNUM) || next == b'_' || (next == b'.' && is(bytes.at(end.wrapping_add(1)), DIGIT));
    if goes_on || is_version(bytes, at) || bytes.text(at, end).parse::<Ipv4Addr>().is_err() {
        return None;
    }
    scan.found(Kind::IpAddress, at, end)
}

/// At the first `:` of a run of hexadecimal digits and colons.
pub(super) fn find_v6(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::IpAddress)?;
    let bytes = scan.bytes;
    let start = bytes.behind_escape(bytes.run_back(at, HEX, 5));
    if start == at && bytes.at(at.wrapping_add(1)) != b':' {
        return None;
    }
    if at.saturating_sub(start) > 4 || bytes.before(start, 1) == b':' || !is_start(bytes, start) {
        return None;
    }
    let front = bytes.span(start, start.wrapping_add(MAX_LENGTH.wrapping_add(2)));
    let length = front.iter().position(|byte| !is(*byte, IPV6)).unwrap_or(front.len());
    let mut end = start.wrapping_add(length);
    if is(bytes.at(end), ALNUM) {
        return None;
    }
    // The end of a sentence, or of `fe80::1: unreachable`.
    while bytes.before(end, 1) == b'.' || (bytes.before(end, 1) == b':' && bytes.before(end, 2) != b':') {
        end = end.saturating_sub(1);
    }
    if end <= at {
        return None;
    }
    let address: Ipv6Addr = bytes.text(start, end).parse().ok()?;
    // `::`, `::1` say nothing of anybody, and programs are full of them: `a[::2]`, `std::`.
    let groups = address.segments().iter().filter(|group| **group != 0).count();
    let is_long = bytes.span(start, end).split(|byte| *byte == b':').any(|group| group.len() > 2);
    if groups < 2 || !(is_long || groups > 3) || !bytes.has(start, end, DIGIT) {
        return None;
    }
    scan.found(Kind::IpAddress, start, end)
}

fn is_start(bytes: Bytes<'_>, at: usize) -> bool {
    let before = bytes.before(at, 1);
    bytes.is_word_start(at) && before != b'_' && !(before == b'.' && is(bytes.before(at, 2), DIGIT))
}

/// Behind `version`, or behind a product as in `Chrome/120.0.0.0`.
fn is_version(bytes: Bytes<'_>, at: usize) -> bool {
    if bytes.before(at, 1) == b'/' {
        let end = at.saturating_sub(1);
        let word = bytes.run_back(end, LETTER, 32);
        return word < end && bytes.at(word).is_ascii_uppercase();
    }
    let mut end = at;
    for _ in 0..6 {
        if matches!(bytes.before(end, 1), b'"' | b'\'' | b':' | b'=' | b'\\')
            || is(bytes.before(end, 1), SPACE)
        {
            end = end.saturating_sub(1);
        }
    }
    end < at && bytes.starts_with_in_any_case(end.saturating_sub(VERSION.len()), VERSION)
}
