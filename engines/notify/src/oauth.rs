//! Tokens of OAuth 2 by client credentials, kept until they run out.

use std::time::Duration;

use quarterdeck_alertmanager::config::OAuth2;
use quarterdeck_kernel::Secret;
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::Instant;
use url::Url;

use crate::client::{failed, read_secret, token_client};
use crate::failure::Failure;
use crate::guard::Guard;

/// A token is asked for anew this long before it runs out.
const MARGIN: Duration = Duration::from_secs(10);

/// How long a token is used that does not say.
const UNSAID: Duration = Duration::from_secs(300);

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// The token of one destination.
#[derive(Debug, Default)]
pub(crate) struct Tokens(Mutex<Option<(Secret, Instant)>>);

#[derive(Deserialize)]
struct Answer {
    access_token: Secret,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Tokens {
    /// A token that has not run out.
    pub(crate) async fn get(&self, oauth2: &OAuth2, guard: &Guard) -> Result<Secret, Failure> {
        let mut kept = self.0.lock().await;
        if let Some((token, _)) = kept.as_ref().filter(|(_, until)| *until > Instant::now()) {
            return Ok(token.clone());
        }
        let answer = ask(oauth2, guard).await?;
        let lifetime = answer.expires_in.map_or(UNSAID, Duration::from_secs).saturating_sub(MARGIN);
        // A year is for ever, and no sum of times overflows.
        let until = Instant::now() + lifetime.min(Duration::from_secs(365 * 86_400));
        *kept = Some((answer.access_token.clone(), until));
        Ok(answer.access_token)
    }
}

async fn ask(oauth2: &OAuth2, guard: &Guard) -> Result<Answer, Failure> {
    let bad = || Failure::never("oauth2.token_url is not a URL");
    let url = Url::parse(&oauth2.token_url).map_err(|_| bad())?;
    let host = url.host_str().ok_or_else(bad)?;
    guard.check_literal(host).map_err(|e| Failure::never(e.to_string()))?;
    let (settings, judge) = (oauth2.clone(), guard.clone());
    let client = tokio::task::spawn_blocking(move || token_client(&settings, &judge));
    let client = client.await.unwrap_or_else(|_| Err(Failure::later("the client could not be made")))?;
    let secret = match &oauth2.client_secret {
        Some(source) => read_secret(source).await?,
        None => Secret::default(),
    };
    let request = client
        .post(url)
        .basic_auth(&oauth2.client_id, Some(secret.expose()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form(oauth2));
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status();
    if !status.is_success() {
        let told = format!("oauth2.token_url answers {status}");
        return Err(if status.is_server_error() || status.as_u16() == 429 {
            Failure::later(told)
        } else {
            Failure::never(told)
        });
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(Failure::never("oauth2.token_url answers with more than 64 KiB"));
        }
    }
    serde_json::from_slice(&body)
        .map_err(|_| Failure::never("oauth2.token_url answers without an access_token"))
}

fn form(oauth2: &OAuth2) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    if !oauth2.scopes.is_empty() {
        form.append_pair("scope", &oauth2.scopes.join(" "));
    }
    form.extend_pairs(&oauth2.endpoint_params);
    form.finish()
}
