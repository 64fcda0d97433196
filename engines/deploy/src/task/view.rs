//! What is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::{FRAME, Runner};
use crate::dora;
use crate::engine::Service;
use crate::model::{ServiceView, Snapshot, VersionRole, VersionView};
use crate::target::Target;

/// Requests a second, by service and version.
#[derive(Default)]
pub(super) struct Rates {
    taken: Option<Instant>,
    counts: BTreeMap<(String, String), (u64, f64)>,
}

/// Rates are taken over this time.
const PERIOD: std::time::Duration = std::time::Duration::from_secs(1);

impl Rates {
    /// The count of now and the rate over the last period.
    fn of(&self, service: &str, version: &str) -> (u64, f64) {
        self.counts.get(&(service.to_owned(), version.to_owned())).copied().unwrap_or_default()
    }
}

impl Runner {
    /// Publishes a snapshot when there is something new to show.
    pub(super) fn show(&mut self) {
        let now = Instant::now();
        if self.rates.taken.is_none_or(|taken| now.duration_since(taken) >= PERIOD) {
            self.count(now);
        }
        if self.dirty && self.published.is_none_or(|at| at.elapsed() >= FRAME) {
            self.publish(now);
        }
    }

    /// Publishes what is, at once: who was answered sees in the next snapshot what it was told.
    pub(super) fn publish(&mut self, now: Instant) {
        self.dirty = false;
        self.published = Some(now);
        self.version += 1;
        let taken = self.now();
        let services: Vec<Arc<ServiceView>> =
            self.engine.services().map(|service| Arc::new(self.service_view(service))).collect();
        let rollouts = self.engine.services().filter_map(|s| s.rollout.clone()).map(Arc::new).collect();
        self.publisher.send_replace(Arc::new(Snapshot {
            version: self.version,
            taken,
            services,
            rollouts,
            history: self.history.clone(),
            dora: dora::measure(self.ledger.iter(), dora::WINDOW, taken),
            freezes: self.freezes(),
            strategies: self.strategies.views(),
            elsewhere: self.elsewhere.clone(),
        }));
    }

    fn count(&mut self, now: Instant) {
        let since = self.rates.taken.map(|taken| now.duration_since(taken).as_secs_f64());
        let mut counts = BTreeMap::new();
        let mut changed = false;
        for service in self.engine.services() {
            let gateway = self.gateway_of(&service.name);
            for version in service.versions.keys() {
                let count = self.seams.traffic.routed(gateway, version);
                let key = (service.name.clone(), version.clone());
                let before = self.rates.counts.get(&key).copied();
                let rate = match (since, before) {
                    (Some(since), Some((before, _))) if since > 0.0 => {
                        count.saturating_sub(before) as f64 / since
                    }
                    _ => 0.0,
                };
                if before != Some((count, rate)) {
                    changed = true;
                }
                counts.insert(key, (count, rate));
            }
        }
        self.dirty |= changed;
        self.rates = Rates { taken: Some(now), counts };
    }

    fn service_view(&self, service: &Service) -> ServiceView {
        let observed = self.seams.targets.watch().borrow().clone();
        let config = self.config.services.get(&service.name);
        let gateway = self.gateway_of(&service.name);
        let new = service.rollout.as_ref().map(|rollout| rollout.to.as_str());
        let mut names: BTreeSet<&str> = service.versions.keys().map(String::as_str).collect();
        names.extend(config.into_iter().flat_map(|c| c.versions.keys().map(String::as_str)));
        let external = |version: &str| config.is_some_and(|c| c.endpoints_of(version).is_some());
        let mut versions: Vec<VersionView> = names
            .into_iter()
            .map(|name| {
                let known = service.versions.get(name);
                let (requests, rate) = self.rates.of(&service.name, name);
                let wanted = known.map_or(0, |version| version.wanted);
                let role = if service.stable.as_deref() == Some(name) {
                    VersionRole::Stable
                } else if new == Some(name) {
                    VersionRole::New
                } else if wanted > 0 || known.is_some_and(|version| !version.replicas.is_empty()) {
                    VersionRole::Old
                } else {
                    VersionRole::Stopped
                };
                let replicas = match &self.elsewhere {
                    Some(_) => known.map(|version| version.replicas.clone()),
                    None => observed.version(&service.name, name).map(|seen| seen.replicas.clone()),
                };
                VersionView {
                    name: name.to_owned(),
                    role,
                    share: service.share(name),
                    wanted,
                    ready: known.map_or(0, crate::engine::Version::ready),
                    replicas: replicas.unwrap_or_default(),
                    requests,
                    rate,
                    in_flight: self.seams.traffic.in_flight(gateway, name),
                    return_until: service.return_until(name),
                    last_start: known.and_then(|version| version.last_start),
                    target: if external(name) { "external" } else { "process" },
                }
            })
            .collect();
        let place = |version: &VersionView| match version.role {
            VersionRole::Stable => 0,
            VersionRole::New => 1,
            VersionRole::Old => 2,
            VersionRole::Stopped => 3,
        };
        versions.sort_by_key(place);
        ServiceView {
            name: service.name.clone(),
            stable: service.stable.clone(),
            previous: service.last_change.as_ref().and_then(|(_, before)| before.clone()),
            replicas: service.replicas,
            target: if service.stable.as_deref().is_some_and(external) { "external" } else { "process" },
            outlives: config.and_then(|c| c.process.as_ref()).is_some_and(|process| process.outlive),
            versions,
            strategy: config
                .and_then(|c| c.strategy.clone())
                .unwrap_or_else(|| self.strategies.standard().name),
            dora: dora::measure(
                self.ledger.iter().filter(|entry| entry.service == service.name),
                dora::WINDOW,
                self.now(),
            ),
            trouble: self.trouble(service),
        }
    }

    /// Everything that is wrong with a service, in words.
    fn trouble(&self, service: &Service) -> String {
        let held = self.held.get(&service.name).into_iter().flat_map(|held| held.trouble.values().cloned());
        let unsaved = self.waiting.trouble().map(|why| {
            format!("nothing moves: it cannot be saved ({why}); traffic can be taken back all the same")
        });
        let own = Some(service.trouble.clone()).filter(|trouble| !trouble.is_empty());
        unsaved.into_iter().chain(own).chain(held).collect::<Vec<_>>().join("; ")
    }

    fn freezes(&self) -> Vec<crate::model::FreezeView> {
        let now = self.now();
        let freezes = self.config.freezes.iter().filter_map(|f| crate::checks::freeze::Freeze::new(f).ok());
        let mut views: Vec<crate::model::FreezeView> = freezes
            .filter_map(|freeze| {
                let service = freeze.services().first().cloned().unwrap_or_default();
                let frozen = freeze.holds(&service, now)?;
                Some(crate::model::FreezeView {
                    reason: frozen.reason,
                    services: freeze.services().to_vec(),
                    from: frozen.from,
                    until: frozen.until,
                })
            })
            .collect();
        views.sort_by_key(|view| view.from);
        views
    }
}
