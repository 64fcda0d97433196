//! Label sets as the store holds them: shared pairs, one word each.

use std::cmp::Ordering;
use std::sync::Arc;

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::labels::METRIC_NAME;

/// A label: its name and its value, shared by all series that have it.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) name: Arc<str>,
    pub(super) value: Arc<str>,
}

/// The labels of one series, sorted by name.
#[derive(Clone, Debug, Default)]
pub(super) struct LabelSet(Box<[Arc<Pair>]>);

impl LabelSet {
    /// From pairs that are sorted by name.
    pub(super) fn new(pairs: Vec<Arc<Pair>>) -> Self {
        debug_assert!(pairs.is_sorted_by(|a, b| a.name < b.name));
        Self(pairs.into_boxed_slice())
    }

    pub(super) fn pairs(&self) -> &[Arc<Pair>] {
        &self.0
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> + Clone {
        self.0.iter().map(|pair| (&*pair.name, &*pair.value))
    }

    /// The value of a label, or nothing, which is what an absent label has.
    pub(super) fn value(&self, name: &str) -> &str {
        self.0.iter().find(|pair| &*pair.name == name).map_or("", |pair| &*pair.value)
    }

    /// The metric's name, or nothing.
    pub(super) fn metric(&self) -> &str {
        self.value(METRIC_NAME)
    }

    /// As everybody else has them. The strings are shared, the list is new: it would be larger than the samples of
    /// many a series if it were kept.
    pub(super) fn to_labels(&self) -> Labels {
        Labels::from_sorted(self.0.iter().map(|pair| (Arc::clone(&pair.name), Arc::clone(&pair.value))))
    }

    pub(super) fn is<'l>(&self, labels: impl ExactSizeIterator<Item = (&'l str, &'l str)>) -> bool {
        let same =
            |(pair, (name, value)): (&Arc<Pair>, (&str, &str))| *pair.name == *name && *pair.value == *value;
        self.0.len() == labels.len() && self.0.iter().zip(labels).all(same)
    }
}

/// The order of [`Labels`]. Pairs are shared, so most of those that are equal are the same.
pub(super) fn compare(a: &LabelSet, b: &LabelSet) -> Ordering {
    for (a, b) in a.0.iter().zip(&b.0) {
        if Arc::ptr_eq(a, b) {
            continue;
        }
        let by_name = if Arc::ptr_eq(&a.name, &b.name) { Ordering::Equal } else { a.name.cmp(&b.name) };
        let order = by_name.then_with(|| a.value.cmp(&b.value));
        if order.is_ne() {
            return order;
        }
    }
    a.0.len().cmp(&b.0.len())
}
