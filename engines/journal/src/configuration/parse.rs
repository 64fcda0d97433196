//! From TOML to the tree.

use std::ops::Range;
use std::sync::Arc;

use quarterdeck_kernel::Diagnostic;
use toml::de::{DeTable, DeValue};

use super::tree::{Entry, Node, Place, Source, Table, Value};

/// Parses a whole file; every syntax error is told.
pub(super) fn parse(name: &str, text: &str) -> (Node, Vec<Diagnostic>) {
    let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        let mut lines = error.message().trim().lines();
        let message = lines.next().unwrap_or("this is not TOML").to_owned();
        let advice = lines.collect::<Vec<_>>().join(", ");
        diagnostics.push(Diagnostic::new(message).advise(advice).at(name, text, span));
    }
    let span = table.span();
    let value = Value::Table(convert_table(&source, table.into_inner(), &mut diagnostics));
    (node(&source, span, value), diagnostics)
}

/// Parses one value, as a variable may hold; none when it is not TOML.
pub(super) fn parse_value(source: &Arc<Source>, text: &str) -> Option<Node> {
    let value = DeValue::parse(text).ok()?;
    let mut errors = Vec::new();
    let converted = convert(source, value.into_inner(), 0..0, &mut errors);
    Some(converted).filter(|_| errors.is_empty())
}

fn node(source: &Arc<Source>, span: Range<usize>, value: Value) -> Node {
    Node { id: 0, place: Place { source: Arc::clone(source), span }, value }
}

fn convert_table(source: &Arc<Source>, table: DeTable<'_>, errors: &mut Vec<Diagnostic>) -> Table {
    let mut entries: Vec<Entry> = table
        .into_iter()
        .map(|(key, value)| {
            let key_place = Place { source: Arc::clone(source), span: key.span() };
            let span = value.span();
            let key = key.into_inner().into_owned();
            Entry { key, key_place, node: convert(source, value.into_inner(), span, errors) }
        })
        .collect();
    entries.sort_by_key(|e| e.key_place.span.start);
    Table(entries)
}

fn convert(
    source: &Arc<Source>,
    value: DeValue<'_>,
    span: Range<usize>,
    errors: &mut Vec<Diagnostic>,
) -> Node {
    let place = || Place { source: Arc::clone(source), span: span.clone() };
    let value = match value {
        DeValue::Boolean(b) => Value::Bool(b),
        DeValue::String(s) => Value::String(s.into_owned()),
        // Dates are written without quotes; the types that take them read text.
        DeValue::Datetime(d) => Value::String(d.to_string()),
        DeValue::Integer(i) => match i64::from_str_radix(i.as_str(), i.radix()) {
            Ok(i) => Value::Integer(i),
            Err(_) => {
                let message = format!("{} is too large a number", place().written());
                errors.push(place().mark(Diagnostic::new(message).advise("write one of at most 64 bits")));
                Value::Integer(0)
            }
        },
        DeValue::Float(f) => match f.as_str().parse() {
            Ok(f) => Value::Float(f),
            Err(_) => {
                errors.push(place().mark(Diagnostic::new(format!("{} is not a number", place().written()))));
                Value::Float(0.0)
            }
        },
        DeValue::Array(items) => Value::Array(
            items
                .into_iter()
                .map(|item| {
                    let span = item.span();
                    convert(source, item.into_inner(), span, errors)
                })
                .collect(),
        ),
        DeValue::Table(table) => Value::Table(convert_table(source, table, errors)),
    };
    node(source, span, value)
}
