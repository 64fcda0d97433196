//! Blue-green: the new version comes up whole beside the stable one, then takes all the traffic at once.

use super::active::Active;
use crate::replicas::Counts;
use crate::strategy::{BlueGreen, Step};

/// Preview, analysis, wait, switch, analysis.
pub(super) fn ladder(kind: &BlueGreen) -> Vec<Step> {
    let mut steps = vec![Step::Preview(kind.preview_replicas)];
    steps.extend(kind.pre_promotion.clone().map(Step::Analysis));
    match (kind.auto_promotion_after, kind.auto_promotion) {
        (Some(after), _) => steps.push(Step::Pause(Some(after))),
        (None, false) => steps.push(Step::Pause(None)),
        (None, true) => {}
    }
    steps.push(Step::Switch);
    steps.extend(kind.post_promotion.clone().map(Step::Analysis));
    steps
}

/// The stable version stays whole; the new one is a preview until its turn comes.
pub(super) fn counts(active: &Active<'_>) -> Counts {
    let full = active.full();
    let new = match active.p.preview {
        Some(preview) => preview.min(full).max(1),
        None => full,
    };
    Counts { old: full, new }
}
