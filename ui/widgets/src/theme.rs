//! Colours by meaning.
//!
//! A theme gives each [`Role`] a style; what the terminal can show decides how much of it is left (see [`Depth`]).
//! Themes ship inside the program and can be overridden by files of the same form.

mod colour;
mod file;
mod role;
mod shipped;

pub use colour::{Colour, Depth, contrast};
pub(crate) use colour::{of_cube, of_sixteen};
pub use file::parse;
pub use role::Role;
pub use shipped::{DEFAULT, shipped, shipped_source};

use ratatui::style::{Modifier, Style};

/// Whether a theme is made for dark or for light surroundings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Appearance {
    /// Light text on a dark ground.
    #[default]
    Dark,
    /// Dark text on a light ground.
    Light,
}

/// How one role looks, before it is fitted to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ink {
    /// Text colour; none leaves the colour that is there.
    pub fg: Option<Colour>,
    /// Ground colour; none leaves the ground that is there.
    pub bg: Option<Colour>,
    /// Bold, italic, underlined, dim, reversed.
    pub modifier: Modifier,
    /// Text colour on terminals with sixteen colours, where the theme names one.
    pub fg16: Option<Colour>,
    /// Ground colour on terminals with sixteen colours, where the theme names one.
    pub bg16: Option<Colour>,
}

impl Ink {
    const EMPTY: Self = Self { fg: None, bg: None, modifier: Modifier::empty(), fg16: None, bg16: None };

    /// A plain text colour.
    #[must_use]
    pub const fn fg(colour: Colour) -> Self {
        Self { fg: Some(colour), ..Self::EMPTY }
    }

    fn style(self, depth: Depth) -> Style {
        let (mut fg, mut bg) = (self.fg, self.bg);
        if depth == Depth::Sixteen {
            fg = self.fg16.or(fg);
            bg = self.bg16.or(bg);
        }
        let mut style = Style::new().add_modifier(self.modifier);
        style.fg = fg.map(|c| c.fit(depth));
        style.bg = bg.map(|c| c.fit(depth));
        style
    }
}

/// A theme: a style for every role, a ground, and a ramp for heatmaps.
#[derive(Clone, Debug, PartialEq)]
pub struct Theme {
    /// As it is chosen by.
    pub name: String,
    /// One line for the list of themes.
    pub description: String,
    /// What it is made for.
    pub appearance: Appearance,
    /// The ground of the whole screen.
    pub background: Colour,
    /// The ramp of heatmaps, from almost nothing to most; at least two colours.
    pub heat: Vec<Colour>,
    inks: Vec<Ink>,
}

impl Theme {
    /// How a role looks before it is fitted to a terminal.
    #[must_use]
    pub fn ink(&self, role: Role) -> Ink {
        self.inks[role.index()]
    }

    /// A role's style on a terminal of some depth. Without colour, roles are told apart by bold, dim, underlined and
    /// reversed.
    #[must_use]
    pub fn style(&self, role: Role, depth: Depth) -> Style {
        match depth {
            Depth::None => Style::new().add_modifier(role.without_colour()),
            _ => self.ink(role).style(depth),
        }
    }

    /// The style of the empty screen.
    #[must_use]
    pub fn base(&self, depth: Depth) -> Style {
        match depth {
            Depth::None => Style::new(),
            _ => self.style(Role::Text, depth).bg(self.background.fit(depth)),
        }
    }
}
