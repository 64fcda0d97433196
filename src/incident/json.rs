//! An incident as JSON.

use quarterdeck_kernel::{Entry, Labels, Timestamp};
use serde_json::{Map, Value, json};

use super::report::{AlertFacts, ChartFacts, Event, Incident};

/// The incident as one indented document.
pub(super) fn text(incident: &Incident) -> String {
    let value = json!({
        "title": incident.title,
        "written": time(incident.at),
        "environment": incident.environment,
        "program": format!("quarterdeck {}", incident.version),
        "group": incident.group.as_ref().map(labels),
        "alerts": incident.alerts.iter().map(alert).collect::<Vec<_>>(),
        "alertsLeftOut": incident.more_alerts,
        "paged": incident.pages.iter().map(|page| json!({
            "at": time(page.at),
            "step": page.step,
            "person": page.person,
            "channel": page.channel,
            "because": page.because,
            "outcome": page.outcome,
            "outcomeAt": page.outcome_at.map(time),
        })).collect::<Vec<_>>(),
        "notifications": incident.notifications.iter().map(|sent| json!({
            "at": time(sent.at),
            "to": sent.to,
            "reason": sent.reason,
            "outcome": sent.outcome,
            "tries": sent.tries,
        })).collect::<Vec<_>>(),
        "notificationsLeftOut": incident.more_notifications,
        "whatChanged": incident.suspects.iter().map(|suspect| json!({
            "likely": (suspect.likely * 1000.0).round() / 1000.0,
            "secondsBefore": suspect.before.as_secs_f64(),
            "why": suspect.why,
            "canBeUndone": suspect.undo,
            "entry": entry(&suspect.entry),
        })).collect::<Vec<_>>(),
        "changesWeighed": incident.considered,
        "olderChangesLeftOut": incident.changes_left_out,
        "timeline": incident.timeline.iter().map(entry).collect::<Vec<_>>(),
        "timelineHasMore": incident.more_timeline,
        "charts": incident.charts.iter().map(chart).collect::<Vec<_>>(),
    });
    // A value that was just built from strings and numbers is always JSON.
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    text
}

fn time(at: Timestamp) -> String {
    at.to_string()
}

fn labels(labels: &Labels) -> Value {
    let pairs: Map<String, Value> = labels.iter().map(|(n, v)| (n.to_owned(), Value::from(v))).collect();
    Value::Object(pairs)
}

fn event(event: &Event) -> Value {
    json!({ "at": time(event.at), "what": event.what, "by": event.by, "note": event.note })
}

fn alert(alert: &AlertFacts) -> Value {
    json!({
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "severity": alert.severity,
        "service": alert.service,
        "state": alert.state,
        "summary": alert.summary,
        "labels": labels(&alert.labels),
        "annotations": labels(&alert.annotations),
        "generatorURL": alert.link,
        "query": alert.query,
        "began": time(alert.began),
        "fired": time(alert.fired),
        "told": alert.told.map(time),
        "acknowledged": alert.acknowledged.as_ref().map(event),
        "resolved": alert.resolved.as_ref().map(event),
        "owner": alert.owner,
        "history": alert.history.iter().map(event).collect::<Vec<_>>(),
    })
}

fn entry(entry: &Entry) -> Value {
    json!({
        "id": entry.id.to_string(),
        "at": time(entry.at),
        "kind": entry.kind.as_str(),
        "service": entry.service,
        "subject": entry.subject.as_ref().map(ToString::to_string),
        "by": entry.actor.user,
        "summary": entry.summary,
        "reason": entry.reason,
        "undone": entry.undone_by.is_some(),
    })
}

fn chart(chart: &ChartFacts) -> Value {
    json!({
        "alert": chart.alert,
        "file": chart.png.as_ref().map(|_| chart.file.as_str()),
        "series": chart.series,
        "threshold": chart.threshold.map(|(op, value)| json!({ "op": op, "value": value })),
        "from": time(chart.from),
        "to": time(chart.to),
        "whyNone": chart.why_not,
    })
}
