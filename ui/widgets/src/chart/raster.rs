//! Lines in parts of cells.

/// A grid of cells, each divided into dots; every cell remembers which series drew on it last.
pub(super) struct Raster {
    width: usize,
    height: usize,
    /// Dots to a cell: (2, 4) for Braille, (1, 2) for half blocks.
    per_cell: (usize, usize),
    dots: Vec<u8>,
    owner: Vec<u8>,
    /// Dots below the lowest value and above the highest, see [`margin`].
    margin: usize,
}

/// The bit of a Braille dot by column and row.
const BRAILLE: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

/// How many dots stay free below the lowest and above the highest value. Lines of a grid stand in the middle of a cell: a
/// value on such a line should be drawn on it, not at the edge of the cell.
pub(super) const fn margin(height: usize, per_cell: (usize, usize)) -> usize {
    if per_cell.1 == 4 && height > 1 { 1 } else { 0 }
}

impl Raster {
    pub(super) fn new(width: u16, height: u16, per_cell: (usize, usize)) -> Self {
        let (width, height) = (usize::from(width), usize::from(height));
        let margin = margin(height, per_cell);
        Self {
            width,
            height,
            per_cell,
            dots: vec![0; width * height],
            owner: vec![0; width * height],
            margin,
        }
    }

    /// How many dots there are across.
    pub(super) fn columns(&self) -> usize {
        self.width * self.per_cell.0
    }

    /// How many dots there are from top to bottom.
    pub(super) fn rows(&self) -> usize {
        self.height * self.per_cell.1
    }

    fn dot(&mut self, column: usize, row: usize, series: u8) {
        if column >= self.columns() || row >= self.rows() {
            return;
        }
        let at = row / self.per_cell.1 * self.width + column / self.per_cell.0;
        let (x, y) = (column % self.per_cell.0, row % self.per_cell.1);
        let bit = if self.per_cell.0 == 2 { BRAILLE[x][y] } else { 1 << y };
        self.dots[at] |= bit;
        self.owner[at] = series;
    }

    /// A vertical stroke; heights are parts of the whole, 0 at the bottom. What lies outside is cut off.
    pub(super) fn stroke(&mut self, column: usize, from: f64, to: f64, series: u8) {
        if from.is_nan() || to.is_nan() {
            return;
        }
        let (low, high) = (from.min(to), from.max(to));
        if high < -0.001 || low > 1.001 || self.rows() == 0 {
            return;
        }
        let lowest = self.rows() - 1 - self.margin;
        let span = (lowest - self.margin) as f64;
        let row = |part: f64| lowest - (part.clamp(0.0, 1.0) * span).round() as usize;
        for r in row(high)..=row(low) {
            self.dot(column, r, series);
        }
    }

    /// A straight line between two dots; columns may lie outside, heights are parts as in [`Raster::stroke`].
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), series: u8) {
        let ((x0, y0), (x1, y1)) = if from.0 <= to.0 { (from, to) } else { (to, from) };
        if ![x0, y0, x1, y1].into_iter().all(f64::is_finite) {
            return;
        }
        let (first, last) = (x0.floor().max(0.0), x1.floor().min(self.columns() as f64 - 1.0));
        if last < first {
            return;
        }
        let slope = if x1 > x0 { (y1 - y0) / (x1 - x0) } else { 0.0 };
        let height = |x: f64| y0 + (x.clamp(x0, x1) - x0) * slope;
        for column in first as usize..=last as usize {
            // Each column's share of the line, from its left edge to just short of the next.
            let (left, right) = (column as f64, column as f64 + 1.0);
            let end = if right > x1 { y1 } else { height(right) };
            let start = height(left);
            let reach = (end - start).abs();
            let dot = 1.0 / self.rows().max(1) as f64;
            let end = if right <= x1 && reach > dot { end - (end - start).signum() * dot } else { end };
            self.stroke(column, start, end, series);
        }
    }

    /// What a cell shows, and which series drew on it last; none if nothing did.
    pub(super) fn cell(&self, column: u16, row: u16) -> Option<(char, u8)> {
        let at = usize::from(row) * self.width + usize::from(column);
        let dots = *self.dots.get(at)?;
        if dots == 0 {
            return None;
        }
        let sign = match (self.per_cell.0, dots) {
            (2, _) => char::from_u32(0x2800 + u32::from(dots)).unwrap_or(' '),
            (_, 1) => '▀',
            (_, 2) => '▄',
            _ => '█',
        };
        Some((sign, self.owner[at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(raster: &Raster) -> Vec<String> {
        let cell = |x, y| raster.cell(x as u16, y as u16).map_or(' ', |(sign, _)| sign);
        (0..raster.height).map(|y| (0..raster.width).map(|x| cell(x, y)).collect()).collect()
    }

    #[test]
    fn lines_join_without_holes() {
        let mut raster = Raster::new(4, 2, (2, 4));
        raster.line((0.0, 0.0), (7.0, 1.0), 1);
        assert_eq!(drawn(&raster), ["  ⡠⠔", "⠔⠋  "]);
    }

    #[test]
    fn the_lowest_and_the_highest_value_stand_on_their_grid_lines() {
        let mut raster = Raster::new(2, 2, (2, 4));
        raster.line((0.0, 0.0), (3.0, 0.0), 1);
        raster.line((0.0, 1.0), (3.0, 1.0), 1);
        assert_eq!(drawn(&raster), ["⠒⠒", "⠤⠤"]);
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let mut raster = Raster::new(3, 1, (2, 4));
        raster.line((-1e300, -5.0), (1e300, -4.0), 1);
        raster.line((f64::NAN, 0.0), (1.0, f64::INFINITY), 1);
        raster.stroke(99, 0.0, 1.0, 1);
        assert_eq!(drawn(&raster), ["   "]);
        raster.line((-10.0, 0.0), (10.0, 0.0), 1);
        assert_eq!(drawn(&raster), ["⣀⣀⣀"]);
    }
}
