//! A canary: more and more of the traffic, step by step.

use super::active::Active;
use crate::model::share_of;
use crate::replicas::{Counts, Side, routed, shared};
use crate::strategy::{Canary, Step};

/// Its steps, and promotion as the last.
pub(super) fn ladder(kind: &Canary) -> Vec<Step> {
    kind.steps.iter().cloned().chain([Step::Promote]).collect()
}

/// Replicas that the new version begins with: those of the first step that wants some.
pub(super) fn first_need(active: &Active<'_>, kind: &Canary) -> u32 {
    let full = active.full();
    let need = kind.steps.iter().find_map(|step| match step {
        Step::SetWeight(weight) if *weight > 0 => {
            Some(if kind.shared.is_some() { 1 } else { routed(full, *weight, None, kind.min_replicas) })
        }
        Step::SetCanaryScale(scale) => Some(routed(full, 0, Some(*scale), kind.min_replicas)),
        _ => None,
    });
    need.unwrap_or(1).max(1)
}

/// The stable version stays whole, and the new one has enough for its weight; or both share, if that was asked for.
pub(super) fn counts(active: &Active<'_>, kind: &Canary) -> Counts {
    let full = active.full();
    let goal = active.p.goal.max(active.r.weight);
    let least = if active.p.smoked { 0 } else { first_need(active, kind) };
    let Some(limits) = &kind.shared else {
        let new = routed(full, goal, active.p.scale, kind.min_replicas).max(least);
        return Counts { old: full, new };
    };
    let side = |version: &str| {
        let wanted = active.s.versions.get(version).map_or(0, |v| v.wanted);
        Side::new(wanted, active.available(version))
    };
    let old = active.r.from.as_deref().map_or_else(Side::default, side);
    let next = shared(full, active.p.goal, limits, old, side(&active.r.to), 0);
    // The stable version keeps a replica as long as it has a share.
    let held = active.r.from.as_deref().is_some_and(|from| share_of(&active.s.shares, from) > 0);
    Counts { old: next.old.max(u32::from(held && old.wanted > 0)), new: next.new.max(least) }
}
