//! The timeline: everything that changed, durable and tamper-evident.
//!
//! Each writer (one console with its data directory) keeps one hash chain: the hash of an entry is SHA-256 over the
//! hash before it and the entry's canonical bytes. The head (how many entries, last hash) is also kept in a file
//! outside the database, so that a chain whose end was cut off is found out too.
//!
//! # What is promised
//! When [`Timeline::append`] or [`Timeline::transact`] answers, the entries are synced to disk in the database, and
//! then the head is synced to its file. `kill -9` at any moment, and a power cut on storage that honours flushes,
//! lose nothing that was answered. A crash between the two syncs leaves a head file that lags behind the database
//! by the last commit; opening the timeline brings it up to date. It never runs ahead: a head that is ahead of the
//! database means that entries were lost or removed, and is reported as such (the chain is then closed and a new
//! one begun, so that the evidence stays).
//!
//! Pruning removes the oldest entries and leaves a checkpoint on the chain (how many, which, the hash of the last
//! one removed), from which [`Timeline::verify`] starts.

mod canonical;
mod chain;
mod entry;
mod error;
mod handle;
mod head;
mod open;
mod prune;
mod publish;
mod query;
mod recent;
mod record;
mod schema;
mod undone;
mod verify;

pub use canonical::{Digest, canonical_bytes};
pub use entry::NewEntry;
pub use error::TimelineError;
pub use handle::{Timeline, Work};
pub use open::Options;
pub use prune::Retention;
pub use query::{Cursor, Filter, Page};
pub use recent::Recent;
pub use schema::MIGRATIONS;
pub use verify::{ChainReport, Problem, Report, verify};
