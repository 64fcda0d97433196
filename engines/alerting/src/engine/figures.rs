//! Counting.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_kernel::{Severity, Timestamp};

use super::Engine;
use crate::model::{AlertState, Cause, RuleStats, Stats, Totals};

/// How many alert names are counted one by one.
const MAX_RULES: usize = 1000;

/// Under which name the others are counted.
const OTHER: &str = "(other)";

/// The figures as the engine keeps them.
#[derive(Debug, Default)]
pub struct Figures {
    open: [usize; 3],
    states: [usize; 5],
    totals: Totals,
    rules: Arc<BTreeMap<Arc<str>, RuleStats>>,
}

fn place(state: AlertState) -> usize {
    AlertState::ALL.iter().position(|s| *s == state).unwrap_or_default()
}

const fn level(severity: Severity) -> usize {
    match severity {
        Severity::Info => 0,
        Severity::Warning => 1,
        Severity::Critical => 2,
    }
}

impl Figures {
    pub(super) fn stats(&self) -> Stats {
        Stats { open: self.open, states: self.states, totals: self.totals, rules: Arc::clone(&self.rules) }
    }

    pub(super) const fn totals(&self) -> Totals {
        self.totals
    }

    pub(super) const fn totals_mut(&mut self) -> &mut Totals {
        &mut self.totals
    }

    pub(super) fn rule(&self, name: &str) -> Option<RuleStats> {
        self.rules.get(name).cloned()
    }

    pub(super) fn set_rule(&mut self, name: Arc<str>, rule: RuleStats) {
        Arc::make_mut(&mut self.rules).insert(name, rule);
    }

    pub(super) const fn received(&mut self, accepted: u64, refused: u64) {
        self.totals.received += accepted + refused;
        self.totals.refused += refused;
    }

    pub(super) fn enter(&mut self, state: AlertState, severity: Severity) {
        self.states[place(state)] += 1;
        if state.is_open() {
            self.open[level(severity)] += 1;
        }
    }

    pub(super) fn leave(&mut self, state: AlertState, severity: Severity) {
        self.states[place(state)] -= 1;
        if state.is_open() {
            self.open[level(severity)] -= 1;
        }
    }
}

impl Engine {
    /// Counts something of the rule that an alert comes from.
    fn count_rule(&mut self, slot: u32, count: impl FnOnce(&mut RuleStats)) {
        let Some(alert) = self.alerts.get(slot) else { return };
        let name = alert.labels.pairs().iter().find(|(name, _)| &**name == "alertname").map(|(_, v)| v);
        let rules = Arc::make_mut(&mut self.figures.rules);
        let known = name.filter(|name| rules.len() < MAX_RULES || rules.contains_key(*name));
        let name = known.cloned().unwrap_or_else(|| OTHER.into());
        count(rules.entry(Arc::clone(&name)).or_default());
        if !self.dirty.rules.contains(&name) {
            self.dirty.rules.insert(name);
        }
        self.dirty.totals = true;
    }

    pub(super) fn count_fired(&mut self, slot: u32) {
        self.figures.totals.fired += 1;
        self.count_rule(slot, |rule| rule.fired += 1);
    }

    pub(super) fn count_silenced(&mut self, slot: u32) {
        self.count_rule(slot, |rule| rule.silenced += 1);
    }

    pub(super) fn count_resolved(&mut self, slot: u32, at: Timestamp, cause: Cause) {
        let Some(alert) = self.alerts.get(slot) else { return };
        let took = at.since(alert.starts_at);
        let acknowledged = alert.operator.as_ref().is_some_and(|o| o.first_ack.is_some());
        self.figures.totals.resolved += 1;
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.figures.totals.to_resolve_ms = self.figures.totals.to_resolve_ms.saturating_add(ms);
        let alone = !acknowledged && cause != Cause::OperatorResolved;
        self.count_rule(slot, |rule| rule.self_resolved += u64::from(alone));
    }

    pub(super) fn count_acknowledged(&mut self, slot: u32, at: Timestamp) {
        let Some(alert) = self.alerts.get(slot) else { return };
        let ms = u64::try_from(at.since(alert.starts_at).as_millis()).unwrap_or(u64::MAX);
        self.figures.totals.acknowledged += 1;
        self.figures.totals.to_acknowledge_ms = self.figures.totals.to_acknowledge_ms.saturating_add(ms);
        self.count_rule(slot, |rule| rule.acknowledged += 1);
    }
}
