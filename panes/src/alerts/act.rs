//! What is done about alerts: on what is marked, else on the selected one or its group.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_alerting::actions;
use quarterdeck_alerting::model::Alert;
use quarterdeck_kernel::{Severity, Subject, SubjectKind};
use quarterdeck_ui::{Context, Effect};
use quarterdeck_widgets::Role;

use super::{Alerts, Asking, Purpose, alert_of, rows, silence};
use crate::World;
use crate::alert_words as words;
use crate::form::Form;
use crate::hides;

/// Alerts that one key acts on at most; the rest stay marked for the next press.
const MOST: usize = 200;
/// The same where each is confirmed by itself, or takes its time.
const MOST_EACH: usize = 8;

/// The subject of an alert.
pub(super) fn subject(alert: &Alert) -> Subject {
    Subject::new(SubjectKind::Alert, rows::key_of(alert))
}

/// How many alerts one key acts on at once.
fn most(action: &str) -> usize {
    if [actions::RESOLVE, actions::EXPORT].contains(&action) { MOST_EACH } else { MOST }
}

/// Those of some alerts that an action is available on; asks no further when it has as many as are acted on at once.
fn able(cx: &Context<'_, World>, action: &str, alerts: Vec<Arc<Alert>>, most: usize) -> Able {
    let mut able = Able::default();
    let mut alerts = alerts.into_iter();
    while able.now.len() < most {
        let Some(alert) = alerts.next() else { break };
        match cx.world.actions.available(action, Some(&subject(&alert))) {
            Ok(()) => able.now.push(alert),
            Err(reason) => able.why = Some(reason.0),
        }
    }
    able.later = alerts.collect();
    able
}

/// What an action can be done on.
#[derive(Debug, Default)]
struct Able {
    now: Vec<Arc<Alert>>,
    /// What is beyond the most that is done at once, not asked yet.
    later: Vec<Arc<Alert>>,
    /// Why it is not available on one that is left out.
    why: Option<String>,
}

impl Alerts {
    /// What keys act on: what is marked, wherever it is by now, else the alert or group that is looked at.
    pub(super) fn targets(&self, cx: &Context<'_, World>) -> Vec<Arc<Alert>> {
        if let Some(open) = &self.open {
            return alert_of(cx, &open.key).into_iter().collect();
        }
        if self.marks() > 0 {
            let marked = self.list.table.marked().iter();
            return marked.filter_map(|key| alert_of(cx, key)).collect();
        }
        let row = self.list.table.selected_row();
        row.zip(self.shown.as_ref()).map(|(row, model)| model.alerts(row).to_vec()).unwrap_or_default()
    }

    /// Those of the targets that an action is available on, as many as are acted on at once.
    fn able(&self, cx: &Context<'_, World>, action: &str, most: usize) -> Able {
        able(cx, action, self.targets(cx), most)
    }

    /// Whether an action is available on any of the targets: looks at no more than it must.
    pub(super) fn can(&self, cx: &Context<'_, World>, action: &str) -> bool {
        let can = |alert: &Arc<Alert>| cx.world.actions.available(action, Some(&subject(alert))).is_ok();
        self.first_targets(cx).iter().any(can)
    }

    /// Whether any of the first targets is escalated.
    pub(super) fn escalates(&self, cx: &Context<'_, World>) -> bool {
        let Some(model) = &self.shown else { return false };
        self.first_targets(cx).iter().any(|alert| model.escalation(alert).is_some())
    }

    /// The first few targets, for hints: they are made anew with every frame.
    fn first_targets(&self, cx: &Context<'_, World>) -> Vec<Arc<Alert>> {
        const FEW: usize = 8;
        if self.open.is_none() && self.marks() > 0 {
            let marked = self.list.table.marked().iter();
            return marked.filter_map(|key| alert_of(cx, key)).take(FEW).collect();
        }
        let row = self.list.table.selected_row().zip(self.shown.as_ref());
        match (&self.open, row) {
            (Some(open), _) => alert_of(cx, &open.key).into_iter().collect(),
            (None, Some((row, model))) => model.alerts(row).iter().take(FEW).cloned().collect(),
            (None, None) => Vec::new(),
        }
    }

    /// One invocation for each target.
    pub(super) fn dispatch(
        &mut self,
        cx: &Context<'_, World>,
        action: &'static str,
        args: &BTreeMap<String, String>,
    ) -> Vec<Effect<World>> {
        let able = self.able(cx, action, most(action));
        if able.now.is_empty() {
            let why = able.why.unwrap_or_else(|| "nothing is selected".to_owned());
            return vec![Effect::Toast(Severity::Info, why)];
        }
        self.dispatch_on(&able, action, args)
    }

    /// One invocation for each of these alerts; those beyond the most stay marked.
    fn dispatch_on(
        &mut self,
        able: &Able,
        action: &'static str,
        args: &BTreeMap<String, String>,
    ) -> Vec<Effect<World>> {
        let dispatch = |alert: &Arc<Alert>| Effect::Dispatch {
            action: action.to_owned(),
            subject: Some(subject(alert)),
            args: args.clone(),
        };
        let mut effects: Vec<Effect<World>> = able.now.iter().map(dispatch).collect();
        self.unmark();
        if !able.later.is_empty() {
            for alert in &able.later {
                self.list.table.set_mark(&rows::key_of(alert), true);
            }
            self.mark_heads();
            let (now, later) = (able.now.len(), able.later.len());
            let told = format!("{now} at once; {later} more stay marked: press again");
            effects.push(Effect::Toast(Severity::Info, told));
        }
        effects
    }

    /// Asks for what an action needs to know.
    pub(super) fn ask(&mut self, cx: &Context<'_, World>, purpose: Purpose) -> Vec<Effect<World>> {
        // Whatever it is asked for is asked at once: how many are done at once is told when it is filled in.
        let Able { now: able, why, .. } = self.able(cx, purpose.action(), usize::MAX);
        if able.is_empty() {
            let why = why.unwrap_or_else(|| "nothing is selected".to_owned());
            return vec![Effect::Toast(Severity::Info, why)];
        }
        let what = match able.as_slice() {
            [one] => one.name().to_owned(),
            several => format!("{} alerts", several.len()),
        };
        let form = match purpose {
            Purpose::Silence => {
                let form = Form::new(format!("silence {what}"))
                    .field("matchers", &silence::propose(&able), "alertname=\"HighLatency\"")
                    .field("duration", "2h", "such as 30m, 2h, 1d")
                    .field("comment", "", "why")
                    .field("until_resolved", "", "true ends it once all it hides is resolved")
                    .at(1);
                let told = hides::preview(cx.world, form.text("matchers"));
                let mut form = form;
                form.told = told;
                form
            }
            Purpose::Assign => {
                let oncall = &cx.world.alerting.oncall;
                let persons = oncall.persons.keys().cloned();
                let schedules = oncall.schedules.iter().map(|s| format!("schedule:{}", s.name));
                let mut form = Form::new(format!("assign {what}"))
                    .field("to", "", "a person or schedule:NAME; empty for nobody")
                    .choices(persons.chain(schedules).collect())
                    .field("note", "", "a note for the others")
                    .at(0);
                form.told =
                    vec![("whoever it is is paged; Tab takes the first name".to_owned(), Role::Muted)];
                form
            }
            Purpose::Acknowledge => Form::new(format!("acknowledge {what}"))
                .field("note", "", "a note for the others")
                .field("hold", "", "for how long, such as 30m; until it resolves if empty"),
        };
        let alerts = able.iter().map(|alert| alert.fingerprint).collect();
        self.asking = Some(Asking { purpose, form, alerts });
        Vec::new()
    }

    /// Does what was filled in, on what it was asked for.
    pub(super) fn answered(
        &mut self,
        cx: &Context<'_, World>,
        asking: Asking,
        args: &BTreeMap<String, String>,
    ) -> Vec<Effect<World>> {
        let action = asking.purpose.action();
        // One silence for all of them: its matchers say which. Without any it would be of one alone.
        if asking.purpose == Purpose::Silence && asking.alerts.len() > 1 && !args.contains_key("matchers") {
            self.asking = Some(asking);
            return vec![Effect::Toast(
                Severity::Warning,
                "say which alerts: the matchers are empty".to_owned(),
            )];
        }
        let view = &cx.world.alerting.alerts;
        let there: Vec<Arc<Alert>> =
            asking.alerts.iter().filter_map(|print| view.alert(*print)).cloned().collect();
        let gone = asking.alerts.len() - there.len();
        let most = if asking.purpose == Purpose::Silence { usize::MAX } else { most(action) };
        let able = able(cx, action, there, most);
        let refused = asking.alerts.len() - able.now.len() - able.later.len();
        let why = able.why.clone().filter(|_| gone < refused).unwrap_or_else(|| "it is gone".to_owned());
        if able.now.is_empty() {
            let told = format!("{}: nothing was done, {why}", asking.form.title());
            return vec![Effect::Toast(Severity::Warning, told)];
        }
        let mut effects = Vec::new();
        if refused > 0 {
            let told = format!("{refused} of {} left out: {why}", asking.alerts.len());
            effects.push(Effect::Toast(Severity::Warning, told));
        }
        if asking.purpose == Purpose::Silence {
            self.unmark();
            let first = able.now.first().map(|alert| subject(alert));
            effects.push(Effect::Dispatch { action: action.to_owned(), subject: first, args: args.clone() });
        } else {
            effects.extend(self.dispatch_on(&able, action, args));
        }
        effects
    }

    /// Has the incident written down: each of what is marked, else the one that is looked at.
    pub(super) fn export(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let marked = self.open.is_none() && self.marks() > 0;
        let targets =
            if marked { self.targets(cx) } else { self.current(cx).into_iter().collect::<Vec<_>>() };
        if targets.is_empty() {
            return vec![Effect::Toast(Severity::Info, "nothing is selected".to_owned())];
        }
        let mut now = targets;
        let later = now.split_off(now.len().min(most(actions::EXPORT)));
        if !marked {
            return vec![Effect::Dispatch {
                action: actions::EXPORT.to_owned(),
                subject: now.first().map(|alert| subject(alert)),
                args: BTreeMap::new(),
            }];
        }
        self.dispatch_on(&Able { now, later, why: None }, actions::EXPORT, &BTreeMap::new())
    }

    /// Copies where the runbook is.
    pub(super) fn runbook(&self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(alert) = self.current(cx) else { return Vec::new() };
        vec![match words::runbook(cx.world, &alert) {
            Some(url) => Effect::Copy(url),
            None => Effect::Toast(
                Severity::Info,
                format!(
                    "{} has no runbook: give its rule the annotation runbook_url, or its service a runbook",
                    alert.name()
                ),
            ),
        }]
    }
}
