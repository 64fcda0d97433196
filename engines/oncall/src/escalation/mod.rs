//! Escalation: who is told next until somebody acknowledges.
//!
//! [`Escalations::handle`] takes one [`Input`] and the time and answers with [`Effect`]s in order. A
//! [`Effect::Record`] must be durable before what follows it is done; [`Escalations::restore`] makes the same state
//! from the records again, and with it the same future. Rules:
//!
//! - A step is paged when its time has come, never earlier; a step whose time passed while nobody ran is paged at once,
//!   and the wait for the next one begins anew, so that a long stop does not page everybody in a burst.
//! - Acknowledged, resolved and ended escalations page nobody. An acknowledgement with an end pages the step that was
//!   reached, and whoever acknowledged, when it ends; un-acknowledging pages that step at once.
//! - Assigning and handing over page the one assigned to; when that stays unanswered for the step's wait, the ladder goes
//!   on.
//! - A step that reaches nobody (a gap in a schedule) is passed over at once, and told.
//! - A step all of whose deliveries have failed is not waited for.

mod change;
mod climb;
mod decide;
mod record;
mod restore;
mod types;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use quarterdeck_kernel::{Actor, Labels, Severity, Timestamp};

pub use record::Record;
pub use types::{
    Cause, Escalation, Ladder, Outcome, Page, PageId, PageState, Position, Recipient, Rung, State,
};

use crate::roster::Roster;
use crate::schedule::Override;
use crate::target::Target;

/// Pages kept per escalation; of more the oldest are dropped and counted.
pub const MAX_PAGES: usize = 200;
/// Ended escalations kept.
pub const MAX_RECENT: usize = 200;
/// Overrides kept at most.
pub const MAX_OVERRIDES: usize = 10_000;
/// Longest key of an escalation, in bytes.
pub const MAX_KEY: usize = 4096;

/// What happens to escalations.
#[derive(Clone, Debug)]
pub enum Input {
    /// An alert (or a group of alerts) fires: the policy for its labels begins. Of one that is open already, and of one
    /// that no policy is for, nothing comes.
    Open(Opening),
    /// Somebody takes care of it.
    Acknowledge {
        /// Which.
        key: String,
        /// How long it holds; without, as long as the policy says.
        hold: Option<std::time::Duration>,
        /// A note.
        note: Option<String>,
        /// Who.
        by: Actor,
    },
    /// Nobody takes care of it after all.
    Unacknowledge {
        /// Which.
        key: String,
        /// Who says so.
        by: Actor,
    },
    /// Somebody else shall take care of it.
    Assign {
        /// Which.
        key: String,
        /// A person, or whoever is on call in a schedule.
        to: Target,
        /// Who says so.
        by: Actor,
    },
    /// Whoever has acknowledged it gives it to somebody else.
    HandOver {
        /// Which.
        key: String,
        /// A person, or whoever is on call in a schedule.
        to: Target,
        /// A note for them.
        note: Option<String>,
        /// Who says so.
        by: Actor,
    },
    /// The next step comes at once, even though it is acknowledged.
    EscalateNow {
        /// Which.
        key: String,
        /// Who says so.
        by: Actor,
    },
    /// It is over.
    Resolve {
        /// Which.
        key: String,
        /// Who or what says so.
        by: Actor,
    },
    /// Its alerts still fire, but none of them is to be told of: it ends, and begins anew when one is.
    Hide {
        /// Which.
        key: String,
        /// Who or what says so.
        by: Actor,
    },
    /// What came of a page on one channel.
    Delivered {
        /// The page.
        page: PageId,
        /// The channel.
        channel: String,
        /// Why it failed, if it did.
        result: Result<(), String>,
    },
    /// A schedule changes for a while. What lies in the past of it is cut off.
    Override(Override),
    /// An override ends now; one that has not begun is as if it had never been.
    EndOverride {
        /// [`Override::id`].
        id: String,
        /// Who says so.
        by: Actor,
    },
    /// A new configuration. Escalations under way keep their place and their next time and follow the new steps of
    /// their policy from there; those whose policy is gone end by the one that they began with.
    Reload(Arc<Roster>),
    /// Time has passed: see [`Escalations::next_wake`].
    Tick,
}

/// What is known of an alert when its escalation begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Names it as long as it is open.
    pub key: String,
    /// One line for people.
    pub title: String,
    /// How bad it is.
    pub severity: Severity,
    /// The service it is about.
    pub service: Option<String>,
    /// Its labels, which choose the policy.
    pub labels: Labels,
}

/// What is to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Must be durable before anything behind it is done.
    Record(Record),
    /// Tell these people.
    Page(Page),
    /// These pages are no longer wanted where they have not been sent yet.
    Withdraw(Vec<PageId>),
    /// Something for the timeline.
    Told(Fact),
}

/// A fact for the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// When.
    pub at: Timestamp,
    /// The escalation it is about; none for overrides.
    pub key: Option<String>,
    /// Its service.
    pub service: Option<String>,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence.
    pub summary: String,
    /// Who did it.
    pub by: Actor,
    /// Why, in the operator's words.
    pub reason: Option<String>,
}

/// Why an input was refused, for the operator; nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No such escalation is open.
    #[error("{key}: nothing is escalated under this name; it has been resolved or no policy is for it")]
    NotOpen {
        /// What was asked for.
        key: String,
    },
    /// It needs an acknowledgement first.
    #[error("{key} is not acknowledged ({state}); assign it instead")]
    NotAcknowledged {
        /// What was asked for.
        key: String,
        /// How it stands.
        state: &'static str,
    },
    /// A time is wrong.
    #[error("{what}; {advice}")]
    Time {
        /// What was found.
        what: String,
        /// What is allowed.
        advice: &'static str,
    },
    /// A name is not known.
    #[error("{name:?} is not a {kind} of [oncall]{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Unknown {
        /// What was found.
        name: String,
        /// `person` or `schedule`.
        kind: &'static str,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// Nobody would be told.
    #[error("nobody would be told: {why}")]
    Nobody {
        /// Why.
        why: String,
    },
    /// There is nobody above.
    #[error("{key}: step {step} is the last of policy {policy}; assign it to somebody instead")]
    Top {
        /// What was asked for.
        key: String,
        /// The step reached, from 1.
        step: usize,
        /// The policy.
        policy: String,
    },
    /// A name is too long or empty.
    #[error("a name of {length} bytes cannot be used; write 1 to {allowed}")]
    Name {
        /// Its length.
        length: usize,
        /// What is allowed.
        allowed: usize,
    },
    /// Too much of something.
    #[error("{what}; nothing was added")]
    Full {
        /// What there is too much of.
        what: String,
    },
    /// Something of this name exists already.
    #[error("an override named {id} exists already")]
    Exists {
        /// The name.
        id: String,
    },
}

/// Everything about escalations and overrides: the state machine.
#[derive(Clone, Debug, Default)]
pub struct Escalations {
    roster: Arc<Roster>,
    overrides: Vec<Override>,
    open: BTreeMap<Arc<str>, Arc<Escalation>>,
    recent: VecDeque<Arc<Escalation>>,
    timers: BTreeSet<(Timestamp, Arc<str>)>,
    refused: u64,
    version: u64,
    views: crate::model::Cache,
}

impl Escalations {
    /// Nothing escalated yet.
    #[must_use]
    pub fn new(roster: Arc<Roster>) -> Self {
        Self { roster, ..Self::default() }
    }

    /// The configuration in use.
    #[must_use]
    pub const fn roster(&self) -> &Arc<Roster> {
        &self.roster
    }

    /// Overrides, past ones included until they are forgotten.
    #[must_use]
    pub fn overrides(&self) -> &[Override] {
        &self.overrides
    }

    /// Open escalations by key.
    #[must_use]
    pub const fn open(&self) -> &BTreeMap<Arc<str>, Arc<Escalation>> {
        &self.open
    }

    /// Ended escalations, newest last.
    pub fn recent(&self) -> impl DoubleEndedIterator<Item = &Arc<Escalation>> {
        self.recent.iter()
    }

    /// Keys of those for which [`Input::Tick`] is due.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &Arc<str>> {
        self.timers.iter().take_while(move |(at, _)| *at <= now).map(|(_, key)| key)
    }

    /// When [`Input::Tick`] is next due.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// Alerts that were not escalated because there were too many.
    #[must_use]
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Grows with every change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    pub(crate) const fn views_mut(&mut self) -> &mut crate::model::Cache {
        &mut self.views
    }

    pub(crate) const fn turn_version(&mut self) {
        self.version += 1;
    }

    /// Takes a record's change in: the only place where state changes.
    fn apply(&mut self, record: &Record) {
        self.version += 1;
        if let Some(key) = record.key() {
            self.views.forget(key);
            if let Some((known, old)) = self.open.get_key_value(key)
                && let Some(at) = old.position.next
            {
                self.timers.remove(&(at, Arc::clone(known)));
            }
        } else {
            // An override changes whom steps ahead will reach.
            self.views.forget_all();
        }
        match record {
            Record::Opened { key, .. } => {
                if let Some(new) = Escalation::opened(record) {
                    self.open.insert(Arc::from(key.as_str()), Arc::new(new));
                }
            }
            Record::Saved(whole) => {
                let key: Arc<str> = Arc::from(whole.key.as_str());
                if whole.position.state.ended() {
                    self.remember(Arc::new((**whole).clone()));
                } else {
                    self.open.insert(key, Arc::new((**whole).clone()));
                }
            }
            Record::Moved { key, .. } | Record::Delivered { key, .. } | Record::Resent { key, .. } => {
                self.change(key, |e| e.apply(record));
            }
            Record::LadderChanged { key, ladder, .. } => {
                self.change(key, |e| e.ladder = Arc::clone(ladder));
            }
            Record::OverrideMade(change) => {
                let kept = change.made - record::KEEP_OVERRIDES;
                self.overrides.retain(|o| o.until > kept && o.id != change.id);
                self.overrides.push(change.clone());
            }
            Record::OverrideEnded { id, at, .. } => {
                self.overrides.retain(|o| o.id != *id || o.from < *at);
                for change in self.overrides.iter_mut().filter(|o| o.id == *id) {
                    change.until = change.until.min(*at);
                }
            }
        }
        if let Some(key) = record.key()
            && let Some((known, new)) = self.open.get_key_value(key)
            && let Some(at) = new.position.next
        {
            self.timers.insert((at, Arc::clone(known)));
        }
    }

    fn change(&mut self, key: &str, change: impl FnOnce(&mut Escalation)) {
        let Some(escalation) = self.open.get_mut(key) else { return };
        change(Arc::make_mut(escalation));
        if escalation.position.state.ended()
            && let Some(ended) = self.open.remove(key)
        {
            self.remember(ended);
        }
    }

    fn remember(&mut self, ended: Arc<Escalation>) {
        self.recent.push_back(ended);
        while self.recent.len() > MAX_RECENT {
            self.recent.pop_front();
        }
    }
}
