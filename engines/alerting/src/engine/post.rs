//! Alerts come in: checked, merged with what is known of them, and put into their groups.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Labels, Timestamp};

use super::{AlertPriv, Effects, Engine};
use crate::model::{Alert, AlertState, Cause, Detail, PostedAlert};

/// Why an alert was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AlertError {
    /// No label is left when empty ones are dropped.
    #[error("at least one label pair required")]
    NoLabels,
    /// A label has no name.
    #[error("a label of the alert has an empty name")]
    EmptyName,
    /// It ends before it starts.
    #[error("start time must be before end time: it starts at {starts_at} and ends at {ends_at}")]
    EndsFirst {
        /// Its start.
        starts_at: Timestamp,
        /// Its end.
        ends_at: Timestamp,
    },
    /// It is too large.
    #[error("labels and annotations of {found} bytes are more than the {allowed} that one alert may have")]
    TooLarge {
        /// How many it has.
        found: usize,
        /// How many it may have.
        allowed: usize,
    },
    /// There are as many as are allowed.
    #[error("there are {0} alerts already and no more are taken; resolve some, or raise the limit")]
    TooMany(usize),
    /// Its labels have the same fingerprint as other labels.
    #[error("its labels have the same fingerprint {0} as those of another alert")]
    Collision(Fingerprint),
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PostReport {
    /// How many were taken.
    pub accepted: usize,
    /// Those that were refused, by their place in the batch.
    pub refused: Vec<(usize, AlertError)>,
}

/// A checked alert.
struct Checked {
    labels: Labels,
    annotations: Labels,
    starts_at: Timestamp,
    ends_at: Timestamp,
    timeout: bool,
    /// Whether its source said when it began.
    explicit_start: bool,
    generator_url: Arc<str>,
}

impl Engine {
    /// Takes a batch of alerts. Bad ones are refused, the others are taken nevertheless.
    pub fn post(&mut self, batch: Vec<PostedAlert>, now: Timestamp, effects: &mut Effects) -> PostReport {
        self.begin(now);
        let mut report = PostReport::default();
        for (place, posted) in batch.into_iter().enumerate() {
            match self.post_one(posted, now) {
                Ok(()) => report.accepted += 1,
                Err(error) => report.refused.push((place, error)),
            }
        }
        self.interner.forget_batch();
        let (accepted, refused) = (report.accepted as u64, report.refused.len() as u64);
        self.figures.received(accepted, refused);
        // Counting what came in is not worth a write of its own.
        self.finish(now, effects);
        report
    }

    pub(super) fn post_one(&mut self, posted: PostedAlert, now: Timestamp) -> Result<(), AlertError> {
        let checked = self.check(posted, now)?;
        let fingerprint = Fingerprint::of(&checked.labels);
        match self.by_print.get(&fingerprint).copied() {
            Some(slot) => {
                let known = self.alerts.get(slot).map(|alert| alert.labels.clone()).unwrap_or_default();
                if known != checked.labels {
                    return Err(AlertError::Collision(fingerprint));
                }
                self.heard(&known, checked.ends_at > now, now);
                self.update(slot, checked, now);
            }
            None => {
                if self.alerts.len() >= self.options.max_alerts {
                    return Err(AlertError::TooMany(self.alerts.len()));
                }
                self.heard(&checked.labels, checked.ends_at > now, now);
                self.create(fingerprint, checked, now);
            }
        }
        Ok(())
    }

    fn check(&mut self, posted: PostedAlert, now: Timestamp) -> Result<Checked, AlertError> {
        let size =
            |pairs: &[(Arc<str>, Arc<str>)]| pairs.iter().map(|(n, v)| n.len() + v.len()).sum::<usize>();
        let url = posted.generator_url.unwrap_or_default();
        let found = size(&posted.labels) + size(&posted.annotations) + url.len();
        if found > self.options.max_alert_bytes {
            return Err(AlertError::TooLarge { found, allowed: self.options.max_alert_bytes });
        }
        if posted.labels.iter().any(|(name, _)| name.is_empty()) {
            return Err(AlertError::EmptyName);
        }
        let (ends_at, timeout) = match posted.ends_at {
            Some(ends_at) => (ends_at, false),
            None => (now + self.plan.resolve_timeout, true),
        };
        let starts_at = posted.starts_at.unwrap_or(if timeout { now } else { ends_at });
        // Whose clock runs so far ahead that the alert would time out before it begins is heard now; Alertmanager refuses it.
        let starts_at = if timeout && starts_at > ends_at { now } else { starts_at };
        if ends_at < starts_at {
            return Err(AlertError::EndsFirst { starts_at, ends_at });
        }
        let labels = self.interner.set(posted.labels);
        if labels.is_empty() {
            return Err(AlertError::NoLabels);
        }
        let annotations = self.interner.set(posted.annotations);
        let explicit_start = posted.starts_at.is_some();
        let generator_url = self.interner.intern(url);
        Ok(Checked { labels, annotations, starts_at, ends_at, timeout, explicit_start, generator_url })
    }

    fn create(&mut self, fingerprint: Fingerprint, new: Checked, now: Timestamp) {
        let open = new.ends_at > now;
        let alert = Alert {
            fingerprint,
            starts_at: new.starts_at,
            ends_at: new.ends_at,
            updated_at: now,
            since: now,
            generator_url: new.generator_url,
            timeout: new.timeout,
            state: if open { AlertState::Firing } else { AlertState::Resolved },
            severity: self.options.severity(&new.labels),
            service: self.service(&new.labels),
            silenced_by: None,
            inhibited_by: None,
            receivers: Arc::default(),
            operator: None,
            history: Vec::new(),
            forgotten: 0,
            labels: new.labels,
            annotations: new.annotations,
        };
        let slot = self.adopt(alert);
        self.touch_alert(slot);
        if open {
            self.count_fired(slot);
            self.fresh.push((slot, Some((Cause::Posted, None))));
            self.schedule_end(slot, new.ends_at);
        } else {
            self.fresh.push((slot, None));
            if let Some(alert) = self.alerts.get_mut(slot) {
                alert.enter(now, AlertState::Resolved, Cause::SourceResolved, None);
            }
        }
        self.join_groups(slot, now);
        if !open && self.privates[slot as usize].groups.is_empty() {
            self.rest(slot, now);
        }
    }

    /// Gives an alert its slot and its places: routes, rules, silences. Groups come later.
    pub(super) fn adopt(&mut self, mut alert: Alert) -> u32 {
        let (routes, receivers) = self.route(&alert.labels);
        alert.receivers = receivers;
        let (fingerprint, labels, open) = (alert.fingerprint, alert.labels.clone(), alert.state.is_open());
        let kept_until = alert.ends_at;
        self.figures.enter(alert.state, alert.severity);
        let slot = self.alerts.insert(alert);
        self.by_print.insert(fingerprint, slot);
        let (sources, targets) = self.inhibition_places(&labels);
        let private = AlertPriv {
            routes,
            sources,
            targets,
            silences: self.matching_silences(&labels),
            kept_until,
            ..AlertPriv::default()
        };
        if slot as usize == self.privates.len() {
            self.privates.push(private);
        } else {
            self.privates[slot as usize] = private;
        }
        self.inhibition.add_target(slot, &self.privates[slot as usize].targets);
        if open {
            self.inhibition.add_source(fingerprint, &self.privates[slot as usize].sources);
        }
        slot
    }

    /// The routes that take an alert and their receivers, one copy for all alerts that go the same way.
    pub(super) fn route(&mut self, labels: &Labels) -> (Arc<[u32]>, Arc<[Arc<str>]>) {
        let routes: Vec<u32> = self.plan.routes.matching(labels).into_iter().map(|id| id.0).collect();
        if let Some((routes, receivers)) = self.route_sets.get(&routes) {
            return (Arc::clone(routes), Arc::clone(receivers));
        }
        let mut receivers: Vec<Arc<str>> = Vec::new();
        for route in &routes {
            let name = &self.plan.receiver(*route as usize).name;
            if !receivers.contains(name) {
                receivers.push(Arc::clone(name));
            }
        }
        let set: (Arc<[u32]>, Arc<[Arc<str>]>) = (routes.as_slice().into(), receivers.into());
        self.route_sets.insert(routes, set.clone());
        set
    }

    pub(super) fn service(&self, labels: &Labels) -> Option<Arc<str>> {
        labels
            .pairs()
            .iter()
            .find(|(name, _)| *name == self.options.service_label)
            .map(|(_, v)| Arc::clone(v))
    }

    fn update(&mut self, slot: u32, new: Checked, now: Timestamp) {
        if self.stays_resolved(slot, &new, now) {
            return;
        }
        let Some(alert) = self.alerts.get_mut(slot) else { return };
        let was_open = alert.state.is_open();
        let before = (alert.starts_at, alert.ends_at);
        let was_timeout = alert.timeout;
        let (starts_at, ends_at, timeout) = merge(alert, &new, now);
        let same_text = alert.annotations == new.annotations && alert.generator_url == new.generator_url;
        alert.starts_at = starts_at;
        alert.ends_at = ends_at;
        alert.timeout = timeout;
        if !same_text {
            alert.annotations = new.annotations;
            alert.generator_url = new.generator_url;
        }
        let open = ends_at > now;
        if !open && !was_open && before == (starts_at, ends_at) && same_text {
            // A source says again that it ended: nothing new, and nothing to tell a second time.
            return;
        }
        alert.updated_at = now;
        if open && !was_open {
            // A new firing: what people did about the last one is over.
            alert.operator = None;
        }
        let goes_on = was_open && open && same_text && before.0 == starts_at && was_timeout == timeout;
        self.keep_end(slot, ends_at, goes_on && before.1 <= ends_at);
        match (was_open, open) {
            (false, true) => {
                self.escalates_anew(slot);
                self.wake_alert(slot);
                self.fresh.push((slot, Some((Cause::Refired, None))));
                self.count_fired(slot);
            }
            (true, false) => self.end_alert(slot, now, Cause::SourceResolved, None),
            _ => {}
        }
        if open {
            self.schedule_end(slot, ends_at);
        }
        self.join_groups(slot, now);
    }

    /// Has an alert's end written down, and whatever else changed. One that only goes on is written now and then, with
    /// some time in advance.
    fn keep_end(&mut self, slot: u32, ends_at: Timestamp, goes_on: bool) {
        let step = self.options.refresh_step;
        let kept = &mut self.privates[slot as usize].kept_until;
        if goes_on && ends_at <= *kept {
            self.dirty.any = true;
            return;
        }
        *kept = if goes_on { ends_at + step } else { ends_at };
        self.touch_alert(slot);
    }

    /// Whether an operator resolved the firing that a source still tells of: it stays resolved until the source itself
    /// ends it and begins another.
    fn stays_resolved(&mut self, slot: u32, new: &Checked, now: Timestamp) -> bool {
        let Some(alert) = self.alerts.get(slot) else { return true };
        let Some(resolved) = alert.operator.as_ref().and_then(|o| o.resolved.as_ref()) else { return false };
        let same =
            if new.explicit_start { new.starts_at <= resolved.at } else { now <= resolved.source_ends_at };
        if !same {
            return false;
        }
        let ends_at = new.ends_at;
        if resolved.source_ends_at != ends_at
            && let Some(alert) = self.alerts.get_mut(slot)
            && let Some(resolved) = alert.operator_mut().resolved.as_mut()
        {
            resolved.source_ends_at = ends_at;
            self.touch_alert(slot);
        }
        true
    }

    /// An alert stops firing.
    pub(super) fn end_alert(&mut self, slot: u32, at: Timestamp, cause: Cause, detail: Option<Arc<Detail>>) {
        let Some(alert) = self.alerts.get(slot) else { return };
        let fingerprint = alert.fingerprint;
        self.inhibition.remove_source(fingerprint, &self.privates[slot as usize].sources);
        self.count_resolved(slot, at, cause);
        self.enter(slot, at, AlertState::Resolved, cause, detail);
        if let Some(alert) = self.alerts.get_mut(slot)
            && alert.operator.as_ref().is_some_and(|o| o.ack.is_some())
        {
            alert.operator_mut().ack = None;
        }
        for silence in &self.privates[slot as usize].silences {
            self.maybe_done.insert(*silence);
        }
        if self.privates[slot as usize].groups.is_empty() {
            self.rest(slot, at);
        }
    }

    /// A resolved alert fires again.
    fn wake_alert(&mut self, slot: u32) {
        let Some(alert) = self.alerts.get(slot) else { return };
        self.inhibition.add_source(alert.fingerprint, &self.privates[slot as usize].sources);
    }

    /// A resolved alert that no group holds is kept a while to be seen.
    pub(super) fn rest(&mut self, slot: u32, since: Timestamp) {
        if let Some(alert) = self.alerts.get(slot) {
            self.resting.push_back((slot, alert.fingerprint, since));
        }
    }

    /// Forgets a resolved alert, if it is still the one that was put to rest.
    pub(super) fn maybe_forget(
        &mut self,
        slot: u32,
        fingerprint: Fingerprint,
        since: Timestamp,
        now: Timestamp,
    ) {
        let Some(alert) = self.alerts.get(slot) else { return };
        let private = &self.privates[slot as usize];
        let awake = alert.state.is_open() || !private.groups.is_empty();
        if alert.fingerprint != fingerprint || awake || alert.updated_at > since {
            return;
        }
        // An operator resolved what its source still tells of: forgotten, the next telling would be a new alert.
        if alert.operator.as_ref().and_then(|o| o.resolved.as_ref()).is_some_and(|r| r.source_ends_at > now) {
            self.rest(slot, now);
            return;
        }
        self.figures.leave(alert.state, alert.severity);
        self.inhibition.remove_target(slot, &private.targets);
        self.privates[slot as usize] = AlertPriv::default();
        self.alerts.remove(slot);
        self.by_print.remove(&fingerprint);
        self.record(crate::model::Record::AlertGone(fingerprint));
    }
}

/// What a known alert and a new post of it make together: start, end, and whether the end is only a time-out. The text is
/// always the newer one's.
///
/// Where the two overlap, they are one firing: it began with the earlier start; a real end that is later than the new
/// one stands, a time-out gives way. Where they do not overlap, the new one replaces the old.
fn merge(old: &Alert, new: &Checked, now: Timestamp) -> (Timestamp, Timestamp, bool) {
    let within = |t: Timestamp| old.starts_at < t && t < old.ends_at;
    if !within(new.ends_at) && !within(new.starts_at) {
        return (new.starts_at, new.ends_at, new.timeout);
    }
    let starts_at = old.starts_at.min(new.starts_at);
    let stands = if new.ends_at <= now { old.ends_at <= now } else { !old.timeout };
    if old.ends_at > new.ends_at && stands {
        // The end is the old one's; whether it counts as a time-out is the newer one's to say.
        (starts_at, old.ends_at, new.timeout)
    } else {
        (starts_at, new.ends_at, new.timeout)
    }
}
