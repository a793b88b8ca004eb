//! What an input decides besides the bytes that are read: a front that is used up choice by choice.

/// Zeros once the input is used up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Choices<'a>(pub(super) &'a [u8]);

impl<'a> Choices<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    pub(super) fn number(&mut self) -> u64 {
        self.bytes(8).iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    pub(super) fn of<T>(&mut self, table: &'a [T]) -> &'a T {
        &table[usize::from(self.byte()) % table.len()]
    }

    /// So many bytes, or all that are left.
    pub(super) fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(length.min(self.0.len()));
        self.0 = tail;
        head
    }

    /// A length, and so many bytes.
    pub(super) fn text(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte());
        self.bytes(length)
    }

    /// The bytes before the next of this one, which is dropped.
    pub(super) fn until(&mut self, end: u8) -> &'a [u8] {
        let length = self.0.iter().position(|byte| *byte == end).unwrap_or(self.0.len());
        let found = self.bytes(length);
        self.byte();
        found
    }

    pub(super) fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// How a body is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cuts {
    Whole,
    Bytes,
    /// Into pieces of these sizes, over and over.
    Sizes([usize; 4]),
}

/// Longest body that is also read byte by byte.
const MAX_BYTES: usize = 1 << 10;

impl Cuts {
    /// Small pieces mostly, some longer ones.
    pub(super) fn chosen(choice: u8) -> Self {
        let size = |shift: u8| 1 + usize::from((choice >> shift) & 3) * (1 + usize::from(choice));
        Self::Sizes([1 + usize::from(choice & 7), size(2), size(4), size(6)])
    }

    pub(super) fn pieces(self, body: &[u8]) -> Vec<&[u8]> {
        let sizes = match self {
            Self::Whole => [body.len().max(1); 4],
            Self::Bytes => [1; 4],
            Self::Sizes(sizes) => sizes,
        };
        let mut rest = body;
        let mut pieces = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, tail) = rest.split_at((*size).min(rest.len()));
            pieces.push(piece);
            rest = tail;
        }
        pieces
    }
}

/// What `read` says, which must be the same however the bytes are cut.
pub(super) fn however_cut<R: PartialEq + std::fmt::Debug>(
    length: usize,
    choice: u8,
    read: impl Fn(Cuts) -> R,
) -> R {
    let whole = read(Cuts::Whole);
    let mut ways = vec![Cuts::chosen(choice)];
    if length <= MAX_BYTES {
        ways.push(Cuts::Bytes);
    }
    for cuts in ways {
        let cut = read(cuts);
        assert!(cut == whole, "cut as {cuts:?}:{}", difference(&whole, &cut));
    }
    whole
}

/// Line by line, the lines of the whole first.
fn difference(whole: &impl std::fmt::Debug, cut: &impl std::fmt::Debug) -> String {
    let (whole, cut) = (format!("{whole:#?}"), format!("{cut:#?}"));
    let lines = whole.lines().zip(cut.lines()).filter(|(whole, cut)| whole != cut);
    lines.flat_map(|(whole, cut)| ["\n- ", whole, "\n+ ", cut]).collect()
}
