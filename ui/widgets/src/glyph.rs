//! Signs by meaning, in Unicode and in ASCII, each one column wide.

use quarterdeck_kernel::{ChangeKind, Health, Severity};

/// Which signs a terminal is given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GlyphSet {
    /// Geometric shapes, arrows, blocks and Braille.
    #[default]
    Unicode,
    /// Nothing outside ASCII, for terminals and fonts that have no more.
    Ascii,
}

macro_rules! glyphs {
    ($($(#[$doc:meta])* $name:ident => $unicode:literal, $ascii:literal;)+) => {
        /// A sign by what it means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Glyph {
            $($(#[$doc])* $name,)+
        }

        impl Glyph {
            /// Every sign.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// The sign in a set.
            #[must_use]
            pub const fn symbol(self, set: GlyphSet) -> &'static str {
                match (self, set) {
                    $((Self::$name, GlyphSet::Unicode) => $unicode,
                      (Self::$name, GlyphSet::Ascii) => $ascii,)+
                }
            }
        }
    };
}

glyphs! {
    /// Within its limits.
    Ok => "●", "o";
    /// A limit is broken, it works; a warning.
    Warning => "▲", "!";
    /// It does not work; critical.
    Critical => "✖", "X";
    /// Nothing known, or still to come.
    Unknown => "◌", ".";
    /// Good to know.
    Info => "◆", "i";
    /// Something runs or changes now.
    Running => "⟳", "~";
    /// The view stands still.
    Frozen => "‖", "=";
    /// Done, passed, acknowledged.
    Done => "✔", "v";
    /// Failed, refused.
    Failed => "✖", "X";
    /// A deployment step on the timeline.
    Deployment => "▲", "^";
    /// A flag flip on the timeline.
    Flag => "⚑", "F";
    /// A chaos fault on the timeline.
    Chaos => "↯", "%";
    /// An acknowledgement on the timeline.
    Acknowledgement => "✔", "v";
    /// An alert on the timeline.
    Alert => "◆", "A";
    /// A configuration change on the timeline.
    Configuration => "⟳", "~";
    /// The console or an engine on the timeline.
    Lifecycle => "○", "O";
    /// A job on the timeline.
    Job => "►", ">";
    /// Any other operation on the timeline.
    Operation => "■", "*";
    /// The bar at the left edge of the selected row.
    Bar => "▌", "|";
    /// A marked row.
    Marked => "◆", "*";
    /// Text goes on where it is cut.
    Ellipsis => "…", ".";
    /// An unknown value.
    Missing => "·", ".";
    /// Between two facts on one line.
    Dot => "·", "-";
    /// From one state to the next.
    Arrow => "→", ">";
    /// Sorted upwards.
    Ascending => "↑", "^";
    /// Sorted downwards.
    Descending => "↓", "v";
    /// Can be opened.
    Closed => "▸", "+";
    /// Is open.
    Open => "▾", "-";
    /// Undone, or can be undone.
    Undo => "↶", "<";
    /// In front of what is typed.
    Prompt => "›", ">";
}

impl From<Health> for Glyph {
    fn from(health: Health) -> Self {
        match health {
            Health::Ok => Self::Ok,
            Health::Unknown => Self::Unknown,
            Health::Degraded => Self::Warning,
            Health::Down => Self::Critical,
        }
    }
}

impl From<Severity> for Glyph {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}

impl From<ChangeKind> for Glyph {
    fn from(kind: ChangeKind) -> Self {
        match kind {
            ChangeKind::Deployment => Self::Deployment,
            ChangeKind::Flag => Self::Flag,
            ChangeKind::Chaos => Self::Chaos,
            ChangeKind::Acknowledgement => Self::Acknowledgement,
            ChangeKind::Alert => Self::Alert,
            ChangeKind::Configuration => Self::Configuration,
            ChangeKind::Lifecycle => Self::Lifecycle,
            ChangeKind::Job => Self::Job,
            ChangeKind::Operation => Self::Operation,
        }
    }
}

/// The frames of a spinner, for running work only.
pub(crate) const fn spinner(set: GlyphSet) -> &'static [&'static str] {
    match set {
        GlyphSet::Unicode => &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
        GlyphSet::Ascii => &["|", "/", "-", "\\"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::buffer::CellWidth;

    #[test]
    fn every_glyph_of_both_sets_is_one_column_wide() {
        for set in [GlyphSet::Unicode, GlyphSet::Ascii] {
            for glyph in Glyph::ALL {
                assert_eq!(glyph.symbol(set).cell_width(), 1, "{glyph:?} in {set:?}");
            }
            for frame in spinner(set) {
                assert_eq!(frame.cell_width(), 1, "spinner {frame} in {set:?}");
            }
        }
        assert!(Glyph::ALL.iter().all(|g| g.symbol(GlyphSet::Ascii).is_ascii()));
    }
}
