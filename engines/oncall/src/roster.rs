//! The configuration, compiled and free of mistakes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{Diagnostic, Labels, Matcher, Timestamp};

use crate::config::{OncallConfig, PolicyConfig, validate};
use crate::escalation::{Ladder, Recipient, Rung};
use crate::matchers;
use crate::schedule::{Override, Schedule, WhoIsOnCall};
use crate::target::Target;

/// One person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Full name.
    pub name: String,
    /// Channels that reach the person.
    pub channels: Vec<String>,
    /// User names, beside the key.
    pub users: Vec<String>,
}

/// Which alerts follow which policy.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Route {
    matchers: Vec<Matcher>,
    policy: Option<String>,
}

/// Persons, schedules, policies and routes, ready for use.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Roster {
    persons: BTreeMap<String, Person>,
    schedules: BTreeMap<String, Schedule>,
    policies: BTreeMap<String, Arc<Ladder>>,
    routes: Vec<Route>,
    ahead: Duration,
    max_escalations: usize,
}

impl Roster {
    /// Compiles a configuration.
    ///
    /// # Errors
    /// Every mistake in it: the key (as in `oncall.schedules.primary.time_zone`) and what is wrong there.
    pub fn new(config: &OncallConfig) -> Result<Self, Vec<(String, Diagnostic)>> {
        let mistakes = validate::validate(config);
        if !mistakes.is_empty() {
            return Err(mistakes);
        }
        let person = |(key, p): (&String, &crate::config::PersonConfig)| {
            let name = p.name.clone().unwrap_or_else(|| key.clone());
            (key.clone(), Person { name, channels: p.channels.clone(), users: p.users.clone() })
        };
        let route = |r: &crate::config::RouteConfig| Route {
            matchers: r.matchers.iter().filter_map(|m| matchers::parse(m).ok()).collect(),
            policy: r.policy.clone(),
        };
        Ok(Self {
            persons: config.persons.iter().map(person).collect(),
            schedules: config.schedules.iter().map(|(k, s)| (k.clone(), Schedule::new(k, s))).collect(),
            policies: config.policies.iter().map(|(k, p)| (k.clone(), Arc::new(ladder(k, p)))).collect(),
            routes: config.routes.iter().map(route).collect(),
            ahead: config.ahead,
            max_escalations: config.max_escalations,
        })
    }

    /// Persons by key.
    #[must_use]
    pub const fn persons(&self) -> &BTreeMap<String, Person> {
        &self.persons
    }

    /// The person behind a user name of the console, if there is one.
    #[must_use]
    pub fn person_of(&self, user: &str) -> Option<&str> {
        if let Some((key, _)) = self.persons.get_key_value(user) {
            return Some(key);
        }
        self.persons.iter().find(|(_, p)| p.users.iter().any(|u| u == user)).map(|(key, _)| key.as_str())
    }

    /// Schedules by name.
    #[must_use]
    pub const fn schedules(&self) -> &BTreeMap<String, Schedule> {
        &self.schedules
    }

    /// Policies by name.
    #[must_use]
    pub const fn policies(&self) -> &BTreeMap<String, Arc<Ladder>> {
        &self.policies
    }

    /// How far ahead schedules are shown.
    #[must_use]
    pub const fn ahead(&self) -> Duration {
        self.ahead
    }

    /// Escalations under way at most.
    #[must_use]
    pub const fn max_escalations(&self) -> usize {
        self.max_escalations
    }

    /// The policy of the first route that matches an alert's labels; none when no route matches or the route has none.
    #[must_use]
    pub fn policy_for(&self, labels: &Labels) -> Option<&Arc<Ladder>> {
        let fits = |r: &&Route| r.matchers.iter().all(|m| m.matches(labels.get(&m.name).unwrap_or_default()));
        self.policies.get(self.routes.iter().find(fits)?.policy.as_ref()?)
    }

    /// Who is on call in a schedule at an instant, who is next, and why; none for an unknown schedule.
    #[must_use]
    pub fn who_is_on_call(
        &self,
        schedule: &str,
        at: Timestamp,
        overrides: &[Override],
    ) -> Option<WhoIsOnCall> {
        Some(self.schedules.get(schedule)?.who(at, overrides))
    }

    /// Everybody whom a target reaches at an instant, one entry per channel; when it is nobody, why.
    ///
    /// # Errors
    /// Why nobody is reached, in words.
    pub fn reach(
        &self,
        target: &Target,
        at: Timestamp,
        overrides: &[Override],
    ) -> Result<Vec<Recipient>, String> {
        let person = |key: &str, because: String| {
            let known = self.persons.get(key).ok_or_else(|| format!("{key} is no longer configured"))?;
            let to =
                |channel: &String| Recipient::new(Some(key.to_owned()), channel.clone(), because.clone());
            Ok(known.channels.iter().map(to).collect())
        };
        match target {
            Target::Channel(name) => Ok(vec![Recipient::new(None, name.clone(), format!("channel {name}"))]),
            Target::Person(key) => person(key, format!("{key}, named by the policy")),
            Target::Schedule(name) => {
                let schedule = self.schedules.get(name);
                let schedule = schedule.ok_or_else(|| format!("schedule {name} is no longer configured"))?;
                match schedule.person_at(at, overrides) {
                    Some(key) => person(&key, format!("{key}, on call in {name}")),
                    None => Err(format!("nobody is on call in {name}")),
                }
            }
        }
    }
}

fn ladder(name: &str, policy: &PolicyConfig) -> Ladder {
    Ladder {
        policy: name.to_owned(),
        delay: policy.delay,
        rungs: policy.steps.iter().map(|s| Rung { notify: s.notify.clone(), wait: s.wait }).collect(),
        repeat: policy.repeat,
        acknowledge_for: policy.acknowledge_for,
    }
}
