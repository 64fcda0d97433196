//! A line of text that is typed in a layer.

use quarterdeck_widgets::Look;
use quarterdeck_widgets::Role;
use quarterdeck_widgets::prompt::{Edit, Prompt};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use crate::keys::Key;

/// The toolkit's prompt without its history and choices: layers have their own lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line(Prompt);

impl Line {
    pub(crate) fn new(text: &str) -> Self {
        let mut line = Self::default();
        line.0.set_text(text);
        line
    }

    /// An empty line with what is shown while nothing is typed.
    pub(crate) fn inviting(invitation: &str) -> Self {
        Self(Prompt::new("", invitation))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.text()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.text().is_empty()
    }

    pub(crate) fn insert(&mut self, text: &str) {
        self.0.insert(text);
    }

    /// Edits with a key, as shells do; false when the key is none that edits.
    pub(crate) fn edit(&mut self, key: Key) -> bool {
        let edit = key.text().map(Edit::Insert).or_else(|| Edit::from_key(&key.to_string()));
        match edit {
            None | Some(Edit::Up | Edit::Down | Edit::Complete) => false,
            Some(edit) => {
                self.0.edit(edit);
                true
            }
        }
    }

    /// Draws the line with its cursor, scrolled so that the cursor is seen.
    pub(crate) fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect) {
        let cursor = self.0.draw(look, buffer, Rect { height: area.height.min(1), ..area });
        if let Some(cell) = cursor.and_then(|at| buffer.cell_mut(at)) {
            cell.set_style(look.style(Role::Accent).add_modifier(Modifier::REVERSED));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::KeyCode;

    #[test]
    fn keys_edit_and_the_others_pass() {
        let mut line = Line::new("one two");
        for key in ["ctrl-w", "t", "space", "é", "backspace"] {
            assert!(line.edit(key.parse().unwrap()), "{key} edits");
        }
        assert_eq!(line.text(), "one t ");
        for key in ["up", "tab", "f1", "ctrl-l", "enter", "esc"] {
            assert!(!line.edit(key.parse().unwrap()), "{key} passes");
        }
        assert!(!line.edit(Key::plain(KeyCode::PageUp)));
        line.insert("a\u{1b}[31mb");
        assert_eq!(line.text(), "one t ab");
    }
}
