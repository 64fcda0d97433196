//! The functions that every Go template has.

use std::cmp::Ordering;

use crate::printf::printf;
use crate::value::{Map, Value};

/// Whether there is such a function. `and` and `or` are evaluated where arguments are.
pub(crate) fn is_known(name: &str) -> bool {
    matches!(
        name,
        "and"
            | "or"
            | "not"
            | "len"
            | "index"
            | "slice"
            | "print"
            | "printf"
            | "println"
            | "html"
            | "js"
            | "urlquery"
            | "call"
            | "eq"
            | "ne"
            | "lt"
            | "le"
            | "gt"
            | "ge"
    )
}

/// Calls one; the error is what stands behind `error calling NAME: `, or, when it begins with `wrong`, all of it.
pub(crate) fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    match (name, args) {
        ("not", [v]) => Ok(Value::Bool(!v.truth())),
        ("len", [v]) => length(v),
        ("index", [of, keys @ ..]) => keys.iter().try_fold(of.clone(), |of, key| index(&of, key)),
        ("slice", [of, bounds @ ..]) => slice(of, bounds),
        ("print" | "println", args) => Ok(Value::text(print(args, name == "println"))),
        ("printf", [format, args @ ..]) => match format.as_text() {
            Some(text) => Ok(Value::text(printf(text, args))),
            None => Err(wrong_type(format, "string")),
        },
        ("html" | "js" | "urlquery", args) => Ok(Value::text(escape(name, &print(args, false)))),
        ("call", [v, ..]) => Err(match v {
            Value::Missing | Value::Nil => "call of nil".to_owned(),
            other => format!("non-function of type {}", other.type_name()),
        }),
        ("eq", [first, rest @ ..]) => {
            if rest.is_empty() {
                return Err("missing argument for comparison".to_owned());
            }
            for other in rest {
                if equal(first, other)? {
                    return Ok(Value::Bool(true));
                }
            }
            Ok(Value::Bool(false))
        }
        ("ne", [a, b]) => Ok(Value::Bool(!equal(a, b)?)),
        ("lt", [a, b]) => Ok(Value::Bool(less(a, b)?)),
        ("le", [a, b]) => Ok(Value::Bool(less(a, b)? || equal(a, b)?)),
        ("gt", [a, b]) => Ok(Value::Bool(!(less(a, b)? || equal(a, b)?))),
        ("ge", [a, b]) => Ok(Value::Bool(!less(a, b)?)),
        (name, args) => {
            let (least, exact) = match name {
                "index" | "slice" | "printf" | "call" | "eq" => (1, false),
                "not" | "len" => (1, true),
                _ => (2, true),
            };
            Err(wrong_count(name, least, exact, args.len()))
        }
    }
}

pub(crate) fn wrong_count(name: &str, wanted: usize, exact: bool, got: usize) -> String {
    let least = if exact { "" } else { "at least " };
    format!("wrong number of args for {name}: want {least}{wanted} got {got}")
}

pub(crate) fn wrong_type(found: &Value, wanted: &str) -> String {
    match found {
        Value::Missing => format!("wrong value: invalid value; expected {wanted}"),
        other => format!("wrong type for value; expected {wanted}; got {}", other.type_name()),
    }
}

/// Blanks between operands of which neither is a text, or always with `println`.
fn print(args: &[Value], line: bool) -> String {
    let mut out = String::new();
    for (i, value) in args.iter().enumerate() {
        let texts = |v: &Value| v.as_text().is_some();
        if i > 0 && (line || !(texts(value) || texts(&args[i - 1]))) {
            out.push(' ');
        }
        match value {
            Value::Missing => out.push_str("<nil>"),
            other => other.print(&mut out),
        }
    }
    if line {
        out.push('\n');
    }
    out
}

fn length(value: &Value) -> Result<Value, String> {
    let length = match value {
        Value::Text(v) | Value::Html(v) | Value::Url(v) => v.len(),
        Value::Missing | Value::Nil => return Err("len of nil pointer".to_owned()),
        other => match (other.as_list(), other.as_map()) {
            (Some(list), _) => list.len(),
            (_, Some(map)) => map.entries.len(),
            _ => return Err(format!("len of type {}", other.type_name())),
        },
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(of: &Value, key: &Value) -> Result<Value, String> {
    if let Some(map) = of.as_map() {
        return match key {
            Value::Text(key) | Value::Html(key) | Value::Url(key) => {
                Ok(map.entries.get(key).cloned().unwrap_or_else(|| absent(map)))
            }
            Value::Missing | Value::Nil => Err("value is nil; should be of type string".to_owned()),
            key => Err(format!("value has type {}; should be string", key.type_name())),
        };
    }
    let at = |i: i64| usize::try_from(i).ok();
    let found = match (of.as_list(), of.as_text(), key) {
        (Some(list), _, Value::Int(i)) => at(*i).and_then(|i| list.get(i)).cloned(),
        (_, Some(text), Value::Int(i)) => {
            at(*i).and_then(|i| text.as_bytes().get(i)).map(|b| Value::Int(i64::from(*b)))
        }
        (None, None, _) => {
            return Err(match of {
                Value::Missing | Value::Nil => "index of untyped nil".to_owned(),
                other => format!("can't index item of type {}", other.type_name()),
            });
        }
        (_, _, Value::Missing | Value::Nil) => {
            return Err("cannot index slice/array with nil".to_owned());
        }
        (_, _, key) => return Err(format!("cannot index slice/array with type {}", key.type_name())),
    };
    found.ok_or_else(|| format!("index out of range: {}", key.to_text()))
}

/// What a key that is not there gives.
fn absent(map: &Map) -> Value {
    if map.texts { Value::text("") } else { Value::Nil }
}

fn slice(of: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match (of.as_text(), of.as_list()) {
        (Some(text), _) => text.len(),
        (_, Some(list)) => list.len(),
        _ => return Err(format!("can't slice item of type {}", of.type_name())),
    };
    if bounds.len() > 2 {
        return Err(format!("too many slice indexes: {}", bounds.len()));
    }
    let mut range = [0, length];
    for (place, bound) in range.iter_mut().zip(bounds) {
        match bound {
            Value::Int(i) => match usize::try_from(*i) {
                Ok(i) if i <= length => *place = i,
                _ => return Err(format!("index out of range: {i}")),
            },
            other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
        }
    }
    let [from, to] = range;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    Ok(match (of.as_text(), of.as_list()) {
        (Some(text), _) => Value::text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()),
        (_, Some(list)) => Value::List(list[from..to].into()),
        _ => of.clone(),
    })
}

const INCOMPATIBLE: &str = "incompatible types for comparison";
const NOT_BASIC: &str = "invalid type for comparison";

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    if let (Some(a), Some(b)) = (a.as_text(), b.as_text()) {
        return Ok(a == b);
    }
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Span(a), Value::Span(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a.at == b.at,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Missing | Value::Nil, other) | (other, Value::Missing | Value::Nil) => {
            matches!(other, Value::Missing | Value::Nil)
        }
        (Value::Map(_) | Value::List(_) | Value::Object(_), _) => return Err(not_comparable(a)),
        (_, Value::Map(_) | Value::List(_) | Value::Object(_)) => return Err(not_comparable(b)),
        _ => return Err(INCOMPATIBLE.to_owned()),
    })
}

fn not_comparable(value: &Value) -> String {
    let mut shown = value.to_text();
    if let Some((end, _)) = shown.char_indices().nth(200) {
        shown.truncate(end);
        shown.push_str("...");
    }
    format!("non-comparable type {shown}: {}", value.type_name())
}

fn less(a: &Value, b: &Value) -> Result<bool, String> {
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Greater),
        (a, b) if a.as_text().is_some() && b.as_text().is_some() => a.as_text().cmp(&b.as_text()),
        (Value::Bool(_), Value::Bool(_)) => return Err(NOT_BASIC.to_owned()),
        (a, b) if is_basic(a) && is_basic(b) => return Err(INCOMPATIBLE.to_owned()),
        _ => return Err(NOT_BASIC.to_owned()),
    };
    Ok(order == Ordering::Less)
}

fn is_basic(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_)) || value.as_text().is_some()
}

fn escape(name: &str, text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    match name {
        "urlquery" => return url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
        "html" => {
            for c in text.chars() {
                match c {
                    '"' => out.push_str("&#34;"),
                    '\'' => out.push_str("&#39;"),
                    '&' => out.push_str("&amp;"),
                    '<' => out.push_str("&lt;"),
                    '>' => out.push_str("&gt;"),
                    '\0' => out.push(char::REPLACEMENT_CHARACTER),
                    c => out.push(c),
                }
            }
        }
        _ => {
            for c in text.chars() {
                match c {
                    '\\' => out.push_str("\\\\"),
                    '\'' => out.push_str("\\'"),
                    '"' => out.push_str("\\\""),
                    '<' => out.push_str("\\u003C"),
                    '>' => out.push_str("\\u003E"),
                    '&' => out.push_str("\\u0026"),
                    '=' => out.push_str("\\u003D"),
                    c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04X}", c as u32)),
                    c => out.push(c),
                }
            }
        }
    }
    out
}
