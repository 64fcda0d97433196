//! Paths with `*` in their last part.

use std::path::{Path, PathBuf};

/// How many files one pattern may name.
const MAX_FILES: usize = 10_000;

/// The files that match, sorted. A path without a wildcard is the file itself if it is there.
pub(crate) fn expand(pattern: &Path) -> Vec<PathBuf> {
    let Some(name) = pattern.file_name().and_then(|n| n.to_str()) else { return Vec::new() };
    if !name.contains(['*', '?', '[']) {
        return if pattern.is_file() { vec![pattern.to_path_buf()] } else { Vec::new() };
    }
    let folder = pattern.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|n| matches(name.as_bytes(), n.as_bytes())))
        .map(|entry| folder.join(entry.file_name()))
        .filter(|path| path.is_file())
        .take(MAX_FILES)
        .collect();
    found.sort();
    found
}

/// Whether a name fits a pattern of literals, `*`, `?` and `[a-z]` classes.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on after a mismatch: behind the last star, with one more byte given to it.
    let mut retry: Option<(usize, usize)> = None;
    while n < name.len() {
        match one(&pattern[p..], name[n]) {
            Step::Star => {
                retry = Some((p + 1, n));
                p += 1;
            }
            Step::Match(length) => {
                p += length;
                n += 1;
            }
            Step::Fail => match retry {
                Some((star, from)) => {
                    p = star;
                    n = from + 1;
                    retry = Some((star, n));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|b| *b == b'*')
}

enum Step {
    Star,
    Match(usize),
    Fail,
}

fn one(pattern: &[u8], byte: u8) -> Step {
    match pattern {
        [b'*', ..] => Step::Star,
        [b'?', ..] => Step::Match(1),
        [b'[', class @ ..] => {
            let Some(end) = class.iter().skip(1).position(|b| *b == b']').map(|i| i + 1) else {
                return Step::Fail;
            };
            let (negated, members) = match &class[..end] {
                [b'^', rest @ ..] => (true, rest),
                all => (false, all),
            };
            let mut found = false;
            let mut rest = members;
            while let [low, tail @ ..] = rest {
                if let [b'-', high, after @ ..] = tail {
                    found |= (*low..=*high).contains(&byte);
                    rest = after;
                } else {
                    found |= *low == byte;
                    rest = tail;
                }
            }
            if found == negated { Step::Fail } else { Step::Match(end + 2) }
        }
        [b'\\', literal, ..] if *literal == byte => Step::Match(2),
        [literal, ..] if *literal == byte => Step::Match(1),
        _ => Step::Fail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_patterns() {
        for (pattern, name, fits) in [
            ("*.json", "a.json", true),
            ("*.json", "a.yml", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("t?.yml", "t1.yml", true),
            ("t[0-4].yml", "t3.yml", true),
            ("t[^0-4].yml", "t3.yml", false),
            ("t[0-4].yml", "t7.yml", false),
            ("*", "", true),
            ("[", "x", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), name.as_bytes()), fits, "{pattern} on {name}");
        }
    }
}
