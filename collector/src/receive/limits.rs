//! Which spans of a request are taken. A bad span is refused alone, with the reason; the rest of its batch goes on.
//!
//! What passes holds the invariants of `model::SpanRecord` about ids and times, and has bounded attributes.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::Span;

use crate::config::Grpc;
use crate::model::MAX_UNIX_NANOS;
use crate::telemetry::metrics::Rejection;

/// Bounds on one batch and on one span.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_spans_per_batch: usize,
    pub max_attributes_per_span: usize,
    pub max_events_per_span: usize,
    pub max_links_per_span: usize,
    pub max_attribute_value_bytes: usize,
    pub max_span_bytes: usize,
    pub max_resource_bytes: usize,
}

/// Why a span was refused, for the counter and for the sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub reason: Rejection,
    pub message: String,
}

impl From<&Grpc> for Limits {
    fn from(config: &Grpc) -> Self {
        Self {
            max_spans_per_batch: config.max_spans_per_batch,
            max_attributes_per_span: config.max_attributes_per_span,
            max_events_per_span: config.max_events_per_span,
            max_links_per_span: config.max_links_per_span,
            max_attribute_value_bytes: config.max_attribute_value_bytes,
            max_span_bytes: config.max_span_bytes,
            max_resource_bytes: config.max_resource_bytes,
        }
    }
}

impl Limits {
    /// Checks the resource that the spans after it share. It is stored with each of them, so its size as a whole is
    /// bounded too.
    pub fn check_resource(&self, resource: Option<&Resource>) -> Result<(), Refused> {
        let Some(resource) = resource else { return Ok(()) };
        self.check_attributes("the resource", &resource.attributes)?;
        let bytes: usize = resource.attributes.iter().map(attribute_bytes).sum();
        if bytes <= self.max_resource_bytes {
            return Ok(());
        }
        refuse(Rejection::ResourceTooLarge, || {
            format!(
                "the resource has {bytes} bytes, {} are allowed (receive.grpc.max_resource_bytes)",
                self.max_resource_bytes
            )
        })
    }

    /// Checks the scope that the spans after it share.
    pub fn check_scope(&self, scope: Option<&InstrumentationScope>) -> Result<(), Refused> {
        let Some(scope) = scope else { return Ok(()) };
        self.check_length("the scope's name", scope.name.len())?;
        self.check_length("the scope's version", scope.version.len())
    }

    /// `position` counts the spans of the batch from 0.
    pub fn check_span(&self, position: usize, span: &Span) -> Result<(), Refused> {
        self.check_position(position)?;
        check_ids(span)?;
        check_times(span)?;
        self.check_length("the span's name", span.name.len())?;
        self.check_length("the span's trace_state", span.trace_state.len())?;
        if let Some(status) = &span.status {
            self.check_length("the span's status message", status.message.len())?;
        }
        check_number(Rejection::TooManyEvents, "events", span.events.len(), self.max_events_per_span)?;
        check_number(Rejection::TooManyLinks, "links", span.links.len(), self.max_links_per_span)?;
        self.check_attributes("the span", &span.attributes)?;
        for event in &span.events {
            self.check_length("the name of a span's event", event.name.len())?;
            self.check_attributes("an event of the span", &event.attributes)?;
        }
        for link in &span.links {
            self.check_attributes("a link of the span", &link.attributes)?;
        }
        self.check_size(span)
    }

    /// A span is shown whole in one answer of the API, so its parts together are bounded too.
    fn check_size(&self, span: &Span) -> Result<(), Refused> {
        let bytes = span_bytes(span);
        if bytes <= self.max_span_bytes {
            return Ok(());
        }
        refuse(Rejection::SpanTooLarge, || {
            format!(
                "the span has {bytes} bytes, {} are allowed (receive.grpc.max_span_bytes)",
                self.max_span_bytes
            )
        })
    }

    fn check_position(&self, position: usize) -> Result<(), Refused> {
        if position < self.max_spans_per_batch {
            return Ok(());
        }
        refuse(Rejection::TooManySpans, || {
            format!(
                "the batch has more than {} spans (receive.grpc.max_spans_per_batch); send smaller batches",
                self.max_spans_per_batch
            )
        })
    }

    fn check_attributes(&self, owner: &str, attributes: &[KeyValue]) -> Result<(), Refused> {
        if attributes.len() > self.max_attributes_per_span {
            return refuse(Rejection::TooManyAttributes, || {
                format!(
                    "{owner} has {} attributes, {} are allowed (receive.grpc.max_attributes_per_span)",
                    attributes.len(),
                    self.max_attributes_per_span
                )
            });
        }
        for attribute in attributes {
            self.check_length("an attribute's name", attribute.key.len())?;
            let bytes = attribute.value.as_ref().map_or(0, value_bytes);
            if bytes > self.max_attribute_value_bytes {
                return refuse(Rejection::ValueTooLong, || {
                    format!("attribute {:?} of {owner} has {bytes} bytes, {}", attribute.key, self.allowed())
                });
            }
        }
        Ok(())
    }

    fn check_length(&self, what: &str, bytes: usize) -> Result<(), Refused> {
        if bytes <= self.max_attribute_value_bytes {
            return Ok(());
        }
        refuse(Rejection::ValueTooLong, || format!("{what} has {bytes} bytes, {}", self.allowed()))
    }

    fn allowed(&self) -> String {
        format!("{} are allowed (receive.grpc.max_attribute_value_bytes)", self.max_attribute_value_bytes)
    }
}

fn check_number(reason: Rejection, what: &str, found: usize, allowed: usize) -> Result<(), Refused> {
    if found <= allowed {
        return Ok(());
    }
    refuse(reason, || {
        format!("the span has {found} {what}, {allowed} are allowed (receive.grpc.max_{what}_per_span)")
    })
}

fn refuse(reason: Rejection, message: impl FnOnce() -> String) -> Result<(), Refused> {
    Err(Refused { reason, message: message() })
}

fn check_ids(span: &Span) -> Result<(), Refused> {
    if !is_id(&span.trace_id, 16) {
        return refuse(Rejection::InvalidTraceId, || {
            format!("trace_id must be 16 bytes, not all zero; got {} bytes", span.trace_id.len())
        });
    }
    if !is_id(&span.span_id, 8) {
        return refuse(Rejection::InvalidSpanId, || {
            format!("span_id must be 8 bytes, not all zero; got {} bytes", span.span_id.len())
        });
    }
    if !matches!(span.parent_span_id.len(), 0 | 8) {
        return refuse(Rejection::InvalidParentSpanId, || {
            format!(
                "parent_span_id must be 8 bytes, or empty for a root; got {} bytes",
                span.parent_span_id.len()
            )
        });
    }
    Ok(())
}

fn is_id(bytes: &[u8], len: usize) -> bool {
    bytes.len() == len && bytes.iter().any(|byte| *byte != 0)
}

fn check_times(span: &Span) -> Result<(), Refused> {
    let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
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
            format!("end_time_unix_nano ({end}) is beyond the year 2262; times are nanoseconds since 1970")
        });
    }
    Ok(())
}

/// The text of everything in a span that a sender chooses freely.
fn span_bytes(span: &Span) -> usize {
    let attributes = |attributes: &[KeyValue]| attributes.iter().map(attribute_bytes).sum::<usize>();
    let events = span.events.iter().map(|event| event.name.len() + attributes(&event.attributes));
    let links = span.links.iter().map(|link| link.trace_state.len() + attributes(&link.attributes));
    let status = span.status.as_ref().map_or(0, |status| status.message.len());
    span.name.len()
        + span.trace_state.len()
        + status
        + attributes(&span.attributes)
        + events.sum::<usize>()
        + links.sum::<usize>()
}

/// What a member of an array or a list costs beside its text: it must not be free, however empty it is.
const MEMBER_BYTES: usize = 8;

/// The bytes of all text in a value; numbers count as eight.
fn value_bytes(value: &AnyValue) -> usize {
    match &value.value {
        None => 0,
        Some(Value::StringValue(text)) => text.len(),
        Some(Value::BytesValue(bytes)) => bytes.len(),
        Some(Value::ArrayValue(array)) => {
            array.values.iter().map(|value| MEMBER_BYTES + value_bytes(value)).sum()
        }
        Some(Value::KvlistValue(list)) => {
            list.values.iter().map(|pair| MEMBER_BYTES + attribute_bytes(pair)).sum()
        }
        Some(_) => 8,
    }
}

fn attribute_bytes(pair: &KeyValue) -> usize {
    pair.key.len() + pair.value.as_ref().map_or(0, value_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
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
        let found = LIMITS.check_span(1, &span).err();
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
        let refused = LIMITS.check_resource(Some(&resource)).unwrap_err();
        assert_eq!(refused.reason, Rejection::TooManyAttributes);
        let large = Resource { attributes: vec![text("a", "0123456"), text("b", "0123")], ..resource };
        assert_eq!(LIMITS.check_resource(Some(&large)).unwrap_err().reason, Rejection::ResourceTooLarge);
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
    fn the_spans_beyond_the_batch_bound_are_refused() {
        assert_eq!(LIMITS.check_span(1, &good()), Ok(()));
        let refused = LIMITS.check_span(2, &good()).unwrap_err();
        assert_eq!(refused.reason, Rejection::TooManySpans);
        assert!(refused.message.contains("receive.grpc.max_spans_per_batch"), "{}", refused.message);
    }
}
