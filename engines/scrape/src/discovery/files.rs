//! Targets listed in files. Files are read again when their time or size changes, and at each refresh whatever the
//! file system says; a file that cannot be read keeps its last good groups.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use quarterdeck_kernel::Timestamp;

use super::{document, glob};
use crate::config::TargetGroup;

/// How often the files' times are looked at.
pub(crate) const POLL: Duration = Duration::from_secs(2);

/// A file that is larger than this is not read, in bytes.
const MAX_FILE: u64 = 32 << 20;

/// How a file looked when it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    size: u64,
}

#[derive(Debug, Default)]
struct Known {
    stamp: Option<Stamp>,
    groups: Vec<TargetGroup>,
    error: Option<String>,
}

/// The files of one discovery.
#[derive(Debug)]
pub(crate) struct Files {
    patterns: Vec<PathBuf>,
    refresh: Duration,
    next_refresh: Option<Timestamp>,
    known: BTreeMap<PathBuf, Known>,
}

/// What a look at the files found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// All groups, if any may have changed since the last look.
    pub(crate) groups: Option<Vec<TargetGroup>>,
    /// What is wrong now.
    pub(crate) errors: Vec<String>,
}

impl Files {
    pub(crate) fn new(patterns: Vec<PathBuf>, refresh: Duration) -> Self {
        Self { patterns, refresh, next_refresh: None, known: BTreeMap::new() }
    }

    /// Looks at the files and reads those that changed. Blocks for as long as the file system takes.
    pub(crate) fn look(&mut self, now: Timestamp) -> Look {
        let due = self.next_refresh.is_none_or(|at| now >= at);
        // A clock that was set back must not put the refresh off.
        let set_back = self.next_refresh.is_some_and(|at| at > now + self.refresh);
        let all = due || set_back;
        if all {
            self.next_refresh = Some(now + self.refresh);
        }
        let paths: Vec<PathBuf> = self.patterns.iter().flat_map(|p| glob::expand(p)).collect();
        let before = self.known.len();
        self.known.retain(|path, _| paths.contains(path));
        let mut changed = self.known.len() != before || all;
        for path in paths {
            let stamp = stamp(&path);
            let known = self.known.entry(path.clone()).or_default();
            if !all && known.stamp == stamp && stamp.is_some() {
                continue;
            }
            changed = true;
            known.stamp = stamp;
            match read(&path, stamp) {
                Ok(groups) => {
                    known.groups = groups;
                    known.error = None;
                }
                Err(error) => known.error = Some(error),
            }
        }
        Look {
            groups: changed.then(|| self.known.values().flat_map(|k| k.groups.iter().cloned()).collect()),
            errors: self.known.values().filter_map(|k| k.error.clone()).collect(),
        }
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    Some(Stamp { modified: metadata.modified().ok(), size: metadata.len() })
}

fn read(path: &Path, stamp: Option<Stamp>) -> Result<Vec<TargetGroup>, String> {
    let name = path.to_string_lossy();
    if let Some(size) = stamp.map(|s| s.size).filter(|size| *size > MAX_FILE) {
        return Err(format!("{name}: has {size} bytes, more than the {MAX_FILE} that are read"));
    }
    let text = std::fs::read_to_string(path).map_err(|e| format!("{name}: cannot be read: {e}"))?;
    let is_json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let groups = if is_json { document::json(&text, &name) } else { document::yaml(&text, &name) }?;
    let with_path = |mut group: TargetGroup| {
        group.labels.insert("__meta_filepath".to_owned(), name.clone().into_owned());
        group
    };
    Ok(groups.into_iter().map(with_path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_followed_and_a_broken_one_keeps_its_last_good_groups() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, r#"[{"targets":["a:1"]}]"#).unwrap();
        let mut files = Files::new(vec![folder.path().join("*.json")], Duration::from_secs(300));
        let now = Timestamp::from_millis(1_000_000);

        let look = files.look(now);
        let groups = look.groups.unwrap();
        assert_eq!(&*groups[0].targets[0], "a:1");
        assert_eq!(groups[0].labels["__meta_filepath"], path.to_string_lossy());
        assert_eq!(files.look(now + POLL), Look::default(), "nothing changed");

        std::fs::write(&path, "[{broken").unwrap();
        let look = files.look(now + POLL * 2);
        assert_eq!(look.groups.map(|g| g.len()), Some(1), "the last good groups stay");
        assert!(look.errors[0].contains("a.json"), "{:?}", look.errors);

        std::fs::write(&path, r#"[{"targets":["a:1","b:2"]}]"#).unwrap();
        std::fs::write(folder.path().join("b.json"), r#"[{"targets":["c:3"]}]"#).unwrap();
        let look = files.look(now + POLL * 3);
        let count: usize = look.groups.unwrap().iter().map(|g| g.targets.len()).sum();
        assert_eq!((count, look.errors.len()), (3, 0));

        std::fs::remove_file(&path).unwrap();
        let look = files.look(now + POLL * 4);
        assert_eq!(look.groups.map(|g| g.len()), Some(1), "a file that is gone takes its targets with it");
    }
}
