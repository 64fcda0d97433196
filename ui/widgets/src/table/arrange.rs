//! Which rows are shown, in which order.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use super::cell::CellPainter;
use super::filter::Filter;
use super::state::Direction;

/// The rows of a table, as their owner has them.
pub trait Rows {
    /// How many.
    fn len(&self) -> usize;

    /// What names a row for good: the selection follows it wherever the row goes.
    fn key(&self, row: usize) -> Cow<'_, str>;

    /// Whether [`Rows::find`] knows where every row is. The owner's order then needs no index of all keys.
    fn finds(&self) -> bool {
        false
    }

    /// The row of a key, where [`Rows::finds`] says that it is known.
    fn find(&self, _key: &str) -> Option<usize> {
        None
    }

    /// A cell as text: for filters and for copying.
    fn text(&self, row: usize, column: usize) -> Cow<'_, str>;

    /// What a column is sorted by; its text unless told otherwise.
    fn order(&self, row: usize, column: usize) -> Order<'_> {
        Order::Text(self.text(row, column))
    }

    /// Draws a cell; its text unless told otherwise. Called for visible cells only.
    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        cell.text(&self.text(row, column));
    }

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a cell is sorted by.
#[derive(Clone, Debug, PartialEq)]
pub enum Order<'a> {
    /// A number; NaN is missing.
    Number(f64),
    /// Text, without regard to case, digits by value: `node-9` before `node-10`.
    Text(Cow<'a, str>),
    /// Nothing known: always last, whichever way the table is sorted.
    Missing,
}

/// What to arrange by: plain data, so that it can be carried to the background and compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// The filter as typed.
    pub filter: String,
    /// Ids of all columns, for `col:text`.
    pub columns: Vec<&'static str>,
    /// Column and direction; none keeps the owner's order.
    pub sort: Option<(usize, Direction)>,
}

/// The rows that are shown, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Arrangement {
    /// Indices of rows.
    pub order: Vec<u32>,
    /// How many rows there were.
    pub of: usize,
    /// What it was arranged by.
    pub spec: Spec,
    /// Where keys stand; with `found` only those that were asked for.
    places: HashMap<String, u32>,
    /// The owner's order, in which the owner finds each row.
    found: bool,
}

impl Arrangement {
    /// Where the row of a key stands now.
    #[must_use]
    pub fn place(&self, key: &str) -> Option<usize> {
        self.places.get(key).map(|place| *place as usize)
    }

    /// Looks up where the row of a key stands, for [`Arrangement::place`]: needed where the owner finds rows.
    pub(super) fn locate(&mut self, key: &str, rows: &(impl Rows + ?Sized)) {
        if !self.found {
            return;
        }
        self.places.clear();
        if let Some(row) = rows.find(key).filter(|row| *row < self.of) {
            self.places.insert(key.to_owned(), row as u32);
        }
    }
}

/// Filters and sorts. Pure: it can run in the background and be dropped for a newer one. The sort is stable, so rows
/// that are equal stay in their owner's order.
#[must_use]
pub fn arrange(rows: &(impl Rows + ?Sized), spec: &Spec) -> Arrangement {
    let filter = Filter::parse(&spec.filter, &spec.columns);
    let count = rows.len();
    let columns = spec.columns.len();
    let mut order: Vec<u32> = (0..count)
        .filter(|row| filter.is_empty() || filter.accepts(columns, |column| rows.text(*row, column)))
        .map(|row| row as u32)
        .collect();
    if let Some((column, direction)) = spec.sort {
        let mut keyed: Vec<(SortKey<'_>, u32)> =
            order.iter().map(|row| (SortKey::from(rows.order(*row as usize, column)), *row)).collect();
        keyed.sort_by(|a, b| match (&a.0, &b.0) {
            (SortKey::Missing, _) | (_, SortKey::Missing) => a.0.compare(&b.0),
            _ if direction == Direction::Down => b.0.compare(&a.0),
            _ => a.0.compare(&b.0),
        });
        order = keyed.into_iter().map(|(_, row)| row).collect();
    }
    let found = rows.finds() && filter.is_empty() && spec.sort.is_none();
    let named = |(place, row): (usize, &u32)| (rows.key(*row as usize).into_owned(), place as u32);
    let places = if found { HashMap::new() } else { order.iter().enumerate().map(named).collect() };
    Arrangement { order, of: count, spec: spec.clone(), places, found }
}

/// An [`Order`] made ready for many comparisons.
enum SortKey<'a> {
    Number(f64),
    Text(Cow<'a, str>),
    Missing,
}

impl<'a> From<Order<'a>> for SortKey<'a> {
    fn from(order: Order<'a>) -> Self {
        match order {
            Order::Number(n) if n.is_nan() => Self::Missing,
            Order::Number(n) => Self::Number(n),
            Order::Text(text) if text.chars().any(char::is_uppercase) => {
                Self::Text(Cow::Owned(text.to_lowercase()))
            }
            Order::Text(text) => Self::Text(text),
            Order::Missing => Self::Missing,
        }
    }
}

impl SortKey<'_> {
    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => natural(a, b),
            _ => self.rank().cmp(&other.rank()),
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Number(_) => 0,
            Self::Text(_) => 1,
            Self::Missing => 2,
        }
    }
}

/// Compares text with runs of digits by value.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        let (Some(x), Some(y)) = (a.first(), b.first()) else { return a.len().cmp(&b.len()) };
        if x.is_ascii_digit() && y.is_ascii_digit() {
            let (m, n) = (digits(a), digits(b));
            let (left, right) = (strip_zeros(&a[..m]), strip_zeros(&b[..n]));
            let by_value = left.len().cmp(&right.len()).then_with(|| left.cmp(right)).then(m.cmp(&n));
            if by_value != Ordering::Equal {
                return by_value;
            }
            (a, b) = (&a[m..], &b[n..]);
        } else if x == y {
            (a, b) = (&a[1..], &b[1..]);
        } else {
            return x.cmp(y);
        }
    }
}

fn digits(text: &[u8]) -> usize {
    text.iter().take_while(|b| b.is_ascii_digit()).count()
}

fn strip_zeros(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    &digits[zeros.min(digits.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    struct List(Vec<(&'static str, f64)>);

    impl Rows for List {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn key(&self, row: usize) -> Cow<'_, str> {
            Cow::Borrowed(self.0[row].0)
        }
        fn text(&self, row: usize, _: usize) -> Cow<'_, str> {
            Cow::Borrowed(self.0[row].0)
        }
        fn order(&self, row: usize, column: usize) -> Order<'_> {
            if column == 1 { Order::Number(self.0[row].1) } else { Order::Text(self.text(row, column)) }
        }
    }

    fn names(list: &List, filter: &str, sort: Option<(usize, Direction)>) -> Vec<&'static str> {
        let spec = Spec { filter: filter.to_owned(), columns: vec!["name", "rate"], sort };
        arrange(list, &spec).order.iter().map(|row| list.0[*row as usize].0).collect()
    }

    #[test]
    fn sorting_puts_the_unknown_last_both_ways() {
        let list = List(vec![("b", 2.0), ("node-10", f64::NAN), ("A", 1.0), ("node-9", 3.0)]);
        assert_eq!(names(&list, "", Some((1, Direction::Down))), ["node-9", "b", "A", "node-10"]);
        assert_eq!(names(&list, "", Some((1, Direction::Up))), ["A", "b", "node-9", "node-10"]);
        assert_eq!(names(&list, "", Some((0, Direction::Up))), ["A", "b", "node-9", "node-10"]);
        assert_eq!(names(&list, "node", None), ["node-10", "node-9"]);
    }

    #[test]
    fn places_follow_keys() {
        let list = List(vec![("b", 2.0), ("a", 1.0)]);
        let spec = Spec { sort: Some((0, Direction::Up)), columns: vec!["name"], ..Spec::default() };
        let arranged = arrange(&list, &spec);
        assert_eq!((arranged.place("a"), arranged.place("b"), arranged.place("c")), (Some(0), Some(1), None));
    }
}
