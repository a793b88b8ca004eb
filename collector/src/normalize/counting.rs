//! The counting rule: input includes what came from a cache and what went into one, output includes reasoning.
//!
//! Most senders follow it. Some report the input of Anthropic's API as that API does, without its cached tokens. That is
//! repaired where the span shows it: it says what the uncached input is, or its parts are larger than the whole.

use crate::model::{MAX_COUNT, Usage};

/// `uncached` is the input without cached tokens, if the span tells it.
pub(super) fn complete(usage: &mut Usage, uncached: Option<u64>) {
    let cached = sum(usage.cache_read_input_tokens, usage.cache_creation_input_tokens);
    usage.input_tokens = whole(usage.input_tokens, cached, uncached);
    usage.output_tokens = whole(usage.output_tokens, usage.reasoning_output_tokens, None);
}

/// The count with its parts in it.
fn whole(count: Option<u64>, parts: Option<u64>, without: Option<u64>) -> Option<u64> {
    let (Some(known), Some(parts)) = (count, parts) else { return count };
    if without == count || parts > known { sum(count, Some(parts)) } else { count }
}

/// `None` when neither is known, or when it is more than a store can hold.
fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => a.checked_add(b).filter(|sum| *sum <= MAX_COUNT),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: u64, read: u64, creation: u64, uncached: Option<u64>, expected: u64) {
        let mut usage = Usage {
            input_tokens: Some(input),
            cache_read_input_tokens: Some(read),
            cache_creation_input_tokens: Some(creation),
            ..Usage::default()
        };
        complete(&mut usage, uncached);
        assert_eq!(usage.input_tokens, Some(expected), "{input} {read} {creation} {uncached:?}");
    }

    #[test]
    fn input_includes_cached() {
        check(32, 8, 4, None, 32);
        check(32, 8, 4, Some(20), 32);
        check(20, 8, 4, Some(20), 32);
        check(10, 8, 4, None, 22);
        check(12, 8, 4, None, 12);
        check(0, 0, 0, Some(0), 0);
    }

    #[test]
    fn output_includes_reasoning() {
        let output = |output, reasoning| {
            let mut usage =
                Usage { output_tokens: output, reasoning_output_tokens: reasoning, ..Usage::default() };
            complete(&mut usage, None);
            usage.output_tokens
        };
        assert_eq!(output(Some(9), Some(4)), Some(9));
        assert_eq!(output(Some(5), Some(64)), Some(69));
        assert_eq!(output(None, Some(64)), None);
        assert_eq!(output(Some(9), None), Some(9));
    }

    #[test]
    fn what_no_store_can_hold_is_unknown() {
        let mut usage =
            Usage { input_tokens: Some(1), cache_read_input_tokens: Some(MAX_COUNT), ..Usage::default() };
        complete(&mut usage, None);
        assert_eq!(usage.input_tokens, None);
    }
}
