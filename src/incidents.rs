//! What services went through, on the timeline: when one broke its limits, and when it was well again.
//!
//! The assessment has waited before it calls a service degraded or well ([`quarterdeck_services::SignalsConfig`]), so that every
//! change told here has lasted.

use std::collections::HashMap;
use std::sync::Arc;

use quarterdeck_journal::{NewEntry, Timeline};
use quarterdeck_kernel::{Actor, ChangeKind, Health, Severity, Timestamp};
use quarterdeck_services::{ServiceView, Snapshot};
use tokio_util::sync::CancellationToken;

use crate::worlds::Parts;

/// Writes an entry whenever a service's health has changed, until told to stop.
pub async fn tell(parts: Arc<Parts>, timeline: Timeline, stop: CancellationToken) {
    let mut known = Known::default();
    let mut version = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
            () = stop.cancelled() => return,
        }
        let services = parts.services.get();
        if services.version == version {
            continue;
        }
        version = services.version;
        for entry in known.changes(&services) {
            if let Err(error) = timeline.append(entry).await {
                tracing::error!(%error, "the timeline could not tell of a service");
            }
        }
    }
}

/// The last health of every service, and since when it was not well. Pure.
#[derive(Default)]
struct Known(HashMap<Arc<str>, (Health, Timestamp)>);

impl Known {
    /// What has changed. A service that is seen for the first time is told of only if it is not well; one of which nothing is
    /// known keeps the health that it had.
    fn changes(&mut self, services: &Snapshot) -> Vec<NewEntry> {
        let mut entries = Vec::new();
        for service in services.services.iter().filter(|s| s.health != Health::Unknown) {
            let before = self.0.get(&service.name).copied();
            let (was, since) = before.unwrap_or((Health::Ok, service.since));
            if was == service.health {
                self.0.entry(Arc::clone(&service.name)).or_insert((was, since));
                continue;
            }
            // From degraded to down is one trouble: its beginning stays.
            let begun = if was == Health::Ok { service.since } else { since };
            entries.push(entry(service, was, begun));
            self.0.insert(Arc::clone(&service.name), (service.health, begun));
        }
        self.0.retain(|name, _| services.service(name).is_some());
        entries
    }
}

fn entry(service: &ServiceView, was: Health, begun: Timestamp) -> NewEntry {
    let name = &service.name;
    let (severity, summary) = match service.health {
        Health::Ok | Health::Unknown => {
            let lasted = service.since.since(begun);
            let lasted = quarterdeck_services::words::ago(lasted);
            (Severity::Info, format!("{name} is well again after {lasted}"))
        }
        Health::Degraded if was == Health::Down => {
            (Severity::Warning, format!("{name} is degraded, no longer down: {}", service.reason))
        }
        Health::Degraded => (Severity::Warning, format!("{name} is degraded: {}", service.reason)),
        Health::Down => (Severity::Critical, format!("{name} is down: {}", service.reason)),
    };
    NewEntry::new(ChangeKind::Alert, Actor::system("services"), summary)
        .at(service.since)
        .severity(severity)
        .about(service.subject())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(health: Health, since: i64) -> Snapshot {
        let service = ServiceView {
            name: "orders".into(),
            health,
            since: Timestamp::from_millis(since),
            reason: "p99 84 ms, limit 50 ms".to_owned(),
            ..ServiceView::default()
        };
        Snapshot { services: vec![Arc::new(service)], ..Snapshot::default() }
    }

    #[test]
    fn troubles_are_told_once_with_their_end_and_length() {
        let mut known = Known::default();
        let mut told = |health, since| -> Vec<String> {
            known.changes(&snapshot(health, since)).into_iter().map(|e| e.summary).collect()
        };
        assert!(told(Health::Ok, 0).is_empty());
        assert_eq!(told(Health::Degraded, 10_000), ["orders is degraded: p99 84 ms, limit 50 ms"]);
        assert!(told(Health::Degraded, 10_000).is_empty());
        assert!(told(Health::Unknown, 20_000).is_empty(), "a gap in the data is no change");
        assert_eq!(told(Health::Down, 30_000), ["orders is down: p99 84 ms, limit 50 ms"]);
        assert_eq!(told(Health::Ok, 75_000), ["orders is well again after 1 m 05 s"]);
    }
}
