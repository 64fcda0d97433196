//! Draws the widgets with sample data into a picture: `gallery OUT.png|OUT.svg [THEME] [WIDTHxHEIGHT] [widgets]`.

mod widgets;

use std::borrow::Cow;

use quarterdeck_kernel::{Actor, ChangeKind, Entry, EntryId, Health, Phase, Sample, Severity, Timestamp};
use quarterdeck_widgets::chart::{Chart, Legend, Series, Threshold, Viewport};
use quarterdeck_widgets::picture::{self, PictureOptions};
use quarterdeck_widgets::rule::{columns, divider, rule};
use quarterdeck_widgets::sparkline::Range;
use quarterdeck_widgets::table::{CellPainter, Column, Direction, Order, Rows, Sort, Table, TableState};
use quarterdeck_widgets::{Glyph, Look, Role, Unit, format, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

const NOW: Timestamp = Timestamp::from_millis(1_773_066_727_000);

struct Service {
    name: &'static str,
    health: Health,
    rate: f64,
    errors: f64,
    p99: f64,
    limit: Option<f64>,
    saturation: f64,
    changing: &'static str,
}

const SERVICES: [Service; 6] = [
    service("orders", Health::Degraded, 412.0, 1.9, 84.0, Some(50.0), 61.0, "⟳ v2 canary 10 % · step 2/5"),
    service("risk", Health::Ok, 409.0, 0.0, 12.0, None, 22.0, ""),
    service("broker", Health::Ok, 388.0, 0.4, 31.0, None, 35.0, ""),
    service("market-data", Health::Ok, 8140.0, 0.0, 3.0, None, 48.0, "feed lag 12 ms"),
    service("ledger", Health::Ok, 388.0, 0.0, 6.0, None, 71.0, "disk full in 9 d (6–14)"),
    service("reports", Health::Unknown, f64::NAN, f64::NAN, f64::NAN, None, f64::NAN, ""),
];

#[expect(clippy::too_many_arguments, reason = "a row of a sample table")]
const fn service(
    name: &'static str,
    health: Health,
    rate: f64,
    errors: f64,
    p99: f64,
    limit: Option<f64>,
    saturation: f64,
    changing: &'static str,
) -> Service {
    Service { name, health, rate, errors, p99, limit, saturation, changing }
}

const COLUMNS: [Column; 7] = [
    Column::flex("service", "SERVICE", 12).at_most(18),
    Column::fixed("health", "HEALTH", 10),
    Column::fixed("rate", "RATE /s", 16),
    Column::fixed("errors", "ERRORS %", 15),
    Column::fixed("p99", "P99 ms", 15),
    Column::number("saturation", "SAT %", 5).priority(2),
    Column::flex("changing", "CHANGING", 12).priority(1),
];

struct Services;

impl Rows for Services {
    fn len(&self) -> usize {
        SERVICES.len()
    }
    fn key(&self, row: usize) -> Cow<'_, str> {
        Cow::Borrowed(SERVICES[row].name)
    }
    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let s = &SERVICES[row];
        match column {
            0 => Cow::Borrowed(s.name),
            1 => Cow::Borrowed(s.health.as_str()),
            2 => Cow::Owned(format::number(s.rate)),
            3 => Cow::Owned(format::number(s.errors)),
            4 => Cow::Owned(format::number(s.p99)),
            5 => Cow::Owned(format::number(s.saturation)),
            _ => Cow::Borrowed(s.changing),
        }
    }
    fn order(&self, row: usize, column: usize) -> Order<'_> {
        let s = &SERVICES[row];
        match column {
            1 => Order::Number(f64::from(s.health as u8)),
            2 => Order::Number(s.rate),
            _ => Order::Text(self.text(row, column)),
        }
    }
    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let s = &SERVICES[row];
        let shape = |level: f64, wave: f64| -> Vec<f64> {
            (0..10).map(|i| level * (0.7 + 0.03 * i as f64 + 0.1 * (i as f64 * wave).sin())).collect()
        };
        let text = self.text(row, column);
        match column {
            1 => {
                let role = if s.health == Health::Ok { Role::Muted } else { Role::from(s.health) };
                let sign = cell.look().style(s.health);
                let (glyph, word) = (cell.look().glyph(s.health), cell.look().style(role));
                cell.spans(&[(glyph, sign), (" ", word), (s.health.as_str(), word)]);
            }
            2 => cell.trend(&text, 5, Role::Text, &shape(s.rate, 1.3), Range::from_zero([s.rate * 1.1])),
            3 if s.errors > 0.0 => {
                let values: Vec<f64> = (0..10).map(|i| s.errors * (f64::from(i) / 9.0).powi(3)).collect();
                let role = if s.errors > 1.0 { Role::Warning } else { Role::Text };
                cell.trend(&text, 4, role, &values, Range::from_zero([2.0]));
            }
            3 => cell.trend(&text, 4, Role::Muted, &[], Range::from_zero([])),
            4 => {
                let values: Vec<f64> = (0..10).map(|i| s.p99 * if i > 4 { 1.0 } else { 0.3 }).collect();
                let role = if s.limit.is_some() { Role::Warning } else { Role::Text };
                cell.trend(&text, 4, role, &values, Range::from_zero([90.0]));
            }
            6 if text.starts_with('⟳') => cell.role(&text, Role::Running),
            6 => cell.role(&text, Role::Muted),
            _ => cell.text(&text),
        }
    }
}

fn entry(seconds_ago: i64, kind: ChangeKind, severity: Severity, who: &str, summary: &str) -> Entry {
    Entry {
        id: EntryId { writer: "gallery".into(), seq: 1 },
        at: NOW.plus_millis(-seconds_ago * 1000),
        kind,
        phase: Phase::Done,
        severity,
        subject: None,
        service: None,
        actor: Actor { user: who.into(), ..Actor::default() },
        summary: summary.into(),
        reason: None,
        invocation: None,
        outcome_of: None,
        undo: None,
        undone_by: None,
    }
}

fn latency(level: f64, jump: f64, phase: f64) -> Vec<Sample> {
    (0..180)
        .filter(|i| !(60..70).contains(i))
        .map(|i| {
            let x = f64::from(i);
            let noise = ((x * 12.9898 + phase).sin() * 43758.547).fract().abs();
            let step = if i > 150 { jump * (1.0 - (-(x - 150.0) / 6.0).exp()) } else { 0.0 };
            let v = level * (1.0 + 0.25 * (x / 17.0 + phase).sin()) + level * 0.2 * noise + step;
            Sample { t: NOW.plus_millis((i64::from(i) - 179) * 5000), v: v / 1000.0 }
        })
        .collect()
}

fn frame(look: &Look, buffer: &mut Buffer) {
    let area = buffer.area;
    buffer.set_style(area, look.base());
    let entries = [
        entry(125, ChangeKind::Deployment, Severity::Info, "ops-1", "orders v2 canary → 10 %"),
        entry(207, ChangeKind::Deployment, Severity::Info, "ops-1", "orders v2 canary → 5 %"),
        entry(520, ChangeKind::Flag, Severity::Info, "ops-2", "smart-routing 20 % → 40 %"),
        entry(700, ChangeKind::Chaos, Severity::Warning, "ops-2", "broker latency +20 ms for 2 m"),
        entry(840, ChangeKind::Acknowledgement, Severity::Info, "ops-1", "LedgerDiskForecast ack"),
    ];
    header(look, buffer);
    let mut y = 3;
    rule(look, buffer, Rect { y, height: 1, ..area }, "services", "");
    let mut state = TableState::new(&COLUMNS, Some(Sort { column: "health", direction: Direction::Down }));
    let _ = state.refresh(&Services);
    state.select("orders");
    Table::new(&state).draw(look, buffer, Rect { y: y + 1, height: 7, ..area }, &Services);
    y += 8;
    let (left, middle, right) = columns(Rect { y, height: area.height - y - 2, ..area }, area.width * 6 / 10);
    rule(look, buffer, area_row(area, y), "orders · p99 ms", "");
    rule(look, buffer, Rect { height: 1, x: right.x, ..right }, "timeline", "");
    rule(look, buffer, area_row(area, area.height - 2), "", "");
    divider(look, buffer, middle, y + 1, area.height - 2);
    let (v1, v2, slow) = (latency(29.0, 0.0, 0.0), latency(24.0, 52.0, 2.0), latency(12.0, 3.0, 4.0));
    let series = [Series::new("v2", &v2), Series::new("v1", &v1), Series::new("risk", &slow)];
    let thresholds = [Threshold { value: 0.05, label: "limit 50 ms".into(), role: Role::Warning }];
    let mut chart = Chart::new(&series, Viewport::last(900_000, NOW), Unit::Seconds);
    chart.thresholds = &thresholds;
    chart.marks = &entries;
    chart.gap = 15_000;
    chart.cursor = Some(NOW.plus_millis(-60_000));
    chart.legend = Legend::Table(4);
    chart.draw(
        look,
        buffer,
        Rect { y: left.y + 1, height: left.height - 1, x: left.x + 1, width: left.width - 2 },
    );
    for (i, e) in entries.iter().enumerate() {
        let y = right.y + 1 + i as u16;
        let spans = [
            (look.clock(e.at), look.style(Role::Faint)),
            (format!(" {} ", look.glyph(e.kind)), look.style(Role::Accent)),
            (e.summary.clone(), look.style(Role::Text)),
        ];
        text::put_spans(buffer, right.x + 1, y, right.width.saturating_sub(8), &spans);
        text::put_right(buffer, right.x, y, right.width - 1, &e.actor.user, look.style(Role::Muted));
    }
    let hints = [
        ("Enter", "open"),
        ("w", "what changed"),
        ("a", "ack"),
        ("R!", "roll back"),
        ("/", "filter"),
        ("?", "help"),
    ];
    let mut x = 1;
    for (key, what) in hints {
        x += text::put(buffer, x, area.height - 1, 20, key, look.style(Role::Key)) + 1;
        x += text::put(buffer, x, area.height - 1, 20, what, look.style(Role::Muted));
        x += text::put(buffer, x, area.height - 1, 3, " · ", look.style(Role::Faint));
    }
}

fn area_row(area: Rect, y: u16) -> Rect {
    Rect { y, height: 1, ..area }
}

fn header(look: &Look, buffer: &mut Buffer) {
    let width = buffer.area.width;
    let spans =
        [("quarterdeck", look.style(Role::Title)), ("  demo · all services", look.style(Role::Muted))];
    text::put_spans(buffer, 1, 0, width - 2, &spans);
    text::put_centred(
        buffer,
        0,
        0,
        width,
        &format!("15m · {} live", look.clock(NOW)),
        look.style(Role::Muted),
    );
    let counts = [
        (format!("{} 1 critical", look.glyph(Severity::Critical)), look.style(Severity::Critical)),
        (format!("  {} 2 warning", look.glyph(Severity::Warning)), look.style(Severity::Warning)),
        (format!("  {} 1 rollout", look.glyph(Glyph::Running)), look.style(Role::Running)),
        ("   ops-1".to_owned(), look.style(Role::Muted)),
    ];
    let taken: u16 = counts.iter().map(|(t, _)| text::width(t) as u16).sum();
    text::put_spans(buffer, width - taken - 1, 0, taken, &counts);
    let mut x = 1;
    for (i, tab) in
        ["Overview", "Services", "Alerts", "Deploys", "Metrics", "Streams", "Timeline"].iter().enumerate()
    {
        let role = if i == 0 { Role::Accent } else { Role::Muted };
        x += text::put(buffer, x, 1, 3, &format!("{} ", i + 1), look.style(Role::Faint));
        x += text::put(buffer, x, 1, 20, tab, look.style(role)) + 2;
    }
    let head = [
        ("orders degraded 2 m", look.style(Role::Warning)),
        (
            " · p99 84 ms (limit 50) · began 7 s after v2 → 10 % (ops-1) · paging ops-2 in 3:12",
            look.style(Role::Text),
        ),
    ];
    text::put_spans(buffer, 1, 2, width - 18, &head);
    text::put_spans(
        buffer,
        width - 16,
        2,
        15,
        &[("w", look.style(Role::Key)), (" what changed", look.style(Role::Muted))],
    );
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let out = args.next().unwrap_or_else(|| "gallery.png".to_owned());
    let look = Look::named(&args.next().unwrap_or_default());
    let size = args.next().unwrap_or_else(|| "120x40".to_owned());
    let (width, height) = size.split_once('x').ok_or("write the size as WIDTHxHEIGHT")?;
    let mut buffer = Buffer::empty(Rect::new(0, 0, width.parse()?, height.parse()?));
    if args.next().is_some() {
        widgets::frame(&look, &mut buffer);
    } else {
        frame(&look, &mut buffer);
    }
    look.settle(&mut buffer);
    let options = PictureOptions::default();
    if out.ends_with(".svg") {
        std::fs::write(&out, picture::svg(&buffer, &look, &options)?)?;
    } else {
        std::fs::write(&out, picture::png(&buffer, &look, &options)?)?;
    }
    Ok(())
}
