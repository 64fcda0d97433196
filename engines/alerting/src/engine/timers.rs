//! What happens by itself, and when.

use std::cmp::Reverse;
use std::time::Duration;

use quarterdeck_kernel::Timestamp;

use super::Engine;
use crate::model::{AttemptId, Cause, Detail, Outcome, Record};

/// How often what is kept for a while is looked through.
pub(super) const SWEEP: Duration = Duration::from_secs(60);

/// How long after its deadline an attempt without outcome is given up.
pub(super) const OUTCOME_GRACE: Duration = Duration::from_secs(60);

/// How many entries of the notification log whose groups are gone are kept at most.
const MAX_ORPHANS: usize = 200_000;

/// Something that is due. Of things due at the same moment the first in this order comes first: what changes the state
/// of alerts before what looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// An alert may have ended.
    End(u32),
    /// An acknowledgement may have run out.
    Ack(u32),
    /// A silence may have begun or ended.
    Silences,
    /// A dead-man's switch may have fallen silent.
    Switch(u32),
    /// Nothing was heard of an attempt.
    Attempt(AttemptId),
    /// Old things are forgotten.
    Sweep,
    /// A group is looked at.
    Group(u32),
}

impl Engine {
    pub(super) fn schedule(&mut self, at: Timestamp, timer: Timer) {
        self.timers.push(Reverse((at, timer)));
    }

    /// Does everything that is due: first what changes alerts, then what looks at them, until nothing is.
    pub(super) fn run_due(&mut self, now: Timestamp) {
        loop {
            let mut looks = Vec::new();
            while self.timers.peek().is_some_and(|timer| timer.0.0 <= now) {
                let Some(Reverse((at, timer))) = self.timers.pop() else { break };
                match timer {
                    Timer::Group(slot) => looks.push((at, slot)),
                    other => self.run(at, other, now),
                }
            }
            self.settle(now);
            let found = !looks.is_empty();
            for (at, slot) in looks {
                self.look(slot, at, now);
            }
            if !found && self.timers.peek().is_none_or(|timer| timer.0.0 > now) {
                return;
            }
        }
    }

    fn run(&mut self, at: Timestamp, timer: Timer, now: Timestamp) {
        match timer {
            Timer::End(slot) => self.maybe_end(slot, at, now),
            Timer::Ack(slot) => self.maybe_expire_ack(slot, at, now),
            Timer::Silences => self.turn_silences(now),
            Timer::Switch(switch) => self.check_switch(switch as usize, now),
            Timer::Attempt(id) => {
                if self.in_flight.contains_key(&id) {
                    self.close(id, &Outcome::Unknown, 0, now);
                }
            }
            Timer::Sweep => {
                self.sweep(now);
                self.schedule(now + SWEEP, Timer::Sweep);
            }
            Timer::Group(_) => {}
        }
    }

    /// Sets the timer of an alert's end, unless an earlier one is set.
    pub(super) fn schedule_end(&mut self, slot: u32, at: Timestamp) {
        let private = &mut self.privates[slot as usize];
        if private.end_timer.is_none_or(|set| at < set) {
            private.end_timer = Some(at);
            self.schedule(at, Timer::End(slot));
        }
    }

    fn maybe_end(&mut self, slot: u32, at: Timestamp, now: Timestamp) {
        if self.privates[slot as usize].end_timer != Some(at) {
            return;
        }
        self.privates[slot as usize].end_timer = None;
        let Some(alert) = self.alerts.get(slot).filter(|alert| alert.state.is_open()) else { return };
        if alert.ends_at > now {
            let ends_at = alert.ends_at;
            self.schedule_end(slot, ends_at);
            return;
        }
        let cause = if alert.timeout { Cause::TimedOut } else { Cause::SourceResolved };
        let at = alert.ends_at.max(alert.since).min(now);
        self.end_alert(slot, at, cause, None);
    }

    fn maybe_expire_ack(&mut self, slot: u32, at: Timestamp, now: Timestamp) {
        let Some(alert) = self.alerts.get_mut(slot) else { return };
        if alert.ends_at <= now {
            // It ended too while nobody looked: there is nothing left to page for.
            return;
        }
        let Some(ack) = alert.ack().filter(|ack| ack.until == Some(at)) else { return };
        let detail = Detail { by: std::sync::Arc::clone(&ack.by), note: "".into() };
        let operator = alert.operator_mut();
        operator.ack = None;
        operator.repage_since = Some(now);
        self.touch_alert(slot);
        self.escalates_anew(slot);
        self.fresh.push((slot, Some((Cause::AcknowledgementExpired, Some(detail.into())))));
        // Its groups page now, not at their next tick; the ticks stay where they are.
        for group in self.privates[slot as usize].groups.clone().iter().copied() {
            if self.groups.get(group).is_some_and(|g| g.flushed)
                && self.group_privates[group as usize].page.replace(now) != Some(now)
            {
                self.schedule(now, Timer::Group(group));
            }
        }
    }

    /// Forgets what was kept long enough.
    fn sweep(&mut self, now: Timestamp) {
        // Each at most once: what has to stay goes to the end.
        for _ in 0..self.resting.len() {
            let Some((slot, fingerprint, since)) = self.resting.front().copied() else { break };
            let expired = now.since(since) >= self.options.resolved_retention;
            let crowded = self.resting.len() > self.options.max_resolved;
            if !expired && !crowded {
                break;
            }
            self.resting.pop_front();
            self.maybe_forget(slot, fingerprint, since, now);
        }
        let mut gone: Vec<_> = self
            .orphans
            .iter()
            .filter(|(_, (entry, _))| entry.expires_at <= now)
            .map(|(key, _)| key.clone())
            .collect();
        let left = self.orphans.len() - gone.len();
        if left > MAX_ORPHANS {
            let mut kept: Vec<_> =
                self.orphans.iter().filter(|(_, (entry, _))| entry.expires_at > now).collect();
            kept.sort_by_key(|(_, (entry, _))| entry.expires_at);
            gone.extend(kept.into_iter().take(left - MAX_ORPHANS).map(|(key, _)| key.clone()));
        }
        gone.sort();
        for key in gone {
            self.orphans.remove(&key);
            self.record(Record::LogGone(key.0, key.1, key.2, key.3));
        }
        self.forget_silences(now);
    }
}
