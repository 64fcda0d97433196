//! The parts of time intervals as the file writes them: `09:00`, `monday:friday`, `-7:-1`, `january:march`, `2025`.

use jiff::tz::TimeZone;

use super::{Range, TimeRange};

/// Why a part of a time interval is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IntervalError {
    /// Not `HH:MM`.
    #[error("couldn't parse timestamp {0}, invalid format")]
    Time(String),
    /// One of the two is missing.
    #[error("both start and end times must be provided")]
    OneTime,
    /// The end is not behind the start.
    #[error("start time cannot be equal or greater than end time")]
    EmptyTime,
    /// Not the name of a day.
    #[error("{0} is not a valid weekday")]
    Weekday(String),
    /// The week begins on Sunday; a range does not go over its end.
    #[error("start day cannot be before end day")]
    Weekdays,
    /// Not a number.
    #[error("{0} is not a number")]
    Number(String),
    /// Not 1 to 31 nor -31 to -1.
    #[error("{0} is not a valid day of the month: out of range")]
    Day(i32),
    /// From the end of the month to its start.
    #[error("end day must be negative if start day is negative")]
    DaySigns,
    /// In no month is the end behind the start.
    #[error("end day {end} is always before start day {begin}")]
    Days {
        /// The first day.
        begin: i32,
        /// The last.
        end: i32,
    },
    /// Neither the name of a month nor 1 to 12.
    #[error("{0} is not a valid month")]
    Month(String),
    /// The end is before the start.
    #[error("end month {end} is before start month {begin}")]
    Months {
        /// The first month.
        begin: &'static str,
        /// The last.
        end: &'static str,
    },
    /// The end is before the start.
    #[error("end year {end} is before start year {begin}")]
    Years {
        /// The first year.
        begin: i32,
        /// The last.
        end: i32,
    },
    /// More than one colon.
    #[error("couldn't parse range {0}, invalid format")]
    Range(String),
    /// Not a zone of the IANA database.
    #[error("unknown time zone {0}")]
    Zone(String),
}

const WEEKDAYS: [&str; 7] = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// `begin:end` or one value for both, each read by `member`; case does not matter.
fn range(text: &str, member: impl Fn(&str) -> Result<i32, IntervalError>) -> Result<Range, IntervalError> {
    let lower = text.to_lowercase();
    match lower.split_once(':') {
        Some((_, end)) if end.contains(':') => Err(IntervalError::Range(text.to_owned())),
        Some((begin, end)) => Ok(Range { begin: member(begin)?, end: member(end)? }),
        None => member(&lower).map(|value| Range { begin: value, end: value }),
    }
}

fn number(text: &str) -> Result<i32, IntervalError> {
    text.parse().map_err(|_| IntervalError::Number(text.to_owned()))
}

fn place(names: &[&str], text: &str) -> Option<i32> {
    names.iter().position(|name| *name == text).and_then(|at| i32::try_from(at).ok())
}

/// `monday:friday`, `sunday`.
///
/// # Errors
/// When a name is not a day, or the range goes over the week's end, which is Saturday.
pub fn weekday_range(text: &str) -> Result<Range, IntervalError> {
    let member = |name: &str| place(&WEEKDAYS, name).ok_or_else(|| IntervalError::Weekday(name.to_owned()));
    let found = range(text, member)?;
    if found.begin > found.end { Err(IntervalError::Weekdays) } else { Ok(found) }
}

/// `1:5`, `-7:-1`, `15`.
///
/// # Errors
/// When a day is not in a month, or the range is empty in every month.
pub fn day_range(text: &str) -> Result<Range, IntervalError> {
    let found @ Range { begin, end } = range(text, number)?;
    for day in [begin, end] {
        if day == 0 || !(-31..=31).contains(&day) {
            return Err(IntervalError::Day(day));
        }
    }
    if begin < 0 && end > 0 {
        return Err(IntervalError::DaySigns);
    }
    // The shortest month has 28 days: what is empty there may not be in others, but that is the measure.
    let shortest = |day: i32| if day < 0 { 28 + day } else { day };
    if shortest(begin) > shortest(end) {
        return Err(IntervalError::Days { begin, end });
    }
    Ok(found)
}

/// `january:march`, `5:8`, `december`.
///
/// # Errors
/// When a month is none, or the end is before the start.
pub fn month_range(text: &str) -> Result<Range, IntervalError> {
    let member = |name: &str| match place(&MONTHS, name) {
        Some(at) => Ok(at + 1),
        None => match name.parse() {
            Ok(month @ 1..=12) => Ok(month),
            _ => Err(IntervalError::Month(name.to_owned())),
        },
    };
    let found = range(text, member)?;
    if found.begin > found.end {
        let name = |month: i32| usize::try_from(month - 1).ok().and_then(|at| MONTHS.get(at)).copied();
        let (begin, end) = (name(found.begin).unwrap_or_default(), name(found.end).unwrap_or_default());
        return Err(IntervalError::Months { begin, end });
    }
    Ok(found)
}

/// `2020:2025`, `2030`.
///
/// # Errors
/// When a year is no number, or the end is before the start.
pub fn year_range(text: &str) -> Result<Range, IntervalError> {
    let found @ Range { begin, end } = range(text, number)?;
    if begin > end { Err(IntervalError::Years { begin, end }) } else { Ok(found) }
}

/// `09:00` to `17:00`; a day ends at `24:00`.
///
/// # Errors
/// When one is missing or not `HH:MM`, or the end is not behind the start.
pub fn time_range(start: &str, end: &str) -> Result<TimeRange, IntervalError> {
    if start.is_empty() || end.is_empty() {
        return Err(IntervalError::OneTime);
    }
    let (start_minute, end_minute) = (minutes(start)?, minutes(end)?);
    if start_minute >= end_minute {
        return Err(IntervalError::EmptyTime);
    }
    Ok(TimeRange { start_minute, end_minute })
}

fn minutes(text: &str) -> Result<u16, IntervalError> {
    let refuse = || IntervalError::Time(text.to_owned());
    let (hour, minute) = text.split_once(':').ok_or_else(refuse)?;
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| part.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (two(hour).ok_or_else(refuse)?, two(minute).ok_or_else(refuse)?);
    let lawful = (hour < 24 && minute < 60) || (hour == 24 && minute == 0);
    if lawful { Ok(hour * 60 + minute) } else { Err(refuse()) }
}

/// A zone of the IANA database, by name: `Europe/Berlin`, `UTC`, `Local` for the machine's own.
///
/// # Errors
/// When there is none of that name.
pub fn zone(name: &str) -> Result<TimeZone, IntervalError> {
    match name {
        "" | "UTC" => Ok(TimeZone::UTC),
        "Local" => Ok(TimeZone::system()),
        name => TimeZone::get(name).map_err(|_| IntervalError::Zone(name.to_owned())),
    }
}
