//! Numbers, sizes, durations and times as people read them.
//!
//! At most three significant digits, thousands apart by a space, the same unit down a column, and `·` for what is not
//! known: an unknown value is never shown as 0.

mod number;
mod time;
mod unit;

pub use number::{grouped, number};
pub use time::{ago, countdown, span};
pub(crate) use unit::tick;
pub use unit::{Scale, Unit, scale_for};

/// What stands for a value that is not known.
pub const UNKNOWN: &str = "·";
