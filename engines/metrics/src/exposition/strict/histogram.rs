//! What the samples of one histogram owe each other.

use crate::ingest::MetricType;

/// One histogram at one time, as far as it has been read.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    /// Upper bound and count of the newest bucket.
    bucket: Option<(f64, f64)>,
    negative_buckets: bool,
    count: Option<f64>,
    sum: Option<f64>,
    any: bool,
}

impl Histogram {
    pub(super) fn sample(&mut self, suffix: &str, le: Option<&str>, value: f64) -> Result<(), String> {
        match suffix {
            "_bucket" => {
                let text = le.unwrap_or_default();
                let bound =
                    text.parse::<f64>().ok().filter(|b| !b.is_nan() && (b.is_finite() || text == "+Inf"));
                let Some(bound) = bound else {
                    return Err(format!(
                        "bucket bound {text:?} is not a number: the last one is written +Inf"
                    ));
                };
                if let Some((before, count)) = self.bucket {
                    if bound <= before {
                        return Err(format!(
                            "bucket bound {bound} stands after {before}: buckets go upwards"
                        ));
                    }
                    if value < count {
                        return Err(format!(
                            "bucket {bound} counts {value}, less than the one before ({count})"
                        ));
                    }
                }
                self.negative_buckets |= bound < 0.0;
                self.bucket = Some((bound, value));
            }
            "_count" | "_gcount" => self.count = Some(value),
            "_sum" | "_gsum" => self.sum = Some(value),
            _ => return Ok(()),
        }
        self.any = true;
        Ok(())
    }

    pub(super) fn finish(self, kind: MetricType, name: &str) -> Result<(), String> {
        if !self.any {
            return Ok(());
        }
        let total = match self.bucket {
            Some((bound, count)) if bound == f64::INFINITY => count,
            _ => return Err(format!("histogram {name:?} has no +Inf bucket")),
        };
        if self.count.is_some_and(|count| count != total) {
            return Err(format!("the count of histogram {name:?} is not that of its +Inf bucket ({total})"));
        }
        let gauge = kind == MetricType::GaugeHistogram;
        if self.negative_buckets && !gauge && self.sum.is_some() {
            return Err(format!(
                "histogram {name:?} has negative buckets and a sum: then the sum may go down, leave it out"
            ));
        }
        if self.count.is_some() != self.sum.is_some() {
            return Err(format!("histogram {name:?} has only one of count and sum: it has both or none"));
        }
        if gauge && !self.negative_buckets && self.sum.is_some_and(|sum| sum < 0.0) {
            return Err(format!("histogram {name:?} has a negative sum without negative buckets"));
        }
        Ok(())
    }
}
