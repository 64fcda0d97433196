//! `{{args.NAME}}` and `{{version}}` in queries and conditions.

use crate::strategy::ArgValue;

/// What placeholders stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    /// The service.
    pub service: String,
    /// The stable version; empty when there is none.
    pub stable: String,
    /// The new version.
    pub latest: String,
    /// What `{{args.NAME}}` is, by name.
    pub values: Vec<(String, ArgValue)>,
}

impl Arguments {
    fn value(&self, name: &str) -> Option<&str> {
        self.values.iter().rev().find(|(n, _)| n == name).map(|(_, value)| match value {
            ArgValue::Text(text) => text.as_str(),
            ArgValue::Stable => &self.stable,
            ArgValue::Latest => &self.latest,
            ArgValue::Service => &self.service,
        })
    }
}

/// Why placeholders cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArgsError {
    /// A name that nobody gave a value.
    #[error("`{{{{{name}}}}}` has no value; {known}")]
    Unknown {
        /// As written.
        name: String,
        /// For people: those that have one.
        known: String,
    },
    /// `{{` without `}}`.
    #[error("`{{{{` without `}}}}` in `{0}`")]
    Open(String),
}

/// `text` with its placeholders filled in: `{{args.NAME}}`; `{{version}}`, if one is asked for; `{{service}}`, `{{stable}}`
/// and `{{latest}}`.
///
/// # Errors
/// When one has no value, or does not end.
pub fn fill(text: &str, arguments: &Arguments, version: Option<&str>) -> Result<String, ArgsError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        filled.push_str(&rest[..start]);
        let inner = &rest[start + 2..];
        let Some(end) = inner.find("}}") else { return Err(ArgsError::Open(text.to_owned())) };
        let name = inner[..end].trim();
        let value = match name {
            "version" => version,
            "service" => Some(arguments.service.as_str()),
            "stable" => Some(arguments.stable.as_str()),
            "latest" => Some(arguments.latest.as_str()),
            _ => name.strip_prefix("args.").and_then(|name| arguments.value(name)),
        };
        let Some(value) = value else {
            let mut known: Vec<String> =
                arguments.values.iter().map(|(name, _)| format!("args.{name}")).collect();
            known.extend(["service", "stable", "latest"].map(str::to_owned));
            if version.is_some() {
                known.push("version".to_owned());
            }
            let known = format!("those that have one: {}", known.join(", "));
            return Err(ArgsError::Unknown { name: name.to_owned(), known });
        };
        filled.push_str(value);
        rest = &inner[end + 2..];
    }
    filled.push_str(rest);
    Ok(filled)
}
