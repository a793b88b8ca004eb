//! OTLP values as JSON, with their types kept.
//!
//! Strings, booleans, arrays and maps are themselves; an integer has no fraction and a double always has one. What JSON
//! cannot carry is written as OTLP's own JSON does: `{"bytesValue": "<base64>"}`, `{"doubleValue": "NaN"}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::given::Given;
use crate::model::Attributes;
use crate::wire::{Malformed, fields, messages};

/// Arrays and maps within each other; `receive` allows fewer.
const MAX_DEPTH: usize = 100;

/// A name with its value; null when it has none.
pub(super) fn pair(message: &[u8]) -> Result<(&str, Given<'_>), Malformed> {
    pair_within(message, MAX_DEPTH)
}

/// Of the messages with a pair each. The last one wins where a key comes twice, which OTLP forbids.
pub(super) fn attributes<'a>(pairs: impl IntoIterator<Item = &'a [u8]>) -> Result<Attributes, Malformed> {
    pairs
        .into_iter()
        .map(|bytes| pair(bytes).map(|(key, value)| (key.to_owned(), value.into_json())))
        .collect()
}

fn pair_within(message: &[u8], depth: usize) -> Result<(&str, Given<'_>), Malformed> {
    let (mut key, mut value) = ("", Given::Json(Value::Null));
    for field in fields(message) {
        let field = field?;
        match field.number {
            1 => key = field.text()?,
            2 => value = any(field.bytes()?, depth)?,
            _ => {}
        }
    }
    Ok((key, value))
}

/// Of a value that comes twice the last one counts.
fn any(message: &[u8], depth: usize) -> Result<Given<'_>, Malformed> {
    let mut value = Given::Json(Value::Null);
    for field in fields(message) {
        let field = field?;
        value = match field.number {
            1 => Given::Text(field.text()?),
            2 => Given::Json(Value::Bool(field.varint()? != 0)),
            3 => Given::Json(Value::from(field.varint()?.cast_signed())),
            4 => Given::Json(double(f64::from_bits(field.fixed64()?))),
            5 => Given::Json(array(field.bytes()?, deeper(depth)?)?),
            6 => Given::Json(map(field.bytes()?, deeper(depth)?)?),
            7 => Given::Json(json!({ "bytesValue": BASE64_STANDARD.encode(field.bytes()?) })),
            // The index refers to a dictionary that only profiles have.
            8 => Given::Json(Value::Null),
            _ => value,
        };
    }
    Ok(value)
}

fn deeper(depth: usize) -> Result<usize, Malformed> {
    depth.checked_sub(1).ok_or(Malformed("values are too deep within each other"))
}

fn array(message: &[u8], depth: usize) -> Result<Value, Malformed> {
    messages(message, 1).map(|one| Ok(any(one?, depth)?.into_json())).collect()
}

fn map(message: &[u8], depth: usize) -> Result<Value, Malformed> {
    let pairs = messages(message, 1).map(|one| {
        let (key, value) = pair_within(one?, depth)?;
        Ok((key.to_owned(), value.into_json()))
    });
    pairs.collect::<Result<Map<_, _>, _>>().map(Value::Object)
}

fn double(number: f64) -> Value {
    match serde_json::Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if number.is_nan() => json!({ "doubleValue": "NaN" }),
        None if number.is_sign_positive() => json!({ "doubleValue": "Infinity" }),
        None => json!({ "doubleValue": "-Infinity" }),
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
    use prost::Message as _;

    use super::*;

    fn check(value: Otlp, expected: &str) {
        let pair = KeyValue {
            key: "k".to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        };
        let message = pair.encode_to_vec();
        let (key, value) = super::pair(&message).unwrap();
        assert_eq!((key, value.into_json().to_string().as_str()), ("k", expected));
    }

    #[test]
    fn types_survive() {
        check(Otlp::StringValue("1".to_owned()), "\"1\"");
        check(Otlp::IntValue(i64::MIN), "-9223372036854775808");
        check(Otlp::DoubleValue(1.0), "1.0");
        check(Otlp::DoubleValue(f64::NEG_INFINITY), r#"{"doubleValue":"-Infinity"}"#);
        check(Otlp::DoubleValue(f64::NAN), r#"{"doubleValue":"NaN"}"#);
        check(Otlp::BytesValue(vec![0, 1, 255]), r#"{"bytesValue":"AAH/"}"#);
        check(Otlp::StringValueStrindex(3), "null");
        let one = AnyValue { value: Some(Otlp::BoolValue(true)) };
        check(
            Otlp::ArrayValue(ArrayValue { values: vec![one.clone(), AnyValue { value: None }] }),
            "[true,null]",
        );
        let pair = KeyValue { key: "k".to_owned(), value: Some(one), ..KeyValue::default() };
        check(Otlp::KvlistValue(KeyValueList { values: vec![pair] }), r#"{"k":true}"#);
    }

    #[test]
    fn what_is_too_deep_is_malformed() {
        let nested = |depth| {
            (0..depth).fold(Otlp::BoolValue(true), |value, _| {
                Otlp::ArrayValue(ArrayValue { values: vec![AnyValue { value: Some(value) }] })
            })
        };
        for (depth, is_read) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false)] {
            let message = AnyValue { value: Some(nested(depth)) }.encode_to_vec();
            assert_eq!(any(&message, MAX_DEPTH).is_ok(), is_read, "{depth}");
        }
    }
}
