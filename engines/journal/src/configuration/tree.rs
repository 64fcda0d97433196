//! Values that know where they were written.

use std::ops::Range;
use std::sync::Arc;

use quarterdeck_kernel::Diagnostic;

/// A text that values come from.
#[derive(Debug)]
pub(super) struct Source {
    /// File name, or name of a variable.
    pub(super) name: String,
    /// The whole text; of a variable, empty, so that its value is never shown.
    pub(super) text: String,
}

/// Where something was written.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) source: Arc<Source>,
    pub(super) span: Range<usize>,
}

impl Place {
    /// Puts a diagnostic here.
    pub(super) fn mark(&self, diagnostic: Diagnostic) -> Diagnostic {
        if self.source.text.is_empty() {
            return Diagnostic { source: self.source.name.clone(), ..diagnostic };
        }
        diagnostic.at(self.source.name.clone(), &self.source.text, self.span.clone())
    }

    /// What is written here.
    pub(super) fn written(&self) -> &str {
        self.source.text.get(self.span.clone()).unwrap_or_default()
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    /// Tells values of one tree apart.
    pub(super) id: usize,
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Bool(bool),
    Integer(i64),
    Float(f64),
    String(String),
    /// Text from a variable, or with variables in it: becomes what the type asks for, and is never shown.
    Loose(String),
    Array(Vec<Node>),
    Table(Table),
}

/// Keys in the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(pub(super) Vec<Entry>);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) key_place: Place,
    pub(super) node: Node,
}

impl Table {
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.0.iter().find(|e| e.key == key).map(|e| &e.node)
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Entry> {
        self.0.iter_mut().find(|e| e.key == key)
    }

    pub(super) fn remove(&mut self, key: &str) -> Option<Entry> {
        let index = self.0.iter().position(|e| e.key == key)?;
        Some(self.0.remove(index))
    }
}

impl Node {
    /// Gives every value of the tree an id of its own.
    pub(super) fn number(&mut self, next: &mut usize) {
        self.id = *next;
        *next += 1;
        match &mut self.value {
            Value::Array(items) => items.iter_mut().for_each(|n| n.number(next)),
            Value::Table(table) => table.0.iter_mut().for_each(|e| e.node.number(next)),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::String(_) | Value::Loose(_) => {}
        }
    }
}
