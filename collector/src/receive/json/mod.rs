//! OTLP in JSON becomes OTLP in protobuf while it is read: each member is written as soon as it is there, so that what is
//! held beside the text is what it becomes, which is never longer than the text. Nothing is refused here for its size or
//! number; the limits look at the protobuf, as at any other.
//!
//! After the specification's rules: ids in hexadecimal, bytes in base64, 64-bit integers as numbers or as text, enums as
//! integers, names in lowerCamelCase, unknown names ignored, `null` the same as absent.
//!
//! [`messages`] says which members there are, `scalar` how a value that is no message is written.

use std::fmt;

use bytes::Bytes;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use self::messages::{Kind, Message, REQUEST, Rule};
use crate::wire::{put_message, put_nested};

mod messages;
mod scalar;
#[cfg(test)]
mod tests;

/// `max_depth` arrays and maps within each other are read; one that lies deeper becomes an empty one, which the limits
/// refuse for where it stands.
pub(super) fn to_protobuf(text: &[u8], max_depth: usize) -> Result<Bytes, serde_json::Error> {
    let mut out = Vec::with_capacity(text.len());
    let mut json = serde_json::Deserializer::from_slice(text);
    json.deserialize_map(Members { out: &mut out, message: &REQUEST, depth: max_depth })?;
    json.end()?;
    Ok(out.into())
}

/// Writes the members of one message.
struct Members<'a> {
    out: &'a mut Vec<u8>,
    message: &'static Message,
    /// Arrays and maps that may still be within each other.
    depth: usize,
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(rule) = map.next_key_seed(Name(self.message))? {
            match rule {
                Some(rule) => map.next_value_seed(Member { out: self.out, rule, depth: self.depth })?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// Finds what the message says about a name, without keeping it.
struct Name(&'static Message);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Rule>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Rule>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().find(|rule| rule.name == name))
    }
}

/// Writes one member, with its number. `null` is none.
struct Member<'a> {
    out: &'a mut Vec<u8>,
    rule: &'static Rule,
    depth: usize,
}

impl Member<'_> {
    fn unexpected<E: de::Error>(&self, found: Unexpected<'_>) -> E {
        E::invalid_type(found, self)
    }
}

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.rule.kind {
            Kind::One(_) | Kind::Deeper(_) => "an object",
            Kind::Each(_) => "a list of objects",
            Kind::Scalar(scalar) => scalar.expected(),
        })
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, flag: bool) -> Result<(), E> {
        match self.rule.kind {
            Kind::Scalar(scalar) if scalar.put_flag(self.out, self.rule.number, flag) => Ok(()),
            _ => Err(self.unexpected(Unexpected::Bool(flag))),
        }
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<(), E> {
        match self.rule.kind {
            Kind::Scalar(scalar) if scalar.is_number() => {
                scalar.put_integer(self.out, self.rule.number, number.into()).map_err(E::custom)
            }
            _ => Err(self.unexpected(Unexpected::Signed(number))),
        }
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<(), E> {
        match self.rule.kind {
            Kind::Scalar(scalar) if scalar.is_number() => {
                scalar.put_integer(self.out, self.rule.number, number.into()).map_err(E::custom)
            }
            _ => Err(self.unexpected(Unexpected::Unsigned(number))),
        }
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<(), E> {
        match self.rule.kind {
            Kind::Scalar(scalar) if scalar.put_float(self.out, self.rule.number, number) => Ok(()),
            _ => Err(self.unexpected(Unexpected::Float(number))),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        match self.rule.kind {
            Kind::Scalar(scalar) => scalar.put_text(self.out, self.rule.number, text).map_err(E::custom),
            _ => Err(self.unexpected(Unexpected::Other("text"))),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { out, rule, depth } = self;
        let (message, depth) = match rule.kind {
            Kind::One(message) => (message, Some(depth)),
            Kind::Deeper(message) => (message, depth.checked_sub(1)),
            _ => return Err(Self { out, rule, depth }.unexpected(Unexpected::Map)),
        };
        let Some(depth) = depth else {
            put_message(out, rule.number, &[]);
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        put_nested(out, rule.number, |out| Members { out, message, depth }.visit_map(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { out, rule, depth } = self;
        let Kind::Each(message) = rule.kind else {
            return Err(Self { out, rule, depth }.unexpected(Unexpected::Seq));
        };
        while list.next_element_seed(Element { out, number: rule.number, message, depth })?.is_some() {}
        Ok(())
    }
}

/// Writes one message of a list.
struct Element<'a> {
    out: &'a mut Vec<u8>,
    number: u32,
    message: &'static Message,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        let Self { out, number, message, depth } = self;
        put_nested(out, number, |out| json.deserialize_map(Members { out, message, depth }))
    }
}
