//! Values from the tree: serde's side of it.

use serde::de::value::{BorrowedStrDeserializer, U64Deserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use serde::forward_to_deserialize_any;

use crate::error::Mistake;
use crate::node::{Kind, Node, Typed};
use crate::spanned::{Location, MARK};

/// Reads a value from a node.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a Node);

type Outcome<T> = Result<T, Mistake>;

impl<'a> Reader<'a> {
    fn place(self) -> Location {
        self.0.place
    }

    /// What a scalar says, as text.
    fn text(self) -> Option<&'a str> {
        match &self.0.kind {
            Kind::Plain { text, .. } | Kind::Text(text) => Some(text),
            Kind::Null | Kind::List(_) | Kind::Mapping(_) => None,
        }
    }

    fn unexpected(self) -> Unexpected<'a> {
        match &self.0.kind {
            Kind::Null => Unexpected::Unit,
            Kind::Plain { typed: Typed::Bool(value), .. } => Unexpected::Bool(*value),
            Kind::Plain { text, .. } | Kind::Text(text) => Unexpected::Str(text),
            Kind::List(_) => Unexpected::Seq,
            Kind::Mapping(_) => Unexpected::Map,
        }
    }

    fn refuse<T, V: Visitor<'a>>(self, visitor: &V) -> Outcome<T> {
        Err(Mistake::invalid_type(self.unexpected(), visitor).or_at(self.place()))
    }

    fn placed<T>(self, outcome: Outcome<T>) -> Outcome<T> {
        outcome.map_err(|mistake| mistake.or_at(self.place()))
    }

    /// A number, also from a text that holds one.
    fn number<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        let outcome = match &self.0.kind {
            Kind::Plain { typed: Typed::Signed(value), .. } => visitor.visit_i64(*value),
            Kind::Plain { typed: Typed::Unsigned(value), .. } => visitor.visit_u64(*value),
            Kind::Plain { typed: Typed::Float(value), .. } => visitor.visit_f64(*value),
            Kind::Text(text) => {
                let text = text.trim();
                if let Ok(value) = text.parse() {
                    visitor.visit_i64(value)
                } else if let Ok(value) = text.parse() {
                    visitor.visit_u64(value)
                } else if let Ok(value) = text.parse() {
                    visitor.visit_f64(value)
                } else {
                    return self.refuse(&visitor);
                }
            }
            _ => return self.refuse(&visitor),
        };
        self.placed(outcome)
    }
}

/// The words that YAML 1.1 has for true and false.
fn boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.trim().eq_ignore_ascii_case(word));
    if is(&["true", "yes", "y", "on"]) {
        Some(true)
    } else if is(&["false", "no", "n", "off"]) {
        Some(false)
    } else {
        None
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
            self.number(visitor)
        })*
    };
}

impl<'a> Deserializer<'a> for Reader<'a> {
    type Error = Mistake;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        let outcome = match &self.0.kind {
            Kind::Null => visitor.visit_unit(),
            Kind::Plain { typed: Typed::Bool(value), .. } => visitor.visit_bool(*value),
            Kind::Plain { .. } => return self.number(visitor),
            Kind::Text(text) => visitor.visit_borrowed_str(text),
            Kind::List(entries) => visitor.visit_seq(List(entries.iter())),
            Kind::Mapping(entries) => visitor.visit_map(Mapping { left: entries.iter(), value: None }),
        };
        self.placed(outcome)
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        let value = match &self.0.kind {
            Kind::Plain { typed: Typed::Bool(value), .. } => Some(*value),
            Kind::Text(text) => boolean(text),
            _ => None,
        };
        match value {
            Some(value) => self.placed(visitor.visit_bool(value)),
            None => self.refuse(&visitor),
        }
    }

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
        deserialize_u64 deserialize_f32 deserialize_f64
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        match self.text() {
            Some(text) => self.placed(visitor.visit_borrowed_str(text)),
            None => self.refuse(&visitor),
        }
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        self.placed(match self.0.kind {
            Kind::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        })
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(self, name: &'static str, visitor: V) -> Outcome<V::Value> {
        self.placed(if name == MARK {
            visitor.visit_seq(Parts { node: self.0, next: 0 })
        } else {
            visitor.visit_newtype_struct(self)
        })
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        let entries = match &self.0.kind {
            Kind::List(entries) => entries.as_slice(),
            Kind::Null => &[],
            _ => return self.refuse(&visitor),
        };
        self.placed(visitor.visit_seq(List(entries.iter())))
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        let entries = match &self.0.kind {
            Kind::Mapping(entries) => entries.as_slice(),
            Kind::Null => &[],
            _ => return self.refuse(&visitor),
        };
        self.placed(visitor.visit_map(Mapping { left: entries.iter(), value: None }))
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Outcome<V::Value> {
        let variant = match &self.0.kind {
            Kind::Plain { .. } | Kind::Text(_) => Variant { name: self, content: None },
            Kind::Mapping(entries) => match entries.as_slice() {
                [(name, content)] => Variant { name: Reader(name), content: Some(Reader(content)) },
                _ => return self.refuse(&visitor),
            },
            Kind::Null | Kind::List(_) => return self.refuse(&visitor),
        };
        self.placed(visitor.visit_enum(variant))
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Outcome<V::Value> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        <V: Visitor<'a>>
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

/// The entries of a list.
struct List<'a>(std::slice::Iter<'a, Node>);

impl<'a> SeqAccess<'a> for List<'a> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Outcome<Option<T::Value>> {
        self.0.next().map(|entry| seed.deserialize(Reader(entry))).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The entries of a mapping.
struct Mapping<'a> {
    left: std::slice::Iter<'a, (Node, Node)>,
    value: Option<&'a Node>,
}

impl<'a> MapAccess<'a> for Mapping<'a> {
    type Error = Mistake;

    fn next_key_seed<K: DeserializeSeed<'a>>(&mut self, seed: K) -> Outcome<Option<K::Value>> {
        let Some((key, value)) = self.left.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(Reader(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'a>>(&mut self, seed: V) -> Outcome<V::Value> {
        match self.value.take() {
            Some(value) => seed.deserialize(Reader(value)),
            None => Err(Mistake::custom("a value was asked for before its key")),
        }
    }
}

/// What a [`crate::Spanned`] is read from: line, column, length, value.
struct Parts<'a> {
    node: &'a Node,
    next: usize,
}

impl<'a> SeqAccess<'a> for Parts<'a> {
    type Error = Mistake;

    fn next_element_seed<T: DeserializeSeed<'a>>(&mut self, seed: T) -> Outcome<Option<T::Value>> {
        let place = self.node.place;
        let number = match self.next {
            0 => place.line(),
            1 => place.column(),
            2 => place.length(),
            3 => {
                self.next += 1;
                return seed.deserialize(Reader(self.node)).map(Some);
            }
            _ => return Ok(None),
        };
        self.next += 1;
        seed.deserialize(U64Deserializer::new(number as u64)).map(Some)
    }
}

/// A variant of an enum: its name, and its content if it has any.
struct Variant<'a> {
    name: Reader<'a>,
    content: Option<Reader<'a>>,
}

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = Mistake;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'a>>(self, seed: V) -> Outcome<(V::Value, Self)> {
        let name = self.name.text().unwrap_or_default();
        let variant = self.name.placed(seed.deserialize(BorrowedStrDeserializer::new(name)))?;
        Ok((variant, self))
    }
}

impl<'a> VariantAccess<'a> for Variant<'a> {
    type Error = Mistake;

    fn unit_variant(self) -> Outcome<()> {
        match self.content {
            None => Ok(()),
            Some(content) => Err(Mistake::custom("this name stands alone").or_at(content.place())),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, seed: T) -> Outcome<T::Value> {
        seed.deserialize(self.content.unwrap_or(self.name))
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, visitor: V) -> Outcome<V::Value> {
        self.content.unwrap_or(self.name).deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'a>>(self, _: &'static [&'static str], visitor: V) -> Outcome<V::Value> {
        self.content.unwrap_or(self.name).deserialize_map(visitor)
    }
}
