//! What an engine shows of itself.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// An engine's state as of one version: immutable and structurally shared, published as an `Arc` when dirty and at
/// most 30 times a second.
pub trait Snapshot: Send + Sync + 'static {
    /// Grows with every published change; equal versions of one engine are equal snapshots.
    fn version(&self) -> u64;
    /// When it was taken.
    fn taken(&self) -> Timestamp;
}

/// The moment a screen shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moment {
    /// Now, moving.
    #[default]
    Live,
    /// A time in the past: the screen is rewound.
    At(Timestamp),
}

impl Moment {
    /// The time it means, when it is `now`.
    #[must_use]
    pub fn or(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Live => now,
            Self::At(t) => t,
        }
    }
}
