//! Whether another plugin of the same proxy may see the same streams: two resources gave one pod the filter.
//!
//! Then whoever comes first in the chain notes it on each stream and makes its span. To leave and read a note costs as much
//! as reading a call, so that it is done only where there may be two. Plugins know of each other by the memory that the
//! VMs of a proxy share: each signs there when it is configured and from time to time ([`sign`]). What is the same
//! plugin by its signature, but stands in the chain twice, shows in the first calls and in some of those after each look
//! at the signatures ([`Beside::is_watching`]): one root context has the streams of both, and no call tells it that the
//! second has come.

use crate::span::UnixNanos;
use crate::steady::SteadyNanos;

const NANOS_PER_SECOND: u64 = 1_000_000_000;
/// How often a plugin signs again.
const SIGNS_EVERY: u64 = 15 * NANOS_PER_SECOND;
/// One that has not signed for so long is gone.
const GONE_AFTER_SECONDS: u64 = 60;
/// Signatures of plugins at most: who has more of them has other problems.
const MAX_SIGNED: usize = 16;
/// Bytes of a signature, and of the second in which it was given.
const RECORD_BYTES: usize = 16;

/// Calls on which notes are left even by a plugin that seems to be alone.
const FIRST_CALLS: u32 = 32;
/// The same after each look at what is signed.
const CALLS_AFTER_LOOK: u32 = 8;

/// What one root context knows of others.
#[derive(Debug, Default)]
pub struct Beside {
    /// Of this plugin and its configuration.
    signature: u64,
    sign_at: SteadyNanos,
    /// Until then others count as there: one is not gone because the wall clock has jumped.
    others_until: SteadyNanos,
    others: bool,
    /// Calls on which notes are left and looked for, whoever has signed.
    calls_to_watch: u32,
    /// Another has been met on a stream.
    met: bool,
}

impl Beside {
    /// With a new configuration a plugin may meet others than before.
    pub fn new(signature: u64) -> Self {
        Self { signature, calls_to_watch: FIRST_CALLS, ..Self::default() }
    }

    /// Whether it is time to [`sign`] again, and who signs.
    pub fn signs(&mut self, now: SteadyNanos) -> Option<u64> {
        if now < self.sign_at {
            return None;
        }
        self.sign_at = now.saturating_add(SIGNS_EVERY);
        Some(self.signature)
    }

    /// Takes in what is signed now.
    pub fn read(&mut self, signed: &[u8], now: SteadyNanos) {
        let (records, _) = signed.as_chunks::<RECORD_BYTES>();
        let is_own = |record: &[u8; RECORD_BYTES]| parts(record).0 == self.signature;
        // Where not even the own one is kept nobody can know of anybody.
        if !records.iter().any(is_own) || !records.iter().all(is_own) {
            self.others_until = now.saturating_add(GONE_AFTER_SECONDS.saturating_mul(NANOS_PER_SECOND));
        }
        self.others = now < self.others_until;
        self.calls_to_watch = self.calls_to_watch.max(CALLS_AFTER_LOOK);
    }

    /// Whether notes must be left and looked for on this call.
    pub fn is_watching(&mut self) -> bool {
        let is_due = self.calls_to_watch > 0;
        self.calls_to_watch = self.calls_to_watch.saturating_sub(1);
        is_due || self.others || self.met
    }

    /// Another's note was found on a stream.
    pub fn meet(&mut self) {
        self.met = true;
    }
}

/// `signed` with the signature of one that is there now, without those of plugins that are gone.
pub fn sign(signed: &[u8], signature: u64, now: UnixNanos) -> Vec<u8> {
    let now = now.checked_div(NANOS_PER_SECOND).unwrap_or_default();
    let (records, _) = signed.as_chunks::<RECORD_BYTES>();
    let stays = |record: &&[u8; RECORD_BYTES]| {
        let (other, second) = parts(record);
        other != signature && second.abs_diff(now) <= GONE_AFTER_SECONDS
    };
    let own = [signature.to_le_bytes(), now.to_le_bytes()];
    let others = records.iter().filter(stays).take(MAX_SIGNED).flatten();
    own.as_flattened().iter().chain(others).copied().collect()
}

/// A signature, and when it was given.
fn parts(record: &[u8; RECORD_BYTES]) -> (u64, u64) {
    let number = |at: usize| record.as_chunks().0.get(at).map_or(0, |bytes| u64::from_le_bytes(*bytes));
    (number(0), number(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = NANOS_PER_SECOND;

    /// One that has seen its first calls, looks, and has seen those after.
    fn settled(signature: u64, signed: &[u8]) -> Beside {
        let mut beside = Beside::new(signature);
        assert!((0..FIRST_CALLS).all(|_| beside.is_watching()), "the first calls");
        look(&mut beside, signed, 0);
        beside
    }

    fn look(beside: &mut Beside, signed: &[u8], now: SteadyNanos) {
        beside.read(signed, now);
        assert!((0..CALLS_AFTER_LOOK).all(|_| beside.is_watching()), "those after a look");
    }

    #[test]
    fn alone_it_leaves_no_notes() {
        let signed = sign(&sign(&[], 1, 100 * SECOND), 1, 101 * SECOND);
        assert_eq!(signed.len(), RECORD_BYTES);
        assert!(!settled(1, &signed).is_watching());
    }

    #[test]
    fn two_know_of_each_other_until_one_is_gone() {
        let mut signed = sign(&sign(&[], 1, 100 * SECOND), 2, 100 * SECOND);
        for signature in [1, 2] {
            assert!(settled(signature, &signed).is_watching(), "{signature}");
        }
        let mut beside = settled(1, &signed);
        for second in (115..=160).step_by(15) {
            signed = sign(&signed, 1, second * SECOND);
            look(&mut beside, &signed, (second - 100) * SECOND);
            assert!(beside.is_watching(), "{second}");
        }
        let alone = sign(&signed, 1, 161 * SECOND);
        assert_eq!(alone.len(), RECORD_BYTES);
        look(&mut beside, &alone, 119 * SECOND);
        assert!(beside.is_watching(), "seen a minute ago");
        look(&mut beside, &alone, 120 * SECOND);
        assert!(!beside.is_watching());
    }

    #[test]
    fn a_wall_clock_that_jumps_takes_nobody_away_at_once() {
        let both = sign(&sign(&[], 2, 1_000 * SECOND), 1, 1_000 * SECOND);
        let mut beside = settled(1, &both);
        for jumped_to in [5, 90_000] {
            let alone = sign(&both, 1, jumped_to * SECOND);
            assert_eq!(alone.len(), RECORD_BYTES, "the other seems to be gone");
            look(&mut beside, &alone, 15 * SECOND);
            assert!(beside.is_watching());
        }
    }

    #[test]
    fn one_that_was_met_is_there() {
        let mut beside = Beside::new(1);
        beside.read(&sign(&[], 1, 0), 0);
        beside.meet();
        assert!((0..2 * FIRST_CALLS).all(|_| beside.is_watching()));
    }

    #[test]
    fn a_host_that_keeps_nothing_may_have_others() {
        assert!(settled(1, &[]).is_watching());
    }

    #[test]
    fn signs_from_time_to_time() {
        let mut beside = Beside::new(7);
        let signed: Vec<u64> = (0..=60).filter(|second| beside.signs(second * SECOND) == Some(7)).collect();
        assert_eq!(signed, [0, 15, 30, 45, 60]);
    }

    #[test]
    fn what_is_signed_is_bounded() {
        let signed = (0..1_000).fold(Vec::new(), |signed, signature| sign(&signed, signature, 9 * SECOND));
        assert_eq!(signed.len(), (MAX_SIGNED + 1) * RECORD_BYTES);
        let (newest, _) = signed.split_first_chunk().expect("a record");
        assert_eq!(parts(newest), (999, 9));
    }
}
