//! From what is meant to what is done: replicas that are to be, shares in force, and the effects that bring them about, in
//! an order in which nothing loses its traffic.

use std::collections::BTreeMap;

use quarterdeck_kernel::{Severity, Timestamp};

use super::guard::{guard, same};
use super::input::{Effect, Fact};
use super::state::{Retire, Service};
use crate::model::{Mirror, Rollout, RoutedHeader, Shares};

/// Versions that are remembered of a service, with nothing of them running.
const REMEMBERED: usize = 50;

impl Service {
    /// How many replicas each version is to have. `wanted` is what the rollout under way wants.
    fn targets(&self, wanted: &[(String, u32)], full: u32, now: Timestamp) -> BTreeMap<String, u32> {
        let mut targets = BTreeMap::new();
        for (name, version) in &self.versions {
            let over = version.retire.is_some_and(|retire| self.is_over(name, retire, now));
            targets.insert(name.clone(), if over { 0 } else { version.wanted });
        }
        targets.extend(self.stable.clone().map(|stable| (stable, full)));
        targets.extend(wanted.iter().cloned());
        targets
    }

    /// Whether a version that lost can be stopped.
    fn is_over(&self, name: &str, retire: Retire, now: Timestamp) -> bool {
        let kept = retire.keep_until.is_none_or(|until| now < until);
        let idle = self.in_flight.get(name).is_some_and(|(count, at)| *count == 0 && *at > retire.since);
        !kept && (idle || now >= retire.drain_until) && self.share(name) == 0
    }

    /// Puts in force what is meant, as far as it may be; the effects of it.
    pub(super) fn settle(
        &mut self,
        wanted: &[(String, u32)],
        full: u32,
        now: Timestamp,
        out: &mut Vec<Effect>,
    ) {
        let rollout = self.rollout.take();
        let again = std::mem::take(&mut self.say_again);
        let mut targets = self.targets(wanted, full, now);
        if self.is_settling() {
            // Nobody knows yet what is there: nothing is changed, only said again.
            targets = self.versions.iter().map(|(name, version)| (name.clone(), version.wanted)).collect();
        }
        // More first: what is to take traffic has to be there.
        for (name, target) in &targets {
            let wanted = self.versions.get(name).map_or(0, |version| version.wanted);
            if *target > wanted || (again && *target > 0 && *target == wanted) {
                self.ensure(name, *target, now, out);
            }
        }
        self.steer(rollout.as_ref(), again, out);
        for (name, target) in &targets {
            let wanted = self.versions.get(name).map_or(0, |version| version.wanted);
            // A version that has a share keeps what carries it.
            let target = if self.share(name) > 0 { (*target).max(1).min(wanted) } else { *target };
            if target < wanted {
                self.ensure(name, target, now, out);
            }
        }
        for version in self.versions.values_mut().filter(|version| version.wanted == 0) {
            version.retire = None;
        }
        self.forget(rollout.as_ref());
        self.rollout = rollout;
    }

    fn ensure(&mut self, name: &str, replicas: u32, now: Timestamp, out: &mut Vec<Effect>) {
        self.generation += 1;
        let version = self.versions.entry(name.to_owned()).or_default();
        if version.wanted == 0 && replicas > 0 {
            version.starting = Some(now);
        }
        if replicas == 0 {
            version.retire = None;
            version.starting = None;
        }
        version.wanted = replicas;
        out.push(Effect::Ensure {
            service: self.name.clone(),
            version: name.to_owned(),
            replicas,
            generation: self.generation,
        });
    }

    /// Shares, headers and mirror, as far as versions are ready.
    fn steer(&mut self, rollout: Option<&Rollout>, again: bool, out: &mut Vec<Effect>) {
        let headers: Vec<RoutedHeader> = rollout.map_or_else(Vec::new, |r| r.headers.clone());
        let mirror: Option<Mirror> = rollout.and_then(|r| r.mirror.clone());
        // Right after a restart nobody knows what is ready: everything stays as it was.
        if self.is_settling() {
            if again && !self.shares.is_empty() {
                self.say_steering(out);
            }
            return;
        }
        let mut others: Vec<&str> = self.stable.iter().map(String::as_str).collect();
        if let Some(rollout) = rollout {
            others.extend(rollout.from.as_deref());
            others.push(&rollout.to);
        }
        others.extend(self.versions.keys().map(String::as_str));
        let shares = guard(&self.intended, &self.shares, &others, |version| self.ready(version) > 0);
        let headers: Vec<RoutedHeader> =
            headers.into_iter().filter(|route| self.ready(&route.version) > 0).collect();
        let mirror = mirror.filter(|mirror| self.ready(&mirror.version) > 0);
        self.complain(&shares, out);
        if again || !same(&shares, &self.shares) || headers != self.headers || mirror != self.mirror {
            (self.shares, self.headers, self.mirror) = (shares, headers, mirror);
            if !self.shares.is_empty() {
                self.say_steering(out);
            }
        }
    }

    fn say_steering(&self, out: &mut Vec<Effect>) {
        out.push(Effect::Steer {
            service: self.name.clone(),
            shares: self.shares.clone(),
            headers: self.headers.clone(),
            mirror: self.mirror.clone(),
        });
    }

    /// Says when traffic is not where it should be, and when it is again.
    fn complain(&mut self, shares: &Shares, out: &mut Vec<Effect>) {
        let none = !self.versions.keys().any(|version| self.ready(version) > 0);
        let trouble = if self.intended.is_empty() || same(shares, &self.intended) && !none {
            String::new()
        } else if none {
            "no version is ready: traffic stays where it is".to_owned()
        } else {
            let unfit: Vec<&str> = self
                .intended
                .iter()
                .filter(|(version, share)| *share > 0 && self.ready(version) == 0)
                .map(|(version, _)| version.as_str())
                .collect();
            let to: Vec<&str> = shares.iter().map(|(version, _)| version.as_str()).collect();
            format!("{} is not ready: its traffic goes to {}", unfit.join(", "), to.join(", "))
        };
        if trouble == self.trouble {
            return;
        }
        let summary =
            if trouble.is_empty() { "traffic is where it should be again" } else { trouble.as_str() };
        // A service that is coming up for the first time has nothing to complain of.
        if !self.shares.is_empty() {
            out.push(Effect::Tell(Fact {
                service: self.name.clone(),
                rollout: None,
                severity: if trouble.is_empty() { Severity::Info } else { Severity::Critical },
                summary: format!("{}: {summary}", self.name),
                reason: None,
                actor: None,
                undo: false,
            }));
        }
        self.trouble = trouble;
    }

    /// Forgets versions that are long gone.
    fn forget(&mut self, rollout: Option<&Rollout>) {
        let idle: Vec<String> = self
            .versions
            .iter()
            .filter(|(name, version)| {
                let named = self.stable.as_deref() == Some(name.as_str())
                    || rollout.is_some_and(|r| r.to == **name || r.from.as_deref() == Some(name.as_str()))
                    || self.past.iter().any(|(past, _)| past == *name);
                version.wanted == 0 && version.replicas.is_empty() && !named
            })
            .map(|(name, _)| name.clone())
            .collect();
        for name in idle.iter().take(self.versions.len().saturating_sub(REMEMBERED)) {
            self.versions.remove(name);
        }
    }
}
