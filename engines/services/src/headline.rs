//! The one sentence that leads when something is wrong.

use std::time::Duration;

use quarterdeck_kernel::{ChangeKind, Entry, Health, Phase, Severity, Timestamp};

use crate::model::{Headline, Limited, ServiceView, Snapshot};
use crate::words::{ago, figure, latency};

/// How long before trouble a change may have come to be told with it.
const BEFORE: Duration = Duration::from_secs(300);

/// Trouble that begins within this time of a change begins right after it.
const AT_ONCE: Duration = Duration::from_secs(1);

impl Snapshot {
    /// The headline: about the worst service that is degraded or down, with the change that came just before, if
    /// `recent` (entries of the timeline, in any order) holds one. None when all is well or unknown.
    #[must_use]
    pub fn headline(&self, recent: &[Entry], now: Timestamp) -> Option<Headline> {
        let wrong = |s: &&std::sync::Arc<ServiceView>| s.health >= Health::Degraded;
        let worst = self.services.iter().find(wrong)?;
        let others = self.services.iter().filter(wrong).count() - 1;
        let broken = worst.breaches.first().map_or(worst.since, |leading| leading.since);
        let mut rest = String::new();
        let change = before(worst, broken, recent);
        if let Some(change) = change {
            let later = broken.since(change.at);
            let later = if later < AT_ONCE { "right".to_owned() } else { ago(later) };
            rest.push_str(&format!(" · began {later} after {} ({})", change.summary, change.actor));
        }
        if others > 0 {
            rest.push_str(&format!(" · {others} more"));
        }
        let mut headline = Headline {
            severity: worst.severity().unwrap_or(Severity::Warning),
            text: String::new(),
            service: std::sync::Arc::clone(&worst.name),
            change: change.map(|c| c.id.clone()),
            health: worst.health,
            since: worst.since,
            broken,
            clause: clause(worst),
            rest,
        };
        headline.text = headline.told(now);
        Some(headline)
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

/// The newest change to the service, or to one that it needs, that came just before its trouble began.
fn before<'a>(service: &ServiceView, began: Timestamp, recent: &'a [Entry]) -> Option<&'a Entry> {
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
    let timely = |e: &&Entry| e.at <= began && e.at >= began - BEFORE;
    let own = |e: &&Entry| e.service.as_deref() == Some(&*service.name);
    recent.iter().filter(touches).filter(causes).filter(timely).max_by_key(|e| (own(e), e.at))
}
