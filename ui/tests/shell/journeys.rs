//! Keys and what is on the screen then: `(keys, row, what it shows)`.

use std::sync::Arc;

use quarterdeck_kernel::{Severity, Subject, SubjectKind};
use quarterdeck_ui::pane::Alarm;
use quarterdeck_ui::{Click, HostEffect, Input};

use crate::support::{Desk, Fake, NOW};

#[test]
fn keys_lead_where_they_should() {
    for (keys, shows, hides) in [
        ("g l", "─ log ─", "─ services ─"),
        ("2", "─ log ─", "─ services ─"),
        ("tab", "─ log ─", "─ services ─"),
        ("tab tab", "─ services ─", "─ log ─"),
        ("g l esc", "─ services ─", "─ log ─"),
        ("g l esc alt-right", "─ log ─", "─ services ─"),
        ("enter esc", "─ services ─", "─ log ─"),
        ("g x", "g x is not bound", "─ log ─"),
        (": \"log\" enter", "─ log ─", "┌─ palette"),
        ("ctrl-p \"risk\" enter", "▌  risk", "▌  orders"),
        ("? \"cursor\" esc", "─ services ─", "┌─ keys"),
        ("space", "‖ frozen 14:32:07", " live"),
        ("space space", "14:32:07 live", "frozen"),
        ("[", "cursor 14:31:45", "rewound"),
        ("[ [", "cursor 14:31:30", "rewound"),
        ("{ { { { { { {", "rewound to", "14:32:07 live"),
        ("[ @", "rewound to 14:31:45", "14:32:07 live"),
        ("[ @ 0", "14:32:07 live", "cursor"),
        ("[ esc", "14:32:07 live", "cursor"),
        ("-", "30m · 14:32:07", "15m"),
        ("+", "5m · 14:32:07", "15m"),
        ("r \"90m\" enter", "1h30m · 14:32:07", "15m"),
        ("S \"ris\" enter", "demo · risk", "demo · all services"),
        ("S \"ris\" enter *", "demo", "demo · risk"),
        ("/ \"a?:q\"", "/a?:q", "┌─ palette"),
        ("/ \"abc\" esc", "Enter open", "/abc"),
        ("/ ctrl-c", "Enter open", "/"),
        ("space ctrl-l", "Space resume", "Space freeze"),
        (", u", "times are in UTC now", "┌─ palette"),
        (", p", "Services has no digit any more", "1 Services"),
    ] {
        let mut desk = Desk::new(Fake::default());
        let screen = desk.press(keys).screen();
        assert!(screen.contains(shows), "{keys}: {shows:?} is missing in\n{screen}");
        if !(keys.starts_with("/ ") && hides == "/") {
            assert!(!screen.contains(hides), "{keys}: {hides:?} is in\n{screen}");
        }
    }
}

#[test]
fn a_frozen_view_stands_still_while_the_header_stays_true() {
    let mut desk = Desk::new(Fake::default());
    desk.press("space").wait(5_000);
    desk.change(|w| {
        w.services.push("ledger".into());
        w.status.firing = [(Severity::Critical, 3)].into();
    });
    let screen = desk.screen();
    assert!(
        !screen.contains("ledger") && screen.contains("✖3") || screen.contains("✖ 3 critical"),
        "{screen}"
    );
    assert!(screen.contains("(5 s)"), "{screen}");
    assert!(desk.press("space").screen().contains("ledger"));
}

#[test]
fn an_engine_that_stops_is_told_once() {
    let mut desk = Desk::new(Fake::default()).sized(120, 40);
    desk.change(|w| w.status.engines_down = vec![("metrics".into(), "its store is full".into())]);
    let screen = desk.screen();
    assert!(screen.contains("metrics does not run: its store is full"), "{screen}");
    assert!(screen.contains("✖ 1 engine down"), "{screen}");
    desk.wait(60_000).change(|_| {});
    assert!(!desk.screen().contains("its store is full"));
}

#[test]
fn old_data_shows_its_age_instead_of_live() {
    let mut desk = Desk::new(Fake::default());
    assert!(desk.wait(29_000).row(0).contains("live"));
    let header = desk.wait(16_000).row(0);
    assert!(header.contains("data 45 s old") && !header.contains("live"), "{header}");
}

#[test]
fn a_new_critical_rings_once() {
    let mut desk = Desk::new(Fake::default());
    let bells = |desk: &mut Desk| {
        let effects = std::mem::take(&mut desk.effects);
        effects.iter().filter(|e| matches!(e, HostEffect::Bell)).count()
    };
    let alarm = |id: &str, seconds: i64| Alarm {
        id: id.to_owned(),
        since: NOW.plus_millis(seconds * 1000),
        text: format!("{id} is bad"),
        subject: None,
        service: None,
    };
    desk.change(|w| {
        w.status.firing = [(Severity::Critical, 1)].into();
        w.status.alarms = Arc::from([alarm("one", 1)]);
    });
    assert!(
        desk.effects.iter().any(
            |e| matches!(e, HostEffect::SetTitle(t) if t == "1 critical · Services · demo · quarterdeck")
        )
    );
    assert!(desk.shell.toasts().any(|t| t.text == "one is bad"), "it is said too");
    assert_eq!(bells(&mut desk), 1);
    desk.wait(2_000).change(|w| w.services.clear());
    assert_eq!(bells(&mut desk), 0, "what was heard is not heard again");
    // Taken by somebody, and later free again.
    desk.change(|w| w.status.alarms = Arc::default());
    desk.wait(2_000).change(|w| w.status.alarms = Arc::from([alarm("one", 5)]));
    assert_eq!(bells(&mut desk), 0, "the same trouble is no news");
    // Another one takes its place: the count alone would not tell.
    desk.wait(2_000).change(|w| w.status.alarms = Arc::from([alarm("two", 8)]));
    assert_eq!(bells(&mut desk), 1);
    desk.wait(2_000).change(|w| w.status.alarms = (0..40).map(|n| alarm(&format!("n{n}"), 9)).collect());
    assert_eq!(bells(&mut desk), 1, "a flood rings once");
    assert!(desk.shell.toasts().any(|t| t.text == "n0 is bad (and 39 more)"));
}

#[test]
fn what_was_there_before_the_screen_does_not_ring() {
    let mut desk = Desk::new(Fake::default());
    let old = Alarm {
        id: "old".to_owned(),
        since: NOW.plus_millis(-60_000),
        text: "old is bad".to_owned(),
        subject: None,
        service: None,
    };
    desk.change(|w| w.status.alarms = Arc::from([old]));
    assert!(!desk.effects.iter().any(|e| matches!(e, HostEffect::Bell)));
    assert_eq!(desk.shell.toasts().count(), 0);
}

#[test]
fn a_service_that_is_down_and_its_alert_ring_once() {
    let mut desk = Desk::new(Fake::default());
    let rung = |desk: &mut Desk| {
        let effects = std::mem::take(&mut desk.effects);
        effects.iter().any(|e| matches!(e, HostEffect::Bell))
    };
    let alarm = |subject: Subject, seconds: i64| Alarm {
        id: format!("{subject}@{seconds}"),
        since: NOW.plus_millis(seconds * 1000),
        text: format!("{subject} is bad"),
        subject: Some(subject),
        service: Some("orders".to_owned()),
    };
    let alert = |name: &str, seconds: i64| alarm(Subject::new(SubjectKind::Alert, name), seconds);
    let down = alarm(Subject::service("orders"), 1);
    desk.change(|w| w.status.alarms = Arc::from([down.clone()]));
    assert!(rung(&mut desk));
    desk.wait(60_000).change(|w| w.status.alarms = Arc::from([alert("slow", 60), down.clone()]));
    assert!(!rung(&mut desk), "the alert says what has been heard");
    assert!(desk.shell.toasts().any(|t| t.text == "alert:slow is bad"), "it is told");
    let kill = alert("kill-switch", 70);
    desk.wait(10_000)
        .change(|w| w.status.alarms = Arc::from([kill.clone(), alert("slow", 60), down.clone()]));
    assert!(rung(&mut desk), "another alert is another trouble");
    let later = alarm(Subject::service("orders"), 7200);
    desk.wait(7_200_000).change(|w| w.status.alarms = Arc::from([later]));
    assert!(rung(&mut desk), "and so is the same service two hours later");
}

#[test]
fn what_comes_into_a_cut_off_list_later_does_not_ring() {
    let mut desk = Desk::new(Fake::default());
    let rung = |desk: &mut Desk| {
        let effects = std::mem::take(&mut desk.effects);
        effects.iter().any(|e| matches!(e, HostEffect::Bell))
    };
    let alert = |name: &str, seconds: i64| Alarm {
        id: name.to_owned(),
        since: NOW.plus_millis(seconds * 1000),
        text: format!("{name} is bad"),
        subject: Some(Subject::new(SubjectKind::Alert, name)),
        service: None,
    };
    // Three fire, two are told of.
    desk.wait(5_000).change(|w| {
        w.status.alarms = Arc::from([alert("three", 3), alert("two", 2)]);
        w.status.alarms_reach = Some(NOW.plus_millis(2_000));
    });
    assert!(rung(&mut desk));
    // The newest ends: the oldest comes into the list.
    desk.wait(5_000).change(|w| {
        w.status.alarms = Arc::from([alert("two", 2), alert("one", 1)]);
        w.status.alarms_reach = None;
    });
    assert!(!rung(&mut desk), "it was there all the time");
    desk.wait(5_000).change(|w| w.status.alarms = Arc::from([alert("four", 14), alert("one", 1)]));
    assert!(rung(&mut desk), "what begins is news");
}

#[test]
fn back_selects_and_opens_nothing() {
    let mut desk = Desk::new(Fake::default());
    // Away from risk, and there the selection moves on.
    desk.press("down enter");
    assert!(desk.screen().contains("─ log ─"));
    desk.shell.open(&Subject::service("broker"));
    assert!(desk.screen().contains("─ services ─"));
    desk.press("esc esc");
    let screen = desk.screen();
    assert!(screen.contains("back at risk") && screen.contains("▌  risk"), "{screen}");
}

#[test]
fn late_answers_are_dropped_and_esc_gives_up() {
    let mut desk = Desk::new(Fake::default());
    let asked = |desk: &mut Desk| {
        let effects = std::mem::take(&mut desk.effects);
        effects
            .into_iter()
            .find_map(|e| if let HostEffect::Query { generation, .. } = e { Some(generation) } else { None })
    };
    desk.press("A");
    let first = asked(&mut desk).expect("it asked");
    desk.press("A");
    assert_eq!(asked(&mut desk), None, "the same question is asked once");
    let answer = |generation, text: &str| Input::Answer {
        pane: "services",
        slot: "chart",
        generation,
        answer: Ok(text.to_owned()),
    };
    desk.send(answer(first + 7, "wrong"));
    assert!(!desk.screen().contains("wrong"));
    desk.send(answer(first, "412 per second"));
    assert!(desk.screen().contains("412 per second"));
    desk.press("A").wait(1_000);
    assert!(desk.shell.next_tick() < desk.now.plus_millis(200), "a spinner turns");
    desk.press("esc");
    assert!(desk.effects.iter().any(|e| matches!(e, HostEffect::CancelQuery { slot: "chart", .. })));
    assert!(desk.screen().contains("given up with Esc"));
}

#[test]
fn a_deep_link_opens_its_subject() {
    let mut desk = Desk::new(Fake::default());
    desk.press("g l");
    desk.shell.open(&"service:broker".parse().expect("a subject"));
    assert!(desk.screen().contains("▌  broker"), "{}", desk.screen());
    assert!(desk.press("esc").screen().contains("─ log ─"), "back leads to where the operator was");
}

#[test]
fn panes_hear_what_they_missed() {
    let mut desk = Desk::new(Fake::default());
    desk.press("g l g s -").change(|_| {}).press("g l");
    assert!(desk.screen().contains("shown shown scope world"), "{}", desk.screen());
}

#[test]
fn quitting_asks_only_when_something_would_end() {
    let quits = |desk: &mut Desk| desk.effects.iter().any(|e| matches!(e, HostEffect::Quit));
    let mut desk = Desk::new(Fake::default());
    desk.press("q");
    assert!(quits(&mut desk));
    let mut desk = Desk::new(Fake::default());
    desk.shell.set_quit_asks(Some("the demo's 5 processes end with the console".into()));
    desk.press("q");
    assert!(!quits(&mut desk) && desk.screen().contains("5 processes end"));
    desk.press("enter q esc");
    assert!(!quits(&mut desk));
    desk.press("q y");
    assert!(quits(&mut desk));
}

#[test]
fn themes_are_seen_while_choosing() {
    let mut desk = Desk::new(Fake::default());
    let before = desk.shell.look().theme().name.clone();
    desk.press(", t down");
    let tried = desk.shell.look().theme().name.clone();
    assert_ne!(tried, before);
    desk.press("esc");
    assert_eq!(desk.shell.look().theme().name, before);
    desk.press(", t down enter");
    assert_eq!(desk.shell.look().theme().name, tried);
}

#[test]
fn what_is_remembered_comes_back() {
    let mut desk = Desk::new(Fake::default());
    desk.press("down - , t down enter S \"risk\" enter , p g l : \"ack\" esc");
    let kept = desk.shell.remember();
    let mut again = Desk::new(Fake::default());
    again.shell.restore(&kept);
    assert_eq!(again.shell.remember(), kept);
    assert_eq!(again.shell.front().id, "log");
    assert!(again.row(0).contains("risk"));
    for odd in [
        "",
        "pane = 3\nrange = \"x\"\nnew = { a = 1 }\nutc = true",
        "not toml [",
        "range = -5\npinned = [\"nobody\"]",
    ] {
        let mut desk = Desk::new(Fake::default());
        desk.shell.restore(odd);
        assert!(desk.screen().contains("services"), "{odd}");
    }
    let mut desk = Desk::new(Fake::default());
    desk.shell.restore("pane = 3\nutc = true");
    assert!(desk.shell.look().utc(), "one bad field leaves the others");
}

#[test]
fn the_mouse_does_what_keys_do() {
    let mut desk = Desk::new(Fake::default());
    desk.screen();
    desk.send(Input::Mouse { click: Click::Press, at: (10, 4) });
    assert!(desk.screen().contains("▌  risk"), "{}", desk.screen());
    let tab = desk.row(1).find("2 Log").expect("the tab is there");
    desk.send(Input::Mouse { click: Click::Press, at: (u16::try_from(tab).unwrap_or(0), 1) });
    assert!(desk.screen().contains("─ log ─"));
    desk.press("esc :");
    desk.screen();
    desk.send(Input::Mouse { click: Click::ScrollDown, at: (10, 10) });
    assert!(desk.screen().contains("palette"));
}

#[test]
fn pasted_text_is_never_keys() {
    let mut desk = Desk::new(Fake::default());
    desk.send(Input::Paste("Ry\nq".into()));
    assert!(desk.dispatched().is_empty() && !desk.screen().contains("Roll back orders?"));
    desk.press("/");
    desk.send(Input::Paste("risk".into()));
    assert!(desk.screen().contains("/risk"));
}

#[test]
fn hostile_text_does_not_reach_the_screen() {
    let mut world = Fake::degraded();
    let evil = "x\u{1b}[31m\u{202e}evil\u{7}";
    world.services = vec![evil.into(), "raw".into()];
    world.status.environment = evil.into();
    world.status.operator = evil.into();
    if let Some(headline) = &mut world.status.headline {
        headline.text = evil.into();
    }
    let mut desk = Desk::new(world).sized(120, 40);
    desk.send(Input::Tell(Severity::Critical, evil.into()));
    for keys in ["", "S enter", ": \"evil\"", "esc R"] {
        let screen = desk.press(keys).screen();
        assert!(
            !screen.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'),
            "{keys}: {screen:?}"
        );
    }
    assert!(desk.effects.iter().all(|e| !matches!(e, HostEffect::SetTitle(t) if t.contains('\u{1b}'))));
}

#[test]
fn the_world_of_the_shell_is_the_newest() {
    let mut desk = Desk::new(Fake::default());
    desk.press("space").change(|w| w.version = 41);
    assert_eq!(desk.shell.world().version, 42);
    let world = Arc::new(Fake { version: 50, ..Fake::default() });
    desk.send(Input::World(world));
    assert_eq!(desk.shell.world().version, 50);
}

#[test]
fn hints_tell_only_what_works_now() {
    for (keys, shows, hides) in [
        ("", "R! roll back", "resume"),
        (":", "", "Enter"),
        ("g", "g waits for the next key", "Enter"),
        ("/", "Enter open", "/ filter"),
        ("space", "Space resume", "freeze"),
        ("[", "0 live", "Space resume"),
        ("down down down", "a ack", "resume"),
    ] {
        let mut desk = Desk::new(Fake::default());
        let hints = desk.press(keys).last_row();
        assert!(hints.contains(shows) && !hints.contains(hides), "{keys}: {hints}");
    }
    let mut desk = Desk::new(Fake::default());
    desk.change(|w| w.services.clear());
    let hints = desk.last_row();
    assert!(!hints.contains("ack"), "without a selection there is nothing to acknowledge: {hints}");
}

#[test]
fn buttons_can_be_clicked() {
    for (label, happens) in [("Cancel", false), ("Roll back (y)", true)] {
        let mut desk = Desk::new(Fake::default());
        let screen = desk.press("R").screen();
        let (y, row) =
            screen.lines().enumerate().find(|(_, row)| row.contains(label)).expect("the button is there");
        let x = row.chars().take_while(|c| *c != label.chars().next().unwrap_or(' ')).count();
        let at = (u16::try_from(x).unwrap_or(0), u16::try_from(y).unwrap_or(0));
        desk.send(Input::Mouse { click: Click::Press, at });
        assert_eq!(desk.dispatched().len(), usize::from(happens), "{label}");
        assert!(!desk.screen().contains("Roll back orders?"), "the dialog is gone");
    }
}

#[test]
fn what_was_chosen_before_comes_first_in_the_palette() {
    let mut desk = Desk::new(Fake::default());
    let screen = desk.press(": \"redraw\" enter :").screen();
    let lines: Vec<&str> = screen.lines().collect();
    let recent = lines.iter().position(|l| l.contains("recent")).expect("there is a heading");
    assert!(lines[recent + 1].contains("redraw"), "{screen}");
}

#[test]
fn only_what_was_chosen_by_key_is_remembered_of_the_look() {
    let mut desk = Desk::new(Fake::default());
    let kept = desk.shell.remember();
    for field in ["theme", "utc", "ascii", "wide", "mouse"] {
        assert!(!kept.contains(field), "{field} belongs to the configuration until it is chosen: {kept}");
    }
    let kept = desk.press(", u").shell.remember();
    assert!(kept.contains("utc = true") && !kept.contains("ascii"), "{kept}");
}

#[test]
fn a_shell_can_move_between_threads() {
    const fn is_send<T: Send>(_: &T) {}
    is_send(&Desk::new(Fake::default()).shell);
}

#[test]
fn a_range_can_be_pasted() {
    let mut desk = Desk::new(Fake::default());
    desk.press("r");
    desk.send(Input::Paste("45m".into()));
    assert_eq!(desk.press("enter").shell.scope().range, 2_700_000);
}

#[test]
fn a_rewound_screen_shows_what_was_true_then() {
    let mut desk = Desk::new(Fake::default());
    desk.press("[ @");
    let asked =
        desk.effects.iter().find_map(|e| if let HostEffect::Rewind(at) = e { Some(*at) } else { None });
    let at = asked.expect("the host is asked for the moment");
    let then = Fake { services: vec!["long-gone".to_owned()], version: u64::MAX, ..Fake::default() };
    let other = at.plus_millis(1);
    desk.send(Input::Rewound { at: other, world: Arc::new(then.clone()) });
    assert!(!desk.screen().contains("long-gone"), "a moment that nobody looks at is not shown");
    desk.send(Input::Rewound { at, world: Arc::new(then) });
    assert!(desk.screen().contains("long-gone"));
    desk.change(|world| world.services = vec!["brand-new".to_owned()]);
    let screen = desk.screen();
    assert!(
        screen.contains("long-gone") && !screen.contains("brand-new"),
        "the past does not move:\n{screen}"
    );
    desk.press("0");
    let screen = desk.screen();
    assert!(screen.contains("brand-new") && !screen.contains("long-gone"), "live again:\n{screen}");
}
