//! Times of day and weekdays, as the configuration writes them.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Minutes of a day.
pub(crate) const DAY_MINUTES: u16 = 24 * 60;

/// A time of day to the minute, from `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// `00:00`
    pub const MIDNIGHT: Self = Self(0);
    /// `24:00`
    pub const END_OF_DAY: Self = Self(DAY_MINUTES);

    /// The time so many minutes after midnight; `24:00` at most.
    #[must_use]
    pub const fn from_minutes(minutes: u16) -> Self {
        Self(if minutes > DAY_MINUTES { DAY_MINUTES } else { minutes })
    }

    /// Minutes since midnight.
    #[must_use]
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

/// Why a text is not a time of day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} is not a time of day: write hours and minutes from 00:00 to 24:00, as in 09:30")]
pub struct TimeOfDayError {
    /// What was found.
    pub found: String,
}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let two = |part: &str| match part.as_bytes() {
            [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => part.parse::<u16>().ok(),
            _ => None,
        };
        let parts = text.split_once(':').and_then(|(h, m)| Some((two(h)?, two(m)?)));
        match parts {
            Some((hours, minutes)) if minutes < 60 && hours * 60 + minutes <= DAY_MINUTES => {
                Ok(Self(hours * 60 + minutes))
            }
            _ => Err(TimeOfDayError { found: text.to_owned() }),
        }
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TimeOfDay {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

impl Weekday {
    /// The week, from Monday.
    pub const ALL: [Self; 7] = [
        Self::Monday,
        Self::Tuesday,
        Self::Wednesday,
        Self::Thursday,
        Self::Friday,
        Self::Saturday,
        Self::Sunday,
    ];

    /// Its place in the week, from 0 for Monday.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_read_back_and_bad_ones_say_why() {
        for (text, minutes) in [("00:00", 0), ("09:30", 570), ("23:59", 1439), ("24:00", 1440)] {
            let time: TimeOfDay = text.parse().unwrap();
            assert_eq!((time.minutes(), time.to_string().as_str()), (minutes, text));
        }
        for bad in ["", "9:30", "24:01", "12:60", "ab:cd", "12", "12:00:00", "+1:00", "1２:00"] {
            let error = bad.parse::<TimeOfDay>().unwrap_err();
            assert!(error.to_string().contains("from 00:00 to 24:00"), "{bad}: {error}");
        }
    }
}
