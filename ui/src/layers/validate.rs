//! Whether a text is a value for an argument.

use quarterdeck_kernel::time::parse_duration;
use quarterdeck_kernel::{ArgKind, ArgSpec, suggest};

/// Checks a value.
///
/// # Errors
/// What is wrong with it and what is allowed, for the operator.
pub(crate) fn validate(arg: &ArgSpec, text: &str) -> Result<(), String> {
    if text.is_empty() {
        return if arg.required { Err(format!("{} is needed", arg.name)) } else { Ok(()) };
    }
    match &arg.kind {
        ArgKind::Text => Ok(()),
        ArgKind::Number => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(()),
            _ => Err(format!("{text:?} is not a number: write one such as 50 or 0.5")),
        },
        ArgKind::Duration => parse_duration(text).map(|_| ()).map_err(|e| e.to_string()),
        ArgKind::Bool if matches!(text, "true" | "false") => Ok(()),
        ArgKind::Bool => Err(format!("{text:?} is neither true nor false")),
        ArgKind::Choice(words) if words.iter().any(|w| w == text) => Ok(()),
        ArgKind::Choice(words) => {
            let near = suggest::nearest(text, words.iter().map(String::as_str));
            let advice = near.map_or_else(|| words.join(", "), |n| format!("did you mean {n}?"));
            Err(format!("{text:?} is not allowed: {advice}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_by_kind() {
        let check = |kind: ArgKind, text: &str| {
            validate(&ArgSpec { name: "limit", description: "", kind, required: true }, text)
        };
        assert_eq!(check(ArgKind::Number, "1e3"), Ok(()));
        assert_eq!(
            check(ArgKind::Number, "NaN").unwrap_err(),
            "\"NaN\" is not a number: write one such as 50 or 0.5"
        );
        assert_eq!(check(ArgKind::Duration, "1h30m"), Ok(()));
        assert!(check(ArgKind::Duration, "soon").is_err());
        assert_eq!(check(ArgKind::Bool, "yes").unwrap_err(), "\"yes\" is neither true nor false");
        let words = ArgKind::Choice(vec!["info".to_owned(), "debug".to_owned()]);
        assert_eq!(check(words.clone(), "debug"), Ok(()));
        assert_eq!(check(words, "debgu").unwrap_err(), "\"debgu\" is not allowed: did you mean debug?");
        assert_eq!(check(ArgKind::Text, "").unwrap_err(), "limit is needed");
    }
}
