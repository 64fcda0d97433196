//! Paths with `*`, `?` and `[…]` in their last part.

use std::path::{Path, PathBuf};

/// How many files one pattern may name.
const MAX_FILES: usize = 10_000;

/// Whether a path has a wildcard.
pub fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '['])
}

/// The files that match, sorted.
pub fn expand(pattern: &Path) -> Vec<PathBuf> {
    let Some(name) = pattern.file_name().and_then(|n| n.to_str()) else { return Vec::new() };
    let Some(regex) = as_regex(name) else { return Vec::new() };
    let folder = pattern.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut found: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| regex.is_match(name)))
        .map(|entry| folder.join(entry.file_name()))
        .filter(|path| path.is_file())
        .take(MAX_FILES)
        .collect();
    found.sort();
    found
}

fn as_regex(pattern: &str) -> Option<regex::Regex> {
    let mut text = String::from("^(?s:");
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => text.push_str(".*"),
            '?' => text.push('.'),
            '[' => text.push('['),
            ']' => text.push(']'),
            '^' | '-' => text.push(c),
            '\\' => text.push_str(&regex::escape(&rest.next()?.to_string())),
            c => text.push_str(&regex::escape(&c.to_string())),
        }
    }
    regex::Regex::new(&format!("{text})$")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_files() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a.yml", "b.yml", "c.yaml", "a+b.yml"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = expand(&dir.path().join(pattern));
            found.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("*.yml"), ["a+b.yml", "a.yml", "b.yml"]);
        assert_eq!(names("[ab].yml"), ["a.yml", "b.yml"]);
        assert_eq!(names("?.ya*"), ["c.yaml"]);
        assert_eq!(names("nothing*"), Vec::<String>::new());
    }
}
