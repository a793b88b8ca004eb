//! Which members the messages of OTLP have in JSON, and their numbers in protobuf.

use super::scalar::Scalar;
use super::scalar::Scalar::{Base64, Bool, Double, Enum, Fixed32, Fixed64, Hex, Int64, Text, Uint32};

pub(super) type Message = [Rule];

/// What a member becomes.
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: &'static str,
    pub(super) number: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Scalar(Scalar),
    One(&'static Message),
    /// A list of messages.
    Each(&'static Message),
    /// An array or a map within a value.
    Deeper(&'static Message),
}

const fn scalar(name: &'static str, number: u32, scalar: Scalar) -> Rule {
    Rule { name, number, kind: Kind::Scalar(scalar) }
}

const fn one(name: &'static str, number: u32, message: &'static Message) -> Rule {
    Rule { name, number, kind: Kind::One(message) }
}

const fn each(name: &'static str, number: u32, message: &'static Message) -> Rule {
    Rule { name, number, kind: Kind::Each(message) }
}

const fn deeper(name: &'static str, number: u32, message: &'static Message) -> Rule {
    Rule { name, number, kind: Kind::Deeper(message) }
}

pub(super) static REQUEST: [Rule; 1] = [each("resourceSpans", 1, &RESOURCE_SPANS)];
static RESOURCE_SPANS: [Rule; 3] =
    [one("resource", 1, &RESOURCE), each("scopeSpans", 2, &SCOPE_SPANS), scalar("schemaUrl", 3, Text)];
static RESOURCE: [Rule; 1] = [each("attributes", 1, &KEY_VALUE)];
static SCOPE_SPANS: [Rule; 3] =
    [one("scope", 1, &SCOPE), each("spans", 2, &SPAN), scalar("schemaUrl", 3, Text)];
static SCOPE: [Rule; 3] =
    [scalar("name", 1, Text), scalar("version", 2, Text), each("attributes", 3, &KEY_VALUE)];
static SPAN: [Rule; 16] = [
    scalar("traceId", 1, Hex),
    scalar("spanId", 2, Hex),
    scalar("traceState", 3, Text),
    scalar("parentSpanId", 4, Hex),
    scalar("name", 5, Text),
    scalar("kind", 6, Enum),
    scalar("startTimeUnixNano", 7, Fixed64),
    scalar("endTimeUnixNano", 8, Fixed64),
    each("attributes", 9, &KEY_VALUE),
    scalar("droppedAttributesCount", 10, Uint32),
    each("events", 11, &EVENT),
    scalar("droppedEventsCount", 12, Uint32),
    each("links", 13, &LINK),
    scalar("droppedLinksCount", 14, Uint32),
    one("status", 15, &STATUS),
    scalar("flags", 16, Fixed32),
];
static EVENT: [Rule; 4] = [
    scalar("timeUnixNano", 1, Fixed64),
    scalar("name", 2, Text),
    each("attributes", 3, &KEY_VALUE),
    scalar("droppedAttributesCount", 4, Uint32),
];
static LINK: [Rule; 6] = [
    scalar("traceId", 1, Hex),
    scalar("spanId", 2, Hex),
    scalar("traceState", 3, Text),
    each("attributes", 4, &KEY_VALUE),
    scalar("droppedAttributesCount", 5, Uint32),
    scalar("flags", 6, Fixed32),
];
static STATUS: [Rule; 2] = [scalar("message", 2, Text), scalar("code", 3, Enum)];
static KEY_VALUE: [Rule; 2] = [scalar("key", 1, Text), one("value", 2, &ANY_VALUE)];
static ANY_VALUE: [Rule; 7] = [
    scalar("stringValue", 1, Text),
    scalar("boolValue", 2, Bool),
    scalar("intValue", 3, Int64),
    scalar("doubleValue", 4, Double),
    deeper("arrayValue", 5, &ARRAY_VALUE),
    deeper("kvlistValue", 6, &KVLIST_VALUE),
    scalar("bytesValue", 7, Base64),
];
static ARRAY_VALUE: [Rule; 1] = [each("values", 1, &ANY_VALUE)];
static KVLIST_VALUE: [Rule; 1] = [each("values", 1, &KEY_VALUE)];
