//! Plain data, and the snapshot.

mod analysis;
mod ledger;
mod replica;
mod rollout;
mod snapshot;

pub use analysis::{
    AnalysisPhase, AnalysisPlace, AnalysisState, Class, JudgeState, JudgedMetric, Measured, MetricState,
    Verdict,
};
pub use ledger::{Dora, LedgerEntry};
pub use replica::{Observed, ReplicaPhase, ReplicaState};
pub use rollout::{
    Change, CheckState, CheckVerdict, Freeze, Mirror, Outcome, Phase, Rollout, RoutedHeader, StepState,
    StepStatus,
};
pub use snapshot::{Elsewhere, FreezeView, ServiceView, Snapshot, StrategyView, VersionRole, VersionView};

/// Shares of traffic by version, in per cent: empty before anything takes traffic, otherwise the sum is 100.
pub type Shares = Vec<(String, u32)>;

/// The share of a version; a version that is not named has none.
#[must_use]
pub fn share_of(shares: &[(String, u32)], version: &str) -> u32 {
    shares.iter().filter(|(name, _)| name == version).map(|(_, share)| *share).sum()
}
