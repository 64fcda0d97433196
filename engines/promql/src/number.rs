//! Numbers and durations as text; sums that do not lose small terms.

/// A float in the shortest form that reads back the same, exponents only where the number is very large or small;
/// `NaN`, `+Inf`, `-Inf` as Prometheus writes them.
#[must_use]
pub fn format_float(v: f64) -> String {
    if v.is_nan() {
        "NaN".to_owned()
    } else if v.is_infinite() {
        if v > 0.0 { "+Inf".to_owned() } else { "-Inf".to_owned() }
    } else {
        format!("{v}")
    }
}

/// A float in the general form of fewest digits: exponents below 1e-4 and from 1e21 on.
#[must_use]
pub fn format_general(v: f64) -> String {
    let magnitude = v.abs();
    if !v.is_finite() || magnitude == 0.0 || (1e-4..1e21).contains(&magnitude) {
        return format_float(v);
    }
    let text = format!("{v:e}");
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(rest) => ('-', rest),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => text,
    }
}

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Milliseconds as the language writes them: `1h30m`, `-5m`, `0s`.
#[must_use]
pub fn format_duration(millis: i64) -> String {
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    if millis < 0 {
        text.push('-');
    }
    let mut rest = millis.unsigned_abs();
    for (unit, size) in UNITS {
        // Years and weeks only when they come out even: 30d is easier to read than 4w2d.
        let whole = !matches!(unit, "y" | "w") || rest.is_multiple_of(size);
        if whole && rest >= size {
            text.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    text
}

/// The milliseconds of a duration such as `1h30m`: units from large to small, each at most once.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: u64 = 0;
    let mut last = None;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let position = UNITS.iter().position(|(u, _)| *u == &rest[..letters])?;
        rest = &rest[letters..];
        if last.is_some_and(|l| position <= l) {
            return None;
        }
        last = Some(position);
        total = total.checked_add(number.checked_mul(UNITS[position].1)?)?;
    }
    last?;
    // The same bound as a count of nanoseconds in 63 bits.
    i64::try_from(total).ok().filter(|ms| *ms <= i64::MAX / 1_000_000)
}

/// Kahan's summation as improved by Neumaier: `sum + compensation` is the exact sum up to rounding.
pub(crate) fn kahan_add(value: f64, sum: &mut f64, compensation: &mut f64) {
    let total = *sum + value;
    if total.is_infinite() {
        *compensation = 0.0;
    } else if sum.abs() >= value.abs() {
        *compensation += (*sum - total) + value;
    } else {
        *compensation += (value - total) + *sum;
    }
    *sum = total;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print() {
        assert_eq!(parse_duration("1h30m"), Some(5_400_000));
        assert_eq!(parse_duration("1ms"), Some(1));
        assert_eq!(parse_duration("1m1h"), None);
        assert_eq!(parse_duration("1m1m"), None);
        assert_eq!(parse_duration("99999999999y"), None);
        for text in ["1h30m", "5m", "30d", "1w", "1y", "500ms", "1s500ms"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
        assert_eq!(format_duration(-300_000), "-5m");
    }

    #[test]
    fn floats_print_as_prometheus_prints_them() {
        assert_eq!(format_float(0.5), "0.5");
        assert_eq!(format_float(f64::INFINITY), "+Inf");
        assert_eq!(format_general(1e100), "1e+100");
        assert_eq!(format_general(0.00001), "1e-05");
        assert_eq!(format_general(1.1), "1.1");
    }

    #[test]
    fn summation_keeps_small_terms() {
        let (mut sum, mut compensation) = (0.0, 0.0);
        for v in [1.0, 1e100, 1.0, -1e100] {
            kahan_add(v, &mut sum, &mut compensation);
        }
        assert_eq!(sum + compensation, 2.0);
    }
}
