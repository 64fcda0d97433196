//! What keys do about deployments: always through the engine's actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_deploy::model::Rollout;
use quarterdeck_kernel::{Severity, Subject};
use quarterdeck_ui::{Context, Effect};

use super::output::{Of, Written};
use super::rows::Kind;
use super::{Deployments, words};
use crate::World;
use crate::lists::{Effects, Lists as _};

/// Begins a rollout.
pub(super) const START: &str = "deploy.start";
/// Goes on, or gives the new version everything.
pub(super) const PROMOTE: &str = "deploy.promote";
/// Ends a pause.
pub(super) const SKIP: &str = "deploy.skip";
/// Lets a rollout stand still.
pub(super) const FREEZE: &str = "deploy.freeze";
/// Goes on with one that does.
pub(super) const RESUME: &str = "deploy.resume";
/// Ends a rollout.
pub(super) const ABORT: &str = "deploy.abort";
/// Goes back to a version.
pub(super) const ROLLBACK: &str = "deploy.rollback";
/// Gives a colour a share.
pub(super) const WEIGHT: &str = "deploy.weight";

/// Something is told in passing, and nothing is done.
pub(super) fn told(text: impl Into<String>) -> Effects {
    vec![Effect::Toast(Severity::Info, text.into())]
}

/// An invocation on a service, for the shell to confirm.
pub(super) fn dispatch(action: &str, service: &str, args: &[(&str, &str)]) -> Effects {
    let args: BTreeMap<String, String> =
        args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    vec![Effect::Dispatch { action: action.to_owned(), subject: Some(Subject::service(service)), args }]
}

impl Deployments {
    /// The name of the service that keys act on.
    pub(super) fn service(&self) -> Option<String> {
        let model = self.model()?;
        let row = self.selected();
        let known = row.and_then(|row| model.service_of(row));
        let written = || model.written.of.as_ref().filter(|_| self.kind == Kind::Output);
        known.or_else(|| written().map(|of| of.service.as_str())).map(str::to_owned)
    }

    /// The rollout that is told of: the selected one, or that of the selected service.
    pub(super) fn rollout(&self) -> Option<Arc<Rollout>> {
        self.model()?.rollout(self.selected()?).cloned()
    }

    /// The service under way, or why there is nothing to act on.
    fn under_way(&self, cx: &Context<'_, World>) -> Result<Arc<Rollout>, Effects> {
        let Some(service) = self.service() else { return Err(told("select a service first")) };
        let rollout = cx.world.deploy.rollout_of(&service).cloned();
        rollout.ok_or_else(|| told(format!("no rollout of {service} is under way; n begins one")))
    }

    /// An action that takes nothing but the service.
    pub(super) fn simple(&self, cx: &Context<'_, World>, action: &str) -> Effects {
        match self.under_way(cx) {
            Ok(rollout) if action == SKIP && !words::waits(&rollout) => {
                told(format!("the rollout of {} is in no pause: it is {}", rollout.service, rollout.phase))
            }
            Ok(rollout) => dispatch(action, &rollout.service, &[]),
            Err(why) => why,
        }
    }

    pub(super) fn promote(&self, cx: &Context<'_, World>, full: bool) -> Effects {
        match self.under_way(cx) {
            Ok(rollout) => {
                let full = if full { "yes" } else { "no" };
                dispatch(PROMOTE, &rollout.service, &[("full", full)])
            }
            Err(why) => why,
        }
    }

    /// Lets it stand still, or go on.
    pub(super) fn hold(&self, cx: &Context<'_, World>) -> Effects {
        match self.under_way(cx) {
            Ok(rollout) if rollout.frozen.is_some() => dispatch(RESUME, &rollout.service, &[]),
            Ok(rollout) => dispatch(FREEZE, &rollout.service, &[]),
            Err(why) => why,
        }
    }

    /// Back to the version before; in the history, to that which the selected rollout replaced.
    pub(super) fn roll_back(&self, cx: &Context<'_, World>, gradual: bool) -> Effects {
        let Some(service) = self.service() else { return told("select a service first") };
        let mut args = Vec::new();
        if gradual {
            args.push(("gradual", "yes"));
        }
        let rollout = self.rollout().filter(|_| self.kind == Kind::History);
        let to = rollout.as_ref().map(|rollout| (rollout.from.as_deref(), rollout.to.as_str()));
        match to {
            Some((None, first)) => {
                return told(format!("{first} was the first version of {service}: there is none before it"));
            }
            Some((Some(from), _)) => {
                let stable = cx.world.deploy.service(&service).and_then(|view| view.stable.clone());
                if stable.as_deref() == Some(from) {
                    return told(format!("{from} is the stable version of {service} already"));
                }
                args.push(("to", from));
            }
            None => {}
        }
        dispatch(ROLLBACK, &service, &args)
    }

    /// Tells everything that led to where the rollout is.
    pub(super) fn why(&mut self) -> Effects {
        if self.open.is_some() && self.explain {
            (self.open, self.explain) = (None, false);
            return Vec::new();
        }
        if self.rollout().is_none() {
            return told("select a rollout first: one under way, or one of the history");
        }
        (self.open, self.explain) = (Some(0), true);
        Vec::new()
    }

    /// Shows what the selected version or replica writes; of a rollout, what the new version does.
    pub(super) fn logs(&mut self, cx: &Context<'_, World>) -> Effects {
        let Some(service) = self.service() else { return told("select a service first") };
        let row = self.selected();
        let model = self.model();
        let version = row.zip(model).and_then(|(row, model)| Some(model.version(row)?.name.clone()));
        let replica = row.zip(model).and_then(|(row, model)| Some(model.replica(row)?.id.clone()));
        let new = || cx.world.deploy.rollout_of(&service).map(|rollout| rollout.to.clone());
        let of = Of { version: version.or_else(new), replica, service };
        self.written = Arc::new(Written { of: Some(of), ..Written::default() });
        (self.asked, self.follow) = (None, true);
        self.turn_to(Kind::Output, cx)
    }

    /// Asks what changed the service.
    pub(super) fn changed(&self) -> Effects {
        match self.service() {
            Some(service) => vec![Effect::Open { pane: "timeline", subject: Subject::service(service) }],
            None => told("select a service first"),
        }
    }
}
