//! Relabelling: rules that rewrite, keep or drop label sets, as Prometheus applies them to targets and samples.

mod builder;
mod config;

use std::borrow::Cow;
use std::sync::Arc;

use md5::{Digest, Md5};
use regex::Regex;
use serde::{Deserialize, Serialize, Serializer};

pub use builder::LabelBuilder;
pub use config::{Action, RuleConfig, RuleError};

/// One rule, checked and compiled.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "RuleConfig")]
pub struct Rule {
    config: Arc<RuleConfig>,
    action: Action,
    separator: Box<str>,
    replacement: Box<str>,
    target: Box<str>,
    modulus: u64,
    regex: Regex,
    /// Neither the target nor the replacement refers to the match, so a missing source needs no matching.
    constant: bool,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.config == other.config
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.config.serialize(serializer)
    }
}

impl TryFrom<RuleConfig> for Rule {
    type Error = RuleError;

    fn try_from(config: RuleConfig) -> Result<Self, RuleError> {
        let action = config.check()?;
        let pattern = config.regex.as_deref().unwrap_or(config::DEFAULT_REGEX);
        let regex = quarterdeck_kernel::matcher::anchored(pattern)?;
        let replacement = config.replacement.as_deref().unwrap_or(config::DEFAULT_REPLACEMENT);
        let target = config.target_label.as_deref().unwrap_or_default();
        Ok(Self {
            action,
            separator: config.separator.as_deref().unwrap_or(config::DEFAULT_SEPARATOR).into(),
            replacement: replacement.into(),
            target: target.into(),
            modulus: config.modulus.unwrap_or_default(),
            constant: config.regex.is_none() && !target.contains('$') && !replacement.contains('$'),
            regex,
            config: Arc::new(config),
        })
    }
}

impl Rule {
    /// Applies the rule. False means that the target or sample is dropped.
    #[must_use]
    pub fn apply(&self, labels: &mut LabelBuilder) -> bool {
        match self.action {
            Action::Keep => self.regex.is_match(&self.value(labels)),
            Action::Drop => !self.regex.is_match(&self.value(labels)),
            Action::KeepEqual => self.value(labels) == labels.get(&self.target),
            Action::DropEqual => self.value(labels) != labels.get(&self.target),
            Action::Replace => {
                self.replace(labels);
                true
            }
            Action::Lowercase => {
                let value = self.value(labels).to_lowercase();
                labels.set(&self.target, &value);
                true
            }
            Action::Uppercase => {
                let value = self.value(labels).to_uppercase();
                labels.set(&self.target, &value);
                true
            }
            Action::HashMod => {
                let shard = hash(&self.value(labels)) % self.modulus;
                labels.set(&self.target, &shard.to_string());
                true
            }
            Action::LabelMap => {
                for (name, value) in labels.to_pairs() {
                    if self.regex.is_match(&name) {
                        let renamed = self.regex.replace(&name, &*self.replacement);
                        labels.set(&renamed, &value);
                    }
                }
                true
            }
            Action::LabelDrop => {
                labels.retain(|name| !self.regex.is_match(name));
                true
            }
            Action::LabelKeep => {
                labels.retain(|name| self.regex.is_match(name));
                true
            }
        }
    }

    fn replace(&self, labels: &mut LabelBuilder) {
        let value = self.value(labels);
        if self.constant && value.is_empty() {
            labels.set(&self.target, &self.replacement);
            return;
        }
        let Some(captures) = self.regex.captures(&value) else { return };
        let expand = |template: &str| {
            let mut out = String::new();
            captures.expand(template, &mut out);
            out
        };
        let (target, replacement) = (expand(&self.target), expand(&self.replacement));
        drop(captures);
        if !target.is_empty() {
            labels.set(&target, &replacement);
        }
    }

    /// The values of the source labels, joined.
    fn value<'a>(&self, labels: &'a LabelBuilder) -> Cow<'a, str> {
        match &self.config.source_labels[..] {
            [] => Cow::Borrowed(""),
            [one] => Cow::Owned(labels.get(one).to_owned()),
            many => {
                let mut joined = String::new();
                for (i, name) in many.iter().enumerate() {
                    if i > 0 {
                        joined.push_str(&self.separator);
                    }
                    joined.push_str(labels.get(name));
                }
                Cow::Owned(joined)
            }
        }
    }
}

/// The hash of `hashmod`: the last eight bytes of the MD5 sum, big-endian.
pub(crate) fn hash(text: &str) -> u64 {
    let sum = Md5::digest(text.as_bytes());
    let mut last = [0u8; 8];
    last.copy_from_slice(&sum[8..16]);
    u64::from_be_bytes(last)
}

/// Applies rules in order. False means dropped; the builder is then as the last rule left it.
#[must_use]
pub fn apply(rules: &[Rule], labels: &mut LabelBuilder) -> bool {
    rules.iter().all(|rule| rule.apply(labels))
}

#[cfg(test)]
mod tests;
