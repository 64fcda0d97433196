//! A rolling update: replica by replica, and traffic follows them.

use super::active::{Active, Poll};
use crate::replicas::{Counts, Side, rolling};
use crate::strategy::{Rolling, Step};

/// One rung.
pub(super) fn ladder() -> Vec<Step> {
    vec![Step::Replace]
}

/// Kubernetes's table.
pub(super) fn counts(active: &Active<'_>, limits: &Rolling) -> Counts {
    let side = |version: &str| {
        let wanted = active.s.versions.get(version).map_or(0, |v| v.wanted);
        Side::new(wanted, active.available(version))
    };
    let old = active.r.from.as_deref().map_or_else(Side::default, side);
    rolling(active.full(), limits, old, side(&active.r.to))
}

impl Active<'_> {
    /// Traffic follows the replicas that are ready; it is over when all are new.
    pub(super) fn replace(&mut self) -> Poll {
        let (full, to) = (self.full(), self.r.to.clone());
        let new = self.available(&to);
        let old = self.r.from.clone().map_or((0, 0), |from| {
            (self.s.versions.get(&from).map_or(0, |v| v.wanted), self.available(&from))
        });
        let next = self.counts();
        // What the old version still is to have, once its last ones may go.
        let staying = if next.old == 0 { 0 } else { old.1.min(next.old) };
        let weight = match (new, staying) {
            (0, _) => 0,
            (_, 0) => 100,
            (new, old) => (new * 100 / (new + old)).clamp(1, 99),
        };
        if weight != self.r.weight {
            self.intend(weight);
        }
        if new >= full && old.0 == 0 {
            self.p.waiting = None;
            return Poll::Done;
        }
        // Each replica more that is new, or less that is old, gives it time again; going back and forth does not.
        let come = new + full.saturating_sub(old.0);
        if come > self.p.best || self.p.waiting.is_none() {
            self.p.best = self.p.best.max(come);
            self.p.waiting = Some(self.now);
        }
        let deadline = self.p.waiting.unwrap_or(self.now) + self.r.strategy.progress_deadline;
        let have = format!("{new} of {full} replicas are {to}{}", self.ailment(&to));
        if self.now >= deadline {
            return Poll::Late(have);
        }
        self.r.message = have;
        Poll::Wait(Some(deadline))
    }
}
