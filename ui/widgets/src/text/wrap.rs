//! Breaks text into lines.

use super::{clean, graphemes};

/// The text cleaned and broken into lines of at most `width` columns, at spaces where there are any; line breaks in
/// the text are kept. No line when `width` is 0.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    if width == 0 {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        wrap_paragraph(&clean(paragraph), width, &mut lines);
    }
    lines
}

fn wrap_paragraph(text: &str, width: usize, lines: &mut Vec<String>) {
    let (mut line, mut used) = (String::new(), 0);
    for word in text.split_inclusive(' ') {
        let bare = word.trim_end_matches(' ');
        let bare_width: usize = graphemes(bare).map(|(_, w)| usize::from(w)).sum();
        if used + bare_width > width && used > 0 {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
            used = 0;
        }
        for (cluster, w) in graphemes(word) {
            let w = usize::from(w);
            if used + w > width {
                // Spaces at the end of a full line are not worth a line of their own.
                if cluster == " " || w > width {
                    continue;
                }
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push_str(cluster);
            used += w;
        }
    }
    lines.push(line.trim_end().to_owned());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_spaces_and_long_words_anywhere() {
        assert_eq!(wrap("orders v2 fails 3 of 5 checks", 12), ["orders v2", "fails 3 of 5", "checks"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("漢字漢字", 5), ["漢字", "漢字"]);
        assert_eq!(wrap("one\n\ntwo", 10), ["one", "", "two"]);
        assert_eq!(wrap("x", 0), Vec::<String>::new());
    }
}
