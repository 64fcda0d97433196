//! A list that floats and narrows as one types: palette, help and every chooser.

use std::collections::BTreeMap;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use quarterdeck_kernel::{Danger, Subject};

use super::line::Line;
use crate::keymap::Run;
use crate::keys::Key;

/// Between several keys that do the same.
pub(crate) const OR: &str = " or ";

/// What a list is for; it decides how it looks and what choosing does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Palette,
    Help,
    Theme,
    Service,
    Range,
    Messages,
}

impl Purpose {
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Palette => "palette",
            Self::Help => "keys",
            Self::Theme => "theme",
            Self::Service => "service",
            Self::Range => "range",
            Self::Messages => "messages",
        }
    }

    /// What stands where nothing is typed yet.
    pub(crate) const fn invitation(self) -> &'static str {
        match self {
            Self::Palette => "an action, a pane, a service …",
            Self::Help => "what do you want to do?",
            Self::Theme | Self::Service | Self::Messages => "type to narrow",
            Self::Range => "type to narrow, or a duration such as 90m",
        }
    }

    /// What stands where nothing matches.
    pub(crate) const fn nothing(self) -> &'static str {
        match self {
            Self::Palette => "nothing is called that: try fewer letters",
            Self::Help => "no key does that here; : finds what has no key",
            Self::Theme => "no theme is called that",
            Self::Service => "no service is known yet: services appear with their first metrics",
            Self::Range => "write a duration such as 45m, 6h or 10d",
            Self::Messages => "nothing was told yet",
        }
    }
}

/// What choosing an entry does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Choice {
    Run(Run, BTreeMap<String, String>),
    Open(Subject),
    Service(Option<String>),
    Range(i64),
    Theme(usize),
    Nothing,
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// The heading it stands under while nothing is typed.
    pub group: String,
    pub label: String,
    /// The second column: what it is, or why it cannot be had now.
    pub detail: String,
    /// The keys that do it.
    pub keys: String,
    /// More words to find it by.
    pub also: String,
    pub danger: Danger,
    /// Cannot be had now; `detail` says why.
    pub dimmed: bool,
    pub choice: Choice,
}

impl Entry {
    pub(crate) fn new(group: &str, label: impl Into<String>, choice: Choice) -> Self {
        Self {
            group: group.to_owned(),
            label: label.into(),
            detail: String::new(),
            keys: String::new(),
            also: String::new(),
            danger: Danger::Safe,
            dimmed: false,
            choice,
        }
    }
}

impl Entry {
    /// Whether each word occurs in what is said about it.
    fn says(&self, words: &[String]) -> bool {
        let all = format!("{} {} {} {} {}", self.label, self.keys, self.also, self.group, self.detail)
            .to_lowercase();
        words.iter().all(|word| all.contains(word.as_str()))
    }
}

/// An entry that matches, and the characters of its label that do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub entry: usize,
    pub marks: Vec<u32>,
}

/// The list.
pub(crate) struct Picker {
    pub purpose: Purpose,
    pub line: Line,
    pub entries: Vec<Entry>,
    pub found: Vec<Found>,
    pub selected: usize,
}

impl Picker {
    pub(crate) fn new(purpose: Purpose, entries: Vec<Entry>) -> Self {
        let mut picker = Self {
            purpose,
            line: Line::inviting(purpose.invitation()),
            entries,
            found: Vec::new(),
            selected: 0,
        };
        picker.narrow();
        picker
    }

    /// The same with the entry selected that `is` accepts.
    pub(crate) fn at(mut self, is: impl Fn(&Choice) -> bool) -> Self {
        self.selected = self.found.iter().position(|f| is(&self.entries[f.entry].choice)).unwrap_or(0);
        self
    }

    pub(crate) fn chosen(&self) -> Option<&Entry> {
        self.found.get(self.selected).map(|f| &self.entries[f.entry])
    }

    /// Types a key into the filter; false when it is none that edits.
    pub(crate) fn edit(&mut self, key: Key) -> bool {
        let before = self.line.text().to_owned();
        let taken = self.line.edit(key);
        if self.line.text() != before {
            self.selected = 0;
            self.narrow();
        }
        taken
    }

    pub(crate) fn paste(&mut self, text: &str) {
        self.line.insert(text);
        self.selected = 0;
        self.narrow();
    }

    /// Moves the selection; at the ends it stays.
    pub(crate) fn step(&mut self, by: isize) {
        let last = self.found.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }

    /// Replaces the entries, keeping filter and, where it is still there, selection.
    pub(crate) fn refresh(&mut self, entries: Vec<Entry>) {
        let chosen = self.chosen().map(|e| (e.choice.clone(), e.label.clone()));
        self.entries = entries;
        self.narrow();
        if let Some((choice, label)) = chosen {
            let same =
                |f: &Found| self.entries[f.entry].choice == choice && self.entries[f.entry].label == label;
            self.selected = self.found.iter().position(same).unwrap_or(self.selected);
        }
        self.selected = self.selected.min(self.found.len().saturating_sub(1));
    }

    fn narrow(&mut self) {
        let text = self.line.text().to_owned();
        if text.trim().is_empty() {
            self.found = (0..self.entries.len()).map(|entry| Found { entry, marks: Vec::new() }).collect();
            return;
        }
        let pattern = Pattern::parse(text.trim(), CaseMatching::Ignore, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut label_chars = Vec::new();
        let words: Vec<String> = text.to_lowercase().split_whitespace().map(str::to_owned).collect();
        let mut scored: Vec<(u32, usize)> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let label = Utf32Str::new(&entry.label, &mut label_chars);
            let keys = || entry.keys.split(OR).any(|keys| keys == text.trim());
            // A key as it is written comes first, then what is called so, then what is said to be so.
            let score = if keys() {
                Some(u32::MAX)
            } else {
                let named = pattern.score(label, &mut matcher).map(|score| score + 1);
                named.or_else(|| entry.says(&words).then_some(0))
            };
            scored.extend(score.map(|score| (score, index)));
        }
        scored.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        self.found = scored
            .into_iter()
            .map(|(_, entry)| {
                let mut marks = Vec::new();
                let label = Utf32Str::new(&self.entries[entry].label, &mut label_chars);
                if pattern.indices(label, &mut matcher, &mut marks).is_none() {
                    marks.clear();
                }
                marks.sort_unstable();
                marks.dedup();
                Found { entry, marks }
            })
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picker() -> Picker {
        let mut entries: Vec<Entry> = ["Roll back", "Acknowledge", "Retry now", "Overview"]
            .into_iter()
            .map(|label| Entry::new("all", label, Choice::Nothing))
            .collect();
        entries[0].keys = "R".to_owned();
        Picker::new(Purpose::Palette, entries)
    }

    fn labels(picker: &Picker) -> Vec<&str> {
        picker.found.iter().map(|f| picker.entries[f.entry].label.as_str()).collect()
    }

    #[test]
    fn letters_narrow_and_best_comes_first() {
        let mut picker = picker();
        assert_eq!(labels(&picker).len(), 4);
        picker.paste("ackn");
        assert_eq!(labels(&picker), ["Acknowledge"]);
        assert_eq!(picker.found[0].marks, [0, 1, 2, 3]);
    }

    #[test]
    fn a_key_finds_what_it_does() {
        let mut picker = picker();
        picker.paste("R");
        assert_eq!(labels(&picker)[0], "Roll back");
    }

    #[test]
    fn selection_stays_in_the_list_and_with_its_entry() {
        let mut picker = picker();
        picker.step(99);
        assert_eq!(picker.chosen().map(|e| e.label.as_str()), Some("Overview"));
        let entries = picker.entries.iter().rev().cloned().collect();
        picker.refresh(entries);
        assert_eq!(picker.chosen().map(|e| e.label.as_str()), Some("Overview"));
        picker.paste("zzzz");
        assert!(picker.chosen().is_none());
        picker.step(-1);
    }
}
