//! Rasterises a buffer.

use std::collections::HashMap;

use ab_glyph::OutlineCurve;
use ab_glyph_rasterizer::{Point, Rasterizer};
use ratatui::buffer::Buffer;

use super::font::{Fonts, Metrics};
use super::shape::{Drawn, Shape};
use super::{Painted, PictureError, PictureOptions, Rgb, ground, painted, size};
use crate::Look;

/// How much of each pixel of a cell is ink.
struct Mask {
    width: usize,
    alpha: Vec<f32>,
}

/// The buffer as a PNG.
///
/// # Errors
/// When the size makes no sense, or the encoder fails.
pub fn png(buffer: &Buffer, look: &Look, options: &PictureOptions) -> Result<Vec<u8>, PictureError> {
    let fonts = Fonts::load()?;
    let metrics = Metrics::new(&fonts, options.font_size);
    let (width, height) = size(buffer, &metrics, options)?;
    let mut canvas = Canvas::new(width as usize, height as usize, ground(look));
    let mut masks: HashMap<(&str, u16, bool, bool), Mask> = HashMap::new();
    let cells = painted(buffer, look);
    let corner = |cell: &Painted<'_>| {
        let x = options.padding + u32::from(cell.column) * metrics.width;
        let y = options.padding + u32::from(cell.row) * metrics.height;
        (x as usize, y as usize)
    };
    for cell in &cells {
        let (x, y) = corner(cell);
        canvas.fill(
            x,
            y,
            (metrics.width * u32::from(cell.columns)) as usize,
            metrics.height as usize,
            cell.bg,
        );
    }
    for cell in &cells {
        let (x, y) = corner(cell);
        let key = (cell.symbol, cell.columns, cell.bold, cell.italic);
        let mask = masks.entry(key).or_insert_with(|| {
            let drawn = Drawn::of(&fonts, &metrics, cell.symbol, cell.columns, cell.bold);
            rasterise(&drawn, &metrics, cell.columns, cell.italic)
        });
        canvas.ink(x, y, mask, cell.fg);
        let across = (metrics.width * u32::from(cell.columns)) as usize;
        let thick = (metrics.height as usize / 20).max(1);
        if cell.underlined {
            canvas.fill(x, y + metrics.baseline as usize + thick, across, thick, cell.fg);
        }
        if cell.struck {
            canvas.fill(x, y + metrics.height as usize / 2, across, thick, cell.fg);
        }
    }
    let mut out = Vec::new();
    let mut encoder = ::png::Encoder::new(&mut out, width, height);
    encoder.set_color(::png::ColorType::Rgb);
    encoder.set_depth(::png::BitDepth::Eight);
    encoder.write_header()?.write_image_data(&canvas.pixels)?;
    Ok(out)
}

fn rasterise(drawn: &[Drawn], metrics: &Metrics, columns: u16, italic: bool) -> Mask {
    let (width, height) = (metrics.width as usize * usize::from(columns), metrics.height as usize);
    let mut mask = Mask { width, alpha: vec![0.0; width * height] };
    // Upright letters lean around the line they stand on.
    let lean = |p: Point| {
        if italic { ab_glyph_rasterizer::point(p.x + (metrics.baseline * 0.7 - p.y) * 0.2, p.y) } else { p }
    };
    for part in drawn {
        match part {
            Drawn::Outline(curves) => {
                let mut raster = Rasterizer::new(width, height);
                for curve in curves {
                    match curve {
                        OutlineCurve::Line(a, b) => raster.draw_line(lean(*a), lean(*b)),
                        OutlineCurve::Quad(a, b, c) => raster.draw_quad(lean(*a), lean(*b), lean(*c)),
                        OutlineCurve::Cubic(a, b, c, d) => {
                            raster.draw_cubic(lean(*a), lean(*b), lean(*c), lean(*d));
                        }
                    }
                }
                mask.add(&raster, 1.0);
            }
            Drawn::Shapes(shapes, alpha) => {
                for shape in shapes {
                    let mut raster = Rasterizer::new(width, height);
                    draw_shape(&mut raster, shape);
                    mask.add(&raster, *alpha);
                }
            }
        }
    }
    mask
}

fn draw_shape(raster: &mut Rasterizer, shape: &Shape) {
    let corners: Vec<(f32, f32)> = match shape {
        Shape::Rect(x0, y0, x1, y1) => vec![(*x0, *y0), (*x1, *y0), (*x1, *y1), (*x0, *y1)],
        Shape::Polygon(points) => points.clone(),
        Shape::Circle(x, y, r) => {
            let corner = |i| {
                let angle = i as f32 / 32.0 * std::f32::consts::TAU;
                (x + r * angle.cos(), y + r * angle.sin())
            };
            (0..32).map(corner).collect()
        }
    };
    for (i, from) in corners.iter().enumerate() {
        let to = corners[(i + 1) % corners.len()];
        raster.draw_line(ab_glyph_rasterizer::point(from.0, from.1), ab_glyph_rasterizer::point(to.0, to.1));
    }
}

impl Mask {
    fn add(&mut self, raster: &Rasterizer, part: f32) {
        raster.for_each_pixel(|index, alpha| {
            if let Some(pixel) = self.alpha.get_mut(index) {
                *pixel = pixel.max(alpha.abs().min(1.0) * part);
            }
        });
    }
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: usize, height: usize, colour: Rgb) -> Self {
        let pixels = [colour.0, colour.1, colour.2].repeat(width * height);
        Self { width, height, pixels }
    }

    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Rgb) {
        for row in y..(y + height).min(self.height) {
            let from = (row * self.width + x.min(self.width)) * 3;
            let to = (row * self.width + (x + width).min(self.width)) * 3;
            for pixel in self.pixels[from..to].chunks_exact_mut(3) {
                pixel.copy_from_slice(&[colour.0, colour.1, colour.2]);
            }
        }
    }

    fn ink(&mut self, x: usize, y: usize, mask: &Mask, colour: Rgb) {
        for (index, alpha) in mask.alpha.iter().enumerate().filter(|(_, alpha)| **alpha > 0.0) {
            let (column, row) = (x + index % mask.width, y + index / mask.width);
            if column >= self.width || row >= self.height {
                continue;
            }
            let at = (row * self.width + column) * 3;
            for (pixel, ink) in self.pixels[at..at + 3].iter_mut().zip([colour.0, colour.1, colour.2]) {
                *pixel = blend(*pixel, ink, *alpha);
            }
        }
    }
}

/// Blends as light adds up, not as numbers do: thin strokes keep their weight on dark and on light ground.
fn blend(under: u8, over: u8, alpha: f32) -> u8 {
    const GAMMA: f32 = 1.6;
    let linear = |v: u8| (f32::from(v) / 255.0).powf(GAMMA);
    let mixed = linear(under) + (linear(over) - linear(under)) * alpha;
    (mixed.powf(1.0 / GAMMA) * 255.0).round() as u8
}
