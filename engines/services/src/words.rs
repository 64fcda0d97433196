//! Figures and times as people read them.

use std::time::Duration;

/// A figure with at most three significant digits, thousands whole: `0.031`, `1.9`, `84.2`, `8140`.
#[must_use]
pub fn figure(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return value.to_string();
    }
    let decimals = match magnitude {
        m if m >= 99.95 || m == 0.0 => 0,
        m if m >= 9.995 => 1,
        m if m >= 0.9995 => 2,
        m if m >= 0.0005 || value < 0.0 => 3,
        _ => return "<0.001".to_owned(),
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A latency in milliseconds, with its unit: `84 ms`, `1.2 s`.
#[must_use]
pub fn latency(millis: f64) -> String {
    if millis.abs() >= 10_000.0 {
        format!("{} s", figure(millis / 1000.0))
    } else {
        format!("{} ms", figure(millis))
    }
}

/// How long something has lasted, in its largest unit: `7 s`, `2 m`, `3 h`, `9 d`.
#[must_use]
pub fn ago(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} m", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_significant_digits() {
        for (value, text) in [
            (0.0, "0"),
            (84.0, "84"),
            (84.25, "84.2"),
            (99.99, "100"),
            (8140.4, "8140"),
            (1.903, "1.9"),
            (0.0312, "0.031"),
            (0.00001, "<0.001"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(figure(value), text);
        }
        assert_eq!(latency(12_345.0), "12.3 s");
        assert_eq!(latency(84.0), "84 ms");
        assert_eq!(ago(Duration::from_secs(59)), "59 s");
        assert_eq!(ago(Duration::from_secs(150)), "2 m");
        assert_eq!(ago(Duration::from_secs(90_000)), "1 d");
    }
}
