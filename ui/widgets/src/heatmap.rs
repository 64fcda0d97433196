//! Heatmaps: histogram buckets over time.

use quarterdeck_kernel::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::chart::{Viewport, time_ticks};
use crate::format::{scale_for, tick};
use crate::{Depth, Look, Role, Unit, text};

/// Signs by density, for screens without colour.
const DENSITY: [&str; 5] = [" ", "░", "▒", "▓", "█"];

/// One column of the heatmap: the counts of all buckets at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatColumn {
    /// When.
    pub at: Timestamp,
    /// How much fell into each bucket, lowest bucket first; NaN is unknown.
    pub counts: Vec<f64>,
}

/// A heatmap, ready to be drawn.
#[derive(Clone, Debug)]
pub struct Heatmap<'a> {
    /// The upper bounds of the buckets, rising; the last may be infinite.
    pub bounds: &'a [f64],
    /// What bounds are measured in.
    pub unit: Unit,
    /// Columns, oldest first.
    pub columns: &'a [HeatColumn],
    /// The time shown.
    pub viewport: Viewport,
    /// The shared time cursor.
    pub cursor: Option<Timestamp>,
    /// A limit on the value axis.
    pub threshold: Option<f64>,
}

impl Heatmap<'_> {
    /// Draws it and returns the area of the plot itself, for the mouse.
    pub fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect) -> Rect {
        let area = area.intersection(buffer.area);
        let axis_rows = if area.height >= 5 { 2 } else { 0 };
        let rows = area.height.saturating_sub(axis_rows);
        if area.is_empty() || rows == 0 || self.bounds.is_empty() {
            return Rect { height: 0, ..area };
        }
        let scale = scale_for(self.bounds.iter().copied(), &self.unit);
        let label = |bound: f64| {
            if bound.is_infinite() { "∞".to_owned() } else { tick(bound / scale.divisor) }
        };
        let widest = self.bounds.iter().map(|b| text::width(&label(*b))).max().unwrap_or(0) as u16;
        let gutter = widest + text::width(&scale.unit) as u16 + 3;
        let gutter = if area.width > gutter + 8 { gutter } else { 0 };
        let plot = Rect { x: area.x + gutter, y: area.y, width: area.width - gutter, height: rows };
        let grid = self.grid(plot);
        let most = grid.iter().flatten().copied().filter(|v| v.is_finite()).fold(0.0, f64::max);
        for (column, counts) in grid.iter().enumerate() {
            for row in 0..plot.height {
                let count = counts[usize::from(plot.height - 1 - row)];
                draw_cell(look, buffer, (plot.x + column as u16, plot.y + row), count, most);
            }
        }
        if gutter > 0 {
            self.draw_labels(look, buffer, plot, gutter, &scale.unit, label);
        }
        self.draw_threshold(look, buffer, plot);
        self.draw_time(look, buffer, plot, axis_rows);
        plot
    }

    /// The count of each cell, by columns from the left and rows from the bottom.
    fn grid(&self, plot: Rect) -> Vec<Vec<f64>> {
        let height = usize::from(plot.height);
        let mut grid = vec![vec![f64::NAN; height]; usize::from(plot.width)];
        for (index, column) in self.columns.iter().enumerate() {
            // A column reaches to where the next one begins, but no further than twice what is usual.
            let Some(from) = self.viewport.column_of(column.at, plot.width) else { continue };
            let next = self.columns.get(index + 1).map_or(self.viewport.to(), |next| next.at);
            let usual = self.step().saturating_mul(2);
            let until =
                column.at.plus_millis((next.as_millis().saturating_sub(column.at.as_millis())).min(usual));
            let to = self.viewport.column_of(until, plot.width).map_or(plot.width, |to| to.max(from + 1));
            for x in from..to.min(plot.width) {
                for (row, cell) in grid[usize::from(x)].iter_mut().enumerate() {
                    let sum = self.buckets_of(row, height).filter_map(|b| column.counts.get(b)).copied();
                    let sum = sum
                        .filter(|v| v.is_finite())
                        .fold(f64::NAN, |sum, v| if sum.is_nan() { v } else { sum + v });
                    if sum.is_finite() {
                        *cell = if cell.is_nan() { sum } else { cell.max(sum) };
                    }
                }
            }
        }
        grid
    }

    /// The time between columns, as most of them have it.
    fn step(&self) -> i64 {
        let mut steps: Vec<i64> = self
            .columns
            .windows(2)
            .map(|pair| pair[1].at.as_millis().saturating_sub(pair[0].at.as_millis()).max(1))
            .collect();
        steps.sort_unstable();
        steps.get(steps.len() / 2).copied().unwrap_or(i64::MAX / 4)
    }

    /// The buckets that a row shows: one bucket takes several rows, or several buckets share one.
    fn buckets_of(&self, row: usize, height: usize) -> std::ops::Range<usize> {
        let count = self.bounds.len();
        let from = row * count / height;
        let to = ((row + 1) * count / height).max(from + 1);
        from..to.min(count)
    }

    fn row_of_bucket(&self, bucket: usize, height: u16) -> u16 {
        let count = self.bounds.len();
        let row =
            (0..usize::from(height)).find(|row| self.buckets_of(*row, usize::from(height)).contains(&bucket));
        row.unwrap_or(bucket * usize::from(height) / count.max(1)) as u16
    }

    fn draw_labels(
        &self,
        look: &Look,
        buffer: &mut Buffer,
        plot: Rect,
        gutter: u16,
        unit: &str,
        label: impl Fn(f64) -> String,
    ) {
        let every = (self.bounds.len() / usize::from(plot.height / 2).max(1)).max(1);
        let room = text::width(unit) + 1;
        for (bucket, bound) in self.bounds.iter().enumerate() {
            let last = bucket + 1 == self.bounds.len();
            if !(self.bounds.len() - 1 - bucket).is_multiple_of(every) {
                continue;
            }
            let y = plot.bottom() - 1 - self.row_of_bucket(bucket, plot.height).min(plot.height - 1);
            let shown =
                if last { format!("{} {unit}", label(*bound)) } else { label(*bound) + &" ".repeat(room) };
            text::put_right(buffer, plot.x - gutter, y, gutter - 1, &shown, look.style(Role::Faint));
        }
    }

    fn draw_threshold(&self, look: &Look, buffer: &mut Buffer, plot: Rect) {
        let Some(limit) = self.threshold else { return };
        let Some(bucket) = self.bounds.iter().position(|bound| limit <= *bound) else { return };
        let y = plot.bottom() - 1 - self.row_of_bucket(bucket, plot.height).min(plot.height - 1);
        for x in plot.left()..plot.right() {
            if buffer.cell((x, y)).is_some_and(|cell| cell.symbol() == " ") {
                text::cell(buffer, x, y, "╌", look.style(Role::Warning));
            }
        }
    }

    fn draw_time(&self, look: &Look, buffer: &mut Buffer, plot: Rect, rows: u16) {
        let cursor = self.cursor.and_then(|at| Some((at, self.viewport.column_of(at, plot.width)?)));
        if let Some((_, column)) = cursor {
            for y in plot.top()..plot.bottom() {
                text::cell(buffer, plot.x + column, y, "│", look.style(Role::Accent));
            }
        }
        if rows == 0 {
            return;
        }
        let line = look.style(Role::Rule);
        let y = plot.bottom();
        text::fill(buffer, Rect { y, height: 1, ..plot }, "─", line);
        let mut free_from = 0;
        for (at, label) in time_ticks(look, self.viewport, plot.width) {
            let Some(column) = self.viewport.column_of(at, plot.width) else { continue };
            text::cell(buffer, plot.x + column, y, "┬", line);
            let width = text::width(&label) as u16;
            let start = column.saturating_sub(width / 2).min(plot.width.saturating_sub(width));
            let hidden = cursor.is_some_and(|(_, c)| c.abs_diff(start + width / 2) < width / 2 + 7);
            if start >= free_from && !hidden {
                text::put(buffer, plot.x + start, y + 1, width, &label, look.style(Role::Faint));
                free_from = start + width + 1;
            }
        }
        if let Some((at, column)) = cursor {
            let label = look.clock(at);
            let start = column.saturating_sub(4).min(plot.width.saturating_sub(8));
            text::put(buffer, plot.x + start, y + 1, 8, &label, look.style(Role::Accent));
        }
    }
}

fn draw_cell(look: &Look, buffer: &mut Buffer, (x, y): (u16, u16), count: f64, most: f64) {
    if count.is_nan() || count <= 0.0 || most <= 0.0 {
        return;
    }
    // The root brings out the tail, which is what one looks for.
    let part = (count / most).sqrt();
    if look.depth() <= Depth::Sixteen {
        let sign = DENSITY[(part * 4.0).ceil().clamp(1.0, 4.0) as usize];
        text::cell(buffer, x, y, sign, look.heat(part));
        return;
    }
    // The colour is the ground, so that lines can be drawn over it.
    if let Some(cell) = buffer.cell_mut((x, y)) {
        cell.set_style(Style { bg: look.heat(part).fg, ..Style::new() });
    }
}
