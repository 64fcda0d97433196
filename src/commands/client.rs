//! Talking to a running console.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::pinned;
use crate::cli::{Global, Server};
use crate::exit::Failure;
use crate::paths::{Beacon, Paths};

/// The longest that an answer which comes piece by piece may take.
const LONGEST: std::time::Duration = std::time::Duration::from_secs(24 * 3600);

/// A connection to one running console.
pub struct Client {
    beacon: Beacon,
    http: reqwest::Client,
}

/// An error as the console's own interface tells it.
#[derive(Debug, Serialize, Deserialize)]
pub struct ApiError {
    /// In words for the operator.
    pub error: String,
    /// Whether the action was refused (rather than failed).
    #[serde(default)]
    pub refused: bool,
    /// Whether what was asked makes no sense as it was written.
    #[serde(default)]
    pub usage: bool,
}

impl Client {
    /// Finds the console that is meant.
    ///
    /// # Errors
    /// When there is none or several.
    pub fn find(global: &Global, server: &Server) -> Result<Self, Failure> {
        let paths = Paths::new(global, "")?;
        let beacon = Beacon::find(&paths, global, server.server.as_deref())?;
        let failed = |e: &dyn std::fmt::Display| Failure::Failed(format!("no HTTP client: {e}"));
        let mut http = reqwest::Client::builder().no_proxy().timeout(std::time::Duration::from_secs(120));
        if let Some(certificate) = &beacon.certificate {
            http =
                http.tls_backend_preconfigured(pinned::config(certificate.clone()).map_err(|e| failed(&e))?);
        }
        let http = http.build().map_err(|e| failed(&e))?;
        Ok(Self { beacon, http })
    }

    /// GET, with query parameters.
    ///
    /// # Errors
    /// When no console answers or it answers with an error.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<reqwest::Response, Failure> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.send(self.http.get(url)).await
    }

    /// As [`Client::get`], for an answer that comes piece by piece and may take hours.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub async fn stream(&self, path: &str, query: &[(&str, String)]) -> Result<reqwest::Response, Failure> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.send(self.http.get(url).timeout(LONGEST)).await
    }

    fn url(&self, path: &str) -> Result<reqwest::Url, Failure> {
        reqwest::Url::parse(&format!("{}{path}", self.beacon.url))
            .map_err(|e| Failure::Usage(format!("--server {}: {e}", self.beacon.url)))
    }

    /// GET, with query parameters, JSON back.
    ///
    /// # Errors
    /// As [`Client::get`], and when the answer is not what was expected.
    pub async fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        Self::json(self.get(path, query).await?).await
    }

    /// POST of JSON, JSON back.
    ///
    /// # Errors
    /// As [`Client::get_json`].
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.http.post(format!("{}{path}", self.beacon.url)).json(body);
        Self::json(self.send(request).await?).await
    }

    async fn json<T: DeserializeOwned>(response: reqwest::Response) -> Result<T, Failure> {
        response.json().await.map_err(|e| Failure::Failed(format!("the answer could not be understood: {e}")))
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response, Failure> {
        let url = &self.beacon.url;
        let request =
            if self.beacon.token.is_empty() { request } else { request.bearer_auth(&self.beacon.token) };
        let response = request
            .send()
            .await
            .map_err(|e| Failure::NoConsole(format!("no console answers at {url}: {}", root_cause(&e))))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let told: ApiError = serde_json::from_str(&text).unwrap_or_else(|_| ApiError {
            error: format!("{url} answered {status}"),
            refused: false,
            usage: false,
        });
        Err(match (told.refused, told.usage) {
            (true, _) => Failure::Refused(told.error),
            (_, true) => Failure::Usage(told.error),
            _ => Failure::Failed(told.error),
        })
    }
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
