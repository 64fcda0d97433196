//! A few lines to fill in, with what follows from them below: floats over its pane.

use std::borrow::Cow;
use std::collections::BTreeMap;

use quarterdeck_ui::Key;
use quarterdeck_widgets::prompt::{Edit, Prompt};
use quarterdeck_widgets::{Look, Role, popup, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

/// One line to fill in.
#[derive(Clone, Debug)]
struct Field {
    /// The argument's name.
    name: Cow<'static, str>,
    prompt: Prompt,
    /// What it could be.
    choices: Vec<String>,
}

/// What came of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// It goes on.
    Goes,
    /// It was left; nothing is to be done.
    Left,
    /// It is filled in: what is not empty, by argument.
    Done(BTreeMap<String, String>),
}

/// The lines, and which one is typed in.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    title: String,
    fields: Vec<Field>,
    focus: usize,
    /// What follows from what is typed, in lines.
    pub(crate) told: Vec<(String, Role)>,
}

impl Form {
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), fields: Vec::new(), focus: 0, told: Vec::new() }
    }

    /// With one more line: the argument, what stands in it at first, what is shown while it is empty.
    pub(crate) fn field(mut self, name: impl Into<Cow<'static, str>>, text: &str, invitation: &str) -> Self {
        let mut prompt = Prompt::new("", invitation);
        prompt.set_text(text);
        self.fields.push(Field { name: name.into(), prompt, choices: Vec::new() });
        self
    }

    /// The last line can be one of these.
    pub(crate) fn choices(mut self, choices: Vec<String>) -> Self {
        if let Some(field) = self.fields.last_mut() {
            field.choices = choices;
        }
        self
    }

    /// Types in another line at first.
    pub(crate) fn at(mut self, focus: usize) -> Self {
        self.focus = focus.min(self.fields.len().saturating_sub(1));
        self
    }

    /// What it is for.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// What stands in a line.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.iter().find(|f| f.name == name).map_or("", |f| f.prompt.text())
    }

    pub(crate) fn paste(&mut self, pasted: &str) {
        if let Some(field) = self.fields.get_mut(self.focus) {
            field.prompt.insert(pasted);
        }
    }

    pub(crate) fn key(&mut self, key: Key) -> Typed {
        let count = self.fields.len().max(1);
        match key.to_string().as_str() {
            "esc" => return Typed::Left,
            "enter" => return Typed::Done(self.values()),
            "tab" | "down" => {
                if !self.complete() {
                    self.focus = (self.focus + 1) % count;
                }
            }
            "shift-tab" | "up" => self.focus = (self.focus + count - 1) % count,
            name => {
                let edit = key.text().map(Edit::Insert).or_else(|| Edit::from_key(name));
                if let (Some(edit), Some(field)) = (edit, self.fields.get_mut(self.focus)) {
                    field.prompt.edit(edit);
                }
            }
        }
        Typed::Goes
    }

    fn values(&self) -> BTreeMap<String, String> {
        let filled = self.fields.iter().filter(|f| !f.prompt.text().trim().is_empty());
        filled.map(|f| (f.name.clone().into_owned(), f.prompt.text().trim().to_owned())).collect()
    }

    /// What the line that is typed in could become.
    fn matching(&self) -> Vec<&str> {
        let Some(field) = self.fields.get(self.focus) else { return Vec::new() };
        let typed = field.prompt.text().to_lowercase();
        field.choices.iter().map(String::as_str).filter(|c| c.to_lowercase().contains(&typed)).collect()
    }

    /// Puts in the first choice that goes with what is typed.
    fn complete(&mut self) -> bool {
        let first = self.matching().first().map(|c| (*c).to_owned());
        let Some(field) = self.fields.get_mut(self.focus) else { return false };
        match first {
            Some(choice) if choice != field.prompt.text() => {
                field.prompt.set_text(&choice);
                true
            }
            _ => false,
        }
    }

    pub(crate) fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect) {
        let choices = self.matching().join("  ");
        let choices = if choices.is_empty() { Vec::new() } else { vec![(choices, Role::Muted)] };
        let below: Vec<&(String, Role)> = choices.iter().chain(&self.told).collect();
        let height = (self.fields.len() + below.len() + 2) as u16;
        let float = popup::centred(area, area.width.saturating_sub(4).min(110), height);
        let hints = "Enter go on · Tab next line · Esc nothing is done";
        let inside = popup::float(look, buffer, float, &self.title, hints);
        let widest = self.fields.iter().map(|f| text::width(&f.name)).max().unwrap_or(0) as u16;
        let room = inside.width.saturating_sub(widest + 4);
        for ((place, field), y) in self.fields.iter().enumerate().zip(inside.y..inside.bottom()) {
            let focused = place == self.focus;
            let role = if focused { Role::Accent } else { Role::Muted };
            text::put(buffer, inside.x + 1, y, widest, &field.name, look.style(role));
            let line = Rect { x: inside.x + widest + 3, y, width: room, height: 1 }.intersection(inside);
            if focused {
                let cursor = field.prompt.draw(look, buffer, line);
                if let Some(cell) = cursor.and_then(|at| buffer.cell_mut(at)) {
                    cell.set_style(look.style(Role::Accent).add_modifier(Modifier::REVERSED));
                }
            } else {
                text::put(buffer, line.x, y, line.width, field.prompt.text(), look.style(Role::Text));
            }
        }
        let from = inside.y + self.fields.len() as u16;
        for ((told, role), y) in below.into_iter().zip(from..inside.bottom()) {
            text::put(buffer, inside.x + 1, y, inside.width.saturating_sub(2), told, look.style(*role));
        }
    }
}
