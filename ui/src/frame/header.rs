//! The header line: where am I, what do I see, is it true, is anything wrong.

use std::time::Duration;

use quarterdeck_kernel::time::format_duration;
use quarterdeck_kernel::{Moment, Severity, Timestamp};
use quarterdeck_widgets::format::{ago, span};
use quarterdeck_widgets::{Glyph, Look, Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::{Piece, pieces_width};
use crate::pane::{Scope, Status};

/// The interval at which data is expected when nothing says so, in milliseconds.
const INTERVAL: i64 = 15_000;

/// What the header tells.
pub(crate) struct Header<'a> {
    pub status: &'a Status,
    pub scope: &'a Scope,
    pub now: Timestamp,
    pub frozen_since: Option<Timestamp>,
    /// Whether the pane at the front waits for an answer.
    pub busy: bool,
}

/// How much is spelt out. Narrow screens get less, in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// Everything in words.
    Full,
    /// Counts without words.
    Counts,
    /// The scope only when it is a service, ages shortened.
    Scope,
    /// Without the program's name.
    Bare,
    /// Only what must be known: no range, no cursor, names cut short.
    Tight,
}

const DETAILS: [Detail; 5] = [Detail::Full, Detail::Counts, Detail::Scope, Detail::Bare, Detail::Tight];

impl Header<'_> {
    pub(crate) fn draw(&self, look: &Look, buffer: &mut Buffer, area: Rect) {
        let room = usize::from(area.width).saturating_sub(2);
        let parts = |detail| [self.left(look, detail), self.middle(look, detail), self.right(look, detail)];
        let fits = |parts: &[Vec<Piece>; 3]| {
            let gaps = parts.iter().filter(|p| !p.is_empty()).count().saturating_sub(1) * 2;
            parts.iter().map(|p| pieces_width(p)).sum::<usize>() + gaps <= room
        };
        let found = DETAILS.into_iter().map(parts).find(fits);
        let [left, middle, right] = &found.unwrap_or_else(|| parts(Detail::Tight));
        let (left_width, middle_width, right_width) =
            (pieces_width(left), pieces_width(middle), pieces_width(right));
        let start = area.x + 1;
        let end = area.right().saturating_sub(1);
        let right_at = end.saturating_sub(u16::try_from(right_width).unwrap_or(u16::MAX)).max(start);
        text::put_spans(buffer, right_at, area.y, end.saturating_sub(right_at), right);
        let left_room = right_at.saturating_sub(start).saturating_sub(1);
        let used = text::put_spans(buffer, start, area.y, left_room, left);
        // The clock stands in the middle of the screen, so that it does not move when counts change.
        let centre = usize::from(area.x) + (usize::from(area.width).saturating_sub(middle_width)) / 2;
        let lowest = usize::from(start) + left_width.min(usize::from(used)) + 2;
        let highest = usize::from(right_at).saturating_sub(middle_width + 2).max(lowest);
        let middle_at = u16::try_from(centre.clamp(lowest, highest)).unwrap_or(u16::MAX);
        let middle_room = right_at.saturating_sub(middle_at).saturating_sub(1);
        text::put_spans(buffer, middle_at, area.y, middle_room, middle);
    }

    fn left(&self, look: &Look, detail: Detail) -> Vec<Piece> {
        let mut pieces = Vec::new();
        if detail < Detail::Bare {
            let style = look.style(Role::Accent).add_modifier(Modifier::BOLD);
            pieces.push(("quarterdeck".to_owned(), style));
            pieces.push((" ".to_owned(), look.style(Role::Text)));
            if detail < Detail::Scope {
                pieces.push((" ".to_owned(), look.style(Role::Text)));
            }
        }
        if self.status.production {
            pieces
                .push((format!(" {} ", self.status.environment.to_uppercase()), look.badge(Role::Critical)));
        } else if !self.status.environment.is_empty() {
            pieces.push((self.status.environment.clone(), look.style(Role::Text)));
        }
        if self.status.read_only {
            if self.status.production || !self.status.environment.is_empty() {
                pieces.push((" ".to_owned(), look.style(Role::Text)));
            }
            pieces.push((" READ-ONLY ".to_owned(), look.badge(Role::Frozen)));
        }
        let dot = format!(" {} ", look.glyph(Glyph::Dot));
        match &self.scope.service {
            Some(service) => {
                pieces.push((dot, look.style(Role::Muted)));
                let style = look.style(Role::Accent).add_modifier(Modifier::BOLD);
                pieces.push((
                    text::cut(service, if detail == Detail::Tight { 10 } else { 24 }).into_owned(),
                    style,
                ));
            }
            None if detail < Detail::Scope => {
                pieces.push((dot, look.style(Role::Muted)));
                pieces.push(("all services".to_owned(), look.style(Role::Muted)));
            }
            None => {}
        }
        pieces
    }

    fn middle(&self, look: &Look, detail: Detail) -> Vec<Piece> {
        let dot = (format!(" {} ", look.glyph(Glyph::Dot)), look.style(Role::Muted));
        let range = format_duration(Duration::from_millis(self.scope.range.unsigned_abs()));
        let tight = detail == Detail::Tight;
        let mut pieces = Vec::new();
        if !tight {
            pieces.extend([(range, look.style(Role::Text)), dot.clone()]);
        }
        if self.busy {
            pieces.insert(0, (format!("{} ", look.spinner(self.now)), look.style(Role::Running)));
        }
        let short = detail > Detail::Counts;
        if let Moment::At(at) = self.scope.moment {
            let age = if short { String::new() } else { format!(" ({})", ago(at, self.now)) };
            let words = format!(
                "{} rewound {}{}{age}",
                look.glyph(Glyph::Undo),
                if tight { "" } else { "to " },
                look.when(at, self.now)
            );
            pieces.push((words, look.style(Role::Frozen).add_modifier(Modifier::BOLD)));
        } else if let Some(since) = self.frozen_since {
            let age = span(self.now.as_millis().saturating_sub(since.as_millis()).max(0));
            let words = format!("{} frozen {}", look.glyph(Glyph::Frozen), look.clock(since));
            let words = if tight { words } else { format!("{words} ({age})") };
            pieces.push((words, look.style(Role::Frozen).add_modifier(Modifier::BOLD)));
        } else {
            pieces.push((look.clock(self.now), look.style(Role::Text)));
            pieces.push(self.age(look));
        }
        if let Some(cursor) = self.scope.cursor.filter(|c| !tight && self.scope.moment != Moment::At(*c)) {
            pieces.push(dot);
            pieces.push((format!("cursor {}", look.when(cursor, self.now)), look.style(Role::Accent)));
        }
        if look.utc() && !short {
            pieces.push((" UTC".to_owned(), look.style(Role::Muted)));
        }
        pieces
    }

    /// "live", or how old the data is once it is older than two intervals.
    fn age(&self, look: &Look) -> Piece {
        let Some(newest) = self.status.newest_data else {
            return (" no data yet".to_owned(), look.style(Role::Muted));
        };
        let age = self.now.as_millis().saturating_sub(newest.as_millis());
        let interval = if self.status.interval > 0 { self.status.interval } else { INTERVAL };
        if age > interval.saturating_mul(2) {
            let words = format!(" {} data {} old", look.glyph(Glyph::Warning), span(age));
            return (words, look.style(Role::Warning));
        }
        (" live".to_owned(), look.style(Role::Ok))
    }

    fn right(&self, look: &Look, detail: Detail) -> Vec<Piece> {
        let words = detail == Detail::Full;
        let mut pieces: Vec<Piece> = Vec::new();
        let gap = |pieces: &mut Vec<Piece>| {
            if !pieces.is_empty() {
                pieces.push((if words { "  " } else { " " }.to_owned(), look.style(Role::Text)));
            }
        };
        for severity in [Severity::Critical, Severity::Warning, Severity::Info] {
            let count = self.status.firing.get(&severity).copied().unwrap_or(0);
            if count == 0 || severity == Severity::Info && !words {
                continue;
            }
            gap(&mut pieces);
            let glyph = look.glyph(severity);
            let told = if words {
                let plural = if count > 1 && severity == Severity::Warning { "s" } else { "" };
                format!("{glyph} {count} {}{plural}", severity.as_str())
            } else {
                format!("{glyph}{count}")
            };
            pieces.push((told, look.style(severity).add_modifier(Modifier::BOLD)));
        }
        if let Some(running) = &self.status.running {
            gap(&mut pieces);
            let glyph = look.glyph(Glyph::Running);
            let told = match running.split_whitespace().next().filter(|n| n.parse::<u32>().is_ok()) {
                Some(count) if !words => format!("{glyph}{count}"),
                _ => format!("{glyph} {}", text::cut(running, 24)),
            };
            pieces.push((told, look.style(Role::Running)));
        }
        let down = self.status.engines_down.len();
        if down > 0 {
            gap(&mut pieces);
            let glyph = look.glyph(Glyph::Critical);
            let told = if words {
                format!("{glyph} {down} {} down", if down == 1 { "engine" } else { "engines" })
            } else {
                format!("{glyph}{down} down")
            };
            pieces.push((told, look.style(Role::Critical)));
        }
        if !self.status.operator.is_empty() {
            if !pieces.is_empty() {
                pieces.push(("   ".to_owned(), look.style(Role::Text)));
            }
            pieces.push((text::cut(&self.status.operator, 16).into_owned(), look.style(Role::Muted)));
        }
        pieces
    }
}
