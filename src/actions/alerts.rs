//! What operators do about alerts: `alerts.*`, `silences.*`, `notifications.retry`, `oncall.*`, `services.maintenance`.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alerting::desk::new_silence;
use quarterdeck_alerting::model::{Schedule, Silence, SilenceKind};
use quarterdeck_alerting::{Answer, Handle, Refused, Request, View, actions, told};
use quarterdeck_alertmanager::{Matcher, Matchers};
use quarterdeck_journal::dispatch::{BoxFuture, External, Reconciled, RegisterError};
use quarterdeck_journal::{Execute, Failure, How, Outcome, Registry};
use quarterdeck_kernel::time::{format_duration, parse_duration};
use quarterdeck_kernel::{ActionSpec, ChangeKind, Invocation, Reason, Subject, SubjectKind, Timestamp};
use uuid::Uuid;

use super::named;
use crate::live::Live;

/// How long a silence lasts unless it is said.
const SILENCE: Duration = Duration::from_secs(2 * 3600);
/// How long maintenance lasts unless it is said.
const MAINTENANCE: Duration = Duration::from_secs(3600);

struct OnAlerts {
    spec: ActionSpec,
    handle: Live<Handle>,
}

pub(super) fn register(registry: &mut Registry, handle: &Live<Handle>) -> Result<(), RegisterError> {
    for spec in actions::actions() {
        registry.register(spec.clone(), Arc::new(OnAlerts { spec, handle: handle.clone() }))?;
    }
    Ok(())
}

fn refused(error: Refused) -> Failure {
    match error {
        Refused::Bad(why) | Refused::Missing(why) => Failure::Refused(why),
        other => Failure::Failed(other.to_string()),
    }
}

fn bad(why: impl Into<String>) -> Failure {
    Failure::Refused(why.into())
}

/// An argument that was given and is not empty.
fn given<'a>(invocation: &'a Invocation, name: &str) -> Option<&'a str> {
    invocation.args.get(name).map(String::as_str).map(str::trim).filter(|text| !text.is_empty())
}

fn duration(invocation: &Invocation, name: &str) -> Result<Option<Duration>, Failure> {
    given(invocation, name)
        .map(|text| match parse_duration(text) {
            Ok(found) if found.is_zero() => Err(bad(format!("{name} is 0: write a duration such as 2h"))),
            Ok(found) => Ok(found),
            Err(error) => Err(bad(format!("{name}: {error}"))),
        })
        .transpose()
}

fn note(invocation: &Invocation) -> Option<Arc<str>> {
    given(invocation, "note").or(invocation.reason.as_deref()).map(Arc::from)
}

/// The matchers that hide one alert: all its labels.
fn matchers_of(view: &View, subject: &Subject) -> Result<Matchers, Failure> {
    let alert = actions::alert_of(subject)
        .and_then(|print| view.alerts.alert(print))
        .ok_or_else(|| bad("there is no such alert any more"))?;
    Ok(alert.labels.pairs().iter().map(|(n, v)| Matcher::equal(n.to_string(), v.to_string())).collect())
}

fn matchers(invocation: &Invocation, view: &View) -> Result<Matchers, Failure> {
    match (given(invocation, "matchers"), &invocation.subject) {
        (Some(text), _) => Matchers::parse(text).map_err(|e| bad(format!("matchers: {e}"))),
        (None, Some(subject)) => matchers_of(view, subject),
        (None, None) => Err(bad("say which alerts: matchers such as alertname=\"HighLatency\"")),
    }
}

fn silence(invocation: &Invocation, view: &View, now: Timestamp) -> Result<Silence, Failure> {
    let comment = given(invocation, "comment").or(invocation.reason.as_deref()).unwrap_or("no reason given");
    let by = &invocation.actor.user;
    if invocation.action == actions::MAINTENANCE {
        let ends_at = now + duration(invocation, "duration")?.unwrap_or(MAINTENANCE);
        let mut silence = new_silence(Matchers::default(), now, ends_at, by, comment);
        silence.kind = SilenceKind::Maintenance(vec![named(invocation).into()]);
        return Ok(silence);
    }
    let ends_at = now + duration(invocation, "duration")?.unwrap_or(SILENCE);
    let mut silence = new_silence(matchers(invocation, view)?, now, ends_at, by, comment);
    if given(invocation, "until_resolved").is_some_and(|text| text == "true") {
        silence.kind = SilenceKind::UntilResolved;
    }
    if let Some(expression) = given(invocation, "cron") {
        let minutes = given(invocation, "minutes").unwrap_or("60");
        silence.kind = SilenceKind::Recurring(Schedule::Cron {
            expression: expression.to_owned(),
            minutes: minutes
                .parse()
                .map_err(|_| bad(format!("minutes is {minutes:?}, which is no number")))?,
            zone: given(invocation, "zone").unwrap_or_default().to_owned(),
        });
    }
    Ok(silence)
}

fn request(invocation: &Invocation, view: &View, now: Timestamp) -> Result<Request, Failure> {
    let subject = invocation.subject.as_ref();
    let alerts = || {
        subject
            .and_then(actions::alert_of)
            .map(|print| vec![print])
            .ok_or_else(|| bad("an alert is named by its fingerprint: 16 hexadecimal digits"))
    };
    let id = || {
        Uuid::parse_str(named(invocation)).map_err(|_| bad(format!("{:?} is not an id", named(invocation))))
    };
    Ok(match invocation.action.as_str() {
        actions::ACKNOWLEDGE => Request::Acknowledge {
            alerts: alerts()?,
            note: note(invocation),
            hold: duration(invocation, "hold")?,
        },
        actions::UNACKNOWLEDGE => Request::Unacknowledge { alerts: alerts()?, note: note(invocation) },
        actions::ASSIGN => Request::Assign {
            alerts: alerts()?,
            to: given(invocation, "to").map(Arc::from),
            note: note(invocation),
        },
        actions::RESOLVE => Request::Resolve { alerts: alerts()?, note: note(invocation) },
        actions::ESCALATE => Request::Escalate { alerts: alerts()? },
        actions::SILENCE | actions::SILENCE_ALERT | actions::MAINTENANCE => {
            Request::SetSilence(silence(invocation, view, now)?)
        }
        actions::EXPIRE => Request::ExpireSilence(id()?),
        actions::RETRY => Request::Retry(id()?),
        actions::OVERRIDE => {
            let from = now + duration(invocation, "in")?.unwrap_or_default();
            let lasts =
                duration(invocation, "duration")?.ok_or_else(|| bad("say for how long: duration=8h"))?;
            Request::Override {
                schedule: named(invocation).to_owned(),
                person: given(invocation, "person").unwrap_or_default().to_owned(),
                replaces: given(invocation, "replaces").map(str::to_owned),
                from,
                until: from + lasts,
                reason: invocation.reason.clone(),
            }
        }
        actions::END_OVERRIDE => {
            let of_schedule = || view.oncall.overrides.iter().filter(|o| o.schedule == named(invocation));
            let id = match given(invocation, "override") {
                Some(id) => id.to_owned(),
                None => of_schedule()
                    .find(|o| o.from <= now && now < o.until)
                    .or_else(|| of_schedule().next())
                    .map(|o| o.id.clone())
                    .ok_or_else(|| bad("the schedule has no override"))?,
            };
            Request::EndOverride(id)
        }
        other => return Err(bad(format!("{other} is not an action on alerts"))),
    })
}

impl OnAlerts {
    fn view(&self) -> Option<Arc<View>> {
        self.handle.get().ok().map(|handle| handle.view())
    }

    fn outcome(&self, invocation: &Invocation, view: &View, answer: &Answer) -> Outcome {
        let mut subject = None;
        let summary = match answer {
            Answer::Done(text) => text.clone(),
            Answer::Silence(id) => {
                subject = Some(Subject::new(SubjectKind::Silence, id.to_string()));
                let what = match &invocation.subject {
                    Some(subject) if subject.kind == SubjectKind::Service => {
                        format!("maintenance of {}", subject.id)
                    }
                    Some(_) if given(invocation, "matchers").is_none() => {
                        format!("silence of {}", title(invocation, view))
                    }
                    _ => format!("silence of {}", given(invocation, "matchers").unwrap_or_default()),
                };
                format!("{what} began ({})", told::short(&id.to_string()))
            }
            Answer::Override(_) => format!(
                "{}: {} is on call for {}",
                named(invocation),
                given(invocation, "person").unwrap_or_default(),
                given(invocation, "duration").unwrap_or_default()
            ),
            Answer::Posted { accepted, .. } => format!("{accepted} alerts taken"),
        };
        let mut outcome = Outcome::new(ChangeKind::Acknowledgement, summary);
        if let Some(service) = service(invocation, view) {
            outcome = outcome.service(service);
        }
        let mut undo = None;
        if let Some(inverse) = self.spec.inverse {
            let mut invocation_of_undo = Invocation::new(inverse, invocation.actor.clone());
            invocation_of_undo.subject = subject.clone().or_else(|| invocation.subject.clone());
            if let Answer::Override(id) = answer {
                invocation_of_undo = invocation_of_undo.arg("override", id.clone());
            }
            undo = Some(invocation_of_undo);
        }
        // Whether things are still as they were left is asked by `available`: it expects nothing more.
        Outcome { undo, ..outcome }
    }
}

/// The alert that an invocation is about, in words.
fn title(invocation: &Invocation, view: &View) -> String {
    let alert =
        invocation.subject.as_ref().and_then(actions::alert_of).and_then(|print| view.alerts.alert(print));
    alert.map_or_else(|| named(invocation).to_owned(), |alert| told::title(alert))
}

fn service(invocation: &Invocation, view: &View) -> Option<String> {
    let subject = invocation.subject.as_ref()?;
    if subject.kind == SubjectKind::Service {
        return Some(subject.id.clone());
    }
    let alert = actions::alert_of(subject).and_then(|print| view.alerts.alert(print))?;
    alert.service.as_ref().map(ToString::to_string)
}

impl Execute for OnAlerts {
    fn available(&self, subject: Option<&Subject>) -> Result<(), Reason> {
        actions::available(&self.handle.get()?.view(), self.spec.id, subject)
    }

    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let Some(view) = self.view() else { return Vec::new() };
        match self.spec.id {
            actions::SILENCE | actions::SILENCE_ALERT => {
                let Ok(found) = matchers(invocation, &view) else { return Vec::new() };
                let hidden: Vec<_> = view
                    .alerts
                    .alerts
                    .iter()
                    .filter(|a| a.state.is_open() && found.matches(&a.labels))
                    .collect();
                let mut lines = vec![match hidden.len() {
                    0 => "hides no alert that fires now".to_owned(),
                    1 => "hides 1 alert that fires now:".to_owned(),
                    n => format!("hides {n} alerts that fire now:"),
                }];
                lines.extend(hidden.iter().take(5).map(|alert| format!("  {}", told::title(alert))));
                if let Ok(lasts) = duration(invocation, "duration") {
                    lines.push(format!("for {}", format_duration(lasts.unwrap_or(SILENCE))));
                }
                lines
            }
            actions::MAINTENANCE => {
                let service = named(invocation);
                let count = view
                    .alerts
                    .alerts
                    .iter()
                    .filter(|a| a.state.is_open() && a.service.as_deref() == Some(service))
                    .count();
                vec![format!("hides the alerts of {service}: {count} fire now")]
            }
            actions::RESOLVE => vec!["stays resolved until its source ends it and it begins anew".to_owned()],
            _ => Vec::new(),
        }
    }

    fn kind(&self) -> ChangeKind {
        ChangeKind::Acknowledgement
    }

    fn how(&self) -> How<'_> {
        How::External(self)
    }
}

impl External for OnAlerts {
    fn intent(&self, invocation: &Invocation) -> Outcome {
        let what = self.view().map_or_else(|| named(invocation).to_owned(), |view| title(invocation, &view));
        Outcome::new(ChangeKind::Acknowledgement, format!("{what}: {}", self.spec.title))
    }

    fn run<'a>(&'a self, invocation: &'a Invocation) -> BoxFuture<'a, Result<Outcome, Failure>> {
        Box::pin(async move {
            let handle = self.handle.get().map_err(|reason| Failure::Refused(reason.0))?;
            let view = handle.view();
            let request = request(invocation, &view, handle.now())?;
            let answer = handle.ask(request, invocation.actor.clone(), true).await.map_err(refused)?;
            Ok(self.outcome(invocation, &view, &answer))
        })
    }

    fn reconcile<'a>(&'a self, _invocation: &'a Invocation) -> BoxFuture<'a, Reconciled> {
        Box::pin(async {
            // What was done is in the state of alerts, which survived; only the answer is not known.
            Reconciled::Failed(
                "the console ended before the answer: the alert's own history says whether it was done"
                    .to_owned(),
            )
        })
    }
}
