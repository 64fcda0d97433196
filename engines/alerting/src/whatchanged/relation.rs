//! How a service is related to the one that an alert is about.

use std::collections::{BTreeMap, BTreeSet};

/// How an entry's service is related to the alert's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The same one, or the entry is about something that the alert's labels name.
    Same,
    /// The alert's service needs it, over so many steps.
    Needs(Vec<String>),
    /// It needs the alert's service, over so many steps.
    NeededBy(Vec<String>),
    /// Both need the same service, which may suffer from one and make the other suffer.
    Shares(String),
    /// One of the two services is not known.
    Unknown,
    /// The catalogue knows no way between them.
    None,
}

/// Steps looked at.
const MAX_STEPS: usize = 4;

impl Relation {
    /// The relation of `other` to `service` in a catalogue of what each service needs.
    #[must_use]
    pub fn between(service: &str, other: &str, depends_on: &BTreeMap<String, Vec<String>>) -> Self {
        if service == other {
            return Self::Same;
        }
        if let Some(way) = way(service, other, depends_on) {
            return Self::Needs(way);
        }
        if let Some(way) = way(other, service, depends_on) {
            return Self::NeededBy(way);
        }
        let needs = |name: &str| depends_on.get(name).map(Vec::as_slice).unwrap_or_default();
        match needs(service).iter().find(|s| needs(other).contains(s)) {
            Some(shared) => Self::Shares(shared.clone()),
            None => Self::None,
        }
    }

    /// How much more, or less, likely it makes an entry.
    pub(super) fn factor(&self) -> f64 {
        // A fault shows where it is made, then in those who need it, less with every step; a caller can overload what
        // it calls.
        match self {
            Self::Same => 1.0,
            Self::Needs(way) => [0.8, 0.55, 0.4, 0.3][way.len().saturating_sub(2).min(3)],
            Self::NeededBy(way) => [0.45, 0.25, 0.15, 0.1][way.len().saturating_sub(2).min(3)],
            Self::Shares(_) => 0.15,
            Self::Unknown => 0.4,
            Self::None => 0.05,
        }
    }

    /// In a clause, for an alert about `service`.
    pub(super) fn words(&self, service: &str, other: &str) -> String {
        let arrow = |way: &[String]| way.join(" → ");
        match self {
            Self::Same => "same service".to_owned(),
            Self::Needs(way) if way.len() <= 2 => format!("{service} needs {other}"),
            Self::Needs(way) => format!("{service} needs {other} ({})", arrow(way)),
            Self::NeededBy(way) if way.len() <= 2 => format!("{other} calls {service}"),
            Self::NeededBy(way) => format!("{other} calls {service} ({})", arrow(way)),
            Self::Shares(shared) => format!("{other} and {service} both need {shared}"),
            Self::Unknown => "of no one service".to_owned(),
            Self::None => format!("{other} is not related to {service}"),
        }
    }
}

/// The shortest way along dependencies, both ends included.
fn way(from: &str, to: &str, depends_on: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
    let mut seen: BTreeSet<&str> = BTreeSet::from([from]);
    let mut ways: Vec<Vec<&str>> = vec![vec![from]];
    for _ in 0..MAX_STEPS {
        let mut next = Vec::new();
        for way in &ways {
            let needs = way.last().and_then(|last| depends_on.get(*last));
            for needed in needs.into_iter().flatten() {
                if needed == to {
                    let names = way.iter().map(|s| (*s).to_owned());
                    return Some(names.chain([to.to_owned()]).collect());
                }
                if seen.insert(needed) {
                    next.push(way.iter().copied().chain([needed.as_str()]).collect());
                }
            }
        }
        ways = next;
    }
    None
}
