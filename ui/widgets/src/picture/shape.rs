//! What a sign is made of, in pixels of its cell.

use ab_glyph::{Font, OutlineCurve, Point};

use super::boxes;
use super::font::{Fonts, Metrics};

/// One closed shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Shape {
    /// Left, top, right, bottom.
    Rect(f32, f32, f32, f32),
    /// Centre and radius.
    Circle(f32, f32, f32),
    /// Corners.
    Polygon(Vec<(f32, f32)>),
}

/// A sign as shapes, or as the outline of a glyph.
#[derive(Clone, Debug)]
pub(super) enum Drawn {
    /// Shapes, and how much of the ink they take (1 is all).
    Shapes(Vec<Shape>, f32),
    /// Curves in pixels of the cell.
    Outline(Vec<OutlineCurve>),
}

impl Drawn {
    /// What a sign looks like in a cell. `columns` is 2 for wide characters.
    pub(super) fn of(fonts: &Fonts, metrics: &Metrics, symbol: &str, columns: u16, bold: bool) -> Vec<Self> {
        let (width, height) = (metrics.width as f32 * f32::from(columns), metrics.height as f32);
        symbol
            .chars()
            .filter(|sign| *sign != ' ')
            .enumerate()
            .filter_map(|(index, sign)| {
                boxes::shapes(sign, width, height)
                    .or_else(|| outline(fonts, metrics, sign, bold))
                    // A mark that the font lacks is left out; a base gets a frame, so that it is seen to be missing.
                    .or_else(|| (index == 0).then(|| frame(width, height)))
            })
            .collect()
    }
}

/// A character that the font lacks.
fn frame(width: f32, height: f32) -> Drawn {
    let (left, right) = ((width * 0.15).round(), (width * 0.85).round());
    let (top, bottom) = ((height * 0.2).round(), (height * 0.8).round());
    let t = (height / 24.0).round().max(1.0);
    let sides = vec![
        Shape::Rect(left, top, right, top + t),
        Shape::Rect(left, bottom - t, right, bottom),
        Shape::Rect(left, top, left + t, bottom),
        Shape::Rect(right - t, top, right, bottom),
    ];
    Drawn::Shapes(sides, 0.7)
}

fn outline(fonts: &Fonts, metrics: &Metrics, sign: char, bold: bool) -> Option<Drawn> {
    let (font, glyph) = fonts.glyph(sign, bold)?;
    let place = |p: Point| Point { x: p.x * metrics.unit.0, y: metrics.baseline - p.y * metrics.unit.1 };
    let curves = font.outline(glyph).map(|outline| outline.curves).unwrap_or_default();
    let curves = curves
        .into_iter()
        .map(|curve| match curve {
            OutlineCurve::Line(a, b) => OutlineCurve::Line(place(a), place(b)),
            OutlineCurve::Quad(a, b, c) => OutlineCurve::Quad(place(a), place(b), place(c)),
            OutlineCurve::Cubic(a, b, c, d) => OutlineCurve::Cubic(place(a), place(b), place(c), place(d)),
        })
        .collect();
    Some(Drawn::Outline(curves))
}

/// A line of some thickness through points, round at its joints.
pub(super) fn stroke(points: &[(f32, f32)], thickness: f32) -> Vec<Shape> {
    let half = thickness / 2.0;
    let mut shapes: Vec<Shape> = points.iter().map(|(x, y)| Shape::Circle(*x, *y, half)).collect();
    for pair in points.windows(2) {
        let ((x0, y0), (x1, y1)) = (pair[0], pair[1]);
        let length = (x1 - x0).hypot(y1 - y0);
        if length > 0.0 {
            let (nx, ny) = (-(y1 - y0) / length * half, (x1 - x0) / length * half);
            shapes.push(Shape::Polygon(vec![
                (x0 + nx, y0 + ny),
                (x1 + nx, y1 + ny),
                (x1 - nx, y1 - ny),
                (x0 - nx, y0 - ny),
            ]));
        }
    }
    shapes
}
