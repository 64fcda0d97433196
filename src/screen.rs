//! The console on a terminal.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt;

use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, Severity, Subject, SystemClock};
use quarterdeck_notify::Ring;
use quarterdeck_panes::World;
use quarterdeck_ui::run::{Ended, Screen, Session, run};
use quarterdeck_ui::shell::Options;
use quarterdeck_ui::terminal::{Terminal, signals};
use quarterdeck_ui::{HostEffect, Input, Shell};
use quarterdeck_widgets::theme::{self, Depth, Theme};
use quarterdeck_widgets::{GlyphSet, Look};
use ratatui::buffer::Buffer;
use tokio::sync::{broadcast, mpsc, watch};

use crate::config::{Loaded, UiConfig};
use crate::exit::Failure;
use crate::host::Host;
use crate::keeper::{Keeper, Modes};
use crate::system::{Setup, Stage};

/// Things that a screen is told wait here; when it is full, who tells waits.
const INPUTS: usize = 256;

/// How long frames take, for the Self pane.
pub static FRAMES: Frames = Frames::new();

/// Figures of drawing, written by the screen and read by whoever asks.
pub struct Frames {
    frames: AtomicU64,
    last_us: AtomicU64,
    /// When the first key came that no frame has followed yet.
    pressed: Mutex<Option<Instant>>,
    keys: Mutex<[u32; 256]>,
    next: AtomicU64,
}

impl Frames {
    const fn new() -> Self {
        Self {
            frames: AtomicU64::new(0),
            last_us: AtomicU64::new(0),
            pressed: Mutex::new(None),
            keys: Mutex::new([0; 256]),
            next: AtomicU64::new(0),
        }
    }

    /// A key came.
    fn key(&self) {
        self.pressed.lock().get_or_insert_with(Instant::now);
    }

    /// A frame was painted, which took so long.
    fn painted(&self, took: Duration) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        self.last_us.store(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if let Some(pressed) = self.pressed.lock().take() {
            self.answered(pressed.elapsed());
        }
    }

    /// A frame was drawn that looks like the one before: a key that changes nothing has no answer to wait for.
    fn unchanged(&self) {
        self.pressed.lock().take();
    }

    fn answered(&self, after: Duration) {
        let mut keys = self.keys.lock();
        let place = self.next.fetch_add(1, Ordering::Relaxed) as usize % keys.len();
        keys[place] = u32::try_from(after.as_micros()).unwrap_or(u32::MAX).max(1);
    }

    /// Frames painted.
    pub fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Microseconds of the last one.
    pub fn last_us(&self) -> u64 {
        self.last_us.load(Ordering::Relaxed)
    }

    /// 99th percentile from key to painted frame over the last 256 keys, in microseconds.
    pub fn key_p99_us(&self) -> u64 {
        let mut seen: Vec<u32> = self.keys.lock().iter().copied().filter(|us| *us > 0).collect();
        seen.sort_unstable();
        let last = seen.len().saturating_sub(1);
        seen.get(last * 99 / 100).copied().unwrap_or(0).into()
    }
}

/// A screen whose frames are timed, from the first cell drawn to the last one painted.
struct Timed {
    terminal: Terminal,
    begun: Instant,
    hold: Hold,
}

/// Tells the keeper of the terminal, so that it is given back even when this process is killed.
struct Hold {
    keeper: Option<Arc<Keeper>>,
    before: Option<Modes>,
}

impl Hold {
    /// The terminal is about to be taken over.
    fn taken(&self) {
        if let (Some(keeper), Some(before)) = (&self.keeper, self.before) {
            keeper.terminal(Some(before));
        }
    }

    /// The terminal has been given back.
    fn returned(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.terminal(None);
        }
    }
}

/// Behind the terminal in [`Timed`]: that is dropped, and given back, before, also when something panics.
impl Drop for Hold {
    fn drop(&mut self) {
        self.returned();
    }
}

impl Screen for Timed {
    type Error = <Terminal as Screen>::Error;

    fn size(&mut self) -> Result<(u16, u16), Self::Error> {
        self.terminal.size()
    }

    fn begin(&mut self) {
        self.begun = Instant::now();
    }

    fn unchanged(&mut self) {
        FRAMES.unchanged();
    }

    fn paint(&mut self, before: &Buffer, now: &Buffer) -> Result<(), Self::Error> {
        let painted = self.terminal.paint(before, now);
        FRAMES.painted(self.begun.elapsed());
        painted
    }

    fn clear(&mut self) -> Result<(), Self::Error> {
        self.terminal.clear()
    }

    fn title(&mut self, title: &str) {
        self.terminal.title(title);
    }

    fn bell(&mut self) {
        self.terminal.bell();
    }

    fn copy(&mut self, text: &str) -> Result<(), String> {
        self.terminal.copy(text)
    }

    fn mouse(&mut self, on: bool) {
        self.terminal.mouse(on);
    }

    fn has_shell(&self) -> bool {
        self.terminal.has_shell()
    }

    fn suspend(&mut self) -> Result<(), Self::Error> {
        // While this process is stopped the terminal is another's.
        self.hold.returned();
        let again = self.terminal.suspend();
        self.hold.taken();
        again
    }

    fn resume(&mut self) -> Result<(), Self::Error> {
        self.terminal.resume()
    }

    fn alive(&self) -> bool {
        self.terminal.alive()
    }
}

/// Shows the console until the operator leaves, a signal comes, the terminal goes, or `failed` tells why it cannot go on.
///
/// # Errors
/// When the terminal cannot be taken, or what `failed` tells.
pub async fn show(
    setup: &Setup,
    stage: &Stage,
    at: Option<Subject>,
    failed: impl Future<Output = Failure>,
) -> Result<String, Failure> {
    let ui = &setup.loaded.config.ui;
    let state_file = setup.paths.data_dir.join("screen.state");
    let world = stage.worlds.borrow().clone();
    let options = Options {
        actor: setup.actor.clone(),
        look: look(ui),
        themes: themes(&setup.paths.config_dir)?,
        now: SystemClock.now(),
        mouse: ui.mouse,
        wide: ui.ambiguous_wide,
        quit_asks: setup.demo.is_some().then(|| "The demo's platform ends with the console.".to_owned()),
    };
    let mut shell = Shell::new(world, quarterdeck_panes::all(), options).map_err(|wrong| {
        Failure::Failed(wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    keymap(&mut shell, &setup.paths.config_dir.join("keymap.toml"))?;

    let (inputs, told) = mpsc::channel(INPUTS);
    let mut host =
        Host::new(stage.backstage.clone(), inputs.clone(), stage.worlds.clone(), state_file.clone());
    let remembered = std::fs::read_to_string(&state_file).unwrap_or_default();
    let mut effects = shell.restore(&remembered);
    if let Some(subject) = at {
        effects.extend(shell.open(&subject));
    }
    for effect in effects {
        host.run(effect);
    }
    let hold = Hold { keeper: setup.keeper.clone(), before: Modes::of(std::io::stdout()).ok() };
    hold.taken();
    let entered = Terminal::enter(shell.mouse()).map_err(|e| Failure::Failed(e.to_string()))?;
    let mut terminal = Timed { terminal: entered, begun: Instant::now(), hold };
    let signals = signals().map_err(|e| Failure::Failed(format!("signals cannot be caught: {e}")))?;
    let session = Session {
        shell: &mut shell,
        screen: &mut terminal,
        events: crossterm::event::EventStream::new().inspect(|event| {
            if let Ok(crossterm::event::Event::Key(_)) = event {
                FRAMES.key();
            }
        }),
        signals,
        worlds: stage.worlds.clone(),
        inputs: told,
        clock: &SystemClock,
    };
    let rings = tell_rings(stage.rings(), inputs.clone());
    let reloads = tell_reloads(stage.reloaded(), inputs);
    let ended = tokio::select! {
        ended = run(session, |effect: HostEffect<World>| host.run(effect)) => Ok(ended),
        failure = failed => Err(failure),
        () = reloads => Ok(Ended::Closed),
        () = rings => Ok(Ended::Closed),
    };
    // The terminal is given back before anything is printed.
    drop(terminal);
    let ended = ended?;
    host.run(HostEffect::SaveState(shell.remember()));
    Ok(match ended {
        Ended::Quit => "the operator left".to_owned(),
        Ended::Signal(name) => name.to_owned(),
        Ended::Closed => "the terminal was closed".to_owned(),
    })
}

/// Rings for every notification to a receiver that is this terminal's bell.
async fn tell_rings(mut rings: broadcast::Receiver<Ring>, inputs: mpsc::Sender<Input<World>>) {
    loop {
        match rings.recv().await {
            Ok(ring) => {
                let severity = if ring.firing { Severity::Critical } else { Severity::Info };
                if inputs.send(Input::Ring(severity, ring.title.to_string())).await.is_err() {
                    break;
                }
            }
            // Those that were missed rang together with the next one.
            Err(broadcast::error::RecvError::Lagged(_)) => {}
            Err(broadcast::error::RecvError::Closed) => break,
        }
    }
    // Nothing more will ring; the screen goes on.
    std::future::pending::<()>().await;
}

/// Tells the operator of every configuration that was taken or refused while the screen is open.
async fn tell_reloads(mut loaded: watch::Receiver<Arc<Loaded>>, inputs: mpsc::Sender<Input<World>>) {
    loaded.mark_unchanged();
    while loaded.changed().await.is_ok() {
        let newest = loaded.borrow_and_update().clone();
        let told = match newest.refused.first() {
            None => Input::Tell(Severity::Info, "configuration read again".to_owned()),
            Some(first) => {
                let more = match newest.refused.len() {
                    1 => String::new(),
                    n => format!(" (and {} more; Self has them)", n - 1),
                };
                Input::Tell(
                    Severity::Critical,
                    format!("configuration refused, the old one stays: {first}{more}"),
                )
            }
        };
        if inputs.send(told).await.is_err() {
            break;
        }
    }
    // Nothing more will be told; the screen goes on.
    std::future::pending::<()>().await;
}

/// How things look by configuration and terminal.
fn look(ui: &UiConfig) -> Look {
    let variable = |name: &str| std::env::var(name).ok();
    let (no_color, colorterm, term) = (variable("NO_COLOR"), variable("COLORTERM"), variable("TERM"));
    let depth = Depth::detect(no_color.as_deref(), colorterm.as_deref(), term.as_deref());
    let name = match ui.theme.as_str() {
        "" if light_background(&variable("COLORFGBG").unwrap_or_default()) => "daylight",
        "" | "dark" => theme::DEFAULT,
        "light" => "daylight",
        named => named,
    };
    let zone = jiff::tz::TimeZone::system();
    Look::named(name)
        .with_depth(depth)
        .with_glyphs(if ui.ascii { GlyphSet::Ascii } else { GlyphSet::Unicode })
        .with_ambiguous_wide(ui.ambiguous_wide)
        .with_zone(zone)
        .with_utc(ui.utc)
}

/// `COLORFGBG` is `foreground;background` in the 16 colours; 7 and 15 are white.
fn light_background(colours: &str) -> bool {
    matches!(colours.rsplit(';').next(), Some("7" | "15"))
}

/// The shipped themes and the operator's own (`themes/*.toml` in the configuration directory), which may replace them.
///
/// # Errors
/// What is wrong with one of the operator's.
pub fn themes(config_dir: &Path) -> Result<Vec<Arc<Theme>>, Failure> {
    let mut themes = theme::shipped().to_vec();
    let mut files: Vec<PathBuf> = std::fs::read_dir(config_dir.join("themes"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|f| f.path())
        .collect();
    files.sort();
    for file in files.iter().filter(|f| f.extension().is_some_and(|e| e == "toml")) {
        let text =
            std::fs::read_to_string(file).map_err(|e| Failure::Failed(format!("{}: {e}", file.display())))?;
        let theme = theme::parse(&file.display().to_string(), &text).map_err(|wrong| {
            Failure::Failed(wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })?;
        themes.retain(|known| known.name != theme.name);
        themes.push(Arc::new(theme));
    }
    Ok(themes)
}

/// Lays the operator's keymap over the defaults.
fn keymap(shell: &mut Shell<World>, file: &Path) -> Result<(), Failure> {
    match std::fs::read_to_string(file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::Failed(format!("{}: {error}", file.display()))),
        Ok(text) => shell.set_keymap(&file.display().to_string(), &text).map_err(|wrong| {
            Failure::Failed(wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_terminals_are_known_by_their_background() {
        assert!(light_background("0;15"));
        assert!(light_background("0;default;7"));
        assert!(!light_background("15;0"));
        assert!(!light_background(""));
    }

    #[test]
    fn the_percentile_is_of_keys_alone() {
        let frames = Frames::new();
        assert_eq!(frames.key_p99_us(), 0);
        frames.painted(Duration::from_micros(7));
        assert_eq!((frames.frames(), frames.last_us(), frames.key_p99_us()), (1, 7, 0));
        *frames.pressed.lock() = Some(Instant::now());
        frames.unchanged();
        frames.painted(Duration::from_micros(7));
        assert_eq!(frames.key_p99_us(), 0, "a key that changed nothing does not wait for the next change");
        for ms in 1..=100 {
            frames.answered(Duration::from_millis(ms));
        }
        assert_eq!(frames.key_p99_us(), 99_000);
    }
}
