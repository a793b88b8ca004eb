//! Which spans of a request are taken, decided on its bytes before anything is decoded. A bad span is refused alone, with
//! the reason; the rest of its batch goes on.
//!
//! What passes can be decoded, holds the invariants of `model::SpanRecord` about ids and times, has bounded attributes,
//! and takes bounded memory when it is decoded.
//!
//! `span` is the pass over a span, with `parts` for what it is made of; `attributes` and `value` count what they carry,
//! `times` says which days are taken, `decoded` what all of it comes to in memory.

use std::time::SystemTime;

use meshtap_filter::semconv;

use self::attributes::Owner;
use self::parts::check_entity;
use self::span::Seen;
pub use self::times::{Days, Window};
pub use crate::config::Limits;
use crate::telemetry::metrics::Rejection;
use crate::wire::{Malformed, fields};

mod attributes;
mod decoded;
mod parts;
mod span;
#[cfg(test)]
mod tests;
mod times;
mod value;

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

/// What there is to know about a span that may be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// By its name.
    pub is_heartbeat: bool,
    pub start_unix_nanos: u64,
    /// What it takes in memory when it is decoded, at most.
    pub decoded_bytes: usize,
}

impl Limits {
    /// Checks the resource that the spans after it share. It is stored with each of them, so its size as a whole is
    /// bounded too. A message that comes in several parts is all of them together. Says what it takes when it is decoded.
    pub fn check_resource(&self, parts: Parts<'_>) -> Result<usize, Refused> {
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
            return Ok(owner.decoded());
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

    /// The times that are taken now.
    pub fn window(&self, now: SystemTime) -> Window {
        Window::of(self, now)
    }

    /// Checks a span by itself.
    pub fn check_span(&self, span: &[u8], window: &Window) -> Result<Checked, Refused> {
        let span = Seen::of(self, span)?;
        span.check_ids()?;
        window.check(span.start, span.end)?;
        self.check_length("the span's name", span.name.len())?;
        self.check_length("the span's trace_state", span.trace_state)?;
        self.check_length("the span's status message", span.status)?;
        check_number(Rejection::TooManyEvents, "events", span.events, self.max_events_per_span)?;
        check_number(Rejection::TooManyLinks, "links", span.links, self.max_links_per_span)?;
        span.owner.check(self)?;
        span.first_below.map_or(Ok(()), Err)?;
        let own_text = span.name.len() + span.trace_state + span.status;
        self.check_size(span.owner.bytes + span.bytes_below + own_text)?;
        Ok(Checked {
            is_heartbeat: span.name == semconv::HEARTBEAT,
            start_unix_nanos: span.start,
            decoded_bytes: decoded::SPAN
                + decoded::text(own_text)
                + span.owner.decoded()
                + span.decoded_below,
        })
    }

    /// What the spans of a batch may take when they are decoded, all together.
    pub const fn max_decoded_bytes(&self) -> usize {
        self.max_message_bytes.saturating_mul(decoded::FACTOR)
    }

    /// What a span is refused with that would take more.
    pub fn beyond_memory(&self) -> Refused {
        Refused {
            reason: Rejection::DecodedTooLarge,
            message: format!(
                "the batch takes more than {} bytes when it is decoded, {} times receive.limits.max_message_bytes; \
                 send smaller batches",
                self.max_decoded_bytes(),
                decoded::FACTOR
            ),
        }
    }

    /// What is said of spans that come after as many as are allowed.
    pub fn beyond_batch(&self) -> String {
        format!(
            "the batch has more than {} spans (receive.limits.max_spans_per_batch); send smaller batches",
            self.max_spans_per_batch
        )
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
