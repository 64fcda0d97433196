//! How layers look.

use quarterdeck_kernel::{Danger, Severity};
use quarterdeck_widgets::popup::{centred, float};
use quarterdeck_widgets::{Glyph, Look, Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::picker::Purpose;
use super::{Ask, Button, Confirm, Leave, Picker};

/// Hints of a border: keys and what they do.
pub(crate) fn border_hints(hints: &[(String, &str)], look: &Look) -> String {
    let dot = format!(" {} ", look.glyph(Glyph::Dot));
    let shown = hints.iter().filter(|(keys, _)| !keys.is_empty());
    shown.map(|(keys, title)| format!("{keys} {title}")).collect::<Vec<_>>().join(&dot)
}

impl Picker {
    /// Draws the list; returns where each visible entry stands, by its place among those found.
    pub(crate) fn draw(
        &self,
        hints: &str,
        look: &Look,
        buffer: &mut Buffer,
        area: Rect,
    ) -> Vec<(Rect, usize)> {
        let width = match self.purpose {
            Purpose::Palette | Purpose::Help | Purpose::Messages => area.width.saturating_sub(8).min(104),
            Purpose::Theme | Purpose::Service | Purpose::Range => area.width.saturating_sub(8).min(72),
        };
        let tallest = area.height.saturating_sub(4).min(34);
        // The size follows from all entries, not from those found: a list must not jump while one types.
        let headings =
            if self.groups() { self.entries.chunk_by(|a, b| a.group == b.group).count() } else { 0 };
        let wanted = u16::try_from(self.entries.len() + headings + 4).unwrap_or(u16::MAX);
        let place = centred(area, width, wanted.clamp(8, tallest.max(8)));
        let inner = float(look, buffer, place, self.purpose.title(), hints);
        if inner.height < 3 || inner.width < 12 {
            return Vec::new();
        }
        self.draw_line(look, buffer, inner);
        let list = Rect::new(inner.x, inner.y + 2, inner.width, inner.height - 2);
        if self.found.is_empty() {
            let style = look.style(Role::Muted);
            text::put(
                buffer,
                list.x + 2,
                list.y,
                list.width.saturating_sub(4),
                self.purpose.nothing(),
                style,
            );
            return Vec::new();
        }
        self.draw_list(look, buffer, list)
    }

    fn groups(&self) -> bool {
        matches!(self.purpose, Purpose::Palette | Purpose::Help)
    }

    fn draw_line(&self, look: &Look, buffer: &mut Buffer, inner: Rect) {
        text::put(buffer, inner.x + 1, inner.y, 2, look.glyph(Glyph::Prompt), look.style(Role::Accent));
        let count = format!("{} of {}", self.found.len(), self.entries.len());
        let taken = u16::try_from(text::width(&count)).unwrap_or(0) + 1;
        let typed = Rect::new(inner.x + 3, inner.y, inner.width.saturating_sub(5 + taken), 1);
        self.line.draw(look, buffer, typed);
        text::put(
            buffer,
            inner.right().saturating_sub(taken),
            inner.y,
            taken,
            &count,
            look.style(Role::Faint),
        );
    }

    fn draw_list(&self, look: &Look, buffer: &mut Buffer, list: Rect) -> Vec<(Rect, usize)> {
        let headings = self.groups() && self.line.is_empty();
        // What stands on each row: a heading, or the place of a found entry.
        let mut rows: Vec<Result<usize, &str>> = Vec::with_capacity(self.found.len());
        let mut group: Option<&str> = None;
        for (place, found) in self.found.iter().enumerate() {
            let entry = &self.entries[found.entry];
            if headings && group != Some(&entry.group) {
                group = Some(&entry.group);
                rows.push(Err(&entry.group));
            }
            rows.push(Ok(place));
        }
        let height = usize::from(list.height);
        let at = rows.iter().position(|r| *r == Ok(self.selected)).unwrap_or(0);
        let top = (at + 1 + height / 3).saturating_sub(height).min(rows.len().saturating_sub(height));
        let visible = &rows[top..(top + height).min(rows.len())];
        let width_of = |f: &dyn Fn(&super::picker::Entry) -> usize| {
            let entries = visible.iter().filter_map(|r| r.ok()).map(|p| &self.entries[self.found[p].entry]);
            entries.map(f).max().unwrap_or(0)
        };
        let keys_width = width_of(&|e| text::width(&e.keys) + usize::from(e.danger > Danger::Safe));
        let label_width = width_of(&|e| text::width(&e.label)).min(usize::from(list.width) / 2);
        let (keys_width, label_width) = (clip(keys_width.min(20)), clip(label_width));
        let messages = self.purpose == Purpose::Messages;
        let mut places = Vec::new();
        for (row, content) in visible.iter().enumerate() {
            let y = list.y + clip(row);
            match content {
                Err(heading) => {
                    text::put(buffer, list.x + 1, y, list.width - 2, heading, look.style(Role::Heading));
                }
                Ok(place) => {
                    let label_width =
                        if messages { list.width.saturating_sub(keys_width + 15) } else { label_width };
                    self.draw_entry(
                        *place,
                        (keys_width, label_width),
                        look,
                        buffer,
                        Rect { y, height: 1, ..list },
                    );
                    places.push((Rect { y, height: 1, ..list }, *place));
                }
            }
        }
        places
    }

    fn draw_entry(&self, place: usize, widths: (u16, u16), look: &Look, buffer: &mut Buffer, area: Rect) {
        let found = &self.found[place];
        let entry = &self.entries[found.entry];
        let (keys_width, label_width) = widths;
        if place == self.selected {
            buffer.set_style(area, look.style(Role::Selection));
            text::put(buffer, area.x, area.y, 1, look.glyph(Glyph::Bar), look.style(Role::Accent));
        }
        let role = if entry.dimmed { Role::Faint } else { Role::Text };
        let mut x = area.x + 2;
        if keys_width > 0 {
            let danger = if entry.danger > Danger::Safe { "!" } else { "" };
            let role = match (entry.dimmed, danger) {
                (true, _) => Role::Faint,
                (false, "!") => Role::Warning,
                (false, _) => Role::Key,
            };
            text::put(buffer, x, area.y, keys_width, &format!("{}{danger}", entry.keys), look.style(role));
            x += keys_width + 2;
        }
        let label_at = x;
        text::put(
            buffer,
            x,
            area.y,
            label_width.min(area.right().saturating_sub(x + 1)),
            &entry.label,
            look.style(role),
        );
        let prefix: Vec<char> = entry.label.chars().collect();
        for mark in &found.marks {
            let before: String = prefix.iter().take(*mark as usize).collect();
            let at = label_at.saturating_add(clip(text::width(&before)));
            if at < label_at + label_width
                && let Some(cell) = buffer.cell_mut((at, area.y))
            {
                cell.set_style(look.style(Role::Match));
            }
        }
        x = x.saturating_add(label_width + 2);
        if x < area.right() {
            let role = if entry.dimmed { Role::Faint } else { Role::Muted };
            text::put(buffer, x, area.y, area.right().saturating_sub(x + 1), &entry.detail, look.style(role));
        }
    }
}

impl Ask {
    pub(crate) fn draw(&self, hints: &str, look: &Look, buffer: &mut Buffer, area: Rect) {
        let matching = self.matching();
        let rows = matching.len().min(8);
        let width = area.width.saturating_sub(8).min(72);
        // What holds now stands first, what may be written below it.
        let told = self.situation.iter().map(|text| (text.as_str(), Role::Text));
        let told = told.chain([(self.arg.description, Role::Muted)]);
        let told: Vec<(String, Role)> = told
            .flat_map(|(words, role)| {
                text::wrap(words, usize::from(width.saturating_sub(4))).into_iter().map(move |l| (l, role))
            })
            .collect();
        let place = centred(area, width, clip(rows + told.len() + 5));
        let mut inner = float(look, buffer, place, &self.title, hints);
        if inner.height < 2 || inner.width < 8 {
            return;
        }
        let room = inner.width - 2;
        let lines = clip(told.len()).clamp(1, inner.height - 1);
        for ((words, role), y) in told.iter().zip(inner.y..inner.y + lines) {
            text::put(buffer, inner.x + 1, y, room, words, look.style(*role));
        }
        inner = Rect { y: inner.y + lines - 1, height: inner.height + 1 - lines, ..inner };
        let label = format!("{} {} ", self.arg.name, look.glyph(Glyph::Prompt));
        let used = text::put(buffer, inner.x + 1, inner.y + 1, room, &label, look.style(Role::Accent));
        let typed = Rect::new(inner.x + 1 + used, inner.y + 1, room.saturating_sub(used), 1);
        self.line.draw(look, buffer, typed);
        if let Some(error) = self.error.as_ref().filter(|_| inner.height > 2) {
            let words = format!("{} {error}", look.glyph(Severity::Warning));
            text::put(buffer, inner.x + 1, inner.y + 2, room, &words, look.style(Role::Warning));
        }
        let first = self.picked.map_or(0, |p| (p + 1).saturating_sub(rows));
        let widest = clip(matching.iter().map(|c| text::width(c)).max().unwrap_or(0));
        for (row, completion) in matching.iter().skip(first).take(rows).enumerate() {
            let y = inner.y + 3 + clip(row);
            if y >= inner.bottom() {
                break;
            }
            if self.picked == Some(first + row) {
                buffer.set_style(Rect::new(inner.x, y, inner.width, 1), look.style(Role::Selection));
                text::put(buffer, inner.x, y, 1, look.glyph(Glyph::Bar), look.style(Role::Accent));
            }
            text::put(buffer, inner.x + 2, y, room - 1, completion, look.style(Role::Text));
            if let Some(note) = self.notes.get(*completion) {
                let x = inner.x + 4 + widest;
                let room = inner.right().saturating_sub(x + 1);
                text::put(buffer, x, y, room, note, look.style(Role::Muted));
            }
        }
    }
}

impl Confirm {
    /// Draws the dialog; returns where its buttons stand.
    pub(crate) fn draw(
        &self,
        hints: &str,
        yes: &str,
        look: &Look,
        buffer: &mut Buffer,
        area: Rect,
    ) -> Vec<(Rect, Button)> {
        let width = area.width.saturating_sub(8).min(76);
        let room = usize::from(width.saturating_sub(6));
        let (spec, invocation) = (&self.draft.spec, &self.draft.invocation);
        let mut lines: Vec<(String, Style)> = Vec::new();
        for told in self.preview.iter().take(12) {
            lines.extend(text::wrap(told, room).into_iter().map(|l| (l, look.style(Role::Text))));
        }
        if self.preview.len() > 12 {
            lines.push((format!("and {} more", self.preview.len() - 12), look.style(Role::Muted)));
        }
        if self.preview.is_empty() {
            lines.extend(text::wrap(spec.description, room).into_iter().map(|l| (l, look.style(Role::Text))));
        }
        // What will happen tells the arguments already; where nothing tells it, they do.
        for (name, value) in invocation.args.iter().filter(|_| self.preview.is_empty()) {
            lines.push((format!("{name} = {value}"), look.style(Role::Muted)));
        }
        if let Some(reason) = invocation.reason.as_ref().filter(|_| self.reason.is_none()) {
            lines.push((format!("because {reason}"), look.style(Role::Muted)));
        }
        // An undo is itself an action of the entry's kind, and can be undone like any.
        if spec.inverse.is_none() && spec.id != "timeline.undo" {
            lines.push(("this cannot be undone from here".to_owned(), look.style(Role::Warning)));
        }
        let place = centred(area, width, clip(lines.len() + 5 + usize::from(self.reason.is_some())));
        let inner = float(look, buffer, place, &format!("{}?", self.title), hints);
        if inner.height < 3 || inner.width < 12 {
            return Vec::new();
        }
        let controls = 2 + u16::from(self.reason.is_some());
        let rows = inner.y + 1..inner.bottom().saturating_sub(controls);
        for (y, (text, style)) in rows.zip(&lines) {
            text::put(buffer, inner.x + 2, y, inner.width - 4, text, *style);
        }
        let mut bottom = inner.bottom() - 1;
        let row = |y: u16| Rect::new(inner.x + 2, y, inner.width.saturating_sub(4), 1);
        if let Some(reason) = &self.reason {
            let used = text::put(
                buffer,
                inner.x + 2,
                bottom,
                inner.width - 4,
                "reason › ",
                look.style(Role::Accent),
            );
            let area = row(bottom);
            let typed = Rect { x: area.x + used, width: area.width.saturating_sub(used), ..area };
            reason.draw(look, buffer, typed);
            bottom = bottom.saturating_sub(1);
        }
        if self.by_name() {
            let wrong = if self.wrong { "that is not its name: " } else { "" };
            let label = format!("{wrong}type {} › ", self.draft.target());
            let role = if self.wrong { Role::Critical } else { Role::Warning };
            let used =
                text::put(buffer, inner.x + 2, bottom, (inner.width - 4) * 2 / 3, &label, look.style(role));
            let area = row(bottom);
            let typed = Rect { x: area.x + used, width: area.width.saturating_sub(used), ..area };
            self.typed.draw(look, buffer, typed);
            Vec::new()
        } else {
            let verb = spec.title;
            buttons(self.focus, verb, yes, look, buffer, row(bottom))
        }
    }
}

impl Leave {
    /// Draws the dialog; returns where its buttons stand.
    pub(crate) fn draw(
        &self,
        hints: &str,
        yes: &str,
        look: &Look,
        buffer: &mut Buffer,
        area: Rect,
    ) -> Vec<(Rect, Button)> {
        let width = area.width.saturating_sub(8).min(70);
        let lines = text::wrap(&self.why, usize::from(width.saturating_sub(6)));
        let place = centred(area, width, clip(lines.len() + 5));
        let inner = float(look, buffer, place, "Leave the console?", hints);
        if inner.height < 2 || inner.width < 12 {
            return Vec::new();
        }
        for (y, told) in (inner.y + 1..inner.bottom()).zip(&lines) {
            text::put(buffer, inner.x + 2, y, inner.width - 4, told, look.style(Role::Text));
        }
        let row = Rect::new(inner.x + 2, inner.bottom() - 1, inner.width - 4, 1);
        buttons(self.focus, "Leave", yes, look, buffer, row)
    }
}

/// Two buttons, Cancel first; returns where they stand. The focus shows without colour too: in brackets.
fn buttons(
    focus: Button,
    verb: &str,
    yes: &str,
    look: &Look,
    buffer: &mut Buffer,
    area: Rect,
) -> Vec<(Rect, Button)> {
    let yes = if yes.is_empty() { verb.to_owned() } else { format!("{verb} ({yes})") };
    let mut x = area.x;
    let mut places = Vec::new();
    for (label, button) in [("Cancel".to_owned(), Button::Cancel), (yes, Button::Yes)] {
        let (label, style) = if focus == button {
            let style = look.style(Role::Accent).add_modifier(Modifier::BOLD | Modifier::REVERSED);
            (format!("[ {label} ]"), style)
        } else {
            (format!("  {label}  "), look.style(Role::Muted))
        };
        let used = text::put(buffer, x, area.y, area.right().saturating_sub(x), &label, style);
        places.push((Rect { x, width: used, ..area }, button));
        x += used + 2;
    }
    places
}

fn clip(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}
