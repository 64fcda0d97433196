//! Analyses: measurements against conditions, with Argo's limits, and the judge; pure, in the time that is passed in.
//!
//! [`Run`] says what is to be measured when, is told what came of it, and knows its outcome. A measurement is successful,
//! failed, inconclusive (neither condition holds) or an error (the query failed, or the condition has no answer for what it
//! gave, such as `result[0]` of no data). With one condition alone the other is its opposite; without any, whatever was
//! measured is successful.
//!
//! A metric ends as *error* when more errors than allowed came one after the other (4 unless told), else as *inconclusive*
//! when more measurements than allowed were (0), else as *failed* when more than allowed did (0), else as *successful* when
//! all that were to be taken were taken. Errors are not counted among those; each is tried again. The first metric that ends
//! in anything but success ends the run; the worst outcome is that of the run (failed, error, inconclusive, successful). What
//! runs dry counts for none of it.

mod args;
pub mod condition;
pub mod number;
mod run;

pub use args::{ArgsError, Arguments, fill};
pub use condition::{Condition, ConditionError, EvalError, Value};
pub use run::{Ask, JudgeRequest, Run, StartError, longest};

use crate::model::AnalysisPhase;

/// What a measurement counts as, and why if it is an error.
#[must_use]
pub fn assess(
    success: Option<&Condition>,
    failure: Option<&Condition>,
    value: &Value,
) -> (AnalysisPhase, String) {
    let met = |condition: Option<&Condition>| {
        condition.map(|c| c.met(value).map_err(|e| format!("{c}: {e}"))).transpose()
    };
    let (succeeded, failed) = match (met(success), met(failure)) {
        (Ok(succeeded), Ok(failed)) => (succeeded, failed),
        (Err(e), _) | (_, Err(e)) => return (AnalysisPhase::Error, e),
    };
    let phase = match (succeeded, failed) {
        (None, None) | (Some(true), None | Some(false)) | (None, Some(false)) => AnalysisPhase::Successful,
        (_, Some(true)) | (Some(false), None) => AnalysisPhase::Failed,
        (Some(false), Some(false)) => AnalysisPhase::Inconclusive,
    };
    (phase, String::new())
}

#[cfg(test)]
mod tests;
