//! "What changed?", floating over an alert: what happened before it, most likely cause first.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use quarterdeck_alerting::model::Alert;
use quarterdeck_alerting::whatchanged::{DEFAULT_WINDOW, Direction, Question, Series, Suspect, what_changed};
use quarterdeck_kernel::sample::Sample;
use quarterdeck_kernel::{ChangeKind, Entry, EntryId, Phase, Subject, SubjectKind, Timestamp};
use quarterdeck_services::ServiceView;
use quarterdeck_ui::{Context, Effect};
use quarterdeck_widgets::{Glyph, Role, format, gauge, popup, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::World;
use crate::world::{Answer, Query, TimelineFilter};

/// Entries that are looked at: the newest ones before the alert.
pub const ENTRIES: usize = 600;
/// How far behind the beginning an entry may be dated and still count, in milliseconds.
const SLACK: i64 = 60_000;
/// The action that undoes an entry.
pub(super) const UNDO: &str = "timeline.undo";
/// The slot of its question.
pub(super) const SLOT: &str = "changed";

/// How much of the timeline the answer is drawn from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Reach {
    /// What is at hand: the store has been asked for the rest.
    AtHand,
    /// All of it.
    Whole,
    /// The newest [`ENTRIES`] changes.
    Cut,
    /// What is at hand, because the store could not tell.
    Failed(String),
}

/// The answer as it is shown.
#[derive(Debug)]
pub(super) struct Changed {
    alert: Arc<Alert>,
    began: Timestamp,
    suspects: Vec<(Suspect, Entry)>,
    considered: usize,
    selected: usize,
    reach: Reach,
    /// How many entries the timeline had when the suspects were last compared with it.
    seen: u64,
}

impl Changed {
    /// Tells what changed before an alert, as far as it is at hand; the store knows the rest: see [`Changed::question`].
    pub(super) fn new(world: &World, alert: Arc<Alert>) -> Self {
        let began = began(world, &alert);
        let mut this = Self {
            alert,
            began,
            suspects: Vec::new(),
            considered: 0,
            selected: 0,
            reach: Reach::AtHand,
            seen: world.timeline.total,
        };
        this.weigh(world, &[]);
        this
    }

    /// What the store is asked.
    pub(super) fn question(&self) -> Effect<World> {
        let (from, to) = window(self.began);
        let filter = TimelineFilter {
            kinds: kinds().collect(),
            from: Some(from),
            to: Some(to),
            ..TimelineFilter::default()
        };
        Effect::Query { slot: SLOT, query: Query::Timeline { filter, before: None, limit: ENTRIES } }
    }

    /// Takes the store's answer.
    pub(super) fn answered(&mut self, world: &World, answer: Result<Answer, String>) {
        match answer {
            Ok(Answer::Timeline(entries, more)) => {
                self.reach = if more { Reach::Cut } else { Reach::Whole };
                self.weigh(world, &entries);
            }
            Ok(_) => {}
            Err(why) => self.reach = Reach::Failed(why),
        }
    }

    /// Ranks what is stored together with what is at hand, which may be newer.
    fn weigh(&mut self, world: &World, stored: &[Arc<Entry>]) {
        let (from, to) = window(self.began);
        let known: HashSet<&EntryId> = stored.iter().map(|e| &e.id).collect();
        let at_hand = world.timeline.entries.iter().filter(|e| {
            (from..=to).contains(&e.at) && kinds().any(|kind| kind == e.kind) && !known.contains(&e.id)
        });
        let entries: Vec<Entry> = at_hand.chain(stored).take(ENTRIES).map(|e| (**e).clone()).collect();
        let stood = self.suspects.get(self.selected).map(|(suspect, _)| suspect.entry.clone());
        (self.suspects, self.considered) = rank(world, &self.alert, &entries);
        let place = stood.and_then(|id| self.suspects.iter().position(|(s, _)| s.entry == id));
        self.selected = place.unwrap_or(0);
        self.freshen(world);
    }

    /// Learns what became of the suspects: undone meanwhile, for one.
    pub(super) fn follow(&mut self, world: &World) {
        if self.seen != world.timeline.total {
            self.seen = world.timeline.total;
            self.freshen(world);
        }
    }

    fn freshen(&mut self, world: &World) {
        for (_, entry) in &mut self.suspects {
            if let Some(now) = world.timeline.entry(&entry.id) {
                *entry = (**now).clone();
                continue;
            }
            // What is no longer at hand itself may have been undone by what is.
            let undoes = |by: &&Arc<Entry>| {
                let undoes = by.invocation.as_ref().and_then(|i| i.undoes.as_ref());
                by.phase == Phase::Done && by.undone_by.is_none() && undoes == Some(&entry.id)
            };
            if let Some(by) = world.timeline.entries.iter().find(undoes) {
                entry.undone_by = Some(by.id.clone());
            }
        }
    }

    /// Why the selected change cannot be undone from here; none when it can.
    pub(super) fn fixed(&self, world: &World) -> Option<String> {
        let (_, entry) = self.suspects.get(self.selected)?;
        if entry.undone_by.is_some() {
            return Some("it is undone already".to_owned());
        }
        if entry.undo.is_none() {
            return Some("nothing undoes it: change it where it was changed".to_owned());
        }
        quarterdeck_ui::pane::World::available(world, UNDO, self.subject().as_ref()).err().map(|why| why.0)
    }

    pub(super) fn step(&mut self, by: isize) {
        let last = self.suspects.len().saturating_sub(1);
        self.selected = self.selected.saturating_add_signed(by).min(last);
    }

    /// The selected entry of the timeline.
    pub(super) fn subject(&self) -> Option<Subject> {
        let (suspect, _) = self.suspects.get(self.selected)?;
        Some(Subject::new(SubjectKind::Entry, suspect.entry.to_string()))
    }

    pub(super) fn draw(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) {
        let look = cx.look;
        let width = area.width.saturating_sub(2).min(120);
        let shown = self.suspects.len().max(1).min(usize::from(area.height.saturating_sub(6)).max(1));
        let float = popup::centred(area, width, shown as u16 + 5);
        let title = format!("{} · what changed before {}?", self.alert.name(), look.clock(self.began));
        let hints = match self.suspects.get(self.selected) {
            None => "Esc",
            Some(_) if self.fixed(cx.world).is_some() || cx.world.console.read_only => {
                "Enter on the timeline · Esc"
            }
            Some(_) => "Enter on the timeline · R! revert the selected one · Esc",
        };
        let inside = popup::float(look, buffer, float, &title, hints);
        if inside.height < 2 {
            return;
        }
        if self.suspects.is_empty() {
            let room = inside.width.saturating_sub(2);
            let (told, role) = match &self.reach {
                Reach::AtHand => ("Looking at the timeline …".to_owned(), Role::Running),
                Reach::Failed(why) => (format!("The timeline could not be read: {why}"), Role::Critical),
                Reach::Whole | Reach::Cut => (
                    "Nothing that the timeline knows changed in the two hours before.".to_owned(),
                    Role::Text,
                ),
            };
            text::put(buffer, inside.x + 1, inside.y, room, &told, look.style(role));
            if matches!(self.reach, Reach::AtHand | Reach::Failed(_)) {
                return;
            }
            let next = "Look at what it needs from outside: network, providers, data.";
            text::put(buffer, inside.x + 1, inside.y + 1, room, next, look.style(Role::Muted));
            return;
        }
        let columns = Columns::new(inside);
        columns.heading(cx, buffer, inside.y);
        let rows = inside.height.saturating_sub(3).max(1);
        let from = (self.selected + 1).saturating_sub(usize::from(rows));
        let last = (inside.y + 1 + rows).min(inside.bottom());
        for ((place, (suspect, entry)), y) in
            self.suspects.iter().enumerate().skip(from).zip(inside.y + 1..last)
        {
            columns.row(cx, buffer, y, suspect, entry);
            if place == self.selected {
                text::cell(buffer, inside.x, y, look.glyph(Glyph::Bar), look.style(Role::Accent));
                look.select(buffer, Rect { y, height: 1, ..inside });
            }
        }
        let why = self.suspects.get(self.selected).map(|(s, _)| s.why()).unwrap_or_default();
        let room = usize::from(inside.width.saturating_sub(2));
        let below = text::wrap(&why, room);
        for (line, y) in below.iter().take(2).zip(last..inside.bottom()) {
            text::put(buffer, inside.x + 1, y, room as u16, line, look.style(Role::Muted));
        }
        let y = float.bottom().saturating_sub(1);
        let room = float.width.saturating_sub(2);
        text::put_right(buffer, float.x, y, room, &self.footer(), look.style(Role::Faint));
    }

    /// What is not shown, and what was not looked at.
    fn footer(&self) -> String {
        let more = self.considered.saturating_sub(self.suspects.len());
        let less = (more > 0).then(|| format!("{more} less likely "));
        let reach = match &self.reach {
            Reach::AtHand => Some("looking further … ".to_owned()),
            Reach::Whole => None,
            Reach::Cut => Some(format!("only the newest {ENTRIES} changes were weighed ")),
            Reach::Failed(_) => Some("the timeline could not be read: older changes are missing ".to_owned()),
        };
        [less, reach].into_iter().flatten().collect::<Vec<_>>().join("· ")
    }
}

/// The kinds of change that can be a cause: not what alerts did, nor what was done about them.
pub fn kinds() -> impl Iterator<Item = ChangeKind> {
    ChangeKind::ALL.into_iter().filter(|k| !matches!(k, ChangeKind::Alert | ChangeKind::Acknowledgement))
}

/// When what changed before an alert is looked for.
#[must_use]
pub fn window(began: Timestamp) -> (Timestamp, Timestamp) {
    (began - DEFAULT_WINDOW, began.plus_millis(SLACK))
}

/// Ranks entries of the timeline by how likely they are the cause of an alert, most likely first; and how many were looked
/// at.
#[must_use]
pub fn rank(world: &World, alert: &Alert, entries: &[Entry]) -> (Vec<(Suspect, Entry)>, usize) {
    let began = began(world, alert);
    let change = |e: &&Entry| kinds().any(|kind| kind == e.kind);
    let entries: Vec<Entry> = entries.iter().filter(change).cloned().collect();
    let depends_on: BTreeMap<String, Vec<String>> =
        world.services.services.iter().map(|s| (s.name.to_string(), s.depends_on.clone())).collect();
    let service = alert.service.as_deref();
    let mut measured = Vec::new();
    for name in service
        .into_iter()
        .chain(service.and_then(|s| depends_on.get(s)).into_iter().flatten().map(String::as_str))
    {
        if let Some(view) = world.services.service(name) {
            measured.extend(histories(world, view));
        }
    }
    let series: Vec<Series<'_>> = measured.iter().map(Measured::series).collect();
    let question = Question {
        service,
        labels: &alert.labels,
        began,
        window: DEFAULT_WINDOW,
        depends_on: &depends_on,
        series: &series,
    };
    let answer = what_changed(&question, &entries);
    let entry = |suspect: Suspect| {
        let entry = entries.iter().find(|e| e.id == suspect.entry)?.clone();
        Some((suspect, entry))
    };
    (answer.suspects.into_iter().filter_map(entry).collect(), answer.considered)
}

/// When the condition of an alert first held, where its rule is known; else when it fired.
#[must_use]
pub fn began(world: &World, alert: &Alert) -> Timestamp {
    let own =
        world.rules.active().find(|rule| rule.labels == alert.labels && rule.active_at <= alert.starts_at);
    own.map_or(alert.starts_at, |rule| rule.active_at)
}

/// A figure of a service and its near past.
struct Measured {
    name: String,
    unit: &'static str,
    service: String,
    samples: Vec<Sample>,
}

impl Measured {
    fn series(&self) -> Series<'_> {
        Series {
            name: &self.name,
            unit: self.unit,
            service: Some(&self.service),
            worse: Direction::Up,
            samples: &self.samples,
        }
    }
}

fn histories(world: &World, service: &ServiceView) -> impl Iterator<Item = Measured> {
    let step = quarterdeck_kernel::time::millis(world.services.history_step);
    let end = world.services.history_end;
    let signals = &service.signals;
    let figures = [("p99", "ms", &signals.p99), ("errors", "%", &signals.errors)];
    figures
        .map(|(what, unit, signal)| {
            let count = signal.history.len() as i64;
            let at = |place: usize| end.plus_millis((place as i64 + 1 - count) * step);
            let samples =
                signal.history.iter().enumerate().map(|(place, v)| Sample { t: at(place), v: *v }).collect();
            let name = format!("{what} of {}", service.name);
            Measured { name, unit, service: service.name.to_string(), samples }
        })
        .into_iter()
}

/// Where the columns of the answer stand: likely, when, change, who, undo.
struct Columns {
    at: [(u16, u16); 5],
}

impl Columns {
    fn new(inside: Rect) -> Self {
        let (likely, when) = (8, 10);
        let who = if inside.width >= 70 { 9 } else { 0 };
        let undo = if inside.width >= 56 { 8 } else { 0 };
        let gaps = 2 + 2 + u16::from(who > 0) + u16::from(undo > 0) + 2;
        let change = inside.width.saturating_sub(likely + when + who + undo + gaps);
        let mut x = inside.x + 2;
        let at = [likely, when, change, who, undo].map(|width| {
            let place = (x, width.min(inside.right().saturating_sub(x)));
            x = (x + width + u16::from(width > 0)).min(inside.right());
            place
        });
        Self { at }
    }

    fn heading(&self, cx: &Context<'_, World>, buffer: &mut Buffer, y: u16) {
        let style = cx.look.style(Role::Heading);
        for ((x, width), title) in self.at.iter().zip(["LIKELY", "WHEN", "CHANGE", "WHO", "UNDO"]) {
            text::put(buffer, *x, y, *width, title, style);
        }
    }

    fn row(&self, cx: &Context<'_, World>, buffer: &mut Buffer, y: u16, suspect: &Suspect, entry: &Entry) {
        let look = cx.look;
        let (x, width) = self.at[0];
        gauge::bar(look, buffer, (x, y), width, suspect.likely, Role::Accent);
        let before = quarterdeck_kernel::time::millis(suspect.before);
        let when = if before < 1000 { "same s".to_owned() } else { format!("−{}", format::span(before)) };
        let (x, width) = self.at[1];
        text::put(buffer, x, y, width, &when, look.style(Role::Muted));
        let (x, width) = self.at[2];
        let spans = [
            (look.glyph(Glyph::from(entry.kind)), look.style(Role::Accent)),
            (" ", look.style(Role::Text)),
            (entry.summary.as_str(), look.style(Role::Text)),
        ];
        text::put_spans(buffer, x, y, width, &spans);
        let (x, width) = self.at[3];
        text::put(buffer, x, y, width, &entry.actor.user, look.style(Role::Muted));
        let (x, width) = self.at[4];
        let (undo, role) = match (&suspect.undo, &entry.undone_by) {
            (_, Some(_)) => ("undone", Role::Muted),
            (Some(_), None) => ("R!", Role::Warning),
            (None, None) => ("", Role::Muted),
        };
        text::put(buffer, x, y, width, undo, look.style(role));
    }
}
