//! Another configuration comes into use.

use std::sync::Arc;

use hashbrown::HashMap;
use quarterdeck_kernel::Timestamp;

use super::timers::Timer;
use super::{Effects, Engine, GroupPriv, LogKey, Options, Plan, inhibit::Inhibition};
use crate::model::{FactKind, Group, IntegrationState, Record};

/// A group of the old configuration.
struct Old {
    group: Arc<Group>,
    private: GroupPriv,
    /// By integration: type and index, and how it stood.
    integrations: HashMap<(Arc<str>, u32), IntegrationState>,
    interval: std::time::Duration,
}

impl Engine {
    /// Takes another configuration into use. Groups that both have keep their timers, what their receivers were told
    /// and what is under way: nothing unchanged is told again. With `reload_resets_timers` every group begins anew,
    /// as in Alertmanager (what receivers were told is kept there, too).
    pub fn reload(&mut self, plan: Arc<Plan>, options: Options, now: Timestamp, effects: &mut Effects) {
        self.begin(now);
        let held = self.untold();
        let mut old = self.take_groups();
        let before = old.len();
        self.plan = plan;
        let switches = std::mem::take(&mut self.options.switches);
        self.options = options;
        self.keep_beats(&switches, now);
        self.place_alerts();
        let resets = self.options.reload_resets_timers;
        for slot in self.alerts.slots() {
            let Some(alert) = self.alerts.get(slot).cloned() else { continue };
            let held_before = !std::mem::take(&mut self.privates[slot as usize].groups).is_empty();
            let open = alert.state.is_open();
            for route in self.privates[slot as usize].routes.clone().iter().copied() {
                let labels = self.plan.route(route as usize).group_labels(&alert.labels);
                let known = self.by_labels.get(&(route, labels.clone())).copied();
                let (_, identity) = self.plan.group_names(route as usize, &labels);
                // A resolved alert goes on only where it still has to be told, or wherever Alertmanager would have it.
                let untold = held.get(&slot).is_some_and(|groups| groups.contains(&identity));
                if !open && !untold && !resets {
                    continue;
                }
                let group = known.unwrap_or_else(|| {
                    let group = self.make_group(route, labels, now);
                    self.carry_over(group, &identity, &mut old, now);
                    group
                });
                self.enter_group(slot, group);
                self.hurry(slot, group, now);
            }
            if !open && held_before {
                // Which groups still have to tell its end is written down with it.
                self.touch_alert(slot);
                if self.privates[slot as usize].groups.is_empty() {
                    self.rest(slot, now);
                }
            }
        }
        let kept = before - old.len();
        let dropped = old.len();
        for (identity, gone) in old {
            self.bury(&identity, &gone, now);
        }
        let made = self.groups.len() - kept;
        self.fact(now, FactKind::Reloaded { kept, made, dropped });
        self.dirty.any = true;
        self.finish(now, effects);
    }

    /// Resolved alerts, with the groups that still have to tell that they are.
    fn untold(&self) -> HashMap<u32, Vec<Arc<str>>> {
        let resolved = self.alerts.iter().filter(|(_, alert)| !alert.state.is_open());
        resolved
            .map(|(slot, _)| {
                let groups = self.privates[slot as usize].groups.iter();
                let names = groups.filter_map(|g| self.groups.get(*g)).map(|g| Arc::clone(&g.identity));
                (slot, names.collect())
            })
            .collect()
    }

    /// Takes all groups out.
    fn take_groups(&mut self) -> HashMap<Arc<str>, Old> {
        let mut old = HashMap::new();
        for slot in self.groups.slots() {
            let Some(group) = self.groups.remove(slot) else { continue };
            let private = std::mem::take(&mut self.group_privates[slot as usize]);
            let plans = &self.plan.receiver(group.route).integrations;
            let integrations = plans
                .iter()
                .zip(&group.integrations)
                .map(|(plan, state)| ((Arc::clone(&plan.kind), plan.index), state.clone()))
                .collect();
            let interval = self.plan.route(group.route).group_interval;
            old.insert(Arc::clone(&group.identity), Old { group, private, integrations, interval });
        }
        self.dirty.groups.clear();
        self.by_labels.clear();
        self.by_identity.clear();
        self.group_privates.clear();
        self.groups = super::Slab::default();
        self.route_sets.clear();
        old
    }

    /// Finds routes, receivers, severities and inhibition of all alerts anew.
    fn place_alerts(&mut self) {
        self.inhibition = Inhibition::new(self.plan.inhibit.len());
        for slot in self.alerts.slots() {
            let Some(labels) = self.alerts.get(slot).map(|alert| alert.labels.clone()) else { continue };
            let (routes, receivers) = self.route(&labels);
            let (severity, service) = (self.options.severity(&labels), self.service(&labels));
            let (sources, targets) = self.inhibition_places(&labels);
            let Some(alert) = self.alerts.get_mut(slot) else { continue };
            self.figures.leave(alert.state, alert.severity);
            self.figures.enter(alert.state, severity);
            alert.receivers = receivers;
            alert.severity = severity;
            alert.service = service;
            let (fingerprint, open) = (alert.fingerprint, alert.state.is_open());
            self.inhibition.add_target(slot, &targets);
            if open {
                self.inhibition.add_source(fingerprint, &sources);
            }
            let private = &mut self.privates[slot as usize];
            private.routes = routes;
            private.sources = sources;
            private.targets = targets;
            self.fresh.push((slot, None));
        }
    }

    /// Gives a group what the one of the same name had under the old configuration.
    fn carry_over(
        &mut self,
        slot: u32,
        identity: &Arc<str>,
        old: &mut HashMap<Arc<str>, Old>,
        now: Timestamp,
    ) {
        let Some(was) = old.remove(identity) else { return };
        let resets = self.options.reload_resets_timers;
        let Some(route) = self.groups.get(slot).map(|g| g.route) else { return };
        let plan = Arc::clone(&self.plan);
        let interval = plan.route(route).group_interval;
        let mut left = was.integrations.clone();
        let Some(group) = self.groups.get_mut(slot) else { return };
        group.created_at = was.group.created_at;
        let same_receiver = group.receiver == was.group.receiver;
        for (place, integration) in plan.receiver(route).integrations.iter().enumerate() {
            if !same_receiver {
                break;
            }
            let key = (Arc::clone(&integration.kind), integration.index);
            if let Some(state) = left.remove(&key) {
                group.integrations[place] = state;
            }
        }
        self.group_privates[slot as usize].escalated = was.private.escalated.clone();
        self.group_privates[slot as usize].hidden = was.private.hidden;
        if let Some(group) = self.groups.get_mut(slot) {
            group.fired = was.group.fired;
        }
        if !resets {
            let next = was.group.next_flush;
            if let Some(group) = self.groups.get_mut(slot) {
                group.flushed = was.group.flushed;
                group.last_flush = was.group.last_flush;
                group.muted = was.group.muted.clone();
                // Ticks of another length go on from the one that was due next.
                group.anchor = if interval == was.interval { was.group.anchor } else { next };
            }
            self.set_look(slot, next.max(now));
            self.group_privates[slot as usize].leaving = was.private.leaving;
        }
        for ((kind, index), state) in left {
            self.orphan(identity, &was.group.receiver, &kind, index, &state);
        }
        self.touch_group(slot);
    }

    fn orphan(
        &mut self,
        identity: &Arc<str>,
        receiver: &Arc<str>,
        kind: &Arc<str>,
        index: u32,
        state: &IntegrationState,
    ) {
        let key: LogKey = (Arc::clone(identity), Arc::clone(receiver), Arc::clone(kind), index);
        if let Some(id) = state.in_flight {
            self.strays.insert(key.clone(), id);
        }
        if let Some(entry) = &state.entry {
            self.orphans.insert(key, (Arc::clone(entry), state.acknowledged));
        }
    }

    /// A group that the new configuration does not have.
    fn bury(&mut self, identity: &Arc<str>, gone: &Old, now: Timestamp) {
        for ((kind, index), state) in &gone.integrations {
            self.orphan(identity, &gone.group.receiver, kind, *index, state);
        }
        if gone.group.fired {
            self.group_ended(&gone.group, now);
        }
        self.record(Record::GroupGone(Arc::clone(identity)));
    }

    /// An alert that has waited long enough elsewhere does not wait for a group that has not been looked at.
    fn hurry(&mut self, slot: u32, group: u32, now: Timestamp) {
        let (Some(alert), Some(known)) = (self.alerts.get(slot), self.groups.get(group)) else { return };
        let wait = self.plan.route(known.route).group_wait;
        if !known.flushed && known.next_flush > now && alert.starts_at + wait < now {
            self.set_look(group, now);
        }
    }

    /// Switches that both configurations have keep when they were heard of.
    fn keep_beats(&mut self, old: &[super::DeadManSwitch], now: Timestamp) {
        let beats = std::mem::take(&mut self.beats);
        let known = |name: &Arc<str>| old.iter().position(|s| s.name == *name).map(|place| beats[place]);
        self.beats = self.options.switches.iter().map(|s| known(&s.name).unwrap_or(now)).collect();
        self.timers.retain(|timer| !matches!(timer.0.1, Timer::Switch(_)));
        self.schedule_switches();
    }
}
