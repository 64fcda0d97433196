//! What the engine tells the rest of the console: entries for the timeline, and the seam to escalation.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;
use quarterdeck_kernel::{Severity, Timestamp};

use super::{Alert, AttemptRecord, Cause, Detail, Group, Silence};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: FactKind,
}

/// What happened. Escalation lives on [`GroupFired`](Self::GroupFired) and [`GroupEnded`](Self::GroupEnded).
#[derive(Clone, Debug, PartialEq)]
pub enum FactKind {
    /// An alert changed its state; the alert is as it is since.
    Transition {
        /// The alert.
        alert: Arc<Alert>,
        /// Why.
        cause: Cause,
        /// Who or what.
        detail: Option<Arc<Detail>>,
    },
    /// Firing alerts of a group that nobody has taken got through the pipeline for the first time since they fire, since
    /// they were hidden, or since an acknowledgement of them ran out: an escalation begins, or begins anew for these.
    GroupFired {
        /// Which group.
        group: Arc<str>,
        /// The receiver of its route.
        receiver: Arc<str>,
        /// The worst severity of the new ones.
        severity: Severity,
        /// The new ones.
        alerts: Arc<[Fingerprint]>,
        /// Whether none of the group's alerts was known before.
        first: bool,
    },
    /// A group that had fired has no firing alert left that is to be told of: its escalation ends. Told once more when
    /// alerts that were hidden then are resolved.
    GroupEnded {
        /// The group as it was: it may be gone.
        group: Arc<Group>,
        /// Its alerts as they were.
        alerts: Arc<[Arc<Alert>]>,
    },
    /// An alert got another owner; `None`: nobody.
    Assigned {
        /// The alert.
        alert: Arc<Alert>,
        /// Who did it.
        by: Arc<str>,
    },
    /// A silence was made or changed.
    SilenceSet {
        /// The silence.
        silence: Arc<Silence>,
    },
    /// A silence was ended by hand, or because all it hid is resolved.
    SilenceExpired {
        /// The silence.
        silence: Arc<Silence>,
        /// Who.
        by: Arc<str>,
    },
    /// A notification's outcome became known.
    Notified {
        /// The notification.
        attempt: Arc<AttemptRecord>,
    },
    /// A configuration was taken into use.
    Reloaded {
        /// How many groups went on.
        kept: usize,
        /// How many groups are new.
        made: usize,
        /// How many groups are gone.
        dropped: usize,
    },
}
