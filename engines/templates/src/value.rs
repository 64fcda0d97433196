//! Values of templates.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::json;
use crate::number;
use crate::time::{self, Time};

/// How deep values may hold each other.
pub(crate) const MAX_NESTING: usize = 32;

/// What a pipeline yields.
#[derive(Clone, Debug)]
pub enum Value {
    /// The value of a field that is not there.
    Missing,
    /// `nil`
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`
    Int(i64),
    /// `float64`
    Float(f64),
    /// `string`
    Text(Arc<str>),
    /// `template.HTML`: a text that needs no escaping in HTML.
    Html(Arc<str>),
    /// `template.URL`: a text that may stand where a URL does.
    Url(Arc<str>),
    /// A map with text keys.
    Map(Arc<Map>),
    /// A slice.
    List(Arc<[Value]>),
    /// What the program hands in: a struct, or a map or slice with methods.
    Object(Arc<dyn Object>),
    /// `time.Time`
    Time(Time),
    /// `time.Duration`, in nanoseconds.
    Span(i64),
}

/// A map with sorted keys.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// What it holds.
    pub entries: BTreeMap<Arc<str>, Value>,
    /// Whether all values are texts: an absent key is then the empty text to `index`.
    pub texts: bool,
}

impl Map {
    /// A `map[string]string`.
    pub fn of_texts<N: Into<Arc<str>>, V: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let entries = pairs.into_iter().map(|(n, v)| (n.into(), Value::Text(v.into()))).collect();
        Self { entries, texts: true }
    }

    pub(crate) fn print(&self, out: &mut String) {
        out.push_str("map[");
        for (i, (key, value)) in self.entries.iter().enumerate() {
            if i > 0 {
                out.push(' ');
            }
            out.push_str(key);
            out.push(':');
            value.print(out);
        }
        out.push(']');
    }
}

/// How `range`, `len` and `index` see an object.
#[derive(Clone, Copy, Debug)]
pub enum View<'a> {
    /// As a struct: they refuse it.
    Struct,
    /// As a slice.
    List(&'a [Value]),
    /// As a map.
    Map(&'a Map),
}

/// Something with fields and methods that a program hands to a template.
pub trait Object: fmt::Debug + Any + Send + Sync {
    /// The type as Go names it; messages show it.
    fn type_name(&self) -> &str;

    /// A field of a struct.
    fn field(&self, _name: &str) -> Option<Value> {
        None
    }

    /// A method's result; none if there is none of that name.
    fn call(&self, _name: &str, _args: &[Value]) -> Option<Result<Value, String>> {
        None
    }

    /// How it looks to `range`, `len` and `index`.
    fn view(&self) -> View<'_> {
        View::Struct
    }

    /// As `print` writes it.
    fn print(&self, out: &mut String);

    /// As `toJson` writes it.
    fn json(&self, out: &mut String);

    /// About how many bytes it takes to print it: a bound on work.
    fn weight(&self) -> usize;
}

impl Value {
    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// An object.
    pub fn object(object: impl Object) -> Self {
        Self::Object(Arc::new(object))
    }

    /// A slice of texts.
    pub fn texts<T: Into<Arc<str>>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|t| Self::Text(t.into())).collect())
    }

    /// The object of a known type.
    #[must_use]
    pub fn downcast<T: Object>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => (&**object as &dyn Any).downcast_ref(),
            _ => None,
        }
    }

    /// The text of a string of any kind.
    #[must_use]
    pub fn as_text(&self) -> Option<&Arc<str>> {
        match self {
            Self::Text(text) | Self::Html(text) | Self::Url(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a slice, also of one with methods.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Self::List(list) => Some(list),
            Self::Object(object) => match object.view() {
                View::List(list) => Some(list),
                _ => None,
            },
            _ => None,
        }
    }

    /// The entries of a map, also of one with methods.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(map) => Some(map),
            Self::Object(object) => match object.view() {
                View::Map(map) => Some(map),
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether it counts as true.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(v) => *v,
            Self::Int(v) | Self::Span(v) => *v != 0,
            Self::Float(v) => *v != 0.0,
            Self::Text(v) | Self::Html(v) | Self::Url(v) => !v.is_empty(),
            Self::Map(v) => !v.entries.is_empty(),
            Self::List(v) => !v.is_empty(),
            Self::Object(object) => match object.view() {
                View::Struct => true,
                View::List(list) => !list.is_empty(),
                View::Map(map) => !map.entries.is_empty(),
            },
            Self::Time(_) => true,
        }
    }

    /// The type as Go names it.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Missing | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::Url(_) => "template.URL",
            Self::Map(map) if map.texts => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::List(list) if list.first().is_none_or(|v| matches!(v, Self::Text(_))) => "[]string",
            Self::List(_) => "[]interface {}",
            Self::Object(object) => object.type_name(),
            Self::Time(_) => "*time.Time",
            Self::Span(_) => "*time.Duration",
        }
    }

    /// As `print` writes it.
    pub fn print(&self, out: &mut String) {
        match self {
            Self::Missing => out.push_str("<no value>"),
            Self::Nil => out.push_str("<nil>"),
            Self::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
            Self::Int(v) => out.push_str(&v.to_string()),
            Self::Float(v) => out.push_str(&number::shortest(*v)),
            Self::Text(v) | Self::Html(v) | Self::Url(v) => out.push_str(v),
            Self::Map(map) => map.print(out),
            Self::List(list) => print_list(list, out),
            Self::Object(object) => object.print(out),
            Self::Time(v) => out.push_str(&time::print(v)),
            Self::Span(v) => out.push_str(&time::print_span(*v)),
        }
    }

    /// The text that `print` writes.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }

    /// The JSON that `toJson` writes, as Go's encoder does.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        json::write(self, &mut out);
        out
    }

    /// About how many bytes it takes to print it, but little more than `most`; none if it is nested too deep.
    pub(crate) fn weight(&self, most: usize) -> Option<usize> {
        fn add(value: &Value, depth: usize, most: usize, sum: &mut usize) -> bool {
            if *sum > most {
                return true;
            }
            if depth > MAX_NESTING {
                return false;
            }
            *sum += 8;
            match value {
                Value::Text(v) | Value::Html(v) | Value::Url(v) => *sum += v.len(),
                Value::Map(map) => {
                    return map.entries.iter().all(|(name, value)| {
                        *sum += name.len();
                        add(value, depth + 1, most, sum)
                    });
                }
                Value::List(list) => return list.iter().all(|value| add(value, depth + 1, most, sum)),
                Value::Object(object) => *sum += object.weight(),
                _ => {}
            }
            true
        }
        let mut sum = 0;
        add(self, 0, most, &mut sum).then_some(sum)
    }
}

/// As `print` writes a slice.
pub fn print_list(list: &[Value], out: &mut String) {
    out.push('[');
    for (i, value) in list.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        value.print(out);
    }
    out.push(']');
}
