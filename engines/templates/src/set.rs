//! Templates, and sets of them that call each other by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ast::Node;
use crate::builtins;
use crate::error::{Error, ParseError};
use crate::exec::{self, Limits};
use crate::functions::Functions;
use crate::parse::{self, is_empty};
use crate::value::Value;

/// The longest template, in bytes.
pub const MAX_TEMPLATE: usize = 1 << 20;

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escape {
    /// As they are: `text/template`.
    #[default]
    None,
    /// Escaped for the place in HTML where they stand: `html/template`.
    Html,
}

/// A text and the name by which messages call it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// The nodes of one template and the text that they stand in.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) source: Arc<Source>,
    pub(crate) nodes: Arc<[Node]>,
}

/// A template that has been parsed, with those that it defines.
#[derive(Clone, Debug)]
pub struct Template {
    pub(crate) main: Body,
    pub(crate) defined: BTreeMap<String, Body>,
}

impl Template {
    /// Parses a text.
    ///
    /// # Errors
    /// When it is not a template, or calls a function that is not there.
    pub fn parse(name: &str, text: &str, functions: &dyn Functions) -> Result<Self, Error> {
        let known = |name: &str| builtins::is_known(name) || functions.knows(name);
        let parsed = if text.len() > MAX_TEMPLATE {
            Err(ParseError::new(text, 0, format!("template is longer than {MAX_TEMPLATE} bytes")))
        } else {
            parse::parse(text, &known)
        };
        let tree = parsed.map_err(|error| Error {
            message: format!("template: {name}:{}: {}", error.line, error.message),
            reason: error.message,
            template: name.to_owned(),
            line: error.line,
            at: error.at,
        })?;
        let source = Arc::new(Source { name: name.to_owned(), text: text.to_owned() });
        let body = |nodes: Vec<Node>| Body { source: Arc::clone(&source), nodes: nodes.into() };
        let defined = tree.defined.into_iter().map(|(name, nodes)| (name, body(nodes))).collect();
        Ok(Self { main: body(tree.body), defined })
    }

    /// Runs the template with `dot`, which may call those of `set`.
    ///
    /// # Errors
    /// When a function fails, types do not fit, a template is not there, or a bound is reached.
    pub fn run(
        &self,
        set: &Set,
        dot: &Value,
        functions: &dyn Functions,
        escape: Escape,
        limits: &Limits,
    ) -> Result<String, Error> {
        exec::run(self, set, dot, functions, escape, limits)
    }
}

/// Templates by name.
#[derive(Clone, Debug, Default)]
pub struct Set {
    templates: BTreeMap<String, Body>,
}

impl Set {
    /// No templates.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a template under its own name, and all that it defines; they replace those of the same names. As in Go, one
    /// that is only blanks does not replace another.
    pub fn add(&mut self, template: &Template) {
        let name = template.main.source.name.clone();
        let main = std::iter::once((name, template.main.clone()));
        for (name, body) in main.chain(template.defined.clone()) {
            if !is_empty(&body.nodes) || !self.templates.contains_key(&name) {
                self.templates.insert(name, body);
            }
        }
    }

    /// The names of all templates, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.templates.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Body> {
        self.templates.get(name)
    }
}
