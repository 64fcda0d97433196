//! The receivers that this version does not deliver: parsed and checked as Alertmanager does, so that a file that it
//! refuses is refused here too.

use quarterdeck_yaml::Location;
use serde_json::Value;

use super::address::hidden;
use super::deliver::{attachment_field, client};
use super::global::Global;
use super::place::{Check, filled, list, place, text, value};
use super::raw::{self, Hidden, Placed};

pub(super) fn opsgenie(check: &mut Check<'_>, raw: &raw::OpsGenie, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let _ = check.url(&raw.api_url);
    let key = check.secret(("api_key", &raw.api_key), ("api_key_file", &raw.api_key_file));
    if key.is_none() && global.opsgenie_api_key.is_none() {
        let what = "no global OpsGenie API Key set either inline or in a file";
        check.refuse(whole, what, "add api_key here or opsgenie_api_key to global");
    }
    for responder in list(&raw.responders) {
        let (place, responder) = (responder.referenced, &responder.value);
        let named =
            [&responder.id, &responder.name, &responder.username].into_iter().any(|s| filled(s).is_some());
        if !named {
            let what = "opsGenieConfig responder has to have at least one of id, username or name specified";
            check.refuse(place, what, "add name");
        }
        let kind = text(&responder.kind);
        let known = ["team", "teams", "user", "escalation", "schedule"];
        if !kind.contains("{{") && !known.contains(&kind.to_lowercase().as_str()) {
            let what = format!("opsGenieConfig responder type {kind:?} does not match valid options");
            let place = self::place(&responder.kind).unwrap_or(place);
            check.refuse(place, what, "write team, teams, user, escalation or schedule");
        }
    }
}

pub(super) fn wechat(check: &mut Check<'_>, raw: &raw::WeChat, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let _ = check.url(&raw.api_url);
    let kind = text(&raw.message_type);
    if !["", "text", "markdown"].contains(&kind) {
        let what = format!("weChat message type {kind:?} does not match valid options");
        check.refuse(place(&raw.message_type).unwrap_or(whole), what, "write text or markdown");
    }
    let secret = check.secret(("api_secret", &raw.api_secret), ("api_secret_file", &raw.api_secret_file));
    if secret.is_none() && global.wechat_api_secret.is_none() {
        let what = "no global Wechat Api Secret set either inline or in a file";
        check.refuse(whole, what, "add api_secret here or wechat_api_secret to global");
    }
    if filled(&raw.corp_id).is_none() && global.wechat_corp_id.is_empty() {
        check.refuse(
            whole,
            "no global Wechat CorpID set",
            "add corp_id here or wechat_api_corp_id to global",
        );
    }
}

pub(super) fn victorops(check: &mut Check<'_>, raw: &raw::VictorOps, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let _ = check.url(&raw.api_url);
    if filled(&raw.routing_key).is_none() {
        check.refuse(whole, "missing Routing key in VictorOps config", "add routing_key");
    }
    let key = check.secret(("api_key", &raw.api_key), ("api_key_file", &raw.api_key_file));
    if key.is_none() && global.victorops_api_key.is_none() {
        let what = "no global VictorOps API Key set";
        check.refuse(whole, what, "add api_key here or victorops_api_key to global");
    }
    let reserved = [
        "routing_key",
        "message_type",
        "state_message",
        "entity_display_name",
        "monitoring_tool",
        "entity_id",
        "entity_state",
    ];
    let Some(fields) = &raw.custom_fields else { return };
    for name in reserved.into_iter().filter(|name| fields.value.contains_key(*name)) {
        let what = format!(
            "victorOps config contains custom field {name} which cannot be used as it conflicts with the fixed/static fields"
        );
        check.refuse(fields.referenced, what, "rename it");
    }
}

pub(super) fn pushover(check: &mut Check<'_>, raw: &raw::Pushover, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let user = check.secret(("user_key", &raw.user_key), ("user_key_file", &raw.user_key_file));
    if user.is_none() {
        check.refuse(whole, "one of user_key or user_key_file must be configured", "add user_key");
    }
    let token = check.secret(("token", &raw.token), ("token_file", &raw.token_file));
    if token.is_none() {
        check.refuse(whole, "one of token or token_file must be configured", "add token");
    }
    if value(&raw.html, false)
        && let Some(monospace) = raw.monospace.as_ref().filter(|monospace| monospace.value)
    {
        check.refuse(
            monospace.referenced,
            "at most one of monospace & html must be configured",
            "remove one of them",
        );
    }
    for setting in [&raw.retry, &raw.expire, &raw.ttl] {
        let _ = check.go_duration(setting);
    }
}

pub(super) fn sns(check: &mut Check<'_>, raw: &raw::Sns, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let given = [&raw.target_arn, &raw.topic_arn, &raw.phone_number]
        .into_iter()
        .filter(|s| filled(s).is_some())
        .count();
    // All three are lawful in the original; two are not.
    if given == 0 || given == 2 {
        let what = "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config";
        check.refuse(whole, what, "keep one of target_arn, topic_arn and phone_number");
    }
    if let Some(sigv4) = &raw.sigv4
        && filled(&sigv4.value.access_key).is_some() != hidden(&sigv4.value.secret_key).is_some()
    {
        let what = "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config";
        check.refuse(sigv4.referenced, what, "add the other");
    }
}

pub(super) fn telegram(check: &mut Check<'_>, raw: &raw::Telegram, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let _ = check.url(&raw.api_url);
    let token = check.secret(("bot_token", &raw.bot_token), ("bot_token_file", &raw.bot_token_file));
    if token.is_none() && global.telegram_bot_token.is_none() {
        let what = "missing bot_token or bot_token_file on telegram_config";
        check.refuse(whole, what, "add bot_token here or telegram_bot_token to global");
    }
    let chat = raw.chat_id.as_ref().filter(|chat| chat.value != 0).map(|chat| chat.referenced);
    let file = filled(&raw.chat_id_file);
    if chat.is_none() && file.is_none() {
        check.refuse(whole, "missing chat_id or chat_id_file on telegram_config", "add chat_id");
    }
    check.not_both(("chat_id", chat), ("chat_id_file", file));
    let mode = text(&raw.parse_mode);
    if !["", "Markdown", "MarkdownV2", "HTML"].contains(&mode) {
        let what =
            "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string";
        check.refuse(place(&raw.parse_mode).unwrap_or(whole), what, format!("found {mode:?}"));
    }
}

/// The webhook that Discord and both kinds of Teams need.
fn needed_webhook(check: &mut Check<'_>, url: &Placed<Hidden>, file: &Placed<String>, whole: Location) {
    let found = check.secret_url(("webhook_url", url), ("webhook_url_file", file));
    if found.is_none() {
        check.refuse(whole, "one of webhook_url or webhook_url_file must be configured", "add webhook_url");
    }
}

pub(super) fn discord(check: &mut Check<'_>, raw: &raw::Discord, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    needed_webhook(check, &raw.webhook_url, &raw.webhook_url_file, whole);
}

pub(super) fn msteams(check: &mut Check<'_>, raw: &raw::MsTeams, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    needed_webhook(check, &raw.webhook_url, &raw.webhook_url_file, whole);
}

pub(super) fn msteams_v2(check: &mut Check<'_>, raw: &raw::MsTeamsV2, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    needed_webhook(check, &raw.webhook_url, &raw.webhook_url_file, whole);
}

pub(super) fn webex(check: &mut Check<'_>, raw: &raw::Webex, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let _ = check.url(&raw.api_url);
    if filled(&raw.room_id).is_none() {
        check.refuse(whole, "missing room_id on webex_config", "add room_id");
    }
    let authorized = raw.http_config.as_ref().is_some_and(|http| http.value.authorization.is_some());
    if !authorized {
        let what = "missing webex_configs.http_config.authorization";
        check.refuse(
            place(&raw.http_config).unwrap_or(whole),
            what,
            "add it with the bot's token as credentials",
        );
    }
}

pub(super) fn jira(check: &mut Check<'_>, raw: &raw::Jira, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    if check.url(&raw.api_url).is_none() && raw.api_url.is_none() && global.jira_api_url.is_none() {
        check.refuse(whole, "no global Jira Cloud URL set", "add api_url here or jira_api_url to global");
    }
    for (name, setting) in [("project", &raw.project), ("issue_type", &raw.issue_type)] {
        if filled(setting).is_none() {
            check.refuse(whole, format!("missing {name} in jira_config"), format!("add {name}"));
        }
    }
    let kind = raw.api_type.as_ref().map_or("auto", |kind| kind.value.as_str());
    if !["auto", "cloud", "datacenter"].contains(&kind) {
        let what = "unknown api_type on jira_config, must be auto, cloud or datacenter";
        check.refuse(place(&raw.api_type).unwrap_or(whole), what, format!("found {kind:?}"));
    }
    let _ = check.duration(&raw.reopen_duration);
    jira_part(check, &raw.summary, "template");
    jira_part(check, &raw.description, "template");
    jira_part(check, &raw.labels, "values");
}

/// A text or list, or a mapping with that under a name and `enable_update`.
fn jira_part(check: &mut Check<'_>, setting: &Placed<Value>, name: &str) {
    let Some(setting) = setting else { return };
    let lawful = match (&setting.value, name) {
        (Value::Object(fields), _) => fields.iter().all(|(field, value)| match field.as_str() {
            "enable_update" => value.is_boolean(),
            field => field == name && (value.is_array() == (name == "values")),
        }),
        (Value::Array(_), "values") => true,
        (Value::Array(_), _) => false,
        (_, kind) => kind == "template" || setting.value.is_null(),
    };
    if !lawful {
        let plain = if name == "values" { "a list" } else { "a text" };
        let advice = format!("write {plain}, or a mapping with {name} and enable_update");
        check.refuse(setting.referenced, "this cannot be read", advice);
    }
}

pub(super) fn rocketchat(check: &mut Check<'_>, raw: &raw::RocketChat, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let _ = check.url(&raw.api_url);
    // These are there when they are written, even if they are empty.
    check.not_both(("token", place(&raw.token)), ("token_file", filled(&raw.token_file)));
    check.not_both(("token_id", place(&raw.token_id)), ("token_id_file", filled(&raw.token_id_file)));
    let missing = |own: &Placed<Hidden>, file: &Placed<String>, inherited: bool| {
        own.is_none() && filled(file).is_none() && !inherited
    };
    if missing(&raw.token_id, &raw.token_id_file, global.rocketchat_token_id.is_some()) {
        let what = "no global Rocketchat TokenID set either inline or in a file";
        check.refuse(whole, what, "add token_id here or rocketchat_token_id to global");
    }
    if missing(&raw.token, &raw.token_file, global.rocketchat_token.is_some()) {
        let what = "no global Rocketchat Token set either inline or in a file";
        check.refuse(whole, what, "add token here or rocketchat_token to global");
    }
}

pub(super) fn incidentio(check: &mut Check<'_>, raw: &raw::IncidentIo, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let _ = check.url(&raw.url);
    let file = filled(&raw.url_file);
    if raw.url.is_none() && file.is_none() {
        check.refuse(whole, "one of url or url_file must be configured", "add url");
    }
    check.not_both(("url", place(&raw.url)), ("url_file", file));
    let token = check.secret(
        ("alert_source_token", &raw.alert_source_token),
        ("alert_source_token_file", &raw.alert_source_token_file),
    );
    if let Some(http) = &raw.http_config {
        match (&http.value.authorization, token) {
            (Some(_), Some(_)) => {
                let what = "cannot specify alert_source_token or alert_source_token_file when using http_config.authorization";
                check.refuse(http.referenced, what, "remove one of them");
            }
            (None, None) => {
                let what = "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be configured";
                check.refuse(whole, what, "add alert_source_token");
            }
            _ => {}
        }
    }
    let _ = check.go_duration(&raw.timeout);
}

pub(super) fn mattermost(check: &mut Check<'_>, raw: &raw::Mattermost, whole: Location, global: &Global) {
    client(check, &raw.http_config, global);
    let url =
        check.secret_url(("webhook_url", &raw.webhook_url), ("webhook_url_file", &raw.webhook_url_file));
    if url.is_none() && global.mattermost_webhook_url.is_none() {
        let what = "missing webhook_url or webhook_url_file on mattermost_config";
        check.refuse(whole, what, "add webhook_url here or mattermost_webhook_url to global");
    }
    let attached = list(&raw.attachments).iter().flat_map(|attachment| list(&attachment.fields));
    for field in list(&raw.fields).iter().chain(attached) {
        attachment_field(check, field, "Mattermost");
    }
}
