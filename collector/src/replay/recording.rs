//! Recordings of HTTP traffic as files: HAR, and one JSON object a line. Either may be compressed with gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use flate2::read::MultiGzDecoder;
use thiserror::Error;

use super::{har, lines};
use crate::wasm::host::Header;
use crate::wasm::replay::Exchange;

/// An exchange and what the recording calls it.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    pub name: String,
    pub exchange: Exchange,
}

/// Something in a file that cannot be replayed. The rest of the file can.
#[derive(Debug, Error)]
pub enum RecordingError {
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{}: {place}: {problem}", path.display())]
    Entry { path: PathBuf, place: String, problem: String },
}

/// Entries of one file, as they are read.
pub type Entries = Box<dyn Iterator<Item = Result<Recorded, RecordingError>>>;

/// Opens a recording and finds out what it is: a HAR file is one JSON document that has `log`.
pub fn open(path: &Path) -> Result<Entries, RecordingError> {
    let failed = |error| RecordingError::Read { path: path.to_owned(), error };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let is_gzip = file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn BufRead> =
        if is_gzip { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };

    let mut first_line = Vec::new();
    reader.read_until(b'\n', &mut first_line).map_err(failed)?;
    if lines::is_record(&first_line) {
        let text = std::io::Cursor::new(first_line).chain(reader);
        return Ok(Box::new(lines::entries(path.to_owned(), text)));
    }
    reader.read_to_end(&mut first_line).map_err(failed)?;
    let entries = har::entries(&first_line).map_err(|problem| RecordingError::Entry {
        path: path.to_owned(),
        place: "document".to_owned(),
        problem: format!(
            "{problem}; a recording is a HAR file, or JSON objects with request and response, one a line"
        ),
    })?;
    let path = path.to_owned();
    let entries = entries.into_iter().map(move |(place, entry)| {
        entry.map_err(|problem| RecordingError::Entry { path: path.clone(), place, problem })
    });
    Ok(Box::new(entries))
}

/// One exchange from a line of a file that has one JSON object a line.
pub fn line(text: &str) -> Result<Recorded, String> {
    lines::entry(text, "line")
}

/// `https://host:port/path?query` -> authority, path with query.
pub(super) fn split_url(url: &str) -> Result<(String, String), String> {
    let Some((_, rest)) = url.split_once("://") else {
        return Err(format!("request.url: not an absolute URL: {url:?}"));
    };
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Ok((host.to_owned(), path))
}

/// Headers as a proxy would see them: names in lower case, no pseudo headers.
///
/// Recordings hold decoded bodies beside the headers of the wire: what describes the coding no longer holds.
pub(super) fn headers(pairs: impl Iterator<Item = (String, String)>) -> Vec<Header> {
    const OF_THE_WIRE: [&str; 3] = ["content-encoding", "content-length", "transfer-encoding"];
    pairs
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .filter(|(name, _)| !name.starts_with(':') && !OF_THE_WIRE.contains(&name.as_str()))
        .map(|(name, value)| (name.into_bytes(), value.into_bytes()))
        .collect()
}

pub(super) fn base64(text: &str, field: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text).map_err(|error| format!("{field}: not base64: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        fn check(url: &str, authority: &str, path: &str) {
            assert_eq!(split_url(url), Ok((authority.to_owned(), path.to_owned())), "{url}");
        }
        check("https://api.openai.com/v1/x?a=b", "api.openai.com", "/v1/x?a=b");
        check("http://user:pw@localhost:11434", "localhost:11434", "/");
        check("https://a?x=1#frag", "a", "/?x=1");
        assert!(split_url("/v1/chat").is_err());
    }

    #[test]
    fn headers_of_the_wire_are_dropped() {
        let given = [("Content-Encoding", "gzip"), (":authority", "x"), ("X-A", "1")];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(headers(given.into_iter()), [(b"x-a".to_vec(), b"1".to_vec())]);
    }
}
