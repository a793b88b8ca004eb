//! The bytes of a segment: a header and frames, each with its checksum. No file is touched here.
//!
//! ```text
//! segment  twice:                                                                                 72 bytes
//!          "MESHTAPQ"  version u32  first sequence number u64  CRC-32 of the 20 bytes before
//!          key: mark 4 bytes, seed u32                         CRC-32 of the 32 bytes before
//! frame    the key's mark           payload bytes u32                                             44 bytes and payload
//!          sequence number u64      received, Unix nanoseconds u64
//!          spans u32                bytes of the request u32 (before compression)
//!          CRC-32 of the payload    coding u8 (0 as it is, 1 zstd) and three zeros
//!          CRC-32 of the 40 bytes before, begun with the key's seed
//! ```
//!
//! Numbers are little-endian. The frame's header has a checksum of its own, so that a damaged payload costs one frame,
//! and a damaged header costs the bytes up to the next mark with a good header.
//!
//! A payload is a sender's bytes, and those that do not shrink stand here as they came. The key is random for each
//! segment and never leaves it, so that no sender can write a frame into a payload. The segment's header stands there
//! twice because without the key no frame is found.
//!
//! Version 1 is read and not written: one header of 24 bytes, and [`Key::KNOWN`].

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::io::Read as _;

use bytes::Bytes;

pub const VERSION: u32 = 2;
pub const HEADER_BYTES: usize = 2 * COPY_BYTES;
pub const FRAME_BYTES: usize = 44;

const COPY_BYTES: usize = 36;
/// What every version begins with.
const PREFIX_BYTES: usize = 24;
const WITHOUT_KEY: u32 = 1;
const SEGMENT_MAGIC: [u8; 8] = *b"MESHTAPQ";
/// Below it there is nothing to gain.
const MIN_COMPRESSED_BYTES: usize = 256;
const LEVEL: i32 = 1;

/// What tells the frames of a segment from bytes that look like frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    pub mark: [u8; 4],
    seed: u32,
}

impl Key {
    /// Of version 1, and of a frame that has a file of its own.
    pub const KNOWN: Self = Self { mark: *b"MTQF", seed: 0 };

    /// From the operating system's random numbers.
    pub fn random() -> Self {
        Self::from_bytes(RandomState::new().hash_one(VERSION).to_le_bytes())
    }

    fn from_bytes(bytes: [u8; 8]) -> Self {
        let [a, b, c, d, seed @ ..] = bytes;
        Self { mark: [a, b, c, d], seed: u32::from_le_bytes(seed) }
    }

    fn crc(self, bytes: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new_with_initial(self.seed);
        hasher.update(bytes);
        hasher.finalize()
    }
}

/// What a segment's first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    Good {
        first: u64,
        key: Key,
        /// Where the first frame stands.
        start: u64,
    },
    /// Written by a meshtap that knows more.
    Newer(u32),
    Damaged,
}

pub fn header(first: u64, key: Key) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    for copy in bytes.chunks_exact_mut(COPY_BYTES) {
        copy[..8].copy_from_slice(&SEGMENT_MAGIC);
        copy[8..12].copy_from_slice(&VERSION.to_le_bytes());
        copy[12..20].copy_from_slice(&first.to_le_bytes());
        let crc = crc32fast::hash(&copy[..20]);
        copy[20..24].copy_from_slice(&crc.to_le_bytes());
        copy[24..28].copy_from_slice(&key.mark);
        copy[28..32].copy_from_slice(&key.seed.to_le_bytes());
        let crc = crc32fast::hash(&copy[..32]);
        copy[32..].copy_from_slice(&crc.to_le_bytes());
    }
    bytes
}

/// From the first [`HEADER_BYTES`] of the file, or as many as there are.
pub fn read_header(bytes: &[u8]) -> Header {
    let copies = [bytes, bytes.get(COPY_BYTES..).unwrap_or_default()].map(read_copy);
    copies.into_iter().find(|copy| *copy != Header::Damaged).unwrap_or(Header::Damaged)
}

fn read_copy(bytes: &[u8]) -> Header {
    let Some(prefix) = bytes.first_chunk::<PREFIX_BYTES>() else { return Header::Damaged };
    if prefix[..8] != SEGMENT_MAGIC || crc32fast::hash(&prefix[..20]) != u32_at(prefix, 20) {
        return Header::Damaged;
    }
    let first = u64_at(prefix, 12);
    match (u32_at(prefix, 8), bytes.first_chunk::<COPY_BYTES>()) {
        (WITHOUT_KEY, _) => Header::Good { first, key: Key::KNOWN, start: PREFIX_BYTES as u64 },
        (VERSION, Some(copy)) if crc32fast::hash(&copy[..32]) == u32_at(copy, 32) => {
            let key = Key::from_bytes(u64_at(copy, 24).to_le_bytes());
            Header::Good { first, key, start: HEADER_BYTES as u64 }
        }
        (VERSION, _) => Header::Damaged,
        (version, _) => Header::Newer(version),
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

    pub fn encode(&self, key: Key) -> [u8; FRAME_BYTES] {
        let mut bytes = [0; FRAME_BYTES];
        bytes[..4].copy_from_slice(&key.mark);
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
        let crc = key.crc(&bytes[..40]);
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` when the bytes are no good header of the key's segment.
    pub fn decode(bytes: &[u8], key: Key) -> Option<Self> {
        let bytes = bytes.first_chunk::<FRAME_BYTES>()?;
        if bytes[..4] != key.mark || key.crc(&bytes[..40]) != u32_at(bytes, 40) {
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
    fn headers_come_back_and_damage_to_one_copy_costs_nothing() {
        let key = Key::random();
        let bytes = header(77, key);
        let good = Header::Good { first: 77, key, start: HEADER_BYTES as u64 };
        assert_eq!(read_header(&bytes), good);
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_header(&bytes), good, "bit {bit}");
        }
        for bit in 0..COPY_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            bytes[COPY_BYTES + bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_header(&bytes), Header::Damaged, "bit {bit}");
        }
        assert_eq!(read_header(&bytes[..COPY_BYTES - 1]), Header::Damaged);
        let mut newer = bytes;
        newer[8] = 3;
        let crc = crc32fast::hash(&newer[..20]);
        newer[20..24].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(read_header(&newer), Header::Newer(3));
    }

    #[test]
    fn frames_of_another_segment_are_none() {
        let frame = Frame::of(&Packed::new(1, Bytes::from_static(b"a request")), 9, 5);
        let key = Key::random();
        let other = Key { seed: key.seed ^ 1, ..key };
        assert_eq!(Frame::decode(&frame.encode(key), key), Some(frame));
        assert_eq!(Frame::decode(&frame.encode(key), other), None);
        assert_eq!(Frame::decode(&frame.encode(Key::KNOWN), key), None);
        assert_ne!(key, Key::random());
    }

    #[test]
    fn frames_come_back_and_every_flipped_bit_is_seen() {
        let request = Bytes::from(b"a request, ".repeat(100));
        let packed = Packed::new(3, request.clone());
        assert_eq!(packed.coding, Coding::Zstd);
        let frame = Frame::of(&packed, 9, 5);
        let key = Key::random();
        let bytes = frame.encode(key);
        let decoded = Frame::decode(&bytes, key).unwrap();
        assert_eq!(decoded, frame);
        assert_eq!(decoded.packed(packed.payload.to_vec()).unwrap().request(), Some(request));
        for bit in 0..bytes.len() * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Frame::decode(&bytes, key), None, "bit {bit}");
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
