use quarterdeck_deploy::model::{Outcome, StepState};
use quarterdeck_deploy::strategy::{Canary, Step, Strategy, StrategyKind};
use serde_json::json;

use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
}

/// A canary in its second step: half a minute into a pause of one and a half.
fn rollout() -> Rollout {
    let steps = vec![Step::SetWeight(5), Step::Pause(Some(Duration::from_secs(90))), Step::Promote];
    let mut states: Vec<StepState> = steps.iter().cloned().map(StepState::new).collect();
    states[0].status = StepStatus::Done;
    states[0].started = Some(at(0));
    states[1].status = StepStatus::Running;
    states[1].started = Some(at(1));
    states[1].until = Some(at(91));
    let strategy = Strategy::new("canary", StrategyKind::Canary(Canary { steps, ..Canary::default() }));
    serde_json::from_value(json!({
        "id": "orders-0031", "revision": 31, "service": "orders", "from": "v1", "to": "v2",
        "strategy": strategy, "actor": { "user": "ops-1" }, "reason": "new prices", "started": at(0),
        "ended": null, "outcome": null, "phase": "paused", "message": "", "until": at(91), "frozen": null,
        "step": 1, "steps": states, "weight": 5, "shares": [["v1", 95], ["v2", 5]], "headers": [],
        "mirror": null, "checks": [], "analyses": [], "first_traffic": at(1), "waited": { "secs": 0, "nanos": 0 },
        "diff": [], "rollback_of": null, "metadata": []
    }))
    .unwrap()
}

fn snapshot(rollouts: &[Rollout]) -> Status {
    let dora = json!(Dora::default());
    let version = |name: &str, role: &str, share: u32, ready: u32| {
        json!({
            "name": name, "role": role, "share": share, "wanted": 2, "ready": ready, "requests": 9, "rate": 41.25,
            "in_flight": 0, "return_until": null, "last_start": null, "target": "process",
            "replicas": [{ "id": format!("orders/{name}/0"), "phase": "starting", "since": 0, "url": "",
                "restarts": 0, "pid": 7, "message": "GET /ready answered 503" }],
        })
    };
    serde_json::from_value(json!({
        "version": 4, "taken": at(31), "dora": dora, "history": [], "rollouts": rollouts, "strategies": [],
        "freezes": [{ "reason": "holidays", "services": ["ledger"], "until": at(600) }],
        "services": [{
            "name": "orders", "stable": "v1", "replicas": 2, "target": "process", "outlives": false,
            "versions": [version("v1", "stable", 95, 2), version("v2", "new", 5, 1)],
            "strategy": "canary", "dora": dora, "trouble": "no version is ready",
        }],
    }))
    .unwrap()
}

#[test]
fn a_service_is_shown_with_its_versions_and_its_ladder() {
    let lines = status(&snapshot(&[rollout()]), |name| name == "orders");
    assert_eq!(
        lines,
        [
            "orders  v1  (processes that end with the console)",
            "  ! no version is ready",
            "  v1  stable   95 %  2/2 ready  41.2 requests/s",
            "    orders/v1/0 starting: GET /ready answered 503",
            "  v2  new       5 %  1/2 ready  41.2 requests/s",
            "    orders/v2/0 starting: GET /ready answered 503",
            "  orders-0031: canary v1 → v2, paused (31s ago by ops-1, new prices)",
            "    ✔  1 weight 5 %  22:13:20",
            "    ●  2 pause 1m30s  22:13:21  1m left",
            "    ◌  3 promote",
        ]
    );
    let all = status(&snapshot(&[]), |_| true);
    assert_eq!(all[0], "ledger frozen until 2023-11-14T22:23:20.000Z: holidays");
    assert!(!all.iter().any(|line| line.contains("orders-0031")), "{all:?}");
}

#[test]
fn progress_is_a_line_that_changes_when_something_happens() {
    let mut rollout = rollout();
    assert_eq!(progress(&rollout), "orders  canary v1 → v2  paused 2/3 pause 1m30s  v1 95 % v2 5 %");
    rollout.until = None;
    assert!(progress(&rollout).contains("  paused, waits for promote 2/3 "));
    rollout.phase = Phase::Degraded;
    rollout.outcome = Some(Outcome::RolledBack);
    rollout.message = "p99 84 ms against 29 ms".to_owned();
    assert_eq!(
        progress(&rollout),
        "orders  canary v1 → v2  rolled back  v1 95 % v2 5 %  p99 84 ms against 29 ms"
    );
}

#[test]
fn history_ends_with_what_it_comes_to_and_unknown_is_not_nothing() {
    let mut ended = rollout();
    ended.phase = Phase::Degraded;
    ended.outcome = Some(Outcome::RolledBack);
    ended.ended = Some(at(125));
    ended.message = "the analysis failed".to_owned();
    let dora = Dora {
        window: Duration::from_secs(30 * 86_400),
        deployments: 3,
        frequency: Some(0.1),
        fail_rate: Some(1.0 / 3.0),
        ..Dora::default()
    };
    assert_eq!(
        history(&[ended], Some(&dora)),
        [
            "orders-0031  2023-11-14T22:13:20.000Z  canary v1 → v2  rolled back at 5 % after 2m5s  ops-1  the analysis failed",
            "last 30d: 3 deployments, frequency 0.10 a day, lead time not known, change fail rate 33 %, recovery time not \
             known, rework rate not known",
        ]
    );
    assert_eq!(history(&[], None), ["no rollout has ended yet"]);
}
