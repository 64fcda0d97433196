//! What floats over the pane. The topmost layer takes the keys; what it has no use for it passes on.

pub(crate) mod draw;
pub(crate) mod line;
pub(crate) mod picker;
mod validate;

use std::collections::BTreeMap;

use quarterdeck_kernel::{ActionSpec, ArgSpec, Danger, Invocation};

pub(crate) use self::line::Line;
pub(crate) use self::picker::{Picker, Purpose};
pub(crate) use self::validate::validate;

/// An action on its way to being dispatched.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub spec: ActionSpec,
    pub invocation: Invocation,
}

impl Draft {
    /// The next required argument that is missing.
    pub(crate) fn missing(&self) -> Option<&ArgSpec> {
        self.spec.args.iter().find(|a| a.required && !self.invocation.args.contains_key(a.name))
    }

    /// What must be typed to do a destructive thing: the subject's name, or the action's id.
    pub(crate) fn target(&self) -> &str {
        self.invocation.subject.as_ref().map_or(self.spec.id, |s| s.id.as_str())
    }
}

/// Asks for one argument.
pub(crate) struct Ask {
    pub draft: Draft,
    /// What is about to be done.
    pub title: String,
    /// What holds now of that which the argument would change.
    pub situation: Option<String>,
    pub arg: ArgSpec,
    pub line: Line,
    pub completions: Vec<String>,
    /// A few words on completions.
    pub notes: BTreeMap<String, String>,
    pub picked: Option<usize>,
    pub error: Option<String>,
}

impl Ask {
    /// Completions that begin with what is typed, or hold it.
    pub(crate) fn matching(&self) -> Vec<&str> {
        let typed = self.line.text().to_lowercase();
        let (begin, hold): (Vec<&String>, Vec<&String>) = self
            .completions
            .iter()
            .filter(|c| self.picked.is_some() || c.to_lowercase().contains(&typed))
            .partition(|c| c.to_lowercase().starts_with(&typed));
        begin.into_iter().chain(hold).map(String::as_str).collect()
    }
}

/// Which button of a confirmation has the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    Cancel,
    Yes,
}

/// Asks for a yes, or for the target's name.
pub(crate) struct Confirm {
    pub draft: Draft,
    /// What is about to be done.
    pub title: String,
    pub preview: Vec<String>,
    pub focus: Button,
    /// What was typed of the target's name, for destructive actions.
    pub typed: Line,
    pub wrong: bool,
    /// Set while the reason is being written.
    pub reason: Option<Line>,
}

impl Confirm {
    pub(crate) fn by_name(&self) -> bool {
        self.draft.spec.danger == Danger::Destructive
    }

    pub(crate) fn name_matches(&self) -> bool {
        self.typed.text().trim() == self.draft.target()
    }
}

/// A question with yes and no that the shell itself asks: whether to leave.
pub(crate) struct Leave {
    pub why: String,
    pub focus: Button,
}

/// One layer.
pub(crate) enum Layer {
    Pick(Picker),
    Ask(Ask),
    Confirm(Confirm),
    Leave(Leave),
}

impl Layer {
    /// The keymap context of a layer, and its commands worth telling, with what they do there.
    pub(crate) fn keys(&self) -> (&'static str, &'static [(&'static str, &'static str)]) {
        const DO_IT: &str = "do it, when the name is right";
        match self {
            Self::Pick(picker) => match picker.purpose {
                Purpose::Messages => ("list", &[("list.close", "close")]),
                Purpose::Help | Purpose::Palette => {
                    ("list", &[("list.accept", "run"), ("list.close", "close")])
                }
                Purpose::Theme | Purpose::Service | Purpose::Range => {
                    ("list", &[("list.accept", "choose"), ("list.close", "close")])
                }
            },
            Self::Ask(_) => (
                "prompt",
                &[("prompt.accept", "go on"), ("prompt.complete", "complete"), ("prompt.close", "cancel")],
            ),
            Self::Confirm(confirm) if confirm.reason.is_some() => {
                ("prompt", &[("prompt.accept", "take the reason"), ("prompt.close", "no reason")])
            }
            Self::Confirm(confirm) if confirm.by_name() => (
                "confirm",
                &[("confirm.press", DO_IT), ("confirm.switch", "reason"), ("confirm.no", "cancel")],
            ),
            Self::Confirm(_) => {
                ("confirm", &[("confirm.yes", "yes"), ("confirm.reason", "reason"), ("confirm.no", "cancel")])
            }
            Self::Leave(_) => ("confirm", &[("confirm.yes", "leave"), ("confirm.no", "stay")]),
        }
    }
}
