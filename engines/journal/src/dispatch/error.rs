//! Why an invocation was not done.

use quarterdeck_kernel::{Danger, EntryId, Reason, SubjectKind};

use crate::timeline::TimelineError;

/// Why an invocation was not done. The variants up to [`DispatchError::Reused`] mean that nothing was tried.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DispatchError {
    /// There is no such action.
    #[error("{found:?} is not an action{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    UnknownAction {
        /// What was found.
        found: String,
        /// The nearest action.
        nearest: Option<String>,
    },
    /// The subject is missing, not wanted, or of another kind.
    #[error("{action} {}", match (expected, found) {
        (Some(kind), Some(found)) => format!("acts on a {kind}, not on {found}"),
        (Some(kind), None) => format!("acts on a {kind}: name one, as in {kind}:NAME"),
        (None, _) => "acts on the console as a whole: leave the subject out".to_owned(),
    })]
    Subject {
        /// The action.
        action: String,
        /// The kind it acts on.
        expected: Option<SubjectKind>,
        /// What was found.
        found: Option<String>,
    },
    /// Arguments are wrong.
    #[error("{action}: {}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Arguments {
        /// The action.
        action: String,
        /// Everything that is wrong with them.
        errors: Vec<ArgumentError>,
    },
    /// The console is read-only and the action is not safe.
    #[error("this console is read-only and {action} is {}", match danger {
        Danger::Safe => "safe",
        Danger::Disruptive => "disruptive",
        Danger::Destructive => "destructive",
    })]
    ReadOnly {
        /// The action.
        action: String,
        /// How much harm it can do.
        danger: Danger,
    },
    /// The action makes no sense now.
    #[error(transparent)]
    Unavailable(Reason),
    /// The action makes no sense as asked.
    #[error("{0}")]
    Refused(String),
    /// Things are no longer as the invocation expects; nothing was overwritten.
    #[error("things have changed since: expected {expected}, found {found}; nothing was changed")]
    Conflict {
        /// What the invocation expects.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Another invocation had this id.
    #[error("the id of this invocation was already used for another one ({0}): use a fresh id")]
    Reused(String),
    /// It was tried and failed.
    #[error("{message}")]
    Failed {
        /// Why.
        message: String,
        /// The entry that tells it; none for actions that leave no trace.
        entry: Option<EntryId>,
    },
    /// It was begun before a crash, and nobody can tell what became of it.
    #[error("it was interrupted by a crash and nobody can tell whether it was done; see timeline entry {0}")]
    Interrupted(EntryId),
    /// The timeline or the store failed; unless the connection was lost, nothing was changed.
    #[error(transparent)]
    Timeline(#[from] TimelineError),
}

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentError {
    /// It is not one of the action's.
    #[error("there is no argument {found:?}{}", match nearest {
        Some(n) => format!("; did you mean {n}?"),
        None if allowed.is_empty() => "; it takes none".to_owned(),
        None => format!("; it takes {}", allowed.join(", ")),
    })]
    Unknown {
        /// What was found.
        found: String,
        /// The nearest argument.
        nearest: Option<String>,
        /// Every argument.
        allowed: Vec<String>,
    },
    /// It is needed.
    #[error("argument {name} is needed: {description}")]
    Missing {
        /// Which.
        name: String,
        /// What it is.
        description: String,
    },
    /// Its value is not what it takes.
    #[error("argument {name} is {found:?}: write {allowed}{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Value {
        /// Which.
        name: String,
        /// What was found.
        found: String,
        /// What it takes.
        allowed: String,
        /// The nearest allowed word.
        nearest: Option<String>,
    },
}

/// Why an action could not be registered: a mistake in the program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Its id is taken.
    #[error("action {0} is registered twice")]
    Duplicate(String),
    /// Its id does not have the form `engine.verb`.
    #[error("{0:?} is not an action id: write engine.verb in lower case")]
    Id(String),
    /// It leaves no trace but can do harm.
    #[error("action {0} leaves no trace on the timeline but is not safe")]
    Unrecorded(String),
    /// Its inverse is not registered.
    #[error("action {action} names {inverse} as its inverse, which is not registered")]
    Inverse {
        /// The action.
        action: String,
        /// What it names.
        inverse: String,
    },
}
