//! Native histograms: counts in buckets whose bounds follow from a schema, or in buckets with custom bounds.

mod arithmetic;
mod buckets;
mod display;
mod quantile;

use std::sync::Arc;

pub use buckets::Bucket;
pub(crate) use quantile::{fraction, quantile};

/// The schema of histograms with custom bucket bounds.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// What is known about a counter reset between a histogram and the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResetHint {
    /// Nothing: compare to find out.
    #[default]
    Unknown,
    /// The counter was reset just before this histogram.
    Reset,
    /// It was not.
    NotReset,
    /// Not a counter at all.
    Gauge,
}

/// Populated buckets as `(index, count)`, sorted by index. Index 0 is the bucket whose upper bound is 1 in a schema
/// with exponential bounds, and the first bucket with custom bounds.
pub type SparseBuckets = Vec<(i32, f64)>;

/// A native histogram with float counts.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// -4 to 8: bucket bounds grow by 2^(2^-schema). [`CUSTOM_BUCKETS_SCHEMA`]: bounds are `custom_values`.
    pub schema: i32,
    /// Observations with an absolute value up to this are in the zero bucket.
    pub zero_threshold: f64,
    /// How many those are.
    pub zero_count: f64,
    /// All observations.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// Buckets above zero.
    pub positive: SparseBuckets,
    /// Buckets below zero, mirrored.
    pub negative: SparseBuckets,
    /// Upper bounds of custom buckets, ascending, without +Inf.
    pub custom_values: Arc<[f64]>,
    /// See [`ResetHint`].
    pub reset_hint: ResetHint,
}

/// Why two histograms cannot be combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incompatible {
    /// One has exponential, the other custom buckets.
    Schemas,
    /// Both have custom buckets, with different bounds.
    CustomBounds,
}

impl Histogram {
    /// Whether its bounds are custom.
    #[must_use]
    pub fn has_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    /// Sorts buckets, merges equal indexes and drops empty buckets: two histograms with the same content are then equal.
    pub fn compact(&mut self) {
        for side in [&mut self.positive, &mut self.negative] {
            side.sort_by_key(|(i, _)| *i);
            side.dedup_by(|next, kept| {
                let same = next.0 == kept.0;
                if same {
                    kept.1 += next.1;
                }
                same
            });
            side.retain(|(_, count)| *count != 0.0);
        }
    }

    /// Whether both can be added, subtracted and compared bucket by bucket.
    ///
    /// # Errors
    /// What stands against it.
    pub fn compatible(&self, other: &Self) -> Result<(), Incompatible> {
        if self.has_custom_buckets() != other.has_custom_buckets() {
            return Err(Incompatible::Schemas);
        }
        if self.has_custom_buckets() && !same_floats(&self.custom_values, &other.custom_values) {
            return Err(Incompatible::CustomBounds);
        }
        Ok(())
    }
}

fn same_floats(a: &[f64], b: &[f64]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x == y)
}

fn same_bits(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits() || a == b
}

/// Content equality: empty buckets do not count, NaN equals NaN, the reset hint is ignored.
impl PartialEq for Histogram {
    fn eq(&self, other: &Self) -> bool {
        let side = |a: &SparseBuckets, b: &SparseBuckets| {
            let mut a = a.iter().filter(|(_, c)| *c != 0.0);
            let mut b = b.iter().filter(|(_, c)| *c != 0.0);
            loop {
                match (a.next(), b.next()) {
                    (None, None) => return true,
                    (Some(x), Some(y)) if x.0 == y.0 && same_bits(x.1, y.1) => {}
                    _ => return false,
                }
            }
        };
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && same_bits(self.zero_count, other.zero_count)
            && same_bits(self.count, other.count)
            && same_bits(self.sum, other.sum)
            && same_floats(&self.custom_values, &other.custom_values)
            && side(&self.positive, &other.positive)
            && side(&self.negative, &other.negative)
    }
}
