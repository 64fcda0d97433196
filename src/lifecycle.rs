//! The life of the console: its states, its engines' states, restarts with backoff, shutdown in order.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use quarterdeck_kernel::{Clock, Timestamp};
use tokio::sync::watch;

/// What the console, or an engine of it, is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not ready yet.
    Starting,
    /// At work.
    Running,
    /// Has failed and waits for its next start.
    Failed,
    /// Takes nothing new and finishes what it has.
    Draining,
    /// Ended.
    Stopped,
}

impl State {
    /// One word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// One engine's state as shown.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct EngineState {
    /// What it is doing.
    pub state: State,
    /// Since when.
    pub since: Timestamp,
    /// Starts after failures.
    pub restarts: u32,
    /// The last failure in words; none if there was none.
    pub last_failure: Option<String>,
    /// When it will be started again, while it waits.
    pub next_start: Option<Timestamp>,
}

/// The console's state as shown.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Life {
    /// The console as a whole.
    pub state: State,
    /// By engine.
    pub engines: BTreeMap<String, EngineState>,
}

/// When a failed engine starts again: 1 s after its first failure, doubling to a minute; a run of five minutes
/// forgives everything before. Pure.
#[derive(Clone, Copy, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// How long to wait after a failure that came `ran` after the start.
    pub fn after_failure(&mut self, ran: Duration) -> Duration {
        if ran >= Duration::from_secs(300) {
            self.failures = 0;
        }
        let wait = Duration::from_secs(1 << self.failures.min(6)).min(Duration::from_secs(60));
        self.failures += 1;
        wait
    }
}

/// Keeps engines running and tells how they are.
#[derive(Clone)]
pub struct Supervisor {
    life: Arc<watch::Sender<Arc<Life>>>,
    clock: Arc<dyn Clock>,
    stop: tokio_util::sync::CancellationToken,
}

/// Makes the future that is an engine at work.
type Start = Box<dyn FnMut() -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>> + Send>;

impl Supervisor {
    /// A supervisor of nothing yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let life = Life { state: State::Starting, engines: BTreeMap::new() };
        Self { life: Arc::new(watch::Sender::new(Arc::new(life))), clock, stop: Default::default() }
    }

    /// The state now and from now on.
    pub fn watch(&self) -> watch::Receiver<Arc<Life>> {
        self.life.subscribe()
    }

    /// The state now.
    pub fn life(&self) -> Arc<Life> {
        self.life.borrow().clone()
    }

    /// Sets the console's state.
    pub fn enter(&self, state: State) {
        tracing::info!(state = state.as_str(), "console");
        self.change(|life| life.state = state);
    }

    /// Ends all engines' loops; they are not started again.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Runs an engine: `start` makes the future that is the engine at work. When it panics or returns an error, that is
    /// logged, shown, and the engine is started again after a while; when it returns well, it has stopped.
    pub fn run<F, Fut>(&self, name: &'static str, mut start: F) -> tokio::task::JoinHandle<()>
    where
        F: FnMut() -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        self.keep(name, Box::new(move || Box::pin(start())))
    }

    /// As [`Self::run`], compiled once for all engines.
    fn keep(&self, name: &'static str, mut start: Start) -> tokio::task::JoinHandle<()> {
        let this = self.clone();
        this.set(name, State::Starting, None);
        tokio::spawn(async move {
            let mut backoff = Backoff::default();
            loop {
                let begun = this.clock.now();
                this.set(name, State::Running, None);
                let ended = match std::panic::catch_unwind(AssertUnwindSafe(&mut start)) {
                    Ok(future) => AssertUnwindSafe(future).catch_unwind().await,
                    Err(panic) => Err(panic),
                };
                let failure = match ended {
                    Ok(Ok(())) => break,
                    Ok(Err(failure)) => failure,
                    Err(panic) => format!("panicked: {}", panic_text(&*panic)),
                };
                let wait = backoff.after_failure(this.clock.now().since(begun));
                tracing::error!(engine = name, %failure, wait_ms = wait.as_millis() as u64, "engine failed");
                this.set(name, State::Failed, Some((failure, this.clock.now() + wait)));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = this.stop.cancelled() => break,
                }
            }
            this.set(name, State::Stopped, None);
        })
    }

    fn set(&self, name: &str, state: State, failure: Option<(String, Timestamp)>) {
        let now = self.clock.now();
        self.change(|life| {
            let engine = life.engines.entry(name.to_owned()).or_insert(EngineState {
                state,
                since: now,
                restarts: 0,
                last_failure: None,
                next_start: None,
            });
            if engine.state == State::Failed && state == State::Running {
                engine.restarts += 1;
            }
            engine.state = state;
            engine.since = now;
            engine.next_start = failure.as_ref().map(|(_, at)| *at);
            if let Some((text, _)) = failure {
                engine.last_failure = Some(text);
            }
        });
    }

    fn change(&self, change: impl FnOnce(&mut Life)) {
        self.life.send_modify(|life| change(Arc::make_mut(life)));
    }
}

/// What a panic said.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use quarterdeck_kernel::SystemClock;

    use super::*;

    #[test]
    fn backoff_doubles_to_a_minute_and_a_long_run_forgives() {
        let mut backoff = Backoff::default();
        let short = Duration::from_secs(1);
        let waits: Vec<u64> = (0..8).map(|_| backoff.after_failure(short).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(backoff.after_failure(Duration::from_secs(300)).as_secs(), 1);
        assert_eq!(backoff.after_failure(short).as_secs(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_engine_is_shown_and_started_again() {
        let supervisor = Supervisor::new(Arc::new(SystemClock));
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let task = supervisor.run("shaky", move || {
            let run = counted.fetch_add(1, Ordering::SeqCst);
            async move {
                match run {
                    0 => panic!("boom"),
                    1 => Err("no luck".to_owned()),
                    _ => Ok(()),
                }
            }
        });
        task.await.unwrap();
        let engine = supervisor.life().engines["shaky"].clone();
        assert_eq!((engine.state, engine.restarts), (State::Stopped, 2));
        assert_eq!(engine.last_failure.as_deref(), Some("no luck"));
        assert_eq!(runs.load(Ordering::SeqCst), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_while_starting_is_caught_too() {
        let supervisor = Supervisor::new(Arc::new(SystemClock));
        let mut first = true;
        let task = supervisor.run("brittle", move || {
            assert!(!std::mem::take(&mut first), "not yet");
            async { Ok(()) }
        });
        task.await.unwrap();
        assert_eq!(supervisor.life().engines["brittle"].last_failure.as_deref(), Some("panicked: not yet"));
    }
}
