//! Versions as processes of this machine: started, probed, started again, drained and stopped here.
//!
//! A replica has a port, a file for what it writes, and a tag in its environment by which it and its children are found.
//! It stays in the foreground: a program that puts itself into the background has ended as far as is seen here. What does
//! not outlive the console is leased from its keeper; what does is written down before it is started, and taken over again by
//! number, start time and tag.

mod backoff;
mod following;
mod launch;
pub mod launcher;
pub(crate) mod ports;
mod records;
mod replica;
mod system;
pub(crate) mod template;

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::output::Tail;
use super::probe::{Http, effective};
use super::{Board, Desired, Leases, Observed, OutputLine, Target, TargetError};
use crate::config::{Config, MOST_REPLICAS, OutputConfig, ProbesConfig, ProcessConfig, is_name};
use crate::model::ReplicaPhase;
use ports::Ports;
use records::Records;
use replica::Runner;
use system::Main;

/// Of how many replicas that are gone the output is still there.
const GONE: usize = 64;

/// Where a process target keeps its things.
#[derive(Clone, Debug)]
pub struct Places {
    /// Folder of the configuration file: relative paths begin there.
    pub base: PathBuf,
    /// Folder of its own in the data directory.
    pub data: PathBuf,
    /// A program that knows [`launcher::COMMAND`], which is the console's own. Without it, limits are in force a moment after
    /// a process has begun.
    pub launcher: Option<PathBuf>,
}

/// Runs versions as processes. Clones are of one target.
#[derive(Clone)]
pub struct ProcessTarget {
    shared: Arc<Shared>,
}

/// What replicas share.
struct Shared {
    board: Board,
    http: Http,
    leases: Arc<dyn Leases>,
    places: Places,
    ports: Ports,
    records: Records,
    config: RwLock<Arc<Config>>,
    versions: Mutex<BTreeMap<(String, String), Version>>,
    tails: Mutex<Tails>,
    closing: AtomicBool,
}

#[derive(Default)]
struct Version {
    generation: u64,
    replicas: BTreeMap<u32, Slot>,
}

struct Slot {
    stop: watch::Sender<bool>,
    outlives: bool,
    task: JoinHandle<()>,
}

impl Slot {
    fn stopping(&self) -> bool {
        *self.stop.borrow()
    }
}

/// What is kept of the output of replicas.
#[derive(Default)]
struct Tails {
    all: BTreeMap<String, Arc<Tail>>,
    gone: VecDeque<String>,
}

/// How a version is run, as configured now.
#[derive(Clone, Debug)]
struct Settings {
    process: ProcessConfig,
    probes: Arc<ProbesConfig>,
    output: OutputConfig,
}

impl ProcessTarget {
    /// Takes over what an earlier console has left running. To be called within a runtime.
    ///
    /// # Errors
    /// When what was written down about it cannot be read.
    pub fn open(
        config: Arc<Config>,
        board: Board,
        http: Http,
        leases: Arc<dyn Leases>,
        places: Places,
    ) -> std::io::Result<Self> {
        let records = Records::open(&places.data.join("processes.json"))?;
        let shared = Arc::new(Shared {
            board,
            http,
            leases,
            ports: Ports::default(),
            records,
            config: RwLock::new(config),
            versions: Mutex::default(),
            tails: Mutex::default(),
            closing: AtomicBool::new(false),
            places,
        });
        let target = Self { shared };
        target.adopt();
        Ok(target)
    }

    /// New settings: for what is started from now on.
    pub fn reload(&self, config: Arc<Config>) {
        *self.shared.config.write() = config;
    }

    /// Whether anything runs, or is about to, that outlives this console.
    #[must_use]
    pub fn leaves_behind(&self) -> usize {
        let versions = self.shared.versions.lock();
        versions.values().flat_map(|v| v.replicas.values()).filter(|slot| slot.outlives).count()
    }

    /// Stops what does not outlive the console, and waits for it, but not longer than `within`: the keeper ends the rest.
    pub async fn close(&self, within: Duration) {
        self.shared.closing.store(true, Ordering::SeqCst);
        let ending: Vec<JoinHandle<()>> = {
            let mut versions = self.shared.versions.lock();
            let mut ending = Vec::new();
            for version in versions.values_mut() {
                for (_, slot) in std::mem::take(&mut version.replicas) {
                    if slot.outlives {
                        slot.task.abort();
                    } else {
                        slot.stop.send_replace(true);
                        ending.push(slot.task);
                    }
                }
            }
            ending
        };
        let all = futures_util::future::join_all(ending);
        if tokio::time::timeout(within, all).await.is_err() {
            tracing::warn!("not every process has ended in time; the keeper ends what is left");
        }
    }

    fn adopt(&self) {
        for (tag, record) in self.shared.records.all() {
            let id = format!("{}/{}/{}", record.service, record.version, record.index);
            let Some(main) = Main::adopt(record.process, tag) else {
                tracing::info!(id, "a process that was to outlive the console has ended");
                self.shared.records.remove(tag);
                continue;
            };
            tracing::info!(id, pid = main.pid(), "a process of an earlier console is taken over");
            self.shared.ports.keep(record.port);
            let key = (record.service.clone(), record.version.clone());
            let runner = Runner::new(&self.shared, &key.0, &key.1, record.index);
            let mut versions = self.shared.versions.lock();
            let version = versions.entry(key.clone()).or_default();
            let index = record.index;
            version.replicas.insert(index, runner.start(true, Some((tag, record, main))));
            let wanted = u32::try_from(version.replicas.len()).unwrap_or(u32::MAX);
            self.shared.board.version(&key.0, &key.1, |observed| {
                observed.wanted = wanted;
                observed.target = KIND.to_owned();
                observed.outlives = true;
            });
        }
    }

    fn take_up(&self, want: &Desired) -> Result<(), TargetError> {
        let shared = &self.shared;
        let (service, version) = (want.service.as_str(), want.version.as_str());
        let refused = |why: String| Err(TargetError::Refused(why));
        if shared.closing.load(Ordering::SeqCst) {
            return Err(TargetError::Unreachable("the console is ending".to_owned()));
        }
        if want.replicas > MOST_REPLICAS {
            return refused(format!(
                "{service} {version}: {} replicas are more than {MOST_REPLICAS}",
                want.replicas
            ));
        }
        let settings = shared.settings(service, version);
        if want.replicas > 0
            && let Err(why) = &settings
        {
            return refused(why.clone());
        }
        let outlives = settings.is_ok_and(|s| s.process.outlive);
        let key = (want.service.clone(), want.version.clone());
        let mut versions = shared.versions.lock();
        let known = versions.entry(key).or_default();
        if want.generation < known.generation {
            return Err(TargetError::Conflict { observed: known.generation });
        }
        known.generation = want.generation;
        shared.board.version(service, version, |observed| {
            observed.wanted = want.replicas;
            observed.generation = want.generation;
            KIND.clone_into(&mut observed.target);
            observed.outlives = outlives;
        });
        let mut live: Vec<u32> =
            known.replicas.iter().filter(|(_, slot)| !slot.stopping()).map(|(index, _)| *index).collect();
        let wanted = want.replicas as usize;
        if live.len() > wanted {
            // Those that are of least use go first, and of equal ones the last that came.
            let observed = shared.board.now();
            let ready = |index: u32| {
                let id = format!("{service}/{version}/{index}");
                let observed = observed.version(service, version);
                observed
                    .is_some_and(|v| v.replicas.iter().any(|r| r.id == id && r.phase == ReplicaPhase::Ready))
            };
            live.sort_by_key(|index| (!ready(*index), *index));
            for index in &live[wanted..] {
                if let Some(slot) = known.replicas.get(index) {
                    slot.stop.send_replace(true);
                }
            }
        }
        for _ in live.len()..wanted {
            let index = (0..).find(|index| !known.replicas.contains_key(index)).unwrap_or_default();
            let runner = Runner::new(shared, service, version, index);
            known.replicas.insert(index, runner.start(outlives, None));
        }
        Ok(())
    }
}

const KIND: &str = "process";

impl Target for ProcessTarget {
    fn ensure(&self, want: Desired) -> BoxFuture<'_, Result<(), TargetError>> {
        async move { self.take_up(&want) }.boxed()
    }

    fn watch(&self) -> watch::Receiver<Arc<Observed>> {
        self.shared.board.watch()
    }

    fn output(&self, replica: &str, lines: usize) -> Vec<OutputLine> {
        let tail = self.shared.tails.lock().all.get(replica).cloned();
        tail.map(|tail| tail.newest(lines)).unwrap_or_default()
    }

    fn kind(&self) -> &'static str {
        KIND
    }

    fn outlives(&self) -> bool {
        let config = self.shared.config.read();
        config.services.values().any(|service| service.process.as_ref().is_some_and(|p| p.outlive))
    }
}

impl Shared {
    /// How a version is run.
    fn settings(&self, service: &str, version: &str) -> Result<Settings, String> {
        let config = self.config.read();
        let found = config
            .services
            .get(service)
            .ok_or_else(|| format!("there is no service {service:?} in [deploy.services]"))?;
        if !is_name(version) {
            return Err(format!(
                "{version:?} is not a name for a version: write letters, digits, -, _ and ."
            ));
        }
        let own = found.versions.get(version);
        let mut process = match &found.process {
            Some(process) => process.clone(),
            None if own.is_some_and(|own| !own.command.is_empty()) => ProcessConfig::default(),
            None => {
                return Err(format!(
                    "nothing says how {service} {version} is run: write [deploy.services.{service}.process] with a \
                     command, or [deploy.services.{service}.versions.{version}] with endpoints"
                ));
            }
        };
        if let Some(own) = own {
            if !own.command.is_empty() {
                process.command.clone_from(&own.command);
            }
            process.dir = own.dir.clone().or(process.dir);
            process.env.extend(own.env.clone());
        }
        if process.command.is_empty() {
            return Err(format!("there is no command for {service} {version}"));
        }
        let probes = Arc::new(effective(&found.probes));
        Ok(Settings { process, probes, output: config.output.clone() })
    }

    /// The output of a replica: what an earlier one of the same id has written is still in it.
    fn tail(&self, id: &str) -> Arc<Tail> {
        let most = self.config.read().output.lines;
        let mut tails = self.tails.lock();
        tails.gone.retain(|gone| gone != id);
        Arc::clone(tails.all.entry(id.to_owned()).or_insert_with(|| Arc::new(Tail::new(most))))
    }

    fn file_of(&self, service: &str, version: &str, index: u32) -> PathBuf {
        self.places.data.join("output").join(format!("{service}.{version}.{index}.log"))
    }

    /// A replica is gone for good.
    fn gone(&self, service: &str, version: &str, index: u32, id: &str) {
        if let Some(known) = self.versions.lock().get_mut(&(service.to_owned(), version.to_owned())) {
            known.replicas.remove(&index);
        }
        self.board.gone(service, version, id);
        let mut tails = self.tails.lock();
        tails.gone.push_back(id.to_owned());
        if tails.gone.len() > GONE
            && let Some(oldest) = tails.gone.pop_front()
        {
            tails.all.remove(&oldest);
        }
    }
}
