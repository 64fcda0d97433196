//! Which alerts inhibit which, kept as alerts come and go.
//!
//! For each rule, alerts that have the same values for its `equal` labels share a bucket: sources on one side, targets
//! on the other. A source that comes or goes touches its buckets alone.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher};

use hashbrown::{DefaultHashBuilder, HashMap};
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::Labels;

use super::plan::Plan;

/// How many inhibiting alerts an alert names at most.
const NAMED: usize = 8;

/// An alert's place in a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The rule.
    rule: u32,
    /// Whether the alert matches the rule's other side too.
    both: bool,
    /// Hash of its values for the rule's `equal` labels.
    bucket: u64,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Firing alerts that match the source side alone.
    plain: BTreeSet<Fingerprint>,
    /// Firing alerts that match both sides: they do not inhibit one that does so too.
    both: BTreeSet<Fingerprint>,
    /// Alerts that match the target side.
    targets: BTreeSet<u32>,
}

impl Bucket {
    fn is_empty(&self) -> bool {
        self.plain.is_empty() && self.both.is_empty() && self.targets.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Inhibition {
    buckets: Vec<HashMap<u64, Bucket>>,
    /// Buckets whose sources changed since their targets were last looked at.
    changed: BTreeSet<(u32, u64)>,
}

/// The places of an alert among the sources and among the targets.
pub(super) fn places(plan: &Plan, labels: &Labels) -> (Box<[Place]>, Box<[Place]>) {
    let mut candidates = Vec::new();
    let mut side = |sources: bool| -> Box<[Place]> {
        if sources { &plan.sources } else { &plan.targets }.candidates(labels, &mut candidates);
        let found = candidates.iter().filter_map(|rule| {
            let spec = &plan.inhibit[*rule as usize];
            let (own, other) =
                if sources { (&spec.source, &spec.target) } else { (&spec.target, &spec.source) };
            own.matches(labels).then(|| Place {
                rule: *rule,
                both: other.matches(labels),
                bucket: bucket_of(&spec.equal, labels),
            })
        });
        found.collect()
    };
    let sources = side(true);
    (sources, side(false))
}

/// One hash for equal values, the same on every thread: the engine's task moves between them, and a new builder's seed
/// differs from thread to thread. Two runs may order nothing by it, and nothing is.
fn bucket_of(equal: &[std::sync::Arc<str>], labels: &Labels) -> u64 {
    static BUILD: std::sync::LazyLock<DefaultHashBuilder> = std::sync::LazyLock::new(Default::default);
    let mut hasher = BUILD.build_hasher();
    for name in equal {
        hasher.write(labels.get(name).unwrap_or_default().as_bytes());
        hasher.write_u8(0xff);
    }
    hasher.finish()
}

/// Whether targets can name this source: one behind the first few changes nothing for them, and in a flood of thousands
/// nearly all are.
fn named(side: &BTreeSet<Fingerprint>, fingerprint: Fingerprint) -> bool {
    side.iter().nth(NAMED - 1).is_none_or(|last| fingerprint <= *last)
}

impl Inhibition {
    pub(super) fn new(rules: usize) -> Self {
        Self { buckets: (0..rules).map(|_| HashMap::new()).collect(), changed: BTreeSet::new() }
    }

    fn bucket(&mut self, place: &Place) -> Option<&mut Bucket> {
        self.buckets.get_mut(place.rule as usize).map(|buckets| buckets.entry(place.bucket).or_default())
    }

    fn tidy(&mut self, place: &Place) {
        if let Some(buckets) = self.buckets.get_mut(place.rule as usize)
            && buckets.get(&place.bucket).is_some_and(Bucket::is_empty)
        {
            buckets.remove(&place.bucket);
        }
    }

    pub(super) fn add_source(&mut self, fingerprint: Fingerprint, places: &[Place]) {
        for place in places {
            let Some(bucket) = self.bucket(place) else { continue };
            let side = if place.both { &mut bucket.both } else { &mut bucket.plain };
            if side.insert(fingerprint) && named(side, fingerprint) {
                self.changed.insert((place.rule, place.bucket));
            }
        }
    }

    pub(super) fn remove_source(&mut self, fingerprint: Fingerprint, places: &[Place]) {
        for place in places {
            let Some(bucket) = self.bucket(place) else { continue };
            let side = if place.both { &mut bucket.both } else { &mut bucket.plain };
            let seen = named(side, fingerprint);
            if side.remove(&fingerprint) && seen {
                self.changed.insert((place.rule, place.bucket));
            }
            self.tidy(place);
        }
    }

    pub(super) fn add_target(&mut self, slot: u32, places: &[Place]) {
        for place in places {
            if let Some(bucket) = self.bucket(place) {
                bucket.targets.insert(slot);
            }
        }
    }

    pub(super) fn remove_target(&mut self, slot: u32, places: &[Place]) {
        for place in places {
            if let Some(bucket) = self.bucket(place) {
                bucket.targets.remove(&slot);
            }
            self.tidy(place);
        }
    }

    /// The alerts that inhibit one with these places among the targets, lowest fingerprints first, at most eight.
    pub(super) fn sources_of(&self, places: &[Place]) -> Vec<Fingerprint> {
        let mut found = BTreeSet::new();
        for place in places {
            let bucket = self.buckets.get(place.rule as usize).and_then(|b| b.get(&place.bucket));
            let Some(bucket) = bucket else { continue };
            found.extend(bucket.plain.iter().take(NAMED));
            if !place.both {
                found.extend(bucket.both.iter().take(NAMED));
            }
        }
        found.into_iter().take(NAMED).collect()
    }

    /// Buckets whose sources changed since this was last asked.
    pub(super) fn take_changed(&mut self) -> BTreeSet<(u32, u64)> {
        std::mem::take(&mut self.changed)
    }

    /// The targets of some buckets, in order.
    pub(super) fn targets(&self, changed: &BTreeSet<(u32, u64)>) -> BTreeSet<u32> {
        let buckets = changed
            .iter()
            .filter_map(|(rule, bucket)| self.buckets.get(*rule as usize).and_then(|b| b.get(bucket)));
        buckets.flat_map(|bucket| bucket.targets.iter().copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sources_that_targets_can_name_have_them_looked_at() {
        for both in [false, true] {
            let place = [Place { rule: 0, both, bucket: 7 }];
            let seen = [Place { rule: 0, both: false, bucket: 7 }];
            let mut inhibition = Inhibition::new(1);
            let mut before = Vec::new();
            // From the highest down each comes first; from the lowest up only the first few are named.
            let order = (100..120_u64).rev().chain(0..20).chain([50]);
            let steps = order.map(|n| (true, n)).chain([(false, 110), (false, 3), (false, 19), (true, 3)]);
            let mut looks = 0;
            for (comes, n) in steps {
                let fingerprint = Fingerprint(n);
                if comes {
                    inhibition.add_source(fingerprint, &place);
                } else {
                    inhibition.remove_source(fingerprint, &place);
                }
                let changed = !inhibition.take_changed().is_empty();
                let now = inhibition.sources_of(&seen);
                assert_eq!(changed, now != before, "{n} comes: {comes}");
                looks += u32::from(changed);
                before = now;
            }
            assert_eq!(looks, 20 + 8 + 2);
        }
    }

    #[test]
    fn the_bucket_of_the_same_values_is_the_same_on_every_thread() {
        let here = || bucket_of(&["dc".into()], &Labels::from_pairs([("dc", "1")]));
        let there = std::thread::spawn(here).join().expect("a hash");
        assert_eq!(here(), there);
        assert_ne!(here(), bucket_of(&["dc".into()], &Labels::from_pairs([("dc", "2")])));
    }
}
