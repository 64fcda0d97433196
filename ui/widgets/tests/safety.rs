//! Whatever goes in, nothing that could steer a terminal reaches a cell, and nothing panics.

mod common;

use std::borrow::Cow;

use common::{NOW, screen};
use proptest::prelude::*;
use quarterdeck_kernel::{ChangeKind, Sample, Severity, Timestamp};
use quarterdeck_widgets::chart::{Chart, Legend, Marker, Series, Threshold, Viewport};
use quarterdeck_widgets::dialog::Dialog;
use quarterdeck_widgets::empty::Empty;
use quarterdeck_widgets::gauge::Gauge;
use quarterdeck_widgets::heatmap::{HeatColumn, Heatmap};
use quarterdeck_widgets::popup::{Item, float, list};
use quarterdeck_widgets::prompt::{Edit, Prompt};
use quarterdeck_widgets::rule::{columns, divider, rule};
use quarterdeck_widgets::scrollback::Scrollback;
use quarterdeck_widgets::sparkline::{Range, sparkline};
use quarterdeck_widgets::table::{Arrangement, Column, Direction, Rows, Sort, Table, TableState, arrange};
use quarterdeck_widgets::toast::{Toast, toasts};
use quarterdeck_widgets::{Glyph, GlyphSet, Look, Role, Unit, format, text};
use ratatui::buffer::{Buffer, CellWidth};
use ratatui::layout::Rect;

/// The same cases on every run; a failure prints the smallest input that shows it.
fn seeded(cases: u32) -> ProptestConfig {
    let rng_seed = proptest::test_runner::RngSeed::Fixed(0x51_7ea5);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

/// Text as an enemy writes it: escape sequences, controls, overrides, marks, wide characters.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<char>().prop_map(String::from),
        "[ -~]{0,6}".prop_map(String::from),
        prop::sample::select(vec![
            "\u{1b}[31m",
            "\u{1b}]0;x\u{7}",
            "\u{1b}]52;c;",
            "\u{1b}P1q",
            "\u{1b}\\",
            "\u{1b}",
            "\u{9b}2J",
            "\u{9d}0;",
            "\u{202e}",
            "\u{2066}",
            "\u{2069}",
            "\u{200f}",
            "\u{61c}",
            "\u{2028}",
            "\u{2029}",
            "\t",
            "\r\n",
            "\0",
            "\u{7f}",
            "\u{301}",
            "\u{301}\u{301}\u{301}\u{301}",
            "漢",
            "👨\u{200d}👩\u{200d}👧",
            "🇩🇪",
            "❤\u{fe0f}",
            "\u{feff}",
            "\u{e0041}",
            "नि",
            "क\u{94d}ष",
            "\u{ff9e}",
            "\u{1100}\u{1161}\u{11a8}",
            "…",
        ])
        .prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn area() -> impl Strategy<Value = Rect> {
    (0u16..8, 0u16..8, 0u16..70, 0u16..30).prop_map(|(x, y, width, height)| Rect { x, y, width, height })
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -1e6..1e6f64,
        1 => prop::sample::select(vec![
            0.0, -0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1e-300,
        ]),
    ]
}

/// No control, no bidirectional control, and no cell wider than it says.
fn assert_safe(buffer: &Buffer) {
    for cell in &buffer.content {
        let symbol = cell.symbol();
        for c in symbol.chars() {
            let code = u32::from(c);
            let control = code < 0x20 || (0x7f..=0x9f).contains(&code);
            let steers =
                matches!(code, 0x200e | 0x200f | 0x202a..=0x202e | 0x2066..=0x2069 | 0x61c | 0x2028 | 0x2029);
            assert!(!control && !steers, "U+{code:04X} reached a cell as {symbol:?}");
        }
        assert!((1..=2).contains(&symbol.cell_width()), "{symbol:?} takes {} columns", symbol.cell_width());
        assert!(symbol.chars().count() <= 16, "{symbol:?} is a heap of characters");
    }
}

/// The columns that a row's cells say they take are the columns that there are.
fn assert_rows_fit(buffer: &Buffer) {
    for y in buffer.area.top()..buffer.area.bottom() {
        let mut x = buffer.area.left();
        while x < buffer.area.right() {
            x += buffer[(x, y)].symbol().cell_width();
        }
        assert_eq!(x, buffer.area.right(), "a wide character hangs over the edge of row {y}");
    }
}

proptest! {
    #![proptest_config(seeded(512))]

    #[test]
    fn no_text_steers_the_terminal(text in hostile(), x in 0u16..30, width in 0u16..40) {
        let look = Look::default();
        let mut buffer = screen(&look, 30, 3);
        let used = text::put(&mut buffer, x, 0, width, &text, look.style(Role::Text));
        prop_assert!(used <= width);
        text::put_right(&mut buffer, x.min(20), 1, width.min(10), &text, look.style(Role::Text));
        text::put_spans(&mut buffer, x, 2, width, &[(text.as_str(), look.base()), (&text, look.base())]);
        assert_safe(&buffer);
        assert_rows_fit(&buffer);
    }

    #[test]
    fn cleaning_is_done_once_and_cutting_keeps_to_its_width(text in hostile(), width in 0usize..40) {
        let clean = text::clean(&text).into_owned();
        prop_assert_eq!(text::clean(&clean), clean.as_str());
        prop_assert!(text::width(&text::cut(&text, width)) <= width);
        for line in text::wrap(&text, width) {
            prop_assert!(text::width(&line) <= width, "{:?}", line);
        }
    }

    #[test]
    fn numbers_are_short(v in value()) {
        for text in [format::number(v), Unit::Seconds.full(v), Unit::Bytes.full(v), Unit::Ratio.full(v)] {
            prop_assert!(text::width(&text) <= 16, "{}", text);
        }
    }
}

fn chart_over(
    values: &[f64],
    step: i64,
    area: Rect,
    marker: Marker,
    log: bool,
    stacked: bool,
    legend: Legend,
) {
    let look = Look::default();
    let samples: Vec<Sample> = values
        .iter()
        .enumerate()
        .map(|(i, v)| Sample { t: NOW.plus_millis((i as i64).saturating_mul(step)), v: *v })
        .collect();
    let series = [Series::new("a\u{1b}[1m", &samples), Series::new("b", &samples[samples.len() / 2..])];
    let limit = values.first().copied().unwrap_or(f64::NAN);
    let thresholds = [Threshold { value: limit, label: "limit".into(), role: Role::Critical }];
    let marks = [
        common::entry(-3, ChangeKind::Flag, Severity::Info),
        common::entry(5, ChangeKind::Chaos, Severity::Critical),
    ];
    let mut chart =
        Chart::new(&series, Viewport::new(NOW, NOW.plus_millis(step.saturating_mul(30))), Unit::Seconds);
    (chart.marker, chart.log, chart.stacked, chart.legend) = (marker, log, stacked, legend);
    (chart.thresholds, chart.marks, chart.cursor) = (&thresholds, &marks, Some(NOW.plus_millis(step)));
    chart.gap = step.saturating_mul(3);
    let mut buffer = screen(&look, 60, 24);
    let plot = chart.draw(&look, &mut buffer, area);
    assert!(plot.is_empty() || buffer.area.intersection(plot) == plot);
    assert_safe(&buffer);
}

struct Hostile(Vec<String>);

impl Rows for Hostile {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn key(&self, row: usize) -> Cow<'_, str> {
        Cow::Owned(row.to_string())
    }
    fn text(&self, row: usize, _: usize) -> Cow<'_, str> {
        Cow::Borrowed(&self.0[row])
    }
}

proptest! {
    #![proptest_config(seeded(192))]

    #[test]
    fn charts_take_any_data_in_any_area(
        values in prop::collection::vec(value(), 0..60),
        area in area(),
        step in prop::sample::select(vec![0, 1, 1000, 60_000, 86_400_000, i64::MAX / 100]),
        kind in 0u8..24,
    ) {
        let marker = if kind % 2 == 0 { Marker::Braille } else { Marker::Block };
        let legend = [Legend::None, Legend::Row, Legend::Table(3)][usize::from(kind / 8)];
        chart_over(&values, step, area, marker, kind & 2 != 0, kind & 4 != 0, legend);
    }

    #[test]
    fn heatmaps_take_any_data_in_any_area(
        counts in prop::collection::vec(prop::collection::vec(value(), 0..7), 0..20),
        bounds in prop::collection::vec(value(), 0..6),
        area in area(),
    ) {
        let columns: Vec<HeatColumn> = counts
            .into_iter()
            .enumerate()
            .map(|(i, counts)| HeatColumn { at: NOW.plus_millis(i as i64 * 500), counts })
            .collect();
        let look = Look::default();
        let mut buffer = screen(&look, 60, 24);
        let viewport = Viewport::new(NOW, NOW.plus_millis(10_000));
        let threshold = bounds.first().copied();
        let cursor = Some(NOW.plus_millis(2000));
        let map = Heatmap { bounds: &bounds, unit: Unit::Seconds, columns: &columns, viewport, cursor, threshold };
        map.draw(&look, &mut buffer, area);
        assert_safe(&buffer);
    }

    #[test]
    fn tables_take_any_text_in_any_area(
        rows in prop::collection::vec(hostile(), 0..40),
        filter in hostile(),
        moves in prop::collection::vec((0u8..8, -50isize..50), 0..12),
        area in area(),
    ) {
        let look = Look::default();
        let columns = [
            Column::flex("a", "A\u{202e}", 6),
            Column::number("b", "B", 9).priority(1),
            Column::flex("c", "C", 4).at_most(9).weight(3).priority(2),
        ];
        let rows = Hostile(rows);
        let mut state = TableState::new(&columns, Some(Sort { column: "b", direction: Direction::Down }));
        let _ = state.refresh(&rows);
        for (step, by) in moves {
            let height = Table::new(&state).height(area);
            match step {
                0 => state.step(by, &rows),
                1 => state.page(by, height, &rows),
                2 => state.scroll(by, height, &rows),
                3 => state.last(&rows),
                4 => state.toggle_mark(),
                5 => state.set_filter(&filter),
                6 => state.sort_next(),
                _ => state.toggle_column(["a", "b", "c"][by.unsigned_abs() % 3]),
            }
            let _ = state.refresh(&rows);
            let mut buffer = screen(&look, 60, 24);
            let table = Table::new(&state);
            table.draw(&look, &mut buffer, area, &rows);
            assert_safe(&buffer);
            for at in [(0, 0), (5, 0), (5, 3), (area.width.saturating_sub(1), 4)] {
                let _ = table.hit(area, at);
            }
            prop_assert!(state.selected_row().is_none_or(|row| row < rows.len()));
        }
    }

    #[test]
    fn everything_else_takes_any_text_in_any_area(words in hostile(), area in area(), n in 0usize..40, part in value()) {
        let look = Look::default();
        let mut buffer = screen(&look, 60, 24);
        let lines = vec![words.clone(); n % 5];
        rule(&look, &mut buffer, area, &words, &words);
        let (_, x, _) = columns(area, area.width / 2);
        divider(&look, &mut buffer, x, area.y, area.y + area.height);
        Empty { what: &words, next: &words, key: &words }.draw(&look, &mut buffer, area);
        Gauge { label: &words, part, value: &words, limit: Some(part), role: Role::Ok }.draw(&look, &mut buffer, area, 9, 9);
        sparkline(&look, &mut buffer, (area.x, area.y), area.width, &[part, 1.0, part], Range::from_zero([part]), Role::Ok);
        let inside = float(&look, &mut buffer, area, &words, &words);
        let items: Vec<Item> = (0..n).map(|_| Item::new(words.as_str()).note(words.as_str())).collect();
        list(&look, &mut buffer, inside, &items, n / 2, |i| if i % 2 == 0 { vec![0, 3] } else { Vec::new() });
        let all = [Severity::Info, Severity::Critical].map(|severity| Toast { severity, message: words.clone() });
        toasts(&look, &mut buffer, area, &all);
        let mut prompt = Prompt::new("›", words.as_str());
        prompt.insert(&words);
        prompt.set_error(n..n + 3, words.as_str());
        prompt.draw(&look, &mut buffer, area);
        prompt.offer(0..prompt.text().len(), items);
        prompt.draw_choices(&look, &mut buffer, Rect { height: 1, ..area }, Rect::new(0, 0, 60, 24));
        let dialog = Dialog { title: &words, lines: &lines, role: Role::Critical, verb: "stop", typed: Some((&words, &prompt)) };
        dialog.draw(&look, &mut buffer, area);
        let mut back = Scrollback::new(n + 1);
        for _ in 0..n * 2 {
            back.push(words.clone());
        }
        back.set_search(&words);
        back.scroll(-3, area.height);
        back.draw(&look, &mut buffer, area, |line| vec![(line.clone(), look.style(Role::Muted))]);
        assert_safe(&buffer);
    }

    #[test]
    fn prompts_take_any_keys(edits in prop::collection::vec((0u8..20, any::<char>()), 0..60)) {
        let keys = ["backspace", "delete", "left", "right", "alt-b", "alt-f", "home", "end", "ctrl-k", "ctrl-u", "ctrl-w",
            "alt-d", "ctrl-y", "ctrl-t", "up", "down", "tab"];
        let mut prompt = Prompt::new("/", "");
        for (which, c) in edits {
            match keys.get(usize::from(which)) {
                Some(key) => drop(Edit::from_key(key).map(|edit| prompt.edit(edit))),
                None if which == 18 => drop(prompt.take()),
                None => drop(prompt.edit(Edit::Insert(c))),
            }
            prop_assert!(prompt.text().is_char_boundary(prompt.cursor()));
            prop_assert_eq!(text::clean(prompt.text()), prompt.text());
        }
    }
}

#[test]
fn an_arrangement_that_is_out_of_date_draws_what_is_still_there() {
    let many = Hostile((0..50).map(|i| format!("row {i}")).collect());
    let few = Hostile(vec!["row 0".to_owned()]);
    let mut state = TableState::new(&[Column::flex("a", "A", 5)], None);
    let arrangement: Arrangement = arrange(&many, &state.spec());
    state.adopt(arrangement, &many);
    state.last(&many);
    let look = Look::default();
    let mut buffer = screen(&look, 20, 10);
    Table::new(&state).draw(&look, &mut buffer, Rect::new(0, 0, 20, 10), &few);
    state.step(-1, &few);
    assert_eq!(state.selected(), None);
}

#[test]
fn what_is_asked_for_before_it_is_there_is_selected_when_it_comes_unless_somebody_moves() {
    let rows = |count| Hostile((0..count).map(|i| format!("row {i}")).collect());
    let mut state = TableState::new(&[Column::flex("a", "A", 5)], None);
    let selected = |state: &TableState| state.selected_row();
    for known in [0, 5] {
        let mut state = state.clone();
        let _ = state.refresh(&rows(known));
        state.want("7");
        for count in [known, 5, 6] {
            let _ = state.refresh(&rows(count));
            assert_eq!((selected(&state), state.waits()), (None, true), "a key would act on another row");
        }
        let _ = state.refresh(&rows(9));
        assert_eq!((selected(&state), state.waits()), (Some(7), false));
        let _ = state.refresh(&rows(5));
        assert_eq!(selected(&state), Some(4), "it was there and is gone: its neighbour takes its place");
    }
    state.want("7");
    state.step(1, &rows(0));
    assert!(state.waits(), "there was nowhere to go to");
    let _ = state.refresh(&rows(5));
    state.step(1, &rows(5));
    assert_eq!((selected(&state), state.waits()), (Some(1), false));
    let _ = state.refresh(&rows(9));
    assert_eq!(selected(&state), Some(1), "who has moved stays there");
    state.want("20");
    state.set_filter("8");
    let _ = state.refresh(&rows(9));
    assert_eq!((selected(&state), state.waits()), (Some(8), false), "who filters looks for something else");
}

#[test]
fn a_large_table_is_arranged_in_the_background_and_keeps_its_selection() {
    let rows = Hostile((0..100_000).map(|i| format!("row {}", (i * 7919) % 100_000)).collect());
    let mut state =
        TableState::new(&[Column::flex("a", "A", 5)], Some(Sort { column: "a", direction: Direction::Up }));
    let spec = state.refresh(&rows).expect("too large to be arranged at once");
    state.adopt(arrange(&rows, &spec), &rows);
    assert_eq!(rows.text(state.selected_row().expect("a row"), 0), "row 0");
    state.select_place(70_000, &rows);
    let key = state.selected().map(str::to_owned);
    state.sort_by("a");
    let spec = state.refresh(&rows).expect("too large to be arranged at once");
    state.adopt(arrange(&rows, &spec), &rows);
    assert_eq!((state.selected().map(str::to_owned), state.selected_place()), (key, Some(29_999)));
}

#[test]
fn ascii_screens_are_ascii_and_ambiguous_ones_unambiguous() {
    use unicode_width::UnicodeWidthChar;
    let samples = common::samples(1000, (0..60).map(f64::from));
    let series = [Series::new("orders", &samples)];
    let draw = |look: &Look| {
        let mut buffer = screen(look, 60, 20);
        let mut chart = Chart::new(&series, Viewport::last(60_000, NOW), Unit::Millis);
        chart.cursor = Some(Timestamp::from_millis(NOW.as_millis() - 9000));
        chart.draw(look, &mut buffer, Rect::new(0, 0, 60, 18));
        for (i, glyph) in Glyph::ALL.iter().enumerate() {
            text::cell(&mut buffer, i as u16, 19, look.glyph(*glyph), look.style(Role::Text));
        }
        look.settle(&mut buffer);
        buffer
    };
    let ascii = draw(&Look::default().with_glyphs(GlyphSet::Ascii));
    assert!(ascii.content.iter().all(|cell| cell.symbol().is_ascii()), "{}", common::lines(&ascii));
    let narrow = draw(&Look::default().with_ambiguous_wide(true));
    let ambiguous = |c: char| c.width() == Some(1) && c.width_cjk() == Some(2);
    assert!(
        !narrow.content.iter().any(|cell| cell.symbol().chars().any(ambiguous)),
        "{}",
        common::lines(&narrow)
    );
}
