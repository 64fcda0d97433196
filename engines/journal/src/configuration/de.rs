//! A serde deserializer over the tree.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use serde::de::value::{MapDeserializer, StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use super::error::{Error, choices};
use super::parse::parse_value;
use super::secret::{self, SecretSource};
use super::tree::{Entry, Node, Value};

/// What one attempt to deserialize shares.
pub(super) struct Context<'a> {
    pub(super) variables: &'a BTreeMap<String, String>,
    /// Values that had an error before and are left out, so that the next error can be found.
    pub(super) omitted: &'a HashSet<usize>,
    /// Keys that their struct does not know.
    pub(super) unknown: RefCell<Vec<Error>>,
    /// Files that secrets were read from.
    pub(super) files: RefCell<Vec<PathBuf>>,
}

/// One value, to be deserialized.
#[derive(Clone, Copy)]
pub(super) struct De<'a> {
    pub(super) node: &'a Node,
    pub(super) cx: &'a Context<'a>,
}

/// What a visitor asks for.
#[derive(Clone, Copy)]
enum Wanted<'f> {
    Anything,
    /// A number or a truth value, of a type that is known.
    Scalar,
    Text,
    List,
    /// With the keys that its struct knows, if it is one.
    Table(Option<&'f [&'f str]>),
}

/// What a value is to somebody who wants something of it.
///
/// Found out by functions that do not depend on the type wanted: the compiler makes what depends on it anew for each of
/// the many types of a configuration.
enum Found<'a> {
    Bool(bool),
    Integer(i64),
    Unsigned(u64),
    Float(f64),
    Text(&'a str),
    List(&'a [Node]),
    Table(Vec<&'a Entry>),
    /// What a variable's text means.
    Made(Node),
    /// A variable's text that means nothing of this kind.
    Wrong(&'a str),
}

impl<'a> De<'a> {
    fn found(self, wanted: Wanted<'_>) -> Found<'a> {
        match &self.node.value {
            Value::Bool(b) => Found::Bool(*b),
            Value::Integer(n) => Found::Integer(*n),
            Value::Float(n) => Found::Float(*n),
            Value::String(s) => Found::Text(s),
            Value::Array(items) => Found::List(items),
            Value::Table(_) => {
                let fields = if let Wanted::Table(fields) = wanted { fields } else { None };
                Found::Table(self.entries(fields))
            }
            Value::Loose(text) => self.meant(text, wanted),
        }
    }

    /// The entries of a table that are not left out; keys that the struct does not know are told.
    fn entries(self, fields: Option<&[&str]>) -> Vec<&'a Entry> {
        let Value::Table(table) = &self.node.value else { return Vec::new() };
        let mut entries: Vec<&Entry> = Vec::with_capacity(table.0.len());
        for entry in table.0.iter().filter(|e| !self.cx.omitted.contains(&e.node.id)) {
            match fields {
                Some(names) if !names.contains(&entry.key.as_str()) => {
                    let mut error =
                        Error::new(format!("unknown key {:?}", entry.key), choices(&entry.key, names));
                    error.place = Some(Box::new(entry.key_place.clone()));
                    self.cx.unknown.borrow_mut().push(error);
                }
                _ => entries.push(entry),
            }
        }
        entries
    }

    /// What a variable's text becomes for somebody who wants this.
    fn meant(self, text: &'a str, wanted: Wanted<'_>) -> Found<'a> {
        match wanted {
            Wanted::Text => Found::Text(text),
            Wanted::Table(_) => {
                self.parsed(text, |v| matches!(v, Value::Table(_))).map_or(Found::Wrong(text), Found::Made)
            }
            Wanted::List => Found::Made(self.listed(text)),
            Wanted::Anything | Wanted::Scalar => {
                let trimmed = if matches!(wanted, Wanted::Scalar) { text.trim() } else { text };
                if let Ok(n) = trimmed.parse() {
                    Found::Integer(n)
                } else if let (Ok(n), Wanted::Scalar) = (trimmed.parse(), wanted) {
                    Found::Unsigned(n)
                } else if let Ok(b) = trimmed.parse() {
                    Found::Bool(b)
                } else if let Some(n) = number(text) {
                    Found::Float(n)
                } else if matches!(wanted, Wanted::Scalar) {
                    Found::Wrong(text)
                } else {
                    Found::Text(text)
                }
            }
        }
    }

    /// What a variable's text means as TOML, if it is a list or a table as wanted.
    fn parsed(self, text: &str, wanted: fn(&Value) -> bool) -> Option<Node> {
        let mut node = parse_value(&self.node.place.source, text).filter(|n| wanted(&n.value))?;
        adopt(&mut node, self.node);
        Some(node)
    }

    /// A list that a variable gives: as TOML writes it, or its words between commas.
    fn listed(self, text: &str) -> Node {
        self.parsed(text, |v| matches!(v, Value::Array(_))).unwrap_or_else(|| {
            let words = text.split(',').map(str::trim).filter(|w| !w.is_empty());
            let items =
                words.map(|w| Node { value: Value::Loose(w.to_owned()), ..self.node.clone() }).collect();
            Node { value: Value::Array(items), ..self.node.clone() }
        })
    }

    fn visit<'de, V: Visitor<'de>>(self, wanted: Wanted<'_>, visitor: V) -> Result<V::Value, Error> {
        let mut found = self.found(wanted);
        let made;
        if let Found::Made(node) = found {
            made = node;
            found = De { node: &made, cx: self.cx }.found(wanted);
        }
        let result: Result<V::Value, Error> = match found {
            Found::Bool(b) => visitor.visit_bool(b),
            Found::Integer(n) => visitor.visit_i64(n),
            Found::Unsigned(n) => visitor.visit_u64(n),
            Found::Float(n) => visitor.visit_f64(n),
            Found::Text(s) => visitor.visit_str(s),
            Found::List(items) => visitor.visit_seq(Items { items: items.iter(), cx: self.cx }),
            Found::Table(entries) => {
                visitor.visit_map(Entries { entries: entries.into_iter(), current: None, cx: self.cx })
            }
            Found::Made(_) => Err(Error::new("it is read twice", "")),
            Found::Wrong(text) => Err(Error::invalid_type(Unexpected::Str(text), &visitor)),
        };
        match result {
            Ok(value) => Ok(value),
            Err(error) => Err(error.within(self.node)),
        }
    }

    /// What is read of a secret: where it was said to be, and what it is.
    fn secret(self) -> Result<[(String, String); 2], Error> {
        const FORM: &str = "write { env = \"NAME\" } or { file = \"path\" }";
        let table = match &self.node.value {
            Value::Table(table) => table,
            Value::Loose(text) => {
                return match self.parsed(text, |v| matches!(v, Value::Table(_))) {
                    Some(node) => De { node: &node, cx: self.cx }.secret(),
                    None => Err(Error::new("a secret is never given as it is", FORM).within(self.node)),
                };
            }
            // Not even the offending value is shown: it may be the secret.
            _ => return Err(Error::new("a secret is never written here as it is", FORM).within(self.node)),
        };
        let [entry] = table.0.as_slice() else {
            return Err(Error::new("this names no secret, or several", FORM).within(self.node));
        };
        let name = match &entry.node.value {
            Value::String(name) | Value::Loose(name) => name.clone(),
            _ => return Err(Error::new("this names no secret", FORM).within(&entry.node)),
        };
        let file = Path::new(&entry.node.place.source.name);
        let base = file.parent().unwrap_or(Path::new("."));
        let source = match entry.key.as_str() {
            "env" => SecretSource::Env(name.clone()),
            "file" => {
                self.cx.files.borrow_mut().push(base.join(&name));
                SecretSource::File(name.clone())
            }
            other => {
                let mut error = Error::new(format!("unknown key {other:?}"), FORM);
                error.place = Some(Box::new(entry.key_place.clone()));
                error.node = Some(self.node.id);
                return Err(error);
            }
        };
        let value = secret::read(&source, |n| self.cx.variables.get(n).cloned(), base)
            .map_err(|why| Error::new(why, "").within(&entry.node))?;
        Ok([(entry.key.clone(), name), (secret::VALUE.to_owned(), value.expose().to_owned())])
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|n: &f64| n.is_finite())
}

/// Makes a value that was parsed from a variable's text stand where the variable's value stands.
fn adopt(node: &mut Node, at: &Node) {
    node.id = at.id;
    node.place = at.place.clone();
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|n| adopt(n, at)),
        Value::Table(table) => {
            for entry in &mut table.0 {
                entry.key_place = at.place.clone();
                adopt(&mut entry.node, at);
            }
        }
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) | Value::Loose(_) => {}
    }
}

macro_rules! scalars {
    ($($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.visit(Wanted::Scalar, visitor)
        }
    )* };
}

impl<'de> Deserializer<'de> for De<'_> {
    type Error = Error;

    scalars! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(Wanted::Anything, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(Wanted::Text, visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self).map_err(|e: Error| e.within(self.node))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == secret::NAME {
            let pairs = self.secret()?;
            return visitor
                .visit_map(MapDeserializer::<_, Error>::new(pairs.into_iter()))
                .map_err(|e| e.within(self.node));
        }
        // A text that turns out to be no duration, address or pattern is found out by the type around it.
        visitor.visit_newtype_struct(self).map_err(|e: Error| e.within(self.node))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(Wanted::List, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.visit(Wanted::List, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit(Wanted::List, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.visit(Wanted::Table(None), visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit(Wanted::Table(Some(fields)), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let result: Result<V::Value, Error> = match &self.node.value {
            Value::String(name) | Value::Loose(name) => {
                visitor.visit_enum(<&str as IntoDeserializer<'_, Error>>::into_deserializer(name))
            }
            Value::Table(table) => match table.0.as_slice() {
                [entry] => visitor.visit_enum(Variant { entry, cx: self.cx }),
                _ => Err(Error::new(
                    "found a table with several keys, or none",
                    format!("write one of {}", names.join(", ")),
                )),
            },
            Value::Integer(n) => Err(Error::new(format!("found {n}"), choices("", names))),
            Value::Bool(_) | Value::Float(_) | Value::Array(_) => {
                Err(Error::new(format!("found {}", self.node.place.written()), choices("", names)))
            }
        };
        result.map_err(|e| e.within(self.node))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf unit unit_struct identifier }
}

struct Items<'a> {
    items: std::slice::Iter<'a, Node>,
    cx: &'a Context<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.next() else { return Ok(None) };
        match seed.deserialize(De { node, cx: self.cx }) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(error.within(node)),
        }
    }
}

impl<'a> Items<'a> {
    /// The next that is not left out.
    fn next(&mut self) -> Option<&'a Node> {
        self.items.find(|n| !self.cx.omitted.contains(&n.id))
    }
}

struct Entries<'a> {
    entries: std::vec::IntoIter<&'a Entry>,
    current: Option<&'a Entry>,
    cx: &'a Context<'a>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.current = self.entries.next();
        let Some(entry) = self.current else { return Ok(None) };
        match seed.deserialize(Key(entry)) {
            Ok(key) => Ok(Some(key)),
            Err(error) => Err(at_key(error, entry)),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Some(entry) = self.current.take() else { return Err(Error::new("a value without a key", "")) };
        match seed.deserialize(De { node: &entry.node, cx: self.cx }) {
            Ok(value) => Ok(value),
            Err(error) => Err(error.within(&entry.node)),
        }
    }
}

fn at_key(mut error: Error, entry: &Entry) -> Error {
    if error.place.is_none() {
        error.place = Some(Box::new(entry.key_place.clone()));
        error.node = Some(entry.node.id);
    }
    error
}

/// The key of an entry: text, or whatever a map's key type makes of it.
struct Key<'a>(&'a Entry);

macro_rules! parsed_keys {
    ($($method:ident $type:ty, $visit:ident;)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self.0.key.parse::<$type>() {
                Ok(n) => visitor.$visit(n),
                Err(_) => Err(Error::invalid_value(Unexpected::Str(&self.0.key), &visitor)),
            }
        }
    )* };
}

impl<'de> Deserializer<'de> for Key<'_> {
    type Error = Error;

    parsed_keys! {
        deserialize_i8 i64, visit_i64;
        deserialize_i16 i64, visit_i64;
        deserialize_i32 i64, visit_i64;
        deserialize_i64 i64, visit_i64;
        deserialize_u8 u64, visit_u64;
        deserialize_u16 u64, visit_u64;
        deserialize_u32 u64, visit_u64;
        deserialize_u64 u64, visit_u64;
        deserialize_bool bool, visit_bool;
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_str(&self.0.key)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(StrDeserializer::<Error>::new(&self.0.key))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(StringDeserializer::<Error>::new(self.0.key.clone()))
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

struct Variant<'a> {
    entry: &'a Entry,
    cx: &'a Context<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Variant<'a> {
    type Error = Error;
    type Variant = Content<'a>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content<'a>), Error> {
        let name = seed.deserialize(Key(self.entry)).map_err(|e| at_key(e, self.entry))?;
        Ok((name, Content(De { node: &self.entry.node, cx: self.cx })))
    }
}

struct Content<'a>(De<'a>);

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Err(Error::new("this takes nothing more", "write its name alone, in quotes").within(self.0.node))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.0).map_err(|e| e.within(self.0.node))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.0.visit(Wanted::List, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.visit(Wanted::Table(Some(fields)), visitor)
    }
}
