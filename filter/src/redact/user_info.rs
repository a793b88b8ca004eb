//! Credentials in URLs, before the host.

use super::bytes::{SPACE, is};
use super::placeholder::is_template;
use super::scan::Scan;
use super::{Kind, MARKER, MAX_CUT_REST, named, work};

/// At `://`: the password in `scheme://user:password@host`, RFC 3986, or a key that stands for the user.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    const MAX_USER_INFO: usize = 512;
    scan.wants(Kind::ApiKey)?;
    let bytes = scan.bytes;
    let start = at.wrapping_add(3);
    let front = bytes.span(start, start.wrapping_add(MAX_USER_INFO));
    let length = front.iter().position(|byte| {
        is(*byte, SPACE) || matches!(byte, b'/' | b'"' | b'\'' | b'\\' | b'<' | b'>' | b'`')
    });
    let front = front.get(..length.unwrap_or(front.len())).unwrap_or_default();
    work(front.len());
    if front.windows(MARKER.len()).any(|window| window == MARKER) {
        return None;
    }
    let colon = front.iter().position(|byte| *byte == b':');
    let password = start.wrapping_add(colon.map_or(0, |colon| colon.wrapping_add(1)));
    let Some(length) = front.iter().rposition(|byte| *byte == b'@') else {
        let end = start.wrapping_add(front.len());
        let is_beginning =
            colon.is_some() && scan.is_at_cut(end) && end.saturating_sub(password) > MAX_CUT_REST;
        return if is_beginning { scan.found(Kind::ApiKey, password, end) } else { None };
    };
    let host = start.wrapping_add(length);
    let value = bytes.span(password, host);
    let counts = if colon.is_some() {
        !value.is_empty() && !is_template(value)
    } else {
        value.len() >= 16 && named::is_random(value)
    };
    if !counts {
        return None;
    }
    // Behind the `@`, which is no e-mail address's.
    scan.found(Kind::ApiKey, password, host).map(|host| host.wrapping_add(1))
}
