//! The circuit breaker of a version of a service, shared by all threads.

use std::time::Duration;

use hyper::StatusCode;
use parking_lot::Mutex;
use quarterdeck_resilience::breaker::{Breaker, Forced, Permit, Refused, Settings, Transition, View};
use quarterdeck_resilience::{Moment, Outcome};

/// A breaker with its name.
#[derive(Debug)]
pub struct Named {
    service: String,
    version: String,
    breaker: Mutex<Breaker>,
}

/// What an answer says of the health of who gave it. An error of the service's own code says that it is there.
#[must_use]
pub fn outcome(status: StatusCode) -> Outcome {
    match status.as_u16() {
        502..=504 => Outcome::Failure,
        _ => Outcome::Success,
    }
}

impl Named {
    /// A closed one.
    #[must_use]
    pub fn new(service: &str, version: &str, settings: Settings, now: Moment) -> Self {
        let breaker = Mutex::new(Breaker::new(settings, now));
        Self { service: service.to_owned(), version: version.to_owned(), breaker }
    }

    /// Whether a call may be made.
    ///
    /// # Errors
    /// That it may not.
    pub fn ask(&self, now: Moment) -> Result<Permit, Refused> {
        let asked = self.breaker.lock().ask(now);
        let (permit, moved) = asked?;
        self.moved(moved);
        Ok(permit)
    }

    /// What came of it.
    pub fn tell(&self, permit: Permit, outcome: Outcome, now: Moment) {
        let moved = self.breaker.lock().tell(permit, outcome, now);
        self.moved(moved);
    }

    /// Nobody will ever know.
    pub fn forget(&self, permit: Permit) {
        self.breaker.lock().forget(permit);
    }

    /// Forces it, or with None lets it decide again.
    pub fn force(&self, state: Option<Forced>, now: Moment) {
        let mut breaker = self.breaker.lock();
        let moved = match state {
            Some(state) => breaker.force(state, now),
            None => breaker.unforce(now),
        };
        drop(breaker);
        self.moved(moved);
    }

    /// Takes new settings.
    pub fn configure(&self, settings: Settings) {
        self.breaker.lock().configure(settings);
    }

    /// What it has seen and does.
    #[must_use]
    pub fn view(&self, now: Moment) -> View {
        self.breaker.lock().view(now)
    }

    fn moved(&self, moved: Option<Transition>) {
        if let Some(Transition { from, to, reason }) = moved {
            let (service, version) = (&self.service, &self.version);
            tracing::warn!(service, version, ?from, ?to, ?reason, "circuit breaker");
        }
    }
}

/// A permit that is given back by itself when its request is given up.
#[derive(Debug)]
pub struct Asked<'a> {
    named: &'a Named,
    permit: Option<Permit>,
}

impl<'a> Asked<'a> {
    /// Asks.
    ///
    /// # Errors
    /// When to ask again.
    pub fn ask(named: &'a Named, now: Moment) -> Result<Self, Option<Duration>> {
        let permit = named.ask(now).map_err(|refused| refused.retry_after)?;
        Ok(Self { named, permit: Some(permit) })
    }

    /// What came of it.
    pub fn tell(mut self, outcome: Outcome, now: Moment) {
        if let Some(permit) = self.permit.take() {
            self.named.tell(permit, outcome, now);
        }
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if let Some(permit) = self.permit.take() {
            self.named.forget(permit);
        }
    }
}
