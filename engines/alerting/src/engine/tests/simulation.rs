//! Random alerts, silences, acknowledgements, reloads, kills and failing receivers, from a seed, against the oracle:
//! what is told is the same, second by second; nothing whose outcome is known is told again; and in the end everybody
//! knows what fires.

use std::collections::{BTreeMap, BTreeSet};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::oracle::{Oracle, Told};
use super::*;

/// Configurations that a run changes between.
fn plans() -> Vec<Arc<Plan>> {
    let yaml = |route: &str, interval: u32, group_by: &str| {
        plan(&format!(
            "global:\n  resolve_timeout: 45s\n\
             route:\n  receiver: r\n  group_by: [{group_by}]\n  group_wait: 5s\n  group_interval: {interval}s\n  \
             repeat_interval: 60s\n  routes:\n{route}\
             receivers:\n- name: r\n  webhook_configs:\n  - url: http://%s\n  - url: http://%s\n    send_resolved: false\n\
             - name: s\n  webhook_configs:\n  - url: http://%s\n\
             inhibit_rules:\n- source_matchers: [kind=src]\n  target_matchers: [kind=dst]\n  equal: [a]\n\
             - source_matchers: [b=1]\n  target_matchers: [b=~\"1|3\"]\n  equal: [a, kind]\n"
        ))
    };
    let child = "  - receiver: s\n    matchers: [team=x]\n    group_by: [b]\n    group_wait: 3s\n    group_interval: 7s\n    continue: true\n";
    let other =
        "  - receiver: r\n    matchers: [team=x]\n    group_by: [b]\n  - receiver: s\n    matchers: [b=2]\n";
    vec![
        yaml(child, 10, "a"),
        yaml(child, 15, "a"),
        yaml(other, 10, "a"),
        yaml(&format!("{child}  - receiver: s\n    matchers: [b=2]\n"), 10, "a"),
        yaml(child, 10, "'...'"),
    ]
}

/// An attempt on its way: when its outcome comes, and which.
struct UnderWay {
    id: AttemptId,
    told: Told,
    due: Timestamp,
    delivered: bool,
}

struct Run {
    rng: ChaCha8Rng,
    seed: u64,
    world: World,
    oracle: Oracle,
    plans: Vec<Arc<Plan>>,
    under_way: Vec<UnderWay>,
    /// Attempts whose outcome the engine was told and wrote down.
    settled: BTreeSet<AttemptId>,
    handed: BTreeMap<AttemptId, u32>,
    seen: usize,
    told: Vec<Told>,
    healed: bool,
    counts: [u64; 4],
    /// Whether it says what happens: when one seed is asked for.
    talks: bool,
}

fn name_of(attempt: &Attempt) -> Told {
    let says = attempt.alerts.iter().map(|n| (n.alert.labels.to_string(), n.resolved())).collect();
    let record = &attempt.record;
    (record.group.to_string(), record.receiver.to_string(), record.index, says)
}

impl Run {
    fn new(seed: u64, plans: &[Arc<Plan>]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let plan = Arc::clone(&plans[rng.random_range(0..plans.len())]);
        // Where ends are written down in steps, a restart lets alerts end later: such runs have none.
        let refresh_step = if seed.is_multiple_of(2) { secs(0) } else { Options::default().refresh_step };
        let mut world = World::with(Arc::clone(&plan), Options { refresh_step, ..Options::default() });
        world.deliver = Deliver::Holds;
        Self {
            rng,
            seed,
            world,
            oracle: Oracle::new(plan),
            plans: plans.to_vec(),
            under_way: Vec::new(),
            settled: BTreeSet::new(),
            handed: BTreeMap::new(),
            seen: 0,
            told: Vec::new(),
            healed: false,
            counts: [0; 4],
            talks: std::env::var("QUARTERDECK_SEED").is_ok_and(|text| !text.contains("..")),
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.talks {
            eprintln!("{:>6} {}", seconds(self.world.now), what());
        }
    }

    fn labels(&mut self) -> Labels {
        let rng = &mut self.rng;
        let mut pick = |choices: &[&'static str]| choices[rng.random_range(0..choices.len())];
        Labels::from_pairs([
            ("a", pick(&["1", "2"])),
            ("b", pick(&["1", "2", "3"])),
            ("kind", pick(&["", "src", "dst"])),
            ("team", pick(&["", "x"])),
        ])
    }

    /// Takes up what the engine handed over.
    fn collect(&mut self) {
        while self.seen < self.world.sent.len() {
            let (when, attempt) = self.world.sent[self.seen].clone();
            self.seen += 1;
            let id = attempt.record.id;
            assert!(
                !self.settled.contains(&id),
                "seed {}: told again although its outcome is known",
                self.seed
            );
            let times = self.handed.entry(id).or_default();
            *times += 1;
            assert!(*times <= 2, "seed {}: handed over {times} times", self.seed);
            assert!(*times == 1 || attempt.possibly_duplicate, "seed {}: a silent repetition", self.seed);
            let told = name_of(&attempt);
            self.say(|| format!("  told {told:?} {:?}", attempt.record.reason));
            self.told.push(told.clone());
            self.counts[0] += 1;
            let delay = if self.healed { 0 } else { self.rng.random_range(0..12) };
            let delivered = self.healed || self.rng.random_range(0..10) < 7;
            self.under_way.push(UnderWay { id, told, due: when + secs(delay), delivered });
        }
    }

    /// Both do what is due now, and outcomes come in until there is none left for this second.
    fn settle(&mut self) {
        self.world.with_effects(Engine::tick);
        let now = self.world.now;
        self.oracle.step(now);
        loop {
            self.collect();
            let Some(place) = self.under_way.iter().position(|u| u.due <= now) else { break };
            let one = self.under_way.remove(place);
            let outcome =
                if one.delivered { Outcome::Delivered } else { Outcome::Failed("503 for a while".into()) };
            self.say(|| format!("  {outcome:?} for {:?}", one.told));
            self.world.outcome(one.id, outcome);
            self.settled.insert(one.id);
            self.oracle.outcome(&one.told.0, &one.told.1, one.told.2 as usize, one.delivered, now);
            self.oracle.step(now);
        }
        self.compare();
    }

    fn compare(&mut self) {
        let mut told = std::mem::take(&mut self.told);
        let mut expected = std::mem::take(&mut self.oracle.expected);
        told.sort();
        expected.sort();
        assert_eq!(
            told,
            expected,
            "seed {} at {} s: what is told is left, what should be is right",
            self.seed,
            seconds(self.world.now)
        );
    }

    fn post(&mut self) {
        let count = self.rng.random_range(1..4);
        let now = seconds(self.world.now);
        for _ in 0..count {
            let labels = self.labels();
            let labels = if labels.is_empty() { Labels::from_pairs([("a", "1")]) } else { labels };
            let start = match self.rng.random_range(0..4) {
                0 => Some(now - f64::from(self.rng.random_range(0..30))),
                _ => None,
            };
            let end = match self.rng.random_range(0..5) {
                0 => Some(now),
                1 => Some(now + f64::from(self.rng.random_range(1..60))),
                2 => Some(now - f64::from(self.rng.random_range(0..20))),
                _ => None,
            };
            let posted = PostedAlert {
                labels: labels.pairs().to_vec(),
                starts_at: start.map(at),
                ends_at: end.map(at),
                ..PostedAlert::default()
            };
            self.say(|| format!("post {labels} {start:?} {end:?}"));
            let report = self.world.post(vec![posted.clone()]);
            if report.refused.is_empty() {
                self.oracle.post(&posted, self.world.now);
            }
            self.oracle.step(self.world.now);
        }
    }

    fn act(&mut self) {
        let now = seconds(self.world.now);
        match self.rng.random_range(0..100) {
            0..30 => self.post(),
            30..34 => {
                let matchers =
                    ["a=1", "b=~\"2|3\"", "kind=src", "team=x,b=1", "a=2"][self.rng.random_range(0..5)];
                let from = now + f64::from(self.rng.random_range(0..10));
                let to = from + f64::from(self.rng.random_range(1..60));
                self.say(|| format!("silence {matchers} {from} {to}"));
                self.world.silence(matchers, SilenceKind::Plain, from, to);
                self.oracle.silence(matchers, at(from), at(to));
                self.oracle.step(self.world.now);
            }
            34..40 => {
                let labels = self.labels();
                let lasts = f64::from(self.rng.random_range(1..40));
                let until = self.rng.random_bool(0.7).then(|| at(now + lasts));
                self.say(|| format!("acknowledge {labels} {until:?}"));
                let (by, note) = (Arc::from("ann"), Arc::from(""));
                let print = [Fingerprint::of(&labels)];
                let done = self.world.with_effects(|engine, now, effects| {
                    engine.acknowledge(&print, &by, &note, until, now, effects)
                });
                let expected = self.oracle.acknowledge(&labels, until, self.world.now);
                assert_eq!(done.is_ok(), expected, "seed {}: {done:?}", self.seed);
            }
            40..42 => {
                let plan = Arc::clone(&self.plans[self.rng.random_range(0..self.plans.len())]);
                self.say(|| "reload".to_owned());
                let options = self.world.options.clone();
                self.world.reload(Arc::clone(&plan), options);
                self.oracle.reload(plan, self.world.now);
                self.oracle.step(self.world.now);
                self.counts[1] += 1;
            }
            42..44 if self.world.options.refresh_step == secs(0) => {
                let alive = self.world.store.values().find_map(|r| match r {
                    Record::Clock(at) => Some(*at),
                    _ => None,
                });
                self.under_way.clear();
                let down = now + f64::from(self.rng.random_range(0..25));
                self.say(|| format!("restart {down}, alive {:?}", alive.map(seconds)));
                self.world.restart(down);
                self.oracle.restart(alive.unwrap_or(at(down)), at(down));
                self.oracle.step(at(down));
                self.counts[2] += 1;
            }
            _ => {}
        }
    }

    /// Everybody gets well, silences end: everything that fires is told.
    fn heal(&mut self) {
        self.healed = true;
        for one in &mut self.under_way {
            one.delivered = true;
        }
        self.oracle.end_silences(self.world.now);
        let by = Arc::from("ann");
        self.world.with_effects(|engine, now, effects| {
            let ids: Vec<SilenceId> = engine.list_silences(now).iter().map(|s| s.id).collect();
            for id in ids {
                // Expired ones refuse, as they should.
                let _ = engine.expire_silence(id, &by, now, effects);
            }
        });
        // One of each still fires by the end.
        for _ in 0..5 {
            self.post();
        }
        let until = seconds(self.world.now) + 40.0;
        while seconds(self.world.now) < until {
            self.world.now = self.world.now + secs(1);
            self.settle();
        }
        for labels in self.oracle.firing(self.world.now) {
            let alert = self.world.engine.alert(Fingerprint::of(&labels)).cloned();
            let alert = alert.unwrap_or_else(|| panic!("seed {}: {labels} is lost", self.seed));
            let audible = self.oracle.audible(&labels, self.world.now);
            assert_eq!(alert.state == AlertState::Inhibited, !audible, "seed {}: {labels}", self.seed);
            if alert.state == AlertState::Firing && alert.since + secs(30) < self.world.now {
                let knows = self.oracle.knows(&labels);
                assert!(knows.iter().all(|k| *k), "seed {}: {labels} was not told: {knows:?}", self.seed);
            }
        }
        self.world.check_figures();
    }

    fn run(mut self) -> [u64; 4] {
        for _ in 0..240 {
            self.act();
            self.settle();
            self.world.now = self.world.now + secs(1);
            self.settle();
        }
        self.heal();
        self.counts[3] += 1;
        self.counts
    }
}

#[test]
fn random_runs_tell_what_the_oracle_says() {
    let plans = plans();
    let long = std::env::var_os("QUARTERDECK_LONG").is_some();
    // One seed as `7`, some as `300..600`.
    let only = std::env::var("QUARTERDECK_SEED").ok().and_then(|text| {
        let (from, to) = text.split_once("..").unwrap_or((&text, ""));
        let from = from.parse::<u64>().ok()?;
        Some(from..if to.is_empty() { from + 1 } else { to.parse().ok()? })
    });
    let seeds = only.clone().unwrap_or(0..if long { 10_000 } else { 300 });
    let mut sums = [0; 4];
    for seed in seeds {
        for (sum, n) in sums.iter_mut().zip(Run::new(seed, &plans).run()) {
            *sum += n;
        }
    }
    let [told, reloads, kills, runs] = sums;
    eprintln!("simulation: {runs} seeds, {told} notifications, {reloads} reloads, {kills} kills");
    assert!(only.is_some() || told > 1000 && kills > 100 && reloads > 100);
}
