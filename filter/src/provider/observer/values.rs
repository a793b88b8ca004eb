//! Scalars of a body as what they mean, and how they change what is known.

use super::facts::Text;
use crate::decimal;
use crate::usage::IMPOSSIBLE;
use crate::wire::json::Scalar;

pub(super) fn is_something(value: Scalar<'_>) -> bool {
    !matches!(value, Scalar::Null | Scalar::String { bytes: [], .. })
}

/// Later chunks may carry null or an empty text where an earlier one was specific: those never overwrite.
pub(super) fn keep(text: Text, slot: &mut Text) {
    if text.is_some() {
        *slot = text;
    }
}

/// A null says that the count is not there, and leaves what another name or an earlier object said.
pub(super) fn set(slot: &mut Option<u64>, value: Scalar<'_>) {
    if value != Scalar::Null {
        *slot = Some(token_count(value).unwrap_or(IMPOSSIBLE));
    }
}

/// One part of a sum.
pub(super) fn add(slot: &mut Option<u64>, value: Scalar<'_>) {
    if value != Scalar::Null {
        let more = token_count(value).unwrap_or(IMPOSSIBLE);
        *slot = Some(slot.unwrap_or(0).saturating_add(more));
    }
}

/// Like `set`, for a count that some give under two names in one object: a zero takes nothing away from the other.
pub(super) fn set_unless_zero(slot: &mut Option<u64>, value: Scalar<'_>, has_figure: &mut bool) {
    let is_zero = token_count(value) == Some(0);
    if !(is_zero && *has_figure) {
        set(slot, value);
    }
    *has_figure |= !is_zero && value != Scalar::Null;
}

/// Valid UTF-8 of at most `max_bytes`, cut between characters; and whether anything was cut.
pub(super) fn bounded(bytes: &[u8], truncated: bool, max_bytes: usize) -> (String, bool) {
    // Not more of it, so that what is cut off takes no memory either.
    let head = bytes.get(..max_bytes).unwrap_or(bytes);
    let truncated = truncated || head.len() < bytes.len();
    if let Ok(text) = std::str::from_utf8(head)
        && !truncated
    {
        return (text.to_owned(), false);
    }
    let mut text = String::with_capacity(head.len());
    for chunk in head.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    // A string cut at its bound may end in the middle of a character.
    if truncated && text.ends_with(char::REPLACEMENT_CHARACTER) {
        text.pop();
    }
    // What stands for a bad byte is longer than it.
    let cut = text.len() > max_bytes;
    if cut {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.shrink_to_fit();
    }
    (text, cut || truncated)
}

pub(super) fn boolean(value: Scalar<'_>) -> Option<bool> {
    if let Scalar::Bool(value) = value { Some(value) } else { None }
}

pub(super) fn number(value: Scalar<'_>) -> Option<f64> {
    let Scalar::Number(digits) = value else { return None };
    decimal::parse(digits)
}

pub(super) fn integer(value: Scalar<'_>) -> Option<i64> {
    if let Scalar::Number(digits) = value { digits.parse().ok() } else { None }
}

/// A count that is certain: a whole number that fits. Negative, fractional and absurd ones are absent.
pub(super) fn token_count(value: Scalar<'_>) -> Option<u64> {
    let Scalar::Number(digits) = value else { return None };
    let whole = digits.strip_suffix(".0").unwrap_or(digits);
    whole.parse().ok().filter(|count| i64::try_from(*count).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_whole_numbers_or_absent() {
        let count = |digits| token_count(Scalar::Number(digits));
        assert_eq!(count("0"), Some(0));
        assert_eq!(count("9223372036854775807"), Some(i64::MAX as u64));
        for odd in ["-1", "1.5", "1e3", "9223372036854775808", "99999999999999999999"] {
            assert_eq!(count(odd), None, "{odd}");
        }
        assert_eq!(token_count(Scalar::String { bytes: b"5", truncated: false }), None);
    }

    #[test]
    fn strings_are_cut_between_characters() {
        assert_eq!(bounded("aéb".as_bytes(), false, 2), ("a".into(), true));
        assert_eq!(bounded("aéb".as_bytes(), false, 4), ("aéb".into(), false));
        assert_eq!(bounded(b"a\xc3", true, 10), ("a".into(), true));
        assert_eq!(bounded(b"a\xffb", false, 10), ("a\u{fffd}b".into(), false));
    }
}
