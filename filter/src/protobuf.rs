//! The protobuf wire format, as far as the filter writes and reads it: append-only, no reflection, no descriptors.
//! <https://protobuf.dev/programming-guides/encoding/>

const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH_DELIMITED: u8 = 2;
const FIXED32: u8 = 5;

pub(crate) fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push((value & 0x7f) as u8);
}

fn key(out: &mut Vec<u8>, field: u32, wire_type: u8) {
    varint(out, (u64::from(field) << 3) | u64::from(wire_type));
}

/// An integer field; zero is the default and is left out, as proto3 says.
pub(crate) fn integer(out: &mut Vec<u8>, field: u32, value: u64) {
    if value != 0 {
        explicit_integer(out, field, value);
    }
}

/// An integer member of a oneof, where zero differs from absent.
pub(crate) fn explicit_integer(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, VARINT);
    varint(out, value);
}

pub(crate) fn fixed64(out: &mut Vec<u8>, field: u32, value: u64) {
    key(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn fixed32(out: &mut Vec<u8>, field: u32, value: u32) {
    key(out, field, FIXED32);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    prefix(out, field, value.len());
    out.extend_from_slice(value);
}

/// The head of a length-delimited field whose bytes the caller appends.
pub(crate) fn prefix(out: &mut Vec<u8>, field: u32, length: usize) {
    key(out, field, LENGTH_DELIMITED);
    varint(out, length as u64);
}

/// How many bytes `bytes` appends for a field number below 16.
pub(crate) fn bytes_length(length: usize) -> usize {
    let mut rest = length >> 7;
    let mut digits = 1_usize;
    while rest > 0 {
        rest >>= 7;
        digits = digits.saturating_add(1);
    }
    length.saturating_add(digits).saturating_add(1)
}

/// One field of a message being read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// Reads the next field and moves on; `None` at the end and where the bytes are not protobuf.
pub(crate) fn next_field<'a>(message: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let tag = read_varint(message)?;
    let value = match u8::try_from(tag & 7).ok()? {
        VARINT => Value::Integer(read_varint(message)?),
        LENGTH_DELIMITED => {
            let length = usize::try_from(read_varint(message)?).ok()?;
            Value::Bytes(split(message, length)?)
        }
        FIXED64 => split(message, 8).map(|_| Value::Fixed)?,
        FIXED32 => split(message, 4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    Some((tag >> 3, value))
}

fn split<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = message.split_at_checked(length)?;
    *message = tail;
    Some(head)
}

fn read_varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = message.split_first()?;
        *message = tail;
        value |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_go_there_and_back() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(read_varint(&mut out.as_slice()), Some(value));
        }
    }

    #[test]
    fn lengths_are_foretold() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 3_000_000] {
            let mut out = Vec::new();
            bytes(&mut out, 2, &vec![0; length]);
            assert_eq!(bytes_length(length), out.len());
        }
    }

    #[test]
    fn garbage_ends_the_reading() {
        for garbage in [&[0xff; 12][..], &[0x0a, 0x05, 1], &[0x0b], &[0x09, 1, 2]] {
            assert_eq!(next_field(&mut &garbage[..]), None);
        }
    }
}
