//! The embedded font and the size of a cell in it.

use ab_glyph::{Font, FontRef, GlyphId, InvalidFont};

static REGULAR: &[u8] = include_bytes!("../../../../assets/font/DejaVuSansMono.ttf");
static BOLD: &[u8] = include_bytes!("../../../../assets/font/DejaVuSansMono-Bold.ttf");

/// The two weights.
pub(super) struct Fonts {
    regular: FontRef<'static>,
    bold: FontRef<'static>,
}

impl Fonts {
    pub(super) fn load() -> Result<Self, InvalidFont> {
        Ok(Self { regular: FontRef::try_from_slice(REGULAR)?, bold: FontRef::try_from_slice(BOLD)? })
    }

    /// The font that has a character, and its glyph there; none if neither weight has it.
    pub(super) fn glyph(&self, sign: char, bold: bool) -> Option<(&FontRef<'static>, GlyphId)> {
        let order = if bold { [&self.bold, &self.regular] } else { [&self.regular, &self.bold] };
        order.into_iter().map(|font| (font, font.glyph_id(sign))).find(|(_, glyph)| glyph.0 != 0)
    }
}

/// The size of a cell, in pixels.
#[derive(Clone, Copy, Debug)]
pub(super) struct Metrics {
    pub(super) width: u32,
    pub(super) height: u32,
    /// From the top of the cell to the line that letters stand on.
    pub(super) baseline: f32,
    /// Pixels to a unit of the font, across (fitted to whole pixels to a cell) and down.
    pub(super) unit: (f32, f32),
}

impl Metrics {
    pub(super) fn new(fonts: &Fonts, font_size: f32) -> Self {
        let font = &fonts.regular;
        let size = if font_size.is_finite() { font_size.clamp(4.0, 65_536.0) } else { 28.0 };
        let unit = size / font.units_per_em().unwrap_or(2048.0);
        let advance = font.h_advance_unscaled(font.glyph_id('0'));
        let width = (advance * unit).round().max(1.0);
        let (ascent, descent) = (font.ascent_unscaled() * unit, font.descent_unscaled() * unit);
        let height = (size * 1.24).round();
        let baseline = ((height - (ascent - descent)) / 2.0 + ascent).round();
        Self { width: width as u32, height: height as u32, baseline, unit: (width / advance, unit) }
    }
}
