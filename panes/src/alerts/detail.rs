//! All that is known of one alert.

use quarterdeck_alerting::model::{Alert, AttemptRecord, Muted};
use quarterdeck_kernel::Timestamp;
use quarterdeck_ui::Context;
use quarterdeck_widgets::{Look, Role, format};

use super::chart::Charting;
use super::model::Model;
use crate::World;
use crate::alert_words as words;
use crate::lines::Details;

/// Transitions and notifications shown at most.
const MOST: usize = 16;

/// What holds, most wanted first: what it is, who has it, who is paged, why it is silent, its labels.
pub(super) fn now(
    cx: &Context<'_, World>,
    model: &Model,
    alert: &Alert,
    width: u16,
    charting: Option<&Charting>,
) -> Details {
    let (look, now) = (cx.look, cx.world.now);
    let mut details = Details::new(width);
    let summary = words::summary(alert);
    if !summary.is_empty() {
        details.wrapped(summary, Role::Text, 3);
    }
    let since = format!("{} for {}", alert.state.as_str(), age(alert.since, now));
    let role = if alert.state.is_open() { Role::from(alert.severity) } else { Role::Ok };
    details.field("state", &since, role);
    details.field("began", &look.date_time(alert.starts_at), Role::Text);
    if let Some(ack) = alert.ack() {
        let mut told = format!("{} {}", ack.by, look.near(ack.at, now));
        if let Some(until) = ack.until {
            told.push_str(&format!(", ends in {}", words::left(until, now)));
        }
        if !ack.note.is_empty() {
            told.push_str(&format!(": {}", ack.note));
        }
        details.field("acknowledged", &told, Role::Text);
    }
    if let Some(owner) = alert.owner() {
        details.field("owner", owner, Role::Text);
    }
    if let Some(resolved) = alert.operator.as_ref().and_then(|o| o.resolved.as_ref()) {
        let told = format!("by {} {} {}", resolved.by, look.near(resolved.at, now), resolved.note);
        details.field("resolved", told.trim_end(), Role::Text);
    }
    if let Some(runbook) = words::runbook(cx.world, alert) {
        details.field("runbook", &runbook, Role::Info);
    }
    let charting = charting.filter(|charting| charting.is_of(alert));
    if let Some(why) = charting.and_then(Charting::why_not) {
        details.wrapped(&why, Role::Muted, 3);
    }
    if let Some(escalation) = model.escalation(alert) {
        crate::ladder::tell(&mut details, escalation, look, now);
    }
    hidden(&mut details, cx, alert);
    groups(&mut details, cx, alert);
    pairs(&mut details, "labels", alert.labels.iter());
    pairs(&mut details, "annotations", alert.annotations.iter());
    let query = charting.and_then(Charting::query);
    if query.is_some() || !alert.generator_url.is_empty() {
        details.section("source", "");
    }
    if let Some((query, what)) = query {
        details.field(what, query, Role::Text);
    }
    if !alert.generator_url.is_empty() {
        details.field("link", &alert.generator_url, Role::Muted);
    }
    details
}

/// What was: notifications, and how it came to stand where it does.
pub(super) fn past(details: &mut Details, cx: &Context<'_, World>, alert: &Alert) {
    sent(details, cx, alert);
    history(details, cx.look, alert, cx.world.now);
}

/// What hides it.
fn hidden(details: &mut Details, cx: &Context<'_, World>, alert: &Alert) {
    let (view, now) = (&cx.world.alerting.alerts, cx.world.now);
    if alert.silences().is_empty() && alert.inhibitors().is_empty() {
        return;
    }
    details.section("hidden by", "");
    for id in alert.silences() {
        match view.silences.iter().find(|s| s.id == *id) {
            Some(silence) => details.wrapped(&words::silence(silence, now), Role::Frozen, 4),
            None => details.wrapped(&format!("silence {id}"), Role::Frozen, 1),
        }
    }
    for print in alert.inhibitors() {
        let told = match view.alert(*print) {
            Some(other) => {
                let of = other.service.as_deref().map(|s| format!(" of {s}")).unwrap_or_default();
                format!("{}{of} fires, which makes it redundant", other.name())
            }
            None => format!("alert {print}, which makes it redundant"),
        };
        details.wrapped(&told, Role::Frozen, 3);
    }
}

/// With which others it is told, to whom, and when next.
fn groups(details: &mut Details, cx: &Context<'_, World>, alert: &Alert) {
    let (view, now, look) = (&cx.world.alerting.alerts, cx.world.now, cx.look);
    details.section("told to", "");
    let mut any = false;
    for group in view.groups_of(alert.fingerprint) {
        any = true;
        let mut told = match group.alerts.len() {
            0 | 1 => "alone".to_owned(),
            2 => "with 1 other".to_owned(),
            n => format!("with {} others", n - 1),
        };
        match &group.muted {
            Some(Muted::Inactive) => told.push_str(", muted: outside the route's active times"),
            Some(Muted::Interval(names)) => told.push_str(&format!(", muted by {}", names.join(", "))),
            None => {}
        }
        match group.last_flush {
            Some(at) => told.push_str(&format!(", looked at {}", look.near(at, now))),
            None => told.push_str(", not looked at yet"),
        }
        if group.next_flush > now {
            told.push_str(&format!(", next in {}", words::left(group.next_flush, now)));
        }
        let failing = group.integrations.iter().map(|i| i.failures).max().unwrap_or(0);
        if failing > 0 {
            told.push_str(&format!(", failed {failing} times in a row"));
        }
        let role = if failing > 0 || group.muted.is_some() { Role::Warning } else { Role::Text };
        details.field(&group.receiver, &told, role);
    }
    if !any {
        let told =
            if alert.state.is_open() { "in no group yet" } else { "in no group any more: it is dealt with" };
        details.wrapped(told, Role::Muted, 2);
    }
}

/// Notifications that name it, newest first.
fn sent(details: &mut Details, cx: &Context<'_, World>, alert: &Alert) {
    let (log, now) = (&cx.world.alerting.alerts.log, cx.world.now);
    let names = |record: &&AttemptRecord| record.alerts.iter().any(|s| s.alert == alert.fingerprint);
    let found: Vec<&AttemptRecord> = log.iter().rev().map(|r| &**r).filter(names).take(MOST).collect();
    details.section("notifications", "");
    if found.is_empty() {
        details.wrapped("none in the log", Role::Muted, 1);
    }
    for record in found {
        let (glyph, role, outcome) = crate::delivery::outcome(record);
        let when = cx.look.when(record.at, now);
        details.pieces([
            (&when, Role::Faint),
            (" ", Role::Text),
            (cx.look.glyph(glyph), role),
            (" ", Role::Text),
            (&record.destination(), Role::Text),
            (&format!("  {}, {outcome}", record.reason.as_str()), role),
        ]);
    }
}

fn history(details: &mut Details, look: &Look, alert: &Alert, now: Timestamp) {
    let more = alert.forgotten as usize + alert.history.len().saturating_sub(MOST);
    details.section("history", if more > 0 { format!("{more} earlier") } else { String::new() });
    for transition in alert.history.iter().rev().take(MOST) {
        let mut by = String::new();
        if let Some(detail) = &transition.detail {
            by = format!(" by {}", detail.by);
            if !detail.note.is_empty() {
                by.push_str(&format!(": {}", detail.note));
            }
        }
        details.pieces([
            (&look.when(transition.at, now), Role::Faint),
            (" ", Role::Text),
            (transition.cause.as_str(), Role::Text),
            (&by, Role::Muted),
        ]);
    }
}

fn pairs<'a>(details: &mut Details, title: &str, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
    let mut pairs = pairs.peekable();
    if pairs.peek().is_some() {
        details.section(title, "");
    }
    for (name, value) in pairs {
        details.field(name, value, Role::Text);
    }
}

fn age(since: Timestamp, now: Timestamp) -> String {
    format::age(now.as_millis() - since.as_millis())
}
