//! What is wrong: alerts and broken limits.

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
use crate::alert_words as words;

/// Every broken limit, worst first.
fn breaches<'a>(cx: &Context<'a, World>) -> Vec<(&'a ServiceView, &'a Breach)> {
    let in_scope = |s: &&Arc<ServiceView>| cx.scope.service.as_ref().is_none_or(|wanted| **wanted == *s.name);
    let services = cx.world.services.services.iter().filter(in_scope);
    let mut all: Vec<_> = services.flat_map(|s| s.breaches.iter().map(move |b| (&**s, b))).collect();
    all.sort_by_key(|(_, b)| (std::cmp::Reverse(b.health), b.since));
    all
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

/// Everything that is wrong, foremost first.
pub(super) struct AllWrong<'a> {
    lines: Vec<Wrong<'a>>,
    /// How many there are, those without a line included.
    count: usize,
}

impl AllWrong<'_> {
    pub(super) const fn count(&self) -> usize {
        self.count
    }
}

/// Alerts of every source that fire, those that somebody has taken, pending ones of rules, broken limits; each worst first.
pub(super) fn wrong<'a>(cx: &Context<'a, World>) -> AllWrong<'a> {
    let world: &'a World = cx.world;
    let scope = cx.scope.service.as_deref();
    let in_scope = |service: Option<&str>| scope.is_none_or(|wanted| service == Some(wanted));
    let mut all = AllWrong { lines: Vec::new(), count: 0 };
    match scope {
        None => {
            let alarms = &world.alarms;
            all.lines.extend(alarms.foremost().iter().map(|alert| alert_line(world, alert)));
            all.count = alarms.count();
        }
        // Among the foremost of all there may be none of this service.
        Some(_) => {
            let of_service = |alert: &&'a Arc<Alert>| {
                matches!(alert.state, AlertState::Firing | AlertState::Acknowledged)
                    && in_scope(alert.service.as_deref())
            };
            let mut found: Vec<&'a Arc<Alert>> =
                world.alerting.alerts.alerts.iter().filter(of_service).collect();
            all.count = found.len();
            found.sort_by_key(|a| {
                (a.state, std::cmp::Reverse(a.severity), std::cmp::Reverse(a.starts_at), a.fingerprint)
            });
            all.lines.extend(found.into_iter().take(LINES).map(|alert| alert_line(world, alert)));
        }
    }
    // Before alerting has told anything, what rules say is all there is to go by.
    let unheard = world.alerting.version == 0;
    let of_rules = |alert: &&'a Arc<AlertView>| {
        (unheard || alert.state == RuleState::Pending) && in_scope(alert.service())
    };
    let rules = world.rules.alerts().into_iter().filter(of_rules).map(rule_line);
    let rest: Vec<Wrong<'a>> =
        rules.chain(breaches(cx).into_iter().map(|(service, breach)| breach_line(service, breach))).collect();
    all.count += rest.len();
    all.lines.extend(rest);
    all
}

/// Columns for who has an alert, or who is paged next, at most.
const WHO: usize = 24;
/// And at least: room for a name's beginning and a countdown.
const LEAST_WHO: usize = 12;
/// Columns for since when.
const AGE: usize = 8;
/// Alerts of a service that have a line at most.
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

pub(super) fn draw(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    let (look, now) = (cx.look, cx.world.now);
    let AllWrong { lines: all, count } = wrong(cx);
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
