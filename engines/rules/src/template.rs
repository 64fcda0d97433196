//! The templates of labels and annotations: as much of Go's text/template as rules use, with Prometheus's functions.
//!
//! Parsing and running are bounded in depth, steps, queries and size of the result; nothing that a template says can
//! make them panic. Errors have Prometheus's words.

mod ast;
mod builtins;
mod error;
mod exec;
mod functions;
mod lex;
mod number;
mod parse;
mod printf;
mod quote;
mod time;
mod value;

use std::sync::Arc;

use quarterdeck_kernel::{Labels, Timestamp};

pub use error::TemplateError;
use value::{Map, Value};

/// What Prometheus puts in front of every template of a rule. Places in messages count it in.
const DEFINITIONS: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

/// The longest template, in bytes.
const MAX_TEMPLATE: usize = 1 << 20;

/// What is the same for all templates of one evaluation.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// `$externalLabels`
    pub external_labels: &'a Labels,
    /// `$externalURL`
    pub external_url: &'a str,
    /// The evaluation's time.
    pub now: Timestamp,
}

/// One alert's data.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// `$labels`
    pub labels: &'a Labels,
    /// `$value`
    pub value: f64,
    /// `$value` as text where it is a native histogram.
    pub histogram: Option<&'a str>,
}

/// Where the function `query` gets its data.
pub trait Queries {
    /// The elements of an instant vector at the evaluation's time.
    ///
    /// # Errors
    /// Why there are none, in words.
    fn query(&self, text: &str) -> Result<Vec<(Labels, f64)>, String>;
}

/// No data: every query fails.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoQueries;

impl Queries for NoQueries {
    fn query(&self, _: &str) -> Result<Vec<(Labels, f64)>, String> {
        Err("queries are not available here".to_owned())
    }
}

/// A template that has been parsed.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    text: String,
    /// None where the template is plain text, as most labels are.
    tree: Option<parse::Tree>,
}

impl Template {
    /// Parses a template of the alert `alert`.
    ///
    /// # Errors
    /// When it is not a template.
    pub fn parse(alert: &str, text: &str) -> Result<Self, TemplateError> {
        let name = format!("__alert_{alert}");
        if !text.contains("{{") {
            return Ok(Self { name, text: text.to_owned(), tree: None });
        }
        let whole = format!("{DEFINITIONS}{text}");
        let known = |name: &str| builtins::is_known(name) || functions::is_known(name);
        let parsed = if whole.len() > MAX_TEMPLATE {
            Err(error::ParseError::new(&whole, 0, format!("template is longer than {MAX_TEMPLATE} bytes")))
        } else {
            parse::parse(&whole, &known)
        };
        match parsed {
            Ok(tree) => Ok(Self { name, text: whole, tree: Some(tree) }),
            Err(error) => Err(TemplateError {
                message: format!(
                    "error parsing template {name}: template: {name}:{}: {}",
                    error.line, error.message
                ),
                reason: error.message,
                at: error.at.saturating_sub(DEFINITIONS.len()),
            }),
        }
    }

    /// Expands the template for one alert.
    ///
    /// # Errors
    /// When a function fails, types do not fit, or a bound is reached.
    pub fn expand(
        &self,
        subject: Subject<'_>,
        environment: &Environment<'_>,
        queries: &dyn Queries,
    ) -> Result<String, TemplateError> {
        let Some(tree) = &self.tree else { return Ok(self.text.clone()) };
        let value = match subject.histogram {
            Some(text) => Value::text(text),
            None => Value::Float(subject.value),
        };
        let entries = [
            ("Labels", Value::Map(Value::labels(subject.labels))),
            ("ExternalLabels", Value::Map(Value::labels(environment.external_labels))),
            ("ExternalURL", Value::text(environment.external_url)),
            ("Value", value),
        ];
        let entries = entries.into_iter().map(|(n, v)| (Arc::from(n), v)).collect();
        let dot = Value::Data(Arc::new(Map { entries, texts: false }));
        exec::run(tree, &dot, environment, queries).map_err(|failed| self.told(&failed))
    }

    /// As [`Template::expand`]; an error becomes the text, as in Prometheus.
    #[must_use]
    pub fn expand_or_tell(
        &self,
        subject: Subject<'_>,
        environment: &Environment<'_>,
        queries: &dyn Queries,
    ) -> String {
        self.expand(subject, environment, queries)
            .unwrap_or_else(|error| format!("<error expanding template: {error}>"))
    }

    fn told(&self, failed: &exec::Failed) -> TemplateError {
        let upto = self.text.get(..failed.at).unwrap_or_default();
        let line = upto.matches('\n').count() + 1;
        let column = upto.len() - upto.rfind('\n').map_or(0, |i| i + 1);
        let (name, node, message) = (&self.name, &failed.node, &failed.message);
        TemplateError {
            message: format!(
                "error executing template {name}: template: {name}:{line}:{column}: executing {name:?} at <{node}>: {message}"
            ),
            reason: message.clone(),
            at: failed.at.saturating_sub(DEFINITIONS.len()),
        }
    }
}

#[cfg(test)]
mod tests;
