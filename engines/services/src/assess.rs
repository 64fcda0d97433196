//! From readings to health: limits, hysteresis, since when, and why. Pure: time is passed in.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::{Health, Timestamp};

use crate::model::{Breach, Limited, Targets};
use crate::words::{ago, attained, figure, latency};

/// What a service was measured to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured {
    /// Whether anything is known at all.
    pub told: bool,
    /// Whether it is new enough.
    pub fresh: bool,
    /// Its targets.
    pub targets: Targets,
    /// Failed requests, in percent.
    pub errors: Option<f64>,
    /// 99th percentile of latency, in milliseconds.
    pub p99: Option<f64>,
    /// The fullest resource: its name and how full it is, in percent.
    pub saturation: Option<(String, f64)>,
    /// Transactions with a target: name, attainment in percent.
    pub attainment: BTreeMap<String, f64>,
    /// The time that attainment is a mean over.
    pub attained_over: Duration,
}

/// The limits of a service that are in force.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InForce {
    /// 99th percentile of latency, in milliseconds.
    pub latency: Option<f64>,
    /// Failed requests, in percent.
    pub errors: Option<f64>,
    /// Fullest resource, in percent.
    pub saturation: Option<f64>,
    /// Failed requests, in percent, from which it is down.
    pub down_errors: Option<f64>,
    /// Service levels of transactions.
    pub transactions: BTreeMap<String, Level>,
}

/// A transaction's service level.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Level {
    /// In milliseconds.
    pub threshold: Option<f64>,
    /// In percent.
    pub target: Option<f64>,
}

/// How often a limit must be broken or kept in a row before that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Broken.
    pub break_after: u32,
    /// Kept.
    pub mend_after: u32,
}

/// What is remembered of a service from one assessment to the next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    health: Health,
    since: Option<Timestamp>,
    watches: BTreeMap<Limited, Watch>,
    /// Errors at which it counts as down have a count of their own.
    down: Watch,
}

/// One limit being watched.
#[derive(Clone, Debug, Default, PartialEq)]
struct Watch {
    breaks: u32,
    keeps: u32,
    /// When the present row of breaks began.
    began: Option<Timestamp>,
    /// Since when it counts as broken.
    broken: Option<Timestamp>,
    /// The newest value that was known, and how it is told.
    told: Option<(f64, String)>,
    /// The limit that it is watched against.
    limit: Option<f64>,
}

impl Watch {
    /// Takes note of the limit. Another one than before begins the watch anew: what was over the old limit says nothing
    /// about since when it is over the new one. Whoever is over both stays broken, from now on. True if that is so.
    fn against(&mut self, limit: f64, broken: bool, now: Timestamp) -> bool {
        let before = self.limit.replace(limit);
        if before.is_none_or(|before| before.to_bits() == limit.to_bits()) {
            return false;
        }
        let stays = broken && self.broken.is_some();
        (self.breaks, self.keeps) = (0, 0);
        (self.began, self.broken) = if stays { (Some(now), Some(now)) } else { (None, None) };
        stays
    }

    fn step(&mut self, broken: bool, rules: Rules, now: Timestamp) {
        if broken {
            (self.breaks, self.keeps) = (self.breaks.saturating_add(1), 0);
            let began = *self.began.get_or_insert(now);
            if self.breaks >= rules.break_after {
                self.broken.get_or_insert(began);
            }
        } else {
            (self.breaks, self.keeps) = (0, self.keeps.saturating_add(1));
            self.began = None;
            if self.keeps >= rules.mend_after {
                self.broken = None;
            }
        }
    }
}

/// What an assessment finds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// How the service does.
    pub health: Health,
    /// Since when.
    pub since: Timestamp,
    /// Broken limits, worst first.
    pub breaches: Vec<Breach>,
    /// Why it is not well; empty when it is.
    pub reason: String,
}

/// One limit against one value.
struct Check {
    what: Limited,
    broken: bool,
    value: f64,
    limit: f64,
    text: String,
    health: Health,
}

/// Assesses a service: the state to remember and the verdict.
#[must_use]
pub fn assess(
    state: &State,
    measured: &Measured,
    limits: &InForce,
    rules: Rules,
    now: Timestamp,
) -> (State, Verdict) {
    let mut next = state.clone();
    // What is too old says nothing about limits, except that no target answers.
    let checks = checks(measured, limits);
    next.watches.retain(|what, _| checks.iter().any(|c| c.what == *what));
    let down = measured.fresh
        && measured.errors.zip(limits.down_errors).is_some_and(|(errors, limit)| errors >= limit);
    next.down.step(down, rules, now);
    let mut breaches = Vec::new();
    let mut restarted = false;
    let mut unsure = false;
    for check in checks {
        // Attainment is a mean over a long range already: once is enough.
        let rules = match check.what {
            Limited::Transaction(_) => Rules { break_after: 1, mend_after: 1 },
            _ => rules,
        };
        let watch = next.watches.entry(check.what.clone()).or_default();
        // How many targets there are is no limit that somebody sets.
        if check.what != Limited::Targets {
            restarted |= watch.against(check.limit, check.broken, now);
        }
        watch.step(check.broken, rules, now);
        unsure |= check.what == Limited::Targets && check.broken && watch.broken.is_none();
        if !check.value.is_nan() {
            watch.told = Some((check.value, check.text.clone()));
        }
        if let Some(since) = watch.broken {
            let health = match (&check.what, next.down.broken) {
                (Limited::Errors, Some(_)) => Health::Down,
                _ => check.health,
            };
            let Check { what, limit, .. } = check;
            let (value, text) = watch.told.clone().unwrap_or((check.value, check.text));
            breaches.push(Breach { what, value, limit, since, text, health });
        }
    }
    // Down without a limit on errors of its own is told all the same.
    if let (Some(since), Some(limit), None) = (next.down.broken, limits.down_errors, limits.errors) {
        let value = measured.errors.unwrap_or(100.0);
        let text = format!("{} % of requests fail", figure(value));
        breaches.push(Breach { what: Limited::Errors, value, limit, since, text, health: Health::Down });
    }
    breaches.sort_by(|a, b| b.health.cmp(&a.health).then_with(|| b.excess().total_cmp(&a.excess())));
    let worst = breaches.first().map(|b| b.health);
    let health = match worst {
        Some(Health::Down) => Health::Down,
        _ if !measured.fresh => Health::Unknown,
        Some(other) => other,
        // A target that has not answered yet may be dead: nothing was known, and that it is well is not known either.
        None if unsure && state.health == Health::Unknown => Health::Unknown,
        None => Health::Ok,
    };
    if health != state.health || state.since.is_none() || restarted {
        let first = breaches.iter().filter(|b| b.health == health).map(|b| b.since).min();
        next.since = Some(first.unwrap_or(now));
        next.health = health;
    }
    let reason = match health {
        Health::Unknown if measured.told => "no new data".to_owned(),
        Health::Unknown => "no data".to_owned(),
        _ => breaches.first().map(|b| b.text.clone()).unwrap_or_default(),
    };
    let verdict = Verdict { health, since: next.since.unwrap_or(now), breaches, reason };
    (next, verdict)
}

fn checks(measured: &Measured, limits: &InForce) -> Vec<Check> {
    let mut checks = Vec::new();
    let Targets { up, total } = measured.targets;
    if total > 0 {
        let (health, text) = match up {
            0 if total == 1 => (Health::Down, "its target does not answer".to_owned()),
            0 => (Health::Down, format!("none of {total} targets answers")),
            _ => (Health::Degraded, format!("{} of {total} targets do not answer", total.saturating_sub(up))),
        };
        let (value, limit) = (up as f64, total as f64);
        checks.push(Check { what: Limited::Targets, broken: up < total, value, limit, text, health });
    }
    // Values that are too old break no limit, nor does a value that is unknown.
    let fresh = |value: Option<f64>| value.filter(|_| measured.fresh);
    let mut above =
        |what: Limited, value: Option<f64>, limit: Option<f64>, text: &dyn Fn(f64, f64) -> String| {
            if let Some(limit) = limit {
                let value = fresh(value);
                let broken = value.is_some_and(|v| v > limit);
                let value = value.unwrap_or(f64::NAN);
                checks.push(Check {
                    what,
                    broken,
                    value,
                    limit,
                    text: text(value, limit),
                    health: Health::Degraded,
                });
            }
        };
    above(Limited::Errors, measured.errors, limits.errors, &|v, l| {
        format!("{} % of requests fail, limit {} %", figure(v), figure(l))
    });
    above(Limited::Latency, measured.p99, limits.latency, &|v, l| {
        format!("p99 {}, limit {}", latency(v), latency(l))
    });
    let resource = measured.saturation.as_ref().map_or("resources", |(name, _)| name.as_str());
    above(Limited::Saturation, measured.saturation.as_ref().map(|(_, v)| *v), limits.saturation, &|v, l| {
        format!("{resource} {} % full, limit {} %", figure(v), figure(l))
    });
    for (name, level) in &limits.transactions {
        let (Some(target), Some(threshold)) = (level.target, level.threshold) else { continue };
        let value = fresh(measured.attainment.get(name).copied());
        let broken = value.is_some_and(|v| v < target);
        let value = value.unwrap_or(f64::NAN);
        let over = match measured.attained_over {
            Duration::ZERO => String::new(),
            over => format!(", over the last {}", ago(over)),
        };
        let text = format!(
            "{name}: {} % within {}, target {} %{over}",
            attained(value),
            latency(threshold),
            attained(target)
        );
        let what = Limited::Transaction(name.clone());
        checks.push(Check { what, broken, value, limit: target, text, health: Health::Degraded });
    }
    checks
}

#[cfg(test)]
#[path = "assess_tests.rs"]
mod tests;
