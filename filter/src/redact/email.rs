//! E-mail addresses: what stands around an `@`. RFC 5321 and RFC 5322, without quoted local parts and address literals.

use super::Kind;
use super::bytes::{ALNUM, Bytes, DOMAIN, LETTER, LOCAL, is};
use super::scan::Scan;

/// At an `@`. Local parts end at the `@` before, domains at the one behind: no byte is looked at more than twice.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::Email)?;
    let bytes = scan.bytes;
    let mut start = bytes.behind_escape(bytes.run_back(at, LOCAL, usize::MAX));
    // Markup around an address: `**me@…`, `'me@…`.
    while start < at && !is(bytes.at(start), ALNUM) && !matches!(bytes.at(start), b'_' | b'+') {
        start = start.wrapping_add(1);
    }
    if start == at {
        return None;
    }
    let domain = at.wrapping_add(1);
    let ascii_end = bytes.run(domain, DOMAIN);
    if scan.is_at_cut(ascii_end) {
        return scan.found(Kind::Email, start, ascii_end);
    }
    let end = end_of_domain(bytes, domain, ascii_end).or_else(|| {
        let end = end_of_international_domain(bytes, domain);
        if scan.is_at_cut(end) { Some(end) } else { end_of_domain(bytes, domain, end) }
    })?;
    scan.found(Kind::Email, start, end)
}

/// Where the last label ends that can be a top-level domain: two or more letters, or `xn--…`, behind another label.
fn end_of_domain(bytes: Bytes<'_>, start: usize, end: usize) -> Option<usize> {
    let mut label = start;
    let mut found = None;
    while label < end {
        let rest = bytes.span(label, end);
        let next = label.wrapping_add(rest.iter().position(|byte| *byte == b'.').unwrap_or(rest.len()));
        if next == label {
            break;
        }
        if label > start {
            let letters = bytes.run(label, LETTER).min(next).saturating_sub(label);
            if bytes.starts_with_in_any_case(label, b"xn--") || !bytes.at(label).is_ascii() {
                found = Some(next);
            } else if letters >= 2 {
                // With what is glued to it: it may be anything.
                found = Some(bytes.run(label, ALNUM).min(next));
            }
        }
        label = next.wrapping_add(1);
    }
    found
}

/// As a run of `DOMAIN` that may hold characters beyond ASCII.
fn end_of_international_domain(bytes: Bytes<'_>, start: usize) -> usize {
    // The signs of typography and those of Chinese and Japanese, wide ones too, begin with these.
    let is_sign = |pair: &[u8]| matches!(pair, [0xC2 | 0xE2 | 0xEF, ..] | [0xE3, 0x80]);
    let is_end = |at: &usize| {
        let byte = bytes.at(*at);
        (byte.is_ascii() && !is(byte, DOMAIN)) || is_sign(bytes.span(*at, at.wrapping_add(2)))
    };
    (start..bytes.len()).find(is_end).unwrap_or(bytes.len())
}
