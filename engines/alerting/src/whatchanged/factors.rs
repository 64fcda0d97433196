//! What makes an entry likely or not, each with its reason.

use std::time::Duration;

use quarterdeck_kernel::{ChangeKind, Entry, EntryId, Phase, Timestamp};

use super::bend::{Bend, Change};
use super::relation::Relation;
use super::{Question, Suspect};

/// The condition is seen a little after it began and clocks of writers differ: entries so much later still count.
const SLACK: Duration = Duration::from_secs(5);
/// Closeness halves after this time.
const HALF: f64 = 240.0;

/// An entry with its outcome.
pub(super) struct Candidate<'a> {
    /// The entry that tells most: the outcome, when there is one.
    pub entry: &'a Entry,
    /// When its effect began: when it was done, or decided where that is all that is known.
    pub at: Timestamp,
    /// When it was undone, if that was before the alert.
    pub undone: Option<Timestamp>,
}

/// Entries that can be the cause: in the window, before the trouble, not themselves about alerts being handled, each
/// intent together with its outcome.
pub(super) fn candidates<'a>(question: &Question<'_>, entries: &'a [Entry]) -> Vec<Candidate<'a>> {
    let at_of = |id: &EntryId| entries.iter().find(|e| e.id == *id).map(|e| e.at);
    let (from, to) = (question.began - question.window, question.began + SLACK);
    let has_outcome = |e: &Entry| entries.iter().any(|o| o.outcome_of.as_ref() == Some(&e.id) && o.at <= to);
    let mut found = Vec::new();
    for entry in entries.iter().filter(|e| from <= e.at && e.at <= to) {
        if entry.kind == ChangeKind::Acknowledgement || (entry.phase == Phase::Intent && has_outcome(entry)) {
            continue;
        }
        let undone = entry.undone_by.as_ref().and_then(at_of).filter(|at| *at < question.began);
        // A slow change works from its beginning on: what took minutes is dated at its intent.
        let begun = entry.outcome_of.as_ref().and_then(at_of).filter(|at| *at >= from);
        found.push(Candidate { entry, at: begun.unwrap_or(entry.at), undone });
    }
    found
}

/// The weight of a candidate and everything that is told about it.
pub(super) fn weigh(
    question: &Question<'_>,
    candidate: &Candidate<'_>,
    all: &[Candidate<'_>],
    changes: &[Vec<Change>],
) -> (f64, Suspect) {
    let entry = candidate.entry;
    let before = question.began.since(candidate.at);
    let mut reasons = Vec::new();

    let (relation, said) = relation(question, entry);
    reasons.push(said);
    reasons.push(match before.as_secs() {
        0 => "at the same moment".to_owned(),
        _ => format!("{} before", length(before)),
    });

    let bent = bend_of(question, entry, candidate.at, changes);
    let (bend_factor, said) = bend_factor(question, candidate, bent.as_ref(), changes);
    let (bend_factor, said) = match bent.as_ref().and_then(|bend| later_step(candidate, all, bend)) {
        Some(later) if bend_factor > 1.0 => {
            let after = length(later.at.since(candidate.at));
            // What a metric says for both, it says for the later.
            (
                1.0 + (bend_factor - 1.0) * 0.4,
                said.map(|said| format!("{said}, but changed again {after} later")),
            )
        }
        _ => (bend_factor, said),
    };
    if let Some(said) = said {
        // The metric's own word stands first when it speaks for the entry.
        let place = if bend_factor > 1.0 { 0 } else { reasons.len() };
        reasons.insert(place, said);
    }

    let (outcome, said) = outcome_factor(candidate);
    reasons.extend(said);
    let (rarity, said) = rarity_factor(candidate, all);
    reasons.extend(said);
    let kind = kind_factor(entry);
    if kind < 0.2 {
        reasons.push(match entry.kind {
            ChangeKind::Alert => "an alert, rather an effect than a cause".to_owned(),
            _ => "changes nothing by itself".to_owned(),
        });
    }

    let closeness = 1.0 / (1.0 + before.as_secs_f64() / HALF);
    // Where a metric bent at the very moment, it tells more about the time than the alert's own begin, which may come
    // long after (a leak, a slow queue).
    let closeness = match &bent {
        Some(bend) if bend_factor > 1.0 => closeness.max(0.7 / (1.0 + bend.delay.as_secs_f64() / HALF)),
        _ => closeness,
    };
    let weight = relation.factor() * closeness * kind * outcome * rarity * bend_factor;
    let suspect = Suspect {
        entry: entry.id.clone(),
        likely: 0.0,
        before,
        relation,
        bend: bent,
        reasons,
        undo: entry.undo.clone(),
    };
    (weight, suspect)
}

/// The relation of an entry to the alert, and its words.
fn relation(question: &Question<'_>, entry: &Entry) -> (Relation, String) {
    let named = entry.subject.as_ref().and_then(|subject| {
        let mut labels = question.labels.iter().filter(|(name, _)| *name != "alertname");
        labels
            .find(|(_, value)| *value == subject.id)
            .map(|(name, value)| format!("the alert's {name} {value}"))
    });
    match (question.service, entry.service.as_deref()) {
        (Some(service), Some(other)) => {
            let relation = Relation::between(service, other, question.depends_on);
            match named {
                Some(said) if relation != Relation::Same => (Relation::Same, said),
                _ => {
                    let said = relation.words(service, other);
                    (relation, said)
                }
            }
        }
        (service, other) => match named {
            Some(said) => (Relation::Same, said),
            None => {
                let relation = Relation::Unknown;
                let said = relation.words(service.unwrap_or_default(), other.unwrap_or_default());
                (relation, said)
            }
        },
    }
}

/// How often changes of a kind break something, against a deployment.
fn kind_factor(entry: &Entry) -> f64 {
    if is_note(entry) {
        return 0.03;
    }
    match entry.kind {
        ChangeKind::Deployment | ChangeKind::Chaos => 1.0,
        ChangeKind::Flag => 0.9,
        ChangeKind::Configuration => 0.7,
        ChangeKind::Operation => 0.5,
        ChangeKind::Job => 0.45,
        ChangeKind::Lifecycle => 0.35,
        ChangeKind::Alert => 0.1,
        ChangeKind::Acknowledgement => 0.01,
    }
}

fn is_note(entry: &Entry) -> bool {
    entry.invocation.as_ref().is_some_and(|i| i.action == "timeline.note")
}

/// Whether it moves the limit that alerts are judged by instead of the metric.
fn moves_limit(entry: &Entry) -> bool {
    let by_action = entry.invocation.as_ref().is_some_and(|i| i.action.contains("limit"));
    by_action && entry.kind == ChangeKind::Configuration
}

/// What became of it.
fn outcome_factor(candidate: &Candidate<'_>) -> (f64, Option<String>) {
    let worked = match candidate.entry.phase {
        Phase::Done => (1.0, None),
        Phase::Intent => (0.9, Some("still under way".to_owned())),
        Phase::Interrupted => (0.8, Some("interrupted half-way".to_owned())),
        Phase::Failed => (0.25, Some("it failed".to_owned())),
    };
    match candidate.undone {
        Some(at) => {
            let held = length(at.since(candidate.at));
            (worked.0 * 0.2, Some(format!("undone {held} later, before the trouble")))
        }
        None => worked,
    }
}

/// What an entry is, whatever its figures: `job backup 12 done` and `job backup 13 done` are the same.
fn shape(entry: &Entry) -> String {
    let summary: String = entry.summary.chars().filter(|c| !c.is_ascii_digit()).collect();
    format!("{:?} {:?} {:?} {summary}", entry.kind, entry.service, entry.subject)
}

/// What happens all the time, mostly without harm, is rarely the cause.
fn rarity_factor(candidate: &Candidate<'_>, all: &[Candidate<'_>]) -> (f64, Option<String>) {
    // Steps of one deployment look alike and are all suspect.
    if matches!(candidate.entry.kind, ChangeKind::Deployment | ChangeKind::Chaos | ChangeKind::Flag) {
        return (1.0, None);
    }
    let own = shape(candidate.entry);
    let alike = all.iter().filter(|c| shape(c.entry) == own).count();
    match alike {
        0..=2 => (1.0, None),
        _ => (1.0 / alike as f64, Some(format!("one of {alike} like it, most without trouble"))),
    }
}

/// The change of a metric that fits an entry best.
fn bend_of(question: &Question<'_>, entry: &Entry, at: Timestamp, changes: &[Vec<Change>]) -> Option<Bend> {
    let mut best: Option<(f64, Bend)> = None;
    for (series, found) in question.series.iter().zip(changes) {
        if !speaks_for(series.service, question, entry) {
            continue;
        }
        let largest = found.iter().map(|c| c.size).fold(0.0, f64::max);
        for change in found {
            let Some(bend) = Bend::near(change, at, series.name, series.unit) else { continue };
            let fit = bend.fit() * (change.size / largest.max(f64::MIN_POSITIVE)).sqrt();
            if best.as_ref().is_none_or(|(other, _)| fit > *other) {
                best = Some((fit, bend));
            }
        }
    }
    best.map(|(_, bend)| bend)
}

/// The alert's own metric speaks for every entry, another service's for entries of that service.
fn speaks_for(series: Option<&str>, question: &Question<'_>, entry: &Entry) -> bool {
    match series {
        None => true,
        Some(service) => Some(service) == question.service || Some(service) == entry.service.as_deref(),
    }
}

/// A later change of the same kind to the same service, still before the metric bent: the bend is rather its effect.
fn later_step<'a, 'b>(
    candidate: &Candidate<'_>,
    all: &'a [Candidate<'b>],
    bend: &Bend,
) -> Option<&'a Candidate<'b>> {
    let (own, until) = (candidate.entry, bend.change.at);
    all.iter()
        .filter(|c| candidate.at < c.at && c.at <= until)
        .filter(|c| c.entry.kind == own.kind && c.entry.service == own.service)
        .filter(|c| c.entry.phase != Phase::Failed && c.undone.is_none() && !is_note(c.entry))
        .max_by_key(|c| c.at)
}

/// How much the metrics speak for or against an entry, and their words.
fn bend_factor(
    question: &Question<'_>,
    candidate: &Candidate<'_>,
    bent: Option<&Bend>,
    changes: &[Vec<Change>],
) -> (f64, Option<String>) {
    let entry = candidate.entry;
    let heard: Vec<(&super::Series<'_>, &Vec<Change>)> = question
        .series
        .iter()
        .zip(changes)
        .filter(|(s, _)| speaks_for(s.service, question, entry) && super::bend::enough(s.samples))
        .collect();
    let Some((own, found)) = heard.first() else { return (1.0, None) };
    if let Some(bend) = bent {
        // From four to one at the very moment down to indifference after some minutes.
        // A small step after the large one says less.
        let change = |c: &Change| (c.to - c.from).abs();
        let own = heard.iter().filter(|(s, _)| *s.name == *bend.name).flat_map(|(_, found)| found.iter());
        let largest = own.map(change).fold(f64::MIN_POSITIVE, f64::max);
        let factor = 0.4 + 3.6 * bend.fit() * (change(&bend.change) / largest).min(1.0);
        if bend.change.until.is_some_and(|until| until < question.began) {
            return (factor * 0.1, Some(format!("{}, but went back before the trouble", bend.words())));
        }
        // What breaks others through its own service shows there first.
        let calm = |(s, found): &&(&super::Series<'_>, &Vec<Change>)| {
            s.service.is_some() && s.service != question.service && found.is_empty()
        };
        return match heard.iter().find(calm) {
            Some((itself, _)) if bend.name != itself.name => {
                (factor * 0.3, Some(format!("{}, but {} did not bend", bend.words(), itself.name)))
            }
            _ => (factor, Some(bend.words())),
        };
    }
    let nowhere = heard.iter().all(|(_, found)| found.is_empty());
    if !moves_limit(entry) && heard.iter().all(|(s, _)| super::bend::too_early(s.samples, candidate.at)) {
        return (1.0, Some(format!("too recent for {} to tell", own.name)));
    }
    if nowhere && moves_limit(entry) {
        return (2.0, Some(format!("{} did not move, its limit did", own.name)));
    }
    if nowhere {
        return (0.6, Some(format!("{} did not bend", own.name)));
    }
    let said = match found.last() {
        Some(last) => format!("{} changed at another time ({})", own.name, last.words(own.unit)),
        None => format!("{} did not bend", own.name),
    };
    (0.25, Some(said))
}

/// A length in its two largest units.
pub(super) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |large: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {rest}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 => pair(seconds / 60, "m", seconds % 60, "s"),
        600..3600 => format!("{} m", seconds / 60),
        3600..86_400 => pair(seconds / 3600, "h", seconds / 60 % 60, "m"),
        _ => pair(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}
