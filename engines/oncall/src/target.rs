//! Who can be told: a person, whoever is on call in a schedule, a channel.

use std::fmt;
use std::str::FromStr;

use quarterdeck_kernel::suggest;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Somebody or something that can be told.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A person, by all channels of theirs.
    Person(String),
    /// Whoever is on call in a schedule at the time.
    Schedule(String),
    /// A channel: the name of a receiver.
    Channel(String),
}

impl Target {
    /// The name behind the colon.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Person(name) | Self::Schedule(name) | Self::Channel(name) => name,
        }
    }
}

/// Why a text is not a target.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not somebody to tell: write person:NAME, schedule:NAME or channel:NAME{}",
    nearest.map(|n| format!(" (did you mean {n}:?)")).unwrap_or_default()
)]
pub struct TargetError {
    /// What was found.
    pub found: String,
    /// The kind that was meant, if one is near.
    pub nearest: Option<&'static str>,
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, name) = text.split_once(':').unwrap_or((text, ""));
        let kinds = ["person", "schedule", "channel"];
        let wrong = || TargetError {
            found: text.to_owned(),
            nearest: if kinds.contains(&kind) { None } else { suggest::nearest(kind, kinds) },
        };
        let known = match kind {
            "person" => Self::Person,
            "schedule" => Self::Schedule,
            "channel" => Self::Channel,
            _ => return Err(wrong()),
        };
        if name.is_empty() { Err(wrong()) } else { Ok(known(name.to_owned())) }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(name) => write!(f, "person:{name}"),
            Self::Schedule(name) => write!(f, "schedule:{name}"),
            Self::Channel(name) => write!(f, "channel:{name}"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_read_back_and_bad_ones_say_why() {
        for text in ["person:alice", "schedule:primary", "channel:ops:pager"] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        let said = |text: &str| text.parse::<Target>().unwrap_err().to_string();
        assert_eq!(
            said("persn:alice"),
            "\"persn:alice\" is not somebody to tell: write person:NAME, schedule:NAME or channel:NAME (did you mean \
             person:?)"
        );
        assert!(said("person:").ends_with("channel:NAME"));
        assert!(said("alice").ends_with("channel:NAME"));
    }
}
