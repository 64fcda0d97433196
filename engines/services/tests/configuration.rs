//! What the configuration takes, and what it says of mistakes.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail the test")]

use std::time::Duration;

use quarterdeck_services::config::{Catalogue, Matches, SignalsConfig, validate};
use quarterdeck_services::conventions::built_in;

fn mistakes(services: &str, signals: &str) -> Vec<String> {
    let services: Catalogue = toml::from_str(services).unwrap();
    let signals: SignalsConfig = toml::from_str(signals).unwrap();
    validate::validate(&services, &signals).into_iter().map(|(key, d)| format!("{key}: {d}")).collect()
}

#[test]
fn a_full_catalogue_reads() {
    let text = r#"
        [orders]
        matches = ['{job="orders"}', '{service="orders", env=~"prod|stage"}']
        routes = ["/orders"]
        log_sources = ["orders.log"]
        depends_on = ["risk"]
        owner = "trading"
        runbook = "https://runbooks.example/orders"
        limits = { latency = "50ms", errors = 1.5, saturation = 80, down_errors = 40 }
        apdex = "100ms"
        transactions."POST /orders" = { threshold = "50ms", target = 99.5 }

        [risk]
        matches = '{job="risk"}'
    "#;
    assert_eq!(mistakes(text, ""), Vec::<String>::new());
    let services: Catalogue = toml::from_str(text).unwrap();
    assert_eq!(services["orders"].limits.latency, Some(Duration::from_millis(50)));
    assert_eq!(services["risk"].matches, Matches::One("{job=\"risk\"}".to_owned()));
    let written = toml::to_string(&services).unwrap();
    assert_eq!(toml::from_str::<Catalogue>(&written).unwrap(), services);
}

#[test]
fn mistakes_name_the_key_the_value_and_what_is_allowed() {
    for (services, signals, expected) in [
        (
            "[orders]\ndepends_on = [\"ordrs\"]",
            "",
            "services.orders.depends_on: \"ordrs\" is not a service of the catalogue; did you mean orders?",
        ),
        (
            "[a]\nmatches = \"job\"",
            "",
            "services.a.matches: \"job\" is not a selector (one of = != =~ !~ is missing behind job): write it as in \
             {job=\"orders\"}",
        ),
        (
            "[a.limits]\nerrors = 120",
            "",
            "services.a.limits.errors: 120 is not a percentage; write a number from 0 to 100",
        ),
        (
            "[a.transactions.x]\ntarget = 99",
            "",
            "services.a.transactions.\"x\".target: a target without a threshold says nothing; give a threshold such as \
             50ms",
        ),
        ("", "points = 3", "signals.points: 3 is out of range; from 10 to 120"),
        ("", "window = \"0\"", "signals.window: window is zero; write a time such as 5s"),
        (
            "",
            "conventions.x.rate = \"sum(rate(a[1m]))\"",
            "signals.conventions.x.rate: \"sum(rate(a[1m]))\" does not group by $by; write it as in sum by ($by) \
             (rate(x_total[$window]))",
        ),
    ] {
        assert_eq!(mistakes(services, signals), [expected]);
    }
    let promql = mistakes("", "conventions.x.rate = \"sum by ($by) (rate(a))\"");
    assert!(
        promql[0].starts_with("signals.conventions.x.rate: \"sum by ($by) (rate(a))\" is not PromQL: "),
        "{promql:?}"
    );
    let unknown = toml::from_str::<Catalogue>("[a]\nlimit = 3").unwrap_err().to_string();
    assert!(unknown.contains("unknown field `limit`"), "{unknown}");
}

#[test]
fn the_built_in_conventions_are_lawful() {
    let conventions = built_in().into_iter().map(|(name, c)| (name.to_owned(), c)).collect();
    let signals = SignalsConfig { conventions, ..SignalsConfig::default() };
    assert_eq!(validate::validate(&Catalogue::new(), &signals), []);
    let names: std::collections::BTreeSet<&str> = built_in().iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), built_in().len());
}
