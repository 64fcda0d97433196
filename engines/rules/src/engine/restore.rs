//! How long alerts were pending before a restart: read back from `ALERTS_FOR_STATE`.

use std::collections::BTreeMap;
use std::time::Duration;

use quarterdeck_kernel::labels::METRIC_NAME;
use quarterdeck_kernel::{Labels, Timestamp, is_stale, time::millis};

use super::Backend;
use super::alert::Alerts;

/// A state that is older than this is not restored.
pub const OUTAGE_TOLERANCE: Duration = Duration::from_secs(3600);

/// Alerts that must hold for less than this start again; others fire after at least this long.
pub const FOR_GRACE: Duration = Duration::from_secs(600);

/// Moves the alerts' beginnings to where they were, so that the time of the outage counts neither way.
pub(super) fn restore(
    alerts: &mut Alerts,
    name: &str,
    hold: Duration,
    now: Timestamp,
    backend: &dyn Backend,
) {
    if hold < FOR_GRACE {
        return;
    }
    let known = match backend.for_state(name, now - OUTAGE_TOLERANCE, now) {
        Ok(known) => known,
        Err(error) => {
            // There is no second chance: these alerts start anew.
            tracing::warn!(alert = name, %error, "the state from before the restart cannot be read");
            return;
        }
    };
    let known: BTreeMap<Labels, quarterdeck_kernel::Sample> =
        known.into_iter().map(|(labels, sample)| (labels.without(METRIC_NAME), sample)).collect();
    for alert in alerts.by_labels.values_mut() {
        let Some(last) = known.get(&alert.labels).filter(|last| !is_stale(last.v)) else { continue };
        let (down_at, active_at) = (last.t, Timestamp::from_secs_f64(last.v.trunc()));
        let pending = down_at.as_millis() - active_at.as_millis();
        let remaining = millis(hold) - pending;
        alert.active_at = if remaining <= 0 {
            active_at
        } else if remaining < millis(FOR_GRACE) {
            now + FOR_GRACE - hold
        } else {
            active_at.plus_millis(now.as_millis() - down_at.as_millis())
        };
    }
}
