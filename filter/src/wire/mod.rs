//! Byte formats, without any knowledge of providers.
//!
//! Every parser here is fed chunks that may end anywhere: inside a UTF-8 character, an escape, a line ending. What it
//! reports never depends on where the chunks were cut, and it holds a bounded amount of memory whatever it is fed.

pub(crate) mod ascii_set;
pub mod aws_event_stream;
pub mod encoding;
pub mod json;
pub mod lines;
pub mod multipart;
pub mod sse;

use std::borrow::Cow;

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// The checksum of AWS event streams and of gzip.
pub static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// Whether two texts are the same. Names are short: the library's comparison takes longer to be called.
pub fn is_same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && is_same_at_length(a, b)
}

/// A text without the white space around it. What the library knows of that beyond ASCII takes 1 KB of the module.
#[inline(never)]
pub fn trimmed(text: &str) -> &str {
    text.trim_ascii()
}

/// Where the first `byte` stands. The library's search would be in the module once for each place that calls it.
#[inline(never)]
pub fn find(byte: u8, bytes: &[u8]) -> Option<usize> {
    memchr::memchr(byte, bytes)
}

/// Where the first of two bytes stands.
#[inline(never)]
pub fn find_either(one: u8, other: u8, bytes: &[u8]) -> Option<usize> {
    memchr::memchr2(one, other, bytes)
}

/// What is before the first `marker` and what is behind it. The library's search prepares for texts far longer than
/// ours, in 3 KB of code.
pub fn split<'a>(text: &'a str, marker: &str) -> Option<(&'a str, &'a str)> {
    let first = marker.bytes().next()?;
    let mut from = 0_usize;
    loop {
        let at = find(first, text.as_bytes().get(from..)?)?.saturating_add(from);
        let (before, rest) = text.split_at_checked(at)?;
        if let Some(behind) = rest.strip_prefix(marker) {
            return Some((before, behind));
        }
        from = at.saturating_add(1);
    }
}

/// Whether a part of the text is this.
pub fn holds(text: &str, part: &str) -> bool {
    split(text, part).is_some()
}

/// Nearly every host and media type is in lower case as it comes.
pub fn lower_case(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

/// In as few words as there are; the last may reach back into the one before it.
fn is_same_at_length(a: &[u8], b: &[u8]) -> bool {
    if let (Some(a_end), Some(b_end)) = (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
        return u64::from_le_bytes(*a_end) == u64::from_le_bytes(*b_end)
            && words.into_iter().all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b));
    }
    if let (Some(a_end), Some(b_end)) = (a.last_chunk::<4>(), b.last_chunk::<4>()) {
        let starts = (a.first_chunk::<4>(), b.first_chunk::<4>());
        return u32::from_le_bytes(*a_end) == u32::from_le_bytes(*b_end) && starts.0 == starts.1;
    }
    a.iter().zip(b).all(|(a, b)| a == b)
}

/// Sixteen bytes, to be looked at together.
#[cfg(target_arch = "wasm32")]
#[inline]
fn vector(block: &[u8; 16]) -> std::arch::wasm32::v128 {
    let [low, high] = [0, 8].map(|at| {
        let half = block.get(at..).and_then(|half| half.first_chunk::<8>());
        half.map_or(0, |half| u64::from_le_bytes(*half))
    });
    std::arch::wasm32::u64x2(low, high)
}
