//! What was measured, round by round, and what follows from it.

use std::collections::BTreeMap;

use meshtap_tests::bench::median;
use meshtap_tests::overhead::measure::{Growth, Sample};
use meshtap_tests::overhead::sides::{Account, Running, Side};
use meshtap_tests::overhead::traffic::Kind;

#[derive(Default)]
pub(super) struct Results {
    /// By round.
    pub(super) samples: BTreeMap<(Kind, Side), Vec<Sample>>,
    pub(super) growths: BTreeMap<Side, Vec<Growth>>,
    /// CPU seconds until Envoy was ready.
    pub(super) starts: BTreeMap<Side, Vec<f64>>,
    pub(super) accounts: BTreeMap<Side, Account>,
    lost: u64,
}

impl Results {
    /// One round under one load: what each side took in each of its turns.
    ///
    /// What counts is how many times as much a side took as the side without a filter did in the same turn, in the middle;
    /// in µs, of what that side took in the middle.
    pub(super) fn add(&mut self, kind: Kind, turns: &BTreeMap<Side, Vec<Sample>>) {
        let bare = turns.get(&Side::Bare).map(Vec::as_slice).unwrap_or_default();
        let middle = |samples: &[Sample], value: fn(&Sample) -> f64| {
            median(&samples.iter().map(value).collect::<Vec<_>>())
        };
        let cpu = |sample: &Sample| sample.cpu_us;
        for (side, samples) in turns {
            let times: Vec<f64> =
                samples.iter().zip(bare).map(|(sample, bare)| cpu(sample) / cpu(bare)).collect();
            self.samples.entry((kind, *side)).or_default().push(Sample {
                cpu_us: median(&times) * middle(bare, cpu),
                user_us: middle(samples, |sample| sample.user_us),
                per_second: middle(samples, |sample| sample.per_second),
                busy: middle(samples, |sample| sample.busy),
            });
        }
    }

    /// Adds what became of the spans of a side that is done.
    pub(super) fn settle(&mut self, running: &Running) {
        if let Some(account) = running.account() {
            // One process that lost some is not made up for by one that sent some twice.
            self.lost += account.lost().unsigned_abs();
            self.accounts.entry(running.side).or_default().add(account);
        }
    }

    /// Calls without a span, and spans without a call.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Of one side under one load, by round.
    pub(super) fn of(&self, kind: Kind, side: Side, value: impl Fn(&Sample) -> f64) -> Vec<f64> {
        self.samples.get(&(kind, side)).into_iter().flatten().map(value).collect()
    }

    /// CPU above that without a filter, by round.
    pub(super) fn above(&self, kind: Kind, side: Side) -> Vec<f64> {
        let cpu = |side| self.of(kind, side, |sample| sample.cpu_us);
        differences(&cpu(side), &cpu(Side::Bare))
    }

    /// How many times as much one side adds as another does.
    pub(super) fn ratio(&self, kind: Kind, side: Side, other: Side) -> f64 {
        median(&self.above(kind, side)) / median(&self.above(kind, other))
    }

    /// MiB that large answers add, above what they add without a filter, by round.
    pub(super) fn growth_above(&self, side: Side) -> Vec<f64> {
        let mib =
            |side| -> Vec<f64> { self.growths.get(&side).into_iter().flatten().map(Growth::mib).collect() };
        differences(&mib(side), &mib(Side::Bare))
    }

    pub(super) fn start_above(&self, side: Side) -> Vec<f64> {
        let seconds = |side| self.starts.get(&side).map(Vec::as_slice).unwrap_or_default();
        differences(seconds(side), seconds(Side::Bare))
    }
}

/// Pairs are of one round.
fn differences(with: &[f64], without: &[f64]) -> Vec<f64> {
    with.iter().zip(without).map(|(with, without)| with - without).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_turn_is_slow_for_all() {
        let turn = |cpu_us| Sample { cpu_us, user_us: 1.0, per_second: 1.0, busy: 1.0 };
        let bare = vec![turn(100.0), turn(200.0), turn(100.0)];
        // Half as much again in the same turn; one turn is far off.
        let with = vec![turn(150.0), turn(300.0), turn(900.0)];
        let mut results = Results::default();
        results.add(Kind::Json, &BTreeMap::from([(Side::Bare, bare), (Side::Meshtap, with)]));
        assert_eq!(results.above(Kind::Json, Side::Meshtap), [50.0]);
        assert_eq!(results.of(Kind::Json, Side::Bare, |sample| sample.cpu_us), [100.0]);
    }
}
