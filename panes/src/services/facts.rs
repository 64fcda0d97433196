//! What is said about a service in words: why it is not well, what it needs, whose it is.

use quarterdeck_kernel::{Health, Timestamp};
use quarterdeck_services::{ServiceView, Signal, Snapshot, TransactionView};
use quarterdeck_widgets::{Glyph, Look, Role, format, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use crate::signals::{figure, role as signal_role, with_unit};

/// A line of pieces in several styles.
pub(super) type Line = Vec<(String, Style)>;

/// Draws lines from the top of an area; returns what is left below them.
pub(super) fn put_lines(buffer: &mut Buffer, area: Rect, lines: &[Line]) -> Rect {
    let taken = u16::try_from(lines.len()).unwrap_or(u16::MAX).min(area.height);
    for (line, y) in lines.iter().zip(area.y..area.y + taken) {
        text::put_spans(buffer, area.x + 1, y, area.width.saturating_sub(2), line);
    }
    Rect { y: area.y + taken, height: area.height - taken, ..area }
}

/// Lines broken between words so that none is wider than `width`; a word that is wider is cut when it is drawn.
pub(super) fn wrap(lines: Vec<Line>, width: usize) -> Vec<Line> {
    let mut out = Vec::with_capacity(lines.len());
    for line in lines {
        let mut current = Line::new();
        let mut used = 0;
        let words: Vec<(&str, Style)> = line
            .iter()
            .flat_map(|(piece, style)| piece.split_inclusive(' ').map(move |word| (word, *style)))
            .collect();
        // A sign belongs to its word, and a number to its unit: they do not part at the end of a line.
        let holds = |word: &str| {
            let word = word.trim_end();
            !word.is_empty() && word != "·" && !word.contains(|c: char| c.is_alphabetic() || c == ',')
        };
        for (place, (word, style)) in words.iter().enumerate() {
            let mut taken = text::width(word.trim_end());
            for pair in words[place..].windows(2).take_while(|pair| holds(pair[0].0)) {
                taken += 1 + text::width(pair[1].0.trim_end());
            }
            if used > 0 && used + taken > width {
                if let Some((last, _)) = current.last_mut() {
                    last.truncate(last.trim_end().len());
                }
                out.push(std::mem::take(&mut current));
                used = 0;
                if word.trim().is_empty() || word.trim() == "·" {
                    continue;
                }
            }
            used += text::width(word);
            current.push(((*word).to_owned(), *style));
        }
        out.push(current);
    }
    out
}

/// The lines that lead: the reason, what it needs, whose it is. `merged` puts the last two into one.
pub(super) fn head(
    look: &Look,
    all: &Snapshot,
    service: &ServiceView,
    now: Timestamp,
    merged: bool,
) -> Vec<Line> {
    let mut lines = vec![reason(look, all, service, now)];
    let needs = needs(look, all, service, merged);
    let whose = whose(look, all, service, now);
    match (needs.is_empty(), merged) {
        (true, _) => lines.push(whose),
        (false, false) => lines.extend([needs, whose]),
        (false, true) => {
            let mut line = needs;
            line.push((" · ".to_owned(), look.style(Role::Faint)));
            line.extend(whose);
            lines.push(line);
        }
    }
    lines
}

/// `▲ p99 84 ms, limit 50 ms, since 2 m · …`, or that all is well.
pub(super) fn reason(look: &Look, all: &Snapshot, service: &ServiceView, now: Timestamp) -> Line {
    let muted = look.style(Role::Muted);
    if service.breaches.is_empty() {
        let limits = has_limit(service);
        let text = match service.health {
            Health::Ok if limits => "every limit holds".to_owned(),
            Health::Ok => "no limit is set: L sets one".to_owned(),
            Health::Unknown => match service.data_at {
                Some(at) => format!("nothing new is known: its last sample is {} old", format::ago(at, now)),
                None => "nothing is known: no sample of it has arrived".to_owned(),
            },
            Health::Degraded | Health::Down => service.reason.clone(),
        };
        let role = if service.health == Health::Ok { Role::Muted } else { Role::from(service.health) };
        return vec![
            (format!("{} ", look.glyph(service.health)), look.style(role)),
            (text, look.style(role)),
        ];
    }
    let mut line = Line::new();
    for breach in &service.breaches {
        if !line.is_empty() {
            line.push((" · ".to_owned(), look.style(Role::Faint)));
        }
        line.push((format!("{} ", look.glyph(breach.health)), look.style(breach.health)));
        line.push((breach.text.clone(), look.style(breach.health)));
        let recovering = if breach.recovering() { ", recovering" } else { "" };
        line.push((format!(", since {}{recovering}", format::ago(breach.since, now)), muted));
    }
    if let Some(worst) = worst_need(all, service) {
        line.push((format!(" · {} is {} too", worst.name, worst.health.as_str()), look.style(worst.health)));
    }
    line
}

/// The worst of the services that it needs, if one is not well.
pub(super) fn worst_need<'a>(all: &'a Snapshot, service: &ServiceView) -> Option<&'a ServiceView> {
    let needs = service.depends_on.iter().filter_map(|name| all.service(name));
    let sick = needs.filter(|s| matches!(s.health, Health::Degraded | Health::Down));
    sick.min_by_key(|s| (std::cmp::Reverse(s.health), s.since)).map(|s| &**s)
}

/// `needs ▲ broker degraded (p99 120 ms, limit 90 ms)  ● risk · needed by gateway`, worst first. When brief, those that
/// are well are only counted.
fn needs(look: &Look, all: &Snapshot, service: &ServiceView, brief: bool) -> Line {
    let muted = look.style(Role::Muted);
    let mut line = Line::new();
    let mut needs: Vec<_> = service.depends_on.iter().map(|name| (name, all.service(name))).collect();
    needs.sort_by_key(|(_, s)| std::cmp::Reverse(s.map_or(Health::Unknown, |s| s.health)));
    if !needs.is_empty() {
        line.push(("needs".to_owned(), muted));
    }
    let count = needs.len();
    if brief {
        needs.retain(|(_, s)| s.is_none_or(|s| s.health != Health::Ok));
    }
    let well = count - needs.len();
    for (name, found) in needs {
        let health = found.map_or(Health::Unknown, |s| s.health);
        let role = if health == Health::Ok { Role::Muted } else { Role::from(health) };
        line.push((format!("  {} ", look.glyph(health)), look.style(role)));
        line.push((name.clone(), look.style(if health == Health::Ok { Role::Muted } else { Role::Text })));
        if let Some(sick) = found.filter(|s| matches!(s.health, Health::Degraded | Health::Down)) {
            let why = if sick.reason.is_empty() { String::new() } else { format!(" ({})", sick.reason) };
            line.push((format!(" {}{why}", health.as_str()), look.style(health)));
        }
    }
    match well {
        0 => {}
        n if n == count => line.push((format!(" {n}, all well"), muted)),
        1 => line.push(("  1 more is well".to_owned(), muted)),
        n => line.push((format!("  {n} more are well"), muted)),
    }
    if !service.dependents.is_empty() {
        let gap = if line.is_empty() { "" } else { " · " };
        line.push((format!("{gap}needed by {}", service.dependents.join(", ")), muted));
    }
    line
}

/// `owner trading · runbook https://… · 2 of 2 targets up`.
fn whose(look: &Look, all: &Snapshot, service: &ServiceView, now: Timestamp) -> Line {
    let (muted, faint) = (look.style(Role::Muted), look.style(Role::Faint));
    let mut pieces: Vec<Line> = Vec::new();
    pieces.push(match &service.owner {
        Some(owner) => vec![("owner ".to_owned(), muted), (owner.clone(), look.style(Role::Text))],
        None => vec![("no owner".to_owned(), faint)],
    });
    let targets = service.targets;
    if targets.total > 0 {
        let style = if targets.up < targets.total { look.style(Role::Warning) } else { muted };
        pieces.push(vec![(format!("{} of {} targets up", targets.up, targets.total), style)]);
    }
    let stale = quarterdeck_kernel::time::millis(all.interval).saturating_mul(6).max(30_000);
    if let Some(at) = service.data_at.filter(|at| now.as_millis().saturating_sub(at.as_millis()) > stale) {
        pieces.push(vec![(format!("data {} old", format::ago(at, now)), look.style(Role::Warning))]);
    }
    pieces.push(match &service.runbook {
        Some(url) => vec![("runbook ".to_owned(), muted), (url.clone(), look.style(Role::Info))],
        None => vec![("no runbook".to_owned(), faint)],
    });
    if !service.catalogued {
        pieces.push(vec![("inferred from labels".to_owned(), faint)]);
    }
    pieces.join(&(" · ".to_owned(), faint))
}

/// All signals in one line, those that matter least left out where it is narrow:
/// `rate 412 /s  errors 1.9 % (1)  p99 84 ms (50)  cpu 61 %  p50 8  p95 41  apdex 0.93`.
pub(super) fn figures(
    look: &Look,
    service: &ServiceView,
    transaction: Option<&TransactionView>,
    width: u16,
) -> Line {
    let mut line = Line::new();
    let mut left = usize::from(width.saturating_sub(2));
    let mut put = |name: &str, figure: String, role: Role| {
        let taken = text::width(name) + text::width(&figure) + 1;
        if taken <= left {
            left = left.saturating_sub(taken + 2);
            line.push((format!("{name} "), look.style(Role::Muted)));
            line.push((format!("{figure}  "), look.style(role)));
        }
    };
    let known = |value: Option<f64>| if value.is_some() { Role::Text } else { Role::Faint };
    let plain = |value: Option<f64>, unit: &str| with_unit(&Signal { value, ..Signal::default() }, unit);
    if let Some(t) = transaction {
        let broken = if t.broken_since.is_some() { Role::Warning } else { known(t.p99) };
        put("rate", plain(t.rate, "/s"), known(t.rate));
        put("errors", plain(t.errors, "%"), known(t.errors));
        put(
            "p99",
            with_unit(&Signal { value: t.p99, limit: t.threshold, ..Signal::default() }, "ms"),
            broken,
        );
        put("p50", plain(t.p50, "ms"), known(t.p50));
        put("p95", plain(t.p95, "ms"), known(t.p95));
        put("apdex", plain(t.apdex, "").trim_end().to_owned(), known(t.apdex));
        return line;
    }
    let s = &service.signals;
    let full = s.saturated.as_deref().unwrap_or("saturation");
    put("rate", with_unit(&s.rate, "/s"), signal_role(&s.rate));
    put("errors", with_unit(&s.errors, "%"), signal_role(&s.errors));
    put("p99", with_unit(&s.p99, "ms"), signal_role(&s.p99));
    put(full, with_unit(&s.saturation, "%"), signal_role(&s.saturation));
    put("apdex", figure(s.apdex), known(s.apdex));
    put("p50", with_unit(&s.p50, "ms"), signal_role(&s.p50));
    put("p95", with_unit(&s.p95, "ms"), signal_role(&s.p95));
    line
}

/// Whether anything is limited at all.
pub(super) fn has_limit(service: &ServiceView) -> bool {
    let s = &service.signals;
    [&s.rate, &s.errors, &s.p50, &s.p95, &s.p99, &s.saturation]
        .into_iter()
        .any(|signal| signal.limit.is_some())
        || service.transactions.iter().any(|t| t.target.is_some())
}

/// `▲ degraded 2 m`, for the right end of a rule.
pub(super) fn state(look: &Look, service: &ServiceView, now: Timestamp) -> String {
    let word = format!("{} {}", look.glyph(Glyph::from(service.health)), service.health.as_str());
    if service.since == Timestamp::default() {
        word
    } else {
        format!("{word} {}", format::ago(service.since, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_stay_with_their_words_and_numbers_with_their_units() {
        let style = Style::new();
        let line = vec![
            ("needs  ● ".to_owned(), style),
            ("risk  ● broker".to_owned(), style),
            (", since 48 s".to_owned(), style),
        ];
        let lines: Vec<String> = wrap(vec![line], 16)
            .iter()
            .map(|l| l.iter().map(|(piece, _)| piece.as_str()).collect())
            .collect();
        let lines: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
        assert_eq!(lines, ["needs  ● risk", "● broker, since", "48 s"]);
    }
}
