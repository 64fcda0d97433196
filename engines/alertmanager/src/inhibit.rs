//! Inhibition: an alert that fires silences others.
//!
//! A rule holds for a target when an alert that matches the rule's source side fires and has the same values as the
//! target for the labels under `equal` (a missing label equals an empty one). A target that matches the source side
//! too is not inhibited by sources that match the target side too: no alert inhibits one like itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use quarterdeck_kernel::{Labels, Timestamp};

use crate::fingerprint::{FNV_START, Fingerprint, fnv};
use crate::matcher::Matchers;

/// One inhibition rule.
#[derive(Clone, Debug, Default)]
pub struct InhibitRule {
    /// Its name, if it has one.
    pub name: Option<Arc<str>>,
    /// What an alert that inhibits must fulfil.
    pub source: Matchers,
    /// What an alert that is inhibited must fulfil.
    pub target: Matchers,
    /// Labels that both must have the same values of.
    pub equal: Vec<Arc<str>>,
}

impl InhibitRule {
    /// Whether both alerts have the same values for the labels under `equal`.
    #[must_use]
    pub fn equal_labels(&self, a: &Labels, b: &Labels) -> bool {
        self.equal.iter().all(|name| a.get(name).unwrap_or_default() == b.get(name).unwrap_or_default())
    }

    /// Whether a firing `source` inhibits `target`.
    #[must_use]
    pub fn inhibits(&self, source: &Labels, target: &Labels) -> bool {
        self.target.matches(target)
            && self.source.matches(source)
            && self.equal_labels(source, target)
            && !(self.source.matches(target) && self.target.matches(source))
    }
}

/// Why an alert is inhibited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inhibition {
    /// Which rule, by its place in the list.
    pub rule: usize,
    /// Which alert inhibits it.
    pub source: Fingerprint,
}

/// The firing alerts by what they can inhibit, so that asking costs one look per rule and not one per alert.
#[derive(Clone, Debug)]
pub struct InhibitIndex {
    rules: Arc<[InhibitRule]>,
    sources: Vec<HashMap<u64, Vec<Bucket>>>,
}

/// Sources of one rule that have the same values for the labels under `equal`. Each with its end, if known.
#[derive(Clone, Debug)]
struct Bucket {
    values: Box<[Arc<str>]>,
    /// Those that do not match the target side.
    plain: BTreeMap<Fingerprint, Timestamp>,
    /// Those that match the target side too.
    both: BTreeMap<Fingerprint, Timestamp>,
}

impl Bucket {
    fn holds(&self, rule: &InhibitRule, labels: &Labels) -> bool {
        rule.equal
            .iter()
            .zip(&*self.values)
            .all(|(name, value)| labels.get(name).unwrap_or_default() == &**value)
    }
}

fn hash(rule: &InhibitRule, labels: &Labels) -> u64 {
    rule.equal.iter().fold(FNV_START, |hash, name| {
        fnv(fnv(hash, labels.get(name).unwrap_or_default().as_bytes()), &[0xff])
    })
}

impl InhibitIndex {
    /// An index of these rules, without alerts.
    #[must_use]
    pub fn new(rules: Arc<[InhibitRule]>) -> Self {
        let sources = vec![HashMap::new(); rules.len()];
        Self { rules, sources }
    }

    /// The rules.
    #[must_use]
    pub fn rules(&self) -> &Arc<[InhibitRule]> {
        &self.rules
    }

    /// Takes a firing alert in, or its new end. From `ends_at` on it inhibits nothing; [`Timestamp::MAX`] for never.
    pub fn insert(&mut self, fingerprint: Fingerprint, labels: &Labels, ends_at: Timestamp) {
        for (rule, sources) in self.rules.iter().zip(&mut self.sources) {
            if !rule.source.matches(labels) {
                continue;
            }
            let buckets = sources.entry(hash(rule, labels)).or_default();
            let index = buckets.iter().position(|bucket| bucket.holds(rule, labels)).unwrap_or_else(|| {
                let values = rule.equal.iter().map(|name| labels.get(name).unwrap_or_default().into());
                buckets.push(Bucket {
                    values: values.collect(),
                    plain: BTreeMap::new(),
                    both: BTreeMap::new(),
                });
                buckets.len() - 1
            });
            let bucket = &mut buckets[index];
            let side = if rule.target.matches(labels) { &mut bucket.both } else { &mut bucket.plain };
            side.insert(fingerprint, ends_at);
        }
    }

    /// Takes an alert out: resolved, or forgotten.
    pub fn remove(&mut self, fingerprint: Fingerprint, labels: &Labels) {
        for (rule, sources) in self.rules.iter().zip(&mut self.sources) {
            if !rule.source.matches(labels) {
                continue;
            }
            let key = hash(rule, labels);
            let Some(buckets) = sources.get_mut(&key) else { continue };
            for bucket in buckets.iter_mut() {
                bucket.plain.remove(&fingerprint);
                bucket.both.remove(&fingerprint);
            }
            buckets.retain(|bucket| !bucket.plain.is_empty() || !bucket.both.is_empty());
            if buckets.is_empty() {
                sources.remove(&key);
            }
        }
    }

    /// What inhibits an alert at a moment: the first rule that does, and of its sources the one with the lowest
    /// fingerprint, so that the answer is the same each time.
    #[must_use]
    pub fn inhibitor(&self, labels: &Labels, now: Timestamp) -> Option<Inhibition> {
        self.inhibitions(labels, now).next()
    }

    /// Every rule that inhibits an alert at a moment, each with one source.
    pub fn inhibitions(&self, labels: &Labels, now: Timestamp) -> impl Iterator<Item = Inhibition> {
        self.rules.iter().zip(&self.sources).enumerate().filter_map(move |(index, (rule, sources))| {
            if sources.is_empty() || !rule.target.matches(labels) {
                return None;
            }
            let buckets = sources.get(&hash(rule, labels))?;
            let bucket = buckets.iter().find(|bucket| bucket.holds(rule, labels))?;
            let firing = |side: &BTreeMap<Fingerprint, Timestamp>| {
                side.iter().find(|(_, ends_at)| **ends_at > now).map(|(source, _)| *source)
            };
            let source = match firing(&bucket.plain) {
                Some(source) => Some(source),
                None if rule.source.matches(labels) => None,
                None => firing(&bucket.both),
            };
            source.map(|source| Inhibition { rule: index, source })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(source: &str, target: &str, equal: &[&str]) -> InhibitRule {
        InhibitRule {
            name: None,
            source: Matchers::parse(source).unwrap(),
            target: Matchers::parse(target).unwrap(),
            equal: equal.iter().map(|name| Arc::from(*name)).collect(),
        }
    }

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied())
    }

    #[test]
    fn a_missing_label_equals_an_empty_one() {
        let rule = rule("s=1", "t=1", &["e"]);
        assert!(rule.inhibits(&labels(&[("s", "1")]), &labels(&[("t", "1"), ("e", "")])));
        assert!(!rule.inhibits(&labels(&[("s", "1"), ("e", "x")]), &labels(&[("t", "1")])));
    }

    #[test]
    fn an_alert_of_both_sides_does_not_inhibit_one_like_itself() {
        let rules: Arc<[InhibitRule]> = Arc::from([rule("s=1", "t=1", &[])]);
        let mut index = InhibitIndex::new(rules);
        let both = labels(&[("s", "1"), ("t", "1")]);
        index.insert(Fingerprint(1), &both, Timestamp::MAX);
        let now = Timestamp::from_millis(0);
        assert_eq!(index.inhibitor(&both, now), None);
        let target = labels(&[("t", "1")]);
        assert_eq!(index.inhibitor(&target, now), Some(Inhibition { rule: 0, source: Fingerprint(1) }));
        index.insert(Fingerprint(2), &labels(&[("s", "1")]), Timestamp::from_millis(5));
        assert_eq!(index.inhibitor(&both, now), Some(Inhibition { rule: 0, source: Fingerprint(2) }));
        assert_eq!(index.inhibitor(&both, Timestamp::from_millis(5)), None);
        index.remove(Fingerprint(1), &both);
        assert_eq!(index.inhibitor(&target, Timestamp::from_millis(5)), None);
    }

    proptest! {
        #[test]
        fn the_index_says_what_the_rules_say(
            alerts in prop::collection::vec(prop::collection::btree_map("[stef]", "[01]", 0..4), 1..12),
            gone in prop::collection::vec(any::<bool>(), 12),
        ) {
            let rules: Arc<[InhibitRule]> = Arc::from([
                rule("s=1", "t=1", &["e", "f"]),
                rule("s=~\"0|1\"", "t!=1", &["e"]),
                rule("", "s=0", &["f"]),
            ]);
            let alerts: Vec<Labels> = alerts.into_iter().map(Labels::from_pairs).collect();
            let mut index = InhibitIndex::new(Arc::clone(&rules));
            let print = |n: usize| Fingerprint(n as u64);
            for (n, alert) in alerts.iter().enumerate() {
                index.insert(print(n), alert, Timestamp::MAX);
            }
            for (n, alert) in alerts.iter().enumerate().filter(|(n, _)| gone[*n]) {
                index.remove(print(n), alert);
            }
            for target in &alerts {
                let expected = rules.iter().position(|rule| {
                    alerts.iter().enumerate().any(|(n, source)| !gone[n] && rule.inhibits(source, target))
                });
                let found = index.inhibitor(target, Timestamp::from_millis(0));
                prop_assert_eq!(found.map(|found| found.rule), expected);
                if let Some(found) = found {
                    let source = usize::try_from(found.source.0).unwrap();
                    prop_assert!(!gone[source] && rules[found.rule].inhibits(&alerts[source], target));
                }
            }
        }
    }
}
