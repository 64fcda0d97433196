//! Durations and times.

use jiff::Timestamp as Instant;
use jiff::Zoned;
use quarterdeck_kernel::Timestamp;

use crate::Look;

/// A length of time, as exact as it is worth: `250 ms`, `42 s`, `2 m 30 s`, `12 m`, `3 h 05 m`, `13 h`, `9 d`. While the
/// larger unit is below ten, the smaller one is told too; where it is zero, it is left out.
#[must_use]
pub fn span(millis: i64) -> String {
    let size = millis.unsigned_abs();
    let sign = if millis < 0 { "−" } else { "" };
    match size {
        1..1000 => format!("{sign}{size} ms"),
        _ => format!("{sign}{}", whole(size / 1000)),
    }
}

/// How old something is, in whole seconds at the least: a column of ages keeps its unit, `0 s`, `12 s`, `2 m 30 s`.
#[must_use]
pub fn age(millis: i64) -> String {
    whole(millis.max(0).unsigned_abs() / 1000)
}

fn whole(seconds: u64) -> String {
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

/// How long ago something was; `now` under a second, `in 12 s` for what is to come.
#[must_use]
pub fn ago(then: Timestamp, now: Timestamp) -> String {
    match now.as_millis().saturating_sub(then.as_millis()) {
        -999..1000 => "now".to_owned(),
        passed @ 1000.. => span(passed),
        ahead => format!("in {}", span(ahead.saturating_neg())),
    }
}

/// Time left as a clock shows it: `0:41`, `3:12`, `1:02:03`; never below zero.
#[must_use]
pub fn countdown(millis: i64) -> String {
    let seconds = (millis.max(0).saturating_add(999)) / 1000;
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 { format!("{h}:{m:02}:{s:02}") } else { format!("{m}:{s:02}") }
}

/// Times in the operator's zone.
/// The day of a moment in UTC, as ISO 8601 writes it: `2026-12-31`. For days that are agreed on, in whatever zone one looks.
#[must_use]
pub fn date(at: Timestamp) -> String {
    let instant = Instant::from_millisecond(at.as_millis());
    instant.map_or_else(|_| super::UNKNOWN.to_owned(), |t| t.strftime("%Y-%m-%d").to_string())
}

impl Look {
    fn zoned(&self, at: Timestamp) -> Option<Zoned> {
        Instant::from_millisecond(at.as_millis()).ok().map(|t| t.to_zoned(self.zone().clone()))
    }

    fn formatted(&self, at: Timestamp, pattern: &str) -> String {
        self.zoned(at).map_or_else(|| super::UNKNOWN.to_owned(), |t| t.strftime(pattern).to_string())
    }

    /// Time of day: `14:30:02`.
    #[must_use]
    pub fn clock(&self, at: Timestamp) -> String {
        self.formatted(at, "%H:%M:%S")
    }

    /// Time of day to the minute: `14:30`.
    #[must_use]
    pub fn clock_short(&self, at: Timestamp) -> String {
        self.formatted(at, "%H:%M")
    }

    /// Time of day to the millisecond, for logs and streams: `14:30:02.125`.
    #[must_use]
    pub fn clock_millis(&self, at: Timestamp) -> String {
        self.formatted(at, "%H:%M:%S%.3f")
    }

    /// Date and time in full: `2026-03-09 14:30:02`.
    #[must_use]
    pub fn date_time(&self, at: Timestamp) -> String {
        self.formatted(at, "%Y-%m-%d %H:%M:%S")
    }

    /// Day and month: `9 Mar`.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> String {
        self.formatted(at, "%-d %b")
    }

    /// A time of a list: the clock on the same day (8 columns), else day and time (`9 Mar 14:30`), else the date.
    #[must_use]
    pub fn when(&self, at: Timestamp, now: Timestamp) -> String {
        let (Some(then), Some(today)) = (self.zoned(at), self.zoned(now)) else {
            return super::UNKNOWN.to_owned();
        };
        if then.date() == today.date() {
            self.clock(at)
        } else if (now.as_millis().saturating_sub(at.as_millis())).abs() < 180 * 86_400_000 {
            self.formatted(at, "%-d %b %H:%M")
        } else {
            self.formatted(at, "%Y-%m-%d")
        }
    }

    /// Relative near, absolute far: `2 m ago` within an hour, else as [`Look::when`].
    #[must_use]
    pub fn near(&self, at: Timestamp, now: Timestamp) -> String {
        match now.as_millis().saturating_sub(at.as_millis()) {
            -999..1000 => "now".to_owned(),
            1000..3_600_000 => format!("{} ago", ago(at, now)),
            -3_600_000..-999 => ago(at, now),
            _ => self.when(at, now),
        }
    }

    /// The zone's short name at a time: `CET`, `UTC`.
    #[must_use]
    pub fn zone_name(&self, at: Timestamp) -> String {
        self.formatted(at, "%Z")
    }

    /// Milliseconds to add to UTC to get the local time at a moment.
    pub(crate) fn offset_millis(&self, at: Timestamp) -> i64 {
        self.zoned(at).map_or(0, |t| i64::from(t.offset().seconds()) * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    const NOON: Timestamp = Timestamp::from_millis(1_773_057_600_000);

    #[test]
    fn lengths_are_short() {
        for (millis, wanted) in [
            (0, "0 s"),
            (250, "250 ms"),
            (42_000, "42 s"),
            (120_000, "2 m"),
            (125_900, "2 m 05 s"),
            (150_000, "2 m 30 s"),
            (750_000, "12 m"),
            (10_800_000, "3 h"),
            (11_100_000, "3 h 05 m"),
            (100_000_000, "27 h"),
            (777_600_000, "9 d"),
            (788_400_000, "9 d 3 h"),
            (8_640_000_000, "100 d"),
        ] {
            assert_eq!(span(millis), wanted);
        }
        assert_eq!(span(-7000), "−7 s");
        assert_eq!(
            (age(-5), age(999), age(125_000)),
            ("0 s".to_owned(), "0 s".to_owned(), "2 m 05 s".to_owned())
        );
        assert_eq!(countdown(192_000), "3:12");
        assert_eq!(countdown(-5), "0:00");
        assert_eq!(countdown(3_723_000), "1:02:03");
        assert_eq!(span(i64::MIN), "−292471208 y");
    }

    #[test]
    fn times_are_relative_near_and_absolute_far_in_the_operators_zone() {
        let look = Look::default().with_zone(TimeZone::get("Europe/Berlin").expect("zone data"));
        assert_eq!(look.date_time(NOON), "2026-03-09 13:00:00");
        assert_eq!(look.clone().with_utc(true).clock(NOON), "12:00:00");
        assert_eq!(look.zone_name(NOON), "CET");
        assert_eq!(look.near(NOON.plus_millis(-120_000), NOON), "2 m ago");
        assert_eq!(look.near(NOON.plus_millis(5000), NOON), "in 5 s");
        assert_eq!(look.near(NOON.plus_millis(-2 * 3_600_000), NOON), "11:00:00");
        assert_eq!(look.near(NOON.plus_millis(-48 * 3_600_000), NOON), "7 Mar 13:00");
        assert_eq!(look.near(NOON.plus_millis(-400 * 86_400_000), NOON), "2025-02-02");
        assert_eq!(look.clock(Timestamp::MAX), "·");
    }
}
