//! Numbers for a host that has no randomness.

/// Numbers that differ from each other and, as good as always, from those of another seed. Who knows one knows the next:
/// they are no secrets. SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
pub fn spread(seed: u64, numbers: &mut [u64]) {
    let mut state = seed;
    for number in numbers {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        *number = mixed ^ (mixed >> 31);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn numbers_differ() {
        let of = |seed| {
            let mut numbers = [0; 32];
            spread(seed, &mut numbers);
            numbers
        };
        // Its author's.
        assert_eq!(of(0)[..2], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        let all: HashSet<u64> = (0..100).flat_map(of).collect();
        assert_eq!(all.len(), 3_200);
    }
}
