//! What `/` takes.

/// A filter: words that must all be found, without regard to case. `col:text` looks into one column only, `!word`
/// must not be found, and quotes hold words together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    column: Option<usize>,
    text: String,
    not: bool,
}

impl Filter {
    /// Reads a filter; `columns` are the ids that may stand before a colon. Any text is a filter: what stands before
    /// a colon and is no column is text to be found.
    #[must_use]
    pub fn parse(text: &str, columns: &[&str]) -> Self {
        let terms = words(text)
            .into_iter()
            .filter_map(|word| {
                let (not, word) = match word.strip_prefix('!') {
                    Some(rest) => (true, rest),
                    None => (false, word.as_str()),
                };
                let named = word.split_once(':').and_then(|(name, text)| {
                    let column = columns.iter().position(|id| id.eq_ignore_ascii_case(name))?;
                    Some((column, text))
                });
                let (column, text) = match named {
                    Some((column, text)) => (Some(column), text),
                    None => (None, word),
                };
                (!text.is_empty()).then(|| Term { column, text: text.to_lowercase(), not })
            })
            .collect();
        Self { terms }
    }

    /// Whether it lets everything through.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// Whether a row passes; `text_of` gives the text of a column.
    pub fn accepts<'a>(&self, columns: usize, text_of: impl Fn(usize) -> std::borrow::Cow<'a, str>) -> bool {
        self.terms.iter().all(|term| {
            let found = match term.column {
                Some(column) => contains(&text_of(column), &term.text),
                None => (0..columns).any(|column| contains(&text_of(column), &term.text)),
            };
            found != term.not
        })
    }

    /// The words to be found, in lower case, for marking them where they stand.
    pub fn needles(&self) -> impl Iterator<Item = &str> {
        self.terms.iter().filter(|term| !term.not).map(|term| term.text.as_str())
    }
}

/// Whether a text contains a lower-case needle, without regard to case.
pub(crate) fn contains(text: &str, needle: &str) -> bool {
    if needle.is_ascii() {
        let (text, needle) = (text.as_bytes(), needle.as_bytes());
        return text.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle));
    }
    text.to_lowercase().contains(needle)
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;

    fn accepts(filter: &str, row: [&'static str; 2]) -> bool {
        Filter::parse(filter, &["name", "state"]).accepts(2, |column| Cow::Borrowed(row[column]))
    }

    #[test]
    fn words_columns_negation_and_quotes() {
        let row = ["Orders API", "degraded"];
        for (filter, wanted) in [
            ("", true),
            ("ord", true),
            ("ord deg", true),
            ("ord ok", false),
            ("name:ord", true),
            ("state:ord", false),
            ("!ok", true),
            ("!state:degraded", false),
            ("\"orders api\"", true),
            ("\"orders  api\"", false),
            ("other:thing", false),
            ("name:", true),
        ] {
            assert_eq!(accepts(filter, row), wanted, "{filter:?}");
        }
        assert!(accepts("größe", ["GRÖSSE größe", ""]));
    }
}
