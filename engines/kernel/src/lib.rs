//! The pure vocabulary that every engine and the screen share.
//!
//! What one can point at ([`Subject`]), what one can do ([`ActionSpec`], [`Invocation`]), what happened
//! ([`Entry`]), when ([`Timestamp`], [`Moment`], [`Clock`]), and what a metric is called ([`Labels`],
//! [`Matcher`]). No I/O, no runtime, no database, no screen: everything here is data and pure functions.

pub mod action;
pub mod diagnostic;
pub mod health;
pub mod labels;
pub mod matcher;
pub mod sample;
pub mod secret;
pub mod snapshot;
pub mod subject;
pub mod suggest;
pub mod time;
pub mod timeline;

pub use action::{ActionSpec, Actor, ArgKind, ArgSpec, Danger, Invocation, Reason};
pub use diagnostic::Diagnostic;
pub use health::{Health, Severity};
pub use labels::Labels;
pub use matcher::{MatchOp, Matcher};
pub use sample::{STALE_NAN, Sample, is_stale};
pub use secret::Secret;
pub use snapshot::{Moment, Snapshot};
pub use subject::{Subject, SubjectKind};
pub use time::{Clock, ManualClock, SystemClock, Timestamp};
pub use timeline::{ChangeKind, Entry, EntryId, Phase};
