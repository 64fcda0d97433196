//! Plain numbers.

use super::UNKNOWN;

/// A number with at most three significant digits: `412`, `8 140`, `1.9`, `0.032`, `1.23 M`; `·` for NaN.
#[must_use]
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return UNKNOWN.to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "∞" } else { "−∞" }.to_owned();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    if size < 1e-4 {
        return exponent(value);
    }
    if size < 99_950.0 {
        return three_digits(value);
    }
    for (factor, letter) in [(1e3, 'k'), (1e6, 'M'), (1e9, 'G'), (1e12, 'T')] {
        if size < factor * 999.5 {
            return format!("{} {letter}", three_digits(value / factor));
        }
    }
    exponent(value)
}

/// A measured figure (a rate, a percentage, a latency in milliseconds): as [`number`], but never finer than a hundredth,
/// so that figures of a column can stand under each other. What is not zero is never shown as zero: `<0.01`.
#[must_use]
pub fn figure(value: f64) -> String {
    let size = value.abs();
    if size > 0.0 && size < 0.005 {
        return if value > 0.0 { "<0.01" } else { ">−0.01" }.to_owned();
    }
    if size < 1.0 {
        return number((value * 100.0).round() / 100.0);
    }
    // Written out as long as it fits a column: 123 000 compares with 98 400 better than 123 k.
    if size < 9_995_000.0 { three_digits(value) } else { number(value) }
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

/// Three significant digits, trailing zeros of the fraction gone, thousands apart.
pub(super) fn three_digits(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    let power = size.log10().floor() as i32;
    let step = 10f64.powi((power - 2).max(-300));
    let rounded = (value / step).round() * step;
    let decimals = (2 - power).clamp(0, 9) as usize;
    if decimals == 0 {
        return minus(grouped(rounded.abs() as u64), value);
    }
    let text = format!("{:.decimals$}", rounded.abs());
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    minus(text.to_owned(), value)
}

fn exponent(value: f64) -> String {
    let text = format!("{:.2e}", value.abs());
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = digits.trim_end_matches('0').trim_end_matches('.');
    minus(format!("{digits}e{power}"), value)
}

/// With a real minus sign, as wide as a plus.
fn minus(text: String, value: f64) -> String {
    if value < 0.0 && text != "0" { format!("−{text}") } else { text }
}

/// How many of something, with the word for it: `1 request`, `2 107 requests`.
#[must_use]
pub fn counted(count: u64, word: &str) -> String {
    let many = if count == 1 { "" } else { "s" };
    format!("{} {word}{many}", grouped(count))
}

/// A count in full, thousands apart by a space: `1 204 331`.
#[must_use]
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_significant_digits_are_enough() {
        for (value, wanted) in [
            (0.0, "0"),
            (-0.0, "0"),
            (412.4, "412"),
            (8143.0, "8 140"),
            (1.9, "1.9"),
            (0.4, "0.4"),
            (99.95, "100"),
            (999.6, "1 000"),
            (0.03217, "0.0322"),
            (0.000_021, "2.1e-5"),
            (99_940.0, "99 900"),
            (123_456.0, "123 k"),
            (1_234_567.0, "1.23 M"),
            (2.5e18, "2.5e18"),
            (-2.71, "−2.71"),
            (f64::NAN, "·"),
            (f64::INFINITY, "∞"),
            (f64::MAX, "1.8e308"),
            (f64::MIN_POSITIVE, "2.23e-308"),
        ] {
            assert_eq!(number(value), wanted, "{value}");
        }
    }

    #[test]
    fn figures_stop_at_the_hundredth_and_never_lie_about_zero() {
        for (value, wanted) in [
            (0.0, "0"),
            (0.004, "<0.01"),
            (0.0785, "0.08"),
            (0.125, "0.13"),
            (0.996, "1"),
            (1.234, "1.23"),
            (12.34, "12.3"),
            (2466.0, "2 470"),
            (123_456.0, "123 000"),
            (12_345_678.0, "12.3 M"),
            (-0.2, "−0.2"),
            (f64::NAN, "·"),
        ] {
            assert_eq!(figure(value), wanted, "{value}");
        }
    }

    #[test]
    fn nearly_all_is_not_all() {
        for (value, wanted) in
            [(99.999, "99.99"), (99.5, "99.5"), (100.0, "100"), (42.123, "42.1"), (f64::NAN, "·")]
        {
            assert_eq!(attained(value), wanted, "{value}");
        }
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_204_331), "1 204 331");
    }
}
