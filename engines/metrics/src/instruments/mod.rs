//! The console's own instruments: counters, gauges, histograms and timers that its code counts with.
//!
//! Getting an instrument takes a lock, counting with it does not: keep it where it is used. [`global`] is the
//! registry of the whole program; `/metrics` shows it, and the store scrapes it.

mod histogram;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use quarterdeck_kernel::labels::{is_legacy_label_name, is_legacy_metric_name};

use crate::exposition::Format;
use crate::gather::{Family, page};
use crate::ingest::MetricType;
pub use histogram::{Histogram, LATENCY_SECONDS, Timer};

/// The most label sets of one family; further instruments count but are not shown.
const MAX_CHILDREN: usize = 1000;

/// Goes up.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Counts one.
    pub fn inc(&self) {
        self.add(1);
    }

    /// Counts several.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// What it has counted.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Goes up and down.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Sets it.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    /// Adds to it; a negative number takes away.
    pub fn add(&self, delta: f64) {
        let add = |bits| Some((f64::from_bits(bits) + delta).to_bits());
        // The closure never declines, so the update never fails.
        let _before = self.0.fetch_update(Relaxed, Relaxed, add);
    }

    /// What it shows.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }
}

#[derive(Clone, Debug)]
enum Instrument {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Instrument {
    const fn kind(&self) -> MetricType {
        match self {
            Self::Counter(_) => MetricType::Counter,
            Self::Gauge(_) => MetricType::Gauge,
            Self::Histogram(_) => MetricType::Histogram,
        }
    }
}

type LabelPairs = Vec<(String, String)>;

#[derive(Debug)]
struct Group {
    kind: MetricType,
    help: String,
    children: BTreeMap<LabelPairs, Instrument>,
}

type Collector = Box<dyn Fn() -> Vec<Family> + Send + Sync>;

/// A set of instruments.
#[derive(Default)]
pub struct Registry {
    groups: RwLock<BTreeMap<String, Group>>,
    collectors: RwLock<BTreeMap<&'static str, Collector>>,
    hidden: AtomicU64,
}

/// The instruments of the whole program.
#[must_use]
pub fn global() -> &'static Registry {
    static GLOBAL: LazyLock<Registry> = LazyLock::new(Registry::default);
    &GLOBAL
}

impl Registry {
    /// The counter of this name and these labels, made if it is not there.
    pub fn counter(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Counter {
        let made = Instrument::Counter(Counter::default());
        match self.child(name, help, labels, made) {
            Instrument::Counter(counter) => counter,
            Instrument::Gauge(_) | Instrument::Histogram(_) => Counter::default(),
        }
    }

    /// The gauge of this name and these labels, made if it is not there.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Gauge {
        let made = Instrument::Gauge(Gauge::default());
        match self.child(name, help, labels, made) {
            Instrument::Gauge(gauge) => gauge,
            Instrument::Counter(_) | Instrument::Histogram(_) => Gauge::default(),
        }
    }

    /// The histogram of this name and these labels, made with these upper bounds if it is not there.
    pub fn histogram(&self, name: &str, help: &str, labels: &[(&str, &str)], bounds: &[f64]) -> Histogram {
        let made = Histogram::new(bounds);
        match self.child(name, help, labels, Instrument::Histogram(made.clone())) {
            Instrument::Histogram(histogram) => histogram,
            Instrument::Counter(_) | Instrument::Gauge(_) => made,
        }
    }

    /// Adds families that are made when they are asked for. Another collector of the same name takes its place.
    pub fn collect(&self, name: &'static str, collector: impl Fn() -> Vec<Family> + Send + Sync + 'static) {
        self.collectors.write().insert(name, Box::new(collector));
    }

    /// An instrument that does not fit (bad name, another type under that name, too many label sets) counts but is not
    /// shown; how many there are is shown.
    fn child(&self, name: &str, help: &str, labels: &[(&str, &str)], made: Instrument) -> Instrument {
        let mut key: LabelPairs = labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        key.sort();
        let fits = |held: &&Instrument| held.kind() == made.kind();
        if let Some(held) =
            self.groups.read().get(name).and_then(|group| group.children.get(&key)).filter(fits)
        {
            return held.clone();
        }
        let lawful = is_legacy_metric_name(name) && labels.iter().all(|(n, _)| is_legacy_label_name(n));
        let mut groups = self.groups.write();
        let group = groups.entry(name.to_owned()).or_insert_with(|| Group {
            kind: made.kind(),
            help: help.to_owned(),
            children: BTreeMap::new(),
        });
        if !lawful || group.kind != made.kind() || group.children.len() >= MAX_CHILDREN {
            self.hidden.fetch_add(1, Relaxed);
            tracing::warn!(
                name,
                "an instrument is not shown: its name, its type or the number of its label sets is unfit"
            );
            return made;
        }
        group.children.entry(key).or_insert(made).clone()
    }

    /// Everything as of now, sorted by name.
    #[must_use]
    pub fn gather(&self) -> Vec<Family> {
        let mut families = Vec::new();
        for (name, group) in self.groups.read().iter() {
            let mut family = Family::new(name, group.kind, &group.help);
            for (labels, instrument) in &group.children {
                match instrument {
                    Instrument::Counter(counter) => push(&mut family, labels, counter.get() as f64),
                    Instrument::Gauge(gauge) => push(&mut family, labels, gauge.get()),
                    Instrument::Histogram(histogram) => histogram.write(labels, &mut family),
                }
            }
            families.push(family);
        }
        for collector in self.collectors.read().values() {
            families.extend(collector());
        }
        families.push(Family::single(
            "quarterdeck_instruments_hidden",
            MetricType::Gauge,
            "Instruments that are not shown because of an unfit name, type or number of label sets.",
            self.hidden.load(Relaxed) as f64,
        ));
        families.sort_by(|a, b| a.name.cmp(&b.name));
        families
    }

    /// Everything as of now, as a page.
    #[must_use]
    pub fn page(&self, format: Format) -> String {
        page(&self.gather(), format)
    }
}

fn push(family: &mut Family, labels: &LabelPairs, value: f64) {
    family.samples.push(crate::gather::FamilySample { suffix: "", labels: labels.clone(), value });
}

#[cfg(test)]
mod tests;
