use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1 as common;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1 as trace;
use prost::Message as _;

use super::*;

const DEPTH: usize = 16;

fn read(text: &str) -> ExportTraceServiceRequest {
    let bytes = to_protobuf(text.as_bytes(), DEPTH).unwrap_or_else(|error| panic!("{text}: {error}"));
    ExportTraceServiceRequest::decode(bytes).unwrap()
}

fn span(members: &str) -> trace::Span {
    let request = read(&format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{members}}}]}}]}}]}}"#));
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
        (r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"startTimeUnixNano":"-1"}]}]}]}"#, "is not in range"),
        (r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":3000000000}]}]}]}"#, "is not in range"),
    ] {
        let error = to_protobuf(text.as_bytes(), DEPTH).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
    let deep = "[".repeat(100_000);
    to_protobuf(format!(r#"{{"a":{deep}"#).as_bytes(), DEPTH).unwrap_err();
}

/// What is held beside the text is what it becomes, which is never longer: a list of nothing is no way around it.
#[test]
fn a_request_takes_no_more_memory_than_its_text() {
    let many = |item: &str| vec![item; (1 << 20) / (item.len() + 1)].join(",");
    let spans =
        |members: &str| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{members}]}}]}}]}}"#);
    for text in [
        spans(&many("{}")),
        spans(&many(r#"{"kind":1}"#)),
        spans(&format!(r#"{{"attributes":[{}]}}"#, many("{}"))),
        spans(&format!(r#"{{"events":[{}]}}"#, many("{}"))),
        spans(&format!(r#"{{"links":[{}]}}"#, many("{}"))),
        spans(&format!(r#"{{"links":[{}]}}"#, many(r#"{"traceId":""}"#))),
        spans(&format!(r#"{{"attributes":[{{"value":{{"arrayValue":{{"values":[{}]}}}}}}]}}"#, many("{}"))),
        spans(&format!(r#"{{"attributes":[{{"value":{{"kvlistValue":{{"values":[{}]}}}}}}]}}"#, many("{}"))),
        format!(r#"{{"resourceSpans":[{}]}}"#, many("{}")),
        format!(r#"{{"resourceSpans":[{{"resource":{{"attributes":[{}]}}}}]}}"#, many("{}")),
        format!(r#"{{"resourceSpans":[{{"scopeSpans":[{}]}}]}}"#, many(r#"{"scope":{}}"#)),
        format!(r#"{{"other":[{}]}}"#, many("[]")),
    ] {
        let measured = allocation_counter::measure(|| drop(to_protobuf(text.as_bytes(), DEPTH).unwrap()));
        let bound = text.len() as u64 + 4096;
        assert!(measured.bytes_max <= bound, "{} > {bound}: {}", measured.bytes_max, &text[..80]);
    }
}

#[test]
fn what_lies_too_deep_is_read_over_and_stays_too_deep() {
    for (in_lists, max) in [(true, 2), (false, 2), (true, 24), (false, 24)] {
        let (open, close) = if in_lists {
            (r#"{"arrayValue":{"values":["#, "]}}")
        } else {
            (r#"{"kvlistValue":{"values":[{"value":"#, "}]}}")
        };
        for (depth, expected) in [(max, max), (max + 1, max + 1), (max + 10, max + 1), (10_000, max + 1)] {
            let value = format!("{}{{}}{}", open.repeat(depth), close.repeat(depth));
            let text = format!(
                r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"events":[{{"attributes":[{{"value":{value}}}]}}]}}]}}]}}]}}"#
            );
            let bytes = to_protobuf(text.as_bytes(), max).unwrap();
            let request = ExportTraceServiceRequest::decode(bytes).unwrap();
            let span = &request.resource_spans[0].scope_spans[0].spans[0];
            let mut value = span.events[0].attributes[0].value.clone();
            let mut found = 0;
            while let Some(inner) = value.and_then(|any| any.value) {
                found += 1;
                value = match inner {
                    Value::ArrayValue(array) => array.values.into_iter().next(),
                    Value::KvlistValue(list) => list.values.into_iter().next().and_then(|pair| pair.value),
                    other => panic!("{other:?}"),
                };
            }
            assert_eq!(found, expected, "{in_lists} {max} {depth}");
        }
    }
}

#[test]
fn a_bad_value_is_shown_in_part() {
    let text = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"{}"}}]}}]}}]}}"#,
        "x".repeat(100_000)
    );
    assert!(to_protobuf(text.as_bytes(), DEPTH).unwrap_err().to_string().len() < 200);
}
