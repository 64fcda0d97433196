//! A line to type on: editing keys as in shells, history, completion, and errors shown where they are.

mod draw;
mod edit;

pub use edit::Edit;

use std::ops::Range;

use crate::popup::Item;
use crate::text;

/// The longest text that can be typed, in bytes; longer pastes are cut.
const LONGEST: usize = 64 * 1024;

/// The most lines that the history keeps.
const REMEMBERED: usize = 500;

/// What can be put in place of a range of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completions {
    /// The bytes of the text that a choice replaces.
    pub replace: Range<usize>,
    /// What there is to choose.
    pub items: Vec<Item>,
    /// Which is chosen.
    pub selected: usize,
}

/// A line being typed.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    text: String,
    cursor: usize,
    killed: String,
    history: Vec<String>,
    /// Where in the history one is, and what was typed before going there.
    visiting: Option<(usize, String)>,
    completions: Option<Completions>,
    error: Option<(Range<usize>, String)>,
    /// What is shown in front, such as `/` or `›`.
    pub sign: &'static str,
    /// What is shown while nothing is typed.
    pub hint: String,
}

impl Prompt {
    /// An empty line.
    #[must_use]
    pub fn new(sign: &'static str, hint: impl Into<String>) -> Self {
        Self { sign, hint: hint.into(), ..Self::default() }
    }

    /// What is typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the next letter goes, in bytes.
    #[must_use]
    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    /// Replaces all of the text; the cursor goes to its end.
    pub fn set_text(&mut self, text: &str) {
        self.text = text::clean(text).into_owned();
        truncate(&mut self.text, LONGEST);
        self.cursor = self.text.len();
        self.changed();
    }

    /// Puts text in at the cursor: a typed letter, or a paste (line breaks become spaces).
    pub fn insert(&mut self, pasted: &str) {
        let mut pasted = text::clean(pasted).into_owned();
        truncate(&mut pasted, LONGEST.saturating_sub(self.text.len()));
        self.text.insert_str(self.cursor, &pasted);
        self.cursor += pasted.len();
        self.changed();
    }

    /// Takes the line: puts it into the history and empties it.
    pub fn take(&mut self) -> String {
        let text = std::mem::take(&mut self.text);
        self.remember(&text);
        self.cursor = 0;
        self.changed();
        text
    }

    /// Puts a line into the history, unless it is empty or the newest there.
    pub fn remember(&mut self, line: &str) {
        self.visiting = None;
        if line.trim().is_empty() || self.history.last().is_some_and(|last| last == line) {
            return;
        }
        self.history.retain(|other| other != line);
        self.history.push(line.to_owned());
        if self.history.len() > REMEMBERED {
            self.history.remove(0);
        }
    }

    /// The history, oldest first, to be kept between runs.
    #[must_use]
    pub fn history(&self) -> &[String] {
        &self.history
    }

    /// Shows a mistake: the bytes of the text where it is, and what it is. It goes with the next change.
    pub fn set_error(&mut self, at: Range<usize>, message: impl Into<String>) {
        self.error = Some((at, message.into()));
    }

    /// The mistake shown.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_ref().map(|(_, message)| message.as_str())
    }

    /// Offers completions; none are offered when the list is empty.
    pub fn offer(&mut self, replace: Range<usize>, items: Vec<Item>) {
        let valid = replace.start <= replace.end
            && replace.end <= self.text.len()
            && self.text.is_char_boundary(replace.start)
            && self.text.is_char_boundary(replace.end);
        self.completions =
            (valid && !items.is_empty()).then_some(Completions { replace, items, selected: 0 });
    }

    /// The completions on offer.
    #[must_use]
    pub fn completions(&self) -> Option<&Completions> {
        self.completions.as_ref()
    }

    /// Puts the chosen completion in; false if none is on offer.
    pub fn complete(&mut self) -> bool {
        let Some(completions) = self.completions.take() else { return false };
        let Some(item) = completions.items.get(completions.selected) else { return false };
        let chosen = text::clean(&item.text).into_owned();
        self.text.replace_range(completions.replace.clone(), &chosen);
        self.cursor = completions.replace.start + chosen.len();
        self.changed();
        true
    }

    /// Takes the completions away; false if there were none.
    pub fn dismiss(&mut self) -> bool {
        self.completions.take().is_some()
    }

    fn changed(&mut self) {
        self.completions = None;
        self.error = None;
    }
}

fn truncate(text: &mut String, most: usize) {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}
