//! PagerDuty: events of both its APIs.

use std::sync::Arc;

use quarterdeck_alertmanager::config::PagerDuty;
use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};

use super::{Answer, Post, Texts, cut, some};
use crate::config::Settings;
use crate::failure::Failure;
use crate::model::{Action, Notification};

/// The longest summary, in characters.
const MAX_SUMMARY: usize = 1024;

/// The longest event that PagerDuty takes, in bytes.
const MAX_EVENT: usize = 512_000;

/// The group's identity at PagerDuty: the SHA-256 of its key, in hexadecimal digits.
fn identity(group_key: &str) -> String {
    Sha256::digest(group_key.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the request.
pub(super) fn prepare(
    pagerduty: &PagerDuty,
    notification: &Notification,
    texts: &Texts<'_>,
    action: Action,
    settings: &Settings,
) -> Result<Post, Failure> {
    let event = match action {
        Action::Acknowledge => "acknowledge",
        Action::Notify if notification.firing() => "trigger",
        Action::Notify => "resolve",
    };
    let mut details = Map::new();
    for (name, value) in &pagerduty.details {
        details.insert(name.clone(), texts.json(&format!("details.{name}"), value)?);
    }
    let identity = identity(&notification.group_key);
    let description = cut(texts.text("description", &pagerduty.description)?, MAX_SUMMARY);
    let client = texts.text("client", &pagerduty.client)?;
    let client_url = texts.text("client_url", &pagerduty.client_url)?;
    let (url, first, message, where_details) = if let Some(key) = &pagerduty.service_key {
        let mut message = Map::new();
        message.insert("service_key".to_owned(), texts.secret("service_key", key)?.into());
        message.insert("incident_key".to_owned(), identity.into());
        message.insert("event_type".to_owned(), event.into());
        message.insert("description".to_owned(), description.into());
        if event == "trigger" {
            filled(&mut message, "client", client);
            filled(&mut message, "client_url", client_url);
        }
        message.insert("details".to_owned(), Json::Object(details));
        (settings.pagerduty_v1.clone(), true, message, "/details")
    } else {
        let Some(key) = &pagerduty.routing_key else {
            return Err(Failure::never("there is neither a routing_key nor a service_key"));
        };
        let mut message = Map::new();
        message.insert("routing_key".to_owned(), texts.secret("routing_key", key)?.into());
        message.insert("dedup_key".to_owned(), identity.into());
        message.insert("event_action".to_owned(), event.into());
        filled(&mut message, "client", client);
        filled(&mut message, "client_url", client_url);
        message.insert("payload".to_owned(), Json::Object(body(pagerduty, texts, description, details)?));
        let mut images = Vec::new();
        for image in &pagerduty.images {
            images.push(json!({
                "src": texts.text("images.src", &image.src)?,
                "alt": texts.text("images.alt", &image.alt)?,
                "href": texts.text("images.href", &image.href)?,
            }));
        }
        let mut links = Vec::new();
        for link in &pagerduty.links {
            links.push(json!({
                "href": texts.text("links.href", &link.href)?,
                "text": texts.text("links.text", &link.text)?,
            }));
        }
        for (name, list) in [("images", images), ("links", links)] {
            if !list.is_empty() {
                message.insert(name.to_owned(), Json::Array(list));
            }
        }
        (pagerduty.url.clone(), false, message, "/payload/custom_details")
    };
    Ok(Post {
        url,
        http: Arc::clone(&pagerduty.http),
        body: fitting(Json::Object(message), where_details),
        answer: Answer::PagerDuty { first },
        timeout: some(pagerduty.timeout),
    })
}

fn body(
    pagerduty: &PagerDuty,
    texts: &Texts<'_>,
    summary: String,
    details: Map<String, Json>,
) -> Result<Map<String, Json>, Failure> {
    let severity = texts.text("severity", &pagerduty.severity)?;
    let mut source = texts.text("source", &pagerduty.source)?;
    if source.is_empty() {
        source = texts.text("client", &pagerduty.client)?;
    }
    let mut payload = Map::new();
    payload.insert("summary".to_owned(), summary.into());
    payload.insert("source".to_owned(), source.into());
    payload.insert("severity".to_owned(), if severity.is_empty() { "error".into() } else { severity.into() });
    filled(&mut payload, "class", texts.text("class", &pagerduty.class)?);
    filled(&mut payload, "component", texts.text("component", &pagerduty.component)?);
    filled(&mut payload, "group", texts.text("group", &pagerduty.group)?);
    payload.insert("custom_details".to_owned(), Json::Object(details));
    Ok(payload)
}

fn filled(map: &mut Map<String, Json>, name: &str, text: String) {
    if !text.is_empty() {
        map.insert(name.to_owned(), text.into());
    }
}

/// The event as bytes; its details are left out where it would be too long for PagerDuty.
fn fitting(mut event: Json, where_details: &str) -> Vec<u8> {
    let whole = event.to_string();
    if whole.len() <= MAX_EVENT {
        return whole.into_bytes();
    }
    if let Some(details) = event.pointer_mut(where_details) {
        *details = json!({ "left_out": "the details are longer than PagerDuty takes (512 kB)" });
    }
    event.to_string().into_bytes()
}
