//! Times and spans as Go prints them, and the methods that templates call on them.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::number;
use crate::value::Value;

const SECOND: i64 = 1_000_000_000;

/// A moment and the zone in which it is told.
#[derive(Clone, Debug)]
pub struct Time {
    /// The moment.
    pub at: Timestamp,
    /// The zone.
    pub zone: TimeZone,
}

impl Time {
    /// A moment told in UTC.
    #[must_use]
    pub fn utc(at: Timestamp) -> Self {
        Self { at, zone: TimeZone::UTC }
    }

    /// Go's zero time, the start of year 1.
    #[must_use]
    pub fn zero() -> Self {
        Self::utc(Timestamp::from_second(ZERO).unwrap_or(Timestamp::MIN))
    }

    /// As Go's JSON writes it: `2015-07-01T20:10:30.781Z`.
    #[must_use]
    pub fn rfc3339(&self) -> String {
        format(self, "2006-01-02T15:04:05.999999999Z07:00")
    }

    fn zoned(&self) -> Zoned {
        self.at.to_zoned(self.zone.clone())
    }

    /// Nanoseconds since 1970, as far as 64 bits go.
    fn nanos(&self) -> i64 {
        let nanos = self.at.as_nanosecond();
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    /// The time since an earlier one, in nanoseconds, as far as 64 bits go.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> i64 {
        let nanos = self.at.as_nanosecond() - earlier.at.as_nanosecond();
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    fn plus(&self, nanos: i64) -> Self {
        let at = Timestamp::from_nanosecond(self.at.as_nanosecond() + i128::from(nanos));
        Self { at: at.unwrap_or(Timestamp::MAX), zone: self.zone.clone() }
    }
}

/// The start of year 1, in seconds since 1970.
const ZERO: i64 = -62_135_596_800;

/// A time in UTC.
pub(crate) fn of_nanos(nanos: i64) -> Time {
    Time::utc(Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or(Timestamp::MAX))
}

/// The zone of a name, as Go's `LoadLocation` finds it.
pub(crate) fn zone(name: &str) -> Result<TimeZone, String> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(TimeZone::system()),
        name => TimeZone::get(name).map_err(|_| format!("unknown time zone {name}")),
    }
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
pub(crate) fn print(time: &Time) -> String {
    format(time, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// `1h15m30.918s`
pub(crate) fn print_span(nanos: i64) -> String {
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
pub(crate) fn nanos(seconds: f64) -> Result<i64, String> {
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

/// Elements of a layout, what `strftime` writes for each, and whether a small letter behind it makes it a plain word.
/// Of two that begin alike the longer stands first.
const PARTS: [(&str, &str, bool); 21] = [
    ("January", "%B", false),
    ("Jan", "%b", true),
    ("Monday", "%A", false),
    ("Mon", "%a", true),
    ("MST", "%Z", false),
    ("2006", "%Y", false),
    ("002", "%j", false),
    ("01", "%m", false),
    ("02", "%d", false),
    ("03", "%I", false),
    ("04", "%M", false),
    ("05", "%S", false),
    ("06", "%y", false),
    ("15", "%H", false),
    ("PM", "%p", false),
    ("pm", "%P", false),
    ("_2", "%e", false),
    ("1", "%-m", false),
    ("2", "%-d", false),
    ("3", "%-I", false),
    ("4", "%-M", false),
];

/// Offsets from UTC, the longer first.
const OFFSETS: [&str; 8] = ["-07:00:00", "Z07:00:00", "-07:00", "Z07:00", "-070000", "-0700", "Z0700", "-07"];

/// Writes a time by a layout of Go's: the reference moment `Mon Jan 2 15:04:05 MST 2006`.
pub(crate) fn format(time: &Time, layout: &str) -> String {
    let at = time.zoned();
    let mut out = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        if out.len() > crate::MAX_TEXT {
            break;
        }
        if let Some(part) = OFFSETS.iter().find(|part| rest.starts_with(**part)) {
            offset(&at, part, &mut out);
            rest = &rest[part.len()..];
            continue;
        }
        let starts = |(part, _, alone): &&(&str, &str, bool)| {
            rest.strip_prefix(part)
                .is_some_and(|tail| !alone || !tail.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        let seconds = if rest.starts_with('5') { Some(("5", "%-S")) } else { None };
        let found = PARTS.iter().find(starts).map(|(part, written, _)| (*part, *written)).or(seconds);
        let Some((part, written)) = found else {
            out.push(c);
            rest = &rest[c.len_utf8()..];
            continue;
        };
        out.push_str(&at.strftime(written).to_string());
        rest = &rest[part.len()..];
        // `.000` and `.999` directly behind the seconds are their fraction.
        if matches!(part, "05" | "5") {
            rest = subseconds(at.subsec_nanosecond(), rest, &mut out);
        }
    }
    out
}

fn offset(at: &Zoned, part: &str, out: &mut String) {
    let seconds = at.offset().seconds();
    if part.starts_with('Z') && seconds == 0 {
        out.push('Z');
        return;
    }
    let magnitude = seconds.unsigned_abs();
    let colon = if part.contains(':') { ":" } else { "" };
    out.push(if seconds < 0 { '-' } else { '+' });
    out.push_str(&format!("{:02}", magnitude / 3600));
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    if digits > 2 {
        out.push_str(&format!("{colon}{:02}", magnitude / 60 % 60));
    }
    if digits > 4 {
        out.push_str(&format!("{colon}{:02}", magnitude % 60));
    }
}

fn subseconds<'a>(nanos: i32, rest: &'a str, out: &mut String) -> &'a str {
    let Some(tail) = rest.strip_prefix(['.', ',']) else { return rest };
    let Some(digit @ ('0' | '9')) = tail.chars().next() else { return rest };
    let count = tail.chars().take_while(|c| *c == digit).count().min(9);
    if tail[count..].starts_with(|c: char| c.is_ascii_digit()) {
        return rest;
    }
    let digits = format!("{nanos:09}");
    let shown = &digits[..count];
    let shown = if digit == '9' { shown.trim_end_matches('0') } else { shown };
    if !shown.is_empty() {
        out.push_str(&rest[..1]);
        out.push_str(shown);
    }
    &tail[count..]
}

/// A method of a time; none if there is none of that name.
pub(crate) fn method(time: &Time, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let int = |n: i64| Ok(Value::Int(n));
    let at = || time.zoned();
    let part = |format: &str| Ok(Value::text(at().strftime(format).to_string()));
    let result = match (name, args) {
        ("Format", [layout]) => match layout.as_text() {
            Some(layout) => Ok(Value::text(format(time, layout))),
            None => Err("wrong type for value; expected string".to_owned()),
        },
        ("Add", [Value::Span(span)]) => Ok(Value::Time(time.plus(*span))),
        ("AddDate", [Value::Int(years), Value::Int(months), Value::Int(days)]) => {
            let span = jiff::Span::new()
                .try_years(*years)
                .and_then(|s| s.try_months(*months))
                .and_then(|s| s.try_days(*days));
            match span.and_then(|span| at().checked_add(span)) {
                Ok(moved) => Ok(Value::Time(Time { at: moved.timestamp(), zone: time.zone.clone() })),
                Err(error) => Err(format!("time out of range: {error}")),
            }
        }
        ("Sub", [Value::Time(other)]) => Ok(Value::Span(time.since(other))),
        ("After", [Value::Time(other)]) => Ok(Value::Bool(time.at > other.at)),
        ("Before", [Value::Time(other)]) => Ok(Value::Bool(time.at < other.at)),
        ("Equal", [Value::Time(other)]) => Ok(Value::Bool(time.at == other.at)),
        ("IsZero", []) => Ok(Value::Bool(time.at.as_nanosecond() == i128::from(ZERO) * 1_000_000_000)),
        ("Unix", []) => int(time.at.as_nanosecond().div_euclid(1_000_000_000) as i64),
        ("UnixMilli", []) => int(time.at.as_nanosecond().div_euclid(1_000_000) as i64),
        ("UnixNano", []) => int(time.nanos()),
        ("Year", []) => int(at().year().into()),
        ("Day", []) => int(at().day().into()),
        ("Hour", []) => int(at().hour().into()),
        ("Minute", []) => int(at().minute().into()),
        ("Second", []) => int(at().second().into()),
        ("Nanosecond", []) => int(at().subsec_nanosecond().into()),
        ("YearDay", []) => int(at().day_of_year().into()),
        ("Month", []) => part("%B"),
        ("Weekday", []) => part("%A"),
        ("UTC", []) => Ok(Value::Time(Time::utc(time.at))),
        ("Local", []) => Ok(Value::Time(Time { at: time.at, zone: TimeZone::system() })),
        ("String", []) => Ok(Value::text(print(time))),
        _ => return None,
    };
    Some(result)
}

/// A method of a span; none if there is none of that name.
pub(crate) fn span_method(nanos: i64, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
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
        assert_eq!(print(&of_nanos(1_435_781_430_781_000_000)), "2015-07-01 20:10:30.781 +0000 UTC");
        assert_eq!(print(&of_nanos(0)), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(print(&Time::zero()), "0001-01-01 00:00:00 +0000 UTC");
        assert_eq!(Time::zero().rfc3339(), "0001-01-01T00:00:00Z");
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
        let at = of_nanos(1_435_781_430_781_000_000);
        for (layout, text) in [
            ("2006-01-02T15:04:05Z07:00", "2015-07-01T20:10:30Z"),
            ("Mon, 02 Jan 2006 15:04:05 MST", "Wed, 01 Jul 2015 20:10:30 UTC"),
            ("3:04PM", "8:10PM"),
            ("15:04:05.000", "20:10:30.781"),
            ("15:04:05.999999", "20:10:30.781"),
            ("Monthly Jan2 -07:00 -0700 -07", "Monthly Jul1 +00:00 +0000 +00"),
            ("02/01/06 _2 002 5 4 1", "01/07/15  1 182 30 10 7"),
        ] {
            assert_eq!(format(&at, layout), text, "{layout}");
        }
    }

    #[test]
    fn zones_are_told_with_their_offsets() {
        let at = Time { at: of_nanos(1_435_781_430_781_000_000).at, zone: zone("Europe/Paris").unwrap() };
        for (layout, text) in [
            ("15:04 MST -0700", "22:10 CEST +0200"),
            ("2006-01-02T15:04:05Z07:00", "2015-07-01T22:10:30+02:00"),
            ("Z07:00:00 -070000", "+02:00:00 +020000"),
        ] {
            assert_eq!(format(&at, layout), text, "{layout}");
        }
        assert!(zone("Nowhere/None").is_err());
    }
}
