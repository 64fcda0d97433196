//! Limits set at run time: what may be set, how it is stored, what undoes it.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::time::{format_duration, parse_duration};
use quarterdeck_kernel::{Invocation, Reason, Subject, SubjectKind, suggest};

use crate::actions::LIMIT;
use crate::assess::{InForce, Level};
use crate::catalogue::Plan;
use crate::config::ServiceConfig;
use crate::model::Snapshot;
use crate::words::{attained, figure, latency};

/// The kinds of limits, as the action names them.
const KINDS: [&str; 5] = ["latency", "errors", "saturation", "threshold", "target"];

/// Stands for the configured limit.
const DEFAULT: &str = "default";

/// Stands for no limit.
const NONE: &str = "none";

/// Limits set at run time, by key. Keys and values are plain text, made to be stored as rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides(BTreeMap<String, String>);

/// A change of a limit that has not been made yet.
#[derive(Clone, Debug, PartialEq)]
pub struct LimitChange {
    /// The row to store.
    pub key: String,
    /// Its value; none removes the row.
    pub value: Option<String>,
    /// What will have happened, in one sentence: `orders: p99 latency limit is now 50 ms (was 80 ms)`.
    pub message: String,
    /// What would happen, in one sentence, for the confirmation: `The p99 latency limit of orders will be 50 ms; now it is
    /// 80 ms.`
    pub preview: String,
    /// What undoes it. It expects to find the new value.
    pub undo: Invocation,
}

impl Overrides {
    /// Overrides from stored rows.
    pub fn from_rows(rows: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(rows.into_iter().collect())
    }

    /// Takes a stored row into account; none removes it.
    pub fn set(&mut self, key: &str, value: Option<&str>) {
        match value {
            Some(value) => drop(self.0.insert(key.to_owned(), value.to_owned())),
            None => drop(self.0.remove(key)),
        }
    }

    fn get(&self, kind: &str, service: &str, transaction: &str) -> Option<&str> {
        self.0.get(&key(kind, service, transaction)).map(String::as_str)
    }

    /// The limit that an override says, in milliseconds or percent; the given one when there is none.
    fn over(&self, configured: Option<f64>, kind: &str, service: &str, transaction: &str) -> Option<f64> {
        match self.get(kind, service, transaction) {
            Some(NONE) => None,
            Some(text) => number(kind, text).or(configured),
            None => configured,
        }
    }

    /// The limits in force for a service.
    #[must_use]
    pub fn in_force(&self, plan: &Plan, service: &str) -> InForce {
        let millis = |d: Duration| d.as_secs_f64() * 1000.0;
        let nothing = ServiceConfig::default();
        let configured = plan.catalogue.get(service).unwrap_or(&nothing);
        let (own, common) = (&configured.limits, &plan.signals.limits);
        let over = |configured: Option<f64>, kind: &str| self.over(configured, kind, service, "");
        let mut transactions: BTreeMap<String, Level> = BTreeMap::new();
        let configured_names = configured.transactions.keys().map(String::as_str);
        for name in configured_names.chain(self.transactions(service)) {
            let level = configured.transactions.get(name).cloned().unwrap_or_default();
            let threshold = self.over(level.threshold.map(millis), "threshold", service, name);
            let target = self.over(level.target, "target", service, name);
            transactions.insert(name.to_owned(), Level { threshold, target });
        }
        InForce {
            latency: over(own.latency.or(common.latency).map(millis), "latency"),
            errors: over(own.errors.or(common.errors), "errors"),
            saturation: over(own.saturation.or(common.saturation), "saturation"),
            down_errors: own.down_errors.or(common.down_errors),
            transactions,
        }
    }

    /// The limit of a kind that is in force, in milliseconds or percent.
    fn limit(&self, plan: &Plan, kind: &str, service: &str, transaction: &str) -> Option<f64> {
        let all = self.in_force(plan, service);
        let level = all.transactions.get(transaction).copied().unwrap_or_default();
        match kind {
            "latency" => all.latency,
            "errors" => all.errors,
            "saturation" => all.saturation,
            "threshold" => level.threshold,
            _ => level.target,
        }
    }

    /// Transactions of a service that have an override.
    fn transactions<'a>(&'a self, service: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.keys().filter_map(move |key| {
            let mut parts = key.splitn(3, '\t');
            let (_, of, transaction) = (parts.next()?, parts.next()?, parts.next()?);
            (of == service).then_some(transaction)
        })
    }

    /// What an invocation of `services.limit` would change.
    ///
    /// # Errors
    /// When subject or arguments do not make sense, or the limit is not what the invocation expects to find.
    pub fn plan(
        &self,
        plan: &Plan,
        snapshot: &Snapshot,
        invocation: &Invocation,
    ) -> Result<LimitChange, Reason> {
        let fail = |text: String| Err(Reason(text));
        let (service, transaction) = subject(invocation)?;
        if !plan.catalogue.contains_key(&service) && snapshot.service(&service).is_none() {
            let known = snapshot.services.iter().map(|s| &*s.name);
            let near = suggest::nearest(&service, known).map(|n| format!("; did you mean {n}?"));
            return fail(format!("there is no service {service:?}{}", near.unwrap_or_default()));
        }
        let argument = |name: &str| invocation.args.get(name).map(|v| v.trim());
        let Some(kind) = argument("limit").and_then(|l| KINDS.into_iter().find(|k| *k == l)) else {
            return fail(format!("name the limit: limit={}", KINDS.join("|")));
        };
        let of_transaction = matches!(kind, "threshold" | "target");
        let transaction = if of_transaction { transaction } else { String::new() };
        if of_transaction && transaction.is_empty() {
            return fail(format!("{kind} is of a transaction: name it, as in transaction=\"POST /orders\""));
        }
        let value = value(kind, argument("value").unwrap_or_default())?;
        let old = self.get(kind, &service, &transaction).unwrap_or(DEFAULT);
        if let Some(expected) = invocation.expects.as_deref().filter(|e| *e != old) {
            return fail(format!(
                "the {} is now {}, not {}: it was changed since, so nothing is overwritten",
                limit_of(kind, &service, &transaction),
                bare(kind, old),
                with_unit(kind, expected)
            ));
        }
        // What stands in the configuration is told in figures: "as configured" alone says nothing at three in the morning.
        let configured = Self::default().limit(plan, kind, &service, &transaction);
        let shown = |text: &str| match (text, configured) {
            (DEFAULT, None) => "none, as configured".to_owned(),
            (DEFAULT, Some(limit)) => format!("{}, as configured", told(kind, limit)),
            _ => with_unit(kind, text),
        };
        let mut undo = Invocation::new(LIMIT, invocation.actor.clone())
            .on(Subject::service(&service))
            .arg("limit", kind)
            .arg("value", old);
        if of_transaction {
            undo = undo.arg("transaction", &transaction);
        }
        undo.expects = Some(value.clone());
        Ok(LimitChange {
            key: key(kind, &service, &transaction),
            message: format!(
                "{service}: {} is now {} (was {})",
                limit_name(kind, &transaction),
                shown(&value),
                shown(old)
            ),
            preview: format!(
                "The {} will be {}; now it is {}.",
                limit_of(kind, &service, &transaction),
                shown(&value),
                shown(old)
            ),
            value: (value != DEFAULT).then_some(value),
            undo,
        })
    }
}

/// Service and transaction that an invocation is about.
fn subject(invocation: &Invocation) -> Result<(String, String), Reason> {
    let named = invocation.args.get("transaction").cloned().unwrap_or_default();
    let (service, transaction) = match &invocation.subject {
        Some(s) if s.kind == SubjectKind::Service => (s.id.clone(), named),
        Some(s) if s.kind == SubjectKind::Transaction => {
            let (service, transaction) = s.id.split_once('/').unwrap_or((&s.id, ""));
            (service.to_owned(), transaction.to_owned())
        }
        _ => return Err(Reason("limits are of a service: name one, as in service:orders".to_owned())),
    };
    if service.contains('\t') || transaction.contains('\t') {
        return Err(Reason("names of services and transactions hold no tabs here".to_owned()));
    }
    Ok((service, transaction))
}

fn key(kind: &str, service: &str, transaction: &str) -> String {
    if transaction.is_empty() {
        format!("{kind}\t{service}")
    } else {
        format!("{kind}\t{service}\t{transaction}")
    }
}

fn is_time(kind: &str) -> bool {
    matches!(kind, "latency" | "threshold")
}

/// A stored value as a number: milliseconds or percent.
fn number(kind: &str, text: &str) -> Option<f64> {
    if is_time(kind) { Some(parse_duration(text).ok()?.as_secs_f64() * 1000.0) } else { text.parse().ok() }
}

/// The value of an argument as it is stored.
fn value(kind: &str, text: &str) -> Result<String, Reason> {
    if matches!(text, NONE | DEFAULT) {
        return Ok(text.to_owned());
    }
    if is_time(kind) {
        // A plain number is taken as milliseconds.
        let plain = text.parse::<u64>().ok().map(Duration::from_millis);
        let parsed = plain.or_else(|| parse_duration(text).ok()).filter(|d| !d.is_zero());
        let said = || Reason(format!("{text:?} is not a time: write it as in 50ms, or none, or default"));
        return parsed.map(format_duration).ok_or_else(said);
    }
    let parsed = text.trim_end_matches('%').trim_end().parse::<f64>().ok();
    match parsed.filter(|p| (0.0..=100.0).contains(p)) {
        Some(percent) => Ok(percent.to_string()),
        None => Err(Reason(format!(
            "{text:?} is not a percentage: write a number from 0 to 100, or none, or default"
        ))),
    }
}

/// What a limit is on, as people say it: `p99 latency limit`, `time limit of POST /orders`.
#[must_use]
pub fn limit_name(kind: &str, transaction: &str) -> String {
    match kind {
        "latency" => "p99 latency limit".to_owned(),
        "errors" => "error limit".to_owned(),
        "saturation" => "saturation limit".to_owned(),
        "threshold" => format!("time limit of {transaction}"),
        _ => format!("aim of {transaction}"),
    }
}

/// The same with its service: `p99 latency limit of orders`, `time limit of POST /orders of orders`.
#[must_use]
pub fn limit_of(kind: &str, service: &str, transaction: &str) -> String {
    match kind {
        "threshold" | "target" => format!("{} ({service})", limit_name(kind, transaction)),
        _ => format!("{} of {service}", limit_name(kind, transaction)),
    }
}

/// A limit of a kind, with its unit.
fn told(kind: &str, limit: f64) -> String {
    match kind {
        "target" => format!("{} %", attained(limit)),
        _ if is_time(kind) => latency(limit),
        _ => format!("{} %", figure(limit)),
    }
}

/// A stored value with its unit.
fn with_unit(kind: &str, text: &str) -> String {
    match number(kind, text) {
        Some(limit) => told(kind, limit),
        None if text == DEFAULT => "as configured".to_owned(),
        None => text.to_owned(),
    }
}

/// A stored value without its unit.
fn bare(kind: &str, text: &str) -> String {
    let text = with_unit(kind, text);
    text.strip_suffix(" %").or_else(|| text.strip_suffix(" ms")).unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Catalogue, Limits, SignalsConfig, TransactionConfig};
    use quarterdeck_kernel::Actor;

    fn plan() -> Plan {
        let limits = Limits { latency: Some(Duration::from_millis(80)), ..Limits::default() };
        let level = TransactionConfig { threshold: Some(Duration::from_millis(50)), target: Some(99.5) };
        let transactions = [("POST /orders".to_owned(), level)].into();
        let service = ServiceConfig { limits, transactions, ..ServiceConfig::default() };
        Plan::new(Catalogue::from([("orders".to_owned(), service)]), SignalsConfig::default())
    }

    fn invoke(limit: &str, value: &str) -> Invocation {
        Invocation::new(LIMIT, Actor::default())
            .on(Subject::service("orders"))
            .arg("limit", limit)
            .arg("value", value)
    }

    fn change(overrides: &Overrides, invocation: &Invocation) -> Result<LimitChange, String> {
        overrides.plan(&plan(), &Snapshot::default(), invocation).map_err(|r| r.0)
    }

    #[test]
    fn a_limit_is_set_undone_and_the_undo_undone() {
        let mut overrides = Overrides::default();
        assert_eq!(overrides.in_force(&plan(), "orders").latency, Some(80.0));
        let set = change(&overrides, &invoke("latency", "50ms")).unwrap();
        assert_eq!(set.message, "orders: p99 latency limit is now 50 ms (was 80 ms, as configured)");
        assert_eq!(
            set.preview,
            "The p99 latency limit of orders will be 50 ms; now it is 80 ms, as configured."
        );
        overrides.set(&set.key, set.value.as_deref());
        assert_eq!(overrides.in_force(&plan(), "orders").latency, Some(50.0));
        let undo = change(&overrides, &set.undo).unwrap();
        assert_eq!(undo.message, "orders: p99 latency limit is now 80 ms, as configured (was 50 ms)");
        overrides.set(&undo.key, undo.value.as_deref());
        assert_eq!(overrides, Overrides::default());
        let redo = change(&overrides, &undo.undo).unwrap();
        assert_eq!((redo.key, redo.value), (set.key, set.value));
    }

    #[test]
    fn an_undo_after_another_change_is_a_conflict() {
        let mut overrides = Overrides::default();
        let first = change(&overrides, &invoke("errors", "1.5 %")).unwrap();
        overrides.set(&first.key, first.value.as_deref());
        let second = change(&overrides, &invoke("errors", "2")).unwrap();
        overrides.set(&second.key, second.value.as_deref());
        assert_eq!(
            change(&overrides, &first.undo).unwrap_err(),
            "the error limit of orders is now 2, not 1.5 %: it was changed since, so nothing is overwritten"
        );
        assert_eq!(overrides.in_force(&plan(), "orders").errors, Some(2.0));
    }

    #[test]
    fn transactions_have_levels_of_their_own() {
        let mut overrides = Overrides::default();
        let mut invocation = invoke("threshold", "25");
        assert!(change(&overrides, &invocation).unwrap_err().starts_with("threshold is of a transaction"));
        invocation = invocation.arg("transaction", "POST /orders");
        let set = change(&overrides, &invocation).unwrap();
        overrides.set(&set.key, set.value.as_deref());
        let level = overrides.in_force(&plan(), "orders").transactions["POST /orders"];
        assert_eq!(level, Level { threshold: Some(25.0), target: Some(99.5) });
        let subject = Subject::new(SubjectKind::Transaction, "orders/GET /orders/{id}");
        let set = change(&overrides, &invoke("target", "none").on(subject)).unwrap();
        assert_eq!(set.key, "target\torders\tGET /orders/{id}");
        assert_eq!(set.message, "orders: aim of GET /orders/{id} is now none (was none, as configured)");
        assert_eq!(
            set.preview,
            "The aim of GET /orders/{id} (orders) will be none; now it is none, as configured."
        );
    }

    #[test]
    fn none_takes_a_limit_away_and_nonsense_is_refused() {
        let mut overrides = Overrides::default();
        let set = change(&overrides, &invoke("latency", "none")).unwrap();
        overrides.set(&set.key, set.value.as_deref());
        assert_eq!(overrides.in_force(&plan(), "orders").latency, None);
        for (limit, value, says) in [
            ("latency", "fast", "\"fast\" is not a time"),
            ("latency", "0", "\"0\" is not a time"),
            ("errors", "101", "\"101\" is not a percentage"),
            ("errors", "NaN", "\"NaN\" is not a percentage"),
            ("luck", "1", "name the limit"),
        ] {
            let error = change(&overrides, &invoke(limit, value)).unwrap_err();
            assert!(error.starts_with(says), "{error}");
        }
        let other = invoke("errors", "1").on(Subject::service("ordres"));
        assert_eq!(change(&overrides, &other).unwrap_err(), "there is no service \"ordres\"");
    }
}
