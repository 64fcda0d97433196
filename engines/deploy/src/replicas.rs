//! How many replicas of each version there are to be: Argo's table for canaries, Kubernetes's for rolling updates.
//!
//! Everything here says what is to be next, from what is wanted and available now; called again after each change it
//! comes to rest at the goal.

use std::time::Duration;

use crate::strategy::{CanaryScale, Limit, Rolling};

/// Replicas of one version: how many are wanted, and how many have been ready long enough.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Side {
    /// How many its target was told to run.
    pub wanted: u32,
    /// How many take requests.
    pub available: u32,
}

impl Side {
    /// A side.
    #[must_use]
    pub const fn new(wanted: u32, available: u32) -> Self {
        Self { wanted, available }
    }

    /// Those that can be counted on: a target that still has more than it is to have will end the rest.
    const fn counted(self) -> u32 {
        if self.wanted < self.available { self.wanted } else { self.available }
    }
}

/// How many replicas there are to be next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of the version that is being replaced.
    pub old: u32,
    /// Of the one that replaces it.
    pub new: u32,
}

impl Rolling {
    /// Surge and unavailable as numbers: surge is rounded up, unavailable down, and where both come to nothing one may be
    /// unavailable, since nothing could ever change otherwise.
    #[must_use]
    pub fn resolve(&self, replicas: u32) -> (u32, u32) {
        let surge = match self.max_surge {
            Limit::Count(count) => count,
            Limit::Percent(percent) => part(replicas, percent, true),
        };
        let unavailable = match self.max_unavailable {
            Limit::Count(count) => count,
            Limit::Percent(percent) => part(replicas, percent, false),
        };
        if surge == 0 && unavailable == 0 { (0, 1) } else { (surge, unavailable) }
    }
}

/// So many per cent of a number.
fn part(number: u32, percent: u32, up: bool) -> u32 {
    let product = u64::from(number) * u64::from(percent);
    let whole = if up { product.div_ceil(100) } else { product / 100 };
    u32::try_from(whole).unwrap_or(u32::MAX)
}

/// Replicas of a canary whose traffic is steered: enough for its weight, rounded up, or as a step says. The stable version
/// stays whole.
#[must_use]
pub fn routed(replicas: u32, weight: u32, scale: Option<CanaryScale>, min: u32) -> u32 {
    match scale {
        Some(CanaryScale::Replicas(count)) => count,
        Some(CanaryScale::Percent(percent)) => part(replicas, percent, true),
        // The least of them is no more than the service has.
        Some(CanaryScale::MatchWeight) | None if weight > 0 => {
            part(replicas, weight.min(100), true).max(min.min(replicas))
        }
        Some(CanaryScale::MatchWeight) | None => 0,
    }
}

/// Replicas that a canary keeps when it is taken back: with a delay they go when that is over, without one they stay.
#[must_use]
pub const fn taken_back(delay: Option<Duration>, replicas: u32) -> u32 {
    if delay.is_some() { 0 } else { replicas }
}

/// The goal of a canary and a stable version that share the service's replicas: the split that is nearest to the weight,
/// with one replica more if surge allows it and that is nearer. Neither goes without a replica, if there is room for both.
fn goal(replicas: u32, weight: u32, surge: u32) -> Counts {
    if weight == 0 {
        return Counts { old: replicas, new: 0 };
    }
    if weight >= 100 {
        return Counts { old: 0, new: replicas };
    }
    let mut best: Option<(u64, Counts)> = None;
    let totals = replicas..=replicas.saturating_add(u32::from(surge > 0));
    // One replica cannot be split: surge, where there is some, makes room for the other.
    for total in totals.filter(|total| *total != 1 || surge == 0) {
        for new in [part(total, weight, false), part(total, weight, true)] {
            let counts = Counts { old: total - new, new };
            if total > 1 && (counts.old == 0 || counts.new == 0) {
                continue;
            }
            // How far off it is, in hundredths of a replica of the larger total, so that both compare.
            let scale = u64::from(replicas) * (u64::from(replicas) + 1) / u64::from(total.max(1));
            let off = (u64::from(new) * 100).abs_diff(u64::from(total) * u64::from(weight)) * scale;
            if best.is_none_or(|(nearest, _)| off < nearest) {
                best = Some((off, counts));
            }
        }
    }
    best.map_or(Counts { old: replicas, new: 0 }, |(_, counts)| counts)
}

/// Replicas of a canary and a stable version that share the service's replicas, no more than surge allows and with no more
/// unavailable than allowed. `older` are replicas of further versions, which go first.
#[must_use]
pub fn shared(
    replicas: u32,
    weight: u32,
    limits: &Rolling,
    stable: Side,
    canary: Side,
    older: u32,
) -> Counts {
    let (surge, unavailable) = limits.resolve(replicas);
    let goal = goal(replicas, weight, surge);
    let most = replicas.saturating_add(surge);
    let mut next = Counts { old: stable.wanted, new: canary.wanted };
    let mut room = most.saturating_sub(stable.wanted.saturating_add(canary.wanted).saturating_add(older));
    // The stable version first.
    let more = goal.old.saturating_sub(next.old).min(room);
    next.old += more;
    room -= more;
    next.new += goal.new.saturating_sub(next.new).min(room);
    if older > 0 {
        return next;
    }
    // The side that shrinks counts whole: what of it does not work must not stand in the way of its replacement.
    let grows = goal.new >= canary.wanted;
    let (new, old) =
        if grows { (canary.counted(), stable.wanted) } else { (canary.wanted, stable.counted()) };
    let mut less = (new + old).saturating_sub(replicas.saturating_sub(unavailable));
    if less == 0 {
        return next;
    }
    let off = canary.wanted.saturating_sub(goal.new).min(less);
    if off > 0 {
        next.new = canary.wanted - off;
        less -= off;
    }
    let off = stable.wanted.saturating_sub(goal.old).min(less);
    if off > 0 {
        next.old = stable.wanted - off;
    }
    // More than there may be in all, as after the number of replicas was lowered: the one that grows gives way.
    let excess = (next.old + next.new).saturating_sub(most);
    if grows {
        next.new = next.new.saturating_sub(excess);
    } else {
        next.old = next.old.saturating_sub(excess);
    }
    next
}

/// Replicas of a rolling update, as Kubernetes's deployment controller counts them: the new version grows into the room
/// that surge leaves; of the old one those that do not work go first, then as many as can be spared.
#[must_use]
pub fn rolling(replicas: u32, limits: &Rolling, old: Side, new: Side) -> Counts {
    let (surge, unavailable) = limits.resolve(replicas);
    let mut next = Counts { old: old.wanted, new: new.wanted };
    if new.wanted > replicas {
        next.new = replicas;
    } else {
        let room = replicas.saturating_add(surge).saturating_sub(old.wanted.saturating_add(new.wanted));
        next.new += room.min(replicas - new.wanted);
    }
    let least = replicas.saturating_sub(unavailable);
    let not_yet = new.wanted.saturating_sub(new.available);
    let spare = (old.wanted + new.wanted).saturating_sub(least).saturating_sub(not_yet);
    // Those that do not work.
    let sick = old.wanted.saturating_sub(old.available).min(spare);
    next.old -= sick;
    // Those that do, as long as enough are left.
    let spare = (old.counted() + new.counted()).saturating_sub(least);
    next.old -= spare.min(next.old);
    next
}
