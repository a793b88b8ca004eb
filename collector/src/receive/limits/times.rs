//! What times spans may have. A store keeps spans by days, and for a time: one that is older would be deleted unseen, and
//! every day that a batch has spans of is a partition of its own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Limits, Refused, refuse};
use crate::config::SpanAge;
use crate::model::MAX_UNIX_NANOS;
use crate::telemetry::metrics::Rejection;
use crate::time::rfc3339;

const NANOS_PER_DAY: u64 = 86_400_000_000_000;

/// What is taken at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Of a span's start.
    earliest: u64,
    /// Of a span's end.
    latest: u64,
}

impl Window {
    pub(super) fn of(limits: &Limits, now: SystemTime) -> Self {
        let now = nanos(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let earliest = match limits.max_span_age {
            SpanAge::Within(age) => now.saturating_sub(nanos(age)),
            SpanAge::Retention | SpanAge::Unlimited => 0,
        };
        let latest = limits.max_clock_skew.map_or(MAX_UNIX_NANOS, |skew| now.saturating_add(nanos(skew)));
        Self { earliest, latest }
    }

    pub(super) fn check(&self, start: u64, end: u64) -> Result<(), Refused> {
        if start == 0 || end == 0 {
            return refuse(Rejection::InvalidTime, || {
                let which = if start == 0 { "start_time_unix_nano" } else { "end_time_unix_nano" };
                format!("{which} is missing; spans are sent when they have ended")
            });
        }
        if end < start {
            return refuse(Rejection::InvalidTime, || {
                format!("end_time_unix_nano ({end}) is before start_time_unix_nano ({start})")
            });
        }
        if end > MAX_UNIX_NANOS {
            return refuse(Rejection::InvalidTime, || {
                format!(
                    "end_time_unix_nano ({end}) is beyond the year 2262; times are nanoseconds since 1970"
                )
            });
        }
        if start < self.earliest {
            return refuse(Rejection::TooOld, || {
                format!(
                    "the span starts at {}, spans from {} on are kept (receive.limits.max_span_age, store.retention)",
                    rfc3339(start),
                    rfc3339(self.earliest)
                )
            });
        }
        if end > self.latest {
            return refuse(Rejection::InTheFuture, || {
                format!(
                    "the span ends at {}, {} is the latest that is taken (receive.limits.max_clock_skew); \
                     compare the sender's clock with the collector's",
                    rfc3339(end),
                    rfc3339(self.latest)
                )
            });
        }
        Ok(())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The days, in UTC, on which the spans of a batch start.
#[derive(Clone, Debug, Default)]
pub struct Days(Vec<u64>);

impl Days {
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    pub fn admit(&mut self, limits: &Limits, start: u64) -> Result<(), Refused> {
        let day = start / NANOS_PER_DAY;
        // Most spans are of the same day.
        if self.0.last() == Some(&day) || self.0.contains(&day) {
            return Ok(());
        }
        if self.0.len() < limits.max_days_per_batch {
            self.0.push(day);
            return Ok(());
        }
        refuse(Rejection::TooManyDays, || {
            format!(
                "the batch has spans of more than {} days (receive.limits.max_days_per_batch); \
                 send those of other days apart",
                limits.max_days_per_batch
            )
        })
    }
}
