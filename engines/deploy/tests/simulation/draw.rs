//! Random strategies, and keys that operators press.

use std::time::Duration;

use quarterdeck_deploy::engine::{Input, Plan};
use quarterdeck_deploy::strategy::{
    AnalysisSpec, BlueGreen, Canary, CanaryScale, Direction, Gradual, JudgeMetric, JudgeSpec, Limit,
    MetricSpec, NanStrategy, OnFailure, OnRestart, Outliers, Rolling, Step, Strategy, StrategyKind,
};
use quarterdeck_kernel::Actor;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

fn seconds(random: &mut ChaCha8Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_secs(random.random_range(range))
}

fn limits(random: &mut ChaCha8Rng) -> Rolling {
    let mut limit = || {
        if random.random_bool(0.5) {
            Limit::Count(random.random_range(0..3))
        } else {
            Limit::Percent(random.random_range(0..=100))
        }
    };
    Rolling { max_surge: limit(), max_unavailable: limit() }
}

fn analysis(random: &mut ChaCha8Rng, endless: bool) -> AnalysisSpec {
    let metrics = (0..random.random_range(1..3))
        .map(|index| {
            let interval = random.random_bool(0.7).then(|| seconds(random, 1..20));
            let counted = !endless || random.random_bool(0.3);
            MetricSpec {
                name: format!("m{index}"),
                query: "up".to_owned(),
                interval,
                count: (interval.is_some() && counted).then(|| random.random_range(1..5)),
                initial_delay: seconds(random, 0..10),
                success: Some("result[0] < 1".to_owned()),
                failure: random.random_bool(0.3).then(|| "result[0] > 2".to_owned()),
                failure_limit: random.random_range(0..2),
                inconclusive_limit: 0,
                consecutive_error_limit: random.random_range(0..4),
                consecutive_success_limit: None,
                dry_run: random.random_bool(0.1),
            }
        })
        .collect();
    let judge = random.random_bool(0.3).then(|| judge(random, endless));
    AnalysisSpec { name: "health".to_owned(), metrics, judge, args: Vec::new() }
}

fn judge(random: &mut ChaCha8Rng, endless: bool) -> JudgeSpec {
    let metrics = (0..random.random_range(1..4))
        .map(|index| JudgeMetric {
            name: format!("j{index}"),
            query: "up{version=\"{{version}}\"}".to_owned(),
            unit: String::new(),
            group: if random.random_bool(0.5) { "latency".to_owned() } else { String::new() },
            direction: [Direction::Increase, Direction::Decrease, Direction::Either]
                [random.random_range(0..3)],
            nan_strategy: if random.random_bool(0.2) { NanStrategy::Replace } else { NanStrategy::Remove },
            critical: random.random_bool(0.2),
            must_have_data: random.random_bool(0.2),
            outliers: if random.random_bool(0.5) { Outliers::Remove } else { Outliers::Keep },
            effect: quarterdeck_deploy::strategy::Effect::default(),
            weight: 1.0,
        })
        .collect();
    let interval = random.random_bool(0.7).then(|| seconds(random, 2..30));
    let counted = !endless || random.random_bool(0.3);
    JudgeSpec {
        metrics,
        group_weights: Vec::new(),
        pass: 80.0,
        marginal: 50.0,
        window: seconds(random, 10..120),
        step: seconds(random, 1..5),
        initial_delay: seconds(random, 0..30),
        interval,
        count: (interval.is_some() && counted).then(|| random.random_range(1..4)),
        failure_limit: random.random_range(0..2),
    }
}

pub(crate) fn strategy(random: &mut ChaCha8Rng) -> Strategy {
    let kind = match random.random_range(0..4) {
        0 => StrategyKind::Rolling(limits(random)),
        1 => StrategyKind::BlueGreen(BlueGreen {
            auto_promotion: random.random_bool(0.7),
            auto_promotion_after: random.random_bool(0.3).then(|| seconds(random, 1..60)),
            preview_replicas: random.random_bool(0.3).then(|| random.random_range(1..3)),
            pre_promotion: random.random_bool(0.5).then(|| analysis(random, false)),
            post_promotion: random.random_bool(0.5).then(|| analysis(random, false)),
        }),
        _ => {
            let mut steps = Vec::new();
            for index in 0..random.random_range(1..8) {
                steps.push(match random.random_range(0..12) {
                    0..5 => Step::SetWeight(random.random_range(0..=100)),
                    5..7 => Step::Pause(Some(seconds(random, 1..120))),
                    7 => Step::Pause(None),
                    8 => Step::SetCanaryScale(match random.random_range(0..3) {
                        0 => CanaryScale::Replicas(random.random_range(1..4)),
                        1 => CanaryScale::Percent(random.random_range(1..150)),
                        _ => CanaryScale::MatchWeight,
                    }),
                    9 => Step::SetHeaderRoute {
                        name: format!("h{}", index % 2),
                        headers: if random.random_bool(0.7) {
                            vec![("x-canary".to_owned(), "yes".to_owned())]
                        } else {
                            Vec::new()
                        },
                    },
                    10 => Step::SetMirrorRoute {
                        name: "m".to_owned(),
                        percent: random.random_bool(0.7).then(|| random.random_range(0..=100)),
                    },
                    _ => Step::Analysis(analysis(random, false)),
                });
            }
            let from = random.random_range(0..steps.len());
            let background = random.random_bool(0.4).then(|| (analysis(random, true), from));
            let shared = random.random_bool(0.2).then(|| limits(random));
            StrategyKind::Canary(Canary {
                steps,
                background,
                shared,
                min_replicas: random.random_range(1..3),
            })
        }
    };
    let gradual = random
        .random_bool(0.2)
        .then(|| Gradual { steps: vec![60, 30, 10], interval: seconds(random, 1..20) });
    Strategy {
        replicas: random.random_bool(0.2).then(|| random.random_range(1..6)),
        progress_deadline: seconds(random, 20..180),
        progress_deadline_abort: [None, Some(true), Some(false)][random.random_range(0..3)],
        min_ready: seconds(random, 0..4),
        rollback_window: random.random_bool(0.1).then_some(2),
        scale_down_delay: seconds(random, 0..60),
        abort_scale_down_delay: random.random_bool(0.9).then(|| seconds(random, 1..60)),
        on_failure: if random.random_bool(0.2) { OnFailure::Freeze } else { OnFailure::Rollback },
        gradual_rollback: gradual,
        on_restart: if random.random_bool(0.3) { OnRestart::Revert } else { OnRestart::Continue },
        drain: seconds(random, 1..20),
        unready_limit: seconds(random, 1..40),
        crash_limit: random.random_range(0..4),
        abort_on_alerts: vec!["severity=\"critical\"".to_owned()],
        checks: random.random_bool(0.3).then(Vec::new),
        ..Strategy::new("drawn", kind)
    }
}

/// A key, as likely as not one that makes no sense now; when the rollout waits for one, mostly one that helps.
pub(crate) fn key(random: &mut ChaCha8Rng, waits: bool) -> Input {
    let service = "orders".to_owned();
    let by = Actor::system("tester");
    let gradual =
        random.random_bool(0.3).then(|| Gradual { steps: vec![50, 20], interval: Duration::from_secs(5) });
    let draw = if waits { random.random_range(0..50) } else { random.random_range(0..100) };
    match draw {
        0..15 => Input::Promote { service, full: random.random_bool(0.3), by },
        15..35 => Input::Resume { service, by },
        35..38 => Input::Abort { service, reason: "no".to_owned(), by },
        38..42 => Input::Rollback { service, to: None, gradual, reason: "no".to_owned(), by },
        42..50 => Input::SkipPause { service, by },
        50..56 => Input::Freeze { service, reason: "look".to_owned(), by },
        56..62 => Input::SetWeight { service, weight: random.random_range(0..200), by },
        62..64 => {
            Input::Rollback { service, to: Some("v0".to_owned()), gradual, reason: "no".to_owned(), by }
        }
        64..72 => Input::Start(Box::new(Plan {
            service,
            to: "v-second".to_owned(),
            strategy: strategy(random),
            actor: by,
            reason: String::new(),
            diff: Vec::new(),
            metadata: Vec::new(),
            rollback_of: None,
        })),
        72..76 => Input::Alert {
            service: Some("orders".to_owned()),
            labels: vec![
                ("alertname".to_owned(), "Bad".to_owned()),
                ("severity".to_owned(), "critical".to_owned()),
            ],
        },
        _ => Input::Tick,
    }
}
