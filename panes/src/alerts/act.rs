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

/// Alerts that one key acts on at most; the rest stay marked for the next press.
const MOST: usize = 200;
/// The same where each is confirmed by itself.
const MOST_CONFIRMED: usize = 8;

/// The subject of an alert.
pub(super) fn subject(alert: &Alert) -> Subject {
    Subject::new(SubjectKind::Alert, rows::key_of(alert))
}

/// Those of some alerts that an action is available on, and why it is not on another.
fn able(
    cx: &Context<'_, World>,
    action: &str,
    alerts: impl IntoIterator<Item = Arc<Alert>>,
) -> (Vec<Arc<Alert>>, Option<String>) {
    let (mut able, mut why) = (Vec::new(), None);
    for alert in alerts {
        match cx.world.actions.available(action, Some(&subject(&alert))) {
            Ok(()) => able.push(alert),
            Err(reason) => why = Some(reason.0),
        }
    }
    (able, why)
}

impl Alerts {
    /// What keys act on.
    pub(super) fn targets(&self, cx: &Context<'_, World>) -> Vec<Arc<Alert>> {
        let Some(model) = &self.shown else { return Vec::new() };
        let marked = self.list.table.marked();
        if self.open.is_some() || marked.is_empty() {
            if let Some(open) = &self.open {
                return alert_of(cx, &open.key).into_iter().collect();
            }
            let row = self.list.table.selected_row();
            return row.map(|row| model.alerts(row).to_vec()).unwrap_or_default();
        }
        let all = self.rows_of(model);
        let chosen = (0..model.rows.len()).filter(|row| marked.contains(&*rows::row_key(&all, *row)));
        let mut found: Vec<Arc<Alert>> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for alert in chosen.flat_map(|row| model.alerts(row)) {
            if seen.insert(alert.fingerprint) {
                found.push(Arc::clone(alert));
            }
        }
        found
    }

    /// Those of the targets that an action is available on, or why it is on none.
    pub(super) fn able(&self, cx: &Context<'_, World>, action: &str) -> Result<Vec<Arc<Alert>>, String> {
        let (able, why) = able(cx, action, self.targets(cx));
        if able.is_empty() { Err(why.unwrap_or_else(|| "nothing is selected".to_owned())) } else { Ok(able) }
    }

    /// Whether an action is available on any of the targets: looks at no more than it must.
    pub(super) fn can(&self, cx: &Context<'_, World>, action: &str) -> bool {
        let can = |alert: &Arc<Alert>| cx.world.actions.available(action, Some(&subject(alert))).is_ok();
        self.targets(cx).iter().take(8).any(can)
    }

    /// Whether any of the first targets is escalated.
    pub(super) fn escalates(&self, cx: &Context<'_, World>) -> bool {
        let Some(model) = &self.shown else { return false };
        self.targets(cx).iter().take(8).any(|alert| model.escalation(alert).is_some())
    }

    /// One invocation for each alert.
    pub(super) fn dispatch(
        &mut self,
        cx: &Context<'_, World>,
        action: &'static str,
        args: &BTreeMap<String, String>,
    ) -> Vec<Effect<World>> {
        match self.able(cx, action) {
            Ok(able) => self.dispatch_on(able, action, args),
            Err(why) => vec![Effect::Toast(Severity::Info, why)],
        }
    }

    /// One invocation for each of these alerts.
    fn dispatch_on(
        &mut self,
        able: Vec<Arc<Alert>>,
        action: &'static str,
        args: &BTreeMap<String, String>,
    ) -> Vec<Effect<World>> {
        let most = if action == actions::RESOLVE { MOST_CONFIRMED } else { MOST };
        let (now, later) = able.split_at(able.len().min(most));
        let mut effects: Vec<Effect<World>> = now
            .iter()
            .map(|alert| Effect::Dispatch {
                action: action.to_owned(),
                subject: Some(subject(alert)),
                args: args.clone(),
            })
            .collect();
        if later.is_empty() {
            self.list.table.clear_marks();
        } else {
            self.list.table.clear_marks();
            let table = &mut self.list.table;
            let stand = table.selected().map(str::to_owned);
            for alert in later {
                table.select(&rows::key_of(alert));
                table.toggle_mark();
            }
            if let Some(key) = stand {
                table.select(&key);
            }
            let told = format!("{} at once; {} more stay marked: press again", now.len(), later.len());
            effects.push(Effect::Toast(Severity::Info, told));
        }
        effects
    }

    /// Asks for what an action needs to know.
    pub(super) fn ask(&mut self, cx: &Context<'_, World>, purpose: Purpose) -> Vec<Effect<World>> {
        let able = match self.able(cx, purpose.action()) {
            Ok(able) => able,
            Err(why) => return vec![Effect::Toast(Severity::Info, why)],
        };
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
                let told = silence::preview(cx.world, form.text("matchers"));
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
            return vec![Effect::Toast(Severity::Warning, "say which alerts: the matchers are empty".to_owned())];
        }
        let view = &cx.world.alerting.alerts;
        let there: Vec<Arc<Alert>> =
            asking.alerts.iter().filter_map(|print| view.alert(*print)).cloned().collect();
        let gone = asking.alerts.len() - there.len();
        let (able, why) = able(cx, action, there);
        let refused = asking.alerts.len() - able.len();
        let why = if gone == refused { "it is gone".to_owned() } else { why.unwrap_or_default() };
        if able.is_empty() {
            let told = format!("{}: nothing was done, {why}", asking.form.title());
            return vec![Effect::Toast(Severity::Warning, told)];
        }
        let mut effects = Vec::new();
        if refused > 0 {
            let told = format!("{refused} of {} left out: {why}", asking.alerts.len());
            effects.push(Effect::Toast(Severity::Warning, told));
        }
        if asking.purpose == Purpose::Silence {
            self.list.table.clear_marks();
            let first = able.first().map(|alert| subject(alert));
            effects.push(Effect::Dispatch { action: action.to_owned(), subject: first, args: args.clone() });
        } else {
            effects.extend(self.dispatch_on(able, action, args));
        }
        effects
    }

    /// Has the incident written down: each of what is marked, else the one that is looked at.
    pub(super) fn export(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let targets = if self.list.table.marked().is_empty() || self.open.is_some() {
            self.current(cx).into_iter().collect()
        } else {
            self.targets(cx)
        };
        if targets.is_empty() {
            return vec![Effect::Toast(Severity::Info, "nothing is selected".to_owned())];
        }
        let export = |alert: &Arc<Alert>| Effect::Dispatch {
            action: actions::EXPORT.to_owned(),
            subject: Some(subject(alert)),
            args: BTreeMap::new(),
        };
        targets.iter().take(MOST_CONFIRMED).map(export).collect()
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
