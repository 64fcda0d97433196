//! What an operator has done to a table.

use std::collections::BTreeSet;

use super::arrange::{Arrangement, Rows, Spec, arrange};
use super::column::Column;

/// Tables up to this many rows are arranged at once; larger ones in the background.
const INLINE: usize = 5_000;

/// Which way a column is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Least first.
    Up,
    /// Most first.
    Down,
}

/// What a table is sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// [`Column::id`]
    pub column: &'static str,
    /// Which way.
    pub direction: Direction,
}

/// Selection, filter, sort, scroll, columns and marks of one table.
#[derive(Clone, Debug, Default)]
pub struct TableState {
    pub(super) columns: Vec<Column>,
    pub(super) chosen: Vec<bool>,
    selected: Option<String>,
    /// What is selected was asked for before its row was there.
    awaited: bool,
    /// Where the selection stood last: when its row goes, the one that takes its place is selected.
    place: usize,
    pub(super) offset: usize,
    sort: Option<Sort>,
    filter: String,
    /// Whether the operator ever chose a row.
    touched: bool,
    marked: BTreeSet<String>,
    pub(super) arrangement: Arrangement,
}

impl TableState {
    /// A table of these columns, sorted as given.
    #[must_use]
    pub fn new(columns: &[Column], sort: Option<Sort>) -> Self {
        let chosen = columns.iter().map(|column| !column.hidden).collect();
        Self { columns: columns.to_vec(), chosen, sort, ..Self::default() }
    }

    /// What the rows have to be arranged by now.
    #[must_use]
    pub fn spec(&self) -> Spec {
        let sort = self.sort.and_then(|sort| {
            let column = self.columns.iter().position(|column| column.id == sort.column)?;
            Some((column, sort.direction))
        });
        Spec { filter: self.filter.clone(), columns: self.columns.iter().map(|c| c.id).collect(), sort }
    }

    /// To be called when rows, filter or sort have changed. Arranges small tables at once; for large ones it returns
    /// what to arrange by in the background: hand the outcome of [`arrange`] to [`TableState::adopt`]. Until then the
    /// old arrangement stays on the screen.
    #[must_use]
    pub fn refresh(&mut self, rows: &(impl Rows + ?Sized)) -> Option<Spec> {
        let spec = self.spec();
        if rows.len() > INLINE {
            return Some(spec);
        }
        self.adopt(arrange(rows, &spec), rows);
        None
    }

    /// Takes up an arrangement of these rows. The selection stays on its row, whether the operator chose it or it came
    /// first when there was nothing else: a key acts on what was seen, not on what has come up meanwhile. If its row is
    /// gone, the row that stands where it stood is selected; if it has yet to come ([`TableState::want`]), none is.
    pub fn adopt(&mut self, arrangement: Arrangement, rows: &(impl Rows + ?Sized)) {
        let screen = self.place.saturating_sub(self.offset);
        // Who sorts or filters before ever choosing a row wants to see what comes first then.
        let top = !self.touched && self.arrangement.spec != arrangement.spec;
        self.arrangement = arrangement;
        if let Some(key) = &self.selected {
            self.arrangement.locate(key, rows);
        }
        let found = self.selected.as_deref().and_then(|key| self.arrangement.place(key));
        match found {
            _ if top => {
                self.place_at(0, rows);
                self.offset = 0;
            }
            Some(place) => {
                (self.place, self.awaited) = (place, false);
                // The selected row stays where it is on the screen and the others move around it; but at the top the
                // top stays in sight: what is worst comes up there.
                self.offset = if self.offset == 0 { 0 } else { place.saturating_sub(screen) };
            }
            None if self.awaited => {}
            None => self.place_at(self.place, rows),
        }
        self.offset = self.offset.min(self.len().saturating_sub(1));
    }

    /// Whether the operator ever chose a row; else the one that came first is selected.
    #[must_use]
    pub const fn touched(&self) -> bool {
        self.touched
    }

    /// How many rows pass the filter.
    #[must_use]
    pub fn len(&self) -> usize {
        self.arrangement.order.len()
    }

    /// Whether no row passes the filter.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many rows there are in all.
    #[must_use]
    pub fn total(&self) -> usize {
        self.arrangement.of
    }

    /// The key of the selected row.
    #[must_use]
    pub fn selected(&self) -> Option<&str> {
        self.selected.as_deref()
    }

    /// The index, in the owner's rows, of the selected one.
    #[must_use]
    pub fn selected_row(&self) -> Option<usize> {
        let place = self.arrangement.place(self.selected.as_deref()?)?;
        self.row_at(place)
    }

    /// The index, in the owner's rows, of the row at a place.
    #[must_use]
    pub fn row_at(&self, place: usize) -> Option<usize> {
        self.arrangement.order.get(place).map(|row| *row as usize)
    }

    /// Where the selection stands, counted from 0.
    #[must_use]
    pub fn selected_place(&self) -> Option<usize> {
        self.selected.as_deref().and_then(|key| self.arrangement.place(key))
    }

    /// Selects the row of a key; false if it is not shown (or not known before the next [`TableState::refresh`], where the
    /// owner finds rows by itself).
    pub fn select(&mut self, key: &str) -> bool {
        self.touched = true;
        self.awaited = false;
        self.selected = Some(key.to_owned());
        if let Some(place) = self.arrangement.place(key) {
            self.place = place;
            return true;
        }
        false
    }

    /// Selects the row of a key as soon as it is there, at the next [`TableState::refresh`] or a later one. Until then no row is
    /// selected, so that no key acts on another; whoever moves, or filters, gives it up.
    pub fn want(&mut self, key: &str) {
        self.select(key);
        self.awaited = true;
    }

    /// Whether the row that was asked for is not there yet.
    #[must_use]
    pub const fn waits(&self) -> bool {
        self.awaited
    }

    /// Selects the row of a key if it is shown; else the selection stays where it is.
    pub fn reselect(&mut self, key: &str, rows: &(impl Rows + ?Sized)) -> bool {
        self.arrangement.locate(key, rows);
        let shown = self.arrangement.place(key).is_some();
        if shown {
            self.select(key);
        } else if let Some(before) = &self.selected {
            self.arrangement.locate(before, rows);
        }
        shown
    }

    /// Selects the row at a place, the last one if there are fewer.
    pub fn select_place(&mut self, place: usize, rows: &(impl Rows + ?Sized)) {
        // There is nowhere to go to.
        if self.awaited && self.is_empty() {
            return;
        }
        self.touched = true;
        self.place_at(place, rows);
    }

    fn place_at(&mut self, place: usize, rows: &(impl Rows + ?Sized)) {
        let place = place.min(self.len().saturating_sub(1));
        (self.place, self.awaited) = (place, false);
        let row = self.row_at(place).filter(|row| *row < rows.len());
        self.selected = row.map(|row| rows.key(row).into_owned());
        if let Some(key) = &self.selected {
            self.arrangement.locate(key, rows);
        }
    }

    /// Moves the selection by rows; stops at the ends.
    pub fn step(&mut self, by: isize, rows: &(impl Rows + ?Sized)) {
        self.select_place(self.place.saturating_add_signed(by), rows);
    }

    /// Moves the selection by pages of `height` rows, one row of overlap.
    pub fn page(&mut self, pages: isize, height: u16, rows: &(impl Rows + ?Sized)) {
        let page = isize::from(i16::try_from(height.saturating_sub(1).max(1)).unwrap_or(i16::MAX));
        self.step(pages.saturating_mul(page), rows);
    }

    /// Selects the first row.
    pub fn first(&mut self, rows: &(impl Rows + ?Sized)) {
        self.select_place(0, rows);
    }

    /// Selects the last row.
    pub fn last(&mut self, rows: &(impl Rows + ?Sized)) {
        self.select_place(usize::MAX, rows);
    }

    /// Scrolls by rows; the selection goes along only as far as it must to stay visible.
    pub fn scroll(&mut self, by: isize, height: u16, rows: &(impl Rows + ?Sized)) {
        let height = usize::from(height.max(1));
        let most = self.len().saturating_sub(height);
        self.offset = self.offset(height as u16).saturating_add_signed(by).min(most);
        let last = self.offset + height - 1;
        if self.place < self.offset || self.place > last {
            self.select_place(self.place.clamp(self.offset, last), rows);
        }
    }

    /// The first place shown when `height` rows are visible: as scrolled, but so that the selection can be seen.
    #[must_use]
    pub fn offset(&self, height: u16) -> usize {
        let height = usize::from(height.max(1));
        let most = self.len().saturating_sub(height);
        let place = self.place.min(self.len().saturating_sub(1));
        let offset = self.offset.min(place).max((place + 1).saturating_sub(height));
        offset.min(most)
    }

    /// Tells how many rows are visible, so that scrolling starts from what is seen. To be called from `update`.
    pub fn settle(&mut self, height: u16) {
        self.offset = self.offset(height);
    }

    /// The filter as typed.
    #[must_use]
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// Sets the filter; call [`TableState::refresh`] afterwards.
    pub fn set_filter(&mut self, filter: &str) {
        self.awaited = false;
        filter.clone_into(&mut self.filter);
    }

    /// What it is sorted by.
    #[must_use]
    pub fn sort(&self) -> Option<Sort> {
        self.sort
    }

    /// Sorts by a column: its own direction first, the other when it is sorted by already. Call
    /// [`TableState::refresh`] afterwards.
    pub fn sort_by(&mut self, id: &str) {
        let Some(column) = self.columns.iter().find(|column| column.id == id) else { return };
        let direction = match self.sort {
            Some(Sort { column: sorted, direction }) if sorted == id => match direction {
                Direction::Up => Direction::Down,
                Direction::Down => Direction::Up,
            },
            _ if column.descending => Direction::Down,
            _ => Direction::Up,
        };
        self.sort = Some(Sort { column: column.id, direction });
    }

    /// Sorts by the next shown column, from left to right, then by none (the owner's order).
    pub fn sort_next(&mut self) {
        let shown: Vec<&'static str> = self.shown().into_iter().map(|i| self.columns[i].id).collect();
        let next = match self.sort {
            None => shown.first(),
            Some(sort) => shown.iter().position(|id| *id == sort.column).and_then(|at| shown.get(at + 1)),
        };
        self.sort = None;
        if let Some(id) = next {
            self.sort_by(id);
        }
    }

    /// All columns with whether they are chosen.
    pub fn columns(&self) -> impl Iterator<Item = (&Column, bool)> {
        self.columns.iter().zip(self.chosen.iter().copied())
    }

    /// Shows or hides a column; the last one stays.
    pub fn toggle_column(&mut self, id: &str) {
        let Some(at) = self.columns.iter().position(|column| column.id == id) else { return };
        let others = self.chosen.iter().enumerate().any(|(i, chosen)| i != at && *chosen);
        self.chosen[at] = !self.chosen[at] || !others;
    }

    pub(super) fn shown(&self) -> Vec<usize> {
        (0..self.columns.len()).filter(|i| self.chosen[*i]).collect()
    }

    /// Marks or unmarks the selected row, for actions on several.
    pub fn toggle_mark(&mut self) {
        if let Some(key) = self.selected.clone()
            && !self.marked.remove(&key)
        {
            self.marked.insert(key);
        }
    }

    /// Marks or unmarks a row by its key, whether or not it is shown.
    pub fn set_mark(&mut self, key: &str, marked: bool) {
        if !marked {
            self.marked.remove(key);
        } else if !self.marked.contains(key) {
            self.marked.insert(key.to_owned());
        }
    }

    /// Keys of marked rows.
    #[must_use]
    pub fn marked(&self) -> &BTreeSet<String> {
        &self.marked
    }

    /// The marked rows, or the selected one, as text to be copied: shown columns apart by tabs, a line to a row.
    #[must_use]
    pub fn copy(&self, rows: &(impl Rows + ?Sized)) -> String {
        let chosen = |row: &usize| {
            let key = rows.key(*row);
            if self.marked.is_empty() {
                self.selected.as_deref() == Some(&*key)
            } else {
                self.marked.contains(&*key)
            }
        };
        let shown = self.shown();
        let line = |row: usize| {
            let cells: Vec<_> = shown.iter().map(|column| rows.text(row, *column)).collect();
            cells.join("\t")
        };
        let order = self.arrangement.order.iter().map(|row| *row as usize).filter(|row| *row < rows.len());
        order.filter(chosen).map(line).collect::<Vec<_>>().join("\n")
    }

    /// Unmarks all.
    pub fn clear_marks(&mut self) {
        self.marked.clear();
    }

    /// Sort and chosen columns as text, to be remembered: `sort=rate:down columns=name,rate`.
    #[must_use]
    pub fn remember(&self) -> String {
        let mut out = String::new();
        if let Some(sort) = self.sort {
            let way = if sort.direction == Direction::Down { "down" } else { "up" };
            out.push_str(&format!("sort={}:{way} ", sort.column));
        }
        let names: Vec<&str> = self.shown().into_iter().map(|i| self.columns[i].id).collect();
        out.push_str(&format!("columns={}", names.join(",")));
        out
    }

    /// Takes up what [`TableState::remember`] gave; what is no longer known is passed over.
    pub fn restore(&mut self, remembered: &str) {
        for part in remembered.split_whitespace() {
            match part.split_once('=') {
                Some(("sort", sort)) => {
                    let (id, way) = sort.split_once(':').unwrap_or((sort, "up"));
                    if let Some(column) = self.columns.iter().find(|column| column.id == id) {
                        let direction = if way == "down" { Direction::Down } else { Direction::Up };
                        self.sort = Some(Sort { column: column.id, direction });
                    }
                }
                Some(("columns", names)) => {
                    let names: Vec<&str> = names.split(',').collect();
                    let chosen: Vec<bool> = self.columns.iter().map(|c| names.contains(&c.id)).collect();
                    if chosen.contains(&true) {
                        self.chosen = chosen;
                    }
                }
                _ => {}
            }
        }
    }
}
