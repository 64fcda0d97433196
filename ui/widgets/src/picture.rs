//! Pictures of a drawn buffer: PNG and SVG.
//!
//! Both are made from the same shapes. Text comes from the embedded font (as outlines in SVG, so that it looks the same
//! wherever it is opened); box drawing, blocks and Braille are drawn geometrically, so that they join.

mod boxes;
mod font;
mod png;
mod shape;
mod svg;

pub use png::png;
pub use svg::svg;

use ratatui::buffer::{Buffer, CellWidth};
use ratatui::style::{Color, Modifier};

use crate::Look;
use crate::theme::{Colour, of_cube, of_sixteen};

/// How large a picture is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PictureOptions {
    /// Height of the font in pixels: 28 is that of a terminal on a screen of double density.
    pub font_size: f32,
    /// Space around, in pixels, in the colour of the ground.
    pub padding: u32,
}

impl Default for PictureOptions {
    fn default() -> Self {
        Self { font_size: 28.0, padding: 24 }
    }
}

/// Why a picture could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The buffer is empty or the picture would be larger than 16,384 pixels a side.
    #[error("a picture of {width} × {height} pixels cannot be made: write a size from 1 to 16384 a side")]
    Size {
        /// Width asked for.
        width: u32,
        /// Height asked for.
        height: u32,
    },
    /// The embedded font did not load.
    #[error("the embedded font cannot be read: {0}")]
    Font(#[from] ab_glyph::InvalidFont),
    /// The encoder failed.
    #[error("the picture cannot be encoded: {0}")]
    Encode(#[from] ::png::EncodingError),
}

type Rgb = (u8, u8, u8);

/// A cell with everything resolved that a picture needs.
#[derive(Clone, Debug, PartialEq)]
struct Painted<'a> {
    column: u16,
    row: u16,
    symbol: &'a str,
    /// Columns it covers: 1 or 2.
    columns: u16,
    fg: Rgb,
    bg: Rgb,
    bold: bool,
    italic: bool,
    underlined: bool,
    struck: bool,
}

/// Colours where neither buffer nor theme say any.
const GROUND: Rgb = (0x10, 0x12, 0x16);
const INK: Rgb = (0xd0, 0xd3, 0xd8);

fn ground(look: &Look) -> Rgb {
    look.theme().background.rgb().unwrap_or(GROUND)
}

/// All cells of a buffer, resolved; the covered half of a wide character is left out.
fn painted<'a>(buffer: &'a Buffer, look: &Look) -> Vec<Painted<'a>> {
    let ground = ground(look);
    let ink = look.theme().ink(crate::Role::Text).fg.and_then(Colour::rgb).unwrap_or(INK);
    let mut out = Vec::with_capacity(buffer.content.len());
    for row in 0..buffer.area.height {
        let mut column = 0;
        while column < buffer.area.width {
            let cell = &buffer[(buffer.area.x + column, buffer.area.y + row)];
            let columns = cell.symbol().cell_width().clamp(1, 2).min(buffer.area.width - column);
            let (mut fg, mut bg) = (rgb(cell.fg).unwrap_or(ink), rgb(cell.bg).unwrap_or(ground));
            if cell.modifier.contains(Modifier::REVERSED) {
                (fg, bg) = (bg, fg);
            }
            if cell.modifier.contains(Modifier::DIM) {
                fg = mix(fg, bg, 0.4);
            }
            if cell.modifier.contains(Modifier::HIDDEN) {
                fg = bg;
            }
            out.push(Painted {
                column,
                row,
                symbol: cell.symbol(),
                columns,
                fg,
                bg,
                bold: cell.modifier.contains(Modifier::BOLD),
                italic: cell.modifier.contains(Modifier::ITALIC),
                underlined: cell.modifier.contains(Modifier::UNDERLINED),
                struck: cell.modifier.contains(Modifier::CROSSED_OUT),
            });
            column += columns;
        }
    }
    out
}

fn mix(a: Rgb, b: Rgb, part: f64) -> Rgb {
    let mixed = Colour::Rgb(a.0, a.1, a.2).mix(Colour::Rgb(b.0, b.1, b.2), part);
    mixed.rgb().unwrap_or(a)
}

/// What a colour of the buffer looks like; none for the default one.
fn rgb(colour: Color) -> Option<Rgb> {
    let n = match colour {
        Color::Reset => return None,
        Color::Rgb(r, g, b) => return Some((r, g, b)),
        Color::Indexed(n) => return Some(of_cube(n)),
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::Gray => 7,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
    };
    Some(of_sixteen(n))
}

/// The size of a picture in pixels.
fn size(
    buffer: &Buffer,
    metrics: &font::Metrics,
    options: &PictureOptions,
) -> Result<(u32, u32), PictureError> {
    let padding = options.padding.saturating_mul(2);
    let width = u32::from(buffer.area.width).saturating_mul(metrics.width).saturating_add(padding);
    let height = u32::from(buffer.area.height).saturating_mul(metrics.height).saturating_add(padding);
    let fits = |side: u32| (1..=16_384).contains(&side);
    if buffer.area.is_empty() || !fits(width) || !fits(height) {
        return Err(PictureError::Size { width, height });
    }
    Ok((width, height))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    fn buffer() -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 2));
        text::put(&mut buffer, 0, 0, 12, "─┼ ⣿█ ⟳ 漢 é", Style::new().fg(Color::Rgb(255, 0, 0)));
        text::put(&mut buffer, 0, 1, 12, "ab", Style::new().add_modifier(Modifier::all() - Modifier::HIDDEN));
        buffer
    }

    #[test]
    fn a_png_has_the_size_of_its_cells_and_ink_where_there_are_signs() {
        let options = PictureOptions { font_size: 14.0, padding: 3 };
        let bytes = png(&buffer(), &Look::default(), &options).expect("picture");
        let mut reader = ::png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("header");
        let mut pixels = vec![0; reader.output_buffer_size().expect("size")];
        let info = reader.next_frame(&mut pixels).expect("frame");
        let metrics = font::Metrics::new(&font::Fonts::load().expect("font"), 14.0);
        assert_eq!((info.width, info.height), (12 * metrics.width + 6, 2 * metrics.height + 6));
        // The line through the first cell and the one beside it: no gap at the seam.
        let middle = 3 + metrics.height / 2;
        let at = |x: u32| &pixels[((middle * info.width + x) * 3) as usize..][..3];
        for x in 3..3 + 2 * metrics.width {
            assert_eq!(at(x), [255, 0, 0], "column {x} of the line");
        }
    }

    #[test]
    fn an_svg_is_whole_and_defines_each_shape_once() {
        let svg = svg(&buffer(), &Look::default(), &PictureOptions::default()).expect("picture");
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert_eq!(svg.matches("<g ").count(), svg.matches("</g>").count());
        for line in svg.lines().filter(|line| line.contains("<use")) {
            for id in line.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
                assert_eq!(svg.matches(&format!("id=\"{id}\"")).count(), 1, "{id}");
            }
        }
    }

    #[test]
    fn sizes_that_make_no_sense_are_refused() {
        let empty = Buffer::empty(Rect::new(0, 0, 0, 0));
        assert!(matches!(
            png(&empty, &Look::default(), &PictureOptions::default()),
            Err(PictureError::Size { .. })
        ));
        let huge = PictureOptions { font_size: 1e9, padding: 0 };
        assert!(matches!(svg(&buffer(), &Look::default(), &huge), Err(PictureError::Size { .. })));
    }
}
