//! Writes a buffer as SVG.

use std::collections::HashMap;
use std::fmt::Write;

use ab_glyph::{OutlineCurve, Point};
use ratatui::buffer::Buffer;

use super::font::{Fonts, Metrics};
use super::shape::{Drawn, Shape};
use super::{Painted, PictureError, PictureOptions, Rgb, ground, painted, size};
use crate::Look;

/// The buffer as an SVG: outlines only, no font needed where it is shown.
///
/// # Errors
/// When the size makes no sense.
pub fn svg(buffer: &Buffer, look: &Look, options: &PictureOptions) -> Result<String, PictureError> {
    let fonts = Fonts::load()?;
    let metrics = Metrics::new(&fonts, options.font_size);
    let (width, height) = size(buffer, &metrics, options)?;
    let cells = painted(buffer, look);
    let ground = ground(look);

    let mut ids: HashMap<(&str, u16, bool), usize> = HashMap::new();
    let mut defs = String::new();
    let mut grounds = String::new();
    let mut inks = String::new();
    let (mut open, mut wash): (Option<Rgb>, Option<Wash>) = (None, None);
    for cell in &cells {
        let x = options.padding + u32::from(cell.column) * metrics.width;
        let y = options.padding + u32::from(cell.row) * metrics.height;
        let across = metrics.width * u32::from(cell.columns);
        match &mut wash {
            Some(w) if w.y == y && w.colour == cell.bg && w.to == x => w.to += across,
            _ => {
                end_wash(&mut grounds, wash.take(), ground, metrics.height);
                wash = Some(Wash { from: x, to: x + across, y, colour: cell.bg });
            }
        }
        if cell.symbol == " " && !cell.underlined && !cell.struck {
            continue;
        }
        if open != Some(cell.fg) {
            if open.is_some() {
                inks.push_str("</g>\n");
            }
            let _ = write!(inks, "<g fill=\"{}\">", hex(cell.fg));
            open = Some(cell.fg);
        }
        let next = ids.len();
        let id = *ids.entry((cell.symbol, cell.columns, cell.bold)).or_insert_with(|| {
            let drawn = Drawn::of(&fonts, &metrics, cell.symbol, cell.columns, cell.bold);
            define(&mut defs, next, &drawn);
            next
        });
        ink(&mut inks, cell, id, (x, y), &metrics);
    }
    end_wash(&mut grounds, wash, ground, metrics.height);
    if open.is_some() {
        inks.push_str("</g>\n");
    }
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {width} {height}\">\n\
         <defs>\n{defs}</defs>\n<rect width=\"{width}\" height=\"{height}\" rx=\"{r}\" fill=\"{fill}\"/>\n\
         {grounds}{inks}</svg>\n",
        w = width / 2,
        h = height / 2,
        r = options.padding / 2,
        fill = hex(ground),
    ))
}

/// A run of one ground colour.
struct Wash {
    from: u32,
    to: u32,
    y: u32,
    colour: Rgb,
}

fn end_wash(out: &mut String, wash: Option<Wash>, ground: Rgb, height: u32) {
    let Some(Wash { from, to, y, colour }) = wash.filter(|wash| wash.colour != ground) else { return };
    let _ = writeln!(
        out,
        "<rect x=\"{from}\" y=\"{y}\" width=\"{}\" height=\"{height}\" fill=\"{}\"/>",
        to - from,
        hex(colour)
    );
}

fn ink(out: &mut String, cell: &Painted<'_>, id: usize, (x, y): (u32, u32), metrics: &Metrics) {
    if cell.symbol != " " {
        if cell.italic {
            let shift = metrics.baseline * 0.7 * 0.2;
            let _ = write!(
                out,
                "<use href=\"#s{id}\" transform=\"translate({} {y}) skewX(-11.3)\"/>",
                x as f32 + shift
            );
        } else {
            let _ = write!(out, "<use href=\"#s{id}\" x=\"{x}\" y=\"{y}\"/>");
        }
    }
    let (across, thick) = (metrics.width * u32::from(cell.columns), (metrics.height / 20).max(1));
    let mut line = |top: u32| {
        let _ = write!(out, "<rect x=\"{x}\" y=\"{top}\" width=\"{across}\" height=\"{thick}\"/>");
    };
    if cell.underlined {
        line(y + metrics.baseline as u32 + thick);
    }
    if cell.struck {
        line(y + metrics.height / 2);
    }
}

fn define(out: &mut String, id: usize, drawn: &[Drawn]) {
    let _ = write!(out, "<g id=\"s{id}\">");
    for part in drawn {
        match part {
            Drawn::Outline(curves) => {
                let _ = write!(out, "<path d=\"{}\"/>", outline_path(curves));
            }
            Drawn::Shapes(shapes, alpha) => {
                let opacity = if *alpha < 1.0 { format!(" fill-opacity=\"{alpha}\"") } else { String::new() };
                for shape in shapes {
                    let _ = match shape {
                        Shape::Rect(x0, y0, x1, y1) => write!(
                            out,
                            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"{opacity}/>",
                            n(*x0),
                            n(*y0),
                            n(x1 - x0),
                            n(y1 - y0)
                        ),
                        Shape::Circle(x, y, r) => {
                            write!(
                                out,
                                "<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{opacity}/>",
                                n(*x),
                                n(*y),
                                n(*r)
                            )
                        }
                        Shape::Polygon(points) => {
                            let points: Vec<String> =
                                points.iter().map(|(x, y)| format!("{},{}", n(*x), n(*y))).collect();
                            write!(out, "<polygon points=\"{}\"{opacity}/>", points.join(" "))
                        }
                    };
                }
            }
        }
    }
    out.push_str("</g>\n");
}

fn outline_path(curves: &[OutlineCurve]) -> String {
    let mut path = String::new();
    let mut at: Option<Point> = None;
    for curve in curves {
        let start = match curve {
            OutlineCurve::Line(a, _) | OutlineCurve::Quad(a, ..) | OutlineCurve::Cubic(a, ..) => *a,
        };
        if at != Some(start) {
            let _ = write!(path, "M{} {}", n(start.x), n(start.y));
        }
        at = Some(match curve {
            OutlineCurve::Line(_, b) => {
                let _ = write!(path, "L{} {}", n(b.x), n(b.y));
                *b
            }
            OutlineCurve::Quad(_, b, c) => {
                let _ = write!(path, "Q{} {} {} {}", n(b.x), n(b.y), n(c.x), n(c.y));
                *c
            }
            OutlineCurve::Cubic(_, b, c, d) => {
                let _ = write!(path, "C{} {} {} {} {} {}", n(b.x), n(b.y), n(c.x), n(c.y), n(d.x), n(d.y));
                *d
            }
        });
    }
    path
}

/// A length with at most two decimals.
fn n(value: f32) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn hex((r, g, b): Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}
