//! The functions that Prometheus adds.

use std::sync::Arc;

use quarterdeck_kernel::Timestamp;

use super::builtins::{wrong_count, wrong_type};
use super::number;
use super::time;
use super::value::{Map, SampleValue, Value};
use super::{Environment, Queries};

/// Names and how many arguments each takes; none for any number.
const KNOWN: [(&str, Option<usize>); 29] = [
    ("query", Some(1)),
    ("first", Some(1)),
    ("label", Some(2)),
    ("value", Some(1)),
    ("strvalue", Some(1)),
    ("args", None),
    ("reReplaceAll", Some(3)),
    ("safeHtml", Some(1)),
    ("match", Some(2)),
    ("title", Some(1)),
    ("toUpper", Some(1)),
    ("toLower", Some(1)),
    ("graphLink", Some(1)),
    ("tableLink", Some(1)),
    ("sortByLabel", Some(2)),
    ("stripPort", Some(1)),
    ("stripDomain", Some(1)),
    ("humanize", Some(1)),
    ("humanize1024", Some(1)),
    ("humanizeDuration", Some(1)),
    ("humanizePercentage", Some(1)),
    ("humanizeTimestamp", Some(1)),
    ("toTime", Some(1)),
    ("toDuration", Some(1)),
    ("now", Some(0)),
    ("pathPrefix", Some(0)),
    ("externalURL", Some(0)),
    ("parseDuration", Some(1)),
    ("urlQueryEscape", Some(1)),
];

pub(super) fn is_known(name: &str) -> bool {
    KNOWN.iter().any(|(known, _)| *known == name)
}

/// Calls one; errors as with [`super::builtins::call`].
pub(super) fn call(
    name: &str,
    args: &[Value],
    environment: &Environment<'_>,
    queries: &dyn Queries,
) -> Result<Value, String> {
    if let Some((_, Some(count))) = KNOWN.iter().find(|(known, _)| *known == name)
        && args.len() != *count
    {
        return Err(wrong_count(name, *count, true, args.len()));
    }
    let text = |i: usize| match &args[i] {
        Value::Text(text) => Ok(&**text),
        other => Err(wrong_type(other, "string")),
    };
    let sample = |i: usize| match &args[i] {
        Value::Sample(sample) => Ok(&**sample),
        other => Err(wrong_type(other, "*template.sample")),
    };
    let list = |i: usize| match &args[i] {
        Value::List(list) => Ok(list),
        other => Err(wrong_type(other, "template.queryResult")),
    };
    match name {
        "query" => query(text(0)?, queries),
        "first" => {
            list(0)?.first().cloned().ok_or_else(|| "first() called on vector with no elements".to_owned())
        }
        "label" => Ok(label(sample(1)?, text(0)?)),
        "value" => Ok(Value::Float(sample(0)?.value)),
        "strvalue" => Ok(label(sample(0)?, "__value__")),
        "args" => {
            let entries =
                args.iter().enumerate().map(|(i, v)| (Arc::from(format!("arg{i}")), v.clone())).collect();
            Ok(Value::Map(Arc::new(Map { entries, texts: false })))
        }
        "reReplaceAll" => {
            let found = pattern(text(0)?)?;
            Ok(Value::text(found.replace_all(text(2)?, text(1)?).into_owned()))
        }
        "match" => Ok(Value::Bool(pattern(text(0)?)?.is_match(text(1)?))),
        "safeHtml" => Ok(Value::text(text(0)?)),
        "title" => Ok(Value::text(title(text(0)?))),
        "toUpper" => Ok(Value::text(text(0)?.to_uppercase())),
        "toLower" => Ok(Value::text(text(0)?.to_lowercase())),
        "graphLink" => Ok(Value::text(link(text(0)?, 0))),
        "tableLink" => Ok(Value::text(link(text(0)?, 1))),
        "sortByLabel" => {
            let name = text(0)?;
            let mut sorted: Vec<Value> = list(1)?.to_vec();
            let key = |value: &Value| match value {
                Value::Sample(sample) => label(sample, name).to_text(),
                _ => String::new(),
            };
            sorted.sort_by_cached_key(key);
            Ok(Value::List(sorted.into()))
        }
        "stripPort" => {
            let address = text(0)?;
            Ok(Value::text(split_port(address).map_or(address, |(host, _)| host)))
        }
        "stripDomain" => Ok(Value::text(strip_domain(text(0)?))),
        "humanize" => Ok(Value::text(number::humanize(float(&args[0])?))),
        "humanize1024" => Ok(Value::text(number::humanize_1024(float(&args[0])?))),
        "humanizeDuration" => Ok(Value::text(number::humanize_duration(float(&args[0])?))),
        "humanizePercentage" => Ok(Value::text(number::humanize_percentage(float(&args[0])?))),
        "humanizeTimestamp" => {
            let v = float(&args[0])?;
            if !v.is_finite() {
                return Ok(Value::text(number::significant(v, 4)));
            }
            Ok(Value::text(time::print(time::nanos(v)?)))
        }
        "toTime" | "toDuration" => {
            let v = float(&args[0])?;
            if !v.is_finite() {
                return Err("value is NaN or Inf".to_owned());
            }
            let nanos = time::nanos(v)?;
            Ok(if name == "toTime" { Value::Time(nanos) } else { Value::Span(nanos) })
        }
        "now" => Ok(Value::Float(Timestamp::as_secs_f64(environment.now))),
        "pathPrefix" => {
            let path = url::Url::parse(environment.external_url).map(|url| url.path().to_owned());
            Ok(Value::text(path.unwrap_or_default().trim_end_matches('/')))
        }
        "externalURL" => Ok(Value::text(environment.external_url)),
        "parseDuration" => {
            let written = text(0)?;
            quarterdeck_kernel::time::parse_duration(written)
                .map(|d| Value::Float(d.as_secs_f64()))
                .map_err(|_| format!("not a valid duration string: {}", super::quote::quote(written)))
        }
        "urlQueryEscape" => Ok(Value::text(escape(text(0)?))),
        other => Err(format!("wrong name: there is no function {other:?}")),
    }
}

fn query(text: &str, queries: &dyn Queries) -> Result<Value, String> {
    let found = queries.query(text)?;
    let samples = found.into_iter().map(|(labels, value)| {
        Value::Sample(Arc::new(SampleValue { labels: Value::labels(&labels), value }))
    });
    Ok(Value::List(samples.collect()))
}

fn label(sample: &SampleValue, name: &str) -> Value {
    sample.labels.entries.get(name).cloned().unwrap_or_else(|| Value::text(""))
}

fn pattern(text: &str) -> Result<regex::Regex, String> {
    regex::RegexBuilder::new(text).size_limit(1 << 20).build().map_err(|e| {
        let why = e.to_string();
        let last = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
        format!("error parsing regexp: {last}: `{text}`")
    })
}

/// The first letter of each word in upper case.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        if inside {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || c == '_' || c == '\'' || (inside && c == '.');
    }
    out
}

fn escape(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn link(expr: &str, tab: u8) -> String {
    format!("/graph?g0.expr={}&g0.tab={tab}", escape(expr))
}

/// `host:port` or `[host]:port`; none if it is neither.
fn split_port(address: &str) -> Option<(&str, &str)> {
    let (host, port) = address.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    match bare {
        Some(host) => Some((host, port)),
        None if host.contains([':', '[', ']']) => None,
        None => Some((host, port)),
    }
}

fn strip_domain(address: &str) -> String {
    let (host, port) = split_port(address).unwrap_or((address, ""));
    if host.parse::<std::net::IpAddr>().is_ok() {
        return address.to_owned();
    }
    let short = host.split('.').next().unwrap_or_default();
    if port.is_empty() { short.to_owned() } else { format!("{short}:{port}") }
}

fn float(value: &Value) -> Result<f64, String> {
    match value {
        Value::Float(v) => Ok(*v),
        Value::Int(v) => Ok(*v as f64),
        Value::Span(v) => Ok(*v as f64 / 1e9),
        Value::Text(text) => text.parse().map_err(|_| {
            format!("strconv.ParseFloat: parsing {}: invalid syntax", super::quote::quote(text))
        }),
        other => Err(format!("can't convert {} to float", other.type_name())),
    }
}
