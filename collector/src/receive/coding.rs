//! Content codings of requests: as they are, gzip, zstd. What they become is bounded while it is read.

use std::io::Read;

use bytes::Bytes;

use super::intake::ExportError;

/// 8 MiB, which RFC 8878 asks every decoder to read.
const MAX_WINDOW_LOG: u32 = 23;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Identity,
    Gzip,
    Zstd,
}

impl Coding {
    /// By its name in a header, which may be absent.
    pub(super) fn of(name: &str) -> Option<Self> {
        let known =
            [("", Self::Identity), ("identity", Self::Identity), ("gzip", Self::Gzip), ("zstd", Self::Zstd)];
        known.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, coding)| coding)
    }

    /// At most `max` bytes of it.
    pub(super) fn decompressed(self, body: Bytes, max: usize) -> Result<Bytes, ExportError> {
        match self {
            Self::Identity if body.len() > max => Err(ExportError::TooLarge(max)),
            Self::Identity => Ok(body),
            Self::Gzip => read_bounded(flate2::read::MultiGzDecoder::new(&*body), max),
            Self::Zstd => {
                let mut decoder = zstd::Decoder::with_buffer(&*body).map_err(unpacking)?;
                decoder.window_log_max(MAX_WINDOW_LOG).map_err(unpacking)?;
                read_bounded(decoder, max)
            }
        }
    }
}

fn read_bounded(reader: impl Read, max: usize) -> Result<Bytes, ExportError> {
    let mut message = Vec::new();
    reader.take(max as u64 + 1).read_to_end(&mut message).map_err(unpacking)?;
    if message.len() > max { Err(ExportError::TooLarge(max)) } else { Ok(message.into()) }
}

#[expect(clippy::needless_pass_by_value, reason = "to be handed to `map_err`")]
fn unpacking(error: std::io::Error) -> ExportError {
    ExportError::Malformed(format!("the body cannot be decompressed: {error}"))
}
