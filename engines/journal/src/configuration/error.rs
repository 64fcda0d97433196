//! Errors of deserialization, before they become diagnostics.

use std::fmt;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;
use serde::de::{Expected, Unexpected};

use super::tree::{Node, Place, Value};

/// How many allowed names are listed.
const LISTED: usize = 16;

/// What serde says, and where; the innermost value that it passes through on its way out gives it its place.
#[derive(Clone, Debug)]
pub(super) struct Error {
    pub(super) message: String,
    pub(super) advice: String,
    /// A field that is missing from the table it passes through first.
    pub(super) missing: Option<&'static str>,
    /// A key of the table it passes through first that is not known there.
    unknown: Option<String>,
    /// Whether a type said it in its own words, which may leave out what was found.
    own_words: bool,
    /// The value to leave out in the next attempt.
    pub(super) node: Option<usize>,
    pub(super) place: Option<Box<Place>>,
}

impl Error {
    pub(super) fn new(message: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            advice: advice.into(),
            missing: None,
            unknown: None,
            own_words: false,
            node: None,
            place: None,
        }
    }

    /// Gives it the place of a value, unless it has one. What came from a variable is taken out of the message.
    pub(super) fn within(mut self, node: &Node) -> Self {
        if self.place.is_some() {
            return self;
        }
        self.place = Some(Box::new(node.place.clone()));
        self.node = Some(node.id);
        match &node.value {
            Value::Loose(text) => self.hide(text, &node.place),
            Value::String(text) if self.own_words && !self.message.contains(text.as_str()) => {
                self.message = format!("{}: {}", shown(Unexpected::Str(text)), self.message);
            }
            Value::Table(table) => {
                let key = self.unknown.as_ref();
                if let Some(entry) = key.and_then(|key| table.0.iter().find(|e| e.key == *key)) {
                    self.place = Some(Box::new(entry.key_place.clone()));
                    self.node = Some(entry.node.id);
                }
            }
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) | Value::Array(_) => {}
        }
        self
    }

    fn hide(&mut self, text: &str, place: &Place) {
        let written = place.written();
        if written.is_empty() {
            self.message =
                self.message.replace(&format!("found the text {text:?}"), "its value does not fit");
        }
        let shown = if written.is_empty() { "its value".to_owned() } else { written.to_owned() };
        for known in [format!("{text:?}"), text.to_owned()] {
            if known.len() > 1 {
                self.message = self.message.replace(&known, &shown);
                self.advice = self.advice.replace(&known, &shown);
            }
        }
    }

    pub(super) fn diagnostic(self) -> Diagnostic {
        let diagnostic = Diagnostic::new(self.message).advise(self.advice);
        match self.place {
            Some(place) => place.mark(diagnostic),
            None => diagnostic,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let message = message.to_string();
        // House style: what is wrong, then what to do, in one sentence each.
        match message.split_once("; ") {
            Some((what, advice)) => Self { own_words: true, ..Self::new(what, advice) },
            None => Self { own_words: true, ..Self::new(message, "") },
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("found {}", shown(found)), format!("write {}", allowed(expected)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("{} is not allowed here", shown(found)), format!("write {}", allowed(expected)))
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        Self::new(format!("found {length} values"), format!("write {}", allowed(expected)))
    }

    fn unknown_variant(found: &str, names: &'static [&'static str]) -> Self {
        Self::new(format!("{found:?} is not allowed here"), choices(found, names))
    }

    fn unknown_field(found: &str, names: &'static [&'static str]) -> Self {
        let unknown = Some(found.to_owned());
        Self { unknown, ..Self::new(format!("unknown key {found:?}"), choices(found, names)) }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { missing: Some(field), ..Self::new(format!("key {field:?} is missing"), "add it") }
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format!("key {field:?} is given twice"), "leave one out")
    }
}

/// Which names are allowed, the nearest first.
pub(super) fn choices(found: &str, names: &[&str]) -> String {
    let near =
        nearest(found, names.iter().copied()).map(|n| format!("did you mean {n:?}? ")).unwrap_or_default();
    match names {
        [] => format!("{near}nothing is allowed here"),
        names if names.len() <= LISTED => format!("{near}allowed: {}", names.join(", ")),
        names => format!("{near}allowed: {}, and {} more", names[..LISTED].join(", "), names.len() - LISTED),
    }
}

fn shown(found: Unexpected<'_>) -> String {
    let short = |s: &str| -> String {
        if s.chars().count() > 60 {
            format!("{}…", s.chars().take(60).collect::<String>())
        } else {
            s.to_owned()
        }
    };
    match found {
        Unexpected::Bool(b) => b.to_string(),
        Unexpected::Unsigned(n) => n.to_string(),
        Unexpected::Signed(n) => n.to_string(),
        Unexpected::Float(n) => n.to_string(),
        Unexpected::Str(s) => format!("the text {:?}", short(s)),
        Unexpected::Map | Unexpected::StructVariant => "a table".to_owned(),
        Unexpected::Seq | Unexpected::TupleVariant => "a list".to_owned(),
        other => other.to_string(),
    }
}

/// What serde's types call themselves, in words for people.
fn allowed(expected: &dyn Expected) -> String {
    let text = expected.to_string();
    let whole = |from: String, to: String| format!("a whole number from {from} to {to}");
    match text.as_str() {
        "u8" => whole("0".into(), u8::MAX.to_string()),
        "u16" => whole("0".into(), u16::MAX.to_string()),
        "u32" => whole("0".into(), u32::MAX.to_string()),
        "u64" | "usize" => "a whole number that is not negative".to_owned(),
        "i8" => whole(i8::MIN.to_string(), i8::MAX.to_string()),
        "i16" => whole(i16::MIN.to_string(), i16::MAX.to_string()),
        "i32" => whole(i32::MIN.to_string(), i32::MAX.to_string()),
        "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" | "string" | "a character" => "a text in quotes".to_owned(),
        "a sequence" => "a list in [ ]".to_owned(),
        "a map" => "a table".to_owned(),
        other if other.starts_with("struct ") => "a table".to_owned(),
        other if other.starts_with("a nonzero ") => "a whole number above 0".to_owned(),
        other => other.to_owned(),
    }
}
