//! Whether results are what was expected, within the tolerance of the format.

use quarterdeck_kernel::Labels;

use super::script::{Eval, When};
use crate::histogram::Histogram;
use crate::value::{PointValue, Series, Value, VectorSample};

/// Relative tolerance.
const TOLERANCE: f64 = 1e-6;

fn same(a: f64, b: f64) -> bool {
    if (a.is_nan() && b.is_nan()) || a == b {
        return true;
    }
    let (size, difference) = (a.abs() + b.abs(), (a - b).abs());
    if a == 0.0 || b == 0.0 || size < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / size.min(f64::MAX) < TOLERANCE
}

fn same_histogram(a: &Histogram, b: &Histogram) -> bool {
    let (mut a, mut b) = (a.clone(), b.clone());
    a.compact();
    b.compact();
    let side = |a: &[(i32, f64)], b: &[(i32, f64)]| {
        a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.0 == y.0 && same(x.1, y.1))
    };
    a.schema == b.schema
        && same(a.zero_threshold, b.zero_threshold)
        && same(a.zero_count, b.zero_count)
        && same(a.count, b.count)
        && same(a.sum, b.sum)
        && side(&a.positive, &b.positive)
        && side(&a.negative, &b.negative)
        && a.custom_values.len() == b.custom_values.len()
        && a.custom_values.iter().zip(b.custom_values.iter()).all(|(x, y)| same(*x, *y))
}

fn same_value(a: &PointValue, b: &PointValue) -> bool {
    match (a, b) {
        (PointValue::Float(a), PointValue::Float(b)) => same(*a, *b),
        (PointValue::Histogram(a), PointValue::Histogram(b)) => same_histogram(a, b),
        _ => false,
    }
}

fn show(v: &PointValue) -> String {
    match v {
        PointValue::Float(v) => crate::number::format_float(*v),
        PointValue::Histogram(h) => h.to_string(),
    }
}

/// Compares the result of an instant query, in order if that counts.
pub(super) fn instant(eval: &Eval, found: &Value, ordered: bool) -> Result<(), String> {
    if let Some(wanted) = &eval.expected.string {
        return match found {
            Value::String { v, .. } if v == wanted => Ok(()),
            other => Err(format!("expected the string {wanted:?}, found {other:?}")),
        };
    }
    match (eval.scalar, found) {
        (Some(wanted), Value::Scalar { v, .. }) => {
            if same(wanted, *v) {
                Ok(())
            } else {
                Err(format!("expected {wanted}, found {v}"))
            }
        }
        (_, Value::Vector(vector)) => compare_vector(&eval.series, vector, ordered),
        (_, Value::Matrix(matrix)) => compare_matrix(eval, matrix),
        (_, other) => Err(format!("unexpected result {other:?}")),
    }
}

fn compare_vector(
    wanted: &[(Labels, Vec<Option<PointValue>>)],
    vector: &[VectorSample],
    ordered: bool,
) -> Result<(), String> {
    for (position, sample) in vector.iter().enumerate() {
        let labels = &sample.labels;
        let Some(at) = wanted.iter().position(|(l, _)| l == labels) else {
            return Err(format!("unexpected element {labels} {}", show(&sample.point.v)));
        };
        if ordered && at != position {
            return Err(format!("expected {labels} at position {at}, found it at {position}"));
        }
        match wanted[at].1.first() {
            Some(Some(v)) if same_value(v, &sample.point.v) => {}
            Some(Some(v)) => {
                return Err(format!("expected {labels} {}, found {}", show(v), show(&sample.point.v)));
            }
            _ => return Err(format!("no value expected for {labels}")),
        }
    }
    match wanted.iter().find(|(l, _)| !vector.iter().any(|s| s.labels == *l)) {
        Some((labels, _)) => Err(format!("expected {labels}, not found")),
        None if wanted.len() != vector.len() => Err("an element came twice".to_owned()),
        None => Ok(()),
    }
}

/// Compares the result of a range query.
pub(super) fn compare_matrix(eval: &Eval, matrix: &[Series]) -> Result<(), String> {
    let When::Range(start, end, step) = eval.when else {
        return Err("a matrix where a vector was expected".to_owned());
    };
    for series in matrix {
        let labels = &series.labels;
        if !eval.series.iter().any(|(l, _)| l == labels) {
            return Err(format!("unexpected series {labels}"));
        }
    }
    if let Some(scalar) = eval.scalar {
        let all = matrix.iter().flat_map(|s| &s.points).all(|p| same_value(&p.v, &PointValue::Float(scalar)));
        return if all { Ok(()) } else { Err(format!("expected {scalar} at all steps")) };
    }
    for (labels, wanted) in &eval.series {
        let found = matrix.iter().find(|s| s.labels == *labels);
        for i in 0..=(end - start) / step {
            let t = start + i * step;
            let wanted = wanted.get(usize::try_from(i).unwrap_or_default()).and_then(Option::as_ref);
            let found = found.and_then(|s| s.points.iter().find(|p| p.t.as_millis() == t)).map(|p| &p.v);
            let fits = match (wanted, found) {
                (Some(a), Some(b)) => same_value(a, b),
                (None, None) => true,
                _ => false,
            };
            if !fits {
                let text = |v: Option<&PointValue>| v.map_or("nothing".to_owned(), show);
                return Err(format!("expected {labels} {} at {t} ms, found {}", text(wanted), text(found)));
            }
        }
        if wanted.iter().all(Option::is_none) && found.is_some() {
            return Err(format!("expected no {labels}"));
        }
    }
    Ok(())
}
