//! Go templates as notifications have them: any text is refused or ends within its bounds, with real data.
#![no_main]

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use quarterdeck_templates::notification::{self, Alert, Data, Pairs, Templates};

static TEMPLATES: LazyLock<Templates> = LazyLock::new(Templates::default);

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(1_700_000_000 + seconds)
}

fn data() -> Data {
    let pairs = |all: &[(&str, &str)]| -> Pairs { all.iter().map(|(n, v)| (Arc::from(*n), Arc::from(*v))).collect() };
    let alert = |instance: &str, ends_at: Option<Timestamp>| Alert {
        firing: ends_at.is_none(),
        labels: pairs(&[("alertname", "Slow"), ("instance", instance), ("severity", "critical")]),
        annotations: pairs(&[("summary", "<b>slow</b> & \"late\"")]),
        starts_at: at(0),
        ends_at,
        generator_url: "http://prometheus/graph?g0.expr=up".into(),
        fingerprint: "00000000000000ff".into(),
    };
    Data {
        receiver: "pager".into(),
        firing: true,
        alerts: vec![alert("a", None), alert("b", Some(at(60)))],
        group_labels: pairs(&[("alertname", "Slow")]),
        common_labels: pairs(&[("alertname", "Slow"), ("severity", "critical")]),
        common_annotations: pairs(&[]),
        external_url: "http://console".into(),
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    if notification::check(text).is_err() {
        return;
    }
    let (data, now) = (data().value(), at(0));
    let _ = TEMPLATES.text(text, &data, now);
    let _ = TEMPLATES.html(text, &data, now);
});
