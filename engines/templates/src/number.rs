//! Numbers as Go's `strconv` and Prometheus's template functions write them.

/// `NaN`, `+Inf`, `-Inf`; none for finite numbers.
fn special(v: f64) -> Option<&'static str> {
    if v.is_nan() {
        Some("NaN")
    } else if v.is_infinite() {
        Some(if v > 0.0 { "+Inf" } else { "-Inf" })
    } else {
        None
    }
}

/// `%v` and `%g`: the fewest digits that read back the same; an exponent below 1e-4 and from 1e6 on.
pub fn shortest(v: f64) -> String {
    match special(v) {
        Some(text) => text.to_owned(),
        None => general(&format!("{v:e}"), 6),
    }
}

/// `%.Ng`: so many significant digits, trailing zeros dropped.
pub(crate) fn significant(v: f64, digits: usize) -> String {
    let digits = digits.max(1);
    match special(v) {
        Some(text) => text.to_owned(),
        None => {
            let text = format!("{v:.*e}", digits - 1);
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            let trimmed = if mantissa.contains('.') {
                mantissa.trim_end_matches('0').trim_end_matches('.')
            } else {
                mantissa
            };
            let count = trimmed.bytes().filter(u8::is_ascii_digit).count() as i32;
            let power: i32 = exponent.parse().unwrap_or_default();
            let digits = i32::try_from(digits).unwrap_or(i32::MAX);
            // As strconv: an integer that needs all its digits keeps them.
            let limit = if digits > count && count > power { count } else { digits };
            general(&format!("{trimmed}e{exponent}"), limit)
        }
    }
}

/// `%.Ne`
pub(crate) fn exponential(v: f64, precision: usize) -> String {
    match special(v) {
        Some(text) => text.to_owned(),
        None => {
            let text = format!("{v:.precision$e}");
            let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
            with_exponent(mantissa, exponent.parse().unwrap_or_default())
        }
    }
}

/// `%.Nf`
pub(crate) fn fixed(v: f64, precision: usize) -> String {
    match special(v) {
        Some(text) => text.to_owned(),
        None => format!("{v:.precision$}"),
    }
}

/// From `d.ddde±x` to the shorter notation; an exponent from `limit` on.
fn general(text: &str, limit: i32) -> String {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if exponent < -4 || exponent >= limit {
        return with_exponent(mantissa, exponent);
    }
    let (sign, unsigned) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = unsigned.chars().filter(char::is_ascii_digit).collect();
    let point = exponent + 1;
    if point <= 0 {
        let zeros = "0".repeat(usize::try_from(-point).unwrap_or_default());
        return format!("{sign}0.{zeros}{digits}");
    }
    let point = usize::try_from(point).unwrap_or_default();
    if point >= digits.len() {
        format!("{sign}{digits}{}", "0".repeat(point - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..point], &digits[point..])
    }
}

fn with_exponent(mantissa: &str, exponent: i32) -> String {
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];

/// Divides or multiplies by 1000 until the number is handy; the prefix says how often.
fn metric(
    mut v: f64,
    prefixes: [&'static str; 8],
    done: fn(f64) -> bool,
    factor: f64,
) -> (f64, &'static str) {
    let mut prefix = "";
    for p in prefixes {
        if done(v.abs()) {
            break;
        }
        prefix = p;
        v *= factor;
    }
    (v, prefix)
}

/// `humanize`: metric prefixes.
pub(crate) fn humanize(v: f64) -> String {
    if v == 0.0 || !v.is_finite() {
        return significant(v, 4);
    }
    let (v, prefix) = if v.abs() >= 1.0 {
        let mut scaled = v;
        let mut prefix = "";
        for p in LARGE {
            if scaled.abs() < 1000.0 {
                break;
            }
            prefix = p;
            scaled /= 1000.0;
        }
        (scaled, prefix)
    } else {
        metric(v, SMALL, |v| v >= 1.0, 1000.0)
    };
    format!("{}{prefix}", significant(v, 4))
}

/// `humanize1024`: binary prefixes.
pub(crate) fn humanize_1024(mut v: f64) -> String {
    if v.abs() <= 1.0 || !v.is_finite() {
        return significant(v, 4);
    }
    let mut prefix = "";
    for p in ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"] {
        if v.abs() < 1024.0 {
            break;
        }
        prefix = p;
        v /= 1024.0;
    }
    format!("{}{prefix}", significant(v, 4))
}

/// `humanizeDuration`: seconds as days to minutes, or with a prefix below one.
pub(crate) fn humanize_duration(v: f64) -> String {
    if !v.is_finite() {
        return significant(v, 4);
    }
    if v == 0.0 {
        return format!("{}s", significant(v, 4));
    }
    if v.abs() < 1.0 {
        let (v, prefix) = metric(v, SMALL, |v| v >= 1.0, 1000.0);
        return format!("{}{prefix}s", significant(v, 4));
    }
    let (sign, v) = if v < 0.0 { ("-", -v) } else { ("", v) };
    let whole = v as i64;
    let (seconds, minutes, hours, days) = (whole % 60, whole / 60 % 60, whole / 3600 % 24, whole / 86_400);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", significant(v, 4))
    }
}

/// `humanizePercentage`: a ratio in percent.
pub(crate) fn humanize_percentage(v: f64) -> String {
    format!("{}%", significant(v * 100.0, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_look_as_go_writes_them() {
        for (v, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (-12.5, "-12.5"),
            (1e6, "1e+06"),
            (123_456_789.0, "1.23456789e+08"),
            (100_000.0, "100000"),
            (1_234_567.0, "1.234567e+06"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(shortest(v), text);
        }
        for (v, digits, text) in [
            (1234.5678, 4, "1235"),
            (12345.0, 4, "1.234e+04"),
            (100.0, 4, "100"),
            (0.5, 4, "0.5"),
            (99999.0, 4, "1e+05"),
            (1e-7, 4, "1e-07"),
            (123.0, 3, "123"),
        ] {
            assert_eq!(significant(v, digits), text);
        }
    }

    #[test]
    fn humanized_numbers() {
        for (v, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (1_234_567.0, "1.235M"),
            (0.12, "120m"),
            (-1e-5, "-10u"),
            (1e30, "1e+06Y"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(humanize(v), text);
        }
        for (v, text) in [(0.0, "0"), (1.0, "1"), (1_048_576.0, "1Mi"), (1e3, "1000"), (0.5, "0.5")] {
            assert_eq!(humanize_1024(v), text);
        }
        for (v, text) in [
            (0.0, "0s"),
            (1.0, "1s"),
            (60.0, "1m 0s"),
            (3600.0, "1h 0m 0s"),
            (86_400.0, "1d 0h 0m 0s"),
            (-90_061.0, "-1d 1h 1m 1s"),
            (899.99, "14m 59s"),
            (12.3456, "12.35s"),
            (0.001, "1ms"),
            (1e-6, "1us"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(humanize_duration(v), text);
        }
        assert_eq!(humanize_percentage(0.123_456), "12.35%");
    }
}
