//! Questions about where things are.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;

use super::Engine;
use crate::model::Group;

impl Engine {
    /// Notifications that were handed over and have no outcome yet.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.in_flight.len()
    }

    /// The groups that hold an alert.
    pub fn groups_of(&self, fingerprint: Fingerprint) -> impl Iterator<Item = &Arc<Group>> {
        let slot = self.by_print.get(&fingerprint).copied();
        let private = slot.and_then(|slot| self.privates.get(slot as usize));
        private.into_iter().flat_map(|p| &*p.groups).filter_map(|slot| self.groups.get(*slot))
    }
}
