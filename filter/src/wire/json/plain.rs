//! Where the plain part of a string ends: at its first quote or backslash. Every string of every body is searched for one.

use crate::wire::find_either;

const BLOCK: usize = 16;
/// Most strings are short: only behind this many blocks is it worth while to call for the library's search.
const BLOCKS: usize = 4;

/// What comes before the first quote or backslash, which of the two it is, and what comes behind it.
pub(super) fn split_plain(text: &[u8]) -> Option<(&[u8], u8, &[u8])> {
    let length = length(text)?;
    let (plain, rest) = text.split_at_checked(length)?;
    let (stop, rest) = rest.split_first()?;
    Some((plain, *stop, rest))
}

/// How many bytes come before the first quote or backslash, if there is one.
fn length(text: &[u8]) -> Option<usize> {
    let (blocks, _) = text.as_chunks::<BLOCK>();
    let mut at = 0_usize;
    for block in blocks.iter().take(BLOCKS) {
        let stops = stops(block);
        if stops != 0 {
            return Some(at.saturating_add(stops.trailing_zeros() as usize));
        }
        at = at.saturating_add(BLOCK);
    }
    Some(at.saturating_add(find_either(b'"', b'\\', text.get(at..)?)?))
}

/// A bit for each byte of the block that is one of the two.
#[cfg(target_arch = "wasm32")]
#[inline]
pub(super) fn stops(block: &[u8; BLOCK]) -> u16 {
    use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, v128_or};

    let block = crate::wire::vector(block);
    let quotes = u8x16_eq(block, u8x16_splat(b'"'));
    let backslashes = u8x16_eq(block, u8x16_splat(b'\\'));
    u8x16_bitmask(v128_or(quotes, backslashes))
}

#[cfg(not(target_arch = "wasm32"))]
pub(super) fn stops(block: &[u8; BLOCK]) -> u16 {
    let bits = block.iter().zip(0_u32..).map(|(byte, at)| u16::from(matches!(byte, b'"' | b'\\')) << at);
    bits.fold(0, |bits, bit| bits | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_either_counts() {
        for stop in ['"', '\\'] {
            for before in 0..100 {
                for behind in 0..20 {
                    let text = format!("{}{stop}{}", "a".repeat(before), "\"".repeat(behind));
                    assert_eq!(length(text.as_bytes()), Some(before), "{text}");
                }
            }
        }
        for bytes in 0..100 {
            assert_eq!(length("é".repeat(bytes).as_bytes()), None, "{bytes}");
        }
    }
}
