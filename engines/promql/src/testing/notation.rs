//! The notation of series: `name{label="value"} 1 2+3x4 _ stale {{count:1}}`.

use quarterdeck_kernel::{Labels, STALE_NAN};

use crate::histogram::{Histogram, ResetHint, SparseBuckets};
use crate::lexer::{Tok, lex};
use crate::value::PointValue;

/// Text that is not in the notation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotationError(pub(super) String);

type Noted<T> = Result<T, NotationError>;

fn wrong<T>(what: impl Into<String>) -> Noted<T> {
    Err(NotationError(what.into()))
}

/// The most values one item may stand for.
const MAX_REPEAT: usize = 1 << 20;

/// One line: labels and values; `None` is a gap.
///
/// # Errors
/// When the line is not in the notation.
pub fn series(line: &str) -> Noted<(Labels, Vec<Option<PointValue>>)> {
    let (metric, rest) = split_metric(line)?;
    Ok((labels(metric)?, values(rest)?))
}

/// Splits a line after the metric.
fn split_metric(line: &str) -> Noted<(&str, &str)> {
    let bytes = line.as_bytes();
    let mut quote = None;
    let (mut i, mut depth) = (0, 0);
    while i < bytes.len() {
        let b = bytes[i];
        match quote {
            Some(q) => {
                if b == b'\\' {
                    i += 1;
                } else if b == q {
                    quote = None;
                }
            }
            None => match b {
                b'"' | b'\'' | b'`' => quote = Some(b),
                b'{' => depth += 1,
                b'}' if depth == 1 => return Ok(line.split_at(i + 1)),
                b'}' => return wrong("closing brace without an opening one"),
                b' ' | b'\t' if depth == 0 && !line[i..].trim_start().starts_with(['{']) => {
                    return Ok(line.split_at(i));
                }
                b' ' | b'\t' if depth == 0 && line[i..].trim_start().starts_with("{{") => {
                    return Ok(line.split_at(i));
                }
                _ => {}
            },
        }
        i += 1;
    }
    if depth > 0 { wrong("unclosed brace") } else { Ok((line, "")) }
}

fn labels(text: &str) -> Noted<Labels> {
    let (tokens, error) = lex(text);
    if let Some(error) = error {
        return wrong(error.to_string());
    }
    let mut pairs: Vec<(String, String)> = vec![];
    let mut i = 0;
    let word = |i: usize| text[tokens[i].span.range()].to_owned();
    if tokens[0].tok == Tok::Ident {
        pairs.push(("__name__".to_owned(), word(0)));
        i = 1;
    }
    if tokens[i].tok == Tok::LBrace {
        i += 1;
        while tokens[i].tok != Tok::RBrace {
            let name = match &tokens[i].tok {
                Tok::Ident => word(i),
                Tok::Str(s) => s.value.clone(),
                _ => return wrong(format!("label name expected in {text}")),
            };
            if tokens[i + 1].tok == Tok::Assign {
                let Tok::Str(value) = &tokens[i + 2].tok else {
                    return wrong(format!("label value expected in {text}"));
                };
                pairs.push((name, value.value.clone()));
                i += 3;
            } else {
                pairs.push(("__name__".to_owned(), name));
                i += 1;
            }
            i += usize::from(tokens[i].tok == Tok::Comma);
        }
    }
    Ok(Labels::from_pairs(pairs))
}

/// Values separated by blanks.
pub(super) fn values(text: &str) -> Noted<Vec<Option<PointValue>>> {
    let mut rest = text.trim();
    let mut out = vec![];
    while !rest.is_empty() {
        rest = item(rest, &mut out)?.trim_start();
        if out.len() > MAX_REPEAT {
            return wrong("too many values");
        }
    }
    Ok(out)
}

/// One item: pushes its values, gives back the text after it.
fn item<'a>(text: &'a str, out: &mut Vec<Option<PointValue>>) -> Noted<&'a str> {
    if text.starts_with("{{") {
        return histogram_item(text, out);
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    if let Some(times) = word.strip_prefix('_') {
        let times = if times.is_empty() { 1 } else { repeat(times)? };
        out.extend(std::iter::repeat_n(None, times));
        return Ok(rest);
    }
    if word == "stale" {
        out.push(Some(PointValue::Float(STALE_NAN)));
        return Ok(rest);
    }
    let (first, tail) = number(word)?;
    let (step, tail) = if tail.starts_with(['+', '-']) { number(tail)? } else { (0.0, tail) };
    let times = if tail.is_empty() { 0 } else { repeat(tail)? };
    let mut value = first;
    for _ in 0..=times {
        out.push(Some(PointValue::Float(value)));
        value += step;
    }
    Ok(rest)
}

fn repeat(text: &str) -> Noted<usize> {
    match text.strip_prefix('x').and_then(|n| n.parse().ok()) {
        Some(times) if times < MAX_REPEAT => Ok(times),
        _ => wrong(format!("expected xN, found {text:?}")),
    }
}

/// A number at the start of a text, and the text after it.
fn number(text: &str) -> Noted<(f64, &str)> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let lower = unsigned.to_ascii_lowercase();
    let length = if lower.starts_with("inf") || lower.starts_with("nan") {
        3
    } else {
        let bytes = unsigned.as_bytes();
        let mut i = 0;
        while i < bytes.len() {
            let exponent_sign =
                i > 0 && matches!(bytes[i - 1], b'e' | b'E') && matches!(bytes[i], b'+' | b'-');
            if !(bytes[i].is_ascii_digit() || matches!(bytes[i], b'.' | b'e' | b'E') || exponent_sign) {
                break;
            }
            i += 1;
        }
        i
    };
    let length = length + (text.len() - unsigned.len());
    match text[..length].parse() {
        Ok(v) => Ok((v, &text[length..])),
        Err(_) => wrong(format!("expected a number, found {text:?}")),
    }
}

fn histogram_item<'a>(text: &'a str, out: &mut Vec<Option<PointValue>>) -> Noted<&'a str> {
    let (first, rest) = histogram(text)?;
    let mut push = |h: &Histogram| out.push(Some(PointValue::Histogram(h.clone().into())));
    let sign = rest.chars().next().filter(|c| matches!(c, '+' | '-'));
    let (step, rest) = match sign {
        Some(_) => {
            let (step, rest) = histogram(&rest[1..])?;
            (Some(step), rest)
        }
        None => (None, rest),
    };
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (tail, rest) = rest.split_at(end);
    let times = if tail.is_empty() { 0 } else { repeat(tail)? };
    let mut value = first;
    push(&value);
    for _ in 0..times {
        if let Some(step) = &step {
            let done = if sign == Some('-') { value.sub(step) } else { value.add(step) };
            if done.is_err() {
                return wrong("the histograms of a series do not fit each other");
            }
        }
        push(&value);
    }
    Ok(rest)
}

/// `{{schema:0 sum:5 count:4 buckets:[1 2 1]}}` and the text after it.
fn histogram(text: &str) -> Noted<(Histogram, &str)> {
    let inner =
        text.strip_prefix("{{").ok_or_else(|| NotationError(format!("histogram expected: {text}")))?;
    let Some((inner, rest)) = inner.split_once("}}") else { return wrong("unclosed histogram") };
    let mut h = Histogram::default();
    let (mut offset, mut negative_offset) = (0, 0);
    let (mut positive, mut negative) = (vec![], vec![]);
    let mut body = inner.trim();
    while !body.is_empty() {
        let Some((key, tail)) = body.split_once(':') else { return wrong(format!("key expected: {body}")) };
        let value;
        (value, body) = if let Some(list) = tail.strip_prefix('[') {
            list.split_once(']').ok_or_else(|| NotationError("unclosed list".to_owned()))?
        } else {
            tail.split_at(tail.find(char::is_whitespace).unwrap_or(tail.len()))
        };
        body = body.trim_start();
        let numbers = || value.split_whitespace().map(|v| Ok(number(v)?.0)).collect::<Noted<Vec<f64>>>();
        let one = || Ok(number(value)?.0);
        match key.trim() {
            "schema" => h.schema = one()? as i32,
            "sum" => h.sum = one()?,
            "count" => h.count = one()?,
            "z_bucket" => h.zero_count = one()?,
            "z_bucket_w" => h.zero_threshold = one()?,
            "custom_values" => h.custom_values = numbers()?.into(),
            "buckets" => positive = numbers()?,
            "n_buckets" => negative = numbers()?,
            "offset" => offset = one()? as i32,
            "n_offset" => negative_offset = one()? as i32,
            "counter_reset_hint" => {
                h.reset_hint = match value {
                    "gauge" => ResetHint::Gauge,
                    "reset" => ResetHint::Reset,
                    "not_reset" => ResetHint::NotReset,
                    _ => ResetHint::Unknown,
                }
            }
            other => return wrong(format!("histograms have no {other:?}")),
        }
    }
    let side = |counts: Vec<f64>, offset: i32| -> SparseBuckets { (offset..).zip(counts).collect() };
    h.positive = side(positive, offset);
    h.negative = side(negative, negative_offset);
    h.compact();
    Ok((h, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(text: &str) -> Vec<Option<f64>> {
        values(text).unwrap().into_iter().map(|v| v.map(|v| v.as_float().unwrap())).collect()
    }

    #[test]
    fn values_expand() {
        assert_eq!(floats("1 -2 _ 3x1"), [Some(1.0), Some(-2.0), None, Some(3.0), Some(3.0)]);
        assert_eq!(
            floats("0+10x2 _x2 5-1x1"),
            [0.0, 10.0, 20.0, 0.0, 0.0, 5.0, 4.0]
                .map(Some)
                .iter()
                .enumerate()
                .map(|(i, v)| if i == 3 || i == 4 { None } else { *v })
                .collect::<Vec<_>>()
        );
        assert_eq!(floats("1.5e+2 -Inf .5"), [Some(150.0), Some(f64::NEG_INFINITY), Some(0.5)]);
        assert!(values("1y2").is_err());
    }

    #[test]
    fn series_with_histograms() {
        let (labels, values) =
            series("m{a=\"} x\"} {{schema:1 count:3 buckets:[1 0 2] offset:-1}}x1 4").unwrap();
        assert_eq!(labels.get("a"), Some("} x"));
        assert_eq!(values.len(), 3);
        let Some(PointValue::Histogram(h)) = &values[1] else { panic!("{values:?}") };
        assert_eq!(h.positive, [(-1, 1.0), (1, 2.0)]);
    }
}
