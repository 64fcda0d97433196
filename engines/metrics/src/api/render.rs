//! Results as JSON, written directly: a large result has millions of points.

use std::num::NonZero;
use std::thread;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use quarterdeck_kernel::{Labels, Timestamp};
use quarterdeck_promql::{Histogram, Point, PointValue, Series, Value};

/// Where JSON is written to: texts that others go on with, or the bytes of an answer, which nobody needs to check again.
pub(super) trait Out {
    /// Appends a text.
    fn text(&mut self, text: &str);

    /// Appends characters of ASCII.
    fn ascii(&mut self, bytes: &[u8]);
}

impl Out for String {
    fn text(&mut self, text: &str) {
        self.push_str(text);
    }

    fn ascii(&mut self, bytes: &[u8]) {
        self.extend(bytes.iter().map(|byte| char::from(*byte)));
    }
}

impl Out for Vec<u8> {
    #[inline]
    fn text(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }

    #[inline]
    fn ascii(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// A successful answer around `data`, which is JSON.
pub(super) fn success(data: &str, warnings: &[String], infos: &[String]) -> Response {
    let mut body = Vec::with_capacity(data.len() + 64);
    body.text(HEAD);
    body.text(data);
    finish(&mut body, warnings, infos);
    json(body)
}

/// What a successful answer begins with.
const HEAD: &str = "{\"status\":\"success\",\"data\":";

/// What comes after the data.
fn finish(body: &mut Vec<u8>, warnings: &[String], infos: &[String]) {
    for (name, list) in [("warnings", warnings), ("infos", infos)] {
        if !list.is_empty() {
            body.text(",\"");
            body.text(name);
            body.text("\":[");
            for (i, text) in list.iter().enumerate() {
                comma(body, i);
                string(body, text);
            }
            body.text("]");
        }
    }
    body.text("}");
}

/// An answer of JSON.
pub(super) fn json(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

pub(super) fn comma(out: &mut impl Out, i: usize) {
    if i > 0 {
        out.text(",");
    }
}

/// A text with everything escaped that JSON asks for.
pub(super) fn string(out: &mut impl Out, text: &str) {
    out.text("\"");
    let mut plain = 0;
    for (i, byte) in text.bytes().enumerate().filter(|(_, b)| *b < 0x20 || matches!(b, b'"' | b'\\')) {
        // Only single bytes are escaped, so that what lies between them is whole characters.
        out.text(&text[plain..i]);
        plain = i + 1;
        match byte {
            b'"' => out.text("\\\""),
            b'\\' => out.text("\\\\"),
            b'\n' => out.text("\\n"),
            b'\r' => out.text("\\r"),
            b'\t' => out.text("\\t"),
            byte => {
                let hex = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
                out.ascii(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            }
        }
    }
    out.text(&text[plain..]);
    out.text("\"");
}

pub(super) fn labels(out: &mut impl Out, labels: &Labels) {
    out.text("{");
    for (i, (name, value)) in labels.iter().enumerate() {
        comma(out, i);
        string(out, name);
        out.text(":");
        string(out, value);
    }
    out.text("}");
}

/// Seconds with the milliseconds that there are.
pub(super) fn time(out: &mut impl Out, t: Timestamp) {
    let millis = t.as_millis();
    let mut text = [0u8; 24];
    let mut at = text.len();
    let mut put = |byte: u8| {
        at -= 1;
        text[at] = byte;
    };
    let magnitude = millis.unsigned_abs();
    let (mut seconds, mut rest) = (magnitude / 1000, magnitude % 1000);
    if rest > 0 {
        let mut places = 3;
        while rest.is_multiple_of(10) {
            (rest, places) = (rest / 10, places - 1);
        }
        for _ in 0..places {
            put(b'0' + (rest % 10) as u8);
            rest /= 10;
        }
        put(b'.');
    }
    loop {
        put(b'0' + (seconds % 10) as u8);
        seconds /= 10;
        if seconds == 0 {
            break;
        }
    }
    if millis < 0 {
        put(b'-');
    }
    out.ascii(&text[at..]);
}

/// A number as text: `NaN`, `+Inf` and `-Inf` have no other form in JSON.
pub(super) fn float(out: &mut impl Out, v: f64) {
    out.text("\"");
    number(out, v);
    out.text("\"");
}

/// Between these, numbers have no exponent and the fast conversion writes none.
const PLAIN: std::ops::Range<f64> = 1e-4..1e15;

/// A number as Prometheus writes it.
pub(super) fn number(out: &mut impl Out, v: f64) {
    let magnitude = v.abs();
    if PLAIN.contains(&magnitude) {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(v);
        out.text(text.strip_suffix(".0").unwrap_or(text));
    } else if v.is_nan() {
        out.text("NaN");
    } else if v.is_infinite() {
        out.text(if v > 0.0 { "+Inf" } else { "-Inf" });
    } else if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        // Exponents have a sign and two digits at least.
        let text = format!("{v:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |digits| ('-', digits));
        out.text(&format!("{mantissa}e{sign}{digits:0>2}"));
    } else {
        out.text(&v.to_string());
    }
}

fn histogram(out: &mut Vec<u8>, h: &Histogram) {
    out.text("{\"count\":");
    float(out, h.count);
    out.text(",\"sum\":");
    float(out, h.sum);
    out.text(",\"buckets\":[");
    for (i, bucket) in h.all_buckets().iter().filter(|bucket| bucket.count != 0.0).enumerate() {
        comma(out, i);
        out.text(match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (false, true) => "[0,",
            (true, false) => "[1,",
            (false, false) => "[2,",
            (true, true) => "[3,",
        });
        float(out, bucket.lower);
        out.text(",");
        float(out, bucket.upper);
        out.text(",");
        float(out, bucket.count);
        out.text("]");
    }
    out.text("]}");
}

/// The beginnings of points: `[1435781430.781,`. The points of most series of an answer lie at the same moments, so the
/// n-th of each series is kept for the next one.
#[derive(Default)]
struct Moments(Vec<(Timestamp, Vec<u8>)>);

impl Moments {
    /// More points in one series than this are written one by one.
    const MOST: usize = 1 << 14;

    #[inline]
    fn begin(&mut self, out: &mut Vec<u8>, n: usize, t: Timestamp) {
        if n == self.0.len() && n < Self::MOST {
            let mut text = Vec::with_capacity(24);
            Self::write(&mut text, t);
            self.0.push((t, text));
        }
        match self.0.get_mut(n) {
            Some((held, text)) => {
                if *held != t {
                    *held = t;
                    text.clear();
                    Self::write(text, t);
                }
                out.ascii(text);
            }
            None => Self::write(out, t),
        }
    }

    fn write(out: &mut Vec<u8>, t: Timestamp) {
        out.text("[");
        time(out, t);
        out.text(",");
    }
}

fn point_value(out: &mut Vec<u8>, value: &PointValue) {
    match value {
        PointValue::Float(v) => float(out, *v),
        PointValue::Histogram(h) => histogram(out, h),
    }
    out.text("]");
}

/// Results of more points than this are worth some threads.
const LARGE: usize = 1 << 17;
/// The most threads for one result.
const MAX_THREADS: usize = 4;

/// The series of a matrix, separated by commas.
fn matrix(out: &mut Vec<u8>, list: &[Series]) {
    let points: usize = list.iter().map(|series| series.points.len()).sum();
    let threads = if points < LARGE {
        1
    } else {
        thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS)
    };
    let parts: Vec<&[Series]> = list.chunks(list.len().div_ceil(threads).max(1)).collect();
    let Some((first, others)) = parts.split_first() else { return };
    thread::scope(|scope| {
        let helpers: Vec<_> = others
            .iter()
            .map(|part| {
                let work = move || {
                    let mut out = Vec::new();
                    matrix_part(&mut out, part);
                    out
                };
                (part, thread::Builder::new().spawn_scoped(scope, work).ok())
            })
            .collect();
        matrix_part(out, first);
        for (part, helper) in helpers {
            out.text(",");
            match helper.map(thread::ScopedJoinHandle::join) {
                Some(Ok(text)) => out.extend_from_slice(&text),
                Some(Err(panic)) => std::panic::resume_unwind(panic),
                // No thread could be had.
                None => matrix_part(out, part),
            }
        }
    });
}

fn matrix_part(out: &mut Vec<u8>, list: &[Series]) {
    // Room for most points and labels at once; what is not written to takes no memory.
    out.reserve(list.iter().map(|series| 128 + 24 * series.points.len()).sum());
    let mut moments = Moments::default();
    for (i, series) in list.iter().enumerate() {
        comma(out, i);
        matrix_series(out, series, &mut moments);
    }
}

fn matrix_series(out: &mut Vec<u8>, series: &Series, moments: &mut Moments) {
    out.text("{\"metric\":");
    labels(out, &series.labels);
    let is_float = |point: &&Point| matches!(point.v, PointValue::Float(_));
    let floats = series.points.iter().filter(is_float).count();
    let parts = [(",\"values\":[", true, floats), (",\"histograms\":[", false, series.points.len() - floats)];
    for (name, wanted, count) in parts {
        if count == 0 {
            continue;
        }
        out.text(name);
        for (i, point) in series.points.iter().filter(|p| is_float(p) == wanted).enumerate() {
            comma(out, i);
            moments.begin(out, i, point.t);
            point_value(out, &point.v);
        }
        out.text("]");
    }
    out.text("}");
}

/// A query's result as the API's `data`: `{"resultType": …, "result": …}`.
#[must_use]
pub fn render_value(value: &Value) -> String {
    let mut out = Vec::with_capacity(4096);
    data(&mut out, value, None);
    String::from_utf8_lossy(&out).into_owned()
}

/// A whole successful answer: the result with `stats` (JSON) beside it, and remarks.
pub(super) fn answer(value: &Value, stats: Option<&str>, warnings: &[String], infos: &[String]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4096);
    body.text(HEAD);
    data(&mut body, value, stats);
    finish(&mut body, warnings, infos);
    body
}

fn data(out: &mut Vec<u8>, value: &Value, stats: Option<&str>) {
    let mut moments = Moments::default();
    out.text("{\"resultType\":\"");
    out.text(value.value_type().as_str());
    out.text("\",\"result\":");
    match value {
        Value::Scalar { t, v } => {
            moments.begin(out, 0, *t);
            float(out, *v);
            out.text("]");
        }
        Value::String { t, v } => {
            moments.begin(out, 0, *t);
            string(out, v);
            out.text("]");
        }
        Value::Vector(list) => {
            out.text("[");
            for (i, sample) in list.iter().enumerate() {
                comma(out, i);
                out.text("{\"metric\":");
                labels(out, &sample.labels);
                out.text(match sample.point.v {
                    PointValue::Float(_) => ",\"value\":",
                    PointValue::Histogram(_) => ",\"histogram\":",
                });
                moments.begin(out, 0, sample.point.t);
                point_value(out, &sample.point.v);
                out.text("}");
            }
            out.text("]");
        }
        Value::Matrix(list) => {
            out.text("[");
            matrix(out, list);
            out.text("]");
        }
    }
    if let Some(stats) = stats {
        out.text(",\"stats\":");
        out.text(stats);
    }
    out.text("}");
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
    fn large_results_are_the_same_in_parts() {
        let series = |i: i64| {
            let point = |t: i64| Point {
                t: Timestamp::from_millis(t * 5000 + i % 3),
                v: PointValue::Float(i as f64 + t as f64 / 7.0),
            };
            let labels = Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())]);
            Series { labels, points: (0..40).map(point).collect() }
        };
        let list: Vec<Series> = (0..4001).map(series).collect();
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        matrix_part(&mut whole, &list);
        matrix(&mut parts, &list);
        assert!(whole == parts && list.len() * 40 > LARGE);
    }

    #[test]
    fn numbers_are_written_in_the_fewest_digits_that_read_back() {
        // Splitmix64 from a fixed seed: any bits, and values as metrics have them.
        let mut state = 5u64;
        let mut next = || {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB)
        };
        for i in 0..200_000 {
            let bits = next();
            let v = match i % 4 {
                0 => f64::from_bits(bits),
                1 => (bits % 1_000_000) as f64 / 100.0,
                2 => bits as f64 / 300.0,
                _ => (bits % 1000) as f64 / 1e7 - 1e-5,
            };
            let mut out = String::new();
            number(&mut out, v);
            let magnitude = v.abs();
            if v.is_nan() {
                assert_eq!(out, "NaN");
            } else if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
                // Of two texts equally near the even one is taken, as Go does and Rust does not.
                assert_eq!((out.len(), out.parse()), (v.to_string().len(), Ok(v)), "number {i}: {out}");
            } else {
                let text = out.replace("+Inf", "inf").replace("-Inf", "-inf");
                assert_eq!(text.parse::<f64>().unwrap().to_bits(), v.to_bits(), "number {i}: {out}");
            }
        }
    }

    #[test]
    fn texts_are_json() {
        let mut out = String::new();
        string(&mut out, "a\"b\\c\n\u{1}é");
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), "a\"b\\c\n\u{1}é");
    }
}
