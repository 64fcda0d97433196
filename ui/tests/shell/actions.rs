//! From a key to a dispatched action.

use std::sync::Arc;

use quarterdeck_kernel::{Severity, Subject};
use quarterdeck_ui::{
    CommandSpec, Context, Effect, Event, Hit, HostEffect, Input, Key, Options, Pane, PaneSpec, Shell,
};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::support::{Desk, Fake, NOW, rows};

#[test]
fn safe_actions_go_at_once_on_the_selection() {
    let mut desk = Desk::new(Fake::default());
    let done = desk.press("down a").dispatched();
    assert_eq!(done.len(), 1);
    assert_eq!(done[0].action, "alerts.acknowledge");
    assert_eq!(done[0].subject, Some(Subject::service("risk")));
    assert_eq!(done[0].actor.user, "ops-1");
    assert!(desk.screen().contains("Ack risk"), "what runs is seen");
    desk.outcome(&done[0], Ok("risk: acknowledged by ops-1"));
    let screen = desk.screen();
    assert!(screen.contains("✔ risk: acknowledged by ops-1") && !screen.contains("Ack risk"), "{screen}");
}

#[test]
fn enter_on_a_confirmation_is_cancel_and_y_is_yes() {
    for (keys, happens) in [
        ("R enter", false),
        ("R esc", false),
        ("R n", false),
        ("R ctrl-c", false),
        ("R tab tab enter", false),
        ("R y", true),
        ("R tab enter", true),
        ("R x Y", false),
    ] {
        let mut desk = Desk::new(Fake::default());
        let done = desk.press(keys).dispatched();
        assert_eq!(done.len(), usize::from(happens), "{keys}");
    }
}

#[test]
fn what_destroys_asks_for_the_name() {
    for (keys, happens) in [
        ("D y enter", false),
        ("D enter", false),
        ("D \"order\" enter", false),
        ("D \"orders\" esc", false),
        ("D \"orders\" enter", true),
        ("D \"ordersx\" backspace enter", true),
    ] {
        let mut desk = Desk::new(Fake::default());
        assert_eq!(desk.press(keys).dispatched().len(), usize::from(happens), "{keys}");
    }
    let mut desk = Desk::new(Fake::default());
    desk.press("D");
    desk.send(quarterdeck_ui::Input::Paste("orders".into()));
    assert!(desk.press("enter").dispatched().is_empty(), "a pasted name does not count");
}

#[test]
fn arguments_are_asked_for_checked_and_completed() {
    let mut desk = Desk::new(Fake::default());
    desk.press("L \"fifty\" enter");
    assert!(desk.screen().contains("\"fifty\" is not a number"), "{}", desk.screen());
    desk.press("ctrl-u \"50\" enter");
    let screen = desk.screen();
    assert!(screen.contains("Which percentile") && screen.contains("p95"), "{screen}");
    let done = desk.press("tab tab tab enter").dispatched();
    assert_eq!(done[0].args["limit"], "50");
    assert_eq!(done[0].args["quantile"], "p99");
}

#[test]
fn a_reason_goes_with_the_invocation() {
    let mut desk = Desk::new(Fake::default());
    let done = desk.press("R r \"slow\" enter y").dispatched();
    assert_eq!(done[0].reason.as_deref(), Some("slow"));
    let done = desk.press("D tab \"old\" enter \"orders\" enter").dispatched();
    assert_eq!(done[0].reason.as_deref(), Some("old"));
}

#[test]
fn refusals_say_why() {
    let mut world = Fake::default();
    world.refuses.insert("deploy.rollback".into(), "v1 is not running any more".into());
    let mut desk = Desk::new(world);
    assert!(!desk.last_row().contains("roll back"), "hints tell only what works");
    assert!(desk.press("R").dispatched().is_empty());
    assert!(desk.screen().contains("cannot roll back: v1 is not running any more"), "{}", desk.screen());
    desk.press(": \"roll\"");
    assert!(
        desk.screen().contains("v1 is not running any more"),
        "the palette shows it dimmed with the reason"
    );
    desk.press("enter y");
    assert!(desk.dispatched().is_empty());
}

#[test]
fn what_moved_meanwhile_is_not_done() {
    let mut desk = Desk::new(Fake::default());
    desk.press("R").change(|w| {
        w.refuses.insert("deploy.rollback".into(), "it was rolled back already".into());
    });
    assert!(desk.press("y").dispatched().is_empty());
    assert!(desk.screen().contains("any more: it was rolled back already"));
}

#[test]
fn read_only_takes_away_what_is_not_safe() {
    let mut world = Fake::default();
    world.status.read_only = true;
    let mut desk = Desk::new(world).sized(120, 40);
    assert!(desk.row(0).contains("READ-ONLY"));
    let hints = desk.last_row();
    assert!(hints.contains("a ack") && !hints.contains("roll back"), "{hints}");
    desk.press("R y");
    assert!(desk.dispatched().is_empty());
    let help = desk.press("?").screen();
    assert!(help.contains("Ack") && !help.contains("Roll back"), "{help}");
    let palette = desk.press("esc : \"roll\"").screen();
    assert!(!palette.contains("Roll back"), "{palette}");
    assert_eq!(desk.press("esc a").dispatched().len(), 1);
}

#[test]
fn failures_are_told_with_what_was_tried() {
    let mut desk = Desk::new(Fake::default());
    let done = desk.press("R y").dispatched();
    desk.outcome(&done[0], Err("the gateway does not answer"));
    assert!(desk.screen().contains("Roll back orders: the gateway does not answer"), "{}", desk.screen());
    desk.wait(60_000);
    assert!(!desk.screen().contains("gateway"), "toasts go");
    assert!(desk.press(", m").screen().contains("the gateway does not answer"), "the log keeps them");
}

#[test]
fn an_outcome_that_does_not_come_is_not_waited_for_forever() {
    let mut desk = Desk::new(Fake::default());
    let done = desk.press("a").dispatched();
    desk.wait(100_000);
    assert!(desk.screen().contains("Ack orders"));
    desk.wait(30_000);
    assert!(desk.screen().contains("no outcome yet"), "{}", desk.screen());
    assert!(desk.shell.next_tick() >= desk.now.plus_millis(900), "nothing turns any more");
    desk.outcome(&done[0], Ok("orders: acknowledged after all"));
    assert!(desk.screen().contains("acknowledged after all"));
}

#[test]
fn undo_takes_the_newest_own_change() {
    let marks = vec![
        Fake::entry("ops-1", 1, true),
        Fake::entry("ops-1", 2, true),
        Fake::entry("ops-1", 3, false),
        Fake::entry("ops-2", 4, true),
    ];
    let mut desk = Desk::new(Fake { marks, ..Fake::default() });
    let done = desk.press("U y").dispatched();
    assert_eq!(done[0].action, "timeline.undo");
    assert_eq!(done[0].subject.as_ref().map(ToString::to_string).as_deref(), Some("entry:here/2"));
    desk.change(|w| w.marks.clear());
    desk.press("U");
    assert!(desk.screen().contains("none of your changes"));
}

#[test]
fn copy_answers_keys_alone() {
    let mut desk = Desk::new(Fake::default());
    desk.change(|w| w.services.push("ledger".into()));
    assert!(!desk.effects.iter().any(|e| matches!(e, HostEffect::Copy(_))), "the world copies nothing");
    desk.press("y");
    assert!(desk.effects.iter().any(|e| matches!(e, HostEffect::Copy(text) if text == "a\nb")));
    desk.press("Y");
    assert!(desk.effects.iter().any(|e| matches!(e, HostEffect::Copy(text) if text == "service:orders")));
}

#[test]
fn a_dialog_says_what_is_set_and_what_it_is_now() {
    let mut desk = Desk::new(Fake::default());
    let screen = desk.press("L").screen();
    for told in ["Set the p99 limit of orders", "p99 of orders is 84 ms; its limit is 60 ms.", "no limit"] {
        assert!(screen.contains(told), "{told}:\n{screen}");
    }
    assert!(screen.contains("Latency limit in ms"), "and what may be written:\n{screen}");
}

#[test]
fn a_confirmation_that_tells_what_will_happen_does_not_repeat_the_arguments() {
    let mut desk = Desk::new(Fake::default());
    let screen = desk.press("R").screen();
    assert!(screen.contains("41 of 412 requests per second go back to v1"), "{screen}");
    assert!(!screen.contains(" = "), "{screen}");
}

/// A pane whose own command, by another name, rolls back.
struct Roller;

static ROLLER: PaneSpec = PaneSpec {
    id: "roller",
    title: "Roller",
    description: "Rolls back.",
    go: 'r',
    commands: &[
        CommandSpec {
            id: "roller.revert",
            title: "revert",
            description: "Asks for more, then rolls back.",
            keys: &["R"],
            action: None,
        }
        .leading_to("deploy.rollback"),
        CommandSpec { id: "roller.look", title: "look", description: "Looks.", keys: &["x"], action: None },
    ],
    actions: &[],
};

impl Pane<Fake> for Roller {
    fn spec(&self) -> &'static PaneSpec {
        &ROLLER
    }
    fn update(&mut self, event: Event<'_, Fake>, _: &Context<'_, Fake>) -> Vec<Effect<Fake>> {
        match event {
            Event::Command("roller.look") => vec![Effect::Command("roller.revert")],
            Event::Command(id) => vec![Effect::Toast(Severity::Info, format!("{id} was told"))],
            _ => Vec::new(),
        }
    }
    fn view(&self, _: &Context<'_, Fake>, _: &mut Buffer, _: Rect) -> Vec<Hit> {
        Vec::new()
    }
    fn selection(&self, _: &Context<'_, Fake>) -> Option<Subject> {
        None
    }
    fn hints(&self, _: &Context<'_, Fake>) -> Vec<&'static str> {
        vec!["roller.look", "roller.revert"]
    }
}

#[test]
fn a_command_is_as_dangerous_and_as_offered_as_the_action_it_leads_to() {
    for (read_only, key) in [(false, 'R'), (false, 'x'), (true, 'R'), (true, 'x')] {
        let mut world = Fake::default();
        world.status.read_only = read_only;
        let options = Options { now: NOW, ..Options::default() };
        let mut shell = Shell::new(Arc::new(world), vec![Box::new(Roller)], options).expect("lawful");
        let screen = |shell: &mut Shell<Fake>| {
            let mut buffer = Buffer::empty(Rect::new(0, 0, 120, 40));
            shell.draw(&mut buffer);
            rows(&buffer)
        };
        let hints = screen(&mut shell).pop().unwrap_or_default();
        assert_eq!(hints.contains("R! revert"), !read_only, "{hints}");
        assert!(hints.contains("x look"), "{hints}");
        // By its key, and by another command's way.
        drop(shell.handle(Input::Key(Key::char(key))));
        let told = shell.toasts().next().map(|toast| toast.text.clone()).unwrap_or_default();
        let wanted =
            if read_only { "read-only: revert is not offered here" } else { "roller.revert was told" };
        assert_eq!(told, wanted);
        drop(shell.handle(Input::Key(Key::char('?'))));
        let help = screen(&mut shell).join("\n");
        assert_eq!(help.contains("Asks for more"), !read_only, "{help}");
    }
}
