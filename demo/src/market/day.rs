use std::time::Duration;

/// A market day in fast motion, repeated without end: pre-open, a busy open, a lunch lull, a busier close.
#[derive(Clone, Copy, Debug)]
pub struct MarketDay {
    epoch_ms: i64,
    length_ms: i64,
}

/// What the market is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Orders are collected, little trades.
    PreOpen,
    /// The rush of the first minutes.
    Open,
    /// It calms down.
    Morning,
    /// The lull.
    Lunch,
    /// It picks up.
    Afternoon,
    /// The rush of the last minutes.
    Close,
    /// What is left over trades.
    AfterHours,
}

impl Phase {
    /// The word in messages and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PreOpen => "pre_open",
            Self::Open => "open",
            Self::Morning => "morning",
            Self::Lunch => "lunch",
            Self::Afternoon => "afternoon",
            Self::Close => "close",
            Self::AfterHours => "after_hours",
        }
    }
}

/// Where in the day the opening bell rings and the closing one, as fractions of it.
const OPEN: f64 = 0.03;
const CLOSE: f64 = 0.95;
/// Activity outside trading hours.
const QUIET: f64 = 0.35;

impl MarketDay {
    /// Days of `length` (at least a second) one after the other, the first beginning at `epoch_ms` since 1970.
    pub fn new(epoch_ms: i64, length: Duration) -> Self {
        let length_ms = i64::try_from(length.as_millis()).unwrap_or(i64::MAX).max(1_000);
        Self { epoch_ms, length_ms }
    }

    /// Which day it is at `now_ms`, from 0.
    pub fn number(&self, now_ms: i64) -> i64 {
        now_ms.saturating_sub(self.epoch_ms).div_euclid(self.length_ms)
    }

    /// How much of the day has passed at `now_ms`, from 0 to below 1.
    pub fn fraction(&self, now_ms: i64) -> f64 {
        now_ms.saturating_sub(self.epoch_ms).rem_euclid(self.length_ms) as f64 / self.length_ms as f64
    }

    /// The phase at a fraction of the day.
    pub fn phase(fraction: f64) -> Phase {
        match fraction {
            f if f < OPEN => Phase::PreOpen,
            f if f < 0.18 => Phase::Open,
            f if f < 0.42 => Phase::Morning,
            f if f < 0.58 => Phase::Lunch,
            f if f < 0.82 => Phase::Afternoon,
            f if f < CLOSE => Phase::Close,
            _ => Phase::AfterHours,
        }
    }

    /// How busy the market is at a fraction of the day; about 1 on average over a day, never 0.
    pub fn activity(fraction: f64) -> f64 {
        let bell = |centre: f64, width: f64| (-((fraction - centre) / width).powi(2)).exp();
        // The rush begins with the bell and ebbs away; the last one builds up until the bell cuts it off.
        let opening = 1.1 * (-(fraction - OPEN).max(0.0) / 0.09).exp();
        let closing = 0.95 * bell(0.93, 0.09);
        let session = 0.9 + opening + closing - 0.45 * bell(0.5, 0.1);
        let open_for_trade =
            ramp(fraction, OPEN - 0.01, OPEN + 0.005) * (1.0 - ramp(fraction, CLOSE, CLOSE + 0.02));
        QUIET + (session - QUIET) * open_for_trade
    }
}

/// 0 before `from`, 1 after `to`, a straight line between.
fn ramp(value: f64, from: f64, to: f64) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve() -> impl Iterator<Item = (f64, f64)> {
        (0..1_000).map(|step| f64::from(step) / 1_000.0).map(|at| (at, MarketDay::activity(at)))
    }

    #[test]
    fn rushes_at_open_and_close_and_rests_at_lunch() {
        let at = MarketDay::activity;
        assert!(at(0.05) > 1.6, "open {}", at(0.05));
        assert!(at(0.92) > 1.6, "close {}", at(0.92));
        assert!(at(0.5) < 0.6, "lunch {}", at(0.5));
        assert!(at(0.0) < 0.4 && at(0.99) < 0.4, "{} {}", at(0.0), at(0.99));
    }

    #[test]
    fn averages_about_one_and_never_rests_fully() {
        let mean = curve().map(|(_, activity)| activity).sum::<f64>() / 1_000.0;
        assert!((0.85..1.25).contains(&mean), "mean {mean}");
        for (at, activity) in curve() {
            assert!((0.3..2.1).contains(&activity), "{activity} at {at}");
        }
    }

    #[test]
    fn days_follow_one_another() {
        let day = MarketDay::new(1_000_000, Duration::from_secs(600));
        assert_eq!(day.number(1_000_000), 0);
        assert_eq!(day.number(1_599_999), 0);
        assert_eq!(day.number(1_600_000), 1);
        assert_eq!(day.number(999_999), -1);
        assert!((day.fraction(1_300_000) - 0.5).abs() < 1e-9);
        assert_eq!(MarketDay::phase(day.fraction(1_300_000)), Phase::Lunch);
        assert_eq!(MarketDay::phase(day.fraction(1_600_000)), Phase::PreOpen);
    }
}
