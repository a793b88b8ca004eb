//! Values that the name of an XML element gives away: `<password>hunter2</password>`.

use super::bytes::{ALNUM, Bytes, DOTTED, QUOTE, SPACE, is};
use super::scan::Scan;
use super::{MARKER, named, work};

/// A tag with all that stands in it, and what is between it and its closing tag: longer ones are looked at no further.
const MAX_BYTES: usize = 256;
const CDATA: &[u8] = b"<![CDATA[";

/// At the `>` of a tag. All that is on the line before the closing tag counts, of what is no password if it has no spaces:
/// prompts are full of such tags. Where there is none it is the first word; behind a placeholder such as `<password>` are
/// spaces, signs, or letters beyond ASCII.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> Option<usize> {
    let bytes = scan.bytes;
    let (name, behind) = name_of_tag(bytes, at)?;
    let kind = named::kind_of_name(bytes, at.saturating_sub(behind))?;
    let first = at.wrapping_add(1);
    let mut start = named::behind_spaces(bytes, first);
    if bytes.starts_with(start, CDATA) {
        start = start.wrapping_add(CDATA.len());
    }
    if kind.has_form() {
        return named::find_word(scan, kind, start);
    }
    let value = content(scan, start, name);
    if value.starts_with(MARKER) || value.starts_with(b"{") {
        return None;
    }
    let is_all = kind.may_be_text() || !value.contains(&b' ');
    if !value.is_empty()
        && is_all
        && let Some(end) = named::find_text(scan, kind, start, start.wrapping_add(value.len()))
    {
        return Some(end);
    }
    let byte = bytes.at(start);
    let may_begin = if value.is_empty() {
        start == first && (is(byte, ALNUM) || b"#$%^*_~+".contains(&byte))
    } else {
        // A quote before a space, or like the one before the tag, closes what that is in: "Set `<token>` to …</token>".
        let before = bytes.before(at.saturating_sub(behind.saturating_add(name.len())), 2);
        let closes = is(byte, QUOTE) && (byte == before || bytes.at(start.wrapping_add(1)) == b' ');
        !kind.may_be_text() && !closes
    };
    if may_begin { named::find_word(scan, kind, start) } else { None }
}

/// What is on this line before the closing tag of this name, or before a cut in it; nothing where there is none.
fn content<'t>(scan: &Scan<'t>, start: usize, name: &[u8]) -> &'t [u8] {
    let bytes = scan.bytes;
    let line = bytes.span(start, start.wrapping_add(MAX_BYTES));
    let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
    let line = line.split(is_end).next().unwrap_or_default();
    work(line.len());
    let mut ends = (0..=line.len()).filter(|at| line.get(*at).is_none_or(|byte| *byte == b'<'));
    let end = ends.find(|at| {
        let closing = bytes.run_within(start.wrapping_add(*at), SPACE, MAX_BYTES);
        closes(bytes.from(closing), name).is_some_and(|is_whole| is_whole || scan.is_at_cut(bytes.len()))
    });
    let value = end.and_then(|end| line.get(..end)).unwrap_or_default().trim_ascii_end();
    value.strip_suffix(b"]]>").unwrap_or(value)
}

/// Whether a closing tag stands here, in any case of letters, and whether it does before the text ends.
fn closes(text: &[u8], name: &[u8]) -> Option<bool> {
    let mut text = text.iter();
    for expected in b"</".iter().chain(name) {
        match text.next() {
            Some(byte) if byte.eq_ignore_ascii_case(expected) => {}
            Some(_) => return None,
            None => return Some(false),
        }
    }
    Some(true)
}

/// Of the tag that ends here, if one opens: with what stands before its `:`, and how many bytes of the tag are behind it.
fn name_of_tag(bytes: Bytes<'_>, at: usize) -> Option<(&[u8], usize)> {
    let front = bytes.span(at.saturating_sub(MAX_BYTES), at);
    let open = front.iter().rposition(|byte| matches!(byte, b'<' | b'>'))?;
    let tag = front.get(open..)?.strip_prefix(b"<")?;
    let name = tag.split(|byte| is(*byte, SPACE)).next()?;
    let is_name = !name.is_empty() && name.iter().all(|byte| is(*byte, DOTTED) || *byte == b':');
    // `<a/>`, and the `=>` of code in a tag.
    let is_end = !matches!(tag.last(), Some(b'/' | b'='));
    (is_name && is_end).then_some((name, tag.len().saturating_sub(name.len())))
}
