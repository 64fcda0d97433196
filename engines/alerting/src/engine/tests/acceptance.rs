//! Alertmanager's timed acceptance cases, in simulated time.
//!
//! The deliverer is simulated here: it knows how the cases' webhooks misbehave, and repeats as a real one does. What it
//! cannot show is HTTP itself, and two processes of a cluster: `tests/acceptance` runs the same cases over sockets.

use serde_json::Value;

use super::*;

#[path = "../../../tests/acceptance/judge.rs"]
mod judge;

use judge::{Came, Told, moments};

/// A case's deliverer: how its webhooks behave at a moment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hook {
    /// Takes everything.
    Good,
    /// Answers well, but forgets what comes before this moment.
    Forgets(f64),
    /// Answers too late until this moment: the deliverer tries again.
    Late(f64),
}

fn posted(value: &Value) -> PostedAlert {
    let alert = judge::alert(value);
    let arcs = |pairs: std::collections::BTreeMap<String, String>| {
        pairs.into_iter().map(|(n, v)| (n.into(), v.into())).collect()
    };
    PostedAlert {
        labels: arcs(alert.labels),
        annotations: arcs(alert.annotations),
        starts_at: alert.start.map(at),
        ends_at: alert.end.map(at),
        generator_url: None,
    }
}

fn strings(labels: &Labels) -> std::collections::BTreeMap<String, String> {
    labels.pairs().iter().map(|(n, v)| (n.to_string(), v.to_string())).collect()
}

struct Case {
    world: World,
    hooks: Vec<Hook>,
    got: Vec<Came>,
    silence: Option<SilenceId>,
    /// Deliveries to be made: when, how often tried.
    queue: Vec<(f64, Attempt, u32)>,
    seen: usize,
}

impl Case {
    fn pump(&mut self) {
        while self.seen < self.world.sent.len() {
            let (when, attempt) = self.world.sent[self.seen].clone();
            self.queue.push((seconds(when), attempt, 0));
            self.seen += 1;
        }
    }

    fn deliver(&mut self, place: usize) {
        let (when, attempt, tries) = self.queue.remove(place);
        let hook = self.hooks[attempt.record.index as usize];
        if let Hook::Late(until) = hook
            && when < until
        {
            // Half a second of waiting for an answer, then backing off.
            let pause = 0.5 * 1.5f64.powi(i32::try_from(tries).expect("few tries"));
            self.queue.push((when + 0.5 + pause, attempt, tries + 1));
            return;
        }
        let forgets = matches!(hook, Hook::Forgets(until) if when < until);
        if !forgets {
            let alerts = attempt.alerts.iter().map(|n| Told {
                labels: strings(&n.alert.labels),
                annotations: strings(&n.alert.annotations),
                start: Some(seconds(n.alert.starts_at)),
                end: n.ends_at.map(seconds),
            });
            self.got.push((attempt.record.index as usize, when, alerts.collect()));
        }
        self.world.outcome(attempt.record.id, Outcome::Delivered);
        self.pump();
    }

    /// Lets time pass, with deliveries at their moments.
    fn go(&mut self, to: f64) {
        loop {
            self.pump();
            let wake = self.world.engine.next_wake().map_or(f64::INFINITY, seconds);
            let next = self.queue.iter().map(|q| q.0).fold(f64::INFINITY, f64::min);
            if next <= wake && next <= to {
                let place = self.queue.iter().position(|q| q.0 == next).expect("it is there");
                self.world.now = at(next);
                self.deliver(place);
            } else if wake <= to {
                self.world.go(wake.max(seconds(self.world.now)));
            } else {
                self.world.go(to);
                self.pump();
                if self.queue.iter().all(|q| q.0 > to) {
                    return;
                }
            }
        }
    }

    fn event(&mut self, event: &Value) {
        self.go(event["at"].as_f64().expect("a moment"));
        match event["op"].as_str().expect("an operation") {
            "post_alerts" => {
                let batch = event["alerts"].as_array().expect("alerts").iter().map(posted).collect();
                assert_eq!(self.world.post(batch).refused, []);
            }
            "post_silence" => {
                let silence = &event["silence"];
                let matchers = silence["matchers"].as_array().expect("matchers").iter().map(|m| {
                    let op = if m["isRegex"] == true { "=~" } else { "=" };
                    format!(
                        "{}{op}\"{}\"",
                        m["name"].as_str().expect("name"),
                        m["value"].as_str().expect("value")
                    )
                });
                let matchers = matchers.collect::<Vec<_>>().join(",");
                let active = moments(&silence["active"]);
                self.silence = Some(self.world.silence(&matchers, SilenceKind::Plain, active[0], active[1]));
            }
            "delete_silence" => {
                let id = self.silence.expect("the silence");
                let by = Arc::from("ann");
                self.world
                    .with_effects(|engine, now, effects| engine.expire_silence(id, &by, now, effects))
                    .expect("it is expired");
            }
            "SIGHUP" => {
                let (plan, options) = (Arc::clone(&self.world.plan), self.world.options.clone());
                self.world.reload(plan, options);
            }
            other => panic!("unknown operation {other}"),
        }
        self.pump();
    }
}

fn run(case: &Value) -> judge::Verdict {
    let name = case["name"].as_str().expect("a name");
    // What is said about misbehaving webhooks is code of the original's language: here it is by name.
    let hooks = match name {
        "TestRetry" => vec![Hook::Good, Hook::Forgets(4.5)],
        "TestWebhookTimeout" => vec![Hook::Late(3.0)],
        _ => vec![Hook::Good, Hook::Good],
    };
    // Reload as Alertmanager does it, where a case is about that.
    let mut options =
        Options { reload_resets_timers: case["events"].to_string().contains("SIGHUP"), ..Options::default() };
    let delayed = case["args"].to_string().contains("start-delay");
    if delayed {
        options.start_delay = secs(5);
    }
    let mut world = World::with(plan(case["config"].as_str().expect("a configuration")), options);
    if delayed {
        // The original is up for about half a second when its clock begins.
        let engine = Engine::new(
            Arc::clone(&world.plan),
            world.options.clone(),
            Box::new(SeededIds::new(2)),
            at(-0.5),
        );
        world.engine = engine;
    }
    world.deliver = Deliver::Holds;
    let mut case_run = Case { world, hooks, got: Vec::new(), silence: None, queue: Vec::new(), seen: 0 };
    for event in case["events"].as_array().expect("events") {
        case_run.event(event);
    }
    case_run.go(judge::end(case));
    judge::judge(case, &case_run.got)
}

#[test]
fn alertmanagers_acceptance_cases() {
    let Some(cases) = judge::cases() else { return };
    let mut problems = Vec::new();
    let mut passed = 0;
    for case in &cases {
        let verdict = run(case);
        passed += usize::from(verdict.passed());
        assert!(!verdict.only_late(), "nothing holds simulated time up: {:?}", verdict.problems);
        problems.extend(verdict.problems);
    }
    eprintln!(
        "acceptance: {} cases, {passed} passed, {} failed, in simulated time with a simulated deliverer; \
         TestClusterDeduplication with one engine (two share a store elsewhere)",
        cases.len(),
        cases.len() - passed
    );
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
