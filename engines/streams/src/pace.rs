//! How often a feed's socket is looked at: at every arrival, or in beats while it is busy. Pure: time is passed in.
//!
//! Hundreds of packets a second from each of many feeds would wake the process for each of them. A busy feed is
//! therefore read once per [`BEAT`], everything that has come together. A message can then be seen up to a beat after it
//! came; feeds below about a hundred messages a second are read as each message comes.

use std::time::Duration;

/// Between two looks at a busy feed: the most by which a message can be seen late.
pub(crate) const BEAT: Duration = Duration::from_millis(20);

/// Wake-ups and messages are counted over windows of this length.
const WINDOW: Duration = Duration::from_millis(100);

/// So many wake-ups within a window make a feed busy.
const BUSY: u32 = 10;

/// With fewer messages within a window a busy feed is busy no more.
const CALM: u32 = 5;

/// With more bytes in one beat the socket's buffers could fill between looks and slow the sender down.
const FLOOD: usize = 64 << 10;

/// How long a feed that floods is read as it comes, at least.
const FLOODED: Duration = Duration::from_secs(1);

/// What was found in one look at the socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Frames of any kind.
    pub(crate) frames: u32,
    /// Bytes of messages.
    pub(crate) bytes: usize,
}

/// The pace of one feed. All times are since an instant that all feeds share, so that their beats fall together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace {
    beats: bool,
    /// The window that is being counted, and what was counted in it.
    window: u128,
    counted: u32,
    /// No beats before.
    held: Duration,
}

impl Pace {
    /// Whether the socket is looked at in beats.
    pub(crate) fn in_beats(&self) -> bool {
        self.beats
    }

    /// When the next beat comes.
    pub(crate) fn next_beat(now: Duration) -> Duration {
        let beat = BEAT.as_millis();
        let next = (now.as_millis() / beat + 1) * beat;
        Duration::from_millis(u64::try_from(next).unwrap_or(u64::MAX))
    }

    /// Reads at every arrival for a while, as when an answer's time is measured.
    pub(crate) fn hold(&mut self, now: Duration, wait: Duration) {
        self.held = self.held.max(now + wait);
        self.turn(now, false);
    }

    /// Counts a look at the socket.
    pub(crate) fn looked(&mut self, found: Found, now: Duration) {
        let window = now.as_millis() / WINDOW.as_millis();
        let ended = window != self.window;
        if self.beats && found.bytes > FLOOD {
            self.hold(now, FLOODED);
        } else if self.beats {
            let calm = ended && self.counted < CALM;
            self.count(window, found.frames);
            if calm {
                self.turn(now, false);
            }
        } else if found.frames > 0 {
            self.count(window, 1);
            if self.counted >= BUSY && now >= self.held {
                self.turn(now, true);
            }
        }
    }

    fn count(&mut self, window: u128, more: u32) {
        if window != self.window {
            (self.window, self.counted) = (window, 0);
        }
        self.counted = self.counted.saturating_add(more);
    }

    /// Changes the pace; the window in which it changes tells nothing about the new one.
    fn turn(&mut self, now: Duration, beats: bool) {
        self.beats = beats;
        self.window = now.as_millis() / WINDOW.as_millis();
        self.counted = if beats { CALM } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    const ONE: Found = Found { frames: 1, bytes: 130 };

    /// Lets messages come every `every` ms from `from` to `to`, each seen as the pace says; the latest that one was seen.
    fn run(pace: &mut Pace, from: u64, to: u64, every: u64) -> u64 {
        let (mut waiting, mut latest) = (Vec::new(), 0);
        for now in from..to {
            if now % every == 0 {
                waiting.push(now);
            }
            let looks = if pace.in_beats() {
                ms(now) == Pace::next_beat(ms(now) - ms(1))
            } else {
                !waiting.is_empty()
            };
            if looks {
                let frames = u32::try_from(waiting.len()).unwrap();
                latest = waiting.drain(..).map(|came| now - came).fold(latest, u64::max);
                pace.looked(Found { frames, bytes: 130 * frames as usize }, ms(now));
            }
        }
        latest
    }

    #[test]
    fn a_busy_feed_is_read_in_beats_and_none_is_seen_later_than_one() {
        let mut pace = Pace::default();
        let latest = run(&mut pace, 0, 2_000, 5);
        assert!(pace.in_beats());
        assert!((5..=20).contains(&latest), "{latest} ms late");
    }

    #[test]
    fn a_feed_that_speaks_seldom_is_heard_at_once() {
        let mut pace = Pace::default();
        assert_eq!(run(&mut pace, 0, 5_000, 20), 0);
        assert!(!pace.in_beats());
    }

    #[test]
    fn a_feed_that_calms_down_is_heard_at_once_again() {
        let mut pace = Pace::default();
        run(&mut pace, 0, 1_000, 5);
        run(&mut pace, 1_000, 1_300, 50);
        assert!(!pace.in_beats());
        assert_eq!(run(&mut pace, 1_300, 2_000, 50), 0);
        run(&mut pace, 2_000, 3_000, 5);
        run(&mut pace, 3_000, 3_200, 1_000_000);
        assert!(!pace.in_beats(), "silence is calm too");
    }

    #[test]
    fn rates_between_the_two_limits_do_not_make_it_change_all_the_time() {
        let mut pace = Pace::default();
        run(&mut pace, 0, 1_000, 5);
        for from in (1_000..5_000).step_by(100) {
            // 70 messages a second: too few to begin with beats, enough to go on with them.
            run(&mut pace, from, from + 100, 14);
            assert!(pace.in_beats(), "at {from} ms");
        }
    }

    #[test]
    fn a_flood_is_read_as_it_comes() {
        let mut pace = Pace::default();
        run(&mut pace, 0, 500, 5);
        pace.looked(Found { frames: 300, bytes: FLOOD + 1 }, ms(500));
        assert!(!pace.in_beats());
        for now in 501..1_500 {
            pace.looked(ONE, ms(now));
            assert!(!pace.in_beats());
        }
        run(&mut pace, 1_500, 1_800, 5);
        assert!(pace.in_beats());
    }

    #[test]
    fn beats_of_all_feeds_fall_together() {
        assert_eq!([0, 1, 19, 20, 21].map(|now| Pace::next_beat(ms(now))), [20, 20, 20, 40, 40].map(ms));
    }
}
