//! Which version of a service takes a request: by shares, or by what keeps a caller where it was. Pure.
//!
//! Shares are met by a low-discrepancy sequence, the multiples of the golden ratio (H. Weyl, 1916): after any number of
//! requests each version has had its share to within a few requests, which chance alone would not give.

use std::hash::Hasher;

/// Shares of versions, known by their place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// For each version that takes anything, where its part of 2⁶⁴ ends, and its place.
    ends: Vec<(u64, usize)>,
}

/// 2⁶⁴ divided by the golden ratio: its multiples fall evenly, wherever one begins.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Split {
    /// A split by these shares. If all are zero the first takes everything.
    #[must_use]
    pub fn new(shares: &[u32]) -> Self {
        let total: u64 = shares.iter().map(|share| u64::from(*share)).sum();
        if total == 0 {
            return Self { ends: vec![(u64::MAX, 0)] };
        }
        let mut sum = 0_u64;
        let mut ends = Vec::new();
        for (place, share) in shares.iter().enumerate().filter(|(_, share)| **share > 0) {
            sum += u64::from(*share);
            let end = (u128::from(sum) << 64) / u128::from(total);
            ends.push((u64::try_from(end - 1).unwrap_or(u64::MAX), place));
        }
        Self { ends }
    }

    /// The version at a point of 2⁶⁴.
    #[must_use]
    pub fn at(&self, point: u64) -> usize {
        match self.ends.as_slice() {
            [(_, only)] => *only,
            ends => ends.iter().find(|(end, _)| point <= *end).map_or(0, |(_, place)| *place),
        }
    }

    /// The version of the n-th request.
    #[must_use]
    pub fn nth(&self, n: u64) -> usize {
        self.at(n.wrapping_mul(STEP))
    }
}

/// A point of 2⁶⁴ for a caller: the same for the same text, spread evenly.
#[must_use]
pub fn point(text: &[u8]) -> u64 {
    // SipHash with fixed keys: every console and every start sends a caller to the same place.
    #[expect(deprecated, reason = "the one hasher of the standard library whose keys can be fixed")]
    let mut hasher = std::hash::SipHasher::new_with_keys(0x7175_6172_7465_7264, 0x6563_6b20_6761_7465);
    hasher.write(text);
    hasher.finish()
}

/// Of `members`, the one that a point belongs to (rendezvous hashing: D. Thaler, C. Ravishankar, 1998): when one goes, only
/// the callers that were with it move.
pub fn rendezvous(point: u64, members: impl Iterator<Item = (usize, u64)>) -> Option<usize> {
    members.max_by_key(|(_, id)| mix(point ^ id)).map(|(member, _)| member)
}

/// The finalizer of SplitMix64.
fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hundred_thousand_requests_are_split_within_five_sigma() {
        for shares in [&[90, 10][..], &[50, 50], &[1, 99], &[1, 1, 1], &[5, 0, 95]] {
            for start in [0_u64, 1 << 40, u64::MAX - 50_000] {
                let split = Split::new(shares);
                let mut counts = vec![0_u32; shares.len()];
                (0..100_000_u64).for_each(|n| counts[split.nth(start.wrapping_add(n))] += 1);
                let total = f64::from(shares.iter().sum::<u32>());
                for (count, share) in counts.iter().zip(shares) {
                    let p = f64::from(*share) / total;
                    let sigma = (100_000.0 * p * (1.0 - p)).sqrt();
                    let off = (f64::from(*count) - 100_000.0 * p).abs();
                    assert!(off <= 5.0 * sigma, "{shares:?} from {start}: {counts:?}");
                }
            }
        }
    }

    #[test]
    fn callers_are_spread_by_shares_too() {
        let split = Split::new(&[90, 10]);
        let second = (0..100_000).filter(|n: &u32| split.at(point(&n.to_le_bytes())) == 1).count();
        assert!(second.abs_diff(10_000) <= 475, "{second}");
    }

    #[test]
    fn only_the_callers_of_one_that_goes_move() {
        let ids: Vec<u64> = (0..5).map(|n: u8| point(&[n])).collect();
        let of = |caller: u32, without: Option<usize>| {
            let there = ids.iter().copied().enumerate().filter(|(m, _)| Some(*m) != without);
            rendezvous(point(&caller.to_le_bytes()), there).unwrap()
        };
        let mut counts = [0; 5];
        for caller in 0..10_000 {
            let (before, after) = (of(caller, None), of(caller, Some(2)));
            counts[before] += 1;
            assert!(after != 2 && (before == 2 || before == after));
        }
        assert!(counts.iter().all(|c| (1_700..2_300).contains(c)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn nobody_without_a_share_gets_anything(shares in proptest::collection::vec(0_u32..1_000_000, 1..6), p: u64) {
            let place = Split::new(&shares).at(p);
            prop_assert!(shares[place] > 0 || shares.iter().all(|s| *s == 0));
        }
    }
}
