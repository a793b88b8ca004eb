//! Tool calls of an answer, put together from their pieces.

use super::facts::Text;
use crate::wire::json::Scalar;

/// One tool call, of which several pieces may come.
#[derive(Debug)]
pub(super) struct ToolCall {
    pub(super) choice: u64,
    pub(super) index: Option<u64>,
    pub(super) id: Option<u64>,
    pub(super) name: Text,
    /// Some of its arguments came.
    has_arguments: bool,
    /// Which document had its latest piece.
    pub(super) document: u64,
}

/// A tool call, or a piece of one, while its object is read.
#[derive(Debug, Default)]
pub(super) struct ToolPiece {
    pub(super) index: Option<u64>,
    pub(super) id: Option<u64>,
    pub(super) kind: Text,
    pub(super) name: Text,
    /// The first byte of its arguments.
    pub(super) arguments: Option<u8>,
}

impl ToolCall {
    pub(super) fn new(choice: u64, piece: ToolPiece, document: u64) -> Self {
        let ToolPiece { index, id, kind: _, name, arguments } = piece;
        Self { choice, index, id, name, has_arguments: arguments.is_some(), document }
    }

    /// Whether a piece that has the place or the id of this call begins another one. Some send all their calls under one
    /// place and without ids, some cut names into pieces, and some say the whole name with each piece.
    pub(super) fn is_over(&self, piece: &ToolPiece, in_one_document: bool) -> bool {
        let has_its_id = self.id == piece.id && self.id.is_some();
        if self.id.is_some() && piece.id.is_some() && !has_its_id {
            return self.name.is_some();
        }
        let (Some(known), Some(name)) = (&self.name, &piece.name) else { return false };
        let is_repeated = name.starts_with(known.as_str());
        if in_one_document {
            // Nobody cuts what goes out at once.
            return !has_its_id || !is_repeated;
        }
        if has_its_id {
            return false;
        }
        if self.has_arguments {
            // A name does not go on behind its arguments.
            return !is_repeated || (self.id.is_none() && piece.arguments == Some(b'{'));
        }
        piece.id.is_some() && !is_repeated
    }

    /// Says whether something of its name was cut off.
    pub(super) fn add(&mut self, piece: ToolPiece, max_bytes: usize) -> bool {
        self.id = piece.id.or(self.id);
        let had_arguments = self.has_arguments;
        self.has_arguments |= piece.arguments.is_some();
        match (&mut self.name, piece.name) {
            (Some(known), Some(name)) if !name.starts_with(known.as_str()) => {
                if had_arguments {
                    return false;
                }
                known.push_str(&name);
                let is_longer = known.len() > max_bytes;
                if is_longer {
                    known.truncate(known.floor_char_boundary(max_bytes));
                }
                is_longer
            }
            (known, Some(name)) => {
                *known = Some(name);
                false
            }
            (_, None) => false,
        }
    }
}

/// Tells ids apart, nothing more (FNV-1a). Mistral says `"null"` where there is none.
pub(super) fn identity(value: Scalar<'_>) -> Option<u64> {
    let Scalar::String { bytes, .. } = value else { return None };
    if matches!(bytes, b"" | b"null") {
        return None;
    }
    let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Some(hash)
}
