//! Asking a replica whether it is well.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use quarterdeck_gateway::config::ServiceConfig;
use quarterdeck_gateway::upstream::tls::client_config;
use quarterdeck_resilience::Outcome;
use quarterdeck_resilience::health::{Checks, Health, Kind, Monitor, Settings};
use reqwest::{Method, StatusCode, Url};
use tokio::time::Instant;

use crate::config::{ProbeConfig, ProbesConfig};

/// How often readiness is asked for until it has succeeded once.
const EAGER: Duration = Duration::from_secs(1);

/// How much of an answer is read.
pub(crate) const MOST_READ: usize = 256 << 10;

/// Asks over HTTP: a connection for each request, no proxy, no redirection.
#[derive(Clone, Debug)]
pub struct Http {
    client: reqwest::Client,
}

impl Http {
    /// Trusts whom this machine trusts.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new() -> Result<Self, String> {
        let config = client_config(&ServiceConfig::default()).map(Arc::unwrap_or_clone).or_else(|why| {
            // A machine that trusts nobody can still ask without encryption.
            tracing::warn!(%why, "encrypted addresses cannot be probed");
            nobody().map_err(|e| e.to_string())
        })?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .user_agent(concat!("quarterdeck/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .build();
        Ok(Self { client: client.map_err(|e| cause(&e))? })
    }

    /// Asks once. The status and what of the body is within [`MOST_READ`] bytes.
    pub(crate) async fn ask(&self, ask: Ask<'_>) -> Result<(StatusCode, Vec<u8>), String> {
        let request = async {
            let mut request = self.client.request(ask.method, ask.url);
            for (name, value) in ask.headers {
                request = request.header(name, value);
            }
            if !ask.body.is_empty() {
                request = request.body(ask.body.to_owned());
            }
            let answer = request.send().await.map_err(|e| cause(&e))?;
            let status = answer.status();
            let mut body = Vec::new();
            let mut pieces = answer.bytes_stream();
            while ask.read && body.len() < MOST_READ {
                let Some(piece) = pieces.next().await else { break };
                let piece = piece.map_err(|e| format!("its answer breaks off: {}", cause(&e)))?;
                body.extend_from_slice(&piece[..piece.len().min(MOST_READ - body.len())]);
            }
            Ok((status, body))
        };
        let silent = format!("it does not answer within {}", told(ask.timeout));
        tokio::time::timeout(ask.timeout, request).await.unwrap_or(Err(silent))
    }
}

/// A request.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: &'a std::collections::BTreeMap<String, String>,
    pub(crate) body: &'a str,
    /// Whether the body of the answer is wanted.
    pub(crate) read: bool,
    pub(crate) timeout: Duration,
}

fn nobody() -> Result<rustls::ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

fn told(duration: Duration) -> String {
    quarterdeck_kernel::time::format_duration(duration)
}

fn cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// The address of a path at an endpoint, which may have a path of its own.
///
/// # Errors
/// When they make no address.
pub(crate) fn join(endpoint: &str, path: &str) -> Result<Url, String> {
    let text = format!("{}{path}", endpoint.trim_end_matches('/'));
    Url::parse(&text).map_err(|e| format!("{text:?} is not an address: {e}"))
}

/// Asks once whether a replica is well.
///
/// # Errors
/// Why it is not, in words: "GET /health answered 503".
pub async fn probe(http: &Http, endpoint: &str, probe: &ProbeConfig) -> Result<(), String> {
    let Some(path) = &probe.path else { return connects(endpoint, probe.timeout).await };
    let url = join(endpoint, path)?;
    let headers = Default::default();
    let ask =
        Ask { method: Method::GET, url, headers: &headers, body: "", read: false, timeout: probe.timeout };
    match http.ask(ask).await {
        Ok((status, _)) if status.is_success() || status.is_redirection() => Ok(()),
        Ok((status, _)) => Err(format!("GET {path} answered {}", status.as_u16())),
        Err(why) => Err(format!("GET {path}: {why}")),
    }
}

async fn connects(endpoint: &str, timeout: Duration) -> Result<(), String> {
    let url = Url::parse(endpoint).map_err(|e| e.to_string())?;
    let port = url.port_or_known_default().unwrap_or(80);
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
    let connect = tokio::net::TcpStream::connect((host.as_str(), port));
    match tokio::time::timeout(timeout, connect).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(format!("port {port}: {error}")),
        Err(_) => Err(format!("port {port} takes no connection within {}", told(timeout))),
    }
}

/// Watches the health of one replica.
pub(crate) struct Prober {
    http: Http,
    endpoint: String,
    probes: Arc<ProbesConfig>,
    monitor: Monitor,
    began: Instant,
    under_way: FuturesUnordered<BoxFuture<'static, (Kind, Result<(), String>)>>,
    /// What the newest failure of each was.
    why: Vec<(Kind, String)>,
}

fn settings(probe: &ProbeConfig) -> Settings {
    Settings {
        initial_delay: probe.initial_delay,
        period: probe.period,
        timeout: probe.timeout,
        successes: probe.successes,
        failures: probe.failures,
    }
}

/// Probes as they are made: a replica for which nothing is said is ready when its port takes connections.
pub(crate) fn effective(probes: &ProbesConfig) -> ProbesConfig {
    let mut probes = probes.clone();
    probes.readiness.get_or_insert_with(ProbeConfig::default);
    probes
}

impl Prober {
    pub(crate) fn new(http: Http, endpoint: String, probes: Arc<ProbesConfig>) -> Self {
        let of = |probe: &Option<ProbeConfig>| probe.as_ref().map(settings);
        let checks = Checks {
            startup: of(&probes.startup),
            readiness: of(&probes.readiness),
            liveness: of(&probes.liveness),
        };
        Self {
            http,
            endpoint,
            monitor: Monitor::new(checks, Duration::ZERO).eager(EAGER),
            probes,
            began: Instant::now(),
            under_way: FuturesUnordered::new(),
            why: Vec::new(),
        }
    }

    /// What is known now.
    pub(crate) fn health(&self) -> Health {
        self.monitor.health()
    }

    /// Why it is not well, if it is not.
    pub(crate) fn why(&self) -> String {
        let health = self.health();
        let of = |kind: Kind| self.why.iter().find(|(k, _)| *k == kind).map(|(_, why)| why.clone());
        let kind = match () {
            () if !health.live && health.started => Kind::Liveness,
            () if !health.started => Kind::Startup,
            () if !health.ready => Kind::Readiness,
            () => return String::new(),
        };
        of(kind).unwrap_or_default()
    }

    /// Probes until an answer has come. Nothing is lost when it is dropped while it waits.
    pub(crate) async fn answered(&mut self) {
        loop {
            for (kind, timeout) in self.monitor.due(self.began.elapsed()) {
                let config = match kind {
                    Kind::Startup => &self.probes.startup,
                    Kind::Readiness => &self.probes.readiness,
                    Kind::Liveness => &self.probes.liveness,
                };
                let mut config = config.clone().unwrap_or_default();
                config.timeout = timeout;
                let (http, endpoint) = (self.http.clone(), self.endpoint.clone());
                self.under_way.push(Box::pin(async move { (kind, probe(&http, &endpoint, &config).await) }));
            }
            let due = self.monitor.next_due().map(|due| self.began + due);
            let wait = async {
                match due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some((kind, found)) = self.under_way.next() => {
                    let outcome = if found.is_ok() { Outcome::Success } else { Outcome::Failure };
                    self.why.retain(|(k, _)| *k != kind);
                    self.why.extend(found.err().map(|why| (kind, why)));
                    self.monitor.tell(kind, outcome, self.began.elapsed());
                    return;
                }
                () = wait => {}
            }
        }
    }
}
