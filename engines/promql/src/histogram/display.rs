//! Histograms as text, as the HTTP API and `count_values` write them.

use std::fmt;

use super::Histogram;
use crate::number::format_float;

/// `{count:3, sum:4, [-0.001,0.001]:1, (0.5,1]:2}`
impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", format_float(self.count), format_float(self.sum))?;
        for bucket in self.all_buckets().iter().filter(|b| b.count != 0.0) {
            write!(
                f,
                ", {}{},{}{}:{}",
                if bucket.lower_inclusive { '[' } else { '(' },
                format_float(bucket.lower),
                format_float(bucket.upper),
                if bucket.upper_inclusive { ']' } else { ')' },
                format_float(bucket.count)
            )?;
        }
        f.write_str("}")
    }
}
