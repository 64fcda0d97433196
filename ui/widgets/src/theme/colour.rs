//! Colours, and what is left of them on a terminal with fewer.

use std::str::FromStr;

use quarterdeck_kernel::suggest::nearest;
use ratatui::style::Color;

/// How many colours a terminal shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// None: bold, dim, underlined and reversed tell roles apart.
    None,
    /// The sixteen named ones.
    Sixteen,
    /// The cube of 256.
    Cube,
    /// 24 bits.
    #[default]
    True,
}

impl Depth {
    /// What environment variables tell: `NO_COLOR` (set and not empty wins), `COLORTERM`, `TERM`.
    #[must_use]
    pub fn detect(no_color: Option<&str>, colorterm: Option<&str>, term: Option<&str>) -> Self {
        let term = term.unwrap_or_default();
        if no_color.is_some_and(|value| !value.is_empty()) || term == "dumb" {
            return Self::None;
        }
        if colorterm.is_some_and(|c| c.contains("truecolor") || c.contains("24bit"))
            || term.ends_with("-direct")
            || ["kitty", "alacritty", "ghostty", "wezterm", "foot"].iter().any(|name| term.contains(name))
        {
            return Self::True;
        }
        if term.contains("256") { Self::Cube } else { Self::Sixteen }
    }
}

/// A colour of a theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Colour {
    /// Whatever the terminal has by default.
    Terminal,
    /// One of the sixteen that the terminal's own palette defines.
    Named(u8),
    /// Red, green, blue.
    Rgb(u8, u8, u8),
}

/// The names of the sixteen, in the order of their numbers.
const NAMES: [&str; 16] = [
    "black",
    "red",
    "green",
    "yellow",
    "blue",
    "magenta",
    "cyan",
    "white",
    "bright-black",
    "bright-red",
    "bright-green",
    "bright-yellow",
    "bright-blue",
    "bright-magenta",
    "bright-cyan",
    "bright-white",
];

/// How a common terminal shows the sixteen; used for pictures and to find the nearest.
const SIXTEEN: [(u8, u8, u8); 16] = [
    (0x10, 0x12, 0x16),
    (0xcd, 0x31, 0x31),
    (0x0d, 0xa3, 0x5f),
    (0xc4, 0xa0, 0x00),
    (0x2d, 0x74, 0xda),
    (0xbc, 0x3f, 0xbc),
    (0x11, 0xa8, 0xcd),
    (0xd0, 0xd3, 0xd8),
    (0x6b, 0x72, 0x7d),
    (0xf1, 0x4c, 0x4c),
    (0x23, 0xd1, 0x8b),
    (0xf5, 0xd5, 0x43),
    (0x5c, 0xa0, 0xff),
    (0xe2, 0x7b, 0xe2),
    (0x3b, 0xd3, 0xf0),
    (0xff, 0xff, 0xff),
];

/// The six levels of the cube's axes.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

impl Colour {
    /// The colour that a terminal of some depth shows for it.
    #[must_use]
    pub fn fit(self, depth: Depth) -> Color {
        match (self, depth) {
            (_, Depth::None) | (Self::Terminal, _) => Color::Reset,
            (Self::Named(n), _) => named(n),
            (Self::Rgb(r, g, b), Depth::True) => Color::Rgb(r, g, b),
            (Self::Rgb(r, g, b), Depth::Cube) => Color::Indexed(nearest_of_cube((r, g, b))),
            (Self::Rgb(r, g, b), Depth::Sixteen) => named(nearest_of_sixteen((r, g, b))),
        }
    }

    /// Red, green, blue; none for the terminal's own.
    #[must_use]
    pub fn rgb(self) -> Option<(u8, u8, u8)> {
        match self {
            Self::Terminal => None,
            Self::Named(n) => Some(SIXTEEN[usize::from(n) % 16]),
            Self::Rgb(r, g, b) => Some((r, g, b)),
        }
    }

    /// A colour part of the way to another.
    #[must_use]
    pub fn mix(self, other: Self, part: f64) -> Self {
        let (Some(a), Some(b)) = (self.rgb(), other.rgb()) else { return self };
        let part = if part.is_finite() { part.clamp(0.0, 1.0) } else { 0.0 };
        let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * part).round() as u8;
        Self::Rgb(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
    }
}

impl FromStr for Colour {
    type Err = String;

    /// `#rrggbb`, a name of the sixteen, or `terminal`.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "terminal" {
            return Ok(Self::Terminal);
        }
        if let Some(hex) = text.strip_prefix('#') {
            let digits = hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
            return match u32::from_str_radix(hex, 16) {
                Ok(n) if digits => Ok(Self::Rgb((n >> 16) as u8, (n >> 8) as u8, n as u8)),
                _ => {
                    Err(format!("{text:?} is not a colour; write six hexadecimal digits, as in \"#5ca0ff\""))
                }
            };
        }
        if let Some(n) = NAMES.iter().position(|name| *name == text) {
            return Ok(Self::Named(n as u8));
        }
        let near = nearest(text, NAMES.iter().copied().chain(["terminal"]));
        let hint = near.map_or_else(
            || "write #rrggbb, a name such as \"bright-blue\", or \"terminal\"".to_owned(),
            |name| format!("did you mean {name:?}?"),
        );
        Err(format!("{text:?} is not a colour; {hint}"))
    }
}

fn named(n: u8) -> Color {
    match n % 16 {
        0 => Color::Black,
        1 => Color::Red,
        2 => Color::Green,
        3 => Color::Yellow,
        4 => Color::Blue,
        5 => Color::Magenta,
        6 => Color::Cyan,
        7 => Color::Gray,
        8 => Color::DarkGray,
        9 => Color::LightRed,
        10 => Color::LightGreen,
        11 => Color::LightYellow,
        12 => Color::LightBlue,
        13 => Color::LightMagenta,
        14 => Color::LightCyan,
        _ => Color::White,
    }
}

/// Distance as the eye weighs it: green most, and red the more the redder both are.
fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> i64 {
    let mean_red = (i64::from(a.0) + i64::from(b.0)) / 2;
    let (r, g, b) =
        (i64::from(a.0) - i64::from(b.0), i64::from(a.1) - i64::from(b.1), i64::from(a.2) - i64::from(b.2));
    (((512 + mean_red) * r * r) >> 8) + 4 * g * g + (((767 - mean_red) * b * b) >> 8)
}

/// How a common terminal shows one of the sixteen.
pub(crate) fn of_sixteen(n: u8) -> (u8, u8, u8) {
    SIXTEEN[usize::from(n) % 16]
}

/// The colour of a number of the 256, beyond the sixteen.
pub(crate) fn of_cube(n: u8) -> (u8, u8, u8) {
    match n {
        0..16 => SIXTEEN[usize::from(n)],
        16..232 => {
            let n = usize::from(n - 16);
            (LEVELS[n / 36], LEVELS[n / 6 % 6], LEVELS[n % 6])
        }
        _ => {
            let grey = 8 + (n - 232) * 10;
            (grey, grey, grey)
        }
    }
}

fn nearest_of_cube(rgb: (u8, u8, u8)) -> u8 {
    (16..=255).min_by_key(|n| distance(rgb, of_cube(*n))).unwrap_or(16)
}

fn nearest_of_sixteen(rgb: (u8, u8, u8)) -> u8 {
    (0..16).min_by_key(|n| distance(rgb, SIXTEEN[usize::from(*n)])).unwrap_or(7)
}

/// The contrast of two colours as WCAG 2 defines it, from 1 to 21; text wants 4.5. The terminal's own colours are
/// unknown and give none.
#[must_use]
pub fn contrast(a: Colour, b: Colour) -> Option<f64> {
    let (a, b) = (luminance(a.rgb()?), luminance(b.rgb()?));
    Some((a.max(b) + 0.05) / (a.min(b) + 0.05))
}

fn luminance((r, g, b): (u8, u8, u8)) -> f64 {
    let linear = |v: u8| {
        let v = f64::from(v) / 255.0;
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_read_and_mistakes_are_named() {
        assert_eq!("#5ca0ff".parse(), Ok(Colour::Rgb(0x5c, 0xa0, 0xff)));
        assert_eq!("bright-blue".parse(), Ok(Colour::Named(12)));
        assert_eq!("terminal".parse(), Ok(Colour::Terminal));
        let error = "brite-blue".parse::<Colour>().unwrap_err();
        assert_eq!(error, "\"brite-blue\" is not a colour; did you mean \"bright-blue\"?");
        assert!("#12345".parse::<Colour>().unwrap_err().contains("six hexadecimal digits"));
        assert!("#+12345".parse::<Colour>().is_err());
    }

    #[test]
    fn fewer_colours_keep_the_nearest() {
        let red = Colour::Rgb(0xff, 0x10, 0x10);
        assert_eq!(red.fit(Depth::True), Color::Rgb(0xff, 0x10, 0x10));
        assert_eq!(red.fit(Depth::Cube), Color::Indexed(196));
        assert!(matches!(red.fit(Depth::Sixteen), Color::Red | Color::LightRed));
        assert_eq!(red.fit(Depth::None), Color::Reset);
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        let ratio = contrast(Colour::Rgb(0, 0, 0), Colour::Rgb(255, 255, 255)).unwrap();
        assert!((ratio - 21.0).abs() < 1e-9);
    }

    #[test]
    fn the_environment_tells_the_depth() {
        assert_eq!(Depth::detect(Some("1"), Some("truecolor"), Some("xterm-256color")), Depth::None);
        assert_eq!(Depth::detect(Some(""), Some("truecolor"), None), Depth::True);
        assert_eq!(Depth::detect(None, None, Some("xterm-256color")), Depth::Cube);
        assert_eq!(Depth::detect(None, None, Some("linux")), Depth::Sixteen);
    }
}
