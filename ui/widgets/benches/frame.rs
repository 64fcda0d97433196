//! What a full screen costs, and what arranging a large table costs.

use std::borrow::Cow;
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use quarterdeck_kernel::{Sample, Timestamp};
use quarterdeck_widgets::chart::{Chart, Legend, Series, Viewport};
use quarterdeck_widgets::rule::rule;
use quarterdeck_widgets::sparkline::Range;
use quarterdeck_widgets::table::{
    CellPainter, Column, Direction, Order, Rows, Sort, Table, TableState, arrange,
};
use quarterdeck_widgets::{Look, Role, Unit, format, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const NOW: Timestamp = Timestamp::from_millis(1_773_066_727_000);

struct Many {
    rows: Vec<(String, f64)>,
    trend: Vec<f64>,
}

impl Many {
    fn new(count: usize) -> Self {
        // A fixed multiplicative sequence: the order of names tells nothing about the order of values.
        let value = |i: usize| (i.wrapping_mul(2_654_435_761) % 100_003) as f64;
        let rows = (0..count)
            .map(|i| (format!("service-{i} instance 10.0.{}.{}", i / 256 % 256, i % 256), value(i)));
        Self { rows: rows.collect(), trend: (0..20).map(|i| f64::from(i * i % 17)).collect() }
    }
}

impl Rows for Many {
    fn len(&self) -> usize {
        self.rows.len()
    }
    fn key(&self, row: usize) -> Cow<'_, str> {
        Cow::Borrowed(&self.rows[row].0)
    }
    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        if column == 0 {
            Cow::Borrowed(&self.rows[row].0)
        } else {
            Cow::Owned(format::number(self.rows[row].1))
        }
    }
    fn order(&self, row: usize, column: usize) -> Order<'_> {
        if column == 0 { Order::Text(self.text(row, 0)) } else { Order::Number(self.rows[row].1) }
    }
    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let text = self.text(row, column);
        match column {
            0 => cell.text(&text),
            _ => cell.trend(&text, 8, Role::Text, &self.trend, Range { low: 0.0, high: 17.0 }),
        }
    }
}

const COLUMNS: [Column; 4] = [
    Column::flex("name", "NAME", 20),
    Column::fixed("rate", "RATE /s", 30),
    Column::fixed("errors", "ERRORS %", 30),
    Column::fixed("p99", "P99 ms", 30),
];

fn full_frame(c: &mut Criterion) {
    let look = Look::default();
    let rows = Many::new(50_000);
    let mut state = TableState::new(&COLUMNS, Some(Sort { column: "rate", direction: Direction::Down }));
    let arrangement = arrange(&rows, &state.spec());
    state.adopt(arrangement, &rows);
    let data: Vec<Vec<Sample>> = (0..6)
        .map(|n| {
            let at = |i: i64| NOW.plus_millis((i - 999) * 900);
            (0..1000).map(|i| Sample { t: at(i), v: ((i * (n + 3)) % 97) as f64 + 50.0 * n as f64 }).collect()
        })
        .collect();
    let series: Vec<Series<'_>> = data.iter().map(|samples| Series::new("series", samples)).collect();
    let mut chart = Chart::new(&series, Viewport::last(900_000, NOW), Unit::PerSecond);
    chart.legend = Legend::Table(4);
    let mut buffer = Buffer::empty(Rect::new(0, 0, 200, 60));
    c.bench_function("frame/200x60 table and two charts", |b| {
        b.iter(|| {
            buffer.reset();
            let area = buffer.area;
            buffer.set_style(area, look.base());
            text::put(&mut buffer, 0, 0, 200, "quarterdeck  demo · all services", look.style(Role::Title));
            rule(&look, &mut buffer, Rect { y: 1, ..area }, "services", "");
            Table::new(&state).draw(&look, &mut buffer, Rect { y: 2, height: 33, ..area }, &rows);
            rule(&look, &mut buffer, Rect { y: 35, ..area }, "requests", "");
            chart.draw(&look, &mut buffer, Rect { y: 36, height: 23, width: 99, ..area });
            chart.draw(&look, &mut buffer, Rect { x: 101, y: 36, height: 23, width: 99 });
            look.settle(&mut buffer);
            black_box(&buffer);
        });
    });
}

fn large_tables(c: &mut Criterion) {
    let rows = Many::new(50_000);
    let mut state = TableState::new(&COLUMNS, Some(Sort { column: "rate", direction: Direction::Down }));
    c.bench_function("arrange/50000 rows by number", |b| b.iter(|| arrange(&rows, black_box(&state.spec()))));
    state.sort_by("name");
    c.bench_function("arrange/50000 rows by name", |b| b.iter(|| arrange(&rows, black_box(&state.spec()))));
    state.set_filter("10.0.77 !service-9");
    c.bench_function("arrange/50000 rows filtered", |b| b.iter(|| arrange(&rows, black_box(&state.spec()))));
}

criterion_group!(benches, full_frame, large_tables);
criterion_main!(benches);
