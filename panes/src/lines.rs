//! Text in pieces of several roles, section by section: the details of a thing.

use quarterdeck_ui::Context;
use quarterdeck_widgets::{Glyph, Look, Role, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;

/// One line, in pieces.
pub(crate) type Pieces = Vec<(String, Role)>;

/// One line of details.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Line {
    /// The begin of a section: its title, and what stands at its right.
    Section(String, String),
    /// Text.
    Text(Pieces),
    /// A sign in its role, and text behind it.
    Signed(Glyph, Role, Pieces),
}

/// Details under way.
#[derive(Debug)]
pub(crate) struct Details {
    pub(crate) lines: Vec<Line>,
    width: usize,
}

impl Details {
    /// Nothing yet, for an area of this width.
    pub(crate) fn new(width: u16) -> Self {
        Self { lines: Vec::new(), width: usize::from(width.saturating_sub(2)).max(16) }
    }

    /// How many columns a line has.
    pub(crate) const fn width(&self) -> usize {
        self.width
    }

    pub(crate) fn section(&mut self, title: impl Into<String>, right: impl Into<String>) {
        self.lines.push(Line::Section(title.into(), right.into()));
    }

    pub(crate) fn pieces<const N: usize>(&mut self, pieces: [(&str, Role); N]) {
        self.lines.push(Line::Text(pieces.map(|(text, role)| (text.to_owned(), role)).to_vec()));
    }

    /// Begins a line with a sign; [`Details::more`] goes on with it.
    pub(crate) fn glyph(&mut self, glyph: Glyph, role: Role) {
        self.lines.push(Line::Signed(glyph, role, Vec::new()));
    }

    /// Goes on with the line that a sign began.
    pub(crate) fn more<const N: usize>(&mut self, pieces: [(&str, Role); N]) {
        if let Some(Line::Signed(_, _, line)) = self.lines.last_mut() {
            line.extend(pieces.map(|(text, role)| (text.to_owned(), role)));
        }
    }

    /// Text over as many lines as it needs, at most `most`.
    pub(crate) fn wrapped(&mut self, text: &str, role: Role, most: usize) {
        let lines = text::wrap(text, self.width).into_iter().take(most);
        self.lines.extend(lines.map(|line| Line::Text(vec![(line, role)])));
    }

    /// A name and its value, wrapped under itself.
    pub(crate) fn field(&mut self, name: &str, value: &str, role: Role) {
        const NAME: usize = 14;
        let room = self.width.saturating_sub(NAME + 1).max(12);
        let name = text::cut(name, NAME).into_owned();
        let pad = " ".repeat(NAME.saturating_sub(text::width(&name)) + 1);
        for (place, line) in text::wrap(value, room).into_iter().take(12).enumerate() {
            let before = if place == 0 { format!("{name}{pad}") } else { " ".repeat(NAME + 1) };
            self.lines.push(Line::Text(vec![(before, Role::Muted), (line, role)]));
        }
    }
}

/// Draws what fits of lines, from the one at `from` on.
pub(crate) fn draw(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, lines: &[Line], from: usize) {
    for (line, y) in lines.iter().skip(from).zip(area.y..area.bottom()) {
        draw_line(cx.look, buffer, Rect { y, height: 1, ..area }, line);
    }
}

fn draw_line(look: &Look, buffer: &mut Buffer, area: Rect, line: &Line) {
    match line {
        Line::Section(title, right) => rule::rule(look, buffer, area, title, right),
        Line::Text(pieces) => {
            let spans: Vec<_> =
                pieces.iter().map(|(piece, role)| (piece.as_str(), look.style(*role))).collect();
            text::put_spans(buffer, area.x + 1.min(area.width), area.y, area.width.saturating_sub(2), &spans);
        }
        Line::Signed(glyph, role, pieces) => {
            let sign = [(look.glyph(*glyph), look.style(*role)), (" ", look.style(Role::Text))];
            let text = pieces.iter().map(|(piece, role)| (piece.as_str(), look.style(*role)));
            let spans: Vec<_> = sign.into_iter().chain(text).collect();
            text::put_spans(buffer, area.x + 1.min(area.width), area.y, area.width.saturating_sub(2), &spans);
        }
    }
}
