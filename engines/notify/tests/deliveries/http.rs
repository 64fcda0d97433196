//! Webhook, Slack and PagerDuty as their receivers see them.

use std::sync::Arc;

use quarterdeck_notify::{Action, Outcome, load_templates};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::*;

#[tokio::test]
async fn a_webhook_gets_alertmanagers_json() {
    let receiver = Receiver::start(|_, _| ok()).await;
    let config = configured(&format!(
        "  webhook_configs: [{{ url: '{}', max_alerts: 2 }}]",
        receiver.url("/hook?x=1")
    ));
    let mut console = Console::new();
    let alerts = vec![alert("Down", "a:1", true), alert("Down", "b:1", false), alert("Down", "c:1", true)];
    let mut attempt = attempt(channel(&config), notification(alerts));
    attempt.possibly_duplicate = true;
    let id = attempt.id;
    assert_eq!(delivered(&console.deliver(attempt).await), 1);
    let seen = receiver.seen();
    let request = &seen[0];
    assert_eq!(request.target, "/hook?x=1");
    assert_eq!(request.headers["content-type"], "application/json");
    assert_eq!(request.headers["idempotency-key"], id.to_string());
    assert_eq!(request.headers["x-quarterdeck-possibly-duplicate"], "true");
    assert!(request.headers["user-agent"].starts_with("quarterdeck/"));
    let body = request.json();
    let names: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "receiver",
            "status",
            "alerts",
            "groupLabels",
            "commonLabels",
            "commonAnnotations",
            "externalURL",
            "version",
            "groupKey",
            "truncatedAlerts"
        ]
    );
    assert_eq!(body["version"], "4");
    assert_eq!(body["status"], "firing");
    assert_eq!(body["truncatedAlerts"], 1);
    assert_eq!(body["groupKey"], "{}:{alertname=\"Down\"}");
    assert_eq!(body["commonLabels"], json!({"alertname": "Down", "severity": "critical"}));
    assert_eq!(
        body["alerts"][1],
        json!({
            "status": "resolved",
            "labels": {"alertname": "Down", "instance": "b:1", "severity": "critical"},
            "annotations": {"summary": "<gone> & lost"},
            "startsAt": "2024-05-06T08:00:00Z",
            "endsAt": "2024-05-06T08:59:00Z",
            "generatorURL": "http://prom/graph?g0.expr=up",
            "fingerprint": "000000000000abcd",
        })
    );
    assert_eq!(body["alerts"][0]["endsAt"], "0001-01-01T00:00:00Z");
}

#[tokio::test]
async fn credentials_are_read_for_each_request() {
    let receiver = Receiver::start(|_, _| ok()).await;
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "one\n").unwrap();
    let config = configured(&format!(
        "  webhook_configs:\n  - url: '{}'\n    http_config:\n      basic_auth: {{ username: u, password_file: '{}' }}\n      http_headers: {{ X-Team: {{ values: [a, b] }} }}",
        receiver.url("/"),
        password.display()
    ));
    let mut console = Console::new();
    delivered(&console.deliver(firing(channel(&config))).await);
    std::fs::write(&password, "two\n").unwrap();
    delivered(&console.deliver(firing(channel(&config))).await);
    let seen = receiver.seen();
    // base64 of u:one and u:two.
    assert_eq!(seen[0].headers["authorization"], "Basic dTpvbmU=");
    assert_eq!(seen[1].headers["authorization"], "Basic dTp0d28=");
    assert_eq!(seen[0].headers["x-team"], "b", "the last of two headers of one name");

    let config = configured(&format!(
        "  webhook_configs:\n  - url: '{}'\n    http_config: {{ authorization: {{ type: Token, credentials: s3cret }} }}",
        receiver.url("/")
    ));
    delivered(&console.deliver(firing(channel(&config))).await);
    assert_eq!(receiver.seen()[2].headers["authorization"], "Token s3cret");

    std::fs::remove_file(&password).unwrap();
    let config = configured(&format!("  webhook_configs: [{{ url_file: '{}' }}]", password.display()));
    let mut late = firing(channel(&config));
    late.deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(100);
    let (reason, permanent) = failed(&console.deliver(late).await);
    assert!(reason.contains("cannot read") && !permanent, "{reason}");
    std::fs::write(&password, receiver.url("/from-file")).unwrap();
    delivered(&console.deliver(firing(channel(&config))).await);
    assert_eq!(receiver.seen()[3].target, "/from-file");
}

#[tokio::test]
async fn tokens_of_oauth_are_asked_for_once() {
    let receiver = Receiver::start(|_, request| {
        if request.target == "/token" {
            let token = "{\"access_token\":\"t0\",\"token_type\":\"bearer\",\"expires_in\":3600}";
            Answer::Say(200, "content-type: application/json", token.to_owned())
        } else {
            ok()
        }
    })
    .await;
    let config = configured(&format!(
        "  webhook_configs:\n  - url: '{}'\n    http_config:\n      oauth2: {{ client_id: me, client_secret: s, token_url: '{}', scopes: [a, b] }}",
        receiver.url("/hook"),
        receiver.url("/token")
    ));
    let mut console = Console::new();
    for _ in 0..2 {
        let mut attempt = firing(channel(&config));
        attempt.destination = "one".into();
        delivered(&console.deliver(attempt).await);
    }
    let seen = receiver.seen();
    assert_eq!(seen.iter().map(|r| r.target.as_str()).collect::<Vec<_>>(), ["/token", "/hook", "/hook"]);
    assert_eq!(seen[0].body, "grant_type=client_credentials&scope=a+b");
    assert_eq!(seen[0].headers["authorization"], "Basic bWU6cw==");
    assert_eq!(seen[2].headers["authorization"], "Bearer t0");
}

#[tokio::test]
async fn slack_gets_one_attachment() {
    let receiver = Receiver::start(|n, _| match n {
        0 => ok(),
        1 => Answer::Say(200, "content-type: text/plain", "channel_not_found".to_owned()),
        _ => Answer::Say(200, "content-type: application/json", "{\"ok\":false,\"error\":\"no\"}".to_owned()),
    })
    .await;
    let config = configured(&format!(
        "  slack_configs:\n  - api_url: '{}'\n    channel: '#ops'\n    send_resolved: true\n    text: '{{{{ len .Alerts }}}} of them'\n    fields: [{{ title: sev, value: '{{{{ .CommonLabels.severity }}}}', short: true }}]\n    actions: [{{ type: button, text: Runbook, url: 'http://wiki/{{{{ .GroupLabels.alertname }}}}' }}]",
        receiver.url("/services/T/B")
    ));
    let mut console = Console::new();
    delivered(&console.deliver(firing(channel(&config))).await);
    let body = receiver.seen()[0].json();
    assert_eq!(body["channel"], "#ops");
    assert_eq!(body["username"], "Alertmanager");
    assert_eq!(
        body["attachments"][0],
        json!({
            "title": "[FIRING:1] Down (a:1 critical)",
            "title_link": "http://deck:9093/#/alerts?receiver=team",
            "text": "1 of them",
            "fallback": "[FIRING:1] Down (a:1 critical) | http://deck:9093/#/alerts?receiver=team",
            "callback_id": "",
            "footer": "",
            "color": "danger",
            "fields": [{"title": "sev", "value": "critical", "short": true}],
            "actions": [{"type": "button", "text": "Runbook", "url": "http://wiki/Down"}],
            "mrkdwn_in": ["fallback", "pretext", "text"],
        })
    );
    for told in ["channel_not_found", "no"] {
        let (reason, permanent) = failed(&console.deliver(firing(channel(&config))).await);
        assert!(permanent && reason.ends_with(told), "{reason}");
    }
}

#[tokio::test]
async fn pagerduty_gets_events_of_both_apis() {
    let receiver = Receiver::start(|n, _| if n == 4 { status(403) } else { status(202) }).await;
    let mut console = Console::with(|settings| settings.pagerduty_v1 = receiver.url("/v1").parse().unwrap());
    let v2 = configured(&format!(
        "  pagerduty_configs:\n  - routing_key: k2\n    url: '{}'\n    severity: '{{{{ .CommonLabels.severity }}}}'\n    details: {{ team: '{{{{ .Receiver }}}}' }}\n    links: [{{ href: 'http://l', text: t }}]",
        receiver.url("/v2")
    ));
    let resolved = || attempt(channel(&v2), notification(vec![alert("Down", "a:1", false)]));
    let mut acknowledge = firing(channel(&v2));
    acknowledge.action = Action::Acknowledge;
    for attempt in [firing(channel(&v2)), acknowledge, resolved()] {
        delivered(&console.deliver(attempt).await);
    }
    let seen = receiver.seen();
    let key: String =
        Sha256::digest("{}:{alertname=\"Down\"}").iter().map(|byte| format!("{byte:02x}")).collect();
    for (request, event) in seen.iter().zip(["trigger", "acknowledge", "resolve"]) {
        let body = request.json();
        assert_eq!(body["event_action"], event);
        assert_eq!((&body["routing_key"], &body["dedup_key"]), (&json!("k2"), &json!(key)));
    }
    let payload = &seen[0].json()["payload"];
    assert_eq!(payload["summary"], "[FIRING:1] Down (a:1 critical)");
    assert_eq!((&payload["severity"], &payload["source"]), (&json!("critical"), &json!("Alertmanager")));
    assert_eq!(payload["custom_details"]["team"], "team");
    assert_eq!(payload["custom_details"]["num_firing"], 1);
    assert_eq!(seen[0].json()["links"], json!([{"href": "http://l", "text": "t"}]));

    // The first API has another form, and 403 means: too often.
    let v1 = configured("  pagerduty_configs: [{ service_key: k1 }]");
    delivered(&console.deliver(firing(channel(&v1))).await);
    assert_eq!(delivered(&console.deliver(firing(channel(&v1))).await), 2);
    let request = &receiver.seen()[3];
    assert_eq!(request.target, "/v1");
    let body = request.json();
    assert_eq!((&body["service_key"], &body["incident_key"]), (&json!("k1"), &json!(key)));
    assert_eq!((&body["event_type"], &body["client"]), (&json!("trigger"), &json!("Alertmanager")));
}

#[tokio::test]
async fn what_a_channel_does_not_want_is_not_sent() {
    let receiver = Receiver::start(|_, _| ok()).await;
    let config =
        configured(&format!("  webhook_configs: [{{ url: '{}', send_resolved: false }}]", receiver.url("/")));
    let mut console = Console::new();
    let resolved = attempt(channel(&config), notification(vec![alert("Down", "a:1", false)]));
    assert_eq!(console.deliver(resolved).await.outcome, Outcome::Nothing);
    let mut acknowledge = firing(channel(&config));
    acknowledge.action = Action::Acknowledge;
    assert_eq!(console.deliver(acknowledge).await.outcome, Outcome::Nothing);
    assert!(receiver.seen().is_empty());
    let both = vec![alert("Down", "a:1", false), alert("Down", "b:1", true)];
    delivered(&console.deliver(attempt(channel(&config), notification(both))).await);
    let body = receiver.seen()[0].json();
    assert_eq!(body["alerts"].as_array().unwrap().len(), 1);
    assert_eq!(body["commonLabels"]["instance"], "b:1");
    // Types that are only checked say so.
    let config =
        configured("  webex_configs: [{ room_id: r, http_config: { authorization: { credentials: x } } }]");
    let (reason, permanent) = failed(&console.deliver(firing(channel(&config))).await);
    assert!(permanent && reason.contains("webex is not delivered by this version"), "{reason}");
}

#[tokio::test]
async fn template_files_shape_texts_and_bodies() {
    let receiver = Receiver::start(|_, _| ok()).await;
    let dir = tempfile::tempdir().unwrap();
    let text = "{{ define \"slack.default.title\" }}{{ range .Alerts.Firing }}{{ .Labels.instance }};{{ end }}{{ end }}";
    std::fs::write(dir.path().join("a.tmpl"), text).unwrap();
    let templates = Arc::new(load_templates(&[dir.path().join("*.tmpl")]).unwrap());
    let mut console = Console::new();
    let slack = configured(&format!("  slack_configs: [{{ api_url: '{}', channel: c }}]", receiver.url("/")));
    let mut told = attempt(channel(&slack), notification(vec![alert("D", "a", true), alert("D", "b", true)]));
    told.templates = Arc::clone(&templates);
    delivered(&console.deliver(told).await);
    assert_eq!(receiver.seen()[0].json()["attachments"][0]["title"], "a;b;");
}

#[tokio::test]
async fn https_is_verified_against_the_given_authority() {
    let port = crate::mail::tls_http_server().await;
    let mut console = Console::new();
    let config = |tls: &str| {
        configured(&format!(
            "  webhook_configs:\n  - url: 'https://localhost:{port}/'\n    http_config: {{ tls_config: {{ {tls} }} }}"
        ))
    };
    let trusted = config(&format!("ca_file: '{}'", tls_file("ca.pem").display()));
    delivered(&console.deliver(firing(channel(&trusted))).await);
    delivered(&console.deliver(firing(channel(&config("insecure_skip_verify: true")))).await);
    let mut short = firing(channel(&config("{}".trim_matches(['{', '}']))));
    short.deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(300);
    let (reason, _) = failed(&console.deliver(short).await);
    assert!(reason.to_lowercase().contains("certificate"), "{reason}");
}
