//! Receivers of notifications that take none.

use std::time::Duration;

use quarterdeck_alerting::DestinationStatus;
use quarterdeck_resilience::Outcome;
use quarterdeck_resilience::breaker::{Breaker, Settings};

use super::at;

/// One whose breaker has been open since then.
pub(crate) fn down(name: &str, since: i64) -> DestinationStatus {
    let mut breaker = Breaker::new(Settings::default(), Duration::ZERO);
    for _ in 0..5 {
        let (permit, _) = breaker.ask(Duration::ZERO).expect("a closed breaker lets through");
        breaker.tell(permit, Outcome::Failure, Duration::ZERO);
    }
    DestinationStatus {
        destination: name.into(),
        waiting: 3,
        running: 0,
        delivered: 7,
        failed: 1,
        failed_tries: 9,
        refused: 0,
        last_delivered: Some(at(since - 60)),
        last_failure: Some((at(-5), "it answers 503".to_owned())),
        breaker: breaker.view(Duration::ZERO),
        down_since: Some(at(since)),
    }
}
