//! Rate limits, told in the fields of the IETF draft (`RateLimit-Policy`, `RateLimit`), which are structured fields (RFC 9651).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{HeaderName, HeaderValue};
use parking_lot::{Mutex, RwLock};
use quarterdeck_resilience::Moment;
use quarterdeck_resilience::keyed::Keyed;
use quarterdeck_resilience::limit::{AnyLimiter, Decision, Limiter, Rate};

use super::auth::{Consumer, Tier};
use crate::address::counted;
use crate::config::filters::{By, RateConfig, RateLimit};
use crate::problem::{Code, Refusal, seconds};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");
/// Parts that keys are spread over, so that threads seldom meet.
const PARTS: usize = 16;
/// Callers that a limit remembers, in each part.
const MOST: usize = 4096;

/// Whom a limit counts as one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// A consumer, by name.
    Consumer(Arc<str>),
    /// An address, or the IPv6 network of one: see [`counted`].
    Address(IpAddr),
    /// Everybody.
    All,
}

impl Who {
    /// Who a caller is, when nobody asks for anything else.
    #[must_use]
    pub fn of(consumer: Option<&Consumer>, address: IpAddr) -> Self {
        match consumer {
            Some(consumer) => Self::Consumer(Arc::clone(&consumer.name)),
            None => Self::address(address),
        }
    }

    /// A caller of whom only the address is known.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Address(counted(address))
    }

    /// Reads back what was written with `Display`: an address or network is one, anything else a consumer's name.
    #[must_use]
    pub fn read(text: &str) -> Self {
        match text.strip_suffix("/64").unwrap_or(text).parse() {
            Ok(address) => Self::address(address),
            Err(_) => Self::Consumer(text.into()),
        }
    }
}

impl std::fmt::Display for Who {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Consumer(name) => f.write_str(name),
            Self::Address(IpAddr::V6(network)) => write!(f, "{network}/64"),
            Self::Address(address) => write!(f, "{address}"),
            Self::All => f.write_str("all"),
        }
    }
}

/// Which of the limits that are kept together one is. Each counts by itself: who calls now under one tier and now under another
/// begins neither anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Policy {
    /// The route's own.
    Route,
    /// What an operator allows.
    Granted,
    /// Attempts to be known that failed.
    Failures,
    /// That of a tier, by its name.
    Tier(Arc<str>),
}

impl Policy {
    /// As callers are told it.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Route => "route",
            Self::Granted => "granted",
            Self::Failures => "failures",
            Self::Tier(name) => name,
        }
    }
}

struct Kept {
    limiter: AnyLimiter,
    rate: RateConfig,
    last: Option<Decision>,
    refused: u64,
}

/// One limit, for many callers.
pub struct Limits {
    parts: Vec<Mutex<Keyed<(Who, Policy), Kept>>>,
    hasher: RandomState,
}

impl std::fmt::Debug for Limits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limits").finish_non_exhaustive()
    }
}

impl Default for Limits {
    fn default() -> Self {
        let parts = (0..PARTS).map(|_| Mutex::new(Keyed::new(MOST))).collect();
        Self { parts, hasher: RandomState::new() }
    }
}

/// How one caller stands with a limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Who.
    pub who: String,
    /// The limit by its name: `route`, `granted`, `failures`, or that of the caller's tier.
    pub policy: Arc<str>,
    /// How many in a period.
    pub count: u32,
    /// The period in seconds.
    pub seconds: u64,
    /// How many more at once.
    pub remaining: u32,
    /// How many were refused.
    pub refused: u64,
}

fn rate(config: &RateConfig) -> Rate {
    Rate { count: config.count, period: config.per }
}

impl Limits {
    /// Counts a request of a caller's against one of its limits. A limit that was configured anew begins anew.
    pub fn take(&self, who: Who, policy: Policy, config: &RateConfig, now: Moment) -> Decision {
        let part = (self.hasher.hash_one(&who) % PARTS as u64) as usize;
        let of = (who, policy);
        let make = || Kept {
            limiter: AnyLimiter::new(config.algorithm, rate(config), config.burst, now),
            rate: config.clone(),
            last: None,
            refused: 0,
        };
        let mut callers = self.parts[part].lock();
        let kept = callers.get(&of, now, make, |kept, now| kept.limiter.is_idle(now));
        if kept.rate != *config {
            kept.limiter = AnyLimiter::new(config.algorithm, rate(config), config.burst, now);
            kept.rate = config.clone();
        }
        let decision = kept.limiter.take(1, now);
        kept.last = Some(decision);
        kept.refused += u64::from(!decision.allowed);
        decision
    }

    /// The callers that are nearest to their limit.
    #[must_use]
    pub fn standings(&self, most: usize) -> Vec<Standing> {
        let mut all = Vec::new();
        for part in &self.parts {
            let callers = part.lock();
            all.extend(callers.iter().filter_map(|((who, policy), kept)| {
                let rate = (policy.clone(), kept.rate.count, kept.rate.per.as_secs());
                Some((std::cmp::Reverse(kept.refused), kept.last?.remaining, who.clone(), rate))
            }));
        }
        all.sort_by_key(|caller| (caller.0, caller.1));
        all.truncate(most);
        // Only those that are shown are worth a text.
        let shown = all.into_iter().map(|(refused, remaining, who, (policy, count, seconds))| Standing {
            who: who.to_string(),
            policy: policy.name().into(),
            count,
            seconds,
            remaining,
            refused: refused.0,
        });
        let mut shown: Vec<Standing> = shown.collect();
        shown.sort_by(|a, b| {
            b.refused.cmp(&a.refused).then(a.remaining.cmp(&b.remaining)).then(a.who.cmp(&b.who))
        });
        shown
    }

    /// Callers that were forgotten although they were in use.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.parts.iter().map(|part| part.lock().evicted()).sum()
    }
}

/// What an operator allows a consumer, whatever its tier is: requests a minute.
#[derive(Debug, Default)]
pub struct Grants(RwLock<HashMap<String, u32>>);

impl Grants {
    /// What is in force for a consumer.
    #[must_use]
    pub fn get(&self, consumer: &str) -> Option<u32> {
        self.0.read().get(consumer).copied()
    }

    /// Sets it; None is as the tier has it.
    pub fn set(&self, consumer: &str, per_minute: Option<u32>) {
        match per_minute {
            Some(per_minute) => drop(self.0.write().insert(consumer.to_owned(), per_minute)),
            None => drop(self.0.write().remove(consumer)),
        }
    }

    /// All, by consumer.
    #[must_use]
    pub fn all(&self) -> Vec<(String, u32)> {
        let mut all: Vec<(String, u32)> = self.0.read().iter().map(|(name, n)| (name.clone(), *n)).collect();
        all.sort();
        all
    }

    /// What is in force for a caller: by its name, or by its address if nothing else is known.
    #[must_use]
    pub fn of(&self, consumer: Option<&Consumer>, address: IpAddr) -> Option<u32> {
        let grants = self.0.read();
        if grants.is_empty() {
            return None;
        }
        match consumer {
            Some(consumer) => grants.get(&*consumer.name).copied(),
            // As the address itself, or as it is counted and shown.
            None => grants
                .get(&address.to_string())
                .or_else(|| grants.get(&Who::address(address).to_string()))
                .copied(),
        }
    }
}

/// What is told of limits in an answer: one item for each policy.
#[derive(Debug, Default)]
pub struct Told {
    policies: String,
    limits: String,
    /// The wait until the last policy that refused would allow it.
    wait: Option<std::time::Duration>,
}

impl Told {
    /// Adds a policy: so many in so long, so many left, and in how long there are more.
    pub fn add(&mut self, name: &str, quota: u64, window: u64, left: u64, more_in: u64) {
        use std::fmt::Write as _;
        let comma = if self.policies.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(self.policies, "{comma}\"{name}\";q={quota};w={window}");
        let _ = write!(self.limits, "{comma}\"{name}\";r={left};t={more_in}");
    }

    /// Puts the fields into an answer.
    pub fn write(&self, headers: &mut HeaderMap) {
        if self.policies.is_empty() {
            return;
        }
        for (name, text) in [(POLICY, &self.policies), (LIMIT, &self.limits)] {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.insert(name, value);
            }
        }
    }

    /// The refusal that tells them.
    pub fn refuse(&self, code: Code, policy: &str, after: Option<std::time::Duration>) -> Refusal {
        let mut refusal = Refusal::new(code, format!("the limit {policy} is used up")).retry_after(after);
        refusal.violated.push(policy.to_owned());
        let mut headers = HeaderMap::new();
        self.write(&mut headers);
        refusal.headers.extend(headers.into_iter().filter_map(|(name, value)| Some((name?, value))));
        refusal
    }
}

/// The limits of a route.
#[derive(Debug, Default)]
pub struct RouteLimits {
    /// The route's own.
    pub own: Limits,
}

/// Whether a caller may call now: the route's own limit, then that of its tier or what an operator allows it.
///
/// # Errors
/// The refusal, with the fields.
#[expect(clippy::too_many_arguments, reason = "each is one fact about the request")]
pub fn check(
    rule: &RateLimit,
    own: &RouteLimits,
    tiers: &Limits,
    granted: Option<u32>,
    consumer: Option<&Consumer>,
    tier: Option<&Arc<Tier>>,
    address: IpAddr,
    now: Moment,
) -> Result<Told, Refusal> {
    let mut told = Told::default();
    if let Some(config) = &rule.rate {
        let who = match rule.by {
            By::Consumer => Who::of(consumer, address),
            By::Address => Who::address(address),
            By::Endpoint => Who::All,
        };
        take(&own.own, who, config, &Policy::Route, &mut told, now)?;
    }
    if rule.by_tier() || granted.is_some() {
        let granted = granted.map(|count| RateConfig {
            count,
            per: std::time::Duration::from_secs(60),
            ..RateConfig::default()
        });
        let (config, policy) = match (&granted, tier) {
            (Some(granted), _) => (Some(granted), Policy::Granted),
            (None, Some(tier)) => (tier.rate.as_ref(), Policy::Tier(Arc::clone(&tier.name))),
            (None, None) => return Ok(told),
        };
        if let Some(config) = config {
            take(tiers, Who::of(consumer, address), config, &policy, &mut told, now)?;
        }
    }
    Ok(told)
}

fn take(
    limits: &Limits,
    who: Who,
    config: &RateConfig,
    policy: &Policy,
    told: &mut Told,
    now: Moment,
) -> Result<(), Refusal> {
    let decision = limits.take(who, policy.clone(), config, now);
    let name = policy.name();
    // What is told when something is left is when all of it is back; when nothing is, when there is something again.
    let more_in = if decision.allowed { decision.reset } else { decision.wait.unwrap_or(decision.reset) };
    let more_in = seconds(more_in.min(std::time::Duration::from_secs(86_400 * 365)));
    told.add(name, config.count.into(), seconds(config.per), decision.remaining.into(), more_in);
    if decision.allowed {
        return Ok(());
    }
    told.wait = Some(std::time::Duration::from_secs(more_in));
    Err(told.refuse(Code::RateLimited, name, told.wait))
}

/// Counts an attempt to be known that failed against its address.
///
/// # Errors
/// That there were too many: this is told instead of what was wrong.
pub fn failed_attempt(
    failures: &Limits,
    config: &RateConfig,
    address: IpAddr,
    now: Moment,
) -> Result<(), Refusal> {
    take(failures, Who::address(address), config, &Policy::Failures, &mut Told::default(), now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn limits_are_told_and_retry_after_is_never_too_early() {
        let rule = RateLimit {
            rate: Some(RateConfig { count: 2, per: Duration::from_secs(60), ..RateConfig::default() }),
            tiers: Some(true),
            ..RateLimit::default()
        };
        let (own, tiers) = (RouteLimits::default(), Limits::default());
        let tier = Arc::new(Tier {
            name: "free".into(),
            rate: Some(RateConfig { count: 10, per: Duration::from_secs(60), ..RateConfig::default() }),
            daily: None,
        });
        let ask = |now| check(&rule, &own, &tiers, None, None, Some(&tier), "10.0.0.1".parse().unwrap(), now);
        let told = ask(Duration::from_secs(1)).unwrap();
        let mut headers = HeaderMap::new();
        told.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"route\";q=2;w=60, \"free\";q=10;w=60");
        assert_eq!(headers["ratelimit"], "\"route\";r=1;t=30, \"free\";r=9;t=6");
        ask(Duration::from_secs(1)).unwrap();
        let refusal = ask(Duration::from_millis(1_500)).unwrap_err();
        assert_eq!(refusal.violated, ["route"]);
        let after = refusal.retry_after.unwrap();
        assert_eq!(after, Duration::from_secs(30), "29.5 s, rounded up");
        assert!(ask(Duration::from_millis(1_500) + after).is_ok());
    }

    #[test]
    fn who_calls_under_two_tiers_in_turn_begins_neither_anew() {
        let (rule, own, tiers) = (
            RateLimit { tiers: Some(true), ..RateLimit::default() },
            RouteLimits::default(),
            Limits::default(),
        );
        let tier = |name: &str, count| {
            let rate = RateConfig { count, per: Duration::from_secs(60), ..RateConfig::default() };
            Arc::new(Tier { name: name.into(), rate: Some(rate), daily: None })
        };
        let (free, basic) = (tier("free", 2), tier("basic", 3));
        let ask = |tier| {
            check(&rule, &own, &tiers, None, None, Some(tier), "10.0.0.1".parse().unwrap(), Duration::ZERO)
                .is_ok()
        };
        let found: Vec<(bool, bool)> = (0..4).map(|_| (ask(&free), ask(&basic))).collect();
        assert_eq!(found, [(true, true), (true, true), (false, true), (false, false)]);
        let shown: Vec<String> =
            tiers.standings(10).iter().map(|s| format!("{} {} {}", s.who, s.policy, s.refused)).collect();
        assert_eq!(shown, ["10.0.0.1 free 2", "10.0.0.1 basic 1"]);
    }

    #[test]
    fn an_operator_goes_before_the_tier() {
        let (own, tiers, grants) = (RouteLimits::default(), Limits::default(), Grants::default());
        let rule = RateLimit::default();
        let alice = Consumer { name: "alice".into(), tier: None, scopes: Arc::from([]) };
        let address: IpAddr = "::1".parse().unwrap();
        let ask = || {
            let granted = grants.of(Some(&alice), address);
            check(&rule, &own, &tiers, granted, Some(&alice), None, address, Duration::ZERO)
        };
        assert!(ask().is_ok());
        grants.set("alice", Some(0));
        assert_eq!(ask().unwrap_err().violated, ["granted"]);
        grants.set("alice", Some(1));
        assert!(ask().is_ok());
        assert!(ask().is_err());
        grants.set("alice", None);
        assert!(ask().is_ok());
        grants.set("::1", Some(0));
        assert_eq!((grants.of(None, address), grants.of(Some(&alice), address)), (Some(0), None));
        grants.set("2001:db8:1:2::/64", Some(7));
        assert_eq!(grants.of(None, "2001:db8:1:2::9".parse().unwrap()), Some(7));
    }

    #[test]
    fn addresses_of_one_network_are_one_caller() {
        let limits = Limits::default();
        let two = RateConfig { count: 2, per: Duration::from_secs(60), ..RateConfig::default() };
        let ask = |address: &str| failed_attempt(&limits, &two, address.parse().unwrap(), Duration::ZERO);
        assert!(ask("2001:db8::1").is_ok() && ask("2001:db8::2").is_ok());
        let refusal = ask("2001:db8::3").unwrap_err();
        assert_eq!((refusal.code, refusal.violated), (Code::RateLimited, vec!["failures".to_owned()]));
        assert!(ask("2001:db8:0:1::1").is_ok() && ask("192.0.2.1").is_ok());
        for text in ["2001:db8::/64", "192.0.2.1", "alice"] {
            assert_eq!(Who::read(text).to_string(), text);
        }
        assert_eq!(Who::read("2001:db8::7"), Who::address("2001:db8::1".parse().unwrap()));
    }
}
