//! Reads theme files.

use std::ops::Range;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;
use ratatui::style::Modifier;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::role::SERIES;
use super::{Appearance, Colour, Ink, Role, Theme, shipped, shipped_source};

/// Ways of writing that a role can have besides colours.
const MODIFIERS: [(&str, Modifier); 5] = [
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
];

const TOP: [&str; 9] =
    ["base", "name", "description", "appearance", "background", "series", "heat", "roles", "sixteen"];

/// A theme from the text of a file; `source` names the file in mistakes.
///
/// # Errors
/// Every mistake found, with its line and column: a colour or role that is unknown (with the nearest that is known), a
/// role that is missing, too few series.
pub fn parse(source: &str, text: &str) -> Result<Theme, Vec<Diagnostic>> {
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let range = error.span().unwrap_or(0..0);
            return Err(vec![Diagnostic::new(error.message().to_owned()).at(source, text, range)]);
        }
    };
    let mut reader = Reader { source, text, mistakes: Vec::new() };
    let theme = reader.theme(table.get_ref());
    if reader.mistakes.is_empty() { Ok(theme) } else { Err(reader.mistakes) }
}

type Value<'t> = DeValue<'t>;

struct Reader<'a> {
    source: &'a str,
    text: &'a str,
    mistakes: Vec<Diagnostic>,
}

impl Reader<'_> {
    fn mistake(&mut self, range: Range<usize>, message: String, advice: String) {
        self.mistakes.push(Diagnostic::new(message).advise(advice).at(self.source, self.text, range));
    }

    fn unknown(&mut self, key: &Spanned<DeString<'_>>, allowed: &[&str]) {
        let found = key.get_ref().as_ref();
        let advice = nearest(found, allowed.iter().copied()).map_or_else(
            || format!("allowed are {}", allowed.join(", ")),
            |near| format!("did you mean {near:?}?"),
        );
        self.mistake(key.span(), format!("unknown key {found:?}"), advice);
    }

    fn theme(&mut self, table: &DeTable<'_>) -> Theme {
        let base = table.iter().find(|(key, _)| key.get_ref().as_ref() == "base").map(|(_, v)| self.base(v));
        let based = base.is_some();
        let mut theme = base.flatten().unwrap_or_else(|| Theme {
            name: String::new(),
            description: String::new(),
            appearance: Appearance::Dark,
            background: Colour::Terminal,
            heat: Vec::new(),
            inks: vec![Ink::EMPTY; Role::ALL.len()],
        });
        // What the base says need not be said again.
        let mut written: Vec<&str> =
            if based { Role::ALL.iter().map(|role| role.name()).collect() } else { Vec::new() };
        let mut sixteen = None;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "base" => {}
                "name" => theme.name = self.string(value),
                "description" => theme.description = self.string(value),
                "appearance" => theme.appearance = self.appearance(value),
                "background" => theme.background = self.colour(value).unwrap_or(Colour::Terminal),
                "heat" => theme.heat = self.colours(value, 2),
                "series" => {
                    for (n, colour) in self.colours(value, SERIES).into_iter().take(SERIES).enumerate() {
                        theme.inks[Role::Series(n as u8).index()] = Ink::fg(colour);
                    }
                    written.push("series");
                }
                "roles" => self.roles(value, &mut theme.inks, &mut written),
                "sixteen" => sixteen = Some(value),
                _ => self.unknown(key, &TOP),
            }
        }
        if let Some(value) = sixteen {
            self.sixteen(value, &mut theme.inks);
        }
        self.complete(&mut theme, &written);
        theme
    }

    /// The shipped theme that a file starts from.
    fn base(&mut self, value: &Spanned<Value<'_>>) -> Option<Theme> {
        let name = self.string(value);
        let names = shipped::names();
        let source = shipped_source(&name);
        if source.is_none() {
            let near = nearest(&name, names.iter().copied());
            let advice = near.map_or_else(
                || format!("allowed are {}", names.join(", ")),
                |n| format!("did you mean {n:?}?"),
            );
            self.mistake(value.span(), format!("no theme {name:?} ships"), advice);
        }
        let theme = source.and_then(|source| parse(&name, source).ok())?;
        Some(Theme { name: String::new(), description: String::new(), ..theme })
    }

    /// Fills in roles that may be left out from those that may not.
    fn complete(&mut self, theme: &mut Theme, written: &[&str]) {
        if theme.name.is_empty() {
            self.mistake(0..0, "the theme has no name".to_owned(), "write name = \"…\"".to_owned());
        }
        let derived = |role: Role| -> Option<(Role, Modifier)> {
            match role {
                Role::Title => Some((Role::Text, Modifier::BOLD)),
                Role::Heading => Some((Role::Muted, Modifier::empty())),
                Role::Key => Some((Role::Accent, Modifier::empty())),
                Role::Match => Some((Role::Accent, Modifier::UNDERLINED | Modifier::BOLD)),
                Role::Float => Some((Role::Text, Modifier::empty())),
                _ => None,
            }
        };
        for role in Role::ALL.into_iter().filter(|role| !written.contains(&role.name())) {
            match derived(role) {
                Some((from, modifier)) => {
                    let mut ink = theme.ink(from);
                    ink.modifier |= modifier;
                    if role == Role::Float {
                        ink.bg = Some(theme.background);
                    }
                    theme.inks[role.index()] = ink;
                }
                None if role == Role::Series(0) || !matches!(role, Role::Series(_)) => {
                    let message = format!("the theme does not say how {:?} looks", role.name());
                    self.mistake(0..0, message, "every role of meaning needs a colour".to_owned());
                }
                None => {}
            }
        }
        if theme.heat.is_empty() {
            let to = theme.ink(Role::Accent).fg.unwrap_or(Colour::Terminal);
            theme.heat = vec![theme.background.mix(to, 0.15), to];
        }
    }

    fn roles(&mut self, value: &Spanned<Value<'_>>, inks: &mut [Ink], written: &mut Vec<&'static str>) {
        self.each_role(value, |reader, role, value| {
            if let Some(ink) = reader.ink(value) {
                inks[role.index()] = ink;
            }
            written.push(role.name());
        });
    }

    fn sixteen(&mut self, value: &Spanned<Value<'_>>, inks: &mut [Ink]) {
        self.each_role(value, |reader, role, value| {
            if let Some(ink) = reader.ink(value) {
                inks[role.index()].fg16 = ink.fg;
                inks[role.index()].bg16 = ink.bg;
            }
        });
        let Value::Table(table) = value.get_ref() else { return };
        if let Some((_, list)) = table.iter().find(|(key, _)| key.get_ref().as_ref() == "series") {
            for (n, colour) in self.colours(list, SERIES).into_iter().take(SERIES).enumerate() {
                inks[Role::Series(n as u8).index()].fg16 = Some(colour);
            }
        }
    }

    fn each_role(
        &mut self,
        value: &Spanned<Value<'_>>,
        mut take: impl FnMut(&mut Self, Role, &Spanned<Value<'_>>),
    ) {
        let Value::Table(table) = value.get_ref() else {
            return self.mistake(value.span(), "this is not a table of roles".to_owned(), String::new());
        };
        for (key, value) in table {
            match Role::ALL[..Role::Series(0).index()]
                .iter()
                .find(|role| role.name() == key.get_ref().as_ref())
            {
                Some(role) => take(self, *role, value),
                None if key.get_ref().as_ref() == "series" => {}
                None => {
                    let names: Vec<&str> =
                        Role::ALL[..Role::Series(0).index()].iter().map(|role| role.name()).collect();
                    self.unknown(key, &names);
                }
            }
        }
    }

    /// `"#rrggbb"`, or `{ fg = …, bg = …, bold = true }`.
    fn ink(&mut self, value: &Spanned<Value<'_>>) -> Option<Ink> {
        let Value::Table(table) = value.get_ref() else { return self.colour(value).map(Ink::fg) };
        let mut ink = Ink::EMPTY;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "fg" => ink.fg = self.colour(value),
                "bg" => ink.bg = self.colour(value),
                name => match (MODIFIERS.iter().find(|(n, _)| *n == name), value.get_ref()) {
                    (Some((_, modifier)), Value::Boolean(on)) => ink.modifier.set(*modifier, *on),
                    (Some(_), _) => {
                        self.mistake(
                            value.span(),
                            format!("{name} is on or off"),
                            "write true or false".to_owned(),
                        );
                    }
                    (None, _) => {
                        self.unknown(key, &["fg", "bg", "bold", "dim", "italic", "underlined", "reversed"]);
                    }
                },
            }
        }
        Some(ink)
    }

    fn colour(&mut self, value: &Spanned<Value<'_>>) -> Option<Colour> {
        let Value::String(text) = value.get_ref() else {
            self.mistake(
                value.span(),
                "this is not a colour".to_owned(),
                "write \"#rrggbb\" or a name".to_owned(),
            );
            return None;
        };
        match text.parse() {
            Ok(colour) => Some(colour),
            Err(message) => {
                let (message, advice) = message.split_once("; ").unwrap_or((&message, ""));
                self.mistake(value.span(), message.to_owned(), advice.to_owned());
                None
            }
        }
    }

    fn colours(&mut self, value: &Spanned<Value<'_>>, least: usize) -> Vec<Colour> {
        let Value::Array(list) = value.get_ref() else {
            self.mistake(value.span(), "this is not a list of colours".to_owned(), String::new());
            return Vec::new();
        };
        if list.len() < least {
            let message = format!("{} colours are too few", list.len());
            self.mistake(value.span(), message, format!("write at least {least}"));
        }
        list.iter().filter_map(|item| self.colour(item)).collect()
    }

    fn string(&mut self, value: &Spanned<Value<'_>>) -> String {
        match value.get_ref() {
            Value::String(text) => text.clone().into_owned(),
            _ => {
                self.mistake(value.span(), "this is not text".to_owned(), "write it in quotes".to_owned());
                String::new()
            }
        }
    }

    fn appearance(&mut self, value: &Spanned<Value<'_>>) -> Appearance {
        match value.get_ref() {
            Value::String(text) if text == "dark" => Appearance::Dark,
            Value::String(text) if text == "light" => Appearance::Light,
            _ => {
                let advice = "write \"dark\" or \"light\"".to_owned();
                self.mistake(value.span(), "appearance is dark or light".to_owned(), advice);
                Appearance::Dark
            }
        }
    }
}
