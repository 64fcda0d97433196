//! Time intervals: "weekdays from 9 to 17 in Sydney", by which routes are muted or active.

mod parse;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use quarterdeck_kernel::Timestamp;

pub use parse::{IntervalError, day_range, month_range, time_range, weekday_range, year_range, zone};

/// Both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub begin: i32,
    /// The last.
    pub end: i32,
}

impl Range {
    fn contains(self, value: i32) -> bool {
        self.begin <= value && value <= self.end
    }
}

/// A part of a day, in minutes since midnight; the end is not in it. A day ends at 1440.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first minute.
    pub start_minute: u16,
    /// The minute behind the last.
    pub end_minute: u16,
}

/// What a moment must fulfil: of each list that is there, at least one entry. A list that is there but empty is
/// fulfilled by nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TimeInterval {
    /// Parts of the day.
    pub times: Option<Vec<TimeRange>>,
    /// Days of the week, 0 for Sunday to 6.
    pub weekdays: Option<Vec<Range>>,
    /// Days of the month, 1 to 31; negative ones count from its end, where -1 is the last day.
    pub days_of_month: Option<Vec<Range>>,
    /// Months, 1 to 12.
    pub months: Option<Vec<Range>>,
    /// Years.
    pub years: Option<Vec<Range>>,
    /// In which zone the moment is looked at; UTC when it does not say.
    pub location: Option<TimeZone>,
}

impl TimeInterval {
    /// Whether a moment is in it. Moments beyond the years -9999 to 9999 are in none.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        let Ok(moment) = jiff::Timestamp::from_millisecond(at.as_millis()) else { return false };
        let zone = self.location.clone().unwrap_or(TimeZone::UTC);
        self.contains_civil(zone.to_datetime(moment))
    }

    fn contains_civil(&self, at: DateTime) -> bool {
        let minute = i32::from(at.hour()) * 60 + i32::from(at.minute());
        let times = self.times.as_ref().is_none_or(|times| {
            times.iter().any(|t| minute >= i32::from(t.start_minute) && minute < i32::from(t.end_minute))
        });
        let any = |ranges: &Option<Vec<Range>>, value: i32| {
            ranges.as_ref().is_none_or(|ranges| ranges.iter().any(|range| range.contains(value)))
        };
        times
            && self.contains_day(at)
            && any(&self.months, i32::from(at.month()))
            && any(&self.weekdays, i32::from(at.weekday().to_sunday_zero_offset()))
            && any(&self.years, i32::from(at.year()))
    }

    fn contains_day(&self, at: DateTime) -> bool {
        let (day, last) = (i32::from(at.day()), i32::from(at.date().days_in_month()));
        let from_end = |day: i32| if day < 0 { last + day + 1 } else { day };
        self.days_of_month.as_ref().is_none_or(|ranges| {
            ranges.iter().any(|range| {
                let (begin, end) = (from_end(range.begin), from_end(range.end).min(last));
                // A range that begins behind the month's last day has no day in this month.
                begin <= last && begin <= day && day <= end
            })
        })
    }
}

/// Time intervals by name.
#[derive(Clone, Debug, Default)]
pub struct TimeIntervals(BTreeMap<Arc<str>, Vec<TimeInterval>>);

impl TimeIntervals {
    /// The intervals under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[TimeInterval]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Whether a moment is in an interval of that name; a name that is not there has no moments.
    #[must_use]
    pub fn contains(&self, name: &str, at: Timestamp) -> bool {
        self.get(name).is_some_and(|intervals| intervals.iter().any(|interval| interval.contains(at)))
    }

    /// Those of the names in whose intervals a moment is, in the order given.
    #[must_use]
    pub fn active<'a>(&self, names: &'a [Arc<str>], at: Timestamp) -> Vec<&'a Arc<str>> {
        names.iter().filter(|name| self.contains(name, at)).collect()
    }

    /// All names with their intervals, sorted.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &[TimeInterval])> {
        self.0.iter().map(|(name, intervals)| (name, intervals.as_slice()))
    }

    /// How many names there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Arc<str>, Vec<TimeInterval>)> for TimeIntervals {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Vec<TimeInterval>)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

#[cfg(test)]
mod tests;
