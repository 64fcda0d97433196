//! Feeds as rows of a table.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_kernel::Timestamp;
use quarterdeck_streams::{FeedState, FeedView, RatePoint, Snapshot};
use quarterdeck_widgets::sparkline::Range;
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Glyph, Role, format};

/// Columns of the feeds.
pub(super) const COLUMNS: [Column; 9] = [
    Column::flex("feed", "FEED", 10).weight(2).at_most(28),
    Column::fixed("state", "STATE", 14),
    Column::fixed("rate", "  MSG /s", 20),
    Column::number("bytes", "KiB /s", 8).priority(3),
    Column::number("lag", "LAG ms", 7),
    Column::number("gaps", "GAPS", 6).priority(1),
    Column::number("drops", "DROPPED", 7).priority(2),
    Column::number("reconnects", "RECONNECTS", 10).priority(5),
    Column::flex("error", "LAST ERROR", 16).weight(4).priority(4),
];

/// Seconds that a sparkline shows at most.
const SECONDS: usize = 60;

/// The seconds of a feed that a sparkline can show.
fn recent(feed: &FeedView) -> &[RatePoint] {
    &feed.history[feed.history.len().saturating_sub(SECONDS)..]
}

/// The sign and the colour of a state.
pub(super) fn sign(state: FeedState) -> (Glyph, Role) {
    match state {
        FeedState::Live => (Glyph::Ok, Role::Ok),
        FeedState::Stale => (Glyph::Warning, Role::Warning),
        FeedState::Connecting { .. } => (Glyph::Running, Role::Running),
        // Once is an accident, again and again is an outage.
        FeedState::Waiting { attempt, .. } if attempt > 2 => (Glyph::Critical, Role::Critical),
        FeedState::Waiting { .. } => (Glyph::Warning, Role::Warning),
        FeedState::Paused => (Glyph::Frozen, Role::Frozen),
    }
}

/// A state in words, with what is still to come.
pub(super) fn words(state: FeedState, now: Timestamp) -> String {
    match state {
        FeedState::Waiting { until, .. } => {
            let left = until.as_millis().saturating_sub(now.as_millis());
            format!("retry {}", format::countdown(left))
        }
        other => other.as_str().to_owned(),
    }
}

/// The feeds, as configured.
pub(super) struct FeedRows<'a> {
    pub(super) feeds: &'a [Arc<FeedView>],
    now: Timestamp,
    /// Scale of all sparklines.
    range: Range,
}

impl<'a> FeedRows<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, now: Timestamp) -> Self {
        // Made anew for every frame, with a thousand feeds too: the most of each feed, not all points in one row.
        let most = |feed: &Arc<FeedView>| recent(feed).iter().map(|p| p.messages).max().unwrap_or(0);
        let range = Range::from_zero(snapshot.feeds.iter().map(|feed| f64::from(most(feed))));
        Self { feeds: &snapshot.feeds, now, range }
    }

    fn number(feed: &FeedView, column: &str) -> f64 {
        let stats = &feed.stats;
        match column {
            "rate" => stats.message_rate,
            "bytes" => stats.byte_rate / 1024.0,
            "lag" => stats.lag_ms.unwrap_or(f64::NAN),
            "gaps" => stats.gaps as f64,
            "drops" => stats.dropped as f64,
            "reconnects" => stats.reconnects as f64,
            _ => f64::NAN,
        }
    }
}

impl Rows for FeedRows<'_> {
    fn len(&self) -> usize {
        self.feeds.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        (&*self.feeds[row].name).into()
    }

    fn finds(&self) -> bool {
        true
    }

    fn find(&self, key: &str) -> Option<usize> {
        self.feeds.iter().position(|feed| *feed.name == *key)
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let feed = &self.feeds[row];
        match COLUMNS[column].id {
            "feed" => (&*feed.name).into(),
            "state" => words(feed.state, self.now).into(),
            "error" => feed.last_error.as_ref().map(|(_, why)| &**why).unwrap_or_default().into(),
            id => format::figure(Self::number(feed, id)).into(),
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        match COLUMNS[column].id {
            "feed" | "state" | "error" => Order::Text(self.text(row, column)),
            id => Order::Number(Self::number(&self.feeds[row], id)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let feed = &self.feeds[row];
        let text = self.text(row, column);
        let connected = feed.state.connected();
        match COLUMNS[column].id {
            "feed" => cell.text(&text),
            "state" => {
                let (glyph, role) = sign(feed.state);
                cell.state(glyph, &text, role);
            }
            "rate" => {
                let history: Vec<f64> = recent(feed).iter().map(|p| f64::from(p.messages)).collect();
                cell.trend(&text, 8, if connected { Role::Text } else { Role::Muted }, &history, self.range);
            }
            "gaps" if feed.stats.gaps > 0 => cell.role(&text, Role::Warning),
            "drops" if feed.stats.dropped > 0 => cell.role(&text, Role::Critical),
            // Nothing lost is the rule: only what is lost deserves an eye.
            "gaps" | "drops" | "reconnects" if text == "0" => cell.role(&text, Role::Faint),
            // What was wrong before the connection stood again is history.
            "error" => cell.role(&text, if connected { Role::Faint } else { Role::Critical }),
            "lag" => cell.text(&text),
            _ => cell.role(&text, Role::Muted),
        }
    }
}
