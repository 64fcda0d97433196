//! How a rollout goes: strategies as data, and the files that they are read from.

mod alerts;
mod bound;
mod file;
mod spec;

pub use alerts::conditions;
pub use file::{File, Templates, read};
pub use spec::{
    AnalysisSpec, ArgValue, BlueGreen, Canary, CanaryScale, Direction, Effect, Gradual, JudgeMetric,
    JudgeSpec, Limit, MetricSpec, NanStrategy, OnFailure, OnRestart, Outliers, Rolling, Step, Strategy,
    StrategyKind,
};
