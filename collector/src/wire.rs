//! Walks the fields of a protobuf message without decoding it: nothing is allocated and nothing is copied.
//!
//! What `receive` checks with it is what `normalize` reads with it. Groups, which OTLP does not have
//! and protobuf has given up, are refused.

/// Fields of the messages around spans.
pub(crate) const RESOURCE_SPANS: u32 = 1;
pub(crate) const RESOURCE: u32 = 1;
pub(crate) const SCOPE_SPANS: u32 = 2;
pub(crate) const SCOPE: u32 = 1;
pub(crate) const SPANS: u32 = 2;
pub(crate) const SCHEMA_URL: u32 = 3;

/// The bytes are no protobuf message, or not the one that is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    pub(crate) number: u32,
    pub(crate) content: Content<'a>,
    /// With its tag, as it stands in the message.
    pub(crate) raw: &'a [u8],
}

impl<'a> Field<'a> {
    /// A message or bytes.
    pub(crate) const fn bytes(&self) -> Result<&'a [u8], Malformed> {
        match self.content {
            Content::Bytes(bytes) => Ok(bytes),
            _ => Err(Malformed("a message, a string or bytes are expected where a number stands")),
        }
    }

    pub(crate) fn text(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed("a string is not UTF-8"))
    }

    pub(crate) const fn fixed64(&self) -> Result<u64, Malformed> {
        match self.content {
            Content::Fixed64(number) => Ok(number),
            _ => Err(Malformed("a number of 64 bits is expected")),
        }
    }

    pub(crate) const fn fixed32(&self) -> Result<u32, Malformed> {
        match self.content {
            Content::Fixed32(number) => Ok(number),
            _ => Err(Malformed("a number of 32 bits is expected")),
        }
    }

    pub(crate) const fn varint(&self) -> Result<u64, Malformed> {
        match self.content {
            Content::Varint(number) => Ok(number),
            _ => Err(Malformed("an integer is expected")),
        }
    }
}

/// The fields of a message, in their order. After an error there is nothing more.
#[derive(Clone, Debug)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

pub(crate) const fn fields(message: &[u8]) -> Fields<'_> {
    Fields { rest: message }
}

/// The messages of a message that come under this number.
pub(crate) fn messages(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    fields(message).filter_map(move |field| match field {
        Ok(field) => (field.number == number).then(|| field.bytes()),
        Err(malformed) => Some(Err(malformed)),
    })
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let start = self.rest;
        let field = self.field(start);
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

const CUT: Malformed = Malformed("the message ends within a field");

impl<'a> Fields<'a> {
    #[inline]
    fn field(&mut self, start: &'a [u8]) -> Result<Field<'a>, Malformed> {
        let key = u32::try_from(self.varint()?).map_err(|_| Malformed("a field's number is too large"))?;
        let content = match key & 7 {
            0 => Content::Varint(self.varint()?),
            1 => Content::Fixed64(u64::from_le_bytes(*self.take(8)?.first_chunk().ok_or(CUT)?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| CUT)?;
                Content::Bytes(self.take(length)?)
            }
            5 => Content::Fixed32(u32::from_le_bytes(*self.take(4)?.first_chunk().ok_or(CUT)?)),
            _ => return Err(Malformed("a field has a wire type that OTLP does not use")),
        };
        let number = key >> 3;
        if number == 0 {
            return Err(Malformed("a field has the number 0"));
        }
        let raw = start.get(..start.len() - self.rest.len()).ok_or(CUT)?;
        Ok(Field { number, content, raw })
    }

    #[inline]
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(CUT)?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or(CUT)?;
        if *first < 0x80 {
            self.rest = rest;
            return Ok((*first).into());
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for (position, byte) in self.rest.iter().enumerate().take(10) {
            // Of the tenth byte one bit is left.
            if position == 9 && *byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7f) << (7 * position);
            if *byte < 0x80 {
                self.rest = self.rest.get(position + 1..).unwrap_or_default();
                return Ok(number);
            }
        }
        Err(if self.rest.len() < 10 { CUT } else { Malformed("an integer is longer than ten bytes") })
    }
}

/// Appends a field that holds a message, a string or bytes.
pub(crate) fn put_message(out: &mut Vec<u8>, number: u32, message: &[u8]) {
    put_key(out, number, 2);
    put_varint(out, message.len() as u64);
    out.extend_from_slice(message);
}

/// Appends a field that holds what `write` appends: nothing is kept beside it. After an error `out` is of no use.
pub(crate) fn put_nested<E>(
    out: &mut Vec<u8>,
    number: u32,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Result<(), E> {
    put_key(out, number, 2);
    let at = out.len();
    // Room for the length of a short one, as most are.
    out.push(0);
    write(out)?;
    let length = out.len() - at - 1;
    match (u8::try_from(length), out.get_mut(at)) {
        (Ok(short), Some(place)) if short < 0x80 => *place = short,
        _ => {
            let mut prefix = Vec::new();
            put_varint(&mut prefix, length as u64);
            out.splice(at..=at, prefix);
        }
    }
    Ok(())
}

/// Appends a field that holds a varint.
pub(crate) fn put_number(out: &mut Vec<u8>, number: u32, value: u64) {
    put_key(out, number, 0);
    put_varint(out, value);
}

pub(crate) fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    put_key(out, number, 1);
    out.extend_from_slice(&value.to_le_bytes());
}

pub(crate) fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    put_key(out, number, 5);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_key(out: &mut Vec<u8>, number: u32, wire_type: u64) {
    put_varint(out, u64::from(number) << 3 | wire_type);
}

fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: &[Result<(u32, Content<'_>), &str>]) {
        let found: Vec<_> = fields(bytes)
            .map(|field| field.map(|field| (field.number, field.content)).map_err(|malformed| malformed.0))
            .collect();
        assert_eq!(found, expected, "{bytes:?}");
    }

    #[test]
    fn fields_of_every_wire_type() {
        check(&[0x08, 0x96, 0x01], &[Ok((1, Content::Varint(150)))]);
        check(&[0x11, 1, 0, 0, 0, 0, 0, 0, 0], &[Ok((2, Content::Fixed64(1)))]);
        check(&[0x1d, 1, 0, 0, 0], &[Ok((3, Content::Fixed32(1)))]);
        check(&[0x12, 2, 7, 8, 0x08, 0], &[Ok((2, Content::Bytes(&[7, 8]))), Ok((1, Content::Varint(0)))]);
        check(&[0x0b], &[Err("a field has a wire type that OTLP does not use")]);
        check(&[0x00, 0x00], &[Err("a field has the number 0")]);
        check(&[0x12, 3, 1], &[Err(CUT.0)]);
        check(&[0x08], &[Err(CUT.0)]);
        check(&[0x08, 0xff], &[Err(CUT.0)]);
        let mut long = [0xff; 11];
        long[0] = 0x08;
        check(&long, &[Err("an integer is longer than ten bytes")]);
        long[10] = 0x01;
        check(&long, &[Ok((1, Content::Varint(u64::MAX)))]);
    }

    #[test]
    fn what_is_put_is_read() {
        let mut out = Vec::new();
        put_message(&mut out, 300, &[9; 200]);
        let field = fields(&out).next().unwrap().unwrap();
        assert_eq!((field.number, field.bytes(), field.raw), (300, Ok(&[9_u8; 200][..]), &out[..]));
        for length in [0, 1, 127, 128, 20_000] {
            let (mut copied, mut nested) = (vec![7], vec![7]);
            let content = vec![9; length];
            put_message(&mut copied, 2, &content);
            let written: Result<(), ()> = put_nested(&mut nested, 2, |out| {
                out.extend_from_slice(&content);
                Ok(())
            });
            assert_eq!((written, nested), (Ok(()), copied), "{length}");
        }
    }
}
