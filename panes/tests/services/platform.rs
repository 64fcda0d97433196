//! A hand-made trading platform, and a console that shows only the services pane.

use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::{
    ActionSpec, Actor, ChangeKind, Entry, EntryId, Health, Invocation, Moment, Phase, Reason, Severity,
    Subject, Timestamp,
};
use quarterdeck_panes::World;
use quarterdeck_panes::services::Services;
use quarterdeck_panes::world::{Actions, Answer, Console, Timeline};
use quarterdeck_services::{
    Breach, Heatmap, Limited, Resource, ServiceView, Signal, SignalSeries, Signals, Snapshot, Targets,
    TransactionView,
};
use quarterdeck_ui::{Context, Effect, Event, Hit, Key, Pane, Scope};
use quarterdeck_widgets::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

/// A Monday in March, 14:32:07 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_773_066_727_000);

struct Registry(Vec<ActionSpec>);

impl Actions for Registry {
    fn specs(&self) -> &[ActionSpec] {
        &self.0
    }

    fn available(&self, _action: &str, _subject: Option<&Subject>) -> Result<(), Reason> {
        Ok(())
    }

    fn preview(&self, _invocation: &Invocation) -> Vec<String> {
        Vec::new()
    }
}

/// A curve of `count` points around `base` that rises to `end` over its last third.
fn curve(count: usize, base: f64, end: f64) -> Vec<f64> {
    (0..count)
        .map(|i| {
            let (t, from) = (i as f64 / count as f64, 0.66);
            let rise = if t > from { (t - from) / (1.0 - from) } else { 0.0 };
            (base + (end - base) * rise) * (1.0 + 0.08 * (i as f64 * 0.7).sin())
        })
        .collect()
}

fn signal(base: f64, end: f64, limit: Option<f64>) -> Signal {
    let broken_since = limit.filter(|l| end > *l).map(|_| NOW.plus_millis(-120_000));
    Signal { value: Some(end), limit, broken_since, history: curve(30, base, end).into() }
}

fn transaction(name: &str, rate: f64, p99: f64, level: Option<(f64, f64, f64)>) -> TransactionView {
    TransactionView {
        name: name.into(),
        rate: Some(rate),
        errors: Some(if p99 > 50.0 { 2.4 } else { 0.0 }),
        p50: Some(p99 / 9.0),
        p95: Some(p99 / 2.0),
        p99: Some(p99),
        apdex: Some(0.93),
        threshold: level.map(|l| l.0),
        target: level.map(|l| l.1),
        attainment: level.map(|l| l.2),
        broken_since: level.filter(|l| l.2 < l.1).map(|_| NOW.plus_millis(-60_000)),
        rate_history: curve(30, rate * 0.9, rate).into(),
        p99_history: curve(30, p99 * 0.4, p99).into(),
    }
}

fn service(name: &str, rate: f64, p99: (f64, f64, Option<f64>)) -> ServiceView {
    ServiceView {
        name: name.into(),
        catalogued: true,
        owner: Some("trading".to_owned()),
        runbook: Some(format!("https://runbooks.example/{name}")),
        depends_on: Vec::new(),
        dependents: Vec::new(),
        routes: Vec::new(),
        log_sources: Vec::new(),
        selectors: vec![format!("{{job=\"{name}\"}}")],
        health: Health::Ok,
        since: NOW.plus_millis(-3 * 3_600_000),
        breaches: Vec::new(),
        reason: String::new(),
        signals: Signals {
            rate: signal(rate * 0.8, rate, None),
            errors: signal(0.1, 0.2, Some(1.0)),
            p50: signal(p99.0 / 8.0, p99.1 / 8.0, None),
            p95: signal(p99.0 / 2.0, p99.1 / 2.0, None),
            p99: signal(p99.0, p99.1, p99.2),
            saturation: signal(30.0, 35.0, Some(90.0)),
            saturated: Some("cpu".into()),
            apdex: Some(0.98),
        },
        targets: Targets { up: 2, total: 2 },
        data_at: Some(NOW.plus_millis(-2_000)),
        resources: vec![
            Resource { name: "cpu".into(), unit: "cores".into(), value: 0.7, percent: Some(35.0) },
            Resource { name: "memory".into(), unit: "bytes".into(), value: 412e6, percent: Some(61.0) },
            Resource { name: "workers".into(), unit: "1".into(), value: 15.0, percent: Some(96.0) },
            Resource { name: "open files".into(), unit: "1".into(), value: 81.0, percent: None },
        ],
        transactions: Vec::new(),
        dropped_transactions: 0,
        conventions: vec!["prometheus-http".into()],
    }
}

/// Orders is over its limit, broker with it; something has never sent a metric.
pub(crate) fn platform() -> Snapshot {
    let mut orders = service("orders", 412.0, (29.0, 84.0, Some(50.0)));
    orders.health = Health::Degraded;
    orders.since = NOW.plus_millis(-120_000);
    orders.reason = "p99 84 ms, limit 50 ms".to_owned();
    orders.depends_on = vec!["risk".to_owned(), "broker".to_owned()];
    orders.dependents = vec!["gateway".to_owned()];
    orders.breaches = vec![Breach {
        what: Limited::Latency,
        value: 84.0,
        limit: 50.0,
        since: NOW.plus_millis(-120_000),
        text: "p99 84 ms, limit 50 ms".to_owned(),
        health: Health::Degraded,
    }];
    orders.transactions = vec![
        transaction("POST /orders", 371.0, 84.0, Some((50.0, 99.5, 97.18))),
        transaction("GET /orders/{id}", 38.0, 12.0, Some((50.0, 99.0, 99.95))),
        transaction("DELETE /orders/{id}", 3.1, 18.0, None),
    ];
    let mut broker = service("broker", 388.0, (22.0, 31.0, Some(30.0)));
    broker.health = Health::Degraded;
    broker.since = NOW.plus_millis(-150_000);
    broker.reason = "p99 31 ms, limit 30 ms".to_owned();
    let mut ghost = service("ghost", 0.0, (0.0, 0.0, None));
    ghost.health = Health::Unknown;
    ghost.signals = Signals::default();
    ghost.data_at = None;
    ghost.resources.clear();
    ghost.owner = None;
    ghost.runbook = None;
    ghost.catalogued = false;
    ghost.selectors.clear();
    ghost.conventions.clear();
    let calm = [("ledger", 388.0, 6.0), ("market-data", 8_140.0, 3.0), ("risk", 409.0, 12.0)];
    let calm = calm.map(|(name, rate, p99)| service(name, rate, (p99, p99, Some(50.0))));
    let services = [orders, broker, ghost].into_iter().chain(calm).map(Arc::new).collect();
    Snapshot {
        version: 1,
        taken: NOW,
        interval: Duration::from_secs(5),
        services,
        history_step: Duration::from_secs(30),
        history_end: NOW,
        ..Snapshot::default()
    }
}

/// The answer to a question about signals.
pub(crate) fn signals() -> Answer {
    let count = 90;
    let series = SignalSeries {
        times: (0..count).map(|i| NOW.plus_millis((i as i64 - 89) * 10_000)).collect(),
        rate: curve(count, 330.0, 412.0),
        errors: curve(count, 0.2, 1.9),
        p50: curve(count, 4.0, 9.0),
        p95: curve(count, 14.0, 41.0),
        p99: curve(count, 29.0, 84.0),
        apdex: curve(count, 0.99, 0.93),
        attainment: curve(count, 90.0, 88.0),
        attained: Some(97.18),
        threshold: Some(50.0),
    };
    Answer::Signals(Arc::new(series))
}

/// The answer to a question about the heatmap.
pub(crate) fn heatmap() -> Answer {
    let bounds = vec![1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, f64::INFINITY];
    let column = |i: i64| -> Vec<f64> {
        let middle = 2.0 + if i > 60 { (i - 60) as f64 / 12.0 } else { 0.0 };
        (0..9).map(|b| (400.0 * (-(f64::from(b) - middle).powi(2) / 2.0).exp()).round()).collect()
    };
    Answer::Heatmap(Arc::new(Heatmap {
        bounds,
        times: (0..90).map(|i| NOW.plus_millis((i - 89) * 10_000)).collect(),
        step: Duration::from_secs(10),
        counts: (0..90).map(column).collect(),
    }))
}

fn deployment() -> Arc<Entry> {
    Arc::new(Entry {
        id: EntryId { writer: "test".into(), seq: 1 },
        at: NOW.plus_millis(-250_000),
        kind: ChangeKind::Deployment,
        phase: Phase::Done,
        severity: Severity::Info,
        subject: Some(Subject::service("orders")),
        service: Some("orders".to_owned()),
        actor: Actor::system("ops-1"),
        summary: "orders v2 canary → 10 %".to_owned(),
        reason: None,
        invocation: None,
        outcome_of: None,
        undo: None,
        undone_by: None,
    })
}

pub(crate) fn world(services: Snapshot) -> World {
    World {
        version: services.version,
        now: NOW,
        console: Arc::new(Console::default()),
        metrics: Arc::default(),
        targets: Arc::default(),
        rules: Arc::default(),
        alerting: Arc::default(),
        gateway: Arc::default(),
        deploy: Arc::default(),
        alarms: Arc::default(),
        streams: Arc::default(),
        services: Arc::new(services),
        timeline: Arc::new(Timeline { entries: [deployment()].into(), total: 1, ..Timeline::default() }),
        headline: None,
        actions: Arc::new(Registry(quarterdeck_services::actions())),
    }
}

/// The pane, what it is shown, and where it is drawn.
pub(crate) struct Desk {
    pub(crate) pane: Services,
    pub(crate) world: World,
    pub(crate) scope: Scope,
    pub(crate) look: Look,
    pub(crate) area: Rect,
}

impl Desk {
    /// The pane at its start, in an area as large as a screen of this size leaves it.
    pub(crate) fn new(width: u16, height: u16) -> Self {
        Self::with(platform(), width, height)
    }

    pub(crate) fn with(services: Snapshot, width: u16, height: u16) -> Self {
        let scope =
            Scope { service: None, range: 900_000, moment: Moment::Live, cursor: None, frozen: false };
        let area = Rect::new(0, 0, width, height.saturating_sub(4));
        let mut desk =
            Self { pane: Services::new(), world: world(services), scope, look: Look::default(), area };
        desk.event(Event::Shown);
        desk
    }

    /// Gives the pane an event; a change of scope comes back to it as from the shell.
    pub(crate) fn event(&mut self, event: Event<'_, World>) -> Vec<Effect<World>> {
        let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area: self.area };
        let effects = self.pane.update(event, &cx);
        if let Some(Effect::Scope(scope)) = effects.iter().find(|e| matches!(e, Effect::Scope(_))) {
            self.scope = scope.clone();
            let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area: self.area };
            self.pane.update(Event::Scope, &cx);
        }
        effects
    }

    /// Gives a command by its verb.
    pub(crate) fn command(&mut self, verb: &str) -> Vec<Effect<World>> {
        let id = format!("services.{verb}");
        let known = self.pane.spec().commands.iter().any(|c| c.id == id);
        assert!(known, "{id} is not a command of the pane");
        self.event(Event::Command(&id))
    }

    /// Types text while the pane takes text.
    pub(crate) fn keys(&mut self, keys: &str) {
        for key in keys.split_whitespace() {
            let key: Key = key.parse().expect("a key");
            assert!(self.pane.typing(), "the pane takes no text before {key:?}");
            self.event(Event::Key(key));
        }
    }

    /// Opens the selected service and answers what it asks.
    pub(crate) fn open(&mut self) {
        let effects = self.command("open");
        self.reply(&effects);
    }

    /// Answers every question in these effects.
    pub(crate) fn reply(&mut self, effects: &[Effect<World>]) {
        for effect in effects {
            if let Effect::Query { slot, .. } = effect {
                let answer = if *slot == "heatmap" { heatmap() } else { signals() };
                self.event(Event::Answer { slot, answer: Ok(answer) });
            }
        }
    }

    /// As the pane draws itself, with where the mouse can act.
    pub(crate) fn draw(&self) -> (Buffer, Vec<Hit>) {
        let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area: self.area };
        let mut buffer = Buffer::empty(self.area);
        buffer.set_style(self.area, self.look.base());
        let hits = self.pane.view(&cx, &mut buffer, self.area);
        (buffer, hits)
    }

    /// As the operator reads it.
    pub(crate) fn screen(&self) -> String {
        let (buffer, _) = self.draw();
        let mut out = String::new();
        for y in buffer.area.top()..buffer.area.bottom() {
            let row: String =
                (buffer.area.left()..buffer.area.right()).map(|x| buffer[(x, y)].symbol()).collect();
            out.push_str(row.trim_end());
            out.push('\n');
        }
        out
    }

    pub(crate) fn selection(&self) -> Option<String> {
        let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area: self.area };
        self.pane.selection(&cx).map(|s| s.to_string())
    }

    pub(crate) fn hints(&self) -> Vec<&'static str> {
        let cx = Context { world: &self.world, scope: &self.scope, look: &self.look, area: self.area };
        self.pane.hints(&cx)
    }

    /// The world goes on: a new version, some time later.
    pub(crate) fn pass(&mut self, millis: i64) -> Vec<Effect<World>> {
        let mut services = (*self.world.services).clone();
        services.version += 1;
        self.world.services = Arc::new(services);
        self.world.version += 1;
        self.world.now = self.world.now.plus_millis(millis);
        self.event(Event::World)
    }
}
