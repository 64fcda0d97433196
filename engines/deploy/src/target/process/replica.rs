//! The life of one replica: started, probed, started again when it ends by itself, stopped when it is told to.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use quarterdeck_kernel::Clock;
use quarterdeck_kernel::time::{SystemClock, format_duration};
use rustix::process::Signal;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use uuid::Uuid;

use super::backoff::Backoff;
use super::following::{From, follow};
use super::records::Record;
use super::system::{Exit, Main, limit, signal_tagged, start_time};
use super::template::{Values, fill};
use super::{Settings, Shared, Slot, launch, ports};
use crate::model::ReplicaPhase;
use crate::target::output::{Source, Tail, length};
use crate::target::probe::Prober;

/// How long one waits for the last words of a process that has ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How much of its last words is told.
const LONGEST_WORDS: usize = 160;

/// What an earlier console has left.
pub(super) type Adopted = (Uuid, Record, Main);

pub(super) struct Runner {
    shared: Arc<Shared>,
    service: String,
    version: String,
    index: u32,
    id: String,
    log: PathBuf,
    tail: Arc<Tail>,
    stop: watch::Receiver<bool>,
    order: watch::Sender<bool>,
    restarts: u32,
}

/// A process that runs.
struct Running {
    main: Main,
    tag: Uuid,
    lease: Option<Uuid>,
    settings: Settings,
    url: String,
    readers: Vec<JoinHandle<()>>,
    /// Tells who reads a file that nothing more comes; pipes say so themselves.
    written: Option<oneshot::Sender<()>>,
    began: Instant,
}

/// Why a process no longer runs.
enum Ended {
    /// It was told to.
    Stopped,
    /// By itself, or because it was found not to live.
    Crashed { why: String, code: Option<i32>, signal: Option<i32> },
}

impl Runner {
    pub(super) fn new(shared: &Arc<Shared>, service: &str, version: &str, index: u32) -> Self {
        let id = format!("{service}/{version}/{index}");
        let (order, stop) = watch::channel(false);
        Self {
            log: shared.file_of(service, version, index),
            tail: shared.tail(&id),
            shared: Arc::clone(shared),
            service: service.to_owned(),
            version: version.to_owned(),
            index,
            id,
            stop,
            order,
            restarts: 0,
        }
    }

    /// Begins the life of a replica.
    pub(super) fn start(self, outlives: bool, adopted: Option<Adopted>) -> Slot {
        let stop = self.order.clone();
        if adopted.is_none() {
            self.publish(ReplicaPhase::Starting, String::new());
        }
        Slot { stop, outlives, task: tokio::spawn(self.live(adopted)) }
    }

    async fn live(mut self, mut adopted: Option<Adopted>) {
        let mut backoff = Backoff::default();
        let mut port = None;
        loop {
            let began = Instant::now();
            let ran = match adopted.take() {
                Some((tag, record, main)) => {
                    port = Some(record.port);
                    self.take_over(tag, record, main)
                }
                None => self.launch(&mut port).await,
            };
            let (ended, restart) = match ran {
                Ok(running) => {
                    let restart = running.settings.process.restart.clone();
                    (self.run(running).await, restart)
                }
                Err(why) => (Ended::Crashed { why, code: None, signal: None }, Default::default()),
            };
            let Ended::Crashed { why, code, signal } = ended else { break };
            let pause = backoff.crashed(began.elapsed(), &restart);
            let mut message = format!("{why}; it is started again in {}", rounded(pause));
            if backoff.loops() {
                message = format!("CrashLoopBackOff: {message}");
            }
            self.say(&message);
            self.publish(ReplicaPhase::Exited { code, signal }, message);
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = told(&mut self.stop) => break,
            }
            self.restarts += 1;
        }
        if let Some(port) = port {
            self.shared.ports.give_back(port);
        }
        self.shared.gone(&self.service, &self.version, self.index, &self.id);
    }

    /// Starts a process, at the port that it had before if that is still free.
    async fn launch(&self, port: &mut Option<u16>) -> Result<Running, String> {
        let settings = self.shared.settings(&self.service, &self.version)?;
        if let Some(old) = port.filter(|old| !ports::is_free(*old)) {
            self.shared.ports.give_back(old);
            *port = None;
        }
        let range = settings.process.ports.as_deref().and_then(ports::parse);
        let number = match port {
            Some(port) => *port,
            None => self.shared.ports.take(range.as_ref()).ok_or_else(|| match &settings.process.ports {
                Some(range) => format!("every port of {range} is taken"),
                None => "there is no free port".to_owned(),
            })?,
        };
        *port = Some(number);
        let values =
            Values { service: &self.service, version: &self.version, replica: self.index, port: number };
        let url = fill(&settings.process.url, &values);
        let tag = Uuid::new_v4();
        let outlives = settings.process.outlive;
        // What it writes begins here. It may have died before anything else is done.
        let begins = length(&self.log);
        let lease = if outlives {
            self.write_down(tag, number, &url, begins, None).await?;
            None
        } else {
            let lease = self.shared.leases.lease();
            Some(lease.map_err(|e| format!("nobody would end it with the console: {e}"))?)
        };
        let marks = launch::Marks { tag, lease: lease.map(|lease| (self.shared.leases.variable(), lease)) };
        self.shared.board.replica(&self.service, &self.version, &self.id, |r| r.url.clone_from(&url));
        let spawned = launch::spawn(&settings, &self.shared.places, &values, marks, &self.log, &self.tail);
        let mut child = match spawned {
            Ok(child) => child,
            Err(why) => {
                self.shared.records.remove(tag);
                lease.inspect(|lease| self.shared.leases.release(*lease));
                return Err(why);
            }
        };
        let pid = child.id().unwrap_or_default();
        if self.shared.places.launcher.is_none() {
            for failed in limit(pid, &settings.process.limits) {
                self.say(&failed);
            }
        }
        // Before anything of what it writes is read: what it says is what stands behind this.
        self.say(&format!("started, process {pid}, {url}"));
        let mut written = None;
        let readers = if outlives {
            if let Some(start) = start_time(pid) {
                // If this cannot be written down any more, it is still found by its tag.
                if let Err(why) = self.write_down(tag, number, &url, begins, Some((pid, start))).await {
                    self.say(&why);
                }
            }
            let (reader, end) = self.follow(tag, &settings, From::Start(begins));
            written = Some(end);
            vec![reader]
        } else {
            launch::read_pipes(&mut child, &self.log, &settings.output, &self.tail)
        };
        let began = Instant::now();
        Ok(Running { main: Main::Child(child), tag, lease, settings, url, readers, written, began })
    }

    fn take_over(&mut self, tag: Uuid, record: Record, main: Main) -> Result<Running, String> {
        // Its service may no longer be configured: it is stopped as any other.
        let settings = self.shared.settings(&self.service, &self.version).unwrap_or_else(|_| Settings {
            process: Default::default(),
            probes: Arc::new(crate::target::probe::effective(&Default::default())),
            output: Default::default(),
        });
        self.restarts = record.restarts;
        let url = record.url;
        let pid = main.pid().unwrap_or_default();
        self.log = record.log;
        self.say(&format!("taken over, process {pid}, {url}"));
        let (reader, end) = self.follow(tag, &settings, From::Newest(record.begins));
        let (readers, written) = (vec![reader], Some(end));
        Ok(Running { main, tag, lease: None, settings, url, readers, written, began: Instant::now() })
    }

    fn follow(&self, tag: Uuid, settings: &Settings, from: From) -> (JoinHandle<()>, oneshot::Sender<()>) {
        let shared = Arc::clone(&self.shared);
        follow(&self.log, &settings.output, &self.tail, from, move || shared.records.cut(tag))
    }

    async fn write_down(
        &self,
        tag: Uuid,
        port: u16,
        url: &str,
        begins: u64,
        process: Option<(u32, u64)>,
    ) -> Result<(), String> {
        let record = Record {
            service: self.service.clone(),
            version: self.version.clone(),
            index: self.index,
            port,
            url: url.to_owned(),
            log: self.log.clone(),
            begins,
            process,
            restarts: self.restarts,
        };
        let shared = Arc::clone(&self.shared);
        let written = tokio::task::spawn_blocking(move || shared.records.put(tag, record)).await;
        let failed = |e: &dyn std::fmt::Display| {
            format!("it cannot be written down that it outlives the console: {e}")
        };
        written.map_err(|e| failed(&e))?.map_err(|e| failed(&e))
    }

    /// From its start to its end.
    async fn run(&mut self, mut running: Running) -> Ended {
        let pid = running.main.pid();
        let (url, restarts) = (running.url.clone(), self.restarts);
        self.shared.board.replica(&self.service, &self.version, &self.id, |replica| {
            replica.url = url;
            replica.pid = pid;
            replica.restarts = restarts;
            replica.phase = ReplicaPhase::Starting;
            replica.message = String::new();
        });
        let probes = Arc::clone(&running.settings.probes);
        let mut prober = Prober::new(self.shared.http.clone(), running.url.clone(), probes);
        let mut was_ready = false;
        let ended = loop {
            let health = prober.health();
            was_ready |= health.ready;
            let phase = match (health.ready, was_ready) {
                (true, _) => ReplicaPhase::Ready,
                (false, true) => ReplicaPhase::NotReady,
                (false, false) => ReplicaPhase::Starting,
            };
            self.publish(phase, prober.why());
            if !health.live {
                let what = if health.started { "it does not live" } else { "it has not come up" };
                let why = format!("{what}: {}", prober.why());
                self.say(&format!("{why}; it is ended"));
                self.publish(ReplicaPhase::NotReady, why.clone());
                self.end(&mut running).await;
                break Ended::Crashed { why, code: None, signal: None };
            }
            tokio::select! {
                biased;
                exit = running.main.wait() => break self.exited(&mut running, exit).await,
                () = told(&mut self.stop) => {
                    self.publish(ReplicaPhase::Draining, "it has been told to end".to_owned());
                    self.end(&mut running).await;
                    break Ended::Stopped;
                }
                () = prober.answered() => {}
            }
        };
        for reader in &running.readers {
            reader.abort();
        }
        self.shared.records.remove(running.tag);
        if let Some(lease) = running.lease {
            self.shared.leases.release(lease);
        }
        ended
    }

    /// It has ended by itself: whatever it has left behind ends too, for it holds the port.
    async fn exited(&self, running: &mut Running, exit: Exit) -> Ended {
        let ran = running.began.elapsed();
        let signal = if let Exit::Signal(signal) = exit { Some(signal) } else { None };
        // At once: as long as it is said to be ready, it gets requests.
        let phase = ReplicaPhase::Exited { code: exit.code(), signal };
        self.publish(phase, format!("it {} after {}", exit.words(), rounded(ran)));
        signal_tagged(running.tag, Signal::KILL).await;
        self.hear_out(running).await;
        let mut why = format!("it {} after {}", exit.words(), rounded(ran));
        if let Some(words) = self.tail.last_words() {
            let text: String = words.chars().take(LONGEST_WORDS).collect();
            why.push_str(&format!(", its last words: {text}"));
        }
        Ended::Crashed { why, code: exit.code(), signal }
    }

    /// Tells it to end, waits, and ends it.
    async fn end(&self, running: &mut Running) {
        let grace = running.settings.process.stop_grace;
        running.main.signal(Signal::TERM);
        // A stopped process acts on SIGTERM only once it goes on. What has left its group is told by its tag.
        running.main.signal(Signal::CONT);
        signal_tagged(running.tag, Signal::TERM).await;
        match tokio::time::timeout(grace, running.main.wait()).await {
            Ok(exit) => self.say(&format!("{} on being told to end", exit.words())),
            Err(_) => {
                let text = format!("did not end within {} of SIGTERM: SIGKILL", format_duration(grace));
                self.say(&text);
                self.publish(ReplicaPhase::Draining, format!("it {text}"));
                running.main.signal(Signal::KILL);
                running.main.wait().await;
            }
        }
        signal_tagged(running.tag, Signal::KILL).await;
        self.hear_out(running).await;
    }

    /// What it wrote last is read before its end is told.
    async fn hear_out(&self, running: &mut Running) {
        if let Some(written) = running.written.take() {
            // Whoever reads may have ended already.
            let _ = written.send(());
        }
        let readers = std::mem::take(&mut running.readers);
        let aborts: Vec<_> = readers.iter().map(JoinHandle::abort_handle).collect();
        let all = futures_util::future::join_all(readers);
        if tokio::time::timeout(LAST_WORDS, all).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
    }

    fn say(&self, text: &str) {
        tracing::info!(replica = self.id, "{text}");
        self.tail.push(SystemClock.now(), Source::Console, text.to_owned());
    }

    fn publish(&self, phase: ReplicaPhase, message: String) {
        let restarts = self.restarts;
        self.shared.board.replica(&self.service, &self.version, &self.id, |replica| {
            replica.phase = phase;
            replica.message = message;
            replica.restarts = restarts;
            if matches!(phase, ReplicaPhase::Exited { .. }) {
                replica.pid = None;
            }
        });
    }
}

/// Waits until it is told to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    // Whoever could tell holds the other end as long as the replica lives.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// To the tenth of a second below ten seconds, else to the second.
fn rounded(duration: Duration) -> String {
    if duration < Duration::from_secs(10) {
        format!("{:.1} s", duration.as_secs_f64())
    } else {
        format_duration(Duration::from_secs(duration.as_secs()))
    }
}
