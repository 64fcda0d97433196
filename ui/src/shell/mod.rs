//! The shell as a pure state machine.

mod act;
mod command;
mod draw;
mod effect;
mod heard;
mod input;
mod layer;
mod list;
mod mouse;
mod place;
mod query;
mod remember;
pub(crate) mod time;
mod toast;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use quarterdeck_kernel::{ActionSpec, Actor, Danger, Diagnostic, Invocation, Moment, Severity, Timestamp};
use quarterdeck_widgets::{Look, Theme};
use ratatui::layout::Rect;
use uuid::Uuid;

use self::heard::Heard;
use self::mouse::Target;
use self::place::Place;
use self::query::Flights;
use self::remember::Chosen;
use self::toast::Toasts;
pub use self::toast::{Kind as ToastKind, Toast};
use crate::host::{HostEffect, Input};
use crate::keymap::{Keymap, Vocabulary};
use crate::keys::Key;
use crate::layers::Layer;
use crate::pane::{CommandSpec, Context, Hit, Pane, PaneSpec, Scope, Status, World};

/// How long a begun chord waits before its continuations are shown, in milliseconds.
pub(crate) const PENDING_DELAY: i64 = 400;

/// The smallest screen that the shell draws on: columns and rows.
pub const SMALLEST: (u16, u16) = (80, 24);

/// What a shell starts with.
pub struct Options {
    /// Who is at the keys; goes into every invocation.
    pub actor: Actor,
    /// Theme, colour depth, glyphs and time zone.
    pub look: Look,
    /// The themes to choose from.
    pub themes: Vec<Arc<Theme>>,
    /// Whether this terminal draws characters of ambiguous width two columns wide.
    pub wide: bool,
    /// Now.
    pub now: Timestamp,
    /// Whether mouse reports are on.
    pub mouse: bool,
    /// Whether to ask before leaving, with why: what the console holds that would end.
    pub quit_asks: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            actor: Actor::default(),
            look: Look::default(),
            themes: quarterdeck_widgets::theme::shipped().to_vec(),
            wide: false,
            now: Timestamp::default(),
            mouse: false,
            quit_asks: None,
        }
    }
}

/// A pane with what the shell knows of it.
struct Station<W: World> {
    pane: Box<dyn Pane<W>>,
    spec: &'static PaneSpec,
    /// Where it was last drawn.
    area: Rect,
    hits: Vec<Hit>,
    /// What it was last told of.
    seen: Option<(u64, Scope)>,
}

/// The world that panes see; fields apart, so that a pane can be borrowed beside it.
fn seen<'a, W>(
    world: &'a Arc<W>,
    frozen: Option<&'a (Arc<W>, Timestamp)>,
    rewound: Option<&'a (Timestamp, Arc<W>)>,
    scope: &Scope,
) -> &'a Arc<W> {
    match (rewound, frozen) {
        (Some((at, past)), _) if scope.moment == Moment::At(*at) => past,
        (_, Some((held, _))) => held,
        _ => world,
    }
}

/// One operator's screen.
pub struct Shell<W: World> {
    world: Arc<W>,
    frozen: Option<(Arc<W>, Timestamp)>,
    /// The world of a moment in the past, as the host has put it together.
    rewound: Option<(Timestamp, Arc<W>)>,
    now: Timestamp,
    size: (u16, u16),
    stations: Vec<Station<W>>,
    front: usize,
    pinned: Vec<&'static str>,
    past: Vec<Place>,
    future: Vec<Place>,
    scope: Scope,
    look: Look,
    wide: bool,
    chosen: Chosen,
    /// The theme before the one that is being tried.
    look_before: Option<Arc<Theme>>,
    themes: Vec<Arc<Theme>>,
    keymap: Keymap,
    pending: Vec<Key>,
    pending_since: Timestamp,
    layers: Vec<Layer>,
    toasts: Toasts,
    flights: Flights<W>,
    running: BTreeMap<Uuid, (String, Timestamp)>,
    recents: VecDeque<String>,
    actor: Actor,
    mouse: bool,
    quit_asks: Option<String>,
    last_click: Option<(Timestamp, (u16, u16))>,
    targets: Vec<(Rect, Target)>,
    title: String,
    /// What the newest world tells of itself.
    status: Status,
    heard: Heard,
    /// When floating lists were last brought up to date.
    refreshed: Timestamp,
    /// Whether what happens now answers a key or a click: only then may something be copied.
    asked: bool,
    out: Vec<HostEffect<W>>,
}

impl<W: World> Shell<W> {
    /// A shell over these panes, the first one at the front. The world's registry of actions must be whole already;
    /// everything else may still be empty.
    ///
    /// # Errors
    /// What is wrong in the panes' specs (no pane, keys that are none, that clash, or a letter that two panes share).
    pub fn new(
        world: Arc<W>,
        panes: Vec<Box<dyn Pane<W>>>,
        options: Options,
    ) -> Result<Self, Vec<Diagnostic>> {
        let stations: Vec<Station<W>> = panes
            .into_iter()
            .map(|pane| Station { spec: pane.spec(), pane, area: Rect::ZERO, hits: Vec::new(), seen: None })
            .collect();
        if stations.is_empty() {
            return Err(vec![Diagnostic::new("there is no pane to show")]);
        }
        let specs: Vec<&'static PaneSpec> = stations.iter().map(|s| s.spec).collect();
        let keymap = Keymap::defaults(&Vocabulary { panes: &specs, actions: world.actions() })?;
        let mut shell = Self {
            frozen: None,
            rewound: None,
            now: options.now,
            size: SMALLEST,
            pinned: specs.iter().take(9).map(|s| s.id).collect(),
            stations,
            front: 0,
            past: Vec::new(),
            future: Vec::new(),
            scope: Scope { service: None, range: 900_000, moment: Moment::Live, cursor: None, frozen: false },
            look: options.look.with_ambiguous_wide(options.wide),
            wide: options.wide,
            chosen: Chosen::default(),
            look_before: None,
            themes: options.themes,
            keymap,
            pending: Vec::new(),
            pending_since: options.now,
            layers: Vec::new(),
            toasts: Toasts::default(),
            flights: Flights::default(),
            running: BTreeMap::new(),
            recents: VecDeque::new(),
            actor: options.actor,
            mouse: options.mouse,
            quit_asks: options.quit_asks,
            last_click: None,
            targets: Vec::new(),
            title: String::new(),
            heard: Heard::new(options.now),
            status: world.status(),
            refreshed: options.now,
            asked: false,
            out: Vec::new(),
            world,
        };
        shell.tell_front_shown();
        shell.retitle();
        Ok(shell)
    }

    /// Takes one input and says what the host must do.
    pub fn handle(&mut self, input: Input<W>) -> Vec<HostEffect<W>> {
        self.take(input);
        std::mem::take(&mut self.out)
    }

    /// Lays an operator's keymap over the defaults. `name` is the file's name, for errors.
    ///
    /// # Errors
    /// Everything that is wrong in it; the old keymap stays and the operator is told.
    pub fn set_keymap(&mut self, name: &str, text: &str) -> Result<(), Vec<Diagnostic>> {
        let specs = self.specs();
        let vocabulary = Vocabulary { panes: &specs, actions: self.world.actions() };
        match Keymap::build(&vocabulary, name, text) {
            Ok(keymap) => {
                self.keymap = keymap;
                self.pending.clear();
                Ok(())
            }
            Err(errors) => {
                for error in errors.iter().rev() {
                    self.tell(Severity::Warning, &format!("keymap unchanged: {error}"));
                }
                Err(errors)
            }
        }
    }

    /// Whether to ask before leaving, with why; none lets `q` leave at once.
    pub fn set_quit_asks(&mut self, why: Option<String>) {
        self.quit_asks = why;
    }

    /// What is looked at.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// How things are drawn.
    #[must_use]
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// The live keymap.
    #[must_use]
    pub fn keymap(&self) -> &Keymap {
        &self.keymap
    }

    /// The panes' specs, in the order of the tab line.
    #[must_use]
    pub fn specs(&self) -> Vec<&'static PaneSpec> {
        self.stations.iter().map(|s| s.spec).collect()
    }

    /// The pane at the front.
    #[must_use]
    pub fn front(&self) -> &'static PaneSpec {
        self.stations[self.front].spec
    }

    /// What was told in passing, newest first.
    pub fn toasts(&self) -> impl Iterator<Item = &Toast> {
        self.toasts.log()
    }

    /// The newest world, whether or not the view is frozen.
    #[must_use]
    pub fn world(&self) -> &Arc<W> {
        &self.world
    }

    /// Whether mouse reports are on.
    #[must_use]
    pub fn mouse(&self) -> bool {
        self.mouse
    }

    /// When something visible changes although nothing happens: the clock, a toast that goes, a spinner. The host
    /// sends [`Input::Tick`] then.
    #[must_use]
    pub fn next_tick(&self) -> Timestamp {
        let second = self.now.as_millis().div_euclid(1000) * 1000 + 1000;
        let mut next = second;
        if !self.pending.is_empty() {
            let shown = self.pending_since.as_millis() + PENDING_DELAY;
            if shown > self.now.as_millis() {
                next = next.min(shown);
            }
        }
        if self.flights.visible(self.stations[self.front].spec.id, self.now) || !self.running.is_empty() {
            next = next.min(self.now.as_millis() + 120);
        }
        if let Some(goes) = self.toasts.next_change(self.now) {
            next = next.min(goes.as_millis());
        }
        Timestamp::from_millis(next.max(self.now.as_millis() + 1))
    }

    /// What the panes see: the world of the moment that the screen is rewound to, or the frozen one, or the newest.
    pub(crate) fn seen(&self) -> &Arc<W> {
        seen(&self.world, self.frozen.as_ref(), self.rewound.as_ref(), &self.scope)
    }

    pub(crate) fn read_only(&self) -> bool {
        self.status.read_only
    }

    pub(crate) fn action(&self, id: &str) -> Option<&ActionSpec> {
        self.world.actions().iter().find(|a| a.id == id)
    }

    /// Whether an action is offered at all: read-only takes away what is not safe.
    pub(crate) fn offered(&self, spec: &ActionSpec) -> bool {
        spec.danger == Danger::Safe || !self.read_only()
    }

    /// The action that a command is the way to: the one it names, or the one of its own name.
    pub(crate) fn action_of(&self, command: &CommandSpec) -> Option<&ActionSpec> {
        self.action(command.action.unwrap_or(command.id))
    }

    /// Whether a command is offered at all: as the action that it leads to.
    pub(crate) fn command_offered(&self, command: &CommandSpec) -> bool {
        self.action_of(command).is_none_or(|action| self.offered(action))
    }

    /// A command of the pane at the front or of the shell.
    pub(crate) fn command_spec(&self, id: &str) -> Option<&'static CommandSpec> {
        let own = self.front().commands.iter().find(|c| c.id == id);
        own.or_else(|| crate::commands::find(id))
    }

    /// A new invocation by this operator.
    pub(crate) fn invocation(&self, action: &str) -> Invocation {
        Invocation::new(action, self.actor.clone())
    }

    /// The keymap contexts that are active under the layers.
    pub(crate) fn contexts(&self) -> [&'static str; 2] {
        [self.front().id, "global"]
    }

    /// Calls `f` with the pane at `index` and its context.
    pub(crate) fn with_pane<T>(&self, index: usize, f: impl FnOnce(&dyn Pane<W>, &Context<'_, W>) -> T) -> T {
        let station = &self.stations[index];
        let cx = Context { world: &**self.seen(), scope: &self.scope, look: &self.look, area: station.area };
        f(&*station.pane, &cx)
    }
}
