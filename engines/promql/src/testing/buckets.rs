//! Classic histograms as native ones with custom buckets, as scraping can convert them.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_kernel::Labels;

use crate::histogram::{CUSTOM_BUCKETS_SCHEMA, Histogram};
use crate::value::PointValue;

/// A classic histogram at one moment.
#[derive(Default)]
struct Parts {
    /// Cumulative counts by upper bound.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

type Samples = Vec<(i64, PointValue)>;

/// The native histograms that the classic ones among `series` amount to.
pub(super) fn convert(series: &[(Labels, Samples)]) -> Vec<(Labels, Samples)> {
    let mut families: BTreeMap<Labels, BTreeMap<i64, Parts>> = BTreeMap::new();
    for suffix in ["_bucket", "_count", "_sum"] {
        for (labels, samples) in series {
            let Some(base) = labels.name().strip_suffix(suffix) else { continue };
            let bound = labels.get("le").and_then(|le| le.parse::<f64>().ok());
            if suffix == "_bucket" && bound.is_none() {
                continue;
            }
            let key = labels.without("le").with("__name__", base);
            if suffix != "_bucket" && !families.contains_key(&key) {
                continue;
            }
            let family = families.entry(key).or_default();
            for (t, value) in samples {
                let Some(v) = value.as_float().filter(|v| !v.is_nan()) else { continue };
                let parts = family.entry(*t).or_default();
                match (suffix, bound) {
                    ("_bucket", Some(bound)) => parts.buckets.push((bound, v)),
                    ("_count", _) => parts.count = Some(v),
                    _ => parts.sum = v,
                }
            }
        }
    }
    let native = |parts: Parts| PointValue::Histogram(Arc::new(native(parts)));
    families
        .into_iter()
        .map(|(labels, family)| (labels, family.into_iter().map(|(t, p)| (t, native(p))).collect()))
        .collect()
}

fn native(mut parts: Parts) -> Histogram {
    parts.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    parts.buckets.dedup_by(|next, kept| next.0 == kept.0);
    let all = parts.count.or(parts.buckets.last().map(|b| b.1)).unwrap_or(0.0);
    let bounds: Vec<f64> = parts.buckets.iter().map(|b| b.0).filter(|b| b.is_finite()).collect();
    let mut below = 0.0;
    let mut positive = vec![];
    for (i, (_, count)) in
        parts.buckets.iter().filter(|b| b.0.is_finite()).chain([&(f64::INFINITY, all)]).enumerate()
    {
        positive.push((i as i32, count - below));
        below = *count;
    }
    let mut h = Histogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        count: all,
        sum: parts.sum,
        positive,
        custom_values: bounds.into(),
        ..Histogram::default()
    };
    h.compact();
    h
}
