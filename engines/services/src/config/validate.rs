//! Mistakes that the types of the configuration do not show.

use quarterdeck_kernel::{Diagnostic, suggest};

use super::{Catalogue, Convention, Limits, ServiceConfig, SignalsConfig};
use crate::selector::Selector;

/// Every mistake: the key (as in `services.orders.depends_on`) and what is wrong there.
#[must_use]
pub fn validate(catalogue: &Catalogue, signals: &SignalsConfig) -> Vec<(String, Diagnostic)> {
    let mut found = Vec::new();
    for (name, service) in catalogue {
        check_service(catalogue, name, service, &mut found);
    }
    check_signals(signals, &mut found);
    found
}

type Found = Vec<(String, Diagnostic)>;

fn wrong(found: &mut Found, key: String, message: String, advice: impl Into<String>) {
    found.push((key, Diagnostic::new(message).advise(advice)));
}

fn check_service(catalogue: &Catalogue, name: &str, service: &ServiceConfig, found: &mut Found) {
    let key = |rest: &str| format!("services.{name}.{rest}");
    if name.is_empty() || name.chars().any(char::is_control) {
        let message = format!("{name:?} is not a name of a service");
        wrong(found, format!("services.{name}"), message, "write printable text");
    }
    for selector in service.matches.selectors() {
        if let Err(e) = Selector::parse(selector) {
            wrong(found, key("matches"), e.to_string(), "");
        }
    }
    for needed in service.depends_on.iter().filter(|n| !catalogue.contains_key(*n)) {
        let advice = match suggest::nearest(needed, catalogue.keys().map(String::as_str)) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("add [services.{needed}] or remove it here"),
        };
        wrong(found, key("depends_on"), format!("{needed:?} is not a service of the catalogue"), advice);
    }
    check_limits(&service.limits, &key("limits"), found);
    for (transaction, config) in &service.transactions {
        let place = key(&format!("transactions.{transaction:?}"));
        if config.threshold.is_none() && config.target.is_some() {
            let advice = "give a threshold such as 50ms";
            wrong(
                found,
                format!("{place}.target"),
                "a target without a threshold says nothing".to_owned(),
                advice,
            );
        }
        check_percent(config.target, &format!("{place}.target"), found);
        if config.threshold.is_some_and(|t| t.is_zero()) {
            let advice = "write a time such as 50ms";
            wrong(found, format!("{place}.threshold"), "the threshold is zero".to_owned(), advice);
        }
    }
}

fn check_limits(limits: &Limits, place: &str, found: &mut Found) {
    check_percent(limits.errors, &format!("{place}.errors"), found);
    check_percent(limits.saturation, &format!("{place}.saturation"), found);
    check_percent(limits.down_errors, &format!("{place}.down_errors"), found);
}

fn check_percent(value: Option<f64>, key: &str, found: &mut Found) {
    if let Some(value) = value.filter(|v| !(0.0..=100.0).contains(v)) {
        wrong(found, key.to_owned(), format!("{value} is not a percentage"), "write a number from 0 to 100");
    }
}

fn check_signals(signals: &SignalsConfig, found: &mut Found) {
    let times = [
        ("interval", signals.interval),
        ("window", signals.window),
        ("range", signals.range),
        ("stale_after", signals.stale_after),
        ("apdex", signals.apdex),
    ];
    for (key, _) in times.iter().filter(|(_, t)| t.is_zero()) {
        wrong(found, format!("signals.{key}"), format!("{key} is zero"), "write a time such as 5s");
    }
    if signals.range < signals.window {
        let message = format!("range {:?} is shorter than window {:?}", signals.range, signals.window);
        wrong(found, "signals.range".to_owned(), message, "make it at least the window");
    }
    if !(10..=120).contains(&signals.points) {
        let message = format!("{} is out of range", signals.points);
        wrong(found, "signals.points".to_owned(), message, "from 10 to 120");
    }
    if signals.service_labels.is_empty() {
        let advice = "name at least one, such as job";
        wrong(found, "signals.service_labels".to_owned(), "there is no label".to_owned(), advice);
    }
    check_limits(&signals.limits, "signals.limits", found);
    for (name, convention) in &signals.conventions {
        check_convention(name, convention, found);
    }
}

fn check_convention(name: &str, convention: &Convention, found: &mut Found) {
    let key = |rest: &str| format!("signals.conventions.{name}.{rest}");
    let mut queries: Vec<(String, &str)> = Vec::new();
    let named =
        [("rate", &convention.rate), ("errors", &convention.errors), ("latency", &convention.latency)];
    queries.extend(named.iter().filter_map(|(field, query)| Some((key(field), query.as_deref()?))));
    queries.extend(convention.saturation.iter().map(|(r, q)| (key(&format!("saturation.{r}")), q.as_str())));
    queries.extend(convention.usage.iter().map(|(r, u)| (key(&format!("usage.{r}")), u.query.as_str())));
    for (place, query) in queries {
        if !query.contains("$by") {
            let message = format!("{query:?} does not group by $by");
            wrong(found, place.clone(), message, "write it as in sum by ($by) (rate(x_total[$window]))");
        }
        let filled = query.replace("$by", "job").replace("$window", "1m");
        if let Err(e) = quarterdeck_promql::parse(&filled) {
            wrong(found, place, format!("{query:?} is not PromQL: {e}"), "");
        }
    }
    if convention.errors.is_some() && convention.rate.is_none() {
        let advice = "errors are told in percent of the rate";
        wrong(found, key("errors"), "there is no rate beside the errors".to_owned(), advice);
    }
}
