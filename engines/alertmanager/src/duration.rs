//! Durations as Alertmanager's files write them: Prometheus's notation (`90s`, `1h30m`, `4d`), strictly.

use std::time::Duration;

use quarterdeck_kernel::time::{DurationError, parse_duration};

/// The longest that Prometheus's own type can hold: nanoseconds in 63 bits, about 292 years.
const LONGEST: Duration = Duration::from_nanos(i64::MAX as u64);

/// Parses a duration: numbers with units `y w d h m s ms`, each at most once, largest first; `0` needs none.
///
/// # Errors
/// When the text is not of that form or names more than 292 years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let duration = parse_duration(text)?;
    if duration > LONGEST {
        return Err(DurationError { found: text.to_owned() });
    }
    Ok(duration)
}

/// Parses a duration in Go's own notation (`1h30m`, `1.5h`, `500ms`, `2us`), which a few settings use instead.
/// Negative durations are refused.
///
/// # Errors
/// When the text is not of that form.
pub fn parse_go(text: &str) -> Result<Duration, DurationError> {
    let fail = || DurationError { found: text.to_owned() };
    let body = text.strip_prefix('+').unwrap_or(text);
    if body == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut total) = (body, 0f64);
    if rest.is_empty() {
        return Err(fail());
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fail)?;
        let number: f64 = rest[..end].parse().map_err(|_| fail())?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(fail()),
        };
        rest = &rest[end..];
        total += number * unit;
    }
    Duration::try_from_secs_f64(total).ok().filter(|d| *d <= LONGEST).ok_or_else(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_durations() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("0"), Ok(Duration::ZERO));
        for bad in ["", "5", "1.5h", "-1s", "300y", "1m1h"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn go_durations() {
        assert_eq!(parse_go("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_go("1h1m1s500ms"), Ok(Duration::from_millis(3_661_500)));
        for bad in ["", "5", "1d", "-1s", ".", "1..2s"] {
            assert!(parse_go(bad).is_err(), "{bad}");
        }
    }
}
