//! How things look to one operator.

use std::sync::Arc;

use jiff::tz::TimeZone;
use quarterdeck_kernel::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};

use crate::glyph::{Glyph, GlyphSet, spinner};
use crate::plain;
use crate::theme::{Colour, Depth, Role, Theme, shipped};

/// Theme, colour depth, glyphs and time zone: what one operator's screen is drawn with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Look {
    theme: Arc<Theme>,
    depth: Depth,
    glyphs: GlyphSet,
    ambiguous_wide: bool,
    zone: TimeZone,
    utc: bool,
    styles: [Style; Role::ALL.len()],
}

impl Default for Look {
    /// The default theme in true colour, Unicode glyphs, UTC.
    fn default() -> Self {
        Self::new(Arc::clone(&shipped()[0]), Depth::True)
    }
}

impl Look {
    /// A look with a theme on a terminal of some depth; Unicode glyphs, UTC.
    #[must_use]
    pub fn new(theme: Arc<Theme>, depth: Depth) -> Self {
        let styles = Role::ALL.map(|role| theme.style(role, depth));
        let (glyphs, zone) = (GlyphSet::Unicode, TimeZone::UTC);
        Self { theme, depth, glyphs, ambiguous_wide: false, zone, utc: false, styles }
    }

    /// The shipped theme of this name in true colour, or the default one.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let themes = shipped();
        let theme = themes.iter().find(|theme| theme.name == name).unwrap_or(&themes[0]);
        Self::new(Arc::clone(theme), Depth::True)
    }

    /// The same with another theme.
    #[must_use]
    pub fn with_theme(&self, theme: Arc<Theme>) -> Self {
        let styles = Role::ALL.map(|role| theme.style(role, self.depth));
        Self { theme, styles, ..self.clone() }
    }

    /// The same on a terminal of another depth.
    #[must_use]
    pub fn with_depth(&self, depth: Depth) -> Self {
        let styles = Role::ALL.map(|role| self.theme.style(role, depth));
        Self { depth, styles, ..self.clone() }
    }

    /// The same with another set of signs.
    #[must_use]
    pub fn with_glyphs(self, glyphs: GlyphSet) -> Self {
        Self { glyphs, ..self }
    }

    /// The same for a terminal that draws characters of ambiguous width in two columns (or not).
    #[must_use]
    pub fn with_ambiguous_wide(self, ambiguous_wide: bool) -> Self {
        Self { ambiguous_wide, ..self }
    }

    /// The same in another time zone.
    #[must_use]
    pub fn with_zone(self, zone: TimeZone) -> Self {
        Self { zone, ..self }
    }

    /// The same with times in UTC, or in the operator's zone.
    #[must_use]
    pub fn with_utc(self, utc: bool) -> Self {
        Self { utc, ..self }
    }

    /// The theme.
    #[must_use]
    pub fn theme(&self) -> &Arc<Theme> {
        &self.theme
    }

    /// The colour depth.
    #[must_use]
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// The set of signs.
    #[must_use]
    pub fn glyphs(&self) -> GlyphSet {
        self.glyphs
    }

    /// Whether times are told in UTC by choice.
    #[must_use]
    pub fn utc(&self) -> bool {
        self.utc
    }

    /// The zone that times are told in.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        if self.utc { const { &TimeZone::UTC } } else { &self.zone }
    }

    /// The style of a role, to be laid over what is there.
    #[must_use]
    pub fn style(&self, role: impl Into<Role>) -> Style {
        self.styles[role.into().index()]
    }

    /// The style of the empty screen: the shell paints it before anything else.
    #[must_use]
    pub fn base(&self) -> Style {
        self.theme.base(self.depth)
    }

    /// The style of a badge that has to be seen (PRODUCTION, READ-ONLY): the role's colour as ground.
    #[must_use]
    pub fn badge(&self, role: impl Into<Role>) -> Style {
        let style = self.style(role);
        let Some(fg) = style.fg.filter(|_| self.depth > Depth::Sixteen) else {
            return style.add_modifier(Modifier::REVERSED | Modifier::BOLD);
        };
        let ground = match self.theme.background {
            Colour::Terminal => Color::Black,
            colour => colour.fit(self.depth),
        };
        Style::new().fg(ground).bg(fg).add_modifier(Modifier::BOLD)
    }

    /// The style of a place on the heatmap's ramp, from 0 to 1.
    #[must_use]
    pub fn heat(&self, part: f64) -> Style {
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
        match self.depth {
            Depth::None => Style::new(),
            depth => Style::new().fg(self.heat_colour(part).fit(depth)),
        }
    }

    fn heat_colour(&self, part: f64) -> Colour {
        let ramp = &self.theme.heat;
        let place = part * (ramp.len() - 1) as f64;
        let low = (place.floor() as usize).min(ramp.len() - 1);
        let high = (low + 1).min(ramp.len() - 1);
        match (ramp[low], ramp[high]) {
            // Named colours belong to the terminal and cannot be mixed.
            (Colour::Rgb(..), Colour::Rgb(..)) => ramp[low].mix(ramp[high], place - low as f64),
            _ => ramp[place.round() as usize % ramp.len()],
        }
    }

    /// A sign by what it means.
    #[must_use]
    pub fn glyph(&self, glyph: impl Into<Glyph>) -> &'static str {
        let glyph = glyph.into();
        let sign = glyph.symbol(self.glyphs);
        if self.ambiguous_wide && sign.chars().all(plain::is_ambiguous) {
            return glyph.symbol(GlyphSet::Ascii);
        }
        sign
    }

    /// The frame of the spinner at a time; for work that runs, never for ornament.
    #[must_use]
    pub fn spinner(&self, now: Timestamp) -> &'static str {
        let frames = spinner(self.glyphs);
        frames[now.as_millis().div_euclid(120).rem_euclid(frames.len() as i64) as usize]
    }

    /// Lays the selection's ground over what is drawn. Where a theme can only reverse, colours go first: a reversed
    /// warning would be a patch, not a row.
    pub fn select(&self, buffer: &mut Buffer, area: Rect) {
        let style = self.style(Role::Selection);
        let area = area.intersection(buffer.area);
        if style.add_modifier.contains(Modifier::REVERSED) {
            let plain = Style::new().fg(Color::Reset).bg(Color::Reset).remove_modifier(Modifier::DIM);
            buffer.set_style(area, plain);
        }
        buffer.set_style(area, style);
    }

    /// Fits a finished frame to the terminal: where only ASCII or no ambiguous width is wanted, signs give way to their
    /// likeness. The shell calls it once, last.
    pub fn settle(&self, buffer: &mut Buffer) {
        let ascii = self.glyphs == GlyphSet::Ascii;
        if ascii || self.ambiguous_wide {
            plain::settle(buffer, ascii, self.ambiguous_wide);
        }
    }
}
