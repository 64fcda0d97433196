//! What comes of each input.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Actor, Severity, Timestamp, suggest};

use super::climb::distinct;
use super::types::{Cause, Escalation, Position, Recipient, State};
use super::{Effect, Escalations, Fact, Input, MAX_KEY, Opening, Outcome, Record, Refusal};
use crate::target::Target;
use crate::words;

pub(super) type Effects = Vec<Effect>;
pub(super) type Answer = Result<Effects, Refusal>;

/// Longest title, note or reason kept, in characters.
const MAX_TEXT: usize = 1000;

pub(super) fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

impl Escalations {
    /// Takes one input at a time `now` and says what is to be done.
    ///
    /// # Errors
    /// Why the input makes no sense; then nothing has changed.
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Answer {
        match input {
            Input::Open(opening) => self.open_one(opening, now),
            Input::Acknowledge { key, hold, note, by } => self.acknowledge(&key, hold, note, &by, now),
            Input::Unacknowledge { key, by } => self.unacknowledge(&key, &by, now),
            Input::Assign { key, to, by } => {
                let escalation = self.get(&key)?;
                let resume = escalation.position.step.map_or(0, |s| s + 1);
                self.give(&escalation, &to, Cause::Assigned, resume, None, &by, now)
            }
            Input::HandOver { key, to, note, by } => {
                let escalation = self.get(&key)?;
                if !matches!(escalation.position.state, State::Acknowledged { .. }) {
                    return Err(Refusal::NotAcknowledged { key, state: escalation.position.state.words() });
                }
                let resume = escalation.position.step.unwrap_or(0);
                self.give(&escalation, &to, Cause::HandedOver, resume, note, &by, now)
            }
            Input::EscalateNow { key, by } => self.escalate_now(&key, &by, now),
            Input::Resolve { key, by } => self.end(&key, Cause::Resolved, &by, now),
            Input::Hide { key, by } => self.end(&key, Cause::Hidden, &by, now),
            Input::Delivered { page, channel, result } => Ok(self.delivered(&page, &channel, result, now)),
            Input::Override(change) => self.make_override(change, now),
            Input::EndOverride { id, by } => self.end_override(&id, by, now),
            Input::Reload(roster) => {
                let mut effects = Vec::new();
                self.follow(roster, now, &mut effects);
                Ok(effects)
            }
            Input::Tick => Ok(self.tick(now)),
        }
    }

    /// Makes a change durable and takes it in.
    pub(super) fn commit(&mut self, record: Record, effects: &mut Effects) {
        self.apply(&record);
        effects.push(Effect::Record(record));
    }

    pub(super) fn told(
        &self,
        escalation: &Escalation,
        at: Timestamp,
        by: &Actor,
        summary: String,
        effects: &mut Effects,
    ) {
        effects.push(Effect::Told(Fact {
            at,
            key: Some(escalation.key.clone()),
            service: escalation.service.clone(),
            severity: escalation.severity,
            summary,
            by: by.clone(),
            reason: None,
        }));
    }

    fn get(&self, key: &str) -> Result<Arc<Escalation>, Refusal> {
        self.open.get(key).cloned().ok_or_else(|| Refusal::NotOpen { key: cut(key) })
    }

    fn open_one(&mut self, opening: Opening, now: Timestamp) -> Answer {
        let Opening { key, title, severity, service, labels } = opening;
        if key.is_empty() || key.len() > MAX_KEY {
            return Err(Refusal::Name { length: key.len(), allowed: MAX_KEY });
        }
        if let Some(escalation) = self.open.get(key.as_str()).cloned() {
            return Ok(self.join(&escalation, &title, severity, now));
        }
        let Some(ladder) = self.roster.policy_for(&labels).cloned() else { return Ok(Vec::new()) };
        let most = self.roster.max_escalations();
        if self.open.len() >= most {
            self.refused += 1;
            return Err(Refusal::Full { what: format!("{most} escalations are open (max_escalations)") });
        }
        let (title, delay) = (cut(&title), ladder.delay);
        let position =
            Position { state: State::Waiting, step: None, round: 0, next: Some(now + delay), owner: None };
        let mut effects = Vec::new();
        let record = Record::Opened { key: key.clone(), at: now, title, severity, service, ladder, position };
        self.commit(record, &mut effects);
        if delay.is_zero() {
            let by = Actor::system("on-call");
            self.climb(&key, 0, Cause::Step, Vec::new(), &by, now, &mut effects);
        }
        Ok(effects)
    }

    /// An alert that nobody has taken joins an escalation. Where somebody has taken what was there before, or nobody has
    /// answered, paging begins anew; where it goes on, only what is told of it changes.
    fn join(
        &mut self,
        escalation: &Arc<Escalation>,
        title: &str,
        severity: Severity,
        now: Timestamp,
    ) -> Effects {
        let mut effects = Vec::new();
        let key = &escalation.key;
        let by = Actor::system("on-call");
        let again = match escalation.position.state {
            // What is due at this moment anyway: the acknowledgement ends.
            State::Acknowledged { until: Some(until), .. } if until <= now => {
                return self.tick_one(escalation, &by, now);
            }
            State::Acknowledged { .. } | State::Exhausted { .. } => true,
            State::Waiting | State::Paging | State::Assigned { .. } | State::Resolved { .. } => false,
        };
        if again || severity > escalation.severity {
            let (title, severity) = (cut(title), severity.max(escalation.severity));
            let told = Escalation { title, severity, ..(**escalation).clone() };
            self.commit(Record::Saved(Box::new(told)), &mut effects);
        }
        if again {
            self.climb(key, 0, Cause::Joined, Vec::new(), &by, now, &mut effects);
        }
        effects
    }

    fn acknowledge(
        &mut self,
        key: &str,
        hold: Option<Duration>,
        note: Option<String>,
        by: &Actor,
        now: Timestamp,
    ) -> Answer {
        let escalation = self.get(key)?;
        if hold.is_some_and(|h| h < Duration::from_secs(1)) {
            let what = "an acknowledgement must hold for at least a second".to_owned();
            return Err(Refusal::Time { what, advice: "write a time such as 30m, or none" });
        }
        let until = hold.or(escalation.ladder.acknowledge_for).map(|h| now + h);
        let note = note.map(|n| cut(&n));
        let mut effects = Vec::new();
        let withdrawn = Self::under_way(&escalation);
        let owner = self.roster.person_of(&by.user).unwrap_or(&by.user).to_owned();
        let state = State::Acknowledged { by: by.user.clone(), at: now, until, note: note.clone() };
        let position = Position { state, next: until, owner: Some(owner), ..escalation.position.clone() };
        self.moved(&escalation, Cause::Acknowledged, position, None, by, now, &mut effects);
        if !withdrawn.is_empty() {
            effects.push(Effect::Withdraw(withdrawn));
        }
        let held = match until {
            Some(until) => format!(", for {}", words::length(until.since(now))),
            None => String::new(),
        };
        let summary = format!("{}: acknowledged by {by}{held}", escalation.title);
        self.told(&escalation, now, by, summary, &mut effects);
        if let Some(Effect::Told(fact)) = effects.last_mut() {
            fact.reason = note;
        }
        Ok(effects)
    }

    fn unacknowledge(&mut self, key: &str, by: &Actor, now: Timestamp) -> Answer {
        let escalation = self.get(key)?;
        if !matches!(escalation.position.state, State::Acknowledged { .. }) {
            let state = escalation.position.state.words();
            return Err(Refusal::NotAcknowledged { key: cut(key), state });
        }
        let mut effects = Vec::new();
        let summary = format!("{}: acknowledgement taken back by {by}", escalation.title);
        self.told(&escalation, now, by, summary, &mut effects);
        let step = escalation.position.step.unwrap_or(0);
        self.climb(key, step, Cause::Unacknowledged, Vec::new(), by, now, &mut effects);
        Ok(effects)
    }

    /// Pages the one who shall take care of it.
    #[expect(clippy::too_many_arguments, reason = "what two inputs have in common")]
    fn give(
        &mut self,
        escalation: &Arc<Escalation>,
        to: &Target,
        cause: Cause,
        resume: usize,
        note: Option<String>,
        by: &Actor,
        now: Timestamp,
    ) -> Answer {
        self.known(to)?;
        let recipients =
            self.roster.reach(to, now, &self.overrides).map_err(|why| Refusal::Nobody { why })?;
        let recipients: Vec<Recipient> = distinct(recipients)
            .into_iter()
            .map(|r| Recipient { because: format!("{}, {} by {by}", r.because, cause.words()), ..r })
            .collect();
        if recipients.is_empty() {
            return Err(Refusal::Nobody { why: format!("{to} has no channel") });
        }
        let mut effects = Vec::new();
        let owner = recipients.iter().find_map(|r| r.person.clone()).unwrap_or_else(|| to.to_string());
        let wait = escalation.ladder.wait(escalation.position.step.unwrap_or(0));
        let position = Position {
            state: State::Assigned { to: to.clone(), by: by.user.clone(), at: now, resume },
            next: Some(now + wait),
            owner: Some(owner.clone()),
            ..escalation.position.clone()
        };
        let page = self.next_page(escalation, None, position.round, cause, recipients, now);
        let summary = format!("{}: {} to {owner} by {by}", escalation.title, cause.words());
        self.moved(escalation, cause, position, Some(page), by, now, &mut effects);
        self.told(escalation, now, by, summary, &mut effects);
        if let Some(Effect::Told(fact)) = effects.last_mut() {
            fact.reason = note.map(|n| cut(&n));
        }
        Ok(effects)
    }

    fn escalate_now(&mut self, key: &str, by: &Actor, now: Timestamp) -> Answer {
        let escalation = self.get(key)?;
        let position = &escalation.position;
        let last = escalation.ladder.rungs.len();
        let from = match position.state {
            State::Exhausted { .. } => 0,
            _ => position.step.map_or(0, |s| s + 1),
        };
        if from >= last && position.round >= escalation.ladder.repeat {
            let policy = escalation.ladder.policy.clone();
            return Err(Refusal::Top { key: cut(key), step: from.min(last), policy });
        }
        let mut effects = Vec::new();
        let summary = format!("{}: escalated at once by {by}", escalation.title);
        self.told(&escalation, now, by, summary, &mut effects);
        self.climb(key, from, Cause::EscalatedNow, Vec::new(), by, now, &mut effects);
        Ok(effects)
    }

    fn end(&mut self, key: &str, cause: Cause, by: &Actor, now: Timestamp) -> Answer {
        let escalation = self.get(key)?;
        let mut effects = Vec::new();
        let withdrawn = Self::under_way(&escalation);
        let state = State::Resolved { by: by.user.clone(), at: now };
        let position = Position { state, next: None, ..escalation.position.clone() };
        self.moved(&escalation, cause, position, None, by, now, &mut effects);
        if !withdrawn.is_empty() {
            effects.push(Effect::Withdraw(withdrawn));
        }
        let lasted = words::length(now.since(escalation.opened));
        let why = match cause {
            Cause::Hidden => "its alerts are hidden".to_owned(),
            _ => format!("resolved by {by}"),
        };
        let summary = format!("{}: escalation ended after {lasted}, {why}", escalation.title);
        self.told(&escalation, now, by, summary, &mut effects);
        Ok(effects)
    }

    fn delivered(
        &mut self,
        page: &super::PageId,
        channel: &str,
        result: Result<(), String>,
        now: Timestamp,
    ) -> Effects {
        let mut effects = Vec::new();
        let Some(escalation) = self.open.get(page.key.as_str()).cloned() else { return effects };
        let kept = escalation.pages.iter().find(|p| p.number == page.number);
        let waits = kept.is_some_and(|p| {
            p.recipients.iter().any(|r| {
                // A page that was withdrawn may have gone out all the same; what is known is better than that.
                r.channel == channel && matches!(r.outcome, None | Some(Outcome::Withdrawn(_)))
            })
        });
        if escalation.opened != page.opened || !waits {
            return effects;
        }
        let failed = result.as_ref().err().cloned();
        let outcome = Self::outcome(result, now);
        let (key, number) = (page.key.clone(), page.number);
        self.commit(Record::Delivered { key, number, channel: channel.to_owned(), outcome }, &mut effects);
        let by = Actor::system("on-call");
        if let Some(why) = failed {
            let why: String = why.chars().take(200).collect();
            let summary = format!("{}: page to {channel} failed: {why}", escalation.title);
            self.told(&escalation, now, &by, summary, &mut effects);
            self.pass_undelivered(&page.key, page.number, &by, now, &mut effects);
        }
        effects
    }

    fn tick(&mut self, now: Timestamp) -> Effects {
        let mut effects = Vec::new();
        let by = Actor::system("on-call");
        // Each at most once per tick, whatever the clock says.
        let due: Vec<_> = self.due(now).cloned().collect();
        for key in due {
            let Some(escalation) = self.open.get(&key).cloned() else { continue };
            effects.extend(self.tick_one(&escalation, &by, now));
        }
        effects
    }

    fn tick_one(&mut self, escalation: &Arc<Escalation>, by: &Actor, now: Timestamp) -> Effects {
        let mut effects = Vec::new();
        let key = &escalation.key;
        match &escalation.position.state {
            State::Waiting => {
                self.climb(key, 0, Cause::Step, Vec::new(), by, now, &mut effects);
            }
            State::Paging => {
                let next = escalation.position.step.map_or(0, |s| s + 1);
                self.climb(key, next, Cause::Step, Vec::new(), by, now, &mut effects);
            }
            State::Acknowledged { by: user, .. } => {
                let summary = format!("{}: acknowledgement by {user} has ended", escalation.title);
                self.told(escalation, now, by, summary, &mut effects);
                let again = self.again(escalation.position.owner.as_deref().unwrap_or(user));
                let step = escalation.position.step.unwrap_or(0);
                let cause = Cause::AcknowledgementEnded;
                self.climb(key, step, cause, again, by, now, &mut effects);
            }
            State::Assigned { to, resume, .. } => {
                let summary = format!("{}: {to} has not answered", escalation.title);
                self.told(escalation, now, by, summary, &mut effects);
                self.climb(key, *resume, Cause::Unanswered, Vec::new(), by, now, &mut effects);
            }
            State::Exhausted { .. } | State::Resolved { .. } => {}
        }
        effects
    }

    /// Whoever acknowledged, to be told that it has ended.
    fn again(&self, owner: &str) -> Vec<Recipient> {
        let channels = self.roster.persons().get(owner).map(|p| p.channels.as_slice());
        let because = format!("{owner}, whose acknowledgement ended");
        let to = |c: &String| Recipient::new(Some(owner.to_owned()), c.clone(), because.clone());
        channels.unwrap_or_default().iter().map(to).collect()
    }

    /// Whether a target exists.
    pub(super) fn known(&self, target: &Target) -> Result<(), Refusal> {
        let unknown = |kind, nearest: Option<&str>| {
            let nearest = nearest.map(str::to_owned);
            Err(Refusal::Unknown { name: cut(target.name()), kind, nearest })
        };
        match target {
            Target::Person(name) if !self.roster.persons().contains_key(name) => {
                let names = self.roster.persons().keys().map(String::as_str);
                unknown("person", suggest::nearest(name, names))
            }
            Target::Schedule(name) if !self.roster.schedules().contains_key(name) => {
                let names = self.roster.schedules().keys().map(String::as_str);
                unknown("schedule", suggest::nearest(name, names))
            }
            Target::Person(_) | Target::Schedule(_) | Target::Channel(_) => Ok(()),
        }
    }
}
