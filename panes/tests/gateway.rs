//! The gateway pane: keys in, effects and screens out.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_gateway::actions::{BREAKER, LIMIT, PURGE, SPLIT, WARM};
use quarterdeck_gateway::model::{Sample, ServiceView};
use quarterdeck_kernel::{Actor, Entry, Invocation, Moment, Subject, SubjectKind};
use quarterdeck_panes::gateway::Gateway;
use quarterdeck_panes::timeline::Timeline;
use quarterdeck_panes::world::{Answer, Query, Timeline as Entries, World};
use quarterdeck_resilience::breaker::{Reason, State};
use quarterdeck_ui::pane::World as _;
use quarterdeck_ui::{Effect, Event, HostEffect, Input, Key, Options, Pane as _, Shell};
use quarterdeck_widgets::table::arrange;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use support::alerts::toasts;
use support::gateway::{breaker, route, snapshot, version, world_of};
use support::{NOW, Stage, empty_world};

const LISTS: [&str; 6] = ["routes", "upstreams", "limits", "versions", "cache", "requests"];

/// The pane with one of its lists in front.
fn at_list(list: &str, size: (u16, u16)) -> Stage {
    let mut stage = Stage::new(Gateway::new(), world_of(snapshot()), size);
    for _ in LISTS.iter().take_while(|name| **name != list) {
        stage.keys("v");
    }
    stage.effects.clear();
    stage
}

type Sent = (String, String, BTreeMap<String, String>);

/// The one invocation among effects.
fn sent(effects: Vec<Effect<World>>) -> Sent {
    let mut all = effects.into_iter().filter_map(|effect| match effect {
        Effect::Dispatch { action, subject, args } => {
            Some((action, subject.map(|s| s.to_string()).unwrap_or_default(), args))
        }
        _ => None,
    });
    let first = all.next().expect("something is dispatched");
    assert!(all.next().is_none(), "one key, one invocation");
    first
}

fn wanted(action: &str, subject: &str, args: &[(&str, &str)]) -> Sent {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (action.to_owned(), subject.to_owned(), args)
}

#[test]
fn every_list_is_drawn() {
    for list in LISTS {
        // As large as screens of 80×24 and 200×60 leave it.
        for size in [(80, 20), (200, 56)] {
            insta::assert_snapshot!(format!("{list}_{}x{}", size.0, size.1), at_list(list, size).screen());
        }
        at_list(list, (80, 20)).draws_everywhere();
    }
}

#[test]
fn the_selected_one_is_opened_in_full_and_left_again() {
    for list in LISTS {
        let mut stage = at_list(list, (80, 20));
        assert!(stage.keys("enter").is_empty());
        insta::assert_snapshot!(format!("open_{list}"), stage.screen());
        stage.keys("end page-up".replace("page-up", "pageup").as_str());
        stage.draws_everywhere();
        assert!(stage.keys("esc").is_empty(), "it comes back to the list");
        assert!(matches!(stage.keys("esc").as_slice(), [Effect::Back]));
    }
}

#[test]
fn where_the_screen_is_rewound_it_says_that_it_shows_now() {
    let mut stage = at_list("limits", (120, 36));
    assert!(!stage.screen().contains("as of now"), "{}", stage.screen());
    stage.scope.moment = Moment::At(NOW.plus_millis(-3_600_000));
    for list in LISTS {
        let screen = stage.screen();
        assert!(screen.contains("as of now, not of then"), "{list}: {screen}");
        stage.keys("v");
    }
}

#[test]
fn one_is_not_several() {
    let mut now = snapshot();
    (now.totals.tunnels, now.totals.connections, now.totals.unrouted) = (1, 1, 0);
    let stage = Stage::new(Gateway::new(), world_of(now), (120, 36));
    let screen = stage.screen();
    assert!(screen.contains("1 connection · 1 tunnel · "), "{screen}");
}

#[test]
fn without_a_gateway_it_says_how_to_get_one() {
    let mut stage = Stage::new(Gateway::new(), empty_world(), (80, 20));
    insta::assert_snapshot!("absent", stage.screen());
    let screen = stage.screen();
    assert!(screen.contains("quarterdeck serve --gateway ADDR --upstream SERVICE=VERSION:URL"), "{screen}");
    assert!(screen.contains("[gateway]") && stage.hints().is_empty() && stage.selection().is_none());
    stage.draws_everywhere();
    for key in ["W", "R", "o", "O", "A", "L", "z", "T", "t", "w", "i", "m", "enter"] {
        let effects = stage.keys(key);
        assert!(effects.iter().all(|e| matches!(e, Effect::Toast(..) | Effect::Cancel(_))), "{key}");
        if stage.pane.typing() {
            stage.keys("esc");
        }
    }
}

#[test]
fn a_split_is_typed_with_what_it_means_and_dispatched() {
    let mut stage = at_list("routes", (120, 36));
    assert_eq!(stage.selection().as_deref(), Some("route:orders"), "what is in trouble comes first");
    stage.keys("W");
    stage.keys("backspace backspace");
    stage.types("50");
    stage.keys("up backspace backspace");
    stage.types("50");
    let screen = stage.screen();
    insta::assert_snapshot!("split", screen);
    assert!(
        screen.contains("v2 will take 50 % of the requests, about 206 a second; now it takes 10 %"),
        "{screen}"
    );
    assert!(screen.contains("but it is not well: v2 open"), "{screen}");
    assert_eq!(sent(stage.keys("enter")), wanted(SPLIT, "service:orders", &[("shares", "v1=50,v2=50")]));
    assert!(!stage.pane.typing(), "the form is closed");
}

#[test]
fn a_split_that_cannot_be_stays_open_with_why() {
    let mut stage = at_list("upstreams", (120, 36));
    stage.keys("W");
    stage.types("x");
    assert!(stage.screen().contains("is not a weight"), "{}", stage.screen());
    assert!(toasts(&stage.keys("enter"))[0].contains("is not a weight"));
    stage.keys("backspace backspace backspace up backspace backspace");
    assert!(stage.screen().contains("no version would take anything"), "{}", stage.screen());
    assert!(toasts(&stage.keys("enter"))[0].contains("no version would take anything"));
    assert!(stage.pane.typing());
    assert!(stage.keys("esc").is_empty());
    assert!(!stage.pane.typing());
}

#[test]
fn a_form_acts_on_what_it_was_opened_for() {
    let mut stage = at_list("routes", (120, 36));
    stage.keys("W");
    let mut moved = snapshot();
    moved.services.push(Arc::new(ServiceView {
        name: "aaa".into(),
        versions: vec![version("v1", 0, 0.0, 0.0), version("v2", 0, 0.0, 0.0)],
        split_set: false,
        steered: false,
        traffic: support::gateway::traffic(1.0, 1.0, 9.0),
    }));
    let mut worse = route("aaa", "aaa", 1.0);
    worse.traffic.errors = Some(1.0);
    moved.routes.insert(0, Arc::new(worse));
    stage.world.gateway = Arc::new(moved);
    stage.passes(33);
    assert_eq!(sent(stage.keys("enter")).1, "service:orders");
}

#[test]
fn keys_dispatch_what_the_engine_does() {
    let mut stage = at_list("routes", (120, 36));
    assert_eq!(sent(stage.keys("R")), wanted(SPLIT, "service:orders", &[("shares", "configured")]));
    stage.keys("down");
    assert!(toasts(&stage.keys("R"))[0].contains("configuration"), "there is nothing to revert");
    assert!(toasts(&stage.keys("W"))[0].contains("one version"));

    let mut stage = at_list("upstreams", (120, 36));
    for (key, state) in [("o", "open"), ("O", "closed")] {
        let expected = wanted(BREAKER, "service:orders", &[("version", "v2"), ("state", state)]);
        assert_eq!(sent(stage.keys(key)), expected);
    }
    assert!(toasts(&stage.keys("A"))[0].contains("decides for itself"), "nothing is forced");
    let mut forced = snapshot();
    let mut orders = ServiceView::clone(&forced.services[0]);
    orders.versions[1].breaker = Some(breaker(State::Open, Reason::Forced, true));
    forced.services[0] = Arc::new(orders);
    stage.world.gateway = Arc::new(forced);
    stage.passes(33);
    assert!(stage.screen().contains("forced open"), "{}", stage.screen());
    let expected = wanted(BREAKER, "service:orders", &[("version", "v2"), ("state", "auto")]);
    assert_eq!(sent(stage.keys("A")), expected);

    let mut stage = at_list("limits", (120, 36));
    assert!(stage.screen().contains("at its limit"), "{}", stage.screen());
    assert_eq!(sent(stage.keys("z")), wanted(LIMIT, "", &[("consumer", "mallory"), ("per_minute", "0")]));
    assert!(toasts(&stage.keys("T"))[0].contains("as its tier has it"));
    stage.keys("L");
    stage.types("600");
    assert!(stage.screen().contains("mallory may make 600 requests a minute"), "{}", stage.screen());
    assert_eq!(
        sent(stage.keys("enter")),
        wanted(LIMIT, "", &[("consumer", "mallory"), ("per_minute", "600")])
    );
    stage.keys("down down down");
    assert_eq!(sent(stage.keys("T")), wanted(LIMIT, "", &[("consumer", "bob")]));

    let mut stage = at_list("cache", (120, 36));
    stage.keys("P backspace");
    stage.types("/prices/*");
    let expected = wanted(PURGE, "", &[("pattern", "/prices/*"), ("route", "prices")]);
    assert_eq!(sent(stage.keys("enter")), expected);
    stage.keys("t");
    stage.types("prices");
    assert!(toasts(&stage.keys("enter"))[0].contains("begins with /"));
    stage.keys("home");
    stage.types("/");
    assert_eq!(sent(stage.keys("enter")), wanted(WARM, "route:prices", &[("paths", "/prices")]));
}

#[test]
fn a_confirmation_tells_what_will_happen_in_numbers() {
    let world = world_of(snapshot());
    let invocation = |action: &str, args: &[(&str, &str)]| {
        let mut invocation = Invocation::new(action, Actor::default()).on(Subject::service("orders"));
        for (name, value) in args {
            invocation = invocation.arg(*name, *value);
        }
        invocation
    };
    let split = invocation(SPLIT, &[("shares", "v1=50,v2=50")]);
    assert_eq!(
        world.preview(&split),
        [
            "v1 will take 50 % of the requests, about 206 a second; now it takes 90 %",
            "v2 will take 50 % of the requests, about 206 a second; now it takes 10 %",
            "but it is not well: v2 open",
        ]
    );
    assert_eq!(world.title(&split).as_deref(), Some("Split the traffic of orders"));
    assert_eq!(world.situation(&split, "shares").as_deref(), Some("Now v1 takes 90 %, v2 takes 10 %."));
    let configured = invocation(SPLIT, &[("shares", "configured")]);
    assert_eq!(world.preview(&configured), ["as the engine has it"]);
    let open = world.preview(&invocation(BREAKER, &[("version", "v1"), ("state", "open")]));
    assert!(open[0].contains("v1 takes 90 % of the requests of orders now, 371 a second"), "{open:?}");
    let auto = world.preview(&invocation(BREAKER, &[("version", "v1"), ("state", "auto")]));
    assert!(auto[1].contains("decides for itself already"), "{auto:?}");
    let cut = invocation(LIMIT, &[("consumer", "mallory"), ("per_minute", "0")]);
    assert!(world.preview(&cut)[0].contains("4 021 refused"), "{:?}", world.preview(&cut));
    assert_eq!(world.title(&cut).as_deref(), Some("Cut mallory off"));
    let purge = invocation(PURGE, &[("pattern", "*")]);
    assert!(world.preview(&purge)[1].contains("120 answers, 1.2 MiB"), "{:?}", world.preview(&purge));
}

#[test]
fn hints_stand_only_where_they_make_sense() {
    let has = |stage: &Stage, hint: &str| stage.hints().contains(&hint);
    let mut stage = at_list("routes", (120, 36));
    assert!(has(&stage, "gateway.weights") && has(&stage, "gateway.revert"));
    assert!(!has(&stage, "gateway.break") && !has(&stage, "gateway.cut") && !has(&stage, "gateway.drop"));
    stage.keys("down");
    assert!(!has(&stage, "gateway.weights") && !has(&stage, "gateway.revert"), "one version is not split");
    let stage = at_list("upstreams", (120, 36));
    assert!(has(&stage, "gateway.break") && has(&stage, "gateway.mend") && !has(&stage, "gateway.auto"));
    let mut stage = at_list("limits", (120, 36));
    assert!(has(&stage, "gateway.cut") && !has(&stage, "gateway.tier"));
    stage.keys("down down down down");
    assert!(!has(&stage, "gateway.cut") && has(&stage, "gateway.tier"), "{}", stage.screen());
    stage.keys("end");
    assert!(has(&stage, "gateway.grant"));
    let stage = at_list("cache", (120, 36));
    assert!(has(&stage, "gateway.drop") && has(&stage, "gateway.fetch"));
    let stage = at_list("requests", (120, 36));
    assert!(!has(&stage, "gateway.weights") && has(&stage, "gateway.changed"));
}

#[test]
fn what_is_kept_warm_is_told() {
    let mut snapshot = snapshot();
    for route in &mut snapshot.routes {
        Arc::make_mut(route).warming = Some(quarterdeck_gateway::model::WarmingView {
            paths: 4,
            kept: 3,
            running: 1,
            problem: Some("/x as https://a.test: 503".to_owned()),
        });
    }
    let mut stage = Stage::new(Gateway::new(), world_of(snapshot), (160, 60));
    for _ in LISTS.iter().take_while(|name| **name != "cache") {
        stage.keys("v");
    }
    let screen = stage.screen();
    assert!(screen.contains("3 of 4 kept, 1 on their way") && screen.contains("a.test: 503"), "{screen}");
}

/// A whole shell over this world, the gateway in front.
fn shell(world: World, size: (u16, u16)) -> Shell<World> {
    let panes = quarterdeck_panes::all();
    let options = Options { now: NOW, ..Options::default() };
    let mut shell = Shell::new(Arc::new(world), panes, options).expect("the panes are in order");
    shell.handle(Input::Resize(size.0, size.1));
    press(&mut shell, "g g");
    shell
}

fn press(shell: &mut Shell<World>, keys: &str) -> Vec<HostEffect<World>> {
    let mut effects = Vec::new();
    for part in keys.split(' ') {
        let key: Key = part.parse().expect("keys in tests are keys");
        effects.extend(shell.handle(Input::Key(key)));
    }
    effects
}

fn screen(shell: &mut Shell<World>, (width, height): (u16, u16)) -> String {
    let area = Rect { x: 0, y: 0, width, height };
    let mut buffer = Buffer::empty(area);
    shell.draw(&mut buffer);
    let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
    (0..height).map(|y| row(y).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

#[test]
fn keys_of_danger_carry_a_sign_and_go_away_where_only_reading_is_allowed() {
    let size = (200, 24);
    let mut open = shell(world_of(snapshot()), size);
    let drawn = screen(&mut open, size);
    assert!(drawn.contains("W! split") && drawn.contains("R! configured split"), "{drawn}");
    assert!(
        drawn.contains("9 Self") && drawn.contains("Gateway"),
        "it stands behind those with a digit: {drawn}"
    );
    let effects = press(&mut open, "R");
    assert!(effects.iter().all(|e| !matches!(e, HostEffect::Dispatch(_))), "it is confirmed first");
    let effects = press(&mut open, "y");
    assert!(effects.iter().any(|e| matches!(e, HostEffect::Dispatch(i) if i.action == SPLIT)));

    let mut world = world_of(snapshot());
    Arc::make_mut(&mut world.console).read_only = true;
    let mut reading = shell(world, size);
    for list in LISTS {
        let drawn = screen(&mut reading, size);
        let hints = drawn.lines().last().unwrap_or_default();
        assert!(!hints.contains('!'), "{list}: {hints}");
        for key in ["W", "R", "o", "O", "A", "L", "z", "T", "P"] {
            let effects = press(&mut reading, key);
            assert!(effects.iter().all(|e| !matches!(e, HostEffect::Dispatch(_))), "{list}: {key}");
            assert!(!screen(&mut reading, size).contains('┌'), "{list}: {key} opens nothing");
        }
        press(&mut reading, "v");
    }
}

#[test]
fn the_service_in_scope_is_obeyed() {
    for list in LISTS {
        let mut stage = at_list(list, (120, 36));
        stage.scope.service = Some("prices".to_owned());
        stage.event(Event::Scope);
        let screen = stage.screen();
        let rows = screen.lines().filter(|line| line.contains("orders")).count();
        assert_eq!(rows, 0, "{list}:\n{screen}");
        stage.scope.service = Some("nobody".to_owned());
        stage.event(Event::Scope);
        stage.draws_everywhere();
    }
}

#[test]
fn subjects_open_it_and_what_changed_leads_to_the_timeline() {
    let world = world_of(snapshot());
    let prices = Subject::new(SubjectKind::Route, "prices");
    assert_eq!(world.home_of(&prices), "gateway");
    assert!(world.subjects().contains(&prices));
    let mut stage = at_list("cache", (120, 36));
    stage.event(Event::Open(&prices));
    assert_eq!(stage.selection().as_deref(), Some("route:prices"));
    stage.event(Event::Open(&Subject::service("orders")));
    assert_eq!(stage.selection().as_deref(), Some("service:orders"));
    assert!(stage.screen().contains("─ upstreams"), "{}", stage.screen());
    stage.effects.clear();
    match stage.keys("w").as_slice() {
        [Effect::Open { pane: "timeline", subject }] => assert_eq!(subject.to_string(), "service:orders"),
        _ => panic!("it goes to the timeline"),
    }
}

#[test]
fn an_entry_about_traffic_opens_this_pane() {
    let entry = |action: &str, subject: Option<Subject>| {
        let mut entry = Entry::clone(&support::deployed());
        entry.subject.clone_from(&subject);
        entry.invocation = Some(Invocation { subject, ..Invocation::new(action, Actor::default()) });
        let mut world = world_of(snapshot());
        world.timeline =
            Arc::new(Entries { entries: Arc::from([Arc::new(entry)]), total: 1, ..Entries::default() });
        Stage::new(Timeline::new(), world, (120, 36)).keys("enter")
    };
    match entry(SPLIT, Some(Subject::service("orders"))).as_slice() {
        [Effect::Open { pane: "gateway", subject }] => assert_eq!(subject.to_string(), "service:orders"),
        _ => panic!("it opens the service in the gateway"),
    }
    assert!(matches!(entry(PURGE, None).as_slice(), [Effect::Show("gateway")]));
    let other = entry("services.limit", Some(Subject::service("orders")));
    assert!(matches!(other.as_slice(), [Effect::Go(_)]), "anything else goes home");
}

#[test]
fn requests_of_a_route_are_inspected() {
    let mut stage = at_list("routes", (120, 36));
    stage.keys("down i");
    assert!(
        stage.screen().contains("─ requests") && stage.screen().contains("/route:prices"),
        "{}",
        stage.screen()
    );
    stage.keys("esc v up i");
    assert!(stage.screen().contains("40 of 40"), "{}", stage.screen());
}

#[test]
fn the_newest_request_is_followed_until_one_is_read() {
    let mut stage = at_list("requests", (120, 36));
    assert!(stage.screen().contains("following"));
    let more = |stage: &mut Stage, n: u64| {
        let mut next = snapshot();
        let mut sample = quarterdeck_gateway::model::Sample::clone(&next.samples[0]);
        (sample.number, sample.path) = (n, format!("/new/{n}"));
        next.samples = next.samples.iter().cloned().chain([Arc::new(sample)]).collect();
        stage.world.gateway = Arc::new(next);
        stage.passes(33);
    };
    more(&mut stage, 41);
    stage.keys("enter");
    assert!(stage.screen().contains("/new/41"), "{}", stage.screen());
    stage.keys("esc down");
    let before = stage.screen();
    more(&mut stage, 42);
    assert!(!stage.screen().contains("following") && before != stage.screen());
    stage.keys("enter");
    assert!(!stage.screen().contains("/new/"), "the selection stays on its request: {}", stage.screen());
}

#[test]
fn text_from_outside_is_cleaned_wherever_it_stands() {
    let mut hostile = snapshot();
    let evil = "\u{1b}[31mred\u{202e}\u{7}";
    let mut sample = quarterdeck_gateway::model::Sample::clone(&hostile.samples[0]);
    (sample.path, sample.caller, sample.host) = (format!("/{evil}"), evil.to_owned(), evil.to_owned());
    sample.error = Some(evil.to_owned());
    hostile.samples = Arc::from([Arc::new(sample)]);
    hostile.grants.push((evil.to_owned(), 3));
    let mut stage = Stage::new(Gateway::new(), world_of(hostile), (200, 56));
    for _ in LISTS {
        for open in [false, true] {
            if open {
                stage.keys("enter");
            }
            let (buffer, _) = stage.draw();
            let bad = |c: char| c.is_control() || c == '\u{202e}';
            assert!(buffer.content().iter().all(|cell| !cell.symbol().chars().any(bad)));
        }
        stage.keys("v");
    }
}

#[test]
fn hundreds_of_routes_cost_what_is_visible() {
    let mut many = snapshot();
    many.routes = (0..800).map(|n| Arc::new(route(&format!("route-{n:03}"), "prices", n as f64))).collect();
    let mut stage = Stage::new(Gateway::new(), world_of(many), (80, 20));
    let began = std::time::Instant::now();
    for _ in 0..50 {
        stage.draw();
    }
    let drawing = began.elapsed() / 50;
    // Unoptimised, on a busy machine: a frame of all 800 rows would take many times as long.
    assert!(drawing.as_millis() < 60, "{drawing:?}");
    stage.keys("end");
    assert!(stage.screen().contains("route-799"), "{}", stage.screen());
    stage.keys("/");
    stage.types("route-7");
    stage.keys("enter");
    assert!(stage.screen().contains("100 of 800"), "{}", stage.screen());
}

#[test]
fn a_great_many_samples_are_arranged_in_the_background() {
    let mut many = snapshot();
    let one = Arc::clone(&many.samples[0]);
    many.samples = (0..6000_u64)
        .map(|number| {
            let mut sample = quarterdeck_gateway::model::Sample::clone(&one);
            sample.number = number;
            Arc::new(sample)
        })
        .collect();
    let mut stage = Stage::new(Gateway::new(), world_of(many), (80, 20));
    let effects = stage.keys("V");
    let query = effects.into_iter().find_map(|effect| match effect {
        Effect::Query { slot: "arrange", query: Query::Arrange(query) } => Some(query),
        _ => None,
    });
    let query = query.expect("it asks for an arrangement");
    let arrangement = arrange(&*query.rows, &query.spec);
    stage.answer("arrange", Ok(Answer::Arrange(arrangement)));
    assert!(stage.screen().contains("following"), "{}", stage.screen());
    stage.keys("enter");
    assert!(stage.screen().contains("refused") || stage.screen().contains("filters it passed"));
}

#[test]
fn it_remembers_its_list_and_its_order() {
    let mut stage = at_list("limits", (120, 36));
    stage.keys("s");
    let told = stage.pane.remember().expect("something to remember");
    let mut again = Gateway::new();
    again.restore(&told);
    let again = Stage::new(again, world_of(snapshot()), (120, 36));
    assert!(again.screen().contains("─ limits"), "{}", again.screen());
    assert_eq!(again.pane.remember(), Some(told));
}

#[test]
fn a_version_that_takes_nothing_may_be_missing() {
    let state = |share: f64| {
        let mut one = snapshot();
        let mut service = ServiceView::clone(one.service("prices").expect("it is there"));
        let mut missing = version("v2", 0, share, 0.0);
        missing.endpoints.clear();
        service.versions = vec![version("v1", 100, 1.0 - share, 9.0), missing];
        one.services = vec![Arc::new(service)];
        one.routes = vec![Arc::new(route("prices", "prices", 9.0))];
        let screen = Stage::new(Gateway::new(), world_of(one), (120, 12)).screen();
        screen.lines().find(|line| line.contains("▌")).unwrap_or_default().to_owned()
    };
    assert!(state(0.0).contains("● ok"), "{}", state(0.0));
    assert!(state(0.5).contains("✖ v2"), "{}", state(0.5));
}

#[test]
fn a_request_that_is_read_stays_though_the_sample_goes_on() {
    let mut stage = at_list("requests", (120, 36));
    stage.keys("enter");
    let read = stage.screen();
    assert!(read.contains("filters it passed"), "{read}");
    let mut later = snapshot();
    let gone: Vec<_> = later
        .samples
        .iter()
        .map(|sample| {
            let mut other = Sample::clone(sample);
            (other.number, other.path) = (sample.number + 1_000, "/later".to_owned());
            Arc::new(other)
        })
        .collect();
    later.samples = gone.into();
    stage.world.gateway = Arc::new(later);
    stage.passes(33);
    assert!(stage.screen().contains("filters it passed"), "{}", stage.screen());
    assert!(!stage.screen().contains("/later"), "{}", stage.screen());
    stage.keys("esc");
    stage.passes(33);
    assert!(stage.screen().contains("/later"), "{}", stage.screen());
}
