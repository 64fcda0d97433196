//! A relabelling rule as configuration files write it, and what makes one lawful.

use quarterdeck_kernel::matcher::MatcherError;
use quarterdeck_kernel::suggest::nearest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What matches when no regex is written.
pub(super) const DEFAULT_REGEX: &str = "(.*)";
/// What joins source values when nothing else is written.
pub(super) const DEFAULT_SEPARATOR: &str = ";";
/// What is written when nothing else is said.
pub(super) const DEFAULT_REPLACEMENT: &str = "$1";

/// A rule as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RuleConfig {
    /// Labels whose values are joined to the value that is matched.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub source_labels: Vec<String>,
    /// What joins them; `;` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// The label that is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_label: Option<String>,
    /// Pattern, anchored at both ends; `(.*)` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regex: Option<String>,
    /// For hashmod: how many shards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modulus: Option<u64>,
    /// What is written, `$1` and `${name}` standing for groups of the pattern; `$1` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase or uppercase;
    /// replace if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Writes a label where the pattern matches.
    Replace,
    /// Keeps what matches.
    Keep,
    /// Drops what matches.
    Drop,
    /// Keeps where the joined value equals the target label.
    KeepEqual,
    /// Drops where the joined value equals the target label.
    DropEqual,
    /// Writes a hash of the value modulo a number.
    HashMod,
    /// Copies labels whose names match to new names.
    LabelMap,
    /// Removes labels whose names match.
    LabelDrop,
    /// Removes labels whose names do not match.
    LabelKeep,
    /// Writes the value in lower case.
    Lowercase,
    /// Writes the value in upper case.
    Uppercase,
}

impl Action {
    /// Every action with the name that files use.
    pub const ALL: [(&'static str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    fn parse(text: &str) -> Result<Self, RuleError> {
        let lower = text.to_ascii_lowercase();
        Self::ALL.iter().find(|(name, _)| *name == lower).map(|(_, action)| *action).ok_or_else(|| {
            RuleError::Action {
                found: text.to_owned(),
                nearest: nearest(&lower, Self::ALL.map(|(name, _)| name))
                    .map(|name| format!("; did you mean {name}?"))
                    .unwrap_or_default(),
            }
        })
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }
}

/// Why a rule is not lawful.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// No such action.
    #[error(
        "{found:?} is not a relabel action{nearest} (replace, keep, drop, keepequal, dropequal, hashmod, labelmap, labeldrop, labelkeep, lowercase, uppercase)"
    )]
    Action {
        /// What was found.
        found: String,
        /// The nearest one, as part of the sentence.
        nearest: String,
    },
    /// The pattern does not compile.
    #[error("regex: {0}")]
    Regex(#[from] MatcherError),
    /// A field that the action needs is missing.
    #[error("the relabel action {action} needs {field}")]
    Missing {
        /// The action.
        action: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field that the action has no use for is set.
    #[error("the relabel action {action} takes only {allowed}; remove {field}")]
    NotTaken {
        /// The action.
        action: &'static str,
        /// The field.
        field: &'static str,
        /// What it takes.
        allowed: &'static str,
    },
    /// A label name is not lawful.
    #[error("{found:?} is not a label name that the relabel action {action} can write as {field}")]
    Name {
        /// The action.
        action: &'static str,
        /// The field.
        field: &'static str,
        /// What was found.
        found: String,
    },
}

impl RuleError {
    /// The field the mistake is in, for a message's place.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Action { .. } => "action",
            Self::Regex(_) => "regex",
            Self::Missing { .. } => "",
            Self::NotTaken { field, .. } | Self::Name { field, .. } => field,
        }
    }
}

impl RuleConfig {
    /// Checks that the action has what it needs and no more.
    pub(super) fn check(&self) -> Result<Action, RuleError> {
        let action = self.action.as_deref().map_or(Ok(Action::Replace), Action::parse)?;
        let name = action.name();
        let target = self.target_label.as_deref().unwrap_or_default();
        let set = |value: &Option<String>, default: &str| value.as_deref().is_some_and(|v| v != default);
        let separator = set(&self.separator, DEFAULT_SEPARATOR);
        let regex = set(&self.regex, DEFAULT_REGEX);
        let replacement = set(&self.replacement, DEFAULT_REPLACEMENT);
        let modulus = self.modulus.is_some_and(|m| m != 0);
        let first_set = |fields: &[(bool, &'static str)]| fields.iter().find(|f| f.0).map(|f| f.1);

        match action {
            Action::Replace
            | Action::HashMod
            | Action::Lowercase
            | Action::Uppercase
            | Action::KeepEqual
            | Action::DropEqual
                if target.is_empty() =>
            {
                return Err(RuleError::Missing { action: name, field: "target_label" });
            }
            Action::HashMod if !modulus => {
                return Err(RuleError::Missing { action: name, field: "a modulus greater than zero" });
            }
            _ => {}
        }
        let not_taken = match action {
            Action::Lowercase | Action::Uppercase if replacement => {
                Some(("replacement", "source_labels, separator and target_label"))
            }
            Action::KeepEqual | Action::DropEqual => first_set(&[
                (regex, "regex"),
                (modulus, "modulus"),
                (separator, "separator"),
                (replacement, "replacement"),
            ])
            .map(|field| (field, "source_labels and target_label")),
            Action::LabelDrop | Action::LabelKeep => first_set(&[
                (!self.source_labels.is_empty(), "source_labels"),
                (!target.is_empty(), "target_label"),
                (modulus, "modulus"),
                (separator, "separator"),
                (replacement, "replacement"),
            ])
            .map(|field| (field, "regex")),
            _ => None,
        };
        if let Some((field, allowed)) = not_taken {
            return Err(RuleError::NotTaken { action: name, field, allowed });
        }
        if action == Action::LabelMap && self.replacement.as_deref() == Some("") {
            return Err(RuleError::Name { action: name, field: "replacement", found: String::new() });
        }
        if let Some(empty) = self.source_labels.iter().find(|label| label.is_empty()) {
            return Err(RuleError::Name { action: name, field: "source_labels", found: empty.clone() });
        }
        Ok(action)
    }
}
