//! What operators see of rollouts, one story each.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::time::Duration;

use quarterdeck_deploy::analysis::Value;
use quarterdeck_deploy::engine::{Effect, Engine, Input, Plan, Refusal, Service, ServicePlan, Stage};
use quarterdeck_deploy::model::{
    AnalysisPhase, CheckState, CheckVerdict, Outcome, Phase, ReplicaPhase, ReplicaState, Rollout, StepStatus,
};
use quarterdeck_deploy::strategy::{
    AnalysisSpec, BlueGreen, Canary, Gradual, MetricSpec, OnFailure, OnRestart, Rolling, Step, Strategy,
    StrategyKind,
};
use quarterdeck_kernel::{Actor, Timestamp};

struct Bench {
    engine: Engine,
    now: Timestamp,
    /// All effects so far.
    log: Vec<Effect>,
}

fn operator() -> Actor {
    Actor { user: "ops".to_owned(), ..Actor::default() }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn canary(steps: Vec<Step>) -> Strategy {
    let kind = StrategyKind::Canary(Canary { steps, min_replicas: 1, ..Canary::default() });
    Strategy { checks: Some(Vec::new()), ..Strategy::new("canary", kind) }
}

fn blue_green(kind: BlueGreen) -> Strategy {
    Strategy { checks: Some(Vec::new()), ..Strategy::new("blue-green", StrategyKind::BlueGreen(kind)) }
}

fn analysis() -> AnalysisSpec {
    let metric = MetricSpec {
        name: "errors".to_owned(),
        query: "errors{version=\"{{latest}}\"}".to_owned(),
        interval: Some(seconds(10)),
        count: Some(2),
        initial_delay: Duration::ZERO,
        success: Some("result[0] < 0.05".to_owned()),
        failure: None,
        failure_limit: 0,
        inconclusive_limit: 0,
        consecutive_error_limit: 4,
        consecutive_success_limit: None,
        dry_run: false,
    };
    AnalysisSpec { name: "errors".to_owned(), metrics: vec![metric], judge: None, args: Vec::new() }
}

impl Bench {
    /// `orders` with two replicas of `v1`, ready.
    fn new() -> Self {
        let mut bench =
            Self { engine: Engine::new(), now: Timestamp::from_millis(1_000_000), log: Vec::new() };
        let plan = ServicePlan { name: "orders".to_owned(), replicas: 2, stable: Some("v1".to_owned()) };
        bench.tell(Input::Configure(vec![plan]));
        bench.ready("v1", 2);
        assert_eq!(bench.shares(), "v1 100");
        bench
    }

    fn tell(&mut self, input: Input) -> Vec<Effect> {
        let effects = self.engine.handle(input, self.now).unwrap();
        self.log.extend(effects.iter().cloned());
        effects
    }

    fn refused(&mut self, input: Input) -> Refusal {
        self.engine.handle(input, self.now).unwrap_err()
    }

    fn replicas(&mut self, version: &str, phases: &[ReplicaPhase]) -> Vec<Effect> {
        let replicas = phases
            .iter()
            .enumerate()
            .map(|(index, phase)| ReplicaState {
                id: format!("{version}-{index}"),
                phase: *phase,
                since: self.now,
                message: if phase.is_ready() { String::new() } else { phase.to_string() },
                ..ReplicaState::default()
            })
            .collect();
        self.tell(Input::Observed { service: "orders".to_owned(), version: version.to_owned(), replicas })
    }

    fn ready(&mut self, version: &str, count: usize) -> Vec<Effect> {
        self.replicas(version, &vec![ReplicaPhase::Ready; count])
    }

    fn start(&mut self, to: &str, strategy: Strategy) -> Vec<Effect> {
        let plan = plan(to, strategy);
        self.tell(plan)
    }

    /// Lets time pass; ticks whenever the state machine asks for it.
    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        let end = self.now + time;
        let mut effects = Vec::new();
        while let Some(wake) = self.engine.next_wake().filter(|wake| *wake <= end) {
            assert!(wake > self.now, "asked for a time that is past");
            self.now = wake;
            effects.extend(self.tell(Input::Tick));
        }
        self.now = end;
        effects.extend(self.tell(Input::Tick));
        effects
    }

    /// Nothing is under way to any version.
    fn drained(&mut self) -> Vec<Effect> {
        self.now = self.now.plus_millis(1);
        let in_flight = ["v1", "v2", "v3"].map(|version| (version.to_owned(), 0)).to_vec();
        self.tell(Input::Traffic { service: "orders".to_owned(), in_flight })
    }

    fn service(&self) -> &Service {
        self.engine.service("orders").unwrap()
    }

    fn rollout(&self) -> &Rollout {
        self.service().rollout.as_ref().unwrap()
    }

    fn ended(&self) -> &Rollout {
        self.log
            .iter()
            .rev()
            .find_map(
                |effect| if let Effect::Ended { rollout, .. } = effect { Some(&**rollout) } else { None },
            )
            .unwrap()
    }

    fn shares(&self) -> String {
        let words: Vec<String> =
            self.service().shares.iter().map(|(v, share)| format!("{v} {share}")).collect();
        words.join(", ")
    }

    fn wanted(&self, version: &str) -> u32 {
        self.service().versions.get(version).map_or(0, |version| version.wanted)
    }

    fn key(&mut self, key: &str) -> Vec<Effect> {
        let input = key_of(key);
        self.tell(input)
    }

    /// Answers every measurement that was asked for last.
    fn measured(&mut self, effects: &[Effect], value: f64) -> Vec<Effect> {
        let mut after = Vec::new();
        for effect in effects {
            if let Effect::Measure { service, rollout, analysis, metric, .. } = effect {
                after.extend(self.tell(Input::Measured {
                    service: service.clone(),
                    rollout: rollout.clone(),
                    analysis: analysis.clone(),
                    metric: metric.clone(),
                    result: Ok(Value::vector(&[value])),
                }));
            }
        }
        after
    }

    /// The console is killed, and started again from what was durable.
    fn restart(&mut self) -> Vec<Effect> {
        let text = serde_json::to_string(self.service()).unwrap();
        let (engine, effects) = Engine::restore(vec![serde_json::from_str(&text).unwrap()], self.now);
        self.engine = engine;
        self.log.extend(effects.iter().cloned());
        effects
    }
}

fn key_of(key: &str) -> Input {
    let (service, by) = ("orders".to_owned(), operator());
    match key {
        "promote" => Input::Promote { service, full: false, by },
        "promote full" => Input::Promote { service, full: true, by },
        "skip" => Input::SkipPause { service, by },
        "freeze" => Input::Freeze { service, reason: "looking".to_owned(), by },
        "resume" => Input::Resume { service, by },
        "abort" => Input::Abort { service, reason: "bad".to_owned(), by },
        "rollback" => Input::Rollback { service, to: None, gradual: None, reason: "bad".to_owned(), by },
        other => panic!("{other}"),
    }
}

fn plan(to: &str, strategy: Strategy) -> Input {
    Input::Start(Box::new(Plan {
        service: "orders".to_owned(),
        to: to.to_owned(),
        strategy,
        actor: operator(),
        reason: "faster".to_owned(),
        diff: Vec::new(),
        metadata: vec![("commit_time".to_owned(), "1970-01-01T00:10:00Z".to_owned())],
        rollback_of: None,
    }))
}

/// What effects do, in their order.
fn doing(effects: &[Effect]) -> Vec<String> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Ensure { version, replicas, .. } => Some(format!("{version} ×{replicas}")),
            Effect::Steer { shares, .. } => {
                let words: Vec<String> = shares.iter().map(|(v, share)| format!("{v} {share}")).collect();
                Some(words.join(", "))
            }
            Effect::Ended { rollout, .. } => Some(rollout.outcome.unwrap().to_string()),
            _ => None,
        })
        .collect()
}

fn step_by_step() -> Strategy {
    canary(vec![Step::SetWeight(10), Step::Pause(Some(seconds(60))), Step::SetWeight(50), Step::Pause(None)])
}

#[test]
fn a_good_canary_goes_step_by_step_to_the_end() {
    let mut bench = Bench::new();
    assert_eq!(doing(&bench.start("v2", step_by_step())), ["v2 ×1"]);
    assert_eq!(bench.rollout().phase, Phase::Starting);
    assert_eq!(doing(&bench.replicas("v2", &[ReplicaPhase::Starting])), [""; 0]);
    assert_eq!(doing(&bench.ready("v2", 1)), ["v1 90, v2 10"]);
    assert_eq!(bench.rollout().phase, Phase::Paused);
    assert_eq!(bench.rollout().until, Some(bench.now + seconds(60)));
    assert_eq!(doing(&bench.pass(seconds(59))), [""; 0]);
    assert_eq!(doing(&bench.pass(seconds(1))), ["v1 50, v2 50"]);
    // By key from here.
    assert_eq!((bench.rollout().phase, bench.rollout().until), (Phase::Paused, None));
    assert_eq!(doing(&bench.pass(seconds(3600))), [""; 0]);
    assert_eq!(doing(&bench.key("promote")), ["v2 ×2"]);
    assert_eq!(doing(&bench.ready("v2", 2)), ["v2 100"]);
    assert_eq!(bench.rollout().phase, Phase::Draining);
    assert_eq!(doing(&bench.drained()), ["promoted"]);
    let ended = bench.ended().clone();
    assert_eq!((ended.phase, ended.outcome), (Phase::Healthy, Some(Outcome::Promoted)));
    assert_eq!(ended.waited, seconds(3600));
    assert!(ended.steps.iter().all(|step| step.status == StepStatus::Done), "{:#?}", ended.steps);
    assert_eq!(ended.id, "orders-0001");
    // The old version can be returned to for a while, then it is stopped.
    assert!(bench.service().return_until("v1").is_some());
    assert_eq!(doing(&bench.pass(seconds(31))), ["v1 ×0"]);
    assert_eq!(bench.service().stable.as_deref(), Some("v2"));
    let Some(Effect::Ended { ledger, .. }) = bench.log.iter().find(|e| matches!(e, Effect::Ended { .. }))
    else {
        panic!()
    };
    assert_eq!(ledger.committed, Some(Timestamp::from_millis(600_000)));
    assert!(ledger.first_traffic.is_some());
}

#[test]
fn one_key_takes_all_traffic_back_before_anything_else() {
    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.ready("v2", 1);
    assert_eq!(bench.shares(), "v1 90, v2 10");
    let effects = bench.key("rollback");
    // In the same breath, and nothing is stopped yet.
    assert_eq!(doing(&effects), ["v1 100"]);
    assert_eq!(bench.rollout().phase, Phase::Draining);
    assert_eq!(doing(&bench.drained()), ["aborted"]);
    assert_eq!(bench.ended().outcome, Some(Outcome::Aborted));
    assert!(bench.ended().message.contains("bad (by ops)"), "{}", bench.ended().message);
    assert_eq!(doing(&bench.pass(seconds(31))), ["v2 ×0"]);
}

#[test]
fn requests_that_do_not_end_are_waited_for_no_longer_than_said() {
    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.ready("v2", 1);
    bench.key("abort");
    bench.now = bench.now.plus_millis(1);
    bench.tell(Input::Traffic { service: "orders".to_owned(), in_flight: vec![("v2".to_owned(), 3)] });
    assert_eq!(bench.rollout().message, "3 requests under way to v2 end");
    assert_eq!(doing(&bench.pass(seconds(29))), [""; 0]);
    assert_eq!(doing(&bench.pass(seconds(2))), ["v2 ×0", "aborted"]);
}

#[test]
fn a_second_rollout_is_refused_with_who_and_what_runs() {
    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.now = bench.now + seconds(75);
    let refusal = bench.refused(plan("v3", step_by_step()));
    assert_eq!(
        refusal.to_string(),
        "orders has a rollout already: canary v1 → v2, starting, started by ops 1m15s ago; wait until it has ended, or abort it"
    );
    let refusal = bench.refused(Input::Start(Box::new(Plan {
        service: "order".to_owned(),
        ..match plan("v3", step_by_step()) {
            Input::Start(plan) => *plan,
            _ => unreachable!(),
        }
    })));
    assert_eq!(
        refusal.to_string(),
        "\"order\" is not a service that is deployed here; did you mean \"orders\"?"
    );
    bench.key("abort");
    bench.drained();
    assert_eq!(
        bench.refused(plan("v1", step_by_step())).to_string(),
        "v1 is the stable version of orders already"
    );
    assert_eq!(bench.refused(key_of("promote")), Refusal::Idle("orders".to_owned()));
}

#[test]
fn a_version_that_crashes_or_never_comes_up_is_taken_back_with_the_reason() {
    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    let crashed = ReplicaState {
        id: "v2-0".to_owned(),
        phase: ReplicaPhase::Exited { code: Some(3), signal: None },
        restarts: 3,
        message: "exited with code 3: no such file".to_owned(),
        ..ReplicaState::default()
    };
    bench.tell(Input::Observed {
        service: "orders".to_owned(),
        version: "v2".to_owned(),
        replicas: vec![crashed],
    });
    bench.drained();
    let ended = bench.ended();
    assert_eq!(ended.outcome, Some(Outcome::RolledBack));
    assert_eq!(ended.message, "v2-0 ended by itself 3 times: exited with code 3: no such file");
    assert_eq!(bench.shares(), "v1 100");

    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.replicas("v2", &[ReplicaPhase::Starting]);
    assert_eq!(doing(&bench.pass(seconds(599))), [""; 0]);
    bench.pass(seconds(2));
    bench.drained();
    assert_eq!(bench.ended().outcome, Some(Outcome::RolledBack));
    assert_eq!(
        bench.ended().message,
        "progress deadline exceeded: 0 of 1 replicas of v2 are ready after 10m; v2-0: starting"
    );
}

#[test]
fn traffic_leaves_a_version_that_is_not_ready_and_stays_when_none_is() {
    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.ready("v2", 1);
    let flapped = bench.replicas("v2", &[ReplicaPhase::NotReady]);
    assert_eq!(doing(&flapped), ["v1 100"]);
    assert_eq!(bench.service().trouble, "v2 is not ready: its traffic goes to v1");
    assert_eq!(doing(&bench.ready("v2", 1)), ["v1 90, v2 10"]);
    assert_eq!(doing(&bench.replicas("v1", &[ReplicaPhase::NotReady; 2])), ["v2 100"]);
    assert_eq!(doing(&bench.replicas("v2", &[ReplicaPhase::NotReady])), [""; 0]);
    assert_eq!(bench.service().trouble, "no version is ready: traffic stays where it is");
    // Nor does a key move it to a version that is not ready.
    assert_eq!(doing(&bench.key("rollback")), [""; 0]);
    assert_eq!(bench.rollout().phase, Phase::RollingBack);
    assert_eq!(doing(&bench.ready("v1", 2)), ["v1 100"]);
}

#[test]
fn after_the_delay_the_old_version_is_started_before_it_gets_traffic() {
    let mut bench = Bench::new();
    bench.start("v2", blue_green(BlueGreen::default()));
    bench.now = bench.now + seconds(4);
    assert_eq!(doing(&bench.ready("v2", 2)), ["v2 100"]);
    bench.drained();
    // Within the delay: at once.
    assert_eq!(doing(&bench.key("rollback")), ["v1 100"]);
    assert_eq!(bench.rollout().title(), "rollback v2 → v1");
    bench.drained();
    // And back again, which is a rollback of the rollback.
    assert_eq!(doing(&bench.key("rollback")), ["v2 100"]);
    bench.drained();
    assert_eq!(bench.ended().rollback_of.as_deref(), Some("orders-0002"));
    // After it.
    assert_eq!(doing(&bench.pass(seconds(60))), ["v1 ×0"]);
    bench.replicas("v1", &[]);
    assert_eq!(doing(&bench.key("rollback")), ["v1 ×2"]);
    assert_eq!(bench.shares(), "v2 100");
    bench.replicas("v1", &[ReplicaPhase::Starting; 2]);
    assert_eq!(bench.shares(), "v2 100");
    assert_eq!(doing(&bench.ready("v1", 2)), ["v1 100"]);
}

#[test]
fn a_failed_analysis_takes_it_back_with_what_was_measured() {
    let mut bench = Bench::new();
    let strategy = canary(vec![Step::SetWeight(20), Step::Analysis(analysis())]);
    bench.start("v2", strategy);
    let asked = bench.ready("v2", 1);
    let queries: Vec<&str> = asked
        .iter()
        .filter_map(|e| if let Effect::Measure { query, .. } = e { Some(query.as_str()) } else { None })
        .collect();
    assert_eq!(queries, ["errors{version=\"v2\"}"]);
    assert_eq!(doing(&bench.measured(&asked, 0.2)), ["v1 100"]);
    bench.drained();
    let ended = bench.ended();
    assert_eq!(ended.outcome, Some(Outcome::RolledBack));
    assert!(ended.message.starts_with("analysis errors: "), "{}", ended.message);
    assert!(ended.message.contains("0.2"), "{}", ended.message);
    assert_eq!(ended.analyses[0].phase, AnalysisPhase::Failed);
    assert_eq!(ended.steps[1].status, StepStatus::Failed);
}

/// How long users suffered is counted from when what failed was well last, or else from the first request: not from when
/// the analysis noticed.
#[test]
fn recovery_begins_when_users_began_to_suffer() {
    let suffered = |bench: &Bench| {
        let ended = bench.log.iter().find_map(|effect| match effect {
            Effect::Ended { rollout, ledger } => Some((rollout.reached, ledger.clone())),
            _ => None,
        });
        let (reached, ledger) = ended.unwrap();
        (reached, ledger.restored.unwrap().since(ledger.broke.unwrap()))
    };
    let mut bench = Bench::new();
    bench.start("v2", canary(vec![Step::SetWeight(20), Step::Analysis(analysis())]));
    let asked = bench.ready("v2", 1);
    bench.measured(&asked, 0.01);
    let again = bench.pass(seconds(10));
    bench.measured(&again, 0.2);
    bench.drained();
    assert_eq!(suffered(&bench), (20, seconds(10)));

    let mut bench = Bench::new();
    let steps = vec![Step::SetWeight(30), Step::Pause(Some(seconds(40))), Step::Analysis(analysis())];
    bench.start("v2", canary(steps));
    bench.ready("v2", 1);
    let asked = bench.pass(seconds(40));
    bench.measured(&asked, 0.2);
    bench.drained();
    assert_eq!(suffered(&bench), (30, seconds(40)));
}

#[test]
fn a_failure_can_freeze_instead_and_is_tried_again() {
    let mut bench = Bench::new();
    let mut strategy = canary(vec![Step::SetWeight(20), Step::Analysis(analysis())]);
    strategy.on_failure = OnFailure::Freeze;
    bench.start("v2", strategy);
    let asked = bench.ready("v2", 1);
    assert_eq!(doing(&bench.measured(&asked, 0.2)), [""; 0]);
    assert_eq!((bench.rollout().phase, bench.shares().as_str()), (Phase::Frozen, "v1 80, v2 20"));
    assert!(bench.rollout().frozen.as_ref().unwrap().failure);
    assert_eq!(doing(&bench.pass(seconds(10_000))), [""; 0]);
    let asked = bench.key("resume");
    let asked = bench.measured(&asked, 0.01).into_iter().chain(bench.pass(seconds(10))).collect::<Vec<_>>();
    assert_eq!(doing(&bench.measured(&asked, 0.01)), ["v2 ×2"]);
    assert_eq!(bench.rollout().analyses.len(), 2);
    assert_eq!(bench.rollout().waited, seconds(10_000));
}

#[test]
fn an_alert_takes_it_back_when_its_labels_match() {
    let mut bench = Bench::new();
    let mut strategy = step_by_step();
    strategy.abort_on_alerts = vec!["severity=\"critical\"".to_owned()];
    bench.start("v2", strategy);
    bench.ready("v2", 1);
    let alert = |severity: &str| Input::Alert {
        service: Some("orders".to_owned()),
        labels: vec![
            ("alertname".to_owned(), "SlowOrders".to_owned()),
            ("severity".to_owned(), severity.to_owned()),
        ],
    };
    assert_eq!(doing(&bench.tell(alert("warning"))), [""; 0]);
    assert_eq!(doing(&bench.tell(alert("critical"))), ["v1 100"]);
    bench.drained();
    assert_eq!(bench.ended().message, "alert SlowOrders fires");
}

#[test]
fn a_gradual_rollback_goes_in_steps_and_at_once_by_a_second_key() {
    let mut bench = Bench::new();
    let mut strategy = canary(vec![Step::SetWeight(80), Step::Pause(None)]);
    strategy.gradual_rollback = Some(Gradual { steps: vec![90, 50, 20], interval: seconds(10) });
    bench.start("v2", strategy.clone());
    bench.ready("v2", 2);
    assert_eq!(bench.shares(), "v1 20, v2 80");
    let gradual = strategy.gradual_rollback.clone();
    let input = Input::Rollback {
        service: "orders".to_owned(),
        to: None,
        gradual,
        reason: String::new(),
        by: operator(),
    };
    assert_eq!(doing(&bench.tell(input)), ["v1 50, v2 50"]);
    assert_eq!(doing(&bench.pass(seconds(10))), ["v1 80, v2 20"]);
    assert_eq!(doing(&bench.key("rollback")), ["v1 100"]);
}

#[test]
fn a_restart_goes_on_or_back_as_configured() {
    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.ready("v2", 1);
    bench.now = bench.now + seconds(5);
    // Everything that is to be is said again, and nothing else before the targets have spoken.
    assert_eq!(doing(&bench.restart()), ["v1 ×2", "v2 ×1", "v1 90, v2 10"]);
    assert_eq!(doing(&bench.ready("v1", 2)), [""; 0]);
    bench.ready("v2", 1);
    assert_eq!(bench.rollout().phase, Phase::Paused);
    assert_eq!(doing(&bench.pass(seconds(55))), ["v1 50, v2 50"]);

    let mut bench = Bench::new();
    let mut strategy = step_by_step();
    strategy.on_restart = OnRestart::Revert;
    bench.start("v2", strategy);
    bench.ready("v2", 1);
    bench.restart();
    assert_eq!(bench.rollout().phase, Phase::RollingBack);
    bench.ready("v1", 2);
    assert_eq!(doing(&bench.ready("v2", 1)), ["v1 100"]);
    bench.drained();
    assert_eq!(bench.ended().message, "the console was restarted in the middle of it");

    // Processes that did not outlive it: traffic stays until somebody is ready.
    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.ready("v2", 1);
    bench.restart();
    bench.replicas("v1", &[ReplicaPhase::Starting; 2]);
    assert_eq!(doing(&bench.replicas("v2", &[ReplicaPhase::Starting])), [""; 0]);
    assert_eq!(doing(&bench.ready("v1", 2)), ["v1 100"]);
}

#[test]
fn blue_green_takes_any_weight_by_hand_and_clamps_it() {
    let mut bench = Bench::new();
    bench.start("v2", blue_green(BlueGreen { auto_promotion: false, ..BlueGreen::default() }));
    let weigh = |weight| Input::SetWeight { service: "orders".to_owned(), weight, by: operator() };
    let refusal = bench.refused(weigh(10));
    assert!(
        refusal.to_string().starts_with("it cannot be weighed: the rollout of orders is starting"),
        "{refusal}"
    );
    bench.ready("v2", 2);
    assert_eq!((bench.rollout().phase, bench.shares().as_str()), (Phase::Paused, "v1 100"));
    assert_eq!(doing(&bench.tell(weigh(30))), ["v1 70, v2 30"]);
    assert_eq!(doing(&bench.tell(weigh(4000))), ["v2 100"]);
    assert_eq!(doing(&bench.tell(weigh(0))), ["v1 100"]);
    assert_eq!(doing(&bench.key("promote")), ["v2 100"]);
    bench.drained();
    assert_eq!(bench.ended().outcome, Some(Outcome::Promoted));

    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.ready("v2", 1);
    assert!(
        bench.refused(weigh(30)).to_string().starts_with("only blue-green deployments are weighed by hand")
    );
}

#[test]
fn a_rolling_update_replaces_replica_by_replica() {
    let mut bench = Bench::new();
    let strategy = Strategy {
        checks: Some(Vec::new()),
        ..Strategy::new("rolling", StrategyKind::Rolling(Rolling::default()))
    };
    assert_eq!(doing(&bench.start("v2", strategy)), ["v2 ×1"]);
    assert_eq!(doing(&bench.ready("v2", 1)), ["v1 50, v2 50", "v1 ×1", "v2 ×2"]);
    assert_eq!(doing(&bench.ready("v1", 1)), [""; 0]);
    assert_eq!(doing(&bench.ready("v2", 2)), ["v2 100", "v1 ×0"]);
    bench.replicas("v1", &[]);
    bench.drained();
    assert_eq!(bench.ended().outcome, Some(Outcome::Promoted));
    assert_eq!(bench.wanted("v1"), 0);
}

#[test]
fn checks_before_it_refuse_it_and_change_nothing() {
    let mut bench = Bench::new();
    let mut strategy = step_by_step();
    strategy.checks = None;
    let effects = bench.start("v2", strategy);
    let Some(Effect::RunChecks { rollout, stage: Stage::Before, .. }) =
        effects.iter().find(|effect| matches!(effect, Effect::RunChecks { .. }))
    else {
        panic!("{effects:?}")
    };
    let results = vec![CheckState {
        name: "freeze".to_owned(),
        verdict: CheckVerdict::Failed,
        message: "no changes before Christmas".to_owned(),
    }];
    let answer = Input::Checked {
        service: "orders".to_owned(),
        rollout: rollout.clone(),
        stage: Stage::Before,
        results,
    };
    assert_eq!(doing(&bench.tell(answer)), ["refused"]);
    assert_eq!(bench.ended().message, "not begun: freeze: no changes before Christmas");
    assert_eq!((bench.wanted("v2"), bench.shares().as_str()), (0, "v1 100"));
}

#[test]
fn freezing_stops_the_clock() {
    let mut bench = Bench::new();
    bench.start("v2", step_by_step());
    bench.ready("v2", 1);
    bench.pass(seconds(20));
    bench.key("freeze");
    assert_eq!(doing(&bench.pass(seconds(1000))), [""; 0]);
    assert_eq!(bench.rollout().message, "frozen by ops: looking");
    bench.key("resume");
    assert_eq!(bench.rollout().until, Some(bench.now + seconds(40)));
    assert_eq!(doing(&bench.pass(seconds(39))), [""; 0]);
    assert_eq!(doing(&bench.pass(seconds(1))), ["v1 50, v2 50"]);
}
