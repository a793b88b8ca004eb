//! OTLP in JSON becomes OTLP in protobuf, span by span: what is held of a request beside its text is one span.
//!
//! After the specification's rules: ids in hexadecimal, bytes in base64, 64-bit integers as numbers or as text, enums as
//! integers, names in lowerCamelCase, unknown names ignored, `null` the same as absent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1 as resource;
use opentelemetry_proto::tonic::trace::v1 as trace;
use prost::Message;
use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::wire::put_message;

pub(super) fn to_protobuf(text: &[u8]) -> Result<Bytes, serde_json::Error> {
    let mut out = Vec::with_capacity(text.len());
    let mut json = serde_json::Deserializer::from_slice(text);
    Object { out: &mut out, fields: REQUEST }.deserialize(&mut json)?;
    json.end()?;
    Ok(out.into())
}

/// What a member of a message becomes.
#[derive(Clone, Copy)]
struct Rule {
    name: &'static str,
    number: u32,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// A list of messages, each by these rules.
    Each(&'static [Rule]),
    Resource,
    Scope,
    Spans,
    Text,
}

const REQUEST: &[Rule] = &[Rule { name: "resourceSpans", number: 1, kind: Kind::Each(RESOURCE_SPANS) }];
const RESOURCE_SPANS: &[Rule] = &[
    Rule { name: "resource", number: 1, kind: Kind::Resource },
    Rule { name: "scopeSpans", number: 2, kind: Kind::Each(SCOPE_SPANS) },
    Rule { name: "schemaUrl", number: 3, kind: Kind::Text },
];
const SCOPE_SPANS: &[Rule] = &[
    Rule { name: "scope", number: 1, kind: Kind::Scope },
    Rule { name: "spans", number: 2, kind: Kind::Spans },
    Rule { name: "schemaUrl", number: 3, kind: Kind::Text },
];

/// Writes one message that holds others.
struct Object<'a> {
    out: &'a mut Vec<u8>,
    fields: &'static [Rule],
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            let Some(rule) = self.fields.iter().find(|rule| rule.name == name) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let number = rule.number;
            match rule.kind {
                Kind::Each(fields) => map.next_value_seed(Each { out: self.out, number, fields })?,
                Kind::Spans => map.next_value_seed(Spans { out: self.out, number })?,
                Kind::Resource => put(self.out, number, map.next_value::<Option<Resource>>()?),
                Kind::Scope => put(self.out, number, map.next_value::<Option<Scope>>()?),
                Kind::Text => {
                    let text = map.next_value::<Option<String>>()?.unwrap_or_default();
                    put_message(self.out, number, text.as_bytes());
                }
            }
        }
        Ok(())
    }
}

fn put<T: Encoded>(out: &mut Vec<u8>, number: u32, message: Option<T>) {
    if let Some(message) = message {
        let message: T::Message = message.into();
        put_message(out, number, &message.encode_to_vec());
    }
}

/// Which message it becomes.
trait Encoded: Into<Self::Message> {
    type Message: Message;
}

struct Each<'a> {
    out: &'a mut Vec<u8>,
    number: u32,
    fields: &'static [Rule],
}

impl<'de> DeserializeSeed<'de> for Each<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Each<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut message = Vec::new();
        while list.next_element_seed(Object { out: &mut message, fields: self.fields })?.is_some() {
            put_message(self.out, self.number, &message);
            message.clear();
        }
        Ok(())
    }
}

struct Spans<'a> {
    out: &'a mut Vec<u8>,
    number: u32,
}

impl<'de> DeserializeSeed<'de> for Spans<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Spans<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of spans")
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(span) = list.next_element::<OneSpan>()? {
            put(self.out, self.number, Some(span));
        }
        Ok(())
    }
}

// --------------------------------------------------------------------------------------------- scalars and messages

fn bad<E: de::Error>(what: &str, text: &str) -> E {
    E::custom(format!("{text:?} is not {what}"))
}

/// Bytes in hexadecimal.
#[derive(Debug, Default)]
struct Hex(Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let Some(text) = Option::<Cow<'de, str>>::deserialize(json)? else { return Ok(Self::default()) };
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0);
        let digits = digits.ok_or_else(|| bad("an id in hexadecimal", &text))?;
        Ok(Self(
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect(),
        ))
    }
}

/// An integer as a number or as text.
#[derive(Debug, Default)]
struct Integer<T>(T);

impl<'de, T: TryFrom<i64> + TryFrom<u64> + std::str::FromStr + Default> Deserialize<'de> for Integer<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(IntegerVisitor(PhantomData))
    }
}

struct IntegerVisitor<T>(PhantomData<T>);

impl<T: TryFrom<i64> + TryFrom<u64> + std::str::FromStr + Default> Visitor<'_> for IntegerVisitor<T> {
    type Value = Integer<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer, as a number or as text")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Ok(Integer(T::default()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
        T::try_from(number).map(Integer).map_err(|_| bad("in range", &number.to_string()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
        T::try_from(number).map(Integer).map_err(|_| bad("in range", &number.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        text.parse().map(Integer).map_err(|_| bad("an integer", text))
    }
}

/// A number, or text for what JSON cannot write.
#[derive(Debug)]
struct Double(f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        json.deserialize_any(DoubleVisitor)
    }
}

struct DoubleVisitor;

impl Visitor<'_> for DoubleVisitor {
    type Value = Double;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    #[expect(clippy::cast_precision_loss, reason = "the sender chose a double")]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Double, E> {
        Ok(Double(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "the sender chose a double")]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Double, E> {
        Ok(Double(number as f64))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Double, E> {
        Ok(Double(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Double, E> {
        match text {
            "NaN" => Ok(Double(f64::NAN)),
            "Infinity" => Ok(Double(f64::INFINITY)),
            "-Infinity" => Ok(Double(f64::NEG_INFINITY)),
            number => number.parse().map(Double).map_err(|_| bad("a number", text)),
        }
    }
}

/// Base64, which may be of either alphabet, with or without its padding.
#[derive(Debug)]
struct Base64(Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(json)?;
        let mut standard = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
        while standard.len() % 4 != 0 {
            standard.push('=');
        }
        BASE64_STANDARD.decode(&standard).map(Self).map_err(|_| bad("base64", &text))
    }
}

/// `null` where a value is expected is none.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(json: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(json)?.unwrap_or_default())
}

/// Declares a message by its members, and the protobuf message that it becomes.
macro_rules! message {
    ($name:ident => $message:ty { $($field:ident: $type:ty = $into:expr),+ $(,)? }) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct $name { $(#[serde(deserialize_with = "or_default")] $field: $type),+ }

        impl Encoded for $name {
            type Message = $message;
        }

        impl From<$name> for $message {
            fn from(message: $name) -> Self {
                // Not all messages have members that are left out.
                let mut read = Self::default();
                $(read.$field = $into(message.$field);)+
                read
            }
        }
    };
}

fn same<T>(value: T) -> T {
    value
}

fn bytes(hex: Hex) -> Vec<u8> {
    hex.0
}

fn integer<T>(integer: Integer<T>) -> T {
    integer.0
}

fn all<A: Into<B>, B>(values: Vec<A>) -> Vec<B> {
    values.into_iter().map(Into::into).collect()
}

fn some<A: Into<B>, B>(value: Option<A>) -> Option<B> {
    value.map(Into::into)
}

message!(Resource => resource::Resource { attributes: Vec<KeyValue> = all });
message!(Scope => common::InstrumentationScope {
    name: String = same,
    version: String = same,
    attributes: Vec<KeyValue> = all,
});
message!(OneSpan => trace::Span {
    trace_id: Hex = bytes,
    span_id: Hex = bytes,
    trace_state: String = same,
    parent_span_id: Hex = bytes,
    flags: Integer<u32> = integer,
    name: String = same,
    kind: Integer<i32> = integer,
    start_time_unix_nano: Integer<u64> = integer,
    end_time_unix_nano: Integer<u64> = integer,
    attributes: Vec<KeyValue> = all,
    dropped_attributes_count: Integer<u32> = integer,
    events: Vec<Event> = all,
    dropped_events_count: Integer<u32> = integer,
    links: Vec<Link> = all,
    dropped_links_count: Integer<u32> = integer,
    status: Option<Status> = some,
});
message!(Event => trace::span::Event {
    time_unix_nano: Integer<u64> = integer,
    name: String = same,
    attributes: Vec<KeyValue> = all,
    dropped_attributes_count: Integer<u32> = integer,
});
message!(Link => trace::span::Link {
    trace_id: Hex = bytes,
    span_id: Hex = bytes,
    trace_state: String = same,
    attributes: Vec<KeyValue> = all,
    dropped_attributes_count: Integer<u32> = integer,
    flags: Integer<u32> = integer,
});
message!(Status => trace::Status { message: String = same, code: Integer<i32> = integer });
message!(KeyValue => common::KeyValue { key: String = same, value: Option<AnyValue> = some });

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "as they are called in OTLP")]
struct AnyValue {
    string_value: Option<String>,
    bool_value: Option<bool>,
    int_value: Option<Integer<i64>>,
    double_value: Option<Double>,
    array_value: Option<ArrayValue>,
    kvlist_value: Option<KvlistValue>,
    bytes_value: Option<Base64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ArrayValue {
    #[serde(deserialize_with = "or_default")]
    values: Vec<AnyValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct KvlistValue {
    #[serde(deserialize_with = "or_default")]
    values: Vec<KeyValue>,
}

impl From<AnyValue> for common::AnyValue {
    fn from(any: AnyValue) -> Self {
        let value = any
            .string_value
            .map(Value::StringValue)
            .or_else(|| any.bool_value.map(Value::BoolValue))
            .or_else(|| any.int_value.map(|number| Value::IntValue(number.0)))
            .or_else(|| any.double_value.map(|number| Value::DoubleValue(number.0)))
            .or_else(|| any.array_value.map(|array| Value::ArrayValue(array.into())))
            .or_else(|| any.kvlist_value.map(|list| Value::KvlistValue(list.into())))
            .or_else(|| any.bytes_value.map(|bytes| Value::BytesValue(bytes.0)));
        Self { value }
    }
}

impl From<ArrayValue> for common::ArrayValue {
    fn from(array: ArrayValue) -> Self {
        Self { values: all(array.values) }
    }
}

impl From<KvlistValue> for common::KeyValueList {
    fn from(list: KvlistValue) -> Self {
        Self { values: all(list.values) }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

    use super::*;

    fn read(text: &str) -> ExportTraceServiceRequest {
        let bytes = to_protobuf(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
        ExportTraceServiceRequest::decode(bytes).unwrap()
    }

    fn span(members: &str) -> trace::Span {
        let request =
            read(&format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{members}}}]}}]}}]}}"#));
        request.resource_spans[0].scope_spans[0].spans[0].clone()
    }

    /// The example of the specification's repository, shortened.
    #[test]
    fn the_examples_of_the_specification() {
        let request = read(
            r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"my.service"}}]},
            "scopeSpans":[{"scope":{"name":"my.library","version":"1.0.0","attributes":[]},
            "spans":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174","parentSpanId":"EEE19B7EC3C1B173",
            "name":"I'm a server span","startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,"kind":2,
            "attributes":[{"key":"my.span.attr","value":{"stringValue":"some value"}}],"status":{"code":2,"message":"no"},
            "events":[{"timeUnixNano":"5","name":"e"}],"links":[{"traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"EEE19B7EC3C1B174"}]}]}]}]}"#,
        );
        let resource_spans = &request.resource_spans[0];
        assert_eq!(resource_spans.resource.as_ref().unwrap().attributes[0].key, "service.name");
        let scope_spans = &resource_spans.scope_spans[0];
        assert_eq!(scope_spans.scope.as_ref().unwrap().version, "1.0.0");
        let span = &scope_spans.spans[0];
        assert_eq!(span.trace_id[..4], [0x5b, 0x8e, 0xff, 0xf7]);
        assert_eq!((span.kind, span.parent_span_id.len(), &*span.name), (2, 8, "I'm a server span"));
        assert_eq!(span.start_time_unix_nano, 1_544_712_660_000_000_000);
        assert_eq!(span.end_time_unix_nano, 1_544_712_661_000_000_000);
        assert_eq!(span.status.as_ref().map(|status| (status.code, &*status.message)), Some((2, "no")));
        assert_eq!((span.events[0].time_unix_nano, span.links[0].trace_id.len()), (5, 16));
    }

    #[test]
    fn values_of_every_type() {
        let check = |json: &str, expected: Option<Value>| {
            let span = span(&format!(r#""attributes":[{{"key":"k","value":{json}}}]"#));
            assert_eq!(span.attributes[0].value.clone().and_then(|any| any.value), expected, "{json}");
        };
        check(r#"{"stringValue":"a\nb"}"#, Some(Value::StringValue("a\nb".to_owned())));
        check(r#"{"boolValue":true}"#, Some(Value::BoolValue(true)));
        check(r#"{"intValue":"-9223372036854775808"}"#, Some(Value::IntValue(i64::MIN)));
        check(r#"{"intValue":7}"#, Some(Value::IntValue(7)));
        check(r#"{"doubleValue":1}"#, Some(Value::DoubleValue(1.0)));
        check(r#"{"doubleValue":"-Infinity"}"#, Some(Value::DoubleValue(f64::NEG_INFINITY)));
        check(r#"{"bytesValue":"AP8="}"#, Some(Value::BytesValue(vec![0, 255])));
        check(r#"{"bytesValue":"AP8"}"#, Some(Value::BytesValue(vec![0, 255])));
        check(r#"{"arrayValue":{}}"#, Some(Value::ArrayValue(common::ArrayValue::default())));
        check(r#"{"kvlistValue":{"values":[]}}"#, Some(Value::KvlistValue(common::KeyValueList::default())));
        check("{}", None);
        check("null", None);
        check(r#"{"newValue":{"a":[1]}}"#, None);
    }

    #[test]
    fn unknown_and_null_members_are_ignored() {
        for empty in
            ["{}", r#"{"resourceSpans":null}"#, r#"{"resourceSpans":[]}"#, r#"{"other":{"deep":[{"a":1}]}}"#]
        {
            assert!(read(empty).resource_spans.is_empty(), "{empty}");
        }
        let span = span(r#""name":null,"traceId":null,"attributes":null,"kind":null,"color":"blue""#);
        assert_eq!(span, trace::Span::default());
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("", "EOF"),
            ("[]", "an object"),
            ("{} x", "trailing"),
            (r#"{"resourceSpans":{}}"#, "a list of objects"),
            (
                r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xy"}]}]}]}"#,
                "\"xy\" is not an id in hex",
            ),
            (
                r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"-1"}]}]}]}"#,
                "is not an integer",
            ),
            (r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":3000000000}]}]}]}"#, "is not in range"),
        ] {
            let error = to_protobuf(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        let deep = "[".repeat(100_000);
        to_protobuf(format!(r#"{{"a":{deep}"#).as_bytes()).unwrap_err();
    }
}
