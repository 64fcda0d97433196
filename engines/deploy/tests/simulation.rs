//! Thousands of rollouts in simulated time, with versions that crash, flap, come up slowly or never, measurements that are
//! bad, missing or never answered, operators, alerts, and consoles that are killed at any instant. After every step the
//! rules that always hold are checked; every rollout ends, within the time that its strategy allows.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

#[path = "simulation/draw.rs"]
mod draw;
#[path = "simulation/rules.rs"]
mod rules;
#[path = "simulation/world.rs"]
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_deploy::engine::{Effect, Engine, Input, Plan, Refusal, ServicePlan};
use quarterdeck_deploy::model::{Outcome, Phase};
use quarterdeck_kernel::{Actor, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rules::Rules;
use world::World;

/// Turns that one rollout may take; a rollout that needs more does not end.
const MAX_TURNS: usize = 30_000;

#[derive(Default)]
struct Figures {
    rollouts: usize,
    outcomes: BTreeMap<&'static str, usize>,
    restarts: usize,
    turns: usize,
    steers: usize,
    judgements: usize,
    /// The longest of all, in parts of what its strategy allows it.
    worst: f64,
}

/// One service through several rollouts.
fn life(seed: u64, rollouts: usize, figures: &mut Figures) {
    let random = &mut ChaCha8Rng::seed_from_u64(seed);
    let mut world = World::new(random, seed);
    let mut now = Timestamp::from_millis(1_800_000_000_000);
    let mut engine = Engine::new();
    let mut rules = Rules::new(seed);
    let plan = ServicePlan {
        name: "orders".to_owned(),
        replicas: random.random_range(1..6),
        stable: Some("v0".to_owned()),
    };
    let effects = engine.handle(Input::Configure(vec![plan]), now).unwrap();
    let mut stored = engine.service("orders").unwrap().clone();
    rules.check(&engine, &effects, now);
    world.act(random, &effects, now);
    let (mut begun, mut turns) = (0, 0);
    let mut idle_since = now;
    loop {
        turns += 1;
        assert!(turns < MAX_TURNS, "seed {seed}: no end: {now} {:#?}", engine.service("orders"));
        let service = engine.service("orders").unwrap();
        let rollout = service.rollout.as_ref();
        // The next thing that happens.
        let wake = engine.next_wake();
        let event = world.next();
        let operator = now.plus_millis(random.random_range(1..60_000));
        let idle = rollout.is_none() && now.since(idle_since) > Duration::from_secs(20);
        let key = if idle || random.random_bool(0.08) { Some(operator) } else { None };
        let waits = rollout
            .as_ref()
            .is_some_and(|r| r.phase == Phase::Frozen || (r.phase == Phase::Paused && r.until.is_none()));
        let key = if waits { Some(operator) } else { key };
        let at = [wake, event, key].into_iter().flatten().min().unwrap_or(operator).max(now);
        now = at;
        if rollout.is_none() && begun >= rollouts {
            break;
        }
        let input = if event == Some(at) {
            match world.happens(random, now) {
                Some(input) => input,
                None => continue,
            }
        } else if wake.is_some_and(|wake| wake <= at) {
            Input::Tick
        } else if rollout.is_none() {
            begun += 1;
            world.new_version(random, &format!("v{begun}"));
            let strategy = draw::strategy(random);
            Input::Start(Box::new(Plan {
                service: "orders".to_owned(),
                to: format!("v{begun}"),
                strategy,
                actor: Actor::system("tester"),
                reason: String::new(),
                diff: Vec::new(),
                metadata: Vec::new(),
                rollback_of: None,
            }))
        } else {
            draw::key(random, waits)
        };
        let second = matches!(input, Input::Start(_)) && rollout.is_some();
        let by_key = rollout
            .is_none_or(|_| !matches!(input, Input::Tick | Input::Observed { .. } | Input::Traffic { .. }));
        let what = if by_key { format!("{input:?}") } else { "an event".to_owned() };
        rules.hear(&input, now);
        let before = by_key.then(|| service.clone());
        let done = engine.handle(input, now);
        let effects = match done {
            Ok(effects) => effects,
            Err(refusal) => {
                assert!(!second || matches!(refusal, Refusal::Busy { .. }), "seed {seed}: {refusal}");
                assert!(!refusal.to_string().is_empty());
                assert_eq!(engine.service("orders"), before.as_ref(), "seed {seed}: refused, yet changed");
                continue;
            }
        };
        assert!(!second, "seed {seed}: two rollouts at once");
        rules.context = format!("seed {seed}, turn {turns}, after {what}");
        rules.check(&engine, &effects, now);
        for effect in &effects {
            if let Effect::Ended { rollout, ledger } = effect {
                assert_eq!(ledger.outcome, rollout.outcome.unwrap());
                *figures.outcomes.entry(rollout.outcome.unwrap().as_str()).or_default() += 1;
                figures.rollouts += 1;
                figures.worst = figures.worst.max(rules.ended(rollout, engine.service("orders").unwrap()));
                idle_since = now;
                if rollout.outcome == Some(Outcome::Promoted) {
                    assert_eq!(rollout.phase, Phase::Healthy);
                }
            }
            figures.steers += usize::from(matches!(effect, Effect::Steer { .. }));
        }
        // The console is killed: before the state was durable, or after, and then before some of the effects were done.
        let killed = random.random_bool(0.01);
        let durable = !killed || random.random_bool(0.7);
        if durable && !engine.take_dirty().is_empty() {
            stored = engine.service("orders").unwrap().clone();
        }
        let ended = effects.iter().any(|effect| matches!(effect, Effect::Ended { .. }));
        // What ended is counted: its end is durable.
        if !killed || ended {
            world.act(random, &effects, now);
            continue;
        }
        let done = random.random_range(0..=effects.len());
        if durable {
            world.act(random, &effects[..done], now);
        }
        figures.restarts += 1;
        now = now.plus_millis(random.random_range(1..20_000));
        world.killed(random, now);
        let text = serde_json::to_string(&stored).unwrap();
        let (again, effects) = Engine::restore(vec![serde_json::from_str(&text).unwrap()], now);
        engine = again;
        rules.restarted(&engine, now);
        rules.context = format!("seed {seed}, turn {turns}, after a restart");
        rules.check(&engine, &effects, now);
        stored = engine.service("orders").unwrap().clone();
        world.act(random, &effects, now);
    }
    figures.turns += turns;
    figures.judgements += world.judgements;
}

#[test]
fn rollouts_keep_their_rules_and_end() {
    let long = std::env::var_os("QUARTERDECK_LONG").is_some();
    let given = std::env::var("QUARTERDECK_ROLLOUTS").ok().and_then(|count| count.parse().ok());
    let wanted = given.unwrap_or(if long { 10_000 } else { 1_000 });
    let first: u64 = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(1);
    let mut figures = Figures::default();
    let mut seed = first;
    while figures.rollouts < wanted {
        life(seed, 5, &mut figures);
        seed += 1;
    }
    println!(
        "{} rollouts ({:?}) in {} turns with {} restarts, {} judgements and {} changes of traffic; the slowest took {:.0} % of what its strategy allows",
        figures.rollouts,
        figures.outcomes,
        figures.turns,
        figures.restarts,
        figures.judgements,
        figures.steers,
        figures.worst * 100.0
    );
    // The faults are there, and so are good ends.
    for outcome in ["promoted", "rolled back", "aborted", "refused"] {
        assert!(figures.outcomes.get(outcome).copied().unwrap_or(0) > wanted / 100, "{:?}", figures.outcomes);
    }
    assert!(figures.restarts > wanted / 10 && figures.judgements > wanted / 10);
}
