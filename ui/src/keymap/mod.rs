//! The keymap: which keys do what, by context.
//!
//! Defaults come from `default-keymap.toml` and from the panes' specs; the operator's file is laid over them. A
//! keymap is built whole or not at all: [`Keymap::build`] either returns one that is free of conflicts or tells
//! everything that is wrong, so that the old one can stay.

mod build;
mod parse;

use std::collections::BTreeMap;

use quarterdeck_kernel::ActionSpec;

use crate::keys::{Key, label_chord};
use crate::pane::PaneSpec;

/// The default keys of the shell's own contexts, in the form that an operator's file has.
pub const DEFAULT_KEYMAP: &str = include_str!("../default-keymap.toml");

/// What a binding runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Run {
    /// A command of the shell or of a pane.
    Command(&'static str),
    /// An action, on the pane's selection.
    Action(String),
    /// Show the pane of this id.
    Go(&'static str),
    /// Show the pane with this digit in the tab line, from 1.
    Pinned(usize),
}

impl Run {
    /// Whether this is what keymaps write as `id`.
    #[must_use]
    pub fn is(&self, id: &str) -> bool {
        match self {
            Self::Command(command) => *command == id,
            Self::Action(action) => action == id,
            Self::Go(pane) => id.strip_prefix("go.") == Some(pane),
            Self::Pinned(digit) => id.strip_prefix("pin.").and_then(|d| d.parse().ok()) == Some(*digit),
        }
    }

    /// As keymaps write it.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Command(id) => (*id).to_owned(),
            Self::Action(id) => id.clone(),
            Self::Go(pane) => format!("go.{pane}"),
            Self::Pinned(digit) => format!("pin.{digit}"),
        }
    }
}

/// Where a binding comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The shell's defaults or a pane's spec.
    Default,
    /// The operator's keymap.
    Operator,
}

/// Keys that run something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The keys, one or several in a row.
    pub chord: Vec<Key>,
    /// What they run.
    pub run: Run,
    /// Arguments that are already known, for actions.
    pub args: BTreeMap<String, String>,
    /// What it does, in a few words; from the spec unless the operator's keymap says otherwise.
    pub title: String,
    /// Where it comes from.
    pub origin: Origin,
}

/// What keys mean so far.
#[derive(Clone, Debug, PartialEq)]
pub enum Lookup<'a> {
    /// They are bound.
    Bound(&'a Binding),
    /// They begin these chords; a context earlier in the list hides a later one's equal chord.
    Begins(Vec<&'a Binding>),
    /// Nothing.
    Unbound,
}

/// What can be bound: everything with an id.
pub struct Vocabulary<'a> {
    /// The panes, in the order of the tab line.
    pub panes: &'a [&'static PaneSpec],
    /// The registry's actions.
    pub actions: &'a [ActionSpec],
}

/// All bindings by context.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Keymap {
    contexts: BTreeMap<String, Vec<Binding>>,
}

impl Keymap {
    /// The bindings of one context.
    #[must_use]
    pub fn context(&self, name: &str) -> &[Binding] {
        self.contexts.get(name).map_or(&[], Vec::as_slice)
    }

    /// Names of all contexts.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        self.contexts.keys().map(String::as_str)
    }

    /// What keys mean when these contexts are active, first one first.
    #[must_use]
    pub fn lookup(&self, contexts: &[&str], keys: &[Key]) -> Lookup<'_> {
        let mut begins: Vec<&Binding> = Vec::new();
        for context in contexts {
            if begins.is_empty()
                && let Some(binding) = self.context(context).iter().find(|b| b.chord == keys)
            {
                return Lookup::Bound(binding);
            }
            let longer = |b: &&Binding| b.chord.len() > keys.len() && b.chord.starts_with(keys);
            for binding in self.context(context).iter().filter(longer) {
                if begins.iter().all(|seen| seen.chord != binding.chord) {
                    begins.push(binding);
                }
            }
        }
        if begins.is_empty() { Lookup::Unbound } else { Lookup::Begins(begins) }
    }

    /// The first keys bound to an id when these contexts are active and that nothing earlier hides.
    #[must_use]
    pub fn binding_of(&self, contexts: &[&str], id: &str) -> Option<&Binding> {
        let mut all = contexts.iter().flat_map(|context| self.context(context));
        all.find(|b| {
            b.run.is(id)
                && matches!(self.lookup(contexts, &b.chord), Lookup::Bound(found) if std::ptr::eq(found, *b))
        })
    }

    /// As [`Keymap::binding_of`], in the form that hints show: `Enter`, `g t`.
    #[must_use]
    pub fn label_of(&self, contexts: &[&str], id: &str) -> Option<String> {
        self.binding_of(contexts, id).map(|b| label_chord(&b.chord))
    }
}
