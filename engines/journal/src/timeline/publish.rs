//! Publishing the newest entries, and following those of other consoles on a shared store.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Notify;

use super::handle::Shared;
use super::query;

/// At most 30 snapshots a second.
const QUIET: Duration = Duration::from_millis(33);
/// How often a shared store is asked for entries of other consoles.
const FOLLOW: Duration = Duration::from_secs(2);
/// How far back such a question goes; entries stamped earlier appear in queries alone.
const FOLLOW_BACK: Duration = Duration::from_secs(300);

/// Publishes a snapshot whenever something changed, until the timeline is dropped.
pub(super) async fn publish(shared: Weak<Shared>, dirty: Arc<Notify>) {
    loop {
        dirty.notified().await;
        let Some(shared) = shared.upgrade() else { return };
        let snapshot = shared.ring.lock().snapshot(shared.clock.now());
        shared.recent.send_replace(Arc::new(snapshot));
        drop(shared);
        tokio::time::sleep(QUIET).await;
    }
}

/// Takes over what other consoles wrote to a shared store, until the timeline is dropped.
pub(super) async fn follow(shared: Weak<Shared>) {
    let mut timer = tokio::time::interval(FOLLOW);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        timer.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let writer = shared.ring.lock().writer.clone();
        match query::of_others(&shared.db, &writer, shared.clock.now() - FOLLOW_BACK).await {
            Ok(entries) => {
                let mut ring = shared.ring.lock();
                let before = ring.version();
                for entry in entries {
                    if ring.get(&entry.id).is_none() {
                        ring.push(entry);
                    }
                }
                if ring.version() != before {
                    shared.dirty.notify_one();
                }
            }
            Err(error) => tracing::warn!(%error, "cannot follow the timeline of other consoles"),
        }
    }
}
