//! Times that come again and again, as cron writes them: minute, hour, day of the month, month, day of the week.

use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Why a text is not a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// It has not five fields.
    #[error("{0:?} has {1} fields and not five: minute, hour, day of the month, month, day of the week")]
    Fields(String, usize),
    /// A field cannot be understood.
    #[error(
        "{found:?} is not a {field}: write a number from {least} to {most}, a range, a list, * or */STEP"
    )]
    Field {
        /// What was found.
        found: String,
        /// What it should have been.
        field: &'static str,
        /// The smallest that it may be.
        least: u8,
        /// The largest.
        most: u8,
    },
    /// No day fulfils it.
    #[error("{0:?} never comes: no month that it names has such a day")]
    Never(String),
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule; each field is a set of numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Both kinds of day are said: as cron has it, either will do then.
    either_day: bool,
}

impl Cron {
    /// Reads the five fields.
    ///
    /// # Errors
    /// When they are not five, one cannot be understood, or they never come together.
    pub fn parse(text: &str) -> Result<Self, CronError> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields[..] else {
            return Err(CronError::Fields(text.to_owned(), fields.len()));
        };
        let mut weekdays = set(weekday, "day of the week", 0, 7, &DAYS, 0)?;
        if weekdays & (1 << 7) != 0 {
            weekdays = (weekdays | 1) & 0x7f;
        }
        let cron = Self {
            minutes: set(minute, "minute", 0, 59, &[], 0)?,
            hours: set(hour, "hour", 0, 23, &[], 0)?,
            days: set(day, "day of the month", 1, 31, &[], 0)?,
            months: set(month, "month", 1, 12, &MONTHS, 1)?,
            weekdays,
            either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        };
        // A leap year has every day that there is.
        let first = Date::constant(2024, 1, 1);
        let comes = first.series(1.day()).take(366).any(|date| cron.on(date));
        if comes { Ok(cron) } else { Err(CronError::Never(text.to_owned())) }
    }

    fn on(&self, date: Date) -> bool {
        let has = |set: u64, value: i8| set & (1u64 << value) != 0;
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        has(self.months, date.month()) && if self.either_day { day || weekday } else { day && weekday }
    }

    /// The last time that it came, at `at` or before by less than `within`.
    #[must_use]
    pub fn last(&self, at: Timestamp, zone: &TimeZone, within: Duration) -> Option<Timestamp> {
        let earliest = at.checked_sub(jiff::SignedDuration::try_from(within).ok()?).ok()?;
        let begin = zone.to_datetime(earliest).date();
        let mut date = zone.to_datetime(at).date();
        while date >= begin {
            if self.on(date)
                && let Some(found) = self.last_of_day(date, at, zone)
            {
                return (found > earliest).then_some(found);
            }
            date = date.yesterday().ok()?;
        }
        None
    }

    fn last_of_day(&self, date: Date, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let down = |set: u64, most: i8| (0..=most).rev().filter(move |v| set & (1u64 << v) != 0);
        for hour in down(self.hours, 23) {
            for minute in down(self.minutes, 59) {
                let civil: DateTime = date.at(hour, minute, 0, 0);
                // An hour that the clock leaves out counts as the one behind it.
                let found = zone.to_timestamp(civil).ok()?;
                if found <= at {
                    return Some(found);
                }
            }
        }
        None
    }
}

/// The numbers that a field names, as bits.
fn set(
    text: &str,
    field: &'static str,
    least: u8,
    most: u8,
    names: &[&str],
    first: u8,
) -> Result<u64, CronError> {
    let wrong = || CronError::Field { found: text.to_owned(), field, least, most };
    let number = |word: &str| -> Option<u8> {
        let named = names.iter().position(|name| word.eq_ignore_ascii_case(name));
        let digits = || word.bytes().all(|b| b.is_ascii_digit()).then(|| word.parse().ok()).flatten();
        named.and_then(|at| u8::try_from(at).ok()?.checked_add(first)).or_else(digits)
    };
    let mut bits = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, number(step).filter(|step| *step > 0).ok_or_else(wrong)?),
            None => (part, 1),
        };
        let (begin, end) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((begin, end)) => (number(begin).ok_or_else(wrong)?, number(end).ok_or_else(wrong)?),
            None => {
                let only = number(range).ok_or_else(wrong)?;
                // `5/15` is from 5 on, each 15.
                (only, if part.contains('/') { most } else { only })
            }
        };
        if begin < least || end > most || begin > end {
            return Err(wrong());
        }
        for value in (begin..=end).step_by(step.into()) {
            bits |= 1 << value;
        }
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(cron: &str, at: &str, zone: &str, within: Duration) -> Option<String> {
        let zone = TimeZone::get(zone).unwrap();
        Cron::parse(cron).unwrap().last(at.parse().unwrap(), &zone, within).map(|t| t.to_string())
    }

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn the_last_time_is_found_in_the_zone() {
        // 2026-11-20 is a Friday.
        let friday = "0 16 * * fri";
        let at = |at: &str| last(friday, at, "UTC", 3 * DAY);
        assert_eq!(at("2026-11-20T15:59:59Z"), None);
        assert_eq!(at("2026-11-20T16:00:00Z").as_deref(), Some("2026-11-20T16:00:00Z"));
        assert_eq!(at("2026-11-23T15:59:59Z").as_deref(), Some("2026-11-20T16:00:00Z"));
        assert_eq!(at("2026-11-23T16:00:00Z"), None);
        let berlin = last(friday, "2026-11-20T15:00:00Z", "Europe/Berlin", DAY);
        assert_eq!(berlin.as_deref(), Some("2026-11-20T15:00:00Z"));
        // 2:30 does not exist on the day the clock goes forward.
        let spring = last("30 2 * * *", "2026-03-29T02:00:00Z", "Europe/Berlin", DAY / 2);
        assert_eq!(spring.as_deref(), Some("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn fields_are_sets() {
        let cron = |text: &str| Cron::parse(text).unwrap();
        assert_eq!(cron("*/15 0-6/2 1,15 jan-mar 7").minutes, (1 << 0) | (1 << 15) | (1 << 30) | (1 << 45));
        assert_eq!(cron("* * * * 7"), cron("* * * * sun"));
        assert_eq!(cron("* * * * 1-5").weekdays, 0b11_1110);
        assert_eq!(cron("5/20 * * * *").minutes, (1 << 5) | (1 << 25) | (1 << 45));
        // Either day will do when both are said.
        let both = cron("0 0 13 * fri");
        assert!(both.on(Date::constant(2026, 11, 13)) && both.on(Date::constant(2026, 11, 20)));
        assert!(both.on(Date::constant(2026, 10, 13)) && !both.on(Date::constant(2026, 10, 14)));
    }

    #[test]
    fn what_is_not_one_is_told() {
        for bad in ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "5-1 * * * *"] {
            assert!(matches!(Cron::parse(bad), Err(CronError::Field { .. })), "{bad}");
        }
        for bad in ["x * * * *", "*/0 * * * *", ", * * * *", "- * * * *", "+1 * * * *", "1- * * * *"] {
            assert!(matches!(Cron::parse(bad), Err(CronError::Field { .. })), "{bad}");
        }
        assert!(matches!(Cron::parse("* * *"), Err(CronError::Fields(_, 3))));
        assert!(matches!(Cron::parse("0 0 30 2 *"), Err(CronError::Never(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[0-9a-z*/,\\- ]{0,24}", at in 0i64..4_000_000_000) {
            if let Ok(cron) = Cron::parse(&text) {
                let at = Timestamp::from_second(at).unwrap();
                if let Some(found) = cron.last(at, &TimeZone::UTC, DAY) {
                    proptest::prop_assert!(found <= at && found.as_second() > at.as_second() - 86_400);
                    proptest::prop_assert!(cron.on(TimeZone::UTC.to_datetime(found).date()));
                }
            }
        }
    }
}
