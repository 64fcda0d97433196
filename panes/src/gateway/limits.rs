//! Limits: who calls most, how near each is to its limit, and what an operator grants or cuts.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::{Quota, Standing};
use quarterdeck_widgets::table::{CellPainter, Column, Order};
use quarterdeck_widgets::{Glyph, Role, format};

use super::rows::{Model, ViewRows};
use crate::lines::Details;

pub(super) const COLUMNS: [Column; 9] = [
    Column::flex("consumer", "CONSUMER", 12).weight(3).at_most(40),
    Column::fixed("state", "STATE", 14),
    Column::flex("limit", "LIMIT OF", 12).weight(2).at_most(28),
    Column::number("allowed", "ALLOWED", 11),
    Column::number("left", "LEFT", 6),
    Column::number("refused", "REFUSED", 8),
    Column::number("requests", "REQUESTS", 9).priority(1),
    Column::number("today", "TODAY", 9).priority(2),
    Column::number("quota", "A DAY", 9).priority(3),
];

/// Somebody who calls, and a limit that there is for it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Consumer {
    /// Its name, or its address.
    pub(super) who: String,
    /// The route whose own limit it is; that of its tier if none.
    pub(super) route: Option<Arc<str>>,
    pub(super) standing: Option<Standing>,
    /// Requests a minute that an operator allows; 0 cuts it off.
    pub(super) grant: Option<u32>,
    /// Its failed attempts to show who it is.
    pub(super) failures: Option<Standing>,
    /// How it stands with today's quota.
    pub(super) quota: Option<Quota>,
    /// Requests on the routes on which it is among those who call most.
    pub(super) requests: u64,
}

impl Consumer {
    pub(super) fn key(&self) -> Cow<'_, str> {
        match &self.route {
            // No name of a route holds a line feed.
            Some(route) => format!("{route}\n{}", self.who).into(),
            None => self.who.as_str().into(),
        }
    }

    fn is_full(&self) -> bool {
        self.standing.as_ref().is_some_and(|s| s.remaining == 0)
    }

    fn refused(&self) -> u64 {
        self.standing.as_ref().map_or(0, |s| s.refused)
    }

    /// It asks as nobody who is known, more often than it may.
    fn guesses(&self) -> bool {
        self.failures.as_ref().is_some_and(|s| s.remaining == 0)
    }

    fn is_out(&self) -> bool {
        self.quota.as_ref().is_some_and(|quota| quota.daily.is_some_and(|daily| quota.used >= daily))
    }

    fn state(&self) -> (Glyph, &'static str, Role) {
        match self.grant {
            Some(0) => (Glyph::Frozen, "cut off", Role::Frozen),
            _ if self.guesses() => (Glyph::Warning, "guesses keys", Role::Warning),
            _ if self.is_out() => (Glyph::Warning, "out of quota", Role::Warning),
            _ if self.is_full() => (Glyph::Warning, "at its limit", Role::Warning),
            Some(_) => (Glyph::Info, "granted", Role::Info),
            None if self.refused() > 0 => (Glyph::Ok, "was refused", Role::Text),
            None if self.standing.is_none() => (Glyph::Missing, "no limit", Role::Muted),
            None => (Glyph::Ok, "within", Role::Muted),
        }
    }
}

/// Everybody who is known to call the service in scope, nearest to a limit first.
pub(super) fn consumers(snapshot: &Snapshot, service: Option<&str>) -> Vec<Consumer> {
    let mut own: BTreeMap<&str, Consumer> = BTreeMap::new();
    let mut all = Vec::new();
    let within = |name: &str| service.is_none_or(|service| *name == *service);
    for route in snapshot.routes.iter().filter(|route| within(&route.service)) {
        for (who, count) in &route.callers {
            own.entry(who).or_default().requests += count;
        }
        all.extend(route.limits.iter().map(|standing| Consumer {
            who: standing.who.clone(),
            route: Some(Arc::clone(&route.name)),
            standing: Some(standing.clone()),
            ..Consumer::default()
        }));
    }
    // Limits of tiers are of the whole gateway: where one service is looked at, only of those who call it.
    let calls = |own: &BTreeMap<&str, Consumer>, who: &str| service.is_none() || own.contains_key(who);
    for standing in &snapshot.limits {
        if calls(&own, &standing.who) {
            // Of several tiers' the first, which is the tightest.
            own.entry(&standing.who).or_default().standing.get_or_insert_with(|| standing.clone());
        }
    }
    for quota in &snapshot.quotas {
        if calls(&own, &quota.who) {
            own.entry(&quota.who).or_default().quota = Some(quota.clone());
        }
    }
    for standing in &snapshot.failures {
        if calls(&own, &standing.who) {
            own.entry(&standing.who).or_default().failures = Some(standing.clone());
        }
    }
    // What an operator has set is never hidden.
    for (who, grant) in &snapshot.grants {
        own.entry(who).or_default().grant = Some(*grant);
    }
    all.extend(own.into_iter().map(|(who, consumer)| Consumer { who: who.to_owned(), ..consumer }));
    all.sort_by_key(|c| {
        let worst = (c.is_full() || c.guesses() || c.is_out(), c.grant.is_some(), c.refused(), c.requests);
        (Reverse(worst), c.who.clone(), c.route.clone())
    });
    all
}

/// `60 /min`, `5 /s`, `100 in 90 s`.
fn allowed(count: u32, seconds: u64) -> String {
    let count = format::grouped(u64::from(count));
    match seconds {
        1 => format!("{count} /s"),
        60 => format!("{count} /min"),
        3600 => format!("{count} /h"),
        86_400 => format!("{count} /d"),
        n => format!("{count} in {n} s"),
    }
}

fn known(count: Option<u64>) -> String {
    count.map_or_else(|| "·".to_owned(), format::grouped)
}

pub(super) fn text<'a>(model: &'a Model, row: usize, id: &str) -> Option<Cow<'a, str>> {
    let consumer = model.consumer(row)?;
    let standing = consumer.standing.as_ref();
    Some(match id {
        "consumer" => consumer.who.as_str().into(),
        "state" => consumer.state().1.into(),
        "limit" => match (&consumer.route, consumer.grant) {
            (Some(route), _) => format!("route {route}").into(),
            (None, Some(_)) => "an operator".into(),
            (None, None) => match standing {
                Some(standing) => format!("tier {}", standing.policy).into(),
                None => "·".into(),
            },
        },
        "allowed" => match (consumer.grant, standing) {
            (Some(grant), _) => allowed(grant, 60).into(),
            (None, Some(standing)) => allowed(standing.count, standing.seconds).into(),
            (None, None) => "·".into(),
        },
        "left" => known(standing.map(|s| u64::from(s.remaining))).into(),
        "refused" => known(standing.map(|s| s.refused)).into(),
        "requests" => known(Some(consumer.requests).filter(|n| *n > 0)).into(),
        "quota" => known(consumer.quota.as_ref().and_then(|quota| quota.daily)).into(),
        _ => known(consumer.quota.as_ref().map(|quota| quota.used)).into(),
    })
}

pub(super) fn order<'a>(model: &'a Model, row: usize, id: &str) -> Option<Order<'a>> {
    let consumer = model.consumer(row)?;
    let number = |n: Option<u64>| Some(n.map_or(Order::Missing, |n| Order::Number(n as f64)));
    let standing = consumer.standing.as_ref();
    match id {
        "allowed" => {
            // By the second, so that all kinds of limits compare.
            let granted = consumer.grant.map(|n| f64::from(n) / 60.0);
            let own = standing.map(|s| f64::from(s.count) / s.seconds.max(1) as f64);
            Some(granted.or(own).map_or(Order::Missing, Order::Number))
        }
        "left" => number(standing.map(|s| u64::from(s.remaining))),
        "refused" => number(standing.map(|s| s.refused)),
        "requests" => number(Some(consumer.requests).filter(|n| *n > 0)),
        "today" => number(consumer.quota.as_ref().map(|quota| quota.used)),
        "quota" => number(consumer.quota.as_ref().and_then(|quota| quota.daily)),
        _ => None,
    }
}

pub(super) fn draw(rows: &ViewRows, row: usize, id: &str, text: &str, cell: &mut CellPainter<'_>) {
    let Some(consumer) = rows.model.consumer(row) else { return };
    match id {
        "consumer" => cell.text(text),
        "state" => {
            let (glyph, word, role) = consumer.state();
            cell.state(glyph, word, role);
        }
        "left" if consumer.is_full() => cell.role(text, Role::Warning),
        "today" if consumer.is_out() => cell.role(text, Role::Warning),
        "refused" if consumer.refused() > 0 => cell.text(text),
        "limit" if consumer.grant.is_some() => cell.role(text, Role::Info),
        _ => cell.role(text, Role::Muted),
    }
}

/// How one caller stands with a limit.
pub(super) fn line(details: &mut Details, standing: &Standing) {
    let left = format!("{:>6} left of {:<12}", standing.remaining, allowed(standing.count, standing.seconds));
    let role = if standing.remaining == 0 { Role::Warning } else { Role::Muted };
    let refused = match standing.refused {
        0 => String::new(),
        n => format!("  {} refused", format::grouped(n)),
    };
    details.pieces([(&left, role), (&standing.who, Role::Text), (&refused, Role::Muted)]);
}

/// All of a consumer.
pub(super) fn tell(details: &mut Details, snapshot: &Snapshot, consumer: &Consumer) {
    let (glyph, word, role) = consumer.state();
    details.glyph(glyph, role);
    details.more([(&format!("{word}  "), role), (&consumer.who, Role::Text)]);
    let told = match (&consumer.route, consumer.grant) {
        (Some(route), _) => {
            format!("the limit of route {route} for each that calls it; [gateway.routes.{route}] has it")
        }
        (None, Some(0)) => {
            "an operator cut it off: all it asks is refused until T gives its tier back".to_owned()
        }
        (None, Some(n)) => {
            format!("an operator grants it {n} requests a minute, whatever its tier is; T takes that back")
        }
        (None, None) => match &consumer.standing {
            Some(standing) => {
                format!("as its tier {0} has it; [gateway.tiers.{0}] changes it", standing.policy)
            }
            None => "nothing it calls is limited by its tier".to_owned(),
        },
    };
    details.field("limit", &told, Role::Text);
    if let Some(standing) = &consumer.standing {
        line(details, standing);
    }
    if let Some(quota) = &consumer.quota {
        let used = format::grouped(quota.used);
        let told = match quota.daily {
            Some(daily) => format!("{used} of {} requests used today (UTC)", format::grouped(daily)),
            None => format!("{used} requests used today (UTC); its ceiling is known when it calls again"),
        };
        details.field("quota", &told, if consumer.is_out() { Role::Warning } else { Role::Text });
    }
    if let Some(failures) = &consumer.failures {
        let role = if consumer.guesses() { Role::Warning } else { Role::Text };
        let told = format!(
            "{} more attempts to show who it is may fail now, of {}; {} were refused for that alone",
            failures.remaining,
            allowed(failures.count, failures.seconds),
            format::grouped(failures.refused)
        );
        details.field("attempts", &told, role);
    }
    let calls = snapshot.routes.iter().filter_map(|route| {
        let count = route.callers.iter().find(|(who, _)| *who == consumer.who)?.1;
        Some((count, &route.name))
    });
    let mut calls: Vec<_> = calls.collect();
    calls.sort_by_key(|(count, name)| (Reverse(*count), Arc::clone(name)));
    if !calls.is_empty() {
        details.section("what it calls", "requests");
        for (count, name) in calls.iter().take(40) {
            details
                .pieces([(&format!("{:>12}  ", format::grouped(*count)), Role::Muted), (name, Role::Text)]);
        }
    }
}
