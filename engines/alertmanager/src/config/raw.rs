//! The file as written: every field of Alertmanager 0.25 to 0.34, each with its place, none with a meaning yet.
//! Written out again, it is the same configuration with its secrets hidden.

mod receivers;
mod scalar;

use std::collections::BTreeMap;

use quarterdeck_yaml::Spanned;
use serde::{Deserialize, Serialize};

pub(super) use receivers::*;
pub(super) use scalar::{Address, Hidden};

/// A setting with its place.
pub(super) type Placed<T> = Option<Spanned<T>>;

/// Texts by name; a text that is not there is empty.
pub(super) type Texts = BTreeMap<String, Option<Spanned<String>>>;

/// Declares structs whose every field is optional, has its place and is left out when it is not there. Fields that are
/// not declared are refused.
macro_rules! raw {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Debug, Default, Deserialize, Serialize)]
            #[serde(default, deny_unknown_fields)]
            pub(in crate::config) struct $name {
                $(
                    $(#[$field_meta])*
                    #[serde(skip_serializing_if = "Option::is_none")]
                    pub(in crate::config) $field: Option<Spanned<$kind>>,
                )*
            }
        )*
    };
}
pub(super) use raw;

raw! {
    /// The whole file.
    File {
        global: Global,
        route: Route,
        inhibit_rules: Vec<Spanned<InhibitRule>>,
        receivers: Vec<Spanned<Receiver>>,
        templates: Vec<Spanned<String>>,
        mute_time_intervals: Vec<Spanned<NamedIntervals>>,
        time_intervals: Vec<Spanned<NamedIntervals>>,
        tracing: Tracing,
        // What other programs are told; never written out, because it may hold secrets.
        #[serde(skip_serializing)]
        event_recorder: serde_json::Value,
    }

    /// `global`.
    Global {
        resolve_timeout: String,
        http_config: Http,
        smtp_from: String,
        smtp_hello: String,
        smtp_smarthost: String,
        smtp_auth_username: String,
        smtp_auth_password: Hidden,
        smtp_auth_password_file: String,
        smtp_auth_secret: Hidden,
        smtp_auth_secret_file: String,
        smtp_auth_identity: String,
        smtp_require_tls: bool,
        smtp_tls_config: Tls,
        smtp_force_implicit_tls: bool,
        slack_api_url: Hidden,
        slack_api_url_file: String,
        slack_app_token: Hidden,
        slack_app_token_file: String,
        slack_app_url: Address,
        pagerduty_url: Address,
        opsgenie_api_url: Address,
        opsgenie_api_key: Hidden,
        opsgenie_api_key_file: String,
        wechat_api_url: Address,
        wechat_api_secret: Hidden,
        wechat_api_secret_file: String,
        wechat_api_corp_id: String,
        victorops_api_url: Address,
        victorops_api_key: Hidden,
        victorops_api_key_file: String,
        telegram_api_url: Address,
        telegram_bot_token: Hidden,
        telegram_bot_token_file: String,
        webex_api_url: Address,
        jira_api_url: Address,
        rocketchat_api_url: Address,
        rocketchat_token: Hidden,
        rocketchat_token_file: String,
        rocketchat_token_id: Hidden,
        rocketchat_token_id_file: String,
        mattermost_webhook_url: Hidden,
        mattermost_webhook_url_file: String,
    }

    /// A route.
    Route {
        receiver: String,
        group_by: Vec<Spanned<String>>,
        #[serde(rename = "match")]
        equal: Texts,
        match_re: Texts,
        matchers: Vec<Spanned<String>>,
        mute_time_intervals: Vec<Spanned<String>>,
        active_time_intervals: Vec<Spanned<String>>,
        #[serde(rename = "continue")]
        continues: bool,
        labels: Texts,
        group_wait: String,
        group_interval: String,
        repeat_interval: String,
        routes: Vec<Spanned<Route>>,
    }

    /// An entry of `inhibit_rules`.
    InhibitRule {
        name: String,
        source_match: Texts,
        source_match_re: Texts,
        source_matchers: Vec<Spanned<String>>,
        target_match: Texts,
        target_match_re: Texts,
        target_matchers: Vec<Spanned<String>>,
        equal: Vec<Spanned<String>>,
    }

    /// An entry of `time_intervals` or `mute_time_intervals`.
    NamedIntervals {
        name: String,
        time_intervals: Vec<Spanned<TimeInterval>>,
    }

    /// One interval.
    TimeInterval {
        times: Vec<Spanned<TimeRange>>,
        weekdays: Vec<Spanned<String>>,
        days_of_month: Vec<Spanned<String>>,
        months: Vec<Spanned<String>>,
        years: Vec<Spanned<String>>,
        location: String,
    }

    /// A part of a day.
    TimeRange {
        start_time: String,
        end_time: String,
    }

    /// `tracing`: checked, and not used here.
    Tracing {
        client_type: String,
        endpoint: String,
        sampling_fraction: f64,
        insecure: bool,
        tls_config: Tls,
        #[serde(rename = "headers")]
        http_headers: BTreeMap<String, Header>,
        compression: String,
        timeout: String,
    }

    /// `http_config`.
    Http {
        basic_auth: BasicAuth,
        authorization: Authorization,
        oauth2: OAuth2,
        bearer_token: Hidden,
        bearer_token_file: String,
        tls_config: Tls,
        follow_redirects: bool,
        enable_http2: bool,
        proxy_url: Address,
        no_proxy: String,
        proxy_from_environment: bool,
        proxy_connect_header: BTreeMap<String, Vec<Hidden>>,
        http_headers: BTreeMap<String, Header>,
    }

    /// `basic_auth`.
    BasicAuth {
        username: String,
        username_file: String,
        username_ref: String,
        password: Hidden,
        password_file: String,
        password_ref: String,
    }

    /// `authorization`.
    Authorization {
        #[serde(rename = "type")]
        scheme: String,
        credentials: Hidden,
        credentials_file: String,
        credentials_ref: String,
    }

    /// `oauth2`.
    OAuth2 {
        client_id: String,
        client_secret: Hidden,
        client_secret_file: String,
        client_secret_ref: String,
        client_certificate_key_id: String,
        client_certificate_key: Hidden,
        client_certificate_key_file: String,
        client_certificate_key_ref: String,
        signature_algorithm: String,
        iss: String,
        audience: String,
        claims: BTreeMap<String, serde_json::Value>,
        grant_type: String,
        scopes: Vec<String>,
        token_url: String,
        endpoint_params: BTreeMap<String, String>,
        tls_config: Tls,
        proxy_url: Address,
        no_proxy: String,
        proxy_from_environment: bool,
        proxy_connect_header: BTreeMap<String, Vec<Hidden>>,
    }

    /// `tls_config`.
    Tls {
        ca: String,
        cert: String,
        key: Hidden,
        ca_file: String,
        cert_file: String,
        key_file: String,
        ca_ref: String,
        cert_ref: String,
        key_ref: String,
        server_name: String,
        insecure_skip_verify: bool,
        min_version: String,
        max_version: String,
    }

    /// The values of a header.
    Header {
        values: Vec<String>,
        secrets: Vec<Hidden>,
        files: Vec<String>,
    }
}
