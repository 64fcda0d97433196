//! Figures and times as people read them. The screen's own formatting follows the same rules, so that a quantity reads the
//! same in a sentence of this engine, in a column and in a chart.

use std::time::Duration;

/// A figure with at most three significant digits and nothing finer than a hundredth, thousands apart: `<0.01`, `0.03`,
/// `1.9`, `84.3`, `8 140`.
#[must_use]
pub fn figure(value: f64) -> String {
    if value.is_nan() {
        return "·".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    let size = value.abs();
    if size > 0.0 && size < 0.005 {
        return if value > 0.0 { "<0.01" } else { ">−0.01" }.to_owned();
    }
    if size >= 9_995_000.0 {
        let letters = [(1e6, 'M'), (1e9, 'G'), (1e12, 'T')];
        return match letters.into_iter().find(|(factor, _)| size < factor * 999.5) {
            Some((factor, letter)) => format!("{} {letter}", figure(value / factor)),
            None => format!("{value:.2e}"),
        };
    }
    // Rounded to three digits first: 99.95 has no decimal left then.
    let power = if size < 1.0 { 0 } else { size.log10().floor() as i32 };
    let step = 10f64.powi(power - 2);
    let rounded = (size / step).round() * step;
    let decimals = usize::try_from(2 - power).unwrap_or(0).min(2);
    let text = format!("{rounded:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let sign = if value < 0.0 && text != "0" { "−" } else { "" };
    format!("{sign}{}{fraction}", thousands(whole))
}

fn thousands(digits: &str) -> String {
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

/// A latency with its unit, which is milliseconds whatever its size: it stands beside limits and in columns of them.
#[must_use]
pub fn latency(millis: f64) -> String {
    format!("{} ms", figure(millis))
}

/// A percentage of which a hundred is the aim: nearly all is not all, so 99.999 is `99.99`.
#[must_use]
pub fn attained(percent: f64) -> String {
    if percent > 90.0 && percent < 100.0 {
        let text = format!("{:.2}", (percent * 100.0).floor() / 100.0);
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    figure(percent)
}

/// How long something has lasted, as exact as it is worth: `7 s`, `2 m 30 s`, `12 m`, `3 h 05 m`, `13 h`, `9 d`. While the
/// larger unit is below ten, the smaller one is told too; where it is zero, it is left out.
#[must_use]
pub fn ago(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..600 if !seconds.is_multiple_of(60) => format!("{minutes} m {:02} s", seconds % 60),
        60..3600 => format!("{minutes} m"),
        3600..36_000 if !minutes.is_multiple_of(60) => format!("{hours} h {:02} m", minutes % 60),
        3600..172_800 => format!("{hours} h"),
        172_800..864_000 if !hours.is_multiple_of(24) => format!("{days} d {} h", hours % 24),
        172_800..63_072_000 => format!("{days} d"),
        _ => format!("{} y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_significant_digits_and_stop_at_the_hundredth() {
        for (value, text) in [
            (0.0, "0"),
            (84.0, "84"),
            (84.25, "84.3"),
            (99.96, "100"),
            (999.6, "1 000"),
            (2466.0, "2 470"),
            (8140.4, "8 140"),
            (1_234_567.0, "1 230 000"),
            (12_345_678.0, "12.3 M"),
            (2.5e9, "2.5 G"),
            (1.903, "1.9"),
            (0.0312, "0.03"),
            (0.00001, "<0.01"),
            (-2.5, "−2.5"),
            (f64::INFINITY, "∞"),
            (f64::NAN, "·"),
        ] {
            assert_eq!(figure(value), text, "{value}");
        }
        assert_eq!(latency(12_345.0), "12 300 ms");
        assert_eq!(latency(84.0), "84 ms");
        assert_eq!((attained(99.999).as_str(), attained(100.0).as_str()), ("99.99", "100"));
    }

    #[test]
    fn what_is_recent_is_told_to_the_second() {
        for (seconds, text) in [
            (59, "59 s"),
            (120, "2 m"),
            (150, "2 m 30 s"),
            (605, "10 m"),
            (3600, "1 h"),
            (11_100, "3 h 05 m"),
            (90_000, "25 h"),
            (266_400, "3 d 2 h"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }
}
