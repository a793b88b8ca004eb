//! What is passed over, 64 bytes at a time: a bit for each byte says what it is, and a few operations on all of them
//! which brackets stand outside of strings, and where a string ends.
//! <https://arxiv.org/abs/1902.08318>, section 3.1.

const BYTES: usize = 64;

/// A bit for each of up to 64 bytes, the first in the lowest.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Block {
    quotes: u64,
    backslashes: u64,
    brackets: u64,
    length: u32,
}

/// What the bytes so far mean for those that follow. Outside of a string a backslash makes no sense, and what follows it
/// opens none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Strings {
    pub(super) inside: bool,
    pub(super) escaped: bool,
}

impl Block {
    /// Of the first bytes of a text, and what comes behind them.
    #[expect(
        clippy::inline_always,
        reason = "it is most of what is read; called, it would hand itself over in memory"
    )]
    #[inline(always)]
    pub(super) fn first(text: &[u8]) -> (Self, &[u8]) {
        match text.split_first_chunk::<BYTES>() {
            Some((block, rest)) => (Self::of(block, 64), rest),
            None => (Self::last(text), &[]),
        }
    }

    /// Of fewer bytes than a block has.
    #[inline(never)]
    fn last(text: &[u8]) -> Self {
        let mut block = [0; BYTES];
        let (words, bytes) = text.as_chunks::<8>();
        let (places, _) = block.as_chunks_mut::<8>();
        for (place, word) in places.iter_mut().zip(words) {
            *place = *word;
        }
        if let Some(place) = places.get_mut(words.len()) {
            for (place, byte) in place.iter_mut().zip(bytes) {
                *place = *byte;
            }
        }
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        Self::of(&block, length)
    }

    #[inline]
    fn of(block: &[u8; BYTES], length: u32) -> Self {
        let (parts, _) = block.as_chunks::<PART>();
        let all = Self { length, ..Self::default() };
        parts.iter().zip([0_u32, 16, 32, 48]).fold(all, |all, (part, at)| {
            let [quotes, backslashes, brackets] = bits(part).map(|bits| u64::from(bits) << at);
            Self {
                quotes: all.quotes | quotes,
                backslashes: all.backslashes | backslashes,
                brackets: all.brackets | brackets,
                ..all
            }
        })
    }
}

impl Strings {
    /// The brackets of the next block that are not in a string.
    #[inline]
    pub(super) fn brackets_outside(&mut self, block: &Block) -> u64 {
        let quotes = block.quotes & !self.escapes(block);
        let inside = parity(quotes) ^ 0_u64.wrapping_sub(u64::from(self.inside));
        self.inside = inside >> 63 == 1;
        block.brackets & !inside
    }

    /// In a string: what comes behind its end, if that is in the next block.
    #[inline]
    pub(super) fn end(&mut self, block: &Block) -> Option<usize> {
        let quotes = block.quotes & !self.escapes(block);
        (quotes != 0).then(|| (quotes.trailing_zeros() as usize).saturating_add(1))
    }

    /// The bytes that stand behind a backslash that does not itself: every other one of a row.
    #[inline]
    fn escapes(&mut self, block: &Block) -> u64 {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        let before = u64::from(self.escaped);
        if block.backslashes == 0 {
            self.escaped = self.escaped && block.length == 0;
            return before;
        }
        let begin = block.backslashes & !before;
        // A row that begins at an even place carries into the byte behind it when it is of an odd length, and the other way
        // round.
        let ends = ((begin << 1) | ODD).wrapping_sub(begin) ^ ODD;
        let escaped = ends ^ (block.backslashes | before);
        self.escaped = match escaped.checked_shr(block.length) {
            Some(behind) => behind & 1 == 1,
            None => (ends & block.backslashes) >> 63 == 1,
        };
        escaped
    }
}

/// A bit for each place up to which an odd number of bits is set.
#[inline]
fn parity(bits: u64) -> u64 {
    let bits = bits ^ (bits << 1);
    let bits = bits ^ (bits << 2);
    let bits = bits ^ (bits << 4);
    let bits = bits ^ (bits << 8);
    let bits = bits ^ (bits << 16);
    bits ^ (bits << 32)
}

const PART: usize = 16;

/// Which of the bytes are quotes, backslashes and brackets. Brackets of objects are those of arrays and one bit.
#[cfg(target_arch = "wasm32")]
#[inline]
fn bits(part: &[u8; PART]) -> [u16; 3] {
    use std::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, v128_or};

    let bytes = crate::wire::vector(part);
    let is = |byte| u8x16_eq(bytes, u8x16_splat(byte));
    let folded = v128_or(bytes, u8x16_splat(0x20));
    let brackets = v128_or(u8x16_eq(folded, u8x16_splat(b'{')), u8x16_eq(folded, u8x16_splat(b'}')));
    [u8x16_bitmask(is(b'"')), u8x16_bitmask(is(b'\\')), u8x16_bitmask(brackets)]
}

#[cfg(not(target_arch = "wasm32"))]
fn bits(part: &[u8; PART]) -> [u16; 3] {
    let mark = |is: fn(u8) -> bool| {
        let bits = part.iter().zip(0_u32..).map(|(byte, at)| u16::from(is(*byte)) << at);
        bits.fold(0, |bits, bit| bits | bit)
    };
    [mark(|byte| byte == b'"'), mark(|byte| byte == b'\\'), mark(|byte| matches!(byte | 0x20, b'{' | b'}'))]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One byte after the other.
    fn slowly(text: &[u8], strings: &mut Strings) -> Vec<usize> {
        let mut brackets = Vec::new();
        for (at, byte) in text.iter().enumerate() {
            let escaped = std::mem::take(&mut strings.escaped);
            match byte {
                b'\\' => strings.escaped = !escaped,
                b'"' if !escaped => strings.inside = !strings.inside,
                b'{' | b'}' | b'[' | b']' if !strings.inside => brackets.push(at),
                _ => {}
            }
        }
        brackets
    }

    fn in_blocks(mut text: &[u8], strings: &mut Strings) -> Vec<usize> {
        let mut brackets = Vec::new();
        let mut at = 0;
        while !text.is_empty() {
            let (block, rest) = Block::first(text);
            let bits = strings.brackets_outside(&block);
            brackets.extend((0..64).filter(|bit| bits >> bit & 1 == 1).map(|bit| at + bit));
            at += text.len() - rest.len();
            text = rest;
        }
        brackets
    }

    #[test]
    fn the_same_as_byte_by_byte() {
        let mut state = 1_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).expect("31 bits") % below
        };
        for round in 0..20_000 {
            // Rows of backslashes, over the ends of blocks too.
            let alphabet: &[u8] = if round % 2 == 0 { br#"\\\\"{}[]a"# } else { br#"\"{}[]abcdefgh"# };
            let text: Vec<u8> = (0..random(200)).map(|_| alphabet[random(alphabet.len())]).collect();
            let begin = Strings { inside: random(2) == 1, escaped: random(2) == 1 };
            let (mut fast, mut slow) = (begin, begin);
            let case = String::from_utf8_lossy(&text);
            assert_eq!(in_blocks(&text, &mut fast), slowly(&text, &mut slow), "{begin:?} {case}");
            assert_eq!(fast, slow, "{begin:?} {case}");
            let cut = random(text.len() + 1);
            let (head, tail) = text.split_at(cut);
            let mut in_two = begin;
            in_blocks(head, &mut in_two);
            in_blocks(tail, &mut in_two);
            assert_eq!(in_two, slow, "cut at {cut}: {begin:?} {case}");
        }
    }

    #[test]
    fn a_string_ends_at_its_first_plain_quote() {
        for (text, end) in [
            (r#"abc","#, Some(4)),
            (r#"a\"b"c"#, Some(5)),
            (r#"a\\"b"#, Some(4)),
            (r#"\\\\\"""#, Some(7)),
            (r#"a\""#, None),
            ("", None),
        ] {
            let (block, _) = Block::first(text.as_bytes());
            let mut strings = Strings { inside: true, escaped: false };
            assert_eq!(strings.end(&block), end, "{text}");
        }
    }
}
