//! Outlier ejection: of several who do the same, the one that fails is left out for a while (as Envoy's outlier detection
//! does it).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Moment, Outcome};

/// When a member is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// So many failures one after the other eject; 0 never.
    pub consecutive: u32,
    /// So large a share of failures in an interval ejects; None never.
    pub failure_share: Option<f64>,
    /// Calls that a member must have in an interval for its share to say something.
    pub least_calls: u32,
    /// How long an interval is.
    pub interval: Duration,
    /// How long the first ejection lasts; the second lasts twice as long, and so on.
    pub base: Duration,
    /// The longest ejection.
    pub longest: Duration,
    /// The largest share of members that may be out at a time.
    pub most: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            consecutive: 5,
            failure_share: None,
            least_calls: 50,
            interval: Duration::from_secs(10),
            base: Duration::from_secs(30),
            longest: Duration::from_secs(300),
            most: 0.5,
        }
    }
}

/// Why a member is left out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// So many failures one after the other.
    Consecutive(u32),
    /// So large a share of its calls failed.
    Share(f64),
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Change<M> {
    /// A member is left out until a moment.
    Ejected {
        /// Who.
        member: M,
        /// Why.
        why: Why,
        /// Until when.
        until: Moment,
    },
    /// A member takes part again.
    Returned {
        /// Who.
        member: M,
    },
}

#[derive(Clone, Debug, Default)]
struct Member {
    consecutive: u32,
    calls: u32,
    failures: u32,
    /// Until when it is out.
    out: Option<Moment>,
    /// How often it was ejected, less one for each interval that it got through since.
    times: u32,
    /// Whether it was ejected in this interval or has been out in it.
    spoiled: bool,
}

/// Watches members that do the same.
#[derive(Debug)]
pub struct Outliers<M> {
    settings: Settings,
    members: BTreeMap<M, Member>,
    interval_ends: Moment,
    /// Ejections that were not made because too many were out.
    spared: u64,
}

impl<M: Clone + Ord> Outliers<M> {
    /// Watches these.
    pub fn new(settings: Settings, members: impl IntoIterator<Item = M>, now: Moment) -> Self {
        let members = members.into_iter().map(|member| (member, Member::default())).collect();
        Self { settings, members, interval_ends: now.saturating_add(settings.interval), spared: 0 }
    }

    /// Watches these from now on; of those that stay, what is known stays.
    pub fn set_members(&mut self, members: impl IntoIterator<Item = M>) {
        let mut old = std::mem::take(&mut self.members);
        self.members = members
            .into_iter()
            .map(|m| {
                let known = old.remove(&m).unwrap_or_default();
                (m, known)
            })
            .collect();
    }

    /// How a call to a member ended.
    pub fn tell(&mut self, member: &M, outcome: Outcome, now: Moment) -> Option<Change<M>> {
        let settings = self.settings;
        let known = self.members.get_mut(member)?;
        known.calls = known.calls.saturating_add(1);
        if outcome == Outcome::Success {
            known.consecutive = 0;
            return None;
        }
        known.failures = known.failures.saturating_add(1);
        known.consecutive = known.consecutive.saturating_add(1);
        // Calls that were under way when it was ejected say nothing new.
        if known.out.is_some() || settings.consecutive == 0 || known.consecutive < settings.consecutive {
            return None;
        }
        let why = Why::Consecutive(known.consecutive);
        self.eject(member, why, now)
    }

    /// Lets time pass: members return, and at the end of an interval shares are looked at.
    pub fn tick(&mut self, now: Moment) -> Vec<Change<M>> {
        let mut changes = Vec::new();
        for (name, member) in &mut self.members {
            if member.out.is_some_and(|until| until <= now) {
                member.out = None;
                member.consecutive = 0;
                changes.push(Change::Returned { member: name.clone() });
            }
        }
        if now < self.interval_ends {
            return changes;
        }
        self.interval_ends = now.saturating_add(self.settings.interval);
        let mut bad = Vec::new();
        for (name, member) in &mut self.members {
            let enough = member.calls >= self.settings.least_calls.max(1);
            let share = f64::from(member.failures) / f64::from(member.calls.max(1));
            if enough && member.out.is_none() && self.settings.failure_share.is_some_and(|most| share >= most)
            {
                bad.push((share, name.clone()));
            } else if member.out.is_none() && !std::mem::take(&mut member.spoiled) {
                member.times = member.times.saturating_sub(1);
            }
            (member.calls, member.failures) = (0, 0);
        }
        // The worst first: there may not be room for all.
        bad.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        for (share, name) in bad {
            changes.extend(self.eject(&name, Why::Share(share), now));
        }
        changes
    }

    /// Whether a member takes part.
    #[must_use]
    pub fn is_in(&self, member: &M) -> bool {
        self.members.get(member).is_some_and(|known| known.out.is_none())
    }

    /// Those who are out, and until when.
    pub fn out(&self) -> impl Iterator<Item = (&M, Moment)> {
        self.members.iter().filter_map(|(name, known)| Some((name, known.out?)))
    }

    /// When [`Outliers::tick`] next has something to do.
    #[must_use]
    pub fn next_tick(&self) -> Moment {
        self.out()
            .map(|(_, until)| until)
            .min()
            .map_or(self.interval_ends, |until| until.min(self.interval_ends))
    }

    /// How many ejections were not made because too many were out.
    #[must_use]
    pub fn spared(&self) -> u64 {
        self.spared
    }

    fn eject(&mut self, member: &M, why: Why, now: Moment) -> Option<Change<M>> {
        let out = self.out().count() + 1;
        if out as f64 > self.members.len() as f64 * self.settings.most {
            self.spared += 1;
            return None;
        }
        let settings = self.settings;
        let known = self.members.get_mut(member)?;
        known.times = known.times.saturating_add(1);
        known.spoiled = true;
        let until = now.saturating_add(settings.base.saturating_mul(known.times).min(settings.longest));
        known.out = Some(until);
        known.consecutive = 0;
        Some(Change::Ejected { member: member.clone(), why, until })
    }
}
