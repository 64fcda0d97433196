//! Local time to instants and back, with one rule at the seams of daylight saving: a local time that happens twice is
//! the first of the two, one that never happens is the moment the clock jumped over it.

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use quarterdeck_kernel::Timestamp;

/// Instants that schedules answer for: the years 1900 to 8999. Others are taken as the nearest of these.
const EARLIEST: i64 = -2_208_988_800_000;
const LATEST: i64 = 221_845_392_000_000;

/// The nearest instant that schedules answer for.
pub(crate) fn clamped(at: Timestamp) -> Timestamp {
    Timestamp::from_millis(at.as_millis().clamp(EARLIEST, LATEST))
}

fn to_jiff(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(clamped(at).as_millis()).unwrap_or_default()
}

/// The instant of a local time.
pub(crate) fn instant(zone: &TimeZone, local: DateTime) -> Timestamp {
    let found = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local),
        AmbiguousOffset::Gap { before, .. } => before.to_timestamp(local).map(|late| jump_before(zone, late)),
    };
    let bound = if local.year() < 2000 { EARLIEST } else { LATEST };
    Timestamp::from_millis(found.map_or(bound, jiff::Timestamp::as_millisecond))
}

/// The last change of offset at or before `late`.
fn jump_before(zone: &TimeZone, late: jiff::Timestamp) -> jiff::Timestamp {
    // `preceding` leaves out a change at the very instant it is asked about.
    let behind = late.checked_add(jiff::SignedDuration::from_nanos(1)).unwrap_or(late);
    zone.preceding(behind).next().map_or(late, |change| change.timestamp())
}

/// The local time at an instant.
pub(crate) fn local(zone: &TimeZone, at: Timestamp) -> DateTime {
    zone.to_datetime(to_jiff(at))
}

/// The local time at an instant with its zone.
pub(crate) fn zoned(zone: &TimeZone, at: Timestamp) -> jiff::Zoned {
    to_jiff(at).to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn seams_of_daylight_saving_have_one_rule() {
        let zone = TimeZone::get("America/Chicago").unwrap();
        let utc = |local: DateTime| instant(&zone, local).to_string();
        assert_eq!(utc(date(2020, 3, 8).at(1, 59, 0, 0)), "2020-03-08T07:59:00.000Z");
        for minute in [0, 1, 30, 59] {
            assert_eq!(utc(date(2020, 3, 8).at(2, minute, 0, 0)), "2020-03-08T08:00:00.000Z");
        }
        assert_eq!(utc(date(2020, 3, 8).at(3, 0, 0, 0)), "2020-03-08T08:00:00.000Z");
        assert_eq!(utc(date(2020, 11, 1).at(1, 30, 0, 0)), "2020-11-01T06:30:00.000Z", "the first of two");
        assert_eq!(utc(date(2020, 11, 1).at(2, 0, 0, 0)), "2020-11-01T08:00:00.000Z");
    }

    #[test]
    fn far_times_are_taken_as_the_nearest() {
        let zone = TimeZone::UTC;
        assert_eq!(local(&zone, Timestamp::MAX).year(), 9000);
        assert_eq!(local(&zone, Timestamp::MIN).year(), 1900);
        assert!(instant(&zone, DateTime::MAX) >= Timestamp::from_millis(LATEST));
    }
}
