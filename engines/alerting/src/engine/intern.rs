//! One copy of each text: label names, and the values that many alerts share.

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use quarterdeck_kernel::Labels;

/// Texts longer than this are rarely shared and are kept by whoever has them.
const LONGEST: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Interner {
    /// Texts come from the network: nobody outside can choose some that fall together.
    texts: HashSet<Arc<str>, std::hash::RandomState>,
    sweep_at: usize,
    /// Texts of the present batch that came more than once, by where they are: what alerts share need not be looked up among
    /// a hundred thousand others for each. Kept together with what they became, so that no other text comes to be there.
    shared: HashMap<usize, (Arc<str>, Arc<str>)>,
}

impl Interner {
    /// The one copy of a text of a batch.
    pub(crate) fn intern(&mut self, text: Arc<str>) -> Arc<str> {
        if Arc::strong_count(&text) == 1 {
            return self.look_up(text);
        }
        let at = text.as_ptr().addr();
        if let Some((_, known)) = self.shared.get(&at) {
            return Arc::clone(known);
        }
        let known = self.look_up(Arc::clone(&text));
        self.shared.insert(at, (text, Arc::clone(&known)));
        known
    }

    /// A label set of texts of a batch, as [`Labels::from_pairs`] makes it, in the place of its pairs.
    pub(crate) fn set(&mut self, pairs: Vec<(Arc<str>, Arc<str>)>) -> Labels {
        let mut pairs: Vec<_> =
            pairs.into_iter().map(|(name, value)| (self.intern(name), self.intern(value))).collect();
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        // Of several with one name the last holds, be it empty.
        pairs.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                std::mem::swap(later, earlier);
            }
            same
        });
        pairs.retain(|(_, value)| !value.is_empty());
        Labels::from_sorted(pairs)
    }

    /// A batch is over.
    pub(crate) fn forget_batch(&mut self) {
        self.shared = HashMap::new();
    }

    /// The one copy of a text.
    pub(crate) fn look_up(&mut self, text: Arc<str>) -> Arc<str> {
        if text.len() > LONGEST {
            return text;
        }
        if let Some(known) = self.texts.get(&*text) {
            return Arc::clone(known);
        }
        if self.texts.len() >= self.sweep_at.max(1024) {
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            self.sweep_at = self.texts.len() * 2;
        }
        self.texts.insert(Arc::clone(&text));
        text
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_set_is_what_its_pairs_make(pairs in prop::collection::vec(("[ab]{0,2}", "[01]?"), 0..6)) {
            let pairs: Vec<(Arc<str>, Arc<str>)> =
                pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect();
            prop_assert_eq!(Interner::default().set(pairs.clone()), Labels::from_pairs(pairs));
        }
    }

    #[test]
    fn texts_of_a_batch_are_told_apart_by_what_they_are() {
        let mut interner = Interner::default();
        let known = interner.intern("job".into());
        for n in 0..1000 {
            let (job, other): (Arc<str>, Arc<str>) = ("job".into(), format!("job{n}").into());
            let both = (Arc::clone(&job), Arc::clone(&other));
            assert!(Arc::ptr_eq(&known, &interner.intern(job)), "{n}");
            assert_eq!(*interner.intern(other), *format!("job{n}"));
            assert!(Arc::ptr_eq(&known, &interner.intern(both.0)), "{n}");
            assert_eq!(*interner.intern(both.1), *format!("job{n}"));
        }
        interner.forget_batch();
        assert!(interner.shared.is_empty());
    }

    #[test]
    fn equal_texts_are_one_and_unused_ones_go() {
        let mut interner = Interner::default();
        let first = interner.intern("job".into());
        assert!(Arc::ptr_eq(&first, &interner.intern("job".into())));
        for n in 0..10_000 {
            interner.intern(n.to_string().into());
        }
        assert!(interner.len() < 2100, "{}", interner.len());
        assert!(Arc::ptr_eq(&first, &interner.intern("job".into())));
    }
}
