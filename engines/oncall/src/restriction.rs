//! Weekly windows within which a layer counts.

use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use quarterdeck_kernel::Timestamp;

use crate::config::RestrictionConfig;
use crate::config::clock::DAY_MINUTES;
use crate::zone;

/// One window, begun on the days of the week that are set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    days: [bool; 7],
    from: u16,
    to: u16,
}

impl Window {
    pub(crate) fn new(config: &RestrictionConfig) -> Self {
        let mut days = [false; 7];
        for day in &config.days {
            days[day.index()] = true;
        }
        Self { days, from: config.from.minutes(), to: config.to.minutes() }
    }

    /// The window that begins on a day, if one does.
    fn on(&self, zone: &TimeZone, day: Date) -> Option<(Timestamp, Timestamp)> {
        let index = usize::from(day.weekday().to_monday_zero_offset().unsigned_abs());
        if !self.days[index % 7] {
            return None;
        }
        let end_day = if self.to <= self.from { day.tomorrow().ok()? } else { day };
        let (from, until) = (place(zone, day, self.from)?, place(zone, end_day, self.to)?);
        (from < until).then_some((from, until))
    }
}

/// The instant so many minutes of the clock into a day.
fn place(zone: &TimeZone, day: Date, minutes: u16) -> Option<Timestamp> {
    let (day, minutes) = if minutes == DAY_MINUTES { (day.tomorrow().ok()?, 0) } else { (day, minutes) };
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    Some(zone::instant(zone, day.at(hour, minute, 0, 0)))
}

/// Whether any window holds at an instant, and the instant up to which that answer stays (none: for more than a week).
pub(crate) fn within(windows: &[Window], zone: &TimeZone, at: Timestamp) -> (bool, Option<Timestamp>) {
    let today = zone::local(zone, at).date();
    let (mut inside, mut edge) = (false, None::<Timestamp>);
    // From two days before (a window over midnight, a clock set back) to the same weekday of next week.
    for offset in -2..=8i64 {
        let Ok(day) = today.checked_add(offset.days()) else { continue };
        for (from, until) in windows.iter().filter_map(|w| w.on(zone, day)) {
            inside |= from <= at && at < until;
            for candidate in [from, until] {
                if candidate > at && edge.is_none_or(|e| candidate < e) {
                    edge = Some(candidate);
                }
            }
        }
    }
    (inside, edge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Weekday;

    fn window(days: &[Weekday], from: &str, to: &str) -> Window {
        let parse = |t: &str| t.parse().unwrap();
        Window::new(&RestrictionConfig { days: days.to_vec(), from: parse(from), to: parse(to) })
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_millis(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn a_window_over_midnight_belongs_to_the_day_it_begins() {
        let friday = [window(&[Weekday::Friday], "22:00", "06:00")];
        let inside = |text| within(&friday, &TimeZone::UTC, at(text)).0;
        assert!(!inside("2026-11-20T21:59:59Z"));
        assert!(inside("2026-11-20T22:00:00Z"));
        assert!(inside("2026-11-21T05:59:59Z"));
        assert!(!inside("2026-11-21T06:00:00Z"), "the end is exclusive");
        assert!(!inside("2026-11-21T23:00:00Z"));
        let (_, edge) = within(&friday, &TimeZone::UTC, at("2026-11-21T06:00:00Z"));
        assert_eq!(edge, Some(at("2026-11-27T22:00:00Z")), "next Friday");
    }

    #[test]
    fn windows_are_of_the_local_clock() {
        let day = [window(&Weekday::ALL, "09:00", "17:00")];
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(within(&day, &zone, at("2026-03-28T08:00:00Z")), (true, Some(at("2026-03-28T16:00:00Z"))));
        assert_eq!(within(&day, &zone, at("2026-03-29T07:00:00Z")), (true, Some(at("2026-03-29T15:00:00Z"))));
    }
}
