//! The time that is shown, and in which steps.

use quarterdeck_kernel::{Moment, Timestamp};
use quarterdeck_ui::Scope;
use quarterdeck_widgets::chart::Viewport;

/// What is asked: the same question need not be asked twice.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    /// Letter and text of each query.
    pub(super) exprs: Vec<(char, String)>,
    /// Over a range, or at its end only.
    pub(super) graph: bool,
    /// Whether its end moves with the time.
    pub(super) live: bool,
    /// How long the range is.
    pub(super) span: i64,
    /// Its end.
    pub(super) to: Timestamp,
    /// Distance of points.
    pub(super) step: i64,
}

impl Asked {
    /// Whether another question differs in nothing but the passing of time.
    pub(super) fn same(&self, other: &Self) -> bool {
        let here = Self { to: other.to, ..self.clone() };
        here == *other && (self.live || self.to == other.to)
    }
}

/// The time shown.
pub(super) fn viewport(scope: &Scope, now: Timestamp) -> Viewport {
    Viewport::last(scope.range, scope.moment.or(now))
}

pub(super) use crate::steps::step;

/// The scope that shows another span of time; what reaches the present is live.
pub(super) fn looking_at(scope: &Scope, viewport: Viewport, now: Timestamp) -> Scope {
    // What comes within a sixtieth of the present means the present.
    let live = viewport.to().plus_millis(viewport.span() / 60) >= now;
    let moment = if live { Moment::Live } else { Moment::At(viewport.to()) };
    Scope { range: viewport.span(), moment, ..scope.clone() }
}

/// The time cursor moved by points of a graph; it stays in what is shown.
pub(super) fn cursor_moved(scope: &Scope, now: Timestamp, step: i64, by: i64) -> Scope {
    let shown = viewport(scope, now);
    let from = scope.cursor.unwrap_or(shown.to()).as_millis();
    // The first move lands on a whole step: that is where the points are.
    let from =
        if scope.cursor.is_none() && by < 0 { from.div_euclid(step).saturating_add(1) * step } else { from };
    let to = from.saturating_add(by.saturating_mul(step));
    let to = to.clamp(shown.from().as_millis(), shown.to().as_millis());
    Scope { cursor: Some(Timestamp::from_millis(to)), ..scope.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000_500);

    fn scope() -> Scope {
        Scope { service: None, range: 900_000, moment: Moment::Live, cursor: None, frozen: false }
    }

    #[test]
    fn what_reaches_the_present_is_live() {
        let back = viewport(&scope(), NOW).pan(-0.5);
        let rewound = looking_at(&scope(), back, NOW);
        assert_eq!(rewound.moment, Moment::At(NOW.plus_millis(-450_000)));
        assert_eq!(looking_at(&rewound, back.pan(0.6), NOW).moment, Moment::Live);
    }

    #[test]
    fn the_cursor_lands_on_points_and_stays_in_view() {
        let one = cursor_moved(&scope(), NOW, 5_000, -1);
        assert_eq!(one.cursor, Some(Timestamp::from_millis(1_000_000_000)));
        assert_eq!(cursor_moved(&one, NOW, 5_000, -1).cursor, Some(Timestamp::from_millis(999_995_000)));
        assert_eq!(cursor_moved(&one, NOW, 5_000, -9_999).cursor, Some(NOW.plus_millis(-900_000)));
        assert_eq!(cursor_moved(&one, NOW, i64::MAX, 5).cursor, Some(NOW));
    }
}
