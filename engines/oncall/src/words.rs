//! Times and reasons as people read them.

use std::time::Duration;

use jiff::tz::TimeZone;
use quarterdeck_kernel::Timestamp;

use crate::schedule::{Override, Schedule, Shift, Source};
use crate::zone;

/// A time in a zone: `Mon 30 Nov 09:00 CET`.
#[must_use]
pub fn time(zone: &TimeZone, at: Timestamp) -> String {
    zone::zoned(zone, at).strftime("%a %-d %b %H:%M %Z").to_string()
}

/// A length in its two largest units: `40 s`, `12 m`, `3 h 5 m`, `2 d 4 h`.
#[must_use]
pub fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let pair = |large: u64, unit: &str, small: u64, rest: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {rest}"),
    };
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => pair(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => pair(seconds / 3600, "h", seconds / 60 % 60, "m"),
        _ => pair(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

/// A time left as it counts down: `3:12`, `1:02:09`; `now` when it has passed.
#[must_use]
pub fn countdown(left: Duration) -> String {
    // Rounded up, so that it reads 0:01 until the very moment.
    let seconds = left.as_millis().div_ceil(1000);
    match seconds {
        0 => "now".to_owned(),
        1..3600 => format!("{}:{:02}", seconds / 60, seconds % 60),
        _ => format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60),
    }
}

/// Names joined as in a sentence: `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// Why somebody, or nobody, is on call, and who is next.
pub(crate) fn why(
    schedule: &Schedule,
    now: &Shift,
    ends: bool,
    next: Option<&Shift>,
    overrides: &[Override],
) -> String {
    let mut said = match &now.person {
        Some(person) if ends => format!("{person} until {}: ", time(&schedule.zone, now.until)),
        Some(person) => format!("{person}, with no end in sight: "),
        None => "nobody: ".to_owned(),
    };
    match &now.source {
        Source::Layer { layer, turn } => {
            if let Some(layer) = schedule.layers.get(*layer) {
                let (place, count) = (layer.place(turn) + 1, layer.participants.len());
                let unit = layer.rotation.unit().as_str();
                said += &match count {
                    1 => format!("alone in layer {}", layer.name),
                    _ => format!("turn {place} of {count} in layer {} ({unit})", layer.name),
                };
            }
        }
        Source::Override { id } => {
            if let Some(change) = overrides.iter().find(|o| o.id == *id) {
                said += &format!("override by {}", change.by);
                if let Some(replaced) = &change.replaces {
                    said += &format!(" for {replaced}");
                }
                if let Some(reason) = &change.reason {
                    said += &format!(" ({reason})");
                }
            }
        }
        Source::Gap => said += &format!("no layer of {} covers this time", schedule.name),
    }
    match next {
        Some(shift) => {
            let person = shift.person.as_deref().unwrap_or("nobody");
            if now.person.is_some() && shift.from == now.until {
                said += &format!(", then {person}");
            } else if now.person.is_some() {
                said += &format!(", then nobody until {person} at {}", time(&schedule.zone, shift.from));
            } else {
                said += &format!(", {person} from {}", time(&schedule.zone, shift.from));
            }
        }
        None if now.person.is_none() => said += ", nor anybody within 400 days",
        None if ends => said += ", then nobody else within 400 days",
        None => {}
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_people_say_them() {
        assert_eq!(length(Duration::from_secs(40)), "40 s");
        assert_eq!(length(Duration::from_secs(720)), "12 m");
        assert_eq!(length(Duration::from_secs(11_100)), "3 h 5 m");
        assert_eq!(length(Duration::from_secs(187_200)), "2 d 4 h");
        assert_eq!(countdown(Duration::from_millis(192_000)), "3:12");
        assert_eq!(countdown(Duration::from_millis(1)), "0:01");
        assert_eq!(countdown(Duration::from_secs(3729)), "1:02:09");
        assert_eq!(countdown(Duration::ZERO), "now");
        assert_eq!(list(&["a".to_owned(), "b".to_owned(), "c".to_owned()]), "a, b and c");
    }
}
