//! The pure state machine of alerting: `(state, input, now) → effects`. No clock, no I/O, no randomness of its own.
//!
//! Every method that takes an input first does what was due by `now`, then takes the input, then does what that made
//! due. It leaves behind [`Effects`]: records that must be durable (in one transaction) before the attempts are
//! handed to the deliverer, the facts are told or anybody gets an answer. [`Engine::restore`] on all records ever
//! written (the last one of each kind and key is enough) gives an engine with the same future.

mod deadman;
mod deliver;
mod explain;
mod few;
mod figures;
mod groups;
mod ids;
mod index;
mod inhibit;
mod intern;
mod lookup;
mod operator;
mod pipeline;
mod plan;
mod post;
mod reload;
mod restore;
mod silences;
mod slab;
mod state;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::sync::Arc;

use hashbrown::HashMap;
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Labels, Timestamp};

use crate::model::{
    Alert, Attempt, AttemptId, AttemptRecord, Cause, Detail, Fact, Group, LogEntry, Record, Silence,
    SilenceId, Snapshot,
};
use few::Few;
use index::MatchIndex;
use inhibit::Inhibition;
use intern::Interner;
use silences::Hiding;
use slab::Slab;
use timers::Timer;

pub use explain::{Explanation, IntegrationExplanation, RouteExplanation, Verdict};
pub use figures::Figures;
pub use ids::{IdSource, RandomIds, SeededIds};
pub use operator::{MAX_NOTE, OperatorError};
pub use plan::{DEFAULT_RESOLVE_TIMEOUT, DeadManSwitch, IntegrationPlan, Options, Plan, ReceiverPlan};
pub use post::{AlertError, PostReport};

/// What is to be done, in this order.
#[derive(Debug, Default)]
pub struct Effects {
    /// Must be durable, all in one transaction, before anything else here is acted on or anybody is answered.
    pub records: Vec<Record>,
    /// Notifications for the deliverer.
    pub attempts: Vec<Attempt>,
    /// What happened, for the timeline and for escalations.
    pub facts: Vec<Fact>,
}

impl Effects {
    /// Whether nothing is to be done.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.attempts.is_empty() && self.facts.is_empty()
    }
}

/// What the engine keeps of an alert beside what everybody sees.
#[derive(Debug, Default)]
struct AlertPriv {
    /// Routes that take it.
    routes: Arc<[u32]>,
    /// Groups that hold it.
    groups: Few,
    /// Rules whose source side it matches, if it fires: its places among the sources.
    sources: Box<[inhibit::Place]>,
    /// Rules whose target side it matches.
    targets: Box<[inhibit::Place]>,
    /// Silences that match it, hiding or not.
    silences: Few,
    /// The moment for which its end is set in the timers.
    end_timer: Option<Timestamp>,
    /// The latest end that what is written down of it stands for.
    kept_until: Timestamp,
    /// Whether it is among the changed ones.
    dirty: bool,
}

/// What the engine keeps of a group beside what everybody sees.
#[derive(Debug, Default)]
struct GroupPriv {
    /// Alerts that were resolved when it was last looked at, with their last update: dropped when all integrations
    /// have been told, unless they changed since.
    leaving: Vec<(u32, Timestamp)>,
    /// The moment for which its next look is set in the timers.
    timer: Option<Timestamp>,
    /// The moment of a look out of turn, because an acknowledgement ran out.
    page: Option<Timestamp>,
    /// Alerts that its escalation knows, sorted.
    escalated: Vec<u64>,
    /// Whether its escalation ended because its alerts were hidden; whoever was paged hears when they are over.
    hidden: bool,
    dirty: bool,
}

/// Names an entry of the notification log whose group is gone: group, receiver, integration, index.
type LogKey = (Arc<str>, Arc<str>, Arc<str>, u32);

/// Routes that take an alert, and the names of their receivers.
type RouteSet = (Arc<[u32]>, Arc<[Arc<str>]>);

/// Silences in the order in which they are shown, and from when until when that order holds.
type Listed = (Arc<[Arc<Silence>]>, std::ops::Range<Timestamp>);

/// Why an alert gets another state, and who or what is behind it.
type Ground = (Cause, Option<Arc<Detail>>);

/// Changes since the last effects.
#[derive(Debug, Default)]
struct Dirty {
    alerts: Vec<u32>,
    groups: Vec<u32>,
    /// Records made at the moment of the change.
    records: Vec<Record>,
    attempts: Vec<Attempt>,
    facts: Vec<Fact>,
    transitions: Vec<(u32, Timestamp, Cause, Option<Arc<Detail>>)>,
    rules: BTreeSet<Arc<str>>,
    totals: bool,
    /// Whether anything changed that a snapshot shows.
    any: bool,
}

/// State of alerts, groups, silences and notifications.
pub struct Engine {
    plan: Arc<Plan>,
    options: Options,
    ids: Box<dyn IdSource>,
    started: Timestamp,

    interner: Interner,
    route_sets: HashMap<Vec<u32>, RouteSet>,
    alerts: Slab<Alert>,
    privates: Vec<AlertPriv>,
    by_print: HashMap<Fingerprint, u32>,
    /// Resolved alerts that no group holds, oldest first, each with when it came to that.
    resting: VecDeque<(u32, Fingerprint, Timestamp)>,
    inhibition: Inhibition,

    groups: Slab<Group>,
    group_privates: Vec<GroupPriv>,
    by_labels: HashMap<(u32, Labels), u32>,
    by_identity: HashMap<Arc<str>, u32>,
    orphans: HashMap<LogKey, (Arc<LogEntry>, bool)>,

    /// Notifications under way of groups that a reload took away.
    strays: HashMap<LogKey, AttemptId>,

    silences: BTreeMap<u32, Hiding>,
    silence_ids: HashMap<SilenceId, u32>,
    next_silence: u32,
    /// The silences as they were last listed.
    listed: Option<Listed>,
    silence_index: MatchIndex,
    silence_timer: Option<Timestamp>,
    /// Silences that began or ceased to hide and whose alerts have not been looked at since.
    turned: BTreeSet<u32>,
    /// Silences until resolved, one of whose alerts was resolved.
    maybe_done: BTreeSet<u32>,

    /// Alerts to be given their state, with the reason where it is not that something hides them.
    fresh: Vec<(u32, Option<Ground>)>,

    /// When each dead-man's switch was last heard of.
    beats: Vec<Timestamp>,

    in_flight: HashMap<AttemptId, Arc<AttemptRecord>>,
    log: Arc<VecDeque<Arc<AttemptRecord>>>,

    timers: BinaryHeap<std::cmp::Reverse<(Timestamp, Timer)>>,
    figures: Figures,
    dirty: Dirty,
    version: u64,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("alerts", &self.alerts.len())
            .field("groups", &self.groups.len())
            .field("silences", &self.silences.len())
            .field("in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

impl Engine {
    /// An engine without any state, started `now`.
    #[must_use]
    pub fn new(plan: Arc<Plan>, options: Options, ids: Box<dyn IdSource>, now: Timestamp) -> Self {
        let inhibition = Inhibition::new(plan.inhibit.len());
        let mut engine = Self {
            plan,
            options,
            ids,
            started: now,
            interner: Interner::default(),
            route_sets: HashMap::new(),
            alerts: Slab::default(),
            privates: Vec::new(),
            by_print: HashMap::new(),
            resting: VecDeque::new(),
            inhibition,
            groups: Slab::default(),
            group_privates: Vec::new(),
            by_labels: HashMap::new(),
            by_identity: HashMap::new(),
            orphans: HashMap::new(),
            strays: HashMap::new(),
            silences: BTreeMap::new(),
            silence_ids: HashMap::new(),
            next_silence: 0,
            listed: None,
            silence_index: MatchIndex::default(),
            silence_timer: None,
            turned: BTreeSet::new(),
            maybe_done: BTreeSet::new(),
            fresh: Vec::new(),
            beats: Vec::new(),
            in_flight: HashMap::new(),
            log: Arc::default(),
            timers: BinaryHeap::new(),
            figures: Figures::default(),
            dirty: Dirty::default(),
            version: 0,
        };
        engine.start_switches(now);
        engine.schedule(now + timers::SWEEP, Timer::Sweep);
        engine
    }

    /// Does what is due by `now`.
    pub fn tick(&mut self, now: Timestamp, effects: &mut Effects) {
        self.begin(now);
        self.finish(now, effects);
    }

    /// When something happens next by itself: call [`Engine::tick`] then. It may turn out to be nothing.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.timers.peek().map(|timer| timer.0.0)
    }

    /// Whether anything that a snapshot shows changed since the last one.
    #[must_use]
    pub const fn changed(&self) -> bool {
        self.dirty.any
    }

    /// The state as of now, shared: its cost is that of what is changed afterwards.
    pub fn snapshot(&mut self, now: Timestamp) -> Snapshot {
        if std::mem::take(&mut self.dirty.any) {
            self.version += 1;
        }
        Snapshot {
            version: self.version,
            at: now,
            alerts: self.alerts.share(),
            groups: self.groups.share(),
            silences: self.list_silences(now),
            log: Arc::clone(&self.log),
            stats: self.figures.stats(),
            receivers: Arc::clone(&self.plan.names),
            next_wake: self.next_wake(),
        }
    }

    /// The alert with a fingerprint.
    #[must_use]
    pub fn alert(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        self.by_print.get(&fingerprint).and_then(|slot| self.alerts.get(*slot))
    }

    /// How many alerts there are, open and recently resolved.
    #[must_use]
    pub fn alert_count(&self) -> usize {
        self.alerts.len()
    }

    /// The configuration in use.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// The options in use.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What comes before an input: everything that was due by then.
    fn begin(&mut self, now: Timestamp) {
        self.run_due(now);
    }

    /// What comes after an input: what it made due, and the effects of it all.
    fn finish(&mut self, now: Timestamp, effects: &mut Effects) {
        self.settle(now);
        self.run_due(now);
        self.collect(now, effects);
    }

    fn touch_alert(&mut self, slot: u32) {
        self.dirty.any = true;
        let private = &mut self.privates[slot as usize];
        if !std::mem::replace(&mut private.dirty, true) {
            self.dirty.alerts.push(slot);
        }
    }

    fn touch_group(&mut self, slot: u32) {
        self.dirty.any = true;
        let private = &mut self.group_privates[slot as usize];
        if !std::mem::replace(&mut private.dirty, true) {
            self.dirty.groups.push(slot);
        }
    }

    fn record(&mut self, record: Record) {
        self.dirty.any = true;
        self.dirty.records.push(record);
    }

    fn fact(&mut self, at: Timestamp, kind: crate::model::FactKind) {
        self.dirty.facts.push(Fact { at, kind });
    }

    /// Makes effects of the changes.
    fn collect(&mut self, now: Timestamp, effects: &mut Effects) {
        let before = effects.records.len();
        // Removals first: what was forgotten may have come back since.
        effects.records.append(&mut self.dirty.records);
        for slot in std::mem::take(&mut self.dirty.alerts) {
            self.privates[slot as usize].dirty = false;
            if let Some(record) = self.alert_record(slot) {
                effects.records.push(Record::Alert(record));
            }
        }
        for slot in std::mem::take(&mut self.dirty.groups) {
            self.group_privates[slot as usize].dirty = false;
            if let Some(record) = self.group_record(slot) {
                effects.records.push(Record::Group(record));
            }
        }
        for name in std::mem::take(&mut self.dirty.rules) {
            if let Some(rule) = self.figures.rule(&name) {
                effects.records.push(Record::Rule(name, rule));
            }
        }
        if std::mem::take(&mut self.dirty.totals) {
            effects.records.push(Record::Totals(self.figures.totals()));
        }
        if effects.records.len() > before {
            effects.records.push(Record::Clock(now));
        }
        effects.attempts.append(&mut self.dirty.attempts);
        for (slot, at, cause, detail) in std::mem::take(&mut self.dirty.transitions) {
            if let Some(alert) = self.alerts.get(slot) {
                let alert = Arc::clone(alert);
                effects
                    .facts
                    .push(Fact { at, kind: crate::model::FactKind::Transition { alert, cause, detail } });
            }
        }
        effects.facts.append(&mut self.dirty.facts);
    }
}
