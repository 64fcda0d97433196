//! The program killed while a receiver has a notification and has not answered: whether it was taken nobody knows. It is
//! sent once more, under the same name and marked, and when its outcome is known never again.

use serde_json::Value;

use super::support::{Home, Server, eventually, eventually_or};
use super::{Webhook, configuration, fires};

/// What the console says of the notifications about an alert.
fn logged(server: &Server) -> Vec<Value> {
    server.json("/api/quarterdeck/v1/notifications").as_array().expect("a list").clone()
}

#[test]
fn an_attempt_without_outcome_is_sent_once_more_and_marked() {
    let (home, webhook) = (Home::new(), Webhook::start());
    let yaml = configuration(&webhook);
    home.file("alertmanager.yml", &yaml);
    let config = home.file("quarterdeck.toml", "[alerting]\nalertmanager_config = \"alertmanager.yml\"\n");
    let config = config.display().to_string();
    let args = ["serve", "--listen", "127.0.0.1:0", "--config", &config];
    webhook.hold(true);
    let mut server = home.serve(&args);
    fires(&server, "KillSwitch");
    eventually("the webhook has it", || webhook.told().first().cloned());
    let under_way = logged(&server);
    assert_eq!(under_way.len(), 1, "{under_way:#?}");
    assert_eq!(
        (&under_way[0]["outcome"], &under_way[0]["possiblyDuplicate"]),
        (&"under way".into(), &false.into())
    );
    server.kill();

    webhook.hold(false);
    let mut server = home.serve(&args);
    eventually("it is sent once more", || webhook.told().get(1).cloned());
    let told = webhook.told_whole();
    let marks: Vec<bool> = told.iter().map(|told| told.possibly_duplicate).collect();
    assert_eq!(marks, [false, true], "the second is marked");
    assert!(!told[0].key.is_empty() && told[0].key == told[1].key, "both have the same name: {told:#?}");
    for field in ["groupKey", "status", "alerts"] {
        assert_eq!(told[0].body[field], told[1].body[field]);
    }
    let sent = eventually_or(
        "its outcome is known",
        || logged(&server).into_iter().find(|n| n["outcome"] == "delivered"),
        || format!("{:#?}", logged(&server)),
    );
    assert_eq!((&sent["id"], &sent["possiblyDuplicate"]), (&under_way[0]["id"], &true.into()));
    server.kill();

    // Now it is known what came of it: only what is new is told, and without a mark.
    let server = home.serve(&args);
    fires(&server, "Another");
    eventually("the other is told", || {
        webhook.told_whole().into_iter().find(|t| t.body["groupLabels"]["alertname"] == "Another")
    });
    let told = webhook.told_whole();
    let seen: Vec<_> =
        told.iter().map(|t| (&t.body["groupLabels"]["alertname"], t.possibly_duplicate)).collect();
    let (first, other) = (Value::from("KillSwitch"), Value::from("Another"));
    assert_eq!(seen, [(&first, false), (&first, true), (&other, false)]);
    assert_eq!(logged(&server).len(), 2);
}
