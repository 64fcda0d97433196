//! What became of notifications.

use std::sync::Arc;

use quarterdeck_kernel::Timestamp;

use super::{Effects, Engine};
use crate::model::{
    AttemptAction, AttemptId, AttemptRecord, FactKind, LogEntry, NotifyReason, Outcome, OutcomeRecord,
    Record, Sent,
};

/// How many alerts a finished notification names in the log.
const NAMED: usize = 1000;

impl Engine {
    /// Takes what became of an attempt, after how many tries. One that is not under way (any more) is ignored: the
    /// first outcome counts.
    #[expect(clippy::needless_pass_by_value, reason = "whoever tells an outcome is done with it")]
    pub fn outcome(
        &mut self,
        id: AttemptId,
        outcome: Outcome,
        tries: u32,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        self.begin(now);
        self.close(id, &outcome, tries, now);
        self.finish(now, effects);
    }

    pub(super) fn close(&mut self, id: AttemptId, outcome: &Outcome, tries: u32, now: Timestamp) {
        let Some(record) = self.in_flight.remove(&id) else { return };
        let totals = self.figures.totals_mut();
        match outcome {
            Outcome::Delivered => totals.sent += 1,
            Outcome::Failed(_) => totals.failed += 1,
            Outcome::Unknown => totals.unknown += 1,
        }
        self.dirty.totals = true;
        self.finish_record(&record, outcome.clone(), tries, now);
        let Some((slot, place)) = self.place_of(&record) else {
            let key = (
                Arc::clone(&record.group),
                Arc::clone(&record.receiver),
                Arc::clone(&record.integration),
                record.index,
            );
            self.strays.remove(&key);
            if *outcome == Outcome::Delivered && record.action == AttemptAction::Notify {
                self.remember_orphan(&record, now);
            }
            return;
        };
        let Some(state) = self.integration(slot, place) else { return };
        state.in_flight = None;
        let missed = std::mem::take(&mut state.missed);
        match (outcome, record.action) {
            (Outcome::Delivered, AttemptAction::Notify) => {
                let (firing, resolved) = (Arc::clone(&record.firing), Arc::clone(&record.resolved));
                self.log_told(slot, place, firing, resolved, now);
            }
            (Outcome::Delivered, AttemptAction::Acknowledge) => {
                state.acknowledged = true;
                self.record_log(slot, place);
            }
            (Outcome::Failed(_), AttemptAction::Notify) => state.failures += 1,
            (Outcome::Unknown, AttemptAction::Notify) => {
                state.failures += 1;
                state.uncertain = true;
            }
            (Outcome::Failed(_) | Outcome::Unknown, AttemptAction::Acknowledge) => {}
        }
        if missed {
            self.evaluate(slot, Some(place), None, now);
        } else {
            self.acknowledge_if_due(slot, place, now);
            self.maybe_complete(slot, now);
        }
    }

    /// Where the integration of an attempt is now, if it still has the attempt under way.
    fn place_of(&self, record: &AttemptRecord) -> Option<(u32, usize)> {
        let slot = *self.by_identity.get(&record.group)?;
        let place =
            self.groups.get(slot)?.integrations.iter().position(|i| i.in_flight == Some(record.id))?;
        Some((slot, place))
    }

    /// A notification of a group that is gone was delivered: if the group comes back, its receiver knows.
    fn remember_orphan(&mut self, record: &AttemptRecord, now: Timestamp) {
        let kept = std::time::Duration::from_secs(4 * 3600);
        let entry = Arc::new(LogEntry {
            at: now,
            expires_at: now + kept,
            firing: Arc::clone(&record.firing),
            resolved: Arc::clone(&record.resolved),
        });
        let key = (
            Arc::clone(&record.group),
            Arc::clone(&record.receiver),
            Arc::clone(&record.integration),
            record.index,
        );
        self.record(Record::Log(crate::model::LogRecord {
            group: Arc::clone(&key.0),
            receiver: Arc::clone(&key.1),
            integration: Arc::clone(&key.2),
            index: key.3,
            entry: Arc::clone(&entry),
            acknowledged: false,
        }));
        self.orphans.insert(key, (entry, false));
    }

    /// Writes an outcome down.
    fn finish_record(&mut self, record: &AttemptRecord, outcome: Outcome, tries: u32, now: Timestamp) {
        let mut done = record.clone();
        done.outcome = Some(OutcomeRecord { outcome, at: now, tries });
        done.firing = Arc::default();
        done.resolved = Arc::default();
        if done.alerts.len() > NAMED {
            done.truncated = u32::try_from(done.alerts.len() - NAMED).unwrap_or(u32::MAX);
            done.alerts = done.alerts.iter().take(NAMED).copied().collect::<Arc<[Sent]>>();
        }
        let done = Arc::new(done);
        if let Some(entry) = Arc::make_mut(&mut self.log).iter_mut().rev().find(|entry| entry.id == done.id) {
            *entry = Arc::clone(&done);
        }
        self.record(Record::Attempt(Arc::clone(&done)));
        self.fact(now, FactKind::Notified { attempt: done });
    }

    /// Puts an attempt into the log that panes show; the oldest finished ones give way.
    pub(super) fn log_attempt(&mut self, record: Arc<AttemptRecord>) {
        let log = Arc::make_mut(&mut self.log);
        log.push_back(record);
        let mut gone = Vec::new();
        while log.len() > self.options.max_log.max(1) {
            // One under way is kept whatever its age: a restart must find it.
            let Some(place) = log.iter().position(|entry| entry.outcome.is_some()) else { break };
            if let Some(entry) = log.remove(place) {
                gone.push(entry.id);
            }
        }
        for id in gone {
            self.record(Record::AttemptGone(id));
        }
    }

    /// Tells an integration that waited for an outcome that everything was acknowledged meanwhile.
    fn acknowledge_if_due(&mut self, slot: u32, place: usize, now: Timestamp) {
        let acknowledges = self.groups.get(slot).is_some_and(|group| {
            self.plan.receiver(group.route).integrations.get(place).is_some_and(|i| i.acknowledges)
        });
        let waits = self.integration(slot, place).is_some_and(|s| s.failures == 0 && !s.acknowledged);
        if acknowledges && waits {
            self.acknowledge_place(slot, place, now);
        }
    }

    /// Notifies an integration of a group again, whether or not it is due: an operator's retry.
    ///
    /// # Errors
    /// When there is no such notification, its group is gone, or one is under way.
    pub fn retry(
        &mut self,
        id: AttemptId,
        now: Timestamp,
        effects: &mut Effects,
    ) -> Result<(), super::OperatorError> {
        use super::OperatorError as E;
        self.begin(now);
        let found = self.log.iter().rev().find(|entry| entry.id == id).cloned();
        let done = found.ok_or(E::NoNotification(id)).and_then(|record| {
            let slot = self.by_identity.get(&record.group).copied().ok_or(E::GroupGone)?;
            let group = self.groups.get(slot).ok_or(E::GroupGone)?;
            let place = self
                .plan
                .receiver(group.route)
                .integrations
                .iter()
                .position(|i| i.kind == record.integration && i.index == record.index)
                .filter(|_| group.receiver == record.receiver)
                .ok_or(E::GroupGone)?;
            if group.integrations.get(place).is_some_and(|i| i.in_flight.is_some()) {
                return Err(E::UnderWay);
            }
            self.evaluate(slot, Some(place), Some(NotifyReason::Asked), now);
            Ok(())
        });
        self.finish(now, effects);
        done
    }
}
