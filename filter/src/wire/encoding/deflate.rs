//! gzip (RFC 1952) and deflate, which is zlib (RFC 1950) on paper and bare DEFLATE (RFC 1951) from some servers.
//!
//! The checksums at their ends are compared; the length at the end of gzip says nothing more.

use crc::{Digest, Table};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_PARSE_ZLIB_HEADER};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

use super::{Decode, DecodeError, Output};
use crate::wire::CRC;

/// The window of DEFLATE, which doubles as the output buffer.
const WINDOW_BYTES: usize = 32 << 10;
pub(super) const FIXED_BYTES: usize = WINDOW_BYTES + size_of::<DecompressorOxide>();

/// DEFLATE, within whatever container.
struct Inflate {
    state: Box<DecompressorOxide>,
    window: Box<[u8]>,
    at: usize,
    flags: u32,
}

impl Inflate {
    fn new(flags: u32) -> Self {
        Self {
            state: Box::default(),
            window: vec![0; WINDOW_BYTES].into_boxed_slice(),
            at: 0,
            flags: flags | TINFL_FLAG_HAS_MORE_INPUT,
        }
    }

    fn reset(&mut self) {
        *self.state = DecompressorOxide::new();
        self.at = 0;
    }

    /// How much of `input` was used, and whether the end of the data was in it.
    fn feed(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<(usize, bool), DecodeError> {
        let mut used = 0_usize;
        loop {
            let rest = input.get(used..).unwrap_or_default();
            let (status, read, written) =
                decompress(&mut self.state, rest, &mut self.window, self.at, self.flags);
            used = used.saturating_add(read);
            let end = self.at.saturating_add(written);
            if written > 0 {
                out(self.window.get(self.at..end).unwrap_or_default())?;
            }
            self.at = if end >= WINDOW_BYTES { 0 } else { end };
            match status {
                TINFLStatus::Done => return Ok((used, true)),
                TINFLStatus::NeedsMoreInput => return Ok((used, false)),
                TINFLStatus::HasMoreOutput => {}
                _ => return Err(DecodeError::Corrupt),
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GzipState {
    /// This many bytes into the ten of the fixed header.
    Fixed(u8),
    ExtraLength(u8),
    Extra(u16),
    Name,
    Comment,
    HeaderSum(u8),
    Data,
    /// This many bytes into the checksum and the length at the end of a member.
    Trailer(u8),
    /// Between members, where a next one may begin; zeros are padding.
    Between,
}

const FLAG_HEADER_SUM: u8 = 2;
const FLAG_EXTRA: u8 = 4;
const FLAG_NAME: u8 = 8;
const FLAG_COMMENT: u8 = 16;

/// One or more gzip members in a row.
pub(super) struct Gzip {
    inflate: Inflate,
    state: GzipState,
    flags: u8,
    extra: u16,
    /// Of the output of the member.
    sum: Digest<'static, u32, Table<1>>,
    /// The first half of its trailer.
    expected: u32,
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self {
            inflate: Inflate::new(0),
            state: GzipState::Fixed(0),
            flags: 0,
            extra: 0,
            sum: CRC.digest(),
            expected: 0,
        }
    }

    /// The state after one byte of a header or trailer.
    fn byte(&mut self, byte: u8) -> Result<GzipState, DecodeError> {
        use GzipState::{Between, Comment, Data, Extra, ExtraLength, Fixed, HeaderSum, Name, Trailer};
        Ok(match self.state {
            Fixed(at) => {
                if (at == 0 && byte != 0x1f) || (at == 1 && byte != 0x8b) || (at == 2 && byte != 8) {
                    return Err(DecodeError::Corrupt);
                }
                if at == 3 {
                    self.flags = byte;
                }
                if at < 9 { Fixed(at.saturating_add(1)) } else { self.after(0) }
            }
            ExtraLength(0) => {
                self.extra = u16::from(byte);
                ExtraLength(1)
            }
            ExtraLength(_) => {
                self.extra |= u16::from(byte) << 8;
                if self.extra == 0 { self.after(FLAG_EXTRA) } else { Extra(self.extra) }
            }
            Extra(1) => self.after(FLAG_EXTRA),
            Extra(left) => Extra(left.saturating_sub(1)),
            Name if byte == 0 => self.after(FLAG_NAME),
            Comment if byte == 0 => self.after(FLAG_COMMENT),
            HeaderSum(0) => HeaderSum(1),
            HeaderSum(_) => self.after(FLAG_HEADER_SUM),
            Trailer(at) if at < 4 => {
                self.expected = (self.expected >> 8) | (u32::from(byte) << 24);
                if at == 3 && self.expected != self.sum.clone().finalize() {
                    return Err(DecodeError::Corrupt);
                }
                Trailer(at.saturating_add(1))
            }
            Trailer(7) => Between,
            Trailer(at) => Trailer(at.saturating_add(1)),
            Between if byte == 0 => Between,
            Between => {
                self.inflate.reset();
                self.sum = CRC.digest();
                self.state = Fixed(0);
                return self.byte(byte);
            }
            Name | Comment | Data => self.state,
        })
    }

    /// The next part of the header that its flags announce, after the one of this flag.
    fn after(&self, done: u8) -> GzipState {
        let order = [
            (FLAG_EXTRA, GzipState::ExtraLength(0)),
            (FLAG_NAME, GzipState::Name),
            (FLAG_COMMENT, GzipState::Comment),
            (FLAG_HEADER_SUM, GzipState::HeaderSum(0)),
        ];
        let passed = order.iter().position(|(flag, _)| *flag == done).map_or(0, |at| at.saturating_add(1));
        order
            .iter()
            .skip(passed)
            .find(|(flag, _)| self.flags & flag != 0)
            .map_or(GzipState::Data, |(_, state)| *state)
    }
}

impl Decode for Gzip {
    fn feed(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<(), DecodeError> {
        let mut rest = input;
        while let Some((&byte, tail)) = rest.split_first() {
            if self.state == GzipState::Data {
                let Self { inflate, sum, .. } = self;
                let (used, done) = inflate.feed(rest, &mut |bytes| {
                    sum.update(bytes);
                    out(bytes)
                })?;
                rest = rest.get(used..).unwrap_or_default();
                if done {
                    self.state = GzipState::Trailer(0);
                }
            } else {
                self.state = self.byte(byte)?;
                rest = tail;
            }
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        matches!(self.state, GzipState::Between | GzipState::Trailer(_) | GzipState::Fixed(0))
    }
}

/// zlib or bare DEFLATE, told apart by the first two bytes.
pub(super) struct Deflate {
    inflate: Option<Inflate>,
    first: Option<u8>,
    done: bool,
}

impl Deflate {
    pub(super) fn new() -> Self {
        Self { inflate: None, first: None, done: false }
    }

    fn run(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<(), DecodeError> {
        if let (Some(inflate), false) = (&mut self.inflate, self.done) {
            self.done = inflate.feed(input, out)?.1;
        }
        Ok(())
    }
}

/// The method, and that both bytes together are a multiple of 31.
fn is_zlib(first: u8, second: u8) -> bool {
    first & 0x0f == 8 && u16::from_be_bytes([first, second]).checked_rem(31) == Some(0)
}

impl Decode for Deflate {
    fn feed(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<(), DecodeError> {
        let mut rest = input;
        while self.inflate.is_none() {
            let Some((&byte, tail)) = rest.split_first() else { return Ok(()) };
            rest = tail;
            let Some(first) = self.first else {
                self.first = Some(byte);
                continue;
            };
            let flags = if is_zlib(first, byte) { TINFL_FLAG_PARSE_ZLIB_HEADER } else { 0 };
            self.inflate = Some(Inflate::new(flags));
            self.run(&[first, byte], out)?;
        }
        self.run(rest, out)
    }

    fn is_complete(&self) -> bool {
        self.done || (self.inflate.is_none() && self.first.is_none())
    }
}
