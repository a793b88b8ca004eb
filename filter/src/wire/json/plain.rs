//! Where the plain part of a string ends: at its first quote or backslash. Every string of every body is searched for one.

use memchr::memchr2;

const BLOCK: usize = 16;
/// Most strings are short: only behind this many blocks is it worth while to call for the library's search.
const BLOCKS: usize = 4;

/// How many bytes come before the first quote or backslash, if there is one.
pub(super) fn length(text: &[u8]) -> Option<usize> {
    let (blocks, _) = text.as_chunks::<BLOCK>();
    let mut at = 0_usize;
    for block in blocks.iter().take(BLOCKS) {
        let stops = stops(block);
        if stops != 0 {
            return Some(at.saturating_add(stops.trailing_zeros() as usize));
        }
        at = at.saturating_add(BLOCK);
    }
    Some(at.saturating_add(memchr2(b'"', b'\\', text.get(at..)?)?))
}

/// A bit for each byte of the block that is one of the two.
#[cfg(target_arch = "wasm32")]
#[inline]
fn stops(block: &[u8; BLOCK]) -> u16 {
    use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, v128_or};

    let block = vector(block);
    let quotes = u8x16_eq(block, u8x16_splat(b'"'));
    let backslashes = u8x16_eq(block, u8x16_splat(b'\\'));
    u8x16_bitmask(v128_or(quotes, backslashes))
}

#[cfg(target_arch = "wasm32")]
#[inline]
pub(super) fn vector(block: &[u8; BLOCK]) -> std::arch::wasm32::v128 {
    let [low, high] = [0, 8].map(|at| {
        let half = block.get(at..).and_then(|half| half.first_chunk::<8>());
        half.map_or(0, |half| u64::from_le_bytes(*half))
    });
    std::arch::wasm32::u64x2(low, high)
}

#[cfg(not(target_arch = "wasm32"))]
fn stops(block: &[u8; BLOCK]) -> u16 {
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
