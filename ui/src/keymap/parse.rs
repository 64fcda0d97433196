//! Reads keymap files: TOML to bindings with their places, so that every later error can point at one.

use std::collections::BTreeMap;
use std::ops::Range;

use quarterdeck_kernel::{Diagnostic, suggest};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::keys::{Key, parse_chord};

/// One binding as written.
pub(super) struct Written {
    pub chord: Vec<Key>,
    pub run: String,
    pub run_at: Range<usize>,
    pub on_at: Range<usize>,
    pub args: BTreeMap<String, String>,
    pub title: Option<String>,
}

/// One context as written.
#[derive(Default)]
pub(super) struct Section {
    pub replaces: bool,
    pub keys: Vec<Written>,
    pub prepend: Vec<Written>,
    pub append: Vec<Written>,
}

/// A text with its name, against which diagnostics are placed.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

impl Source<'_> {
    pub(super) fn at(self, diagnostic: Diagnostic, range: Range<usize>) -> Diagnostic {
        diagnostic.at(self.name, self.text, range)
    }
}

const LISTS: [&str; 3] = ["keys", "prepend", "append"];
const FIELDS: [&str; 4] = ["on", "run", "args", "title"];

/// Reads a file; `contexts` are those that may be named.
pub(super) fn parse(
    source: Source<'_>,
    contexts: &[&str],
    errors: &mut Vec<Diagnostic>,
) -> Vec<(String, Section)> {
    let table = match DeTable::parse(source.text) {
        Ok(table) => table,
        Err(error) => {
            let range = error.span().unwrap_or(0..0);
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            errors.push(source.at(Diagnostic::new(message).advise("mend the TOML"), range));
            return Vec::new();
        }
    };
    let mut sections = Vec::new();
    for (name, value) in table.get_ref() {
        if !contexts.contains(&name.get_ref().as_ref()) {
            errors.push(source.at(unknown("context", name.get_ref(), contexts), name.span()));
            continue;
        }
        match value.get_ref().as_table() {
            Some(lists) => {
                sections.push((name.get_ref().to_string(), section(source, lists, errors)));
            }
            None => {
                errors.push(source.at(wrong(value, "a table with keys, prepend or append"), value.span()));
            }
        }
    }
    sections
}

fn section(source: Source<'_>, lists: &DeTable<'_>, errors: &mut Vec<Diagnostic>) -> Section {
    let mut section = Section::default();
    for (name, value) in lists {
        let list = match name.get_ref().as_ref() {
            "keys" => {
                section.replaces = true;
                &mut section.keys
            }
            "prepend" => &mut section.prepend,
            "append" => &mut section.append,
            other => {
                errors.push(source.at(unknown("list of bindings", other, &LISTS), name.span()));
                continue;
            }
        };
        let Some(entries) = value.get_ref().as_array() else {
            errors.push(source.at(wrong(value, "a list of { on, run }"), value.span()));
            continue;
        };
        for entry in entries {
            match entry.get_ref().as_table() {
                Some(fields) => list.extend(binding(source, fields, entry.span(), errors)),
                None => errors.push(
                    source.at(wrong(entry, "a binding such as { on = \"R\", run = \"…\" }"), entry.span()),
                ),
            }
        }
    }
    section
}

fn binding(
    source: Source<'_>,
    fields: &DeTable<'_>,
    whole: Range<usize>,
    errors: &mut Vec<Diagnostic>,
) -> Option<Written> {
    let before = errors.len();
    let (mut on, mut run, mut title, mut args) = (None, None, None, BTreeMap::new());
    for (name, value) in fields {
        match name.get_ref().as_ref() {
            "on" => on = text(source, value, errors).map(|t| (t, value.span())),
            "run" => run = text(source, value, errors).map(|t| (t, value.span())),
            "title" => title = text(source, value, errors),
            "args" => match value.get_ref().as_table() {
                Some(table) => {
                    for (key, value) in table {
                        args.extend(scalar(value.get_ref()).map(|v| (key.get_ref().to_string(), v)));
                    }
                }
                None => errors.push(source.at(wrong(value, "a table of arguments"), value.span())),
            },
            other => errors.push(source.at(unknown("field of a binding", other, &FIELDS), name.span())),
        }
    }
    for (name, there) in [("on", on.is_some()), ("run", run.is_some())] {
        if !there && errors.len() == before {
            let missing = Diagnostic::new(format!("the binding has no {name:?}"));
            errors
                .push(source.at(missing.advise("write { on = \"KEYS\", run = \"COMMAND\" }"), whole.clone()));
        }
    }
    let ((on, on_at), (run, run_at)) = (on?, run?);
    match parse_chord(&on) {
        Ok(chord) => Some(Written { chord, run, run_at, on_at, args, title }),
        Err(error) => {
            errors.push(source.at(Diagnostic::new(error.to_string()), on_at));
            None
        }
    }
}

fn text(source: Source<'_>, value: &Spanned<DeValue<'_>>, errors: &mut Vec<Diagnostic>) -> Option<String> {
    let found = value.get_ref().as_str().map(str::to_owned);
    if found.is_none() {
        errors.push(source.at(wrong(value, "a text in quotes"), value.span()));
    }
    found
}

/// Arguments are text in the end; numbers and booleans may be written as themselves.
fn scalar(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.as_str().to_owned()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

fn wrong(value: &Spanned<DeValue<'_>>, wanted: &str) -> Diagnostic {
    Diagnostic::new(format!("found a {}", value.get_ref().type_str())).advise(format!("write {wanted}"))
}

/// "nothing is called that", with the nearest name, or all names when they are few.
pub(super) fn unknown(what: &str, found: &str, allowed: &[&str]) -> Diagnostic {
    let diagnostic = Diagnostic::new(format!("{found:?} is not a {what}"));
    match suggest::nearest(found, allowed.iter().copied()) {
        Some(nearest) => diagnostic.advise(format!("did you mean {nearest:?}?")),
        None if allowed.len() <= 16 => diagnostic.advise(format!("allowed are {}", allowed.join(", "))),
        None => diagnostic.advise("the keys reference and the palette list all of them"),
    }
}
