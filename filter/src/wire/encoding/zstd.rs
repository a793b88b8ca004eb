//! zstd (RFC 8878): one or more frames in a row.
//!
//! The crate decodes whole blocks and holds back as much output as the window is long, so that what comes out is late:
//! a stream read through it has no times.

use ruzstd::decoding::FrameDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};

use super::{Decode, DecodeError};

/// Output is handed on in pieces of this size.
const OUTPUT_BYTES: usize = 4 << 10;
/// The longest header of a frame.
const MAX_HEADER_BYTES: usize = 18;
/// A block and its header.
const MAX_BLOCK_BYTES: usize = (128 << 10) + 3;
/// Input is taken in pieces of this size, so that not too many blocks are decoded at a time.
const INPUT_BYTES: usize = 16 << 10;

pub(super) struct Zstd {
    decoder: FrameDecoder,
    /// Input that does not make up a block yet.
    input: Vec<u8>,
    output: Box<[u8]>,
    in_frame: bool,
    /// Bytes of a skippable frame still to come.
    skipping: usize,
}

impl std::fmt::Debug for Zstd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zstd").field("in_frame", &self.in_frame).finish_non_exhaustive()
    }
}

impl Zstd {
    pub(super) fn new(max_window_bytes: usize) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(max_window_bytes as u64);
        let output = vec![0; OUTPUT_BYTES].into_boxed_slice();
        Self { decoder, input: Vec::new(), output, in_frame: false, skipping: 0 }
    }

    /// Whether it got further.
    fn advance(&mut self, out: &mut dyn FnMut(&[u8])) -> Result<bool, DecodeError> {
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
                Ok(true)
            }
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length, ..
            })) => {
                self.input.drain(..8.min(self.input.len()));
                self.skipping = length as usize;
                Ok(true)
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. }) => Err(DecodeError::Memory),
            Err(_) if self.input.len() < MAX_HEADER_BYTES => Ok(false),
            Err(_) => Err(DecodeError::Corrupt),
        }
    }

    fn blocks(&mut self, out: &mut dyn FnMut(&[u8])) -> Result<bool, DecodeError> {
        let (read, written) =
            self.decoder.decode_from_to(&self.input, &mut self.output).map_err(|_| DecodeError::Corrupt)?;
        // For a checksum that is not all there yet, the crate says that it has read it.
        let waits = read > self.input.len();
        if !waits {
            self.input.drain(..read);
        }
        if written > 0 {
            out(self.output.get(..written).unwrap_or_default());
        }
        if !waits && self.decoder.is_finished() && self.decoder.can_collect() == 0 {
            self.in_frame = false;
            return Ok(true);
        }
        if self.input.len() > MAX_BLOCK_BYTES && read == 0 && written == 0 {
            return Err(DecodeError::Corrupt);
        }
        Ok(!waits && (read > 0 || written > 0))
    }
}

impl Decode for Zstd {
    fn feed(&mut self, input: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<(), DecodeError> {
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
