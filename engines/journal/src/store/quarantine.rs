//! A damaged store is put aside under a name that says when, never deleted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use quarterdeck_kernel::Timestamp;

use super::StoreError;

/// A damaged store that was put aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Where the database file is now; its log is beside it.
    pub kept_at: PathBuf,
    /// What was wrong with it, in the database's words.
    pub why: String,
}

/// Moves the database and its write-ahead log aside. Both keep their relation, so that tools can still try to save
/// what is in them.
pub(super) fn put_aside(path: &Path, why: &str, now: Timestamp) -> Result<Quarantined, StoreError> {
    let stamp: String = now.to_string().chars().filter(char::is_ascii_alphanumeric).collect();
    let kept_at = (0..)
        .map(|n| {
            suffixed(
                path,
                &if n == 0 { format!(".corrupt-{stamp}") } else { format!(".corrupt-{stamp}-{n}") },
            )
        })
        .find(|candidate| !candidate.exists())
        .unwrap_or_else(|| suffixed(path, ".corrupt"));
    let open = |why: std::io::Error| StoreError::Open {
        at: path.display().to_string(),
        why: format!("it is damaged and cannot be put aside: {why}"),
    };
    for suffix in ["-wal", "-shm", ""] {
        let from = suffixed(path, suffix);
        if from.exists() {
            std::fs::rename(&from, suffixed(&kept_at, suffix)).map_err(open)?;
        }
    }
    Ok(Quarantined { kept_at, why: why.to_owned() })
}

fn suffixed(path: &Path, suffix: &str) -> PathBuf {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
