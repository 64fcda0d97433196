//! Up the ladder: which step comes, whom it reaches, what happens when that is nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use quarterdeck_kernel::{Actor, Severity, Timestamp};

use super::decide::Effects;
use super::types::{Cause, Escalation, Outcome, PageState, Position, Recipient, State};
use super::{Effect, Escalations, Record};
use crate::target::Target;
use crate::words;

/// How often a policy begins again at most, beyond what it says itself, as long as its pages reach nobody.
const MORE_ROUNDS: u32 = 50;

impl Escalations {
    /// Goes to the next step at once when the newest page has reached nobody; never past the last step, so that a
    /// channel that is down does not use the whole policy up in a moment.
    pub(super) fn pass_undelivered(
        &mut self,
        key: &str,
        number: u32,
        by: &Actor,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(escalation) = self.open.get(key).cloned() else { return };
        let Some(newest) = escalation.pages.last().filter(|p| p.number == number) else { return };
        if !newest.recipients.iter().all(|r| matches!(r.outcome, Some(Outcome::Failed(..)))) {
            return;
        }
        let next = match (&escalation.position.state, escalation.position.step) {
            (State::Paging, Some(step)) => step + 1,
            (State::Assigned { resume, .. }, _) => *resume,
            // The last step's time was over before its deliveries were given up.
            (State::Exhausted { .. }, _) if self.unheard(&escalation) => 0,
            _ => return,
        };
        if next < escalation.ladder.rungs.len() {
            self.climb(key, next, Cause::Undelivered, Vec::new(), by, now, effects);
        }
    }

    /// Whether the newest page reached nobody, so that a policy that is over begins again: who was never told cannot
    /// answer. Not for ever, so that a channel that is gone does not fill the log.
    fn unheard(&self, escalation: &Escalation) -> bool {
        let failed =
            |page: &PageState| page.recipients.iter().all(|r| matches!(r.outcome, Some(Outcome::Failed(..))));
        let more = escalation.position.round < escalation.ladder.repeat.saturating_add(MORE_ROUNDS);
        more && escalation.pages.last().is_some_and(failed)
    }

    /// Pages the first step from `from` on that reaches somebody, beginning the steps again where the policy says so.
    #[expect(clippy::too_many_arguments, reason = "where, why, whom besides, who, when")]
    pub(super) fn climb(
        &mut self,
        key: &str,
        from: usize,
        cause: Cause,
        besides: Vec<Recipient>,
        by: &Actor,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let Some(escalation) = self.open.get(key).cloned() else { return };
        let ladder = Arc::clone(&escalation.ladder);
        let position = &escalation.position;
        let restarted = matches!(cause, Cause::Joined)
            || matches!(position.state, State::Exhausted { .. }) && matches!(cause, Cause::EscalatedNow);
        let (mut first, mut round, mut cause) = (from, if restarted { 0 } else { position.round }, cause);
        if first >= ladder.rungs.len() {
            if round >= ladder.repeat && !self.unheard(&escalation) {
                self.exhaust(&escalation, by, now, effects);
                return;
            }
            (first, round) = (0, round + 1);
            if cause == Cause::Step {
                cause = Cause::Repeated;
            }
        }
        let mut besides = besides;
        for step in first..ladder.rungs.len() {
            let mut recipients = std::mem::take(&mut besides);
            let (reached, nobody) = self.reached(&ladder.rungs[step].notify, now);
            recipients.extend(reached);
            let recipients = distinct(recipients);
            if !nobody.is_empty() {
                let what = if recipients.is_empty() { "reaches nobody" } else { "reaches not all" };
                let summary =
                    format!("{}: step {} {what}: {}", escalation.title, step + 1, words::list(&nobody));
                self.told(&escalation, now, by, summary, effects);
            }
            if recipients.is_empty() {
                continue;
            }
            let told = words::list(
                &recipients.iter().map(who).collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(),
            );
            let position = Position {
                state: State::Paging,
                step: Some(step),
                round,
                next: Some(now + ladder.wait(step)),
                owner: None,
            };
            let page = self.next_page(&escalation, Some(step), round, cause, recipients, now);
            self.moved(&escalation, cause, position, Some(page), by, now, effects);
            let place = format!("step {} of {}", step + 1, ladder.rungs.len());
            let summary = format!("{}: {told} paged, {place} of policy {}", escalation.title, ladder.policy);
            self.told(&escalation, now, by, summary, effects);
            return;
        }
        // Nobody could be told. The policy waits as if its last step had been paged, then goes on.
        let last = ladder.rungs.len().saturating_sub(1);
        let position = Position {
            state: State::Paging,
            step: Some(last),
            round,
            next: Some(now + ladder.wait(last)),
            owner: None,
        };
        self.moved(&escalation, cause, position, None, by, now, effects);
        let summary = format!("{}: policy {} reaches nobody at all", escalation.title, ladder.policy);
        self.told(&escalation, now, by, summary, effects);
        grave(effects);
    }

    fn exhaust(&mut self, escalation: &Arc<Escalation>, by: &Actor, now: Timestamp, effects: &mut Effects) {
        let state = State::Exhausted { at: now };
        let position = Position { state, next: None, owner: None, ..escalation.position.clone() };
        self.moved(escalation, Cause::Exhausted, position, None, by, now, effects);
        let lasted = words::length(now.since(escalation.opened));
        let policy = &escalation.ladder.policy;
        let summary = format!("{}: nobody answered policy {policy} in {lasted}", escalation.title);
        self.told(escalation, now, by, summary, effects);
        grave(effects);
    }

    /// Everybody whom targets reach, and why the others reach nobody.
    fn reached(&self, targets: &[Target], now: Timestamp) -> (Vec<Recipient>, Vec<String>) {
        let (mut recipients, mut nobody) = (Vec::new(), Vec::new());
        for target in targets {
            match self.roster.reach(target, now, &self.overrides) {
                Ok(reached) => recipients.extend(reached),
                Err(why) => nobody.push(why),
            }
        }
        (recipients, nobody)
    }

    pub(super) fn next_page(
        &self,
        escalation: &Escalation,
        step: Option<usize>,
        round: u32,
        cause: Cause,
        recipients: Vec<Recipient>,
        now: Timestamp,
    ) -> PageState {
        let number = escalation.numbered.saturating_add(1);
        PageState { number, at: now, step, round, cause, recipients, resent: None }
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of the record")]
    pub(super) fn moved(
        &mut self,
        escalation: &Arc<Escalation>,
        cause: Cause,
        position: Position,
        page: Option<PageState>,
        by: &Actor,
        now: Timestamp,
        effects: &mut Effects,
    ) {
        let sent = page.as_ref().map(|p| escalation.page(p));
        let (key, by) = (escalation.key.clone(), by.clone());
        self.commit(Record::Moved { key, at: now, cause, by, position, page }, effects);
        effects.extend(sent.map(Effect::Page));
    }
}

/// Whom a recipient stands for, in a sentence.
fn who(recipient: &Recipient) -> String {
    recipient.person.clone().unwrap_or_else(|| recipient.channel.clone())
}

/// No channel twice; the first reason counts.
pub(super) fn distinct(recipients: Vec<Recipient>) -> Vec<Recipient> {
    let mut seen = BTreeSet::new();
    recipients.into_iter().filter(|r| seen.insert(r.channel.clone())).collect()
}

/// Makes the last fact critical: nobody has been told.
fn grave(effects: &mut Effects) {
    if let Some(Effect::Told(fact)) = effects.last_mut() {
        fact.severity = Severity::Critical;
    }
}
