//! Numbers as the formats write them.

/// The NaN that Prometheus stores for a page's `NaN`; it differs from the staleness marker.
const NORMAL_NAN: u64 = 0x7ff8_0000_0000_0001;

/// A float in decimal notation, `Inf` and `NaN` in any case; no hexadecimal, no underscores, no overflow.
pub(super) fn float(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if let Some(value) = short_integer(bytes) {
        return Some(value);
    }
    let value: f64 = text.parse().ok()?;
    if value.is_nan() {
        return (bytes.len() == 3).then(|| f64::from_bits(NORMAL_NAN));
    }
    let written_as_digits = bytes.iter().any(u8::is_ascii_digit);
    (!value.is_infinite() || !written_as_digits).then_some(value)
}

/// Integers of up to 15 digits, which every float holds exactly: most values of most pages.
fn short_integer(bytes: &[u8]) -> Option<f64> {
    if bytes.is_empty() || bytes.len() > 15 {
        return None;
    }
    let mut value = 0u64;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value as f64)
}

/// Writes a float as short as it reads back exactly.
pub(crate) fn write_float(out: &mut String, value: f64) {
    use std::fmt::Write as _;
    let magnitude = value.abs();
    let written = if value.is_nan() {
        out.push_str("NaN");
        Ok(())
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        Ok(())
    } else if magnitude != 0.0 && !(1e-5..1e17).contains(&magnitude) {
        write!(out, "{value:e}")
    } else {
        write!(out, "{value}")
    };
    debug_assert!(written.is_ok(), "writing to a String cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_read_as_prometheus_reads_them() {
        for (text, value) in [
            ("0", 0.0),
            ("123456789012345", 123_456_789_012_345.0),
            ("-1", -1.0),
            ("1.5e3", 1500.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("+Inf", f64::INFINITY),
            ("-inf", f64::NEG_INFINITY),
            ("Infinity", f64::INFINITY),
        ] {
            assert_eq!(float(text), Some(value), "{text}");
        }
        assert_eq!(float("nan").map(f64::to_bits), Some(NORMAL_NAN));
        for bad in ["", "0x1p-3", "1_2", "1e", "e5", ".", "+nan", "1e999", "0b1", "infinit", "1 "] {
            assert_eq!(float(bad), None, "{bad}");
        }
    }

    #[test]
    fn floats_are_written_to_read_back() {
        for value in [0.0, -0.0, 1.0, 0.1, 1e300, 5e-324, f64::MAX, 1_732_000_000.123, -2.5e-7] {
            let mut text = String::new();
            write_float(&mut text, value);
            assert_eq!(float(&text).map(f64::to_bits), Some(value.to_bits()), "{text}");
        }
    }
}
