//! When time alone changes something.

use quarterdeck_kernel::Timestamp;

use super::active::Active;
use super::state::Service;
use crate::model::Phase;

impl Service {
    /// All moments at which something may change by time alone, past ones too.
    pub(super) fn wakes(&self) -> Vec<Timestamp> {
        let mut wakes: Vec<Timestamp> = self.settling.into_iter().collect();
        for retire in self.versions.values().filter_map(|version| version.retire) {
            wakes.extend(retire.keep_until);
            wakes.push(retire.drain_until);
        }
        let Some(rollout) = &self.rollout else { return wakes };
        let (strategy, progress) = (&rollout.strategy, &self.progress);
        if rollout.phase == Phase::Frozen {
            return wakes;
        }
        wakes.extend(progress.asked.map(|at| at + strategy.progress_deadline));
        wakes.extend(progress.waiting.map(|at| at + strategy.progress_deadline));
        wakes.extend(progress.unready.map(|at| at + strategy.unready_limit));
        wakes.extend(progress.draining.map(|at| at + strategy.drain));
        wakes.extend(progress.back.as_ref().and_then(|back| back.next));
        wakes.extend(rollout.until);
        wakes.extend(Active::analyses_wake(progress));
        if !strategy.min_ready.is_zero() {
            let replicas = self.versions.values().flat_map(|version| &version.replicas);
            wakes.extend(replicas.filter(|r| r.phase.is_ready()).map(|r| r.since + strategy.min_ready));
        }
        wakes
    }
}
