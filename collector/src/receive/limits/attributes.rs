//! Counts what something has of attributes.

use super::value::Pair;
use super::{Limits, Refused, decoded, refuse};
use crate::telemetry::metrics::Rejection;

/// So much of a name is shown.
const SHOWN: usize = 64;

/// What has attributes: a span, an event, a link, a resource, a scope.
pub(super) struct Owner {
    name: &'static str,
    pub(super) attributes: usize,
    /// All names and values together.
    pub(super) bytes: usize,
    /// What arrays and maps in the values take when they are decoded, beside their text.
    nested: usize,
}

impl Owner {
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, attributes: 0, bytes: 0, nested: 0 }
    }

    pub(super) fn attribute(&mut self, limits: &Limits, pair: &[u8]) -> Result<(), Refused> {
        self.attributes += 1;
        let pair = Pair::of(pair, limits.max_value_depth)?;
        self.bytes += pair.key.len() + pair.value.bytes;
        self.nested += pair.value.nested;
        limits.check_length("an attribute's name", pair.key.len())?;
        if pair.value.too_deep {
            return refuse(Rejection::ValueTooDeep, || {
                format!(
                    "attribute {} of {} has more than {} arrays and maps within each other \
                     (receive.limits.max_value_depth)",
                    shown(pair.key),
                    self.name,
                    limits.max_value_depth
                )
            });
        }
        if pair.value.bytes > limits.max_attribute_value_bytes {
            return refuse(Rejection::ValueTooLong, || {
                format!(
                    "attribute {} of {} has {} bytes, {}",
                    shown(pair.key),
                    self.name,
                    pair.value.bytes,
                    limits.allowed()
                )
            });
        }
        Ok(())
    }

    /// What they take in memory.
    pub(super) const fn decoded(&self) -> usize {
        let map = if self.attributes == 0 { 0 } else { decoded::MAP };
        map + self.attributes * decoded::PAIR + decoded::text(self.bytes) + self.nested
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), Refused> {
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

/// A name in a message, which is not as long as its sender likes.
fn shown(name: &str) -> String {
    let start: String = name.chars().take(SHOWN).collect();
    format!("{start:?}")
}
