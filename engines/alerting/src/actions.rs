//! What an operator can do about alerts, as data. What is done is in the composition, which knows the handle.

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{ActionSpec, ArgKind, ArgSpec, Danger, Reason, Subject, SubjectKind};

use crate::model::SilenceState;
use crate::task::View;

/// Takes an alert.
pub const ACKNOWLEDGE: &str = "alerts.acknowledge";
/// Takes an acknowledgement back.
pub const UNACKNOWLEDGE: &str = "alerts.unacknowledge";
/// Writes what is known of an alert and its group to files. What is done is the composition's: it knows metrics, too.
pub const EXPORT: &str = "incidents.export";
/// Gives an alert to somebody.
pub const ASSIGN: &str = "alerts.assign";
/// Ends an alert.
pub const RESOLVE: &str = "alerts.resolve";
/// Pages the next step now.
pub const ESCALATE: &str = "alerts.escalate";
/// Makes a silence.
pub const SILENCE: &str = "silences.create";
/// Makes a silence of one alert.
pub const SILENCE_ALERT: &str = "alerts.silence";
/// Puts a service into maintenance.
pub const MAINTENANCE: &str = "services.maintenance";
/// Ends a silence.
pub const EXPIRE: &str = "silences.expire";
/// Sends a notification again.
pub const RETRY: &str = "notifications.retry";
/// Changes a schedule for a while.
pub const OVERRIDE: &str = "oncall.override";
/// Ends an override.
pub const END_OVERRIDE: &str = "oncall.end-override";

fn arg(name: &'static str, description: &'static str, kind: ArgKind, required: bool) -> ArgSpec {
    ArgSpec { name, description, kind, required }
}

fn note() -> ArgSpec {
    arg("note", "a note for the others, kept with the alert", ArgKind::Text, false)
}

fn spec(
    id: &'static str,
    title: &'static str,
    description: &'static str,
    subject: Option<SubjectKind>,
    args: Vec<ArgSpec>,
    danger: Danger,
    inverse: Option<&'static str>,
) -> ActionSpec {
    ActionSpec { id, title, description, subject, args, danger, inverse }
}

/// The actions of this engine.
#[must_use]
pub fn actions() -> Vec<ActionSpec> {
    use SubjectKind::{Alert, Notification, Schedule, Service, Silence};
    let silence_args = || {
        vec![
            arg("duration", "how long, such as 2h; 2h if not given", ArgKind::Duration, false),
            arg("comment", "why", ArgKind::Text, false),
            arg("until_resolved", "true ends it as soon as all it hides is resolved", ArgKind::Bool, false),
        ]
    };
    let with_matchers = |required: bool, description: &'static str| {
        let mut args = vec![arg("matchers", description, ArgKind::Text, required)];
        args.extend(silence_args());
        args
    };
    let mut recurring =
        with_matchers(true, "which alerts, as in alertname=\"HighLatency\",service=~\"or.*\"");
    recurring.push(arg(
        "cron",
        "hides only for some minutes from each of these times: minute hour day month weekday",
        ArgKind::Text,
        false,
    ));
    recurring.push(arg("minutes", "with cron: how long each time", ArgKind::Number, false));
    recurring.push(arg("zone", "with cron: the IANA time zone; UTC if not given", ArgKind::Text, false));
    vec![
        spec(
            ACKNOWLEDGE,
            "Acknowledge",
            "Takes an alert: it repeats and escalates no more, until it resolves or the acknowledgement runs out.",
            Some(Alert),
            vec![
                note(),
                arg(
                    "hold",
                    "for how long, such as 30m; until it resolves if not given",
                    ArgKind::Duration,
                    false,
                ),
            ],
            Danger::Safe,
            Some(UNACKNOWLEDGE),
        ),
        spec(
            UNACKNOWLEDGE,
            "Take acknowledgement back",
            "Nobody takes care of the alert after all: repeats and escalation go on.",
            Some(Alert),
            vec![note()],
            Danger::Safe,
            Some(ACKNOWLEDGE),
        ),
        spec(
            ASSIGN,
            "Assign",
            "Gives an alert to a person, or to whoever is on call in a schedule, and pages them.",
            Some(Alert),
            vec![arg("to", "a person, schedule:NAME, or nothing for nobody", ArgKind::Text, false), note()],
            Danger::Safe,
            None,
        ),
        spec(
            RESOLVE,
            "Resolve",
            "Ends an alert although its source says that it fires; it stays resolved until it ends there and begins anew.",
            Some(Alert),
            vec![note()],
            Danger::Disruptive,
            None,
        ),
        spec(
            ESCALATE,
            "Escalate now",
            "Pages the next step of the alert's escalation at once.",
            Some(Alert),
            Vec::new(),
            Danger::Safe,
            None,
        ),
        spec(
            SILENCE_ALERT,
            "Silence",
            "Hides an alert, or all that its matchers match, for a time: nobody is told.",
            Some(Alert),
            with_matchers(false, "which alerts; all labels of this one if not given"),
            Danger::Disruptive,
            Some(EXPIRE),
        ),
        spec(
            SILENCE,
            "Silence by matchers",
            "Hides alerts for a time, once or recurring: nobody is told.",
            None,
            recurring,
            Danger::Disruptive,
            Some(EXPIRE),
        ),
        spec(
            MAINTENANCE,
            "Begin maintenance",
            "Work on a service is under way: its alerts are hidden for a time.",
            Some(Service),
            vec![
                arg("duration", "how long, such as 2h; 1h if not given", ArgKind::Duration, false),
                arg("comment", "why", ArgKind::Text, false),
            ],
            Danger::Disruptive,
            Some(EXPIRE),
        ),
        spec(EXPIRE, "End silence", "Ends a silence now.", Some(Silence), Vec::new(), Danger::Safe, None),
        spec(
            RETRY,
            "Send again",
            "Sends a notification of the log again, with the alerts as they are now.",
            Some(Notification),
            Vec::new(),
            Danger::Safe,
            None,
        ),
        spec(
            OVERRIDE,
            "Override",
            "Puts somebody else on call for a while.",
            Some(Schedule),
            vec![
                arg("person", "who is on call instead", ArgKind::Text, true),
                arg("duration", "for how long, such as 8h", ArgKind::Duration, true),
                arg("in", "from when on, such as 2h from now; now if not given", ArgKind::Duration, false),
                arg("replaces", "only while this person would be on call", ArgKind::Text, false),
            ],
            Danger::Safe,
            Some(END_OVERRIDE),
        ),
        spec(
            END_OVERRIDE,
            "End override",
            "Ends an override of a schedule: the rotation counts again.",
            Some(Schedule),
            vec![arg("override", "its id; the one in force if not given", ArgKind::Text, false)],
            Danger::Safe,
            None,
        ),
    ]
}

/// The alert that a subject names.
#[must_use]
pub fn alert_of(subject: &Subject) -> Option<Fingerprint> {
    if subject.kind == SubjectKind::Alert { subject.id.parse().ok() } else { None }
}

/// Whether an action makes sense now.
///
/// # Errors
/// Why not, for the operator.
pub fn available(view: &View, action: &str, subject: Option<&Subject>) -> Result<(), Reason> {
    let Some(subject) = subject else { return Ok(()) };
    let no = |why: &str| Err(Reason(why.to_owned()));
    match action {
        ACKNOWLEDGE | UNACKNOWLEDGE | ASSIGN | RESOLVE | ESCALATE | SILENCE_ALERT => {
            let Some(alert) = alert_of(subject).and_then(|print| view.alerts.alert(print)) else {
                return no("there is no such alert any more");
            };
            if !alert.state.is_open() {
                return no("the alert is resolved");
            }
            match action {
                UNACKNOWLEDGE if alert.ack().is_none() => no("the alert is not acknowledged"),
                ESCALATE if !escalated(view, alert.fingerprint) => {
                    no("no escalation is under way: no policy of [oncall] is for this alert")
                }
                _ => Ok(()),
            }
        }
        EXPIRE => match view.alerts.silences.iter().find(|s| s.id.to_string() == subject.id) {
            None => no("there is no such silence"),
            Some(silence) if silence.state(view.at) == SilenceState::Expired => no("the silence is over"),
            Some(_) => Ok(()),
        },
        RETRY => match view.alerts.log.iter().find(|a| a.id.to_string() == subject.id) {
            None => no("there is no such notification in the log"),
            Some(attempt) if attempt.outcome.is_none() => no("it is still under way"),
            Some(_) => Ok(()),
        },
        OVERRIDE | END_OVERRIDE => match view.oncall.schedule(&subject.id) {
            None => no("there is no such schedule"),
            Some(_)
                if action == END_OVERRIDE
                    && !view.oncall.overrides.iter().any(|o| o.schedule == subject.id) =>
            {
                no("the schedule has no override")
            }
            Some(_) => Ok(()),
        },
        _ => Ok(()),
    }
}

fn escalated(view: &View, alert: Fingerprint) -> bool {
    view.alerts.groups_of(alert).any(|group| view.oncall.escalation(&group.identity).is_some())
}
