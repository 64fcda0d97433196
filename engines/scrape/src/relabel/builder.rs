//! A label set under construction.

use std::sync::Arc;

use quarterdeck_kernel::Labels;

/// Labels being changed. Names are unique; setting an empty value removes the label, as in Prometheus an empty
/// value equals an absent label. Sets are small, so lookups are linear.
#[derive(Clone, Debug, Default)]
pub struct LabelBuilder {
    pairs: Vec<(Arc<str>, Arc<str>)>,
}

impl LabelBuilder {
    /// A builder that starts with these labels.
    #[must_use]
    pub fn from_labels(labels: &Labels) -> Self {
        Self { pairs: labels.pairs().to_vec() }
    }

    /// The value of a label, empty when absent.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.pairs.iter().find(|(n, _)| &**n == name).map_or("", |(_, v)| v)
    }

    /// Whether the label is there.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.pairs.iter().any(|(n, _)| &**n == name)
    }

    /// Sets a label; the empty value removes it.
    pub fn set(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            self.retain(|n| n != name);
        } else if let Some(pair) = self.pairs.iter_mut().find(|(n, _)| &**n == name) {
            pair.1 = Arc::from(value);
        } else {
            self.pairs.push((Arc::from(name), Arc::from(value)));
        }
    }

    /// Sets a label to a shared value.
    pub fn set_shared(&mut self, name: &Arc<str>, value: &Arc<str>) {
        if value.is_empty() {
            self.retain(|n| *n != **name);
        } else if let Some(pair) = self.pairs.iter_mut().find(|(n, _)| n == name) {
            pair.1 = Arc::clone(value);
        } else {
            self.pairs.push((Arc::clone(name), Arc::clone(value)));
        }
    }

    /// Removes a label and gives its value.
    pub fn take(&mut self, name: &str) -> Option<Arc<str>> {
        let index = self.pairs.iter().position(|(n, _)| &**n == name)?;
        Some(self.pairs.swap_remove(index).1)
    }

    /// Keeps the labels whose names `keep` accepts.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.pairs.retain(|(n, _)| keep(n));
    }

    /// All pairs as they are now, in no particular order.
    #[must_use]
    pub fn to_pairs(&self) -> Vec<(Arc<str>, Arc<str>)> {
        self.pairs.clone()
    }

    /// All pairs, in no particular order.
    #[must_use]
    pub fn pairs(&self) -> &[(Arc<str>, Arc<str>)] {
        &self.pairs
    }

    /// Removes every label, keeping the memory.
    pub fn clear(&mut self) {
        self.pairs.clear();
    }

    /// The finished set.
    #[must_use]
    pub fn build(&self) -> Labels {
        Labels::from_pairs(self.pairs.iter().map(|(n, v)| (Arc::clone(n), Arc::clone(v))))
    }
}
