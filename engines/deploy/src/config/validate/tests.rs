use super::*;

fn found(text: &str) -> Vec<String> {
    let config: Config = toml::from_str(text).unwrap_or_else(|e| panic!("{e}"));
    validate(&config).into_iter().map(|(key, d)| format!("{key}: {d}")).collect()
}

#[test]
fn a_lawful_section_has_no_mistakes() {
    let text = r#"
        strategies = ["deploy"]
        drain = "10s"
        [[freezes]]
        cron = "0 16 * * fri"
        lasts = "63h"
        services = ["orders"]
        [services.orders]
        stable = "v1"
        replicas = 2
        strategy = "canary"
        drain = "5s"
        metadata = { team = "trading" }
        [services.orders.process]
        command = ["./orders", "--port", "{port}", "--version={version}"]
        env = { JSON = '{{"a":1}' }
        ports = "9100-9199"
        limits = { memory = 268435456, files = 1024, nice = 5 }
        [services.orders.versions.v0]
        endpoints = ["http://127.0.0.1:9000", "https://orders.example.com/v0"]
        [services.orders.probes.readiness]
        path = "/ready?deep=1"
        period = "2s"
        [[services.orders.checks.smoke]]
        path = "/orders"
        status = [200, 404]
    "#;
    assert_eq!(found(text), [""; 0]);
    let config: Config = toml::from_str(text).unwrap();
    assert_eq!(config.drain_of("orders"), Duration::from_secs(5));
    assert_eq!(config.drain_of("ledger"), Duration::from_secs(10));
    let again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let text = r#"
        history = 0
        [[freezes]]
        from = "soon"
        to = "later"
        services = ["oders"]
        ["services"."orders"]
        replicas = 0
        ["services"."bad name"]
        stable = "-v1"
        [services.ledger]
        stable = "v1"
        [services.risk]
        stable = "v1"
        [services.risk.process]
        command = ["./risk --port {prot}", "{prot}"]
        url = "127.0.0.1:{port}"
        ports = "9-1"
        env = { "A-B" = "1" }
        restart = { base = "10s", longest = "1s" }
        limits = { memory = 5, nice = 30 }
        [services.risk.versions.v2]
        endpoints = ["risk:9000"]
        command = ["x"]
        [services.risk.probes.liveness]
        path = "health"
        successes = 2
        period = "0s"
        [services.risk.checks]
        skip = ["smok"]
        [[services.risk.checks.smoke]]
        method = "get"
        status = [99]
        headers = { "a b" = "c" }
    "#;
    let found = found(text);
    let has = |part: &str| assert!(found.iter().any(|f| f.contains(part)), "{part}: {found:#?}");
    for part in [
        "history: 0 is out of range; from 1 to 1000000",
        "freezes[0].from: \"soon\" is not a time",
        "freezes[0].to: \"later\" is not a time",
        "freezes[0].services[0]: there is no service \"oders\" to freeze; did you mean orders?",
        "services.orders: orders has no stable version",
        "services.orders.replicas: 0 is out of range; from 1 to 500",
        "services.bad name: \"bad name\" is not a name for a service",
        "services.bad name.stable: \"-v1\" is not a name for a version",
        "services.ledger: nothing runs ledger v1; write [deploy.services.ledger.process]",
        "services.risk.process.command: \"./risk --port {prot}\" is not a program",
        "services.risk.process.command[1]: {prot} stands for nothing; {service}, {version}",
        "services.risk.process.url: ",
        "services.risk.process.ports: \"9-1\" is not a range of ports",
        "services.risk.process.env: \"A-B\" is not a name for a variable",
        "services.risk.process.restart.longest: the longest pause is shorter",
        "services.risk.process.limits.memory: 5 is too little",
        "services.risk.process.limits.nice: 30 is out of range; from 0 to 19",
        "services.risk.versions.v2: v2 has both endpoints and a command",
        "services.risk.versions.v2.endpoints[0]: \"risk:9000\"",
        "services.risk.probes.liveness.path: \"health\" is not a path",
        "services.risk.probes.liveness.successes: 2 is out of range; 1",
        "services.risk.probes.liveness.period: it is zero",
        "services.risk.checks.skip[0]: \"smok\" is not a check; did you mean smoke?",
        "services.risk.checks.smoke[0].method: \"get\" is not a method",
        "services.risk.checks.smoke[0].status: 99 is not a status",
        "services.risk.checks.smoke[0].headers: \"a b\" with \"c\" is not a header field",
    ] {
        has(part);
    }
    assert_eq!(found.len(), 27, "{found:#?}");
}
