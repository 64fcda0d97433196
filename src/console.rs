//! What the console tells of itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use quarterdeck_journal::store::Location;
use quarterdeck_panes::world::{Console, EngineView, Usage};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::alerting::Deliverer;
use crate::config::Loaded;
use crate::lifecycle::Life;
use crate::logs::LevelSwitch;
use crate::memory::GiveBack;
use crate::system::Setup;
use crate::worlds::Parts;

/// How often the process looks at itself.
const BEAT: Duration = Duration::from_secs(2);

/// Watches the process and tells of it.
pub struct Pulse {
    console: Console,
    level: LevelSwitch,
    requests: Arc<AtomicU64>,
    /// Processor time at the last beat, to make a rate of it.
    last: Option<(Instant, f64)>,
    memory: GiveBack,
    deliverer: Deliverer,
}

impl Pulse {
    /// A console that is about to start.
    pub fn new(setup: &Setup) -> Self {
        let console = Console {
            operator: setup.actor.user.clone(),
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            started: setup.clock.now(),
            data_dir: setup.paths.data_dir.display().to_string(),
            log_file: setup.paths.data_dir.join("log").join("quarterdeck.log").display().to_string(),
            demo: setup.demo.is_some(),
            ..Console::default()
        };
        Self {
            console,
            level: setup.level.clone(),
            requests: Arc::default(),
            last: None,
            memory: GiveBack::default(),
            deliverer: Deliverer::default(),
        }
    }

    /// The same, serving at an address, with a store and who delivers notifications.
    pub fn at(mut self, url: &str, store: &Location, requests: Arc<AtomicU64>, deliverer: Deliverer) -> Self {
        url.clone_into(&mut self.console.url);
        self.console.store = store.to_string();
        self.requests = requests;
        self.deliverer = deliverer;
        self
    }

    /// The console as of now.
    pub fn console(&self, life: &Life, loaded: &Loaded) -> Console {
        let engines = life.engines.iter().map(|(name, engine)| EngineView {
            name: name.clone(),
            state: engine.state.as_str(),
            since: engine.since,
            restarts: engine.restarts,
            last_failure: engine.last_failure.clone(),
            next_start: engine.next_start,
        });
        Console {
            environment: loaded.config.environment.clone(),
            read_only: loaded.config.read_only,
            config_files: loaded.files.iter().map(|f| f.display().to_string()).collect(),
            config_errors: loaded.refused.iter().map(ToString::to_string).collect(),
            log_level: self.level.level().to_string(),
            log_dropped: self.level.dropped(),
            engines: engines.collect(),
            destinations: self.deliverer.read().as_ref().map(|d| d.destinations()).unwrap_or_default(),
            ..self.console.clone()
        }
    }

    /// Tells of the process every two seconds, of its engines and configuration at once, until told to stop.
    pub async fn beat(
        mut self,
        parts: Arc<Parts>,
        mut life: watch::Receiver<Arc<Life>>,
        mut loaded: watch::Receiver<Arc<Loaded>>,
        stop: CancellationToken,
    ) {
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                _ = beat.tick() => self.measure(),
                changed = life.changed() => if changed.is_err() { return },
                changed = loaded.changed() => if changed.is_err() { return },
                () = stop.cancelled() => return,
            }
            let now = self.console(&life.borrow_and_update().clone(), &loaded.borrow_and_update().clone());
            if *parts.console.get() != now {
                parts.console.set(Arc::new(now));
            }
        }
    }

    fn measure(&mut self) {
        let before = self.console.usage;
        let mut usage = Usage { http_requests: self.requests.load(Ordering::Relaxed), ..before };
        if let Some((cpu_seconds, resident)) = process_stat() {
            let now = Instant::now();
            if let Some((then, cpu_then)) = self.last {
                let wall = now.duration_since(then).as_secs_f64().max(1e-3);
                // To the hundredth: a screen that shows this should not change for less.
                usage.cpu_cores = ((cpu_seconds - cpu_then) / wall * 100.0).round() / 100.0;
            }
            self.last = Some((now, cpu_seconds));
            usage.resident_bytes = resident;
            if self.memory.due(resident) {
                // Not on a thread that answers.
                tokio::task::spawn_blocking(crate::memory::give_back);
            }
        }
        usage.open_files = std::fs::read_dir("/proc/self/fd").map_or(0, |dir| dir.count() as u64);
        usage.frames = crate::screen::FRAMES.frames();
        usage.frame_us = crate::screen::FRAMES.last_us();
        usage.key_to_frame_p99_us = crate::screen::FRAMES.key_p99_us();
        self.console.usage = usage;
    }
}

/// Processor seconds and resident bytes of this process (`/proc/self/stat`, see proc(5)).
fn process_stat() -> Option<(f64, u64)> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name, in parentheses, may hold blanks: count fields from behind it.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let cpu = (number(11)? + number(12)?) as f64 / ticks;
    Some((cpu, number(21)? * rustix::param::page_size() as u64))
}
