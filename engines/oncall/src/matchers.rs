//! Conditions on labels as `[[oncall.routes]]` writes them: `severity="critical"`, `service=~"orders|risk"`.

use quarterdeck_kernel::labels::is_legacy_label_name;
use quarterdeck_kernel::{MatchOp, Matcher};

/// Longest condition, in bytes.
const MAX_LENGTH: usize = 4096;

/// Why a text is not a condition on a label.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatcherTextError {
    /// Its form is wrong.
    #[error("{found:?} is not a condition on a label ({why})")]
    Form {
        /// What was found, shortened.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Its pattern is wrong.
    #[error(transparent)]
    Pattern(#[from] quarterdeck_kernel::matcher::MatcherError),
}

/// Reads one condition: a name (in double quotes when it is no classic label name), one of `=`, `!=`, `=~`, `!~`,
/// and a value, which may be in double quotes with `\"`, `\\` and `\n` as escapes.
///
/// # Errors
/// When the form or the pattern is wrong.
pub fn parse(text: &str) -> Result<Matcher, MatcherTextError> {
    let form = |why| MatcherTextError::Form { found: text.chars().take(80).collect(), why };
    if text.len() > MAX_LENGTH {
        return Err(form("it is longer than 4096 bytes"));
    }
    let trimmed = text.trim();
    let (name, rest) = if trimmed.starts_with('"') {
        quoted(trimmed).ok_or_else(|| form("the quotes around the name do not close"))?
    } else {
        let end = trimmed.find(['=', '!']).ok_or_else(|| form("one of = != =~ !~ is missing"))?;
        let name = trimmed[..end].trim_end();
        if !is_legacy_label_name(name) {
            return Err(form("the name of the label is missing or needs double quotes"));
        }
        (name.to_owned(), &trimmed[end..])
    };
    if name.is_empty() {
        return Err(form("the name of the label is empty"));
    }
    let rest = rest.trim_start();
    let operators =
        [("=~", MatchOp::Regex), ("!~", MatchOp::NotRegex), ("!=", MatchOp::NotEqual), ("=", MatchOp::Equal)];
    let found = operators.iter().find_map(|(sign, op)| Some((*op, rest.strip_prefix(sign)?)));
    let (op, value) = found.ok_or_else(|| form("one of = != =~ !~ is missing behind the name"))?;
    let value = value.trim_start();
    let value = if value.starts_with('"') {
        let (value, behind) =
            quoted(value).ok_or_else(|| form("the quotes around the value do not close"))?;
        if !behind.trim().is_empty() {
            return Err(form("something stands behind the value; write one condition per entry"));
        }
        value
    } else if value.contains(['"', ',']) {
        return Err(form("the value needs double quotes; write one condition per entry"));
    } else {
        value.to_owned()
    };
    Ok(Matcher::new(op, name, value)?)
}

/// The text within the double quotes that `text` begins with, and what follows them.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((out, &text[at + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                // Other escapes stay as they are, so that patterns such as "a\.b" need no doubling.
                other if other != '"' && other != '\\' => out.extend(['\\', other]),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_read_in_every_form() {
        for (text, printed) in [
            ("severity=\"critical\"", "severity=\"critical\""),
            (" severity != critical ", "severity!=\"critical\""),
            ("service=~\"orders|risk\"", "service=~\"orders|risk\""),
            ("service !~ a.*", "service!~\"a.*\""),
            ("\"service.name\" = \"a \\\"b\\\"\"", "\"service.name\"=\"a \\\"b\\\"\""),
            ("x=", "x=\"\""),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), printed, "{text}");
        }
        assert_eq!(parse(r#"host=~"a\.b""#).unwrap().value, r"a\.b");
    }

    #[test]
    fn bad_conditions_say_why() {
        for (text, why) in [
            ("severity", "one of = != =~ !~ is missing"),
            ("=x", "name of the label is missing"),
            ("a-b=x", "needs double quotes"),
            ("\"a", "do not close"),
            ("\"\"=x", "is empty"),
            ("a=\"x", "do not close"),
            ("a=\"x\", b=\"y\"", "one condition per entry"),
            ("a=x, b=y", "one condition per entry"),
            ("a!x", "is missing behind the name"),
            ("a=~\"(\"", "unclosed group"),
        ] {
            let said = parse(text).unwrap_err().to_string();
            assert!(said.contains(why), "{text}: {said}");
        }
        assert!(parse(&"a".repeat(5000)).is_err());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
            if let Ok(matcher) = parse(&text) {
                let again = parse(&matcher.to_string());
                // Debug quoting of unusual characters is Rust's; plain ones read back.
                if text.chars().all(|c| c.is_ascii_alphanumeric() || "=!~\"".contains(c)) {
                    proptest::prop_assert_eq!(again.unwrap(), matcher);
                }
            }
        }
    }
}
