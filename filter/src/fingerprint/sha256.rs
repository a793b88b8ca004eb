//! SHA-256, <https://doi.org/10.6028/NIST.FIPS.180-4>. Written out because the crate for it, made for speed, takes 6 KB of
//! the module; its numbers are computed when the module is built, from what the standard says they are.

pub(super) const BLOCK_BYTES: usize = 64;

/// The hash of what has been read, a whole number of blocks.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sha256 {
    state: [u32; 8],
    bytes: usize,
}

/// The first 32 bits of the fractional part of the roots of the first primes: square roots (`degree` 2) or cube roots.
#[expect(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "evaluated by the compiler"
)]
const fn fractions<const COUNT: usize>(degree: u32) -> [u32; COUNT] {
    let mut found = [0; COUNT];
    let mut count = 0;
    let mut prime: u128 = 2;
    while count < COUNT {
        let mut divisor = 2;
        while divisor * divisor <= prime && !prime.is_multiple_of(divisor) {
            divisor += 1;
        }
        if divisor * divisor > prime {
            // The largest number whose power is no larger than the prime, both with 32 bits behind the point.
            let mut root: u128 = 0;
            let mut bit = 36;
            while bit > 0 {
                bit -= 1;
                let more = root | (1 << bit);
                if more.pow(degree) <= prime << (32 * degree) {
                    root = more;
                }
            }
            found[count] = root as u32;
            count += 1;
        }
        prime += 1;
    }
    found
}

static ROUNDS: [u32; 64] = fractions(3);
const START: [u32; 8] = fractions(2);

impl Sha256 {
    fn new() -> Self {
        Self { state: START, bytes: 0 }
    }

    pub(super) fn behind(block: &[u8; BLOCK_BYTES]) -> Self {
        let mut hash = Self::new();
        hash.block(block);
        hash
    }

    #[expect(clippy::many_single_char_names, reason = "the names of the standard")]
    fn block(&mut self, block: &[u8; BLOCK_BYTES]) {
        self.bytes = self.bytes.wrapping_add(BLOCK_BYTES);
        let mut words = [0; 64];
        for (word, bytes) in words.iter_mut().zip(block.as_chunks().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        for at in 16..words.len() {
            let word = |back: usize| words.get(at.wrapping_sub(back)).copied().unwrap_or_default();
            let (early, late): (u32, u32) = (word(15), word(2));
            let early = early.rotate_right(7) ^ early.rotate_right(18) ^ (early >> 3);
            let late = late.rotate_right(17) ^ late.rotate_right(19) ^ (late >> 10);
            let next = word(16).wrapping_add(early).wrapping_add(word(7)).wrapping_add(late);
            if let Some(place) = words.get_mut(at) {
                *place = next;
            }
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = self.state;
        for (constant, word) in ROUNDS.iter().zip(words) {
            let one = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let first = h.wrapping_add(one).wrapping_add(choice).wrapping_add(*constant).wrapping_add(word);
            let zero = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let majority = (a & b) ^ (a & c) ^ (b & c);
            (h, g, f, e, d, c, b) = (g, f, e, d.wrapping_add(first), c, b, a);
            a = first.wrapping_add(zero).wrapping_add(majority);
        }
        for (state, more) in self.state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *state = state.wrapping_add(more);
        }
    }

    /// Of the blocks before and of `bytes`.
    pub(super) fn digest(mut self, bytes: &[u8]) -> [u8; 32] {
        let bits = (self.bytes.wrapping_add(bytes.len()) as u64).wrapping_mul(8);
        // A one, zeros up to a whole number of blocks, and how many bits there were.
        let mut padded = bytes.to_vec();
        padded.push(0x80);
        let end = padded.len().saturating_add(8).next_multiple_of(BLOCK_BYTES);
        padded.resize(end.saturating_sub(8), 0);
        padded.extend_from_slice(&bits.to_be_bytes());
        for block in padded.as_chunks().0 {
            self.block(block);
        }
        let mut digest = [0; 32];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.state) {
            *bytes = word.to_be_bytes();
        }
        digest
    }
}

/// Of all of a text.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::new().digest(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standard() {
        let hex = |text: &[u8]| {
            let digest = sha256(text);
            digest.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
        };
        for (text, expected) in [
            (&b""[..], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
            (&vec![b'a'; 1_000_000], "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
        ] {
            assert_eq!(hex(text), expected);
        }
        // Every way in which the last block can be full: the digest of all these digests, by another program.
        let all: Vec<u8> = (0..200_usize).flat_map(|length| sha256(&vec![b'x'; length])).collect();
        assert_eq!(hex(&all), "f5e61141898898cdabae3590cb32e1901b40bdc59952302926213a44c105c129");
    }
}
