//! What metric families say of themselves, told to the store only when it changes.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use quarterdeck_metrics::exposition::Item;
use quarterdeck_metrics::{Metadata, MetricType};

/// The most families that are remembered for one target.
const MAX_FAMILIES: usize = 100_000;

/// The family whose comments are being read.
#[derive(Debug, Default)]
struct Current<'a> {
    name: Cow<'a, str>,
    kind: MetricType,
    help: Cow<'a, str>,
    unit: &'a str,
}

/// What a target's families said last, as hashes.
#[derive(Debug, Default)]
pub(crate) struct Families {
    told: HashMap<Box<str>, u64>,
    hasher: DefaultHashBuilder,
}

/// The comments of one page.
pub(crate) struct Reading<'f, 'p> {
    families: &'f mut Families,
    current: Current<'p>,
    changed: &'f mut Vec<(String, Metadata)>,
}

impl Families {
    /// Reads a page's comments; what changed is put into `changed`.
    pub(crate) fn read<'f, 'p>(&'f mut self, changed: &'f mut Vec<(String, Metadata)>) -> Reading<'f, 'p> {
        Reading { families: self, current: Current::default(), changed }
    }
}

impl<'p> Reading<'_, 'p> {
    /// Takes a comment; samples are not its business.
    pub(crate) fn take(&mut self, item: Item<'p>) {
        match item {
            Item::Type { name, kind } => {
                self.family(name);
                self.current.kind = kind;
            }
            Item::Help { name, text } => {
                self.family(name);
                self.current.help = text;
            }
            Item::Unit { name, unit } => {
                self.family(name);
                self.current.unit = unit;
            }
            Item::Sample(_) => {}
        }
    }

    /// The page has ended.
    pub(crate) fn finish(mut self) {
        self.family(Cow::Borrowed(""));
    }

    fn family(&mut self, name: Cow<'p, str>) {
        if name == self.current.name {
            return;
        }
        let done = std::mem::replace(&mut self.current, Current { name, ..Current::default() });
        if done.name.is_empty() {
            return;
        }
        let hash = self.families.hasher.hash_one((done.kind, &done.help, done.unit));
        if self.families.told.get(&*done.name) == Some(&hash) {
            return;
        }
        if self.families.told.len() < MAX_FAMILIES || self.families.told.contains_key(&*done.name) {
            self.families.told.insert(Box::from(&*done.name), hash);
        }
        let metadata = Metadata { kind: done.kind, help: done.help.into_owned(), unit: done.unit.to_owned() };
        self.changed.push((done.name.into_owned(), metadata));
    }
}
