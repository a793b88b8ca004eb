//! Content codings decoded incrementally: gzip, deflate, br and zstd, several in a row too.
//!
//! What comes out never depends on how the input was cut. Memory is what the formats ask for and no more: a decoder
//! that would need more than its bound, or more than the others of its VM leave, fails, and so does an input that
//! expands beyond any sense. After a failure nothing more comes out; what came before was right.

mod brotli;
mod deflate;
mod memory;
mod zstd;

use self::brotli::Brotli;
use self::deflate::{Deflate, Gzip};
use self::memory::Memory;
#[cfg(any(test, feature = "fuzzing"))]
pub use self::memory::held_bytes;
use self::zstd::Zstd;

/// One coding of RFC 9110 section 8.4.1, or of its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Coding {
    fn parse(name: &[u8]) -> Option<Self> {
        match name.to_ascii_lowercase().as_slice() {
            b"gzip" | b"x-gzip" => Some(Self::Gzip),
            b"deflate" => Some(Self::Deflate),
            b"br" => Some(Self::Brotli),
            b"zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// What its decoder holds, windows that the input asks for aside.
    fn fixed_bytes(self) -> usize {
        match self {
            Self::Gzip | Self::Deflate => deflate::FIXED_BYTES,
            Self::Brotli => brotli::FIXED_BYTES,
            Self::Zstd => zstd::FIXED_BYTES,
        }
    }

    fn stage(self, bounds: &Bounds) -> Result<Stage, DecodeError> {
        let memory = Memory::of(self.fixed_bytes(), bounds.vm_bytes)?;
        let decode: Box<dyn Decode> = match self {
            Self::Gzip => Box::new(Gzip::new()),
            Self::Deflate => Box::new(Deflate::new()),
            Self::Brotli => Box::new(Brotli::new(bounds)),
            Self::Zstd => Box::new(Zstd::new(bounds)),
        };
        Ok(Stage { decode, left: FREE_OUTPUT_BYTES, _memory: memory })
    }
}

/// What decoding may take.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The window of one coding.
    pub window_bytes: usize,
    /// All decoders of this VM together.
    pub vm_bytes: usize,
    /// How many times the size of its input the output of a coding may have.
    pub expansion: u64,
}

/// Why a body could not be decoded to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    /// A coding that is not known.
    Unknown,
    /// The bytes are not of their coding.
    Corrupt,
    /// It asks for more memory than its bound.
    Memory,
    /// It asks for more memory than the other decoders of this VM leave.
    VmMemory,
    /// The output grew beyond the bound on expansion.
    Expansion,
}

/// Takes output; what it returns ends the decoding.
type Output<'a> = dyn FnMut(&[u8]) -> Result<(), DecodeError> + 'a;

/// One coding undone.
trait Decode {
    /// Hands everything that `input` completes to `out`.
    fn feed(&mut self, input: &[u8], out: &mut Output<'_>) -> Result<(), DecodeError>;
    /// Whether the input may end here.
    fn is_complete(&self) -> bool;
    /// Whether output comes long after the input that makes it up.
    fn is_late(&self) -> bool {
        false
    }
}

struct Stage {
    decode: Box<dyn Decode>,
    /// How much more output the input so far may make up.
    left: u64,
    _memory: Memory,
}

/// Without what decoders hold: a vtable keeps whatever they could say of it in the module.
impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stage").field("left", &self.left).finish_non_exhaustive()
    }
}

/// The codings of one body, undone in the reverse of the order in which they were applied.
#[derive(Debug)]
pub struct Decoder {
    /// The first one to undo first.
    stages: Vec<Stage>,
    late: bool,
    max_expansion: u64,
    /// Input until the next output is allowed.
    until_allowance: usize,
    failed: Option<DecodeError>,
}

/// Output below this is never too much.
const FREE_OUTPUT_BYTES: u64 = 1 << 20;
/// Output is allowed for so much input at a time: at the same places however the input is cut.
const ALLOWANCE_BYTES: usize = 1 << 10;
/// More codings than anyone applies.
const MAX_STAGES: usize = 4;

impl Decoder {
    /// From the value of a `content-encoding` header. `None` when it names no coding but identity.
    pub fn new(header: &[u8], bounds: &Bounds) -> Option<Self> {
        let names = header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let names: Vec<&[u8]> =
            names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity")).collect();
        if names.is_empty() {
            return None;
        }
        let mut decoder = Self {
            stages: Vec::new(),
            late: false,
            max_expansion: bounds.expansion,
            until_allowance: 0,
            failed: None,
        };
        for name in names.iter().rev() {
            let coding = Coding::parse(name).filter(|_| names.len() <= MAX_STAGES);
            match coding.ok_or(DecodeError::Unknown).and_then(|coding| coding.stage(bounds)) {
                Ok(stage) => {
                    decoder.late |= stage.decode.is_late();
                    decoder.stages.push(stage);
                }
                Err(error) => {
                    decoder.fail(error);
                    break;
                }
            }
        }
        Some(decoder)
    }

    /// Nothing more comes out, and nothing more is held.
    fn fail(&mut self, error: DecodeError) {
        self.failed = Some(error);
        self.stages = Vec::new();
    }

    pub fn feed(&mut self, input: &[u8], out: &mut dyn FnMut(&[u8])) {
        let mut rest = input;
        while self.failed.is_none() && !rest.is_empty() {
            if self.until_allowance == 0 {
                self.until_allowance = ALLOWANCE_BYTES;
                let allowance = self.max_expansion.saturating_mul(ALLOWANCE_BYTES as u64);
                for stage in &mut self.stages {
                    stage.left = stage.left.saturating_add(allowance);
                }
            }
            let (piece, tail) = rest.split_at_checked(self.until_allowance).unwrap_or((rest, &[]));
            rest = tail;
            self.until_allowance = self.until_allowance.saturating_sub(piece.len());
            if let Err(error) = pass(&mut self.stages, piece, out) {
                self.fail(error);
            }
        }
    }

    /// Whether output comes long after the input that makes it up.
    pub fn is_late(&self) -> bool {
        self.late
    }

    /// How it ended; `Ok(false)` when the input broke off.
    pub fn finish(&self) -> Result<bool, DecodeError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.stages.iter().all(|stage| stage.decode.is_complete())),
        }
    }
}

/// Through the first stage, and what comes out of it through the rest.
fn pass(stages: &mut [Stage], input: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<(), DecodeError> {
    let Some((Stage { decode, left, .. }, rest)) = stages.split_first_mut() else {
        out(input);
        return Ok(());
    };
    decode.feed(input, &mut |bytes| {
        let allowed = usize::try_from(*left).ok().and_then(|left| bytes.get(..left));
        pass(rest, allowed.unwrap_or(bytes), out)?;
        *left = left.checked_sub(bytes.len() as u64).ok_or(DecodeError::Expansion)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests;
