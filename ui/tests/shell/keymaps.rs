//! Operators' keymaps: what they change, and what is said about what is wrong in them.

use quarterdeck_ui::keymap::{Keymap, Lookup, Vocabulary};
use quarterdeck_ui::keys::parse_chord;
use quarterdeck_ui::{CommandSpec, PaneSpec};

use crate::support::{Desk, Fake};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Each with the diagnostics it must get, in order.
const WRONG: &[(&str, &[&str])] = &[
    ("[globl]\nkeys = []", &["k.toml:1:2: \"globl\" is not a context; did you mean \"global\"?"]),
    (
        "[global]\nprepnd = []",
        &["k.toml:2:1: \"prepnd\" is not a list of bindings; did you mean \"prepend\"?"],
    ),
    ("[global]\nkeys = 3", &["k.toml:2:8: found a integer; write a list of { on, run }"]),
    (
        "[global]\nprepend = [{ on = \"entr\", run = \"shell.quit\" }]",
        &["k.toml:2:19: \"entr\" is not a key; did you mean enter?"],
    ),
    (
        "[global]\nprepend = [\n  { on = \"x\", run = \"shell.quti\" },\n]",
        &["k.toml:3:21: \"shell.quti\" is not a command or action; did you mean \"shell.quit\"?"],
    ),
    (
        "[global]\nprepend = [{ on = \"x\", run = \"services.open\" }]",
        &["k.toml:2:30: services.open works in services only, this is global; bind it under [services]"],
    ),
    (
        "[global]\nprepend = [{ on = \"x\", run = \"shell.quit\" }, { on = \"x\", run = \"shell.help\" }]",
        &["k.toml:2:53: x is bound twice in global: to shell.quit and to shell.help; keep one of them"],
    ),
    (
        "[global]\nprepend = [{ on = \"x\", run = \"shell.quit\" }, { on = \"x y\", run = \"shell.help\" }]",
        &["k.toml:2:53: x y and x cannot both be bound in global: one begins the other; keep one of them"],
    ),
    (
        "[global]\nprepend = [{ on = \"x\" }]",
        &["k.toml:2:12: the binding has no \"run\"; write { on = \"KEYS\", run = \"COMMAND\" }"],
    ),
    (
        "[global]\nprepend = [{ on = \"x\", run = \"shell.help\", desc = \"\" }]",
        &["k.toml:2:44: \"desc\" is not a field of a binding; allowed are on, run, args, title"],
    ),
    (
        "[global]\nprepend = [{ on = \"x\", run = \"services.limit\", args = { limt = 50 } }]",
        &["k.toml:2:30: \"limt\" is not a argument of services.limit; did you mean \"limit\"?"],
    ),
    (
        "[list]\nprepend = [{ on = \"x\", run = \"list.pu\" }]",
        &["k.toml:2:30: \"list.pu\" is not a command of list; did you mean \"list.up\"?"],
    ),
    (
        "[global]\nprepend = [{ on = \"hyper-x\", run = \"shell.quit\" }, { on = 3, run = \"shell.quit\" }]",
        &[
            "k.toml:2:19: \"hyper\" is not a modifier: write ctrl, alt or shift",
            "k.toml:2:59: found a integer; write a text in quotes",
        ],
    ),
];

#[test]
fn every_mistake_is_told_with_its_place() {
    for (text, expected) in WRONG {
        let mut desk = Desk::new(Fake::default());
        let before = desk.shell.keymap().clone();
        let errors = desk.shell.set_keymap("k.toml", text).expect_err(text);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(told, *expected, "{text}");
        assert_eq!(*desk.shell.keymap(), before, "the old keymap stays");
        assert!(desk.screen().contains("keymap unchanged"), "{}", desk.screen());
    }
    let mut desk = Desk::new(Fake::default());
    let errors = desk.shell.set_keymap("k.toml", "[global\n").expect_err("this is no TOML");
    assert_eq!((errors[0].line, errors[0].source.as_str()), (1, "k.toml"));
}

#[test]
fn keymaps_are_laid_over_the_defaults() {
    let mut desk = Desk::new(Fake::default());
    let keymap = r#"
        [global]
        prepend = [
            { on = "ctrl-q", run = "shell.quit" },
            { on = "q", run = "none" },
            { on = "X", run = "go.log", title = "to the log" },
            { on = "W", run = "services.limit", args = { limit = 50, quantile = "p95" } },
        ]
        append = [{ on = "?", run = "shell.quit" }, { on = "Z", run = "shell.messages" }]
        [confirm]
        keys = [{ on = "Y", run = "confirm.yes" }, { on = "esc", run = "confirm.no" }]
    "#;
    desk.shell.set_keymap("k.toml", keymap).expect("it is in order");
    desk.press("q");
    assert!(desk.effects.iter().all(|e| !matches!(e, quarterdeck_ui::HostEffect::Quit)));
    let set = desk.press("W").dispatched();
    assert_eq!(set[0].args["limit"], "50");
    assert!(desk.press("R y").dispatched().is_empty(), "y means nothing any more");
    assert!(desk.screen().contains("Roll back (Y)"), "{}", desk.screen());
    assert_eq!(desk.press("Y").dispatched().len(), 1);
    assert!(desk.press("?").screen().contains("┌─ keys"), "append takes only what is free");
    let help = desk.press("\"X\"").screen();
    assert!(help.contains("to the log"), "{help}");
    assert!(desk.press("enter").screen().contains("─ log ─"), "help runs the entry");
    assert!(desk.press("Z").screen().contains("messages"));
}

#[test]
fn a_pane_s_key_hides_the_global_one() {
    static PANE: PaneSpec = PaneSpec {
        id: "p",
        title: "P",
        description: "",
        go: 'p',
        commands: &[CommandSpec { id: "p.r", title: "retry", description: "", keys: &["r"], action: None }],
        actions: &[],
    };
    let keymap = Keymap::defaults(&Vocabulary { panes: &[&PANE], actions: &[] }).expect("it is in order");
    let r = parse_chord("r").expect("a key");
    for (contexts, id) in [(["p", "global"], "p.r"), (["none", "global"], "range.choose")] {
        match keymap.lookup(&contexts, &r) {
            Lookup::Bound(binding) => assert_eq!(binding.run.id(), id),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(keymap.label_of(&["p", "global"], "range.choose"), None, "hints do not tell hidden keys");
    assert!(matches!(keymap.lookup(&["p", "global"], &parse_chord("g").expect("a key")), Lookup::Begins(_)));
}

#[test]
fn specs_that_clash_are_told() {
    const fn pane(id: &'static str, go: char, commands: &'static [CommandSpec]) -> PaneSpec {
        PaneSpec { id, title: id, description: "", go, commands, actions: &[] }
    }
    const fn command(id: &'static str, keys: &'static [&'static str]) -> CommandSpec {
        CommandSpec { id, title: id, description: "", keys, action: None }
    }
    static A: PaneSpec = pane("a", 'x', &[command("a.one", &["o", "enter"]), command("a.two", &["o"])]);
    static B: PaneSpec = pane("b", 'x', &[command("b.go", &["g"]), command("b.bad", &["entr"])]);
    let errors = Keymap::defaults(&Vocabulary { panes: &[&A, &B], actions: &[] }).expect_err("they clash");
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "panes a and b both go by 'x'; give one of them another letter",
            "pane a: \"o\" of a.two clashes with \"o\" of a.one",
            "pane b: \"g\" of b.go hides \"g x\" of go.a; bind another key",
            "pane b: b.bad: \"entr\" is not a key; did you mean enter?",
        ]
    );
}

#[test]
fn every_default_command_has_a_spec_and_a_key() {
    let desk = Desk::new(Fake::default());
    let keymap = desk.shell.keymap();
    for (context, commands) in quarterdeck_ui::commands::CONTEXTS {
        for command in *commands {
            assert!(keymap.label_of(&[context], command.id).is_some(), "{} has no key", command.id);
        }
    }
}

#[test]
fn the_defaults_are_a_keymap_that_operators_can_start_from() {
    let mut desk = Desk::new(Fake::default());
    desk.shell
        .set_keymap("k.toml", quarterdeck_ui::keymap::DEFAULT_KEYMAP)
        .expect("the defaults are in order");
    assert!(desk.press("?").screen().contains("┌─ keys"));
}

#[test]
fn mangled_keymaps_are_refused_or_taken_but_never_panic() {
    let seed = 11;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let letters: Vec<char> = "[]{}\"=,.\n abgx#éctrl-".chars().collect();
    let mut refused = 0;
    for _ in 0..300 {
        let mut text: Vec<char> = quarterdeck_ui::keymap::DEFAULT_KEYMAP.chars().collect();
        for _ in 0..rng.random_range(1..6) {
            let at = rng.random_range(0..text.len());
            if rng.random_bool(0.5) {
                text.remove(at);
            } else {
                text.insert(at, *letters.choose(&mut rng).unwrap_or(&'x'));
            }
        }
        let text: String = text.into_iter().collect();
        let mut desk = Desk::new(Fake::default());
        if let Err(errors) = desk.shell.set_keymap("k.toml", &text) {
            refused += 1;
            let placed = errors.iter().all(|e| e.line > 0 && e.column > 0 && !e.message.is_empty());
            assert!(placed, "seed {seed}: {errors:?}\n{text}");
        }
    }
    assert!((50..300).contains(&refused), "seed {seed}: {refused} refused");
}
