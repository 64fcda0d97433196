//! Forms: a split with what it will mean, a consumer's limit, what to purge, what to warm.

use std::collections::BTreeMap;

use quarterdeck_gateway::actions::{LIMIT, PURGE, SPLIT, WARM};
use quarterdeck_kernel::Subject;
use quarterdeck_ui::{Context, Effect};
use quarterdeck_widgets::{Role, format};

use super::act::{dispatch, told};
use super::rows::Kind;
use super::{Gateway, cache, dialog};
use crate::World;
use crate::form::{Form, Typed};

/// What a form is filled in for, whatever is selected by the time it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    /// Of this service.
    Split(String),
    Limit,
    Purge,
    /// Of this route.
    Warm(Subject),
}

/// A form that is open.
#[derive(Debug)]
pub(super) struct Asking {
    purpose: Purpose,
    pub(super) form: Form,
}

impl Gateway {
    fn ask(&mut self, cx: &Context<'_, World>, purpose: Purpose, form: Form) -> Vec<Effect<World>> {
        self.asking = Some(Asking { purpose, form });
        self.retell(cx);
        Vec::new()
    }

    /// Asks for the weight of each version.
    pub(super) fn ask_split(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(service) = self.service() else { return told("select a route or an upstream first") };
        if service.versions.len() < 2 {
            return told(format!("{} has one version: it takes everything", service.name));
        }
        if let Err(why) = cx.world.actions.available(SPLIT, Some(&service.subject())) {
            return told(why.0);
        }
        let mut form = Form::new(format!("split the traffic of {}", service.name));
        for version in &service.versions {
            form = form.field(version.name.to_string(), &version.weight.to_string(), "0: it takes nothing");
        }
        // The one that is most likely to be changed: the last, which is the newest as a rule.
        let form = form.at(service.versions.len() - 1);
        self.ask(cx, Purpose::Split(service.name.to_string()), form)
    }

    /// Asks how much a consumer may.
    pub(super) fn ask_limit(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Err(why) = cx.world.actions.available(LIMIT, None) {
            return told(why.0);
        }
        let consumer = self.consumer();
        let who = consumer.as_ref().map(|c| c.who.clone()).unwrap_or_default();
        let now = consumer.as_ref().and_then(|c| c.grant).map(|n| n.to_string()).unwrap_or_default();
        let known = cx.world.gateway.limits.iter().map(|standing| standing.who.clone()).collect();
        let form = Form::new("set the limit of a consumer")
            .field("consumer", &who, "its name, or its address")
            .choices(known)
            .field("per_minute", &now, "requests a minute; 0 cuts it off; empty for what its tier has")
            .at(usize::from(!who.is_empty()));
        self.ask(cx, Purpose::Limit, form)
    }

    /// Asks which answers are to be taken out.
    pub(super) fn ask_purge(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if let Err(why) = cx.world.actions.available(PURGE, None) {
            return told(why.0);
        }
        let route = self.route().filter(|_| self.kind == Kind::Cache);
        let name = route.map(|route| route.name.to_string()).unwrap_or_default();
        let form = Form::new("purge the cache")
            .field("pattern", "*", "path, or host and path, with * for anything")
            .field("route", &name, "only of this route; all if empty");
        self.ask(cx, Purpose::Purge, form)
    }

    /// Asks which paths are to be fetched.
    pub(super) fn ask_warm(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(route) = self.route() else { return told("select a route first") };
        if !route.filters.contains(&"cache") {
            return told(format!(
                "{} keeps no answers: give it [gateway.routes.{}.filters.cache]",
                route.name, route.name
            ));
        }
        if let Err(why) = cx.world.actions.available(WARM, Some(&route.subject())) {
            return told(why.0);
        }
        // What was asked for lately is likely to be asked for again.
        let mut paths: Vec<String> = Vec::new();
        for sample in cx.world.gateway.samples.iter().rev() {
            if sample.route.as_ref() == Some(&route.name) && !paths.contains(&sample.path) && paths.len() < 6
            {
                paths.push(sample.path.clone());
            }
        }
        let form = Form::new(format!("warm the cache of {}", route.name))
            .field("paths", "", "paths, separated by commas: /prices, /products/1")
            .choices(paths);
        self.ask(cx, Purpose::Warm(route.subject()), form)
    }

    /// Tells anew what follows from what is typed.
    pub(super) fn retell(&mut self, cx: &Context<'_, World>) {
        let Some(Asking { purpose, form }) = &mut self.asking else { return };
        let gateway = &cx.world.gateway;
        form.told = match purpose {
            Purpose::Split(name) => match gateway.service(name) {
                Some(service) => {
                    let typed =
                        service.versions.iter().map(|v| (v.name.to_string(), form.text(&v.name).to_owned()));
                    let typed: Vec<(String, String)> = typed.collect();
                    match weights(&typed) {
                        Ok(shares) => dialog::consequences(service, &shares),
                        Err(why) => vec![(why, Role::Critical)],
                    }
                }
                None => vec![(format!("{name} is gone from the gateway"), Role::Critical)],
            },
            Purpose::Limit => {
                let typed = form.text("per_minute").trim();
                match (form.text("consumer").trim(), typed.parse::<u32>()) {
                    ("", _) => vec![("say who; Tab takes the first name".to_owned(), Role::Muted)],
                    (who, Err(_)) if typed.is_empty() => {
                        vec![(format!("{who} will be limited as its tier has it"), Role::Info)]
                    }
                    (_, Err(_)) => vec![(format!("{typed:?} is not a whole number"), Role::Critical)],
                    (who, Ok(per_minute)) => {
                        vec![(dialog::allowance(gateway, who, Some(per_minute)), Role::Info)]
                    }
                }
            }
            Purpose::Purge => vec![(dialog::holds(gateway), Role::Info)],
            Purpose::Warm(_) => {
                let told = format!(
                    "answers are kept as the route's rule has it; {}",
                    cache::summary(&gateway.cache)
                );
                vec![(told, Role::Muted)]
            }
        };
    }

    /// A key, or pasted text, for the form.
    pub(super) fn typed(&mut self, typed: Typed, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match typed {
            Typed::Goes => {
                self.retell(cx);
                Vec::new()
            }
            Typed::Left => {
                self.asking = None;
                Vec::new()
            }
            Typed::Done(args) => self.answered(&args, cx),
        }
    }

    /// Does what was filled in; what cannot be done stays open, with why.
    fn answered(&mut self, args: &BTreeMap<String, String>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(Asking { purpose, .. }) = &self.asking else { return Vec::new() };
        let arg = |name: &str| args.get(name).cloned().unwrap_or_default();
        let effects = match purpose {
            Purpose::Split(name) => {
                let Some(service) = cx.world.gateway.service(name) else {
                    return told(format!("{name} is gone from the gateway"));
                };
                let typed: Vec<(String, String)> =
                    service.versions.iter().map(|v| (v.name.to_string(), arg(&v.name))).collect();
                match weights(&typed) {
                    Ok(shares) if shares.iter().all(|(_, weight)| *weight == 0) => {
                        return told("no version would take anything: give one a weight above 0");
                    }
                    Ok(shares) => {
                        let shares: Vec<String> =
                            shares.iter().map(|(v, weight)| format!("{v}={weight}")).collect();
                        dispatch(SPLIT, Some(service.subject()), [("shares", shares.join(","))])
                    }
                    Err(why) => return told(why),
                }
            }
            Purpose::Limit => {
                let (who, per_minute) = (arg("consumer"), arg("per_minute"));
                if who.is_empty() {
                    return told("say which consumer");
                }
                match per_minute.parse::<u32>() {
                    Ok(_) => dispatch(LIMIT, None, [("consumer", who), ("per_minute", per_minute)]),
                    Err(_) if per_minute.is_empty() => dispatch(LIMIT, None, [("consumer", who)]),
                    Err(_) => return told(format!("{per_minute:?} is not a whole number")),
                }
            }
            Purpose::Purge => {
                let (pattern, route) = (arg("pattern"), arg("route"));
                if pattern.is_empty() {
                    return told("say what to purge; * is everything");
                }
                if !route.is_empty() && cx.world.gateway.route(&route).is_none() {
                    return told(format!("there is no route {route:?}"));
                }
                match route.is_empty() {
                    true => dispatch(PURGE, None, [("pattern", pattern)]),
                    false => dispatch(PURGE, None, [("pattern", pattern), ("route", route)]),
                }
            }
            Purpose::Warm(route) => {
                let paths = arg("paths");
                if let Some(bad) = paths.split(',').map(str::trim).find(|path| !path.starts_with('/')) {
                    return told(format!("{bad:?} is not a path: it begins with /"));
                }
                dispatch(WARM, Some(route.clone()), [("paths", paths)])
            }
        };
        self.asking = None;
        effects
    }
}

/// The weights of versions as they are typed; an empty one is nothing.
fn weights(typed: &[(String, String)]) -> Result<Vec<(String, u32)>, String> {
    let weight = |(version, text): &(String, String)| match text.trim().trim_end_matches('%').trim() {
        "" => Ok((version.clone(), 0)),
        text => match text.parse() {
            Ok(weight) => Ok((version.clone(), weight)),
            Err(_) => Err(format!(
                "{version}: {text:?} is not a weight: a whole number from 0 to {}",
                format::grouped(u64::from(u32::MAX))
            )),
        },
    };
    typed.iter().map(weight).collect()
}
