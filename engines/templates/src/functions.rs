//! The functions that Prometheus and Alertmanager both add to Go's.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::{Captures, Regex, Replacer};

use crate::MAX_TEXT;
use crate::builtins::{wrong_count, wrong_type};
use crate::number;
use crate::quote::quote;
use crate::time;
use crate::value::Value;

/// How many different regular expressions one template may compile.
const MAX_REGEXES: usize = 1000;

/// The functions that templates may call beside Go's own.
pub trait Functions {
    /// Whether there is a function of that name.
    fn knows(&self, name: &str) -> bool;

    /// Calls it.
    ///
    /// # Errors
    /// What stands behind `error calling NAME: `, or, when it begins with `wrong `, all of it.
    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String>;
}

/// Go's own functions alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoFunctions;

impl Functions for NoFunctions {
    fn knows(&self, _: &str) -> bool {
        false
    }

    fn call(&self, name: &str, _: &[Value]) -> Result<Value, String> {
        Err(unknown(name))
    }
}

/// What is said of a function that is not there.
#[must_use]
pub fn unknown(name: &str) -> String {
    format!("wrong name: there is no function {name:?}")
}

/// Names and how many arguments each takes.
const KNOWN: [(&str, usize); 15] = [
    ("reReplaceAll", 3),
    ("match", 2),
    ("safeHtml", 1),
    ("title", 1),
    ("toUpper", 1),
    ("toLower", 1),
    ("stripPort", 1),
    ("stripDomain", 1),
    ("humanize", 1),
    ("humanize1024", 1),
    ("humanizeDuration", 1),
    ("humanizePercentage", 1),
    ("humanizeTimestamp", 1),
    ("toTime", 1),
    ("toDuration", 1),
];

/// The functions of this module, with the regular expressions that one run has compiled.
#[derive(Debug, Default)]
pub struct Common {
    regexes: RefCell<HashMap<String, Regex>>,
}

impl Functions for Common {
    fn knows(&self, name: &str) -> bool {
        KNOWN.iter().any(|(known, _)| *known == name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let Some((_, count)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            return Err(unknown(name));
        };
        expect(name, args, *count)?;
        match name {
            "reReplaceAll" => self.replace(text_at(args, 0)?, text_at(args, 1)?, text_at(args, 2)?),
            "match" => Ok(Value::Bool(self.regex(text_at(args, 0)?)?.is_match(text_at(args, 1)?))),
            "safeHtml" => Ok(Value::Html(text_at(args, 0)?.into())),
            "title" => Ok(Value::text(title(text_at(args, 0)?))),
            "toUpper" => Ok(Value::text(text_at(args, 0)?.to_uppercase())),
            "toLower" => Ok(Value::text(text_at(args, 0)?.to_lowercase())),
            "stripPort" => {
                let address = text_at(args, 0)?;
                Ok(Value::text(split_port(address).map_or(address, |(host, _)| host)))
            }
            "stripDomain" => Ok(Value::text(strip_domain(text_at(args, 0)?))),
            "humanize" => Ok(Value::text(number::humanize(float(&args[0])?))),
            "humanize1024" => Ok(Value::text(number::humanize_1024(float(&args[0])?))),
            "humanizeDuration" => Ok(Value::text(number::humanize_duration(float(&args[0])?))),
            "humanizePercentage" => Ok(Value::text(number::humanize_percentage(float(&args[0])?))),
            "humanizeTimestamp" => {
                let v = float(&args[0])?;
                if !v.is_finite() {
                    return Ok(Value::text(number::significant(v, 4)));
                }
                Ok(Value::text(time::print(&time::of_nanos(time::nanos(v)?))))
            }
            _ => {
                let v = float(&args[0])?;
                if !v.is_finite() {
                    return Err("value is NaN or Inf".to_owned());
                }
                let nanos = time::nanos(v)?;
                Ok(if name == "toTime" { Value::Time(time::of_nanos(nanos)) } else { Value::Span(nanos) })
            }
        }
    }
}

impl Common {
    fn regex(&self, text: &str) -> Result<Regex, String> {
        let mut regexes = self.regexes.borrow_mut();
        if let Some(known) = regexes.get(text) {
            return Ok(known.clone());
        }
        if regexes.len() >= MAX_REGEXES {
            return Err(format!("more than {MAX_REGEXES} regular expressions in one template"));
        }
        let compiled = regex::RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|e| {
            let why = e.to_string();
            let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("error parsing regexp: {last}: `{text}`")
        })?;
        regexes.insert(text.to_owned(), compiled.clone());
        Ok(compiled)
    }

    fn replace(&self, pattern: &str, with: &str, text: &str) -> Result<Value, String> {
        let regex = self.regex(pattern)?;
        let mut bounded = Bounded { with, over: false };
        let replaced = regex.replace_all(text, bounded.by_ref());
        if bounded.over {
            return Err(format!("the result is longer than {MAX_TEXT} bytes"));
        }
        Ok(Value::text(replaced.into_owned()))
    }
}

/// Replaces until the text is too long.
struct Bounded<'a> {
    with: &'a str,
    over: bool,
}

impl Replacer for Bounded<'_> {
    fn replace_append(&mut self, captures: &Captures<'_>, out: &mut String) {
        if out.len() > MAX_TEXT {
            self.over = true;
        } else {
            captures.expand(self.with, out);
        }
    }
}

/// Refuses another number of arguments.
///
/// # Errors
/// In Go's words.
pub fn expect(name: &str, args: &[Value], count: usize) -> Result<(), String> {
    if args.len() == count { Ok(()) } else { Err(wrong_count(name, count, true, args.len())) }
}

/// The argument at a place, which must be a text.
///
/// # Errors
/// In Go's words.
pub fn text_at(args: &[Value], i: usize) -> Result<&str, String> {
    match args.get(i).map(|arg| (arg, arg.as_text())) {
        Some((_, Some(text))) => Ok(text),
        Some((other, None)) => Err(wrong_type(other, "string")),
        None => Err(wrong_type(&Value::Missing, "string")),
    }
}

/// That an argument has another type than the wanted one, in Go's words.
#[must_use]
pub fn not_of_type(found: &Value, wanted: &str) -> String {
    wrong_type(found, wanted)
}

/// A text as part of a query in a URL.
#[must_use]
pub fn query_escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// A text as Go quotes it.
#[must_use]
pub fn quoted(text: &str) -> String {
    quote(text)
}

/// The first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || c == '_' || c == '\'' || (inside && c == '.');
    }
    out
}

/// `host:port` or `[host]:port`; none if it is neither.
fn split_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match bare {
        Some(host) => Some((host, port)),
        None if host.contains([':', '[', ']']) => None,
        None => Some((host, port)),
    }
}

fn strip_domain(address: &str) -> String {
    let (host, port) = split_port(address).unwrap_or((address, ""));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return address.to_owned();
    }
    let short = host.split('.').next().unwrap_or_default();
    if port.is_empty() { short.to_owned() } else { format!("{short}:{port}") }
}

fn float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(v) => Ok(*v),
        Value::Int(v) => Ok(*v as f64),
        Value::Span(v) => Ok(*v as f64 / 1e9),
        other => match other.as_text() {
            Some(text) => text
                .parse()
                .map_err(|_| format!("strconv.ParseFloat: parsing {}: invalid syntax", quote(text))),
            None => Err(format!("can't convert {} to float", other.type_name())),
        },
    }
}
