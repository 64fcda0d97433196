//! What an operator can do with traffic.

use std::sync::Arc;

use quarterdeck_journal::dispatch::{BoxFuture, External, Reconciled, Stored};
use quarterdeck_journal::{Execute, Failure, How, Outcome, Tx};
use quarterdeck_kernel::{
    ActionSpec, ArgKind, ArgSpec, ChangeKind, Danger, Invocation, Reason, Severity, Subject, SubjectKind,
};
use quarterdeck_resilience::breaker::{Forced, State};

use crate::config::oneline;
use crate::handle::Handle;
use crate::store;

/// Sets the shares of a service's versions.
pub const SPLIT: &str = "gateway.split";
/// Forces a circuit breaker.
pub const BREAKER: &str = "gateway.breaker";
/// Grants a consumer more, or cuts it.
pub const LIMIT: &str = "gateway.limit";
/// Takes kept answers out.
pub const PURGE: &str = "gateway.purge";
/// Asks for answers so that they are kept.
pub const WARM: &str = "gateway.warm";

/// What stands for "as the configuration has it".
const CONFIGURED: &str = "configured";

/// The actions of this engine, as data.
#[must_use]
pub fn actions() -> Vec<ActionSpec> {
    let arg = |name, description, kind, required| ArgSpec { name, description, kind, required };
    let words = |words: &[&str]| ArgKind::Choice(words.iter().map(|w| (*w).to_owned()).collect());
    vec![
        ActionSpec {
            id: SPLIT,
            title: "Split traffic",
            description: "Sets the share of each version of a service from the next request on; it holds over restarts.",
            subject: Some(SubjectKind::Service),
            args: vec![arg(
                "shares",
                "shares by version, as in v1=90,v2=10; versions that are not named take nothing; configured for those of the \
                 configuration",
                ArgKind::Text,
                true,
            )],
            danger: Danger::Disruptive,
            inverse: Some(SPLIT),
        },
        ActionSpec {
            id: BREAKER,
            title: "Set circuit breaker",
            description: "Forces the circuit breaker of a version open or closed until it is given back; a restart gives it back.",
            subject: Some(SubjectKind::Service),
            args: vec![
                arg("version", "the version", ArgKind::Text, true),
                arg(
                    "state",
                    "open, closed, or auto to let it decide",
                    words(&["open", "closed", "auto"]),
                    true,
                ),
            ],
            danger: Danger::Disruptive,
            inverse: Some(BREAKER),
        },
        ActionSpec {
            id: LIMIT,
            title: "Set consumer limit",
            description: "Grants a consumer so many requests a minute whatever its tier is, or cuts it with 0; it holds over \
                          restarts.",
            subject: None,
            args: vec![
                arg("consumer", "the consumer's name", ArgKind::Text, true),
                arg(
                    "per_minute",
                    "requests a minute; left out for what its tier has",
                    ArgKind::Number,
                    false,
                ),
            ],
            danger: Danger::Disruptive,
            inverse: Some(LIMIT),
        },
        ActionSpec {
            id: PURGE,
            title: "Purge cache",
            description: "Takes kept answers out of the gateway's cache; services are asked again.",
            subject: None,
            args: vec![
                arg("pattern", "path, or host and path, with * for anything", ArgKind::Text, true),
                arg("route", "only of this route", ArgKind::Text, false),
            ],
            danger: Danger::Disruptive,
            inverse: None,
        },
        ActionSpec {
            id: WARM,
            title: "Warm cache",
            description: "Asks for paths through the gateway so that their answers are kept.",
            subject: Some(SubjectKind::Route),
            args: vec![
                arg("paths", "paths, separated by commas", ArgKind::Text, true),
                arg(
                    "as",
                    "scheme and host as callers name them, such as https://shop.example.com; the route's own unless given",
                    ArgKind::Text,
                    false,
                ),
            ],
            danger: Danger::Safe,
            inverse: None,
        },
    ]
}

/// Where the newest handle is; the engine may be started again.
pub type Live = Arc<dyn Fn() -> Result<Handle, Reason> + Send + Sync>;

/// The actions with their functions.
#[must_use]
pub fn executes(live: &Live) -> Vec<(ActionSpec, Arc<dyn Execute>)> {
    let execute = |spec: &ActionSpec| -> Arc<dyn Execute> {
        let live = Arc::clone(live);
        match spec.id {
            SPLIT => Arc::new(Split(live)),
            BREAKER => Arc::new(Breaker(live)),
            LIMIT => Arc::new(Limit(live)),
            PURGE => Arc::new(Purge(live)),
            _ => Arc::new(Warm(live)),
        }
    };
    actions()
        .into_iter()
        .map(|spec| {
            let execute = execute(&spec);
            (spec, execute)
        })
        .collect()
}

fn named(invocation: &Invocation) -> &str {
    invocation.subject.as_ref().map(|subject| subject.id.as_str()).unwrap_or_default()
}

fn arg<'a>(invocation: &'a Invocation, name: &str) -> &'a str {
    invocation.args.get(name).map(|text| text.trim()).unwrap_or_default()
}

fn refused(reason: Reason) -> Failure {
    Failure::Refused(reason.0)
}

/// Whether a service is one of the gateway's.
fn served(live: &Live, subject: Option<&Subject>) -> Result<(), Reason> {
    match subject {
        Some(subject) => live()?.split(&subject.id).map(drop),
        None => live().map(drop),
    }
}

struct Split(Live);

struct Change {
    before: String,
    after: String,
    /// None: as the configuration has it.
    stored: Option<Vec<(String, u32)>>,
    was_set: bool,
}

impl Split {
    fn plan(&self, invocation: &Invocation) -> Result<Change, Reason> {
        (self.0)()?.free(named(invocation))?;
        self.change(invocation)
    }

    fn change(&self, invocation: &Invocation) -> Result<Change, Reason> {
        let (handle, service) = ((self.0)()?, named(invocation));
        let before = store::written(&handle.split(service)?);
        let was_set = handle.control.learnt.lock().splits.contains_key(service);
        let text = arg(invocation, "shares");
        if text == CONFIGURED {
            let after = store::written(&handle.configured_split(service)?);
            return Ok(Change { before, after, stored: None, was_set });
        }
        let shares = oneline::shares(&text.replace(' ', ","), '=').map_err(|twice| {
            Reason(match twice {
                Some(version) => format!("{text:?} names the version {version} twice"),
                None => format!("{text:?} is not a split: write VERSION=SHARE,…, as in v1=90,v2=10"),
            })
        })?;
        let shares = handle.full_split(service, &shares)?;
        Ok(Change { before, after: store::written(&shares), stored: Some(shares), was_set })
    }
}

impl Execute for Split {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        served(&self.0, subject)?;
        subject.map_or(Ok(()), |subject| (self.0)()?.free(&subject.id))
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        vec![match self.plan(invocation) {
            Ok(change) => format!("{}: {} → {}", named(invocation), change.before, change.after),
            Err(reason) => format!("It would be refused: {}", reason.0),
        }]
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Deployment
    }

    fn how(&self) -> How<'_> {
        How::Stored(self)
    }
}

impl Stored for Split {
    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        tx: &'a mut Tx,
    ) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let change = self.plan(invocation).map_err(refused)?;
            Failure::unless_expected(invocation, &change.before)?;
            let service = named(invocation);
            store::set_split(tx, service, change.stored.as_ref().map(|_| change.after.as_str())).await?;
            let back = if change.was_set { change.before.as_str() } else { CONFIGURED };
            let inverse = Invocation::new(SPLIT, invocation.actor.clone())
                .on(Subject::new(SubjectKind::Service, service))
                .arg("shares", back);
            let summary = format!("{service}: traffic {} (was {})", change.after, change.before);
            Ok(Outcome::new(ChangeKind::Deployment, summary).service(service).undo(inverse, change.after))
        })
    }

    fn committed(&self, invocation: &Invocation, _outcome: &Outcome) {
        // Planned from the same state as what was stored: nothing else changes splits between.
        if let (Ok(handle), Ok(change)) = ((self.0)(), self.change(invocation))
            && let Err(Reason(why)) = handle.keep_split(named(invocation), change.stored)
        {
            tracing::error!(service = named(invocation), why, "a split is stored but not in force");
        }
    }
}

struct Breaker(Live);

impl Breaker {
    fn forced(text: &str) -> Option<Forced> {
        match text {
            "open" => Some(Forced::Open),
            "closed" => Some(Forced::Closed),
            _ => None,
        }
    }

    /// `open` or `closed` if somebody forces it, else `auto`.
    fn now(&self, service: &str, version: &str) -> Result<&'static str, Reason> {
        let table = (self.0)()?.table();
        let found = table.service(service).ok_or_else(|| crate::handle::absent(&table, service))?;
        let breaker = found.version(version).and_then(|place| found.versions[place].breaker.as_ref());
        let breaker =
            breaker.ok_or_else(|| Reason(format!("{service} has no circuit breaker for {version:?}")))?;
        let view = breaker.view(crate::clock::now());
        Ok(match (view.forced, view.state) {
            (true, State::Open) => "open",
            (true, _) => "closed",
            (false, _) => "auto",
        })
    }
}

impl Execute for Breaker {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        served(&self.0, subject)
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let (version, state) = (arg(invocation, "version"), arg(invocation, "state"));
        vec![match self.now(named(invocation), version) {
            Ok(before) => format!("{} {version}: {before} → {state}", named(invocation)),
            Err(reason) => format!("It would be refused: {}", reason.0),
        }]
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for Breaker {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        let (version, state) = (arg(invocation, "version"), arg(invocation, "state"));
        let service = named(invocation);
        let summary = format!("{service} {version}: circuit breaker → {state}");
        Outcome::new(ChangeKind::Operation, summary).service(service).severity(Severity::Warning)
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let (service, version) = (named(invocation), arg(invocation, "version"));
            let state = arg(invocation, "state");
            let before = self.now(service, version).map_err(refused)?;
            Failure::unless_expected(invocation, before)?;
            if (state, before) == ("auto", "auto") {
                let why = format!("the circuit breaker of {service} {version} decides for itself already");
                return Err(refused(Reason(why)));
            }
            let handle = (self.0)().map_err(refused)?;
            handle.force_breaker(service, version, Self::forced(state)).map_err(refused)?;
            let inverse = Invocation::new(BREAKER, invocation.actor.clone())
                .on(Subject::new(SubjectKind::Service, service))
                .arg("version", version)
                .arg("state", before);
            let summary = match state {
                "auto" => format!("{service} {version}: the circuit breaker decides for itself again"),
                state => format!("{service} {version}: circuit breaker forced {state}"),
            };
            Ok(Outcome::new(ChangeKind::Operation, summary).service(service).undo(inverse, state))
        })
    }

    fn reconcile<'a>(&'a self, _: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async {
            Reconciled::Failed("after a restart circuit breakers decide for themselves".to_owned())
        })
    }
}

struct Limit(Live);

fn grant_text(grant: Option<u32>) -> String {
    grant.map_or_else(|| "tier".to_owned(), |n| n.to_string())
}

impl Limit {
    fn wanted(invocation: &Invocation) -> Result<Option<u32>, Reason> {
        match arg(invocation, "per_minute") {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                Reason(format!(
                    "per_minute is {text:?}: write a whole number from 0 (nothing) to {}",
                    u32::MAX
                ))
            }),
        }
    }
}

impl Execute for Limit {
    fn available(&self, _: Option<&Subject>) -> Result<(), Reason> {
        (self.0)().map(drop)
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let consumer = arg(invocation, "consumer");
        let Ok(before) = (self.0)().map(|handle| handle.grant(consumer)) else { return Vec::new() };
        let Ok(after) = Self::wanted(invocation) else { return Vec::new() };
        vec![format!("{consumer}: {} → {} requests a minute", grant_text(before), grant_text(after))]
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Configuration
    }

    fn how(&self) -> How<'_> {
        How::Stored(self)
    }
}

impl Stored for Limit {
    fn run<'a>(
        &'a self,
        invocation: &'a Invocation,
        tx: &'a mut Tx,
    ) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let (handle, consumer) = ((self.0)().map_err(refused)?, arg(invocation, "consumer"));
            let (before, after) = (handle.grant(consumer), Self::wanted(invocation).map_err(refused)?);
            Failure::unless_expected(invocation, &grant_text(before))?;
            store::set_grant(tx, consumer, after).await?;
            let mut inverse = Invocation::new(LIMIT, invocation.actor.clone()).arg("consumer", consumer);
            if let Some(before) = before {
                inverse = inverse.arg("per_minute", before.to_string());
            }
            let summary = match after {
                Some(0) => format!("{consumer}: cut off"),
                Some(n) => format!("{consumer}: granted {n} requests a minute (was {})", grant_text(before)),
                None => format!("{consumer}: limited as its tier has it (was {})", grant_text(before)),
            };
            Ok(Outcome::new(ChangeKind::Configuration, summary).undo(inverse, grant_text(after)))
        })
    }

    fn committed(&self, invocation: &Invocation, _outcome: &Outcome) {
        if let (Ok(handle), Ok(after)) = ((self.0)(), Self::wanted(invocation)) {
            handle.set_grant(arg(invocation, "consumer"), after);
        }
    }
}

struct Purge(Live);

impl Execute for Purge {
    fn available(&self, _: Option<&Subject>) -> Result<(), Reason> {
        (self.0)().map(drop)
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for Purge {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        Outcome::new(ChangeKind::Operation, format!("cache: purging {}", arg(invocation, "pattern")))
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let (handle, pattern) = ((self.0)().map_err(refused)?, arg(invocation, "pattern"));
            let route = Some(arg(invocation, "route")).filter(|route| !route.is_empty());
            let purged = handle.purge(route, pattern).map_err(refused)?;
            let answers = if purged == 1 { "answer" } else { "answers" };
            Ok(Outcome::new(ChangeKind::Operation, format!("cache: {purged} {answers} of {pattern} purged")))
        })
    }

    fn reconcile<'a>(&'a self, _: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        // The cache is in memory: a restart has purged all of it.
        Box::pin(async {
            Reconciled::Done(Outcome::new(ChangeKind::Operation, "cache: empty since the restart"))
        })
    }
}

struct Warm(Live);

impl Execute for Warm {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        let handle = (self.0)()?;
        match subject {
            Some(subject) => match handle.table().routes.iter().any(|route| *route.name == *subject.id) {
                true => Ok(()),
                false => Err(Reason(format!("the gateway has no route {:?}", subject.id))),
            },
            None => Ok(()),
        }
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for Warm {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        Outcome::new(ChangeKind::Operation, format!("cache: warming {}", named(invocation)))
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let handle = (self.0)().map_err(refused)?;
            let paths: Vec<String> =
                arg(invocation, "paths").split(',').map(|p| p.trim().to_owned()).collect();
            if let Some(bad) = paths.iter().find(|path| !path.starts_with('/')) {
                return Err(Failure::Refused(format!("{bad:?} is not a path: it begins with /")));
            }
            let origin = Some(arg(invocation, "as")).filter(|origin| !origin.is_empty());
            let warmth = handle.warm(named(invocation), &paths, origin).await.map_err(refused)?;
            let problem = warmth.problem.map(|problem| format!("; {problem}")).unwrap_or_default();
            let summary = format!(
                "cache: {} of {} answers of {} kept, asked for as {}{problem}",
                warmth.kept,
                warmth.asked,
                named(invocation),
                warmth.origins.join(", ")
            );
            Ok(Outcome::new(ChangeKind::Operation, summary))
        })
    }

    fn reconcile<'a>(&'a self, _: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async { Reconciled::Failed("the console was started again before it was done".to_owned()) })
    }
}
