//! Mistakes in YAML, told with their place and what is allowed there.

use quarterdeck_kernel::Diagnostic;
use quarterdeck_kernel::suggest::nearest;
use serde::de::DeserializeOwned;
use serde_saphyr::{DefaultMessageFormatter, Error, Location, MessageFormatter};

/// Parses YAML; an empty file is an empty mapping.
pub(crate) fn parse<T: DeserializeOwned + Default>(text: &str, source: &str) -> Result<T, Vec<Diagnostic>> {
    let parsed: Result<Option<T>, Error> = serde_saphyr::from_str(text);
    match parsed {
        Ok(value) => Ok(value.unwrap_or_default()),
        Err(error) => Err(vec![diagnostic(&error, source)]),
    }
}

/// A diagnostic at a place in a file.
pub(super) fn at(diagnostic: Diagnostic, source: &str, location: Location) -> Diagnostic {
    Diagnostic {
        source: source.to_owned(),
        line: usize::try_from(location.line()).unwrap_or_default(),
        column: usize::try_from(location.column()).unwrap_or_default(),
        length: usize::try_from(location.span().len()).unwrap_or_default(),
        ..diagnostic
    }
}

fn diagnostic(error: &Error, source: &str) -> Diagnostic {
    let error = error.without_snippet();
    let told = match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            Diagnostic::new(format!("unknown field {field:?}")).advise(allowed(field, expected))
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            Diagnostic::new(format!("{variant:?} is not known here")).advise(allowed(variant, expected))
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

/// The nearest allowed name, or all of them when there are few.
fn allowed(found: &str, expected: &[&'static str]) -> String {
    if let Some(name) = nearest(found, expected.iter().copied()) {
        return format!("did you mean {name:?}?");
    }
    let (shown, more) =
        (expected.iter().take(12).copied().collect::<Vec<_>>().join(", "), expected.len() > 12);
    format!("allowed here: {shown}{}", if more { ", …" } else { "" })
}
