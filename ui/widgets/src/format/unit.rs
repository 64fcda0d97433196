//! Values with units, and one scale for a whole column or axis.

use std::borrow::Cow;

use super::UNKNOWN;
use super::number::{figure, number, three_digits};

/// What a value is measured in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// A bare number.
    #[default]
    None,
    /// Per cent; 1 is one per cent.
    Percent,
    /// A part of one, shown as per cent.
    Ratio,
    /// Bytes, in powers of 1024.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Seconds.
    Seconds,
    /// Milliseconds, whatever their size: a latency, which is to be compared with its limit and with others.
    Millis,
    /// Things per second.
    PerSecond,
    /// Anything else, by its name.
    Other(Cow<'static, str>),
}

/// How a set of values is shown: divided, and with which unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Scale {
    /// Shown is the value divided by this.
    pub divisor: f64,
    /// The unit behind the number; may be empty.
    pub unit: Cow<'static, str>,
    /// Whether numbers keep three significant digits however small they are; otherwise they stop at the hundredth, as
    /// [`super::figure`] does.
    pub fine: bool,
}

impl Scale {
    /// The number without its unit, for columns and axes that name the unit once.
    #[must_use]
    pub fn value(&self, value: f64) -> String {
        match value / self.divisor {
            value if value.is_nan() => UNKNOWN.to_owned(),
            value if self.fine => number(value),
            value => figure(value),
        }
    }

    /// The same, with three significant digits for small values too.
    #[must_use]
    pub fn fine(self) -> Self {
        Self { fine: true, ..self }
    }

    /// The number with its unit.
    #[must_use]
    pub fn full(&self, value: f64) -> String {
        let text = self.value(value);
        if self.unit.is_empty() || value.is_nan() { text } else { format!("{text} {}", self.unit) }
    }
}

const TIME: [(f64, &str); 6] =
    [(86_400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")];
const BYTES: [(f64, &str); 6] = [
    (1_125_899_906_842_624.0, "PiB"),
    (1_099_511_627_776.0, "TiB"),
    (1_073_741_824.0, "GiB"),
    (1_048_576.0, "MiB"),
    (1024.0, "KiB"),
    (1.0, "B"),
];
const RATES: [(f64, &str); 6] = [
    (1_125_899_906_842_624.0, "PiB/s"),
    (1_099_511_627_776.0, "TiB/s"),
    (1_073_741_824.0, "GiB/s"),
    (1_048_576.0, "MiB/s"),
    (1024.0, "KiB/s"),
    (1.0, "B/s"),
];

impl Unit {
    /// A unit by the name that metrics end with or that a configuration gives: `seconds`, `bytes`, `ratio`, …
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "" | "total" | "count" | "short" | "none" => Self::None,
            "percent" | "%" => Self::Percent,
            "ratio" => Self::Ratio,
            "bytes" | "B" => Self::Bytes,
            "bytes/s" | "B/s" => Self::BytesPerSecond,
            "seconds" | "s" => Self::Seconds,
            "milliseconds" | "ms" => Self::Millis,
            "per second" | "/s" => Self::PerSecond,
            other => Self::Other(Cow::Owned(other.to_owned())),
        }
    }

    /// One value with the unit that fits it best: `84 ms`, `1.2 GiB`, `412 /s`.
    #[must_use]
    pub fn full(&self, value: f64) -> String {
        scale_for([value], self).full(value)
    }

    fn steps(&self) -> (&'static [(f64, &'static str)], f64) {
        match self {
            Self::Seconds => (&TIME, 1.0),
            Self::Bytes => (&BYTES, 1.0),
            Self::BytesPerSecond => (&RATES, 1.0),
            _ => (&[], 1.0),
        }
    }

    fn fixed(&self) -> Scale {
        let (divisor, unit) = match self {
            Self::Percent => (1.0, Cow::Borrowed("%")),
            Self::Ratio => (0.01, Cow::Borrowed("%")),
            Self::PerSecond => (1.0, Cow::Borrowed("/s")),
            Self::Millis => (1.0, Cow::Borrowed("ms")),
            Self::Other(name) => (1.0, name.clone()),
            _ => (1.0, Cow::Borrowed("")),
        };
        // Numbers of an unknown kind may be of any size.
        let fine = *self == Self::None;
        Scale { divisor, unit, fine }
    }
}

/// The one scale that suits all of these values: that of the largest, so that a column can be compared by eye. Values
/// that are not numbers do not count.
pub fn scale_for(values: impl IntoIterator<Item = f64>, unit: &Unit) -> Scale {
    let largest = values.into_iter().filter(|v| v.is_finite()).fold(0f64, |most, v| most.max(v.abs()));
    let (steps, per_base) = unit.steps();
    if steps.is_empty() {
        return unit.fixed();
    }
    let largest_base = largest / per_base;
    // Half a unit of slack: 0.9995 ms is 1 ms, not 1 000 µs. Minutes and longer only from two on; seconds only from ten
    // on, so that 2 470 ms reads the same here as among latencies, which are milliseconds everywhere.
    let fits = |&&(size, name): &&(f64, &str)| {
        let least = match name {
            "min" | "h" | "d" => 2.0,
            "s" => 9.995,
            _ => 0.9995,
        };
        largest_base >= size * least
    };
    let (size, name) = if largest == 0.0 {
        steps.iter().find(|(size, _)| *size == 1.0)
    } else {
        steps.iter().find(fits).or(steps.last())
    }
    .copied()
    .unwrap_or((1.0, ""));
    Scale { divisor: size * per_base, unit: Cow::Borrowed(name), fine: true }
}

/// A rounded number for an axis tick, without a unit.
pub(crate) fn tick(value: f64) -> String {
    if value.abs() < 99_950.0 && value.abs() >= 1e-4 { three_digits(value) } else { number(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scale_for_a_column() {
        let scale = scale_for([0.029, 0.084, f64::NAN], &Unit::Seconds);
        assert_eq!((scale.value(0.084), scale.unit.as_ref()), ("84".to_owned(), "ms"));
        assert_eq!(scale.value(f64::NAN), "·");
        let scale = scale_for([512.0, 3.5 * 1024.0 * 1024.0], &Unit::Bytes);
        assert_eq!(scale.full(3.5 * 1024.0 * 1024.0), "3.5 MiB");
    }

    #[test]
    fn values_carry_the_unit_that_fits() {
        assert_eq!(Unit::Seconds.full(0.084), "84 ms");
        assert_eq!(Unit::Seconds.full(2.466), "2 470 ms");
        assert_eq!(Unit::Millis.full(2466.0), "2 470 ms");
        assert_eq!(Unit::Millis.full(30_000.0), "30 000 ms");
        assert_eq!(Unit::Millis.full(0.004), "<0.01 ms");
        assert_eq!(Unit::Seconds.full(12.5), "12.5 s");
        assert_eq!(Unit::Percent.full(0.0785), "0.08 %");
        assert_eq!(Unit::PerSecond.full(0.0021), "<0.01 /s");
        assert_eq!(scale_for([0.0021], &Unit::PerSecond).fine().full(0.0021), "0.0021 /s");
        assert_eq!(Unit::Seconds.full(0.0), "0 s");
        assert_eq!(Unit::Seconds.full(90.0), "90 s");
        assert_eq!(Unit::Seconds.full(7200.0), "2 h");
        assert_eq!(Unit::Millis.full(84.0), "84 ms");
        assert_eq!(Unit::Ratio.full(0.031), "3.1 %");
        assert_eq!(Unit::PerSecond.full(8143.0), "8 140 /s");
        assert_eq!(Unit::Bytes.full(f64::NAN), "·");
        assert_eq!(Unit::named("requests").full(3.0), "3 requests");
    }
}
