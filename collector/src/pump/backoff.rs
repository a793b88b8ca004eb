//! How long to wait before the next attempt: twice as long each time up to a bound, and a random part of it, so that
//! several collectors do not come back together.

use std::time::Duration;

use crate::config;

#[derive(Clone, Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(super) const fn new(config: &config::Pump) -> Self {
        Self { min: config.min_backoff, max: config.max_backoff, next: config.min_backoff }
    }

    /// Between half of the time and all of it.
    pub(super) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.max);
        whole.mul_f64(0.5 + fastrand::f64() / 2.0)
    }

    pub(super) const fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn it_doubles_up_to_the_bound_and_starts_again() {
        let mut config = Config::default().pump;
        (config.min_backoff, config.max_backoff) = (Duration::from_millis(100), Duration::from_millis(350));
        let mut backoff = Backoff::new(&config);
        for _ in 0..2 {
            for whole in [100, 200, 350, 350] {
                let wait = backoff.next();
                let whole = Duration::from_millis(whole);
                assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
            }
            backoff.reset();
        }
    }
}
