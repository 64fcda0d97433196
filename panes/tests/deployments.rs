//! The deployments pane: keys in, effects and screens out.

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_deploy::model::{FreezeView, Phase, Rollout, ServiceView, Snapshot, StepStatus};
use quarterdeck_kernel::{Actor, Invocation, Subject, SubjectKind};
use quarterdeck_panes::deployments::Deployments;
use quarterdeck_panes::world::{Answer, Query, World};
use quarterdeck_ui::pane::World as _;
use quarterdeck_ui::{Effect, Event};
use quarterdeck_widgets::Role;
use support::alerts::toasts;
use support::deploy::{blue_green, canary, frozen, lines, snapshot_of, world_of};
use support::{NOW, Stage, at, empty_world};

const LISTS: [&str; 4] = ["rollouts", "history", "dora", "output"];

fn stage_of(rollouts: Vec<Rollout>, size: (u16, u16)) -> Stage {
    Stage::new(Deployments::new(), world_of(snapshot_of(rollouts)), size)
}

/// The pane with one of its lists in front.
fn at_list(list: &str, size: (u16, u16)) -> Stage {
    let mut stage = stage_of(vec![canary()], size);
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

fn wanted(action: &str, args: &[(&str, &str)]) -> Sent {
    let args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    (action.to_owned(), "service:orders".to_owned(), args)
}

#[test]
fn every_list_is_drawn() {
    for list in LISTS {
        // As large as screens of 80×24, 120×40 and 200×60 leave it.
        for size in [(80, 20), (120, 36), (200, 56)] {
            insta::assert_snapshot!(format!("{list}_{}x{}", size.0, size.1), at_list(list, size).screen());
        }
        at_list(list, (80, 20)).draws_everywhere();
    }
}

#[test]
fn the_tree_has_services_steps_versions_and_replicas() {
    let stage = at_list("rollouts", (120, 36));
    let screen = stage.screen();
    assert!(screen.contains("90 %") && screen.contains("judge: v2 fails"), "{screen}");
    let tree: Vec<&str> = screen.lines().skip(2).map(|line| line.split('│').next().unwrap_or(line)).collect();
    let places: Vec<Option<usize>> = ["orders", "4 pause", "    v1  ", "v1-0", "v2-1", "risk"]
        .iter()
        .map(|what| tree.iter().position(|line| line.contains(what)))
        .collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}\n{screen}");
    assert!(screen.contains("canary v1 → v2, paused"), "{screen}");
    assert!(tree.iter().any(|line| line.contains("4 pause") && line.contains("0:41 left")), "{screen}");
    assert!(tree.iter().any(|line| line.contains("5 weight") && line.contains("in 0:41")), "{screen}");
    assert!(!tree.iter().any(|line| line.contains("v0")), "what does not run is not in the tree\n{screen}");
    assert!(stage.is_role("▲ not ready", Role::Warning), "{screen}");
    assert_eq!(stage.selection().as_deref(), Some("service:orders"), "what is under way comes first");
}

#[test]
fn a_rollout_in_full_has_its_verdicts_beside_its_ladder() {
    for size in [(80, 20), (120, 36), (200, 56)] {
        let mut stage = at_list("rollouts", size);
        assert!(stage.keys("enter").is_empty());
        insta::assert_snapshot!(format!("open_{}x{}", size.0, size.1), stage.screen());
        stage.keys("end pageup down");
        stage.draws_everywhere();
        assert!(stage.keys("esc").is_empty(), "it comes back to the list");
        assert!(matches!(stage.keys("esc").as_slice(), [Effect::Back]));
    }
    let mut stage = at_list("rollouts", (120, 36));
    stage.keys("enter");
    let screen = stage.screen();
    for told in [
        "judge: v2 fails",
        "score 41, passes at 80",
        "✖ higher, p < 0.001",
        "✔ no difference",
        "90 %",
        "371/s",
        "in 0:41",
        "it is taken back in 0:12",
    ] {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
}

#[test]
fn both_versions_stand_side_by_side_as_the_gateway_measures_them() {
    let mut stage = at_list("rollouts", (120, 36));
    assert!(!stage.screen().contains("side by side"), "without a gateway there is nothing to compare");
    stage.world.gateway = Arc::new(support::gateway::snapshot());
    let row = |screen: &str, name: &str| {
        let line = screen.lines().find(|line| line.contains(name)).unwrap_or_default();
        line.rsplit('│').next().unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let screen = stage.screen();
    assert!(screen.contains("side by side, at the gateway"), "{screen}");
    assert_eq!(row(&screen, "requests /s"), ["requests", "/s", "371", "41"], "{screen}");
    assert_eq!(row(&screen, "p95 ms").len(), 4, "{screen}");
}

#[test]
fn explaining_tells_every_measurement() {
    let mut stage = at_list("rollouts", (120, 60));
    assert!(stage.keys("x").is_empty());
    let screen = stage.screen();
    for told in [
        "why it is where it is",
        "0.93",
        "84 ms against 29 ms",
        "24 values of v1",
        "2 of 2 replicas of v1 answer",
        "orders-v1 → orders-v2",
        "faster matching",
        "4f1c2aa",
    ] {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
    stage.keys("x");
    assert!(!stage.screen().contains("why it is where it is"));
    stage.keys("end");
    assert!(toasts(&stage.keys("x"))[0].contains("select a rollout first"), "risk has none");
}

#[test]
fn the_countdown_moves_with_the_clock() {
    let mut stage = at_list("rollouts", (120, 36));
    assert!(stage.screen().contains("in 0:41"));
    stage.passes(11_000);
    assert!(stage.screen().contains("in 0:30"), "{}", stage.screen());
}

#[test]
fn keys_dispatch_what_the_engine_does() {
    let mut stage = at_list("rollouts", (120, 36));
    assert_eq!(sent(stage.keys("p")), wanted("deploy.promote", &[("full", "no")]));
    assert_eq!(sent(stage.keys("alt-p")), wanted("deploy.promote", &[("full", "yes")]));
    assert_eq!(sent(stage.keys("P")), wanted("deploy.skip", &[]));
    assert_eq!(sent(stage.keys("z")), wanted("deploy.freeze", &[]));
    assert_eq!(sent(stage.keys("R")), wanted("deploy.rollback", &[]));
    assert_eq!(sent(stage.keys("alt-r")), wanted("deploy.rollback", &[("gradual", "yes")]));
    assert_eq!(sent(stage.keys("A")), wanted("deploy.abort", &[]));
    // The same from any row of the service, and with the rollout in full.
    stage.keys("down down down enter");
    assert_eq!(sent(stage.keys("R")), wanted("deploy.rollback", &[]));

    let mut stage = stage_of(vec![frozen()], (120, 36));
    assert!(stage.screen().contains("Frozen for 30 s by ops-2"), "{}", stage.screen());
    // A countdown stands while it is frozen: resumed, the pause has as long to go as when it was.
    assert!(stage.screen().contains("1:11 left") && !stage.screen().contains("0:41"), "{}", stage.screen());
    assert_eq!(sent(stage.keys("z")), wanted("deploy.resume", &[]));
    assert!(toasts(&stage.keys("P"))[0].contains("it is frozen"));
}

#[test]
fn without_a_rollout_keys_say_why_nothing_happens() {
    let mut stage = stage_of(Vec::new(), (120, 36));
    assert_eq!(stage.selection().as_deref(), Some("service:risk"));
    for key in ["p", "P", "z", "A", "alt-p"] {
        assert!(
            toasts(&stage.keys(key))[0].contains("no rollout of risk is under way; n begins one"),
            "{key}"
        );
    }
    assert_eq!(sent(stage.keys("R")).0, "deploy.rollback", "the last one can be taken back");
    assert!(toasts(&stage.keys("W"))[0].contains("no rollout of risk"));
    assert!(!stage.hints().contains(&"deployments.promote") && stage.hints().contains(&"deployments.new"));
}

#[test]
fn hints_are_what_works_here_and_now() {
    let hints = at_list("rollouts", (120, 36)).hints();
    for hint in ["promote", "skip", "hold", "rollback", "stop", "why", "logs", "changed", "view", "open"] {
        assert!(hints.contains(&format!("deployments.{hint}").as_str()), "{hint}: {hints:?}");
    }
    assert!(!hints.contains(&"deployments.new") && !hints.contains(&"deployments.weights"), "{hints:?}");
    let hints = stage_of(vec![frozen()], (120, 36)).hints();
    assert!(!hints.contains(&"deployments.skip") && hints.contains(&"deployments.hold"), "{hints:?}");
    assert!(stage_of(vec![blue_green()], (120, 36)).hints().contains(&"deployments.weights"));
}

#[test]
fn a_new_rollout_is_typed_with_what_it_means() {
    let mut stage = stage_of(Vec::new(), (120, 36));
    stage.keys("end n");
    let screen = stage.screen();
    assert!(screen.contains("roll a version out"), "{screen}");
    stage.keys("esc");
    stage.keys("home");
    stage.keys("n");
    stage.keys("up");
    for _ in 0.."risk".len() {
        stage.keys("backspace");
    }
    stage.types("orders");
    stage.keys("down");
    stage.types("v2");
    let screen = stage.screen();
    insta::assert_snapshot!("new", screen);
    assert!(screen.contains("now orders runs v1 on 2 replicas and takes 412 requests a second"), "{screen}");
    stage.keys("down");
    for _ in 0.."rolling".len() {
        stage.keys("backspace");
    }
    stage.types("careful");
    assert!(
        stage.screen().contains("careful: canary in 3 weights, judged; at most 30m"),
        "{}",
        stage.screen()
    );
    stage.keys("down");
    stage.types("faster matching");
    let expected =
        wanted("deploy.start", &[("version", "v2"), ("strategy", "careful"), ("reason", "faster matching")]);
    assert_eq!(sent(stage.keys("enter")), expected);
    assert!(!stage.pane.typing(), "the form is closed");
}

#[test]
fn a_new_rollout_that_cannot_be_says_so() {
    let mut stage = at_list("rollouts", (120, 36));
    stage.keys("n");
    assert!(stage.screen().contains("one at a time"), "{}", stage.screen());
    assert!(toasts(&stage.keys("enter"))[0].contains("say which version"));
    stage.keys("up backspace enter");
    assert!(stage.pane.typing(), "an unknown service keeps the form open");
    stage.keys("esc");

    let mut snapshot = snapshot_of(Vec::new());
    snapshot.freezes = vec![FreezeView {
        reason: "quarter end".to_owned(),
        services: vec!["risk".to_owned()],
        from: at(-60),
        until: at(120),
    }];
    let mut stage = Stage::new(Deployments::new(), world_of(snapshot), (120, 36));
    assert!(stage.screen().contains("no rollouts for 2:00: quarter end"), "{}", stage.screen());
    stage.keys("n");
    stage.types("2026-03");
    let screen = stage.screen();
    assert!(screen.contains("nothing is rolled out for 2:00: quarter end"), "{screen}");
    assert!(screen.contains("2026-03 is the stable version already"), "{screen}");
}

#[test]
fn the_weight_of_a_colour_is_typed() {
    let mut stage = stage_of(vec![blue_green()], (120, 36));
    stage.keys("W backspace backspace");
    stage.types("60");
    assert!(
        stage.screen().contains("v2 will take 60 %, about 247 requests a second; now it takes 10 %"),
        "{}",
        stage.screen()
    );
    assert_eq!(sent(stage.keys("enter")), wanted("deploy.weight", &[("version", "v2"), ("weight", "60")]));
    stage.keys("W");
    stage.types("1");
    assert!(toasts(&stage.keys("enter"))[0].contains("0 to 100"), "101 is no share");
    let mut stage = at_list("rollouts", (120, 36));
    assert!(toasts(&stage.keys("W"))[0].contains("this one is canary"));
}

#[test]
fn history_is_told_and_taken_back() {
    let mut stage = at_list("history", (200, 56));
    assert_eq!(stage.selection().as_deref(), Some("deployment:orders-0030"));
    assert!(toasts(&stage.keys("R"))[0].contains("v1 is the stable version of orders already"));
    stage.keys("enter");
    let screen = stage.screen();
    assert!(screen.contains("degraded: rolled back") && screen.contains("not done"), "{screen}");
    stage.keys("esc");
    let mut moved = snapshot_of(Vec::new());
    let mut orders = ServiceView::clone(moved.service("orders").expect("it is there"));
    orders.stable = Some("v2".to_owned());
    moved.services[1] = Arc::new(orders);
    stage.world.deploy = Arc::new(moved);
    stage.passes(33);
    assert_eq!(sent(stage.keys("R")), wanted("deploy.rollback", &[("to", "v1")]));
}

#[test]
fn what_is_not_known_is_no_zero() {
    let mut stage = at_list("dora", (120, 36));
    let screen = stage.screen();
    let of = |name: &str| screen.lines().find(|line| line.contains(name)).unwrap_or_default().to_owned();
    assert!(of("▌ all services").contains("0.4") && of("▌ all services").contains("25"), "{screen}");
    let risk = of("risk");
    assert!(risk.contains('·') && !risk.contains("0 %"), "{risk}");
    stage.keys("end enter");
    assert!(stage.screen().contains("not known"), "{}", stage.screen());
}

#[test]
fn output_is_asked_for_and_followed() {
    let mut stage = at_list("rollouts", (120, 36));
    let asked = |effects: Vec<Effect<World>>| {
        effects.into_iter().find_map(|effect| match effect {
            Effect::Query { slot: "output", query: Query::Output { version, replica, at, .. } } => {
                Some((version, replica, at))
            }
            _ => None,
        })
    };
    let (version, replica, when) = asked(stage.keys("l")).expect("it asks");
    assert_eq!((version.as_deref(), replica, when), (Some("v2"), None, NOW), "of the new version");
    assert!(stage.screen().contains("Nothing was written yet."), "{}", stage.screen());
    stage.answer("output", Ok(Answer::Output(lines(200))));
    let screen = stage.screen();
    assert!(screen.contains("output of orders v2") && screen.contains("order 200 matched"), "{screen}");
    assert!(screen.contains("following") && stage.is_role("order 200 matched", Role::Warning), "{screen}");
    assert!(asked(stage.passes(300)).is_none(), "at most once a second");
    assert!(asked(stage.passes(800)).is_some());
    stage.keys("up");
    stage.answer("output", Ok(Answer::Output(lines(300))));
    assert!(
        !stage.screen().contains("order 300 matched"),
        "who looks at a line keeps it: {}",
        stage.screen()
    );
    stage.keys("end");
    assert!(stage.screen().contains("order 300 matched"), "{}", stage.screen());
    stage.keys("enter");
    assert!(stage.screen().contains("order 300 matched"), "{}", stage.screen());
    stage.keys("esc V V V");
    // Of one replica.
    stage.keys("end up");
    let (version, replica, _) = asked(stage.keys("l")).expect("it asks");
    assert!(version.is_some() || replica.is_none());
    stage.answer("output", Err("nothing of orders is run by this console".to_owned()));
    assert!(stage.screen().contains("nothing of orders is run by this console"), "{}", stage.screen());
}

#[test]
fn dialogs_tell_what_will_happen_in_numbers() {
    let world = world_of(snapshot_of(vec![canary()]));
    let of = |action: &str, args: &[(&str, &str)]| {
        let mut invocation = Invocation::new(action, Actor::default());
        invocation.subject = Some(Subject::service("orders"));
        for (name, value) in args {
            invocation.args.insert((*name).to_owned(), (*value).to_owned());
        }
        (world.title(&invocation).unwrap_or_default(), world.preview(&invocation))
    };
    let (title, told) = of("deploy.rollback", &[]);
    assert_eq!(title, "Roll orders back");
    assert_eq!(
        told,
        [
            "v2 takes 10 % of the requests now, 41 a second",
            "All new requests will go to v1 (2 of 2 replicas ready); those under way end on v2.",
        ]
    );
    let (_, told) = of("deploy.rollback", &[("to", "v0")]);
    assert_eq!(told[1], "v0 does not run: it is started first; the last time that took 2 s.");
    let (title, told) = of("deploy.promote", &[("full", "yes")]);
    assert_eq!(title, "Give v2 of orders all the traffic");
    assert!(told[1].contains("weight 50 %, promote"), "{told:?}");
    let (_, told) = of("deploy.promote", &[("full", "no")]);
    assert_eq!(told[1], "The step that waits is done; next is weight 50 %.");
    let mut asked = Invocation::new("deploy.rollback", Actor::default());
    asked.subject = Some(Subject::service("orders"));
    let choices = world.choices(&asked, "to").expect("the versions");
    assert_eq!(choices[0], ("v1".to_owned(), "stable, 90 % now, 2 ready".to_owned()));
    assert_eq!(choices.len(), 3);
    asked.action = "deploy.start".to_owned();
    assert_eq!(world.complete(&asked, "strategy"), ["careful"]);
    assert_eq!(world.complete(&asked, "version"), ["v2", "v0"]);
    assert_eq!(world.status().running.as_deref(), Some("1 rollout"));
    assert_eq!(of("deploy.abort", &[]).0, "Abort the rollout of orders");
    let (title, told) = of("deploy.start", &[("version", "v3")]);
    assert_eq!(title, "Roll out orders v3");
    assert!(told[0].contains("one at a time"), "{told:?}");
}

#[test]
fn links_lead_here() {
    let mut stage = at_list("rollouts", (120, 36));
    let subject = Subject::new(SubjectKind::Deployment, "orders-0030");
    assert_eq!(stage.world.home_of(&subject), "deployments");
    stage.event(Event::Open(&subject));
    assert_eq!(stage.selection().as_deref(), Some("deployment:orders-0030"));
    stage.event(Event::Open(&Subject::new(SubjectKind::Deployment, "orders-0031")));
    assert_eq!(stage.selection().as_deref(), Some("service:orders"));
    stage.event(Event::Open(&Subject::service("risk")));
    assert_eq!(stage.selection().as_deref(), Some("service:risk"));
    stage.effects.clear();
    let open = stage.keys("w");
    assert!(matches!(open.as_slice(), [Effect::Open { pane: "timeline", .. }]), "{}", open.len());
    // What is asked for before it is there is selected as soon as it is.
    let mut late = Stage::new(Deployments::new(), empty_world(), (120, 36));
    late.event(Event::Open(&Subject::service("orders")));
    late.world = world_of(snapshot_of(vec![canary()]));
    late.passes(33);
    assert_eq!(late.selection().as_deref(), Some("service:orders"));
}

#[test]
fn without_anything_it_says_how_to_begin() {
    let mut stage = Stage::new(Deployments::new(), empty_world(), (80, 20));
    insta::assert_snapshot!("absent", stage.screen());
    assert!(stage.hints().is_empty() && stage.selection().is_none());
    stage.draws_everywhere();
    for key in ["p", "P", "z", "R", "A", "n", "W", "x", "l", "w", "enter"] {
        let effects = stage.keys(key);
        assert!(effects.iter().all(|e| matches!(e, Effect::Toast(..) | Effect::Cancel(_))), "{key}");
    }
}

#[test]
fn it_remembers_its_list_and_its_order() {
    let mut stage = at_list("history", (120, 36));
    stage.keys("s");
    let told = stage.pane.remember().expect("something to remember");
    let mut again = Deployments::new();
    quarterdeck_ui::Pane::<World>::restore(&mut again, &told);
    let again = Stage::new(again, world_of(snapshot_of(Vec::new())), (120, 36));
    assert!(again.screen().contains("─ history"), "{}", again.screen());
    assert_eq!(again.pane.remember(), Some(told));
}

/// What comes from outside draws in any phase, at any size, however long and strange its words are.
#[test]
fn every_phase_and_hostile_text_is_drawn() {
    let strange = "\u{1b}[31mred\u{202e}gnp\tx\u{0301}\u{0301}".repeat(9);
    for phase in [
        Phase::Validating,
        Phase::Starting,
        Phase::Progressing,
        Phase::Paused,
        Phase::Frozen,
        Phase::Promoting,
        Phase::RollingBack,
        Phase::Draining,
        Phase::Healthy,
        Phase::Degraded,
    ] {
        let mut rollout = canary();
        rollout.phase = phase;
        rollout.message.clone_from(&strange);
        rollout.to.clone_from(&strange);
        rollout.reason.clone_from(&strange);
        for (place, status) in
            [StepStatus::Failed, StepStatus::Skipped, StepStatus::Dropped].into_iter().enumerate()
        {
            rollout.steps[place].status = status;
            rollout.steps[place].message.clone_from(&strange);
        }
        let mut stage = stage_of(vec![rollout], (120, 36));
        let (buffer, _) = stage.draw();
        assert!(buffer.content().iter().all(|cell| !cell.symbol().contains(['\u{1b}', '\u{202e}', '\t'])));
        stage.draws_everywhere();
        stage.keys("enter");
        stage.draws_everywhere();
    }
    // A snapshot without services but with a past still shows it.
    let past = Snapshot { services: Vec::new(), ..snapshot_of(Vec::new()) };
    let mut stage = Stage::new(Deployments::new(), world_of(past), (80, 20));
    assert!(stage.screen().contains("Add [deploy.services.NAME]"), "{}", stage.screen());
    stage.keys("v");
    assert!(stage.screen().contains("rolled back"), "{}", stage.screen());
}

/// The pane on one rollout, shown in full.
fn full(rollout: Rollout) -> String {
    let mut stage = stage_of(vec![rollout], (200, 56));
    stage.keys("enter");
    stage.screen()
}

#[test]
fn a_judge_without_data_says_so_instead_of_a_score() {
    let mut rollout = canary();
    let judge = rollout.analyses[0].judge.as_mut().expect("a judge");
    judge.score = 0.0;
    for metric in &mut judge.metrics {
        metric.values = (0, 0);
    }
    let screen = full(rollout.clone());
    assert!(screen.contains("no data yet") && screen.contains("passes at a score of 80"), "{screen}");
    assert!(!screen.contains("score 0"), "{screen}");
    // Once it has ended, that there was none is the verdict.
    rollout.phase = Phase::Degraded;
    let screen = full(rollout);
    assert!(!screen.contains("no data yet"), "{screen}");
}

#[test]
fn what_is_told_of_a_rollout_can_be_checked() {
    let mut rollout = canary();
    rollout.metadata.extend([
        ("invocation".to_owned(), "019-internal".to_owned()),
        ("commit_time".to_owned(), at(-3600).as_millis().to_string()),
        ("unplanned".to_owned(), "true".to_owned()),
    ]);
    let screen = full(rollout);
    assert!(screen.contains("at least 0.95") && !screen.contains("result[0]"), "{screen}");
    assert!(!screen.contains("invocation") && !screen.contains("019-internal"), "{screen}");
    assert!(screen.contains("committed") && screen.contains("it mends what a deployment broke"), "{screen}");
    assert!(!screen.contains(&at(-3600).as_millis().to_string()), "{screen}");
}

#[test]
fn the_console_that_does_the_rollouts_is_named() {
    let address = "http://10.0.0.2:9470".to_owned();
    let elsewhere = quarterdeck_deploy::model::Elsewhere { console: "deck-b".to_owned(), address };
    let snapshot = Snapshot { elsewhere: Some(elsewhere), ..snapshot_of(vec![canary()]) };
    let stage = Stage::new(Deployments::new(), world_of(snapshot), (120, 36));
    let screen = stage.screen();
    assert!(screen.contains("done by the console at http://10.0.0.2:9470, shown here"), "{screen}");
}
