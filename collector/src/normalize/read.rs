//! What the values of fields must look like. `None` for one that makes no sense.

use serde_json::Value;

use super::given::Given;
use crate::model::MAX_COUNT;

pub(super) fn text(value: &Given<'_>) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A list of strings; a single string is a list of one, or a list written as JSON.
pub(super) fn texts(value: &Given<'_>) -> Option<Vec<String>> {
    match value {
        Given::Text(text) if text.starts_with('[') => texts(&Given::Json(serde_json::from_str(text).ok()?)),
        Given::Text(text) => (!text.is_empty()).then(|| vec![(*text).to_owned()]),
        Given::Json(Value::Array(values)) => {
            values.iter().map(|value| value.as_str().map(str::to_owned)).collect()
        }
        Given::Json(_) => None,
    }
}

/// Also as a word, as tracers write it that only have texts.
pub(super) fn flag(value: &Given<'_>) -> Option<bool> {
    match value {
        Given::Text(text) => text.to_ascii_lowercase().parse().ok(),
        Given::Json(value) => value.as_bool(),
    }
}

/// A count: an integer from 0, also as a double without a fraction or as decimal digits.
pub(super) fn count(value: &Given<'_>) -> Option<u64> {
    whole(value).filter(|count| *count <= MAX_COUNT)
}

pub(super) fn http_status(value: &Given<'_>) -> Option<u16> {
    whole(value).and_then(|code| u16::try_from(code).ok()).filter(|code| (100..600).contains(code))
}

/// Seconds, from 0, as nanoseconds.
pub(super) fn seconds(value: &Given<'_>) -> Option<u64> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    let nanos = std::time::Duration::try_from_secs_f64(seconds).ok()?.as_nanos();
    u64::try_from(nanos).ok().filter(|nanos| *nanos <= MAX_COUNT)
}

/// The largest double below which every integer is exact.
const MAX_EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

fn whole(value: &Given<'_>) -> Option<u64> {
    match value {
        Given::Json(Value::Number(number)) => number.as_u64().or_else(|| whole_double(number.as_f64()?)),
        Given::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok(),
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
