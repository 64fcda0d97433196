//! Samples and staleness.

use crate::Timestamp;

/// The bit pattern that Prometheus writes when a series ends. It is one specific NaN: every codec keeps its bits.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The staleness marker as a value.
pub const STALE_NAN: f64 = f64::from_bits(STALE_NAN_BITS);

/// Whether a value is the staleness marker (an ordinary NaN is not).
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// One float sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When.
    pub t: Timestamp,
    /// Value; bits are kept, see [`STALE_NAN`].
    pub v: f64,
}
