//! Deployments made by hand: a canary of orders that fails, a service that nothing happens to, two ended rollouts.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_deploy::model::{
    AnalysisPhase, AnalysisPlace, AnalysisState, Change, CheckState, CheckVerdict, Class, Dora, Freeze,
    JudgeState, JudgedMetric, Measured, MetricState, Outcome, Phase, ReplicaPhase, ReplicaState, Rollout,
    ServiceView, Snapshot, StepState, StepStatus, StrategyView, Verdict, VersionRole, VersionView,
};
use quarterdeck_deploy::strategy::{BlueGreen, Canary, OnFailure, OnRestart, Step, Strategy, StrategyKind};
use quarterdeck_kernel::{ActionSpec, Actor, Invocation, Reason, Subject};
use quarterdeck_panes::World;
use quarterdeck_panes::world::{Actions, Console, OutputLine};

use super::{NOW, at, empty_world};

/// Everything is available; the engine says nothing of what it would do.
struct Registry(Vec<ActionSpec>);

impl Actions for Registry {
    fn specs(&self) -> &[ActionSpec] {
        &self.0
    }

    fn available(&self, _: &str, _: Option<&Subject>) -> Result<(), Reason> {
        Ok(())
    }

    fn preview(&self, _: &Invocation) -> Vec<String> {
        Vec::new()
    }
}

pub(crate) fn strategy(kind: StrategyKind) -> Strategy {
    Strategy {
        name: "careful".to_owned(),
        source: "strategies/careful.yaml".to_owned(),
        kind,
        replicas: None,
        progress_deadline: Duration::from_secs(600),
        progress_deadline_abort: None,
        min_ready: Duration::ZERO,
        rollback_window: None,
        scale_down_delay: Duration::from_secs(30),
        abort_scale_down_delay: Some(Duration::from_secs(30)),
        on_failure: OnFailure::Rollback,
        gradual_rollback: None,
        on_restart: OnRestart::Continue,
        drain: Duration::from_secs(30),
        unready_limit: Duration::from_secs(30),
        crash_limit: 3,
        abort_on_alerts: Vec::new(),
        checks: None,
    }
}

fn step(step: Step, status: StepStatus, started: Option<i64>, ended: Option<i64>) -> StepState {
    StepState { status, started: started.map(at), ended: ended.map(at), ..StepState::new(step) }
}

fn judged(
    name: &str,
    unit: &str,
    class: Class,
    stable: f64,
    canary: f64,
    p: f64,
    message: &str,
) -> JudgedMetric {
    JudgedMetric {
        name: name.to_owned(),
        group: name.to_owned(),
        unit: unit.to_owned(),
        class,
        critical: false,
        stable: Some(stable),
        canary: Some(canary),
        p_value: Some(p),
        effect: Some(if stable > 0.0 { canary / stable } else { 1.0 }),
        values: (24, 24),
        message: message.to_owned(),
    }
}

fn judgement() -> JudgeState {
    JudgeState {
        at: at(-12),
        score: 41.0,
        passes_at: 80.0,
        fails_below: 60.0,
        verdict: Verdict::Fail,
        message: "score 41, passes at 80: p99 84 ms against 29 ms, higher (p < 0.001)".to_owned(),
        metrics: vec![
            judged("p99", "ms", Class::High, 29.0, 84.0, 1e-6, "84 ms against 29 ms, higher (p < 0.001)"),
            judged("rejects", "%", Class::High, 0.9, 3.1, 1e-5, "3.1 % against 0.9 %, higher (p < 0.001)"),
            judged("errors", "%", Class::Pass, 0.0, 0.0, 1.0, "0 % against 0 %, no difference (p = 1.000)"),
            judged(
                "cpu",
                "cores",
                Class::Pass,
                0.21,
                0.22,
                0.4,
                "0.22 against 0.21, no difference (p = 0.400)",
            ),
        ],
    }
}

fn metric() -> MetricState {
    let measured = |seconds: i64, phase, value: &str| Measured {
        at: at(seconds),
        phase,
        value: value.to_owned(),
        message: String::new(),
    };
    MetricState {
        name: "success-rate".to_owned(),
        phase: AnalysisPhase::Running,
        condition: "at least 0.95".to_owned(),
        count: 3,
        successful: 2,
        failed: 1,
        measurements: vec![
            measured(-60, AnalysisPhase::Successful, "0.99"),
            measured(-40, AnalysisPhase::Failed, "0.93"),
            measured(-20, AnalysisPhase::Successful, "0.97"),
        ],
        message: "0.97, as it must be: at least 0.95".to_owned(),
        ..MetricState::default()
    }
}

/// The canary: at its third step, paused, its analysis failed.
pub(crate) fn canary() -> Rollout {
    let steps = vec![
        step(Step::SetWeight(5), StepStatus::Done, Some(-207), Some(-206)),
        step(Step::Pause(Some(Duration::from_secs(90))), StepStatus::Done, Some(-206), Some(-116)),
        step(Step::SetWeight(10), StepStatus::Done, Some(-116), Some(-115)),
        StepState {
            until: Some(at(41)),
            ..step(Step::Pause(Some(Duration::from_secs(120))), StepStatus::Running, Some(-79), None)
        },
        step(Step::SetWeight(50), StepStatus::Waiting, None, None),
        step(Step::Promote, StepStatus::Waiting, None, None),
    ];
    Rollout {
        id: "orders-0031".to_owned(),
        revision: 31,
        service: "orders".to_owned(),
        from: Some("v1".to_owned()),
        to: "v2".to_owned(),
        strategy: strategy(StrategyKind::Canary(Canary::default())),
        actor: Actor { user: "ops-1".to_owned(), ..Actor::default() },
        reason: "faster matching".to_owned(),
        started: at(-210),
        ended: None,
        outcome: None,
        phase: Phase::Paused,
        message: "v2 fails 2 of 4 checks; it is taken back in 0:12 unless it is frozen".to_owned(),
        until: Some(at(41)),
        frozen: None,
        step: Some(3),
        steps,
        weight: 10,
        shares: vec![("v1".to_owned(), 90), ("v2".to_owned(), 10)],
        headers: Vec::new(),
        mirror: None,
        checks: vec![CheckState {
            name: "health".to_owned(),
            verdict: CheckVerdict::Ok,
            message: "2 of 2 replicas of v1 answer".to_owned(),
        }],
        analyses: vec![AnalysisState {
            id: "a1".to_owned(),
            name: "latency+rejects".to_owned(),
            place: AnalysisPlace::Background,
            phase: AnalysisPhase::Running,
            started: at(-200),
            metrics: vec![metric()],
            judge: Some(judgement()),
            ..AnalysisState::default()
        }],
        first_traffic: Some(at(-206)),
        reached: 10,
        waited: Duration::ZERO,
        diff: vec![Change {
            key: "command".to_owned(),
            before: Some("orders-v1".to_owned()),
            after: Some("orders-v2".to_owned()),
        }],
        rollback_of: None,
        metadata: vec![("commit".to_owned(), "4f1c2aa".to_owned())],
    }
}

/// A canary that an operator has frozen.
pub(crate) fn frozen() -> Rollout {
    let freeze = Freeze {
        since: at(-30),
        by: "ops-2".to_owned(),
        why: "looking at it".to_owned(),
        was: Phase::Paused,
        failure: false,
    };
    Rollout { phase: Phase::Frozen, frozen: Some(freeze), until: None, ..canary() }
}

/// A blue-green deployment before its switch.
pub(crate) fn blue_green() -> Rollout {
    let steps = vec![
        step(Step::Preview(None), StepStatus::Done, Some(-60), Some(-50)),
        step(Step::Switch, StepStatus::Waiting, None, None),
    ];
    Rollout {
        strategy: strategy(StrategyKind::BlueGreen(BlueGreen::default())),
        steps,
        analyses: Vec::new(),
        until: None,
        ..canary()
    }
}

/// One that ended: taken back by itself, or promoted.
pub(crate) fn ended(id: &str, outcome: Outcome, seconds: i64) -> Rollout {
    let phase = if outcome == Outcome::Promoted { Phase::Healthy } else { Phase::Degraded };
    let mut rollout = canary();
    for step in rollout.steps.iter_mut().skip(3) {
        step.status = StepStatus::Dropped;
        step.until = None;
    }
    Rollout {
        id: id.to_owned(),
        started: at(seconds - 300),
        ended: Some(at(seconds)),
        outcome: Some(outcome),
        reached: if outcome == Outcome::Promoted { 100 } else { 10 },
        phase,
        until: None,
        message: "p99 84 ms against 29 ms".to_owned(),
        ..rollout
    }
}

fn replica(id: &str, phase: ReplicaPhase, port: u16) -> ReplicaState {
    ReplicaState {
        id: id.to_owned(),
        phase,
        since: at(-300),
        url: format!("http://127.0.0.1:{port}"),
        restarts: 0,
        pid: Some(4000 + u32::from(port)),
        message: String::new(),
    }
}

fn version(name: &str, role: VersionRole, share: u32, rate: f64, replicas: Vec<ReplicaState>) -> VersionView {
    let ready = replicas.iter().filter(|replica| replica.phase.is_ready()).count() as u32;
    VersionView {
        name: name.to_owned(),
        role,
        share,
        wanted: replicas.len() as u32,
        ready,
        replicas,
        requests: (rate * 600.0) as u64,
        rate,
        in_flight: 3,
        return_until: None,
        last_start: Some(Duration::from_millis(2400)),
        target: "process",
    }
}

fn dora(deployments: usize) -> Dora {
    Dora {
        window: Duration::from_secs(30 * 86_400),
        deployments,
        lead_time: Some(Duration::from_secs(7200)),
        frequency: Some(0.4),
        recovery: None,
        fail_rate: Some(0.25),
        rework_rate: Some(0.125),
    }
}

pub(crate) fn snapshot_of(rollouts: Vec<Rollout>) -> Snapshot {
    let orders = ServiceView {
        previous: None,
        name: "orders".to_owned(),
        stable: Some("v1".to_owned()),
        replicas: 2,
        target: "process",
        outlives: true,
        versions: vec![
            version(
                "v1",
                VersionRole::Stable,
                90,
                371.0,
                vec![replica("v1-0", ReplicaPhase::Ready, 8081), replica("v1-1", ReplicaPhase::Ready, 8082)],
            ),
            version(
                "v2",
                VersionRole::New,
                10,
                41.0,
                vec![
                    ReplicaState { restarts: 2, ..replica("v2-0", ReplicaPhase::Ready, 8083) },
                    ReplicaState {
                        message: "GET /ready answers 503".to_owned(),
                        ..replica("v2-1", ReplicaPhase::NotReady, 8084)
                    },
                ],
            ),
            version("v0", VersionRole::Stopped, 0, 0.0, Vec::new()),
        ],
        strategy: "careful".to_owned(),
        dora: dora(8),
        trouble: String::new(),
    };
    let risk = ServiceView {
        name: "risk".to_owned(),
        stable: Some("2026-03".to_owned()),
        replicas: 1,
        target: "external",
        versions: vec![version(
            "2026-03",
            VersionRole::Stable,
            100,
            409.0,
            vec![ReplicaState { pid: None, ..replica("10.0.0.9:80", ReplicaPhase::Ready, 80) }],
        )],
        strategy: "rolling".to_owned(),
        dora: Dora { window: Duration::from_secs(30 * 86_400), ..Dora::default() },
        ..ServiceView::default()
    };
    Snapshot {
        version: 9,
        taken: NOW,
        services: vec![Arc::new(risk), Arc::new(orders)],
        rollouts: rollouts.into_iter().map(Arc::new).collect(),
        history: vec![
            Arc::new(ended("orders-0030", Outcome::RolledBack, -3600)),
            Arc::new(ended("orders-0029", Outcome::Promoted, -90_000)),
        ],
        dora: dora(8),
        freezes: Vec::new(),
        elsewhere: None,
        strategies: vec![StrategyView {
            name: "careful".to_owned(),
            source: "strategies/careful.yaml".to_owned(),
            summary: "canary in 3 weights, judged".to_owned(),
            problem: String::new(),
            longest: Some(Duration::from_secs(1800)),
        }],
    }
}

/// A world with these deployments.
pub(crate) fn world_of(snapshot: Snapshot) -> World {
    World {
        deploy: Arc::new(snapshot),
        console: Arc::new(Console { environment: "test".to_owned(), ..Console::default() }),
        actions: Arc::new(Registry(Vec::new())),
        ..empty_world()
    }
}

/// So many lines that a process wrote.
pub(crate) fn lines(count: u64) -> Vec<OutputLine> {
    (1..=count)
        .map(|number| OutputLine {
            number,
            at: at(-60).plus_millis(number as i64 * 100),
            replica: "v2-0".to_owned(),
            error: number % 10 == 0,
            text: format!("order {number} matched"),
        })
        .collect()
}
