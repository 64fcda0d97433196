//! Which group an element of an aggregation belongs to.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use quarterdeck_kernel::Labels;
use quarterdeck_kernel::labels::METRIC_NAME;

use super::super::Evaluator;
use super::super::stream::Stream;
use crate::ast::Grouping;

/// Finds groups by labels.
///
/// Stores share the text of equal label values, so a group is mostly found by the addresses of the texts that make it;
/// only addresses not seen before are read.
pub(in super::super) struct Grouper<'e, 'a> {
    evaluator: &'e Evaluator<'a>,
    without: bool,
    /// Label names to group by, or to leave out.
    names: Vec<Place<'e>>,
    /// Whether elements come without their names, though the labels at hand still have them.
    nameless: bool,
    /// Of the labels seen last, whether each is part of a group's labels.
    kept: Vec<(Arc<str>, bool)>,
    key: Vec<usize>,
    by_address: HashMap<Vec<usize>, usize, BuildHasherDefault<Mixer>>,
    /// Keeps the texts where they are as long as their addresses stand for them.
    alive: Vec<Labels>,
    by_labels: HashMap<Labels, usize>,
    /// The labels of each group, in the order of their first members.
    pub(in super::super) groups: Vec<Labels>,
}

/// A label name and where it was in the labels seen last.
struct Place<'e> {
    name: &'e str,
    at: usize,
    found: Option<Arc<str>>,
}

/// Labels to group by, of which few may be looked at.
pub(in super::super) trait Labelled {
    /// Name and value of the i-th label, in the order of names.
    fn label(&self, i: usize) -> Option<(&Arc<str>, &Arc<str>)>;

    /// All of them.
    fn labels(&self) -> Labels;
}

impl Labelled for Labels {
    fn label(&self, i: usize) -> Option<(&Arc<str>, &Arc<str>)> {
        self.pairs().get(i).map(|(name, value)| (name, value))
    }

    fn labels(&self) -> Labels {
        self.clone()
    }
}

/// A series of a stream.
pub(in super::super) struct Streamed<'s, 'e, 'a> {
    pub(in super::super) stream: &'s Stream<'e, 'a>,
    pub(in super::super) n: usize,
}

impl Labelled for Streamed<'_, '_, '_> {
    fn label(&self, i: usize) -> Option<(&Arc<str>, &Arc<str>)> {
        self.stream.label(self.n, i)
    }

    fn labels(&self) -> Labels {
        self.stream.labels(self.n)
    }
}

impl<'e, 'a> Grouper<'e, 'a> {
    /// For an aggregation. `nameless` says that elements come without their names, though their labels still have them.
    pub(super) fn new(evaluator: &'e Evaluator<'a>, grouping: Option<&'e Grouping>, nameless: bool) -> Self {
        match grouping {
            Some(Grouping::By(names)) => Self::by(evaluator, names, false, nameless),
            Some(Grouping::Without(names)) => Self::by(evaluator, names, true, true),
            None => Self::by(evaluator, &[] as &[&str], false, nameless),
        }
    }

    /// By some labels, or by all others.
    pub(in super::super) fn by<N: AsRef<str>>(
        evaluator: &'e Evaluator<'a>,
        names: &'e [N],
        without: bool,
        nameless: bool,
    ) -> Self {
        let place = |name: &'e N| Place { name: name.as_ref(), at: 0, found: None };
        Self {
            evaluator,
            without,
            names: names.iter().map(place).collect(),
            nameless,
            kept: vec![],
            key: vec![],
            by_address: HashMap::default(),
            alive: vec![],
            by_labels: HashMap::new(),
            groups: vec![],
        }
    }

    /// Whether groups have the metric's name among their labels.
    pub(super) fn keeps_name(&self) -> bool {
        !self.without && self.names.iter().any(|p| p.name == METRIC_NAME)
    }

    /// The group of an element.
    pub(in super::super) fn group(&mut self, element: &impl Labelled) -> usize {
        self.key.clear();
        if self.without {
            self.key_of_the_rest(element);
        } else {
            for place in &mut self.names {
                let value = place.find(element).map_or(0, |value| value.as_ptr().addr());
                self.key.push(value);
            }
        }
        if let Some(group) = self.by_address.get(self.key.as_slice()) {
            return *group;
        }
        let labels = element.labels();
        let own = labels.filter(|name| self.keeps(name));
        let group = *self.by_labels.entry(own).or_insert_with_key(|own| {
            self.groups.push(own.clone());
            self.groups.len() - 1
        });
        self.by_address.insert(self.key.clone(), group);
        self.alive.push(labels);
        group
    }

    /// Whether a label is part of a group's labels.
    fn keeps(&self, name: &str) -> bool {
        let listed = self.names.iter().any(|p| p.name == name);
        listed != self.without && !(self.nameless && self.evaluator.is_name(name))
    }

    fn key_of_the_rest(&mut self, element: &impl Labelled) {
        for i in 0.. {
            let Some((name, value)) = element.label(i) else { return };
            let keep = match self.kept.get(i) {
                Some((known, keep)) if Arc::ptr_eq(known, name) => *keep,
                _ => {
                    let keep = self.keeps(name);
                    self.kept.truncate(i);
                    self.kept.push((Arc::clone(name), keep));
                    keep
                }
            };
            if keep {
                self.key.extend([name.as_ptr().addr(), value.as_ptr().addr()]);
            }
        }
    }
}

impl Place<'_> {
    fn find<'l>(&mut self, element: &'l impl Labelled) -> Option<&'l Arc<str>> {
        if let (Some(found), Some((name, value))) = (&self.found, element.label(self.at))
            && Arc::ptr_eq(found, name)
        {
            return Some(value);
        }
        for i in 0.. {
            let (name, value) = element.label(i)?;
            if **name == *self.name {
                (self.at, self.found) = (i, Some(Arc::clone(name)));
                return Some(value);
            }
        }
        None
    }
}

/// Hashes addresses: they need only be spread, nobody can choose them.
#[derive(Default)]
pub(in super::super) struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for eight in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..eight.len()].copy_from_slice(eight);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
