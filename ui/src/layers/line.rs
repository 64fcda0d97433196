//! A line of text that is typed.

use crate::keys::{Key, KeyCode};

/// The longest text that can be typed or pasted, in characters.
const LONGEST: usize = 4096;

/// Text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    text: Vec<char>,
    cursor: usize,
}

impl Line {
    pub(crate) fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
        Self { cursor: text.len(), text }
    }

    pub(crate) fn text(&self) -> String {
        self.text.iter().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn before_cursor(&self) -> String {
        self.text[..self.cursor].iter().collect()
    }

    pub(crate) fn insert(&mut self, text: &str) {
        for c in text.chars().filter(|c| !c.is_control()) {
            if self.text.len() >= LONGEST {
                break;
            }
            self.text.insert(self.cursor, c);
            self.cursor += 1;
        }
    }

    /// Edits with a key, as shells do; false when the key is none that edits.
    pub(crate) fn edit(&mut self, key: Key) -> bool {
        if let Some(c) = key.text() {
            self.insert(c.encode_utf8(&mut [0; 4]));
            return true;
        }
        let word = key.modifiers.ctrl || key.modifiers.alt;
        match key.code {
            KeyCode::Backspace if word => self.remove(self.word_start(), self.cursor),
            KeyCode::Char('w') if key == Key::ctrl('w') => self.remove(self.word_start(), self.cursor),
            KeyCode::Char('u') if key == Key::ctrl('u') => self.remove(0, self.cursor),
            KeyCode::Char('k') if key == Key::ctrl('k') => self.remove(self.cursor, self.text.len()),
            KeyCode::Char('a') if key == Key::ctrl('a') => self.cursor = 0,
            KeyCode::Char('e') if key == Key::ctrl('e') => self.cursor = self.text.len(),
            KeyCode::Char('h') if key == Key::ctrl('h') => {
                self.remove(self.cursor.saturating_sub(1), self.cursor);
            }
            KeyCode::Backspace => self.remove(self.cursor.saturating_sub(1), self.cursor),
            KeyCode::Delete => self.remove(self.cursor, (self.cursor + 1).min(self.text.len())),
            KeyCode::Left if word => self.cursor = self.word_start(),
            KeyCode::Right if word => self.cursor = self.word_end(),
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.drain(from..to);
        self.cursor = from;
    }

    fn word_start(&self) -> usize {
        let before = &self.text[..self.cursor];
        let end = before.iter().rposition(|c| c.is_alphanumeric()).map_or(0, |at| at + 1);
        before[..end].iter().rposition(|c| !c.is_alphanumeric()).map_or(0, |at| at + 1)
    }

    fn word_end(&self) -> usize {
        let after = &self.text[self.cursor..];
        let start = after.iter().position(|c| c.is_alphanumeric()).unwrap_or(after.len());
        let rest = after[start..].iter().position(|c| !c.is_alphanumeric()).unwrap_or(after.len() - start);
        self.cursor + start + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(start: &str, keys: &[&str]) -> String {
        let mut line = Line::new(start);
        for key in keys {
            assert!(line.edit(key.parse().unwrap()), "{key} edits");
        }
        format!("{}|{}", line.before_cursor(), &line.text()[line.before_cursor().len()..])
    }

    #[test]
    fn keys_edit_as_in_a_shell() {
        assert_eq!(typed("", &["a", "space", "é"]), "a é|");
        assert_eq!(typed("one two", &["ctrl-w"]), "one |");
        assert_eq!(typed("one two", &["ctrl-left", "ctrl-k"]), "one |");
        assert_eq!(typed("one two", &["home", "alt-right", "delete"]), "one|two");
        assert_eq!(typed("one two", &["ctrl-u"]), "|");
        assert_eq!(typed("héllo", &["left", "backspace"]), "hél|o");
        assert!(!Line::new("x").edit(Key::plain(KeyCode::Up)));
    }

    #[test]
    fn controls_and_excess_stay_out() {
        let mut line = Line::new("a\u{1b}[31mb");
        assert_eq!(line.text(), "a[31mb");
        line.insert(&"x".repeat(10_000));
        assert_eq!(line.text().chars().count(), LONGEST);
    }
}
