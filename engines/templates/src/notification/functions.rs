//! The functions that Alertmanager adds to Go's.

use std::sync::Arc;

use jiff::Timestamp;

use crate::MAX_TEXT;
use crate::functions::{Common, Functions, expect, not_of_type, text_at, unknown};
use crate::time::{self, Time};
use crate::value::{Map, Value};

/// Names and how many arguments each takes; none for any number. Those without an own meaning here are the common ones.
const KNOWN: [(&str, Option<usize>); 20] = [
    ("toUpper", Some(1)),
    ("toLower", Some(1)),
    ("title", Some(1)),
    ("trimSpace", Some(1)),
    ("join", Some(2)),
    ("match", Some(2)),
    ("safeHtml", Some(1)),
    ("safeUrl", Some(1)),
    ("urlUnescape", Some(1)),
    ("reReplaceAll", Some(3)),
    ("stringSlice", None),
    ("date", Some(2)),
    ("tz", Some(2)),
    ("now", Some(0)),
    ("since", Some(1)),
    ("humanizeDuration", Some(1)),
    ("toJson", Some(1)),
    ("list", None),
    ("append", None),
    ("dict", None),
];

/// Alertmanager's functions, at a time.
#[derive(Debug)]
pub struct Library {
    now: Timestamp,
    common: Common,
}

impl Library {
    /// The functions for one run: `now` is what `since` counts from.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self { now, common: Common::default() }
    }
}

impl Functions for Library {
    fn knows(&self, name: &str) -> bool {
        KNOWN.iter().any(|(known, _)| *known == name)
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        let Some((_, count)) = KNOWN.iter().find(|(known, _)| *known == name) else {
            return Err(unknown(name));
        };
        if let Some(count) = count {
            expect(name, args, *count)?;
        }
        match name {
            "title" => Ok(Value::text(title(text_at(args, 0)?))),
            "trimSpace" => Ok(Value::text(text_at(args, 0)?.trim())),
            "join" => join(text_at(args, 0)?, &args[1]),
            "safeUrl" => Ok(Value::Url(text_at(args, 0)?.into())),
            "urlUnescape" => unescape(text_at(args, 0)?),
            "stringSlice" => {
                let texts: Result<Vec<&str>, String> = (0..args.len()).map(|i| text_at(args, i)).collect();
                Ok(Value::texts(texts?))
            }
            "date" => Ok(Value::text(time::format(time_at(args, 1)?, text_at(args, 0)?))),
            "tz" => {
                let zone = time::zone(text_at(args, 0)?)?;
                Ok(Value::Time(Time { at: time_at(args, 1)?.at, zone }))
            }
            "now" => Ok(Value::Time(Time::utc(self.now))),
            "since" => Ok(Value::Span(Time::utc(self.now).since(time_at(args, 0)?))),
            "toJson" => Ok(Value::text(args[0].to_json())),
            "list" => Ok(Value::List(args.into())),
            "append" => {
                let Some((list, more)) = args.split_first() else {
                    return Err(crate::builtins::wrong_count(name, 1, false, 0));
                };
                let Some(list) = list.as_list() else { return Err(not_of_type(list, "[]interface {}")) };
                Ok(Value::List(list.iter().chain(more).cloned().collect()))
            }
            "dict" => dict(args),
            name => self.common.call(name, args),
        }
    }
}

fn time_at(args: &[Value], i: usize) -> Result<&Time, String> {
    match args.get(i) {
        Some(Value::Time(time)) => Ok(time),
        Some(other) => Err(not_of_type(other, "time.Time")),
        None => Err(not_of_type(&Value::Missing, "time.Time")),
    }
}

fn join(between: &str, list: &Value) -> Result<Value, String> {
    let Some(list) = list.as_list() else { return Err(not_of_type(list, "[]string")) };
    let mut out = String::new();
    for (i, item) in list.iter().enumerate() {
        if out.len() > MAX_TEXT {
            return Err(format!("the result is longer than {MAX_TEXT} bytes"));
        }
        if i > 0 {
            out.push_str(between);
        }
        match item.as_text() {
            Some(text) => out.push_str(text),
            None => return Err(not_of_type(&Value::List(list.into()), "[]string")),
        }
    }
    Ok(Value::text(out))
}

fn dict(args: &[Value]) -> Result<Value, String> {
    if !args.len().is_multiple_of(2) {
        return Err("dict needs a value for each key".to_owned());
    }
    let mut map = Map::default();
    for pair in args.chunks_exact(2) {
        let Some(name) = pair[0].as_text() else { return Err(not_of_type(&pair[0], "string")) };
        map.entries.insert(Arc::clone(name), pair[1].clone());
    }
    Ok(Value::Map(Arc::new(map)))
}

/// The first letter of each word in upper case, the rest in lower case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || c == '_' || (inside && matches!(c, '\'' | '.' | ':'));
    }
    out
}

/// The reverse of [`crate::query_escape`].
fn unescape(text: &str) -> Result<Value, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = tail.get(..2).and_then(|d| std::str::from_utf8(d).ok());
                match digits.filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit())) {
                    Some(digits) => bytes.extend(u8::from_str_radix(digits, 16)),
                    None => {
                        let shown: String = String::from_utf8_lossy(&tail[..tail.len().min(2)]).into_owned();
                        return Err(format!("invalid URL escape {:?}", format!("%{shown}")));
                    }
                }
                rest = &tail[2..];
            }
            byte => bytes.push(*byte),
        }
    }
    Ok(Value::text(String::from_utf8_lossy(&bytes).into_owned()))
}
