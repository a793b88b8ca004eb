//! Time for waits: exports, retries and heartbeats are due by it, whatever happens to the wall clock.
//!
//! It is made of the steps between two looks at the wall clock. A step back is none, and one further ahead than the next
//! look can be is cut to that: so a clock that is set back holds nothing up, one that is set ahead ends no wait by more
//! than a step, and no wait is longer than itself, counted in time that the proxy runs.

use crate::span::UnixNanos;

/// Nanoseconds since a moment that means nothing.
pub type SteadyNanos = u64;

const NANOS_PER_MILLI: u64 = 1_000_000;
/// Beyond two ticks: a busy worker is late.
const LATENESS_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub struct SteadyClock {
    seen: UnixNanos,
    time: SteadyNanos,
    longest_step: u64,
}

impl SteadyClock {
    /// From now on it is looked at with every tick.
    pub fn tick_every(&mut self, millis: u32) {
        let longest = u64::from(millis).saturating_mul(2).saturating_add(LATENESS_MS);
        self.longest_step = longest.saturating_mul(NANOS_PER_MILLI);
    }

    /// The time when the wall clock says `now`.
    pub fn at(&mut self, now: UnixNanos) -> SteadyNanos {
        let step = now.saturating_sub(self.seen).min(self.longest_step);
        self.seen = now;
        self.time = self.time.saturating_add(step);
        self.time
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const HOUR: u64 = 3_600 * SECOND;
    const NOON: u64 = 500_000 * HOUR;

    /// Ticks every half second.
    fn clock() -> SteadyClock {
        let mut clock = SteadyClock::default();
        clock.tick_every(500);
        clock.at(NOON);
        clock
    }

    #[test]
    fn keeps_step_with_a_clock_that_goes() {
        let mut clock = clock();
        let start = clock.at(NOON);
        for half_seconds in 1..100 {
            assert_eq!(clock.at(NOON + half_seconds * SECOND / 2) - start, half_seconds * SECOND / 2);
        }
    }

    #[test]
    fn goes_on_when_the_clock_is_set_back() {
        let mut clock = clock();
        let start = clock.at(NOON);
        assert_eq!(clock.at(NOON - HOUR), start);
        assert_eq!(clock.at(NOON - HOUR + SECOND), start + SECOND);
        assert_eq!(clock.at(0), start + SECOND);
        assert_eq!(clock.at(SECOND), start + 2 * SECOND);
    }

    #[test]
    fn a_clock_that_is_set_ahead_is_one_step() {
        let mut clock = clock();
        let start = clock.at(NOON);
        assert_eq!(clock.at(NOON + HOUR), start + 2 * SECOND);
        assert_eq!(clock.at(NOON + HOUR + SECOND), start + 3 * SECOND);
        assert_eq!(clock.at(u64::MAX), start + 5 * SECOND);
    }
}
