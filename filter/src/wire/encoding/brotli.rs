//! br (RFC 7932).

use brotli_decompressor::{
    Allocator, BrotliDecompressStream, BrotliResult, BrotliState, SliceWrapper as _, StandardAlloc,
};

use super::memory::check_room;
use super::{Bounds, Decode, DecodeError, Memory, Output};

/// Output is handed on in pieces of this size.
const OUTPUT_BYTES: usize = 4 << 10;
pub(super) const FIXED_BYTES: usize = OUTPUT_BYTES + size_of::<State>();

type State = BrotliState<Counted, Counted, Counted>;

/// Allocates, and counts what it did: tables of Huffman codes too, of which a stream may have many.
#[derive(Default)]
struct Counted(Memory);

impl<T: Clone + Default> Allocator<T> for Counted {
    type AllocatedMemory = <StandardAlloc as Allocator<T>>::AllocatedMemory;

    fn alloc_cell(&mut self, length: usize) -> Self::AllocatedMemory {
        self.0.add(length.saturating_mul(size_of::<T>()));
        StandardAlloc::default().alloc_cell(length)
    }

    fn free_cell(&mut self, cell: Self::AllocatedMemory) {
        self.0.remove(cell.slice().len().saturating_mul(size_of::<T>()));
    }
}

pub(super) struct Brotli {
    state: Box<State>,
    output: Box<[u8]>,
    bounds: Bounds,
    /// Until the first byte has shown the size of the window.
    begun: bool,
    done: bool,
}

impl Brotli {
    pub(super) fn new(bounds: &Bounds) -> Self {
        let alloc = Counted::default;
        Self {
            state: Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())),
            output: vec![0; OUTPUT_BYTES].into_boxed_slice(),
            bounds: *bounds,
            begun: false,
            done: false,
        }
    }

    fn begin(&mut self, first: u8) -> Result<(), DecodeError> {
        self.begun = true;
        let window = window_bytes(first);
        if window > self.bounds.window_bytes {
            return Err(DecodeError::Memory);
        }
        check_room(window, self.bounds.vm_bytes)
    }

    fn byte(&mut self, byte: u8, out: &mut Output<'_>) -> Result<(), DecodeError> {
        let (mut available_in, mut input_at, mut total) = (1, 0, 0);
        while !self.done {
            let (mut available_out, mut output_at) = (self.output.len(), 0);
            let result = BrotliDecompressStream(
                &mut available_in,
                &mut input_at,
                &[byte],
                &mut available_out,
                &mut output_at,
                &mut self.output,
                &mut total,
                &mut self.state,
            );
            check_room(0, self.bounds.vm_bytes)?;
            if output_at > 0 {
                out(self.output.get(..output_at).unwrap_or_default())?;
            }
            match result {
                BrotliResult::ResultSuccess => self.done = true,
                BrotliResult::NeedsMoreInput => break,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultFailure => return Err(DecodeError::Corrupt),
            }
        }
        Ok(())
    }
}

impl Decode for Brotli {
    /// Byte by byte: of a longer input that turns out to be corrupt, the crate keeps what came before to itself.
    fn feed(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<(), DecodeError> {
        if let (false, Some(&first)) = (self.begun, input.first()) {
            self.begin(first)?;
        }
        // What comes after the end is not ours to judge.
        input.iter().try_for_each(|byte| self.byte(*byte, out))
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
