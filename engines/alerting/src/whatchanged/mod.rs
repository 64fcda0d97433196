//! "What changed?": the entries of the timeline before an alert, most likely cause first.
//!
//! Pure: entries, the catalogue's dependencies and samples of the alert's metrics go in, a ranking with reasons comes
//! out. Each entry's weight is a product of factors that an operator can check one by one, each of which is told:
//!
//! - **relation**: the same service, one that it needs, one that needs it, further away, not related;
//! - **time**: how long before the trouble;
//! - **kind**: a deployment breaks more than a note;
//! - **outcome**: what failed or was undone before has less effect;
//! - **rarity**: what happens all the time is rarely the cause;
//! - **bend**: whether a metric changed level or direction at that very moment ([`bend`]), against whether it had
//!   changed before, or did not change at all.
//!
//! The factors are ratios of odds as they are met in practice, chosen once and held to by labelled scenarios in the
//! tests, not fitted to them.

pub mod bend;
mod factors;
mod relation;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::sample::Sample;
use quarterdeck_kernel::{Entry, EntryId, Invocation, Labels, Timestamp};

pub use bend::{Bend, Change, Direction};
pub use relation::Relation;

/// How far back entries are looked at when the caller says nothing else.
pub const DEFAULT_WINDOW: Duration = Duration::from_secs(2 * 3600);
/// Entries told at most.
pub const MAX_SUSPECTS: usize = 20;

/// An alert whose cause is looked for.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// The service it is about, if that is known.
    pub service: Option<&'a str>,
    /// Its labels: an entry about one of their values (an instance, a route, a flag) is about the alert.
    pub labels: &'a Labels,
    /// When its condition first held; when that is not known, when it fired less its `for`.
    pub began: Timestamp,
    /// How far back entries are looked at.
    pub window: Duration,
    /// What each service needs, from the catalogue.
    pub depends_on: &'a BTreeMap<String, Vec<String>>,
    /// Metrics: the alert's own first, then those of services that it may suffer from.
    pub series: &'a [Series<'a>],
}

/// Samples of one metric around the alert.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    /// What people call it, such as `p99 of orders`.
    pub name: &'a str,
    /// Its unit, such as `ms`; may be empty.
    pub unit: &'a str,
    /// The service it is of; none for the alert's own metric, which speaks for every entry.
    pub service: Option<&'a str>,
    /// Which way is worse.
    pub worse: Direction,
    /// Samples in order of time, ideally from a while before the first entry until now. Of more than
    /// [`bend::MAX_SAMPLES`] the last count; NaN are left out.
    pub samples: &'a [Sample],
}

/// One entry of the timeline and how likely it is the cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspect {
    /// The entry.
    pub entry: EntryId,
    /// How likely, from 0 to 1; the rest up to 1 is the chance that it is none of them.
    pub likely: f64,
    /// How long before the trouble it was.
    pub before: Duration,
    /// How it is related to the alert's service.
    pub relation: Relation,
    /// Where a metric changed at that moment, how.
    pub bend: Option<Bend>,
    /// Why, in clauses that can be checked, the weightiest first: "same service", "7 s before", "p99 of orders went from
    /// 29 ms to 84 ms 6 s after it".
    pub reasons: Vec<String>,
    /// What undoes it, if anything does.
    pub undo: Option<Invocation>,
}

impl Suspect {
    /// The reasons as one sentence.
    #[must_use]
    pub fn why(&self) -> String {
        self.reasons.join(", ")
    }
}

/// What is known about the cause.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Entries, most likely first; at most [`MAX_SUSPECTS`].
    pub suspects: Vec<Suspect>,
    /// Entries in the window that were looked at.
    pub considered: usize,
    /// Entries that did not fit.
    pub dropped: usize,
    /// How likely it is none of them.
    pub other: f64,
}

/// The weight of "something that the timeline does not know": about that of a note on another service.
const UNKNOWN_CAUSE: f64 = 0.05;

/// Ranks `entries` (in any order; later ones and such outside the window are left out) by how likely each is the cause.
#[must_use]
pub fn what_changed(question: &Question<'_>, entries: &[Entry]) -> Answer {
    let changes: Vec<Vec<Change>> =
        question.series.iter().map(|s| bend::changes(s.samples, s.worse)).collect();
    let candidates = factors::candidates(question, entries);
    let mut weighed: Vec<(f64, Suspect)> = candidates
        .iter()
        .map(|candidate| factors::weigh(question, candidate, &candidates, &changes))
        .collect();
    let total: f64 = weighed.iter().map(|(weight, _)| weight).sum::<f64>() + UNKNOWN_CAUSE;
    // Equal weights: the later entry first, then by name, so that the order is always the same.
    weighed.sort_by(|(a, x), (b, y)| {
        b.total_cmp(a).then_with(|| x.before.cmp(&y.before)).then_with(|| x.entry.cmp(&y.entry))
    });
    let considered = weighed.len();
    let suspects: Vec<Suspect> = weighed
        .into_iter()
        .take(MAX_SUSPECTS)
        .map(|(weight, suspect)| Suspect { likely: weight / total, ..suspect })
        .collect();
    Answer { dropped: considered - suspects.len(), considered, suspects, other: UNKNOWN_CAUSE / total }
}
