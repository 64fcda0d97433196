//! What the rest of the console holds of the gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::Mutex;
use quarterdeck_kernel::suggest::nearest;
use quarterdeck_kernel::{Diagnostic, Reason};
use quarterdeck_metrics::gather::Family;
use quarterdeck_resilience::breaker::Forced;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock;
use crate::config::{self, Config};
use crate::flow::Flow;
use crate::model::Snapshot;
use crate::server::accept::{Ask, Listening, wanted};
use crate::server::worker::{Shared, Worker};
use crate::table::{Learnt, Table};

/// What is wrong, and the key below `gateway` that it is at.
pub type Problems = Vec<(String, Diagnostic)>;

/// What the control of the gateway has.
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) shared: Arc<Shared>,
    pub(crate) learnt: Mutex<Learnt>,
    pub(crate) config: Mutex<Arc<Config>>,
    /// Requests under tables that are no longer in force and that have not chosen a version yet.
    pub(crate) former: Mutex<Vec<Arc<Flow>>>,
    pub(crate) listening: Mutex<Vec<Arc<Listening>>>,
    pub(crate) ask: mpsc::Sender<Ask>,
    /// One that carries no traffic: health checks, warming.
    pub(crate) own: Arc<Worker>,
    pub(crate) pools: Vec<Arc<Worker>>,
    pub(crate) warming: crate::warm::Board,
}

/// Shows and steers the gateway. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(crate) control: Arc<Control>,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
}

impl Control {
    /// Makes the table anew and puts it in force from the next request on.
    pub(crate) fn rebuild(&self, config: &Arc<Config>, learnt: &mut Learnt) -> Result<(), String> {
        let table = learnt.table(config)?;
        *self.shared.alive.lock() = learnt.alive();
        self.shared.versions.retain(|route| table.routes.iter().any(|r| &*r.name == route));
        let mut former = self.former.lock();
        former.push(Arc::clone(&self.shared.table().undecided));
        self.shared.swap(table);
        // From here on nobody begins under a table that was in force before.
        former.retain(|flow| flow.active() > 0);
        Ok(())
    }
}

impl Handle {
    /// The newest snapshot.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Snapshots as they are published, at most 30 a second.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshots.clone()
    }

    /// Where it really listens.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.control.listening.lock().iter().map(|listening| listening.address).collect()
    }

    /// What traffic is steered by now.
    #[must_use]
    pub fn table(&self) -> Arc<Table> {
        self.control.shared.table()
    }

    /// Takes another configuration: all of it, or none. Requests under way end as they began; the next ones find the new one.
    ///
    /// # Errors
    /// Every mistake; nothing has changed then.
    pub async fn reload(&self, config: Config) -> Result<(), Problems> {
        let wrong = config::validate(&config);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let at = |key: &str, why: String| vec![(key.to_owned(), Diagnostic::new(why))];
        let config = Arc::new(config);
        // What can fail comes first: a table that is tried on a copy of nothing learnt costs little.
        let mut trial = Learnt::new(1);
        trial.steerings = self.control.learnt.lock().steerings.clone();
        trial.table(&config).map_err(|why| at("services", why))?;
        let (answer, answered) = oneshot::channel();
        let stopped = || at("", "the gateway does not run".to_owned());
        self.control.ask.send((wanted(&config), answer)).await.map_err(|_| stopped())?;
        let listening = answered.await.map_err(|_| stopped())?.map_err(|(key, why)| at(&key, why))?;
        *self.control.listening.lock() = listening;
        let mut learnt = self.control.learnt.lock();
        self.control.rebuild(&config, &mut learnt).map_err(|why| at("services", why))?;
        *self.control.config.lock() = config;
        drop(learnt);
        Ok(())
    }

    /// The shares of a service as they are now, by version.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn split(&self, service: &str) -> Result<Vec<(String, u32)>, Reason> {
        let table = self.table();
        let found = table.service(service).ok_or_else(|| absent(&table, service))?;
        Ok(found.versions.iter().zip(&found.shares).map(|(v, share)| (v.name.to_string(), *share)).collect())
    }

    /// The shares of a service as the configuration has them.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn configured_split(&self, service: &str) -> Result<Vec<(String, u32)>, Reason> {
        let table = self.table();
        let found = table.config.services.get(service).ok_or_else(|| absent(&table, service))?;
        let share = |(place, version): (usize, &String)| {
            let first = u32::from(place == 0);
            let share =
                if found.split.is_empty() { first } else { found.split.get(version).copied().unwrap_or(0) };
            (version.clone(), share)
        };
        Ok(found.versions.keys().enumerate().map(share).collect())
    }

    /// What a split would be: every version of the service, those that are not named with nothing.
    ///
    /// # Errors
    /// When a version is not there, none would take anything, or the service is being steered.
    pub fn plan_split(&self, service: &str, shares: &[(String, u32)]) -> Result<Vec<(String, u32)>, Reason> {
        self.free(service)?;
        self.full_split(service, shares)
    }

    /// The same, whether the service is being steered or not.
    pub(crate) fn full_split(
        &self,
        service: &str,
        shares: &[(String, u32)],
    ) -> Result<Vec<(String, u32)>, Reason> {
        let before = self.split(service)?;
        for (version, _) in shares {
            if !before.iter().any(|(known, _)| known == version) {
                let there: Vec<&str> = before.iter().map(|(v, _)| v.as_str()).collect();
                let near = nearest(version, there.iter().copied()).map(|n| format!("did you mean {n}? "));
                let near = near.unwrap_or_default();
                let there = there.join(", ");
                return Err(Reason(format!(
                    "{service} has no version {version:?}; {near}there are: {there}"
                )));
            }
        }
        let share =
            |version: &String| shares.iter().find(|(v, _)| v == version).map_or(0, |(_, share)| *share);
        let after: Vec<(String, u32)> = before.iter().map(|(v, _)| (v.clone(), share(v))).collect();
        if after.iter().all(|(_, share)| *share == 0) {
            return Err(Reason(format!(
                "no version of {service} would take anything: give one a share above 0"
            )));
        }
        Ok(after)
    }

    /// Sets the split of a service from the next request on; None is as the configuration has it.
    ///
    /// # Errors
    /// See [`Handle::plan_split`].
    pub fn set_split(&self, service: &str, shares: Option<&[(String, u32)]>) -> Result<(), Reason> {
        self.free(service)?;
        let planned = shares.map(|shares| self.plan_split(service, shares)).transpose()?;
        self.keep_split(service, planned)
    }

    /// Takes a split that has been planned and stored. Where the service is being steered meanwhile, it holds afterwards.
    pub(crate) fn keep_split(&self, service: &str, split: Option<Vec<(String, u32)>>) -> Result<(), Reason> {
        let mut learnt = self.control.learnt.lock();
        // Under that lock: a reload that goes on would else be undone by what it replaces.
        let config = Arc::clone(&self.control.config.lock());
        let before = match split {
            Some(shares) => learnt.splits.insert(service.to_owned(), shares),
            None => learnt.splits.remove(service),
        };
        self.control.rebuild(&config, &mut learnt).map_err(|why| {
            match before {
                Some(before) => drop(learnt.splits.insert(service.to_owned(), before)),
                None => drop(learnt.splits.remove(service)),
            }
            Reason(why)
        })
    }

    /// Whether the shares of a service may be set by hand.
    ///
    /// # Errors
    /// Why not: the service is being steered.
    pub(crate) fn free(&self, service: &str) -> Result<(), Reason> {
        let refusal = self.control.learnt.lock().steerings.get(service).and_then(|s| s.refusal(service));
        refusal.map_or(Ok(()), Err)
    }

    /// Forces the breaker of a version open or closed; None lets it decide for itself again.
    ///
    /// # Errors
    /// When there is no such version, or it has no breaker.
    pub fn force_breaker(&self, service: &str, version: &str, state: Option<Forced>) -> Result<(), Reason> {
        let table = self.table();
        let found = table.service(service).ok_or_else(|| absent(&table, service))?;
        let Some(place) = found.version(version) else {
            return Err(Reason(format!("{service} has no version {version:?}")));
        };
        let breaker = found.versions[place].breaker.as_ref();
        let breaker = breaker.ok_or_else(|| Reason(format!("{service} {version} has no circuit breaker")))?;
        breaker.force(state, clock::now());
        self.control.shared.touch();
        Ok(())
    }

    /// What an operator allows a consumer: requests a minute.
    #[must_use]
    pub fn grant(&self, consumer: &str) -> Option<u32> {
        self.control.shared.grants.get(consumer)
    }

    /// Sets it; None is as its tier has it.
    pub fn set_grant(&self, consumer: &str, per_minute: Option<u32>) {
        self.control.shared.grants.set(consumer, per_minute);
        self.control.shared.touch();
    }

    /// Takes kept answers out; how many there were.
    ///
    /// # Errors
    /// When there is no such route.
    pub fn purge(&self, route: Option<&str>, pattern: &str) -> Result<u64, Reason> {
        if let Some(name) = route {
            self.route(name)?;
        }
        let purged = self.control.shared.answers().purge(route, pattern);
        self.control.shared.touch();
        Ok(purged)
    }

    pub(crate) fn route(&self, name: &str) -> Result<usize, Reason> {
        let table = self.table();
        table.routes.iter().position(|route| &*route.name == name).ok_or_else(|| {
            let near = nearest(name, table.routes.iter().map(|route| &*route.name));
            let meant = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
            Reason(format!("there is no route {name:?}{meant}"))
        })
    }

    /// What has been used of quotas since the last time this was asked: the day (since 1970), and who has used how much of it.
    #[must_use]
    pub fn used_quotas(&self) -> (i64, Vec<(Arc<str>, u64)>) {
        self.control.shared.quotas.changed()
    }

    /// It could not be written: it will be told again.
    pub fn keep_quotas(&self, day: i64, consumers: impl IntoIterator<Item = Arc<str>>) {
        self.control.shared.quotas.unchanged(day, consumers);
    }

    /// Everything it counts, for `/metrics`.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        crate::metrics::families(&self.control)
    }
}

/// Why nothing can be done with a service that is not there.
pub(crate) fn absent(table: &Table, service: &str) -> Reason {
    let near = nearest(service, table.services.iter().map(|s| &*s.name));
    let meant = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Reason(format!("the gateway has no service {service:?}{meant}"))
}
