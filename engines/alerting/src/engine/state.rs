//! Where each alert stands: what changes it, and what follows.

use std::sync::Arc;

use quarterdeck_kernel::Timestamp;

use super::{Engine, inhibit};
use crate::model::{AlertRecord, AlertState, Cause, Detail, SilenceId};

impl Engine {
    /// Puts an alert into a state, counts it, remembers it, tells it.
    pub(super) fn enter(
        &mut self,
        slot: u32,
        at: Timestamp,
        state: AlertState,
        cause: Cause,
        detail: Option<Arc<Detail>>,
    ) {
        let Some(alert) = self.alerts.get_mut(slot) else { return };
        self.figures.leave(alert.state, alert.severity);
        self.figures.enter(state, alert.severity);
        alert.enter(at, state, cause, detail.clone());
        self.dirty.transitions.push((slot, at, cause, detail));
        self.touch_alert(slot);
    }

    /// Gives every alert its state whose grounds for it changed: silences that began or ended, inhibiting alerts that
    /// came or went, what operators did.
    pub(super) fn settle(&mut self, now: Timestamp) {
        loop {
            let fresh = std::mem::take(&mut self.fresh);
            let turned = std::mem::take(&mut self.turned);
            let buckets = self.inhibition.take_changed();
            if fresh.is_empty() && turned.is_empty() && buckets.is_empty() && self.maybe_done.is_empty() {
                return;
            }
            // New alerts get their whole state at once, so that one that is silenced from the start was never open.
            for (slot, reason) in &fresh {
                self.look_up_silences(*slot);
                self.look_up_inhibitors(*slot);
                self.refresh(*slot, now, reason.clone());
            }
            if !turned.is_empty() {
                for slot in self.alerts.slots() {
                    if self.privates[slot as usize].silences.iter().any(|s| turned.contains(s))
                        && self.look_up_silences(slot)
                    {
                        self.refresh(slot, now, None);
                    }
                }
            }
            for slot in self.inhibition.targets(&buckets) {
                if self.look_up_inhibitors(slot) {
                    self.refresh(slot, now, None);
                }
            }
            self.end_done_silences(now);
        }
    }

    /// Looks up which silences hide an alert; whether that changed.
    fn look_up_silences(&mut self, slot: u32) -> bool {
        let hiding: Vec<SilenceId> = self.privates[slot as usize]
            .silences
            .iter()
            .filter_map(|s| self.silences.get(s).filter(|s| s.hides).map(|s| s.silence.id))
            .collect();
        let Some(alert) = self.alerts.get(slot) else { return false };
        if alert.silences() == hiding {
            return false;
        }
        let hiding: Option<Arc<[SilenceId]>> = (!hiding.is_empty()).then(|| hiding.into());
        if let Some(alert) = self.alerts.get_mut(slot) {
            alert.silenced_by = hiding;
        }
        self.dirty.any = true;
        true
    }

    /// Looks up which alerts inhibit an alert; whether that changed.
    fn look_up_inhibitors(&mut self, slot: u32) -> bool {
        let found = self.inhibition.sources_of(&self.privates[slot as usize].targets);
        let Some(alert) = self.alerts.get(slot) else { return false };
        if alert.inhibitors() == found {
            return false;
        }
        if let Some(alert) = self.alerts.get_mut(slot) {
            alert.inhibited_by = (!found.is_empty()).then(|| found.into());
        }
        self.dirty.any = true;
        true
    }

    /// Gives an alert the state that it should have.
    fn refresh(&mut self, slot: u32, now: Timestamp, reason: Option<super::Ground>) {
        let Some(alert) = self.alerts.get(slot) else { return };
        let old = alert.state;
        let reopened = matches!(reason, Some((Cause::Posted | Cause::Refired, _)));
        if old == AlertState::Resolved && !reopened {
            return;
        }
        let new = if alert.ends_at <= now {
            return;
        } else if !alert.silences().is_empty() {
            AlertState::Silenced
        } else if !alert.inhibitors().is_empty() {
            AlertState::Inhibited
        } else if alert.ack().is_some() {
            AlertState::Acknowledged
        } else {
            AlertState::Firing
        };
        let by = |text: String| Some(Arc::new(Detail { by: text.into(), note: "".into() }));
        let why = match new {
            AlertState::Silenced => alert.silences().first().and_then(|id| by(id.to_string())),
            AlertState::Inhibited => alert.inhibitors().first().and_then(|id| by(id.to_string())),
            _ => None,
        };
        if new == AlertState::Silenced && (old != new || reopened) {
            self.count_silenced(slot);
        }
        match reason {
            // What a person did is remembered even where something else decides the state.
            Some((cause, detail)) => self.enter(slot, now, new, cause, detail.or(why)),
            None if old == new => {}
            None => {
                let cause = match (old, new) {
                    (_, AlertState::Silenced) => Cause::SilenceBegan,
                    (AlertState::Silenced, _) => Cause::SilenceEnded,
                    (_, AlertState::Inhibited) => Cause::InhibitionBegan,
                    _ => Cause::InhibitionEnded,
                };
                self.enter(slot, now, new, cause, why);
            }
        }
    }

    /// An alert as it is written down.
    pub(super) fn alert_record(&self, slot: u32) -> Option<AlertRecord> {
        let alert = self.alerts.get(slot)?;
        let untold = if alert.state.is_open() {
            Vec::new()
        } else {
            let groups = &self.privates[slot as usize].groups;
            groups.iter().filter_map(|g| self.groups.get(*g)).map(|g| Arc::clone(&g.identity)).collect()
        };
        let kept = self.privates[slot as usize].kept_until;
        let until = (alert.state.is_open() && kept > alert.ends_at).then_some(kept);
        Some(AlertRecord { alert: Arc::clone(alert), untold, until })
    }

    /// The rules that an alert is source or target of.
    pub(super) fn inhibition_places(
        &self,
        labels: &quarterdeck_kernel::Labels,
    ) -> (Box<[inhibit::Place]>, Box<[inhibit::Place]>) {
        inhibit::places(&self.plan, labels)
    }
}
