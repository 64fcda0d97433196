//! Alertmanager's JSON of a notification, version 4.

use quarterdeck_templates::Value;

/// The body of a webhook: the data that templates see, and the group's key.
pub(crate) fn webhook(data: &Value, group_key: &str, truncated: usize) -> String {
    let mut body = data.to_json();
    // It is an object: its members are followed by these.
    body.truncate(body.len().saturating_sub(1));
    body.push_str(",\"version\":\"4\",\"groupKey\":");
    body.push_str(&Value::text(group_key).to_json());
    body.push_str(&format!(",\"truncatedAlerts\":{truncated}}}"));
    body
}
