//! Keyed fingerprints: what is equal can be recognized, what it was cannot be computed back without the key.
//!
//! Of API keys HMAC-SHA-256, of which the first 16 bytes are kept: <https://www.rfc-editor.org/rfc/rfc2104>. Of what messages
//! say SipHash of 128 bits, under a key made of the same secret: all of every text is read, and it reads ten times as fast.

mod sha256;
mod siphash;

use std::fmt;

pub(crate) use sha256::sha256;
use sha256::{BLOCK_BYTES, Sha256};
use siphash::siphash_128;

/// Bytes of a hash that are shown: two texts out of 2^60 still differ.
const SHOWN_BYTES: usize = 16;

/// The secret behind fingerprints; equal keys give equal texts equal fingerprints. Only what it makes of the hashes is
/// kept: the states behind the two paddings of HMAC, and the key for texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    inner: Sha256,
    outer: Sha256,
    of_texts: [u8; SHOWN_BYTES],
}

impl Key {
    fn new(key: &[u8; 32]) -> Self {
        let padded = |pad: u8| {
            let mut block = [pad; BLOCK_BYTES];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            Sha256::behind(&block)
        };
        let mut key = Self { inner: padded(0x36), outer: padded(0x5c), of_texts: [0; SHOWN_BYTES] };
        // The half that is never shown: one who sends the word as an API key reads the other.
        [_, key.of_texts] = key.hmac(b"content");
        key
    }

    /// A key as an operator writes it.
    pub fn from_text(text: &str) -> Self {
        Self::new(&sha256(text.as_bytes()))
    }

    /// Of an API key: `hmac-sha256:` and 32 hexadecimal digits.
    pub fn fingerprint(&self, bytes: &[u8]) -> String {
        let [shown, _] = self.hmac(bytes);
        with_hex("hmac-sha256:", &shown)
    }

    /// Of what a message says: `siphash-128:` and 32 hexadecimal digits.
    pub fn text_fingerprint(&self, text: &str) -> String {
        with_hex("siphash-128:", &siphash_128(&self.of_texts, text.as_bytes()))
    }

    /// Its halves, of which the first is shown.
    fn hmac(&self, bytes: &[u8]) -> [[u8; SHOWN_BYTES]; 2] {
        let digest = self.outer.clone().digest(&self.inner.clone().digest(bytes));
        let mut halves = [[0; SHOWN_BYTES]; 2];
        for (place, byte) in halves.as_flattened_mut().iter_mut().zip(digest) {
            *place = byte;
        }
        halves
    }
}

/// `bytes` in hexadecimal digits, behind `text`.
#[inline(never)]
pub(crate) fn with_hex(text: &str, bytes: &[u8]) -> String {
    let mut text = text.to_owned();
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
    }
    text
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
        let seen = Key::new(&key).fingerprint(b"what do ya want for nothing?");
        assert_eq!(seen, "hmac-sha256:5bdcc146bf60754e6a042426089575c7");
    }

    /// By the commands of docs/content.md.
    #[test]
    fn anybody_with_the_key_can_tell_which_text_it_was() {
        let key = Key::from_text("one");
        for (text, expected) in [
            ("", "b1b5ff2cfdf02a3c20bc9669260cf953"),
            ("what do ya want for nothing?", "ba3d34bed8ff3062ba0511864dda0b3e"),
        ] {
            assert_eq!(key.text_fingerprint(text), format!("siphash-128:{expected}"));
        }
    }

    #[test]
    fn no_api_key_has_the_key_of_texts_for_its_fingerprint() {
        let key = Key::from_text("one");
        assert_ne!(key.fingerprint(b"content"), with_hex("hmac-sha256:", &key.of_texts));
    }

    #[test]
    fn the_key_decides() {
        let key = Key::from_text("one");
        assert_eq!(key.fingerprint(b"hello"), Key::from_text("one").fingerprint(b"hello"));
        assert_ne!(key.fingerprint(b"hello"), Key::from_text("two").fingerprint(b"hello"));
        assert_ne!(key.fingerprint(b"hello"), key.fingerprint(b"hello "));
        assert_eq!(key.text_fingerprint("hello"), Key::from_text("one").text_fingerprint("hello"));
        assert_ne!(key.text_fingerprint("hello"), Key::from_text("two").text_fingerprint("hello"));
        assert_ne!(key.text_fingerprint("hello"), key.text_fingerprint("hello\0"));
        assert_eq!(format!("{key:?}"), "Key");
    }
}
