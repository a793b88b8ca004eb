//! Which spans of a request are taken, decided on its bytes before anything is decoded. A bad span is refused alone, with
//! the reason; the rest of its batch goes on.
//!
//! What passes can be decoded, holds the invariants of `model::SpanRecord` about ids and times, and has bounded
//! attributes.

use meshtap_filter::semconv;

pub use crate::config::Limits;
use crate::model::MAX_UNIX_NANOS;
use crate::telemetry::metrics::Rejection;
use crate::wire::{Field, Malformed, fields};

/// Why a span was refused, for the counter and for the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: Rejection,
    pub message: String,
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self { reason: Rejection::Malformed, message: malformed.0.to_owned() }
    }
}

/// What a message holds whose fields are no text.
type Parts<'a> = &'a [&'a [u8]];

impl Limits {
    /// Checks the resource that the spans after it share. It is stored with each of them, so its size as a whole is
    /// bounded too. A message that comes in several parts is all of them together.
    pub fn check_resource(&self, parts: Parts<'_>) -> Result<(), Refused> {
        let mut owner = Owner::new("the resource");
        for field in parts.iter().flat_map(|part| fields(part)) {
            let field = field?;
            match field.number {
                1 => owner.attribute(self, field.bytes()?)?,
                2 => _ = field.varint()?,
                3 => check_entity(field.bytes()?)?,
                _ => {}
            }
        }
        owner.check(self)?;
        if owner.bytes <= self.max_resource_bytes {
            return Ok(());
        }
        refuse(Rejection::ResourceTooLarge, || {
            format!(
                "the resource has {} bytes, {} are allowed (receive.limits.max_resource_bytes)",
                owner.bytes, self.max_resource_bytes
            )
        })
    }

    /// Checks the scope that the spans after it share, and says whether it is the filter's.
    pub fn check_scope(&self, parts: Parts<'_>) -> Result<bool, Refused> {
        let mut owner = Owner::new("the scope");
        let (mut name, mut version) = ("", "");
        for field in parts.iter().flat_map(|part| fields(part)) {
            let field = field?;
            match field.number {
                1 => name = field.text()?,
                2 => version = field.text()?,
                3 => owner.attribute(self, field.bytes()?)?,
                4 => _ = field.varint()?,
                _ => {}
            }
        }
        self.check_length("the scope's name", name.len())?;
        self.check_length("the scope's version", version.len())?;
        owner.check(self)?;
        Ok(name == semconv::SCOPE_NAME)
    }

    /// Checks a span, and says whether it has the name of a heartbeat.
    pub fn check_span(&self, span: &[u8]) -> Result<bool, Refused> {
        let span = Seen::of(self, span)?;
        span.check_ids()?;
        span.check_times()?;
        self.check_length("the span's name", span.name.len())?;
        self.check_length("the span's trace_state", span.trace_state)?;
        self.check_length("the span's status message", span.status)?;
        check_number(Rejection::TooManyEvents, "events", span.events, self.max_events_per_span)?;
        check_number(Rejection::TooManyLinks, "links", span.links, self.max_links_per_span)?;
        span.owner.check(self)?;
        span.first_below.map_or(Ok(()), Err)?;
        self.check_size(
            span.owner.bytes + span.bytes_below + span.name.len() + span.trace_state + span.status,
        )?;
        Ok(span.name == semconv::HEARTBEAT)
    }

    /// What a span is refused with that comes after as many as are allowed.
    pub fn beyond_batch(&self) -> Refused {
        Refused {
            reason: Rejection::TooManySpans,
            message: format!(
                "the batch has more than {} spans (receive.limits.max_spans_per_batch); send smaller batches",
                self.max_spans_per_batch
            ),
        }
    }

    /// A span is shown whole in one answer of the API, so its parts together are bounded too.
    fn check_size(&self, bytes: usize) -> Result<(), Refused> {
        if bytes <= self.max_span_bytes {
            return Ok(());
        }
        refuse(Rejection::SpanTooLarge, || {
            format!(
                "the span has {bytes} bytes, {} are allowed (receive.limits.max_span_bytes)",
                self.max_span_bytes
            )
        })
    }

    fn check_length(&self, what: &str, bytes: usize) -> Result<(), Refused> {
        if bytes <= self.max_attribute_value_bytes {
            return Ok(());
        }
        refuse(Rejection::ValueTooLong, || format!("{what} has {bytes} bytes, {}", self.allowed()))
    }

    fn allowed(&self) -> String {
        format!("{} are allowed (receive.limits.max_attribute_value_bytes)", self.max_attribute_value_bytes)
    }
}

/// What has attributes: a span, an event, a link, a resource, a scope.
struct Owner {
    name: &'static str,
    attributes: usize,
    /// All names and values together.
    bytes: usize,
}

impl Owner {
    const fn new(name: &'static str) -> Self {
        Self { name, attributes: 0, bytes: 0 }
    }

    fn attribute(&mut self, limits: &Limits, pair: &[u8]) -> Result<(), Refused> {
        self.attributes += 1;
        let pair = Pair::of(pair, limits.max_value_depth)?;
        self.bytes += pair.key.len() + pair.value.bytes;
        limits.check_length("an attribute's name", pair.key.len())?;
        if pair.value.too_deep {
            return refuse(Rejection::ValueTooDeep, || {
                format!(
                    "attribute {:?} of {} has more than {} arrays and maps within each other \
                     (receive.limits.max_value_depth)",
                    pair.key, self.name, limits.max_value_depth
                )
            });
        }
        if pair.value.bytes > limits.max_attribute_value_bytes {
            return refuse(Rejection::ValueTooLong, || {
                format!(
                    "attribute {:?} of {} has {} bytes, {}",
                    pair.key,
                    self.name,
                    pair.value.bytes,
                    limits.allowed()
                )
            });
        }
        Ok(())
    }

    fn check(&self, limits: &Limits) -> Result<(), Refused> {
        if self.attributes <= limits.max_attributes_per_span {
            return Ok(());
        }
        refuse(Rejection::TooManyAttributes, || {
            format!(
                "{} has {} attributes, {} are allowed (receive.limits.max_attributes_per_span)",
                self.name, self.attributes, limits.max_attributes_per_span
            )
        })
    }
}

/// One pass over a span.
struct Seen<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    start: u64,
    end: u64,
    name: &'a str,
    trace_state: usize,
    status: usize,
    events: usize,
    links: usize,
    owner: Owner,
    /// What is wrong with an attribute, an event or a link; what is wrong with the span itself is said first.
    first_below: Option<Refused>,
    /// The text of events and links.
    bytes_below: usize,
}

impl<'a> Seen<'a> {
    fn of(limits: &Limits, span: &'a [u8]) -> Result<Self, Malformed> {
        let mut seen = Self {
            trace_id: &[],
            span_id: &[],
            parent_span_id: &[],
            start: 0,
            end: 0,
            name: "",
            trace_state: 0,
            status: 0,
            events: 0,
            links: 0,
            owner: Owner::new("the span"),
            first_below: None,
            bytes_below: 0,
        };
        for field in fields(span) {
            seen.take(limits, &field?)?;
        }
        Ok(seen)
    }

    fn take(&mut self, limits: &Limits, field: &Field<'a>) -> Result<(), Malformed> {
        match field.number {
            1 => self.trace_id = field.bytes()?,
            2 => self.span_id = field.bytes()?,
            3 => self.trace_state = field.text()?.len(),
            4 => self.parent_span_id = field.bytes()?,
            5 => self.name = field.text()?,
            6 | 10 | 12 | 14 => _ = field.varint()?,
            7 => self.start = field.fixed64()?,
            8 => self.end = field.fixed64()?,
            9 => {
                let attribute = field.bytes()?;
                let outcome = self.owner.attribute(limits, attribute);
                self.note(outcome);
            }
            11 => {
                self.events += 1;
                let event = event(limits, field.bytes()?);
                self.note_below(event);
            }
            13 => {
                self.links += 1;
                let link = link(limits, field.bytes()?);
                self.note_below(link);
            }
            // The parts of a status that comes in several are put together: the longest message of all may be what stays.
            15 => self.status = self.status.max(status(field.bytes()?)?),
            16 => _ = field.fixed32()?,
            _ => {}
        }
        Ok(())
    }

    fn note(&mut self, outcome: Result<(), Refused>) {
        if let Err(refused) = outcome {
            self.first_below.get_or_insert(refused);
        }
    }

    fn note_below(&mut self, bytes: Result<usize, Refused>) {
        let outcome = bytes.map(|bytes| self.bytes_below += bytes);
        self.note(outcome);
    }

    fn check_ids(&self) -> Result<(), Refused> {
        if !is_id(self.trace_id, 16) {
            return refuse(Rejection::InvalidTraceId, || {
                format!("trace_id must be 16 bytes, not all zero; got {} bytes", self.trace_id.len())
            });
        }
        if !is_id(self.span_id, 8) {
            return refuse(Rejection::InvalidSpanId, || {
                format!("span_id must be 8 bytes, not all zero; got {} bytes", self.span_id.len())
            });
        }
        if !matches!(self.parent_span_id.len(), 0 | 8) {
            return refuse(Rejection::InvalidParentSpanId, || {
                format!(
                    "parent_span_id must be 8 bytes, or empty for a root; got {} bytes",
                    self.parent_span_id.len()
                )
            });
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), Refused> {
        let (start, end) = (self.start, self.end);
        if start == 0 {
            return refuse(Rejection::InvalidTime, || "start_time_unix_nano is missing".to_owned());
        }
        if end < start {
            return refuse(Rejection::InvalidTime, || {
                format!("end_time_unix_nano ({end}) is before start_time_unix_nano ({start})")
            });
        }
        if end > MAX_UNIX_NANOS {
            return refuse(Rejection::InvalidTime, || {
                format!(
                    "end_time_unix_nano ({end}) is beyond the year 2262; times are nanoseconds since 1970"
                )
            });
        }
        Ok(())
    }
}

/// The text of an event.
fn event(limits: &Limits, event: &[u8]) -> Result<usize, Refused> {
    let mut owner = Owner::new("an event of the span");
    let mut name = 0;
    for field in fields(event) {
        let field = field?;
        match field.number {
            1 => _ = field.fixed64()?,
            2 => name = field.text()?.len(),
            3 => owner.attribute(limits, field.bytes()?)?,
            4 => _ = field.varint()?,
            _ => {}
        }
    }
    limits.check_length("the name of a span's event", name)?;
    owner.check(limits)?;
    Ok(owner.bytes + name)
}

/// The text of a link.
fn link(limits: &Limits, link: &[u8]) -> Result<usize, Refused> {
    let mut owner = Owner::new("a link of the span");
    let mut trace_state = 0;
    for field in fields(link) {
        let field = field?;
        match field.number {
            1 | 2 => _ = field.bytes()?,
            3 => trace_state = field.text()?.len(),
            4 => owner.attribute(limits, field.bytes()?)?,
            5 => _ = field.varint()?,
            6 => _ = field.fixed32()?,
            _ => {}
        }
    }
    owner.check(limits)?;
    Ok(owner.bytes + trace_state)
}

/// The length of a status message.
fn status(status: &[u8]) -> Result<usize, Malformed> {
    let mut message = 0;
    for field in fields(status) {
        let field = field?;
        match field.number {
            2 => message = message.max(field.text()?.len()),
            3 => _ = field.varint()?,
            _ => {}
        }
    }
    Ok(message)
}

/// A reference to an entity, which says which attributes of the resource describe it. It is not kept.
fn check_entity(entity: &[u8]) -> Result<(), Malformed> {
    for field in fields(entity) {
        let field = field?;
        if (1..=4).contains(&field.number) {
            field.text()?;
        }
    }
    Ok(())
}

fn check_number(reason: Rejection, what: &str, found: usize, allowed: usize) -> Result<(), Refused> {
    if found <= allowed {
        return Ok(());
    }
    refuse(reason, || {
        format!("the span has {found} {what}, {allowed} are allowed (receive.limits.max_{what}_per_span)")
    })
}

fn refuse<T>(reason: Rejection, message: impl FnOnce() -> String) -> Result<T, Refused> {
    Err(Refused { reason, message: message() })
}

fn is_id(bytes: &[u8], len: usize) -> bool {
    bytes.len() == len && bytes.iter().any(|byte| *byte != 0)
}

/// What a member of an array or a list costs beside its text: it must not be free, however empty it is.
const MEMBER_BYTES: usize = 8;

/// A name with the size of its value.
struct Pair<'a> {
    key: &'a str,
    value: Size,
}

#[derive(Clone, Copy, Default)]
struct Size {
    /// Of all text; numbers count as eight.
    bytes: usize,
    too_deep: bool,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.too_deep |= other.too_deep;
    }
}

impl<'a> Pair<'a> {
    /// `depth` arrays and maps may be within each other.
    fn of(pair: &'a [u8], depth: usize) -> Result<Self, Malformed> {
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
                field.fixed64()?;
                size.bytes += 8;
            }
            5 | 6 => size.add(members(field.bytes()?, field.number == 6, depth)?),
            7 => size.bytes += field.bytes()?.len(),
            _ => {}
        }
    }
    Ok(size)
}

/// Of an array or a list of pairs.
fn members(list: &[u8], of_pairs: bool, depth: usize) -> Result<Size, Malformed> {
    // What lies deeper is not looked at: its span is refused.
    let Some(depth) = depth.checked_sub(1) else { return Ok(Size { bytes: 0, too_deep: true }) };
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
            size.add(pair.value);
        } else {
            size.add(value(field.bytes()?, depth)?);
        }
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
    use opentelemetry_proto::tonic::resource::v1::Resource;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;

    use super::*;

    const LIMITS: Limits = Limits {
        max_message_bytes: 1000,
        max_concurrent_batches: 1,
        max_value_depth: 2,
        max_spans_per_batch: 2,
        max_attributes_per_span: 2,
        max_events_per_span: 2,
        max_links_per_span: 1,
        max_attribute_value_bytes: 10,
        max_span_bytes: 30,
        max_resource_bytes: 12,
    };

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
        let found = LIMITS.check_span(&span.encode_to_vec()).err();
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
            let found = LIMITS.check_span(&message).err();
            assert_eq!(found.map(|refused| refused.reason), Some(Rejection::ValueTooLong), "{parts:?}");
        }
    }

    #[test]
    fn empty_members_are_not_free() {
        use opentelemetry_proto::tonic::common::v1::ArrayValue;
        let array = Value::ArrayValue(ArrayValue { values: vec![AnyValue::default(); 2] });
        let attribute = KeyValue {
            key: "a".to_owned(),
            value: Some(AnyValue { value: Some(array) }),
            ..KeyValue::default()
        };
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
            assert_eq!(deep.check_span(&nested(2, in_maps).encode_to_vec()), Ok(false));
            let refused = deep.check_span(&nested(3, in_maps).encode_to_vec()).unwrap_err();
            assert_eq!(refused.reason, Rejection::ValueTooDeep);
            assert!(refused.message.contains("receive.limits.max_value_depth"), "{}", refused.message);
        }
        // As deep as may be configured, what passes is decoded.
        let deepest = Limits { max_value_depth: 24, ..deep };
        let span = nested(24, true);
        assert_eq!(deepest.check_span(&span.encode_to_vec()), Ok(false));
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
            events: vec![Event {
                name: "e".to_owned(),
                attributes: vec![text("a", "b")],
                ..Event::default()
            }],
            links: vec![Link { trace_id: vec![1; 16], attributes: vec![text("a", "b")], ..Link::default() }],
            status: Some(Status { message: "ü".to_owned(), code: 2 }),
            flags: 1,
            ..good()
        };
        let bytes = whole.encode_to_vec();
        assert_eq!(limits.check_span(&bytes), Ok(false));
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
            match (limits.check_span(&bytes), Span::decode(&*bytes)) {
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
        assert_eq!(limits.check_span(&beat.encode_to_vec()), Ok(true));
        let scope = |name: &str| InstrumentationScope { name: name.to_owned(), ..Default::default() };
        assert_eq!(limits.check_scope(&[&scope(semconv::SCOPE_NAME).encode_to_vec()]), Ok(true));
        assert_eq!(limits.check_scope(&[&scope("other").encode_to_vec()]), Ok(false));
        assert_eq!(limits.check_scope(&[]), Ok(false));
    }
}
