//! The real terminal: entered whole, left whole, however the program ends.

use std::cell::Cell;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use base64::Engine as _;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::terminal::{self as term, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, SetTitle};
use crossterm::{cursor, execute, queue};
use futures_util::Stream;
use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use tokio::signal::unix::{SignalKind, signal};

use crate::changes::changes;
use crate::run::{Screen, Signal};

/// The longest text that is copied, in bytes: terminals drop longer ones, some silently.
pub const LONGEST_COPY: usize = 74_000;

/// Panics of other threads that are kept for the time after the screen.
const PANICS_KEPT: usize = 16;

/// Whether the terminal is ours now, so that whoever comes first gives it back, once.
static ENTERED: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    static DRAWING: Cell<bool> = const { Cell::new(false) };
}

/// Runs shell code so that a panic in it gives the terminal back before it tells what happened.
pub fn drawing<T>(f: impl FnOnce() -> T) -> T {
    struct Reset;
    impl Drop for Reset {
        fn drop(&mut self) {
            DRAWING.set(false);
        }
    }
    DRAWING.set(true);
    let _reset = Reset;
    f()
}

/// Why the terminal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    /// Input or output is a pipe or a file.
    #[error(
        "{what} is not a terminal: run quarterdeck in one, or use `quarterdeck serve` to run without a screen"
    )]
    NotATerminal {
        /// Which one.
        what: &'static str,
    },
    /// The terminal refuses.
    #[error("the terminal cannot be taken over: {0}")]
    Io(#[from] io::Error),
}

/// The terminal, taken over for as long as this lives.
pub struct Terminal {
    backend: CrosstermBackend<BufWriter<Stdout>>,
    mouse: bool,
    title: String,
    /// How a copy is wrapped so that a multiplexer lets it through.
    multiplexer: Multiplexer,
}

/// What stands between this program and the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multiplexer {
    /// Nothing.
    None,
    /// tmux.
    Tmux,
    /// GNU screen.
    Screen,
}

impl Multiplexer {
    /// Finds out from the variables `TMUX` and `STY`.
    #[must_use]
    pub fn detect(tmux: Option<&str>, sty: Option<&str>) -> Self {
        match (tmux, sty) {
            (Some(tmux), _) if !tmux.is_empty() => Self::Tmux,
            (_, Some(sty)) if !sty.is_empty() => Self::Screen,
            _ => Self::None,
        }
    }
}

impl Terminal {
    /// Takes the terminal over: raw mode, alternate screen, bracketed paste, no cursor.
    ///
    /// # Errors
    /// When standard input or output is no terminal (nothing was touched then), or the terminal refuses.
    pub fn enter(mouse: bool) -> Result<Self, TerminalError> {
        for (there, what) in
            [(io::stdin().is_terminal(), "standard input"), (io::stdout().is_terminal(), "standard output")]
        {
            if !there {
                return Err(TerminalError::NotATerminal { what });
            }
        }
        HOOK.call_once(install_hook);
        let variable = |name| std::env::var(name).ok();
        let multiplexer = Multiplexer::detect(variable("TMUX").as_deref(), variable("STY").as_deref());
        let backend = CrosstermBackend::new(BufWriter::with_capacity(1 << 16, io::stdout()));
        let mut terminal = Self { backend, mouse, title: String::new(), multiplexer };
        terminal.take()?;
        Ok(terminal)
    }

    fn take(&mut self) -> io::Result<()> {
        term::enable_raw_mode()?;
        // The title before is saved on the terminal's own stack; terminals without one ignore it.
        if !ENTERED.swap(true, Ordering::SeqCst) {
            self.backend.write_all(b"\x1b[22;0t")?;
        }
        execute!(
            self.backend,
            EnterAlternateScreen,
            EnableBracketedPaste,
            cursor::Hide,
            Clear(ClearType::All)
        )?;
        if self.mouse {
            execute!(self.backend, EnableMouseCapture)?;
        }
        if !self.title.is_empty() {
            execute!(self.backend, SetTitle(&self.title))?;
        }
        Ok(())
    }
}

/// Gives the terminal back if it is ours. What fails cannot be mended here.
fn give_back() {
    if !ENTERED.swap(false, Ordering::SeqCst) {
        return;
    }
    let _ = leave(&mut io::stdout());
    let _ = term::disable_raw_mode();
}

/// Tells a terminal to be as it was before a screen was on it: alternate screen, cursor, mouse, paste, title. Its modes are
/// another matter.
///
/// # Errors
/// When it cannot be written to.
pub fn leave(out: &mut impl Write) -> io::Result<()> {
    execute!(
        out,
        EndSynchronizedUpdate,
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    )?;
    out.write_all(b"\x1b[23;0t")?;
    out.flush()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Backend::flush(&mut self.backend);
        give_back();
        if std::thread::panicking() {
            for told in PANICS.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
                eprintln!("{told}");
            }
        }
    }
}

/// A panic while drawing gives the terminal back and is told as always. A panic elsewhere while the screen is up (an
/// engine's, which is caught and shown) must not write over the screen: it goes to the log.
fn install_hook() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if DRAWING.get() || !ENTERED.load(Ordering::SeqCst) {
            give_back();
            before(info);
            return;
        }
        let told = info.to_string();
        tracing::error!(panic = %told, "panicked");
        let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
        if panics.len() < PANICS_KEPT {
            panics.push(told);
        }
    }));
}

impl Screen for Terminal {
    type Error = io::Error;

    fn size(&mut self) -> io::Result<(u16, u16)> {
        self.backend.size().map(|size| (size.width, size.height))
    }

    fn paint(&mut self, before: &Buffer, now: &Buffer) -> io::Result<()> {
        queue!(self.backend, BeginSynchronizedUpdate)?;
        self.backend.draw(changes(before, now))?;
        queue!(self.backend, EndSynchronizedUpdate)?;
        Backend::flush(&mut self.backend)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.backend.clear()
    }

    fn title(&mut self, title: &str) {
        self.title = quarterdeck_widgets::text::clean(title).into_owned();
        let _ = execute!(self.backend, SetTitle(&self.title));
    }

    fn bell(&mut self) {
        let _ = self.backend.write_all(b"\x07");
        let _ = Backend::flush(&mut self.backend);
    }

    fn copy(&mut self, text: &str) -> Result<(), String> {
        let sequence = osc52(text, self.multiplexer)?;
        self.backend.write_all(sequence.as_bytes()).map_err(|e| e.to_string())?;
        Backend::flush(&mut self.backend).map_err(|e| e.to_string())
    }

    fn mouse(&mut self, on: bool) {
        self.mouse = on;
        let _ = if on {
            execute!(self.backend, EnableMouseCapture)
        } else {
            execute!(self.backend, DisableMouseCapture)
        };
    }

    fn has_shell(&self) -> bool {
        // The leader of a session has no shell above it that waits for it to stop.
        rustix::process::getsid(None).is_ok_and(|session| session != rustix::process::getpid())
    }

    fn suspend(&mut self) -> io::Result<()> {
        let _ = Backend::flush(&mut self.backend);
        give_back();
        // Raised in this thread, so that it stops here and not some time later; then someone has continued it.
        signal_hook::low_level::raise(rustix::process::Signal::STOP.as_raw())?;
        self.take()
    }

    fn resume(&mut self) -> io::Result<()> {
        self.take()
    }

    fn alive(&self) -> bool {
        rustix::termios::tcgetattr(io::stdin()).is_ok()
    }
}

/// The sequence that puts a text into the clipboard of the terminal at the operator's end, however far away.
///
/// # Errors
/// When the text is too long.
pub fn osc52(text: &str, multiplexer: Multiplexer) -> Result<String, String> {
    if text.len() > LONGEST_COPY {
        return Err(format!("{} bytes are more than the {LONGEST_COPY} that terminals take", text.len()));
    }
    let plain = format!("\x1b]52;c;{}\x07", base64::engine::general_purpose::STANDARD.encode(text));
    Ok(match multiplexer {
        Multiplexer::None => plain,
        Multiplexer::Tmux => format!("\x1bPtmux;{}\x1b\\", plain.replace('\x1b', "\x1b\x1b")),
        Multiplexer::Screen => format!("\x1bP{plain}\x1b\\"),
    })
}

/// What the process is told from outside, for [`crate::run::Session::signals`].
///
/// # Errors
/// When a handler cannot be installed.
pub fn signals() -> io::Result<impl Stream<Item = Signal> + Unpin> {
    let stop = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
    let go = SignalKind::from_raw(rustix::process::Signal::CONT.as_raw());
    let mut told = [
        (signal(SignalKind::terminate())?, Signal::End("SIGTERM")),
        (signal(SignalKind::hangup())?, Signal::End("SIGHUP")),
        (signal(SignalKind::interrupt())?, Signal::End("SIGINT")),
        (signal(SignalKind::quit())?, Signal::End("SIGQUIT")),
        (signal(stop)?, Signal::Stop),
        (signal(go)?, Signal::Continue),
    ];
    Ok(futures_util::stream::poll_fn(move |cx| {
        for (signal, meaning) in &mut told {
            if signal.poll_recv(cx).is_ready() {
                return std::task::Poll::Ready(Some(*meaning));
            }
        }
        std::task::Poll::Pending
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_reach_through_multiplexers_and_have_an_end() {
        assert_eq!(osc52("orders", Multiplexer::None).unwrap(), "\x1b]52;c;b3JkZXJz\x07");
        assert_eq!(osc52("a", Multiplexer::Tmux).unwrap(), "\x1bPtmux;\x1b\x1b]52;c;YQ==\x07\x1b\\");
        assert_eq!(osc52("a", Multiplexer::Screen).unwrap(), "\x1bP\x1b]52;c;YQ==\x07\x1b\\");
        assert!(osc52(&"x".repeat(LONGEST_COPY + 1), Multiplexer::None).unwrap_err().contains("74001"));
    }

    #[test]
    fn multiplexers_are_found_by_their_variables() {
        assert_eq!(Multiplexer::detect(Some("/tmp/tmux-0/default,1,0"), None), Multiplexer::Tmux);
        assert_eq!(Multiplexer::detect(Some(""), Some("12.pts-0")), Multiplexer::Screen);
        assert_eq!(Multiplexer::detect(None, None), Multiplexer::None);
    }
}
