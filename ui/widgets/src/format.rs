//! Numbers, sizes, durations and times as people read them.
//!
//! One quantity reads the same wherever it stands: measured figures go through [`figure`], latencies through
//! [`Unit::Millis`] (always milliseconds), lengths of time through [`span`]. Engines that speak of the same things in
//! sentences follow the same rules.
//!
//! At most three significant digits, thousands apart by a space, the same unit down a column, and `·` for what is not
//! known: an unknown value is never shown as 0.

mod column;
mod number;
mod time;
mod unit;

pub use column::Aligned;
pub use number::{attained, counted, figure, grouped, number};
pub use time::{age, ago, countdown, date, span};
pub(crate) use unit::tick;
pub use unit::{Scale, Unit, scale_for};

/// What stands for a value that is not known.
pub const UNKNOWN: &str = "·";
