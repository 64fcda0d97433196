//! The templates of labels and annotations: Go's text/template with Prometheus's data and functions.
//!
//! Parsing and running are bounded in depth, steps, queries and size of the result; nothing that a template says can
//! make them panic. Errors have Prometheus's words.

mod data;
mod functions;

use std::fmt;

use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_templates as engine;
use quarterdeck_templates::{Escape, Limits, MAX_TEMPLATE, Set, Value};

/// What Prometheus puts in front of every template of a rule. Places in messages count it in.
const DEFINITIONS: &str = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}";

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

/// Why a template has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The whole message, as Prometheus shows it.
    pub message: String,
    /// What is wrong, without the names of template and place.
    pub reason: String,
    /// First byte, in the text as the rule has it, of what is wrong.
    pub at: usize,
}

impl TemplateError {
    fn new(doing: &str, name: &str, error: engine::Error) -> Self {
        Self {
            message: format!("error {doing} template {name}: {}", error.message),
            reason: error.reason,
            at: error.at.saturating_sub(DEFINITIONS.len()),
        }
    }
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for TemplateError {}

/// A template that has been parsed.
#[derive(Clone, Debug)]
pub struct Template {
    name: String,
    parsed: Parsed,
}

#[derive(Clone, Debug)]
enum Parsed {
    /// Plain text, as most labels are.
    Plain(String),
    Tree(engine::Template),
}

impl Template {
    /// Parses a template of the alert `alert`.
    ///
    /// # Errors
    /// When it is not a template.
    pub fn parse(alert: &str, text: &str) -> Result<Self, TemplateError> {
        let name = format!("__alert_{alert}");
        if !text.contains("{{") {
            return Ok(Self { name, parsed: Parsed::Plain(text.to_owned()) });
        }
        // What stands in front is not the user's.
        if text.len() > MAX_TEMPLATE - DEFINITIONS.len() {
            let reason = format!("template is longer than {} bytes", MAX_TEMPLATE - DEFINITIONS.len());
            let message = format!("error parsing template {name}: template: {name}:1: {reason}");
            return Err(TemplateError { message, reason, at: 0 });
        }
        let whole = format!("{DEFINITIONS}{text}");
        match engine::Template::parse(&name, &whole, &functions::Names) {
            Ok(tree) => Ok(Self { name, parsed: Parsed::Tree(tree) }),
            Err(error) => Err(TemplateError::new("parsing", &name, error)),
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
        let tree = match &self.parsed {
            Parsed::Plain(text) => return Ok(text.clone()),
            Parsed::Tree(tree) => tree,
        };
        let dot = Value::object(data::Data::new(subject, environment));
        let library = functions::Library::new(environment, queries);
        tree.run(&Set::new(), &dot, &library, Escape::None, &Limits::default())
            .map_err(|error| TemplateError::new("executing", &self.name, error))
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
}

#[cfg(test)]
mod tests;
