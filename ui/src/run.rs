//! The event loop: input first, the world at most thirty times a second, nothing drawn that has not changed.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event as TermEvent, MouseButton, MouseEventKind};
use futures_util::{Stream, StreamExt};
use quarterdeck_kernel::{Clock, Severity, Timestamp};
use ratatui::backend::Backend;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::changes::changes;
use crate::host::{HostEffect, Input};
use crate::keys::Key;
use crate::pane::{Click, World};
use crate::shell::Shell;
use crate::terminal::drawing;

/// The shortest time between two frames that the world asks for. Keys do not wait for it.
pub const FRAME: Duration = Duration::from_millis(33);

/// The largest screen that is drawn on, in columns and rows: a terminal that claims more must not take the memory.
const LARGEST: (u16, u16) = (1_024, 512);

/// Events taken in one go before a frame is drawn, so that a storm of keys cannot starve the screen.
const BURST: usize = 512;

/// The longest the loop sleeps, so that a clock that jumps does not leave it asleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Where frames go, and what a terminal can do besides.
pub trait Screen {
    /// What can go wrong with it.
    type Error: std::error::Error;

    /// Columns and rows.
    ///
    /// # Errors
    /// When the terminal does not say.
    fn size(&mut self) -> Result<(u16, u16), Self::Error>;

    /// A frame is about to be drawn, for those who time it.
    fn begin(&mut self) {}

    /// The frame that was drawn looks like the one that is shown: it is not painted.
    fn unchanged(&mut self) {}

    /// Shows a frame: only what differs from the one before, all of it at once.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn paint(&mut self, before: &Buffer, now: &Buffer) -> Result<(), Self::Error>;

    /// Empties the screen; the next frame is painted whole.
    ///
    /// # Errors
    /// When the terminal is gone.
    fn clear(&mut self) -> Result<(), Self::Error>;

    /// Sets the window's title.
    fn title(&mut self, _title: &str) {}

    /// Rings the bell.
    fn bell(&mut self) {}

    /// Puts a text into the operator's clipboard.
    ///
    /// # Errors
    /// Why it cannot, for the operator.
    fn copy(&mut self, _text: &str) -> Result<(), String> {
        Err("this screen has no clipboard".to_owned())
    }

    /// Turns mouse reports on or off.
    fn mouse(&mut self, _on: bool) {}

    /// Whether there is a shell that could bring a stopped process back.
    fn has_shell(&self) -> bool {
        true
    }

    /// Stops the process until the operator brings it back.
    ///
    /// # Errors
    /// When the terminal does not come back.
    fn suspend(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Takes the terminal back after something else stopped and continued the process.
    ///
    /// # Errors
    /// When the terminal does not come back.
    fn resume(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Whether there is still someone at the other end.
    fn alive(&self) -> bool {
        true
    }
}

/// Any ratatui backend as a screen, without what only terminals can do.
pub struct Plain<B: Backend>(pub B);

impl<B: Backend> Screen for Plain<B> {
    type Error = B::Error;

    fn size(&mut self) -> Result<(u16, u16), B::Error> {
        self.0.size().map(|size| (size.width, size.height))
    }

    fn paint(&mut self, before: &Buffer, now: &Buffer) -> Result<(), B::Error> {
        self.0.draw(changes(before, now))?;
        self.0.flush()
    }

    fn clear(&mut self) -> Result<(), B::Error> {
        self.0.clear()
    }
}

/// What a process is told from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Stop, until continued.
    Stop,
    /// Continued after a stop.
    Continue,
    /// End: the signal's name.
    End(&'static str),
}

/// Why the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The operator left.
    Quit,
    /// A signal ended it.
    Signal(&'static str),
    /// The terminal is gone.
    Closed,
}

/// What the loop runs on.
pub struct Session<'a, W: World, S: Screen, E, G> {
    /// The screen's state.
    pub shell: &'a mut Shell<W>,
    /// Where it is drawn.
    pub screen: &'a mut S,
    /// What the terminal sends.
    pub events: E,
    /// What the process is told from outside.
    pub signals: G,
    /// What is true; only the newest counts.
    pub worlds: watch::Receiver<Arc<W>>,
    /// Answers, outcomes and things to tell.
    pub inputs: mpsc::Receiver<Input<W>>,
    /// The time.
    pub clock: &'a dyn Clock,
}

/// Runs until the operator leaves, a signal ends it, or the terminal is gone. Effects that only concern the terminal
/// are carried out here; `host` gets the others: dispatch, query, cancel, export, save.
pub async fn run<W, S, E, G>(session: Session<'_, W, S, E, G>, mut host: impl FnMut(HostEffect<W>)) -> Ended
where
    W: World,
    S: Screen,
    E: Stream<Item = std::io::Result<TermEvent>> + Unpin,
    G: Stream<Item = Signal> + Unpin,
{
    let Session { shell, screen, mut events, mut signals, mut worlds, mut inputs, clock } = session;
    let mut frame = Frame::new();
    let mut ended = None;
    let (mut worlds_open, mut inputs_open, mut signals_open) = (true, true, true);
    // When a frame was asked for by something other than the operator.
    let mut wanted = false;
    step(shell, screen, &mut frame, Input::Tick(clock.now()), &mut host, &mut ended);
    let start = worlds.borrow_and_update().clone();
    if start.version() != shell.world().version() {
        step(shell, screen, &mut frame, Input::World(start), &mut host, &mut ended);
    }
    if frame.draw(shell, screen).is_err() {
        return Ended::Closed;
    }
    while ended.is_none() {
        let tick = until(clock.now(), shell.next_tick());
        let due = if wanted { frame.painted + FRAME } else { Instant::now() + LONGEST_SLEEP };
        tokio::select! {
            biased;
            event = events.next() => {
                step(shell, screen, &mut frame, Input::Tick(clock.now()), &mut host, &mut ended);
                let mut next = Some(event);
                for _ in 0..BURST {
                    match next {
                        Some(Some(Ok(event))) => {
                            if let Some(input) = translate(event) {
                                step(shell, screen, &mut frame, input, &mut host, &mut ended);
                            }
                        }
                        // The stream's end and its errors mean the same: nobody is there any more.
                        Some(Some(Err(_)) | None) => ended = Some(Ended::Closed),
                        None => break,
                    }
                    if ended.is_some() {
                        break;
                    }
                    next = at_hand(&mut events).await;
                }
            }
            signal = signals.next(), if signals_open => match signal {
                Some(Signal::End(name)) => ended = Some(Ended::Signal(name)),
                Some(Signal::Stop) => stop(screen, &mut frame, &mut ended),
                Some(Signal::Continue) if screen.resume().is_ok() => frame.forget(),
                Some(Signal::Continue) => ended = Some(Ended::Closed),
                None => signals_open = false,
            },
            input = inputs.recv(), if inputs_open => {
                match input {
                    Some(input) => {
                        step(shell, screen, &mut frame, Input::Tick(clock.now()), &mut host, &mut ended);
                        step(shell, screen, &mut frame, input, &mut host, &mut ended);
                        wanted = true;
                    }
                    None => inputs_open = false,
                }
                continue;
            }
            changed = worlds.changed(), if worlds_open && !wanted => {
                worlds_open = changed.is_ok();
                wanted = worlds_open;
                continue;
            }
            () = sleep_until(due), if wanted => {}
            () = sleep_until(tick) => {
                if !screen.alive() {
                    ended = Some(Ended::Closed);
                }
            }
        }
        if ended.is_some() {
            break;
        }
        step(shell, screen, &mut frame, Input::Tick(clock.now()), &mut host, &mut ended);
        // A key alone is drawn at once, without what a new world would cost; that comes with the next frame.
        if wanted {
            let newest = worlds.borrow_and_update().clone();
            if newest.version() != shell.world().version() {
                step(shell, screen, &mut frame, Input::World(newest), &mut host, &mut ended);
            }
        }
        wanted = false;
        if frame.draw(shell, screen).is_err() {
            ended = Some(Ended::Closed);
        }
    }
    ended.unwrap_or(Ended::Quit)
}

/// What a stream has now, without waiting; the outer `None` when it has nothing.
///
/// It is polled as this task: a terminal's stream wakes only whoever asked first, so that asking on behalf of nobody
/// (`now_or_never`) would leave the next key unseen until something else wakes the loop.
async fn at_hand<E: Stream + Unpin>(events: &mut E) -> Option<Option<E::Item>> {
    poll_fn(|cx| match events.poll_next_unpin(cx) {
        Poll::Ready(next) => Poll::Ready(Some(next)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

/// When a time of the clock comes, on the runtime's clock.
fn until(now: Timestamp, then: Timestamp) -> Instant {
    Instant::now() + then.since(now).clamp(Duration::from_millis(1), LONGEST_SLEEP)
}

/// The frame on the screen and the one being drawn.
struct Frame {
    shown: Buffer,
    next: Buffer,
    painted: Instant,
    size: Option<(u16, u16)>,
}

impl Frame {
    fn new() -> Self {
        Self {
            shown: Buffer::empty(Rect::ZERO),
            next: Buffer::empty(Rect::ZERO),
            painted: Instant::now(),
            size: None,
        }
    }

    /// Whatever is on the screen is not what was painted.
    fn forget(&mut self) {
        self.size = None;
    }

    fn draw<W: World, S: Screen>(&mut self, shell: &mut Shell<W>, screen: &mut S) -> Result<(), S::Error> {
        let size = match self.size {
            Some(size) => size,
            None => {
                let (columns, rows) = screen.size()?;
                let size = (columns.min(LARGEST.0), rows.min(LARGEST.1));
                let area = Rect::new(0, 0, size.0, size.1);
                (self.shown, self.next) = (Buffer::empty(area), Buffer::empty(area));
                screen.clear()?;
                self.size = Some(size);
                size
            }
        };
        if size.0 == 0 || size.1 == 0 {
            return Ok(());
        }
        screen.begin();
        drawing(|| shell.draw(&mut self.next));
        if self.shown == self.next {
            screen.unchanged();
        } else {
            screen.paint(&self.shown, &self.next)?;
            std::mem::swap(&mut self.shown, &mut self.next);
        }
        self.painted = Instant::now();
        Ok(())
    }
}

fn step<W: World, S: Screen>(
    shell: &mut Shell<W>,
    screen: &mut S,
    frame: &mut Frame,
    input: Input<W>,
    host: &mut impl FnMut(HostEffect<W>),
    ended: &mut Option<Ended>,
) {
    if matches!(input, Input::Resize(..)) {
        frame.forget();
    }
    for wanted in drawing(|| shell.handle(input)) {
        effect(wanted, shell, screen, frame, host, ended);
    }
}

fn effect<W: World, S: Screen>(
    wanted: HostEffect<W>,
    shell: &mut Shell<W>,
    screen: &mut S,
    frame: &mut Frame,
    host: &mut impl FnMut(HostEffect<W>),
    ended: &mut Option<Ended>,
) {
    match wanted {
        HostEffect::SetTitle(title) => screen.title(&title),
        HostEffect::Bell => screen.bell(),
        HostEffect::Mouse(on) => screen.mouse(on),
        HostEffect::Redraw => frame.forget(),
        HostEffect::Copy(text) => {
            if let Err(why) = screen.copy(&text) {
                shell.handle(Input::Tell(Severity::Warning, format!("not copied: {why}")));
            }
        }
        HostEffect::Suspend if !screen.has_shell() => {
            let told = "not stopped: no shell started this console, so none could bring it back";
            shell.handle(Input::Tell(Severity::Warning, told.to_owned()));
        }
        HostEffect::Suspend => stop(screen, frame, ended),
        HostEffect::Quit => *ended = Some(Ended::Quit),
        other => host(other),
    }
}

fn stop<S: Screen>(screen: &mut S, frame: &mut Frame, ended: &mut Option<Ended>) {
    match screen.suspend() {
        Ok(()) => frame.forget(),
        Err(_) => *ended = Some(Ended::Closed),
    }
}

/// What a terminal's event means to the shell.
fn translate<W: World>(event: TermEvent) -> Option<Input<W>> {
    match event {
        TermEvent::Key(key) => Key::from_event(&key).map(Input::Key),
        TermEvent::Paste(text) => Some(Input::Paste(text)),
        TermEvent::Resize(columns, rows) => Some(Input::Resize(columns, rows)),
        TermEvent::FocusGained => Some(Input::Focus(true)),
        TermEvent::FocusLost => Some(Input::Focus(false)),
        TermEvent::Mouse(mouse) => {
            let click = match mouse.kind {
                MouseEventKind::Down(MouseButton::Left) => Click::Press,
                MouseEventKind::Drag(MouseButton::Left) => Click::Drag,
                MouseEventKind::ScrollDown => Click::ScrollDown,
                MouseEventKind::ScrollUp => Click::ScrollUp,
                _ => return None,
            };
            Some(Input::Mouse { click, at: (mouse.column, mouse.row) })
        }
    }
}

/// A stream of signals that never tells anything, for screens that are no process of their own.
pub fn no_signals() -> impl Stream<Item = Signal> + Unpin {
    futures_util::stream::pending()
}
