//! What every pane with a table does alike: moving, filtering, sorting, choosing columns, copying, the mouse.
//!
//! A pane lists its commands with [`list_commands!`](crate::list_commands), keeps a [`Listing`], and hands commands, keys and clicks on
//! to it; what the listing does not know stays the pane's.

use quarterdeck_widgets::table::{Column, Rows, Sort, Spec, Table, TableHit, TableState};
use quarterdeck_widgets::{Glyph, Look, Role, popup, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::keys::{Key, KeyCode};
use crate::layers::line::Line;
use crate::pane::{Click, Effect, Event, World};

/// The commands of a pane with a [`Listing`], then more of its own: `list_commands!("targets", CommandSpec { … })`.
#[macro_export]
macro_rules! list_commands {
    ($pane:literal $(, $more:expr)* $(,)?) => {{
        use $crate::pane::CommandSpec;
        const fn spec(id: &'static str, title: &'static str, description: &'static str, keys: &'static [&'static str]) -> CommandSpec {
            CommandSpec { id, title, description, keys, action: None }
        }
        const LIST: &[CommandSpec] = &[
            $($more,)*
            spec(concat!($pane, ".down"), "down", "Select the row below.", &["down", "j"]),
            spec(concat!($pane, ".up"), "up", "Select the row above.", &["up", "k"]),
            spec(concat!($pane, ".page-down"), "page down", "Go a page down.", &["pagedown", "ctrl-f"]),
            spec(concat!($pane, ".page-up"), "page up", "Go a page up.", &["pageup", "ctrl-b"]),
            spec(concat!($pane, ".first"), "first", "Select the first row.", &["home"]),
            spec(concat!($pane, ".last"), "last", "Select the last row.", &["end", "G"]),
            spec(concat!($pane, ".filter"), "filter", "Show only rows with these words; col:word looks in one column, !word leaves out.", &["/"]),
            spec(concat!($pane, ".sort"), "sort", "Sort by the next column.", &["s"]),
            spec(concat!($pane, ".reverse"), "reverse", "Sort the other way.", &["alt-s"]),
            spec(concat!($pane, ".columns"), "columns", "Choose the columns.", &["c"]),
            spec(concat!($pane, ".copy"), "copy row", "Copy the selected row, columns separated by tabs.", &["y"]),
            spec(concat!($pane, ".back"), "back", "Clear the filter, or leave the pane.", &["esc"]),
        ];
        LIST
    }};
}

/// What came of a command or click that a listing was handed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Did {
    /// Nothing: it is the pane's business.
    Nothing,
    /// The listing has changed, or has stayed as it is.
    Changed,
    /// The selected row is to be opened.
    Open,
    /// This text is to be copied.
    Copy(String),
    /// There is nothing left to clear: the pane is to be left.
    Back,
}

/// A table with its filter line and its column chooser.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The table.
    pub table: TableState,
    /// Whether keys go elsewhere now: the selection is drawn quietly then.
    pub unfocused: bool,
    /// The filter as it is typed, and as it was before.
    filtering: Option<(Line, String)>,
    /// The column that the chooser points at.
    choosing: Option<usize>,
    /// What must be arranged in the background.
    wanted: Option<Spec>,
}

impl Did {
    /// What a pane wants of it; `open` is asked when the selected row is to be opened.
    pub fn effects<W: World>(self, open: impl FnOnce() -> Vec<Effect<W>>) -> Vec<Effect<W>> {
        match self {
            Self::Nothing | Self::Changed => Vec::new(),
            Self::Open => open(),
            Self::Copy(text) => vec![Effect::Copy(text)],
            Self::Back => vec![Effect::Back],
        }
    }
}

impl Listing {
    /// A listing of these columns, sorted as given.
    #[must_use]
    pub fn new(columns: &[Column], sort: Option<Sort>) -> Self {
        Self { table: TableState::new(columns, sort), ..Self::default() }
    }

    /// To be called when the rows have changed.
    pub fn refresh(&mut self, rows: &(impl Rows + ?Sized)) {
        self.wanted = self.table.refresh(rows);
    }

    /// What a large table has to be arranged by in the background, once per change; the outcome goes to
    /// [`TableState::adopt`].
    pub fn wanted(&mut self) -> Option<Spec> {
        self.wanted.take()
    }

    /// Whether keys are text or belong to the column chooser now.
    #[must_use]
    pub fn typing(&self) -> bool {
        self.filtering.is_some() || self.choosing.is_some()
    }

    /// Takes whatever the pane does not take itself: commands, keys, pastes and clicks; new worlds and scopes refresh it.
    pub fn take<W: World>(&mut self, event: &Event<'_, W>, area: Rect, rows: &(impl Rows + ?Sized)) -> Did {
        match event {
            Event::Command(id) => return self.command(id.rsplit('.').next().unwrap_or_default(), area, rows),
            Event::Hit { click, at, .. } => return self.click(*click, *at, area, rows),
            Event::Key(key) => self.key(*key, rows),
            Event::Paste(text) => self.paste(text, rows),
            Event::Shown | Event::World | Event::Scope => self.refresh(rows),
            Event::Open(_) | Event::Return(_) | Event::Answer { .. } => return Did::Nothing,
        }
        Did::Changed
    }

    /// Does what the part of a command's id behind the dot says; `area` is what the listing was drawn in.
    pub fn command(&mut self, verb: &str, area: Rect, rows: &(impl Rows + ?Sized)) -> Did {
        let height = self.height(area);
        self.table.settle(height);
        match verb {
            "down" => self.table.step(1, rows),
            "up" => self.table.step(-1, rows),
            "page-down" => self.table.page(1, height, rows),
            "page-up" => self.table.page(-1, height, rows),
            "first" => self.table.first(rows),
            "last" => self.table.last(rows),
            "filter" => {
                let before = self.table.filter().to_owned();
                self.filtering = Some((Line::new(&before), before));
            }
            "sort" => {
                self.table.sort_next();
                self.refresh(rows);
            }
            "reverse" => {
                if let Some(sort) = self.table.sort() {
                    self.table.sort_by(sort.column);
                    self.refresh(rows);
                }
            }
            "columns" => self.choosing = Some(0),
            "copy" => {
                return self
                    .table
                    .selected_row()
                    .map_or(Did::Changed, |row| Did::Copy(self.row_text(row, rows)));
            }
            "back" if self.table.filter().is_empty() => return Did::Back,
            "back" => {
                self.table.set_filter("");
                self.refresh(rows);
            }
            _ => return Did::Nothing,
        }
        Did::Changed
    }

    /// Takes a key while [`Listing::typing`].
    pub fn key(&mut self, key: Key, rows: &(impl Rows + ?Sized)) {
        if let Some(at) = self.choosing {
            self.choose(key, at);
            return;
        }
        let Some((line, before)) = &mut self.filtering else { return };
        match key.code {
            KeyCode::Enter | KeyCode::Down | KeyCode::Up => {
                self.filtering = None;
                return;
            }
            KeyCode::Esc => {
                let before = std::mem::take(before);
                self.filtering = None;
                self.table.set_filter(&before);
            }
            _ => {
                if !line.edit(key) {
                    return;
                }
                let text = line.text();
                self.table.set_filter(text);
            }
        }
        self.refresh(rows);
    }

    /// Takes pasted text while [`Listing::typing`].
    pub fn paste(&mut self, text: &str, rows: &(impl Rows + ?Sized)) {
        if let Some((line, _)) = &mut self.filtering {
            line.insert(text);
            let text = line.text();
            self.table.set_filter(text);
            self.refresh(rows);
        }
    }

    /// Takes a click on the area that the listing was drawn in; `at` counts from its top left.
    pub fn click(&mut self, click: Click, at: (u16, u16), area: Rect, rows: &(impl Rows + ?Sized)) -> Did {
        let height = self.height(area);
        self.table.settle(height);
        match click {
            Click::ScrollDown => self.table.scroll(3, height, rows),
            Click::ScrollUp => self.table.scroll(-3, height, rows),
            Click::Press | Click::Drag | Click::Double => match Table::new(&self.table).hit(area, at) {
                Some(TableHit::Heading(column)) if click == Click::Press => {
                    self.table.sort_by(column);
                    self.refresh(rows);
                }
                Some(TableHit::Row(place)) => {
                    self.table.select_place(place, rows);
                    if click == Click::Double {
                        return Did::Open;
                    }
                }
                Some(TableHit::Scrollbar(place)) => self.table.select_place(place, rows),
                Some(TableHit::Heading(_)) | None => {}
            },
        }
        Did::Changed
    }

    /// Draws the table, below it the filter if there is one, over it the column chooser if it is open.
    pub fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect, rows: &(impl Rows + ?Sized)) {
        let table = self.table_area(area);
        Table::new(&self.table).focused(!self.unfocused).draw(look, buffer, table, rows);
        if table.height < area.height {
            let line = Rect { y: area.bottom() - 1, height: 1, ..area };
            self.draw_filter(look, buffer, line);
        }
        if let Some(at) = self.choosing {
            self.draw_chooser(look, buffer, area, at);
        }
    }

    fn table_area(&self, area: Rect) -> Rect {
        let filter = self.filtering.is_some() || !self.table.filter().is_empty();
        Rect { height: area.height.saturating_sub(u16::from(filter)), ..area }
    }

    fn height(&self, area: Rect) -> u16 {
        Table::new(&self.table).height(self.table_area(area))
    }

    fn draw_filter(&self, look: &Look, buffer: &mut Buffer, area: Rect) {
        let counts = format!("{} of {} ", self.table.len(), self.table.total());
        let room = area.width.saturating_sub(text::width(&counts) as u16 + 2);
        let (muted, style) = (look.style(Role::Muted), look.style(Role::Text));
        let slash = ("/", look.style(Role::Key));
        match &self.filtering {
            None => {
                text::put_spans(buffer, area.x + 1, area.y, room, &[slash, (self.table.filter(), style)]);
            }
            Some((line, _)) => {
                text::put_spans(buffer, area.x + 1, area.y, room, &[slash]);
                let typed = Rect { x: area.x + 2, width: room.saturating_sub(1), ..area };
                line.draw(look, buffer, typed.intersection(area));
            }
        }
        text::put_right(buffer, area.x, area.y, area.width, &counts, muted);
    }

    fn choose(&mut self, key: Key, at: usize) {
        let columns: Vec<&'static str> = self.table.columns().map(|(column, _)| column.id).collect();
        let last = columns.len().saturating_sub(1);
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => self.choosing = Some((at + 1).min(last)),
            KeyCode::Up | KeyCode::Char('k') => self.choosing = Some(at.saturating_sub(1)),
            KeyCode::Char(' ') | KeyCode::Enter => {
                if let Some(id) = columns.get(at) {
                    self.table.toggle_column(id);
                }
            }
            KeyCode::Esc | KeyCode::Char('c' | 'q') => self.choosing = None,
            _ => {}
        }
    }

    fn draw_chooser(&self, look: &Look, buffer: &mut Buffer, area: Rect, at: usize) {
        let columns: Vec<_> = self.table.columns().collect();
        let widest = columns.iter().map(|(column, _)| text::width(column.title)).max().unwrap_or(0);
        let width = (widest as u16 + 8).max(36).min(area.width);
        let height = (columns.len() as u16 + 2).min(area.height);
        let float = Rect { x: area.right() - width, y: area.y, width, height };
        let inside = popup::float(look, buffer, float, "columns", "Enter show or hide · Esc done");
        let lines = usize::from(inside.height);
        let from = (at + 1).saturating_sub(lines);
        for (line, (index, (column, chosen))) in columns.iter().enumerate().skip(from).take(lines).enumerate()
        {
            let y = inside.y + line as u16;
            let mark = if *chosen { look.glyph(Glyph::Done) } else { " " };
            let bar = if index == at { look.glyph(Glyph::Bar) } else { " " };
            let role = if *chosen { Role::Text } else { Role::Muted };
            let spans = [
                (bar, look.style(Role::Accent)),
                (" ", look.style(Role::Text)),
                (mark, look.style(Role::Ok)),
                (" ", look.style(Role::Text)),
                (column.title, look.style(role)),
            ];
            text::put_spans(buffer, inside.x, y, inside.width, &spans);
            if index == at {
                buffer.set_style(Rect { y, height: 1, ..inside }, look.style(Role::Selection));
            }
        }
    }

    fn row_text(&self, row: usize, rows: &(impl Rows + ?Sized)) -> String {
        let shown = self.table.columns().enumerate().filter(|(_, (_, chosen))| *chosen);
        let cells: Vec<_> = shown.map(|(column, _)| rows.text(row, column).into_owned()).collect();
        cells.join("\t")
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    struct Names(Vec<&'static str>);

    impl Rows for Names {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn key(&self, row: usize) -> Cow<'_, str> {
            self.0[row].into()
        }
        fn text(&self, row: usize, _column: usize) -> Cow<'_, str> {
            self.0[row].into()
        }
    }

    const AREA: Rect = Rect { x: 0, y: 0, width: 40, height: 6 };

    fn listing(rows: &Names) -> Listing {
        let mut listing =
            Listing::new(&[Column::flex("name", "NAME", 8), Column::flex("again", "AGAIN", 8)], None);
        listing.refresh(rows);
        listing
    }

    fn keys(listing: &mut Listing, rows: &Names, keys: &[&str]) {
        for key in keys {
            listing.key(key.parse().unwrap(), rows);
        }
    }

    #[test]
    fn the_filter_narrows_as_it_is_typed_and_esc_takes_it_back() {
        let rows = Names(vec!["orders", "risk", "broker"]);
        let mut l = listing(&rows);
        assert_eq!(l.command("filter", AREA, &rows), Did::Changed);
        assert!(l.typing());
        keys(&mut l, &rows, &["r", "i"]);
        assert_eq!((l.table.len(), l.table.selected()), (1, Some("risk")));
        keys(&mut l, &rows, &["esc"]);
        assert_eq!((l.table.len(), l.typing()), (3, false));
        l.command("filter", AREA, &rows);
        keys(&mut l, &rows, &["b", "enter"]);
        assert_eq!((l.table.len(), l.typing()), (1, false));
        assert_eq!(l.command("back", AREA, &rows), Did::Changed, "the first Esc clears the filter");
        assert_eq!(l.command("back", AREA, &rows), Did::Back, "the second leaves");
    }

    #[test]
    fn columns_are_chosen_by_key_and_copied_as_shown() {
        let rows = Names(vec!["orders"]);
        let mut l = listing(&rows);
        assert_eq!(l.command("copy", AREA, &rows), Did::Copy("orders\torders".to_owned()));
        l.command("columns", AREA, &rows);
        keys(&mut l, &rows, &["down", "enter", "esc"]);
        assert_eq!(l.command("copy", AREA, &rows), Did::Copy("orders".to_owned()));
        assert!(!l.typing());
    }

    #[test]
    fn clicks_select_open_and_sort() {
        let rows = Names(vec!["b", "a", "c"]);
        let mut l = listing(&rows);
        assert_eq!(l.click(Click::Press, (5, 2), AREA, &rows), Did::Changed);
        assert_eq!(l.table.selected(), Some("a"));
        assert_eq!(l.click(Click::Double, (5, 3), AREA, &rows), Did::Open);
        l.click(Click::Press, (5, 0), AREA, &rows);
        assert_eq!(l.table.row_at(0), Some(1), "sorted by the heading that was clicked");
    }

    #[test]
    fn drawing_fits_every_area() {
        let rows = Names(vec!["b", "a", "c"]);
        let mut l = listing(&rows);
        l.command("filter", AREA, &rows);
        let look = Look::default();
        for choosing in [None, Some(1)] {
            l.choosing = choosing;
            for (width, height) in [(0, 0), (1, 1), (3, 2), (40, 6), (200, 60)] {
                let area = Rect { width, height, ..AREA };
                l.draw(&look, &mut Buffer::empty(area), area, &rows);
            }
        }
    }
}
