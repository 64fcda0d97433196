//! Why an alert was, or was not, told: as the engine knows it.

use std::sync::Arc;

use quarterdeck_alerting::engine::{Explanation, IntegrationExplanation, RouteExplanation, Verdict};
use quarterdeck_alerting::model::{AlertState, Muted};
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::Timestamp;
use quarterdeck_ui::Effect;
use quarterdeck_widgets::{Glyph, Look, Role};

use crate::World;
use crate::alert_words as words;
use crate::lines::Details;
use crate::world::{Answer, Query};

/// The slot of its question.
pub(super) const SLOT: &str = "explain";

/// Attempts told of one integration.
const ATTEMPTS: usize = 6;

/// The explanation of one alert, asked for again whenever alerting has changed.
#[derive(Debug)]
pub(super) struct Explaining {
    pub(super) alert: Fingerprint,
    asked: Option<u64>,
    answer: Option<Result<Option<Arc<Explanation>>, String>>,
}

impl Explaining {
    pub(super) const fn new(alert: Fingerprint) -> Self {
        Self { alert, asked: None, answer: None }
    }

    /// What is to be asked, if anything is.
    pub(super) fn follow(&mut self, version: u64) -> Option<Effect<World>> {
        if self.asked == Some(version) {
            return None;
        }
        self.asked = Some(version);
        Some(Effect::Query { slot: SLOT, query: Query::Explain { alert: self.alert, version } })
    }

    pub(super) fn answered(&mut self, answer: Result<Answer, String>) {
        match answer {
            Ok(Answer::Explain(found)) => self.answer = Some(Ok(found)),
            Ok(_) => {}
            Err(why) => self.answer = Some(Err(why)),
        }
    }

    /// The explanation in lines.
    pub(super) fn tell(&self, look: &Look, now: Timestamp, width: u16) -> Details {
        let mut details = Details::new(width);
        match &self.answer {
            None => details.wrapped("asked for …", Role::Muted, 1),
            Some(Err(why)) => details.wrapped(why, Role::Critical, 4),
            Some(Ok(None)) => {
                details.wrapped("Alerting does not know this alert any more.", Role::Muted, 2);
            }
            Some(Ok(Some(found))) => explanation(&mut details, found, look, now),
        }
        details
    }
}

fn explanation(details: &mut Details, found: &Explanation, look: &Look, now: Timestamp) {
    let (told, role) = sentence(found);
    details.wrapped(&told, role, 3);
    for silence in &found.silences {
        details.wrapped(&words::silence(silence, now), Role::Frozen, 4);
    }
    for other in &found.inhibitors {
        details.wrapped(&format!("inhibited by {}, which fires", words::named(other)), Role::Frozen, 2);
    }
    if found.routes.is_empty() {
        details.wrapped("No route takes it.", Role::Muted, 1);
    }
    for route in &found.routes {
        tell_route(details, route, look, now);
    }
}

/// The answer in one sentence.
fn sentence(found: &Explanation) -> (String, Role) {
    let verdicts: Vec<&Verdict> =
        found.routes.iter().flat_map(|route| &route.integrations).map(|i| &i.verdict).collect();
    let told =
        found.routes.iter().flat_map(|route| &route.integrations).filter(|i| i.entry.is_some()).count();
    let all = verdicts.len();
    let state = found.alert.state;
    if verdicts.iter().any(|v| matches!(v, Verdict::Failed { .. })) {
        return ("Not everybody was told: a delivery failed and is tried again.".to_owned(), Role::Critical);
    }
    match state {
        AlertState::Silenced => ("Nobody is told: it is silenced.".to_owned(), Role::Frozen),
        AlertState::Inhibited => {
            ("Nobody is told: another alert makes it redundant.".to_owned(), Role::Frozen)
        }
        AlertState::Acknowledged => {
            (format!("{told} of {all} receivers know; somebody has it, so it is not repeated."), Role::Text)
        }
        _ if all == 0 => {
            ("Nobody is told: no receiver of its routes delivers anything.".to_owned(), Role::Warning)
        }
        _ if told == 0 => ("Nobody has been told yet.".to_owned(), Role::Warning),
        _ => (format!("{told} of {all} receivers have been told of its group."), Role::Text),
    }
}

fn tell_route(details: &mut Details, route: &RouteExplanation, look: &Look, now: Timestamp) {
    details.section(format!("to {}", route.receiver), "");
    let path: Vec<&str> = route.path.iter().map(|m| if m == "{}" { "all" } else { m.as_str() }).collect();
    details.field("route", &path.join(" → "), Role::Text);
    match &route.group {
        Some(group) => {
            let labels: Vec<String> = group.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
            let labels = if labels.is_empty() { "all".to_owned() } else { labels.join(" ") };
            let others = match group.alerts.len() {
                0 | 1 => "alone".to_owned(),
                2 => "with 1 other".to_owned(),
                n => format!("with {} others", n - 1),
            };
            details.field("group", &format!("{labels}, {others}"), Role::Text);
            let looked = match group.last_flush {
                Some(at) => format!("looked at {}", look.near(at, now)),
                None => "waits for its first look (group_wait)".to_owned(),
            };
            let next = if group.next_flush > now {
                format!(", next in {}", words::left(group.next_flush, now))
            } else {
                String::new()
            };
            details.field("timers", &format!("{looked}{next}"), Role::Text);
        }
        None => details.field("group", "none: it is resolved, and that has been dealt with", Role::Muted),
    }
    match &route.muted {
        Some(Muted::Inactive) => details.field("muted", "outside the route's active times", Role::Frozen),
        Some(Muted::Interval(names)) => {
            details.field("muted", &format!("by {}", names.join(", ")), Role::Frozen);
        }
        None => {}
    }
    for integration in &route.integrations {
        tell_integration(details, integration, look, now);
    }
}

fn tell_integration(details: &mut Details, found: &IntegrationExplanation, look: &Look, now: Timestamp) {
    let (glyph, role, told) = verdict(&found.verdict, look, now);
    details.pieces([
        (look.glyph(glyph), role),
        (" ", Role::Text),
        (&found.name, Role::Text),
        ("  ", Role::Text),
        (&told, role),
    ]);
    if let Some(entry) = &found.entry {
        let told = format!(
            "last told {}: {} firing, {} resolved",
            look.near(entry.at, now),
            entry.firing.len(),
            entry.resolved.len()
        );
        details.pieces([("  ", Role::Text), (&told, Role::Muted)]);
    }
    for record in found.attempts.iter().take(ATTEMPTS) {
        let (glyph, role, outcome) = crate::delivery::outcome(record);
        details.pieces([
            ("  ", Role::Text),
            (&look.when(record.at, now), Role::Faint),
            (" ", Role::Text),
            (look.glyph(glyph), role),
            (&format!(" {}, {outcome}", record.reason.as_str()), role),
        ]);
    }
    let more = found.attempts.len().saturating_sub(ATTEMPTS);
    if more > 0 {
        details.pieces([(&format!("  and {more} earlier ones"), Role::Faint)]);
    }
}

/// What follows for one integration, in the operator's own time.
fn verdict(verdict: &Verdict, look: &Look, now: Timestamp) -> (Glyph, Role, String) {
    match verdict {
        Verdict::UnderWay => (Glyph::Running, Role::Running, verdict.to_string()),
        Verdict::Waits { at, reason } => {
            let when =
                if *at > now { format!("due in {}", words::left(*at, now)) } else { "due now".to_owned() };
            (Glyph::Running, Role::Running, format!("{when}: {}", reason.as_str()))
        }
        Verdict::Failed { at } => {
            let again = if *at > now { format!("in {}", words::left(*at, now)) } else { "now".to_owned() };
            (Glyph::Failed, Role::Critical, format!("the last notification failed; tried again {again}"))
        }
        Verdict::Known { since, repeats } => {
            let told =
                format!("told {}; repeated from {} on", look.near(*since, now), look.when(*repeats, now));
            (Glyph::Done, Role::Text, told)
        }
        Verdict::NotDelivered => (Glyph::Warning, Role::Warning, verdict.to_string()),
        Verdict::Acknowledged => (Glyph::Done, Role::Muted, verdict.to_string()),
        Verdict::Muted(_) | Verdict::Silenced | Verdict::Inhibited => {
            (Glyph::Frozen, Role::Frozen, verdict.to_string())
        }
        Verdict::Over | Verdict::NeverTold | Verdict::NoResolved => {
            (Glyph::Missing, Role::Muted, verdict.to_string())
        }
    }
}
