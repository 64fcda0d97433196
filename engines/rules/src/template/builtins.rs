//! The functions that every Go template has.

use std::cmp::Ordering;

use super::printf::printf;
use super::value::Value;

/// Whether there is such a function. `and` and `or` are evaluated where arguments are.
pub(super) fn is_known(name: &str) -> bool {
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
pub(super) fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    match (name, args) {
        ("not", [v]) => Ok(Value::Bool(!v.truth())),
        ("len", [v]) => length(v),
        ("index", [of, keys @ ..]) => keys.iter().try_fold(of.clone(), |of, key| index(&of, key)),
        ("slice", [of, bounds @ ..]) => slice(of, bounds),
        ("print" | "println", args) => Ok(Value::text(print(args, name == "println"))),
        ("printf", [Value::Text(format), args @ ..]) => Ok(Value::text(printf(format, args))),
        ("printf", [other, ..]) => Err(wrong_type(other, "string")),
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

pub(super) fn wrong_count(name: &str, wanted: usize, exact: bool, got: usize) -> String {
    let least = if exact { "" } else { "at least " };
    format!("wrong number of args for {name}: want {least}{wanted} got {got}")
}

pub(super) fn wrong_type(found: &Value, wanted: &str) -> String {
    match found {
        Value::Missing => format!("wrong value: invalid value; expected {wanted}"),
        other => format!("wrong type for value; expected {wanted}; got {}", other.type_name()),
    }
}

/// Blanks between operands of which neither is a text, or always with `println`.
fn print(args: &[Value], line: bool) -> String {
    let mut out = String::new();
    for (i, value) in args.iter().enumerate() {
        let texts = |v: &Value| matches!(v, Value::Text(_));
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
        Value::Text(v) => v.len(),
        Value::Map(v) => v.entries.len(),
        Value::List(v) => v.len(),
        Value::Missing | Value::Nil => return Err("len of nil pointer".to_owned()),
        other => return Err(format!("len of type {}", other.type_name())),
    };
    Ok(Value::Int(i64::try_from(length).unwrap_or(i64::MAX)))
}

fn index(of: &Value, key: &Value) -> Result<Value, String> {
    match (of, key) {
        (Value::Map(map), Value::Text(key)) => Ok(match map.entries.get(key) {
            Some(found) => found.clone(),
            None if map.texts => Value::text(""),
            None => Value::Nil,
        }),
        (Value::Map(_), Value::Missing | Value::Nil) => {
            Err("value is nil; should be of type string".to_owned())
        }
        (Value::Map(_), key) => Err(format!("value has type {}; should be string", key.type_name())),
        (Value::List(list), Value::Int(i)) => usize::try_from(*i)
            .ok()
            .and_then(|i| list.get(i))
            .cloned()
            .ok_or_else(|| format!("index out of range: {i}")),
        (Value::Text(text), Value::Int(i)) => usize::try_from(*i)
            .ok()
            .and_then(|i| text.as_bytes().get(i))
            .map(|b| Value::Int(i64::from(*b)))
            .ok_or_else(|| format!("index out of range: {i}")),
        (Value::List(_) | Value::Text(_), Value::Missing | Value::Nil) => {
            Err("cannot index slice/array with nil".to_owned())
        }
        (Value::List(_) | Value::Text(_), key) => {
            Err(format!("cannot index slice/array with type {}", key.type_name()))
        }
        (Value::Missing | Value::Nil, _) => Err("index of untyped nil".to_owned()),
        (other, _) => Err(format!("can't index item of type {}", other.type_name())),
    }
}

fn slice(of: &Value, bounds: &[Value]) -> Result<Value, String> {
    let length = match of {
        Value::Text(text) => text.len(),
        Value::List(list) => list.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
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
    Ok(match of {
        Value::Text(text) => Value::text(String::from_utf8_lossy(&text.as_bytes()[from..to]).into_owned()),
        Value::List(list) => Value::List(list[from..to].into()),
        other => other.clone(),
    })
}

const INCOMPATIBLE: &str = "incompatible types for comparison";
const NOT_BASIC: &str = "invalid type for comparison";

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b))
        | (Value::Time(a), Value::Time(b))
        | (Value::Span(a), Value::Span(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Missing | Value::Nil, other) | (other, Value::Missing | Value::Nil) => {
            matches!(other, Value::Missing | Value::Nil)
        }
        (Value::Map(_) | Value::List(_) | Value::Data(_), other)
        | (other, Value::Map(_) | Value::List(_) | Value::Data(_)) => {
            return Err(format!("non-comparable type {}: {}", other.to_text(), other.type_name()));
        }
        _ => return Err(INCOMPATIBLE.to_owned()),
    })
}

fn less(a: &Value, b: &Value) -> Result<bool, String> {
    let order = match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).unwrap_or(Ordering::Greater),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        (Value::Bool(_), Value::Bool(_)) => return Err(NOT_BASIC.to_owned()),
        (a, b) if is_basic(a) && is_basic(b) => return Err(INCOMPATIBLE.to_owned()),
        _ => return Err(NOT_BASIC.to_owned()),
    };
    Ok(order == Ordering::Less)
}

fn is_basic(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_))
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
