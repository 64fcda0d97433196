//! WebSocket feeds: how they do, and their rows as they come.

mod feeds;
mod messages;
mod view;

use std::sync::Arc;

use quarterdeck_kernel::{Severity, Subject, SubjectKind};
use quarterdeck_streams::FeedView;
use quarterdeck_streams::actions::{PAUSE, RECONNECT, RESUME};
use quarterdeck_ui::listing::{Did, Listing};
use quarterdeck_ui::pane::Click;
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use quarterdeck_widgets::table::Rows;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::feeds::FeedRows;
use self::messages::{MessageRows, Shape};
use crate::World;
use crate::world::{Answer, Arrange, Query};

const SPEC: PaneSpec = PaneSpec {
    id: "streams",
    title: "Streams",
    description: "WebSocket feeds: rate, lag, gaps, drops, and their messages as rows.",
    go: 'w',
    commands: quarterdeck_ui::list_commands!(
        "streams",
        CommandSpec {
            id: "streams.open",
            title: "into the rows",
            description: "Go from the feeds into the selected feed's rows, with the message in full; Esc comes back.",
            keys: &["enter"],
            action: None,
        },
        CommandSpec {
            id: "streams.follow",
            title: "follow",
            description: "Keep the newest row selected, or let the selection stay on its row.",
            keys: &["f"],
            action: None,
        },
        CommandSpec {
            id: "streams.metrics",
            title: "metrics",
            description: "Show the series that are made from the feed in the metrics explorer.",
            keys: &["m"],
            action: None,
        },
        CommandSpec {
            id: "streams.message",
            title: "copy message",
            description: "Copy the selected message as it was received.",
            keys: &["M"],
            action: None,
        }
    ),
    actions: &[(RECONNECT, "t"), (PAUSE, "z"), (RESUME, "Z")],
};

/// Which list keys go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Focus {
    #[default]
    Feeds,
    Rows,
}

/// The pane.
#[derive(Debug)]
pub struct Streams {
    feeds: Listing,
    rows: Listing,
    shape: Shape,
    focus: Focus,
    /// The newest row stays selected.
    follow: bool,
    /// The rows that the listing is arranged for.
    shown: Option<MessageRows>,
    /// Those that are being arranged in the background.
    arranging: Option<MessageRows>,
}

impl Default for Streams {
    fn default() -> Self {
        Self::new()
    }
}

impl Streams {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            feeds: Listing::new(&feeds::COLUMNS, None),
            rows: Listing::default(),
            shape: Shape::default(),
            focus: Focus::Feeds,
            follow: true,
            shown: None,
            arranging: None,
        }
    }

    fn focus_on(&mut self, focus: Focus) {
        self.focus = focus;
        self.feeds.unfocused = focus == Focus::Rows;
        self.rows.unfocused = focus == Focus::Feeds;
    }

    /// The selected feed.
    fn feed<'a>(&self, world: &'a World) -> Option<&'a Arc<FeedView>> {
        world.streams.feed(self.feeds.table.selected()?)
    }

    fn refresh(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let feeds = FeedRows::new(&cx.world.streams, cx.world.now);
        self.feeds.refresh(&feeds);
        self.refresh_rows(cx)
    }

    /// Takes up the newest rows of the selected feed. Many are arranged in the background; until that is done, those
    /// that are shown stay whole.
    fn refresh_rows(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let Some(feed) = self.feed(cx.world) else {
            (self.shown, self.arranging) = (None, None);
            return Vec::new();
        };
        let shape = Shape::of(feed, &self.shape);
        if shape != self.shape {
            let filter = self.rows.table.filter().to_owned();
            self.rows = Listing::new(&shape.columns(), None);
            self.rows.table.set_filter(&filter);
            self.focus_on(self.focus);
            self.shape = shape;
            (self.shown, self.arranging) = (None, None);
        }
        let rows = MessageRows::new(feed, &self.shape, cx.look);
        if self.arranging.is_some() {
            return Vec::new();
        }
        self.rows.refresh(&rows);
        match self.rows.wanted() {
            Some(spec) => {
                self.arranging = Some(rows.clone());
                let query = Query::Arrange(Arrange { rows: Arc::new(rows), spec });
                vec![Effect::Query { slot: "arrange", query }]
            }
            None => {
                self.show(rows);
                Vec::new()
            }
        }
    }

    fn show(&mut self, rows: MessageRows) {
        if self.follow && self.rows.table.sort().is_none() {
            self.rows.table.first(&rows);
        }
        self.shown = Some(rows);
    }

    /// Rows must be arranged anew: filter or sort have changed.
    fn rearrange(&mut self, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        if self.rows.wanted().is_none() {
            return Vec::new();
        }
        self.arranging = None;
        self.refresh_rows(cx)
    }

    fn command(&mut self, verb: &str, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        let layout = self.layout(cx.area, cx.world);
        match verb {
            "open" => {
                if self.feed(cx.world).is_some() {
                    self.focus_on(Focus::Rows);
                }
                Vec::new()
            }
            "follow" => {
                self.follow = !self.follow;
                self.refresh_rows(cx)
            }
            "metrics" => match self.feed(cx.world) {
                Some(feed) if feed.metrics.is_empty() => {
                    let text = format!(
                        "no series is made from {}: add [[streams.{}.metrics]]",
                        feed.name, feed.name
                    );
                    vec![Effect::Toast(Severity::Info, text)]
                }
                Some(feed) => {
                    let name = feed.metrics.first().map(ToString::to_string).unwrap_or_default();
                    let selector = format!("{name}{{stream={:?}}}", &*feed.name);
                    vec![Effect::Go(Subject::new(SubjectKind::Series, selector))]
                }
                None => Vec::new(),
            },
            "message" => {
                let row = self.shown.as_ref().and_then(|rows| rows.row(self.rows.table.selected_row()?));
                row.map(|row| Effect::Copy(row.raw.to_string())).into_iter().collect()
            }
            "back" if self.focus == Focus::Rows && self.rows.table.filter().is_empty() => {
                self.focus_on(Focus::Feeds);
                Vec::new()
            }
            // A filter is meant for the rows: there are never many feeds.
            "filter" if self.focus == Focus::Feeds && self.shown.is_some() => {
                self.focus_on(Focus::Rows);
                self.command("filter", cx)
            }
            _ if self.focus == Focus::Feeds => {
                let feeds = FeedRows::new(&cx.world.streams, cx.world.now);
                let did = self.feeds.command(verb, layout.feeds, &feeds);
                self.done(did, cx)
            }
            _ => {
                let Some(rows) = self.shown.clone() else { return Vec::new() };
                // Who moves the selection wants to keep what it is on.
                match verb {
                    "first" => self.follow = true,
                    "down" | "up" | "page-down" | "page-up" | "last" => self.follow = false,
                    _ => {}
                }
                let did = self.rows.command(verb, layout.rows, &rows);
                self.done(did, cx)
            }
        }
    }

    fn done(&mut self, did: Did, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match did {
            Did::Back => vec![Effect::Back],
            Did::Copy(text) => vec![Effect::Copy(text)],
            Did::Open => self.command("open", cx),
            Did::Nothing | Did::Changed if self.focus == Focus::Rows => self.rearrange(cx),
            Did::Nothing | Did::Changed => self.refresh_rows(cx),
        }
    }

    fn hit(
        &mut self,
        target: &str,
        click: Click,
        at: (u16, u16),
        cx: &Context<'_, World>,
    ) -> Vec<Effect<World>> {
        let layout = self.layout(cx.area, cx.world);
        let pressed = matches!(click, Click::Press | Click::Double);
        match (target, self.shown.clone()) {
            ("feeds", _) => {
                if pressed {
                    self.focus_on(Focus::Feeds);
                }
                let feeds = FeedRows::new(&cx.world.streams, cx.world.now);
                let did = self.feeds.click(click, at, layout.feeds, &feeds);
                self.done(did, cx)
            }
            ("rows", Some(rows)) => {
                // The wheel reads on without going in; a click goes in.
                if pressed {
                    self.focus_on(Focus::Rows);
                    self.follow = false;
                }
                if click == Click::ScrollDown {
                    self.follow = false;
                }
                match self.rows.click(click, at, layout.rows, &rows) {
                    Did::Open => Vec::new(),
                    did => self.done(did, cx),
                }
            }
            _ => Vec::new(),
        }
    }
}

impl Pane<World> for Streams {
    fn spec(&self) -> &'static PaneSpec {
        &SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Vec<Effect<World>> {
        match event {
            Event::Shown | Event::World => self.refresh(cx),
            Event::Scope => Vec::new(),
            Event::Open(subject) => {
                self.feeds.table.set_filter("");
                self.focus_on(Focus::Feeds);
                self.feeds.table.want(&subject.id);
                self.refresh(cx)
            }
            Event::Return(subject) => {
                self.feeds.table.reselect(&subject.id, &FeedRows::new(&cx.world.streams, cx.world.now));
                self.refresh(cx)
            }
            Event::Command(command) => self.command(command.rsplit('.').next().unwrap_or_default(), cx),
            Event::Key(key) if self.feeds.typing() => {
                self.feeds.key(key, &FeedRows::new(&cx.world.streams, cx.world.now));
                self.refresh_rows(cx)
            }
            Event::Key(key) => {
                if let Some(rows) = self.shown.clone() {
                    self.rows.key(key, &rows);
                }
                self.rearrange(cx)
            }
            Event::Paste(text) if self.feeds.typing() => {
                self.feeds.paste(text, &FeedRows::new(&cx.world.streams, cx.world.now));
                self.refresh_rows(cx)
            }
            Event::Paste(text) => {
                if let Some(rows) = self.shown.clone() {
                    self.rows.paste(text, &rows);
                }
                self.rearrange(cx)
            }
            Event::Hit { target, click, at } => self.hit(target, click, at, cx),
            Event::Answer { answer, .. } => {
                let Some(rows) = self.arranging.take() else { return Vec::new() };
                if let Ok(Answer::Arrange(arrangement)) = answer
                    && arrangement.of == rows.len()
                    && arrangement.spec == self.rows.table.spec()
                {
                    self.rows.table.adopt(arrangement, &rows);
                    self.show(rows);
                }
                Vec::new()
            }
        }
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        self.draw(cx, buffer, area)
    }

    fn selection(&self, cx: &Context<'_, World>) -> Option<Subject> {
        self.feed(cx.world).map(|feed| feed.subject())
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        let Some(feed) = self.feed(cx.world) else { return Vec::new() };
        let mut hints = Vec::new();
        let rows = self.shown.as_ref().is_some_and(|rows| !rows.is_empty());
        match self.focus {
            Focus::Feeds if rows => hints.extend(["streams.open", "streams.filter"]),
            Focus::Feeds => {}
            Focus::Rows => {
                hints.extend(["streams.back", "streams.filter", "streams.follow", "streams.message"]);
            }
        }
        if !feed.metrics.is_empty() {
            hints.push("streams.metrics");
        }
        hints.extend(["streams.sort", "streams.columns"]);
        hints
    }

    fn typing(&self) -> bool {
        self.feeds.typing() || self.rows.typing()
    }

    fn remember(&self) -> Option<String> {
        Some(self.feeds.table.remember())
    }

    fn restore(&mut self, remembered: &str) {
        self.feeds.table.restore(remembered);
    }
}
