//! What messages say, apart from the rest of a span: stores keep it in a table of its own, with a retention of its own.
//!
//! Content are the attributes that `names` knows, and all events of a span as soon as one of them holds a message, so that their
//! order is kept. Putting the two parts together again gives the span as it was.

use meshtap_filter::semconv;
use serde::{Serialize, Serializer};
use serde_json::Value;

pub(super) use self::names::is_content;
use crate::model::{Attributes, Dimension, SpanRecord};

mod names;

/// Attributes that stores keep in a column of their own, with the dimension that reads them.
pub(super) const PROMOTED: [(&str, Dimension); 2] =
    [(semconv::MESHTAP_USER_ID, Dimension::User), (semconv::MESHTAP_SESSION_ID, Dimension::Session)];

/// The content of one span.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Content {
    pub(super) attributes: Attributes,
    pub(super) events: Vec<Value>,
}

/// Whether the span has any.
pub(super) fn has_content(span: &SpanRecord) -> bool {
    span.attributes.keys().any(is_content) || has_message_event(span)
}

/// The attributes of a span that are neither content nor in a column of their own.
pub(super) struct OtherAttributes<'a>(&'a SpanRecord);

impl<'a> OtherAttributes<'a> {
    pub(super) const fn of(span: &'a SpanRecord) -> Self {
        Self(span)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let span = self.0;
        let is_promoted = |name: &str| {
            PROMOTED
                .iter()
                .any(|(promoted, dimension)| *promoted == name && span.dimension(*dimension).is_some())
        };
        span.attributes.iter().filter(move |(name, _)| !is_content(name) && !is_promoted(name))
    }
}

impl Serialize for OtherAttributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

/// The content of a span that has some.
pub(super) fn content_of(span: &SpanRecord) -> Option<Content> {
    if !has_content(span) {
        return None;
    }
    let content = span.attributes.iter().filter(|(name, _)| is_content(name));
    let attributes = content.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let events = if has_message_event(span) { span.events.clone() } else { Vec::new() };
    Some(Content { attributes, events })
}

/// The events that stay with the span.
pub(super) fn plain_events(span: &SpanRecord) -> &[Value] {
    if has_message_event(span) { &[] } else { &span.events }
}

impl Content {
    /// Puts the content back into its span.
    pub(super) fn restore(self, span: &mut SpanRecord) {
        span.attributes.extend(self.attributes);
        if !self.events.is_empty() {
            span.events = self.events;
        }
    }
}

/// Older conventions put messages into events: `gen_ai.user.message`, `gen_ai.choice`, `gen_ai.content.prompt`,
/// `gen_ai.client.inference.operation.details`.
fn has_message_event(span: &SpanRecord) -> bool {
    span.events.iter().any(|event| {
        event.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with("gen_ai."))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::conformance::plain_span;

    #[test]
    fn taken_apart_and_put_together_a_span_is_the_same() {
        let mut span = plain_span(1, 1);
        span.attributes.insert("other".to_owned(), json!(1));
        assert_eq!(content_of(&span), None);
        span.attributes.insert(semconv::GEN_AI_INPUT_MESSAGES.to_owned(), json!([{"role": "user"}]));
        span.events = vec![json!({"name": "exception"}), json!({"name": "gen_ai.choice"})];
        let content = content_of(&span).unwrap();
        assert_eq!(content.attributes.len(), 1);
        assert!(plain_events(&span).is_empty());
        let mut rest = span.clone();
        rest.attributes.retain(|name, _| !is_content(name));
        rest.events.clear();
        content.restore(&mut rest);
        assert_eq!(rest, span);
    }
}
