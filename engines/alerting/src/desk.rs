//! Alerts and escalations as one pure state machine: requests, outcomes and time go in; rows to be written, entries for the
//! timeline and jobs for the deliverer come out, in that order of duty.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_journal::NewEntry;
use quarterdeck_kernel::action::Via;
use quarterdeck_kernel::{Actor, ChangeKind, Labels, Subject, SubjectKind, Timestamp};
use quarterdeck_oncall::escalation::{
    Effect, Escalation, Escalations, Opening, Record as OncallRecord, State as EscalationState,
};
use quarterdeck_oncall::{Input, Page, PageId, Roster, Target};

use crate::engine::{Effects, Engine, Options, Plan};
use crate::model::{Alert, AlertState, Attempt, FactKind, Group, Notified, Outcome, Silence};
use crate::request::{Answer, Ask, Refused, Request, draft, target};
use crate::store::{Body, ESCALATION, OVERRIDE, RowChange, Stored};
use crate::{engine, told};

/// Ended escalations whose rows are kept.
const ENDED: usize = quarterdeck_oncall::escalation::MAX_RECENT;

/// Something to be delivered.
#[derive(Clone, Debug)]
pub enum Job {
    /// A notification of a group to one integration of its receiver.
    Notification(Box<Attempt>),
    /// A page of an escalation to one channel.
    Page(Box<PageJob>),
    /// Whoever was paged is told that it is over.
    Over(Box<OverJob>),
}

impl Job {
    /// The same, marked as one that another console may have done already.
    #[must_use]
    pub fn doubted(mut self) -> Self {
        match &mut self {
            Self::Notification(attempt) => attempt.possibly_duplicate = true,
            Self::Page(page) => page.page.possibly_duplicate = true,
            Self::Over(_) => {}
        }
        self
    }
}

/// One page to one channel: everything that the channel's receiver is told.
#[derive(Clone, Debug)]
pub struct PageJob {
    /// The page.
    pub page: Page,
    /// The receiver.
    pub channel: Arc<str>,
    /// Why this channel: "alice, on call in primary".
    pub because: String,
    /// The group as it stands.
    pub group: Option<Arc<Group>>,
    /// Its firing alerts.
    pub alerts: Vec<Notified>,
}

/// That what people were paged for is over: closes what their pages opened, such as an incident of PagerDuty. It is told
/// as well as it can be, without a record: the group's own notifications are what is sure.
#[derive(Clone, Debug)]
pub struct OverJob {
    /// The escalation.
    pub key: String,
    /// The receivers that were paged.
    pub channels: Vec<Arc<str>>,
    /// The group as it stands.
    pub group: Arc<Group>,
    /// Its alerts, all resolved.
    pub alerts: Vec<Notified>,
}

/// What came of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Done {
    /// A notification.
    Notification {
        /// Which.
        id: uuid::Uuid,
        /// What came of it.
        outcome: Outcome,
        /// After how many tries.
        tries: u32,
    },
    /// A page.
    Page {
        /// Which.
        page: PageId,
        /// The channel.
        channel: String,
        /// Why it failed, if it did.
        result: Result<(), String>,
    },
}

/// What is to be done after an input, in this order: rows and entries in one transaction, then jobs and the answer.
#[derive(Debug, Default)]
pub struct Step {
    /// To be written.
    pub rows: Vec<RowChange>,
    /// For the timeline.
    pub entries: Vec<NewEntry>,
    /// To be delivered.
    pub jobs: Vec<Job>,
}

/// Alerts and escalations.
#[derive(Debug)]
pub struct Desk {
    engine: Engine,
    escalations: Escalations,
    /// Keys of ended escalations that have a row, oldest first.
    ended: VecDeque<Arc<str>>,
}

impl Desk {
    /// A desk with what was written by an earlier one, and what is to be done first.
    #[must_use]
    pub fn restore(
        plan: Arc<Plan>,
        options: Options,
        roster: Arc<Roster>,
        ids: Box<dyn engine::IdSource>,
        stored: Stored,
        now: Timestamp,
    ) -> (Self, Step) {
        let mut effects = Effects::default();
        let engine = Engine::restore(plan, options, ids, stored.records, now, &mut effects);
        let escalations = Escalations::restore(roster, &stored.escalations);
        let ended = escalations.recent().map(|e| Arc::from(e.key.as_str())).collect();
        let mut desk = Self { engine, escalations, ended };
        let mut step = Step::default();
        let system = Actor::system("alerting");
        let resumed = desk.escalations.resume(now);
        desk.paging(resumed, &mut step);
        desk.after(effects, &system, false, now, &mut step);
        desk.reconcile(&system, now, &mut step);
        (desk, step)
    }

    /// Alerts, groups, silences.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Escalations and schedules.
    #[must_use]
    pub const fn escalations(&self) -> &Escalations {
        &self.escalations
    }

    /// The state of alerts as of now, shared.
    pub fn alerts_snapshot(&mut self, now: Timestamp) -> crate::model::Snapshot {
        self.engine.snapshot(now)
    }

    /// The state of on-call as of now.
    pub fn oncall_snapshot(&mut self, now: Timestamp) -> quarterdeck_oncall::Snapshot {
        self.escalations.snapshot(now)
    }

    /// Deliveries of which nothing has been heard yet.
    #[must_use]
    pub fn under_way(&self) -> usize {
        let pages = self.escalations.open().values().flat_map(|e| &e.pages).flat_map(|page| &page.recipients);
        self.engine.under_way() + pages.filter(|recipient| recipient.outcome.is_none()).count()
    }

    /// When [`Desk::tick`] is next due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        [self.engine.next_wake(), self.escalations.next_wake()].into_iter().flatten().min()
    }

    /// Does what is due.
    pub fn tick(&mut self, now: Timestamp) -> Step {
        let mut step = Step::default();
        let mut effects = Effects::default();
        let system = Actor::system("alerting");
        self.engine.tick(now, &mut effects);
        self.after(effects, &system, false, now, &mut step);
        // Nobody is paged for what is over or hidden, even where the group has not been looked at since.
        let due: Vec<Arc<str>> = self.escalations.due(now).cloned().collect();
        self.settle(&due, &system, now, &mut step);
        if self.escalations.next_wake().is_some_and(|at| at <= now) {
            self.input(Input::Tick, now, &mut step);
        }
        step
    }

    /// Takes another configuration into use.
    pub fn reload(&mut self, plan: Arc<Plan>, options: Options, roster: Arc<Roster>, now: Timestamp) -> Step {
        let mut step = Step::default();
        let mut effects = Effects::default();
        self.engine.reload(plan, options, now, &mut effects);
        let system = Actor::system("alerting");
        self.after(effects, &system, false, now, &mut step);
        self.input(Input::Reload(roster), now, &mut step);
        self.reconcile(&system, now, &mut step);
        step
    }

    /// Takes what came of a job.
    pub fn done(&mut self, done: Done, now: Timestamp) -> Step {
        let mut step = Step::default();
        match done {
            Done::Notification { id, outcome, tries } => {
                let mut effects = Effects::default();
                self.engine.outcome(id, outcome, tries, now, &mut effects);
                self.after(effects, &Actor::system("alerting"), false, now, &mut step);
            }
            Done::Page { page, channel, result } => {
                self.input(Input::Delivered { page, channel, result }, now, &mut step);
            }
        }
        step
    }

    /// Carries a request out.
    ///
    /// # Errors
    /// Why it makes no sense. What was due at this time is done nevertheless: the step tells.
    pub fn ask(&mut self, ask: Ask, now: Timestamp) -> (Step, Result<Answer, Refused>) {
        let mut step = Step::default();
        let mut effects = Effects::default();
        let by: Arc<str> = ask.by.user.as_str().into();
        let quiets = matches!(ask.request, Request::Resolve { .. } | Request::SetSilence(_));
        let answer = self.carry_out(ask.request, &ask.by, &by, ask.told, now, &mut effects, &mut step);
        self.after(effects, &ask.by, ask.told, now, &mut step);
        if quiets && answer.is_ok() {
            let open: Vec<Arc<str>> = self.escalations.open().keys().cloned().collect();
            self.settle(&open, &ask.by, now, &mut step);
        }
        (step, answer)
    }

    /// With `told`, whoever asked writes the timeline entry of it: what the escalation says of the same is left out.
    #[expect(clippy::too_many_arguments, reason = "what one request needs, taken apart")]
    fn carry_out(
        &mut self,
        request: Request,
        actor: &Actor,
        by: &Arc<str>,
        told: bool,
        now: Timestamp,
        effects: &mut Effects,
        step: &mut Step,
    ) -> Result<Answer, Refused> {
        let text = |note: Option<Arc<str>>| note.unwrap_or_default();
        match request {
            Request::Post(alerts) => {
                let report = self.engine.post(alerts, now, effects);
                let refused = report.refused.into_iter().map(|(place, e)| (place, e.to_string())).collect();
                Ok(Answer::Posted { accepted: report.accepted, refused })
            }
            Request::SetSilence(silence) => self
                .engine
                .set_silence(draft(silence), now, effects)
                .map(Answer::Silence)
                .map_err(silence_refused),
            Request::ExpireSilence(id) => self
                .engine
                .expire_silence(id, by, now, effects)
                .map(|()| Answer::Done(format!("silence {} ended", told::short(&id.to_string()))))
                .map_err(silence_refused),
            Request::Acknowledge { alerts, note, hold } => {
                // Where the policy lets acknowledgements run out, the alert's own does so at the same time.
                let hold = hold.or_else(|| self.policy_hold(&alerts));
                let until = hold.map(|hold| now + hold);
                let note = text(note);
                self.engine.acknowledge(&alerts, by, &note, until, now, effects).map_err(operator_refused)?;
                let mut stopped = "";
                for key in self.settled_groups(&alerts) {
                    let note = Some(note.to_string()).filter(|n| !n.is_empty());
                    // Where nothing is escalated, nothing has to be stopped. The alert's own entry tells it.
                    let input = Input::Acknowledge { key, hold, note, by: actor.clone() };
                    if self.try_quietly(input, true, now, step).is_ok() {
                        stopped = "; paging stops";
                    }
                }
                let held = match hold {
                    Some(hold) => format!(" for {}", quarterdeck_kernel::time::format_duration(hold)),
                    None => String::new(),
                };
                Ok(Answer::Done(format!("{} acknowledged{held}{stopped}", self.naming(&alerts))))
            }
            Request::Unacknowledge { alerts, note } => {
                self.engine
                    .unacknowledge(&alerts, by, &text(note), now, effects)
                    .map_err(operator_refused)?;
                for key in self.groups_of(&alerts) {
                    let _ =
                        self.try_quietly(Input::Unacknowledge { key, by: actor.clone() }, true, now, step);
                }
                Ok(Answer::Done(format!("{}: acknowledgement taken back", self.naming(&alerts))))
            }
            Request::Assign { alerts, to, note } => {
                let whom = to.as_deref().map(target);
                // A schedule's name stands for whoever is on call in it now.
                let owner: Option<Arc<str>> = match &whom {
                    Some(Target::Schedule(name)) => Some(self.on_call(name, now)?),
                    Some(other) => Some(other.name().into()),
                    None => None,
                };
                self.engine.assign(&alerts, owner.as_ref(), by, now, effects).map_err(operator_refused)?;
                let mut paged = String::new();
                if let Some(to) = whom.filter(|to| self.knows(to)) {
                    for key in self.groups_of(&alerts) {
                        let acknowledged = self.escalations.open().get(key.as_str()).is_some_and(|e| {
                            matches!(
                                e.position.state,
                                quarterdeck_oncall::escalation::State::Acknowledged { .. }
                            )
                        });
                        let (to, by) = (to.clone(), actor.clone());
                        let note = note.as_ref().map(ToString::to_string);
                        let input = if acknowledged {
                            Input::HandOver { key, to, note, by }
                        } else {
                            Input::Assign { key, to, by }
                        };
                        if self.try_quietly(input, true, now, step).is_ok() {
                            paged = " and paged".to_owned();
                        }
                    }
                }
                let owner = owner.as_deref().unwrap_or("nobody");
                Ok(Answer::Done(format!("{} assigned to {owner}{paged}", self.naming(&alerts))))
            }
            Request::Resolve { alerts, note } => {
                self.engine.resolve(&alerts, by, &text(note), now, effects).map_err(operator_refused)?;
                Ok(Answer::Done(format!("{} resolved", self.naming(&alerts))))
            }
            Request::Escalate { alerts } => {
                let keys = self.groups_of(&alerts);
                if keys.is_empty() {
                    return Err(Refused::Missing("no group holds this alert any more".to_owned()));
                }
                let mut last = None;
                let mut count = 0;
                for key in keys {
                    let input = Input::EscalateNow { key, by: actor.clone() };
                    match self.try_quietly(input, told, now, step) {
                        Ok(()) => count += 1,
                        Err(refusal) => last = Some(refusal),
                    }
                }
                match last {
                    Some(why) if count == 0 => Err(Refused::Bad(why)),
                    _ => Ok(Answer::Done(format!("{} escalated to the next step", self.naming(&alerts)))),
                }
            }
            Request::Retry(id) => {
                self.engine.retry(id, now, effects).map_err(operator_refused)?;
                Ok(Answer::Done("the notification is sent again".to_owned()))
            }
            Request::Override { schedule, person, replaces, from, until, reason } => {
                let id = uuid::Uuid::new_v4().to_string();
                let made = quarterdeck_oncall::Override {
                    id: id.clone(),
                    schedule,
                    person,
                    replaces,
                    from,
                    until,
                    reason,
                    by: actor.user.clone(),
                    made: now,
                };
                self.try_quietly(Input::Override(made), told, now, step).map_err(Refused::Bad)?;
                Ok(Answer::Override(id))
            }
            Request::EndOverride(id) => {
                self.try_quietly(Input::EndOverride { id: id.clone(), by: actor.clone() }, told, now, step)
                    .map_err(Refused::Missing)?;
                Ok(Answer::Done("the override ended".to_owned()))
            }
        }
    }

    fn knows(&self, to: &Target) -> bool {
        let roster = self.escalations.roster();
        match to {
            Target::Person(name) => roster.persons().contains_key(name),
            Target::Schedule(name) => roster.schedules().contains_key(name),
            Target::Channel(_) => true,
        }
    }

    fn on_call(&self, schedule: &str, now: Timestamp) -> Result<Arc<str>, Refused> {
        let roster = self.escalations.roster();
        let Some(found) = roster.schedules().get(schedule) else {
            let known = roster.schedules().keys().map(String::as_str);
            let near = quarterdeck_kernel::suggest::nearest(schedule, known);
            let meant = near.map(|n| format!("; did you mean {n}?")).unwrap_or_default();
            return Err(Refused::Missing(format!("there is no schedule {schedule}{meant}")));
        };
        found
            .person_at(now, self.escalations.overrides())
            .ok_or_else(|| Refused::Bad(format!("nobody is on call in {schedule} now")))
    }

    fn groups_of(&self, alerts: &[Fingerprint]) -> Vec<String> {
        let keys: BTreeSet<String> = alerts
            .iter()
            .flat_map(|alert| self.engine.groups_of(*alert))
            .map(|group| group.identity.to_string())
            .collect();
        keys.into_iter().collect()
    }

    /// The shortest time for which the policies of these alerts let an acknowledgement hold.
    fn policy_hold(&self, alerts: &[Fingerprint]) -> Option<std::time::Duration> {
        let open = self.escalations.open();
        let groups = alerts.iter().flat_map(|alert| self.engine.groups_of(*alert));
        groups.filter_map(|group| open.get(&group.identity)?.ladder.acknowledge_for).min()
    }

    /// Of the groups of these alerts those of which no alert waits for anybody any more.
    fn settled_groups(&self, alerts: &[Fingerprint]) -> Vec<String> {
        let waits = |alert: &Fingerprint| {
            self.engine.alert(*alert).is_some_and(|alert| alert.state == AlertState::Firing)
        };
        // Each group once: ten thousand alerts of one group would otherwise be looked at ten thousand times each.
        let groups: BTreeMap<&Arc<str>, &Arc<Group>> = alerts
            .iter()
            .flat_map(|alert| self.engine.groups_of(*alert))
            .map(|group| (&group.identity, group))
            .collect();
        let settled = groups.into_iter().filter(|(_, group)| !group.alerts.iter().any(waits));
        settled.map(|(identity, _)| identity.to_string()).collect()
    }

    /// Alerts in words: the name of the one, or how many.
    fn naming(&self, alerts: &[Fingerprint]) -> String {
        match alerts {
            [one] => self.engine.alert(*one).map_or_else(|| one.to_string(), |alert| told::title(alert)),
            many => format!("{} alerts", many.len()),
        }
    }

    /// Takes the engine's effects: what they mean for escalations, the store, the timeline and the deliverer.
    fn after(&mut self, effects: Effects, by: &Actor, told: bool, now: Timestamp, step: &mut Step) {
        step.rows.extend(effects.records.into_iter().map(RowChange::of));
        step.entries.extend(told::entries(&effects.facts, by, told));
        step.jobs.extend(effects.attempts.into_iter().map(|a| Job::Notification(Box::new(a))));
        for fact in effects.facts {
            match fact.kind {
                FactKind::GroupFired { group, severity, .. } => {
                    if let Some(opening) = self.opening(&group, severity) {
                        self.input(Input::Open(opening), now, step);
                    }
                }
                FactKind::GroupEnded { group, alerts } => {
                    let (key, by) = (group.identity.to_string(), by.clone());
                    let hidden = alerts.iter().any(|alert| alert.state.is_open());
                    if !hidden {
                        self.over(&group, &alerts, step);
                    }
                    let input = if hidden { Input::Hide { key, by } } else { Input::Resolve { key, by } };
                    // Where no policy is for it, nothing was escalated.
                    let _ = self.try_input(input, now, step);
                }
                FactKind::Transition { .. }
                | FactKind::Assigned { .. }
                | FactKind::SilenceSet { .. }
                | FactKind::SilenceExpired { .. }
                | FactKind::Notified { .. }
                | FactKind::Reloaded { .. } => {}
            }
        }
    }

    /// Ends escalations of which nothing is to be told any more.
    fn settle(&mut self, groups: &[Arc<str>], by: &Actor, now: Timestamp, step: &mut Step) {
        if !groups.is_empty() {
            let mut effects = Effects::default();
            self.engine.prune_escalations(groups, now, &mut effects);
            self.after(effects, by, false, now, step);
        }
    }

    /// After a restart or a reload, escalations and groups may have parted: those of groups that are gone end.
    fn reconcile(&mut self, by: &Actor, now: Timestamp, step: &mut Step) {
        let gone: Vec<String> = self
            .escalations
            .open()
            .keys()
            .filter(|key| self.engine.group(key).is_none_or(|group| !group.fired))
            .map(ToString::to_string)
            .collect();
        for key in gone {
            let _ = self.try_input(Input::Resolve { key, by: by.clone() }, now, step);
        }
    }

    fn opening(&self, identity: &str, severity: quarterdeck_kernel::Severity) -> Option<Opening> {
        let group = self.engine.group(identity)?;
        let firing: Vec<_> = group
            .alerts
            .iter()
            .filter_map(|alert| self.engine.alert(*alert))
            .filter(|alert| alert.state == AlertState::Firing)
            .collect();
        let first = firing.iter().max_by_key(|alert| alert.severity)?;
        let title = match firing.len() {
            1 => told::title(first),
            n => format!("{} and {} more", told::title(first), n - 1),
        };
        // What all of them share chooses the policy.
        let pairs = first
            .labels
            .pairs()
            .iter()
            .filter(|(name, value)| firing.iter().all(|alert| alert.labels.get(name) == Some(value)))
            .map(|(name, value)| (name.to_string(), value.to_string()));
        Some(Opening {
            key: identity.to_owned(),
            title,
            severity,
            service: first.service.as_ref().map(ToString::to_string),
            labels: Labels::from_pairs(pairs),
        })
    }

    fn input(&mut self, input: Input, now: Timestamp, step: &mut Step) {
        if let Err(refusal) = self.try_input(input, now, step) {
            tracing::warn!(%refusal, "an escalation could not follow");
        }
    }

    fn try_input(&mut self, input: Input, now: Timestamp, step: &mut Step) -> Result<(), String> {
        let effects = self.escalations.handle(input, now).map_err(|refusal| refusal.to_string())?;
        self.paging(effects, step);
        Ok(())
    }

    /// The same without what the escalation says first: that somebody asked for it, which is `told` elsewhere.
    fn try_quietly(
        &mut self,
        input: Input,
        told: bool,
        now: Timestamp,
        step: &mut Step,
    ) -> Result<(), String> {
        let mut effects = self.escalations.handle(input, now).map_err(|refusal| refusal.to_string())?;
        if told && let Some(place) = effects.iter().position(|e| matches!(e, Effect::Told(_))) {
            effects.remove(place);
        }
        self.paging(effects, step);
        Ok(())
    }

    fn paging(&mut self, effects: Vec<Effect>, step: &mut Step) {
        let mut keys: BTreeSet<String> = BTreeSet::new();
        for effect in effects {
            match effect {
                Effect::Record(OncallRecord::OverrideMade(made)) => {
                    step.rows.extend(row(OVERRIDE, made.id.clone(), &OncallRecord::OverrideMade(made)));
                }
                Effect::Record(OncallRecord::OverrideEnded { id, .. }) => {
                    let left = self.escalations.overrides().iter().find(|o| o.id == id).cloned();
                    match left {
                        Some(left) => step.rows.extend(row(OVERRIDE, id, &OncallRecord::OverrideMade(left))),
                        None => step.rows.push(RowChange { kind: OVERRIDE, name: id, body: None }),
                    }
                }
                Effect::Record(record) => keys.extend(record.key().map(str::to_owned)),
                Effect::Page(page) => self.page(&page, step),
                // What is on its way cannot be called back; whoever gets it is told when it is over.
                Effect::Withdraw(_) => {}
                Effect::Told(fact) => step.entries.push(self.entry(fact)),
            }
        }
        for key in keys {
            self.keep(&key, step);
        }
    }

    /// Writes an escalation whole: the row under its key is always its newest state.
    fn keep(&mut self, key: &str, step: &mut Step) {
        let open = self.escalations.open().get(key);
        let whole = open.or_else(|| self.escalations.recent().rev().find(|e| e.key == key));
        let Some(whole) = whole else { return };
        step.rows.extend(row(ESCALATION, key.to_owned(), &OncallRecord::Saved(Box::new((**whole).clone()))));
        if open.is_some() {
            return;
        }
        self.ended.retain(|old| **old != *key);
        self.ended.push_back(key.into());
        while self.ended.len() > ENDED {
            let Some(old) = self.ended.pop_front() else { break };
            if !self.escalations.open().contains_key(&old) {
                step.rows.push(RowChange { kind: ESCALATION, name: old.to_string(), body: None });
            }
        }
    }

    fn page(&self, page: &Page, step: &mut Step) {
        let group = self.engine.group(&page.id.key).cloned();
        let alerts: Vec<Notified> = group
            .iter()
            .flat_map(|group| group.alerts.iter())
            .filter_map(|alert| self.engine.alert(*alert))
            .filter(|alert| alert.state.is_open())
            .map(|alert| Notified { alert: Arc::clone(alert), ends_at: None })
            .collect();
        for recipient in &page.recipients {
            step.jobs.push(Job::Page(Box::new(PageJob {
                page: page.clone(),
                channel: recipient.channel.as_str().into(),
                because: recipient.because.clone(),
                group: group.clone(),
                alerts: alerts.clone(),
            })));
        }
    }

    /// Tells whoever was paged that all alerts of the group are resolved.
    fn over(&self, group: &Arc<Group>, alerts: &[Arc<Alert>], step: &mut Step) {
        let Some(first) = alerts.iter().map(|alert| alert.fired_at()).min() else { return };
        // An escalation that ended because these alerts were hidden still owes it to those whom it paged.
        let of_these = |e: &&Arc<Escalation>| {
            *e.key == *group.identity
                && matches!(e.position.state, EscalationState::Resolved { at, .. } if at >= first)
        };
        let open = self.escalations.open().get(&group.identity);
        let Some(escalation) = open.or_else(|| self.escalations.recent().rev().find(of_these)) else {
            return;
        };
        let channels: BTreeSet<Arc<str>> = escalation
            .pages
            .iter()
            .flat_map(|page| &page.recipients)
            .map(|recipient| Arc::from(recipient.channel.as_str()))
            .collect();
        if channels.is_empty() {
            return;
        }
        step.jobs.push(Job::Over(Box::new(OverJob {
            key: group.identity.to_string(),
            channels: channels.into_iter().collect(),
            group: Arc::clone(group),
            alerts: alerts
                .iter()
                .map(|alert| Notified { alert: Arc::clone(alert), ends_at: Some(alert.ends_at) })
                .collect(),
        })));
    }

    fn entry(&self, fact: quarterdeck_oncall::Fact) -> NewEntry {
        // What nobody did is told of the alert: that somebody is paged is no acknowledgement.
        let by_itself = fact.by.via == Via::System;
        let kind = if by_itself { ChangeKind::Alert } else { ChangeKind::Acknowledgement };
        let mut entry = NewEntry::new(kind, fact.by, fact.summary).at(fact.at).severity(fact.severity);
        // The escalation is told at its first alert, which is what people look for.
        let alert = fact
            .key
            .as_deref()
            .and_then(|key| self.engine.group(key))
            .and_then(|group| group.alerts.first().copied());
        if let Some(alert) = alert {
            entry = entry.about(Subject::new(SubjectKind::Alert, alert.to_string()));
        }
        if let Some(service) = fact.service {
            entry = entry.service(service);
        }
        match fact.reason {
            Some(reason) => entry.because(reason),
            None => entry,
        }
    }
}

fn row(kind: &'static str, name: String, record: &OncallRecord) -> Option<RowChange> {
    match serde_json::to_string(record) {
        Ok(body) => Some(RowChange { kind, name, body: Some(Body::Json(body)) }),
        Err(error) => {
            tracing::error!(%error, "a record of on-call cannot be written");
            None
        }
    }
}

fn silence_refused(error: crate::model::SilenceError) -> Refused {
    match error {
        crate::model::SilenceError::Unknown(_) => Refused::Missing(error.to_string()),
        other => Refused::Bad(other.to_string()),
    }
}

fn operator_refused(error: engine::OperatorError) -> Refused {
    match error {
        engine::OperatorError::NoAlert(_) | engine::OperatorError::NoNotification(_) => {
            Refused::Missing(error.to_string())
        }
        other => Refused::Bad(other.to_string()),
    }
}

/// A silence that has no name yet, as [`Request::SetSilence`] takes it.
#[must_use]
pub fn new_silence(
    matchers: quarterdeck_alertmanager::Matchers,
    starts_at: Timestamp,
    ends_at: Timestamp,
    created_by: &str,
    comment: &str,
) -> Silence {
    Silence {
        id: uuid::Uuid::nil(),
        kind: crate::model::SilenceKind::Plain,
        matchers,
        starts_at,
        ends_at,
        updated_at: starts_at,
        created_by: created_by.into(),
        comment: comment.into(),
    }
}
