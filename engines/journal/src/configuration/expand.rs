//! Variables inside values.

use std::collections::BTreeMap;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;

use super::tree::{Node, Place, Value};

/// Expands `${VAR}` and `${VAR:-default}` in every string of the tree.
pub(super) fn expand(node: &mut Node, variables: &BTreeMap<String, String>, errors: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::Array(items) => items.iter_mut().for_each(|n| expand(n, variables, errors)),
        Value::Table(table) => table.0.iter_mut().for_each(|e| expand(&mut e.node, variables, errors)),
        Value::String(text) if text.contains("${") => match expanded(text, &node.place, variables) {
            Ok((text, true)) => node.value = Value::Loose(text),
            Ok((plain, false)) => *text = plain,
            Err(found) => errors.extend(found),
        },
        Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) | Value::Loose(_) => {}
    }
}

/// The text, and whether a variable was in it.
fn expanded(
    text: &str,
    place: &Place,
    variables: &BTreeMap<String, String>,
) -> Result<(String, bool), Vec<Diagnostic>> {
    let (mut out, mut used, mut errors) = (String::new(), false, Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(before) = before.strip_suffix('$') {
            out.push_str(before);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let Some(end) = from.find('}') else {
            let found = Diagnostic::new("${ has no closing }").advise("write ${NAME}, or $${ for a plain ${");
            errors.push(inside(place, from, 2).mark(found));
            rest = "";
            break;
        };
        let (name, default) = match from[2..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&from[2..end], None),
        };
        let lawful = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let here = || inside(place, &from[..=end], end + 1);
        match variables
            .get(name)
            .map(String::as_str)
            .filter(|v| default.is_none() || !v.is_empty())
            .or(default)
        {
            _ if !lawful => {
                let found = Diagnostic::new(format!("{name:?} is not the name of a variable"));
                errors.push(here().mark(found.advise("write ${NAME} or ${NAME:-default}")));
            }
            Some(value) => {
                out.push_str(value);
                used = true;
            }
            None => {
                let near = nearest(name, variables.keys().map(String::as_str));
                let meant = near.map(|n| format!("did you mean {n}? ")).unwrap_or_default();
                let found = Diagnostic::new(format!("the variable {name} is not set"));
                errors
                    .push(here().mark(found.advise(format!("{meant}set it, or write ${{{name}:-default}}"))));
            }
        }
        rest = &from[end + 1..];
    }
    out.push_str(rest);
    if errors.is_empty() { Ok((out, used)) } else { Err(errors) }
}

/// The place of a part of a string: found again in the text as written, since escapes move things.
fn inside(place: &Place, part: &str, length: usize) -> Place {
    match place.written().find(part) {
        Some(at) => {
            let start = place.span.start + at;
            Place { span: start..start + length, ..place.clone() }
        }
        None => place.clone(),
    }
}
