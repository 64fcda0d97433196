//! Numbers under each other.

/// How the numbers of one column line up: points under points, and what follows a number (a limit in brackets, a unit)
/// under what follows the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Aligned {
    fraction: usize,
    note: usize,
}

impl Aligned {
    /// Fits all of these texts: `84 (50)`, `1.9`, `·`.
    pub fn of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Self {
        texts.into_iter().fold(Self::default(), |most, text| {
            let (number, note) = apart(text.as_ref());
            Self {
                fraction: most.fraction.max(fraction(number)),
                note: most.note.max(crate::text::width(note)),
            }
        })
    }

    /// One of the texts with the spaces behind its number and at its end that make it line up at the right.
    #[must_use]
    pub fn fit(self, text: &str) -> String {
        let (number, note) = apart(text);
        let behind = self.fraction.saturating_sub(fraction(number));
        let end = self.note.saturating_sub(crate::text::width(note));
        format!("{number}{:behind$}{note}{:end$}", "", "")
    }
}

/// The number in front, thousands and all, and the rest.
fn apart(text: &str) -> (&str, &str) {
    let digit = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit());
    let ends = text.char_indices().find(|(at, c)| match c {
        '0'..='9' | '.' | '−' | '<' | '·' => false,
        // A space between digits is a thousand's.
        ' ' => !(digit(text[..*at].chars().last()) && digit(text[at + 1..].chars().next())),
        _ => true,
    });
    text.split_at(ends.map_or(text.len(), |(at, _)| at))
}

/// Columns from the decimal point on.
fn fraction(number: &str) -> usize {
    number.find('.').map_or(0, |point| number.len() - point)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_under_points_and_limits_under_limits() {
        let texts = ["2 470 (50)", "84", "1.25 (7.5)", "·", "<0.01"];
        let column = Aligned::of(texts);
        let fitted: Vec<String> = texts.iter().map(|text| format!("{:>14}", column.fit(text))).collect();
        assert_eq!(
            fitted,
            ["2 470    (50) ", "   84         ", "    1.25 (7.5)", "    ·         ", "   <0.01      "]
                .map(ToOwned::to_owned)
        );
    }

    #[test]
    fn units_count_as_what_follows() {
        let texts = ["12.4 KiB", "3 MiB", "980 B"];
        let column = Aligned::of(texts);
        assert_eq!(texts.map(|text| column.fit(text)), ["12.4 KiB", "3   MiB", "980   B  "]);
    }
}
