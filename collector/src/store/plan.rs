//! Which part of a sum is read from a rollup and which from rows: whole buckets of time from the rollup, what is left at
//! both ends from rows, so that the answer is what rows alone would give.

use std::ops::Range;

use crate::model::{Dimension, TimeRange};
use crate::store::SpanFilter;

pub(super) const NANOS_PER_MINUTE: u64 = 60_000_000_000;
pub(super) const NANOS_PER_HOUR: u64 = 60 * NANOS_PER_MINUTE;
pub(super) const NANOS_PER_DAY: u64 = 24 * NANOS_PER_HOUR;

/// Sums for each bucket of time and each combination of some dimensions.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rollup {
    pub(super) bucket_nanos: u64,
    pub(super) dimensions: &'static [Dimension],
}

/// How a sum over a time range is put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Buckets to take from the rollup, by number since 1970; may be empty.
    pub(super) buckets: Range<u64>,
    /// What to take from rows: nothing, one or two ranges.
    pub(super) rows: Vec<TimeRange>,
}

impl Rollup {
    /// Whether the rollup knows all that is asked for.
    pub(super) fn answers(
        &self,
        group_by: &[Dimension],
        filter: &SpanFilter,
        interval_nanos: Option<u64>,
    ) -> bool {
        let known = |dimension: &Dimension| self.dimensions.contains(dimension);
        group_by.iter().all(known)
            && filter.equals.iter().all(|(dimension, _)| known(dimension))
            && filter.trace_id.is_none()
            && filter.end.is_none()
            && interval_nanos.is_none_or(|interval| interval.is_multiple_of(self.bucket_nanos))
    }

    pub(super) fn plan(&self, time: TimeRange) -> Plan {
        let size = self.bucket_nanos;
        let first = time.from_unix_nanos.map_or(0, |from| from.div_ceil(size));
        let last = time.to_unix_nanos.map_or(u64::MAX / size, |to| to / size);
        if first >= last {
            return Plan { buckets: 0..0, rows: vec![time] };
        }
        let before = time
            .from_unix_nanos
            .filter(|from| !from.is_multiple_of(size))
            .map(|from| TimeRange { from_unix_nanos: Some(from), to_unix_nanos: Some(first * size) });
        let after = time
            .to_unix_nanos
            .filter(|to| !to.is_multiple_of(size))
            .map(|to| TimeRange { from_unix_nanos: Some(last * size), to_unix_nanos: Some(to) });
        Plan { buckets: first..last, rows: before.into_iter().chain(after).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLLUP: Rollup = Rollup { bucket_nanos: 10, dimensions: &[Dimension::Model] };

    fn range(from: Option<u64>, to: Option<u64>) -> TimeRange {
        TimeRange { from_unix_nanos: from, to_unix_nanos: to }
    }

    /// Every instant is in the plan as often as it is in the range.
    #[test]
    fn a_plan_covers_its_range_once() {
        for from in 0..35 {
            for to in from..35 {
                let time = range(Some(from), Some(to));
                let plan = ROLLUP.plan(time);
                for at in 0..50 {
                    let in_rows = plan.rows.iter().filter(|rows| rows.contains(at)).count();
                    let covered = in_rows + usize::from(plan.buckets.contains(&(at / 10)));
                    assert_eq!(covered, usize::from(time.contains(at)), "{at} in {from}..{to}: {plan:?}");
                }
            }
        }
    }

    #[test]
    fn open_ends_are_in_the_rollup() {
        assert_eq!(ROLLUP.plan(range(None, None)), Plan { buckets: 0..u64::MAX / 10, rows: vec![] });
        let plan = ROLLUP.plan(range(Some(15), None));
        assert_eq!((plan.buckets.start, plan.rows), (2, vec![range(Some(15), Some(20))]));
    }

    #[test]
    fn what_a_rollup_does_not_know_it_does_not_answer() {
        let all = SpanFilter::default();
        assert!(ROLLUP.answers(&[Dimension::Model], &all, Some(20)));
        assert!(!ROLLUP.answers(&[Dimension::Model], &all, Some(25)));
        assert!(!ROLLUP.answers(&[Dimension::User], &all, None));
        assert!(ROLLUP.answers(&[], &SpanFilter { error: Some(true), ..all.clone() }, None));
        assert!(!ROLLUP.answers(&[], &SpanFilter { end: Some("timeout".to_owned()), ..all.clone() }, None));
        let filter = SpanFilter { equals: vec![(Dimension::User, "u".to_owned())], ..all };
        assert!(!ROLLUP.answers(&[], &filter, None));
    }
}
