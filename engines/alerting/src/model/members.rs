//! The alerts of a group: thousands, of which few come or go between two looks.

use std::sync::Arc;

use quarterdeck_alertmanager::Fingerprint;

/// How many stand together.
const TOGETHER: usize = 64;

/// A list that whoever looks at it shares: adding to it copies the last few at most.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// That many each.
    full: Arc<Vec<Arc<[Fingerprint]>>>,
    /// The rest.
    last: Arc<Vec<Fingerprint>>,
}

impl Members {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.full.len() * TOGETHER + self.last.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Fingerprint> {
        self.full.iter().flat_map(|together| together.iter()).chain(self.last.iter())
    }

    /// The one that came first.
    #[must_use]
    pub fn first(&self) -> Option<&Fingerprint> {
        self.iter().next()
    }

    /// Whether an alert is among them.
    #[must_use]
    pub fn contains(&self, alert: &Fingerprint) -> bool {
        self.iter().any(|member| member == alert)
    }

    /// One more.
    pub(crate) fn push(&mut self, alert: Fingerprint) {
        if Arc::get_mut(&mut self.last).is_none() {
            // Copied with room for the next few: a copy as it is would be copied again for this one.
            let mut copy = Vec::with_capacity((self.last.len() + 1).next_power_of_two());
            copy.extend_from_slice(&self.last);
            self.last = Arc::new(copy);
        }
        let last = Arc::make_mut(&mut self.last);
        last.push(alert);
        if last.len() == TOGETHER {
            Arc::make_mut(&mut self.full).push(last.as_slice().into());
            last.clear();
        }
    }

    /// Without those that are not to stay.
    pub(crate) fn retain(&mut self, stays: impl Fn(&Fingerprint) -> bool) {
        *self = self.iter().filter(|alert| stays(alert)).copied().collect();
    }
}

impl FromIterator<Fingerprint> for Members {
    fn from_iter<I: IntoIterator<Item = Fingerprint>>(alerts: I) -> Self {
        let mut members = Self::default();
        for alert in alerts {
            members.push(alert);
        }
        members
    }
}

impl PartialEq for Members {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Members {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_and_shares_what_did_not_change() {
        let list = |count: u64| (0..count).map(Fingerprint);
        for count in [0, 1, 63, 64, 65, 128, 1000] {
            let mut members: Members = list(count).collect();
            let before = members.clone();
            assert_eq!(members.len(), list(count).count());
            assert!(members.iter().copied().eq(list(count)));
            assert_eq!(members.first().copied(), list(count).next());
            members.push(Fingerprint(5000));
            assert!(members.contains(&Fingerprint(5000)) && !before.contains(&Fingerprint(5000)));
            assert!(before.iter().copied().eq(list(count)), "what was shared stays as it was");
            members.retain(|alert| alert.0 % 3 == 0);
            let kept = list(count).filter(|alert| alert.0 % 3 == 0);
            assert!(members.iter().copied().eq(kept), "{count}");
            assert_eq!(members.len(), members.iter().count());
        }
    }
}
