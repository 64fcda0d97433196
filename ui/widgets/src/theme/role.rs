//! What colours mean.

use quarterdeck_kernel::{Health, Severity};
use ratatui::style::Modifier;

/// What a piece of the screen means. Code names roles; only themes name colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// What is read.
    Text,
    /// What is read second: labels, units, what is well.
    Muted,
    /// What is only seen when looked for: hints, grids, timestamps of old.
    Faint,
    /// A title in a rule or a border.
    Title,
    /// The heading of a column.
    Heading,
    /// A key in a hint.
    Key,
    /// Where the eye should go: the active tab, the cursor of a chart.
    Accent,
    /// The ground of the selected row.
    Selection,
    /// Lines that separate.
    Rule,
    /// The ground of what floats: dialogs, palette, popups.
    Float,
    /// What a search or filter found.
    Match,
    /// Within its limits.
    Ok,
    /// Good to know.
    Info,
    /// Needs a person soon.
    Warning,
    /// Needs a person now.
    Critical,
    /// Running, changing.
    Running,
    /// Standing still: frozen, rewound, read-only.
    Frozen,
    /// One of eight colours for series; higher numbers start over.
    Series(u8),
}

/// How many colours for series there are.
pub(crate) const SERIES: usize = 8;

impl Role {
    /// Every role, series last.
    pub const ALL: [Self; 17 + SERIES] = [
        Self::Text,
        Self::Muted,
        Self::Faint,
        Self::Title,
        Self::Heading,
        Self::Key,
        Self::Accent,
        Self::Selection,
        Self::Rule,
        Self::Float,
        Self::Match,
        Self::Ok,
        Self::Info,
        Self::Warning,
        Self::Critical,
        Self::Running,
        Self::Frozen,
        Self::Series(0),
        Self::Series(1),
        Self::Series(2),
        Self::Series(3),
        Self::Series(4),
        Self::Series(5),
        Self::Series(6),
        Self::Series(7),
    ];

    /// The name in theme files; series are listed there without names.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Muted => "muted",
            Self::Faint => "faint",
            Self::Title => "title",
            Self::Heading => "heading",
            Self::Key => "key",
            Self::Accent => "accent",
            Self::Selection => "selection",
            Self::Rule => "rule",
            Self::Float => "float",
            Self::Match => "match",
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Running => "running",
            Self::Frozen => "frozen",
            Self::Series(_) => "series",
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Series(n) => 17 + usize::from(n) % SERIES,
            named => Self::ALL.iter().position(|role| *role == named).unwrap_or(0),
        }
    }

    /// What tells the role without colour.
    pub(crate) const fn without_colour(self) -> Modifier {
        match self {
            Self::Muted | Self::Faint | Self::Rule | Self::Heading => Modifier::DIM,
            Self::Title | Self::Key | Self::Accent | Self::Warning | Self::Running => Modifier::BOLD,
            Self::Selection => Modifier::REVERSED,
            Self::Match => Modifier::UNDERLINED,
            Self::Critical => Modifier::BOLD.union(Modifier::UNDERLINED),
            Self::Frozen => Modifier::ITALIC,
            Self::Series(n) if n % 2 == 1 => Modifier::BOLD,
            Self::Text | Self::Float | Self::Ok | Self::Info | Self::Series(_) => Modifier::empty(),
        }
    }
}

impl From<Health> for Role {
    fn from(health: Health) -> Self {
        match health {
            Health::Ok => Self::Ok,
            Health::Unknown => Self::Faint,
            Health::Degraded => Self::Warning,
            Health::Down => Self::Critical,
        }
    }
}

impl From<Severity> for Role {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Critical => Self::Critical,
        }
    }
}
