//! One copy of each text: label names, and the values that many alerts share.

use std::sync::Arc;

use hashbrown::HashSet;

/// Texts longer than this are rarely shared and are kept by whoever has them.
const LONGEST: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct Interner {
    texts: HashSet<Arc<str>>,
    sweep_at: usize,
}

impl Interner {
    pub(crate) fn intern(&mut self, text: Arc<str>) -> Arc<str> {
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
    use super::*;

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
