//! The themes that ship.

use std::sync::{Arc, OnceLock};

use super::{Theme, parse};

/// The name of the theme that is used when none is chosen.
pub const DEFAULT: &str = "harbour";

const SOURCES: [(&str, &str); 6] = [
    ("harbour", include_str!("../../../../themes/harbour.toml")),
    ("daylight", include_str!("../../../../themes/daylight.toml")),
    ("ember", include_str!("../../../../themes/ember.toml")),
    ("fjord", include_str!("../../../../themes/fjord.toml")),
    ("contrast", include_str!("../../../../themes/contrast.toml")),
    ("sixteen", include_str!("../../../../themes/sixteen.toml")),
];

/// The themes that ship, the default first.
#[must_use]
pub fn shipped() -> &'static [Arc<Theme>] {
    static THEMES: OnceLock<Vec<Arc<Theme>>> = OnceLock::new();
    // A shipped theme that does not parse is left out; a test sees to it that none is.
    THEMES.get_or_init(|| {
        SOURCES.iter().filter_map(|(name, source)| parse(name, source).ok().map(Arc::new)).collect()
    })
}

/// The names of the themes that ship.
pub(super) fn names() -> [&'static str; SOURCES.len()] {
    SOURCES.map(|(name, _)| name)
}

/// A shipped theme as it is written, for users who want to start from it.
#[must_use]
pub fn shipped_source(name: &str) -> Option<&'static str> {
    SOURCES.iter().find(|(n, _)| *n == name).map(|(_, source)| *source)
}
