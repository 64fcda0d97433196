//! How feeds and their rows are drawn.

use quarterdeck_kernel::{Moment, Sample, Timestamp};
use quarterdeck_streams::{FeedState, FeedView};
use quarterdeck_ui::{Context, Hit};
use quarterdeck_widgets::chart::{Chart, Legend, Series, Viewport};
use quarterdeck_widgets::{Glyph, Role, Unit, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::feeds::{FeedRows, sign, words};
use super::messages::indented;
use super::{Focus, Streams};
use crate::World;

/// Points of the rate further apart than this are a gap, in milliseconds.
const GAP: i64 = 2_500;

/// From this width on, a message stands beside the rows and not below them.
const BESIDE: u16 = 120;

/// Where things are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    title: Rect,
    pub(super) feeds: Rect,
    feed_rule: Rect,
    chart: Rect,
    rows_rule: Rect,
    pub(super) rows: Rect,
    divider: Option<u16>,
    detail: Rect,
}

impl Layout {
    pub(super) fn new(area: Rect, feeds: usize, focus: Focus, rows: bool) -> Self {
        let mut y = area.y;
        let mut take = |height: u16| {
            let height = height.min(area.bottom().saturating_sub(y));
            let taken = Rect { y, height, ..area };
            y += height;
            taken
        };
        let title = take(1);
        let most = (area.height / 3).max(2);
        let feeds_height = (feeds.min(40) as u16 + 1).min(most);
        let feeds = take(feeds_height);
        let rest = area.height.saturating_sub(1 + feeds_height);
        let feed_rule = take(u16::from(rest >= 4));
        let rest = rest - feed_rule.height;
        let beside = area.width >= BESIDE;
        let detail = focus == Focus::Rows && rows;
        let below = if detail && !beside && rest >= 9 { 5 } else { 0 };
        // Where a message is read, the rate gives way before the rows do.
        let chart = match rest - below {
            30.. => 10,
            20..30 => 8,
            12..20 if !(detail && below > 0) => 6,
            _ => 0,
        };
        let chart = take(chart);
        let rows_rule = take(u16::from(chart.height > 0));
        let rows = take(rest.saturating_sub(chart.height + rows_rule.height + below));
        let mut detail_area = take(below);
        let (mut rows, mut divider) = (rows, None);
        if detail && beside {
            let (left, x, right) = rule::columns(rows, rows.width * 3 / 5);
            (rows, divider, detail_area) = (left, Some(x), right);
        }
        Self { title, feeds, feed_rule, chart, rows_rule, rows, divider, detail: detail_area }
    }
}

impl Streams {
    pub(super) fn layout(&self, area: Rect, world: &World) -> Layout {
        let rows = self.shown.as_ref().is_some_and(|rows| !rows.feed.rows.is_empty());
        Layout::new(area, world.streams.feeds.len(), self.focus, rows)
    }

    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let streams = &cx.world.streams;
        if streams.feeds.is_empty() {
            let title = Rect { height: 1.min(area.height), ..area };
            rule::rule(cx.look, buffer, title, "streams", "");
            draw_invitation(
                cx,
                buffer,
                Rect { y: title.bottom(), height: area.height - title.height, ..area },
            );
            return Vec::new();
        }
        let layout = self.layout(area, cx.world);
        rule::rule(cx.look, buffer, layout.title, "streams", &summary(cx.world));
        let feeds = FeedRows::new(streams, cx.world.now);
        self.feeds.draw(cx.look, buffer, layout.feeds, &feeds);
        let mut hits = vec![Hit { area: layout.feeds, target: "feeds".to_owned() }];
        let Some(feed) = self.feed(cx.world) else { return hits };
        let title = format!("{} · {}", feed.name, feed.url);
        rule::rule(cx.look, buffer, layout.feed_rule, &title, &self.standing(cx, feed));
        draw_rate(cx, buffer, layout.chart, feed);
        if layout.rows_rule.height > 0 {
            rule::rule(cx.look, buffer, layout.rows_rule, &self.rows_title(), &figures(feed));
        }
        match &self.shown {
            Some(rows) if *rows.feed.name == *feed.name && !rows.feed.rows.is_empty() => {
                self.rows.draw(cx.look, buffer, layout.rows, rows);
                hits.push(Hit { area: layout.rows, target: "rows".to_owned() });
                self.draw_detail(cx, buffer, &layout);
            }
            _ => draw_quiet(cx, buffer, layout.rows, feed),
        }
        hits
    }

    fn rows_title(&self) -> String {
        let order = match (self.rows.table.sort(), self.follow) {
            (Some(_), _) => "sorted",
            (None, true) => "newest first, following",
            (None, false) => "newest first",
        };
        let count = self.shown.as_ref().map_or(0, |rows| rows.feed.rows.len());
        format!("{} rows · {order}", format::grouped(count as u64))
    }

    /// What stands at the right of a feed's rule: since when, and whether this is the present.
    fn standing(&self, cx: &Context<'_, World>, feed: &FeedView) -> String {
        let since = format!("{} since {}", feed.state.as_str(), cx.look.when(feed.since, cx.world.now));
        match cx.scope.moment {
            Moment::At(_) => format!("{since} · rows are of now, the past is in Metrics"),
            Moment::Live => since,
        }
    }

    fn draw_detail(&self, cx: &Context<'_, World>, buffer: &mut Buffer, layout: &Layout) {
        let area = layout.detail;
        let row = self.shown.as_ref().and_then(|rows| rows.row(self.rows.table.selected_row()?));
        let (Some(row), false) = (row, area.is_empty()) else { return };
        let look = cx.look;
        let sent = row.sent.map(|at| format!(" · sent {}", look.clock_millis(at))).unwrap_or_default();
        let came = format!("{}{sent}", look.clock_millis(row.received));
        let title = format!("message {}", row.id);
        let size = if row.raw.len() < row.bytes {
            let kept = Unit::Bytes.full(row.raw.len() as f64);
            format!("the first {kept} of {}", Unit::Bytes.full(row.bytes as f64))
        } else {
            Unit::Bytes.full(row.bytes as f64)
        };
        let inside = match layout.divider {
            Some(x) => {
                rule::divider(look, buffer, x, area.y, area.bottom());
                let (x, width) = (area.x + 1, area.width.saturating_sub(2));
                let taken = text::put(buffer, x, area.y, width, &title, look.style(Role::Title)) + 2;
                let taken = taken.min(width);
                text::put_right(buffer, x + taken, area.y, width - taken, &size, look.style(Role::Muted));
                text::put(buffer, x, area.y + 1, width, &came, look.style(Role::Muted));
                let front = area.height.min(3);
                Rect { x, y: area.y + front, width, height: area.height - front }
            }
            None => {
                rule::rule(look, buffer, area, &format!("{title} · {came}"), &size);
                Rect {
                    x: area.x + 1,
                    y: area.y + 1,
                    width: area.width.saturating_sub(2),
                    height: area.height - 1,
                }
            }
        };
        let height = usize::from(inside.height);
        let width = usize::from(inside.width);
        let pretty = indented(&row.raw, height + 1);
        // Below the rows there is little height: the message as it came then says more.
        let lines: Vec<String> = if layout.divider.is_none() && pretty.len() > height {
            text::wrap(&row.raw, width)
        } else {
            pretty.iter().flat_map(|line| text::wrap(line, width)).collect()
        };
        let cut = lines.len() > height;
        for ((line, y), left) in lines.iter().zip(inside.y..inside.bottom()).zip((1..=height).rev()) {
            let last = cut && left == 1;
            let line = if last { look.glyph(Glyph::Ellipsis) } else { line };
            let role = if last { Role::Faint } else { Role::Text };
            // Names muted, values in full: the eye reads what differs.
            match line.split_once("\": ").filter(|_| layout.divider.is_some()) {
                Some((name, value)) => {
                    let spans = [(name, Role::Muted), ("\": ", Role::Muted), (value, role)];
                    let spans = spans.map(|(t, r)| (t, look.style(r)));
                    text::put_spans(buffer, inside.x, y, inside.width, &spans);
                }
                None => {
                    text::put(buffer, inside.x, y, inside.width, line, look.style(role));
                }
            }
        }
    }
}

/// How many feeds do what.
fn summary(world: &World) -> String {
    let feeds = &world.streams.feeds;
    let count = |fits: fn(FeedState) -> bool| feeds.iter().filter(|f| fits(f.state)).count();
    let live = count(|s| matches!(s, FeedState::Live));
    let stale = count(|s| matches!(s, FeedState::Stale));
    let down = count(|s| matches!(s, FeedState::Waiting { .. } | FeedState::Connecting { .. }));
    let paused = count(|s| matches!(s, FeedState::Paused));
    let rate: f64 = feeds.iter().map(|f| f.stats.message_rate).sum();
    let mut parts = vec![format!("{live} live")];
    for (count, word) in [(stale, "stale"), (down, "not connected"), (paused, "paused")] {
        parts.extend((count > 0).then(|| format!("{count} {word}")));
    }
    parts.push(format!("{} msg/s", format::figure(rate)));
    parts.join(" · ")
}

/// What has been lost or refused: only what is not zero.
fn figures(feed: &FeedView) -> String {
    let stats = &feed.stats;
    let counts = [
        (stats.missing, "missing"),
        (stats.out_of_order, "out of order"),
        (stats.dropped, "dropped"),
        (stats.bad, "unreadable"),
        (stats.refused, "samples refused"),
    ];
    let mut parts: Vec<String> = vec![format!("{} messages", format::grouped(stats.messages))];
    let lost = counts.iter().filter(|(count, _)| *count > 0);
    parts.extend(lost.map(|(count, what)| format!("{} {what}", format::grouped(*count))));
    parts.join(" · ")
}

/// Messages per second, with gaps and drops marked in the seconds when they came.
fn draw_rate(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, feed: &FeedView) {
    if area.is_empty() {
        return;
    }
    let look = cx.look;
    let samples: Vec<Sample> =
        feed.history.iter().map(|p| Sample { t: p.t, v: f64::from(p.messages) }).collect();
    let longest = quarterdeck_streams::model::HISTORY as i64 * 1000;
    let viewport = Viewport::last(cx.scope.range.min(longest), cx.scope.moment.or(cx.world.now));
    let series = [Series::new("messages", &samples).role(Role::Series(0))];
    let marks = {
        use quarterdeck_ui::pane::World as _;
        cx.world.marks(viewport.from(), viewport.to(), None)
    };
    let mut chart = Chart::new(&series, viewport, Unit::PerSecond);
    chart.legend = Legend::None;
    chart.gap = GAP;
    chart.cursor = cx.scope.cursor;
    chart.marks = &marks;
    let plot = chart.draw(look, buffer, Rect { width: area.width.saturating_sub(1), ..area });
    if plot.is_empty() {
        return;
    }
    let (mut gaps, mut drops) = (0u64, 0u64);
    for point in feed.history.iter().filter(|p| p.missing > 0 || p.dropped > 0) {
        let Some(column) = viewport.column_of(point.t, plot.width) else { continue };
        gaps += u64::from(point.missing);
        drops += u64::from(point.dropped);
        let (glyph, role) = if point.dropped > 0 {
            (Glyph::Critical, Role::Critical)
        } else {
            (Glyph::Warning, Role::Warning)
        };
        text::cell(buffer, plot.x + column, plot.y, look.glyph(glyph), look.style(role));
    }
    let at = cx.scope.cursor.and_then(|at| rate_at(feed, at));
    let mut spans: Vec<(String, Role)> = vec![(" messages /s".to_owned(), Role::Muted)];
    spans.extend(at.map(|n| (format!(" {} at the cursor", format::figure(n)), Role::Text)));
    if gaps > 0 {
        spans.push((
            format!(" {} {} missing", look.glyph(Glyph::Warning), format::grouped(gaps)),
            Role::Warning,
        ));
    }
    if drops > 0 {
        spans.push((
            format!(" {} {} dropped", look.glyph(Glyph::Critical), format::grouped(drops)),
            Role::Critical,
        ));
    }
    spans.push((" ".to_owned(), Role::Muted));
    let width: usize = spans.iter().map(|(t, _)| text::width(t)).sum();
    let spans: Vec<_> = spans.into_iter().map(|(t, r)| (t, look.style(r))).collect();
    // In the row below the marks, where the axis leaves room at the left.
    if usize::from(plot.width) > width + 4 && plot.height > 2 {
        text::put_spans(buffer, plot.x, plot.y + 1, plot.width, &spans);
    }
}

fn rate_at(feed: &FeedView, at: Timestamp) -> Option<f64> {
    let after = feed.history.partition_point(|p| p.t < at);
    let point = feed.history.get(after)?;
    (point.t.as_millis() - at.as_millis() <= GAP).then(|| f64::from(point.messages))
}

/// A feed without rows: what it waits for.
fn draw_quiet(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect, feed: &FeedView) {
    let (glyph, _) = sign(feed.state);
    let what = format!("{} {} {}", cx.look.glyph(glyph), feed.name, words(feed.state, cx.world.now));
    let next = match (feed.state, &feed.last_error) {
        (FeedState::Paused, _) => "It is paused: Z resumes it.".to_owned(),
        (FeedState::Live | FeedState::Stale, _) => {
            "Connected, but no message has come yet. Does it need a subscribe message?".to_owned()
        }
        (_, Some((_, why))) => why.to_string(),
        (_, None) => "The connection is being opened.".to_owned(),
    };
    quarterdeck_widgets::empty::Empty { what: &what, next: &next, key: "" }.draw(cx.look, buffer, area);
}

/// The lines that add a feed.
const EXAMPLE: [&str; 5] = [
    "[streams.quotes]",
    "url = \"wss://feed.example.com/quotes\"",
    "subscribe = ['{\"op\":\"subscribe\",\"channel\":\"quotes\"}']",
    "columns = [\"symbol\", \"bid\"]",
    "fields = { symbol = \"data.symbol\", bid = \"data.bid\" }",
];

/// No feed: how to add one.
fn draw_invitation(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    let look = cx.look;
    let file = cx.world.console.config_files.last().map_or("quarterdeck.toml", String::as_str);
    let next = format!("Put these lines into {file}; they take effect as soon as it is saved.");
    let width =
        EXAMPLE.iter().map(|line| text::width(line)).chain([text::width(&next)]).max().unwrap_or(0) as u16;
    let x = area.x + area.width.saturating_sub(width.min(area.width.saturating_sub(2))) / 2;
    let x = x.max(area.x + 1);
    let room = area.right().saturating_sub(x);
    let mut lines = vec![
        ("No WebSocket feed is configured.", Role::Muted),
        ("", Role::Text),
        (&*next, Role::Text),
        ("", Role::Text),
    ];
    lines.extend(EXAMPLE.iter().map(|line| (*line, Role::Accent)));
    let top = area.y + area.height.saturating_sub(lines.len() as u16) / 3;
    for ((line, role), y) in lines.iter().zip(top..area.bottom()) {
        text::put(buffer, x, y, room, line, look.style(*role));
    }
}
