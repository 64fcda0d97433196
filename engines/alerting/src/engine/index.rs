//! Which of many matcher sets could match a label set: by one equality of each, instead of trying them all.

use hashbrown::HashMap;
use quarterdeck_alertmanager::{MatchOp, Matchers};
use quarterdeck_kernel::Labels;

#[derive(Debug, Default)]
pub(crate) struct MatchIndex {
    /// By label name, then value.
    equal: Vec<(String, HashMap<String, Vec<u32>>)>,
    /// By label name: what its value begins with, for sets without an equality.
    begins: Vec<(String, Vec<(String, u32)>)>,
    /// Sets that are neither.
    always: Vec<u32>,
}

impl MatchIndex {
    pub(crate) fn new<'a>(sets: impl IntoIterator<Item = (u32, &'a Matchers)>) -> Self {
        let mut index = Self::default();
        for (id, matchers) in sets {
            // An equality with the empty value holds for absent labels too: it cannot be looked up.
            let key = matchers.iter().find(|m| m.op == MatchOp::Equal && !m.value.is_empty());
            let Some(key) = key else {
                index.without_equality(id, matchers);
                continue;
            };
            let place = index.equal.iter().position(|(name, _)| *name == key.name).unwrap_or_else(|| {
                index.equal.push((key.name.clone(), HashMap::new()));
                index.equal.len() - 1
            });
            index.equal[place].1.entry(key.value.clone()).or_default().push(id);
        }
        index
    }

    fn without_equality(&mut self, id: u32, matchers: &Matchers) {
        // None of these begins with nothing, as the value of an absent label does.
        let Some((name, head)) = matchers.iter().find_map(|m| Some((&m.name, m.prefix()?))) else {
            self.always.push(id);
            return;
        };
        let place = self.begins.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.begins.push((name.clone(), Vec::new()));
            self.begins.len() - 1
        });
        self.begins[place].1.push((head.to_owned(), id));
    }

    /// Those that could match, in order. The caller tries each.
    pub(crate) fn candidates(&self, labels: &Labels, found: &mut Vec<u32>) {
        found.clear();
        found.extend_from_slice(&self.always);
        for (name, values) in &self.equal {
            if let Some(ids) = labels.get(name).and_then(|value| values.get(value)) {
                found.extend_from_slice(ids);
            }
        }
        for (name, heads) in &self.begins {
            if let Some(value) = labels.get(name) {
                found.extend(
                    heads.iter().filter(|(head, _)| value.starts_with(head.as_str())).map(|(_, id)| *id),
                );
            }
        }
        found.sort_unstable();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_set_that_matches_is_left_out(
            sets in prop::collection::vec(prop::collection::vec(("[ab]", 0usize..4, "[01]?(\\.[*+])?"), 0..3), 0..8),
            labels in prop::collection::btree_map("[abc]", "[01]", 0..3),
        ) {
            let sets: Vec<Matchers> = sets.into_iter().map(|set| {
                set.into_iter().map(|(name, op, value)| {
                    let op = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex][op];
                    quarterdeck_alertmanager::Matcher::new(op, name, value).unwrap()
                }).collect()
            }).collect();
            let labels = Labels::from_pairs(labels);
            let index = MatchIndex::new(sets.iter().enumerate().map(|(n, set)| (u32::try_from(n).unwrap(), set)));
            let mut found = Vec::new();
            index.candidates(&labels, &mut found);
            for (n, set) in sets.iter().enumerate() {
                if set.matches(&labels) {
                    prop_assert!(found.contains(&u32::try_from(n).unwrap()), "{} on {}", set, labels);
                }
            }
        }
    }

    /// What is looked up is few: without that, each set would be tried on each alert.
    #[test]
    fn sets_whose_equality_or_beginning_does_not_hold_are_left_out() {
        let set = |op, value: &str| -> Matchers {
            std::iter::once(quarterdeck_alertmanager::Matcher::new(op, "a", value).unwrap()).collect()
        };
        let sets = [
            set(MatchOp::Equal, "y"),
            set(MatchOp::Regex, "x.*"),
            set(MatchOp::Regex, "x1.+"),
            set(MatchOp::NotEqual, "x"),
        ];
        let index = MatchIndex::new((0..).zip(&sets));
        let mut found = vec![7];
        for (labels, wanted) in [
            (vec![("a", "y")], vec![0, 3]),
            (vec![("a", "x")], vec![1, 3]),
            (vec![("a", "x12")], vec![1, 2, 3]),
            (vec![("b", "y")], vec![3]),
            (vec![], vec![3]),
        ] {
            index.candidates(&Labels::from_pairs(labels.clone()), &mut found);
            assert_eq!(found, wanted, "{labels:?}");
        }
    }
}
