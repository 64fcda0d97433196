//! The rows of whichever list is shown.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_gateway::Snapshot;
use quarterdeck_gateway::model::{RouteView, Sample, ServiceView, VersionView};
use quarterdeck_kernel::{Health, Subject, SubjectKind, Timestamp};
use quarterdeck_ui::Context;
use quarterdeck_widgets::Look;
use quarterdeck_widgets::format::Aligned;
use quarterdeck_widgets::table::{Align, CellPainter, Column, Order, Rows};

use super::limits::Consumer;
use super::{cache, limits, requests, routes, traffic, upstreams, versions};
use crate::World;
use crate::lists::Front;
use crate::signals::FITTED;

/// Which list is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Routes,
    Upstreams,
    Limits,
    Versions,
    Cache,
    Requests,
}

impl Kind {
    pub(super) const ALL: [Self; 6] =
        [Self::Routes, Self::Upstreams, Self::Limits, Self::Versions, Self::Cache, Self::Requests];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Upstreams => "upstreams",
            Self::Limits => "limits",
            Self::Versions => "versions",
            Self::Cache => "cache",
            Self::Requests => "requests",
        }
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::Routes => &routes::COLUMNS,
            Self::Upstreams => &upstreams::COLUMNS,
            Self::Limits => &limits::COLUMNS,
            Self::Versions => &versions::COLUMNS,
            Self::Cache => &cache::COLUMNS,
            Self::Requests => &requests::COLUMNS,
        }
    }

    /// The list that a subject is in.
    pub(super) fn of(subject: &Subject) -> Option<Self> {
        match subject.kind {
            SubjectKind::Route => Some(Self::Routes),
            SubjectKind::Service => Some(Self::Upstreams),
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

/// Where the things of a list are in the snapshot.
#[derive(Debug)]
pub(super) enum Places {
    /// Routes.
    Routes(Vec<usize>),
    /// Services, and versions within them.
    Upstreams(Vec<(usize, usize)>),
    /// Who is limited.
    Limits(Vec<Consumer>),
    /// Routes, and versions of their interface.
    Versions(Vec<(usize, usize)>),
    /// Samples, newest first.
    Requests(Vec<usize>),
}

/// One of the lists as of one snapshot, for one service or all.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) kind: Kind,
    pub(super) snapshot: Arc<Snapshot>,
    pub(super) service: Option<String>,
    pub(super) places: Places,
    /// Where the service of each route is.
    behind: Vec<Option<usize>>,
    /// How the numbers of each column line up.
    aligned: Vec<Aligned>,
}

impl Model {
    pub(super) fn new(kind: Kind, snapshot: &Arc<Snapshot>, service: Option<&str>) -> Self {
        let names: HashMap<&str, usize> =
            snapshot.services.iter().enumerate().map(|(place, service)| (&*service.name, place)).collect();
        let behind: Vec<Option<usize>> =
            snapshot.routes.iter().map(|route| names.get(&*route.service).copied()).collect();
        let places = match kind {
            Kind::Routes => Places::Routes(routes::places(snapshot, &behind, service)),
            Kind::Upstreams => Places::Upstreams(upstreams::places(snapshot, service)),
            Kind::Limits => Places::Limits(limits::consumers(snapshot, service)),
            Kind::Versions => Places::Versions(versions::places(snapshot, service)),
            Kind::Cache => Places::Routes(cache::places(snapshot, service)),
            Kind::Requests => Places::Requests(requests::places(snapshot, service)),
        };
        let service = service.map(str::to_owned);
        let mut model =
            Self { kind, snapshot: Arc::clone(snapshot), service, places, behind, aligned: Vec::new() };
        let shown = 0..model.len().min(FITTED);
        let columns = kind.columns().iter().enumerate();
        model.aligned = columns
            .map(|(place, column)| match column.align {
                Align::Left => Aligned::default(),
                Align::Right => Aligned::of(shown.clone().map(|row| model.text(row, place, snapshot.taken))),
            })
            .collect();
        model
    }

    pub(super) fn len(&self) -> usize {
        match &self.places {
            Places::Routes(places) | Places::Requests(places) => places.len(),
            Places::Upstreams(places) | Places::Versions(places) => places.len(),
            Places::Limits(consumers) => consumers.len(),
        }
    }

    /// The route of a row, where it is about one.
    pub(super) fn route(&self, row: usize) -> Option<&Arc<RouteView>> {
        match &self.places {
            Places::Routes(places) => self.snapshot.routes.get(*places.get(row)?),
            Places::Versions(places) => self.snapshot.routes.get(places.get(row)?.0),
            Places::Requests(_) => self.snapshot.route(self.sample(row)?.route.as_ref()?),
            Places::Limits(_) => self.snapshot.route(self.consumer(row)?.route.as_ref()?),
            Places::Upstreams(_) => None,
        }
    }

    /// The service of a row, where it is about one.
    pub(super) fn service(&self, row: usize) -> Option<&Arc<ServiceView>> {
        match &self.places {
            Places::Upstreams(places) => self.snapshot.services.get(places.get(row)?.0),
            Places::Routes(places) => self.snapshot.services.get((*self.behind.get(*places.get(row)?)?)?),
            _ => self.snapshot.service(&self.route(row)?.service),
        }
    }

    /// How a route stands, and why in a word or two.
    pub(super) fn standing(&self, row: usize) -> (Health, String) {
        let Some(route) = self.route(row) else { return (Health::Unknown, String::new()) };
        traffic::route(self.service(row).map(|service| &**service), route)
    }

    /// The version of a row of the upstreams.
    pub(super) fn version(&self, row: usize) -> Option<&VersionView> {
        let Places::Upstreams(places) = &self.places else { return None };
        let (service, version) = places.get(row)?;
        self.snapshot.services.get(*service)?.versions.get(*version)
    }

    /// The consumer of a row of the limits.
    pub(super) fn consumer(&self, row: usize) -> Option<&Consumer> {
        let Places::Limits(consumers) = &self.places else { return None };
        consumers.get(row)
    }

    /// The sample of a row of the requests.
    pub(super) fn sample(&self, row: usize) -> Option<&Arc<Sample>> {
        let Places::Requests(places) = &self.places else { return None };
        self.snapshot.samples.get(*places.get(row)?)
    }

    /// The key of what a subject stands for.
    pub(super) fn key_of(&self, subject: &Subject) -> Option<String> {
        let found = (0..self.len()).find(|row| match subject.kind {
            SubjectKind::Service => self.service(*row).is_some_and(|service| *service.name == *subject.id),
            SubjectKind::Route => self.route(*row).is_some_and(|route| *route.name == *subject.id),
            _ => false,
        });
        found.map(|row| self.key(row).into_owned())
    }

    pub(super) fn key(&self, row: usize) -> Cow<'_, str> {
        let known = match self.kind {
            Kind::Routes | Kind::Cache => self.route(row).map(|route| (&*route.name).into()),
            Kind::Upstreams => {
                let service = self.service(row).map_or("", |service| &service.name);
                self.version(row).map(|version| format!("{service} {}", version.name).into())
            }
            Kind::Limits => self.consumer(row).map(Consumer::key),
            Kind::Versions => {
                versions::view(self, row).map(|(route, v)| format!("{} {}", route.name, v.name).into())
            }
            Kind::Requests => self.sample(row).map(|sample| sample.number.to_string().into()),
        };
        known.unwrap_or_default()
    }

    fn text(&self, row: usize, column: usize, now: Timestamp) -> Cow<'_, str> {
        let id = self.kind.columns().get(column).map_or("", |column| column.id);
        let known = match self.kind {
            Kind::Routes => routes::text(self, row, id),
            Kind::Upstreams => upstreams::text(self, row, id, now),
            Kind::Limits => limits::text(self, row, id),
            Kind::Versions => versions::text(self, row, id),
            Kind::Cache => cache::text(self, row, id),
            Kind::Requests => requests::text(self, row, id),
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

    /// The text of a column as it lines up with the others.
    pub(super) fn lined_up(&self, row: usize, column: usize) -> Cow<'_, str> {
        let text = self.text(row, column);
        match self.model.kind.columns().get(column).map(|column| column.align) {
            Some(Align::Right) => {
                self.model.aligned.get(column).copied().unwrap_or_default().fit(&text).into()
            }
            _ => text,
        }
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
        match (self.model.kind, self.model.sample(row)) {
            // Times are told in the operator's zone.
            (Kind::Requests, Some(sample))
                if requests::COLUMNS.get(column).is_some_and(|c| c.id == "time") =>
            {
                self.look.clock_millis(sample.at).into()
            }
            _ => self.model.text(row, column, self.now),
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let Some(id) = self.model.kind.columns().get(column).map(|column| column.id) else {
            return Order::Missing;
        };
        let known = match self.model.kind {
            Kind::Routes => routes::order(&self.model, row, id),
            Kind::Cache => cache::order(&self.model, row, id),
            Kind::Upstreams => upstreams::order(&self.model, row, id),
            Kind::Limits => limits::order(&self.model, row, id),
            Kind::Versions => versions::order(&self.model, row, id),
            Kind::Requests => requests::order(&self.model, row, id),
        };
        known.unwrap_or_else(|| Order::Text(self.text(row, column)))
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let Some(id) = self.model.kind.columns().get(column).map(|column| column.id) else { return };
        let text = self.lined_up(row, column);
        match self.model.kind {
            Kind::Routes => routes::draw(self, row, id, &text, cell),
            Kind::Upstreams => upstreams::draw(self, row, id, &text, cell),
            Kind::Limits => limits::draw(self, row, id, &text, cell),
            Kind::Versions => versions::draw(self, row, id, &text, cell),
            Kind::Cache => cache::draw(self, row, id, &text, cell),
            Kind::Requests => requests::draw(self, row, id, &text, cell),
        }
    }
}
