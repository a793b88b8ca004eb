//! Byte formats, without any knowledge of providers.
//!
//! Every parser here is fed chunks that may end anywhere: inside a UTF-8 character, an escape, a line ending. What it
//! reports never depends on where the chunks were cut, and it holds a bounded amount of memory whatever it is fed.

pub mod aws_event_stream;
pub mod encoding;
pub mod json;
pub mod lines;
pub mod multipart;
pub mod sse;

use crc::{CRC_32_ISO_HDLC, Crc, Table};

/// The checksum of AWS event streams and of gzip.
pub static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISO_HDLC);

/// Whether two texts are the same. Names are short: the library's comparison takes longer to be called.
pub fn is_same(a: &[u8], b: &[u8]) -> bool {
    let ((a_words, a_rest), (b_words, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    a.len() == b.len()
        && a_words.iter().zip(b_words).all(|(a, b)| u64::from_le_bytes(*a) == u64::from_le_bytes(*b))
        && a_rest.iter().zip(b_rest).all(|(a, b)| a == b)
}
