//! The world around the state machine: processes that come up, crash and flap, requests under way, and answers.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use quarterdeck_deploy::analysis::{JudgeRequest, Value};
use quarterdeck_deploy::engine::{Effect, Input, Stage};
use quarterdeck_deploy::judge::{self, Series};
use quarterdeck_deploy::model::{CheckState, CheckVerdict, JudgeState, ReplicaPhase, ReplicaState};
use quarterdeck_deploy::strategy::Direction;
use quarterdeck_kernel::Timestamp;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// What a version is like.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Nature {
    Good,
    /// Takes long to come up.
    Slow,
    /// Ends right after its start.
    Crashes,
    /// Never says that it is ready.
    Never,
    /// Its health endpoint changes its mind.
    Flaps,
    /// Ends now and then.
    Mortal,
    /// Runs, and its metrics are bad.
    Bad,
    /// Runs, and there are no metrics of it.
    Mute,
}

#[derive(Debug)]
enum Event {
    /// A replica changes.
    Replica(String, String, u64),
    /// The target tells what it sees of a version.
    Tell(String),
    /// An answer arrives.
    Answer(Box<Input>),
    /// The gateway tells of requests under way.
    Traffic,
}

#[derive(Default, Debug)]
struct Running {
    wanted: u32,
    replicas: Vec<(ReplicaState, u64)>,
    next: u32,
}

/// The world.
pub(crate) struct World {
    natures: BTreeMap<String, Nature>,
    running: BTreeMap<String, Running>,
    events: BinaryHeap<Reverse<(Timestamp, u64)>>,
    queued: BTreeMap<u64, Event>,
    count: u64,
    /// Share and requests under way, by version.
    under_way: BTreeMap<String, (u32, u64)>,
    /// Requests that never end, as tunnels do.
    stuck: bool,
    outlives: bool,
    /// How often the judge was asked.
    pub(crate) judgements: usize,
}

impl World {
    pub(crate) fn new(random: &mut ChaCha8Rng, _seed: u64) -> Self {
        Self {
            natures: BTreeMap::from([("v0".to_owned(), Nature::Good)]),
            running: BTreeMap::new(),
            events: BinaryHeap::new(),
            queued: BTreeMap::new(),
            count: 0,
            under_way: BTreeMap::new(),
            stuck: random.random_bool(0.2),
            outlives: random.random_bool(0.5),
            judgements: 0,
        }
    }

    /// A version as it will turn out to be.
    pub(crate) fn new_version(&mut self, random: &mut ChaCha8Rng, version: &str) {
        let nature = match random.random_range(0..20) {
            0..9 => Nature::Good,
            9 => Nature::Slow,
            10 => Nature::Crashes,
            11 => Nature::Never,
            12..14 => Nature::Flaps,
            14..16 => Nature::Mortal,
            16..18 => Nature::Bad,
            _ => Nature::Mute,
        };
        self.natures.insert(version.to_owned(), nature);
    }

    fn at(&mut self, when: Timestamp, event: Event) {
        self.count += 1;
        self.events.push(Reverse((when, self.count)));
        self.queued.insert(self.count, event);
    }

    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.events.peek().map(|Reverse((at, _))| *at)
    }

    fn tell(&mut self, random: &mut ChaCha8Rng, version: &str, now: Timestamp) {
        let delay = random.random_range(1..400);
        self.at(now.plus_millis(delay), Event::Tell(version.to_owned()));
    }

    /// The next event; an input if the state machine is to hear of it.
    pub(crate) fn happens(&mut self, random: &mut ChaCha8Rng, now: Timestamp) -> Option<Input> {
        let Reverse((_, id)) = self.events.pop()?;
        match self.queued.remove(&id)? {
            Event::Answer(input) => Some(*input),
            Event::Tell(version) => {
                let running = self.running.get(&version)?;
                Some(Input::Observed {
                    service: "orders".to_owned(),
                    replicas: running.replicas.iter().map(|(state, _)| state.clone()).collect(),
                    version,
                })
            }
            Event::Traffic => {
                for (share, count) in self.under_way.values_mut() {
                    *count = if *share > 0 {
                        random.random_range(1..50)
                    } else if self.stuck {
                        (*count).min(1)
                    } else {
                        *count / 2
                    };
                }
                if self.under_way.values().any(|(share, count)| *share == 0 && *count > 0) {
                    self.at(now.plus_millis(random.random_range(200..2000)), Event::Traffic);
                }
                Some(Input::Traffic {
                    service: "orders".to_owned(),
                    in_flight: self.under_way.iter().map(|(v, (_, count))| (v.clone(), *count)).collect(),
                })
            }
            Event::Replica(version, id, life) => {
                self.replica_changes(random, &version, &id, life, now);
                None
            }
        }
    }

    fn replica_changes(
        &mut self,
        random: &mut ChaCha8Rng,
        version: &str,
        id: &str,
        life: u64,
        now: Timestamp,
    ) {
        let nature = self.natures.get(version).copied().unwrap_or(Nature::Good);
        let running = self.running.entry(version.to_owned()).or_default();
        let Some((state, _)) =
            running.replicas.iter_mut().find(|(state, alive)| state.id == id && *alive == life)
        else {
            return;
        };
        let (phase, next) = match (state.phase, nature) {
            (ReplicaPhase::Draining, _) => {
                running.replicas.retain(|(state, _)| state.id != id);
                self.tell(random, version, now);
                return;
            }
            (ReplicaPhase::Starting, Nature::Crashes) | (ReplicaPhase::Ready, Nature::Mortal) => (
                ReplicaPhase::Exited { code: Some(3), signal: None },
                Some(random.random_range(1000..20_000)),
            ),
            (ReplicaPhase::Starting, Nature::Never) => return,
            (ReplicaPhase::Exited { .. }, _) => {
                state.restarts += 1;
                (ReplicaPhase::Starting, Some(random.random_range(50..5000)))
            }
            (ReplicaPhase::Starting | ReplicaPhase::NotReady | ReplicaPhase::Unknown, _) => {
                let next = match nature {
                    Nature::Flaps => Some(random.random_range(500..30_000)),
                    Nature::Mortal => Some(random.random_range(1000..120_000)),
                    _ => None,
                };
                (ReplicaPhase::Ready, next)
            }
            (ReplicaPhase::Ready, _) => (ReplicaPhase::NotReady, Some(random.random_range(500..20_000))),
        };
        state.phase = phase;
        state.since = now;
        state.message = format!("{phase}");
        if let Some(delay) = next {
            self.at(now.plus_millis(delay), Event::Replica(version.to_owned(), id.to_owned(), life));
        }
        self.tell(random, version, now);
    }

    /// Does what the state machine wants.
    pub(crate) fn act(&mut self, random: &mut ChaCha8Rng, effects: &[Effect], now: Timestamp) {
        for effect in effects {
            match effect {
                Effect::Ensure { version, replicas, .. } => self.ensure(random, version, *replicas, now),
                Effect::Steer { shares, .. } => {
                    for under_way in self.under_way.values_mut() {
                        under_way.0 = 0;
                    }
                    for (version, share) in shares {
                        self.under_way.entry(version.clone()).or_default().0 = *share;
                    }
                    self.at(now.plus_millis(random.random_range(1..500)), Event::Traffic);
                }
                Effect::RunChecks { service, rollout, stage } => {
                    if random.random_bool(0.02) {
                        continue;
                    }
                    let bad = if *stage == Stage::Before { 0.1 } else { 0.03 };
                    let verdict =
                        if random.random_bool(bad) { CheckVerdict::Failed } else { CheckVerdict::Ok };
                    let results = vec![CheckState {
                        name: "health".to_owned(),
                        verdict,
                        message: "as drawn".to_owned(),
                    }];
                    let answer = Input::Checked {
                        service: service.clone(),
                        rollout: rollout.clone(),
                        stage: *stage,
                        results,
                    };
                    self.at(now.plus_millis(random.random_range(1..3000)), Event::Answer(Box::new(answer)));
                }
                Effect::Measure { service, rollout, analysis, metric, .. } => {
                    let nature = self.newest_nature();
                    let result = match random.random_range(0..100) {
                        0 => continue,
                        1..4 => Err("the query failed".to_owned()),
                        _ if nature == Nature::Mute => Ok(Value::vector(&[])),
                        _ if nature == Nature::Bad => Ok(Value::vector(&[random.random_range(0.5..4.0)])),
                        4 => Ok(Value::vector(&[f64::NAN])),
                        5 => Ok(Value::vector(&[1.5])),
                        _ => Ok(Value::vector(&[0.1])),
                    };
                    let answer = Input::Measured {
                        service: service.clone(),
                        rollout: rollout.clone(),
                        analysis: analysis.clone(),
                        metric: metric.clone(),
                        result,
                    };
                    self.at(now.plus_millis(random.random_range(1..2000)), Event::Answer(Box::new(answer)));
                }
                Effect::Judge { service, rollout, analysis, request } => {
                    if random.random_bool(0.02) {
                        continue;
                    }
                    let result = if random.random_bool(0.05) {
                        Err("the query failed".to_owned())
                    } else {
                        Ok(self.judged(random, request, now))
                    };
                    let answer = Input::Judged {
                        service: service.clone(),
                        rollout: rollout.clone(),
                        analysis: analysis.clone(),
                        result: Box::new(result),
                    };
                    self.judgements += 1;
                    self.at(now.plus_millis(random.random_range(1..3000)), Event::Answer(Box::new(answer)));
                }
                Effect::Tell(_) | Effect::Ended { .. } => {}
            }
        }
    }

    /// What the judge says of values as the versions' natures have them: as many as fit into the time since it began.
    fn judged(&self, random: &mut ChaCha8Rng, request: &JudgeRequest, now: Timestamp) -> JudgeState {
        let step = request.spec.step.as_millis().max(1);
        let count = (request.to.since(request.from).as_millis() / step) as usize + 1;
        let nature = self.newest_nature();
        let mut measured = BTreeMap::new();
        for metric in &request.spec.metrics {
            let mut values = |from: f64, to: f64| -> Vec<f64> {
                let drawn =
                    |_| if random.random_bool(0.05) { f64::NAN } else { random.random_range(from..to) };
                (0..count).map(drawn).collect()
            };
            let stable = values(80.0, 120.0);
            let canary = match nature {
                Nature::Bad if metric.direction == Direction::Decrease => values(10.0, 30.0),
                Nature::Bad => values(200.0, 400.0),
                Nature::Mute => Vec::new(),
                _ => values(80.0, 120.0),
            };
            let series = if random.random_bool(0.03) {
                Err("the query failed".to_owned())
            } else {
                Ok(Series { stable, canary })
            };
            measured.insert(metric.name.clone(), series);
        }
        judge::judge(&request.spec, &measured, now)
    }

    fn newest_nature(&self) -> Nature {
        let number = |name: &&String| name.trim_start_matches('v').parse::<u32>().unwrap_or(0);
        let newest = self.natures.keys().max_by_key(number);
        newest.and_then(|name| self.natures.get(name)).copied().unwrap_or(Nature::Good)
    }

    fn ensure(&mut self, random: &mut ChaCha8Rng, version: &str, replicas: u32, now: Timestamp) {
        let nature = self.natures.get(version).copied().unwrap_or(Nature::Good);
        let running = self.running.entry(version.to_owned()).or_default();
        running.wanted = replicas;
        let alive = |running: &Running| {
            running.replicas.iter().filter(|(state, _)| state.phase != ReplicaPhase::Draining).count()
        };
        let mut events = Vec::new();
        while alive(running) < replicas as usize {
            running.next += 1;
            self.count += 1;
            let id = format!("{version}-{}", running.next);
            let state = ReplicaState {
                id: id.clone(),
                phase: ReplicaPhase::Starting,
                since: now,
                ..ReplicaState::default()
            };
            running.replicas.push((state, self.count));
            let delay = match nature {
                Nature::Slow => random.random_range(10_000..200_000),
                _ => random.random_range(50..6000),
            };
            events.push((delay, id, self.count));
        }
        while alive(running) > replicas as usize {
            // Those that do not work go first.
            let worst = running
                .replicas
                .iter()
                .enumerate()
                .filter(|(_, (state, _))| state.phase != ReplicaPhase::Draining)
                .min_by_key(|(_, (state, _))| state.phase.is_ready())
                .map(|(index, _)| index)
                .unwrap();
            let (state, life) = &mut running.replicas[worst];
            state.phase = ReplicaPhase::Draining;
            state.since = now;
            self.count += 1;
            *life = self.count;
            events.push((random.random_range(10..5000), state.id.clone(), *life));
        }
        for (delay, id, life) in events {
            self.at(now.plus_millis(delay), Event::Replica(version.to_owned(), id, life));
        }
        self.tell(random, version, now);
    }

    /// The console was killed and is there again: answers under way are lost, and so are processes that do not outlive it.
    pub(crate) fn killed(&mut self, random: &mut ChaCha8Rng, now: Timestamp) {
        self.queued.retain(|_, event| matches!(event, Event::Replica(..)));
        let queued = &self.queued;
        self.events.retain(|Reverse((_, id))| queued.contains_key(id));
        if !self.outlives {
            self.queued.clear();
            self.events.clear();
            self.running.clear();
        }
        let versions: Vec<String> = self.running.keys().cloned().collect();
        for version in versions {
            self.tell(random, &version, now);
        }
        // What happened while nobody looked happens now.
        let late: Vec<u64> =
            self.events.iter().filter(|Reverse((at, _))| *at < now).map(|Reverse((_, id))| *id).collect();
        self.events.retain(|Reverse((at, _))| *at >= now);
        for id in late {
            self.events.push(Reverse((now, id)));
        }
    }
}
