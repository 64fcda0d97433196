//! The engine from what it wrote down.

use std::sync::Arc;

use hashbrown::HashMap;
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::Timestamp;

use super::groups::next_tick;
use super::silences::Hiding;
use super::timers::Timer;
use super::{Effects, Engine, IdSource, Options, Plan};
use crate::model::{
    Alert, AlertRecord, Attempt, AttemptRecord, GroupRecord, LogRecord, Notified, Outcome, Record,
    SilenceState,
};

/// Records in the order in which they are taken in.
#[derive(Default)]
struct Sorted {
    alive: Option<Timestamp>,
    alerts: Vec<AlertRecord>,
    groups: HashMap<Arc<str>, GroupRecord>,
    logs: Vec<LogRecord>,
    attempts: Vec<Arc<AttemptRecord>>,
}

impl Engine {
    /// The engine that wrote these records (the last one of each kind and key; in any order), started again `now`,
    /// perhaps under another configuration. Timers go on; what was due meanwhile is done now. An attempt without
    /// outcome is handed over once more under its name; one that had been handed over twice already counts as
    /// unknown, and its group tells anew at its next tick. One whose outcome is known is never sent again.
    pub fn restore(
        plan: Arc<Plan>,
        options: Options,
        ids: Box<dyn IdSource>,
        records: impl IntoIterator<Item = Record>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Self {
        let mut engine = Self::new(plan, options, ids, now);
        let mut sorted = Sorted::default();
        for record in records {
            engine.sort(record, &mut sorted, now);
        }
        engine.timers.retain(|timer| !matches!(timer.0.1, Timer::Switch(_)));
        engine.schedule_switches();
        engine.turn_silences(now);
        for record in sorted.logs {
            let key = (record.group, record.receiver, record.integration, record.index);
            engine.orphans.insert(key, (record.entry, record.acknowledged));
        }
        let alive = sorted.alive.unwrap_or(now);
        sorted.alerts.sort_by_key(|record| record.alert.fingerprint);
        for record in sorted.alerts {
            engine.restore_alert(record, &sorted.groups, alive, now);
        }
        for group in sorted.groups.into_keys() {
            // Groups of routes that the configuration no longer has.
            if !engine.by_identity.contains_key(&group) {
                engine.record(Record::GroupGone(group));
            }
        }
        sorted.attempts.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.id.cmp(&b.id)));
        for record in sorted.attempts {
            engine.restore_attempt(record, now);
        }
        // Nothing of this is news: everybody was told before the records were written.
        engine.dirty.transitions.clear();
        engine.dirty.any = true;
        engine.finish(now, effects);
        engine
    }

    fn sort(&mut self, record: Record, sorted: &mut Sorted, now: Timestamp) {
        match record {
            Record::Clock(at) => sorted.alive = sorted.alive.max(Some(at)),
            Record::Alert(record) => sorted.alerts.push(record),
            Record::Group(record) => {
                sorted.groups.insert(Arc::clone(&record.identity), record);
            }
            Record::Log(record) => sorted.logs.push(record),
            Record::Attempt(record) => sorted.attempts.push(record),
            Record::Silence(silence) => {
                // One whose schedule can no longer be read (a zone that is gone) hides nothing.
                if let Ok(hiding) = Hiding::new(Arc::clone(&silence)) {
                    self.add_silence(hiding);
                } else if silence.state(now) == SilenceState::Expired {
                    self.record(Record::SilenceGone(silence.id));
                }
            }
            Record::Beat(beat) => {
                let place = self.options.switches.iter().position(|s| s.name == beat.switch);
                if let Some(place) = place {
                    self.beats[place] = beat.at;
                }
            }
            Record::Rule(name, rule) => self.figures.set_rule(name, rule),
            Record::Totals(totals) => *self.figures.totals_mut() = totals,
            Record::AlertGone(_)
            | Record::GroupGone(_)
            | Record::LogGone(..)
            | Record::AttemptGone(_)
            | Record::SilenceGone(_) => {}
        }
    }

    fn restore_alert(
        &mut self,
        record: AlertRecord,
        groups: &HashMap<Arc<str>, GroupRecord>,
        alive: Timestamp,
        now: Timestamp,
    ) {
        let mut alert = Arc::unwrap_or_clone(record.alert);
        if let Some(until) = record.until.filter(|until| alert.state.is_open() && *until > alert.ends_at) {
            alert.ends_at = until;
        }
        let alert = Alert {
            severity: self.options.severity(&alert.labels),
            labels: self.intern_labels(&alert.labels),
            annotations: self.intern_labels(&alert.annotations),
            service: None,
            ..alert
        };
        let alert = Alert { service: self.service(&alert.labels), ..alert };
        if self.by_print.contains_key(&alert.fingerprint) {
            return;
        }
        let (open, ends_at, labels) = (alert.state.is_open(), alert.ends_at, alert.labels.clone());
        let until = alert.ack().and_then(|ack| ack.until);
        let (since, updated_at) = (alert.since, alert.updated_at);
        let slot = self.adopt(alert);
        self.fresh.push((slot, None));
        if open {
            self.schedule_end(slot, ends_at);
            if let Some(until) = until {
                self.schedule(until, Timer::Ack(slot));
            }
        }
        for route in self.privates[slot as usize].routes.clone().iter().copied() {
            let labels = self.plan.route(route as usize).group_labels(&labels);
            let (_, identity) = self.plan.group_names(route as usize, &labels);
            if !open && !record.untold.contains(&identity) {
                continue;
            }
            let known = self.by_labels.get(&(route, labels.clone())).copied();
            let group = known.unwrap_or_else(|| {
                let group = self.make_group(route, labels, now);
                if let Some(known) = groups.get(&identity) {
                    self.restore_group(group, known, alive, now);
                }
                group
            });
            self.enter_group(slot, group);
        }
        if !open && self.privates[slot as usize].groups.is_empty() {
            self.rest(slot, since.max(updated_at));
        }
    }

    fn intern_labels(&mut self, labels: &quarterdeck_kernel::Labels) -> quarterdeck_kernel::Labels {
        let interner = &mut self.interner;
        let pairs = labels.pairs().iter();
        pairs.map(|(n, v)| (interner.look_up(Arc::clone(n)), interner.look_up(Arc::clone(v)))).collect()
    }

    fn restore_group(&mut self, slot: u32, known: &GroupRecord, alive: Timestamp, now: Timestamp) {
        let Some(route) = self.groups.get(slot).map(|g| g.route) else { return };
        let (interval, wait) = (self.plan.route(route).group_interval, self.plan.route(route).group_wait);
        // Where the clock was set back since, what is written lies far ahead: nobody waits for that long.
        let set_back = alive > now;
        let anchor = if set_back { not_after(known.anchor, interval, now) } else { known.anchor };
        let next = if known.flushed {
            // The first tick that may not have been done: at once, if it is past.
            next_tick(anchor, interval, alive.min(now)).max(now)
        } else if set_back {
            known.anchor.max(now).min(now + wait)
        } else {
            known.anchor.max(now)
        };
        if let Some(group) = self.groups.get_mut(slot) {
            group.created_at = known.created_at;
            group.anchor = if known.flushed { anchor } else { known.anchor };
            group.flushed = known.flushed;
            group.fired = !known.escalated.is_empty();
        }
        self.group_privates[slot as usize].escalated.clone_from(&known.escalated);
        // Not written down: whether somebody is owed a word is then for the escalations to say.
        self.group_privates[slot as usize].hidden = known.flushed && known.escalated.is_empty();
        self.set_look(slot, next);
    }

    fn restore_attempt(&mut self, record: Arc<AttemptRecord>, now: Timestamp) {
        if record.outcome.is_some() {
            self.log_attempt(record);
            return;
        }
        let place = self.place_for(&record);
        if let Some((slot, place)) = place {
            let route = self.groups.get(slot).map(|g| (g.anchor, g.flushed, g.route));
            let missed = route.is_some_and(|(anchor, flushed, route)| {
                flushed && next_tick(anchor, self.plan.route(route).group_interval, record.at) <= now
            });
            if let Some(state) = self.integration(slot, place) {
                state.in_flight = Some(record.id);
                state.last_reason = Some(record.reason);
                state.missed = missed;
            }
        }
        let window = record.deadline.since(record.at);
        if record.resent > 0 || place.is_none() {
            self.in_flight.insert(record.id, Arc::clone(&record));
            self.log_attempt(Arc::clone(&record));
            if let Some((slot, place)) = place
                && let Some(state) = self.integration(slot, place)
            {
                // The group's own next look tells anew.
                state.missed = false;
            }
            self.close(record.id, &Outcome::Unknown, 0, now);
            return;
        }
        let mut again = AttemptRecord::clone(&record);
        again.resent += 1;
        again.possibly_duplicate = true;
        again.deadline = now + window;
        let alerts: Vec<Notified> = again
            .alerts
            .iter()
            .filter_map(|sent| {
                let alert = Arc::clone(self.alert(sent.alert)?);
                Some(Notified { alert, ends_at: sent.ends_at })
            })
            .collect();
        let group_labels = place
            .and_then(|(slot, _)| self.groups.get(slot))
            .map(|group| group.labels.clone())
            .unwrap_or_default();
        self.figures.totals_mut().resent += 1;
        self.dirty.totals = true;
        let record = Arc::new(again);
        self.start(Attempt { record, group_labels, alerts, possibly_duplicate: true });
    }

    /// Where the integration of an attempt is under the configuration in use.
    fn place_for(&self, record: &AttemptRecord) -> Option<(u32, usize)> {
        let slot = *self.by_identity.get(&record.group)?;
        let group = self.groups.get(slot)?;
        let integrations = &self.plan.receiver(group.route).integrations;
        let place =
            integrations.iter().position(|i| i.kind == record.integration && i.index == record.index)?;
        (group.receiver == record.receiver).then_some((slot, place))
    }

    /// Whether an alert is known: for tests of a restored engine.
    #[must_use]
    pub fn knows(&self, fingerprint: Fingerprint) -> bool {
        self.by_print.contains_key(&fingerprint)
    }
}

/// The anchor of the same ticks that is not after `now`.
fn not_after(anchor: Timestamp, interval: std::time::Duration, now: Timestamp) -> Timestamp {
    let interval = quarterdeck_kernel::time::millis(interval).max(1);
    let ahead = anchor.as_millis().saturating_sub(now.as_millis()).max(0);
    let steps = ahead / interval + i64::from(ahead % interval > 0);
    anchor.plus_millis(-steps.saturating_mul(interval))
}
