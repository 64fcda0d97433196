//! Paths into JSON messages: `data.trades[0].price`, `["dotted.key"].x`.

use std::fmt;
use std::str::FromStr;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Member of an object.
    Key(String),
    /// Element of an array, from 0.
    Index(usize),
}

/// Where a value is found in a message. Keys are separated by dots, elements of arrays are `[0]`, keys that hold dots
/// or brackets are `["a.b"]`. A leading `$` says that the path begins at the whole message even where records of it are
/// looked into one by one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    steps: Vec<Step>,
    absolute: bool,
}

/// Why a text is not a path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a JSON path ({why}): write it as in data.trades[0].price, or [\"dotted.key\"].x")]
pub struct PathError {
    /// What was found.
    pub found: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The deepest path that can be asked for.
const MAX_STEPS: usize = 32;

impl Path {
    /// Its steps, outermost first.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether it was written with a leading `$`.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.absolute
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let fail = |why| PathError { found: text.to_owned(), why };
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        // A key may follow the start or a dot, never a bracket directly.
        let mut key_allowed = !text.starts_with('$');
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) = bracket(inner).map_err(fail)?;
                steps.push(step);
                (rest, key_allowed) = (after, false);
            } else if let Some(after) = rest.strip_prefix('.') {
                if key_allowed || after.is_empty() || after.starts_with(['.', '[']) {
                    return Err(fail("a key is missing beside a dot"));
                }
                (rest, key_allowed) = (after, true);
            } else if key_allowed {
                let end = rest.find(['.', '[']).unwrap_or(rest.len());
                steps.push(Step::Key(rest[..end].to_owned()));
                (rest, key_allowed) = (&rest[end..], false);
            } else {
                return Err(fail("a dot is missing before a key"));
            }
        }
        match steps.len() {
            0 => Err(fail("it is empty")),
            n if n > MAX_STEPS => Err(fail("it has more than 32 steps")),
            _ => Ok(Self { steps, absolute: text.starts_with('$') }),
        }
    }
}

/// Reads what follows an opening bracket: an index or a quoted key, and the closing bracket.
fn bracket(inner: &str) -> Result<(Step, &str), &'static str> {
    let Some(quoted) = inner.strip_prefix('"') else {
        let (digits, after) = inner.split_once(']').ok_or("a bracket is not closed")?;
        let index = digits.parse().map_err(|_| "brackets take an index or a quoted key")?;
        return Ok((Step::Index(index), after));
    };
    let mut key = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => key.push(chars.next().ok_or("a quoted key is not closed")?.1),
            '"' => {
                let after = quoted[at + 1..].strip_prefix(']').ok_or("a bracket is not closed")?;
                return Ok((Step::Key(key), after));
            }
            _ => key.push(c),
        }
    }
    Err("a quoted key is not closed")
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.absolute {
            f.write_str("$")?;
        }
        for (i, step) in self.steps.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) if key.is_empty() || key.contains(['.', '[', '"', '\\', '$']) => {
                    write!(f, "[\"{}\"]", key.replace('\\', "\\\\").replace('"', "\\\""))?;
                }
                Step::Key(key) if i == 0 && !self.absolute => f.write_str(key)?,
                Step::Key(key) => write!(f, ".{key}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_and_print_back() {
        for text in
            ["a", "a.b", "a[0].b", "[1][2]", "[\"a.b\"].c", "a[\"x\\\"y\"]", "a.b-c", "0", "$.a[0]", "$[0].a"]
        {
            let path: Path = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
        }
    }

    #[test]
    fn bad_paths_say_why() {
        for (text, why) in [
            ("", "it is empty"),
            ("$", "it is empty"),
            ("a..b", "a key is missing beside a dot"),
            ("a.", "a key is missing beside a dot"),
            (".a", "a key is missing beside a dot"),
            ("a[", "a bracket is not closed"),
            ("a[x]", "brackets take an index or a quoted key"),
            ("a[-1]", "brackets take an index or a quoted key"),
            ("a[0]b", "a dot is missing before a key"),
            ("[\"a", "a quoted key is not closed"),
            ("[\"a\"", "a bracket is not closed"),
        ] {
            assert_eq!(text.parse::<Path>().unwrap_err().why, why, "{text}");
        }
    }
}
