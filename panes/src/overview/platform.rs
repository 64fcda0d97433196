//! What carries the services: targets, feeds, hosts. One line each, those in trouble first.

use quarterdeck_kernel::Health;
use quarterdeck_services::ServiceView;
use quarterdeck_streams::FeedState;
use quarterdeck_ui::Context;
use quarterdeck_widgets::{Glyph, Role, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::trouble::plain;

/// The most lines that it takes.
const MOST: usize = 8;

struct Line {
    glyph: Glyph,
    role: Role,
    name: String,
    told: String,
}

/// Rows with the rule; none when there is nothing to tell.
pub(super) fn height(cx: &Context<'_, World>) -> u16 {
    match lines(cx).len().min(MOST) {
        0 => 0,
        lines => lines as u16 + 1,
    }
}

pub(super) fn draw(cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
    if area.height == 0 {
        return;
    }
    let look = cx.look;
    let lines = lines(cx);
    let more = lines.len().saturating_sub(usize::from(area.height - 1));
    let right = if more > 0 { format!("{more} more") } else { String::new() };
    rule::rule(look, buffer, area, "platform", &right);
    let widest = lines.iter().map(|line| text::width(&line.name)).max().unwrap_or(0).min(24);
    for (line, y) in lines.iter().zip(area.y + 1..area.bottom()) {
        let quiet = matches!(line.role, Role::Muted);
        let name = format!("{:<widest$}", text::cut(&line.name, 24));
        let spans = [
            (look.glyph(line.glyph), look.style(line.role)),
            (" ", look.style(Role::Text)),
            (name.as_str(), look.style(Role::Text)),
            ("  ", look.style(Role::Text)),
            (line.told.as_str(), look.style(if quiet { Role::Muted } else { line.role })),
        ];
        text::put_spans(buffer, area.x + 1, y, area.width.saturating_sub(2), &spans);
    }
}

fn lines(cx: &Context<'_, World>) -> Vec<Line> {
    let mut lines = targets(cx);
    lines.extend(feeds(cx));
    lines.extend(cx.world.services.services.iter().filter_map(|service| host(service)));
    // Trouble first; all else keeps its order.
    lines.sort_by_key(|line| matches!(line.role, Role::Muted));
    lines
}

/// How many targets answer, and those that do not by name.
fn targets(cx: &Context<'_, World>) -> Vec<Line> {
    let all = &cx.world.targets.targets;
    if all.is_empty() {
        return Vec::new();
    }
    let up = all.iter().filter(|t| t.health == Health::Ok).count();
    let slowest = all.iter().filter_map(|t| t.duration).max();
    let slowest = slowest.map(|d| format!(" · slowest scrape {} ms", format::figure(d.as_secs_f64() * 1e3)));
    let mut lines = vec![Line {
        glyph: Glyph::Ok,
        role: Role::Muted,
        name: "targets".to_owned(),
        told: format!("{up} of {} up{}", all.len(), slowest.unwrap_or_default()),
    }];
    lines.extend(all.iter().filter(|t| t.health == Health::Down).map(|target| Line {
        glyph: Glyph::Critical,
        role: Role::Critical,
        name: target.instance.to_string(),
        told: plain(target.last_error.as_deref().unwrap_or("down")).into_owned(),
    }));
    lines
}

fn feeds(cx: &Context<'_, World>) -> Vec<Line> {
    let line = |feed: &std::sync::Arc<quarterdeck_streams::FeedView>| {
        let lag = feed.stats.lag_ms.map(|ms| format!(" · lag {} ms", format::figure(ms))).unwrap_or_default();
        let lost = match feed.stats.dropped + feed.stats.missing {
            0 => String::new(),
            lost => format!(" · {} lost", format::grouped(lost)),
        };
        let (glyph, role) = match feed.state {
            FeedState::Live => (Glyph::Ok, Role::Muted),
            FeedState::Paused => (Glyph::Frozen, Role::Muted),
            FeedState::Connecting { attempt: 0 | 1 } => (Glyph::Running, Role::Muted),
            _ => (Glyph::Warning, Role::Warning),
        };
        Line {
            glyph,
            role,
            name: feed.name.to_string(),
            told: format!(
                "{} · {} messages/s{lag}{lost}",
                feed.state.as_str(),
                format::figure(feed.stats.message_rate)
            ),
        }
    };
    cx.world.streams.feeds.iter().map(line).collect()
}

/// How full a host is.
fn host(service: &ServiceView) -> Option<Line> {
    service.resources.iter().find(|r| &*r.name == "load")?;
    let full = service.resources.iter().filter_map(|r| Some((&r.name, r.percent?)));
    let told: Vec<String> = full.map(|(name, part)| format!("{name} {} %", format::figure(part))).collect();
    Some(Line {
        glyph: Glyph::from(service.health),
        role: if service.health == Health::Degraded { Role::Warning } else { Role::Muted },
        name: service.name.to_string(),
        told: told.join(" · "),
    })
}
