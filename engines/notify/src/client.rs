//! Requests: one client for each way of asking, credentials read for each request, answers read in part.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use quarterdeck_alertmanager::config::{HttpClient, OAuth2, SecretSource, Tls};
use quarterdeck_kernel::Secret;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};

use crate::failure::{Failure, chain, short};
use crate::guard::{Guard, ResolveError};
use crate::oauth::Tokens;
use crate::render::{Answer, Post};
use crate::{secret, tls};

/// What this console calls itself.
const AGENT: &str = concat!("quarterdeck/", env!("CARGO_PKG_VERSION"));

/// How much of an answer is read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(15);

/// The longest pause that a receiver may ask for.
const MAX_AFTER: Duration = Duration::from_secs(3600);

/// A client and what it was made from.
struct Built {
    http: Arc<HttpClient>,
    stamps: Vec<Option<SystemTime>>,
    client: reqwest::Client,
}

/// The client of one destination; made again when its settings or its certificates' files change.
pub(crate) struct Client {
    guard: Guard,
    built: Mutex<Option<Built>>,
    tokens: Tokens,
}

/// What a receiver said.
struct Said {
    status: StatusCode,
    kind: String,
    after: Option<Duration>,
    text: String,
}

impl Client {
    pub(crate) fn new(guard: Guard) -> Self {
        Self { guard, built: Mutex::new(None), tokens: Tokens::default() }
    }

    /// Sends a request; what the answer says that the next one needs.
    pub(crate) async fn post(
        self: &Arc<Self>,
        post: Post,
        marks: HeaderMap,
    ) -> Result<Option<Arc<str>>, Failure> {
        let answer = post.answer;
        let said = self.ask(post, marks).await?;
        judge(answer, &said)
    }

    async fn ask(self: &Arc<Self>, post: Post, marks: HeaderMap) -> Result<Said, Failure> {
        let host = post.url.host_str().unwrap_or_default().to_owned();
        self.guard.check_literal(&host).map_err(|e| Failure::never(e.to_string()))?;
        let (this, http) = (Arc::clone(self), Arc::clone(&post.http));
        let made = tokio::task::spawn_blocking(move || Ok((this.client(&http)?, headers(&http)?)));
        let (client, mut headers) =
            made.await.unwrap_or_else(|_| Err(Failure::later("the client could not be made")))?;
        if let Some(oauth2) = &post.http.oauth2 {
            let token = self.tokens.get(oauth2, &self.guard).await?;
            headers.insert(AUTHORIZATION, sensitive(&format!("Bearer {}", token.expose()), "Authorization")?);
        }
        headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
        headers.extend(marks);
        let mut request = client.post(post.url).headers(headers).body(post.body);
        if let Some(timeout) = post.timeout {
            request = request.timeout(timeout);
        }
        let response = request.send().await.map_err(failed)?;
        read(response).await
    }

    /// The client for these settings. Blocks.
    fn client(&self, http: &Arc<HttpClient>) -> Result<reqwest::Client, Failure> {
        let files = tls::files(&http.tls);
        let stamps: Vec<_> = files.iter().map(changed).collect();
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = built.as_ref().filter(|b| Arc::ptr_eq(&b.http, http) && b.stamps == stamps) {
            return Ok(known.client.clone());
        }
        let client = build(http, &self.guard)?;
        *built = Some(Built { http: Arc::clone(http), stamps, client: client.clone() });
        Ok(client)
    }
}

fn changed(path: &PathBuf) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

/// Reads the head and a bounded part of the body.
async fn read(mut response: Response) -> Result<Said, Failure> {
    let status = response.status();
    let header = |name: HeaderName| {
        response.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
    };
    let (kind, after) = (header(CONTENT_TYPE), header(RETRY_AFTER));
    let after = after.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(MAX_AFTER));
    let mut body: Vec<u8> = Vec::new();
    while body.len() < MAX_ANSWER {
        match response.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk[..chunk.len().min(MAX_ANSWER - body.len())]),
            Ok(None) => break,
            // The status has been said; only where it says success does the rest matter.
            Err(_) if !status.is_success() => break,
            Err(error) => return Err(failed(error)),
        }
    }
    // What is left is not read: the connection is closed with the response.
    Ok(Said { status, kind, after, text: String::from_utf8_lossy(&body).into_owned() })
}

/// Whether an answer means that the notification was taken.
fn judge(answer: Answer, said: &Said) -> Result<Option<Arc<str>>, Failure> {
    let status = said.status;
    if !status.is_success() {
        let mut told = format!("the receiver answers {status}");
        if status.is_redirection() {
            told.push_str(", and redirects are not followed");
        } else if !said.text.trim().is_empty() {
            told = format!("{told}: {}", short(&said.text));
        }
        let often = match answer {
            Answer::PagerDuty { first: true } => status == StatusCode::FORBIDDEN,
            _ => false,
        };
        let again = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || often;
        let mut failure = if again { Failure::later(told) } else { Failure::never(told) };
        failure.after = said.after;
        return Err(failure);
    }
    if answer != Answer::Slack {
        return Ok(None);
    }
    if !said.kind.starts_with("application/json") {
        return match said.text.as_str() {
            "ok" => Ok(None),
            other => Err(Failure::never(format!("Slack refuses: {}", short(other)))),
        };
    }
    let Ok(parsed) = serde_json::from_str::<serde_json::Value>(&said.text) else {
        return Err(Failure::later(format!("Slack's answer is not JSON: {}", short(&said.text))));
    };
    let text = |name: &str| parsed.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    if parsed.get("ok").and_then(serde_json::Value::as_bool) != Some(true) {
        return Err(Failure::never(format!("Slack refuses: {}", text("error"))));
    }
    let (channel, timestamp) = (text("channel"), text("ts"));
    let known = !channel.is_empty() && !timestamp.is_empty();
    Ok(known.then(|| format!("{channel}/{timestamp}").into()))
}

/// Why a request has no answer. The URL may be secret and is left out.
pub(crate) fn failed(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(inner) = cause {
        if let Some(ResolveError::Forbidden(forbidden)) = inner.downcast_ref() {
            return Failure::never(forbidden.to_string());
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        return Failure::later("the receiver did not answer in time");
    }
    if error.is_builder() {
        return Failure::never(chain(&error));
    }
    Failure::later(chain(&error))
}

/// The headers with credentials, and what the configuration adds. Blocks.
fn headers(http: &HttpClient) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    if let Some(basic) = &http.basic_auth {
        let (user, password) = (secret::read(&basic.username)?, secret::read(&basic.password)?);
        let value = format!("Basic {}", STANDARD.encode(format!("{}:{}", user.expose(), password.expose())));
        headers.insert(AUTHORIZATION, sensitive(&value, "Authorization")?);
    }
    if let Some(authorization) = &http.authorization {
        let credentials = secret::read(&authorization.credentials)?;
        let value = format!("{} {}", authorization.scheme, credentials.expose());
        headers.insert(AUTHORIZATION, sensitive(value.trim(), "Authorization")?);
    }
    for header in &http.headers {
        let name = name(&header.name)?;
        for value in &header.values {
            headers.append(name.clone(), sensitive(secret::read(value)?.expose(), &header.name)?);
        }
    }
    Ok(headers)
}

fn name(text: &str) -> Result<HeaderName, Failure> {
    HeaderName::from_bytes(text.as_bytes())
        .map_err(|_| Failure::never(format!("{text:?} is not the name of a header")))
}

/// The value of a header, which is not printed.
fn sensitive(text: &str, name: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Failure::never(format!("the value of {name} has characters that a header cannot carry"))
    })?;
    value.set_sensitive(true);
    Ok(value)
}

fn build(http: &HttpClient, guard: &Guard) -> Result<reqwest::Client, Failure> {
    let mut proxy_headers = HeaderMap::new();
    for (header, values) in &http.proxy_connect_header {
        for value in values {
            proxy_headers.append(name(header)?, sensitive(value.expose(), header)?);
        }
    }
    let proxy = Proxy {
        url: http.proxy_url.as_ref(),
        direct: &http.no_proxy,
        from_environment: http.proxy_from_environment,
        headers: proxy_headers,
    };
    client(&http.tls, http.enable_http2, proxy, guard)
}

/// By which proxy to ask.
struct Proxy<'a> {
    url: Option<&'a Secret>,
    direct: &'a str,
    from_environment: bool,
    headers: HeaderMap,
}

/// The client that asks for tokens.
pub(crate) fn token_client(oauth2: &OAuth2, guard: &Guard) -> Result<reqwest::Client, Failure> {
    let proxy = Proxy {
        url: oauth2.proxy_url.as_ref(),
        direct: "",
        from_environment: false,
        headers: HeaderMap::new(),
    };
    client(&oauth2.tls, true, proxy, guard)
}

fn client(tls: &Tls, http2: bool, proxy: Proxy<'_>, guard: &Guard) -> Result<reqwest::Client, Failure> {
    let mut config = tls::client(tls)?;
    config.alpn_protocols = if http2 { vec![b"h2".to_vec()] } else { Vec::new() };
    config.alpn_protocols.push(b"http/1.1".to_vec());
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        .user_agent(AGENT)
        .redirect(Policy::none())
        .referer(false)
        .no_gzip()
        .dns_resolver(Arc::new(guard.clone()))
        .connect_timeout(CONNECT)
        .pool_max_idle_per_host(2)
        .pool_idle_timeout(Duration::from_secs(90))
        .tcp_nodelay(true);
    if let Some(url) = proxy.url {
        // It may carry a password, so no error repeats it.
        let mut through = reqwest::Proxy::all(url.expose())
            .map_err(|_| Failure::never("proxy_url is not a proxy's URL"))?
            .headers(proxy.headers);
        if !proxy.direct.is_empty() {
            through = through.no_proxy(reqwest::NoProxy::from_string(proxy.direct));
        }
        builder = builder.proxy(through);
    } else if !proxy.from_environment {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| Failure::never(chain(&e)))
}

/// A secret of the configuration, read away from the runtime.
pub(crate) async fn read_secret(source: &SecretSource) -> Result<Secret, Failure> {
    let source = source.clone();
    let read = tokio::task::spawn_blocking(move || secret::read(&source));
    read.await.unwrap_or_else(|_| Err(Failure::later("the secret could not be read")))
}
