//! What keys do about traffic: always through the engine's actions.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_gateway::actions::{BREAKER, LIMIT, SPLIT};
use quarterdeck_gateway::model::{RouteView, ServiceView, VersionView};
use quarterdeck_kernel::{Severity, Subject, SubjectKind};
use quarterdeck_ui::{Context, Effect};

use super::Gateway;
use super::limits::Consumer;
use super::rows::Kind;
use crate::World;
use crate::lists::Lists as _;

/// Something is told in passing, and nothing is done.
pub(super) fn told(text: impl Into<String>) -> Vec<Effect<World>> {
    vec![Effect::Toast(Severity::Info, text.into())]
}

/// An invocation, for the shell to confirm.
pub(super) fn dispatch<const N: usize>(
    action: &str,
    subject: Option<Subject>,
    args: [(&str, String); N],
) -> Vec<Effect<World>> {
    let args: BTreeMap<String, String> =
        args.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    vec![Effect::Dispatch { action: action.to_owned(), subject, args }]
}

impl Gateway {
    /// The service that keys act on.
    pub(super) fn service(&self) -> Option<Arc<ServiceView>> {
        self.model()?.service(self.selected()?).cloned()
    }

    /// The route that keys act on.
    pub(super) fn route(&self) -> Option<Arc<RouteView>> {
        self.model()?.route(self.selected()?).cloned()
    }

    /// The version that keys act on, with its service.
    pub(super) fn version(&self) -> Option<(Arc<ServiceView>, VersionView)> {
        let version = self.model()?.version(self.selected()?)?.clone();
        Some((self.service()?, version))
    }

    /// The consumer whose limit of the whole gateway keys act on. A route's own limit is the configuration's.
    pub(super) fn consumer(&self) -> Option<Consumer> {
        let consumer = self.model()?.consumer(self.selected()?)?;
        consumer.route.is_none().then(|| consumer.clone())
    }

    /// Whether an action is offered by the engine now.
    pub(super) fn can(&self, cx: &Context<'_, World>, action: &str, subject: Option<&Subject>) -> bool {
        cx.world.actions.available(action, subject).is_ok()
    }

    /// Gives a service the split of its configuration again.
    pub(super) fn revert(&self) -> Vec<Effect<World>> {
        match self.service() {
            Some(service) if service.split_set => {
                dispatch(SPLIT, Some(service.subject()), [("shares", "configured".to_owned())])
            }
            Some(service) => told(format!("{} has the split of its configuration", service.name)),
            None => told("select a route or an upstream first"),
        }
    }

    /// Forces a circuit breaker, or gives it back.
    pub(super) fn force(&self, state: &str) -> Vec<Effect<World>> {
        let Some((service, version)) = self.version() else {
            return told("select a version among the upstreams first (v shows them)");
        };
        let Some(breaker) = &version.breaker else {
            return told(format!("{} {} has no circuit breaker", service.name, version.name));
        };
        if state == "auto" && !breaker.view.forced {
            return told(format!(
                "the circuit breaker of {} {} decides for itself",
                service.name, version.name
            ));
        }
        let args = [("version", version.name.to_string()), ("state", state.to_owned())];
        dispatch(BREAKER, Some(service.subject()), args)
    }

    /// Cuts a consumer off.
    pub(super) fn cut(&self) -> Vec<Effect<World>> {
        match self.consumer() {
            Some(consumer) if consumer.grant == Some(0) => {
                told(format!("{} is cut off already", consumer.who))
            }
            Some(consumer) => {
                dispatch(LIMIT, None, [("consumer", consumer.who), ("per_minute", "0".to_owned())])
            }
            None => told("select a consumer among the limits first (v shows them)"),
        }
    }

    /// Limits a consumer as its tier has it again.
    pub(super) fn as_tier(&self) -> Vec<Effect<World>> {
        match self.consumer() {
            Some(consumer) if consumer.grant.is_some() => dispatch(LIMIT, None, [("consumer", consumer.who)]),
            Some(consumer) => told(format!("{} is limited as its tier has it", consumer.who)),
            None => told("select a consumer among the limits first (v shows them)"),
        }
    }

    /// Asks what changed the service.
    pub(super) fn changed(&self) -> Vec<Effect<World>> {
        match self.service() {
            Some(service) => vec![Effect::Open { pane: "timeline", subject: service.subject() }],
            None => told("select something of a service first"),
        }
    }

    /// Shows the requests of what is selected.
    pub(super) fn inspect(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let filter = match self.kind {
            Kind::Upstreams => {
                let Some((_, version)) = self.version() else { return Vec::new() };
                format!("by:{}", version.name)
            }
            Kind::Limits => {
                let consumer = self.selected().and_then(|row| Some(self.model()?.consumer(row)?.who.clone()));
                consumer.map(|who| format!("caller:{who}")).unwrap_or_default()
            }
            Kind::Requests => return Vec::new(),
            Kind::Routes | Kind::Versions | Kind::Cache => {
                self.route().map(|route| format!("route:{}", route.name)).unwrap_or_default()
            }
        };
        let list = &mut self.lists[Kind::Requests as usize];
        list.listing.table.set_filter(&filter);
        list.shown = None;
        self.turn_to(Kind::Requests, cx)
    }

    /// Goes to the series of a route.
    pub(super) fn series(&self) -> Vec<Effect<World>> {
        let label = match (self.route(), self.service()) {
            (Some(route), _) => format!("route={:?}", &*route.name),
            (None, Some(service)) => format!("service={:?}", &*service.name),
            (None, None) => return told("select a route first"),
        };
        let selector = format!("quarterdeck_gateway_requests_total{{{label}}}");
        vec![Effect::Go(Subject::new(SubjectKind::Series, selector))]
    }
}
