//! A tiny world, two panes, and a hand that presses keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use quarterdeck_kernel::action::Done;
use quarterdeck_kernel::{
    ActionSpec, Actor, ArgKind, ArgSpec, ChangeKind, Danger, Entry, EntryId, Invocation, Phase, Reason,
    Severity, Subject, SubjectKind, Timestamp,
};
use quarterdeck_ui::keys::parse_chord;
use quarterdeck_ui::{
    CommandSpec, Context, Effect, Event, Headline, Hit, HostEffect, Input, Key, KeyCode, Options, Pane,
    PaneSpec, Shell, Status, World,
};
use quarterdeck_widgets::{Role, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// 2026-03-09 14:32:07 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_773_066_727_000);

#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) version: u64,
    pub(crate) status: Status,
    pub(crate) actions: Vec<ActionSpec>,
    pub(crate) services: Vec<String>,
    pub(crate) marks: Vec<Entry>,
    pub(crate) refuses: BTreeMap<String, String>,
}

fn action(id: &'static str, title: &'static str, danger: Danger, subject: Option<SubjectKind>) -> ActionSpec {
    ActionSpec {
        id,
        title,
        description: "Does what its name says.",
        subject,
        args: Vec::new(),
        danger,
        inverse: Some("x.y"),
    }
}

impl Default for Fake {
    fn default() -> Self {
        let mut limit = action("services.limit", "Set limit", Danger::Safe, Some(SubjectKind::Service));
        limit.args = vec![
            ArgSpec {
                name: "limit",
                description: "Latency limit in ms",
                kind: ArgKind::Number,
                required: true,
            },
            ArgSpec {
                name: "quantile",
                description: "Which percentile",
                kind: ArgKind::Choice(vec!["p50".into(), "p95".into(), "p99".into()]),
                required: true,
            },
        ];
        let mut wipe = action("orders.wipe", "Wipe", Danger::Destructive, Some(SubjectKind::Service));
        wipe.inverse = None;
        Self {
            version: 1,
            status: Status {
                environment: "demo".into(),
                operator: "ops-1".into(),
                newest_data: Some(NOW),
                interval: 15_000,
                ..Status::default()
            },
            actions: vec![
                action("alerts.acknowledge", "Ack", Danger::Safe, Some(SubjectKind::Service)),
                action("deploy.rollback", "Roll back", Danger::Disruptive, Some(SubjectKind::Service)),
                wipe,
                limit,
                action("timeline.undo", "Undo", Danger::Disruptive, Some(SubjectKind::Entry)),
            ],
            services: ["orders", "risk", "broker"].map(String::from).to_vec(),
            marks: Vec::new(),
            refuses: BTreeMap::new(),
        }
    }
}

impl Fake {
    pub(crate) fn degraded() -> Self {
        let mut fake = Self::default();
        fake.status.firing = [(Severity::Critical, 1), (Severity::Warning, 2)].into();
        fake.status.running = Some("1 rollout".into());
        fake.status.headline = Some(Headline {
            severity: Severity::Critical,
            text: "orders degraded 2 m · p99 84 ms (limit 50) · began 7 s after v2 → 10 %".into(),
            subject: Some(Subject::service("orders")),
            helps: Some("deploy.rollback"),
        });
        fake
    }

    pub(crate) fn entry(user: &str, seq: u64, undoable: bool) -> Entry {
        let actor = Actor { user: user.into(), ..Actor::default() };
        Entry {
            id: EntryId { writer: "here".into(), seq },
            at: NOW.plus_millis(-60_000),
            kind: ChangeKind::Operation,
            phase: Phase::Done,
            severity: Severity::Info,
            subject: None,
            service: None,
            summary: "changed".into(),
            reason: None,
            invocation: None,
            outcome_of: None,
            undo: undoable.then(|| Invocation::new("x.y", actor.clone())),
            undone_by: None,
            actor,
        }
    }
}

impl World for Fake {
    type Query = String;
    type Answer = String;

    fn version(&self) -> u64 {
        self.version
    }
    fn now(&self) -> Timestamp {
        NOW
    }
    fn status(&self) -> Status {
        self.status.clone()
    }
    fn actions(&self) -> &[ActionSpec] {
        &self.actions
    }
    fn available(&self, action: &str, _subject: Option<&Subject>) -> Result<(), Reason> {
        self.refuses.get(action).map_or(Ok(()), |why| Err(Reason(why.clone())))
    }
    fn preview(&self, invocation: &Invocation) -> Vec<String> {
        let subject = invocation.subject.as_ref().map_or("everything", |s| s.id.as_str());
        vec![format!("{subject}: 41 of 412 requests per second go back to v1"), "takes about 3 s".into()]
    }
    fn title(&self, invocation: &Invocation) -> Option<String> {
        (invocation.action == "services.limit").then(|| "Set the p99 limit of orders".to_owned())
    }
    fn situation(&self, invocation: &Invocation, argument: &str) -> Option<String> {
        (invocation.action == "services.limit" && argument == "limit")
            .then(|| "p99 of orders is 84 ms; its limit is 60 ms.".to_owned())
    }
    fn choices(&self, invocation: &Invocation, argument: &str) -> Option<Vec<(String, String)>> {
        let offered = [("50", "as it was"), ("none", "no limit")];
        (invocation.action == "services.limit" && argument == "limit")
            .then(|| offered.map(|(choice, note)| (choice.to_owned(), note.to_owned())).into())
    }
    fn subjects(&self) -> Vec<Subject> {
        self.services.iter().map(Subject::service).collect()
    }
    fn home_of(&self, subject: &Subject) -> &'static str {
        if subject.kind == SubjectKind::Service { "services" } else { "log" }
    }
    fn marks(&self, _: Timestamp, _: Timestamp, _: Option<&str>) -> Vec<Entry> {
        self.marks.clone()
    }
}

/// Lists services; `/` filters, `q` inside asks in the background.
#[derive(Default)]
pub(crate) struct Services {
    pub(crate) selected: usize,
    pub(crate) filter: Option<String>,
    pub(crate) answer: String,
}

const fn command(id: &'static str, title: &'static str, keys: &'static [&'static str]) -> CommandSpec {
    CommandSpec { id, title, description: "A command of a test pane.", keys, action: None }
}

static SERVICES: PaneSpec = PaneSpec {
    id: "services",
    title: "Services",
    description: "All services, worst first.",
    go: 's',
    commands: &[
        command("services.open", "open", &["enter"]),
        command("services.up", "up", &["up", "k"]),
        command("services.down", "down", &["down", "j"]),
        command("services.filter", "filter", &["/"]),
        command("services.ask", "ask", &["A"]),
        command("services.copy", "copy", &["y"]),
    ],
    actions: &[
        ("alerts.acknowledge", "a"),
        ("deploy.rollback", "R"),
        ("orders.wipe", "D"),
        ("services.limit", "L"),
        ("nobody.knows", "N"),
    ],
};

impl Pane<Fake> for Services {
    fn spec(&self) -> &'static PaneSpec {
        &SERVICES
    }

    fn update(&mut self, event: Event<'_, Fake>, cx: &Context<'_, Fake>) -> Vec<Effect<Fake>> {
        let last = cx.world.services.len().saturating_sub(1);
        match event {
            Event::Command("services.up") => self.selected = self.selected.saturating_sub(1),
            Event::Command("services.down") => self.selected = (self.selected + 1).min(last),
            Event::Command("services.filter") => self.filter = Some(String::new()),
            Event::Command("services.open") => return vec![Effect::Show("log")],
            Event::Command("services.copy") => return vec![Effect::Copy("a\nb".into())],
            Event::Command("services.ask") => {
                return vec![Effect::Query { slot: "chart", query: "rate".into() }];
            }
            Event::Key(key) if key == Key::plain(KeyCode::Esc) => self.filter = None,
            Event::Key(key) => {
                if let (Some(filter), Some(c)) = (&mut self.filter, key.text()) {
                    filter.push(c);
                }
            }
            Event::Paste(pasted) => self.filter = Some(pasted.to_owned()),
            Event::Open(subject) => {
                self.selected = cx.world.services.iter().position(|s| *s == subject.id).unwrap_or(0);
            }
            Event::Return(subject) => {
                self.selected = cx.world.services.iter().position(|s| *s == subject.id).unwrap_or(0);
                self.answer = format!("back at {}", subject.id);
            }
            Event::Hit { target, .. } => self.selected = target.parse().unwrap_or(0),
            Event::Answer { answer, .. } => self.answer = answer.unwrap_or_else(|why| why),
            // A pane that copies without being asked must not reach the clipboard.
            Event::World => return vec![Effect::Copy("unasked".into())],
            _ => {}
        }
        Vec::new()
    }

    fn view(&self, cx: &Context<'_, Fake>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        quarterdeck_widgets::rule::rule(cx.look, buffer, area, "services", &self.answer);
        let mut hits = Vec::new();
        for (index, service) in cx.world.services.iter().enumerate() {
            let y = area.y + 1 + u16::try_from(index).unwrap_or(0);
            if y >= area.bottom() {
                break;
            }
            let row = Rect { y, height: 1, ..area };
            if index == self.selected {
                buffer.set_style(row, cx.look.style(Role::Selection));
                text::put(buffer, area.x, y, 1, "▌", cx.look.style(Role::Accent));
            }
            text::put(buffer, area.x + 3, y, area.width, service, cx.look.style(Role::Text));
            if service == "raw" {
                // What no pane should do: cells written past the toolkit.
                buffer[(area.x + 20, y)].set_char('\u{1b}');
                buffer[(area.x + 21, y)].set_char('\u{202e}');
            }
            hits.push(Hit { area: row, target: index.to_string() });
        }
        if let Some(filter) = &self.filter {
            text::put(buffer, area.x, area.bottom() - 1, area.width, &format!("/{filter}"), Style::new());
        }
        hits
    }

    fn selection(&self, cx: &Context<'_, Fake>) -> Option<Subject> {
        cx.world.services.get(self.selected).map(Subject::service)
    }

    fn hints(&self, _: &Context<'_, Fake>) -> Vec<&'static str> {
        vec!["services.open", "services.filter"]
    }

    fn typing(&self) -> bool {
        self.filter.is_some()
    }

    fn remember(&self) -> Option<String> {
        Some(self.selected.to_string())
    }

    fn restore(&mut self, remembered: &str) {
        self.selected = remembered.parse().unwrap_or(0);
    }
}

/// Shows nothing but what it was told.
#[derive(Default)]
pub(crate) struct Log {
    told: Vec<&'static str>,
}

static LOG: PaneSpec = PaneSpec {
    id: "log",
    title: "Log",
    description: "What the pane was told.",
    go: 'l',
    commands: &[command("log.clear", "clear", &["c"])],
    actions: &[],
};

impl Pane<Fake> for Log {
    fn spec(&self) -> &'static PaneSpec {
        &LOG
    }

    fn update(&mut self, event: Event<'_, Fake>, _: &Context<'_, Fake>) -> Vec<Effect<Fake>> {
        self.told.push(match event {
            Event::Shown => "shown",
            Event::World => "world",
            Event::Scope => "scope",
            Event::Open(_) => "open",
            Event::Return(_) => "return",
            _ => "other",
        });
        Vec::new()
    }

    fn view(&self, cx: &Context<'_, Fake>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        quarterdeck_widgets::rule::rule(cx.look, buffer, area, "log", "");
        text::put(buffer, area.x + 1, area.y + 1, area.width, &self.told.join(" "), Style::new());
        Vec::new()
    }

    fn selection(&self, _: &Context<'_, Fake>) -> Option<Subject> {
        None
    }

    fn hints(&self, _: &Context<'_, Fake>) -> Vec<&'static str> {
        vec!["log.clear"]
    }
}

/// A shell with someone at its keys.
pub(crate) struct Desk {
    pub(crate) shell: Shell<Fake>,
    pub(crate) world: Fake,
    pub(crate) size: (u16, u16),
    pub(crate) effects: Vec<HostEffect<Fake>>,
    pub(crate) now: Timestamp,
}

impl Desk {
    pub(crate) fn new(world: Fake) -> Self {
        let panes: Vec<Box<dyn Pane<Fake>>> = vec![Box::new(Services::default()), Box::new(Log::default())];
        let actor = Actor { user: "ops-1".into(), ..Actor::default() };
        let options = Options { now: NOW, actor, ..Options::default() };
        let shell = Shell::new(Arc::new(world.clone()), panes, options).expect("the test panes are in order");
        Self { shell, world, size: (80, 24), effects: Vec::new(), now: NOW }
    }

    pub(crate) fn sized(mut self, columns: u16, rows: u16) -> Self {
        self.size = (columns, rows);
        self.send(Input::Resize(columns, rows));
        self
    }

    pub(crate) fn send(&mut self, input: Input<Fake>) {
        let effects = self.shell.handle(input);
        self.effects.extend(effects);
    }

    /// Presses keys written as a chord; text in quotes is typed.
    pub(crate) fn press(&mut self, keys: &str) -> &mut Self {
        for part in keys.split(' ').filter(|p| !p.is_empty()) {
            match part.strip_prefix('"') {
                Some(word) => {
                    word.trim_end_matches('"').chars().for_each(|c| self.send(Input::Key(Key::char(c))));
                }
                None => {
                    for key in parse_chord(part).expect("keys in tests are keys") {
                        self.send(Input::Key(key));
                    }
                }
            }
        }
        self
    }

    pub(crate) fn wait(&mut self, millis: i64) -> &mut Self {
        self.now = self.now.plus_millis(millis);
        self.send(Input::Tick(self.now));
        self
    }

    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Fake)) -> &mut Self {
        change(&mut self.world);
        self.world.version += 1;
        self.send(Input::World(Arc::new(self.world.clone())));
        self
    }

    pub(crate) fn buffer(&mut self) -> Buffer {
        let mut buffer = Buffer::empty(Rect::new(0, 0, self.size.0, self.size.1));
        self.shell.draw(&mut buffer);
        buffer
    }

    pub(crate) fn screen(&mut self) -> String {
        rows(&self.buffer()).join("\n")
    }

    pub(crate) fn row(&mut self, row: usize) -> String {
        rows(&self.buffer()).get(row).cloned().unwrap_or_default()
    }

    pub(crate) fn last_row(&mut self) -> String {
        rows(&self.buffer()).last().cloned().unwrap_or_default()
    }

    pub(crate) fn dispatched(&mut self) -> Vec<Invocation> {
        let effects = std::mem::take(&mut self.effects);
        effects
            .into_iter()
            .filter_map(|e| if let HostEffect::Dispatch(i) = e { Some(i) } else { None })
            .collect()
    }

    pub(crate) fn outcome(&mut self, invocation: &Invocation, result: Result<&str, &str>) {
        let result = result
            .map(|message| Done { message: message.to_owned(), entry: None, at: self.now })
            .map_err(str::to_owned);
        self.send(Input::Outcome { invocation: invocation.id, result });
    }
}

pub(crate) fn rows(buffer: &Buffer) -> Vec<String> {
    let width = usize::from(buffer.area.width);
    buffer
        .content
        .chunks(width.max(1))
        .map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned())
        .collect()
}

/// A screen as text, then its styles: per row the runs of equal style, then what each letter means.
pub(crate) fn with_styles(buffer: &Buffer) -> String {
    let mut out = rows(buffer).join("\n");
    out.push_str("\n---\n");
    let mut legend: Vec<Style> = Vec::new();
    for row in buffer.content.chunks(usize::from(buffer.area.width).max(1)) {
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for cell in row {
            let style = cell.style();
            let letter = legend.iter().position(|s| *s == style).unwrap_or_else(|| {
                legend.push(style);
                legend.len() - 1
            });
            match runs.last_mut() {
                Some((last, count)) if *last == letter => *count += 1,
                _ => runs.push((letter, 1)),
            }
        }
        let words: Vec<String> = runs.iter().map(|(l, n)| format!("{}{n}", letter(*l))).collect();
        out.push_str(&words.join(" "));
        out.push('\n');
    }
    for (index, style) in legend.iter().enumerate() {
        let (fg, bg) = (style.fg.unwrap_or_default(), style.bg.unwrap_or_default());
        out.push_str(&format!("{} {fg}/{bg} {:?}\n", letter(index), style.add_modifier));
    }
    out
}

fn letter(index: usize) -> char {
    char::from_u32(u32::from('a') + u32::try_from(index).unwrap_or(0)).unwrap_or('?')
}
