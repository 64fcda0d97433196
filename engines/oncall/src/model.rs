//! What panes show of on-call: plain data as of one moment.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Severity, Timestamp};

use crate::escalation::{Escalation, Escalations, PageState, State};
use crate::roster::Roster;
use crate::schedule::{Override, Schedule, Shift, Source, WhoIsOnCall};
use crate::words;

/// On-call as of one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// See [`quarterdeck_kernel::Snapshot::version`].
    pub version: u64,
    /// When it was taken.
    pub taken: Timestamp,
    /// Schedules by name.
    pub schedules: Vec<Arc<ScheduleView>>,
    /// Open escalations: worst first, then those that move next first.
    pub escalations: Vec<Arc<EscalationView>>,
    /// Ended escalations, newest first.
    pub recent: Vec<Arc<EscalationView>>,
    /// Overrides that hold or are to come, earliest first.
    pub overrides: Vec<Override>,
    /// Persons and their full names.
    pub persons: BTreeMap<String, String>,
    /// Alerts that were not escalated because there were too many.
    pub refused: u64,
}

impl quarterdeck_kernel::Snapshot for Snapshot {
    fn version(&self) -> u64 {
        self.version
    }

    fn taken(&self) -> Timestamp {
        self.taken
    }
}

impl Snapshot {
    /// The schedule of a name.
    #[must_use]
    pub fn schedule(&self, name: &str) -> Option<&Arc<ScheduleView>> {
        self.schedules.iter().find(|s| &*s.name == name)
    }

    /// The open escalation of a key.
    #[must_use]
    pub fn escalation(&self, key: &str) -> Option<&Arc<EscalationView>> {
        self.escalations.iter().find(|e| e.key == key)
    }
}

/// One schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduleView {
    /// Its name.
    pub name: Arc<str>,
    /// What it is for.
    pub description: String,
    /// Its IANA time zone.
    pub time_zone: String,
    /// Who is on call, who is next, and why.
    pub who: WhoIsOnCall,
    /// Shifts from the current one on, gaps included.
    pub shifts: Vec<ShiftView>,
    /// Times ahead at which nobody is on call.
    pub gaps: Vec<(Timestamp, Timestamp)>,
    /// When it was worked out.
    pub as_of: Timestamp,
}

impl ScheduleView {
    /// Works a schedule out from `now` on, `ahead` far.
    #[must_use]
    pub fn new(schedule: &Schedule, overrides: &[Override], now: Timestamp, ahead: Duration) -> Self {
        let who = schedule.who(now, overrides);
        let shifts = schedule.shifts(now, now + ahead, overrides);
        let gaps = shifts.iter().filter(|s| s.person.is_none()).map(|s| (s.from, s.until)).collect();
        let shifts = shifts.iter().map(|s| ShiftView::new(schedule, s, overrides)).collect();
        let time_zone = schedule.zone.iana_name().unwrap_or("UTC").to_owned();
        let (name, description) = (Arc::clone(&schedule.name), schedule.description.clone());
        Self { name, description, time_zone, who, shifts, gaps, as_of: now }
    }

    /// When somebody else, or nobody, is on call; none when that is not in sight.
    #[must_use]
    pub const fn hand_over(&self) -> Option<Timestamp> {
        if self.who.ends { Some(self.who.now.until) } else { None }
    }

    /// Whether it still holds at a time: nobody has handed over, and the shifts ahead reach far enough.
    fn holds(&self, now: Timestamp) -> bool {
        self.as_of <= now
            && now < self.who.now.until
            && now.since(self.as_of) < REFRESH
            && self.shifts.first().is_none_or(|s| now < s.until)
    }
}

/// How old a schedule's view may become.
const REFRESH: Duration = Duration::from_secs(3600);

/// One shift, for a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftView {
    /// Who; none when nobody is on call.
    pub person: Option<Arc<str>>,
    /// When it begins.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
    /// Where it comes from: a layer's name, or who made the override.
    pub origin: String,
    /// The override's name, if it is one.
    pub override_id: Option<String>,
}

impl ShiftView {
    fn new(schedule: &Schedule, shift: &Shift, overrides: &[Override]) -> Self {
        let (origin, override_id) = match &shift.source {
            Source::Layer { layer, .. } => {
                (schedule.layers.get(*layer).map(|l| l.name.clone()).unwrap_or_default(), None)
            }
            Source::Override { id } => {
                let by = overrides.iter().find(|o| o.id == *id).map(|o| o.by.as_str()).unwrap_or_default();
                (format!("override by {by}"), Some(id.clone()))
            }
            Source::Gap => ("nobody".to_owned(), None),
        };
        Self { person: shift.person.clone(), from: shift.from, until: shift.until, origin, override_id }
    }
}

/// One escalation.
#[derive(Clone, Debug, PartialEq)]
pub struct EscalationView {
    /// Names it.
    pub key: String,
    /// One line for people.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// The service it is about.
    pub service: Option<String>,
    /// The policy.
    pub policy: String,
    /// When it began.
    pub opened: Timestamp,
    /// How it stands.
    pub state: State,
    /// Whose it is.
    pub owner: Option<String>,
    /// The ladder.
    pub steps: Vec<StepView>,
    /// Which time the ladder is gone through, from 1.
    pub round: u32,
    /// How often it is gone through at most.
    pub rounds: u32,
    /// Who was told when, oldest first.
    pub pages: Vec<PageState>,
    /// Earlier pages that are not kept.
    pub dropped_pages: usize,
    /// What happens next by itself, and when.
    pub next: Option<NextView>,
}

/// What happens next by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextView {
    /// When.
    pub at: Timestamp,
    /// What: "paging bob", "the acknowledgement ends", "nobody left to page".
    pub what: String,
}

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepView {
    /// Its place, from 1.
    pub number: usize,
    /// Whom the policy names: `schedule:primary`.
    pub targets: Vec<String>,
    /// Who that was, or would be at its time; empty when nobody.
    pub who: Vec<String>,
    /// How long it is waited for.
    pub wait: Duration,
    /// Where it stands.
    pub state: StepState,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Paged; the ladder has gone on since.
    Done(Timestamp),
    /// Paged; its wait is running, or the ladder stands here.
    Current(Timestamp),
    /// It reached nobody and was passed over.
    Passed,
    /// To be paged then, if nobody acknowledges.
    Due(Timestamp),
    /// Not reached, and no time is set.
    Ahead,
}

impl EscalationView {
    /// What is to be shown of an escalation.
    #[must_use]
    pub fn new(escalation: &Escalation, roster: &Roster, overrides: &[Override]) -> Self {
        let (position, ladder) = (&escalation.position, &escalation.ladder);
        let steps = steps(escalation, roster, overrides);
        let due = steps.iter().find(|s| matches!(s.state, StepState::Due(_)));
        let next = position.next.map(|at| NextView {
            at,
            what: match &position.state {
                State::Acknowledged { by, .. } => format!("acknowledgement by {by} ends"),
                _ => match due {
                    Some(step) if step.who.is_empty() => {
                        format!("step {}, which reaches nobody", step.number)
                    }
                    Some(step) => format!("paging {}", words::list(&step.who)),
                    None if position.round < ladder.repeat => "the first step again".to_owned(),
                    None => "nobody left to page".to_owned(),
                },
            },
        });
        Self {
            key: escalation.key.clone(),
            title: escalation.title.clone(),
            severity: escalation.severity,
            service: escalation.service.clone(),
            policy: ladder.policy.clone(),
            opened: escalation.opened,
            state: position.state.clone(),
            owner: position.owner.clone(),
            steps,
            round: position.round.saturating_add(1),
            rounds: ladder.repeat.saturating_add(1),
            pages: escalation.pages.clone(),
            dropped_pages: escalation.dropped_pages(),
            next,
        }
    }

    /// Time until something happens by itself.
    #[must_use]
    pub fn countdown(&self, now: Timestamp) -> Option<Duration> {
        self.next.as_ref().map(|next| next.at.since(now))
    }

    /// How it stands in one clause: `paging bob in 3:12`, `acknowledged by alice`, `nobody answered`.
    #[must_use]
    pub fn words(&self, now: Timestamp) -> String {
        let coming = || {
            let next = self.next.as_ref()?;
            Some(format!("{} in {}", next.what, words::countdown(next.at.since(now))))
        };
        match &self.state {
            State::Acknowledged { by, .. } => match &self.next {
                Some(next) => {
                    format!("acknowledged by {by}, ends in {}", words::countdown(next.at.since(now)))
                }
                None => format!("acknowledged by {by}"),
            },
            State::Assigned { to, .. } => {
                let to = self.owner.clone().unwrap_or_else(|| to.to_string());
                coming().map_or_else(|| format!("assigned to {to}"), |c| format!("assigned to {to}; {c}"))
            }
            State::Waiting | State::Paging => coming().unwrap_or_else(|| self.state.words().to_owned()),
            State::Exhausted { .. } => {
                format!("nobody answered, {} page{}", self.pages.len(), plural(self.pages.len()))
            }
            State::Resolved { by, .. } => format!("resolved by {by}"),
        }
    }
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn steps(escalation: &Escalation, roster: &Roster, overrides: &[Override]) -> Vec<StepView> {
    let (position, ladder) = (&escalation.position, &escalation.ladder);
    // The step that comes next by itself, and when.
    let coming = match (&position.state, position.next) {
        (State::Waiting, Some(at)) => Some((0, at)),
        (State::Paging, Some(at)) => Some((position.step.map_or(0, |s| s + 1), at)),
        (State::Assigned { resume, .. }, Some(at)) => Some((*resume, at)),
        _ => None,
    };
    let mut due = coming.map(|(_, at)| at);
    let paged = |step: usize| {
        let of = |p: &&PageState| p.step == Some(step) && p.round == position.round;
        escalation.pages.iter().rev().find(of)
    };
    let mut views = Vec::with_capacity(ladder.rungs.len());
    for (index, rung) in ladder.rungs.iter().enumerate() {
        let page = paged(index);
        let reached = position.step.is_some_and(|s| index <= s);
        let state = match (page, coming) {
            (_, Some((next, _))) if index >= next => match due {
                Some(at) => {
                    due = Some(at + ladder.wait(index));
                    StepState::Due(at)
                }
                None => StepState::Ahead,
            },
            (Some(page), _) if position.step == Some(index) => StepState::Current(page.at),
            (Some(page), _) => StepState::Done(page.at),
            (None, _) if reached => StepState::Passed,
            (None, _) => StepState::Ahead,
        };
        let who = match (state, page) {
            (StepState::Done(_) | StepState::Current(_), Some(page)) => names(page.recipients.iter()),
            (StepState::Due(at), _) => {
                let reach = |t| roster.reach(t, at, overrides).unwrap_or_default();
                names(rung.notify.iter().flat_map(reach).collect::<Vec<_>>().iter())
            }
            _ => Vec::new(),
        };
        let targets = rung.notify.iter().map(ToString::to_string).collect();
        views.push(StepView { number: index + 1, targets, who, wait: rung.wait, state });
    }
    views
}

/// Persons and channels, each once, in order.
fn names<'a>(recipients: impl Iterator<Item = &'a crate::escalation::Recipient>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for recipient in recipients {
        let name = recipient.person.as_ref().unwrap_or(&recipient.channel);
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Views that still hold, so that a snapshot costs what has changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cache {
    escalations: BTreeMap<String, Arc<EscalationView>>,
    schedules: BTreeMap<String, Arc<ScheduleView>>,
    /// Ended escalations, oldest first: they change no more.
    recent: VecDeque<(Arc<Escalation>, Arc<EscalationView>)>,
    /// The whole as it was last shown, and when one of its overrides is over.
    last: Option<(Snapshot, Timestamp)>,
}

impl Cache {
    pub(crate) fn forget(&mut self, key: &str) {
        self.escalations.remove(key);
    }

    pub(crate) fn forget_all(&mut self) {
        *self = Self::default();
    }

    /// The whole, if nothing in it has changed.
    fn still(&self, version: u64, now: Timestamp) -> Option<&Snapshot> {
        let (last, until) = self.last.as_ref()?;
        let holds = last.version == version
            && (last.taken..*until).contains(&now)
            && last.schedules.iter().all(|schedule| schedule.holds(now));
        holds.then_some(last)
    }
}

impl Escalations {
    /// What is to be shown now.
    pub fn snapshot(&mut self, now: Timestamp) -> Snapshot {
        let (version, refused) = (self.version(), self.refused());
        if let Some(still) = self.views_mut().still(version, now) {
            return Snapshot { taken: now, refused, ..still.clone() };
        }
        let roster = Arc::clone(self.roster());
        let overrides: Vec<Override> = self.overrides().to_vec();
        let mut cache = std::mem::take(self.views_mut());
        let mut changed = false;
        let mut schedules = Vec::with_capacity(roster.schedules().len());
        for (name, schedule) in roster.schedules() {
            let kept = cache.schedules.get(name).filter(|v| v.holds(now)).cloned();
            let view = kept.unwrap_or_else(|| {
                changed = true;
                Arc::new(ScheduleView::new(schedule, &overrides, now, roster.ahead()))
            });
            cache.schedules.insert(name.clone(), Arc::clone(&view));
            schedules.push(view);
        }
        let view = |e: &Escalation| Arc::new(EscalationView::new(e, &roster, &overrides));
        let mut escalations = Vec::with_capacity(self.open().len());
        for (key, escalation) in self.open() {
            let kept = cache.escalations.entry(key.to_string()).or_insert_with(|| view(escalation));
            escalations.push(Arc::clone(kept));
        }
        escalations.sort_by_key(|e| {
            let soonest = e.next.as_ref().map_or(Timestamp::MAX, |n| n.at);
            (std::cmp::Reverse(e.severity), soonest, e.opened)
        });
        let mut kept = std::mem::take(&mut cache.recent);
        for ended in self.recent() {
            // They come at one end and go at the other.
            while kept.front().is_some_and(|(known, _)| !Arc::ptr_eq(known, ended)) {
                kept.pop_front();
            }
            let view = kept.pop_front().map_or_else(|| view(ended), |(_, view)| view);
            cache.recent.push_back((Arc::clone(ended), view));
        }
        let recent = cache.recent.iter().rev().map(|(_, view)| Arc::clone(view)).collect();
        let mut ahead: Vec<Override> = overrides.into_iter().filter(|o| o.until > now).collect();
        ahead.sort_by(|a, b| (a.from, &a.id).cmp(&(b.from, &b.id)));
        let until = ahead.iter().map(|o| o.until).min().unwrap_or(Timestamp::MAX);
        if changed {
            self.turn_version();
        }
        let snapshot = Snapshot {
            version: self.version(),
            taken: now,
            schedules,
            escalations,
            recent,
            overrides: ahead,
            persons: roster.persons().iter().map(|(k, p)| (k.clone(), p.name.clone())).collect(),
            refused,
        };
        cache.last = Some((snapshot.clone(), until));
        *self.views_mut() = cache;
        snapshot
    }
}
