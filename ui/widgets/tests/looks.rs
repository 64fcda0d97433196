//! How the widgets look, at several sizes, dark and light.

mod common;

use std::borrow::Cow;

use common::{NOW, entry, lines, samples, screen, styled};
use quarterdeck_kernel::{ChangeKind, Health, Severity};
use quarterdeck_widgets::chart::{Chart, Legend, Marker, Series, Threshold, Viewport};
use quarterdeck_widgets::dialog::Dialog;
use quarterdeck_widgets::empty::Empty;
use quarterdeck_widgets::gauge::Gauge;
use quarterdeck_widgets::heatmap::{HeatColumn, Heatmap};
use quarterdeck_widgets::popup::{Item, centred, float, list};
use quarterdeck_widgets::prompt::Prompt;
use quarterdeck_widgets::rule::{columns, divider, rule};
use quarterdeck_widgets::scrollback::Scrollback;
use quarterdeck_widgets::sparkline::Range;
use quarterdeck_widgets::table::{
    CellPainter, Column, Direction, Order, Rows, Sort, Table, TableHit, TableState,
};
use quarterdeck_widgets::toast::{Toast, toasts};
use quarterdeck_widgets::{Depth, Look, Role, Unit, format};
use ratatui::layout::Rect;

struct Services;

const NAMES: [(&str, Health, f64, f64); 5] = [
    ("orders", Health::Degraded, 412.0, 84.0),
    ("risk", Health::Ok, 409.0, 12.0),
    ("broker", Health::Ok, 388.0, 31.0),
    ("market-data", Health::Ok, 8140.0, 3.0),
    ("reports", Health::Unknown, f64::NAN, f64::NAN),
];

impl Rows for Services {
    fn len(&self) -> usize {
        NAMES.len()
    }
    fn key(&self, row: usize) -> Cow<'_, str> {
        Cow::Borrowed(NAMES[row].0)
    }
    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let (name, health, rate, p99) = NAMES[row];
        match column {
            0 => Cow::Borrowed(name),
            1 => Cow::Borrowed(health.as_str()),
            2 => Cow::Owned(format::number(rate)),
            _ => Cow::Owned(format::number(p99)),
        }
    }
    fn order(&self, row: usize, column: usize) -> Order<'_> {
        match column {
            2 => Order::Number(NAMES[row].2),
            3 => Order::Number(NAMES[row].3),
            _ => Order::Text(self.text(row, column)),
        }
    }
    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let text = self.text(row, column);
        match column {
            1 => cell.state(NAMES[row].1, &text, NAMES[row].1),
            3 => cell.trend(&text, 4, Role::Text, &[1.0, 4.0, f64::NAN, 9.0], Range { low: 0.0, high: 9.0 }),
            _ => cell.text(&text),
        }
    }
}

fn services() -> TableState {
    let columns = [
        Column::flex("service", "SERVICE", 10).at_most(20),
        Column::fixed("health", "HEALTH", 10),
        Column::number("rate", "RATE /s", 8),
        Column::fixed("p99", "P99 ms", 12).priority(1),
    ];
    let mut state = TableState::new(&columns, Some(Sort { column: "rate", direction: Direction::Down }));
    assert!(state.refresh(&Services).is_none());
    state.select("orders");
    state
}

#[test]
fn table() {
    let state = services();
    for (width, height) in [(60, 7), (30, 4)] {
        for theme in ["harbour", "daylight"] {
            let look = Look::named(theme);
            let mut buffer = screen(&look, width, height);
            Table::new(&state).draw(&look, &mut buffer, Rect::new(0, 0, width, height), &Services);
            insta::assert_snapshot!(format!("table_{width}x{height}_{theme}"), styled(&buffer, &look));
        }
    }
}

#[test]
fn a_reversed_selection_is_one_plain_row() {
    let state = services();
    for look in [Look::named("sixteen"), Look::default().with_depth(Depth::None)] {
        let mut buffer = screen(&look, 60, 7);
        Table::new(&state).draw(&look, &mut buffer, Rect::new(0, 0, 60, 7), &Services);
        let row: Vec<_> = (2..58).map(|x| buffer[(x, 2)].style()).collect();
        assert!(row.iter().all(|style| style.fg == row[0].fg && style.bg == row[0].bg), "{row:?}");
        assert!(row.iter().all(|style| style.add_modifier.contains(ratatui::style::Modifier::REVERSED)));
    }
}

#[test]
fn the_selection_follows_its_row_and_not_its_place() {
    let mut state = services();
    assert_eq!(state.selected_place(), Some(1));
    state.sort_by("rate");
    let _ = state.refresh(&Services);
    assert_eq!((state.selected(), state.selected_place()), (Some("orders"), Some(2)));
    state.set_filter("!orders");
    let _ = state.refresh(&Services);
    assert_eq!((state.selected(), state.len(), state.total()), (Some("market-data"), 4, 5));
    assert_eq!(state.copy(&Services), "market-data\tok\t8 140\t3");
    let remembered = state.remember();
    assert_eq!(remembered, "sort=rate:up columns=service,health,rate,p99");
    let mut other = services();
    other.restore("sort=p99:down columns=service,gone,p99 nonsense");
    assert_eq!(other.remember(), "sort=p99:down columns=service,p99");
}

#[test]
fn the_mouse_finds_rows_headings_and_the_scrollbar() {
    let state = services();
    let table = Table::new(&state);
    let area = Rect::new(0, 0, 60, 4);
    assert_eq!(table.hit(area, (4, 0)), Some(TableHit::Heading("service")));
    assert_eq!(table.hit(area, (10, 2)), Some(TableHit::Row(1)));
    assert_eq!(table.hit(area, (59, 3)), Some(TableHit::Scrollbar(4)));
    assert_eq!(table.hit(Rect::new(0, 0, 60, 20), (10, 9)), None);
}

fn latency() -> (Vec<quarterdeck_kernel::Sample>, Vec<quarterdeck_kernel::Sample>) {
    let v1 = (0..60).map(|i| 0.029 + 0.004 * (f64::from(i) / 6.0).sin());
    let v2 = (0..60).map(|i| match i {
        20..26 => f64::NAN,
        48.. => 0.03 + 0.0045 * f64::from(i - 47),
        _ => 0.025,
    });
    (samples(15_000, v1), samples(15_000, v2))
}

#[test]
fn chart() {
    let (v1, v2) = latency();
    let series = [Series::new("v2", &v2), Series::new("v1", &v1)];
    let thresholds = [Threshold { value: 0.05, label: "limit 50 ms".into(), role: Role::Warning }];
    let marks = [
        entry(125, ChangeKind::Deployment, Severity::Info),
        entry(520, ChangeKind::Flag, Severity::Info),
        entry(700, ChangeKind::Chaos, Severity::Warning),
    ];
    let mut chart = Chart::new(&series, Viewport::last(900_000, NOW), Unit::Seconds);
    (chart.thresholds, chart.marks, chart.gap) = (&thresholds, &marks, 30_000);
    for (width, height, legend) in [(80, 18, Legend::Table(4)), (44, 10, Legend::Row), (20, 3, Legend::Row)] {
        for theme in ["harbour", "daylight"] {
            let look = Look::named(theme);
            let mut buffer = screen(&look, width, height);
            (chart.legend, chart.cursor) = (legend, (width == 80).then(|| NOW.plus_millis(-60_000)));
            chart.draw(&look, &mut buffer, Rect::new(0, 0, width, height));
            insta::assert_snapshot!(format!("chart_{width}x{height}_{theme}"), styled(&buffer, &look));
        }
    }
}

#[test]
fn charts_in_other_ways() {
    let (v1, v2) = latency();
    let series = [Series::new("v1", &v1), Series::new("v2", &v2)];
    let look = Look::default();
    let area = Rect::new(0, 0, 60, 12);
    let chart = Chart::new(&series, Viewport::last(900_000, NOW), Unit::Seconds);
    let mono = look.with_depth(Depth::None);
    for (name, look, chart) in [
        ("block", &look, Chart { marker: Marker::Block, series: &series[..1], ..chart.clone() }),
        ("stacked", &look, Chart { stacked: true, ..chart.clone() }),
        ("half_blocks", &look, Chart { marker: Marker::Block, ..chart.clone() }),
        ("log", &look, Chart { log: true, unit: Unit::None, ..chart.clone() }),
        ("without_colour", &mono, Chart { legend: Legend::Table(2), ..chart.clone() }),
        ("nothing", &look, Chart { series: &[], ..chart.clone() }),
    ] {
        let mut buffer = screen(look, area.width, area.height);
        chart.draw(look, &mut buffer, area);
        insta::assert_snapshot!(format!("chart_{name}"), lines(&buffer));
    }
}

#[test]
fn heatmap() {
    let columns: Vec<HeatColumn> = (0..30)
        .map(|i| {
            let counts = (0..6)
                .map(|b| (20.0 - f64::from((b - 1 - i32::from(i > 20) * 2) * 8).abs()).max(0.0))
                .collect();
            HeatColumn { at: NOW.plus_millis((i - 29) * 30_000), counts }
        })
        .collect();
    let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, f64::INFINITY];
    let viewport = Viewport::last(900_000, NOW);
    let map = Heatmap {
        bounds: &bounds,
        unit: Unit::Seconds,
        columns: &columns,
        viewport,
        cursor: None,
        threshold: Some(0.05),
    };
    for depth in [Depth::True, Depth::None] {
        let look = Look::default().with_depth(depth);
        let mut buffer = screen(&look, 60, 10);
        map.draw(&look, &mut buffer, Rect::new(0, 0, 60, 10));
        insta::assert_snapshot!(format!("heatmap_{depth:?}"), styled(&buffer, &look));
    }
}

#[test]
fn rules_and_gauges() {
    let look = Look::default();
    let mut buffer = screen(&look, 60, 8);
    let area = buffer.area;
    rule(&look, &mut buffer, area, "firing", "3 of 12");
    let (left, middle, right) = columns(Rect { y: 1, height: 6, ..area }, 36);
    rule(&look, &mut buffer, Rect { y: 0, x: right.x, height: 1, width: right.width }, "timeline", "");
    rule(&look, &mut buffer, Rect { y: 7, ..area }, "", "");
    divider(&look, &mut buffer, middle, 1, 7);
    for (i, (label, part, value)) in [
        ("cpu", 0.61, "61 %"),
        ("memory", 0.999, "99.9 %"),
        ("disk", f64::NAN, "·"),
        ("swap", 0.001, "0.1 %"),
    ]
    .iter()
    .enumerate()
    {
        let area = Rect { y: 1 + i as u16, height: 1, ..left };
        let limit = (i == 1).then_some(0.8);
        Gauge { label, part: *part, value, limit, role: Role::Ok }.draw(&look, &mut buffer, area, 8, 7);
    }
    insta::assert_snapshot!(styled(&buffer, &look));
}

#[test]
fn empty_is_an_answer() {
    let look = Look::default();
    let empty = Empty {
        what: "No target has been scraped yet.",
        next: "Add one under [scrape] in quarterdeck.toml",
        key: "e",
    };
    for (width, height) in [(60, 10), (40, 3)] {
        let mut buffer = screen(&look, width, height);
        empty.draw(&look, &mut buffer, Rect::new(0, 0, width, height));
        insta::assert_snapshot!(format!("empty_{width}x{height}"), styled(&buffer, &look));
    }
}

#[test]
fn what_floats() {
    for theme in ["harbour", "daylight"] {
        let look = Look::named(theme);
        let mut buffer = screen(&look, 70, 24);
        let area = buffer.area;
        let lines = [
            "412 requests/s move from v2 back to v1.".to_owned(),
            "v2 keeps running without traffic.".to_owned(),
        ];
        let mut prompt = Prompt::new("›", "");
        prompt.insert("ord");
        let dialog = Dialog {
            title: "Roll back orders to v1?",
            lines: &lines,
            role: Role::Critical,
            verb: "roll back",
            typed: Some(("orders", &prompt)),
        };
        dialog.draw(&look, &mut buffer, Rect { height: 14, ..area });
        let inside = float(&look, &mut buffer, Rect::new(1, 14, 40, 6), "palette", "Enter run · Esc");
        let items = [
            Item::new("Acknowledge").note("a"),
            Item::new("What changed?").note("w"),
            Item::new("Runbook").note("b"),
        ];
        list(&look, &mut buffer, inside, &items, 1, |i| if i == 1 { vec![0, 5] } else { Vec::new() });
        let told = [Toast { severity: Severity::Warning, message: "orders: 3 of 5 checks fail".into() }];
        toasts(&look, &mut buffer, area, &told);
        insta::assert_snapshot!(format!("floats_{theme}"), styled(&buffer, &look));
    }
    assert_eq!(centred(Rect::new(0, 0, 10, 10), 50, 4), Rect::new(0, 2, 10, 4));
}

#[test]
fn prompt_with_a_mistake_and_choices() {
    let look = Look::default();
    let mut buffer = screen(&look, 50, 8);
    let mut prompt = Prompt::new("›", "PromQL");
    prompt.insert("sum(rate(htp_requests[5m])) by (job)");
    prompt.set_error(9..21, "no metric has this name");
    let cursor = prompt.draw(&look, &mut buffer, Rect::new(0, 0, 50, 2));
    prompt.offer(
        9..12,
        vec![
            Item::new("http_requests_total").note("counter"),
            Item::new("http_errors_total").note("counter"),
        ],
    );
    prompt.draw_choices(&look, &mut buffer, Rect::new(0, 2, 50, 1), Rect::new(0, 0, 50, 8));
    insta::assert_snapshot!(format!("{}{cursor:?}", styled(&buffer, &look)));
    let mut narrow = screen(&look, 12, 1);
    let at = prompt.draw(&look, &mut narrow, Rect::new(0, 0, 12, 1)).expect("cursor");
    assert_eq!((lines(&narrow).trim_end(), at.x), ("›  by (job)", 11));
}

#[test]
fn scrollback() {
    let look = Look::default();
    let mut back = Scrollback::new(20);
    for n in 0..50 {
        back.push(format!("line {n} of the log"));
    }
    back.set_search("47");
    let mut buffer = screen(&look, 30, 5);
    let draw = |line: &String| vec![(line.clone(), look.style(Role::Text))];
    back.draw(&look, &mut buffer, Rect::new(0, 0, 30, 5), draw);
    back.scroll(-100, 5);
    let mut top = screen(&look, 30, 5);
    back.draw(&look, &mut top, Rect::new(0, 0, 30, 5), draw);
    insta::assert_snapshot!(format!("{}---\n{}", styled(&buffer, &look), lines(&top)));
}
