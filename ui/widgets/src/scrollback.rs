//! A bounded list of lines that follows its end: logs, streams.

use std::collections::VecDeque;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::scrollbar::scrollbar;
use crate::table::Filter;
use crate::{Look, Role, format, text};

/// Lines, newest last, at most `capacity` of them; what falls out is counted.
#[derive(Clone, Debug)]
pub struct Scrollback<T> {
    lines: VecDeque<T>,
    capacity: usize,
    /// How many lines have fallen out at the old end.
    dropped: u64,
    /// Number of the first line shown, counted from the very first ever; none follows the end.
    top: Option<u64>,
    search: Filter,
}

impl<T> Scrollback<T> {
    /// An empty one that follows its end; room for at least one line.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { lines: VecDeque::new(), capacity, dropped: 0, top: None, search: Filter::default() }
    }

    /// Adds a line; the oldest goes when there is no room.
    pub fn push(&mut self, line: T) {
        if self.lines.len() == self.capacity {
            self.lines.pop_front();
            self.dropped += 1;
        }
        self.lines.push_back(line);
    }

    /// How many lines there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// How many lines have fallen out.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether it follows its end.
    #[must_use]
    pub const fn following(&self) -> bool {
        self.top.is_none()
    }

    /// All lines, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> + ExactSizeIterator {
        self.lines.iter()
    }

    /// Goes to the end and stays there.
    pub fn follow(&mut self) {
        self.top = None;
    }

    /// Scrolls by lines, up with negative numbers. Scrolled up, the text stands still while lines come in; at the end
    /// it follows again.
    pub fn scroll(&mut self, by: isize, height: u16) {
        let last = self.last_top(height);
        let top = self.first(height) as u64 + self.dropped;
        let top = top.saturating_add_signed(by as i64).max(self.dropped);
        self.top = (top < last).then_some(top);
    }

    /// The number of the first line when the end is in view.
    fn last_top(&self, height: u16) -> u64 {
        self.dropped + self.lines.len().saturating_sub(usize::from(height)) as u64
    }

    /// The index of the first line shown. Lines that have fallen out meanwhile cannot be shown: the oldest is.
    #[must_use]
    pub fn first(&self, height: u16) -> usize {
        let last = self.last_top(height);
        (self.top.unwrap_or(last).clamp(self.dropped, last) - self.dropped) as usize
    }

    /// What is searched for, in the words of a table's filter.
    pub fn set_search(&mut self, search: &str) {
        self.search = Filter::parse(search, &[]);
    }

    /// Goes to the next line that is found, upwards or downwards from the first one shown; false if there is none.
    pub fn find(&mut self, upwards: bool, height: u16, text_of: impl Fn(&T) -> String) -> bool {
        if self.search.is_empty() {
            return false;
        }
        let from = self.first(height);
        let accepts =
            |index: &usize| self.search.accepts(1, |_| std::borrow::Cow::Owned(text_of(&self.lines[*index])));
        let found =
            if upwards { (0..from).rev().find(accepts) } else { (from + 1..self.lines.len()).find(accepts) };
        if let Some(index) = found {
            self.top = Some(self.dropped + index as u64);
        }
        found.is_some()
    }

    /// Draws the visible lines with `draw(line) -> pieces`; what is searched for is marked. Dropped lines are told at
    /// the top when the oldest line is in view.
    pub fn draw(
        &self,
        look: &Look,
        buffer: &mut Buffer,
        area: Rect,
        draw: impl Fn(&T) -> Vec<(String, Style)>,
    ) {
        let area = area.intersection(buffer.area);
        if area.is_empty() {
            return;
        }
        let first = self.first(area.height);
        let bar = u16::from(self.lines.len() > usize::from(area.height));
        let width = area.width - bar;
        let mut y = area.y;
        if first == 0 && self.dropped > 0 {
            let told = format!("{} older lines dropped", format::grouped(self.dropped));
            text::put(buffer, area.x, y, width, &told, look.style(Role::Faint));
            y += 1;
        }
        for line in self.lines.iter().skip(first) {
            if y >= area.bottom() {
                break;
            }
            text::put_spans(buffer, area.x, y, width, &draw(line));
            self.mark(look, buffer, Rect { y, width, height: 1, ..area });
            y += 1;
        }
        let rail = Rect { x: area.right() - 1, width: 1, ..area };
        scrollbar(look, buffer, rail, first, usize::from(area.height), self.lines.len());
    }

    /// Marks what is searched for on a drawn row.
    fn mark(&self, look: &Look, buffer: &mut Buffer, row: Rect) {
        for needle in self.search.needles() {
            let needle: Vec<char> = needle.chars().collect();
            let cells: Vec<char> = (row.left()..row.right())
                .map(|x| buffer[(x, row.y)].symbol().chars().next().unwrap_or(' '))
                .collect();
            for start in 0..cells.len().saturating_sub(needle.len().saturating_sub(1)) {
                let same = |(a, b): (&char, &char)| a.to_lowercase().eq(b.to_lowercase());
                if cells[start..].iter().zip(&needle).all(same) {
                    let found = Rect { x: row.x + start as u16, width: needle.len() as u16, ..row };
                    buffer.set_style(found, look.style(Role::Match));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrolled_up_it_stands_still_while_lines_come_in() {
        let mut back = Scrollback::new(10);
        for n in 0..8 {
            back.push(n);
        }
        assert_eq!((back.first(3), back.following()), (5, true));
        back.scroll(-2, 3);
        assert_eq!((back.first(3), back.following()), (3, false));
        for n in 8..12 {
            back.push(n);
        }
        assert_eq!(back.dropped(), 2);
        assert_eq!(back.iter().nth(back.first(3)), Some(&3));
        back.scroll(50, 3);
        assert!(back.following());
    }

    #[test]
    fn it_is_bounded_and_finds_lines() {
        let mut back = Scrollback::new(3);
        for n in 0..100 {
            back.push(n);
        }
        assert_eq!((back.len(), back.dropped()), (3, 97));
        back.set_search("97");
        assert!(back.find(true, 1, ToString::to_string));
        assert_eq!(back.first(1), 0);
        assert!(!back.find(true, 1, ToString::to_string));
    }
}
