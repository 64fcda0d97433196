use super::*;

const RULES: Rules = Rules { break_after: 2, mend_after: 3 };

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

fn well() -> Measured {
    let targets = Targets { up: 2, total: 2 };
    Measured { told: true, fresh: true, targets, p99: Some(20.0), errors: Some(0.0), ..Measured::default() }
}

fn slow() -> Measured {
    Measured { p99: Some(84.0), ..well() }
}

fn limits() -> InForce {
    InForce { latency: Some(50.0), down_errors: Some(50.0), ..InForce::default() }
}

/// Assesses one measurement every 5 s from 0, and gives every verdict.
fn run(measurements: &[Measured], limits: &InForce) -> Vec<Verdict> {
    let mut state = State::default();
    let step = |(i, m): (usize, &Measured)| {
        let (next, verdict) = assess(&state, m, limits, RULES, at(5 * i as i64));
        state = next;
        verdict
    };
    measurements.iter().enumerate().map(step).collect()
}

fn healths(verdicts: &[Verdict]) -> Vec<&'static str> {
    verdicts.iter().map(|v| v.health.as_str()).collect()
}

#[test]
fn one_break_is_no_breach_two_are_and_it_began_with_the_first() {
    let verdicts = run(&[well(), slow(), well(), slow(), slow()], &limits());
    assert_eq!(healths(&verdicts), ["ok", "ok", "ok", "ok", "degraded"]);
    let last = &verdicts[4];
    assert_eq!(last.since, at(15));
    assert_eq!(last.reason, "p99 84 ms, limit 50 ms");
    assert_eq!(last.breaches[0].what, Limited::Latency);
    assert_eq!(last.breaches[0].since, at(15));
}

#[test]
fn it_is_well_again_after_the_limit_was_kept_three_times() {
    let m = [slow(), slow(), well(), well(), slow(), well(), well(), well()];
    let verdicts = run(&m, &limits());
    assert_eq!(
        healths(&verdicts),
        ["ok", "degraded", "degraded", "degraded", "degraded", "degraded", "degraded", "ok"]
    );
    assert_eq!(verdicts[6].since, at(0), "one long breach, not two");
    assert_eq!(verdicts[7].since, at(35));
    assert_eq!(verdicts[7].reason, "");
}

#[test]
fn a_value_at_its_limit_keeps_it() {
    let m = Measured { p99: Some(50.0), ..well() };
    assert_eq!(healths(&run(&[m.clone(), m.clone(), m], &limits())), ["ok", "ok", "ok"]);
}

#[test]
fn without_new_data_nothing_is_known() {
    let old = Measured { fresh: false, ..slow() };
    let verdicts = run(&[well(), old.clone(), old], &limits());
    assert_eq!(healths(&verdicts), ["ok", "unknown", "unknown"]);
    assert_eq!((verdicts[2].since, verdicts[2].reason.as_str()), (at(5), "no new data"));
}

#[test]
fn no_target_that_answers_is_down_even_when_all_else_is_old() {
    let gone =
        Measured { told: true, fresh: false, targets: Targets { up: 0, total: 2 }, ..Measured::default() };
    let verdicts = run(&[well(), gone.clone(), gone], &limits());
    assert_eq!(healths(&verdicts), ["ok", "unknown", "down"]);
    assert_eq!(verdicts[2].reason, "none of 2 targets answers");
    assert_eq!(verdicts[2].since, at(5));
    let half = Measured { targets: Targets { up: 1, total: 2 }, ..well() };
    let verdicts = run(&[half.clone(), half], &limits());
    assert_eq!(
        (verdicts[1].health, verdicts[1].reason.as_str()),
        (Health::Degraded, "1 of 2 targets do not answer")
    );
}

#[test]
fn failing_most_requests_is_down_with_or_without_a_limit_on_errors() {
    let failing = Measured { errors: Some(73.0), ..well() };
    let verdicts = run(&[failing.clone(), failing.clone()], &limits());
    assert_eq!((verdicts[1].health, verdicts[1].reason.as_str()), (Health::Down, "73 % of requests fail"));
    let limited = InForce { errors: Some(1.0), ..limits() };
    let verdicts = run(&[failing.clone(), failing], &limited);
    assert_eq!(verdicts[1].breaches.len(), 1);
    assert_eq!(
        (verdicts[1].health, verdicts[1].reason.as_str()),
        (Health::Down, "73 % of requests fail, limit 1 %")
    );
}

#[test]
fn the_worst_breach_gives_the_reason() {
    let limits = InForce { errors: Some(1.0), saturation: Some(80.0), ..limits() };
    let m = Measured {
        errors: Some(3.0),
        saturation: Some(("workers".to_owned(), 88.0)),
        p99: Some(84.0),
        ..well()
    };
    let verdicts = run(&[m.clone(), m], &limits);
    let order: Vec<&Limited> = verdicts[1].breaches.iter().map(|b| &b.what).collect();
    assert_eq!(order, [&Limited::Errors, &Limited::Latency, &Limited::Saturation]);
    assert_eq!(verdicts[1].breaches[2].text, "workers 88 % full, limit 80 %");
}

#[test]
fn a_transaction_that_misses_its_target_degrades_at_once() {
    let mut limits = limits();
    let level = Level { threshold: Some(50.0), target: Some(99.5) };
    limits.transactions.insert("POST /orders".to_owned(), level);
    let mut m = well();
    m.attainment.insert("POST /orders".to_owned(), 99.37);
    m.attained_over = Duration::from_secs(900);
    let verdicts = run(&[m], &limits);
    assert_eq!(verdicts[0].health, Health::Degraded);
    assert_eq!(verdicts[0].reason, "POST /orders: 99.37 % within 50 ms, target 99.5 %, over the last 15 m");
}

#[test]
fn a_limit_that_is_taken_away_is_forgotten() {
    let (state, verdict) = assess(&State::default(), &slow(), &limits(), RULES, at(0));
    let (state, _) = assess(&state, &slow(), &limits(), RULES, at(5));
    assert_eq!(verdict.health, Health::Ok);
    let (state, verdict) = assess(&state, &slow(), &InForce::default(), RULES, at(10));
    assert_eq!((verdict.health, verdict.breaches.len()), (Health::Ok, 0));
    let (_, verdict) = assess(&state, &slow(), &limits(), RULES, at(15));
    assert_eq!(verdict.health, Health::Ok, "the row of breaks begins anew");
}

#[test]
fn unknown_values_break_nothing_and_mend_in_time() {
    let idle = Measured { p99: None, ..well() };
    let verdicts = run(&[slow(), slow(), idle.clone(), idle.clone(), idle], &limits());
    assert_eq!(healths(&verdicts), ["ok", "degraded", "degraded", "degraded", "ok"]);
}

#[test]
fn getting_worse_keeps_the_time_of_what_is_worse() {
    let worse = Measured { errors: Some(90.0), ..slow() };
    let verdicts = run(&[slow(), slow(), worse.clone(), worse], &limits());
    assert_eq!(healths(&verdicts), ["ok", "degraded", "degraded", "down"]);
    assert_eq!(verdicts[3].since, at(10), "down since it began to fail, degraded before");
}

#[test]
fn another_limit_begins_the_breach_anew() {
    let tighter = InForce { latency: Some(40.0), ..limits() };
    let wider = InForce { latency: Some(100.0), ..limits() };
    let mut state = State::default();
    let mut assessed = |limits: &InForce, seconds| {
        let (next, verdict) = assess(&state, &slow(), limits, RULES, at(seconds));
        state = next;
        verdict
    };
    assessed(&limits(), 0);
    let verdict = assessed(&limits(), 5);
    assert_eq!((verdict.health, verdict.since), (Health::Degraded, at(0)));
    let verdict = assessed(&tighter, 60);
    assert_eq!((verdict.health, verdict.since), (Health::Degraded, at(60)), "since the limit is that tight");
    assert_eq!(verdict.breaches[0].since, at(60));
    assert_eq!(verdict.reason, "p99 84 ms, limit 40 ms");
    let verdict = assessed(&tighter, 65);
    assert_eq!(verdict.since, at(60));
    let verdict = assessed(&wider, 70);
    assert_eq!((verdict.health, verdict.breaches.len()), (Health::Ok, 0), "the new limit holds, at once");
    let verdict = assessed(&limits(), 75);
    assert_eq!(verdict.health, Health::Ok, "one break is no breach of a new limit either");
    assert_eq!(assessed(&limits(), 80).since, at(75));
}

#[test]
fn another_limit_leaves_other_breaches_alone() {
    let both = InForce { errors: Some(1.0), ..limits() };
    let m = Measured { errors: Some(3.0), ..slow() };
    let (state, _) = assess(&State::default(), &m, &both, RULES, at(0));
    let (state, _) = assess(&state, &m, &both, RULES, at(5));
    let tighter = InForce { latency: Some(40.0), ..both };
    let (_, verdict) = assess(&state, &m, &tighter, RULES, at(60));
    let since: Vec<_> = verdict.breaches.iter().map(|b| (b.what.clone(), b.since)).collect();
    assert_eq!(since, [(Limited::Errors, at(0)), (Limited::Latency, at(60))]);
    assert_eq!(verdict.since, at(0), "it was not well before");
}

#[test]
fn a_service_with_a_dead_target_is_never_briefly_well() {
    let nothing = Measured::default();
    let dead = Measured { told: true, fresh: true, targets: Targets { up: 0, total: 1 }, ..nothing.clone() };
    let verdicts = run(&[nothing.clone(), dead.clone(), dead], &limits());
    assert_eq!(healths(&verdicts), ["unknown", "unknown", "down"]);
    let half = Measured { told: true, fresh: true, targets: Targets { up: 1, total: 2 }, ..nothing.clone() };
    assert_eq!(healths(&run(&[nothing, half.clone(), half], &limits())), ["unknown", "unknown", "degraded"]);
}
