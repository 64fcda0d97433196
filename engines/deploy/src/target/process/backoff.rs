//! How long one waits before starting again what has crashed.

use std::time::Duration;

use quarterdeck_resilience::retry::{self, Jitter, Policy};

use crate::config::RestartConfig;

/// Counts crashes: the first start again is at once, each later one after twice as long, until it has run long enough.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    crashes: u32,
}

/// The shortest pause: a program that ends at once must not take the machine with it.
const SHORTEST: Duration = Duration::from_millis(200);

impl Backoff {
    /// It has ended after so long: the pause until it is started again.
    pub(crate) fn crashed(&mut self, ran: Duration, config: &RestartConfig) -> Duration {
        if ran >= config.reset {
            self.crashes = 0;
        }
        let before = self.crashes;
        self.crashes = self.crashes.saturating_add(1);
        let policy = Policy {
            attempts: Policy::FOREVER,
            backoff: retry::Backoff::Exponential { factor: 2.0 },
            base: config.base,
            cap: config.longest,
            jitter: Jitter::None,
            not_idempotent: false,
        };
        policy.wait(before, true, 0.0).unwrap_or_else(|| SHORTEST.min(config.base))
    }

    /// Whether it has crashed more than once.
    pub(crate) fn loops(&self) -> bool {
        self.crashes > 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_are_forgotten() {
        let config = RestartConfig::default();
        let mut backoff = Backoff::default();
        let mut crash = |ran: u64| backoff.crashed(Duration::from_secs(ran), &config).as_millis();
        let pauses: Vec<u128> = (0..8).map(|_| crash(1)).collect();
        assert_eq!(pauses, [200, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]);
        assert_eq!(crash(600), 200);
        assert_eq!(crash(599), 10_000);
        let mut backoff = Backoff { crashes: u32::MAX };
        assert_eq!(backoff.crashed(Duration::ZERO, &config), Duration::from_secs(300));
        assert!(backoff.loops());
    }
}
