//! Results as JSON, written directly: a large result has millions of points.

use std::fmt::Write as _;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::{Histogram, Point, PointValue, Value};

/// A successful answer around `data`, which is JSON.
pub(super) fn success(data: &str, warnings: &[String], infos: &[String]) -> Response {
    let mut body = String::with_capacity(data.len() + 64);
    body.push_str("{\"status\":\"success\",\"data\":");
    body.push_str(data);
    for (name, list) in [("warnings", warnings), ("infos", infos)] {
        if !list.is_empty() {
            let _written = write!(body, ",\"{name}\":[");
            for (i, text) in list.iter().enumerate() {
                comma(&mut body, i);
                string(&mut body, text);
            }
            body.push(']');
        }
    }
    body.push('}');
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) fn comma(out: &mut String, i: usize) {
    if i > 0 {
        out.push(',');
    }
}

/// A text with everything escaped that JSON asks for.
pub(super) fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if (c as u32) < 0x20 => {
                let _written = write!(out, "\\u{:04x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

pub(super) fn labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, (name, value)) in labels.iter().enumerate() {
        comma(out, i);
        string(out, name);
        out.push(':');
        string(out, value);
    }
    out.push('}');
}

/// Seconds with the milliseconds that there are.
pub(super) fn time(out: &mut String, t: Timestamp) {
    let millis = t.as_millis();
    if millis < 0 {
        out.push('-');
    }
    let magnitude = millis.unsigned_abs();
    let _written = write!(out, "{}", magnitude / 1000);
    let rest = magnitude % 1000;
    if rest > 0 {
        let digits = format!(".{rest:03}");
        out.push_str(digits.trim_end_matches('0'));
    }
}

/// A number as text: `NaN`, `+Inf` and `-Inf` have no other form in JSON.
pub(super) fn float(out: &mut String, v: f64) {
    out.push('"');
    number(out, v);
    out.push('"');
}

/// A number as Prometheus writes it.
pub(super) fn number(out: &mut String, v: f64) {
    let magnitude = v.abs();
    if v.is_nan() {
        out.push_str("NaN");
    } else if v.is_infinite() {
        out.push_str(if v > 0.0 { "+Inf" } else { "-Inf" });
    } else if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        // Exponents have a sign and two digits at least.
        let text = format!("{v:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        let _written = write!(out, "{mantissa}e{sign}{digits:0>2}");
    } else {
        let _written = write!(out, "{v}");
    }
}

fn histogram(out: &mut String, h: &Histogram) {
    out.push_str("{\"count\":");
    float(out, h.count);
    out.push_str(",\"sum\":");
    float(out, h.sum);
    out.push_str(",\"buckets\":[");
    for (i, bucket) in h.all_buckets().iter().filter(|bucket| bucket.count != 0.0).enumerate() {
        comma(out, i);
        let rule = match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        };
        let _written = write!(out, "[{rule},");
        float(out, bucket.lower);
        out.push(',');
        float(out, bucket.upper);
        out.push(',');
        float(out, bucket.count);
        out.push(']');
    }
    out.push_str("]}");
}

fn point(out: &mut String, point: &Point) {
    out.push('[');
    time(out, point.t);
    out.push(',');
    match &point.v {
        PointValue::Float(v) => float(out, *v),
        PointValue::Histogram(h) => histogram(out, h),
    }
    out.push(']');
}

/// A query's result as the API's `data`: `{"resultType": …, "result": …}`.
#[must_use]
pub fn render_value(value: &Value) -> String {
    render(value, None)
}

/// As [`render_value`], with `stats` (JSON) beside the result.
pub(super) fn render(value: &Value, stats: Option<&str>) -> String {
    let mut out = String::with_capacity(4096);
    let _written = write!(out, "{{\"resultType\":\"{}\",\"result\":", value.value_type().as_str());
    match value {
        Value::Scalar { t, v } => {
            out.push('[');
            time(&mut out, *t);
            out.push(',');
            float(&mut out, *v);
            out.push(']');
        }
        Value::String { t, v } => {
            out.push('[');
            time(&mut out, *t);
            out.push(',');
            string(&mut out, v);
            out.push(']');
        }
        Value::Vector(list) => {
            out.push('[');
            for (i, sample) in list.iter().enumerate() {
                comma(&mut out, i);
                out.push_str("{\"metric\":");
                labels(&mut out, &sample.labels);
                out.push_str(match sample.point.v {
                    PointValue::Float(_) => ",\"value\":",
                    PointValue::Histogram(_) => ",\"histogram\":",
                });
                point(&mut out, &sample.point);
                out.push('}');
            }
            out.push(']');
        }
        Value::Matrix(list) => {
            out.push('[');
            for (i, series) in list.iter().enumerate() {
                comma(&mut out, i);
                out.push_str("{\"metric\":");
                labels(&mut out, &series.labels);
                let (floats, histograms): (Vec<_>, Vec<_>) =
                    series.points.iter().partition(|point| matches!(point.v, PointValue::Float(_)));
                for (name, points) in [("values", floats), ("histograms", histograms)] {
                    if !points.is_empty() {
                        let _written = write!(out, ",\"{name}\":[");
                        for (i, held) in points.into_iter().enumerate() {
                            comma(&mut out, i);
                            point(&mut out, held);
                        }
                        out.push(']');
                    }
                }
                out.push('}');
            }
            out.push(']');
        }
    }
    if let Some(stats) = stats {
        out.push_str(",\"stats\":");
        out.push_str(stats);
    }
    out.push('}');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_times_look_as_prometheus_writes_them() {
        let shown = |v| {
            let mut out = String::new();
            float(&mut out, v);
            out
        };
        for (v, text) in [
            (0.0, "\"0\""),
            (1.0, "\"1\""),
            (-0.1, "\"-0.1\""),
            (1e21, "\"1e+21\""),
            (1.5e-7, "\"1.5e-07\""),
            (123_456_789_012.0, "\"123456789012\""),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"+Inf\""),
            (f64::NEG_INFINITY, "\"-Inf\""),
        ] {
            assert_eq!(shown(v), text);
        }
        for (millis, text) in [(0, "0"), (1_435_781_430_781, "1435781430.781"), (1500, "1.5"), (-1, "-0.001")]
        {
            let mut out = String::new();
            time(&mut out, Timestamp::from_millis(millis));
            assert_eq!(out, text);
        }
    }

    #[test]
    fn texts_are_json() {
        let mut out = String::new();
        string(&mut out, "a\"b\\c\n\u{1}é");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"b\\c\n\u{1}é");
    }
}
