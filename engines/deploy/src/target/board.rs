//! Where targets write what they observe, for everyone to see.

use std::sync::Arc;

use quarterdeck_kernel::Clock;
use quarterdeck_kernel::time::SystemClock;
use tokio::sync::watch;

use super::{Observed, ObservedVersion};
use crate::model::ReplicaState;

/// What is observed, published as it changes. Clones are of one board.
#[derive(Clone, Debug)]
pub struct Board {
    sender: Arc<watch::Sender<Arc<Observed>>>,
}

impl Default for Board {
    fn default() -> Self {
        Self { sender: Arc::new(watch::Sender::new(Arc::default())) }
    }
}

impl Board {
    /// The newest observation, and its changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Observed>> {
        self.sender.subscribe()
    }

    /// The newest observation.
    #[must_use]
    pub fn now(&self) -> Arc<Observed> {
        Arc::clone(&self.sender.borrow())
    }

    /// Changes what is known of a version; a version with nothing in it is forgotten once nobody wants it.
    pub(crate) fn version(&self, service: &str, version: &str, change: impl FnOnce(&mut ObservedVersion)) {
        self.sender.send_if_modified(|observed| {
            let before = observed.version(service, version);
            let mut after = before.cloned().unwrap_or_default();
            change(&mut after);
            if before.is_some_and(|before| *before == after) {
                return false;
            }
            let observed = Arc::make_mut(observed);
            observed.sequence += 1;
            let versions = observed.services.entry(service.to_owned()).or_default();
            if after.wanted == 0 && after.replicas.is_empty() {
                versions.remove(version);
            } else {
                versions.insert(version.to_owned(), after);
            }
            if versions.is_empty() {
                observed.services.remove(service);
            }
            true
        });
    }

    /// Changes what is known of a replica, which is there from then on. Its `since` is the board's business.
    pub(crate) fn replica(
        &self,
        service: &str,
        version: &str,
        id: &str,
        change: impl FnOnce(&mut ReplicaState),
    ) {
        self.version(service, version, |observed| edit(observed, id, change));
    }

    /// As [`Board::replica`], for one that is watched elsewhere: nothing is done once the version is no longer wanted.
    pub(crate) fn watched(
        &self,
        service: &str,
        version: &str,
        id: &str,
        change: impl FnOnce(&mut ReplicaState),
    ) {
        self.version(service, version, |observed| {
            if observed.wanted > 0 {
                edit(observed, id, change);
            }
        });
    }

    /// A replica is gone.
    pub(crate) fn gone(&self, service: &str, version: &str, id: &str) {
        self.version(service, version, |observed| observed.replicas.retain(|r| r.id != id));
    }
}

fn edit(observed: &mut ObservedVersion, id: &str, change: impl FnOnce(&mut ReplicaState)) {
    let now = SystemClock.now();
    let at = observed.replicas.binary_search_by(|r| natural(&r.id).cmp(&natural(id)));
    let at = at.unwrap_or_else(|at| {
        let fresh = ReplicaState { id: id.to_owned(), since: now, ..ReplicaState::default() };
        observed.replicas.insert(at, fresh);
        at
    });
    let replica = &mut observed.replicas[at];
    let before = replica.phase;
    change(replica);
    if replica.phase != before {
        replica.since = now;
    }
}

/// Ids in the order of their numbers: `a/v1/2` before `a/v1/10`.
fn natural(id: &str) -> (usize, &str) {
    let digits = id.rsplit('/').next().unwrap_or_default();
    if digits.bytes().all(|b| b.is_ascii_digit()) { (digits.len(), id) } else { (0, id) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ReplicaPhase;

    #[test]
    fn what_changes_is_published_and_what_is_gone_is_forgotten() {
        let board = Board::default();
        let mut watch = board.watch();
        for index in [10, 2, 0] {
            board
                .replica("orders", "v1", &format!("orders/v1/{index}"), |r| r.phase = ReplicaPhase::Starting);
        }
        assert!(watch.has_changed().unwrap());
        let seen = watch.borrow_and_update().clone();
        let ids: Vec<&str> =
            seen.version("orders", "v1").unwrap().replicas.iter().map(|r| r.id.as_str()).collect();
        assert_eq!(ids, ["orders/v1/0", "orders/v1/2", "orders/v1/10"]);
        board.replica("orders", "v1", "orders/v1/2", |r| r.phase = ReplicaPhase::Starting);
        assert!(!watch.has_changed().unwrap(), "nothing changed");
        for index in [0, 2, 10] {
            board.gone("orders", "v1", &format!("orders/v1/{index}"));
        }
        assert!(board.now().services.is_empty());
        assert_eq!(board.now().sequence, 6);
    }
}
