//! What editing keys do.

use unicode_segmentation::UnicodeSegmentation;

use super::Prompt;

/// One step of editing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A typed character.
    Insert(char),
    /// The character before the cursor goes.
    Backspace,
    /// The character under the cursor goes.
    Delete,
    /// One character to the left.
    Left,
    /// One character to the right; at the end, the offered completion.
    Right,
    /// One word to the left.
    WordLeft,
    /// One word to the right.
    WordRight,
    /// To the beginning.
    Home,
    /// To the end.
    End,
    /// All after the cursor goes, to be put back by [`Edit::Yank`].
    KillRight,
    /// All before the cursor goes.
    KillLeft,
    /// The word before the cursor goes.
    KillWordLeft,
    /// The word after the cursor goes.
    KillWordRight,
    /// What went last comes back.
    Yank,
    /// The characters around the cursor change places.
    Transpose,
    /// The choice before, or the line before in the history.
    Up,
    /// The choice after, or the line after in the history.
    Down,
    /// Puts the chosen completion in.
    Complete,
}

impl Edit {
    /// What a key does, in the notation of keymaps: `a`, `ctrl-a`, `alt-b`, `left`, `space`.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        Some(match key {
            "space" => Self::Insert(' '),
            "backspace" | "ctrl-h" => Self::Backspace,
            "delete" | "ctrl-d" => Self::Delete,
            "left" | "ctrl-b" => Self::Left,
            "right" | "ctrl-f" => Self::Right,
            "alt-left" | "ctrl-left" | "alt-b" => Self::WordLeft,
            "alt-right" | "ctrl-right" | "alt-f" => Self::WordRight,
            "home" | "ctrl-a" => Self::Home,
            "end" | "ctrl-e" => Self::End,
            "ctrl-k" => Self::KillRight,
            "ctrl-u" => Self::KillLeft,
            "ctrl-w" | "alt-backspace" | "ctrl-backspace" => Self::KillWordLeft,
            "alt-d" => Self::KillWordRight,
            "ctrl-y" => Self::Yank,
            "ctrl-t" => Self::Transpose,
            "up" | "ctrl-p" => Self::Up,
            "down" | "ctrl-n" => Self::Down,
            "tab" => Self::Complete,
            other => {
                let mut chars = other.chars();
                let only = chars.next().filter(|c| chars.next().is_none() && !c.is_control())?;
                Self::Insert(only)
            }
        })
    }
}

impl Prompt {
    /// Does one step; true when the text has changed.
    pub fn edit(&mut self, edit: Edit) -> bool {
        match edit {
            Edit::Insert(c) => {
                self.insert(c.encode_utf8(&mut [0; 4]));
                true
            }
            Edit::Backspace => self.remove(self.left(self.cursor)..self.cursor, false),
            Edit::Delete => self.remove(self.cursor..self.right(self.cursor), false),
            Edit::KillRight => self.remove(self.cursor..self.text.len(), true),
            Edit::KillLeft => self.remove(0..self.cursor, true),
            Edit::KillWordLeft => self.remove(self.word_left()..self.cursor, true),
            Edit::KillWordRight => self.remove(self.cursor..self.word_right(), true),
            Edit::Yank => {
                let killed = self.killed.clone();
                self.insert(&killed);
                !killed.is_empty()
            }
            Edit::Transpose => self.transpose(),
            Edit::Up => self.up(),
            Edit::Down => self.down(),
            Edit::Complete => self.complete(),
            Edit::Right if self.cursor == self.text.len() => self.complete(),
            Edit::Left => self.go(self.left(self.cursor)),
            Edit::Right => self.go(self.right(self.cursor)),
            Edit::WordLeft => self.go(self.word_left()),
            Edit::WordRight => self.go(self.word_right()),
            Edit::Home => self.go(0),
            Edit::End => self.go(self.text.len()),
        }
    }

    fn go(&mut self, to: usize) -> bool {
        self.cursor = to;
        self.completions = None;
        false
    }

    fn remove(&mut self, range: std::ops::Range<usize>, keep: bool) -> bool {
        if range.is_empty() {
            return false;
        }
        let start = range.start;
        let removed: String = self.text.drain(range).collect();
        if keep {
            self.killed = removed;
        }
        self.cursor = start;
        self.changed();
        true
    }

    fn left(&self, from: usize) -> usize {
        self.text[..from].grapheme_indices(true).next_back().map_or(0, |(at, _)| at)
    }

    fn right(&self, from: usize) -> usize {
        self.text[from..].graphemes(true).next().map_or(from, |g| from + g.len())
    }

    fn word_left(&self) -> usize {
        let before = &self.text[..self.cursor];
        let trimmed = before.trim_end_matches(|c: char| !c.is_alphanumeric());
        trimmed.char_indices().rev().take_while(|(_, c)| c.is_alphanumeric()).last().map_or(0, |(at, _)| at)
    }

    fn word_right(&self) -> usize {
        let after = &self.text[self.cursor..];
        let skipped = after.len() - after.trim_start_matches(|c: char| !c.is_alphanumeric()).len();
        let word: usize =
            after[skipped..].chars().take_while(|c| c.is_alphanumeric()).map(char::len_utf8).sum();
        self.cursor + skipped + word
    }

    fn transpose(&mut self) -> bool {
        let at = if self.cursor == self.text.len() { self.left(self.cursor) } else { self.cursor };
        let (before, after) = (self.left(at), self.right(at));
        if before == at || at == after {
            return false;
        }
        let swapped = format!("{}{}", &self.text[at..after], &self.text[before..at]);
        self.text.replace_range(before..after, &swapped);
        self.cursor = after;
        self.changed();
        true
    }

    fn up(&mut self) -> bool {
        if let Some(completions) = &mut self.completions {
            completions.selected = completions.selected.checked_sub(1).unwrap_or(completions.items.len() - 1);
            return false;
        }
        let at = self.visiting.as_ref().map_or(self.history.len(), |(at, _)| *at);
        let Some(older) = at.checked_sub(1) else { return false };
        let typed = self.visiting.take().map_or_else(|| self.text.clone(), |(_, typed)| typed);
        let line = self.history[older].clone();
        self.set_text(&line);
        self.visiting = Some((older, typed));
        true
    }

    fn down(&mut self) -> bool {
        if let Some(completions) = &mut self.completions {
            completions.selected = (completions.selected + 1) % completions.items.len();
            return false;
        }
        let Some((at, typed)) = self.visiting.take() else { return false };
        match self.history.get(at + 1).cloned() {
            Some(newer) => {
                self.set_text(&newer);
                self.visiting = Some((at + 1, typed));
            }
            None => self.set_text(&typed),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::popup::Item;

    fn typed(keys: &str) -> Prompt {
        let mut prompt = Prompt::new("›", "");
        for key in keys.split(' ') {
            prompt.edit(Edit::from_key(key).unwrap_or_else(|| panic!("{key} does nothing")));
        }
        prompt
    }

    #[test]
    fn keys_edit_as_in_shells() {
        for (keys, wanted) in [
            ("a b c left left x", "axbc"),
            ("a space b b ctrl-w c", "a c"),
            ("a b ctrl-a ctrl-k ctrl-y ctrl-y", "abab"),
            ("a b ctrl-t", "ba"),
            ("a . b alt-b alt-b x", "xa.b"),
            ("é backspace e", "e"),
            ("a b home delete", "b"),
            ("a space b ctrl-a alt-d", " b"),
            ("a b c left ctrl-u", "c"),
        ] {
            assert_eq!(typed(keys).text(), wanted, "{keys}");
        }
        assert_eq!(Edit::from_key("ctrl-q"), None);
    }

    #[test]
    fn history_comes_back_and_the_unfinished_line_too() {
        let mut prompt = Prompt::new("/", "");
        prompt.remember("up");
        prompt.remember("rate(x)");
        prompt.remember("up");
        prompt.insert("new");
        prompt.edit(Edit::Up);
        assert_eq!(prompt.text(), "up");
        prompt.edit(Edit::Up);
        prompt.edit(Edit::Up);
        assert_eq!(prompt.text(), "rate(x)");
        prompt.edit(Edit::Down);
        prompt.edit(Edit::Down);
        assert_eq!(prompt.text(), "new");
        assert_eq!(prompt.history(), ["rate(x)", "up"]);
    }

    #[test]
    fn completion_replaces_its_range() {
        let mut prompt = Prompt::new("›", "");
        prompt.insert("sum(htt");
        prompt.offer(4..7, vec![Item::new("http_requests_total"), Item::new("http_errors_total")]);
        prompt.edit(Edit::Down);
        assert!(prompt.edit(Edit::Complete));
        assert_eq!((prompt.text(), prompt.cursor()), ("sum(http_errors_total", 21));
        prompt.offer(99..100, vec![Item::new("x")]);
        assert!(prompt.completions().is_none());
    }

    #[test]
    fn pastes_are_cleaned_and_bounded() {
        let mut prompt = Prompt::new("›", "");
        prompt.insert("a\u{1b}[31mb\nc");
        assert_eq!(prompt.text(), "ab c");
        prompt.insert(&"é".repeat(100_000));
        assert!(prompt.text().len() <= 64 * 1024);
    }
}
