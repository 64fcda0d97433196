//! Mistakes: what was found, where, and what is allowed there.

use std::fmt;

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;
use serde::de::{Error, Expected, Unexpected};
use serde_saphyr::{DefaultMessageFormatter, MessageFormatter};

use crate::spanned::Location;

/// A mistake; placed by the innermost value that it happened in.
#[derive(Debug)]
pub(crate) struct Mistake {
    // Boxed: every value that is read is a result with this.
    told: Box<Diagnostic>,
    place: Option<Location>,
}

impl Mistake {
    pub(crate) fn new(told: Diagnostic) -> Self {
        Self { told: Box::new(told), place: None }
    }

    /// The same at a place, if it has none yet.
    pub(crate) fn or_at(mut self, place: Location) -> Self {
        self.place.get_or_insert(place);
        self
    }

    pub(crate) fn diagnostic(self, source: &str) -> Diagnostic {
        crate::at(*self.told, source, self.place.unwrap_or_default())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.told.fmt(f)
    }
}

impl std::error::Error for Mistake {}

impl Error for Mistake {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Diagnostic::new(first_line(&message.to_string())))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::found(found, expected)
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::found(found, expected)
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::new(Diagnostic::new(format!("unknown field {field:?}")).advise(allowed(field, expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let told = Diagnostic::new(format!("{variant:?} is not known here"));
        Self::new(told.advise(allowed(variant, expected)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Diagnostic::new(format!("the field {field:?} is missing")))
    }
}

impl Mistake {
    /// Something else than what is wanted.
    fn found(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let found = match found {
            Unexpected::Map => "a mapping".to_owned(),
            Unexpected::Seq => "a list".to_owned(),
            Unexpected::Unit => "nothing".to_owned(),
            Unexpected::Str(text) => format!("{text:?}"),
            other => other.to_string(),
        };
        let wanted = expected.to_string();
        // Names of types of ours say nothing to people.
        let (found, advice) = if wanted.starts_with("struct ") || wanted == "a map" {
            (
                format!("no mapping but {found}"),
                "write settings with their names, as in name: value".to_owned(),
            )
        } else if wanted == "a sequence" {
            (format!("no list but {found}"), "write entries, each behind a dash".to_owned())
        } else {
            (found, format!("write {wanted}"))
        };
        Self::new(Diagnostic::new(format!("found {found}")).advise(advice))
    }
}

/// What the parser says of a text that is no YAML.
pub(crate) fn of_parser(error: &serde_saphyr::Error, source: &str) -> Diagnostic {
    let error = error.without_snippet();
    let told = match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), .. } => {
            Diagnostic::new(format!("the key {key:?} is there twice")).advise("remove one of them")
        }
        serde_saphyr::Error::Message { msg, .. } => Diagnostic::new(first_line(msg)),
        other => Diagnostic::new(first_line(&DefaultMessageFormatter.format_message(other))),
    };
    match error.location() {
        Some(place) => crate::at(told, source, crate::node::location(place)),
        None => Diagnostic { source: source.to_owned(), ..told },
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// The nearest allowed name, or all of them when there are few.
fn allowed(found: &str, expected: &[&'static str]) -> String {
    if let Some(name) = nearest(found, expected.iter().copied()) {
        return format!("did you mean {name:?}?");
    }
    let shown: Vec<&str> = expected.iter().take(12).copied().collect();
    let more = if expected.len() > shown.len() { ", …" } else { "" };
    format!("allowed here: {}{more}", shown.join(", "))
}
