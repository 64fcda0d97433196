//! The parts: relations, bends, what is left out, words.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::sample::Sample;
use quarterdeck_kernel::{Actor, ChangeKind, EntryId, Invocation, Labels, Phase, Subject, SubjectKind};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::bend::{Form, MAX_SAMPLES, changes};
use super::scenarios::{Line, at, metric, platform, shaped};
use super::{Answer, Direction, MAX_SUSPECTS, Question, Relation, Series, what_changed};

fn ask_with(labels: &Labels, series: &[Series<'_>], line: &Line) -> Answer {
    let question = Question {
        service: labels.get("service"),
        labels,
        began: at(0),
        window: Duration::from_secs(3600),
        depends_on: &platform(),
        series,
    };
    what_changed(&question, &line.0)
}

fn ask(line: &Line) -> Answer {
    ask_with(&Labels::from_pairs([("service", "orders")]), &[], line)
}

#[test]
fn relations_follow_the_catalogue_both_ways() {
    let platform = platform();
    let between = |a, b| Relation::between(a, b, &platform);
    let way = |names: &[&str]| names.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(between("orders", "orders"), Relation::Same);
    assert_eq!(between("orders", "ledger"), Relation::Needs(way(&["orders", "ledger"])));
    assert_eq!(
        between("gateway", "postgres"),
        Relation::Needs(way(&["gateway", "orders", "ledger", "postgres"]))
    );
    assert_eq!(between("orders", "gateway"), Relation::NeededBy(way(&["gateway", "orders"])));
    assert_eq!(between("reports", "orders"), Relation::Shares("ledger".to_owned()));
    assert_eq!(between("market-data", "reports"), Relation::None);
    assert_eq!(between("orders", "who"), Relation::None);
    let circle: BTreeMap<String, Vec<String>> =
        [("a", "b"), ("b", "a")].map(|(x, y)| (x.to_owned(), vec![y.to_owned()])).into();
    assert_eq!(Relation::between("a", "c", &circle), Relation::None, "circles end");
    let words = between("gateway", "postgres").words("gateway", "postgres");
    assert_eq!(words, "gateway needs postgres (gateway → orders → ledger → postgres)");
    let closer = |a: &Relation, b: &Relation| assert!(a.factor() > b.factor(), "{a:?} {b:?}");
    closer(&between("orders", "orders"), &between("orders", "ledger"));
    closer(&between("orders", "ledger"), &between("orders", "postgres"));
    closer(&between("orders", "postgres"), &between("orders", "reports"));
    closer(&between("orders", "reports"), &between("market-data", "reports"));
}

#[test]
fn a_step_is_found_where_it_is() {
    for seed in 0..50 {
        let samples = metric(&[(-3600, 29.0), (-600, 84.0)], 8.0, 0, seed);
        let found = changes(&samples, Direction::Up);
        assert_eq!(found.len(), 1, "seed {seed}: {found:?}");
        let change = found[0];
        assert_eq!((change.at, change.last, change.form), (at(-600), at(-605), Form::Step), "seed {seed}");
        assert!(
            (change.from - 29.0).abs() < 2.0 && (change.to - 84.0).abs() < 5.0,
            "seed {seed}: {change:?}"
        );
        assert!(changes(&samples, Direction::Down).is_empty(), "seed {seed}: it is not worse that way");
    }
}

#[test]
fn noise_spikes_and_constants_are_no_change() {
    for seed in 0..100 {
        let flat = metric(&[(-3600, 50.0)], 10.0, 0, seed);
        assert_eq!(changes(&flat, Direction::Either), [], "seed {seed}");
        let spiky = shaped(3.0, seed, |t| if t % 300 == 0 { 500.0 } else { 50.0 });
        assert_eq!(changes(&spiky, Direction::Either), [], "seed {seed}: single spikes");
    }
    assert_eq!(changes(&metric(&[(-3600, 0.0)], 0.0, 0, 1), Direction::Either), []);
    assert_eq!(changes(&[], Direction::Either), []);
}

#[test]
fn a_climb_has_a_knee() {
    for seed in 0..30 {
        let climb = shaped(1.0, seed, |t| if t < -1800 { 500.0 } else { 500.0 + (t + 1800) as f64 * 0.3 });
        let found = changes(&climb, Direction::Up);
        assert_eq!(found.len(), 1, "seed {seed}: {found:?}");
        assert_eq!(found[0].form, Form::Knee, "seed {seed}");
        let off = found[0].at.as_millis() - at(-1800).as_millis();
        assert!(off.abs() < 120_000, "seed {seed}: {off} ms off");
    }
}

#[test]
fn a_rate_over_a_window_is_dated_at_its_begin() {
    for seed in 0..30 {
        let blurred = metric(&[(-3600, 10.0), (-900, 50.0)], 3.0, 60, seed);
        let found = changes(&blurred, Direction::Up);
        assert_eq!(found.len(), 1, "seed {seed}: {found:?}");
        let off = found[0].at.as_millis() - at(-900).as_millis();
        assert!((0..=30_000).contains(&off), "seed {seed}: {off} ms after");
    }
}

#[test]
fn gaps_and_too_many_samples_are_borne() {
    let mut samples = metric(&[(-3600, 10.0), (-900, 50.0)], 3.0, 0, 3);
    for sample in samples.iter_mut().step_by(7) {
        sample.v = f64::NAN;
    }
    assert_eq!(changes(&samples, Direction::Up).len(), 1);
    let many: Vec<Sample> =
        (0..20_000).map(|i| Sample { t: at(i), v: if i < 19_500 { 1.0 } else { 2.0 } }).collect();
    assert!(many.len() > MAX_SAMPLES);
    assert_eq!(changes(&many, Direction::Up).len(), 1);
}

#[test]
fn any_samples_are_borne() {
    let odd =
        [0.0, -0.0, 1.0, -1.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::INFINITY, f64::NAN, 1e-300, 1e9];
    for seed in 0..300 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = random.random_range(0..80);
        let mut draw =
            || Sample { t: at(random.random_range(-100..100)), v: odd[random.random_range(0..odd.len())] };
        let samples: Vec<Sample> = (0..count).map(|_| draw()).collect();
        for change in changes(&samples, Direction::Either) {
            assert!(samples.iter().any(|s| s.t == change.at), "seed {seed}: {change:?}");
        }
    }
}

#[test]
fn what_cannot_be_the_cause_is_left_out() {
    let mut line = Line::default();
    line.add(-4000, ChangeKind::Deployment, "orders", "outside the window");
    line.add(60, ChangeKind::Deployment, "orders", "after it");
    line.add(-30, ChangeKind::Acknowledgement, "orders", "acknowledged");
    assert_eq!(ask(&line), Answer { other: 1.0, ..Answer::default() });
}

#[test]
fn an_intent_is_told_with_its_outcome_and_dated_at_its_begin() {
    let mut line = Line::default();
    let intent = line.add(-300, ChangeKind::Deployment, "orders", "orders v2 begins");
    intent.phase = Phase::Intent;
    let id = intent.id.clone();
    line.add(-60, ChangeKind::Deployment, "orders", "orders v2 done").outcome_of = Some(id);
    let open = line.add(-20, ChangeKind::Flag, "orders", "flag on its way");
    open.phase = Phase::Intent;
    let answer = ask(&line);
    let told: Vec<(u64, u64)> = answer.suspects.iter().map(|s| (s.entry.seq, s.before.as_secs())).collect();
    assert_eq!(told, [(3, 20), (2, 300)]);
    assert_eq!(answer.suspects[0].why(), "same service, 20 s before, still under way");
}

#[test]
fn every_reason_can_be_checked() {
    let samples = metric(&[(-3600, 29.0), (-7, 84.0)], 2.0, 0, 1);
    let series = [Series {
        name: "p99 of orders",
        unit: "ms",
        service: None,
        worse: Direction::Up,
        samples: &samples,
    }];
    let mut line = Line::default();
    let revert = Invocation::new("deploy.rollback", Actor::system("ops-1"));
    line.add(-12, ChangeKind::Deployment, "orders", "orders v2 canary").undo = Some(revert.clone());
    line.add(-900, ChangeKind::Flag, "ledger", "flag").phase = Phase::Failed;
    line.add(-700, ChangeKind::Configuration, "", "reload").undone_by =
        Some(EntryId { writer: "desk".to_owned(), seq: 4 });
    line.add(-640, ChangeKind::Configuration, "", "reload undone");
    let labels = Labels::from_pairs([("service", "orders")]);
    let answer = ask_with(&labels, &series, &line);
    let first = &answer.suspects[0];
    let said = first.why();
    assert!(said.starts_with("p99 of orders went from 2"), "{said}");
    assert!(said.ends_with(" ms 7 s after it, same service, 12 s before"), "{said}");
    assert_eq!(first.undo, Some(revert));
    assert!(first.likely > 0.8, "{}", first.likely);
    let other = |seq| answer.suspects.iter().find(|s| s.entry.seq == seq).unwrap().why();
    assert!(
        other(2).starts_with("orders needs ledger, 15 m before, p99 of orders changed at another time (")
    );
    assert!(other(2).ends_with("it failed"));
    assert!(other(3).contains("of no one service, 11 m before"), "{}", other(3));
    assert!(other(3).ends_with("undone 1 m later, before the trouble"), "{}", other(3));
}

#[test]
fn an_entry_about_what_a_label_names_is_about_the_alert() {
    let mut line = Line::default();
    line.add(-60, ChangeKind::Operation, "", "route drained").subject =
        Some(Subject::new(SubjectKind::Route, "/orders"));
    line.add(-60, ChangeKind::Operation, "", "route drained").subject =
        Some(Subject::new(SubjectKind::Route, "/risk"));
    let labels = Labels::from_pairs([("alertname", "Slow"), ("route", "/orders")]);
    let answer = ask_with(&labels, &[], &line);
    assert_eq!(answer.suspects[0].entry.seq, 1);
    assert_eq!(answer.suspects[0].why(), "the alert's route /orders, 1 m before");
    assert_eq!(answer.suspects[1].why(), "of no one service, 1 m before");
}

#[test]
fn what_does_not_fit_is_counted_and_the_order_is_always_the_same() {
    let mut line = Line::default();
    for n in 0..50 {
        line.add(-60 - n % 3, ChangeKind::Flag, "orders", "flag");
    }
    let answer = ask(&line);
    assert_eq!((answer.suspects.len(), answer.considered, answer.dropped), (MAX_SUSPECTS, 50, 30));
    line.0.reverse();
    assert_eq!(ask(&line), answer, "whatever the order of the entries");
    let rising = answer.suspects.windows(2).all(|w| w[0].likely >= w[1].likely);
    assert!(rising);
}
