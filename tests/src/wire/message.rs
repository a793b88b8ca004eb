//! HTTP/1.1 messages, read from what has come of them.

use super::{Headers, header};

pub(super) struct Head {
    pub(super) start_line: String,
    /// Names in lower case.
    pub(super) headers: Headers,
}

impl Head {
    /// The head and its length on the wire; `None` until all of it is there.
    pub(super) fn read(raw: &[u8]) -> Option<(Self, usize)> {
        let length = find(raw, b"\r\n\r\n")? + 4;
        let text = String::from_utf8_lossy(raw.get(..length)?).into_owned();
        let (start_line, rest) = text.split_once("\r\n")?;
        Some((Self { start_line: start_line.to_owned(), headers: read_fields(rest) }, length))
    }

    pub(super) fn framing(&self) -> Framing {
        let is_chunked = header(&self.headers, "transfer-encoding").is_some_and(|coding| coding == "chunked");
        match header(&self.headers, "content-length").and_then(|length| length.parse().ok()) {
            _ if is_chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::Unknown,
        }
    }
}

/// Where a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    /// The head does not say.
    Unknown,
}

#[derive(Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) trailers: Headers,
    /// Its length on the wire, once it is all there.
    pub(super) length: Option<usize>,
}

impl Body {
    /// As much of the body as is there.
    pub(super) fn read(raw: &[u8], framing: Framing) -> Self {
        match framing {
            Framing::Length(length) => {
                let bytes = raw.get(..length).unwrap_or(raw).to_vec();
                Self { length: (bytes.len() == length).then_some(length), bytes, trailers: Vec::new() }
            }
            Framing::Chunked => Self::read_chunks(raw),
            Framing::Unknown => Self { bytes: raw.to_vec(), ..Self::default() },
        }
    }

    fn read_chunks(raw: &[u8]) -> Self {
        let mut body = Self::default();
        let mut at = 0;
        while let Some((size, start)) = chunk_size(raw, at) {
            if size == 0 {
                // Nothing but an empty line when there are no trailers.
                let rest = raw.get(start - 2..).unwrap_or_default();
                if let Some(end) = find(rest, b"\r\n\r\n") {
                    let fields =
                        String::from_utf8_lossy(rest.get(2..end + 2).unwrap_or_default()).into_owned();
                    body.trailers = read_fields(&fields);
                    body.length = Some(start - 2 + end + 4);
                }
                break;
            }
            let end = start + size;
            body.bytes.extend_from_slice(raw.get(start..end.min(raw.len())).unwrap_or_default());
            at = end + 2;
        }
        body
    }
}

/// The size of the chunk whose size line begins at `at`, and where its data begins.
fn chunk_size(raw: &[u8], at: usize) -> Option<(usize, usize)> {
    let rest = raw.get(at..)?;
    let line = rest.get(..find(rest, b"\r\n")?)?;
    let size = usize::from_str_radix(std::str::from_utf8(line).ok()?, 16).ok()?;
    Some((size, at + line.len() + 2))
}

fn read_fields(text: &str) -> Headers {
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    text.split("\r\n").filter_map(field).collect()
}

pub(super) fn write_head(start_line: &str, headers: &Headers) -> Vec<u8> {
    let mut text = format!("{start_line}\r\n");
    text.push_str(&fields(headers));
    text.push_str("\r\n");
    text.into_bytes()
}

pub(super) fn write_chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

pub(super) fn write_last_chunk(trailers: &Headers) -> Vec<u8> {
    format!("0\r\n{}\r\n", fields(trailers)).into_bytes()
}

fn fields(headers: &Headers) -> String {
    let lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    lines.concat()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
