//! Questions under way: the newest of each slot wins, late answers are dropped.

use std::collections::BTreeMap;

use quarterdeck_kernel::Timestamp;

use super::Shell;
use crate::host::HostEffect;
use crate::pane::{Event, World};

/// A question younger than this is not worth showing, in milliseconds.
const QUIET: i64 = 250;

struct Flight<W: World> {
    generation: u64,
    query: W::Query,
    since: Timestamp,
}

/// All questions under way, by pane and slot.
pub(super) struct Flights<W: World> {
    flights: BTreeMap<(&'static str, &'static str), Flight<W>>,
    generation: u64,
}

impl<W: World> Default for Flights<W> {
    fn default() -> Self {
        Self { flights: BTreeMap::new(), generation: 0 }
    }
}

impl<W: World> Flights<W> {
    /// Whether a pane has waited long enough for an answer that the wait is to be seen.
    pub(super) fn visible(&self, pane: &str, now: Timestamp) -> bool {
        self.oldest(pane).is_some_and(|since| now.as_millis() - since.as_millis() >= QUIET)
    }

    /// Since when the pane's oldest question is under way.
    pub(super) fn oldest(&self, pane: &str) -> Option<Timestamp> {
        self.flights.iter().filter(|((p, _), _)| *p == pane).map(|(_, f)| f.since).min()
    }
}

impl<W: World> Shell<W> {
    /// Asks, unless the very same is being asked already.
    pub(super) fn ask(&mut self, pane: &'static str, slot: &'static str, query: W::Query) {
        match self.flights.flights.get(&(pane, slot)) {
            Some(flight) if flight.query == query => return,
            _ => self.cancel(pane, slot),
        }
        self.flights.generation += 1;
        let generation = self.flights.generation;
        let flight = Flight { generation, query: query.clone(), since: self.now };
        self.flights.flights.insert((pane, slot), flight);
        self.out.push(HostEffect::Query { pane, slot, generation, query });
    }

    /// Gives up the question of a slot, if there is one.
    pub(super) fn cancel(&mut self, pane: &'static str, slot: &'static str) {
        if let Some(flight) = self.flights.flights.remove(&(pane, slot)) {
            self.out.push(HostEffect::CancelQuery { pane, slot, generation: flight.generation });
        }
    }

    /// Gives up all visible questions of the pane at the front; false when there is none.
    pub(super) fn cancel_visible(&mut self) -> bool {
        let pane = self.front().id;
        if !self.flights.visible(pane, self.now) {
            return false;
        }
        let slots: Vec<&'static str> =
            self.flights.flights.keys().filter(|(p, _)| *p == pane).map(|(_, slot)| *slot).collect();
        for slot in slots {
            self.cancel(pane, slot);
            let event = Event::Answer { slot, answer: Err("given up with Esc".to_owned()) };
            self.deliver(self.front, event);
        }
        true
    }

    /// Gives an answer to the pane that asked, unless it is no longer waited for.
    pub(super) fn answer(
        &mut self,
        pane: &'static str,
        slot: &'static str,
        generation: u64,
        answer: Result<W::Answer, String>,
    ) {
        let waited = self.flights.flights.get(&(pane, slot)).is_some_and(|f| f.generation == generation);
        let index = self.stations.iter().position(|s| s.spec.id == pane);
        if let (true, Some(index)) = (waited, index) {
            self.flights.flights.remove(&(pane, slot));
            self.deliver(index, Event::Answer { slot, answer });
        }
    }
}
