//! Mistakes that the types of the configuration do not show.

use std::collections::BTreeSet;
use std::time::Duration;

use quarterdeck_kernel::{Diagnostic, suggest};

use super::{LayerConfig, OncallConfig, PolicyConfig, ScheduleConfig};
use crate::matchers;
use crate::target::Target;

/// Layers of a schedule, restrictions of a layer, and steps of a policy at most.
const MAX_PARTS: usize = 100;
/// Participants of a layer at most.
const MAX_PARTICIPANTS: usize = 1000;
/// Repetitions of a policy at most.
const MAX_REPEAT: u32 = 1000;
/// Longest wait.
const MAX_WAIT: Duration = Duration::from_secs(366 * 86_400);
/// Years that schedules are written for.
const YEARS: std::ops::RangeInclusive<i16> = 1970..=2500;

type Found = Vec<(String, Diagnostic)>;

/// Every mistake: the key (as in `oncall.policies.default.steps[0].notify`) and what is wrong there.
#[must_use]
pub fn validate(config: &OncallConfig) -> Vec<(String, Diagnostic)> {
    let mut found = Vec::new();
    for (name, person) in &config.persons {
        let key = format!("oncall.persons.{name}");
        check_name(name, &key, &mut found);
        if person.channels.is_empty() {
            let advice = "name at least one receiver that reaches this person";
            wrong(&mut found, format!("{key}.channels"), format!("{name} has no channel"), advice);
        }
        for user in &person.users {
            let shared = |(other, p): &(&String, &super::PersonConfig)| {
                *other != name && (*other == user || p.users.contains(user))
            };
            if let Some((other, _)) = config.persons.iter().find(shared) {
                let advice = format!("it is a user of {other} too; leave it to one of them");
                wrong(&mut found, format!("{key}.users"), format!("{user:?} is not of {name} alone"), advice);
            }
        }
        if person.channels.iter().any(String::is_empty) {
            wrong(&mut found, format!("{key}.channels"), "a channel has no name".to_owned(), "remove it");
        }
    }
    for (name, schedule) in &config.schedules {
        check_name(name, &format!("oncall.schedules.{name}"), &mut found);
        check_schedule(config, name, schedule, &mut found);
    }
    for (name, policy) in &config.policies {
        check_name(name, &format!("oncall.policies.{name}"), &mut found);
        check_policy(config, name, policy, &mut found);
    }
    for (index, route) in config.routes.iter().enumerate() {
        let key = format!("oncall.routes[{index}]");
        for matcher in &route.matchers {
            if let Err(e) = matchers::parse(matcher) {
                let advice = "write it as in severity=\"critical\"";
                wrong(&mut found, format!("{key}.matchers"), e.to_string(), advice);
            }
        }
        if let Some(policy) = route.policy.as_ref().filter(|p| !config.policies.contains_key(*p)) {
            let advice = known(policy, config.policies.keys(), "oncall.policies");
            wrong(&mut found, format!("{key}.policy"), format!("{policy:?} is not a policy"), advice);
        }
        if route.matchers.is_empty() && index + 1 < config.routes.len() {
            let advice = "move it to the end or give it matchers";
            let message = "this route matches every alert, so that no later one is reached".to_owned();
            wrong(&mut found, format!("{key}.matchers"), message, advice);
        }
    }
    if config.ahead < Duration::from_secs(3600) || config.ahead > MAX_WAIT {
        let message = format!("{} is out of range", super::text_of(config.ahead));
        wrong(&mut found, "oncall.ahead".to_owned(), message, "from 1h to 366d");
    }
    if !(1..=1_000_000).contains(&config.max_escalations) {
        let message = format!("{} is out of range", config.max_escalations);
        wrong(&mut found, "oncall.max_escalations".to_owned(), message, "from 1 to 1000000");
    }
    found
}

/// Channels that are no receiver: the key that names each, and what is wrong. `receivers` are the names that exist.
#[must_use]
pub fn check_channels(config: &OncallConfig, receivers: &BTreeSet<String>) -> Vec<(String, Diagnostic)> {
    let mut found = Vec::new();
    let mut check = |key: String, channel: &str| {
        if !receivers.contains(channel) {
            let advice = known(channel, receivers, "the receivers of the alerting configuration");
            wrong(&mut found, key, format!("{channel:?} is not a receiver"), advice);
        }
    };
    for (name, person) in &config.persons {
        for channel in &person.channels {
            check(format!("oncall.persons.{name}.channels"), channel);
        }
    }
    for (name, policy) in &config.policies {
        for (index, step) in policy.steps.iter().enumerate() {
            for target in &step.notify {
                if let Target::Channel(channel) = target {
                    check(format!("oncall.policies.{name}.steps[{index}].notify"), channel);
                }
            }
        }
    }
    found
}

fn wrong(found: &mut Found, key: String, message: String, advice: impl Into<String>) {
    found.push((key, Diagnostic::new(message).advise(advice)));
}

/// Advice for a name that is not known.
fn known<'a>(name: &str, names: impl IntoIterator<Item = &'a String>, place: &str) -> String {
    match suggest::nearest(name, names.into_iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("add it to {place} or remove it here"),
    }
}

fn check_name(name: &str, key: &str, found: &mut Found) {
    if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
        let advice = "write 1 to 200 bytes of printable text";
        wrong(found, key.to_owned(), format!("{name:?} is not a name"), advice);
    }
}

fn check_schedule(config: &OncallConfig, name: &str, schedule: &ScheduleConfig, found: &mut Found) {
    let key = format!("oncall.schedules.{name}");
    if jiff::tz::TimeZone::get(&schedule.time_zone).is_err() {
        let zones: Vec<String> = jiff::tz::db().available().map(|zone| zone.as_str().to_owned()).collect();
        let advice = match suggest::nearest(&schedule.time_zone, zones.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => "write an IANA name such as Europe/Berlin".to_owned(),
        };
        let message = format!("{:?} is not a time zone", schedule.time_zone);
        wrong(found, format!("{key}.time_zone"), message, advice);
    }
    if schedule.layers.is_empty() || schedule.layers.len() > MAX_PARTS {
        let message = format!("{name} has {} layers", schedule.layers.len());
        wrong(found, format!("{key}.layers"), message, "give it 1 to 100 [[…layers]]");
    }
    for (index, layer) in schedule.layers.iter().enumerate() {
        check_layer(config, &format!("{key}.layers[{index}]"), layer, found);
    }
}

fn check_layer(config: &OncallConfig, key: &str, layer: &LayerConfig, found: &mut Found) {
    let longest = layer.rotation.longest();
    if !(1..=longest).contains(&layer.length) {
        let advice = format!("from 1 to {longest} for a rotation that is {}", layer.rotation.as_str());
        wrong(found, format!("{key}.length"), format!("{} is out of range", layer.length), advice);
    }
    if layer.participants.is_empty() || layer.participants.len() > MAX_PARTICIPANTS {
        let message = format!("{} participants take turns", layer.participants.len());
        wrong(found, format!("{key}.participants"), message, "name 1 to 1000 of [oncall.persons]");
    }
    for person in layer.participants.iter().filter(|p| !config.persons.contains_key(*p)) {
        let advice = known(person, config.persons.keys(), "oncall.persons");
        wrong(found, format!("{key}.participants"), format!("{person:?} is not a person"), advice);
    }
    if layer.handoff == super::TimeOfDay::END_OF_DAY {
        let message = "24:00 is no time to hand over".to_owned();
        wrong(found, format!("{key}.handoff"), message, "write 00:00");
    }
    let dates = [
        ("start", Some(layer.start.year())),
        ("from", layer.from.map(jiff::civil::DateTime::year)),
        ("until", layer.until.map(jiff::civil::DateTime::year)),
    ];
    for (field, year) in dates {
        if let Some(year) = year.filter(|y| !YEARS.contains(y)) {
            let message = format!("the year {year} is out of range");
            wrong(found, format!("{key}.{field}"), message, "from 1970 to 2500");
        }
    }
    if let (Some(from), Some(until)) = (layer.from, layer.until)
        && from >= until
    {
        let message = format!("it ends at {until}, not after its begin {from}");
        wrong(found, format!("{key}.until"), message, "write a later time");
    }
    if layer.restrictions.len() > MAX_PARTS {
        let message = format!("{} windows", layer.restrictions.len());
        wrong(found, format!("{key}.restrictions"), message, "write 100 at most");
    }
    for (index, window) in layer.restrictions.iter().enumerate() {
        let place = format!("{key}.restrictions[{index}]");
        if window.days.is_empty() {
            wrong(found, format!("{place}.days"), "the window has no day".to_owned(), "name at least one");
        }
        if window.from == window.to {
            let message = format!("the window ends when it begins, at {}", window.to);
            wrong(found, format!("{place}.to"), message, "write 00:00 to 24:00 for the whole day");
        }
        if window.from == super::TimeOfDay::END_OF_DAY {
            let message = "a window cannot begin at 24:00".to_owned();
            wrong(found, format!("{place}.from"), message, "write 00:00 and the next day");
        }
    }
}

fn check_policy(config: &OncallConfig, name: &str, policy: &PolicyConfig, found: &mut Found) {
    let key = format!("oncall.policies.{name}");
    if policy.steps.is_empty() || policy.steps.len() > MAX_PARTS {
        let message = format!("{name} has {} steps", policy.steps.len());
        wrong(found, format!("{key}.steps"), message, "give it 1 to 100 steps");
    }
    if policy.repeat > MAX_REPEAT {
        wrong(found, format!("{key}.repeat"), format!("{} is out of range", policy.repeat), "from 0 to 1000");
    }
    let mut time = |field: &str, value: Duration, least: Duration| {
        if !(least..=MAX_WAIT).contains(&value) {
            let message = format!("{} is out of range", super::text_of(value));
            let advice = format!("from {} to 366d", super::text_of(least));
            wrong(found, format!("{key}.{field}"), message, advice);
        }
    };
    time("delay", policy.delay, Duration::ZERO);
    if let Some(expiry) = policy.acknowledge_for {
        time("acknowledge_for", expiry, Duration::from_secs(1));
    }
    for (index, step) in policy.steps.iter().enumerate() {
        time(&format!("steps[{index}].wait"), step.wait, Duration::from_secs(1));
    }
    for (index, step) in policy.steps.iter().enumerate() {
        let place = format!("{key}.steps[{index}].notify");
        if step.notify.is_empty() || step.notify.len() > MAX_PARTS {
            let message = format!("the step tells {} targets", step.notify.len());
            let advice = "name 1 to 100 as person:NAME, schedule:NAME or channel:NAME";
            wrong(found, place.clone(), message, advice);
        }
        for target in &step.notify {
            match target {
                Target::Person(person) if !config.persons.contains_key(person) => {
                    let advice = known(person, config.persons.keys(), "oncall.persons");
                    wrong(found, place.clone(), format!("{person:?} is not a person"), advice);
                }
                Target::Schedule(schedule) if !config.schedules.contains_key(schedule) => {
                    let advice = known(schedule, config.schedules.keys(), "oncall.schedules");
                    wrong(found, place.clone(), format!("{schedule:?} is not a schedule"), advice);
                }
                Target::Person(_) | Target::Schedule(_) | Target::Channel(_) => {}
            }
        }
    }
}
