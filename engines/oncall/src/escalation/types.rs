//! What an escalation is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::time::text;
use quarterdeck_kernel::{Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::{MAX_PAGES, Record};
use crate::target::Target;

/// A policy as an escalation follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ladder {
    /// The policy's name.
    pub policy: String,
    /// Time before the first step.
    #[serde(with = "text")]
    pub delay: Duration,
    /// The steps.
    pub rungs: Vec<Rung>,
    /// How often they are gone through again.
    pub repeat: u32,
    /// How long an acknowledgement holds, if it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledge_for: Option<Duration>,
}

impl Ladder {
    /// How long a step is waited for; at least a second, whatever a record says.
    #[must_use]
    pub fn wait(&self, step: usize) -> Duration {
        let wait = self.rungs.get(step).or(self.rungs.last()).map_or(Duration::ZERO, |r| r.wait);
        wait.max(Duration::from_secs(1))
    }
}

/// One step of a ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rung {
    /// Who is told.
    pub notify: Vec<Target>,
    /// Time before the next step.
    #[serde(with = "text")]
    pub wait: Duration,
}

/// One channel of one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// The person behind it, if it is a person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The channel: a receiver's name.
    pub channel: String,
    /// Why: "alice, on call in primary".
    pub because: String,
    /// What came of it; none as long as that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

impl Recipient {
    pub(crate) const fn new(person: Option<String>, channel: String, because: String) -> Self {
        Self { person, channel, because, outcome: None }
    }
}

/// What came of a page on one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was delivered.
    Delivered(Timestamp),
    /// It was given up.
    Failed(Timestamp, String),
    /// It was acknowledged or resolved before anything was known.
    Withdrawn(Timestamp),
}

/// Why an escalation moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A step's time had come.
    Step,
    /// The steps began again.
    Repeated,
    /// An acknowledgement came to its end.
    AcknowledgementEnded,
    /// An acknowledgement was taken back.
    Unacknowledged,
    /// Somebody acknowledged.
    Acknowledged,
    /// It was assigned.
    Assigned,
    /// It was handed over.
    HandedOver,
    /// Whoever it was assigned to did not answer.
    Unanswered,
    /// An operator wanted the next step at once.
    EscalatedNow,
    /// Every delivery of the step before had failed.
    Undelivered,
    /// An alert joined that nobody has taken yet.
    Joined,
    /// The last step had passed.
    Exhausted,
    /// It was resolved.
    Resolved,
    /// All its alerts were silenced, inhibited or muted.
    Hidden,
}

impl Cause {
    /// In a few words, for a log of pages.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Step => "step reached",
            Self::Repeated => "policy repeated",
            Self::AcknowledgementEnded => "acknowledgement ended",
            Self::Unacknowledged => "acknowledgement taken back",
            Self::Acknowledged => "acknowledged",
            Self::Assigned => "assigned",
            Self::HandedOver => "handed over",
            Self::Unanswered => "assignment not answered",
            Self::EscalatedNow => "escalated by an operator",
            Self::Undelivered => "deliveries of the step before failed",
            Self::Joined => "another alert joined",
            Self::Exhausted => "last step passed",
            Self::Resolved => "resolved",
            Self::Hidden => "its alerts were hidden",
        }
    }
}

/// Names a page: the escalation, when it opened, the page's place in it. The same page has the same name after a restart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PageId {
    /// The escalation.
    pub key: String,
    /// When it opened, which tells it from earlier ones of the same key.
    pub opened: Timestamp,
    /// Its place, from 1.
    pub number: u32,
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}#{}", self.key, self.opened.as_millis(), self.number)
    }
}

/// People to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Names it; a sound key for de-duplication.
    pub id: PageId,
    /// The escalation's title.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// The policy.
    pub policy: String,
    /// The step, from 0; none for an assignment.
    pub step: Option<usize>,
    /// How often the steps have been gone through before.
    pub round: u32,
    /// Why.
    pub cause: Cause,
    /// Who, one entry per channel, no channel twice.
    pub recipients: Vec<Recipient>,
    /// Whether it may have been sent before a restart already.
    pub possibly_duplicate: bool,
}

/// A page that was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageState {
    /// Its place, from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// The step, from 0; none for an assignment.
    pub step: Option<usize>,
    /// How often the steps had been gone through before.
    pub round: u32,
    /// Why.
    pub cause: Cause,
    /// Who.
    pub recipients: Vec<Recipient>,
    /// When it was sent once more after a restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resent: Option<Timestamp>,
}

/// How an escalation stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The policy's delay has not passed.
    Waiting,
    /// Steps are gone through.
    Paging,
    /// Somebody takes care of it.
    Acknowledged {
        /// Who.
        by: String,
        /// Since when.
        at: Timestamp,
        /// Until when, if it ends.
        until: Option<Timestamp>,
        /// A note.
        note: Option<String>,
    },
    /// Somebody was told to take care of it and has not acknowledged yet.
    Assigned {
        /// Who.
        to: Target,
        /// By whom.
        by: String,
        /// When.
        at: Timestamp,
        /// The step that comes when it stays unanswered.
        resume: usize,
    },
    /// All steps have passed, and nobody has acknowledged.
    Exhausted {
        /// When.
        at: Timestamp,
    },
    /// It is over.
    Resolved {
        /// Who or what said so.
        by: String,
        /// When.
        at: Timestamp,
    },
}

impl State {
    /// Whether nothing more comes of it.
    #[must_use]
    pub const fn ended(&self) -> bool {
        matches!(self, Self::Resolved { .. })
    }

    /// One or two words for people.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Paging => "paging",
            Self::Acknowledged { .. } => "acknowledged",
            Self::Assigned { .. } => "assigned",
            Self::Exhausted { .. } => "nobody answered",
            Self::Resolved { .. } => "resolved",
        }
    }
}

/// Where an escalation stands on its ladder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// How it stands.
    pub state: State,
    /// The step reached, from 0; none before the first.
    pub step: Option<usize>,
    /// How often the steps have been gone through before.
    pub round: u32,
    /// When something happens by itself.
    pub next: Option<Timestamp>,
    /// Whose it is.
    pub owner: Option<String>,
}

/// One escalation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Names it as long as it is open.
    pub key: String,
    /// One line for people.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// The service it is about.
    pub service: Option<String>,
    /// The policy's steps.
    pub ladder: Arc<Ladder>,
    /// When it began.
    pub opened: Timestamp,
    /// Where it stands.
    pub position: Position,
    /// Who was told when, oldest first.
    pub pages: Vec<PageState>,
    /// Pages so far, those not kept included.
    pub numbered: u32,
}

impl Escalation {
    /// A new one, from the record that opens it.
    pub(super) fn opened(record: &Record) -> Option<Self> {
        let Record::Opened { key, at, title, severity, service, ladder, position } = record else {
            return None;
        };
        Some(Self {
            key: key.clone(),
            title: title.clone(),
            severity: *severity,
            service: service.clone(),
            ladder: Arc::clone(ladder),
            opened: *at,
            position: position.clone(),
            pages: Vec::new(),
            numbered: 0,
        })
    }

    /// Takes a record's change in.
    pub(super) fn apply(&mut self, record: &Record) {
        match record {
            Record::Moved { at, position, page, .. } => {
                self.position = position.clone();
                if let Some(page) = page {
                    self.numbered = self.numbered.max(page.number);
                    self.pages.push(page.clone());
                    if self.pages.len() > MAX_PAGES {
                        self.pages.remove(0);
                    }
                }
                if matches!(position.state, State::Acknowledged { .. } | State::Resolved { .. }) {
                    let unknown = self.pages.iter_mut().flat_map(|p| &mut p.recipients);
                    for recipient in unknown.filter(|r| r.outcome.is_none()) {
                        recipient.outcome = Some(Outcome::Withdrawn(*at));
                    }
                }
            }
            Record::Delivered { number, channel, outcome, .. } => {
                let page = self.pages.iter_mut().find(|p| p.number == *number);
                let recipients = page.into_iter().flat_map(|p| &mut p.recipients);
                for recipient in recipients.filter(|r| r.channel == *channel) {
                    recipient.outcome = Some(outcome.clone());
                }
            }
            Record::Resent { number, at, .. } => {
                for page in self.pages.iter_mut().filter(|p| p.number == *number) {
                    page.resent = Some(*at);
                }
            }
            Record::Opened { .. }
            | Record::Saved(_)
            | Record::LadderChanged { .. }
            | Record::OverrideMade(_)
            | Record::OverrideEnded { .. } => {}
        }
    }

    /// The name of a page of it.
    #[must_use]
    pub fn page_id(&self, number: u32) -> PageId {
        PageId { key: self.key.clone(), opened: self.opened, number }
    }

    /// A kept page as it is sent.
    #[must_use]
    pub(super) fn page(&self, state: &PageState) -> Page {
        Page {
            id: self.page_id(state.number),
            title: self.title.clone(),
            severity: self.severity,
            policy: self.ladder.policy.clone(),
            step: state.step,
            round: state.round,
            cause: state.cause,
            recipients: state.recipients.clone(),
            possibly_duplicate: false,
        }
    }

    /// Pages dropped because there were too many.
    #[must_use]
    pub fn dropped_pages(&self) -> usize {
        usize::try_from(self.numbered).unwrap_or(usize::MAX).saturating_sub(self.pages.len())
    }
}
