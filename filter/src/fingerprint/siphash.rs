//! SipHash-2-4 with 128 bits: <https://www.aumasson.jp/siphash/siphash.pdf>, and <https://github.com/veorq/SipHash> for the
//! second half of its result. Written out because the crate for it takes 2 KB of the module.

/// The hash of `bytes` under `key`.
pub(super) fn siphash_128(key: &[u8; 16], bytes: &[u8]) -> [u8; 16] {
    let mut halves = [0; 2];
    for (half, bytes) in halves.iter_mut().zip(key.as_chunks().0) {
        *half = u64::from_le_bytes(*bytes);
    }
    let [low, high] = halves;
    // The constants of the paper, and what says that 128 bits are wanted.
    let mut state = [
        low ^ 0x736f_6d65_7073_6575,
        high ^ 0x646f_7261_6e64_6f6d ^ 0xee,
        low ^ 0x6c79_6765_6e65_7261,
        high ^ 0x7465_6462_7974_6573,
    ];
    let (words, rest) = bytes.as_chunks();
    // What is left, zeros, and the lowest byte of the length.
    let last = rest.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
    let last = (last | (bytes.len() as u64) << 56).to_le_bytes();
    for word in words.iter().chain([&last]) {
        let word = u64::from_le_bytes(*word);
        state[3] ^= word;
        state = rounds(2, state);
        state[0] ^= word;
    }
    state[2] ^= 0xee;
    let mut hash = [0; 16];
    for half in hash.as_chunks_mut().0 {
        state = rounds(4, state);
        *half = state.iter().fold(0, |all, word| all ^ word).to_le_bytes();
        state[1] ^= 0xdd;
    }
    hash
}

#[inline]
fn rounds(count: usize, [mut a, mut b, mut c, mut d]: [u64; 4]) -> [u64; 4] {
    for _ in 0..count {
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32);
        c = c.wrapping_add(b);
        a = a.wrapping_add(d);
        b = b.rotate_left(17) ^ c;
        d = d.rotate_left(21) ^ a;
        c = c.rotate_left(32);
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As OpenSSL's `SIPHASH` has them, of as many bytes from zero on, under the key of the bytes from zero on.
    #[test]
    fn hashes_are_those_of_openssl() {
        let bytes: Vec<u8> = (0..64).collect();
        for (length, expected) in [
            (0, "A3817F04BA25A8E66DF67214C7550293"),
            (1, "DA87C1D86B99AF44347659119B22FC45"),
            (7, "A1F1EBBED8DBC153C0B84AA61FF08239"),
            (8, "3B62A9BA6258F5610F83E264F31497B4"),
            (15, "5493E99933B0A8117E08EC0F97CFC3D9"),
            (63, "5150D1772F50834A503E069A973FBD7C"),
        ] {
            let hash = siphash_128(bytes[..16].as_array().unwrap(), &bytes[..length]);
            let hex = hash.iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"));
            assert_eq!(hex, expected, "{length}");
        }
    }
}
