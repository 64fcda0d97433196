//! Sizes as Prometheus writes them: `10MB`, `512KiB`, `0`.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer};

/// A number of bytes. Units are powers of 1024, with or without the `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) u64);

const UNITS: [(&str, u32); 7] = [("", 0), ("K", 10), ("M", 20), ("G", 30), ("T", 40), ("P", 50), ("E", 60)];

fn parse(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().ok()?;
    if unit.is_empty() {
        // Prometheus takes a bare number only when it is nothing.
        return (number == 0.0).then_some(0);
    }
    let prefix = unit.strip_suffix('B')?;
    let prefix = prefix.strip_suffix('i').filter(|p| !p.is_empty()).unwrap_or(prefix);
    let shift = UNITS.iter().find(|(name, _)| *name == prefix)?.1;
    let bytes = number * (1u64 << shift) as f64;
    (bytes < u64::MAX as f64).then_some(bytes as u64)
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 10MB")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
                parse(text).map(Bytes).ok_or_else(|| {
                    E::custom(format!(
                        "{text:?} is not a size; write a number and a unit (B, KB, MB, GB, TB, PB), as in 10MB, or 0"
                    ))
                })
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [
            ("0", Some(0)),
            ("10B", Some(10)),
            ("1KB", Some(1024)),
            ("1KiB", Some(1024)),
            ("1.5MB", Some(1_572_864)),
            ("2GiB", Some(2 << 30)),
            ("10", None),
            ("MB", None),
            ("10iB", None),
            ("10mb", None),
            ("-1MB", None),
            ("99999999EB", None),
        ] {
            assert_eq!(parse(text), bytes, "{text}");
        }
    }
}
