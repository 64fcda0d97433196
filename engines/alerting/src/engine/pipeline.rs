//! What a look at a group does: which alerts get through, which integration is due to be told, and what is handed over.
//!
//! The order is Alertmanager's: inhibition, active time intervals, mute time intervals, silences; then, for each
//! integration, de-duplication against what it was last told.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Severity, Timestamp};

use super::timers::{OUTCOME_GRACE, Timer};
use super::{Effects, Engine, plan::IntegrationPlan};
use crate::model::{
    Alert, Attempt, AttemptAction, AttemptRecord, FactKind, Group, IntegrationState, LogEntry, LogRecord,
    Muted, Notified, NotifyReason, Record, Sent,
};

/// A delivery has at least this long.
const MIN_DEADLINE: Duration = Duration::from_secs(10);
/// An entry of the notification log is kept at least this long after its group is gone, and at most
/// [`LONGEST_ENTRY`].
const SHORTEST_ENTRY: Duration = Duration::from_secs(15 * 60);
const LONGEST_ENTRY: Duration = Duration::from_secs(120 * 3600);

/// A member of a group at a look.
struct Member {
    slot: u32,
    fingerprint: Fingerprint,
    resolved: bool,
    /// Whether it gets through the pipeline.
    passes: bool,
    acknowledged: bool,
    /// When an acknowledgement of it ran out.
    repage_since: Option<Timestamp>,
}

/// What the members mean for one integration.
pub(super) struct Told {
    /// Fingerprints of firing alerts, sorted.
    firing: Arc<[u64]>,
    /// Fingerprints of resolved alerts, sorted.
    resolved: Arc<[u64]>,
    /// Those of the firing ones that nobody has taken.
    free: Vec<u64>,
    /// The latest moment at which an acknowledgement of a free one ran out.
    repage_since: Option<Timestamp>,
}

impl Told {
    fn new<'a>(members: impl Iterator<Item = &'a Member>) -> Self {
        let (mut firing, mut resolved, mut free, mut repage_since) =
            (Vec::new(), Vec::new(), Vec::new(), None);
        for member in members {
            if member.resolved {
                resolved.push(member.fingerprint.0);
                continue;
            }
            firing.push(member.fingerprint.0);
            if !member.acknowledged {
                free.push(member.fingerprint.0);
                repage_since = repage_since.max(member.repage_since);
            }
        }
        firing.sort_unstable();
        resolved.sort_unstable();
        free.sort_unstable();
        Self { firing: firing.into(), resolved: resolved.into(), free, repage_since }
    }
}

/// Whether every element of `part` is in `whole`; both sorted.
fn subset(part: &[u64], whole: &[u64]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|item| rest.by_ref().any(|other| other == item))
}

/// Why an integration is due to be told, if it is: Alertmanager's rules, and for acknowledged alerts ours (they are
/// no news and need no repetition until the acknowledgement runs out).
pub(super) fn due(
    entry: Option<&LogEntry>,
    told: &Told,
    send_resolved: bool,
    repeat: Duration,
    now: Timestamp,
) -> Option<NotifyReason> {
    let Some(entry) = entry else {
        return (!told.free.is_empty()).then_some(NotifyReason::First);
    };
    if !subset(&told.free, &entry.firing) {
        return Some(NotifyReason::NewlyFiring);
    }
    if told.firing.is_empty() {
        // Irrespective of `send_resolved`, so that the log forgets what no longer fires.
        return (!entry.firing.is_empty()).then_some(NotifyReason::AllResolved);
    }
    if send_resolved && !subset(&told.resolved, &entry.resolved) {
        return Some(NotifyReason::NewlyResolved);
    }
    if told.repage_since.is_some_and(|since| since > entry.at) {
        return Some(NotifyReason::AcknowledgementExpired);
    }
    (!told.free.is_empty() && entry.at < now - repeat).then_some(NotifyReason::Repeat)
}

/// What an integration is to be told.
struct Words {
    action: AttemptAction,
    reason: NotifyReason,
    alerts: Vec<Notified>,
    /// Alerts that it then knows as firing, and as resolved.
    firing: Arc<[u64]>,
    resolved: Arc<[u64]>,
}

impl Engine {
    /// Looks at a group: all its integrations or one; `asked` tells one whether or not it is due.
    pub(super) fn evaluate(
        &mut self,
        slot: u32,
        only: Option<usize>,
        asked: Option<NotifyReason>,
        now: Timestamp,
    ) {
        let Some(group) = self.groups.get(slot).cloned() else { return };
        let members = self.members(&group, now);
        let muted = self.muted(group.route, now);
        if group.muted != muted
            && let Some(group) = self.groups.get_mut(slot)
        {
            group.muted = muted.clone();
        }
        let passes = |m: &&Member| muted.is_none() && m.passes;
        if only.is_none() {
            let leaving = members.iter().filter(|m| m.resolved);
            let leaving = leaving.filter_map(|m| self.alerts.get(m.slot).map(|a| (m.slot, a.updated_at)));
            self.group_privates[slot as usize].leaving = leaving.collect();
            self.escalate(slot, &group, &members, muted.is_some(), now);
        }
        let plan = Arc::clone(&self.plan);
        let usual = Told::new(members.iter().filter(passes));
        for (place, integration) in plan.receiver(group.route).integrations.iter().enumerate() {
            if only.is_some_and(|only| only != place) || !integration.delivers {
                continue;
            }
            let state = &group.integrations[place];
            if state.in_flight.is_some() {
                if let Some(state) = self.integration(slot, place) {
                    state.missed = true;
                }
                continue;
            }
            let late = muted.is_none() && self.options.resolved_despite_suppression;
            let known = |m: &&Member| {
                passes(m)
                    || late && m.resolved && state.entry.as_ref().is_some_and(|e| e.has_firing(m.fingerprint))
            };
            let own = late.then(|| Told::new(members.iter().filter(known)));
            let told = own.as_ref().unwrap_or(&usual);
            let route = plan.route(group.route);
            let found =
                due(state.entry.as_deref(), told, integration.send_resolved, route.repeat_interval, now);
            let anything = !told.firing.is_empty() || !told.resolved.is_empty();
            match found.or(asked.filter(|_| anything)) {
                Some(reason) => {
                    let chosen: Vec<&Member> = members.iter().filter(known).collect();
                    self.tell((slot, place), integration, reason, told, &chosen, now);
                }
                None => {
                    if let Some(state) = self.integration(slot, place) {
                        state.failures = 0;
                    }
                    self.maybe_acknowledge(slot, place, integration, &members, now);
                }
            }
        }
        self.maybe_complete(slot, now);
    }

    pub(super) fn integration(&mut self, slot: u32, place: usize) -> Option<&mut IntegrationState> {
        self.groups.get_mut(slot).and_then(|group| group.integrations.get_mut(place))
    }

    fn members(&self, group: &Group, now: Timestamp) -> Vec<Member> {
        let member = |fingerprint: &Fingerprint| {
            let slot = *self.by_print.get(fingerprint)?;
            let alert = self.alerts.get(slot)?;
            Some(Member {
                slot,
                fingerprint: *fingerprint,
                resolved: alert.resolved_at(now),
                passes: alert.inhibited_by.is_none() && alert.silenced_by.is_none(),
                acknowledged: alert.ack().is_some(),
                repage_since: alert.operator.as_ref().and_then(|o| o.repage_since),
            })
        };
        group.alerts.iter().filter_map(member).collect()
    }

    /// What the members of a group that get through mean for an integration.
    pub(super) fn told(&self, slot: u32, now: Timestamp) -> Told {
        let members = self.groups.get(slot).map(|group| self.members(group, now)).unwrap_or_default();
        Told::new(members.iter().filter(|m| m.passes))
    }

    /// Whether time intervals mute a route.
    pub(super) fn muted(&self, route: usize, now: Timestamp) -> Option<Muted> {
        let route = self.plan.route(route);
        let intervals = &self.plan.intervals;
        let active = &route.active_time_intervals;
        if !active.is_empty() && intervals.active(active, now).is_empty() {
            return Some(Muted::Inactive);
        }
        let muting = intervals.active(&route.mute_time_intervals, now);
        (!muting.is_empty()).then(|| Muted::Interval(muting.into_iter().cloned().collect()))
    }

    /// Tells escalations which firing alerts got through for the first time, and that none is to be told of any more.
    fn escalate(&mut self, slot: u32, group: &Arc<Group>, members: &[Member], muted: bool, now: Timestamp) {
        let known = &self.group_privates[slot as usize].escalated;
        let through = |m: &&Member| !muted && m.passes && !m.resolved && !m.acknowledged;
        let new: Vec<&Member> = members
            .iter()
            .filter(through)
            .filter(|m| known.binary_search(&m.fingerprint.0).is_err())
            .collect();
        if !new.is_empty() {
            let severity = new.iter().filter_map(|m| self.alerts.get(m.slot)).map(|a| a.severity).max();
            let alerts = new.iter().map(|m| m.fingerprint).collect();
            let (identity, receiver) = (Arc::clone(&group.identity), Arc::clone(&group.receiver));
            let (severity, first) = (severity.unwrap_or(Severity::Info), !group.fired);
            self.fact(now, FactKind::GroupFired { group: identity, receiver, severity, alerts, first });
        }
        let new: Vec<u64> = new.iter().map(|m| m.fingerprint.0).collect();
        self.escalated(slot, group, members, muted, &new, now);
    }

    /// Keeps which alerts of a group its escalation is about: those it knows that still fire and are not hidden, and new
    /// ones.
    fn escalated(
        &mut self,
        slot: u32,
        group: &Arc<Group>,
        members: &[Member],
        muted: bool,
        new: &[u64],
        now: Timestamp,
    ) {
        let known = std::mem::take(&mut self.group_privates[slot as usize].escalated);
        let stays = |m: &&Member| !muted && m.passes && !m.resolved;
        let mut told: Vec<u64> = members.iter().filter(stays).map(|m| m.fingerprint.0).collect();
        told.sort_unstable();
        let mut next: Vec<u64> = known.iter().copied().filter(|f| told.binary_search(f).is_ok()).collect();
        next.extend(new);
        next.sort_unstable();
        let over = members.iter().all(|m| m.resolved);
        let private = &mut self.group_privates[slot as usize];
        private.escalated.clone_from(&next);
        if next.is_empty() && (group.fired || private.hidden && over) {
            private.hidden = !over;
            self.group_ended(group, now);
        }
        if next != known || group.fired == next.is_empty() {
            if let Some(group) = self.groups.get_mut(slot) {
                group.fired = !next.is_empty();
            }
            self.touch_group(slot);
        }
    }

    /// An alert begins anew: if its escalations know it, they hear of it again.
    pub(super) fn escalates_anew(&mut self, slot: u32) {
        let Some(fingerprint) = self.alerts.get(slot).map(|alert| alert.fingerprint) else { return };
        for group in &self.privates[slot as usize].groups {
            self.group_privates[*group as usize].escalated.retain(|known| *known != fingerprint.0);
        }
    }

    /// Looks whether what the escalations of some groups are about is still to be told of, without telling anything new:
    /// before a step is taken, and after an operator has resolved or hidden alerts.
    pub fn prune_escalations(&mut self, groups: &[Arc<str>], now: Timestamp, effects: &mut Effects) {
        self.begin(now);
        for identity in groups {
            let Some(slot) = self.by_identity.get(identity).copied() else { continue };
            let Some(group) = self.groups.get(slot).cloned() else { continue };
            let members = self.members(&group, now);
            let muted = self.muted(group.route, now).is_some();
            self.escalated(slot, &group, &members, muted, &[], now);
        }
        self.finish(now, effects);
    }

    /// Makes a notification, or, where there is nothing to send, counts it as told.
    fn tell(
        &mut self,
        (slot, place): (u32, usize),
        integration: &IntegrationPlan,
        reason: NotifyReason,
        told: &Told,
        members: &[&Member],
        now: Timestamp,
    ) {
        let sent: Vec<&&Member> =
            members.iter().filter(|m| integration.send_resolved || !m.resolved).collect();
        if sent.is_empty() {
            self.log_told(slot, place, Arc::clone(&told.firing), Arc::clone(&told.resolved), now);
            return;
        }
        let mut alerts: Vec<Notified> = sent
            .iter()
            .filter_map(|m| {
                let alert = self.alerts.get(m.slot)?;
                let ends_at = m.resolved.then_some(alert.ends_at);
                Some(Notified { alert: Arc::clone(alert), ends_at })
            })
            .collect();
        sort_for_reading(&mut alerts);
        let (firing, resolved) = (Arc::clone(&told.firing), Arc::clone(&told.resolved));
        let words = Words { action: AttemptAction::Notify, reason, alerts, firing, resolved };
        self.hand_over((slot, place), integration, words, now);
    }

    /// Looks at one integration of a group for an acknowledgement to tell.
    pub(super) fn acknowledge_place(&mut self, slot: u32, place: usize, now: Timestamp) {
        let Some(group) = self.groups.get(slot).cloned() else { return };
        let plan = Arc::clone(&self.plan);
        let Some(integration) = plan.receiver(group.route).integrations.get(place) else { return };
        if integration.acknowledges && integration.delivers {
            let members = self.members(&group, now);
            self.maybe_acknowledge(slot, place, integration, &members, now);
        }
    }

    /// Tells an integration that understands it that all it knows as firing was taken by somebody.
    fn maybe_acknowledge(
        &mut self,
        slot: u32,
        place: usize,
        integration: &IntegrationPlan,
        members: &[Member],
        now: Timestamp,
    ) {
        if !integration.acknowledges {
            return;
        }
        let firing: Vec<&Member> = members.iter().filter(|m| !m.resolved).collect();
        let all = !firing.is_empty() && firing.iter().all(|m| m.acknowledged);
        let Some(state) = self.integration(slot, place) else { return };
        let known = state.entry.as_ref().is_some_and(|e| !e.firing.is_empty());
        if !all || !known || state.acknowledged || state.in_flight.is_some() {
            return;
        }
        let mut alerts: Vec<Notified> = firing
            .iter()
            .filter_map(|m| self.alerts.get(m.slot))
            .map(|alert| Notified { alert: Arc::clone(alert), ends_at: None })
            .collect();
        sort_for_reading(&mut alerts);
        let none: Arc<[u64]> = Arc::default();
        let (action, reason) = (AttemptAction::Acknowledge, NotifyReason::Acknowledged);
        let words = Words { action, reason, alerts, firing: Arc::clone(&none), resolved: none };
        self.hand_over((slot, place), integration, words, now);
    }

    fn hand_over(
        &mut self,
        (slot, place): (u32, usize),
        integration: &IntegrationPlan,
        Words { action, reason, alerts, firing, resolved }: Words,
        now: Timestamp,
    ) {
        let id = self.ids.next_id();
        let Some(group) = self.groups.get_mut(slot) else { return };
        let Some(state) = group.integrations.get_mut(place) else { return };
        state.in_flight = Some(id);
        state.last_reason = Some(reason);
        if action == AttemptAction::Notify {
            state.acknowledged = false;
        }
        let possibly_duplicate = state.uncertain;
        let deadline = now + self.plan.route(group.route).group_interval.max(MIN_DEADLINE);
        let record = Arc::new(AttemptRecord {
            id,
            action,
            reason,
            group: Arc::clone(&group.identity),
            group_key: Arc::clone(&group.key),
            receiver: Arc::clone(&group.receiver),
            integration: Arc::clone(&integration.kind),
            index: integration.index,
            at: now,
            deadline,
            alerts: alerts.iter().map(|n| Sent { alert: n.alert.fingerprint, ends_at: n.ends_at }).collect(),
            truncated: 0,
            firing,
            resolved,
            resent: 0,
            possibly_duplicate,
            outcome: None,
        });
        let group_labels = group.labels.clone();
        self.start(Attempt { record, group_labels, alerts, possibly_duplicate });
    }

    /// Hands an attempt over, durable first.
    pub(super) fn start(&mut self, attempt: Attempt) {
        let record = Arc::clone(&attempt.record);
        self.schedule(record.deadline + OUTCOME_GRACE, Timer::Attempt(record.id));
        self.in_flight.insert(record.id, Arc::clone(&record));
        self.log_attempt(Arc::clone(&record));
        self.record(Record::Attempt(record));
        self.dirty.attempts.push(attempt);
    }

    /// Writes down what an integration was told.
    pub(super) fn log_told(
        &mut self,
        slot: u32,
        place: usize,
        firing: Arc<[u64]>,
        resolved: Arc<[u64]>,
        now: Timestamp,
    ) {
        let Some(group) = self.groups.get(slot) else { return };
        let repeat = self.plan.route(group.route).repeat_interval;
        let kept = repeat.saturating_mul(2).clamp(SHORTEST_ENTRY, LONGEST_ENTRY);
        let entry = Arc::new(LogEntry { at: now, expires_at: now + kept, firing, resolved });
        if let Some(state) = self.integration(slot, place) {
            state.entry = Some(entry);
            state.failures = 0;
            state.uncertain = false;
            state.acknowledged = false;
        }
        self.record_log(slot, place);
    }

    pub(super) fn record_log(&mut self, slot: u32, place: usize) {
        let Some(group) = self.groups.get(slot) else { return };
        let Some(integration) = self.plan.receiver(group.route).integrations.get(place) else { return };
        let Some((state, entry)) = group.integrations.get(place).and_then(|s| Some((s, s.entry.as_ref()?)))
        else {
            return;
        };
        let record = LogRecord {
            group: Arc::clone(&group.identity),
            receiver: Arc::clone(&group.receiver),
            integration: Arc::clone(&integration.kind),
            index: integration.index,
            entry: Arc::clone(entry),
            acknowledged: state.acknowledged,
        };
        self.record(Record::Log(record));
    }

    /// Drops what left the group once nothing is under way and nothing failed.
    pub(super) fn maybe_complete(&mut self, slot: u32, now: Timestamp) {
        let Some(group) = self.groups.get(slot) else { return };
        if group.integrations.iter().all(|i| i.in_flight.is_none() && i.failures == 0) {
            self.drop_leaving(slot, now);
        }
    }
}

/// Alertmanager's order of alerts in a notification: by job, then instance, then all labels; one without comes after
/// one with.
pub(super) fn sort_for_reading(alerts: &mut [Notified]) {
    fn key(alert: &Alert) -> [(bool, &str); 2] {
        ["job", "instance"].map(|name| match alert.labels.get(name) {
            Some(value) => (false, value),
            None => (true, ""),
        })
    }
    alerts
        .sort_by(|a, b| key(&a.alert).cmp(&key(&b.alert)).then_with(|| a.alert.labels.cmp(&b.alert.labels)));
}
