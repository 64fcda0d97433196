//! One of each: charts in every way, heatmap, gauges, and what floats.

use quarterdeck_kernel::{Sample, Severity};
use quarterdeck_widgets::chart::{Chart, Legend, Marker, Series, Viewport};
use quarterdeck_widgets::dialog::Dialog;
use quarterdeck_widgets::empty::Empty;
use quarterdeck_widgets::gauge::Gauge;
use quarterdeck_widgets::heatmap::{HeatColumn, Heatmap};
use quarterdeck_widgets::popup::{Item, float, list};
use quarterdeck_widgets::prompt::Prompt;
use quarterdeck_widgets::rule::{columns, divider, rule};
use quarterdeck_widgets::toast::{Toast, toasts};
use quarterdeck_widgets::{Glyph, Look, Role, Unit, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::NOW;

const RANGE: i64 = 900_000;

fn wave(n: u32, level: f64) -> Vec<Sample> {
    let n = f64::from(n);
    (0..180)
        .map(|i| {
            let x = i as f64;
            let v = level
                * (1.0 + 0.3 * (x / (9.0 + 3.0 * n) + n * 1.7).sin() + 0.1 * (x / 5.0 * (n + 1.0)).sin());
            Sample { t: NOW.plus_millis((i - 179) * 5000), v }
        })
        .collect()
}

pub(crate) fn frame(look: &Look, buffer: &mut Buffer) {
    let area = buffer.area;
    buffer.set_style(area, look.base());
    let half = area.height / 2;
    let (left, middle, right) = columns(Rect { y: 1, height: half - 1, ..area }, area.width / 2);
    rule(look, buffer, Rect { height: 1, ..area }, "series", "");
    rule(look, buffer, Rect { x: right.x, y: 0, width: right.width, height: 1 }, "latency ms", "");
    rule(look, buffer, Rect { y: half, height: 1, ..area }, "stacked", "");
    divider(look, buffer, middle, 1, half);
    let data: Vec<Vec<Sample>> = (0..8).map(|n| wave(n, 200.0 + 90.0 * f64::from(n))).collect();
    let names = ["orders", "risk", "broker", "market-data", "ledger", "reports", "auth", "search"];
    let series: Vec<Series<'_>> =
        names.iter().zip(&data).map(|(name, data)| Series::new(*name, data)).collect();
    let mut chart = Chart::new(&series, Viewport::last(RANGE, NOW), Unit::PerSecond);
    chart.legend = Legend::Row;
    chart.draw(look, buffer, Rect { x: left.x + 1, width: left.width - 2, ..left });
    heatmap(look, buffer, Rect { x: right.x + 1, width: right.width - 2, height: right.height - 1, ..right });

    let (left, middle, right) =
        columns(Rect { y: half + 1, height: area.height - half - 1, ..area }, area.width / 2);
    divider(look, buffer, middle, half + 1, area.height);
    let stacked = Chart { stacked: true, series: &series[..5], ..chart.clone() };
    let top = Rect { x: left.x + 1, width: left.width - 2, height: left.height / 2, ..left };
    stacked.draw(look, buffer, top);
    let block = Chart { marker: Marker::Block, series: &series[3..4], ..chart.clone() };
    block.draw(look, buffer, Rect { y: top.bottom(), height: left.height - top.height, ..top });
    floating(look, buffer, right);
}

fn heatmap(look: &Look, buffer: &mut Buffer, area: Rect) {
    let bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, f64::INFINITY];
    let columns: Vec<HeatColumn> = (0..90)
        .map(|i| {
            let x = f64::from(i);
            let centre = 2.0 + (x / 14.0).sin() + if i > 70 { 2.5 } else { 0.0 };
            let count = |b: usize| 400.0 * (-(b as f64 - centre).powi(2) / 1.6).exp();
            HeatColumn {
                at: NOW.plus_millis((i64::from(i) - 89) * 10_000),
                counts: (0..9).map(count).collect(),
            }
        })
        .collect();
    let map = Heatmap {
        bounds: &bounds,
        unit: Unit::Seconds,
        columns: &columns,
        viewport: Viewport::last(RANGE, NOW),
        cursor: Some(NOW.plus_millis(-400_000)),
        threshold: Some(0.25),
    };
    map.draw(look, buffer, area);
}

fn floating(look: &Look, buffer: &mut Buffer, area: Rect) {
    let inner = Rect { x: area.x + 2, width: area.width - 4, ..area };
    let gauges = [
        ("cpu", 0.61, "61 %", None, Role::Ok),
        ("memory", 0.93, "93 %", Some(0.9), Role::Critical),
        ("disk", 0.71, "71 %", Some(0.8), Role::Ok),
    ];
    for (i, (label, part, value, limit, role)) in gauges.into_iter().enumerate() {
        let row = Rect { y: inner.y + i as u16, height: 1, ..inner };
        Gauge { label, part, value, limit, role }.draw(look, buffer, row, 7, 6);
    }
    let mut x = inner.x;
    for role in Role::ALL.into_iter().skip(1) {
        if x + 4 < inner.right() {
            let name = if let Role::Series(n) = role { n.to_string() } else { role.name().to_owned() };
            x += text::put(buffer, x, inner.y + 4, inner.right() - x, &name, look.style(role)) + 1;
        }
    }
    let mut x = inner.x;
    for glyph in Glyph::ALL {
        text::cell(buffer, x, inner.y + 6, look.glyph(*glyph), look.style(Role::Text));
        x += 2;
    }
    let mut prompt = Prompt::new(look.glyph(Glyph::Prompt), "PromQL");
    prompt.insert("sum(rate(htp_requests_total[5m]))");
    prompt.set_error(9..27, "no metric has this name; did you mean http_requests_total?");
    prompt.draw(look, buffer, Rect { y: inner.y + 8, height: 2, ..inner });
    let inside = float(
        look,
        buffer,
        Rect { y: inner.y + 11, height: 6, width: 40, ..inner },
        "palette",
        "Enter run · Esc",
    );
    let items = [
        Item::new("Acknowledge").note("a"),
        Item::new("What changed?").note("w"),
        Item::new("Open the runbook").note("b"),
    ];
    list(look, buffer, inside, &items, 1, |i| if i == 1 { vec![0, 1, 5, 6] } else { Vec::new() });
    let lines = ["412 requests/s move from v2 back to v1.".to_owned()];
    let dialog = Dialog {
        title: "Roll back orders to v1?",
        lines: &lines,
        role: Role::Warning,
        verb: "roll back",
        typed: None,
    };
    dialog.draw(look, buffer, Rect { y: inner.y + 16, height: 10, ..inner });
    let empty = Empty { what: "No alert rule is loaded.", next: "load the rules that ship", key: "L" };
    empty.draw(look, buffer, Rect { y: inner.y + 24, height: 4, ..inner });
    let told = [Toast { severity: Severity::Warning, message: "orders: 3 of 5 checks fail".into() }];
    toasts(look, buffer, area, &told);
}
