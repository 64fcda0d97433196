//! What is wrong: alerts and broken limits.

use std::cmp::Reverse;
use std::sync::Arc;

use quarterdeck_alerting::model::{Alert, AlertState};
use quarterdeck_kernel::Timestamp;
use quarterdeck_oncall::EscalationView;
use quarterdeck_rules::{AlertState as RuleState, AlertView};
use quarterdeck_services::{Breach, ServiceView};
use quarterdeck_ui::Context;
use quarterdeck_widgets::{Glyph, Role, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::alarms::{self, Newest};
use crate::alert_words as words;

/// Whether something of a service is to be shown.
fn in_scope(cx: &Context<'_, World>, service: Option<&str>) -> bool {
    cx.scope.service.as_deref().is_none_or(|wanted| service == Some(wanted))
}

/// Every broken limit, in the order of the services.
fn breaches<'a>(cx: &Context<'a, World>) -> impl Iterator<Item = (&'a ServiceView, &'a Breach)> {
    let services = cx.world.services.services.iter().filter(|s| in_scope(cx, Some(&s.name)));
    services.flat_map(|s| s.breaches.iter().map(move |b| (&**s, b)))
}

/// Whether somebody could take an alert: it fires, and nothing hides it.
fn fires(cx: &Context<'_, World>, alert: &Alert) -> bool {
    matches!(alert.state, AlertState::Firing | AlertState::Acknowledged)
        && in_scope(cx, alert.service.as_deref())
}

/// Alerts of rules that alerting has not been told of: those that are pending; before it has told anything, all there are.
fn of_rules<'a>(cx: &Context<'a, World>) -> impl Iterator<Item = &'a Arc<AlertView>> {
    let unheard = cx.world.alerting.version == 0;
    let wanted = move |alert: &&Arc<AlertView>| unheard || alert.state == RuleState::Pending;
    cx.world.rules.active().filter(wanted).filter(|alert| in_scope(cx, alert.service()))
}

/// How much is wrong: lays nothing out and sorts nothing.
pub(super) fn count(cx: &Context<'_, World>) -> usize {
    let alerts = match cx.scope.service {
        None => cx.world.alarms.count(),
        Some(_) => cx.world.alerting.alerts.alerts.iter().filter(|alert| fires(cx, alert)).count(),
    };
    alerts + of_rules(cx).count() + breaches(cx).count()
}

/// A line of what is wrong.
pub(super) struct Wrong<'a> {
    glyph: Glyph,
    role: Role,
    service: &'a str,
    text: String,
    who: Who<'a>,
    since: Timestamp,
}

/// Who has an alert, or who is paged next.
enum Who<'a> {
    Nobody,
    Taken(String),
    Paged(&'a Arc<EscalationView>, &'a Alert),
}

impl Who<'_> {
    /// In so many columns at most.
    fn within(&self, now: Timestamp, columns: usize) -> String {
        match self {
            Self::Nobody => String::new(),
            Self::Taken(who) => text::cut(who, columns).into_owned(),
            Self::Paged(escalation, alert) => words::paging_within(Some(escalation), alert, now, columns),
        }
    }
}

/// Everything that is wrong, foremost first: alerts of every source that fire, those that somebody has taken, pending ones of
/// rules, broken limits; each worst first, as many of each as could have a line.
fn wrong<'a>(cx: &Context<'a, World>) -> Vec<Wrong<'a>> {
    let world: &'a World = cx.world;
    let mut lines: Vec<Wrong<'a>> = match cx.scope.service {
        None => world.alarms.foremost().iter().map(|alert| alert_line(world, alert)).collect(),
        // Among the foremost of all there may be none of this service.
        Some(_) => {
            let of_service = alarms::foremost(&world.alerting, |alert| fires(cx, alert));
            of_service.into_iter().map(|alert| alert_line(world, alert)).collect()
        }
    };
    let mut rules = Newest::new(LINES);
    for alert in of_rules(cx) {
        rules.push((alert.state, alert.severity(), alert.active_at, Reverse(&alert.labels)), alert);
    }
    lines.extend(rules.into_sorted().into_iter().map(rule_line));
    let mut limits: Vec<_> = breaches(cx).collect();
    limits.sort_by_key(|(_, breach)| (Reverse(breach.health), breach.since));
    lines.extend(limits.into_iter().take(LINES).map(|(service, breach)| breach_line(service, breach)));
    lines
}

/// Columns for who has an alert, or who is paged next, at most.
const WHO: usize = 24;
/// And at least: room for a name's beginning and a countdown.
const LEAST_WHO: usize = 12;
/// Columns for since when.
const AGE: usize = 8;
/// Things of one kind that have a line at most.
const LINES: usize = 64;

fn alert_line<'a>(world: &'a World, alert: &'a Alert) -> Wrong<'a> {
    let taken = alert.state == AlertState::Acknowledged;
    let name = if alert.name().is_empty() { "alert without a name" } else { alert.name() };
    let text = match words::summary(alert) {
        "" => name.to_owned(),
        summary => format!("{name} · {summary}"),
    };
    let who = match world.alarms.escalation(alert) {
        _ if taken => Who::Taken(words::state(alert).into_owned()),
        Some(escalation) => Who::Paged(escalation, alert),
        None => Who::Nobody,
    };
    Wrong {
        glyph: Glyph::from(alert.severity),
        // Somebody has it: it is told in quiet.
        role: if taken { Role::Muted } else { Role::from(alert.severity) },
        service: alert.service.as_deref().unwrap_or_default(),
        text,
        who,
        since: alert.starts_at,
    }
}

fn rule_line(alert: &Arc<AlertView>) -> Wrong<'_> {
    let firing = alert.state == RuleState::Firing;
    let what = format!("{} {}", alert.name(), format::number(alert.value));
    Wrong {
        glyph: Glyph::from(alert.severity()),
        // What is pending only has to last: it is told in quiet.
        role: if firing { Role::from(alert.severity()) } else { Role::Muted },
        service: alert.service().unwrap_or_default(),
        text: if firing { what } else { format!("pending, {what}") },
        who: Who::Nobody,
        since: alert.active_at,
    }
}

fn breach_line<'a>(service: &'a ServiceView, breach: &Breach) -> Wrong<'a> {
    // What is within its limit again is told in quiet: it only has to last.
    let recovering = breach.recovering();
    Wrong {
        glyph: Glyph::from(breach.health),
        role: if recovering { Role::Muted } else { Role::from(breach.health) },
        service: &service.name,
        text: if recovering { format!("recovering, {}", breach.text) } else { breach.text.clone() },
        who: Who::Nobody,
        since: breach.since,
    }
}

/// Draws what is wrong; `count` is how much that is.
pub(super) fn draw(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, count: usize) {
    if area.height == 0 {
        return;
    }
    let (look, now) = (cx.look, cx.world.now);
    let all = wrong(cx);
    let shown = all.len().min(usize::from(area.height - 1));
    let more = count.saturating_sub(shown);
    let right = if more > 0 { format!("{more} more") } else { String::new() };
    rule::rule(look, buffer, area, "firing", &right);
    let room = area.width.saturating_sub(2);
    if all.is_empty() {
        for (line, y) in text::wrap(&calm(cx), room.into()).iter().zip(area.y + 1..area.bottom()) {
            text::put(buffer, area.x + 1, y, room, line, look.style(Role::Muted));
        }
        return;
    }
    let widest = all[..shown].iter().map(|line| text::width(line.service)).max().unwrap_or(0).min(18);
    let who_within = |columns| {
        all[..shown].iter().map(move |line| text::width(&line.who.within(now, columns))).max().unwrap_or(0)
    };
    // What an alert says of itself is not cut for words about who is paged that can be shorter.
    let said = all[..shown].iter().map(|line| text::width(&line.text)).max().unwrap_or(0);
    let left = usize::from(area.width).saturating_sub(widest + AGE + said + 9);
    let longest = who_within(left.clamp(LEAST_WHO, WHO)).min(WHO);
    for (line, y) in all.iter().zip(area.y + 1..area.bottom()) {
        let age = format!("{:>AGE$}", format::ago(line.since, now));
        // Where it is narrow, who has it goes before what it says of itself, but never before its name.
        let who = if longest > 0 && area.width >= 60 {
            format!("{:<longest$}", line.who.within(now, longest))
        } else {
            String::new()
        };
        let right = if who.is_empty() { age } else { format!("{who} {age}") };
        let room = area.width.saturating_sub(text::width(&right) as u16 + 4);
        let name = format!("{:<widest$}", text::cut(line.service, widest));
        let gap = if widest > 0 { "  " } else { "" };
        let spans = [
            (look.glyph(line.glyph), look.style(line.role)),
            (" ", look.style(Role::Text)),
            (name.as_str(), look.style(Role::Text)),
            (gap, look.style(Role::Text)),
            (line.text.as_str(), look.style(line.role)),
        ];
        text::put_spans(buffer, area.x + 1, y, room, &spans);
        text::put_right(buffer, area.x, y, area.width.saturating_sub(2), &right, look.style(Role::Muted));
    }
}

/// What is said when nothing is wrong, and it is all true.
fn calm(cx: &Context<'_, World>) -> String {
    let limited = |s: &Arc<ServiceView>| s.signals.p99.limit.is_some() || s.signals.errors.limit.is_some();
    let alerts = match cx.world.alarms.hidden() {
        0 => "no alert fires".to_owned(),
        1 => "1 alert is silenced or inhibited".to_owned(),
        n => format!("{n} alerts are silenced or inhibited"),
    };
    if cx.world.services.services.iter().any(limited) {
        format!("Every limit holds, {alerts}.")
    } else {
        let alerts = alerts.replacen('n', "N", usize::from(alerts.starts_with('n')));
        format!("{alerts}. No service has a limit yet: press L on one to set it.")
    }
}
