//! Durations counted in buckets that are 9 % wide, from which percentiles are read: the same in every store.
//!
//! Bucket `b` holds n nanoseconds where 2^((b-1)/8) < n <= 2^(b/8), which are the buckets of a Prometheus native
//! histogram with schema 3; 0 ns counts as 1 ns. A bucket is told from the bits of the number alone, never by a
//! logarithm, so that every store and every machine decides alike. A percentile lies within its bucket, so it is off by
//! less than 9.1 %.

use std::collections::BTreeMap;

/// The fractions, as bits, of 2^(0/8) to 2^(7/8).
pub(super) const FRACTIONS: [u64; 8] = [
    0,
    407_610_591_105_403,
    852_113_092_622_101,
    1_336_846_507_715_111,
    1_865_452_045_155_277,
    2_441_900_471_263_451,
    3_070_521_937_417_133,
    3_756_038_507_177_095,
];
const FRACTION_BITS: u32 = 52;
const FRACTION_MASK: u64 = (1 << FRACTION_BITS) - 1;
const EXPONENT_BIAS: u64 = 1023;

/// How many durations fell into each bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: BTreeMap<u16, u64>,
}

/// The bucket of a duration: 0 to 512.
#[expect(clippy::cast_precision_loss, reason = "what is lost is far less than a bucket is wide")]
pub(super) fn bucket(nanos: u64) -> u16 {
    let bits = (nanos.max(1) as f64).to_bits();
    let exponent = (bits >> FRACTION_BITS) - EXPONENT_BIAS;
    let fraction = bits & FRACTION_MASK;
    let eighths = FRACTIONS.iter().filter(|bound| fraction > **bound).count() as u64;
    u16::try_from(exponent * 8 + eighths).unwrap_or(u16::MAX)
}

impl Histogram {
    pub(super) fn add(&mut self, bucket: u16, count: u64) {
        if count > 0 {
            *self.counts.entry(bucket).or_default() += count;
        }
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.counts.values().sum()
    }

    /// The nanoseconds below which the given share of the durations lies, 0.0 to 1.0; `None` without any.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn percentile(&self, share: f64) -> Option<f64> {
        let rank = self.count() as f64 * share;
        let mut below = 0.0;
        for (bucket, count) in &self.counts {
            let count = *count as f64;
            if below + count >= rank {
                let within = ((rank - below) / count).clamp(0.0, 1.0);
                return Some(((f64::from(*bucket) - 1.0 + within) / 8.0).exp2());
            }
            below += count;
        }
        self.counts.last_key_value().map(|(bucket, _)| (f64::from(*bucket) / 8.0).exp2())
    }
}

impl FromIterator<(u16, u64)> for Histogram {
    fn from_iter<I: IntoIterator<Item = (u16, u64)>>(counts: I) -> Self {
        let mut histogram = Self::default();
        for (bucket, count) in counts {
            histogram.add(bucket, count);
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fractions_are_those_of_the_roots_of_two() {
        for (eighth, fraction) in (0..).zip(FRACTIONS) {
            assert_eq!(fraction, (f64::from(eighth) / 8.0).exp2().to_bits() & FRACTION_MASK, "{eighth}");
        }
    }

    #[test]
    fn a_bucket_ends_with_its_upper_bound() {
        for (nanos, expected) in
            [(0, 0), (1, 0), (2, 8), (3, 13), (4, 16), (1024, 80), (1025, 81), (1116, 81), (1117, 82)]
        {
            assert_eq!(bucket(nanos), expected, "{nanos}");
        }
        assert_eq!(bucket(i64::MAX as u64), 504);
        assert_eq!(bucket(u64::MAX), 512);
        let mut last = 0;
        for nanos in (0..10_000_000).step_by(97) {
            let next = bucket(nanos);
            assert!(next >= last, "{nanos}");
            last = next;
        }
    }

    #[test]
    fn percentiles_are_within_a_bucket_of_the_exact_ones() {
        let nanos: Vec<u64> = (1..=100_000_u64).map(|n| n * n).collect();
        let histogram: Histogram = nanos.iter().map(|n| (bucket(*n), 1)).collect();
        assert_eq!(histogram.count(), 100_000);
        for share in [0.01, 0.5, 0.9, 0.95, 0.99, 1.0] {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "small"
            )]
            let exact = nanos[((share * 100_000.0) as usize).saturating_sub(1)] as f64;
            let found = histogram.percentile(share).unwrap();
            assert!((found / exact - 1.0).abs() < 0.091, "{share}: {found} for {exact}");
        }
        assert_eq!(Histogram::default().percentile(0.5), None);
    }
}
