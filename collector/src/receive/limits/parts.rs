//! What a span has besides its own fields: events, links, a status. And the entities of a resource.

use super::attributes::Owner;
use super::span::is_id;
use super::{Limits, Refused, decoded, refuse};
use crate::telemetry::metrics::Rejection;
use crate::wire::{Malformed, fields};

/// What an event or a link comes to.
pub(super) struct Below {
    /// Of its text.
    pub(super) bytes: usize,
    /// In memory.
    pub(super) decoded: usize,
}

impl Below {
    fn of(owner: &Owner, text: usize) -> Self {
        Self { bytes: owner.bytes + text, decoded: decoded::EVENT + owner.decoded() + decoded::text(text) }
    }
}

pub(super) fn event(limits: &Limits, event: &[u8]) -> Result<Below, Refused> {
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
    Ok(Below::of(&owner, name))
}

pub(super) fn link(limits: &Limits, link: &[u8]) -> Result<Below, Refused> {
    let mut owner = Owner::new("a link of the span");
    let (mut trace_id, mut span_id): (&[u8], &[u8]) = (&[], &[]);
    let mut trace_state = 0;
    for field in fields(link) {
        let field = field?;
        match field.number {
            1 => trace_id = field.bytes()?,
            2 => span_id = field.bytes()?,
            3 => trace_state = field.text()?.len(),
            4 => owner.attribute(limits, field.bytes()?)?,
            5 => _ = field.varint()?,
            6 => _ = field.fixed32()?,
            _ => {}
        }
    }
    owner.check(limits)?;
    check_link(trace_id, span_id, owner.attributes > 0 || trace_state > 0)?;
    Ok(Below::of(&owner, trace_state))
}

/// The specification of traces has links to no span recorded as long as they carry attributes or a trace state; those
/// have ids of zeros, or none. An id of another length is none of any span.
fn check_link(trace_id: &[u8], span_id: &[u8], carries: bool) -> Result<(), Refused> {
    for (field, id, length) in [("trace_id", trace_id, 16), ("span_id", span_id, 8)] {
        if id.len() != length && !id.is_empty() {
            return refuse(Rejection::InvalidLink, || {
                format!("{field} of a link of the span must be {length} bytes; got {} bytes", id.len())
            });
        }
        if !is_id(id, length) && !carries {
            return refuse(Rejection::InvalidLink, || {
                format!("a link of the span has no {field}, no attributes and no trace_state")
            });
        }
    }
    Ok(())
}

/// The length of a status message.
pub(super) fn status(status: &[u8]) -> Result<usize, Malformed> {
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
pub(super) fn check_entity(entity: &[u8]) -> Result<(), Malformed> {
    for field in fields(entity) {
        let field = field?;
        if (1..=4).contains(&field.number) {
            field.text()?;
        }
    }
    Ok(())
}
