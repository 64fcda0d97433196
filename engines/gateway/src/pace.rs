//! Whether a body comes fast enough to be waited for. Pure: instants are passed in.

use std::time::{Duration, Instant};

/// Counts what came while it was waited for, over one window of waiting after the other.
#[derive(Debug)]
pub struct Pace {
    /// Bytes a second; 0 for no bound.
    least: u64,
    window: Duration,
    waited: Duration,
    came: u64,
    since: Option<Instant>,
}

impl Pace {
    /// At least so many bytes a second, on average over each window.
    #[must_use]
    pub fn new(least: u64, window: Duration) -> Self {
        Self { least, window, waited: Duration::ZERO, came: 0, since: None }
    }

    /// From here on it is waited for more. Time in which nobody asks for more is not the sender's.
    pub fn wait(&mut self, now: Instant) {
        if self.least > 0 {
            self.since.get_or_insert(now);
        }
    }

    /// So many bytes came. False when that is too little for the time that was waited.
    #[must_use]
    pub fn came(&mut self, bytes: usize, now: Instant) -> bool {
        if let Some(since) = self.since.take() {
            self.waited += now.saturating_duration_since(since);
        }
        self.came = self.came.saturating_add(bytes as u64);
        if self.least == 0 || self.waited < self.window {
            return true;
        }
        let enough = self.came as f64 >= self.least as f64 * self.waited.as_secs_f64();
        (self.waited, self.came) = (Duration::ZERO, 0);
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How long one holds out who sends so many bytes each so many milliseconds, in milliseconds; None if for an hour.
    fn holds(pace: &mut Pace, bytes: usize, millis: u64) -> Option<u64> {
        let began = Instant::now();
        let mut at = 0;
        while at < 3_600_000 {
            pace.wait(began + Duration::from_millis(at));
            at += millis;
            if !pace.came(bytes, began + Duration::from_millis(at)) {
                return Some(at);
            }
        }
        None
    }

    #[test]
    fn who_drips_is_not_waited_for() {
        let pace = || Pace::new(240, Duration::from_secs(60));
        assert_eq!(holds(&mut pace(), 1, 59_000), Some(118_000));
        assert_eq!(holds(&mut pace(), 100, 1_000), Some(60_000));
        assert_eq!(holds(&mut pace(), 240, 1_000), None);
        assert_eq!(holds(&mut pace(), 20_000, 59_000), None);
        assert_eq!(holds(&mut Pace::new(0, Duration::from_secs(60)), 1, 59_000), None);
    }

    #[test]
    fn a_good_beginning_buys_no_time_and_an_endpoint_that_is_slow_costs_none() {
        let mut pace = Pace::new(240, Duration::from_secs(60));
        let now = Instant::now();
        assert!(pace.came(1 << 30, now));
        // The window that the good beginning is in, and the next.
        assert_eq!(holds(&mut pace, 1, 30_000), Some(120_000));
        let mut pace = Pace::new(240, Duration::from_secs(60));
        assert!(pace.came(10, now));
        // Nobody asked for more in this hour.
        assert!(pace.came(10, now + Duration::from_secs(3600)));
    }
}
