//! One pass over a span, and what its own fields must be.

use super::attributes::Owner;
use super::parts::{Below, event, link, status};
use super::{Limits, Refused, refuse};
use crate::telemetry::metrics::Rejection;
use crate::wire::{Field, Malformed, fields};

/// One pass over a span.
pub(super) struct Seen<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    parent_span_id: &'a [u8],
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) name: &'a str,
    pub(super) trace_state: usize,
    pub(super) status: usize,
    pub(super) events: usize,
    pub(super) links: usize,
    pub(super) owner: Owner,
    /// What is wrong with an attribute, an event or a link; what is wrong with the span itself is said first.
    pub(super) first_below: Option<Refused>,
    /// The text of events and links.
    pub(super) bytes_below: usize,
    /// What they take when they are decoded.
    pub(super) decoded_below: usize,
}

impl<'a> Seen<'a> {
    pub(super) fn of(limits: &Limits, span: &'a [u8]) -> Result<Self, Malformed> {
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
            decoded_below: 0,
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

    fn note_below(&mut self, below: Result<Below, Refused>) {
        let outcome = below.map(|below| {
            self.bytes_below += below.bytes;
            self.decoded_below += below.decoded;
        });
        self.note(outcome);
    }

    pub(super) fn check_ids(&self) -> Result<(), Refused> {
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
}

pub(super) fn is_id(bytes: &[u8], len: usize) -> bool {
    bytes.len() == len && bytes.iter().any(|byte| *byte != 0)
}
