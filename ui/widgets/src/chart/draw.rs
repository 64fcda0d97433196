//! Draws charts.

use quarterdeck_kernel::{Sample, Severity, Timestamp};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::axis::{ValueAxis, time_ticks, value_labels};
use super::raster::Raster;
use super::{Chart, Marker, within};
use crate::format::scale_for;
use crate::sparkline::EIGHTHS_UP;
use crate::{Depth, Glyph, Look, Role, Scale, text};

/// Beyond this many marks, lines up from the axis would only make noise.
const MARK_LINES: usize = 8;

impl Chart<'_> {
    /// Draws the chart and returns the area of the plot itself, for the mouse: with [`super::Viewport::time_at`], a
    /// column of it is a time.
    pub fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect) -> Rect {
        let area = area.intersection(buffer.area);
        let legend = self.legend_height(area);
        // Axis and its labels take two rows, when there is height for a plot as well.
        let axis_rows = if area.height >= legend + 4 { 2 } else { 0 };
        let rows = area.height.saturating_sub(legend + axis_rows);
        if area.is_empty() || rows == 0 {
            return Rect { height: 0, ..area };
        }
        let (axis, scale) = self.axis(rows);
        let ticks = axis.ticks(scale.divisor, rows);
        let labels = value_labels(&ticks, &scale);
        let gutter = labels.iter().map(|label| text::width(label)).max().unwrap_or(0) as u16 + 2;
        let gutter = if area.width > gutter + 8 { gutter } else { 0 };
        let plot = Rect { x: area.x + gutter, y: area.y, width: area.width - gutter, height: rows };

        // What is filled begins at the edge of the plot: its lowest value stands on the time axis itself.
        let floor = (axis_rows > 0 && self.filled()).then_some(plot.bottom());
        self.draw_grid(look, buffer, plot, &axis, &ticks, &labels, (gutter, floor));
        self.draw_mark_lines(look, buffer, plot);
        if self.filled() {
            self.draw_filled(look, buffer, plot, &axis);
        } else {
            self.draw_lines(look, buffer, plot, &axis);
        }
        self.draw_thresholds(look, buffer, plot, &axis);
        self.draw_cursor(look, buffer, plot);
        if axis_rows > 0 {
            self.draw_time_axis(look, buffer, Rect { y: plot.bottom(), height: axis_rows, ..plot });
        }
        self.draw_legend(look, buffer, Rect { y: area.bottom() - legend, height: legend, ..area }, &scale);
        plot
    }

    /// Whether areas are filled, not lines drawn.
    fn filled(&self) -> bool {
        self.stacked || (self.marker == Marker::Block && self.series.len() == 1)
    }

    /// The row of a value in a plot, counted from its top; none outside.
    fn row_of(&self, axis: &ValueAxis, value: f64, height: u16) -> Option<u16> {
        let part = axis.part_of(value);
        if !(-1e-9..=1.0 + 1e-9).contains(&part) || height == 0 {
            return None;
        }
        let last = f64::from(height - 1);
        // Where the value is drawn, in rows from the bottom edge; a row's middle is half a row above its own.
        let up = if self.filled() {
            part * f64::from(height)
        } else {
            let margin = super::raster::margin(usize::from(height), self.per_cell()) as f64;
            let dots = f64::from(height) * self.per_cell().1 as f64;
            (margin + 0.5 + part * (dots - 1.0 - 2.0 * margin)) / self.per_cell().1 as f64
        };
        Some((last - (up - 0.5).round().clamp(0.0, last)) as u16)
    }

    /// Dots to a cell, across and down.
    const fn per_cell(&self) -> (usize, usize) {
        match self.marker {
            Marker::Braille => (2, 4),
            Marker::Block => (1, 2),
        }
    }

    /// The axis that holds what is visible, and the scale it is labelled in.
    fn axis(&self, rows: u16) -> (ValueAxis, Scale) {
        let usable = |v: &f64| v.is_finite() && (!self.log || *v > 0.0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        if self.stacked {
            let tops = self.stack(64).into_iter().flat_map(|column| column.into_iter().last());
            for top in tops.filter(usable) {
                (low, high) = (low.min(0.0), high.max(top));
            }
        } else {
            for series in self.series {
                for value in within(series.samples, self.viewport).iter().map(|s| s.v).filter(usable) {
                    (low, high) = (low.min(value), high.max(value));
                }
            }
        }
        // A limit far above everything would flatten the chart; it is told in words at the edge instead.
        for limit in self.thresholds.iter().map(|t| t.value).filter(usable) {
            if low > high || (limit <= high * 3.0 && limit >= low - (high - low).abs()) {
                (low, high) = (low.min(limit), high.max(limit));
            }
        }
        let scale = scale_for([low, high], &self.unit);
        let scale = if self.fine { scale.fine() } else { scale };
        (ValueAxis::new((low, high), self.log, self.from_zero, scale.divisor, rows), scale)
    }

    #[expect(clippy::too_many_arguments, reason = "what was measured, handed on")]
    fn draw_grid(
        &self,
        look: &Look,
        buffer: &mut Buffer,
        plot: Rect,
        axis: &ValueAxis,
        ticks: &[f64],
        labels: &[String],
        (gutter, floor): (u16, Option<u16>),
    ) {
        let mut above = None;
        for (tick, label) in ticks.iter().zip(labels).rev() {
            let on_axis = floor.filter(|_| axis.part_of(*tick).abs() < 1e-9);
            let row = match on_axis {
                Some(_) => Some(plot.height),
                None => self.row_of(axis, *tick, plot.height),
            };
            let Some(row) = row else { continue };
            if above.is_some_and(|above: u16| row < above + 2) {
                continue;
            }
            above = Some(row);
            let y = plot.y + row;
            if on_axis.is_none() {
                text::fill(buffer, Rect { y, height: 1, ..plot }, "┈", look.style(Role::Rule));
            }
            if gutter > 1 {
                text::put_right(buffer, plot.x - gutter, y, gutter - 1, label, look.style(Role::Faint));
            }
        }
    }

    fn draw_mark_lines(&self, look: &Look, buffer: &mut Buffer, plot: Rect) {
        let columns = self.marks.iter().filter_map(|e| self.viewport.column_of(e.at, plot.width));
        let columns: std::collections::BTreeSet<u16> = columns.collect();
        if columns.len() > MARK_LINES {
            return;
        }
        for column in columns {
            text::fill(buffer, Rect { x: plot.x + column, width: 1, ..plot }, "┊", look.style(Role::Rule));
        }
    }

    fn draw_lines(&self, look: &Look, buffer: &mut Buffer, plot: Rect, axis: &ValueAxis) {
        let mut raster = Raster::new(plot.width, plot.height, self.per_cell());
        // The first series is drawn last, so that it is in front.
        for (index, series) in self.series.iter().enumerate().rev() {
            self.trace(&mut raster, within(series.samples, self.viewport), axis, index.min(250) as u8);
        }
        for row in 0..plot.height {
            for column in 0..plot.width {
                if let Some((sign, index)) = raster.cell(column, row) {
                    let style = look.style(self.role_of(usize::from(index)));
                    text::cell(buffer, plot.x + column, plot.y + row, sign.encode_utf8(&mut [0; 4]), style);
                }
            }
        }
        self.number_lines(look, buffer, plot, axis);
    }

    /// Without colour, each line carries its number at its end.
    fn number_lines(&self, look: &Look, buffer: &mut Buffer, plot: Rect, axis: &ValueAxis) {
        if look.depth() != Depth::None || self.series.len() < 2 {
            return;
        }
        for (index, series) in self.series.iter().enumerate().take(9) {
            let known = |s: &&Sample| s.v.is_finite() && self.viewport.contains(s.t);
            let Some(last) = series.samples.iter().rev().find(known) else { continue };
            let column = self.viewport.column_of(last.t, plot.width);
            if let (Some(column), Some(row)) = (column, self.row_of(axis, last.v, plot.height)) {
                let number = (index + 1).to_string();
                text::cell(buffer, plot.x + column, plot.y + row, &number, look.style(Role::Text));
            }
        }
    }

    /// One series as a line. All samples that fall on one column of dots make one stroke from the least to the most
    /// of them, so that no peak is lost and the cost is that of the width.
    fn trace(&self, raster: &mut Raster, samples: &[Sample], axis: &ValueAxis, series: u8) {
        let columns = raster.columns() as f64;
        let x_of = |s: &Sample| self.viewport.part_of(s.t) * columns;
        let mut previous: Option<(Sample, f64, f64)> = None;
        let mut run: Option<(usize, f64, f64)> = None;
        for sample in samples {
            let (x, part) = (x_of(sample), axis.part_of(sample.v));
            if part.is_nan() || sample.v.is_infinite() {
                previous = None;
                continue;
            }
            let connected = previous.filter(|(p, _, _)| {
                self.gap == 0 || sample.t.as_millis().saturating_sub(p.t.as_millis()) <= self.gap
            });
            let column = if x >= 0.0 && x < columns + 1.0 {
                Some((x as usize).min(raster.columns() - 1))
            } else {
                None
            };
            match (&mut run, column) {
                (Some((at, low, high)), Some(column)) if *at == column => {
                    (*low, *high) = (low.min(part), high.max(part));
                }
                (_, column) => {
                    if let Some((at, low, high)) = run.take() {
                        raster.stroke(at, low, high, series);
                    }
                    if let Some((_, px, py)) = connected {
                        raster.line((px, py), (x, part), series);
                    }
                    run = column.map(|column| (column, part, part));
                }
            }
            previous = Some((*sample, x, part));
        }
        if let Some((at, low, high)) = run {
            raster.stroke(at, low, high, series);
        }
    }

    /// For each of `width` columns, the running totals of the series from the bottom up.
    fn stack(&self, width: u16) -> Vec<Vec<f64>> {
        let means: Vec<Vec<f64>> = self.series.iter().map(|s| self.column_means(s.samples, width)).collect();
        (0..usize::from(width))
            .map(|column| {
                let known = means.iter().any(|series| series[column].is_finite());
                let mut total = if known { 0.0 } else { f64::NAN };
                means
                    .iter()
                    .map(|series| {
                        let value = series[column];
                        total += if value.is_finite() { value.max(0.0) } else { 0.0 };
                        total
                    })
                    .collect()
            })
            .collect()
    }

    /// The mean of what falls on each column. A column without a sample holds the value before it, as long as that is
    /// not further away than a gap.
    fn column_means(&self, samples: &[Sample], width: u16) -> Vec<f64> {
        let mut sums = vec![(0.0, 0u32); usize::from(width)];
        let visible = within(samples, self.viewport);
        for sample in visible.iter().filter(|s| s.v.is_finite()) {
            if let Some(column) = self.viewport.column_of(sample.t, width) {
                let sum = &mut sums[usize::from(column)];
                *sum = (sum.0 + sample.v, sum.1 + 1);
            }
        }
        let reach = if self.gap > 0 { self.gap } else { self.viewport.span() };
        let mut held: Option<Sample> = None;
        let mut next = 0;
        sums.into_iter()
            .enumerate()
            .map(|(column, (sum, count))| {
                let time = self.viewport.time_at(column as u16, width);
                while let Some(sample) = visible.get(next).filter(|s| s.t <= time) {
                    held = Some(*sample);
                    next += 1;
                }
                let after = visible.get(next).is_some();
                match held {
                    _ if count > 0 => sum / f64::from(count),
                    Some(s) if after && time.as_millis().saturating_sub(s.t.as_millis()) <= reach => s.v,
                    _ => f64::NAN,
                }
            })
            .collect()
    }

    fn draw_filled(&self, look: &Look, buffer: &mut Buffer, plot: Rect, axis: &ValueAxis) {
        let columns = if self.stacked {
            self.stack(plot.width)
        } else {
            let means = self.column_means(self.series[0].samples, plot.width);
            means.into_iter().map(|value| vec![value]).collect()
        };
        for (column, tops) in columns.iter().enumerate() {
            let eighth =
                |v: f64| (axis.part_of(v).clamp(0.0, 1.0) * f64::from(plot.height) * 8.0).round() as u32;
            let tops: Vec<u32> = tops.iter().filter(|v| v.is_finite()).map(|v| eighth(*v)).collect();
            if tops.is_empty() {
                continue;
            }
            for row in 0..plot.height {
                let floor = u32::from(plot.height - 1 - row) * 8;
                let Some(index) = tops.iter().position(|top| *top > floor) else { continue };
                let fill = (tops[index] - floor).min(8) as usize;
                let mut style = look.style(self.role_of(index));
                // Where one series ends within the cell, the next one begins behind it.
                if fill < 8
                    && let Some(next) = (index + 1..tops.len()).find(|i| tops[*i] > floor + fill as u32)
                {
                    style = Style { bg: look.style(self.role_of(next)).fg, ..style };
                }
                let sign = EIGHTHS_UP[fill - 1];
                text::cell(buffer, plot.x + column as u16, plot.y + row, sign, style);
            }
        }
    }

    fn draw_thresholds(&self, look: &Look, buffer: &mut Buffer, plot: Rect, axis: &ValueAxis) {
        for threshold in self.thresholds {
            let style = look.style(threshold.role);
            let label = format!(" {} ", text::clean(&threshold.label).trim());
            let width = (text::width(&label) as u16).min(plot.width);
            match self.row_of(axis, threshold.value, plot.height) {
                Some(row) => {
                    let y = plot.y + row;
                    let free = |buffer: &Buffer, x: u16| {
                        buffer.cell((x, y)).is_some_and(|c| matches!(c.symbol(), " " | "┈" | "┊"))
                    };
                    // The label stands at the end where it hides less of the lines.
                    let hides = |from: u16| (from..from + width).filter(|x| !free(buffer, *x)).count();
                    let right = plot.right() - width;
                    let x = if hides(plot.x) < hides(right) { plot.x } else { right };
                    for column in (plot.left()..plot.right()).filter(|c| !(x..x + width).contains(c)) {
                        if free(buffer, column) {
                            text::cell(buffer, column, y, "╌", style);
                        }
                    }
                    text::put(buffer, x, y, width, &label, style);
                }
                None if threshold.value.is_finite() => {
                    let above = axis.part_of(threshold.value) > 1.0;
                    let (y, way) = if above {
                        (plot.y, Glyph::Ascending)
                    } else {
                        (plot.bottom() - 1, Glyph::Descending)
                    };
                    let label = format!("{label}{} ", look.glyph(way));
                    text::put_right(buffer, plot.x, y, plot.width, &label, style);
                }
                None => {}
            }
        }
    }

    fn draw_cursor(&self, look: &Look, buffer: &mut Buffer, plot: Rect) {
        let Some(column) = self.cursor.and_then(|at| self.viewport.column_of(at, plot.width)) else { return };
        for y in plot.top()..plot.bottom() {
            let free = buffer
                .cell((plot.x + column, y))
                .is_some_and(|c| matches!(c.symbol(), " " | "┈" | "┊" | "╌"));
            if free {
                text::cell(buffer, plot.x + column, y, "│", look.style(Role::Accent));
            }
        }
    }

    fn draw_time_axis(&self, look: &Look, buffer: &mut Buffer, area: Rect) {
        let line = look.style(Role::Rule);
        text::fill(buffer, Rect { height: 1, ..area }, "─", line);
        let cursor = self.cursor.and_then(|at| Some((at, self.viewport.column_of(at, area.width)?)));
        let mut free_from = 0;
        for (at, label) in time_ticks(look, self.viewport, area.width) {
            let Some(column) = self.viewport.column_of(at, area.width) else { continue };
            text::cell(buffer, area.x + column, area.y, "┬", line);
            let width = text::width(&label) as u16;
            let start = column.saturating_sub(width / 2).min(area.width.saturating_sub(width));
            let hidden = cursor.is_some_and(|(_, c)| c.abs_diff(start + width / 2) < width / 2 + 7);
            if start >= free_from && !hidden {
                text::put(buffer, area.x + start, area.y + 1, width, &label, look.style(Role::Faint));
                free_from = start + width + 1;
            }
        }
        self.draw_marks(look, buffer, area);
        if let Some((at, column)) = cursor {
            let label = look.clock(at);
            let width = text::width(&label) as u16;
            let start = column.saturating_sub(width / 2).min(area.width.saturating_sub(width));
            text::put(buffer, area.x + start, area.y + 1, width, &label, look.style(Role::Accent));
        }
    }

    /// What happened, on the axis. Where several fall on one column, the one that matters most stands there.
    fn draw_marks(&self, look: &Look, buffer: &mut Buffer, area: Rect) {
        let mut shown: Vec<(u16, &quarterdeck_kernel::Entry)> = Vec::new();
        for entry in self.marks {
            let Some(column) = self.viewport.column_of(entry.at, area.width) else { continue };
            match shown.iter_mut().find(|(c, _)| *c == column) {
                Some((_, other)) if other.severity <= entry.severity => *other = entry,
                Some(_) => {}
                None => shown.push((column, entry)),
            }
        }
        for (column, entry) in shown {
            let role = match entry.severity {
                Severity::Info => Role::Accent,
                other => Role::from(other),
            };
            text::cell(buffer, area.x + column, area.y, look.glyph(entry.kind), look.style(role));
        }
    }

    /// The value of a series at a time: that of the sample there or last before it, if that is not a gap away.
    pub(super) fn value_at(&self, samples: &[Sample], at: Timestamp) -> f64 {
        let before = samples.partition_point(|s| s.t <= at);
        let Some(sample) = before.checked_sub(1).and_then(|i| samples.get(i)) else { return f64::NAN };
        let age = at.as_millis().saturating_sub(sample.t.as_millis());
        if self.gap > 0 && age > self.gap { f64::NAN } else { sample.v }
    }
}
