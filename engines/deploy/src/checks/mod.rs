//! What is looked at before traffic moves: some of it before anything is started, the rest when the new version is ready
//! and has had no request yet. Further checks plug in behind one trait.

pub mod cron;
pub mod freeze;

mod standard;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{Actor, Timestamp};

use crate::config::ServiceConfig;
use crate::model::{CheckState, CheckVerdict};

pub use standard::{Alerts, Configured, Frozen, OpenAlert, Smoke, Stable};

/// Names of the checks that there are.
pub const NAMES: [&str; 5] = ["configuration", "freeze", "alerts", "stable", "smoke"];

/// When a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Before anything is started.
    Before,
    /// When the new version is ready, before its first request.
    Ready,
}

/// What is about to be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The service.
    pub service: String,
    /// Its settings.
    pub config: Arc<ServiceConfig>,
    /// The stable version; none when there is none.
    pub from: Option<String>,
    /// The new version.
    pub to: String,
    /// Whether it takes back an earlier rollout: no freeze and no alert is in the way of that.
    pub rollback: bool,
    /// Who wants it.
    pub actor: Actor,
    /// When.
    pub now: Timestamp,
    /// Addresses of replicas that are ready, by version.
    pub endpoints: BTreeMap<String, Vec<String>>,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// It holds; what was found, in words.
    Ok(String),
    /// It does not hold; why.
    Failed(String),
    /// It does not apply; why.
    Skipped(String),
}

/// One check.
pub trait Check: Send + Sync {
    /// Its name, in one word, as `checks.skip` has it.
    fn name(&self) -> &'static str;
    /// When it is made.
    fn stage(&self) -> Stage {
        Stage::Before
    }
    /// Looks. It may be dropped at any time: it takes too long, or the rollout has been given up.
    fn run<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, CheckOutcome>;
}

/// Makes the checks of a stage, all at a time, each within the time that the service allows. In the order given.
pub async fn run(checks: &[Arc<dyn Check>], stage: Stage, plan: &Plan) -> Vec<CheckState> {
    let timeout = plan.config.checks.timeout;
    let all = checks.iter().filter(|check| check.stage() == stage).map(|check| one(&**check, plan, timeout));
    futures_util::future::join_all(all).await
}

async fn one(check: &dyn Check, plan: &Plan, timeout: Duration) -> CheckState {
    let name = check.name();
    let outcome = if plan.config.checks.skip.iter().any(|skip| skip == name) {
        CheckOutcome::Skipped("the configuration leaves it out".to_owned())
    } else {
        // A check is somebody else's code: what goes wrong in it is its failure and nobody else's.
        let looked = std::panic::AssertUnwindSafe(check.run(plan)).catch_unwind();
        match tokio::time::timeout(timeout, looked).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => CheckOutcome::Failed("the check itself failed; the log says more".to_owned()),
            Err(_) => {
                CheckOutcome::Failed(format!("there was no answer within {}", format_duration(timeout)))
            }
        }
    };
    let (verdict, message) = match outcome {
        CheckOutcome::Ok(message) => (CheckVerdict::Ok, message),
        CheckOutcome::Failed(message) => (CheckVerdict::Failed, message),
        CheckOutcome::Skipped(message) => (CheckVerdict::Skipped, message),
    };
    CheckState { name: name.to_owned(), verdict, message }
}

#[cfg(test)]
mod tests;
