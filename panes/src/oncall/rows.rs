//! The rows of whichever list is shown.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_alerting::View;
use quarterdeck_kernel::{Subject, SubjectKind, Timestamp};
use quarterdeck_ui::Context;
use quarterdeck_widgets::Look;
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};

use super::figures::Rule;
use super::{escalations, figures, notifications, schedules, silences};
use crate::World;
use crate::lists::Front;

/// Which list is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Schedules,
    Escalations,
    Silences,
    Notifications,
    Figures,
}

impl Front for Kind {
    const LISTS: &'static [Self] = &Self::ALL;

    fn word(self) -> &'static str {
        match self {
            Self::Schedules => "schedules",
            Self::Escalations => "escalations",
            Self::Silences => "silences",
            Self::Notifications => "notifications",
            Self::Figures => "figures",
        }
    }
}

impl Kind {
    pub(super) const ALL: [Self; 5] =
        [Self::Schedules, Self::Escalations, Self::Silences, Self::Notifications, Self::Figures];

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Schedules => "on call",
            Self::Escalations => "escalations",
            Self::Silences => "silences and maintenance",
            Self::Notifications => "notifications",
            Self::Figures => "figures",
        }
    }

    /// The list that a thing is in.
    pub(super) const fn of(subject: &Subject) -> Option<Self> {
        match subject.kind {
            SubjectKind::Silence => Some(Self::Silences),
            SubjectKind::Notification => Some(Self::Notifications),
            SubjectKind::Schedule => Some(Self::Schedules),
            SubjectKind::Alert => Some(Self::Escalations),
            _ => None,
        }
    }

    pub(super) fn columns(self) -> &'static [Column] {
        match self {
            Self::Schedules => &schedules::COLUMNS,
            Self::Escalations => &escalations::COLUMNS,
            Self::Silences => &silences::COLUMNS,
            Self::Notifications => &notifications::COLUMNS,
            Self::Figures => &figures::COLUMNS,
        }
    }
}

/// One of the lists as of one version, at a time. Cheap to make: it looks at nothing before it is asked.
#[derive(Clone, Debug)]
pub(crate) struct ViewRows {
    pub(super) kind: Kind,
    pub(super) view: Arc<View>,
    pub(super) now: Timestamp,
    pub(super) look: Look,
    /// Only for the figures: there they are the rows.
    pub(super) rules: Arc<[Rule]>,
    /// Which things of the list are its rows, where only those of a service are.
    pub(super) places: Option<Arc<[usize]>>,
    /// The service in scope that they are those of.
    pub(super) service: Option<String>,
}

/// Which things of a list touch a service; none where the list is not about services.
pub(super) fn places(kind: Kind, view: &View, service: Option<&str>) -> Option<Arc<[usize]>> {
    let service = service?;
    let of = |len: usize, wanted: &dyn Fn(usize) -> bool| Some((0..len).filter(|at| wanted(*at)).collect());
    match kind {
        Kind::Escalations => of(escalations::len(view), &|at| {
            escalations::escalation(view, at).is_some_and(|e| e.service.as_deref() == Some(service))
        }),
        Kind::Silences => {
            let silences = &view.alerts.silences;
            of(silences.len(), &|at| silences::touches(&silences[at], service))
        }
        Kind::Notifications => of(view.alerts.log.len(), &|at| {
            let sent = notifications::record(view, at).into_iter().flat_map(|record| record.alerts.iter());
            let mut alerts = sent.filter_map(|sent| view.alerts.alert(sent.alert));
            alerts.any(|alert| alert.service.as_deref() == Some(service))
        }),
        Kind::Schedules | Kind::Figures => None,
    }
}

impl ViewRows {
    pub(super) fn new(
        kind: Kind,
        view: Arc<View>,
        places: Option<Arc<[usize]>>,
        service: Option<String>,
        cx: &Context<'_, World>,
    ) -> Self {
        let rules = if kind == Kind::Figures { figures::rules(&view) } else { Arc::default() };
        Self { kind, view, now: cx.world.now, look: cx.look.clone(), rules, places, service }
    }

    /// The place of a row in the view's list.
    fn at(&self, row: usize) -> usize {
        self.places.as_ref().map_or(row, |places| places.get(row).copied().unwrap_or(usize::MAX))
    }
}

impl Rows for ViewRows {
    fn len(&self) -> usize {
        if let Some(places) = &self.places {
            return places.len();
        }
        match self.kind {
            Kind::Schedules => self.view.oncall.schedules.len(),
            Kind::Escalations => escalations::len(&self.view),
            Kind::Silences => self.view.alerts.silences.len(),
            Kind::Notifications => self.view.alerts.log.len(),
            Kind::Figures => self.rules.len(),
        }
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        let row = self.at(row);
        match self.kind {
            Kind::Schedules => (&*self.view.oncall.schedules[row].name).into(),
            Kind::Escalations => escalations::key(&self.view, row).into(),
            Kind::Silences => self.view.alerts.silences[row].id.to_string().into(),
            Kind::Notifications => {
                notifications::record(&self.view, row).map(|r| r.id.to_string()).unwrap_or_default().into()
            }
            Kind::Figures => (&*self.rules[row].0).into(),
        }
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let row = self.at(row);
        match self.kind {
            Kind::Schedules => schedules::text(self, row, column),
            Kind::Escalations => escalations::text(self, row, column),
            Kind::Silences => silences::text(self, row, column),
            Kind::Notifications => notifications::text(self, row, column),
            Kind::Figures => figures::text(self, row, column),
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let row = self.at(row);
        match self.kind {
            Kind::Schedules => schedules::order(self, row, column),
            Kind::Escalations => escalations::order(self, row, column),
            Kind::Silences => silences::order(self, row, column),
            Kind::Notifications => notifications::order(self, row, column),
            Kind::Figures => figures::order(self, row, column),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let row = self.at(row);
        match self.kind {
            Kind::Schedules => schedules::draw(self, row, column, cell),
            Kind::Escalations => escalations::draw(self, row, column, cell),
            Kind::Silences => silences::draw(self, row, column, cell),
            Kind::Notifications => notifications::draw(self, row, column, cell),
            Kind::Figures => figures::draw(self, row, column, cell),
        }
    }
}
