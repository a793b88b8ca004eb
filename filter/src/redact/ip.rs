//! IP addresses, as `core::net` reads them; its readers would bring 4 KB into the module.

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
    if !is_start(bytes, at) {
        return None;
    }
    let end = end_of_v4(bytes, at)?;
    let next = bytes.at(end);
    let goes_on =
        is(next, ALNUM) || next == b'_' || (next == b'.' && is(bytes.at(end.wrapping_add(1)), DIGIT));
    if goes_on || is_version(bytes, at) {
        return None;
    }
    scan.found(Kind::IpAddress, at, end)
}

/// The end of four numbers below 256, without leading zeros, between dots.
fn end_of_v4(bytes: Bytes<'_>, start: usize) -> Option<usize> {
    let mut end = start;
    for part in 0..4 {
        if part > 0 {
            (bytes.at(end) == b'.').then_some(())?;
            end = end.wrapping_add(1);
        }
        let next = bytes.run_within(end, DIGIT, 4);
        match bytes.span(end, next) {
            [_] | [b'1'..=b'9', _] | [b'1', _, _] | [b'2', b'0'..=b'4', _] | [b'2', b'5', b'0'..=b'5'] => {}
            _ => return None,
        }
        end = next;
    }
    Some(end)
}

/// How many groups of an IPv6 address are not zero; nothing where there is none.
fn groups_of_v6(bytes: Bytes<'_>, start: usize, end: usize) -> Option<usize> {
    let mut groups: usize = 0;
    let mut used: usize = 0;
    let mut is_compressed = bytes.starts_with(start, b"::");
    let mut at = if is_compressed { start.wrapping_add(2) } else { start };
    while at < end {
        let next = bytes.run_within(at, HEX, 5);
        if bytes.at(next) == b'.' && next < end {
            // An IPv4 address is the last two groups.
            (end_of_v4(bytes, at) == Some(end)).then_some(())?;
            groups = groups.wrapping_add(2);
            used = used.wrapping_add(2);
            break;
        }
        let digits = bytes.span(at, next);
        (1..=4).contains(&digits.len()).then_some(())?;
        groups = groups.wrapping_add(1);
        used = used.wrapping_add(usize::from(digits.iter().any(|digit| *digit != b'0')));
        at = next;
        if at < end {
            (bytes.at(at) == b':').then_some(())?;
            at = at.wrapping_add(1);
            if bytes.at(at) == b':' && at < end {
                (!is_compressed).then_some(())?;
                is_compressed = true;
                at = at.wrapping_add(1);
            } else if at >= end {
                return None;
            }
        }
    }
    let is_whole = if is_compressed { groups < 8 } else { groups == 8 };
    is_whole.then_some(used)
}

/// At the first `:` of a run of hexadecimal digits and colons.
pub(super) fn find_v6(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    scan.wants(Kind::IpAddress)?;
    let bytes = scan.bytes;
    let start = bytes.behind_escape(bytes.run_back(at, HEX, 5));
    if start == at && bytes.at(at.wrapping_add(1)) != b':' {
        return None;
    }
    // Behind a group, and not behind a name: `ip:2001:db8::5`.
    let goes_on = bytes.before(start, 1) == b':'
        && bytes.is_word_start(bytes.run_back(start.saturating_sub(1), HEX, 5));
    if at.saturating_sub(start) > 4 || goes_on || !is_start(bytes, start) {
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
    // `::`, `::1` say nothing of anybody, and programs are full of them: `a[::2]`, `std::`.
    let groups = groups_of_v6(bytes, start, end)?;
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

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) {
        let bytes = Bytes::new(text);
        let v4 = end_of_v4(bytes, 0) == Some(text.len());
        assert_eq!(v4, text.parse::<Ipv4Addr>().is_ok(), "{text}");
        let v6 = text.parse::<Ipv6Addr>().ok();
        assert_eq!(groups_of_v6(bytes, 0, text.len()).is_some(), v6.is_some(), "{text}");
        if let Some(address) = v6.filter(|_| !text.contains('.')) {
            let used = address.segments().iter().filter(|group| **group != 0).count();
            assert_eq!(groups_of_v6(bytes, 0, text.len()), Some(used), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn addresses_are_what_core_takes_for_one(
            v4 in "([0-9]{1,4}\\.){3}[0-9]{1,3}",
            v6 in "[0-9a-f:]{0,12}(:?[0-9a-f]{1,4}){0,9}(:[0-9.]{7,9})?",
            parts in prop::collection::vec(prop::sample::select(vec!["::", ":", "0", "a1", "fe80", "12345", "1.2.3.4"]), 0..18),
        ) {
            check(&v4);
            check(&v6);
            check(&parts.concat());
        }
    }

    #[test]
    fn addresses() {
        for text in [
            "::",
            "::1",
            "1::",
            "1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7::",
            "1:2:3:4:5:6:1.2.3.4",
            "::1.2.3.4",
            ":",
            "1:",
            "",
        ] {
            check(text);
        }
    }
}
