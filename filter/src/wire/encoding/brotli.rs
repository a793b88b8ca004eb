//! br (RFC 7932).

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use super::{Decode, DecodeError};

/// Output is handed on in pieces of this size.
const OUTPUT_BYTES: usize = 4 << 10;

type State = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

pub(super) struct Brotli {
    state: Box<State>,
    output: Box<[u8]>,
    max_window_bytes: usize,
    /// Until the first byte has shown the size of the window.
    begun: bool,
    done: bool,
}

impl std::fmt::Debug for Brotli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Brotli").field("done", &self.done).finish_non_exhaustive()
    }
}

impl Brotli {
    pub(super) fn new(max_window_bytes: usize) -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())),
            output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
            max_window_bytes,
            begun: false,
            done: false,
        }
    }
}

impl Decode for Brotli {
    fn feed(&mut self, input: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<(), DecodeError> {
        let Some(&first) = input.first() else { return Ok(()) };
        if !std::mem::replace(&mut self.begun, true) && window_bytes(first) > self.max_window_bytes {
            return Err(DecodeError::Memory);
        }
        // What comes after the end is not ours to judge.
        if self.done {
            return Ok(());
        }
        let (mut available_in, mut input_at, mut total) = (input.len(), 0, 0);
        loop {
            let (mut available_out, mut output_at) = (self.output.len(), 0);
            let result = BrotliDecompressStream(
                &mut available_in,
                &mut input_at,
                input,
                &mut available_out,
                &mut output_at,
                &mut self.output,
                &mut total,
                &mut self.state,
            );
            if output_at > 0 {
                out(self.output.get(..output_at).unwrap_or_default());
            }
            match result {
                BrotliResult::ResultSuccess => {
                    self.done = true;
                    return Ok(());
                }
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultFailure => return Err(DecodeError::Corrupt),
            }
        }
    }

    fn is_complete(&self) -> bool {
        self.done || !self.begun
    }
}

/// The largest window that a stream beginning with this byte may ask for (RFC 7932 section 9.1).
fn window_bytes(first: u8) -> usize {
    let bits = match (first & 1, (first >> 1) & 7, (first >> 4) & 7) {
        (0, ..) => 16,
        (_, 0, 0) => 17,
        (_, 0, more) => u32::from(more).saturating_add(8),
        (_, more, _) => u32::from(more).saturating_add(17),
    };
    1_usize.checked_shl(bits).unwrap_or(usize::MAX)
}
