//! JSON as Go's `encoding/json` writes it: keys of maps sorted, `<`, `>` and `&` escaped.

use std::fmt::Write;

use crate::number;
use crate::value::{Value, View};

/// Writes a value.
pub(crate) fn write(value: &Value, out: &mut String) {
    match value {
        Value::Missing | Value::Nil => out.push_str("null"),
        Value::Bool(v) => out.push_str(if *v { "true" } else { "false" }),
        Value::Int(v) | Value::Span(v) => out.push_str(&v.to_string()),
        Value::Float(v) => float(*v, out),
        Value::Text(v) | Value::Html(v) | Value::Url(v) => text(v, out),
        Value::Map(map) => entries(map.entries.iter().map(|(name, value)| (&**name, value)), out),
        Value::List(items) => list(items, out),
        Value::Object(object) => match object.view() {
            View::Struct => object.json(out),
            View::List(items) => list(items, out),
            View::Map(map) => entries(map.entries.iter().map(|(name, value)| (&**name, value)), out),
        },
        Value::Time(time) => text(&time.rfc3339(), out),
    }
}

/// Writes an object from its members in order.
pub fn entries<'a>(members: impl IntoIterator<Item = (&'a str, &'a Value)>, out: &mut String) {
    out.push('{');
    for (i, (name, value)) in members.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        text(name, out);
        out.push(':');
        write(value, out);
    }
    out.push('}');
}

pub(crate) fn list(items: &[Value], out: &mut String) {
    out.push('[');
    for (i, value) in items.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(value, out);
    }
    out.push(']');
}

/// Plain digits, or an exponent below 1e-6 and from 1e21 on. What JSON has no number for is null.
fn float(v: f64, out: &mut String) {
    if !v.is_finite() {
        out.push_str("null");
    } else if v == 0.0 || (1e-6..1e21).contains(&v.abs()) {
        let _ = write!(out, "{v}");
    } else {
        out.push_str(&number::shortest(v).replace("e-0", "e-"));
    }
}

/// Writes a string.
pub(crate) fn text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
