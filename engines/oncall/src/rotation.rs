//! Turns of a rotation: hand-overs at the same local time whatever the clock does.
//!
//! Hand-overs are counted on the local calendar from an anchor, in both directions, and only then placed in time. So
//! a daily hand-over at 09:00 is at 09:00 on days of 23 and 25 hours too, and an hourly rotation of 12 hours gives the
//! same person the same half of every day. A turn that daylight saving squeezes to nothing belongs to nobody.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span};
use quarterdeck_kernel::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::zone;

/// Unit of a turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Hours of the local clock.
    Hourly,
    /// Days.
    Daily,
    /// Weeks.
    #[default]
    Weekly,
    /// Months; a day that a month does not have is its last.
    Monthly,
}

impl Unit {
    /// As written in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
        }
    }

    /// Longest turn in this unit; about ten years.
    #[must_use]
    pub const fn longest(self) -> u32 {
        match self {
            Self::Hourly => 87_600,
            Self::Daily => 3650,
            Self::Weekly => 520,
            Self::Monthly => 120,
        }
    }

    /// Hours on the calendar; none for months, which differ.
    const fn hours(self) -> Option<i64> {
        match self {
            Self::Hourly => Some(1),
            Self::Daily => Some(24),
            Self::Weekly => Some(168),
            Self::Monthly => None,
        }
    }
}

/// One turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Its number: 0 begins at the anchor.
    pub number: i64,
    /// When it begins.
    pub from: Timestamp,
    /// When the next one begins.
    pub until: Timestamp,
}

/// A rotation's hand-overs.
#[derive(Clone, Debug, PartialEq)]
pub struct Rotation {
    unit: Unit,
    length: i64,
    anchor: DateTime,
    zone: TimeZone,
}

impl Rotation {
    /// A rotation whose turns of `length` units are counted from the local time `anchor`; a length of 0 is 1, one that
    /// is longer than [`Unit::longest`] is that.
    #[must_use]
    pub fn new(unit: Unit, length: u32, anchor: DateTime, zone: TimeZone) -> Self {
        Self { unit, length: i64::from(length.clamp(1, unit.longest())), anchor, zone }
    }

    /// Unit of its turns.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// Units per turn.
    #[must_use]
    pub const fn length(&self) -> i64 {
        self.length
    }

    /// When the turn of a number begins.
    #[must_use]
    pub fn handoff(&self, number: i64) -> Timestamp {
        let units = number.saturating_mul(self.length);
        let local = match self.unit.hours() {
            Some(hours) => {
                let distance = SignedDuration::from_secs(units.saturating_mul(hours * 3600));
                self.anchor.checked_add(distance)
            }
            None => Span::new().try_months(units).and_then(|months| self.anchor.checked_add(months)),
        };
        let bound = if number < 0 { DateTime::MIN } else { DateTime::MAX };
        zone::instant(&self.zone, local.unwrap_or(bound))
    }

    /// The turn at an instant; never empty.
    #[must_use]
    pub fn turn(&self, at: Timestamp) -> Turn {
        let at = zone::clamped(at);
        let local = zone::local(&self.zone, at);
        let passed = match self.unit.hours() {
            Some(hours) => local.duration_since(self.anchor).as_secs().div_euclid(hours * 3600),
            None => {
                let months = |d: DateTime| i64::from(d.year()) * 12 + i64::from(d.month());
                months(local) - months(self.anchor)
            }
        };
        // The calendar puts it next to the right turn; the clock's jumps move it by a few at most.
        let mut number = passed.div_euclid(self.length);
        while self.handoff(number) > at {
            number -= 1;
        }
        let mut until = self.handoff(number + 1);
        while until <= at {
            number += 1;
            until = self.handoff(number + 1);
        }
        Turn { number, from: self.handoff(number), until }
    }

    /// Hand-overs from the last one at or before `from` to the first one after `to`; at most `limit`.
    #[must_use]
    pub fn handoffs(&self, from: Timestamp, to: Timestamp, limit: usize) -> Vec<Timestamp> {
        let mut turn = self.turn(from);
        let mut found = vec![turn.from];
        while found.len() < limit && found.last().is_some_and(|last| *last <= to) {
            found.push(turn.until);
            turn = self.turn(turn.until);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn rotation(unit: Unit, length: u32, anchor: DateTime, zone: &str) -> Rotation {
        Rotation::new(unit, length, anchor, TimeZone::get(zone).unwrap())
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn a_weekly_hand_over_keeps_its_local_time() {
        let weekly = rotation(Unit::Weekly, 1, date(2026, 3, 2).at(9, 0, 0, 0), "Europe/Berlin");
        let found = weekly.handoffs(at("2026-03-20T00:00:00Z"), at("2026-04-07T00:00:00Z"), 10);
        let found: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "2026-03-16T08:00:00.000Z",
                "2026-03-23T08:00:00.000Z",
                "2026-03-30T07:00:00.000Z",
                "2026-04-06T07:00:00.000Z",
                "2026-04-13T07:00:00.000Z"
            ]
        );
    }

    #[test]
    fn months_without_the_day_hand_over_on_their_last() {
        let monthly = rotation(Unit::Monthly, 1, date(2026, 1, 31).at(8, 0, 0, 0), "UTC");
        let days: Vec<String> = (0..5).map(|n| monthly.handoff(n).to_string()[..10].to_owned()).collect();
        assert_eq!(days, ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"]);
        assert_eq!(monthly.turn(at("2026-03-01T00:00:00Z")).number, 1);
        assert_eq!(monthly.turn(at("2025-12-31T08:00:00Z")).number, -1);
    }

    #[test]
    fn half_days_stay_with_the_same_person_over_daylight_saving() {
        let half = rotation(Unit::Hourly, 12, date(2026, 1, 1).at(7, 0, 0, 0), "America/New_York");
        for day in ["2026-03-07", "2026-03-08", "2026-03-09", "2026-10-31", "2026-11-01", "2026-11-02"] {
            let noon = half.turn(at(&format!("{day}T17:00:00Z")));
            assert_eq!(noon.number.rem_euclid(2), 0, "{day}: the day belongs to the first");
        }
    }

    #[test]
    fn a_whole_day_that_a_zone_skipped_is_no_trap() {
        // Samoa went from 29 to 31 December 2011.
        let hourly = rotation(Unit::Hourly, 1, date(2011, 1, 1).at(0, 30, 0, 0), "Pacific/Apia");
        let turn = hourly.turn(at("2011-12-30T10:00:00Z"));
        assert!(turn.from <= at("2011-12-30T10:00:00Z") && at("2011-12-30T10:00:00Z") < turn.until);
        let daily = rotation(Unit::Daily, 1, date(2011, 1, 1).at(12, 0, 0, 0), "Pacific/Apia");
        let found = daily.handoffs(at("2011-12-28T00:00:00Z"), at("2012-01-02T00:00:00Z"), 100);
        assert!(found.windows(2).all(|w| w[0] < w[1]), "{found:?}");
    }
}
