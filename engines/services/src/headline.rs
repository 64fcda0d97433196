//! The one sentence that leads when something is wrong.

use std::time::Duration;

use quarterdeck_kernel::{ChangeKind, Entry, Health, Phase, Severity, Timestamp};

use crate::model::{Headline, Limited, ServiceView, Snapshot};
use crate::words::{ago, figure, latency};

/// How long before trouble a change may have come to be told with it.
const BEFORE: Duration = Duration::from_secs(300);

impl Snapshot {
    /// The headline: about the worst service that is degraded or down, with the change that came just before, if
    /// `recent` (entries of the timeline, in any order) holds one. None when all is well or unknown.
    #[must_use]
    pub fn headline(&self, recent: &[Entry], now: Timestamp) -> Option<Headline> {
        let wrong = |s: &&std::sync::Arc<ServiceView>| s.health >= Health::Degraded;
        let worst = self.services.iter().find(wrong)?;
        let others = self.services.iter().filter(wrong).count() - 1;
        let mut text = format!("{} {} {}", worst.name, worst.health.as_str(), ago(now.since(worst.since)));
        text.push_str(" · ");
        text.push_str(&clause(worst));
        let change = before(worst, recent);
        if let Some(change) = change {
            let later = ago(worst.since.since(change.at));
            text.push_str(&format!(" · began {later} after {} ({})", change.summary, change.actor));
        }
        if others > 0 {
            text.push_str(&format!(" · {others} more"));
        }
        let severity = worst.severity().unwrap_or(Severity::Warning);
        let service = std::sync::Arc::clone(&worst.name);
        Some(Headline { severity, text, service, change: change.map(|c| c.id.clone()) })
    }
}

/// What is wrong, as short as a headline wants it: `p99 84 ms (limit 50)`.
fn clause(service: &ServiceView) -> String {
    let Some(breach) = service.breaches.first() else { return service.reason.clone() };
    if breach.recovering() {
        return format!("recovering, {}", breach.text);
    }
    match breach.what {
        Limited::Latency => format!("p99 {} (limit {})", latency(breach.value), figure(breach.limit)),
        Limited::Errors => format!("errors {} % (limit {})", figure(breach.value), figure(breach.limit)),
        Limited::Targets | Limited::Saturation | Limited::Transaction(_) => breach.text.clone(),
    }
}

/// The newest change to the service, or to one that it needs, that came just before its trouble.
fn before<'a>(service: &ServiceView, recent: &'a [Entry]) -> Option<&'a Entry> {
    let touches = |e: &&Entry| match e.service.as_deref() {
        Some(name) => name == &*service.name || service.depends_on.iter().any(|d| d == name),
        // A configuration that is not of one service may be of any.
        None => e.kind == ChangeKind::Configuration,
    };
    let causes = |e: &&Entry| {
        let effect = matches!(
            e.kind,
            ChangeKind::Deployment
                | ChangeKind::Flag
                | ChangeKind::Chaos
                | ChangeKind::Configuration
                | ChangeKind::Job
                | ChangeKind::Operation
        );
        effect && e.phase != Phase::Failed && e.undone_by.is_none()
    };
    let timely = |e: &&Entry| e.at <= service.since && e.at >= service.since - BEFORE;
    let own = |e: &&Entry| e.service.as_deref() == Some(&*service.name);
    recent.iter().filter(touches).filter(causes).filter(timely).max_by_key(|e| (own(e), e.at))
}
