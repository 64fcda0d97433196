//! The receivers that are delivered: from what is written to what is meant, with what they inherit.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_kernel::Secret;
use quarterdeck_yaml::{Location, Spanned};

use super::address::{hidden, parse_url};
use super::global::Global;
use super::http::{self, Authorization, HttpClient};
use super::place::{Check, filled, list, place, text, value};
use super::raw::{self, Placed};
use super::receiver::{
    Email, PagerDuty, PagerDutyImage, PagerDutyLink, SecretSource, Settings, Slack, SlackAction,
    SlackConfirmation, SlackField, Webhook,
};

/// A text, or what stands in its place when it is not there. One that is there but empty is empty.
fn or(setting: &Placed<String>, default: &str) -> String {
    setting.as_ref().map_or(default, |setting| setting.value.as_str()).to_owned()
}

/// A text, or the inherited one when it is not there or empty.
fn or_inherited(setting: &Placed<String>, inherited: &str) -> String {
    if filled(setting).is_some() { text(setting).to_owned() } else { inherited.to_owned() }
}

/// The settings of an HTTP client, or the inherited ones.
pub(super) fn client(check: &mut Check<'_>, setting: &Placed<raw::Http>, global: &Global) -> Arc<HttpClient> {
    match setting {
        Some(raw) => Arc::new(http::read(check, &raw.value)),
        None => Arc::clone(&global.http),
    }
}

/// `webhook_configs`; None when what it needs is not there.
pub(super) fn webhook(
    check: &mut Check<'_>,
    raw: &raw::Webhook,
    whole: Location,
    global: &Global,
) -> Option<Settings> {
    if let Some(setting) = &raw.url {
        let url = setting.value.0.expose();
        let open = url.contains("{{");
        if open && !url.split_once("{{").is_some_and(|(_, rest)| rest.contains("}}")) {
            check.refuse(setting.referenced, "invalid template syntax: unclosed action", "close it with }}");
        } else if !open
            && !url.is_empty()
            && url != "<secret>"
            && let Err(why) = parse_url(url)
        {
            check.refuse(
                setting.referenced,
                format!("invalid URL: {why}"),
                "write http:// or https:// and a host",
            );
        }
    }
    let url = check.secret(("url", &raw.url), ("url_file", &raw.url_file));
    if url.is_none() {
        check.refuse(whole, "one of url or url_file must be configured", "add url");
    }
    let http = client(check, &raw.http_config, global);
    let timeout = check.go_duration(&raw.timeout).unwrap_or_default();
    Some(Settings::Webhook(Webhook {
        url: url?,
        http,
        max_alerts: value(&raw.max_alerts, 0),
        timeout,
        payload: raw
            .payload
            .as_ref()
            .map(|payload| payload.value.clone())
            .filter(|payload| !payload.is_null()),
    }))
}

/// `email_configs`; None when what it needs is not there.
pub(super) fn email(
    check: &mut Check<'_>,
    raw: &raw::Email,
    whole: Location,
    global: &Global,
) -> Option<Settings> {
    let smtp = &global.smtp;
    if filled(&raw.to).is_none() {
        check.refuse(whole, "missing to address in email config", "add to");
    }
    let smarthost = match filled(&raw.smarthost) {
        Some(_) => check.host_port(&raw.smarthost),
        None => {
            if smtp.smarthost.is_none() {
                check.refuse(
                    whole,
                    "no global SMTP smarthost set",
                    "add smarthost here or smtp_smarthost to global",
                );
            }
            smtp.smarthost.clone()
        }
    };
    let from = or_inherited(&raw.from, &smtp.from);
    if from.is_empty() {
        check.refuse(whole, "no global SMTP from set", "add from here or smtp_from to global");
    }
    let to = text(&raw.to).to_owned();
    let mut headers = canonical_headers(check, &raw.headers);
    let threading = threading(check, &raw.threading, &headers);
    for (name, default) in [
        ("Subject", "{{ template \"email.default.subject\" . }}"),
        ("To", to.as_str()),
        ("From", from.as_str()),
    ] {
        headers.entry(name.to_owned()).or_insert_with(|| default.to_owned());
    }
    let password = check
        .secret(("auth_password", &raw.auth_password), ("auth_password_file", &raw.auth_password_file))
        .or_else(|| smtp.auth_password.clone());
    let secret = check
        .secret(("auth_secret", &raw.auth_secret), ("auth_secret_file", &raw.auth_secret_file))
        .or_else(|| smtp.auth_secret.clone());
    let tls = raw.tls_config.as_ref().map(|raw| http::tls(check, &raw.value, raw.referenced));
    let (host, port) = smarthost?;
    Some(Settings::Email(Email {
        to,
        from,
        hello: or_inherited(&raw.hello, &smtp.hello),
        host,
        port,
        auth_username: or_inherited(&raw.auth_username, &smtp.auth_username),
        auth_password: password,
        auth_secret: secret,
        auth_identity: or_inherited(&raw.auth_identity, &smtp.auth_identity),
        headers,
        html: or(&raw.html, "{{ template \"email.default.html\" . }}"),
        text: or(&raw.text, ""),
        require_tls: value(&raw.require_tls, smtp.require_tls),
        force_implicit_tls: raw.force_implicit_tls.as_ref().map(|s| s.value).or(smtp.force_implicit_tls),
        tls: tls.unwrap_or_else(|| smtp.tls.clone()),
        threading,
    }))
}

fn canonical_headers(check: &mut Check<'_>, raw: &Placed<raw::Texts>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    for (name, value) in raw.iter().flat_map(|headers| &headers.value) {
        let canonical = canonical(name);
        if headers.contains_key(&canonical) {
            let place = place(value).or(self::place(raw)).unwrap_or(Location::UNKNOWN);
            let what = format!("duplicate header {canonical:?} in email config");
            check.refuse(place, what, "names of headers do not differ by case: remove one of them");
        }
        headers.insert(canonical, text(value).to_owned());
    }
    headers
}

/// A header's name as it is usually written: a capital at the start and behind each hyphen. Names with signs that
/// no header has are left alone.
fn canonical(name: &str) -> String {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !name.chars().all(token) {
        return name.to_owned();
    }
    let mut start = true;
    let cased = name.chars().map(|c| {
        let c = if start { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() };
        start = c == '-';
        c
    });
    cased.collect()
}

fn threading(
    check: &mut Check<'_>,
    raw: &Placed<raw::Threading>,
    headers: &BTreeMap<String, String>,
) -> Option<String> {
    let raw = raw.as_ref().filter(|raw| value(&raw.value.enabled, false))?;
    for name in ["References", "In-Reply-To"] {
        if headers.contains_key(name) {
            let what =
                format!("conflicting configuration: threading.enabled conflicts with custom {name} header");
            check.refuse(raw.referenced, what, "remove the header");
        }
    }
    let by = text(&raw.value.thread_by_date);
    if by != "none" && by != "daily" {
        let place = place(&raw.value.thread_by_date).unwrap_or(raw.referenced);
        check.refuse(
            place,
            "threading.thread_by_date must be either 'none' or 'daily'",
            "write none or daily",
        );
    }
    Some(by.to_owned())
}

/// `pagerduty_configs`; None when what it needs is not there.
pub(super) fn pagerduty(
    check: &mut Check<'_>,
    raw: &raw::PagerDuty,
    whole: Location,
    global: &Global,
) -> Option<Settings> {
    let service_key =
        check.secret(("service_key", &raw.service_key), ("service_key_file", &raw.service_key_file));
    let routing_key =
        check.secret(("routing_key", &raw.routing_key), ("routing_key_file", &raw.routing_key_file));
    if service_key.is_none() && routing_key.is_none() {
        check.refuse(whole, "missing service or routing key in PagerDuty config", "add routing_key");
    }
    let mut details = raw.details.as_ref().map(|details| details.value.clone()).unwrap_or_default();
    for (name, template) in [
        ("firing", "{{ .Alerts.Firing | toJson }}"),
        ("resolved", "{{ .Alerts.Resolved | toJson }}"),
        ("num_firing", "{{ .Alerts.Firing | len }}"),
        ("num_resolved", "{{ .Alerts.Resolved | len }}"),
    ] {
        details.entry(name.to_owned()).or_insert_with(|| template.into());
    }
    let client_name = or(&raw.client, "{{ template \"pagerduty.default.client\" . }}");
    let images = list(&raw.images).iter().map(|image| PagerDutyImage {
        src: text(&image.src).to_owned(),
        alt: text(&image.alt).to_owned(),
        href: text(&image.href).to_owned(),
    });
    let links = list(&raw.links)
        .iter()
        .map(|link| PagerDutyLink { href: text(&link.href).to_owned(), text: text(&link.text).to_owned() });
    Some(Settings::PagerDuty(PagerDuty {
        http: client(check, &raw.http_config, global),
        service_key,
        routing_key,
        url: check.url(&raw.url).unwrap_or_else(|| global.pagerduty_url.clone()),
        client_url: or(&raw.client_url, "{{ template \"pagerduty.default.clientURL\" . }}"),
        description: or(&raw.description, "{{ template \"pagerduty.default.description\" .}}"),
        details,
        images: images.collect(),
        links: links.collect(),
        source: or_inherited(&raw.source, &client_name),
        client: client_name,
        severity: or(&raw.severity, ""),
        class: or(&raw.class, ""),
        component: or(&raw.component, ""),
        group: or(&raw.group, ""),
        timeout: check.go_duration(&raw.timeout).unwrap_or_default(),
    }))
}

/// `slack_configs`; None when what it needs is not there.
pub(super) fn slack(
    check: &mut Check<'_>,
    raw: &raw::Slack,
    whole: Location,
    global: &Global,
) -> Option<Settings> {
    let (http, api_url) = slack_way(check, raw, whole, global)?;
    let fields = list(&raw.fields).iter().map(|field| slack_field(check, field)).collect();
    let actions = list(&raw.actions).iter().map(|action| slack_action(check, action)).collect();
    let template = |setting: &Placed<String>, name: &str| {
        or(setting, &format!("{{{{ template \"slack.default.{name}\" . }}}}"))
    };
    Some(Settings::Slack(Slack {
        http,
        api_url,
        channel: or(&raw.channel, ""),
        username: template(&raw.username, "username"),
        color: or(&raw.color, "{{ if eq .Status \"firing\" }}danger{{ else }}good{{ end }}"),
        title: template(&raw.title, "title"),
        title_link: template(&raw.title_link, "titlelink"),
        pretext: template(&raw.pretext, "pretext"),
        text: template(&raw.text, "text"),
        message_text: or(&raw.message_text, ""),
        fields,
        short_fields: value(&raw.short_fields, false),
        footer: template(&raw.footer, "footer"),
        fallback: template(&raw.fallback, "fallback"),
        callback_id: template(&raw.callback_id, "callbackid"),
        icon_emoji: template(&raw.icon_emoji, "iconemoji"),
        icon_url: template(&raw.icon_url, "iconurl"),
        image_url: or(&raw.image_url, ""),
        thumb_url: or(&raw.thumb_url, ""),
        link_names: value(&raw.link_names, false),
        mrkdwn_in: raw.mrkdwn_in.as_ref().map(|names| names.value.clone()).unwrap_or_default(),
        actions,
        timeout: check.go_duration(&raw.timeout).unwrap_or_default(),
        update_message: value(&raw.update_message, false),
    }))
}

/// Where a Slack message goes and with what token: a webhook, or an app's URL with the app's token.
fn slack_way(
    check: &mut Check<'_>,
    raw: &raw::Slack,
    whole: Location,
    global: &Global,
) -> Option<(Arc<HttpClient>, SecretSource)> {
    let own_url = check.secret_url(("api_url", &raw.api_url), ("api_url_file", &raw.api_url_file));
    let own_token = check.secret(("app_token", &raw.app_token), ("app_token_file", &raw.app_token_file));
    if own_url.is_some()
        && let Some(place) = hidden(&raw.app_token).or(filled(&raw.app_token_file))
    {
        let what = "at most one of api_url/api_url_file & app_token/app_token_file must be configured";
        check.refuse(place, what, "remove one of them");
    }
    let app_url = check.url(&raw.app_url).unwrap_or_else(|| global.slack_app_url.clone());
    let http = client(check, &raw.http_config, global);
    let own_authorization = raw.http_config.is_some() && http.authorization.is_some();
    let has_webhook = matches!(own_url, Some(SecretSource::Inline(_)));
    let token = match own_token {
        Some(token) => Some(token),
        None if own_authorization || has_webhook => None,
        None => global.slack_app_token.clone(),
    };
    let bot =
        |url: &SecretSource| matches!(url, SecretSource::Inline(url) if url.expose() == app_url.as_str());
    let url = own_url.or_else(|| global.slack_api_url.clone());
    if let Some(update) = raw.update_message.as_ref().filter(|update| update.value)
        && token.is_none()
        && !url.as_ref().is_some_and(bot)
    {
        let what =
            format!("update_message can only be used with bot tokens. api_url must be set to {app_url}");
        check.refuse(update.referenced, what, "a webhook cannot change messages: use app_token");
    }
    let Some(token) = token else {
        if url.is_none() {
            let what = "no Slack API URL nor App token set either inline or in a file";
            check.refuse(whole, what, "add api_url here or slack_api_url to global");
        }
        return url.map(|url| (http, url));
    };
    if http.authorization.is_some() {
        let place = place(&raw.http_config).unwrap_or(whole);
        check.refuse(
            place,
            "http authorization can't be set when using Slack App tokens",
            "remove authorization",
        );
    }
    let authorization = Some(Authorization { scheme: "Bearer".to_owned(), credentials: token });
    let http = HttpClient { authorization, ..HttpClient::clone(&http) };
    Some((Arc::new(http), SecretSource::Inline(Secret::new(app_url.as_str()))))
}

fn slack_field(check: &mut Check<'_>, raw: &Spanned<raw::AttachmentField>) -> SlackField {
    attachment_field(check, raw, "Slack");
    SlackField {
        title: text(&raw.value.title).to_owned(),
        value: text(&raw.value.value).to_owned(),
        short: raw.value.short.as_ref().map(|short| short.value),
    }
}

/// That a field of an attachment has a title and a value.
pub(super) fn attachment_field(check: &mut Check<'_>, raw: &Spanned<raw::AttachmentField>, whose: &str) {
    for (name, setting) in [("title", &raw.value.title), ("value", &raw.value.value)] {
        if filled(setting).is_none() {
            let what = format!("missing {name} in {whose} field configuration");
            check.refuse(raw.referenced, what, format!("add {name}"));
        }
    }
}

fn slack_action(check: &mut Check<'_>, raw: &Spanned<raw::SlackAction>) -> SlackAction {
    let (whole, raw) = (raw.referenced, &raw.value);
    for (name, setting) in [("type", &raw.kind), ("text", &raw.text)] {
        if filled(setting).is_none() {
            let what = format!("missing {name} in Slack action configuration");
            check.refuse(whole, what, format!("add {name}"));
        }
    }
    let link = filled(&raw.url).is_some();
    if !link && filled(&raw.name).is_none() {
        check.refuse(whole, "missing name or url in Slack action configuration", "add url or name");
    }
    let confirm = raw.confirm.as_ref().map(|confirm| {
        if filled(&confirm.value.text).is_none() {
            check.refuse(confirm.referenced, "missing text in Slack confirmation configuration", "add text");
        }
        SlackConfirmation {
            text: text(&confirm.value.text).to_owned(),
            title: text(&confirm.value.title).to_owned(),
            ok_text: text(&confirm.value.ok_text).to_owned(),
            dismiss_text: text(&confirm.value.dismiss_text).to_owned(),
        }
    });
    // A link has nothing of what a button sends.
    let unless_link = |setting: &Placed<String>| if link { String::new() } else { text(setting).to_owned() };
    SlackAction {
        kind: text(&raw.kind).to_owned(),
        text: text(&raw.text).to_owned(),
        url: text(&raw.url).to_owned(),
        style: text(&raw.style).to_owned(),
        name: unless_link(&raw.name),
        value: unless_link(&raw.value),
        confirm: confirm.filter(|_| !link),
    }
}
