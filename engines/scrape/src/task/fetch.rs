//! One request for one page.

use std::error::Error as _;
use std::time::Duration;

use quarterdeck_metrics::exposition::Format;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use tokio::sync::SemaphorePermit;

use super::Shared;
use super::client::Client;
use super::inflate::{Inflate, InflateError};
use crate::config::{DEFAULT_BODY_LIMIT, Job, NameValidation, Protocol};
use crate::engine::scraper::ScrapeError;
use crate::engine::target::Target;

/// A job with what its requests need.
pub(super) struct JobRuntime {
    pub(super) job: std::sync::Arc<Job>,
    client: Client,
    accept: HeaderValue,
}

/// A page that was fetched, and its share of the memory budget.
pub(super) struct Fetched<'a> {
    pub(super) format: Format,
    pub(super) body: Vec<u8>,
    pub(super) share: Option<SemaphorePermit<'a>>,
}

impl JobRuntime {
    pub(super) fn new(job: std::sync::Arc<Job>) -> Self {
        Self { client: Client::new(job.client.clone()), accept: accept(&job), job }
    }
}

/// `Accept` as Prometheus writes it: each format with a weight, anything else at the end.
fn accept(job: &Job) -> HeaderValue {
    let mut weight = 1 + Protocol::DEFAULT.len();
    let mut text = String::new();
    let text_protocols = job.protocols.iter().filter(|p| **p != Protocol::PrometheusProto);
    let mut protocols: Vec<Protocol> = text_protocols.copied().collect();
    if protocols.is_empty() {
        protocols = Protocol::DEFAULT.to_vec();
    }
    for protocol in protocols {
        let versioned = matches!(protocol, Protocol::OpenMetrics100 | Protocol::PrometheusText100);
        let escaping = match job.name_validation {
            NameValidation::Utf8 if versioned => ";escaping=allow-utf-8",
            NameValidation::Legacy if versioned => ";escaping=underscores",
            _ => "",
        };
        text.push_str(&format!("{}{escaping};q=0.{weight},", protocol.media_type()));
        weight = weight.saturating_sub(1).max(1);
    }
    text.push_str(&format!("*/*;q=0.{weight}"));
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("*/*"))
}

/// Fetches a target's page within its timeout.
pub(super) async fn page<'a>(
    runtime: &JobRuntime,
    target: &Target,
    shared: &'a Shared,
) -> Result<Fetched<'a>, ScrapeError> {
    let fetched = tokio::time::timeout(target.timeout, request(runtime, target, shared)).await;
    fetched
        .unwrap_or_else(|_| {
            Err(format!("no complete answer within {} (scrape_timeout)", seconds(target.timeout)))
        })
        .map_err(ScrapeError::Fetch)
}

fn seconds(duration: Duration) -> String {
    quarterdeck_kernel::time::format_duration(duration)
}

async fn request<'a>(
    runtime: &JobRuntime,
    target: &Target,
    shared: &'a Shared,
) -> Result<Fetched<'a>, String> {
    let job = &runtime.job;
    let client = runtime.client.get()?;
    let mut headers = runtime.client.headers().await?;
    headers.insert(ACCEPT, runtime.accept.clone());
    let encoding = if job.enable_compression { "gzip" } else { "identity" };
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
    if let Ok(timeout) = HeaderValue::from_str(&target.timeout.as_secs_f64().to_string()) {
        headers.insert("x-prometheus-scrape-timeout-seconds", timeout);
    }
    let ask = |headers| client.get(target.url.clone()).headers(headers).send();
    let response = match ask(headers.clone()).await {
        // A kept connection may have been closed by the target just then; asking again on a new one settles it.
        Err(error) if was_closed(&error) => ask(headers).await,
        other => other,
    }
    .map_err(|e| chain(&e))?;
    let status = response.status();
    if status != reqwest::StatusCode::OK {
        return Err(format!("server returned HTTP status {status}"));
    }
    let format = format(text(response.headers(), &CONTENT_TYPE), job.fallback)?;
    let limit = usize::try_from(job.limits.body_size.unwrap_or(DEFAULT_BODY_LIMIT)).unwrap_or(usize::MAX);
    let (body, share) = read(response, limit, shared).await?;
    Ok(Fetched { format, body, share })
}

/// Reads a body, decompressed, up to the limit.
async fn read(
    mut response: reqwest::Response,
    limit: usize,
    shared: &Shared,
) -> Result<(Vec<u8>, Option<SemaphorePermit<'_>>), String> {
    let encoding = text(response.headers(), &CONTENT_ENCODING).to_owned();
    let mut inflate = Inflate::new(&encoding, shared.buffers.page(), limit).map_err(|e| e.to_string())?;
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(InflateError::TooLarge { limit }.to_string());
    }
    let mut share: Option<SemaphorePermit<'_>> = None;
    while let Some(chunk) = response.chunk().await.map_err(|e| chain(&e))? {
        inflate.take(&chunk).map_err(|e| e.to_string())?;
        // The first megabyte is free: it is what nearly every page takes.
        let held = share.as_ref().map_or(1, |s| s.num_permits() + 1);
        let needed = inflate.len().div_ceil(1 << 20).min(super::BUDGET_MIB);
        if needed > held {
            let more = u32::try_from(needed - held).unwrap_or(u32::MAX);
            let permit = shared.budget.acquire_many(more).await.map_err(|e| e.to_string())?;
            match share.as_mut() {
                Some(share) => share.merge(permit),
                None => share = Some(permit),
            }
        }
    }
    let page = inflate.finish().map_err(|e| e.to_string())?;
    Ok((page, share))
}

/// The format of a page by its `Content-Type`, as Prometheus 3 judges it.
fn format(content_type: &str, fallback: Option<Protocol>) -> Result<Format, String> {
    let fallback = fallback.and_then(|protocol| match protocol {
        Protocol::PrometheusProto => None,
        Protocol::PrometheusText004 | Protocol::PrometheusText100 => Some(Format::Text),
        Protocol::OpenMetrics001 | Protocol::OpenMetrics100 => Some(Format::OpenMetrics),
    });
    if content_type.trim().is_empty() {
        return fallback.ok_or_else(|| {
            "the target sends no Content-Type and the job has no fallback_scrape_protocol".to_owned()
        });
    }
    match (Format::from_content_type(content_type), fallback) {
        (Ok(format), _) | (Err(_), Some(format)) => Ok(format),
        (Err(error), None) => Err(format!("{error}; or set the job's fallback_scrape_protocol")),
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &reqwest::header::HeaderName) -> &'h str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Asks a URL for text, for discovery: at most `limit` bytes, JSON only.
pub(super) async fn document(
    client: &Client,
    url: &url::Url,
    refresh: Duration,
    limit: usize,
) -> Result<String, String> {
    let ask = async {
        let mut headers = client.headers().await?;
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Ok(refresh) = HeaderValue::from_str(&refresh.as_secs_f64().to_string()) {
            headers.insert("x-prometheus-refresh-interval-seconds", refresh);
        }
        let mut response =
            client.get()?.get(url.clone()).headers(headers).send().await.map_err(|e| chain(&e))?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("server returned HTTP status {}", response.status()));
        }
        let content_type = text(response.headers(), &CONTENT_TYPE).trim().to_ascii_lowercase();
        if content_type.split(';').next().map(str::trim) != Some("application/json") {
            return Err(format!("the Content-Type is {content_type:?}, it should be application/json"));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| chain(&e))? {
            if body.len() + chunk.len() > limit {
                return Err(format!("the answer is larger than {limit} bytes"));
            }
            body.extend_from_slice(&chunk);
        }
        String::from_utf8(body).map_err(|_| "the answer is not UTF-8".to_owned())
    };
    let within = refresh.max(Duration::from_secs(10));
    tokio::time::timeout(within, ask)
        .await
        .unwrap_or_else(|_| Err(format!("no complete answer within {}", seconds(within))))
}

/// Whether the connection ended before any answer came.
fn was_closed(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionReset};
    let mut cause = error.source();
    while let Some(error) = cause {
        let incomplete =
            error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_incomplete_message);
        let io = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if incomplete || matches!(io, Some(BrokenPipe | ConnectionReset)) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An error with its causes, innermost last, without the URL (it is shown beside it) and without repetitions.
pub(super) fn chain(error: &reqwest::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    if error.is_redirect() {
        parts.push("too many redirects, or one that cannot be followed".to_owned());
    }
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        cause = error.source();
    }
    if parts.is_empty() {
        parts.push(error.to_string());
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_decides_and_the_fallback_helps() {
        assert_eq!(format("text/plain; version=0.0.4", None), Ok(Format::Text));
        assert_eq!(format("application/openmetrics-text; version=1.0.0", None), Ok(Format::OpenMetrics));
        assert!(format("", None).unwrap_err().contains("fallback_scrape_protocol"));
        assert!(format("text/html", None).unwrap_err().contains("text/html"));
        assert_eq!(format("text/html", Some(Protocol::PrometheusText004)), Ok(Format::Text));
        assert_eq!(format("", Some(Protocol::OpenMetrics100)), Ok(Format::OpenMetrics));
    }

    #[test]
    fn formats_are_asked_for_by_weight() {
        let header = accept(&Job::new("j"));
        let text = header.to_str().unwrap();
        assert!(
            text.starts_with("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"),
            "{text}"
        );
        assert!(text.ends_with("text/plain;version=0.0.4;q=0.2,*/*;q=0.1"), "{text}");
    }
}
