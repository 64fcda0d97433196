//! The rows of whichever list is shown.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_deploy::model::{Dora, ReplicaState, Rollout, ServiceView, Snapshot, StepState, VersionView};
use quarterdeck_kernel::{Subject, SubjectKind, Timestamp};
use quarterdeck_ui::Context;
use quarterdeck_widgets::Look;
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};

use super::output::Written;
use super::{dora, history, output, tree};
use crate::World;
use crate::lists::Front;
use crate::world::OutputLine;

/// Which list is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Rollouts,
    History,
    Dora,
    Output,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Rollouts, Self::History, Self::Dora, Self::Output];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Rollouts => "rollouts",
            Self::History => "history",
            Self::Dora => "dora",
            Self::Output => "output",
        }
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::Rollouts => &tree::COLUMNS,
            Self::History => &history::COLUMNS,
            Self::Dora => &dora::COLUMNS,
            Self::Output => &output::COLUMNS,
        }
    }

    /// The list that a subject is in.
    pub(super) fn of(subject: &Subject, snapshot: &Snapshot) -> Option<Self> {
        match subject.kind {
            SubjectKind::Service => Some(Self::Rollouts),
            SubjectKind::Deployment if snapshot.rollouts.iter().any(|r| *r.id == *subject.id) => {
                Some(Self::Rollouts)
            }
            SubjectKind::Deployment => Some(Self::History),
            _ => None,
        }
    }
}

impl Front for Kind {
    const LISTS: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        self.title()
    }
}

/// What a row of the tree is: places in the snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A service.
    Service(usize),
    /// A step of the rollout of a service.
    Step(usize, usize, usize),
    /// A version of a service.
    Version(usize, usize),
    /// A replica of a version.
    Replica(usize, usize, usize),
}

/// One of the lists as of one snapshot, for one service or all.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) kind: Kind,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) written: Arc<Written>,
    pub(super) service: Option<String>,
    /// The rows of the tree.
    nodes: Vec<Node>,
    /// The rows of the others.
    places: Vec<usize>,
}

impl Model {
    pub(super) fn new(
        kind: Kind,
        snapshot: &Arc<Snapshot>,
        written: &Arc<Written>,
        service: Option<&str>,
    ) -> Self {
        let nodes = if kind == Kind::Rollouts { tree::nodes(snapshot, service) } else { Vec::new() };
        let within = |name: &str| service.is_none_or(|service| name == service);
        let places = match kind {
            Kind::Rollouts => Vec::new(),
            Kind::History => {
                let ended = snapshot.history.iter().enumerate();
                ended.filter(|(_, rollout)| within(&rollout.service)).map(|(at, _)| at).collect()
            }
            // The first is that of all services.
            Kind::Dora if snapshot.services.is_empty() => Vec::new(),
            Kind::Dora => {
                let named = snapshot.services.iter().enumerate();
                let named = named.filter(|(_, view)| within(&view.name)).map(|(at, _)| at + 1);
                std::iter::once(0).chain(named).collect()
            }
            Kind::Output => (0..written.lines.len()).collect(),
        };
        Self {
            kind,
            snapshot: Arc::clone(snapshot),
            written: Arc::clone(written),
            service: service.map(str::to_owned),
            nodes,
            places,
        }
    }

    fn len(&self) -> usize {
        self.nodes.len().max(self.places.len())
    }

    pub(super) fn node(&self, row: usize) -> Option<Node> {
        self.nodes.get(row).copied()
    }

    /// The service of a row of the tree.
    pub(super) fn view(&self, row: usize) -> Option<&Arc<ServiceView>> {
        let place = match (self.kind, self.node(row)) {
            (Kind::Dora, _) => self.places.get(row)?.checked_sub(1)?,
            (
                _,
                Some(
                    Node::Service(place)
                    | Node::Step(place, ..)
                    | Node::Version(place, _)
                    | Node::Replica(place, ..),
                ),
            ) => place,
            _ => return None,
        };
        self.snapshot.services.get(place)
    }

    /// The name of the service that a row is about.
    pub(super) fn service_of(&self, row: usize) -> Option<&str> {
        match self.kind {
            Kind::Rollouts | Kind::Dora => self.view(row).map(|view| view.name.as_str()),
            Kind::History => self.rollout(row).map(|rollout| rollout.service.as_str()),
            Kind::Output => self.written.of.as_ref().map(|of| of.service.as_str()),
        }
    }

    /// The rollout of a row: the one under way of its service, or the ended one.
    pub(super) fn rollout(&self, row: usize) -> Option<&Arc<Rollout>> {
        match self.kind {
            Kind::Rollouts => self.snapshot.rollout_of(&self.view(row)?.name),
            Kind::History => self.snapshot.history.get(*self.places.get(row)?),
            Kind::Dora | Kind::Output => None,
        }
    }

    pub(super) fn version(&self, row: usize) -> Option<&VersionView> {
        let (Node::Version(_, version) | Node::Replica(_, version, _)) = self.node(row)? else { return None };
        self.view(row)?.versions.get(version)
    }

    pub(super) fn replica(&self, row: usize) -> Option<&ReplicaState> {
        let Node::Replica(_, _, replica) = self.node(row)? else { return None };
        self.version(row)?.replicas.get(replica)
    }

    pub(super) fn step(&self, row: usize) -> Option<(usize, &StepState)> {
        let Node::Step(_, rollout, step) = self.node(row)? else { return None };
        Some((step, self.snapshot.rollouts.get(rollout)?.steps.get(step)?))
    }

    /// The measures of a row, and whose they are.
    pub(super) fn dora(&self, row: usize) -> Option<(&str, &Dora)> {
        match self.places.get(row)? {
            0 => Some(("all services", &self.snapshot.dora)),
            _ => self.view(row).map(|view| (view.name.as_str(), &view.dora)),
        }
    }

    pub(super) fn line(&self, row: usize) -> Option<&OutputLine> {
        self.written.lines.get(*self.places.get(row)?)
    }

    /// The key of what a subject stands for.
    pub(super) fn key_of(&self, subject: &Subject) -> Option<String> {
        let found = (0..self.len()).find(|row| match subject.kind {
            SubjectKind::Service => self.service_of(*row).is_some_and(|name| *name == *subject.id),
            SubjectKind::Deployment => self.rollout(*row).is_some_and(|rollout| *rollout.id == *subject.id),
            _ => false,
        });
        found.map(|row| self.key(row).into_owned())
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        let known = match self.kind {
            Kind::Rollouts => self.node(row).and_then(|node| tree::key(self, row, node)),
            Kind::History => self.rollout(row).map(|rollout| rollout.id.as_str().into()),
            Kind::Dora => self.dora(row).map(|(name, _)| name.into()),
            Kind::Output => self.line(row).map(|line| line.number.to_string().into()),
        };
        known.unwrap_or_default()
    }
}

/// The rows of a model at a time. Cheap to make: it looks at nothing before it is asked.
#[derive(Clone, Debug)]
pub(crate) struct ViewRows {
    pub(super) model: Arc<Model>,
    pub(super) now: Timestamp,
    pub(super) look: Look,
}

impl ViewRows {
    pub(super) fn new(model: Arc<Model>, cx: &Context<'_, World>) -> Self {
        Self { model, now: cx.world.now, look: cx.look.clone() }
    }

    fn column(&self, column: usize) -> &'static str {
        self.model.kind.columns().get(column).map_or("", |column| column.id)
    }
}

impl Rows for ViewRows {
    fn len(&self) -> usize {
        self.model.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        self.model.key(row)
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let id = self.column(column);
        let known = match self.model.kind {
            Kind::Rollouts => tree::text(self, row, id),
            Kind::History => history::text(self, row, id),
            Kind::Dora => dora::text(&self.model, row, id),
            Kind::Output => output::text(self, row, id),
        };
        known.unwrap_or_default()
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let id = self.column(column);
        let known = match self.model.kind {
            Kind::Rollouts => tree::order(&self.model, row, id),
            Kind::History => history::order(&self.model, row, id, self.now),
            Kind::Dora => dora::order(&self.model, row, id),
            Kind::Output => output::order(&self.model, row, id),
        };
        known.unwrap_or_else(|| Order::Text(self.text(row, column)))
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let id = self.column(column);
        let text = self.text(row, column);
        match self.model.kind {
            Kind::Rollouts => tree::draw(self, row, id, &text, cell),
            Kind::History => history::draw(&self.model, row, id, &text, cell),
            Kind::Dora => dora::draw(&self.model, row, id, &text, cell),
            Kind::Output => output::draw(&self.model, row, id, &text, cell),
        }
    }
}
