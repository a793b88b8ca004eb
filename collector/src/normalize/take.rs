//! Takes known attributes out of a map, if their values make sense.

use serde_json::Value;

use crate::model::{Attributes, MAX_COUNT};

pub(super) struct Taker<'a> {
    attributes: &'a mut Attributes,
    invalid: Vec<&'static str>,
}

impl<'a> Taker<'a> {
    pub(super) fn new(attributes: &'a mut Attributes) -> Self {
        Self { attributes, invalid: Vec::new() }
    }

    /// The names of the attributes that were there and made no sense.
    pub(super) fn invalid(self) -> Vec<&'static str> {
        self.invalid
    }

    pub(super) fn text(&mut self, name: &'static str) -> Option<String> {
        self.take(name, |value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned))
    }

    /// A list of strings; a single string is a list of one.
    pub(super) fn texts(&mut self, name: &'static str) -> Vec<String> {
        let read = |value: &Value| match value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(values) => {
                values.iter().map(|value| value.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
            }
            _ => None,
        };
        self.take(name, read).unwrap_or_default()
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.take(name, Value::as_bool)
    }

    /// A count: an integer from 0, also as a double without a fraction or as decimal digits.
    pub(super) fn count(&mut self, name: &'static str) -> Option<u64> {
        self.take(name, |value| whole(value).filter(|count| *count <= MAX_COUNT))
    }

    pub(super) fn http_status(&mut self, name: &'static str) -> Option<u16> {
        self.take(name, |value| {
            whole(value).and_then(|code| u16::try_from(code).ok()).filter(|code| (100..600).contains(code))
        })
    }

    /// Seconds, from 0, as nanoseconds.
    pub(super) fn seconds(&mut self, name: &'static str) -> Option<u64> {
        self.take(name, |value| {
            let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
            let nanos = std::time::Duration::try_from_secs_f64(seconds).ok()?.as_nanos();
            u64::try_from(nanos).ok().filter(|nanos| *nanos <= MAX_COUNT)
        })
    }

    fn take<T>(&mut self, name: &'static str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let taken = read(self.attributes.get(name)?);
        if taken.is_some() {
            self.attributes.remove(name);
        } else {
            self.invalid.push(name);
        }
        taken
    }
}

/// The largest double below which every integer is exact.
const MAX_EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

fn whole(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| whole_double(number.as_f64()?)),
        Value::String(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range and the fraction are checked"
)]
fn whole_double(number: f64) -> Option<u64> {
    let exact = (0.0..=MAX_EXACT_DOUBLE).contains(&number) && number.fract() == 0.0;
    exact.then_some(number as u64)
}
