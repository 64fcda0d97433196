//! Slack: one attachment.

use std::sync::Arc;

use quarterdeck_alertmanager::config::{Slack, SlackAction};
use serde_json::{Map, Value as Json, json};
use url::Url;

use super::{Answer, Post, Texts, cut, some};
use crate::failure::Failure;

/// The longest title, in characters.
const MAX_TITLE: usize = 1024;

/// Where a message that was sent before is changed.
const UPDATE: &str = "/api/chat.update";

/// Makes the request; `receipt` is what Slack said of the group's first message.
pub(super) fn prepare(settings: &Slack, texts: &Texts<'_>, receipt: Option<&str>) -> Result<Post, Failure> {
    let markdown = if settings.mrkdwn_in.is_empty() {
        json!(["fallback", "pretext", "text"])
    } else {
        json!(settings.mrkdwn_in)
    };
    let mut attachment = Map::new();
    let mut add = |name: &str, text: String, always: bool| {
        if always || !text.is_empty() {
            attachment.insert(name.to_owned(), Json::String(text));
        }
    };
    add("title", cut(texts.text("title", &settings.title)?, MAX_TITLE), false);
    add("title_link", texts.text("title_link", &settings.title_link)?, false);
    add("pretext", texts.text("pretext", &settings.pretext)?, false);
    add("text", texts.text("text", &settings.text)?, true);
    add("fallback", texts.text("fallback", &settings.fallback)?, true);
    add("callback_id", texts.text("callback_id", &settings.callback_id)?, true);
    add("image_url", texts.text("image_url", &settings.image_url)?, false);
    add("thumb_url", texts.text("thumb_url", &settings.thumb_url)?, false);
    add("footer", texts.text("footer", &settings.footer)?, true);
    add("color", texts.text("color", &settings.color)?, false);
    if !settings.fields.is_empty() {
        let mut fields = Vec::new();
        for field in &settings.fields {
            fields.push(json!({
                "title": texts.text("fields.title", &field.title)?,
                "value": texts.text("fields.value", &field.value)?,
                "short": field.short.unwrap_or(settings.short_fields),
            }));
        }
        attachment.insert("fields".to_owned(), Json::Array(fields));
    }
    if !settings.actions.is_empty() {
        let actions: Result<Vec<Json>, Failure> = settings.actions.iter().map(|a| action(a, texts)).collect();
        attachment.insert("actions".to_owned(), Json::Array(actions?));
    }
    attachment.insert("mrkdwn_in".to_owned(), markdown);

    let mut url = texts.url("api_url", &settings.api_url)?;
    let mut message = Map::new();
    let mut channel = texts.text("channel", &settings.channel)?;
    let sent = receipt.filter(|_| settings.update_message).and_then(|r| r.split_once('/'));
    if let Some((known, timestamp)) = sent {
        url = update_url(&url)?;
        known.clone_into(&mut channel);
        message.insert("ts".to_owned(), timestamp.into());
    }
    for (name, text) in [
        ("channel", channel),
        ("username", texts.text("username", &settings.username)?),
        ("icon_emoji", texts.text("icon_emoji", &settings.icon_emoji)?),
        ("icon_url", texts.text("icon_url", &settings.icon_url)?),
        ("text", texts.text("message_text", &settings.message_text)?),
    ] {
        if !text.is_empty() {
            message.insert(name.to_owned(), Json::String(text));
        }
    }
    if settings.link_names {
        message.insert("link_names".to_owned(), Json::Bool(true));
    }
    message.insert("attachments".to_owned(), Json::Array(vec![Json::Object(attachment)]));
    Ok(Post {
        url,
        http: Arc::clone(&settings.http),
        body: Json::Object(message).to_string().into_bytes(),
        answer: Answer::Slack,
        timeout: some(settings.timeout),
    })
}

/// The same server's call that changes a message.
fn update_url(posted_to: &Url) -> Result<Url, Failure> {
    posted_to.join(UPDATE).map_err(|_| Failure::never("api_url is not a URL"))
}

fn action(action: &SlackAction, texts: &Texts<'_>) -> Result<Json, Failure> {
    let mut out = Map::new();
    for (name, template) in [
        ("type", &action.kind),
        ("text", &action.text),
        ("url", &action.url),
        ("style", &action.style),
        ("name", &action.name),
        ("value", &action.value),
    ] {
        let text = texts.text("actions", template)?;
        if !text.is_empty() {
            out.insert(name.to_owned(), Json::String(text));
        }
    }
    if let Some(confirm) = &action.confirm {
        let mut asked = Map::new();
        for (name, template) in [
            ("text", &confirm.text),
            ("title", &confirm.title),
            ("ok_text", &confirm.ok_text),
            ("dismiss_text", &confirm.dismiss_text),
        ] {
            let text = texts.text("actions.confirm", template)?;
            if !text.is_empty() {
                asked.insert(name.to_owned(), Json::String(text));
            }
        }
        out.insert("confirm".to_owned(), Json::Object(asked));
    }
    Ok(Json::Object(out))
}
