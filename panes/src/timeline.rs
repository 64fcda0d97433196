//! The timeline: every change, who made it, why, and how to undo it.

use std::borrow::Cow;
use std::sync::Arc;

use quarterdeck_kernel::{
    ChangeKind, Entry, Health, Invocation, Moment, Phase, Subject, SubjectKind, Timestamp,
};
use quarterdeck_services::ServiceView;
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use quarterdeck_widgets::table::{CellPainter, Column, Order, Rows};
use quarterdeck_widgets::{Glyph, Look, Role, empty::Empty, format, rule, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::undo::Present;
use crate::world::{Answer, Query, TimelineFilter};

const SPEC: PaneSpec = PaneSpec {
    id: "timeline",
    title: "Timeline",
    description: "Every change: who, what, when, why, and how to undo it.",
    go: 'l',
    commands: quarterdeck_ui::list_commands!(
        "timeline",
        CommandSpec {
            id: "timeline.open",
            title: "go to it",
            description: "Go to what the entry is about.",
            keys: &["enter"],
            action: None,
        },
        CommandSpec {
            id: "timeline.older",
            title: "older",
            description: "Fetch older entries than are shown.",
            keys: &["o"],
            action: None,
        },
        CommandSpec {
            id: "timeline.cursor",
            title: "time cursor here",
            description: "Set the time cursor of all charts to when the entry happened.",
            keys: &["x"],
            action: None,
        }
    ),
    actions: &[("timeline.note", "n")],
};

const COLUMNS: [Column; 6] = [
    Column::fixed("time", "TIME", 8),
    Column::fixed("kind", "", 1),
    Column::flex("change", "CHANGE", 40).weight(6),
    Column::fixed("service", "SERVICE", 13).priority(3),
    Column::fixed("who", "WHO", 10),
    Column::fixed("state", "STATE", 13).priority(1),
];

/// How many older entries are fetched at once.
const PAGE: usize = 500;
/// How many older entries are kept; beyond, a narrower filter helps more.
const MOST: usize = 20_000;

/// The pane.
#[derive(Debug)]
pub struct Timeline {
    list: Listing,
    /// Entries older than those of the world, newest first.
    older: Vec<Arc<Entry>>,
    /// Whether the store has older ones still.
    more: bool,
    asking: bool,
    trouble: Option<String>,
    /// Only what may have changed this service is shown: an answer to "what changed?", here and nowhere else.
    about: Option<About>,
}

/// The service that "what changed?" was asked of.
#[derive(Clone, Debug, PartialEq, Eq)]
struct About {
    service: String,
    /// The question was the way here: leaving it is leaving the pane.
    asked: bool,
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Timeline {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        let list = Listing::new(&COLUMNS, None);
        Self { list, older: Vec::new(), more: true, asking: false, trouble: None, about: None }
    }

    fn rows<'a>(&'a self, cx: &Context<'a, World>) -> EntryRows<'a> {
        EntryRows::new(cx, &self.older, self.about.as_ref())
    }

    /// Shows what may have changed a service, with the newest change before its trouble selected.
    fn ask_about(&mut self, service: &str, cx: &Context<'_, World>) {
        self.about = Some(About { service: service.to_owned(), asked: true });
        self.list.table.set_filter("");
        self.refresh(cx);
        let trouble = cx.world.services.service(service).filter(|s| s.health >= Health::Degraded);
        let before = |entry: &&&Arc<Entry>| {
            let began = |s: &ServiceView| s.breaches.first().map_or(s.since, |leading| leading.since);
            entry.kind != ChangeKind::Alert && trouble.is_none_or(|s| entry.at <= began(s))
        };
        let found = self.rows(cx).entries.iter().find(before).map(|entry| entry.id.to_string());
        if let Some(id) = found {
            self.list.table.select(&id);
        }
    }

    /// Leaves what was asked, or the pane. An answer that was the way here is left together with the pane.
    fn leave(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let about = self.about.take();
        if about.is_some() {
            self.refresh(cx);
        }
        if about.is_none_or(|about| about.asked) { vec![Effect::Back] } else { Vec::new() }
    }

    fn refresh(&mut self, cx: &Context<'_, World>) {
        // What has come into the newest ones meanwhile is not shown twice.
        if let Some(oldest) = cx.world.timeline.entries.last() {
            self.older.retain(|e| e.at <= oldest.at && e.id != oldest.id);
        }
        let rows = EntryRows::new(cx, &self.older, self.about.as_ref());
        self.list.refresh(&rows);
    }

    fn ask_older(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let oldest = self.older.last().or_else(|| cx.world.timeline.entries.last());
        if !self.more || self.asking || self.older.len() >= MOST {
            return Vec::new();
        }
        self.asking = true;
        let before = oldest.map(|e| e.id.clone());
        let to = match cx.scope.moment {
            Moment::At(at) => Some(at),
            Moment::Live => None,
        };
        let filter = TimelineFilter { service: cx.scope.service.clone(), to, ..TimelineFilter::default() };
        vec![Effect::Query { slot: "older", query: Query::Timeline { filter, before, limit: PAGE } }]
    }

    fn selected<'a>(&self, rows: &EntryRows<'a>) -> Option<&'a Arc<Entry>> {
        self.list.table.selected_row().and_then(|row| rows.entries.get(row).copied())
    }

    fn open(&self, rows: &EntryRows<'_>) -> Vec<Effect<World>> {
        let Some(entry) = self.selected(rows) else { return Vec::new() };
        // What was done to traffic is seen where traffic is.
        if entry.invocation.as_ref().is_some_and(|invocation| invocation.action.starts_with("gateway.")) {
            return match entry.subject.clone() {
                Some(subject) => vec![Effect::Open { pane: "gateway", subject }],
                None => vec![Effect::Show("gateway")],
            };
        }
        let service = entry.service.as_ref().map(|name| Subject::service(name.clone()));
        match entry.subject.clone().or(service) {
            Some(subject) if subject.kind != SubjectKind::Entry => vec![Effect::Go(subject)],
            _ => vec![Effect::Toast(
                quarterdeck_kernel::Severity::Info,
                "this entry is about the console as a whole".to_owned(),
            )],
        }
    }
}

impl Pane<World> for Timeline {
    fn spec(&self) -> &'static PaneSpec {
        &SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let area = Layout::new(cx.area).list;
        let did = match event {
            Event::Shown | Event::World => {
                // Whoever comes by another way than the question finds it still asked, but may leave it alone.
                if let (Event::Shown, Some(about)) = (&event, &mut self.about) {
                    about.asked = false;
                }
                self.refresh(cx);
                Did::Changed
            }
            Event::Open(subject) if subject.kind == SubjectKind::Service => {
                self.ask_about(&subject.id, cx);
                Did::Changed
            }
            Event::Scope => {
                self.older.clear();
                self.more = true;
                self.refresh(cx);
                // An answer that is still to come is about what was looked at before.
                if std::mem::take(&mut self.asking) {
                    return vec![Effect::Cancel("older")];
                }
                Did::Changed
            }
            Event::Open(subject) => {
                self.list.table.set_filter("");
                self.list.table.want(&subject.id);
                self.refresh(cx);
                if self.list.table.waits() && self.about.take().is_some() {
                    self.refresh(cx);
                }
                return if self.list.table.waits() { self.ask_older(cx) } else { Vec::new() };
            }
            Event::Return(subject) => {
                let rows = EntryRows::new(cx, &self.older, self.about.as_ref());
                self.list.table.reselect(&subject.id, &rows);
                Did::Changed
            }
            Event::Command("timeline.open") => Did::Open,
            Event::Command("timeline.older") => return self.ask_older(cx),
            Event::Command("timeline.cursor") => {
                let at = self.selected(&self.rows(cx)).map(|e| e.at);
                let scope = quarterdeck_ui::Scope { cursor: at.or(cx.scope.cursor), ..cx.scope.clone() };
                return vec![Effect::Scope(scope)];
            }
            Event::Command(command) => {
                let rows = EntryRows::new(cx, &self.older, self.about.as_ref());
                let did = self.list.command(command.rsplit('.').next().unwrap_or_default(), area, &rows);
                let down = ["timeline.down", "timeline.page-down", "timeline.last"].contains(&command);
                let at_end = self.list.table.selected_place().is_some_and(|p| p + 1 >= self.list.table.len());
                if down && at_end {
                    return self.ask_older(cx);
                }
                did
            }
            Event::Key(key) => {
                let rows = EntryRows::new(cx, &self.older, self.about.as_ref());
                self.list.key(key, &rows);
                Did::Changed
            }
            Event::Paste(text) => {
                let rows = EntryRows::new(cx, &self.older, self.about.as_ref());
                self.list.paste(text, &rows);
                Did::Changed
            }
            Event::Hit { click, at, .. } => {
                let rows = EntryRows::new(cx, &self.older, self.about.as_ref());
                self.list.click(click, at, area, &rows)
            }
            Event::Answer { answer, .. } => {
                self.asking = false;
                match answer {
                    Ok(Answer::Timeline(entries, more)) => {
                        self.trouble = None;
                        self.more = more;
                        self.older.extend(entries);
                        self.refresh(cx);
                    }
                    Ok(_) => {}
                    Err(why) => self.trouble = Some(why),
                }
                Did::Changed
            }
        };
        match did {
            Did::Nothing | Did::Changed => Vec::new(),
            Did::Back => self.leave(cx),
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => self.open(&self.rows(cx)),
        }
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        let layout = Layout::new(area);
        let rows = self.rows(cx);
        let timeline = &cx.world.timeline;
        let counts = match &timeline.trouble {
            Some(trouble) => trouble.clone(),
            None if self.about.is_some() => "Esc shows all".to_owned(),
            None => format!("{} on this chain", format::grouped(timeline.total)),
        };
        let title = match &self.about {
            Some(about) => format!("what changed? · {} and what it needs", about.service),
            None => "timeline".to_owned(),
        };
        rule::rule(cx.look, buffer, layout.title, &title, &counts);
        if rows.is_empty() && self.about.is_some() {
            let what = "Nothing has changed that could have touched it.";
            Empty { what, next: "to see everything that happened", key: "Esc" }.draw(
                cx.look,
                buffer,
                layout.list,
            );
        } else if rows.is_empty() {
            let next = "Press n to write a note; every action, reload and restart appears here by itself.";
            Empty { what: "Nothing has happened yet.", next, key: "n" }.draw(cx.look, buffer, layout.list);
        } else {
            self.list.draw(cx.look, buffer, layout.list, &rows);
        }
        let note = match (&self.trouble, self.asking) {
            (Some(why), _) => Some((why.as_str(), Role::Warning)),
            (None, true) => Some(("fetching older entries…", Role::Running)),
            (None, false) => None,
        };
        if let Some(entry) = self.selected(&rows) {
            draw_detail(cx, buffer, layout.detail, entry, rows.present.moved_by(entry), note);
        }
        vec![Hit { area: layout.list, target: "table".to_owned() }]
    }

    fn selection(&self, cx: &Context<'_, World>) -> Option<Subject> {
        let rows = self.rows(cx);
        self.selected(&rows).map(|e| Subject::new(SubjectKind::Entry, e.id.to_string()))
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        let mut hints = vec!["timeline.open", "timeline.filter", "timeline.cursor", "timeline.columns"];
        let rows = self.rows(cx);
        let undoable =
            |e: &Arc<Entry>| e.undo.is_some() && e.undone_by.is_none() && rows.present.moved_by(e).is_none();
        if self.selected(&rows).is_some_and(undoable) {
            hints.insert(1, "shell.undo");
        }
        if self.more && !cx.world.timeline.entries.is_empty() {
            hints.push("timeline.older");
        }
        hints
    }

    fn typing(&self) -> bool {
        self.list.typing()
    }

    fn remember(&self) -> Option<String> {
        Some(self.list.table.remember())
    }

    fn restore(&mut self, remembered: &str) {
        self.list.table.restore(remembered);
    }
}

struct Layout {
    title: Rect,
    list: Rect,
    detail: Rect,
}

impl Layout {
    fn new(area: Rect) -> Self {
        let detail = if area.height >= 14 { 6 } else { 0 };
        let list = area.height.saturating_sub(1 + detail);
        let row = |from: u16, height: u16| Rect { y: area.y + from.min(area.height), height, ..area };
        Self { title: row(0, 1.min(area.height)), list: row(1, list), detail: row(1 + list, detail) }
    }
}

fn draw_detail(
    cx: &Context<'_, World>,
    buffer: &mut Buffer,
    area: Rect,
    entry: &Entry,
    moved: Option<&Entry>,
    note: Option<(&str, Role)>,
) {
    if area.height == 0 {
        return;
    }
    let look = cx.look;
    let title = format!("{} · {}", entry.kind.as_str(), look.date_time(entry.at));
    rule::rule(look, buffer, area, &title, &entry.id.to_string());
    let width = area.width.saturating_sub(2);
    let mut lines: Vec<(String, Role)> = Vec::new();
    lines.extend(text::wrap(&entry.summary, usize::from(width)).into_iter().map(|l| (l, Role::Text)));
    let from =
        [entry.actor.host.as_str(), entry.actor.terminal.as_str()].into_iter().filter(|p| !p.is_empty());
    let place: Vec<&str> = from.collect();
    let mut by = entry.actor.user.clone();
    if !place.is_empty() {
        by.push_str(&format!(" at {}", place.join(" ")));
    }
    if let Some(reason) = &entry.reason {
        by.push_str(&format!(": {reason}"));
    }
    lines.push((by, Role::Muted));
    if let Some(invocation) = &entry.invocation {
        let mut asked = invocation.action.clone();
        for (name, value) in &invocation.args {
            asked.push_str(&format!(" {name}={value}"));
        }
        lines.push((asked, Role::Muted));
    }
    let undo = match (&entry.undone_by, &entry.undo) {
        (Some(by), _) => Some((format!("{} undone by {by}", look.glyph(Glyph::Undo)), Role::Muted)),
        (None, Some(_)) if moved.is_some() => {
            let by = moved
                .map(|m| format!("{}: {}", look.when(m.at, cx.world.now), m.summary))
                .unwrap_or_default();
            Some((
                format!("{} changed since, so it cannot be undone · {by}", look.glyph(Glyph::Undo)),
                Role::Muted,
            ))
        }
        (None, Some(undo)) => {
            // What will happen, as the confirmation tells it; else what would be asked for.
            let subject = Subject::new(SubjectKind::Entry, entry.id.to_string());
            let asked = Invocation::new("timeline.undo", entry.actor.clone()).on(subject);
            let told = cx.world.actions.preview(&asked).into_iter().next().unwrap_or_else(|| {
                let args = undo.args.iter().map(|(k, v)| format!(" {k}={v}"));
                format!("{}{}", undo.action, args.collect::<String>())
            });
            Some((format!("{} U undoes it: {told}", look.glyph(Glyph::Undo)), Role::Info))
        }
        (None, None) => None,
    };
    lines.extend(undo);
    if let Some((text, role)) = note {
        lines.truncate(usize::from(area.height.saturating_sub(2)));
        lines.push((text.to_owned(), role));
    }
    for ((line, role), y) in lines.iter().zip(area.y + 1..area.bottom()) {
        text::put(buffer, area.x + 1, y, width, line, look.style(*role));
    }
}

struct EntryRows<'a> {
    entries: Vec<&'a Arc<Entry>>,
    look: &'a Look,
    now: Timestamp,
    present: Present<'a>,
}

impl<'a> EntryRows<'a> {
    /// The newest entries, then the older ones; only what touches the service in scope, or none, and what may have changed
    /// the service that was asked about: what touches it, what it needs, or no service in particular.
    fn new(cx: &Context<'a, World>, older: &'a [Arc<Entry>], about: Option<&About>) -> Self {
        let world: &'a World = cx.world;
        let in_scope = |e: &&Arc<Entry>| match (&cx.scope.service, &e.service) {
            (Some(wanted), Some(has)) => wanted == has,
            _ => true,
        };
        let needs = about.and_then(|about| world.services.service(&about.service)).map(|s| &s.depends_on);
        let touches = |e: &&Arc<Entry>| match (about, &e.service) {
            (Some(about), Some(has)) => about.service == *has || needs.is_some_and(|n| n.contains(has)),
            _ => true,
        };
        let all = world.timeline.entries.iter().chain(older);
        let present = Present::of(all.clone().map(|e| &**e));
        let entries = all.filter(in_scope).filter(touches).collect();
        Self { entries, look: cx.look, now: world.now, present }
    }

    /// How far a change has come, and whether it can be undone.
    fn state(&self, entry: &'a Entry) -> (Option<Glyph>, &'static str, Role) {
        match entry.phase {
            _ if entry.undone_by.is_some() => (Some(Glyph::Undo), "undone", Role::Muted),
            Phase::Intent => (Some(Glyph::Running), "under way", Role::Running),
            Phase::Failed => (Some(Glyph::Failed), "failed", Role::Critical),
            Phase::Interrupted => (Some(Glyph::Warning), "interrupted", Role::Warning),
            Phase::Done if entry.undo.is_none() => (None, "", Role::Muted),
            Phase::Done if self.present.moved_by(entry).is_some() => (None, "changed since", Role::Faint),
            Phase::Done => (None, "can be undone", Role::Faint),
        }
    }
}

impl Rows for EntryRows<'_> {
    fn len(&self) -> usize {
        self.entries.len()
    }

    fn key(&self, row: usize) -> Cow<'_, str> {
        self.entries[row].id.to_string().into()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let entry = self.entries[row];
        match COLUMNS[column].id {
            // Today's entries by the clock, older ones by the day.
            "time" if self.now.since(entry.at).as_secs() < 86_400 => self.look.clock(entry.at).into(),
            "time" => self.look.day(entry.at).into(),
            "kind" => entry.kind.as_str().into(),
            "change" => entry.summary.as_str().into(),
            "service" => entry.service.as_deref().unwrap_or_default().into(),
            "who" => entry.actor.user.as_str().into(),
            _ => self.state(entry).1.into(),
        }
    }

    fn order(&self, row: usize, column: usize) -> Order<'_> {
        match COLUMNS[column].id {
            "time" => Order::Number(self.entries[row].at.as_millis() as f64),
            _ => Order::Text(self.text(row, column)),
        }
    }

    fn draw(&self, row: usize, column: usize, cell: &mut CellPainter<'_>) {
        let entry = self.entries[row];
        let text = self.text(row, column);
        match COLUMNS[column].id {
            "kind" => cell.state(entry.kind, "", Role::Accent),
            "change" => {
                let role = match entry.severity {
                    quarterdeck_kernel::Severity::Info => Role::Text,
                    other => other.into(),
                };
                cell.role(&text, role);
            }
            "state" => {
                let (glyph, word, role) = self.state(entry);
                match glyph {
                    Some(glyph) => cell.state(glyph, word, role),
                    None => cell.role(word, role),
                }
            }
            _ => cell.role(&text, Role::Muted),
        }
    }
}
