//! What the dialog of a limit says.

mod support;

use std::sync::Arc;

use quarterdeck_kernel::{Actor, Invocation, Subject};
use quarterdeck_panes::World;
use quarterdeck_services::{ServiceView, Signal, Signals, Snapshot};
use quarterdeck_ui::World as _;
use support::{empty_world, service};

fn orders() -> World {
    let signals = Signals {
        p99: Signal { value: Some(2466.0), limit: Some(60.0), ..Signal::default() },
        errors: Signal { value: Some(0.0312), ..Signal::default() },
        saturated: Some("workers".into()),
        saturation: Signal { value: None, limit: Some(80.0), ..Signal::default() },
        ..Signals::default()
    };
    let orders = ServiceView { signals, ..(*service("orders")).clone() };
    let mut world = empty_world();
    world.services = Arc::new(Snapshot { services: vec![Arc::new(orders)], ..Snapshot::default() });
    world
}

fn set(args: &[(&str, &str)]) -> Invocation {
    let invocation = Invocation::new("services.limit", Actor::default()).on(Subject::service("orders"));
    args.iter().fold(invocation, |invocation, (name, value)| invocation.arg(*name, *value))
}

#[test]
fn the_dialog_says_which_limit_and_what_it_is_now() {
    let world = orders();
    assert_eq!(world.title(&set(&[])).as_deref(), Some("Set a limit of orders"));
    let latency = set(&[("limit", "latency")]);
    assert_eq!(world.title(&latency).as_deref(), Some("Set the p99 latency limit of orders"));
    assert_eq!(
        world.situation(&latency, "value").as_deref(),
        Some("p99 of orders is 2 470 ms; its limit is 60 ms.")
    );
    let errors = set(&[("limit", "errors")]);
    assert_eq!(
        world.situation(&errors, "value").as_deref(),
        Some("errors of orders is 0.03 %; it has no limit.")
    );
    let threshold = set(&[("limit", "threshold"), ("transaction", "POST /orders")]);
    assert_eq!(world.title(&threshold).as_deref(), Some("Set the time limit of POST /orders (orders)"));
    assert_eq!(
        world.situation(&threshold, "value").as_deref(),
        Some("p99 of POST /orders is not known; it has no time limit.")
    );
}

#[test]
fn only_limits_that_can_be_set_are_offered_each_as_it_is() {
    let world = orders();
    let offered = |args: &[(&str, &str)]| -> Vec<String> {
        let choices = world.choices(&set(args), "limit").expect("choices");
        choices.into_iter().map(|(choice, note)| format!("{choice}: {note}")).collect()
    };
    assert_eq!(
        offered(&[]),
        [
            "latency: p99 of orders is 2 470 ms; its limit is 60 ms",
            "errors: errors of orders is 0.03 %; it has no limit",
            "saturation: workers of orders is not known; its limit is 80 %",
        ]
    );
    assert_eq!(offered(&[("transaction", "POST /orders")]).len(), 5);
    let other = Invocation::new("timeline.note", Actor::default());
    assert_eq!((world.title(&other), world.choices(&other, "text")), (None, None));
}
