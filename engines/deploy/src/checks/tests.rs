use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;
use crate::checks::freeze::Freeze;
use crate::config::{FreezeConfig, ProbeConfig, SmokeConfig};
use crate::target::probe::Http;

/// A server that answers every request with this, and the address of it.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(
                stream,
                "HTTP/1.1 {answer}\r\nContent-Length: 17\r\nConnection: close\r\n\r\n{{\"orders\": [1,2]}}"
            );
        }
    });
    format!("http://{address}")
}

fn plan(config: ServiceConfig, v1: &[String], v2: &[String]) -> Plan {
    Plan {
        service: "orders".into(),
        config: Arc::new(config),
        from: Some("v1".into()),
        to: "v2".into(),
        rollback: false,
        actor: Actor::system("test"),
        now: Timestamp::from_millis(1_800_000_000_000),
        endpoints: BTreeMap::from([("v1".to_owned(), v1.to_vec()), ("v2".to_owned(), v2.to_vec())]),
    }
}

fn told(states: &[CheckState]) -> Vec<String> {
    states.iter().map(|s| format!("{} {:?}: {}", s.name, s.verdict, s.message)).collect()
}

fn all(freezes: Vec<Freeze>, alerts: Vec<OpenAlert>) -> Vec<Arc<dyn Check>> {
    let http = Http::new().unwrap();
    let freezes = Arc::new(freezes);
    vec![
        Arc::new(Configured::new(|plan| {
            if plan.to == "v2" { Ok(()) } else { Err(format!("nothing says how {} is run", plan.to)) }
        })),
        Arc::new(Frozen::new(move || Arc::clone(&freezes))),
        Arc::new(Alerts::new(move |_| Ok(alerts.clone()))),
        Arc::new(Stable::new(http.clone())),
        Arc::new(Smoke::new(http)),
    ]
}

#[tokio::test]
async fn what_is_well_passes_each_at_its_stage() {
    let up = server("200 OK");
    let mut config = ServiceConfig::default();
    config.probes.readiness = Some(ProbeConfig { path: Some("/ready".into()), ..ProbeConfig::default() });
    config.checks.smoke =
        vec![SmokeConfig { contains: "[1,2]".into(), path: "/orders".into(), ..SmokeConfig::default() }];
    let warning = OpenAlert { name: "Slow".into(), severity: "warning".into() };
    let checks = all(Vec::new(), vec![warning]);
    assert_eq!(checks.iter().map(|c| c.name()).collect::<Vec<_>>(), NAMES);
    let plan = plan(config, std::slice::from_ref(&up), &[up.clone(), up.clone()]);
    assert_eq!(
        told(&run(&checks, Stage::Before, &plan).await),
        [
            "configuration Ok: orders v2 can be run",
            "freeze Ok: there is no freeze",
            "alerts Ok: no critical alert is open",
            &format!("stable Ok: v1 is well ({up})"),
        ]
    );
    let ready = told(&run(&checks, Stage::Ready, &plan).await);
    assert_eq!(ready, ["smoke Ok: 2 requests were answered as they should be"]);
}

#[tokio::test]
async fn what_is_in_the_way_is_told_in_words() {
    let broken = server("503 Service Unavailable");
    let mut config = ServiceConfig::default();
    config.probes.readiness = Some(ProbeConfig { path: Some("/ready".into()), ..ProbeConfig::default() });
    config.checks.smoke = vec![SmokeConfig { path: "/orders".into(), ..SmokeConfig::default() }];
    let freeze = Freeze::new(&FreezeConfig {
        from: Some("2027-01-01".into()),
        to: Some("2028-01-01".into()),
        timezone: "UTC".into(),
        reason: "year of rest".into(),
        ..FreezeConfig::default()
    });
    let alert = |name: &str| OpenAlert { name: name.into(), severity: "critical".into() };
    let alerts = ["A", "B", "C", "D"].map(alert).to_vec();
    let checks = all(vec![freeze.unwrap()], alerts);
    let mut plan = plan(config, std::slice::from_ref(&broken), std::slice::from_ref(&broken));
    let before = told(&run(&checks, Stage::Before, &plan).await);
    assert!(
        before[1].starts_with("freeze Failed: orders is frozen until ")
            && before[1].ends_with(": year of rest")
    );
    assert_eq!(
        before[2..],
        [
            "alerts Failed: open on orders: A (critical), B (critical), C (critical) and 1 more".to_owned(),
            format!("stable Failed: v1 at {broken}: GET /ready answered 503"),
        ]
    );
    let smoke = format!("smoke Failed: v2 at {broken}: GET /orders answered 503, not 200");
    assert_eq!(told(&run(&checks, Stage::Ready, &plan).await), [smoke]);
    // Nothing of that is in the way of going back.
    plan.rollback = true;
    let before = run(&checks, Stage::Before, &plan).await;
    assert!(before.iter().all(|state| state.verdict != CheckVerdict::Failed), "{before:?}");
    plan.rollback = false;
    plan.endpoints.clear();
    let before = told(&run(&checks, Stage::Before, &plan).await);
    assert!(
        before[3].contains("no replica of v1 is ready: there would be nothing to go back to"),
        "{before:?}"
    );
    let mut config = (*plan.config).clone();
    config.checks.skip = vec!["stable".into(), "alerts".into()];
    plan.config = Arc::new(config);
    let before = run(&checks, Stage::Before, &plan).await;
    assert_eq!(before[3].verdict, CheckVerdict::Skipped);
}

#[tokio::test]
async fn a_smoke_answer_that_lacks_something_is_told() {
    let up = server("200 OK");
    let config = {
        let mut config = ServiceConfig::default();
        config.checks.smoke = vec![SmokeConfig { contains: "fills".into(), ..SmokeConfig::default() }];
        config
    };
    let found = told(
        &run(&all(Vec::new(), Vec::new()), Stage::Ready, &plan(config, &[], std::slice::from_ref(&up))).await,
    );
    let wanted = format!(
        "smoke Failed: v2 at {up}: GET / answered without \"fills\"; the answer begins \"{{\\\"orders\\\": [1,2]}}\""
    );
    assert_eq!(found, [wanted]);
}

struct Odd(&'static str);

impl Check for Odd {
    fn name(&self) -> &'static str {
        self.0
    }

    fn run<'a>(&'a self, _: &'a Plan) -> BoxFuture<'a, CheckOutcome> {
        async move {
            match self.0 {
                "hangs" => std::future::pending().await,
                _ => panic!("an error of the check"),
            }
        }
        .boxed()
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_hangs_or_breaks_fails_alone() {
    let checks: Vec<Arc<dyn Check>> = vec![Arc::new(Odd("hangs")), Arc::new(Odd("breaks"))];
    let found = told(&run(&checks, Stage::Before, &plan(ServiceConfig::default(), &[], &[])).await);
    assert_eq!(
        found,
        [
            "hangs Failed: there was no answer within 30s",
            "breaks Failed: the check itself failed; the log says more"
        ]
    );
}
