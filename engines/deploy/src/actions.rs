//! What an operator can do about rollouts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use quarterdeck_journal::dispatch::{Execute, External, Failure, How, Outcome, Reconciled};
use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{
    ActionSpec, ArgKind, ArgSpec, ChangeKind, Danger, Invocation, Reason, Severity, Subject, SubjectKind,
};

use crate::engine::{Fact, Input};
use crate::model::{Phase, Rollout, Snapshot, share_of};
use crate::strategy::{Gradual, StrategyKind};
use crate::task::{Begin, Handle, Refused};

/// Begins a rollout.
pub const START: &str = "deploy.start";
/// Goes on from where a rollout waits, or to its end.
pub const PROMOTE: &str = "deploy.promote";
/// Ends a pause now.
pub const SKIP: &str = "deploy.skip";
/// Makes a rollout stand still.
pub const FREEZE: &str = "deploy.freeze";
/// Lets it go on.
pub const RESUME: &str = "deploy.resume";
/// Takes a rollout under way back.
pub const ABORT: &str = "deploy.abort";
/// Goes back to the version before, whether or not a rollout is under way.
pub const ROLLBACK: &str = "deploy.rollback";
/// Gives the new version of a blue-green deployment a share.
pub const WEIGHT: &str = "deploy.weight";

/// The longest strategy that may come with an invocation, in bytes.
const MAX_DOCUMENT: usize = 256 << 10;
/// The way back in steps, unless the strategy says another.
const GRADUAL: [u32; 3] = [50, 25, 10];
const GRADUAL_INTERVAL: Duration = Duration::from_secs(10);

fn arg(name: &'static str, description: &'static str, kind: ArgKind, required: bool) -> ArgSpec {
    ArgSpec { name, description, kind, required }
}

fn yes_or_no() -> ArgKind {
    ArgKind::Choice(vec!["yes".to_owned(), "no".to_owned()])
}

/// The actions of this engine.
#[must_use]
pub fn actions() -> Vec<ActionSpec> {
    let spec = |id, title, description, args, danger, inverse| ActionSpec {
        id,
        title,
        description,
        subject: Some(SubjectKind::Service),
        args,
        danger,
        inverse,
    };
    vec![
        spec(
            START,
            "Deploy a version",
            "Rolls a version of a service out by a strategy: checks before, steps, analysis; taken back by itself when it fails.",
            vec![
                arg("version", "the version that the service is to have", ArgKind::Text, true),
                arg(
                    "strategy",
                    "the name of a strategy; the service's own if left out",
                    ArgKind::Text,
                    false,
                ),
                arg(
                    "document",
                    "a strategy itself, as a file has it, instead of a name",
                    ArgKind::Text,
                    false,
                ),
                arg(
                    "commit_time",
                    "when the change was committed (RFC 3339), for the lead time",
                    ArgKind::Text,
                    false,
                ),
                arg("unplanned", "yes: it mends what a deployment broke", yes_or_no(), false),
            ],
            Danger::Disruptive,
            Some(ROLLBACK),
        ),
        spec(
            PROMOTE,
            "Promote",
            "Goes on from where the rollout waits; full=yes skips all steps that are left.",
            vec![arg("full", "yes: to the end, without the steps that are left", yes_or_no(), false)],
            Danger::Disruptive,
            Some(ROLLBACK),
        ),
        spec(
            SKIP,
            "Skip the pause",
            "Ends the pause of a rollout now.",
            Vec::new(),
            Danger::Disruptive,
            None,
        ),
        spec(
            FREEZE,
            "Freeze the rollout",
            "Makes a rollout stand still, whatever happens, until it is resumed.",
            Vec::new(),
            Danger::Safe,
            Some(RESUME),
        ),
        spec(
            RESUME,
            "Resume the rollout",
            "Lets a frozen rollout go on; what failed is tried again.",
            Vec::new(),
            Danger::Disruptive,
            Some(FREEZE),
        ),
        spec(
            ABORT,
            "Abort the rollout",
            "Takes a rollout under way back: traffic returns to the stable version.",
            Vec::new(),
            Danger::Disruptive,
            None,
        ),
        spec(
            ROLLBACK,
            "Roll back",
            "Returns traffic to the version before, from the middle of a rollout or after it.",
            vec![
                arg("to", "the version to return to; the one before if left out", ArgKind::Text, false),
                arg("gradual", "yes: in steps instead of at once", yes_or_no(), false),
            ],
            Danger::Disruptive,
            Some(START),
        ),
        spec(
            WEIGHT,
            "Set the new colour's weight",
            "Gives the new version of a blue-green deployment so many of 100 requests.",
            vec![arg("weight", "from 0 to 100", ArgKind::Number, true)],
            Danger::Disruptive,
            None,
        ),
    ]
}

/// Where the newest handle is; the engine may be started again.
pub type Live = Arc<dyn Fn() -> Result<Handle, Reason> + Send + Sync>;

/// The actions with their functions.
#[must_use]
pub fn executes(live: &Live) -> Vec<(ActionSpec, Arc<dyn Execute>)> {
    actions()
        .into_iter()
        .map(|spec| {
            let execute: Arc<dyn Execute> = Arc::new(Operate { id: spec.id, live: Arc::clone(live) });
            (spec, execute)
        })
        .collect()
}

struct Operate {
    id: &'static str,
    live: Live,
}

fn named(invocation: &Invocation) -> &str {
    invocation.subject.as_ref().map(|subject| subject.id.as_str()).unwrap_or_default()
}

fn arg_of<'a>(invocation: &'a Invocation, name: &str) -> &'a str {
    invocation.args.get(name).map(|text| text.trim()).unwrap_or_default()
}

fn yes(invocation: &Invocation, name: &str) -> Result<bool, String> {
    match arg_of(invocation, name) {
        "" | "no" | "false" => Ok(false),
        "yes" | "true" => Ok(true),
        other => Err(format!("{name} is {other:?}: write yes or no")),
    }
}

/// What is asked for.
enum Wanted {
    Begin(Box<Begin>),
    Input(Box<Input>),
}

impl Operate {
    fn wanted(&self, invocation: &Invocation, snapshot: &Snapshot) -> Result<Wanted, String> {
        let (service, by) = (named(invocation).to_owned(), invocation.actor.clone());
        let reason = invocation.reason.clone().unwrap_or_default();
        let input = match self.id {
            START => {
                let text =
                    |name| Some(arg_of(invocation, name)).filter(|text| !text.is_empty()).map(str::to_owned);
                let document = text("document");
                if document.as_ref().is_some_and(|document| document.len() > MAX_DOCUMENT) {
                    return Err(format!("the strategy is longer than {} KiB", MAX_DOCUMENT >> 10));
                }
                let mut metadata = vec![("invocation".to_owned(), invocation.id.to_string())];
                if let Some(committed) = text("commit_time") {
                    let read: jiff::Timestamp = committed.parse().map_err(|e| {
                        format!("commit_time is {committed:?}: write it as in 2026-03-01T12:00:00Z ({e})")
                    })?;
                    metadata.push(("commit_time".to_owned(), read.as_millisecond().to_string()));
                }
                if yes(invocation, "unplanned")? {
                    metadata.push(("unplanned".to_owned(), "true".to_owned()));
                }
                return Ok(Wanted::Begin(Box::new(Begin {
                    service,
                    to: arg_of(invocation, "version").to_owned(),
                    strategy: text("strategy"),
                    document,
                    actor: by,
                    reason,
                    metadata,
                })));
            }
            PROMOTE => Input::Promote { service, full: yes(invocation, "full")?, by },
            SKIP => Input::SkipPause { service, by },
            FREEZE => Input::Freeze { service, reason, by },
            RESUME => Input::Resume { service, by },
            ABORT => Input::Abort { service, reason, by },
            ROLLBACK => {
                let gradual = yes(invocation, "gradual")?.then(|| {
                    let told =
                        snapshot.rollout_of(&service).and_then(|r| r.strategy.gradual_rollback.clone());
                    told.unwrap_or(Gradual { steps: GRADUAL.to_vec(), interval: GRADUAL_INTERVAL })
                });
                let to = Some(arg_of(invocation, "to")).filter(|to| !to.is_empty()).map(str::to_owned);
                Input::Rollback { service, to, gradual, reason, by }
            }
            _ => {
                let text = arg_of(invocation, "weight");
                let weight = text.parse().ok().filter(|weight| *weight <= 100);
                let weight = weight
                    .ok_or_else(|| format!("weight is {text:?}: write a whole number from 0 to 100"))?;
                Input::SetWeight { service, weight, by }
            }
        };
        Ok(Wanted::Input(Box::new(input)))
    }
}

/// Why an action makes no sense for a service now.
///
/// # Errors
/// The reason, in words.
pub fn available(id: &str, snapshot: &Snapshot, service: &str) -> Result<(), Reason> {
    if let Some(elsewhere) = &snapshot.elsewhere {
        return Err(Reason(elsewhere.refusal()));
    }
    let Some(view) = snapshot.service(service) else {
        return Err(Reason(format!(
            "{service:?} is not deployed here: name it in [deploy.services.{service}]"
        )));
    };
    let rollout = snapshot.rollout_of(service);
    let idle = || Reason(format!("{service} has no rollout under way"));
    match id {
        START => match rollout {
            Some(rollout) => Err(Reason(format!(
                "{service} has a rollout already: {}, {}",
                rollout.title(),
                rollout.phase
            ))),
            None => Ok(()),
        },
        ROLLBACK if rollout.is_none() => match &view.previous {
            Some(_) => Ok(()),
            None => Err(Reason(format!(
                "no rollout has brought {service} a new version yet: there is none to go back to from {}",
                view.stable.as_deref().unwrap_or("none")
            ))),
        },
        ROLLBACK => Ok(()),
        RESUME => match rollout.ok_or_else(idle)?.frozen {
            Some(_) => Ok(()),
            None => Err(Reason(format!("the rollout of {service} is not frozen"))),
        },
        FREEZE => match rollout.ok_or_else(idle)?.frozen {
            None => Ok(()),
            Some(_) => Err(Reason(format!("the rollout of {service} is frozen already"))),
        },
        SKIP => match rollout.ok_or_else(idle)?.phase {
            Phase::Paused => Ok(()),
            phase => Err(Reason(format!("there is no pause to skip: the rollout of {service} is {phase}"))),
        },
        WEIGHT => match rollout.ok_or_else(idle)?.strategy.kind {
            StrategyKind::BlueGreen(_) => Ok(()),
            _ => Err(Reason("weights are set by hand in blue-green deployments only".to_owned())),
        },
        _ => rollout.map(drop).ok_or_else(idle),
    }
}

/// What going back does, in numbers.
fn back(rollout: &Rollout, snapshot: &Snapshot) -> Vec<String> {
    let service = snapshot.service(&rollout.service);
    let version = |name: &str| service.and_then(|s| s.versions.iter().find(|v| v.name == name));
    let from = rollout.from.as_deref().unwrap_or("nothing");
    let share = share_of(&rollout.shares, &rollout.to);
    let (rate, in_flight) = version(&rollout.to).map_or((0.0, 0), |v| (v.rate, v.in_flight));
    let mut lines = vec![format!(
        "{}: traffic {} {share} % → 0 %, {from} → 100 % ({rate:.0} requests/s move, {in_flight} under way end as they began)",
        rollout.service, rollout.to
    )];
    match version(from) {
        Some(v) if v.ready > 0 => {
            lines.push(format!("{from} is ready: {} of {} replicas", v.ready, v.wanted));
        }
        Some(v) => lines.push(match v.last_start {
            Some(took) => format!(
                "{from} does not run: it is started first, which took {} last time",
                format_duration(took)
            ),
            None => format!("{from} does not run: it is started first"),
        }),
        None => {}
    }
    lines
}

impl Execute for Operate {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        let handle = (self.live)()?;
        match subject {
            Some(subject) => available(self.id, &handle.snapshot(), &subject.id),
            None => Ok(()),
        }
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let Ok(handle) = (self.live)() else { return Vec::new() };
        let (snapshot, service) = (handle.snapshot(), named(invocation));
        let rollout = snapshot.rollout_of(service);
        match (self.id, rollout) {
            (ABORT | ROLLBACK, Some(rollout)) => back(rollout, &snapshot),
            (ROLLBACK, None) => {
                let Some(view) = snapshot.service(service) else { return Vec::new() };
                let named = Some(arg_of(invocation, "to")).filter(|to| !to.is_empty());
                let stable = view.stable.as_deref().unwrap_or("nothing");
                let to = named.or(view.previous.as_deref());
                let told =
                    to.map(|to| format!("{service}: {stable} → {to} at once, as a rollout of its own"));
                let runs = to.and_then(|to| view.versions.iter().find(|v| v.name == to && v.ready > 0));
                let first = to.filter(|_| runs.is_none());
                told.into_iter()
                    .chain(first.map(|to| format!("{to} does not run: it is started first")))
                    .collect()
            }
            (START, _) => {
                let stable = snapshot.service(service).and_then(|view| view.stable.clone());
                let from = stable.map_or_else(String::new, |stable| format!("{stable} → "));
                vec![format!("{service}: {from}{}", arg_of(invocation, "version"))]
            }
            (PROMOTE, Some(rollout)) => {
                let left = rollout.steps.iter().filter(|step| step.ended.is_none()).count();
                let share = share_of(&rollout.shares, &rollout.to);
                vec![format!("{service}: {} has {share} % of the traffic; {left} steps are left", rollout.to)]
            }
            (_, Some(rollout)) => vec![format!("{}: {}", rollout.id, rollout.message)],
            (_, None) => Vec::new(),
        }
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Deployment
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

fn failure(refused: Refused) -> Failure {
    match refused {
        Refused::Refusal(_) | Refused::Bad(_) | Refused::Busy | Refused::Elsewhere(_) => {
            Failure::Refused(refused.to_string())
        }
        other => Failure::Failed(other.to_string()),
    }
}

impl External for Operate {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        let service = named(invocation);
        let what = match self.id {
            START => format!("{service}: rolling out {}", arg_of(invocation, "version")),
            PROMOTE => format!("{service}: promoting"),
            SKIP => format!("{service}: skipping the pause"),
            FREEZE => format!("{service}: freezing the rollout"),
            RESUME => format!("{service}: resuming the rollout"),
            ABORT => format!("{service}: aborting the rollout"),
            ROLLBACK => format!("{service}: rolling back"),
            _ => format!("{service}: weight → {} %", arg_of(invocation, "weight")),
        };
        Outcome::new(ChangeKind::Deployment, what).service(service)
    }

    fn urgent(&self) -> bool {
        matches!(self.id, ABORT | ROLLBACK | FREEZE)
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let handle = (self.live)().map_err(|reason| Failure::Refused(reason.0))?;
            let service = named(invocation);
            Failure::unless_expected(invocation, &handle.marker(service))?;
            let snapshot = handle.snapshot();
            let before = snapshot.service(service).and_then(|view| view.stable.clone());
            let to =
                snapshot.rollout_of(service).map(|rollout| rollout.to.clone()).or_else(|| before.clone());
            let wanted = self.wanted(invocation, &snapshot).map_err(Failure::Refused)?;
            let facts = match wanted {
                Wanted::Begin(begin) => handle.begin(*begin).await,
                Wanted::Input(input) => handle.operate(*input).await,
            };
            let facts = facts.map_err(failure)?;
            let own = facts.iter().find(|fact| fact.actor.is_some()).or(facts.first());
            let summary =
                own.map_or_else(|| self.intent(invocation).summary, |fact: &Fact| fact.summary.clone());
            let mut outcome = Outcome::new(ChangeKind::Deployment, summary).service(service);
            if let Some(fact) = own {
                outcome = outcome.severity(fact.severity);
                if let Some(rollout) = &fact.rollout {
                    outcome = outcome.about(Subject::new(SubjectKind::Deployment, rollout.clone()));
                }
            }
            let on = |action| {
                Invocation::new(action, invocation.actor.clone())
                    .on(Subject::new(SubjectKind::Service, service))
            };
            let rollout = own.and_then(|fact| fact.rollout.clone());
            Ok(match (self.id, rollout) {
                (START | PROMOTE, Some(rollout)) => outcome.undo(on(ROLLBACK), rollout),
                (FREEZE, Some(rollout)) => outcome.undo(on(RESUME), rollout),
                (RESUME, Some(rollout)) => outcome.undo(on(FREEZE), rollout),
                (ROLLBACK, Some(_)) => match to {
                    // Rolling the rollback back is a rollout of what it took away.
                    Some(to) => {
                        let mut again = on(START).arg("version", to);
                        again.expects = None;
                        outcome.severity = outcome.severity.max(Severity::Info);
                        outcome.undo = Some(again);
                        outcome
                    }
                    None => outcome,
                },
                _ => outcome,
            })
        })
    }

    fn reconcile<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async move {
            let Ok(handle) = (self.live)() else { return Reconciled::Unknown };
            let snapshot = handle.snapshot();
            let id = invocation.id.to_string();
            let by = |rollout: &&Arc<Rollout>| {
                rollout.metadata.iter().any(|(key, value)| key == "invocation" && *value == id)
            };
            match (self.id, snapshot.rollouts.iter().chain(&snapshot.history).find(by)) {
                (START, Some(rollout)) => {
                    let summary = format!("{}: {} began", rollout.service, rollout.title());
                    Reconciled::Done(Outcome::new(ChangeKind::Deployment, summary).service(rollout.service.as_str()))
                }
                (START, None) => Reconciled::Failed("it had not begun when the console was started again".to_owned()),
                // What was durable of it goes on; the rollout's own entries tell of it.
                _ => Reconciled::Failed(
                    "the console was started again before it was answered; the rollout tells what became of it".to_owned(),
                ),
            }
        })
    }
}
