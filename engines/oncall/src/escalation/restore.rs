//! The same state again after a restart.

use std::sync::Arc;

use quarterdeck_kernel::{Actor, Timestamp};

use super::{Effect, Escalations, Input, Outcome, Record, State};
use crate::roster::Roster;

impl Escalations {
    /// The state that records lead to. Call [`Self::resume`] before anything else.
    #[must_use]
    pub fn restore<'a>(roster: Arc<Roster>, records: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut state = Self::new(roster);
        for record in records {
            state.apply(record);
        }
        state
    }

    /// The fewest records that lead to this state: what a store may keep in place of all before.
    #[must_use]
    pub fn checkpoint(&self) -> Vec<Record> {
        let whole = self.recent.iter().chain(self.open.values());
        let whole = whole.map(|e| Record::Saved(Box::new((**e).clone())));
        self.overrides.iter().cloned().map(Record::OverrideMade).chain(whole).collect()
    }

    /// What is due after a restart: changed policies are followed, pages whose outcome is not known are sent once more,
    /// marked as possibly double, and steps whose time has passed are paged.
    pub fn resume(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.follow(Arc::clone(&self.roster), now, &mut effects);
        self.not_ahead(now, &mut effects);
        for escalation in self.open.values().cloned().collect::<Vec<_>>() {
            if !matches!(escalation.position.state, State::Paging | State::Assigned { .. }) {
                continue;
            }
            // Also where the next step is due by now: whether these people have heard of it is not known.
            for unknown in escalation.pages.iter().filter(|p| p.resent.is_none()) {
                let mut page = escalation.page(unknown);
                page.recipients.retain(|r| r.outcome.is_none());
                if page.recipients.is_empty() {
                    continue;
                }
                page.possibly_duplicate = true;
                let key = escalation.key.clone();
                self.commit(Record::Resent { key, number: unknown.number, at: now }, &mut effects);
                effects.push(Effect::Page(page));
            }
        }
        effects.extend(self.handle(Input::Tick, now).unwrap_or_default());
        effects
    }

    /// When the clock was set back since, steps are written for times that lie far ahead: none is waited for longer than
    /// the policy says. An acknowledgement holds until the time that was said.
    fn not_ahead(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for escalation in self.open.values().cloned().collect::<Vec<_>>() {
            let (position, ladder) = (&escalation.position, &escalation.ladder);
            // Something has happened later than now: only then was the clock set back.
            if escalation.pages.last().map_or(escalation.opened, |page| page.at) <= now {
                continue;
            }
            let longest = match position.state {
                State::Waiting => ladder.delay,
                State::Paging | State::Assigned { .. } => ladder.wait(position.step.unwrap_or(0)),
                State::Acknowledged { .. } | State::Exhausted { .. } | State::Resolved { .. } => continue,
            };
            if position.next.is_some_and(|next| next > now + longest) {
                let mut sooner = (*escalation).clone();
                sooner.position.next = Some(now + longest);
                self.commit(Record::Saved(Box::new(sooner)), effects);
            }
        }
    }

    /// Takes over a configuration.
    pub(super) fn follow(&mut self, roster: Arc<Roster>, now: Timestamp, effects: &mut Vec<Effect>) {
        self.roster = roster;
        self.version += 1;
        self.views.forget_all();
        for escalation in self.open.values().cloned().collect::<Vec<_>>() {
            let new = self.roster.policies().get(&escalation.ladder.policy);
            if let Some(ladder) = new.filter(|l| **l != escalation.ladder).cloned() {
                let key = escalation.key.clone();
                let summary = format!("{}: follows the changed policy {}", escalation.title, ladder.policy);
                self.commit(Record::LadderChanged { key, at: now, ladder }, effects);
                self.told(&escalation, now, &Actor::system("on-call"), summary, effects);
            }
        }
    }

    /// Pages of an escalation that are still under way.
    pub(super) fn under_way(escalation: &super::Escalation) -> Vec<super::PageId> {
        let unknown = |p: &&super::PageState| p.recipients.iter().any(|r| r.outcome.is_none());
        escalation.pages.iter().filter(unknown).map(|p| escalation.page_id(p.number)).collect()
    }

    /// An outcome from what a delivery said.
    pub(super) fn outcome(result: Result<(), String>, now: Timestamp) -> Outcome {
        match result {
            Ok(()) => Outcome::Delivered(now),
            Err(why) => Outcome::Failed(now, why.chars().take(500).collect()),
        }
    }
}
