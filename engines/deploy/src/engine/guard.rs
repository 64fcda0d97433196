//! What always holds: shares are 0 to 100 and their sum is 100; a version without a ready replica is given none, if
//! another has one; if none has, traffic stays where it is.

use crate::model::{Shares, share_of};

/// Two shares that make 100; a weight above 100 is 100.
pub(super) fn split(from: &str, to: &str, weight: u32) -> Shares {
    let weight = weight.min(100);
    if from == to || weight == 100 {
        return vec![(to.to_owned(), 100)];
    }
    let rest = (from.to_owned(), 100 - weight);
    if weight == 0 { vec![rest] } else { vec![rest, (to.to_owned(), weight)] }
}

/// The shares to put in force. `others` are versions that may step in when none of the intended ones is ready, best
/// first.
pub(super) fn guard(
    intended: &Shares,
    in_force: &Shares,
    others: &[&str],
    ready: impl Fn(&str) -> bool,
) -> Shares {
    let fit: Vec<&(String, u32)> =
        intended.iter().filter(|(version, share)| *share > 0 && ready(version)).collect();
    let total: u32 = fit.iter().map(|(_, share)| *share).sum();
    if total == 0 {
        // Another one that works, but the one that has most of it already if that works.
        let keeps = in_force.iter().filter(|(version, share)| *share > 0 && ready(version));
        let stand_in = keeps.max_by_key(|(_, share)| *share).map(|(version, _)| version.as_str());
        let stand_in = stand_in.or_else(|| others.iter().copied().find(|version| ready(version)));
        return match stand_in {
            Some(version) if !intended.is_empty() => vec![(version.to_owned(), 100)],
            _ => in_force.clone(),
        };
    }
    let mut shares: Shares =
        fit.iter().map(|(version, share)| (version.clone(), share * 100 / total)).collect();
    // What rounding leaves goes to the first, which is the stable one.
    let left = 100 - shares.iter().map(|(_, share)| *share).sum::<u32>();
    if let Some(first) = shares.first_mut() {
        first.1 += left;
    }
    shares.retain(|(_, share)| *share > 0);
    shares
}

/// Whether two lists of shares mean the same.
pub(super) fn same(one: &Shares, other: &Shares) -> bool {
    let covers = |a: &Shares, b: &Shares| a.iter().all(|(version, share)| share_of(b, version) == *share);
    covers(one, other) && covers(other, one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(list: &[(&str, u32)]) -> Shares {
        list.iter().map(|(version, share)| ((*version).to_owned(), *share)).collect()
    }

    #[test]
    fn traffic_goes_where_something_is_ready() {
        let intended = shares(&[("v1", 90), ("v2", 10)]);
        let go = |ready: &[&str], in_force: &[(&str, u32)]| {
            guard(&intended, &shares(in_force), &["v1", "v2", "v0"], |version| ready.contains(&version))
        };
        assert_eq!(go(&["v1", "v2"], &[("v1", 100)]), intended);
        assert_eq!(go(&["v1"], &[("v1", 90), ("v2", 10)]), shares(&[("v1", 100)]));
        assert_eq!(go(&["v2"], &[("v1", 90), ("v2", 10)]), shares(&[("v2", 100)]));
        // Neither, but an older one runs still.
        assert_eq!(go(&["v0"], &[("v1", 90), ("v2", 10)]), shares(&[("v0", 100)]));
        // None: it stays where it is.
        assert_eq!(go(&[], &[("v1", 40), ("v2", 60)]), shares(&[("v1", 40), ("v2", 60)]));
        assert_eq!(go(&[], &[]), shares(&[]));
    }

    #[test]
    fn weights_are_clamped_and_make_100() {
        assert_eq!(split("v1", "v2", 0), shares(&[("v1", 100)]));
        assert_eq!(split("v1", "v2", 33), shares(&[("v1", 67), ("v2", 33)]));
        assert_eq!(split("v1", "v2", 4000), shares(&[("v2", 100)]));
        assert_eq!(split("v1", "v1", 20), shares(&[("v1", 100)]));
        let three = shares(&[("a", 33), ("b", 33), ("c", 34)]);
        let two = guard(&three, &Shares::new(), &[], |version| version != "c");
        assert_eq!(two, shares(&[("a", 50), ("b", 50)]));
        assert_eq!(two.iter().map(|(_, share)| *share).sum::<u32>(), 100);
    }
}
