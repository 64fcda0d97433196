//! What dialogs about traffic say: what will happen, in numbers.

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::actions::{BREAKER, LIMIT, PURGE, SPLIT, WARM};
use quarterdeck_gateway::model::ServiceView;
use quarterdeck_kernel::{Health, Invocation};
use quarterdeck_resilience::breaker::State;
use quarterdeck_widgets::{Role, format};

use super::{cache, traffic};
use crate::World;

fn arg<'a>(invocation: &'a Invocation, name: &str) -> &'a str {
    invocation.args.get(name).map_or("", |text| text.trim())
}

fn named(invocation: &Invocation) -> &str {
    invocation.subject.as_ref().map_or("", |subject| &subject.id)
}

/// How a dialog about an action of the gateway is headed.
pub(crate) fn title(invocation: &Invocation) -> Option<String> {
    let (service, version) = (named(invocation), arg(invocation, "version"));
    Some(match (invocation.action.as_str(), arg(invocation, "state")) {
        (SPLIT, _) if arg(invocation, "shares") == "configured" => {
            format!("Give {service} its configured split again")
        }
        (SPLIT, _) => format!("Split the traffic of {service}"),
        (BREAKER, "auto") => format!("Let the circuit breaker of {service} {version} decide for itself"),
        (BREAKER, "") => format!("Force the circuit breaker of {service}"),
        (BREAKER, state) => format!("Force the circuit breaker of {service} {version} {state}"),
        (LIMIT, _) => match (arg(invocation, "consumer"), arg(invocation, "per_minute")) {
            ("", _) => "Set the limit of a consumer".to_owned(),
            (who, "0") => format!("Cut {who} off"),
            (who, "") => format!("Limit {who} as its tier has it"),
            (who, n) => format!("Grant {who} {n} requests a minute"),
        },
        (PURGE, _) => "Purge the cache".to_owned(),
        (WARM, _) => format!("Warm the cache of {service}"),
        _ => return None,
    })
}

/// What a service's split is now, while another one is asked for.
pub(crate) fn situation(world: &World, invocation: &Invocation) -> Option<String> {
    let service = world.gateway.service(named(invocation))?;
    let shares = service.versions.iter().map(|v| format!("{} takes {}", v.name, traffic::percent(v.share)));
    Some(format!("Now {}.", shares.collect::<Vec<_>>().join(", ")))
}

/// What an invocation will do; None for what the engine itself says of it.
pub(crate) fn preview(world: &World, invocation: &Invocation) -> Option<Vec<String>> {
    if !invocation.action.starts_with("gateway.") {
        return None;
    }
    // What is refused is refused in the engine's words.
    let engine = world.actions.preview(invocation);
    if engine.iter().any(|line| line.starts_with("It would be refused")) {
        return Some(engine);
    }
    let gateway = &world.gateway;
    match invocation.action.as_str() {
        SPLIT => {
            let service = gateway.service(named(invocation))?;
            let shares = shares(arg(invocation, "shares"))?;
            Some(consequences(service, &shares).into_iter().map(|(line, _)| line).collect())
        }
        BREAKER => {
            let service = gateway.service(named(invocation))?;
            let name = arg(invocation, "version");
            let version = service.versions.iter().find(|version| *version.name == *name)?;
            let takes = format!(
                "{name} takes {} of the requests of {} now, {} a second",
                traffic::percent(version.share),
                service.name,
                format::figure(version.traffic.rate)
            );
            Some(match arg(invocation, "state") {
                "open" => {
                    vec![takes, "All of them will be refused at once until it is given back.".to_owned()]
                }
                "closed" => vec![
                    takes,
                    "All of them will be sent, however much fails, until it is given back.".to_owned(),
                ],
                _ => match &version.breaker {
                    Some(breaker) => {
                        let next = match breaker.view.state {
                            _ if !breaker.view.forced => {
                                "It decides for itself already: nothing will change.".to_owned()
                            }
                            State::Closed => {
                                format!("It will open by itself after {} failures.", breaker.view.limit)
                            }
                            _ => "The next of them is sent to see how it fares; if it fails, it opens again."
                                .to_owned(),
                        };
                        vec![takes, next]
                    }
                    None => vec![takes],
                },
            })
        }
        LIMIT => {
            let who = arg(invocation, "consumer");
            Some(vec![allowance(gateway, who, arg(invocation, "per_minute").parse().ok())])
        }
        PURGE => {
            let of = match arg(invocation, "route") {
                "" => String::new(),
                route => format!(" of the route {route}"),
            };
            let pattern = arg(invocation, "pattern");
            Some(vec![
                format!("What matches {pattern}{of} will be taken out; services are asked for it again."),
                holds(gateway),
            ])
        }
        _ => None,
    }
}

/// `v1=90,v2=10`; None for anything else.
fn shares(text: &str) -> Option<Vec<(String, u32)>> {
    let share = |part: &str| {
        let (version, weight) = part.split_once('=')?;
        Some((version.trim().to_owned(), weight.trim().parse().ok()?))
    };
    text.split([',', ' ']).filter(|part| !part.is_empty()).map(share).collect()
}

/// What a split will mean for each version: `v2 will take 50 % of the requests; now it takes 10 %`.
pub(super) fn consequences(service: &ServiceView, shares: &[(String, u32)]) -> Vec<(String, Role)> {
    let weight =
        |name: &str| shares.iter().find(|(version, _)| version == name).map_or(0, |(_, weight)| *weight);
    let sum: u64 = service.versions.iter().map(|v| u64::from(weight(&v.name))).sum();
    if sum == 0 {
        return vec![(
            "no version would take anything: give one a weight above 0".to_owned(),
            Role::Critical,
        )];
    }
    let rate = service.traffic.rate;
    let mut told = Vec::new();
    for version in &service.versions {
        let after = f64::from(weight(&version.name)) / sum as f64;
        let (now, then) = (traffic::percent(version.share), traffic::percent(after));
        if (after - version.share).abs() < 1e-9 {
            told.push((format!("{} keeps its {now} of the requests", version.name), Role::Muted));
            continue;
        }
        let about = if rate > 0.0 {
            format!(", about {} a second", format::figure(rate * after))
        } else {
            String::new()
        };
        told.push((
            format!("{} will take {then} of the requests{about}; now it takes {now}", version.name),
            Role::Info,
        ));
        let (health, why) = traffic::version(version);
        if after > version.share && health > Health::Ok {
            told.push((format!("but it is not well: {why}"), Role::Warning));
        }
    }
    told
}

/// What a consumer will be allowed, and what it is now.
pub(super) fn allowance(gateway: &Snapshot, who: &str, per_minute: Option<u32>) -> String {
    let grant = gateway.grants.iter().find(|(consumer, _)| consumer == who).map(|(_, n)| *n);
    let now = match grant {
        Some(0) => "it is cut off".to_owned(),
        Some(n) => format!("{} are granted", format::grouped(u64::from(n))),
        None => match gateway.limits.iter().find(|standing| standing.who == who) {
            Some(s) => format!(
                "its tier has {} in {} s, {} left, {} refused",
                s.count,
                s.seconds,
                s.remaining,
                format::grouped(s.refused)
            ),
            None => "it is limited as its tier has it".to_owned(),
        },
    };
    match per_minute {
        Some(0) => format!("Every request of {who} will be refused; now {now}"),
        Some(n) => format!("{who} may make {} requests a minute; now {now}", format::grouped(u64::from(n))),
        None => format!("{who} will be limited as its tier has it; now {now}"),
    }
}

/// What the cache holds.
pub(super) fn holds(gateway: &Snapshot) -> String {
    let (answers, bytes) = (gateway.cache.entries, cache::bytes(gateway.cache.bytes));
    let word = if answers == 1 { "answer" } else { "answers" };
    format!("The cache holds {} {word}, {bytes}.", format::grouped(answers))
}
