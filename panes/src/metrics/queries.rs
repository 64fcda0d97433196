//! The queries of the explorer: several beside each other, each with its letter, and what was asked before.

use quarterdeck_promql::{Expr, parse};

use crate::world::Complaint;

/// How many queries there can be.
pub(super) const MOST: usize = 8;

/// How many former queries are kept.
const HISTORY: usize = 200;

/// What a query read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) series: usize,
    pub(super) series_read: u64,
    pub(super) samples_read: u64,
    pub(super) wall_us: u64,
    pub(super) notes: Vec<String>,
}

/// One query.
#[derive(Clone, Debug)]
pub(super) struct Query {
    /// Its name among the others.
    pub(super) letter: char,
    /// As run.
    pub(super) text: String,
    /// The same, understood; none while it cannot be.
    pub(super) expr: Option<Expr>,
    /// Whether it is asked.
    pub(super) on: bool,
    /// What is wrong with it.
    pub(super) complaint: Option<Complaint>,
    /// What it read last.
    pub(super) figures: Option<Figures>,
}

impl Query {
    fn new(letter: char, text: &str) -> Self {
        let mut query =
            Self { letter, text: String::new(), expr: None, on: true, complaint: None, figures: None };
        query.set(text);
        query
    }

    fn set(&mut self, text: &str) {
        text.trim().clone_into(&mut self.text);
        self.figures = None;
        (self.expr, self.complaint) = match understand(&self.text) {
            Ok(expr) => (Some(expr), None),
            Err(complaint) => (None, complaint),
        };
    }

    /// Whether it can be asked.
    pub(super) fn asks(&self) -> bool {
        self.on && self.expr.is_some()
    }
}

/// Understands a query; a text that is empty has nothing wrong with it.
pub(super) fn understand(text: &str) -> Result<Expr, Option<Complaint>> {
    if text.trim().is_empty() {
        return Err(None);
    }
    parse(text).map_err(|error| Some(Complaint { message: error.to_string(), range: error.range.clone() }))
}

/// All of them. There is always one.
#[derive(Clone, Debug)]
pub(super) struct Queries {
    list: Vec<Query>,
    selected: usize,
    /// Oldest first.
    history: Vec<String>,
}

impl Default for Queries {
    fn default() -> Self {
        Self { list: vec![Query::new('A', "")], selected: 0, history: Vec::new() }
    }
}

impl Queries {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Query> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Query> {
        self.list.iter_mut()
    }

    pub(super) const fn len(&self) -> usize {
        self.list.len()
    }

    pub(super) const fn selected(&self) -> usize {
        self.selected
    }

    pub(super) fn history(&self) -> &[String] {
        &self.history
    }

    pub(super) fn current(&self) -> &Query {
        &self.list[self.selected.min(self.list.len() - 1)]
    }

    fn current_mut(&mut self) -> &mut Query {
        let last = self.list.len() - 1;
        &mut self.list[self.selected.min(last)]
    }

    /// Whether nothing at all is asked yet.
    pub(super) fn is_blank(&self) -> bool {
        self.list.iter().all(|q| q.text.is_empty())
    }

    /// Makes a text the selected query, and switches it on.
    pub(super) fn run(&mut self, text: &str) {
        let former = self.current().text.clone();
        self.remember(&former);
        self.remember(text.trim());
        let query = self.current_mut();
        query.set(text);
        query.on = true;
    }

    /// Puts a text into the history, as the newest.
    pub(super) fn remember(&mut self, text: &str) {
        if text.trim().is_empty() {
            return;
        }
        self.history.retain(|other| other != text);
        self.history.push(text.to_owned());
        if self.history.len() > HISTORY {
            self.history.remove(0);
        }
    }

    /// Adds an empty query and selects it; false when there are enough.
    pub(super) fn add(&mut self) -> bool {
        let free = ('A'..='Z').find(|letter| self.list.iter().all(|q| q.letter != *letter));
        match free {
            Some(letter) if self.list.len() < MOST => {
                let place = self.list.iter().position(|q| q.letter > letter).unwrap_or(self.list.len());
                self.list.insert(place, Query::new(letter, ""));
                self.selected = place;
                true
            }
            _ => false,
        }
    }

    /// Removes the selected query; the last one is emptied instead.
    pub(super) fn remove(&mut self) {
        let former = self.current().text.clone();
        self.remember(&former);
        if self.list.len() == 1 {
            *self = Self { history: std::mem::take(&mut self.history), ..Self::default() };
        } else {
            self.list.remove(self.selected.min(self.list.len() - 1));
            self.selected = self.selected.min(self.list.len() - 1);
        }
    }

    pub(super) fn toggle(&mut self) {
        let query = self.current_mut();
        query.on = !query.on;
    }

    pub(super) fn step(&mut self, by: isize) {
        self.selected = self.selected.saturating_add_signed(by).min(self.list.len() - 1);
    }

    pub(super) fn select(&mut self, place: usize) {
        self.selected = place.min(self.list.len() - 1);
    }

    /// Leaves all queries out but the selected one.
    pub(super) fn alone(&mut self) {
        let selected = self.selected;
        for (place, query) in self.list.iter_mut().enumerate() {
            query.on = place == selected;
        }
    }

    /// Lines that [`Queries::restore`] reads.
    pub(super) fn lines(&self) -> Vec<String> {
        let history = self.history.iter().map(|text| format!("asked {text}"));
        let queries = self.list.iter().filter(|q| !q.text.is_empty());
        history.chain(queries.map(|q| format!("{} {}", if q.on { "on" } else { "off" }, q.text))).collect()
    }

    /// Takes up one remembered line; others are passed over.
    pub(super) fn restore(&mut self, line: &str) {
        match line.split_once(' ') {
            Some(("asked", text)) => self.remember(text),
            Some((state @ ("on" | "off"), text)) => {
                let blank = self.is_blank();
                if blank || self.add() {
                    let query = self.current_mut();
                    query.set(text);
                    query.on = state == "on";
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_keep_their_letters_and_the_history_what_was() {
        let mut queries = Queries::default();
        queries.run("up");
        assert!(queries.add());
        queries.run("rate(x[5m])");
        queries.add();
        queries.run("sum(");
        assert!(queries.current().complaint.is_some() && !queries.current().asks());
        queries.step(-1);
        queries.remove();
        let letters: Vec<char> = queries.iter().map(|q| q.letter).collect();
        assert_eq!(letters, ['A', 'C']);
        queries.add();
        assert_eq!((queries.current().letter, queries.selected()), ('B', 1));
        assert_eq!(queries.history(), ["up", "sum(", "rate(x[5m])"]);
        while queries.add() {}
        assert_eq!(queries.len(), MOST);
    }

    #[test]
    fn what_is_remembered_comes_back() {
        let mut queries = Queries::default();
        queries.run("up");
        queries.add();
        queries.run("b");
        queries.toggle();
        let mut other = Queries::default();
        queries.lines().iter().for_each(|line| other.restore(line));
        let state = |q: &Queries| q.iter().map(|q| (q.letter, q.text.clone(), q.on)).collect::<Vec<_>>();
        assert_eq!(state(&other), state(&queries));
        assert_eq!(other.history(), queries.history());
        other.restore("nonsense");
        other.restore("");
        assert_eq!(other.len(), 2);
    }
}
