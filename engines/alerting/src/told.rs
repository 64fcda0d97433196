//! What happened, as entries of the timeline.

use quarterdeck_journal::NewEntry;
use quarterdeck_kernel::{Actor, ChangeKind, Phase, Severity, Subject, SubjectKind};

use crate::model::{Alert, AlertState, Cause, Fact, FactKind, Outcome};

/// How many alerts of one step are told one by one; a flood beyond that is told in sums. Each alert keeps its own
/// transitions whatever the timeline says.
const ONE_BY_ONE: usize = 50;

/// Whether the fact tells of what an operator did, which the action's own entry tells already.
fn by_operator(kind: &FactKind) -> bool {
    match kind {
        FactKind::Transition { cause, .. } => {
            matches!(cause, Cause::Acknowledged | Cause::Unacknowledged | Cause::OperatorResolved)
        }
        FactKind::Assigned { .. } | FactKind::SilenceSet { .. } | FactKind::SilenceExpired { .. } => true,
        FactKind::GroupFired { .. }
        | FactKind::GroupEnded { .. }
        | FactKind::Notified { .. }
        | FactKind::Reloaded { .. } => false,
    }
}

/// The entries for the facts of one step. `by` is who asked for it; with `told`, what they did is told elsewhere.
#[must_use]
pub fn entries(facts: &[Fact], by: &Actor, told: bool) -> Vec<NewEntry> {
    let mut entries = Vec::new();
    let mut sums: Vec<(Cause, Severity, usize)> = Vec::new();
    let mut singly = 0;
    for fact in facts {
        if told && by_operator(&fact.kind) {
            continue;
        }
        if let FactKind::Transition { alert, cause, .. } = &fact.kind {
            singly += 1;
            if singly > ONE_BY_ONE {
                match sums.iter_mut().find(|(c, ..)| c == cause) {
                    Some((_, worst, count)) => {
                        *worst = (*worst).max(alert.severity);
                        *count += 1;
                    }
                    None => sums.push((*cause, alert.severity, 1)),
                }
                continue;
            }
        }
        entries.extend(entry(fact, by));
    }
    entries.extend(sums.into_iter().map(|(cause, worst, count)| {
        let summary = format!("{count} more alerts at once: {}", cause.as_str());
        let severity = if cause_is_bad(cause) { worst } else { Severity::Info };
        NewEntry::new(ChangeKind::Alert, Actor::system("alerting"), summary).severity(severity)
    }));
    entries
}

const fn cause_is_bad(cause: Cause) -> bool {
    matches!(cause, Cause::Posted | Cause::Refired | Cause::AcknowledgementExpired)
}

/// The subject of an alert.
#[must_use]
pub fn subject(alert: &Alert) -> Subject {
    Subject::new(SubjectKind::Alert, alert.fingerprint.to_string())
}

/// An alert in a few words: its name, and what its labels and summary add.
#[must_use]
pub fn title(alert: &Alert) -> String {
    let name = match alert.name() {
        "" => "alert without a name",
        name => name,
    };
    match alert.annotations.get("summary").or_else(|| alert.annotations.get("title")) {
        Some(summary) if !summary.is_empty() => format!("{name}: {summary}"),
        _ => {
            let hidden = ["alertname", "severity"];
            let labels: Vec<String> = alert
                .labels
                .pairs()
                .iter()
                .filter(|(n, _)| !hidden.contains(&&**n))
                .map(|(n, v)| format!("{n}={v}"))
                .collect();
            if labels.is_empty() { name.to_owned() } else { format!("{name} ({})", labels.join(", ")) }
        }
    }
}

fn about(alert: &Alert, kind: ChangeKind, actor: Actor, summary: String) -> NewEntry {
    let entry = NewEntry::new(kind, actor, summary).about(subject(alert));
    match &alert.service {
        Some(service) => entry.service(&**service),
        None => entry,
    }
}

fn entry(fact: &Fact, by: &Actor) -> Option<NewEntry> {
    let system = || Actor::system("alerting");
    let entry = match &fact.kind {
        FactKind::Transition { alert, cause, detail } => {
            let what = title(alert);
            let (kind, actor, severity) = match cause {
                Cause::Posted | Cause::Refired => (ChangeKind::Alert, system(), alert.severity),
                Cause::AcknowledgementExpired => (ChangeKind::Alert, system(), alert.severity),
                Cause::SourceResolved | Cause::TimedOut => (ChangeKind::Alert, system(), Severity::Info),
                Cause::Acknowledged | Cause::Unacknowledged | Cause::OperatorResolved => {
                    (ChangeKind::Acknowledgement, by.clone(), Severity::Info)
                }
                Cause::SilenceBegan
                | Cause::SilenceEnded
                | Cause::InhibitionBegan
                | Cause::InhibitionEnded => (ChangeKind::Acknowledgement, system(), Severity::Info),
            };
            let because = match (cause, detail) {
                (Cause::SilenceBegan, Some(detail)) => format!(" by silence {}", short(&detail.by)),
                (Cause::InhibitionBegan, Some(detail)) => format!(" by alert {}", detail.by),
                _ => String::new(),
            };
            let open = match cause {
                // What is over for one reason may still be hidden for another.
                Cause::SilenceEnded | Cause::InhibitionEnded if alert.state != AlertState::Firing => {
                    format!(" (it is {})", alert.state.as_str())
                }
                _ => String::new(),
            };
            let entry = about(alert, kind, actor, format!("{what} – {}{because}{open}", cause.as_str()));
            let note = detail.as_ref().map(|d| &*d.note).filter(|note| !note.is_empty());
            let entry = entry.severity(severity);
            match note {
                Some(note) => entry.because(note),
                None => entry,
            }
        }
        FactKind::Assigned { alert, .. } => {
            let owner = alert.owner().unwrap_or("nobody");
            about(
                alert,
                ChangeKind::Acknowledgement,
                by.clone(),
                format!("{} – assigned to {owner}", title(alert)),
            )
        }
        FactKind::SilenceSet { silence } => {
            let summary = format!(
                "silence {} of {}: {}",
                short(&silence.id.to_string()),
                silence.matchers,
                silence.comment
            );
            NewEntry::new(ChangeKind::Acknowledgement, by.clone(), summary)
        }
        FactKind::SilenceExpired { silence, .. } => {
            let summary = format!("silence {} of {} ended", short(&silence.id.to_string()), silence.matchers);
            NewEntry::new(ChangeKind::Acknowledgement, by.clone(), summary)
        }
        FactKind::Notified { attempt } => {
            let outcome = attempt.outcome.as_ref()?;
            // What went well is in the notification log; the timeline tells of what did not.
            let why = match &outcome.outcome {
                Outcome::Delivered => return None,
                Outcome::Failed(why) => format!("was given up after {} tries: {why}", outcome.tries),
                Outcome::Unknown => "has no known outcome; it may have arrived".to_owned(),
            };
            let summary = format!("notification to {} {why}", attempt.destination());
            NewEntry::new(ChangeKind::Alert, system(), summary)
                .phase(Phase::Failed)
                .severity(Severity::Warning)
        }
        FactKind::Reloaded { kept, made, dropped } if *dropped > 0 || *made > 0 => {
            let summary = format!(
                "alerting follows the new configuration: {kept} groups go on, {made} are new, {dropped} are gone"
            );
            NewEntry::new(ChangeKind::Configuration, system(), summary)
        }
        FactKind::Reloaded { .. } | FactKind::GroupFired { .. } | FactKind::GroupEnded { .. } => return None,
    };
    Some(entry.at(fact.at))
}

/// The first part of an id, enough for people to tell it from others.
#[must_use]
pub fn short(id: &str) -> &str {
    id.split('-').next().unwrap_or(id)
}
