//! Alerts and on-call, over an engine that has been given real alerts.

mod support;

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alerting::engine::Effects;
use quarterdeck_alerting::model::PostedAlert;
use quarterdeck_alerting::{Role as Part, Unsaved, actions};
use quarterdeck_kernel::{Actor, Entry, Invocation, Labels, Severity, Timestamp};
use quarterdeck_panes::World;
use quarterdeck_panes::alerts::Alerts;
use quarterdeck_panes::oncall::Oncall;
use quarterdeck_panes::overview::Overview;
use quarterdeck_panes::world::{Answer, Evaluated, EvaluatedSeries, Query, Timeline};
use quarterdeck_ui::pane::World as _;
use quarterdeck_ui::{Effect, Event};
use quarterdeck_widgets::table::arrange;
use support::alerts::{alert, dispatched, engine, high, posted, print, three, world_of};
use support::{NOW, Stage, at};

#[test]
fn worst_and_newest_first_with_who_is_paged_next() {
    let stage = Stage::new(Alerts::new(), world_of(&mut engine(three())), (80, 22));
    let screen = stage.screen();
    let line = |name: &str| {
        screen.lines().position(|l| l.contains(name)).unwrap_or_else(|| panic!("{name}:\n{screen}"))
    };
    assert!(line("OrderLatencyHigh") < line("OrderRejectRate"), "{screen}");
    assert!(line("OrderRejectRate") < line("LedgerDisk"), "{screen}");
    let worst = screen.lines().nth(line("OrderLatencyHigh")).unwrap_or_default();
    for told in ["✖ critical", "orders", "1 m 30 s", "firing", "→ ops-2 3:12"] {
        assert!(worst.contains(told), "{told}:\n{screen}");
    }
    assert!(screen.contains("3 firing"), "{screen}");
}

#[test]
fn an_alert_that_no_rule_made_is_on_the_header_the_headline_and_the_overview() {
    let mut engine = engine(three());
    let world = world_of(&mut engine);
    let status = world.status();
    assert_eq!(status.firing.get(&Severity::Critical), Some(&1));
    assert_eq!(status.firing.get(&Severity::Warning), Some(&2));
    let headline = status.headline.expect("something leads");
    assert_eq!(
        headline.text,
        "OrderLatencyHigh of orders fires 1 m 30 s · paging ops-2 in 3:12 · p99 84 ms, limit 50 ms · 2 more"
    );
    assert_eq!(headline.subject.map(|s| s.to_string()), Some(format!("alert:{}", print(&high()))));
    assert_eq!(status.alarms.len(), 1);
    assert_eq!(status.alarms[0].text, "OrderLatencyHigh of orders: p99 84 ms, limit 50 ms");
    let screen = Stage::new(Overview::new(), world, (80, 20)).screen();
    let line = screen.lines().find(|l| l.contains("OrderLatencyHigh")).unwrap_or_else(|| panic!("{screen}"));
    for told in ["✖", "orders", "→ ops-2 3:12", "1 m 30 s"] {
        assert!(line.contains(told), "{told}:\n{screen}");
    }
    assert!(!screen.contains("limit holds"), "{screen}");
}

#[test]
fn what_somebody_took_or_a_silence_hides_does_not_alarm() {
    let mut engine = engine(three());
    let mut effects = Effects::default();
    engine
        .acknowledge(&[print(&high())], &"ops-1".into(), &"".into(), None, at(-30), &mut effects)
        .expect("it fires");
    let world = world_of(&mut engine);
    let status = world.status();
    assert_eq!(status.firing.get(&Severity::Critical), None);
    assert!(status.alarms.is_empty());
    assert_eq!(status.headline.expect("a warning leads").severity, Severity::Warning);
    let screen = Stage::new(Overview::new(), world, (80, 20)).screen();
    let line =
        screen.lines().position(|l| l.contains("OrderLatencyHigh")).unwrap_or_else(|| panic!("{screen}"));
    assert!(screen.lines().nth(line).unwrap_or_default().contains("ack ops-1"), "{screen}");
    assert!(line > screen.lines().position(|l| l.contains("LedgerDisk")).expect("it fires"), "{screen}");

    let every = quarterdeck_alertmanager::Matchers::parse("severity=~\".+\"").expect("lawful");
    let silence = quarterdeck_alerting::desk::new_silence(every, at(-20), at(600), "ops-1", "known");
    engine.set_silence(quarterdeck_alerting::request::draft(silence), at(-20), &mut effects).expect("lawful");
    let world = world_of(&mut engine);
    assert!(world.status().firing.is_empty() && world.status().headline.is_none());
    let screen = Stage::new(Overview::new(), world, (120, 30)).screen();
    assert!(screen.contains("3 alerts are silenced or inhibited."), "{screen}");
}

#[test]
fn marked_alerts_are_acknowledged_one_by_one() {
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(three())), (120, 30));
    assert_eq!(
        dispatched(&stage.keys("a")),
        [(actions::ACKNOWLEDGE.to_owned(), format!("alert:{}", print(&high())))]
    );
    stage.keys("m m");
    assert!(stage.screen().contains("2 marked"), "{}", stage.screen());
    let done = dispatched(&stage.keys("a"));
    assert_eq!(done.len(), 2, "{done:?}");
    assert!(done.iter().all(|(action, _)| action == actions::ACKNOWLEDGE), "{done:?}");
    assert!(!stage.screen().contains("marked"), "{}", stage.screen());
}

#[test]
fn the_cursor_follows_its_alert() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine), (120, 30));
    stage.keys("down");
    let before = stage.selection();
    engine.post(
        vec![posted(&[("alertname", "KillSwitch"), ("service", "risk"), ("severity", "critical")], -1)],
        NOW,
        &mut Effects::default(),
    );
    let mut later = world_of(&mut engine);
    Arc::make_mut(&mut later.alerting).version = 8;
    stage.world = later;
    stage.event(Event::World);
    assert_eq!(stage.selection(), before);
    assert!(stage.screen().contains("KillSwitch"), "{}", stage.screen());
}

#[test]
fn a_silence_is_proposed_with_what_it_would_hide() {
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(three())), (100, 30));
    stage.keys("z");
    let screen = stage.screen();
    assert!(screen.contains("hides 1 open alert: OrderLatencyHigh"), "{screen}");
    let effects = stage.keys("enter");
    let [Effect::Dispatch { action, args, .. }] = effects.as_slice() else {
        panic!("{} effects", effects.len())
    };
    assert_eq!(action, actions::SILENCE_ALERT);
    assert_eq!(args.get("duration").map(String::as_str), Some("2h"));
    let matchers = args.get("matchers").map(String::as_str).unwrap_or_default();
    assert!(matchers.contains("alertname=\"OrderLatencyHigh\""), "{matchers}");
}

#[test]
fn what_changed_names_the_deployment_and_opens_it() {
    let mut world = world_of(&mut engine(three()));
    let undo = Invocation::new("x.y", Actor::default());
    let deployed = Arc::new(Entry { undo: Some(undo), ..(*support::deployed()).clone() });
    world.timeline = Arc::new(Timeline { entries: Arc::from([deployed]), ..Timeline::default() });
    let mut stage = Stage::new(Alerts::new(), world, (100, 30));
    stage.keys("w");
    let screen = stage.screen();
    assert!(screen.contains("what changed before") && screen.contains("orders v2 canary"), "{screen}");
    assert_eq!(stage.selection().as_deref(), Some("entry:deck/7"), "{screen}");
    assert_eq!(dispatched(&stage.keys("R")), [("timeline.undo".to_owned(), "entry:deck/7".to_owned())]);
    stage.keys("esc");
    assert!(!stage.screen().contains("what changed before"), "{}", stage.screen());
}

#[test]
fn details_open_and_groups_unfold() {
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(three())), (100, 40));
    stage.keys("enter");
    let screen = stage.screen();
    for told in
        ["p99 84 ms, limit 50 ms", "escalation trading", "history", "labels", "severity", "notifications"]
    {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
    stage.keys("esc v");
    let screen = stage.screen();
    assert!(screen.contains("2 × service=orders"), "{screen}");
    assert!(!screen.contains("  OrderRejectRate  "), "{screen}");
    stage.keys("enter");
    assert!(stage.screen().contains("OrderRejectRate"), "{}", stage.screen());
}

#[test]
fn ten_thousand_alerts_are_arranged_in_the_background() {
    let many = (0..10_000).map(|n: u32| {
        let instance = format!("host-{n}");
        posted(&[("alertname", "Down"), ("instance", &instance), ("severity", "warning")], -i64::from(n))
    });
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(many.collect())), (120, 40));
    let Some(Effect::Query { query: quarterdeck_panes::world::Query::Arrange(asked), .. }) =
        stage.effects.pop()
    else {
        panic!("nothing is arranged")
    };
    let arranged = arrange(&*asked.rows, &asked.spec);
    stage.answer("arrange", Ok(quarterdeck_panes::world::Answer::Arrange(arranged)));
    assert!(stage.screen().contains("10000 firing"), "{}", stage.screen());
    let took = support::processor_time(|| (0..20).for_each(|_| drop(stage.draw())));
    assert!(took < Duration::from_secs(4), "{took:?}");
}

#[test]
fn trouble_with_alerting_itself_is_told() {
    let mut world = world_of(&mut engine(three()));
    let view = Arc::make_mut(&mut world.alerting);
    view.unsaved = Some(Unsaved { since: at(-30), why: "the disk is full".into(), rows: 3 });
    view.role = Part::Standby { holder: "deck-b".into(), address: "10.0.0.2:9093".into() };
    for stage in [
        Stage::new(Alerts::new(), world.clone(), (100, 24)),
        Stage::new(Oncall::new(), world.clone(), (100, 24)),
    ] {
        let screen = stage.screen();
        assert!(screen.contains("not saved since 14:31:37: the disk is full"), "{screen}");
        assert!(screen.contains("standby: console deck-b"), "{screen}");
    }
}

#[test]
fn oncall_goes_through_its_lists() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Oncall::new(), world_of(&mut engine), (100, 24));
    assert!(stage.screen().contains("No schedule is configured"), "{}", stage.screen());
    stage.keys("v");
    assert!(stage.screen().contains("paging ops-2 in 3:12"), "{}", stage.screen());
    let mut both: Vec<(String, String)> = dispatched(&stage.keys("a"));
    both.sort();
    let rejects = [("alertname", "OrderRejectRate"), ("service", "orders"), ("severity", "warning")];
    let mut wanted = [high(), rejects].map(|labels| (actions::ACKNOWLEDGE.to_owned(), alert(&labels)));
    wanted.sort();
    assert_eq!(both, wanted, "both alerts of the group");
    stage.keys("v");
    assert!(stage.screen().contains("Nothing is silenced"), "{}", stage.screen());
    stage.keys("v");
    assert!(stage.screen().contains("chat webhook[0]"), "{}", stage.screen());
    assert!(!stage.screen().contains("breaker"), "{}", stage.screen());
    Arc::make_mut(&mut stage.world.console).destinations = vec![
        support::receivers::down("other/webhook[0]", -600),
        support::receivers::down("chat/webhook[0]", -150),
    ];
    let screen = stage.screen();
    assert!(screen.contains("2 receivers down") && screen.contains("breaker open for 2 m 30 s"), "{screen}");
}

#[test]
fn they_draw_at_every_size() {
    let world = world_of(&mut engine(three()));
    for keys in ["down", "enter", "w", "z", "v"] {
        let mut stage = Stage::new(Alerts::new(), world.clone(), (80, 24));
        stage.keys(keys);
        stage.draws_everywhere();
    }
    for keys in ["down", "v", "v v", "v v v", "v v v enter"] {
        let mut stage = Stage::new(Oncall::new(), world.clone(), (80, 24));
        stage.keys(keys);
        stage.draws_everywhere();
    }
}

/// An alert that a Prometheus elsewhere sent, with its link.
fn linked(link: &str) -> Vec<PostedAlert> {
    vec![PostedAlert { generator_url: Some(link.into()), ..posted(&high(), -90) }]
}

const LINK: &str = "http://prometheus:9090/graph?g0.expr=rate%28errors_total%5B5m%5D%29+%3E+0.05&g0.tab=1";

fn asked(effects: &[Effect<World>], slot: &str) -> Option<Query> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Query { slot: of, query } if *of == slot => Some(query.clone()),
        _ => None,
    })
}

/// One series of the alert's and one of another service.
fn answered(from: Timestamp, to: Timestamp, step: i64) -> Answer {
    let series = |service: &str, level: f64| EvaluatedSeries {
        labels: Labels::from_pairs([("service", service)]),
        points: (0..)
            .map(|i| (from.plus_millis(i * step), level * (1.0 + i as f64 / 50.0)))
            .take_while(|(at, _)| *at <= to)
            .collect(),
    };
    let evaluated =
        Evaluated { series: vec![series("orders", 0.02), series("risk", 0.5)], ..Evaluated::default() };
    Answer::Range(vec![Ok(evaluated)])
}

#[test]
fn the_query_of_an_alert_is_drawn_with_its_threshold() {
    for (width, height) in [(80, 19), (120, 30), (200, 56)] {
        let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(linked(LINK))), (width, height));
        let effects = stage.keys("enter");
        let Some(Query::Range { exprs, from, to, step_ms }) = asked(&effects, "chart") else {
            panic!("nothing is asked at {width}x{height}");
        };
        assert_eq!(exprs, ["rate(errors_total[5m])"], "the side of the comparison that changes");
        stage.event(Event::Answer { slot: "chart", answer: Ok(answered(from, to, step_ms)) });
        let screen = stage.screen();
        for told in ["rate(errors_total[5m])", "fires > 0.05", "1 more series", "> 0.05", "history", "labels"]
        {
            let below = matches!(told, "history" | "labels") && height < 30;
            assert!(below || screen.contains(told), "{told}:\n{screen}");
        }
        assert!(screen.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)), "a line is drawn:\n{screen}");
        // Nothing new is asked until the time has moved on by a step.
        stage.effects.clear();
        stage.event(Event::World);
        assert_eq!(asked(&stage.effects, "chart"), None);
        stage.world.now = stage.world.now.plus_millis(step_ms);
        stage.event(Event::World);
        assert!(asked(&stage.effects, "chart").is_some());
        stage.keys("end");
        let past = stage.screen();
        assert!(past.contains("fired"), "{past}");
    }
}

#[test]
fn where_nothing_can_be_drawn_it_is_said_why() {
    for (link, why) in [
        ("", "it was posted without a generatorURL"),
        ("http://x/alerts", "holds no query"),
        ("http://x/graph?g0.expr=up%7B", "is not understood here"),
    ] {
        let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(linked(link))), (80, 19));
        let effects = stage.keys("enter");
        assert_eq!(asked(&effects, "chart"), None);
        let screen = stage.screen().replace("\n ", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(screen.contains("No chart: ") && screen.contains(why), "{why}:\n{}", stage.screen());
    }
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(linked(LINK))), (80, 19));
    stage.keys("enter");
    let none = Answer::Range(vec![Ok(Evaluated::default())]);
    stage.event(Event::Answer { slot: "chart", answer: Ok(none) });
    assert!(stage.screen().contains("No chart: nothing is stored here"), "{}", stage.screen());
}

#[test]
fn explain_tells_what_the_engine_knows() {
    let mut engine = engine(three());
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine), (80, 19));
    let effects = stage.keys("x");
    let Some(Query::Explain { alert, version }) = asked(&effects, "explain") else {
        panic!("nothing is asked");
    };
    assert_eq!((alert, version), (print(&high()), 7));
    let found = engine.explain(alert, NOW).map(Arc::new);
    stage.event(Event::Answer { slot: "explain", answer: Ok(Answer::Explain(found)) });
    let screen = stage.screen();
    for told in
        ["why told, or not", "to chat", "route", "service=orders, with 1 other", "webhook[0]", "under way"]
    {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
    stage.keys("esc");
    assert!(stage.screen().contains("3 firing"), "back in the list:\n{}", stage.screen());
    // From the alert itself it is the alert that comes back.
    stage.keys("enter x esc");
    assert!(stage.screen().contains("labels") && !stage.screen().contains("why told"), "{}", stage.screen());
}

#[test]
fn a_filter_is_completed_and_narrows_as_it_is_typed() {
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(three())), (100, 24));
    stage.keys("/ s e v");
    assert!(stage.screen().contains("how bad it is"), "{}", stage.screen());
    stage.keys("tab");
    let screen = stage.screen();
    assert!(screen.contains("/ severity=") && screen.contains("2 alerts"), "values are offered:\n{screen}");
    stage.keys("tab");
    let screen = stage.screen();
    assert!(screen.contains("severity=warning") && screen.contains("2 of 3"), "{screen}");
    stage.keys("! d i s k enter");
    let screen = stage.screen();
    assert!(screen.contains("OrderRejectRate") && !screen.contains("LedgerDisk "), "{screen}");
    assert!(screen.contains("1 of 3"), "{screen}");
    stage.keys("esc");
    assert!(stage.screen().contains("3 firing"), "Esc takes it away:\n{}", stage.screen());
    // What was typed before comes back by key.
    stage.keys("/ x backspace up enter");
    assert!(stage.screen().contains("1 of 3"), "{}", stage.screen());
}

#[test]
fn a_mistake_in_a_filter_stands_under_its_place() {
    let mut stage = Stage::new(Alerts::new(), world_of(&mut engine(three())), (100, 24));
    stage.keys("/ s t a t e = f i r e i n g enter");
    let screen = stage.screen();
    let (row, line) =
        screen.lines().enumerate().find(|(_, l)| l.contains("state=fireing")).expect("the line");
    let under = screen.lines().nth(row + 1).unwrap_or_default();
    let column = |line: &str, what: &str| line.find(what).map(|at| line[..at].chars().count());
    assert_eq!(column(under, "a state is"), column(line, "fireing"), "{screen}");
    assert!(under.contains("did you mean firing?"), "{screen}");
    stage.keys("esc");
    assert!(!stage.screen().contains("fireing"), "{}", stage.screen());
    let effects = stage.keys("/ ( enter");
    assert!(dispatched(&effects).is_empty());
    assert!(stage.screen().contains("None of 3 alerts passes this filter."), "{}", stage.screen());
}

#[test]
fn the_figures_tell_which_rules_cry_wolf() {
    let mut engine = engine(three());
    let mut effects = Effects::default();
    engine
        .acknowledge(&[print(&high())], &"ops-1".into(), &"".into(), None, at(-30), &mut effects)
        .expect("it fires");
    let ended = PostedAlert {
        ends_at: Some(at(-10)),
        ..posted(&[("alertname", "LedgerDisk"), ("service", "ledger"), ("severity", "warning")], -7200)
    };
    engine.post(vec![ended], at(-10), &mut effects);
    let mut stage = Stage::new(Oncall::new(), world_of(&mut engine), (120, 30));
    stage.keys("V");
    let screen = stage.screen();
    for told in
        ["figures", "1 critical, 1 warning open", "MTTA 1 m", "ALERTS OF", "BY ITSELF %", "LedgerDisk"]
    {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
    let disk = screen.lines().find(|l| l.contains("LedgerDisk")).unwrap_or_default();
    assert!(disk.contains("100"), "it ended by itself:\n{screen}");
    stage.keys("enter");
    assert!(stage.screen().contains("on average, of 1"), "{}", stage.screen());
}

#[test]
fn every_pane_has_a_deep_link() {
    let panes: Vec<&str> = quarterdeck_panes::all().iter().map(|pane| pane.spec().id).collect();
    assert_eq!(quarterdeck_panes::PANES.as_slice(), panes);
}
