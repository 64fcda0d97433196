//! What an operator can do, as data.
//!
//! An action is an [`ActionSpec`] here and a function in its engine. Keys, hint bar, help, palette, command line,
//! HTTP, documentation, read-only mode, confirmations and the audit trail are all made from the spec.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Subject, SubjectKind, Timestamp};

/// How much harm an action can do. Ordered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Danger {
    /// Changes nothing that a user of the services could notice. Allowed in read-only mode.
    #[default]
    Safe,
    /// Changes how services behave; can be undone. Asks for a yes.
    Disruptive,
    /// Loses something for good or stops a service. Asks for the target's name.
    Destructive,
}

/// What kind of value an argument takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ArgKind {
    /// Any text.
    Text,
    /// A number.
    Number,
    /// A duration such as `15m`.
    Duration,
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(Vec<String>),
}

/// One argument of an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArgSpec {
    /// Name, as in `key=value`.
    pub name: &'static str,
    /// One line for people, with the unit.
    pub description: &'static str,
    /// What it takes.
    pub kind: ArgKind,
    /// Whether the action cannot run without it.
    pub required: bool,
}

/// Everything about an action but its function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ActionSpec {
    /// `engine.verb`, as in `timeline.undo`; what keymaps and `quarterdeck act` name.
    pub id: &'static str,
    /// A few words, verb first, as the hint bar and the palette show it.
    pub title: &'static str,
    /// One sentence for help and reference.
    pub description: &'static str,
    /// The kind of thing it acts on; none for actions on the console as a whole.
    pub subject: Option<SubjectKind>,
    /// Its arguments, in the order to ask for them.
    pub args: Vec<ArgSpec>,
    /// How much harm it can do.
    pub danger: Danger,
    /// The action that undoes it, if there is one.
    pub inverse: Option<&'static str>,
}

/// Where an invocation came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Via {
    /// A key or the palette of a console.
    #[default]
    Console,
    /// `quarterdeck act`.
    Shell,
    /// An HTTP call.
    Http,
    /// The console itself: a schedule, a reload, a rule.
    System,
}

/// Who does something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Actor {
    /// Operating-system user, or the name of the system part that acts.
    pub user: String,
    /// Host it acts from; empty when unknown.
    #[serde(default)]
    pub host: String,
    /// Terminal (`/dev/pts/3`); empty when there is none.
    #[serde(default)]
    pub terminal: String,
    /// By which way.
    #[serde(default)]
    pub via: Via,
}

impl Actor {
    /// The console itself, acting as the named part.
    pub fn system(part: impl Into<String>) -> Self {
        Self { user: part.into(), via: Via::System, ..Self::default() }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)
    }
}

/// An action about to be done, as data: keys, palette, command line, HTTP, schedules and undo all make the same value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invocation {
    /// Names this invocation in logs and on the timeline.
    pub id: Uuid,
    /// [`ActionSpec::id`].
    pub action: String,
    /// What it acts on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// Arguments as text, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub args: BTreeMap<String, String>,
    /// Who.
    pub actor: Actor,
    /// Why, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// For an inverse: the state it expects to find, in the engine's own words. If things moved since, the conflict
    /// is shown and nothing is overwritten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expects: Option<String>,
    /// The timeline entry it undoes, if it is an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<crate::EntryId>,
}

impl Invocation {
    /// A new invocation of `action` by `actor`, with a fresh time-ordered id.
    pub fn new(action: impl Into<String>, actor: Actor) -> Self {
        Self {
            id: Uuid::now_v7(),
            action: action.into(),
            subject: None,
            args: BTreeMap::new(),
            actor,
            reason: None,
            expects: None,
            undoes: None,
        }
    }

    /// The same, acting on `subject`.
    #[must_use]
    pub fn on(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// The same, with one more argument.
    #[must_use]
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.args.insert(name.into(), value.into());
        self
    }

    /// The same, with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// Why an action makes no sense now, in words for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{0}")]
pub struct Reason(pub String);

/// What came of an invocation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What happened, for the operator, in one sentence: "orders: limit of checkout is now 50 ms (was 80 ms)".
    pub message: String,
    /// The timeline entry that tells it; none for actions that leave no trace.
    pub entry: Option<crate::EntryId>,
    /// When it was durable.
    pub at: Timestamp,
}
