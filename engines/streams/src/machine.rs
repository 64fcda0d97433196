//! The connection of a feed as a pure state machine: when to connect, subscribe, ping, give up and try again.

use std::time::Duration;

use quarterdeck_kernel::Timestamp;
use quarterdeck_kernel::time::format_duration;
use quarterdeck_resilience::retry::Random;

use crate::config::FeedConfig;
use crate::model::FeedState;

/// A clock that goes back by less than this was corrected, not set.
const CLOCK_STEP: Duration = Duration::from_secs(1);

/// The timing rules of a feed.
#[derive(Clone, Debug)]
pub struct Rules {
    /// See [`FeedConfig::connect_timeout`].
    pub connect_timeout: Duration,
    /// See [`FeedConfig::ping_interval`].
    pub ping_interval: Duration,
    /// See [`FeedConfig::pong_timeout`].
    pub pong_timeout: Duration,
    /// See [`FeedConfig::stale_after`].
    pub stale_after: Duration,
    /// See [`FeedConfig::backoff`].
    pub backoff: crate::config::Backoff,
}

impl From<&FeedConfig> for Rules {
    fn from(config: &FeedConfig) -> Self {
        Self {
            connect_timeout: config.connect_timeout,
            ping_interval: config.ping_interval,
            pong_timeout: config.pong_timeout,
            stale_after: config.stale_after,
            backoff: config.backoff.clone(),
        }
    }
}

/// What happens to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// The feed begins.
    Start,
    /// Time has come to [`Machine::deadline`] (or is just looked at).
    Wake,
    /// The handshake is done.
    Connected,
    /// Connecting failed, or the connection ended; why, in words.
    Lost(String),
    /// A message came.
    Message,
    /// A frame that is not a message came.
    Heard,
    /// A pong came.
    Pong,
    /// The operator wants a new connection now.
    Reconnect,
    /// The operator wants no connection.
    Pause,
    /// The operator wants the connection again.
    Resume,
}

/// What the shell is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Begin to connect; any connection before is dropped.
    Connect,
    /// Send the subscribe messages.
    Subscribe,
    /// Send a ping.
    Ping,
    /// Drop the connection or the attempt.
    Disconnect,
}

/// A feed's connection.
#[derive(Clone, Debug)]
pub struct Machine {
    rules: Rules,
    state: FeedState,
    since: Timestamp,
    /// Failed attempts and short connections in a row.
    failures: u32,
    opened: Timestamp,
    last_message: Option<Timestamp>,
    next_ping: Timestamp,
    /// When the ping was sent to which nothing has come back yet.
    awaiting: Option<Timestamp>,
    /// When the ping was sent to which no pong has come back yet.
    pinged: Option<Timestamp>,
    round_trip: Option<Duration>,
    connections: u64,
    last_error: Option<(Timestamp, String)>,
    random: Random,
    /// The time of the newest step.
    seen: Timestamp,
}

impl Machine {
    /// A feed that has not begun. `seed` decides the jitter.
    #[must_use]
    pub fn new(rules: Rules, seed: u64) -> Self {
        let zero = Timestamp::default();
        Self {
            rules,
            state: FeedState::Paused,
            since: zero,
            failures: 0,
            opened: zero,
            last_message: None,
            next_ping: zero,
            awaiting: None,
            pinged: None,
            round_trip: None,
            connections: 0,
            last_error: None,
            random: Random::new(seed),
            seen: zero,
        }
    }

    /// What it does.
    #[must_use]
    pub fn state(&self) -> FeedState {
        self.state
    }

    /// Since when it does that.
    #[must_use]
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// How often a connection was opened after the first.
    #[must_use]
    pub fn reconnects(&self) -> u64 {
        self.connections.saturating_sub(1)
    }

    /// What went wrong last, and when.
    #[must_use]
    pub fn last_error(&self) -> Option<&(Timestamp, String)> {
        self.last_error.as_ref()
    }

    /// How long the last answered ping took.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// When it wants to be woken; never if none.
    #[must_use]
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.state {
            FeedState::Paused => None,
            FeedState::Waiting { until, .. } => Some(until),
            FeedState::Connecting { .. } => Some(self.since + self.rules.connect_timeout),
            FeedState::Live | FeedState::Stale => {
                let ping = (!self.rules.ping_interval.is_zero()).then_some(self.next_ping);
                let pong = self.awaiting.map(|sent| sent + self.rules.pong_timeout);
                let stale = (self.state == FeedState::Live && !self.rules.stale_after.is_zero())
                    .then(|| self.quiet_since() + self.rules.stale_after);
                [ping, pong, stale].into_iter().flatten().min()
            }
        }
    }

    /// Takes what happened and says what to do.
    pub fn step(&mut self, input: Input, now: Timestamp) -> Vec<Effect> {
        self.follow_clock(now);
        match input {
            Input::Start | Input::Resume if self.state == FeedState::Paused => {
                self.failures = 0;
                self.connect(now)
            }
            Input::Start | Input::Resume => Vec::new(),
            Input::Pause => {
                let connected = !matches!(self.state, FeedState::Paused | FeedState::Waiting { .. });
                self.enter(FeedState::Paused, now);
                if connected { vec![Effect::Disconnect] } else { Vec::new() }
            }
            Input::Reconnect if self.state == FeedState::Paused => Vec::new(),
            Input::Reconnect => {
                self.failures = 0;
                self.connect(now)
            }
            Input::Connected => self.connected(now),
            Input::Lost(why) => self.lost(why, now),
            Input::Message => {
                self.last_message = Some(now);
                self.awaiting = None;
                if self.state == FeedState::Stale {
                    self.enter(FeedState::Live, now);
                }
                Vec::new()
            }
            Input::Heard => {
                self.awaiting = None;
                Vec::new()
            }
            Input::Pong => {
                self.awaiting = None;
                self.round_trip = self.pinged.take().map(|sent| now.since(sent)).or(self.round_trip);
                Vec::new()
            }
            Input::Wake => self.wake(now),
        }
    }

    /// When the clock was set back, everything planned or remembered moves with it: otherwise a wait of a second would
    /// become one of the hour that the clock was set back by.
    fn follow_clock(&mut self, now: Timestamp) {
        let back = self.seen.since(now);
        self.seen = now;
        if back < CLOCK_STEP {
            return;
        }
        let times = [
            Some(&mut self.since),
            Some(&mut self.opened),
            Some(&mut self.next_ping),
            self.last_message.as_mut(),
            self.awaiting.as_mut(),
            self.pinged.as_mut(),
            match &mut self.state {
                FeedState::Waiting { until, .. } => Some(until),
                _ => None,
            },
        ];
        times.into_iter().flatten().for_each(|t| *t = *t - back);
    }

    fn enter(&mut self, state: FeedState, now: Timestamp) {
        if state != self.state {
            (self.state, self.since) = (state, now);
        }
    }

    fn quiet_since(&self) -> Timestamp {
        self.last_message.map_or(self.opened, |m| m.max(self.opened))
    }

    fn connect(&mut self, now: Timestamp) -> Vec<Effect> {
        (self.state, self.since) = (FeedState::Connecting { attempt: self.failures + 1 }, now);
        (self.awaiting, self.pinged) = (None, None);
        vec![Effect::Connect]
    }

    fn connected(&mut self, now: Timestamp) -> Vec<Effect> {
        // A handshake that ends after the operator paused the feed is not wanted any more.
        if !matches!(self.state, FeedState::Connecting { .. }) {
            return vec![Effect::Disconnect];
        }
        self.enter(FeedState::Live, now);
        self.opened = now;
        self.next_ping = now + self.rules.ping_interval;
        self.connections += 1;
        vec![Effect::Subscribe]
    }

    fn lost(&mut self, why: String, now: Timestamp) -> Vec<Effect> {
        if matches!(self.state, FeedState::Paused | FeedState::Waiting { .. }) {
            return Vec::new();
        }
        if self.state.connected() && now.since(self.opened) >= self.rules.backoff.reset_after {
            self.failures = 0;
        }
        self.failures = self.failures.saturating_add(1);
        self.last_error = Some((now, why));
        (self.awaiting, self.pinged) = (None, None);
        let until = now + self.wait();
        self.enter(FeedState::Waiting { until, attempt: self.failures }, now);
        vec![Effect::Disconnect]
    }

    fn wake(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.deadline().is_none_or(|d| now < d) {
            return Vec::new();
        }
        match self.state {
            FeedState::Paused => Vec::new(),
            FeedState::Waiting { .. } => self.connect(now),
            FeedState::Connecting { .. } => {
                let limit = format_duration(self.rules.connect_timeout);
                self.lost(format!("the connection did not stand within {limit}"), now)
            }
            FeedState::Live | FeedState::Stale => self.wake_connected(now),
        }
    }

    fn wake_connected(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.awaiting.is_some_and(|sent| now >= sent + self.rules.pong_timeout) {
            let limit = format_duration(self.rules.pong_timeout);
            return self.lost(format!("nothing came back within {limit} after a ping"), now);
        }
        let stale_after = self.rules.stale_after;
        if !stale_after.is_zero() && now >= self.quiet_since() + stale_after {
            self.enter(FeedState::Stale, now);
        }
        if self.rules.ping_interval.is_zero() || now < self.next_ping {
            return Vec::new();
        }
        self.next_ping = now + self.rules.ping_interval;
        self.pinged = Some(now);
        self.awaiting.get_or_insert(now);
        vec![Effect::Ping]
    }

    /// The wait before the next attempt: doubling, capped, shortened at random.
    fn wait(&mut self) -> Duration {
        // The console wants its feeds for as long as they are configured: there is always another attempt. A breaker would
        // have nothing to add, for a feed is one connection, and waiting is what this does.
        let random = self.random.unit();
        let policy = self.rules.backoff.policy();
        policy.wait(self.failures, true, random).unwrap_or(policy.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn machine(seed: u64) -> Machine {
        Machine::new(Rules::from(&FeedConfig::new("ws://x")), seed)
    }

    fn open(now: i64) -> Machine {
        let mut m = machine(1);
        assert_eq!(m.step(Input::Start, at(now)), [Effect::Connect]);
        assert_eq!(m.step(Input::Connected, at(now)), [Effect::Subscribe]);
        m
    }

    #[test]
    fn waits_double_up_to_the_longest_and_stay_within_the_jitter() {
        for seed in 0..200 {
            let mut m = machine(seed);
            let mut now = 1000;
            assert_eq!(m.step(Input::Start, at(now)), [Effect::Connect]);
            for attempt in 1..=12u32 {
                assert_eq!(m.state(), FeedState::Connecting { attempt }, "seed {seed}");
                assert_eq!(m.step(Input::Lost("refused".into()), at(now)), [Effect::Disconnect]);
                let FeedState::Waiting { until, attempt: failed } = m.state() else { panic!("seed {seed}") };
                assert_eq!(failed, attempt);
                let full = (500i64 << (attempt - 1)).min(30_000);
                let waited = until.as_millis() - now;
                assert!(
                    waited >= full / 2 && waited <= full,
                    "seed {seed} attempt {attempt}: {waited} ms of {full}"
                );
                assert_eq!(m.step(Input::Wake, at(until.as_millis() - 1)), [], "seed {seed}: too early");
                now = until.as_millis();
                assert_eq!(m.step(Input::Wake, at(now)), [Effect::Connect], "seed {seed}");
            }
        }
    }

    #[test]
    fn equal_seeds_wait_equally_and_others_do_not() {
        let waits = |seed| {
            let mut m = machine(seed);
            (0..5)
                .map(|_| {
                    m.failures += 1;
                    m.wait()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(waits(7), waits(7));
        assert_ne!(waits(7), waits(8));
    }

    #[test]
    fn a_connection_that_stood_long_enough_starts_the_waits_anew() {
        let mut m = open(0);
        m.failures = 6;
        m.step(Input::Lost("reset".into()), at(9_999));
        assert!(matches!(m.state(), FeedState::Waiting { attempt: 7, .. }));
        let mut m = open(0);
        m.failures = 6;
        m.step(Input::Lost("reset".into()), at(10_000));
        assert!(matches!(m.state(), FeedState::Waiting { attempt: 1, .. }));
    }

    #[test]
    fn a_handshake_that_never_ends_is_given_up() {
        let mut m = machine(1);
        m.step(Input::Start, at(0));
        assert_eq!(m.deadline(), Some(at(10_000)));
        assert_eq!(m.step(Input::Wake, at(9_999)), []);
        assert_eq!(m.step(Input::Wake, at(10_000)), [Effect::Disconnect]);
        assert_eq!(m.last_error().unwrap().1, "the connection did not stand within 10s");
    }

    #[test]
    fn pings_are_sent_and_silence_after_one_ends_the_connection() {
        let mut m = open(0);
        assert_eq!(m.deadline(), Some(at(15_000)));
        assert_eq!(m.step(Input::Wake, at(15_000)), [Effect::Ping]);
        assert_eq!(m.step(Input::Pong, at(15_040)), []);
        assert_eq!(m.round_trip(), Some(Duration::from_millis(40)));
        assert_eq!(m.step(Input::Wake, at(30_000)), [Effect::Ping]);
        assert_eq!(m.deadline(), Some(at(40_000)));
        assert_eq!(m.step(Input::Wake, at(39_999)), []);
        assert_eq!(m.step(Input::Wake, at(40_000)), [Effect::Disconnect]);
        assert_eq!(m.last_error().unwrap().1, "nothing came back within 10s after a ping");
        assert!(matches!(m.state(), FeedState::Waiting { .. }));
    }

    #[test]
    fn any_frame_shows_that_the_connection_lives() {
        let mut m = open(0);
        m.step(Input::Wake, at(15_000));
        m.step(Input::Message, at(15_001));
        assert_eq!(m.step(Input::Wake, at(25_000)), []);
        assert_eq!(m.state(), FeedState::Live);
    }

    #[test]
    fn a_quiet_feed_is_stale_until_the_next_message() {
        let mut m = open(0);
        m.step(Input::Message, at(1_000));
        m.step(Input::Pong, at(20_000));
        m.step(Input::Wake, at(31_000));
        assert_eq!((m.state(), m.since()), (FeedState::Stale, at(31_000)));
        m.step(Input::Message, at(32_000));
        assert_eq!((m.state(), m.since()), (FeedState::Live, at(32_000)));
    }

    #[test]
    fn operators_pause_resume_and_reconnect() {
        let mut m = open(0);
        assert_eq!(m.step(Input::Pause, at(1)), [Effect::Disconnect]);
        assert_eq!((m.state(), m.deadline()), (FeedState::Paused, None));
        assert_eq!(m.step(Input::Reconnect, at(2)), []);
        assert_eq!(m.step(Input::Lost("closed".into()), at(2)), []);
        assert_eq!(m.step(Input::Connected, at(3)), [Effect::Disconnect]);
        assert_eq!(m.step(Input::Resume, at(4)), [Effect::Connect]);
        assert_eq!(m.step(Input::Connected, at(5)), [Effect::Subscribe]);
        assert_eq!(m.reconnects(), 1);
        m.step(Input::Lost("reset".into()), at(6));
        assert_eq!(m.step(Input::Reconnect, at(7)), [Effect::Connect], "without the backoff");
        assert_eq!(m.state(), FeedState::Connecting { attempt: 1 });
    }

    #[test]
    fn a_clock_that_is_set_back_prolongs_no_wait() {
        let hour = 3_600_000;
        let mut m = machine(1);
        m.step(Input::Start, at(hour));
        m.step(Input::Lost("refused".into()), at(hour));
        assert_eq!(m.step(Input::Wake, at(500)), [], "an hour back");
        let wait = m.deadline().unwrap().since(at(500));
        assert!(wait <= Duration::from_millis(500), "{wait:?}");
        assert_eq!(m.step(Input::Wake, at(1000)), [Effect::Connect]);
        let mut m = open(hour);
        m.step(Input::Message, at(hour + 20));
        m.step(Input::Heard, at(20));
        assert_eq!(m.deadline(), Some(at(15_000)), "the ping is sent in time");
        assert_eq!(m.since(), at(0));
    }

    #[test]
    fn random_inputs_never_leave_it_without_a_way_on() {
        for seed in 0..300u64 {
            let mut m = machine(seed);
            let mut rng = Random::new(seed ^ 0xabcd);
            let mut now = 0;
            m.step(Input::Start, at(now));
            for _ in 0..200 {
                now += (rng.unit() * 20_000.0) as i64;
                let input = match (rng.unit() * 9.0) as u32 {
                    0 => Input::Connected,
                    1 => Input::Lost("x".into()),
                    2 => Input::Message,
                    3 => Input::Heard,
                    4 => Input::Pong,
                    5 => Input::Reconnect,
                    6 => Input::Pause,
                    7 => Input::Resume,
                    _ => Input::Wake,
                };
                m.step(input, at(now));
                m.step(Input::Wake, at(now));
                let paused = m.state() == FeedState::Paused;
                assert_eq!(m.deadline().is_none(), paused, "seed {seed}: {:?}", m.state());
                assert!(m.deadline().is_none_or(|d| d > at(now)), "seed {seed}: late deadline");
            }
        }
    }
}
