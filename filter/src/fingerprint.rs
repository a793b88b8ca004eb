//! Keyed fingerprints: what is equal can be recognized, what it was cannot be computed back without the key.
//!
//! HMAC-SHA-256, of which the first 16 bytes are kept. <https://www.rfc-editor.org/rfc/rfc2104>

use std::fmt;

use sha2::{Digest as _, Sha256};

const BLOCK_BYTES: usize = 64;
/// Bytes of the digest that are shown: two texts out of 2^60 still differ.
const SHOWN_BYTES: usize = 16;

/// The secret behind fingerprints; equal keys give equal texts equal fingerprints.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 32]);

impl Key {
    /// A key as an operator writes it.
    pub fn from_text(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }

    /// A key of this VM alone.
    pub fn random(random: &mut dyn FnMut() -> u64) -> Self {
        let mut key = [0; 32];
        for bytes in key.chunks_mut(8) {
            bytes.copy_from_slice(&random().to_le_bytes());
        }
        Self(key)
    }

    /// `hmac-sha256:` and 32 hexadecimal digits.
    pub fn fingerprint(&self, bytes: &[u8]) -> String {
        let inner = Sha256::new().chain_update(self.padded(0x36)).chain_update(bytes).finalize();
        let outer = Sha256::new().chain_update(self.padded(0x5c)).chain_update(inner).finalize();
        let mut text = String::from("hmac-sha256:");
        for byte in outer.iter().take(SHOWN_BYTES) {
            for digit in [byte >> 4, byte & 0xf] {
                text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
            }
        }
        text
    }

    fn padded(&self, pad: u8) -> [u8; BLOCK_BYTES] {
        let mut block = [pad; BLOCK_BYTES];
        for (byte, key) in block.iter_mut().zip(self.0) {
            *byte ^= key;
        }
        block
    }
}

/// Never the key itself.
impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The test case of RFC 4231 whose key fits the 32 bytes of ours, zeros behind it.
    #[test]
    fn the_published_test_case() {
        let mut key = [0; 32];
        key[..4].copy_from_slice(b"Jefe");
        let seen = Key(key).fingerprint(b"what do ya want for nothing?");
        assert_eq!(seen, "hmac-sha256:5bdcc146bf60754e6a042426089575c7");
    }

    #[test]
    fn the_key_decides() {
        let key = Key::from_text("one");
        assert_eq!(key.fingerprint(b"hello"), Key::from_text("one").fingerprint(b"hello"));
        assert_ne!(key.fingerprint(b"hello"), Key::from_text("two").fingerprint(b"hello"));
        assert_ne!(key.fingerprint(b"hello"), key.fingerprint(b"hello "));
        assert_eq!(format!("{key:?}"), "Key");
        let mut counter = 0;
        let random = Key::random(&mut || {
            counter += 1;
            counter
        });
        assert_eq!(counter, 4);
        assert_ne!(random.fingerprint(b""), key.fingerprint(b""));
    }
}
