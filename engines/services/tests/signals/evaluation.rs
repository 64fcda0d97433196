//! Services as a whole: catalogue, limits, health, histories.

use quarterdeck_kernel::{Actor, ChangeKind, Entry, EntryId, Health, Invocation, Phase, Severity};
use quarterdeck_services::overrides::Overrides;
use quarterdeck_services::{Limited, Snapshot};

use crate::store::{NOW, STEP, Store, at, core, near, until};

/// Orders is fast until a change 120 s ago, slow since; risk is well.
fn trouble() -> Store {
    let mut store = Store::default();
    let begin = 1200.0 - 120.0;
    let labels = |le: &str| {
        format!(
            "{{job=\"orders\", http_request_method=\"POST\", http_route=\"/orders\", \
             http_response_status_code=\"200\", le=\"{le}\"}}"
        )
    };
    // 10 requests per second; before, all within 20 ms; since, half of them only within 100 ms.
    let slowed = |t: f64| if t <= begin { t * 10.0 } else { begin * 10.0 + (t - begin) * 5.0 };
    store.series("http_server_request_duration_seconds_bucket", &labels("0.02"), slowed);
    for le in ["0.1", "+Inf"] {
        store.counter("http_server_request_duration_seconds_bucket", &labels(le), 10.0);
    }
    let count = labels("").replace(", le=\"\"", "");
    store.counter("http_server_request_duration_seconds_count", &count, 10.0);
    store.counter("http_requests_total", "{job=\"risk\", code=\"200\"}", 5.0);
    store.up("{job=\"orders\"}").up("{job=\"risk\"}");
    store
}

const CATALOGUE: &str = r#"
    [services.orders]
    depends_on = ["risk"]
    owner = "trading"
    runbook = "https://runbooks.example/orders"
    limits = { latency = "50ms", errors = 1 }
    apdex = "20ms"

    [services.orders.transactions."POST /orders"]
    threshold = "20ms"
    target = 99

    [services.risk]
    depends_on = ["orders"]

    [services.idle]
"#;

#[test]
fn the_catalogue_is_shown_worst_first_with_reasons_and_histories() {
    let snapshot = trouble().evaluate(CATALOGUE);
    let names: Vec<(&str, Health)> = snapshot.services.iter().map(|s| (&*s.name, s.health)).collect();
    assert_eq!(names, [("orders", Health::Degraded), ("idle", Health::Unknown), ("risk", Health::Ok)]);
    assert_eq!(snapshot.cycles, [["orders", "risk"]]);
    let orders = snapshot.service("orders").unwrap();
    assert_eq!(
        (orders.owner.as_deref(), orders.depends_on.as_slice()),
        (Some("trading"), ["risk".to_owned()].as_slice())
    );
    assert_eq!(orders.dependents, ["risk"]);
    near(orders.signals.p99.value, 98.4);
    assert_eq!(orders.signals.p99.limit, Some(50.0));
    assert_eq!(
        orders.breaches.iter().map(|b| &b.what).collect::<Vec<_>>(),
        [
            // 6.7 % are too slow where 1 % may be; p99 is not even twice its limit.
            &Limited::Transaction("POST /orders".to_owned()),
            &Limited::Latency,
        ]
    );
    assert_eq!(orders.breaches[1].text, "p99 98.4 ms, limit 50 ms");
    // Attainment over 15 min, of which the samples within cover 895 s: 775 s at 100 %, 120 s at 50 %.
    let transaction = orders.transaction("POST /orders").unwrap();
    near(transaction.attainment, 100.0 * (775.0 + 60.0) / 895.0);
    // Apdex within the last minute: half satisfied, and of the other half those within 80 ms tolerated: 60/80 of them, at half.
    near(orders.signals.apdex, 0.5 + 0.5 * 0.75 / 2.0);
    assert_eq!(orders.data_at, Some(at(NOW)));
    assert_eq!(snapshot.history_step, STEP);
    let history = &orders.signals.p99.history;
    assert_eq!((history.len(), history.iter().filter(|v| v.is_nan()).count()), (30, 0));
    assert!(history[..24].iter().all(|v| (v - 19.8).abs() < 1e-6), "{history:?}");
    near(history.last().copied(), 98.4);
}

#[test]
fn since_when_reaches_back_before_the_first_evaluation() {
    let snapshot = trouble().evaluate(CATALOGUE);
    let orders = snapshot.service("orders").unwrap();
    let began = orders.breaches.iter().find(|b| b.what == Limited::Latency).unwrap().since;
    let ago = at(NOW).since(began).as_secs();
    assert!((90..=120).contains(&ago), "{ago} s ago");
}

#[test]
fn the_headline_tells_what_changed_just_before() {
    let snapshot = trouble().evaluate("[services.orders]\nlimits = { latency = \"50ms\" }\ndepends_on = []");
    let orders = snapshot.service("orders").unwrap();
    let entry = |seq: u64, before: i64, service: &str, kind: ChangeKind, summary: &str| Entry {
        id: EntryId { writer: "here".to_owned(), seq },
        at: orders.since.plus_millis(-before * 1000),
        kind,
        phase: Phase::Done,
        severity: Severity::Info,
        subject: None,
        service: Some(service.to_owned()),
        actor: Actor { user: "ops-1".to_owned(), ..Actor::default() },
        summary: summary.to_owned(),
        reason: None,
        invocation: None,
        outcome_of: None,
        undo: None,
        undone_by: None,
    };
    let recent = [
        entry(1, 7, "orders", ChangeKind::Deployment, "v2 → 10 %"),
        entry(2, 2, "risk", ChangeKind::Deployment, "risk v3"),
        entry(3, 290, "orders", ChangeKind::Flag, "smart-routing on"),
        entry(4, -5, "orders", ChangeKind::Deployment, "v2 → 5 %"),
        entry(5, 1, "orders", ChangeKind::Acknowledgement, "ack"),
    ];
    let now = orders.since.plus_millis(130_000);
    let headline = snapshot.headline(&recent, now).unwrap();
    assert_eq!(
        headline.text,
        "orders degraded 2 m 10 s · p99 98.4 ms (limit 50) · began 7 s after v2 → 10 % (ops-1)"
    );
    assert_eq!((headline.severity, headline.change.map(|c| c.seq)), (Severity::Warning, Some(1)));
    let plain = snapshot.headline(&recent[1..3], now).unwrap();
    assert!(plain.text.ends_with("began 4 m 50 s after smart-routing on (ops-1)"), "{}", plain.text);
    assert_eq!(Snapshot::default().headline(&recent, now), None);
}

#[test]
fn a_limit_set_at_run_time_counts_from_the_next_evaluation() {
    let (store, mut core) = (trouble(), core("[services.orders]"));
    let mut overrides = Overrides::default();
    let snapshot = core.evaluate(&store.source(), &overrides, at(NOW - 20));
    assert_eq!(snapshot.service("orders").unwrap().health, Health::Ok);
    let invocation = Invocation::new("services.limit", Actor::default())
        .on(snapshot.service("orders").unwrap().subject())
        .arg("limit", "latency")
        .arg("value", "50ms");
    let change = overrides.plan(&crate::store::plan("[services.orders]"), &snapshot, &invocation).unwrap();
    overrides.set(&change.key, change.value.as_deref());
    let health = |core: &mut quarterdeck_services::core::Core, t: i64| {
        core.evaluate(&store.source(), &overrides, at(t)).service("orders").unwrap().health
    };
    assert_eq!(health(&mut core, NOW - 15), Health::Ok, "once is not enough");
    assert_eq!(health(&mut core, NOW - 10), Health::Degraded);
}

#[test]
fn silence_is_unknown_and_in_the_end_forgotten() {
    let store = until(&trouble(), NOW - 600);
    let mut core = core("[services.orders]");
    let overrides = Overrides::default();
    let before = core.evaluate(&store.source(), &overrides, at(NOW - 600));
    assert_eq!(before.service("risk").unwrap().health, Health::Ok);
    let after = core.evaluate(&store.source(), &overrides, at(NOW - 400));
    assert_eq!(after.service("risk").unwrap().health, Health::Unknown);
    assert_eq!(after.service("risk").unwrap().reason, "no new data");
    let later = core.evaluate(&store.source(), &overrides, at(NOW + 600));
    assert!(later.service("risk").is_none(), "inferred and not seen for 15 min");
    assert_eq!(later.service("orders").unwrap().health, Health::Unknown);
}

#[test]
fn targets_that_do_not_answer_make_a_service_down() {
    let mut store = Store::default();
    store.gauge("up", "{job=\"broker\", instance=\"a\"}", 0.0).gauge(
        "up",
        "{job=\"broker\", instance=\"b\"}",
        0.0,
    );
    let snapshot = store.evaluate("");
    let broker = snapshot.service("broker").unwrap();
    assert_eq!((broker.health, broker.reason.as_str()), (Health::Down, "none of 2 targets answers"));
    assert_eq!((broker.targets.up, broker.targets.total), (0, 2));
}

#[test]
fn services_are_inferred_by_label_in_order_and_bounded() {
    let mut store = Store::default();
    store.up("{job=\"kubernetes-pods\", service=\"cart\"}");
    store.up("{job=\"kubernetes-pods\", service=\"pay\"}");
    store.up("{job=\"plain\"}").up("{instance=\"nobody\"}");
    let names = |s: &Snapshot| s.services.iter().map(|s| s.name.to_string()).collect::<Vec<_>>();
    assert_eq!(names(&store.evaluate("")), ["cart", "pay", "plain"]);
    assert_eq!(names(&store.evaluate("[signals]\ninfer = false\n[services.pay]")), ["pay"]);
    let bounded = store.evaluate("[signals]\nmax_services = 2\n[services.plain]");
    assert_eq!(
        (names(&bounded), bounded.dropped_services),
        (vec!["cart".into(), "pay".into(), "plain".into()], 0)
    );
    let bounded = store.evaluate("[signals]\nmax_services = 2");
    assert_eq!((names(&bounded), bounded.dropped_services), (vec!["cart".into(), "pay".into()], 1));
}

#[test]
fn a_query_that_fails_is_told_and_the_rest_goes_on() {
    let config = "[signals.conventions.bad]\nprotocol = \"other\"\nrate = 'sum by ($by) (rate(up[$window])) + on () up'";
    let snapshot = trouble().evaluate(config);
    assert_eq!(snapshot.problems.len(), 1, "{:?}", snapshot.problems);
    assert!(snapshot.problems[0].contains("many"), "{:?}", snapshot.problems);
    near(snapshot.service("risk").unwrap().signals.rate.value, 5.0);
}
