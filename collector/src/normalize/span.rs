//! What the bytes of a span, an event or a link say, without copying it. Of what stands there twice the last one counts,
//! and unknown fields are passed over.

use super::attributes::{attributes, pair};
use super::sift::Sifted;
use crate::model::Attributes;
use crate::wire::{Malformed, fields};

#[derive(Debug, Default)]
pub(super) struct SpanMessage<'a> {
    pub(super) trace_id: &'a [u8],
    pub(super) span_id: &'a [u8],
    pub(super) parent_span_id: &'a [u8],
    pub(super) trace_state: &'a str,
    pub(super) name: &'a str,
    pub(super) kind: u64,
    pub(super) start_unix_nanos: u64,
    pub(super) end_unix_nanos: u64,
    pub(super) status_code: u64,
    pub(super) status_message: &'a str,
    pub(super) attributes: Sifted<'a>,
    pub(super) events: Vec<EventMessage<'a>>,
    pub(super) links: Vec<LinkMessage<'a>>,
}

#[derive(Debug, Default)]
pub(super) struct EventMessage<'a> {
    pub(super) unix_nanos: u64,
    pub(super) name: &'a str,
    pub(super) attributes: Attributes,
}

#[derive(Debug, Default)]
pub(super) struct LinkMessage<'a> {
    pub(super) trace_id: &'a [u8],
    pub(super) span_id: &'a [u8],
    pub(super) trace_state: &'a str,
    pub(super) attributes: Attributes,
}

impl<'a> SpanMessage<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut span = Self::default();
        for field in fields(message) {
            let field = field?;
            match field.number {
                1 => span.trace_id = field.bytes()?,
                2 => span.span_id = field.bytes()?,
                3 => span.trace_state = field.text()?,
                4 => span.parent_span_id = field.bytes()?,
                5 => span.name = field.text()?,
                6 => span.kind = field.varint()?,
                7 => span.start_unix_nanos = field.fixed64()?,
                8 => span.end_unix_nanos = field.fixed64()?,
                9 => {
                    let (key, value) = pair(field.bytes()?)?;
                    span.attributes.add(key, value);
                }
                11 => span.events.push(EventMessage::read(field.bytes()?)?),
                13 => span.links.push(LinkMessage::read(field.bytes()?)?),
                15 => span.read_status(field.bytes()?)?,
                _ => {}
            }
        }
        span.attributes.sort();
        Ok(span)
    }

    fn read_status(&mut self, message: &'a [u8]) -> Result<(), Malformed> {
        for field in fields(message) {
            let field = field?;
            match field.number {
                2 => self.status_message = field.text()?,
                3 => self.status_code = field.varint()?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl<'a> EventMessage<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (mut event, mut pairs) = (Self::default(), Vec::new());
        for field in fields(message) {
            let field = field?;
            match field.number {
                1 => event.unix_nanos = field.fixed64()?,
                2 => event.name = field.text()?,
                3 => pairs.push(field.bytes()?),
                _ => {}
            }
        }
        event.attributes = attributes(pairs)?;
        Ok(event)
    }
}

impl<'a> LinkMessage<'a> {
    fn read(message: &'a [u8]) -> Result<Self, Malformed> {
        let (mut link, mut pairs) = (Self::default(), Vec::new());
        for field in fields(message) {
            let field = field?;
            match field.number {
                1 => link.trace_id = field.bytes()?,
                2 => link.span_id = field.bytes()?,
                3 => link.trace_state = field.text()?,
                4 => pairs.push(field.bytes()?),
                _ => {}
            }
        }
        link.attributes = attributes(pairs)?;
        Ok(link)
    }
}
