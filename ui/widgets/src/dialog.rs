//! Confirmations: what will happen, in numbers, and Cancel in front.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::popup::{centred, float};
use crate::prompt::Prompt;
use crate::{Look, Role, text};

/// A question before something is done.
#[derive(Clone, Debug)]
pub struct Dialog<'a> {
    /// What would be done: "Roll back orders to v1?"
    pub title: &'a str,
    /// What will happen, one line each: "412 requests/s move from v2 to v1".
    pub lines: &'a [String],
    /// How grave it is: `warning` for what can be undone, `critical` for what cannot.
    pub role: Role,
    /// What the button says: "roll back".
    pub verb: &'a str,
    /// For the gravest: the text that has to be typed, and what has been typed so far.
    pub typed: Option<(&'a str, &'a Prompt)>,
}

impl Dialog<'_> {
    /// The area that it takes of a screen.
    #[must_use]
    pub fn area(&self, screen: Rect) -> Rect {
        let longest =
            self.lines.iter().map(|line| text::width(line)).chain([text::width(self.title) + 4, 40]).max();
        let width = u16::try_from(longest.unwrap_or(40) + 8)
            .unwrap_or(u16::MAX)
            .min(screen.width.saturating_sub(4))
            .min(84);
        let inside = usize::from(width.saturating_sub(6));
        let wrapped: usize = self.lines.iter().map(|line| text::wrap(line, inside).len().max(1)).sum();
        let typed = if self.typed.is_some() { 3 } else { 0 };
        let height = u16::try_from(wrapped + 6 + typed).unwrap_or(u16::MAX);
        centred(screen, width, height)
    }

    /// Draws it in the middle of the screen; Enter is Cancel, `y` is yes.
    pub fn draw(&self, look: &Look, buffer: &mut Buffer, screen: Rect) {
        let area = self.area(screen);
        let inside = float(look, buffer, area, self.title, "");
        if inside.is_empty() {
            return;
        }
        text::put(
            buffer,
            area.x + 3,
            area.y,
            area.width.saturating_sub(6),
            self.title,
            look.style(self.role),
        );
        let (x, room) = (inside.x + 2, inside.width.saturating_sub(4));
        let mut y = inside.y + 1;
        let foot = inside.bottom().saturating_sub(2);
        'lines: for line in self.lines {
            for part in text::wrap(line, usize::from(room)) {
                if y >= foot {
                    break 'lines;
                }
                text::put(buffer, x, y, room, &part, look.style(Role::Text));
                y += 1;
            }
        }
        if let Some((wanted, prompt)) = self.typed {
            self.draw_typed(look, buffer, (x, y + 1), room, foot, wanted, prompt);
        }
        self.draw_buttons(look, buffer, x, foot, room);
    }

    #[expect(clippy::too_many_arguments, reason = "where and what, each needed once")]
    fn draw_typed(
        &self,
        look: &Look,
        buffer: &mut Buffer,
        (x, y): (u16, u16),
        room: u16,
        foot: u16,
        wanted: &str,
        prompt: &Prompt,
    ) {
        if y + 1 >= foot {
            return;
        }
        let spans = [
            ("Type ", look.style(Role::Muted)),
            (wanted, look.style(self.role)),
            (" to go on", look.style(Role::Muted)),
        ];
        text::put_spans(buffer, x, y, room, &spans);
        prompt.draw(look, buffer, Rect { x, y: y + 1, width: room, height: 1 });
    }

    fn draw_buttons(&self, look: &Look, buffer: &mut Buffer, x: u16, y: u16, room: u16) {
        // What has to be typed first is faint until it is.
        let ready = self.typed.is_none_or(|(wanted, prompt)| prompt.text() == wanted);
        let (key, verb) = if ready { (Role::Key, self.role) } else { (Role::Faint, Role::Faint) };
        let yes = if self.typed.is_some() { "Enter" } else { "y" };
        let cancel = look.style(Role::Text).patch(look.style(Role::Selection));
        let spans = [
            ("▌", look.style(Role::Accent).patch(look.style(Role::Selection))),
            (
                if self.typed.is_some() { "Esc" } else { "Enter" },
                look.style(Role::Key).patch(look.style(Role::Selection)),
            ),
            (" cancel ", cancel),
            ("    ", look.style(Role::Text)),
            (yes, look.style(key)),
            (" ", look.style(Role::Text)),
            (self.verb, look.style(verb)),
        ];
        text::put_spans(buffer, x, y, room, &spans);
    }
}
