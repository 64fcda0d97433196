//! Signs that have to join with their neighbours, drawn by geometry: box drawing, blocks, Braille; and signs that the
//! font lacks.

use std::f32::consts::TAU;

use super::shape::{Drawn, Shape, stroke};

/// What a sign is made of in a cell of this size, if it is one of those.
pub(super) fn shapes(sign: char, w: f32, h: f32) -> Option<Drawn> {
    let solid = |shapes| Some(Drawn::Shapes(shapes, 1.0));
    match sign {
        '\u{2580}'..='\u{259f}' => block(sign, w, h),
        '\u{2800}'..='\u{28ff}' => solid(braille(sign, w, h)),
        '\u{256d}'..='\u{2570}' => solid(arc(sign, w, h)),
        '\u{2504}'..='\u{250b}' | '\u{254c}'..='\u{254f}' => solid(dashes(sign, w, h)),
        '\u{27f3}' => solid(circling_arrow(w, h)),
        '●' => solid(vec![Shape::Circle(w / 2.0, h * 0.5, w * 0.36)]),
        '○' => solid(ring(w, h, w * 0.3)),
        '◌' => solid(dotted_ring(w, h)),
        '■' => solid(vec![Shape::Rect(w * 0.2, h / 2.0 - w * 0.3, w * 0.8, h / 2.0 + w * 0.3)]),
        '◆' => solid(vec![diamond(w, h)]),
        '▲' => solid(vec![triangle(w, h, [(0.0, -1.0), (1.0, 0.72), (-1.0, 0.72)])]),
        '▼' => solid(vec![triangle(w, h, [(0.0, 1.0), (1.0, -0.72), (-1.0, -0.72)])]),
        '▶' | '►' => solid(vec![triangle(w, h, [(1.0, 0.0), (-0.72, -1.0), (-0.72, 1.0)])]),
        _ => arms(sign).map(|arms| Drawn::Shapes(lines(arms, w, h), 1.0)),
    }
}

fn triangle(w: f32, h: f32, corners: [(f32, f32); 3]) -> Shape {
    let (x, y, r) = (w / 2.0, h / 2.0, w * 0.47);
    Shape::Polygon(corners.map(|(dx, dy)| (x + dx * r, y + dy * r)).to_vec())
}

fn diamond(w: f32, h: f32) -> Shape {
    let (x, y, r) = (w / 2.0, h / 2.0, w * 0.45);
    Shape::Polygon(vec![(x, y - r), (x + r, y), (x, y + r), (x - r, y)])
}

fn ring_points(w: f32, h: f32, r: f32, from: f32, to: f32) -> Vec<(f32, f32)> {
    let steps = 24;
    (0..=steps)
        .map(|i| {
            let angle = (from + (to - from) * i as f32 / steps as f32) * TAU;
            (w / 2.0 + r * angle.cos(), h / 2.0 + r * angle.sin())
        })
        .collect()
}

fn ring(w: f32, h: f32, r: f32) -> Vec<Shape> {
    stroke(&ring_points(w, h, r, 0.0, 1.0), light(w))
}

fn dotted_ring(w: f32, h: f32) -> Vec<Shape> {
    let dots = 8;
    let dot = |i| {
        let angle = i as f32 / dots as f32 * TAU;
        Shape::Circle(w / 2.0 + w * 0.32 * angle.cos(), h / 2.0 + w * 0.32 * angle.sin(), (w * 0.07).max(0.7))
    };
    (0..dots).map(dot).collect()
}

/// ⟳: an open circle that ends in an arrowhead.
fn circling_arrow(w: f32, h: f32) -> Vec<Shape> {
    let r = w * 0.36;
    let mut shapes = stroke(&ring_points(w, h, r, 0.02, 0.80), light(w) * 1.1);
    // The head sits at the end of the arc and points along it.
    let angle = 0.80 * TAU;
    let (x, y) = (w / 2.0 + r * angle.cos(), h / 2.0 + r * angle.sin());
    let (tx, ty) = (-angle.sin(), angle.cos());
    let (nx, ny) = (angle.cos(), angle.sin());
    let head = w * 0.3;
    shapes.push(Shape::Polygon(vec![
        (x + tx * head * 1.15, y + ty * head * 1.15),
        (x + nx * head - tx * 0.15 * head, y + ny * head - ty * 0.15 * head),
        (x - nx * head - tx * 0.15 * head, y - ny * head - ty * 0.15 * head),
    ]));
    shapes
}

/// The thickness of a light line, in whole pixels.
fn light(w: f32) -> f32 {
    (w / 9.0).round().max(1.0)
}

fn braille(sign: char, w: f32, h: f32) -> Vec<Shape> {
    let bits = u32::from(sign) & 0xff;
    let places = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3)];
    places
        .iter()
        .enumerate()
        .filter(|(bit, _)| bits & (1 << bit) != 0)
        .map(|(_, (x, y))| {
            Shape::Circle(w * (0.25 + 0.5 * *x as f32), h * (0.125 + 0.25 * *y as f32), w * 0.17)
        })
        .collect()
}

fn block(sign: char, w: f32, h: f32) -> Option<Drawn> {
    let code = u32::from(sign);
    let eighth = |n: u32, of: f32| (of * n as f32 / 8.0).round();
    let rect = |x0, y0, x1, y1| Some(Drawn::Shapes(vec![Shape::Rect(x0, y0, x1, y1)], 1.0));
    match code {
        0x2580 => rect(0.0, 0.0, w, eighth(4, h)),
        0x2581..=0x2588 => rect(0.0, h - eighth(code - 0x2580, h), w, h),
        0x2589..=0x258f => rect(0.0, 0.0, eighth(0x2590 - code, w), h),
        0x2590 => rect(eighth(4, w), 0.0, w, h),
        0x2591..=0x2593 => {
            let alpha = (code - 0x2590) as f32 * 0.25;
            Some(Drawn::Shapes(vec![Shape::Rect(0.0, 0.0, w, h)], alpha))
        }
        0x2594 => rect(0.0, 0.0, w, eighth(1, h)),
        0x2595 => rect(eighth(7, w), 0.0, w, h),
        _ => {
            // Quadrants, by bits: upper left, upper right, lower left, lower right.
            let bits = [4, 8, 1, 13, 9, 7, 11, 2, 6, 14][code as usize - 0x2596];
            let (x, y) = (eighth(4, w), eighth(4, h));
            let parts = [(0.0, 0.0, x, y), (x, 0.0, w, y), (0.0, y, x, h), (x, y, w, h)];
            let chosen = parts.iter().enumerate().filter(|(bit, _)| bits & (1 << bit) != 0);
            Some(Drawn::Shapes(chosen.map(|(_, p)| Shape::Rect(p.0, p.1, p.2, p.3)).collect(), 1.0))
        }
    }
}

fn dashes(sign: char, w: f32, h: f32) -> Vec<Shape> {
    let code = u32::from(sign);
    let (count, heavy, down) = match code {
        0x2504..=0x2507 => (3, code & 1 == 1, code >= 0x2506),
        0x2508..=0x250b => (4, code & 1 == 1, code >= 0x250a),
        _ => (2, code & 1 == 1, code >= 0x254e),
    };
    let t = light(w) * if heavy { 2.0 } else { 1.0 };
    let (length, across) = if down { (h, w) } else { (w, h) };
    let middle = ((across - t) / 2.0).round();
    let pitch = length / count as f32;
    // Four dashes to a cell are dots: the quietest of lines.
    let dash = if count == 4 { t.min(pitch * 0.5) } else { pitch * 0.6 };
    (0..count)
        .map(|i| {
            let start = (pitch * i as f32 + (pitch - dash) / 2.0).round();
            let end = (start + dash.round().max(1.0)).min(length);
            if down {
                Shape::Rect(middle, start, middle + t, end)
            } else {
                Shape::Rect(start, middle, end, middle + t)
            }
        })
        .collect()
}

/// The rounded corners.
fn arc(sign: char, w: f32, h: f32) -> Vec<Shape> {
    let t = light(w);
    let (right, down) = match sign {
        '╭' => (true, true),
        '╮' => (false, true),
        '╯' => (false, false),
        _ => (true, false),
    };
    let (x, y) = (((w - t) / 2.0).round() + t / 2.0, ((h - t) / 2.0).round() + t / 2.0);
    let (ex, ey) = (if right { w } else { 0.0 }, if down { h } else { 0.0 });
    let r = (w / 2.0).min(h / 2.0);
    let (cx, cy) = (if right { x + r } else { x - r }, if down { y + r } else { y - r });
    let mut points = vec![(x, ey)];
    for i in 0..=12 {
        let angle = i as f32 / 12.0 * TAU / 4.0;
        let (dx, dy) = (r * angle.cos(), r * angle.sin());
        points.push((if right { cx - dx } else { cx + dx }, if down { cy - dy } else { cy + dy }));
    }
    points.push((ex, y));
    stroke(&points, t)
}

/// The arms of a box-drawing sign: up, right, down, left; 0 none, 1 light, 2 heavy, 3 double.
fn arms(sign: char) -> Option<[u8; 4]> {
    Some(match sign {
        '─' => [0, 1, 0, 1],
        '━' => [0, 2, 0, 2],
        '╸' => [0, 0, 0, 2],
        '│' => [1, 0, 1, 0],
        '┃' => [2, 0, 2, 0],
        '┌' => [0, 1, 1, 0],
        '┐' => [0, 0, 1, 1],
        '└' => [1, 1, 0, 0],
        '┘' => [1, 0, 0, 1],
        '├' => [1, 1, 1, 0],
        '┤' => [1, 0, 1, 1],
        '┬' => [0, 1, 1, 1],
        '┴' => [1, 1, 0, 1],
        '┼' => [1, 1, 1, 1],
        '┏' => [0, 2, 2, 0],
        '┓' => [0, 0, 2, 2],
        '┗' => [2, 2, 0, 0],
        '┛' => [2, 0, 0, 2],
        '┣' => [2, 2, 2, 0],
        '┫' => [2, 0, 2, 2],
        '┳' => [0, 2, 2, 2],
        '┻' => [2, 2, 0, 2],
        '╋' => [2, 2, 2, 2],
        '═' => [0, 3, 0, 3],
        '║' => [3, 0, 3, 0],
        '╔' => [0, 3, 3, 0],
        '╗' => [0, 0, 3, 3],
        '╚' => [3, 3, 0, 0],
        '╝' => [3, 0, 0, 3],
        '╠' => [3, 3, 3, 0],
        '╣' => [3, 0, 3, 3],
        '╦' => [0, 3, 3, 3],
        '╩' => [3, 3, 0, 3],
        '╬' => [3, 3, 3, 3],
        '╴' => [0, 0, 0, 1],
        '╵' => [1, 0, 0, 0],
        '╶' => [0, 1, 0, 0],
        '╷' => [0, 0, 1, 0],
        _ => return None,
    })
}

fn lines(arms: [u8; 4], w: f32, h: f32) -> Vec<Shape> {
    let t = light(w);
    // Lines of every weight share the middle of a light one, so that they meet.
    let (mx, my) = (((w - t) / 2.0).round(), ((h - t) / 2.0).round());
    let mut shapes = Vec::new();
    for (arm, weight) in arms.into_iter().enumerate() {
        let bands: &[(f32, f32)] = match weight {
            0 => continue,
            1 => &[(0.0, 1.0)],
            2 => &[(-0.5, 1.5)],
            _ => &[(-1.0, 0.0), (1.0, 2.0)],
        };
        for (from, to) in bands {
            let (from, to) = (from * t, to * t);
            let reach = if weight == 3 { 2.0 * t } else { to.max(t) };
            shapes.push(match arm {
                0 => Shape::Rect(mx + from, 0.0, mx + to, my + reach),
                1 => Shape::Rect(mx + t - reach, my + from, w, my + to),
                2 => Shape::Rect(mx + from, my + t - reach, mx + to, h),
                _ => Shape::Rect(0.0, my + from, mx + reach, my + to),
            });
        }
    }
    shapes
}
