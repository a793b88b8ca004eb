//! OTLP values as JSON, with their types kept.
//!
//! Strings, booleans, arrays and maps are themselves; an integer has no fraction and a double always has one. What JSON
//! cannot carry is written as OTLP's own JSON does: `{"bytesValue": "<base64>"}`, `{"doubleValue": "NaN"}`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Otlp;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::{Value, json};

use crate::model::Attributes;

/// The last one wins where a key comes twice, which OTLP forbids.
pub(super) fn attributes(pairs: Vec<KeyValue>) -> Attributes {
    pairs.into_iter().map(|pair| (pair.key, value(pair.value))).collect()
}

pub(super) fn value(any: Option<AnyValue>) -> Value {
    match any.and_then(|any| any.value) {
        // The index refers to a dictionary that only profiles have.
        None | Some(Otlp::StringValueStrindex(_)) => Value::Null,
        Some(Otlp::StringValue(text)) => Value::String(text),
        Some(Otlp::BoolValue(flag)) => Value::Bool(flag),
        Some(Otlp::IntValue(number)) => Value::from(number),
        Some(Otlp::DoubleValue(number)) => double(number),
        Some(Otlp::ArrayValue(array)) => array.values.into_iter().map(|one| value(Some(one))).collect(),
        Some(Otlp::KvlistValue(list)) => Value::Object(attributes(list.values)),
        Some(Otlp::BytesValue(bytes)) => json!({ "bytesValue": BASE64_STANDARD.encode(bytes) }),
    }
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
    use super::*;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};

    fn check(value_given: Otlp, expected: &str) {
        assert_eq!(value(Some(AnyValue { value: Some(value_given) })).to_string(), expected);
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
}
