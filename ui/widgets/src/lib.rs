//! The drawing toolkit: themes, text, tables, charts, pictures.
//!
//! Everything that is drawn goes through here. [`Look`] says how things look to one operator (theme, glyphs, colour
//! depth, time zone); [`text`] is the only way from a string to the screen and keeps escape sequences, controls and
//! bidirectional overrides out; the widgets are plain values with a `draw(look, buffer, area)` that touch only what is
//! visible. States (selection, scroll, filter, zoom) are plain data that the caller keeps. Nothing here does I/O or
//! reads a clock.

pub mod chart;
pub mod dialog;
pub mod empty;
pub mod format;
pub mod gauge;
pub mod glyph;
pub mod heatmap;
pub mod look;
pub mod picture;
pub mod plain;
pub mod popup;
pub mod prompt;
pub mod rule;
pub mod scrollback;
pub mod scrollbar;
pub mod sparkline;
pub mod table;
pub mod text;
pub mod theme;
pub mod toast;

pub use format::{Scale, Unit};
pub use glyph::{Glyph, GlyphSet};
pub use jiff::tz::TimeZone;
pub use look::Look;
pub use theme::{Depth, Role, Theme};
