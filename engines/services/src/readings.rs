//! One look at the metrics: a few grouped queries, told apart by service and transaction.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Labels, Timestamp};

use crate::buckets::Buckets;
use crate::catalogue::Plan;
use crate::config::Convention;
use crate::model::Targets;
use crate::source::{Line, Source};

/// When to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// First moment.
    pub from: Timestamp,
    /// Last moment.
    pub to: Timestamp,
    /// Distance between moments.
    pub step: Duration,
}

impl Times {
    /// One moment only.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        Self { from: moment, to: moment, step: Duration::from_secs(1) }
    }

    /// All moments.
    pub fn iter(self) -> impl Iterator<Item = Timestamp> {
        (0..self.len())
            .map(move |i| self.from + self.step.saturating_mul(u32::try_from(i).unwrap_or(u32::MAX)))
    }

    fn len(self) -> usize {
        let steps = self.to.since(self.from).as_millis() / self.step.as_millis().max(1);
        usize::try_from(steps).unwrap_or(0) + 1
    }

    fn index(self, t: Timestamp) -> Option<usize> {
        let index = usize::try_from(t.since(self.from).as_millis() / self.step.as_millis().max(1)).ok()?;
        (index < self.len()).then_some(index)
    }
}

/// Requests of a service or transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Requests {
    /// Per second.
    pub rate: Option<f64>,
    /// Failed ones per second; none when the convention does not tell failures.
    pub failed: Option<f64>,
    /// How long they took, in milliseconds.
    pub buckets: Buckets,
}

impl Requests {
    /// Failed requests in percent; none without requests.
    #[must_use]
    pub fn errors(&self) -> Option<f64> {
        let (rate, failed) = (self.rate?, self.failed?);
        (rate > 0.0).then(|| (100.0 * failed / rate).clamp(0.0, 100.0))
    }
}

/// What is known of a service at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// All its requests.
    pub whole: Requests,
    /// Requests by transaction.
    pub transactions: BTreeMap<Arc<str>, Requests>,
    /// How full resources are, in percent.
    pub saturation: BTreeMap<Arc<str>, f64>,
    /// How much of resources is used: unit and amount.
    pub usage: BTreeMap<Arc<str>, (Arc<str>, f64)>,
    /// Scrape targets.
    pub targets: Targets,
    /// When the newest sample of its targets was taken.
    pub data_at: Option<Timestamp>,
    /// Conventions that its requests are told by.
    pub conventions: Vec<Arc<str>>,
}

impl Reading {
    /// The fullest resource, in percent.
    #[must_use]
    pub fn fullest(&self) -> Option<(&Arc<str>, f64)> {
        self.saturation.iter().map(|(name, v)| (name, *v)).max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// Readings of all services at one moment.
pub type Readings = BTreeMap<Arc<str>, Reading>;

/// How much to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Everything.
    All,
    /// Requests alone.
    Requests,
    /// Latency buckets alone.
    Latency,
}

/// Looks at the metrics at some moments. Queries that fail are told beside and leave their figures unknown.
#[must_use]
pub fn read(
    plan: &Plan,
    source: &dyn Source,
    times: Times,
    window: Duration,
    depth: Depth,
) -> (Vec<Readings>, Vec<String>) {
    let mut look = Look {
        plan,
        source,
        times,
        window,
        readings: vec![Readings::new(); times.len()],
        problems: Vec::new(),
        owners: HashMap::new(),
        chosen: HashMap::new(),
    };
    for (index, (name, convention)) in plan.conventions.iter().enumerate() {
        look.requests(index, name, convention, depth);
        if depth == Depth::All {
            look.resources(convention);
        }
    }
    if depth == Depth::All {
        look.targets();
    }
    (look.readings, look.problems)
}

/// What of a convention's requests is being chosen for a service.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Part {
    Rate,
    Latency,
}

struct Look<'a> {
    plan: &'a Plan,
    source: &'a dyn Source,
    times: Times,
    window: Duration,
    readings: Vec<Readings>,
    problems: Vec<String>,
    owners: HashMap<Labels, Vec<Arc<str>>>,
    /// Which convention counts, by service, protocol and part.
    chosen: HashMap<(Arc<str>, &'a str, Part), usize>,
}

impl<'a> Look<'a> {
    fn ask(&mut self, template: &str, extra: &[String]) -> Vec<Line> {
        let query = self.plan.query(template, extra, self.window);
        self.source.range(&query, self.times.from, self.times.to, self.times.step).unwrap_or_else(|why| {
            self.problems.push(format!("{query}: {why}"));
            Vec::new()
        })
    }

    fn owners(&mut self, labels: &Labels) -> Vec<Arc<str>> {
        let own = labels.filter(|name| self.plan.groups_by(name));
        let plan = self.plan;
        self.owners.entry(own).or_insert_with_key(|own| plan.services_of(own)).clone()
    }

    /// Whether this convention is the one that counts for a service; the first that asks is.
    fn chosen(&mut self, service: &Arc<str>, protocol: &'a str, part: Part, convention: usize) -> bool {
        *self.chosen.entry((Arc::clone(service), protocol, part)).or_insert(convention) == convention
    }

    fn requests(&mut self, index: usize, name: &Arc<str>, convention: &'a Convention, depth: Depth) {
        let labels: Vec<String> =
            convention.transaction.iter().flat_map(|part| part.split('|')).map(str::to_owned).collect();
        let protocol = convention.protocol.as_str();
        if let (Some(template), true) = (&convention.rate, depth != Depth::Latency) {
            let told = convention.errors.is_some();
            for line in self.ask(template, &labels) {
                self.each(&line, convention, (index, protocol, Part::Rate), |reading, value, requests| {
                    *requests.rate.get_or_insert(0.0) += value;
                    if told {
                        // No series of failures means that nothing has failed.
                        requests.failed.get_or_insert(0.0);
                    }
                    if !reading.contains(name) {
                        reading.push(Arc::clone(name));
                    }
                });
            }
            if let Some(template) = &convention.errors {
                for line in self.ask(template, &labels) {
                    self.each(&line, convention, (index, protocol, Part::Rate), |_, value, requests| {
                        *requests.failed.get_or_insert(0.0) += value;
                    });
                }
            }
        }
        if let Some(template) = &convention.latency {
            for line in self.ask(template, &labels) {
                let bound = line.labels.get("le").and_then(|le| le.parse::<f64>().ok());
                let Some(bound) = bound else { continue };
                let bound = bound * convention.latency_unit.millis();
                self.each(
                    &line,
                    convention,
                    (index, protocol, Part::Latency),
                    |conventions, value, requests| {
                        requests.buckets.add(bound, value);
                        if !conventions.contains(name) {
                            conventions.push(Arc::clone(name));
                        }
                    },
                );
            }
        }
    }

    /// Adds a line's values to the services and the transaction that it belongs to.
    fn each(
        &mut self,
        line: &Line,
        convention: &Convention,
        (index, protocol, part): (usize, &'a str, Part),
        mut add: impl FnMut(&mut Vec<Arc<str>>, f64, &mut Requests),
    ) {
        let transaction: Option<Arc<str>> = transaction(convention, &line.labels).map(Arc::from);
        for service in self.owners(&line.labels) {
            if !self.chosen(&service, protocol, part, index) {
                continue;
            }
            for (t, value) in &line.points {
                let Some(at) = self.times.index(*t) else { continue };
                if value.is_nan() {
                    continue;
                }
                let reading = self.readings[at].entry(Arc::clone(&service)).or_default();
                add(&mut reading.conventions, *value, &mut reading.whole);
                if let Some(transaction) = &transaction {
                    let own = reading.transactions.entry(Arc::clone(transaction)).or_default();
                    add(&mut reading.conventions, *value, own);
                }
            }
        }
    }

    fn resources(&mut self, convention: &Convention) {
        for (name, template) in &convention.saturation {
            let name: Arc<str> = name.as_str().into();
            self.gather(template, |reading, value| {
                let full = reading.saturation.entry(Arc::clone(&name)).or_insert(f64::NEG_INFINITY);
                *full = full.max(value);
            });
        }
        for (name, usage) in &convention.usage {
            let (name, unit): (Arc<str>, Arc<str>) = (name.as_str().into(), usage.unit.as_str().into());
            self.gather(&usage.query, |reading, value| {
                let used = reading.usage.entry(Arc::clone(&name)).or_insert_with(|| (Arc::clone(&unit), 0.0));
                used.1 += value;
            });
        }
    }

    fn targets(&mut self) {
        let count = |value: f64| if value >= 1.0 { value as usize } else { 0 };
        self.gather("sum by ($by) (up)", |reading, value| reading.targets.up += count(value));
        self.gather("count by ($by) (up)", |reading, value| reading.targets.total += count(value));
        self.gather("max by ($by) (timestamp(up))", |reading, value| {
            reading.data_at = reading.data_at.max(Some(Timestamp::from_secs_f64(value)));
        });
    }

    fn gather(&mut self, template: &str, mut add: impl FnMut(&mut Reading, f64)) {
        for line in self.ask(template, &[]) {
            for service in self.owners(&line.labels) {
                for (t, value) in line.points.iter().filter(|(_, v)| v.is_finite()) {
                    let Some(at) = self.times.index(*t) else { continue };
                    add(self.readings[at].entry(Arc::clone(&service)).or_default(), *value);
                }
            }
        }
    }
}

/// The transaction that a series is of: the values of the convention's labels, joined by a space.
fn transaction(convention: &Convention, labels: &Labels) -> Option<String> {
    let value = |part: &String| part.split('|').find_map(|label| labels.get(label));
    value(convention.transaction.last()?)?;
    let parts: Vec<&str> = convention.transaction.iter().filter_map(value).collect();
    Some(parts.join(" "))
}
