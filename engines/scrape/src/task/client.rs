//! The HTTP client of a job: made when it is first needed, made again when its certificate files change.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::redirect::Policy;

use super::verify;
use crate::config::{Authorization, HttpClient, SecretSource};

/// How often the certificate files' times are looked at.
const CHECK: Duration = Duration::from_secs(10);

/// Redirects that are followed for one request, as in Go's client.
const MAX_REDIRECTS: usize = 10;

/// What this console calls itself.
const AGENT: &str = concat!("quarterdeck/", env!("CARGO_PKG_VERSION"));

struct Built {
    client: reqwest::Client,
    stamps: Vec<Option<SystemTime>>,
    checked: Instant,
}

/// A client and the settings it is made from.
pub(super) struct Client {
    settings: HttpClient,
    files: Vec<PathBuf>,
    built: Mutex<Option<Built>>,
}

impl Client {
    pub(super) fn new(settings: HttpClient) -> Self {
        let tls = &settings.tls;
        let files = [&tls.ca, &tls.cert, &tls.key]
            .into_iter()
            .flatten()
            .filter_map(
                |source| if let SecretSource::File(path) = source { Some(path.clone()) } else { None },
            )
            .collect();
        Self { settings, files, built: Mutex::new(None) }
    }

    /// The client, as of the newest certificates.
    pub(super) fn get(&self) -> Result<reqwest::Client, String> {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = built.as_mut() {
            if self.files.is_empty() || known.checked.elapsed() < CHECK {
                return Ok(known.client.clone());
            }
            known.checked = Instant::now();
            if known.stamps == self.stamps() {
                return Ok(known.client.clone());
            }
        }
        let stamps = self.stamps();
        let client = build(&self.settings)?;
        *built = Some(Built { client: client.clone(), stamps, checked: Instant::now() });
        Ok(client)
    }

    fn stamps(&self) -> Vec<Option<SystemTime>> {
        self.files.iter().map(|path| std::fs::metadata(path).and_then(|m| m.modified()).ok()).collect()
    }

    /// The headers that carry credentials and what the configuration adds. Files are read away from the runtime.
    pub(super) async fn headers(&self) -> Result<HeaderMap, String> {
        let settings = &self.settings;
        if settings.authorization == Authorization::None && settings.headers.is_empty() {
            return Ok(HeaderMap::new());
        }
        let settings = settings.clone();
        tokio::task::spawn_blocking(move || headers(&settings))
            .await
            .unwrap_or_else(|_| Err("the credentials could not be read".to_owned()))
    }
}

fn headers(settings: &HttpClient) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let read = |source: &SecretSource| source.read().map_err(|e| e.to_string());
    let authorization = match &settings.authorization {
        Authorization::None => None,
        Authorization::Basic { username, password } => {
            let password = password.as_ref().map(read).transpose()?.unwrap_or_default();
            Some(basic(read(username)?.expose(), password.expose()))
        }
        Authorization::Scheme { scheme, credentials } => {
            Some(format!("{scheme} {}", read(credentials)?.expose()))
        }
    };
    if let Some(text) = authorization {
        headers.insert(AUTHORIZATION, secret(&text, "Authorization")?);
    }
    for (name, values) in &settings.headers {
        let header = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| format!("http_headers: {name:?} is not the name of a header"))?;
        for value in values {
            headers.append(header.clone(), secret(read(value)?.expose(), name)?);
        }
    }
    Ok(headers)
}

fn secret(text: &str, name: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        format!("the credential for the header {name} has characters that a header cannot carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

/// The credential of basic authentication: base64 of `user:password`.
fn basic(username: &str, password: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let plain = format!("{username}:{password}");
    let mut out = String::from("Basic ");
    for group in plain.as_bytes().chunks(3) {
        let bits = group.iter().fold(0u32, |bits, b| bits << 8 | u32::from(*b)) << (8 * (3 - group.len()));
        for i in 0..4 {
            let sextet = (bits >> (18 - 6 * i)) as usize & 63;
            out.push(if i <= group.len() { char::from(ALPHABET[sextet]) } else { '=' });
        }
    }
    out
}

fn build(settings: &HttpClient) -> Result<reqwest::Client, String> {
    let tls = verify::config(&settings.tls, settings.enable_http2)?;
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .user_agent(AGENT)
        .no_gzip()
        .redirect(if settings.follow_redirects { Policy::limited(MAX_REDIRECTS) } else { Policy::none() })
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(Duration::from_secs(5 * 60))
        .tcp_nodelay(true);
    let proxy = &settings.proxy;
    if let Some(url) = &proxy.url {
        // The URL may carry a password, so no error repeats it.
        let mut through =
            reqwest::Proxy::all(url).map_err(|_| "proxy_url is not a proxy's URL".to_owned())?;
        if let Some(direct) = &proxy.no_proxy {
            through = through.no_proxy(reqwest::NoProxy::from_string(direct));
        }
        let mut headers = HeaderMap::new();
        for (name, values) in &proxy.connect_headers {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("proxy_connect_header: {name:?} is not the name of a header"))?;
            for value in values {
                let value = value.read().map_err(|e| e.to_string())?;
                headers.append(header.clone(), secret(value.expose(), name)?);
            }
        }
        builder = builder.proxy(through.headers(headers));
    } else if !proxy.from_environment {
        builder = builder.no_proxy();
    }
    builder.build().map_err(|e| super::fetch::chain(&e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_base64() {
        for (user, password, expected) in [
            ("a", "", "Basic YTo="),
            ("ab", "", "Basic YWI6"),
            ("user", "pass", "Basic dXNlcjpwYXNz"),
            ("u", "é", "Basic dTrDqQ=="),
        ] {
            assert_eq!(basic(user, password), expected);
        }
    }
}
