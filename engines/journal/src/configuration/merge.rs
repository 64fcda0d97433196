//! One layer over another.

use std::sync::Arc;

use quarterdeck_kernel::Diagnostic;

use super::tree::{Entry, Node, Place, Source, Table, Value};

/// Puts `over` on top of `base`: tables merge, everything else is replaced.
pub(super) fn merge(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::Table(base), Value::Table(over)) => merge_tables(base, over),
        (_, value) => *base = Node { id: 0, place: over.place, value },
    }
}

pub(super) fn merge_tables(base: &mut Table, over: Table) {
    for entry in over.0 {
        match base.get_mut(&entry.key) {
            Some(below) => {
                let replaced =
                    !matches!((&below.node.value, &entry.node.value), (Value::Table(_), Value::Table(_)));
                if replaced {
                    below.key_place = entry.key_place;
                }
                merge(&mut below.node, entry.node);
            }
            None => base.0.push(entry),
        }
    }
}

/// Puts a variable on top: `SECTION__KEY` (without the prefix) in lower case is the path, and an existing key that
/// differs in case or has hyphens is meant too.
pub(super) fn set_variable(root: &mut Table, name: &str, path: &str, text: String) -> Result<(), Diagnostic> {
    let source = Arc::new(Source { name: name.to_owned(), text: String::new() });
    let place = Place { source, span: 0..0 };
    let mut parts: Vec<&str> = path.split("__").collect();
    let last = parts.pop().unwrap_or_default();
    if last.is_empty() || parts.iter().any(|p| p.is_empty()) {
        return Err(place.mark(
            Diagnostic::new("the variable names no setting").advise("write QUARTERDECK_SECTION__KEY"),
        ));
    }
    let mut table = root;
    for part in parts {
        let key = existing(table, part);
        if table.get(&key).is_none() {
            let node = Node { id: 0, place: place.clone(), value: Value::Table(Table::default()) };
            table.0.push(Entry { key: key.clone(), key_place: place.clone(), node });
        }
        match table.get_mut(&key).map(|e| &mut e.node.value) {
            Some(Value::Table(inner)) => table = inner,
            _ => return Err(place.mark(Diagnostic::new(format!("{key} is not a table: it has no {last}")))),
        }
    }
    let key = existing(table, last);
    table.remove(&key);
    let node = Node { id: 0, place: place.clone(), value: Value::Loose(text) };
    table.0.push(Entry { key, key_place: place, node });
    Ok(())
}

fn existing(table: &Table, part: &str) -> String {
    let wanted = part.to_lowercase();
    let found = table.0.iter().find(|e| e.key.to_lowercase().replace('-', "_") == wanted);
    found.map_or(wanted, |e| e.key.clone())
}
