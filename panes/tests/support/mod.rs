//! A small world made by hand, and a stage that plays keys to one pane of it: no terminal, no engine, no time.
//!
//! Shared by the tests of several panes; each uses a part of it.
#![allow(dead_code, reason = "each test program uses its part")]

pub(crate) mod alerts;
pub(crate) mod deploy;
pub(crate) mod gateway;
pub(crate) mod receivers;

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{
    ActionSpec, Actor, ChangeKind, Entry, EntryId, Health, Invocation, Moment, Phase, Reason, Severity,
    Subject, SubjectKind, Timestamp,
};
use quarterdeck_panes::World;
use quarterdeck_panes::world::{Actions, Answer, Console, Timeline};
use quarterdeck_services::{ServiceView, Snapshot as Services};
use quarterdeck_streams::{Cell, FeedState, FeedView, RatePoint, Row, Stats};
use quarterdeck_ui::{Click, Context, Effect, Event, Hit, Key, Pane, Scope};
use quarterdeck_widgets::{Look, Role};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// 2026-03-09 14:32:07 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_773_066_727_000);

/// A time before (negative) or after [`NOW`], in seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    NOW.plus_millis(seconds * 1000)
}

/// The registry: the actions on feeds, all available.
#[derive(Debug)]
struct Registry(Vec<ActionSpec>);

impl Actions for Registry {
    fn specs(&self) -> &[ActionSpec] {
        &self.0
    }

    fn available(&self, _: &str, subject: Option<&Subject>) -> Result<(), Reason> {
        subject.map(|_| ()).ok_or_else(|| Reason("nothing is selected".to_owned()))
    }

    fn preview(&self, _: &Invocation) -> Vec<String> {
        Vec::new()
    }
}

/// A world in which nothing is yet.
pub(crate) fn empty_world() -> World {
    World {
        version: 1,
        now: NOW,
        console: Arc::new(Console { environment: "test".to_owned(), ..Console::default() }),
        metrics: Arc::default(),
        targets: Arc::default(),
        rules: Arc::default(),
        alerting: Arc::default(),
        gateway: Arc::default(),
        deploy: Arc::default(),
        alarms: Arc::default(),
        streams: Arc::default(),
        services: Arc::default(),
        timeline: Arc::default(),
        headline: None,
        actions: Arc::new(Registry(quarterdeck_streams::actions())),
    }
}

/// A world with two services, two feeds and a deployment two minutes ago.
pub(crate) fn world() -> World {
    let mut world = empty_world();
    world.services =
        Arc::new(Services { services: vec![service("orders"), service("risk")], ..Services::default() });
    world.streams =
        Arc::new(quarterdeck_streams::Snapshot { version: 1, taken: NOW, feeds: vec![fills(), quotes()] });
    world.timeline = Arc::new(Timeline { entries: Arc::from([deployed()]), total: 1, ..Timeline::default() });
    world
}

/// A service that nothing is wrong with.
pub(crate) fn service(name: &str) -> Arc<ServiceView> {
    Arc::new(ServiceView {
        name: name.into(),
        catalogued: true,
        owner: None,
        runbook: None,
        depends_on: Vec::new(),
        dependents: Vec::new(),
        routes: Vec::new(),
        log_sources: Vec::new(),
        selectors: vec![format!("{{job=\"{name}\"}}")],
        health: Health::Ok,
        since: at(-3600),
        breaches: Vec::new(),
        reason: String::new(),
        signals: quarterdeck_services::Signals::default(),
        targets: quarterdeck_services::Targets { up: 1, total: 1 },
        data_at: Some(NOW),
        resources: Vec::new(),
        transactions: Vec::new(),
        dropped_transactions: 0,
        conventions: Vec::new(),
    })
}

/// A deployment of orders, two minutes ago.
pub(crate) fn deployed() -> Arc<Entry> {
    Arc::new(Entry {
        id: EntryId { writer: "deck".to_owned(), seq: 7 },
        at: at(-120),
        kind: ChangeKind::Deployment,
        phase: Phase::Done,
        severity: Severity::Info,
        subject: Some(Subject::service("orders")),
        service: Some("orders".to_owned()),
        actor: Actor::default(),
        summary: "orders v2 canary → 10 %".to_owned(),
        reason: None,
        invocation: None,
        outcome_of: None,
        undo: None,
        undone_by: None,
    })
}

/// A feed of quotes that lives, with a gap and drops in its past; 300 rows.
pub(crate) fn quotes() -> Arc<FeedView> {
    let history: Vec<RatePoint> = (0..300)
        .map(|second| RatePoint {
            t: at(second - 300),
            messages: 180 + (40.0 * (second as f64 / 20.0).sin()) as u32,
            bytes: 20_000,
            dropped: if (200..203).contains(&second) { 12 } else { 0 },
            missing: if second == 120 { 3 } else { 0 },
            lag_ms: 4.0,
        })
        .collect();
    let symbols = ["ACME", "GLOBEX", "INITECH", "UMBRELLA"];
    let rows = (1..=300).map(|id| {
        let symbol = symbols[id as usize % symbols.len()];
        let bid = 100.0 + (id as f64 * 0.37).sin();
        let received = at(-30).plus_millis(id * 100);
        let raw = format!(
            r#"{{"seq":{id},"symbol":"{symbol}","bid":{bid:.2},"size":{},"venue":{{"id":"x1","open":true}}}}"#,
            id % 9 * 100
        );
        Row {
            id: id as u64,
            received,
            sent: Some(received.plus_millis(-4)),
            cells: vec![Cell::Text(symbol.into()), Cell::Number((bid * 100.0).round() / 100.0), Cell::Integer(id % 9 * 100)].into(),
            bytes: raw.len(),
            raw: raw.into(),
        }
    });
    Arc::new(FeedView {
        name: "quotes".into(),
        url: "wss://feed.example.com/quotes".into(),
        state: FeedState::Live,
        since: at(-3 * 3600),
        columns: ["symbol", "bid", "size"].into_iter().map(Into::into).collect(),
        stats: Stats {
            messages: 1_948_201,
            bytes: 210_000_000,
            message_rate: 204.0,
            byte_rate: 21_400.0,
            lag_ms: Some(4.0),
            lag_max_ms: Some(11.0),
            missing: 3,
            gaps: 1,
            dropped: 36,
            reconnects: 1,
            ..Stats::default()
        },
        last_error: Some((at(-3 * 3600), "connection reset by peer".into())),
        last_message: Some(NOW),
        history: history.into(),
        rows: rows.collect(),
        metrics: Arc::from([Arc::from("quote_bid")]),
    })
}

/// A feed of fills that waits for its next attempt and has no rows.
pub(crate) fn fills() -> Arc<FeedView> {
    Arc::new(FeedView {
        name: "fills".into(),
        url: "wss://broker.example.com/fills".into(),
        state: FeedState::Waiting { until: at(9), attempt: 4 },
        since: at(-42),
        columns: Arc::from([]),
        stats: Stats::default(),
        last_error: Some((at(-1), "broker.example.com:443: connection refused".into())),
        last_message: None,
        history: Arc::from([]),
        rows: quarterdeck_streams::Rows::default(),
        metrics: Arc::from([]),
    })
}

/// One pane with what it is shown, and the hand that presses keys.
pub(crate) struct Stage {
    pub(crate) pane: Box<dyn Pane<World>>,
    pub(crate) world: World,
    pub(crate) scope: Scope,
    pub(crate) look: Look,
    pub(crate) area: Rect,
    /// What the pane wanted since it was last asked.
    pub(crate) effects: Vec<Effect<World>>,
    chord: Vec<String>,
}

impl Stage {
    /// A pane that has come to the front.
    pub(crate) fn new(pane: impl Pane<World> + 'static, world: World, (width, height): (u16, u16)) -> Self {
        let scope =
            Scope { service: None, range: 900_000, moment: Moment::Live, cursor: None, frozen: false };
        let mut stage = Self {
            pane: Box::new(pane),
            world,
            scope,
            look: Look::named("harbour"),
            area: Rect { x: 0, y: 0, width, height },
            effects: Vec::new(),
            chord: Vec::new(),
        };
        stage.event(Event::Shown);
        stage
    }

    /// Gives an event to the pane; a new scope is taken up at once, as the shell does.
    pub(crate) fn event(&mut self, event: Event<'_, World>) {
        let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area: self.area };
        let effects = self.pane.update(event, &cx);
        for effect in effects {
            match effect {
                Effect::Scope(scope) => {
                    self.scope = scope;
                    self.event(Event::Scope);
                }
                other => self.effects.push(other),
            }
        }
    }

    /// Presses keys, apart by spaces: as text while the pane is typed in, else by the keys of its commands.
    pub(crate) fn keys(&mut self, keys: &str) -> Vec<Effect<World>> {
        for name in keys.split(' ') {
            if self.pane.typing() {
                let key: Key = name.parse().unwrap_or_else(|e| panic!("{name}: {e:?}"));
                self.event(Event::Key(key));
                continue;
            }
            self.chord.push(name.to_owned());
            let pressed = self.chord.join(" ");
            let spec = self.pane.spec();
            let bound = |keys: &str| keys.split(' ').zip(pressed.split(' ')).all(|(a, b)| a == b);
            let found = spec.commands.iter().find(|c| c.keys.contains(&pressed.as_str()));
            let begins =
                spec.commands.iter().any(|c| c.keys.iter().any(|k| k.len() > pressed.len() && bound(k)));
            match found {
                Some(command) => {
                    self.chord.clear();
                    self.event(Event::Command(command.id));
                }
                None if begins => {}
                None => panic!("{pressed:?} is not bound in {}", spec.id),
            }
        }
        std::mem::take(&mut self.effects)
    }

    /// Types a text.
    pub(crate) fn types(&mut self, text: &str) -> Vec<Effect<World>> {
        for c in text.chars() {
            self.event(Event::Key(Key::char(c)));
        }
        std::mem::take(&mut self.effects)
    }

    /// Answers the newest query of a slot.
    pub(crate) fn answer(
        &mut self,
        slot: &'static str,
        answer: Result<Answer, String>,
    ) -> Vec<Effect<World>> {
        self.event(Event::Answer { slot, answer });
        std::mem::take(&mut self.effects)
    }

    /// Lets time pass: the world has a new version, so many milliseconds later.
    pub(crate) fn passes(&mut self, millis: i64) -> Vec<Effect<World>> {
        self.world.version += 1;
        self.world.now = self.world.now.plus_millis(millis);
        self.event(Event::World);
        std::mem::take(&mut self.effects)
    }

    /// Draws into the stage's area.
    pub(crate) fn draw(&self) -> (Buffer, Vec<Hit>) {
        self.draw_at(self.area)
    }

    /// Draws into another area.
    pub(crate) fn draw_at(&self, area: Rect) -> (Buffer, Vec<Hit>) {
        let mut buffer = Buffer::empty(area);
        buffer.set_style(area, self.look.base());
        let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area };
        let hits = self.pane.view(&cx, &mut buffer, area);
        (buffer, hits)
    }

    /// Clicks on the first region whose name begins so, at a place in it.
    pub(crate) fn click(&mut self, target: &str, click: Click, place: (u16, u16)) -> Vec<Effect<World>> {
        let (_, hits) = self.draw();
        let hit = hits.into_iter().find(|h| h.target.starts_with(target));
        let hit = hit.unwrap_or_else(|| panic!("no region {target}"));
        self.event(Event::Hit { target: &hit.target, click, at: place });
        std::mem::take(&mut self.effects)
    }

    /// The drawn text, a line to a row, without spaces at the ends.
    pub(crate) fn screen(&self) -> String {
        let (buffer, _) = self.draw();
        let row = |y: u16| (0..self.area.width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..self.area.height).map(|y| row(y).trim_end().to_owned()).collect::<Vec<_>>().join("\n")
    }

    /// Draws at many sizes and in every look; a panic is the only failure.
    pub(crate) fn draws_everywhere(&mut self) {
        let area = self.area;
        for (width, height) in [
            (0, 0),
            (1, 1),
            (2, 40),
            (5, 3),
            (9, 2),
            (20, 6),
            (40, 11),
            (80, 20),
            (120, 36),
            (200, 56),
            (300, 90),
        ] {
            for origin in [(0, 0), (3, 2)] {
                let drawn = Rect { x: origin.0, y: origin.1, width, height };
                self.area = drawn;
                self.draw_at(drawn);
            }
        }
        self.area = area;
    }

    /// The hints of now.
    pub(crate) fn hints(&self) -> Vec<&'static str> {
        let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area: self.area };
        self.pane.hints(&cx)
    }

    /// What actions would act on.
    pub(crate) fn selection(&self) -> Option<String> {
        let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area: self.area };
        self.pane.selection(&cx).map(|s| s.to_string())
    }

    /// Whether a cell is drawn in the colour of a role.
    pub(crate) fn is_role(&self, text: &str, role: Role) -> bool {
        let (buffer, _) = self.draw();
        let wanted = self.look.style(role).fg;
        (0..self.area.height).any(|y| {
            let row: Vec<&str> = (0..self.area.width).map(|x| buffer[(x, y)].symbol()).collect();
            let found = row.concat().find(text).map(|byte| row.concat()[..byte].chars().count());
            found.is_some_and(|x| buffer[(x as u16, y)].style().fg == wanted)
        })
    }
}

/// Intervals of tests.
pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A subject of a kind.
pub(crate) fn subject(kind: SubjectKind, id: &str) -> Subject {
    Subject::new(kind, id)
}

/// Processor time that some work takes: what else the machine does meanwhile is not in it.
pub(crate) fn processor_time(work: impl FnOnce()) -> std::time::Duration {
    let spent = || {
        let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("the thread's own figures");
        let nanoseconds = text.split_whitespace().next().and_then(|n| n.parse().ok());
        std::time::Duration::from_nanos(nanoseconds.expect("a number"))
    };
    let before = spent();
    work();
    spent() - before
}
