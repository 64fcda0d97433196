//! Values of templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_kernel::Labels;

use super::number;
use super::time;

/// What a pipeline yields.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// The value of a field that is not there.
    Missing,
    /// `nil`
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Map(Arc<Map>),
    List(Arc<[Value]>),
    /// One element of a query's result.
    Sample(Arc<SampleValue>),
    /// What rules pass as the dot.
    Data(Arc<Map>),
    /// Nanoseconds since 1970.
    Time(i64),
    /// Nanoseconds.
    Span(i64),
}

/// A map with sorted keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    pub(super) entries: BTreeMap<Arc<str>, Value>,
    /// Whether all values are texts: an absent key is then the empty text to `index`.
    pub(super) texts: bool,
}

/// One element of a query's result.
#[derive(Clone, Debug)]
pub(super) struct SampleValue {
    pub(super) labels: Arc<Map>,
    pub(super) value: f64,
}

impl Value {
    pub(super) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn labels(labels: &Labels) -> Arc<Map> {
        let entries = labels.iter().map(|(n, v)| (n.into(), Self::text(v))).collect();
        Arc::new(Map { entries, texts: true })
    }

    /// Whether it counts as true.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(v) => *v,
            Self::Int(v) | Self::Span(v) => *v != 0,
            Self::Float(v) => *v != 0.0,
            Self::Text(v) => !v.is_empty(),
            Self::Map(v) => !v.entries.is_empty(),
            Self::List(v) => !v.is_empty(),
            Self::Sample(_) | Self::Data(_) | Self::Time(_) => true,
        }
    }

    /// The type as Go names it.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Text(_) => "string",
            Self::Map(map) if map.texts => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::List(_) => "template.queryResult",
            Self::Sample(_) => "*template.sample",
            Self::Data(_) => {
                "struct { Labels map[string]string; ExternalLabels map[string]string; ExternalURL string; Value interface {} }"
            }
            Self::Time(_) => "*time.Time",
            Self::Span(_) => "*time.Duration",
        }
    }

    /// As `print` writes it.
    pub(super) fn print(&self, out: &mut String) {
        match self {
            Self::Missing => out.push_str("<no value>"),
            Self::Nil => out.push_str("<nil>"),
            Self::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
            Self::Int(v) => out.push_str(&v.to_string()),
            Self::Float(v) => out.push_str(&number::shortest(*v)),
            Self::Text(v) => out.push_str(v),
            Self::Map(map) => print_map(map, out),
            Self::Data(map) => {
                out.push('{');
                for (i, name) in ["Labels", "ExternalLabels", "ExternalURL", "Value"].into_iter().enumerate()
                {
                    if i > 0 {
                        out.push(' ');
                    }
                    map.entries.get(name).unwrap_or(&Self::Missing).print(out);
                }
                out.push('}');
            }
            Self::List(list) => {
                out.push('[');
                for (i, value) in list.iter().enumerate() {
                    if i > 0 {
                        out.push(' ');
                    }
                    value.print(out);
                }
                out.push(']');
            }
            Self::Sample(sample) => {
                out.push_str("&{");
                print_map(&sample.labels, out);
                out.push(' ');
                out.push_str(&number::shortest(sample.value));
                out.push('}');
            }
            Self::Time(v) => out.push_str(&time::print(*v)),
            Self::Span(v) => out.push_str(&time::print_span(*v)),
        }
    }

    pub(super) fn to_text(&self) -> String {
        let mut out = String::new();
        self.print(&mut out);
        out
    }
}

fn print_map(map: &Map, out: &mut String) {
    out.push_str("map[");
    for (i, (key, value)) in map.entries.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(key);
        out.push(':');
        value.print(out);
    }
    out.push(']');
}
