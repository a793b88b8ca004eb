//! How the documents of a stream begin: as a rule like the one before, and then that need not be read again.
//!
//! What is held are the members before the first object, array or escape. What was reported of them is reported again,
//! so that nobody can tell the difference.

use super::{MAX_NUMBER_BYTES, Node, Scalar, Sink, is_number, is_of_number, is_of_primitive, split_plain};

/// Longest opening that is held.
const MAX_BYTES: usize = 512;
/// Most members of it.
const MAX_MEMBERS: usize = 16;
/// How often in one stream an opening is given up for another: some have as many as events.
const MAX_RECORDINGS: u32 = 16;

/// The opening of some document of a stream.
#[derive(Debug)]
pub(super) struct Opening<T: 'static> {
    bytes: Vec<u8>,
    members: Vec<Member<T>>,
    recordings: u32,
}

/// One of its members.
#[derive(Debug)]
struct Member<T: 'static> {
    /// What was reported of it.
    scalar: Option<Report<T>>,
    /// Behind the comma that follows it.
    end: usize,
    /// Where the search for the next goes on in the table.
    search_from: usize,
}

type Report<T> = (T, Said);

/// A [`Scalar`], as a place in the opening.
#[derive(Debug, Clone, Copy)]
enum Said {
    String { from: usize, to: usize, truncated: bool },
    Number { from: usize, to: usize },
    Bool(bool),
    Null,
}

impl<T: Copy> Opening<T> {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), members: Vec::new(), recordings: 0 }
    }

    /// Reports what the document has in common with the opening. Says how many of its bytes that are, at least one and
    /// all before a key, and where the search for that key begins.
    pub(super) fn repeat(
        &mut self,
        root: &'static Node<T>,
        max_kept_bytes: usize,
        document: &[u8],
        sink: &mut dyn Sink<T>,
    ) -> Option<(usize, usize)> {
        let same = common_length(&self.bytes, document);
        let count = self.members.iter().take_while(|member| member.end <= same).count();
        let common = self.members.get(..count).unwrap_or_default();
        let Some(last) = common.last() else {
            if self.recordings < MAX_RECORDINGS {
                self.recordings = self.recordings.saturating_add(1);
                self.record(root, max_kept_bytes, document);
            }
            return None;
        };
        for (tag, said) in common.iter().filter_map(|member| member.scalar) {
            sink.scalar(tag, said.of(&self.bytes));
        }
        Some((last.end, last.search_from))
    }

    fn record(&mut self, root: &'static Node<T>, max_kept_bytes: usize, document: &[u8]) {
        let document = document.get(..MAX_BYTES).unwrap_or(document);
        self.members.clear();
        self.bytes.clear();
        let Some(mut rest) = document.strip_prefix(b"{") else { return };
        let mut next_member = 0;
        while self.members.len() < MAX_MEMBERS {
            let Some((scalar, tail)) = member(root, max_kept_bytes, document, rest, &mut next_member) else {
                break;
            };
            self.members.push(Member { scalar, end: place(document, tail), search_from: next_member });
            rest = tail;
        }
        self.bytes.extend_from_slice(document.get(..place(document, rest)).unwrap_or_default());
    }
}

impl Said {
    fn of(self, bytes: &[u8]) -> Scalar<'_> {
        let text = |from, to| bytes.get(from..to).unwrap_or_default();
        match self {
            Self::String { from, to, truncated } => Scalar::String { bytes: text(from, to), truncated },
            Self::Number { from, to } => {
                std::str::from_utf8(text(from, to)).map_or(Scalar::Overlong, Scalar::Number)
            }
            Self::Bool(value) => Scalar::Bool(value),
            Self::Null => Scalar::Null,
        }
    }
}

/// Where in the document `rest`, its end, begins.
fn place(document: &[u8], rest: &[u8]) -> usize {
    document.len().saturating_sub(rest.len())
}

/// Reads a member that a comma follows: what is reported of it, and what comes behind the comma.
fn member<'a, T: Copy>(
    root: &'static Node<T>,
    max_kept_bytes: usize,
    document: &'a [u8],
    rest: &'a [u8],
    next_member: &mut usize,
) -> Option<(Option<Report<T>>, &'a [u8])> {
    let (key, stop, rest) = split_plain(without_space(rest).strip_prefix(b"\"")?)?;
    let value = without_space(rest.strip_prefix(b":").filter(|_| stop == b'"')?);
    let wanted = root.member(key, next_member).and_then(|node| node.scalar);
    let (scalar, rest) = match (value.first()?, wanted) {
        (b'"', _) => {
            let (plain, stop, rest) = split_plain(value.get(1..)?)?;
            if stop != b'"' {
                return None;
            }
            let from = place(document, value).saturating_add(1);
            let said = |max_bytes: usize| {
                let length = plain.len().min(max_bytes);
                Said::String { from, to: from.saturating_add(length), truncated: length < plain.len() }
            };
            (wanted.map(|(tag, bound)| (tag, said(bound.bytes().min(max_kept_bytes)))), rest)
        }
        (b'-' | b'0'..=b'9', Some((tag, _))) => {
            let length = value.iter().position(|byte| !is_of_number(*byte))?;
            let (digits, rest) = value.split_at_checked(length)?;
            if length > MAX_NUMBER_BYTES || !is_number(digits) {
                return None;
            }
            let from = place(document, value);
            (Some((tag, Said::Number { from, to: from.saturating_add(length) })), rest)
        }
        (b't' | b'f' | b'n', Some((tag, _))) => {
            let literals =
                [(&b"true"[..], Said::Bool(true)), (b"false", Said::Bool(false)), (b"null", Said::Null)];
            let (text, said) = literals.into_iter().find(|(text, _)| value.starts_with(text))?;
            (Some((tag, said)), value.get(text.len()..)?)
        }
        (b'-' | b'0'..=b'9' | b't' | b'f' | b'n', None) => {
            let length = value.iter().position(|byte| !is_of_primitive(*byte))?;
            (None, value.get(length..)?)
        }
        _ => return None,
    };
    Some((scalar, rest.strip_prefix(b",")?))
}

/// Some write one behind commas and colons.
fn without_space(text: &[u8]) -> &[u8] {
    text.strip_prefix(b" ").unwrap_or(text)
}

fn common_length(a: &[u8], b: &[u8]) -> usize {
    let blocks = a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0);
    let same = blocks.take_while(|(a, b)| a == b).count().saturating_mul(16);
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    same.saturating_add(a.iter().zip(b).take_while(|(a, b)| a == b).count())
}
