//! Content codings decoded incrementally: gzip, deflate, br and zstd, several in a row too.
//!
//! What comes out never depends on how the input was cut. Memory is what the formats ask for and no more: a decoder
//! that would need more than its bound fails, and so does an input that expands beyond any sense. After a failure
//! nothing more comes out; what came before was right.

mod brotli;
mod deflate;
mod zstd;

use self::brotli::Brotli;
use self::deflate::{Deflate, Gzip};
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

    fn decoder(self, max_window_bytes: usize) -> Box<dyn Decode> {
        match self {
            Self::Gzip => Box::new(Gzip::new()),
            Self::Deflate => Box::new(Deflate::new()),
            Self::Brotli => Box::new(Brotli::new(max_window_bytes)),
            Self::Zstd => Box::new(Zstd::new(max_window_bytes)),
        }
    }
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
    /// The output grew beyond the bound on expansion.
    Expansion,
}

/// One coding undone.
trait Decode: std::fmt::Debug {
    /// Hands everything that `input` completes to `out`.
    fn feed(&mut self, input: &[u8], out: &mut dyn FnMut(&[u8])) -> Result<(), DecodeError>;
    /// Whether the input may end here.
    fn is_complete(&self) -> bool;
    /// Whether output comes long after the input that makes it up.
    fn is_late(&self) -> bool {
        false
    }
}

/// The codings of one body, undone in the reverse of the order in which they were applied.
#[derive(Debug)]
pub struct Decoder {
    /// The first one to undo first.
    stages: Vec<Box<dyn Decode>>,
    max_expansion: u64,
    fed: u64,
    produced: u64,
    failed: Option<DecodeError>,
}

/// Output below this is never too much.
const FREE_OUTPUT_BYTES: u64 = 1 << 20;
/// More codings than anyone applies.
const MAX_STAGES: usize = 4;

impl Decoder {
    /// From the value of a `content-encoding` header. `None` when it names no coding but identity.
    pub fn new(header: &[u8], max_window_bytes: usize, max_expansion: u64) -> Option<Self> {
        let names = header.split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let names: Vec<&[u8]> =
            names.filter(|name| !name.is_empty() && !name.eq_ignore_ascii_case(b"identity")).collect();
        if names.is_empty() {
            return None;
        }
        let codings: Option<Vec<Coding>> = names.iter().map(|name| Coding::parse(name)).collect();
        let known = codings.filter(|codings| codings.len() <= MAX_STAGES);
        let failed = if known.is_some() { None } else { Some(DecodeError::Unknown) };
        let codings = known.unwrap_or_default().into_iter().rev();
        let stages = codings.map(|coding| coding.decoder(max_window_bytes)).collect();
        Some(Self { stages, max_expansion, fed: 0, produced: 0, failed })
    }

    pub fn feed(&mut self, input: &[u8], out: &mut dyn FnMut(&[u8])) {
        if self.failed.is_some() {
            return;
        }
        self.fed = self.fed.saturating_add(input.len() as u64);
        let allowed = self.fed.saturating_mul(self.max_expansion).max(FREE_OUTPUT_BYTES);
        let produced = &mut self.produced;
        let result = pass(&mut self.stages, input, &mut |bytes| {
            *produced = produced.saturating_add(bytes.len() as u64);
            if *produced > allowed {
                return Err(DecodeError::Expansion);
            }
            out(bytes);
            Ok(())
        });
        if let Err(error) = result {
            self.failed = Some(error);
            self.stages = Vec::new();
        }
    }

    /// Whether output comes long after the input that makes it up.
    pub fn is_late(&self) -> bool {
        self.stages.iter().any(|stage| stage.is_late())
    }

    /// How it ended; `Ok(false)` when the input broke off.
    pub fn finish(&self) -> Result<bool, DecodeError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(self.stages.iter().all(|stage| stage.is_complete())),
        }
    }
}

/// Through the first stage, and what comes out of it through the rest.
fn pass(
    stages: &mut [Box<dyn Decode>],
    input: &[u8],
    out: &mut dyn FnMut(&[u8]) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let Some((first, rest)) = stages.split_first_mut() else { return out(input) };
    let mut result = Ok(());
    let fed = first.feed(input, &mut |bytes| {
        if result.is_ok() {
            result = pass(rest, bytes, out);
        }
    });
    result.and(fed)
}

#[cfg(test)]
mod tests;
