use std::cell::RefCell;

use quarterdeck_kernel::Matcher;
use quarterdeck_promql::testing::MemoryStorage;
use quarterdeck_promql::{Budget, Engine, Storage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::model::AlertState;

/// A store in memory.
#[derive(Default)]
struct Memory(RefCell<MemoryStorage>);

impl Memory {
    fn push(&self, series: &str, t: i64, v: f64) {
        let (labels, _) = quarterdeck_promql::testing::parse_series(series).unwrap();
        self.0.borrow_mut().push(labels, Timestamp::from_millis(t * 1000), v);
    }

    /// `labels value` of each element, `;` between them.
    fn ask(&self, query: &str, t: i64) -> String {
        let value = self.query(&Query::Text(query), Timestamp::from_millis(t * 1000)).unwrap();
        let one = |s: VectorSample| format!("{} {}", s.labels, s.point.v.as_float().unwrap());
        as_vector(value).unwrap().into_iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

impl Backend for Memory {
    fn query(&self, query: &Query<'_>, at: Timestamp) -> Result<Value, String> {
        let engine = Engine::default();
        let (storage, budget) = (&*self.0.borrow(), Budget::unbounded());
        let output = match query {
            Query::Expr(expr) => engine.instant_expr(expr, storage, at, &budget),
            Query::Text(text) => engine.instant(text, storage, at, &budget),
        };
        output.map(|o| o.value).map_err(|e| e.to_string())
    }

    fn write(&self, samples: &[Sample]) -> Result<(), String> {
        for sample in samples {
            self.0.borrow_mut().insert(sample.labels.clone(), sample.t, sample.v.clone());
        }
        Ok(())
    }

    fn for_state(
        &self,
        alert: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<(Labels, quarterdeck_kernel::Sample)>, String> {
        let matchers = [Matcher::equal("__name__", ALERTS_FOR_STATE), Matcher::equal(ALERT_NAME, alert)];
        let found = self.0.borrow().select(&matchers, from, to, &Budget::unbounded()).unwrap();
        Ok(found.into_iter().filter_map(|s| Some((s.labels, *s.samples.last()?))).collect())
    }
}

fn group_with(text: &str, restored: bool) -> Group {
    let file = crate::file::parse(&format!("groups:\n- {text}"), "r.yml").unwrap_or_else(|e| panic!("{e:?}"));
    let interval = std::time::Duration::from_secs(60);
    Group::new(&file.groups[0], &file.path, interval, Default::default(), &Default::default(), restored)
}

fn group(text: &str) -> Group {
    group_with(text, true)
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn states(group: &Group) -> String {
    let alerts = group.rules()[0].alerts();
    alerts.map(|a| a.state.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn rules_see_what_those_before_them_wrote_and_lost_series_end() {
    let memory = Memory::default();
    let mut group = group(
        "{name: g, rules: [{record: a, expr: sum by (job) (up), labels: {x: y}}, {record: b, expr: a * 2}]}",
    );
    memory.push("up{job=\"one\"}", 0, 1.0);
    memory.push("up{job=\"two\"}", 0, 2.0);
    group.evaluate(at(0), &memory);
    assert_eq!(memory.ask("b", 0), "b{job=\"one\", x=\"y\"} 2; b{job=\"two\", x=\"y\"} 4");
    memory.push("up{job=\"two\"}", 60, quarterdeck_kernel::STALE_NAN);
    group.evaluate(at(60), &memory);
    assert_eq!(memory.ask("b", 60), "b{job=\"one\", x=\"y\"} 2");
    assert_eq!(memory.ask("a", 60), "a{job=\"one\", x=\"y\"} 1");
}

#[test]
fn an_alert_waits_fires_keeps_firing_and_is_resolved() {
    let memory = Memory::default();
    let mut group = group(
        "{name: g, rules: [{alert: A, expr: m > 5, for: 2m, keep_firing_for: 2m, labels: {v: '{{ $value }}', severity: page}, annotations: {s: '{{ $labels.job }} {{ with query \"m\" }}{{ . | first | value }}{{ end }}'}}]}",
    );
    let mut seen = Vec::new();
    for (i, v) in [6.0, 6.0, 6.0, 1.0, 1.0, 6.0, 1.0, 1.0, 1.0, 1.0].into_iter().enumerate() {
        let t = i as i64 * 60;
        memory.push("m{job=\"j\"}", t, v);
        group.evaluate(at(t), &memory);
        seen.push(states(&group));
    }
    assert_eq!(
        seen,
        ["pending", "pending", "firing", "firing", "firing", "firing", "firing", "firing", "", ""]
    );
    assert_eq!(group.rules()[0].resolved().count(), 1);
    assert_eq!(
        memory.ask("ALERTS", 120),
        "ALERTS{alertname=\"A\", alertstate=\"firing\", job=\"j\", severity=\"page\", v=\"6\"} 1"
    );
    assert_eq!(memory.ask("count(ALERTS_FOR_STATE)", 420), "{} 1");
    assert_eq!(memory.ask("ALERTS", 480), "");
    group.evaluate(at(480 + 960), &memory);
    assert_eq!(group.rules()[0].resolved().count(), 0, "forgotten after a quarter of an hour");
}

#[test]
fn annotations_are_expanded_and_errors_stand_in_them() {
    let memory = Memory::default();
    let mut group = group(
        "{name: g, rules: [{alert: A, expr: m, annotations: {ok: '{{ $labels.job }}={{ with query \"m\" }}{{ . | first | value }}{{ end }}', bad: '{{ query \"m(\" }}'}}]}",
    );
    memory.push("m{job=\"j\"}", 0, 3.0);
    group.evaluate(at(0), &memory);
    let alert = group.rules()[0].alerts().next().unwrap();
    assert_eq!(alert.state, AlertState::Firing);
    assert_eq!(alert.annotations[1], ("ok".to_owned(), "j=3".to_owned()));
    assert!(
        alert.annotations[0].1.starts_with("<error expanding template: error executing template __alert_A: ")
    );
}

#[test]
fn limits_and_equal_labels_are_errors() {
    let memory = Memory::default();
    memory.push("m{job=\"a\"}", 0, 1.0);
    memory.push("m{job=\"b\"}", 0, 1.0);
    for (rules, error) in [
        ("limit: 1, rules: [{record: x, expr: m}]", "exceeded limit of 1 with 2 series"),
        ("limit: 1, rules: [{alert: x, expr: m}]", "exceeded limit of 1 with 2 alerts"),
        (
            "rules: [{record: x, expr: m, labels: {job: z}}]",
            "vector contains metrics with the same labelset after applying rule labels",
        ),
        (
            "rules: [{alert: x, expr: m, labels: {job: z}}]",
            "vector contains metrics with the same labelset after applying alert labels",
        ),
        ("rules: [{record: x, expr: '\"text\"'}]", "rule result is not a vector or scalar"),
    ] {
        let mut group = group(&format!("{{name: g, {rules}}}"));
        group.evaluate(at(0), &memory);
        assert_eq!(group.rules()[0].last_error(), Some(error));
        assert_eq!(states(&group), "");
    }
}

#[test]
fn the_offset_shifts_queries_and_samples() {
    let memory = Memory::default();
    memory.push("m", 0, 1.0);
    memory.push("m", 60, 2.0);
    let mut group = group("{name: g, query_offset: 1m, rules: [{record: x, expr: m}]}");
    group.evaluate(at(60), &memory);
    assert_eq!(memory.ask("x", 0), "x 1");
    assert_eq!(memory.ask("timestamp(x)", 60), "{} 0");
}

/// What an alert's beginning is after a restart, for each kind of outage.
#[test]
fn pending_time_survives_a_restart() {
    for (down_for, expected) in [
        // Pending for 10 of 30 minutes: the outage does not count.
        (300, 1500 - 600),
        // Longer than the tolerance: it starts anew.
        (4000, 600 + 4000),
    ] {
        let memory = Memory::default();
        let text = "{name: g, rules: [{alert: A, expr: m, for: 30m}]}";
        let mut first = group(text);
        for t in (0..=600).step_by(60) {
            memory.push("m", t, 1.0);
            first.evaluate(at(t), &memory);
        }
        let mut second = group_with(text, false);
        let up = 600 + down_for;
        memory.push("m", up, 1.0);
        second.evaluate(at(up), &memory);
        assert!(second.rules()[0].alerts().count() == 1);
        let written = memory.ask("count_over_time(ALERTS_FOR_STATE[1m])", up);
        assert_eq!(written, "", "nothing is written before the state is back");
        second.restore(at(up), &memory);
        let began = second.rules()[0].alerts().next().unwrap().active_at.as_millis() / 1000;
        let expected = if down_for == 300 { down_for } else { expected };
        assert_eq!(began, expected, "down for {down_for}");
    }
}

#[test]
fn an_alert_that_was_about_to_fire_waits_for_the_grace_period() {
    let memory = Memory::default();
    let text = "{name: g, rules: [{alert: A, expr: m, for: 30m}]}";
    let mut first = group(text);
    for t in (0..=1500).step_by(60) {
        memory.push("m", t, 1.0);
        first.evaluate(at(t), &memory);
    }
    let mut second = group_with(text, false);
    memory.push("m", 1560, 1.0);
    second.evaluate(at(1560), &memory);
    second.restore(at(1560), &memory);
    memory.push("m", 2159, 1.0);
    second.evaluate(at(2159), &memory);
    assert_eq!(states(&second), "pending");
    second.evaluate(at(2160), &memory);
    assert_eq!(states(&second), "firing", "ten minutes after the restart");
}

#[test]
fn a_new_version_of_a_group_keeps_alerts_and_ends_removed_series() {
    let memory = Memory::default();
    memory.push("m", 0, 1.0);
    let mut old = group("{name: g, rules: [{alert: A, expr: m, for: 5m}, {record: gone, expr: m}]}");
    old.evaluate(at(0), &memory);
    let mut new = group("{name: g, rules: [{alert: A, expr: m > 0, for: 1m}]}");
    new.inherit(old);
    memory.push("m", 60, 1.0);
    new.evaluate(at(60), &memory);
    assert_eq!(states(&new), "firing");
    assert_eq!(memory.ask("gone", 60), "");
    new.end(at(120), &memory).unwrap();
    assert_eq!(memory.ask("ALERTS", 120), "");
}

/// Random expressions' values over time: an alert is firing exactly when its condition has held for long enough, or
/// held so within the time it keeps firing.
#[test]
fn states_follow_the_condition_for_any_history() {
    for seed in 0..200 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (hold, keep) = (random.random_range(0..5i64), random.random_range(0..4i64));
        let memory = Memory::default();
        let mut group = group(&format!(
            "{{name: g, rules: [{{alert: A, expr: m > 0, for: {hold}m, keep_firing_for: {keep}m}}]}}"
        ));
        // The model: how long the condition has held, whether it fires, how long it only keeps firing.
        let (mut since, mut firing, mut kept): (Option<i64>, bool, Option<i64>) = (None, false, None);
        for minute in 0..60 {
            let holds = random.random_bool(0.7);
            memory.push("m", minute * 60, f64::from(u8::from(holds)));
            group.evaluate(at(minute * 60), &memory);
            if holds {
                kept = None;
                let start = *since.get_or_insert(minute);
                firing |= minute - start >= hold;
            } else if firing && keep > 0 && minute - *kept.get_or_insert(minute) < keep {
                // Still firing.
            } else {
                (since, firing, kept) = (None, false, None);
            }
            let expected = match (firing, since) {
                (true, _) => "firing",
                (false, Some(_)) => "pending",
                (false, None) => "",
            };
            assert_eq!(states(&group), expected, "seed {seed} minute {minute} for {hold} keep {keep}");
        }
    }
}
