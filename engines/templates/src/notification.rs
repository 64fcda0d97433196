//! What Alertmanager's templates see: its data, its functions and its default templates.

mod data;
mod functions;

use std::sync::{Arc, LazyLock};

use jiff::Timestamp;

use crate::error::Error;
use crate::exec::Limits;
use crate::set::{Escape, Set, Template};
use crate::value::Value;

pub use functions::Library;

/// Names and values, in any order.
pub type Pairs = Vec<(Arc<str>, Arc<str>)>;

/// One alert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// Whether it fires; if not, it is resolved.
    pub firing: bool,
    /// Labels.
    pub labels: Pairs,
    /// Annotations.
    pub annotations: Pairs,
    /// Since when.
    pub starts_at: Timestamp,
    /// Until when, if it is resolved.
    pub ends_at: Option<Timestamp>,
    /// What links back to the source.
    pub generator_url: Arc<str>,
    /// Its identity: 16 hexadecimal digits.
    pub fingerprint: Arc<str>,
}

/// One notification's data: the dot of its templates.
#[derive(Clone, Debug)]
pub struct Data {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// Whether an alert fires.
    pub firing: bool,
    /// The alerts.
    pub alerts: Vec<Alert>,
    /// What the alerts are grouped by.
    pub group_labels: Pairs,
    /// Labels that all alerts have.
    pub common_labels: Pairs,
    /// Annotations that all alerts have.
    pub common_annotations: Pairs,
    /// Where this program is reached from outside.
    pub external_url: Arc<str>,
}

impl Data {
    /// The value that templates see.
    #[must_use]
    pub fn value(&self) -> Value {
        data::of(self)
    }
}

/// `firing` or `resolved`.
#[must_use]
pub fn status(firing: bool) -> &'static str {
    if firing { "firing" } else { "resolved" }
}

/// What bounds one field of a notification: 8 MiB, 5 million steps, 512 MiB of work.
pub const LIMITS: Limits = Limits { steps: 5_000_000, output: 8 << 20, work: 1 << 29, calls: 100 };

/// The templates that come with the program: the same names as Alertmanager's, the same results for one-line texts.
const DEFAULTS: [(&str, &str); 2] = [
    ("default.tmpl", include_str!("notification/default.tmpl")),
    ("email.tmpl", include_str!("notification/email.tmpl")),
];

static BUILT_IN: LazyLock<Set> = LazyLock::new(|| {
    let mut set = Set::new();
    let library = Library::at(Timestamp::UNIX_EPOCH);
    for (name, text) in DEFAULTS {
        // That both can be parsed is tested.
        if let Ok(template) = Template::parse(name, text, &library) {
            set.add(&template);
        }
    }
    set
});

/// The default templates and those of files.
#[derive(Clone, Debug)]
pub struct Templates {
    set: Set,
}

impl Default for Templates {
    fn default() -> Self {
        Self { set: BUILT_IN.clone() }
    }
}

impl Templates {
    /// Adds what a file defines; it replaces templates of the same names. `name` is the file's without its folders.
    ///
    /// # Errors
    /// When it is not a template.
    pub fn add(&mut self, name: &str, text: &str) -> Result<(), Error> {
        let template = Template::parse(name, text, &Library::at(Timestamp::UNIX_EPOCH))?;
        self.set.add(&template);
        Ok(())
    }

    /// The names of all templates, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.set.names()
    }

    /// Expands the text of a field, at a time.
    ///
    /// # Errors
    /// When it is not a template, or has no result.
    pub fn text(&self, text: &str, data: &Value, now: Timestamp) -> Result<String, Error> {
        self.expand(text, data, now, Escape::None)
    }

    /// As [`Templates::text`], with values escaped for HTML.
    ///
    /// # Errors
    /// When it is not a template, or has no result.
    pub fn html(&self, text: &str, data: &Value, now: Timestamp) -> Result<String, Error> {
        self.expand(text, data, now, Escape::Html)
    }

    fn expand(&self, text: &str, data: &Value, now: Timestamp, escape: Escape) -> Result<String, Error> {
        if !text.contains("{{") && (escape == Escape::None || !text.contains("<!--")) {
            return Ok(text.to_owned());
        }
        let library = Library::at(now);
        Template::parse("", text, &library)?.run(&self.set, data, &library, escape, &LIMITS)
    }
}

/// Whether a field's text is a template; its functions are looked up, its names are not.
///
/// # Errors
/// Why it is not.
pub fn check(text: &str) -> Result<(), Error> {
    Template::parse("", text, &Library::at(Timestamp::UNIX_EPOCH)).map(|_| ())
}

#[cfg(test)]
mod tests;
