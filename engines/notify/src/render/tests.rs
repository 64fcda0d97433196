use quarterdeck_kernel::Labels;
use serde_json::json;

use super::*;
use crate::model::{Notification, NotifiedAlert};

fn notification(summary: &str) -> Notification {
    Notification {
        receiver: "team".into(),
        group_key: "k".into(),
        group_labels: Labels::default(),
        alerts: vec![NotifiedAlert {
            labels: Labels::from_pairs([("alertname", "A")]),
            annotations: Labels::from_pairs([("summary", summary)]),
            starts_at: quarterdeck_kernel::Timestamp::from_millis(0),
            ends_at: None,
            generator_url: "".into(),
            fingerprint: 1,
        }],
        external_url: "http://x".into(),
    }
}

#[test]
fn texts_in_json_become_what_they_render_as() {
    // What a value says is data: braces in it are not a template.
    let templates = Templates::default();
    let texts = Texts::new(&templates, &notification("{{ len .Alerts }}"), jiff::Timestamp::UNIX_EPOCH);
    let rendered = texts.json(
        "payload",
        &json!({
            "n": "{{ len .Alerts }}",
            "{{ .Status }}": [true, 7, "plain", "{{ .CommonAnnotations.summary }}"],
            "list": "{{ .CommonLabels.Names | toJson }}",
            "text": "\"quoted\"",
        }),
    );
    assert_eq!(
        rendered.unwrap(),
        json!({
            "n": 1,
            "firing": [true, 7, "plain", "{{ len .Alerts }}"],
            "list": ["alertname"],
            "text": "\"quoted\"",
        })
    );
    let failure = texts.json("payload", &json!(["{{ fail }}"])).unwrap_err();
    assert!(!failure.again && failure.reason.contains("the template of payload fails"), "{}", failure.reason);
}

#[test]
fn long_texts_are_cut_by_characters() {
    assert_eq!(cut("äöü".to_owned(), 3), "äöü");
    assert_eq!(cut("äöüß".to_owned(), 3), "äö…");
}

#[test]
fn urls_must_be_of_http() {
    let templates = Templates::default();
    let texts = Texts::new(&templates, &notification("s"), jiff::Timestamp::UNIX_EPOCH);
    let url = |text: &str| texts.url("url", &SecretSource::Inline(quarterdeck_kernel::Secret::new(text)));
    assert_eq!(url("http://h/{{ .Status }}").unwrap().as_str(), "http://h/firing");
    for wrong in ["file:///etc/passwd", "h/x", "", "ftp://h", "http://", "hunter2 {{ .Nope }}"] {
        let failure = url(wrong).unwrap_err();
        assert!(!failure.again && !failure.reason.contains("hunter2"), "{wrong}: {}", failure.reason);
    }
}
