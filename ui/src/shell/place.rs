//! Where the operator is, came from, and can go back to.

use quarterdeck_kernel::Subject;

use super::Shell;
use crate::host::HostEffect;
use crate::pane::{Effect, Event, World};

/// How many places back goes.
const KEPT: usize = 64;

/// A place that back returns to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pane: usize,
    subject: Option<Subject>,
}

impl<W: World> Shell<W> {
    fn here(&self) -> Place {
        let subject = self.with_pane(self.front, |pane, cx| pane.selection(cx));
        Place { pane: self.front, subject }
    }

    pub(super) fn remember_place(&mut self) {
        let here = self.here();
        self.future.clear();
        if self.past.last() != Some(&here) {
            self.past.push(here);
            if self.past.len() > KEPT {
                self.past.remove(0);
            }
        }
    }

    pub(super) fn move_back(&mut self) -> Vec<(usize, Effect<W>)> {
        let here = self.here();
        while let Some(place) = self.past.pop() {
            if place != here {
                self.future.push(here);
                return self.return_to(place);
            }
        }
        Vec::new()
    }

    pub(super) fn move_forward(&mut self) -> Vec<(usize, Effect<W>)> {
        let here = self.here();
        match self.future.pop() {
            Some(place) => {
                self.past.push(here);
                self.return_to(place)
            }
            None => Vec::new(),
        }
    }

    fn return_to(&mut self, place: Place) -> Vec<(usize, Effect<W>)> {
        let mut effects = self.move_to(place.pane, false);
        let now = self.with_pane(place.pane, |pane, cx| pane.selection(cx));
        if let Some(subject) = place.subject.filter(|s| now.as_ref() != Some(s)) {
            let found = self.reselect(place.pane, &subject);
            effects.extend(found.into_iter().map(|effect| (place.pane, effect)));
        }
        effects
    }

    fn reselect(&mut self, index: usize, subject: &Subject) -> Vec<Effect<W>> {
        let world = super::seen(&self.world, self.frozen.as_ref(), self.rewound.as_ref(), &self.scope);
        let station = &mut self.stations[index];
        let cx = crate::pane::Context {
            world: &**world,
            scope: &self.scope,
            look: &self.look,
            area: station.area,
        };
        station.pane.update(Event::Return(subject), &cx)
    }

    /// Shows a pane by its id.
    pub(super) fn show(&mut self, id: &str) {
        if let Some(index) = self.stations.iter().position(|s| s.spec.id == id).filter(|i| *i != self.front) {
            let effects = self.move_to(index, true);
            self.finish(effects);
        }
    }

    /// Shows the pane that shows a subject best, and the subject in it.
    pub fn open(&mut self, subject: &Subject) -> Vec<HostEffect<W>> {
        self.go(subject.clone());
        std::mem::take(&mut self.out)
    }

    pub(super) fn go(&mut self, subject: Subject) {
        self.finish(vec![(self.front, Effect::Go(subject))]);
    }

    /// The panes of the tab line with their digits, and behind them those without one, as far as there is room.
    pub(crate) fn tabs(&self) -> Vec<(usize, Option<usize>)> {
        let index = |id: &str| self.stations.iter().position(|s| s.spec.id == id);
        let pinned = self.pinned.iter().enumerate();
        let mut tabs: Vec<(usize, Option<usize>)> =
            pinned.filter_map(|(place, id)| Some((index(id)?, Some(place + 1)))).collect();
        let rest: Vec<usize> =
            (0..self.stations.len()).filter(|index| tabs.iter().all(|(there, _)| there != index)).collect();
        tabs.extend(rest.into_iter().map(|index| (index, None)));
        tabs
    }

    pub(super) fn step_tab(&mut self, forward: bool) {
        let tabs = self.tabs();
        let here = tabs.iter().position(|(index, _)| *index == self.front).unwrap_or(0);
        let step = if forward { 1 } else { tabs.len() - 1 };
        let (index, _) = tabs[(here + step) % tabs.len()];
        let id = self.stations[index].spec.id;
        self.show(id);
    }

    /// Pins the pane at the front to the first free digit, or takes its digit away.
    pub(super) fn toggle_pin(&mut self) {
        let spec = self.front();
        if let Some(place) = self.pinned.iter().position(|id| *id == spec.id) {
            self.pinned.remove(place);
            self.tell(quarterdeck_kernel::Severity::Info, &format!("{} has no digit any more", spec.title));
        } else if self.pinned.len() < 9 {
            self.pinned.push(spec.id);
            let told = format!("{} is at {} now", spec.title, self.pinned.len());
            self.tell(quarterdeck_kernel::Severity::Info, &told);
        } else {
            self.tell(quarterdeck_kernel::Severity::Warning, "all nine digits are taken: unpin a pane first");
        }
        self.save();
    }
}
