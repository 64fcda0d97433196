//! What is told of an alert in a few words, wherever it is shown.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_alerting::model::{Alert, AlertState, Silence};
use quarterdeck_kernel::Timestamp;
use quarterdeck_oncall::EscalationView;
use quarterdeck_oncall::escalation::State;
use quarterdeck_oncall::words::list;
use quarterdeck_widgets::{Role, format};

use crate::World;

/// Where an alert stands, with who has taken it.
pub(crate) fn state(alert: &Alert) -> Cow<'static, str> {
    match (alert.state, alert.ack()) {
        (AlertState::Acknowledged, Some(ack)) => format!("ack {}", ack.by).into(),
        (state, _) => state.as_str().into(),
    }
}

/// What an alert says of itself in one line.
pub(crate) fn summary(alert: &Alert) -> &str {
    let annotation = |name: &str| alert.annotations.get(name).filter(|text| !text.trim().is_empty());
    let told = annotation("summary").or_else(|| annotation("description")).or_else(|| annotation("message"));
    told.unwrap_or_default().lines().next().unwrap_or_default()
}

/// An alert with the service that it touches: `HighLatency of orders`.
pub(crate) fn named(alert: &Alert) -> String {
    let name = if alert.name().is_empty() { "alert without a name" } else { alert.name() };
    match alert.service.as_deref() {
        Some(service) if !service.is_empty() => format!("{name} of {service}"),
        _ => name.to_owned(),
    }
}

/// An alert and what it says of itself.
pub(crate) fn told(alert: &Alert) -> String {
    match summary(alert) {
        "" => named(alert),
        summary => format!("{}: {summary}", named(alert)),
    }
}

/// How long until something: `3:12`.
pub(crate) fn left(at: Timestamp, now: Timestamp) -> String {
    format::countdown(at.as_millis() - now.as_millis())
}

/// A silence that hides something.
pub(crate) fn silence(silence: &Silence, now: Timestamp) -> String {
    let (matchers, by, ends) = (&silence.matchers, &silence.created_by, left(silence.ends_at, now));
    format!("silence {matchers} by {by}, ends in {ends}: {}", silence.comment)
}

/// Who is paged, who is next and when: `ops-1 → ops-2 3:12`; not in full only the next one.
pub(crate) fn paging(
    escalation: Option<&Arc<EscalationView>>,
    alert: &Alert,
    now: Timestamp,
    full: bool,
) -> String {
    let Some(escalation) = escalation else {
        let told = match alert.state {
            AlertState::Firing | AlertState::Acknowledged => alert.receivers.join(", "),
            _ => String::new(),
        };
        return told;
    };
    let paged = paged(escalation);
    let next = escalation.next.as_ref().map(|next| {
        let left = format::countdown(next.at.as_millis() - now.as_millis());
        (next.what.strip_prefix("paging ").unwrap_or(&next.what).to_owned(), left)
    });
    match (&escalation.state, next) {
        (State::Acknowledged { .. }, Some((_, left))) => format!("ack ends {left}"),
        (State::Acknowledged { .. }, None) => String::new(),
        (State::Exhausted { .. }, _) => "nobody answered".to_owned(),
        (_, Some((who, left))) if full && !paged.is_empty() => format!("{paged} → {who} {left}"),
        (_, Some((who, left))) => format!("→ {who} {left}"),
        (_, None) => paged,
    }
}

/// The same in so many columns: who was paged goes first, then names, the countdown last.
pub(crate) fn paging_within(
    escalation: Option<&Arc<EscalationView>>,
    alert: &Alert,
    now: Timestamp,
    columns: usize,
) -> String {
    let fits = |text: &String| quarterdeck_widgets::text::width(text) <= columns;
    let whole = paging(escalation, alert, now, true);
    if fits(&whole) {
        return whole;
    }
    let next = paging(escalation, alert, now, false);
    if fits(&next) {
        return next;
    }
    // `→ alice and bob 3:12`: the names can be cut, the time cannot.
    let Some((names, left)) = next.strip_prefix("→ ").and_then(|rest| rest.rsplit_once(' ')) else {
        return next;
    };
    let room = columns.saturating_sub(left.len() + 3);
    if room >= 3 {
        format!("→ {} {left}", quarterdeck_widgets::text::cut(names, room))
    } else {
        format!("→ {left}")
    }
}

/// Whom the newest page reached.
pub(crate) fn paged(escalation: &EscalationView) -> String {
    let Some(page) = escalation.pages.last() else { return String::new() };
    let mut names: Vec<String> = Vec::new();
    for recipient in &page.recipients {
        let name = recipient.person.as_ref().unwrap_or(&recipient.channel);
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    list(&names)
}

/// How urgently that is told.
pub(crate) fn paging_role(escalation: Option<&Arc<EscalationView>>, alert: &Alert) -> Role {
    match escalation.map(|e| &e.state) {
        Some(State::Exhausted { .. }) => Role::Critical,
        Some(State::Paging | State::Assigned { .. } | State::Waiting)
            if alert.state == AlertState::Firing =>
        {
            Role::Running
        }
        _ => Role::Muted,
    }
}

/// Where the runbook of an alert is: by its annotation, or its service's.
pub(crate) fn runbook(world: &World, alert: &Alert) -> Option<String> {
    let annotation = |name: &str| alert.annotations.get(name).filter(|url| !url.trim().is_empty());
    let own = annotation("runbook_url").or_else(|| annotation("runbook"));
    let of_service = || world.services.service(alert.service.as_deref()?)?.runbook.clone();
    own.map(str::to_owned).or_else(of_service)
}
