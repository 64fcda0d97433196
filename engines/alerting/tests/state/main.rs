//! What alerting keeps and hands out, without a program around it: the desk, the store, the lease, the task.

mod desk;
mod inbox;
mod store;
mod storm;
mod task;

use std::path::Path;
use std::sync::Arc;

use quarterdeck_alerting::engine::SeededIds;
use quarterdeck_alerting::model::PostedAlert;
use quarterdeck_alerting::store::Stored;
use quarterdeck_alerting::{Desk, Options, Plan};
use quarterdeck_alertmanager::Config;
use quarterdeck_journal::testing::START;
use quarterdeck_kernel::Timestamp;
use quarterdeck_oncall::{OncallConfig, Roster};

/// Seconds after the tests' beginning.
fn at(seconds: i64) -> Timestamp {
    START.plus_millis(seconds * 1000)
}

fn plan() -> Arc<Plan> {
    plan_of(
        "route: {receiver: hook, group_by: [alertname], group_wait: 5s, group_interval: 10s, repeat_interval: 1h}\n\
                receivers:\n- name: hook\n  webhook_configs: [{url: 'http://127.0.0.1:1'}]\n- name: alice\n- name: bob\n",
    )
}

fn plan_of(yaml: &str) -> Arc<Plan> {
    let config = Config::parse(yaml, "alertmanager.yml", Path::new("")).expect("a lawful configuration");
    Arc::new(Plan::from_config(&config, |_| true))
}

/// Alice is on call; who does not answer within a minute is followed by Bob.
fn roster() -> Arc<Roster> {
    let config: OncallConfig = serde_json::from_value(serde_json::json!({
        "persons": { "alice": { "channels": ["alice"] }, "bob": { "channels": ["bob"] } },
        "schedules": { "day": { "layers": [{ "name": "all", "rotation": "daily", "participants": ["alice"] }] } },
        "policies": { "p": { "acknowledge_for": "10m", "steps": [
            { "notify": ["schedule:day"], "wait": "1m" }, { "notify": ["person:bob"], "wait": "1h" },
        ] } },
        "routes": [{ "matchers": ["severity=\"critical\""], "policy": "p" }],
    }))
    .expect("a lawful section");
    Arc::new(Roster::new(&config).expect("a roster"))
}

fn desk() -> Desk {
    desk_with(plan())
}

fn desk_with(plan: Arc<Plan>) -> Desk {
    let ids = Box::new(SeededIds::new(1));
    let (desk, step) = Desk::restore(plan, Options::default(), roster(), ids, Stored::default(), at(0));
    assert!(step.jobs.is_empty() && step.entries.is_empty());
    desk
}

/// An alert as `name=value,…`, firing until an hour from the tests' beginning.
fn alert(labels: &str) -> PostedAlert {
    PostedAlert {
        labels: labels
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(n, v)| (n.into(), v.into()))
            .collect(),
        ends_at: Some(at(3600)),
        ..PostedAlert::default()
    }
}
