//! The seam between the shell and the panes.
//!
//! A pane is two pure functions over what it is shown: [`Pane::update`] turns an event into effects, [`Pane::view`]
//! draws what is visible. Effects are data: the shell runs those that concern the screen, the host runs the rest.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use quarterdeck_kernel::{ActionSpec, Entry, Invocation, Moment, Reason, Severity, Subject, Timestamp};
use quarterdeck_widgets::Look;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use crate::keys::Key;

/// What the panes can see: one immutable value per frame, made by the composition from the engines' snapshots.
pub trait World: Send + Sync + 'static {
    /// A question that a pane can ask in the background. Equal questions are the same question.
    type Query: Clone + PartialEq + fmt::Debug + Send + 'static;
    /// Its answer.
    type Answer: Send + 'static;

    /// Grows whenever anything that could be drawn has changed.
    fn version(&self) -> u64;
    /// When this world was put together.
    fn now(&self) -> Timestamp;
    /// What the header line and the terminal title tell.
    fn status(&self) -> Status;
    /// Every action there is, as the registry has them.
    fn actions(&self) -> &[ActionSpec];
    /// Whether an action makes sense on a subject now; if not, why.
    ///
    /// # Errors
    /// The reason, in words for the operator.
    fn available(&self, action: &str, subject: Option<&Subject>) -> Result<(), Reason>;
    /// What an invocation will do, in numbers, for its confirmation: one line each.
    fn preview(&self, invocation: &Invocation) -> Vec<String>;
    /// How a dialog about an invocation is headed, as a sentence that begins with what is done: `Set the p99 latency limit of
    /// orders`. None for the action's title and the subject's name.
    fn title(&self, _invocation: &Invocation) -> Option<String> {
        None
    }
    /// What holds now of that which an argument of an invocation would change: told while the argument is asked for.
    fn situation(&self, _invocation: &Invocation, _argument: &str) -> Option<String> {
        None
    }
    /// What an argument can be in this very case, each with a few words on it. None for what the argument's kind allows.
    fn choices(&self, _invocation: &Invocation, _argument: &str) -> Option<Vec<(String, String)>> {
        None
    }
    /// What an argument of an invocation could be, for completion while it is typed; most likely first.
    fn complete(&self, _invocation: &Invocation, _argument: &str) -> Vec<String> {
        Vec::new()
    }
    /// Things that the palette can go to.
    fn subjects(&self) -> Vec<Subject>;
    /// The pane that shows a subject best.
    fn home_of(&self, subject: &Subject) -> &'static str;
    /// The timeline's entries within a time range, oldest first, for marks on charts; only those of `service` (or of
    /// none) when one is given.
    fn marks(&self, from: Timestamp, to: Timestamp, service: Option<&str>) -> Vec<Entry>;
}

/// What the frame around the panes tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Environment: `development`, `staging`, `production`, `demo`.
    pub environment: String,
    /// Whether it is to be shown loudly.
    pub production: bool,
    /// Whether everything that is not safe is taken away.
    pub read_only: bool,
    /// Who is at the keys.
    pub operator: String,
    /// Firing alerts by severity.
    pub firing: BTreeMap<Severity, usize>,
    /// What is critical and untaken now, newest first: each is heard once, when it begins.
    pub alarms: Arc<[Alarm]>,
    /// Where alerts among the alarms are too many to be told one by one: of those that began then or earlier some are
    /// left out, and one that comes into the list later is no news.
    pub alarms_reach: Option<Timestamp>,
    /// Running changes in words: `1 rollout`.
    pub running: Option<String>,
    /// When the newest data arrived.
    pub newest_data: Option<Timestamp>,
    /// The interval at which data is expected, in milliseconds; data older than two of these is shown with its age.
    pub interval: i64,
    /// The one sentence that leads when something is wrong, worst first.
    pub headline: Option<Headline>,
    /// Engines that do not run, with why; empty when all is well.
    pub engines_down: Vec<(String, String)>,
}

/// Something critical that an operator must hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Names it; what begins anew has another name.
    pub id: String,
    /// Since when.
    pub since: Timestamp,
    /// What it is, in a sentence.
    pub text: String,
    /// What it is about.
    pub subject: Option<Subject>,
    /// The service in trouble. A service that is down and the alert that says so are one trouble: the bell rings for
    /// whichever comes first.
    pub service: Option<String>,
}

/// One sentence: what, since when, how far over its limit, what changed just before, and the key that helps.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// How bad.
    pub severity: Severity,
    /// The sentence.
    pub text: String,
    /// What it is about.
    pub subject: Option<Subject>,
    /// The command or action that helps, by id.
    pub helps: Option<&'static str>,
}

/// What the operator looks at; belongs to one screen, not to the engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Scope {
    /// The selected service; every pane follows it. None is all services.
    pub service: Option<String>,
    /// How far back charts reach, in milliseconds.
    pub range: i64,
    /// Live, or rewound to a time.
    pub moment: Moment,
    /// The time cursor that all charts share.
    pub cursor: Option<Timestamp>,
    /// Whether the view is frozen (the world no longer changes under it).
    pub frozen: bool,
}

impl Scope {
    /// The same with the time cursor moved by steps, as the global keys do it: the window follows when the cursor leaves
    /// it, and past the present everything is live.
    #[must_use]
    pub fn with_cursor_moved(&self, now: Timestamp, steps: i64) -> Self {
        crate::shell::time::move_cursor(self, now, steps)
    }
}

/// What a pane is given with every call.
pub struct Context<'a, W: World> {
    /// What is true.
    pub world: &'a W,
    /// What is looked at.
    pub scope: &'a Scope,
    /// How it is drawn: theme, glyphs, time zone.
    pub look: &'a Look,
    /// The area that the pane was last drawn in; empty before the first frame.
    pub area: Rect,
}

/// Something that a pane can be told to do; keys are bound to it by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandSpec {
    /// `pane.verb`.
    pub id: &'static str,
    /// A few words, verb first.
    pub title: &'static str,
    /// One sentence for help and reference.
    pub description: &'static str,
    /// Default keys, in the notation of keymaps (`enter`, `ctrl-p`, `g t`); empty for none.
    pub keys: &'static [&'static str],
    /// The action that it leads to, if it is the way to one: how dangerous it is, and whether it is offered at all
    /// (read-only takes away what is not safe), is that action's. Whether it makes sense on what is selected is the pane's.
    pub action: Option<&'static str>,
}

impl CommandSpec {
    /// The same, as the way to an action.
    #[must_use]
    pub const fn leading_to(self, action: &'static str) -> Self {
        Self { action: Some(action), ..self }
    }
}

/// What a pane is, as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaneSpec {
    /// One word; also its keymap context and its place in deep links.
    pub id: &'static str,
    /// As the tab line shows it.
    pub title: &'static str,
    /// One sentence for help and reference.
    pub description: &'static str,
    /// The letter behind `g` that goes there.
    pub go: char,
    /// What it can be told to do.
    pub commands: &'static [CommandSpec],
    /// Actions it offers on its selection, with default keys: `(action id, key)`.
    pub actions: &'static [(&'static str, &'static str)],
}

/// What happens to a pane.
pub enum Event<'a, W: World> {
    /// It has come to the front.
    Shown,
    /// The world has a new version. Comes to the pane at the front, and to others when they come there; never while the
    /// view is frozen.
    World,
    /// A command of [`PaneSpec::commands`] was given.
    Command(&'a str),
    /// A key, only while [`Pane::typing`]: all keys but those with control and function keys that are bound globally
    /// (palette, redraw, …). Ctrl-C arrives as Esc.
    Key(Key),
    /// Text was pasted; only while [`Pane::typing`].
    Paste(&'a str),
    /// The mouse acted on a hit region that the pane drew.
    Hit {
        /// The region's name, as drawn.
        target: &'a str,
        /// What was done.
        click: Click,
        /// Column and row within the region.
        at: (u16, u16),
    },
    /// Go to this subject.
    Open(&'a Subject),
    /// The operator has come back to where this was selected: it is selected again if it is shown. Nothing is opened for it,
    /// and filter, order and whatever else was chosen stay as they are.
    Return(&'a Subject),
    /// An answer to the newest query of a slot. Late answers of older queries never arrive.
    Answer {
        /// The slot asked for.
        slot: &'static str,
        /// The answer, or what went wrong in words for the operator.
        answer: Result<W::Answer, String>,
    },
    /// The scope has changed: service, range, moment or cursor. Comes to the pane at the front, and to others when they
    /// come there.
    Scope,
}

/// What a mouse did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Click {
    /// Left button.
    Press,
    /// Left button twice.
    Double,
    /// Wheel, towards the operator.
    ScrollDown,
    /// Wheel, away from the operator.
    ScrollUp,
    /// Moved with the left button down.
    Drag,
}

/// What a pane wants done.
#[derive(Debug)]
pub enum Effect<W: World> {
    /// Do an action; the shell asks for missing arguments and for confirmation first.
    Dispatch {
        /// [`ActionSpec::id`]
        action: String,
        /// What it acts on; the pane's selection if none.
        subject: Option<Subject>,
        /// Arguments already known.
        args: BTreeMap<String, String>,
    },
    /// Ask in the background. A newer query of the same slot replaces an older one.
    Query {
        /// Names the question's place in the pane, such as `chart`.
        slot: &'static str,
        /// The question.
        query: W::Query,
    },
    /// Give up the query of a slot.
    Cancel(&'static str),
    /// Show this subject in the pane that shows it best.
    Go(Subject),
    /// Show this subject in this pane, which is not the one that shows it best: what happened to a service, on the timeline.
    /// What other panes show stays as it is.
    Open {
        /// The pane's id.
        pane: &'static str,
        /// What it is to show.
        subject: Subject,
    },
    /// Show a pane.
    Show(&'static str),
    /// Give the pane at the front a command, as its key does: behind [`Effect::Go`], what to do with what is shown there.
    Command(&'static str),
    /// Leave the pane for where the operator came from. In answer to a key it does what Esc does everywhere: first a
    /// query under way is given up, then a rewound view goes live, then the place before comes back.
    Back,
    /// Change what is looked at.
    Scope(Scope),
    /// Copy to the clipboard (OSC 52). Only in answer to a key or a click; at any other time it is ignored.
    Copy(String),
    /// Write a file in the operator's working directory or the named one; the toast tells where it went.
    Export {
        /// File name offered.
        name: String,
        /// Content.
        content: Vec<u8>,
    },
    /// Tell the operator something in passing.
    Toast(Severity, String),
}

/// A region of the drawn pane that the mouse can act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Where.
    pub area: Rect,
    /// Its name, given back in [`Event::Hit`].
    pub target: String,
}

/// One pane. Its state is what the operator sees of it: selection, filter, sort, scroll; never what is true.
pub trait Pane<W: World>: Send {
    /// What it is.
    fn spec(&self) -> &'static PaneSpec;

    /// Takes an event and says what it wants done. No I/O, no clock.
    fn update(&mut self, event: Event<'_, W>, cx: &Context<'_, W>) -> Vec<Effect<W>>;

    /// Draws what is visible and returns where the mouse can act. No I/O, no clock; does not change what the pane is.
    fn view(&self, cx: &Context<'_, W>, buffer: &mut Buffer, area: Rect) -> Vec<Hit>;

    /// What actions act on now.
    fn selection(&self, cx: &Context<'_, W>) -> Option<Subject>;

    /// The commands that make sense now, most useful first, for the hint line: ids of its own or of the shell's. Actions
    /// of [`PaneSpec::actions`] are added by the shell where they are available, behind the first command.
    fn hints(&self, cx: &Context<'_, W>) -> Vec<&'static str>;

    /// Whether keys are text now (a filter or prompt is open in the pane).
    fn typing(&self) -> bool {
        false
    }

    /// What to remember of it between runs, as text that [`Pane::restore`] understands.
    fn remember(&self) -> Option<String> {
        None
    }

    /// Takes up what was remembered; anything it does not understand it ignores.
    fn restore(&mut self, _remembered: &str) {}
}
