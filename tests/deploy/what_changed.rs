//! From an alert to the rollout that broke it and back, with two keys on the screen.

use serde_json::json;

use crate::fixture::{Fixture, under_load};
use crate::support::{Terminal, call, eventually, eventually_or};

#[test]
fn what_changed_names_the_rollout_and_its_key_takes_it_back() {
    let f = Fixture::new();
    let waits = f.strategy(
        "waits.yaml",
        "strategy:\n  canary:\n    steps:\n      - setWeight: 50\n      - pause: {}\n",
    );
    let mut terminal = Terminal::start(&f.home, &f.screen(), 140, 44);
    eventually("the stable version takes traffic", || f.ask().filter(|who| who == "v1"));
    let (code, _, error) = f.deploy(&["start", "orders", "--version", "v2", "--strategy", &waits]);
    assert_eq!(code, 0, "{error}");
    eventually("v2 answers", || f.ask().filter(|who| who == "v2"));

    let pid = terminal.child.process_id().expect("a living child");
    let (url, token) = eventually("the console tells where it is", || f.home.beacon(pid));
    let labels = json!({ "alertname": "OrdersSlow", "severity": "critical", "service": "orders" });
    let alert = json!([{ "labels": labels, "annotations": { "summary": "orders are slow" } }]);
    assert_eq!(call(&url, &token, "/api/v2/alerts", &alert).0, 200);

    terminal.send("ga");
    terminal.wait_until("the alert", |text| text.contains("OrdersSlow") && text.contains("PAGING"));
    terminal.send("w");
    terminal.wait_until("the rollout is named", |text| {
        text.contains("what changed before") && text.contains("▲ orders") && text.contains("R! revert")
    });
    under_load(&f, "taken back from an alert", || {
        terminal.send("R");
        terminal.wait_until("it is asked once more", |text| text.contains("Cancel"));
        terminal.send("y");
        let history = || f.deploy(&["history", "orders"]).1;
        eventually_or("it is taken back", || history().contains("aborted at 50 %").then_some(()), history);
    });
    assert!((0..20).all(|_| f.ask().as_deref() == Some("v1")));
    // Whoever undid it is on the timeline, and what was undone is marked as such.
    terminal
        .wait_until("it is marked", |text| text.contains("undone") || !text.contains("what changed before"));
    terminal.send("\u{1b}\u{1b}q");
    assert_eq!(terminal.wait(), 0, "{}", terminal.text());
    f.home.deserted();
}
