//! YAML into values, and its mistakes with their place and what is allowed there.

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;
use serde::de::DeserializeOwned;
use serde_saphyr::{DefaultMessageFormatter, Error, Location, MessageFormatter};

/// Parses YAML; an empty file is an empty mapping.
pub(crate) fn parse<T: DeserializeOwned + Default>(text: &str, source: &str) -> Result<T, Diagnostic> {
    let parsed: Result<Option<T>, Error> = serde_saphyr::from_str(text);
    match parsed {
        Ok(value) => Ok(value.unwrap_or_default()),
        Err(error) => Err(diagnostic(&error, source)),
    }
}

/// A diagnostic at a place in a file.
pub(crate) fn at(diagnostic: Diagnostic, source: &str, location: Location) -> Diagnostic {
    let (line, column) = place(location);
    Diagnostic { source: source.to_owned(), line, column, ..diagnostic }
}

/// Line and column, from 1.
pub(crate) fn place(location: Location) -> (usize, usize) {
    let number = |n: u64| usize::try_from(n).unwrap_or_default();
    (number(location.line()), number(location.column()))
}

fn diagnostic(error: &Error, source: &str) -> Diagnostic {
    let error = error.without_snippet();
    let told = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            Diagnostic::new(format!("unknown field {field:?}")).advise(allowed(field, expected))
        }
        Error::SerdeMissingField { field, .. } => Diagnostic::new(format!("the field {field:?} is missing")),
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            Diagnostic::new(format!("the key {key:?} is there twice")).advise("remove one of them")
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            Diagnostic::new(format!("found {unexpected}")).advise(format!("write {expected}"))
        }
        Error::Message { msg, .. } => Diagnostic::new(first_line(msg)),
        other => Diagnostic::new(first_line(&DefaultMessageFormatter.format_message(other))),
    };
    match error.location() {
        Some(location) => at(told, source, location),
        None => Diagnostic { source: source.to_owned(), ..told },
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches('.').to_owned()
}

/// The nearest allowed name, or all of them.
fn allowed(found: &str, expected: &[&'static str]) -> String {
    match nearest(found, expected.iter().copied()) {
        Some(name) => format!("did you mean {name:?}?"),
        None => format!("allowed here: {}", expected.join(", ")),
    }
}
