//! Where the next byte of some kind stands, sixteen bytes at a time: every text that is kept is searched three times.
//!
//! The half of a byte's bits that is lower picks from one table which upper halves are in the set, the upper half picks its
//! own bit from another; what is in both is in the set. <https://arxiv.org/abs/1902.08318>, section 3.1.2.

const LANES: usize = 16;

/// Some of the 128 characters of ASCII.
#[derive(Debug)]
pub(crate) struct AsciiSet {
    /// For each lower half of a byte: a bit for each upper half that is in the set with it.
    uppers: [u8; LANES],
}

impl AsciiSet {
    pub(crate) const fn of(bytes: &[u8]) -> Self {
        Self { uppers: [0; LANES] }.and(bytes)
    }

    #[expect(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
    pub(crate) const fn and(mut self, bytes: &[u8]) -> Self {
        let mut at = 0;
        while at < bytes.len() {
            assert!(bytes[at].is_ascii(), "only ASCII fits into the tables");
            self.uppers[(bytes[at] & 0xf) as usize] |= 1 << (bytes[at] >> 4);
            at += 1;
        }
        self
    }

    #[expect(clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
    pub(crate) const fn and_range(mut self, first: u8, last: u8) -> Self {
        let mut byte = first;
        while byte <= last {
            self = self.and(&[byte]);
            byte += 1;
        }
        self
    }

    /// Where the first byte of the set stands.
    pub(crate) fn find(&self, text: &[u8]) -> Option<usize> {
        let (blocks, rest) = text.as_chunks::<LANES>();
        let mut at = 0_usize;
        for block in blocks {
            let found = self.members(block);
            if found != 0 {
                return Some(at.saturating_add(found.trailing_zeros() as usize));
            }
            at = at.saturating_add(LANES);
        }
        rest.iter().position(|byte| self.has(*byte)).map(|behind| at.saturating_add(behind))
    }

    /// How many bytes of each of two sets there are. It does not stop at any: no processor can foretell where the next
    /// one is.
    pub(crate) fn counts(sets: [&Self; 2], text: &[u8]) -> [usize; 2] {
        let (blocks, rest) = text.as_chunks::<LANES>();
        let of_rest = |set: &Self| match text.last_chunk() {
            // The first of these are in another block, too.
            Some(block) => u32::from(set.members(block)) >> LANES.saturating_sub(rest.len()),
            None => rest.iter().fold(0, |bits, byte| bits << 1 | u32::from(set.has(*byte))),
        };
        let mut counts = sets.map(|set| of_rest(set).count_ones());
        for block in blocks {
            let of_block = sets.map(|set| set.members(block).count_ones());
            counts = [counts[0].wrapping_add(of_block[0]), counts[1].wrapping_add(of_block[1])];
        }
        counts.map(|count| count as usize)
    }

    #[inline]
    fn has(&self, byte: u8) -> bool {
        let uppers = self.uppers.get(usize::from(byte & 0xf)).copied().unwrap_or_default();
        u32::from(uppers).checked_shr(u32::from(byte >> 4)).is_some_and(|uppers| uppers & 1 == 1)
    }

    /// A bit for each byte of the block that is in the set.
    #[cfg(target_arch = "wasm32")]
    #[inline]
    fn members(&self, block: &[u8; LANES]) -> u16 {
        use std::arch::wasm32::{
            u8x16, u8x16_bitmask, u8x16_ne, u8x16_shr, u8x16_splat, u8x16_swizzle, v128_and,
        };

        let block = super::vector(block);
        let bits = u8x16(1, 2, 4, 8, 16, 32, 64, 128, 0, 0, 0, 0, 0, 0, 0, 0);
        let uppers = u8x16_swizzle(super::vector(&self.uppers), v128_and(block, u8x16_splat(0xf)));
        let own = u8x16_swizzle(bits, u8x16_shr(block, 4));
        u8x16_bitmask(u8x16_ne(v128_and(uppers, own), u8x16_splat(0)))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn members(&self, block: &[u8; LANES]) -> u16 {
        let bits = block.iter().zip(0_u32..).map(|(byte, at)| u16::from(self.has(*byte)) << at);
        bits.fold(0, |bits, bit| bits | bit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_is_made_of() {
        for set in [&b"\0\x1f \"\\@A\x7f"[..], b"0123456789", b"", b"z"] {
            let tables = AsciiSet::of(set);
            for byte in 0..=u8::MAX {
                assert_eq!(tables.has(byte), set.contains(&byte), "{byte:#x} in {set:?}");
            }
        }
    }

    #[test]
    fn the_first_is_found_and_all_are_counted() {
        let quote = AsciiSet::of(b"\"");
        let set = AsciiSet::of(b"\"").and_range(b'\t', b'\r');
        for before in 0..70 {
            for behind in 0..20 {
                let text = format!("{}\n{}x", "é".repeat(before), "\"".repeat(behind));
                assert_eq!(set.find(text.as_bytes()), Some(2 * before), "{text}");
                let counts = AsciiSet::counts([&set, &quote], text.as_bytes());
                assert_eq!(counts, [behind + 1, behind], "{text}");
            }
            let none = "é".repeat(before);
            assert_eq!(set.find(none.as_bytes()), None, "{before}");
            assert_eq!(AsciiSet::counts([&quote, &set], none.as_bytes()), [0, 0], "{before}");
        }
    }
}
