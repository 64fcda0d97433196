use std::collections::BTreeMap;

use quarterdeck_kernel::Timestamp;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Series, judge, percentile, rank, without_outliers};
use crate::model::{Class, JudgeState, Verdict};
use crate::strategy::{Direction, Effect, JudgeMetric, JudgeSpec, NanStrategy, Outliers};

fn metric(name: &str) -> JudgeMetric {
    JudgeMetric {
        name: name.to_owned(),
        query: format!("{name}{{version=\"{{{{version}}}}\"}}"),
        unit: String::new(),
        group: String::new(),
        direction: Direction::Either,
        nan_strategy: NanStrategy::Remove,
        critical: false,
        must_have_data: false,
        outliers: Outliers::Keep,
        effect: Effect::default(),
        weight: 1.0,
    }
}

fn spec(metrics: Vec<JudgeMetric>) -> JudgeSpec {
    JudgeSpec { metrics, pass: 95.0, marginal: 75.0, ..JudgeSpec::default() }
}

fn judged(spec: &JudgeSpec, series: &[(&str, &[f64], &[f64])]) -> JudgeState {
    let measured: BTreeMap<_, _> = series
        .iter()
        .map(|(name, stable, canary)| {
            ((*name).to_owned(), Ok(Series { stable: stable.to_vec(), canary: canary.to_vec() }))
        })
        .collect();
    judge(spec, &measured, Timestamp::from_millis(1))
}

fn one(metric: JudgeMetric, stable: &[f64], canary: &[f64]) -> (Class, f64) {
    let name = metric.name.clone();
    let state = judged(&spec(vec![metric]), &[(&name, stable, canary)]);
    (state.metrics[0].class, state.score)
}

const LOW: [f64; 10] = [10.0, 11.0, 12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0];
const HIGH: [f64; 10] = [30.0, 31.0, 32.0, 33.0, 34.0, 35.0, 36.0, 37.0, 38.0, 39.0];

/// Expected values computed by hand from the definition.
#[test]
fn the_test_of_two_small_samples() {
    // new {1.1, 2.2, 3.3, 4.4} against stable {0.5, 1.5, 2.5}: U = 1 + 2 + 3 + 3 = 9, its mean 6, its variance 4·3·8/12 = 8.
    let c = rank::compare(&[0.5, 1.5, 2.5], &[1.1, 2.2, 3.3, 4.4], 0.98).expect("a comparison");
    assert_eq!(c.u, 9.0);
    let z = (9.0 - 6.0 - 0.5) / 8.0_f64.sqrt();
    assert!((c.p_value - 2.0 * super::normal::tail(z)).abs() < 1e-15, "{c:?}");
    // Differences, sorted: −1.4 −0.4 −0.3 0.6 0.7 0.8 1.7 1.8 1.9 2.8 2.9 3.9 → the median is that of the sixth and seventh.
    assert!((c.shift - 1.25).abs() < 1e-12, "{c:?}");
    assert_eq!(c.superiority, 0.75);
    // Seven values cannot bound the shift at 98 %: the whole range is the interval.
    assert!((c.lower + 1.4).abs() < 1e-12 && (c.upper - 3.9).abs() < 1e-12, "{c:?}");
}

#[test]
fn ties_narrow_the_spread() {
    // new {1, 2, 2}, stable {2, 3}: pairs larger 0, equal 2 → U = 1; mean 3; ties of three values: (27 − 3) / (5·4) = 1.2.
    let c = rank::compare(&[2.0, 3.0], &[1.0, 2.0, 2.0], 0.98).expect("a comparison");
    assert_eq!(c.u, 1.0);
    let spread = (6.0_f64 / 12.0 * (6.0 - 1.2)).sqrt();
    assert!((c.p_value - 2.0 * super::normal::tail(1.5 / spread)).abs() < 1e-15, "{c:?}");
    assert!(rank::compare(&[5.0, 5.0], &[5.0, 5.0, 5.0], 0.98).is_none(), "all equal: nothing to say");
    assert!(rank::compare(&[], &[1.0], 0.98).is_none());
}

#[test]
fn constant_series_that_differ_are_told_apart() {
    let c = rank::compare(&[3.0; 12], &[5.0; 12], 0.98).expect("a comparison");
    assert_eq!((c.lower, c.shift, c.upper), (2.0, 2.0, 2.0));
    assert_eq!(one(metric("m"), &[3.0; 12], &[5.0; 12]).0, Class::High);
    assert_eq!(one(metric("m"), &[5.0; 12], &[5.0; 12]).0, Class::Pass);
    assert_eq!(one(metric("m"), &[5.0; 3], &[5.0; 40]).0, Class::Pass);
}

#[test]
fn direction_decides_what_is_bad() {
    let with = |direction| JudgeMetric { direction, ..metric("m") };
    for (direction, up, down) in [
        (Direction::Either, Class::High, Class::Low),
        (Direction::Increase, Class::High, Class::Pass),
        (Direction::Decrease, Class::Pass, Class::Low),
    ] {
        assert_eq!(one(with(direction), &LOW, &HIGH).0, up, "{direction:?} up");
        assert_eq!(one(with(direction), &HIGH, &LOW).0, down, "{direction:?} down");
        assert_eq!(one(with(direction), &LOW, &LOW).0, Class::Pass, "{direction:?} same");
    }
}

#[test]
fn small_effects_are_allowed_where_it_is_said() {
    let mut m = metric("m");
    m.effect.allowed_increase = Some(3.0);
    assert_eq!(one(m.clone(), &LOW, &HIGH).0, Class::Pass, "34.5 / 14.5 is less than three times");
    m.effect.allowed_increase = Some(2.0);
    assert_eq!(one(m, &LOW, &HIGH).0, Class::High);
    let mut m = metric("m");
    m.effect.allowed_decrease = Some(0.4);
    assert_eq!(one(m.clone(), &HIGH, &LOW).0, Class::Pass, "14.5 / 34.5 is 0.42");
    m.effect.allowed_decrease = Some(0.5);
    assert_eq!(one(m, &HIGH, &LOW).0, Class::Low);
}

#[test]
fn a_rise_from_nothing_has_no_ratio_and_counts() {
    let mut m = metric("errors");
    m.effect.allowed_increase = Some(100.0);
    let state = judged(&spec(vec![m]), &[("errors", &[0.0; 20], &[3.0; 20])]);
    assert_eq!(state.metrics[0].class, Class::High);
    assert_eq!(state.metrics[0].effect, None);
}

#[test]
fn critical_metrics_fail_the_whole() {
    let two = |critical: bool, limit: Option<f64>| {
        let mut m = JudgeMetric { critical, ..metric("m") };
        m.effect.critical_increase = limit;
        let state = judged(&spec(vec![m, metric("n")]), &[("m", &LOW, &HIGH), ("n", &LOW, &LOW)]);
        (state.score, state.verdict)
    };
    assert_eq!(two(false, None), (50.0, Verdict::Fail));
    assert_eq!(two(true, None), (0.0, Verdict::Fail));
    assert_eq!(two(true, Some(5.0)).0, 50.0, "2.4 times is below the critical increase");
    assert_eq!(two(true, Some(2.0)).0, 0.0);
    assert_eq!(two(false, Some(2.0)).0, 0.0, "a limit of its own makes it critical");
    let mut m = JudgeMetric { critical: true, ..metric("m") };
    m.effect.critical_decrease = Some(0.3);
    assert_eq!(one(m.clone(), &HIGH, &LOW), (Class::Low, 0.0_f64.max(one(metric("m"), &HIGH, &LOW).1)));
    m.effect.critical_decrease = Some(0.5);
    assert_eq!(one(m, &HIGH, &LOW).1, 0.0);
}

#[test]
fn missing_data() {
    let nan = [f64::NAN; 5];
    let both = |m: JudgeMetric, stable: &[f64], canary: &[f64]| {
        let others = [metric("a"), metric("b"), metric("c")];
        let metrics = [vec![m], others.to_vec()].concat();
        let state = judged(
            &spec(metrics),
            &[("m", stable, canary), ("a", &LOW, &LOW), ("b", &LOW, &LOW), ("c", &LOW, &LOW)],
        );
        let m = state.metrics.iter().find(|m| m.name == "m").expect("the metric").clone();
        (m.class, state.score, m.message)
    };
    let (class, score, message) = both(metric("m"), &LOW, &nan);
    assert_eq!((class, score), (Class::Nodata, 100.0), "{message}");
    assert_eq!(message, "no data of the new version (10 values of the stable one)");
    let must = JudgeMetric { must_have_data: true, ..metric("m") };
    assert_eq!(both(must.clone(), &LOW, &[]).1, 75.0);
    assert!(both(must, &[], &[]).2.contains("either version; it must have some"));
    let critical = JudgeMetric { critical: true, ..metric("m") };
    assert_eq!(both(critical, &[], &HIGH).1, 0.0);
    let zero = JudgeMetric { nan_strategy: NanStrategy::Replace, ..metric("m") };
    assert_eq!(both(zero.clone(), &[], &[]).0, Class::Pass, "no errors were ever counted: that is well");
    let nothing = judged(&spec(vec![zero.clone()]), &[]);
    assert_eq!(
        (nothing.score, nothing.verdict),
        (0.0, Verdict::Fail),
        "but not when nothing is known at all"
    );
    assert!(nothing.message.contains("1 of 1 metrics have no data"), "{}", nothing.message);
    assert_eq!(both(zero.clone(), &[], &HIGH).0, Class::High);
    assert_eq!(both(zero.clone(), &nan, &nan).0, Class::Pass);
    assert_eq!(both(zero, &nan, &[0.0; 5]).0, Class::Pass);

    let half = judged(&spec(vec![metric("a"), metric("b")]), &[("a", &LOW, &LOW)]);
    assert_eq!((half.score, half.verdict), (0.0, Verdict::Fail));
    assert!(half.message.contains("1 of 2 metrics have no data"), "{}", half.message);
    let mut failed = BTreeMap::new();
    failed.insert("a".to_owned(), Err("the query took too long".to_owned()));
    let state = judge(&spec(vec![metric("a")]), &failed, Timestamp::from_millis(5));
    assert_eq!((state.metrics[0].class, state.score), (Class::Error, 0.0));
    assert!(state.metrics[0].message.contains("took too long"));
    assert_eq!(judge(&spec(vec![]), &failed, Timestamp::from_millis(5)).score, 0.0);
}

#[test]
fn groups_are_weighted() {
    let of = |name: &str, group: &str| JudgeMetric { group: group.to_owned(), ..metric(name) };
    let metrics = vec![of("a", "latency"), of("b", "latency"), of("c", "errors"), of("d", "load")];
    let series: [(&str, &[f64], &[f64]); 4] =
        [("a", &LOW, &HIGH), ("b", &LOW, &LOW), ("c", &LOW, &LOW), ("d", &LOW, &HIGH)];
    let mut s = spec(metrics);
    // Equal weights: (½ + 1 + 0) / 3.
    assert_eq!(judged(&s, &series).score, 50.0);
    s.group_weights = vec![("latency".to_owned(), 60.0), ("errors".to_owned(), 30.0)];
    // 60·½ + 30·1 + the remaining 10·0.
    assert_eq!(judged(&s, &series).score, 60.0);
    s.metrics[0].weight = 3.0;
    assert_eq!(judged(&s, &series).score, 45.0, "60·¼ + 30");
    s.group_weights = vec![("errors".to_owned(), 100.0)];
    let state = judged(&s, &series);
    assert_eq!((state.score, state.verdict), (100.0, Verdict::Pass));
    s.pass = 101.0;
    assert_eq!(judged(&s, &series).verdict, Verdict::Marginal);
}

#[test]
fn outliers() {
    let mut values: Vec<f64> = (0..200).map(f64::from).collect();
    values.push(10_000.0);
    assert_eq!(without_outliers(&values, 3.0).len(), 200);
    assert_eq!(without_outliers(&[5.0, 5.0, 5.0], 3.0).len(), 3);
    assert!(without_outliers(&[], 3.0).is_empty());
    assert_eq!(percentile(&[1.0, 2.0, 3.0, 4.0], 50.0), Some(2.5));
    assert!((percentile(&[1.0, 2.0, 3.0, 4.0], 99.0).expect("a percentile") - 3.97).abs() < 1e-12);
    assert_eq!(percentile(&[], 50.0), None);
}

#[test]
fn verdicts_are_in_words() {
    let mut p99 = JudgeMetric { unit: "ms".to_owned(), ..metric("p99") };
    p99.group = "latency".to_owned();
    let s = JudgeSpec { pass: 80.0, ..spec(vec![p99, metric("cpu")]) };
    let stable: Vec<f64> = (0..30).map(|i| 28.0 + f64::from(i % 3)).collect();
    let canary: Vec<f64> = (0..30).map(|i| 83.0 + f64::from(i % 3)).collect();
    let state = judged(&s, &[("p99", &stable, &canary), ("cpu", &LOW, &LOW)]);
    assert_eq!(state.metrics[0].message, "84 ms against 29 ms, higher (p < 0.001)");
    assert_eq!(state.metrics[1].message, "14.5 against 14.5, no difference (p = 1.000)");
    assert_eq!(state.message, "score 50, passes at 80: p99 84 ms against 29 ms, higher (p < 0.001)");
    assert_eq!((state.passes_at, state.fails_below, state.verdict), (80.0, 75.0, Verdict::Fail));
}

/// Where both versions are the same, the judge says so about as often as it promises; where they are not, it sees it.
#[test]
fn errors_of_the_judge_are_as_rare_as_they_should_be() {
    let seed = 7;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut sample = |shift: f64, n: usize| -> Vec<f64> {
        (0..n).map(|_| (0..6).map(|_| random.random_range(0.0..20.0)).sum::<f64>() + shift).collect()
    };
    let (mut false_alarms, mut seen) = (0, 0);
    for _ in 0..500 {
        let (stable, same, other) = (sample(0.0, 40), sample(0.0, 40), sample(20.0, 40));
        false_alarms += usize::from(one(metric("m"), &stable, &same).0 != Class::Pass);
        seen += usize::from(one(metric("m"), &stable, &other).0 == Class::High);
    }
    // At 98 % confidence 10 of 500 are expected at most, less for the tolerance.
    assert!(false_alarms <= 20, "seed {seed}: {false_alarms} of 500 are false alarms");
    assert!(seen >= 495, "seed {seed}: {seen} of 500 are seen");
}

#[test]
fn many_values_are_thinned_evenly() {
    let many: Vec<f64> = (0..5000).map(f64::from).collect();
    let thin = rank::thinned(&many, rank::MOST);
    assert_eq!((thin.len(), thin[0], thin[999]), (1000, 0.0, 4995.0));
    assert_eq!(one(metric("m"), &many, &many).0, Class::Pass);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_is_measured_the_score_is_one(
        a in proptest::collection::vec(proptest::num::f64::ANY, 0..30),
        b in proptest::collection::vec(proptest::num::f64::ANY, 0..30),
        critical: bool, must: bool, replace: bool, outliers: bool,
    ) {
        let m = JudgeMetric {
            critical,
            must_have_data: must,
            nan_strategy: if replace { NanStrategy::Replace } else { NanStrategy::Remove },
            outliers: if outliers { Outliers::Remove } else { Outliers::Keep },
            ..metric("m")
        };
        let state = judged(&spec(vec![m, metric("n")]), &[("m", &a, &b), ("n", &LOW, &LOW)]);
        proptest::prop_assert!((0.0..=100.0).contains(&state.score));
        let text = serde_json::to_string(&state).expect("JSON");
        let back: JudgeState = serde_json::from_str(&text).expect("read again");
        proptest::prop_assert_eq!(back.metrics.len(), 2);
    }

    /// Exchanging the versions mirrors the comparison.
    #[test]
    fn the_comparison_is_symmetric(
        a in proptest::collection::vec(0i32..40, 1..40),
        b in proptest::collection::vec(0i32..40, 1..40),
    ) {
        let a: Vec<f64> = a.into_iter().map(f64::from).collect();
        let b: Vec<f64> = b.into_iter().map(f64::from).collect();
        match (rank::compare(&a, &b, 0.98), rank::compare(&b, &a, 0.98)) {
            (None, None) => {}
            (Some(x), Some(y)) => {
                proptest::prop_assert!((x.p_value - y.p_value).abs() < 1e-12);
                proptest::prop_assert!((x.shift + y.shift).abs() < 1e-12);
                proptest::prop_assert!((x.lower + y.upper).abs() < 1e-12, "{x:?} {y:?}");
                proptest::prop_assert!((x.u + y.u - (a.len() * b.len()) as f64).abs() < 1e-9);
                proptest::prop_assert!(x.lower <= x.shift && x.shift <= x.upper, "{x:?}");
                proptest::prop_assert!((0.0..=1.0).contains(&x.p_value));
            }
            other => proptest::prop_assert!(false, "{other:?}"),
        }
    }
}
