//! What one can point at.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The kinds of things one can point at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// A service of the catalogue, or one inferred from labels.
    Service,
    /// A transaction of a service: `service/transaction`.
    Transaction,
    /// A scrape target: `job/instance`.
    Target,
    /// A WebSocket feed.
    Stream,
    /// A time series or selector, in PromQL's notation.
    Series,
    /// An entry of the timeline: `writer/sequence`.
    Entry,
    /// An engine of this console.
    Engine,
    /// A pane.
    Pane,
    /// The configuration.
    Config,
    /// An alert, by its fingerprint.
    Alert,
    /// A silence, by its id.
    Silence,
    /// A notification, by its id.
    Notification,
    /// An on-call schedule, by its name.
    Schedule,
    /// A deployment.
    Deployment,
    /// A feature flag.
    Flag,
    /// A route of the gateway.
    Route,
    /// A chaos experiment.
    Experiment,
}

impl SubjectKind {
    /// Every kind, in the order shown to people.
    pub const ALL: [Self; 17] = [
        Self::Service,
        Self::Transaction,
        Self::Target,
        Self::Stream,
        Self::Series,
        Self::Entry,
        Self::Engine,
        Self::Pane,
        Self::Config,
        Self::Alert,
        Self::Silence,
        Self::Notification,
        Self::Schedule,
        Self::Deployment,
        Self::Flag,
        Self::Route,
        Self::Experiment,
    ];

    /// As written before the colon.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Transaction => "transaction",
            Self::Target => "target",
            Self::Stream => "stream",
            Self::Series => "series",
            Self::Entry => "entry",
            Self::Engine => "engine",
            Self::Pane => "pane",
            Self::Config => "config",
            Self::Alert => "alert",
            Self::Silence => "silence",
            Self::Notification => "notification",
            Self::Schedule => "schedule",
            Self::Deployment => "deployment",
            Self::Flag => "flag",
            Self::Route => "route",
            Self::Experiment => "experiment",
        }
    }
}

impl fmt::Display for SubjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing one can point at: `service:orders`, `alert:01J…`, `series:up{job="api"}`. Selection, navigation,
/// timeline entries, the palette and deep links all speak in subjects.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    /// What kind of thing.
    pub kind: SubjectKind,
    /// Which one; never empty.
    pub id: String,
}

impl Subject {
    /// A subject.
    pub fn new(kind: SubjectKind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// `service:NAME`
    pub fn service(name: impl Into<String>) -> Self {
        Self::new(SubjectKind::Service, name)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.id)
    }
}

/// Why a text is not a subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubjectError {
    /// There is no colon, or nothing behind it.
    #[error("{found:?} is not a subject: write KIND:NAME, as in service:orders")]
    Form {
        /// What was found.
        found: String,
    },
    /// The kind is unknown.
    #[error("{found:?} is not a kind of subject{}", nearest.map(|n| format!("; did you mean {n}?")).unwrap_or_default())]
    Kind {
        /// What was found.
        found: String,
        /// The nearest kind.
        nearest: Option<&'static str>,
    },
}

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let form = || SubjectError::Form { found: text.to_owned() };
        let (kind, id) = text.split_once(':').ok_or_else(form)?;
        let found = SubjectKind::ALL.into_iter().find(|k| k.as_str() == kind);
        let kind = found.ok_or_else(|| SubjectError::Kind {
            found: kind.to_owned(),
            nearest: crate::suggest::nearest(kind, SubjectKind::ALL.map(SubjectKind::as_str)),
        })?;
        if id.is_empty() { Err(form()) } else { Ok(Self::new(kind, id)) }
    }
}

impl Serialize for Subject {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Subject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_read_back_and_bad_ones_say_why() {
        for text in ["service:orders", "series:up{job=\"a:b\"}", "entry:host/12"] {
            assert_eq!(text.parse::<Subject>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(
            "servce:x".parse::<Subject>().unwrap_err().to_string(),
            "\"servce\" is not a kind of subject; did you mean service?"
        );
        assert!("service:".parse::<Subject>().is_err());
        assert!("orders".parse::<Subject>().is_err());
    }
}
