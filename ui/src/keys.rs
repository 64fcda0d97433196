//! Keys as data, and the notation in which keymaps write them.
//!
//! A key is a code with modifiers: `R`, `ctrl-p`, `alt-left`, `space`, `f1`. A chord is keys with blanks between:
//! `g t`. A letter with shift is written as the capital letter itself, since that is what terminals send.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode as TermCode, KeyEvent, KeyEventKind, KeyModifiers};
use quarterdeck_kernel::suggest;

/// Which key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyCode {
    /// A character, as typed: shift is part of it.
    Char(char),
    /// A function key, from 1.
    F(u8),
    /// Enter.
    Enter,
    /// Escape.
    Esc,
    /// Tab; with shift it is back-tab.
    Tab,
    /// Backspace.
    Backspace,
    /// Delete forward.
    Delete,
    /// Insert.
    Insert,
    /// Arrow up.
    Up,
    /// Arrow down.
    Down,
    /// Arrow left.
    Left,
    /// Arrow right.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
}

/// What is held while a key is pressed. Shift counts only for keys that are not characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Modifiers {
    /// Control.
    pub ctrl: bool,
    /// Alt (Option, Meta).
    pub alt: bool,
    /// Shift.
    pub shift: bool,
}

impl Modifiers {
    /// Nothing held.
    pub const NONE: Self = Self { ctrl: false, alt: false, shift: false };
    /// Control held.
    pub const CTRL: Self = Self { ctrl: true, alt: false, shift: false };
    /// Alt held.
    pub const ALT: Self = Self { ctrl: false, alt: true, shift: false };
    /// Shift held.
    pub const SHIFT: Self = Self { ctrl: false, alt: false, shift: true };
}

/// One key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which key.
    pub code: KeyCode,
    /// What is held with it.
    pub modifiers: Modifiers,
}

/// Named keys in the notation of keymaps, and as hints show them.
const NAMED: [(&str, &str, KeyCode); 15] = [
    ("enter", "Enter", KeyCode::Enter),
    ("esc", "Esc", KeyCode::Esc),
    ("tab", "Tab", KeyCode::Tab),
    ("space", "Space", KeyCode::Char(' ')),
    ("backspace", "Bksp", KeyCode::Backspace),
    ("delete", "Del", KeyCode::Delete),
    ("insert", "Ins", KeyCode::Insert),
    ("up", "↑", KeyCode::Up),
    ("down", "↓", KeyCode::Down),
    ("left", "←", KeyCode::Left),
    ("right", "→", KeyCode::Right),
    ("home", "Home", KeyCode::Home),
    ("end", "End", KeyCode::End),
    ("pageup", "PgUp", KeyCode::PageUp),
    ("pagedown", "PgDn", KeyCode::PageDown),
];

impl Key {
    /// A key with modifiers. Shift on a character is dropped: the character says it already.
    #[must_use]
    pub const fn new(code: KeyCode, modifiers: Modifiers) -> Self {
        let shift = modifiers.shift && !matches!(code, KeyCode::Char(_));
        Self { code, modifiers: Modifiers { shift, ..modifiers } }
    }

    /// A character without modifiers.
    #[must_use]
    pub const fn char(c: char) -> Self {
        Self::new(KeyCode::Char(c), Modifiers::NONE)
    }

    /// A character with control held.
    #[must_use]
    pub const fn ctrl(c: char) -> Self {
        Self::new(KeyCode::Char(c), Modifiers::CTRL)
    }

    /// A key without modifiers.
    #[must_use]
    pub const fn plain(code: KeyCode) -> Self {
        Self::new(code, Modifiers::NONE)
    }

    /// The character that this key types into a text, if it types one.
    #[must_use]
    pub const fn text(self) -> Option<char> {
        match self.code {
            // AltGr arrives as ctrl-alt on some terminals and types the character that it carries.
            KeyCode::Char(c) if self.modifiers.ctrl == self.modifiers.alt => Some(c),
            _ => None,
        }
    }

    /// What a terminal sent, or nothing for releases and keys that have no name here (media keys, lone modifiers).
    #[must_use]
    pub fn from_event(event: &KeyEvent) -> Option<Self> {
        if event.kind == KeyEventKind::Release {
            return None;
        }
        let mut modifiers = Modifiers {
            ctrl: event.modifiers.contains(KeyModifiers::CONTROL),
            alt: event.modifiers.contains(KeyModifiers::ALT),
            shift: event.modifiers.contains(KeyModifiers::SHIFT),
        };
        let code = match event.code {
            // Terminals that report all keys send the base letter with shift: the capital is what was meant.
            TermCode::Char(c) if modifiers.shift && c.is_lowercase() && !modifiers.ctrl => {
                KeyCode::Char(c.to_uppercase().next().unwrap_or(c))
            }
            TermCode::Char(c) if modifiers.ctrl => KeyCode::Char(c.to_ascii_lowercase()),
            TermCode::Char(c) => KeyCode::Char(c),
            TermCode::F(n) => KeyCode::F(n),
            TermCode::Enter => KeyCode::Enter,
            TermCode::Esc => KeyCode::Esc,
            TermCode::Tab => KeyCode::Tab,
            TermCode::BackTab => {
                modifiers.shift = true;
                KeyCode::Tab
            }
            TermCode::Backspace => KeyCode::Backspace,
            TermCode::Delete => KeyCode::Delete,
            TermCode::Insert => KeyCode::Insert,
            TermCode::Up => KeyCode::Up,
            TermCode::Down => KeyCode::Down,
            TermCode::Left => KeyCode::Left,
            TermCode::Right => KeyCode::Right,
            TermCode::Home => KeyCode::Home,
            TermCode::End => KeyCode::End,
            TermCode::PageUp => KeyCode::PageUp,
            TermCode::PageDown => KeyCode::PageDown,
            _ => return None,
        };
        Some(Self::new(code, modifiers))
    }

    /// As hints and help show it: `Enter`, `Ctrl-P`, `R`.
    #[must_use]
    pub fn label(self) -> String {
        let mut out = self.prefix("Ctrl-", "Alt-", "Shift-");
        match self.code {
            KeyCode::Char(c) if c != ' ' && self.modifiers.ctrl => out.extend(c.to_uppercase()),
            KeyCode::F(n) => out.push_str(&format!("F{n}")),
            code => match NAMED.iter().find(|(_, _, named)| *named == code) {
                Some((_, label, _)) => out.push_str(label),
                None => out.push_str(&Self::plain(code).to_string()),
            },
        }
        out
    }

    fn prefix(self, ctrl: &str, alt: &str, shift: &str) -> String {
        let held = [(self.modifiers.ctrl, ctrl), (self.modifiers.alt, alt), (self.modifiers.shift, shift)];
        held.into_iter().filter(|(held, _)| *held).map(|(_, name)| name).collect()
    }
}

/// In the notation of keymaps.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix("ctrl-", "alt-", "shift-"))?;
        match self.code {
            KeyCode::F(n) => write!(f, "f{n}"),
            code => match (NAMED.iter().find(|(_, _, named)| *named == code), code) {
                (Some((name, _, _)), _) => f.write_str(name),
                (None, KeyCode::Char(c)) => write!(f, "{c}"),
                (None, _) => Ok(()),
            },
        }
    }
}

/// Why a text is not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// There is nothing.
    #[error("a key is missing: write one such as enter, R, ctrl-p or g t")]
    Empty,
    /// No key has this name.
    #[error("{found:?} is not a key{}", nearest.as_ref().map(|n| format!("; did you mean {n}?")).unwrap_or_else(|| ": write a character, or a name such as enter, space, pageup, f5".to_owned()))]
    Name {
        /// What was found.
        found: String,
        /// The nearest name.
        nearest: Option<String>,
    },
    /// Nothing can be held by this name.
    #[error("{found:?} is not a modifier: write ctrl, alt or shift")]
    Modifier {
        /// What was found.
        found: String,
    },
    /// Shift cannot be told from the capital letter.
    #[error("shift-{found} cannot be told from {capital}: write {capital}")]
    Shift {
        /// The letter.
        found: char,
        /// What to write.
        capital: char,
    },
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let mut modifiers = Modifiers::NONE;
        let mut rest = text;
        // A minus that is the key itself is last, or all there is.
        while let Some((held, tail)) = rest.split_once('-').filter(|(h, t)| !h.is_empty() && !t.is_empty()) {
            match held.to_ascii_lowercase().as_str() {
                "ctrl" | "c" => modifiers.ctrl = true,
                "alt" | "a" | "meta" => modifiers.alt = true,
                "shift" | "s" => modifiers.shift = true,
                _ => return Err(KeyError::Modifier { found: held.to_owned() }),
            }
            rest = tail;
        }
        let mut chars = rest.chars();
        let code = match (chars.next(), chars.next()) {
            (None, _) => return Err(KeyError::Empty),
            (Some(c), None) if c.is_control() => {
                return Err(KeyError::Name { found: rest.to_owned(), nearest: None });
            }
            (Some(c), None) => KeyCode::Char(c),
            (Some(_), Some(_)) => named(&rest.to_ascii_lowercase()).ok_or_else(|| KeyError::Name {
                found: rest.to_owned(),
                nearest: suggest::nearest(rest, NAMED.iter().map(|(name, _, _)| *name)).map(str::to_owned),
            })?,
        };
        match code {
            KeyCode::Char(c) if modifiers.shift && c.is_lowercase() && !modifiers.ctrl => {
                Err(KeyError::Shift { found: c, capital: c.to_uppercase().next().unwrap_or(c) })
            }
            // Terminals send control with a letter without its case.
            KeyCode::Char(c) if modifiers.ctrl => {
                Ok(Self::new(KeyCode::Char(c.to_ascii_lowercase()), modifiers))
            }
            _ => Ok(Self::new(code, modifiers)),
        }
    }
}

fn named(name: &str) -> Option<KeyCode> {
    let number = name.strip_prefix('f').and_then(|n| n.parse().ok()).filter(|n| (1..=24).contains(n));
    let alias = match name {
        "return" => "enter",
        "escape" => "esc",
        "del" => "delete",
        "pgup" => "pageup",
        "pgdn" | "pgdown" => "pagedown",
        other => other,
    };
    number.map(KeyCode::F).or_else(|| NAMED.iter().find(|(n, _, _)| *n == alias).map(|(_, _, code)| *code))
}

/// Reads a chord: one key or several with blanks between.
///
/// # Errors
/// When there is no key, or one of them is none.
pub fn parse_chord(text: &str) -> Result<Vec<Key>, KeyError> {
    let keys: Vec<Key> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    if keys.is_empty() { Err(KeyError::Empty) } else { Ok(keys) }
}

/// Writes a chord as [`parse_chord`] reads it.
#[must_use]
pub fn print_chord(chord: &[Key]) -> String {
    chord.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

/// A chord as hints and help show it.
#[must_use]
pub fn label_chord(chord: &[Key]) -> String {
    chord.iter().map(|key| key.label()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notation_reads_back() {
        for text in [
            "R",
            "g t",
            "ctrl-p",
            "space",
            "enter",
            "alt-left",
            "shift-tab",
            "f12",
            "-",
            "ctrl--",
            ":",
            "é",
            "ctrl-alt-x",
        ] {
            assert_eq!(parse_chord(text).map(|c| print_chord(&c)), Ok(text.to_owned()));
        }
        for (text, same) in [
            ("C-p", "ctrl-p"),
            ("Escape", "esc"),
            ("ctrl-P", "ctrl-p"),
            ("PgUp", "pageup"),
            ("ctrl-space", "ctrl-space"),
        ] {
            assert_eq!(parse_chord(text).map(|c| print_chord(&c)), Ok(same.to_owned()));
        }
    }

    #[test]
    fn what_is_not_a_key_is_told_with_the_nearest() {
        for (text, message) in [
            ("", "a key is missing: write one such as enter, R, ctrl-p or g t"),
            ("entr", "\"entr\" is not a key; did you mean enter?"),
            ("hyper-x", "\"hyper\" is not a modifier: write ctrl, alt or shift"),
            ("shift-a", "shift-a cannot be told from A: write A"),
            ("f99", "\"f99\" is not a key: write a character, or a name such as enter, space, pageup, f5"),
        ] {
            assert_eq!(parse_chord(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn terminals_are_understood() {
        let event = |code, held| Key::from_event(&KeyEvent::new(code, held)).map(|k| k.to_string());
        let none = KeyModifiers::NONE;
        assert_eq!(event(TermCode::Char('r'), KeyModifiers::SHIFT).as_deref(), Some("R"));
        assert_eq!(event(TermCode::Char('R'), KeyModifiers::SHIFT).as_deref(), Some("R"));
        assert_eq!(event(TermCode::BackTab, KeyModifiers::SHIFT).as_deref(), Some("shift-tab"));
        assert_eq!(event(TermCode::Char('C'), KeyModifiers::CONTROL).as_deref(), Some("ctrl-c"));
        assert_eq!(event(TermCode::CapsLock, none), None);
        assert_eq!(Key::ctrl('p').label(), "Ctrl-P");
        assert_eq!(label_chord(&parse_chord("g t").unwrap_or_default()), "g t");
    }

    #[test]
    fn only_what_types_is_text() {
        assert_eq!(Key::char('é').text(), Some('é'));
        assert_eq!(Key::ctrl('a').text(), None);
        assert_eq!(Key::plain(KeyCode::Enter).text(), None);
    }
}
