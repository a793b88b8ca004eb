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
