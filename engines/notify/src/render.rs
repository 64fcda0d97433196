//! Notifications as each receiver wants them. Pure but for secrets in files; runs away from the runtime.

mod email;
mod pagerduty;
mod slack;
#[cfg(test)]
mod tests;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_alertmanager::config::{self as alertmanager, HttpClient, SecretSource};
use quarterdeck_templates::Value;
use quarterdeck_templates::notification::Templates;
use serde_json::Value as Json;
use url::Url;

use crate::config::Settings;
use crate::failure::Failure;
use crate::model::{Action, Attempt, Channel, Notification, Ring, moment};
use crate::{payload, secret};

pub(crate) use email::Mail;

/// The longest body of a request, in bytes.
const MAX_BODY: usize = 16 << 20;

/// How an answer is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// By its status.
    Status,
    /// By its status, and then by what Slack says in it.
    Slack,
    /// By its status; PagerDuty's first API answers 403 to those that ask too often.
    PagerDuty { first: bool },
}

/// A request to send.
pub(crate) struct Post {
    /// Where to; may be a secret.
    pub(crate) url: Url,
    pub(crate) http: Arc<HttpClient>,
    pub(crate) body: Vec<u8>,
    pub(crate) answer: Answer,
    /// The longest that it may take, if the configuration says.
    pub(crate) timeout: Option<Duration>,
}

/// A program to start.
pub(crate) struct Start {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) input: Vec<u8>,
}

/// What is ready to be sent.
pub(crate) enum Prepared {
    Post(Post),
    Mail(Box<Mail>),
    Start(Start),
    Line(String),
    Ring(Ring),
    /// Nothing is to be said.
    Nothing,
}

/// Renders texts with one notification's data.
pub(crate) struct Texts<'a> {
    templates: &'a Templates,
    data: Value,
    now: jiff::Timestamp,
}

impl<'a> Texts<'a> {
    pub(crate) fn new(templates: &'a Templates, notification: &Notification, now: jiff::Timestamp) -> Self {
        Self { templates, data: notification.data().value(), now }
    }

    /// Renders a field.
    pub(crate) fn text(&self, field: &str, template: &str) -> Result<String, Failure> {
        self.templates
            .text(template, &self.data, self.now)
            .map_err(|error| Failure::never(format!("the template of {field} fails: {error}")))
    }

    /// Renders a field as HTML.
    pub(crate) fn html(&self, field: &str, template: &str) -> Result<String, Failure> {
        self.templates
            .html(template, &self.data, self.now)
            .map_err(|error| Failure::never(format!("the template of {field} fails: {error}")))
    }

    /// Renders all texts in a JSON value, names of members included. A text that renders as JSON of another kind becomes
    /// that: `{{ len .Alerts }}` is a number.
    pub(crate) fn json(&self, field: &str, value: &Json) -> Result<Json, Failure> {
        Ok(match value {
            Json::String(template) => {
                let text = self.text(field, template)?;
                match serde_json::from_str(&text) {
                    Ok(Json::String(_)) | Err(_) => Json::String(text),
                    Ok(other) => other,
                }
            }
            Json::Array(items) => {
                Json::Array(items.iter().map(|item| self.json(field, item)).collect::<Result<_, _>>()?)
            }
            Json::Object(members) => {
                let mut out = serde_json::Map::new();
                for (name, value) in members {
                    out.insert(self.text(field, name)?, self.json(field, value)?);
                }
                Json::Object(out)
            }
            plain => plain.clone(),
        })
    }

    /// A secret that may be a template.
    fn secret(&self, field: &str, source: &SecretSource) -> Result<String, Failure> {
        let read = secret::read(source)?;
        // What is wrong is told without the secret.
        self.text(field, read.expose()).map_err(|_| Failure::never(format!("the template of {field} fails")))
    }

    /// A URL that may be secret and a template.
    fn url(&self, field: &str, source: &SecretSource) -> Result<Url, Failure> {
        let text = self.secret(field, source)?;
        match Url::parse(text.trim()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.host_str().is_some() => Ok(url),
            _ => Err(Failure::never(format!("{field} is not a URL of http or https"))),
        }
    }

    /// The data as Alertmanager's JSON.
    fn webhook(&self, group_key: &str, truncated: usize) -> String {
        payload::webhook(&self.data, group_key, truncated)
    }
}

/// Makes what is to be sent; `now` is the time that templates and mails tell.
pub(crate) fn prepare(
    attempt: &Attempt,
    settings: &Settings,
    now: quarterdeck_kernel::Timestamp,
) -> Result<Prepared, Failure> {
    let send_resolved = match &attempt.channel {
        Channel::Receiver(integration) => integration.send_resolved,
        Channel::Command(command) => command.send_resolved,
        Channel::LogFile(file) => file.send_resolved,
        Channel::Bell => true,
    };
    let Some(notification) = wanted(&attempt.notification, send_resolved) else {
        return Ok(Prepared::Nothing);
    };
    if attempt.action == Action::Acknowledge && !knows_acknowledgement(&attempt.channel) {
        return Ok(Prepared::Nothing);
    }
    let now = moment(now);
    let texts = |notification: &Notification| Texts::new(&attempt.templates, notification, now);
    let prepared = match &attempt.channel {
        Channel::Receiver(integration) => match &integration.settings {
            alertmanager::Settings::Webhook(webhook) => {
                Prepared::Post(webhook::prepare(webhook, &notification, texts)?)
            }
            alertmanager::Settings::Slack(slack) => {
                let receipt = attempt.receipt.as_deref();
                Prepared::Post(slack::prepare(slack, &texts(&notification), receipt)?)
            }
            alertmanager::Settings::PagerDuty(pagerduty) => Prepared::Post(pagerduty::prepare(
                pagerduty,
                &notification,
                &texts(&notification),
                attempt.action,
                settings,
            )?),
            alertmanager::Settings::Email(email) => Prepared::Mail(Box::new(email::prepare(
                email,
                attempt,
                &notification,
                &texts(&notification),
                now,
            )?)),
            alertmanager::Settings::NotDelivered => {
                let kind = integration.kind.as_str();
                return Err(Failure::never(format!("{kind} is not delivered by this version")));
            }
        },
        Channel::Command(command) => {
            Prepared::Start(start(command, attempt, &notification, &texts(&notification))?)
        }
        Channel::LogFile(_) => {
            let body = texts(&notification).webhook(&notification.group_key, 0);
            let duplicate = if attempt.possibly_duplicate { ",\"possiblyDuplicate\":true" } else { "" };
            // When and which attempt, before what Alertmanager's JSON has.
            let rest = body.strip_prefix('{').unwrap_or(&body);
            Prepared::Line(format!("{{\"at\":\"{now}\",\"attempt\":\"{}\"{duplicate},{rest}\n", attempt.id))
        }
        Channel::Bell => {
            let title = texts(&notification).text("the bell's title", "{{ template \"__subject\" . }}")?;
            let firing = notification.firing();
            Prepared::Ring(Ring {
                receiver: Arc::clone(&notification.receiver),
                title: title.trim().into(),
                firing,
            })
        }
    };
    match &prepared {
        Prepared::Post(post) if post.body.len() > MAX_BODY => {
            Err(Failure::never(format!("the message is longer than {MAX_BODY} bytes")))
        }
        _ => Ok(prepared),
    }
}

fn knows_acknowledgement(channel: &Channel) -> bool {
    let Channel::Receiver(integration) = channel else { return false };
    matches!(integration.settings, alertmanager::Settings::PagerDuty(_))
}

/// What a channel wants of a notification; none if that is nothing.
fn wanted(notification: &Arc<Notification>, send_resolved: bool) -> Option<Arc<Notification>> {
    let all = send_resolved || notification.alerts.iter().all(|alert| alert.ends_at.is_none());
    let kept = if all {
        Arc::clone(notification)
    } else {
        let mut fewer = Notification::clone(notification);
        fewer.alerts.retain(|alert| alert.ends_at.is_none());
        Arc::new(fewer)
    };
    (!kept.alerts.is_empty()).then_some(kept)
}

fn start(
    command: &crate::config::Command,
    attempt: &Attempt,
    notification: &Notification,
    texts: &Texts<'_>,
) -> Result<Start, Failure> {
    let arguments = command.arguments.iter().map(|argument| texts.text("arguments", argument));
    let mut environment: Vec<(String, String)> = [
        ("QUARTERDECK_ATTEMPT", attempt.id.to_string()),
        ("QUARTERDECK_RECEIVER", notification.receiver.to_string()),
        ("QUARTERDECK_STATUS", status(notification).to_owned()),
        ("QUARTERDECK_GROUP_KEY", notification.group_key.to_string()),
        ("QUARTERDECK_POSSIBLY_DUPLICATE", attempt.possibly_duplicate.to_string()),
        ("QUARTERDECK_SUBJECT", texts.text("the subject", "{{ template \"__subject\" . }}")?),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, template) in &command.environment {
        environment.push((name.clone(), texts.text(&format!("environment.{name}"), template)?));
    }
    Ok(Start {
        arguments: arguments.collect::<Result<_, _>>()?,
        environment,
        input: texts.webhook(&notification.group_key, 0).into_bytes(),
    })
}

/// `firing` or `resolved`.
pub(crate) fn status(notification: &Notification) -> &'static str {
    quarterdeck_templates::notification::status(notification.firing())
}

/// A text of at most so many characters, the last of them an ellipsis where it was cut.
pub(crate) fn cut(text: String, most: usize) -> String {
    if text.chars().count() <= most {
        return text;
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// A duration of the configuration, where zero is none.
pub(crate) fn some(timeout: Duration) -> Option<Duration> {
    (!timeout.is_zero()).then_some(timeout)
}
