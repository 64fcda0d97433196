//! Alerts and escalations together: one request, and what follows from it for both.

use quarterdeck_alerting::request::{Answer, Ask, Refused, Request};
use quarterdeck_alerting::{Desk, Done, Job};
use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Actor, Timestamp};

use super::{alert, at, desk};
use quarterdeck_alerting::desk::Step;

fn ask(desk: &mut Desk, request: Request, now: Timestamp) -> (Step, Result<Answer, Refused>) {
    let by = Actor { user: "ann".to_owned(), ..Actor::default() };
    desk.ask(Ask { request, by, told: false }, now)
}

fn done(desk: &mut Desk, request: Request, now: Timestamp) -> (Step, String) {
    match ask(desk, request, now) {
        (step, Ok(Answer::Done(text))) => (step, text),
        (_, other) => panic!("{other:?}"),
    }
}

/// A desk whose critical alert has paged Alice: the desk, the alert, the step that paged.
fn paged() -> (Desk, Fingerprint, Step) {
    let mut desk = desk();
    let (_, answer) = ask(&mut desk, Request::Post(vec![alert("alertname=Down,severity=critical")]), at(0));
    assert_eq!(answer, Ok(Answer::Posted { accepted: 1, refused: vec![] }));
    let step = desk.tick(at(5));
    let print = step.jobs.iter().find_map(|job| match job {
        Job::Page(page) => page.alerts.first().map(|a| a.alert.fingerprint),
        _ => None,
    });
    let print = print.expect("somebody is paged");
    (desk, print, step)
}

fn channels(step: &Step) -> Vec<String> {
    let pages = step.jobs.iter().filter_map(|job| match job {
        Job::Page(page) => Some(page.channel.to_string()),
        _ => None,
    });
    pages.collect()
}

#[test]
fn a_group_that_fires_is_told_and_paged_in_one_step_and_written_first() {
    let (_, _, step) = paged();
    assert_eq!(channels(&step), ["alice"]);
    assert!(step.jobs.iter().any(|job| matches!(job, Job::Notification(_))));
    let kinds: Vec<&str> = step.rows.iter().map(|row| row.kind).collect();
    for kind in ["attempt", "group", "escalation", "clock"] {
        assert!(kinds.contains(&kind), "{kind}: {kinds:?}");
    }
}

#[test]
fn an_acknowledgement_holds_as_long_as_the_policy_lets_it_and_then_pages_again() {
    let (mut desk, print, _) = paged();
    let request = Request::Acknowledge { alerts: vec![print], note: Some("on it".into()), hold: None };
    let (step, told) = done(&mut desk, request, at(20));
    assert_eq!(told, "Down acknowledged for 10m; paging stops");
    assert!(channels(&step).is_empty());
    // The second step's time passes, and nobody is paged.
    assert_eq!(channels(&desk.tick(at(300))), Vec::<String>::new());
    let mut again = Vec::new();
    for second in 300..700 {
        again.extend(channels(&desk.tick(at(second))));
    }
    assert!(!again.is_empty(), "the acknowledgement ran out and pages again");
}

#[test]
fn the_second_step_comes_at_its_time_or_at_once_when_asked() {
    let (mut desk, print, _) = paged();
    assert_eq!(channels(&desk.tick(at(64))), Vec::<String>::new());
    let (step, told) = done(&mut desk, Request::Escalate { alerts: vec![print] }, at(10));
    assert_eq!((channels(&step), told.contains("escalated")), (vec!["bob".to_owned()], true));
    let (mut desk, _, _) = paged();
    let mut late = Vec::new();
    for second in 6..80 {
        late.extend(channels(&desk.tick(at(second))));
    }
    assert_eq!(late, ["bob"]);
}

#[test]
fn assigned_to_a_schedule_is_assigned_to_whoever_is_on_call() {
    let (mut desk, print, _) = paged();
    let assign = |to: &str| Request::Assign { alerts: vec![print], to: Some(to.into()), note: None };
    let (_, told) = done(&mut desk, assign("schedule:day"), at(20));
    assert!(told.contains("assigned to alice"), "{told}");
    assert_eq!(
        desk.engine().alert(print).and_then(|a| a.owner().map(str::to_owned)).as_deref(),
        Some("alice")
    );
    let (step, told) = done(&mut desk, assign("person:bob"), at(21));
    assert!(told.contains("assigned to bob and paged"), "{told}");
    assert_eq!(channels(&step), ["bob"]);
    let (_, refused) = ask(&mut desk, assign("schedule:dya"), at(22));
    let refused = refused.unwrap_err();
    assert!(
        matches!(refused, Refused::Missing(_)) && refused.to_string().contains("did you mean day?"),
        "{refused}"
    );
    // Somebody whom the roster does not know becomes the owner, and is not paged.
    let (step, _) = done(&mut desk, assign("zoe"), at(23));
    assert!(channels(&step).is_empty());
}

#[test]
fn whoever_was_paged_hears_that_it_is_over_and_nobody_else() {
    let (mut desk, print, _) = paged();
    let (step, _) = done(&mut desk, Request::Resolve { alerts: vec![print], note: None }, at(20));
    let mut over = step.jobs;
    for second in 20..40 {
        over.extend(desk.tick(at(second)).jobs);
    }
    let over: Vec<_> =
        over.into_iter().filter_map(|j| if let Job::Over(o) = j { Some(o) } else { None }).collect();
    assert_eq!(over.len(), 1);
    assert_eq!(over[0].channels.iter().map(|c| &**c).collect::<Vec<_>>(), ["alice"]);
    assert!(over[0].alerts.iter().all(|a| a.ends_at.is_some()));
}

#[test]
fn what_is_asked_of_nothing_is_refused_and_changes_nothing() {
    let mut desk = desk();
    let nobody = Fingerprint(7);
    for request in [
        Request::Acknowledge { alerts: vec![nobody], note: None, hold: None },
        Request::Resolve { alerts: vec![nobody], note: None },
        Request::Escalate { alerts: vec![nobody] },
        Request::Retry(uuid::Uuid::nil()),
        Request::ExpireSilence(uuid::Uuid::nil()),
        Request::EndOverride("none".to_owned()),
    ] {
        let (step, refused) = ask(&mut desk, request.clone(), at(1));
        assert!(matches!(refused, Err(Refused::Missing(_))), "{request:?}: {refused:?}");
        assert!(step.jobs.is_empty() && step.rows.is_empty(), "{request:?}: {step:?}");
    }
}

#[test]
fn a_page_that_failed_goes_to_the_next_at_once_or_is_told() {
    let (mut desk, _, step) = paged();
    let page = step.jobs.iter().find_map(|job| match job {
        Job::Page(page) => Some(page.page.id.clone()),
        _ => None,
    });
    let failed = Done::Page {
        page: page.expect("a page"),
        channel: "alice".to_owned(),
        result: Err("no route to host".to_owned()),
    };
    let step = desk.done(failed, at(7));
    let told: Vec<String> = step.entries.iter().map(|entry| entry.summary.clone()).collect();
    assert_eq!(channels(&step), ["bob"], "{told:?}");
    assert!(told.iter().any(|t| t.contains("no route to host")), "{told:?}");
}

fn jobs(desk: &mut Desk, seconds: std::ops::Range<i64>) -> Vec<Job> {
    seconds.flat_map(|second| desk.tick(at(second)).jobs).collect()
}

fn paged_in(jobs: &[Job]) -> Vec<String> {
    jobs.iter()
        .filter_map(|job| if let Job::Page(page) = job { Some(page.channel.to_string()) } else { None })
        .collect()
}

fn over_in(jobs: &[Job]) -> usize {
    jobs.iter().filter(|job| matches!(job, Job::Over(_))).count()
}

fn acknowledge(desk: &mut Desk, print: Fingerprint, hold: Option<u64>, now: i64) {
    let hold = hold.map(std::time::Duration::from_secs);
    done(desk, Request::Acknowledge { alerts: vec![print], note: None, hold }, at(now));
}

fn silence(desk: &mut Desk, from: i64, until: i64) {
    let matchers = quarterdeck_alertmanager::Matchers::parse("alertname=Down").expect("matchers");
    let silence = quarterdeck_alerting::desk::new_silence(matchers, at(from), at(until), "ann", "known");
    let (_, answer) = ask(desk, Request::SetSilence(silence), at(from));
    assert!(matches!(answer, Ok(Answer::Silence(_))), "{answer:?}");
}

#[test]
fn an_alert_that_joins_an_acknowledged_group_pages() {
    let (mut desk, print, _) = paged();
    acknowledge(&mut desk, print, None, 20);
    let second = alert("alertname=Down,severity=critical,host=b");
    ask(&mut desk, Request::Post(vec![second]), at(30)).1.expect("taken");
    let jobs = jobs(&mut desk, 30..50);
    assert_eq!(paged_in(&jobs), ["alice"]);
    let page = jobs.iter().find_map(|job| if let Job::Page(page) = job { Some(page) } else { None });
    assert!(page.is_some_and(|page| page.page.title.contains("Down")), "{page:?}");
}

#[test]
fn an_acknowledged_alert_that_ends_and_fires_again_pages() {
    let (mut desk, print, _) = paged();
    acknowledge(&mut desk, print, None, 16);
    let mut ended = alert("alertname=Down,severity=critical");
    ended.ends_at = Some(at(17));
    ask(&mut desk, Request::Post(vec![ended]), at(17)).1.expect("taken");
    let mut again = alert("alertname=Down,severity=critical");
    again.starts_at = Some(at(18));
    ask(&mut desk, Request::Post(vec![again]), at(18)).1.expect("taken");
    assert_eq!(paged_in(&jobs(&mut desk, 18..40)), ["alice"]);
}

#[test]
fn the_shortest_acknowledgement_of_a_group_pages_when_it_ends() {
    let (mut desk, first, _) = paged();
    ask(&mut desk, Request::Post(vec![alert("alertname=Down,severity=critical,host=b")]), at(6))
        .1
        .expect("taken");
    jobs(&mut desk, 6..20);
    let second = desk.alerts_snapshot(at(20)).alerts.iter().map(|a| a.fingerprint).find(|p| *p != first);
    let second = second.expect("a second alert");
    acknowledge(&mut desk, first, Some(120), 20);
    acknowledge(&mut desk, second, Some(3000), 21);
    assert_eq!(paged_in(&jobs(&mut desk, 21..139)), [""; 0]);
    let again = paged_in(&jobs(&mut desk, 139..150));
    assert!(again.contains(&"alice".to_owned()), "{again:?}");
}

#[test]
fn what_is_silenced_climbs_no_further_and_begins_anew_after_it() {
    let (mut desk, _, _) = paged();
    silence(&mut desk, 20, 200);
    assert!(desk.escalations().open().is_empty(), "at once, not at the next look");
    assert_eq!(paged_in(&jobs(&mut desk, 20..200)), [""; 0]);
    assert_eq!(paged_in(&jobs(&mut desk, 200..220)), ["alice"], "it still fires when the silence ends");
}

#[test]
fn whoever_was_paged_hears_of_the_end_of_what_was_silenced_since() {
    let (mut desk, print, _) = paged();
    silence(&mut desk, 20, 2000);
    assert_eq!(over_in(&jobs(&mut desk, 20..60)), 0, "silenced is not over");
    let (step, _) = done(&mut desk, Request::Resolve { alerts: vec![print], note: None }, at(60));
    let later = jobs(&mut desk, 60..100);
    assert_eq!(over_in(&step.jobs) + over_in(&later), 1);
}

#[test]
fn whoever_was_paged_hears_of_the_end_where_the_receiver_hears_of_none() {
    // Nothing is sent of the end, so that the group is gone in the same step.
    let yaml = "route: {receiver: hook, group_by: [alertname], group_wait: 5s, group_interval: 10s, repeat_interval: 1h}\n\
                receivers:\n- name: hook\n- name: alice\n- name: bob\n";
    let mut desk = super::desk_with(super::plan_of(yaml));
    let mut short = alert("alertname=Down,severity=critical");
    short.ends_at = Some(at(30));
    ask(&mut desk, Request::Post(vec![short]), at(0)).1.expect("taken");
    let jobs = jobs(&mut desk, 1..60);
    assert_eq!((paged_in(&jobs), over_in(&jobs)), (vec!["alice".to_owned()], 1));
}

#[test]
fn nobody_is_paged_for_what_ended_before_the_group_is_looked_at() {
    let yaml = "route: {receiver: hook, group_by: [alertname], group_wait: 5s, group_interval: 5m, repeat_interval: 1h}\n\
                receivers:\n- name: hook\n  webhook_configs: [{url: 'http://127.0.0.1:1'}]\n- name: alice\n- name: bob\n";
    let mut desk = super::desk_with(super::plan_of(yaml));
    let mut short = alert("alertname=Down,severity=critical");
    short.ends_at = Some(at(30));
    ask(&mut desk, Request::Post(vec![short]), at(0)).1.expect("taken");
    let jobs = jobs(&mut desk, 1..400);
    assert_eq!(paged_in(&jobs), ["alice"], "Bob's step comes after the end");
    assert_eq!(over_in(&jobs), 1);
}

#[test]
fn what_an_operator_resolved_stays_so_as_long_as_its_source_tells_of_it() {
    let (mut desk, print, _) = paged();
    done(&mut desk, Request::Resolve { alerts: vec![print], note: None }, at(20));
    let mut told = Vec::new();
    for second in 21..4 * 3600 {
        if second % 60 == 0 {
            let mut again = alert("alertname=Down,severity=critical");
            again.starts_at = Some(at(0));
            again.ends_at = Some(at(second + 240));
            let (step, answer) = ask(&mut desk, Request::Post(vec![again]), at(second));
            answer.expect("taken");
            told.extend(step.jobs);
        }
        told.extend(desk.tick(at(second)).jobs);
    }
    assert_eq!(paged_in(&told), [""; 0]);
    let firing = desk.engine().alert(print).is_some_and(|alert| alert.state.is_open());
    assert!(!firing);
}

/// Processor time that this thread has had, in ns: what else the machine does is not in it.
fn spent() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the thread's own figures");
    text.split_whitespace().next().and_then(|n| n.parse().ok()).expect("a number")
}

#[test]
fn taking_all_alerts_of_a_group_costs_each_the_same_however_many() {
    let cost = |count: usize| {
        let mut desk = desk();
        let batch = (0..count).map(|n| alert(&format!("alertname=Down,host=h{n}"))).collect();
        let (_, answer) = ask(&mut desk, Request::Post(batch), at(1));
        answer.expect("they are taken");
        let alerts: Vec<_> = desk.alerts_snapshot(at(1)).alerts.iter().map(|a| a.fingerprint).collect();
        assert_eq!(alerts.len(), count);
        let begun = spent();
        let all = Request::Acknowledge { alerts, note: None, hold: None };
        let (_, answer) = ask(&mut desk, all, at(2));
        answer.expect("they are acknowledged");
        (spent() - begun) as f64 / count as f64
    };
    // Once to warm up.
    cost(100);
    let (few, many) = (cost(1000), cost(20_000));
    assert!(many < few * 8.0, "each of 1,000 costs {few:.0} ns, each of 20,000 {many:.0} ns");
}
