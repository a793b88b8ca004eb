//! Whether the clock may be believed when something is deleted for its age.
//!
//! A clock that jumps ahead makes everything look old. What it should say is known from what it said before and the time
//! that has passed since, by the monotonic clock; at the start, from the newest span that is stored. A clock that is
//! ahead of that by more than [`MAX_LEAP`] is doubted, and believed again when it agrees, or when it has kept it up for
//! [`BELIEVED_AFTER`]: then nobody has sent spans for long, or the machine was asleep. A clock that is behind deletes
//! nothing that it should not.

use std::time::Duration;

pub(super) const MAX_LEAP: Duration = Duration::from_hours(24);
const BELIEVED_AFTER: Duration = Duration::from_hours(24);

/// What both clocks say at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    pub(super) since_1970: Duration,
    /// Monotonic, since some moment of this process.
    pub(super) uptime: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Clock {
    /// A reading that was believed.
    known: Option<Reading>,
    doubted_since: Option<Duration>,
}

impl Clock {
    /// Whether the newest stored span has to be known to judge.
    pub(super) const fn is_unknown(&self) -> bool {
        self.known.is_none()
    }

    /// # Errors
    /// How far the clock is ahead.
    pub(super) fn judge(&mut self, now: Reading, newest_span: Option<Duration>) -> Result<(), Duration> {
        let expected = match self.known {
            Some(known) => known.since_1970 + now.uptime.saturating_sub(known.uptime),
            None => newest_span.unwrap_or(now.since_1970),
        };
        let ahead = now.since_1970.saturating_sub(expected);
        let since = *self.doubted_since.get_or_insert(now.uptime);
        if ahead > MAX_LEAP && now.uptime.saturating_sub(since) < BELIEVED_AFTER {
            return Err(ahead);
        }
        self.doubted_since = None;
        // One that is set back and right again has not leapt.
        self.known = Some(Reading { since_1970: now.since_1970.max(expected), ..now });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);
    const YEAR: Duration = Duration::from_hours(365 * 24);

    fn at(since_1970: Duration, uptime: Duration) -> Reading {
        Reading { since_1970, uptime }
    }

    #[test]
    fn a_clock_that_goes_on_is_believed_however_old_the_spans_get() {
        let mut clock = Clock::default();
        for hours in 0..1000 {
            let newest = Some(50 * YEAR);
            assert_eq!(clock.judge(at(50 * YEAR + HOUR * hours, HOUR * hours), newest), Ok(()), "{hours}");
        }
    }

    #[test]
    fn a_jump_is_doubted_until_it_is_undone_or_has_lasted() {
        let mut clock = Clock::default();
        assert_eq!(clock.judge(at(50 * YEAR, HOUR), None), Ok(()));
        assert_eq!(
            clock.judge(at(50 * YEAR + 25 * HOUR, 2 * HOUR), None),
            Ok(()),
            "24 hours are not too much"
        );
        let mut clock = Clock::default();
        assert_eq!(clock.judge(at(50 * YEAR, HOUR), None), Ok(()));
        assert_eq!(clock.judge(at(51 * YEAR + HOUR, 2 * HOUR), None), Err(YEAR));
        assert_eq!(clock.judge(at(50 * YEAR + 2 * HOUR, 3 * HOUR), None), Ok(()), "undone");
        for hours in 4..28 {
            assert_eq!(
                clock.judge(at(51 * YEAR + HOUR * (hours - 1), HOUR * hours), None),
                Err(YEAR),
                "{hours}"
            );
        }
        assert_eq!(clock.judge(at(51 * YEAR + 27 * HOUR, 28 * HOUR), None), Ok(()), "it has lasted");
    }

    #[test]
    fn at_the_start_the_newest_span_tells() {
        let mut clock = Clock::default();
        assert!(clock.is_unknown());
        assert_eq!(clock.judge(at(51 * YEAR, HOUR), Some(50 * YEAR)), Err(YEAR));
        assert!(clock.is_unknown());
        assert_eq!(clock.judge(at(50 * YEAR, HOUR), Some(50 * YEAR)), Ok(()));
        assert!(!clock.is_unknown());
    }

    #[test]
    fn one_that_was_set_back_has_not_leapt_when_it_is_right_again() {
        let mut clock = Clock::default();
        for since_1970 in [50 * YEAR, 40 * YEAR, 50 * YEAR] {
            assert_eq!(clock.judge(at(since_1970, HOUR), None), Ok(()));
        }
    }
}
