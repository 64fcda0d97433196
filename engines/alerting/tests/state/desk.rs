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
