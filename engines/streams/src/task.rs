//! The async shell: starts the feeds, digests what they queue, writes the samples and publishes snapshots.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use quarterdeck_kernel::{Clock, Diagnostic, Timestamp};
use quarterdeck_metrics::ingest::{Ingest, Metadata, MetricType};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::address;
use crate::config::{self, Config, FeedConfig, MetricKind};
use crate::digest::Digest;
use crate::feed::{Command, Feed, Status};
use crate::handle::{Control, Handle};
use crate::machine::{Input, Machine, Rules};
use crate::model::{FeedState, FeedView, Snapshot, Stats};
use crate::pace::Pace;
use crate::path::PathError;
use crate::queue::{Queue, Signal};
use crate::rows::Rows;
use crate::series::Line;
use crate::sink::{Batch, Sink, Stored};

/// Between two digests or snapshots: at most 30 a second.
const FRAME: Duration = Duration::from_millis(33);

/// Between two batches of samples.
const FLUSH: Duration = Duration::from_millis(250);

/// A broken connection must have been silent for this long at least before its series end.
const LEAST_SILENCE: Duration = Duration::from_secs(5);

/// How long the feeds may take to end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Messages digested before other feeds and tasks have their turn.
const TURN: usize = 2048;

/// The streams engine. Nothing happens until [`Engine::run`].
pub struct Engine {
    clock: Arc<dyn Clock>,
    ingest: Arc<dyn Ingest>,
    config: Config,
    control: mpsc::Receiver<Control>,
    publish: watch::Sender<Arc<Snapshot>>,
    signal: Arc<Signal>,
    feeds: BTreeMap<String, Running>,
    next_feed: u64,
    /// Lent to a blocking task while it writes.
    sink: Option<Sink>,
    writing: Option<JoinHandle<(Sink, Vec<Stored>)>>,
    flushed: Instant,
    /// What feeds count their beats from.
    epoch: Instant,
    version: u64,
}

/// A feed and what is known of it.
struct Running {
    id: u64,
    config: Arc<FeedConfig>,
    name: Arc<str>,
    digest: Digest,
    queue: Arc<Queue>,
    status: Arc<Mutex<Status>>,
    seen: u64,
    store_error: Option<(Timestamp, String)>,
    /// When it is dropped, the feed says goodbye and ends.
    commands: mpsc::Sender<Command>,
    view: Arc<FeedView>,
}

impl Engine {
    /// An engine for these feeds, and the handle to it.
    ///
    /// # Errors
    /// Every mistake of the configuration, as [`config::validate`] finds it.
    pub fn new(
        config: Config,
        ingest: Arc<dyn Ingest>,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, Handle), Vec<(String, Diagnostic)>> {
        let wrong = config::validate(&config);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let (publish, snapshots) = watch::channel(Arc::default());
        let (sender, control) = mpsc::channel(64);
        let engine = Self {
            clock,
            sink: Some(Sink::new(Arc::clone(&ingest))),
            ingest,
            config,
            control,
            publish,
            signal: Arc::default(),
            feeds: BTreeMap::new(),
            next_feed: 0,
            writing: None,
            flushed: Instant::now(),
            epoch: Instant::now(),
            version: 0,
        };
        Ok((engine, Handle { snapshots, control: sender }))
    }

    /// Runs until `stop`, then ends every connection and writes what is gathered.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) {
        let config = std::mem::take(&mut self.config);
        self.configure(config);
        self.publish();
        let mut stop = std::pin::pin!(stop);
        let signal = Arc::clone(&self.signal);
        let mut frame: Option<Instant> = None;
        let mut published = Instant::now();
        loop {
            let now = Instant::now();
            let second = now + self.until_next_second();
            let waiting = self.writing.is_none() && self.feeds.values().any(|f| f.digest.pending());
            let flush = waiting.then_some(self.flushed + FLUSH);
            let due = [frame, flush].into_iter().flatten().fold(second, Instant::min);
            tokio::select! {
                () = &mut stop => break,
                Some(control) = self.control.recv() => self.control(control),
                result = written(&mut self.writing) => self.written(result),
                () = signal.urgent.notified() => {}
                () = signal.pending.notified(), if frame.is_none() => {
                    frame = Some((published + FRAME).max(Instant::now()));
                    continue;
                }
                () = tokio::time::sleep_until(due) => {}
            }
            self.digest().await;
            let now = Instant::now();
            self.flush(now);
            if now >= published + FRAME {
                (published, frame) = (now, None);
                self.publish();
            }
        }
        self.end().await;
    }

    fn until_next_second(&self) -> Duration {
        let into = self.clock.now().as_millis().rem_euclid(1000);
        // One millisecond past, so that the second has surely ended.
        Duration::from_millis(1001 - into.unsigned_abs())
    }

    fn control(&mut self, control: Control) {
        match control {
            Control::Reload(config, done) => {
                self.configure(*config);
                self.publish();
                // The one who asked may be gone, here and below.
                let _ = done.send(());
            }
            Control::Feed(name, input, done) => {
                let Some(feed) = self.feeds.get(&name) else { return };
                let commands = feed.commands.clone();
                // A feed may be busy sending; the others do not wait for it.
                tokio::spawn(async move {
                    if ask(&commands, input).await {
                        let _ = done.send(());
                    }
                });
            }
        }
    }

    /// Stops, starts and restarts feeds so that exactly those of a configuration run.
    fn configure(&mut self, config: Config) {
        self.feeds.retain(|name, feed| config.get(name).is_some_and(|c| *c == *feed.config));
        for (name, feed) in config {
            if self.feeds.contains_key(&name) {
                continue;
            }
            match self.start(&name, feed) {
                Ok(running) => drop(self.feeds.insert(name, running)),
                // Validation has read every path before.
                Err(e) => tracing::error!(feed = name, error = %e, "feed cannot be started"),
            }
        }
        self.version += 1;
    }

    fn start(&mut self, name: &str, config: FeedConfig) -> Result<Running, PathError> {
        let now = self.clock.now();
        let digest = Digest::new(name, &config, now)?;
        for metric in &config.metrics {
            let kind = match metric.kind {
                MetricKind::Gauge => MetricType::Gauge,
                MetricKind::Counter => MetricType::Counter,
            };
            let (help, unit) = (metric.help.clone(), metric.unit.clone());
            self.ingest.describe(&metric.name, &Metadata { kind, help, unit });
        }
        self.next_feed += 1;
        let config = Arc::new(config);
        let queue = Arc::new(Queue::new(config.buffer, config.on_overflow, Arc::clone(&self.signal)));
        let state = FeedState::Connecting { attempt: 1 };
        let (since, version) = (now, 0);
        let status = Status { state, since, reconnects: 0, round_trip: None, last_error: None, version };
        let status = Arc::new(Mutex::new(status));
        let (commands, receiver) = mpsc::channel(8);
        let seed = config.backoff.seed.unwrap_or_else(|| hash(name));
        let feed = Feed {
            config: Arc::clone(&config),
            machine: Machine::new(Rules::from(&*config), seed),
            queue: Arc::clone(&queue),
            status: Arc::clone(&status),
            signal: Arc::clone(&self.signal),
            commands: receiver,
            clock: Arc::clone(&self.clock),
            pace: Pace::default(),
            epoch: self.epoch,
        };
        tokio::spawn(feed.run());
        let name: Arc<str> = name.into();
        let view = FeedView {
            name: Arc::clone(&name),
            url: address::shown(&config.url).into(),
            state,
            since: now,
            columns: config.ordered_columns().into_iter().map(Arc::from).collect(),
            stats: Stats::default(),
            last_error: None,
            last_message: None,
            history: Arc::from([]),
            rows: Rows::default(),
            metrics: config.metrics.iter().map(|m| Arc::from(m.name.as_str())).collect(),
        };
        Ok(Running {
            id: self.next_feed,
            config,
            name,
            digest,
            queue,
            status,
            seen: 0,
            store_error: None,
            commands,
            view: Arc::new(view),
        })
    }

    /// Digests everything that is queued, a turn per feed at a time.
    async fn digest(&mut self) {
        let mut messages = Vec::new();
        for feed in self.feeds.values_mut() {
            // One round is bounded by the queue's size, so that a flood cannot keep the others waiting.
            let mut rounds = feed.config.buffer.div_ceil(TURN);
            loop {
                let (tally, left) = feed.queue.drain(TURN, &mut messages);
                feed.digest.tally(tally, left);
                for raw in messages.drain(..) {
                    feed.digest.message(&raw);
                }
                rounds -= 1;
                if left == 0 || rounds == 0 {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// Hands what is gathered to the metrics store, unless the last batch is still being written.
    fn flush(&mut self, now: Instant) {
        if now < self.flushed + FLUSH {
            return;
        }
        let Some(mut sink) = self.sink.take() else { return };
        let batches = self.gather();
        if batches.is_empty() {
            self.sink = Some(sink);
            return;
        }
        self.flushed = now;
        let ids: Vec<u64> = self.feeds.values().map(|f| f.id).collect();
        self.writing = Some(tokio::task::spawn_blocking(move || {
            sink.retain(&ids);
            let stored = batches.iter().map(|b| sink.write(b)).collect();
            (sink, stored)
        }));
    }

    fn gather(&mut self) -> Vec<Batch> {
        let now = self.clock.now();
        let batch = |feed: &mut Running| {
            let mut samples = Vec::new();
            let connected = feed.status.lock().state.connected();
            let silence = feed.digest.last_message().map(|m| now.since(m));
            let silent = silence.is_some_and(|s| s >= feed.config.stale_after.max(LEAST_SILENCE));
            let line = match (connected, silent) {
                (true, _) => Line::Open,
                (false, false) => Line::Interrupted,
                (false, true) => Line::Dead,
            };
            feed.digest.flush(now, line, &mut samples);
            (!samples.is_empty()).then_some(Batch { feed: feed.id, samples })
        };
        self.feeds.values_mut().filter_map(batch).collect()
    }

    fn written(&mut self, result: Option<(Sink, Vec<Stored>)>) {
        self.writing = None;
        let Some((sink, stored)) = result else {
            tracing::error!("writing samples of streams failed; the series are resolved anew");
            self.sink = Some(Sink::new(Arc::clone(&self.ingest)));
            return;
        };
        self.sink = Some(sink);
        let now = self.clock.now();
        for one in stored {
            let Some(feed) = self.feeds.values_mut().find(|f| f.id == one.feed) else { continue };
            feed.digest.stored(one.taken, one.refused);
            if let Some(why) = one.error {
                feed.store_error = Some((now, format!("samples were not stored: {why}")));
                feed.digest.touch();
            }
        }
    }

    /// Publishes a snapshot if anything has changed.
    fn publish(&mut self) {
        let now = self.clock.now();
        let mut changed = self.publish.borrow().version != self.version;
        for feed in self.feeds.values_mut() {
            changed |= feed.refresh(now);
        }
        if !changed {
            return;
        }
        self.version += 1;
        let feeds = self.feeds.values().map(|f| Arc::clone(&f.view)).collect();
        self.publish.send_replace(Arc::new(Snapshot { version: self.version, taken: now, feeds }));
    }

    /// Ends every connection and writes what is gathered.
    async fn end(&mut self) {
        self.digest().await;
        if self.writing.is_some() {
            let result = written(&mut self.writing).await;
            self.written(result);
        }
        let batches = self.gather();
        if let Some(mut sink) = self.sink.take() {
            let last = tokio::task::spawn_blocking(move || {
                for batch in &batches {
                    sink.write(batch);
                }
            });
            if last.await.is_err() {
                tracing::error!("writing the last samples of streams failed");
            }
        }
        let goodbyes = self.feeds.values().map(|f| ask(&f.commands, Input::Pause));
        let all = futures_util::future::join_all(goodbyes);
        // A feed that is busy sending ends without a goodbye.
        let _ = tokio::time::timeout(GOODBYE, all).await;
    }
}

/// Passes an input to a feed; says whether it was taken.
async fn ask(commands: &mpsc::Sender<Command>, input: Input) -> bool {
    let (done, taken) = oneshot::channel();
    commands.send((input, done)).await.is_ok() && taken.await.is_ok()
}

impl Running {
    /// Makes the view anew if anything has changed; says whether.
    fn refresh(&mut self, now: Timestamp) -> bool {
        self.digest.tick(now);
        let status = self.status.lock().clone();
        let changed = self.digest.take_dirty() || status.version != self.seen;
        if !changed {
            return false;
        }
        self.seen = status.version;
        let errors = [status.last_error.as_ref(), self.digest.last_bad(), self.store_error.as_ref()];
        let newest = errors.into_iter().flatten().max_by_key(|e| e.0);
        let mut stats = self.digest.stats();
        stats.reconnects = status.reconnects;
        stats.round_trip_ms = status.round_trip.map(|d| d.as_secs_f64() * 1000.0);
        let old = &self.view;
        self.view = Arc::new(FeedView {
            name: Arc::clone(&self.name),
            url: Arc::clone(&old.url),
            state: status.state,
            since: status.since,
            columns: Arc::clone(&old.columns),
            stats,
            last_error: newest.map(|(at, why)| (*at, Arc::from(why.as_str()))),
            last_message: self.digest.last_message(),
            history: self.digest.history(),
            rows: self.digest.rows(),
            metrics: Arc::clone(&old.metrics),
        });
        true
    }
}

/// Waits for a batch to be written; forever if none is. None if the task that wrote it failed.
async fn written(writing: &mut Option<JoinHandle<(Sink, Vec<Stored>)>>) -> Option<(Sink, Vec<Stored>)> {
    match writing {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}

/// FNV-1a: the same name always gives the same seed.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}
