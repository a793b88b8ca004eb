//! Values that the name of an XML element gives away: `<password>hunter2</password>`.

use super::bytes::{Bytes, DOTTED, SPACE, is};
use super::scan::Scan;
use super::{MARKER, MAX_CUT_REST, named, work};

/// A tag with all that stands in it is looked at no further back from its end.
const MAX_TAG: usize = 64;
const CDATA: &[u8] = b"<![CDATA[";

/// At the `>` of a tag. What is between it and the closing tag of the same name counts, on one line; a placeholder such as
/// `<password>` has none.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let bytes = scan.bytes;
    let name = name_of_tag(bytes, at)?;
    let kind = named::kind_of_name(bytes, at.saturating_sub(name.behind))?;
    let mut start = at.wrapping_add(1);
    if bytes.starts_with(start, CDATA) {
        start = start.wrapping_add(CDATA.len());
    }
    start = named::behind_spaces(bytes, start);
    let rest = bytes.from(start);
    let is_end = |byte: &u8| matches!(byte, b'<' | b'\n' | b'\r');
    let length = rest.iter().position(is_end).unwrap_or(rest.len());
    work(length);
    let end = start.wrapping_add(length);
    let closing = bytes.from(bytes.run(end, SPACE));
    let is_cut = closes(closing, name.text)?;
    if is_cut && !scan.is_at_cut(bytes.len()) {
        return None;
    }
    let value = bytes.span(start, end).trim_ascii_end();
    let value = value.strip_suffix(b"]]>").unwrap_or(value);
    let is_nothing = value.is_empty() || value.starts_with(MARKER);
    if is_nothing {
        return None;
    }
    named::find_in_element(
        scan,
        kind,
        start,
        start.wrapping_add(value.len()),
        is_cut && length > MAX_CUT_REST,
    )
}

/// Whether a closing tag stands here, and if so, whether the text ends within it.
fn closes(text: &[u8], name: &[u8]) -> Option<bool> {
    let mut text = text.iter();
    for expected in b"</".iter().chain(name) {
        match text.next() {
            Some(byte) if byte == expected => {}
            Some(_) => return None,
            None => return Some(true),
        }
    }
    Some(false)
}

struct Name<'t> {
    /// With what stands before its `:`.
    text: &'t [u8],
    /// Bytes of the tag behind it.
    behind: usize,
}

/// Of the tag that ends here, if one opens.
fn name_of_tag(bytes: Bytes<'_>, at: usize) -> Option<Name<'_>> {
    let front = bytes.span(at.saturating_sub(MAX_TAG), at);
    let open = front.iter().rposition(|byte| matches!(byte, b'<' | b'>'))?;
    let tag = front.get(open..)?.strip_prefix(b"<")?;
    let text = tag.split(|byte| is(*byte, SPACE)).next()?;
    let is_name = !text.is_empty() && text.iter().all(|byte| is(*byte, DOTTED) || *byte == b':');
    (is_name && tag.last() != Some(&b'/'))
        .then_some(Name { text, behind: tag.len().saturating_sub(text.len()) })
}
