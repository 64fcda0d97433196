//! Cron expressions, for silences that recur.

use jiff::ToSpan;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use quarterdeck_kernel::Timestamp;

/// The longest that one occurrence may last, in minutes: two days.
const MAX_MINUTES: u32 = 2880;

/// Why a cron expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error(
        "{0:?} is not a cron expression: write five fields, as in `0 22 * * 1-5` (minute, hour, day of month, month, day of week)"
    )]
    Fields(String),
    /// A field cannot be read.
    #[error(
        "{field:?} is not a {what} of a cron expression: write *, a number from {min} to {max}, a range a-b, a step /n, or a list of these"
    )]
    Field {
        /// The field as written.
        field: String,
        /// Which field.
        what: &'static str,
        /// The smallest number.
        min: u8,
        /// The largest.
        max: u8,
    },
    /// It lasts not at all or too long.
    #[error("an occurrence lasts {0} minutes; 1 to {MAX_MINUTES} are allowed")]
    Minutes(u32),
}

/// A cron expression with how long each occurrence lasts, in a time zone. Each field is a set of bits.
#[derive(Clone, Debug)]
pub struct Cron {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// Where both day fields are restricted, one of them is enough: cron's old rule.
    either_day: bool,
    lasts: u32,
    zone: TimeZone,
}

const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

fn number(text: &str, what: &'static str) -> Option<u8> {
    let lower = text.to_ascii_lowercase();
    let named = |names: &[&str], first: u8| {
        names.iter().position(|name| *name == lower).and_then(|i| u8::try_from(i).ok()).map(|i| i + first)
    };
    match what {
        "day of week" => named(&DAYS, 0),
        "month" => named(&MONTHS, 1),
        _ => None,
    }
    .or_else(|| text.parse().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit())))
}

fn field(text: &str, what: &'static str, min: u8, max: u8) -> Result<u64, CronError> {
    let fail = || CronError::Field { field: text.to_owned(), what, min, max };
    let mut bits = 0u64;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => {
                (range, step.parse::<u8>().ok().filter(|step| *step > 0).ok_or_else(fail)?)
            }
            None => (part, 1),
        };
        let (from, to) = if range == "*" {
            (min, max)
        } else if let Some((from, to)) = range.split_once('-') {
            (number(from, what).ok_or_else(fail)?, number(to, what).ok_or_else(fail)?)
        } else {
            let from = number(range, what).ok_or_else(fail)?;
            (from, if part.contains('/') { max } else { from })
        };
        if from < min || to > max || from > to {
            return Err(fail());
        }
        bits |= (from..=to).step_by(usize::from(step)).fold(0, |bits, n| bits | 1 << n);
    }
    Ok(bits)
}

impl Cron {
    /// Reads an expression of five fields: numbers, names of months and weekdays, `*`, ranges, steps and lists. 0 and
    /// 7 are both Sunday.
    ///
    /// # Errors
    /// When it is not one, or an occurrence would last nothing or more than two days.
    pub fn new(expression: &str, minutes: u32, zone: TimeZone) -> Result<Self, CronError> {
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(CronError::Fields(expression.to_owned()));
        };
        if minutes == 0 || minutes > MAX_MINUTES {
            return Err(CronError::Minutes(minutes));
        }
        let weekdays = field(weekday, "day of week", 0, 7)?;
        Ok(Self {
            minute: field(minute, "minute", 0, 59)?,
            hour: field(hour, "hour", 0, 23)?,
            day: field(day, "day of month", 1, 31)?,
            month: field(month, "month", 1, 12)?,
            weekday: weekdays | (weekdays >> 7 & 1),
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
            lasts: minutes,
            zone,
        })
    }

    fn names(&self, at: DateTime) -> bool {
        let has = |bits: u64, n: i8| u32::try_from(n).is_ok_and(|n| bits >> n & 1 == 1);
        let day = has(self.day, at.day());
        let weekday = has(self.weekday, at.weekday().to_sunday_zero_offset());
        has(self.minute, at.minute())
            && has(self.hour, at.hour())
            && has(self.month, at.month())
            && if self.either_day { day || weekday } else { day && weekday }
    }

    /// Whether an occurrence has begun and not yet ended at a moment. A time of day that a change of the clocks skips
    /// does not occur that day; one that it repeats occurs twice.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        let Ok(moment) = jiff::Timestamp::from_millisecond(at.as_millis()) else { return false };
        let minute = at.as_millis().div_euclid(60_000);
        // Offsets change at most a few times in two days: minutes are counted on the civil clock, and the clock
        // is read anew each hour.
        let mut left = i64::from(self.lasts);
        let mut end = moment;
        let mut minute = minute;
        while left > 0 {
            let civil = self.zone.to_datetime(end);
            let run = left.min(i64::from(civil.minute()) + 1);
            for back in 0..run {
                let Ok(then) = civil.checked_sub(back.minutes()) else { return false };
                if self.names(then) {
                    return true;
                }
            }
            left -= run;
            minute -= run;
            match jiff::Timestamp::from_millisecond(minute.saturating_mul(60_000)) {
                Ok(earlier) => end = earlier,
                Err(_) => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn cron(expression: &str, minutes: u32, zone: &str) -> Cron {
        Cron::new(expression, minutes, TimeZone::get(zone).unwrap()).unwrap()
    }

    #[test]
    fn an_occurrence_lasts_from_its_minute_on() {
        let night = cron("30 22 * * mon-fri", 90, "Europe/Berlin");
        for (text, inside) in [
            ("2026-01-05T21:29:59Z", false),
            ("2026-01-05T21:30:00Z", true),
            ("2026-01-05T22:59:59Z", true),
            ("2026-01-05T23:00:00Z", false),
            ("2026-01-04T21:45:00Z", false),
            ("2026-07-06T20:30:00Z", true),
            ("2026-07-06T22:00:00Z", false),
        ] {
            assert_eq!(night.contains(at(text)), inside, "{text}");
        }
    }

    #[test]
    fn day_fields_are_alternatives_when_both_are_restricted() {
        let both = cron("0 0 13 * 5", 60, "UTC");
        assert!(both.contains(at("2026-11-13T00:30:00Z")));
        assert!(both.contains(at("2026-11-20T00:30:00Z")));
        assert!(both.contains(at("2026-12-13T00:30:00Z")));
        assert!(!both.contains(at("2026-12-14T00:30:00Z")));
    }

    #[test]
    fn steps_lists_and_sunday_as_seven() {
        let quarter = cron("*/15 8-9,20 * * 7", 5, "UTC");
        assert!(quarter.contains(at("2026-11-22T08:17:00Z")));
        assert!(!quarter.contains(at("2026-11-22T08:20:00Z")));
        assert!(quarter.contains(at("2026-11-22T20:45:00Z")));
        assert!(!quarter.contains(at("2026-11-23T20:45:00Z")));
    }

    #[test]
    fn a_skipped_hour_does_not_occur_and_a_repeated_one_occurs_twice() {
        let half = cron("30 2 * * *", 10, "Europe/Berlin");
        assert!(!half.contains(at("2026-03-29T01:35:00Z")));
        assert!(half.contains(at("2026-10-25T00:35:00Z")));
        assert!(half.contains(at("2026-10-25T01:35:00Z")));
        assert!(!half.contains(at("2026-10-25T02:35:00Z")));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for bad in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 8",
            "*/0 * * * *",
            "5-1 * * * *",
            "a * * * *",
            "+1 * * * *",
        ] {
            assert!(Cron::new(bad, 5, TimeZone::UTC).is_err(), "{bad}");
        }
        assert_eq!(Cron::new("* * * * *", 0, TimeZone::UTC).unwrap_err(), CronError::Minutes(0));
        assert!(Cron::new("* * * * *", 2881, TimeZone::UTC).is_err());
    }
}
