//! The size of a name with its value, and how deep it goes.

use super::decoded;
use crate::wire::{Malformed, fields};

/// What a member of an array or a list costs beside its text: it must not be free, however empty it is.
const MEMBER_BYTES: usize = 8;

/// A name with the size of its value.
pub(super) struct Pair<'a> {
    pub(super) key: &'a str,
    pub(super) value: Size,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Size {
    /// Of all text; numbers count as eight.
    pub(super) bytes: usize,
    /// What arrays and maps take when they are decoded, beside their text.
    pub(super) nested: usize,
    pub(super) too_deep: bool,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.nested += other.nested;
        self.too_deep |= other.too_deep;
    }
}

impl<'a> Pair<'a> {
    /// `depth` arrays and maps may be within each other.
    pub(super) fn of(pair: &'a [u8], depth: usize) -> Result<Self, Malformed> {
        let mut found = Self { key: "", value: Size::default() };
        for field in fields(pair) {
            let field = field?;
            match field.number {
                1 => found.key = field.text()?,
                2 => found.value.add(value(field.bytes()?, depth)?),
                3 => _ = field.varint()?,
                _ => {}
            }
        }
        Ok(found)
    }
}

fn value(any: &[u8], depth: usize) -> Result<Size, Malformed> {
    let mut size = Size::default();
    for field in fields(any) {
        let field = field?;
        match field.number {
            1 => size.bytes += field.text()?.len(),
            2 | 3 | 8 => {
                field.varint()?;
                size.bytes += 8;
            }
            4 => {
                let number = f64::from_bits(field.fixed64()?);
                size.bytes += 8;
                if !number.is_finite() {
                    size.nested += decoded::MAP + decoded::PAIR;
                }
            }
            5 | 6 => size.add(members(field.bytes()?, field.number == 6, depth)?),
            // Which JSON has no type for: they are a map with a name.
            7 => {
                size.bytes += field.bytes()?.len();
                size.nested += decoded::MAP + decoded::PAIR;
            }
            _ => {}
        }
    }
    Ok(size)
}

/// Of an array or a list of pairs.
fn members(list: &[u8], of_pairs: bool, depth: usize) -> Result<Size, Malformed> {
    // What lies deeper is not looked at: its span is refused.
    let Some(depth) = depth.checked_sub(1) else { return Ok(Size { too_deep: true, ..Size::default() }) };
    let mut size = Size::default();
    for field in fields(list) {
        let field = field?;
        if field.number != 1 {
            continue;
        }
        size.bytes += MEMBER_BYTES;
        if of_pairs {
            let pair = Pair::of(field.bytes()?, depth)?;
            size.bytes += pair.key.len();
            size.nested += decoded::PAIR;
            size.add(pair.value);
        } else {
            size.nested += decoded::ELEMENT;
            size.add(value(field.bytes()?, depth)?);
        }
    }
    if of_pairs && size.nested > 0 {
        size.nested += decoded::MAP;
    }
    Ok(size)
}
