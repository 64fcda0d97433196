//! What was expected beside what was found.

use quarterdeck_kernel::Labels;
use quarterdeck_promql::{PointValue, format_float};

/// Whether two numbers are equal, or, when compared loosely, neighbours.
fn same_number(a: f64, b: f64, fuzzy: bool) -> bool {
    (a.is_nan() && b.is_nan()) || a == b || (fuzzy && (a.next_down() == b || a.next_up() == b))
}

/// Whether two values are equal; histograms bucket by bucket.
pub(super) fn same(a: &PointValue, b: &PointValue, fuzzy: bool) -> bool {
    match (a, b) {
        (PointValue::Float(a), PointValue::Float(b)) => same_number(*a, *b, fuzzy),
        (PointValue::Histogram(a), PointValue::Histogram(b)) => {
            let (mut a, mut b) = ((**a).clone(), (**b).clone());
            a.compact();
            b.compact();
            a.reset_hint == b.reset_hint
                && a.schema == b.schema
                && (a.zero_threshold, a.zero_count, a.count) == (b.zero_threshold, b.zero_count, b.count)
                && same_number(a.sum, b.sum, false)
                && (a.positive, a.negative) == (b.positive, b.negative)
                && a.custom_values == b.custom_values
        }
        _ => false,
    }
}

/// An element for people.
pub(super) fn show(labels: &Labels, value: &PointValue) -> String {
    match value {
        PointValue::Float(v) => format!("{labels} {}", format_float(*v)),
        PointValue::Histogram(h) => format!("{labels} {h}"),
    }
}

/// Lines that are only expected with a minus, only found with a plus, and those that both have.
pub(super) fn difference(expected: &[String], found: &[String]) -> String {
    let mut left: Vec<&String> = found.iter().collect();
    let mut out = String::new();
    for line in expected {
        let place = left.iter().position(|other| *other == line);
        let sign = match place {
            Some(place) => {
                left.remove(place);
                ' '
            }
            None => '-',
        };
        out.push_str(&block(sign, line));
    }
    for line in left {
        out.push_str(&block('+', line));
    }
    if expected.is_empty() {
        out.insert_str(0, "  (nothing expected)\n");
    }
    if found.is_empty() {
        out.push_str("  (nothing found)\n");
    }
    out
}

fn block(sign: char, text: &str) -> String {
    text.lines().map(|line| format!("  {sign} {line}\n")).collect()
}
