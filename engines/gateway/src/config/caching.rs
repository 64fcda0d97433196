//! Answers that are given again: for how long, by path.

use std::time::Duration;

use quarterdeck_kernel::time::text;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filters::optional;
use crate::filters::cache::matches;

/// Answers that are given again. Only those to GET and HEAD that may be kept, by their own word.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CacheRule {
    /// How long an answer is good, unless it says a shorter time itself.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub ttl: Duration,
    /// How much longer it may be given when the service fails, unless it forbids that itself.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub stale: Duration,
    /// Headers whose values make another answer.
    pub vary: Vec<String>,
    /// Paths with times of their own; the first that fits counts, and the times above where none does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<PathRule>,
    /// Paths that are fetched before callers ask: at the start, behind a purge and before their answers' time is over.
    /// For services and routes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warm: Vec<String>,
    /// How often they are fetched at least.
    #[serde(with = "optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub warm_every: Option<Duration>,
    /// Schemes and hosts as callers name them, such as `https://shop.example.com`: they are a part of what an answer is known
    /// by. Unless given, the route's own hosts (or the listener's address) behind the first listener with TLS, or else the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warm_as: Vec<String>,
}

impl Default for CacheRule {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(60),
            stale: Duration::ZERO,
            vary: Vec::new(),
            rules: Vec::new(),
            warm: Vec::new(),
            warm_every: None,
            warm_as: Vec::new(),
        }
    }
}

/// For how long answers to some paths are good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PathRule {
    /// The path as the route sees it, without the query; `*` stands for anything.
    pub path: String,
    /// How long an answer is good, unless it says a shorter time itself; `0s` for none being kept.
    #[serde(with = "text")]
    #[schemars(with = "String")]
    pub ttl: Duration,
    /// How much longer it may be given when the service fails; as for other paths unless given.
    #[serde(default, with = "optional", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub stale: Option<Duration>,
}

impl CacheRule {
    /// How long answers to a path are good, and how much longer they may be given when the service fails. None when they
    /// are not kept.
    #[must_use]
    pub fn times(&self, path: &str) -> Option<(Duration, Duration)> {
        let rule = self.rules.iter().find(|rule| matches(&rule.path, path));
        let times = rule.map_or((self.ttl, self.stale), |rule| (rule.ttl, rule.stale.unwrap_or(self.stale)));
        (!times.0.is_zero()).then_some(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_path_that_fits_counts() {
        let second = Duration::from_secs;
        let rule = |path: &str, ttl, stale| PathRule { path: path.to_owned(), ttl: second(ttl), stale };
        let rules = vec![
            rule("/prices/live", 0, None),
            rule("/prices/*", 2, Some(Duration::ZERO)),
            rule("*/day", 3600, None),
        ];
        let rule = CacheRule { ttl: second(60), stale: second(9), rules, ..CacheRule::default() };
        for (path, times) in [
            ("/prices/live", None),
            ("/prices/day", Some((second(2), Duration::ZERO))),
            ("/history/day", Some((second(3600), second(9)))),
            ("/prices", Some((second(60), second(9)))),
        ] {
            assert_eq!(rule.times(path), times, "{path}");
        }
        assert_eq!(CacheRule { ttl: Duration::ZERO, ..CacheRule::default() }.times("/"), None);
    }
}
