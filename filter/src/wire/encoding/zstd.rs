//! zstd (RFC 8878): one or more frames in a row.
//!
//! The crate decodes whole blocks and holds back as much output as the window is long, so that what comes out is late:
//! a stream read through it has no times. The checksum that may end a frame is compared.

use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::{Bounds, Decode, DecodeError, Memory, Output};

/// Output is handed on in pieces of this size.
const OUTPUT_BYTES: usize = 4 << 10;
/// The longest header of a frame.
const MAX_HEADER_BYTES: usize = 18;
/// A block without its header.
const MAX_BLOCK_BYTES: usize = 128 << 10;
const CHECKSUM_BYTES: usize = 4;
/// Input is taken in pieces of this size: what is left over is moved for every block in them.
const INPUT_BYTES: usize = 1 << 10;
/// Tables, a block before and after its literals are decoded, its sequences, and what is put behind the window.
pub(super) const FIXED_BYTES: usize = 1 << 20;

pub(super) struct Zstd {
    decoder: FrameDecoder,
    bounds: Bounds,
    window: Memory,
    /// Input that does not make up a block yet.
    input: Vec<u8>,
    output: Box<[u8]>,
    in_frame: bool,
    /// All blocks of the frame are decoded; its checksum may be to come.
    after_blocks: bool,
    /// Bytes of a skippable frame still to come.
    skipping: usize,
}

impl Zstd {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let mut decoder = FrameDecoder::new();
        // Until a header has said what it needs, and memory is set aside for it.
        decoder.set_max_window_size(0);
        Self {
            decoder,
            bounds: *bounds,
            window: Memory::default(),
            input: Vec::new(),
            output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
            in_frame: false,
            after_blocks: false,
            skipping: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn blocks_decoded(&self) -> usize {
        self.decoder.blocks_decoded()
    }

    /// Whether it got further.
    fn advance(&mut self, out: &mut Output<'_>) -> Result<bool, DecodeError> {
        if self.skipping > 0 {
            let skipped = self.skipping.min(self.input.len());
            self.input.drain(..skipped);
            self.skipping = self.skipping.saturating_sub(skipped);
            return Ok(skipped > 0);
        }
        if self.in_frame { self.blocks(out) } else { self.header() }
    }

    fn header(&mut self) -> Result<bool, DecodeError> {
        let mut rest = self.input.as_slice();
        match self.decoder.reset(&mut rest) {
            Ok(()) => {
                let used = self.input.len().saturating_sub(rest.len());
                self.input.drain(..used);
                self.in_frame = true;
                self.after_blocks = false;
                Ok(true)
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                self.input.drain(..8.min(self.input.len()));
                self.skipping = length as usize;
                Ok(true)
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                let window = usize::try_from(requested).unwrap_or(usize::MAX);
                if window > self.bounds.window_bytes {
                    return Err(DecodeError::Memory);
                }
                // The crate's buffer grows to the next power of two.
                let grown = window.checked_next_power_of_two().unwrap_or(usize::MAX);
                self.window.grow_to(grown, self.bounds.vm_bytes)?;
                self.decoder.set_max_window_size(requested);
                Ok(true)
            }
            Err(_) if self.input.len() < MAX_HEADER_BYTES => Ok(false),
            Err(_) => Err(DecodeError::Corrupt),
        }
    }

    /// One block at a time: decoded at once, many small ones would take memory without any bound.
    fn blocks(&mut self, out: &mut Output<'_>) -> Result<bool, DecodeError> {
        self.hand_on(out)?;
        if self.decoder.is_finished() {
            self.in_frame = false;
            let read = self.decoder.get_checksum_from_data();
            let holds = read.is_none() || read == self.decoder.get_calculated_checksum();
            return if holds { Ok(true) } else { Err(DecodeError::Corrupt) };
        }
        let length = if self.after_blocks { Some(CHECKSUM_BYTES) } else { block_length(&self.input)? };
        let Some(block) = length.and_then(|length| self.input.get(..length)) else { return Ok(false) };
        self.after_blocks |= block.first().is_some_and(|header| header & 1 == 1);
        self.decoder.decode_from_to(block, &mut []).map_err(|_| DecodeError::Corrupt)?;
        self.input.drain(..block.len());
        Ok(true)
    }

    fn hand_on(&mut self, out: &mut Output<'_>) -> Result<(), DecodeError> {
        loop {
            let (_, written) =
                self.decoder.decode_from_to(&[], &mut self.output).map_err(|_| DecodeError::Corrupt)?;
            if written == 0 {
                return Ok(());
            }
            out(self.output.get(..written).unwrap_or_default())?;
        }
    }
}

/// The length of the block that the input begins with, its header included (RFC 8878 section 3.1.1.2).
fn block_length(input: &[u8]) -> Result<Option<usize>, DecodeError> {
    const RLE: u8 = 1;
    let Some([low, middle, high]) = input.first_chunk::<3>() else { return Ok(None) };
    let size = u32::from_le_bytes([*low, *middle, *high, 0]) >> 3;
    let content = if (low >> 1) & 3 == RLE { 1 } else { size as usize };
    if content > MAX_BLOCK_BYTES {
        return Err(DecodeError::Corrupt);
    }
    Ok(Some(content.saturating_add(3)))
}

impl Decode for Zstd {
    fn feed(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<(), DecodeError> {
        for piece in input.chunks(INPUT_BYTES) {
            self.input.extend_from_slice(piece);
            while self.advance(out)? {}
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        !self.in_frame && self.input.is_empty() && self.skipping == 0
    }

    fn is_late(&self) -> bool {
        true
    }
}
