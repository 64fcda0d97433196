//! Pauses between tries: they grow by half each time, up to a minute, and vary by half, as Alertmanager's do.

use std::time::Duration;

const MOST: Duration = Duration::from_secs(60);

/// The pauses of one attempt.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    state: u64,
}

impl Backoff {
    pub(crate) fn new(first: Duration, seed: u64) -> Self {
        Self { next: first.min(MOST), state: seed }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let middle = self.next;
        self.next = middle.mul_f64(1.5).min(MOST);
        middle.mul_f64(0.5 + self.random())
    }

    /// A number from 0 up to 1 (SplitMix64).
    fn random(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute() {
        for seed in 0..100 {
            let mut backoff = Backoff::new(Duration::from_millis(500), seed);
            let mut middle = 0.5;
            for _ in 0..30 {
                let pause = backoff.pause().as_secs_f64();
                assert!(
                    pause >= middle * 0.499 && pause <= middle * 1.501,
                    "seed {seed}: {pause} around {middle}"
                );
                middle = f64::min(middle * 1.5, 60.0);
            }
        }
    }
}
