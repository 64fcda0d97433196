use std::time::Duration;

use quarterdeck_kernel::Timestamp;

use super::{Arguments, Ask, Condition, Run, Value, assess, fill, longest};
use crate::model::AnalysisPhase::{self, Error, Failed, Inconclusive, Running, Stopped, Successful};
use crate::model::{AnalysisPlace, JudgeState, Verdict};
use crate::strategy::{AnalysisSpec, ArgValue, JudgeMetric, JudgeSpec, MetricSpec};

const START: Timestamp = Timestamp::from_millis(1_000_000);

fn after(seconds: u64) -> Timestamp {
    START + Duration::from_secs(seconds)
}

fn metric(name: &str) -> MetricSpec {
    MetricSpec {
        name: name.to_owned(),
        query: format!("{name}_of_{{{{args.version}}}}"),
        interval: Some(Duration::from_secs(60)),
        count: Some(3),
        initial_delay: Duration::ZERO,
        success: Some("result[0] >= 0.95".to_owned()),
        failure: None,
        failure_limit: 0,
        inconclusive_limit: 0,
        consecutive_error_limit: 4,
        consecutive_success_limit: None,
        dry_run: false,
    }
}

fn spec(metrics: Vec<MetricSpec>) -> AnalysisSpec {
    AnalysisSpec {
        name: "checks".to_owned(),
        metrics,
        judge: None,
        args: vec![("version".to_owned(), ArgValue::Latest)],
    }
}

fn arguments() -> Arguments {
    Arguments {
        service: "orders".to_owned(),
        stable: "v1".to_owned(),
        latest: "v2".to_owned(),
        values: Vec::new(),
    }
}

fn run(spec: &AnalysisSpec) -> Run {
    Run::new("a1".to_owned(), spec, AnalysisPlace::Background, &arguments(), START).expect("an analysis")
}

/// A measurement, in the letters of the tables: s, f, i, e.
fn outcome_of(letter: char) -> Result<Value, String> {
    match letter {
        's' => Ok(Value::vector(&[1.0])),
        'f' => Ok(Value::vector(&[0.2])),
        'i' => Ok(Value::vector(&[0.7])),
        _ => Err("the query failed".to_owned()),
    }
}

/// Runs a metric on a row of measurements; the phase, and how many it took.
fn played(metric: MetricSpec, letters: &str) -> (AnalysisPhase, usize) {
    let mut metric = metric;
    metric.failure = Some("result[0] < 0.5".to_owned());
    let name = metric.name.clone();
    let mut run = run(&spec(vec![metric]));
    let mut now = START;
    for (taken, letter) in letters.chars().enumerate() {
        if run.phase().ended() {
            return (run.phase(), taken);
        }
        now = run.next_wake().expect("something to wait for").max(now);
        let asks = run.poll(now);
        assert_eq!(
            asks,
            [Ask::Measure { metric: name.clone(), query: format!("{name}_of_v2") }],
            "{letters}"
        );
        assert!(run.poll(now).is_empty(), "asked once");
        run.measured(&name, &outcome_of(letter), now);
    }
    (run.phase(), letters.len())
}

/// Conditions' truth table: success condition, failure condition, result, what the measurement counts as.
#[test]
fn what_a_measurement_counts_as() {
    let holds = Some("result[0] == 1");
    let not = Some("result[0] == 2");
    let broken = Some("result[5] == 1");
    for (success, failure, wanted) in [
        (None, None, Successful),
        (holds, None, Successful),
        (not, None, Failed),
        (None, holds, Failed),
        (None, not, Successful),
        (holds, not, Successful),
        (not, holds, Failed),
        (holds, holds, Failed),
        (not, not, Inconclusive),
        (broken, None, Error),
        (None, broken, Error),
        (broken, holds, Error),
        (holds, broken, Error),
    ] {
        let parsed = |text: Option<&str>| text.map(|t| Condition::parse(t).expect("a condition"));
        let (phase, message) =
            assess(parsed(success).as_ref(), parsed(failure).as_ref(), &Value::vector(&[1.0]));
        assert_eq!(phase, wanted, "success {success:?}, failure {failure:?}: {message}");
        assert_eq!(message.is_empty(), phase != Error, "{message}");
    }
    let (phase, message) = assess(Condition::parse("result[0] < 1").ok().as_ref(), None, &Value::vector(&[]));
    assert_eq!((phase, message.as_str()), (Error, "result[0] < 1: no data: the query gave no series"));
    let (phase, _) =
        assess(Condition::parse("result[0] < 1").ok().as_ref(), None, &Value::vector(&[f64::NAN]));
    assert_eq!(phase, Failed, "NaN is below nothing");
}

/// Limits' truth table: count, failures allowed, inconclusive allowed, errors in a row allowed, what is measured, what
/// comes of it, after how many measurements.
#[test]
fn what_a_metric_ends_as() {
    let once = |count| Some(count);
    for (count, failures, inconclusive, errors, letters, wanted, taken) in [
        (once(3), 0, 0, 4, "sss", Successful, 3),
        (once(3), 0, 0, 4, "ss", Running, 2),
        (once(3), 0, 0, 4, "f", Failed, 1),
        (once(3), 0, 0, 4, "sfs", Failed, 2),
        (once(3), 1, 0, 4, "sfs", Successful, 3),
        (once(3), 1, 0, 4, "ffs", Failed, 2),
        (once(3), 3, 0, 4, "fff", Successful, 3),
        (once(3), -1, 0, 4, "fff", Successful, 3),
        (once(3), 0, 0, 4, "si", Inconclusive, 2),
        (once(3), 0, 1, 4, "sis", Successful, 3),
        (once(3), 0, 1, 4, "ii", Inconclusive, 2),
        (once(3), 0, -1, 4, "iii", Successful, 3),
        (once(3), 0, 0, 4, "eeeesss", Successful, 7),
        (once(3), 0, 0, 4, "eeeee", Error, 5),
        (once(3), 0, 0, 4, "eeeeseeeess", Successful, 11),
        (once(3), 0, 0, 0, "se", Error, 2),
        (once(3), 0, 0, -1, "eeeeeeeesss", Successful, 11),
        (once(3), 1, 1, 0, "fie", Error, 3),
        (None, 0, 0, 4, "ssssssss", Running, 8),
        (None, 2, 0, 4, "sfsfsf", Failed, 6),
        (once(1), 0, 0, 4, "s", Successful, 1),
    ] {
        let metric = MetricSpec {
            count,
            failure_limit: failures,
            inconclusive_limit: inconclusive,
            consecutive_error_limit: errors,
            ..metric("m")
        };
        let row = format!("{count:?} {failures} {inconclusive} {errors} {letters}");
        assert_eq!(played(metric, letters), (wanted, taken), "{row}");
    }
    // Without interval and count it is measured once.
    assert_eq!(played(MetricSpec { count: None, interval: None, ..metric("m") }, "s"), (Successful, 1));
    assert_eq!(played(MetricSpec { count: None, interval: None, ..metric("m") }, "ees"), (Successful, 3));
    let streak = |count, wanted| MetricSpec {
        count,
        failure_limit: -1,
        consecutive_success_limit: Some(wanted),
        ..metric("m")
    };
    assert_eq!(played(streak(None, 3), "ssfsss"), (Successful, 6));
    assert_eq!(played(streak(Some(4), 3), "sfss"), (Inconclusive, 4));
    assert_eq!(played(streak(Some(9), 2), "fss"), (Successful, 3));
}

/// Both at once over their limits: an error says more than being inconclusive, and that more than a failure.
#[test]
fn which_limit_comes_first() {
    let mut run = run(&spec(vec![MetricSpec {
        failure: Some("result[0] < 0.5".to_owned()),
        failure_limit: 0,
        consecutive_error_limit: 0,
        ..metric("m")
    }]));
    run.poll(START);
    run.measured("m", &Ok(Value::vector(&[])), START);
    assert_eq!(run.phase(), Error);
    assert!(
        run.state().message.starts_with("m: could not be measured: result[0] >= 0.95: no data"),
        "{:?}",
        run.state()
    );
    assert!(
        run.state().message.ends_with("errors one after the other 1×, none is allowed"),
        "{:?}",
        run.state()
    );
}

#[test]
fn intervals_delays_and_retries() {
    let mut m = metric("m");
    m.initial_delay = Duration::from_secs(30);
    let mut run = run(&spec(vec![m]));
    assert_eq!(run.next_wake(), Some(after(30)));
    assert!(run.poll(after(29)).is_empty());
    assert_eq!(run.poll(after(31)).len(), 1);
    assert_eq!(run.next_wake(), Some(after(61)), "an answer is waited for 30 s");
    run.measured("m", &outcome_of('s'), after(33));
    assert_eq!(run.next_wake(), Some(after(93)), "the interval is counted from the answer");
    assert_eq!(run.poll(after(100)).len(), 1);
    assert!(run.poll(after(129)).is_empty());
    let asks = run.poll(after(130));
    assert!(asks.is_empty(), "it is tried again after the interval");
    assert_eq!((run.state().metrics[0].errors, run.state().metrics[0].count), (1, 1));
    assert!(run.state().metrics[0].message.contains("no answer within 30 s"));
    run.measured("m", &outcome_of('f'), after(131));
    assert_eq!(run.phase(), Running, "an answer that nobody waits for any more changes nothing");
    assert_eq!(run.next_wake(), Some(after(190)));

    let mut once = self::run(&spec(vec![MetricSpec { interval: None, count: None, ..metric("m") }]));
    once.poll(START);
    once.measured("m", &outcome_of('e'), after(1));
    assert_eq!(once.next_wake(), Some(after(11)), "without an interval an error is tried again after 10 s");
}

#[test]
fn the_first_that_goes_wrong_ends_the_run_and_the_worst_counts() {
    let mut both = run(&spec(vec![metric("a"), metric("b")]));
    assert_eq!(both.poll(START).len(), 2);
    both.measured("b", &outcome_of('s'), START);
    assert_eq!(both.phase(), Running);
    both.measured("a", &outcome_of('f'), after(1));
    assert_eq!(both.phase(), Failed);
    assert_eq!(both.state().metrics[1].phase, Stopped);
    assert_eq!(both.state().ended, Some(after(1)));
    assert_eq!(both.state().message, "a: 0.2, but it must be at least 0.95; failed 1×, none is allowed");
    assert_eq!(both.next_wake(), None);
    assert!(both.poll(after(500)).is_empty());
    both.measured("b", &outcome_of('f'), after(2));
    assert_eq!(both.state().metrics[1].failed, 0);

    let mut dry = run(&spec(vec![MetricSpec { dry_run: true, ..metric("a") }, metric("b")]));
    for now in [0, 60, 120] {
        dry.poll(after(now));
        dry.measured("a", &outcome_of('f'), after(now));
        dry.measured("b", &outcome_of('s'), after(now));
    }
    assert_eq!((dry.phase(), dry.state().metrics[0].phase), (Successful, Failed));
    let mut only_dry = run(&spec(vec![MetricSpec { dry_run: true, ..metric("a") }]));
    only_dry.poll(START);
    only_dry.measured("a", &outcome_of('f'), START);
    assert_eq!(only_dry.phase(), Successful);
    assert_eq!(run(&spec(vec![])).phase(), Successful, "nothing to measure is no reason to wait");
    // An endless dry metric does not keep the run going.
    let endless = MetricSpec { dry_run: true, count: None, ..metric("a") };
    let mut held = run(&spec(vec![endless, MetricSpec { count: Some(1), ..metric("b") }]));
    held.poll(START);
    held.measured("b", &outcome_of('s'), START);
    assert_eq!(held.phase(), Successful);
}

#[test]
fn it_can_be_stopped_and_gone_on_with() {
    let mut first = run(&spec(vec![metric("a")]));
    first.poll(START);
    let stored = serde_json::to_string(&first).expect("JSON");
    let mut again: Run = serde_json::from_str(&stored).expect("read again");
    assert_eq!(again, first);
    again.resumed();
    assert_eq!(again.poll(after(5)).len(), 1, "what was asked before the restart is asked again");
    again.measured("a", &outcome_of('s'), after(5));
    again.stop("promoted", after(6));
    assert_eq!((again.phase(), again.state().message.as_str()), (Stopped, "promoted"));
    again.stop("later", after(9));
    assert_eq!(again.state().ended, Some(after(6)));
}

#[test]
fn placeholders_are_filled_in() {
    let mut known = arguments();
    known.values.push(("limit".to_owned(), ArgValue::Text("0.5".to_owned())));
    known.values.push(("old".to_owned(), ArgValue::Stable));
    let filled = |text| fill(text, &known, None).map_err(|e| e.to_string());
    assert_eq!(
        filled("a{v=\"{{ args.old }}\",s=\"{{service}}\"} > {{args.limit}}").as_deref(),
        Ok("a{v=\"v1\",s=\"orders\"} > 0.5")
    );
    assert_eq!(filled("{{args.nobody}}"), Err("`{{args.nobody}}` has no value; those that have one: args.limit, args.old, service, stable, latest".to_owned()));
    assert!(filled("{{version}}").is_err());
    assert_eq!(filled("{{open"), Err("`{{` without `}}` in `{{open`".to_owned()));

    let mut m = metric("m");
    m.success = Some("result[0] >= {{args.limit}}".to_owned());
    let with = AnalysisSpec { args: known.values.clone(), ..spec(vec![m.clone()]) };
    m.query = "up".to_owned();
    let without = AnalysisSpec { args: Vec::new(), ..spec(vec![m]) };
    let new = |spec| Run::new(String::new(), spec, AnalysisPlace::Step(1), &arguments(), START);
    assert!(new(&with).expect_err("no version").to_string().contains("args.version"));
    assert!(new(&without).expect_err("no limit").to_string().starts_with("metric m: `{{args.limit}}`"));
    let bad = MetricSpec { success: Some("result[0] >".to_owned()), query: "up".to_owned(), ..metric("m") };
    let error = new(&spec(vec![bad])).expect_err("no condition").to_string();
    assert!(error.starts_with("metric m: condition `result[0] >`: at character 12"), "{error}");
}

fn judging(count: Option<u32>, failure_limit: i64) -> AnalysisSpec {
    let judged = JudgeMetric {
        name: "p99".to_owned(),
        query: "p99{v=\"{{version}}\",s=\"{{args.s}}\"}".to_owned(),
        unit: String::new(),
        group: String::new(),
        direction: crate::strategy::Direction::Increase,
        nan_strategy: crate::strategy::NanStrategy::Remove,
        critical: false,
        must_have_data: false,
        outliers: crate::strategy::Outliers::Keep,
        effect: crate::strategy::Effect::default(),
        weight: 1.0,
    };
    AnalysisSpec {
        name: "judge".to_owned(),
        metrics: Vec::new(),
        judge: Some(JudgeSpec {
            metrics: vec![judged],
            pass: 80.0,
            marginal: 60.0,
            window: Duration::from_secs(300),
            step: Duration::from_secs(5),
            initial_delay: Duration::from_secs(60),
            interval: Some(Duration::from_secs(60)),
            count,
            failure_limit,
            ..JudgeSpec::default()
        }),
        args: vec![("s".to_owned(), ArgValue::Service)],
    }
}

fn verdict(verdict: Verdict) -> Result<JudgeState, String> {
    Ok(JudgeState { verdict, message: format!("{verdict:?}"), ..JudgeState::default() })
}

#[test]
fn the_judge_is_asked_and_heard() {
    let mut run = self::run(&judging(Some(2), 0));
    assert_eq!(run.next_wake(), Some(after(60)));
    let asks = run.poll(after(60));
    let [Ask::Judge(request)] = asks.as_slice() else { panic!("{asks:?}") };
    assert_eq!((request.from, request.to), (START, after(60)), "no further back than the analysis goes");
    assert_eq!(request.queries("v2"), [("p99".to_owned(), "p99{v=\"v2\",s=\"orders\"}".to_owned())]);
    assert_eq!(request.queries(&request.stable)[0].1, "p99{v=\"v1\",s=\"orders\"}");
    run.judged(verdict(Verdict::Marginal), after(61));
    assert_eq!(run.phase(), Running);
    run.poll(after(121));
    run.judged(verdict(Verdict::Pass), after(122));
    assert_eq!((run.phase(), run.state().message.as_str()), (Successful, "Pass"));

    let table: [(Option<u32>, i64, &[Verdict], AnalysisPhase); 6] = [
        (Some(2), 0, &[Verdict::Fail], Failed),
        (Some(2), 1, &[Verdict::Fail, Verdict::Pass], Successful),
        (Some(2), 1, &[Verdict::Fail, Verdict::Fail], Failed),
        (Some(2), 0, &[Verdict::Pass, Verdict::Marginal], Inconclusive),
        (None, 0, &[Verdict::Pass, Verdict::Marginal, Verdict::Pass], Running),
        (None, -1, &[Verdict::Fail, Verdict::Fail], Running),
    ];
    for (count, limit, verdicts, wanted) in table {
        let mut run = self::run(&judging(count, limit));
        for v in verdicts {
            let now = run.next_wake().expect("a judgement to come");
            assert_eq!(run.poll(now).len(), 1);
            run.judged(verdict(*v), now);
        }
        assert_eq!(run.phase(), wanted, "{count:?} {limit} {verdicts:?}");
    }
    let mut run = self::run(&judging(Some(1), 0));
    for n in 0..5 {
        assert_eq!(run.phase(), Running, "{n} errors");
        let now = run.next_wake().expect("another try");
        run.poll(now);
        run.judged(Err("no data source".to_owned()), now);
    }
    assert_eq!(run.phase(), Error);
    assert!(run.state().message.contains("no data source"), "{}", run.state().message);
}

#[test]
fn how_long_it_takes_at_most() {
    let m = metric("m");
    // Three measurements, each after four errors, and one: 16 times an interval and an answer.
    assert_eq!(longest(&spec(vec![m.clone()])), Some(Duration::from_secs(16 * 90)));
    assert_eq!(longest(&spec(vec![MetricSpec { count: None, ..m.clone() }])), None);
    assert_eq!(longest(&spec(vec![MetricSpec { consecutive_error_limit: -1, ..m.clone() }])), None);
    let dry = MetricSpec { dry_run: true, count: None, ..m.clone() };
    assert_eq!(
        longest(&spec(vec![dry, MetricSpec { count: None, interval: None, ..m }])),
        Some(Duration::from_secs(6 * 40))
    );
    assert_eq!(longest(&judging(None, 0)), None);
    assert!(longest(&judging(Some(2), 0)).is_some());
}

proptest::proptest! {
    /// Whatever is answered and however late, an analysis with an end ends within its bound, and counts add up.
    #[test]
    fn it_always_ends_in_time(answers in proptest::collection::vec(proptest::sample::select(vec!['s', 'f', 'i', 'e', '-']), 0..60)) {
        let spec = spec(vec![metric("a"), MetricSpec { failure_limit: 2, inconclusive_limit: 5, ..metric("b") }]);
        let bound = START + longest(&spec).expect("a bound");
        let mut run = run(&spec);
        let mut answers = answers.into_iter().cycle();
        while let Some(now) = run.next_wake() {
            proptest::prop_assert!(now <= bound, "still running at {now}, to end by {bound}");
            for ask in run.poll(now) {
                if let (Ask::Measure { metric, .. }, Some(letter)) = (ask, answers.next().filter(|l| *l != '-')) {
                    run.measured(&metric, &outcome_of(letter), now);
                }
            }
            for m in &run.state().metrics {
                proptest::prop_assert_eq!(m.count, m.successful + m.failed + m.inconclusive);
                proptest::prop_assert!(m.measurements.len() <= 20);
            }
        }
        proptest::prop_assert!(run.phase().ended());
    }
}
