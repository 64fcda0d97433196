//! What comes of each input.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Actor, Severity, Timestamp, suggest};

use super::types::{Cause, Escalation, PageState, Position, Recipient, State};
use super::{Effect, Escalations, Fact, Input, MAX_KEY, MAX_OVERRIDES, Opening, Outcome, Record, Refusal};
use crate::schedule::Override;
use crate::target::Target;
use crate::words;

type Effects = Vec<Effect>;
type Answer = Result<Effects, Refusal>;

/// Longest title, note or reason kept, in characters.
const MAX_TEXT: usize = 1000;

fn cut(text: &str) -> String {
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
            Input::Resolve { key, by } => self.resolve(&key, &by, now),
            Input::Delivered { page, channel, result } => Ok(self.delivered(&page, channel, result, now)),
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
        if self.open.contains_key(key.as_str()) {
            return Ok(Vec::new());
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
        let state = State::Acknowledged { by: by.user.clone(), at: now, until, note: note.clone() };
        let position =
            Position { state, next: until, owner: Some(by.user.clone()), ..escalation.position.clone() };
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

    fn resolve(&mut self, key: &str, by: &Actor, now: Timestamp) -> Answer {
        let escalation = self.get(key)?;
        let mut effects = Vec::new();
        let withdrawn = Self::under_way(&escalation);
        let state = State::Resolved { by: by.user.clone(), at: now };
        let position = Position { state, next: None, ..escalation.position.clone() };
        self.moved(&escalation, Cause::Resolved, position, None, by, now, &mut effects);
        if !withdrawn.is_empty() {
            effects.push(Effect::Withdraw(withdrawn));
        }
        let lasted = words::length(now.since(escalation.opened));
        let summary = format!("{}: escalation ended after {lasted}, resolved by {by}", escalation.title);
        self.told(&escalation, now, by, summary, &mut effects);
        Ok(effects)
    }

    fn delivered(
        &mut self,
        page: &super::PageId,
        channel: String,
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
        self.commit(Record::Delivered { key, number, channel: channel.clone(), outcome }, &mut effects);
        let by = Actor::system("on-call");
        if let Some(why) = failed {
            let why: String = why.chars().take(200).collect();
            let summary = format!("{}: page to {channel} failed: {why}", escalation.title);
            self.told(&escalation, now, &by, summary, &mut effects);
            self.pass_undelivered(&page.key, page.number, &by, now, &mut effects);
        }
        effects
    }

    /// Goes to the next step at once when the newest page has reached nobody; never past the last step, so that a
    /// channel that is down does not use the whole policy up in a moment.
    fn pass_undelivered(
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
            _ => return,
        };
        if next < escalation.ladder.rungs.len() {
            self.climb(key, next, Cause::Undelivered, Vec::new(), by, now, effects);
        }
    }

    fn tick(&mut self, now: Timestamp) -> Effects {
        let mut effects = Vec::new();
        let by = Actor::system("on-call");
        // Each at most once per tick, whatever the clock says.
        let due: Vec<_> = self.timers.iter().take_while(|(at, _)| *at <= now).cloned().collect();
        for (_, key) in due {
            let Some(escalation) = self.open.get(&key).cloned() else { continue };
            match &escalation.position.state {
                State::Waiting => {
                    self.climb(&key, 0, Cause::Step, Vec::new(), &by, now, &mut effects);
                }
                State::Paging => {
                    let next = escalation.position.step.map_or(0, |s| s + 1);
                    self.climb(&key, next, Cause::Step, Vec::new(), &by, now, &mut effects);
                }
                State::Acknowledged { by: owner, .. } => {
                    let summary = format!("{}: acknowledgement by {owner} has ended", escalation.title);
                    self.told(&escalation, now, &by, summary, &mut effects);
                    let again = self.again(owner);
                    let step = escalation.position.step.unwrap_or(0);
                    let cause = Cause::AcknowledgementEnded;
                    self.climb(&key, step, cause, again, &by, now, &mut effects);
                }
                State::Assigned { to, resume, .. } => {
                    let summary = format!("{}: {to} has not answered", escalation.title);
                    self.told(&escalation, now, &by, summary, &mut effects);
                    self.climb(&key, *resume, Cause::Unanswered, Vec::new(), &by, now, &mut effects);
                }
                State::Exhausted { .. } | State::Resolved { .. } => {}
            }
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

    /// Pages the first step from `from` on that reaches somebody, beginning the steps again where the policy says so.
    #[expect(clippy::too_many_arguments, reason = "where, why, whom besides, who, when")]
    fn climb(
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
        let restarted =
            matches!(position.state, State::Exhausted { .. }) && matches!(cause, Cause::EscalatedNow);
        let (mut first, mut round, mut cause) = (from, if restarted { 0 } else { position.round }, cause);
        if first >= ladder.rungs.len() {
            if round >= ladder.repeat {
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

    fn next_page(
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
    fn moved(
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

    /// Whether a target exists.
    fn known(&self, target: &Target) -> Result<(), Refusal> {
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

    fn make_override(&mut self, mut change: Override, now: Timestamp) -> Answer {
        self.known(&Target::Schedule(change.schedule.clone()))?;
        self.known(&Target::Person(change.person.clone()))?;
        if let Some(replaced) = &change.replaces {
            self.known(&Target::Person(replaced.clone()))?;
        }
        if change.id.is_empty() || change.id.len() > 200 {
            return Err(Refusal::Name { length: change.id.len(), allowed: 200 });
        }
        if self.overrides.iter().any(|o| o.id == change.id) {
            return Err(Refusal::Exists { id: change.id });
        }
        // Who was on call is history.
        change.from = change.from.max(now);
        change.made = now;
        change.reason = change.reason.map(|r| cut(&r));
        if change.until <= change.from {
            let what = format!("it ends at {}, before it begins", change.until);
            return Err(Refusal::Time { what, advice: "write an end that is still to come" });
        }
        let kept = now - super::record::KEEP_OVERRIDES;
        if self.overrides.iter().filter(|o| o.until > kept).count() >= MAX_OVERRIDES {
            return Err(Refusal::Full { what: format!("there are {MAX_OVERRIDES} overrides") });
        }
        let by = Actor { user: change.by.clone(), ..Actor::default() };
        let summary = self.override_words(&change, now);
        let reason = change.reason.clone();
        let mut effects = Vec::new();
        self.commit(Record::OverrideMade(change), &mut effects);
        effects.push(Effect::Told(Fact {
            at: now,
            key: None,
            service: None,
            severity: Severity::Info,
            summary,
            by,
            reason,
        }));
        Ok(effects)
    }

    fn override_words(&self, change: &Override, now: Timestamp) -> String {
        let zone = self.roster.schedules().get(&change.schedule).map(|s| s.zone.clone());
        let zone = zone.unwrap_or(jiff::tz::TimeZone::UTC);
        let instead = change.replaces.as_ref().map(|p| format!(" instead of {p}")).unwrap_or_default();
        let from = if change.from > now {
            format!("from {} ", words::time(&zone, change.from))
        } else {
            String::new()
        };
        let until = words::time(&zone, change.until);
        format!("{}: {} is on call{instead} {from}until {until}", change.schedule, change.person)
    }

    fn end_override(&mut self, id: &str, by: Actor, now: Timestamp) -> Answer {
        let Some(change) = self.overrides.iter().find(|o| o.id == id && o.until > now).cloned() else {
            return Err(Refusal::Time {
                what: format!("no override {:?} holds or is to come", cut(id)),
                advice: "it may be over already",
            });
        };
        let mut effects = Vec::new();
        self.commit(Record::OverrideEnded { id: id.to_owned(), at: now, by: by.clone() }, &mut effects);
        effects.push(Effect::Told(Fact {
            at: now,
            key: None,
            service: None,
            severity: Severity::Info,
            summary: format!("{}: override by {} with {} ended", change.schedule, change.by, change.person),
            by,
            reason: None,
        }));
        Ok(effects)
    }
}

/// Whom a recipient stands for, in a sentence.
fn who(recipient: &Recipient) -> String {
    recipient.person.clone().unwrap_or_else(|| recipient.channel.clone())
}

/// No channel twice; the first reason counts.
fn distinct(recipients: Vec<Recipient>) -> Vec<Recipient> {
    let mut seen = BTreeSet::new();
    recipients.into_iter().filter(|r| seen.insert(r.channel.clone())).collect()
}

/// Makes the last fact critical: nobody has been told.
fn grave(effects: &mut Effects) {
    if let Some(Effect::Told(fact)) = effects.last_mut() {
        fact.severity = Severity::Critical;
    }
}
