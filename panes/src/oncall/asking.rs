//! Forms: a silence by matchers, maintenance of a service, somebody else on call for a while.

use std::collections::BTreeMap;

use quarterdeck_alerting::actions;
use quarterdeck_kernel::{Severity, Subject, SubjectKind};
use quarterdeck_ui::{Context, Effect, Pane as _};
use quarterdeck_widgets::Role;

use super::Oncall;
use super::rows::Kind;
use crate::form::{Form, Typed};
use crate::{World, hides};

/// What a form is filled in for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Purpose {
    Silence,
    Maintenance,
    /// Of this schedule, whatever is selected by the time the form is filled in.
    Override(Subject),
}

/// A form that is open.
#[derive(Debug)]
pub(super) struct Asking {
    purpose: Purpose,
    pub(super) form: Form,
}

fn told(text: impl Into<String>) -> Vec<Effect<World>> {
    vec![Effect::Toast(Severity::Info, text.into())]
}

impl Oncall {
    /// Asks what to hide, for how long, and when.
    pub(super) fn ask_silence(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let service = cx.scope.service.as_ref().map(|name| format!("service={name:?}")).unwrap_or_default();
        let mut form = Form::new("silence by matchers")
            .field("matchers", &service, "alertname=\"HighLatency\", service=~\"or.*\"")
            .field("duration", "2h", "such as 30m, 2h, 1d; with cron how long it recurs")
            .field("comment", "", "why")
            .field("until_resolved", "", "true ends it once all it hides is resolved")
            .field("cron", "", "only from each of these times on: minute hour day month weekday")
            .field("minutes", "", "with cron: how long each time; 60 if empty")
            .field("zone", "", "with cron: the IANA time zone; UTC if empty");
        form.told = hides::preview(cx.world, form.text("matchers"));
        self.asking = Some(Asking { purpose: Purpose::Silence, form });
        Vec::new()
    }

    /// Asks which service is worked on, and for how long.
    pub(super) fn ask_maintenance(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let service = cx.scope.service.clone().unwrap_or_default();
        let services = cx.world.services.services.iter().map(|s| s.name.to_string()).collect();
        let form = Form::new("begin maintenance")
            .field("service", &service, "whose alerts are hidden")
            .choices(services)
            .field("duration", "1h", "such as 30m, 2h")
            .field("comment", "", "why")
            .at(usize::from(!service.is_empty()));
        self.asking = Some(Asking { purpose: Purpose::Maintenance, form });
        self.retell(cx);
        Vec::new()
    }

    /// Asks who is on call instead, from when on and for how long.
    pub(super) fn ask_override(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let schedule =
            self.selection(cx).filter(|s| self.kind == Kind::Schedules && s.kind == SubjectKind::Schedule);
        let Some(schedule) = schedule else { return told("select a schedule first") };
        if let Err(why) = cx.world.actions.available(actions::OVERRIDE, Some(&schedule)) {
            return told(why.0);
        }
        let persons: Vec<String> = cx.world.alerting.oncall.persons.keys().cloned().collect();
        let form = Form::new(format!("somebody else on call for {}", schedule.id))
            .field("person", "", "who is on call instead")
            .choices(persons.clone())
            .field("duration", "8h", "for how long, such as 8h")
            .field("in", "", "from when on, such as 2h from now; now if empty")
            .field("replaces", "", "only while this person would be on call")
            .choices(persons);
        self.asking = Some(Asking { purpose: Purpose::Override(schedule), form });
        Vec::new()
    }

    /// Tells anew what follows from what is typed.
    fn retell(&mut self, cx: &Context<'_, World>) {
        let Some(Asking { purpose, form }) = &mut self.asking else { return };
        match purpose {
            Purpose::Silence => form.told = hides::preview(cx.world, form.text("matchers")),
            Purpose::Maintenance => {
                let service = form.text("service").trim();
                let alerts = cx.world.alerting.alerts.alerts.iter();
                let count =
                    alerts.filter(|a| a.state.is_open() && a.service.as_deref() == Some(service)).count();
                form.told = if cx.world.services.service(service).is_some() || count > 0 {
                    vec![(format!("hides the alerts of {service}: {count} open now"), Role::Info)]
                } else {
                    vec![("say which service; Tab takes the first name".to_owned(), Role::Muted)]
                };
            }
            Purpose::Override(_) => {}
        }
    }

    /// A key, or pasted text, for the form.
    pub(super) fn typed(&mut self, typed: Typed, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match typed {
            Typed::Goes => {
                self.retell(cx);
                Vec::new()
            }
            Typed::Left => {
                self.asking = None;
                Vec::new()
            }
            Typed::Done(args) => self.answered(args, cx),
        }
    }

    /// Does what was filled in; what cannot be done stays open, with why.
    fn answered(
        &mut self,
        mut args: BTreeMap<String, String>,
        cx: &Context<'_, World>,
    ) -> Vec<Effect<World>> {
        let Some(Asking { purpose, .. }) = &self.asking else { return Vec::new() };
        let (action, subject) = match purpose {
            Purpose::Silence if !args.contains_key("matchers") => {
                return told("say which alerts: the matchers are empty");
            }
            Purpose::Silence => (actions::SILENCE, None),
            Purpose::Maintenance => {
                let service = args.remove("service").unwrap_or_default();
                let alerts = &cx.world.alerting.alerts.alerts;
                let known = cx.world.services.service(&service).is_some()
                    || alerts.iter().any(|alert| alert.service.as_deref() == Some(&*service));
                if !known {
                    return told(format!("no service is called {service:?}"));
                }
                (actions::MAINTENANCE, Some(Subject::service(service)))
            }
            Purpose::Override(schedule) => {
                if let Some(missing) =
                    ["person", "duration"].into_iter().find(|name| !args.contains_key(*name))
                {
                    return told(format!("say the {missing}"));
                }
                (actions::OVERRIDE, Some(schedule.clone()))
            }
        };
        if let Err(why) = cx.world.actions.available(action, subject.as_ref()) {
            return told(why.0);
        }
        self.asking = None;
        vec![Effect::Dispatch { action: action.to_owned(), subject, args }]
    }
}
