//! Doing what follows from a state, and hearing what comes back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use quarterdeck_services::Source;
use tokio::sync::Semaphore;

use super::Runner;
use crate::analysis::{JudgeRequest, Value};
use crate::checks;
use crate::config::{Config, ServiceConfig};
use crate::engine::{Effect, Input, Service, Stage};
use crate::judge::{self, Series};
use crate::model::{Change, JudgeState, Mirror, RoutedHeader, Shares};
use crate::target::{Desired, Observed, Target, TargetError};
use crate::traffic::Course;

/// How long a target may take to take up what is wanted.
const TAKE_UP: Duration = Duration::from_secs(2);
/// What troubles a service whose versions run on another console.
const ELSEWHERE: &str = "elsewhere";
/// Queries that run at a time.
static QUERIES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(4)));

/// What came back from outside.
pub(super) struct Done(Input);

/// What is wanted of a service, and how far it has been taken up.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    shares: Shares,
    headers: Vec<RoutedHeader>,
    mirror: Option<Mirror>,
    /// What traffic was told last.
    applied: Option<Course>,
    /// What targets have not taken up yet, by version.
    unmet: BTreeMap<String, Desired>,
    /// Why traffic or a target does not follow.
    pub trouble: BTreeMap<&'static str, String>,
}

impl Runner {
    /// Does effects, in their order; what they stand for is durable.
    pub(super) async fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            // Found out on the way: another console does what follows.
            if self.lost {
                return;
            }
            match effect {
                Effect::Ensure { service, version, replicas, generation } => {
                    self.ensure(Desired { service, version, replicas, generation }).await;
                }
                Effect::Steer { service, shares, headers, mirror } => {
                    let held = self.held.entry(service.clone()).or_default();
                    (held.shares, held.headers, held.mirror) = (shares, headers, mirror);
                    self.steer(&service);
                }
                Effect::RunChecks { service, rollout, stage } => self.check(service, rollout, stage),
                Effect::Measure { service, rollout, analysis, metric, query } => {
                    let (source, tell, now) =
                        (Arc::clone(&self.seams.metrics), self.tell.clone(), self.now());
                    tokio::spawn(async move {
                        let result = queried(move || measured(&*source, &query, now)).await;
                        let _ = tell
                            .send(Done(Input::Measured { service, rollout, analysis, metric, result }))
                            .await;
                    });
                }
                Effect::Judge { service, rollout, analysis, request } => {
                    let (source, tell, now) =
                        (Arc::clone(&self.seams.metrics), self.tell.clone(), self.now());
                    tokio::spawn(async move {
                        let result = queried(move || Ok(judged(&*source, &request, now))).await;
                        let result = Box::new(result);
                        let _ = tell.send(Done(Input::Judged { service, rollout, analysis, result })).await;
                    });
                }
                // Taken when they came.
                Effect::Tell(_) | Effect::Ended { .. } => {}
            }
        }
    }

    pub(super) async fn ensure(&mut self, want: Desired) {
        // Several that take their time must not cost the lease.
        self.keep().await;
        if self.lost {
            return;
        }
        let targets = Arc::clone(&self.seams.targets);
        let taken = match tokio::time::timeout(TAKE_UP, targets.ensure(want.clone())).await {
            Ok(taken) => taken,
            Err(_) => Err(TargetError::Unreachable("it did not answer in time".to_owned())),
        };
        let held = self.held.entry(want.service.clone()).or_default();
        let problem = match taken {
            // Something newer is wanted: that will be told in its turn.
            Ok(()) | Err(TargetError::Conflict { .. }) => None,
            Err(error @ TargetError::Refused(_)) => {
                held.unmet.remove(&want.version);
                Some(error)
            }
            Err(error @ TargetError::Unreachable(_)) => Some(error),
        };
        match problem {
            None => {
                held.unmet.remove(&want.version);
                if held.unmet.is_empty() {
                    held.trouble.remove("target");
                }
            }
            Some(error) => {
                let (service, version) = (want.service.as_str(), want.version.as_str());
                tracing::warn!(service, version, %error, "a target does not take up what is wanted");
                held.trouble.insert("target", format!("{version}: {error}"));
                if matches!(error, TargetError::Unreachable(_)) {
                    held.unmet.insert(want.version.clone(), want);
                }
                self.dirty = true;
            }
        }
    }

    /// Takes up what another console has put in force, as far as it can be done here: versions that somebody else runs are
    /// probed, and this console's own gateway follows once they are ready. Processes run where they were started.
    pub(super) async fn mirror(&mut self) {
        let services: Vec<Service> = self.engine.services().cloned().collect();
        for service in services {
            let config = self.config.services.get(&service.name);
            let external = |version: &str| config.is_some_and(|c| c.endpoints_of(version).is_some());
            let taking: Vec<&str> =
                service.shares.iter().filter(|(_, share)| *share > 0).map(|(v, _)| v.as_str()).collect();
            let process =
                taking.iter().find(|version| !external(version)).map(|version| (*version).to_owned());
            let probed: Vec<(String, u32)> = service
                .versions
                .iter()
                .filter(|(name, _)| external(name))
                .map(|(name, version)| (name.clone(), version.wanted))
                .collect();
            let held = self.held.entry(service.name.clone()).or_default();
            held.shares.clone_from(&service.shares);
            held.headers.clone_from(&service.headers);
            held.mirror.clone_from(&service.mirror);
            match process {
                Some(version) => {
                    let why = format!(
                        "{version} is a process of the other console: requests that come to this one's gateway are not moved"
                    );
                    held.trouble.insert(ELSEWHERE, why);
                }
                None => drop(held.trouble.remove(ELSEWHERE)),
            }
            for (version, replicas) in probed {
                let generation = service.generation;
                self.ensure(Desired { service: service.name.clone(), version, replicas, generation }).await;
            }
        }
        self.steer_along();
    }

    /// Lets this console's gateway go where another console leads it.
    pub(super) fn steer_along(&mut self) {
        let observed = self.seams.targets.watch().borrow().clone();
        let ready = |service: &str, shares: &Shares| {
            let mut taking = shares.iter().filter(|(_, share)| *share > 0).peekable();
            let ready =
                |version: &str| observed.version(service, version).is_some_and(|seen| seen.ready() > 0);
            taking.peek().is_some() && taking.all(|(version, _)| ready(version))
        };
        let all = self.held.iter().filter(|(name, held)| ready(name, &held.shares));
        let services: Vec<String> = all.map(|(name, _)| name.clone()).collect();
        for service in services {
            self.steer_anew(&service);
        }
    }

    /// No more a matter of another console.
    pub(super) fn own(&mut self) {
        for held in self.held.values_mut() {
            held.trouble.remove(ELSEWHERE);
        }
    }

    /// Tells traffic where to go, if that has changed.
    fn steer(&mut self, service: &str) {
        let observed = self.seams.targets.watch().borrow().clone();
        let moved = self.engine.service(service).is_some_and(|known| known.revision > 0);
        let gateway = self.gateway_of(service).to_owned();
        let Some(held) = self.held.get_mut(service) else { return };
        let before = held.applied.as_ref();
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (version, seen) in observed.services.get(service).into_iter().flatten() {
            let urls: Vec<String> = seen.ready_urls().map(str::to_owned).collect();
            if !urls.is_empty() {
                versions.insert(version.clone(), urls);
            }
        }
        // A version that is to have traffic and has nothing that is ready keeps the addresses it had: there is nothing better.
        let used = |version: &str| {
            held.shares.iter().any(|(v, share)| v == version && *share > 0)
                || held.headers.iter().any(|route| route.version == version)
                || held.mirror.as_ref().is_some_and(|mirror| mirror.version == version)
        };
        for (version, urls) in before.iter().flat_map(|course| &course.versions) {
            if used(version) && !versions.contains_key(version) {
                versions.insert(version.clone(), urls.clone());
            }
        }
        let course = Course {
            versions: versions.into_iter().collect(),
            // As long as nothing was ever rolled out, shares are the configuration's and the operators'.
            shares: if moved { held.shares.clone() } else { Shares::new() },
            headers: held.headers.clone(),
            mirror: held.mirror.clone(),
        };
        if before == Some(&course) && !held.trouble.contains_key("traffic") {
            return;
        }
        match self.seams.traffic.steer(&gateway, &course) {
            Ok(()) => {
                held.applied = Some(course);
                held.trouble.remove("traffic");
            }
            Err(why) => {
                if held.trouble.get("traffic") != Some(&why) {
                    tracing::error!(service, why, "traffic does not follow");
                }
                held.trouble.insert("traffic", why);
            }
        }
        self.dirty = true;
    }

    /// Traffic that was not told yet, or has forgotten; targets that did not take up what is wanted.
    pub(super) fn steer_all(&mut self) {
        let services: Vec<String> = self.held.keys().cloned().collect();
        for service in services {
            self.steer_anew(&service);
        }
    }

    fn steer_anew(&mut self, service: &str) {
        if !self.seams.traffic.holds(self.gateway_of(service))
            && let Some(held) = self.held.get_mut(service)
        {
            held.applied = None;
        }
        self.steer(service);
    }

    /// Asks targets again that could not be reached.
    pub(super) async fn insist(&mut self) {
        let unmet: Vec<Desired> = self.held.values().flat_map(|held| held.unmet.values().cloned()).collect();
        for want in unmet {
            self.ensure(want).await;
        }
    }

    /// What the targets see now.
    pub(super) fn observe(&mut self, newest: &Arc<Observed>) {
        if self.waiting.is_stuck() {
            return;
        }
        let services: Vec<String> = self.engine.services().map(|service| service.name.clone()).collect();
        for service in services {
            let seen = newest.services.get(&service);
            let mut versions: BTreeSet<String> = seen.into_iter().flat_map(BTreeMap::keys).cloned().collect();
            versions.extend(self.state(&service).into_iter().flat_map(|s| s.versions.keys().cloned()));
            for version in versions {
                let replicas = seen.and_then(|seen| seen.get(&version)).map(|v| v.replicas.clone());
                let replicas = replicas.unwrap_or_default();
                self.input(Input::Observed { service: service.clone(), version, replicas });
            }
            self.steer(&service);
        }
    }

    /// Something came back.
    pub(super) fn heard(&mut self, Done(input): Done) {
        // While nothing can be saved nothing moves; what was asked is asked again in its time.
        if !self.waiting.is_stuck() {
            self.input(input);
        }
    }

    fn check(&self, service: String, rollout: String, stage: Stage) {
        let Some(config) = self.config.services.get(&service) else { return };
        let Some(known) = self.engine.service(&service).and_then(|s| s.rollout.as_ref()) else { return };
        let observed = self.seams.targets.watch().borrow().clone();
        let urls = |seen: &crate::target::ObservedVersion| seen.ready_urls().map(str::to_owned).collect();
        let endpoints = observed.services.get(&service).into_iter().flatten();
        let plan = checks::Plan {
            service: service.clone(),
            config: Arc::new(config.clone()),
            from: known.from.clone(),
            to: known.to.clone(),
            rollback: known.rollback_of.is_some(),
            actor: known.actor.clone(),
            now: self.now(),
            endpoints: endpoints.map(|(version, seen)| (version.clone(), urls(seen))).collect(),
        };
        let mut all = self.checks();
        if let Some(only) = &known.strategy.checks {
            all.retain(|check| only.iter().any(|name| name == check.name()));
        }
        let tell = self.tell.clone();
        tokio::spawn(async move {
            let when = match stage {
                Stage::Before => checks::Stage::Before,
                Stage::Started => checks::Stage::Ready,
            };
            let results = checks::run(&all, when, &plan).await;
            let _ = tell.send(Done(Input::Checked { service, rollout, stage, results })).await;
        });
    }
}

/// Runs a query beside everything else, a few at a time.
async fn queried<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let permit = Arc::clone(&QUERIES).acquire_owned().await;
    let done = tokio::task::spawn_blocking(work).await;
    drop(permit);
    done.unwrap_or_else(|_| Err("the query failed; the log says more".to_owned()))
}

/// The newest value of each series.
fn measured(source: &dyn Source, query: &str, now: quarterdeck_kernel::Timestamp) -> Result<Value, String> {
    let lines = source.range(query, now, now, Duration::from_secs(1))?;
    let values: Vec<f64> =
        lines.iter().filter_map(|line| line.points.last()).map(|(_, value)| *value).collect();
    Ok(Value::vector(&values))
}

fn judged(source: &dyn Source, request: &JudgeRequest, now: quarterdeck_kernel::Timestamp) -> JudgeState {
    let stable = request.queries(&request.stable);
    let canary = request.queries(&request.canary);
    let mut found = BTreeMap::new();
    for ((name, stable), (_, canary)) in stable.iter().zip(&canary) {
        let series = values(source, stable, request)
            .and_then(|stable| Ok(Series { stable, canary: values(source, canary, request)? }));
        found.insert(name.clone(), series);
    }
    judge::judge(&request.spec, &found, now)
}

/// The values of a query at each step of the window; NaN where there is none.
fn values(source: &dyn Source, query: &str, request: &JudgeRequest) -> Result<Vec<f64>, String> {
    let step = request.spec.step.max(Duration::from_millis(1));
    let lines = source.range(query, request.from, request.to, step)?;
    let line = match lines.as_slice() {
        [] => None,
        [line] => Some(line),
        many => return Err(format!("the query gives {} series; aggregate it to one", many.len())),
    };
    let mut points = line.map(|line| line.points.iter().copied()).into_iter().flatten().peekable();
    let mut values = Vec::new();
    let mut at = request.from;
    while at <= request.to {
        while points.peek().is_some_and(|(t, _)| *t < at) {
            points.next();
        }
        values.push(points.next_if(|(t, _)| *t == at).map_or(f64::NAN, |(_, value)| value));
        at = at + step;
    }
    Ok(values)
}

/// Whether a version can be run as things are configured.
pub(super) fn can_run(config: &Config, service: &str, version: &str) -> Result<(), String> {
    let Some(service_config) = config.services.get(service) else {
        return Err(format!("[deploy.services.{service}] is not there any more"));
    };
    if service_config.endpoints_of(version).is_some() {
        return Ok(());
    }
    let own = service_config.versions.get(version).is_some_and(|v| !v.command.is_empty());
    let any = service_config.process.as_ref().is_some_and(|process| !process.command.is_empty());
    if service_config.process.is_some() && (own || any) {
        return Ok(());
    }
    let there: Vec<&str> = service_config.versions.keys().map(String::as_str).collect();
    let near = quarterdeck_kernel::suggest::nearest(version, there.iter().copied());
    let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Err(format!(
        "nothing says where {service} {version} runs{near} Give [deploy.services.{service}.versions.{version}] endpoints or a \
         command, or [deploy.services.{service}.process] a command for all"
    ))
}

/// What differs between the configurations of two versions.
pub(super) fn difference(
    service: &ServiceConfig,
    from: Option<&str>,
    to: &str,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Vec<Change> {
    let external = |version: &str| service.endpoints_of(version).is_some();
    let mixed = from.is_some_and(|from| external(from) != external(to));
    let settings = |version: Option<&str>, metadata: &BTreeMap<String, String>| {
        let mut all: BTreeMap<String, String> =
            metadata.iter().map(|(k, v)| (format!("metadata.{k}"), v.clone())).collect();
        let Some(version) = version else { return all };
        let own = service.versions.get(version).cloned().unwrap_or_default();
        let process = service.process.as_ref();
        let command = if own.command.is_empty() {
            process.map(|process| process.command.clone()).unwrap_or_default()
        } else {
            own.command.clone()
        };
        // Where one is a process and the other runs elsewhere, that is the difference.
        if own.endpoints.is_empty() {
            let command = command.join(" ").replace("{version}", version);
            all.insert(if mixed { "runs" } else { "command" }.to_owned(), command);
        } else {
            let endpoints = own.endpoints.join(", ");
            let told = if mixed { format!("by somebody else at {endpoints}") } else { endpoints };
            all.insert(if mixed { "runs" } else { "endpoints" }.to_owned(), told);
            return all;
        }
        if let Some(dir) = own.dir.as_ref().or_else(|| process.and_then(|p| p.dir.as_ref())) {
            all.insert("dir".to_owned(), dir.display().to_string());
        }
        let mut env = process.map(|process| process.env.clone()).unwrap_or_default();
        env.extend(own.env);
        all.extend(env.into_iter().map(|(k, v)| (format!("env.{k}"), v.replace("{version}", version))));
        all
    };
    let (before, after) = (settings(from, before), settings(Some(to), after));
    let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    keys.into_iter()
        .filter(|key| before.get(*key) != after.get(*key))
        .map(|key| Change {
            key: key.clone(),
            before: before.get(key).cloned(),
            after: after.get(key).cloned(),
        })
        .collect()
}
