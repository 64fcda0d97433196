//! Forms: a new rollout with what it will mean, the weight of a colour.

use std::collections::BTreeMap;

use quarterdeck_kernel::Subject;
use quarterdeck_kernel::time::format_duration;
use quarterdeck_ui::Context;
use quarterdeck_widgets::{Role, format};

use super::act::{START, WEIGHT, dispatch, told};
use super::{Deployments, words};
use crate::World;
use crate::form::{Form, Typed};
use crate::lists::Effects;

/// What a form is filled in for, whatever is selected by the time it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    Start,
    /// Of this service.
    Weight(String),
}

/// A form that is open.
#[derive(Debug)]
pub(super) struct Asking {
    purpose: Purpose,
    pub(super) form: Form,
}

impl Deployments {
    fn ask(&mut self, cx: &Context<'_, World>, purpose: Purpose, form: Form) -> Effects {
        self.asking = Some(Asking { purpose, form });
        self.retell(cx);
        Vec::new()
    }

    /// Asks what is to be rolled out.
    pub(super) fn ask_start(&mut self, cx: &Context<'_, World>) -> Effects {
        let deploy = &cx.world.deploy;
        let service = self.service().or_else(|| deploy.services.first().map(|view| view.name.clone()));
        let Some(service) = service else {
            return told("no service is deployed from here: add [deploy.services.NAME]");
        };
        if let Err(why) = cx.world.actions.available(START, Some(&Subject::service(service.as_str()))) {
            return told(why.0);
        }
        let view = deploy.service(&service);
        let versions = view.map(|view| {
            let known = view.versions.iter().map(|version| version.name.clone());
            known.filter(|name| Some(name) != view.stable.as_ref()).collect()
        });
        let strategy = view.map(|view| view.strategy.clone()).unwrap_or_default();
        let form = Form::new("roll a version out")
            .field("service", &service, "which service")
            .choices(deploy.services.iter().map(|view| view.name.clone()).collect())
            .field("version", "", "which version of it")
            .choices(versions.unwrap_or_default())
            .field("strategy", &strategy, "how; as the service is configured if empty")
            .choices(deploy.strategies.iter().map(|strategy| strategy.name.clone()).collect())
            .field("reason", "", "why, for the timeline")
            .at(1);
        self.ask(cx, Purpose::Start, form)
    }

    /// Asks what share a colour is to have.
    pub(super) fn ask_weight(&mut self, cx: &Context<'_, World>) -> Effects {
        let Some(service) = self.service() else { return told("select a service first") };
        let Some(rollout) = self.running(cx) else {
            return told(format!("no rollout of {service} is under way"));
        };
        if !words::weighable(&rollout) {
            let kind = rollout.strategy.kind.as_str();
            return told(format!("weights are set by hand in a blue-green deployment; this one is {kind}"));
        }
        if let Err(why) = cx.world.actions.available(WEIGHT, Some(&Subject::service(service.as_str()))) {
            return told(why.0);
        }
        let now = quarterdeck_deploy::model::share_of(&rollout.shares, &rollout.to);
        let colours: Vec<String> = rollout.from.iter().chain([&rollout.to]).cloned().collect();
        let form = Form::new(format!("weight of a colour of {service}"))
            .field("version", &rollout.to, "which colour")
            .choices(colours)
            .field("weight", &now.to_string(), "0 to 100 per cent; the other colour takes the rest")
            .at(1);
        self.ask(cx, Purpose::Weight(service), form)
    }

    /// Tells anew what follows from what is typed.
    pub(super) fn retell(&mut self, cx: &Context<'_, World>) {
        let Some(Asking { purpose, form }) = &mut self.asking else { return };
        form.told = match purpose {
            Purpose::Start => {
                let typed = |name: &str| form.text(name).trim().to_owned();
                start(cx.world, &typed("service"), &typed("version"), &typed("strategy"))
            }
            Purpose::Weight(service) => {
                let (version, weight) = (form.text("version").trim(), form.text("weight").trim());
                vec![match share(weight) {
                    Ok(weight) => weighed(cx.world, service, version, weight),
                    Err(why) => (why, Role::Critical),
                }]
            }
        };
    }

    /// A key, or pasted text, for the form.
    pub(super) fn typed(&mut self, typed: Typed, cx: &Context<'_, World>) -> Effects {
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
    fn answered(&mut self, args: &BTreeMap<String, String>, cx: &Context<'_, World>) -> Effects {
        let Some(Asking { purpose, .. }) = &self.asking else { return Vec::new() };
        let arg = |name: &str| args.get(name).map_or("", String::as_str);
        let effects = match purpose {
            Purpose::Start => {
                let (service, version) = (arg("service"), arg("version"));
                if cx.world.deploy.service(service).is_none() {
                    return told(format!("there is no service {service:?}; Tab takes the first that fits"));
                }
                if version.is_empty() {
                    return told("say which version");
                }
                let given = ["version", "strategy", "reason"].map(|name| (name, arg(name)));
                let given: Vec<(&str, &str)> =
                    given.into_iter().filter(|(_, text)| !text.is_empty()).collect();
                dispatch(START, service, &given)
            }
            Purpose::Weight(service) => match share(arg("weight")) {
                Ok(weight) => {
                    dispatch(WEIGHT, service, &[("version", arg("version")), ("weight", &weight.to_string())])
                }
                Err(why) => return told(why),
            },
        };
        self.asking = None;
        effects
    }
}

/// A share as it is typed.
fn share(text: &str) -> Result<u32, String> {
    match text.trim_end_matches('%').trim().parse::<u32>() {
        Ok(share) if share <= 100 => Ok(share),
        _ => Err(format!("{text:?} is not a share: a whole number from 0 to 100")),
    }
}

/// What a weight will mean.
fn weighed(world: &World, service: &str, version: &str, weight: u32) -> (String, Role) {
    let view = world.deploy.service(service);
    let Some(colour) = view.and_then(|view| view.versions.iter().find(|v| v.name == version)) else {
        return (format!("{service} has no version {version:?} now"), Role::Critical);
    };
    if weight > 0 && colour.ready == 0 {
        return (format!("{version} is not ready: it is given nothing until it is"), Role::Warning);
    }
    let rate: f64 = view.iter().flat_map(|view| &view.versions).map(|version| version.rate).sum();
    let about = format::figure(rate * f64::from(weight) / 100.0);
    let now = colour.share;
    (
        format!("{version} will take {weight} %, about {about} requests a second; now it takes {now} %"),
        Role::Info,
    )
}

/// What a rollout will mean.
pub(super) fn start(world: &World, service: &str, version: &str, strategy: &str) -> Vec<(String, Role)> {
    let deploy = &world.deploy;
    let Some(view) = deploy.service(service) else {
        return vec![(
            format!("there is no service {service:?}; Tab takes the first that fits"),
            Role::Muted,
        )];
    };
    let mut lines = Vec::new();
    if let Some(running) = deploy.rollout_of(service) {
        let by = &running.actor.user;
        let since = format::ago(running.started, world.now);
        let told = format!(
            "{} of {service} is under way, begun {since} ago by {by}: one at a time",
            running.title()
        );
        lines.push((told, Role::Critical));
    }
    let rate: f64 = view.versions.iter().map(|version| version.rate).sum();
    let stable = view.stable.as_deref().unwrap_or("nothing");
    let replicas =
        if view.replicas == 1 { "1 replica".to_owned() } else { format!("{} replicas", view.replicas) };
    let now = format!(
        "now {service} runs {stable} on {replicas} and takes {} requests a second",
        format::figure(rate)
    );
    lines.push((now, Role::Muted));
    if view.stable.as_deref() == Some(version) {
        lines.push((format!("{version} is the stable version already"), Role::Warning));
    }
    let name = if strategy.is_empty() { view.strategy.as_str() } else { strategy };
    match deploy.strategies.iter().find(|known| known.name == name) {
        Some(known) if !known.problem.is_empty() => lines.push((known.problem.clone(), Role::Critical)),
        Some(known) => {
            let longest = match known.longest {
                Some(longest) => format!("at most {}", format_duration(longest)),
                None => "it waits for a key".to_owned(),
            };
            lines.push((format!("{}: {}; {longest}", known.name, known.summary), Role::Info));
        }
        None if name.is_empty() => {}
        None => lines.push((
            format!("{name} is not one of the strategies by name: it is read as a file"),
            Role::Muted,
        )),
    }
    let holds = |freeze: &&quarterdeck_deploy::model::FreezeView| {
        (freeze.from..freeze.until).contains(&world.now)
            && (freeze.services.is_empty() || freeze.services.iter().any(|name| name == service))
    };
    if let Some(freeze) = deploy.freezes.iter().find(holds) {
        let left = format::countdown(freeze.until.as_millis() - world.now.as_millis());
        lines.push((format!("nothing is rolled out for {left}: {}", freeze.reason), Role::Critical));
    }
    lines
}
