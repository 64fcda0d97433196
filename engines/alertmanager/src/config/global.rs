//! `global`: what receivers inherit, with Alertmanager's defaults.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_yaml::Location;
use url::Url;

use super::address::SHOWN;
use super::http::{self, HttpClient, Tls};
use super::place::{Check, filled, place, text, value};
use super::raw;
use super::receiver::SecretSource;

/// How long after its last post an alert without an end counts as resolved, unless the file says.
pub(super) const RESOLVE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// What receivers inherit.
pub(super) struct Global {
    pub(super) resolve_timeout: Duration,
    pub(super) http: Arc<HttpClient>,
    pub(super) smtp: Smtp,
    pub(super) slack_api_url: Option<SecretSource>,
    pub(super) slack_app_token: Option<SecretSource>,
    pub(super) slack_app_url: Url,
    pub(super) pagerduty_url: Url,
    pub(super) opsgenie_api_key: Option<SecretSource>,
    pub(super) wechat_api_secret: Option<SecretSource>,
    pub(super) wechat_corp_id: String,
    pub(super) victorops_api_key: Option<SecretSource>,
    pub(super) telegram_bot_token: Option<SecretSource>,
    pub(super) jira_api_url: Option<Url>,
    pub(super) rocketchat_token: Option<SecretSource>,
    pub(super) rocketchat_token_id: Option<SecretSource>,
    pub(super) mattermost_webhook_url: Option<SecretSource>,
}

/// What mail inherits.
pub(super) struct Smtp {
    pub(super) from: String,
    pub(super) hello: String,
    pub(super) smarthost: Option<(String, String)>,
    pub(super) auth_username: String,
    pub(super) auth_password: Option<SecretSource>,
    pub(super) auth_secret: Option<SecretSource>,
    pub(super) auth_identity: String,
    pub(super) require_tls: bool,
    pub(super) tls: Tls,
    pub(super) force_implicit_tls: Option<bool>,
}

/// Reads `global`; one that is not there, or empty, has the defaults.
pub(super) fn read(check: &mut Check<'_>, raw: &raw::Global) -> Global {
    let slack_api_url = check
        .secret_url(("slack_api_url", &raw.slack_api_url), ("slack_api_url_file", &raw.slack_api_url_file));
    let slack_app_token = check.secret(
        ("slack_app_token", &raw.slack_app_token),
        ("slack_app_token_file", &raw.slack_app_token_file),
    );
    let slack_app_url = address(check, &raw.slack_app_url, "https://slack.com/api/chat.postMessage");
    // A token given to the webhook's place is how bots were set up before there was a setting for it.
    if let (Some(url), Some(_)) = (&slack_api_url, &slack_app_token) {
        let same = matches!(url, SecretSource::Inline(url) if [slack_app_url.as_str(), SHOWN].contains(&url.expose()));
        if !same {
            let place =
                place(&raw.slack_api_url).or(filled(&raw.slack_api_url_file)).unwrap_or(Location::UNKNOWN);
            let what = "at most one of slack_app_token/slack_app_token_file & slack_api_url/slack_api_url_file must be configured";
            check.refuse(place, what, "remove one of them");
        }
    }
    for setting in [
        &raw.opsgenie_api_url,
        &raw.wechat_api_url,
        &raw.victorops_api_url,
        &raw.telegram_api_url,
        &raw.webex_api_url,
        &raw.rocketchat_api_url,
    ] {
        // Lawful or not is all that matters: what they are for is not delivered.
        let _ = check.url(setting);
    }
    let secret = |check: &mut Check<'_>, name: &str, inline, file| {
        check.secret((name, inline), (&format!("{name}_file"), file))
    };
    let given = |check: &mut Check<'_>, name: &str, inline: &raw::Placed<raw::Hidden>, file| {
        // These are there when they are written, even if they are empty.
        check.not_both((name, place(inline)), (&format!("{name}_file"), filled(file)));
        let written = inline.as_ref().map(|secret| SecretSource::Inline(secret.value.0.clone()));
        written.or_else(|| filled(file).map(|_| SecretSource::File(text(file).into())))
    };
    Global {
        resolve_timeout: check.duration(&raw.resolve_timeout).unwrap_or(RESOLVE_TIMEOUT),
        http: Arc::new(raw.http_config.as_ref().map(|raw| http::read(check, &raw.value)).unwrap_or_default()),
        smtp: smtp(check, raw),
        slack_api_url,
        slack_app_token,
        slack_app_url,
        pagerduty_url: address(check, &raw.pagerduty_url, "https://events.pagerduty.com/v2/enqueue"),
        opsgenie_api_key: secret(
            check,
            "opsgenie_api_key",
            &raw.opsgenie_api_key,
            &raw.opsgenie_api_key_file,
        ),
        wechat_api_secret: secret(
            check,
            "wechat_api_secret",
            &raw.wechat_api_secret,
            &raw.wechat_api_secret_file,
        ),
        wechat_corp_id: text(&raw.wechat_api_corp_id).to_owned(),
        victorops_api_key: secret(
            check,
            "victorops_api_key",
            &raw.victorops_api_key,
            &raw.victorops_api_key_file,
        ),
        telegram_bot_token: secret(
            check,
            "telegram_bot_token",
            &raw.telegram_bot_token,
            &raw.telegram_bot_token_file,
        ),
        jira_api_url: check.url(&raw.jira_api_url),
        rocketchat_token: given(check, "rocketchat_token", &raw.rocketchat_token, &raw.rocketchat_token_file),
        rocketchat_token_id: given(
            check,
            "rocketchat_token_id",
            &raw.rocketchat_token_id,
            &raw.rocketchat_token_id_file,
        ),
        mattermost_webhook_url: check.secret_url(
            ("mattermost_webhook_url", &raw.mattermost_webhook_url),
            ("mattermost_webhook_url_file", &raw.mattermost_webhook_url_file),
        ),
    }
}

fn smtp(check: &mut Check<'_>, raw: &raw::Global) -> Smtp {
    let hello = raw.smtp_hello.as_ref().map_or("localhost", |hello| hello.value.as_str());
    Smtp {
        from: text(&raw.smtp_from).to_owned(),
        hello: hello.to_owned(),
        smarthost: check.host_port(&raw.smtp_smarthost),
        auth_username: text(&raw.smtp_auth_username).to_owned(),
        auth_password: check.secret(
            ("smtp_auth_password", &raw.smtp_auth_password),
            ("smtp_auth_password_file", &raw.smtp_auth_password_file),
        ),
        auth_secret: check.secret(
            ("smtp_auth_secret", &raw.smtp_auth_secret),
            ("smtp_auth_secret_file", &raw.smtp_auth_secret_file),
        ),
        auth_identity: text(&raw.smtp_auth_identity).to_owned(),
        require_tls: value(&raw.smtp_require_tls, true),
        tls: raw
            .smtp_tls_config
            .as_ref()
            .map(|raw| http::tls(check, &raw.value, raw.referenced))
            .unwrap_or_default(),
        force_implicit_tls: raw.smtp_force_implicit_tls.as_ref().map(|setting| setting.value),
    }
}

/// An address with a default; the default stands in for one that was refused, too, so that checking can go on.
fn address(check: &mut Check<'_>, setting: &raw::Placed<raw::Address>, default: &'static str) -> Url {
    check.url(setting).unwrap_or_else(|| fixed(default))
}

/// One of the addresses that are written here.
fn fixed(address: &'static str) -> Url {
    match Url::parse(address) {
        Ok(url) => url,
        Err(error) => unreachable!("{address}: {error}"),
    }
}
