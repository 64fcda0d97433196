//! How long a rollout may take, and strategies that are made here.

use std::fmt;
use std::time::Duration;

use quarterdeck_kernel::time::format_duration;

use super::{BlueGreen, Canary, Gradual, OnFailure, OnRestart, Step, Strategy, StrategyKind};
use crate::engine::analysis_bound;

impl Strategy {
    /// A strategy of a kind with every other setting as it is by default.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: StrategyKind) -> Self {
        Self {
            name: name.into(),
            source: String::new(),
            kind,
            replicas: None,
            progress_deadline: Duration::from_secs(600),
            progress_deadline_abort: None,
            min_ready: Duration::ZERO,
            rollback_window: None,
            scale_down_delay: Duration::from_secs(30),
            abort_scale_down_delay: Some(Duration::from_secs(30)),
            on_failure: OnFailure::default(),
            gradual_rollback: None,
            on_restart: OnRestart::default(),
            drain: Duration::from_secs(30),
            unready_limit: Duration::from_secs(30),
            crash_limit: 3,
            abort_on_alerts: Vec::new(),
            checks: None,
        }
    }

    /// The way back to a version that was stable: at once, or in steps. It is neither checked nor analysed, but the version
    /// must be ready before it takes any traffic.
    #[must_use]
    pub fn back(gradual: Option<Gradual>) -> Self {
        let kind = match gradual {
            None => StrategyKind::BlueGreen(BlueGreen::default()),
            Some(gradual) => {
                let steps = gradual.steps.iter().filter(|left| **left > 0 && **left < 100);
                let steps =
                    steps.flat_map(|left| [Step::SetWeight(100 - left), Step::Pause(Some(gradual.interval))]);
                StrategyKind::Canary(Canary { steps: steps.collect(), ..Canary::default() })
            }
        };
        Self { checks: Some(Vec::new()), ..Self::new("rollback", kind) }
    }

    /// How long a rollout by it takes at most; none when it waits for a key. What is not part of it: being frozen, an
    /// inconclusive analysis, and a restart of the console.
    #[must_use]
    pub fn longest(&self, replicas: u32) -> Option<Duration> {
        let steps = match &self.kind {
            StrategyKind::Canary(kind) => kind.steps.as_slice(),
            StrategyKind::BlueGreen(_) | StrategyKind::Rolling(_) => &[],
        };
        if steps.iter().any(|step| matches!(step, Step::Pause(None))) {
            return None;
        }
        if let StrategyKind::BlueGreen(kind) = &self.kind
            && !kind.auto_promotion
            && kind.auto_promotion_after.is_none()
        {
            return None;
        }
        Some(self.busy(replicas))
    }

    /// The same without the waits for a key.
    #[must_use]
    pub fn busy(&self, replicas: u32) -> Duration {
        let deadline = self.progress_deadline;
        let full = self.replicas.unwrap_or(replicas).max(1);
        // Two rounds of checks, the start, the last switch, and the way back.
        let mut total = deadline * 5;
        match &self.kind {
            StrategyKind::Canary(kind) => {
                for step in &kind.steps {
                    total += match step {
                        Step::SetWeight(_) | Step::SetCanaryScale(_) => deadline,
                        Step::Pause(duration) => duration.unwrap_or_default(),
                        Step::Analysis(spec) => analysis_bound(spec).unwrap_or_default(),
                        _ => Duration::ZERO,
                    };
                }
            }
            StrategyKind::BlueGreen(kind) => {
                total += deadline + kind.auto_promotion_after.unwrap_or_default();
                for spec in kind.pre_promotion.iter().chain(&kind.post_promotion) {
                    total += analysis_bound(spec).unwrap_or_default();
                }
            }
            // Each replica that comes or goes gives it time again.
            StrategyKind::Rolling(_) => total += deadline.saturating_mul(full.saturating_mul(2)),
        }
        if let Some(gradual) = &self.gradual_rollback {
            total += gradual.interval.saturating_mul(u32::try_from(gradual.steps.len()).unwrap_or(u32::MAX));
        }
        total + self.unready_limit + self.drain * 2
    }
}

/// For people, in one line.
impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            StrategyKind::Rolling(kind) => {
                write!(f, "rolling: surge {}, unavailable {}", kind.max_surge, kind.max_unavailable)
            }
            StrategyKind::BlueGreen(kind) => {
                f.write_str("blue-green")?;
                if let Some(spec) = &kind.pre_promotion {
                    write!(f, ", analysis {} before", spec.name)?;
                }
                match (kind.auto_promotion_after, kind.auto_promotion) {
                    (Some(after), _) => write!(f, ", switched after {}", format_duration(after))?,
                    (None, true) => f.write_str(", switched by itself")?,
                    (None, false) => f.write_str(", switched by key")?,
                }
                if let Some(spec) = &kind.post_promotion {
                    write!(f, ", analysis {} after", spec.name)?;
                }
                Ok(())
            }
            StrategyKind::Canary(kind) => {
                f.write_str("canary")?;
                let weights: Vec<String> = kind
                    .steps
                    .iter()
                    .filter_map(|step| if let Step::SetWeight(weight) = step { Some(weight) } else { None })
                    .chain([&100])
                    .map(ToString::to_string)
                    .collect();
                write!(f, " {} %", weights.join(" → "))?;
                let analysed = kind.background.is_some()
                    || kind.steps.iter().any(|step| matches!(step, Step::Analysis(_)));
                if analysed { f.write_str(", analysed") } else { Ok(()) }
            }
        }
    }
}
