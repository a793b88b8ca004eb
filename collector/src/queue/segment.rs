//! The bytes of a segment: a header and frames, each with its checksum. No file is touched here.
//!
//! ```text
//! segment  "MESHTAPQ"  version u32  first sequence number u64  CRC-32 of the 20 bytes before    24 bytes
//! frame    "MTQF"      payload bytes u32                                                          44 bytes and payload
//!          sequence number u64      received, Unix nanoseconds u64
//!          spans u32                bytes of the request u32 (before compression)
//!          CRC-32 of the payload    coding u8 (0 as it is, 1 zstd) and three zeros
//!          CRC-32 of the 40 bytes before
//! ```
//!
//! Numbers are little-endian. The frame's header has a checksum of its own, so that a damaged payload costs one frame,
//! and a damaged header costs the bytes up to the next `MTQF` with a good header.

use std::cell::RefCell;
use std::io::Read as _;

use bytes::Bytes;

pub const VERSION: u32 = 1;
pub const HEADER_BYTES: usize = 24;
pub const FRAME_BYTES: usize = 44;
pub const FRAME_MAGIC: [u8; 4] = *b"MTQF";

const SEGMENT_MAGIC: [u8; 8] = *b"MESHTAPQ";
/// Below it there is nothing to gain.
const MIN_COMPRESSED_BYTES: usize = 256;
const LEVEL: i32 = 1;

/// What a segment's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    First(u64),
    /// Written by a meshtap that knows more.
    Newer(u32),
    Damaged,
}

pub fn header(first: u64) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    bytes[..8].copy_from_slice(&SEGMENT_MAGIC);
    bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
    bytes[12..20].copy_from_slice(&first.to_le_bytes());
    let crc = crc32fast::hash(&bytes[..20]);
    bytes[20..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

pub fn read_header(bytes: &[u8]) -> Header {
    let Some(bytes) = bytes.first_chunk::<HEADER_BYTES>() else { return Header::Damaged };
    let is_ours = bytes[..8] == SEGMENT_MAGIC && crc32fast::hash(&bytes[..20]) == u32_at(bytes, 20);
    match u32_at(bytes, 8) {
        _ if !is_ours => Header::Damaged,
        VERSION => Header::First(u64_at(bytes, 12)),
        version => Header::Newer(version),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    Plain,
    Zstd,
}

/// A request as it is kept, before it has a place in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packed {
    pub spans: u32,
    /// Of the request, before compression.
    pub request_bytes: u32,
    pub coding: Coding,
    pub payload: Bytes,
}

impl Packed {
    /// Compresses the request where that makes it smaller.
    pub fn new(spans: u32, request: Bytes) -> Self {
        let request_bytes = u32::try_from(request.len()).unwrap_or(u32::MAX);
        let plain = Self { spans, request_bytes, coding: Coding::Plain, payload: request };
        if plain.payload.len() < MIN_COMPRESSED_BYTES {
            return plain;
        }
        match compress(&plain.payload) {
            Some(smaller) => Self { coding: Coding::Zstd, payload: smaller, ..plain },
            None => plain,
        }
    }

    pub const fn frame_bytes(&self) -> u64 {
        (FRAME_BYTES + self.payload.len()) as u64
    }

    /// The request as it came in. `None` when the payload is not what it should be, whatever its checksum says.
    pub fn request(&self) -> Option<Bytes> {
        match self.coding {
            Coding::Plain => Some(self.payload.clone()),
            Coding::Zstd => {
                let mut request = Vec::with_capacity(self.request_bytes as usize);
                let decoder = zstd::Decoder::with_buffer(&*self.payload).ok()?;
                decoder.take(u64::from(self.request_bytes) + 1).read_to_end(&mut request).ok()?;
                (request.len() == self.request_bytes as usize).then(|| request.into())
            }
        }
    }
}

thread_local! {
    /// Making one costs more than a small request does.
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> =
        RefCell::new(zstd::bulk::Compressor::new(LEVEL).ok());
}

/// `None` when that would not make it smaller.
fn compress(request: &[u8]) -> Option<Bytes> {
    let compressed = COMPRESSOR.with_borrow_mut(|compressor| {
        let mut smaller = Vec::with_capacity(request.len());
        let written = compressor.as_mut()?.compress_to_buffer(request, &mut smaller).ok()?;
        smaller.truncate(written);
        Some(smaller)
    })?;
    // Of its own size: it waits for the disk with as many others as there are requests.
    (compressed.len() < request.len()).then(|| Bytes::copy_from_slice(&compressed))
}

/// What a frame's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    pub sequence: u64,
    pub received_unix_nanos: u64,
    pub spans: u32,
    pub request_bytes: u32,
    pub coding: Coding,
    pub payload_bytes: u32,
    pub payload_crc: u32,
}

impl Frame {
    pub fn of(packed: &Packed, sequence: u64, received_unix_nanos: u64) -> Self {
        Self {
            sequence,
            received_unix_nanos,
            spans: packed.spans,
            request_bytes: packed.request_bytes,
            coding: packed.coding,
            payload_bytes: u32::try_from(packed.payload.len()).unwrap_or(u32::MAX),
            payload_crc: crc32fast::hash(&packed.payload),
        }
    }

    pub fn encode(&self) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[..4].copy_from_slice(&FRAME_MAGIC);
        bytes[4..8].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.received_unix_nanos.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.spans.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.request_bytes.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.payload_crc.to_le_bytes());
        bytes[36] = match self.coding {
            Coding::Plain => 0,
            Coding::Zstd => 1,
        };
        let crc = crc32fast::hash(&bytes[..40]);
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` when the bytes are no good header.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.first_chunk::<FRAME_BYTES>()?;
        if bytes[..4] != FRAME_MAGIC || crc32fast::hash(&bytes[..40]) != u32_at(bytes, 40) {
            return None;
        }
        let coding = match bytes[36] {
            0 => Coding::Plain,
            1 => Coding::Zstd,
            _ => return None,
        };
        Some(Self {
            sequence: u64_at(bytes, 8),
            received_unix_nanos: u64_at(bytes, 16),
            spans: u32_at(bytes, 24),
            request_bytes: u32_at(bytes, 28),
            coding,
            payload_bytes: u32_at(bytes, 4),
            payload_crc: u32_at(bytes, 32),
        })
    }

    /// Header and payload.
    pub const fn bytes(&self) -> u64 {
        FRAME_BYTES as u64 + self.payload_bytes as u64
    }

    /// The payload with its meaning; `None` when the checksum says that it is not this frame's.
    pub fn packed(&self, payload: Vec<u8>) -> Option<Packed> {
        if crc32fast::hash(&payload) != self.payload_crc {
            return None;
        }
        Some(Packed {
            spans: self.spans,
            request_bytes: self.request_bytes,
            coding: self.coding,
            payload: payload.into(),
        })
    }
}

fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u32::from_le_bytes)
}

fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_and_damage_is_seen() {
        let bytes = header(77);
        assert_eq!(read_header(&bytes), Header::First(77));
        assert_eq!(read_header(&bytes[..23]), Header::Damaged);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_header(&bytes), Header::Damaged, "bit {bit}");
        }
        let mut newer = bytes;
        newer[8] = 2;
        let crc = crc32fast::hash(&newer[..20]);
        newer[20..].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read_header(&newer), Header::Newer(2));
    }

    #[test]
    fn frames_come_back_and_every_flipped_bit_is_seen() {
        let request = Bytes::from(b"a request, ".repeat(100));
        let packed = Packed::new(3, request.clone());
        assert_eq!(packed.coding, Coding::Zstd);
        let frame = Frame::of(&packed, 9, 5);
        let bytes = frame.encode();
        let decoded = Frame::decode(&bytes).unwrap();
        assert_eq!(decoded, frame);
        assert_eq!(decoded.packed(packed.payload.to_vec()).unwrap().request(), Some(request));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::decode(&bytes), None, "bit {bit}");
        }
        for bit in 0..packed.payload.len() * 8 {
            let mut payload = packed.payload.to_vec();
            payload[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(frame.packed(payload), None, "bit {bit}");
        }
    }

    #[test]
    fn what_does_not_shrink_is_kept_as_it_is() {
        for request in [Bytes::from_static(b"short"), (0..1000_u32).map(scrambled).collect()] {
            let packed = Packed::new(1, request.clone());
            assert_eq!((packed.coding, packed.request()), (Coding::Plain, Some(request)));
        }
    }

    fn scrambled(n: u32) -> u8 {
        (n.wrapping_mul(2_654_435_761).rotate_left(n % 31) >> 11).to_le_bytes()[0]
    }

    #[test]
    fn a_payload_that_unpacks_to_another_length_is_none() {
        let packed = Packed::new(1, Bytes::from(vec![7; 1000]));
        for request_bytes in [999, 1001] {
            assert_eq!(Packed { request_bytes, ..packed.clone() }.request(), None);
        }
        assert_eq!(Packed { payload: Bytes::from_static(b"no zstd"), ..packed }.request(), None);
    }
}
