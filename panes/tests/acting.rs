//! What keys in the alerts pane act on, whatever the list has become meanwhile.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;

use quarterdeck_alerting::actions;
use quarterdeck_alerting::engine::Effects;
use quarterdeck_kernel::{
    ChangeKind, Entry, EntryId, Health, Invocation, Moment, Severity, Subject, SubjectKind,
};
use quarterdeck_panes::World;
use quarterdeck_panes::alerts::Alerts;
use quarterdeck_panes::oncall::Oncall;
use quarterdeck_panes::overview::Overview;
use quarterdeck_panes::world::{Answer, Query, Timeline};
use quarterdeck_services::ServiceView;
use quarterdeck_ui::pane::World as _;
use quarterdeck_ui::{Click, Effect, Event, Pane as _};
use support::alerts::{
    alert, desk, dispatched, ends, engine, high, kill, later, posted, print, three, toasts,
};
use support::{NOW, Stage, at, deployed};

const REJECTS: [(&str, &str); 3] =
    [("alertname", "OrderRejectRate"), ("service", "orders"), ("severity", "warning")];

fn acknowledged(labels: &[(&str, &str)]) -> (String, String) {
    (actions::ACKNOWLEDGE.to_owned(), alert(labels))
}

#[test]
fn a_form_acts_on_what_it_was_opened_for() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine), (120, 30));
    stage.keys("n");
    stage.types("mine");
    // A new alert comes up, the operator clicks on it, and only then presses Enter.
    engine.post(vec![posted(&kill(), -1)], NOW, &mut Effects::default());
    later(&mut stage, &mut engine);
    stage.click("table", Click::Press, (4, 1));
    assert_eq!(dispatched(&stage.keys("enter")), [acknowledged(&high())]);
}

#[test]
fn a_form_refuses_what_is_gone_and_says_so() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine), (120, 30));
    stage.keys("o");
    ends(&mut engine, &high());
    later(&mut stage, &mut engine);
    let effects = stage.keys("enter");
    assert!(dispatched(&effects).is_empty(), "{:?}", dispatched(&effects));
    assert_eq!(toasts(&effects), ["assign OrderLatencyHigh: nothing was done, the alert is resolved"]);

    // Of several those that are left are done, and how many are not is told.
    let mut engine = support::alerts::engine(three());
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine), (120, 30));
    stage.keys("m m n");
    ends(&mut engine, &high());
    later(&mut stage, &mut engine);
    let effects = stage.keys("enter");
    assert_eq!(dispatched(&effects), [acknowledged(&REJECTS)]);
    assert_eq!(toasts(&effects), ["1 of 2 left out: the alert is resolved"]);
}

#[test]
fn a_silence_of_several_needs_matchers() {
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine(three())), (120, 30));
    stage.keys("m m z up ctrl-u");
    let effects = stage.keys("enter");
    assert!(dispatched(&effects).is_empty(), "{:?}", dispatched(&effects));
    assert_eq!(toasts(&effects), ["say which alerts: the matchers are empty"]);
    assert!(stage.screen().contains("silence 2 alerts"), "the form stays:\n{}", stage.screen());
}

#[test]
fn the_cursor_stays_on_what_was_seen_first() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine), (120, 30));
    engine.post(vec![posted(&kill(), -1)], NOW, &mut Effects::default());
    later(&mut stage, &mut engine);
    let screen = stage.screen();
    let row = |name: &str| screen.lines().position(|l| l.contains(name));
    assert!(row("KillSwitch") < row("OrderLatencyHigh"), "{screen}");
    assert_eq!(dispatched(&stage.keys("a")), [acknowledged(&high())]);
}

#[test]
fn an_open_alert_is_known_wherever_it_is() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine), (100, 40));
    stage.keys("enter");
    stage.scope.service = Some("ledger".to_owned());
    stage.event(Event::Scope);
    let screen = stage.screen();
    assert!(screen.contains("OrderLatencyHigh") && !screen.contains("no longer known"), "{screen}");
    assert_eq!(dispatched(&stage.keys("a")), [acknowledged(&high())]);
    // Resolved it is still told, and nothing is done about it any more.
    ends(&mut engine, &high());
    later(&mut stage, &mut engine);
    let screen = stage.screen();
    assert!(screen.contains("resolved") && !screen.contains("no longer known"), "{screen}");
    assert_eq!(toasts(&stage.keys("a")), ["the alert is resolved"]);
}

#[test]
fn what_of_a_closed_group_is_left_stays_marked() {
    let many = (0..450).map(|n| {
        let instance = format!("host-{n}");
        posted(&[("alertname", "Down"), ("instance", &instance), ("severity", "warning")], -n)
    });
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine(many.collect())), (120, 30));
    stage.keys("v");
    let mut done = BTreeSet::new();
    for (at_once, told) in [
        (200, "200 at once; 250 more stay marked: press again"),
        (200, "200 at once; 50 more stay marked: press again"),
        (50, ""),
    ] {
        let effects = stage.keys("a");
        let subjects = dispatched(&effects);
        assert_eq!(subjects.len(), at_once);
        done.extend(subjects);
        assert_eq!(toasts(&effects), if told.is_empty() { vec![] } else { vec![told] });
    }
    assert_eq!(done.len(), 450, "each of them once");
    assert!(!stage.screen().contains("marked"), "{}", stage.screen());
}

#[test]
fn a_large_group_is_acted_on_within_a_frame() {
    let many = (0..10_000).map(|n| {
        let instance = format!("host-{n}");
        posted(&[("alertname", "Down"), ("instance", &instance), ("severity", "warning")], -n)
    });
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine(many.collect())), (120, 30));
    let Some(Effect::Query { query: Query::Arrange(asked), .. }) = stage.effects.pop() else {
        panic!("nothing is arranged")
    };
    let arranged = quarterdeck_widgets::table::arrange(&*asked.rows, &asked.spec);
    stage.answer("arrange", Ok(Answer::Arrange(arranged)));
    stage.keys("v");
    let took = support::processor_time(|| assert_eq!(dispatched(&stage.keys("a")).len(), 200));
    // Even in a debug build a look at all of them is some milliseconds; one for each of them is many seconds.
    assert!(took < std::time::Duration::from_secs(2), "{took:?}");
}

#[test]
fn marks_follow_their_alerts_and_go_with_them() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine), (120, 30));
    // Marked, then out of the list: by a filter, and in a closed group.
    stage.keys("m m / l e d g e r enter");
    let done: BTreeSet<_> = dispatched(&stage.keys("a")).into_iter().collect();
    assert_eq!(done, BTreeSet::from([acknowledged(&high()), acknowledged(&REJECTS)]));
    stage.keys("esc m v");
    assert!(stage.screen().contains("1 marked"), "{}", stage.screen());
    assert_eq!(dispatched(&stage.keys("a")).len(), 1);
    // A group's line marks all of its alerts.
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine), (120, 30));
    stage.keys("v m");
    assert!(stage.screen().contains("2 marked"), "{}", stage.screen());
    stage.keys("up m");
    assert!(!stage.screen().contains("marked"), "{}", stage.screen());
    // What is gone is marked no more; the others stay.
    stage.keys("up m");
    let mut world = desk(&mut support::alerts::engine(vec![posted(&REJECTS, -60)]));
    Arc::make_mut(&mut world.alerting).version = 20;
    stage.world = world;
    stage.event(Event::World);
    let effects = std::mem::take(&mut stage.effects);
    assert_eq!(toasts(&effects), ["a marked alert is gone: 1 stay marked"]);
    assert_eq!(dispatched(&stage.keys("a")), [acknowledged(&REJECTS)]);
}

#[test]
fn an_export_of_many_tells_what_is_left() {
    let many = (0..20).map(|n| {
        let instance = format!("host-{n}");
        posted(&[("alertname", "Down"), ("instance", &instance), ("severity", "warning")], -n)
    });
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine(many.collect())), (120, 30));
    for _ in 0..20 {
        stage.keys("m");
    }
    let effects = stage.keys("X");
    let all = dispatched(&effects);
    assert_eq!(all.len(), 8);
    assert!(all.iter().all(|(action, _)| action == actions::EXPORT), "{all:?}");
    assert_eq!(toasts(&effects), ["8 at once; 12 more stay marked: press again"]);
    assert!(stage.screen().contains("12 marked"), "{}", stage.screen());
}

#[test]
fn on_call_takes_all_of_an_escalation_press_by_press() {
    let many = (0..300).map(|n| {
        let instance = format!("host-{n}");
        posted(
            &[
                ("alertname", "Down"),
                ("service", "orders"),
                ("instance", &instance),
                ("severity", "critical"),
            ],
            -n,
        )
    });
    let mut engine = engine(many.chain(three()).collect());
    let mut stage = Stage::new(Oncall::new(), desk(&mut engine), (100, 24));
    stage.keys("v");
    let effects = stage.keys("a");
    let first = dispatched(&effects);
    assert_eq!(first.len(), 200);
    assert_eq!(toasts(&effects), ["200 at once; 102 more are left: press again"]);
    let prints: Vec<_> =
        first.iter().filter_map(|(_, subject)| subject.strip_prefix("alert:")?.parse().ok()).collect();
    engine
        .acknowledge(&prints, &"ops-1".into(), &"".into(), None, NOW, &mut Effects::default())
        .expect("they fire");
    later(&mut stage, &mut engine);
    let rest = dispatched(&stage.keys("a"));
    assert_eq!(rest.len(), 102);
    assert!(rest.iter().all(|one| !first.contains(one)), "none twice");
}

/// A change of orders that can be undone, before its trouble.
fn change(seq: u64, seconds: i64) -> Arc<Entry> {
    let undo = Invocation::new("x.y", quarterdeck_kernel::Actor::default());
    let id = EntryId { writer: "deck".to_owned(), seq };
    let summary = format!("orders change {seq}");
    Arc::new(Entry { id, at: at(seconds), undo: Some(undo), summary, ..(*deployed()).clone() })
}

fn question(effects: &[Effect<World>]) -> Option<(Query, &'static str)> {
    effects.iter().find_map(|effect| match effect {
        Effect::Query { slot, query: query @ Query::Timeline { .. } } => Some((query.clone(), *slot)),
        _ => None,
    })
}

#[test]
fn what_changed_asks_the_store_and_says_how_far_it_reached() {
    let mut world = desk(&mut engine(three()));
    // All that is at hand is what alerts did.
    let flood = Arc::new(Entry { kind: ChangeKind::Alert, ..(*deployed()).clone() });
    world.timeline = Arc::new(Timeline { entries: Arc::from([flood]), ..Timeline::default() });
    let mut stage = Stage::new(Alerts::new(), world, (100, 30));
    let effects = stage.keys("w");
    let Some((Query::Timeline { filter, before: None, .. }, slot)) = question(&effects) else {
        panic!("nothing is asked")
    };
    assert!(
        filter.kinds.contains(&ChangeKind::Deployment) && filter.kinds.len() == ChangeKind::ALL.len() - 2
    );
    assert!(
        !filter.kinds.contains(&ChangeKind::Alert) && !filter.kinds.contains(&ChangeKind::Acknowledgement)
    );
    assert_eq!((filter.from, filter.to), (Some(at(-90 - 7200)), Some(at(-30))));
    let screen = stage.screen();
    assert!(screen.contains("Looking at the timeline") && !screen.contains("Nothing that"), "{screen}");
    stage.answer(slot, Err("the disk is on fire".to_owned()));
    assert!(stage.screen().contains("could not be read: the disk is on fire"), "{}", stage.screen());
    stage.answer(slot, Ok(Answer::Timeline(vec![change(3, -300)], true)));
    let screen = stage.screen();
    assert!(screen.contains("orders change 3") && screen.contains("only the newest"), "{screen}");
    stage.answer(slot, Ok(Answer::Timeline(Vec::new(), false)));
    assert!(stage.screen().contains("Nothing that the timeline knows changed"), "{}", stage.screen());
}

#[test]
fn the_float_offers_what_the_selected_change_allows() {
    let mut world = desk(&mut engine(three()));
    world.timeline =
        Arc::new(Timeline { entries: Arc::from([change(9, -100), deployed()]), ..Timeline::default() });
    let mut stage = Stage::new(Alerts::new(), world, (100, 30));
    stage.keys("w");
    let select = |stage: &mut Stage, id: &str| {
        stage.keys("home");
        for _ in 0..3 {
            if stage.selection().as_deref() != Some(id) {
                stage.keys("down");
            }
        }
        assert_eq!(stage.selection().as_deref(), Some(id));
    };
    select(&mut stage, "entry:deck/7");
    assert!(!stage.hints().contains(&"alerts.revert"), "it has no undo: {:?}", stage.hints());
    assert!(!stage.screen().contains("revert the selected"), "{}", stage.screen());
    let effects = stage.keys("R");
    assert!(
        dispatched(&effects).is_empty() && toasts(&effects)[0].contains("nothing undoes it"),
        "{:?}",
        toasts(&effects)
    );
    select(&mut stage, "entry:deck/9");
    assert!(stage.hints().contains(&"alerts.revert"), "{:?}", stage.hints());
    assert_eq!(dispatched(&stage.keys("R")), [("timeline.undo".to_owned(), "entry:deck/9".to_owned())]);
    // Nothing opens behind it, and nothing is done there.
    for key in ["x", "a", "e", "z", "X"] {
        let effects = stage.keys(key);
        assert!(effects.is_empty(), "{key}: {:?}", dispatched(&effects));
        assert!(stage.screen().contains("what changed before"), "{key}:\n{}", stage.screen());
    }
    // Undone meanwhile, it says so and is not offered any more.
    let by = EntryId { writer: "deck".to_owned(), seq: 10 };
    let undone = Arc::new(Entry { undone_by: Some(by), ..(*change(9, -100)).clone() });
    stage.world.timeline =
        Arc::new(Timeline { entries: Arc::from([undone, deployed()]), total: 3, ..Timeline::default() });
    stage.passes(1000);
    assert!(stage.screen().contains("undone"), "{}", stage.screen());
    assert!(!stage.hints().contains(&"alerts.revert"), "{:?}", stage.hints());
    stage.keys("esc");
    assert!(!stage.screen().contains("why told"), "{}", stage.screen());
}

#[test]
fn going_back_selects_and_keeps_what_was_chosen() {
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine(three())), (120, 30));
    let rejects: Subject = alert(&REJECTS).parse().expect("a subject");
    stage.keys("/ s t a t e = f i r i n g enter v");
    stage.event(Event::Return(&rejects));
    let screen = stage.screen();
    assert!(screen.contains("/ state=firing") && screen.contains("alerts by group"), "{screen}");
    assert!(screen.contains("2 × service=orders") && !screen.contains("no longer known"), "{screen}");
    assert_eq!(stage.selection(), Some(alert(&high())), "its group is closed: the worst of it");
    stage.keys("v");
    stage.event(Event::Return(&rejects));
    assert_eq!(stage.selection(), Some(alert(&REJECTS)));
    assert!(stage.screen().contains("3 of 3"), "the list, not the detail:\n{}", stage.screen());
    // What is filtered out leaves the selection; what is no alert is nothing for this pane.
    let ledger: Subject = "alert:0000000000000001".parse().expect("a subject");
    let entry: Subject = "entry:deck/7".parse().expect("a subject");
    let before = stage.screen();
    stage.event(Event::Return(&ledger));
    stage.event(Event::Return(&entry));
    stage.event(Event::Open(&entry));
    stage.event(Event::Open(&Subject::service("orders")));
    assert_eq!(stage.screen(), before);
}

#[test]
fn older_alerts_that_come_into_the_list_of_alarms_are_told_apart() {
    let flood = (0..1200).map(|n| {
        let instance = format!("host-{n}");
        posted(&[("alertname", "Down"), ("instance", &instance), ("severity", "critical")], -n)
    });
    let world = desk(&mut engine(flood.collect()));
    let status = world.status();
    assert_eq!(status.alarms.len(), 1000);
    assert_eq!(status.alarms_reach, status.alarms.last().map(|alarm| alarm.since));
    assert_eq!(desk(&mut engine(three())).status().alarms_reach, None);
}

#[test]
fn what_has_no_history_says_that_it_is_of_now() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Oncall::new(), desk(&mut engine), (100, 24));
    stage.world.alerting = Arc::new(quarterdeck_alerting::View { version: 9, ..Default::default() });
    for (moment, told) in [(Moment::Live, false), (Moment::At(at(-60)), true)] {
        stage.scope.moment = moment;
        for list in ["on call", "escalations", "silences and maintenance", "notifications", "figures"] {
            let screen = stage.screen();
            let of_now =
                screen.contains(&format!("{list} · as of now")) || screen.contains("have no history");
            assert_eq!(of_now, told && list != "notifications", "{list}:\n{screen}");
            stage.keys("v");
        }
    }
    let mut stage = Stage::new(Alerts::new(), desk(&mut engine), (100, 24));
    stage.scope.moment = Moment::At(at(-60));
    stage.keys("x");
    assert!(stage.screen().contains("why told, or not · as of now, not of then"), "{}", stage.screen());
}

#[test]
fn what_changed_on_the_overview_is_about_the_alert_that_leads() {
    let mut stage = Stage::new(Overview::new(), desk(&mut engine(three())), (120, 30));
    let wanted = Subject::new(SubjectKind::Alert, print(&high()).to_string());
    let effects = stage.keys("w");
    assert!(
        matches!(effects.as_slice(), [Effect::Go(to), Effect::Command("alerts.changed")] if *to == wanted),
        "{}",
        effects.len()
    );
    // Of another service that the operator has chosen, it is the timeline of that.
    stage.keys("down");
    let effects = stage.keys("w");
    assert!(
        matches!(effects.as_slice(), [Effect::Open { pane: "timeline", subject }] if subject.id == "risk")
    );
}

#[test]
fn a_service_and_the_alert_that_tells_of_it_count_once() {
    let mut world = desk(&mut engine(three()));
    let down = |name: &str| {
        let down = ServiceView { health: Health::Down, ..(*support::service(name)).clone() };
        Arc::new(down)
    };
    world.services = Arc::new(quarterdeck_services::Snapshot {
        services: vec![down("orders"), down("ledger")],
        ..Default::default()
    });
    // Of orders a critical alert fires; of ledger only a warning, which does not tell that it is down.
    let counts = world.status().firing;
    assert_eq!(counts.get(&Severity::Critical), Some(&2), "{counts:?}");
    assert_eq!(counts.get(&Severity::Warning), Some(&2), "{counts:?}");
}

#[test]
fn on_call_asks_with_forms_for_what_was_selected_then() {
    let mut stage = Stage::new(Oncall::new(), desk(&mut engine(three())), (110, 30));
    stage.keys("z");
    stage.types("service=\"orders\"");
    let screen = stage.screen();
    assert!(screen.contains("hides 2 open alerts") && screen.contains("cron"), "{screen}");
    stage.keys("tab ctrl-u");
    stage.types("30m");
    stage.keys("tab");
    stage.types("known");
    let effects = stage.keys("enter");
    let [Effect::Dispatch { action, subject: None, args }] = effects.as_slice() else {
        panic!("{}", effects.len())
    };
    assert_eq!(action, actions::SILENCE);
    let arg = |name: &str| args.get(name).map(String::as_str);
    assert_eq!(
        (arg("matchers"), arg("duration"), arg("comment"), arg("cron")),
        (Some("service=\"orders\""), Some("30m"), Some("known"), None)
    );

    stage.keys("M");
    stage.types("nobody");
    assert_eq!(toasts(&stage.keys("enter")), ["no service is called \"nobody\""]);
    stage.keys("ctrl-u");
    stage.types("ri");
    stage.keys("tab");
    let effects = stage.keys("enter");
    assert_eq!(dispatched(&effects), [(actions::MAINTENANCE.to_owned(), "service:risk".to_owned())]);
    assert_eq!(toasts(&stage.keys("o")), ["select a schedule first"]);
}

#[test]
fn on_call_comes_back_to_its_list() {
    let mut stage = Stage::new(Oncall::new(), desk(&mut engine(three())), (110, 30));
    stage.keys("v v s");
    let remembered = stage.pane.remember().expect("something");
    let mut other = Oncall::new();
    other.restore(&remembered);
    let stage = Stage::new(other, desk(&mut engine(three())), (110, 30));
    assert!(stage.screen().contains("─ silences and maintenance ─"), "{}", stage.screen());
    assert_eq!(stage.pane.remember(), Some(remembered));
}

#[test]
fn on_call_obeys_the_service_in_scope() {
    let mut engine = engine(three());
    for (matchers, seconds) in
        [("service=\"orders\"", -20), ("service=\"ledger\"", -19), ("alertname=\"X\"", -18)]
    {
        let matchers = quarterdeck_alertmanager::Matchers::parse(matchers).expect("lawful");
        let silence =
            quarterdeck_alerting::desk::new_silence(matchers, at(seconds), at(600), "ops-1", "known");
        let draft = quarterdeck_alerting::request::draft(silence);
        engine.set_silence(draft, at(seconds), &mut Effects::default()).expect("lawful");
    }
    let mut stage = Stage::new(Oncall::new(), desk(&mut engine), (110, 30));
    stage.scope.service = Some("ledger".to_owned());
    stage.event(Event::Scope);
    stage.keys("v");
    assert!(stage.screen().contains("Nothing here touches ledger."), "{}", stage.screen());
    assert!(stage.keys("a").iter().all(|effect| matches!(effect, Effect::Toast(..))));
    stage.keys("v");
    let screen = stage.screen();
    assert!(screen.contains("ledger") && screen.contains("alertname"), "{screen}");
    assert!(!screen.contains("{service=\"orders\"}"), "{screen}");
    // What is selected is what is shown, not what stands at its place in the whole list.
    stage.keys("end");
    let selected = stage.selection().expect("a silence");
    let of_ledger =
        stage.world.alerting.alerts.silences.iter().find(|s| s.matchers.to_string().contains("ledger"));
    assert_eq!(Some(selected), of_ledger.map(|s| format!("silence:{}", s.id)));
    stage.scope.service = Some("orders".to_owned());
    stage.event(Event::Scope);
    stage.keys("V");
    assert_eq!(dispatched(&stage.keys("a")).len(), 2);
}
