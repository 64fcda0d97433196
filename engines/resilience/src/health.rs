//! Active health checks: startup, readiness and liveness as Kubernetes defines its probes ("Configure Liveness, Readiness
//! and Startup Probes"): until startup has succeeded once, the two others are not asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Moment, Outcome};

/// How a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How long to wait before the first.
    pub initial_delay: Duration,
    /// How long from one to the next.
    pub period: Duration,
    /// How long it may take.
    pub timeout: Duration,
    /// Successes in a row that make it pass after it failed.
    pub successes: u32,
    /// Failures in a row that make it fail.
    pub failures: u32,
}

impl Default for Settings {
    /// Kubernetes' defaults: at once, each 10 s, within 1 s; one success, three failures.
    fn default() -> Self {
        Self {
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            successes: 1,
            failures: 3,
        }
    }
}

/// Which question a check asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Has it come up?
    Startup,
    /// Can it take calls?
    Readiness,
    /// Or must it be started again?
    Liveness,
}

/// The checks of one member; what is None is not asked, and passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Checks {
    /// Asked until it succeeds.
    pub startup: Option<Settings>,
    /// Asked all the time.
    pub readiness: Option<Settings>,
    /// Asked all the time.
    pub liveness: Option<Settings>,
}

/// What is known of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether it has come up.
    pub started: bool,
    /// Whether it can take calls: never before it has come up, and, with a readiness check, not before that passed.
    pub ready: bool,
    /// Whether it need not be started again.
    pub live: bool,
}

#[derive(Debug)]
struct Check {
    settings: Settings,
    passes: bool,
    successes: u32,
    failures: u32,
    /// When it is next asked; None while it is being asked.
    next: Option<Moment>,
    asked: Option<Moment>,
    /// Until it has passed once it is asked at least this often.
    eager: Option<Duration>,
}

impl Check {
    fn new(settings: Settings, passes: bool, now: Moment) -> Self {
        let next = Some(now.saturating_add(settings.initial_delay));
        Self { settings, passes, successes: 0, failures: 0, next, asked: None, eager: None }
    }

    fn tell(&mut self, outcome: Outcome, now: Moment) {
        let Some(asked) = self.asked.take() else { return };
        match outcome {
            Outcome::Success => {
                (self.failures, self.successes) = (0, self.successes.saturating_add(1));
                if self.successes >= self.settings.successes.max(1) {
                    self.passes = true;
                }
            }
            Outcome::Failure => {
                (self.successes, self.failures) = (0, self.failures.saturating_add(1));
                if self.failures >= self.settings.failures.max(1) {
                    self.passes = false;
                }
            }
        }
        if self.passes {
            self.eager = None;
        }
        let period = self.eager.map_or(self.settings.period, |eager| eager.min(self.settings.period));
        // A slow answer does not move the beat.
        self.next = Some(asked.saturating_add(period).max(now));
    }
}

/// Watches the health of one member.
#[derive(Debug)]
pub struct Monitor {
    startup: Option<Check>,
    readiness: Option<Check>,
    liveness: Option<Check>,
    started: bool,
    /// A startup check has failed as often as it may: it will not come up by itself.
    failed_to_start: bool,
    checks: Checks,
    eager: Option<Duration>,
}

impl Monitor {
    /// Begins to watch.
    #[must_use]
    pub fn new(checks: Checks, now: Moment) -> Self {
        let mut monitor = Self {
            startup: checks.startup.map(|settings| Check::new(settings, false, now)),
            readiness: None,
            liveness: None,
            started: false,
            failed_to_start: false,
            checks,
            eager: None,
        };
        if checks.startup.is_none() {
            monitor.begin(now);
        }
        monitor
    }

    /// Begins to watch a member that is known to be up and well: every check passes until it has failed as often as it may.
    #[must_use]
    pub fn well(checks: Checks, now: Moment) -> Self {
        let mut monitor = Self::new(checks, now);
        monitor.begin(now);
        if let Some(readiness) = &mut monitor.readiness {
            readiness.passes = true;
        }
        monitor
    }

    /// Asks for readiness at least this often until it has passed once, as the kubelet does: who comes up is let in soon.
    #[must_use]
    pub fn eager(mut self, every: Duration) -> Self {
        self.eager = Some(every);
        if let Some(check) = &mut self.readiness {
            check.eager = Some(every);
        }
        self
    }

    /// The checks that are due: ask, within the timeout, and [`Monitor::tell`].
    pub fn due(&mut self, now: Moment) -> Vec<(Kind, Duration)> {
        let mut due = Vec::new();
        for kind in [Kind::Startup, Kind::Readiness, Kind::Liveness] {
            let Some(check) = self.check(kind) else { continue };
            if check.next.is_some_and(|next| next <= now) {
                (check.next, check.asked) = (None, Some(now));
                due.push((kind, check.settings.timeout));
            }
        }
        due
    }

    /// What a check found; no answer in time is a failure. The health, if it is another than before.
    pub fn tell(&mut self, kind: Kind, outcome: Outcome, now: Moment) -> Option<Health> {
        let before = self.health();
        if let Some(check) = self.check(kind) {
            check.tell(outcome, now);
            if kind == Kind::Startup {
                let (passes, failures, most) = (check.passes, check.failures, check.settings.failures.max(1));
                if passes {
                    self.begin(now);
                } else if failures >= most {
                    self.failed_to_start = true;
                }
            }
        }
        let after = self.health();
        (after != before).then_some(after)
    }

    /// A check that was due could not be made: it counts for nothing, and is due again after its period.
    pub fn unmade(&mut self, kind: Kind, now: Moment) {
        let Some(check) = self.check(kind) else { return };
        if let Some(asked) = check.asked.take() {
            check.next = Some(asked.saturating_add(check.settings.period).max(now));
        }
    }

    /// What is known.
    #[must_use]
    pub fn health(&self) -> Health {
        let passes = |check: &Option<Check>| check.as_ref().is_none_or(|check| check.passes);
        Health {
            started: self.started,
            ready: self.started && passes(&self.readiness),
            live: !self.failed_to_start && passes(&self.liveness),
        }
    }

    /// When the next check is due; None while all are being asked.
    #[must_use]
    pub fn next_due(&self) -> Option<Moment> {
        [&self.startup, &self.readiness, &self.liveness]
            .into_iter()
            .flatten()
            .filter_map(|check| check.next)
            .min()
    }

    /// It came up: the other checks begin.
    fn begin(&mut self, now: Moment) {
        (self.started, self.failed_to_start, self.startup) = (true, false, None);
        self.readiness = self
            .checks
            .readiness
            .map(|settings| Check { eager: self.eager, ..Check::new(settings, false, now) });
        self.liveness = self.checks.liveness.map(|settings| Check::new(settings, true, now));
    }

    fn check(&mut self, kind: Kind) -> Option<&mut Check> {
        match kind {
            Kind::Startup => self.startup.as_mut(),
            Kind::Readiness => self.readiness.as_mut(),
            Kind::Liveness => self.liveness.as_mut(),
        }
    }
}
