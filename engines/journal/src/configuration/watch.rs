//! Noticing that files of the configuration changed.

use std::path::PathBuf;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Looks at files now and then. By content, not by time stamp: editors and configuration managers play with those.
#[derive(Debug)]
pub struct Watcher {
    files: Vec<PathBuf>,
    known: Vec<Content>,
    seen: Vec<Content>,
}

/// None: it cannot be read.
type Content = Option<[u8; 32]>;

impl Watcher {
    /// Watches these files, as they are now; also files that do not exist yet.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        let known = contents(&files);
        Self { files, seen: known.clone(), known }
    }

    /// Looks once. True when something has changed since the last time this said so and has stayed the same since
    /// the last look, so that a file that is still being written is not read half.
    pub fn poll(&mut self) -> bool {
        let now = contents(&self.files);
        let settled = now == self.seen;
        self.seen.clone_from(&now);
        if !settled || now == self.known {
            return false;
        }
        self.known = now;
        true
    }

    /// Looks every so often until something has changed.
    pub async fn changed(&mut self, every: Duration) {
        loop {
            tokio::time::sleep(every).await;
            if self.poll() {
                return;
            }
        }
    }

    /// Watches other files from now on, as after a reload that read others.
    pub fn watch(&mut self, files: Vec<PathBuf>) {
        if files != self.files {
            *self = Self::new(files);
        }
    }
}

fn contents(files: &[PathBuf]) -> Vec<Content> {
    files.iter().map(|file| std::fs::read(file).ok().map(|bytes| Sha256::digest(bytes).into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once_and_when_it_has_settled() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a.toml"), dir.path().join("b.toml"));
        std::fs::write(&a, "x = 1").unwrap();
        let mut watcher = Watcher::new(vec![a.clone(), b.clone()]);
        assert!(!watcher.poll());
        std::fs::write(&a, "x = ").unwrap();
        assert!(!watcher.poll(), "just changed");
        std::fs::write(&a, "x = 2").unwrap();
        assert!(!watcher.poll(), "changed again");
        assert!(watcher.poll());
        assert!(!watcher.poll(), "told already");
        std::fs::write(&b, "").unwrap();
        assert_eq!([watcher.poll(), watcher.poll()], [false, true], "a file that appears");
        std::fs::remove_file(&b).unwrap();
        assert_eq!([watcher.poll(), watcher.poll()], [false, true], "a file that goes");
    }
}
