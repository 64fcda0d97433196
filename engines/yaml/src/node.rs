//! The tree of a text: what the parser finds before anybody asks for a type.

use std::fmt;

use quarterdeck_kernel::Diagnostic;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::NonFiniteFloatPolicy;

use crate::spanned::Location;
use crate::{MAX_DEPTH, error};

/// A value and its place.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) place: Location,
    pub(crate) kind: Kind,
}

/// What a value is when nobody asks for a type (YAML 1.2's core schema, and the booleans of 1.1).
#[derive(Debug)]
pub(crate) enum Kind {
    /// `null`, `~`, or nothing.
    Null,
    /// A scalar that reads as more than text.
    Plain {
        typed: Typed,
        text: String,
    },
    Text(String),
    List(Vec<Node>),
    Mapping(Vec<(Node, Node)>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Typed {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
}

/// Parses a text.
pub(crate) fn tree(text: &str, source: &str) -> Result<Node, Diagnostic> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        // `.inf` may be meant as text.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
    };
    let parsed: Option<Found> =
        serde_saphyr::from_str_with_options(text, options).map_err(|e| error::of_parser(&e, source))?;
    let empty = Node { place: Location::UNKNOWN, kind: Kind::Null };
    Ok(parsed.map_or(empty, |found| node(found, text)))
}

pub(crate) fn location(place: serde_saphyr::Location) -> Location {
    Location::new(place.line(), place.column(), place.span().len())
}

type Found = serde_saphyr::Spanned<Parsed>;

/// What the parser hands over, before texts of numbers are looked up.
enum Parsed {
    Null,
    Typed(Typed),
    Text(String),
    List(Vec<Found>),
    Mapping(Vec<(Found, Found)>),
}

fn node(found: Found, text: &str) -> Node {
    let kind = match found.value {
        Parsed::Null => Kind::Null,
        Parsed::Typed(typed) => Kind::Plain { typed, text: written(&found.defined, typed, text) },
        Parsed::Text(text) => Kind::Text(text),
        Parsed::List(entries) => Kind::List(entries.into_iter().map(|entry| node(entry, text)).collect()),
        Parsed::Mapping(entries) => Kind::Mapping(
            entries.into_iter().map(|(key, value)| (node(key, text), node(value, text))).collect(),
        ),
    };
    Node { place: location(found.referenced), kind }
}

/// How a number or a boolean is written: where a text is wanted, `1.10` is not `1.1`.
fn written(place: &serde_saphyr::Location, typed: Typed, text: &str) -> String {
    let span = place.span();
    let range = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
        let start = usize::try_from(start).ok()?;
        text.get(start..start.checked_add(usize::try_from(length).ok()?)?)
    });
    match range.map(str::trim) {
        // What is quoted or has a tag or an anchor before it is not as the value itself is written.
        Some(raw) if !raw.is_empty() && !raw.starts_with(['!', '&', '"', '\'', '|', '>']) => raw.to_owned(),
        _ => match typed {
            Typed::Bool(value) => value.to_string(),
            Typed::Signed(value) => value.to_string(),
            Typed::Unsigned(value) => value.to_string(),
            Typed::Float(value) => value.to_string(),
        },
    }
}

impl<'de> Deserialize<'de> for Parsed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Parsed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Parsed, E> {
        Ok(Parsed::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Parsed, E> {
        Ok(Parsed::Typed(Typed::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(Typed::Signed(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(Typed::Unsigned(value)))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Parsed, E> {
        Ok(Parsed::Typed(Typed::Float(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Parsed, E> {
        Ok(Parsed::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Parsed, E> {
        Ok(Parsed::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Parsed, A::Error> {
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element()? {
            list.push(entry);
        }
        Ok(Parsed::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Parsed, A::Error> {
        let mut mapping = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            mapping.push(entry);
        }
        Ok(Parsed::Mapping(mapping))
    }
}
