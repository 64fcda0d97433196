//! What dialogs about an action say: what is about to be done, what holds now, what can be chosen.

use quarterdeck_kernel::{Invocation, SubjectKind};
use quarterdeck_services::actions::LIMIT;
use quarterdeck_services::overrides::limit_of;
use quarterdeck_services::{ServiceView, TransactionView};
use quarterdeck_widgets::{Unit, format};

use crate::World;

/// See [`quarterdeck_ui::World::title`].
pub(crate) fn title(world: &World, invocation: &Invocation) -> Option<String> {
    match invocation.action.as_str() {
        "timeline.undo" => {
            let id = invocation.subject.as_ref()?.id.parse().ok()?;
            Some(format!("Undo: {}", world.timeline.entry(&id)?.summary))
        }
        LIMIT => {
            let service = service(world, invocation)?;
            Some(match limit(invocation) {
                None => format!("Set a limit of {}", service.name),
                Some(kind) => format!("Set the {}", limit_of(kind, &service.name, transaction(invocation))),
            })
        }
        action if action.starts_with("gateway.") => crate::gateway::dialog::title(invocation),
        action if action.starts_with("deploy.") => crate::deployments::dialog::title(world, invocation),
        action if action.starts_with("alerts.") => {
            let print = quarterdeck_alerting::actions::alert_of(invocation.subject.as_ref()?)?;
            let spec = world.actions.specs().iter().find(|spec| spec.id == action)?;
            Some(format!("{} {}", spec.title, world.alerting.alerts.alert(print)?.name()))
        }
        _ => None,
    }
}

/// See [`quarterdeck_ui::World::situation`].
pub(crate) fn situation(world: &World, invocation: &Invocation, argument: &str) -> Option<String> {
    if invocation.action == quarterdeck_gateway::actions::SPLIT {
        return crate::gateway::dialog::situation(world, invocation);
    }
    if invocation.action != LIMIT || argument != "value" {
        return None;
    }
    let service = service(world, invocation)?;
    let (now, limit) = standing(service, transaction(invocation), limit(invocation)?)?;
    Some(format!("{now}; {limit}."))
}

/// See [`quarterdeck_ui::World::choices`].
pub(crate) fn choices(
    world: &World,
    invocation: &Invocation,
    argument: &str,
) -> Option<Vec<(String, String)>> {
    if invocation.action == quarterdeck_alerting::actions::OVERRIDE && argument == "person" {
        let persons = world.alerting.oncall.persons.iter();
        return Some(persons.map(|(id, name)| (id.clone(), name.clone())).collect());
    }
    if let Some(choices) = crate::deployments::dialog::choices(world, invocation, argument) {
        return Some(choices);
    }
    if invocation.action != LIMIT {
        return None;
    }
    let service = service(world, invocation)?;
    let transaction = transaction(invocation);
    match argument {
        "limit" => {
            let mut kinds = vec!["latency", "errors", "saturation"];
            if !transaction.is_empty() {
                kinds.extend(["threshold", "target"]);
            }
            let told = kinds.into_iter().filter_map(|kind| {
                let (now, limit) = standing(service, transaction, kind)?;
                Some((kind.to_owned(), format!("{now}; {limit}")))
            });
            Some(told.collect())
        }
        "value" => Some(vec![
            ("default".to_owned(), "what the configuration says".to_owned()),
            ("none".to_owned(), "no limit".to_owned()),
        ]),
        _ => None,
    }
}

fn service<'a>(world: &'a World, invocation: &Invocation) -> Option<&'a ServiceView> {
    let subject = invocation.subject.as_ref().filter(|s| s.kind == SubjectKind::Service)?;
    world.services.service(&subject.id).map(|s| &**s)
}

fn limit(invocation: &Invocation) -> Option<&str> {
    invocation.args.get("limit").map(String::as_str)
}

fn transaction(invocation: &Invocation) -> &str {
    invocation.args.get("transaction").map_or("", String::as_str)
}

/// What is limited, as it is now and as it should be: `p99 of orders is 84 ms` and `its limit is 60 ms`.
fn standing(service: &ServiceView, transaction: &str, kind: &str) -> Option<(String, String)> {
    let nothing = empty();
    let of = service.transaction(transaction).unwrap_or(&nothing);
    let signals = &service.signals;
    let name = &service.name;
    let (what, value, limit, unit) = match kind {
        "latency" => (format!("p99 of {name}"), signals.p99.value, signals.p99.limit, Unit::Millis),
        "errors" => (format!("errors of {name}"), signals.errors.value, signals.errors.limit, Unit::Percent),
        "saturation" => {
            let full = signals.saturated.as_deref().unwrap_or("saturation");
            (format!("{full} of {name}"), signals.saturation.value, signals.saturation.limit, Unit::Percent)
        }
        "threshold" => (format!("p99 of {transaction}"), of.p99, of.threshold, Unit::Millis),
        "target" => (format!("{transaction} within its time limit"), of.attainment, of.target, Unit::Percent),
        _ => return None,
    };
    let full = |value: f64| match kind {
        "target" => format!("{} %", format::attained(value)),
        _ => unit.full(value),
    };
    let now = match value {
        Some(value) => format!("{what} is {}", full(value)),
        None => format!("{what} is not known"),
    };
    let word = match kind {
        "threshold" => "time limit",
        "target" => "aim",
        _ => "limit",
    };
    let limit = match limit {
        Some(limit) => format!("its {word} is {}", full(limit)),
        None => format!("it has no {word}"),
    };
    Some((now, limit))
}

/// A transaction of which nothing is known.
fn empty() -> TransactionView {
    TransactionView {
        name: "".into(),
        rate: None,
        errors: None,
        p50: None,
        p95: None,
        p99: None,
        apdex: None,
        threshold: None,
        target: None,
        attainment: None,
        broken_since: None,
        rate_history: [].into(),
        p99_history: [].into(),
    }
}
