//! The time that is looked at: range, cursor, rewound or live.

use quarterdeck_kernel::{Moment, Timestamp};

use crate::pane::Scope;

/// Ranges to choose from, in milliseconds: five minutes to thirty days.
pub(crate) const RANGES: [i64; 12] = [
    300_000,
    900_000,
    1_800_000,
    3_600_000,
    10_800_000,
    21_600_000,
    43_200_000,
    86_400_000,
    172_800_000,
    604_800_000,
    1_209_600_000,
    2_592_000_000,
];

/// One step of the time cursor: a sixtieth of the range, in whole seconds.
fn step(range: i64) -> i64 {
    (range / 60 / 1000).max(1) * 1000
}

/// Moves the cursor by steps. The window follows when the cursor leaves it; past the present everything is live.
pub(crate) fn move_cursor(scope: &Scope, now: Timestamp, steps: i64) -> Scope {
    let edge = scope.moment.or(now);
    let from = scope.cursor.unwrap_or(edge);
    // The first step lands on a whole step, so that cursors are times that people can say.
    let size = step(scope.range);
    let whole =
        if scope.cursor.is_none() { from.as_millis().div_euclid(size) * size } else { from.as_millis() };
    let to = Timestamp::from_millis(whole.saturating_add(steps.saturating_mul(size)).max(0));
    if to >= now {
        return live(scope);
    }
    let begin = edge.plus_millis(-scope.range);
    let moment = if to < begin {
        Moment::At(to.plus_millis(scope.range))
    } else if to > edge {
        Moment::At(to)
    } else {
        scope.moment
    };
    Scope { cursor: Some(to), moment, ..scope.clone() }
}

/// Rewinds the screen to the cursor; without a cursor nothing changes.
pub(crate) fn rewind(scope: &Scope) -> Scope {
    Scope { moment: scope.cursor.map_or(scope.moment, Moment::At), ..scope.clone() }
}

/// No cursor, not rewound.
pub(crate) fn live(scope: &Scope) -> Scope {
    Scope { cursor: None, moment: Moment::Live, ..scope.clone() }
}

/// The next longer or shorter range to choose from.
pub(crate) fn next_range(range: i64, longer: bool) -> i64 {
    let found = if longer {
        RANGES.into_iter().find(|r| *r > range)
    } else {
        RANGES.into_iter().rev().find(|r| *r < range)
    };
    found.unwrap_or(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_500);

    fn scope() -> Scope {
        Scope { service: None, range: 900_000, moment: Moment::Live, cursor: None, frozen: false }
    }

    #[test]
    fn the_cursor_steps_back_and_ends_live() {
        let one = move_cursor(&scope(), NOW, -1);
        assert_eq!(one.cursor, Some(Timestamp::from_millis(999_975_000)));
        assert_eq!(one.moment, Moment::Live);
        assert_eq!(move_cursor(&one, NOW, 2), scope());
    }

    #[test]
    fn the_window_follows_the_cursor() {
        let far = move_cursor(&scope(), NOW, -70);
        let cursor = far.cursor.unwrap();
        assert_eq!(far.moment, Moment::At(cursor.plus_millis(900_000)));
        let forward = move_cursor(&far, NOW, 62);
        assert_eq!(forward.moment, Moment::At(forward.cursor.unwrap()));
        assert_eq!(rewind(&far).moment, Moment::At(cursor));
        assert_eq!(live(&far), scope());
    }

    #[test]
    fn ranges_have_ends() {
        assert_eq!(next_range(900_000, true), 1_800_000);
        assert_eq!(next_range(1_000_000, false), 900_000);
        assert_eq!(next_range(300_000, false), 300_000);
        assert_eq!(next_range(2_592_000_000, true), 2_592_000_000);
    }
}
