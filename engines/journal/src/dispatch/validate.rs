//! Checking an invocation against the spec of its action.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::suggest::nearest;
use quarterdeck_kernel::time::parse_duration;
use quarterdeck_kernel::{ActionSpec, ArgKind, ArgSpec, Invocation};

use super::error::{ArgumentError, DispatchError};

/// The longest argument, in bytes.
const LONGEST: usize = 16 << 10;

/// Checks subject and arguments; everything that is wrong with the arguments is told at once.
pub(super) fn validate(spec: &ActionSpec, invocation: &Invocation) -> Result<(), DispatchError> {
    let found = invocation.subject.as_ref();
    if spec.subject != found.map(|s| s.kind) {
        return Err(DispatchError::Subject {
            action: spec.id.to_owned(),
            expected: spec.subject,
            found: found.map(ToString::to_string),
        });
    }
    let names = || spec.args.iter().map(|a| a.name);
    let mut errors: Vec<ArgumentError> = Vec::new();
    for (name, value) in &invocation.args {
        match spec.args.iter().find(|a| a.name == name) {
            Some(arg) => errors.extend(check(arg, value).err()),
            None => errors.push(ArgumentError::Unknown {
                found: name.clone(),
                nearest: nearest(name, names()).map(str::to_owned),
                allowed: names().map(str::to_owned).collect(),
            }),
        }
    }
    for arg in spec.args.iter().filter(|a| a.required && !invocation.args.contains_key(a.name)) {
        errors.push(ArgumentError::Missing {
            name: arg.name.to_owned(),
            description: arg.description.to_owned(),
        });
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(DispatchError::Arguments { action: spec.id.to_owned(), errors })
    }
}

fn check(arg: &ArgSpec, value: &str) -> Result<(), ArgumentError> {
    let wrong = |allowed: String, near: Option<&str>| ArgumentError::Value {
        name: arg.name.to_owned(),
        found: value.chars().take(80).collect(),
        allowed,
        nearest: near.map(str::to_owned),
    };
    if value.len() > LONGEST {
        return Err(wrong(format!("at most {LONGEST} bytes"), None));
    }
    match &arg.kind {
        ArgKind::Text if arg.required && value.trim().is_empty() => {
            Err(wrong("a text that is not empty".to_owned(), None))
        }
        ArgKind::Text => Ok(()),
        ArgKind::Number => parse_number(value).map(|_| ()).ok_or_else(|| wrong("a number".to_owned(), None)),
        ArgKind::Duration => parse_duration(value)
            .map(|_| ())
            .map_err(|_| wrong("a duration such as 90s or 1h30m".to_owned(), None)),
        ArgKind::Bool => parse_bool(value).map(|_| ()).ok_or_else(|| wrong("true or false".to_owned(), None)),
        ArgKind::Choice(words) if words.iter().any(|w| w == value) => Ok(()),
        ArgKind::Choice(words) => Err(wrong(
            format!("one of {}", words.join(", ")),
            nearest(value, words.iter().map(String::as_str)),
        )),
    }
}

fn parse_number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|n: &f64| n.is_finite())
}

fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The number given as an argument, if it was; it has been checked by the dispatcher.
#[must_use]
pub fn number(args: &BTreeMap<String, String>, name: &str) -> Option<f64> {
    args.get(name).and_then(|text| parse_number(text))
}

/// The duration given as an argument, if it was; it has been checked by the dispatcher.
#[must_use]
pub fn duration(args: &BTreeMap<String, String>, name: &str) -> Option<Duration> {
    args.get(name).and_then(|text| parse_duration(text).ok())
}

/// The truth given as an argument, if it was; it has been checked by the dispatcher.
#[must_use]
pub fn boolean(args: &BTreeMap<String, String>, name: &str) -> Option<bool> {
    args.get(name).and_then(|text| parse_bool(text))
}
