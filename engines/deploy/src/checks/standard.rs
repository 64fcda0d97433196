//! The checks that come with the engine.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use reqwest::Method;

use super::freeze::{self, Freeze};
use super::{Check, CheckOutcome, Plan, Stage};
use crate::config::SmokeConfig;
use crate::target::probe::{Ask, Http, effective, join, probe};

type Lookup<T> = Arc<dyn Fn(&Plan) -> T + Send + Sync>;

/// The version can be run, and the rollout makes sense, as things are configured now.
pub struct Configured {
    look: Lookup<Result<(), String>>,
}

impl Configured {
    /// Asks what knows.
    pub fn new(look: impl Fn(&Plan) -> Result<(), String> + Send + Sync + 'static) -> Self {
        Self { look: Arc::new(look) }
    }
}

impl Check for Configured {
    fn name(&self) -> &'static str {
        "configuration"
    }

    fn run<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, CheckOutcome> {
        async move {
            match (self.look)(plan) {
                Ok(()) => CheckOutcome::Ok(format!("{} {} can be run", plan.service, plan.to)),
                Err(why) => CheckOutcome::Failed(why),
            }
        }
        .boxed()
    }
}

/// No freeze holds the service back.
pub struct Frozen {
    freezes: Arc<dyn Fn() -> Arc<Vec<Freeze>> + Send + Sync>,
}

impl Frozen {
    /// Asks for the freezes as they are configured when it looks.
    pub fn new(freezes: impl Fn() -> Arc<Vec<Freeze>> + Send + Sync + 'static) -> Self {
        Self { freezes: Arc::new(freezes) }
    }
}

impl Check for Frozen {
    fn name(&self) -> &'static str {
        "freeze"
    }

    fn run<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, CheckOutcome> {
        async move {
            match freeze::active(&(self.freezes)(), &plan.service, plan.now) {
                _ if plan.rollback => CheckOutcome::Skipped("it takes back an earlier rollout".to_owned()),
                None => CheckOutcome::Ok("there is no freeze".to_owned()),
                Some(frozen) => {
                    let why =
                        if frozen.reason.is_empty() { String::new() } else { format!(": {}", frozen.reason) };
                    CheckOutcome::Failed(format!(
                        "{} is frozen until {}{why}",
                        plan.service,
                        minute(frozen.until)
                    ))
                }
            }
        }
        .boxed()
    }
}

/// To the minute, in the machine's zone.
fn minute(at: quarterdeck_kernel::Timestamp) -> String {
    jiff::Timestamp::from_millisecond(at.as_millis()).map_or_else(
        |_| at.to_string(),
        |at| at.to_zoned(jiff::tz::TimeZone::system()).strftime("%F %H:%M %Z").to_string(),
    )
}

/// An alert that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAlert {
    /// Its name.
    pub name: String,
    /// Its severity, as its label has it.
    pub severity: String,
}

/// No alert is open on the service that is as severe as the configuration says.
pub struct Alerts {
    open: Lookup<Result<Vec<OpenAlert>, String>>,
}

impl Alerts {
    /// Asks for the alerts that fire for the plan's service.
    pub fn new(open: impl Fn(&Plan) -> Result<Vec<OpenAlert>, String> + Send + Sync + 'static) -> Self {
        Self { open: Arc::new(open) }
    }
}

impl Check for Alerts {
    fn name(&self) -> &'static str {
        "alerts"
    }

    fn run<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, CheckOutcome> {
        async move {
            let severities = &plan.config.checks.alerts;
            if plan.rollback {
                return CheckOutcome::Skipped("it takes back an earlier rollout".to_owned());
            }
            let open = match (self.open)(plan) {
                Ok(open) => open,
                Err(why) => return CheckOutcome::Skipped(format!("alerts are not known: {why}")),
            };
            let severe =
                |alert: &&OpenAlert| severities.iter().any(|s| s.eq_ignore_ascii_case(&alert.severity));
            let severe: Vec<String> =
                open.iter().filter(severe).map(|a| format!("{} ({})", a.name, a.severity)).collect();
            if severe.is_empty() {
                return CheckOutcome::Ok(format!("no {} alert is open", severities.join(" or ")));
            }
            let (first, more) = (severe.iter().take(3), severe.len().saturating_sub(3));
            let names: Vec<&str> = first.map(String::as_str).collect();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            CheckOutcome::Failed(format!("open on {}: {}{more}", plan.service, names.join(", ")))
        }
        .boxed()
    }
}

/// The stable version is well: it is what one goes back to.
pub struct Stable {
    http: Http,
}

impl Stable {
    /// Asks over HTTP.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self { http }
    }
}

impl Check for Stable {
    fn name(&self) -> &'static str {
        "stable"
    }

    fn run<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, CheckOutcome> {
        async move {
            let Some(from) = &plan.from else {
                return CheckOutcome::Skipped("there is no stable version yet".to_owned());
            };
            if plan.rollback {
                return CheckOutcome::Skipped("it takes back an earlier rollout".to_owned());
            }
            let endpoints = plan.endpoints.get(from).map(Vec::as_slice).unwrap_or_default();
            if endpoints.is_empty() {
                let why = format!("no replica of {from} is ready: there would be nothing to go back to");
                return CheckOutcome::Failed(why);
            }
            let probes = effective(&plan.config.probes);
            let readiness = probes.readiness.unwrap_or_default();
            for endpoint in endpoints {
                if let Err(why) = probe(&self.http, endpoint, &readiness).await {
                    return CheckOutcome::Failed(format!("{from} at {endpoint}: {why}"));
                }
            }
            let all = if let [only] = endpoints { only.clone() } else { format!("all {}", endpoints.len()) };
            CheckOutcome::Ok(format!("{from} is well ({all})"))
        }
        .boxed()
    }
}

/// The new version answers as it should, before anybody else asks it.
pub struct Smoke {
    http: Http,
}

impl Smoke {
    /// Asks over HTTP.
    #[must_use]
    pub fn new(http: Http) -> Self {
        Self { http }
    }
}

impl Check for Smoke {
    fn name(&self) -> &'static str {
        "smoke"
    }

    fn stage(&self) -> Stage {
        Stage::Ready
    }

    fn run<'a>(&'a self, plan: &'a Plan) -> BoxFuture<'a, CheckOutcome> {
        async move {
            let requests = &plan.config.checks.smoke;
            if requests.is_empty() {
                return CheckOutcome::Skipped("no smoke request is configured".to_owned());
            }
            let endpoints = plan.endpoints.get(&plan.to).map(Vec::as_slice).unwrap_or_default();
            if endpoints.is_empty() {
                return CheckOutcome::Failed(format!("no replica of {} is ready", plan.to));
            }
            for endpoint in endpoints {
                for request in requests {
                    if let Err(why) = smoke(&self.http, endpoint, request).await {
                        let what = format!("{} {}", request.method, request.path);
                        return CheckOutcome::Failed(format!("{} at {endpoint}: {what} {why}", plan.to));
                    }
                }
            }
            let count = requests.len() * endpoints.len();
            let requests = if count == 1 { "request was" } else { "requests were" };
            CheckOutcome::Ok(format!("{count} {requests} answered as they should be"))
        }
        .boxed()
    }
}

async fn smoke(http: &Http, endpoint: &str, request: &SmokeConfig) -> Result<(), String> {
    let method = Method::from_bytes(request.method.as_bytes()).map_err(|e| e.to_string())?;
    let ask = Ask {
        method,
        url: join(endpoint, &request.path)?,
        headers: &request.headers,
        body: &request.body,
        read: !request.contains.is_empty(),
        timeout: request.timeout,
    };
    let (status, body) = http.ask(ask).await.map_err(|why| format!("failed: {why}"))?;
    if !request.status.contains(&status.as_u16()) {
        let right: Vec<String> = request.status.iter().map(u16::to_string).collect();
        return Err(format!("answered {}, not {}", status.as_u16(), right.join(" or ")));
    }
    if request.contains.is_empty() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&body);
    if text.contains(&request.contains) {
        return Ok(());
    }
    let begin: String = text.chars().take(80).collect();
    Err(format!("answered without {:?}; the answer begins {begin:?}", request.contains))
}
