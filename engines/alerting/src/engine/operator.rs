//! What operators do about alerts.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::Timestamp;

use super::timers::Timer;
use super::{Effects, Engine};
use crate::model::{Ack, AttemptId, Cause, Detail, FactKind, OperatorResolve};

/// Why an operator's wish cannot be fulfilled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OperatorError {
    /// There is no such alert.
    #[error("there is no alert {0}")]
    NoAlert(Fingerprint),
    /// It does not fire.
    #[error("alert {0} is resolved already")]
    Resolved(Fingerprint),
    /// It is not acknowledged.
    #[error("alert {0} is not acknowledged")]
    NotAcknowledged(Fingerprint),
    /// The acknowledgement would be over already.
    #[error("an acknowledgement cannot run out in the past: it would at {0}")]
    UntilInPast(Timestamp),
    /// The note or name is too long.
    #[error("a note of {0} bytes is longer than the {MAX_NOTE} that are kept")]
    TooLong(usize),
    /// There is no such notification.
    #[error("there is no notification {0} in the log")]
    NoNotification(AttemptId),
    /// The group or the integration is no longer there.
    #[error("the notification's group or receiver is gone: there is nothing left to tell")]
    GroupGone,
    /// One is on its way.
    #[error("a notification to that receiver is under way")]
    UnderWay,
}

/// How long a note or a name may be, in bytes.
pub const MAX_NOTE: usize = 4096;

fn bounded(by: &str, note: &str) -> Result<(), OperatorError> {
    let found = by.len().max(note.len());
    if found > MAX_NOTE { Err(OperatorError::TooLong(found)) } else { Ok(()) }
}

impl Engine {
    /// The slot of an open alert.
    fn open_slot(&self, fingerprint: Fingerprint) -> Result<u32, OperatorError> {
        let slot = self.by_print.get(&fingerprint).copied().ok_or(OperatorError::NoAlert(fingerprint))?;
        let open = self.alerts.get(slot).is_some_and(|alert| alert.state.is_open());
        if open { Ok(slot) } else { Err(OperatorError::Resolved(fingerprint)) }
    }

    fn open_slots(&self, alerts: &[Fingerprint]) -> Result<Vec<u32>, OperatorError> {
        alerts.iter().map(|fingerprint| self.open_slot(*fingerprint)).collect()
    }

    /// Acknowledges alerts: they repeat and escalate no more, until `until` if it is given. All of them or none.
    ///
    /// # Errors
    /// When one of them is not there or resolved, or `until` is past.
    pub fn acknowledge(
        &mut self,
        alerts: &[Fingerprint],
        by: &Arc<str>,
        note: &Arc<str>,
        until: Option<Timestamp>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), OperatorError> {
        self.begin(now);
        let done = bounded(by, note)
            .and_then(|()| match until {
                Some(until) if until <= now => Err(OperatorError::UntilInPast(until)),
                _ => self.open_slots(alerts),
            })
            .map(|slots| {
                for slot in &slots {
                    self.acknowledge_one(*slot, by, note, until, now);
                }
                self.acknowledge_groups(&slots, now);
            });
        self.finish(now, effects);
        done
    }

    fn acknowledge_one(
        &mut self,
        slot: u32,
        by: &Arc<str>,
        note: &Arc<str>,
        until: Option<Timestamp>,
        now: Timestamp,
    ) {
        let Some(alert) = self.alerts.get_mut(slot) else { return };
        let operator = alert.operator_mut();
        let first = operator.first_ack.is_none();
        operator.first_ack.get_or_insert(now);
        operator.repage_since = None;
        operator.ack = Some(Ack { by: Arc::clone(by), at: now, note: Arc::clone(note), until });
        if operator.owner.is_none() {
            operator.owner = Some(Arc::clone(by));
        }
        if first {
            self.count_acknowledged(slot, now);
        }
        if let Some(until) = until {
            self.schedule(until, Timer::Ack(slot));
        }
        self.touch_alert(slot);
        let detail = Detail { by: Arc::clone(by), note: Arc::clone(note) };
        self.fresh.push((slot, Some((Cause::Acknowledged, Some(detail.into())))));
    }

    /// Tells integrations that understand it, group by group.
    fn acknowledge_groups(&mut self, slots: &[u32], now: Timestamp) {
        let mut groups: Vec<u32> =
            slots.iter().flat_map(|slot| self.privates[*slot as usize].groups.iter().copied()).collect();
        groups.sort_unstable();
        groups.dedup();
        for group in groups {
            let count = self.groups.get(group).map_or(0, |g| g.integrations.len());
            for place in 0..count {
                self.acknowledge_place(group, place, now);
            }
        }
    }

    /// Takes acknowledgements back: repeats and escalation go on. All of them or none.
    ///
    /// # Errors
    /// When one of them is not there, resolved, or not acknowledged.
    pub fn unacknowledge(
        &mut self,
        alerts: &[Fingerprint],
        by: &Arc<str>,
        note: &Arc<str>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), OperatorError> {
        self.begin(now);
        let check = |engine: &Self, fingerprint: &Fingerprint| {
            let slot = engine.open_slot(*fingerprint)?;
            let acknowledged = engine.alerts.get(slot).is_some_and(|a| a.ack().is_some());
            if acknowledged { Ok(slot) } else { Err(OperatorError::NotAcknowledged(*fingerprint)) }
        };
        let slots: Result<Vec<u32>, _> =
            bounded(by, note).and_then(|()| alerts.iter().map(|f| check(self, f)).collect());
        let done = slots.map(|slots| {
            for slot in slots {
                if let Some(alert) = self.alerts.get_mut(slot) {
                    let operator = alert.operator_mut();
                    let ack = operator.ack.take();
                    // Who had it by acknowledging it has it no longer.
                    if ack.is_some_and(|ack| operator.owner.as_ref() == Some(&ack.by)) {
                        operator.owner = None;
                    }
                }
                self.touch_alert(slot);
                let detail = Detail { by: Arc::clone(by), note: Arc::clone(note) };
                self.fresh.push((slot, Some((Cause::Unacknowledged, Some(detail.into())))));
            }
        });
        self.finish(now, effects);
        done
    }

    /// Gives alerts an owner; `None` takes it away. All of them or none.
    ///
    /// # Errors
    /// When one of them is not there or resolved.
    pub fn assign(
        &mut self,
        alerts: &[Fingerprint],
        owner: Option<&Arc<str>>,
        by: &Arc<str>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), OperatorError> {
        self.begin(now);
        let slots = bounded(by, owner.map_or("", |o| o)).and_then(|()| self.open_slots(alerts));
        let done = slots.map(|slots| {
            for slot in slots {
                if let Some(alert) = self.alerts.get_mut(slot) {
                    alert.operator_mut().owner = owner.cloned();
                }
                self.touch_alert(slot);
                if let Some(alert) = self.alerts.get(slot).cloned() {
                    self.fact(now, FactKind::Assigned { alert, by: Arc::clone(by) });
                }
            }
        });
        self.finish(now, effects);
        done
    }

    /// Resolves alerts although their source still says that they fire. They stay resolved until the source itself ends
    /// them and begins anew. All of them or none.
    ///
    /// # Errors
    /// When one of them is not there or resolved.
    pub fn resolve(
        &mut self,
        alerts: &[Fingerprint],
        by: &Arc<str>,
        note: &Arc<str>,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), OperatorError> {
        self.begin(now);
        let done = bounded(by, note).and_then(|()| self.open_slots(alerts)).map(|slots| {
            for slot in slots {
                let Some(alert) = self.alerts.get_mut(slot) else { continue };
                let source_ends_at = alert.ends_at;
                alert.operator_mut().resolved = Some(OperatorResolve {
                    by: Arc::clone(by),
                    at: now,
                    note: Arc::clone(note),
                    source_ends_at,
                });
                alert.ends_at = now;
                alert.starts_at = alert.starts_at.min(now);
                alert.updated_at = now;
                let detail = Detail { by: Arc::clone(by), note: Arc::clone(note) };
                self.end_alert(slot, now, Cause::OperatorResolved, Some(detail.into()));
            }
        });
        self.finish(now, effects);
        done
    }
}
