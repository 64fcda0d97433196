//! The table of one service's transactions.

use std::borrow::Cow;

use quarterdeck_services::{ServiceView, TransactionView};
use quarterdeck_widgets::sparkline::{self, Range};
use quarterdeck_widgets::table::{Align, CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Role, format};

use crate::signals::{FITTED, figure};

pub(super) const COLUMNS: [Column; 11] = [
    Column::flex("transaction", "TRANSACTION", 16).weight(4).at_most(44),
    Column::number("rate", "RATE /s", 8),
    Column::fixed("rate-trend", "TREND", 10).priority(5),
    Column::number("errors", "ERR %", 6),
    Column::number("p50", "P50 ms", 7).priority(4),
    Column::number("p95", "P95 ms", 7).priority(3),
    Column::number("p99", "P99 ms", 7),
    Column::fixed("p99-trend", "TREND", 10).priority(6),
    Column { descending: false, ..Column::number("apdex", "APDEX", 6).priority(2) },
    Column::number("threshold", "LIMIT ms", 8).priority(1),
    Column { descending: false, ..Column::number("attainment", "WITHIN % (aim)", 14) },
];

/// The transactions of a service, busiest first.
pub(super) struct TransactionRows<'a> {
    transactions: &'a [TransactionView],
    narrowed: Option<&'a str>,
    rate: Range,
    p99: Range,
    /// How the numbers of each column line up.
    aligned: [format::Aligned; COLUMNS.len()],
}

impl<'a> TransactionRows<'a> {
    pub(super) fn new(service: Option<&'a ServiceView>, narrowed: Option<&'a str>) -> Self {
        let transactions = service.map(|s| &s.transactions[..]).unwrap_or_default();
        let range = |history: fn(&TransactionView) -> &[f64]| {
            Range::from_zero(transactions.iter().flat_map(|t| history(t).iter().copied()))
        };
        let (rate, p99) = (range(|t| &t.rate_history), range(|t| &t.p99_history));
        let mut rows =
            Self { transactions, narrowed, rate, p99, aligned: [format::Aligned::default(); COLUMNS.len()] };
        rows.aligned = std::array::from_fn(|column| match COLUMNS[column].align {
            Align::Right => {
                format::Aligned::of((0..rows.len().min(FITTED)).map(|row| rows.text(row, column)))
            }
            Align::Left => format::Aligned::default(),
        });
        rows
    }
}

impl Rows for TransactionRows<'_> {
    fn len(&self) -> usize {
        self.transactions.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        (&*self.transactions[row].name).into()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let t = &self.transactions[row];
        match COLUMNS[column].id {
            "transaction" => (&*t.name).into(),
            "rate" => number(t.rate),
            "errors" => number(t.errors),
            "p50" => number(t.p50),
            "p95" => number(t.p95),
            "p99" => number(t.p99),
            "apdex" => number(t.apdex),
            "threshold" => number(t.threshold),
            "attainment" => match (t.attainment, t.target) {
                (None, None) => "·".into(),
                (attained, None) => percent(attained).into(),
                (attained, target) => format!("{} ({})", percent(attained), percent(target)).into(),
            },
            _ => "".into(),
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let t = &self.transactions[row];
        let known = |value: Option<f64>| value.map_or(Order::Missing, Order::Number);
        match COLUMNS[column].id {
            "rate" | "rate-trend" => known(t.rate),
            "errors" => known(t.errors),
            "p50" => known(t.p50),
            "p95" => known(t.p95),
            "p99" | "p99-trend" => known(t.p99),
            "apdex" => known(t.apdex),
            "threshold" => known(t.threshold),
            "attainment" => known(t.attainment),
            _ => Order::Text(self.text(row, column)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let t = &self.transactions[row];
        let unknown = self.text(row, column) == format::UNKNOWN;
        let text = self.aligned[column].fit(&self.text(row, column));
        let broken = t.broken_since.is_some();
        let trend = |history: &[f64], range, role, cell: &mut CellPainter<'_>| {
            let values = sparkline::resample(history, usize::from(cell.width()).saturating_sub(1));
            cell.trend("", 0, role, &values, range);
        };
        match COLUMNS[column].id {
            "transaction" if self.narrowed == Some(&*t.name) => cell.role(&text, Role::Accent),
            "rate-trend" => trend(&t.rate_history, self.rate, Role::Faint, cell),
            "p99-trend" => {
                trend(&t.p99_history, self.p99, if broken { Role::Warning } else { Role::Faint }, cell);
            }
            "attainment" if broken => cell.role(&text, Role::Warning),
            "p99" if broken && t.p99 > t.threshold => cell.role(&text, Role::Warning),
            "threshold" => cell.role(&text, if t.threshold.is_some() { Role::Muted } else { Role::Faint }),
            "errors" if t.errors == Some(0.0) => cell.role(&text, Role::Faint),
            _ if unknown => cell.role(&text, Role::Faint),
            _ => cell.text(&text),
        }
    }
}

fn number(value: Option<f64>) -> Cow<'static, str> {
    figure(value).into()
}

/// A percentage of which a hundred is the aim.
fn percent(value: Option<f64>) -> String {
    format::attained(value.unwrap_or(f64::NAN))
}
