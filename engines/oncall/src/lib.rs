//! Who is on call, and who is told next: rotations, overrides, escalation.
//!
//! Pure throughout: configuration ([`config`]) compiled to a [`Roster`]; schedules ([`schedule`]) that answer for any
//! instant who is on call and why, true across daylight saving; escalations ([`escalation`]) as a state machine of
//! `(state, input, now) → effects` whose every step is a durable record first, so that a restart at any instant gives
//! the same future. Nothing here pages before its time, and nothing pages what is acknowledged or resolved.

pub mod config;
pub mod escalation;
pub mod matchers;
pub mod model;
mod restriction;
pub mod roster;
pub mod rotation;
pub mod schedule;
pub mod target;
pub mod words;
mod zone;

pub use config::OncallConfig;
pub use escalation::{Effect, Escalations, Fact, Input, Page, PageId, Record, Refusal};
pub use model::{EscalationView, ScheduleView, Snapshot};
pub use roster::Roster;
pub use rotation::{Rotation, Turn, Unit};
pub use schedule::{Override, Schedule, Shift, Source, WhoIsOnCall};
pub use target::Target;
