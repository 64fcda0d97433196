//! Times and spans as Go prints them, and the methods that templates call on them.

use super::number;
use super::value::Value;

const SECOND: i64 = 1_000_000_000;

fn civil(nanos: i64) -> Option<jiff::civil::DateTime> {
    let at = jiff::Timestamp::from_nanosecond(i128::from(nanos)).ok()?;
    Some(at.to_zoned(jiff::tz::TimeZone::UTC).datetime())
}

/// The fraction of a second with its point, trailing zeros dropped.
fn fraction(nanos: i64) -> String {
    let rest = nanos.rem_euclid(SECOND);
    if rest == 0 {
        return String::new();
    }
    format!(".{rest:09}").trim_end_matches('0').to_owned()
}

/// `2015-07-01 20:10:30.781 +0000 UTC`
pub(super) fn print(nanos: i64) -> String {
    match civil(nanos) {
        Some(at) => format!("{}{} +0000 UTC", at.strftime("%Y-%m-%d %H:%M:%S"), fraction(nanos)),
        None => nanos.to_string(),
    }
}

/// `1h15m30.918s`
pub(super) fn print_span(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    let of = |unit: u64| {
        let digits =
            format!("{}.{:0>width$}", magnitude / unit, magnitude % unit, width = unit.ilog10() as usize);
        digits.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match magnitude {
        0 => return "0s".to_owned(),
        1..1000 => return format!("{sign}{magnitude}ns"),
        1000..1_000_000 => return format!("{sign}{}µs", of(1000)),
        1_000_000..1_000_000_000 => return format!("{sign}{}ms", of(1_000_000)),
        _ => {}
    }
    let seconds = magnitude / SECOND as u64;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = format!("{}{}s", seconds % 60, fraction((magnitude % SECOND as u64) as i64));
    if hours > 0 {
        format!("{sign}{hours}h{minutes}m{rest}")
    } else if minutes > 0 {
        format!("{sign}{minutes}m{rest}")
    } else {
        format!("{sign}{rest}")
    }
}

/// Nanoseconds of seconds, if they can be told.
pub(super) fn nanos(seconds: f64) -> Result<i64, String> {
    let nanos = seconds * 1e9;
    if nanos.abs() < i64::MAX as f64 {
        // To the millisecond, as Prometheus has times.
        Ok(nanos as i64 / 1_000_000 * 1_000_000)
    } else {
        Err(format!(
            "{} cannot be represented as a nanoseconds timestamp since it overflows int64",
            number::shortest(seconds)
        ))
    }
}

/// Writes a time by a layout of Go's: the reference moment `Mon Jan 2 15:04:05 MST 2006`.
fn format(nanos: i64, layout: &str) -> String {
    const PARTS: [(&str, &str); 26] = [
        ("January", "%B"),
        ("Jan", "%b"),
        ("Monday", "%A"),
        ("Mon", "%a"),
        ("MST", "UTC"),
        ("2006", "%Y"),
        ("-07:00", "+00:00"),
        ("-0700", "+0000"),
        ("-07", "+00"),
        ("Z07:00", "Z"),
        ("Z0700", "Z"),
        ("002", "%j"),
        ("01", "%m"),
        ("02", "%d"),
        ("03", "%I"),
        ("04", "%M"),
        ("05", "%S"),
        ("06", "%y"),
        ("15", "%H"),
        ("PM", "%p"),
        ("_2", "%e"),
        ("1", "%-m"),
        ("2", "%-d"),
        ("3", "%-I"),
        ("4", "%-M"),
        ("5", "%-S"),
    ];
    let Some(at) = civil(nanos) else { return nanos.to_string() };
    let mut out = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        if let Some((part, written)) = PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            if written.starts_with('%') {
                out.push_str(&at.strftime(written).to_string());
            } else {
                out.push_str(written);
            }
            rest = &rest[part.len()..];
            // `.000` and `.999` directly behind the seconds are their fraction.
            if matches!(*part, "05" | "5") {
                rest = subseconds(nanos, rest, &mut out);
            }
            continue;
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn subseconds<'a>(nanos: i64, rest: &'a str, out: &mut String) -> &'a str {
    let Some(tail) = rest.strip_prefix(['.', ',']) else { return rest };
    let Some(digit @ ('0' | '9')) = tail.chars().next() else { return rest };
    let count = tail.chars().take_while(|c| *c == digit).count().min(9);
    if tail[count..].starts_with(|c: char| c.is_ascii_digit()) {
        return rest;
    }
    let digits = format!("{:09}", nanos.rem_euclid(SECOND));
    let shown = &digits[..count];
    let shown = if digit == '9' { shown.trim_end_matches('0') } else { shown };
    if !shown.is_empty() {
        out.push_str(&rest[..1]);
        out.push_str(shown);
    }
    &tail[count..]
}

/// A method of a time; none if there is none of that name.
pub(super) fn method(nanos: i64, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let int = |n: i64| Ok(Value::Int(n));
    let at = civil(nanos)?;
    let part = |format: &str| Ok(Value::text(at.strftime(format).to_string()));
    let result = match (name, args) {
        ("Format", [Value::Text(layout)]) => Ok(Value::text(format(nanos, layout))),
        ("Format", [_]) => Err("wrong type for value; expected string".to_owned()),
        ("Add", [Value::Span(span)]) => Ok(Value::Time(nanos.saturating_add(*span))),
        ("Sub", [Value::Time(other)]) => Ok(Value::Span(nanos.saturating_sub(*other))),
        ("After", [Value::Time(other)]) => Ok(Value::Bool(nanos > *other)),
        ("Before", [Value::Time(other)]) => Ok(Value::Bool(nanos < *other)),
        ("Unix", []) => int(nanos.div_euclid(SECOND)),
        ("UnixMilli", []) => int(nanos.div_euclid(1_000_000)),
        ("UnixNano", []) => int(nanos),
        ("Year", []) => int(at.year().into()),
        ("Day", []) => int(at.day().into()),
        ("Hour", []) => int(at.hour().into()),
        ("Minute", []) => int(at.minute().into()),
        ("Second", []) => int(at.second().into()),
        ("Nanosecond", []) => int(at.subsec_nanosecond().into()),
        ("YearDay", []) => int(at.date().day_of_year().into()),
        ("Month", []) => part("%B"),
        ("Weekday", []) => part("%A"),
        ("UTC" | "Local", []) => Ok(Value::Time(nanos)),
        ("String", []) => Ok(Value::text(print(nanos))),
        _ => return None,
    };
    Some(result)
}

/// A method of a span; none if there is none of that name.
pub(super) fn span_method(nanos: i64, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    Some(Ok(match (name, args) {
        ("Seconds", []) => Value::Float(nanos as f64 / 1e9),
        ("Minutes", []) => Value::Float(nanos as f64 / 6e10),
        ("Hours", []) => Value::Float(nanos as f64 / 3.6e12),
        ("Milliseconds", []) => Value::Int(nanos / 1_000_000),
        ("Microseconds", []) => Value::Int(nanos / 1000),
        ("Nanoseconds", []) => Value::Int(nanos),
        ("Abs", []) => Value::Span(nanos.saturating_abs()),
        ("String", []) => Value::text(print_span(nanos)),
        ("Truncate", [Value::Span(unit)]) if *unit > 0 => Value::Span(nanos - nanos % unit),
        _ => return None,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_spans_look_as_go_prints_them() {
        assert_eq!(print(1_435_781_430_781_000_000), "2015-07-01 20:10:30.781 +0000 UTC");
        assert_eq!(print(0), "1970-01-01 00:00:00 +0000 UTC");
        for (nanos, text) in [
            (0, "0s"),
            (5, "5ns"),
            (1_500, "1.5µs"),
            (2_050_000, "2.05ms"),
            (1_000_000_000, "1s"),
            (90_500_000_000, "1m30.5s"),
            (-3_600_000_000_000, "-1h0m0s"),
        ] {
            assert_eq!(print_span(nanos), text);
        }
    }

    #[test]
    fn layouts_are_gos() {
        let at = 1_435_781_430_781_000_000;
        for (layout, text) in [
            ("2006-01-02T15:04:05Z07:00", "2015-07-01T20:10:30Z"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "Wed, 01 Jul 2015 20:10:30 UTC"),
            ("3:04PM", "8:10PM"),
            ("15:04:05.000", "20:10:30.781"),
            ("15:04:05.999999", "20:10:30.781"),
        ] {
            assert_eq!(format(at, layout), text, "{layout}");
        }
    }
}
