//! Groups: who is in them, and when they are looked at.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Labels, Timestamp, time};

use super::timers::Timer;
use super::{Engine, GroupPriv, LogKey};
use crate::model::{FactKind, Group, GroupRecord, IntegrationState, Members, Record};

impl Engine {
    /// Puts an alert into the groups that its labels lead to.
    pub(super) fn join_groups(&mut self, slot: u32, now: Timestamp) {
        let Some(alert) = self.alerts.get(slot) else { return };
        let (labels, starts_at) = (alert.labels.clone(), alert.starts_at);
        let held = !self.privates[slot as usize].groups.is_empty();
        for route in self.privates[slot as usize].routes.clone().iter().copied() {
            let spec = self.plan.route(route as usize);
            let (group_labels, group_wait) = (spec.group_labels(&labels), spec.group_wait);
            let group = match self.by_labels.get(&(route, group_labels.clone())).copied() {
                Some(group) => group,
                None => self.make_group(route, group_labels, now),
            };
            if !held || !self.privates[slot as usize].groups.contains(&group) {
                self.enter_group(slot, group);
            }
            // An alert that has waited long enough elsewhere waits no more.
            if let Some(known) = self.groups.get(group)
                && !known.flushed
                && known.next_flush > now
                && starts_at + group_wait < now
            {
                self.set_look(group, now);
            }
        }
    }

    /// Makes an alert a member of a group.
    pub(super) fn enter_group(&mut self, slot: u32, group: u32) {
        let Some(fingerprint) = self.alerts.get(slot).map(|alert| alert.fingerprint) else { return };
        let private = &mut self.privates[slot as usize];
        if private.groups.contains(&group) {
            return;
        }
        private.groups.push(group);
        if let Some(group) = self.groups.get_mut(group) {
            group.alerts.push(fingerprint);
        }
        self.dirty.any = true;
    }

    /// A new group, to be looked at after its route's `group_wait`. What its receiver was told of a group like it
    /// still counts.
    pub(super) fn make_group(&mut self, route: u32, labels: Labels, now: Timestamp) -> u32 {
        let (key, identity) = self.plan.group_names(route as usize, &labels);
        let spec = self.plan.route(route as usize);
        let first = now + spec.group_wait;
        let receiver = Arc::clone(&spec.receiver);
        let plan = Arc::clone(&self.plan);
        let integrations = plan
            .receiver(route as usize)
            .integrations
            .iter()
            .map(|i| {
                let log: LogKey =
                    (Arc::clone(&identity), Arc::clone(&receiver), Arc::clone(&i.kind), i.index);
                let (entry, acknowledged) = match self.orphans.remove(&log) {
                    Some((entry, acknowledged)) => (Some(entry), acknowledged),
                    None => (None, false),
                };
                let in_flight = self.strays.remove(&log);
                IntegrationState { entry, acknowledged, in_flight, ..IntegrationState::default() }
            })
            .collect();
        let slot = self.groups.insert(Group {
            identity: Arc::clone(&identity),
            key,
            labels: labels.clone(),
            receiver,
            route: route as usize,
            created_at: now,
            next_flush: first,
            anchor: first,
            flushed: false,
            last_flush: None,
            alerts: Members::default(),
            muted: None,
            fired: false,
            integrations,
        });
        if slot as usize == self.group_privates.len() {
            self.group_privates.push(GroupPriv::default());
        } else {
            self.group_privates[slot as usize] = GroupPriv::default();
        }
        self.by_labels.insert((route, labels), slot);
        self.by_identity.insert(identity, slot);
        self.set_look(slot, first);
        self.touch_group(slot);
        slot
    }

    /// Sets when a group is looked at next; not before the start delay is over.
    pub(super) fn set_look(&mut self, slot: u32, at: Timestamp) {
        let at = at.max(self.started + self.options.start_delay);
        let Some(group) = self.groups.get_mut(slot) else { return };
        group.next_flush = at;
        let private = &mut self.group_privates[slot as usize];
        if private.timer != Some(at) {
            private.timer = Some(at);
            self.schedule(at, Timer::Group(slot));
        }
    }

    /// A group's timer ran: a tick, if it is the one that is set, else a look out of turn.
    pub(super) fn look(&mut self, slot: u32, at: Timestamp, now: Timestamp) {
        let Some(group) = self.groups.get(slot) else { return };
        let tick = self.group_privates[slot as usize].timer == Some(at) && group.next_flush <= now;
        let group = Arc::clone(group);
        if tick {
            // It does what a page at the same moment would.
            self.group_privates[slot as usize].page = None;
            let interval = self.plan.route(group.route).group_interval;
            let first = !group.flushed;
            let due = group.next_flush;
            if let Some(group) = self.groups.get_mut(slot) {
                if first {
                    group.flushed = true;
                    group.anchor = now;
                }
                group.last_flush = Some(now);
                let next = next_tick(group.anchor, interval, now);
                debug_assert!(next > due, "a timer goes forward");
                self.set_look(slot, next);
            }
            if first {
                self.touch_group(slot);
            }
            self.dirty.any = true;
            self.evaluate(slot, None, None, now);
        } else if self.group_privates[slot as usize].page.take() == Some(at) && group.flushed {
            self.evaluate(slot, None, None, now);
        }
    }

    /// Drops the alerts that left, and the group with the last of them.
    pub(super) fn drop_leaving(&mut self, slot: u32, now: Timestamp) {
        let leaving = std::mem::take(&mut self.group_privates[slot as usize].leaving);
        if leaving.is_empty() {
            return;
        }
        let mut gone: Vec<Fingerprint> = Vec::with_capacity(leaving.len());
        for (member, updated_at) in leaving {
            let Some(alert) = self.alerts.get(member) else { continue };
            if alert.state.is_open() || alert.updated_at != updated_at {
                continue;
            }
            let private = &mut self.privates[member as usize];
            let before = private.groups.len();
            private.groups.retain(|group| group != slot);
            if private.groups.len() == before {
                continue;
            }
            gone.push(alert.fingerprint);
            let last = private.groups.is_empty();
            self.touch_alert(member);
            if last {
                self.rest(member, now);
            }
        }
        gone.sort_unstable();
        let Some(group) = self.groups.get_mut(slot) else { return };
        group.alerts.retain(|fingerprint| gone.binary_search(fingerprint).is_err());
        if group.alerts.is_empty() {
            self.remove_group(slot, now);
        }
    }

    /// Removes a group; what its receiver was told is remembered for a while.
    pub(super) fn remove_group(&mut self, slot: u32, now: Timestamp) {
        let Some(group) = self.groups.remove(slot) else { return };
        let private = std::mem::take(&mut self.group_privates[slot as usize]);
        if private.dirty {
            self.dirty.groups.retain(|g| *g != slot);
        }
        let route = u32::try_from(group.route).unwrap_or_default();
        self.by_labels.remove(&(route, group.labels.clone()));
        if self.by_identity.get(&group.identity) == Some(&slot) {
            self.by_identity.remove(&group.identity);
        }
        let plan = Arc::clone(&self.plan);
        for (state, i) in group.integrations.iter().zip(&plan.receiver(group.route).integrations) {
            let Some(entry) = &state.entry else { continue };
            let (identity, receiver) = (Arc::clone(&group.identity), Arc::clone(&group.receiver));
            let key = (identity, receiver, Arc::clone(&i.kind), i.index);
            self.orphans.insert(key, (Arc::clone(entry), state.acknowledged));
        }
        if group.fired {
            self.group_ended(&group, now);
        }
        self.record(Record::GroupGone(Arc::clone(&group.identity)));
    }

    /// Tells escalations that nothing of a group is to be told any more.
    pub(super) fn group_ended(&mut self, group: &Arc<Group>, now: Timestamp) {
        let slots = group.alerts.iter().filter_map(|print| self.by_print.get(print));
        let alerts = slots.filter_map(|slot| self.alerts.get(*slot)).cloned().collect();
        self.fact(now, FactKind::GroupEnded { group: Arc::clone(group), alerts });
    }

    /// A group as it is written down.
    pub(super) fn group_record(&self, slot: u32) -> Option<GroupRecord> {
        let group = self.groups.get(slot)?;
        Some(GroupRecord {
            identity: Arc::clone(&group.identity),
            labels: group.labels.clone(),
            created_at: group.created_at,
            anchor: if group.flushed { group.anchor } else { group.next_flush },
            flushed: group.flushed,
            escalated: self.group_privates[slot as usize].escalated.clone(),
        })
    }

    /// The group of that identity.
    #[must_use]
    pub fn group(&self, identity: &str) -> Option<&Arc<Group>> {
        self.by_identity.get(identity).and_then(|slot| self.groups.get(*slot))
    }
}

/// The first tick after a moment; the first of all is the anchor.
pub(super) fn next_tick(anchor: Timestamp, interval: std::time::Duration, now: Timestamp) -> Timestamp {
    if now < anchor {
        return anchor;
    }
    let interval = time::millis(interval).max(1);
    let passed = now.as_millis().saturating_sub(anchor.as_millis());
    anchor.plus_millis((passed.div_euclid(interval) + 1).saturating_mul(interval))
}
