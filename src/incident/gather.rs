//! Gathers what is known of an incident.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alerting::model::{Alert, AttemptRecord, Cause, Outcome};
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_journal::Timeline;
use quarterdeck_journal::timeline::Filter;
use quarterdeck_kernel::{ChangeKind, Entry, Labels, Timestamp};
use quarterdeck_oncall::EscalationView;
use quarterdeck_oncall::escalation::Outcome as PageOutcome;
use quarterdeck_panes::World;
use quarterdeck_panes::alerts::changed;
use quarterdeck_panes::charted::{self, Charted};
use quarterdeck_panes::world::{Plot, PlotFormat, PlotSeries};

use super::Desk;
use super::report::{
    AlertFacts, ChartFacts, Event, Incident, NotificationFacts, PageFacts, SuspectFacts, short,
};

/// Alerts told one by one.
const ALERTS: usize = 50;
/// Notifications told one by one.
const NOTIFICATIONS: usize = 200;
/// Entries of the timeline told: of changes, and of what alerts did.
const ENTRIES: usize = 300;
/// Charts drawn.
const CHARTS: usize = 4;
/// Points of one line.
const POINTS: i64 = 600;
/// How long before it began charts and timeline begin.
const BEFORE: Duration = Duration::from_secs(1800);
/// How long after its end they go on.
const AFTER: Duration = Duration::from_secs(600);
/// The longest time on a chart: of an incident that lasts longer its end is drawn.
const LONGEST: Duration = Duration::from_secs(2 * 86_400);

/// Gathers what is known of an alert and those told with it.
pub(super) async fn gather(desk: &Desk, print: Fingerprint) -> Result<Incident, String> {
    let world = desk.worlds.borrow().clone();
    let view = &world.alerting;
    let Some(alert) = view.alerts.alert(print).cloned() else {
        return Err("there is no such alert any more".to_owned());
    };
    let now = world.now;
    let group = view.alerts.groups_of(print).max_by_key(|group| group.alerts.len()).cloned();
    let mut alerts: Vec<Arc<Alert>> = Vec::new();
    if let Some(group) = &group {
        let members: BTreeSet<Fingerprint> = group.alerts.iter().copied().filter(|a| *a != print).collect();
        alerts.extend(view.alerts.alerts.iter().filter(|a| members.contains(&a.fingerprint)).cloned());
        alerts.sort_by_key(|a| (std::cmp::Reverse(a.severity), a.starts_at, a.fingerprint));
    }
    alerts.insert(0, Arc::clone(&alert));
    let more_alerts = alerts.len().saturating_sub(ALERTS);
    alerts.truncate(ALERTS);

    let prints: BTreeSet<Fingerprint> = alerts.iter().map(|a| a.fingerprint).collect();
    let names = |record: &&Arc<AttemptRecord>| record.alerts.iter().any(|sent| prints.contains(&sent.alert));
    let records: Vec<&Arc<AttemptRecord>> = view.alerts.log.iter().filter(names).collect();
    let keys: BTreeSet<&str> = group
        .iter()
        .map(|group| &*group.identity)
        .chain(records.iter().filter(|r| r.alerts.iter().any(|s| s.alert == print)).map(|r| &*r.group))
        .collect();
    let all = view.oncall.escalations.iter().chain(&view.oncall.recent);
    // An escalation of the same group that was over before this alert fired was another incident.
    let since = alerts.iter().map(|a| a.starts_at).min().unwrap_or(alert.starts_at);
    let escalations: Vec<&Arc<EscalationView>> =
        all.filter(|e| keys.contains(e.key.as_str()) && e.opened >= since).collect();

    let facts: Vec<AlertFacts> =
        alerts.iter().map(|a| alert_facts(&world, a, &records, &escalations)).collect();
    let began = facts.iter().map(|a| a.began).min().unwrap_or(alert.starts_at);
    let ended = facts.iter().map(|a| a.resolved.as_ref().map(|e| e.at)).collect::<Option<Vec<_>>>();
    let ended = ended.and_then(|all| all.into_iter().max());
    let until = ended.map_or(now, |end| (end + AFTER).min(now));
    // A storm of alerts must not push out what changed: each is fetched by itself.
    let (stored, around) = (&desk.sources.timeline, (began - BEFORE, until));
    let (mut timeline, more_changes) = entries(stored, changed::kinds().collect(), around, ENTRIES).await?;
    let others = ChangeKind::ALL.into_iter().filter(|kind| changed::kinds().all(|k| k != *kind)).collect();
    let (of_alerts, more_others) = entries(stored, others, around, ENTRIES).await?;
    timeline.extend(of_alerts);
    timeline.sort_by(|a, b| (a.at, &a.id.writer, a.id.seq).cmp(&(b.at, &b.id.writer, b.id.seq)));
    let more_timeline = more_changes || more_others;
    let window = changed::window(changed::began(&world, &alert));
    let (before, changes_left_out) =
        entries(stored, changed::kinds().collect(), window, changed::ENTRIES).await?;
    let (suspects, considered) = changed::rank(&world, &alert, &before);
    let skipped = records.len().saturating_sub(NOTIFICATIONS);
    let mut incident = Incident {
        name: name(&alert),
        title: title(&alert, more_alerts + alerts.len() - 1),
        at: now,
        environment: world.console.environment.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        more_alerts,
        group: group.map(|group| group.labels.clone()),
        pages: escalations.iter().flat_map(|e| pages(e)).collect(),
        notifications: records[skipped..].iter().map(|record| notification(record)).collect(),
        more_notifications: skipped,
        suspects: suspects
            .into_iter()
            .map(|(suspect, entry)| SuspectFacts {
                likely: suspect.likely,
                before: suspect.before,
                why: suspect.why(),
                undo: suspect.undo.is_some() && entry.undone_by.is_none(),
                entry,
            })
            .collect(),
        considered,
        changes_left_out,
        timeline,
        more_timeline,
        alerts: facts,
        charts: Vec::new(),
    };
    incident.pages.sort_by_key(|page| page.at);
    let from = (began - BEFORE).max(until - LONGEST);
    let (desk, marks) = (desk.clone(), marks(&incident));
    let charts = tokio::task::spawn_blocking(move || charts(&desk, &world, &alerts, (from, until), &marks));
    incident.charts = charts.await.map_err(|e| format!("the charts could not be drawn: {e}"))?;
    Ok(incident)
}

/// The newest so many entries of the timeline of these kinds within a time, oldest first, and whether there are more.
async fn entries(
    timeline: &Timeline,
    kinds: Vec<ChangeKind>,
    (from, to): (Timestamp, Timestamp),
    most: usize,
) -> Result<(Vec<Entry>, bool), String> {
    let filter = Filter { kinds, from: Some(from), to: Some(to.plus_millis(1)), ..Filter::default() };
    let page = timeline.page(&filter, None, most).await.map_err(|e| e.to_string())?;
    let answered: BTreeSet<_> = page.entries.iter().filter_map(|e| e.outcome_of.clone()).collect();
    let mut entries: Vec<Entry> = page.entries.into_iter().filter(|e| !answered.contains(&e.id)).collect();
    entries.reverse();
    Ok((entries, page.next.is_some()))
}

fn alert_facts(
    world: &World,
    alert: &Alert,
    records: &[&Arc<AttemptRecord>],
    escalations: &[&Arc<EscalationView>],
) -> AlertFacts {
    let events: Vec<(Cause, Event)> = alert
        .history
        .iter()
        .map(|t| {
            let detail = t.detail.as_ref();
            let event = Event {
                at: t.at,
                what: t.cause.as_str().to_owned(),
                by: detail.map(|d| short(&d.by)),
                note: detail.map(|d| short(&d.note)).filter(|note| !note.is_empty()),
            };
            (t.cause, event)
        })
        .collect();
    // Of an alert that fired several times the last firing is the incident.
    let begun =
        events.iter().rposition(|(cause, _)| matches!(cause, Cause::Posted | Cause::Refired)).unwrap_or(0);
    let last = &events[begun.min(events.len())..];
    let first =
        |wanted: fn(&Cause) -> bool| last.iter().find(|(cause, _)| wanted(cause)).map(|(_, e)| e.clone());
    let ended =
        |cause: &Cause| matches!(cause, Cause::SourceResolved | Cause::TimedOut | Cause::OperatorResolved);
    let resolved = (!alert.state.is_open())
        .then(|| last.iter().rev().find(|(cause, _)| ended(cause)).map(|(_, e)| e.clone()))
        .flatten();
    let delivered = records
        .iter()
        .filter(|r| r.at >= alert.starts_at)
        .filter(|r| r.alerts.iter().any(|s| s.alert == alert.fingerprint && s.ends_at.is_none()))
        .filter_map(|r| r.outcome.as_ref().filter(|o| o.outcome == Outcome::Delivered).map(|o| o.at));
    let paged = escalations.iter().flat_map(|e| &e.pages).flat_map(|page| &page.recipients);
    let paged = paged.filter_map(|to| match &to.outcome {
        Some(PageOutcome::Delivered(at)) => Some(*at),
        _ => None,
    });
    let query = charted::of(&world.rules, alert).ok().map(|charted| short(&charted.query));
    let summary = ["summary", "description", "message"].iter().find_map(|name| alert.annotations.get(name));
    AlertFacts {
        fingerprint: alert.fingerprint.to_string(),
        name: short(alert.name()),
        severity: alert.severity.as_str(),
        service: alert.service.as_deref().map(short),
        state: alert.state.as_str(),
        summary: short(summary.unwrap_or_default().lines().next().unwrap_or_default()),
        labels: shortened(&alert.labels),
        annotations: shortened(&alert.annotations),
        link: short(&alert.generator_url),
        query,
        began: changed::began(world, alert),
        fired: alert.starts_at,
        told: delivered.chain(paged).min(),
        acknowledged: first(|cause| *cause == Cause::Acknowledged),
        resolved,
        owner: alert.owner().map(short),
        history: events.into_iter().map(|(_, event)| event).collect(),
    }
}

fn shortened(labels: &Labels) -> Labels {
    Labels::from_pairs(labels.iter().map(|(name, value)| (name.to_owned(), short(value))))
}

fn pages(escalation: &EscalationView) -> Vec<PageFacts> {
    let mut all = Vec::new();
    for page in &escalation.pages {
        let step = match page.step {
            Some(step) => format!("{} step {}", escalation.policy, step + 1),
            None => format!("{} {}", escalation.policy, page.cause.words()),
        };
        for to in &page.recipients {
            let (outcome, outcome_at) = match &to.outcome {
                None => ("on its way".to_owned(), None),
                Some(PageOutcome::Delivered(at)) => ("delivered".to_owned(), Some(*at)),
                Some(PageOutcome::Failed(at, why)) => (format!("failed: {}", short(why)), Some(*at)),
                Some(PageOutcome::Withdrawn(at)) => ("over before it was known".to_owned(), Some(*at)),
            };
            all.push(PageFacts {
                at: page.at,
                step: step.clone(),
                person: to.person.clone(),
                channel: to.channel.clone(),
                because: to.because.clone(),
                outcome,
                outcome_at,
            });
        }
    }
    all
}

fn notification(record: &AttemptRecord) -> NotificationFacts {
    let again = if record.possibly_duplicate { ", possibly twice" } else { "" };
    let outcome = match record.outcome.as_ref().map(|o| &o.outcome) {
        None => "under way".to_owned(),
        Some(Outcome::Delivered) => "delivered".to_owned(),
        Some(Outcome::Failed(why)) => format!("failed: {}", short(why)),
        Some(Outcome::Unknown) => "outcome unknown".to_owned(),
    };
    NotificationFacts {
        at: record.at,
        to: record.destination(),
        reason: record.reason.as_str(),
        outcome: format!("{outcome}{again}"),
        tries: record.outcome.as_ref().map_or(0, |o| o.tries),
    }
}

/// Of the directory: `incident-OrderLatencyHigh-20260309-143009`.
fn name(alert: &Alert) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    let stem: String = alert.name().chars().take(60).map(plain).collect();
    let stem = if stem.is_empty() { "alert".to_owned() } else { stem };
    let at: String =
        alert.starts_at.to_string().chars().take(19).filter(|c| *c != '-' && *c != ':').collect();
    format!("incident-{stem}-{}", at.replace('T', "-"))
}

fn title(alert: &Alert, others: usize) -> String {
    let service = alert.service.as_deref().map(|s| format!(" of {s}")).unwrap_or_default();
    let others = match others {
        0 => String::new(),
        1 => " and 1 more alert".to_owned(),
        n => format!(" and {n} more alerts"),
    };
    short(&format!("{}{service}{others}", alert.name()))
}

/// What the charts mark: how the alert that was asked for went, and the most likely cause.
fn marks(incident: &Incident) -> Vec<(Timestamp, String)> {
    let Some(alert) = incident.leading() else { return Vec::new() };
    let mut marks = vec![(alert.fired, "fired".to_owned())];
    marks.extend(alert.told.map(|at| (at, "told".to_owned())));
    marks.extend(alert.acknowledged.as_ref().map(|e| (e.at, "acknowledged".to_owned())));
    marks.extend(alert.resolved.as_ref().map(|e| (e.at, "resolved".to_owned())));
    marks.extend(incident.suspects.first().map(|s| (s.entry.at, s.entry.summary.chars().take(60).collect())));
    marks
}

/// Draws the queries of the foremost alerts, each once. Blocks.
fn charts(
    desk: &Desk,
    world: &World,
    alerts: &[Arc<Alert>],
    time: (Timestamp, Timestamp),
    marks: &[(Timestamp, String)],
) -> Vec<ChartFacts> {
    let mut drawn: Vec<ChartFacts> = Vec::new();
    for alert in alerts.iter().take(CHARTS) {
        let file = format!("chart-{}.png", drawn.len() + 1);
        let facts = ChartFacts {
            file,
            alert: short(alert.name()),
            from: time.0,
            to: time.1,
            ..ChartFacts::default()
        };
        match charted::of(&world.rules, alert) {
            Ok(charted) => drawn.push(chart(desk, alert, &charted, facts, marks)),
            Err(why) => drawn.push(ChartFacts { why_not: Some(why), ..facts }),
        }
    }
    drawn
}

fn chart(
    desk: &Desk,
    alert: &Alert,
    charted: &Charted,
    facts: ChartFacts,
    marks: &[(Timestamp, String)],
) -> ChartFacts {
    let facts = ChartFacts { series: short(&charted.series), threshold: charted.threshold, ..facts };
    match picture(desk, alert, charted, (facts.from, facts.to), marks) {
        Ok(png) => ChartFacts { png: Some(png), ..facts },
        Err(why) => ChartFacts { why_not: Some(why), ..facts },
    }
}

fn picture(
    desk: &Desk,
    alert: &Alert,
    charted: &Charted,
    (from, to): (Timestamp, Timestamp),
    marks: &[(Timestamp, String)],
) -> Result<Vec<u8>, String> {
    let step_ms = ((to.as_millis() - from.as_millis()) / POINTS).max(1000);
    let step = Duration::from_millis(step_ms.unsigned_abs());
    let sources = &desk.sources;
    let budget = sources.engine.budget();
    let output = sources
        .engine
        .range(&charted.series, &*sources.storage, from, to, step, &budget)
        .map_err(|e| e.to_string())?;
    let series = charted::series_of(&alert.labels, crate::answers::series(output.value));
    if series.is_empty() {
        return Err("nothing is stored here of its query in that time".to_owned());
    }
    let threshold =
        charted.threshold.map(|(op, value)| (format!("{op} {}", charted.unit.full(value)), value));
    let plot = Plot {
        title: format!("{} · {}", alert.name(), charted.series.chars().take(120).collect::<String>()),
        unit: String::new(),
        from,
        to,
        step_ms,
        width: 1600,
        height: 800,
        format: PlotFormat::Png,
        series: series
            .into_iter()
            .map(|s| PlotSeries { name: charted::name_of(&alert.labels, &s.labels), points: s.points })
            .collect(),
        thresholds: threshold.into_iter().collect(),
        marks: marks.to_vec(),
    };
    crate::plot::draw(&plot)
}

#[cfg(test)]
mod tests {
    use quarterdeck_journal::testing::{START, Scratch};
    use quarterdeck_journal::timeline::NewEntry;
    use quarterdeck_kernel::Actor;

    use super::*;

    #[tokio::test]
    async fn a_storm_of_alerts_hides_no_change() {
        let scratch = Scratch::sqlite();
        let timeline = scratch.timeline(&[]).await;
        let append = |kind: ChangeKind, seconds: i64| {
            let mut entry = NewEntry::new(kind, Actor::default(), format!("{} {seconds}", kind.as_str()));
            entry.at = Some(START.plus_millis(seconds * 1000));
            timeline.append(entry)
        };
        append(ChangeKind::Deployment, 1).await.expect("it is written");
        for second in 2..23 {
            append(ChangeKind::Alert, second).await.expect("it is written");
        }
        let window = (START, START.plus_millis(60_000));
        let (all, more) = entries(&timeline, Vec::new(), window, 20).await.expect("they are read");
        assert!(
            more && all.iter().all(|e| e.kind == ChangeKind::Alert),
            "of all kinds only the storm is seen"
        );
        let (changes, more) =
            entries(&timeline, changed::kinds().collect(), window, 20).await.expect("they are read");
        let told: Vec<&str> = changes.iter().map(|e| e.summary.as_str()).collect();
        assert!(!more && told == ["deployment 1"], "{told:?}");
    }
}
