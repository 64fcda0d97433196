//! What can go wrong with the timeline.

use std::path::PathBuf;

use quarterdeck_kernel::EntryId;

use crate::store::StoreError;

/// Why the timeline did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file beside the database cannot be read or written.
    #[error("cannot use {}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's words.
        why: String,
    },
    /// An entry is too long to keep.
    #[error("an entry of {bytes} bytes is too long for the timeline: at most {limit} are kept")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// What is allowed.
        limit: usize,
    },
    /// An entry cannot be read back.
    #[error("timeline entry {entry} cannot be read: {why}")]
    Unreadable {
        /// Which.
        entry: EntryId,
        /// Why.
        why: String,
    },
    /// The timeline was closed, or its writer ended.
    #[error("the timeline is closed")]
    Closed,
}
