//! Webhooks: Alertmanager's JSON, or a body of the user's.

use std::sync::Arc;

use quarterdeck_alertmanager::config::Webhook;

use super::{Answer, Post, Texts, some};
use crate::failure::Failure;
use crate::model::Notification;

/// Makes the request. What is cut off by `max_alerts` counts nowhere else, as in Alertmanager.
pub(super) fn prepare<'a>(
    settings: &Webhook,
    notification: &Notification,
    texts: impl Fn(&Notification) -> Texts<'a>,
) -> Result<Post, Failure> {
    let most = usize::try_from(settings.max_alerts).unwrap_or(usize::MAX);
    let truncated = if most == 0 { 0 } else { notification.alerts.len().saturating_sub(most) };
    let texts = if truncated == 0 {
        texts(notification)
    } else {
        let mut fewer = notification.clone();
        fewer.alerts.truncate(most);
        texts(&fewer)
    };
    let body = match &settings.payload {
        None => texts.webhook(&notification.group_key, truncated).into_bytes(),
        Some(payload) => texts.json("payload", payload)?.to_string().into_bytes(),
    };
    Ok(Post {
        url: texts.url("url", &settings.url)?,
        http: Arc::clone(&settings.http),
        body,
        answer: Answer::Status,
        timeout: some(settings.timeout),
    })
}
