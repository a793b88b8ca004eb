//! The counting rule: input includes what came from a cache and what went into one, output includes reasoning.
//!
//! Most senders follow it. Some report the input of Anthropic's API as that API does, without its cached tokens; that is
//! repaired where the span says what the uncached input is. Nothing is guessed: there are providers whose parts are
//! larger than the whole.

use crate::model::{MAX_COUNT, Usage};

/// `uncached` is the input without cached tokens, if the span tells it.
pub(super) fn complete(usage: &mut Usage, uncached: Option<u64>) {
    if uncached.is_some() && uncached == usage.input_tokens {
        let parts = [uncached, usage.cache_read_input_tokens, usage.cache_creation_input_tokens];
        usage.input_tokens =
            parts.into_iter().flatten().try_fold(0_u64, u64::checked_add).filter(|sum| *sum <= MAX_COUNT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(
        input: u64,
        read: Option<u64>,
        creation: Option<u64>,
        uncached: Option<u64>,
        expected: Option<u64>,
    ) {
        let mut usage = Usage {
            input_tokens: Some(input),
            cache_read_input_tokens: read,
            cache_creation_input_tokens: creation,
            ..Usage::default()
        };
        complete(&mut usage, uncached);
        assert_eq!(usage.input_tokens, expected, "{input} {read:?} {creation:?} {uncached:?}");
    }

    #[test]
    fn input_includes_cached() {
        check(20, Some(8), Some(4), Some(20), Some(32));
        check(20, None, Some(4), Some(20), Some(24));
        check(32, Some(8), Some(4), Some(20), Some(32));
        check(32, Some(8), Some(4), None, Some(32));
        check(0, Some(0), None, Some(0), Some(0));
    }

    #[test]
    fn nothing_is_guessed() {
        check(10, Some(80), None, None, Some(10));
    }

    #[test]
    fn what_no_store_can_hold_is_unknown() {
        check(1, Some(MAX_COUNT), None, Some(1), None);
        check(1, Some(u64::MAX), None, Some(1), None);
    }
}
