//! The live rows of a feed as rows of a table.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use quarterdeck_streams::FeedView;
use quarterdeck_streams::model::{Cell, Row};
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows, Width};
use quarterdeck_widgets::{Look, Role, format};

/// Columns in front of the feed's own.
const FRONT: usize = 2;

/// How many column names are kept for good; feeds have their columns from the configuration, so this is never reached
/// by what comes over a wire.
const NAMES: usize = 2048;

/// Rows that tell whether a column holds numbers.
const SAMPLE: usize = 32;

/// The name for as long as the program runs: columns of tables are named for good, those of feeds come from the
/// configuration. Beyond [`NAMES`] different ones a column is only called `field`.
fn kept(name: &str) -> &'static str {
    static POOL: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = pool.get(name) {
        return known;
    }
    if pool.len() >= NAMES {
        return "field";
    }
    let leaked: &'static str = Box::leak(name.to_owned().into_boxed_str());
    pool.insert(leaked);
    leaked
}

/// Digits behind the point beyond which numbers are shown as they came.
const DECIMALS: usize = 8;

/// What the columns of a feed are: names, and which hold numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shape {
    feed: String,
    fields: Vec<(String, bool)>,
    /// Digits behind the point of each column, so that points stand under each other.
    decimals: Arc<[usize]>,
    /// Whether a row has told yet which columns hold numbers.
    seen: bool,
}

impl Shape {
    /// The shape of a feed's rows. Once rows have told it, it stays: columns must not move while one reads.
    pub(super) fn of(feed: &FeedView, before: &Self) -> Self {
        let names = || feed.columns.iter().map(ToString::to_string);
        let same = *before.feed == *feed.name && before.fields.iter().map(|(n, _)| n.clone()).eq(names());
        if same && (before.seen || feed.rows.is_empty()) {
            return before.clone();
        }
        let numbers = |column: usize| {
            let cells = feed.rows.iter().rev().take(SAMPLE).filter_map(|row| row.cells.get(column));
            let mut known = cells.filter(|c| !matches!(c, Cell::Missing | Cell::Null)).peekable();
            known.peek().is_some() && known.all(|c| c.number().is_some())
        };
        let fields = names().enumerate().map(|(i, name)| (name, numbers(i))).collect();
        let digits = |column: usize| {
            let cells = feed.rows.iter().rev().take(SAMPLE).filter_map(|row| row.cells.get(column));
            cells.filter_map(decimals).max().unwrap_or(0)
        };
        let decimals = (0..feed.columns.len()).map(digits).collect();
        Self { feed: feed.name.to_string(), fields, decimals, seen: !feed.rows.is_empty() }
    }

    /// The table's columns: time, lag, the feed's own, the message.
    pub(super) fn columns(&self) -> Vec<Column> {
        let mut columns =
            vec![Column::fixed("time", "TIME", 12), Column::number("lag", "LAG ms", 7).priority(8)];
        columns.extend(self.fields.iter().enumerate().map(|(i, (name, number))| {
            let (id, title) = (kept(name), kept(&name.to_uppercase()));
            // What is configured first matters most.
            let priority = if i == 0 { 0 } else { 1 + (i.min(5) as u8) };
            if *number {
                let width = Width::Flex { min: 9, max: 14, weight: 1 };
                Column { width, ..Column::number(id, title, 9) }.priority(priority)
            } else {
                Column::flex(id, title, 8).at_most(24).weight(1).priority(priority)
            }
        }));
        let priority = if self.fields.is_empty() { 0 } else { 7 };
        columns.push(Column::flex("message", "MESSAGE", 24).weight(8).priority(priority));
        columns
    }
}

/// Digits behind the point of a number that came with some.
fn decimals(cell: &Cell) -> Option<usize> {
    let Cell::Number(number) = cell else { return None };
    let digits = digits(&number.to_string());
    (digits <= DECIMALS).then_some(digits)
}

/// How many digits a number has behind its point.
fn digits(number: &str) -> usize {
    number.split_once('.').map_or(0, |(_, behind)| behind.len())
}

/// A number with zeros behind it, up to so many digits behind its point; none where it has as many or too many.
fn aligned(number: &str, wanted: usize) -> Option<String> {
    let has = digits(number);
    let point = if has == 0 { "." } else { "" };
    (has < wanted).then(|| format!("{number}{point}{:0<1$}", "", wanted - has))
}

/// The rows of one feed as of one snapshot, newest first.
#[derive(Clone, Debug)]
pub(super) struct MessageRows {
    pub(super) feed: Arc<FeedView>,
    decimals: Arc<[usize]>,
    look: Look,
}

impl MessageRows {
    pub(super) fn new(feed: &Arc<FeedView>, shape: &Shape, look: &Look) -> Self {
        Self { feed: Arc::clone(feed), decimals: Arc::clone(&shape.decimals), look: look.clone() }
    }

    /// The row at an index, counted from the newest.
    pub(super) fn row(&self, index: usize) -> Option<&Row> {
        self.feed.rows.get(self.feed.rows.len().checked_sub(index + 1)?)
    }

    fn field(&self, row: usize, column: usize) -> Option<&Cell> {
        self.row(row)?.cells.get(column.checked_sub(FRONT)?)
    }

    fn lag(row: &Row) -> Option<f64> {
        let sent = row.sent?;
        Some((row.received.as_millis() - sent.as_millis()) as f64)
    }

    fn is_message(&self, column: usize) -> bool {
        column >= FRONT + self.feed.columns.len()
    }
}

impl Rows for MessageRows {
    fn len(&self) -> usize {
        self.feed.rows.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        self.row(row).map(|r| r.id.to_string()).unwrap_or_default().into()
    }

    fn finds(&self) -> bool {
        true
    }

    /// Rows are counted without gaps: the newest one tells where each is.
    fn find(&self, key: &str) -> Option<usize> {
        let id: u64 = key.parse().ok()?;
        let newest = self.feed.rows.last()?.id;
        let row = usize::try_from(newest.checked_sub(id)?).ok()?;
        self.row(row).is_some_and(|row| row.id == id).then_some(row)
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let Some(found) = self.row(row) else { return "".into() };
        match column {
            0 => self.look.clock_millis(found.received).into(),
            1 => format::figure(Self::lag(found).unwrap_or(f64::NAN)).into(),
            _ if self.is_message(column) => (&*found.raw).into(),
            _ => match self.field(row, column) {
                Some(Cell::Text(text)) => (&**text).into(),
                Some(Cell::Missing) | None => format::UNKNOWN.into(),
                Some(cell) => cell.to_string().into(),
            },
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        match (self.row(row), column) {
            (Some(found), 0) => Order::Number(found.id as f64),
            (Some(found), 1) => Self::lag(found).map_or(Order::Missing, Order::Number),
            _ => match self.field(row, column) {
                Some(cell @ (Cell::Integer(_) | Cell::Number(_) | Cell::Bool(_))) => {
                    cell.number().map_or(Order::Missing, Order::Number)
                }
                Some(Cell::Missing) => Order::Missing,
                _ => Order::Text(self.text(row, column)),
            },
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let text = self.text(row, column);
        match self.field(row, column) {
            _ if column < FRONT || self.is_message(column) => cell.role(&text, Role::Muted),
            Some(Cell::Missing | Cell::Null | Cell::Composite) | None => cell.role(&text, Role::Faint),
            Some(Cell::Number(_)) => {
                let wanted = column.checked_sub(FRONT).and_then(|at| self.decimals.get(at));
                match wanted.and_then(|wanted| aligned(&text, *wanted)) {
                    Some(aligned) => cell.text(&aligned),
                    None => cell.text(&text),
                }
            }
            Some(_) => cell.text(&text),
        }
    }
}

/// A message over several lines, indented as JSON is read; what is not JSON stays as it is. At most `most` lines.
pub(super) fn indented(raw: &str, most: usize) -> Vec<String> {
    if !raw.trim_start().starts_with(['{', '[']) {
        return vec![raw.to_owned()];
    }
    let mut lines = vec![String::new()];
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    let break_line = |lines: &mut Vec<String>, depth: usize| lines.push("  ".repeat(depth.min(16)));
    let mut chars = raw.trim().chars().peekable();
    while let Some(c) = chars.next() {
        if lines.len() > most {
            lines.truncate(most);
            break;
        }
        let Some(line) = lines.last_mut() else { break };
        match c {
            _ if quoted => {
                line.push(c);
                quoted = escaped || c != '"';
                escaped = !escaped && c == '\\';
            }
            '"' => {
                line.push(c);
                quoted = true;
            }
            '{' | '[' => {
                line.push(c);
                if chars.peek().is_some_and(|next| !matches!(next, '}' | ']')) {
                    depth += 1;
                    break_line(&mut lines, depth);
                }
            }
            '}' | ']' => {
                let empty = line.ends_with(['{', '[']);
                if !empty {
                    depth = depth.saturating_sub(1);
                    break_line(&mut lines, depth);
                }
                if let Some(line) = lines.last_mut() {
                    line.push(c);
                }
            }
            ',' => {
                line.push(c);
                break_line(&mut lines, depth);
            }
            ':' => line.push_str(": "),
            c if c.is_whitespace() => {}
            c => line.push(c),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_indented_and_texts_in_them_are_not() {
        let lines = indented(r#"{"a":[1,2],"b":"x:{,}\"y","c":{},"d":null}"#, 100);
        assert_eq!(
            lines,
            [
                "{",
                "  \"a\": [",
                "    1,",
                "    2",
                "  ],",
                "  \"b\": \"x:{,}\\\"y\",",
                "  \"c\": {},",
                "  \"d\": null",
                "}"
            ]
        );
        assert_eq!(indented("hello world", 9), ["hello world"]);
        assert_eq!(indented(&"[".repeat(10_000), 5).len(), 5);
        assert_eq!(indented("", 5), [""]);
    }

    #[test]
    fn aligned_numbers_are_the_numbers_with_so_many_digits() {
        for number in [0.0, -0.0, 1.0, 99.5, -2.25, 1e21, 1e-7, 123_456_789.125] {
            for wanted in 0..DECIMALS {
                let text = number.to_string();
                let shown = aligned(&text, wanted).unwrap_or_else(|| text.clone());
                if digits(&text) <= wanted {
                    assert_eq!(shown, format!("{number:.wanted$}"));
                } else {
                    assert_eq!(shown, text);
                }
            }
        }
    }

    #[test]
    fn column_names_are_kept_once() {
        assert!(std::ptr::eq(kept("price"), kept("price")));
    }
}
