//! The core: from readings to a snapshot, with what must be remembered between evaluations. Pure: the metrics come from
//! a [`Source`], the time is passed in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::time::millis;
use quarterdeck_kernel::{Health, Timestamp};

use crate::assess::{InForce, Level, Measured, Rules, State, Verdict, assess};
use crate::buckets::Buckets;
use crate::catalogue::Plan;
use crate::config::ServiceConfig;
use crate::history::{Track, apdex_threshold};
use crate::model::{Breach, Limited, Resource, ServiceView, Signal, Signals, Snapshot, TransactionView};
use crate::overrides::Overrides;
use crate::readings::{Depth, Reading, Readings, Requests, Times, read};
use crate::source::Source;

/// The figures of a service that have a history.
const FIGURES: usize = 6;

/// What is remembered of a service.
#[derive(Clone, Debug)]
struct Memory {
    state: State,
    verdict: Verdict,
    tracks: [Track; FIGURES],
    transactions: BTreeMap<Arc<str>, [Track; 2]>,
    seen: Timestamp,
}

/// Latency over the attainment range, by service: the whole and the transactions.
type Attained = BTreeMap<Arc<str>, BTreeMap<Arc<str>, Buckets>>;

/// Evaluates services.
#[derive(Debug)]
pub struct Core {
    plan: Arc<Plan>,
    memory: BTreeMap<Arc<str>, Memory>,
    /// The present point of every history, counted in steps since 1970.
    slot: Option<i64>,
    attained: Attained,
    version: u64,
}

impl Core {
    /// A core that remembers nothing.
    #[must_use]
    pub fn new(plan: Arc<Plan>) -> Self {
        Self { plan, memory: BTreeMap::new(), slot: None, attained: Attained::new(), version: 0 }
    }

    /// Takes another plan; what is remembered stays, unless the histories have another shape.
    pub fn replan(&mut self, plan: Arc<Plan>) {
        let shape = |p: &Plan| (p.signals.range, p.signals.points);
        if shape(&plan) != shape(&self.plan) {
            self.memory.clear();
            self.slot = None;
        }
        self.plan = plan;
        // Attainment is looked up anew: services may have other series now.
        self.attained.clear();
    }

    fn step(&self) -> Duration {
        let points = u32::try_from(self.plan.signals.points).unwrap_or(30).max(2);
        (self.plan.signals.range / points).max(Duration::from_secs(1))
    }

    /// Evaluates everything as of `now`. The first time, the histories are filled from the metrics, and health is
    /// followed through them, so that "since when" reaches back before the console was started.
    pub fn evaluate(&mut self, source: &dyn Source, overrides: &Overrides, now: Timestamp) -> Snapshot {
        let plan = Arc::clone(&self.plan);
        let (step, window) = (self.step(), plan.signals.window);
        let slot = now.as_millis().div_euclid(millis(step));
        let mut problems = Vec::new();
        if self.slot.is_none() {
            problems.extend(self.look_back(source, overrides, slot));
        }
        let (mut all, failed) = read(&plan, source, Times::at(now), window, Depth::All);
        problems.extend(failed);
        if self.slot != Some(slot) || self.attained.is_empty() {
            let (latency, failed) = read(&plan, source, Times::at(now), plan.signals.range, Depth::Latency);
            problems.extend(failed);
            self.attained = latency.into_iter().next_back().map(attained).unwrap_or_default();
        }
        let readings = all.pop().unwrap_or_default();
        self.take(&readings, overrides, slot, now);
        self.forget(now);
        problems.sort();
        problems.dedup();
        self.snapshot(&readings, overrides, problems, now)
    }

    /// Fills the histories from the metrics.
    fn look_back(&mut self, source: &dyn Source, overrides: &Overrides, slot: i64) -> Vec<String> {
        let plan = Arc::clone(&self.plan);
        let step = self.step();
        let points = i64::try_from(plan.signals.points).unwrap_or(30);
        let at = |slot: i64| Timestamp::from_millis(slot.saturating_mul(millis(step)));
        let times = Times { from: at(slot - points + 1), to: at(slot), step };
        let (all, problems) = read(&plan, source, times, plan.signals.window, Depth::All);
        for (i, (t, readings)) in times.iter().zip(&all).enumerate() {
            let offset = i64::try_from(i).unwrap_or(0);
            self.take(readings, overrides, slot - points + 1 + offset, t);
        }
        problems
    }

    /// Remembers readings of one moment.
    fn take(&mut self, readings: &Readings, overrides: &Overrides, slot: i64, now: Timestamp) {
        let moved = self.slot.map_or(0, |old| usize::try_from(slot - old).unwrap_or(0));
        self.slot = Some(slot);
        let plan = Arc::clone(&self.plan);
        let configured = plan.catalogue.keys().map(|k| Arc::from(k.as_str()));
        let names: BTreeSet<Arc<str>> =
            configured.chain(readings.keys().cloned()).chain(self.memory.keys().cloned()).collect();
        let rules = Rules { break_after: plan.signals.break_after, mend_after: plan.signals.mend_after };
        let nothing = Reading::default();
        for name in names {
            let reading = readings.get(&name).unwrap_or(&nothing);
            let limits = overrides.in_force(&plan, &name);
            let measured = self.measured(&name, reading, &limits, now);
            let points = plan.signals.points;
            let memory = self.memory.entry(Arc::clone(&name)).or_insert_with(|| Memory {
                state: State::default(),
                verdict: Verdict::default(),
                tracks: std::array::from_fn(|_| Track::new(points)),
                transactions: BTreeMap::new(),
                seen: now,
            });
            if readings.contains_key(&name) {
                memory.seen = now;
            }
            (memory.state, memory.verdict) = assess(&memory.state, &measured, &limits, rules, now);
            memory.remember(reading, &measured, moved, plan.signals.max_transactions);
        }
    }

    fn measured(&self, name: &str, reading: &Reading, limits: &InForce, now: Timestamp) -> Measured {
        let stale = self.plan.signals.stale_after;
        let told = reading.whole.rate.is_some()
            || !reading.whole.buckets.is_empty()
            || reading.targets.total > 0
            || !reading.saturation.is_empty()
            || !reading.usage.is_empty();
        let attainment = |(transaction, level): (&String, &Level)| {
            let buckets = self.attained.get(name)?.get(transaction.as_str())?;
            Some((transaction.clone(), buckets.within(level.threshold?)? * 100.0))
        };
        Measured {
            told,
            fresh: told && reading.data_at.is_none_or(|at| now.since(at) <= stale),
            targets: reading.targets,
            errors: reading.whole.errors(),
            p99: reading.whole.buckets.quantile(0.99),
            saturation: reading.fullest().map(|(resource, v)| (resource.to_string(), v)),
            attainment: limits.transactions.iter().filter_map(attainment).collect(),
            attained_over: self.plan.signals.range,
        }
    }

    /// Forgets services that are not configured and have not been seen for the whole range.
    fn forget(&mut self, now: Timestamp) {
        let (plan, range) = (&self.plan, self.plan.signals.range);
        self.memory
            .retain(|name, memory| plan.catalogue.contains_key(&**name) || now.since(memory.seen) <= range);
    }

    fn snapshot(
        &mut self,
        readings: &Readings,
        overrides: &Overrides,
        problems: Vec<String>,
        now: Timestamp,
    ) -> Snapshot {
        self.version += 1;
        let nothing = Reading::default();
        let mut services: Vec<Arc<ServiceView>> = self
            .memory
            .iter()
            .map(|(name, memory)| {
                let reading = readings.get(name).unwrap_or(&nothing);
                Arc::new(self.view(name, memory, reading, overrides))
            })
            .collect();
        services.sort_by(|a, b| {
            let worse = b.health.cmp(&a.health).then_with(|| b.excess().total_cmp(&a.excess()));
            worse.then_with(|| a.name.cmp(&b.name))
        });
        let shown = services.len();
        let mut room = self.plan.signals.max_services;
        services.retain(|s| {
            let fits = room > 0 || s.catalogued;
            room = room.saturating_sub(1);
            fits
        });
        let step = self.step();
        Snapshot {
            version: self.version,
            taken: now,
            interval: self.plan.signals.interval,
            range: self.plan.signals.range,
            dropped_services: shown - services.len(),
            services,
            history_step: step,
            history_end: Timestamp::from_millis(self.slot.unwrap_or(0).saturating_mul(millis(step))),
            cycles: self.plan.cycles.clone(),
            problems,
        }
    }

    fn view(
        &self,
        name: &Arc<str>,
        memory: &Memory,
        reading: &Reading,
        overrides: &Overrides,
    ) -> ServiceView {
        let plan = &self.plan;
        let configured = plan.catalogue.get(&**name);
        let nothing = ServiceConfig::default();
        let config = configured.unwrap_or(&nothing);
        let limits = overrides.in_force(plan, name);
        let verdict = &memory.verdict;
        let apdex = apdex_threshold(plan, name);
        let mut transactions = self.transactions(name, memory, reading, &limits, apdex);
        let dropped = transactions.len().saturating_sub(plan.signals.max_transactions);
        transactions.truncate(plan.signals.max_transactions);
        ServiceView {
            name: Arc::clone(name),
            catalogued: configured.is_some(),
            owner: config.owner.clone(),
            runbook: config.runbook.clone(),
            depends_on: config.depends_on.clone(),
            dependents: plan.dependents.get(&**name).cloned().unwrap_or_default(),
            routes: config.routes.clone(),
            log_sources: config.log_sources.clone(),
            selectors: plan.selectors(name),
            health: verdict.health,
            since: verdict.since,
            reason: verdict.reason.clone(),
            signals: signals(memory, reading, &limits, apdex),
            targets: reading.targets,
            data_at: reading.data_at,
            resources: resources(reading),
            transactions,
            dropped_transactions: dropped,
            conventions: reading.conventions.clone(),
            breaches: verdict.breaches.clone(),
        }
    }

    fn transactions(
        &self,
        service: &str,
        memory: &Memory,
        reading: &Reading,
        limits: &InForce,
        apdex: f64,
    ) -> Vec<TransactionView> {
        let levelled = limits.transactions.keys().map(|k| Arc::from(k.as_str()));
        let names: BTreeSet<Arc<str>> = reading.transactions.keys().cloned().chain(levelled).collect();
        let nothing = Requests::default();
        let view = |name: Arc<str>| {
            let requests = reading.transactions.get(&name).unwrap_or(&nothing);
            let level = limits.transactions.get(&*name).copied().unwrap_or_default();
            let over_range = self.attained.get(service).and_then(|s| s.get(&name));
            let within = |t: f64| over_range.and_then(|b| b.within(t)).map(|part| part * 100.0);
            let empty = || Arc::from([].as_slice());
            let tracks = memory.transactions.get(&name);
            TransactionView {
                rate: requests.rate,
                errors: requests.errors(),
                p50: requests.buckets.quantile(0.5),
                p95: requests.buckets.quantile(0.95),
                p99: requests.buckets.quantile(0.99),
                apdex: requests.buckets.apdex(level.threshold.unwrap_or(apdex)),
                threshold: level.threshold,
                target: level.target,
                attainment: level.threshold.and_then(within),
                broken_since: since(&memory.verdict.breaches, &Limited::Transaction(name.to_string())),
                rate_history: tracks.map_or_else(empty, |t| t[0].shared()),
                p99_history: tracks.map_or_else(empty, |t| t[1].shared()),
                name,
            }
        };
        let mut views: Vec<TransactionView> = names.into_iter().map(view).collect();
        let rate = |t: &TransactionView| t.rate.unwrap_or(-1.0);
        views.sort_by(|a, b| rate(b).total_cmp(&rate(a)).then_with(|| a.name.cmp(&b.name)));
        views
    }
}

impl Memory {
    /// Puts a reading into the histories.
    fn remember(&mut self, reading: &Reading, measured: &Measured, moved: usize, max_transactions: usize) {
        let whole = &reading.whole;
        let saturation = measured.saturation.as_ref().map(|(_, v)| *v);
        let values = [
            whole.rate,
            whole.errors(),
            whole.buckets.quantile(0.5),
            whole.buckets.quantile(0.95),
            measured.p99,
            saturation,
        ];
        for (track, value) in self.tracks.iter_mut().zip(values) {
            track.advance(moved);
            track.set(value);
        }
        let points = self.tracks[0].shared().len();
        for tracks in self.transactions.values_mut() {
            tracks.iter_mut().for_each(|t| t.advance(moved));
        }
        // Transactions that have gone make room for new ones.
        self.transactions.retain(|name, tracks| {
            reading.transactions.contains_key(name) || tracks[0].shared().iter().any(|v| !v.is_nan())
        });
        for (name, requests) in &reading.transactions {
            if !self.transactions.contains_key(name) && self.transactions.len() >= max_transactions {
                continue;
            }
            let tracks = self
                .transactions
                .entry(Arc::clone(name))
                .or_insert_with(|| std::array::from_fn(|_| Track::new(points)));
            tracks[0].set(requests.rate);
            tracks[1].set(requests.buckets.quantile(0.99));
        }
    }
}

fn attained(readings: Readings) -> Attained {
    let own =
        |reading: Reading| reading.transactions.into_iter().map(|(name, r)| (name, r.buckets)).collect();
    readings.into_iter().map(|(name, reading)| (name, own(reading))).collect()
}

fn since(breaches: &[Breach], what: &Limited) -> Option<Timestamp> {
    breaches.iter().find(|b| b.what == *what).map(|b| b.since)
}

fn signals(memory: &Memory, reading: &Reading, limits: &InForce, apdex: f64) -> Signals {
    let Verdict { breaches, health, .. } = &memory.verdict;
    let whole = &reading.whole;
    let fullest = reading.fullest();
    let signal = |index: usize, value: Option<f64>, limit: Option<f64>, what: Option<Limited>| Signal {
        value,
        limit,
        broken_since: what.filter(|_| *health > Health::Unknown).and_then(|w| since(breaches, &w)),
        history: memory.tracks[index].shared(),
    };
    Signals {
        rate: signal(0, whole.rate, None, None),
        errors: signal(1, whole.errors(), limits.errors, Some(Limited::Errors)),
        p50: signal(2, whole.buckets.quantile(0.5), None, None),
        p95: signal(3, whole.buckets.quantile(0.95), None, None),
        p99: signal(4, whole.buckets.quantile(0.99), limits.latency, Some(Limited::Latency)),
        saturation: signal(5, fullest.map(|(_, v)| v), limits.saturation, Some(Limited::Saturation)),
        saturated: fullest.map(|(name, _)| Arc::clone(name)),
        apdex: whole.buckets.apdex(apdex),
    }
}

/// Resources in use, and those of which only the fullness is known.
fn resources(reading: &Reading) -> Vec<Resource> {
    let used = reading.usage.iter().map(|(name, (unit, value))| Resource {
        name: Arc::clone(name),
        unit: Arc::clone(unit),
        value: *value,
        percent: reading.saturation.get(name).copied(),
    });
    let full = reading.saturation.iter().filter(|(name, _)| !reading.usage.contains_key(*name));
    let full = full.map(|(name, percent)| Resource {
        name: Arc::clone(name),
        unit: Arc::from("%"),
        value: *percent,
        percent: Some(*percent),
    });
    used.chain(full).collect()
}
