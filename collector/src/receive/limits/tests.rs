use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;

use super::*;
use crate::config::SpanAge;
use crate::model::MAX_UNIX_NANOS;

const LIMITS: Limits = Limits {
    max_message_bytes: 1000,
    max_incoming_bytes: 1000,
    max_concurrent_batches: 1,
    max_value_depth: 2,
    max_spans_per_batch: 2,
    max_attributes_per_span: 2,
    max_events_per_span: 2,
    max_links_per_span: 1,
    max_attribute_value_bytes: 10,
    max_span_bytes: 30,
    max_resource_bytes: 12,
    max_span_age: SpanAge::Unlimited,
    max_clock_skew: None,
    max_days_per_batch: 2,
};

fn any_time() -> Window {
    LIMITS.window(UNIX_EPOCH)
}

fn good() -> Span {
    Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: 5,
        end_time_unix_nano: MAX_UNIX_NANOS,
        ..Span::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

#[expect(clippy::needless_pass_by_value, reason = "one line for each case")]
fn check(span: Span, expected: Option<Rejection>) {
    let found = LIMITS.check_span(&span.encode_to_vec(), &any_time()).err();
    assert_eq!(found.as_ref().map(|refused| refused.reason), expected, "{found:?}");
}

#[test]
fn ids() {
    check(good(), None);
    check(Span { parent_span_id: vec![3; 8], ..good() }, None);
    check(Span { parent_span_id: vec![0; 8], ..good() }, None);
    check(Span { parent_span_id: vec![3; 7], ..good() }, Some(Rejection::InvalidParentSpanId));
    check(Span { trace_id: vec![0; 16], ..good() }, Some(Rejection::InvalidTraceId));
    check(Span { trace_id: vec![1; 17], ..good() }, Some(Rejection::InvalidTraceId));
    check(Span { span_id: vec![], ..good() }, Some(Rejection::InvalidSpanId));
}

#[test]
fn times() {
    check(Span { start_time_unix_nano: 0, ..good() }, Some(Rejection::InvalidTime));
    check(Span { end_time_unix_nano: 4, ..good() }, Some(Rejection::InvalidTime));
    check(Span { end_time_unix_nano: 5, ..good() }, None);
    check(Span { end_time_unix_nano: MAX_UNIX_NANOS + 1, ..good() }, Some(Rejection::InvalidTime));
    let last = Span { start_time_unix_nano: u64::MAX, end_time_unix_nano: u64::MAX, ..good() };
    check(last, Some(Rejection::InvalidTime));
}

#[test]
fn attributes() {
    check(Span { attributes: vec![text("a", "0123456789"), text("b", "")], ..good() }, None);
    check(Span { attributes: vec![text("a", "0123456789x")], ..good() }, Some(Rejection::ValueTooLong));
    check(Span { attributes: vec![text("0123456789x", "")], ..good() }, Some(Rejection::ValueTooLong));
    let three = vec![text("a", ""), text("b", ""), text("c", "")];
    check(Span { attributes: three.clone(), ..good() }, Some(Rejection::TooManyAttributes));
    check(Span { name: "0123456789x".to_owned(), ..good() }, Some(Rejection::ValueTooLong));
    let resource = Resource { attributes: three, ..Resource::default() };
    let refused = LIMITS.check_resource(&[&resource.encode_to_vec()]).unwrap_err();
    assert_eq!(refused.reason, Rejection::TooManyAttributes);
    let large = Resource { attributes: vec![text("a", "0123456"), text("b", "0123")], ..resource };
    assert_eq!(
        LIMITS.check_resource(&[&large.encode_to_vec()]).unwrap_err().reason,
        Rejection::ResourceTooLarge
    );
}

#[test]
fn events_links_and_the_span_as_a_whole() {
    use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
    let event = Event { name: "0123456789".to_owned(), ..Event::default() };
    check(Span { events: vec![event.clone(); 2], ..good() }, None);
    check(Span { events: vec![Event::default(); 3], ..good() }, Some(Rejection::TooManyEvents));
    check(Span { links: vec![Link::default(); 2], ..good() }, Some(Rejection::TooManyLinks));
    let large = Span { events: vec![event; 2], attributes: vec![text("a", "0123456789")], ..good() };
    check(large, Some(Rejection::SpanTooLarge));
}

#[test]
fn a_status_in_parts_hides_no_message() {
    use opentelemetry_proto::tonic::trace::v1::Status;
    let part = |message: &str| {
        let status = Status { message: message.to_owned(), ..Status::default() };
        Span { status: Some(status), ..Span::default() }.encode_to_vec()
    };
    for parts in [["0123456789x", ""], ["", "0123456789x"]] {
        let message = [good().encode_to_vec(), part(parts[0]), part(parts[1])].concat();
        let found = LIMITS.check_span(&message, &any_time()).err();
        assert_eq!(found.map(|refused| refused.reason), Some(Rejection::ValueTooLong), "{parts:?}");
    }
}

#[test]
fn empty_members_are_not_free() {
    use opentelemetry_proto::tonic::common::v1::ArrayValue;
    let array = Value::ArrayValue(ArrayValue { values: vec![AnyValue::default(); 2] });
    let attribute =
        KeyValue { key: "a".to_owned(), value: Some(AnyValue { value: Some(array) }), ..KeyValue::default() };
    check(Span { attributes: vec![attribute], ..good() }, Some(Rejection::ValueTooLong));
}

#[test]
fn values_have_a_depth() {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
    let nested = |depth: usize, in_maps: bool| {
        let leaf = AnyValue { value: Some(Value::BoolValue(true)) };
        let value = (0..depth).fold(leaf, |inner, _| {
            let value = if in_maps {
                let pair = KeyValue { value: Some(inner), ..KeyValue::default() };
                Value::KvlistValue(KeyValueList { values: vec![pair] })
            } else {
                Value::ArrayValue(ArrayValue { values: vec![inner] })
            };
            AnyValue { value: Some(value) }
        });
        let pair = KeyValue { key: String::new(), value: Some(value), ..KeyValue::default() };
        Span { attributes: vec![pair], ..good() }
    };
    let deep = Limits { max_attribute_value_bytes: 1000, max_span_bytes: 1000, ..LIMITS };
    for in_maps in [false, true] {
        deep.check_span(&nested(2, in_maps).encode_to_vec(), &any_time()).unwrap();
        let refused = deep.check_span(&nested(3, in_maps).encode_to_vec(), &any_time()).unwrap_err();
        assert_eq!(refused.reason, Rejection::ValueTooDeep);
        assert!(refused.message.contains("receive.limits.max_value_depth"), "{}", refused.message);
    }
    // As deep as may be configured, what passes is decoded.
    let deepest = Limits { max_value_depth: 24, ..deep };
    let span = nested(24, true);
    deepest.check_span(&span.encode_to_vec(), &any_time()).unwrap();
    let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
    let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
    let request = ExportTraceServiceRequest { resource_spans };
    ExportTraceServiceRequest::decode(&*request.encode_to_vec()).unwrap();
}

/// The decoder stands behind the queue, where nobody can be told any more.
#[test]
fn what_passes_can_be_decoded() {
    use opentelemetry_proto::tonic::trace::v1::Status;
    use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
    let limits = Limits { max_span_bytes: 1 << 20, max_attribute_value_bytes: 1 << 20, ..LIMITS };
    let whole = Span {
        attributes: vec![text("a", "é"), text("b", "c")],
        events: vec![Event { name: "e".to_owned(), attributes: vec![text("a", "b")], ..Event::default() }],
        links: vec![Link {
            trace_id: vec![1; 16],
            span_id: vec![1; 8],
            attributes: vec![text("a", "b")],
            ..Link::default()
        }],
        status: Some(Status { message: "ü".to_owned(), code: 2 }),
        flags: 1,
        ..good()
    };
    let bytes = whole.encode_to_vec();
    assert!(!limits.check_span(&bytes, &any_time()).unwrap().is_heartbeat);
    let mut random = fastrand::Rng::with_seed(5);
    let (mut passed, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut bytes = bytes.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, random.u8(..)),
            }
        }
        match (limits.check_span(&bytes, &any_time()), Span::decode(&*bytes)) {
            (Ok(_), decoded) => {
                passed += 1;
                assert!(decoded.is_ok(), "{bytes:?}: {decoded:?}");
            }
            (Err(_), _) => refused += 1,
        }
    }
    assert!(passed > 1000 && refused > 1000, "{passed} {refused}");
}

#[test]
fn heartbeats_are_recognized_by_name_and_scope() {
    use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
    let limits = Limits { max_attribute_value_bytes: 100, max_span_bytes: 100, ..LIMITS };
    let beat = Span { name: semconv::HEARTBEAT.to_owned(), ..good() };
    assert!(limits.check_span(&beat.encode_to_vec(), &any_time()).unwrap().is_heartbeat);
    let scope = |name: &str| InstrumentationScope { name: name.to_owned(), ..Default::default() };
    assert_eq!(limits.check_scope(&[&scope(semconv::SCOPE_NAME).encode_to_vec()]), Ok(true));
    assert_eq!(limits.check_scope(&[&scope("other").encode_to_vec()]), Ok(false));
    assert_eq!(limits.check_scope(&[]), Ok(false));
}

#[test]
fn ids_of_links() {
    use opentelemetry_proto::tonic::trace::v1::span::Link;
    let whole = Link { trace_id: vec![1; 16], span_id: vec![2; 8], ..Link::default() };
    let check = |link: Link, expected| check(Span { links: vec![link], ..good() }, expected);
    let invalid = Some(Rejection::InvalidLink);
    check(whole.clone(), None);
    check(Link { trace_id: vec![1; 15], ..whole.clone() }, invalid);
    check(Link { span_id: vec![1; 16], ..whole.clone() }, invalid);
    check(Link { trace_id: vec![0; 16], ..whole.clone() }, invalid);
    check(Link { span_id: Vec::new(), ..whole.clone() }, invalid);
    check(Link::default(), invalid);
    // To no span, with something to say.
    check(Link { trace_id: vec![0; 16], attributes: vec![text("a", "b")], ..whole.clone() }, None);
    check(Link { trace_state: "a=b".to_owned(), ..Link::default() }, None);
    check(Link { trace_id: vec![1; 3], trace_state: "a=b".to_owned(), ..whole }, invalid);
}

#[test]
fn ages_and_clocks() {
    const DAY: u64 = 86_400_000_000_000;
    let limits = Limits {
        max_span_age: SpanAge::Within(Duration::from_hours(48)),
        max_clock_skew: Some(Duration::from_hours(24)),
        ..LIMITS
    };
    let window = limits.window(UNIX_EPOCH + Duration::from_hours(24 * 100));
    let check = |start: u64, end: u64, expected: Option<Rejection>| {
        let span = Span { start_time_unix_nano: start, end_time_unix_nano: end, ..good() };
        let found = limits.check_span(&span.encode_to_vec(), &window).err();
        assert_eq!(found.as_ref().map(|refused| refused.reason), expected, "{start} {end} {found:?}");
        if let Some(refused) = found.filter(|refused| refused.reason != Rejection::InvalidTime) {
            assert!(refused.message.contains("receive.limits.max_"), "{}", refused.message);
        }
    };
    check(98 * DAY, 100 * DAY, None);
    check(98 * DAY - 1, 100 * DAY, Some(Rejection::TooOld));
    check(1, 1, Some(Rejection::TooOld));
    check(101 * DAY, 101 * DAY, None);
    check(101 * DAY, 101 * DAY + 1, Some(Rejection::InTheFuture));
    check(99 * DAY, MAX_UNIX_NANOS, Some(Rejection::InTheFuture));
    // Absent is the same as 0, and no time.
    check(0, 100 * DAY, Some(Rejection::InvalidTime));
    check(99 * DAY, 0, Some(Rejection::InvalidTime));
    // A clock before 1970, and bounds beyond what there is.
    let endless = Limits {
        max_span_age: SpanAge::Within(Duration::MAX),
        max_clock_skew: Some(Duration::MAX),
        ..LIMITS
    };
    let ancient = endless.window(UNIX_EPOCH - Duration::from_hours(1));
    endless.check_span(&good().encode_to_vec(), &ancient).unwrap();
}

#[test]
fn days_of_a_batch() {
    const DAY: u64 = 86_400_000_000_000;
    let mut days = Days::new();
    for start in [5 * DAY, 5 * DAY + 7, 9 * DAY - 1, 5 * DAY] {
        days.admit(&LIMITS, start).unwrap();
    }
    let refused = days.admit(&LIMITS, 9 * DAY).unwrap_err();
    assert_eq!(refused.reason, Rejection::TooManyDays);
    assert!(refused.message.contains("receive.limits.max_days_per_batch"), "{}", refused.message);
    days.admit(&LIMITS, 8 * DAY).unwrap();
}

/// What is admitted is decoded behind the queue: what that takes is known here.
#[test]
fn decoding_takes_no_more_than_is_reckoned_with() {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{ArrayValue, KeyValueList};
    use opentelemetry_proto::tonic::trace::v1::span::{Event, Link};
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans};
    const MANY: usize = 256;
    let pair = |n: usize, value: Option<Value>| KeyValue {
        key: format!("{n:x}"),
        value: value.map(|value| AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let pairs = |value: Option<Value>| (0..MANY).map(|n| pair(n, value.clone())).collect::<Vec<_>>();
    let array = Value::ArrayValue(ArrayValue { values: vec![AnyValue::default(); MANY] });
    let map = |values| Value::KvlistValue(KeyValueList { values });
    let event = Event { attributes: vec![pair(1, None)], ..Event::default() };
    let link = Link { trace_id: vec![1; 16], span_id: vec![2; 8], ..Link::default() };
    let limits = Limits {
        max_message_bytes: 1 << 20,
        max_attributes_per_span: MANY,
        max_events_per_span: MANY,
        max_links_per_span: MANY,
        max_attribute_value_bytes: 1 << 20,
        max_span_bytes: 1 << 20,
        ..LIMITS
    };
    for (what, span) in [
        ("nothing", good()),
        ("attributes", Span { attributes: pairs(None), ..good() }),
        ("numbers", Span { attributes: pairs(Some(Value::IntValue(1))), ..good() }),
        ("text", Span { attributes: vec![text("a", &"x".repeat(100_000))], ..good() }),
        ("no numbers", Span { attributes: pairs(Some(Value::DoubleValue(f64::NAN))), ..good() }),
        ("bytes", Span { attributes: pairs(Some(Value::BytesValue(vec![7; 300]))), ..good() }),
        ("arrays", Span { attributes: pairs(Some(array)), ..good() }),
        ("maps", Span { attributes: pairs(Some(map(vec![pair(1, None)]))), ..good() }),
        ("large maps", Span { attributes: vec![pair(1, Some(map(pairs(None))))], ..good() }),
        ("events", Span { events: vec![Event::default(); MANY], ..good() }),
        ("events with attributes", Span { events: vec![event; MANY], ..good() }),
        (
            "events with many",
            Span { events: vec![Event { attributes: pairs(None), ..Event::default() }; MANY], ..good() },
        ),
        ("links", Span { links: vec![link; MANY], ..good() }),
    ] {
        let reckoned = limits.check_span(&span.encode_to_vec(), &any_time()).unwrap().decoded_bytes as u64;
        let scope_spans = vec![ScopeSpans { spans: vec![span], ..ScopeSpans::default() }];
        let resource_spans = vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }];
        let request = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let mut records = Vec::with_capacity(1);
        // The tables behind it are made once.
        crate::normalize::request(&request, drop).unwrap();
        let measured = allocation_counter::measure(|| {
            crate::normalize::request(&request, |(record, _)| records.push(record)).unwrap();
        });
        let held = u64::try_from(measured.bytes_current).unwrap();
        assert!(held <= reckoned, "{what}: {held} > {reckoned}");
    }
}
