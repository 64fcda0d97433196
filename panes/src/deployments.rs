//! Deployments: rollouts under way with their steps, weights and verdicts; what was rolled out before; DORA's measures;
//! what the processes write.

mod act;
mod asking;
pub(crate) mod dialog;
mod dora;
mod history;
mod output;
mod rows;
mod spec;
mod tell;
mod tree;
mod view;
mod words;

use std::sync::Arc;

use quarterdeck_deploy::model::Rollout;
use quarterdeck_kernel::{Subject, SubjectKind, Timestamp};
use quarterdeck_ui::listing::Listing;
use quarterdeck_ui::{Context, Effect, Event, Hit, Pane, PaneSpec};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::act::{ABORT, FREEZE, PROMOTE, RESUME, ROLLBACK, SKIP, START, WEIGHT};
use self::asking::Asking;
use self::output::Written;
use self::rows::{Kind, Model, ViewRows};
use crate::World;
use crate::form::{Form, Typed};
use crate::lists::{Effects, List, Lists, remember, restore};
use crate::world::{Answer, Query};

/// The pane.
#[derive(Debug)]
pub struct Deployments {
    kind: Kind,
    lists: [List<Model>; 4],
    arranging: Option<ViewRows>,
    open: Option<usize>,
    /// What a deep link asked for before it was there.
    wanted: Option<Subject>,
    asking: Option<Asking>,
    /// What is written, by whom.
    written: Arc<Written>,
    /// When it was asked for last.
    asked: Option<Timestamp>,
    /// The newest line stays selected.
    follow: bool,
    /// Every measurement is told, not only what came of them.
    explain: bool,
}

impl Default for Deployments {
    fn default() -> Self {
        Self::new()
    }
}

impl Deployments {
    /// The pane as it starts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            kind: Kind::default(),
            lists: Kind::ALL.map(|kind| List::new(kind.columns())),
            arranging: None,
            open: None,
            wanted: None,
            asking: None,
            written: Arc::default(),
            asked: None,
            follow: true,
            explain: false,
        }
    }

    fn list(&self) -> &List<Model> {
        &self.lists[self.kind as usize]
    }

    fn model(&self) -> Option<&Model> {
        self.list().shown.as_deref()
    }

    fn selected(&self) -> Option<usize> {
        self.list().listing.table.selected_row()
    }

    fn command(&mut self, verb: &str, cx: &Context<'_, World>) -> Effects {
        if let Some(effects) = self.turn(verb, cx) {
            return effects;
        }
        match verb {
            "new" => return self.ask_start(cx),
            "promote" => return self.promote(cx, false),
            "finish" => return self.promote(cx, true),
            "skip" => return self.simple(cx, SKIP),
            "hold" => return self.hold(cx),
            "rollback" => return self.roll_back(cx, false),
            "gradual" => return self.roll_back(cx, true),
            "stop" => return self.simple(cx, ABORT),
            "weights" => return self.ask_weight(cx),
            "why" => return self.why(),
            "logs" => return self.logs(cx),
            "changed" => return self.changed(),
            "open" if self.open.is_none() => {
                self.explain = false;
                return self.enter();
            }
            _ => {}
        }
        // Who moves the selection wants to keep what it is on.
        match verb {
            _ if self.kind != Kind::Output || self.open.is_some() => {}
            "last" => self.follow = true,
            "down" | "up" | "page-down" | "page-up" | "first" => self.follow = false,
            _ => {}
        }
        self.list_command(verb, cx)
    }

    /// Asks what the processes have written since, at most once a second.
    fn ask_output(&mut self, cx: &Context<'_, World>) -> Effects {
        let due =
            self.asked.is_none_or(|asked| cx.world.now >= asked.plus_millis(1000) || cx.world.now < asked);
        let Some(of) = self.written.of.clone().filter(|_| self.kind == Kind::Output && due) else {
            return Vec::new();
        };
        self.asked = Some(cx.world.now);
        let query = Query::Output {
            service: of.service,
            version: of.version,
            replica: of.replica,
            lines: output::MOST,
            at: cx.world.now,
        };
        vec![Effect::Query { slot: "output", query }]
    }

    /// The ways to actions that make sense on what is selected.
    fn acts(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        let mut hints = Vec::new();
        let service = self.service();
        let subject = service.as_ref().map(|name| Subject::service(name.as_str()));
        let can = |action: &str| cx.world.actions.available(action, subject.as_ref()).is_ok();
        let running = self.running(cx);
        if let Some(rollout) = &running {
            for (action, hint) in
                [(PROMOTE, "deployments.promote"), (SKIP, "deployments.skip"), (RESUME, "deployments.hold")]
            {
                let fits = match action {
                    SKIP => words::waits(rollout),
                    RESUME => true,
                    _ => rollout.frozen.is_none(),
                };
                let action = if action == RESUME && rollout.frozen.is_none() { FREEZE } else { action };
                if fits && can(action) {
                    hints.push(hint);
                }
            }
        }
        if service.is_some() && can(ROLLBACK) {
            hints.push("deployments.rollback");
        }
        if running.is_some() && can(ABORT) {
            hints.push("deployments.stop");
        }
        if running.as_ref().is_some_and(|r| words::weighable(r)) && can(WEIGHT) {
            hints.push("deployments.weights");
        }
        if running.is_none() && can(START) {
            hints.push("deployments.new");
        }
        if self.rollout().is_some() {
            hints.push("deployments.why");
        }
        if service.is_some() {
            hints.extend(["deployments.logs", "deployments.changed"]);
        }
        hints
    }

    /// The rollout that keys act on: that of the selected service which has not ended.
    fn running(&self, cx: &Context<'_, World>) -> Option<Arc<Rollout>> {
        cx.world.deploy.rollout_of(&self.service()?).cloned()
    }
}

impl Lists for Deployments {
    type Kind = Kind;
    type Rows = ViewRows;

    fn kind(&mut self) -> &mut Kind {
        &mut self.kind
    }

    fn wanted(&mut self) -> &mut Option<Subject> {
        &mut self.wanted
    }

    fn key_of(&self, subject: &Subject) -> Option<String> {
        self.model()?.key_of(subject)
    }

    fn listing(&mut self) -> &mut Listing {
        &mut self.lists[self.kind as usize].listing
    }

    fn listing_of(&mut self, rows: &ViewRows) -> &mut Listing {
        &mut self.lists[rows.model.kind as usize].listing
    }

    fn rows(&self, cx: &Context<'_, World>) -> ViewRows {
        let shown = self.list().shown.clone();
        let model =
            shown.unwrap_or_else(|| Arc::new(Model::new(self.kind, &Arc::default(), &Arc::default(), None)));
        ViewRows::new(model, cx)
    }

    fn list_area(&self, cx: &Context<'_, World>) -> Rect {
        self.layout(cx.area).list
    }

    fn show(&mut self, rows: ViewRows) {
        let kind = rows.model.kind;
        let table = &mut self.lists[kind as usize].listing.table;
        if kind == Kind::Output && self.follow && self.open.is_none() && table.sort().is_none() {
            table.last(&rows);
        }
        self.lists[kind as usize].shown = Some(rows.model);
        self.find();
    }

    /// Takes up the newest snapshot; the same one is not looked at twice.
    fn refresh(&mut self, cx: &Context<'_, World>) -> Effects {
        let (snapshot, service) = (&cx.world.deploy, cx.scope.service.as_deref());
        let mut effects = self.ask_output(cx);
        let current = self.list().shown.as_ref().is_some_and(|model| {
            Arc::ptr_eq(&model.snapshot, snapshot)
                && Arc::ptr_eq(&model.written, &self.written)
                && model.service.as_deref() == service
        });
        if self.arranging.is_some() || current {
            self.find();
            return effects;
        }
        let rows = ViewRows::new(Arc::new(Model::new(self.kind, snapshot, &self.written, service)), cx);
        self.listing().refresh(&rows);
        effects.extend(self.arrange(rows));
        effects
    }

    fn arranging(&mut self) -> &mut Option<ViewRows> {
        &mut self.arranging
    }

    fn open(&mut self) -> &mut Option<usize> {
        &mut self.open
    }

    fn extent(&self, cx: &Context<'_, World>) -> (usize, usize) {
        let lines = self.columns(cx, cx.area.width).into_iter().map(|d| d.lines.len()).max().unwrap_or(0);
        (lines, usize::from(cx.area.height.saturating_sub(1)))
    }

    fn form(&mut self) -> Option<&mut Form> {
        self.asking.as_mut().map(|asking| &mut asking.form)
    }

    fn filled(&mut self, typed: Typed, cx: &Context<'_, World>) -> Effects {
        self.typed(typed, cx)
    }

    fn enter(&mut self) -> Effects {
        self.open = self.selected().map(|_| 0);
        Vec::new()
    }

    fn clicked(&mut self) {
        self.follow &= self.kind != Kind::Output;
    }
}

impl Pane<World> for Deployments {
    fn spec(&self) -> &'static PaneSpec {
        &spec::SPEC
    }

    fn update(&mut self, event: Event<'_, World>, cx: &Context<'_, World>) -> Effects {
        match event {
            Event::Shown | Event::World | Event::Scope => {
                let effects = self.refresh(cx);
                self.retell(cx);
                effects
            }
            Event::Open(subject) => {
                let kind = Kind::of(subject, &cx.world.deploy).unwrap_or(self.kind);
                self.lists[kind as usize].listing.table.set_filter("");
                self.lists[kind as usize].shown = None;
                (self.wanted, self.asking) = (Some(subject.clone()), None);
                self.turn_to(kind, cx)
            }
            Event::Return(subject) => {
                let rows = self.rows(cx);
                if let Some(key) = rows.model.key_of(subject) {
                    self.listing().table.reselect(&key, &rows);
                }
                Vec::new()
            }
            Event::Command(command) => self.command(command.rsplit('.').next().unwrap_or_default(), cx),
            Event::Answer { slot: "output", answer } => {
                self.written = Arc::new(match answer {
                    Ok(Answer::Output(lines)) => {
                        Written { lines, trouble: None, ..Written::clone(&self.written) }
                    }
                    Ok(_) => return Vec::new(),
                    Err(why) => Written { trouble: Some(why), ..Written::clone(&self.written) },
                });
                self.refresh(cx)
            }
            other => self.take(other, cx),
        }
    }

    fn view(&self, cx: &Context<'_, World>, buffer: &mut Buffer, area: Rect) -> Vec<Hit> {
        self.draw(cx, buffer, area)
    }

    fn selection(&self, _: &Context<'_, World>) -> Option<Subject> {
        match self.kind {
            Kind::History => {
                self.rollout().map(|rollout| Subject::new(SubjectKind::Deployment, rollout.id.as_str()))
            }
            _ => self.service().map(Subject::service),
        }
    }

    fn hints(&self, cx: &Context<'_, World>) -> Vec<&'static str> {
        if self.typing() || view::is_absent(&cx.world.deploy) {
            return Vec::new();
        }
        let mut hints = Vec::new();
        match self.open {
            Some(_) => hints.push("deployments.back"),
            None if self.selected().is_some() => hints.push("deployments.open"),
            None => {}
        }
        hints.extend(self.acts(cx));
        hints.push("deployments.view");
        if self.open.is_none() && self.selected().is_some() {
            hints.push("deployments.filter");
        }
        hints
    }

    fn typing(&self) -> bool {
        self.asking.is_some() || self.list().listing.typing()
    }

    fn remember(&self) -> Option<String> {
        Some(remember(self.kind, |kind| self.lists[kind as usize].listing.table.remember()))
    }

    fn restore(&mut self, remembered: &str) {
        let lists = &mut self.lists;
        restore(remembered, &mut self.kind, |kind, rest| {
            lists[kind as usize].listing.table.restore(rest);
        });
    }
}
